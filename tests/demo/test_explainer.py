"""What a page shows of a video: pictures of frames and maps in one file, numbers and words; faults are one line."""

from itertools import accumulate
from pathlib import Path
from urllib.parse import unquote

import cv2
import numpy as np
import pytest

import objabn
from objabn.config.schema import Dataset
from objabn.demo import explainer as explainer_module
from objabn.demo.explainer import Explainer
from objabn.demo.frames import legend, spread, write_pictures
from objabn.demo.offers import Networks, choose_offers
from objabn.demo.told import entropy_in_words
from objabn.explanation import explain as explain_module
from objabn.explanation.panels import panel_size
from objabn.report.overlays import coloured
from objabn.video.read import read_video, resized
from objabn.video.write import write_video
from tests.helpers.runs import CLASSES, STRIDE, parameters, write_run
from tests.helpers.videos import cut, encode, moving_bar

FRAMES = 29


@pytest.fixture(scope="module")
def place(synthetic: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs `mha` and `plain`, and videos."""
    folder = tmp_path_factory.mktemp("demo")
    for name in ("mha", "plain"):
        write_run(folder / name, parameters(synthetic), name, pc=False)
    write_video(folder / "bar.mp4", moving_bar(FRAMES))
    (folder / "notes.mp4").write_text("no video")
    return folder


@pytest.fixture
def explainer(place: Path, tmp_path: Path) -> Explainer:
    networks = Networks(choose_offers(None, [place / "mha", place / "plain"], []), "cpu")
    return Explainer(networks, tmp_path / "made", "file=", most=10)


def pictures(path: Path, sizes: list[int]) -> list[np.ndarray]:
    """The file's pictures, RGB."""
    content, ends = path.read_bytes(), list(accumulate(sizes))
    assert ends[-1] == len(content)
    parts = [content[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    return [cv2.imdecode(np.frombuffer(part, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1] for part in parts]


def file_of(address: str) -> Path:
    return Path(unquote(address.removeprefix("file=")))


def test_frames_are_spread_and_never_more_than_asked_for() -> None:
    assert spread(1).tolist() == [0]
    assert spread(5000, 3).tolist() == [0, 2500, 4999]
    assert len(set(spread(5000).tolist())) == len(spread(5000)) == 200


def test_pictures_are_the_videos_frames_and_the_maps_over_them(place: Path, tmp_path: Path) -> None:
    frames = np.arange(0, FRAMES, STRIDE)
    ramp = np.linspace(0, 1, len(frames))[:, None, None] * np.ones((1, 4, 4))
    maps, box = {"o": ramp, "g": 1 - ramp}, np.array([0.125, 0, 0.875, 1], np.float32)
    made = write_pictures(tmp_path / "p.bin", place / "bar.mp4", frames, maps, box, most=5)
    assert made.places.tolist() == [0, 4, 7, 10, 14]
    found = pictures(tmp_path / "p.bin", made.sizes)
    assert len(found) == 5 * 3
    size = panel_size(48, 64)
    left, right = round(0.125 * size[1]), round(0.875 * size[1])
    for at, place_of in enumerate(made.places.tolist()):
        whole = resized(read_video(place / "bar.mp4")[0][frames[place_of]], size)
        seen = whole[:, left:right]
        for picture, expected in zip(
            found[3 * at : 3 * at + 3],
            (seen, coloured(seen, maps["o"][place_of]), coloured(seen, maps["g"][place_of])),
            strict=True,
        ):
            assert picture.shape == (*size, 3)
            assert np.abs(picture[:, left:right].astype(int) - expected).mean() < 6
            assert picture[:, :left].mean() == pytest.approx(0.3 * whole[:, :left].mean(), abs=4)


def test_the_legend_has_the_colours_of_the_maps() -> None:
    ends = [coloured(np.full((1, 1, 3), 128, np.uint8), np.full((1, 1), value))[0, 0].tolist() for value in (0, 1)]
    assert [legend()[0], legend()[-1]] == ["rgb({},{},{})".format(*colour) for colour in ends]


def test_what_a_page_shows_is_what_explain_finds(explainer: Explainer, place: Path) -> None:
    told = explainer.explain((place / "mha").as_posix(), str(place / "bar.mp4"), True)
    own = objabn.explain(place / "bar.mp4", place / "mha", device="cpu")
    assert [(each["name"], each["probability"]) for each in told["classes"]] == [
        (name, pytest.approx(share, abs=1e-5)) for name, share in own.top(5)
    ]
    assert (told["known"], len(told["classes"])) == (len(CLASSES), 5)
    assert [each["name"] for each in told["maps"]] == ["M_u", "M_o", "M_b", "Grad-CAM"]
    bits = own.summary()["maps"]["o"]["entropy_bits"]
    assert told["maps"][1]["entropy"].startswith(f"{bits:.2f} of 3.32 bits")
    assert told["said"] == [
        "29 frames, 1.2 s. The network saw 15 of them, one in 2.",
        "The page shows 10 of these, evenly spread, to keep memory small. The files have all of them.",
    ]
    assert told["frames"][:2] + told["frames"][-1:] == [0, 4, 28]
    assert told["seconds"][-1] == pytest.approx(28 / 25)
    assert 80 <= told["milliseconds"] <= 160
    assert len(pictures(file_of(told["pictures"]), told["sizes"])) == 10 * 5
    assert [each["name"] for each in told["files"]] == [
        "overlay.mp4", "maps.npz", "grad-cam-overlay.mp4", "grad-cam-maps.npz",
    ]  # fmt: skip
    with np.load(file_of(told["files"][1]["url"])) as content:
        np.testing.assert_array_equal(content["map_names"], ["u", "o", "b"])
        np.testing.assert_allclose(content["maps"][1], own.maps["o"], atol=1e-5)


def test_grad_cam_is_asked_for_once(explainer: Explainer, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def explain(*given, method=None, **named):
        asked.append(method)
        return explain_module.explain(*given, method=method, **named)

    monkeypatch.setattr(explainer_module, "explain", explain)
    told = explainer.explain((place / "plain").as_posix(), str(place / "bar.mp4"), True)
    assert [each["name"] for each in told["maps"]] == ["Grad-CAM"]
    assert len(told["files"]) == 2
    told = explainer.explain((place / "mha").as_posix(), str(place / "bar.mp4"), False)
    assert [each["name"] for each in told["maps"]] == ["M_u", "M_o", "M_b"]
    assert asked == [None, None]


def test_a_fault_is_one_line_and_the_next_video_is_explained(
    explainer: Explainer, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = (place / "mha").as_posix()
    assert explainer.explain(run, None, True) == {"fault": "Choose a video first: drop one above, or take an example."}
    told = explainer.explain(run, str(place / "notes.mp4"), True)
    assert told == {"fault": 'notes.mp4: not a video: a text file, "no video"'}
    assert capsys.readouterr().err == told["fault"] + "\n"
    told = explainer.explain("other.py:load", str(place / "bar.mp4"), True)
    assert told == {"fault": "bar.mp4: network: expected one that the page offers, got 'other.py:load'"}
    assert "fault" not in explainer.explain(run, str(place / "bar.mp4"), False)


def test_a_video_that_is_cut_says_so(explainer: Explainer, place: Path, tmp_path: Path) -> None:
    encode(tmp_path / "cut.avi", moving_bar(40), codec="mpeg4")
    cut(tmp_path / "cut.avi", 0.7)
    told = explainer.explain((place / "plain").as_posix(), str(tmp_path / "cut.avi"), False)
    assert "The file is cut or broken: " in told["said"][-1]


def test_files_of_old_explanations_go(explainer: Explainer, place: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(explainer_module, "KEPT", 2)
    for _ in range(3):
        told = explainer.explain((place / "plain").as_posix(), str(place / "bar.mp4"), False)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == ["000002", "000003"]
    assert file_of(told["pictures"]).is_file()


def test_entropy_of_flat_maps() -> None:
    assert entropy_in_words(None, 1.0, 3.32) == "none, since the map is flat in all frames: it marks nothing"
