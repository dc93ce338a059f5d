"""Which videos the gallery shows, by hand, and what it hands the page of them."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from objabn.clips.geometry import resample_masks
from objabn.config.schema import Dataset
from objabn.report.names import Row
from objabn.report.page.gallery import Stores, gallery, make_gallery, shared_rows
from objabn.report.page.gallery_choice import MOST, PER_ORDER, Order, choose
from objabn.stores.masks import union_mask
from objabn.stores.truth import TruthReader
from tests.helpers.report import FRAMES, GRID, Pixels, maps
from tests.helpers.truth import AllKnown, write_truth

ABN, MASK, PLAIN = Row("abn", False), Row("mask", True), Row("plain", False)


def table(top1: list[int], letter: str, entropies: list[float], ious: list[float], kind: str = "truth") -> pd.DataFrame:
    """Lines of videos a, b, c ..., of classes x, y, x, y ..."""
    names = [chr(ord("a") + at) for at in range(len(top1))]
    labels = ["xy"[at % 2] for at in range(len(top1))]
    columns = {f"entropy_{letter}": entropies, f"iou_{kind}_{letter}": ious}
    return pd.DataFrame({"video": names, "label": labels, "predicted": labels, "top1": top1, "seed": 0, **columns})


def orders(tables: dict) -> dict[str, list[str]]:
    return {order.name: order.videos for order in choose(tables)}


def test_the_orders_of_four_videos_by_hand() -> None:
    tables = {
        PLAIN: table([1, 0, 1, 1], "g", [1.5, 1.0, 2.0, 2.5], [0.1, 0.0, 0.0, 0.0]),
        ABN: table([1, 0, 0, 1], "u", [3.0, 2.0, 2.5, 3.1], [0.2, 0.2, 0.2, 0.2]),
        MASK: table([1, 0, 0, 0], "o", [1.0, 1.1, 1.2, 1.3], [0.9, 0.5, 0.7, 0.6]),
    }
    found = orders(tables)
    assert found["Wrong in most rows"] == ["b", "c", "d"]  # 3, 2 and 1 of three; a is wrong in none
    assert found["Most bits apart"] == ["a", "d", "c", "b"]  # 2.0, 1.8, 1.3, 0.9
    assert found["Least overlap with the truth"] == ["b", "d", "c", "a"]  # of mask + PC, which overlaps best
    # places off the middle: a .125 .125 .375, b .375 .375 .125, c .125 each, d .375 each; b and c are mostly wrong
    assert found["Typical"] == ["a", "d", "c", "b"]
    words = {order.name: order.words for order in choose(tables)}
    assert words["Most bits apart"] == (
        "Videos whose maps of abn and mask + PC, the sharpest row, differ most in entropy."
    )
    assert "of mask + PC, the row that overlaps best with the truth," in words["Least overlap with the truth"]


def test_lines_may_come_in_any_order() -> None:
    tables = {
        ABN: table([1, 0, 0], "u", [3, 2, 1], [0.3, 0.2, 0.1]),
        PLAIN: table([0, 0, 1], "g", [1, 1, 2], [0, 0, 0]),
    }
    mixed = {row: each.iloc[::-1].reset_index(drop=True) for row, each in tables.items()}
    assert choose(mixed) == choose(tables)


def test_without_abn_or_truth_and_with_flat_maps() -> None:
    nan = float("nan")
    tables = {
        PLAIN: table([1, 1, 1], "g", [2.0, nan, 2.5], [0.1, 0.3, 0.2], "fit"),
        MASK: table([1, 1, 1], "o", [1.0, 1.1, 1.4], [0.1, nan, 0.05], "fit"),
    }
    found = orders(tables)
    assert "Wrong in most rows" not in found  # none is
    assert found["Most bits apart"] == ["c", "a"]  # the least sharp row against the sharpest; b has no difference
    assert found["Least overlap with the training masks"] == ["a", "c", "b"]  # plain overlaps best on average
    assert list(found) == ["Most bits apart", "Least overlap with the training masks", "Typical"]
    alone = orders({MASK: tables[MASK]})
    assert list(alone) == ["Least overlap with the training masks", "Typical"]


def test_abn_alone_is_not_compared_with_itself() -> None:
    """Where abn is the sharpest row, the least sharp one stands against it."""
    tables = {ABN: table([1, 1], "u", [1.0, 1.0], [0.5, 0.5]), PLAIN: table([1, 1], "g", [2.0, 3.0], [0.1, 0.1])}
    assert orders(tables)["Most bits apart"] == ["b", "a"]


def test_typical_videos_are_of_different_classes_first() -> None:
    lines = table([1] * 6, "o", [1.0, 5.0, 1.1, 4.0, 1.2, 3.0], [0.5] * 6)
    # ranks 1 6 2 5 3 4: e and f are in the middle, then c and d, then a and b
    one_class = lines.assign(label="x")
    assert orders({MASK: one_class})["Typical"] == ["e", "f", "c", "d", "a", "b"]
    other = lines.assign(label=["x", "y", "x", "x", "x", "z"])
    assert orders({MASK: other})["Typical"] == ["e", "f", "b", "c", "d", "a"]


def test_no_order_takes_the_others_place() -> None:
    number = 60
    draw = np.random.default_rng(0)
    names = [f"v{at:02d}" for at in range(number)]
    base = {"video": names, "label": names, "predicted": names, "seed": 0}
    tables = {
        row: pd.DataFrame(
            {**base, "top1": draw.integers(0, 2, number), f"entropy_{letter}": draw.uniform(0, 3, number),
             f"iou_truth_{letter}": draw.uniform(size=number)}
        )
        for row, letter in ((ABN, "u"), (MASK, "o"))
    }  # fmt: skip
    found = orders(tables)
    assert len({video for own in found.values() for video in own}) <= MOST
    assert all(MOST // 4 <= len(own) <= PER_ORDER for own in found.values())
    assert len(found) == 4


def unpacked(grid: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(grid["data"]), np.uint8).reshape(-1, grid["height"], grid["width"])


@pytest.fixture
def small(synthetic: Dataset) -> Dataset:
    return synthetic.model_copy(update={"data": synthetic.data.model_copy(update={"crop": 32})})


@pytest.mark.parametrize(
    ("colours", "low", "high"),
    [("turbo", (48, 18, 59), (122, 4, 3)), ("viridis", (68, 1, 84), (253, 231, 37)), ("jet", (0, 0, 128), (128, 0, 0))],
)
def test_the_gallery_has_the_colours_that_are_asked_for(small: Dataset, colours: str, low: tuple, high: tuple) -> None:
    stores, tables = (
        Stores(Pixels((24, 32, 3)), Pixels((2, 128, 128), binary=True), None),
        {ABN: table([1], "u", [2.5], [0.5])},
    )
    shown, _ = make_gallery({ABN: tables[ABN].assign(seed=0)}, {ABN: maps("u", ["a"])}, 0, stores, small, colours)
    found = base64.b64decode(shown["colours"])
    assert (tuple(found[:3]), tuple(found[-3:])) == (low, high)


def test_what_the_page_gets_of_a_video(small: Dataset) -> None:
    tables = {
        ABN: table([1, 0], "u", [2.5, 2.25], [0.5, 0.25]),
        MASK: table([0, 1], "o", [1.0, float("nan")], [0.75, 0.5]).assign(predicted=["y", "y"]),
    }
    kept = {ABN: maps("u", ["a", "b"]), MASK: maps("o", ["a", "b"])}
    frames, planes = Pixels((24, 32, 3)), Pixels((2, 128, 128), binary=True)
    shown = gallery(
        [Order("n", "w", ["b", "a"]), Order("m", "w", ["a"])], tables, kept, Stores(frames, planes, None), small
    )
    assert (shown["pixels"], shown["finer"], shown["rows"]) == (32, False, ["abn", "mask + PC"])
    assert shown["orders"] == [
        {"name": "n", "words": "w", "videos": [0, 1]}, {"name": "m", "words": "w", "videos": [1]}
    ]  # fmt: skip
    assert len(base64.b64decode(shown["colours"])) == 768
    b, a = shown["videos"]
    assert (b["id"], b["label"], b["numbers"], b["truth"]) == ("b", "y", [1, 3, 5, 7], None)
    assert [row["right"] for row in b["rows"]] == [False, True]
    assert [row["predicted"] for row in a["rows"]] == ["x", "y"]
    assert {key: b["rows"][0]["maps"][0][key] for key in ("name", "entropy", "iou")} == {
        "name": "M_u", "entropy": 2.25, "iou": None  # no truth: iou_fit, which these results lack
    }  # fmt: skip
    assert b["rows"][1]["maps"][0]["entropy"] is None
    np.testing.assert_array_equal(unpacked(b["rows"][1]["maps"][0]), kept[MASK].maps[1, 0])
    strip = Image.open(io.BytesIO(base64.b64decode(b["strip"].removeprefix("data:image/jpeg;base64,"))))
    assert (strip.size, strip.mode) == ((32, 32 * FRAMES), "L")
    boxes, flips = torch.from_numpy(kept[ABN].boxes[1:]), torch.zeros(1, dtype=torch.bool)
    union = union_mask(planes.read("b", np.array([1, 3, 5, 7])), small.mask.score_threshold, small.mask.groups)
    wanted = resample_masks(torch.from_numpy(union)[None], boxes, flips, GRID, small.mask.resize)[0]
    np.testing.assert_array_equal(unpacked(b["masks"]), wanted.byte().numpy())
    assert 0 < unpacked(b["masks"]).mean() < 1


def test_with_truth_overlap_is_with_the_truth(small: Dataset) -> None:
    tables = {ABN: table([1, 0], "u", [2.5, 2.25], [0.5, 0.25])}
    planes = Pixels((2, 128, 128), binary=True)
    stores = Stores(Pixels((24, 32, 3)), planes, AllKnown(planes))
    shown = gallery([Order("n", "w", ["b"])], tables, {ABN: maps("u", ["a", "b"])}, stores, small)
    assert (shown["target"], shown["videos"][0]["rows"][0]["maps"][0]["iou"]) == ("the truth", 0.25)
    assert unpacked(shown["videos"][0]["truth"]).shape == (FRAMES, GRID, GRID)


def test_truth_of_some_frames(small: Dataset, tmp_path: Path) -> None:
    """Of b the frames 1, 3, 5, 7 are seen, of which 3 and 5 have an annotation; of a none has one."""
    planes = np.full((9, 2, 128, 128), 255, np.uint8)
    truth = write_truth(tmp_path / "truth", {"a": planes, "b": planes}, [("a", 0, 1), ("b", 2, 6)])
    stores = Stores(Pixels((24, 32, 3)), Pixels((2, 128, 128), binary=True), TruthReader(truth))
    tables = {ABN: table([1, 0], "u", [2.5, 2.25], [float("nan"), 0.25])}
    shown = gallery([Order("n", "w", ["a", "b"])], tables, {ABN: maps("u", ["a", "b"])}, stores, small)
    a, b = shown["videos"]
    assert a["truth"] is None
    assert b["truth"]["known"] == [False, True, True, False]
    assert unpacked(b["truth"]).mean(axis=(1, 2)).tolist() == [0, 1, 1, 0]
    assert (a["rows"][0]["maps"][0]["iou"], b["rows"][0]["maps"][0]["iou"]) == (None, 0.25)


def test_frames_are_the_crop_in_grey(small: Dataset) -> None:
    """The left half of the frame is dark: of a box that begins in the middle nothing is."""

    class Halves:
        def read(self, video: str, indices: np.ndarray) -> np.ndarray:
            return np.tile(np.array([0] * 16 + [200] * 16, np.uint8)[None, None, :, None], (len(indices), 24, 1, 3))

    kept = maps("u", ["a"])._replace(boxes=np.array([[0.5, 0, 1, 1]], np.float32))
    planes = Pixels((2, 128, 128), binary=True)
    tables = {ABN: table([1], "u", [2.5], [0.5])}
    shown = gallery([Order("n", "w", ["a"])], tables, {ABN: kept}, Stores(Halves(), planes, None), small)
    strip = np.asarray(Image.open(io.BytesIO(base64.b64decode(shown["videos"][0]["strip"].split(",")[1]))))
    assert np.abs(strip[:, 2:].astype(int) - 200).max() <= 4
    assert strip.shape == (32 * FRAMES, 32)


def test_rows_that_look_at_other_frames_are_left_out(small: Dataset) -> None:
    kept = {PLAIN: maps("g", ["a", "b"]), ABN: maps("u", ["a", "b"]), MASK: maps("o", ["a", "b"])}
    kept[PLAIN] = kept[PLAIN]._replace(frames=kept[PLAIN].frames + 1)
    assert list(shared_rows(kept)) == [ABN, MASK]
    kept[ABN] = kept[ABN]._replace(boxes=kept[ABN].boxes / 2)
    assert list(shared_rows(kept)) == [MASK]
    tables = {
        row: table([1, 0, 1], letter, [1, 2, 3], [0.1, 0.2, 0.3])
        for row, letter in ((PLAIN, "g"), (ABN, "u"), (MASK, "o"))
    }
    doubled = {row: pd.concat([each, each.assign(seed=1, top1=0)]) for row, each in tables.items()}
    planes = Pixels((2, 128, 128), binary=True)
    shown, left_out = make_gallery(doubled, kept, 0, Stores(Pixels((24, 32, 3)), planes, None), small)
    assert (shown["rows"], left_out) == (["mask + PC"], ["plain", "abn"])
    assert {each["id"] for each in shown["videos"]} == {"a", "b"}  # c has no maps
    assert [each["rows"][0]["right"] for each in sorted(shown["videos"], key=lambda each: each["id"])] == [True, False]


def test_rows_with_maps_of_other_videos_are_refused() -> None:
    kept = {ABN: maps("u", ["a", "b"]), MASK: maps("o", ["a", "c", "d"])}
    message = "maps of abn: expected the 3 videos of mask + PC, got 2, or others; evaluate both again"
    with pytest.raises(ValueError, match=re.escape(message)):
        shared_rows(kept)


def test_masks_lie_on_the_grid_of_the_last_row(synthetic: Dataset) -> None:
    """The first row, a control, has a coarser one; its own maps stay on it."""
    kept = {PLAIN: maps("g", ["a", "b"]), ABN: maps("u", ["a", "b"])}
    kept[PLAIN] = kept[PLAIN]._replace(maps=kept[PLAIN].maps[..., ::2, ::2])
    tables = {PLAIN: table([1, 0], "g", [1, 2], [0.1, 0.2]), ABN: table([1, 1], "u", [1, 2], [0.1, 0.2])}
    planes = Pixels((2, 128, 128), binary=True)
    shown, left_out = make_gallery(tables, kept, 0, Stores(Pixels((24, 32, 3)), planes, AllKnown(planes)), synthetic)
    assert left_out == []
    video = shown["videos"][0]
    assert (video["masks"]["width"], video["truth"]["width"]) == (GRID, GRID)
    assert [row["maps"][0]["width"] for row in video["rows"]] == [-(-GRID // 2), GRID]


def test_long_clips_of_many_rows_leave_out_videos_and_keep_every_order(
    small: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objabn.report.page.gallery.MOST_BYTES", 6_000)
    tables = {ABN: table([1] * 4, "u", [2.5] * 4, [0.5] * 4)}
    kept = {ABN: maps("u", list("abcd"))}
    stores = Stores(Pixels((24, 32, 3)), Pixels((2, 128, 128), binary=True), None)
    long = [Order("n", "w", list("abcd")), Order("m", "w", ["d"])]
    shown = gallery(long, tables, kept, stores, small)
    assert [order["name"] for order in shown["orders"]] == ["n", "m"]
    assert shown["videos"][0]["id"] == "a"
    assert 2 <= len(shown["videos"]) < 4
    assert sum(len(json.dumps(video)) for video in shown["videos"]) <= 6_000
    assert [shown["videos"][at]["id"] for at in shown["orders"][1]["videos"]] == ["d"]
