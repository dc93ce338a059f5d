"""The paper's numbers beside ours."""

import pytest

from objabn.report.names import Row
from objabn.report.published import NUMBERS, PUBLISHED, TABLES, beside_published, published_difference, standard_error
from tests.helpers.comparisons import numbers_of


@pytest.mark.parametrize(
    ("accuracy", "num_videos", "error"), [(93.96, 3783, 0.387), (54.83, 24777, 0.316), (50.0, 100, 5.0), (100.0, 9, 0)]
)
def test_standard_error_of_the_test_sets_size(accuracy: float, num_videos: int, error: float) -> None:
    assert standard_error(accuracy, num_videos) == pytest.approx(error, abs=0.0005)


def test_what_is_beside_a_row_by_hand() -> None:
    result = {"top1": 92.62, "top5": 99.26, "entropy_o": 1.526, "entropy_u": 9.0, "iou_fit_o": 0.5}
    compared = beside_published("ucf101", Row("mask", False), numbers_of(result), 100)
    assert list(compared) == [("top1", ""), ("top5", ""), ("entropy", "o")]
    assert compared["top1", ""] == pytest.approx((93.62, -1.0, (93.62 * 6.38 / 100) ** 0.5))
    assert compared["top5", ""] == pytest.approx((99.26, 0.0, (99.26 * 0.74 / 100) ** 0.5), abs=1e-9)
    assert compared["entropy", "o"][:2] == pytest.approx((2.026, -0.5))
    assert compared["entropy", "o"].error is None


@pytest.mark.parametrize(
    ("dataset", "row"), [(None, Row("abn", False)), ("ssv2", Row("abn", True)), ("ucf101", Row("plain", False))]
)
def test_what_the_paper_does_not_report_stands_beside_nothing(dataset: str | None, row: Row) -> None:
    assert beside_published(dataset, row, numbers_of({"top1": 50.0}), 10) == {}


def test_each_row_has_the_maps_of_its_configuration() -> None:
    maps = {"abn": (True, False, False), "mask": (False, True, False), "mha": (True, True, True)}
    assert TABLES.keys() == PUBLISHED.keys()
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
        ("ucf101", Row("mha", False), Row("abn", False), "entropy", 1.360 - 3.064),  # M_o against M_u
        ("ucf101", Row("mask", True), Row("mask", False), "entropy", 1.469 - 2.026),
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
