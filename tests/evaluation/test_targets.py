"""Which frames have an object, and how large it is: by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor

from objabn.config.schema import Dataset
from objabn.evaluation.targets import target_measures, targets

nan = np.nan
MASKS = ("masks_pointing", "masks_energy", "masks_iou")
HALF, CELL, THIN, NONE = "half", "cell", "thin", "none"


def plane(kind: str) -> Tensor:
    """A mask uint8 (128, 128): the left half, one of 4 x 4 cells, a tenth of that cell's width, or nothing."""
    mask = torch.zeros(128, 128, dtype=torch.uint8)
    if kind == HALF:
        mask[:, :64] = 1
    elif kind != NONE:
        mask[32:64, 32 : 64 if kind == CELL else 35] = 1
    return mask


def batch(**kinds: list[str]) -> dict[str, Tensor]:
    """One clip whose crop is the whole frame, with masks of each kind by frame."""
    made = {name: torch.stack([plane(kind) for kind in frames])[None] for name, frames in kinds.items()}
    num_frames = len(next(iter(kinds.values()))) if kinds else 2
    frames = torch.zeros(1, num_frames, 8, 8, 3, dtype=torch.uint8)
    return {**made, "frames": frames, "box": torch.tensor([[0.0, 0, 1, 1]]), "flip": torch.tensor([False])}


def known(*frames: int) -> dict[str, Tensor]:
    return {"truth_known": torch.tensor([frames], dtype=torch.bool)}


@pytest.mark.parametrize(
    ("given", "objects", "empty", "expected"),
    [
        (  # the truth alone decides where it covers all frames
            batch(masks=[NONE, HALF, HALF], truth=[CELL, NONE, HALF]), [1, 0, 1], [0, 1, 0],
            {"empty_share": 1 / 3, "object_area": 1 / 2, "truth_area": (1 / 16 + 1 / 2) / 2,
             "truth_share": 1, **dict.fromkeys(MASKS, 1 / 2),
             "masks_missed": 1 / 2},  # missed in one frame, right in another
        ),
        (  # the segmenter's masks where no frame is annotated
            batch(masks=[HALF, NONE, CELL], truth=[NONE] * 3) | known(0, 0, 0), [1, 0, 1], [0, 1, 0],
            {"empty_share": 1 / 3, "object_area": (1 / 16 + 1 / 2) / 2, "truth_area": nan, "truth_share": 0,
             **dict.fromkeys(MASKS, nan), "masks_missed": nan},
        ),
        (  # each where it tells
            batch(masks=[NONE, HALF, NONE], truth=[CELL, NONE, NONE]) | known(1, 0, 1), [1, 1, 0], [0, 0, 1],
            {"empty_share": 1 / 3, "object_area": 1 / 2, "truth_area": 1 / 16, "truth_share": 2 / 3,
             **dict.fromkeys(MASKS, 0), "masks_missed": 1},
        ),
        (  # an object that is thinner than half a cell: its frame is not empty, but it covers no cell
            batch(masks=[CELL, THIN], truth=[THIN, CELL]), [1, 1], [0, 0],
            {"empty_share": 0, "object_area": 1 / 16, "truth_area": 1 / 16, "truth_share": 1,
             **dict.fromkeys(MASKS, 0), "masks_missed": 1},  # the one frame whose truth fills a cell
        ),
        (  # the segmenter's mask is of the frames that it covers, with an object or without
            batch(masks=[HALF, CELL], truth=[NONE, NONE]), [0, 0], [1, 1],
            {"empty_share": 1, "object_area": (1 / 2 + 1 / 16) / 2, "truth_area": nan, "truth_share": 1,
             **dict.fromkeys(MASKS, nan), "masks_missed": nan},
        ),
        (batch(masks=[NONE, NONE]), [0, 0], [1, 1], {"empty_share": 1, "object_area": nan}),
        (  # nothing tells of the second frame
            batch(truth=[HALF, NONE]) | known(1, 0), [1, 0], [0, 0],
            {"empty_share": 0, "object_area": nan, "truth_area": 1 / 2, "truth_share": 1 / 2},
        ),
        (batch(), [0, 0], [0, 0], {"empty_share": nan, "object_area": nan}),
    ],
)  # fmt: skip
def test_frames_with_an_object_by_hand(synthetic: Dataset, given, objects, empty, expected) -> None:
    found = targets(given, synthetic, 4)
    assert found.objects.astype(int).tolist() == [objects]
    assert found.empty.astype(int).tolist() == [empty]
    measures = target_measures(found)
    assert measures.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(measures[name], [value], err_msg=name)


@pytest.mark.parametrize(("resize", "taught"), [("nearest", 0), ("area", 0), ("max", 1 / 16)])
def test_both_kinds_of_masks_are_taught_as_in_training(synthetic: Dataset, resize: str, taught: float) -> None:
    """A figure that is thinner than half a cell: what a map is compared with is by half, what it was taught is not."""
    params = synthetic.model_copy(update={"mask": synthetic.mask.model_copy(update={"resize": resize})})
    found = targets(batch(masks=[THIN], truth=[THIN]), params, 4)
    assert found.taught.keys() == {"masks", "truth"}
    for mask in (found.masks["masks"], *found.taught.values()):
        assert (float(mask.mean()), float(mask[0, 0, 1, 1])) == (taught, 16 * taught)
    assert float(found.masks["truth"].mean()) == 0


def test_an_object_out_of_the_crop_is_none(synthetic: Dataset) -> None:
    right = batch(masks=[HALF, HALF]) | {"box": torch.tensor([[0.5, 0, 1, 1]])}
    assert targets(right, synthetic, 4).empty.all()


def test_a_clip_is_annotated_when_all_its_frames_are(synthetic: Dataset) -> None:
    given = batch(truth=[HALF, NONE])
    assert targets(given, synthetic, 4).whole().tolist() == [True]
    assert targets(given | known(1, 0), synthetic, 4).whole().tolist() == [False]
    assert targets(batch(masks=[HALF]), synthetic, 4).whole().tolist() == [False]


def test_what_the_segmenters_masks_score(synthetic: Dataset) -> None:
    """The left half of 4 x 4 cells, the true cell in it: four cells are its innermost ones, and one is true."""
    measures = target_measures(targets(batch(masks=[HALF], truth=[CELL]), synthetic, 4))
    assert [measures[name].tolist() for name in MASKS] == [[1 / 4], [1 / 8], [1 / 8]]
