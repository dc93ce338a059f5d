"""Other methods on the same networks: which lines, cells by hand, and the own map minus Grad-CAM."""

import numpy as np
import pandas as pd
import pytest

from objabn.config.rows import POST_HOC
from objabn.report.answers import answers
from objabn.report.comparison import Comparison
from objabn.report.method_table import against_cells, against_notes, method_cells, method_notes, ranked_words
from objabn.report.names import Row
from objabn.report.questions import PLACED, RANKED
from objabn.report.tables import tables
from tests.helpers.comparisons import made_comparison, results

PLAIN, MASK, WITH_PC = Row("plain", False), Row("mask", False), Row("mask", True)
VIDEOS = list("abcdef")


def numbers(letters: str, **more: float) -> dict[str, float]:
    """Each map's numbers, those of a letter a tenth above those of the letter before."""
    found = {"top1": 90.0, **more}
    for at, letter in enumerate(letters):
        found |= {f"entropy_object_{letter}": 1 + at / 10, f"pointing_{letter}": at / 10, f"energy_{letter}": 0.125}
        found |= {f"iou_truth_{letter}": 0.25, f"iou_best_{letter}": 0.5, f"best_threshold_{letter}": 0.3}
    return found


def test_own_maps_stand_before_the_methods_and_the_random_ranking_behind() -> None:
    of_mask = numbers("ogslcm", insertion_o=0.625, deletion_o=0.25, insertion_random=0.375, deletion_random=0.3125)
    of_mask |= {"entropy_native_g": 0.75, "entropy_native_g_std": 0.25}
    of_mask |= {"flat_share_object_o": 0.03125, "flat_share_object_m": 0.5}
    cells = method_cells(made_comparison({PLAIN: numbers("gs"), MASK: of_mask}))
    assert list(cells) == ["attention", "PC", "map", "passes", "entropy", "flat", "entropy, own grid",
                           "pointing %", "energy inside", "IoU truth", "IoU best (at)", "insertion",
                           "deletion"]  # fmt: skip
    assert cells.index.to_list() == [0, 0, *[1] * 7]
    assert cells[["attention", "map", "passes", "entropy", "pointing %"]].to_numpy().tolist() == [
        ["plain", "Grad-CAM", "1 backward", "1.000", "0.0"],
        ["plain", "Grad-CAM (split)", "1 backward", "1.100", "10.0"],
        ["mask", "M_o", "0", "1.000", "0.0"],
        ["mask", "Grad-CAM", "1 backward", "1.100", "10.0"],
        ["mask", "Grad-CAM (split)", "1 backward", "1.200", "20.0"],
        ["mask", "LayerCAM", "1 backward", "1.300", "30.0"],
        ["mask", "centre", "0", "1.400", "40.0"],
        ["mask", "motion", "0", "1.500", "50.0"],
        ["mask", "random", "", "", ""],
    ]
    assert cells["flat"].to_list() == ["", "", "0.031", "", "", "", "", "0.500", ""]
    assert cells["entropy, own grid"].to_list() == ["", "", "", "0.750", "", "", "", "", ""]
    assert cells["IoU best (at)"].to_list() == ["0.500 (0.30)"] * 8 + [""]
    assert cells["insertion"].to_list() == ["", "", "0.625", "", "", "", "", "", "0.375"]
    assert cells["deletion"].to_list() == ["", "", "0.250", "", "", "", "", "", "0.312"]


def test_rows_with_pc_are_on_the_page_alone() -> None:
    comparison = made_comparison({MASK: numbers("og"), WITH_PC: numbers("og")})
    assert tables(comparison)["methods"].cells["PC"].to_list() == ["", ""]
    assert tables(comparison)["methods"].notes[-1] == "Rows with PC: on the page and in the csv."
    assert tables(comparison, whole=True)["methods"].cells["PC"].to_list() == ["", "", "yes", "yes"]
    assert "on the page" not in " ".join(tables(comparison, whole=True)["methods"].notes)
    assert "on the page" not in " ".join(tables(made_comparison({MASK: numbers("og")}))["methods"].notes)


def test_a_row_with_its_own_maps_alone_has_no_methods() -> None:
    assert method_cells(made_comparison({MASK: numbers("o"), PLAIN: numbers("g")})).empty
    assert "methods" not in tables(made_comparison({MASK: numbers("o")}))


def measured(seeds: int = 3, ranked_seeds: int = 1) -> pd.DataFrame:
    """Six videos that are all alike; M_o's pointing and insertion are 0.01 apart in the seeds, the others the same."""
    steps = 0.01 * (np.arange(seeds) - (seeds - 1) / 2)[:, None] + np.zeros((seeds, 6))
    ranked = np.where(np.arange(seeds)[:, None] < ranked_seeds, 0.0, np.nan) * np.ones((seeds, 6))
    ranked[:, 4:] = np.nan if ranked_seeds < seeds else ranked[:, 4:]  # two videos were not drawn
    curves = np.broadcast_to([0.1, 0.4, 0.2], (seeds, 6, 3))
    return results(
        VIDEOS,
        top1=np.ones((seeds, 6)),
        pointing_o=0.9 + steps,
        pointing_g=np.full((seeds, 6), 0.4),
        iou_curve_o=curves + steps[..., None] + 0.3,
        iou_curve_g=curves[..., [1, 2, 0]],
        insertion_o=ranked + 0.5 + steps,
        insertion_g=ranked + 0.75,
        deletion_o=ranked + 0.375 + steps,
        deletion_g=ranked + 0.25,
        insertion_random=ranked + 0.25,
    )


