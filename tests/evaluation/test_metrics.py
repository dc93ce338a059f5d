"""Metrics: the entropy's reference values and invariances, and answers counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objabn.evaluation.metrics import (
    calibration_error,
    calibration_error_by_chance,
    flicker,
    is_flat,
    map_entropy,
    map_range,
    mean_over_frames,
    resize_maps,
    top_k,
)

seeds = st.integers(0, 2**32 - 1)
LEAST = 1e-6  # a range that only rounding is below


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


def plain_entropy(one_map: np.ndarray) -> float:
    """The text of Sec. 4.2 word by word, for one map."""
    scaled = (one_map - one_map.min()) / (one_map.max() - one_map.min())
    hist, _ = np.histogram(scaled, bins=10, range=(0, 1))
    shares = hist[hist > 0] / hist.sum()
    return float(-(shares * np.log2(shares)).sum())


def test_uniform_noise_has_329_bits():
    assert map_entropy(noise(0, 1000, 14, 14), LEAST).mean() == pytest.approx(3.29, abs=0.005)


@pytest.mark.parametrize(("share", "expected"), [(0.1, 0.47), (0.3, 0.88), (0.5, 1.0)])
def test_binary_maps_by_the_share_they_cover(share, expected):
    binary = (np.arange(196) < round(196 * share)).astype(np.float32).reshape(14, 14)
    assert map_entropy(binary, LEAST) == pytest.approx(expected, abs=0.01)


def test_ten_equal_bins_are_the_most():
    evenly = (np.arange(100) // 10 / 9).reshape(10, 10)
    assert map_entropy(evenly, LEAST) == pytest.approx(np.log2(10))
    assert pytest.approx(3.3219, abs=1e-4) == np.log2(10)


@given(seed=seeds, shape=st.sampled_from([(14, 14), (7, 7), (3, 5), (1, 2)]))
def test_equals_a_plain_histogram(seed, shape):
    maps = noise(seed, 2, 3, *shape)
    expected = [[plain_entropy(each) for each in clip] for clip in maps]
    np.testing.assert_allclose(map_entropy(maps, LEAST), expected, atol=1e-12)


@given(seed=seeds, scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_scale_and_offset_do_not_matter(seed, scale, shift):
    maps = noise(seed, 14, 14)
    assert map_entropy(maps * scale + shift, LEAST) == pytest.approx(map_entropy(maps, LEAST), abs=1e-9)


@given(seed=seeds, share=st.floats(0.05, 0.95), low=st.floats(0, 0.4), high=st.floats(0.6, 1))
def test_two_values_never_exceed_a_bit(seed, share, low, high):
    binary = noise(seed, 14, 14) < share
    assert 0 < map_entropy(np.where(binary, high, low), LEAST) <= 1


@pytest.mark.parametrize(
    ("flat_range", "flat"),
    [(1e-6, [1, 0, 0, 0]), (0.02, [1, 1, 0, 0]), (0.05, [1, 1, 1, 0]), (0.5, [1, 1, 1, 1])],
)
def test_flat_maps_have_no_entropy(flat_range, flat):
    """Half of a map's cells are higher than the others by 0, 0.01, 0.03 and 0.3: a bit, whatever the range."""
    maps = 0.3 + np.array([0, 0.01, 0.03, 0.3])[:, None, None] * (np.arange(16).reshape(4, 4) % 2)
    np.testing.assert_allclose(map_range(maps), [0, 0.01, 0.03, 0.3], atol=1e-12)
    assert is_flat(maps, flat_range).tolist() == [bool(each) for each in flat]
    expected = [np.nan if each else 1.0 for each in flat]
    np.testing.assert_array_equal(map_entropy(maps, flat_range), expected)
    assert np.isnan(map_entropy(np.full((4, 4), 0.3), flat_range))


def test_a_dark_map_with_faint_noise_has_no_entropy():
    """What is left of a map when the figure is taken out of the frame: range .04, which is not evidence of anything."""
    faint = 0.04 * noise(0, 8, 14, 14)
    assert (map_entropy(faint, 1e-6) > 2).all()
    assert np.isnan(map_entropy(faint, 0.05)).all()
    assert is_flat(faint, 0.05).all()


def test_entropy_of_other_bins_by_hand():
    """Scaled 0, 1/8 ... 7/8 and 1: of 2 bins 4 and 5 cells, of 4 bins 2, 2, 2 and 3, of 9 bins one each."""
    steps = np.arange(9.0).reshape(3, 3)
    for bins, counts in ((2, [4, 5]), (4, [2, 2, 2, 3]), (9, [1] * 9)):
        shares = np.array(counts) / 9
        assert map_entropy(steps, LEAST, bins) == pytest.approx(-(shares * np.log2(shares)).sum())


