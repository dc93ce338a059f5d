"""The comparison table: which rows and columns, each cell by hand, and what the picture shows."""

from collections.abc import Mapping, Sequence

import pandas as pd
import pytest

from objabn.report.beside_paper import published_notes
from objabn.report.intervals import scope
from objabn.report.main_table import difference_notes, main_notes
from objabn.report.names import Row
from objabn.report.tables import to_markdown
from tests.helpers.comparisons import EMBEDDED, made_comparison, results

RESULTS = {
    Row("abn", False): {
        "top1": 50.0,
        "top5": 90.0,
        "entropy_object_u": 2.7512,
        "entropy_u": 2.7512,
        "flat_share_object_u": 0.0,
    },
    Row("mask", True): {
        "top1": 62.5,
        "top5": 95.0,
        "entropy_object_o": 1.25,
        "entropy_o": 1.25,
        "flat_share_object_o": 0.01,
        "new_metric": 3.0,
    },
}
PLAIN = {Row("plain", False): {"top1": 47.65625, "top5": 88.0}}


def difference(name: str, mean: float, low: float, high: float, smallest: float = 1.0) -> dict[str, float]:
    vs = f"{name}_vs_abn"
    return {vs: mean, f"{vs}_low": low, f"{vs}_high": high, f"{vs}_p": 0.25, f"{vs}_smallest": smallest}


COMPARED: dict[Row, dict[str, float]] = {  # with a control, and differences as `intervals` gives them
    Row("plain", False): PLAIN[Row("plain", False)] | difference("top1", -2.34375, -8.59375, 3.90625, 8.5),
    Row("abn", False): RESULTS[Row("abn", False)],
    Row("mask", True): RESULTS[Row("mask", True)]
    | difference("top1", 12.5, 7.03125, 18.0, 7.8125)
    | difference("entropy_object", -1.5, -2, -1, 0.71),
}
ONE_SEED: dict[Row, dict[str, float]] = {
    Row("plain", False): PLAIN[Row("plain", False)] | {"top1_vs_abn": -2.34375},
    Row("abn", False): RESULTS[Row("abn", False)],
    Row("mask", True): RESULTS[Row("mask", True)] | {"top1_vs_abn": 12.5, "entropy_object_vs_abn": -1.5},
}


def markdown(results: Mapping[Row, Mapping[str, float]], seeds: Sequence[int] = (0, 1)) -> list[str]:
    params = EMBEDDED.model_copy(
        update={"model": EMBEDDED.model.model_copy(update={"pretrained": "some/weights.pyth"})}
    )
    return to_markdown(made_comparison(results, params=params, seeds=seeds)).splitlines()


def tables(lines: list[str]) -> list[list[str]]:
    """The Markdown tables among the lines."""
    found: list[list[str]] = []
    for before, line in zip(["", *lines], lines, strict=False):
        if line.startswith("|"):
            found += [] if before.startswith("|") else [[]]
            found[-1].append(line)
    return found


def test_all_numbers_are_a_tidy_table() -> None:
    table = made_comparison(COMPARED).tidy()
    names = ["attention", "pc", "map", "measure", "mean", "std", "minus_abn", "low", "high", "p", "smallest", "paper"]
    assert list(table) == names
    nothing = [None] * 5
    expected = [
        ("plain", False, "", "top1", 47.65625, None, -2.34375, -8.59375, 3.90625, 0.25, 8.5, None),
        ("plain", False, "", "top5", 88.0, None, *nothing, None),
        ("abn", False, "", "top1", 50.0, None, *nothing, None),
        ("abn", False, "", "top5", 90.0, None, *nothing, None),
        ("abn", False, "u", "entropy_object", 2.7512, None, *nothing, None),
        ("abn", False, "u", "entropy", 2.7512, None, *nothing, None),
        ("abn", False, "u", "flat_share_object", 0.0, None, *nothing, None),
        ("mask", True, "", "top1", 62.5, None, 12.5, 7.03125, 18.0, 0.25, 7.8125, None),
        ("mask", True, "", "top5", 95.0, None, *nothing, None),
        ("mask", True, "o", "entropy_object", 1.25, None, -1.5, -2.0, -1.0, 0.25, 0.71, None),
        ("mask", True, "o", "entropy", 1.25, None, *nothing, None),
        ("mask", True, "o", "flat_share_object", 0.01, None, *nothing, None),
        ("mask", True, "", "new_metric", 3.0, None, *nothing, None),
    ]
    assert table.astype(object).where(table.notna(), None).to_numpy().tolist() == [list(line) for line in expected]
    published = made_comparison({Row("abn", False): {"top1": 1 / 3, "top1_std": 0.5}}, published="ucf101").tidy()
    assert published.loc[0, ["mean", "std", "paper"]].tolist() == [0.333333, 0.5, 93.96]
    one_seed = made_comparison(ONE_SEED).tidy()
    assert one_seed["minus_abn"].notna().sum() == 3
    assert one_seed[["low", "high", "p", "smallest"]].isna().all(axis=None)


