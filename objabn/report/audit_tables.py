"""The tables of a data set's audits: is the map used, does what it ranks first count, does the background answer."""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import pandas as pd

from objabn.evaluation.numbers import Numbers
from objabn.report import audit_methods
from objabn.report.audit_backgrounds import (
    cut_by,
    kept_shares,
    leaning,
    leaning_cells,
    leaning_notes,
    leaning_words,
)
from objabn.report.cells import difference_text, number_text, table_lines
from objabn.report.elsewhere import layers_elsewhere
from objabn.report.intervals import Difference, loss_within, scope
from objabn.report.names import GRAD_CAM, compared_map

# Column of an audit -> heading; top-1 in percent, with the maps replaced (`map_replacement`).
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
# With figures or backgrounds taken away or exchanged (`backgrounds`) -> heading; top-1 in percent, drops in points.
BACKGROUNDS = {
    "top1_foreground": "figure alone",
    "top1_background": "background alone",
    "top1_pasted": "pasted on its own",
    "top1_swapped": "on another's",
    "swap_drop": "swap drop",
    "background_gap": "background gap",
}
# What a row loses, with an interval -> the measures whose difference it is, scale and decimals; {map} is the letter of
# the map that the row is compared by, {cut} "" or "_truth".
LOSSES = {
    "own maps - even": ("top1", "top1_even", 100, 1),
    "own maps - another video's": ("top1", "top1_other", 100, 1),
    "insertion - random": ("insertion_{map}", "insertion_random", 1, 3),
    "random - deletion": ("deletion_random", "deletion_{map}", 1, 3),
    "insertion - Grad-CAM's": ("insertion_{map}", f"insertion_{GRAD_CAM}", 1, 3),
    "Grad-CAM's - deletion": (f"deletion_{GRAD_CAM}", "deletion_{map}", 1, 3),
    "swap drop": ("top1", "top1_swapped{cut}", 100, 1),
    "background gap": ("top1_pasted{cut}", "top1_swapped{cut}", 100, 1),
}
_REPLACED_NOTES = """\
Top-1 % of the trained row when its maps are replaced and nothing else. A row that uses the place of its map loses with
`even`. With 1 - M or another video's map a row may lose without needing its own, since they point to a wrong place; a
row that loses with none of these does not look at its map, however good it is.

- even: one weight everywhere, under which the features keep their energy: what is lost is what the place was worth.
- flat: each map's own mean; 1: nothing is weighted. These two change the scale of the features as well.
- another video's: the maps of a test video of another class.
- masks, truth: M_o becomes the segmenter's or the true mask, M_b its inverse; in the row abn, M_u becomes it.
- any: cells that are covered at all."""
_LOSSES_NOTES = """\
Differences within a row, top-1 in points, areas in [0, 1]; the tables below say what each means. More than 0 with a
star: the map is used (even), a wrong map misleads, the map's order counts, it ranks better than Grad-CAM on the same
network, or the row leans on the background. A star says that the 95 % interval excludes 0; each is judged by itself."""
_BACKGROUNDS_NOTES = """\
Top-1 % on clips that masks cut into figure and background, the label staying the figure's.

- figure alone: on grey; background alone: without the figure, as far as the masks cover it, where chance means that it
  tells nothing. With `eval.camera: still` it stands still, a clean plate of the clip; with `moving` each frame keeps
  its own background, and what the mask covers is filled in from the nearest frames and from around. What the masks miss
  of the figure stays.
- pasted on its own, on another's: the figure on its own background so cleaned, or on that of a video of another class.
- swap drop: points lost from whole clips to another's background. background gap: pasted on its own - on another's, the
  part of it that is not owed to cutting and pasting. Large ones mean that the row leans on the background."""


def of_trainings(audits: Mapping[str, Numbers], elsewhere: Container[str]) -> dict[str, Numbers]:
    """Take the spread over the seeds from the numbers of rows that were not trained here: these are one network.

    Args:
        elsewhere: their names.
    """
    return {
        row: {key: number._replace(std=None) for key, number in numbers.items()} if row in elsewhere else numbers
        for row, numbers in audits.items()
    }


def tidy(audits: Mapping[str, Numbers]) -> pd.DataFrame:
    """Return all numbers of the audits, a line for each row, map and measure: row, map, measure, mean, std."""
    lines = [
        (row, letter, measure, *number)
        for row, numbers in audits.items()
        for (measure, letter), number in numbers.items()
    ]
    return pd.DataFrame(lines, columns=["row", "map", "measure", "mean", "std"]).round(6)


def replaced_cells(audits: Mapping[str, Numbers]) -> pd.DataFrame:
    """Write top-1 under each replacement, a line for each row that has maps; empty when none has."""
    rows = {row: numbers for row, numbers in audits.items() if ("top1_one", "") in numbers}
    return _cells(rows, {(measure, ""): heading for measure, heading in REPLACED.items()}, 2)


