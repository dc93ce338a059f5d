"""A pushed run: a folder that stands alone and is read by `load`, whole or not at all, and what is refused."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from objabn.config.schema import Dataset
from objabn.evaluation.trained import find_run, load, load_trained
from objabn.sharing import push as push_module
from objabn.sharing.push import push
from tests.helpers.pushing import ROW, write_numbers, write_training
from tests.helpers.runs import CLASSES, parameters

TO = Path("shared/mask")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, synthetic: Dataset) -> Path:
    """Two trainings of `mask` and their numbers."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for seed in (0, 1):
            write_training(ROW / f"seed-{seed}", parameters(synthetic), seed)
        write_numbers()
    return folder


@pytest.fixture(autouse=True)
def _checkout(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def header(folder: Path = TO) -> dict:
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def card(folder: Path = TO) -> str:
    return (folder / "README.md").read_text()


def test_all_seeds_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert push(ROW, TO) == (2, "apache-2.0", True, ())
    names = ("model.safetensors", "run.json", "curves.csv")
    assert files(TO) == {"README.md", *(f"seed-{seed}/{name}" for seed in (0, 1) for name in names)}
    assert find_run(TO) == (TO / "seed-0", "the lowest of 2 seeds")
    expected = load_trained(ROW / "seed-0").model.state_dict()
    monkeypatch.chdir(tmp_path.parent)  # with nothing of the checkout
    elsewhere = tmp_path.parent / "elsewhere"
    shutil.move(tmp_path / TO, elsewhere)
    run = load(elsewhere)
    assert run.class_names == tuple(CLASSES)
    assert all(torch.equal(value, run.model.state_dict()[name]) for name, value in expected.items())
    shutil.rmtree(elsewhere)


@pytest.mark.parametrize(("run", "seed"), [(ROW, 1), (ROW / "seed-1", None), (ROW / "seed-1", 1)])
def test_one_seed(run: Path, seed: int | None) -> None:
    assert push(run, TO, seed=seed).networks == 1
    assert files(TO) == {"README.md", "model.safetensors", "run.json", "curves.csv"}
    assert json.loads((TO / "run.json").read_text())["seed"] == 1
    assert (TO / "model.safetensors").read_bytes() == (ROW / "seed-1/model.safetensors").read_bytes()
    assert "Here: seed 1." in card()


def test_folds(synthetic: Dataset) -> None:
    place = Path("runs/ds/abn/pc-false/seed-0")
    for fold in ("fold-1", "fold-2"):
        write_training(place / fold, parameters(synthetic), 0, "abn", fold=fold)
    (place / "curves.csv").write_text((place / "fold-1/curves.csv").read_text())
    assert push(place.parent, TO).networks == 2
    assert {"curves.csv", "fold-2/model.safetensors"} < files(TO)
    assert find_run(TO) == (TO / "fold-1", "the first of 2 folds")
    assert push(place / "fold-2", TO).networks == 1
    assert files(TO) == {"README.md", "model.safetensors", "run.json", "curves.csv"}
    assert json.loads((TO / "run.json").read_text())["fold"] == "fold-2"
    shutil.copytree(place, place.with_name("seed-1"))
    assert push(place.parent, TO).networks == 4
    assert {"seed-0/curves.csv", "seed-1/fold-2/model.safetensors"} < files(TO)
    assert push(place.parent, TO).networks == 4


def test_a_folder_of_push_is_replaced_and_no_other() -> None:
    push(ROW, TO)
    push(ROW, TO, seed=0)  # another shape
    assert files(TO) == {"README.md", "model.safetensors", "run.json", "curves.csv"}
    (TO / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"found notes\.txt besides; move it away"):
        push(ROW, TO)
    (TO / "notes.txt").unlink()
    push(ROW, TO)
    for name in ("seed-0/notes.txt", "seed-1/fold-1/mine/curves.csv", "seed-0/link"):
        (TO / name).parent.mkdir(parents=True, exist_ok=True)
        (TO / name).symlink_to("nowhere") if name.endswith("link") else (TO / name).write_text("mine")
        with pytest.raises(ValueError, match=f"found {name} besides; move it away"):
            push(ROW, TO)
        (TO / name).unlink()
    (TO / "README.md").write_text(card().replace("Limits", "x") + "A word of mine.\n")
    with pytest.raises(ValueError, match=r"found README\.md, which push has not written or somebody has changed"):
        push(ROW, TO)
    assert "A word of mine." in card()


@pytest.mark.parametrize(
    ("to", "found"),
    [
        ("full", "found thing; move it away"),
        ("file", "got a file"),
        (".", "got the checkout"),
        ("runs/ds/mask/new", "got one below runs/"),
        ("runs/ds/mask/pc-false/seed-0", "got one below runs/"),
        ("shared/../runs/new", "got one below runs/"),
        ("link/new", "got one below data/"),
        ("file/a/new", "got one below the file file"),
    ],
)
def test_another_folder_is_refused(to: str, found: str) -> None:
    Path("full").mkdir()
    Path("full/thing").write_text("")
    Path("file").write_text("")
    Path("link").symlink_to("data/ds")
    Path("shared").mkdir()
    before = files(Path())
    with pytest.raises(ValueError, match=f"^push: --to {to}: expected .*{found}"):
        push(ROW, Path(to))
    with pytest.raises(ValueError, match=r"^push: --to /.*: expected .*(found thing|got )"):
        push(ROW, Path.cwd() / to)
    assert files(Path()) == before


def test_a_run_may_be_named_by_any_path(tmp_path: Path) -> None:
    for run in (tmp_path / ROW, Path("tables/..", ROW), Path("link", *ROW.parts[1:])):
        Path("link").unlink(missing_ok=True)
        Path("link").symlink_to("runs")
        assert push(run, TO).networks == 2
    with pytest.raises(ValueError, match="found another place"):
        push(tmp_path / TO, Path("shared/other"))


def test_a_push_that_fails_leaves_what_was_there(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("empty").mkdir()
    push(ROW, TO)
    before = files(Path()), card()

    def fail(*_: object) -> str:
        raise OSError("full")

    monkeypatch.setattr(push_module, "card", fail)
    for folder in (TO, Path("empty"), Path("new/one")):
        with pytest.raises(OSError, match="full"):
            push(ROW, folder, seed=0)
    assert (files(Path()), card()) == before
    assert not list(Path("empty").iterdir())
    assert not Path("new/one").exists()


@pytest.mark.parametrize(
    ("run", "line"),
    [
        ("runs/ds/mask", "expected a run of this checkout, .* found another place"),
        ("elsewhere/mask", "expected a run of this checkout, .* found nothing"),
        ("runs/ds/mask/pc-true", "expected a run of this checkout, .* found nothing"),
        ("runs/ds/mask/pc-false/curves", "expected a run of this checkout, .* found nothing"),
        ("runs/ds/mask/pc-false/locks", "expected a run of this checkout, .*, got locks"),
        ("runs/ds/empty/pc-false", "with model.safetensors and run.json, found none"),
    ],
)
def test_no_such_run(run: str, line: str) -> None:
    Path("runs/ds/empty/pc-false").mkdir(parents=True)
    (ROW / "locks").mkdir()
    with pytest.raises(ValueError, match=f"^push: --run {run}: .*{line}"):
        push(Path(run), TO)
    assert not TO.exists()


def test_no_such_seed() -> None:
    with pytest.raises(ValueError, match=f"push: --seed: expected one of 0, 1, those of {ROW}, got 7"):
        push(ROW, TO, seed=7)
    with pytest.raises(ValueError, match="got --seed 0 beside it"):
        push(ROW / "seed-1", TO, seed=0)


def test_a_damaged_run_is_refused() -> None:
    weights = ROW / "seed-1/model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="seed-1: damaged run"):
        push(ROW, TO)
    weights.unlink()
    with pytest.raises(ValueError, match="seed-1: expected a finished run"):
        push(ROW, TO)


def test_a_network_of_others_is_nothing_to_push() -> None:
    place = Path("runs/ds/controls/r3d/seed-0")
    place.mkdir(parents=True)
    (place / "run.json").write_text(json.dumps({"network": {"spec": "torchvision:r3d_18"}}))
    with pytest.raises(ValueError, match=r"nothing to push \(it was not trained here, it is torchvision:r3d_18\)"):
        push(place.parent, TO)


def test_results_of_other_trainings_are_refused() -> None:
    curves = pd.read_csv(ROW / "seed-1/curves.csv")
    curves.assign(loss=[3.0, 2.0]).to_csv(ROW / "seed-1/curves.csv", index=False)
    with pytest.raises(ValueError, match="expected the results of runs/ds/mask/pc-false/seed-1, got those of other"):
        push(ROW, TO)
    push(ROW, TO, seed=0)


def test_seeds_that_results_lack_can_be_left_out() -> None:
    """`table.seeds` was made shorter: the training stays."""
    shutil.copytree(ROW / "seed-1", ROW / "seed-2")
    with pytest.raises(ValueError, match="expected results of seed 2, got results of 0, 1; --seed N takes one"):
        push(ROW, TO)
    assert push(ROW, TO, seed=1).evaluated


def test_a_table_of_other_results_is_refused() -> None:
    table = pd.read_csv("tables/ds.csv")
    table.assign(mean=table["mean"] + 1).to_csv("tables/ds.csv", index=False)
    with pytest.raises(ValueError, match=r"tables/ds\.csv: expected the numbers of results/ds/mask/pc-false\.csv, got"):
        push(ROW, TO)


def test_a_row_without_results_has_a_card_that_says_so() -> None:
    shutil.rmtree("results")
    assert not push(ROW, TO).evaluated
    assert "None: the network was not evaluated." in card()
    assert "nothing is known of its accuracy or its maps" in card()
    assert "model-index" not in header()


def test_the_licence_and_paths_of_a_machine(synthetic: Dataset) -> None:
    own = parameters(synthetic).model_copy(update={"synthesize": None, "videos": "/home/me/videos"})
    write_training(Path("runs/ds/abn/pc-false/seed-0"), own, 0, "abn")
    pushed = push(Path("runs/ds/abn/pc-false"), TO)
    assert (pushed.licence, pushed.outside) == ("unknown", ("/home/me/videos",))
    assert header()["license"] == "unknown"
    assert "- These weights: not stated by who wrote this card." in card()
    assert "The videos: their own terms" in card()
    push(Path("runs/ds/abn/pc-false"), TO, licence="cc-by-4.0")
    assert header()["license"] == "cc-by-4.0"
    assert "/home/me" not in card()


def test_paths_behind_a_word_are_found() -> None:
    record = {"params": {"model": {"backbone": "hf:/home/me/ckpt"}}, "inputs": {"/home/me/net.py": "ab", "hf:a/b": "c"}}
    assert list(push_module._outside(record)) == ["/home/me/ckpt", "/home/me/net.py"]


@pytest.mark.parametrize(
    ("row", "changes", "ours"),
    [
        ("mask", {}, True),
        ("mask", {"model": {"pretrained": "objabn/assets/x3d_figures.pyth"}}, True),
        ("mask", {"segment": {"weights": "zoo"}}, False),
        ("abn", {"segment": {"weights": "zoo"}}, True),
        ("abn", {"model": {"pretrained": "kinetics"}}, False),
        ("abn", {"model": {"backbone": "torchvision:r3d_18"}}, False),
        ("abn", {"synthesize": None}, False),
    ],
)
def test_weights_of_others_are_not_ours(synthetic: Dataset, row: str, changes: dict, ours: bool) -> None:
    params = parameters(synthetic)
    for name, block in changes.items():
        value = getattr(params, name).model_copy(update=block) if block else block
        params = params.model_copy(update={name: value})
    assert push_module._is_ours(params, {"attention": row}) == ours
    assert push_module._is_ours(params, {"attention": "mask", "masks": {"of": "truth"}}) == (ours or row == "mask")


def test_a_control_has_the_values_that_it_was_trained_with(synthetic: Dataset) -> None:
    shutil.copy(Path(__file__).parents[2] / "params.yaml", "params.yaml")
    even = parameters(synthetic).model_copy(
        update={"loss_weights": synthetic.loss_weights.model_copy(update={"even": 0.125})}
    )
    run = Path("runs/ds/controls/mask-even/seed-0")
    write_training(run, even, 0, control="mask-even")
    push(run, TO)
    assert "It is the control `mask-even`, with `loss_weights.even: 0.125`" in card()


def test_hubs_read_the_header() -> None:
    hub = pytest.importorskip("huggingface_hub")
    push(ROW, TO)
    data = hub.ModelCard.load(TO / "README.md").data
    assert (data.license, data.library_name, data.datasets) == ("apache-2.0", "objabn", ["ds"])
    first, second = data.eval_results
    assert (first.metric_name, first.metric_value, first.dataset_split) == (
        "top-1, %, mean of 2 trainings",
        93.0,
        "test",
    )
    assert np.isclose(second.metric_value, 99.5)