MAPS = [
    "| attention | PC | map | entropy | flat |",
    "|---|---|---|---|---|",
    "| abn |  | M_u | 2.751 | 0.000 |",
    "| mask | yes | M_o | 1.250 | 0.010 |",
]


def test_markdown_by_hand() -> None:
    lines = markdown(RESULTS)
    assert lines[0] == "# made: comparison of loss configurations"
    assert lines[2] == "| attention | PC | top-1 % | top-5 % | entropy M_u | entropy M_o |"
    assert lines[4] == "| abn |  | 50.00 | 90.00 | 2.751 |  |"
    assert lines[5] == "| mask | yes | 62.50 | 95.00 |  | 1.250 |"
    assert tables(lines)[1:] == [MAPS]
    assert lines[-1] == "Seeds: 0, 1. Backbone: some/weights.pyth. Masks: frames 10, iou_truth 0.8452."


@pytest.mark.parametrize(("num_classes", "top5"), [(2, "-"), (5, "-"), (6, "90.00")])
def test_top_5_of_five_classes_or_fewer_says_nothing(num_classes: int, top5: str) -> None:
    videos = pd.DataFrame({"label": [f"class {n % num_classes}" for n in range(12)]})
    comparison = made_comparison(RESULTS, videos=videos, published="ucf101")
    main, _, beside = tables(to_markdown(comparison).splitlines())
    assert main[2] == f"| abn |  | 50.00 | {top5} | 2.751 |  |"
    assert ("top-5: paper" in beside[0]) == (num_classes > 5)
    assert comparison.number(Row("abn", False), "top5") is not None  # the numbers stay


def test_a_row_without_maps_has_empty_cells() -> None:
    table, maps = tables(markdown(PLAIN | RESULTS))
    assert table[2] == "| plain |  | 47.66 | 88.00 |  |  |"
    assert [line.split(" | ")[0] for line in table[2:]] == ["| plain", "| abn", "| mask"]
    assert maps == MAPS
    assert len(tables(markdown(PLAIN))) == 1


OF_A_MAP = {"entropy": 1.5, "flat_share_object": 0.25, "iou_fit": 0.5, "iou_truth": 0.625, "pointing": 0.75,
            "energy": 0.375, "iou_best": 0.6875, "best_threshold": 0.45}  # fmt: skip


def of_map(letter: str, add: float = 0.0) -> dict[str, float]:
    return {f"{kind}_{letter}": value + add for kind, value in OF_A_MAP.items()}


