"""The report: one HTML page that shows a run of the pipeline, opened from the disk, with no network."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from objabn.config.schema import Dataset
from objabn.report.answers import UNANSWERED
from objabn.report.backbones import backbone_words
from objabn.report.breakdown import class_means, worst_videos
from objabn.report.colours import row_marks
from objabn.report.comparison import Comparison
from objabn.report.found import fine_print, found
from objabn.report.main_table import USED, main_cells, main_notes
from objabn.report.map_table import MEASURES
from objabn.report.names import Row
from objabn.report.page.confusion import class_names, confusion, recalls, sparse
from objabn.report.page.gallery import jpeg_url
from objabn.report.page.labels import named
from objabn.report.page.plots import Plot
from objabn.report.tables import Table, tables

_TEMPLATES = Path(__file__).parent / "templates"
PLOTLY = "plotly-cartesian.min.js"  # as it comes from npm (plotly.js-cartesian-dist-min); its licence lies beside it
_MAX_PICTURE = 750_000  # bytes of the masks' picture
_WORST = 10  # videos of the worst masks
_MAX_LOST = 200  # videos that are named
_MASK_WORDS = {
    "frames": "frames",
    "instances_per_frame": "instances a frame",
    "empty_share": "frames without an instance",
    "person_share": "frames with a person",
    "iou_truth": "IoU with the truth",
    "iou_truth_person": "IoU with the truth, persons",
    "iou_truth_test": "IoU with the truth, test videos",
    "iou_truth_person_test": "IoU with the truth, test videos, persons",
    "truth_frames": "frames with a true annotation",
    "truth_videos": "videos with a true annotation",
}
_COUNTS = ("frames", "truth_frames", "truth_videos")


def render(
    comparison: Comparison,
    words: Sequence[str],
    plots: Sequence[Plot],
    gallery: Mapping[str, Any],
    left_out: Sequence[str] = (),
) -> str:
    """Write the page. The same arguments give the same text.

    Args:
        words: `answers.answers`.
        gallery: `gallery.gallery`.
        left_out: names of rows that the gallery does not show.
    """
    rows, per_video, params, masks = comparison.rows, comparison.per_video, comparison.params, comparison.masks
    names, trainings = class_names(per_video), comparison.trainings
    counts = {row: confusion(per_video[row], names) for row in rows}
    shares = {row: recalls(counts[row]) for row in rows}
    num_labels = next(iter(counts.values())).sum(axis=1) // len(comparison.seeds)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "strong": _strong,
        "difference": _difference,
        "shade": _shade,
        "map_name": _map_name,
        "cell": _cell,
        "named": named,
    }
    main = _by_row(comparison, main_cells(comparison))
    kind, of_classes = class_means(comparison)
    sentences, marks = found(comparison), row_marks(rows)
    return environment.get_template("report.html").render(
        name=comparison.name,
        css=Markup(_text("report.css")),
        scripts=[Markup(_text(each)) for each in ("names.js", "gallery.js", "classes.js")],
        plotly_js=Markup(_text(PLOTLY)),
        found=sentences or [each for each in words[:1] if not each.startswith(UNANSWERED)],
        fine_print=fine_print(sentences),
        words=words,
        facts=_facts(comparison),
        main=main,
        groups=_groups(main),
        below={name: _named(table) for name, table in tables(comparison, whole=True).items()},
        notes=main_notes(comparison),
        class_maps=of_classes,
        overlap=MEASURES[kind][0] if kind else "",
        worst_maps=worst_videos(comparison),
        plots=plots,
        marks={row.name: (mark.colour, mark.shape, row.pc) for row, mark in marks.items()},
        gallery=dict(gallery),
        views=params.eval.views,
        classes={
            "names": names,
            "rows": [{"name": row.name, "counts": sparse(counts[row])} for row in rows],
        },
        per_class=[
            (label, int(num), [float(shares[row][at]) for row in rows])
            for at, (label, num) in enumerate(zip(names, num_labels, strict=True))
        ],
        rows=[row.name for row in rows],
        quality=[(_mask_words(key), _quality(key, value)) for key, value in masks.quality.items()],
        segmenter=segmenter_words(masks.segmenter) if masks.segmenter else "",
        worst=_worst(masks.videos),
        picture=picture_url(masks.picture),
        lost=_lost(comparison.videos),
        max_lost=_MAX_LOST,
        num_videos=len(comparison.videos),
        parameters=yaml.safe_dump(shown_parameters(params), sort_keys=False, allow_unicode=True),
        trained={
            "seeds": comparison.seeds,
            "versions": min(trainings.items(), key=lambda each: each[0] in comparison.elsewhere)[1]["versions"],
            "left_out": left_out,
        },
    )


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text()


def _strong(text: str) -> Markup:
    """Text whose `**parts**` are strong, and M_o with its letter below."""
    parts = [_map_name(part) for part in text.split("**")]
    return Markup("").join(
        Markup("<strong>{}</strong>").format(part) if at % 2 else part for at, part in enumerate(parts)
    )


def _map_name(text: str) -> Markup:
    """Text in which M_o and y_a are written with their letters below."""
    return Markup(re.sub(r"\b(M|y)_([abopu])\b", r"\1<sub>\2</sub>", str(escape(text))))


def _groups(main: pd.DataFrame) -> list[tuple[str, dict[str, int]]]:
    """The main table's columns under what they have in common: headings, and which column each is; no empty group."""
    names = list(map(str, main))
    entropies = {name.removeprefix("entropy "): at for at, name in enumerate(names) if name.startswith("entropy ")}
    used = {name: at for at, name in enumerate(names) if name == USED}
    others = {name: at for at, name in enumerate(names) if at not in (*entropies.values(), *used.values())}
    return [group for group in (("accuracy", others), ("map", used), ("entropy, bits", entropies)) if group[1]]


