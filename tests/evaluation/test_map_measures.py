"""Columns of a map by hand, on clips of 1 x 2 cells whose frames have an object or have none."""

import numpy as np
import pytest
import torch

from objabn.config.schema import Dataset, Eval
from objabn.evaluation.map_measures import map_measures
from objabn.evaluation.targets import Targets

nan = np.nan
# Four frames of two cells; the object is the left cell of the first two frames, and in the third it covers both.
MAPS = np.array([[[0.9, 0.1]], [[0.3, 0.7]], [[0.6, 0.6]], [[0.2, 0.21]]])
OBJECT = np.array([[[1, 0]], [[1, 0]], [[1, 1]], [[0, 0]]], bool)


def found(
    truth: np.ndarray | None = OBJECT, known: tuple = (1, 1, 1, 1), frames: tuple[int, ...] | None = None
) -> Targets:
    """What is compared with: masks as the truth, which covers the frames `known`.

    Args:
        frames: no masks at all, and which frames have an object.
    """
    if frames is not None:
        objects = np.array([frames], bool)
        return Targets({}, {}, np.zeros((1, len(frames)), bool), objects, ~objects)
    masks = {"masks": torch.from_numpy(OBJECT[None]).float()}
    is_known = np.array([known], bool) & (truth is not None)
    if truth is not None:
        masks["truth"] = torch.from_numpy((truth & is_known[0][:, None, None])[None]).float()
    objects = OBJECT.any(axis=(1, 2))[None]
    return Targets(masks, masks, is_known, objects, ~objects)


@pytest.fixture
def how(synthetic: Dataset) -> Eval:
    return synthetic.eval


def measured(how: Eval, letter: str = "o", maps: np.ndarray = MAPS, **given) -> dict[str, np.ndarray]:
    results = map_measures({letter: maps[None]}, {}, found(**given), how)
    return {name.removesuffix(f"_{letter}"): values[0] for name, values in results.items()}


def test_columns_of_a_map_by_hand(how: Eval) -> None:
    curve = measured(how).pop("iou_curve")
    expected = {
        "entropy": 1.0,  # of three frames whose cells differ: a bit each; the third is the same everywhere
        "entropy_object": 1.0,  # of the first and the second
        "entropy_object_at_1e-06": 1.0,
        "entropy_object_at_0.02": 1.0,
        "entropy_object_at_0.05": 1.0,
        "flat_share": 1 / 2,
        "flat_share_object": 1 / 3,
        "range": (0.8 + 0.4 + 0) / 3,
        "lit_empty": (0.2 + 0.21) / 2,
        "flicker": (0.6 + 0.6 + 0.3 + 0.1 + 0.4 + 0.39) / 6,
        "iou_fit": (1 + 0 + 1) / 3,
        "iou_truth": (1 + 0 + 1) / 3,
        "pointing": (1 + 0 + 1) / 3,
        "energy": (0.9 + 0.3 + 1) / 3,
    }
    found = measured(how)
    assert set(found) == {*expected, "iou_curve"}
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    np.testing.assert_allclose(curve, 1 / 3)  # scaled, the first map is the object, the second its reverse; one is flat


FAINT = np.array([0, 1 / 3, 2 / 3, 1])  # a frame of four cells: two bits, at any range but 0
SHARP = np.array([0, 0, 1, 1])  # one bit


def test_the_papers_entropy_is_of_all_frames_whatever_is_called_flat(how: Eval) -> None:
    """Four frames: sharp, faint, the same everywhere, and a faint one without an object."""
    maps = np.stack([SHARP, 0.03 * FAINT, np.full(4, 0.5), 0.03 * FAINT])[:, None]
    for flat_range, of_objects, flat in ((0.05, 1, (3, 2)), (0.02, (1 + 2) / 2, (1, 1))):
        given = how.model_copy(update={"flat_range": flat_range})
        numbers = measured(given, maps=maps, frames=(1, 1, 1, 0))
        assert numbers["entropy"] == pytest.approx((1 + 2 + 2) / 3)  # of the third nothing can be measured
        assert numbers["entropy_object"] == pytest.approx(of_objects)
        assert (numbers["flat_share"], numbers["flat_share_object"]) == pytest.approx((flat[0] / 4, flat[1] / 3))
    numbers = measured(how, maps=maps, frames=(0, 1, 1, 0))
    assert numbers["entropy"] == pytest.approx((1 + 2 + 2) / 3)
    assert np.isnan(numbers["entropy_object"])  # both are flat
    assert np.isnan(measured(how, maps=np.full((2, 1, 4), 0.5), frames=(1, 1))["entropy"])


