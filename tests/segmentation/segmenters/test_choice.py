import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.models import detection
from torchvision.models.detection.image_list import ImageList

from objabn.segmentation.segmenters import choice, paste
from objabn.segmentation.segmenters import torchvision as backend
from objabn.stores.masks import GRID
from objabn.system.downloads import not_whole
from tests.helpers.instances import check_contract, iou, textured


def moving_blobs(
    tracks: list[tuple[tuple[float, float], tuple[float, float]]],
    num_frames: int = 24,
    height: int = 120,
    width: int = 160,
) -> tuple[np.ndarray, np.ndarray]:
    """Frames (N, H, W, 3) uint8 and truth (N, GRID, GRID) bool of ellipses on straight tracks in (x, y) shares."""
    rng, background = np.random.default_rng(1), textured(height, width)
    cells = (np.arange(GRID) + 0.5) / GRID
    frames, truth = [], []
    for share in np.linspace(0, 1, num_frames):
        frame, union = background.copy(), np.zeros((GRID, GRID), dtype=bool)
        for (x0, y0), (x1, y1) in tracks:
            x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)

            def inside(columns: np.ndarray, rows: np.ndarray, x: float = x, y: float = y) -> np.ndarray:
                return ((columns - x) / 0.08) ** 2 + ((rows[:, None] - y) / 0.18) ** 2 <= 1

            frame[inside((np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height)] = (250, 250, 20)
            union = union | inside(cells, cells)
        frames.append((frame + rng.normal(0, 3, frame.shape)).clip(0, 255).astype(np.uint8))
        truth.append(union)
    return np.stack(frames), np.stack(truth)


# build, version


def test_unknown_backend_lists_the_known_ones() -> None:
    for ask in (choice.build, choice.video_key):
        with pytest.raises(ValueError, match="segmenter backend") as fault:
            ask("sam")
        assert str(fault.value) == (
            "segmenter backend: expected one of motion, torchvision, detectron2, import, transformers, sam3, got 'sam'"
        )


def test_what_masks_depend_on_is_told_without_torch() -> None:
    code = (
        "import sys; from objabn.segmentation.segmenters import choice as s\n"
        "print([s.settings_key(b)['version'] for b in s.BACKENDS], {'torch', 'cv2'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, cwd=Path(__file__).parents[3]
    )
    assert run.stdout == "[1, 1, 1, 2, 1, 1] set()\n", run.stderr


def test_settings_of_other_backends_are_ignored() -> None:
    choice.build("motion", threshold=20.0, min_area=0.01, weights=None, short_edge=800)


# motion


@pytest.mark.parametrize(("height", "width"), [(120, 160), (64, 64), (240, 200)])
def test_motion_finds_a_moving_blob(height: int, width: int) -> None:
    frames, truth = moving_blobs([((0.1, 0.3), (0.9, 0.7))], height=height, width=width)
    found = choice.build("motion")(frames)
    assert len(found) == len(frames)
    for instances, mask in zip(found, truth, strict=True):
        check_contract(instances)
        assert list(instances.classes) == ["moving"]
        assert instances.scores[0] > 0.5
        assert iou(instances.masks[0], mask) >= 0.85


def test_motion_tells_two_blobs_apart_and_boxes_fit_their_masks() -> None:
    frames, truth = moving_blobs([((0.1, 0.25), (0.9, 0.25)), ((0.9, 0.75), (0.1, 0.75))])
    for instances, mask in zip(choice.build("motion")(frames), truth, strict=True):
        check_contract(instances)
        assert len(instances.masks) == 2
        assert not (instances.masks[0] & instances.masks[1]).any()
        assert iou(np.any(instances.masks, axis=0), mask) >= 0.85
        for one, box in zip(instances.masks, instances.boxes, strict=True):
            rows, columns = np.nonzero(one)
            tight = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box == pytest.approx(np.array(tight) / GRID)


def test_motion_finds_nothing_in_a_still_video() -> None:
    rng, background = np.random.default_rng(0), textured(120, 160)
    frames = np.stack([(background + rng.normal(0, 3, background.shape)).clip(0, 255) for _ in range(20)]).astype(
        np.uint8
    )
    for instances in choice.build("motion")(frames):
        check_contract(instances)
        assert len(instances.scores) == 0


@pytest.mark.parametrize("num_frames", [0, 1])
def test_motion_needs_more_than_a_frame(num_frames: int) -> None:
    frames, _ = moving_blobs([((0.1, 0.3), (0.9, 0.7))])
    found = choice.build("motion")(frames[:num_frames])
    assert [len(instances.scores) for instances in found] == [0] * num_frames


def test_motion_drops_what_is_smaller_than_min_area() -> None:
    frames, _ = moving_blobs([((0.1, 0.3), (0.9, 0.7))])  # an ellipse of pi * 0.08 * 0.18 = 0.045 of the frame
    assert all(len(one.scores) == 1 for one in choice.build("motion", min_area=0.03)(frames))
    assert all(len(one.scores) == 0 for one in choice.build("motion", min_area=0.06)(frames))


def test_motion_sees_a_background_that_is_hidden_most_of_the_time() -> None:
    # Flickering stuff covers the middle in 60 % of the frames; a median background would take it for the backdrop.
    rng, frames = np.random.default_rng(0), np.repeat(textured(128, 128)[None], 20, axis=0)
    frames[:12, 40:80, 40:80] = rng.uniform(0, 255, (12, 1, 1, 3))
    found = choice.build("motion")(frames.astype(np.uint8))
    assert [len(one.scores) for one in found[12:]] == [0] * 8
    assert sum(len(one.scores) for one in found[:12]) >= 10


def test_motion_scores_grow_with_contrast_and_repeat_exactly() -> None:
    frames, _ = moving_blobs([((0.1, 0.3), (0.9, 0.7))])
    first, again = (choice.build("motion")(frames) for _ in range(2))
    assert all(np.array_equal(a, b) for x, y in zip(first, again, strict=True) for a, b in zip(x, y, strict=True))
    faint = textured(120, 160)[None] + 0.3 * (frames - textured(120, 160)[None])
    weaker = choice.build("motion")(faint.clip(0, 255).astype(np.uint8))
    assert all(a.scores[0] > b.scores[0] for a, b in zip(first, weaker, strict=True) if len(b.scores))


# paste_masks


def blob(size: int = 28) -> torch.Tensor:
    """A smooth, lopsided mask that fades out before its box ends: (size, size) in [0, 1]."""
    y, x = np.mgrid[:size, :size] / (size - 1) * 2 - 1
    radius = np.hypot(x, y) * (1 + 0.25 * np.cos(3 * np.arctan2(y, x) + 1))
    return torch.from_numpy(1 / (1 + np.exp(12 * (radius - 0.7)))).float()


def reference(mask: torch.Tensor, box: tuple[int, int, int, int], fine: int = 1024) -> np.ndarray:
    """The mask resampled to a box of whole pixels of a fine canvas, as area shares of the grid's cells >= 1/2."""
    x0, y0, x1, y1 = box
    margin = fine  # room on each side for boxes that leave the canvas
    canvas = np.zeros((fine + 2 * margin, fine + 2 * margin), np.float32)
    patch = F.interpolate(mask[None, None], size=(y1 - y0, x1 - x0), mode="bilinear", align_corners=False)[0, 0]
    canvas[y0 + margin : y1 + margin, x0 + margin : x1 + margin] = patch.numpy() >= 0.5
    canvas = canvas[margin:-margin, margin:-margin]
    cell = fine // GRID
    return canvas.reshape(GRID, cell, GRID, cell).mean(axis=(1, 3)) >= 0.5


@pytest.mark.parametrize(
    ("box", "least"),
    [
        ((3, 5, 1021, 1018), 0.99),
        ((203, 101, 517, 931), 0.985),
        ((333, 410, 471, 515), 0.95),
        ((501, 603, 563, 651), 0.85),  # 8 x 6 cells
        ((-203, 411, 317, 901), 0.98),
        ((700, -150, 1300, 1190), 0.98),
    ],
)
def test_paste_matches_a_fine_rasterisation(box: tuple[int, int, int, int], least: float) -> None:
    pasted = paste.paste_masks(blob()[None], torch.tensor([box]) / 1024, GRID)
    assert pasted.shape == (1, GRID, GRID)
    assert pasted.dtype == torch.float32
    assert iou(pasted[0].numpy() >= 0.5, reference(blob(), box)) >= least


@pytest.mark.parametrize(
    ("cells", "mean", "least"), [((4, 16), 0.96, 0.85), ((16, 64), 0.98, 0.97), ((64, 128), 0.98, 0.98)]
)
def test_paste_of_many_boxes_matches_fine_rasterisations(cells: tuple[int, int], mean: float, least: float) -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(100):
        width, height = rng.integers(cells[0] * 8, cells[1] * 8, 2)
        x, y = rng.integers(0, 1025 - np.array([width, height]))
        mask = blob().rot90(int(rng.integers(4)))
        box = (int(x), int(y), int(x + width), int(y + height))
        pasted = paste.paste_masks(mask[None], torch.tensor([box]) / 1024, GRID)
        found.append(iou(pasted[0].numpy() >= 0.5, reference(mask, box)))
    assert np.mean(found) >= mean
    assert np.min(found) >= least


def test_paste_by_hand() -> None:
    masks = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]] * 2)
    boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 1.0, 1.0]])
    pasted = paste.paste_masks(masks, boxes, size=4)
    # Cell centres 1/8, 3/8, 5/8, 7/8; the mask's at 1/4 and 3/4: weights 3/4, 3/4, 1/4, 0 + fading over the edge.
    column = torch.tensor([0.75, 0.75, 0.25, 0.0])
    torch.testing.assert_close(pasted[0], column[:, None] * column[None])
    expected = torch.zeros(4, 4)
    expected[2, 2] = 1.0
    torch.testing.assert_close(pasted[1], expected)


