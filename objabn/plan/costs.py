"""What a run will cost: time and disk of each stage, from parameters, counts and rates. Pure arithmetic.

`measure` measures the rates on a machine, `counts` counts the videos, `cli.plan` prints.
"""

import math
from dataclasses import dataclass

from objabn.config.rows import Table
from objabn.config.schema import Dataset
from objabn.plan.units import duration, size

DVC_SEC = 0.5  # of `dvc repro` for a stage: measured, 0.2 with small outputs
COMPARE_SEC = 8.0  # of `study` and `compare` besides their starts: measured on the embedded data
ROW_BYTES, RESULT_BYTES = 3_000_000, 100  # the maps that are kept of a row; a video's results
REPORT_BYTES = 10_000_000  # the report, the tables, masks.png
MASK_BYTES, UNIT_BYTES = 220.0, 250.0  # a frame: 160 and 210 on the embedded data, more where there are more instances


@dataclass(frozen=True)
class Counts:
    """Videos of the splits, stored frames of all, and where that is from. Without `val` trainings use `test`.

    With folds a seed has so many `networks`; each is trained on `train` videos, and all together test `test`, which are
    all videos.
    """

    train: int
    test: int
    frames: int
    classes: int
    origin: str
    val: int = 0
    networks: int = 1

    @property
    def videos(self) -> int:
        return self.test if self.networks > 1 else self.train + self.val + self.test

    @property
    def watched(self) -> int:
        """Videos that a training is watched on after each epoch."""
        return self.val or round(self.test / self.networks)


@dataclass(frozen=True)
class FrameRate:
    """Seconds and stored bytes a frame, and what that rests on."""

    sec: float
    num_bytes: float
    basis: str


@dataclass(frozen=True)
class SegmentRate:
    """Seconds a frame (None where that could not be measured) and to build the segmenter, and what that rests on."""

    sec: float | None
    start_sec: float
    basis: str


@dataclass(frozen=True)
class RowRate:
    """Seconds a clip trained, validated and evaluated (each with its loading), measured on one row."""

    train_sec: float
    val_sec: float
    eval_sec: float
    rank_sec: float  # more, of a clip whose maps' insertion and deletion are measured
    start_sec: float  # building the network
    weights_bytes: int
    basis: str
    gpu_bytes: int = 0  # most memory that was held on the GPU


@dataclass(frozen=True)
class Rates:
    """What was measured."""

    device: str  # in words
    start_sec: float  # of a process of a stage, with its imports
    synthesize: FrameRate | None  # None for data that is not synthesized
    decode: FrameRate
    segment: SegmentRate
    row: RowRate


@dataclass(frozen=True)
class Cost:
    """One line of the plan. `sec` is None where no time of its own is known; `each` says what one unit costs."""

    stage: str
    sec: float | None
    num_bytes: int
    each: str
    in_cache: bool = False  # lies in the side cache, not among the outputs


def num_rows(table: Table) -> int:
    """Count the rows of the table, controls included."""
    return len(table.attention) * len(table.pc) + len(table.controls)


def segmented_frames(params: Dataset, frames: int) -> int:
    """Count the frames that a segmenter sees of so many stored frames."""
    return math.ceil(frames / getattr(params.segment, "stride", 1))


def training_sec(params: Dataset, counts: Counts, train_sec: float, val_sec: float) -> float:
    """Return the seconds of one network's epochs, each with its validation, from those of a clip.

    Args:
        train_sec, val_sec: of a clip trained, and of a clip validated.
    """
    batch, learned = params.train.batch_size, round(params.train.share * counts.train)
    clips = learned // batch * batch or learned  # the incomplete last batch is dropped
    return params.train.epochs * (clips * train_sec + counts.watched * val_sec)


def costs(params: Dataset, table: Table, counts: Counts, rates: Rates) -> list[Cost]:
    """List a line for each stage, in the pipeline's order."""
    start, frames = rates.start_sec + DVC_SEC, counts.frames
    lines = [_of_frames("synthesize", start, rates.synthesize, frames)] if rates.synthesize else []
    lines.append(_of_frames("decode", start, rates.decode, frames))
    found, segmented = rates.segment, segmented_frames(params, frames)
    sec = None if found.sec is None else start + found.start_sec + segmented * found.sec
    each = "not measured" if found.sec is None else f"{duration(found.sec)} a frame"
    lines.append(Cost("segment", sec, round(frames * MASK_BYTES), each))
    lines.append(Cost("  side cache", None, round(segmented * UNIT_BYTES), "", in_cache=True))
    lines.append(_training(num_rows(table) * len(table.seeds), params, counts, rates.row, start))
    lines.append(_evaluation(num_rows(table), len(table.seeds), params, counts, rates.row, start))
    lines.append(Cost("study, compare", 2 * start + COMPARE_SEC, REPORT_BYTES, ""))
    return lines


def total(lines: list[Cost]) -> Cost:
    """Add up all lines; a time that is not known counts as none."""
    return Cost("total", sum(line.sec or 0.0 for line in lines), sum(line.num_bytes for line in lines), "")


def _of_frames(stage: str, start: float, rate: FrameRate, frames: int) -> Cost:
    each = f"{duration(rate.sec)}, {size(rate.num_bytes)} a frame"
    return Cost(stage, start + frames * rate.sec, round(frames * rate.num_bytes), each)


def _training(runs: int, params: Dataset, counts: Counts, row: RowRate, start: float) -> Cost:
    networks = runs * counts.networks
    sec = runs * start + networks * (row.start_sec + training_sec(params, counts, row.train_sec, row.val_sec))
    each = f"{duration(row.train_sec)} a clip trained, {duration(row.val_sec)} validated"
    of_each = f" of {counts.networks} networks" if counts.networks > 1 else ""
    return Cost(f"train, {runs} run{'' if runs == 1 else 's'}{of_each}", sec, networks * row.weights_bytes, each)


def _evaluation(rows: int, seeds: int, params: Dataset, counts: Counts, row: RowRate, start: float) -> Cost:
    clips = counts.test * params.eval.views * seeds
    most = params.eval.ranking_videos
    ranking_seeds = seeds if most is None or params.eval.ranking_seeds == "all" else 1
    ranked = (counts.test if most is None else min(most, counts.test)) * params.eval.views * ranking_seeds
    sec = rows * (start + seeds * counts.networks * row.start_sec + clips * row.eval_sec + ranked * row.rank_sec)
    num_bytes = rows * (ROW_BYTES + RESULT_BYTES * counts.test * seeds)
    return Cost(f"evaluate, {rows} row{'' if rows == 1 else 's'}", sec, num_bytes, f"{clips:,} clips a row")
