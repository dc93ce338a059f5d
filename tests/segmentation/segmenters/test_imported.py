"""Masks from elsewhere: PNGs as in DAVIS, COCO's json; what they become on the grid, and what is refused."""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from objabn.cli import index
from objabn.clips.dataset import VALIDATION, open_split
from objabn.config.file import read_yaml
from objabn.config.schema import Dataset, Params
from objabn.model.run import Run
from objabn.segmentation.segmenters import choice, coco, pngs
from objabn.segmentation.segmenters.instances import Instances
from objabn.segmentation.segmenters.placing import place_masks
from objabn.stores.array import StoreReader
from objabn.stores.masks import GRID, mask_iou, union_mask
from objabn.training.train import train
from objabn.video.write import write_video
from stages import decode, segment
from tests.helpers.coco import LABELS, RLE, VIDEO, compressed, document, edited
from tests.helpers.mask_files import joined

ROOT = Path(__file__).parents[3]
DAVIS = ROOT.parent / "shared" / "realdata" / "davis"


def save(path: Path, values: np.ndarray, palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(values)
    if palette:
        picture.putpalette(list(range(256)) * 3)
    picture.save(path)


def found(masks: Path, num_frames: int = 1, video: str = VIDEO, **settings: Any) -> list[Instances]:
    """What the backend gives, after a check of its contract."""
    frames = np.zeros((num_frames, 12, 20, 3), np.uint8)
    per_frame = choice.build("import", masks=str(masks), **{"format": "png"} | settings)(frames, video)
    assert len(per_frame) == num_frames
    for each in per_frame:
        n = len(each.scores)
        assert (each.masks.shape, each.masks.dtype) == ((n, GRID, GRID), bool)
        assert (each.scores.dtype, each.classes.dtype.kind, each.classes.shape) == (np.float32, "U", (n,))
        assert (each.boxes.shape, each.boxes.dtype) == ((n, 4), np.float32)
        assert (np.diff(each.scores) <= 0).all()
    return per_frame


def grid(rows: slice, columns: slice) -> np.ndarray:
    cells = np.zeros((GRID, GRID), bool)
    cells[rows, columns] = True
    return cells


FIRST, SECOND = grid(slice(64), slice(64)), grid(slice(64, 128), slice(96, 128))  # the two labels


def refuses(message: str, masks: Path, num_frames: int = 1, **settings: Any) -> None:
    with pytest.raises(ValueError, match="expected") as fault:
        found(masks, num_frames, **settings)
    assert str(fault.value) == message


# PNG


@pytest.mark.parametrize("dtype", [np.uint8, bool])
def test_a_binary_png_is_one_instance(tmp_path: Path, dtype: type) -> None:
    values = (LABELS > 0).astype(dtype) * (255 if dtype is np.uint8 else True)
    save(tmp_path / VIDEO / "00000.png", values)
    (instances,) = found(tmp_path)
    np.testing.assert_array_equal(instances.masks, [FIRST | SECOND])
    assert (instances.scores.tolist(), instances.classes.tolist()) == ([1.0], ["person"])
    assert instances.boxes.tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize(
    ("values", "palette"),
    [
        (LABELS, False),
        (LABELS, True),
        (LABELS.astype(np.uint16) * 300, False),
        (np.where(LABELS == 0, 255, LABELS).astype(np.uint8), True),  # void all around
    ],
)
def test_each_value_is_an_instance(tmp_path: Path, values: np.ndarray, palette: bool) -> None:
    save(tmp_path / VIDEO / "00000.png", values, palette)
    (instances,) = found(tmp_path, class_name="dog")
    np.testing.assert_array_equal(instances.masks, [FIRST, SECOND])
    assert instances.classes.tolist() == ["dog", "dog"]
    np.testing.assert_array_equal(instances.boxes, np.array([[0, 0, 0.5, 0.5], [0.75, 0.5, 1, 1]], np.float32))


def test_grey_stored_as_colours_is_grey(tmp_path: Path) -> None:
    save(tmp_path / VIDEO / "00000.png", np.repeat(LABELS[..., None], 3, axis=2))
    assert len(found(tmp_path)[0].scores) == 2


def test_of_stored_frames_only_the_masks_come(tmp_path: Path) -> None:
    """Files are numbered as the video's frames, of which decode.stride keeps 0, 3 and 6."""
    for number in range(8):
        save(tmp_path / VIDEO / f"{number:05}.png", np.full((4, 4), 255 * (number % 3 == 0), np.uint8))
    assert [len(each.scores) for each in found(tmp_path, 3, decode_stride=3)] == [1, 1, 1]
    expected = "expected 10 to 12 PNGs, one a frame of the video, of which decode.stride 3 keeps 4"
    refuses(f"{tmp_path / VIDEO}: {expected}, got 8", tmp_path, 4, decode_stride=3)


def test_frames_come_by_their_numbers_and_may_differ_in_size(tmp_path: Path) -> None:
    for number, size in ((2, 128), (10, 200), (1, 31)):
        values = np.zeros((size, 2 * size), np.uint8)
        values[: size * (number + 1) // 16] = 255
        save(tmp_path / VIDEO / f"{number}.png", values)
    (tmp_path / VIDEO / "notes.txt").write_text("kept")
    (tmp_path / VIDEO / "._1.png").write_bytes(b"another system's")
    tops = [each.masks[0].any(axis=1).sum() for each in found(tmp_path, 3)]
    assert tops == [12, 24, 88]  # 3 of 31 rows are 12.4 cells; 137 of 200 are 87.7


def test_frames_without_an_instance(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / VIDEO / f"{number:05d}.png", LABELS * number)
    assert [len(each.scores) for each in found(tmp_path, 2)] == [0, 2]


@given(st.integers(1, 300), st.integers(1, 300), st.integers(0, 2**32 - 1))
def test_cells_are_those_that_are_covered_by_half_or_more(height: int, width: int, seed: int) -> None:
    """The areas, by a canvas on which both pixels and cells are whole."""
    rng = np.random.default_rng(seed)
    height, width = height // 25 + 1, width // 25 + 1  # the canvas has GRID times as many
    values = rng.random((height, width)) < 0.5
    canvas = np.kron(values, np.ones((GRID, GRID)))
    exact = canvas.reshape(GRID, height, GRID, width).mean(axis=(1, 3)) >= 0.5
    instances = place_masks([(values, 1.0, "person")])
    np.testing.assert_array_equal(np.any(instances.masks, axis=0), exact)


@pytest.mark.parametrize(("height", "width"), [(480, 854), (1080, 1920), (129, 1000)])
def test_cells_of_large_frames_are_those_of_an_area_reduction(height: int, width: int) -> None:
    noise = np.random.default_rng(0).random((height // 40, width // 40)).astype(np.float32)
    values = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) > 0.5
    reduced = cv2.resize(values.astype(np.float32), (GRID, GRID), interpolation=cv2.INTER_AREA)
    (cells,) = place_masks([(values, 1.0, "person")]).masks
    decided = np.abs(reduced - 0.5) > 1e-5
    np.testing.assert_array_equal(cells[decided], reduced[decided] > 0.5)
    assert decided.mean() > 0.99


SOFT = (
    "expected 0 and 255, or 0 and a value for each instance, got grey levels of soft edges ({} in its video); make "
    "each pixel 0 or 255 (255 from half of the highest level on), or if these are instances, save them as "
    "palette images"
)
UNCLEAR = (
    "expected greyscale of 0 and 255, or of labels below 255, got {} in its video: is 255 an instance or void? Give an "
    "instance another value; save void as 0"
)
COLOURS = "expected greyscale or a palette, got {}; save 0 and 255, or 0 and a value for each instance"


def test_misuse_of_a_directory(tmp_path: Path) -> None:
    missing = tmp_path / "masks"
    refuses(f"{missing}: expected a folder of PNGs a video, got no such directory", missing)
    save(missing / "walk/b/0.png", LABELS)
    wanted = f"{missing / VIDEO}: expected the PNGs of video {VIDEO}, one a frame"
    refuses(f"{wanted}, got no such directory; {missing} has walk/", missing)
    (missing / VIDEO).write_text("")
    refuses(f"{wanted}, got a file", missing)
    for name, hint in (("a.json", "; of a COCO json the format is coco"), ("a.zip", "; unpack it"), ("a.mat", "")):
        (tmp_path / name).write_text("")
        refuses(f"{tmp_path / name}: expected a folder of PNGs a video, got a file{hint}", tmp_path / name)
    refuses(
        "import format: expected one of png, coco, youtube-vis, label-studio, npz, jhmdb, got 'mat'",
        missing,
        format="mat",
    )
    for number in range(3):
        save(tmp_path / VIDEO / f"{number}.png", LABELS)
    refuses(f"{tmp_path / VIDEO}: expected 4 PNGs, one a frame, got 3", tmp_path, 4)


@pytest.mark.parametrize(
    ("values", "palette", "message"),
    [
        (np.array([[0, 80, 255]], np.uint8), False, SOFT.format("80, 255")),
        (np.kron(np.array([[1, 0, 255]], np.uint8), np.ones((3, 3), np.uint8)), False, UNCLEAR.format("1, 255")),
        (np.full((2, 2, 3), (1, 2, 3), np.uint8), False, COLOURS.format("colours")),
        (np.full((2, 2, 4), 255, np.uint8), False, COLOURS.format("colours and transparency")),
        (np.full((2, 2, 2), 255, np.uint8), False, COLOURS.format("grey and transparency")),
    ],
)
def test_misuse_of_a_png(tmp_path: Path, values: np.ndarray, palette: bool, message: str) -> None:
    path = tmp_path / VIDEO / "0.png"
    save(path, values, palette)
    refuses(f"{path}: {message}", tmp_path)


def test_masks_with_soft_edges_are_refused(tmp_path: Path) -> None:
    """The file with most of the levels is named, whatever comes after it; a palette's entries are no levels."""
    hard = np.zeros((60, 80), np.uint8)
    hard[10:40, 20:60] = 200
    soft = cv2.GaussianBlur(hard, (0, 0), 2.0)
    for number, values in enumerate((hard, soft, hard)):
        save(tmp_path / VIDEO / f"{number}.png", values)
    levels = np.unique(soft)[1:].tolist()
    assert len(levels) > 40
    shown = ", ".join(map(str, [*levels[:4], "...", levels[-1]]))
    refuses(f"{tmp_path / VIDEO / '1.png'}: {SOFT.format(shown)}", tmp_path, 3)
    (tmp_path / VIDEO / "1.png").unlink()
    assert [len(each.scores) for each in found(tmp_path, 2)] == [1, 1]
    save(tmp_path / VIDEO / "1.png", soft, palette=True)
    assert len(found(tmp_path, 3)[1].scores) == len(levels)


def test_a_picture_of_countless_levels_is_refused_before_any_is_placed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pngs, "place_masks", lambda _: pytest.fail("placed"))
    across = np.linspace(0, 60_000, 300).astype(np.uint16)
    save(tmp_path / VIDEO / "0.png", np.broadcast_to(across, (40, 300)).copy())  # probabilities
    refuses(f"{tmp_path / VIDEO / '0.png'}: {SOFT.format('200, 401, 602, 802, ..., 60000')}", tmp_path)


def test_masks_that_are_no_pngs(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / VIDEO / f"{number}.jpg", LABELS)
    refuses(f"{tmp_path / VIDEO}: expected PNGs, got .jpg files; save the masks as PNG, without loss", tmp_path, 2)


@pytest.mark.parametrize("ids", [(37, 74, 111, 255), (1, 2, 3, 4), (1, 2, 3, 254), (300, 5_000, 255, 65_535)])
def test_ids_of_any_spacing_are_instances(tmp_path: Path, ids: tuple[int, ...]) -> None:
    values = np.zeros((40, 60), np.uint16)
    for place, number in enumerate(ids):
        values[5:25, 4 + 12 * place : 18 + 12 * place] = number  # each beside the one before
    save(tmp_path / VIDEO / "0.png", values.astype(np.uint8) if max(ids) < 256 else values)
    (instances,) = found(tmp_path)
    assert len(instances.scores) == 4


def test_black_and_white_beside_0_and_255(tmp_path: Path) -> None:
    """Tools that make PNGs smaller write frames of few values with one bit."""
    save(tmp_path / VIDEO / "0.png", LABELS > 0)
    save(tmp_path / VIDEO / "1.png", (LABELS > 0).astype(np.uint8) * 255)
    assert [len(each.scores) for each in found(tmp_path, 2)] == [1, 1]


def test_a_file_that_is_not_a_png(tmp_path: Path) -> None:
    path = tmp_path / VIDEO / "0.png"
    save(path, np.random.default_rng(0).integers(0, 2, (99, 99), np.uint8))
    content = path.read_bytes()
    for damaged, kind in ((b"", "UnidentifiedImageError"), (content[: len(content) // 2], "OSError")):
        path.write_bytes(damaged)
        refuses(f"{path}: expected a PNG, got a file that cannot be read ({kind})", tmp_path)


def test_a_binary_video_in_palette_images_is_not_taken_for_void(tmp_path: Path) -> None:
    for number in range(2):
        save(tmp_path / VIDEO / f"{number}.png", (LABELS > 0).astype(np.uint8) * 255 * number, palette=True)
    refuses(
        f"{tmp_path / VIDEO}: expected instances, got only 255, which is void in a palette image; "
        "save masks of 0 and 255 as greyscale",
        tmp_path,
        2,
    )


# COCO


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    return tmp_path / "masks.json"


def test_classes_scores_and_order(masks: Path) -> None:
    content = document(RLE, 11)
    content["images"].reverse()  # frames are in the order of their numbers: 2.jpg before 10.jpg
    more = [
        {"image_id": 12, "category_id": 1, "segmentation": compressed(LABELS == 7)},  # neither id nor score
        {"image_id": 12, "score": 0.25, "segmentation": compressed(LABELS == 1)},  # no category
        {"image_id": 12, "category_id": 3, "score": 0.75, "segmentation": compressed(LABELS > 0)},
        {"image_id": 12, "category_id": 3, "segmentation": compressed(LABELS > 9)},  # no pixel
        {"image_id": 20, "category_id": 3, "segmentation": compressed(LABELS > 0)},
    ]
    content["annotations"] += more
    masks.write_text(json.dumps(content))
    per_frame = found(masks, 11, format="coco", class_name="thing")
    assert [len(each.scores) for each in per_frame] == [1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1]
    assert per_frame[2].classes.tolist() == ["person", "dog", "thing"]
    assert per_frame[2].scores.tolist() == [1.0, 0.75, 0.25]
    np.testing.assert_array_equal(per_frame[2].masks, [SECOND, FIRST | SECOND, FIRST])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (edited("images", 0, "file_name", value="0.jpg"),
         "expected images of video walk/a, named walk/a/<frame number>.<ext>, got 0.jpg; a json of one video, as CVAT "
         "exports it, goes into a folder as walk/a.json, and masks names that"),
        ({"images": [], "annotations": []},
         "expected images of video walk/a, named walk/a/<frame number>.<ext>, got none"),
        (document(RLE, 2), "video walk/a: expected 1 images, one a frame, got 2"),
    ],
)  # fmt: skip
def test_misuse_of_a_json(masks: Path, content: dict[str, Any], message: str) -> None:
    masks.write_text(json.dumps(content))
    refuses(f"{masks}: {message}", masks, format="coco")


def test_a_json_is_parsed_once_for_all_videos_and_again_when_it_changed(
    masks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = document(RLE)
    content["images"].append({"id": 99, "file_name": "walk/b/0.jpg"})
    masks.write_text(json.dumps(content))
    parsed: list[int] = []
    loads = json.loads
    monkeypatch.setattr(coco.json, "loads", lambda data: (parsed.append(1), loads(data))[1])
    key = choice.video_key("import", masks=str(masks), format="coco")
    key(VIDEO), key("walk/b")
    for video in (VIDEO, "walk/b"):
        found(masks, video=video, format="coco")
    assert len(parsed) == 1
    content["annotations"] = []
    masks.write_text(json.dumps(content))
    assert len(found(masks, format="coco")[0].scores) == 0
    assert len(parsed) == 2


# keys


def test_a_changed_png_changes_the_key_of_its_video_only(tmp_path: Path) -> None:
    for video in ("walk/a", "walk/b"):
        for number in range(2):
            save(tmp_path / video / f"{number}.png", LABELS)

    def keys() -> list[dict]:
        return [choice.video_key("import", masks=str(tmp_path), format="png")(video) for video in ("walk/a", "walk/b")]

    before = keys()
    assert keys() == before
    save(tmp_path / "walk/b/1.png", LABELS[::-1])
    after = keys()
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)
    json.dumps(after)
    with pytest.raises(
        ValueError,
        match=r"walk/c: expected the PNGs of video walk/c, one a frame, got no such directory; .* has walk/$",
    ):
        choice.video_key("import", masks=str(tmp_path), format="png")("walk/c")


@pytest.mark.parametrize(
    ("path", "value", "same"),
    [
        (("annotations", 0, "score"), 0.25, False),
        (("annotations", 0, "category_id"), 1, False),
        (("annotations", 0, "segmentation"), compressed(LABELS == 7), False),
        (("annotations", 0, "id"), 6, True),
        (("images", 0, "id"), 10, True),
        (("info",), "another day", True),
    ],
)
def test_keys_of_a_json_are_those_of_each_videos_part(masks: Path, path: tuple, value: Any, same: bool) -> None:
    def keys(content: dict[str, Any]) -> list[dict]:
        content["images"].append({"id": 99, "file_name": "walk/b/0.jpg"})
        masks.write_text(json.dumps(content))
        key = choice.video_key("import", masks=str(masks), format="coco")
        return [key(VIDEO), key("walk/b")]

    before, after = keys(document(RLE)), keys(edited(*path, value=value))
    assert (after[0] == before[0], after[1] == before[1]) == (same, True)


def test_settings_in_the_key_and_no_video_key_of_others(tmp_path: Path) -> None:
    key = choice.settings_key("import", masks="one", format="png", class_name="person")
    assert key == choice.settings_key("import", masks="two", format="png", class_name="person")
    assert key != choice.settings_key("import", masks="one", format="png", class_name="dog")
    for backend in ("motion", "torchvision"):
        assert choice.video_key(backend, weights="none.pth", threshold=1.0)(VIDEO) == {}


# parameters, the stage


def block(synthetic: Dataset, masks: Path, videos: Path, **changes: Any) -> dict[str, Any]:
    """The embedded data's parameters with masks from elsewhere."""
    values = synthetic.model_dump() | {"videos": str(videos), "truth": None, "synthesize": None}
    values["segment"] = {
        "backend": "import",
        "masks": str(masks), "format": "png", "class_name": "person", "sparse": "none", "images": None, "groups": None,
    }  # fmt: skip
    for name, change in changes.items():
        values[name] = values[name] | change
    return values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segment": {"class_name": "dog"}},
         "mask.groups: expected other in it (segment.class_name is 'dog'), got ['person']"),
        ({"mask": {"groups": ["other"]}},
         "mask.groups: expected person in it (segment.class_name is 'person'), got ['other']"),
        ({"segment": {"sparse": "nearest", "format": "jhmdb"}},
         "sparse: expected none (puppets are of all frames), got 'nearest'"),
        ({"segment": {"images": "a.json"}},
         "images: expected null (format png has no list of results), got 'a.json'"),
        ({"segment": {"class_name": ""}}, "String should have at least 1 character"),
        ({"segment": {"format": "mat"}},
         "Input should be 'png', 'coco', 'youtube-vis', 'label-studio', 'npz' or 'jhmdb'"),
    ],
)  # fmt: skip
def test_misuse_of_the_parameters(synthetic: Dataset, tmp_path: Path, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match="validation error") as fault:
        Dataset.model_validate(block(synthetic, tmp_path, tmp_path, **changes))
    assert message in str(fault.value)
    Dataset.model_validate(block(synthetic, tmp_path, tmp_path, segment={"class_name": "dog", "format": "coco"}))


