"""Colours of rows: apart for those who cannot tell red from green, seen on white, the same in every picture."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from objabn.config.file import load_params
from objabn.report.colours import MAP_COLOURS, row_colours, row_marks
from objabn.report.names import Row

ROOT = Path(__file__).parents[2]
# Of linear RGB: what a dichromat sees (Machado, Oliveira and Fernandes 2009, severity 1), and CIE XYZ of sRGB.
SIGHTS = {
    "trichromat": np.eye(3),
    "deuteranope": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanope": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
TO_XYZ = np.array([[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07217], [0.01933, 0.11919, 0.95030]])
WHITE = np.array([0.95047, 1.0, 1.08883])
APART, CONTROLS_APART = 35, 15  # CIELAB; 2.3 is just noticed
GROUNDS = ("#ffffff", "#f6f8fa")  # of the page: white, and what stands out from it


def linear(colour: str) -> np.ndarray:
    """Linear RGB in [0, 1] of "#rrggbb"."""
    levels = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear RGB."""
    shares = TO_XYZ @ np.clip(rgb, 0, 1) / WHITE
    x, y, z = np.where(shares > 216 / 24389, np.cbrt(shares), (24389 / 27 * shares + 16) / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def least_distance(colours: list[str], sight: str) -> float:
    seen = [lab(SIGHTS[sight] @ linear(colour)) for colour in colours]
    return min(float(np.linalg.norm(one - other)) for one, other in combinations(seen, 2))


def contrast(colour: str, ground: str) -> float:
    """Of WCAG."""
    dark, light = sorted(float(linear(each) @ TO_XYZ[1]) for each in (colour, ground))
    return (light + 0.05) / (dark + 0.05)


def test_the_measures_by_hand() -> None:
    """Distances in CIELAB of colours whose CIELAB is known; black on white has the most contrast, 21:1."""
    np.testing.assert_allclose(lab(linear("#ff0000")), [53.24, 80.09, 67.20], atol=0.02)
    assert least_distance(["#000000", "#ffffff"], "trichromat") == pytest.approx(100, abs=0.01)
    assert contrast("#000000", "#ffffff") == pytest.approx(21, abs=0.001)
    red, green = "#b85c5c", "#7f7f45"
    assert least_distance([red, green], "deuteranope") < 0.5 * least_distance([red, green], "trichromat")


@pytest.mark.parametrize("sight", SIGHTS)
def test_rows_can_be_told_apart(sight: str) -> None:
    table = load_params(ROOT / "params.yaml").table
    rows = [Row(name, False) for name in (*table.controls, *table.attention)]
    own = [*row_colours(rows).values()]
    assert len(own) == len(set(own)) == 4
    assert least_distance(own, sight) > APART
    assert least_distance([*MAP_COLOURS.values()], sight) > APART
    more = [*rows, *(Row(f"control-{at}", False) for at in range(6))]
    assert least_distance([*row_colours(more).values()], sight) > CONTROLS_APART


@pytest.mark.parametrize("ground", GROUNDS)
def test_rows_are_seen_on_the_page(ground: str) -> None:
    rows = [Row(name, False) for name in ("plain", "abn", "mask", "mha", *(f"control-{at}" for at in range(6)))]
    assert min(contrast(colour, ground) for colour in (*row_colours(rows).values(), *MAP_COLOURS.values())) >= 3


def test_a_row_with_pc_has_the_mark_of_the_row_without() -> None:
    marks = row_marks([Row("abn", False), Row("abn", True), Row("mine", False)])
    assert marks[Row("abn", False)] == marks[Row("abn", True)] != marks[Row("mine", False)]


def test_a_row_has_its_mark_whatever_rows_of_the_table_stand_beside_it() -> None:
    """Audits are of the rows without PC, in another order."""
    controls = [Row(f"control-{at}", False) for at in range(20)]
    losses = [Row(name, pc) for name in ("abn", "mask", "mha") for pc in (False, True)]
    table, audits = row_marks([*controls, *losses]), row_marks([*losses[::2], *controls])
    assert all(table[row] == mark for row, mark in audits.items())
    assert len({table[row] for row in controls}) == 20
