"""Write the model card of a run: README.md with the header that hubs read."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml

from objabn import __version__
from objabn.config.schema import X3D, Dataset
from objabn.model.run import WEIGHTS
from objabn.sharing.numbers import Numbers, number_lines
from objabn.sharing.source import Source
from objabn.sharing.words import data_words, mask_words, plain, short, weights_words

CARD = "README.md"
MARK = "# Written by `objabn push`, "  # a comment of the header, with the digest of the rest
OURS = "apache-2.0"
_MOST_CLASSES = 40  # that are listed
_ROWS = {
    "plain": "The backbone alone, without an attention branch.",
    "abn": "Attention Branch Network: the map M_u weights the features. It is taught by the classes alone.",
    "mask": "The map M_o weights the features. It is taught where the object is, by masks.",
    "mha": "Three maps weight the features: M_u is free, M_o is taught the object and M_b the background, by masks.",
}
_PAPER = (
    "T. Nitta, T. Hirakawa, H. Fujiyoshi, T. Tamaki: *Object-ABN: Learning to Generate Sharp Attention Maps for Action "
    "Recognition*."
)


class Facts(NamedTuple):
    """What a card says.

    Attributes:
        licence: of the weights, as hubs name it.
        videos: the data set's index, columns `label` and `split`; None where it is not there.
        segmenter: what made the masks, as results/<ds>/segment.json says; None where no mask was used, or nobody knows.
        digests: of each file of weights, by its place in the folder.
        changed: parameters that a control changes, by their keys.
    """

    source: Source
    params: Dataset
    numbers: Numbers | None
    limits: Sequence[str]
    licence: str
    videos: pd.DataFrame | None
    segmenter: Mapping[str, Any] | None
    digests: Mapping[str, str]
    changed: Mapping[str, Any]


def card(facts: Facts) -> str:
    """Write the whole text, with the mark by which `is_unchanged` knows it again."""
    header = yaml.safe_dump(_header(facts), sort_keys=False, allow_unicode=True)
    sections = [
        _title(facts),
        ["## Use", "", *_use(facts)],
        ["## What it was trained with", "", *_training(facts)],
        ["## Numbers", "", *_numbers(facts)],
        ["## What the numbers do not say", "", *[f"- {line}" for line in facts.limits]],
        ["## Licences", "", *_licences(facts)],
        ["## Versions", "", *_versions(facts)],
    ]
    body = "\n\n".join("\n".join(section).rstrip() for section in sections)
    text = f"---\n{header}---\n\n{body}\n"
    return text.replace("---\n", f"---\n{MARK}{_digest(text)}\n", 1)


def is_unchanged(text: str) -> bool:
    """Tell whether a text is a card as `card` wrote it.

    >>> is_unchanged("# My own words")
    False
    """
    found = re.search(rf"^{re.escape(MARK)}(\w+)\n", text, re.MULTILINE)
    return found is not None and _digest(text.replace(found[0], "", 1)) == found[1]


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _header(facts: Facts) -> dict[str, Any]:
    """The metadata that hubs read."""
    source, numbers = facts.source, facts.numbers
    header: dict[str, Any] = {
        "license": facts.licence,
        "library_name": "objabn",
        "pipeline_tag": "video-classification",
        "tags": ["video-classification", "action-recognition", "attention-maps", "explainability", "object-abn"],
        "datasets": [source.dataset],
        "metrics": ["accuracy"],
    }
    metrics = [] if numbers is None else _metrics(source, numbers)
    if not metrics:
        return header
    result = {
        "task": {"type": "video-classification"},
        "dataset": {"name": source.dataset, "type": source.dataset, "split": "test"},
        "metrics": metrics,
    }
    name = f"objabn-{source.dataset}-{source.row.name.replace(' + ', '-').lower()}"
    return {**header, "model-index": [{"name": name, "results": [result]}]}


def _metrics(source: Source, numbers: Numbers) -> list[dict[str, Any]]:
    """List the accuracy of one training, or the means of several.

    Of the network of one fold there is none.
    """
    trainings, seed = len(numbers.by_seed), source.seeds[0]
    if source.lone_fold is not None:
        return []
    if len(source.seeds) == 1 and trainings > 1:
        return [{"type": "accuracy", "name": "top-1, %", "value": round(numbers.by_seed[seed], 2)}]
    of = f", mean of {trainings} trainings" if trainings > 1 else ""
    return [
        {"type": "accuracy", "name": f"{heading}, %{of}", "value": round(numbers.means[measure, ""].mean, 2)}
        for measure, heading in (("top1", "top-1"), ("top5", "top-5"))
        if (measure, "") in numbers.means
    ]


def _title(facts: Facts) -> list[str]:
    classes = len(facts.source.record["class_names"])
    what = "and shows where in the frames it looks" if facts.source.record["attention"] != "plain" else "by itself"
    return [
        f"# Object-ABN: {facts.source.title}",
        "",
        f"A network that answers which of {classes} actions a video shows, {what}.",
    ]


def _use(facts: Facts) -> list[str]:
    source, lines = facts.source, []
    if len(source.networks) > 1:
        lines = [
            f"The folder holds {len(source.networks)} networks: {', '.join(f'`{name}`' for name in source.networks)}. "
            "Without a choice the first one is taken.",
            "",
        ]
    lines += [
        "In a checkout of objabn `pip install .` gives the command and the package. `DIR` is this folder"
        + (" or one of those in it." if len(source.networks) > 1 else "."),
        "",
        "```bash",
        "objabn explain clip.mp4 --run DIR",
        "```",
        "",
        "```python",
        "import objabn",
        "",
        'found = objabn.explain("clip.mp4", "DIR", out="explained/clip")',
        "found.top(5), found.maps",
        "```",
    ]
    data, backbone = facts.params.data, short(facts.params.model.backbone)
    lines += [
        "",
        f"It sees clips of {data.num_frames} frames, {data.crop} x {data.crop} pixels, one of every "
        f"{data.frame_stride * facts.params.decode.stride} frames of a video.",
    ]
    if backbone.startswith("hf:"):
        lines += ["", f"The backbone is built from the checkpoint's config: `{backbone}` has to be there."]
    elif backbone != X3D and not backbone.startswith("torchvision:"):
        lines += ["", f"The backbone is its authors' code, which is not here: `{backbone}` has to be where you start."]
    return lines


def _training(facts: Facts) -> list[str]:
    source, params = facts.source, facts.params
    record, train, model = source.record, params.train, params.model
    changed = ", ".join(f"`{key}: {plain(str(value))}`" for key, value in facts.changed.items())
    name = f"`{record['control']}`"
    control = f" It is the control {name}{changed and f', with {changed}'}." if record["control"] else ""
    pc = " With the Prototype Conformity loss (PC)." if record["pc"] else ""
    share = f"; of the training videos {train.share:.0%}" if train.share < 1 else ""
    lines = [
        f"- **Data**: {data_words(source.dataset, len(record['class_names']), facts.videos)}{share}.",
        f"- **Row**: `{source.row.name}`. {_ROWS[record['attention']]}{pc}{control}",
        f"- **Masks**: {mask_words(record, facts.segmenter, drawn=params.synthesize is not None)}.",
        f"- **Labels**: {'its own' if record.get('labels', 'own') == 'own' else 'those of other videos, on purpose'}.",
        f"- **Backbone**: {'X3D' if model.backbone == X3D else plain(short(model.backbone))}, split at {model.split}, "
        f"{weights_words(model.pretrained)}.",
        f"- **Training**: {train.epochs} epochs, batches of {train.batch_size * train.accumulate} clips, Adam, "
        f"learning rate {train.lr:g}, {train.schedule}. Seeds {', '.join(map(str, source.seeds))}.",
    ]
    names = [plain(name) for name in record["class_names"]]
    more = f" and {len(names) - _MOST_CLASSES} more (`run.json`)" if len(names) > _MOST_CLASSES else ""
    return [*lines, f"- **Classes**: {', '.join(names[:_MOST_CLASSES])}{more}."]


def _numbers(facts: Facts) -> list[str]:
    numbers, source = facts.numbers, facts.source
    if numbers is None:
        return ["None: the network was not evaluated."]
    trainings = len(numbers.by_seed)
    each = ", ".join(f"seed {seed} {value:.1f} %" for seed, value in numbers.by_seed.items())
    here = "" if len(source.seeds) == trainings else f" Here: seed {', '.join(map(str, source.seeds))}."
    if source.lone_fold is not None:
        here = f" Here: {source.lone_fold} of seed {source.seeds[0]}, trained on the other folds."
    lines = [
        f"Means over {trainings} training{'s' * (trainings != 1)} of the row, on the test videos, from "
        f"`{numbers.origin.as_posix()}`. Top-1 by training: {each}.{here}",
        "",
        *number_lines(numbers, len(source.record["class_names"])),
    ]
    if numbers.against_abn or numbers.within:
        lines += [
            "",
            "Brackets are 95 % intervals over other trainings and other test recordings. `abn` is the row whose "
            "map is taught by the classes alone, tested on the same videos. Where the test videos have true masks or "
            "boxes, a map is compared with these.",
        ]
    return lines


def _licences(facts: Facts) -> list[str]:
    stated = facts.licence if facts.licence != "unknown" else "not stated by who wrote this card"
    lines = ["- Code (objabn): Apache-2.0.", f"- These weights: {stated}."]
    if facts.segmenter is not None:
        lines.append(f"- The segmenter that made the masks: {facts.segmenter.get('licence', 'unknown')}.")
    pretrained = facts.params.model.pretrained
    if pretrained is not None:
        ours = pretrained.startswith("objabn/assets/")
        said = "Apache-2.0, of objabn" if ours else "see where they are published"
        lines.append(f"- The pretrained weights {plain(Path(pretrained).name)}: {said}.")
    if facts.params.synthesize is None:
        lines.append("- The videos: their own terms, which may also hold for what was trained with them.")
    return lines


def _versions(facts: Facts) -> list[str]:
    record = facts.source.record
    versions = ", ".join(f"{name} {release}" for name, release in record["versions"].items())
    lines = [
        f"Trained with {versions}. Card and folder written by objabn {__version__}.",
        "",
        "| weights | SHA-256 |",
        "|---|---|",
    ]
    for name, digest in facts.digests.items():
        lines.append(f"| `{f'{name}/' if name else ''}{WEIGHTS}` | `{digest}` |")
    return [*lines, "", f"Method: {_PAPER}"]