class Project:
    """A directory with params.yaml whose data set `folder` has masks from elsewhere; runs stages in it."""

    def __init__(self, folder: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
        params = read_yaml((ROOT / "params.yaml").read_text())
        del values["synthesize"]
        params["datasets"]["folder"] = values
        Params.model_validate(params)
        (folder / "params.yaml").write_text(yaml.safe_dump(params))
        monkeypatch.chdir(folder)
        monkeypatch.setenv("OBJABN_CACHE", str(folder / "cache"))
        monkeypatch.setenv("OBJABN_CHECK", "off")  # nothing is trained here
        monkeypatch.setattr(sys, "argv", ["stage", "folder"])
        listed = sorted(path.relative_to(values["videos"]) for path in Path(values["videos"]).glob("*/*.mp4"))
        rows = [f"{path},{path.parent},{('train', 'test')[at % 2]}" for at, path in enumerate(listed)]
        (folder / "listed.csv").write_text("\n".join(["path,label,split", *rows]))
        index.main(["csv", "--dataset", "folder", "--videos", values["videos"], "--csv", str(folder / "listed.csv")])
        decode.main()

    def segment(self) -> tuple[pd.DataFrame, dict[str, Any]]:
        segment.main()
        table = pd.read_parquet("data/folder/masks/instances.parquet")
        return table, json.loads(Path("results/folder/segment.json").read_text())


@pytest.mark.parametrize("group", ["person", "dog"])
def test_the_stage(
    synthetic: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], group: str
) -> None:
    for number, video in enumerate(("walk/a", "wave/b")):
        frames = np.random.default_rng(number).integers(0, 256, (3, 16, 20, 3), np.uint8)
        write_video(tmp_path / "videos" / f"{video}.mp4", frames)
        for frame in range(3):
            save(tmp_path / "png" / video / f"{frame:05d}.png", LABELS if frame < 2 else LABELS * 0)
    changes = {"segment": {"class_name": group}, "mask": {"groups": ["person", "other"]}}
    project = Project(tmp_path, block(synthetic, tmp_path / "png", tmp_path / "videos", **changes), monkeypatch)
    table, report = project.segment()
    share = 0.666667 if group == "person" else 0.0
    assert table["class"].tolist() == [group] * 8
    assert table["frame"].tolist() == [0, 0, 1, 1] * 2
    made = report.pop("segmenter")
    assert (made["backend"], made["format"], made["masks"], made["files"]) == ("import", "png", "png", 6)
    assert report == {
        "frames": 6,
        "instances_per_frame": pytest.approx(8 / 6, abs=1e-6),
        "empty_share": 0.333333,
        "person_share": share,
    }
    planes = StoreReader(Path("data/folder/masks")).read_all("wave/b")
    expected = np.stack([FIRST | SECOND, FIRST | SECOND, np.zeros_like(FIRST)])
    groups = ("person", "other") if group == "person" else ("other", "person")
    np.testing.assert_array_equal(union_mask(planes, 1.0, groups[:1]), expected)
    assert not union_mask(planes, 0.1, groups[1:]).any()

    project.segment()
    save(tmp_path / "png/walk/a/00002.png", LABELS)
    assert len(project.segment()[0]) == 10
    lines = [line for line in capsys.readouterr().out.splitlines() if "side cache" in line]
    assert lines == [f"{n} videos segmented, {2 - n} found in the side cache" for n in (2, 0, 1)]

    (tmp_path / "png/walk/a/00002.png").unlink()
    with pytest.raises(ValueError, match=r"png/walk/a: expected 3 PNGs, one a frame, got 2$"):
        segment.main()


