"""Trains the embedded data's segmenter, a small Mask R-CNN, on an endless stream of synthetic frames of other actions.

    python -m objabn pretrain segmenter --steps 8000 --seed 0 --out FILE     # and again with --resume after a kill

It stands in for COCO, which real data's segmenter has seen. FILE is a state_dict in half precision; `segment.weights`
may name it where `segment.model` is figures. The recipe and scores stand beside it, FILE with the suffix .json.
"""

import json
import math
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import MaskRCNN

from objabn import __version__
from objabn.config.schema import Dataset
from objabn.pretrain.frames import FigureFrames, held_out_frames
from objabn.pretrain.unfinished import encode, load_state, save_state, state_path
from objabn.progress import progress
from objabn.segmentation.segmenters.choice import build
from objabn.segmentation.segmenters.figures_rcnn import SHORT_EDGE, figures_rcnn
from objabn.segmentation.segmenters.instances import Segmenter
from objabn.segmentation.segmenters.torchvision import segmenter
from objabn.stores.masks import mask_iou
from objabn.synthetic.scenes import OTHER_ACTIONS
from objabn.synthetic.synthesize import on_grid
from objabn.system.files import write_bytes, write_text
from objabn.training.schedule import learning_rate

CHECKPOINT_STEPS = 200  # a kill costs at most so many
VALIDATION_STEPS = 1000
HELD_OUT_FRAMES = 256
SCORE = 0.5  # least score of an instance that counts
INFERENCE: dict[str, Any] = {"short_edge": SHORT_EDGE, "proposals": 30, "score_floor": 0.05, "batch_size": 16}
WEIGHT_DECAY = 0.01
_MAX_GRADIENT = 5.0  # norm
_WARM_UP = 0.05  # share of the steps


