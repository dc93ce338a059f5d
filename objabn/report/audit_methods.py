"""The audits' tables of methods: all ways to explain a row's network, and what is left of their maps without it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from objabn.config.rows import LETTERS, LOSSES, PERTURBATION
from objabn.evaluation.numbers import Number, Numbers
from objabn.evaluation.passes import passes_text
from objabn.report.cells import number_text
from objabn.report.names import MAP_NAMES

SHUFFLED = "shuffled-labels"  # the control whose maps are compared with those of LEARNT
LEARNT = "mask"
CENTRE = "centre prior"  # the step that is none of a network's
_RANKED_BY_P = f"insertion_{PERTURBATION}"
# Column of an audit -> heading, decimals and scale; {map} is a letter, or random.
_MEASURES = {
    "entropy_object_{map}": ("entropy", 3, 1),
    "pointing_{map}": ("pointing %", 1, 100),
    "energy_{map}": ("energy inside", 3, 1),
    "iou_truth_{map}": ("IoU truth", 3, 1),
    "iou_fit_{map}": ("IoU fit", 3, 1),
    "insertion_{map}": ("insertion", 3, 1),
    "deletion_{map}": ("deletion", 3, 1),
    "insertion_time_{map}": ("insertion in time", 3, 1),
    "deletion_time_{map}": ("deletion in time", 3, 1),
}
_METHODS_NOTES = """\
Insertion and deletion: areas under curves of the probability of the class that the row predicts for the whole clip,
0-1. Insertion: the cells that the map ranks first are shown on a blurred clip; deletion: they are blurred; in time:
frames, in place of frozen ones. A map that ranks well has a larger insertion and a smaller deletion than the random
ranking of the same row. Areas of different rows also differ by how sure the rows are. Passes: what a map costs beyond
the answer, in passes of the network for a clip; one backward pass gives Grad-CAM, Grad-CAM (split) and LayerCAM.

- Where an object lies and what an answer rests on are two questions. M_o was taught the first one; pointing, energy and
  IoU ask it. Insertion and deletion ask the second one.
- centre, motion: know nothing of the network. A map that is no better than they are has told nothing. Insertion rewards
  a ranking that shows cells side by side, so look at the line of centre before one map is called better than another.
- RISE: hides random parts of the clip and looks at the answer alone, so nothing inside the network can mislead it."""
_SANITY_NOTES = """\
How like a map stays to that of the trained network when its layers are drawn anew, from the answer backwards: each
column has the layers of those to its left drawn anew, too. Spearman's rank correlation of a frame's cells; 1: the same
order, 0: none in common. Frames of which the trained network's map is flat (`eval.flat_range`), or the other one is the
same everywhere, have no order and are left out; compared: the least share of frames that are left.

- A map that tells why the network answered must change with the projection, and with the class. One that stays near 1
  shows what is in the clip, whatever the network has learnt.
- another class: the trained network's map of the class that it holds to be the second most probable.
- centre prior: how like the trained network's map is to a bump in the middle of the frame. Maps that are like it are
  like each other, so a likeness up to there says little.
