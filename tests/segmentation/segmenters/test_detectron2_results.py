"""The detectron2 backend's instances against those of detectron2 itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from objabn.segmentation.segmenters import detectron2 as backend
from objabn.segmentation.segmenters.instances import Instances
from objabn.stores.masks import GRID, quantise, score_planes, union_mask
from tests.helpers.instances import check_contract, iou
from tests.helpers.random_rcnn import TINY, build, frames_of, reference, save_pkl


@pytest.mark.parametrize(
    ("height", "width", "size", "share"),  # share of values that are a level off
    [
        (64, 96, (64, 96), 0),
        (120, 160, (192, 256), 0),
        (240, 320, (80, 107), 0.001),
        (240, 428, (150, 268), 0.01),
        (48, 64, (64, 85), 0.02),
        (240, 320, (800, 1067), 0.05),
    ],
)
def test_resized_frames_are_pillows(height: int, width: int, size: tuple[int, int], share: float) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    ours = backend.resize(frames, size, torch.device("cpu")).permute(0, 2, 3, 1).numpy()
    theirs = np.stack([Image.fromarray(frame).resize(size[::-1], Image.Resampling.BILINEAR) for frame in frames])
    difference = np.abs(ours - theirs.astype(np.float32))
    assert difference.max() <= 2
    assert (difference > 0).mean() <= share


@pytest.mark.detectron2
def test_equals_its_own_inference_and_paste(rcnn_weights: Path) -> None:
    from detectron2.data import MetadataCatalog

    size = 3 * GRID  # odd, so that no cell is covered by half
    frames = frames_of(2, size, size)
    settings = {**TINY, "short_edge": size}
    found = build(rcnn_weights, **settings)(frames)
    network, config = reference(rcnn_weights, **settings)
    names = MetadataCatalog.get(config.DATASETS.TEST[0]).thing_classes
    ious = []
    for frame, ours in zip(frames, found, strict=True):
        check_contract(ours)
        image = torch.from_numpy(frame[..., ::-1].copy()).permute(2, 0, 1)
        with torch.inference_mode():
            theirs = network.inference([{"image": image, "height": size, "width": size}])[0]["instances"]
        assert len(ours.scores) == len(theirs) > 10
        assert ours.scores == pytest.approx(theirs.scores.numpy(), abs=1e-5)
        assert list(ours.classes) == [names[index] for index in theirs.pred_classes]
        assert ours.boxes * size == pytest.approx(theirs.pred_boxes.tensor.numpy(), abs=0.01)
        coarse = F.avg_pool2d(theirs.pred_masks.float()[:, None], 3)[:, 0].numpy() >= 0.5
        ious += [iou(a, b) for a, b in zip(ours.masks, coarse, strict=True) if b.sum() >= 30]
    assert len(ious) > 10
    assert np.mean(ious) >= 0.98
    assert np.quantile(ious, 0.05) >= 0.9


@pytest.mark.detectron2
def test_equals_the_default_predictor(rcnn_weights: Path) -> None:
    from detectron2.engine import DefaultPredictor

    frames = frames_of(2, 120, 160)
    settings = {**TINY, "short_edge": 192}  # a ratio without halves: what the network gets is the same to the bit
    _, config = reference(rcnn_weights, **settings)
    predictor = DefaultPredictor(config)
    for frame, ours in zip(frames, build(rcnn_weights, **settings)(frames), strict=True):
        theirs = predictor(frame[..., ::-1])["instances"]
        assert len(ours.scores) == len(theirs) > 10
        assert ours.scores == pytest.approx(theirs.scores.numpy(), abs=1e-5)
        assert list(ours.classes) == [predictor.metadata.thing_classes[index] for index in theirs.pred_classes]
        assert ours.boxes * [160, 120, 160, 120] == pytest.approx(theirs.pred_boxes.tensor.numpy(), abs=0.01)


def share_found(a: Instances, b: Instances) -> float:
    """Share of the instances of `a` that `b` has as well."""
    same = (
        (a.classes[:, None] == b.classes)
        & (np.abs(a.scores[:, None] - b.scores) < 1e-3)
        & (np.abs(a.boxes[:, None] - b.boxes).max(axis=-1) < 1e-3)
        & ((a.masks[:, None] != b.masks).mean(axis=(-2, -1)) < 1e-3)
    )
    return same.any(axis=1).mean()


@pytest.mark.detectron2
def test_batched_equals_single(rcnn_weights: Path) -> None:
    frames = frames_of(3, 48, 64)
    batched, single = (build(rcnn_weights, batch_size=size)(frames) for size in (2, 1))
    assert len(batched) == len(single) == 3
    for a, b in zip(batched, single, strict=True):
        check_contract(a)
        assert len(a.scores) > 10
        # Not in order: random weights give scores so close that the last bit of a sum ranks them.
        assert min(share_found(a, b), share_found(b, a)) >= 0.95


@pytest.mark.detectron2
def test_nothing_above_a_floor_of_one_and_no_frames(rcnn_weights: Path) -> None:
    found = build(rcnn_weights, score_floor=1.0)(frames_of(2, 48, 64))
    assert [len(one.scores) for one in found] == [0, 0]
    check_contract(found[0])
    assert build(rcnn_weights)(frames_of(1, 48, 64)[:0]) == []


@pytest.mark.detectron2
def test_boxes_that_left_the_frame_are_no_instances(rcnn_state: dict, tmp_path: Path) -> None:
    away = dict(rcnn_state)
    key = "roi_heads.box_predictor.bbox_pred.bias"
    away[key] = rcnn_state[key].clone()
    away[key][::4] += 1000  # a hundred widths to the right; clipped to the frame they are lines
    found = build(save_pkl(away, tmp_path / "w.pkl"))(frames_of(1, 48, 64))[0]
    (tmp_path / "w.pkl").unlink()
    check_contract(found)
    assert len(found.scores) == 0


@pytest.mark.detectron2
def test_at_most_so_many_instances_the_best(rcnn_weights: Path) -> None:
    frames = frames_of(1, 48, 64)
    many, few = (build(rcnn_weights, max_instances=number)(frames)[0] for number in (100, 4))
    assert len(many.scores) > 4
    assert list(few.scores) == pytest.approx(list(many.scores[:4]))


@pytest.mark.detectron2
def test_the_first_class_is_person(rcnn_state: dict, tmp_path: Path) -> None:
    persons = dict(rcnn_state)
    key = "roi_heads.box_predictor.cls_score.bias"
    persons[key] = rcnn_state[key].clone()
    persons[key][0] += 100
    found = build(save_pkl(persons, tmp_path / "w.pkl"))(frames_of(1, 48, 64))[0]
    (tmp_path / "w.pkl").unlink()
    assert set(found.classes) == {"person"}
    planes = score_planes(found.masks, found.scores, list(found.classes))
    assert planes[0].any()
    assert not planes[1].any()


@pytest.mark.detectron2
def test_the_channels_are_in_the_networks_order(rcnn_state: dict, tmp_path: Path) -> None:
    """A network whose first layer looks at its third channel only: of BGR, that is red."""
    red = dict(rcnn_state)
    key = "backbone.bottom_up.stem.conv1.weight"
    red[key] = rcnn_state[key].clone()
    red[key][:, :2] = 0
    segment = build(save_pkl(red, tmp_path / "w.pkl"), score_floor=0.01)
    (tmp_path / "w.pkl").unlink()
    frames = frames_of(1, 64, 96)
    plain = segment(frames)[0]
    assert len(plain.scores) > 0
    for channel, same in ((0, False), (1, True), (2, True)):  # of RGB
        changed = frames.copy()
        changed[..., channel] = 255 - changed[..., channel]
        assert np.array_equal(segment(changed)[0].boxes, plain.boxes) == same


@pytest.mark.detectron2
@pytest.mark.parametrize("threshold", [0.05, 0.1, 0.25, 0.5, 0.9])
def test_a_higher_threshold_in_training_is_a_filter_of_instances(rcnn_weights: Path, threshold: float) -> None:
    found = build(rcnn_weights)(frames_of(1, 64, 96))[0]
    planes = score_planes(found.masks, found.scores, list(found.classes))
    kept = quantise(found.scores) >= np.ceil(threshold * 255)
    union = np.any(found.masks[kept], axis=0) if kept.any() else np.zeros((GRID, GRID), bool)
    assert np.array_equal(union_mask(planes, threshold), union)
    above = build(rcnn_weights, score_floor=threshold)(frames_of(1, 64, 96))[0]
    assert list(above.scores) == pytest.approx(list(found.scores[found.scores > threshold]))


@pytest.mark.detectron2
@torch.inference_mode()
def test_bf16_arithmetic_leaves_coordinates_in_float32(rcnn_weights: Path) -> None:
    network, _ = reference(rcnn_weights, **TINY)
    backend.run_in_bf16(network, "cpu")
    heads = network.roi_heads
    features = network.backbone(torch.randn(1, 3, 64, 96))
    objectness, deltas = network.proposal_generator.rpn_head(list(features.values()))
    scores, regression = heads.box_predictor(heads.box_head(torch.randn(3, 256, 7, 7)))
    masks = heads.mask_head.layers(torch.randn(3, 256, 14, 14))
    for output in (*features.values(), *objectness, *deltas, scores, regression, masks):
        assert output.dtype == torch.float32
        assert torch.equal(output, output.bfloat16().float())  # the arithmetic before was bf16
    found = network.inference([{"image": torch.randn(3, 64, 96)}], do_postprocess=False)[0]
    for output in (found.pred_boxes.tensor, found.scores, found.pred_masks):
        assert output.dtype == torch.float32
    assert not torch.equal(found.pred_boxes.tensor, found.pred_boxes.tensor.bfloat16().float())
