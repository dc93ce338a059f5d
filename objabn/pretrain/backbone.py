"""Pretrain a backbone on an endless stream of synthetic clips of other actions than the embedded data set's.

    python -m objabn pretrain backbone --steps 1800 --seed 0 --out FILE     # the same again after a kill
    python -m objabn pretrain backbone --backbone my.py:backbone ...        # another than the embedded profile's X3D

On a CPU that something else uses too, OMP_NUM_THREADS=1 is the faster: torch's threads wait for each other.

It stands in for Kinetics-400, which real data's backbones have seen. FILE is a checkpoint of pytorchvideo's format, or
for another backbone the state of its stages in a row, so `model.pretrained` may name it; the recipe and scores stand
beside it, FILE with the suffix .json.

Shapes: B batch, T frames of a clip, H/W frame, S crop in pixels, L classes (the other actions).
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objabn.clips.batches import clip_tensors
from objabn.config.schema import X3D, Dataset
from objabn.model.depthwise import fits_channels_last
from objabn.model.pretrained import STATE
from objabn.model.run import library_of, versions
from objabn.model.x3d import x3d_blocks
from objabn.networks.backbone import code, inputs_of, staged_for
from objabn.pretrain.clips import ClipStream
from objabn.pretrain.linear_probe import embedded_clips, linear_probe
from objabn.pretrain.loop import Pretraining, encode
from objabn.synthetic.scenes import OTHER_ACTIONS
from objabn.system.files import write_bytes

CHECKPOINT_STEPS = 100  # a kill costs at most so many
VALIDATION_STEPS = 500
HELD_OUT_CLIPS = 480


class _X3D(nn.Module):
    """The six blocks in a row; its state has pytorchvideo's keys, `blocks.<n>...`."""

    def __init__(self, params: Dataset, num_classes: int) -> None:
        super().__init__()
        blocks = x3d_blocks(
            num_classes=num_classes,
            num_frames=params.data.num_frames,
            crop=params.data.crop,
            width_factor=params.model.width_factor,
            depth_factor=params.model.depth_factor,
            dropout=0.0,  # no clip comes twice
        )
        self.blocks = nn.ModuleList(blocks).to(memory_format=torch.channels_last_3d)

    def forward(self, clips: Tensor) -> Tensor:
        """Logits (B, L) of normalised clips (B, 3, T, S, S)."""
        for block in self.blocks:
            clips = block(clips)
        return clips


def _network(params: Dataset, backbone: str, num_classes: int) -> nn.Module:
    """A network without pretrained weights, on the CPU."""
    if backbone == X3D:
        return _X3D(params, num_classes)
    data = params.data
    staged = staged_for(backbone, num_classes=num_classes, num_frames=data.num_frames, crop=data.crop)
    network = staged.network.train()
    return network.to(memory_format=torch.channels_last_3d) if fits_channels_last(network) else network


@torch.no_grad()
def held_out_top1(model: nn.Module, params: Dataset, seed: int, num_clips: int, *, workers: int) -> float:
    """Top-1 in percent on unseen clips of the other actions."""
    model.eval()
    device = next(model.parameters()).device
    correct = 0
    stream = ClipStream(params, seed=seed, split="held-out")
    for batch in stream.batches(0, num_clips, 16, workers=workers):
        batch = {name: value.to(device) for name, value in batch.items()}
        correct += int((model(clip_tensors(batch, params.data.crop)).argmax(dim=1) == batch["label"]).sum())
    return 100 * correct / num_clips


def pretrain_backbone(
    params: Dataset,
    out: Path,
    *,
    steps: int,
    seed: int,
    batch_size: int = 16,
    lr: float = 5e-3,
    workers: int = 1,
    backbone: str = X3D,
) -> dict[str, Any]:
    """Train, write the weights to `out` and the recipe beside it, and return the recipe.

    A pretraining with the same settings and `out` that was killed goes on.

    Args:
        steps: of the whole schedule.
        lr: the peak, of Adam.
        workers: processes that render; the result does not depend on them.
        backbone: as `model.backbone`; of an X3D `params.model` gives the factors.

    Raises:
        ValueError: the loss is not finite, or there is no such backbone.
    """
    settings = {"steps": steps, "seed": seed, "batch_size": batch_size, "lr": lr, "actions": list(OTHER_ACTIONS)}
    num_classes = len(OTHER_ACTIONS)
    if backbone == X3D:
        settings["model"] = params.model.model_dump(include={"width_factor", "depth_factor"})
    else:
        settings["backbone"] = {"spec": backbone, "files": inputs_of(backbone, num_classes)}
    settings["data"] = params.data.model_dump()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(seed)
    model = _network(params, backbone, num_classes).to(device)
    optimiser = torch.optim.Adam(model.parameters(), lr=lr)
    clips = params.synthesize.model_dump() if params.synthesize else {}
    begun = {"what": "backbone", "out": str(out.absolute()), "clips": clips, **settings}
    if backbone != X3D:
        begun["code"] = code()
    training = Pretraining(begun, model, optimiser, versions(backbone))

    def losses_of(_step: int, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        batch = {name: value.to(device) for name, value in batch.items()}
        return {"loss": F.cross_entropy(model(clip_tensors(batch, params.data.crop)), batch["label"])}

    def validate() -> dict[str, float]:
        return {"held_out_top1": held_out_top1(model, params, seed, HELD_OUT_CLIPS, workers=workers)}

    first, last = training.step * batch_size, steps * batch_size
    batches = ClipStream(params, seed=seed).batches(first, last, batch_size, workers=workers)
    often = {"checkpoint_steps": CHECKPOINT_STEPS, "validation_steps": VALIDATION_STEPS}
    training.run(batches, losses_of, validate, steps=steps, lr=lr, **often)

    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    named = {name: settings[name] for name in ("backbone",) if name in settings}
    write_bytes(out, encode({STATE: weights, **named}))
    blocks = list(model.cpu().blocks if isinstance(model, _X3D) else model.children())
    with TemporaryDirectory() as folder:
        probed = linear_probe(blocks, *embedded_clips(params, Path(folder)), params.data.crop)
    name = "X3D" if backbone == X3D else backbone
    recipe = {
        "what": f"{name} for the embedded data set, pretrained on synthetic clips of other actions",
        **settings,
        "optimiser": "Adam, linear warm-up, half a cosine to 0",
        "held_out_clips": HELD_OUT_CLIPS,
        "held_out_top1": training.curve[-1]["held_out_top1"],
        "linear_probe_top1": probed,
    }
    libraries = ("torch", "pytorchvideo", "numpy") if backbone == X3D else ("torch", *library_of(backbone), "numpy")
    return training.finish(out, recipe, workers=workers, libraries=libraries)
