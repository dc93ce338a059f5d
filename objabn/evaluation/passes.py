"""What maps cost beyond the network's answer, in passes of the network for a clip."""

from typing import NamedTuple

PERTURBATIONS = 256  # masks of RISE (`audits.perturbation`), a forward pass each


class Passes(NamedTuple):
    """How often the network is passed through for a clip's map, beside the forward pass of the answer."""

    forward: int
    backward: int


# By letter. The backward pass begins at the answer and ends at the split; g, s and l share one.
PASSES = {
    "u": Passes(0, 0),
    "o": Passes(0, 0),
    "b": Passes(0, 0),
    "g": Passes(0, 1),
    "s": Passes(0, 1),
    "l": Passes(0, 1),
    "c": Passes(0, 0),
    "m": Passes(0, 0),
    "p": Passes(PERTURBATIONS, 0),
}


def passes_text(letter: str) -> str:
    """Write the cost of a map.

    >>> [passes_text(letter) for letter in "ogp"]
    ['0', '1 backward', '256 forward']
    """
    return ", ".join(f"{number} {way}" for way, number in PASSES[letter]._asdict().items() if number) or "0"
