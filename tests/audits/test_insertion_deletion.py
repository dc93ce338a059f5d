"""Insertion and deletion of whole networks: by their own maps, by others, and the same areas as in an evaluation."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from objabn.audits.insertion_deletion import curves_of
from objabn.clips.batches import clip_tensors, loader
from objabn.config.rows import MAPS
from objabn.evaluation.insertion_deletion import area, areas_in_space
from tests.helpers.clips import FRAMES, SIZE, open_made, parameters, write_stores

QUARTERS = (0, 0.25, 0.5, 0.75, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five videos of random frames."""
    draw, videos = np.random.default_rng(0), {}
    for number in range(5):
        frames = draw.integers(0, 256, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
        videos[f"v{number}"] = ("abc"[number % 3], frames, np.ones((FRAMES, 4, 4), bool))
    folder = tmp_path_factory.mktemp("stores") / "made"
    write_stores(folder, videos)
    return folder


@pytest.mark.parametrize("attention", ["abn", "mask", "mha"])
def test_curves_of_a_network(synthetic, folder: Path, make_model, attention: str) -> None:
    params = parameters(synthetic, views=2)
    dataset, model = open_made(folder, params, ["a", "b", "c"]), make_model(attention=attention, pc=False)
    per_video, mean = curves_of(model, attention, dataset, params, shares=QUARTERS)
    ranked = [name for name in MAPS[attention] if name != "b"] + ["random"]
    names = {f"{kind}_{time}{name}" for kind in ("insertion", "deletion") for time in ("", "time_") for name in ranked}
    assert set(per_video.columns[2:]) == set(mean["curve"]) == names
    assert per_video["video"].tolist() == [f"v{number}" for number in range(5)]
    curves = dict(list(mean.groupby("curve")))
    for name, curve in curves.items():
        assert curve["share"].tolist() == [0, 0.25, 0.5, 0.75, 1]
        found = area(curve["share"].to_numpy(), curve["probability"].to_numpy()[None])
        assert float(found[0]) == pytest.approx(per_video[name].mean())  # the mean's area is the areas' mean
        first, last = curve["probability"].iloc[0], curve["probability"].iloc[-1]
        whole, nothing = (last, first) if name.startswith("insertion") else (first, last)
        beside = curves[f"insertion_{'time_' if 'time' in name else ''}random"]["probability"]
        assert (nothing, whole) == (beside.iloc[0], beside.iloc[-1])  # the same ends whatever ranks
    again = curves_of(model, attention, dataset, params, shares=QUARTERS).per_video
    assert again.equals(per_video)


def test_a_row_without_maps_has_nothing_that_ranks(synthetic, folder: Path, make_model) -> None:
    params = parameters(synthetic)
    dataset = open_made(folder, params, ["a", "b", "c"])
    with pytest.raises(AssertionError, match="plain has no map that ranks"):
        curves_of(make_model(attention="plain", pc=False), "plain", dataset, params)


def test_maps_of_another_kind_rank_as_well(synthetic, folder: Path, make_model) -> None:
    """As Grad-CAM's in an audit; a row without an attention branch has such maps alone."""
    params = parameters(synthetic)
    dataset, seen = open_made(folder, params, ["a", "b", "c"]), []

    def maps_of(clips: Tensor) -> dict[str, Tensor]:
        seen.append(clips.shape)
        return {"g": clips.new_ones(len(clips), 4, 4, 4)}

    model = make_model(attention="plain", pc=False)
    per_video, _ = curves_of(model, "plain", dataset, params, maps_of=maps_of, shares=QUARTERS)
    assert {name.rpartition("_")[2] for name in per_video.columns[2:]} == {"g", "random"}
    assert seen == [(3, 3, 4, SIZE, SIZE), (2, 3, 4, SIZE, SIZE)]


def test_areas_in_space_are_those_of_the_audit(synthetic, folder: Path, make_model) -> None:
    params = parameters(synthetic)
    dataset, model = open_made(folder, params, ["a", "b", "c"]), make_model(attention="mha", pc=False).eval()
    expected = curves_of(model, "mha", dataset, params).per_video
    [batch] = loader(dataset, 5, workers=0)
    clips = clip_tensors(batch, SIZE)
    with torch.no_grad():
        output = model(clips)
    rankings = {"u": output.maps[:, 0], "o": output.maps[:, 1]}
    found = areas_in_space(model, clips, rankings, dataset.table["video"], output.perception_logits.argmax(dim=1))
    assert list(found) == [f"{kind}_{name}" for name in ("u", "o", "random") for kind in ("insertion", "deletion")]
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=1e-5)
