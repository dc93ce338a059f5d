"""Audits of networks that are no X3D: what each may hold is drawn anew, and the ways through them are the same."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from objabn.audits.backgrounds import accuracy_on_backgrounds
from objabn.audits.methods import measure_methods
from objabn.audits.sanity import cascading_randomisation, draw_anew
from objabn.config.schema import Dataset, GradCam
from objabn.evaluation.evaluate import evaluate_run
from objabn.evaluation.kept_maps import MapKeeper
from objabn.model.run import Run, build_model
from objabn.networks.torchvision import adapt
from tests.helpers.any_network import check_any_network
from tests.helpers.clips import open_made, parameters, write_random
from tests.helpers.foreign import CLASSES, GRID, Foreign, T, some_clips
from tests.helpers.tiny_video import TORCHVISION, of_torchvision

SMALL_R3D = f"{Path(__file__).parents[2] / 'docs/models/small_r3d.py'}:backbone"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three videos of random frames."""
    return write_random(tmp_path_factory.mktemp("stores") / "made", 3, "abc")


@pytest.fixture
def params(synthetic: Dataset) -> Dataset:
    return parameters(synthetic).model_copy(update={"gradcam": GradCam(layer="tokens")})


@pytest.mark.parametrize("halved", [True, False])
def test_all_that_is_asked_of_a_network(synthetic: Dataset, halved: bool) -> None:
    check_any_network(Foreign(halved=halved), some_clips(), "tokens", synthetic.eval)


@pytest.mark.parametrize("name", TORCHVISION)
def test_all_that_is_asked_of_torchvisions_networks(synthetic: Dataset, name: str) -> None:
    module, num_frames, size = of_torchvision(name)
    if name == "s3d":
        module.avgpool.kernel_size = (2, 2, 2)  # it pools 7 x 7 cells, those of 224 pixels
    size = {"s3d": 64, "mvit_v2_s": size, "swin3d_t": size}.get(name, 32)  # of smaller clips the three others are quick
    network = adapt(name, module, num_frames=num_frames, size=size)
    clips = torch.randn(2, 3, num_frames, size, size, generator=torch.Generator().manual_seed(0))
    check_any_network(network, clips, network.layer, synthetic.eval)


class Bare(nn.Module):
    """A module with weights of its own, one of them all 0."""

    def __init__(self) -> None:
        super().__init__()
        self.position, self.token = nn.Parameter(torch.full((3, 4), 5.0)), nn.Parameter(torch.zeros(1, 4))


@pytest.mark.parametrize(
    "layer",
    [nn.Conv1d(3, 4, 2), nn.Conv2d(3, 4, 2), nn.ConvTranspose3d(3, 4, 2), nn.LayerNorm(4), nn.GroupNorm(2, 4),
     nn.BatchNorm1d(4), nn.Embedding(5, 4), nn.MultiheadAttention(4, 2), nn.GRU(3, 4), nn.PReLU(), Bare()],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_no_weight_survives_whatever_layer_it_is_of(layer: nn.Module) -> None:
    before = {name: values.detach().clone() for name, values in layer.state_dict().items()}
    with torch.no_grad():
        for values in layer.state_dict().values():
            values.add_(1)
    learnt = {name: values.clone() for name, values in layer.state_dict().items()}
    draw_anew([layer], torch.Generator().manual_seed(0))
    drawn = {name: values.clone() for name, values in layer.state_dict().items()}
    assert not any(torch.equal(values, learnt[name]) for name, values in drawn.items())
    assert all(values.isfinite().all() for values in drawn.values())
    if isinstance(layer, nn.LayerNorm | nn.GroupNorm | nn.BatchNorm1d):
        assert all(torch.equal(values, before[name]) for name, values in drawn.items())


def test_a_weight_of_its_own_keeps_its_size() -> None:
    """A scale drawn too small would silence the network, and a dark map says nothing."""
    bare = Bare()
    draw_anew([bare], torch.Generator().manual_seed(0))
    assert 2 < float(bare.position.detach().square().mean().sqrt()) < 10
    assert 0 < float(bare.token.detach().abs().max()) < 0.1


def test_the_sanity_check_of_a_network_with_tokens(params: Dataset, folder: Path) -> None:
    dataset = open_made(folder, params, list(CLASSES))
    table = cascading_randomisation(Foreign(), "plain", dataset, params)
    assert table["map"].unique().tolist() == ["g", "s", "l"]
    assert table["step"].unique().tolist() == ["another class", "head", "tokens", "block", "stem", "centre prior"]
    last = table[table["step"] == "stem"].set_index("map")["correlation"]
    assert (last.abs() < 0.9).any()
    assert table["correlation"].notna().any()


def test_the_sanity_check_of_a_branch_of_fewer_steps(params: Dataset, folder: Path) -> None:
    """Its own maps have two steps for four frames, the centre prior has all frames."""
    own = {"backbone": SMALL_R3D, "split": "layer2", "pretrained": None, "frozen": None}
    block = params.model_copy(update={"model": params.model.model_copy(update=own), "gradcam": GradCam(layer="layer3")})
    model = build_model(Run(block, "mask", False, 0), len(CLASSES))
    assert (model.map_frames, params.data.num_frames) == (2, 4)
    table = cascading_randomisation(model, "mask", open_made(folder, params, list(CLASSES)), block)
    assert table["map"].unique().tolist() == ["o", "g", "s", "l"]
    own_map = table[table["map"] == "o"].set_index("step")["correlation"]
    assert own_map["layer4"] == pytest.approx(1)  # it stands before
    assert own_map["stem"] < 0.999


def test_the_audits_of_a_network_of_fewer_steps(params: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from objabn.audits import methods

    whole: Callable = methods.perturbation_maps
    monkeypatch.setattr(methods, "perturbation_maps", lambda *given: whole(*given, num_masks=3))
    dataset, network = open_made(folder, params, list(CLASSES)), Foreign()
    per_video, mean = measure_methods(network, "plain", dataset, params, shares=(0, 0.5, 1))
    assert {"insertion_g", "deletion_time_s", "insertion_p", "entropy_p"} <= set(per_video)
    assert per_video[["flicker_g", "flicker_s", "flicker_l"]].isna().all(axis=None)
    assert per_video[["flicker_m", "flicker_p", "insertion_time_g"]].notna().all(axis=None)
    assert mean["probability"].between(0, 1).all()
    found = accuracy_on_backgrounds(network, dataset, params)
    assert list(found) == ["video", "label", "top1", "top1_foreground", "top1_background", "top1_pasted",
                           "top1_swapped"]  # fmt: skip


def test_the_evaluation_of_a_network_of_fewer_steps(params: Dataset, folder: Path) -> None:
    """Its maps are kept for each frame, its answers are its own."""
    dataset, network = open_made(folder, params, list(CLASSES)), Foreign()
    keeper = MapKeeper(dataset, "plain")
    [table] = evaluate_run(network, "plain", dataset, params, rank=True, keep=keeper)
    kept = keeper.kept()
    assert kept.maps.shape == (3, 1, T, GRID, GRID)
    assert np.array_equal(kept.maps[:, :, ::2], kept.maps[:, :, 1::2])
    assert set(table["predicted"]) <= set(CLASSES)
    assert table["flicker_g"].isna().all()
    assert table[["entropy_g", "insertion_s", "iou_truth_l", "flicker_m"]].notna().all(axis=None)
    assert not any(name in table for name in ("top1_even", "top1_attention"))
