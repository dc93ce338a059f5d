"""What a run will cost: time, disk and files of each stage, from parameters, counts and rates. Pure arithmetic.

`plan_measure` measures the rates on a machine, `plan_counts` counts the videos, `plan_command` prints.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from objabn.config.schema import Dataset, Table

DVC_SEC = 0.5  # of `dvc repro` for a stage: measured, 0.2 with small outputs
COMPARE_SEC = 5.0  # of `study` and `compare` besides their starts: measured on the embedded data
EVALUATE_SEC = 3.0  # of a row's evaluation besides its clips: imports for the picture, and drawing it; measured
MASK_SHARD, LEAST_MASK_SHARD = 16384, 1024  # frames a shard, as `segmentation` chooses them
STORE_FILES = 2  # besides its shards: zarr.json, videos.csv
RUN_FILES, RUN_BYTES = 4, 10_000  # weights, run.json, curves.csv, timing; all but the weights
# Of a row: two json, parquet, npz, picture; the picture and the maps that are kept; a video's results.
ROW_FILES, ROW_BYTES, RESULT_BYTES = 5, 3_000_000, 100
COMPARE_FILES, COMPARE_BYTES = 7, 8_000_000  # metrics.json, two plots, three tables, the report
REPORT_FILES, REPORT_BYTES, REPORT_ROW_BYTES = 4, 2_000_000, 100  # segment.json and .csv, masks.png, instances
MASK_BYTES, UNIT_BYTES = 220.0, 250.0  # a frame: 160 and 210 on the embedded data, more where there are more instances


@dataclass(frozen=True)
class Counts:
    """Videos of the two splits, frames of both together, and where that is from."""

    train: int
    test: int
    frames: int
    classes: int
    origin: str

    @property
    def videos(self) -> int:
        return self.train + self.test


@dataclass(frozen=True)
class FrameRate:
    """Seconds and stored bytes a frame, and what that rests on."""

    sec: float
    num_bytes: float
    basis: str


@dataclass(frozen=True)
class SegmentRate(FrameRate):
    """That of segmentation; `unit_bytes` of the side cache a frame, `start_sec` to build the segmenter."""

    start_sec: float
    unit_bytes: float
    gpu_bytes: int = 0


@dataclass(frozen=True)
class ClipRate:
    """One attention configuration or control: seconds a clip trained (its loading included) and a clip evaluated."""

    train_sec: float
    eval_sec: float
    start_sec: float  # building the network
    weights_bytes: int
    gpu_bytes: int = 0


@dataclass(frozen=True)
class Rates:
    """What was measured.

    Attributes:
        device: in words.
        start_sec: of a process of a stage, with its imports.
        synthesize: None for data that is not synthesized.
        segmenters: how many work at the same time.
        rows: by attention and by control's name; `rows_basis` in words.
    """

    device: str
    start_sec: float
    synthesize: FrameRate | None
    decode: FrameRate
    segment: SegmentRate
    segmenters: int
    rows: Mapping[str, ClipRate]
    rows_basis: str


@dataclass(frozen=True)
class Cost:
    """One line of the plan. `sec` is None where no time of its own belongs to it; `each` says what one unit costs."""

    stage: str
    sec: float | None
    num_bytes: int
    files: int
    each: str
    in_cache: bool = False  # lies in the side cache, not among the outputs


def clip_seconds(step_sec: float, load_sec: float, *, workers: int, cores: int, on_cpu: bool) -> float:
    """Seconds a clip costs whose step takes `step_sec` and whose loading takes `load_sec`.

    Loader processes hide the loading behind a GPU's steps; on a CPU both need the same cores.
    """
    if on_cpu or workers == 0:
        return step_sec + load_sec
    return max(step_sec, load_sec / min(workers, cores))


def frame_seconds(decode_sec: float, store_sec: float, *, workers: int, cores: int) -> float:
    """Seconds a frame costs that one of the `workers` decodes in `decode_sec` and one more process then stores."""
    return max(store_sec, decode_sec / workers, (decode_sec + store_sec) / cores)


def rows_of(table: Table) -> dict[str, int]:
    """How many rows each attention configuration and each control has."""
    rows: dict[str, int] = {name: len(table.pc) for name in table.attention}
    return rows | dict.fromkeys(table.controls, 1)


def costs(params: Dataset, table: Table, counts: Counts, rates: Rates) -> list[Cost]:
    """A line for each stage, in the pipeline's order."""
    start, frames = rates.start_sec + DVC_SEC, counts.frames
    lines = []
    if rates.synthesize:
        made = rates.synthesize
        shards = _shards(frames, LEAST_MASK_SHARD)
        lines.append(_frames_cost("synthesize", start, made, frames, counts.videos + shards + STORE_FILES + 1))
    decoded = rates.decode
    files = _shards(frames, params.decode.frames_per_shard) + STORE_FILES if params.decode.store else 1
    lines.append(_frames_cost("decode", start, decoded, frames, files))
    found = rates.segment
    lines.append(
        Cost(
            "segment",
            start + found.start_sec + frames * found.sec / rates.segmenters,
            round(frames * found.num_bytes) + REPORT_BYTES + REPORT_ROW_BYTES * counts.videos,
            _shards(frames, mask_shard(frames)) + STORE_FILES + REPORT_FILES,
            _a_frame(found),
        )
    )
    cached = round(frames * found.unit_bytes)
    lines.append(Cost("  side cache", None, cached, counts.videos, f"{size(found.unit_bytes)} a frame", in_cache=True))
    rows = rows_of(table)
    for name, number in rows.items():
        lines.append(_training(name, number * len(table.seeds), params, counts, rates, start))
    lines.append(_evaluation(rows, len(table.seeds), params, counts, rates, start))
    lines.append(Cost("study, compare", 2 * start + COMPARE_SEC, COMPARE_BYTES, COMPARE_FILES, ""))
    return lines


