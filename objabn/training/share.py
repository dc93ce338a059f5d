"""Choose a share of the training videos, for learning curves."""

import hashlib
from collections import Counter, deque

import numpy as np
import pandas as pd


def chosen_videos(labels: pd.Series, groups: pd.Series, share: float, seed: int | str) -> np.ndarray:
    """Choose about a share of the videos, whole recordings at a time, classes evenly.

    Returns bool (V,). The recordings stand in one order that does not depend on the share: at each step comes a
    recording of the class of which the smallest part has come so far, and of its recordings the next by a hash of seed
    and recording. The first of them are chosen, until `share` of the videos is reached, and until every class is there.
    So what a small share chooses, a larger one chooses, too.

    Args:
        labels: of the videos, (V,).
        groups: the recordings that they are cut from, in the same order.

    >>> labels, groups = pd.Series(["a", "a", "b", "b"]), pd.Series(["1", "1", "2", "2"])
    >>> chosen_videos(labels, groups, 0.1, seed=0).tolist()  # every class is there
    [True, True, True, True]
    """
    totals, sizes = Counter(labels), Counter[str](groups)
    held: dict[str, Counter[str]] = {}  # each recording -> how many videos of each class it holds
    for label, group in zip(labels, groups, strict=True):
        held.setdefault(group, Counter())[label] += 1
    waiting: dict[str, deque[str]] = {label: deque() for label in totals}  # of each class its recordings in their order
    for group in sorted(held, key=lambda each: hashlib.blake2b(f"share/{seed}/{each}".encode()).digest()):
        for label in held[group]:
            waiting[label].append(group)
    come: Counter[str] = Counter()  # videos of each class
    chosen: set[str] = set()
    number = 0
    while waiting and (number < round(share * len(labels)) or len(come) < len(totals)):
        rarest = min(waiting, key=lambda label: (round(come[label] / totals[label], 9), label))
        while waiting[rarest] and waiting[rarest][0] in chosen:  # it came with another class
            waiting[rarest].popleft()
        if not waiting[rarest]:
            del waiting[rarest]
            continue
        group = waiting[rarest].popleft()
        chosen.add(group)
        come += held[group]
        number += sizes[group]
    return groups.isin(chosen).to_numpy()