def _difference(text: str) -> Markup:
    """`mean [low, high] *`, the interval small; without brackets the mean alone."""
    if not text:
        return Markup("")
    mark = Markup('<abbr class="star" title="beyond noise">*</abbr>') if text.endswith(" *") else Markup("")
    mean, bracket, interval = text.removesuffix(" *").partition(" [")
    told = Markup('<span class="mean">{}{}</span>').format(mean, mark)
    return told + (Markup(' <span class="interval">[{}</span>').format(interval) if bracket else "")


def _cell(text: str) -> Markup:
    """A cell: a difference with its interval or star, or another text."""
    return _difference(text) if text.endswith(("]", " *")) else _map_name(text)


def _shade(share: float) -> str:
    """Background of a cell that holds a share in [0, 1]."""
    return f"rgba(0, 114, 178, {0.05 + 0.35 * share:.3f})"


def _by_row(comparison: Comparison, cells: pd.DataFrame) -> pd.DataFrame:
    """Cells without attention and PC, under the rows' names."""
    named = cells.drop(columns=["attention", "PC"], errors="ignore")
    return named.set_axis([row.name for row in comparison.rows], axis=0)


def _named(table: Table) -> Table:
    """A table whose lines begin with the row's name, in place of attention and PC."""
    names = [Row(*line).name for line in zip(table.cells["attention"], table.cells["PC"] == "yes", strict=True)]
    cells = table.cells.drop(columns=["attention", "PC"])
    cells.insert(0, "row", names)
    return table._replace(cells=cells)


def _facts(comparison: Comparison) -> list[str]:
    num_rows, num_seeds = len(comparison.rows), len(comparison.seeds)
    return [
        f"{num_rows} row{'s' * (num_rows != 1)}",
        f"seed{'s' * (num_seeds != 1)} {', '.join(map(str, comparison.seeds))}",
        f"{comparison.num_videos(comparison.rows[0]):,} test videos",
        f"{comparison.videos['label'].nunique()} classes",
        f"backbone: {backbone_words(comparison)}",
    ]


def _mask_words(key: str) -> str:
    """Words for a number of the masks; `hand_share` is of a group that a prompt has named."""
    named = f"frames with {key.removesuffix('_share')}" if key.endswith("_share") else key
    return _MASK_WORDS.get(key, named)


def _quality(key: str, value: float) -> str:
    if key in _COUNTS:
        return f"{value:,.0f}"
    return f"{100 * value:.1f} %" if key.endswith("_share") else f"{value:.3f}"


def segmenter_words(told: Mapping[str, Any]) -> str:
    """Say in a line what made the masks, from what the stage wrote (`segmentation.provenance`)."""
    names = ("model", "architecture", "format", "masks", "weights")
    parts = [f"{name} {told[name]}" for name in names if name in told]
    if "sha256" in told:
        parts[-1] += f" (SHA-256 {told['sha256'][:16]}…)"
    if "files" in told:
        parts[-1] += f" ({told['files']:,} files)"
    parts += [told["library"]] if "library" in told else []
    settings = ", ".join(f"{name} {_setting(value)}" for name, value in told["settings"].items())
    made = "; ".join([told["backend"], *parts, *([f"settings: {settings}"] if settings else [])])
    return f"Masks by {made}. Licence of the {'masks' if 'masks' in told else 'weights'}: {told['licence']}."


def _setting(value: Any) -> str:
    """A parameter's value as params.yaml has it, in a line."""
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=math.inf)
    return text.removesuffix("\n").removesuffix("\n...")


def _worst(videos: pd.DataFrame) -> pd.DataFrame:
    """The videos whose masks are worst, as texts: by IoU with the truth, else by frames without an instance."""
    usable = videos[videos["frames"] > 0]
    by, ascending = ("iou_truth", True) if "iou_truth" in usable else ("empty_share", False)
    worst = usable[usable[by].notna()].sort_values([by, "video"], ascending=[ascending, True]).head(_WORST)
    cells = {"video": worst["video"], "split": worst["split"]}
    shares = [key for key in map(str, worst) if key.endswith("_share")]
    for key in ("instances_per_frame", *shares, "iou_truth", "iou_truth_person"):
        if key in worst:
            cells[_mask_words(key)] = worst[key].map(lambda value, key=key: _quality(key, value))
    return pd.DataFrame(cells).astype(str)


def _lost(videos: pd.DataFrame) -> pd.DataFrame:
    """Videos that failed or are truncated, as texts."""
    found = videos[videos["status"] != "ok"]
    return found[["video", "split", "status", "error", "frames"]].astype(str)


def shown_parameters(params: Dataset) -> dict[str, Any]:
    """The data set's parameters that the page shows: those that a number, or what is seen, may depend on."""
    shown = params.model_dump(mode="json")
    del shown["machine"]  # nothing that is shown depends on it
    if shown["synthesize"] is None:
        del shown["synthesize"]
    return shown


def picture_url(path: Path) -> str:
    """A picture as JPEG in a data: URL, made smaller until it has no more than _MAX_PICTURE bytes."""
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        pixels = picture.convert("RGB")
    while True:
        url = jpeg_url(pixels, 85)
        if len(url) * 3 // 4 <= _MAX_PICTURE:
            return url
        pixels = pixels.resize((pixels.width * 3 // 4, pixels.height * 3 // 4), Image.Resampling.LANCZOS)
