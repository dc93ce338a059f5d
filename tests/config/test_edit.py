"""Values changed in the text of params.yaml: everything else stays, to the letter."""

from difflib import ndiff
from pathlib import Path

import pytest

from objabn.config.edit import edit
from objabn.config.faults import ParamsError
from objabn.config.file import load_params, read_yaml


def changed_lines(place: Path, *given: str) -> tuple[list[str], list[str]]:
    """Lines that go and lines that come."""
    before, after = (place / "params.yaml").read_text().splitlines(), edit(given).text.splitlines()
    told = list(ndiff(before, after))
    return [line[2:] for line in told if line[0] == "-"], [line[2:] for line in told if line[0] == "+"]


@pytest.mark.parametrize(
    ("given", "goes", "comes"),
    [
        (
            "dataset=quick",
            ["dataset: synthetic  # one of the blocks under `datasets`"],
            ["dataset: quick  # one of the blocks under `datasets`"],
        ),
        ("table.attention=[abn]", ["    - mask", "    - mha"], []),
        ("table.pc=[false]", ["    - true"], []),
        ("table.controls=[]", ["  controls:  # rows beside them, named under `controls`; [] for none", "    - plain"],
         ["  controls: []  # rows beside them, named under `controls`; [] for none"]),
        ("table.controls=[plain,mask-pc]", [], ["    - mask-pc"]),
        ("controls.shifted-masks.set={train.lr: 0.5}", ["    set: {}"], ["    set:", "      train.lr: 0.5"]),
    ],
)  # fmt: skip
def test_only_the_value_changes(place: Path, given: str, goes: list[str], comes: list[str]) -> None:
    before = (place / "params.yaml").read_text()
    assert changed_lines(place, given) == (goes, comes)
    assert (place / "params.yaml").read_text() == before  # it writes nothing


def test_a_list_in_one_line_becomes_lines_behind_its_comment(place: Path) -> None:
    text = edit(["table.audits=[rows]"]).text
    assert "  audits:  # [rows]: audits, too, of the rows without PC (docs/controls-and-audits.md): " in text
    assert read_yaml(text)["table"]["audits"] == ["rows"]
    assert "\n    - rows\n\n# Rows that" in text


def test_a_block_may_become_null(place: Path) -> None:
    goes, comes = changed_lines(place, "datasets.synthetic.truth=null")
    assert comes == ["    truth: null  # ground-truth masks, for scoring only; null: none (docs/truth.md)"]
    assert len(goes) == 5


def test_it_says_what_changes_and_gives_the_parameters(place: Path) -> None:
    edited = edit(["table.seeds=[0,1,2]", "table.pc=[false]", "loss.attention=mask", "loss.attention=mask"])
    assert edited.changes == ["table.pc: [false, true] -> [false]", "loss.attention: abn -> mask"]
    assert edited.params.table.pc == [False]
    assert edit([]).text == (place / "params.yaml").read_text()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("dataset", "-S: expected key=value such as dataset=ucf101, got 'dataset'"),
        ("table.seed=[0]", "params.yaml: table.seed: "),
        ("loss.attention=mhaa", "params.yaml: loss.attention: "),
        ("table.pc=[true]", "params.yaml: loss.pc: expected one of the rows in table.pc [True], got False"),
    ],
)
def test_what_does_not_fit_is_refused(place: Path, given: str, told: str) -> None:
    with pytest.raises(ParamsError) as refused:
        edit([given])
    assert str(refused.value).startswith(told)


def test_a_value_that_stands_in_two_places_is_refused(place: Path) -> None:
    """The text of an alias is that of its anchor: to replace it would change the other key, too."""
    head, plain = (place / "params.yaml").read_text().split("\n  plain:", 1)
    plain, shifted = plain.split("\n  shifted-masks:", 1)
    plain = plain.replace("    pc: false", "    pc: &without false")
    shifted = shifted.replace("    pc: false", "    pc: *without", 1)
    (place / "params.yaml").write_text(f"{head}\n  plain:{plain}\n  shifted-masks:{shifted}")
    assert load_params().controls["shifted-masks"].pc is False
    with pytest.raises(ParamsError, match="expected a value that can be replaced, got false; edit it"):
        edit(["controls.shifted-masks.pc=true"])


def test_a_replaced_block_has_no_comment_of_the_old_one(place: Path) -> None:
    block = "{backend: motion, stride: 1, threshold: 25.0, min_area: 0.002}"
    changed = edit([f"datasets.synthetic.segment={block}", "datasets.synthetic.mask.groups=[other]"]).text
    [line] = [line for line in changed.partition("  synthetic:")[2].splitlines() if "min_area" in line][:1]
    assert line == "      min_area: 0.002"  # not that of batch_size, `# frames`, which stood last there
