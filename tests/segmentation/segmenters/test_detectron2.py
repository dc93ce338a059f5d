"""The detectron2 backend without detectron2, its keys, and the whole stage with it."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
from torch import nn

from objabn.segmentation.segment import segment_videos
from objabn.segmentation.segmenters import choice
from objabn.segmentation.segmenters import detectron2 as backend
from objabn.segmentation.segmenters.choice import settings_key
from objabn.segmentation.segmenters.detectron2 import MODEL
from objabn.segmentation.units import unit_names
from objabn.stores.array import StoreReader, StoreWriter
from objabn.stores.masks import GRID
from objabn.system.cache import Cache
from tests.helpers.instances import textured
from tests.helpers.random_rcnn import build

ROOT = Path(__file__).parents[3]
NO_LIBRARY = (
    "segmenter detectron2: the library cannot be imported (No module named '{}'); `make detectron2` builds it against "
    "the torch that is there (by hand: https://detectron2.readthedocs.io/en/latest/tutorials/install.html)"
)


def hide(folder: Path, package: str) -> str:
    """A directory that makes a package as if it were not installed, when it comes first in the path."""
    (folder / package).mkdir(parents=True)
    message = f"No module named {package!r}"
    (folder / package / "__init__.py").write_text(f"raise ModuleNotFoundError({message!r}, name={package!r})\n")
    return str(folder)


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], None]:
    """Hides a package, and makes detectron2 as if it were not imported yet."""

    def remove(package: str) -> None:
        for name in [name for name in sys.modules if name.split(".")[0] in (package, "detectron2")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(hide(tmp_path / "hidden", package))

    return remove


URL = "https://dl.fbaipublicfiles.com/detectron2/some/model_final.pkl"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (None, "segment.weights: expected detectron2 to download {url}, got <urlopen error timed out>; "
               "fetch {url} elsewhere and put it at {path}, or set segment.weights to its path"),
        (b"", f"{{path}}: expected a checkpoint of detectron2's {MODEL}, got an empty file; "
              "remove it and fetch {url} again"),
        (b"\x80\x04 whole.", f"{{path}}: expected a checkpoint of detectron2's {MODEL}, got one that detectron2 cannot "
                             "load (URLError: <urlopen error timed out>); remove it and fetch {url} again"),
    ],
)  # fmt: skip
def test_what_is_said_when_the_zoos_weights_do_not_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, line: str
) -> None:
    class Checkpointer:
        def __init__(self, network: nn.Module) -> None:
            pass

        def load(self, source: str) -> None:
            raise URLError("timed out")

    monkeypatch.setenv("FVCORE_CACHE", str(tmp_path))
    path = tmp_path / "detectron2/some/model_final.pkl"
    if content is not None:
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
    library = SimpleNamespace(DetectionCheckpointer=Checkpointer)
    with pytest.raises(ValueError, match="detectron2") as fault:
        backend._load(library, nn.Linear(1, 1), URL, MODEL)
    assert str(fault.value) == line.format(url=URL, path=path)


class Untouched:
    """Frames that nobody may ask for."""

    def read_all(self, video: str) -> np.ndarray:
        raise AssertionError(video)

    def read(self, video: str, indices: np.ndarray) -> np.ndarray:
        raise AssertionError(video)


def test_a_missing_library_is_one_line_before_any_frame_is_read(without: Callable, tmp_path: Path) -> None:
    without("detectron2")
    table = pd.DataFrame([{"video": "a", "frames": 3, "digest": "of a", "split": "train", "status": "ok"}])
    settings = {"backend": "detectron2", "weights": "zoo"}
    with pytest.raises(ValueError, match="cannot be imported") as fault:
        segment_videos(
            table,
            unit_names(table, {"segment": settings_key(**settings)}),
            Untouched(),
            tmp_path,
            make_segmenter=lambda: choice.build(**settings),
            cache=Cache(tmp_path / "cache"),
        )
    assert str(fault.value) == NO_LIBRARY.format("detectron2")


def frame_store(folder: Path, num_frames: int, height: int = 48, width: int = 64) -> None:
    """The frames of two videos as the stage `decode` leaves them."""
    folder.mkdir(parents=True)
    writer = StoreWriter(folder, (height, width, 3), frames_per_shard=16)
    for seed, split in enumerate(("train", "test")):
        frames = np.stack([textured(height, width, 7 * seed + n) for n in range(num_frames)]).astype(np.uint8)
        writer.append(frames, video=split, digest=f"digest of {split}", split=split, label="a", status="ok")
    writer.close()


def run_segment(folder: Path, *path: str) -> subprocess.CompletedProcess[str]:
    """`python -m stages.segment ucf101` in a folder; path: directories to look for packages in first."""
    environment = {**os.environ, "PYTHONPATH": ":".join([*path, str(ROOT)]), "OBJABN_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "stages.segment", "ucf101"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


def test_the_stage_exits_2_with_that_line(tmp_path: Path) -> None:
    frame_store(tmp_path / "data/ucf101/frames", 2)
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run_segment(tmp_path, hide(tmp_path / "hidden", "detectron2"))
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"segment: {NO_LIBRARY.format('detectron2')}"
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data/ucf101/masks").exists()


def test_the_key_names_the_zoo_and_digests_a_file(tmp_path: Path) -> None:
    settings = {"model": MODEL, "short_edge": 800, "proposals": 1000, "score_floor": 0.05}
    key = settings_key("detectron2", weights="zoo", batch_size=4, **settings)
    assert key == {"backend": "detectron2", "version": 1, "weights": "zoo", **settings}
    assert settings_key("detectron2", weights="zoo", **{**settings, "model": "other"}) != key
    (tmp_path / "w.pkl").write_bytes(b"one")
    local = settings_key("detectron2", weights=str(tmp_path / "w.pkl"), **settings)
    (tmp_path / "w.pkl").write_bytes(b"two")
    other = settings_key("detectron2", weights=str(tmp_path / "w.pkl"), **settings)
    assert len({each["weights"] for each in (key, local, other)}) == 3


@pytest.mark.detectron2
def test_setuptools_without_pkg_resources(without: Callable) -> None:
    without("pkg_resources")
    with pytest.raises(ValueError, match="cannot be imported") as fault:
        build("zoo")
    assert str(fault.value) == NO_LIBRARY.format("pkg_resources")


@pytest.mark.detectron2
def test_masks_table_and_units_come_out_and_units_need_no_library(rcnn_weights: Path, tmp_path: Path) -> None:
    frame_store(tmp_path / "data/ucf101/frames", 3)
    text = (ROOT / "params.yaml").read_text().replace("weights: zoo", f"weights: {rcnn_weights}")
    (tmp_path / "params.yaml").write_text(text.replace("short_edge: 800", "short_edge: 64"))
    done = run_segment(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "2 videos segmented, 0 found in the side cache\n"
    planes = StoreReader(tmp_path / "data/ucf101/masks").read_all("test")
    assert planes.shape == (3, 2, GRID, GRID)
    assert planes.any()
    rows = pd.read_parquet(tmp_path / "data/ucf101/masks/instances.parquet")
    assert set(rows["video"]) == {"train", "test"}
    assert (rows["score"] > 0.05).all()
    again = run_segment(tmp_path, hide(tmp_path / "hidden", "detectron2"))
    assert (again.returncode, again.stdout) == (0, "0 videos segmented, 2 found in the side cache\n"), again.stderr
