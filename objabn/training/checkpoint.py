"""Resume an interrupted training bit for bit.

The state of a training is kept as one unit of the side cache. A unit holds the weights (safetensors) and behind them
the trainer's state, with the best epoch's weights (`torch.save`, read with `weights_only`). Both are in one file, so
that they are always of the same moment. Data order and crops come from (seed, epoch, video). Dropout comes from torch's
generators, whose states are kept. So a continued training gives the bits of an undisturbed one, on the CPU with the
same number of threads. Where several processes train, each process has its own generators and sums, and the first
process writes all of them. A unit's key holds all that determines the weights, the code included (`run_key`).
"""

import io
import json
import pickle
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch.optim.lr_scheduler import LambdaLR

from objabn.model.device import resolve_precision
from objabn.model.network import ObjectABN
from objabn.model.run import RUN, WEIGHTS, cpu_state
from objabn.stores.table import store_digest
from objabn.system.cache import Cache, unit_key
from objabn.training import collectives

KIND = "training"  # of a unit in the side cache
# The parts of a data set's block that determine the weights.
_PARAMS = {"videos", "decode", "data", "mask", "model", "loss_weights", "train"}
_MISREAD = (SafetensorError, pickle.UnpicklingError, EOFError)


@dataclass
class Position:
    """The place that a training has reached.

    The training stands before batch `batch` of epoch `epoch`, both from 0.
    """

    epoch: int = 0
    batch: int = 0
    sums: dict[str, float] = field(default_factory=dict)  # of loss, terms and top-1, over the epoch's batches so far
    rows: list[dict[str, float]] = field(default_factory=list)  # of curves.csv, one for each epoch so far
    seconds: float = 0.0  # spent up to here, also by processes that were killed
    waited: float = 0.0  # the part of `seconds` in which steps waited for batches

    def __post_init__(self) -> None:
        self._began = time.perf_counter()

    def elapsed(self) -> float:
        """Return the seconds spent on the training until now."""
        return self.seconds + time.perf_counter() - self._began


class Parts(NamedTuple):
    """The objects whose state changes in training."""

    network: ObjectABN
    optimiser: torch.optim.Optimizer
    scheduler: LambdaLR
    best: dict[str, torch.Tensor]  # weights of the best epoch so far, where `train.report` asks for them; else empty


class Checkpoint:
    """Keep and restore the state of one training.

    Args:
        key: `run_key`.
        minutes: time between two checkpoints within an epoch (`due`).

    Attributes:
        key: that of the training.
    """

    def __init__(self, cache: Cache, key: str, minutes: float) -> None:
        self.key, self._cache, self._sec = key, cache, 60 * minutes
        self._kept = time.monotonic()

    def due(self) -> bool:
        """Tell whether it is time for another checkpoint within an epoch."""
        return time.monotonic() - self._kept >= self._sec

    def keep(self, parts: Parts, position: Position) -> None:
        """Write the state of the training to the side cache.

        The whole state is written, or nothing. If writing fails, the state that was written before stays.
        """
        on_cuda = next(parts.network.parameters()).is_cuda
        cuda = torch.cuda.get_rng_state() if on_cuda else None
        process_state = {"generators": (torch.get_rng_state(), cuda), "sums": position.sums}
        process_states = collectives.everyones(process_state)
        if collectives.rank() > 0:
            return
        weights, state = save(cpu_state(parts.network)), io.BytesIO()
        torch.save(
            {
                "position": asdict(position),
                "optimiser": parts.optimiser.state_dict(),
                "scheduler": parts.scheduler.state_dict(),
                "best": parts.best,
                "processes": process_states,
            },
            state,
        )
        self._cache.store(KIND, self.key, len(weights).to_bytes(8, "little") + weights + state.getvalue())
        self._kept = time.monotonic()

    def restore(self, parts: Parts) -> Position:
        """Restore the kept state, and return where the training stands.

        Sets `parts` and torch's generators to the kept state. Without a kept state nothing changes, and the training
        stands at its beginning.

        Raises:
            ValueError: the unit is whole, but not a checkpoint of such a training; or processes train different things.
        """
        rank = collectives.rank()
        key, unit = collectives.first((self.key, None if rank else self._cache.load(KIND, self.key)))
        if key != self.key:
            what = "parameters, data, libraries, code and kind of device"
            raise ValueError(f"train.nodes: expected the same {what} on all nodes, got others here")
        if unit is None:
            return Position()
        try:
            end = 8 + int.from_bytes(unit[:8], "little")
            weights = load(unit[8:end])
            state = torch.load(io.BytesIO(unit[end:]), map_location="cpu", weights_only=True)
            process_state = state["processes"][rank]
            position = Position(**{**state["position"], "sums": process_state["sums"]})
            parts.network.load_state_dict(weights)
            parts.optimiser.load_state_dict(state["optimiser"])
            parts.scheduler.load_state_dict(state["scheduler"])
            parts.best.clear()
            parts.best.update(state["best"])
            cpu, cuda = process_state["generators"]
            torch.set_rng_state(cpu)
            if cuda is not None:
                torch.cuda.set_rng_state(cuda)
        except (*_MISREAD, RuntimeError, ValueError, LookupError, TypeError, AttributeError):
            path = self._cache.path(KIND, self.key)
            raise ValueError(f"{path}: expected a checkpoint of this training, got something else; remove it") from None
        return position

    def remove(self) -> None:
        """Remove the kept state, if there is any."""
        self._cache.path(KIND, self.key).unlink(missing_ok=True)


def run_key(record: Mapping[str, Any], stores: Sequence[Path], code: str) -> str:
    """Digest all that determines a training's weights and curves.

    The digest is the key of the training's unit in the side cache.

    Args:
        record: the content of the training's run.json (`run_record`).
        stores: of frames and masks.
        code: digest of the code that trains (`files.code_digest`).
    """
    params = record["params"]
    on_cuda = params["train"]["accelerator"] != "cpu" and torch.cuda.is_available()
    precision = resolve_precision(params["train"]["precision"], on_cuda=on_cuda)
    return unit_key(
        **{name: record[name] for name in ("attention", "pc", "seed", "fold", "masks", "labels")},
        **{name: record[name] for name in ("class_names", "versions", "inputs")},
        params={name: params[name] for name in sorted(_PARAMS)},
        stores=[store_digest(store) for store in stores],
        # The kind of GPU only: a training may go on on another model that computes in the same precision.
        device=f"cuda, {precision}" if on_cuda else f"cpu, {record['threads']} threads",
        code=code,
    )


def is_finished(run_dir: Path, timing: Path, key: str) -> bool:
    """Tell whether the training of this key has ended and left its run in `run_dir`.

    Args:
        timing: the file that holds the times and the key of the training that has written `run_dir`.
    """
    if not (timing.is_file() and all((run_dir / name).is_file() for name in (WEIGHTS, RUN))):
        return False
    try:
        return json.loads(timing.read_text()).get("key") == key
    except (ValueError, AttributeError):
        return False
