"""Boxes on the grid of 128 x 128 cells, by hand."""

import numpy as np
import pytest

from objabn.stores.masks import GRID
from objabn.truth.boxes import Boxes, clip_boxes, draw_boxes


def drawn(*boxes: tuple[float, float, float, float]) -> np.ndarray:
    """The cells of the persons' boxes in one frame, bool (128, 128)."""
    found = Boxes(np.ones(1, bool), np.zeros(len(boxes), int), np.array(boxes), np.zeros(len(boxes), int))
    planes = draw_boxes(found)
    assert planes.shape == (1, 2, GRID, GRID)
    assert not planes[0, 1].any()
    assert set(np.unique(planes)) <= {0, 255}
    return planes[0, 0] == 255


def test_a_box_on_the_edges_of_cells() -> None:
    expected = np.zeros((GRID, GRID), bool)
    expected[64:, 32:96] = True
    np.testing.assert_array_equal(drawn((0.25, 0.5, 0.75, 1.0)), expected)


@pytest.mark.parametrize(
    ("x1", "y1", "cells"),
    [
        (1.5, 1.0, 2),  # half of the second cell
        (1.49, 1.0, 1),
        (1.0, 0.5, 1),
        (1.75, 0.75, 2),  # 0.75 * 0.75 of the second cell
        (1.5, 0.5, 1),  # a quarter of it
        (0.5, 0.9, 0),
    ],
)
def test_a_cell_counts_from_half_of_it_on(x1: float, y1: float, cells: int) -> None:
    found = drawn((0.0, 0.0, x1 / GRID, y1 / GRID))
    assert (found.sum(), found[0].sum()) == (cells, cells)


def test_boxes_of_several_frames_and_groups_unite() -> None:
    boxes = np.array([[0, 0, 0.5, 1], [0.25, 0, 0.75, 1], [0, 0, 1, 0.5]])
    planes = draw_boxes(Boxes(np.ones(3, bool), np.array([1, 1, 2]), boxes, np.array([0, 0, 1])))
    assert (planes > 0).sum(axis=(2, 3)).tolist() == [[0, 0], [96 * 128, 0], [0, 64 * 128]]


def test_boxes_are_cut_off_at_the_frame() -> None:
    boxes, is_inside = clip_boxes(np.array([[-0.5, 0.5, 0.25, 1.5], [1.0, 0, 1.5, 1], [0.5, 0.5, 0.5, 0.75]]))
    assert boxes[0].tolist() == [0, 0.5, 0.25, 1]
    assert is_inside.tolist() == [True, False, False]
