"""The audits' tables and picture, from numbers made up by hand."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from objabn.evaluation.numbers import Number
from objabn.report import audit_picture
from objabn.report.audit_picture import draw_audits
from objabn.report.audit_tables import (
    LOSSES,
    background_cells,
    loss_cells,
    losses,
    replaced_cells,
    to_markdown,
)
from objabn.report.intervals import Difference, scope
from tests.helpers.comparisons import numbers_of, results

BACKGROUNDS = {
    "top1_foreground": 90.0, "top1_background": 12.5, "top1_pasted": 95.0, "top1_swapped": 85.0,
    "swap_drop": 11.875, "background_gap": 10.0,
}  # fmt: skip
TRUTH = {f"{name}_truth": value + 1 for name, value in BACKGROUNDS.items()}
REPLACED = {"top1_even": 96.0, "top1_flat": 95.5, "top1_one": 94.0, "top1_inverse": 20.0, "top1_other": 60.0,
            "top1_masks": 97.0, "top1_masks_any": 97.25, "top1_truth": 96.5, "top1_truth_any": 96.75}  # fmt: skip
NAN = float("nan")
AREAS = {f"{kind}{time}_{which}": 0.1 * number + 0.01 * late + (0.005 if which == "random" else 0)
         for number, kind in enumerate(("insertion", "deletion"), 5) for late, time in enumerate(("", "_time"))
         for which in ("o", "random")}  # fmt: skip
PLAIN = {"top1": 96.875, **BACKGROUNDS, **TRUTH}
MASK = {**PLAIN, **REPLACED, **AREAS}
ROWS = {"plain": PLAIN, "mask": MASK}


def audits_of(rows: dict[str, dict[str, float]]) -> dict[str, dict[tuple[str, str], Number]]:
    return {row: numbers_of(written) for row, written in rows.items()}


def with_seeds(numbers: dict[str, float]) -> dict[str, float]:
    return numbers | {f"{name}_std": 0.25 for name in numbers}


def lines(cells: pd.DataFrame) -> list[list[str]]:
    return [list(cells.columns), *cells.to_numpy().tolist()]


def test_replacements_are_of_rows_with_maps() -> None:
    assert lines(replaced_cells(audits_of(ROWS))) == [
        ["row", "own maps", "even", "flat", "1", "1 - M", "another video's", "masks", "masks, any", "truth",
         "truth, any"],
        ["mask", "96.88", "96.00", "95.50", "94.00", "20.00", "60.00", "97.00", "97.25", "96.50", "96.75"],
    ]  # fmt: skip


def test_backgrounds_have_a_line_for_each_kind_of_masks() -> None:
    heading = ["row", "cut by", "whole", "figure alone", "background alone", "pasted on its own", "on another's",
               "swap drop", "background gap"]  # fmt: skip
    segmenter = ["segmenter", "96.88", "90.00", "12.50", "95.00", "85.00", "11.88", "10.00"]
    truth = ["truth", "96.88", "91.00", "13.50", "96.00", "86.00", "12.88", "11.00"]
    expected = [heading, *([row, *cells] for row in ROWS for cells in (segmenter, truth))]
    assert lines(background_cells(audits_of(ROWS))) == expected
    without_truth = {"plain": {"top1": 96.875, **BACKGROUNDS}}
    assert lines(background_cells(audits_of(without_truth))) == [heading, ["plain", *segmenter]]


def test_several_seeds_show_their_spread_and_there_is_no_minus_zero() -> None:
    spread = background_cells(audits_of({"plain": with_seeds(PLAIN)}))
    assert spread["swap drop"].tolist() == ["11.88 ± 0.25", "12.88 ± 0.25"]
    assert background_cells(audits_of({"plain": PLAIN | {"swap_drop": -0.001}}))["swap drop"][0:1].tolist() == ["0.00"]
    mixed = background_cells(audits_of({"one": PLAIN, "three": with_seeds(PLAIN)}))
    assert mixed["swap drop"].tolist() == ["11.88", "12.88", "11.88 ± 0.25", "12.88 ± 0.25"]


VIDEOS = list("abcdef")


def audited(**means: float) -> pd.DataFrame:
    """Six videos that are all alike, three seeds: a step below the mean, at it and above it, for `top1` and areas.

    What is lost varies over seeds as the whole does, so its interval reaches 4.303 / sqrt(3) = 2.484 steps to each side
    (2 degrees of freedom).
    """
    steps = {"top1": 0.01, "insertion_o": 0.01, "insertion_u": 0.01, "deletion_random": 0.01, "top1_pasted": 0.01}
    return results(
        VIDEOS,
        **{name: [[mean + steps.get(name, 0.0) * at] * 6 for at in (-1, 0, 1)] for name, mean in means.items()},
    )


def test_losses_by_hand() -> None:
    table = audited(top1=0.9, top1_even=0.8, top1_other=0.5, insertion_o=0.75, insertion_u=0.1, insertion_random=0.5,
                    deletion_random=0.25, deletion_o=0.25, deletion_u=0.0, insertion_g=0.5, deletion_g=0.125,
                    top1_swapped=0.89, top1_pasted=0.9)  # fmt: skip
    found = losses(table, None)
    assert list(found) == list(LOSSES)
    assert lines(loss_cells({"mask": found, "plain": losses(audited(top1=0.9, top1_swapped=0.5), None)})) == [
        ["row", *LOSSES],
        ["mask", "+10.0 [+7.5, +12.5] *", "+40.0 [+37.5, +42.5] *", "+0.250 [+0.225, +0.275] *",
         "+0.000 [-0.025, +0.025]", "+0.250 [+0.225, +0.275] *", "-0.125", "+1.0 [-1.5, +3.5]", "+1.0 [-1.5, +3.5]"],
        ["plain", "", "", "", "", "", "", "+40.0 [+37.5, +42.5] *", ""],
    ]  # fmt: skip


def test_losses_are_of_the_map_that_ranks_and_of_the_true_masks_where_they_are() -> None:
    table = audited(top1=0.9, insertion_u=0.75, insertion_random=0.5, top1_swapped=0.9, top1_swapped_truth=0.5,
                    top1_pasted=0.9, top1_pasted_truth=0.75)  # fmt: skip
    found = losses(table, None)
    assert {heading: round(each.mean, 3) for heading, each in found.items()} == {
        "insertion - random": 0.25, "swap drop": 40, "background gap": 25
    }  # fmt: skip
    assert found["background gap"].low is None  # it is the same in every training


def test_figures_are_cut_by_true_masks_where_most_videos_have_them() -> None:
    """A video without truth counts neither in the whole nor in what is left of it."""
    table = audited(top1=0.9, top1_swapped=0.8, top1_swapped_truth=0.5, top1_pasted=0.9, top1_pasted_truth=0.75)
    assert losses(table, None)["swap drop"].mean == pytest.approx(40)
    without = table["video"] == "a"
    table.loc[without, "top1"] = 0.0  # it would show
    names = ("top1_swapped_truth", "top1_pasted_truth")
    found = losses(table.assign(**{name: table[name].mask(without) for name in names}), None)
    assert {heading: round(each.mean, 3) for heading, each in found.items()} == {"swap drop": 40, "background gap": 25}
    few = table.assign(**{name: table[name].mask(table["video"] != "a") for name in names})
    assert losses(few, None)["background gap"].mean == pytest.approx(10)


def test_losses_of_one_seed_and_of_one_recording_have_no_interval() -> None:
    table = audited(top1=0.9, top1_even=0.8)
    for found in (
        losses(table[table["seed"] == 1], None),
        losses(table, pd.Series("one", VIDEOS)),
    ):
        assert lines(loss_cells({"mask": found})) == [["row", "own maps - even"], ["mask", "+10.0"]]
    assert losses(table.assign(top1_even=float("nan")), None) == {}


def test_rows_that_lose_nothing_known_have_no_table_of_losses() -> None:
    assert loss_cells({"mask": {}, "plain": {}}).empty
    assert loss_cells({}).empty


LOST = {"plain": {"swap drop": Difference(12.0, 8.0, 16.0)}, "mask": {"own maps - even": Difference(0.5, -1.0, 2.0)}}


def test_markdown_begins_with_losses() -> None:
    text = to_markdown(audits_of(ROWS), LOST, {}, {}, "own", [0, 1], 40)
    assert text.splitlines()[2:9] == [
        "## What does a row lose?",
        "",
        "| row | own maps - even | swap drop |",
        "|---|---|---|",
        "| plain |  | +12.0 [+8.0, +16.0] * |",
        "| mask | +0.5 [-1.0, +2.0] |  |",
        "",
    ]
    assert f"each is judged by itself. {scope(2, 40)}\n" in text


def test_markdown_says_why_losses_have_no_interval() -> None:
    lost = {"plain": {"swap drop": Difference(12.0)}}
    assert scope(1, 40) in to_markdown(audits_of(ROWS), lost, {}, {}, "own", [0], 40)
    assert scope(3, 2) in to_markdown(audits_of(ROWS), lost, {}, {}, "own", [0, 1, 2], 2)
    alike = to_markdown(audits_of(ROWS), lost, {}, {}, "own", [0, 1, 2], 40)
    assert scope(3, 40, has_intervals=False) in alike
    assert "twenty" not in alike


def test_markdown_leaves_out_what_no_row_has() -> None:
    text = to_markdown(audits_of({"plain": PLAIN}), {"plain": {}}, {}, {}, "own", [3], 40)
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# own: audits",
        "## Does the row lean on the background?",
    ]
    assert text.endswith("\n\nRows without PC, and controls. Seeds: 3.\n")


def test_markdown_is_complete() -> None:
    measured = results(["a", "b"], insertion_o=[[0.5, 0.5]], insertion_random=[[0.1, 0.1]], insertion_p=[[0.6, NAN]])
    alike = pd.DataFrame({"map": ["o"], "step": ["projection"], "correlation": [1.0], "compared": [1.0], "seed": [0]})
    rows = audits_of(ROWS | {"shuffled-labels": MASK})
    text = to_markdown(rows, LOST, {"mask": measured}, {"mask": alike}, "own", [0, 1], 40)
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# own: audits",
        "## What does a row lose?",
        "## Is the map used?",
        "## Is what the map ranks first what counts?",
        "## RISE beside them, on 1 videos drawn by a fixed seed",
        "## Do the maps depend on what the network has learnt?",
        "## Do they depend on the labels?",
        "## Does the row lean on the background?",
    ]
    assert text.endswith(". ± is the standard deviation over seeds. Seeds: 0, 1.\n")
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert len(tables) == (2 + 2) + (2 + 2) + (2 + 2) + (2 + 3) + (2 + 1) + (2 + 2) + (2 + 6)
    for word in ("even", "flat", "any", "swap drop", "background gap", "Insertion", "deletion"):
        notes = [line for line in text.splitlines() if not line.startswith("|")]
        assert any(word in line for line in notes), word


def curves_of(letter: str) -> pd.DataFrame:
    """Of two seeds: the curve by the map is at 0.2 and 0.4, the random one at 0.1."""
    return pd.DataFrame(
        [
            {"curve": f"{kind}_{which}", "share": share, "probability": value, "seed": seed}
            for kind in ("insertion", "deletion")
            for seed in (0, 1)
            for which, value in ((letter, 0.2 + 0.2 * seed), ("random", 0.1))
            for share in (0.0, 0.5, 1.0)
        ]
    )


@pytest.fixture
def drawn(tmp_path, monkeypatch: pytest.MonkeyPatch) -> Figure:
    figures = []

    def keep(*args: object, **settings: object) -> Figure:
        figures.append(Figure(*args, **settings))
        return figures[-1]

    monkeypatch.setattr(audit_picture, "Figure", keep)
    empty = pd.DataFrame(columns=["curve", "share", "probability", "seed"])
    draw_audits(audits_of(ROWS), {"plain": empty, "mask": curves_of("o"), "abn": curves_of("u")}, "own",
                tmp_path / "own.png")  # fmt: skip
    assert (tmp_path / "own.png").read_bytes().startswith(b"\x89PNG")
    return figures[0]


def test_the_picture_has_the_true_masks_drops(drawn: Figure) -> None:
    bars = drawn.axes[0]
    assert [label.get_text() for label in bars.get_xticklabels()] == ["plain", "mask"]
    heights = [patch.get_height() for patch in bars.patches]
    assert heights == [12.875, 12.875, 11.0, 11.0]


def test_the_picture_has_mean_curves_of_rows_with_maps(drawn: Figure) -> None:
    for axes in drawn.axes[1:]:
        shown = {line.get_label(): line.get_ydata().tolist() for line in axes.lines}
        assert shown["mask, $M_o$"] == pytest.approx([0.3] * 3)
        assert shown["abn, $M_u$"] == pytest.approx([0.3] * 3)
        random = [line.get_ydata().tolist() for line in axes.lines if line.get_linestyle() == "--"]
        assert random == [pytest.approx([0.1] * 3)] * 2
        assert len(axes.lines) == 4


def test_the_audit_of_backgrounds_alone_has_its_tables_and_one_panel(tmp_path, monkeypatch) -> None:
    """What the stage reads then: no curves and no steps, but their headings."""
    figures = []

    def keep(*args: object, **settings: object) -> Figure:
        figures.append(Figure(*args, **settings))
        return figures[-1]

    monkeypatch.setattr(audit_picture, "Figure", keep)
    audits = audits_of({"plain": PLAIN, "abn": PLAIN})
    curves = dict.fromkeys(audits, pd.DataFrame(columns=["curve", "share", "seed"]))
    sanity = dict.fromkeys(audits, pd.DataFrame(columns=["map", "step", "seed"]))
    per_video = {"plain": audited(top1=0.9, top1_swapped=0.5), "abn": audited(top1=0.9, top1_swapped=0.6)}
    lost = {name: losses(table, None) for name, table in per_video.items()}
    text = to_markdown(audits, lost, per_video, sanity, "own", [0, 1, 2], 6)
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# own: audits",
        "## What does a row lose?",
        "## Does the row lean on the background?",
        "## Which row leans less on it?",
    ]
    draw_audits(audits, curves, "own", tmp_path / "own.png")
    assert len(figures[0].axes) == 1
