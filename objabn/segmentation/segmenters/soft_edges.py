"""Tell ids of instances from grey levels of soft edges, by how the values of a video's masks lie beside each other.

Smoothing, scaling and JPEG put thin bands of values between background and object: most pixels of such a value have
both a smaller and a larger one among their eight neighbours. Pixels of an instance do not, but for slivers behind
others, so all frames of a video count together.
"""

import cv2
import numpy as np

FULL = 255  # white: the object in a mask of 0 and 255, and what void is called elsewhere
_NUM_VALUES = 1 << 16
_NOISE = 12  # values without FULL among which specks are no instances any more
_SMALL = 32  # ids below it are counted, as those that have FULL for void; others are spread over the grey levels
_KERNEL = np.ones((3, 3), np.uint8)


class GreyValues:
    """What is known of the values in a video's masks."""

    def __init__(self) -> None:
        self._pixels, self._between = np.zeros((2, _NUM_VALUES), np.int64)
        self._has_inside = np.zeros(_NUM_VALUES, bool)  # a pixel whose eight neighbours have its value
        self._is_beside_zero = np.zeros(_NUM_VALUES, bool)

    def add(self, values: np.ndarray) -> None:
        """Look at the masks of one more frame, uint8 or uint16 (H, W)."""
        least, most = cv2.erode(values, _KERNEL), cv2.dilate(values, _KERNEL)  # of a pixel and its neighbours
        self._pixels += np.bincount(values.ravel(), minlength=_NUM_VALUES)
        self._between += np.bincount(values[(least < values) & (values < most)], minlength=_NUM_VALUES)
        self._has_inside[values[least == most]] = True
        self._is_beside_zero[values[least == 0]] = True

    def values(self) -> np.ndarray:
        """List the values above 0, int64 (n,), rising."""
        return 1 + np.flatnonzero(self._pixels[1:])

    def has_soft_edges(self) -> bool:
        """Tell whether most values but the largest are bands between others, or specks that JPEG leaves."""
        *lower, highest = self.values().tolist() or [0]
        bands = sum(2 * self._between[value] >= self._pixels[value] for value in lower)
        specks = sum(not self._has_inside[value] for value in lower)
        may_be_noise = highest == FULL or len(lower) >= _NOISE
        return bool(lower) and bool(2 * bands >= len(lower) or (may_be_noise and specks >= 0.9 * len(lower)))

    def is_full_unclear(self) -> bool:
        """Tell whether FULL may be void or, all around inside another value, the sure part of an object (a trimap)."""
        *lower, highest = self.values().tolist() or [0]
        is_inside = len(lower) == 1 and not self._is_beside_zero[FULL]
        return highest == FULL and bool(lower) and (lower[-1] < _SMALL or is_inside)
