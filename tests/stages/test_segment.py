"""The stage that segments: what can be wrong with the truth is told before anything is segmented."""

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from objabn.segmentation import segment
from stages.segment import main
from tests.helpers.clips import FRAMES, SIZE, parameters, write_stores
from tests.helpers.truth import write_truth

ROOT = Path(__file__).parents[2]


def test_truth_that_does_not_fit_is_told_first(tmp_path: Path, synthetic, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second of its videos has a frame less."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["segment.py", "synthetic"])
    monkeypatch.setattr(segment, "segment_videos", lambda *_, **__: pytest.fail("it was segmented"))
    frames, masks = np.zeros((FRAMES, SIZE, SIZE, 3), np.uint8), np.ones((FRAMES, 1, 1), bool)
    write_stores(tmp_path / "data/synthetic", {"v0": ("a", frames, masks), "v1": ("b", frames, masks)})
    planes = np.zeros((FRAMES, 2, 128, 128), np.uint8)
    truth = write_truth(Path("truth"), {"v0": planes, "v1": planes[:-1]})
    document = yaml.safe_load((ROOT / "params.yaml").read_text())
    document["datasets"] = {"synthetic": parameters(synthetic).model_dump() | {"truth": truth.model_dump()}}
    Path("params.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(ValueError, match=rf"^truth: expected {FRAMES} frames of v1, got {FRAMES - 1}$"):
        main()
