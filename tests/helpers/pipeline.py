"""A pipeline small enough for a test, and what ran of it."""

from pathlib import Path

import pandas as pd

from objabn.evaluation.numbers import column, over_seeds, read_numbers

TINY = {
    "synthesize": {"train_videos": 16, "test_videos": 8, "min_frames": 20, "max_frames": 22},
    "data": {"num_frames": 4, "crop": 32, "short_side_min": 32, "short_side_max": 36, "short_side_eval": 32},
    "model": {"attention_channels": 8, "attention_depth": 1},
    "train": {"epochs": 2},
    "gradcam": {"layer": "split"},  # of so small a crop the last stage is one cell
    "machine": {"max_failed": 0.3},
}


def make_tiny(values: dict) -> None:
    """The embedded profile, as small as it runs, with one seed."""
    values["table"]["seeds"] = [0]
    for block, settings in TINY.items():
        values["datasets"]["synthetic"][block].update(settings)


def ran(output: str) -> set[str]:
    """Names of the stages that a command ran."""
    lines = output.splitlines()
    return {line.split("'")[1] for line in lines if line.startswith("Running stage ")}


def row_numbers(path: Path) -> dict[str, float]:
    """The means of a row's file of numbers, by name as in `entropy_o`."""
    return {column(*key): number.mean for key, number in over_seeds(read_numbers(path)).items()}


def wide_table(path: Path) -> pd.DataFrame:
    """A comparison's CSV with a line a row: attention, pc, each number, and as `*_vs_abn` its difference to abn."""
    lines: dict[tuple[str, bool], dict[str, float]] = {}
    numbers = {name: [""] for name in ("minus_abn", "low", "high")}
    for line in pd.read_csv(path, keep_default_na=False, na_values=numbers).itertuples():
        row = lines.setdefault((line.attention, line.pc), {})
        row[column(line.measure, line.map)] = line.mean
        if pd.notna(line.minus_abn):
            name = f"{line.measure}_vs_abn"
            row |= {name: line.minus_abn, f"{name}_low": float(line.low), f"{name}_high": float(line.high)}
    return pd.DataFrame([{"attention": attention, "pc": pc, **row} for (attention, pc), row in lines.items()])
