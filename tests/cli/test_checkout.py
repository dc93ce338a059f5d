"""`objabn` and `python -m objabn`: where they work, what they import, and what the package holds."""

import argparse
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import objabn
from objabn.__main__ import COMMANDS, main
from objabn.cli.checkout import enter_checkout, find_root
from tests.helpers.core_only import HIDE

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a folder in it, the working directory."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "deep/deeper").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep/deeper")
    return tmp_path


def python(code: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_the_root_is_found_from_below(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert find_root(checkout / "deep/deeper") == checkout
    assert find_root(checkout) == checkout
    assert find_root(tmp_path_factory.mktemp("elsewhere")) is None


def test_paths_name_the_same_files_from_the_root(checkout: Path) -> None:
    outside = checkout.parent / "videos"
    args = argparse.Namespace(a=Path("x.csv"), b=Path("../y"), c=outside, d=None, e="x.csv", f=Path("../../../videos"))
    enter_checkout(args)
    assert Path.cwd() == checkout
    assert (args.a, args.b, args.c, args.d, args.e, args.f) == (
        Path("deep/deeper/x.csv"), Path("deep/y"), outside, None, "x.csv", outside,
    )  # fmt: skip


def test_elsewhere_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    args = argparse.Namespace(a=Path("x"))
    enter_checkout(args)
    assert (Path.cwd(), args.a) == (tmp_path, Path("x"))


@pytest.mark.parametrize("command", ["check", "plan", "cache"])
def test_outside_a_checkout_a_command_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([command]) == 2
    reason = "No such file or directory; it stands in a checkout of objabn: `cd` into one"
    assert capsys.readouterr().err == f"params.yaml: expected a readable parameter file, got: {reason}\n"


def test_a_command_works_from_a_sub_folder(checkout: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["cache", "prune", "--dry-run"]) == 0
    assert "would free" in capsys.readouterr().out
    assert Path.cwd() == checkout


def test_a_checkouts_own_code_is_run(checkout: Path) -> None:
    (checkout / "objabn").mkdir()
    (checkout / "objabn/__init__.py").write_text("")
    (checkout / "objabn/__main__.py").write_text("import os, sys; print('own code', sys.argv[1:], os.getcwd())")
    code = "import sys; from objabn.__main__ import script; sys.exit(script())"
    done = python(code, "check", "-S", "a=b", folder=checkout / "deep")
    assert (done.stdout, done.stderr) == (f"own code ['check', '-S', 'a=b'] {checkout / 'deep'}\n", "")


def test_the_version(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert (end.value.code, capsys.readouterr().out) == (0, f"objabn {objabn.__version__}\n")


def test_the_help_names_all_commands_and_imports_nothing_else(tmp_path: Path) -> None:
    code = "import sys; from objabn.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += "print(sorted({'numpy', 'torch', 'pandas', 'pydantic', 'yaml', 'cv2'} & set(sys.modules)))"
    done = python(code, folder=tmp_path)
    assert done.stderr == ""
    assert done.stdout.startswith("usage: objabn [-h] [--version] COMMAND ...\n")
    assert done.stdout.endswith("[]\n")
    modules = {path.stem for path in ROOT.glob("objabn/cli/*.py") if "def add_parser" in path.read_text()}
    assert modules == set(COMMANDS)
    for name, what in COMMANDS.items():
        assert f"    {name} " in done.stdout
        assert what.split(":")[0].split(";")[0] in " ".join(done.stdout.split())


@pytest.mark.parametrize(("command", "package"), [("plan", "pandas"), ("index", "pandas"), ("cache", "pandas")])
def test_a_missing_package_is_a_line_with_advice(checkout: Path, command: str, package: str) -> None:
    options = {"index": ["folder", "--videos", "."]}.get(command, [])
    done = python(f"{HIDE}\nfrom objabn.__main__ import main; sys.exit(main())", command, *options, folder=checkout)
    advice = "in a checkout of objabn: `pip install -r requirements.txt`, or `pip install '.[pipeline]'`"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"objabn {command}: needs the package {package}, found none; {advice}\n"


def test_what_the_package_offers() -> None:
    assert set(objabn.__all__) <= set(dir(objabn))
    assert objabn.losses.__name__ == "objabn.training.losses"
    assert objabn.metrics.__name__ == "objabn.measures.arrays"
    assert objabn.Adapter.__module__ == "objabn.networks.adapter"
    assert objabn.AttentionBranch.__module__ == "objabn.model.attention_branch"
    assert callable(objabn.explain)
    with pytest.raises(AttributeError, match="module 'objabn' has no attribute 'nonsense'"):
        _ = objabn.nonsense


def test_the_wheel_holds_the_package(tmp_path: Path) -> None:
    """All modules and files of the package, the command, and the version; nothing of the tests or stages."""
    copied = tmp_path / "copy"
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    command += ["objabn", "README.md", "LICENSE", "pyproject.toml"]
    tracked = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    for name in tracked:
        (copied / name).parent.mkdir(parents=True, exist_ok=True)
        (copied / name).write_bytes((ROOT / name).read_bytes() if name.endswith((".py", ".toml", ".md")) else b"")
    build = "import sys; from setuptools import build_meta; print(build_meta.build_wheel(sys.argv[1]))"
    done = subprocess.run([sys.executable, "-c", build, str(tmp_path)], cwd=copied, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / done.stdout.splitlines()[-1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        info = {name.split("/")[-1]: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" in name}
    assert names == {name for name in tracked if name.startswith("objabn/")}
    assert "objabn/assets/eight_drawn_actions/model.safetensors" in names
    assert "objabn = objabn.__main__:script" in info["entry_points.txt"]
    assert f"\nVersion: {objabn.__version__}\n" in info["METADATA"]


def test_the_lock_and_the_ranges_agree() -> None:
    """requirements.txt pins what the core and the extras pipeline and report name, and nothing else."""
    extras = PROJECT["optional-dependencies"]
    ranges: dict[str, Requirement] = {}
    for text in [*PROJECT["dependencies"], *extras["pipeline"], *extras["report"]]:
        ranges[Requirement(text).name] = Requirement(text)
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    pins = {Requirement(line).name: Requirement(line) for line in lines if line}
    assert pins.keys() == ranges.keys()
    for name, pin in pins.items():
        (pinned,) = pin.specifier
        assert pinned.operator == "=="
        assert ranges[name].specifier.contains(pinned.version), name
        assert str(ranges[name].marker) == str(pin.marker)
