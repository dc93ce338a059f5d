"""Maps against ground truth: answers counted by hand, what collapse scores, and scikit-learn's IoU."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score

from objabn.evaluation.localisation import (
    THRESHOLDS,
    best_threshold,
    energy_inside,
    iou_by_threshold,
    iou_of_region,
    mask_scores,
    pointing,
)

seeds = st.integers(0, 2**32 - 1)

TRUTH = np.array([[1, 1, 0], [0, 0, 0]], bool)  # a third of the frame
EMPTY, WHOLE = np.zeros((2, 3), bool), np.ones((2, 3), bool)
FLAT, DARK = np.full((2, 3), 0.25), np.zeros((2, 3))


@pytest.mark.parametrize(
    ("one_map", "truth", "expected"),
    [
        ([[0.2, 0.9, 0.1], [0.8, 0.0, 0.0]], TRUTH, 1.0),
        ([[0.9, 0.2, 0.1], [0.8, 0.0, 0.0]], ~TRUTH, 0.0),
        ([[0.8, 0.2, 0.9], [0.8, 0.0, 0.0]], TRUTH, 0.0),
        ([[0.9, 0.2, 0.9], [0.8, 0.0, 0.0]], TRUTH, 1 / 2),  # one of two
        ([[0.9, 0.2, 0.9], [0.9, 0.0, 0.0]], TRUTH, 1 / 3),
        (FLAT, TRUTH, 1 / 3),  # pointing blindly
        (DARK, TRUTH, 1 / 3),
        (FLAT, WHOLE, 1.0),
        ([[0.2, 0.9, 0.1], [0.8, 0.0, 0.0]], EMPTY, np.nan),
    ],
)
def test_pointing_by_hand(one_map, truth, expected):
    np.testing.assert_allclose(pointing(np.array(one_map), truth), expected)


@pytest.mark.parametrize(
    ("one_map", "truth", "expected"),
    [
        ([[0.3, 0.3, 0.2], [0.1, 0.1, 0.0]], TRUTH, 0.6),
        ([[0.3, 0.3, 0.2], [0.1, 0.1, 0.0]], ~TRUTH, 0.4),
        ([[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]], TRUTH, 1.0),
        ([[0.0, 0.0, 0.5], [0.0, 0.0, 0.0]], TRUTH, 0.0),
        (FLAT, TRUTH, 1 / 3),
        (FLAT, EMPTY, np.nan),
        (DARK, TRUTH, TRUTH.mean()),  # as any flat one
    ],
)
def test_energy_by_hand(one_map, truth, expected):
    np.testing.assert_allclose(energy_inside(np.array(one_map), truth), expected)


def test_thresholds_are_nineteen_twentieths():
    np.testing.assert_allclose(THRESHOLDS, [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5,
                                            0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95])  # fmt: skip


def test_iou_by_threshold_by_hand():
    """Scaled by minimum 2 and range 4 to 1, 0.5, 0.25; 0.75, 0, 0: the truth's cells at 1 and 0.5."""
    curve = iou_by_threshold(np.array([[6.0, 4.0, 3.0], [5.0, 2.0, 2.0]]), TRUTH)
    expected = [2 / 4] * 5 + [2 / 3] * 5 + [1 / 3] * 5 + [1 / 2] * 4  # up to 0.25, 0.5, 0.75, 0.95
    np.testing.assert_allclose(curve, expected)


@pytest.mark.parametrize(
    ("one_map", "truth", "expected"),
    [
        (TRUTH * 0.1 + 0.3, TRUTH, 1.0),  # neither level nor range counts
        (TRUTH * 0.1 + 0.3, ~TRUTH, 0.0),
        (TRUTH * 0.1 + 0.3, EMPTY, np.nan),  # nothing is to be found
        (FLAT, TRUTH, 0.0),
        (FLAT, WHOLE, 0.0),
        (FLAT, EMPTY, np.nan),
    ],
)
def test_iou_at_every_threshold(one_map, truth, expected):
    np.testing.assert_array_equal(iou_by_threshold(one_map, truth), [expected] * 19)


