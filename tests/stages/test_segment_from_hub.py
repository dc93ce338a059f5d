"""Videos become clips with masks, by checkpoints of the Hub with random weights: decode, segment, read."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from objabn.clips.dataset import open_split
from objabn.config.file import load_params
from objabn.config.schema import Dataset
from objabn.decoding.decode import decode_videos
from objabn.index.table import build
from objabn.stores.array import StoreReader
from objabn.stores.masks import GRID, GROUPS, group_names
from objabn.video.write import write_video
from stages.segment import main
from tests.helpers import tiny_hub
from tests.helpers.clips import parameters
from tests.helpers.videos import moving_bar

pytest.importorskip("transformers")
ROOT = Path(__file__).parents[2]
LENGTHS = {"0": 6, "1": 4}


@pytest.fixture(scope="module")
def decoded(synthetic: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of frames of two videos."""
    folder = tmp_path_factory.mktemp("decoded")
    for video, length in LENGTHS.items():
        write_video(folder / f"{video}.mp4", moving_bar(length))
    rows = [{"video": video, "path": f"{video}.mp4", "label": "x", "split": "train"} for video in LENGTHS]
    decode = synthetic.decode.model_copy(update={"height": 48, "width": 64})
    decode_videos(build(pd.DataFrame(rows), folder)[0], folder, folder / "frames", decode, workers=1)
    return folder / "frames"


def segmented(decoded: Path, synthetic: Dataset, segment: dict[str, Any], groups: list[str]) -> Dataset:
    """Segment the decoded videos, in the working directory; the data set's parameters."""
    block = parameters(synthetic).model_dump() | {"truth": None, "videos": "videos", "segment": segment}
    block["decode"] |= {"height": 48, "width": 64}
    block["mask"] |= {"groups": groups, "score_threshold": 0.1}
    block["machine"] |= {"segment_workers": 1}
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["datasets"] = {"synthetic": block}
    Path("params.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    shutil.copytree(decoded, "data/synthetic/frames")
    main()
    return load_params(Path("params.yaml")).datasets["synthetic"]


@pytest.fixture(autouse=True)
def _stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OBJABN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "argv", ["segment.py", "synthetic"])


def hub_block(kind: str, **own: Any) -> dict[str, Any]:
    folder = str(tiny_hub.save(kind, Path("weights")))
    shared = {"stride": 1, "weights": folder, "revision": None, "score_floor": 0.01, "bf16": True, "overlap": True}
    return {**shared, **own}


def test_rf_detr(decoded: Path, synthetic: Dataset, capsys: pytest.CaptureFixture) -> None:
    block = hub_block("rf_detr", backend="transformers", short_edge=None, class_names=None, batch_size=4)
    params = segmented(decoded, synthetic, block, ["person", "other"])
    assert "2 videos segmented, 0 found in the side cache" in capsys.readouterr().out
    assert group_names(StoreReader(Path("data/synthetic/masks"))) == GROUPS
    report = json.loads(Path("results/synthetic/segment.json").read_text())
    assert (report["frames"], report["empty_share"] < 1, "person_share" in report) == (10, True, True)
    clips = open_split("train", params, Path("data/synthetic/frames"), Path("data/synthetic/masks"), seed=0)
    assert clips[0]["masks"].shape == (4, GRID, GRID)
    assert clips[0]["masks"].any()
    main()  # by the digests of the same files
    assert "0 videos segmented, 2 found in the side cache" in capsys.readouterr().out


def test_prompts_and_a_choice_among_their_groups(decoded: Path, synthetic: Dataset) -> None:
    block = hub_block("sam3", backend="sam3", prompts={"hand": ["hand"], "cup": ["cup", "mug"]})
    params = segmented(decoded, synthetic, block, ["hand"])
    store = StoreReader(Path("data/synthetic/masks"))
    assert group_names(store) == ("hand", "cup")
    planes = store.read_all("0")
    assert planes.shape == (6, 2, GRID, GRID)
    unions = {}
    for groups in (["hand"], ["cup"], ["hand", "cup"]):  # training chooses; nothing is segmented again
        mask = params.mask.model_copy(update={"groups": groups, "score_threshold": 0.01})
        chosen = params.model_copy(update={"mask": mask})
        clip = open_split("train", chosen, Path("data/synthetic/frames"), Path("data/synthetic/masks"), seed=0)[0]
        unions[tuple(groups)] = clip["masks"].numpy() > 0
    assert unions["hand",].any()
    assert (unions["hand",] != unions["cup",]).any()
    assert (unions["hand", "cup"] == (unions["hand",] | unions["cup",])).all()
    report = json.loads(Path("results/synthetic/segment.json").read_text())
    assert {"hand_share", "cup_share"} <= set(report)
    assert "person_share" not in report
