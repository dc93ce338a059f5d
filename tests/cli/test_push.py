"""`python -m objabn push`: what it prints, and the one call of the upload, by a stand-in."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from objabn.__main__ import main
from objabn.config.schema import Dataset
from tests.helpers.pushing import ROW, write_numbers, write_training
from tests.helpers.runs import parameters
from tests.helpers.videos import moving_bar


@pytest.fixture
def calls(place: Path, synthetic: Dataset, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """A checkout with one training; what is asked of a hub that stands in for the real one."""
    (place / "dvc.yaml").write_text("stages: {}\n")
    write_training(ROW / "seed-0", parameters(synthetic), 0)
    asked: list[tuple[str, dict[str, Any]]] = []

    class Hub:
        def file_exists(self, name: str, path: str) -> bool:
            return Path("remote", name, path).is_file()

        def hf_hub_download(self, name: str, path: str) -> str:
            return str(Path("remote", name, path))

        def create_repo(self, name: str, **settings: Any) -> None:
            asked.append(("create", {"name": name, **settings}))

        def upload_folder(self, **settings: Any) -> None:
            assert (Path(settings["folder_path"]) / "README.md").is_file()
            asked.append(("upload", settings))
            if settings["repo_id"] == "me/full":
                raise ConnectionError("no\nroom")

    library = SimpleNamespace(HfApi=Hub, __spec__=object())
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    return asked


def test_a_push_says_what_it_wrote(calls: list, capsys: pytest.CaptureFixture[str]) -> None:
    write_numbers()
    assert main(["push", "--run", str(ROW), "--seed", "0", "--to", "shared it"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "wrote shared it: 1 network and README.md, the model card; objabn explain VIDEO --run 'shared it'"
    ]
    assert not calls


@pytest.mark.slow
def test_explain_reads_the_folder(calls: list, capsys: pytest.CaptureFixture[str]) -> None:
    from objabn.video.write import write_video

    assert main(["push", "--run", str(ROW), "--to", "shared"]) == 0
    assert "the card has no numbers: the row was not evaluated" in capsys.readouterr().out
    write_video(Path("clip.mp4"), moving_bar(8))
    assert main(["explain", "clip.mp4", "--run", "shared", "--out", "out"]) == 0
    assert Path("out/clip/maps.npz").is_file()


def test_an_upload_is_one_call(calls: list, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", "--run", str(ROW), "--to", "shared", "--hub", "me/mask"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "uploaded to https://huggingface.co/me/mask"
    assert calls == [
        ("create", {"name": "me/mask", "private": True, "exist_ok": True}),
        ("upload", {
            "repo_id": "me/mask", "folder_path": Path("shared"), "commit_message": "objabn push",
            "delete_patterns": ["seed-*/**", "fold-*/**", "model.safetensors", "run.json", "curves.csv"],
        }),
    ]  # fmt: skip


def test_a_repository_of_somebody_else_is_refused(calls: list, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["push", "--run", str(ROW), "--to", "shared", "--hub", "me/mask"]
    Path("remote/me/mask").mkdir(parents=True)
    Path("remote/me/mask/README.md").write_text("# Mine\n")
    assert main(command) == 2
    assert "found a README.md that it has not written; take another name; shared is there" in capsys.readouterr().err
    assert not calls
    shutil.copy("shared/README.md", "remote/me/mask/README.md")
    assert main(command) == 0
    assert [what for what, _ in calls] == ["create", "upload"]


@pytest.mark.parametrize(
    ("name", "line", "written"),
    [
        ("me/full", "push: --hub me/full: no room; shared is there", True),
        ("mask", "push: --hub: expected user/name, got 'mask'", False),
        ("a/b/c", "push: --hub: expected user/name, got 'a/b/c'", False),
    ],
)
def test_a_fault_of_an_upload(calls: list, capsys: pytest.CaptureFixture[str], name: str, line: str, written: bool):
    assert main(["push", "--run", str(ROW), "--to", "shared", "--hub", name]) == 2
    assert capsys.readouterr().err == f"{line}\n"
    assert Path("shared/README.md").is_file() == written


def test_without_the_library_nothing_is_written(
    calls: list, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(["push", "--run", str(ROW), "--to", "shared", "--hub", "me/mask"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("push: --hub: expected huggingface_hub to be installed, found no such package; `pip install")
    assert said.count("\n") == 1
    assert not Path("shared").exists()
