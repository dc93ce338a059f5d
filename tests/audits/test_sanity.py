"""Sanity checks of maps: rank correlation by hand, what is drawn anew in each step, and what depends on it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from torch import nn

from objabn.audits.sanity import CENTRE, CLASS, cascading_randomisation, randomised, rank_correlation
from objabn.clips.batches import clip_tensors
from objabn.config.rows import MAPS
from objabn.config.schema import Dataset, GradCam
from objabn.evaluation.posthoc import posthoc_maps
from tests.helpers.clips import SIZE, open_made, parameters, write_random

BEHIND = ["projection", "head", "res5", "res4"]
BELOW = ["res3", "res2", "stem"]


def frames(*cells: list[float]) -> np.ndarray:
    """A clip of frames of 1 x n cells, (1, T, 1, n)."""
    return np.array(cells, np.float32)[None, :, None]


def test_rank_correlation_by_hand() -> None:
    one = frames([0.1, 0.2, 0.3, 0.9], [0.1, 0.2, 0.3, 0.9], [0.1, 0.2, 0.3, 0.9], [0, 0, 1, 1])
    other = frames([0, 1, 2, 3], [3, 2, 1, 0], [0, 2, 1, 3], [0, 1, 1, 1])
    # 1 - 6 (1 + 1) / (4 (16 - 1)) = 0.8; with ranks 1.5, 1.5, 3.5, 3.5 against 1, 3, 3, 3: 2 / sqrt(4 * 3)
    np.testing.assert_allclose(rank_correlation(one, other), [[1, -1, 0.8, 1 / np.sqrt(3)]])


def test_a_frame_without_order_has_no_correlation() -> None:
    one = frames([0.5, 0.5 + 1e-8, 0.5], [0, 0.1, 0.2], [0, 0, 0])
    other = frames([0, 1, 2], [0.3, 0.3, 0.3], [0, 0, 0])
    assert np.isnan(rank_correlation(one, other)).all()


@given(seed=st.integers(0, 1000))
def test_rank_correlation_is_scipys(seed: int) -> None:
    one, other = np.random.default_rng(seed).integers(0, 5, (2, 2, 3, 3, 4)) / 4  # many are equal
    expected = [[spearmanr(one[clip, at].ravel(), other[clip, at].ravel())[0] for at in range(3)] for clip in range(2)]
    np.testing.assert_allclose(rank_correlation(one, other), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("attention", "between"),
    [("plain", []), ("abn", ["attention branch"]), ("mha", ["mixer", "attention branch"])],
)
def test_each_weight_is_drawn_anew_in_one_step(make_model: Callable, attention: str, between: list[str]) -> None:
    model = make_model(attention=attention, pc=False).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1)  # no weight is as it begins
    before = {name: value.clone() for name, value in model.state_dict().items()}
    steps, changed = [], dict.fromkeys(before, 0)
    last = before
    for step, network in randomised(model):
        state = {name: value.clone() for name, value in network.state_dict().items()}
        for name in before:
            changed[name] += not torch.equal(state[name], last[name])
        steps.append(step)
        last = state
    assert steps == [*BEHIND, *between, *BELOW]
    learnt = {name for name in before if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert {changed[name] for name in learnt} == {1}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    [*_, (_, again)], [*_, (_, other)] = randomised(model), randomised(model, seed=1)
    assert all(torch.equal(value, last[name]) for name, value in again.state_dict().items())
    assert not torch.equal(other.perception_branch[-1].proj.weight, again.perception_branch[-1].proj.weight)


def test_steps_hold_whole_layers(make_model: Callable) -> None:
    model = make_model(attention="mha", pc=False)
    steps = dict(model.steps())
    assert steps["projection"] == [model.perception_branch[-1].proj]
    assert steps["res5"] == [model.perception_branch[1]]
    assert steps["attention branch"] == [model.attention_branch]
    assert steps["stem"] == [model.extractor[0]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five videos of random frames."""
    return write_random(tmp_path_factory.mktemp("stores") / "made", 5, "abc")


def called_flat(params: Dataset, flat_range: float) -> Dataset:
    """Parameters with which a map is flat below this range."""
    return params.model_copy(update={"eval": params.eval.model_copy(update={"flat_range": flat_range})})


