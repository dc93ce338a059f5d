"""The tables of a data set's audits: is the map used, does what it ranks first count, does the background answer."""

from collections.abc import Mapping, Sequence

import pandas as pd

from objabn.report.cells import table_lines
from objabn.report.names import MAP_NAMES

RANKING = ("u", "o")  # maps that rank cells (`insertion_deletion`)
# Column of an audit -> heading; top-1 in percent, with the maps replaced (`faithfulness`).
REPLACED = {
    "top1": "own maps",
    "top1_even": "even",
    "top1_flat": "flat",
    "top1_one": "1",
    "top1_inverse": "1 - M",
    "top1_other": "another video's",
    "top1_masks": "masks",
    "top1_masks_any": "masks, any",
    "top1_truth": "truth",
    "top1_truth_any": "truth, any",
}
# Areas under curves (`deletion`) -> heading.
AREAS = {
    "insertion": "insertion",
    "deletion": "deletion",
    "insertion_time": "insertion in time",
    "deletion_time": "deletion in time",
}
# With figures or backgrounds taken away or exchanged (`bias`) -> heading; top-1 in percent, drops in points.
BACKGROUNDS = {
    "top1_foreground": "figure alone",
    "top1_background": "background alone",
    "top1_pasted": "pasted on its own",
    "top1_swapped": "on another's",
    "swap_drop": "swap drop",
    "background_gap": "background gap",
}
_REPLACED_NOTES = """\
Top-1 % of the trained row when its maps are replaced and nothing else. A row that uses its map loses with 1 - M and
with another video's; one that does not stays as it is, however good its map looks.

- even: one weight everywhere, under which the features keep their energy: what is lost is what the place was worth.
- flat: each map's own mean; 1: nothing is weighted. These two change the scale of the features as well.
- another video's: the maps of a test video of another class.
- masks, truth: M_o becomes the segmenter's or the true mask, M_b its inverse; in the row abn, M_u becomes it.
- any: cells that are covered at all, not by half at least."""
_AREAS_NOTES = """\
Areas under curves of the probability of the class that the row predicts for the whole clip, 0-1. Insertion: the cells
that the map ranks first are shown on a blurred clip; deletion: they are blurred; in time: frames, in place of frozen
ones. A map that ranks well has a larger insertion and a smaller deletion than the random ranking beside it. Areas of
different rows also differ by how sure the rows are."""
_BACKGROUNDS_NOTES = """\
Top-1 % on clips that masks cut into figure and background, the label staying the figure's.

- figure alone: on grey; background alone: without the figure, standing still, where chance means that it tells nothing.
- pasted on its own, on another's: the figure on its own cleaned background, or on that of a video of another class.
- swap drop: points lost from whole clips to another's background. background gap: pasted on its own - on another's, the
  part of it that is not owed to cutting and pasting. Large ones mean that the row leans on the background."""


def audit_table(audits: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """One line a row: its name and every number of its audit (`pairs.summarise_audits`), NaN if it has none."""
    return pd.DataFrame([{"row": name, **numbers} for name, numbers in audits.items()])


def replaced_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Top-1 under each replacement as text, one line for each row that has maps; empty when none has."""
    if "top1_one" not in table:
        return pd.DataFrame()
    own = table[table["top1_one"].notna()]
    return _cells(own, REPLACED, 2)


def area_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Areas as text beside those of the random ranking, one line a row and map; empty when no row has a map."""
    of_maps = []
    for letter in RANKING:
        if f"insertion_{letter}" not in table:
            continue
        columns = {
            f"{curve}_{which}": f"{heading}{end}"
            for curve, heading in AREAS.items()
            for which, end in ((letter, ""), ("random", ": random"))
        }
        cells = _cells(table[table[f"insertion_{letter}"].notna()], columns, 3)
        cells.insert(1, "map", MAP_NAMES[letter])
        of_maps.append(cells)
    return pd.concat(of_maps).sort_index(kind="stable") if of_maps else pd.DataFrame()


def background_cells(table: pd.DataFrame) -> pd.DataFrame:
    """Top-1 on other backgrounds and the drops as text, one line a row and kind of masks that cut."""
    of_masks = []
    for end, name in (("", "segmenter"), ("_truth", "truth")):
        if f"swap_drop{end}" in table:
            columns = {"top1": "whole"} | {f"{column}{end}": heading for column, heading in BACKGROUNDS.items()}
            cells = _cells(table, columns, 2)
            cells.insert(1, "cut by", name)
            of_masks.append(cells)
    return pd.concat(of_masks).sort_index(kind="stable")


def _cells(table: pd.DataFrame, columns: Mapping[str, str], decimals: int) -> pd.DataFrame:
    """Those of the columns that are there as text: mean, and ± standard deviation where there are several seeds."""
    cells = pd.DataFrame({"row": table["row"]})
    for column, heading in columns.items():
        if column in table:
            spreads = table.get(f"{column}_std", pd.Series(index=table.index, dtype=float))
            pairs = zip(table[column], spreads, strict=True)
            cells[heading] = [
                "" if pd.isna(mean) else f"{mean:z.{decimals}f}" + ("" if pd.isna(std) else f" ± {std:.{decimals}f}")
                for mean, std in pairs  # z: no -0.0
            ]
    return cells


def to_markdown(table: pd.DataFrame, dataset: str, seeds: Sequence[int]) -> str:
    """The audits as Markdown, with what is needed to read them."""
    parts = [
        ("Is the map used?", replaced_cells(table), _REPLACED_NOTES),
        ("Is what the map ranks first what counts?", area_cells(table), _AREAS_NOTES),
        ("Does the row lean on the background?", background_cells(table), _BACKGROUNDS_NOTES),
    ]
    lines = [f"# {dataset}: audits", ""]
    for title, cells, notes in parts:
        if not cells.empty:
            lines += [f"## {title}", "", *table_lines(cells), "", notes, ""]
    lines.append(
        "Rows without PC, and controls. " + ("± is the standard deviation over seeds. " if len(seeds) > 1 else "")
    )
    lines[-1] += f"Seeds: {', '.join(map(str, seeds))}."
    return "\n".join([*lines, ""])
