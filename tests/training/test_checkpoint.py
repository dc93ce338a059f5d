"""An interrupted training goes on: the same bits, from whatever moment; and never from another training's state."""

import errno
import multiprocessing
import os
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from pydantic import BaseModel

from objabn.config.schema import Dataset
from objabn.model.run import Run, run_record
from objabn.stores.table import read_table, store_digest
from objabn.system.cache import Cache, unit_key
from objabn.training import train as train_module
from objabn.training.checkpoint import KIND, Checkpoint, Position, is_finished, run_key
from objabn.training.tally import TrainingError
from objabn.training.train import train
from tests.helpers.interruptions import KEY, Interrupted, interruption
from tests.helpers.training import BLOCK, changed, split

pytestmark = pytest.mark.usefixtures("one_thread")

ROOT = Path(__file__).parents[2]
NEVER, ALWAYS = 1e6, 1e-9  # minutes between two checkpoints within an epoch
COSINE = changed(train={"schedule": "cosine", "batch_size": 2, "epochs": 3})  # four batches an epoch, dropout 0.5
Trained = tuple[dict[str, torch.Tensor], bytes]


@pytest.fixture
def go(stores: Path, tmp_path: Path) -> Callable[..., Trained]:
    """Trains mha with the PC loss through a side cache; weights and curves. `minutes` None: without one."""

    def run(minutes: float | None = NEVER, params: Dataset = COSINE, key: str = KEY) -> Trained:
        directory = tmp_path / "run"
        directory.mkdir(exist_ok=True)
        checkpoint = None if minutes is None else Checkpoint(Cache(tmp_path / "cache"), key, minutes)
        sets = split(stores, "train", params), split(stores, "test", params)
        network, _ = train(Run(params, "mha", True, 0), *sets, directory, checkpoint)
        return network.state_dict(), (directory / "curves.csv").read_bytes()

    return run


