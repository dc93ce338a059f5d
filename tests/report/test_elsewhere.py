"""A row that was not trained here: in the tables, the plots and on the page, without curves and epochs."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from objabn.config.schema import Dataset
from objabn.evaluation.numbers import Number
from objabn.report.answers import answers
from objabn.report.audit_tables import of_trainings
from objabn.report.audit_tables import to_markdown as audits_of
from objabn.report.backbones import backbone_words
from objabn.report.comparison import Comparison
from objabn.report.main_table import difference_notes, main_cells, main_notes
from objabn.report.map_table import map_cells, map_notes
from objabn.report.method_table import method_notes
from objabn.report.names import Row
from objabn.report.page.plots import accuracy_plot
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
    assert "Not trained here, r3d (torchvision:r3d_18): Grad-CAM at layer4, (split) at layer3." in method_notes(made())
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


SPREAD = {
    R3D: {"top1": 62.5, "top1_std": 0.0, "entropy_g": 2.5, "entropy_g_std": 0.0, "entropy_object_g": 2.5},
    ABN: {"top1": 50.0, "top1_std": 1.25, "entropy_u": 2.75, "entropy_u_std": 0.5, "entropy_object_u": 2.75},
}


def test_one_network_has_no_spread() -> None:
    """Of three seeds, which are the same: a spread of 0 is none of trainings."""
    comparison = made_comparison(SPREAD, trainings={R3D: NOT_TRAINED, ABN: TRAINED}, seeds=(0, 1, 2))
    assert main_cells(comparison)["top-1 %"].to_list() == ["62.50", "50.00 ± 1.25"]
    assert map_cells(comparison)["entropy"].to_list() == ["2.500", "2.750 ± 0.500"]
    assert "so it has no ±" in " ".join(main_notes(comparison))
    top1 = comparison.tidy().query("measure == 'top1'")["std"]
    assert (top1.isna().to_list(), top1.iloc[1]) == ([True, False], 1.25)
    plot = accuracy_plot(comparison)
    assert plot is not None
    assert plot.numbers["top-1 %"].to_list() == ["62.50", "50.00 ± 1.25"]
    assert plot.note.startswith("Bars: ± standard deviation over seeds; none of r3d, not trained here.")
    assert plot.html.count('"error_x":') == 1
    trained = accuracy_plot(made_comparison(SPREAD, seeds=(0, 1, 2)))
    assert trained is not None
    assert (trained.html.count('"error_x":'), "none of" in trained.note) == (2, False)


def other_grids(size: int | None = None, sides: Sequence[int] = (7, 14)) -> Comparison:
    """The entropy of r3d is lower beyond noise, were it not of maps of fewer cells."""
    sharper = {f"entropy_object_vs_abn{end}": value for end, value in
               (("", -0.5), ("_low", -0.75), ("_high", -0.25), ("_p", 0.001), ("_smallest", 0.25))}  # fmt: skip
    top1 = {f"top1_vs_abn{end}": value for end, value in (("", 5.0), ("_low", 4.0), ("_high", 6.0), ("_p", 0.001))}
    rows = {R3D: SPREAD[R3D] | sharper | top1, ABN: SPREAD[ABN]}
    params = EMBEDDED.model_copy(update={"eval": EMBEDDED.eval.model_copy(update={"entropy_size": size})})
    notes = {R3D: NOT_TRAINED, ABN: TRAINED}
    found = made_comparison(rows, trainings=notes, seeds=(0, 1, 2), params=params)
    return replace(found, grids=dict(zip((R3D, ABN), sides, strict=True)))


def test_entropies_of_other_grids_have_no_star() -> None:
    told = " ".join(difference_notes(other_grids()))
    assert "no star where the maps have another grid than abn's, 14 x 14 cells: r3d 7 x 7." in told
    [line] = [line for line in to_markdown(other_grids()).splitlines() if "-0.50 [" in line]
    assert line == "| r3d |  | +5.0 [+4.0, +6.0] * | -0.50 [-0.75, -0.25] |"
    for same in (other_grids(size=56), other_grids(sides=(14, 14))):
        assert "| r3d |  | +5.0 [+4.0, +6.0] * | -0.50 [-0.75, -0.25] * |" in to_markdown(same)
        assert "another grid" not in " ".join(difference_notes(same))


def test_in_words_no_claim_is_made_of_entropies_of_other_grids() -> None:
    mask = Row("mask", False)
    vs_abn = {f"entropy_object_vs_abn{end}": value for end, value in
              (("", -0.5), ("_low", -0.75), ("_high", -0.25), ("_p", 0.001), ("_smallest", 0.25))}  # fmt: skip
    rows = {ABN: SPREAD[ABN], mask: {"entropy_object_o": 2.0, **vs_abn}}
    made_of = made_comparison(rows, seeds=(0, 1, 2))
    claim = "in entropy no claim, the maps have other grids, 7 x 7 and 14 x 14 cells (-0.50 bits [-0.75, -0.25])"
    assert claim in " ".join(answers(replace(made_of, grids={mask: 7, ABN: 14})))
    told = " ".join(answers(replace(made_of, grids={mask: 14, ABN: 14})))
    assert "no claim" not in told
    assert "Yes. mask against abn: " in told


def test_trained_rows_of_another_backbone_or_layer_are_named() -> None:
    own = EMBEDDED
    small = own.model.model_copy(update={"backbone": "torchvision:r3d_18", "pretrained": None})
    deep, small_row = Row("deep", False), Row("abn-small", False)
    layers = {row: own.gradcam.model_copy(update={"layer": layer}) for row, layer in
              ((deep, "split"), (small_row, "layer4"))}  # fmt: skip
    blocks = {
        R3D: own.model_copy(update={"gradcam": layers[small_row]}),  # what its run says counts, not this
        deep: own.model_copy(update={"gradcam": layers[deep]}),
        small_row: own.model_copy(update={"model": small, "gradcam": layers[small_row]}),
    }
    rows = dict.fromkeys((R3D, deep, small_row, ABN), SPREAD[ABN])
    found = replace(made_comparison(rows, trainings={R3D: NOT_TRAINED}), blocks=blocks)
    notes = method_notes(found)
    assert notes[1:3] == [
        "Other layers of Grad-CAM and LayerCAM: deep at the split; abn-small at layer4, in torchvision:r3d_18.",
        "Not trained here, r3d (torchvision:r3d_18): Grad-CAM at layer4, (split) at layer3.",
    ]
    assert f"at {own.gradcam.layer} (`gradcam.layer`)" in notes[0]
    assert not [note for note in method_notes(replace(found, blocks={})) if note.startswith("Other layers")]
    weights = own.model.pretrained
    assert backbone_words(found) == f"{weights}; of abn-small torchvision:r3d_18, from scratch"
    whole = found.params.model_copy(update={"model": small.model_copy(update={"pretrained": "small.pth"})})
    of_small = replace(found, params=whole, blocks={small_row: whole, deep: found.params})
    assert backbone_words(of_small) == f"torchvision:r3d_18, small.pth; of deep x3d, {weights}"
    assert "Backbone: torchvision:r3d_18, small.pth; of deep" in to_markdown(of_small)


def test_audits_say_which_rows_were_not_trained_here() -> None:
    known = {"top1": 62.5, "swap_drop": 10.0, "top1_swapped": 52.5}
    numbers = {name: {(key, ""): Number(value, 0.0) for key, value in known.items()} for name in ("r3d", "mask")}
    elsewhere = {"r3d": NOT_TRAINED["network"]}
    measured = pd.DataFrame({"video": ["a", "a"], "seed": [0, 1], "insertion_g": [0.5, 0.5]})
    tables = dict.fromkeys(numbers, measured)
    steps = pd.DataFrame({"map": ["g", "g"], "step": "fc", "correlation": 0.25, "compared": 1.0, "seed": [0, 1]})
    sanity = dict.fromkeys(numbers, steps)
    text = audits_of(of_trainings(numbers, elsewhere), {}, tables, sanity, "own", [0, 1], 40, None, elsewhere)
    lines = [line for line in text.splitlines() if line.startswith("| r3d |")]
    assert len(lines) == 3
    assert not [line for line in lines if "±" in line]
    assert len([line for line in text.splitlines() if line.startswith("| mask |") and "±" in line]) == 3
    assert text.endswith(
        " Not trained here, r3d (torchvision:r3d_18): Grad-CAM at layer4, (split) at layer3. The seeds of such a row "
        "are one network, so it has no ±.\n"
    )


def test_what_cannot_be_compared_is_none_of_so_many_comparisons() -> None:
    """Holm asks two comparisons for 0.025; mask has 0.03, which is enough where mha's maps are of another grid."""
    mask, mha = Row("mask", False), Row("mha", False)
    ends = (("", -0.5), ("_low", -0.75), ("_high", -0.25), ("_p", 0.03), ("_smallest", 0.25))
    vs_abn = {f"entropy_object_vs_abn{end}": value for end, value in ends}
    rows = {ABN: SPREAD[ABN]} | {row: {"entropy_object_o": 2.0, **vs_abn} for row in (mask, mha)}
    for side, among in ((14, True), (7, False)):
        found = replace(made_comparison(rows, seeds=(0, 1, 2)), grids={ABN: 14, mask: 14, mha: side})
        assert ("among so many comparisons" in " ".join(answers(found))) == among
