"""Draw the maps of the same few videos after each epoch, so that one sees them change.

T frames of a clip, S crop in pixels, P pixels of a panel's side.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from lightning_fabric import Fabric
from torch.nn.functional import interpolate
from torch.utils.data import default_collate

from objabn.clips.batches import clip_tensors
from objabn.clips.dataset import ClipDataset
from objabn.clips.geometry import to_pixels
from objabn.config.rows import MAPS
from objabn.model.interface import frame_maps
from objabn.model.network import ObjectABN

VIDEOS = 4
_FRAMES, _SIDE, _GAP = 8, 160, 2  # at most so many frames of a clip, and pixels of a panel; between panels
_GREY, _COLOUR = 0.45, 0.55


def fixed_videos(videos: list[str]) -> list[int]:
    """Choose the positions of four videos, evenly in the order of their names.

    The order of the list is of no account, so all rows and seeds have the same videos.

    >>> fixed_videos(["e", "d", "c", "b", "a"]), fixed_videos(["b", "a"])
    ([4, 3, 1, 0], [1, 0])
    """
    order = sorted(range(len(videos)), key=videos.__getitem__)
    return [order[at] for at in sorted({round(at) for at in np.linspace(0, len(order) - 1, VIDEOS).tolist()})]


@contextmanager
def undisturbed(network: torch.nn.Module, device: torch.device) -> Iterator[None]:
    """Put back what a training draws from, and the mode of each layer.

    A forward pass in evaluation mode changes nothing else: BatchNorm only reads its statistics.
    """
    modes = [(module, module.training) for module in network.modules()]
    # Of Python and NumPy, too: a backbone may be a user's own function.
    generators = random.getstate(), np.random.get_state()  # noqa: NPY002
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            for module, mode in modes:
                module.training = mode
            random.setstate(generators[0])
            np.random.set_state(generators[1])  # noqa: NPY002


class FixedClips:
    """The clips of a few videos, and pictures of the maps that a network has of them.

    Args:
        clips: those that the training is watched on. Frames are read when the first picture is drawn: a loader forks
            its processes before, which shall have no decoder's threads.
    """

    def __init__(self, clips: ClipDataset, attention: str, crop: int) -> None:
        self._clips, self._letters, self._crop = clips, MAPS[attention], crop
        self._items: list[tuple[str, dict[str, torch.Tensor]]] = []

    @torch.no_grad()
    def pictures(self, network: ObjectABN, fabric: Fabric) -> dict[str, np.ndarray]:
        """Draw each map of each video: frames above, the map over the same frames below.

        Returns uint8 pictures (2 P + gap, T P + gaps, 3), by name, such as `M_o/video`; none without an attention
        branch.

        Args:
            network: not wrapped in DDP; it is in evaluation mode afterwards.
        """
        if not self._letters:
            return {}
        if not self._items:
            names = self._clips.table["video"].tolist()
            chosen = [(names[at], self._clips[at * self._clips.views]) for at in fixed_videos(names)]
            self._items = [(name.encode(errors="replace").decode(), item) for name, item in chosen]
        network.eval()
        drawn = {}
        for name, item in self._items:
            batch = {key: value.to(fabric.device) for key, value in default_collate([item]).items()}
            clips = clip_tensors(batch, self._crop)
            with fabric.autocast():
                maps = network(clips).maps
            frames = to_pixels(clips)[0].transpose(0, 1).cpu()  # (T, 3, S, S)
            shown = frame_maps(maps.float(), frames.shape[0])[0].cpu()  # (M, T, h, w)
            for letter, each in zip(self._letters, shown, strict=True):
                drawn[f"M_{letter}/{name}"] = picture(frames, each)
        return drawn


def picture(frames: torch.Tensor, maps: torch.Tensor) -> np.ndarray:
    """Draw frames in a row, and below them the map over grey frames.

    0 is dark blue, 1 is dark red. Returns uint8 (2 P + gap, T P + gaps, 3). Of more than eight frames it shows eight,
    evenly spaced.

    Args:
        frames: float32 (T, 3, S, S) in [0, 255].
        maps: float32 (T, h, w) in [0, 1].
    """
    import matplotlib

    chosen = np.unique(np.linspace(0, len(frames) - 1, _FRAMES).round().astype(int))
    side = (min(_SIDE, frames.shape[-1]),) * 2
    small = interpolate(frames[chosen], side, mode="bilinear", antialias=True, align_corners=False)
    large = interpolate(maps[chosen][:, None], side, mode="bilinear", align_corners=False)[:, 0].clamp(0, 1)
    above = small.permute(0, 2, 3, 1).numpy()  # (T, P, P, 3)
    colours = np.asarray(matplotlib.colormaps["turbo"](large.numpy()))[..., :3] * 255
    below = _GREY * above.mean(axis=-1, keepdims=True) + _COLOUR * colours
    rows = [_side_by_side(panels) for panels in (above, below)]
    between = np.full((_GAP, rows[0].shape[1], 3), 255.0)
    return np.concatenate([rows[0], between, rows[1]]).clip(0, 255).round().astype(np.uint8)


def _side_by_side(panels: np.ndarray) -> np.ndarray:
    """Panels (T, P, P, 3) in one row, white between them."""
    parts = [np.pad(panel, ((0, 0), (0, _GAP), (0, 0)), constant_values=255) for panel in panels]
    return np.concatenate(parts, axis=1)[:, :-_GAP]
