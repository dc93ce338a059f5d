"""Label Studio's RLE, by bits that were written by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objabn.segmentation.segmenters.brush import Brush
from tests.helpers.mask_files import brush

# Two pixels, black and transparent and then white: 8 values of 8 bits; lengths have 3, 4, 8 and 16 bits.
HEADER = "00000000 00000000 00000000 00001000" + "00111" + "0010 0011 0111 1111"
RUNS = HEADER + "1 00 011 00000000" + "1 00 011 11111111"
EACH = HEADER + "0 01 0111" + "00000000" * 3 + "00000000" + "11111111" * 3 + "00000010"  # the opacity 2 comes last


def packed(bits: str) -> str:
    bits = bits.replace(" ", "")
    bits += "0" * (-len(bits) % 8)
    return bytes(int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)).hex()


@pytest.mark.parametrize("bits", [RUNS, EACH])
def test_two_pixels(bits: str) -> None:
    assert Brush(1, 2, packed(bits)).pixels("here").tolist() == [[False, True]]
    assert Brush(2, 1, packed(bits)).pixels("here").tolist() == [[False], [True]]


def test_the_helper_writes_these_bits() -> None:
    assert bytes(brush(np.array([[False, True]]))).hex() == packed(RUNS)


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0, 1), st.integers(0, 2**32 - 1), st.booleans())
def test_any_mask(height: int, width: int, share: float, seed: int, literal: bool) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < share
    read = Brush(height, width, bytes(brush(mask, literal)).hex()).pixels("here")
    np.testing.assert_array_equal(read, mask)


def test_a_long_run() -> None:
    """More than 2 ** 16 values are several runs."""
    mask = np.ones((300, 200), bool)
    assert Brush(300, 200, bytes(brush(mask)).hex()).pixels("here").all()


@pytest.mark.parametrize(
    ("bits", "message"),
    [
        (HEADER, "rle, expected 8 values, got bytes that end before them"),
        (RUNS[:-9], "rle, expected 8 values, got bytes that end before them"),
        (HEADER + "1 01 1111 00000000", "rle, expected 8 values, got a run that goes beyond them"),
        ("1" + RUNS[1:], f"rle, expected height x width x 4 = 8 values, got {2**31 + 8}"),
        ("", "rle, expected 8 values, got bytes that end before them"),
    ],
)
def test_bytes_that_are_damaged(bits: str, message: str) -> None:
    with pytest.raises(ValueError, match="expected") as fault:
        Brush(1, 2, packed(bits)).pixels("here")
    assert str(fault.value) == f"here: {message}"
