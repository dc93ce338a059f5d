"""Is the index there and of use, and are its videos where the parameters say?"""

from __future__ import annotations

import random
import subprocess
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from objabn.config.control_masks import TrueMasks
from objabn.config.schema import Dataset, Params
from objabn.decoding.presence import check_folder
from objabn.index.faults import index_faults
from objabn.index.groups import FOLDER
from objabn.index.table import class_names, read_index
from objabn.preflight.findings import Finding, fault, ok, warning
from objabn.stores.splits import folds, in_split
from objabn.stores.table import TABLE, read_table
from objabn.stores.truth import TruthReader, open_truth
from objabn.system.checkouts import why_absent

SAMPLED = 36  # videos of the index that are looked for
SURE = 3  # so many missing ones of the sample are no chance
_TO_MAKE_TRUTH = "`python -m objabn truth` makes one of the decoded videos; OBJABN_CHECK=off lets `decode` go on before"


def read(name: str, videos: str | None = None) -> tuple[pd.DataFrame | None, list[Finding]]:
    """Read the index of a data set, None where it is of no use, and judge it."""
    path = Path("data", name, "index.csv")
    if not path.is_file():
        line = f"dataset: {name}: expected {path}, found none; `python -m objabn index` writes it"
        return None, [fault("decode", line)]
    try:
        index = read_index(path)
    except ValueError as error:
        return None, [fault("decode", str(error))]
    if faults := [fault("decode", f"{path}: {line}") for line in index_faults(index, videos)]:
        return None, faults
    splits = index["split"].value_counts()
    classes = f"of {len(class_names(index)):,} classes"
    if names := folds(index["split"]):
        told = f"{len(index):,} videos in {len(names)} folds {classes}"
        return index, [ok("decode", f"{path}: {told}: a training is {len(names)} networks")]
    val = f", {splits['val']:,} val" if "val" in splits else ""
    counts = f"{splits['train']:,} train{val} and {splits['test']:,} test videos"
    return index, [ok("decode", f"{path}: {counts} {classes}")]


def groups_findings(name: str) -> list[Finding]:
    """Look whether git has the recordings of a data set; no stage stops without."""
    path = FOLDER / f"{name}.csv"
    if not path.is_file():
        return []
    try:
        command = ["git", "status", "--porcelain", "--untracked-files=all", "--", str(path)]
        is_new = subprocess.run(command, capture_output=True, text=True, check=True).stdout.startswith("??")
    except (OSError, subprocess.CalledProcessError):  # no git here
        return []
    lost = "`dvc exp run --temp` and the queue would take the recordings from the videos' names"
    return [warning("evaluate", f"{path}: is not in git; commit it, else {lost}")] if is_new else []


def videos_findings(name: str, dataset: Dataset, index: pd.DataFrame | None) -> list[Finding]:
    """Look for the directory of the videos, and in it for some of the index.

    They are the first, the last and others, the same each time.
    """
    videos, key = Path(dataset.videos), f"datasets.{name}.videos"
    try:
        check_folder(videos, key)
    except ValueError as error:
        return [fault("decode", str(error))]
    if index is None:
        return []
    rows = index.iloc[_sample(len(index))]
    is_missing, is_changed = _compare(rows, videos)
    lost = rows[is_missing | is_changed]
    if lost.empty:
        return [ok("decode", f"{videos}: {len(rows)} of {len(index):,} videos looked for, all are there")]
    what = "not there" if is_missing.any() else "of another size than it says"
    line = f"{key}: expected the videos of the index in {videos}, got {len(lost)} of {len(rows)} that are {what}, "
    line += f"such as {lost['path'].iloc[0]}; {_what_to_do(dataset, is_missing)}"
    splits, most = index["split"].value_counts(), dataset.machine.max_failed
    surely = any((lost["split"] == split).sum() > most * count for split, count in splits.items())
    likely = len(lost) >= SURE and len(lost) > most * len(rows)
    return [fault("decode", line) if surely or likely else warning("decode", line)]


def truth_findings(name: str, dataset: Dataset, index: pd.DataFrame | None = None) -> list[Finding]:
    """Look for the true masks that the parameters name, and for what they cover.

    `segment` reads them first of all. Without an index nothing is said of its videos.
    """
    if dataset.truth is None:
        return []
    store, key = Path(dataset.truth.store), f"datasets.{name}.truth.store"
    if not (store / TABLE).is_file():
        line = f"{key}: expected a mask store (with {TABLE}), or truth: null, found none at {store}"
        hint = why_absent(store, key) or f"; {_TO_MAKE_TRUTH}"
        return [fault("segment", line + hint)]
    try:
        truth = TruthReader(dataset.truth)
    except ValueError as error:
        return [fault("segment", f"datasets.{name}.truth: {error}")]
    if index is None:
        return []
    covered = index[[truth.has(video) for video in index["video"]]]
    tested = int(in_split(covered["split"], "test").sum())
    line = f"{len(covered):,} of the {len(index):,} videos, {tested:,} of them test videos"
    without = [fold for fold in folds(index["split"]) if fold not in set(covered["split"])]
    if tested and without:
        expected = f"{key}: expected annotations of some videos of each fold, got none of {', '.join(without)}"
        return [fault("segment", expected)]
    if tested:
        return [ok("evaluate", f"{store}: has annotations of {line}")]
    example = next(iter(truth.videos), "nothing")
    expected = f"{key}: expected annotations of some of the test videos, on which maps are scored"
    return [fault("segment", f"{expected}, got those of {line}; in it is {example}")]


def true_masks_findings(name: str, params: Params) -> list[Finding]:
    """Look whether controls with true masks have one for each frame.

    Asked once the videos are decoded: before, their frames are not known.
    """
    dataset, frames = params.datasets[name], Path("data", name, "frames")
    rows = [control for control in params.table.controls if isinstance(params.controls[control].masks, TrueMasks)]
    if not rows or dataset.truth is None or not (frames / TABLE).is_file():
        return []
    from objabn.training.given_masks import annotated_frames

    try:
        videos = read_table(frames)
        learnt = videos[in_split(videos["split"], "train") & (videos["frames"] > 0)]
        truth = open_truth(dataset.truth, learnt, dataset.decode.stride)
        annotated_frames(truth, dict(zip(learnt["video"], learnt["frames"], strict=True)), dataset.truth.store)
    except ValueError as error:
        return [fault("train", f"controls.{rows[0]}: {error}")]
    return [ok("train", f"controls.{rows[0]}: each frame that is trained on has a true mask")]


def _compare(rows: pd.DataFrame, videos: Path) -> tuple[np.ndarray, np.ndarray]:
    """Tell which videos are not there, and which have another size; bool (rows,) each."""
    sizes = [(videos / path).stat().st_size if (videos / path).is_file() else -1 for path in rows["path"]]
    found = np.array(sizes)
    return found < 0, (found >= 0) & (found != rows["bytes"].astype("int64").to_numpy())


def _what_to_do(dataset: Dataset, is_missing: np.ndarray) -> str:
    if is_missing.all():
        there = ", ".join(sorted(path.name for path in islice(Path(dataset.videos).iterdir(), 3)))
        return f"{there} are there: set the key to the directory that the paths in index.csv start from"
    if is_missing.any():
        return f"bring them, or run `python -m objabn index` again (max_failed is {dataset.machine.max_failed:g})"
    return "were they copied whole? If so run `python -m objabn index` again"


def _sample(length: int) -> list[int]:
    if length <= SAMPLED:
        return list(range(length))
    return sorted({0, length - 1, *random.Random(0).sample(range(1, length - 1), SAMPLED - 2)})
