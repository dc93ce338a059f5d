"""The backbone's weights: what a recipe beside them says, what has to be loaded, and the rows that differ."""

import json
from pathlib import Path

import pytest

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
