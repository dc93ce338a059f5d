"""The network: shapes, where gradients go, Eq. 1 and Eq. 4-6 by hand, and weights that survive being loaded."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
from pytorchvideo.models.hub.x3d import checkpoint_paths, x3d_m
from pytorchvideo.models.x3d import create_x3d
from torch import Tensor, nn

from objabn.config.file import load_params
from objabn.config.rows import MAPS
from objabn.config.schema import BLOCKS
from objabn.model import network
from objabn.model.depthwise import memory_format
from objabn.model.network import ObjectABN
from objabn.model.weighting import MapMixer, apply_map
from objabn.model.x3d import check_backbone, x3d_blocks
from objabn.training.losses import total_loss

NUM_MAPS = {"abn": 1, "mask": 1, "mha": 3}
UCF101 = load_params(Path(__file__).parents[2] / "params.yaml").datasets["ucf101"]
PAPERS = UCF101.model.model_copy(update={"pretrained": None})  # the paper's network, from no weights
WEIGHTS = UCF101.loss_weights
SMALL = {"num_frames": 4, "crop": 32, "width_factor": 1.0, "depth_factor": 1.0, "dropout": 0.5}
SHAPE = {name: value for name, value in SMALL.items() if name != "dropout"}


def random_clips(num_clips: int = 2, crop: int = 32) -> Tensor:
    return torch.randn(num_clips, 3, 4, crop, crop, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("attention", NUM_MAPS)
def test_shapes_and_range(make_model, attention):
    model = make_model(attention=attention)
    output = model(random_clips())
    assert output.even_logits is None
    assert {name: tuple(value.shape) for name, value in output._asdict().items() if value is not None} == {
        "attention_logits": (2, 3),
        "perception_logits": (2, 3),
        "maps": (2, NUM_MAPS[attention], 4, 4, 4),
        "features": (2, 8),
    }
    assert ((output.maps >= 0) & (output.maps <= 1)).all()
    assert output.maps.std() > 0.01
    assert (model.centroids.shape, model.map_size) == ((3, 8), 4)


def test_centroids_are_for_the_pc_loss_only(make_model):
    assert make_model(pc=False).centroids is None
    assert make_model(centroid_std=5.0, num_classes=200).centroids.std().item() == pytest.approx(5, rel=0.1)


@pytest.mark.parametrize("crop", [32, 48, 100])
@pytest.mark.parametrize("split", ["res2", "res3", "res4"])
def test_map_size_is_the_size_of_the_maps(make_model, split, crop):
    with torch.device("meta"):  # shapes without arithmetic
        model = make_model(split=split, crop=crop)
        assert model(torch.empty(1, 3, 4, crop, crop)).maps.shape == (1, 3, 4, model.map_size, model.map_size)


@pytest.mark.parametrize("split", ["res2", "res3", "res4"])
def test_plain_is_the_unsplit_x3d(make_model, split):
    model = make_model(attention="plain", pc=True, split=split, dropout=0.0).train()  # logits differ more than in eval
    torch.manual_seed(0)
    whole = nn.Sequential(*x3d_blocks(num_classes=3, **SMALL | {"dropout": 0.0}))
    whole.to(memory_format=torch.channels_last_3d)
    clips = random_clips()
    with torch.no_grad():
        output, logits = model(clips), whole(clips)
    torch.testing.assert_close(output.perception_logits, logits)
    assert logits.std() > 0.01
    assert output.maps.shape == (2, 0, 4, model.map_size, model.map_size)
    assert (output.attention_logits, output.features, model.centroids) == (None, None, None)
    assert len(list(model.parameters())) == len(list(whole.parameters()))


@pytest.mark.parametrize("depthwise", ["auto", "channels_last"])
def test_the_memory_format_is_that_of_the_device(make_model, depthwise: str) -> None:
    """A memory format can be looked at without a device, but for the device's type, which is stood in for."""
    model = make_model(depthwise=depthwise)
    weights = [weight for weight in model.parameters() if weight.dim() == 5]
    assert all(weight.is_contiguous(memory_format=torch.channels_last_3d) for weight in weights)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(network, "memory_format", lambda how, device: memory_format(how, torch.device("cuda")))
        model.to(torch.device("cpu"))
    # Strides, not `is_contiguous`: cuDNN looks at those of sides of length 1, too.
    plain = [weight.stride() == torch.empty(weight.shape).stride() for weight in weights]
    assert all(plain) if depthwise == "auto" else not any(plain)
    model.to("cpu")
    assert all(weight.is_contiguous(memory_format=torch.channels_last_3d) for weight in weights)


