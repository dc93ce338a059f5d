"""Backbones other than X3D: their stages give the network's own logits, carry an attention branch, and load weights."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models import video
from torchvision.models.video import resnet

from objabn.config.file import load_params
from objabn.config.schema import Model
from objabn.model.backbone import check_gradients
from objabn.model.network import ObjectABN
from objabn.model.run import Run, build_model, model_of_shapes, run_record, versions
from objabn.networks.backbone import backbone_for, check_backbone, inputs_of, staged_for
from objabn.networks.own import call
from objabn.networks.plain_blocks import plain_blocks
from objabn.networks.stages import take_apart
from objabn.networks.torchvision import adapt
from objabn.networks.tracing import trace_on_meta, trace_shapes
from objabn.system.files import file_digest
from tests.helpers.tiny_video import of_torchvision

ROOT = Path(__file__).parents[2]
SMALL = f"{ROOT / 'docs/models/small_r3d.py'}:backbone"
SYNTHETIC = load_params(ROOT / "params.yaml").datasets["synthetic"]
CLIPS = {"num_frames": 4, "crop": 32}


def config(**changed: Any) -> Model:
    own = {"backbone": SMALL, "split": "layer2", "pretrained": None, "frozen": None, "attention_depth": 2,
           "attention_channels": 8}  # fmt: skip
    return SYNTHETIC.model.model_copy(update={**own, **changed})


def network(attention: str = "mha", pc: bool = True, seed: int = 0, **changed: Any) -> ObjectABN:
    torch.manual_seed(seed)
    block = config(**changed)
    backbone = backbone_for(block, num_classes=3, **CLIPS)
    return ObjectABN(block, attention=attention, pc=pc, num_classes=3, **CLIPS, backbone=backbone)


def clips(frames: int = 4, size: int = 32) -> Tensor:
    return torch.randn(2, 3, frames, size, size, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    """Writes a file with a function; its spec."""

    def written(body: str, name: str = "mine.py") -> str:
        lines = [
            "from torch import nn",
            "",
            "",
            "def backbone(num_classes):",
            *(f"    {line}" for line in body.splitlines()),
        ]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return f"{tmp_path / name}:backbone"

    return written


def of_kind(name: str, num_classes: int = 5, seed: int = 0) -> tuple[torch.nn.Module, int, int]:
    """A network of torchvision's, its frames and pixels: a ResNet with a block a stage, an S3D for small clips."""
    torch.manual_seed(seed)
    if name == "s3d":
        module = video.s3d(num_classes=num_classes).eval()
        module.avgpool = torch.nn.AvgPool3d((1, 1, 1), stride=1)
        return module, 16, 64
    if name == "swin3d_t":
        return of_torchvision(name, num_classes, seed)
    convs = {"r3d_18": [resnet.Conv3DSimple] * 4, "r2plus1d_18": [resnet.Conv2Plus1D] * 4}
    stem = resnet.R2Plus1dStem if name == "r2plus1d_18" else resnet.BasicStem
    mixed = [resnet.Conv3DSimple, *[resnet.Conv3DNoTemporal] * 3]
    module = resnet.VideoResNet(resnet.BasicBlock, convs.get(name, mixed), [1] * 4, stem, num_classes)
    return module.eval(), 4, 32


# Stages


@pytest.mark.parametrize("name", ["r3d_18", "mc3_18", "r2plus1d_18", "s3d", "swin3d_t"])
def test_stages_in_a_row_give_the_networks_own_logits(name: str) -> None:
    """From our normalised clips on, and through the grid of the default split and back."""
    module, frames, size = of_kind(name)
    own = adapt(name, module, num_frames=frames, size=size)
    staged = take_apart(name, module)
    batch = clips(frames, size)[:1]
    with torch.no_grad():
        values = batch
        for stage, at in zip(staged.network.eval(), (*staged.names, "head"), strict=True):
            values = stage(values)
            if at == own.split:
                shape = staged.to_grid(values).shape
                values = values if staged.from_grid is None else staged.from_grid(staged.to_grid(values))
        torch.testing.assert_close(values, own(batch).perception_logits, atol=1e-6, rtol=0)
    assert tuple(shape[2:]) == (own.map_frames, own.map_size, own.map_size)
    assert set(own.layers) >= {own.split, own.layer}
    assert set(staged.names) >= {own.split, own.layer}  # they are called the same in both