@pytest.fixture(scope="module")
def undisturbed(stores: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("undisturbed")
    sets = split(stores, "train", COSINE), split(stores, "test", COSINE)
    network, _ = train(Run(COSINE, "mha", True, 0), *sets, folder)
    return network.state_dict(), (folder / "curves.csv").read_bytes()


def assert_same(one: Trained, other: Trained) -> None:
    assert one[1] == other[1]
    assert one[0].keys() == other[0].keys()
    assert all(torch.equal(one[0][name], other[0][name]) for name in one[0])


def first_line(capsys: pytest.CaptureFixture) -> str:
    """What a training printed first, behind the line that names its device."""
    return capsys.readouterr().out.splitlines()[1]


@pytest.mark.parametrize("minutes", [NEVER, ALWAYS])
@pytest.mark.parametrize("steps", [[1], [2], [4], [5], [8], [11], [12], [3, 2, 5]])
def test_the_same_bits_as_undisturbed(
    go: Callable[..., Trained], undisturbed: Trained, capsys, steps: list[int], minutes: float
) -> None:
    """Within the first, the last and other batches of an epoch, and several times."""
    kept = done = 0
    for step in steps:
        with interruption(step):
            go(minutes)
        done = kept + step - 1  # whole steps
        kept = done if minutes == ALWAYS else done // 4 * 4
    torch.manual_seed(99)  # what the next process starts with
    capsys.readouterr()
    assert_same(go(minutes), undisturbed)
    said = first_line(capsys)
    assert said == f"goes on after {kept} of 12 batches" if kept else said.startswith("epoch 1/3")


@pytest.mark.parametrize("step", [2, 3])
def test_the_same_bits_where_several_batches_make_a_step(go: Callable[..., Trained], step: int, capsys) -> None:
    """Of four batches an epoch three make the first step, one the second."""
    params = changed(train={"schedule": "cosine", "batch_size": 2, "epochs": 3, "accumulate": 3})
    expected = go(None, params)
    with interruption(step):
        go(ALWAYS, params)
    capsys.readouterr()
    assert_same(go(ALWAYS, params), expected)
    assert first_line(capsys) == f"goes on after {3 if step == 2 else 4} of 12 batches"


@pytest.mark.parametrize("steps", [[8, 4]])
def test_the_same_bits_where_values_are_read_seldom(
    go: Callable[..., Trained], undisturbed: Trained, monkeypatch, capsys, steps: list[int]
) -> None:
    """As from a GPU; three of an epoch's four steps lie between two readings, and the epoch's end is one."""
    monkeypatch.setattr(train_module, "reads_every", lambda device: 3)
    done = 0
    for step in steps:
        with interruption(step):
            go(ALWAYS)
        whole = done + step - 1
        done = whole // 4 * 4 + (3 if whole % 4 == 3 else 0)
    capsys.readouterr()
    assert_same(go(ALWAYS), undisturbed)
    said = first_line(capsys)
    assert said == f"goes on after {done} of 12 batches" if done else said.startswith("epoch 1/3")


def test_processes_agree_no_more_often_than_values_are_read(go: Callable[..., Trained], monkeypatch) -> None:
    asked = []
    monkeypatch.setattr(train_module, "reads_every", lambda device: 3)
    monkeypatch.setattr("objabn.training.collectives.agreed", lambda value, device: bool(asked.append(value)))
    go(NEVER)
    assert len(asked) == 2 * 3  # after the third and the last step of each epoch


def test_keeping_changes_nothing(go: Callable[..., Trained], undisturbed: Trained) -> None:
    for minutes in (NEVER, ALWAYS):
        assert_same(go(minutes, key=unit_key(minutes=minutes)), undisturbed)
    assert undisturbed[1].count(b"\n") == 4


@pytest.mark.parametrize(("minutes", "begins"), [(NEVER, 4), (ALWAYS, 8)])
def test_interrupted_while_validating(
    go: Callable[..., Trained], undisturbed: Trained, monkeypatch, capsys, minutes: float, begins: int
) -> None:
    """All batches of the epoch are done: none of it is left to load."""
    calls, validate = [], train_module.validate

    def second(*arguments: object) -> float:
        calls.append(arguments)
        if len(calls) == 2:
            raise Interrupted
        return validate(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(train_module, "validate", second)
    with pytest.raises(Interrupted):
        go(minutes)
    capsys.readouterr()
    assert_same(go(minutes), undisturbed)
    assert first_line(capsys) == f"goes on after {begins} of 12 batches"


def test_the_best_epoch_outlives_an_interruption(go: Callable[..., Trained], monkeypatch) -> None:
    """Its weights are those of a training that ended there: the learning rate is constant."""
    settings = {"schedule": "constant", "batch_size": 2}
    top1 = iter([0.0, 0.0, 70.0, 90.0, 80.0])
    monkeypatch.setattr(train_module, "validate", lambda *arguments: next(top1))  # also draws no random numbers
    expected = go(None, changed(train={**settings, "epochs": 2}))
    params = changed(train={**settings, "epochs": 3, "report": "best"})
    with interruption(10):
        go(NEVER, params)
    weights, curves = go(NEVER, params)
    assert all(torch.equal(weights[name], expected[0][name]) for name in weights)
    assert curves.count(b"\n") == 4


def test_with_loader_processes(go: Callable[..., Trained], undisturbed: Trained) -> None:
    params = changed(train={"schedule": "cosine", "batch_size": 2, "epochs": 3}, machine={"loader_workers": 1})
    with interruption(7):
        go(ALWAYS, params)
    assert multiprocessing.active_children() == []
    assert_same(go(ALWAYS, params), undisturbed)


def test_an_interrupted_one_goes_on_after_its_end_too(go: Callable[..., Trained], undisturbed: Trained) -> None:
    """Killed after the last epoch, before its weights stood in the run directory."""
    go()
    with pytest.raises(pytest.fail.Exception), interruption(1):
        assert_same(go(), undisturbed)  # takes no step


def test_another_key_starts_anew(go: Callable[..., Trained], undisturbed: Trained, capsys) -> None:
    with interruption(6):
        go()
    capsys.readouterr()
    assert_same(go(key=unit_key(what="another training")), undisturbed)
    assert "goes on" not in capsys.readouterr().out


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: content[:99] + b"?" + content[100:]])
def test_a_damaged_unit_starts_anew(
    go: Callable[..., Trained], undisturbed: Trained, tmp_path: Path, capsys, damage: Callable[[bytes], bytes]
) -> None:
    with interruption(6):
        go()
    unit = Cache(tmp_path / "cache").path(KIND, KEY)
    unit.write_bytes(damage(unit.read_bytes()))
    capsys.readouterr()
    assert_same(go(), undisturbed)
    assert "goes on" not in capsys.readouterr().out


class Evil:
    def __reduce__(self) -> tuple:
        return os.mkdir, ("executed",)


@pytest.mark.parametrize("what", ["pickle", "torch", "other dict", "no container", "empty"])
def test_a_foreign_unit_is_refused(go: Callable[..., Trained], tmp_path: Path, monkeypatch, what: str) -> None:
    monkeypatch.chdir(tmp_path)
    with interruption(6):
        go()
    cache = Cache(tmp_path / "cache")
    own = cache.load(KIND, KEY)
    assert own is not None
    weights = own[: 8 + int.from_bytes(own[:8], "little")]
    torch.save({"position": Evil()} if what == "torch" else {"position": {}}, tmp_path / "state")
    contents = {
        "pickle": weights + pickle.dumps(Evil()),
        "torch": weights + (tmp_path / "state").read_bytes(),
        "other dict": weights + (tmp_path / "state").read_bytes(),
        "no container": pickle.dumps(Evil()),
        "empty": b"",
    }
    cache.store(KIND, KEY, contents[what])
    message = rf"^{cache.path(KIND, KEY)}: expected a checkpoint of this training, got something else; remove it$"
    with pytest.raises(ValueError, match=message):
        go()
    assert not Path("executed").exists()


