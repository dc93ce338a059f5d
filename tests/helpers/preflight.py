"""Data sets for the checks: an index, its videos as bytes that nobody decodes, and a machine without anything."""

from pathlib import Path

import pandas as pd
import pytest

from objabn.config.file import parse_params
from objabn.config.schema import Params

TEXT = (Path(__file__).parents[2] / "params.yaml").read_text()


def given(*overrides: str) -> Params:
    """The shipped parameters with some that differ."""
    return parse_params(TEXT, overrides=overrides)


def write_index(name: str, number: int = 8, classes: str = "ab") -> list[str]:
    """The index of videos `a/0.mp4`, `b/1.mp4`, ... of 10 bytes, every other pair for tests; their paths."""
    lines, paths = ["video,path,label,split,bytes,digest"], []
    for at in range(number):
        label = classes[at % len(classes)]
        paths.append(f"{label}/{at}.mp4")
        lines.append(f"{label}/{at},{label}/{at}.mp4,{label},{('train', 'test')[at // 2 % 2]},10,{at}")
    path = Path("data", name, "index.csv")
    path.parent.mkdir(parents=True)
    path.write_text("\n".join(lines) + "\n")
    return paths


def deal(name: str, number: int) -> None:
    """Put the videos of an index into folds, in turn."""
    path = Path("data", name, "index.csv")
    index = pd.read_csv(path, dtype=str)
    index.assign(split=[f"fold-{at % number + 1}" for at in range(len(index))]).to_csv(path, index=False)


def write_videos(folder: Path, paths: list[str], content: bytes = b"0123456789") -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


def take_everything_away(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """No GPU, no detectron2, no ray, no cached weights, no network."""
    from objabn.preflight import device, segmenter, weights

    monkeypatch.setattr(device.shutil, "which", lambda name: None)
    monkeypatch.setattr(device, "_SIGNS", ())
    monkeypatch.setattr(segmenter.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(weights, "ask", lambda urls: dict.fromkeys(urls, "no connection"))
    for name in ("TORCH_HOME", "FVCORE_CACHE"):
        monkeypatch.setenv(name, str(home / name))
