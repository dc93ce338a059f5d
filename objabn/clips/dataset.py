"""Clips of a data set: which frames, which crop box, flipped or not; frames and masks stay as they are stored.

The loader hands over uint8 frames, a crop box and uint8 union masks; resampling is one batched operation on the
training device (`geometry`). All randomness comes from (seed, epoch, video), never from the state of a worker.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from objabn.clips.geometry import crop_shares, resample_clips, resample_masks
from objabn.clips.seeds import video_number
from objabn.config.schema import Data, Eval, Mask
from objabn.config.schema import Dataset as DatasetParams
from objabn.stores.array import StoreReader, read_table
from objabn.stores.frames import Reader, open_frames
from objabn.stores.masks import union_mask

Batch = dict[str, Tensor]
ReplaceMasks = Callable[[StoreReader, pd.Series, np.ndarray], Reader]
COLUMNS = ["video", "label", "frames", "height", "width"]  # what clips need of the table of videos
VALIDATION = Eval(start="centre", views=1, batch_size=1)  # while training: one clip a video, the same in every epoch


def frame_indices(num_frames: int, start: int, length: int, stride: int, pad: str) -> np.ndarray:
    """Frame numbers of a clip, int64 (length,) in [0, num_frames).

    Past the end the last frame is repeated (`pad` "last"), or the video starts again ("loop").
    """
    indices = start + stride * np.arange(length)
    return np.minimum(indices, num_frames - 1) if pad == "last" else indices % num_frames


def clip_starts(num_frames: int, span: int, views: int) -> np.ndarray:
    """First frames of `views` clips spread evenly over a video, int64 (views,); a single one is centred in time."""
    room = max(num_frames - span, 0)
    return (np.arange(views) * 2 + 1) * room // (2 * views)


def crop_box(data: Data, height: int, width: int, draw: np.random.Generator | None) -> tuple[np.ndarray, bool]:
    """Crop box of a clip, float32 (4,), and whether to flip it: random, or without `draw` the centre, unflipped.

    Args:
        height, width: of the original frame; only their ratio matters.
    """
    if draw is not None:
        short_side = draw.uniform(data.short_side_min, data.short_side_max)
        at_x, at_y = draw.uniform(size=2)
        flip = bool(draw.random() < data.flip)
    else:
        short_side, at_x, at_y, flip = data.short_side_eval, 0.5, 0.5, False
    high, wide = crop_shares(height, width, short_side, data.crop)
    x0, y0 = at_x * (1 - wide), at_y * (1 - high)
    return np.array([x0, y0, x0 + wide, y0 + high], np.float32), flip


class ClipDataset(TorchDataset[dict]):
    """One clip a video and view. Columns, no object a video: each worker would get its own copy of those.

    Args:
        table: rows of the table of videos with frames (columns COLUMNS; others are not kept).
        class_names: the label's position here is its class number.
        frames, masks: readers; masks may be None for a configuration that needs none.
        data, mask: parameters.
        evaluation: None for training clips (random start, box and flip); else the parameters of evaluation.
        truth: reader of ground-truth masks, or None.

    An item: `frames` uint8 (T, H, W, 3), `frame_numbers` int64 (T,), `box` float32 (4,) as x0, y0, x1, y1 in [0, 1],
    `flip` bool, `masks` and `truth` uint8 (T, 128, 128) where there are such readers, `label` int64, `row` int64
    (position in `table`). `labels` int64 (videos,) are the class numbers of all videos.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        class_names: list[str],
        frames: Reader,
        masks: Reader | None,
        data: Data,
        mask: Mask,
        *,
        seed: int,
        evaluation: Eval | None = None,
        truth: Reader | None = None,
    ) -> None:
        self.table = table[COLUMNS].reset_index(drop=True)
        self.class_names = class_names
        self.labels = pd.Index(class_names).get_indexer(pd.Index(self.table["label"]))
        assert (self.labels >= 0).all(), "a label that is not in class_names"
        self._videos = np.array([video.encode() for video in self.table["video"]], dtype=bytes)
        self._sizes = self.table[["frames", "height", "width"]].to_numpy()  # (videos, 3)
        self._frames, self._masks, self._truth = frames, masks, truth
        self._data, self._mask, self._evaluation, self._seed = data, mask, evaluation, seed
        self.epoch = 0

    @property
    def views(self) -> int:
        return 1 if self._evaluation is None else self._evaluation.views

    def __len__(self) -> int:
        return len(self.table) * self.views

    def __getitem__(self, item: int) -> dict[str, Tensor]:
        number, view = divmod(item, self.views)
        video = self._videos[number].decode()
        num_frames, height, width = self._sizes[number].tolist()
        data, evaluation = self._data, self._evaluation
        draw = np.random.default_rng([self._seed, self.epoch, video_number(video), view])
        span = (data.num_frames - 1) * data.frame_stride + 1
        if evaluation is None or evaluation.start == "random":
            start = int(draw.integers(max(num_frames - span, 0) + 1))
        else:
            start = int(clip_starts(num_frames, span, self.views)[view])
        indices = frame_indices(num_frames, start, data.num_frames, data.frame_stride, data.pad)
        box, flip = crop_box(data, height, width, draw if evaluation is None else None)
        sample = {
            "frames": torch.from_numpy(self._frames.read(video, indices)),
            "frame_numbers": torch.from_numpy(indices),
            "box": torch.from_numpy(box),
            "flip": torch.tensor(flip),
            "label": torch.tensor(int(self.labels[number])),
            "row": torch.tensor(number),
        }
        for name, reader in (("masks", self._masks), ("truth", self._truth)):
            if reader is not None:
                planes = reader.read(video, indices)
                union = union_mask(planes, self._mask.score_threshold, self._mask.groups)
                sample[name] = torch.from_numpy(union.astype(np.uint8))
        return sample


