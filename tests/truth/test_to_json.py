"""Masks out and in again: the union at a score is the same on the grid; the json's own parts."""

import json
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from objabn.segmentation.segmenters import choice, coco
from objabn.segmentation.segmenters.instances import planes_of
from objabn.segmentation.segmenters.placing import cells_of, place_masks
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID, GROUPS, group_attributes, union_mask
from objabn.truth.enlarge import enlarge
from objabn.truth.to_json import Written, _runs, write_cvat, write_json
from objabn.truth.unions import Video, read_unions

TRUTH = Path(__file__).parents[3] / "shared" / "realdata" / "jhmdb" / "truth.json"
LENGTHS = {"walk/a": 3, "b": 2}
THRESHOLD = 0.5
Layout = Literal["coco", "youtube-vis"]


def blobs(number: int, seed: int, least: float = 0.6) -> np.ndarray:
    """Smooth shapes, bool (number, GRID, GRID)."""
    coarse = np.random.default_rng(seed).random((number, 9, 9)).astype(np.float32)
    large = [cv2.resize(each, (GRID, GRID), interpolation=cv2.INTER_CUBIC) for each in coarse]
    return np.array(large).reshape(-1, GRID, GRID) > least


def write_store(folder: Path, videos: dict[str, np.ndarray], groups: tuple[str, ...] = GROUPS) -> StoreReader:
    """A mask store of these planes."""
    folder.mkdir(parents=True)
    writer = StoreWriter(folder, (len(groups), GRID, GRID), frames_per_shard=1024)
    for video, planes in videos.items():
        writer.append(planes, video=video)
    writer.close(group_attributes(groups))
    return StoreReader(folder)


@pytest.fixture
def store(tmp_path: Path) -> StoreReader:
    """Persons of scores around 0.5, and others in the first frame of `b` alone."""
    videos = {}
    for seed, (video, length) in enumerate(LENGTHS.items()):
        scores = np.random.default_rng(seed).choice([100, 127, 128, 255], (length, 2, 1, 1))
        shapes = np.stack([blobs(length, seed), blobs(length, seed + 9)], axis=1)
        videos[video] = (shapes * scores).astype(np.uint8)
        videos[video][:, 1] *= video == "b"
        videos[video][1:, 1] = 0
    videos["walk/a"][0, 0] = np.maximum(videos["walk/a"][0, 0], 200 * blobs(1, 5)[0])
    videos["b"][0, 1] = 140 * blobs(1, 6)[0]
    return write_store(tmp_path / "masks", videos)


def videos_of(size: tuple[int, int], stride: int = 1) -> list[Video]:
    return [Video(video, length, stride, *size, 25.0) for video, length in LENGTHS.items()]


def export(path: Path, store: StoreReader, videos: list[Video], layout: Layout, *, at_grid: bool = False) -> Written:
    return write_json(path, store, videos, layout=layout, threshold=THRESHOLD, at_grid=at_grid)


def imported(path: Path, video: str, frames: int, layout: Layout, **settings: Any) -> np.ndarray:
    """Planes of a video's frames, as the segmenter `import` gives them."""
    groups = settings.pop("groups", GROUPS)
    segment = choice.build("import", masks=str(path), format=layout, class_name="person", **settings)
    return np.stack([planes_of(each, groups) for each in segment(np.zeros((frames, 8, 8, 3), np.uint8), video)])


@pytest.mark.parametrize("layout", ["coco", "youtube-vis"])
@pytest.mark.parametrize(("size", "at_grid"), [((240, 320), False), ((200, 356), False), ((120, 90), True)])
def test_the_round_trip(
    tmp_path: Path, store: StoreReader, layout: Layout, size: tuple[int, int], at_grid: bool
) -> None:
    path = tmp_path / "masks.json"
    written = export(path, store, videos_of(size), layout, at_grid=at_grid)
    assert (written.cells, written.frames) == (0, 0)
    present = 0
    for video, length in LENGTHS.items():
        planes = imported(path, video, length, layout)
        for group, expected in read_unions(store, video, THRESHOLD).items():
            for threshold in (THRESHOLD, 1.0):  # scores are not kept
                np.testing.assert_array_equal(union_mask(planes, threshold, [group]), expected)
            present += int(expected.any(axis=(1, 2)).sum())
    assert written.masks == present
    assert 3 <= present < 10
    assert 0.1 < read_unions(store, "walk/a", THRESHOLD)["person"][0].mean() < 0.9


