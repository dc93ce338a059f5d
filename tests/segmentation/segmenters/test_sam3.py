"""SAM 3 with random weights: prompts become groups."""

from pathlib import Path

import numpy as np
import pytest
import torch

from objabn.segmentation.segmenters import choice
from objabn.segmentation.segmenters.instances import Instances, planes_of
from objabn.stores.masks import GRID
from tests.helpers import tiny_hub

pytest.importorskip("transformers")
FLOOR = 0.01


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_hub.save("sam3", tmp_path_factory.mktemp("hub") / "sam3")


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 48, 72, 3), dtype=np.uint8)


def find(weights: Path, frames: np.ndarray, prompts: dict[str, list[str]]) -> list[Instances]:
    return choice.build("sam3", weights=str(weights), prompts=prompts, score_floor=FLOOR, device="cpu")(frames, "")


def test_prompts_become_groups(weights: Path, frames: np.ndarray) -> None:
    prompts = {"hand": ["hand"], "object": ["cup", "a b c"]}
    found = find(weights, frames, prompts)
    assert len(found) == 2
    for each in found:
        n = len(each.scores)
        assert each.masks is not None
        assert (each.masks.shape, each.masks.dtype, each.boxes.shape) == ((n, GRID, GRID), bool, (n, 4))
        assert (np.diff(each.scores) <= 0).all()
        assert (each.scores > FLOOR).all()
        assert set(each.classes.tolist()) == {"hand", "object"}
        planes = planes_of(each, tuple(prompts))
        for number, name in enumerate(prompts):
            union = each.masks[each.classes == name].any(axis=0)
            np.testing.assert_array_equal(planes[number] > 0, union & (each.scores[each.classes == name].max() > 0))
    for one, two in zip(found, find(weights, frames, prompts), strict=True):
        np.testing.assert_array_equal(one.scores, two.scores)
        np.testing.assert_array_equal(one.masks, two.masks)


def test_a_group_has_what_each_of_its_texts_finds(weights: Path, frames: np.ndarray) -> None:
    both = find(weights, frames[:1], {"hand": ["hand", "cup"]})[0]
    apart = [find(weights, frames[:1], {"hand": [text]})[0] for text in ("hand", "cup")]
    assert sorted(both.scores.tolist()) == sorted([*apart[0].scores.tolist(), *apart[1].scores.tolist()])
    assert apart[0].scores.tolist() != apart[1].scores.tolist()


def test_scores_are_the_librarys_own(weights: Path, frames: np.ndarray) -> None:
    from transformers import Sam3Model, Sam3Processor

    processor, network = Sam3Processor.from_pretrained(weights), Sam3Model.from_pretrained(weights).eval()
    with torch.inference_mode():
        outputs = network(**processor(images=list(frames[:1]), text="hand", return_tensors="pt"))
    (theirs,) = processor.post_process_instance_segmentation(outputs, threshold=FLOOR, target_sizes=[(GRID, GRID)])
    (ours,) = find(weights, frames[:1], {"hand": ["hand"]})
    has_mask = theirs["masks"].flatten(1).any(dim=1)
    assert has_mask.any()
    expected = theirs["scores"][has_mask].sort(descending=True).values.numpy()
    np.testing.assert_allclose(ours.scores[: len(expected)], expected, atol=1e-4)


def test_what_is_refused(weights: Path, tmp_path: Path) -> None:
    none = np.zeros((0, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match=r"^segment.prompts.hand: expected texts of at most 32 tokens, got \d+: 'x x"):
        find(weights, none, {"hand": ["x " * 40]})
    other = tiny_hub.save("eomt", tmp_path / "eomt")
    with pytest.raises(ValueError, match=r"config.json: model_type, expected sam3 or sam3_video, got 'eomt'$"):
        find(other, none, {"hand": ["hand"]})
