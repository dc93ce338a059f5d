"""The report's page: everything a run produced stands in it, nothing in it is taken for markup, the same text twice."""

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from plotly.offline import get_plotlyjs_version

from objabn.config.schema import Dataset
from objabn.report.names import Row
from objabn.report.page import page as page_module
from objabn.report.page.page import _worst as worst_masks
from objabn.report.page.page import picture_url, segmenter_words, shown_parameters
from objabn.report.page.plots import accuracy_plot
from objabn.segmentation.quality import read_mask_quality
from tests.helpers.comparisons import made_comparison, results
from tests.helpers.report import CLASSES, EVIL, ROWS, page

THREE = {Row("abn", False): "u", Row("abn", True): "u", Row("mask", False): "o"}


class Tables(HTMLParser):
    """Cells of each table by the label of what it stands in, and the texts of all elements of a name."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.counts: dict[str, int] = {}
        self._label, self._cell = "", False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if dict(attrs).get("role") == "region":
            self._label = dict(attrs)["aria-label"]
        if tag == "tr":
            self.tables.setdefault(self._label, []).append([])
        if tag in ("td", "th"):
            self.tables[self._label][-1].append("")
            self._cell = True

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.tables[self._label][-1][-1] += data


def data_of(text: str, name: str) -> dict:
    found = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text)
    assert found
    return json.loads(found[1], parse_constant=lambda each: pytest.fail(f"{each} is no JSON"))


def without_plotly(text: str) -> str:
    """What is ours."""
    return text.replace((page_module._TEMPLATES / page_module.PLOTLY).read_text(), "")


def test_every_row_stands_in_every_table_of_rows(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic)
    tables = Tables(text).tables
    names = ["plain", "abn", "mha + PC"]
    assert [line[0] for line in tables["comparison of the rows"][2:]] == names
    assert tables["comparison of the rows"][0] == ["row", "accuracy", "entropy, bits"]
    assert tables["comparison of the rows"][1] == ["top-1 %", "top-5 %", "Mu", "Mo", "Mb", "Grad-CAM"]
    plain = tables["comparison of the rows"][2]
    assert plain[1:6] == ["75.00", "-", "", "", ""]  # of three classes
    assert re.fullmatch(r"\d\.\d{3}", plain[6])
    heading, plain, other = tables["differences to abn"]  # abn is not compared with itself
    assert heading == ["row", "top-1 - abn", "entropy - abn", "pointing - abn", "IoU truth - abn"]
    assert (plain[0], plain[1], other[0]) == ("plain", "+0.0", "mha + PC")
    assert all(re.fullmatch(r"[+-]\d+\.\d+", cell) for cell in plain[2:])  # one seed: no intervals
    assert [line[:2] for line in tables["what is measured of each map"][1:]] == [
        ["plain", "Grad-CAM"], ["abn", "Mu"], ["mha + PC", "Mu"], ["mha + PC", "Mo"], ["mha + PC", "Mb"]
    ]  # fmt: skip
    assert tables["accuracy by class"][0] == ["class", "videos", *names]
    for plot in ("Accuracy against entropy", "Entropies of the test videos", "Validation accuracy", "Training loss"):
        assert {line[0] for line in tables[f"{plot}, numbers"][1:]} == set(names), plot
    assert data_of(text, "gallery-data")["rows"] == names
    assert [row["name"] for row in data_of(text, "class-data")["rows"]] == names


def test_differences_of_several_seeds_have_intervals_and_stars(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic, seeds=(0, 1, 2))
    _, plain, *_ = Tables(text).tables["differences to abn"]
    assert '<h3>Differences to abn <span class="aside">with 95 % intervals; * beyond noise</span></h3>' in text
    assert plain[1] == "+0.0"  # the same answers in every training
    assert all(re.fullmatch(r"[+-][\d.]+\*? \[[+-][\d.]+, [+-][\d.]+\]", cell) for cell in plain[2:])
    ours = without_plotly(text)
    for note in (
        "Brackets: 95 % intervals over trainings and recordings",
        "The smallest difference that gets its star",
    ):
        assert ours.count(f"<li>{note}") == 1, note
    assert ours.count("The intervals (95 %) cover other trainings and other test recordings") == 1
    assert "One seed" not in ours


def test_one_seed_says_why_there_is_no_star(tmp_path: Path, synthetic: Dataset) -> None:
    ours = without_plotly(page(tmp_path, synthetic))
    assert "<li>One seed: no star and no yes or no" in ours
    assert "Brackets" not in ours
    assert "beyond noise" not in ours
    assert 'class="interval"' not in ours
    assert "Bars: ± one standard error over the test recordings; another training may lie further away." in ours


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("+0.50", '<span class="mean">+0.50</span>'),
        (
            "-2.3 [-8.6, +3.9]",
            '<span class="mean">-2.3</span> <span class="interval">[-8.6, +3.9]</span>',
        ),
        (
            "-1.50 [-2.00, -1.00] *",
            '<span class="mean">-1.50<abbr class="star" title="beyond noise">*</abbr></span> '
            '<span class="interval">[-2.00, -1.00]</span>',
        ),
    ],
)
def test_a_difference_is_set_with_and_without_its_interval(text: str, expected: str) -> None:
    assert page_module._difference(text) == expected


def test_what_is_used_and_other_methods_stand_there(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic, seeds=(0, 1, 2), methods=True)
    tables = Tables(text).tables
    assert tables["comparison of the rows"][0] == ["row", "accuracy", "map", "entropy, bits"]
    assert tables["comparison of the rows"][1][2] == "used, points"
    assert [line[0] for line in tables["whether the map is used"]] == ["row", "abn", "mha + PC"]
    assert tables["whether the map is used"][0][3:] == [
        "yp - ya", "own - even weight", "own - another video's", "own - the segmenter's masks"
    ]  # fmt: skip
    assert [line[:2] for line in tables["own maps against Grad-CAM"][1:]] == [["abn", "Mu"], ["mha + PC", "Mo"]]
    assert [line[:3] for line in tables["methods on the same networks"][1:]] == [
        ["abn", "Mu", "0"], ["abn", "Grad-CAM", "1 backward"], ["abn", "random", ""],
        ["mha + PC", "Mu", "0"], ["mha + PC", "Mo", "0"], ["mha + PC", "Grad-CAM", "1 backward"],
        ["mha + PC", "random", ""],
    ]  # fmt: skip
    assert [line[0] for line in tables["maps by the object's size"][1:]] == ["plain", "abn", "mha + PC"]
    assert [line[0] for line in tables["overlap by class"][1:]] == sorted(CLASSES)
    assert tables["videos with the worst maps"][0] == ["video", "class", "size", "plain", "abn", "mha + PC"]
    assert len(tables["videos with the worst maps"]) == 1 + 10
    assert EVIL not in without_plotly(text)
    assert "<strong>Does M<sub>o</sub> lie on the object better" in text


def test_class_names_are_text(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic, lost=True)
    ours = without_plotly(text)
    assert EVIL not in ours
    assert "alert(" in ours  # as text
    tables = Tables(text).tables
    assert [line[0] for line in tables["accuracy by class"][1:]] == sorted(CLASSES)
    assert tables["videos that were lost"][1][3] == f"0 bytes {EVIL}"
    assert data_of(text, "class-data")["names"] == sorted(CLASSES)
    assert "<title>made &#34;up&#34; – objabn</title>" in text


def test_nothing_is_fetched(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic)
    assert "default-src 'none'" in text
    for attribute in re.findall(r'\b(?:src|href)="([^"]*)"', without_plotly(text)):
        assert attribute.startswith(("data:", "#")), attribute


def test_the_same_run_gives_the_same_page(tmp_path: Path, synthetic: Dataset) -> None:
    one, other = page(tmp_path, synthetic, seeds=(0, 1)), page(tmp_path, synthetic, seeds=(0, 1))
    assert one == other
    assert page(tmp_path, synthetic) != one


def test_it_is_plotly_js_and_little_else(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic)
    assert Tables(text).counts["script"] == 11  # plotly.js, three of data, three of ours, four plots
    assert len(without_plotly(text)) < 400_000
    assert len(text) < 2_000_000


def test_plotly_js_is_what_its_python_is_made_for(tmp_path: Path, synthetic: Dataset) -> None:
    """An update of one takes the other with it; and the licence is there, as it asks."""
    script, licence = (page_module._TEMPLATES / name for name in (page_module.PLOTLY, "plotly-LICENSE.txt"))
    first = script.read_text()[:200]
    assert f"plotly.js (cartesian - minified) v{get_plotlyjs_version()}" in first
    assert "Licensed under the MIT license" in first
    assert licence.read_text().startswith("MIT License")
    drawn = set(re.findall(r'"type":"(\w+)"', without_plotly(page(tmp_path, synthetic))))
    assert drawn == {"scatter", "bar"}  # beside the heatmap of classes.js: all in this bundle


def test_beside_the_paper(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic, rows=THREE, published="ucf101")
    table = Tables(text).tables["results beside the paper's"]
    assert [line[0] for line in table] == ["row", "abn", "abn + PC", "mask"]
    assert table[1][:4] == ["abn", "75.00", "93.96", "-18.96 ± 14.90"]  # sqrt((75 * 25 + 93.96 * 6.04) / 11)
    assert "Beside the paper (Table 1, UCF101 split 1)" in text
    scatter = Tables(text).tables["Accuracy against entropy, numbers"]
    assert ["abn, the paper", "", "3.064", "93.96"] in scatter
    assert ["mask, the paper", "", "2.026", "93.62"] in scatter
    assert "Beside the paper" not in page(tmp_path, synthetic, rows=THREE)


def test_without_truth(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic, truth=False)
    tables = Tables(text).tables
    assert tables["what is measured of each map"][0] == ["row", "map", "entropy", "flat", "IoU fit"]
    assert tables["videos with the worst masks"][0][:3] == ["video", "split", "instances a frame"]
    gallery = data_of(text, "gallery-data")
    assert gallery["target"] == "the training masks"
    assert {video["truth"] for video in gallery["videos"]} == {None}
    assert all(video["masks"] for video in gallery["videos"])
    assert "Least overlap with the training masks" in [order["name"] for order in gallery["orders"]]


def test_flat_maps_have_no_entropy_but_stand_there(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic, flat=True)
    assert ">nan" not in text
    gallery = data_of(text, "gallery-data")
    assert {own["entropy"] for video in gallery["videos"] for row in video["rows"] for own in row["maps"]} == {None}
    assert Tables(text).tables["Entropies of the test videos, numbers"][1] == ["plain", "Grad-CAM", "", "", "", "12"]
    assert "Accuracy against entropy" not in text  # no row has an entropy
    assert [order["name"] for order in gallery["orders"]] == [
        "Wrong in most rows", "Least overlap with the truth", "Typical"
    ]  # fmt: skip


def test_seeds_are_pooled_and_their_spread_is_drawn(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic, seeds=(3, 5))
    assert "Bars: ± standard deviation over seeds." in text
    assert "<span>seeds 3, 5</span>" in text
    assert [line[:2] for line in Tables(text).tables["Training loss, numbers"][1:3]] == [["plain", "3"], ["plain", "5"]]
    assert [line[1] for line in Tables(text).tables["accuracy by class"][1:]] == ["4", "4", "4"]  # videos, not lines
    for row in data_of(text, "class-data")["rows"]:
        assert sum(row["counts"][2::3]) == 24


def test_a_row_of_which_one_training_has_maps_has_no_error(synthetic: Dataset) -> None:
    """The other training's maps are all flat: no video has an entropy in both."""
    table = results([f"v{at}" for at in range(8)], top1=[[1, 0] * 4] * 2, entropy_u=[[2.0] * 8, [np.nan] * 8])
    row = Row("abn", False)
    numbers = {row: {"top1": 50.0, "top1_std": 0.0, "entropy_u": 2.0}}
    plot = accuracy_plot(made_comparison(numbers, params=synthetic, per_video={row: table}, seeds=(0, 1)))
    assert plot.numbers.to_numpy().tolist() == [["abn", "M_u", "2.000", "50.00 ± 0.00"]]