- M_u, M_o and M_b stay 1 by design until their own branch is drawn anew: they depend neither on the class nor on what
  lies behind the attention branch. M_o can show where the network was told to look, and how much it lets through from
  there. It cannot show why the network answered as it did: it would be the same map for any other answer. Whether the
  answer rests on it, only answers under other maps tell."""
_SANITY_TITLE = "Do the maps depend on what the network has learnt?"
_OTHER_STEPS = "As above, of networks whose layers have other names, or come in another order."
_LABELS_NOTES = f"""\
{SHUFFLED} is trained as {LEARNT}, on labels that say nothing; its top-1 is about chance. What its maps are worth they
do not owe to the classes. Maps as sharp and as well placed as those of {LEARNT} come from the masks alone."""
_NO_LABELS = f"Labels shuffled in training: `{SHUFFLED}` under `table.controls` adds the row that shows it."


class Part(NamedTuple):
    """A table of the audits."""

    title: str
    cells: pd.DataFrame
    notes: str


def parts(
    audits: Mapping[str, Numbers], per_video: Mapping[str, pd.DataFrame], sanity: Mapping[str, pd.DataFrame]
) -> list[Part]:
    """The tables of methods; those of which nothing is known are empty.

    Args:
        audits: the numbers of each row.
        per_video: what was measured of each video and seed, by row.
        sanity: `audits.sanity.cascading_randomisation` with a column `seed`, by row.
    """
    some = {row: table[table[_RANKED_BY_P].notna()] for row, table in per_video.items() if _RANKED_BY_P in table}
    partial = any(len(some[row]) < len(per_video[row]) for row in some)
    number = max((table["video"].nunique() for table in some.values()), default=0)
    letters = [letter for letter in LETTERS if letter != PERTURBATION or not partial]
    labels = label_cells(audits)
    about = _SANITY_NOTES if len(labels) else f"{_SANITY_NOTES}\n\n{_NO_LABELS}"
    first, *others = _alike(sanity) or [[]]
    return [
        Part("Is what the map ranks first what counts?", method_cells(per_video, letters), _METHODS_NOTES),
        Part(
            f"RISE beside them, on {number} videos drawn by a fixed seed",
            method_cells(some, LETTERS) if partial else pd.DataFrame(),
            "As above, all numbers on these videos.",
        ),
        Part(
            _SANITY_TITLE,
            sanity_cells({row: sanity[row] for row in first}),
            about,
        ),
        *[
            Part(f"{_SANITY_TITLE} {', '.join(rows)}", sanity_cells({row: sanity[row] for row in rows}), _OTHER_STEPS)
            for rows in others
        ],
        Part("Do they depend on the labels?", labels, _LABELS_NOTES),
    ]


def method_cells(per_video: Mapping[str, pd.DataFrame], letters: Sequence[str] = LETTERS) -> pd.DataFrame:
    """Write what was measured of each row's maps, a line a row and map, and one for the random ranking.

    M_b is left out: it ranks what is held to be no evidence.
    """
    lines = []
    for row, table in per_video.items():
        for letter in (*letters, "random"):
            if letter == "b" or f"insertion_{letter}" not in table:
                continue
            line = {"row": row, "map": MAP_NAMES.get(letter, letter)}
            line["passes"] = "" if letter == "random" else passes_text(letter)
            for column, (heading, decimals, scale) in _MEASURES.items():
                line[heading] = number_text(_over_seeds(table, column.format(map=letter)), decimals, scale)
            lines.append(line)
    cells = pd.DataFrame(lines)
    return cells[[name for name in cells if name in ("row", "map", "passes") or cells[name].any()]]


def _alike(sanity: Mapping[str, pd.DataFrame]) -> list[list[str]]:
    """Sort the rows into those whose networks have the same steps, or some of them in the same order, by a table each.

    The loss configurations' table comes first.
    """
    steps = {row: [step for step in table["step"].unique() if step != CENTRE] for row, table in sanity.items()}
    longest: dict[str, list[str]] = {}  # row with the most steps of a table -> the table's rows
    for row in sorted(steps, key=lambda row: len(steps[row]), reverse=True):
        like = next((first for first in longest if _is_part(steps[row], steps[first])), row)
        longest.setdefault(like, []).append(row)
    tables = [[row for row in sanity if row in rows] for rows in longest.values()]
    order = list(sanity)
    return sorted(tables, key=lambda rows: (not set(rows) & set(LOSSES), order.index(rows[0])))


def _is_part(some: Sequence[str], steps: Sequence[str]) -> bool:
    """Whether steps come in the same order among others."""
    left = iter(steps)
    return all(step in left for step in some)


def sanity_cells(sanity: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Write the likeness of maps after each step, a line a row and map; empty when nothing was compared."""
    tables = sorted(sanity.values(), key=lambda table: table["step"].nunique(), reverse=True)
    steps = list(dict.fromkeys(step for table in tables for step in table["step"]))  # as the longest cascade has them
    steps = [*[step for step in steps if step != CENTRE], *[CENTRE] * (CENTRE in steps)]
    lines = []
    for row, table in sanity.items():
        for letter, of_map in table.groupby("map", sort=False):
            line = {"row": row, "map": MAP_NAMES[str(letter)]}
            for step in steps:
                line[step] = number_text(_over_seeds(of_map[of_map["step"] == step], "correlation"), 2)
            line["compared"] = number_text(Number(float(of_map["compared"].min())), 2)
            lines.append(line)
    return pd.DataFrame(lines)


def label_cells(audits: Mapping[str, Numbers]) -> pd.DataFrame:
    """Write how good the maps of a row are that was trained with shuffled labels, beside those of the same row without.

    Empty where one of the two was not audited.
    """
    if not {LEARNT, SHUFFLED} <= set(audits):
        return pd.DataFrame()
    lines = []
    for row in (LEARNT, SHUFFLED):
        line = {"row": row, "map": MAP_NAMES["o"], "top-1 %": number_text(audits[row].get(("top1", "")), 2)}
        for column, (heading, decimals, scale) in _MEASURES.items():
            if "sertion" not in column and "deletion" not in column:
                measure = column.removesuffix("_{map}")
                line[heading] = number_text(audits[row].get((measure, "o")), decimals, scale)
        lines.append(line)
    return pd.DataFrame(lines)


def _over_seeds(table: pd.DataFrame, column: str) -> Number | None:
    """Mean over the seeds of each seed's mean, and its spread; None where there is no number."""
    if column not in table:
        return None
    of_seeds = table.groupby("seed")[column].mean().dropna()
    if of_seeds.empty:
        return None
    return Number(float(of_seeds.mean()), float(of_seeds.std(ddof=1)) if len(of_seeds) > 1 else None)
