"""Quantus's side, run in its environment: scores of maps against masks, entropies, and pixel flipping.

python -m benchmarks.peers.their_scores IN.npz OUT.npz
"""

import sys
import warnings

import numpy as np
import quantus
import torch
from quantus.functions.complexity_func import discrete_entropy
from torch import Tensor, nn

from benchmarks.peers.cases import CASES, maps_and_truth, odd_maps_and_truth

SCORES = {
    "PointingGame": quantus.PointingGame,
    "RelevanceMassAccuracy": quantus.RelevanceMassAccuracy,
    "AttributionLocalisation": quantus.AttributionLocalisation,
    "RelevanceRankAccuracy": quantus.RelevanceRankAccuracy,
    "Complexity": quantus.Complexity,
}


class OfImages(nn.Module):
    """A network of clips for images (B, 1, 3 T S, S), frame below frame and colour below colour.

    Quantus takes no five axes, and steps only by pixels of all colours.
    """

    def __init__(self, num_frames: int) -> None:
        super().__init__()
        self.network, self.num_frames = CASES["two convolutions"].build(), num_frames

    def forward(self, images: Tensor) -> Tensor:
        return self.network(images[:, 0].unflatten(1, (3, self.num_frames, -1))).perception_logits


def scored(metric: type, maps: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """What a metric of Quantus's with its default settings says of each map, float64 (N,); infinite where it stops."""
    said = []
    for one, mask in zip(maps, masks, strict=True):
        values, truth = one[None, None].copy(), mask[None, None].copy()
        given = {"x_batch": np.ones_like(values), "a_batch": values, "s_batch": truth, "y_batch": np.zeros(1, int)}
        try:
            said.append(float(metric(disable_warnings=True)(model=None, channel_first=True, **given)[0]))
        except AssertionError:
            said.append(np.inf)
    return np.array(said)


def flipped(given: dict[str, np.ndarray]) -> np.ndarray:
    """Probabilities after each step of pixel flipping, (B, n): cells in our order, replaced by our blurred clip."""
    images, away, order = (given[name] for name in ("images", "away", "order"))
    rows = np.arange(len(images))[:, None]

    def perturb(arr: np.ndarray, indices: np.ndarray, **_settings: object) -> np.ndarray:
        changed = arr.copy()
        changed[rows, indices] = away.reshape(len(away), -1)[rows, indices]
        return changed

    metric = quantus.PixelFlipping(
        features_in_step=int(given["step"]), normalise=False, perturb_func=perturb, disable_warnings=True
    )
    model = OfImages(int(given["num_frames"])).eval()
    named = {"x_batch": images, "y_batch": given["classes"], "a_batch": -order, "channel_first": True}
    return np.array(metric(model=model, **named))


def main() -> None:
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    maps, masks = maps_and_truth()
    odd = odd_maps_and_truth()
    results: dict[str, np.ndarray] = {}
    for name, metric in SCORES.items():
        results[name] = scored(metric, maps, masks)
        results[f"odd {name}"] = scored(metric, *(np.stack(each) for each in zip(*odd.values(), strict=True)))
    results["discrete_entropy"] = np.array([discrete_entropy(one, one, n_bins=10) for one in maps])
    results["odd discrete_entropy"] = np.array([discrete_entropy(one, one, n_bins=10) for one, _ in odd.values()])
    with np.load(sys.argv[1]) as given:
        results["PixelFlipping"] = flipped(dict(given))
    np.savez(sys.argv[2], **results)


if __name__ == "__main__":
    main()
