"""What evaluation and audits ask of any network, asked of one: an adapter of torchvision's, of transformers', ours."""

import numpy as np
import torch
from torch import Tensor, nn

from objabn.audits.perturbation import perturbation_maps
from objabn.audits.sanity import randomised
from objabn.config.rows import POST_HOC
from objabn.config.schema import Eval
from objabn.evaluation.insertion_deletion import answer_probability, curves_in_space, noise
from objabn.evaluation.map_measures import map_measures
from objabn.evaluation.maps import named_maps, repeated_maps
from objabn.evaluation.posthoc import PostHoc, posthoc_maps
from objabn.evaluation.targets import Targets
from objabn.model.interface import VideoNetwork


def check_any_network(network: VideoNetwork, clips: Tensor, layer: str, evaluation: Eval) -> None:
    """Explain clips, measure and rank the maps, and draw the network anew, step by step.

    Args:
        network: in evaluation mode, with random weights, which are changed.
        clips: normalised, (B, 3, T, S, S).
        layer: its default one.
    """
    shape = (len(clips), clips.shape[2], network.map_size, network.map_size)
    found = posthoc_maps(network, clips, layer)
    assert not any(module._forward_hooks for module in network.modules())
    assert found.h1.shape[2:] == (network.map_frames, *shape[2:])
    assert found.output.maps.shape == (len(clips), 0, network.map_frames, *shape[2:])
    maps = named_maps(found, "plain")
    for letter, values in maps.items():
        _check_maps(values, shape, letter)
    for letter, values in found.native.items():
        _check_maps(values[:, 0], (*shape[:2], *values.shape[-2:]), letter)
    _check_that_each_varies(network, clips[:1], layer, found)

    numpy = {letter: values.cpu().numpy() for letter, values in maps.items()}
    natives = {letter: values[:, 0].cpu().numpy() for letter, values in found.native.items()}
    repeated = repeated_maps(found, "plain")
    measured = map_measures(numpy, natives, _objects(shape), evaluation, repeated=repeated)
    for letter in POST_HOC:
        assert np.isnan(measured[f"flicker_{letter}"]).all() == (letter in repeated), letter
        assert np.isfinite(measured[f"range_{letter}"]).all(), letter
    assert (measured["entropy_c"] > 0).all()

    first, answer = clips[:1], found.classes[:1]
    seen = perturbation_maps(network, first, ["v"], answer, num_masks=3)
    _check_maps(seen[:, 0], (1, *shape[1:]), "p")
    assert seen.max() in (0, 1)  # a network of random weights may not tell a masked clip from a whole one
    curves = curves_in_space(
        first, {"s": maps["s"][:1]}, answer_probability(network, answer), (0, 0.5, 1), ties=noise("v", shape[1:])[None]
    )
    assert set(curves) == {"insertion_s", "deletion_s"}
    assert all(values.shape == (1, 3) and 0 < values.min() <= values.max() < 1 for values in curves.values())
    assert torch.equal(curves["insertion_s"][:, [0, 2]], curves["deletion_s"][:, [2, 0]])
    _check_cascade(network, first, layer)


def _check_maps(maps: Tensor, shape: tuple[int, ...], name: str) -> None:
    assert maps.shape == shape, name
    assert maps.isfinite().all(), name
    assert 0 <= maps.min() <= maps.max() <= 1, name


def _check_that_each_varies(network: VideoNetwork, clips: Tensor, layer: str, found: PostHoc) -> None:
    """A map is dark where nothing speaks for a class; not that of each class, and none is the same everywhere."""
    varying = _varying(found)
    for label in range(found.output.perception_logits.shape[1]):
        if varying == set(POST_HOC):
            return
        varying |= _varying(posthoc_maps(network, clips, layer, classes=torch.tensor([label])))
    assert varying == set(POST_HOC), f"the same everywhere, for each class: {set(POST_HOC) - varying}"


def _varying(found: PostHoc) -> set[str]:
    return {letter for letter, maps in found.maps.items() if float(maps[0].max() - maps[0].min()) > 1e-3}


def _objects(shape: tuple[int, ...]) -> Targets:
    """Clips with an object in all frames: the upper left quarter."""
    mask = torch.zeros(shape)
    mask[:, :, : (shape[2] + 1) // 2, : (shape[3] + 1) // 2] = 1
    objects = np.ones(shape[:2], bool)
    masks = {"masks": mask, "truth": mask}
    return Targets(masks, masks, objects, objects, ~objects)


@torch.no_grad()
def _check_cascade(network: VideoNetwork, clips: Tensor, layer: str) -> None:
    """Nothing that was learnt survives the last step, and the answers of the last network are others."""
    for values in network.parameters():
        values.add_(0.01)  # a norm that is drawn anew is as it begins
    logits, last, steps = network(clips).perception_logits, network, []
    for step, drawn in randomised(network):
        steps.append(step)
        last = drawn
    assert len(set(steps)) == len(steps) > 2
    weights = zip(_named(network), last.parameters(), strict=True)
    survived = [name for (name, learnt), values in weights if torch.equal(learnt, values)]
    assert not survived, survived
    found = posthoc_maps(last, clips, layer)
    assert not torch.allclose(found.output.perception_logits, logits)
    assert all(maps.isfinite().all() for maps in found.maps.values())


def _named(network: VideoNetwork) -> list[tuple[str, nn.Parameter]]:
    assert isinstance(network, nn.Module)
    return list(network.named_parameters())
