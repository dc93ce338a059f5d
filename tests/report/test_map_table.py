"""The table of maps: frames without an object, how much truth there is, and what is said of both."""

import pytest

from objabn.config.schema import Dataset
from objabn.report.answers import answers
from objabn.report.main_table import difference_notes
from objabn.report.map_table import map_cells, map_notes, measure_notes
from objabn.report.names import Row
from tests.helpers.comparisons import made_comparison

ABN, MASK, R3D = Row("abn", False), Row("mask", False), Row("r3d", False)


def numbers(letter: str, empty: float) -> dict[str, float]:
    found = {
        f"entropy_{letter}": 2.0 + empty, f"entropy_object_{letter}": 2.0, f"flat_share_{letter}": 0.5,
        f"flat_share_object_{letter}": 0.25, f"range_{letter}": 0.875, f"flicker_{letter}": 0.0625,
        "empty_share": empty, "top1": 50.0,
    }  # fmt: skip
    return found | ({f"lit_empty_{letter}": 0.125} if empty else {})


def test_frames_without_an_object_have_columns_of_their_own() -> None:
    comparison = made_comparison({ABN: numbers("u", 0.25), MASK: numbers("o", 0.25)})
    cells = map_cells(comparison)
    assert [list(cells), cells.iloc[1].to_list()] == [
        ["attention", "PC", "map", "entropy", "entropy, object", "flat", "range", "lit where empty", "flicker"],
        ["mask", "", "M_o", "2.250", "2.000", "0.250", "0.875", "0.125", "0.062"],
    ]
    assert map_notes(comparison)[0].startswith(
        "25.0 % of the frames have no object, since the truth's mask is empty there. The entropy of all"
    )
    assert (
        "flat: share of the frames with an object whose map has a range below 0.05"
        in measure_notes(comparison, cells)[1]
    )
    assert measure_notes(comparison, cells)[1].endswith("; the entropy of frames with an object leaves them out.")
    assert "Entropies here are those of frames with an object whose map is not flat." in difference_notes(comparison)


def test_without_truth_it_is_the_segmenter_that_found_nothing(synthetic: Dataset) -> None:
    params = synthetic.model_copy(update={"truth": None})
    comparison = made_comparison({MASK: numbers("o", 0.25)}, params=params)
    assert map_notes(comparison)[0].startswith(
        "25.0 % of the frames have no object, since the segmenter's masks are empt"
    )


def test_where_truth_is_partial_the_segmenter_tells_of_the_other_frames() -> None:
    rows = {MASK: numbers("o", 0.25) | {"truth_videos": 24.0, "truth_share": 0.125}}
    assert map_notes(made_comparison(rows))[0].startswith(
        "25.0 % of the frames have no object, since the truth's mask or, where a frame is not annotated, the "
        "segmenter's is empty there."
    )


def test_where_every_frame_has_an_object_one_column_of_entropy_stands_for_both() -> None:
    comparison = made_comparison({ABN: numbers("u", 0.0), MASK: numbers("o", 0.0)})
    assert list(map_cells(comparison))[3:] == ["entropy", "flat", "range", "flicker"]
    assert map_notes(comparison)[0] == (
        "Every frame has an object: the paper's entropy, of all frames, is that of frames with one, too; no flat frame "
        "changes it."
    )
    assert "Entropies here" not in " ".join(difference_notes(comparison))


def test_where_flat_frames_alone_make_a_difference_there_are_two_columns_of_entropy() -> None:
    """All frames have an object; the paper's figure counts flat ones as well, here with 1 bit more on average."""
    comparison = made_comparison({ABN: numbers("u", 0.0), MASK: numbers("o", 0.0) | {"entropy_o": 3.0}})
    cells = map_cells(comparison)
    assert cells[["entropy", "entropy, object"]].to_numpy().tolist() == [["2.000", "2.000"], ["3.000", "2.000"]]
    assert map_notes(comparison)[0] == (
        "Every frame has an object: the paper's entropy, of all frames, differs from that beside it by flat frames "
        "alone."
    )
    assert "whose map is not flat" in " ".join(difference_notes(comparison))


AT = ("entropy_object_at_1e-06", "entropy_object_at_0.02", "entropy_object_at_0.05")


def at_ranges(letter: str, *entropies: float) -> dict[str, float]:
    return numbers(letter, 0.25) | {f"{name}_{letter}": value for name, value in zip(AT, entropies, strict=False)}


def test_entropies_were_other_ranges_flat() -> None:
    """Those of abn are the same to the third decimal; those of mha's M_o are all flat below the last range."""
    of_mha = at_ranges("u", 2.0, 2.0, 2.0) | at_ranges("o", 1.25, 1.5)
    rows = {ABN: at_ranges("u", 2.0, 2.0004, 2.0), MASK: at_ranges("o", 1.0, 1.5, 1.75), Row("mha", False): of_mha}
    told = "Entropy of frames with an object, were a range below 1e-06, 0.02, 0.05 flat:"
    assert map_notes(made_comparison(rows))[1] == (
        f"{told} mask M_o 1.000, 1.500, 1.750; mha M_o 1.250, 1.500, -; no other changes."
    )
    assert map_notes(made_comparison({ABN: rows[ABN]}))[1] == f"{told} none changes."
    assert told not in " ".join(map_notes(made_comparison({ABN: numbers("u", 0.25)})))


