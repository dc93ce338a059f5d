"""Differences within a row: what it loses without its map, and its own map against Grad-CAM on the same network."""

from collections.abc import Iterable
from typing import NamedTuple

import pandas as pd

from objabn.evaluation.results import CURVE
from objabn.report.intervals import Difference, loss_within


class Within(NamedTuple):
    """Two measures of a row: columns of its results.

    Attributes:
        whole, less: the difference is the first minus the second. {own} is the letter of the row's own map, {masks} the
            masks that stood in its place.
        scale: 100: to points.
        decimals: of the difference in tables.
    """

    whole: str
    less: str
    scale: float
    decimals: int


WITHIN = {
    "attention": Within("top1", "top1_attention", 100, 1),
    "even": Within("top1", "top1_even", 100, 1),
    "other": Within("top1", "top1_other", 100, 1),
    "masks": Within("top1", "top1_{masks}", 100, 1),
    "pointing": Within("pointing_{own}", "pointing_g", 100, 1),
    "iou_best": Within(f"{CURVE}{{own}}", f"{CURVE}g", 1, 3),
    "insertion": Within("insertion_{own}", "insertion_g", 1, 3),
    "deletion": Within("deletion_{own}", "deletion_g", 1, 3),
}
USED = ("attention", "even", "other", "masks")  # top-1 lost: y_p - y_a; when something else stands in the maps' place
AGAINST_GRAD_CAM = ("pointing", "iou_best", "insertion", "deletion")
_OWN = ("o", "u")  # of a row's own maps the first that it has is compared
_MASKS = ("truth", "masks")
COLUMNS = tuple(  # what is read of a row's results
    name
    for each in WITHIN.values()
    for template in (each.whole, each.less)
    for name in dict.fromkeys(template.format(own=own, masks=masks) for own in _OWN for masks in _MASKS)
)


def masks_of(tables: Iterable[pd.DataFrame]) -> str:
    """Name the masks that stand in the maps' place, of the same kind in all rows whose maps were replaced.

    "truth" where all videos of all these rows have it, else "masks", the segmenter's.
    """
    replaced = [table for table in tables if not table.filter(["top1_masks", "top1_truth"]).empty]
    known = ["top1_truth" in table and table["top1_truth"].notna().all() for table in replaced]
    return "truth" if known and all(known) else "masks"


def own_map(table: pd.DataFrame) -> str | None:
    """Name the own map that a row is compared by, by the columns of its results; None where it has none."""
    return next((each for each in _OWN if any(name.endswith(f"_{each}") for name in map(str, table))), None)


def row_within(table: pd.DataFrame, measure: str, recordings: pd.Series | None, masks: str) -> Difference | None:
    """Measure a difference within a row, one of WITHIN; None where the row lacks one of the two measures.

    Args:
        table: the row's results of each video and seed.
        recordings: of each video (index) the recording that it is cut from; None: each is its own.
        masks: those that stand in the maps' place, "truth" or "masks".
    """
    own, (whole, less, scale, _) = own_map(table), WITHIN[measure]
    if own is None:
        return None
    names = [name.format(own=own, masks=masks) for name in (whole, less)]
    return loss_within(table, names[0], names[1], recordings, scale)
