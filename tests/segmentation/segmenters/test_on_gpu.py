"""Segmenters on a GPU: the CPU's masks, and bf16's beside them. `pytest -m gpu`"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objabn.segmentation.segmenters import choice
from objabn.segmentation.segmenters.instances import Instances, planes_of
from objabn.stores.masks import GROUPS
from tests.helpers import tiny_hub
from tests.helpers.instances import textured
from tests.helpers.precision import without_tf32
from tests.helpers.semantic import save_random

pytestmark = pytest.mark.gpu
PROMPTS = {"person": ["person"], "hand": ["hand"], "object": ["thing"]}
FLOOR = 0.05


@pytest.fixture(autouse=True)
def _no_tf32() -> Iterator[None]:
    with without_tf32():
        yield


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Wider than high, so that what pads, pads."""
    return np.stack([textured(48, 72, seed) for seed in range(6)]).astype(np.uint8)


def alike(here: list[Instances], there: list[Instances], groups: tuple[str, ...], atol: float) -> None:
    """Scores of the best instances, and nine in ten cells of the planes.

    A GPU rounds resized frames otherwise, and random networks make a grey level of noise a third of a score.
    """
    assert len(here) == len(there) == 6
    for one, other in zip(here, there, strict=True):
        least = min(len(one.scores), len(other.scores), 5)
        assert abs(len(one.scores) - len(other.scores)) <= 0.2 * len(one.scores) + 1
        np.testing.assert_allclose(other.scores[:least], one.scores[:least], atol=atol)
    planes, others = (np.stack([planes_of(each, groups) for each in found]) for found in (here, there))
    assert planes.shape == others.shape
    assert (planes > 0).mean() > 0.15
    assert (np.abs(planes.astype(int) - others) > 255 * atol).mean() < 0.1


@pytest.mark.parametrize(("bf16", "atol"), [(False, 0.03), (True, 0.1)])
@pytest.mark.parametrize("kind", ["rf_detr", "mask2former", "maskformer", "eomt", "eomt_dinov3", "sam3"])
def test_checkpoints_of_the_hub(tmp_path: Path, frames: np.ndarray, kind: str, bf16: bool, atol: float) -> None:
    pytest.importorskip("transformers")
    settings: dict[str, Any] = {"weights": str(tiny_hub.save(kind, tmp_path / kind)), "score_floor": FLOOR}
    backend, groups = ("sam3", tuple(PROMPTS)) if kind == "sam3" else ("transformers", GROUPS)
    settings |= {"prompts": PROMPTS} if kind == "sam3" else {"batch_size": 4}
    here = choice.build(backend, **settings, bf16=bf16, device="cpu")(frames, "")
    there = choice.build(backend, **settings, bf16=bf16, device="cuda")(frames, "")
    alike(here, there, groups, atol)


def test_a_semantic_model(tmp_path: Path, frames: np.ndarray) -> None:
    """bf16 on the GPU. DeepLabV3 with random weights is no test: a grey level of noise changes most of its cells."""
    model = "lraspp_mobilenet_v3_large"
    settings = {"weights": str(save_random(model, tmp_path / "weights.pth")), "model": model, "short_edge": 64}
    here, there = (
        choice.build("torchvision", **settings, batch_size=4, device=device)(frames, "") for device in ("cpu", "cuda")
    )
    alike(here, there, GROUPS, 0.15)