@pytest.mark.parametrize("attention", ["abn", "mask", "mha", "plain"])
def test_a_small_r3d_carries_an_attention_branch(attention: str) -> None:
    model = network(attention, pc=attention != "plain", frozen="stem", pretrained=None)
    output = model.train()(clips())
    count = {"plain": 0, "mha": 3}.get(attention, 1)
    assert tuple(output.maps.shape) == (2, count, 2, 8, 8)
    assert (model.map_frames, model.map_size) == (2, 8)
    assert model.layers == ("layer2", "layer3", "layer4")
    assert all(model.tap(layer) for layer in ("split", *model.layers))
    assert not model.extractor[0].training
    assert not any(value.requires_grad for value in model.extractor[0].parameters())
    with_branch = attention != "plain"
    assert len(model.new_layers()) == 1 + with_branch + (attention == "mha")
    assert model.new_layers()[0].out_features == 3
    loss = output.perception_logits.square().sum()
    if with_branch:
        assert output.maps.std() > 0.01
        loss = loss + output.attention_logits.sum() + output.features.square().sum()
    loss.backward()
    without = [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
    assert without == (["centroids"] if with_branch else [])  # DDP waits for gradients that never come


def test_the_small_r3d_is_the_documented_one() -> None:
    staged = staged_for(SMALL, num_classes=8, num_frames=8, crop=112)
    assert sum(value.numel() for value in staged.network.parameters()) == 905_016
    documented = {"stem": (16, 8, 56, 56), "layer1": (16, 8, 56, 56), "layer2": (32, 4, 28, 28),
                  "layer3": (64, 4, 14, 14), "layer4": (128, 2, 7, 7)}  # fmt: skip
    assert {name: shape[1:] for name, shape in staged.shapes.items() if shape} == documented
    for name, shape in documented.items():
        assert (
            " ".join((ROOT / "docs/models/small_r3d.py").read_text().split()).count(
                f"{name} {' x '.join(map(str, shape))}"
            )
            == 1
        )


def test_flattened_features_have_the_maps_steps() -> None:
    assert network(feature_pool="flatten").centroids.shape == (3, 8 * 2 * 8 * 8)


def test_tokens_and_channels_come_last_inside_and_first_at_the_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Swin's stages give (B, t, h, w, C); h1 is (B, C, t, h, w)."""
    module = of_torchvision("swin3d_t", num_classes=3).module
    monkeypatch.setattr("objabn.networks.stages.get_model", lambda *_, **__: module)
    block = config(backbone="torchvision:swin3d_t", split="features.1")
    size = {"num_frames": 8, "crop": 64}
    model = ObjectABN(
        block, attention="mask", pc=False, num_classes=3, **size, backbone=backbone_for(block, num_classes=3, **size)
    ).eval()
    batch = clips(8, 64)
    with torch.no_grad():
        h1 = model.extractor(batch)
        assert (model.map_frames, model.map_size) == tuple(h1.shape[2:4])
        assert h1.shape[1] == 24
        ones = torch.ones_like(h1[:, :1])
        own = adapt("swin3d_t", module, num_frames=8, size=64)
        torch.testing.assert_close(model.perceive(h1, ones), own(batch).perception_logits, atol=1e-6, rtol=0)
        tap = model.tap("norm")
        kept: list[Tensor] = []
        tap.module.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
        model(batch)
        assert tap.grid(kept[0]).shape == (2, 24, *h1.shape[2:])
    assert [name for name, _ in model.steps()][:3] == ["projection", "norm", "features.2"]


def test_every_weight_is_in_one_step_of_the_cascade() -> None:
    model = network()
    listed = [value for _, layers in model.steps() for layer in layers for value in layer.parameters()]
    assert len(listed) == len({id(value) for value in listed})
    assert {id(value) for value in listed} == {id(v) for n, v in model.named_parameters() if n != "centroids"}
    assert [name for name, _ in model.steps()] == [
        "projection", "layer4", "layer3", "mixer", "attention branch", "layer2", "layer1", "stem"
    ]  # fmt: skip


def test_no_layer_before_the_split_is_tapped() -> None:
    model = network(split="layer3")
    assert model.tap("split").module is model.tap("layer3").module is model.extractor
    assert model.tap("layer4").module is model.perception_branch[0]
    expected = "layer: expected split or one of layer3, layer4, got"
    with pytest.raises(ValueError, match=f"{expected} 'layer2', which lies before the split$"):
        model.tap("layer2")
    with pytest.raises(ValueError, match=f"{expected} 'res5'$"):
        model.tap("res5")


def test_no_pytorchvideo_for_another_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [*(each for each in sys.modules if each.startswith("pytorchvideo")), "objabn.model.x3d"]:
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, "pytorchvideo", None)  # an import of it fails
    params = SYNTHETIC.model_copy(update={"model": config()})
    build_model(Run(params, "mha", True, 0), 3)
    run_record(Run(params, "mha", True, 0), ["a", "b", "c"], [])
    assert "objabn.model.x3d" not in sys.modules
    with pytest.raises(ImportError):
        build_model(Run(SYNTHETIC, "mha", True, 0), 3)


