"""Give any video network the interface of `model.interface`: maps of it can be drawn, and it can be audited.

    network = Adapter(my_module, num_frames=16, size=112, layer="layer4")
    network(clips).perception_logits                 # float32 (B, L)
    feature_maps(network, clips, "layer4")           # float32 (B, C, T', h, w)

Clips come as all networks here take them, normalised by `clips.geometry`; the module inside gets what it was trained
on: another mean and standard deviation, or whatever a `preprocess` of its own makes of the pixels.

Shapes: B clips, T frames, S pixels, L classes, C channels of a layer, T'/h/w its grid.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from objabn.clips.geometry import MEAN, STD
from objabn.model.interface import Output, Tap
from objabn.networks.grids import Grid, as_it_is, grid_shape
from objabn.networks.steps import steps_of
from objabn.networks.tracing import Trace, call, logits_of, trace

KINETICS_MEAN, KINETICS_STD = (0.43216, 0.394666, 0.37645), (0.22803, 0.22145, 0.216989)  # of pixels in [0, 1]
_PASSING = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.Dropout3d)  # they give what they get; no default is one of them
_SHOWN = 8  # layers that a message names


class Adapter(nn.Module):
    """Wrap a module that classifies clips, so that it satisfies `model.interface.VideoNetwork`.

    Module and adapter are put into evaluation mode.

    Args:
        module: takes clips float32 (B, 3, T, S, S), or what `preprocess` makes of them; returns logits (B, L): a
            tensor, an object with `.logits`, or a mapping with "logits".
        num_frames, size: T and S of the clips that it takes.
        mean, std: by which its training clips were normalised, (pixel - mean) / std of pixels in [0, 1]: a number, or
            one of each channel. By default those of Kinetics, as torchvision's ResNets have them.
        layer: whose features Grad-CAM weights, or "split"; None takes the last that has cells which the logits read.
        split: which layer "split" means, on whose grid maps are drawn; None takes `layer`.
        grid: turns a layer's output into (B, C, T', h, w), for outputs that are not that (`networks.grids` has those of
            tokens); or one such function for each layer, by name, and no other layers.
        class_names: of the L classes.
        preprocess: in place of `mean` and `std`: takes pixels float32 (B, 3, T, S, S) in [0, 1], RGB, and returns what
            the module takes; a mapping gives named arguments.
        spec: how users name the network, for messages.
        seen: what a pass of the module has shown; None makes one, of a random clip.

    Raises:
        ValueError: the module does not take such clips or gives no logits; there is no such layer, or it has no grid,
            or the logits do not read it; another number of names than classes.
    """

    attention_branch = None
    mixer = None
    _scale: Tensor
    _shift: Tensor

    def __init__(
        self,
        module: nn.Module,
        *,
        num_frames: int = 16,
        size: int = 112,
        mean: float | Sequence[float] = KINETICS_MEAN,
        std: float | Sequence[float] = KINETICS_STD,
        layer: str | None = None,
        split: str | None = None,
        grid: Grid | Mapping[str, Grid] | None = None,
        class_names: Sequence[str] | None = None,
        preprocess: Callable[[Tensor], Any] | None = None,
        spec: str = "",
        seen: Trace | None = None,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.digests: dict[str, str] = {}
        self.num_frames, self.size = num_frames, size
        self.module = module
        self._from_pixels = preprocess
        self.eval()
        means, stds = (torch.tensor(values, dtype=torch.float64).reshape(-1, 1, 1, 1) for values in (mean, std))
        self.register_buffer("_scale", (STD / stds).float(), persistent=False)  # of our normalised clips, to its own
        self.register_buffer("_shift", ((MEAN - means) / stds).float(), persistent=False)
        self._grid = grid
        self._seen = self._watch() if seen is None else seen
        grids = {name: (output, self._grid_of(name)) for name, output in self._seen.outputs.items()}
        shapes = {name: grid and grid_shape(grid, output) for name, (output, grid) in grids.items()}
        self._shapes = {name: shape for name, shape in shapes.items() if shape is not None}  # (1, C, T', h, w)
        computing = [name for name in self.layers if not isinstance(module.get_submodule(name), _PASSING)]
        if not computing:
            raise ValueError(f"{self._name}: expected a layer with a grid of cells that the logits read, found none")
        default = computing[-1]
        self.split = self._checked(split or (default if layer in (None, "split") else str(layer)))
        self.layer = self.split if layer == "split" else self._checked(layer or default)
        *_, self.map_frames, self.map_size, columns = self._shapes[self.split]
        if columns != self.map_size:
            raise ValueError(f"{self._name}: {self.split}, expected a square grid, got {self.map_size} x {columns}")
        classes = self._seen.num_classes
        self.class_names = tuple(class_names or (f"class {number}" for number in range(classes)))
        if len(self.class_names) != classes:
            raise ValueError(f"{self._name}: expected {classes} class names, got {len(self.class_names)}")

    @property
    def layers(self) -> tuple[str, ...]:
        """Names that `tap` takes besides "split", from the input on."""
        return tuple(sorted(self._shapes.keys() - self._seen.unfit.keys(), key=self._seen.order.__getitem__))

    def preprocess(self, clips: Tensor) -> Any:
        """Turn normalised clips, float32 (B, 3, T, S, S), into what the module takes."""
        if self._from_pixels is not None:
            return self._from_pixels(clips * STD + MEAN)
        return clips * self._scale + self._shift

    def forward(self, clips: Tensor) -> Output:
        """Return the logits of normalised clips, and no maps.

        Args:
            clips: float32 (B, 3, T, S, S).

        Returns:
            logits (B, L), and maps (B, 0, T', h, w).

        Raises:
            ValueError: clips of another number of frames or pixels.
        """
        if tuple(clips.shape[1:]) != (expected := (3, self.num_frames, self.size, self.size)):
            raise ValueError(
                f"{self._name}: expected clips (B, 3, T, S, S) of {expected}, got {tuple(clips.shape[1:])}"
            )
        logits = logits_of(call(self.module, self.preprocess(clips)), len(clips), self._name)
        maps = clips.new_zeros(len(clips), 0, self.map_frames, self.map_size, self.map_size)
        return Output(None, logits, maps, None)

    def tap(self, layer: str) -> Tap:
        """Say where the features of a layer are.

        Args:
            layer: "split", or one of `layers`.

        Raises:
            ValueError: it is another.
        """
        name = self._checked(self.split if layer == "split" else layer)
        grid = self._grid_of(name)
        assert grid is not None
        return Tap(self.module.get_submodule(name), grid)

    def steps(self) -> list[tuple[str, list[nn.Module]]]:
        """List all parts with weights by name, from the logits to the input."""
        return steps_of(self.module, self._seen.order)

    @property
    def _name(self) -> str:
        return self.spec or type(self.module).__name__

    def _watch(self) -> Trace:
        """Make the pass: of a random clip, with gradients."""
        pixels = torch.rand(1, 3, self.num_frames, self.size, self.size, generator=torch.Generator().manual_seed(0))
        device = next((weight.device for weight in self.module.parameters()), torch.device("cpu"))
        self.to(device)
        clip = ((pixels - MEAN) / STD).to(device)
        return trace(self.module, self.preprocess, clip, self._name, self._grid_of)

    def _grid_of(self, name: str) -> Grid | None:
        return self._grid.get(name) if isinstance(self._grid, Mapping) else self._grid or as_it_is()

    def _checked(self, layer: str) -> str:
        """Return the name of a layer that has a grid which the logits read. Raises: ValueError for another."""
        if layer in self._shapes and layer not in self._seen.unfit:
            return layer
        shown = self.layers[-_SHOWN:]
        one_of = "for example" if len(self.layers) > _SHOWN else "one of"
        expected = f"expected {one_of} {', '.join(shown) or 'none: no layer has such a grid'}"
        if layer in self._seen.unfit:
            got = self._seen.unfit[layer]
        elif layer in self._seen.outputs:
            got = "its output is no grid (B, C, T, h, w) of several cells"
        elif layer in self._seen.order:
            got = "it runs more than once in a pass"
        else:
            got = "it does not run" if layer in dict(self.module.named_modules()) else "there is no such layer"
        raise ValueError(f"{self._name}: layer, {expected}, got {layer!r}: {got}")