def total(lines: list[Cost]) -> Cost:
    """The sum of all lines."""
    sec = sum(line.sec or 0.0 for line in lines)
    return Cost("total", sec, sum(line.num_bytes for line in lines), sum(line.files for line in lines), "")


def first_row(params: Dataset, table: Table, counts: Counts, rates: Rates) -> float:
    """Seconds until the table's first row is there: data, masks, the row's runs and its evaluation."""
    one = table.model_copy(update={"attention": table.attention[:1], "pc": table.pc[:1], "controls": []})
    return total(costs(params, one, counts, rates)).sec or 0.0


def mask_shard(frames: int) -> int:
    """Frames a shard of the mask store; as `segmentation` has it, which would take seconds to import."""
    return min(MASK_SHARD, max(LEAST_MASK_SHARD, -(-frames // 16) * 16))


def _shards(frames: int, length: int) -> int:
    return math.ceil(frames / length)


def _frames_cost(stage: str, start: float, rate: FrameRate, frames: int, files: int) -> Cost:
    return Cost(stage, start + frames * rate.sec, round(frames * rate.num_bytes), files, _a_frame(rate))


def _a_frame(rate: FrameRate) -> str:
    return f"{duration(rate.sec)}, {size(rate.num_bytes)} a frame"


def _training(name: str, runs: int, params: Dataset, counts: Counts, rates: Rates, start: float) -> Cost:
    row, batch = rates.rows[name], params.train.batch_size
    clips = counts.train // batch * batch or counts.train  # the incomplete last batch is dropped
    epoch = clips * row.train_sec + counts.test * row.eval_sec
    sec = runs * (start + row.start_sec + params.train.epochs * epoch)
    stage = f"train {name}, {runs} run{'' if runs == 1 else 's'}"
    each = f"{duration(row.train_sec)} a clip trained, {duration(row.eval_sec)} validated"
    return Cost(stage, sec, runs * (row.weights_bytes + RUN_BYTES), runs * RUN_FILES, each)


def _evaluation(
    rows: dict[str, int], seeds: int, params: Dataset, counts: Counts, rates: Rates, start: float
) -> Cost:  # fmt: skip
    clips = counts.test * params.eval.views * seeds
    sec = sum(
        number * (start + EVALUATE_SEC + seeds * rates.rows[name].start_sec + clips * rates.rows[name].eval_sec)
        for name, number in rows.items()
    )
    number = sum(rows.values())
    num_bytes = number * (ROW_BYTES + RESULT_BYTES * counts.test * seeds)
    stage = f"evaluate, {number} row{'' if number == 1 else 's'}"
    return Cost(stage, sec, num_bytes, number * ROW_FILES, f"{clips:,} clips a row")


def _two_digits(value: float) -> str:
    """A number of 0.1 and more with two significant digits, or with all its digits before the point."""
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"


def duration(sec: float) -> str:
    """Seconds in a unit that suits: ms, s, min, h or days."""
    for limit, divisor, unit in ((1.0, 1e-3, "ms"), (60, 1, "s"), (7200, 60, "min"), (48 * 3600, 3600, "h")):
        if sec < limit:
            return f"{_two_digits(sec / divisor)} {unit}"
    return f"{_two_digits(sec / 86400)} days"


def size(num_bytes: float) -> str:
    """Bytes in a unit that suits."""
    for exponent, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if num_bytes >= 0.9995 * 1000**exponent:
            return f"{_two_digits(num_bytes / 1000**exponent)} {unit}"
    return f"{num_bytes:.0f} B"