def test_a_full_disk_leaves_the_checkpoint_before(
    go: Callable[..., Trained], undisturbed: Trained, tmp_path: Path, monkeypatch, capsys
) -> None:
    with interruption(6):
        go()
    cache = Cache(tmp_path / "cache")
    before = cache.load(KIND, KEY)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("objabn.system.files.os.fsync", full)
        with pytest.raises(OSError, match="No space left") as error:
            go()
    assert (error.value.errno, error.value.filename) == (errno.ENOSPC, str(cache.path(KIND, KEY)))
    assert cache.load(KIND, KEY) == before
    assert [path for path in cache.root.rglob("*") if path.is_file()] == [cache.path(KIND, KEY)]
    capsys.readouterr()
    assert_same(go(), undisturbed)
    assert first_line(capsys) == "goes on after 4 of 12 batches"


def test_a_fault_is_there_again(go: Callable[..., Trained]) -> None:
    """A loss that is not finite: going on finds it in the same epoch, at the same videos."""
    params = changed(train={"lr": 1e30, "epochs": 5})
    said = []
    for _ in range(3):
        with pytest.raises(TrainingError, match=r"not finite in epoch \d; videos of the batch: v\d, v\d") as error:
            go(ALWAYS, params)
        said.append(str(error.value))
    assert len(set(said)) == 1


@pytest.mark.parametrize(("minutes", "step"), [(NEVER, 6), (ALWAYS, 2)])
def test_seconds_add_up(
    go: Callable[..., Trained],
    stores: Path,
    tmp_path: Path,
    minutes: float,
    step: int,
) -> None:
    with interruption(step):
        go(minutes)
    cache = Cache(tmp_path / "cache")
    own = cache.load(KIND, KEY)
    assert own is not None
    (tmp_path / "state").write_bytes(own[8 + int.from_bytes(own[:8], "little") :])
    state = torch.load(tmp_path / "state", weights_only=True)
    assert state["position"]["seconds"] > 0
    state["position"]["seconds"] = 1000.0
    torch.save(state, tmp_path / "state")
    cache.store(KIND, KEY, own[: 8 + int.from_bytes(own[:8], "little")] + (tmp_path / "state").read_bytes())
    sets = split(stores, "train", COSINE), split(stores, "test", COSINE)
    _, timing = train(Run(COSINE, "mha", True, 0), *sets, tmp_path / "run", Checkpoint(cache, KEY, NEVER))
    assert 1000 < timing["train_seconds"] < 1100


def test_the_clock_of_a_checkpoint(tmp_path: Path, monkeypatch) -> None:
    now = 0.0
    monkeypatch.setattr("objabn.training.checkpoint.time.monotonic", lambda: now)
    checkpoint = Checkpoint(Cache(tmp_path), KEY, 2)
    now = 119.0
    assert not checkpoint.due()
    now = 120.0
    assert checkpoint.due()


