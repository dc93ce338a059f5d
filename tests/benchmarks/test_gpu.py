"""The benchmark of a GPU, tried without one: what it finds, and that no part can stop the others."""

import json
import math
import os
import re
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks.gpu import __main__ as command
from benchmarks.gpu import agreement, machine, steps
from benchmarks.gpu.report import Bench

ROOT = Path(__file__).parents[2]
FAKE = "benchmarks.gpu.made_up_"


def run(*arguments: str) -> str:
    """Run the command in a process of its own, and return what it printed."""
    whole = [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--tiny", *arguments]
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(whole, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def findings(printed: str) -> dict[str, dict[str, Any]]:
    """Return the lines of the JSON object, which are those that were printed before it."""
    report = json.loads(printed.splitlines()[-1])
    lines = re.findall(r"^(PASS|FAIL|note)  ([^:]+): ", printed, re.MULTILINE)
    assert [(line["verdict"], name) for name, line in report["lines"].items()] == lines
    return report["lines"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the parts that need no stage find."""
    out = tmp_path_factory.mktemp("gpu") / "report.json"
    printed = run("--parts", "1,2,3,4,5,6", "--out", str(out))
    assert out.read_text() == printed.splitlines()[-1] + "\n"
    assert list(json.loads(out.read_text())["parts"]) == ["1", "2", "3", "4", "5", "6"]
    return findings(printed)


def test_all_ways_of_the_depthwise_convolution_are_measured(tiny: dict[str, dict[str, Any]]) -> None:
    for way in ("auto", "native", "channels_last", "channels_last, benchmark", "three 2-D"):
        assert tiny[f"depthwise 32-true {way}"]["ms"] > 0
    assert tiny["depthwise 32-true, the default"]["text"].endswith("; 12 layers of 8 shapes")


def test_the_step_is_measured_and_profiled(tiny: dict[str, dict[str, Any]]) -> None:
    assert tiny["step 32-true auto"]["clips_a_second"] > 0
    assert 0 < tiny["share of depthwise"]["share"] < 1
    costs = [tiny[f"kernel {place}"]["share"] for place in range(1, 7)]
    assert costs == sorted(costs, reverse=True)


def test_the_cpu_agrees_with_itself(tiny: dict[str, dict[str, Any]]) -> None:
    for attention in ("plain", "abn", "mask", "mha"):
        exact, rounded = (tiny[f"as on the CPU, {attention} {name}"] for name in ("exact", "bf16-mixed"))
        assert (exact["loss"], exact["verdict"]) == (0, "PASS")
        assert rounded["cosine"] < exact["cosine"] == pytest.approx(1)
    assert tiny["twice, deterministic true"]["difference"] == 0


def test_loader_and_segmenter_are_measured(tiny: dict[str, dict[str, Any]]) -> None:
    assert tiny["loader, 2 workers"]["clips_a_second"] > 0
    assert 0 <= tiny["training from the store"]["waiting"] < 1
    assert tiny["segment, short edge 64, batch 2"]["instances"] > 0


@pytest.mark.slow
def test_stages_kills_and_two_processes() -> None:
    """Minutes: the tiny data set through all stages, and trainings that are killed."""
    found = findings(run("--parts", "7,8"))
    assert found["killed at half"]["text"].startswith("goes on after ")
    assert found["one of two killed"]["verdict"] == "PASS"
    assert {"stage decode", "stage segment", "stage train", "stage evaluate", "two as one"} <= set(found)


def on_cuda(monkeypatch: pytest.MonkeyPatch, folder: Path, listed: str = "") -> int:
    """Run all parts where torch has no GPU and nvidia-smi says this; the exit status."""
    if listed:
        smi = folder / "nvidia-smi"
        smi.write_text(f"#!/bin/sh\necho '{listed}'\n")
        smi.chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "argv", ["gpu"])
    return command.main()


def test_without_a_gpu_it_is_one_line(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture) -> None:
    assert on_cuda(monkeypatch, tmp_path) == 2
    expected = "no GPU: CUDA finds none here, and nvidia-smi lists none; --device cpu --tiny tries the benchmark\n"
    assert capsys.readouterr().out == expected


def test_a_gpu_that_torch_cannot_use_is_a_fault(tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture) -> None:
    assert on_cuda(monkeypatch, tmp_path, "NVIDIA H100, 535.54, 81559 MiB, Default, Disabled") == 1
    found = findings(capsys.readouterr().out)
    assert set(found) == {"torch sees the GPU", "/dev/shm"}  # no other part ran
    assert found["torch sees the GPU"]["verdict"] == "FAIL"
    assert "NVIDIA H100, 535.54" in found["torch sees the GPU"]["text"]


@pytest.mark.parametrize(("arguments", "message"), [
    (["--parts", "1,9"], "expected numbers of 1 to 8, got '1,9'"),
    (["--parts", "x"], "expected numbers of 1 to 8, got 'x'"),
    (["--device", "cpu"], "expected --tiny with --device cpu"),
])  # fmt: skip
def test_wrong_arguments(arguments: list[str], message: str, monkeypatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(sys, "argv", ["gpu", *arguments])
    with pytest.raises(SystemExit) as stop:
        command.main()
    assert stop.value.code == 2
    assert message in capsys.readouterr().err


def made_up(monkeypatch: pytest.MonkeyPatch, *arguments: str, **parts: Any) -> int:
    """Run parts made by a test, a function each, in order; the exit status."""
    listed = {}
    for number, (name, function) in enumerate(parts.items(), 1):
        monkeypatch.setitem(sys.modules, f"{FAKE}{name}", SimpleNamespace(run=function))
        listed[number] = command.Part(f"made_up_{name}", name, 5, 2 if name == "slow" else 60)
    monkeypatch.setattr(command, "PARTS", listed)
    monkeypatch.setattr(sys, "argv", ["gpu", "--device", "cpu", "--tiny", *arguments])
    return command.main()


def say(bench: Bench) -> None:
    bench.note("said", "as it should")


def test_no_part_stops_another(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """One raises, one is killed, one leaves, one takes too long, and one goes on after its finding is wrong."""

    def raises(bench: Bench) -> None:
        bench.note("before", "a fault")
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def wrong(bench: Bench) -> None:
        bench.check("sum", 1 + 1 == 3, "1 + 1 = 2", value=2)
        bench.check("other sum", 1 + 1 == 2, "1 + 1 = 2")

    began = time.monotonic()
    status = made_up(
        monkeypatch,
        raises=raises,
        killed=lambda bench: os.kill(os.getpid(), signal.SIGKILL),
        left=lambda bench: os._exit(3),
        slow=lambda bench: time.sleep(60),
        wrong=wrong,
        said=say,
    )
    assert (status, time.monotonic() - began < 30) == (1, True)
    lines = json.loads(capsys.readouterr().out.splitlines()[-1])["lines"]
    assert {name: line["text"] for name, line in lines.items() if line["verdict"] == "FAIL"} == {
        "part made_up_raises": "RuntimeError: CUDA error: an illegal memory access was encountered",
        "part 2": "was killed by SIGKILL",
        "part 3": "ended with exit status 3",
        "part 4": "was ended: it took more than 2 s",
        "sum": "1 + 1 = 2",
    }
    assert [lines[name]["verdict"] for name in ("before", "other sum", "said")] == ["note", "PASS", "note"]
    assert lines["sum"]["value"] == 2


def test_a_part_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def starts(bench: Bench) -> None:
        process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(100)"])
        (tmp_path / "number").write_text(str(process.pid))

    assert made_up(monkeypatch, starts=starts) == 0
    number, deadline = int((tmp_path / "number").read_text()), time.monotonic() + 20
    stat_file = Path(f"/proc/{number}/stat")
    while stat_file.exists() and stat_file.read_text().rpartition(")")[2].split()[0] != "Z":
        assert time.monotonic() < deadline, "it still runs"
        time.sleep(0.02)


def test_a_part_without_time_is_left_out(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(command, "_is_cuda_there", lambda: True)
    listed = {1: command.Part("made_up_said", "said", 30, 60)}
    monkeypatch.setattr(command, "PARTS", listed)
    monkeypatch.setattr(sys, "argv", ["gpu", "--minutes", "0.4"])
    assert command.main() == 0
    assert "part 1: not run: 24 s are left of 0.4 minutes, it takes about 30" in capsys.readouterr().out


@pytest.mark.parametrize(("capability", "compiled", "has"), [
    ((9, 0), ["sm_80", "sm_90"], True),
    ((8, 9), ["sm_80", "sm_90"], True),
    ((7, 0), ["sm_75", "sm_80"], False),
    ((12, 1), ["sm_90", "compute_120"], True),
    ((12, 0), ["sm_90", "sm_100"], False),
    ((10, 3), ["sm_90a", "sm_100a"], False),
    ((9, 0), ["sm_90a"], True),
])  # fmt: skip
def test_which_cards_have_kernels(capability: tuple[int, int], compiled: list[str], has: bool) -> None:
    assert machine.has_kernels(capability, compiled) == has


@pytest.mark.parametrize(("operation", "shapes", "is_it"), [
    ("aten::convolution_backward", [[2, 8, 4, 9, 9], [2, 8, 4, 9, 9], [8, 1, 3, 3, 3], []], True),
    ("aten::cudnn_convolution", [[2, 8, 9, 9], [8, 1, 3, 3]], True),
    ("aten::cudnn_convolution", [[2, 8, 4, 9, 9], [16, 8, 3, 3, 3]], False),
    ("aten::cudnn_convolution", [[2, 24, 4, 9, 9], [24, 1, 5, 1, 1]], False),
    ("aten::cudnn_convolution", [[2, 101, 4, 9, 9], [1, 101, 1, 3, 3]], False),
    ("aten::copy_", [[8, 1, 3, 3, 3], [8, 1, 3, 3, 3]], False),
    ("_DepthwiseBackward", [[2, 8, 4, 9, 9], []], True),
])  # fmt: skip
def test_which_operations_are_depthwise(operation: str, shapes: list[list[int]], is_it: bool) -> None:
    assert steps.is_depthwise(operation, shapes) == is_it


@pytest.mark.parametrize(("change", "verdict"), [
    ({}, True), ({"loss": 1.006}, False), ({"loss": 1.004}, True), ({"bits": 2.03}, False), ({"turn": 0.06}, False),
    ({"loss": math.nan}, False), ({"bits": math.nan}, False),
])  # fmt: skip
def test_what_does_not_agree(change: dict[str, float], verdict: bool) -> None:
    """Beyond a bound, or not finite. A turn is the angle between the gradients."""
    turn = change.get("turn", 0.0)
    expected = agreement.Result(1.0, torch.tensor([1.0, 0.0]), 2.0)
    gradients = torch.tensor([math.cos(turn), math.sin(turn)])
    got = agreement.Result(change.get("loss", 1.0), gradients, change.get("bits", 2.0))
    verdicts: list[bool] = []
    bench: Any = SimpleNamespace(check=lambda name, is_right, text, **figures: verdicts.append(is_right))
    agreement.compare(bench, "", expected, got, agreement.BOUNDS["32-true"])
    assert verdicts == [verdict]