# The branch's blocks


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_plain_blocks_start_as_their_shortcut_where_gamma_is_0(gamma: float) -> None:
    torch.manual_seed(0)
    blocks = plain_blocks(6, config(attention_gamma=gamma, attention_channels=6, attention_depth=2)).eval()
    values = torch.rand(1, 6, 2, 4, 4)
    assert torch.equal(blocks(values), values) == (gamma == 0)
    blocks.train()(values).square().sum().backward()
    assert all(block.convs[-1].weight.grad.abs().max() > 0 for block in blocks)  # none is dead


def test_plain_blocks_widen_and_keep_the_grid() -> None:
    blocks = plain_blocks(6, config(attention_depth=3))
    assert blocks(torch.rand(1, 6, 2, 4, 4)).shape == (1, 8, 2, 4, 4)
    assert len(blocks) == 3


# Weights


def test_weights_of_a_pretraining_are_loaded_but_for_the_classifier(tmp_path: Path) -> None:
    """Those have 24 classes."""
    torch.manual_seed(1)
    kept = staged_for(SMALL, num_classes=24, **CLIPS).network.state_dict()
    torch.save({"model_state": kept, "backbone": {"spec": SMALL}}, tmp_path / "w.pt")
    model = network(pretrained=str(tmp_path / "w.pt"))
    for number, name in enumerate(("stem", "layer1", "layer2")):
        for key, value in model.extractor[number].state_dict().items():
            assert torch.equal(value, kept[f"{name}.{key}"])
    assert torch.equal(model.perception_branch[0].convs[0].weight, kept["layer3.convs.0.weight"])
    assert model.perception_branch[-1][-1].weight.shape == (3, 128)


def test_weights_of_torchvision_are_loaded_by_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str, weights: None, num_classes: int) -> torch.nn.Module:
        return of_kind(name, num_classes)[0]

    monkeypatch.setattr("objabn.networks.stages.get_model", made)
    module = of_kind("swin3d_t", num_classes=7, seed=5)[0]
    torch.save(module.state_dict(), tmp_path / "swin.pth")
    spec, size = "torchvision:swin3d_t", {"num_frames": 8, "crop": 64}
    staged = staged_for(spec, num_classes=3, **size, pretrained=str(tmp_path / "swin.pth"))
    assert torch.equal(staged.network.patch_embed[1][0].proj.weight, module.patch_embed.proj.weight)
    assert torch.equal(staged.network.features_1.norm.weight, module.features[1].norm.weight)
    assert staged.network.head[-1].weight.shape == (3, 24)
    # A pretraining of it keeps the names of the stages.
    torch.save({"model_state": staged.network.state_dict()}, tmp_path / "own.pt")
    again = staged_for(spec, num_classes=9, **size, pretrained=str(tmp_path / "own.pt"))
    assert torch.equal(again.network.features_2[0].mlp[0].weight, module.features[2][0].mlp[0].weight)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"layer1.convs.0.weight": None}, "w.pt: 1 keys do not fit the model, first: layer1.convs.0.weight is missing"),
        ({"more": torch.zeros(1)}, "w.pt: 1 keys do not fit the model, first: more is not in the model"),
        ({"stem.1.bias": torch.zeros(3)}, r"first: stem.1.bias has shape \(3,\), expected \(16,\)"),
    ],
)
def test_weights_that_do_not_fit(tmp_path: Path, damage: dict[str, Tensor | None], message: str) -> None:
    state = {**staged_for(SMALL, num_classes=3, **CLIPS).network.state_dict(), **damage}
    torch.save({name: value for name, value in state.items() if value is not None}, tmp_path / "w.pt")
    with pytest.raises(ValueError, match=message):
        network(pretrained=str(tmp_path / "w.pt"))


