"""Checkpoints of the Hub: a folder that is whole, a name that is not here; nothing needs the library or a network."""

import json
from pathlib import Path
from typing import Any

import pytest

from objabn.segmentation.segmenters import choice, hub

NAME = "owner/model"


def write(folder: Path, *, cut: int = 0, **files: dict[str, Any]) -> Path:
    """A folder with a file of safetensors of one tensor of 8 bytes, less `cut`, and configurations."""
    folder.mkdir(parents=True)
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (folder / hub.WEIGHTS).write_bytes(
        (len(header).to_bytes(8, "little") + header + bytes(8))[: None if not cut else -cut]
    )
    for name, content in (files or {"config": {}, "preprocessor_config": {}}).items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_a_folder_is_whole(tmp_path: Path) -> None:
    assert hub.folder_of(str(write(tmp_path / "a")), None) == tmp_path / "a"
    processor = write(tmp_path / "b", config={}, processor_config={})
    assert hub.check_folder(processor) == processor
    size = (tmp_path / "a" / hub.WEIGHTS).stat().st_size
    cut = write(tmp_path / "c", cut=3)
    with pytest.raises(ValueError, match="fetch it again") as fault:
        hub.check_folder(cut)
    got = f"got {size - 3} of {size} bytes"
    assert str(fault.value) == f"{cut / hub.WEIGHTS}: expected a whole file of safetensors, {got}; fetch it again"
    (cut / hub.WEIGHTS).write_bytes(b"version https://git-lfs.github.com/spec/v1")
    with pytest.raises(ValueError, match="expected a whole file of safetensors, got another file; fetch it again"):
        hub.check_folder(cut)
    (cut / hub.WEIGHTS).rename(cut / "pytorch_model.bin")
    wanted = "expected config.json, preprocessor_config.json and model.safetensors"
    with pytest.raises(ValueError, match=f"{wanted}, got no model.safetensors; it has pytorch_model.bin: take a "):
        hub.check_folder(cut)
    with pytest.raises(ValueError, match=f"{wanted}, got no preprocessor_config.json$"):
        hub.check_folder(write(tmp_path / "d", config={}))
    with pytest.raises(ValueError, match=f"{wanted}, got no config.json$"):
        hub.check_folder(write(tmp_path / "e", preprocessor_config={}))


def test_what_is_neither_folder_nor_name(tmp_path: Path) -> None:
    expected = "segment.weights: expected a folder with a checkpoint of the Hub, or a name, <owner>/<model>"
    for weights in ("./no/where", "model", "/a/b/c"):
        with pytest.raises(ValueError, match="weights") as fault:
            hub.folder_of(weights, None)
        assert str(fault.value) == f"{expected}, got {weights!r}: no such folder"
    with pytest.raises(ValueError, match=r"segment.revision: expected null, .* is a folder here and has no revisions"):
        hub.folder_of(str(write(tmp_path / "a")), "main")


def test_a_name_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("huggingface_hub")

    def refused(*_: Any, **__: Any) -> None:
        raise OSError("We couldn't connect to the Hub\nand more")

    monkeypatch.setattr(library, "try_to_load_from_cache", lambda *_, **__: None)
    monkeypatch.setattr(library, "snapshot_download", refused)
    monkeypatch.setattr(hub, "check_library", lambda: None)
    todo = "on a machine with a network, copy FOLDER here and set segment.weights to its path"
    for settings, first in (
        ({"backend": "transformers"}, "`hf download owner/model --revision v1 --local-dir FOLDER`"),
        ({"backend": "sam3"}, f"{hub.GATED}, then `hf download owner/model --revision v1 --local-dir FOLDER`"),
    ):
        with pytest.raises(ValueError, match="weights") as fault:
            choice.bring_weights(**settings, weights=NAME, revision="v1")
        expected = f"segment.weights: expected a folder or the Hub's {NAME} ({first} {todo})"
        assert str(fault.value) == f"{expected}, got We couldn't connect to the Hub"


def test_a_name_that_is_here_is_not_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = pytest.importorskip("huggingface_hub")
    folder = write(tmp_path / "snapshot")
    monkeypatch.setattr(library, "try_to_load_from_cache", lambda *_, **__: str(folder / hub.WEIGHTS))
    assert hub.folder_of(NAME, None) == folder


def test_what_masks_depend_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The content of the weights and of both configurations, not where they lie; the library's version."""
    monkeypatch.setattr(hub, "library_version", lambda: "5.24")
    settings = {"short_edge": None, "score_floor": 0.05, "bf16": True, "batch_size": 4, "revision": None}

    def key(folder: Path | str, backend: str = "transformers", **changes: Any) -> dict[str, Any]:
        return choice.settings_key(backend, weights=str(folder), **{**settings, **changes})

    one = key(write(tmp_path / "one"))
    assert one == key(write(tmp_path / "two")) == key(tmp_path / "one", batch_size=8)
    assert (one["library"], set(one["weights"])) == ("5.24", {hub.WEIGHTS, hub.CONFIG, "preprocessor_config.json"})
    assert key(write(tmp_path / "three", config={"a": 1}, preprocessor_config={})) != one
    assert key(write(tmp_path / "four", config={}, preprocessor_config={"size": 1})) != one
    assert key(tmp_path / "one", bf16=False) != one
    assert key(tmp_path / "one", short_edge=96) != one
    monkeypatch.setattr(hub, "library_version", lambda: "5.25")
    assert key(tmp_path / "one") != one
    prompts = {"person": ["person"], "hand": ["hand"]}
    asked = key(tmp_path / "one", "sam3", prompts=prompts)
    assert asked["prompts"] == [["person", ["person"]], ["hand", ["hand"]]]
    assert key(tmp_path / "one", "sam3", prompts=dict(reversed(prompts.items()))) != asked  # planes in another order
