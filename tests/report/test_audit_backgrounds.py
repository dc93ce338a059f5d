"""Which row leans less on the background: differences of what another background costs, between rows."""

import numpy as np
import pandas as pd
import pytest

from objabn.report.audit_backgrounds import cut_by, leaning, leaning_cells, leaning_words


def audited(right: float, swapped: float, seed: int = 0, *, seeds: int = 3, videos: int = 200) -> pd.DataFrame:
    """A row's audit in which so large shares of the videos are right, whole and on another's background."""
    draw = np.random.default_rng(seed)
    tables = []
    for number in range(seeds):
        table = pd.DataFrame({"video": [f"v{at}" for at in range(videos)], "seed": number})
        for name, share in (("top1", right), ("top1_pasted", right), ("top1_swapped", swapped)):
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
    words = leaning_words(found)
    assert "mask leans less on the background than plain, by " in words
    assert "points of swap drop. The smallest difference that gets its star" in words
    cells = leaning_cells(found)
    assert cells["rows"].tolist() == ["mask - plain"]
    assert list(cells) == ["rows", "swap drop", "background gap"]


def test_rows_that_lose_the_same_cannot_be_told_apart() -> None:
    found = leaning({"plain": audited(0.6, 0.5, 1), "abn": audited(0.6, 0.5, 2)}, None)
    assert list(found) == [("abn", "plain")]
    assert "This cannot be told: no two rows differ in their swap drop beyond noise." in leaning_words(found)


def test_nothing_is_said_without_intervals_or_rows() -> None:
    assert leaning_words(leaning({"plain": audited(0.6, 0.5, seeds=1), "abn": audited(0.6, 0.5, seeds=1)}, None)) == ""
    assert leaning_cells(leaning({"plain": audited(0.6, 0.5)}, None)).empty


def test_true_masks_cut_where_all_videos_have_them() -> None:
    table = audited(0.6, 0.5)
    assert cut_by(table) == ""
    assert cut_by(table.assign(top1_swapped_truth=1.0)) == "_truth"
    assert cut_by(table.assign(top1_swapped_truth=[np.nan, *[1.0] * (len(table) - 1)])) == ""
