"""Metrics: the entropy's reference values and invariances, and answers counted by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objabn.evaluation.metrics import is_flat, map_entropy, mean_over_frames, top_k

seeds = st.integers(0, 2**32 - 1)


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


def plain_entropy(one_map: np.ndarray) -> float:
    """The text of Sec. 4.2 word by word, for one map."""
    scaled = (one_map - one_map.min()) / (one_map.max() - one_map.min())
    hist, _ = np.histogram(scaled, bins=10, range=(0, 1))
    shares = hist[hist > 0] / hist.sum()
    return float(-(shares * np.log2(shares)).sum())


def test_uniform_noise_has_329_bits():
    assert map_entropy(noise(0, 1000, 14, 14)).mean() == pytest.approx(3.29, abs=0.005)


@pytest.mark.parametrize(("share", "expected"), [(0.1, 0.47), (0.3, 0.88), (0.5, 1.0)])
def test_binary_maps_by_the_share_they_cover(share, expected):
    binary = (np.arange(196) < round(196 * share)).astype(np.float32).reshape(14, 14)
    assert map_entropy(binary) == pytest.approx(expected, abs=0.01)


def test_ten_equal_bins_are_the_most():
    evenly = (np.arange(100) // 10 / 9).reshape(10, 10)
    assert map_entropy(evenly) == pytest.approx(np.log2(10))
    assert pytest.approx(3.3219, abs=1e-4) == np.log2(10)


@given(seed=seeds, shape=st.sampled_from([(14, 14), (7, 7), (3, 5), (1, 2)]))
def test_equals_a_plain_histogram(seed, shape):
    maps = noise(seed, 2, 3, *shape)
    expected = [[plain_entropy(each) for each in clip] for clip in maps]
    np.testing.assert_allclose(map_entropy(maps), expected, atol=1e-12)


@given(seed=seeds, scale=st.floats(1e-3, 1e3), shift=st.floats(-10, 10))
def test_scale_and_offset_do_not_matter(seed, scale, shift):
    maps = noise(seed, 14, 14)
    assert map_entropy(maps * scale + shift) == pytest.approx(map_entropy(maps), abs=1e-9)


@given(seed=seeds, share=st.floats(0.05, 0.95), low=st.floats(0, 0.4), high=st.floats(0.6, 1))
def test_two_values_never_exceed_a_bit(seed, share, low, high):
    binary = noise(seed, 14, 14) < share
    assert 0 < map_entropy(np.where(binary, high, low)) <= 1


def test_flat_maps_have_no_entropy():
    flat, almost, not_quite = np.full((4, 4), 0.3), np.full((4, 4), 0.3), np.full((4, 4), 0.3)
    almost[0, 0] += 0.9e-6
    not_quite[0, 0] += 1.1e-6
    maps = np.stack([flat, almost, not_quite])
    assert is_flat(maps).tolist() == [True, True, False]
    assert np.isnan(map_entropy(maps)).tolist() == [True, True, False]
    assert np.isnan(map_entropy(flat))


def test_float32_maps_are_measured_in_float64():
    entropy = map_entropy(noise(0, 2, 14, 14).astype(np.float32))
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
