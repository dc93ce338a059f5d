"""Choose the frames, the crop box and the flip of each clip of a data set.

Frames and masks stay as they are stored. The loader hands over uint8 frames, a crop box and uint8 union masks.
Resampling is one batched operation on the training device (`geometry`). All randomness comes from (seed, epoch, video),
never from the state of a worker. So an item is asked for with its epoch, and a worker may live through many epochs.
"""

from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from objabn.clips.colour import NUM_GAINS, draw_gains
from objabn.clips.geometry import crop_shares
from objabn.clips.sampling import clip_starts, crop_box, frame_indices
from objabn.clips.seeds import video_number
from objabn.config.schema import Data, Eval, Mask, Truth
from objabn.config.schema import Dataset as DatasetParams
from objabn.stores.array import StoreReader
from objabn.stores.frames import FrameReader, Reader, open_frames
from objabn.stores.masks import GRID, GROUPS, group_names, union_mask
from objabn.stores.splits import folds, in_split
from objabn.stores.table import read_table
from objabn.stores.truth import TruthReader, open_truth

Choose = Callable[[pd.DataFrame], np.ndarray]
ReplaceMasks = Callable[[StoreReader, pd.Series, np.ndarray], Reader]
COLUMNS = ["video", "label", "frames", "height", "width"]  # the columns of the table of videos that clips need
# During training: one clip a video, the same in every epoch; no map is measured.
VALIDATION = Eval(
    start="centre",
    views=1,
    batch_size=1,
    flat_range=0.05,
    entropy_bins=10,
    entropy_size=None,
    ranking_videos=0,
    ranking_seeds="first",
    camera="still",
)


