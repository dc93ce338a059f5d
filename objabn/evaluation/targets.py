"""What maps are compared with: the masks of a batch on the maps' grid, and which frames have an object.

Shapes: B clips, T frames, h/w grid of the maps.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from objabn.clips.batches import Batch, mask_tensors
from objabn.config.schema import Dataset
from objabn.evaluation.localisation import mask_scores
from objabn.evaluation.metrics import mean_known

KINDS = {"masks": "fit", "truth": "truth"}  # of masks, and how columns name them


@dataclass(frozen=True)
class Targets:
    """The masks of a batch, and what they say of its frames.

    A frame has an object where its mask covers anything of what the network saw: the true mask where the frame is
    annotated, else the segmenter's. An object that is thinner than half a cell is one, although it may cover no cell.

    Attributes:
        masks: by kind, "masks" (the segmenter's, as in training) and "truth" (cells that the true mask covers by half
            at least), on the device, float32 (B, T, h, w) of zeros and ones; those that the data set has.
        taught: both brought to the grid as the masks of training are (`mask.resize`), as a row knows masks.
        known: which frames are annotated, bool (B, T); none where there is no truth.
        objects: which frames have an object, bool (B, T).
        empty: which frames have none. A frame of which no mask tells is neither.
    """

    masks: dict[str, Tensor]
    taught: dict[str, Tensor]
    known: np.ndarray
    objects: np.ndarray
    empty: np.ndarray

    def on_cpu(self) -> dict[str, np.ndarray]:
        """Return the masks by kind, bool (B, T, h, w)."""
        return {kind: mask.bool().cpu().numpy() for kind, mask in self.masks.items()}

    def whole(self) -> np.ndarray:
        """Tell which clips are annotated in all their frames, bool (B,)."""
        return np.array([bool(each.all()) for each in self.known])

    def frames_of(self, kind: str) -> np.ndarray:
        """Tell which frames have an object and a mask of this kind, bool (B, T)."""
        return self.objects & self.known if kind == "truth" else self.objects


def targets(batch: Batch, params: Dataset, size: int) -> Targets:
    """Put the masks of a batch on the maps' grid, size x size cells.

    Args:
        batch: with `masks`, with `truth`, with both or with neither; `truth_known` bool (B, T) tells which frames are
            annotated, without it all of them are.
    """
    resizes = {"masks": params.mask.resize, "truth": "area"}
    kinds = [kind for kind in KINDS if kind in batch]
    masks = {kind: mask_tensors(batch, kind, size, resizes[kind]) for kind in kinds}
    taught = {kind: mask_tensors(batch, kind, size, params.mask.resize) for kind in kinds}
    covered = {kind: _anything(batch, kind, size) for kind in kinds}
    frames = (len(batch["box"]), batch["frames"].shape[1])  # (B, T)
    known = np.full(frames, "truth" in batch)
    if "truth" in batch and "truth_known" in batch:
        known = batch["truth_known"].cpu().numpy().astype(bool)
    none = np.zeros(frames, bool)
    told = known | ("masks" in batch)
    objects = np.where(known, covered.get("truth", none), covered.get("masks", none))
    return Targets(masks, taught, known, objects, told & ~objects)


def _anything(batch: Batch, kind: str, size: int) -> np.ndarray:
    """Tell which frames' masks cover anything of the crop, bool (B, T)."""
    return mask_tensors(batch, kind, size, "max").flatten(2).any(dim=2).cpu().numpy()


def target_measures(found: Targets) -> dict[str, np.ndarray]:
    """Measure the objects of each clip, float64 (B,) by name.

    `empty_share`, frames without an object; `object_area`, the share of the grid's cells that the segmenter's mask
    covers, over frames in which it covers some: of one kind in all videos, while truth may be of some. With ground
    truth also `truth_area`, the share of cells that are truth in frames that have such cells: chance for pointing and
    energy; and `truth_share`, frames that are annotated. With both kinds also `masks_pointing`, `masks_energy` and
    `masks_iou`, what the segmenter's masks score (`mask_scores`) in those frames in which maps have a score, too: of
    annotated ones those whose truth fills a cell by half; and `masks_missed`, the share of these frames in which the
    segmenter's mask is empty.
    """
    masks = found.on_cpu()
    areas = {kind: mask.mean(axis=(-2, -1)) for kind, mask in masks.items()}  # (B, T)
    none = np.full(found.objects.shape, np.nan)
    area = areas.get("masks", none)
    told = found.objects | found.empty
    results = {
        "empty_share": mean_known(np.where(told, found.empty, np.nan), axis=1),
        "object_area": mean_known(np.where(area > 0, area, np.nan), axis=1),
    }
    if "truth" in masks:
        seen = found.known & (areas["truth"] > 0)
        results["truth_area"] = mean_known(np.where(seen, areas["truth"], np.nan), axis=1)
        results["truth_share"] = found.known.mean(axis=1)
        if "masks" in masks:
            truth = masks["truth"] & found.frames_of("truth")[..., None, None]
            scores = mask_scores(masks["masks"], truth)
            results |= {f"masks_{name}": mean_known(values, axis=1) for name, values in scores.items()}
            results["masks_missed"] = mean_known(np.where(seen, areas["masks"] == 0, np.nan), axis=1)
    return results
