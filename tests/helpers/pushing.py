"""A checkout with trained runs of small networks, their results and their table."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from objabn.config.schema import Dataset
from objabn.model.run import seal_run
from tests.helpers.runs import write_run

ROW = Path("runs/ds/mask/pc-false")
CURVES = {"epoch": [1, 2], "loss": [3.25, 2.5], "train_top1": [40.0, 60.0], "val_top1": [50.0, 75.0]}
SEGMENTER = {"backend": "torchvision", "model": "figures", "licence": "Apache-2.0 of the masks"}
MEANS = {  # by measure and map: of the seeds 0 and 1
    ("top1", ""): (92.0, 94.0), ("top5", ""): (99.0, 100.0), ("ece", ""): (0.07, 0.09),
    ("pointing", "o"): (0.94, 0.96), ("pointing", "g"): (0.4, 0.5), ("pointing", "c"): (0.37, 0.37),
    ("iou_best", "o"): (0.65, 0.67), ("entropy_object", "o"): (1.5, 1.7),
    ("insertion", "o"): (0.6, 0.62), ("insertion", "g"): (0.61, 0.63),
    ("deletion", "o"): (0.2, 0.22), ("deletion", "g"): (0.19, 0.21),
}  # fmt: skip
DIFFERENCES = {  # minus abn, low, high
    ("top1", ""): (-1.5, -4.0, 0.9),
    ("pointing", "o"): (34.6, 26.3, 42.8),
}
WITHIN = {"within_even": (27.6, 4.9, 50.3), "within_pointing": (50.4, 46.2, 54.7)}


def write_training(directory: Path, params: Dataset, seed: int, attention: str = "mask", **record: Any) -> None:
    """A run's directory with curves; `record` goes into its run.json."""
    write_run(directory, params, attention, False, seed)
    pd.DataFrame(CURVES).to_csv(directory / "curves.csv", index=False)
    content = json.loads((directory / "run.json").read_text())
    (directory / "run.json").write_text(json.dumps({**content, "inputs": {}, **record}))
    seal_run(directory)


def write_numbers(place: str = "mask/pc-false", name: str = "mask") -> None:
    """Results, their notes, the table and the masks' report of data set `ds`, in the working directory."""
    results = Path("results/ds", f"{place}.csv")
    results.parent.mkdir(parents=True, exist_ok=True)
    lines = [(seed, letter, measure, values[seed]) for (measure, letter), values in MEANS.items() for seed in (0, 1)]
    pd.DataFrame(lines, columns=["seed", "map", "measure", "value"]).to_csv(results, index=False)
    notes = {"curves": {str(seed): CURVES for seed in (0, 1)}, "versions": {}}
    results.with_suffix(".training.json").write_text(json.dumps(notes))
    rows = []
    for (measure, letter), values in MEANS.items():
        minus, low, high = DIFFERENCES.get((measure, letter), (None, None, None))
        rows.append((name, False, letter, measure, sum(values) / 2, 1.0, minus, low, high))
    rows += [(name, False, "", measure, mean, None, None, low, high) for measure, (mean, low, high) in WITHIN.items()]
    columns = ["attention", "pc", "map", "measure", "mean", "std", "minus_abn", "low", "high"]
    Path("tables").mkdir(exist_ok=True)
    pd.DataFrame(rows, columns=columns).to_csv("tables/ds.csv", index=False)
    Path("results/ds/segment.json").write_text(json.dumps({"frames": 1.0, "segmenter": SEGMENTER}))
    Path("data/ds").mkdir(parents=True, exist_ok=True)
    splits = ["train"] * 5 + ["test"] * 3
    index = pd.DataFrame({"video": range(8), "path": range(8), "label": "walk", "split": splits})
    index.to_csv("data/ds/index.csv", index=False)
