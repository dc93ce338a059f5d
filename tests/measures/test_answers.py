"""Answers of a network, asked by a callable: what an evaluation and an audit write, and answers counted by hand."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from objabn.audits.perturbation import perturbation_maps
from objabn.evaluation.insertion_deletion import SHARES, answer_probability, areas_in_space, curves_in_time, noise
from objabn.evaluation.map_replacement import replaced_maps
from objabn.measures import arrays as metrics
from objabn.model.interface import Output

RAGGED = "expected an array, a tensor, or nested lists of equal lengths, got a list that is none"
VIDEOS = ["v", "w"]
AXES = {np.ndarray: "axis", Tensor: "dim"}


class Corner:
    """A network of two classes that looks at the upper left corner; maps of 4 x 4."""

    map_size = 4

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, clips: Tensor) -> Output:
        self.asked += 1
        bright = clips[:, 0, :, :8, :8].mean(dim=(1, 2, 3)) + clips[:, 1, -1, 2, 20]
        return Output(None, torch.stack([bright, -bright], dim=1), clips[:, :0], None)


def drawn(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, dtype=np.float32)


def asked(model: Callable, labels: Tensor) -> Callable[[np.ndarray], np.ndarray]:
    """The model as users write it: arrays in, the answer's probability out."""

    def probability(clips: np.ndarray) -> np.ndarray:
        assert isinstance(clips, np.ndarray)
        assert clips.dtype == np.float32
        logits = model(torch.from_numpy(clips)).perception_logits
        return logits.softmax(dim=1).gather(1, labels[:, None])[:, 0].numpy()

    return probability


@pytest.fixture
def labels() -> Tensor:
    return torch.tensor([0, 1])


def test_areas_are_those_of_an_evaluation(labels: Tensor) -> None:
    clips, maps, model = drawn(2, 3, 6, 24, 24), drawn(2, 6, 4, 4, seed=1).round(1), Corner()
    ties = torch.stack([noise(video, maps.shape[1:]) for video in VIDEOS])
    expected = areas_in_space(model, torch.from_numpy(clips), {"u": torch.from_numpy(maps)}, VIDEOS, labels)
    model.asked = 0
    found = metrics.insertion_deletion(clips, maps, asked(model, labels), ties=ties)
    assert model.asked == 2 + 2 * len(SHARES[1:-1])
    np.testing.assert_allclose(found.shares, [0, 1 / 16, 2 / 16, 3 / 16, 6 / 16, 11 / 16, 1])
    np.testing.assert_array_equal(found.insertion_area, expected["insertion_u"])
    np.testing.assert_array_equal(found.deletion_area, expected["deletion_u"])
    assert np.ptp(found.insertion, axis=1).min() > 0.01  # the network sees something come
    np.testing.assert_array_equal(found.insertion[:, [0, -1]], found.deletion[:, [-1, 0]])
    again = metrics.insertion_deletion(torch.from_numpy(clips), maps, answer_probability(model, labels), ties=ties)
    for one, other in zip(found, again, strict=True):  # a torch callable is given tensors
        np.testing.assert_array_equal(one, other)
    drawn_ties = metrics.insertion_deletion(clips, maps, asked(model, labels))
    assert not np.array_equal(drawn_ties.insertion, found.insertion)


def test_curves_in_time_are_those_of_an_audit(labels: Tensor) -> None:
    clips, maps, model = drawn(2, 3, 6, 24, 24), drawn(2, 6, 4, 4, seed=1), Corner()
    ties = torch.stack([noise(video, maps.shape[1:]) for video in VIDEOS])
    given = torch.from_numpy(clips), {"u": torch.from_numpy(maps)}, answer_probability(model, labels)
    expected = curves_in_time(*given, ties=ties)
    found = metrics.insertion_deletion(clips, maps, asked(model, labels), along="time", ties=ties)
    np.testing.assert_array_equal(found.insertion, expected["insertion_time_u"].numpy())
    np.testing.assert_array_equal(found.deletion, expected["deletion_time_u"].numpy())
    np.testing.assert_allclose(found.shares, [0, 1 / 6, 2 / 6, 4 / 6, 1])
    assert np.ptp(found.deletion, axis=1).min() > 0.001


