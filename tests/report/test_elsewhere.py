"""A row that was not trained here: in the tables, the plots and on the page, without curves and epochs."""

from pathlib import Path

import pytest

from objabn.config.schema import Dataset
from objabn.report.main_table import main_notes
from objabn.report.map_table import map_notes
from objabn.report.method_table import method_notes
from objabn.report.names import Row
from objabn.report.tables import to_markdown
from tests.helpers.comparisons import EMBEDDED, made_comparison
from tests.helpers.report import NOT_TRAINED, page

ABN, R3D = Row("abn", False), Row("r3d", False)
TRAINED = {"versions": {"torch": "2.0"}, "curves": {"0": {"epoch": [1, 2]}}, "epochs": {"0": 1}, "networks": 1}
ROWS = {
    R3D: {"top1": 62.5, "entropy_g": 2.5, "range_g": 0.5},
    ABN: {"top1": 50.0, "entropy_u": 2.75, "range_u": 0.5, "flicker_u": 0.1},
}


def made(seeds: tuple[int, ...] = (0, 1), **trained: object):
    best = EMBEDDED.model_copy(update={"train": EMBEDDED.train.model_copy(update={"report": "best"})})
    notes = {R3D: NOT_TRAINED, ABN: {**TRAINED, **trained}}
    return made_comparison(ROWS, trainings=notes, seeds=seeds, params=best)


def test_the_notes_say_who_it_is_and_what_its_seeds_mean() -> None:
    told = [note for note in main_notes(made()) if note.startswith("Not trained here")]
    assert len(told) == 1
    assert told[0].startswith("Not trained here: r3d: torchvision:r3d_18. A map is Grad-CAM's")
    assert "no other training of it" in told[0]
    [alone] = [note for note in main_notes(made(seeds=(0,))) if note.startswith("Not trained here")]
    assert "seeds" not in alone
    assert not [note for note in main_notes(made_comparison(ROWS)) if note.startswith("Not trained here")]


@pytest.mark.parametrize(("validated_on", "end"), [("val", "on the split `val`."), ("test", "would choose fairly.")])
def test_what_chose_the_weights_is_asked_of_the_trained_rows_alone(validated_on: str, end: str) -> None:
    assert main_notes(made(validated_on=validated_on))[-1].endswith(end)


def test_its_layers_and_that_its_maps_have_no_flicker() -> None:
    assert "Not trained here, r3d: Grad-CAM at layer4, (split) at layer3." in method_notes(made())
    flicker = [note for note in map_notes(made()) if "no flicker" in note]
    assert len(flicker) == 1
    assert flicker[0].startswith("r3d: no flicker; ")
    assert not [note for note in method_notes(made_comparison(ROWS)) if "Not trained here" in note]


def test_it_stands_in_the_tables_beside_the_others() -> None:
    lines = to_markdown(made()).splitlines()
    assert any(line.startswith("| r3d |  | 62.50 |") for line in lines)
    assert any(line.startswith("| r3d |  | Grad-CAM | 2.500 |") for line in lines)


def test_the_page_has_it_and_its_curves_are_missing(tmp_path: Path, synthetic: Dataset) -> None:
    rows = {R3D: "g", ABN: "u"}
    text, other = (page(tmp_path, synthetic, rows=rows, seeds=(0, 1), elsewhere=row) for row in (R3D, None))
    assert "Not trained here: r3d: torchvision:r3d_18" in text
    assert ("torchvision 0.1" in text, "torch 2.0" in text) == (False, True)  # versions of a training
    hover = "r3d, seed 1"
    assert (hover in text, hover in other) == (False, True)
    assert "abn, seed 1" in text
