"""The demo in a browser: a video comes in, frames and maps move, faults are a line, nothing leaves this machine."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest

from objabn.config.schema import Dataset
from objabn.demo.offers import Networks, choose_offers
from objabn.video.write import write_video
from tests.helpers.runs import CLASSES, parameters, write_run
from tests.helpers.videos import moving_bar

pytestmark = pytest.mark.browser
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("gradio", reason="gradio is not installed")
LOCAL = ("127.0.0.1", "::1", "localhost")
EVIL = "<img src=x onerror=alert(1)> ${1+1} {{value}}"
_connected: list[str] = []  # hosts that this process has connected to: the server's side


@pytest.fixture(scope="module")
def place(synthetic: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write_run(folder / "mha", parameters(synthetic), "mha")
    write_run(folder / "plain", parameters(synthetic), "plain", pc=False)
    write_video(folder / "bar.mp4", moving_bar(29))
    write_video(folder / f"{EVIL.replace('/', '')}.mp4", moving_bar(9))
    (folder / "holiday.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    return folder


@pytest.fixture(scope="module")
def url(place: Path) -> Iterator[str]:
    """The page of two small runs, with drawn examples."""
    from objabn.demo.page import serve

    def hear(event: str, given: tuple) -> None:
        if event == "socket.connect" and isinstance(given[1], tuple):
            _connected.append(str(given[1][0]))

    sys.addaudithook(hear)
    offers = choose_offers(None, [place / "mha", place / "plain"], [])
    with serve(offers, Networks(offers, "cpu"), None, None) as served:
        yield served


class Opened:
    """The page in a window, with what it said and asked for."""

    def __init__(self, browser: Any, url: str, width: int) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.faults: list[str] = []
        self.hosts: set[str | None] = set()
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)
        self.page.on("dialog", lambda dialog: self.faults.append(dialog.message))
        self.page.on("request", lambda request: self.hosts.add(urlparse(request.url).hostname))
        self.page.goto(url)
        self.page.wait_for_selector("#result .empty")

    def explain(self, video: Path) -> None:
        self.page.set_input_files("#video input[type=file]", video)
        self.page.wait_for_selector(f"#video >> text={video.suffix}")
        self.page.click("#explain")

    def drawn(self, frame: int, name: str) -> list[str]:
        """Wait until a frame and its map are there; the pixels of both."""
        self.page.wait_for_selector(f"#result .panels[data-drawn='{frame} {name}']")
        return self.page.eval_on_selector_all("#result canvas", "all => all.map(each => each.toDataURL())")

    def grave(self) -> dict[str, str]:
        """What axe finds that is serious: rule and place."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-core is not installed")
        found = axe.Axe().run(self.page).response["violations"]
        return {each["id"]: each["nodes"][0]["html"] for each in found if each["impact"] in ("serious", "critical")}


@pytest.fixture(params=[1280, 390])
def opened(request: pytest.FixtureRequest, browser: Any, url: str) -> Iterator[Opened]:
    own = Opened(browser, url, request.param)
    yield own
    assert not own.faults
    assert own.hosts - {None} == {"127.0.0.1"}  # None: pictures that lie in the page
    assert set(_connected) <= set(LOCAL)
    assert own.page.evaluate("document.documentElement.scrollWidth") == request.param
    own.page.close()


def test_a_video_is_explained_and_the_slider_moves_frame_and_map(opened: Opened, place: Path) -> None:
    assert not opened.grave()
    opened.explain(place / "bar.mp4")
    first = opened.drawn(0, "M_o")  # the map of the paper is chosen, where a network has it
    names = opened.page.eval_on_selector_all("#result .classes .name", "all => all.map(each => each.textContent)")
    shares = opened.page.eval_on_selector_all("#result .share", "all => all.map(each => parseFloat(each.textContent))")
    assert len(names) == 5
    assert set(names) < set(CLASSES)
    assert shares == sorted(shares, reverse=True)
    assert 80 < sum(shares) <= 100.5
    slider = opened.page.locator("#frame")
    slider.focus()
    opened.page.keyboard.press("End")
    last = opened.drawn(14, "M_o")
    assert all(one != other for one, other in zip(first, last, strict=True))
    assert slider.get_attribute("aria-valuetext") == "1.12 s, frame 28 of the video"
    opened.page.keyboard.press("ArrowLeft")
    opened.drawn(13, "M_o")
    opened.page.keyboard.press("Home")
    assert opened.drawn(0, "M_o") == first
    opened.page.get_by_role("radio", name="Grad-CAM").check()
    frame, other_map = opened.drawn(0, "Grad-CAM")
    assert (frame == first[0], other_map != first[1]) == (True, True)
    assert "of 3.32 bits" in opened.page.locator("#result .entropies").text_content()
    assert not opened.grave()


