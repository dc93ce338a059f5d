"""Masks as Label Studio's brush stores them: runs of the values of an RGBA picture, packed into bits.

A header says how many values there are (32 bits), how many bits a value has (5 bits: that minus 1), and how many bits
each of four kinds of lengths has (four times 4 bits: that minus 1). Then come blocks until all values are there: a bit
that says whether one value is repeated (1) or each is given (0), two bits that choose the kind of length, the length
minus 1, and the value or the values. Bits are read from the highest of a byte on. The last of a pixel's four values is
its opacity: the mask is where it is above 0.
"""

from typing import NamedTuple

import numpy as np

_CHANNELS = 4
_NUM_BITS, _WORD_BITS, _LENGTH_BITS = 32, 5, 4  # of the header


class Brush(NamedTuple):
    """A mask as the file has it; JSON-serialisable."""

    height: int  # pixels
    width: int
    rle: str  # the packed bytes, as hex digits

    def pixels(self, where: str) -> np.ndarray:
        """Return the mask, bool (height, width).

        Raises:
            ValueError: the bytes end too early, or are not those of a picture of this size; `where` begins the line.
        """
        values = _unpacked(bytes.fromhex(self.rle), self.height * self.width * _CHANNELS, where)
        return values.reshape(self.height, self.width, _CHANNELS)[..., -1] > 0


def _unpacked(packed: bytes, expected: int, where: str) -> np.ndarray:
    """The values of a packed picture, int64 (expected,). Raises: ValueError as `Brush.pixels`."""
    bits = np.unpackbits(np.frombuffer(packed, np.uint8))
    at = 0

    def read(size: int, count: int = 1) -> np.ndarray:
        """The next `count` whole numbers of `size` bits each."""
        nonlocal at
        end = at + size * count
        if end > len(bits):
            raise ValueError(f"{where}: rle, expected {expected} values, got bytes that end before them")
        found = bits[at:end].reshape(count, size).astype(np.int64) @ (1 << np.arange(size - 1, -1, -1))
        at = end
        return found

    if (number := read(_NUM_BITS).item()) != expected:
        raise ValueError(f"{where}: rle, expected height x width x {_CHANNELS} = {expected} values, got {number}")
    word = read(_WORD_BITS).item() + 1
    lengths = (read(_LENGTH_BITS, 4) + 1).tolist()
    values = np.empty(expected, np.int64)
    done = 0
    while done < expected:
        is_run, kind = read(1).item(), read(2).item()
        length = read(lengths[kind]).item() + 1
        if done + length > expected:
            raise ValueError(f"{where}: rle, expected {expected} values, got a run that goes beyond them")
        values[done : done + length] = read(word, 1 if is_run else length)
        done += length
    return values
