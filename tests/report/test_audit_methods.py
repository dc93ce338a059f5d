"""The audits' tables of methods and of sanity checks, from numbers made up by hand."""

import numpy as np
import pandas as pd

from objabn.report.audit_methods import label_cells, method_cells, parts, sanity_cells
from tests.helpers.comparisons import numbers_of, results

NAN = np.nan
VIDEOS = ["a", "b"]
# Two seeds, two videos; RISE's map of the second video alone.
MASK = results(
    VIDEOS,
    insertion_o=[[0.5, 0.7], [0.6, 0.8]],
    insertion_g=[[0.4, 0.4], [0.4, 0.4]],
    insertion_b=[[0.1, 0.1], [0.1, 0.1]],
    insertion_p=[[NAN, 0.9], [NAN, 0.7]],
    insertion_random=[[0.3, 0.3], [0.3, 0.3]],
    pointing_o=[[1.0, 0.5], [1.0, 1.0]],
    pointing_p=[[NAN, 0.25], [NAN, 0.25]],
)
PLAIN = results(VIDEOS, insertion_g=[[0.2, 0.4], [0.2, 0.4]], insertion_random=[[0.1, 0.1], [0.1, 0.1]])


def lines(cells: pd.DataFrame) -> list[list[str]]:
    return [list(cells.columns), *cells.to_numpy().tolist()]


def test_methods_have_a_line_each_and_random_one() -> None:
    assert lines(method_cells({"plain": PLAIN, "mask": MASK}, ["u", "o", "b", "g"])) == [
        ["row", "map", "passes", "pointing %", "insertion"],
        ["plain", "Grad-CAM", "1 backward", "", "0.300 ± 0.000"],
        ["plain", "random", "", "", "0.100 ± 0.000"],
        # Seeds 0.6 and 0.7, and 75 and 100 %: their spread is the difference over the root of 2.
        ["mask", "M_o", "0", "87.5 ± 17.7", "0.650 ± 0.071"],
        ["mask", "Grad-CAM", "1 backward", "", "0.400 ± 0.000"],
        ["mask", "random", "", "", "0.300 ± 0.000"],
    ]


def test_rise_stands_beside_the_others_on_its_own_videos() -> None:
    found = parts({}, {"plain": PLAIN, "mask": MASK}, {})
    assert found[0].cells["map"].tolist() == ["Grad-CAM", "random", "M_o", "Grad-CAM", "random"]
    assert found[1].title == "RISE beside them, on 1 videos drawn by a fixed seed"
    assert found[1].cells[["map", "passes", "insertion"]].to_numpy().tolist() == [
        ["M_o", "0", "0.750 ± 0.071"],  # 0.7 and 0.8, of the second video
        ["Grad-CAM", "1 backward", "0.400 ± 0.000"],
        ["RISE", "256 forward", "0.800 ± 0.141"],
        ["random", "", "0.300 ± 0.000"],
    ]


def test_where_rise_has_all_videos_there_is_one_table() -> None:
    found = parts({}, {"mask": MASK.assign(insertion_p=0.8)}, {})
    assert "RISE" in found[0].cells["map"].tolist()
    assert found[1].cells.empty


def sanity(*rows: tuple[str, str, float, float], seed: int = 0) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["map", "step", "correlation", "compared"]).assign(seed=seed)


def test_steps_stand_in_the_order_of_the_longest_cascade() -> None:
    plain = sanity(("g", "another class", 0.5, 1.0), ("g", "res5", 0.25, 0.5), ("g", "res3", 0.0, 1.0),
                   ("g", "centre prior", 0.125, 1.0))  # fmt: skip
    mask = [
        sanity(("o", "another class", 1.0, 1.0), ("o", "res5", 1.0, 1.0), ("o", "attention branch", likeness, 0.9),
               ("o", "res3", NAN, 0.0), ("o", "centre prior", 0.4, 1.0), seed=seed)
        for seed, likeness in enumerate((0.1, 0.3))
    ]  # fmt: skip
    assert lines(sanity_cells({"plain": plain, "mask": pd.concat(mask)})) == [
        ["row", "map", "another class", "res5", "attention branch", "res3", "centre prior", "compared"],
        ["plain", "Grad-CAM", "0.50", "0.25", "", "0.00", "0.12", "0.50"],
        ["mask", "M_o", "1.00 ± 0.00", "1.00 ± 0.00", "0.20 ± 0.14", "", "0.40 ± 0.00", "0.00"],
    ]
    assert sanity_cells({}).empty


def test_shuffled_labels_stand_beside_the_row_that_learnt_them() -> None:
    mask = numbers_of({"top1": 96.875, "entropy_object_o": 1.5, "pointing_o": 0.95, "iou_truth_o": 0.6})
    shuffled = numbers_of({"top1": 12.5, "entropy_object_o": 1.25, "pointing_o": 0.5, "iou_truth_o": 0.4})
    cells = label_cells({"mask": mask, "shuffled-labels": shuffled})
    assert cells[["row", "top-1 %", "entropy", "pointing %"]].to_numpy().tolist() == [
        ["mask", "96.88", "1.500", "95.0"],
        ["shuffled-labels", "12.50", "1.250", "50.0"],
    ]
    assert label_cells({"mask": mask}).empty


def test_notes_say_what_a_map_cannot_show_and_where_labels_are_shuffled() -> None:
    without, beside = parts({"mask": {}}, {}, {}), parts({"mask": {}, "shuffled-labels": {}}, {}, {})
    assert "It cannot show why the network answered" in without[2].notes
    assert without[2].notes.endswith("`shuffled-labels` under `table.controls` adds the row that shows it.")
    assert not beside[2].notes.endswith("shows it.")


def test_networks_of_other_steps_have_a_table_of_their_own() -> None:
    """Plain lacks a step of mask's, and shares its table; the other network has the same names in another order."""

    def cascade(letter: str, *steps: str) -> pd.DataFrame:
        return sanity(*((letter, step, 0.5, 1.0) for step in ("another class", *steps, "centre prior")))

    rows = {
        "r3d": cascade("g", "fc", "layer4"),
        "plain": cascade("g", "res5", "res3"),
        "odd": cascade("g", "res3", "res5"),
        "mask": cascade("o", "res5", "attention branch", "res3"),
        "s3d": cascade("g", "fc", "layer4"),
    }
    found = [part for part in parts({}, {}, rows) if part.title.startswith("Do the maps depend on what")]
    assert [(part.title.partition("? ")[2], part.cells["row"].to_list()) for part in found] == [
        ("", ["plain", "mask"]), ("r3d, s3d", ["r3d", "s3d"]), ("odd", ["odd"])
    ]  # fmt: skip
    assert list(found[0].cells)[2:-1] == ["another class", "res5", "attention branch", "res3", "centre prior"]
    assert list(found[1].cells)[2:-1] == ["another class", "fc", "layer4", "centre prior"]
    assert "drawn anew" in found[0].notes
    assert found[1].notes.startswith("As above")
