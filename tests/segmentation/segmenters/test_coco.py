"""COCO's json of masks: what its annotations become, and what is refused."""

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as cocotools

from objabn.segmentation.segmenters import coco
from tests.helpers.coco import LABELS, RLE, VIDEO, compressed, document, edited


def uncompressed(mask: np.ndarray) -> dict[str, Any]:
    flat = mask.T.ravel().astype(np.int8)
    ends = np.flatnonzero(np.diff(np.concatenate([[0], flat])))  # a run of background comes first
    edges = np.concatenate([[0], ends, [flat.size]])
    return {"size": list(mask.shape), "counts": np.diff(edges).tolist()}


@pytest.fixture
def masks(tmp_path: Path) -> Path:
    return tmp_path / "masks.json"


@pytest.mark.parametrize(
    "segmentation",
    [RLE, uncompressed(LABELS == 1), [[0, 0, 4, 0, 4, 2, 0, 2]], [[0, 0, 2, 0, 2, 2, 0, 2], [2, 0, 4, 0, 4, 2, 2, 2]]],
)
def test_an_annotation(masks: Path, segmentation: Any) -> None:
    masks.write_text(json.dumps(document(segmentation, 2)))
    ((video, (image, empty)),) = coco.read(str(masks)).items()
    assert (video, image.file_name, empty.annotations) == (VIDEO, "walk/a/0.jpg", [])
    (annotation,) = image.annotations
    assert (annotation.name, annotation.score) == ("dog", 0.5)
    np.testing.assert_array_equal(coco.mask(image, annotation), LABELS == 1)


@pytest.mark.parametrize("segmentation", [..., None, []])
def test_a_box_where_there_is_no_segmentation(masks: Path, segmentation: Any) -> None:
    content = document(segmentation)
    annotation = content["annotations"][0]
    annotation["bbox"] = [0, 0, 4.0, 2]
    if segmentation is ...:
        del annotation["segmentation"]
    masks.write_text(json.dumps(content))
    ((_, (image,)),) = coco.read(str(masks)).items()
    np.testing.assert_array_equal(coco.mask(image, image.annotations[0]), LABELS == 1)


def test_a_segmentation_comes_before_the_box(masks: Path) -> None:
    content = document(RLE)
    content["annotations"][0]["bbox"] = [0, 0, 8, 4]  # as official files have both
    masks.write_text(json.dumps(content))
    ((_, (image,)),) = coco.read(str(masks)).items()
    np.testing.assert_array_equal(coco.mask(image, image.annotations[0]), LABELS == 1)


@given(st.integers(1, 60), st.integers(1, 60), st.floats(0, 1), st.integers(0, 2**32 - 1))
def test_rle_is_pycocotools(height: int, width: int, share: float, seed: int) -> None:
    values = np.random.default_rng(seed).random((height, width)) < share
    for rle in (compressed(values), uncompressed(values)):
        one = coco.Annotation("here", None, 1.0, rle)
        np.testing.assert_array_equal(coco.mask(coco.Image("a/0.jpg", height, width, []), one), values)


@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=40))
def test_a_damaged_string_is_refused_or_whole(counts: str) -> None:
    one = coco.Annotation("here", None, 1.0, {"size": [4, 8], "counts": counts})
    try:
        outcome = coco.mask(coco.Image("a/0.jpg", None, None, []), one).shape
    except ValueError as error:
        outcome = str(error)
    assert outcome == (4, 8) or outcome.startswith("here: counts, expected ")


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_polygons_are_those_of_coco(masks: Path) -> None:
    corners = [[3.2, 1.5, 40.1, 7.7, 22.0, 39.5], [30.0, 30.0, 50.0, 30.0, 50.0, 44.0]]
    image = coco.Image("a/0.jpg", 48, 64, [])
    expected = cocotools.decode(cocotools.merge(cocotools.frPyObjects(corners, 48, 64)))
    np.testing.assert_array_equal(coco.mask(image, coco.Annotation("here", None, 1.0, corners)), expected)