def test_a_map_of_what_counts_ranks_better_than_its_reverse() -> None:
    clips = np.zeros((1, 1, 2, 24, 24), np.float32)
    clips[..., :6, :6] = 1

    def probability(seen: np.ndarray) -> np.ndarray:
        return seen[:, 0, :, :6, :6].mean(axis=(1, 2, 3))

    maps = np.zeros((1, 2, 4, 4))
    maps[..., 0, 0] = 1
    good, bad = (metrics.insertion_deletion(clips, each, probability) for each in (maps, 1 - maps))
    np.testing.assert_allclose(good.insertion[0, 1:], 1, atol=1e-6)  # there from the first cell on
    np.testing.assert_allclose(bad.deletion[0, :-1], 1, atol=1e-6)  # there until the last one goes
    assert good.insertion_area > bad.insertion_area
    assert good.deletion_area < bad.deletion_area


def test_replaced_maps_are_those_of_an_audit() -> None:
    maps, h1, other = drawn(2, 6, 4, 4), drawn(2, 5, 6, 4, 4, seed=1), drawn(2, 6, 4, 4, seed=2)
    given: list[np.ndarray] = []

    def probability(replaced: np.ndarray) -> list[float]:
        given.append(replaced)
        return [len(given), 0]

    found = metrics.map_replacement(maps, probability, features=h1, new={"other": other})
    assert {name: value.tolist() for name, value in found.items()} == {
        "own": [1, 0], "one": [2, 0], "inverse": [3, 0], "flat": [4, 0], "even": [5, 0], "other": [6, 0],
    }  # fmt: skip
    as_one = torch.from_numpy(maps)[:, None]
    new = {"even": torch.from_numpy(h1), "other": torch.from_numpy(other)[:, None]}
    np.testing.assert_array_equal(given[0], maps)
    for name, replaced in list(zip(found, given, strict=True))[1:]:
        expected = replaced_maps(as_one, name, "abn", new.get(name))[:, 0].numpy()
        assert replaced.dtype == np.float32
        np.testing.assert_allclose(replaced, expected, atol=1e-6, err_msg=name)
    for how in ("residual", "energy"):
        given.clear()
        metrics.map_replacement(maps, probability, features=h1, apply=how)
        expected = replaced_maps(as_one, "even", "abn", new["even"], apply=how)[:, 0].numpy()
        np.testing.assert_allclose(given[4], expected, atol=1e-6)


def test_a_map_may_be_as_fine_as_the_clip_and_finer_in_time() -> None:
    """A cell of each pixel is shown; where only the mean of a frame's cells counts, there may be more."""
    maps = np.zeros((2, 6, 8, 8))
    maps[..., 2, 2] = 1
    clips = np.zeros_like(CLIPS)
    clips[..., 2, 2] = 1
    found = metrics.insertion_deletion(
        clips, maps, lambda seen: seen[:, 0, :, 2, 2].mean(axis=1), shares=(0, 1 / 64, 1)
    )
    np.testing.assert_array_equal(found.insertion[:, 1], 1)
    assert ranked(maps=np.repeat(MAPS, 5, axis=2), along="time") is None


@pytest.mark.parametrize("as_given", [np.asarray, torch.from_numpy])
def test_maps_of_whole_numbers_are_replaced_by_fractions(as_given: Callable) -> None:
    maps = np.zeros((1, 2, 2, 2), np.uint8)
    maps[..., 0] = 1
    found = metrics.map_replacement(as_given(maps), lambda given: given.mean(**{AXES[type(given)]: (1, 2, 3)}))
    assert {name: value.item() for name, value in found.items()} == {"own": 0.5, "one": 1, "inverse": 0.5, "flat": 0.5}


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_clips_of_other_floats_stay_what_they_are(dtype: type) -> None:
    def probability(seen: np.ndarray) -> np.ndarray:
        assert seen.dtype == dtype
        return seen.mean(axis=(1, 2, 3, 4))

    assert np.isfinite(metrics.insertion_deletion(CLIPS.astype(dtype), MAPS, probability).insertion).all()
    assert metrics.rise(CLIPS.astype(dtype), probability, num_masks=2).dtype == np.float32


