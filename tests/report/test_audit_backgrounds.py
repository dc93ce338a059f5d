"""Which row leans less on the background: differences of what another background costs, between rows."""

import numpy as np
import pandas as pd
import pytest

from objabn.report.audit_backgrounds import (
    cut_by,
    kept_shares,
    leaning,
    leaning_cells,
    leaning_notes,
    leaning_words,
)


def audited(
    right: float, swapped: float, seed: int = 0, *, pasted: float | None = None, seeds: int = 3, videos: int = 200
) -> pd.DataFrame:
    """A row's audit in which so large shares of the videos are right, whole and on another's background."""
    draw = np.random.default_rng(seed)
    tables = []
    for number in range(seeds):
        table = pd.DataFrame({"video": [f"v{at}" for at in range(videos)], "seed": number})
        for name, share in (("top1", right), ("top1_pasted", pasted or right), ("top1_swapped", swapped)):
            of_videos = np.arange(videos) < share * videos
            of_videos[draw.integers(videos)] ^= True  # trainings differ by a video
            table[name] = of_videos.astype(int)
        tables.append(table.assign(label="a"))
    return pd.concat(tables)


def test_the_difference_of_two_drops() -> None:
    rows = {"plain": audited(0.8, 0.5, 1), "mask": audited(0.8, 0.7, 2), "shifted-masks": audited(0.5, 0.5, 3)}
    found = leaning(rows, None)
    assert list(found) == [("mask", "plain")]
    difference = found["mask", "plain"]["swap drop"]
    assert difference.mean == pytest.approx(-20, abs=1.5)  # 10 points lost, and 30
    assert difference.beyond_noise
    words = leaning_words(found, kept_shares(rows))
    assert "mask leans less on the background than plain: it loses " in words
    assert "points fewer on another's background. Of its right answers a row keeps" in words
    assert "mask 8" in words  # 7 of 8
    assert "plain 6" in words  # 5 of 8
    assert "%. The smallest difference that gets its star" in words
    cells = leaning_cells(found)
    assert cells["rows"].tolist() == ["mask - plain"]
    assert list(cells) == ["rows", "swap drop", "background gap"]


def test_rows_that_lose_the_same_cannot_be_told_apart() -> None:
    found = leaning({"plain": audited(0.6, 0.5, 1), "abn": audited(0.6, 0.5, 2)}, None)
    assert list(found) == [("abn", "plain")]
    assert "This cannot be told: no two rows differ in their swap drop beyond noise." in leaning_words(found)


def test_a_row_with_less_to_lose_is_not_said_to_lean_less() -> None:
    rows = {"mask": audited(0.9, 0.3, 1), "plain": audited(0.3, 0.1, 2)}  # both keep a third
    rows["mask"], rows["plain"] = (table.assign(seed=table["seed"]) for table in rows.values())
    kept = {"mask": 1 / 3, "plain": 1 / 3}
    words = leaning_words(leaning(rows, None), kept)
    assert "plain loses 4" in words  # 20 points, and 60
    assert "keeps no larger share of its right answers: not told which leans less" in words
    assert "leans less on the background than" not in words


def test_what_cutting_costs_is_no_leaning() -> None:
    rows = {"mask": audited(0.8, 0.4, 1, pasted=0.45), "plain": audited(0.8, 0.6, 2)}  # gaps of 5 and of 20 points
    words = leaning_words(leaning(rows, None), kept_shares(rows))
    assert "plain loses 2" in words
    assert "more beyond what cutting costs (background gap): not told which leans less" in words


def test_the_notes_say_which_masks_cut_and_what_is_not_covered() -> None:
    rows = {"plain": audited(0.8, 0.5, 1), "mask": audited(0.8, 0.7, 2)}
    assert "The segmenter's masks cut the figures" in leaning_notes(rows, "")
    assert "star" not in leaning_notes(rows, "")
    lacking = {name: table.assign(top1_swapped_truth=1.0) for name, table in rows.items()}
    lacking["mask"].loc[lacking["mask"]["video"] == "v7", "top1_swapped_truth"] = np.nan
    notes = leaning_notes(lacking, "words")
    assert "The true masks cut the figures, of 199 of 200 videos." in notes
    assert notes.endswith("intervals cover no other pairings.")


def test_nothing_is_said_without_intervals_or_rows() -> None:
    assert leaning_words(leaning({"plain": audited(0.6, 0.5, seeds=1), "abn": audited(0.6, 0.5, seeds=1)}, None)) == ""
    assert leaning_cells(leaning({"plain": audited(0.6, 0.5)}, None)).empty


def test_true_masks_cut_where_most_videos_have_them() -> None:
    table = audited(0.6, 0.5)
    assert cut_by(table) == ""
    assert cut_by(table.assign(top1_swapped_truth=1.0)) == "_truth"
    assert cut_by(table.assign(top1_swapped_truth=[np.nan, *[1.0] * (len(table) - 1)])) == "_truth"
    few = [1.0 if at < 0.4 * len(table) else np.nan for at in range(len(table))]
    assert cut_by(table.assign(top1_swapped_truth=few)) == ""
