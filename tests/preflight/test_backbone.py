"""The backbone's weights: what a recipe beside them says, what has to be loaded, and the rows that differ."""

import json
from pathlib import Path

import pytest

from objabn.networks.backbone import staged_for
from objabn.preflight.backbone import backbone_downloads, backbone_findings
from objabn.preflight.rows import table_rows
from tests.helpers.preflight import given

KEY = "datasets.quick.model.pretrained"


def look(*overrides: str) -> list[tuple[str, str]]:
    rows = table_rows("quick", given("dataset=quick", *overrides))
    return [(each.level, each.line) for each in backbone_findings(rows)]


@pytest.fixture
def recipe(place: Path) -> Path:
    """Weights with the recipe of a pretraining beside them; nobody loads them."""
    Path("w.json").write_text(json.dumps({"model": {"width_factor": 1.0, "depth_factor": 1.0}}))
    Path("w.pyth").write_bytes(b"weights")
    return Path("w.pyth")


def test_a_recipe_tells_without_torch_whether_weights_fit(recipe: Path) -> None:
    assert look(f"datasets.quick.model.pretrained={recipe}") == [("ok", f"{KEY}: w.pyth")]
    assert look(f"{KEY}={recipe}", "datasets.quick.model.width_factor=2.0") == [
        (
            "fault",
            f"{KEY}: expected width_factor 1 and depth_factor 1, as the weights of w.pyth have them, got 2 and 1",
        )
    ]


def test_no_such_file(place: Path) -> None:
    got = "'no.pyth': no such file"
    assert look(f"{KEY}=no.pyth") == [
        ("fault", f"{KEY}: expected kinetics400, null or the path of a checkpoint, got {got}")
    ]


def test_kinetics_weights_are_x3d_ms(place: Path) -> None:
    ((level, line),) = look(f"{KEY}=kinetics400")
    assert level == "fault"
    assert line == (
        f"{KEY}: expected width_factor 2 and depth_factor 2.2, as the weights of kinetics400 have them, got 1 and 1"
    )
    factors = ("datasets.quick.model.width_factor=2", "datasets.quick.model.depth_factor=2.2")
    assert look(f"{KEY}=kinetics400", *factors) == []  # where the file is, its download says


def test_a_checkpoint_without_a_recipe_is_loaded(place: Path) -> None:
    import torch

    torch.save({"model_state": {"head": torch.zeros(1)}}, "w.pyth")
    ((level, line),) = look(f"{KEY}=w.pyth")
    assert level == "fault"
    assert line.startswith(f"{KEY}: w.pyth: ")
    assert "keys do not fit the model, first: blocks.0.conv.conv_t.weight is missing" in line


def test_a_control_with_weights_of_its_own(recipe: Path) -> None:
    overrides = [
        f"{KEY}={recipe}",
        "controls.mask-area.set={model.pretrained: kinetics400}",
        "table.controls=[plain,mask-area]",
    ]
    assert [line.partition(":")[0] for _, line in look(*overrides)] == [KEY, "controls.mask-area.set.model.pretrained"]
    (download,) = backbone_downloads(table_rows("quick", given("dataset=quick", *overrides)))
    assert (download.stage, download.key) == ("train", "controls.mask-area.set.model.pretrained")


SMALL = f"{Path(__file__).parents[2] / 'docs/models/small_r3d.py'}:backbone"
OTHER = (f"datasets.quick.model.backbone={SMALL}", "datasets.quick.model.split=layer3", f"{KEY}=null",
         "datasets.quick.model.frozen=null", "datasets.quick.gradcam.layer=layer4")  # fmt: skip


def test_another_backbone_is_made_to_see_whether_it_can_be(place: Path) -> None:
    assert look(*OTHER) == [("ok", f"datasets.quick.model.backbone: {SMALL}")]
    assert not backbone_downloads(table_rows("quick", given("dataset=quick", *OTHER, f"{KEY}=kinetics400")))


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ("model.backbone=no.py:f", "model.backbone: no.py:f: expected a Python file, got no such file"),
        ("model.backbone=torchvision:mvit_v2_s", "model.backbone: expected a network that reads its answer from the "
         "cells that a map weights, got torchvision:mvit_v2_s, which reads it from a class token"),
        ("model.split=res3", "model.split: expected one of stem, layer1, layer2, layer3, layer4 of "
         f"{SMALL}, got 'res3'"),
        ("model.pretrained=no.pt", f"model.pretrained: expected null or a file of weights of {SMALL}, got 'no.pt'"),
        ("gradcam.layer=layer2", f"gradcam.layer: expected one of split, layer3, layer4 of {SMALL}, got 'layer2'"),
    ],
)  # fmt: skip
def test_what_another_backbone_lacks(place: Path, changed: str, line: str) -> None:
    assert look(*OTHER, f"datasets.quick.{changed}") == [("fault", f"datasets.quick.{line}")]


def test_a_weight_without_a_gradient_matters_to_several_processes(place: Path) -> None:
    source = Path(SMALL.rpartition(":")[0]).read_text()
    old = "        self.relu = nn.ReLU()\n\n    def forward"
    assert source.count(old) == 1
    Path("mine.py").write_text(source.replace(old, f"        self.spare = nn.Linear(2, 2)\n{old}"))
    overrides = (*OTHER, "datasets.quick.model.backbone=mine.py:backbone")
    assert [level for level, _ in look(*overrides)] == ["ok"]
    expected = "expected a gradient of each weight, since 2 processes train it"
    assert look(*overrides, "datasets.quick.train.devices=2") == [
        ("fault", f"datasets.quick.model.backbone: mine.py:backbone: {expected}, got none of 8 "
                  "(first: layer1.spare.weight)")
    ]  # fmt: skip


def test_the_frozen_stage_and_weights_of_another_backbone(place: Path) -> None:
    import torch

    torch.save({"model_state": {"stem.0.weight": torch.zeros(1)}}, "w.pt")
    ((level, line),) = look(*OTHER, f"{KEY}=w.pt", "datasets.quick.model.frozen=layer1")
    assert level == "fault"
    assert line.startswith("datasets.quick.model.backbone: w.pt: ")
    assert "keys do not fit the model, first: " in line
    network = staged_for(SMALL, num_classes=5, num_frames=8, crop=112).network
    torch.save({"model_state": network.state_dict()}, "w.pt")
    assert look(*OTHER, f"{KEY}=w.pt", "datasets.quick.model.frozen=layer1") == [
        ("ok", f"datasets.quick.model.backbone: {SMALL}, w.pt")
    ]
    ((_, line),) = look(*OTHER, f"{KEY}=w.pt", "datasets.quick.model.frozen=layer4")
    expected = "expected a stage of the extractor (stem, layer1, layer2, layer3)"
    assert line == f"datasets.quick.model.frozen: {expected}, got 'layer4'"
