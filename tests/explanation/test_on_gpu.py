"""Explaining on a GPU: the CPU's answers and maps. `pytest -m gpu`"""

from pathlib import Path

import numpy as np
import pytest

from objabn.config.schema import Dataset
from objabn.explanation.explain import explain, load
from objabn.video.write import write_video
from tests.helpers.runs import parameters, write_run
from tests.helpers.videos import moving_bar

pytestmark = pytest.mark.gpu

GPU = "cuda"


@pytest.mark.parametrize(("attention", "pc"), [("mha", True), ("plain", False)])  # plain: Grad-CAM
def test_answers_and_maps_are_the_cpus(tmp_path: Path, synthetic: Dataset, attention: str, pc: bool) -> None:
    pytest.importorskip("av")
    directory = write_run(tmp_path / "run", parameters(synthetic), attention, pc)
    write_video(tmp_path / "a.mp4", moving_bar(30))
    runs = [load(directory, device=device) for device in ("cpu", GPU)]
    assert runs[1].device.type == GPU
    expected, found = (explain(tmp_path / "a.mp4", run) for run in runs)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=0.01)
    assert found.maps.keys() == expected.maps.keys()
    for letter, maps in expected.maps.items():
        np.testing.assert_allclose(found.maps[letter], maps, atol=0.02)
        assert np.ptp(maps) > 0.05  # else this compares nothing