def test_a_line_for_each_map_of_each_row_by_hand() -> None:
    rows: dict[Row, dict[str, float]] = {
        Row("plain", False): {"top1": 50.0, "top5": 90.0, **of_map("g")},
        Row("mha", True): {"top1": 50.0, "top5": 90.0, **of_map("b", 0.002), **of_map("u"), **of_map("o", 0.001)},
        Row("mask", False): {"top1": 50.0, "top5": 90.0, **of_map("o"), "entropy_o": float("nan")},  # all flat
    }
    lines = markdown(rows)
    main, maps = tables(lines)
    assert main == [
        "| attention | PC | top-1 % | top-5 % | entropy M_u | entropy M_o | entropy M_b | entropy Grad-CAM |",
        "|---|---|---|---|---|---|---|---|",
        "| plain |  | 50.00 | 90.00 |  |  |  | 1.500 |",
        "| mha | yes | 50.00 | 90.00 | 1.500 | 1.501 | 1.502 |  |",
        "| mask |  | 50.00 | 90.00 |  |  |  |  |",
    ]
    assert maps == [
        "| attention | PC | map | entropy | flat | pointing % | energy inside | IoU truth | IoU best (at) | IoU fit |",
        "|---|---|---|---|---|---|---|---|---|---|",
        "| plain |  | Grad-CAM | 1.500 | 0.250 | 75.0 | 0.375 | 0.625 | 0.688 (0.45) | 0.500 |",
        "| mha | yes | M_u | 1.500 | 0.250 | 75.0 | 0.375 | 0.625 | 0.688 (0.45) | 0.500 |",
        "| mha | yes | M_o | 1.501 | 0.251 | 75.1 | 0.376 | 0.626 | 0.689 (0.45) | 0.501 |",
        "| mha | yes | M_b | 1.502 | 0.252 | 75.2 | 0.377 | 0.627 | 0.690 (0.45) | 0.502 |",
        "| mask |  | M_o |  | 0.250 | 75.0 | 0.375 | 0.625 | 0.688 (0.45) | 0.500 |",
    ]
    told = ["top-1", "entropy", "plain", "flat", "pointing %", "energy inside", "IoU truth", "IoU best (at)", "IoU fit"]
    noted = [line.removeprefix("- ").split(":")[0].split(",")[0] for line in lines if line.startswith("- ")]
    assert noted == [*told, "M_b is compared with the inverse masks."]


def test_without_truth_the_maps_have_no_columns_of_it() -> None:
    lines = markdown(RESULTS)
    assert not any("IoU" in line or "pointing" in line for line in lines)


def test_differences_by_hand() -> None:
    lines = markdown(COMPARED)
    *first, second = tables(lines)
    assert first == tables(markdown(PLAIN | RESULTS))
    assert second == [
        "| attention | PC | top-1 - abn | entropy - abn |",
        "|---|---|---|---|",
        "| plain |  | -2.3 [-8.6, +3.9] |  |",
        "| mask | yes | +12.5 [+7.0, +18.0] * | -1.50 [-2.00, -1.00] * |",
    ]
    note = next(at for at, line in enumerate(lines) if line.startswith("- Differences to the row abn without PC on"))
    assert [line.split(".")[0].split(":")[0] for line in lines[note + 1 : note + 4]] == [
        "- Brackets",
        "- An entropy gets no star where maps of either row are flat in over 1 % of the frames",
        "- The smallest difference that gets its star in 80 % of all repetitions of this design",
    ]
    assert lines[note + 3].endswith(": top-1 7.8 to 8.5 points, entropy 0.71 bits.")
    assert not any("seed: no star" in line for line in lines)


def test_differences_of_one_seed_have_no_interval() -> None:
    lines = markdown(ONE_SEED, [0])
    assert tables(lines)[2] == [
        "| attention | PC | top-1 - abn | entropy - abn |",
        "|---|---|---|---|",
        "| plain |  | -2.3 |  |",
        "| mask | yes | +12.5 | -1.50 |",
    ]
    note = next(at for at, line in enumerate(lines) if line.startswith("- Differences to the row abn without PC on"))
    assert lines[note + 1].startswith("- One seed: no star and no yes or no, since another training of the same row ")
    assert lines[note + 2] == ""
    assert not any("Brackets" in line or "smallest" in line for line in lines)


def test_several_seeds_without_an_interval_say_why() -> None:
    """A handful of videos, or rows that are the same."""
    assert difference_notes(made_comparison(ONE_SEED, seeds=(0, 1), num_videos=3))[1:] == [scope(2, 3)]
    same = difference_notes(made_comparison(ONE_SEED, seeds=(0, 1), num_videos=100))[1:]
    assert same == [scope(2, 100, has_intervals=False)]
    assert "cover" not in same[0]


def test_differences_of_the_best_iou_have_a_column() -> None:
    row = Row("mask", True)
    compared = {**RESULTS, row: RESULTS[row] | difference("iou_best", 0.125, 0.0625, 0.1875, 0.0912)}
    lines = markdown(compared)
    assert tables(lines)[2][0] == "| attention | PC | IoU best - abn |"
    assert tables(lines)[2][2:] == ["| mask | yes | +0.125 [+0.062, +0.188] * |"]
    assert any(line.endswith("of this design: IoU best 0.091.") for line in lines)


