"""Draw labels that are wrong on purpose (`labels` of a control).

A row trained with shuffled labels can learn nothing about the classes. What its maps are worth all the same, they do
not owe to the classes (Adebayo et al., Sanity Checks for Saliency Maps, NeurIPS 2018).
"""

import numpy as np

_SHUFFLE = 1  # beside the seed, so that this draw is no other's


def shuffled_labels(labels: np.ndarray, seed: int) -> np.ndarray:
    """Exchange the labels of videos at random.

    Every class keeps its number of videos, and each video keeps its own wrong label in all epochs. By chance some
    videos get a label of their own class: with eight classes alike in size, one video in eight.

    Args:
        labels: class numbers of the training videos, int (V,).
        seed: of the run; the permutation is drawn from it.

    >>> import numpy as np
    >>> labels = np.arange(6)
    >>> sorted(shuffled_labels(labels, 0).tolist()), (shuffled_labels(labels, 0) == shuffled_labels(labels, 1)).all()
    ([0, 1, 2, 3, 4, 5], np.False_)
    """
    return np.random.default_rng([seed, _SHUFFLE]).permutation(labels)