def test_paste_of_nothing_and_of_an_empty_box() -> None:
    assert paste.paste_masks(torch.zeros(0, 28, 28), torch.zeros(0, 4)).shape == (0, 128, 128)
    point = torch.tensor([[0.5, 0.5, 0.5, 0.5]])
    assert torch.isfinite(paste.paste_masks(torch.ones(1, 28, 28), point)).all()


# torchvision


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A person detector of random weights as torchvision saves it."""
    torch.manual_seed(0)
    network = detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2)
    path = tmp_path_factory.mktemp("weights") / "person.pth"
    torch.save(network.state_dict(), path)
    return path


TINY: dict[str, Any] = {
    "model": "maskrcnn_resnet50_fpn",
    "short_edge": 64,
    "score_floor": 0.0,
    "proposals": 20,
    "device": "cpu",
}


def tiny_frames(num_frames: int = 3) -> np.ndarray:
    return np.stack([textured(48, 64, seed) for seed in range(num_frames)]).astype(np.uint8)


def test_torchvision_keeps_the_contract_batched_or_not(checkpoint: Path) -> None:
    frames = tiny_frames()
    batched = choice.build("torchvision", weights=str(checkpoint), batch_size=2, **TINY)(frames)
    single = choice.build("torchvision", weights=str(checkpoint), batch_size=1, **TINY)(frames)
    assert len(batched) == len(single) == 3
    for a, b in zip(batched, single, strict=True):
        check_contract(a)
        assert len(a.scores) > 0
        assert set(a.classes) == {"person"}
        assert a.scores == pytest.approx(b.scores, abs=1e-5)
        assert a.boxes == pytest.approx(b.boxes, abs=1e-4)
        assert (a.masks != b.masks).mean() < 1e-3


def test_torchvision_agrees_with_torchvisions_own_paste(checkpoint: Path) -> None:
    frame = textured(256, 256, 5).astype(np.uint8)
    found = choice.build("torchvision", weights=str(checkpoint), **TINY | {"max_instances": 5})(frame[None])[0]
    network = detection.maskrcnn_resnet50_fpn(
        weights=None,
        weights_backbone=None,
        num_classes=2,
        min_size=64,
        rpn_post_nms_top_n_test=20,
        box_score_thresh=0.0,
        box_detections_per_img=5,
    )
    network.load_state_dict(torch.load(checkpoint, weights_only=True))
    with torch.inference_mode():
        theirs = network.eval()([torch.from_numpy(frame).permute(2, 0, 1) / 255])[0]
    assert found.scores == pytest.approx(theirs["scores"].numpy(), abs=1e-5)
    assert found.boxes * 256 == pytest.approx(theirs["boxes"].numpy(), abs=0.05)
    coarse = F.avg_pool2d(theirs["masks"], 2)[:, 0].numpy() >= 0.5
    shown = [(ours, other) for ours, other in zip(found.masks, coarse, strict=True) if other.any()]
    assert len(shown) > 0
    assert np.mean([iou(*pair) for pair in shown]) >= 0.8


def test_torchvision_finds_nothing_above_a_floor_of_one(checkpoint: Path) -> None:
    found = choice.build("torchvision", weights=str(checkpoint), **TINY | {"score_floor": 1.0})(tiny_frames(2))
    assert [len(one.scores) for one in found] == [0, 0]
    check_contract(found[0])
    assert choice.build("torchvision", weights=str(checkpoint), **TINY)(tiny_frames(1)[:0]) == []


@torch.inference_mode()
def test_bf16_arithmetic_leaves_coordinates_in_float32() -> None:
    # What CUDA runs, on the CPU: the anchors take their type from the features, and bf16 rounds 1001 to 1000.
    network = detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2).eval()
    backend.run_in_bf16(network, "cpu")
    heads, images = network.roi_heads, torch.randn(1, 3, 64, 96)
    features = network.backbone(images)
    objectness, deltas = network.rpn.head(list(features.values()))
    logits, regression = heads.box_predictor(heads.box_head(torch.randn(3, 256, 7, 7)))
    masks = heads.mask_predictor(heads.mask_head(torch.randn(3, 256, 14, 14)))
    for output in (*features.values(), *objectness, *deltas, logits, regression, masks):
        assert output.dtype == torch.float32
        assert torch.equal(output, output.bfloat16().float())  # the arithmetic before was bf16
    anchors = network.rpn.anchor_generator(ImageList(images, [(64, 96)]), list(features.values()))
    assert anchors[0].dtype == torch.float32


def test_torchvisions_coco_file_of_2019_loads(tmp_path: Path) -> None:
    # Its peculiarities: names from before the layers were nested, no version, frozen batch norms (so no batch counts).
    torch.manual_seed(0)
    state = detection.maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict()
    old = {}
    for key, value in state.items():
        if key.endswith("num_batches_tracked"):
            continue
        key = re.sub(r"mask_head\.(\d)\.0", lambda match: f"mask_head.mask_fcn{int(match[1]) + 1}", key)
        key = re.sub(r"rpn\.head\.conv\.0\.0", "rpn.head.conv", key)
        key = re.sub(r"((?:inner|layer)_blocks\.\d)\.0", r"\1", key)
        old[key] = value
    assert len(set(old) - set(state)) == 8 + 2 + 16
    torch.save(old, tmp_path / "coco.pth")
    found = choice.build("torchvision", weights=str(tmp_path / "coco.pth"), **TINY)(tiny_frames(1))
    assert set(found[0].classes) <= set(backend.CATEGORIES[91][1:])
    assert len(found[0].classes) == 100


def test_torchvision_loads_the_second_version(tmp_path: Path) -> None:
    network = detection.maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None, num_classes=2)
    torch.save(network.state_dict(), tmp_path / "v2.pth")
    settings = TINY | {"model": "maskrcnn_resnet50_fpn_v2", "max_instances": 7}
    found = choice.build("torchvision", weights=str(tmp_path / "v2.pth"), **settings)(tiny_frames(1))
    check_contract(found[0])
    assert 0 < len(found[0].scores) <= 7


def resaved(checkpoint: Path, path: Path, drop: str | None = None, **extra: torch.Tensor) -> str:
    state = torch.load(checkpoint, weights_only=True)
    if drop:
        del state[drop]
    state.update(extra)
    torch.save(state, path)
    return str(path)


@pytest.mark.parametrize(
    ("drop", "extra", "message"),
    [
        ("rpn.head.cls_logits.bias", {}, "1 missing keys (first: rpn.head.cls_logits.bias), 0 unexpected keys"),
        (None, {"ema": torch.zeros(1)}, "0 missing keys, 1 unexpected keys (first: ema)"),
        (
            None,
            {"rpn.head.cls_logits.bias": torch.zeros(7)},
            "1 tensors of another shape (first: size mismatch for rpn",
        ),
    ],
)
def test_weights_must_fit(
    checkpoint: Path, tmp_path: Path, drop: str | None, extra: dict[str, torch.Tensor], message: str
) -> None:
    path = resaved(checkpoint, tmp_path / "w.pth", drop, **extra)
    with pytest.raises(ValueError, match="does not fit") as fault:
        choice.build("torchvision", weights=path, **TINY)
    assert str(fault.value).startswith(f"{path}: does not fit maskrcnn_resnet50_fpn: {message}")
    assert "\n" not in str(fault.value)


def test_weights_of_the_other_model_do_not_fit(checkpoint: Path) -> None:
    with pytest.raises(ValueError, match="does not fit maskrcnn_resnet50_fpn_v2: "):
        choice.build("torchvision", weights=str(checkpoint), **TINY | {"model": "maskrcnn_resnet50_fpn_v2"})


def test_weights_file_missing(tmp_path: Path) -> None:
    path = tmp_path / "none.pth"
    with pytest.raises(ValueError, match="no such file") as fault:
        choice.build("torchvision", weights=str(path))
    assert str(fault.value) == (
        f"{path}: no such file; expected a state_dict of torchvision's maskrcnn_resnet50_fpn_v2 (.pth), "
        "such as the file of its MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1"
    )


URL = backend.WEIGHTS["maskrcnn_resnet50_fpn_v2"].url


def test_weights_of_the_zoo_come_by_torchvisions_cache(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    name = Path(backend.WEIGHTS[TINY["model"]].url).name
    kept = tmp_path / "hub/checkpoints" / name
    kept.parent.mkdir(parents=True)
    kept.write_bytes(checkpoint.read_bytes())
    frames = np.random.default_rng(0).integers(0, 256, (2, 60, 80, 3), np.uint8)
    by_zoo, by_path = (choice.build("torchvision", weights=each, **TINY) for each in ("zoo", str(checkpoint)))
    for one, other in zip(by_zoo(frames, ""), by_path(frames, ""), strict=True):
        np.testing.assert_array_equal(one.scores, other.scores)
        np.testing.assert_array_equal(one.masks, other.masks)


def test_weights_that_cannot_be_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, *_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(ValueError, match="to download") as fault:
        choice.build("torchvision", weights="zoo")
    assert str(fault.value) == (
        "segment.weights: expected torchvision to download "
        f"{URL}, got <urlopen error no route to host>; fetch {URL} elsewhere and put it at "
        f"{tmp_path / 'hub/checkpoints/maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth'}, or set segment.weights to its path"
    )


@pytest.mark.parametrize("content", [b"<!DOCTYPE html><title>Sign in</title>", b"PK\x03\x04 half a file"])
def test_what_lies_in_place_of_the_zoos_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    path = tmp_path / "hub/checkpoints" / Path(URL).name
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="remove it and fetch it again") as fault:
        choice.build("torchvision", weights="zoo")
    got = not_whole(path)
    assert got
    assert str(fault.value) == f"{path}: expected the file of {URL}, got {got}; remove it and fetch it again"


@pytest.mark.parametrize("fits", [True, False])
def test_weights_are_checked_without_a_network(checkpoint: Path, fits: bool) -> None:
    if fits:
        backend.check_weights(str(checkpoint), TINY["model"])
        return
    with pytest.raises(ValueError, match="does not fit figures"):
        backend.check_weights(str(checkpoint), "figures")


def test_the_small_network_is_in_no_zoo() -> None:
    with pytest.raises(ValueError, match=r"^zoo: no such file; expected a state_dict of figures"):
        choice.build("torchvision", weights="zoo", model="figures")


def test_weights_file_of_another_kind(tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_text("not a checkpoint")
    with pytest.raises(ValueError, match="got a file that torch cannot read"):
        choice.build("torchvision", weights=str(path))
    torch.save({"model": {}, "epoch": 3}, path)
    with pytest.raises(ValueError, match="got something else than a dictionary of tensors"):
        choice.build("torchvision", weights=str(path))
    torch.save({backend.CLASS_KEY: torch.zeros(5, 1024)}, path)
    with pytest.raises(ValueError, match=r"expected 91 classes \(COCO\) or 2 \(background, person\), got 5$"):
        choice.build("torchvision", weights=str(path))


def test_unknown_model() -> None:
    with pytest.raises(
        ValueError,
        match=r"^torchvision model: expected one of maskrcnn_resnet50_fpn, maskrcnn_resnet50_fpn_v2, "
        r"lraspp_mobilenet_v3_large, deeplabv3_mobilenet_v3_large, deeplabv3_resnet50, figures, got 'x'$",
    ):
        choice.build("torchvision", weights="w.pth", model="x")
