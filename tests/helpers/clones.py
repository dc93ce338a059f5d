"""Copies of what the pipeline consists of, each a git repository of its own, in which tests run DVC."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import yaml

from objabn.config.file import read_yaml

ROOT = Path(__file__).parents[2]


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def edit_params(folder: Path, change: Callable[[dict], None]) -> None:
    values = read_yaml((folder / "params.yaml").read_text())
    change(values)
    (folder / "params.yaml").write_text(yaml.safe_dump(values))


def make_clone(folder: Path, change: Callable[[dict], None]) -> Path:
    """The modules and stages, DVC's files and changed parameters, committed."""
    for name in ("objabn", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / ".dvc").mkdir()
    shutil.copytree(ROOT / "data/video-groups", folder / "data/video-groups", ignore=shutil.ignore_patterns("*.csv"))
    for name in ("dvc.yaml", "params.yaml", ".dvcignore", ".gitignore", ".dvc/config", ".dvc/.gitignore"):
        shutil.copy2(ROOT / name, folder / name)
    edit_params(folder, change)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "tiny")
    return folder


def hear_ctrl_c() -> None:
    """`preexec_fn` of a process: where tests run in the background, it would inherit that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def environment(cache: Path) -> dict[str, str]:
    """Variables for a process with this side cache, whose `python` is this one."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    names = ("AUTHOR_NAME", "AUTHOR_EMAIL", "COMMITTER_NAME", "COMMITTER_EMAIL")
    identity = {f"GIT_{name}": "test@example.org" for name in names}
    return {**os.environ, **identity, "PATH": path, "OBJABN_CACHE": str(cache)}


def run_dvc(folder: Path, cache: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess:
    """Runs DVC to the end. Raises: AssertionError with what it printed for another exit status than `code`."""
    command = [sys.executable, "-m", "dvc", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment(cache), capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done
