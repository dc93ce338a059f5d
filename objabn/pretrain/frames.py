"""An endless stream of single frames with their figures' masks, to train the embedded data's segmenter on.

Every frame comes from a scene of its own, so no look, background or pose is seen twice.
Shapes: n figures of a frame, N frames, H/W frame.
"""

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from objabn.pretrain.clips import degraded
from objabn.synthetic.scenes import ACTIONS, OTHER_ACTIONS, make_scene, render_frame

FIGURE_SIZES = (0.45, 0.7)  # so that the profile's figure size may change without another training
SECOND_FIGURE = 0.15  # share of the frames in which a second figure stands before the first
LEAST_VISIBLE = 0.4  # share of the first that it must leave
PERSON = 1  # label; 0 is the background
HELD_OUT_QUALITY = 80  # of JPEG

Batch = tuple[list[Tensor], list[dict[str, Tensor]]]


def boxes_of(masks: np.ndarray) -> np.ndarray:
    """Boxes around the masks' pixels: bool (n, H, W) -> float32 (n, 4), x0, y0, x1, y1 in pixels, at pixels' edges."""
    boxes = np.empty((len(masks), 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        box[:] = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    return boxes


class FigureFrames(TorchDataset[tuple]):
    """Frames as torchvision's detectors take them; item i, any i >= 0, follows from (seed, i) alone.

    An item: image float32 (3, H', W') RGB in [0, 1]; and its target, `boxes` float32 (n, 4) in pixels, `labels` int64
    (n,), all PERSON, `masks` uint8 (n, H', W').

    Args:
        height, width: of the frames as a camera takes them, H and W.
        short_edge: of the items, pixels; None leaves the frames' own. Where the detector has to resize, it takes the
            nearest pixels of the masks, which moves their edges.
        actions: those that the figures do; other ones than the data set's, and its splits are others as well.
    """

    def __init__(
        self,
        *,
        seed: int,
        height: int = 120,
        width: int = 160,
        short_edge: int | None = None,
        actions: Sequence[str] = OTHER_ACTIONS,
    ) -> None:
        self._seed, self._height, self._width, self._actions = seed, height, width, tuple(actions)
        scale = 1.0 if short_edge is None else short_edge / min(height, width)
        self._size = round(scale * height), round(scale * width)

    def __getitem__(self, item: int) -> tuple[Tensor, dict[str, Tensor]]:
        draw = np.random.default_rng([self._seed, item])
        image, person = self._figure("pretrain", item, draw)
        masks = person[None]
        if draw.random() < SECOND_FIGURE:
            other, front = self._figure("pretrain-second", item, draw)
            behind = person & ~front
            if behind.sum() >= LEAST_VISIBLE * person.sum():
                image[front] = other[front]
                masks = np.stack([behind, front])
        if draw.random() < 0.5:
            image, masks = image[:, ::-1], masks[..., ::-1]
        image = degraded(np.ascontiguousarray(image)[None], draw)[0]
        pixels = torch.from_numpy(image).permute(2, 0, 1) / 255
        planes = torch.from_numpy(masks.astype(np.float32))
        if self._size != (self._height, self._width):
            pixels, planes = (
                F.interpolate(each[None], size=self._size, mode="bilinear")[0] for each in (pixels, planes)
            )
        inside = planes > 0.5
        return pixels, {
            "boxes": torch.from_numpy(boxes_of(inside.numpy())),
            "labels": torch.full((len(inside),), PERSON),
            "masks": inside.byte(),
        }

    def batches(self, first: int, last: int, batch_size: int, *, workers: int) -> Iterator[Batch]:
        """Items [first, last) in order, the same with any number of workers; images and targets as two lists."""
        yield from DataLoader(self, batch_size, sampler=range(first, last), num_workers=workers, collate_fn=_unzip)

    def _figure(self, split: str, item: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """A frame uint8 (H, W, 3) and its figure bool (H, W)."""
        scene = make_scene(
            self._actions[int(draw.integers(len(self._actions)))],
            seed=self._seed,
            split=split,
            number=item,
            height=self._height,
            width=self._width,
            figure_size=draw.uniform(*FIGURE_SIZES),
        )
        frame, person, _ = render_frame(scene, int(draw.integers(scene.num_frames)))
        return frame, person


def _unzip(items: list[tuple[Tensor, dict[str, Tensor]]]) -> Batch:
    images, targets = zip(*items, strict=True)
    return list(images), list(targets)


def held_out_frames(
    num_frames: int, *, height: int = 120, width: int = 160, figure_size: float = 0.58
) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 (N, H, W, 3) of the data set's own actions in other videos, and their figures bool (N, H, W)."""
    frames, persons = [], []
    for number in range(num_frames):
        scene = make_scene(
            ACTIONS[number % len(ACTIONS)],
            seed=0,
            split="held-out",
            number=number,
            height=height,
            width=width,
            figure_size=figure_size,
        )
        index = int(np.random.default_rng([0, number]).integers(scene.num_frames))
        frame, person, _ = render_frame(scene, index)
        _, coded = cv2.imencode(".jpg", frame[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, HELD_OUT_QUALITY))
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert decoded is not None
        frames.append(decoded[..., ::-1])
        persons.append(person)
    return np.stack(frames), np.stack(persons)
