"""The report in a browser: one slider moves all maps, keys work, nothing is fetched, everybody can use it.

Whatever the classes are called: nothing is squeezed, mistaken for something else, or beyond the window.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objabn.config.schema import Dataset
from objabn.report.names import Row
from objabn.report.page import page as page_module
from tests.helpers.report import EVIL, FRAMES, page

pytestmark = pytest.mark.browser
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
LOCAL = ("file:", "data:", "blob:")
CANVASES = 3 + 1 + 1 + 3  # frame, mask and truth; plain's, abn's and mha's maps


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, synthetic: Dataset) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "index.html").write_text(page(folder, synthetic, lost=True))
    return folder / "index.html"


class Opened:
    """The page in a window, with what it said and asked for."""

    def __init__(self, browser: Any, path: Path, width: int) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.faults: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type != "log" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.drawn()

    def until(self, expression: str) -> None:
        """Waits until it is true. Not by `wait_for_function`: the page forbids code in strings to itself, too."""
        for _ in range(600):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(50)
        pytest.fail(f"not so within half a minute: {expression}")

    def drawn(self) -> None:
        """Waits until the chosen video's frames are there."""
        self.until(
            "document.getElementById('cards').dataset.drawn === "
            "document.getElementById('video').selectedOptions[0].textContent.replace(/^\\d+\\. /, '')"
        )

    def pixels(self) -> list[str]:
        """Of each canvas."""
        return self.page.eval_on_selector_all("#cards canvas", "all => all.map(each => each.toDataURL())")

    def colours(self) -> np.ndarray:
        """Red minus blue of each map's canvas, (maps, pixels): the grey frame below does not count."""
        script = """all => all.slice(3).map(each => {
            const copy = Object.assign(document.createElement('canvas'), { width: each.width, height: each.height });
            const context = copy.getContext('2d', { willReadFrequently: true });
            context.drawImage(each, 0, 0);
            const { data } = context.getImageData(0, 0, each.width, each.height);
            return Array.from({ length: data.length / 4 }, (_, at) => data[4 * at] - data[4 * at + 2]);
        })"""
        return np.array(self.page.eval_on_selector_all("#cards canvas", script))


@pytest.fixture(params=[1400, 400])
def opened(request: pytest.FixtureRequest, browser: Any, made: Path) -> Iterator[Opened]:
    own = Opened(browser, made, request.param)
    yield own
    assert not own.faults
    assert own.requests
    assert all(url.startswith(LOCAL) for url in own.requests), own.requests
    own.page.close()


def test_the_slider_moves_the_maps_of_all_rows(opened: Opened) -> None:
    before, maps = opened.pixels(), opened.colours()
    assert len(before) == CANVASES
    assert len(set(before)) == CANVASES
    opened.page.locator("#frame").fill("3")
    after = opened.pixels()
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert (np.abs(opened.colours() - maps).max(axis=1) > 100).all()
    opened.page.locator("#frame").fill("1")
    assert opened.pixels() == before


def test_keys_move_the_slider(opened: Opened) -> None:
    slider, before = opened.page.locator("#frame"), opened.pixels()
    slider.focus()
    opened.page.keyboard.press("ArrowRight")
    assert slider.input_value() == "2"
    assert slider.get_attribute("aria-valuetext") == "frame 2 of 4, no. 3 of the video"
    assert opened.page.locator("#number").text_content() == "2 of 4"
    assert all(one != other for one, other in zip(before, opened.pixels(), strict=True))
    opened.page.keyboard.press("End")
    assert slider.input_value() == str(FRAMES)


def test_the_order_and_the_buttons_choose_the_video(opened: Opened) -> None:
    window = opened.page
    names = window.eval_on_selector_all("#order option", "all => all.map(each => each.textContent)")
    assert names == ["Wrong in most rows", "Most bits apart", "Least overlap with the truth", "Typical"]
    first = window.locator("#video option").first.text_content()
    before = opened.pixels()
    window.select_option("#order", label="Most bits apart")
    opened.drawn()
    assert window.locator("#video option").first.text_content() != first
    assert opened.pixels() != before
    assert "differ most in entropy" in window.locator("#asked").text_content()
    assert window.locator("#previous").is_disabled()
    before = opened.pixels()
    window.locator("#next").focus()
    window.keyboard.press("Enter")
    opened.drawn()
    assert opened.pixels() != before
    assert window.locator("#position").text_content().startswith("2 of ")
    window.locator("#previous").click()
    opened.drawn()
    assert opened.pixels() == before


