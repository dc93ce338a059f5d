"""Checkpoints of transformers with random weights: what becomes of their outputs, by architecture."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from objabn.segmentation.segmenters import choice
from objabn.segmentation.segmenters.instances import Instances, Segmenter
from objabn.stores.masks import GRID
from tests.helpers import tiny_hub

pytest.importorskip("transformers")
KINDS = ("rf_detr", "mask2former", "maskformer", "eomt", "eomt_dinov3")
FLOOR = 0.05


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hub")
    return {kind: tiny_hub.save(kind, folder / kind) for kind in KINDS}


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Wider than high, so that what pads, pads."""
    frames = np.random.default_rng(0).integers(0, 256, (4, 48, 72, 3), dtype=np.uint8)
    frames[:, 10:30, 20:50] = 220
    return frames


def made(folder: Path, batch_size: int = 4, **settings: Any) -> Segmenter:
    return choice.build(
        "transformers", weights=str(folder), batch_size=batch_size, score_floor=FLOOR, device="cpu", **settings
    )


@pytest.mark.parametrize("kind", KINDS)
def test_instances_of_an_architecture(checkpoints: dict[str, Path], frames: np.ndarray, kind: str) -> None:
    found = made(checkpoints[kind])(frames, "")
    assert len(found) == len(frames)
    assert sum(len(each.scores) for each in found) >= 4
    for each in found:
        n = len(each.scores)
        assert each.masks is not None
        assert (each.masks.shape, each.masks.dtype) == ((n, GRID, GRID), bool)
        assert (each.scores.dtype, each.boxes.dtype, each.boxes.shape) == (np.float32, np.float32, (n, 4))
        assert (np.diff(each.scores) <= 0).all()
        assert ((each.scores > FLOOR) & (each.scores <= 1)).all()
        assert set(each.classes.tolist()) <= {"chair", "person", "dog", "cup"}  # in lower case
        assert ((each.boxes >= 0) & (each.boxes <= 1)).all()
        assert (each.boxes[:, 2:] >= each.boxes[:, :2]).all()
        if kind == "rf_detr":
            continue
        for mask, box in zip(each.masks, each.boxes, strict=True):  # drawn around the mask
            if mask.any():
                rows, columns = np.nonzero(mask)
                tight = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / GRID
                assert np.abs(box - tight).max() <= 1 / GRID
    assert len({tuple(each.scores.tolist()) for each in found}) > 1  # frames differ, and so does what is found
    one_by_one = made(checkpoints[kind], batch_size=1)(frames, "")
    again = made(checkpoints[kind])(frames, "")
    for one, two, three in zip(found, one_by_one, again, strict=True):
        assert_alike(one, two)
        np.testing.assert_array_equal(one.scores, three.scores)
        np.testing.assert_array_equal(one.masks, three.masks)


def assert_alike(one: Instances, two: Instances) -> None:
    """The same but for last bits, which the size of a batch may change."""
    assert len(one.scores) == len(two.scores)
    np.testing.assert_allclose(one.scores, two.scores, atol=1e-4)
    assert one.masks is not None
    assert two.masks is not None
    assert (one.masks.max(axis=0, initial=False) != two.masks.max(axis=0, initial=False)).mean() < 1e-3


def test_scores_and_masks_are_the_librarys_own(checkpoints: dict[str, Path], frames: np.ndarray) -> None:
    """RF-DETR's post-processing at the grid's size: the same instances; masks but for cells at edges."""
    from transformers import AutoImageProcessor, AutoModelForInstanceSegmentation

    folder = str(checkpoints["rf_detr"])
    processor = AutoImageProcessor.from_pretrained(folder)
    network = AutoModelForInstanceSegmentation.from_pretrained(folder).eval()
    with torch.inference_mode():
        outputs = network(**processor(images=list(frames[:1]), return_tensors="pt"))
    settings = {"threshold": FLOOR, "target_sizes": [(GRID, GRID)], "return_binary_maps": True}
    (theirs,) = processor.post_process_instance_segmentation(outputs, **settings)
    (ours,) = made(checkpoints["rf_detr"])(frames[:1], "")
    scores = [segment["score"] for segment in theirs["segments_info"]]
    names = [tiny_hub.LABELS[segment["label_id"]].lower() for segment in theirs["segments_info"]]
    assert len(scores) >= 4
    np.testing.assert_allclose(ours.scores, scores, atol=1e-5)
    assert ours.classes.tolist() == names
    assert ours.masks is not None
    assert (ours.masks != theirs["segmentation"].numpy()).mean() < 0.01


@pytest.mark.parametrize("kind", ["mask2former", "maskformer", "eomt", "eomt_dinov3"])
def test_scores_of_the_others_are_the_librarys_but_for_the_grid(
    checkpoints: dict[str, Path], frames: np.ndarray, kind: str
) -> None:
    """Their post-processing at the frame's size. Both multiply a class's score by how sure the mask is of its area."""
    import transformers

    from objabn.segmentation.segmenters.transformers import ARCHITECTURES

    folder = str(checkpoints[kind])
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    network = getattr(transformers, ARCHITECTURES[kind].automodel).from_pretrained(folder).eval()
    with torch.inference_mode():
        outputs = network(**processor(images=list(frames[:1]), return_tensors="pt"))
    settings: dict[str, Any] = {"threshold": FLOOR, "target_sizes": [frames.shape[1:3]]}
    if not kind.startswith("eomt"):
        settings["return_binary_maps"] = True
    (theirs,) = processor.post_process_instance_segmentation(outputs, **settings)
    (ours,) = made(checkpoints[kind])(frames[:1], "")
    scores = sorted((segment["score"] for segment in theirs["segments_info"]), reverse=True)
    assert len(scores) >= 3
    np.testing.assert_allclose(ours.scores[: len(scores)], scores, atol=0.02)