def test_the_papers_network():
    with torch.device("meta"):
        model = ObjectABN(PAPERS, attention="mask", pc=True, num_classes=101, num_frames=16, crop=224)
        clips = torch.empty(1, 3, 16, 224, 224)
        assert model.extractor(clips).shape == (1, 96, 16, 14, 14)
        output = model(clips)
    assert output.maps.shape == (1, 1, 16, 14, 14)
    assert output.features.shape == (1, 192)
    assert model.centroids.shape == (101, 192)
    assert output.perception_logits.shape == (1, 101)
    assert len(model.attention_branch.blocks.res_blocks) == 3


def test_x3d_m_has_379_million_parameters():
    with torch.device("meta"):
        blocks = x3d_blocks(num_classes=400, num_frames=16, crop=224, width_factor=2.0, depth_factor=2.2, dropout=0.5)
    assert len(blocks) == 6
    assert round(sum(weight.numel() for block in blocks for weight in block.parameters()) / 1e6, 2) == 3.79


@pytest.mark.parametrize("training", [True, False])
def test_logits_are_not_softmaxed(make_model, training):
    model = make_model().train(training)
    wanted = torch.tensor([10.0, -20.0, 30.0])
    for layer in (model.attention_branch.classifier, model.perception_branch[-1].proj):
        nn.init.zeros_(layer.weight)
        layer.bias.data = wanted.clone()
    output = model(random_clips())
    torch.testing.assert_close(output.attention_logits, wanted.expand(2, 3))
    torch.testing.assert_close(output.perception_logits, wanted.expand(2, 3))


def with_gradient(model: nn.Module) -> set[str]:
    """The network's parts that have a gradient other than 0."""
    return {
        name.split(".")[0] for name, weight in model.named_parameters() if weight.grad is not None and weight.grad.any()
    }


def test_gradients_reach_every_part(make_model):
    model = make_model().train()
    output = model(random_clips())
    total, _ = total_loss(
        output, torch.tensor([0, 1]), attention="mha", union_masks=torch.ones(2, 4, 4, 4),
        centroids=model.class_centroids, weights=WEIGHTS,
    )  # fmt: skip
    total.backward()
    assert with_gradient(model) == {"extractor", "attention_branch", "perception_branch", "mixer", "centroids"}
    none = [
        name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.isfinite().all()
    ]
    assert none == []


@pytest.mark.parametrize(
    ("output", "parts"),
    [
        ("perception_logits", {"extractor", "attention_branch", "perception_branch", "mixer"}),  # through the maps, too
        ("attention_logits", {"extractor", "attention_branch"}),
        ("features", {"extractor", "attention_branch"}),
        ("maps", {"extractor", "attention_branch"}),
    ],
)
def test_where_each_outputs_gradient_goes(make_model, output, parts):
    model = make_model().train()
    getattr(model(random_clips()), output).square().sum().backward()
    assert with_gradient(model) == parts
    through_maps = model.attention_branch.map_head[0].weight.grad is not None
    assert through_maps == (output in ("perception_logits", "maps"))