def test_play_moves_on_and_pause_stops(opened: Opened) -> None:
    play = opened.page.locator("#play")
    play.click()
    assert play.text_content() == "Pause"
    opened.until("document.getElementById('frame').value === '3'")
    play.click()
    assert play.text_content() == "Play"
    stopped = opened.page.locator("#frame").input_value()
    opened.page.wait_for_timeout(600)  # more than two frames
    assert opened.page.locator("#frame").input_value() == stopped


def test_pictures_say_what_is_seen(opened: Opened) -> None:
    labels = opened.page.eval_on_selector_all("#cards canvas", "all => all.map(each => each.ariaLabel)")
    assert labels[1:3] == ["training mask: what it covers is light", "truth: what it covers is light"]
    assert labels[4].startswith("abn, M_u: predicted ")
    assert "(wrong)" in labels[4] or "(right)" in labels[4]
    assert " bits, IoU 0." in labels[4]
    assert opened.page.locator("#cards h3").first.text_content().startswith("class ")


def test_names_are_shown_as_they_are(opened: Opened) -> None:
    assert opened.page.locator("#classes tbody th", has_text=EVIL).count() >= 1
    assert opened.page.evaluate("document.scripts.length") == 11  # as written: none came from a name


def test_the_confusion_matrix_follows_its_row(opened: Opened) -> None:
    window = opened.page
    before = window.locator("#confusion").get_attribute("aria-label")
    assert before.startswith("Confusion matrix of plain: 75.0 % are right; most often wrong: ")
    window.select_option("#confusion-row", label="mha + PC")
    assert window.locator("#confusion").get_attribute("aria-label").startswith("Confusion matrix of mha + PC: ")
    shares = window.evaluate("document.getElementById('confusion').data[0].z")
    assert [[cell and round(cell) for cell in line] for line in shares] == [
        [75, 25, None], [None, 75, 25], [25, None, 75]
    ]  # fmt: skip
    assert window.locator("#pairs tr").count() == 3


def test_the_classes_sort_by_a_heading(opened: Opened) -> None:
    window = opened.page
    names = "all => all.map(each => each.textContent)"
    for label in ("accuracy by class", "overlap by class"):
        heading, cells = window.locator(f"[aria-label='{label}'] th").first, f"[aria-label='{label}'] tbody th"
        rising = window.eval_on_selector_all(cells, names)
        heading.locator("button").click()
        assert window.eval_on_selector_all(cells, names) == rising[::-1]
        assert heading.get_attribute("aria-sort") == "descending"


def test_the_page_is_no_wider_than_the_window(opened: Opened) -> None:
    width = opened.page.viewport_size["width"]
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width


def test_every_row_stands_in_the_table(opened: Opened) -> None:
    names = opened.page.eval_on_selector_all("table.main tbody th", "all => all.map(each => each.textContent)")
    assert names == ["plain", "abn", "mha + PC"]


