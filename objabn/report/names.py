"""What rows and maps are called, in sentences, tables and pictures."""

from collections import Counter
from collections.abc import Container, Iterable
from typing import NamedTuple

from objabn.config.rows import GRAD_CAM

CENTRE = "c"  # a bump in the middle of the frame
OWN = ("u", "o", "b")  # maps that a network is trained with; all others are of any network
MAP_NAMES = {  # by letter, in the order of all tables
    "u": "M_u",
    "o": "M_o",
    "b": "M_b",
    GRAD_CAM: "Grad-CAM",
    "s": "Grad-CAM (split)",
    "l": "LayerCAM",
    CENTRE: "centre",
    "m": "motion",
    "p": "RISE",
}
KEPT = (*OWN, GRAD_CAM)  # maps that pictures and the main table show
COMPARED = ("o", "u", GRAD_CAM)  # a row is compared by the first of these maps that it has

LETTERS = 28  # of a row's name in a picture


class Row(NamedTuple):
    """A row of the comparison table: a loss configuration, or a control."""

    attention: str  # abn, mask, mha, or the name of a control
    pc: bool  # with the PC loss; never for a control

    @property
    def name(self) -> str:
        """What the row is called in sentences.

        >>> Row("mask", True).name
        'mask + PC'
        """
        return f"{self.attention} + PC" if self.pc else self.attention


REFERENCE = Row("abn", False)  # the row that all others are compared with


def compared_map(names: Container[str], measure: str) -> str | None:
    """Choose the map that a row is compared by: the first of COMPARED of which there is the measure.

    Args:
        names: columns of the results of a row.

    >>> compared_map(["entropy_u", "entropy_o"], "entropy")
    'o'
    """
    return next((letter for letter in COMPARED if f"{measure}_{letter}" in names), None)


def short_names(names: Iterable[str], letters: int = LETTERS) -> dict[str, str]:
    """Shorten rows' names of more letters for pictures: their middle goes, and none is like another.

    >>> short_names(["abn", "masks_of_other_videos_of_the_same_class"])
    {'abn': 'abn', 'masks_of_other_videos_of_the_same_class': 'masks_of_other…he_same_class'}
    """
    names = list(names)
    first, last = letters // 2, letters - letters // 2 - 1
    short = {name: name if len(name) <= letters else f"{name[:first]}…{name[-last:]}" for name in names}
    alike = Counter(short.values())
    number = {name: at for at, name in enumerate(names, start=1)}
    return {
        name: each if alike[each] == 1 else f"{each} ({number[name]})"  # its place among the rows
        for name, each in short.items()
    }


def map_label(letter: str) -> str:
    """Return what a map is called beside pictures; `$...$` is mathematics.

    >>> map_label("o"), map_label("g")
    ('$M_o$', 'Grad-CAM')
    """
    return f"${MAP_NAMES[letter]}$" if letter in OWN else MAP_NAMES[letter]