@pytest.mark.parametrize(
    ("one_map", "truth", "expected"),
    [
        ([[0.5, 0.49, 0.9], [0.0, 0.1, 0.2]], TRUTH, 1 / 3),  # two cells of at least .5, one of them of the two
        ([[0.5, 0.7, 0.0], [0.0, 0.1, 0.2]], TRUTH, 1.0),
        ([[0.4, 0.4, 0.0], [0.0, 0.1, 0.2]], TRUTH, 0.0),
        ([[0.5, 0.7, 0.0], [0.0, 0.1, 0.2]], EMPTY, np.nan),
        (DARK, EMPTY, np.nan),  # empty against empty is no IoU
        (DARK, WHOLE, 0.0),
    ],
)
def test_iou_of_the_attended_region_by_hand(one_map, truth, expected):
    np.testing.assert_allclose(iou_of_region(np.array(one_map), truth), expected)


@given(seed=seeds, share=st.floats(0.1, 0.9))
def test_iou_is_that_of_scikit_learn(seed, share):
    draw = np.random.default_rng(seed)
    own, truth = draw.random((4, 5)), draw.random((4, 5)) < share
    truth[0, 0] = True  # scikit-learn has another answer for two empty masks
    scaled = (own - own.min()) / (own.max() - own.min())
    expected = [jaccard_score(truth.ravel(), (scaled >= each).ravel()) for each in THRESHOLDS]
    np.testing.assert_allclose(iou_by_threshold(own, truth), expected)


@given(seed=seeds)
def test_frames_are_measured_one_by_one(seed):
    draw = np.random.default_rng(seed)
    maps, truth = draw.random((2, 3, 4, 5)).round(1), draw.random((2, 3, 4, 5)) < 0.1
    for measure in (pointing, energy_inside, iou_of_region, iou_by_threshold):
        singles = [
            [measure(own, true) for own, true in zip(*clip, strict=True)] for clip in zip(maps, truth, strict=True)
        ]
        found = measure(maps, truth)
        np.testing.assert_array_equal(found, np.array(singles))
        assert found.dtype == np.float64
        known = found[~np.isnan(found)]
        assert ((known >= 0) & (known <= 1)).all()


@given(seed=seeds)
def test_the_inverse_truth_has_the_rest_of_the_energy(seed):
    draw = np.random.default_rng(seed)
    maps, truth = draw.random((6, 4, 5)), draw.random((6, 4, 5)) < 0.5
    np.testing.assert_allclose(energy_inside(maps, truth) + energy_inside(maps, ~truth), 1)


def test_the_threshold_is_one_for_all_videos():
    curves = np.zeros((3, 19))
    curves[:, 4] = 0.5
    curves[:, 7] = [1.0, 0.0, 0.25]  # the best for the first video, not for all
    assert best_threshold(curves) == 4
    curves[2, 7] = 0.5  # as good: the lower of equals
    assert best_threshold(curves) == 4
    curves[1, 7] = 0.25
    assert best_threshold(curves) == 7


def test_videos_without_a_truth_have_no_say_in_the_threshold():
    curves = np.full((3, 19), 0.25)
    curves[0, 7] = 0.5
    curves[1:] = np.nan
    assert best_threshold(curves) == 7
    assert best_threshold(curves[1:]) == 0


def test_what_a_mask_scores() -> None:
    """Three frames: found but for a cell, missed, and one without a truth, in which there is nothing to find."""
    masks = np.stack([[[1, 1, 1], [0, 0, 0]], EMPTY, WHOLE]).astype(bool)
    truth = np.stack([TRUTH, TRUTH, EMPTY])
    scores = mask_scores(masks, truth)
    np.testing.assert_array_equal(scores["pointing"], [1, 0, np.nan])  # the middle cell, with all three around it
    np.testing.assert_array_equal(scores["energy"], [2 / 3, 0, np.nan])
    np.testing.assert_array_equal(scores["iou"], [2 / 3, 0, np.nan])


def test_a_whole_mask_points_to_its_middle() -> None:
    truth = np.zeros((4, 4), bool)
    truth[1, 1:3] = True  # half of the four innermost cells
    assert mask_scores(np.ones((4, 4), bool), truth)["pointing"] == 1 / 2
