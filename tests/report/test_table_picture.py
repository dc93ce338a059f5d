"""The picture of the comparison: its numbers and dots by hand, and that a phone shows all of it."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from PIL import Image

from objabn.report.colours import row_colours
from objabn.report.names import Row
from objabn.report.table_picture import FONT_SIZE, SHARPNESS, WIDTH, draw_table, table_figure
from tests.helpers.comparisons import made_comparison, results

PLAIN, ABN, MASK = Row("plain", False), Row("abn", False), Row("mask", True)
VIDEOS = list("abcdef")
WRITTEN: dict[Row, dict[str, float]] = {
    PLAIN: {"top1": 47.65625, "top1_vs_abn": -2.34375, "top1_vs_abn_low": -8.59375, "top1_vs_abn_high": 3.90625},
    ABN: {"top1": 50.0, "entropy_object_u": 2.75, "pointing_u": 0.25, "pointing_u_std": 0.125, "iou_fit_u": 0.5},
    MASK: {
        "top1": 62.5, "top1_vs_abn": 12.5, "top1_vs_abn_low": 7.03125, "top1_vs_abn_high": 18.0,
        "entropy_object_o": 1.25, "pointing_o": 0.75, "iou_fit_o": 0.625,
    },
}  # fmt: skip


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts if text.get_text()]


def test_numbers_and_differences_stand_beside_the_rows() -> None:
    told = texts(table_figure(made_comparison(WRITTEN, seeds=(0, 1))))
    assert told[:9] == [
        "made", "top-1, %", "plain", "47.7", "-2.3 [-8.6, +3.9]", "abn", "50.0", "mask + PC", "62.5",
    ]  # fmt: skip
    assert told[9:15] == [
        "+12.5 [+7.0, +18.0] *", "entropy of the map, bits: lower is sharper", "abn", "2.75", "mask + PC", "1.25",
    ]  # fmt: skip
    assert told[20:25] == ["IoU of the map with the training masks", "abn", "0.50", "mask + PC", "0.62"]
    assert " ".join(told[25:]).replace("\xa0", " ") == (
        "Dots: means of 2 trainings; bars: ± their standard deviation. Behind a number: its difference to abn and the "
        "95 % interval. * beyond noise. Open dots: with PC."
    )


def test_the_overlap_is_with_the_truth_where_there_is_one() -> None:
    written = {ABN: WRITTEN[ABN] | {"iou_truth_u": 0.125}}
    told = texts(table_figure(made_comparison(written)))
    assert told[told.index("IoU of the map with the truth") :] == ["IoU of the map with the truth", "abn", "0.12"]
    assert not any("training masks" in text for text in told)


def dots(figure: Figure, panel: int) -> dict[int, tuple[float, str, str]]:
    """Of each line, by its number: where its dot is, its colour and what fills it."""
    lines = [line for line in figure.axes[panel].lines if line.get_marker() != "None"]
    return {
        int(line.get_ydata()[0]): (line.get_xdata()[0], line.get_color(), line.get_markerfacecolor()) for line in lines
    }


def test_dots_have_the_rows_colours_and_their_spread() -> None:
    figure, colours = table_figure(made_comparison(WRITTEN, seeds=(0, 1))), row_colours(list(WRITTEN))
    assert dots(figure, 0) == {
        0: (47.65625, colours[PLAIN], colours[PLAIN]),
        1: (50.0, colours[ABN], colours[ABN]),
        2: (62.5, colours[MASK], "white"),
    }
    [spread] = [line for line in figure.axes[2].lines if list(line.get_xdata()) == [12.5, 37.5]]
    assert spread.get_color() == colours[ABN]
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert all(low < value < high for line in axes.lines for value in line.get_xdata() if value not in (0, 1))


def test_what_is_used_has_its_own_interval() -> None:
    """Of mask 25 points are lost, 4.303 / sqrt(3) of one more or less; plain loses nothing known."""
    mask, top1 = Row("mask", False), [[0.74] * 6, [0.75] * 6, [0.76] * 6]
    lost = results(VIDEOS, top1=top1, top1_even=[[0.5] * 6] * 3, entropy_o=[[1.0] * 6] * 3)
    comparison = made_comparison(
        {PLAIN: {"top1": 75.0}, mask: {"top1": 75.0}},
        per_video={PLAIN: results(VIDEOS, top1=top1), mask: lost},
        seeds=range(3),
    )
    figure = table_figure(comparison)
    told = texts(figure)
    at = told.index("used: points of top-1 that an even weight costs")
    assert told[at + 1 : at + 4] == ["mask", "25.0", "[+22.5, +27.5] *"]
    bars = [line.get_xdata() for line in figure.axes[1].lines if line.get_marker() == "None"]
    assert [25 - 4.303 / 3**0.5, 25 + 4.303 / 3**0.5] in [pytest.approx(bar, abs=0.001) for bar in bars]
    assert [0, 0] in [list(bar) for bar in bars]  # nothing lost


def many_rows() -> Mapping[Row, Mapping[str, float]]:
    """Twenty rows with long names and wide intervals in all measures."""
    written = {}
    for at in range(20):
        row = ABN if at == 0 else Row(f"masks_of_other_videos_of_class_{at:02d}", at % 2 == 1)
        letter = "u" if at == 0 else "o"
        own = {f"{name}_{letter}": 0.5 for name in ("entropy_object", "pointing", "iou_truth")} | {"top1": 100.0}
        for measure in ("top1", "entropy_object", "pointing", "iou_truth"):
            ends = {f"{measure}_vs_abn": -12.5, f"{measure}_vs_abn_low": -33.25, f"{measure}_vs_abn_high": -10.5}
            own |= ends if at else {}
        written[row] = own
    return written


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("written", [WRITTEN, many_rows()], ids=["few", "many"])
def test_a_phone_shows_all_of_it(tmp_path: Path, written: Mapping[Row, Mapping[str, float]]) -> None:
    """390 pixels wide, no letter smaller than 11, no text over another or beyond the picture."""
    comparison = made_comparison(written, seeds=(0, 1, 2))
    figure = table_figure(comparison)
    assert figure.get_figwidth() * 72 == pytest.approx(WIDTH) == 390
    shown = [text for text in figure.texts if text.get_text()]
    assert {text.get_fontsize() >= FONT_SIZE == 11 for text in shown} == {True}
    boxes = [text.get_window_extent() for text in shown]
    for box in boxes:
        assert 0 <= box.x0 < box.x1 <= figure.bbox.width
        assert 0 <= box.y0 < box.y1 <= figure.bbox.height
    lines: dict[float, list] = {}
    for text, box in zip(shown, boxes, strict=True):
        lines.setdefault(round(text.get_position()[1], 5), []).append(box)
    for of_line in lines.values():
        of_line.sort(key=lambda box: box.x0)
        assert all(left.x1 <= right.x0 for left, right in pairwise(of_line))
    for axes in figure.axes:
        assert axes.get_window_extent().width >= 60 * SHARPNESS
    draw_table(comparison, tmp_path / "t.png")
    with Image.open(tmp_path / "t.png") as picture:
        assert picture.size[0] == WIDTH * SHARPNESS