@pytest.mark.parametrize("attention", ["plain", "mask", "mha"])
def test_what_depends_on_what(synthetic, folder: Path, make_model: Callable, attention: str) -> None:
    params = called_flat(parameters(synthetic, views=2), 1e-6).model_copy(update={"gradcam": GradCam(layer="split")})
    dataset, model = open_made(folder, params, ["a", "b", "c"]), make_model(attention=attention, pc=False)
    for weight in model.parameters():
        nn.init.normal_(weight, 0.0, 0.3)
    table = cascading_randomisation(model, attention, dataset, params, num_videos=3)
    found = table.pivot(index="map", columns="step", values="correlation")
    own = list(MAPS[attention])
    assert set(found.index) == {*own, "g", "s", "l"}
    behind = [CLASS, *BEHIND] + (["mixer"] if attention == "mha" else [])
    assert (found.loc[own, behind] == 1).all(axis=None)  # by design
    after = [*(["attention branch"] if own else []), *BELOW]
    assert (found.loc[own, after] < 0.99).all(axis=None)
    assert (found.loc["l", [*BEHIND, *after]] < 0.99).all(axis=None)
    assert not (found.loc["g", [*BEHIND, *after]] > 0.99).any()  # NaN where nothing speaks for the class
    assert found.loc["g"].equals(found.loc["s"])  # the same layer
    assert (table["compared"] == 0).equals(table["correlation"].isna())
    assert table["compared"].max() == 1
    pd.testing.assert_frame_equal(
        cascading_randomisation(model, attention, dataset, params, num_videos=3), table, rtol=1e-5
    )


def test_the_centre_priors_line_is_the_trained_maps_own(synthetic, folder: Path, make_model: Callable) -> None:
    params = called_flat(parameters(synthetic), 1e-6)  # an untrained network's maps hardly vary
    dataset, model = open_made(folder, params, ["a", "b", "c"]), make_model(attention="mask", pc=False).eval()
    table = cascading_randomisation(model, "mask", dataset, params).set_index(["map", "step"])
    items = [dataset[number] for number in range(5)]
    batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
    found = posthoc_maps(model, clip_tensors(batch, SIZE), "res5")
    prior = found.maps["c"][:, 0].numpy()
    expected = rank_correlation(found.output.maps[:, 0].numpy(), prior).mean()
    assert table.loc[("o", CENTRE), "correlation"] == pytest.approx(expected, abs=1e-5)
    assert table.loc[("o", CENTRE), "compared"] == 1


def test_frames_whose_trained_map_is_flat_are_left_out(synthetic, folder: Path, make_model: Callable) -> None:
    """The network's own M_o calls half of its 20 frames flat; of a random network's map any order counts."""
    dataset, model = open_made(folder, parameters(synthetic), ["a", "b", "c"]), make_model(attention="mask", pc=False)
    model = model.eval()
    items = [dataset[number] for number in range(5)]
    batch = {name: torch.stack([item[name] for item in items]) for name in items[0]}
    found = posthoc_maps(model, clip_tensors(batch, SIZE), "res5")
    own, prior = found.output.maps[:, 0].numpy(), found.maps["c"][:, 0].numpy()
    ranges = np.ptp(own, axis=(2, 3))  # (5, 4)
    params = called_flat(parameters(synthetic), float(np.median(ranges)))
    table = cascading_randomisation(model, "mask", dataset, params).set_index(["map", "step"])
    of_frames = np.where(ranges < params.eval.flat_range, np.nan, rank_correlation(own, prior))
    kept = ~np.isnan(of_frames).all(axis=1)
    assert table.loc[("o", CENTRE), "compared"] == pytest.approx(0.5)
    assert table.loc[("o", CENTRE), "correlation"] == pytest.approx(
        np.nanmean(of_frames[kept], axis=1).mean(), abs=1e-5
    )
    assert (table.loc["o"].loc[BEHIND, "compared"] == 0.5).all()
    whole = cascading_randomisation(model, "mask", dataset, called_flat(params, 1.1))
    assert (whole["compared"] == 0).all()
    assert whole["correlation"].isna().all()