def test_the_own_map_minus_grad_cam_by_hand() -> None:
    """Intervals reach 4.303 * 0.01 / sqrt(3): 2.5 points, 0.025 of an IoU; each IoU is at its map's own threshold."""
    per_video = {PLAIN: results(VIDEOS, pointing_g=[[0.5] * 6] * 3), MASK: measured()}
    comparison = made_comparison({PLAIN: numbers("g"), MASK: numbers("og")}, seeds=range(3), per_video=per_video)
    cells = against_cells(comparison)
    assert cells.index.to_list() == [1]
    assert [list(cells), *cells.to_numpy().tolist()] == [
        ["attention", "PC", "map", "pointing", "IoU best", "insertion", "deletion"],
        ["mask", "", "M_o", "+50.0 [+47.5, +52.5] *", "+0.300 [+0.275, +0.325] *", "-0.260", "+0.115"],
    ]
    assert ranked_words(comparison) == "4 of 6 test videos, drawn by a fixed seed, seed 0"
    assert against_notes(comparison)[-1] == (
        "Insertion and deletion: of 4 of 6 test videos, drawn by a fixed seed, seed 0. With one seed they have no "
        "interval."
    )


def in_words(comparison: Comparison) -> str:
    [found] = [each for each in answers(comparison) if each.startswith(f"**{RANKED.words}**")]
    return found.removeprefix(f"**{RANKED.words}** ")


def test_one_seed_of_rankings_has_numbers_and_all_seeds_have_a_verdict() -> None:
    one = made_comparison({MASK: numbers("og")}, per_video={MASK: measured()}, seeds=range(3))
    assert in_words(one) == (
        "mask: insertion -0.260, deletion +0.115. Insertion: more is better; deletion: less. Measured on 4 of 6 test "
        "videos, drawn by a fixed seed, seed 0."
    )
    every = made_comparison({MASK: numbers("og")}, per_video={MASK: measured(ranked_seeds=3)}, seeds=range(3))
    assert in_words(every) == (
        "No, the opposite. mask: insertion lower by 0.250 [0.225, 0.275], deletion higher by 0.125 [0.100, 0.150]. "
        "Insertion: more is better; deletion: less. Measured on all 6 test videos, seeds 0, 1, 2."
    )
    assert against_notes(every)[-1] == "Insertion and deletion: of all 6 test videos, seeds 0, 1, 2."


@pytest.mark.parametrize(("centre", "told"), [(0.625, True), (0.5, False)])
def test_a_centre_prior_with_more_insertion_is_told(centre: float, told: bool) -> None:
    """Of rows, not of controls; where the row's own map has as much or more, nothing is said."""
    control = Row("mask-even", False)
    rows = {MASK: numbers("ogc", insertion_o=0.5, insertion_c=centre),
            Row("mha", False): numbers("uogc", insertion_o=0.75, insertion_c=0.625),
            control: numbers("ogc", insertion_o=0.25, insertion_c=0.75)}  # fmt: skip
    comparison = made_comparison(rows, per_video=dict.fromkeys(rows, measured(ranked_seeds=3)), seeds=range(3))
    sentence = (
        "In mask the centre prior, which knows nothing of the network, has more insertion than M_o: insertion rewards "
        "cells side by side, so it alone is no proof of a good map."
    )
    assert in_words(comparison).endswith(f"seeds 0, 1, 2. {sentence}") == told
    assert ("the centre prior" in in_words(comparison)) == told
    assert "mask-even" not in in_words(comparison)


def test_place_is_asked_of_m_o_alone() -> None:
    words = PLACED.words
    assert words.startswith("Does M_o lie on the object better than Grad-CAM")
    of_abn = results(VIDEOS, pointing_u=[[0.5] * 6] * 3, pointing_g=[[0.25] * 6] * 3)
    comparison = made_comparison({Row("abn", False): numbers("ug"), MASK: numbers("og")}, seeds=range(3),
                                 per_video={Row("abn", False): of_abn, MASK: measured()})  # fmt: skip
    [found] = [each for each in answers(comparison) if each.startswith(f"**{words}**")]
    assert found == (
        f"**{words}** Yes. mask: highest on the truth more often, by 50.0 points [47.5, 52.5], its best IoU with the "
        "truth higher by 0.300 [0.275, 0.325]."
    )
    assert against_cells(comparison)["pointing"].to_list() == ["+25.0", "+50.0 [+47.5, +52.5] *"]


@pytest.mark.parametrize("ranked", [True, False])
def test_what_was_not_measured_is_not_explained(ranked: bool) -> None:
    table = measured() if ranked else measured().filter(regex="^(?!insertion|deletion)")
    comparison = made_comparison({MASK: numbers("og")}, per_video={MASK: table}, seeds=range(3))
    text = " ".join([*method_notes(comparison), *against_notes(comparison)])
    assert ("random ranking" in text) == ranked
    assert ("drawn by a fixed seed" in text) == ranked
    missing = next(each for each in answers(comparison) if each.startswith("**Not answered"))
    assert (f"{RANKED.words} It takes insertion and deletion" in missing) == (not ranked)


def test_every_method_has_a_name_and_a_cost() -> None:
    cells = method_cells(made_comparison({PLAIN: numbers("".join(POST_HOC))}))
    assert len(cells) == len(POST_HOC)
    assert (cells[["map", "passes"]] != "").all(axis=None)