def test_the_stage_with_a_json_of_sparse_annotations(
    synthetic: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames 0 and 2 of 5 are annotated, as YouTube-VIS has them; the last one shows another object."""
    labels = np.stack([LABELS == 1, LABELS == 7]).astype(np.uint8)
    content = joined({"walk/a": labels, "wave/b": labels[::-1]})
    for video in content["videos"]:
        folder = video["file_names"][0].rpartition("/")[0]
        write_video(tmp_path / "videos" / f"{folder}.mp4", np.zeros((5, 16, 20, 3), np.uint8))
        video["file_names"] = [f"{folder}/00000.jpg", f"{folder}/00002.jpg"]
    (tmp_path / "masks.json").write_text(json.dumps(content))
    changes = {"segment": {"format": "youtube-vis", "sparse": "nearest"}}
    project = Project(tmp_path, block(synthetic, tmp_path / "masks.json", tmp_path / "videos", **changes), monkeypatch)
    table, _ = project.segment()
    assert table["frame"].tolist() == [*range(5)] * 2
    masks = StoreReader(Path("data/folder/masks"))
    np.testing.assert_array_equal(union_mask(masks.read_all("walk/a"), 1.0), np.stack([FIRST, FIRST, *[SECOND] * 3]))
    np.testing.assert_array_equal(union_mask(masks.read_all("wave/b"), 1.0), np.stack([SECOND] * 2 + [FIRST] * 3))


# real data


@pytest.mark.realdata
@pytest.mark.skipif(not DAVIS.is_dir(), reason="no ../shared/realdata")
def test_davis(synthetic: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six sequences as videos of two classes: their masks on the grid, then an epoch of training with the mask loss."""
    names = {name: ("ride" if name in ("bmx-trees", "car-shadow", "kite-surf") else "walk") for name in (
        "bmx-trees", "camel", "car-shadow", "dance-twirl", "kite-surf", "parkour")}  # fmt: skip
    for name, label in names.items():
        pictures = sorted((DAVIS / "JPEGImages" / name).iterdir())
        frames = [cv2.resize(cv2.imread(str(path))[..., ::-1], (160, 90)) for path in pictures]
        write_video(tmp_path / "videos" / label / f"{name}.mp4", np.stack(frames), crf=0)
        (tmp_path / "png" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "png" / label / name).symlink_to(DAVIS / "Annotations" / name)
    small = {
        "decode": {"height": 90, "width": 160},
        "train": {"epochs": 1, "batch_size": 2, "accelerator": "cpu"}, "machine": {"loader_workers": 0},
        "model": {"pretrained": None, "frozen": None, "width_factor": 1.0, "depth_factor": 1.0,
                  "attention_depth": 1, "attention_channels": 8},
    }  # fmt: skip
    values = block(synthetic, tmp_path / "png", tmp_path / "videos", **small)
    dataset = Dataset.model_validate(values)
    _, report = Project(tmp_path, values, monkeypatch).segment()
    assert report["frames"] == 450

    store = StoreReader(Path("data/folder/masks"))
    for name, label in names.items():
        masks = [
            cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted((DAVIS / "Annotations" / name).iterdir())
        ]
        reduced = [cv2.resize(each / 255, (GRID, GRID), interpolation=cv2.INTER_AREA) >= 0.5 for each in masks]
        ious = mask_iou(union_mask(store.read_all(f"{label}/{name}"), 0.5, ["person"]), np.stack(reduced))
        print(f"{name}: IoU mean {ious.mean():.6f}, least {ious.min():.6f}, {len(ious)} frames")
        assert ious.min() >= 0.99

    frames, stored = Path("data/folder/frames"), Path("data/folder/masks")
    train_set = open_split("train", dataset, frames, stored, seed=0)
    test_set = open_split("test", dataset, frames, None, seed=0, evaluation=VALIDATION)
    (tmp_path / "run").mkdir()
    train(Run(dataset, "mask", False, 0), train_set, test_set, tmp_path / "run")
    curves = pd.read_csv(tmp_path / "run/curves.csv")
    assert len(curves) == 1
    assert np.isfinite(curves["mask"]).all()
