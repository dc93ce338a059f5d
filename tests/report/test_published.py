import pytest

from objabn.report.published import NUMBERS, PUBLISHED, TABLES, beside_published, published_difference, standard_error


@pytest.mark.parametrize(
    ("accuracy", "num_videos", "error"), [(93.96, 3783, 0.387), (54.83, 24777, 0.316), (50.0, 100, 5.0), (100.0, 9, 0)]
)
def test_standard_error_of_the_test_sets_size(accuracy: float, num_videos: int, error: float) -> None:
    assert standard_error(accuracy, num_videos) == pytest.approx(error, abs=0.0005)


def test_what_is_beside_a_row_by_hand() -> None:
    result = {"top1": 92.62, "top5": 99.26, "entropy_o": 1.526, "entropy_u": 9.0, "iou_fit_o": 0.5}
    assert beside_published("ucf101", ("mask", False), result, 100) == pytest.approx(
        {
            "top1_published": 93.62,
            "top1_vs_published": -1.0,
            "top1_published_se": (93.62 * 6.38 / 100) ** 0.5,
            "top5_published": 99.26,
            "top5_vs_published": 0.0,
            "top5_published_se": (99.26 * 0.74 / 100) ** 0.5,
            "entropy_o_published": 2.026,
            "entropy_o_vs_published": -0.5,
        },
        abs=1e-6,
    )


@pytest.mark.parametrize(
    ("dataset", "row"), [(None, ("abn", False)), ("ssv2", ("abn", True)), ("ucf101", ("plain", False))]
)
def test_what_the_paper_does_not_report_stands_beside_nothing(dataset: str | None, row: tuple[str, bool]) -> None:
    assert beside_published(dataset, row, {"top1": 50.0}, 10) == {}


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
        ("ucf101", ("mha", False), ("abn", False), "top1", 88.93 - 93.96),
        ("ucf101", ("mha", False), ("abn", False), "entropy", 1.360 - 3.064),  # M_o against M_u
        ("ucf101", ("mask", True), ("mask", False), "entropy", 1.469 - 2.026),
        ("ssv2", ("mha", True), ("mask", True), "top1", 55.05 - 54.97),
        ("ucf101", ("mha", False), ("abn", False), "iou_truth", None),
        ("ssv2", ("mha", False), ("abn", False), "top1", None),
        ("ucf101", ("mask", False), ("plain", False), "top1", None),
        (None, ("mha", False), ("abn", False), "top1", None),
    ],
)
def test_the_papers_own_differences(
    dataset: str | None, row: tuple[str, bool], reference: tuple[str, bool], measure: str, expected: float | None
) -> None:
    assert published_difference(dataset, row, reference, measure) == pytest.approx(expected)
