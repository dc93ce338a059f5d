"""The stage that audits a row, on a tiny store and networks that were never trained."""

import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from objabn.audits.methods import measure_methods
from objabn.audits.perturbation import perturbation_maps
from objabn.config.rows import MAPS, evaluated_maps
from objabn.evaluation.numbers import read_numbers
from objabn.model.run import Run, build_model, run_record, save_run
from stages.audit import main
from tests.helpers.clips import five_videos, parameters, write_stores
from tests.helpers.pipeline import row_numbers
from tests.helpers.truth import truth_of

ROOT = Path(__file__).parents[2]
BACKGROUNDS = {f"top1_{form}{end}" for form in ("foreground", "background", "pasted", "swapped")
               for end in ("", "_truth")}  # fmt: skip
DROPS = {f"{drop}{end}" for drop in ("swap_drop", "background_gap") for end in ("", "_truth")}
REPLACED = {
    f"top1_{how}" for how in ("one", "inverse", "flat", "even", "other", "masks", "masks_any", "truth", "truth_any")
}
AREAS = {f"{kind}_{time}" for kind in ("insertion", "deletion") for time in ("", "time_")}


@pytest.fixture
def repository(tmp_path: Path, synthetic, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory as the stage expects it, with two seeds and five test videos; the working directory."""
    monkeypatch.chdir(tmp_path)
    params = parameters(synthetic)
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["table"]["seeds"] = [0, 1]
    truth = truth_of(Path("data/synthetic/masks"), ["person"])
    document["datasets"] = {"synthetic": params.model_dump() | {"truth": truth.model_dump()}}
    Path("params.yaml").write_text(yaml.safe_dump(document))
    write_stores(tmp_path / "data/synthetic", five_videos())
    return tmp_path


def audit(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perturbation_maps, "__kwdefaults__", {"num_masks": 4})  # of hundreds
    monkeypatch.setattr(measure_methods, "__kwdefaults__", {"shares": (0, 1)})  # the ends of the curves alone
    monkeypatch.setattr(sys, "argv", ["audit.py", "synthetic", *line.split()])
    main()


@pytest.mark.parametrize(
    ("attention", "row", "line"),
    [("mask", "mask/pc-false", "--attention mask --pc false"), ("plain", "controls/plain", "--control plain")],
)
def test_a_rows_audit(repository: Path, synthetic, monkeypatch, attention: str, row: str, line: str) -> None:
    params = parameters(synthetic)
    for seed in (0, 1):
        directory = repository / "runs/synthetic" / row / f"seed-{seed}"
        directory.mkdir(parents=True)
        run = Run(params, attention, False, seed)
        model = build_model(run, 3, pretrained=False)
        inputs = [repository / "data/synthetic/frames/videos.csv"]
        save_run(directory, model, run_record(run, ["a", "b", "c"], inputs))
    audit(line, monkeypatch)

    result = repository / "audits/synthetic" / f"{row}.csv"
    numbers, per_video = row_numbers(result), pd.read_parquet(result.with_suffix(".parquet"))
    maps = [*evaluated_maps(attention), "p"]
    ranked = [*maps, "random"]
    columns = {"top1"} | BACKGROUNDS | (REPLACED if MAPS[attention] else set())
    columns |= {area + each for area in AREAS for each in ranked}
    of_maps = {f"{measure}_{each}" for measure in ("pointing", "energy", "iou_truth") for each in maps}
    assert {"video", "label", "seed"} | columns | of_maps <= set(per_video)
    assert columns | of_maps | DROPS <= set(numbers)
    assert read_numbers(result)["seed"].unique().tolist() == [0, 1]
    assert per_video["video"].tolist() == [f"v{number}" for number in range(5)] * 2
    assert per_video["seed"].tolist() == [0] * 5 + [1] * 5
    assert numbers["top1"] == pytest.approx(100 * per_video["top1"].mean())
    assert numbers["swap_drop"] == pytest.approx(numbers["top1"] - numbers["top1_swapped"])
    assert numbers["top1_pasted"] == numbers["top1_pasted_truth"]  # the same masks
    curves = pd.read_csv(result.with_suffix(".curves.csv"))
    assert list(curves) == ["curve", "share", "probability", "seed"]
    assert set(curves["curve"]) == {area + each for area in AREAS for each in ranked}
    sanity = pd.read_csv(result.with_suffix(".sanity.csv"))
    assert list(sanity) == ["map", "step", "correlation", "compared", "seed"]
    assert set(sanity["map"]) == {*MAPS[attention], "g", "s", "l"}
    assert set(sanity["seed"]) == {0, 1}


def test_the_audit_of_backgrounds_alone(repository: Path, synthetic, monkeypatch) -> None:
    """The same files: the numbers on other backgrounds, and no curves, of which the columns that tell lines apart."""
    directory = repository / "runs/synthetic/controls/plain"
    for seed in (0, 1):
        (directory / f"seed-{seed}").mkdir(parents=True)
        run = Run(parameters(synthetic), "plain", False, seed)
        inputs = [repository / "data/synthetic/frames/videos.csv"]
        save_run(directory / f"seed-{seed}", build_model(run, 3, pretrained=False),
                 run_record(run, ["a", "b", "c"], inputs))  # fmt: skip
    audit("--control plain --only backgrounds", monkeypatch)
    result = repository / "audits/synthetic/controls/plain.csv"
    assert set(pd.read_parquet(result.with_suffix(".parquet"))) == {"video", "label", "seed", "top1"} | BACKGROUNDS
    assert set(row_numbers(result)) == {"top1"} | BACKGROUNDS | DROPS
    assert pd.read_csv(result.with_suffix(".curves.csv")).to_dict("list") == {"curve": [], "share": [], "seed": []}
    assert pd.read_csv(result.with_suffix(".sanity.csv")).to_dict("list") == {"map": [], "step": [], "seed": []}
