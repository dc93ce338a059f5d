"""Whether the map is used: losses within rows by hand, their columns, stars and words."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from objabn.report.answers import answers
from objabn.report.comparison import Comparison
from objabn.report.main_table import main_cells, main_notes
from objabn.report.names import Row
from objabn.report.questions import USED
from objabn.report.used_table import used_cells, used_notes
from tests.helpers.comparisons import made_comparison, results

VIDEOS = list("abcdef")
ABN, MASK, MHA, PLAIN = (Row(name, False) for name in ("abn", "mask", "mha", "plain"))
NAN = float("nan")


def table(map_name: str, seeds: int = 3, **means: float) -> pd.DataFrame:
    """Six videos that are all alike; the seeds' top1 are 0.01 apart, everything else is the same in all.

    What is lost varies as top1 does, so its interval reaches 4.303 * 0.01 / sqrt(3) = 2.484 points to each side (2
    degrees of freedom).
    """
    columns = {name: [[mean] * 6] * seeds for name, mean in means.items()}
    columns["top1"] = [[means["top1"] + 0.01 * (at - (seeds - 1) / 2)] * 6 for at in range(seeds)]
    return results(VIDEOS, **columns, **{f"entropy_object_{map_name}": [[1.5 if map_name == "o" else 2.5] * 6] * seeds})


def compared(tables: Mapping[Row, pd.DataFrame], seeds: int = 3) -> Comparison:
    numbers = {row: {"top1": 100 * of["top1"].mean(), "ece": 0.0625} for row, of in tables.items()}
    for row, letter in zip(tables, ("u", "o", "o", "g"), strict=False):
        numbers[row] |= {f"entropy_{letter}": 2.0}
    return made_comparison(numbers, per_video=tables, seeds=range(seeds))


def rows(seeds: int = 3, truth: float = 0.85) -> dict[Row, pd.DataFrame]:
    replaced = {"top1_attention": 0.5, "top1_other": 0.75, "top1_masks": 0.5}
    return {
        ABN: table("u", seeds, top1=0.9, top1_even=0.9, top1_truth=truth, **replaced),
        MASK: table("o", seeds, top1=0.9, top1_even=0.7, top1_truth=truth, **replaced),
        MHA: table("o", seeds, top1=0.9, top1_even=0.89, top1_truth=truth, **replaced),
        PLAIN: table("g", seeds, top1=0.9),
    }


def test_the_table_by_hand() -> None:
    cells = used_cells(compared(rows()))
    branches, masks = "+40.0 [+37.5, +42.5] *", "+5.0 [+2.5, +7.5] *"
    assert [list(cells), *cells.to_numpy().tolist()] == [
        ["attention", "PC", "top-1 %", "y_a: top-1 %", "y_p - y_a", "own - even weight", "own - another video's",
         "own - true masks"],
        ["abn", "", "90.00", "50.00 ± 0.00", branches, "+0.0 [-2.5, +2.5]", "+15.0 [+12.5, +17.5] *", masks],
        ["mask", "", "90.00", "50.00 ± 0.00", branches, "+20.0 [+17.5, +22.5] *", "+15.0 [+12.5, +17.5] *", masks],
        ["mha", "", "90.00", "50.00 ± 0.00", branches, "+1.0 [-1.5, +3.5]", "+15.0 [+12.5, +17.5] *", masks],
    ]  # fmt: skip
    assert cells.index.to_list() == [0, 1, 2]  # plain has no map to replace


@pytest.mark.parametrize("truth", [True, False])
def test_without_true_masks_the_segmenters_stand_in_the_maps_place(truth: bool) -> None:
    tables = rows() if truth else rows(truth=NAN)
    comparison = compared(tables)
    heading, lost = ("own - true masks", "+5.0") if truth else ("own - the segmenter's masks", "+40.0")
    cells = used_cells(comparison)
    assert list(cells)[-1] == heading
    assert cells[heading].str.split().str[0].to_list() == [lost] * 3
    assert any(note.startswith(heading.removeprefix("own - ")) for note in used_notes(comparison))
    without = {row: of.drop(columns="top1_truth", errors="ignore") for row, of in tables.items()}
    assert list(used_cells(compared(without)))[-1] == "own - the segmenter's masks"


def test_true_masks_stand_in_the_maps_place_where_all_videos_have_them() -> None:
    """Where half are annotated in part, true masks would be of some videos and what they are compared with of all."""
    tables = rows()
    some = tables[MASK]["video"].isin(["a", "b", "c"])
    tables[MASK] = tables[MASK].assign(top1_truth=np.where(some, NAN, 0.8))
    cells = used_cells(compared(tables))  # of the segmenter's masks, in all rows
    assert cells["own - the segmenter's masks"].str.split().str[0].to_list() == ["+40.0"] * 3
    tables[MASK] = tables[MASK].assign(top1_truth=0.8)
    found = compared(tables).within(MASK, "masks")
    assert found is not None
    assert found.mean == pytest.approx(10)


def test_the_first_table_tells_it_at_once() -> None:
    comparison = compared(rows())
    cells = main_cells(comparison)
    assert list(cells)[2:5] == ["top-1 %", "ECE", "used, points"]
    assert cells["used, points"].to_list() == ["0.0", "20.0 *", "1.0", ""]
    assert cells["ECE"].to_list() == ["0.062"] * 4
    assert [note.split(":")[0] for note in main_notes(comparison)][1:3] == ["ECE", "used"]
    assert main_notes(comparison)[1].endswith("the mean over 15 bins of that probability.")
    only = {PLAIN: table("g", top1=0.9)}
    assert "used, points" not in main_cells(compared(only))


@pytest.mark.parametrize(
    ("chances", "told"), [((0.03125, 0.05), "0.031 to 0.050"), ((0.0501, 0.0499), "0.050"), ((None, 0.05), "0.050")]
)
def test_ece_stands_beside_that_of_calibrated_answers(chances: tuple, told: str) -> None:
    given = {row: {"ece": 0.0625} for row in (ABN, MASK)}
    for row, chance in zip(given, chances, strict=True):
        given[row] |= {"ece_by_chance": chance} if chance else {}
    [note] = [each for each in main_notes(made_comparison(given)) if each.startswith("ECE")]
    assert note.endswith(
        f" Calibrated answers with these rows' probabilities would have {told} by chance, of as many videos."
    )


def test_one_seed_has_no_interval() -> None:
    comparison = compared(rows(1), 1)
    assert used_cells(comparison)["own - even weight"].to_list() == ["+0.0", "+20.0", "+1.0"]
    assert used_notes(comparison)[-1].startswith("One seed: no star")
    assert used_notes(compared(rows()))[-1].startswith("Brackets: 95 % intervals of the loss, over the trainings of")


def answer(tables: Mapping[Row, pd.DataFrame], seeds: int = 3) -> str:
    [found] = [each for each in answers(compared(tables, seeds)) if each.startswith(f"**{USED.words}**")]
    return found.removeprefix(f"**{USED.words}** ")


MEANS = "Used means: the answer gets worse when only the place is taken away."
NOTHING = "what one even weight costs is not beyond noise"


def test_the_answer_in_words_names_the_sharp_map_that_is_not_shown_to_be_used() -> None:
    tables = rows()
    tables[MASK] = tables[MASK].assign(entropy_object_o=lambda of: 1.5 + 0.01 * of["seed"])
    tables[MHA] = tables[MHA].assign(entropy_object_o=lambda of: 1.0 + 0.01 * of["seed"])
    assert answer(tables) == (
        f"In part. abn: {NOTHING} (+0.0 points [-2.5, +2.5]). mask: one even weight costs 20.0 points [17.5, 22.5]. "
        f"mha: {NOTHING} (+1.0 points [-1.5, +3.5]). From training to training: abn -1.0 to 1.0, mask 19.0 to 21.0, "
        "mha 0.0 to 2.0 points. Sharp, and not shown to be used: M_o of mha; it is sharper than abn's map, and yet an "
        f"even weight in its place costs less than 5 points in every training. {MEANS}"
    )


def test_a_sharp_map_that_one_training_uses_is_not_named() -> None:
    tables = rows()
    tables[MHA] = tables[MHA].assign(
        entropy_object_o=lambda of: 1.0 + 0.01 * of["seed"],
        top1_even=lambda of: of["top1"] - 0.049 - 0.001 * of["seed"],
    )
    tables[ABN] = tables[ABN].assign(entropy_object_u=lambda of: 2.5 + 0.01 * of["seed"])
    assert "not shown" not in answer(tables)  # 4.9, 5.0 and 5.1 points
    tables[MHA] = tables[MHA].assign(top1_even=lambda of: of["top1"] - 0.047 - 0.001 * of["seed"])
    assert "not shown to be used: M_o of mha; it is" in answer(tables)
    tables[MHA] = tables[MHA].assign(entropy_object_o=lambda of: 2.5 + 0.01 * of["seed"])  # no sharper than abn's
    assert "not shown" not in answer(tables)


def test_a_row_that_gains_is_the_opposite_and_one_seed_has_no_verdict() -> None:
    gains = {MASK: table("o", top1=0.7, top1_even=0.9)}
    comparison = made_comparison({MASK: {"entropy_o": 2.0}}, per_video=gains, seeds=range(3))
    assert (
        f"**{USED.words}** No, the opposite. mask: one even weight gains 20.0 points [17.5, 22.5]. From training to "
        f"training: mask -21.0 to -19.0 points. {MEANS}" in answers(comparison)
    )
    assert answer(rows(1), 1) == (
        "abn: one even weight costs +0.0 points. mask: one even weight costs +20.0 points. mha: one even weight costs "
        f"+1.0 points. {MEANS}"
    )


def test_the_rows_are_judged_together() -> None:
    """3.0 points are 5.196 errors: p 0.035 with 2 degrees of freedom, beyond noise alone, not among three (Holm)."""
    tables = rows()
    tables[ABN] = table("u", top1=0.9, top1_even=0.87)
    tables[MHA] = table("o", top1=0.9, top1_even=0.87)
    tables[MASK] = table("o", top1=0.9, top1_even=0.87)
    found = answer(tables)
    assert found.startswith(f"Not beyond noise. abn: {NOTHING} among so many comparisons (+3.0 points")
    assert answer({MASK: tables[MASK], **{PLAIN: tables[PLAIN]}}).startswith("Yes. mask: one even weight costs 3.0 po")


def test_controls_stand_in_the_table_and_in_no_verdict() -> None:
    """A control whose map is sharp and whose answer gains by an even weight, beside a row that loses."""
    control = Row("mask-even", False)
    tables = {ABN: rows()[ABN], MASK: rows()[MASK], control: table("o", top1=0.7, top1_even=0.9)}
    tables[control] = tables[control].assign(entropy_object_o=lambda of: 1.0 + 0.01 * of["seed"])
    tables[ABN] = tables[ABN].assign(entropy_object_u=lambda of: 2.5 + 0.01 * of["seed"])
    assert used_cells(compared(tables))["own - even weight"].to_list()[-1] == "-20.0 [-22.5, -17.5] *"
    assert answer(tables) == (
        f"In part. abn: {NOTHING} (+0.0 points [-2.5, +2.5]). mask: one even weight costs 20.0 points [17.5, 22.5]. "
        f"From training to training: abn -1.0 to 1.0, mask 19.0 to 21.0 points. {MEANS}"
    )
    assert not [each for each in answers(compared({control: tables[control]})) if each.startswith(f"**{USED.words}**")]