def test_entropy_of_a_resized_map():
    """Two cells become four: 0, 1/4, 3/4 and 1, each in a bin of its own; flat is said of the map itself."""
    halves = np.array([[[0.0, 1.0], [0.0, 1.0]], [[0.2, 0.24], [0.2, 0.24]]])
    assert map_entropy(halves, 0.05).tolist() == [1.0, pytest.approx(np.nan, nan_ok=True)]
    assert map_entropy(halves, 0.05, size=4)[0] == 2.0
    assert np.isnan(map_entropy(halves, 0.05, size=4)[1])
    assert map_entropy(halves, 0.01, size=4)[1] == 2.0
    np.testing.assert_allclose(resize_maps(halves, 4)[0], [[0, 0.25, 0.75, 1]] * 4)
    np.testing.assert_array_equal(resize_maps(halves, None), halves)


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ([[[0.2, 0.8]]], np.nan),  # a single frame
        ([[[0.2, 0.8]], [[0.2, 0.8]]], 0.0),
        ([[[0, 1]], [[1, 0]], [[0, 1]]], 1.0),  # all of it, each time
        ([[[0, 0]], [[0.5, 0]], [[0.5, 0.25]]], 0.1875),  # (0.5 + 0 + 0 + 0.25) / 4
    ],
)
def test_flicker_by_hand(frames, expected):
    maps = np.array(frames, np.float32)
    np.testing.assert_allclose(flicker(maps), expected)
    np.testing.assert_allclose(flicker(np.stack([maps, 1 - maps])), [expected, expected], atol=1e-7)


@pytest.mark.parametrize(
    ("confidence", "correct", "expected"),
    [
        ([1.0, 1.0], [1, 1], 0.0),
        ([1.0, 1.0], [0, 0], 1.0),
        ([0.6, 0.6, 0.6, 0.6, 0.6], [1, 1, 1, 0, 0], 0.0),  # right as often as it says
        ([0.95, 0.95, 0.3, 0.3], [1, 0, 0, 0], (2 * 0.45 + 2 * 0.3) / 4),
        ([0.61, 0.65], [1, 0], 0.13),  # one bin (9/15, 10/15]: |1/2 - .63|
        ([0.59, 0.65], [1, 0], (0.41 + 0.65) / 2),  # two bins
        ([2 / 3, 2 / 3 + 1e-9], [0, 0], 2 / 3),  # 10/15 belongs to the bin below it
        ([0.0], [0], 0.0),
        ([], [], np.nan),
    ],
)
def test_calibration_error_by_hand(confidence, correct, expected):
    np.testing.assert_allclose(calibration_error(np.array(confidence), np.array(correct)), expected, atol=1e-8)


def test_calibration_error_by_chance_by_hand():
    """An answer of 0.75 is off by 0.25, or once in four times by 0.75: 0.375 on average, and two in a bin less."""
    assert calibration_error_by_chance(np.array([0.75]), draws=20_000) == pytest.approx(0.375, abs=0.01)
    of_two = (0.5625 * 0.5 + 0.375 * 0.5 + 0.0625 * 1.5) / 2
    assert calibration_error_by_chance(np.array([0.75, 0.75]), draws=20_000) == pytest.approx(of_two, abs=0.01)
    assert calibration_error_by_chance(np.array([0.75, 0.25]), draws=20_000) == pytest.approx(0.375, abs=0.01)
    assert calibration_error_by_chance(np.ones(9)) == 0
    assert np.isnan(calibration_error_by_chance(np.array([])))
    one, again = (calibration_error_by_chance(np.array([0.3, 0.6, 0.7])) for _ in range(2))
    assert one == again


def test_float32_maps_are_measured_in_float64():
    entropy = map_entropy(noise(0, 2, 14, 14).astype(np.float32), LEAST)
    assert (entropy.shape, entropy.dtype) == ((2,), np.float64)


@pytest.mark.parametrize(
    ("probabilities", "label", "k", "expected"),
    [
        ([0.1, 0.6, 0.3], 1, 1, True),
        ([0.1, 0.6, 0.3], 2, 1, False),
        ([0.1, 0.6, 0.3], 2, 2, True),
        ([0.1, 0.6, 0.3], 0, 2, False),
        ([0.1, 0.6, 0.3], 0, 5, True),  # fewer classes than k
        ([0.4, 0.4, 0.2], 0, 1, False),  # ties go against the label
        ([0.4, 0.4, 0.2], 1, 1, False),
        ([0.4, 0.4, 0.2], 1, 2, True),
        ([0.25, 0.25, 0.25, 0.25], 0, 3, False),
        ([0.25, 0.25, 0.25, 0.25], 0, 4, True),
    ],
)
def test_top_k_by_hand(probabilities, label, k, expected):
    assert top_k(np.array([probabilities]), np.array([label]), k).tolist() == [expected]


def test_top_k_is_per_video():
    probabilities = np.array([[0.7, 0.3], [0.7, 0.3], [0.5, 0.5]])
    assert top_k(probabilities, np.array([0, 1, 0]), 1).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("values", "expected"), [([1.0, 3.0], 2.0), ([1.0, np.nan, 2.0], 1.5), ([np.nan], np.nan), ([], np.nan)]
)
def test_mean_over_frames_leaves_out_nan(values, expected):
    np.testing.assert_equal(mean_over_frames(np.array(values)), expected)


def test_nan_is_never_correct():
    assert top_k(np.full((1, 3), np.nan), np.array([0]), 1).tolist() == [False]