def test_worst_masks_and_lost_videos(tmp_path: Path, synthetic: Dataset) -> None:
    text = page(tmp_path, synthetic, lost=True)
    tables = Tables(text).tables
    worst = tables["videos with the worst masks"]
    assert [line[-1] for line in worst[1:4]] == ["0.300", "0.355", "0.409"]
    assert len(worst) == 1 + 10
    assert worst[1][3:5] == ["25.0 %", "50.0 %"]
    assert [line[1:] for line in tables["videos that were lost"][1:]] == [
        ["test", "failed", f"0 bytes {EVIL}", "0"], ["test", "truncated", "cut off", "64"]
    ]  # fmt: skip
    assert "2 of 12 videos failed or are truncated." in text
    whole = page(tmp_path, synthetic)
    assert "None: all 12 videos were decoded whole." in whole
    assert "videos that were lost" not in Tables(whole).tables


def test_of_many_lost_videos_the_first_are_named(
    tmp_path: Path, synthetic: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "_MAX_LOST", 1)
    text = page(tmp_path, synthetic, lost=True)
    assert len(Tables(text).tables["videos that were lost"]) == 1 + 1
    assert "the first 1, the others stand in <code>data/made &#34;up&#34;/frames/videos.csv</code>" in text


def test_the_parameters_are_those_that_matter(tmp_path: Path, synthetic: Dataset) -> None:
    shown = shown_parameters(synthetic)
    assert "machine" not in shown
    assert shown["train"]["epochs"] == synthetic.train.epochs
    text = page(tmp_path, synthetic)
    assert f"epochs: {synthetic.train.epochs}" in text
    assert "checkpoint_minutes" not in text
    assert "Trained with torch 2.0." in text