def grave(opened: Opened) -> dict[str, str]:
    """What axe finds serious, with all details open."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
    opened.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    found = axe.Axe().run(opened.page).response["violations"]
    return {each["id"]: each["nodes"][0]["html"] for each in found if each["impact"] in ("serious", "critical")}


def test_axe_finds_nothing_serious(opened: Opened) -> None:
    assert not grave(opened)


# the first screen

FIRST = {Row("abn", False): "u", Row("mask", False): "o"}


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_what_was_found_comes_first_and_without_scrolling(
    browser: Any, tmp_path: Path, synthetic: Dataset, width: int, height: int
) -> None:
    (tmp_path / "index.html").write_text(page(tmp_path, synthetic, rows=FIRST, seeds=(0, 1, 2), methods=True))
    opened = Opened(browser, tmp_path / "index.html", width)
    opened.page.set_viewport_size({"width": width, "height": height})
    sentences = opened.page.locator(".found li")
    assert sentences.count() == 3
    assert all("[" in text for text in sentences.all_text_contents()[:2])  # the answers are the same in all trainings
    boxes = [opened.page.locator("h1").bounding_box(), *(each.bounding_box() for each in sentences.all())]
    assert all(box["y"] >= boxes[0]["y"] + boxes[0]["height"] for box in boxes[1:])
    end = max(box["y"] + box["height"] for box in boxes)
    for other in (".facts", "nav", "#maps"):  # all else comes after
        assert opened.page.locator(other).bounding_box()["y"] >= end
    assert end < 0.75 * height
    if width > 1000:
        assert opened.page.locator("#cards").bounding_box()["y"] < height  # the gallery begins on it
    opened.page.locator(".fine a").click()
    assert opened.page.evaluate("location.hash") == "#words"
    opened.page.close()


def test_rows_have_their_colour_in_the_table_the_gallery_and_the_plots(browser: Any, made: Path) -> None:
    opened = Opened(browser, made, 1400)
    colour = "all => all.map(each => getComputedStyle(each, '::before').borderTopColor)"
    rows = opened.page.eval_on_selector_all("table.main tbody th", colour)
    assert len(set(rows)) == len(rows) == 3
    assert opened.page.eval_on_selector_all("#cards .marked .title", colour) == rows
    drawn = "document.getElementById('plot-accuracy').data.map(each => each.marker.color)"
    hexed = [[int(each[at : at + 2], 16) for at in (1, 3, 5)] for each in opened.page.evaluate(drawn)]
    assert [f"rgb({', '.join(map(str, each))})" for each in hexed] == rows
    opened.page.close()


# names of classes

LONG = "Moving something and something so they collide with each other and then fall off the table, to the "
NAMES = [
    *(LONG + side for side in ("left", "right")),
    *(f"Pretending to put something {there} something but missing it altogether" for there in ("on", "behind")),
    r"$\frac{a}{b}$ cost $5 and $6", "<b>bold</b> &amp; <br> 'it' \"q\"", "Donaudampfschifffahrtsgesellschaft" * 4,
    "長い名前の動作" * 12, "🏃🏽‍♀️" * 40, "مشي على العشب مع الكلب " * 3 + ".", *("1", "2", "10", "2020-01-01", "1e3"),
]  # fmt: skip
BOXES = """all => all.map(each => {
    const { left, right, top, bottom } = each.getBoundingClientRect();
    return [left, right, top, bottom];
})"""


def with_names(folder: Path, dataset: Dataset, names: list[str], **more: Any) -> Path:
    (folder / "index.html").write_text(page(folder, dataset, classes=names, num_videos=max(24, len(names)), **more))
    return folder / "index.html"


@pytest.fixture(scope="module")
def oddly_named(tmp_path_factory: pytest.TempPathFactory, synthetic: Dataset) -> Path:
    return with_names(tmp_path_factory.mktemp("odd"), synthetic, NAMES)


def told_over_the_matrix(opened: Opened, label: int, name: str) -> list[float]:
    """Waits until the pointer over a class's first cell is told its whole name; where that stands."""
    cell = f"""(() => {{
        const matrix = document.getElementById('confusion'), {{ l, t, w, h }} = matrix._fullLayout._size;
        matrix.scrollIntoView({{ block: 'center', behavior: 'instant' }});
        const box = matrix.getBoundingClientRect(), size = matrix.data[0].z.length;
        const across = matrix.data[0].z[{label}].findIndex(each => each !== null);
        return [box.left + l + (across + 0.5) * w / size, box.top + t + ({label} + 0.5) * h / size];
    }})()"""
    opened.page.mouse.move(*opened.page.evaluate(cell))
    opened.until(
        "[...document.querySelectorAll('#confusion .hovertext')].map(each => each.textContent.replaceAll(' ', ''))"
        f".some(each => each.startsWith({json.dumps(name.replace(' ', ''))}))"
    )
    (box,) = opened.page.eval_on_selector_all("#confusion .hovertext", BOXES)
    return box


