"""What a training takes at least on a card: by its arithmetic and its memory, computed from data sheets.

Nothing here is measured. The bound of a clip is the longer of two times: its FLOPs at the peak of the tensor cores, and
its bytes at the memory's bandwidth.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from objabn.config.faults import ParamsError
from objabn.config.schema import Dataset, Params
from objabn.config.selection import control_and_block, trained_table
from objabn.plan.costs import Counts, training_sec
from objabn.plan.operations import FLOAT_BYTES, Work, count_row, segmenter_flops
from objabn.plan.units import duration, size

_NO_EFFECT = {  # on these figures
    "pretrained": None, "mha_init": "default", "foreground_prior": 0.5, "dropout": 0.5, "attention_gamma": 0.0,
    "mixer_bias": True,
}  # fmt: skip


@dataclass(frozen=True)
class Card:
    """A GPU by its vendor's data sheet: bytes a second, FLOP/s of dense matrices by precision (32-true: TF32)."""

    name: str
    bandwidth: float
    peaks: dict[str, float]


# NVIDIA's data sheets "H100 Tensor Core GPU" (SXM; peaks are given with sparsity, twice these) and "A100 80GB" (SXM),
# and the whitepaper "Ada GPU Architecture", appendix A (GeForce RTX 4090; bf16 with sums in float32).
CARDS = (
    Card("H100", 3.35e12, {"bf16-mixed": 989e12, "32-true": 494e12}),
    Card("A100", 2.04e12, {"bf16-mixed": 312e12, "32-true": 156e12}),
    Card("RTX 4090", 1.01e12, {"bf16-mixed": 165e12, "32-true": 82.6e12}),
)


@dataclass(frozen=True)
class RowBound:
    """A row of the table: its trainings (with and without PC, all seeds and folds), its work, seconds of one by card.

    Bytes are those of `precision`. `kept_bytes` is what the forward pass of a batch keeps for the backward pass.
    """

    name: str
    runs: int
    precision: str
    work: Work
    forward_bytes: int
    step_bytes: int
    kept_bytes: int
    sec: dict[str, float]


@dataclass(frozen=True)
class Bounds:
    """All rows; FLOPs of the segmenter as `segmenter_flops` has them."""

    rows: list[RowBound]
    segmenter_flops: tuple[int, int] | None

    @property
    def all_runs_sec(self) -> dict[str, float]:
        """Seconds of all trainings, one after another, by card."""
        return {card.name: sum(row.runs * row.sec[card.name] for row in self.rows) for card in CARDS}


def bound_sec(flops: float, num_bytes: float, card: Card, precision: str) -> float:
    """Return the seconds that a card takes at least for so many FLOPs and bytes."""
    return max(flops / card.peaks[precision], num_bytes / card.bandwidth)


def bounds(params: Params, counts: Counts) -> Bounds:
    """Bound one training of each row of the table, of folds one network's, in a few seconds.

    Rows of the same network share a line: PC's part of the bytes is below one per cent, and which masks or weights a
    row starts with changes nothing. A training is all its epochs, each with the validation after it.
    """
    own, table = params.datasets[params.dataset], trained_table(params)
    rows: list[tuple[str, str, Dataset]] = [(name, name, own) for name in table.attention for _ in table.pc]
    for name in table.controls:
        with suppress(ParamsError):  # one that does not fit this data set
            control, block = control_and_block(params, own, name)
            rows.append((name, control.attention, block))
    alike: dict[str, list[tuple[str, str, Dataset]]] = {}
    for row in rows:
        alike.setdefault(_shape(*row[1:]), []).append(row)
    return Bounds([_bound(each, len(table.seeds), counts) for each in alike.values()], segmenter_flops(own))


def _shape(attention: str, params: Dataset) -> str:
    """What the figures of a row depend on, as text."""
    model = params.model.model_dump() | _NO_EFFECT
    return repr((attention, model, params.data.num_frames, params.data.crop, params.train.model_dump()))