def test_a_picture_is_made_smaller_until_it_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "masks.png")

    def size() -> tuple[int, int]:
        content = base64.b64decode(picture_url(tmp_path / "masks.png").removeprefix("data:image/jpeg;base64,"))
        assert len(content) <= page_module._MAX_PICTURE
        return Image.open(io.BytesIO(content)).size

    assert size() == (160, 120)
    monkeypatch.setattr(page_module, "_MAX_PICTURE", 14_000)
    assert size() == (120, 90)


def test_rows_are_named_once(tmp_path: Path, synthetic: Dataset) -> None:
    """A control's name may look like anything, too."""
    text = page(tmp_path, synthetic, rows={Row("<b>bold</b>", False): "u", **ROWS})
    assert Tables(text).tables["comparison of the rows"][2][0] == "<b>bold</b>"
    assert "<b>bold</b>" not in without_plotly(text)
    assert pd.Series([row["name"] for row in data_of(text, "class-data")["rows"]]).is_unique


def test_long_names_of_rows_are_short_in_plots_and_whole_in_tables(tmp_path: Path, synthetic: Dataset) -> None:
    names = [f"trained_with_masks_of_other_videos_by_a_network_{width}" for width in ("wide", "deep")]
    text = page(tmp_path, synthetic, rows={**ROWS, **{Row(name, False): "o" for name in names}})
    for table in ("comparison of the rows", "Accuracy against entropy, numbers", "Training loss, numbers"):
        assert set(names) <= {line[0] for line in Tables(text).tables[table]}
    for plot in ("accuracy", "entropies", "validation", "loss"):
        (drawn,) = re.findall(rf'Plotly\.newPlot\(\s*"plot-{plot}",(.*?)</script>', text, re.DOTALL)
        called = set(re.findall(r'"(?:name|text)":"(trained[^"]*)"', drawn))
        assert called == {"trained_with_m…_network_wide", "trained_with_m…_network_deep"}, plot


