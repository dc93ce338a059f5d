"""An endless stream of synthetic clips of other actions than the embedded data set's, to pretrain a backbone on.

Shapes: T frames of a clip, H/W frame.
"""

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from objabn.clips.batches import Batch
from objabn.clips.sampling import clip_starts, crop_box, frame_indices
from objabn.config.schema import Dataset
from objabn.synthetic.scenes import OTHER_ACTIONS, make_scene, render_frame

FIGURE_SIZES = (0.5, 0.7)  # so that the profile's figure size may change without another pretraining


class ClipStream(TorchDataset[dict]):
    """Clips of OTHER_ACTIONS; item i, any i >= 0, follows from (seed, split, i), whatever was asked for before.

    Args:
        params: the embedded data set's; of them frame size, lengths, clip and crop.
        split: "pretrain" (random clip, box, flip and image quality) or "held-out" (centre clip and box, clean); other
            scenes than the data set's splits "train" and "test".

    An item is as `clips.dataset.ClipDataset`'s: `frames` uint8 (T, H, W, 3), `box` float32 (4,), `flip` bool, `label`
    int64.
    """

    def __init__(self, params: Dataset, *, seed: int, split: str = "pretrain") -> None:
        if params.synthesize is None:
            raise ValueError("expected the embedded data set, whose block has synthesize, got another")
        if split not in ("pretrain", "held-out"):
            raise ValueError(f"split: expected pretrain or held-out, got {split!r}")
        self._size, self._data, self._seed, self._split = params.synthesize, params.data, seed, split

    def __getitem__(self, item: int) -> dict[str, Tensor]:
        size, data, training = self._size, self._data, self._split == "pretrain"
        draw = np.random.default_rng([self._seed, item, int(training)])
        label = item % len(OTHER_ACTIONS)
        scene = make_scene(
            OTHER_ACTIONS[label],
            seed=self._seed,
            split=self._split,
            number=item,
            height=size.height,
            width=size.width,
            min_frames=size.min_frames,
            max_frames=size.max_frames,
            figure_size=draw.uniform(*FIGURE_SIZES),
        )
        span = (data.num_frames - 1) * data.frame_stride + 1
        room = max(scene.num_frames - span, 0)
        start = int(draw.integers(room + 1) if training else clip_starts(scene.num_frames, span, 1)[0])
        indices = frame_indices(scene.num_frames, start, data.num_frames, data.frame_stride, data.pad)
        frames = np.stack([render_frame(scene, int(index))[0] for index in indices])
        box, flip = crop_box(data, size.height, size.width, draw if training else None)
        if training:
            frames = degraded(frames, draw)
        return {
            "frames": torch.from_numpy(frames),
            "box": torch.from_numpy(box),
            "flip": torch.tensor(flip),
            "label": torch.tensor(label),
        }

    def batches(self, first: int, last: int, batch_size: int, *, workers: int) -> Iterator[Batch]:
        """Items [first, last) in order, the same with any number of workers."""
        yield from DataLoader(self, batch_size, sampler=range(first, last), num_workers=workers)


def degraded(frames: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """A clip as another camera and a codec would give it, uint8 (T, H, W, 3): contrast, colour, blur, blocks.

    The data set's videos went through H.264; JPEG of 4:2:0 at a random quality leaves similar traces for little.
    """
    gain = draw.uniform(0.75, 1.25) * draw.uniform(0.9, 1.1, 3)
    offset = draw.uniform(-25, 25)
    levels = np.clip((np.arange(256)[:, None] - 128) * gain + 128 + offset, 0, 255).astype(np.uint8)  # (256, 3)
    table = levels.reshape(1, 256, 3)
    sigma = draw.uniform(0.3, 0.9) if draw.random() < 0.5 else 0.0
    quality = int(draw.integers(40, 96))
    out = np.empty_like(frames)
    for index, frame in enumerate(frames):
        image = cv2.LUT(frame, table)
        if sigma:
            image = cv2.GaussianBlur(image, (5, 5), sigma)
        _, coded = cv2.imencode(".jpg", image[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, quality))
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert decoded is not None
        out[index] = decoded[..., ::-1]
    return out
