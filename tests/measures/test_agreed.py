"""What other people's libraries computed, written down by `python -m benchmarks.peers --write`, comes out here too."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.peers.__main__ import EXACT, PEERS, TOLERANCE
from benchmarks.peers.cases import CASES, clips, flipped, maps_and_truth
from objabn.evaluation.posthoc import posthoc_maps
from objabn.measures import arrays as metrics

AGREED = json.loads((Path(__file__).parent / "agreed.json").read_text())
KEPT = [f"{name}|{layer}|{letter}" for name, case in CASES.items() for layer in case.tested for letter in "gl"]


def test_all_that_was_agreed_is_tested() -> None:
    assert AGREED["peers"] == PEERS == {"grad-cam": "1.5.7", "quantus": "0.6.0"}
    scores = {"discrete_entropy", "PointingGame", "RelevanceMassAccuracy", "AttributionLocalisation", "PixelFlipping"}
    assert set(AGREED) == {"peers", "classes", *KEPT, *scores}


@pytest.mark.parametrize("key", KEPT)
def test_weighted_sums_are_those_of_pytorch_grad_cam(key: str) -> None:
    """As shares of a clip's maximum, before anything is resized."""
    name, layer, letter = key.split("|")
    network = CASES[name].build()
    found = posthoc_maps(network, clips(8, 16), layer, classes=torch.tensor(AGREED["classes"][name]))
    assert torch.equal(found.output.perception_logits.argmax(dim=1), found.classes)
    own = found.native.get(letter, found.maps[letter])[:, 0].numpy()
    expected = np.array(AGREED[key])
    assert own.shape == (2, 8, 4, 4)
    np.testing.assert_allclose(own[:, ::2], expected, atol=TOLERANCE)
    np.testing.assert_array_equal(own[:, ::2], own[:, 1::2])  # two frames a step
    assert expected.std() > 0.1


def test_scores_are_those_of_quantus() -> None:
    maps, truth = maps_and_truth()
    np.testing.assert_allclose(metrics.entropy(maps), AGREED["discrete_entropy"], atol=EXACT)
    np.testing.assert_array_equal(metrics.pointing(maps, truth), AGREED["PointingGame"])
    for name in ("RelevanceMassAccuracy", "AttributionLocalisation"):
        np.testing.assert_allclose(metrics.energy_inside(maps, truth), AGREED[name], atol=EXACT)
    assert set(AGREED["PointingGame"]) == {0, 1}
    assert np.ptp(AGREED["discrete_entropy"]) > 0.1 < np.ptp(AGREED["RelevanceMassAccuracy"])


def test_deletion_is_quantus_pixel_flipping() -> None:
    values, maps, classes = flipped()
    network = CASES["two convolutions"].build()

    def probability(seen: torch.Tensor) -> torch.Tensor:
        return network(seen).perception_logits.softmax(dim=1)[[0, 1], classes]

    found = metrics.insertion_deletion(values, maps, probability, shares=np.arange(17) / 16)
    np.testing.assert_allclose(found.deletion[:, 1:], AGREED["PixelFlipping"], atol=EXACT)
    assert np.ptp(found.deletion, axis=1).min() > 0.01
