"""Train the embedded data's segmenter, a small Mask R-CNN, on an endless stream of synthetic frames of other actions.

    python -m objabn pretrain segmenter --steps 8000 --seed 0 --out FILE     # the same again after a kill

It stands in for COCO, which real data's segmenter has seen. FILE is a state_dict in half precision; `segment.weights`
may name it where `segment.model` is figures. The recipe and scores stand beside it, FILE with the suffix .json.
"""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from objabn.config.schema import Dataset
from objabn.model.run import versions
from objabn.pretrain.frames import FigureFrames, held_out_frames
from objabn.pretrain.loop import Pretraining, encode
from objabn.segmentation.segmenters.choice import build
from objabn.segmentation.segmenters.figures_rcnn import SHORT_EDGE, figures_rcnn
from objabn.segmentation.segmenters.instances import Segmenter
from objabn.segmentation.segmenters.torchvision import segmenter
from objabn.stores.masks import mask_iou
from objabn.synthetic.scenes import OTHER_ACTIONS
from objabn.synthetic.synthesize import on_grid
from objabn.system.files import write_bytes

CHECKPOINT_STEPS = 200  # a kill costs at most so many
VALIDATION_STEPS = 1000
HELD_OUT_FRAMES = 256
SCORE = 0.5  # least score of an instance that counts
INFERENCE: dict[str, Any] = {"short_edge": SHORT_EDGE, "proposals": 30, "score_floor": 0.05, "batch_size": 16}
WEIGHT_DECAY = 0.01
MAX_GRADIENT = 5.0  # norm


def make_optimiser(network: nn.Module, lr: float) -> torch.optim.Optimizer:
    """AdamW; biases and norms do not decay."""
    groups = [
        {"params": [value for value in network.parameters() if value.ndim > 1], "weight_decay": WEIGHT_DECAY},
        {"params": [value for value in network.parameters() if value.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=lr)


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
        assert instances.masks is not None  # nobody was asked to draw planes
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
) -> dict[str, Any]:
    """Train, write the weights to `out` and the recipe beside it, and return the recipe.

    A pretraining with the same settings and `out` that was killed goes on.

    Args:
        params: the embedded data set's; of them the frame size, and the held-out frames' figure size.
        steps: of the whole schedule.
        batch_size: frames a step.
        lr: the peak, of AdamW.
        workers: processes that render; the result does not depend on them.

    Raises:
        ValueError: the loss is not finite.
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
    begun = {"what": "segmenter", "out": str(out.absolute()), "figure_size": params.synthesize.figure_size, **settings}
    training = Pretraining(begun, network, make_optimiser(network, lr), versions())
    held_out = held_out_frames(HELD_OUT_FRAMES, **size, figure_size=params.synthesize.figure_size)

    def losses_of(step: int, batch: tuple[list[Tensor], list[dict[str, Tensor]]]) -> dict[str, Tensor]:
        # Regions are drawn from (seed, step), not from a generator's state, which would have to be kept.
        torch.manual_seed(int(np.random.SeedSequence((seed, step)).generate_state(1, np.uint64)[0]))
        images = [image.to(device) for image in batch[0]]
        targets = [{name: value.to(device) for name, value in target.items()} for target in batch[1]]
        return {name.removeprefix("loss_"): loss for name, loss in network(images, targets).items()}

    def validate() -> dict[str, float]:
        return score(segmenter(network, 2, INFERENCE["batch_size"]), *held_out)

    stream = FigureFrames(seed=seed, short_edge=SHORT_EDGE, **size)
    batches = stream.batches(training.step * batch_size, steps * batch_size, batch_size, workers=workers)
    often = {"checkpoint_steps": CHECKPOINT_STEPS, "validation_steps": VALIDATION_STEPS}
    training.run(batches, losses_of, validate, steps=steps, lr=lr, max_gradient=MAX_GRADIENT, **often)

    write_bytes(out, weights_bytes(network))
    stored = build("torchvision", model="figures", weights=str(out), draws=False, **INFERENCE)
    scores = score(stored, *held_out)  # as it is stored
    recipe = {
        "what": "Mask R-CNN for the embedded data set's figures, trained on synthetic frames of other actions",
        **settings,
        "optimiser": f"AdamW, weight decay {WEIGHT_DECAY:g}, linear warm-up, half a cosine to 0",
        "held_out_frames": HELD_OUT_FRAMES,
        "held_out": scores,
        "inference": INFERENCE,
    }
    return training.finish(out, recipe, workers=workers, libraries=("torch", "torchvision", "numpy"))
