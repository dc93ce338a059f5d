"""The backbone of pytorchvideo's zoo: downloaded once, read as weights only, named in run.json with its digest."""

import hashlib
import re
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from torch import nn

from objabn.config.schema import Dataset
from objabn.model import x3d
from objabn.model.run import Run, run_record
from objabn.model.x3d import downloaded_digest, x3d_blocks

SMALL = {"num_frames": 4, "crop": 32, "width_factor": 1.0, "depth_factor": 1.0, "dropout": 0.5}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file as the zoo's, of a small network: what training left in it, too."""
    torch.manual_seed(1)
    net = nn.Module()
    net.blocks = nn.ModuleList(x3d_blocks(num_classes=400, **SMALL))
    path = tmp_path_factory.mktemp("zoo") / "X3D_M.pyth"
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    content = {"epoch": 300, "model_state": net.state_dict(), "optimizer_state": optimiser.state_dict(), "cfg": "A: 1"}
    torch.save(content, path)
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where torch keeps downloads."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub/checkpoints"


@pytest.fixture
def url(checkpoint: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The zoo's address, which leads to the file."""
    monkeypatch.setitem(x3d.checkpoint_paths, "x3d_m", checkpoint.as_uri())
    return checkpoint.as_uri()


def test_the_zoos_weights_are_downloaded_and_named_by_their_digest(
    checkpoint: Path, home: Path, url: str, synthetic: Dataset
) -> None:
    digest = f"sha256:{hashlib.sha256(checkpoint.read_bytes()).hexdigest()}"
    model = synthetic.model.model_copy(update={"pretrained": "kinetics400"})
    record = run_record(Run(synthetic.model_copy(update={"model": model}), "abn", False, 0), [], [])
    assert record["inputs"] == {url: digest}
    assert (home / "X3D_M.pyth").read_bytes() == checkpoint.read_bytes()
    (home / "X3D_M.pyth").touch()
    blocks = x3d_blocks(num_classes=3, pretrained="kinetics400", **SMALL)
    weights = torch.load(checkpoint)["model_state"]
    assert torch.equal(blocks[0].conv.conv_t.weight, weights["blocks.0.conv.conv_t.weight"])


def test_only_a_backbone_that_is_downloaded_is_named_so(home: Path) -> None:
    assert downloaded_digest(None) == downloaded_digest("objabn/assets/x3d_figures.pyth") == {}
    assert not home.exists()


def test_one_process_downloads_and_the_others_wait(checkpoint: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Counter[str] = Counter()

    def download(url: str, path: str, **_: object) -> None:
        calls[url] += 1
        time.sleep(0.1)
        Path(path).write_bytes(checkpoint.read_bytes())

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with ThreadPoolExecutor(3) as pool:
        digests = [found.result() for found in [pool.submit(downloaded_digest, "kinetics400") for _ in range(3)]]
    assert calls == {url: 1}
    assert digests == [digests[0]] * 3


def test_half_a_download_is_named(checkpoint: Path, home: Path, url: str) -> None:
    content = checkpoint.read_bytes()
    home.mkdir(parents=True)
    (home / "X3D_M.pyth").write_bytes(content[: len(content) // 2])
    got = f"the first {len(content) // 2:,} bytes of a file, as a download leaves it that was cut short"
    line = f"{home / 'X3D_M.pyth'}: expected the file of {url}, got {got}; remove it and fetch it again"
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        x3d_blocks(num_classes=3, pretrained="kinetics400", **SMALL)


def test_what_is_more_than_weights_is_not_read(checkpoint: Path, home: Path, url: str) -> None:
    home.mkdir(parents=True)
    torch.save({**torch.load(checkpoint), "more": Fraction(1, 2)}, home / "X3D_M.pyth")
    line = r"got a file that torch cannot read \(UnpicklingError\); remove it and fetch it again$"
    with pytest.raises(ValueError, match=line):
        x3d_blocks(num_classes=3, pretrained="kinetics400", **SMALL)
