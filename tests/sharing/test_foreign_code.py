"""A line says that reading a run from elsewhere runs code."""

import json
from pathlib import Path

import pytest

from objabn.sharing.foreign_code import code_line


@pytest.mark.parametrize(
    ("place", "backbone", "said"),
    [
        ("got/mask", "evil.py:net", True),
        ("got/mask", "evil.module:net", True),
        ("runs/../got", "evil.py:net", True),
        ("got/mask", "x3d", False),
        ("got/mask", "torchvision:r3d_18", False),
        ("got/mask", "hf:a/b", False),
        ("runs/ds/mask/pc-false/seed-0", "mine.py:net", False),
    ],
)
def test_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, backbone: str, said: bool) -> None:
    monkeypatch.chdir(tmp_path)
    Path("runs").mkdir()
    Path(place).mkdir(parents=True)
    Path(place, "run.json").write_text(json.dumps({"params": {"model": {"backbone": backbone}}}))
    line = f"code of {backbone} runs now: {place}/run.json names it as the backbone"
    assert code_line(Path(place)) == (line if said else "")


def test_faults_are_left_to_who_reads_the_run(tmp_path: Path) -> None:
    assert code_line(tmp_path) == ""
    for text in ("{", "[]", '{"params": {"model": {}}}', '{"network": {}}'):
        (tmp_path / "run.json").write_text(text)
        assert code_line(tmp_path) == ""
