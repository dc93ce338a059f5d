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
_JUDGED, _GAP = "swap drop", "background gap"
_MOST = 0.5  # share of the videos that need true masks, for figures to be cut by these
_QUESTION = "**Which row leans less on the background?**"
_NOTES = "Differences between rows in points, first - second: below 0 the first row loses less."
_HOLM = (
    f" A star says that the {100 * LEVEL:g} % interval excludes 0; the answer below judges all pairs together (Holm), "
    "so it may not follow a star."
)
_PAIRS = " Each video has one other background, the same in all rows and trainings: intervals cover no other pairings."


def cut_by(per_video: pd.DataFrame) -> str:
    """Return the ending of the columns of figures that the true masks cut, or "" where few videos have these."""
    of_truth = per_video.get("top1_swapped_truth", pd.Series(dtype=float))
    return "_truth" if len(of_truth) and of_truth.notna().mean() >= _MOST else ""


def kept_shares(per_video: Mapping[str, pd.DataFrame]) -> dict[str, float]:
    """Compute the share of its right answers that each row of COMPARED keeps on another's background."""
    found = {}
    for name in COMPARED:
        table = per_video.get(name, pd.DataFrame())
        swapped = f"top1_swapped{cut_by(table)}"
        if swapped in table:
            known = table[table[swapped].notna()]
            if known["top1"].mean() > 0:
                found[name] = float(known[swapped].mean() / known["top1"].mean())
    return found


def leaning_notes(per_video: Mapping[str, pd.DataFrame], words: str) -> str:
    """Say how to read the differences: their sign, which masks cut the figures, and what the intervals leave out."""
    tables = {name: per_video[name] for name in COMPARED if name in per_video}
    cuts = {cut_by(table) for table in tables.values()}
    notes = _NOTES
    if cuts == {"_truth"}:
        known = [
            table["top1_swapped_truth"].notna().groupby(table["video"].to_numpy()).all() for table in tables.values()
        ]
        number, total = min(int(each.sum()) for each in known), max(len(each) for each in known)
        notes += f" The true masks cut the figures, of {number:,} of {total:,} videos."
    elif cuts == {""}:
        notes += " The segmenter's masks cut the figures; rows that learnt from them may know these edges."
    return notes + (_HOLM + _PAIRS) * bool(words)


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


def leaning_words(
    found: Mapping[tuple[str, str], Mapping[str, Difference]], kept: Mapping[str, float] | None = None
) -> str:
    """Answer which row leans less on the background, all pairs judged together (Holm); "" where nothing is known.

    Fewer points lost are no leaning less where cutting and pasting alone explains them (the gap has the other sign), or
    where a row loses less because it has less to lose.

    Args:
        found: `leaning`.
        kept: `kept_shares`.
    """
    kept = kept or {}
    known = {pair: of_pair[_JUDGED] for pair, of_pair in found.items() if _JUDGED in of_pair}
    tested = {pair: each for pair, each in known.items() if each.p is not None}
    if not tested:
        return ""
    p_values = adjusted([each.p or 0.0 for each in tested.values()])
    told = [
        _told(pair, each, found[pair].get(_GAP), kept)
        for (pair, each), p in zip(tested.items(), p_values, strict=True)
        if each.beyond_noise and p <= 1 - LEVEL
    ]
    answer = ". ".join(told) or "This cannot be told: no two rows differ in their swap drop beyond noise"
    shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in kept.items())
    of_right = f" Of its right answers a row keeps on another's background: {shares}." if shares else ""
    smallest = smallest_words(list(tested.values()), ".1f")
    design = f" {power_sentence()} is {smallest} points." if smallest else ""
    return f"{_QUESTION} {answer}.{of_right}{design}"


def _told(pair: tuple[str, str], drop: Difference, gap: Difference | None, kept: Mapping[str, float]) -> str:
    """Tell one difference of swap drops that is beyond noise, and what speaks against it."""
    less, more = pair if drop.mean < 0 else pair[::-1]
    loses = f"loses {abs(drop.mean):.1f} points fewer on another's background"
    if gap is not None and gap.mean * drop.mean < 0:
        but = "but more beyond what cutting costs (background gap)"
        return f"{less} {loses} than {more}, {but}: not told which leans less"
    if kept and kept.get(less, 0.0) <= kept.get(more, 0.0):
        return f"{less} {loses} than {more}, but keeps no larger share of its right answers: not told which leans less"
    return f"{less} leans less on the background than {more}: it {loses}"