def test_a_short_edge_where_the_processor_takes_one(checkpoints: dict[str, Path], frames: np.ndarray) -> None:
    """One size for all frames, as a processor may set it, is not Mask2Former's own."""
    folder, found = checkpoints["mask2former"], []
    for size in ({"shortest_edge": 64, "longest_edge": 160}, {"height": 64, "width": 64}):
        tiny_hub.change_config(folder, "preprocessor_config.json", size=size)
        found += [made(folder, short_edge=edge)(frames[:1], "")[0].scores.tolist() for edge in (None, 96)]
    assert found[0] != found[2]  # 64 x 96 pixels, 64 x 64
    assert found[1] == found[3] != found[0]  # 96 x 144
    for kind, size in (("rf_detr", "height 64, width 64"), ("eomt", "longest_edge 64, shortest_edge 64")):
        with pytest.raises(ValueError, match="short_edge") as fault:
            made(checkpoints[kind], short_edge=96)
        expected = f"expected null, since {kind} has a size of its own ({size})"
        assert str(fault.value) == f"segment.short_edge: {expected}, got 96"


def test_numbers_without_a_class_are_no_instances(tmp_path: Path, frames: np.ndarray) -> None:
    folder = tiny_hub.save("rf_detr", tmp_path / "rf_detr")
    all_of_them = {name for each in made(folder)(frames, "") for name in each.classes}
    tiny_hub.change_config(folder, id2label={"0": "N/A", "1": "person", "2": "dog", "3": "cup"})
    assert (
        {name for each in made(folder)(frames, "") for name in each.classes} == all_of_them - {"chair"} != all_of_them
    )


def test_names_of_cocos_classes(tmp_path: Path, frames: np.ndarray) -> None:
    """A checkpoint without names, of as many classes as COCO has numbers: 1 is a person, 0 and the gaps are nothing."""
    from objabn.segmentation.segmenters.transformers import coco_names, label_names

    eighty, all_numbers = coco_names()
    assert (len(eighty), eighty[0], eighty[79]) == (80, "person", "toothbrush")
    assert (len(all_numbers), all_numbers[1], all_numbers[90], all_numbers[12]) == (91, "person", "toothbrush", "N/A")
    folder = tiny_hub.save("eomt", tmp_path / "eomt")
    unnamed = {str(number): f"LABEL_{number}" for number in range(80)}
    tiny_hub.change_config(folder, id2label=unnamed)
    assert label_names(folder, "coco") == eighty
    with pytest.raises(ValueError, match=r"got label_0, label_1, label_2; if it was trained on COCO, set segment"):
        label_names(folder)
    tiny_hub.change_config(folder, id2label=dict(list(unnamed.items())[:4]))
    with pytest.raises(ValueError, match=r"expected 80 or 91 classes \(segment.class_names is coco\), got 4"):
        made(folder, class_names="coco")


def test_bf16_parts_hand_over_float32(checkpoints: dict[str, Path], frames: np.ndarray) -> None:
    """As on a GPU, on the CPU."""
    from objabn.segmentation.segmenters import transformers as ours

    for kind, architecture in ours.ARCHITECTURES.items():
        network = ours._network(checkpoints[kind], architecture)
        processor = ours._processor(checkpoints[kind], None, architecture)
        inputs = ours._inputs(processor, frames[:1], torch.device("cpu"))
        with torch.inference_mode():
            exact = network(**inputs)
            ours.run_in_bf16(architecture.features(network), "cpu")
            rough = network(**inputs)
        for name in ("pred_masks", "masks_queries_logits"):
            if name in exact:
                assert rough[name].dtype is torch.float32
                assert not torch.equal(rough[name], exact[name]), kind


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    folder = tiny_hub.save("eomt", tmp_path / "eomt")
    tiny_hub.change_config(folder, num_hidden_layers=4)
    with pytest.raises(ValueError, match=r"model.safetensors: does not fit config.json: \d+ missing keys \(first: "):
        made(folder)
    tiny_hub.change_config(folder, model_type="oneformer")
    with pytest.raises(ValueError, match="model_type") as fault:
        made(folder)
    expected = "expected one of rf_detr, maskformer, mask2former, eomt, eomt_dinov3"
    assert str(fault.value) == f"{folder}/config.json: model_type, {expected}, got 'oneformer'"
    tiny_hub.change_config(folder, model_type="eomt", num_hidden_layers=3, id2label={"0": "LABEL_0", "1": "LABEL_1"})
    with pytest.raises(ValueError, match="id2label, expected the names of the classes, got label_0, label_1; if"):
        made(folder)
    tiny_hub.change_config(folder, id2label={str(number): name for number, name in tiny_hub.LABELS.items()})
    tiny_hub.change_config(folder, "preprocessor_config.json", do_split_image=True)
    with pytest.raises(ValueError, match=r"do_split_image, expected a checkpoint that sees whole frames"):
        made(folder)
