"""Files of weights for the detectron2 backend: which load, and what is said of those that do not."""

import http.server
import pickle
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from objabn.segmentation.segmenters.detectron2 import MODEL
from tests.helpers.random_rcnn import build, frames_of, save_pkl

pytestmark = pytest.mark.detectron2


@pytest.fixture
def saved(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Writes a checkpoint: .pth as detectron2's trainer does, .pkl as the zoo's."""

    def save(state: dict, suffix: str, **extra: Any) -> Path:
        path = tmp_path / f"model_final.{suffix}"
        if suffix == "pkl":
            return save_pkl(state, path, **extra)
        torch.save({"model": state, "iteration": 269999, "optimizer": {"state": {}, "param_groups": []}}, path)
        return path

    yield save
    for path in tmp_path.glob("model_final.*"):
        path.unlink()


@pytest.mark.parametrize(
    ("suffix", "extra"),
    [("pth", {}), ("pkl", {"__author__": "someone who converted them", "matching_heuristics": True})],
)
def test_other_formats_load_the_same(
    rcnn_state: dict, rcnn_weights: Path, saved: Callable, suffix: str, extra: dict
) -> None:
    frames = frames_of(1, 48, 64)
    ours, theirs = (build(path)(frames)[0] for path in (saved(rcnn_state, suffix, **extra), rcnn_weights))
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_what_older_files_hold_besides_is_harmless(rcnn_state: dict, saved: Callable) -> None:
    old = {"pixel_mean": torch.zeros(3, 1, 1), "pixel_std": torch.ones(3, 1, 1)}
    old |= {f"proposal_generator.anchor_generator.cell_anchors.{n}": torch.zeros(3, 4) for n in range(5)}
    build(saved({**rcnn_state, **old}, "pkl"))


def test_files_whose_batch_norms_are_folded_load(rcnn_state: dict, saved: Callable) -> None:
    folded = {key: value for key, value in rcnn_state.items() if "running_" not in key}
    assert len(folded) < len(rcnn_state)
    build(saved(folded, "pkl"))


@pytest.mark.parametrize("suffix", ["pkl", "pth"])
@pytest.mark.parametrize(
    ("drop", "add", "message"),
    [
        ("backbone.fpn_output2.bias", {}, "1 missing keys (first: backbone.fpn_output2.bias), 0 unexpected keys"),
        (
            "backbone.bottom_up.res4.1.conv2.norm.running_var",  # which detectron2 fills in without a word
            {},
            "1 missing keys (first: backbone.bottom_up.res4.1.conv2.norm.running_var), 0 unexpected keys",
        ),
        (None, {"ema": torch.zeros(1)}, "0 missing keys, 1 unexpected keys (first: ema)"),
        (
            None,
            {"roi_heads.box_predictor.cls_score.bias": torch.zeros(2)},
            "1 tensors of another shape (first: roi_heads.box_predictor.cls_score.bias: (2,) instead of (81,))",
        ),
    ],
)
def test_every_key_must_find_its_place(
    rcnn_state: dict, saved: Callable, suffix: str, drop: str | None, add: dict, message: str
) -> None:
    path = saved({key: value for key, value in rcnn_state.items() if key != drop} | add, suffix)
    with pytest.raises(ValueError, match="does not fit") as fault:
        build(path)
    assert str(fault.value) == f"{path}: does not fit {MODEL}: {message}"


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no such file") as fault:
        build(tmp_path / "none.pkl")
    assert str(fault.value) == (
        f"{tmp_path / 'none.pkl'}: no such file; expected zoo, or a checkpoint of detectron2's {MODEL} (.pkl or .pth)"
    )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("w.pkl", b"not a checkpoint", "UnpicklingError: "),
        ("w.pkl", pickle.dumps([1]), "AttributeError: 'list' object has no attribute 'items'"),
        ("w.pth", b"not a checkpoint", "UnpicklingError: "),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match="got one that detectron2 cannot load") as fault:
        build(tmp_path / name)
    assert "\n" not in str(fault.value)
    assert str(fault.value).startswith(
        f"{tmp_path / name}: expected a checkpoint of detectron2's {MODEL}, got one that detectron2 "
        f"cannot load ({reason}"
    )


@pytest.mark.parametrize(
    ("model", "got"),
    [
        ("mask_rcnn.yaml", "'mask_rcnn.yaml'"),
        ("new_baselines/mask_rcnn_R_50_FPN_100ep_LSJ.py", "'new_baselines/mask_rcnn_R_50_FPN_100ep_LSJ.py'"),
        (
            "COCO-Detection/faster_rcnn_R_50_FPN_3x.yaml",
            "'COCO-Detection/faster_rcnn_R_50_FPN_3x.yaml' (GeneralizedRCNN, StandardROIHeads, no masks)",
        ),
        (
            "COCO-InstanceSegmentation/mask_rcnn_R_50_C4_3x.yaml",
            "'COCO-InstanceSegmentation/mask_rcnn_R_50_C4_3x.yaml' (GeneralizedRCNN, Res5ROIHeads, masks)",
        ),
    ],
)
def test_models_that_it_does_not_run(model: str, got: str) -> None:
    with pytest.raises(ValueError, match="detectron2 model") as fault:
        build("zoo", model=model)
    assert str(fault.value) == (
        f"detectron2 model: expected the config of a Mask R-CNN in detectron2's model zoo, such as {MODEL}, got {got}"
    )


def test_a_config_without_weights_in_the_zoo() -> None:
    model = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x_giou.yaml"
    with pytest.raises(ValueError, match="detectron2 weights") as fault:
        build("zoo", model=model)
    assert str(fault.value) == f"detectron2 weights: expected a path (the zoo has none for {model}), got 'zoo'"


@pytest.fixture
def zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty zoo on this machine; the directory that it serves."""
    from detectron2.model_zoo import model_zoo

    folder = tmp_path / "zoo"
    folder.mkdir()
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(model_zoo._ModelZooUrls, "S3_PREFIX", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    yield folder
    server.shutdown()
    server.server_close()


def test_the_zoos_weights_are_downloaded_once(zoo: Path, rcnn_weights: Path) -> None:
    place = zoo / "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x/137849600/model_final_f10217.pkl"
    place.parent.mkdir(parents=True)
    place.symlink_to(rcnn_weights)
    frames = frames_of(1, 48, 64)
    theirs = build(rcnn_weights)(frames)[0]
    for _ in range(2):
        ours = build("zoo")(frames)[0]
        assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
        place.unlink(missing_ok=True)
    for path in (zoo.parent / "cache").rglob("*.pkl"):
        path.unlink()


def test_a_zoo_that_does_not_answer(zoo: Path) -> None:
    with pytest.raises(ValueError, match="HTTP Error 404") as fault:
        build("zoo")
    file = "COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_3x/137849600/model_final_f10217.pkl"
    assert str(fault.value).startswith("segment.weights: expected detectron2 to download http://127.0.0.1:")
    assert f"/{file}, got HTTP Error 404: File not found; fetch http://" in str(fault.value)
    place = zoo.parent / "cache" / file
    assert str(fault.value).endswith(f"put it at {place}, or set segment.weights to its path")
