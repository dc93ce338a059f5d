"""What moved the attention branch: mean shares by hand, and the warning where PC's is next to nothing."""

from objabn.report.answers import answers
from objabn.report.comparison import Comparison
from objabn.report.gradients import gradient_cells, pc_warning
from objabn.report.names import Row
from objabn.report.tables import tables
from tests.helpers.comparisons import made_comparison

MASK, WITH_PC = Row("mask", False), Row("mask", True)


def made(*shares: float | None, seeds: int = 2) -> Comparison:
    """A row without PC, that noted the mask's share, and one with PC; shares of PC by epoch, the same in all seeds."""
    curves = {str(seed): {"gradient_mask": [0.5, 0.75], "gradient_pc": list(shares)} for seed in range(seeds)}
    mask = {"0": {"gradient_mask": [1.0, 0.5], "loss": [1, 2]}, "1": {"loss": [1, 2]}}
    numbers = {MASK: {"top1": 50.0}, WITH_PC: {"top1": 50.0, "entropy_object_vs_abn": 0.0}}
    comparison = made_comparison(numbers, trainings={MASK: {"curves": mask}, WITH_PC: {"curves": curves}})
    comparison._differences[WITH_PC, MASK, "entropy_object"] = None
    return comparison


def test_shares_are_means_over_epochs_and_seeds() -> None:
    cells = gradient_cells(made(0.0001, None, 0.0004))
    assert [list(cells), *cells.to_numpy().tolist()] == [
        ["attention", "PC", "mask", "pc"], ["mask", "", "75 %", ""], ["mask", "yes", "62 %", "0.025 %"]
    ]  # fmt: skip
    assert "gradients" in tables(made(0.5), whole=True)
    assert "gradients" not in tables(made(0.5))
    assert gradient_cells(made_comparison({MASK: {"top1": 50.0}})).empty


def test_the_attention_losss_share_leaves_the_rows_name_alone() -> None:
    notes = {"curves": {"0": {"gradient_perception": [0.25], "gradient_attention": [0.75]}}}
    cells = gradient_cells(made_comparison({MASK: {"top1": 50.0}}, trainings={MASK: notes}))
    assert cells.to_dict("records") == [
        {"attention": "mask", "PC": "", "perception": "25 %", "attention loss": "75 %"}
    ]  # fmt: skip


def test_pc_is_warned_of_below_one_percent() -> None:
    assert pc_warning(made(0.01)) is None
    assert pc_warning(made(None, None)) is None
    assert pc_warning(made(0.0002)) == (
        "Beware: of the gradient that moved the attention branch PC's share was 0.02 % in mask + PC, so a difference "
        "between such a row and the one without PC is noise."
    )


def test_a_control_with_pc_is_warned_of_and_a_row_without_it_is_not() -> None:
    notes = {"curves": {"0": {"gradient_pc": [0.001]}}}
    control, none = Row("pc-max", False), Row("abn", False)
    rows = {control: {"top1": 50.0}, none: {"top1": 50.0}}
    trainings = {control: notes, none: {"curves": {"0": {"gradient_pc": [0.0]}}}}
    assert "PC's share was 0.1 % in pc-max, so" in (pc_warning(made_comparison(rows, trainings=trainings)) or "")


def test_the_warning_stands_once_beside_the_answers_about_pc() -> None:
    for first, second in (("entropy_object", "top1"), ("top1", "entropy_object")):
        comparison = made(0.0002)
        found = made_comparison({WITH_PC: {f"{first}_vs_abn": 0.5}})._differences
        comparison._differences[WITH_PC, MASK, first] = next(each for each in found.values() if each)
        comparison._differences[WITH_PC, MASK, second] = None
        [told] = [each for each in answers(comparison) if "Beware" in each]
        assert told.startswith("**Are the maps sharper" if first == "entropy_object" else "**Are the answers more")
    both = made(0.0002)
    for measure in ("entropy_object", "top1"):
        both._differences[WITH_PC, MASK, measure] = comparison._differences[WITH_PC, MASK, "top1"]
    assert " ".join(answers(both)).count("Beware") == 1
