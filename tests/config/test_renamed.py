"""Parameters that had another name: an old file is told the new ones, an old run is read by them."""

import json
from pathlib import Path

import pytest
import yaml

from objabn.config.faults import ParamsError
from objabn.config.file import load_params, parse_params, read_yaml
from objabn.config.renamed import RENAMED, of_old_run, old_names, with_new_names
from objabn.config.schema import Dataset
from objabn.evaluation.trained import load_trained
from tests.helpers.runs import parameters, write_run

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text()


def with_old_names(block: dict) -> dict:
    """A data set's block as it was before the keys had their present names."""
    old = json.loads(json.dumps(block))
    machine = old.pop("machine")
    old["weights"] = old.pop("loss_weights")
    for old_key, new_key in RENAMED.items():
        if new_key.startswith("machine."):
            parent, name = old_key.split(".")
            old[parent][name] = machine[new_key.removeprefix("machine.")]
    return old


def test_an_old_file_gets_one_line_for_each_renamed_key() -> None:
    values = read_yaml(TEXT)
    values["datasets"] = {name: with_old_names(block) for name, block in values["datasets"].items()}
    values["controls"]["mha-default"]["set"] = {"model.mha_init": "default", "weights.pc": 0.1}
    with pytest.raises(ParamsError) as error:
        parse_params(yaml.safe_dump(values))
    names = "folder, jhmdb, quick, ssv2, synthetic, ucf101"
    assert str(error.value).splitlines() == [
        *(
            f"params.yaml: datasets.<name>.{old}: is datasets.<name>.{new} now (in {names})"
            for old, new in RENAMED.items()
        ),
        "params.yaml: controls.mha-default.set.weights.pc: is loss_weights.pc now",
    ]


def test_an_old_file_gets_one_line_for_each_new_key() -> None:
    values = read_yaml(TEXT)
    for block in values["datasets"].values():
        del block["train"]["weight_decay"], block["gradcam"]
    for control in values["controls"].values():
        del control["pc"]
    del values["table"]["colours"]
    del values["datasets"]["quick"]["model"]["class_pool"]  # one data set alone: no old file
    with pytest.raises(ParamsError) as error:
        parse_params(yaml.safe_dump(values))
    names, controls = ("folder, jhmdb, quick, ssv2, synthetic, ucf101", ", ".join(sorted(values["controls"])))
    assert sorted(str(error.value).splitlines()) == sorted([
        f"params.yaml: datasets.<name>.train.weight_decay: missing (in {names}); older runs are read with 0.0",
        f'params.yaml: datasets.<name>.gradcam: missing (in {names}); older runs are read with {{"layer": "res5"}}',
        f"params.yaml: controls.<name>.pc: missing (in {controls}); older runs are read with false",
        'params.yaml: table.colours: missing; older pictures have "jet"',
        "params.yaml: datasets.quick.model.class_pool: missing",
    ])  # fmt: skip


def test_other_faults_of_an_old_file_come_out_with_them() -> None:
    values = read_yaml(TEXT)
    values["datasets"]["quick"] = with_old_names(values["datasets"]["quick"])
    values["datasets"]["quick"]["weights"]["pc"] = -1.0
    values["datasets"]["quick"]["train"]["workers"] = "many"
    with pytest.raises(ParamsError) as error:
        parse_params(yaml.safe_dump(values))
    lines = str(error.value).splitlines()
    assert len(lines) == len(RENAMED) + 2
    assert "params.yaml: datasets.quick.loss_weights.pc: expected greater than or equal to 0, got -1.0" in lines
    assert "params.yaml: datasets.quick.machine.loader_workers: expected integer, got 'many'" in lines


def test_an_old_name_on_the_command_line() -> None:
    with pytest.raises(ParamsError) as error:
        parse_params(TEXT, overrides=["datasets.quick.train.workers=2"])
    line = "datasets.<name>.train.workers: is datasets.<name>.machine.loader_workers now (in quick)"
    assert str(error.value) == f"params.yaml: {line}"


def test_present_names_are_left_alone() -> None:
    block = read_yaml(TEXT)["datasets"]["ucf101"]
    assert with_new_names(block) == block
    assert old_names(block) == []


def test_a_block_of_another_type_is_left_to_the_schema() -> None:
    assert with_new_names({"train": 3, "machine": None, "weights": 1}) == {
        "train": 3, "machine": None, "loss_weights": 1,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["synthetic", "ucf101", "quick"])
def test_an_old_block_has_the_same_values(name: str) -> None:
    block = load_params(Path(__file__).parents[2] / "params.yaml").datasets[name].model_dump()
    assert Dataset.model_validate(with_new_names(with_old_names(block))).model_dump() == block


def test_a_run_with_imported_masks_is_read(synthetic: Dataset, tmp_path: Path) -> None:
    """Its block has no `segment.stride`: masks are there for all frames. An older one lacks three keys."""
    segment = {
        "backend": "import",
        "masks": "masks",
        "format": "png",
        "class_name": "person",
        "sparse": "none",
        "images": None,
        "groups": None,
    }
    params = Dataset.model_validate(parameters(synthetic).model_dump() | {"segment": segment})
    run = write_run(tmp_path / "run", params, "mask", pc=False)
    assert load_trained(run).params == params
    record = json.loads((run / "run.json").read_text())
    for name in ("sparse", "images", "groups"):
        del record["params"]["segment"][name]
    (run / "run.json").write_text(json.dumps(record))
    assert load_trained(run).params == params


def test_a_run_of_an_older_version_is_still_read(synthetic: Dataset, tmp_path: Path) -> None:
    params = parameters(synthetic)
    run = write_run(tmp_path / "run", params, "mask", pc=False)
    record = json.loads((run / "run.json").read_text())
    record["params"] = with_old_names(record["params"])
    del record["params"]["gradcam"]
    (run / "run.json").write_text(json.dumps(record))
    assert load_trained(run).params == params


def test_a_truth_that_is_a_text_is_told_its_block() -> None:
    values = read_yaml(TEXT)
    values["datasets"]["quick"]["truth"] = "masks/of/mine"
    values["datasets"]["quick"]["mask"].update(score_threshold=2.0, groups=["other", "person"])
    values["datasets"]["ucf101"]["truth"] = "store"
    values["datasets"]["ucf101"]["mask"].update(score_threshold=0.75, groups=["person"])
    with pytest.raises(ParamsError) as error:
        parse_params(yaml.safe_dump(values))
    lines = str(error.value).splitlines()
    for name, block in (
        ("quick", "{store: masks/of/mine, score_threshold: 2.0, groups: [other, person]}"),
        ("ucf101", "{store: store, score_threshold: 0.75, groups: [person]}"),
    ):
        assert f"params.yaml: datasets.{name}.truth: is a block now: {block}" in lines
    assert "datasets.quick.mask.score_threshold: expected less than or equal to 1, got 2.0" in str(error.value)


def test_an_old_runs_truth_was_read_as_its_masks() -> None:
    block = load_params(Path(__file__).parents[2] / "params.yaml").datasets["synthetic"].model_dump()
    old = {**block, "truth": "some/store", "mask": {**block["mask"], "score_threshold": 0.75}}
    truth = Dataset.model_validate(of_old_run(old)).truth
    assert truth is not None
    assert truth.model_dump() == {"store": "some/store", "score_threshold": 0.75, "groups": ["person"]}
    assert of_old_run({**old, "truth": None})["truth"] is None