def test_a_position_starts_at_nothing() -> None:
    assert (Position().epoch, Position().batch, Position().sums, Position().rows) == (0, 0, {}, [])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store of two shards, and an input."""
    (tmp_path / "store/array.zarr").mkdir(parents=True)
    for name in ("c.0", "c.1"):
        (tmp_path / "store/array.zarr" / name).write_bytes(b"12345")
    (tmp_path / "index.csv").write_text("video\n")
    return tmp_path


def key(
    folder: Path,
    params: Dataset,
    attention: str = "mask",
    pc: bool = True,
    seed: int = 0,
    names: str = "ab",
    masks: str = "own",
    labels: str = "own",
    code: str = "as it is",
) -> str:
    record = run_record(Run(params, attention, pc, seed, None, masks, labels), list(names), [folder / "index.csv"])
    return run_key(record, [folder / "store"], code)


def test_the_key_is_that_of_the_same_training_only(folder: Path, synthetic: Dataset, monkeypatch) -> None:
    own = key(folder, synthetic)
    assert own == key(folder, synthetic)
    others = [
        key(folder, synthetic, attention="mha"),
        key(folder, synthetic, pc=False),
        key(folder, synthetic, seed=1),
        key(folder, synthetic, names="abc"),
        key(folder, synthetic, masks="shifted"),
        key(folder, synthetic, masks="other"),
        key(folder, synthetic, labels="shuffled"),
        key(folder, synthetic, code="edited"),
    ]
    with monkeypatch.context() as patched:
        patched.setattr("objabn.model.run.version", lambda package: "another")
        others.append(key(folder, synthetic))
    (folder / "index.csv").write_text("another\n")
    others.append(key(folder, synthetic))
    (folder / "index.csv").write_text("video\n")
    (folder / "store/array.zarr/c.1").write_bytes(b"1234")
    others.append(key(folder, synthetic))
    (folder / "store/array.zarr/c.1").write_bytes(b"54321")
    assert key(folder, synthetic) == own
    free = synthetic.model_copy(update={"train": synthetic.train.model_copy(update={"threads": None})})
    others.append(key(folder, free))
    torch.set_num_threads(2)
    others.append(key(folder, free))  # what a machine of two cores takes
    assert key(folder, synthetic) == own
    (folder / "store/array.zarr/c.1").rename(folder / "store/array.zarr/c.2")
    others.append(key(folder, synthetic))
    assert len({own, *others}) == 1 + len(others)


def test_a_training_may_go_on_on_another_gpu(folder: Path, synthetic: Dataset, monkeypatch) -> None:
    """One that computes in the same precision: the key asks CUDA for nothing else."""

    def touched(*_: object) -> None:
        raise AssertionError

    asked = synthetic.model_copy(update={"train": synthetic.train.model_copy(update={"accelerator": "cpu"})})
    on_cpu = key(folder, synthetic)
    of_cpu = key(folder, asked)
    on_cuda = {}
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    for name in ("get_device_name", "get_device_properties", "_lazy_init"):
        monkeypatch.setattr(f"torch.cuda.{name}", touched)
    for capability in ((7, 5), (8, 0), (9, 0)):
        monkeypatch.setattr("torch.cuda.get_device_capability", lambda capability=capability: capability)
        on_cuda[capability] = key(folder, synthetic)
    assert on_cuda[8, 0] == on_cuda[9, 0] != on_cuda[7, 5]
    assert on_cpu not in on_cuda.values()
    assert of_cpu == key(folder, asked)


def leaves(block: BaseModel, prefix: str = "") -> Iterator[str]:
    for name in type(block).model_fields:
        value = getattr(block, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_the_key_holds_the_parameters_that_dvc_tracks(folder: Path, synthetic: Dataset) -> None:
    prefix = "datasets.${item.ds}."
    tracked = tuple(
        name.removeprefix(prefix)
        for name in yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["train"]["params"]
    )
    own = key(folder, synthetic)
    seen = set()
    for leaf in leaves(synthetic):
        first, _, second = leaf.partition(".")
        # unvalidated, so that any value will do: a number that no parameter has
        block = getattr(synthetic, first)
        other = "torchvision:r3d_18" if leaf == "model.backbone" else 0.12345
        changed_block = block.model_copy(update={second: other}) if second else other
        if key(folder, synthetic.model_copy(update={first: changed_block})) != own:
            seen.add(leaf)
    assert seen == {leaf for leaf in leaves(synthetic) if leaf.startswith(tracked)}
    assert {"train.lr", "loss_weights.pc", "decode.height", "videos"} < seen


def test_a_store_with_checksums_is_known_by_its_table(stores: Path, tmp_path: Path) -> None:
    """Other content of a shard of the same size is another store, without a look into the shard."""
    shutil.copytree(stores / "masks", tmp_path / "masks")
    before = store_digest(tmp_path / "masks")
    table = (tmp_path / "masks/videos.csv").read_text()
    assert "checksum" in table
    next((tmp_path / "masks/array.zarr").glob("c.*")).write_bytes(b"")
    assert store_digest(tmp_path / "masks") == before
    checksum = read_table(tmp_path / "masks")["checksum"][0]
    (tmp_path / "masks/videos.csv").write_text(table.replace(checksum, f"{int(checksum, 16) ^ 1:08x}"))
    assert store_digest(tmp_path / "masks") != before


@pytest.mark.parametrize(
    ("timing", "lacks", "finished"),
    [
        ('{"key": "k"}', None, True),
        ('{"key": "another"}', None, False),
        ('{"train_seconds": 1}', None, False),
        ("[]", None, False),
        ("{", None, False),
        (None, None, False),
        ('{"key": "k"}', "run.json", False),
        ('{"key": "k"}', "model.safetensors", False),
    ],
)
def test_a_finished_run_is_recognised(tmp_path: Path, timing: str | None, lacks: str | None, finished: bool) -> None:
    for name in {"run.json", "model.safetensors"} - {lacks}:
        (tmp_path / name).write_text("x")
    if timing is not None:
        (tmp_path / "timing.json").write_text(timing)
    assert is_finished(tmp_path, tmp_path / "timing.json", "k") is finished


def test_dropout_is_drawn_in_these_tests() -> None:
    assert BLOCK["model"]["dropout"] == 0.5
    assert np.isclose(COSINE.model.dropout, 0.5)