BLOCK_OF = {  # of the extractor or the perception branch of a network split after res3 -> its X3D block
    **{f"extractor.{number}": name for number, name in enumerate(BLOCKS[:3])},
    "perception_branch.0": "res4", "perception_branch.1": "res5", "perception_branch.2": "head",
}  # fmt: skip


@pytest.mark.parametrize(
    ("frozen", "still"), [(None, set()), ("stem", {"stem"}), ("res2", {"stem", "res2"}), ("res3", {*BLOCKS[:3]})]
)
def test_frozen_blocks_stay_as_they_are_while_the_others_move(make_model, frozen, still):
    model = make_model(frozen=frozen)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimiser = torch.optim.SGD([weight for weight in model.parameters() if weight.requires_grad], lr=0.1)
    model.eval()
    output = model.train()(random_clips())
    total, _ = total_loss(
        output, torch.tensor([0, 1]), attention="mha", union_masks=torch.ones(2, 4, 4, 4),
        centroids=model.class_centroids, weights=WEIGHTS.model_copy(update={"pc": 1.0}),
    )  # fmt: skip
    total.backward()
    optimiser.step()
    moved: dict[str, set[str]] = {}
    for name, value in model.state_dict().items():
        part = ".".join(name.split(".")[:2])
        if not torch.equal(value, before[name]):
            kind = "statistics" if "running_" in name else "count" if "num_batches" in name else "weights"
            moved.setdefault(BLOCK_OF.get(part, part.split(".")[0]), set()).add(kind)
    everything = {"weights", "statistics", "count"}
    assert moved == {
        **{block: everything for block in BLOCKS if block not in still},
        "attention_branch": everything,
        "head": everything,
        "mixer": {"weights"},
        "centroids": {"weights"},
    }
    assert {name for name, weight in model.named_parameters() if weight.grad is None} == {
        name for name, _ in model.named_parameters() if BLOCK_OF.get(name[: len("extractor.0")]) in still
    }