def test_the_papers_difference_is_of_all_frames() -> None:
    sharper = {"entropy_object_vs_abn": -1.0}
    for empty, papers in ((0.25, "(the paper, of all frames: 1.04 bits lower)"), (0.0, "(the paper: 1.04 bits lower)")):
        rows = {ABN: numbers("u", empty), MASK: numbers("o", empty) | sharper}
        assert papers in answers(made_comparison(rows, published="ucf101"))[0]
    rows[MASK] |= {"entropy_o": 2.5}  # with flat frames, which the paper's figure has and ours has not
    assert "(the paper, of all frames: 1.04 bits lower)" in answers(made_comparison(rows, published="ucf101"))[0]


@pytest.mark.parametrize(
    ("videos", "share", "told"),
    [
        (100.0, 1.0, None),
        (
            24.0,
            0.125,
            "Truth: 24 of 100 test videos have annotated frames, 12.5 % of all frames. Scores",
        ),
        (
            100.0,
            0.5,
            "Truth: 100 of 100 test videos have annotated frames, 50.0 % of all frames. Scores",
        ),
    ],
)
def test_how_much_truth_there_is(videos: float, share: float, told: str | None) -> None:
    rows = {MASK: numbers("o", 0.0) | {"truth_videos": videos, "truth_share": share}}
    found = [note for note in map_notes(made_comparison(rows)) if note.startswith("Truth")]
    assert [note[: len(told or "")] for note in found] == ([told] if told else [])


def test_methods_are_not_in_the_table_of_the_rows_own_maps() -> None:
    of_methods = {f"entropy_{letter}": 1.0 for letter in "gslcm"}
    cells = map_cells(made_comparison({ABN: numbers("u", 0.0) | of_methods, Row("plain", False): of_methods}))
    assert cells[["attention", "map"]].to_numpy().tolist() == [["abn", "M_u"], ["plain", "Grad-CAM"]]


OF_MASKS = {"masks_pointing": 0.8125, "masks_energy": 0.5, "masks_iou": 0.375, "masks_missed": 0.25}


def test_the_segmenters_masks_stand_below_the_rows() -> None:
    placed = {"pointing_o": 0.75, "energy_o": 0.25, "iou_truth_o": 0.125, "iou_best_o": 0.25, "best_threshold_o": 0.5}
    comparison = made_comparison({ABN: numbers("u", 0.25), MASK: numbers("o", 0.25) | placed | OF_MASKS})
    last = map_cells(comparison).iloc[-1]
    assert {heading: text for heading, text in last.items() if text} == {
        "attention": "segmenter's masks", "pointing %": "81.2", "energy inside": "0.500", "IoU truth": "0.375",
        "IoU best (at)": "0.375",
    }  # fmt: skip
    assert len(map_cells(comparison)) == 3
    assert "no cell is the segmenter's (25.0 % of those with a score) scores 0" in " ".join(map_notes(comparison))
    resized = numbers("o", 0.25) | placed | OF_MASKS | {"masks_iou": 0.75}  # a control's masks on another grid
    rows = {Row("mask-area", False): resized, MASK: numbers("o", 0.25) | placed | OF_MASKS}
    assert map_cells(made_comparison(rows)).iloc[-1]["IoU truth"] == "0.375"
    without = made_comparison({ABN: numbers("u", 0.25), MASK: numbers("o", 0.25) | placed})
    assert map_cells(without)["attention"].to_list() == ["abn", "mask"]
    assert "ceiling" not in " ".join(map_notes(without))


def test_frames_without_an_object_and_chance_are_those_of_a_loss_configuration() -> None:
    """A control stands first, and has another grid."""
    of_truth = {"truth_area": 0.25, "truth_videos": 50.0, "truth_share": 0.5}
    of_other = {"truth_area": 0.75, "truth_videos": 50.0, "truth_share": 0.125}
    told = map_notes(made_comparison({R3D: numbers("g", 0.75) | of_other, ABN: numbers("u", 0.25) | of_truth}))
    assert told == [
        *map_notes(made_comparison({ABN: numbers("u", 0.25) | of_truth})),
    ]
    assert told[0].startswith("25.0 % of the frames have no object")
    assert "Chance, the truth's area: 0.25 of a frame that has one; 0.75 for M_b." in told


@pytest.mark.parametrize(
    ("names", "told"), [(["r3d"], "r3d: no flicker; its network has"), (["r3d", "s3d"], "r3d, s3d: no flicker; their ")]
)
def test_rows_without_flicker(names: list[str], told: str) -> None:
    rows = {Row(name, False): {"range_g": 0.5} for name in names} | {ABN: numbers("u", 0.25)}
    assert [note[: len(told)] for note in map_notes(made_comparison(rows)) if "no flicker" in note] == [told]