def test_how_much_hangs_on_where_a_map_is_flat(how: Eval) -> None:
    """A bit in the first, two in each of three faint ones, of ranges .005, .03 and .06; the fifth has no object."""
    maps = np.stack([SHARP, 0.005 * FAINT, 0.03 * FAINT, 0.06 * FAINT, SHARP])[:, None]
    for flat_range, of_objects in ((0.03 + 1e-9, (1 + 2) / 2), (1e-9, (1 + 2 + 2 + 2) / 4)):
        given = how.model_copy(update={"flat_range": flat_range})
        numbers = measured(given, maps=maps, frames=(1, 1, 1, 1, 0))
        assert numbers["entropy_object_at_1e-06"] == pytest.approx((1 + 2 + 2 + 2) / 4)
        assert numbers["entropy_object_at_0.02"] == pytest.approx((1 + 2 + 2) / 3)
        assert numbers["entropy_object_at_0.05"] == pytest.approx((1 + 2) / 2)
        assert numbers["entropy_object"] == pytest.approx(of_objects)
        assert numbers["entropy"] == pytest.approx((1 + 2 + 2 + 2 + 1) / 5)


def test_the_background_map_is_compared_with_the_inverse_on_frames_with_an_object(how: Eval) -> None:
    numbers, own = measured(how, "b", 1 - MAPS), measured(how)
    # The third frame is all object: the inverse is empty. The fourth has no object: its inverse would be all of it.
    assert numbers["iou_fit"] == numbers["iou_truth"] == pytest.approx((1 + 0) / 2)
    assert numbers["pointing"] == pytest.approx((1 + 0) / 2)
    assert numbers["energy"] == pytest.approx((0.9 + 0.3) / 2)
    for name in ("entropy", "range", "flicker", "flat_share"):
        assert numbers[name] == pytest.approx(own[name])


def test_frames_that_are_not_annotated_have_no_say_in_truth(how: Eval) -> None:
    numbers = measured(how, known=(0, 1, 1, 0))
    assert numbers["iou_truth"] == pytest.approx((0 + 1) / 2)
    assert numbers["pointing"] == pytest.approx((0 + 1) / 2)
    assert numbers["energy"] == pytest.approx((0.3 + 1) / 2)
    assert numbers["iou_fit"] == pytest.approx(2 / 3)  # of the segmenter's masks, which are there
    numbers = measured(how, known=(0, 0, 0, 0))
    assert np.isnan([numbers[name] for name in ("iou_truth", "pointing", "energy")]).all()
    assert np.isnan(numbers["iou_curve"]).all()


def test_a_clip_without_an_object_has_no_numbers_of_place(how: Eval) -> None:
    none = found()
    masks = {kind: 0 * mask for kind, mask in none.masks.items()}
    none = Targets(masks, masks, none.known, none.objects & False, none.empty | True)
    numbers = map_measures({"o": MAPS[None]}, {}, none, how)
    assert numbers["lit_empty_o"][0] == pytest.approx(MAPS.mean())
    assert numbers["entropy_o"][0] == 1.0
    for name in ("entropy_object", "flat_share_object", "range", "iou_fit", "iou_truth", "pointing", "energy"):
        assert np.isnan(numbers[f"{name}_o"][0]), name
    assert np.isnan(numbers["iou_curve_o"]).all()


def test_without_truth_there_are_no_columns_of_it(how: Eval) -> None:
    assert not {"iou_truth", "pointing", "energy", "iou_curve"} & set(measured(how, truth=None))


def test_entropy_on_the_layers_own_grid(how: Eval) -> None:
    """Of frames with an object that are not flat there: the second, which is not flat on M's grid, and the fourth."""
    native = np.array([[[[0.0, 0.5, 1, 1]], [[0.4, 0.42, 0.44, 0.44]], [[0, 0, 1, 1]], [[0, 0.3, 0.6, 1]]]])
    numbers = map_measures({"g": MAPS[None], "s": MAPS[None]}, {"g": native}, found(), how)
    assert "entropy_native_s" not in numbers
    assert numbers["entropy_native_g"][0] == pytest.approx((1.5 + 1) / 2)  # a quarter, a quarter and a half; two halves
    numbers = map_measures({"g": MAPS[None]}, {"g": native}, found(), how.model_copy(update={"flat_range": 0.02}))
    assert numbers["entropy_native_g"][0] == pytest.approx((1.5 + 1.5 + 1) / 3)
    assert numbers["entropy_g"][0] == 1.0
