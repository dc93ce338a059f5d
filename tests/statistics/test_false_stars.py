"""Stars where nothing differs: at most one in twelve in each design, one in seventeen on average."""

import numpy as np
import pytest

from benchmarks.false_stars import MEASURES, MOST, MOST_ON_AVERAGE, SEEDS, TOO_WIDE, designs, stars

SMALL = ("128 videos", "128 videos of 32 recordings")


def check(names: tuple[str, ...], repetitions: int) -> None:
    found = {
        (design, seeds, measure): stars(measure, recordings, seeds, repetitions)
        for design, recordings in designs().items()
        if design in names
        for seeds in SEEDS
        for measure in MEASURES
    }
    assert {cell: share for cell, share in found.items() if not TOO_WIDE <= share <= MOST} == {}
    assert np.mean(list(found.values())) <= MOST_ON_AVERAGE


def test_few_stars_are_false() -> None:
    check(SMALL, 1000)


@pytest.mark.slow
def test_few_stars_are_false_on_a_large_test_set() -> None:
    check(tuple(set(designs()) - set(SMALL)), 2000)


def test_videos_of_a_recording_that_count_as_independent_give_false_stars() -> None:
    """What the recordings are for: the same draws, compared as if each video were a case of its own."""
    recordings = designs()["128 videos of 32 recordings"]
    draw = np.random.default_rng(0)
    from objabn.statistics.contrast import contrast, of_means

    wrong = {True: 0, False: 0}
    for _ in range(300):
        rows = [draw.normal(size=(3, 1)) * 1e-3 + draw.normal(size=32)[recordings] for _ in range(2)]
        for clustered in wrong:
            cases = recordings if clustered else np.arange(128)
            low, high = contrast(*[of_means(row, cases) for row in rows]).interval
            wrong[clustered] += low > 0 or high < 0
    assert wrong[True] < 0.09 * 300
    assert wrong[False] > 0.2 * 300


@pytest.mark.parametrize(("measure", "least"), [("entropy", 50), ("pointing", 20), ("iou", 15), ("top1", 15)])
def test_a_true_difference_is_seen(measure: str, least: float) -> None:
    recordings = designs()["128 videos"]
    three, five = (stars(measure, recordings, seeds, 200, differs=True) for seeds in SEEDS)
    assert least < three < five