def test_what_made_the_masks_stands_beside_their_quality(tmp_path: Path, synthetic: Dataset) -> None:
    told = {
        "backend": "torchvision",
        "model": f"figures {EVIL}",
        "weights": "w.pth",
        "sha256": "0123456789abcdef" * 4,
        "licence": "Apache-2.0",
        "library": "torchvision 1.2",
        "settings": {"short_edge": 192, "prompts": {"hand": ["hand", "a glove"]}},
    }
    words = segmenter_words(told)
    assert words == (
        f"Masks by torchvision; model figures {EVIL}; weights w.pth (SHA-256 0123456789abcdef…); torchvision 1.2; "
        "settings: short_edge 192, prompts {hand: [hand, a glove]}. Licence of the weights: Apache-2.0."
    )
    text = page(tmp_path, synthetic, segmenter=told)
    assert "weights w.pth (SHA-256 0123456789abcdef…)" in text
    assert EVIL not in without_plotly(text)
    assert 'id="segmenter"' not in page(tmp_path, synthetic)  # results of an older version


def test_what_was_imported_stands_there() -> None:
    told = {"backend": "import", "format": "png", "masks": "davis", "files": 1234, "licence": "unknown", "settings": {}}
    assert segmenter_words(told) == (
        "Masks by import; format png; masks davis (1,234 files). Licence of the masks: unknown."
    )


def test_ids_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "segment.csv"
    path.write_text("video,label,split,frames,empty_share,unit\n0001,1.10,test,3,0.5,007\nnull,NA,train,0,,12\n")
    found = read_mask_quality(path)
    assert found[["video", "label", "unit"]].to_numpy().tolist() == [["0001", "1.10", "007"], ["null", "NA", "12"]]
    assert found["empty_share"].isna().tolist() == [False, True]


def test_worst_masks_with_truth_of_some_videos() -> None:
    """Without truth of v1 its IoU is unknown, not the lowest."""
    videos = pd.DataFrame({"video": ["v0", "v1", "v2"], "split": "test", "frames": 4, "instances_per_frame": 1.0})
    worst = worst_masks(videos.assign(iou_truth=[0.75, np.nan, 0.5]))
    assert worst["video"].tolist() == ["v2", "v0"]
    assert worst["IoU with the truth"].tolist() == ["0.500", "0.750"]
