"""What rows and maps are called, in sentences, tables and pictures."""

from typing import NamedTuple

from objabn.config.rows import GRAD_CAM

MAP_NAMES = {"u": "M_u", "o": "M_o", "b": "M_b", GRAD_CAM: "Grad-CAM"}  # by letter, in the order of all tables


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


def map_label(letter: str) -> str:
    """Return what a map is called beside pictures; `$...$` is mathematics.

    >>> map_label("o"), map_label("g")
    ('$M_o$', 'Grad-CAM')
    """
    return MAP_NAMES[letter] if letter == GRAD_CAM else f"${MAP_NAMES[letter]}$"