@pytest.mark.parametrize(
    ("low", "high", "flat", "star"),
    [(-2, -1, 0.0, " *"), (-2, -1, 0.01, " *"), (-2, -1, 0.02, ""), (-2, 0.0, 0.0, ""), (-2, 1, 0.0, "")],
)
def test_a_star_marks_what_is_beyond_noise(low: float, high: float, flat: float, star: str) -> None:
    own = (
        difference("entropy_object", -1.5, low, high)
        | {"entropy_object_vs_abn_flat": flat}
        | difference("pointing", 25.0, 12.5, 37.5)
    )
    lines = markdown(
        {**RESULTS, Row("mask", True): RESULTS[Row("mask", True)] | own | difference("iou_truth", 0.5, 0.25, 0.75)}
    )
    assert tables(lines)[2] == [
        "| attention | PC | entropy - abn | pointing - abn | IoU truth - abn |",
        "|---|---|---|---|---|",
        f"| mask | yes | -1.50 [{low:.2f}, {high:+.2f}]{star} | +25.0 [+12.5, +37.5] * | +0.500 [+0.250, +0.750] * |",
    ]
    told = " ".join(lines)
    assert "A star says that the interval excludes 0. Each difference is judged by itself here; in words, the" in told
    assert "flat in over 1 % of the frames." in told


def test_words_stand_between_the_table_and_its_notes() -> None:
    words = ["**Why?** Because.", "One seed."]
    lines = to_markdown(made_comparison(RESULTS), words).splitlines()
    assert lines[5:13] == [
        "| mask | yes | 62.50 | 95.00 |  | 1.250 |",
        "",
        "In words:",
        "",
        "- **Why?** Because.",
        "- One seed.",
        "",
        "- top-1, top-5: share of the test videos whose class is the most probable one, or among five.",
    ]
    assert "In words:" not in markdown(RESULTS)


def test_the_notes_say_what_chance_is() -> None:
    rows = {row: {**result, "truth_area": 0.0859} for row, result in RESULTS.items()}
    assert "- Chance, the truth's area: 0.09 of a frame that has one; 0.91 for M_b." in markdown(rows)
    assert not any("hance" in line for line in markdown(RESULTS))


def test_without_differences_there_is_no_table_of_them() -> None:
    lines = markdown(RESULTS)
    assert len(tables(lines)) == 2
    assert not any("abn without PC" in line or "- abn" in line for line in lines)


def test_the_papers_numbers_by_hand() -> None:
    """64 videos, half of them right: errors of a share whose variance is 50 * 50 / 63, of theirs 64 / 63 as large."""
    answered = results([f"v{at:02d}" for at in range(64)], top1=[[0, 1] * 32], top5=[[1] * 64])
    per_video = dict.fromkeys(COMPARED, answered)
    lines = to_markdown(made_comparison(COMPARED, published="ucf101", per_video=per_video)).splitlines()
    assert tables(lines)[:2] == tables(markdown(COMPARED))[:2]
    ours, clustering = 2500 / 63, 64 / 63
    errors = [f"{(ours + clustering * theirs * (100 - theirs) / 64) ** 0.5:.2f}" for theirs in (93.96, 93.80)]
    errors += [f"{(theirs * (100 - theirs) / 64) ** 0.5:.2f}" for theirs in (99.15, 98.97)]
    assert tables(lines)[-1] == [
        "| attention | PC | top-1 % | top-1: paper | top-1: difference ± SE "
        "| top-5 % | top-5: paper | top-5: difference ± SE "
        "| entropy M_u | entropy M_u: paper | entropy M_u: difference "
        "| entropy M_o | entropy M_o: paper | entropy M_o: difference |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|---|---|",
        f"| abn |  | 50.00 | 93.96 | -43.96 ± {errors[0]} | 90.00 | 99.15 | -9.15 ± {errors[2]} "
        "| 2.751 | 3.064 | -0.313 |  |  |  |",
        f"| mask | yes | 62.50 | 93.80 | -31.30 ± {errors[1]} | 95.00 | 98.97 | -3.97 ± {errors[3]} "
        "|  |  |  | 1.250 | 1.469 | -0.219 |",
    ]
    assert "Beside the paper (Table 1, UCF101 split 1):" in lines
    assert any(line.startswith("- Others, top-1 %") and "STA-TSN (RGB) 83.4" in line for line in lines)
    assert "paper (" not in to_markdown(made_comparison(PLAIN, published="ucf101"))  # it has none of these rows


