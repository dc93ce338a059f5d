"""The shipped weights: they load, their recipes fit the code, and they do what the recipes say."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from objabn.config.schema import Dataset
from objabn.model.x3d import x3d_blocks
from objabn.segmentation.segmenters.choice import build
from objabn.stores.masks import mask_iou
from objabn.synthetic.scenes import ACTIONS, OTHER_ACTIONS, make_scene, render_frame
from objabn.synthetic.synthesize import on_grid

ASSETS = Path(__file__).parents[2] / "objabn/assets"


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for path in ASSETS.iterdir()) < 12e6


@pytest.mark.parametrize("name", ["x3d_figures", "figures_rcnn"])
def test_they_have_seen_none_of_the_eight_actions(name: str) -> None:
    recipe = json.loads((ASSETS / f"{name}.json").read_text())
    assert recipe["actions"] == list(OTHER_ACTIONS)
    assert not set(recipe["actions"]) & set(ACTIONS)


def test_the_embedded_profile_starts_from_the_backbone(synthetic: Dataset) -> None:
    path = ASSETS / "x3d_figures.pyth"
    assert synthetic.model.pretrained == path.relative_to(ASSETS.parents[1]).as_posix()
    recipe = json.loads(path.with_suffix(".json").read_text())
    model = synthetic.model.model_dump(include={"width_factor", "depth_factor"})
    assert recipe["model"] == model
    blocks = x3d_blocks(num_classes=8, num_frames=8, crop=112, dropout=0.5, pretrained=str(path), **model)
    state = torch.load(path, weights_only=True)["model_state"]
    torch.testing.assert_close(blocks[2].state_dict(), {
        key.removeprefix("blocks.2."): value for key, value in state.items() if key.startswith("blocks.2.")
    })  # fmt: skip


def test_the_embedded_profiles_segmenter_finds_figures_of_the_eight_actions(synthetic: Dataset) -> None:
    path = ASSETS / "figures_rcnn.pth"
    settings = synthetic.segment.model_dump()
    assert settings["weights"] == path.relative_to(ASSETS.parents[1]).as_posix()
    segment = build(**settings | {"weights": str(path)})
    scenes = [make_scene(action, seed=5, split="shipped", number=number) for number, action in enumerate(ACTIONS)]
    frames, persons, _ = zip(*(render_frame(scene, 12) for scene in scenes), strict=True)
    found = segment(np.stack(frames))
    union = np.stack([each.masks[each.scores >= synthetic.mask.score_threshold].any(axis=0) for each in found])
    assert {name for each in found for name in each.classes} == {"person"}
    assert mask_iou(union, on_grid(np.stack(persons))).mean() > 0.85
