"""What a row's network is made of: of an X3D always the same, of others the code and the files."""

from pathlib import Path

import pytest

from objabn.networks.digests import ingredients
from objabn.system.files import code_digest, file_digest


def test_of_an_x3d_neither_code_nor_files_are_noted(tmp_path: Path) -> None:
    (tmp_path / "w.pyth").write_bytes(b"weights")
    assert ingredients("x3d", [str(tmp_path / "w.pyth")]) == {"network": "x3d"}


def test_an_own_file_and_its_weights_are_noted(tmp_path: Path) -> None:
    own, weights = tmp_path / "my.py", tmp_path / "w.pth"
    own.write_text("def load(): ...\n")
    weights.write_bytes(b"weights")
    noted = ingredients(f"{own}:load", [str(weights), None, str(tmp_path / "absent.csv")])
    assert noted["files"] == {own.as_posix(): file_digest(own), weights.as_posix(): file_digest(weights)}
    assert noted["code"] == code_digest(Path(__file__).parents[2], ["objabn/networks"])
    weights.write_bytes(b"others")
    assert ingredients(f"{own}:load", [str(weights)])["files"] != noted["files"]


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "preprocessor_config.json", "pytorch_model.bin"])
def test_of_a_directory_all_that_transformers_reads_is_noted(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    (tmp_path / "README.md").write_text("not read")
    assert list(ingredients(f"hf:{tmp_path}", [])["files"]) == [(tmp_path / name).as_posix()]


def test_a_name_of_torchvision_is_noted_with_the_code_alone() -> None:
    assert ingredients("torchvision:r3d_18", ["random"])["files"] == {}
