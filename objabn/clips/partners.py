"""For each video another one, of another class: whose maps, masks or background stand in place of its own."""

import numpy as np

_SWAPS = 8  # tried, for each video


def partners(classes: np.ndarray, seed: int = 0) -> np.ndarray:
    """Each video's partner, int64 (V,): a permutation in which none is its own.

    No partner is of the video's own class unless more than half of the videos are of one class; then as few as
    possible are. The same for the same classes and seed.

    Args:
        classes: int (V,).

    Raises:
        ValueError: fewer than two videos.
    """
    num_videos = len(classes)
    if num_videos < 2:
        raise ValueError(f"expected at least two videos to exchange maps, masks or backgrounds, got {num_videos}")
    draw = np.random.default_rng(seed)
    order = draw.permutation(num_videos)
    order = order[np.argsort(classes[order], kind="stable")]
    # Along the classes' blocks, a step as long as the longest leads out of every block that can be left.
    step = int(np.bincount(classes).max()) % num_videos or 1
    found = np.empty(num_videos, np.int64)
    found[order] = np.roll(order, -step)
    # So far a class meets one or two others only: exchange partners wherever both stay of another class.
    for one, two in draw.integers(num_videos, size=(_SWAPS * num_videos, 2)).tolist():
        if classes[one] != classes[found[two]] and classes[two] != classes[found[one]]:
            found[one], found[two] = found[two], found[one]
    return found
