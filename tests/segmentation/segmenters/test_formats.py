"""Masks of other tools: the same cells as the PNGs that they come from, sparse ones, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objabn.segmentation.segmenters import choice
from objabn.segmentation.segmenters.instances import Instances, planes_of
from objabn.segmentation.segmenters.sparse import nearest
from objabn.stores.masks import union_mask
from tests.helpers import mask_files
from tests.helpers.mask_files import NAMES, WRITERS, coco, label_studio, region, task, write, write_npz, youtube_vis

VIDEO = "walk/a b"
LABELS = np.zeros((4, 30, 50), np.uint8)  # the third frame is empty
LABELS[0, 5:20, 10:30], LABELS[0, 10:25, 35:41] = 1, 2
LABELS[1, 7:22, 12:33], LABELS[3, 3:9, 40:50] = 1, 2


def found(frames: int = len(LABELS), video: str = VIDEO, **settings: Any) -> list[Instances]:
    given = {"class_name": "person"} | settings
    return choice.build("import", **given)(np.zeros((frames, 12, 20, 3), np.uint8), video)


def unions(instances: list[Instances], groups: tuple[str, ...] = ("person", "other")) -> np.ndarray:
    return np.stack([union_mask(planes_of(each), 0.25, groups) for each in instances])


def refused(message: str, **settings: Any) -> None:
    with pytest.raises(ValueError, match="expected") as fault:
        found(**settings)
    assert str(fault.value) == message


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__.removeprefix("write_"))
def test_the_union_is_that_of_the_pngs(tmp_path: Path, writer: Callable) -> None:
    pngs = unions(found(**mask_files.write_pngs(tmp_path, VIDEO, LABELS)))
    assert pngs.reshape(4, -1).any(axis=1).tolist() == [True, True, False, True]
    settings = writer(tmp_path, VIDEO, LABELS)
    instances = found(**settings)
    np.testing.assert_array_equal(unions(instances), pngs)
    assert [len(each.scores) for each in instances] == [2, 1, 0, 1]
    classes = [list(each.classes) for each in instances]
    if settings["format"] == "npz":
        assert classes == [["person"] * 2, ["person"], [], ["person"]]
        return
    assert [sorted(each) for each in classes] == [["dog", "person"], ["person"], [], ["dog"]]
    np.testing.assert_array_equal(unions(instances, ("person",))[3], np.zeros((128, 128), bool))
    assert NAMES == {1: "person", 2: "dog"}


def test_scores_of_results_and_of_sam(tmp_path: Path) -> None:
    for writer in (mask_files.write_results, mask_files.write_youtube_vis_results):
        assert found(**writer(tmp_path, VIDEO, LABELS))[0].scores.tolist() == [0.5, 0.5]
    first, *_, last = found(**mask_files.write_sam(tmp_path, VIDEO, LABELS))
    assert (first.scores.tolist(), last.scores.tolist()) == ([0.75, 0.5], [0.75])
    by_frame = np.arange(8).reshape(4, 2) / 8
    both = np.stack([LABELS == 1, LABELS == 2], axis=1)
    first, second, _, last = found(**write_npz(tmp_path, VIDEO, masks=both, scores=by_frame))
    assert [each.scores.tolist() for each in (first, second, last)] == [[0.125, 0.0], [0.25], [0.875]]
    values = {"masks": np.where(LABELS == 2, 9, LABELS), "obj_ids": np.array([9, 1]), "scores": np.array([0.25, 1.0])}
    assert found(**write_npz(tmp_path, VIDEO, **values))[3].scores.tolist() == [0.25]


def test_one_object_of_an_npz(tmp_path: Path) -> None:
    (first, *_) = found(**write_npz(tmp_path, VIDEO, masks=LABELS > 0))
    np.testing.assert_array_equal(unions([first]), unions(found(**write_npz(tmp_path, VIDEO, masks=LABELS)))[:1])
    assert len(first.scores) == 1


def test_other_shapes_of_label_studio(tmp_path: Path) -> None:
    """Polygons and rectangles in percent; labels beside a region; a cancelled annotation and a second opinion."""
    size = {"original_width": 50, "original_height": 30, "image_rotation": 0}
    rectangle = {"x": 20.0, "y": 50 / 3, "width": 40.0, "height": 50.0, "rotation": 0, "rectanglelabels": ["Dog"]}
    corners = [[20.0, 50 / 3], [60.0, 50 / 3], [60.0, 200 / 3], [20.0, 200 / 3]]  # rows 5 to 20, columns 10 to 30
    results = [
        [{"id": "a", "type": "rectanglelabels", **size, "value": rectangle}],
        [{"id": "b", "type": "polygon", **size, "value": {"points": corners, "closed": True}},
         {"id": "b", "type": "labels", **size, "value": {"points": corners, "labels": ["Person"]}},
         {"id": "c", "type": "choices", "value": {"choices": ["sharp"]}}],
    ]  # fmt: skip
    tasks = [task(number, f"s3://bucket/x/{VIDEO}/{number}.png", one) for number, one in enumerate(results)]
    tasks[0]["annotations"].insert(0, {"result": [], "was_cancelled": True})
    tasks[1]["annotations"].append({"result": [], "ground_truth": False})
    tasks[1]["annotations"][0]["ground_truth"] = True
    instances = found(2, masks=str(write(tmp_path / "a.json", tasks)), format="label-studio")
    assert [list(each.classes) for each in instances] == [["dog"], ["person"]]
    expected = found(1, **write_npz(tmp_path, VIDEO, masks=(LABELS == 1)[:1]))[0].masks
    for each in instances:
        np.testing.assert_array_equal(each.masks, expected)


def test_uploads_say_video_and_frame_in_their_data(tmp_path: Path) -> None:
    tasks = label_studio(VIDEO, LABELS)
    for number, each in enumerate(tasks):
        each["data"] = {"image": f"/data/upload/3/1a2b-{number}.png", "video": VIDEO, "frame": number}
    settings = {"masks": str(write(tmp_path / "a.json", tasks[::-1])), "format": "label-studio"}
    assert [len(each.scores) for each in found(**settings)] == [2, 1, 0, 1]


def test_results_of_label_studio_that_are_no_masks(tmp_path: Path) -> None:
    """Relations have no value; keypoints have a place, and the labels of the region that they lie in."""
    tasks = label_studio(VIDEO, LABELS)
    settings = {"masks": str(write(tmp_path / "a.json", tasks)), "format": "label-studio"}
    before = found(**settings)
    point = {"x": 50.0, "y": 50.0, "width": 0.5}
    tasks[0]["annotations"][0]["result"] += [
        {"from_id": "rPerson", "to_id": "rDog", "type": "relation", "direction": "right"},
        {"id": "k", "type": "keypointlabels", "value": {**point, "keypointlabels": ["Nose"]}},
        {"id": "l", "type": "keypoint", "original_width": 50, "original_height": 30, "value": point},
    ]
    write(tmp_path / "a.json", tasks)
    for one, other in zip(found(**settings), before, strict=True):
        np.testing.assert_array_equal(one.masks, other.masks)
        assert one.classes.tolist() == other.classes.tolist()


def test_the_subset_in_the_name_of_cvats_file(tmp_path: Path) -> None:
    settings = mask_files.write_cvat(tmp_path, VIDEO, LABELS, "{}/annotations/instances_Train.json")
    assert [len(each.scores) for each in found(**settings)] == [2, 1, 0, 1]
    line = f"{tmp_path}/cvat: expected the COCO json of video {VIDEO}, {VIDEO}.json or "
    line += f"{VIDEO}/annotations/instances_<subset>.json, got {VIDEO}/annotations/"
    mask_files.write_cvat_unpacked(tmp_path, VIDEO, LABELS)
    refused(f"{line}instances_Train.json and {VIDEO}/annotations/instances_default.json", **settings)
    for path in (tmp_path / "cvat" / VIDEO / "annotations").iterdir():
        path.rename(path.with_name("person_keypoints_default.json"))
    refused(f"{line}person_keypoints_default.json", **settings)


# sparse


@pytest.mark.parametrize(
    ("numbers", "frames", "stride", "places"),
    [
        ([2, 6], 8, 1, [0, 0, 0, 0, 0, 1, 1, 1]),  # frame 4 is as near to 2 as to 6
        ([6, 2], 8, 1, [1, 1, 1, 1, 1, 0, 0, 0]),
        ([3], 2, 1000, [0, 0]),
        ([0, 5, 6], 4, 2, [0, 0, 1, 2]),  # the video's frames 0, 2, 4, 6
    ],
)
def test_the_nearest_frame(numbers: list[int], frames: int, stride: int, places: list[int]) -> None:
    assert nearest(numbers, frames, stride, "here").tolist() == places


@pytest.mark.parametrize("form", ["png", "coco", "cvat", "youtube-vis", "label-studio", "npz"])
def test_frames_without_annotation_take_the_nearest(tmp_path: Path, form: str) -> None:
    """Frames 0 and 3 of 6 are annotated."""
    kept = LABELS[[0, 3]]
    numbers = ["00000", "00003"]
    if form == "png":
        settings = mask_files.write_pngs(tmp_path, VIDEO, kept)
        (tmp_path / "png" / VIDEO / "00001.png").rename(tmp_path / "png" / VIDEO / "00003.png")
    elif form == "coco":
        content = coco(VIDEO, kept)
        for image, number in zip(content["images"], numbers, strict=True):
            image["file_name"] = f"{VIDEO}/{number}.jpg"
        settings = {"masks": str(write(tmp_path / "a.json", content)), "format": "coco"}
    elif form == "cvat":  # lists all frames of the video
        whole = np.zeros((6, *LABELS.shape[1:]), np.uint8)
        whole[[0, 3]] = kept
        settings = mask_files.write_cvat(tmp_path, VIDEO, whole)
    elif form == "youtube-vis":
        content = youtube_vis(VIDEO, kept)
        content["videos"][0]["file_names"] = [f"{VIDEO}/{number}.jpg" for number in numbers]
        settings = {"masks": str(write(tmp_path / "a.json", content)), "format": "youtube-vis"}
    elif form == "label-studio":  # exports all tasks, most of them without annotation
        tasks = label_studio(VIDEO, LABELS[[0, 2, 2, 3, 2, 2]])
        for number in (1, 2, 4, 5):
            tasks[number]["annotations"] = []
        settings = {"masks": str(write(tmp_path / "a.json", tasks)), "format": "label-studio"}
    else:
        settings = write_npz(tmp_path, VIDEO, masks=kept, frames=np.array([0, 3]))
    cells = unions(found(6, sparse="nearest", **settings))
    first, last = unions(found(2, **write_npz(tmp_path / "own", VIDEO, masks=kept)))
    np.testing.assert_array_equal(cells, np.stack([first, first, last, last, last, last]))
    strided = unions(found(3, sparse="nearest", decode_stride=2, **settings))  # the video's frames 0, 2 and 4
    np.testing.assert_array_equal(strided, np.stack([first, last, last]))


def test_an_empty_frame_that_is_listed_is_annotated(tmp_path: Path) -> None:
    """But for CVAT, which lists all."""
    sizes = [[len(each.scores) for each in found(6, sparse="nearest", **writer(tmp_path, VIDEO, LABELS[:3]))]
             for writer in (mask_files.write_coco, mask_files.write_youtube_vis, mask_files.write_label_studio,
                            mask_files.write_values, mask_files.write_cvat)]  # fmt: skip
    assert sizes == [[2, 1, 0, 0, 0, 0]] * 4 + [[2, 1, 1, 1, 1, 1]]


def test_keys(tmp_path: Path) -> None:
    """Old settings have the key that they had; where frames are sparse their numbers count, too."""
    settings = mask_files.write_pngs(tmp_path, VIDEO, LABELS) | {"class_name": "person", "images": None}
    plain = choice.settings_key("import", **settings, sparse="none")
    assert plain == choice.settings_key("import", format="png", class_name="person", masks="elsewhere")
    assert choice.settings_key("import", **settings, sparse="nearest") == {**plain, "sparse": "nearest"}
    before = choice.video_key("import", **settings, sparse="nearest")(VIDEO)
    assert before == {**choice.video_key("import", **settings, sparse="none")(VIDEO), "numbers": [0, 1, 2, 3]}
    for number in (3, 2, 1, 0):
        folder = tmp_path / "png" / VIDEO
        (folder / f"{number:05d}.png").rename(folder / f"{number + 1:05d}.png")
    after = choice.video_key("import", **settings, sparse="nearest")(VIDEO)
    assert after == {**before, "numbers": [1, 2, 3, 4]}


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.__name__.removeprefix("write_"))
def test_a_key_is_that_of_the_content(tmp_path: Path, writer: Callable) -> None:
    settings = writer(tmp_path, VIDEO, LABELS)
    before = choice.video_key("import", **settings)(VIDEO)
    json.dumps(before)
    assert choice.video_key("import", **settings)(VIDEO) == before
    writer(tmp_path, VIDEO, LABELS[::-1])
    assert choice.video_key("import", **settings)(VIDEO) != before


# what is refused


def test_wrong_numbers_of_frames(tmp_path: Path) -> None:
    path = f"{tmp_path}/coco.json: video {VIDEO}"
    settings = mask_files.write_coco(tmp_path, VIDEO, LABELS)
    refused(f"{path}: expected 6 images, one a frame, got 4", frames=6, **settings)
    refused(f"{path}: expected frames 0 to 2, got 3", frames=3, sparse="nearest", **settings)
    settings = mask_files.write_sam(tmp_path, VIDEO, LABELS)
    refused(f"{tmp_path}/npz/{VIDEO}.npz: expected 3 frames, one a frame, got 4", frames=3, **settings)
    settings = mask_files.write_cvat(tmp_path, VIDEO, LABELS * 0)
    line = f"{tmp_path}/cvat: video {VIDEO}: expected at least one annotated frame, got none"
    refused(line, sparse="nearest", **settings)
    content = coco(VIDEO, LABELS[:1], name="{video}/first.jpg")
    settings = {"masks": str(write(tmp_path / "a.json", content)), "format": "coco"}
    line = "expected names that end in a frame's number, <number>.<ext>, got walk/a b/first.jpg"
    refused(f"{tmp_path}/a.json: video {VIDEO}: {line}", sparse="nearest", **settings)


def test_no_such_video(tmp_path: Path) -> None:
    lines = {
        mask_files.write_cvat: "{cvat}: expected the COCO json of video no, no.json or "
        "no/annotations/instances_<subset>.json, got neither",
        mask_files.write_youtube_vis: "{youtube.json}: expected images of video no, named no/<frame number>.<ext>, got "
        "walk/a b/00000.jpg",
        mask_files.write_label_studio: "{studio.json}: expected images of video no, at .../no/<frame number>.<ext> or "
        "with `video` in the data, got data/local-files",
        mask_files.write_sam: "{npz/no.npz}: expected the masks of video no, got no such file",
    }
    for writer, line in lines.items():
        settings = writer(tmp_path, VIDEO, LABELS)
        name = line.partition("}")[0][1:]
        expected = line.replace(f"{{{name}}}", str(tmp_path / name)).replace("data/local-files", "my frames/walk/a b/")
        expected += "00000.png" if writer is mask_files.write_label_studio else ""
        refused(expected, video="no", **settings)
    two = label_studio("x/walk", LABELS[:1]) + label_studio("y/walk", LABELS[:1])
    settings = {"masks": str(write(tmp_path / "a.json", two)), "format": "label-studio"}
    expected = "expected images of video walk, at .../walk/<frame number>.<ext> or with `video` in the data, got "
    line = f"{tmp_path}/a.json: {expected}my frames/x/walk and my frames/y/walk"
    refused(line, video="walk", **settings)


def edited(content: Any, *path: Any, value: Any) -> Any:
    *parents, last = path
    block = content
    for key in parents:
        block = block[key]
    block[last] = value
    return content


def vis(*path: Any, value: Any) -> Any:
    return edited(youtube_vis(VIDEO, LABELS), *path, value=value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": [], "annotations": []},
         "expected a YouTube-VIS json, with videos and annotations, got the keys images, annotations; of a COCO json "
         "the format is coco"),
        ([], "expected a YouTube-VIS json, with videos and annotations, got a list; a list of results needs the json "
             "with their videos, too (segment.images)"),
        (vis("videos", 0, "file_names", value=["1.jpg"] * 4),
         "video 7: file_names, expected <video id>/<frame number>.<ext> of one video, got '1.jpg'"),
        (vis("videos", 0, "file_names", value=["a/1.jpg", "b/1.jpg"]),
         "video 7: file_names, expected <video id>/<frame number>.<ext> of one video, got ['a/1.jpg', 'b/1.jpg']"),
        (vis("videos", 0, "file_names", value=[f"{VIDEO}/1.jpg"] * 4),
         f"video {VIDEO}: file_names, expected each once, got {VIDEO}/1.jpg twice"),
        (vis("annotations", 0, "segmentations", value=[None]),
         "annotation 1: segmentations, expected 4, one a frame of its video, got 1"),
        (vis("annotations", 0, "video_id", value=8),
         "annotation 1: video_id, expected one of the ids of the 1 videos, got 8"),
        (vis("annotations", 0, "category_id", value=8),
         "annotation 1: category_id, expected one of the 2 categories' ids, got 8"),
        (vis("annotations", 0, "segmentations", 1, "size", value=[50, 30]),
         "annotation 1: segmentations[1]: size, expected the image's [30, 50], got [50, 30]"),
        (vis("videos", value=youtube_vis(VIDEO, LABELS)["videos"] * 2),
         f"videos, expected each id and folder once, got 7, {VIDEO} again"),
        (vis("videos", 0, "height", value="30"), "video 7: height and width, expected pixels, got '30' and 50"),
        (vis("videos", 0, value={"id": 7}), "videos[0]: expected id and file_names, got {'id': 7}"),
    ],
)  # fmt: skip
def test_misuse_of_youtube_vis(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path / "a.json", content)
    refused(f"{path}: {message}", masks=str(path), format="youtube-vis")


def studio(*path: Any, value: Any) -> Any:
    return edited(label_studio(VIDEO, LABELS), *path, value=value)


FIRST = (0, "annotations", 0, "result", 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "expected Label Studio's export as JSON, a list of tasks with data and annotations, got a dict"),
        ([{"image": "a/1.png", "id": 1, "tag": []}],
         "expected Label Studio's export as JSON, a list of tasks with data and annotations, got tasks without data "
         "and annotations (JSON-MIN?)"),
        (label_studio(VIDEO, LABELS) + label_studio(VIDEO, LABELS)[1:2],
         f"images of my frames/{VIDEO}, expected one task a frame, got 00001.png and 00001.png"),
        (studio(1, "data", value={"image": f"/data/local-files/?d=my%20frames/{VIDEO}/0.jpg"}),
         f"images of my frames/{VIDEO}, expected one task a frame, got 00000.png and 0.jpg"),
        (studio(*FIRST, "value", value=None),
         "task 0: result rPerson: expected type and value, got {'id': 'rPerson', 'type': 'brushlabel..."),
        (studio(0, "annotations", value=[{}]),
         "task 0: annotations, expected a list with a result each, got [{}]"),
        (studio(0, "annotations", value=[{"result": []}] * 2),
         "task 0: annotations, expected one, or one marked as ground truth, got 2"),
        (studio(0, "data", value={"text": "a"}),
         "task 0: data, expected the address of an image, or video and frame, got {'text': 'a'}"),
        (studio(*FIRST, "original_width", value=None),
         "task 0: result rPerson: original_height and original_width, expected pixels, got 30 and None"),
        (studio(*FIRST, "image_rotation", value=90), "task 0: result rPerson: image_rotation, expected 0, got 90"),
        (studio(*FIRST, "value", value={"rle": [256]}),
         "task 0: result rPerson: rle, expected a list of bytes, got [256]"),
        (studio(*FIRST, "value", value={"rle": [0, 0]}),
         "task 0: result rPerson: rle, expected 6000 values, got bytes that end before them"),
        (studio(*FIRST, "value", "rle", value=region(LABELS[0, :-1] == 1, "Person")["value"]["rle"]),
         "task 0: result rPerson: rle, expected height x width x 4 = 6000 values, got 5800"),
        (studio(*FIRST, "value", value={"x": 1, "y": 1, "width": 9, "height": 9, "rotation": 5}),
         "task 0: result rPerson: expected a brush, a polygon or a rectangle that is not turned, got brushlabels of x, "
         "y, width, height, rotation turned"),
        (studio(*FIRST, "value", value={"x": 1, "y": 1, "radiusX": 9, "radiusY": 9}),
         "task 0: result rPerson: expected a brush, a polygon or a rectangle that is not turned, got brushlabels of x, "
         "y, radiusX, radiusY"),
    ],
)  # fmt: skip
def test_misuse_of_label_studio(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path / "a.json", content)
    refused(f"{path}: {message}", masks=str(path), format="label-studio")


BOTH = np.stack([LABELS == 1, LABELS == 2], axis=1)
NO_IDS = "masks, expected a value for each object, got"
SAVE = "save bool, or name the objects' values in obj_ids"
Y, X = np.indices((60, 80))
DISCS = np.stack([np.clip(200 - 10 * np.hypot(Y - 30, X - middle), 0, 255) for middle in (30, 40, 45, 50)]).astype(
    np.uint8
)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"mask": BOTH}, "expected the array masks, got mask"),
        ({"masks": BOTH * 2.5},
         "masks, expected bool or whole numbers (frames, objects, h, w) or (frames, h, w), got float64 (4, 2, 30, 50); "
         "save masks > 0"),
        ({"masks": BOTH[0, 0]},
         "masks, expected bool or whole numbers (frames, objects, h, w) or (frames, h, w), got bool (30, 50)"),
        ({"masks": BOTH * np.array([7, 8])[:, None, None]},
         "masks, expected 0 and one other value in (frames, objects, h, w), got 0 to 8; save masks > 0"),
        ({"masks": BOTH, "scores": np.ones(3)},
         "scores, expected (2,) or (4, 2), objects or frames and objects, got (3,)"),
        ({"masks": BOTH, "scores": np.array([0, 1.5])}, "scores, expected numbers in [0, 1], got float64, 0.0 to 1.5"),
        ({"masks": BOTH, "obj_ids": np.arange(3)}, "obj_ids, expected 2, one an object, got (3,)"),
        ({"masks": LABELS, "obj_ids": np.array([1])}, "obj_ids, expected the values of masks ([1, 2]), got [1]"),
        ({"masks": np.arange(6000).reshape(4, 30, 50)},
         f"masks, expected at most 256 values above 0, one an object, got 5999; {SAVE}"),
        ({"masks": DISCS}, f"{NO_IDS} levels of soft edges (120 up to 200); {SAVE}"),
        ({"masks": DISCS.astype(np.int64)}, f"{NO_IDS} levels of soft edges (120 up to 200); {SAVE}"),
        ({"masks": np.where(LABELS == 0, np.uint8(255), LABELS)},
         f"{NO_IDS} 255 beside others, maybe void (3 up to 255); {SAVE}"),
        ({"masks": LABELS, "frames": np.array([0, 1, 2, 4])},
         "frames, expected 0 to 3, since `sparse: none` wants all frames, got some up to 4; `sparse: nearest` takes "
         "them"),
        ({"masks": LABELS, "frames": np.array([0, 2, 2, 3])}, "frames, expected 4 rising numbers, got int64 (4,)"),
        ({"masks": LABELS, "frames": np.arange(-1, 3)}, "frames, expected numbers from 0 on, got -1"),
    ],
)  # fmt: skip
def test_misuse_of_an_npz(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    settings = write_npz(tmp_path, VIDEO, **arrays)
    refused(f"{tmp_path}/npz/{VIDEO}.npz: {message}", **settings)


def test_levels_that_are_named_as_objects(tmp_path: Path) -> None:
    settings = write_npz(tmp_path, VIDEO, masks=DISCS, obj_ids=np.unique(DISCS)[1:])
    assert sum(len(each.scores) for each in found(**settings)) > 100


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "npz" / f"{VIDEO}.npz"
    path.parent.mkdir(parents=True)
    np.save(path.with_suffix(".npy"), LABELS)
    for content in (path.with_suffix(".npy").read_bytes(), b"masks", b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"expected an npz of numpy with masks, got one that cannot be read"):
            found(masks=str(tmp_path / "npz"), format="npz")
    objects = {"masks": np.array([LABELS, None], object)}  # a pickle: not opened
    with pytest.raises(ValueError, match="got one that cannot be read"):
        found(**write_npz(tmp_path, VIDEO, **objects))


def test_a_json_of_cvat_with_images_of_several_videos(tmp_path: Path) -> None:
    content = coco(VIDEO, LABELS)
    content["images"][3]["file_name"] = "other/00003.jpg"
    path = write(tmp_path / f"{VIDEO}.json", content)
    got = f"got {VIDEO}/00000.jpg and other/00003.jpg"
    line = f"{path}: expected images of video {VIDEO} alone, in one folder, {got}"
    refused(line, masks=str(tmp_path), format="coco")
    line = "expected a json with a list of results, since segment.images names a json beside it, got a directory"
    refused(
        f"{tmp_path}: {line}; with a json a video images is null", masks=str(tmp_path), format="coco", images=str(path)
    )


def test_results_without_their_images(tmp_path: Path) -> None:
    settings = mask_files.write_results(tmp_path, VIDEO, LABELS)
    path = settings["masks"]
    line = "expected a COCO json, with images and annotations, got a list; a list of results needs the json with their "
    refused(f"{path}: {line}images, too (segment.images)", **settings | {"images": None})
    other = settings["images"]
    line = "expected a list of results, since segment.images names a json beside it, got a dict"
    refused(f"{other}: {line}", **settings | {"masks": other})
    refused(
        f"{tmp_path}/no.json: expected a COCO json, got no such file", **settings | {"images": f"{tmp_path}/no.json"}
    )
    results = json.loads(Path(path).read_text())
    write(Path(path), edited(results, 0, "image_id", value=99))
    refused(f"{path}: annotation [0]: image_id, expected one of the ids of the 4 images, got 99", **settings)