# What cannot be built


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"backbone": "torchvision:mvit_v2_s"}, "model.backbone: expected a network that reads its answer from the "
         "cells that a map weights, got torchvision:mvit_v2_s, which reads it from a class token"),
        ({"backbone": "torchvision:r3d"}, "model.backbone: torchvision:r3d, expected one of r3d_18, mc3_18, "
         "r2plus1d_18, s3d, swin3d_t, got 'r3d'"),
        ({"backbone": "torchvision:s3d"}, "model.backbone: torchvision:s3d: expected to take a clip .1, 3, 4, 32, 32., "
         "got RuntimeError"),
        ({"split": "res3"}, "model.split: expected one of stem, layer1, layer2, layer3, layer4 of .*, got 'res3'"),
        ({"frozen": "layer3"}, r"model.frozen: expected a stage of the extractor \(stem, layer1, layer2\), got "),
        ({"pretrained": "kinetics400"}, "model.pretrained: expected null or a file of weights of .*, got 'kinetics400"),
    ],
)  # fmt: skip
def test_what_cannot_be_built_says_why(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        network(**changed)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return nn.Linear(1, 1)", "model.backbone: .*: expected an nn.Sequential of stages and a head, got a Linear"),
        ("return nn.Sequential(nn.Conv3d(3, 4, 3), nn.Conv3d(4, num_classes, 1))", "expected logits"),
        ("return nn.Sequential(nn.Conv3d(3, 4, 3, padding=1), nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten()))",
         "head: expected a linear layer to the classes, got Sequential without one"),
        ("raise KeyError('x')", "expected a network from backbone.., got KeyError: 'x'"),
        ("return nn.Sequential(nn.Conv3d(3, 4, 3), nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, 5"
         ")))", "mine.py:backbone: expected logits of 3 classes, the number that its function is given, got 5"),
        ("class Pair(nn.Conv3d):\n"
         "    def forward(self, clips):\n"
         "        return super().forward(clips), 1\n"
         "class Head(nn.Linear):\n"
         "    def forward(self, pair):\n"
         "        return super().forward(pair[0].mean(dim=(2, 3, 4)))\n"
         "return nn.Sequential(Pair(3, 4, 3), Head(4, num_classes))",
         "model.split: expected one of no stage .none gives"),
        ("return nn.Sequential(nn.Conv3d(3, 4, (3, 3, 1)), nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), "
         "nn.Linear(4, num_classes)))", "expected a stage of square cells and at most 4 steps of time, got 0, which"),
    ],
)  # fmt: skip
def test_a_file_that_gives_no_stages_says_why(write: Callable[[str], str], body: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as error:
        network(backbone=write(body), split="0")
    assert "\n" not in str(error.value)


def test_a_backbone_may_read_numbers_and_keep_plain_tensors(write: Callable[[str], str]) -> None:
    """One pass of zeros shows its shapes; nothing is drawn by it, and statistics stay."""
    spec = write(
        "import torch\n"
        "class Scaled(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv, self.scale = nn.Conv3d(3, 4, 3), torch.ones(1)\n"
        "        self.norm = nn.BatchNorm3d(4)\n"
        "    def forward(self, clips):\n"
        "        torch.rand(1)\n"
        "        return self.norm(self.conv(clips * self.scale)) + float(clips.abs().max().item())\n"
        "head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, num_classes))\n"
        "return nn.Sequential(Scaled(), head)"
    )
    torch.manual_seed(0)
    call(spec, 3)
    expected = torch.rand(1)
    torch.manual_seed(0)
    made = staged_for(spec, num_classes=3, **CLIPS)
    assert torch.equal(torch.rand(1), expected)
    assert made.shapes == {"0": (1, 4, 2, 30, 30)}
    assert made.network[0].norm.training
    assert not made.network[0].norm.running_mean.any()
    params = SYNTHETIC.model_copy(update={"model": config(backbone=spec, split="0")})
    small = params.model_copy(update={"data": params.data.model_copy(update={"num_frames": 4, "crop": 32})})
    state = torch.get_rng_state()
    of_shapes = model_of_shapes(Run(small, "mha", True, 0), 3)
    assert {value.device.type for value in of_shapes.state_dict().values()} == {"meta"}
    assert torch.equal(torch.get_rng_state(), state)


def test_a_layer_that_stands_in_two_places_keeps_its_weights() -> None:
    shared = torch.nn.Conv3d(3, 3, 3, padding=1)
    shared.register_buffer("shift", torch.ones(1))
    module = torch.nn.Sequential(
        torch.nn.Sequential(shared), shared, torch.nn.AdaptiveAvgPool3d(1), torch.nn.Flatten(), torch.nn.Linear(3, 2)
    )
    before = {name: value.clone() for name, value in module.state_dict().items()}
    for watch in (trace_on_meta, trace_shapes):
        seen = watch(module, (1, 3, 4, 8, 8), "mine")
        assert (seen.num_classes, tuple(seen.outputs["4"].shape)) == (2, (1, 2))
        assert module.state_dict().keys() == before.keys()
        assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
        assert not any(each._forward_hooks for each in module.modules())


def test_several_processes_ask_for_a_gradient_of_each_weight(write: Callable[[str], str]) -> None:
    spec = write(
        "class Stage(nn.Module):\n"
        "    def __init__(self, inputs):\n"
        "        super().__init__()\n"
        "        self.used, self.spare = nn.Conv3d(inputs, 4, 3), nn.Linear(2, 2)\n"
        "    def forward(self, clips):\n"
        "        return self.used(clips)\n"
        "class Head(nn.Linear):\n"
        "    def forward(self, cells):\n"
        "        return super().forward(cells.mean(dim=(2, 3, 4)))\n"
        "return nn.Sequential(Stage(3), nn.Dropout3d(), nn.Conv3d(4, 4, 1), Head(4, num_classes))"
    )
    check_backbone(config(backbone=spec, split="2"), "2", **CLIPS)
    check_backbone(config(backbone=spec, split="2", frozen="0"), "2", **CLIPS, processes=2)
    expected = "expected a gradient of each weight, since 2 processes train it, got none of 2"
    line = re.escape(f"model.backbone: {spec}: {expected} (first: 0.spare.weight)")
    with pytest.raises(ValueError, match=f"^{line}$"):
        check_backbone(config(backbone=spec, split="2"), "2", **CLIPS, processes=2)
    model = network(backbone=spec, split="2")
    with pytest.raises(ValueError, match=f"^{line}$"):
        check_gradients(model.stages, (1, 3, 4, 32, 32), spec, 2)
    assert all(each.training for each in model.modules())


def test_a_network_of_images_is_no_worse(write: Callable[[str], str]) -> None:
    """Its 2-D convolutions stay out of channels_last_3d memory."""
    spec = write(
        "class Frames(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 4, 3, stride=2, padding=1)\n"
        "    def forward(self, clips):\n"
        "        frames = self.conv(clips.transpose(1, 2).flatten(0, 1))\n"
        "        return frames.unflatten(0, (len(clips), -1)).transpose(1, 2)\n"
        "head = nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Dropout(), nn.Linear(4, num_classes))\n"
        "return nn.Sequential(Frames(), nn.Conv3d(4, 4, 3, padding=1), head)"
    )
    model = network("mask", pc=False, backbone=spec, split="0", dropout=0.25).train()
    output = model.to("cpu")(clips())
    assert output.maps.shape == (2, 1, 4, 16, 16)
    assert model.perception_branch[-1][2].p == 0.25
    assert model.attention_branch.blocks[0].convs[0].weight.is_contiguous(memory_format=torch.channels_last_3d)


# What a run depends on


def test_a_run_names_the_users_files_and_the_code(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("from torch import nn\n")
    (tmp_path / "mine.py").write_text(
        "import beside\n\n\ndef backbone(num_classes):\n    nn = beside.nn\n    return nn.Sequential("
        "nn.Conv3d(3, 4, 3), nn.Sequential(nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(4, num_classes)))\n"
    )
    spec = f"{tmp_path}/mine.py:backbone"
    state = torch.get_rng_state()
    expected = {f"{tmp_path}/{name}": file_digest(tmp_path / name) for name in ("mine.py", "beside.py")}
    found = inputs_of(spec, 3)
    assert {name: found[name] for name in expected} == expected
    assert found.keys() - expected.keys() == {spec}  # of its weights
    assert torch.equal(torch.get_rng_state(), state)
    params = SYNTHETIC.model_copy(update={"model": config(backbone=spec)})
    inputs = run_record(Run(params, "abn", False, 0), ["a", "b", "c"], [])["inputs"]
    assert inputs.keys() == {*found, "objabn/networks"}
    assert "objabn/networks" not in run_record(Run(SYNTHETIC, "abn", False, 0), ["a"], [])["inputs"]


def test_only_another_librarys_network_has_its_version() -> None:
    usual = versions()
    assert "torchvision" not in usual
    assert versions("x3d") == versions("my.py:f") == usual
    assert versions("torchvision:r3d_18").keys() - usual.keys() == {"torchvision"}
