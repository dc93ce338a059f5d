"""The table that says whether a row's map is used: what the answer loses when something else stands in its place."""

import pandas as pd

from objabn.report.cells import number_text
from objabn.report.comparison import Comparison
from objabn.report.intervals import scope
from objabn.report.main_table import row_cells, with_differences
from objabn.report.within import USED

TITLE = "Is the map used?"
_MASKS = {"truth": "true masks", "masks": "the segmenter's masks"}
_NOTES = [
    "top-1 % is the answer of the perception branch, y_p, which sees the features through the map; y_a is the "
    "attention branch's own answer, which no map weights.",
    "own - ...: points of top-1 that the row loses when its maps are replaced and nothing else; below 0 it answers "
    "better without its own.",
    "even weight: the same weight everywhere, under which the features keep their energy. It takes away the place "
    "alone: a row uses its map as far as its answer gets worse by this.",
    "another video's: the maps of a test video of another class. They also point to a wrong place, so a row that does "
    "not need its map may lose by this, too.",
]
_MASKS_NOTES = {
    "truth": "true masks: M_o becomes the true mask, brought to the map's grid as the masks of training are "
    "(`mask.resize`), M_b its inverse; in the row abn M_u becomes it, an attention that the row was never taught.",
    "masks": "the segmenter's masks: M_o becomes the mask that it was taught, M_b its inverse; in the row abn M_u "
    "becomes it, an attention that the row was never taught.",
}
_STARS_NOTE = (
    "Brackets: 95 % intervals of the loss, over the trainings of the row and the test recordings; a star says that it "
    "excludes 0. Each is judged by itself here; in words, the rows are corrected for their number."
)


def used_cells(comparison: Comparison) -> pd.DataFrame:
    """Write top-1 of both branches and what is lost in the place of the maps, a line a row with maps of its own.

    Under the row's number; empty where nothing was replaced.
    """
    headings = {"attention": "y_p - y_a", "even": "own - even weight", "other": "own - another video's"}
    headings["masks"] = f"own - {_MASKS[comparison.masks_given]}"
    cells = row_cells(comparison)
    cells["top-1 %"] = [number_text(comparison.number(row, "top1"), 2) for row in comparison.rows]
    attention = [number_text(comparison.percent(row, "top1_attention"), 2) for row in comparison.rows]
    if any(attention):
        cells["y_a: top-1 %"] = attention
    return with_differences(cells, comparison, {measure: headings[measure] for measure in USED})


def used_notes(comparison: Comparison) -> list[str]:
    """What is needed to read the table."""
    found = [comparison.within(row, measure) for row in comparison.rows for measure in USED]
    if any(each and each.low is not None for each in found):
        stars = _STARS_NOTE
    else:
        stars = scope(len(comparison.seeds), comparison.num_recordings, has_intervals=False)
    return [*_NOTES, _MASKS_NOTES[comparison.masks_given], stars]
