"""The stage that evaluates a row: of which seeds it measures rankings."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from objabn.evaluation import evaluate, training_notes
from stages import evaluate as stage

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("videos", "seeds", "ranked"),
    [
        (32, "first", [True, False, False]),
        (0, "first", [True, False, False]),
        (32, "all", [True, True, True]),
        (None, "first", [True, True, True]),
    ],
)
def test_all_seeds_are_ranked_where_all_videos_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, videos: int | None, seeds: str, ranked: list[bool]
) -> None:
    """The first seed always is, on `eval.ranking_videos` videos; the others with all seeds, or with null."""
    monkeypatch.chdir(tmp_path)
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["table"]["seeds"] = [7, 8, 9]
    document["datasets"]["synthetic"]["eval"].update(ranking_videos=videos, ranking_seeds=seeds)
    Path("params.yaml").write_text(yaml.safe_dump(document))
    asked, kept = [], []

    def results(model: object, attention: str, clips: object, params: object, *, rank: bool, keep: object) -> list:
        asked.append(rank)
        kept.append(keep is not None)
        return [pd.DataFrame({"video": ["v"], "label": ["a"], "predicted": ["a"], "top1": [1], "top5": [1]})]

    run = SimpleNamespace(model=None, attention="mask", record={})
    clips = SimpleNamespace(table=pd.DataFrame({"video": ["v"]}), labels=np.array([0]), views=1)
    monkeypatch.setattr(stage, "trained_runs", lambda *_: ((seed, run, clips) for seed in (7, 8, 9)))
    monkeypatch.setattr(stage, "networks", lambda _: (None,))
    monkeypatch.setattr(evaluate, "evaluate_run", results)
    monkeypatch.setattr(training_notes, "training_notes", lambda _: {})
    monkeypatch.setattr("objabn.evaluation.kept_maps.write_maps", lambda *_: None)
    monkeypatch.setattr("objabn.evaluation.kept_maps.together", lambda _: None)
    monkeypatch.setattr("objabn.evaluation.kept_maps.MapKeeper", lambda *_: SimpleNamespace(kept=lambda: None))
    monkeypatch.setattr(sys, "argv", ["evaluate.py", "synthetic", "--attention", "mask", "--pc", "false"])
    stage.main()
    assert asked == ranked
    assert kept == [True, False, False]
    assert pd.read_parquet("results/synthetic/mask/pc-false.parquet")["seed"].tolist() == [7, 8, 9]