def test_tensors_stay_tensors_without_gradients() -> None:
    maps = torch.from_numpy(drawn(2, 6, 4, 4)).requires_grad_()
    weight = torch.ones(1, requires_grad=True)

    def probability(replaced: Tensor) -> Tensor:
        assert replaced.dtype == torch.float32
        answer = replaced.mean(dim=(1, 2, 3)) * weight
        assert not answer.requires_grad
        return answer

    found = metrics.map_replacement(maps, probability)
    assert found["one"].tolist() == [1, 1]
    np.testing.assert_allclose(found["own"], found["flat"], atol=1e-6)
    np.testing.assert_allclose(found["own"] + found["inverse"], 1, atol=1e-6)


def test_rise_is_that_of_an_audit(labels: Tensor) -> None:
    clips, model = drawn(2, 3, 6, 24, 24), Corner()
    expected = perturbation_maps(model, torch.from_numpy(clips), VIDEOS, labels, num_masks=20)[:, 0].numpy()
    found = metrics.rise(clips, asked(model, labels), grid=(4, 4), num_masks=20, names=VIDEOS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(found.max(axis=(1, 2, 3)), 1)
    other = metrics.rise(clips, asked(model, labels), grid=(4, 4), num_masks=20)
    assert not np.allclose(other, expected, atol=0.01)
    nothing = metrics.rise(clips, lambda seen: np.full(2, 0.5), grid=(3, 5), num_masks=2)
    assert nothing.shape == (2, 6, 3, 5)
    assert not nothing.any()


CLIPS, MAPS = drawn(2, 3, 6, 8, 8), drawn(2, 6, 4, 4)


def ranked(clips: object = CLIPS, maps: object = MAPS, said: object = (0, 1), **given: object) -> None:
    metrics.insertion_deletion(clips, maps, lambda seen: said, **given)


def replaced(said: object = (0, 1), **given: object) -> None:
    metrics.map_replacement(MAPS, lambda maps: said, **given)


def seen(clips: object = CLIPS, said: object = (0, 1), **given: object) -> None:
    metrics.rise(clips, lambda clips: said, **given)


@pytest.mark.parametrize(
    ("call", "line"),
    [
        (lambda: ranked(CLIPS[0]),
         "clips: expected floating-point numbers (B, C, T, S, S), got float32 of (3, 6, 8, 8)"),
        (lambda: ranked(torch.ones(1, 3, 6, 8, 8, dtype=torch.uint8)),
         "clips: expected floating-point numbers (B, C, T, S, S), got uint8 of (1, 3, 6, 8, 8)"),
        (lambda: ranked(CLIPS.astype(int)),
         "clips: expected floating-point numbers (B, C, T, S, S), got int64 of (2, 3, 6, 8, 8)"),
        (lambda: ranked(CLIPS[..., :7]),
         "clips: expected square frames, (B, C, T, S, S), got the shape (2, 3, 6, 8, 7)"),
        (lambda: ranked(CLIPS * np.float32(np.nan)),
         "clips: expected finite numbers, got 2304 of 2304 that are NaN or infinite"),
        (lambda: ranked(maps=MAPS[0]), "maps: expected (B, T, h, w), no axis empty, got the shape (6, 4, 4)"),
        (lambda: ranked(maps=MAPS[:, :3]), "clips and frames of maps: expected (2, 6) as of the clips, got (2, 3)"),
        (lambda: ranked(maps=MAPS[:1]), "clips and frames of maps: expected (2, 6) as of the clips, got (1, 6)"),
        (lambda: ranked(along="place"), "along: expected space or time, got 'place'"),
        (lambda: ranked(shares=(0, 0.5)), "shares: expected numbers from 0 to 1, both among them, got (0, 0.5)"),
        (lambda: ranked(shares=()), "shares: expected numbers from 0 to 1, both among them, got ()"),
        (lambda: ranked(ties=MAPS[..., :3]), "ties: expected (2, 6, 4, 4) as of the maps, got (2, 6, 4, 3)"),
        (lambda: ranked(said=[0.5]), "probability: expected a number a clip, the shape (2,), got the shape (1,)"),
        (lambda: ranked(said=[[0.5, 0.5]] * 2),
         "probability: expected a number a clip, the shape (2,), got the shape (2, 2)"),
        (lambda: ranked(said=[0.5, np.nan]),
         "probability: expected finite numbers, got 1 of 2 that are NaN or infinite"),
        (lambda: ranked(said=None), "probability: expected numbers, got the dtype object"),
        (lambda: replaced(said=[1]), "probability: expected a number a clip, the shape (2,), got the shape (1,)"),
        (lambda: replaced(features=MAPS),
         "features: expected (B, C, T, h, w), no axis empty, got the shape (2, 6, 4, 4)"),
        (lambda: replaced(features=CLIPS),
         "clips and grid of features: expected (2, 6, 4, 4) as of the maps, got (2, 6, 8, 8)"),
        (lambda: replaced(new={"mask": MAPS + 1}), "new maps 'mask': expected values in [0, 1], got values from "),
        (lambda: replaced(new={"mask": MAPS[:, :1]}),
         "new maps 'mask': expected (2, 6, 4, 4) as of the maps, got (2, 1, 4, 4)"),
        (lambda: replaced(new={"one": MAPS}), "new maps 'one': expected another name than own, one, inverse, flat"),
        (lambda: replaced(apply="add"), "apply: expected multiply, residual or energy, got 'add'"),
        (lambda: seen(CLIPS[..., :7]), "clips: expected square frames, (B, C, T, S, S), got the shape (2, 3, 6, 8, 7)"),
        (lambda: seen(said=[1]), "probability: expected a number a clip, the shape (2,), got the shape (1,)"),
        (lambda: seen(num_masks=0), "num_masks: expected a whole number from 1 on, got 0"),
        (lambda: seen(names=["v"]), "names: expected (2,) as of the clips, got (1,)"),
        (lambda: seen(names=["v", 3]), "names: expected a text for each clip, got 3"),
        (lambda: seen(names="vw"), "names: expected a text for each clip, got 'vw'"),
        (lambda: seen(names=np.array("v")), "names: expected a text for each clip, got v"),
        (lambda: seen(names=2), "names: expected a text for each clip, got 2"),
        (lambda: seen(grid=(0, 2)), "grid: expected a whole number from 1 on, got 0"),
        (lambda: seen(grid=(2.5, 2)), "grid: expected a whole number from 1 on, got 2.5"),
        (lambda: seen(grid=(2, 2, 2)), "grid: expected h and w, two whole numbers, got (2, 2, 2)"),
        (lambda: seen(grid=((2, 2), 2)), "grid: expected a whole number from 1 on, got (2, 2)"),
        (lambda: seen(grid=7), "grid: expected h and w, two whole numbers, got 7"),
        (lambda: seen(grid="ab"), "grid: expected a whole number from 1 on, got 'a'"),
        (lambda: seen(num_masks="many"), "num_masks: expected a whole number from 1 on, got 'many'"),
        (lambda: seen([[1.0], [1.0, 2.0]]), f"clips: {RAGGED}"),
        (lambda: seen(CLIPS.astype(">f4")),
         "clips: expected floating-point numbers (B, C, T, S, S), got >f4 of (2, 3, 6, 8, 8)"),
        (lambda: seen(said=[[0.5], 0.5]), f"probability: {RAGGED}"),
        (lambda: metrics.rise(CLIPS, None), "probability: expected a function, got None"),
        (lambda: ranked(along=["space"]), "along: expected space or time, got ['space']"),
        (lambda: ranked(along=np.array(["space", "time"])), "along: expected space or time, got ['space' 'time']"),
        (lambda: ranked(shares=np.linspace(0, 0.9, 40)),
         "shares: expected numbers from 0 to 1, both among them, got [0."),
        (lambda: ranked(shares="all"), "shares: expected numbers, got the dtype <U3"),
        (lambda: ranked(ties=[[1], []]), f"ties: {RAGGED}"),
        (lambda: ranked(maps=drawn(2, 6, 4, 9)), "maps: expected at most 8 x 8 cells, as pixels, got 4 x 9"),
        (lambda: ranked(maps=drawn(2, 6, 20, 20)), "maps: expected at most 8 x 8 cells, as pixels, got 20 x 20"),
        (lambda: replaced(new=[MAPS]), "new: expected maps by name, as a mapping, got a list"),
        (lambda: replaced(new={"mask": [[1], []]}), f"new maps 'mask': {RAGGED}"),
        (lambda: replaced(apply=None), "apply: expected multiply, residual or energy, got None"),
    ],
)  # fmt: skip
def test_faults_are_one_line(call: Callable, line: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        call()
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)
