"""Which row leans less on the background: differences between rows of what another background costs."""

from collections.abc import Mapping
from itertools import combinations

import pandas as pd

from objabn.report.cells import difference_text
from objabn.report.intervals import Difference, power_sentence, row_difference, smallest_words
from objabn.statistics.contrast import LEVEL, adjusted

COMPARED = ("mask", "mha", "abn", "plain")  # each with those behind it
# What is compared -> the two columns whose difference it is, with the ending of the masks that cut.
_DROPS = {"swap drop": ("top1", "top1_swapped{cut}"), "background gap": ("top1_pasted{cut}", "top1_swapped{cut}")}
_JUDGED = "swap drop"
NOTES = f"""\
Differences between rows in points, first - second: below 0 the first row leans less on the background. A star says that
the {100 * LEVEL:g} % interval excludes 0; the answer below judges all pairs together (Holm), so it may not follow a
star. A row that is right on fewer clips has less to lose."""


def cut_by(per_video: pd.DataFrame) -> str:
    """Return the ending of the columns of figures that the true masks cut, or "" where not all videos have these."""
    of_truth = per_video.get("top1_swapped_truth", pd.Series(dtype=float))
    return "_truth" if len(of_truth) and of_truth.notna().all() else ""


def leaning(
    per_video: Mapping[str, pd.DataFrame], recordings: pd.Series | None
) -> dict[tuple[str, str], dict[str, Difference]]:
    """Compare rows of COMPARED, two at a time, in each of the drops.

    Args:
        per_video: each row's audit of each video and seed.
        recordings: of each video (index) the recording that it is cut from; None: each is its own.
    """
    found: dict[tuple[str, str], dict[str, Difference]] = {}
    for pair in combinations([name for name in COMPARED if name in per_video], 2):
        cuts = {cut_by(per_video[name]) for name in pair}
        if len(cuts) > 1:
            continue
        cut = cuts.pop()
        for heading, names in _DROPS.items():
            whole, less = (name.format(cut=cut) for name in names)
            tables = [per_video[name] for name in pair]
            if not all({whole, less} <= set(table) for table in tables):
                continue
            drops = [table.assign(top1=table[whole] - table[less]) for table in tables]
            difference = row_difference(drops[0], drops[1], "top1", recordings)
            if difference is not None:
                found.setdefault(pair, {})[heading] = difference
    return found


def leaning_cells(found: Mapping[tuple[str, str], Mapping[str, Difference]]) -> pd.DataFrame:
    """Write the differences, a line a pair of rows; empty where there is none."""
    cells = pd.DataFrame({"rows": [" - ".join(pair) for pair in found]})
    for heading in _DROPS if found else ():
        cells[heading] = [difference_text(of_pair.get(heading), 1) for of_pair in found.values()]
    return cells if found else pd.DataFrame()


def leaning_words(found: Mapping[tuple[str, str], Mapping[str, Difference]]) -> str:
    """Answer which row leans less on the background, all pairs judged together (Holm); "" where nothing is known."""
    known = {pair: of_pair[_JUDGED] for pair, of_pair in found.items() if _JUDGED in of_pair}
    tested = {pair: each for pair, each in known.items() if each.p is not None}
    if not tested:
        return ""
    p_values = adjusted([each.p or 0.0 for each in tested.values()])
    said = []
    for (pair, each), p in zip(tested.items(), p_values, strict=True):
        if each.beyond_noise and p <= 1 - LEVEL:
            less, more = pair if each.mean < 0 else pair[::-1]
            said.append(f"{less} leans less on the background than {more}, by {abs(each.mean):.1f} points of swap drop")
    smallest = smallest_words(list(tested.values()), ".1f")
    design = f" {power_sentence()} is {smallest} points." if smallest else ""
    if said:
        return f"**Which row leans less on the background?** {'; '.join(said)}.{design}"
    return (
        "**Which row leans less on the background?** This cannot be told: no two rows differ in their swap drop beyond "
        f"noise.{design}"
    )