@pytest.mark.parametrize(
    ("seeds", "covered"),
    [
        ((0,), "over test recordings alone: with one seed, another training is not in it."),
        ((0, 1, 2), "over test recordings and trainings."),
    ],
)
def test_notes_say_what_the_error_beside_the_paper_covers(seeds: tuple[int, ...], covered: str) -> None:
    first, *others = published_notes(made_comparison(RESULTS, published="ucf101", seeds=seeds))
    assert covered in first
    assert len(others) == 1


def test_a_table_of_the_paper_that_contradicts_itself_is_remarked_on() -> None:
    lines = to_markdown(made_comparison(RESULTS, published="ssv2")).splitlines()
    [remark] = [line for line in lines if "ticks" in line]
    assert remark.startswith(
        "- Rows 3 and 4 of Table 2 carry ticks that contradict the paper's text; they are read as "
    )
    assert "Beside the paper (Table 2, Something-Something v2):" in lines
    assert not any("ticks" in line for line in to_markdown(made_comparison(RESULTS, published="ucf101")).splitlines())


def test_spread_over_seeds_stands_beside_the_mean() -> None:
    results: dict[Row, dict[str, float]] = {
        Row("abn", False): {"top1": 50.0, "top1_std": 2.5, "entropy_u": 2.0, "entropy_u_std": 0.125}
    }
    assert "| abn |  | 50.00 ± 2.50 | 2.000 ± 0.125 |" in markdown(results)
    results[Row("abn", False)] |= {"pointing_u": 0.5, "pointing_u_std": 0.0125}
    results[Row("abn", False)] |= {"iou_best_u": 0.25, "iou_best_u_std": 0.5, "best_threshold_u": 0.35}
    assert "| abn |  | M_u | 2.000 ± 0.125 | 50.0 ± 1.2 | 0.250 ± 0.500 (0.35) |" in markdown(results)


def test_differences_within_a_row_are_among_all_numbers() -> None:
    mask = Row("mask", False)
    lost = results(list("abcdef"), top1=[[0.75] * 6], top1_even=[[0.5] * 6], entropy_o=[[1.0] * 6])
    abn = lost.assign(top1_even=0.625)
    numbers = {mask: {"top1": 75.0}, Row("abn", False): {}}
    table = made_comparison(numbers, per_video={mask: lost, Row("abn", False): abn}).tidy()
    assert table.set_index(["attention", "measure"])["minus_abn"].dropna().to_dict() == {
        ("mask", "top1"): 0.0, ("mask", "lost_even"): 12.5
    }  # fmt: skip
    table = table[table["attention"] == "mask"]
    assert table[["map", "measure", "mean"]].to_numpy().tolist() == [
        ["", "top1", 75.0], ["", "lost_even", 25.0], ["", "within_even", 25.0]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("report", "validated_on", "expected"),
    [
        ("last", "test", None),
        ("best", "val", "Weights: those of the epoch with the highest top-1 on the split `val`."),
        (
            "best",
            "test",
            "Weights: those of the epoch with the highest top-1 on the test videos themselves, so accuracies",
        ),
    ],
)
def test_what_chose_the_weights_is_said(report: str, validated_on: str, expected: str | None) -> None:
    params = EMBEDDED.model_copy(update={"train": EMBEDDED.train.model_copy(update={"report": report})})
    comparison = made_comparison(
        {Row("abn", False): {"top1": 90.0}},
        params=params,
        trainings={Row("abn", False): {"validated_on": validated_on}},
    )
    said = [note for note in main_notes(comparison) if note.startswith("Weights")]
    assert [line[: len(expected or "")] for line in said] == ([expected] if expected else [])


@pytest.mark.parametrize(("networks", "number"), [({}, 0), ({"networks": 1}, 0), ({"networks": 3}, 1)])
def test_what_tests_a_video_of_a_fold_is_said(networks: dict[str, int], number: int) -> None:
    row = Row("abn", False)
    notes = main_notes(made_comparison({row: {"top1": 50.0}}, trainings={row: networks}))
    said = (
        "Cross-validation: a training is 3 networks, one a fold. Every video is a test video, tested by the network "
        "that has seen nothing of its recording. Intervals cover other trainings on these videos and other test "
        "recordings; neither training on other recordings nor another deal of the folds is in them."
    )
    assert notes.count(said) == number
    assert any("Cross-validation" in note for note in notes) == bool(number)
