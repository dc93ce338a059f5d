"""Pair each video with a video of another class.

The partner's maps, masks or background stand in place of the video's own.
"""

import numpy as np

_SWAPS = 8  # exchanges tried, for each video


def partners(classes: np.ndarray, seed: int = 0) -> np.ndarray:
    """Choose a partner for each video.

    Returns the partners' numbers, int64 (V,): a permutation in which no video is its own partner. A partner is of
    another class than the video, unless more than half of the videos are of one class. In that case as few partners as
    possible are of the video's own class. The result is the same for the same classes and seed.

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
    # In `order` each class is a block. A step as long as the longest block leads out of every block that can be left.
    step = int(np.bincount(classes).max()) % num_videos or 1
    partner = np.empty(num_videos, np.int64)
    partner[order] = np.roll(order, -step)
    # So far a class is paired with one or two classes only. Two videos exchange partners wherever both new partners are
    # of another class.
    for first, second in draw.integers(num_videos, size=(_SWAPS * num_videos, 2)).tolist():
        if classes[first] != classes[partner[second]] and classes[second] != classes[partner[first]]:
            partner[first], partner[second] = partner[second], partner[first]
    return partner
