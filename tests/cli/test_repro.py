"""`python -m objabn repro`: which stages it runs, side by side, with a made-up DVC in place of the real one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from typing import Any

import psutil
import pytest

from objabn.__main__ import main
from objabn.cli import dvc, repro
from objabn.cli.dvc import Dvc
from objabn.cli.stages import Stage
from objabn.config.file import load_params
from objabn.preflight.device import Devices
from tests.helpers.clones import edit_params, hear_ctrl_c

ROOT = Path(__file__).parents[2]
ALL_STALE = [f"{kind}@synthetic-{row}" for kind, row in [
    *(("train", f"{name}-True-{seed}") for name in ("abn", "mask") for seed in (0, 1)),
    *(("train-control", f"plain-{seed}") for seed in (0, 1)),
    *(("evaluate", f"{name}-True") for name in ("abn", "mask")),
    ("evaluate-control", "plain"),
]]  # fmt: skip
# It notes when each call began and ended, and does what script.json says.
MADE_UP = """
import json, os, signal, subprocess, sys, time
from pathlib import Path

def note(what):
    with open("calls.txt", "a") as file:
        file.write(json.dumps([time.monotonic(), what, sys.argv[1:], os.getpid()]) + "\\n")

script, (first, command, *targets) = json.loads(Path("script.json").read_text()), sys.argv[1:]
assert first == "--wait-for-lock"
note("begins")
status = 0
if command == "status":
    names = [name for name in script["stale"] if name.split("@")[0] in targets[1:]]
    print(json.dumps({name: ["changed checksum"] for name in names}))
