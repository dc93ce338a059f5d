"""All methods side by side: curves and areas of whole networks, what is measured of which videos, of which maps."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from objabn.audits import methods
from objabn.audits.methods import measure_methods
from objabn.config.rows import evaluated_maps
from objabn.config.schema import Dataset
from objabn.evaluation.evaluate import evaluate_run
from objabn.evaluation.insertion_deletion import area
from tests.helpers.clips import open_made, parameters, write_random

HALVES = (0, 0.5, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five videos of random frames."""
    return write_random(tmp_path_factory.mktemp("stores") / "made", 5, "abc")


@pytest.fixture(autouse=True)
def few_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map of the perturbation method from 3 masks."""
    whole = methods.perturbation_maps
    monkeypatch.setattr(methods, "perturbation_maps", lambda *given: whole(*given, num_masks=3))


def given(synthetic: Dataset, views: int, ranking: int | None) -> Dataset:
    params = parameters(synthetic, views)
    return params.model_copy(update={"eval": params.eval.model_copy(update={"ranking_videos": ranking})})


@pytest.mark.parametrize("attention", ["plain", "mha"])
def test_what_is_measured_of_a_network(synthetic, folder: Path, make_model: Callable, attention: str) -> None:
    params = given(synthetic, views=2, ranking=2)
    dataset, model = open_made(folder, params, ["a", "b", "c"]), make_model(attention=attention, pc=False)
    per_video, mean = measure_methods(model, attention, dataset, params, shares=HALVES)
    ranked = [name for name in evaluated_maps(attention) if name != "b"] + ["random", "p"]
    names = {f"{kind}_{time}{name}" for kind in ("insertion", "deletion") for time in ("", "time_") for name in ranked}
    assert set(mean["curve"]) == names <= set(per_video)
    assert {f"{measure}_{name}" for measure in ("pointing", "energy", "entropy_object", "iou_truth")
            for name in (*evaluated_maps(attention), "p")} <= set(per_video)  # fmt: skip
    assert not any(name.startswith("iou_curve") for name in per_video)
    assert per_video["video"].tolist() == [f"v{number}" for number in range(5)]
    of_p = [name for name in per_video if name.endswith("_p") and name != "lit_empty_p"]  # all frames have an object
    known = per_video[["insertion_p", "deletion_time_p", "energy_p", "range_p"]].notna()
    assert (known.sum() == 2).all()  # the drawn ones
    assert per_video.loc[~known["insertion_p"], of_p].isna().all(axis=None)
    assert per_video[[f"insertion_{name}" for name in ranked if name != "p"]].notna().all(axis=None)
    curves = dict(list(mean.groupby("curve")))
    for name, curve in curves.items():
        assert curve["share"].tolist() == [0, 0.5, 1]
        found = area(curve["share"].to_numpy(), curve["probability"].to_numpy()[None])
        assert float(found[0]) == pytest.approx(per_video[name].mean())  # the mean's area is the areas' mean
        if not name.endswith("_p"):
            beside = curves[f"{name.rpartition('_')[0]}_random"]["probability"]
            ends = curve["probability"].iloc[[0, -1]].tolist()
            assert ends == beside.iloc[[0, -1]].tolist()  # the same ends whatever ranks


@pytest.mark.parametrize("ranking", [0, None])
def test_the_perturbation_method_has_none_or_all_videos(synthetic, folder: Path, make_model, ranking) -> None:
    params = given(synthetic, views=1, ranking=ranking)
    model = make_model(attention="plain", pc=False)
    found = measure_methods(model, "plain", open_made(folder, params, ["a", "b", "c"]), params, shares=(0, 1)).per_video
    assert ("insertion_p" in found) == (ranking is None)
    assert ranking == 0 or found["insertion_p"].notna().all()


def test_numbers_are_those_of_the_evaluation(synthetic, folder: Path, make_model: Callable) -> None:
    params = given(synthetic, views=1, ranking=None)
    dataset, model = open_made(folder, params, ["a", "b", "c"]), make_model(attention="mask", pc=False)
    audited = measure_methods(model, "mask", dataset, params).per_video
    [evaluated] = evaluate_run(model, "mask", dataset, params.model_copy(
        update={"eval": params.eval.model_copy(update={"batch_size": 5})}), rank=True)  # fmt: skip
    shared = [name for name in audited if name in evaluated and name not in ("video", "label")]
    assert {"insertion_o", "deletion_random", "pointing_m", "entropy_g"} <= set(shared)
    for name in shared:
        np.testing.assert_allclose(audited[name], evaluated[name], atol=1e-4, err_msg=name)