def _bound(rows: list[tuple[str, str, Dataset]], seeds: int, counts: Counts) -> RowBound:
    names = ", ".join(dict.fromkeys(name for name, *_ in rows))
    _, attention, params = rows[0]
    precision = "32-true" if params.train.precision == "32-true" else "bf16-mixed"  # of auto on any of CARDS
    work = count_row(params, attention, counts.classes)
    forward, step, kept = (
        floats * FLOAT_BYTES[precision] for floats in (work.forward_floats, work.step_floats, work.kept_floats)
    )
    step += work.step_others
    sec = {}
    for card in CARDS:
        trained = bound_sec(work.step_flops, step, card, precision)
        validated = bound_sec(work.forward_flops, forward, card, precision)
        sec[card.name] = training_sec(params, counts, trained, validated)
    return RowBound(
        names, len(rows) * seeds * counts.networks, precision, work, forward, step, kept * params.train.batch_size, sec
    )


def figures(computed: Bounds) -> dict[str, Any]:
    """Return all figures as plain values, for JSON."""
    return {**asdict(computed), "all_runs_sec": computed.all_runs_sec, "cards": [asdict(card) for card in CARDS]}


def table(computed: Bounds) -> str:
    """Write a line for each row, and one for all trainings."""
    cells = [
        ("", "", "", "GFLOP", "a clip", "GB", "a clip", "FLOP", "kept", *("at least" for _ in CARDS)),
        ("", "runs", "weights", "forward", "step", "forward", "step", "a byte", "a batch", *(c.name for c in CARDS)),
    ]
    for row in computed.rows:
        amounts = (row.work.forward_flops, row.work.step_flops, row.forward_bytes, row.step_bytes)
        numbers = (*(f"{amount / 1e9:#.3g}" for amount in amounts), f"{row.work.step_flops / row.step_bytes:.1f}")
        times = (duration(row.sec[card.name]) for card in CARDS)
        weights = f"{row.work.parameters / 1e6:.2f} M"
        cells.append((row.name, str(row.runs), weights, *numbers, size(row.kept_bytes), *times))
    together = (duration(sec) for sec in computed.all_runs_sec.values())
    cells.append(("all runs", str(sum(row.runs for row in computed.rows)), *("" for _ in range(7)), *together))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join([name.ljust(widths[0]), *map(str.rjust, rest, widths[1:])]) for name, *rest in cells]
    return "\n".join([*lines[:-1], "-" * len(lines[-1]), lines[-1]])


def notes(params: Dataset, counts: Counts, computed: Bounds) -> list[str]:
    """Say what the table's figures are, and what they are not."""
    precision, one = computed.rows[0].precision, "a training" if counts.networks == 1 else "a run, one fold's network"
    lines = [
        f"computed, not measured: what one card takes at least for one training in {precision}. Eager PyTorch reaches "
        "less, and far less where a network is so small that starting its operations takes longer than they do",
        "at least: the longer of two times, a clip's FLOPs at the peak of the tensor cores and its bytes at the "
        "bandwidth of the memory, by NVIDIA's data sheets. Each operation reads its inputs and writes its results "
        "once; fused operations (train.compile) and caches need fewer bytes",
        f"{one}: {params.train.epochs} epochs of {counts.train:,} clips, each with a forward pass of "
        f"{counts.watched:,} for validation; without loading, evaluation and segmentation",
        "a step: forward, backward and Adam; with PC it moves less than 1 % more. Kept: by forward, for backward",
    ]
    if computed.segmenter_flops:
        frame, instance = (f"{flops / 1e9:.3g}" for flops in computed.segmenter_flops)
        lines.append(
            f"segment: {frame} GFLOP a frame and {instance} an instance (Mask R-CNN R50-FPN), convolutions and "
            "matrices alone: resizing and the choice of boxes come on top"
        )
    return lines
