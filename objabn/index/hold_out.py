"""Draw videos from train for the split val, which trainings are watched on."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

from objabn.index.listing import Listing


def hold_out(listing: Listing, share: float, seed: int = 0) -> Listing:
    """Move about `share` of each class's train videos to val, whole recordings at a time.

    A class with two train recordings or more gives one at least, and keeps one. A recording of which another split has
    a video, too, is not drawn. The order is a hash of seed and recording, so the same seed moves the same videos.

    Raises:
        ValueError: a share outside 0..1, a listing with val videos of its own, no class with two train recordings.
    """
    if not 0 < share < 1:
        raise ValueError(f"--val-share: expected a number above 0 and below 1, got {share:g}")
    videos = listing.videos
    own = int((videos["split"] == "val").sum())
    if own:
        raise ValueError(f"--val-share: expected a list without val videos, got {own}; leave the option out")
    groups = listing.groups_of(videos["path"])
    in_train = videos["split"] == "train"
    is_whole = in_train.groupby(groups).transform("all")  # false where a recording lies in test, too
    sizes: dict[str, Counter[str]] = {}  # each class's recordings that may be drawn -> how many videos of it they hold
    labels: dict[str, set[str]] = {}  # each such recording -> its classes: one may show several actions
    for label, group in zip(videos["label"][is_whole], groups[is_whole], strict=True):
        sizes.setdefault(label, Counter())[group] += 1
        labels.setdefault(group, set()).add(label)
    left = groups[in_train].groupby(videos["label"][in_train]).nunique().to_dict()  # train recordings of each class
    totals = videos["label"][in_train].value_counts()
    drawn: set[str] = set()
    for label in sorted(sizes):
        target = share * totals[label]
        taken = sum(size for group, size in sizes[label].items() if group in drawn)
        for group in sorted(sizes[label].keys() - drawn, key=lambda each: _hash(each, seed)):
            more = taken + sizes[label][group]
            if taken and abs(more - target) >= abs(taken - target):
                break
            if any(left[each] < 2 for each in labels[group]):
                continue
            for each in labels[group]:
                left[each] -= 1
            drawn.add(group)
            taken = more
    if not drawn:
        raise ValueError("--val-share: expected a class with two train recordings or more, got none; leave it out")
    is_drawn = is_whole & groups.isin(drawn)
    return replace(listing, videos=videos.assign(split=videos["split"].mask(is_drawn, "val")))


def _hash(group: str, seed: int) -> bytes:
    return hashlib.blake2b(f"val/{seed}/{group}".encode()).digest()
