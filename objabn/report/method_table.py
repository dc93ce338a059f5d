"""The tables of other ways to explain the same networks: Grad-CAM and its like, and what no network is needed for."""

import pandas as pd

from objabn.config.rows import POST_HOC
from objabn.evaluation.passes import passes_text
from objabn.report.backbones import layer_words, other_layers
from objabn.report.cells import number_text
from objabn.report.comparison import Comparison
from objabn.report.elsewhere import layers_elsewhere
from objabn.report.intervals import MAX_FLAT
from objabn.report.main_table import row_cells, with_differences
from objabn.report.map_table import MEASURES, measure_text
from objabn.report.names import MAP_NAMES, Row
from objabn.report.within import AGAINST_GRAD_CAM

TITLE = "Other methods on the same networks"
AGAINST_TITLE = "The row's own map minus Grad-CAM on the same network"
_OWN = ("u", "o")  # M_b is no evidence for an answer
_RANDOM = "random"
# Measure -> heading, decimals.
_MEASURES = {
    "entropy_object": ("entropy", 3),
    "flat_share_object": ("flat", 3),
    "entropy_native": ("entropy, own grid", 3),
    **{measure: MEASURES[measure][:2] for measure in ("pointing", "energy", "iou_truth", "iou_best")},
    "insertion": ("insertion", 3),
    "deletion": ("deletion", 3),
}
_HEADINGS = {"pointing": "pointing", "iou_best": "IoU best", "insertion": "insertion", "deletion": "deletion"}


def method_cells(comparison: Comparison, *, with_pc: bool = True) -> pd.DataFrame:
    """Write what is measured of a row's own maps and of the methods that need no training, a line a row and map.

    Under the row's number. Empty where no row has more than one kind of map. Behind the maps of a row stands the random
    ranking, where insertion and deletion were measured.

    Args:
        with_pc: whether rows with PC are there, too.
    """
    lines, index = [], []
    for at, row in enumerate(comparison.rows):
        if row.pc and not with_pc:
            continue
        for name, passes, cells in _of_row(comparison, row):
            lines.append({"attention": row.attention, "PC": "yes" * row.pc, "map": name, "passes": passes, **cells})
            index.append(at)
    found = pd.DataFrame(lines, index=index)
    shown = [name for name in found if name in ("attention", "PC", "map", "passes") or found[name].any()]
    return found[shown]


def _of_row(comparison: Comparison, row: Row) -> list[tuple[str, str, dict[str, str]]]:
    """Name, passes and cells of each map, and of the random ranking; nothing of a row with no method but its own."""
    found = []
    for letter in (*_OWN, *POST_HOC):
        cells = {
            heading: measure_text(comparison, row, measure, letter, heading, decimals)
            for measure, (heading, decimals) in _MEASURES.items()
        }
        if any(cells.values()):
            found.append((MAP_NAMES[letter], passes_text(letter), cells))
    if len(found) < 2:
        return []
    areas = {each: number_text(comparison.number(row, f"{each}_random"), 3) for each in ("insertion", "deletion")}
    nothing = {heading: "" for heading, _ in _MEASURES.values()}
    return [*found, (_RANDOM, "", nothing | areas)] if any(areas.values()) else found


def against_cells(comparison: Comparison) -> pd.DataFrame:
    """Write a row's own map minus Grad-CAM of the same network, a line a row with maps of its own, by its number."""
    cells = row_cells(comparison)
    maps = {row: [letter for letter in ("o", "u") if letter in comparison.own_maps(row)] for row in comparison.rows}
    cells["map"] = [MAP_NAMES[maps[row][0]] if maps[row] else "" for row in comparison.rows]
    return with_differences(cells, comparison, {measure: _HEADINGS[measure] for measure in AGAINST_GRAD_CAM})


def ranked_words(comparison: Comparison) -> str | None:
    """Say on how many videos, of which seeds, insertion and deletion were measured; None where they were not."""
    for table in comparison.per_video.values():
        if "insertion_random" not in table or not table["insertion_random"].notna().any():
            continue
        measured = table[table["insertion_random"].notna()]
        seeds = sorted(measured["seed"].unique())
        num, total = measured["video"].nunique(), table["video"].nunique()
        of = f"{num:,} of {total:,} test videos, drawn by a fixed seed" if num < total else f"all {total:,} test videos"
        return f"{of}, seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}"
    return None


def against_notes(comparison: Comparison) -> list[str]:
    """What is needed to read the differences to Grad-CAM."""
    notes = [
        "Above 0: the row's own map is better, but for deletion, where less is better. Pointing in points. M_o was "
        "taught to lie on the object; Grad-CAM was taught nothing."
    ]
    return notes + _ranked_notes(comparison, " With one seed they have no interval.")


def _ranked_notes(comparison: Comparison, without: str) -> list[str]:
    words = ranked_words(comparison)
    if words is None:
        return []
    has_interval = any(
        each.low is not None for row in comparison.rows if (each := comparison.within(row, "insertion")) is not None
    )
    return [f"Insertion and deletion: of {words}.{'' if has_interval else without}"]


def method_notes(comparison: Comparison) -> list[str]:
    """What is needed to read the table of methods."""
    at = layer_words(comparison.params.gradcam.layer)
    notes = [
        f"Grad-CAM, LayerCAM: at {at} (`gradcam.layer`), of the predicted class; Grad-CAM (split): at the end of the "
        "feature extractor, where the row's own maps lie. centre: a fixed bump in the middle of the frame; motion: how "
        "much a cell changes between frames. These two know nothing of the network, and a map that is no better than "
        "they are has told nothing.",
        *other_layers(comparison),
        *layers_elsewhere({row.name: network for row, network in comparison.elsewhere.items()}),
        "passes: what a map costs beyond the answer. One backward pass gives Grad-CAM, Grad-CAM (split) and LayerCAM "
        "together.",
        "entropy: of frames with an object, on the grid of the row's own maps; own grid: on the method's, where it "
        f"is another. flat: share of these frames whose map has a range below {comparison.params.eval.flat_range:g}; "
        f"no entropy has them, so beyond {100 * MAX_FLAT:g} % call no map sharp.",
    ]
    if ranked_words(comparison) is not None:
        notes.append(
            "insertion, deletion: area under the probability of the predicted class while the cells that the map ranks "
            "first are shown on a blurred clip (more is better), or blurred (less is better); random: a random "
            "ranking. Insertion rewards a ranking that shows cells side by side, so look at the line of centre first."
        )
    return notes + _ranked_notes(comparison, "")