@pytest.mark.parametrize("attention", NUM_MAPS)
def test_batched_equals_single_in_evaluation(make_model, attention):
    model = make_model(attention=attention).eval()
    clips = random_clips(3)
    with torch.no_grad():
        together, alone = model(clips), [model(clip[None]) for clip in clips]
    for name, value in together._asdict().items():
        if value is None:  # even_logits
            continue
        torch.testing.assert_close(value, torch.cat([getattr(each, name) for each in alone]), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("apply", ["multiply", "residual"])
def test_the_perception_branch_sees_the_weighted_features(make_model, apply):
    model = make_model(attention="mask", attention_apply=apply).eval()
    clips = random_clips()
    with torch.no_grad():
        h1 = model.extractor(clips)
        _, maps, features = model.attention_branch(h1)
        weighted = h1 * maps if apply == "multiply" else h1 * maps + h1
        output = model(clips)
        torch.testing.assert_close(output.perception_logits, model.perception_branch(weighted))
    torch.testing.assert_close(output.maps, maps)
    torch.testing.assert_close(output.features, features)
    torch.testing.assert_close(features, model.attention_branch.blocks(h1).mean(dim=(2, 3, 4)))


@pytest.mark.parametrize("prior", [0.1, 0.3, 0.5, 0.8])
@pytest.mark.parametrize("attention", NUM_MAPS)
def test_maps_start_about_the_prior(make_model, attention, prior):
    model = make_model(attention=attention, foreground_prior=prior).train()
    with torch.no_grad():
        maps = model(random_clips(8)).maps
    starts = {"u": 0.5, "o": prior, "b": 1 - prior}
    expected = torch.tensor([starts[name] for name in MAPS[attention]])
    # BatchNorm's output has mean bias and deviation 1, which draws the sigmoid's mean a little towards 0.5
    torch.testing.assert_close(maps.logit().mean(dim=(0, 2, 3, 4)), expected.logit(), atol=1e-3, rtol=0)
    torch.testing.assert_close(maps.mean(dim=(0, 2, 3, 4)), expected, atol=0.05, rtol=0)
    assert maps.std() > 0.01


def test_a_prior_of_a_half_is_abns_own_start(make_model):
    assert make_model(foreground_prior=0.5).attention_branch.map_head[1].bias.tolist() == [0, 0, 0]
    bias = make_model(foreground_prior=0.2).attention_branch.map_head[1].bias  # logits: log 1, log 1/4, log 4
    assert bias.tolist() == pytest.approx([0, -1.386294, 1.386294], abs=1e-5)
    assert bias.requires_grad


def h1_and_maps(num_maps: int) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    return torch.randn(2, 5, 3, 4, 4, generator=draw), torch.rand(2, num_maps, 3, 4, 4, generator=draw)


@pytest.mark.parametrize(("how", "expected"), [("multiply", [[1.0, 0.0], [4.0, 0.0]]), ("residual", [[3, 4], [12, 8]])])
def test_apply_map_by_hand(how, expected):
    h1 = torch.tensor([[2.0, 4.0], [8.0, 8.0]]).reshape(1, 2, 1, 1, 2)  # two channels of two cells
    attention_map = torch.tensor([0.5, 0.0]).reshape(1, 1, 1, 1, 2)
    assert apply_map(h1, attention_map, how)[0, :, 0, 0].tolist() == expected


def test_identity_starts_as_the_first_map_alone():
    h1, maps = h1_and_maps(3)
    assert torch.equal(MapMixer(5, 3, init="identity")(h1, maps), h1 * maps[:, :1])
    assert torch.equal(MapMixer(5, 3, "residual", "identity")(h1, maps), h1 * maps[:, :1] + h1)
    assert not torch.allclose(MapMixer(5, 3)(h1, maps), h1 * maps[:, :1], atol=0.1)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_maps_are_concatenated_in_their_order(position):
    h1, maps = h1_and_maps(3)
    mixer = MapMixer(5, 3, init="identity")
    mixer.conv.weight.data = mixer.conv.weight.data.roll(5 * position, dims=1)
    assert torch.equal(mixer(h1, maps), h1 * maps[:, position : position + 1])


def test_mha_init_reaches_the_mixer(make_model):
    model = make_model(mha_init="identity").eval()
    clips = random_clips()
    with torch.no_grad():
        h1, output = model.extractor(clips), model(clips)
        torch.testing.assert_close(output.perception_logits, model.perception_branch(h1 * output.maps[:, :1]))
    assert make_model(attention="mask").mixer is None


@pytest.fixture(scope="module")
def kinetics() -> nn.Module:
    """A network as pytorchvideo's zoo has it, of 400 classes, with nothing at its initial value."""
    torch.manual_seed(1)
    net = create_x3d(
        model_num_class=400, input_clip_length=4, input_crop_size=32, width_factor=1.0, depth_factor=1.0
    ).eval()
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value += 0.1 * torch.rand(value.shape)
    return net


@pytest.fixture
def save(tmp_path: Path) -> Callable[[object], str]:
    """Writes a checkpoint and says where."""

    def write(content: object) -> str:
        torch.save(content, tmp_path / "weights.pyth")
        return str(tmp_path / "weights.pyth")

    return write


@pytest.mark.parametrize("attention", MAPS)
def test_new_layers_are_what_a_checkpoint_does_not_bring(make_model, kinetics, save, attention):
    drawn = make_model(attention=attention)
    model = make_model(attention=attention, pretrained=save({"model_state": kinetics.state_dict()}))
    new = {id(weight) for layer in model.new_layers() for weight in layer.parameters()}
    names = {name for name, weight in model.named_parameters() if id(weight) in new}
    untouched = {name for name, weight in drawn.named_parameters() if torch.equal(weight, model.get_parameter(name))}
    assert names == untouched - {"centroids"}
    parts = {name.split(".")[0] for name in names}
    branches = {"plain": set(), "mha": {"attention_branch", "mixer"}}
    assert parts == {"perception_branch"} | branches.get(attention, {"attention_branch"})
    keys = {key.removeprefix("blocks.") for key in kinetics.state_dict()}
    whole = nn.Sequential(*model.extractor, *model.perception_branch)
    brought = {name for name, weight in whole.named_parameters() if id(weight) not in new}
    assert brought == {name for name, _ in whole.named_parameters()} & keys - {"5.proj.weight", "5.proj.bias"}


class Ones(nn.Module):
    """A head whose map is 1 everywhere."""

    def forward(self, class_maps: Tensor) -> Tensor:
        return torch.ones_like(class_maps[:, :1])


@pytest.mark.parametrize("split", ["res2", "res3", "res4"])
def test_a_checkpoint_is_loaded_and_nothing_initialised_again(make_model, kinetics, save, split):
    model = make_model(split=split, pretrained=save({"model_state": kinetics.state_dict()}))
    loaded = nn.Sequential(*model.extractor, *model.perception_branch).state_dict(prefix="blocks.")
    assert loaded.keys() == kinetics.state_dict().keys()
    different = {key for key, value in kinetics.state_dict().items() if not torch.equal(loaded[key], value)}
    assert different == {"blocks.5.proj.weight", "blocks.5.proj.bias"}


def test_split_network_with_a_map_of_ones_is_the_whole_one(make_model, kinetics, save):
    path = save({"model_state": kinetics.state_dict()})
    model = make_model(attention="abn", num_classes=400, split="res4", pretrained=path).eval()
    model.perception_branch[-1].proj.load_state_dict(kinetics.blocks[5].proj.state_dict())
    model.attention_branch.map_head = Ones()
    whole = nn.Sequential(*kinetics.blocks).to(memory_format=torch.channels_last_3d)
    clips = random_clips()
    with torch.no_grad():
        logits = model(clips).perception_logits
        assert torch.equal(logits.softmax(dim=1), whole(clips))  # the zoo's head ends in a softmax
    assert logits.std() > 0.01


def test_x3d_m_split_is_the_zoos_network(save):
    """At the paper's size, from a file as the zoo's, whose blocks and head are those of pytorchvideo's own x3d_m."""
    torch.manual_seed(2)
    zoo = x3d_m().eval()  # as the hub builds it: 400 classes, softmax
    with torch.no_grad():
        for name, value in zoo.state_dict().items():
            if name.endswith(("running_mean", "running_var")):
                value += 0.1 * torch.rand(value.shape)
    assert sum(weight.numel() for weight in zoo.parameters()) == 3_794_274  # PySlowFast's X3D-M: 3.79 M
    path = save({"model_state": zoo.state_dict(), "epoch": 300})
    config = PAPERS.model_copy(update={"pretrained": path})
    model = ObjectABN(config, attention="abn", pc=False, num_classes=400, num_frames=16, crop=224).eval()
    model.perception_branch[-1].proj.load_state_dict(zoo.blocks[5].proj.state_dict())
    clips = torch.randn(1, 3, 16, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        h1 = model.extractor(clips)
        assert h1.shape == (1, 96, 16, 14, 14)
        logits = model.perception_branch(h1)
        zoo.blocks[5].activation = nn.Identity()
        expected = nn.Sequential(*zoo.blocks).to(memory_format=torch.channels_last_3d)(clips)
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4 * float(expected.std()))
    assert logits.std() > 1e-5


def test_a_checkpoint_without_a_projection_will_do(kinetics, save):
    body = {key: value for key, value in kinetics.state_dict().items() if ".proj." not in key}
    blocks = x3d_blocks(num_classes=3, pretrained=save({"model_state": body}), **SMALL)
    assert torch.equal(blocks[0].conv.conv_t.weight, kinetics.blocks[0].conv.conv_t.weight)


def test_weights_of_the_zoo_that_cannot_be_downloaded(tmp_path, monkeypatch):
    """The line says what to fetch and where to put it; what lies there in its place is named."""

    def refuse(url: str, *_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    url, path = checkpoint_paths["x3d_m"], tmp_path / "hub/checkpoints/X3D_M.pyth"
    lines = [
        f"model.pretrained: expected pytorchvideo to download {url}, got <urlopen error no route to host>; "
        f"fetch {url} elsewhere and put it at {path}, or set model.pretrained to its path",
        f"{path}: expected the file of {url}, got an empty file; remove it and fetch it again",
    ]
    for line in lines:
        with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
            x3d_blocks(num_classes=3, pretrained="kinetics400", **SMALL)
        path.touch()


STEM = "blocks.0.conv.conv_t.weight"
MISFIT = "keys do not fit the model, first:"


@pytest.mark.parametrize(
    ("without", "added", "fault"),
    [
        ([STEM], {}, f"1 {MISFIT} {STEM} is missing"),
        ([], {"head": torch.zeros(1)}, f"1 {MISFIT} head is not in the model"),
        (
            [],
            {STEM: torch.zeros(2, 3, 1, 3, 3)},
            f"1 {MISFIT} {STEM} has shape (2, 3, 1, 3, 3), expected (16, 3, 1, 3, 3)",
        ),
        ([STEM], {"head": torch.zeros(1)}, f"2 {MISFIT} {STEM} is missing"),
    ],
    ids=["missing key", "foreign key", "wrong shape", "two faults"],
)
def test_a_checkpoint_that_does_not_fit(kinetics, save, without, added, fault):
    state = {key: value for key, value in kinetics.state_dict().items() if key not in without}
    path = save({"model_state": state | added})
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {fault}')}$"):
        x3d_blocks(num_classes=3, pretrained=path, **SMALL)
    with pytest.raises(ValueError, match=f"^{re.escape(f'{path}: {fault}')}$"):
        check_backbone(path, **SHAPE)


def test_a_checkpoint_that_fits_is_checked_without_a_network(kinetics, save):
    check_backbone(save({"model_state": kinetics.state_dict()}), **SHAPE)


@pytest.mark.parametrize("content", [{"state_dict": {}}, {}, [1, 2]], ids=["another key", "nothing", "a list"])
def test_another_container(save, content):
    path = save(content)
    fault = f"{path}: expected a checkpoint with the key model_state (pytorchvideo's format)"
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}$"):
        x3d_blocks(num_classes=3, pretrained=path, **SMALL)


def test_no_such_checkpoint():
    fault = "model.pretrained: expected kinetics400, null or the path of a checkpoint, got 'no/such.pyth'"
    with pytest.raises(ValueError, match=f"^{re.escape(fault)}$"):
        x3d_blocks(num_classes=3, pretrained="no/such.pyth", **SMALL)


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (b"", "an empty file"),
        (b"hello world", "KeyError"),
        (b"PK\x03\x04 half a zip", "the first 15 bytes of a file, as a download leaves it that was cut short"),
    ],
)
def test_a_file_that_is_no_checkpoint(tmp_path, content, got):
    path = tmp_path / "w.pyth"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"w.pyth: expected a PyTorch checkpoint, got {got}$"):
        x3d_blocks(num_classes=3, num_frames=4, crop=32, width_factor=1.0, depth_factor=1.0, dropout=0.5,
                   pretrained=str(path))  # fmt: skip


def test_a_checkpoint_of_another_shape(tmp_path):
    path = tmp_path / "w.pyth"
    torch.save({"model_state": [1]}, path)
    with pytest.raises(ValueError, match=r"w.pyth: expected a checkpoint with the key model_state"):
        x3d_blocks(num_classes=3, num_frames=4, crop=32, width_factor=1.0, depth_factor=1.0, dropout=0.5,
                   pretrained=str(path))  # fmt: skip
