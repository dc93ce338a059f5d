"""Grey levels of soft edges are told from ids: what people do to masks, and what instances look like."""

from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np
import pytest

from objabn.segmentation.segmenters.soft_edges import GreyValues

DAVIS = Path(__file__).parents[4] / "shared" / "realdata" / "davis" / "Annotations"


def grey(frames: Iterable[np.ndarray]) -> GreyValues:
    values = GreyValues()
    for frame in frames:
        values.add(frame)
    return values


def shape(level: int, seed: int = 0) -> np.ndarray:
    """A round and an angular object, as one, uint8 (120, 160)."""
    draw = np.random.default_rng(seed)
    values = np.zeros((120, 160), np.uint8)
    x, y = draw.integers(40, 120), draw.integers(40, 80)
    cv2.ellipse(values, (int(x), int(y)), (30, 18), float(draw.integers(180)), 0, 360, level, -1)
    cv2.fillPoly(values, [draw.integers(20, 100, (4, 2)).astype(np.int32)], level)
    return values


def jpeg(values: np.ndarray, quality: int) -> np.ndarray:
    _, content = cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)


def resized(values: np.ndarray, scale: float, how: int) -> np.ndarray:
    return cv2.resize(values, None, fx=scale, fy=scale, interpolation=how)


def probabilities(mask: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 6, mask.shape)
    return np.clip(cv2.GaussianBlur(mask * (220 / 255) + noise, (0, 0), 2) + 8, 0, 255).astype(np.uint8)


SOFT: dict[str, Callable[[int], np.ndarray]] = {
    "anti-aliased": lambda seed: resized(shape(254, seed), 0.5, cv2.INTER_AREA),
    "a little smooth": lambda seed: cv2.GaussianBlur(shape(200, seed), (0, 0), 0.7),
    "very smooth": lambda seed: cv2.GaussianBlur(shape(255, seed), (0, 0), 8),
    "dark": lambda seed: cv2.GaussianBlur(shape(12, seed), (0, 0), 2),
    "enlarged": lambda seed: resized(shape(255, seed), 2, cv2.INTER_LINEAR),
    "enlarged fourfold": lambda seed: resized(shape(200, seed), 4, cv2.INTER_LINEAR),
    "cubic": lambda seed: resized(shape(255, seed), 0.7, cv2.INTER_CUBIC),
    "few levels": lambda seed: resized(shape(255, seed), 0.5, cv2.INTER_AREA) // 64 * 64,
    "probabilities": lambda seed: probabilities(shape(255, seed)),
    "probabilities of 16 bits": lambda seed: cv2.GaussianBlur(shape(255, seed).astype(np.uint16) * 200, (0, 0), 3),
    "inverted": lambda seed: 255 - cv2.GaussianBlur(shape(255, seed), (0, 0), 1),
    "ids, scaled": lambda seed: resized(np.maximum(shape(80, seed), shape(160, seed + 9)), 0.6, cv2.INTER_LINEAR),
    **{
        f"JPEG {quality}": lambda seed, quality=quality: jpeg(shape(255, seed), quality) for quality in (30, 75, 95, 99)
    },
}


@pytest.mark.parametrize("kind", SOFT)
@pytest.mark.parametrize("num_frames", [1, 5])
def test_soft_edges(kind: str, num_frames: int) -> None:
    values = grey(SOFT[kind](seed) for seed in range(num_frames))
    assert len(values.values()) > 1
    assert values.has_soft_edges()


def ellipses(ids: Iterable[int], size: tuple[int, int], least: int, most: int, seed: int) -> np.ndarray:
    """Instances one over the other, uint16; some are hidden but for a sliver."""
    draw = np.random.default_rng(seed)
    values = np.zeros(size, np.uint16)
    for number in ids:
        place, axes = draw.integers(0, size[::-1]), draw.integers(least, most + 1, 2)
        cv2.ellipse(values, place.tolist(), axes.tolist(), float(draw.integers(180)), 0, 360, int(number), -1)
    return values


@pytest.mark.parametrize(
    ("ids", "size", "least", "most"),
    [
        (range(1, 11), (480, 854), 10, 120),
        (range(10, 0, -1), (120, 160), 3, 40),
        ((37, 74, 111, 255), (120, 160), 3, 40),
        ((1, 2), (60, 80), 3, 25),
        (range(1, 61), (90, 160), 2, 8),
        (range(300, 500), (240, 320), 2, 10),
    ],
)
def test_instances(ids: Iterable[int], size: tuple[int, int], least: int, most: int) -> None:
    for seed in range(5):
        values = grey(ellipses(ids, size, least, most, 10 * seed + frame) for frame in range(4))
        assert len(values.values()) > 1
        assert not values.has_soft_edges()
        assert not values.is_full_unclear()


def test_an_instance_that_is_a_sliver_in_one_frame_stays_an_instance() -> None:
    whole = np.zeros((40, 60), np.uint8)
    whole[5:30, 5:20], whole[5:30, 30:50] = 1, 2
    hidden = np.zeros((40, 60), np.uint8)
    hidden[5:30, 30:50], hidden[5:30, 29] = 2, 1
    assert grey([hidden]).has_soft_edges()  # nothing else tells it from an edge
    assert not grey([whole, hidden]).has_soft_edges()


@pytest.mark.parametrize("value", [1, 128, 255])
def test_one_value_is_an_object(value: int) -> None:
    values = grey([np.zeros((8, 8), np.uint8), shape(value)])
    assert values.values().tolist() == [value]
    assert not values.has_soft_edges()
    assert not values.is_full_unclear()


def test_nothing_at_all() -> None:
    for values in (GreyValues(), grey([np.zeros((8, 8), np.uint8)])):
        assert values.values().tolist() == []
        assert not values.has_soft_edges()
        assert not values.is_full_unclear()


def test_255_beside_ids_that_are_counted_may_be_void() -> None:
    frame = np.zeros((40, 60), np.uint8)
    frame[10:30, 10:30], frame[10:30, 40:55] = 255, 3
    assert grey([frame]).is_full_unclear()
    assert not grey([np.where(frame == 3, 74, frame).astype(np.uint8)]).is_full_unclear()


def test_255_that_another_value_surrounds_is_a_trimap() -> None:
    frame = np.zeros((40, 60), np.uint8)
    frame[5:35, 5:35] = 128
    frame[10:30, 10:30] = 255
    assert not grey([frame]).has_soft_edges()
    assert grey([frame]).is_full_unclear()
    beside = np.roll(frame, 20, axis=1)
    beside[5:35, 40:55] = 255
    assert not grey([frame, beside]).is_full_unclear()


@pytest.mark.realdata
@pytest.mark.skipif(not DAVIS.is_dir(), reason="no ../shared/realdata")
@pytest.mark.parametrize("name", ["bmx-trees", "dance-twirl"])
def test_davis_and_what_scaling_does_to_it(name: str) -> None:
    masks = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in sorted((DAVIS / name).iterdir())[::10]]
    assert grey(masks).values().tolist() == [255]
    assert grey(resized(mask, 0.4, cv2.INTER_AREA) for mask in masks).has_soft_edges()
    assert grey(jpeg(mask, 90) for mask in masks).has_soft_edges()
