"""Score planes and unions: a threshold on planes is a threshold on instances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objabn.stores.masks import GRID, GROUPS, mask_iou, quantise, score_planes, union_mask

scores = st.floats(0, 1) | st.integers(0, 255).map(lambda step: step / 255)
instance_lists = st.lists(st.tuples(scores, st.sampled_from(["person", "dog"])), max_size=6)
group_lists = st.sampled_from([("person",), ("other",), ("person", "other"), ("other", "person")])


def rectangle(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((GRID, GRID), bool)
    mask[top:bottom, left:right] = True
    return mask


def stack(*masks: np.ndarray) -> np.ndarray:
    return np.array(masks, bool).reshape(-1, GRID, GRID)


@given(instances=instance_lists, least=st.integers(1, 255), seed=st.integers(0, 99), groups=group_lists)
def test_union_of_planes_is_the_union_of_the_instances_over_the_threshold(instances, least, seed, groups):
    draw = np.random.default_rng(seed)
    masks = draw.random((len(instances), GRID, GRID)) < 0.3
    planes = score_planes(masks, np.array([score for score, _ in instances]), [name for _, name in instances])
    expected = np.zeros((GRID, GRID), bool)
    for mask, (score, name) in zip(masks, instances, strict=True):
        if score >= least / 255 and ("person" if name == "person" else "other") in groups:
            expected |= mask
    np.testing.assert_array_equal(union_mask(planes, least / 255, groups), expected)


@pytest.mark.parametrize(
    ("score", "expected"), [(0, 0), (0.0039, 0), (1 / 255, 1), (0.5, 127), (0.99999, 254), (1, 255)]
)
def test_quantise_rounds_down(score, expected):
    assert quantise(np.array([score])).tolist() == [expected]


def test_every_step_of_the_grid_comes_back():
    np.testing.assert_array_equal(quantise(np.arange(256) / 255), np.arange(256))


def test_a_threshold_between_two_steps_is_rounded_up():
    planes = score_planes(stack(rectangle(0, 4, 0, 4)), np.array([0.501]), ["person"])  # 127
    assert union_mask(planes, 127 / 255).sum() == 16
    assert union_mask(planes, 0.5).sum() == 0  # 127.5 -> 128


def test_groups_are_separate_planes():
    person, dog = rectangle(0, 10, 0, 10), rectangle(20, 30, 0, 10)
    planes = score_planes(stack(person, dog), np.array([1.0, 0.8]), ["person", "dog"])
    assert (planes.shape, planes.dtype, GROUPS) == ((2, GRID, GRID), np.uint8, ("person", "other"))
    np.testing.assert_array_equal(planes, [person * 255, dog * 204])
    np.testing.assert_array_equal(union_mask(planes, 0.5), person | dog)
    np.testing.assert_array_equal(union_mask(planes, 0.5, ["person"]), person)
    np.testing.assert_array_equal(union_mask(planes, 0.5, ["other"]), dog)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_where_instances_overlap_the_highest_score_stays(order):
    masks, scores = stack(rectangle(0, 8, 0, 8), rectangle(4, 12, 4, 12)), np.array([1.0, 0.6])
    plane = score_planes(masks[list(order)], scores[list(order)], ["person", "person"])[0]
    assert plane[[0, 6, 10, 20], [0, 6, 10, 20]].tolist() == [255, 255, 153, 0]


def test_a_frame_without_instances_is_empty():
    planes = score_planes(np.zeros((0, GRID, GRID), bool), np.zeros(0), [])
    assert (planes.shape, planes.max()) == ((2, GRID, GRID), 0)
    assert not union_mask(planes, 1e-12).any()  # even at a threshold that rounds to nothing


def test_union_keeps_the_leading_axes():
    assert union_mask(np.zeros((3, 5, 2, GRID, GRID), np.uint8), 0.5).shape == (3, 5, GRID, GRID)


def test_score_planes_needs_as_many_scores_as_masks():
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is shorter than argument 1"):
        score_planes(stack(rectangle(0, 1, 0, 1)), np.zeros(0), [])


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ([1, 1, 0, 0], [1, 1, 0, 0], 1.0),
        ([1, 1, 0, 0], [0, 1, 1, 0], 1 / 3),
        ([1, 1, 0, 0], [0, 0, 1, 1], 0.0),
        ([1, 1, 1, 1], [1, 0, 0, 0], 0.25),
        ([0, 0, 0, 0], [1, 0, 0, 0], 0.0),
        ([0, 0, 0, 0], [0, 0, 0, 0], np.nan),  # both empty: nothing was to be found
    ],
)
def test_mask_iou_by_hand(a, b, expected):
    first, second = np.array(a, bool).reshape(2, 2), np.array(b, bool).reshape(2, 2)
    np.testing.assert_equal(mask_iou(first, second), np.float64(expected))
    np.testing.assert_equal(mask_iou(second, first), np.float64(expected))


def test_mask_iou_is_per_frame():
    full, half = np.ones((2, 2), bool), np.array([[1, 1], [0, 0]], bool)
    assert mask_iou(np.stack([full, half]), np.stack([full, full])).tolist() == [1.0, 0.5]
