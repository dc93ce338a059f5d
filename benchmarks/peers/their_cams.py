"""pytorch-grad-cam's side, run in its environment: weighted sums of all cases' layers, before anything is resized.

python -m benchmarks.peers.their_cams CLASSES.json OUT.npz
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from pytorch_grad_cam import GradCAM, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from benchmarks.peers.cases import CASES, clips
from objabn.model.interface import first_output
from objabn.networks.adapter import Adapter
from objabn.networks.grids import Grid


class Logits(nn.Module):
    """A network that says its logits alone, as pytorch-grad-cam wants them."""

    def __init__(self, network: Adapter) -> None:
        super().__init__()
        self.network = network

    def forward(self, values: Tensor) -> Tensor:
        return self.network(values).perception_logits


def kept(method: type) -> type:
    """A method of pytorch-grad-cam's that keeps its weighted sums; they are otherwise resized at once."""

    class Kept(method):
        sums: np.ndarray

        def get_cam_image(self, *given, **named):
            self.sums = super().get_cam_image(*given, **named)
            return self.sums

    return Kept


def main() -> None:
    torch.set_num_threads(1)
    classes = json.loads(Path(sys.argv[1]).read_text())
    results: dict[str, np.ndarray] = {}
    for name in classes:
        case = CASES[name]
        network = case.build()
        values, model = clips(network.num_frames, network.size), Logits(network)
        targets = [ClassifierOutputTarget(label) for label in classes[name]]
        for layer in case.layers:
            module, grid = network.tap(layer)

            def cells(output: object, grid: Grid = grid) -> Tensor:
                return grid(first_output(output))

            for letter, method in (("g", GradCAM), ("l", LayerCAM)):
                cam = kept(method)(model, [module], reshape_transform=cells)
                try:
                    cam(values, targets)
                    sums = np.maximum(cam.sums, 0)
                except (AttributeError, TypeError):
                    if cam.activations_and_grads.gradients:
                        raise
                    sums = np.array("no gradient")
                results[f"{name}|{layer}|{letter}"] = sums
    np.savez(sys.argv[2], **results)


if __name__ == "__main__":
    main()
