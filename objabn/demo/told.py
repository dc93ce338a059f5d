"""Say in words and numbers what an explanation found, for a page."""

from typing import Any

import numpy as np

from objabn.explanation.explanation import Explanation
from objabn.index.names import printable
from objabn.report.names import MAP_NAMES

TOP = 5  # most probable classes
WHAT_A_MAP_IS = {
    "u": "attention that was trained without masks",
    "o": "attention that was trained to lie on the objects",
    "b": "attention that was trained to lie on the background",
    "g": "cells that raise the score of each clip's most probable class",
}


def told_classes(explanation: Explanation) -> list[dict[str, Any]]:
    """List the most probable classes with their probabilities in [0, 1], the most probable first."""
    return [{"name": printable(name), "probability": round(own, 6)} for name, own in explanation.top(TOP)]


def told_maps(explanations: list[Explanation]) -> list[dict[str, str]]:
    """Describe each map: `name`, `about` (what it is), and `entropy` in words."""
    told = []
    for explanation in explanations:
        most = np.log2(explanation.evaluation.entropy_bins)
        for letter, figures in explanation.summary()["maps"].items():
            told.append(
                {
                    "name": MAP_NAMES[letter],
                    "about": WHAT_A_MAP_IS.get(letter, ""),
                    "entropy": entropy_in_words(figures["entropy_bits"], figures["flat_share"], most),
                }
            )
    return told


def entropy_in_words(bits: float | None, flat_share: float, most: float) -> str:
    """Say how many bits a map's entropy is, of how many, and where it has none.

    >>> entropy_in_words(1.234, 0.0, 3.3219), entropy_in_words(1.0, 0.25, 3.3219)
    ('1.23 of 3.32 bits', '1.00 of 3.32 bits; 25 % of its frames are flat and have none')
    """
    if bits is None:
        return "none, since the map is flat in all frames: it marks nothing"
    words = f"{bits:.2f} of {most:.2f} bits"
    return (
        words
        if flat_share == 0
        else f"{words}; {flat_share:.0%} of its frames are flat and have none".replace("%", " %")
    )


def what_entropy_means(bins: int) -> str:
    """Explain the measure in a few short sentences."""
    return (
        f"Entropy says how sharp a map is, in bits, from 0 to {np.log2(bins):.2f}: how evenly its cells are spread "
        f"over {bins} levels from low to high. A sharp map, a few high cells among low ones, has few bits. The number "
        "does not say whether the map lies at the right place."
    )


def told_video(explanation: Explanation, shown: int) -> list[str]:
    """Say how long the video is, which of its frames the network saw, and which of those the page shows.

    Args:
        shown: frames on the page.
    """
    seen, total = len(explanation.frames), explanation.num_frames
    seconds = total / explanation.fps
    every = int(explanation.frames[1] - explanation.frames[0]) if seen > 1 else 1
    share = "all of them" if seen == total else f"{seen:,} of them" + f", one in {every}" * (seen > 1)
    lines = [f"{total:,} frames, {seconds:.1f} s. The network saw {share}."]
    if shown < seen:
        lines.append(
            f"The page shows {shown:,} of these, evenly spread, to keep memory small. The files have all of them."
        )
    promised = explanation.promised_frames
    if promised is not None and total < promised:
        lines.append(f"The file is cut or broken: {total:,} of {promised:,} frames could be decoded.")
    return lines
