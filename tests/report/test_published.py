"""The paper's numbers beside ours."""

import math

import numpy as np
import pandas as pd
import pytest

from objabn.report.names import Row
from objabn.report.published import (
    NUMBERS,
    PUBLISHED,
    REMARKS,
    TABLES,
    beside_published,
    difference_error,
    published_difference,
)
from tests.helpers.comparisons import numbers_of, results


def answered(*shares: float, videos: int = 20) -> pd.DataFrame:
    """Results of trainings that answer these shares of the videos rightly, top-5 all."""
    top1 = [[float(at < share * videos) for at in range(videos)] for share in shares]
    return results([f"v{at:02d}" for at in range(videos)], top1=top1, top5=np.ones((len(shares), videos)))


def test_of_one_training_the_error_is_that_of_two_test_sets() -> None:
    """A share's variance is p (1 - p) / (n - 1) here, 20 / 19 of p (1 - p) / n, and so is theirs."""
    ours, theirs = 75 * 25 / 19, 20 / 19 * 90 * 10 / 20
    assert difference_error(90.0, answered(0.75), "top1", None) == pytest.approx(math.sqrt(ours + theirs))
    assert difference_error(99.0, answered(0.75), "top5", None) == pytest.approx(math.sqrt(99 * 1 / 20))


def test_recordings_count_on_both_sides() -> None:
    """Four videos of each recording are all right or all wrong: five independent answers, of ours and of theirs."""
    table = answered(0.8)
    recordings = pd.Series([f"r{at // 4}" for at in range(20)], table["video"])
    clustered = math.sqrt(80 * 20 / 4 + 5 / 4 * 90 * 10 / 5)
    assert difference_error(90.0, table, "top1", recordings) == pytest.approx(clustered)
    alone = math.sqrt(80 * 20 / 19 + 20 / 19 * 90 * 10 / 20)
    assert difference_error(90.0, table, "top1", None) == pytest.approx(alone)
    assert clustered > 1.9 * alone


def test_trainings_count_on_both_sides() -> None:
    """Ours 70, 80 and 90 %, each answer's right or wrong shared as far as it goes; theirs is one more training."""
    table = answered(0.7, 0.8, 0.9)
    values = 100 * table["top1"].to_numpy().reshape(3, 20)
    covariance = np.cov(values) / 20
    trainings = 100.0  # variance of 70, 80 and 90
    ours = (trainings + 3 * covariance[~np.eye(3, dtype=bool)].mean()) / 3
    clustering = 20 / 19
    expected = math.sqrt(ours + clustering * 90 * 10 / 20 + trainings)
    assert difference_error(90.0, table, "top1", None) == pytest.approx(expected)


def test_what_is_beside_a_row_by_hand() -> None:
    result = {"top1": 92.62, "top5": 99.26, "entropy_o": 1.526, "entropy_u": 9.0, "iou_fit_o": 0.5}
    table = answered(0.75)
    compared = beside_published("ucf101", Row("mask", False), numbers_of(result), table)
    assert list(compared) == [("top1", ""), ("top5", ""), ("entropy", "o")]
    assert compared["top1", ""] == pytest.approx((93.62, -1.0, difference_error(93.62, table, "top1", None)))
    assert compared["top5", ""] == pytest.approx((99.26, 0.0, (99.26 * 0.74 / 20) ** 0.5), abs=1e-9)
    assert compared["entropy", "o"][:2] == pytest.approx((2.026, -0.5))
    assert compared["entropy", "o"].error is None
    without_top5 = beside_published("ucf101", Row("mask", False), numbers_of(result), table.drop(columns="top5"))
    assert without_top5["top5", ""].error is None
    fours = pd.Series([f"r{at // 4}" for at in range(20)], table["video"])
    clustered = beside_published("ucf101", Row("mask", False), numbers_of(result), table, fours)
    assert clustered["top1", ""].error > 1.5 * compared["top1", ""].error


@pytest.mark.parametrize(
    ("dataset", "row"), [(None, Row("abn", False)), ("ssv2", Row("abn", True)), ("ucf101", Row("plain", False))]
)
def test_what_the_paper_does_not_report_stands_beside_nothing(dataset: str | None, row: Row) -> None:
    assert beside_published(dataset, row, numbers_of({"top1": 50.0}), answered(0.5)) == {}


def test_each_row_has_the_maps_of_its_configuration() -> None:
    maps = {"abn": (True, False, False), "mask": (False, True, False), "mha": (True, True, True)}
    assert TABLES.keys() == PUBLISHED.keys()
    assert REMARKS.keys() <= PUBLISHED.keys()
    for rows in PUBLISHED.values():
        for (attention, _), values in rows.items():
            top1, top5, *entropies = values
            assert len(values) == len(NUMBERS)
            assert top1 is not None
            assert top5 is not None
            assert 50 < top1 < top5 < 100
            assert tuple(value is not None for value in entropies) == maps[attention]
            assert all(1.3 < value < 3.3219 for value in entropies if value is not None)


@pytest.mark.parametrize(
    ("dataset", "row", "reference", "measure", "expected"),
    [
        ("ucf101", Row("mha", False), Row("abn", False), "top1", 88.93 - 93.96),
        ("ucf101", Row("mha", False), Row("abn", False), "entropy_object", 1.360 - 3.064),  # M_o against M_u
        ("ucf101", Row("mask", True), Row("mask", False), "entropy_object", 1.469 - 2.026),
        ("ssv2", Row("mha", True), Row("mask", True), "top1", 55.05 - 54.97),
        ("ucf101", Row("mha", False), Row("abn", False), "iou_truth", None),
        ("ssv2", Row("mha", False), Row("abn", False), "top1", None),
        ("ucf101", Row("mask", False), Row("plain", False), "top1", None),
        (None, Row("mha", False), Row("abn", False), "top1", None),
    ],
)
def test_the_papers_own_differences(
    dataset: str | None, row: Row, reference: Row, measure: str, expected: float | None
) -> None:
    assert published_difference(dataset, row, reference, measure) == pytest.approx(expected)
