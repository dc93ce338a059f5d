"""docs/parameters.md is what `objabn params` prints, and knows every key of params.yaml."""

import re
from pathlib import Path
from typing import Any

import pytest

from objabn.__main__ import main
from objabn.cli.params import page
from objabn.config.file import read_yaml
from objabn.config.reference import Parameter, parameters

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found() -> list[Parameter]:
    return parameters((ROOT / "params.yaml").read_text(), (ROOT / "dvc.yaml").read_text())


def one(found: list[Parameter], key: str, kind: str = "") -> Parameter:
    [match] = [each for each in found if each.key == key and each.kind == kind]
    return match


def keys_of(value: Any, place: str = "") -> set[str]:
    """Dotted keys of all values that are no blocks; what a control sets and a prompt's name are values themselves."""
    if not isinstance(value, dict) or re.search(r"\.(set|prompts)$", place):
        return {place}
    named = place in ("datasets", "controls")
    below = (keys_of(each, f"{place}.{'<name>' if named else key}" if place else key) for key, each in value.items())
    return set().union(*below)


def test_the_page_is_what_the_command_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["params"]) == 0
    assert capsys.readouterr().out == (ROOT / "docs/parameters.md").read_text()


def test_every_key_of_the_file_is_there_and_has_a_meaning(found: list[Parameter]) -> None:
    assert keys_of(read_yaml((ROOT / "params.yaml").read_text())) <= {each.key for each in found}
    assert not [each.key for each in found if not each.meaning or not each.values]


def test_values_meanings_and_stages(found: list[Parameter]) -> None:
    share = one(found, "datasets.<name>.train.share")
    assert share.values == "number above 0, to 1"
    assert share.meaning.startswith("0-1: of the training videos")
    assert share.stages == ("train", "compare")
    assert one(found, "datasets.<name>.synthesize.height").values == "integer from 32, a multiple of 2"
    assert one(found, "datasets.<name>.train.centroid_lr").values == "number above 0; or `null`"
    assert one(found, "controls.<name>.masks").values == "`own`, `shifted`, `other`; or a block"
    assert one(found, "datasets.<name>.machine.loader_workers").stages == ()
    assert "zoo" in one(found, "datasets.<name>.segment.weights", "detectron2").meaning
    assert "segment" in one(found, "datasets.<name>.decode.codec").stages
    assert {"decode", "train", "study"} <= set(one(found, "dataset").stages)
    assert {"train", "evaluate", "compare"} <= set(one(found, "table.seeds").stages)  # by their matrix
    assert one(found, "datasets.<name>.truth").stages[:3] == ("synthesize", "segment", "train of controls")
    assert one(found, "datasets.<name>.segment.model", "torchvision, semantic models").meaning.startswith("of torchv")


def test_the_page_shows_values_of_the_segmenter_that_a_data_set_has_and_no_tags(found: list[Parameter]) -> None:
    shown = page(found, read_yaml((ROOT / "params.yaml").read_text()))
    blocks = {part.partition("\n")[0]: part for part in shown.split("\n## ")}
    assert (
        "| `short_edge` | integer from 32 | `192` |  |" in blocks["`datasets.<name>.segment`, torchvision, Mask R-CNN"]
    )
    assert (
        "| `short_edge` | integer from 32 |  |  |" in blocks["`datasets.<name>.segment`, torchvision, semantic models"]
    )
    assert "| `score_floor` | number above 0, to 1 |  | `0.05` |" in blocks["`datasets.<name>.segment`, detectron2"]
    assert not re.search("<[a-z]", re.sub("`[^`]*`|<!--.*?-->", "", shown))


def test_one_key_is_printed_and_an_unknown_one_is_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["params", "train.lr"]) == 0
    printed = capsys.readouterr().out
    assert printed == "datasets.<name>.train.lr\n    number above 0\n    Adam, peak\n    Read by train, compare.\n"
    assert main(["params", "train.rate"]) == 2
    assert capsys.readouterr().err == "params: expected a part of a key of params.yaml, got 'train.rate'\n"
