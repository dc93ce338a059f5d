"""The semantic models of the backend torchvision: what they give, against torchvision itself, and what they refuse."""

from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional as F
from torchvision.models import segmentation

from objabn.config import segmenters
from objabn.segmentation.quality import REPORT_SCORE, video_quality
from objabn.segmentation.segment import segment_videos
from objabn.segmentation.segmenters import choice, semantic
from objabn.segmentation.segmenters import torchvision as backend
from objabn.segmentation.segmenters.instances import Instances, planes_of
from objabn.segmentation.segmenters.state_dicts import SEMANTIC
from objabn.segmentation.units import pack, unit_names, unpack
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID, INSTANCES, quantise, union_mask
from objabn.system.cache import Cache
from tests.helpers.instances import textured
from tests.helpers.semantic import random_state, save_random

LRASPP, MOBILE, RESNET = SEMANTIC
TINY: dict[str, Any] = {"short_edge": 64, "device": "cpu"}


@pytest.fixture(scope="module", params=list(SEMANTIC))
def model(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def weights(model: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_random(model, tmp_path_factory.mktemp("weights") / f"{model}.pth")


def frames_of(number: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.stack([textured(height, width, seed) for seed in range(number)]).astype(np.uint8)


def build(model: str, weights: Path | str, **settings: Any) -> Any:
    return choice.build("torchvision", model=model, weights=str(weights), **TINY | settings)


def check(found: Instances) -> None:
    """What the store and the table take for granted."""
    count = len(found.scores)
    assert found.masks is None
    assert planes_of(found).shape == (2, GRID, GRID)
    assert planes_of(found).dtype == np.uint8
    assert (found.scores.dtype, found.boxes.dtype, found.boxes.shape) == (np.float32, np.float32, (count, 4))
    assert found.classes.shape == (count,)
    assert len(set(found.classes)) == count
    assert (np.diff(found.scores) <= 0).all()
    assert ((found.boxes >= 0) & (found.boxes <= 1)).all()
    assert (found.boxes[:, :2] < found.boxes[:, 2:]).all()
    for name, plane in zip(("person", "other"), planes_of(found), strict=True):
        scores = [
            score
            for score, kind in zip(found.scores, found.classes, strict=True)
            if (kind == "person") == (name == "person")
        ]
        assert not scores or quantise(np.array(max(scores))) <= plane.max()


def test_a_batch_of_one_gives_what_a_batch_of_four_gives(model: str, weights: Path) -> None:
    frames = frames_of(4)
    by_one, by_four = (build(model, weights, batch_size=size) for size in (1, 4))
    single, batched, again = by_one(frames, ""), by_four(frames, ""), by_four(frames, "")
    assert len(single) == len(batched) == 4
    for one, other, same in zip(single, batched, again, strict=True):
        check(one)
        assert set(one.classes) <= set(semantic.CATEGORIES[21][1:])
        assert len(one.classes) > 1
        difference = np.abs(planes_of(one).astype(int) - planes_of(other))
        assert difference.max() <= 1
        assert one.scores == pytest.approx(other.scores, abs=1e-4)
        for key in ("scores", "classes", "boxes", "planes"):
            np.testing.assert_array_equal(getattr(other, key), getattr(same, key))


def test_probabilities_are_torchvisions_own(model: str, weights: Path) -> None:
    """Its logits, scaled up to the image and there to probabilities, at the centres of the grid's cells."""
    frame = textured(128, 192, 5).astype(np.uint8)
    ours = planes_of(build(model, weights, short_edge=128)(frame[None], "")[0])
    network = getattr(segmentation, model)(weights=None, weights_backbone=None).eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    image = SEMANTIC[model].transforms(resize_size=128)(torch.from_numpy(frame).permute(2, 0, 1)[None])
    with torch.inference_mode():
        theirs = network(image)["out"].softmax(dim=1)[0]  # (21, 128, 192)
    person = semantic.CATEGORIES[21].index("person")
    others = [at for at in range(1, 21) if at != person]
    places = (torch.arange(GRID) + 0.5) * 192 / GRID - 0.5  # of the cells' centres, in pixels
    left = places.floor().long()
    share = places - left
    at_centres = theirs[:, :, left] * (1 - share) + theirs[:, :, left + 1] * share  # (21, 128, GRID)
    expected = torch.stack([at_centres[person], at_centres[others].amax(dim=0)])
    expected = expected.where(expected >= semantic.LEAST, 0)
    got = torch.from_numpy(ours).float() / 255
    assert expected[1].max() > 0.5
    assert (got - expected).abs().mean() < 0.01
    assert ((got >= 0.5) == (expected >= 0.5)).float().mean() > 0.98


def test_planes_and_rows_by_hand() -> None:
    names = np.array(["__background__", "dog", "person", "cat"])
    shares = torch.zeros(2, 4, GRID, GRID)
    shares[:, 0] = 1
    shares[0, :, :64, :32] = torch.tensor([0.1, 0.2, 0.6, 0.1])[:, None, None]  # rows 0-63, columns 0-31: a person
    shares[0, :, 64:, 96:] = torch.tensor([0.1, 0.3, 0.2, 0.4])[:, None, None]  # rows 64-127, columns 96-127: a cat
    shares[0, :, 127, 127] = torch.tensor([0.02, 0.9, 0.04, 0.04])  # its last cell: a dog
    first, second = semantic.read_out(shares, names)
    check(first)
    expected = np.zeros((2, GRID, GRID), np.uint8)
    expected[0, :64, :32], expected[1, :64, :32] = 153, 51  # floor(255 * 0.6), floor(255 * 0.2)
    expected[0, 64:, 96:], expected[1, 64:, 96:] = 51, 102  # 0.2, and the higher one of 0.3 and 0.4
    expected[0, 127, 127], expected[1, 127, 127] = 0, 229  # 0.04 is below what is stored
    np.testing.assert_array_equal(planes_of(first), expected)
    assert first.classes.tolist() == ["dog", "person", "cat"]
    assert first.scores == pytest.approx([0.9, 0.6, 0.4])
    assert first.boxes.tolist() == [[127 / 128, 127 / 128, 1, 1], [0, 0, 0.25, 0.5], [0.75, 0.5, 1, 1]]
    assert second.classes.tolist() == []
    assert not planes_of(second).any()


def test_a_union_has_a_cell_where_a_class_counts(tmp_path: Path) -> None:
    found = build(LRASPP, save_random(LRASPP, tmp_path / "w.pth"))(frames_of(4), "")
    assert any((one.scores < REPORT_SCORE).any() for one in found)
    for one in found:
        counted = set(one.classes[one.scores >= REPORT_SCORE])
        assert union_mask(planes_of(one), REPORT_SCORE, ["person"]).any() == ("person" in counted)
        assert union_mask(planes_of(one), REPORT_SCORE, ["other"]).any() == bool(counted - {"person"})


def test_persons_only(tmp_path: Path) -> None:
    found = build(LRASPP, save_random(LRASPP, tmp_path / "w.pth", 2))(frames_of(2), "")
    for one in found:
        check(one)
        assert one.classes.tolist() == ["person"]
        assert planes_of(one)[0].any()
        assert not planes_of(one)[1].any()


def test_torchvisions_files_have_a_head_of_training(tmp_path: Path) -> None:
    state = random_state(MOBILE, aux_loss=True)
    assert any(key.startswith("aux_classifier.") for key in state)
    torch.save(state, tmp_path / "w.pth")
    backend.check_weights(str(tmp_path / "w.pth"), MOBILE)
    check(build(MOBILE, tmp_path / "w.pth")(frames_of(1), "")[0])


def test_weights_that_do_not_fit(tmp_path: Path) -> None:
    path = save_random(LRASPP, tmp_path / "w.pth")
    for ask in (backend.check_weights, lambda weights, model: build(model, weights)):
        with pytest.raises(ValueError, match=rf"^{path}: does not fit {MOBILE}: \d+ missing keys \(first: ") as fault:
            ask(str(path), MOBILE)
        assert "\n" not in str(fault.value)
    torch.save({"classifier.low_classifier.weight": torch.zeros(5, 40, 1, 1)}, path)
    with pytest.raises(ValueError, match=r"expected 21 classes \(Pascal VOC\) or 2 \(background, person\), got 5$"):
        build(LRASPP, path)
    with pytest.raises(ValueError, match="no such file") as fault:
        build(RESNET, tmp_path / "none.pth")
    assert str(fault.value) == (
        f"{tmp_path / 'none.pth'}: no such file; expected a state_dict of torchvision's {RESNET} (.pth), such as the "
        "file of its DeepLabV3_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1"
    )


def test_weights_of_the_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(url: str, *_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    url, kept = SEMANTIC[LRASPP].url, tmp_path / "hub/checkpoints/lraspp_mobilenet_v3_large-d234d4ea.pth"
    with pytest.raises(ValueError, match="to download") as fault:
        build(LRASPP, "zoo")
    assert str(fault.value) == (
        f"segment.weights: expected torchvision to download {url}, got <urlopen error no route to host>; "
        f"fetch {url} elsewhere and put it at {kept}, or set segment.weights to its path"
    )
    save_random(LRASPP, kept)
    check(build(LRASPP, "zoo")(frames_of(1), "")[0])


def test_the_key_of_a_unit_has_what_masks_depend_on() -> None:
    block = {"model": LRASPP, "weights": "zoo", "short_edge": 520, "stride": 1, "batch_size": 4}
    key = choice.settings_key("torchvision", **block)
    assert key == {"backend": "torchvision", "version": 1, "weights": "zoo", "model": LRASPP, "short_edge": 520}
    assert choice.settings_key("torchvision", **block | {"model": MOBILE}) != key
    assert choice.settings_key("torchvision", **block | {"stride": 2}) == key | {"stride": 2}


def test_the_schema_knows_these_models() -> None:
    assert tuple(SEMANTIC) == segmenters.SEMANTIC
    assert semantic.LEAST == segmenters.LEAST_PROBABILITY


def test_store_table_and_quality(tmp_path: Path) -> None:
    """A few frames to masks by the side cache, and what is measured of them."""
    (tmp_path / "frames").mkdir()
    (tmp_path / "masks").mkdir()
    writer = StoreWriter(tmp_path / "frames", (48, 64, 3), frames_per_shard=16)
    for video, count in {"a": 3, "b": 0, "c": 2}.items():
        writer.append(frames_of(count)[:count] if count else np.zeros((0, 48, 64, 3), np.uint8),
                      video=video, digest=video, label="x", split="train", status="ok")  # fmt: skip
    table = writer.close()
    make = lambda: build(LRASPP, save_random(LRASPP, tmp_path / "w.pth"))  # noqa: E731
    done = segment_videos(
        table, unit_names(table, {}), StoreReader(tmp_path / "frames"), tmp_path / "masks", make_segmenter=make,
        cache=Cache(tmp_path / "cache"),
    )  # fmt: skip
    assert done == (2, 0)
    direct = make()(frames_of(3), "a")
    stored = StoreReader(tmp_path / "masks").read_all("a")
    np.testing.assert_array_equal(stored, [planes_of(one) for one in direct])
    np.testing.assert_array_equal(unpack(pack(direct))["planes"], stored)
    rows = pd.read_parquet(tmp_path / "masks" / INSTANCES).query("video == 'a'")
    assert rows["class"].tolist() == [name for one in direct for name in one.classes]
    quality = video_quality(table, tmp_path / "masks", None).set_index("video")
    counted = sum((one.scores >= REPORT_SCORE).sum() for one in direct)
    assert quality.loc["a", "instances_per_frame"] == pytest.approx(counted / 3, abs=1e-6)
    persons = np.mean(["person" in one.classes[one.scores >= REPORT_SCORE] for one in direct])
    assert quality.loc["a", "person_share"] == pytest.approx(persons, abs=1e-6)


@torch.inference_mode()
def test_bf16_arithmetic_hands_over_float32() -> None:
    network = segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None).eval()
    semantic.run_in_bf16(network, "cpu")
    features = network.backbone(torch.randn(1, 3, 64, 64))
    for output in (*features.values(), network.classifier(features)):
        assert output.dtype == torch.float32
        assert torch.equal(output, output.bfloat16().float())
    shares = semantic.probabilities(network, torch.randn(1, 3, 64, 64))
    assert shares.shape == (1, 21, GRID, GRID)
    assert shares.sum(dim=1) == pytest.approx(torch.ones(1, GRID, GRID).numpy(), abs=1e-5)
    assert F.relu(shares).equal(shares)
