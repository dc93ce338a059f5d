"""What DVC shows of a row: which of its numbers, and the data of its plots counted by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.evaluation.results import write_results
from objabn.report.study import confusion, entropies, headline
from tests.helpers.comparisons import numbers_of

ALL = {"flat_share": 0.0, "iou_fit": 0.4, "iou_truth": 0.5, "pointing": 0.9, "energy": 0.3, "iou_best": 0.6}


def row(letters: str, truth: bool = True, **changed: float) -> dict[str, float]:
    """A row's result: each number of each map, and some of three seeds' spreads."""
    found = {"top1": 90.0, "top5": 99.0, "top1_std": 1.0}
    for letter in letters:
        found[f"entropy_{letter}"] = 2.0
        found |= {
            f"{kind}_{letter}": value for kind, value in ALL.items() if truth or kind in ("flat_share", "iou_fit")
        }
    return found | changed


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (row("u"), ["top1", "top5", "entropy_u", "pointing_u", "iou_truth_u"]),
        (row("o"), ["top1", "top5", "entropy_o", "pointing_o", "iou_truth_o"]),
        (row("uob"), ["top1", "top5", "entropy_u", "entropy_o", "entropy_b", "pointing_o", "iou_truth_o"]),
        (row("g"), ["top1", "top5", "entropy_g", "pointing_g", "iou_truth_g"]),
        (row("o", truth=False), ["top1", "top5", "entropy_o", "iou_fit_o"]),
        (row("o", flat_share_o=0.25), ["top1", "top5", "entropy_o", "flat_share_o", "pointing_o", "iou_truth_o"]),
        ({"top1": 1.0, "top5": 2.0}, ["top1", "top5"]),
        (row("ogslcm"), ["top1", "top5", "entropy_o", "pointing_o", "iou_truth_o"]),  # of its own maps alone
        (
            row("o", entropy_object_o=1.5, entropy_object_g=1.0, ece=0.125, top1_even=72.5),
            ["top1", "top5", "top1_even", "ece", "entropy_o", "entropy_object_o", "pointing_o", "iou_truth_o"],
        ),
    ],
)
def test_few_metrics(result: dict[str, float], expected: list[str]) -> None:
    found = headline(numbers_of(result))
    spread = ["top1_std"] if "top1_std" in result else []
    assert list(found) == expected + spread
    assert all(result[name] == value for name, value in found.items())


def test_spreads_over_seeds_follow_the_numbers_that_are_shown() -> None:
    result = row("uob") | {"entropy_o_std": 0.0123456789, "iou_best_o_std": 0.5, "pointing_o_std": 0.0}
    found = headline(numbers_of(result))
    numbers = ["top1", "top5", "entropy_u", "entropy_o", "entropy_b", "pointing_o", "iou_truth_o"]
    assert list(found) == [*numbers, "top1_std", "entropy_o_std", "pointing_o_std"]
    assert [found[name] for name in ("top1_std", "entropy_o_std", "pointing_o_std")] == [1.0, 0.012346, 0.0]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Four videos; the network of `mha` has three maps, of which M_o counts."""
    path = tmp_path / "r.parquet"
    table = {"video": list("abcd"), "label": ["x", "x", "y", "y"], "predicted": ["x", "y", "y", "x"],
             "top1": [1, 0, 1, 0], "entropy_u": [3.0] * 4, "entropy_o": [0.0, 1.0, np.nan, np.log2(10)], "seed": 0,
             }  # fmt: skip
    write_results(path, [pd.DataFrame(table)])
    return path


def test_confusion_has_a_line_a_video(results: Path) -> None:
    found = confusion(results)
    assert list(found) == ["actual", "predicted"]
    assert found.to_numpy().tolist() == [["x", "x"], ["x", "y"], ["y", "y"], ["y", "x"]]


def test_histogram_of_the_map_that_counts(results: Path) -> None:
    found = entropies(results)
    assert len(found) == 33
    filled = found[found["videos"] > 0]
    assert filled["videos"].tolist() == [25, 25, 25]  # the fourth has no entropy
    assert filled["bits"].tolist() == pytest.approx([0.05, 0.956, 3.272], abs=0.001)  # bins of log2(10) / 33 bits
