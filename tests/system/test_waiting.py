"""Threads that wait sleep: set before torch is there, by whoever is started and not by whoever is imported."""

import importlib.util
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from objabn import __main__
from objabn.system.waiting import wait_passively

ROOT = Path(__file__).parents[2]
VARIABLE = "OMP_WAIT_POLICY"
STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if "run_stage(main)" in path.read_text())
IMPORTS = f"""
import os, sys
from importlib import import_module
for name in {["objabn.__main__", *(f"stages.{stage}" for stage in STAGES)]}:
    import_module(name)
assert "torch" not in sys.modules, "torch has read the environment"
assert "{VARIABLE}" not in os.environ, "set by an import"
"""
# It loads the library that torch brings with it, as torch does, in place of all of torch.
LOADS = """
import ctypes, sys
from stages.entry import run_stage
run_stage(lambda: ctypes.CDLL(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")  # so that it is put back
    monkeypatch.delenv(VARIABLE)
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)


@pytest.mark.parametrize(("given", "then"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE"), ("", "")])
def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch, given: str | None, then: str) -> None:
    if given is not None:
        monkeypatch.setenv(VARIABLE, given)
    wait_passively()
    assert os.environ[VARIABLE] == then


def test_no_import_sets_it_and_no_stage_imports_torch_before_it_is_set() -> None:
    assert len(STAGES) == 10
    done = subprocess.run([sys.executable, "-c", IMPORTS], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_command_sets_it_first(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(__main__, "hand_over", lambda: seen.append(os.environ.get(VARIABLE)))
    monkeypatch.setattr(__main__, "main", lambda: 0)
    __main__.script()
    assert seen == ["PASSIVE"]  # what it hands over to has it too


def test_a_module_is_run_as_the_command_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["objabn", "--version"])
    with pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / "objabn/__main__.py"), run_name="__main__")
    assert os.environ[VARIABLE] == "PASSIVE"


@pytest.mark.parametrize(("given", "spins"), [(None, "= '0'"), ("ACTIVE", "= '3")])
def test_the_library_reads_it(monkeypatch: pytest.MonkeyPatch, given: str | None, spins: str) -> None:
    """What it says of the policy alone would not do: it calls its default passive, too."""
    torch = importlib.util.find_spec("torch")
    assert torch is not None
    assert torch.origin is not None
    places = [Path(torch.origin).parent / "lib", Path(torch.origin).parents[1] / "torch.libs"]
    found = [path for place in places for path in place.glob("libgomp*.so*")]
    if not found:
        pytest.skip("this torch brings another OpenMP library")
    if given:
        monkeypatch.setenv(VARIABLE, given)
    command = [sys.executable, "-c", LOADS, str(found[0])]
    variables = {**os.environ, "OMP_DISPLAY_ENV": "verbose"}
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True)
    assert f"GOMP_SPINCOUNT {spins}" in done.stderr
