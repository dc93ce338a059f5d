"""Find the checkout that a command works in, from the folder that the command is called in."""

import argparse
import os
import sys
from pathlib import Path

import objabn


def find_root(folder: Path) -> Path | None:
    """Find the checkout's root: this folder or the nearest one above with params.yaml and dvc.yaml."""
    for root in (folder, *folder.parents):
        if (root / "params.yaml").is_file() and (root / "dvc.yaml").is_file():
            return root
    return None


def enter_checkout(args: argparse.Namespace) -> None:
    """Make the checkout's root the working directory; paths among the arguments go on naming the same files.

    Outside a checkout the working directory stays.
    """
    here = Path.cwd()
    root = find_root(here)
    if root is None or root == here:
        return
    for name, value in vars(args).items():
        if isinstance(value, Path):
            path = Path(os.path.normpath(here / value))
            setattr(args, name, path.relative_to(root) if path.is_relative_to(root) else path)
    os.chdir(root)


def hand_over() -> None:
    """Let a checkout's own code take this process's place, where the installed package is another one.

    The stages of a checkout run the code that lies there. A command that checks or plans them has to be of that code.
    """
    root = find_root(Path.cwd())
    if root is None or not (root / "objabn/__main__.py").is_file():
        return
    if (root / "objabn").resolve() == Path(objabn.__file__).resolve().parent:
        return
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-P", "-m", "objabn", *sys.argv[1:]]  # -P: the path alone says which package
    os.execve(sys.executable, command, {**os.environ, "PYTHONPATH": path})