def make_optimiser(network: nn.Module, lr: float) -> torch.optim.Optimizer:
    """AdamW; biases and norms do not decay."""
    groups = [
        {"params": [value for value in network.parameters() if value.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [value for value in network.parameters() if value.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr)


def train_step(
    network: MaskRCNN,
    optimiser: torch.optim.Optimizer,
    images: list[Tensor],
    targets: list[dict[str, Tensor]],
    *,
    lr: float,
) -> dict[str, float]:
    """One step at this rate; the five losses, by torchvision's names. Draws regions from torch's global generator."""
    network.train()
    for group in optimiser.param_groups:
        group["lr"] = lr
    losses = network(images, targets)
    optimiser.zero_grad()
    torch.stack(list(losses.values())).sum().backward()
    nn.utils.clip_grad_norm_(network.parameters(), _MAX_GRADIENT)
    optimiser.step()
    return {name.removeprefix("loss_"): float(loss.detach()) for name, loss in losses.items()}


def score(segment: Segmenter, frames: np.ndarray, persons: np.ndarray) -> dict[str, float]:
    """Quality of a segmenter on frames of one figure each; instances count from SCORE on.

    Keys: `iou`, of the union of the instances with the truth, on the mask store's grid, mean over the frames, and
    `iou_p10`, its 10th percentile; `found_75`, the share of figures that one instance covers with an IoU of at least
    0.75; `false_per_frame`, instances with an IoU below 0.5; `ms_per_frame`, wall time.

    Args:
        frames: uint8 (N, H, W, 3).
        persons: bool (N, H, W).
    """
    segment(frames[:1], "")  # the first run allocates
    started = time.perf_counter()
    found = segment(frames, "")  # of no one video
    seconds = time.perf_counter() - started
    ious, best, false = [], [], 0
    for instances, truth in zip(found, on_grid(persons), strict=True):
        masks = instances.masks[instances.scores >= SCORE]  # (n, GRID, GRID)
        each = mask_iou(masks, truth[None])
        union = np.any(masks, axis=0, keepdims=True)
        ious.append(mask_iou(union, truth[None])[0])
        best.append(each.max(initial=0.0))
        false += int((each < 0.5).sum())
    values: dict[str, Any] = {
        "iou": np.mean(ious),
        "iou_p10": np.percentile(ious, 10),
        "found_75": np.mean(np.array(best) >= 0.75),
        "false_per_frame": false / len(frames),
        "ms_per_frame": 1000 * seconds / len(frames),
    }
    return {name: round(float(value), 4) for name, value in values.items()}


def weights_bytes(network: nn.Module) -> bytes:
    """The weights file: a state_dict in half precision, which loads into either."""
    return encode(
        {
            name: (value.half() if value.is_floating_point() else value).cpu().contiguous()
            for name, value in network.state_dict().items()
        }
    )


def pretrain_segmenter(
    params: Dataset,
    out: Path,
    *,
    steps: int,
    seed: int,
    batch_size: int = 8,
    lr: float = 2e-3,
    workers: int = 1,
    resume: bool = False,
) -> dict[str, Any]:
    """Trains, writes the weights to `out` and the recipe beside it, and returns the recipe.

    Args:
        params: the embedded data set's; of them the frame size, and the held-out frames' figure size.
        steps: of the whole schedule, those before a `resume` included.
        batch_size: frames a step.
        lr: the peak, of AdamW.
        workers: processes that render; the result does not depend on them.

    Raises:
        ValueError: when the loss is not finite, or a checkpoint belongs to other settings.
    """
    if params.synthesize is None:
        raise ValueError("expected the embedded data set, whose block has synthesize, got another")
    size: dict[str, Any] = {"height": params.synthesize.height, "width": params.synthesize.width}
    settings = {
        "steps": steps,
        "seed": seed,
        "batch_size": batch_size,
        "lr": lr,
        **size,
        "actions": list(OTHER_ACTIONS),
    }
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    network = figures_rcnn().to(device, memory_format=torch.channels_last)
    optimiser = make_optimiser(network, lr)
    state: dict[str, Any] = {"step": 0, "seconds": 0.0, "curve": []}
    if resume and (found := load_state(out, settings)):
        state = found
        network.load_state_dict(state.pop("network"))
        optimiser.load_state_dict(state.pop("optimiser"))
    held_out = held_out_frames(HELD_OUT_FRAMES, **size, figure_size=params.synthesize.figure_size)

    started, first = time.perf_counter() - state["seconds"], state["step"]
    recent: list[dict[str, float]] = []
    stream = FigureFrames(seed=seed, short_edge=SHORT_EDGE, **size)
    batches = stream.batches(first * batch_size, steps * batch_size, batch_size, workers=workers)
    bar = progress(batches, total=steps, initial=first, desc="pretrain", unit="step")
    for step, (images, targets) in enumerate(bar, first + 1):
        # Regions are drawn from (seed, step), not from a generator's state: going on needs none.
        torch.manual_seed(int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0]))
        images = [image.to(device) for image in images]
        targets = [{name: value.to(device) for name, value in target.items()} for target in targets]
        losses = train_step(network, optimiser, images, targets, lr=learning_rate(step, steps, lr))
        if not all(math.isfinite(loss) for loss in losses.values()):
            raise ValueError(
                f"the loss is not finite in step {step}; expected --lr to be smaller, got {lr:g}: {losses}"
            )
        recent = [*recent[-49:], losses]
        means = {name: float(np.mean([each[name] for each in recent])) for name in losses}
        bar.set_postfix({name: f"{mean:.3f}" for name, mean in means.items()}, refresh=False)
        if step % VALIDATION_STEPS == 0 and step < steps:
            scores = score(segmenter(network, 2, INFERENCE["batch_size"]), *held_out)
            state["curve"].append({"step": step, **{name: round(mean, 4) for name, mean in means.items()}, **scores})
            bar.write(f"step {step}/{steps}: {_line(scores)}")
        if step % CHECKPOINT_STEPS == 0:
            state |= {"step": step, "seconds": time.perf_counter() - started}
            whole = {**state, "network": network.state_dict(), "optimiser": optimiser.state_dict()}
            save_state(out, settings, whole)

    seconds = time.perf_counter() - started
    write_bytes(out, weights_bytes(network))
    scores = score(build("torchvision", model="figures", weights=str(out), **INFERENCE), *held_out)  # as it is stored
    recipe = {
        "what": "Mask R-CNN for the embedded data set's figures, trained on synthetic frames of other actions",
        **settings,
        "optimiser": f"AdamW, weight decay {WEIGHT_DECAY:g}, linear warm-up, half a cosine to 0",
        "held_out_frames": HELD_OUT_FRAMES,
        "held_out": scores,
        "inference": INFERENCE,
        "curve": state["curve"],
        "seconds": round(seconds, 1),
        "device": f"{device.type}, {torch.get_num_threads()} threads, {workers} workers",
        "versions": {"objabn": __version__, **{name: version(name) for name in ("torch", "torchvision", "numpy")}},
    }
    write_text(out.with_suffix(".json"), json.dumps(recipe, indent=2) + "\n")
    state_path(out).unlink(missing_ok=True)
    return recipe


def _line(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in scores.items())
