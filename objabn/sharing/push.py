"""Write a trained run into a folder that stands alone: weights, run.json, curves and a model card.

`objabn explain --run` reads the folder, on any machine. Nothing in it is read by the pipeline.
"""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from objabn.config.file import load_params
from objabn.config.renamed import of_old_run
from objabn.config.schema import X3D, Dataset
from objabn.model.run import CURVES, RUN, WEIGHTS
from objabn.sharing.card import CARD, OURS, Facts, card, is_unchanged
from objabn.sharing.limits import limits
from objabn.sharing.numbers import read_row
from objabn.sharing.source import Source, find_source
from objabn.system.files import read_json, replace_dir

UNKNOWN = "unknown"  # a licence, as hubs name it
_FILES = {WEIGHTS, RUN, CURVES}
_PC = "gradient_pc"
_WRITTEN = re.compile(rf"{CARD}|(seed-\d+/)?(fold-\d+/)?({'|'.join(map(re.escape, sorted(_FILES)))})")
_ASSETS = "objabn/assets/"  # what was trained by the embedded data's own code
# Of the pipeline: what stands there is an input of its stages.
_TAKEN = ("runs", "data", "results", "reports", "tables", "objabn", "stages")


class Pushed(NamedTuple):
    """What was written.

    Attributes:
        networks: how many.
        licence: of the weights, in the card.
        outside: paths outside the checkout that run.json names.
    """

    networks: int
    licence: str
    evaluated: bool
    outside: tuple[str, ...]


def push(run: Path, to: Path, *, seed: int | None = None, licence: str | None = None) -> Pushed:
    """Write a run with its model card, whole or not at all.

    Args:
        run: as for `find_source`, from the checkout's root, which is the working directory.
        to: the folder; one that push has written is replaced.
        seed: takes this training of several.
        licence: of the weights, as hubs name it; None: that of the code where all that the weights were made from is of
            objabn, else unknown.

    Raises:
        ValueError: as `find_source` and `read_row`; or the folder holds what push has not written.
    """
    source = find_source(run, seed)
    check_folder(to)
    params = Dataset.model_validate(of_old_run(source.record["params"]))
    if licence is None:
        licence = OURS if _is_ours(params, source.record) else UNKNOWN
    numbers = read_row(source)
    told = limits(source, params, numbers, _pc_share(source))
    with replace_dir(to) as partial:
        digests = {}
        for name, directory in source.networks.items():
            place = partial / name
            place.mkdir(parents=True, exist_ok=True)
            for file in _FILES:
                if (directory / file).is_file():
                    shutil.copyfile(directory / file, place / file)
            digests[name] = _sha256(place / WEIGHTS)
        if source.record.get("fold") and not source.is_one:
            for each in source.seeds:
                if source.curves(each).is_file():
                    place = partial / f"seed-{each}" if len(source.seeds) > 1 else partial
                    shutil.copyfile(source.curves(each), place / CURVES)
        facts = Facts(
            source, params, numbers, told, licence, _index(source), _segmenter(source), digests, _changed(source)
        )
        (partial / CARD).write_text(card(facts), encoding="utf-8")
    return Pushed(len(digests), licence, numbers is not None, tuple(_outside(source.record)))


def check_folder(to: Path) -> None:
    """Check that a folder may be written: it is not there, empty, or as push wrote it.

    Raises:
        ValueError: it is something else.
    """
    whole, here = to.resolve(), Path.cwd().resolve()
    if taken := next((name for name in _TAKEN if whole.is_relative_to((here / name).resolve())), None):
        raise ValueError(f"push: --to {to}: expected a folder of your own, got one below {taken}/")
    file = next((each for each in (to, *to.parents) if each.exists() and not each.is_dir()), None)
    if here.is_relative_to(whole) or file:
        found = "the checkout" if file is None else "a file" if file == to else f"one below the file {file}"
        raise ValueError(f"push: --to {to}: expected a folder, new or written by push, got {found}")
    files = sorted(path.relative_to(to).as_posix() for path in to.rglob("*") if path.is_symlink() or not path.is_dir())
    if not (names := sorted(path.name for path in to.iterdir()) if to.is_dir() else []):
        return
    expected = "expected a new folder, or one that push has written"
    if CARD not in names or not is_unchanged((to / CARD).read_text(encoding="utf-8", errors="replace")):
        found = f"{CARD}, which push has not written or somebody has changed" if CARD in names else ", ".join(names[:5])
        raise ValueError(f"push: --to {to}: {expected}, found {found}; move it away")
    if others := [name for name in files if not _WRITTEN.fullmatch(name)]:
        raise ValueError(f"push: --to {to}: {expected}, found {', '.join(others[:5])} besides; move it away")


def _is_ours(params: Dataset, record: Mapping[str, Any]) -> bool:
    """Tell whether all that the weights were made from is of objabn.

    That is videos, backbone, its weights, and what made the masks.
    """
    model, segment = params.model, params.segment
    ours = params.synthesize is not None and model.backbone == X3D
    if _has_made_masks(record) and segment.backend != "motion":
        ours &= (getattr(segment, "weights", None) or UNKNOWN).startswith(_ASSETS)
    return ours and (model.pretrained is None or model.pretrained.startswith(_ASSETS))


def _has_made_masks(record: Mapping[str, Any]) -> bool:
    """Tell whether a row was trained with the masks of the segmenter."""
    masks = record.get("masks", "own")
    kind = masks["of"] if isinstance(masks, dict) else masks
    return record["attention"] in ("mask", "mha") and kind not in ("truth", "motion")


def _changed(source: Source) -> dict[str, Any]:
    """Look up what a control changes, with the values that it was trained with.

    Its keys are those of params.yaml as it is now.
    """
    with suppress(ValueError, KeyError):
        keys = load_params().controls[source.record["control"]].set
        return {key: reduce(getitem, key.split("."), source.record["params"]) for key in keys}
    return {}


def _pc_share(source: Source) -> float | None:
    """Return PC's mean share of the gradient over epochs and trainings; None where no curve has it."""
    curves = [pd.read_csv(path) for seed in source.seeds if (path := source.curves(seed)).is_file()]
    known = [table[_PC] for table in curves if _PC in table]
    return float(pd.concat(known).mean()) if known else None


def _index(source: Source) -> pd.DataFrame | None:
    path = Path("data", source.dataset, "index.csv")
    return pd.read_csv(path, dtype=str, usecols=["label", "split"]) if path.is_file() else None


def _segmenter(source: Source) -> Mapping[str, Any] | None:
    """Read what made the masks, where the row was trained with the segmenter's."""
    path = Path("results", source.dataset, "segment.json")
    return read_json(path).get("segmenter") if _has_made_masks(source.record) and path.is_file() else None


def _outside(value: Any) -> Iterator[str]:
    """Yield texts of a record that are paths outside the checkout, each once."""
    found = re.findall(r'"(?:hf:)?((?:/|[A-Za-z]:\\\\|~|\.\./)[^"]*)"', json.dumps(value, ensure_ascii=False))
    yield from dict.fromkeys(found)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
