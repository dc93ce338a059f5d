"""Sample frames bilinearly on the CPU, with torch's weighted sums of rows (embedding bags).

A row holds the colours that a place of the frame has in several frames. A sampled point is the weighted sum of four
rows. grid_sample reads one number at a time, and takes nearly twice as long. Both give the same bits with AVX2: each
adds the four products in the same order, with fused multiply-adds.
"""

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

_FRAMES = 8  # in a row; with more, a large frame's rows do not fit into the cache


def has_fast_bags() -> bool:
    """Tell whether torch has its fast kernels of embedding bags here: on processors with AVX2 or AVX-512."""
    return torch.backends.cpu.get_cpu_capability().startswith("AVX")


def sample_with_bags(frames: Tensor, x: Tensor, y: Tensor, *, factor: float) -> Tensor:
    """Sample frames at the crossings of columns `x` and rows `y`, and multiply the result by `factor`.

    Returns float32 (B, T, S, S, 3). Beyond the frame's edge the edge's pixels go on.

    Args:
        frames: uint8 (B, T, H, W, 3), on the CPU.
        x, y: float32 (B, S), rising or falling, in grid_sample's coordinates without `align_corners`.
    """
    num_clips, num_frames, height, width, _ = frames.shape
    size = x.shape[1]
    sampled = torch.empty(num_clips, num_frames, size, size, 3)
    places, weights = torch.empty(size, size, 4, dtype=torch.int32), torch.empty(size, size, 4)
    bags = torch.arange(0, 4 * size * size + 1, 4, dtype=torch.int32)
    for clip in range(num_clips):
        columns, lines = _Neighbours(x[clip], width), _Neighbours(y[clip], height)
        pairs = product(lines.numbers_and_weights(), columns.numbers_and_weights())
        for corner, ((line, high), (column, wide)) in enumerate(pairs):
            torch.add(columns.length * line[:, None], column, out=places[..., corner])
            torch.mul(high[:, None], wide, out=weights[..., corner])
        cut = frames[clip, :, lines.first : lines.end, columns.first : columns.end]
        for frame, group in enumerate(cut.split(_FRAMES)):
            number, at = len(group), frame * _FRAMES
            colours = group.reshape(number, -1).float().t().contiguous().view(-1, 3 * number)  # (H * W, 3 * frames)
            points = F.embedding_bag(
                places.view(-1),
                colours,
                bags,
                mode="sum",
                per_sample_weights=weights.view(-1),
                include_last_offset=True,
            )  # (S * S, 3 * frames)
            torch.mul(points.view(-1, number).t(), factor, out=sampled[clip, at : at + number].view(number, -1))
    return sampled


class _Neighbours:
    """The pixels on both sides of each place along an axis, counted from the first pixel that is needed.

    float64 stands for the fused multiply-add of grid_sample's kernel: both round once.
    """

    def __init__(self, at: Tensor, size: int) -> None:
        place = ((at + 1).double() * (size / 2) - 0.5).float().clamp(0, size - 1)
        before = place.floor()
        number = before.int()
        after = (number + 1).clamp(max=size - 1)
        self.first, self.end = int(number.min()), int(after.max()) + 1
        self.length = self.end - self.first
        self._before, self._after, self._distance = number - self.first, after - self.first, place - before

    def numbers_and_weights(self) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Return the pixels before and behind each place, each with its weight, int32 and float32 (S,)."""
        return (self._before, 1 - self._distance), (self._after, self._distance)
