"""Fixtures shared by several files."""

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from objabn.config.file import load_params
from objabn.config.schema import Dataset

ROOT = Path(__file__).parents[1]

# The same examples each time, nothing kept on the disk, no deadline: the machine may be busy.
hypothesis.settings.register_profile("repeatable", derandomize=True, database=None, deadline=None, max_examples=50)
hypothesis.settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """Hide all GPUs, unless the tests of GPUs are asked for: `pytest -m gpu`.

    All other tests are about the CPU, where `auto` would find a GPU, and so are the processes that they start. CUDA
    looks for GPUs once in a process, so it is the whole run that sees them or does not.
    """
    if not _is_run_of_gpu_tests(config):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # tests run side by side; torch is not loaded yet


def _is_run_of_gpu_tests(config: pytest.Config) -> bool:
    chosen = config.getoption("markexpr")
    return "gpu" in chosen and "not gpu" not in chosen


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("detectron2") and importlib.util.find_spec("detectron2") is None:
        pytest.skip("detectron2 is not installed")
    if item.get_closest_marker("gpu"):
        if not _is_run_of_gpu_tests(item.config):
            pytest.skip("GPUs are hidden in this run: pytest -m gpu")
        import torch

        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")


@pytest.fixture(autouse=True)
def _environment() -> Iterator[None]:
    """Put the environment back, whatever sets it: the next tests' processes would inherit it."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


@pytest.fixture(scope="session")
def synthetic() -> Dataset:
    """The shipped parameters of the embedded data."""
    return load_params(ROOT / "params.yaml").datasets["synthetic"]


@pytest.fixture
def make_model() -> Callable:
    """Builds a small network (3 classes, clips of 4 x 32 x 32, maps of 4 x 4); keywords replace its settings."""
    import torch

    from objabn.config.schema import Model
    from objabn.model.network import ObjectABN

    papers = load_params(ROOT / "params.yaml").datasets["ucf101"].model.model_dump()
    small = {"pretrained": None, "split": "res3", "width_factor": 1.0, "depth_factor": 1.0, "attention_depth": 1,
             "attention_channels": 8}  # fmt: skip
    torch.set_num_threads(1)  # so small a network is 30 times slower when its threads wait on a busy machine

    def build(seed: int = 0, **settings: object) -> ObjectABN:
        frozen = settings.pop("frozen", None)  # a file of weights is not asked for here, as the schema does
        own = {name: settings.pop(name) for name in papers.keys() & settings.keys()}
        config = Model(**{**papers, **small, **own}).model_copy(update={"frozen": frozen})
        torch.manual_seed(seed)
        clips = {"num_classes": 3, "num_frames": 4, "crop": 32}
        return ObjectABN(config, **{"attention": "mha", "pc": True, **clips, **settings})

    return build


@pytest.fixture(scope="session")
def rcnn_state() -> dict:
    """Random weights of detectron2's R50-FPN."""
    from tests.helpers.random_rcnn import random_state

    return random_state()


@pytest.fixture(scope="session")
def rcnn_weights(rcnn_state: dict, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same in a file as those of detectron2's model zoo."""
    from tests.helpers.random_rcnn import save_pkl

    path = save_pkl(rcnn_state, tmp_path_factory.mktemp("zoo") / "model_final.pkl")
    yield path
    path.unlink()  # 180 MB


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout without data, the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OBJABN_CACHE", raising=False)
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def one_thread() -> Iterator[None]:
    """The same sums whatever ran before; and so small a network is slower with two."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, for tests of pages."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no chromium in PATH (Debian: apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        # Containers lack what the sandbox needs; the page is ours.
        yield driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