@pytest.mark.parametrize("width", [1400, 400])
def test_names_at_the_matrix_are_short_distinct_and_whole_under_the_pointer(
    browser: Any, oddly_named: Path, width: int
) -> None:
    opened = Opened(browser, oddly_named, width)
    names = sorted(NAMES)
    assert not opened.faults  # none of them is mathematics
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    plot = opened.page.evaluate("document.getElementById('confusion').getBoundingClientRect().toJSON()")
    inside = opened.page.evaluate("document.getElementById('confusion')._fullLayout._size")
    assert inside["w"] > 0.45 * plot["width"]
    assert inside["h"] > 0.6 * plot["height"]
    for axis in ("x", "y"):
        ticks = f"#confusion .{axis}tick text"
        short = opened.page.eval_on_selector_all(ticks, "all => all.map(each => each.firstChild.textContent)")
        told = "all => all.map(each => (each.querySelector('title') || each).textContent)"
        whole = opened.page.eval_on_selector_all(ticks, told)
        assert whole == names
        assert len(set(short)) == len(names)
        assert {name for name in names if len(name) < 12} == {"1", "2", "10", "2020-01-01", "1e3"} <= set(short)
        for left, right, top, bottom in opened.page.eval_on_selector_all(ticks, BOXES):
            assert plot["left"] <= left < right <= plot["right"]
            assert plot["top"] <= top < bottom <= plot["bottom"] + 1
    for label, name in enumerate(names):
        if len(name) < 80:
            continue
        left, right, *_ = told_over_the_matrix(opened, label, name)
        assert left >= 0
        assert right <= width
    opened.page.close()


MANY = [f"Pretending to put something onto something {number:03d} but missing so it falls" for number in range(174)]


@pytest.fixture(scope="module")
def many_classes(tmp_path_factory: pytest.TempPathFactory, synthetic: Dataset) -> Path:
    rows = {Row("abn", False): "u", Row("mask", True): "o", Row("mha", False): "uob"}
    rows |= {Row(f"masks_of_other_videos_of_the_same_class_{number:02d}", False): "o" for number in range(17)}
    return with_names(tmp_path_factory.mktemp("many"), synthetic, MANY, rows=rows)


@pytest.mark.parametrize("width", [1400, 400])
def test_174_classes(browser: Any, many_classes: Path, width: int) -> None:
    opened = Opened(browser, many_classes, width)
    assert not opened.faults
    opened.page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    assert opened.page.locator("#confusion .xtick, #confusion .ytick").count() == 0
    told_over_the_matrix(opened, 100, MANY[100])
    assert opened.page.locator("#pairs tr").count() == 174 // 4
    for label in ("accuracy by class", "overlap by class", "most confused pairs"):
        cells = opened.page.locator(f"[aria-label='{label}'] tbody th")
        assert cells.count() == (174 if "by class" in label else 174 // 4)
        assert set(cells.all_text_contents()) <= set(MANY)  # whole, for whoever reads or searches
        cell, name = cells.first.bounding_box(), cells.first.locator(".name").bounding_box()
        assert cell["x"] <= name["x"] <= name["x"] + name["width"] <= cell["x"] + cell["width"]
        assert (name["height"] < 30) == (width > 520)  # one line, but whole on a phone, which has no pointer
        assert cells.first.locator(".name").get_attribute("title") == cells.first.text_content()
        last = "all => all.map(each => each.lastChild.scrollWidth - each.lastChild.clientWidth)"
        assert (
            max(opened.page.eval_on_selector_all(f"[aria-label='{label}'] .name.long", last)) <= 1
        )  # the end is whole
    started = opened.page.evaluate("performance.now()")
    opened.page.select_option("#confusion-row", index=3)
    assert opened.page.evaluate("performance.now()") - started < 3000
    opened.page.close()


@pytest.mark.slow  # of its thousands of cells each is looked at
@pytest.mark.parametrize("width", [1400, 400])
def test_axe_finds_nothing_serious_among_174_classes(browser: Any, many_classes: Path, width: int) -> None:
    opened = Opened(browser, many_classes, width)
    assert not grave(opened)
    opened.page.close()


def test_a_large_page_is_no_larger_than_4_mb(many_classes: Path) -> None:
    """With the largest picture of masks there may be, which is base64."""
    assert len(many_classes.read_bytes()) + page_module._MAX_PICTURE * 4 / 3 < 4_000_000
