"""Deal whole recordings into folds, for a cross-validation in which every video is tested once."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

from objabn.index.listing import Listing
from objabn.stores.splits import fold_name


def deal_folds(listing: Listing, number: int, seed: int = 0) -> Listing:
    """Put the videos into folds in place of their splits, whole recordings at a time, classes evenly.

    Recordings are dealt one after another, the largest first, recordings of equal size in the order of a hash of seed
    and recording. Each goes into the fold in which its classes are emptiest, a class's videos counted as a share of all
    its videos; of several such folds into the one with the fewest videos, then the first.

    Args:
        number: of folds.

    Raises:
        ValueError: fewer than two folds, or fewer recordings than folds.
    """
    if number < 2:
        raise ValueError(f"--folds: expected 2 or more, got {number}")
    videos = listing.videos
    groups = listing.groups_of(videos["path"])
    held: dict[str, Counter[str]] = {}  # each recording -> how many videos of each class it holds
    for label, group in zip(videos["label"], groups, strict=True):
        held.setdefault(group, Counter())[label] += 1
    if len(held) < number:
        raise ValueError(f"--folds: expected at most {len(held)}, the recordings of the videos, got {number}")
    totals = Counter(videos["label"])
    dealt: list[Counter[str]] = [Counter() for _ in range(number)]  # videos of each class in each fold
    fold_of: dict[str, str] = {}
    for group in sorted(held, key=lambda each: (-held[each].total(), _hash(each, seed))):
        own = held[group]
        full = [sum(count * fold[label] / totals[label] for label, count in own.items()) for fold in dealt]
        # Rounded, so that shares that are equal but for the order of a sum stay equal.
        at = min(range(number), key=lambda each: (round(full[each], 9), dealt[each].total(), each))
        dealt[at] += own
        fold_of[group] = fold_name(at + 1)
    return replace(listing, videos=videos.assign(split=groups.map(fold_of)))


def _hash(group: str, seed: int) -> bytes:
    return hashlib.blake2b(f"fold/{seed}/{group}".encode()).digest()
