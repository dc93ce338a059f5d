"""The network that is measured: the profile of UCF101 (X3D-M), its batch and its step, by the product's own code."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from objabn.clips.batches import clip_tensors, mask_tensors
from objabn.config.file import load_params
from objabn.config.rows import MAPS
from objabn.config.schema import Dataset
from objabn.model import device as devices
from objabn.model.interface import Output
from objabn.model.run import Run, build_model
from objabn.stores.masks import GRID
from objabn.training.losses import settings, total_loss
from objabn.training.optimiser import make_optimiser

ROOT = Path(__file__).parents[2]
CLASSES = 101
TINY = (
    "decode.height=32", "decode.width=40", "decode.codec=jpeg", "data.num_frames=4", "data.crop=32",
    "data.short_side_min=32", "data.short_side_max=36", "data.short_side_eval=32", "model.attention_depth=1",
    "model.attention_channels=8", "train.batch_size=2", "train.precision=32-true",
)  # fmt: skip


def parameters(device: torch.device, *changes: str, tiny: bool = False) -> Dataset:
    """Return the profile of UCF101 with random weights, or a tiny one.

    Args:
        changes: as in `train.compile=true`.
    """
    name, small = ("synthetic", TINY) if tiny else ("ucf101", ())
    own = ("model.pretrained=null", "model.frozen=null", f"train.accelerator={device.type}")
    settings = [f"datasets.{name}.{each}" for each in (*small, *own, *changes)]
    return load_params(ROOT / "params.yaml", settings).datasets[name]


def resident_batch(params: Dataset, size: int, device: torch.device) -> dict[str, Tensor]:
    """Make a batch as the loader gives it, of noise, with a mask of a quarter of each frame."""
    draw, data = torch.Generator().manual_seed(1), params.data
    shape = (size, data.num_frames, params.decode.height, params.decode.width, 3)
    masks = torch.zeros(size, data.num_frames, GRID, GRID, dtype=torch.uint8)
    masks[..., 32:96, 32:96] = 1
    batch = {
        "frames": torch.randint(256, shape, dtype=torch.uint8, generator=draw),
        "box": torch.tensor([[0.1, 0.1, 0.8, 0.9]] * size),
        "flip": torch.zeros(size, dtype=torch.bool),
        "masks": masks,
        "label": torch.randint(CLASSES, (size,), generator=draw),
    }
    return {name: value.to(device) for name, value in batch.items()}


class Training:
    """A network that can take steps, made as `objabn.training.train.train` makes it.

    Args:
        params: `train` says on which device, how precise and by which kernels.
        benchmark: of cuDNN's kernels; None leaves what the product sets.
    """

    def __init__(self, params: Dataset, attention: str = "mask", *, seed: int = 0, benchmark: bool | None = None):
        self.params, self.attention = params, attention
        self.fabric = devices.make_fabric(params)
        if benchmark is not None:
            torch.backends.cudnn.benchmark = benchmark
        self.benchmark = torch.backends.cudnn.benchmark
        torch.manual_seed(seed)
        self.network = build_model(Run(params, attention, False, seed), CLASSES)
        adam = make_optimiser(self.network, params)
        called = devices.compiled(self.network, params.train, self.fabric.device)
        self.model, self.optimiser = self.fabric.setup(called, adam)
        self.network.train()

    @property
    def precision(self) -> str:
        return self.fabric.strategy.precision.precision

    @property
    def is_compiled(self) -> bool:
        modules = (self.network, *self.model.modules())
        return any(type(each).__name__ == "OptimizedModule" or each._compiled_call_impl for each in modules)

    def forward(self, batch: dict[str, Tensor]) -> tuple[Tensor, Output]:
        """Return the loss of a batch, and the network's output."""
        union = None
        if "o" in MAPS[self.attention]:
            union = mask_tensors(batch, "masks", self.network.map_size, self.params.mask.resize)
        output = self.model(clip_tensors(batch, self.params.data.crop))
        loss, _ = total_loss(
            output,
            batch["label"],
            attention=self.attention,
            union_masks=union,
            centroids=self.network.class_centroids,
            **settings(self.params),
        )
        return loss, output

    def step(self, batch: dict[str, Tensor]) -> Any:
        """Take a step, and return the loss, on the device."""
        loss, _ = self.forward(batch)
        self.fabric.backward(loss)
        self.optimiser.step()
        self.optimiser.zero_grad()
        return loss.detach()

    def weights(self) -> Tensor:
        """Return all weights in one row, on the device."""
        return torch.cat([value.detach().flatten() for value in self.network.parameters()])
