"""Does a network lean on the background? Top-1 on clips whose figure or background is taken away or exchanged.

With a still camera (`eval.camera`) a clip's background is a clean plate: at each pixel the median over the frames that
no mask covers, and what is covered in all frames filled in from around. Where cameras move, a plate would be a blur of
the scene's colours. There each frame keeps its own background, which so moves with the camera, and what its mask covers
is filled in from the frames next in time. After Xiao et al., Noise or Signal (ICLR 2021), there for images.

Shapes: B batch, T frames, N backgrounds of a clip (1 of a still camera, else T), H/W stored frame, G grid of the masks.
"""

from collections import defaultdict

import cv2
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset

from objabn.clips.batches import Batch, clip_tensors
from objabn.clips.dataset import ClipDataset
from objabn.clips.geometry import MEAN
from objabn.config.schema import Dataset
from objabn.evaluation.conditions import batches, mean_over_views, top1_table
from objabn.evaluation.paired_clips import PairedClips
from objabn.model.device import make_fabric
from objabn.model.interface import VideoNetwork

GREY = round(255 * MEAN)  # of a background that is none: 0 to the network
# Around a mask that a background leaves out, share of the shorter side: outlines, soft edges. What is filled in from
# frames next in time shows what their masks miss, as those of real people do hair and shoes; a median shows less of it.
_MARGIN, _MARGIN_MOVING = 0.025, 0.05
_FILL_RADIUS = 3  # pixels, of cv2.inpaint


