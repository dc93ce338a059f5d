"""Genuine Something-Something v2 videos and lists through the whole DAG, the profile `ssv2` scaled down (minutes)."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.helpers.clones import ROOT, environment, git, make_clone, run_dvc

SSV2 = ROOT.parent / "shared/realdata/ssv2"
SMALLER = {
    "decode": {"height": 60, "width": 107},
    "segment": {"backend": "motion", "stride": 1, "threshold": 25.0, "min_area": 0.002},
    "data": {"num_frames": 4, "crop": 48, "short_side_min": 54, "short_side_max": 64, "short_side_eval": 54},
    "model": {
        "width_factor": 1.0,
        "depth_factor": 1.0,
        "pretrained": None,
        "attention_depth": 1,
        "attention_channels": 8,
    },
    "train": {"epochs": 1, "batch_size": 2},
    "machine": {"loader_workers": 0},
}


def scaled_down(values: dict) -> None:
    """The protocol stays (stride, padding, no flip, loss weights, optimiser); smaller, and masks without weights."""
    block = values["datasets"]["ssv2"]
    block["segment"] = {}
    for name, settings in SMALLER.items():
        block[name].update(settings)
    block["videos"] = str(SSV2 / "videos")
    values["dataset"] = "ssv2"
    values["table"].update(attention=["abn", "mask", "mha"], pc=[True], controls=[])
    values["loss"] = {"attention": "mask", "pc": True}


@pytest.mark.realdata
@pytest.mark.skipif(not SSV2.is_dir(), reason="no real videos beside the checkout")
def test_mini_ssv2_from_its_lists_to_the_table(tmp_path: Path) -> None:
    clone, cache = make_clone(tmp_path / "objabn", scaled_down), tmp_path / "cache"
    lists = {"labels": "something-something-v2-labels", "train": "mini-train", "validation": "mini-validation"}
    files = [f"--{name}-json={SSV2 / file}.json" for name, file in lists.items()]
    command = [sys.executable, "-m", "objabn", "index", "ssv2", f"--videos={SSV2 / 'videos'}", *files]
    printed = subprocess.run(command, cwd=clone, env=environment(cache), capture_output=True, text=True, check=True)
    assert "7 videos" in printed.stdout
    git(clone, "add", "-A")
    git(clone, "commit", "-qm", "index")

    done = run_dvc(clone, cache, "repro", "study", "compare@ssv2")
    assert "synthesize" not in done.stdout
    videos = pd.read_csv(clone / "data/ssv2/frames/videos.csv", dtype={"video": str})
    assert videos["status"].tolist() == ["ok"] * 7
    assert videos.set_index("video").loc["41000", ["height", "width"]].tolist() == [1920, 1080]  # portrait
    study = json.loads((clone / "metrics.json").read_text())
    assert 0 <= study["top1"] <= study["top5"] <= 100
    table = (clone / "tables/ssv2.md").read_text()
    parts = table.partition("In words:")[0], table.partition("Beside the paper")[2]
    rows = [re.findall(r"^\| (abn|mask|mha) \| yes \| \d", part, flags=re.MULTILINE) for part in parts]
    assert rows == [["abn", "mask", "mha"], ["mask", "mha"]]  # the paper's Table 2 has no abn with PC
    assert "(Table 2, Something-Something v2)" in table
    assert f"| {study['top1']:.2f} | 54.97 |" in table