elif targets[:1] == ["-s"]:
    name = targets[1]
    print(f"Running stage '{name}':\\n> python -m stages.train synthetic", flush=True)
    print("\\repoch 1/2:  50%|#####     | 1/2\\r", end="", file=sys.stderr, flush=True)
    print("epoch 1/2: loss 1.000", flush=True)
    if script.get("deaf"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        note("is deaf")
    until = time.monotonic() + 30
    while not all(other in Path("calls.txt").read_text() for other in script.get("together", {}).get(name, [])):
        if time.monotonic() > until:
            sys.exit(9)
        time.sleep(0.02)
    if script.get("timed"):
        Path(".cache/times").mkdir(parents=True, exist_ok=True)
        time_of_it = {"name": name, "began": time.time(), "seconds": 0.5, "is_finished": True}
        Path(f".cache/times/{name}.json").write_text(json.dumps(time_of_it))
    if script.get("seconds"):
        subprocess.run([sys.executable, "-c", f"import time; time.sleep({script['seconds']})"])
    if status := script.get("failing", {}).get(name, 0):
        print("train: no space left\\nERROR: failed to reproduce", file=sys.stderr)
    print("\\nUpdating lock file 'dvc.lock'\\n\\nTo track the changes with git, run:\\n\\n\\tgit add dvc.lock")
    print("Use `dvc push` to send your updates to remote storage.")
else:
    status = script.get("failing", {}).get(" ".join(["repro", *targets]), 0)
note("ends")
sys.exit(status)
"""


class Checkout:
    """A folder with a made-up DVC, three rows and two seeds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dvc.py").write_text(MADE_UP)
        self.say(stale=ALL_STALE)

    def say(self, **script: Any) -> None:
        (self.folder / "script.json").write_text(json.dumps(script))

    def calls(self) -> list[list[Any]]:
        lines = self.folder / "calls.txt"
        return [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []

    def begun(self) -> list[str]:
        """What DVC was called with, in order."""
        return [" ".join(arguments[1:]) for _, what, arguments, _ in self.calls() if what == "begins"]

    def most_at_a_time(self) -> int:
        running, most = 0, 0
        for _, what, *_ in sorted(self.calls()):
            running += {"begins": 1, "ends": -1}[what]
            most = max(most, running)
        return most


@pytest.fixture
def checkout(place: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    def two_seeds(values: dict) -> None:
        values["table"].update(attention=["abn", "mask"], pc=[True], controls=["plain"], seeds=[0, 1])
        values["loss"].update(pc=True)

    edit_params(place, two_seeds)
    monkeypatch.setattr(repro, "num_cores", lambda: 2)
    monkeypatch.setattr(repro, "find_devices", lambda: Devices([]))
    return Checkout(place)


def stages(*names: str) -> list[str]:
    return [f"repro -s {name}" for name in names]


TRAININGS = stages(
    "train@synthetic-abn-True-0", "train@synthetic-mask-True-0", "train-control@synthetic-plain-0",
    "train@synthetic-abn-True-1", "train@synthetic-mask-True-1", "train-control@synthetic-plain-1",
)  # fmt: skip
EVALUATIONS = stages("evaluate@synthetic-abn-True", "evaluate@synthetic-mask-True", "evaluate-control@synthetic-plain")
SEGMENT = "repro segment@synthetic networks@synthetic"
ASKED = "status --json evaluate evaluate-control train train-control"


def test_names_are_dvcs_and_labels_are_the_tables(place: Path) -> None:
    params = load_params()
    names = [stage.name for stage in repro.trainings(params)]
    assert len(set(names)) == 21
    assert names[:2] == ["train@synthetic-abn-False-0", "train@synthetic-abn-True-0"]
    assert names[6:8] == ["train-control@synthetic-plain-0", "train@synthetic-abn-False-1"]
    assert repro.trainings(params)[8].label == "abn + PC, seed 1"
    evaluations = repro.evaluations(params)
    assert evaluations[3] == Stage("evaluate@synthetic-mask-True", "mask + PC")
    assert evaluations[-1] == Stage("evaluate-control@synthetic-plain", "plain")


def test_all_is_made_side_by_side_in_the_tables_order(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    pairs = [(first.split()[-1], second.split()[-1]) for first, second, *_ in (TRAININGS, EVALUATIONS)]
    together = {name: [f'"{other}"' for other in pair] for pair in pairs for name in pair}  # each waits for the other
    checkout.say(stale=ALL_STALE, together=together)
    assert main(["repro"]) == 0
    begun = checkout.begun()
    assert (begun[0], begun[-1]) == (SEGMENT, "repro")
    assert begun[1] == ASKED
    assert sorted(begun[2:11]) == sorted([*TRAININGS, *EVALUATIONS])
    assert set(begun[2:4]) == set(TRAININGS[:2])  # two begin at once, in any order
    assert checkout.most_at_a_time() == 2
    out, err = capfd.readouterr()
    assert err == ""
    lines = out.splitlines()
    assert lines[0] == "6 trainings and 3 evaluations, 2 at a time: 2 cores, 1 for each (train.threads)"
    labels = [f"{row}, seed {seed}" for row in ("abn + PC", "mask + PC", "plain") for seed in (0, 1)]
    labels += ["abn + PC", "mask + PC", "plain"]  # a row is evaluated as soon as it is trained
    assert sorted(lines[1:]) == sorted(f"[{label}] epoch 1/2: loss 1.000" for label in labels)


@pytest.mark.parametrize("own", ["a network of elsewhere", "a control's backbone", "the rows' backbone"])
def test_files_of_users_are_looked_at_first(checkout: Checkout, own: str) -> None:
    """DVC does not know them: without this a row of an edited file would stay as it was."""

    def change(values: dict) -> None:
        block, plain = values["datasets"]["synthetic"], values["controls"]["plain"]
        if own == "the rows' backbone":
            block["model"] |= {"backbone": "my.py:backbone", "split": "layer3", "pretrained": None, "frozen": None}
        elif own == "a control's backbone":
            settings = {"backbone": "my.py:backbone", "split": "layer3", "pretrained": None, "frozen": None}
            plain["set"] = {f"model.{key}": value for key, value in settings.items()}
        else:
            named = {"network": "my.py:load", "weights": None, "labels": None, "layer": None, "set": {}}
            values["controls"]["plain"] = named

    edit_params(Path(), change)
    checkout.say(stale=[])
    assert main(["repro"]) == 0
    assert checkout.begun()[:2] == ["repro --force --single-item networks@synthetic", SEGMENT]


def test_rows_are_evaluated_while_another_one_trains(checkout: Checkout) -> None:
    slow, other = TRAININGS[3].split()[-1], EVALUATIONS[2].split()[-1]  # of the first row, and of the last one
    ends = json.dumps(["ends", ["--wait-for-lock", "repro", "-s", other]])[1:-1]
    checkout.say(stale=ALL_STALE, together={slow: [ends]})  # it waits for that, or fails
    assert main(["repro"]) == 0
    when = {(what, arguments[-1]): at for at, what, arguments, _ in checkout.calls()}
    for row, evaluation in enumerate(EVALUATIONS):
        trained = [when["ends", training.split()[-1]] for training in TRAININGS[row::3]]
        assert max(trained) < when["begins", evaluation.split()[-1]], evaluation


def test_a_row_is_evaluated_again_when_it_is_trained_again(
    checkout: Checkout, capfd: pytest.CaptureFixture[str]
) -> None:
    """DVC calls it fresh as long as the runs of before are there."""
    checkout.say(stale=["train@synthetic-mask-True-1"])
    assert main(["repro"]) == 0
    assert checkout.begun() == [SEGMENT, ASKED, TRAININGS[4], EVALUATIONS[1], "repro"]
    assert capfd.readouterr().out.startswith("1 of 6 trainings and 1 of 3 evaluations, 2 at a time: 2 cores")


def test_audits_run_side_by_side_with_the_evaluations(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    edit_params(Path(), lambda values: values["table"].update(pc=[False], audits=["backgrounds"]))
    edit_params(Path(), lambda values: values["loss"].update(pc=False))
    mask, plain = "audit@synthetic-mask-backgrounds", "audit-control@synthetic-plain-backgrounds"
    stale = ["train@synthetic-mask-False-1", plain]
    checkout.say(stale=stale)
    assert main(["repro"]) == 0
    asked = "status --json audit audit-control evaluate evaluate-control train train-control"
    begun = checkout.begun()
    assert begun[:2] == [SEGMENT, asked]
    made = stages(stale[0], "evaluate@synthetic-mask-False", mask, plain)
    assert (sorted(begun[2:-1]), begun[-1]) == (sorted(made), "repro")
    counts = "1 of 6 trainings, 1 of 3 evaluations and 2 of 3 audits"
    assert capfd.readouterr().out.startswith(f"{counts}, 2 at a time: 2 cores")


def test_params_yaml_is_changed_first_if_asked(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    before = Path("params.yaml").read_text()
    assert main(["repro", "-S", "table.seeds=[0,1]", "-S", "loss.attention=mhaa"]) == 2
    assert (checkout.calls(), Path("params.yaml").read_text()) == ([], before)
    checkout.say(stale=[])
    assert main(["repro", "-S", "table.seeds=[0,1]"]) == 0  # as it stands there
    assert Path("params.yaml").read_text() == before
    capfd.readouterr()
    checkout.say(stale=ALL_STALE)
    assert main(["repro", "-S", "table.seeds=[1]", "-S", "table.controls=[]"]) == 0
    assert capfd.readouterr().out.startswith(
        "params.yaml: table.seeds: [0, 1] -> [1]\nparams.yaml: table.controls: [plain] -> []\n2 trainings and "
    )
    assert load_params().table.seeds == [1]
    assert set(checkout.begun()) & {*TRAININGS} == {TRAININGS[3], TRAININGS[4]}


def test_it_ends_with_a_table_of_times(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    checkout.say(stale=ALL_STALE, timed=True)
    assert main(["repro"]) == 0
    out = capfd.readouterr().out.splitlines()
    table = [line.split() for line in out[out.index("") + 1 :]]
    assert [line[:3] for line in table if line[0] in ("train", "evaluate", "all")] == [
        ["train", "6", "3.0"], ["evaluate", "3", "1.5"], ["all", "9", "4.5"],
    ]  # fmt: skip
    assert [line[0] for line in table[:9]] == [
        "stage", "synthesize", "decode", "segment", "networks", "train", "evaluate", "study", "compare",
    ]  # fmt: skip
    assert any(" ".join(line).startswith("objabn repro of ") for line in table)


def test_what_is_there_starts_no_process(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    checkout.say(stale=[])
    assert main(["repro"]) == 0
    assert checkout.begun() == [SEGMENT, ASKED, "repro"]
    assert capfd.readouterr() == ("", "")


def test_only_what_is_stale_runs(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    stale = ["train-control@synthetic-plain-1", "train@synthetic-of-another-table-7"]
    checkout.say(stale=stale)
    assert main(["repro", "-j", "3"]) == 0
    assert checkout.begun() == [SEGMENT, ASKED, TRAININGS[-1], EVALUATIONS[-1], "repro"]
    first = capfd.readouterr().out.splitlines()[0]
    assert first == "1 of 6 trainings and 1 of 3 evaluations, 2 at a time: --jobs"


def test_the_others_go_on_when_one_fails(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    failing = {"train@synthetic-mask-True-0": 255, "train@synthetic-abn-True-1": 3}
    checkout.say(stale=ALL_STALE, failing=failing)
    assert main(["repro"]) == 255
    assert sorted(checkout.begun()) == sorted([SEGMENT, ASKED, *TRAININGS])
    out, err = capfd.readouterr()
    assert "[mask + PC, seed 0] train: no space left\n" in out
    last = ["  epoch 1/2: loss 1.000", "  train: no space left", "  ERROR: failed to reproduce"]
    assert err.splitlines() == [
        "train@synthetic-mask-True-0 failed (exit status 255). Its last lines:", *last,
        "train@synthetic-abn-True-1 failed (exit status 3). Its last lines:", *last,
    ]  # fmt: skip


def test_nothing_is_trained_when_segmentation_fails(checkout: Checkout) -> None:
    checkout.say(stale=ALL_STALE, failing={SEGMENT: 255})
    assert main(["repro"]) == 255
    assert checkout.begun() == [SEGMENT]


def test_on_gpus_evaluations_run_side_by_side_too(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(repro, "num_gpus", lambda present: 3)
    names = [evaluation.split()[-1] for evaluation in EVALUATIONS]
    checkout.say(stale=names, together={name: [f'"{other}"' for other in names] for name in names})
    assert main(["repro"]) == 0
    assert sorted(checkout.begun()) == sorted([SEGMENT, ASKED, *EVALUATIONS, "repro"])
    assert capfd.readouterr().out.startswith("3 evaluations, 3 at a time: 3 GPUs, 1 for each (train.devices)\n")


@pytest.mark.parametrize(
    ("changes", "arguments", "why"),
    [
        ({"threads": None}, [], "each takes all cores, 2 here (train.threads: null)"),
        ({"nodes": 2}, ["--jobs", "4"], "each takes several machines (train.nodes)"),
        ({}, ["--jobs", "1"], "--jobs"),
    ],
)
def test_one_at_a_time_is_plain_dvc(
    checkout: Checkout, changes: dict, arguments: list[str], why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    edit_params(checkout.folder, lambda values: values["datasets"]["synthetic"]["train"].update(changes))
    assert main(["repro", *arguments]) == 0
    assert checkout.begun() == ["repro"]
    assert capfd.readouterr().out == f"one training at a time: {why}\n"


def test_faults_are_lines(checkout: Checkout, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["repro", "--jobs", "0"])
    assert "expected a number of at least 1, got '0'" in capfd.readouterr().err
    (checkout.folder / "dvc.py").write_text("import sys; sys.exit(7 if 'status' in sys.argv else 0)")
    assert main(["repro"]) == 2
    expected = "dvc status evaluate evaluate-control train train-control: expected exit status 0, got 7\n"
    assert capfd.readouterr().err == expected


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_ends_all_that_runs(checkout: Checkout, number: signal.Signals) -> None:
    checkout.say(stale=ALL_STALE, seconds=60)
    command = [sys.executable, "-m", "objabn", "repro", "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, cwd=checkout.folder, env=environment, preexec_fn=hear_ctrl_c, **pipes)
    assert process.stdout
    lines = [process.stdout.readline() for _ in range(3)]
    assert sorted(lines[1:]) == [
        "[abn + PC, seed 0] epoch 1/2: loss 1.000\n",
        "[mask + PC, seed 0] epoch 1/2: loss 1.000\n",
    ]
    until = time.monotonic() + 20
    while len(started := psutil.Process(process.pid).children(recursive=True)) < 4:  # two of DVC, and what they run
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert err == "interrupted; the same command goes on from here\n"
    assert psutil.wait_procs(started, timeout=5)[1] == []
    assert len(checkout.begun()) == 4  # no other one was started


def test_who_does_not_listen_is_ended_less_gently(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dvc, "_GRACE_SEC", 0.2)
    checkout.say(stale=ALL_STALE, seconds=60, deaf=True)
    runner, endings = Dvc(), []
    stage = Stage(ALL_STALE[0], "deaf")
    thread = Thread(target=lambda: endings.append(runner.repro_beside_others(stage)))
    thread.start()
    until = time.monotonic() + 20
    while "is deaf" not in [what for _, what, *_ in checkout.calls()]:
        assert time.monotonic() < until
        time.sleep(0.05)
    runner.end()
    thread.join(timeout=5)
    assert [ending.status for ending in endings] == [-signal.SIGTERM]
    with pytest.raises(KeyboardInterrupt):
        runner.repro()


def test_a_bar_is_printed_only_where_all_else_is_silent(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dvc, "_QUIET_SEC", 0.0)
    ending = Dvc().repro_beside_others(Stage(ALL_STALE[0], "abn"))
    assert capsys.readouterr().out.splitlines() == [
        "[abn] epoch 1/2:  50%|#####     | 1/2", "[abn] epoch 1/2: loss 1.000",
    ]  # fmt: skip
    assert ending == (0, ["epoch 1/2: loss 1.000"])