def test_the_json_is_coco(tmp_path: Path, store: StoreReader) -> None:
    export(tmp_path / "masks.json", store, videos_of((240, 320), stride=2), "coco")
    content = json.loads((tmp_path / "masks.json").read_text())
    assert list(content) == ["info", "categories", "images", "annotations"]
    line = "objabn: for each group the union of instances of score 0.5 or more; scores and instances are not kept"
    assert content["info"] == {"description": line}
    assert content["categories"] == [{"id": 1, "name": "person"}, {"id": 2, "name": "other"}]
    names = ["walk/a/00000.png", "walk/a/00002.png", "walk/a/00004.png", "b/00000.png", "b/00002.png"]
    assert [(each["id"], each["file_name"]) for each in content["images"]] == list(enumerate(names, 1))
    assert {(each["height"], each["width"]) for each in content["images"]} == {(240, 320)}
    library = COCO(str(tmp_path / "masks.json"))  # pycocotools' own reader
    for one in content["annotations"]:
        mask = library.annToMask(one)
        x, y, width, height = one["bbox"]
        assert mask.shape == (240, 320)
        assert (one["area"], one["iscrowd"]) == (mask.sum(), 0)
        assert mask[y : y + height, x : x + width].sum() == mask.sum()
    of_b = [one["category_id"] for one in content["annotations"] if one["image_id"] == 4]
    assert 2 in of_b
    assert all(one["category_id"] == 1 for one in content["annotations"] if one["image_id"] != 4)


def test_the_json_is_youtube_vis(tmp_path: Path, store: StoreReader) -> None:
    export(tmp_path / "masks.json", store, videos_of((240, 320)), "youtube-vis")
    content = json.loads((tmp_path / "masks.json").read_text())
    assert list(content) == ["info", "categories", "videos", "annotations"]
    assert content["videos"][1] == {
        "id": 2, "file_names": ["b/00000.png", "b/00001.png"], "length": 2, "height": 240, "width": 320,
    }  # fmt: skip
    other = next(one for one in content["annotations"] if one["category_id"] == 2)
    assert (other["video_id"], other["length"], other["height"], other["iscrowd"]) == (2, 2, 240, 0)
    for name in ("segmentations", "bboxes", "areas"):
        assert other[name][0] is not None
        assert other[name][1] is None
    assert len({(one["video_id"], one["category_id"]) for one in content["annotations"]}) == len(content["annotations"])


def test_the_round_trip_of_cvats_files(tmp_path: Path, store: StoreReader) -> None:
    """As from a task of one video; frames without a mask count, since all are listed."""
    written = write_cvat(tmp_path / "out", store, videos_of((240, 320)), threshold=THRESHOLD)
    unions = {video: read_unions(store, video, THRESHOLD) for video in LENGTHS}
    present = [union.any(axis=(1, 2)) for groups in unions.values() for union in groups.values()]
    assert written == (sum(each.sum() for each in present), 0, 0)
    for video, length in LENGTHS.items():
        planes = imported(tmp_path / "out", video, length, "coco")
        for group, expected in unions[video].items():
            np.testing.assert_array_equal(union_mask(planes, 1.0, [group]), expected)


