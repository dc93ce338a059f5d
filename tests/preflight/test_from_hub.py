"""Whether checkpoints of the Hub are there and fit, told before anything is decoded."""

import json
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from objabn.preflight import from_hub
from objabn.preflight.segmenter import motion_instead, segmenter_findings
from objabn.segmentation.segmenters import hub
from tests.helpers import tiny_hub
from tests.helpers.preflight import given

KEY = "datasets.folder.segment"
BLOCK = "stride: 1, weights: {}, revision: null, score_floor: 0.05, bf16: true, overlap: true"
TRANSFORMERS = f"{KEY}={{{{backend: transformers, short_edge: null, class_names: null, batch_size: 4, {BLOCK}}}}}"
SAM3 = f"{KEY}={{{{backend: sam3, prompts: {{{{person: [person], other: [thing]}}}}, {BLOCK}}}}}"


def look(block: str, weights: str, *more: str) -> list[tuple[str, str]]:
    found = segmenter_findings("folder", given(block.format(weights), *more).datasets["folder"], None)
    return [(each.level, each.line) for each in found]


def instead() -> str:
    return motion_instead("folder", given().datasets["folder"])


def test_what_takes_motion_instead_of_prompts() -> None:
    """Groups of prompts are none of motion's."""
    hand = SAM3.replace("other: [thing]", "hand: [hand]").format("owner/model")
    for groups, left in (("[hand]", "[other]"), ("[hand, person]", "[person, other]")):
        words = motion_instead("folder", given(hand, f"datasets.folder.mask.groups={groups}").datasets["folder"])
        assert words.endswith(f" -S 'datasets.folder.mask.groups={left}'`")


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library seems to be there, and no name is."""
    specs = {"transformers": ModuleSpec("transformers", None)}
    monkeypatch.setattr(from_hub.importlib.util, "find_spec", specs.get)


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_hub.importlib.util, "find_spec", lambda name: None)
    todo = f"`pip install -r requirements-transformers.txt`; or {instead()}"
    line = f"{KEY}.backend: expected transformers to be installed, found no such library; {todo}"
    assert look(TRANSFORMERS, "owner/model") == look(SAM3, "owner/model") == [("fault", line)]


def test_a_name_that_is_not_here(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_hub, "ask", lambda urls: dict.fromkeys(urls, "no connection to huggingface.co"))
    fetch = "`hf download owner/model --local-dir FOLDER` on a machine with a network, copy FOLDER here and set"
    todo = f"{fetch} segment.weights to its path"
    expected = f"{KEY}.weights: expected a folder or the Hub's owner/model"
    got = f"got no connection to huggingface.co; or {instead()}"
    assert look(TRANSFORMERS, "owner/model") == [("fault", f"{expected} ({todo}), {got}")]
    assert look(SAM3, "owner/model") == [("fault", f"{expected} ({hub.GATED}, then {todo}), {got}")]
    monkeypatch.setattr(from_hub, "ask", lambda urls: {})
    answers = f"{KEY}.weights: not here, but https://huggingface.co/owner/model answers"
    assert look(TRANSFORMERS, "owner/model") == [("ok", answers)]
    assert look(SAM3, "owner/model") == [("warning", f"{answers}; it is gated: {hub.GATED}")]


def test_no_such_folder(installed: None) -> None:
    expected = "expected a folder with a checkpoint of the Hub, or a name, <owner>/<model>"
    line = f"{KEY}.weights: {expected}, got './nowhere': no such folder; or {instead()}"
    assert look(TRANSFORMERS, "./nowhere") == [("fault", line)]


@pytest.mark.parametrize("largest", [0, 1_000_000_000])
def test_a_folder_that_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, largest: int) -> None:
    """Large weights are not loaded; what the small files tell is told all the same."""
    monkeypatch.setattr(from_hub, "_LARGEST", largest)
    pytest.importorskip("transformers")
    folder = tiny_hub.save("eomt", tmp_path / "eomt")
    assert look(TRANSFORMERS, str(folder)) == [("ok", f"{KEY}.weights: {folder}")]
    (wrong,) = look(TRANSFORMERS, str(folder), f"{KEY}.short_edge=96")
    assert wrong[0] == "fault"
    assert wrong[1].startswith(f"{KEY}.short_edge: expected null, since eomt has a size of its own")
    (wrong,) = look(SAM3, str(folder))
    assert wrong == (
        "fault",
        f"{KEY}.weights: {folder}/config.json: model_type, expected sam3 or sam3_video, got 'eomt'",
    )
    labels = ["sky", "dog", "cup", "car"]
    tiny_hub.change_config(folder, id2label={str(number): name for number, name in enumerate(labels)})
    (wrong,) = look(TRANSFORMERS, str(folder), "datasets.folder.mask.groups=[person]")
    expected = "expected a checkpoint with the class person, or other in mask.groups"
    assert wrong == ("fault", f"{KEY}.weights: {expected}, got {folder} with sky, dog, cup, ...")
    (wrong,) = look(TRANSFORMERS, str(folder))
    assert wrong[0] == "warning"
    assert wrong[1].endswith("got one of panoptic or semantic maps: sky is among its classes")


def test_prompts_that_are_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("transformers")
    monkeypatch.setattr(from_hub, "_LARGEST", 0)
    folder = tiny_hub.save("sam3", tmp_path / "sam3")
    assert look(SAM3, str(folder)) == [("ok", f"{KEY}.weights: {folder}")]
    ((level, line),) = look(SAM3.replace("[thing]", f"[{'thing ' * 20}]"), str(folder))
    assert (level, line.partition(", got ")[0]) == (
        "fault",
        f"{KEY}.prompts.other: expected texts of at most 32 tokens",
    )


def test_a_folder_that_is_cut(tmp_path: Path, installed: None) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    header = json.dumps({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (folder / hub.WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header + bytes(5))
    (folder / hub.CONFIG).write_text("{}")
    (folder / hub.PREPROCESSORS[0]).write_text("{}")
    ((level, line),) = look(TRANSFORMERS, str(folder))
    assert level == "fault"
    assert line.startswith(f"{KEY}.weights: {folder / hub.WEIGHTS}: expected a whole file of safetensors, got ")
