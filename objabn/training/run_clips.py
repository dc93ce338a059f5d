"""Open the clips of a run: those that it learns from, with its masks and labels, and those that it is watched on."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from objabn.clips.dataset import VALIDATION, ClipDataset, open_split, validation_split
from objabn.config.rows import MAPS
from objabn.model.run import Run
from objabn.training.share import chosen_videos
from objabn.training.wrong_labels import shuffled_labels
from objabn.training.wrong_masks import true_stores, wrong_masks


def training_clips(run: Run, frames: Path, masks: Path, groups: Callable[[pd.DataFrame], pd.Series]) -> ClipDataset:
    """Open the clips that a run learns from, with masks where its loss needs some.

    Args:
        frames, masks: paths of the stores.
        groups: gives the recordings of videos (columns `video` and `path`), by the videos' ids; called where
            `train.share` takes only some recordings.

    Raises:
        ValueError: as `open_split` and `wrong_masks`.
    """
    replace = partial(wrong_masks, run.masks, run.seed, params=run.params, frames=frames)
    share = run.params.train.share

    def choose(rows: pd.DataFrame) -> np.ndarray:
        recordings = groups(rows).reset_index(drop=True)
        return chosen_videos(rows["label"].reset_index(drop=True), recordings, share, f"{run.seed}/{run.fold}")

    clips = open_split(
        "train",
        run.params,
        frames,
        masks if "o" in MAPS[run.attention] else None,
        seed=run.seed,
        fold=run.fold,
        replace_masks=replace,
        choose=choose if share < 1 else None,
    )
    if run.labels == "shuffled":
        clips.labels = shuffled_labels(clips.labels, run.seed)
    return clips


def watched_clips(run: Run, frames: Path) -> tuple[ClipDataset, str]:
    """Open the clips that a run is watched on; return them and their split."""
    split = validation_split(frames)
    return open_split(split, run.params, frames, None, seed=run.seed, fold=run.fold, evaluation=VALIDATION), split


def stores_of(run: Run, frames: Path, masks: Path) -> list[Path]:
    """List the stores that a run's weights depend on.

    Frames, masks, and the truth where the run is taught true masks.
    """
    return [frames, masks, *true_stores(run.masks, run.params)]
