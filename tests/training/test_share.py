"""A share of the training videos: whole recordings, classes evenly, each share within the larger ones."""

import numpy as np
import pandas as pd
import pytest

from objabn.training.share import chosen_videos

# 12 videos of 3 classes; recording r holds a video of class b and one of c.
LABELS = pd.Series(list("aaaabbbbcccc"))
GROUPS = pd.Series(["p", "p", "q", "s", "r", "t", "t", "u", "r", "v", "w", "w"])


@pytest.mark.parametrize("seed", range(5))
def test_a_share_holds_whole_recordings_of_all_classes(seed: int) -> None:
    before = np.zeros(12, bool)
    for share in (0.1, 0.25, 0.5, 0.75, 1.0):
        chosen = chosen_videos(LABELS, GROUPS, share, seed)
        assert not (before & ~chosen).any()
        assert (chosen == GROUPS.isin(set(GROUPS[chosen]))).all()
        assert set(LABELS[chosen]) == {"a", "b", "c"}
        assert 12 * share <= chosen.sum() or share == 0.1
        assert chosen.sum() <= max(12 * share, 6) + 1  # a recording has two videos at most
        before = chosen
    assert before.all()


def test_classes_come_evenly() -> None:
    labels = pd.Series(["a"] * 40 + ["b"] * 20)
    groups = pd.Series([str(number) for number in range(60)])
    chosen = chosen_videos(labels, groups, 0.5, seed=3)
    assert (chosen[:40].sum(), chosen[40:].sum()) == (20, 10)


def test_another_seed_chooses_others() -> None:
    labels, groups = pd.Series(["a"] * 40), pd.Series([str(number) for number in range(40)])
    first, second = (chosen_videos(labels, groups, 0.5, seed) for seed in (0, 1))
    assert first.sum() == second.sum() == 20
    assert 4 <= (first & second).sum() <= 16