ANNOTATION = ("annotations", 0)
BROKEN = [
    (edited("images", value=...),
     "expected a COCO json, with images and annotations, got the keys annotations, categories"),
    ([], "expected a COCO json, with images and annotations, got a list; a list of results needs the json with their "
     "images, too (segment.images)"),
    ({"videos": [], "annotations": []},
     "expected a COCO json, with images and annotations, got the keys videos, annotations; `import` reads "
     "YouTube-VIS's json as format youtube-vis"),
    (edited("images", 0, "file_name", value=...),
     "images[0]: expected id and file_name, got {'id': 10, 'height': 4, 'width': 8}"),
    (edited("images", 0, value=3), "images[0]: expected id and file_name, got 3"),
    (edited("images", 0, "height", value="4"), "walk/a/0.jpg: height and width, expected pixels, got '4' and 8"),
    (edited("images", value=document(RLE)["images"] * 2),
     "images, expected each id once, got 10: walk/a/0.jpg, walk/a/0.jpg"),
    (edited("images", value=[document(RLE)["images"][0] | {"id": number} for number in (10, 11)]),
     "images, expected each file_name once, got walk/a/0.jpg twice"),
    (edited("categories", 1, "name", value=7), "categories[1]: expected id and name, got {'id': 3, 'name': 7}"),
    (edited(*ANNOTATION, "image_id", value=...),
     "annotations[0]: expected image_id, got {'id': 5, 'category_id': 3, 'score': ..."),
    (edited(*ANNOTATION, "image_id", value=11),
     "annotation 5: image_id, expected one of the ids of the 1 images, got 11"),
    (edited(*ANNOTATION, "category_id", value=2),
     "annotation 5: category_id, expected one of the 2 categories' ids, got 2"),
    (edited(*ANNOTATION, "category_id", value=[3]),
     "annotation 5: category_id, expected one of the 2 categories' ids, got [3]"),
    (edited(*ANNOTATION, "segmentation", "counts", value=[10**30]),
     "annotation 5: counts, expected whole numbers or a string of COCO's compressed RLE, got "
     "[1000000000000000000000000000000]"),
    (edited(*ANNOTATION, "score", value=1.5), "annotation 5: score, expected a number in [0, 1], got 1.5"),
    *((edited(*ANNOTATION, value={"id": 5, "image_id": 10, "bbox": box}),
       f"annotation 5: bbox, expected [x, y, width, height] in pixels, got {box!r}")
      for box in ([0, 0, 4], [0, 0, 0, 2], [0, 0, 4, -2], "all", [0, 0, "4", 2])),
    (edited(*ANNOTATION, "segmentation", value=...),
     "annotation 5: segmentation, expected RLE (size and counts) or polygons, or a bbox, got None"),
    (edited(*ANNOTATION, "segmentation", value=[]),
     "annotation 5: segmentation, expected RLE (size and counts) or polygons, or a bbox, got []"),
    (edited(*ANNOTATION, "segmentation", value="x.png"),
     "annotation 5: segmentation, expected RLE (size and counts) or polygons, or a bbox, got str"),
    (edited(*ANNOTATION, "segmentation", "size", value=[8, 4]),
     "annotation 5: size, expected the image's [4, 8], got [8, 4]"),
    (edited(*ANNOTATION, "segmentation", "size", value=[4]), "annotation 5: size, expected [height, width], got [4]"),
    (edited(*ANNOTATION, "segmentation", "counts", value=[0, 2]),
     "annotation 5: counts, expected pixels of 4 x 8 = 32, got 2"),
    (edited(*ANNOTATION, "segmentation", "counts", value=[40, -8]),
     "annotation 5: counts, expected pixels of 4 x 8 = 32, got 32"),
    (edited(*ANNOTATION, "segmentation", "counts", value=[0.5, 31.5]),
     "annotation 5: counts, expected whole numbers or a string of COCO's compressed RLE, got [0.5, 31.5]"),
    (edited(*ANNOTATION, "segmentation", "counts", value="0oo"),
     "annotation 5: counts, expected whole numbers or a string of COCO's compressed RLE, got '0oo'"),
    (edited(*ANNOTATION, "segmentation", value=[[0, 0, 4, 0]]),
     "annotation 5: polygons, expected lists x0, y0, x1, y1, x2, y2, ..., got [0, 0, 4, 0]"),
    (edited(*ANNOTATION, "segmentation", value=[0, 0, 4, 0, 4, 4]),
     "annotation 5: polygons, expected lists x0, y0, x1, y1, x2, y2, ..., got 0"),
    (edited(*ANNOTATION, "segmentation", value=[[0, 0, 4e9, 0, 4, 4]]),
     "annotation 5: polygons, expected pixels of 4 x 8, got [0, 0, 4000000000.0, 0, 4, 4]"),
    (edited("images", 0, value={"id": 10, "file_name": "walk/a/0.jpg"})
     | {"annotations": [{"id": 5, "image_id": 10, "segmentation": [[0, 0, 4, 0, 4, 4]]}]},
     "annotation 5: polygons, expected the image to have height and width, got None and None"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "message"), BROKEN, ids=range(len(BROKEN)))
def test_misuse_of_a_json(masks: Path, content: Any, message: str) -> None:
    masks.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="expected") as fault:
        [coco.mask(image, image.annotations[0]) for image in coco.read(str(masks))[VIDEO]]
    assert str(fault.value) == f"{masks}: {message}"


def test_a_file_that_is_not_a_json(masks: Path) -> None:
    masks.write_text("{images")
    what = "Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"
    not_json, absent = f"got a file that is not JSON: {what}", "got no such file"
    for message in (f"expected a COCO json, {got}" for got in (not_json, absent)):
        with pytest.raises(ValueError, match="expected") as fault:
            coco.read(str(masks))
        assert str(fault.value) == f"{masks}: {message}"
        masks.unlink(missing_ok=True)


def test_an_archive_and_a_directory(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "masks.json", "w") as archive:
        archive.writestr("\xe4.json", "{}")
    for path, got in (("masks.json", "a zip archive; unpack it"), ("", "a directory; of PNGs the format is png")):
        with pytest.raises(ValueError, match="expected") as fault:
            coco.read(str(tmp_path / path))
        assert str(fault.value) == f"{tmp_path / path}: expected a COCO json, got {got}"


def test_json_that_is_nested_without_end(masks: Path) -> None:
    masks.write_text("[" * 200_000)
    with pytest.raises(ValueError, match=r"masks.json: expected a COCO json, got JSON that is nested without end$"):
        coco.read(str(masks))