def background_cells(audits: Mapping[str, Numbers]) -> pd.DataFrame:
    """Write top-1 on other backgrounds and the drops, a line a row and kind of masks that cut."""
    lines = []
    for row, numbers in audits.items():
        for end, name in (("", "segmenter"), ("_truth", "truth")):
            if (f"swap_drop{end}", "") in numbers:
                keys = {(f"{measure}{end}", ""): heading for measure, heading in BACKGROUNDS.items()}
                line = _cells({row: numbers}, {("top1", ""): "whole"} | keys, 2)
                line.insert(1, "cut by", name)
                lines.append(line)
    return pd.concat(lines, ignore_index=True)


def losses(per_video: pd.DataFrame, recordings: pd.Series | None) -> dict[str, Difference]:
    """Measure what a row loses, by heading of LOSSES, over its trainings and the recordings of its videos.

    Insertion and deletion are M_o's where the row has it, else M_u's, else Grad-CAM's; figures are cut by the true
    masks where most videos have them, those videos count, else by the segmenter's.

    Args:
        per_video: the row's audit of each video and seed.
        recordings: of each video (index) the recording that it is cut from; None: each is its own.
    """
    letter = compared_map(per_video.columns, "insertion") or "u"
    cut = cut_by(per_video)
    found = {}
    for heading, (whole, less, scale, _) in LOSSES.items():
        names = [name.format(map=letter, cut=cut) for name in (whole, less)]
        difference = loss_within(per_video, names[0], names[1], recordings, scale)
        if difference is not None and names[0] != names[1]:  # Grad-CAM against itself
            found[heading] = difference
    return found


def loss_cells(lost: Mapping[str, Mapping[str, Difference]]) -> pd.DataFrame:
    """Write what rows lose, with intervals and stars, a line a row; empty when no row loses anything known."""
    cells = pd.DataFrame({"row": list(lost)})
    for heading, (*_, decimals) in LOSSES.items():
        texts = [difference_text(of_row.get(heading), decimals) for of_row in lost.values()]
        if any(texts):
            cells[heading] = texts
    return cells if len(cells.columns) > 1 else pd.DataFrame()


def _cells(audits: Mapping[str, Numbers], keys: Mapping[tuple[str, str], str], decimals: int) -> pd.DataFrame:
    """Those of the numbers that a row has as text, a line a row."""
    cells = pd.DataFrame({"row": list(audits)})
    for key, heading in keys.items():
        if any(key in numbers for numbers in audits.values()):
            cells[heading] = [number_text(numbers.get(key), decimals) for numbers in audits.values()]
    return cells if len(cells) else pd.DataFrame()


def to_markdown(
    audits: Mapping[str, Numbers],
    lost: Mapping[str, Mapping[str, Difference]],
    per_video: Mapping[str, pd.DataFrame],
    sanity: Mapping[str, pd.DataFrame],
    dataset_name: str,
    seeds: Sequence[int],
    num_recordings: int,
    recordings: pd.Series | None = None,
    elsewhere: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Write the audits as Markdown, with what is needed to read them.

    Args:
        audits: of each row (`of_trainings`).
        lost: of each row (`losses`).
        per_video, sanity: of each row, as for `audit_methods.parts`.
        recordings: of each video (index) the recording that it is cut from; None: each is its own.
        elsewhere: of each row that was not trained here what its run says of its network.
    """
    elsewhere = elsewhere or {}
    as_trained = [
        {row: table.assign(seed=0) if row in elsewhere else table for row, table in tables.items()}
        for tables in (per_video, sanity)
    ]
    has_intervals = any(each.low is not None for of_row in lost.values() for each in of_row.values())
    reach = scope(len(seeds), num_recordings, has_intervals, list(elsewhere))
    between = leaning(per_video, recordings)
    leans = leaning_words(between, kept_shares(per_video))
    leaning_text = f"{leaning_notes(per_video, leans)}\n\n{leans}".rstrip()
    parts = [
        ("What does a row lose?", loss_cells(lost), f"{_LOSSES_NOTES} {reach}"),
        ("Is the map used?", replaced_cells(audits), _REPLACED_NOTES),
        *audit_methods.parts(audits, *as_trained),
        ("Does the row lean on the background?", background_cells(audits), _BACKGROUNDS_NOTES),
        ("Which row leans less on it?", leaning_cells(between), leaning_text),
    ]
    lines = [f"# {dataset_name}: audits", ""]
    for title, cells, notes in parts:
        if not cells.empty:
            lines += [f"## {title}", "", *table_lines(cells), "", notes, ""]
    lines.append(
        "Rows without PC, and controls. " + ("± is the standard deviation over seeds. " if len(seeds) > 1 else "")
    )
    lines[-1] += f"Seeds: {', '.join(map(str, seeds))}."
    if elsewhere:
        spread = " The seeds of such a row are one network, so it has no ±." if len(seeds) > 1 else ""
        lines[-1] += f" {' '.join(layers_elsewhere(elsewhere))}{spread}"
    return "\n".join([*lines, ""])