def open_split(
    split: str,
    params: DatasetParams,
    frames: Path,
    masks: Path | None,
    *,
    seed: int,
    evaluation: Eval | None = None,
    truth: Path | None = None,
    class_names: list[str] | None = None,
    replace_masks: ReplaceMasks | None = None,
) -> ClipDataset:
    """The clips of a split ("train" or "test"), read from the stores at these paths.

    Args:
        evaluation: as for `ClipDataset`.
        class_names: those of a trained model; None takes all labels of the data set, sorted.
        replace_masks: the reader in place of the mask store's, from that one, the ids of the split's videos and their
            class numbers int (videos,); None takes the store's.

    Raises:
        ValueError: when the split has no usable video, or a label that the model does not know.
    """
    table = read_table(frames, [*COLUMNS, "split"])
    names = class_names if class_names is not None else sorted(table["label"].unique())
    rows = table[(table["split"] == split) & (table["frames"] > 0)]
    if rows.empty:
        raise ValueError(f"{frames}: expected at least one usable {split} video, found none")
    if unknown := sorted(set(rows["label"].unique()) - set(names)):
        raise ValueError(f"{frames}: expected labels that the model was trained on, got {', '.join(unknown)}")
    reader: Reader | None = StoreReader(masks) if masks else None
    if isinstance(reader, StoreReader) and replace_masks:
        reader = replace_masks(reader, rows["video"], pd.Index(names).get_indexer(pd.Index(rows["label"])))
    return ClipDataset(
        rows,
        names,
        open_frames(frames, Path(params.videos), params.decode),
        reader,
        params.data,
        params.mask,
        seed=seed,
        evaluation=evaluation,
        truth=StoreReader(truth) if truth else None,
    )


def loader(
    dataset: ClipDataset,
    batch_size: int,
    *,
    workers: int,
    seed: int = 0,
    epoch: int = 0,
    shuffle: bool = False,
    first: int = 0,
    share: tuple[int, int] = (0, 1),
) -> Iterator[Batch]:
    """Batches of one epoch; training ones in an order drawn from (seed, epoch), the incomplete last one dropped.

    Args:
        first: batches before this one are left out, those of an epoch that goes on.
        share: (r, n), the r-th of n equal slices of each batch; n divides `batch_size`. An incomplete batch fills the
            slices in turn.
    """
    dataset.epoch = epoch
    order = np.random.default_rng([seed, epoch]).permutation(len(dataset)) if shuffle else np.arange(len(dataset))
    if shuffle and len(dataset) > batch_size:
        order = order[: len(dataset) // batch_size * batch_size]
    order, own = order[first * batch_size :], batch_size // share[1]
    batches = DataLoader(
        dataset,
        batch_size=own,
        sampler=order[np.arange(len(order)) % batch_size // own == share[0]].tolist(),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
    )
    with torch.random.fork_rng(devices=[], enabled=first > 0):  # `iter` draws a number; the epoch's beginning has
        started = iter(batches)
    yield from started


def num_batches(dataset: ClipDataset, batch_size: int) -> int:
    """How many batches a training epoch has."""
    return max(len(dataset) // batch_size, 1)


def clip_tensors(batch: Batch, crop: int) -> Tensor:
    """Normalised clips of a batch, float32 (B, 3, T, crop, crop), on the batch's device."""
    return resample_clips(batch["frames"], batch["box"], batch["flip"], crop)


def mask_tensors(batch: Batch, key: str, size: int, resize: str) -> Tensor:
    """Union masks of a batch on the maps' grid, float32 (B, T, size, size); `key` is "masks" or "truth"."""
    return resample_masks(batch[key], batch["box"], batch["flip"], size, resize)
