"""Groups of planes with names of their own, from the segmenter to what reads the store; stores without such names."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objabn.clips.dataset import ClipDataset, open_split
from objabn.config import segmenters
from objabn.config.faults import ParamsError
from objabn.config.file import load_params
from objabn.config.schema import Dataset
from objabn.explanation.known_masks import KnownMasks
from objabn.segmentation.contact_sheet import COLOURS, draw_masks, group_colours, overlay
from objabn.segmentation.quality import summarise, video_quality
from objabn.segmentation.segment import segment_videos
from objabn.segmentation.segmenters.instances import Instances
from objabn.segmentation.units import unit_names
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID, GROUPS, group_names, score_planes, union_mask
from objabn.stores.table import store_digest
from objabn.stores.truth import open_truth
from objabn.system.cache import Cache
from tests.helpers.preflight import given
from tests.helpers.truth import truth_of

NAMES = ("hand", "person", "cup")
SAM3 = (
    "datasets.folder.segment={backend: sam3, stride: 1, weights: owner/model, revision: null, score_floor: 0.05, "
    "bf16: true, overlap: true, prompts: {hand: [hand, fist], person: [person], cup: [cup]}}"
)


IMPORT = (
    "datasets.folder.segment={{backend: import, masks: masks, format: {}, class_name: {}, sparse: none, images: null, "
    "groups: [{}]}}"
)


def found(frames: np.ndarray, _video: str) -> list[Instances]:
    """A hand in the leftmost quarter (0.9), a cup in the rightmost (0.6), no person; something without a group."""
    masks = np.zeros((3, GRID, GRID), bool)
    masks[0, :, :32] = masks[1, :, 96:] = masks[2, :, 48:80] = True
    boxes = np.array([[0, 0, 0.25, 1], [0.75, 0, 1, 1], [0.375, 0, 0.625, 1]], np.float32)
    scores = np.array([0.9, 0.6, 0.55], np.float32)
    return [Instances(masks, scores, np.array(["hand", "cup", "dog"]), boxes) for _ in frames]


def make(folder: Path, groups: tuple[str, ...]) -> pd.DataFrame:
    """Stores `frames` and `masks` of two videos, `a` of six and `b` of five frames; their table."""
    for name in ("frames", "masks"):
        (folder / name).mkdir(parents=True)
    frames = StoreWriter(folder / "frames", (112, 112, 3), frames_per_shard=16)
    for video, length in (("a", 6), ("b", 5)):
        row = {"digest": video, "label": "x", "split": "train", "status": "ok", "height": 112, "width": 112}
        frames.append(np.zeros((length, 112, 112, 3), np.uint8), video=video, **row)
    table = frames.close()
    segment_videos(
        table,
        unit_names(table, {"groups": list(groups)}),
        StoreReader(folder / "frames"),
        folder / "masks",
        make_segmenter=lambda: found,
        cache=Cache(folder / "cache"),
        groups=groups,
    )
    return table


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    return make(tmp_path, NAMES)


def test_the_store_names_its_groups(tmp_path: Path, table: pd.DataFrame) -> None:
    reader = StoreReader(tmp_path / "masks")
    assert group_names(reader) == NAMES
    planes = reader.read_all("a")
    assert planes.shape == (6, 3, GRID, GRID)
    assert planes[0, :, 0, [0, 60, 127]].tolist() == [[229, 0, 0], [0, 0, 0], [0, 0, 153]]  # floor(255 * score)
    for groups, left, right in ((["hand"], True, False), (["cup"], False, True), (["cup", "hand"], True, True)):
        union = union_mask(planes[0], 0.5, groups, NAMES)
        assert (union[0, 0], union[0, 127], union[0, 60]) == (left, right, False)
    with pytest.raises(ValueError, match=r"^masks: expected groups of those stored, hand, person, cup, got dog$"):
        union_mask(planes, 0.5, ["dog"], NAMES)


def test_a_store_without_names_is_as_it_was(tmp_path: Path) -> None:
    """No attribute: the bytes of such stores do not change; other classes than persons are in `other`."""
    make(tmp_path, GROUPS)
    reader = StoreReader(tmp_path / "masks")
    assert group_names(reader) == GROUPS == segmenters.GROUPS
    described = json.loads((tmp_path / "masks/array.zarr/zarr.json").read_text())
    assert list(described["attributes"]) == ["videos_csv"]
    assert len(store_digest(tmp_path / "masks")) == 1
    assert reader.read_all("a")[0, :, 0, [0, 60, 127]].tolist() == [[0, 229], [0, 140], [0, 153]]


def test_names_are_part_of_a_stores_content(tmp_path: Path) -> None:
    """Two names that change places: the same planes, other masks."""
    planes, digests = np.zeros((1, 2, GRID, GRID), np.uint8), []
    for number, names in enumerate((["a", "b"], ["b", "a"])):
        (tmp_path / str(number)).mkdir()
        writer = StoreWriter(tmp_path / str(number), planes.shape[1:], frames_per_shard=16)
        writer.append(planes, video="v")
        writer.close({"groups": names})
        digests.append(store_digest(tmp_path / str(number)))
    assert digests[0] != digests[1]


def test_a_class_finds_the_group_of_its_name_else_other() -> None:
    masks = np.ones((3, GRID, GRID), bool)
    planes = score_planes(masks, np.array([0.2, 0.4, 0.6]), ["hand", "dog", "person"], ("other", "hand"))
    assert planes[:, 0, 0].tolist() == [153, 51]


@pytest.mark.parametrize(("groups", "columns"), [(["hand"], (0, 32)), (["cup"], (96, 128)), (["person"], (0, 0))])
def test_clips_have_the_chosen_groups(
    tmp_path: Path, table: pd.DataFrame, synthetic: Dataset, groups: list[str], columns: tuple[int, int]
) -> None:
    params = synthetic.model_copy(update={"mask": synthetic.mask.model_copy(update={"groups": groups})})
    clips = open_split("train", params, tmp_path / "frames", tmp_path / "masks", seed=0)
    assert isinstance(clips, ClipDataset)
    expected = np.zeros((GRID, GRID), bool)
    expected[:, slice(*columns)] = True
    assert (clips[0]["masks"].numpy() == expected).all()


def test_explanations_choose_among_them(tmp_path: Path, table: pd.DataFrame, synthetic: Dataset) -> None:
    reader = StoreReader(tmp_path / "masks")
    known = KnownMasks(reader, "a", synthetic.mask.model_copy(update={"groups": ["cup"]}))
    known.check(6)
    assert known.read(np.array([5]))[0, 0, [0, 127]].tolist() == [False, True]
    with pytest.raises(ValueError, match=r"^masks: expected groups of those stored, hand, person, cup, got other$"):
        KnownMasks(reader, "a", synthetic.mask.model_copy(update={"groups": ["other"]})).check(6)


def test_controls_masks_fit_into_any_number_of_planes() -> None:
    from objabn.training.given_masks import MotionPlanes

    class Still:
        def read_all(self, video: str) -> np.ndarray:
            return np.zeros((4, 8, 8, 3), np.uint8)

    planes = MotionPlanes(Still(), 25.0, 0.002, groups=3).read("v", np.arange(2))
    assert planes.shape == (2, 3, GRID, GRID)
    assert not union_mask(planes, 0.5, ["cup"], NAMES).any()


def test_quality_tells_each_groups_share(tmp_path: Path, table: pd.DataFrame) -> None:
    """The truth calls hand and cup other; nobody finds its person."""
    (tmp_path / "truth").mkdir()
    writer = StoreWriter(tmp_path / "truth", (2, GRID, GRID), frames_per_shard=16)
    for video, length in zip(table["video"], table["frames"], strict=True):
        planes = np.zeros((length, 2, GRID, GRID), np.uint8)
        planes[:, 1, :, :32] = 255
        writer.append(planes, video=video)
    writer.close()
    truth = open_truth(truth_of(tmp_path / "truth", ["other"]), table, 1)
    per_video = video_quality(table, tmp_path / "masks", truth)
    row = per_video.iloc[0]
    assert list(per_video)[4:8] == ["instances_per_frame", "empty_share", "hand_share", "person_share"]
    assert row[["hand_share", "person_share", "cup_share", "empty_share"]].tolist() == [1.0, 0.0, 1.0, 0.0]
    assert row["iou_truth"] == 0.5  # a quarter of the frame of the two found
    report = summarise(per_video)
    assert (report["hand_share"], report["cup_share"], report["iou_truth"]) == (1.0, 1.0, 0.5)
    draw_masks(per_video, StoreReader(tmp_path / "frames"), tmp_path / "masks", truth, tmp_path / "masks.png")
    assert (tmp_path / "masks.png").stat().st_size > 1000


def test_colours_of_groups() -> None:
    assert group_colours(GROUPS) == COLOURS
    colours = group_colours(["hand", "person", "cup", "a", "b", "c"])
    assert colours["person"] == COLOURS["person"]
    assert len(set(colours.values())) == 6
    planes = np.zeros((3, GRID, GRID), np.uint8)
    planes[0] = 255
    boxes = pd.DataFrame({"class": [], "x0": [], "y0": [], "x1": [], "y1": []})
    image = overlay(np.full((90, 120, 3), 100, np.uint8), planes, boxes, None, groups=NAMES)
    assert image[90, 120].tolist() == [int(0.55 * 90 + 0.45 * each) for each in colours["hand"]]


def test_prompts_name_the_groups_that_masks_may_have() -> None:
    params = given(SAM3, "datasets.folder.mask.groups=[hand, cup]").datasets["folder"]
    assert params.plane_names == NAMES
    assert load_params(Path(__file__).parents[2] / "params.yaml").datasets["synthetic"].plane_names == GROUPS
    key = "params.yaml: datasets.folder"
    for overrides, line in (
        ([SAM3], f"{key}.mask.groups.1: expected 'hand' or 'person' or 'cup', got 'other'"),
        (["datasets.folder.mask.groups=[hand]"], f"{key}.mask.groups.0: expected 'person' or 'other', got 'hand'"),
        ([SAM3.replace("cup: [cup]", "cup: []")], f"{key}.segment.prompts.cup: expected at least one text, got []"),
        (
            [SAM3.replace("cup: [cup]", "empty: [a]")],
            f"{key}.segment.prompts.empty: expected a name of a-z, 0-9 and _, starting with a letter, other than "
            "empty, got 'empty'",
        ),
        (
            [SAM3.replace("cup: [cup]", "a: [a], b: [b], c: [c], d: [d], e: [e]")],
            f"{key}.segment.prompts: expected at most 6 groups, got 7",
        ),
        (
            [SAM3, "datasets.folder.mask.groups=[hand]", "datasets.folder.mask.score_threshold=0.01"],
            f"{key}.mask.score_threshold: expected at least segment.score_floor (0.05), got 0.01",
        ),
    ):
        with pytest.raises(ParamsError) as fault:
            given(*overrides)
        assert str(fault.value) == line


def test_classes_of_imported_masks_may_be_groups() -> None:
    params = given(IMPORT.format("coco", "person", "hand, cup"), "datasets.folder.mask.groups=[cup]").datasets["folder"]
    assert params.plane_names == ("hand", "cup")
    key, hand = "params.yaml: datasets.folder", "datasets.folder.mask.groups=[hand]"
    for overrides, line in (
        (
            [IMPORT.format("coco", "person", "hand, cup")],
            f"{key}.mask.groups.0: expected 'hand' or 'cup', got 'person'",
        ),
        (
            [IMPORT.format("coco", "person", "hand, hand"), hand],
            f"{key}.segment.groups: expected at least one name, and each once, ",
        ),
        (
            [IMPORT.format("coco", "person", "Hand"), hand],
            f"{key}.segment.groups.Hand: expected a name of a-z, 0-9 and _, starting with a letter, other than empty, "
            "got 'Hand'",
        ),
        (
            [IMPORT.format("png", "person", "hand, cup"), hand],
            f"{key}.segment.class_name: expected one of segment.groups (hand, cup), got 'person'",
        ),
        (
            [IMPORT.format("npz", "cup", "hand, cup"), hand],
            f"{key}.mask.groups: expected cup in it (segment.class_name is 'cup'), got ['hand']",
        ),
    ):
        with pytest.raises(ParamsError) as fault:
            given(*overrides)
        assert str(fault.value).startswith(line)
