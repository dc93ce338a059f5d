"""The comparison with other people's libraries: it stops at a difference, and an environment is made once."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import __main__ as command
from benchmarks.peers.cases import CASES, TUPLES, filled, numbers

NETWORK = "two convolutions"


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """What the peers would say, in the place of environments: of maps our own, of measures what was agreed."""
    agreed = json.loads(command.AGREED.read_text())
    said = {key: values * 3 for key, values in command.our_maps([NETWORK])[0].items()}
    scores = {name: np.array(agreed[name]) for name in command.SCORES}
    scores["discrete_entropy"] *= np.log(2)
    odd = ("discrete_entropy", "PointingGame", "RelevanceMassAccuracy")
    said |= scores | {f"odd {name}": np.zeros(3) for name in odd} | {"Complexity": np.zeros(8)}
    monkeypatch.setattr(command, "environment", lambda folder, package, version: folder)
    monkeypatch.setattr(command, "ask", lambda *given: {key: value.copy() for key, value in said.items()})
    return said


def run(monkeypatch: pytest.MonkeyPatch, folder: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["peers", "--folder", str(folder), "--only", NETWORK])
    return command.main()


def test_all_agree(peers: dict, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(monkeypatch, tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    largest = json.loads(lines[-1])
    assert set(largest) == {
        *(f"{NETWORK}|{layer}|{letter}" for layer in ("one", "two") for letter in "gl"),
        *command.SCORES,
    }
    assert max(largest.values()) < 1e-6
    assert "TOO MUCH" not in "".join(lines)


@pytest.mark.parametrize(
    ("key", "change"),
    [(f"{NETWORK}|two|g", 1e-3), (f"{NETWORK}|one|l", 1e-3), ("RelevanceMassAccuracy", 1e-5), ("PixelFlipping", 1e-5)],
)
def test_a_difference_stops_it(
    peers: dict, key: str, change: float, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    peers[key].flat[-1] += change
    assert run(monkeypatch, tmp_path) == 1
    assert capsys.readouterr().out.count("TOO MUCH") == 1


@pytest.mark.parametrize("said", [np.array("no gradient"), np.zeros((2, 4, 4, 4))])
def test_maps_that_are_not_there_are_no_agreement(
    peers: dict, said: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    peers[f"{NETWORK}|two|g"] = said
    assert run(monkeypatch, tmp_path) == 1
    assert "TOO MUCH" in capsys.readouterr().out


def test_an_environment_is_made_once_and_borrows_what_is_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    commands: list[list[str]] = []
    found = {"version": ""}

    def called(given: list, **_named: object) -> subprocess.CompletedProcess:
        commands.append([str(each) for each in given])
        if "venv" in given:
            site = tmp_path / "quantus/lib/python3.11/site-packages"
            site.mkdir(parents=True)
            (tmp_path / "quantus/bin").mkdir()
            (tmp_path / "quantus/bin/python").touch()
        return subprocess.CompletedProcess(given, 0, stdout=found["version"])

    monkeypatch.setattr(subprocess, "run", called)
    python = command.environment(tmp_path, "quantus", "0.6.0")
    assert python == tmp_path / "quantus/bin/python"
    assert [given[1:3] for given in commands] == [["-m", "venv"], ["-m", "pip"]]
    assert commands[1][-1] == "quantus==0.6.0"
    borrowed = (tmp_path / "quantus/lib/python3.11/site-packages/borrowed.pth").read_text().splitlines()
    assert Path(np.__file__).parents[1] in map(Path, borrowed)
    commands.clear()
    found["version"] = "0.6.0\n"
    assert command.environment(tmp_path, "quantus", "0.6.0") == python
    assert [given[1] for given in commands] == ["-c"]


def test_weights_are_the_same_for_ever() -> None:
    assert numbers(2).round(8).tolist() == [0.5488135, 0.71518937]
    network = filled(CASES[NETWORK].build().module)
    weight = network.head.weight
    assert weight.flatten()[0].item() == pytest.approx((2 * numbers(5, 8, seed=4)[0, 0] - 1) * (6 / 8) ** 0.5)
    assert not network.head.bias.any()
    assert not network.training


def test_what_cannot_be_compared_is_a_layer_of_a_case() -> None:
    assert {(name, layer) for name, case in CASES.items() for layer in case.layers} >= TUPLES