def test_cvats_file(tmp_path: Path, store: StoreReader) -> None:
    """Names of frames and lists of runs as CVAT writes them, which pycocotools reads, too."""
    folder = tmp_path / "out"
    write_cvat(folder, store, videos_of((240, 320), stride=2), threshold=THRESHOLD)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.json")) == [
        "b.json",
        "walk/a.json",
    ]
    content = json.loads((folder / "walk/a.json").read_text())
    assert [each["id"] for each in content["categories"]] == [1, 2]
    names = [f"frame_00000{number}.PNG" for number in range(5)]
    assert [(each["id"], each["file_name"]) for each in content["images"]] == list(enumerate(names, 1))
    assert content["annotations"]
    library = COCO(str(folder / "walk/a.json"))
    union = read_unions(store, "walk/a", THRESHOLD)["person"]
    for one in content["annotations"]:
        counts = one["segmentation"]["counts"]
        assert isinstance(counts, list)
        assert (sum(counts), sum(counts[1::2])) == (240 * 320, one["area"])
        np.testing.assert_array_equal(cells_of(library.annToMask(one) > 0), union[(one["image_id"] - 1) // 2])


@pytest.mark.parametrize(
    ("pixels", "counts"),
    [
        ([[0, 1], [0, 1]], [2, 2]),
        ([[1, 0], [1, 1]], [0, 2, 1, 1]),
        ([[1, 1], [1, 1]], [0, 4]),
        ([[0, 1], [1, 0]], [1, 2, 1]),
    ],
)
def test_runs_go_down_the_columns(pixels: list[list[int]], counts: list[int]) -> None:
    assert _runs(np.array(pixels, bool)) == counts


def test_cvats_frames_of_a_stride_come_back(tmp_path: Path) -> None:
    """All frames are listed, so the stored ones are found, and those without a mask stay empty: a whole video, too."""
    planes = 255 * np.stack([blobs(3, 1), blobs(3, 2)], axis=1).astype(np.uint8)
    planes[2] = 0
    store = write_store(tmp_path / "masks", {"walk/a": planes, "b": np.zeros_like(planes[:2])})
    written = write_cvat(tmp_path / "out", store, videos_of((240, 320), stride=3), threshold=THRESHOLD)
    assert written.masks == 4
    for video, expected in (("walk/a", planes), ("b", planes[2:].repeat(2, axis=0))):
        back = imported(tmp_path / "out", video, len(expected), "coco", decode_stride=3)
        np.testing.assert_array_equal(back, expected)


def test_stored_frames_of_a_stride_come_back_as_sparse_ones(tmp_path: Path, store: StoreReader) -> None:
    path = tmp_path / "masks.json"
    export(path, store, videos_of((240, 320), stride=3), "coco")
    planes = imported(path, "walk/a", 3, "coco", sparse="nearest", decode_stride=3)
    np.testing.assert_array_equal(
        union_mask(planes, 1.0, ["person"]), read_unions(store, "walk/a", THRESHOLD)["person"]
    )


def test_groups_of_prompts_come_back_in_their_own_planes(tmp_path: Path) -> None:
    groups = ("hand", "person", "cup")
    planes = np.stack([255 * blobs(2, seed).astype(np.uint8) for seed in range(3)], axis=1)
    store, path = write_store(tmp_path / "masks", {"b": planes}, groups), tmp_path / "masks.json"
    export(path, store, videos_of((240, 320))[1:], "coco")
    np.testing.assert_array_equal(imported(path, "b", 2, "coco", groups=groups), planes)
    np.testing.assert_array_equal(imported(path, "b", 2, "coco", groups=("cup", "hand")), planes[:, [2, 0]])


@pytest.mark.parametrize(("height", "width"), [(200, 200), (240, 320), (256, 340), (481, 640)])
def test_a_mask_of_another_size_has_the_same_cells(height: int, width: int) -> None:
    for mask in blobs(4, seed=height):
        pixels, differ = enlarge(mask, height, width)
        assert (pixels.shape, differ) == ((height, width), 0)
        np.testing.assert_array_equal(cells_of(pixels), mask)
        np.testing.assert_array_equal(place_masks([(pixels, 1.0, "person")]).masks[0], mask)


def test_what_small_frames_lose_is_counted() -> None:
    mask = np.indices((GRID, GRID)).sum(axis=0) % 2 == 0  # single cells
    pixels, differ = enlarge(mask, 64, 64)
    assert differ == (cells_of(pixels) != mask).sum() > 0
    assert enlarge(mask, 128, 128)[1] == enlarge(mask, 512, 640)[1] == 0


@pytest.mark.slow
@pytest.mark.realdata
@pytest.mark.skipif(not TRUTH.is_file(), reason="no ../shared/realdata")
def test_jhmdbs_truth(tmp_path: Path) -> None:
    """Masks that people drew as COCO's json, into a store, out as YouTube-VIS's and COCO's, and in again."""
    videos = coco.read(str(TRUTH))
    chosen = dict(list(videos.items())[::40])
    planes = {name: imported(TRUTH, name, len(images), "coco") for name, images in chosen.items()}
    store = write_store(tmp_path / "masks", planes)
    out = [
        Video(name, len(images), 1, images[0].height or 0, images[0].width or 0, 25) for name, images in chosen.items()
    ]
    for layout in ("youtube-vis", "coco"):
        for at_grid in (False, True):
            path = tmp_path / f"{layout}.json"
            assert export(path, store, out, layout, at_grid=at_grid).cells == 0
            for name, images in chosen.items():
                back = imported(path, name, len(images), layout)
                np.testing.assert_array_equal(union_mask(back, THRESHOLD), union_mask(planes[name], THRESHOLD))
    assert sum(len(images) for images in chosen.values()) > 200
