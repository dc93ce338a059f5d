"""`make detectron2`: what it calls in which order, with a python that only notes it; nothing is built."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tools/detectron2.sh"
# Notes what it was called with; a wheel "is built" from the files of its last argument. FAIL: the word it fails at.
PYTHON = """#!/bin/sh
echo "$*" | tr '\\n' ' ' | sed 's/ $//' >> "$NOTES"
echo >> "$NOTES"
case "$*" in *"${FAIL:-no such word}"*) exit 1;; esac
case "$*" in *" pip wheel "*)
    for last; do [ "$before" = --wheel-dir ] && folder=$last; before=$last; done
    (cd "$last" && find . -type f | sort | sed 's/^/built of /') >> "$NOTES"
    touch "$folder/detectron2-0.6-cp311.whl";;
esac
"""
GIT = """#!/bin/sh
echo "git $*" >> "$NOTES"
[ "$3" != fetch ] || exit ${GIT_STATUS:-0}
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout of detectron2, with what an older build left."""
    folder = tmp_path / "d2"
    for name in ("setup.py", "detectron2/__init__.py", "detectron2/_C.so", "build/old.o", ".git/HEAD"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def run(tmp_path: Path, *arguments: object, **environment: str) -> tuple[subprocess.CompletedProcess, list[str]]:
    """The script, and what was noted."""
    tools = tmp_path / "bin"
    tools.mkdir(exist_ok=True)
    for name, text in (("python", PYTHON), ("git", GIT), ("mycxx", "#!/bin/sh\n")):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    notes = tmp_path / "notes"
    path = f"{tools}:{os.environ['PATH']}"
    given = {**os.environ, "PATH": path, "PYTHON": str(tools / "python"), "NOTES": str(notes), "CXX": "mycxx -O1"}
    done = subprocess.run(["sh", SCRIPT, *arguments], env=given | environment, capture_output=True, text=True)
    return done, notes.read_text().splitlines() if notes.exists() else []


def test_a_checkout_is_built_in_a_copy_and_installed(tmp_path: Path, checkout: Path) -> None:
    before = sorted(checkout.rglob("*"))
    done, notes = run(tmp_path, checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        f"detectron2: builds {checkout}, which takes some minutes",
        "after an update of torch: make detectron2 again",
    ]
    assert sorted(checkout.rglob("*")) == before
    assert notes[1] == "-m pip install --quiet setuptools>=77.0.3,<81 wheel ninja"
    assert notes[2].startswith("-m pip wheel --quiet --no-cache-dir --no-deps --no-build-isolation --wheel-dir ")
    assert notes[3:5] == ["built of ./detectron2/__init__.py", "built of ./setup.py"]  # nothing of the older build
    folder = notes[2].split()[-2]
    wheel = f"{folder}/detectron2-0.6-cp311.whl"
    assert notes[5] == f"-m pip install --quiet --requirement {ROOT}/requirements.txt {wheel}"
    assert notes[6] == f"-m pip install --quiet --force-reinstall --no-deps {wheel}"
    assert notes[7].startswith("-c import torch, detectron2")
    assert len(notes) == 8
    assert not Path(folder).exists()


def test_the_pinned_commit_is_fetched(tmp_path: Path) -> None:
    done, notes = run(tmp_path)
    assert done.returncode == 0, done.stderr
    (commit,) = {line.split()[-1] for line in notes if " fetch " in line}
    assert len(commit) == 40
    assert done.stdout.startswith(f"detectron2: builds commit {commit}, ")
    fetch = next(line for line in notes if " fetch " in line)
    assert f"fetch -q --depth 1 https://github.com/facebookresearch/detectron2.git {commit}" in fetch


@pytest.mark.parametrize(
    ("environment", "line"),
    [
        ({"CXX": "no-such-compiler"},
         "expected a C++ compiler, found no no-such-compiler; on Debian and Ubuntu `apt-get install g++`, "
         "on macOS `xcode-select --install`, or name yours: CXX=..."),
        ({"FAIL": "Python.h"}, "expected Python's headers (Python.h), found none for "),
        ({"FAIL": "setuptools"}, "expected pip to install setuptools<81, wheel and ninja, which it could not (above)"),
        ({"FAIL": "pip wheel"}, "expected the build to succeed, it failed (above). Short of memory: MAX_JOBS=1. "),
        ({"FAIL": "requirements.txt"}, "expected pip to install what detectron2 needs, which it could not (above)"),
        ({"FAIL": "import torch"}, "expected it to be imported, which it could not (above)"),
        ({"PYTHON": "none/python"},
         "expected an environment's python, got none/python, which is none; run `make setup` first"),
    ],
)  # fmt: skip
def test_what_is_missing_is_one_line(tmp_path: Path, checkout: Path, environment: dict, line: str) -> None:
    done, _ = run(tmp_path, checkout, **environment)
    assert done.returncode == 2
    (last,) = done.stderr.splitlines()
    assert last.startswith(f"detectron2: {line}")


def test_a_source_that_is_none_and_no_network(tmp_path: Path) -> None:
    done, _ = run(tmp_path, tmp_path)
    expected = "expected a checkout of detectron2, with setup.py and detectron2/"
    assert (done.returncode, done.stderr) == (2, f"detectron2: SOURCE: {expected}, got {tmp_path}\n")
    done, notes = run(tmp_path, GIT_STATUS="128")
    assert done.returncode == 2
    assert done.stderr.endswith("clone it where there is a network, and then `make detectron2 SOURCE=DIR`\n")
    assert not [line for line in notes if "pip" in line]


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_make_hands_the_source_over(tmp_path: Path) -> None:
    for given, argument in ((["SOURCE=a b"], ' "a b"'), ([], "")):
        done = subprocess.run(
            ["make", "--no-print-directory", "-n", "-o", "setup", "detectron2", *given],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},  # `make test` runs
            capture_output=True,
            text=True,
        )
        assert done.stdout.strip() == f"PYTHON=.venv/bin/python sh tools/detectron2.sh{argument}", done.stderr