class ClipDataset(TorchDataset[dict]):
    """A data set of clips: one clip for each video and view.

    The videos are kept as columns of a table, not as one object a video: each worker would get its own copy of such
    objects.

    Args:
        table: rows of the table of videos with frames (columns COLUMNS; other columns are dropped).
        class_names: the position of a label in this list is its class number.
        frames, masks: readers; masks may be None for a configuration that needs no masks.
        data, mask: parameters.
        evaluation: None for training clips (random start, box and flip); else the parameters of evaluation.
        truth: reader of ground-truth masks, or None. It may know them of some videos and frames only.
        groups: names of the planes that `masks` reads (`group_names`).

    `dataset[epoch, item]` is an item of an epoch, `dataset[item]` that of the first epoch. An item: `frames` uint8
    (T, H, W, 3), `frame_numbers` int64 (T,), `box` float32 (4,) as x0, y0, x1, y1 in [0, 1], `flip` bool, `masks` and
    `truth` uint8 (T, 128, 128) where there are such readers, `label` int64, `row` int64 (position in `table`), and
    `gains` float32 (6,) in training clips whose colours change. Beside `truth` stands `truth_known` bool (T,): the
    frames that have an annotation; of the others `truth` is 0. `labels` int64 (videos,) are the class numbers of all
    videos.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        class_names: list[str],
        frames: FrameReader,
        masks: Reader | None,
        data: Data,
        mask: Mask,
        *,
        seed: int,
        evaluation: Eval | None = None,
        truth: TruthReader | None = None,
        groups: Sequence[str] = GROUPS,
    ) -> None:
        self.table = table[COLUMNS].reset_index(drop=True)
        self.class_names = class_names
        self.labels = pd.Index(class_names).get_indexer(pd.Index(self.table["label"]))
        assert (self.labels >= 0).all(), "a label that is not in class_names"
        self._videos = np.array([video.encode() for video in self.table["video"]], dtype=bytes)
        self._sizes = self.table[["frames", "height", "width"]].to_numpy()  # (videos, 3)
        self._frames, self._masks, self._truth = frames, masks, truth
        self._data, self._mask, self._evaluation, self._seed = data, mask, evaluation, seed
        self._groups = tuple(groups)

    @property
    def views(self) -> int:
        """Return how many clips each video has."""
        return 1 if self._evaluation is None else self._evaluation.views

    def without_masks(self) -> "ClipDataset":
        """Return the same clips without masks and truth, which are not read for them."""
        bare = copy(self)
        bare._masks = bare._truth = None
        return bare

    def __len__(self) -> int:
        return len(self.table) * self.views

    def __getitem__(self, at: int | tuple[int, int]) -> dict[str, Tensor]:
        epoch, item = at if isinstance(at, tuple) else (0, at)
        number, view = divmod(item, self.views)
        video = self._videos[number].decode()
        num_frames, height, width = self._sizes[number].tolist()
        data, evaluation = self._data, self._evaluation
        draw = np.random.default_rng([self._seed, epoch, video_number(video), view])
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
        if evaluation is None and data.colour:
            sample["gains"] = torch.from_numpy(draw_gains(data.colour, draw))
        if self._masks is not None:
            planes = self._masks.read(video, indices)
            union = union_mask(planes, self._mask.score_threshold, self._mask.groups, self._groups)
            sample["masks"] = torch.from_numpy(union.astype(np.uint8))
        if self._truth is not None:
            sample["truth"] = torch.from_numpy(self._truth.union(video, indices).astype(np.uint8))
            sample["truth_known"] = torch.from_numpy(self._truth.known(video, indices))
        return sample

    def most_bytes(self) -> int:
        """Compute the bytes of the largest item, its frames cut to the crop (`cuts`).

        Reads no video: the loader's processes are forked from this one, which shall have no decoder's threads by then.
        """
        data, (height, width) = self._data, self._frames.size
        short_side = data.short_side_min if self._evaluation is None else data.short_side_eval
        sizes = np.unique(self._sizes[:, 1:], axis=0).tolist()  # of the original frames
        shares = [crop_shares(high, wide, short_side, data.crop) for high, wide in sizes]
        pixels = max(min(high * height + 4, height) * min(wide * width + 4, width) for high, wide in shares)
        unions = sum(reader is not None for reader in (self._masks, self._truth))
        known = self._truth is not None  # a byte a frame
        gains = 4 * NUM_GAINS if self._evaluation is None and data.colour else 0
        return data.num_frames * (3 * round(pixels) + 8 + unions * GRID**2 + known) + 4 * 4 + 1 + 2 * 8 + gains


def fold_names(frames: Path) -> tuple[str, ...]:
    """List the folds of a data set, each of which has a network of its own; () where it has none.

    Raises:
        ValueError: there is no such store.
    """
    return folds(read_table(frames, ["split"])["split"])


def validation_split(frames: Path) -> str:
    """Choose the split that trainings are watched on: "val" where the data set has usable videos of it, else "test".

    Args:
        frames: path of the store of frames.

    Raises:
        ValueError: there is no such store.
    """
    table = read_table(frames, ["video", "split", "frames", "offset"])
    return "val" if ((table["split"] == "val") & (table["frames"] > 0)).any() else "test"


def open_split(
    split: str,
    params: DatasetParams,
    frames: Path,
    masks: Path | None,
    *,
    seed: int,
    fold: str | None = None,
    evaluation: Eval | None = None,
    truth: Truth | None = None,
    class_names: list[str] | None = None,
    replace_masks: ReplaceMasks | None = None,
    choose: Choose | None = None,
) -> ClipDataset:
    """Open the clips of a split from the stores of frames and masks.

    Args:
        split: "train", "val" or "test".
        frames, masks: paths of the stores of frames and of masks.
        fold: of a cross-validation, whose network is meant: "test" is this fold, "train" the others.
        truth: the data set's parameters of ground-truth masks where an item shall have them.
        evaluation: as for `ClipDataset`.
        class_names: those of a trained model; None takes all labels of the data set, sorted.
        replace_masks: makes the reader that is used in place of the mask store's reader. Called with the mask store's
            reader, the ids of the split's videos, and the class numbers of these videos, int (videos,). None keeps the
            mask store's reader.
        choose: tells which of the split's videos are taken, bool (V,). Called with their rows of the table of videos,
            columns COLUMNS and `path`. None takes all.

    Raises:
        ValueError: when the split has no usable video, or a label that the model does not know; when there are folds
            and none is named; or as `open_truth`.
    """
    more = [*(["status"] if truth else []), *(["path"] if choose else [])]
    table = read_table(frames, [*COLUMNS, "split", *more])
    if fold is None and (known := folds(table["split"])):
        raise ValueError(f"{frames}: expected one of its folds to be named, {', '.join(known)}, got none")
    names = class_names if class_names is not None else sorted(table["label"].unique())
    rows = table[in_split(table["split"], split, fold) & (table["frames"] > 0)]
    if rows.empty:
        of_fold = f" of {fold}" if fold else ""
        raise ValueError(f"{frames}: expected at least one usable {split} video{of_fold}, found none")
    if choose is not None:
        rows = rows[choose(rows)]
    if unknown := sorted(set(rows["label"].unique()) - set(names)):
        raise ValueError(f"{frames}: expected labels that the model was trained on, got {', '.join(unknown)}")
    store = StoreReader(masks) if masks else None
    reader: Reader | None = store
    if store and replace_masks:
        reader = replace_masks(store, rows["video"], pd.Index(names).get_indexer(pd.Index(rows["label"])))
    return ClipDataset(
        rows,
        names,
        open_frames(frames, Path(params.videos), params.decode),
        reader,
        params.data,
        params.mask,
        seed=seed,
        evaluation=evaluation,
        truth=open_truth(truth, rows, params.decode.stride) if truth else None,
        groups=group_names(store) if store else GROUPS,
    )
