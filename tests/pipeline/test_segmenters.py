"""The whole pipeline with masks of checkpoints of the Hub: random weights, from videos to the table (minutes)."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from objabn.config.file import load_params
from objabn.stores.array import StoreReader
from objabn.stores.masks import group_names
from tests.helpers import tiny_hub
from tests.helpers.clones import edit_params, environment, make_clone, run_dvc
from tests.helpers.pipeline import make_tiny, ran, row_numbers

pytestmark = pytest.mark.slow
SHARED = {"stride": 1, "revision": None, "score_floor": 0.01, "bf16": True, "overlap": True}
OWN: dict[str, dict[str, Any]] = {
    "rf_detr": {"backend": "transformers", "short_edge": None, "class_names": None, "batch_size": 4},
    "sam3": {"backend": "sam3", "prompts": {"hand": ["hand"], "person": ["person"]}},
}
GROUPS = {"rf_detr": ("person", "other"), "sam3": ("hand", "person")}
ROW = "results/synthetic/mask/pc-false.csv"


@pytest.mark.parametrize("kind", ["rf_detr", "sam3"])
def test_from_videos_to_the_table(tmp_path: Path, kind: str) -> None:
    pytest.importorskip("transformers")
    weights, groups = tiny_hub.save(kind, tmp_path / kind), GROUPS[kind]

    def small(values: dict) -> None:
        make_tiny(values)
        values["table"] |= {"attention": ["mask"], "pc": [False], "controls": []}
        values["loss"]["attention"] = "mask"
        block = values["datasets"]["synthetic"]
        block["segment"] = {**SHARED, **OWN[kind], "weights": str(weights)}
        block["mask"] |= {"groups": [groups[0]], "score_threshold": 0.05}

    clone, cache = make_clone(tmp_path / "objabn", small), tmp_path / "cache"
    first = run_dvc(clone, cache, "repro").stdout
    assert "segment@synthetic" in ran(first)
    assert group_names(StoreReader(clone / "data/synthetic/masks")) == groups
    before = row_numbers(clone / ROW)
    assert {"top1", "entropy_o", "iou_fit_o"} <= before.keys()
    assert "transformers" in (clone / "reports/synthetic/index.html").read_text()

    def other_group(values: dict) -> None:
        values["datasets"]["synthetic"]["mask"]["groups"] = [groups[1]]

    edit_params(clone, other_group)
    second = run_dvc(clone, cache, "repro").stdout
    assert not {"decode@synthetic", "segment@synthetic"} & ran(second)  # other masks, and nothing is segmented
    assert row_numbers(clone / ROW)["iou_fit_o"] != before["iou_fit_o"]

    command = "python -m objabn masks export --dataset synthetic --format cvat --out corrected"
    printed = subprocess.run(
        command.split(), cwd=clone, env=environment(cache), capture_output=True, text=True, check=True
    ).stdout
    override = next(line for line in printed.splitlines() if line.startswith("to bring them back: "))
    setting = override.partition(" -S ")[2].strip("'")
    dataset = load_params(clone / "params.yaml", overrides=[setting]).datasets["synthetic"]
    assert dataset.plane_names == groups