def clean_plate(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The background of a clip, uint8 (H, W, 3); grey when the masks leave nothing of it.

    Args:
        frames: uint8 (T, H, W, 3).
        masks: what is no background, uint8 (T, G, G) of zeros and ones over the whole frame.
    """
    covered = _covered(frames, masks, _MARGIN)
    num_free = len(frames) - covered.sum(axis=0)  # (H, W)
    if not num_free.any():
        return np.full(frames.shape[1:], GREY, np.uint8)
    values = np.where(covered[..., None], np.int16(256), frames)  # covered ones last
    values.sort(axis=0)
    middle = (np.maximum(num_free, 1) - 1) // 2
    plate = np.take_along_axis(values, middle[None, :, :, None], axis=0)[0]
    never = (num_free == 0).astype(np.uint8)
    return cv2.inpaint(plate.clip(0, 255).astype(np.uint8), never, _FILL_RADIUS, cv2.INPAINT_TELEA)


def _covered(frames: np.ndarray, masks: np.ndarray, margin: float) -> np.ndarray:
    """What the masks cover of the frames with a margin, bool (T, H, W)."""
    height, width = frames.shape[1:3]
    reach = round(margin * min(height, width))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    sized = [cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST_EXACT) for mask in masks]
    return np.stack([cv2.dilate(mask, kernel) for mask in sized]) > 0


def filled_frames(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The background of each frame of a clip, uint8 (T, H, W, 3); grey when the masks leave nothing of the clip.

    What no mask covers stays as it is. A covered pixel has the colour that the nearest frame in time has there that
    does not cover it; of one before and one after that are equally near, their mean. What all frames cover is filled in
    from around, frame by frame.

    Args:
        frames: uint8 (T, H, W, 3).
        masks: what is no background, uint8 (T, G, G) of zeros and ones over the whole frame.
    """
    covered = _covered(frames, masks, _MARGIN_MOVING)
    if covered.all():
        return np.full_like(frames, GREY)
    number = np.arange(len(frames))[:, None, None]
    far = 2 * len(frames)  # farther than any frame
    before = np.maximum.accumulate(np.where(covered, -far, number), axis=0)  # the last free frame up to here
    after = np.minimum.accumulate(np.where(covered, far + len(frames), number)[::-1], axis=0)[::-1]
    never = np.asarray(covered.all(axis=0), bool)
    at, y, x = np.nonzero(covered & ~never)
    earlier, later = before[at, y, x], after[at, y, x]
    nearest = np.where(at - earlier <= later - at, earlier, later)
    second = np.where(later - at <= at - earlier, later, earlier)  # another one only if equally near
    filled = frames.copy()
    filled[at, y, x] = (frames[nearest, y, x].astype(np.uint16) + frames[second, y, x]) // 2
    if not never.any():
        return filled
    filled[:, never] = GREY  # at the frame's border cv2.inpaint reads what the holes hold
    holes = np.asarray(never, np.uint8)
    return np.stack([cv2.inpaint(frame, holes, _FILL_RADIUS, cv2.INPAINT_TELEA) for frame in filled])


def composite(frames: Tensor, masks: Tensor, backgrounds: Tensor) -> Tensor:
    """What the masks cover of the frames, on other backgrounds; uint8 (B, T, H, W, 3).

    The masks' edges are as soft as a cell of their grid is wide.

    Args:
        frames: uint8 (B, T, H, W, 3).
        masks: uint8 (B, T, G, G) of zeros and ones over the whole frame.
        backgrounds: uint8 (B, N, H, W, 3).
    """
    size = (frames.shape[2], frames.shape[3])
    share = F.interpolate(masks.float(), size=size, mode="bilinear", align_corners=False)[..., None]  # (B, T, H, W, 1)
    return (share * frames + (1 - share) * backgrounds).round().byte()


class ClipsWithPlates(TorchDataset[Batch]):
    """Clips of a data set with two backgrounds each: `plate`, its own, and `other_plate`, its partner's.

    `is_cut` tells whether all frames of both clips have masks: of truth some may have no annotation.

    Args:
        key: which masks, "masks" or "truth".
        camera: "still": a background is a `clean_plate`, "moving": each frame's own (`filled_frames`).
    """

    def __init__(self, dataset: ClipDataset, key: str, camera: str = "still") -> None:
        self._pairs, self._key, self._camera = PairedClips(dataset), key, camera

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, item: int) -> Batch:
        """`frames`, `box`, `flip`, `masks` (of either key), `is_cut`, `plate` and `other_plate` uint8 (N, H, W, 3)."""
        pair = self._pairs[item]
        plates = {
            f"{which}plate": self._background(pair[f"{which}frames"].numpy(), pair[which + self._key].numpy())
            for which in ("", "other_")
        }
        kept = {name: pair[name] for name in ("frames", "box", "flip")} | {"masks": pair[self._key]}
        known = [pair[f"{which}truth_known"].all() for which in ("", "other_") if self._key == "truth"]
        kept["is_cut"] = torch.tensor(all(known))
        return kept | {name: torch.from_numpy(plate) for name, plate in plates.items()}

    def _background(self, frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
        return filled_frames(frames, masks) if self._camera == "moving" else clean_plate(frames, masks)[None]


def variants(batch: Batch) -> dict[str, Tensor]:
    """Clips of a batch of `ClipsWithPlates` in five forms, uint8 (B, T, H, W, 3) by name; the label stays the figure's.

    "": as they are; foreground: the figure on grey; background: the background alone, standing still if the camera
    does; pasted: the figure on its own background; swapped: on that of a video of another class.
    """
    frames, masks = batch["frames"], batch["masks"]
    return {
        "": frames,
        "foreground": composite(frames, masks, torch.full_like(batch["plate"], GREY)),
        "background": batch["plate"].expand_as(frames),
        "pasted": composite(frames, masks, batch["plate"]),
        "swapped": composite(frames, masks, batch["other_plate"]),
    }


@torch.no_grad()
def accuracy_on_backgrounds(
    model: VideoNetwork, dataset: ClipDataset, params: Dataset, *, key: str = "masks"
) -> pd.DataFrame:
    """Top-1 of a trained network on the forms of `variants`, one row a video; views are averaged.

    Columns: video, label, top1, top1_foreground, top1_background, top1_pasted, top1_swapped; each 0 or 1; with true
    masks all but the first three end in `_truth`, and are NaN where a frame of the video's clips, or of its partner's,
    has no annotation. `pasted` tells what cutting and pasting costs by itself: the
    background's part of a drop is top1_pasted - top1_swapped.

    Args:
        key: which masks cut, "masks" or "truth"; the data set must have them.

    Raises:
        ValueError: there are no such masks, the network yields numbers that are not finite, or there are fewer than
            two videos.
    """
    if key not in dataset[0]:
        raise ValueError(f"backgrounds: the data set has no masks of the kind {key}")
    fabric = make_fabric(params)
    model = model.to(fabric.device).eval()
    logits: dict[str, list[Tensor]] = defaultdict(list)
    are_cut: list[np.ndarray] = []
    clips_with_plates = ClipsWithPlates(dataset, key, params.eval.camera)
    for batch in batches(clips_with_plates, len(dataset), params, f"backgrounds ({key})"):
        are_cut.append(batch.pop("is_cut").numpy())
        batch = fabric.to_device(batch)
        for name, frames in variants(batch).items():
            clips = clip_tensors(batch | {"frames": frames}, params.data.crop)
            column = f"top1_{name}{'_truth' if key == 'truth' else ''}" if name else "top1"
            logits[column].append(model(clips).perception_logits)
    table = top1_table(logits, dataset, model)
    is_cut = mean_over_views(are_cut, dataset) == 1
    if not is_cut.all():
        cut = [name for name in map(str, table) if name.endswith("_truth")]
        table[cut] = table[cut].astype(float).where(pd.Series(is_cut), axis=0)
    return table
