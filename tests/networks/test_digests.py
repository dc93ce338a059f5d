"""What a row's network is made of: of an X3D always the same, of others the code and the files."""

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from objabn.networks import digests
from objabn.networks.backbone import inputs_of
from objabn.networks.digests import ingredients
from objabn.system.files import code_digest, file_digest

ROOT = Path(__file__).parents[2]


def test_of_an_x3d_neither_code_nor_files_are_noted(tmp_path: Path) -> None:
    (tmp_path / "w.pyth").write_bytes(b"weights")
    assert ingredients("x3d", [str(tmp_path / "w.pyth")]) == {"network": "x3d"}


def test_an_own_file_and_its_weights_are_noted(tmp_path: Path) -> None:
    own, weights = tmp_path / "my.py", tmp_path / "w.pth"
    own.write_text("def load(): ...\n")
    weights.write_bytes(b"weights")
    noted = ingredients(f"{own}:load", [str(weights), None, str(tmp_path / "absent.csv")])
    assert noted["files"] == {own.as_posix(): file_digest(own), weights.as_posix(): file_digest(weights)}
    assert noted["code"] == code_digest(ROOT, ["objabn/networks"])
    weights.write_bytes(b"others")
    assert ingredients(f"{own}:load", [str(weights)])["files"] != noted["files"]


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "video_preprocessor_config.json", "pytorch_model.bin"]
)
def test_of_a_directory_all_that_transformers_reads_is_noted(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    (tmp_path / "README.md").write_text("not read")
    assert list(ingredients(f"hf:{tmp_path}", [])["files"]) == [(tmp_path / name).as_posix()]


def test_a_name_of_torchvision_is_noted_with_the_code_alone() -> None:
    assert ingredients("torchvision:r3d_18", ["random"])["files"] == {}


def test_the_version_of_the_library_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    def noted(spec: str) -> object:
        return ingredients(spec, [])["versions"]

    def upgraded(package: str) -> str:
        if package == "transformers":
            raise PackageNotFoundError(package)
        return "99.0"

    assert noted("torchvision:r3d_18") == {"torchvision": version("torchvision")}
    assert noted("my.py:load") == {}
    monkeypatch.setattr(digests, "version", upgraded)
    assert noted("torchvision:r3d_18") == {"torchvision": "99.0"}
    assert noted("hf:folder") == {}


OWN = {  # a user's files beside each other, and whether the first one imports them
    "my.py": True,
    "beside.py": True,
    "further.py": True,
    "package/__init__.py": True,
    "package/part.py": True,
    "package/sister.py": True,
    "package/inner/__init__.py": True,
    "package/inner/leaf.py": True,
    "loose/module.py": True,
    "other.py": False,
    "package/unused.py": False,
    "objabn/adapter.py": False,  # of a folder with our own package in it
}


def write_own(folder: Path) -> None:
    for name in OWN:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("raise SystemExit('it is run')\n")
    texts = {
        "my.py": "import os.path, beside\nimport loose.module\nfrom objabn import adapter\nfrom . import other\n"
        "def load():\n    from package import part\n    import package.inner.leaf as leaf\n",
        "beside.py": "from further import *\nimport my\n",
        "further.py": "no Python\n",
        "package/part.py": "from .sister import name\n",
        "package/inner/leaf.py": "from .. import sister\nfrom .... import other\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)


@pytest.mark.parametrize("place", ["{folder}/my.py", "models/my.py", "models/link.py"])
def test_what_lies_beside_an_own_file_is_noted_if_it_imports_it(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "models" if place != "models/link.py" else tmp_path / "elsewhere"
    write_own(folder)
    if place == "models/link.py":
        (tmp_path / "models").mkdir()
        (tmp_path / "models/link.py").symlink_to("../elsewhere/my.py")
    monkeypatch.chdir(tmp_path)
    noted = ingredients(place.format(folder=folder) + ":load", [])["files"]
    assert isinstance(noted, dict)
    found = {Path(name).resolve().relative_to(folder).as_posix(): value for name, value in noted.items()}
    assert found == {name: file_digest(folder / name) for name, is_read in OWN.items() if is_read}
    assert all(Path(name).is_absolute() == (place[0] == "{") for name in noted)


def test_they_are_those_that_a_run_digests(tmp_path: Path) -> None:
    """`backbone.inputs_of` runs the file and sees what it has imported."""
    (tmp_path / "lib").mkdir()
    for name, text in {
        "my.py": "from torch import nn\nfrom lib.parts import size\n\n\ndef load(classes):\n    import late\n"
        "    return nn.Linear(size, classes)\n",
        "lib/__init__.py": "",
        "lib/parts.py": "from . import sizes\nsize = sizes.size\n",
        "lib/sizes.py": "size = 3\n",
        "late.py": "",
        "unused.py": "",
    }.items():
        (tmp_path / name).write_text(text)
    spec = f"{tmp_path}/my.py:load"
    noted, of_a_run = ingredients(spec, [])["files"], inputs_of(spec, 2)
    del of_a_run[spec]  # the digest of the weights, which take a run of the file
    assert noted == of_a_run
    assert isinstance(noted, dict)
    assert len(noted) == 5


def test_a_module_is_found_without_running_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_own(tmp_path)
    assert ingredients("package.part:load", [])["files"] == {
        name: file_digest(tmp_path / name) for name in ("package/__init__.py", "package/part.py", "package/sister.py")
    }
    installed = tmp_path / "site"
    (installed / "foreign/nets").mkdir(parents=True)
    for name in ("foreign/__init__.py", "foreign/nets/__init__.py", "foreign/nets/small.py"):
        (installed / name).write_text("raise SystemExit('it is run')\n")
    monkeypatch.syspath_prepend(installed)
    small = file_digest(installed / "foreign/nets/small.py")
    assert ingredients("foreign.nets.small:load", [])["files"] == {"foreign.nets.small": small}
    for absent in ("foreign.small:load", "foreign.nets.small.x:load", "nowhere.x:load", "text", ".x:load", "sys:load"):
        assert ingredients(absent, [])["files"] == {}


def test_of_a_folder_of_weights_its_files_are_noted(tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json", "README.md"):
        (tmp_path / name).write_text("{}")
    noted = ingredients("hf:absent", [str(tmp_path)])["files"]
    assert isinstance(noted, dict)
    assert [Path(name).name for name in noted] == ["config.json", "model.safetensors"]


def test_neither_torch_nor_a_users_code_is_imported(tmp_path: Path) -> None:
    (tmp_path / "my.py").write_text("import torch\n")
    program = (
        "import sys\nfrom objabn.networks.digests import ingredients\n"
        f"for spec in ({str(tmp_path / 'my.py:load')!r}, 'torchvision:r3d_18', 'torchvision.models.video:r3d_18'):\n"
        "    assert ingredients(spec, [])['versions'] or ingredients(spec, [])['files'], spec\n"
        "assert not {'torch', 'torchvision', 'transformers', 'my'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
