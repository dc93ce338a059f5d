"""A run directory: weights come back bit by bit, and an unfinished run says what it lacks."""

import json
from importlib.metadata import PackageNotFoundError, version

import pytest
import torch

from objabn import __version__
from objabn.config.control_masks import MotionMasks, OwnMasks, TrueMasks
from objabn.config.schema import Dataset
from objabn.model.run import CURVES, RUN, WEIGHTS, Run, load_run, run_record, save_run, seal_run
from objabn.system.cache import digest

ODD_FLOATS = torch.tensor([0.1, -0.0, 1e-45, float("inf"), float("-inf"), 3e38])


def test_the_contract_names_three_files():
    assert (WEIGHTS, RUN, CURVES) == ("model.safetensors", "run.json", "curves.csv")


def test_weights_come_back_bit_by_bit(tmp_path, make_model):
    model = make_model().train()
    model(torch.randn(2, 3, 4, 32, 32))  # the running statistics are no longer those of a new network
    save_run(tmp_path, model, {})
    weights, _ = load_run(tmp_path)
    state = model.state_dict()
    assert weights.keys() == state.keys()
    for name, value in state.items():
        assert weights[name].dtype == value.dtype
        assert torch.equal(weights[name], value), name
    other = make_model(seed=1)
    other.load_state_dict(weights)
    clips = torch.randn(2, 3, 4, 32, 32)
    for mine, its in zip(model.eval()(clips), other.eval()(clips), strict=True):
        assert mine is its is None or torch.equal(mine, its)


def test_channels_last_and_odd_floats(tmp_path):
    model = torch.nn.Conv3d(2, 3, 2).to(memory_format=torch.channels_last_3d)
    model.register_buffer("odd", ODD_FLOATS)
    model.register_buffer("count", torch.tensor(2**40))
    assert not model.weight.is_contiguous()
    save_run(tmp_path, model, {})
    weights, _ = load_run(tmp_path)
    assert torch.equal(weights["weight"], model.weight)
    assert torch.equal(weights["odd"].view(torch.int32), ODD_FLOATS.view(torch.int32))
    assert weights["count"].item() == 2**40


def test_run_json_says_what_the_weights_are(tmp_path, synthetic):
    source = tmp_path / "videos.csv"
    source.write_text("video\n")
    record = run_record(Run(synthetic, "mha", True, 7), ["jump", "walk"], [source])
    save_run(tmp_path, torch.nn.Linear(1, 1), record)
    _, run = load_run(tmp_path)
    assert run == record
    assert {name: run[name] for name in ("attention", "pc", "seed", "class_names")} == {
        "attention": "mha", "pc": True, "seed": 7, "class_names": ["jump", "walk"],
    }  # fmt: skip
    assert (run["control"], run["masks"], run["labels"]) == (None, "own", "own")
    assert Dataset.model_validate(run["params"]) == synthetic
    assert run["versions"]["objabn"] == __version__
    assert run["versions"]["torch"] == version("torch")
    assert run["inputs"] == {source.as_posix(): digest(b"video\n").hex()}


def test_another_input_has_another_digest(tmp_path, synthetic):
    source = tmp_path / "videos.csv"
    digests = set()
    for content in ("a", "b"):
        source.write_text(content)
        digests.update(run_record(Run(synthetic, "abn", False, 0), [], [source])["inputs"].values())
    assert len(digests) == 2


def test_run_json_says_what_a_control_is(synthetic):
    record = run_record(Run(synthetic, "mask", False, 0, "other-masks", "other"), [], [])
    assert (record["attention"], record["control"], record["masks"]) == ("mask", "other-masks", "other")


def test_run_json_says_which_masks_a_control_is_taught_and_how_the_true_ones_are_read(synthetic):
    moving = MotionMasks(of="motion", threshold=25.0, min_area=0.002, shift=0.0, drop=0.5)
    own = OwnMasks(of="own", shift=0.2, drop=0.0)
    true = TrueMasks(of="truth", shift=0.2, drop=0.0)
    records = [run_record(Run(synthetic, "mask", False, 0, "name", masks), [], []) for masks in (moving, own, true)]
    assert [json.loads(json.dumps(record["masks"])) for record in records] == [
        {"of": "motion", "threshold": 25.0, "min_area": 0.002, "shift": 0.0, "drop": 0.5},
        {"of": "own", "shift": 0.2, "drop": 0.0},
        {"of": "truth", "shift": 0.2, "drop": 0.0, "truth": synthetic.truth.model_dump()},
    ]


def test_run_json_is_made_to_be_read(tmp_path):
    save_run(tmp_path, torch.nn.Linear(1, 1), {"seed": 0})
    text = (tmp_path / RUN).read_text()
    assert text == '{\n  "seed": 0\n}\n'
    assert json.loads(text) == {"seed": 0}


@pytest.mark.parametrize(("missing", "named"), [([WEIGHTS], WEIGHTS), ([RUN], RUN), ([WEIGHTS, RUN], WEIGHTS)])
def test_an_unfinished_run_is_refused(tmp_path, missing, named):
    save_run(tmp_path, torch.nn.Linear(1, 1), {})
    for name in missing:
        (tmp_path / name).unlink()
    with pytest.raises(ValueError, match=rf"^{tmp_path}: expected a finished run with {named}, found none$"):
        load_run(tmp_path)


def test_no_directory_at_all(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere: expected a finished run with model\.safetensors, found none$"):
        load_run(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [WEIGHTS, RUN])
def test_a_damaged_run_is_a_clear_fault(tmp_path, name):
    save_run(tmp_path, torch.nn.Linear(3, 3), {})
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(ValueError, match=f"^{tmp_path}: damaged run: "):
        load_run(tmp_path)


def test_a_library_that_is_not_installed_has_no_version(synthetic: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def found(package: str) -> str:
        if package == "decord":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr("objabn.model.run.version", found)
    versions = run_record(Run(synthetic, "abn", False, 0), [], [])["versions"]
    assert "decord" not in versions
    assert versions["av"] == "1.0"


def test_a_byte_of_the_weights_is_missed_once_the_run_is_sealed(tmp_path):
    save_run(tmp_path, torch.nn.Linear(3, 3), {"seed": 0})
    weights = (tmp_path / WEIGHTS).read_bytes()
    seal_run(tmp_path)
    assert (tmp_path / WEIGHTS).read_bytes() == weights
    assert json.loads((tmp_path / RUN).read_text()) == {"seed": 0, "weights_digest": digest(weights).hex()}
    assert load_run(tmp_path)[1] == {"seed": 0}
    (tmp_path / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    message = r"damaged run: model.safetensors is not what run.json says; make it again: `dvc repro -f -s STAGE`"
    with pytest.raises(ValueError, match=rf"^{tmp_path}: {message}$"):
        load_run(tmp_path)