def test_moving_asks_the_server_for_nothing(opened: Opened, place: Path) -> None:
    opened.explain(place / "bar.mp4")
    opened.drawn(0, "M_o")
    asked: list[str] = []
    opened.page.on("request", lambda request: asked.append(request.url))
    opened.page.locator("#frame").fill("7")
    opened.drawn(7, "M_o")
    opened.page.get_by_role("radio", name="Mb").check()
    opened.drawn(7, "M_b")
    opened.page.click("#play")
    opened.drawn(9, "M_b")
    opened.page.click("#play")
    assert not [each for each in asked if not each.startswith(("blob:", "data:"))]


def test_an_unreadable_video_is_one_line(opened: Opened, place: Path) -> None:
    opened.explain(place / "holiday.mp4")
    fault = opened.page.wait_for_selector("#result [role=alert]")
    assert fault.text_content().startswith("holiday.mp4: not a video: ")
    assert "Traceback" not in opened.page.content()
    assert opened.page.locator("#result canvas").count() == 0
    assert not opened.grave()


def test_an_example_is_one_click_and_files_can_be_had(opened: Opened) -> None:
    opened.page.get_by_role("button", name="wave", exact=True).click()
    opened.drawn(0, "M_o")
    assert opened.page.locator("#viewer-title").text_content() == "wave.mp4"
    with opened.page.expect_download() as waiting:
        opened.page.get_by_role("link", name="maps.npz", exact=True).click()
    with np.load(waiting.value.path()) as content:
        assert content["map_names"].tolist() == ["u", "o", "b"]
    with opened.page.expect_download() as waiting:
        opened.page.get_by_role("link", name="overlay.mp4", exact=True).click()
    assert waiting.value.path().read_bytes()[4:8] == b"ftyp"


def test_another_network_is_chosen_and_names_are_shown_as_they_are(opened: Opened, place: Path) -> None:
    opened.page.locator("#network input").click()
    opened.page.get_by_role("option", name="plain").click()
    opened.page.wait_for_selector("#about >> text=plain")
    opened.page.locator("#grad-cam input").uncheck()
    opened.explain(next(place.glob("*onerror*")))
    opened.drawn(0, "Grad-CAM")
    title = opened.page.locator("#viewer-title").text_content()
    assert title.endswith(".mp4")
    assert "<img" in title or "img" in title
    assert opened.page.locator("#result img").count() == 0


def test_without_a_video_a_line_asks_for_one(opened: Opened) -> None:
    opened.page.click("#explain")
    assert opened.page.wait_for_selector("#result [role=alert]").text_content().startswith("Choose a video first")


def test_only_what_belongs_to_the_page_is_served(url: str, place: Path) -> None:
    import httpx

    assert urlparse(url).hostname == "127.0.0.1"
    with httpx.Client(trust_env=False) as client:
        for path in (place / "mha/run.json", Path(__file__), Path("/etc/passwd")):
            assert client.get(f"{url}gradio_api/file={path}").status_code == 403


@pytest.mark.parametrize("what", ["a file of the server", "code"])
def test_what_the_command_line_has_not_named_is_refused(url: str, place: Path, what: str) -> None:
    """Whoever talks to the server without the page gets no further than the page."""
    import httpx

    own = {"path": str(place / "bar.mp4"), "meta": {"_type": "gradio.FileData"}}
    network, video = (f"{place}/evil.py:load", None) if what == "code" else ((place / "mha").as_posix(), own)
    (place / "evil.py").write_text("raise SystemExit('this was run')")
    with httpx.Client(trust_env=False, timeout=60) as client:
        (called, *_) = [each for each in client.get(f"{url}config").json()["dependencies"] if len(each["inputs"]) == 3]
        given = {"data": [network, video, False], "fn_index": called["id"], "session_hash": what}
        assert client.post(f"{url}gradio_api/queue/join", json=given).status_code == 200
        with client.stream("GET", f"{url}gradio_api/queue/data", params={"session_hash": what}) as lines:
            done = next(line for line in lines.iter_lines() if "process_completed" in line)
    assert '"success":false' in done
    assert str(place / "bar.mp4") not in done
