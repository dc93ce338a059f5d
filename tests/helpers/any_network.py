"""What evaluation and audits ask of any network, asked of one: an adapter of torchvision's, of transformers', ours."""

from copy import deepcopy

import numpy as np
import torch
from torch import Tensor, nn

from objabn.audits.perturbation import perturbation_maps
from objabn.audits.sanity import randomised
from objabn.config.rows import POST_HOC
from objabn.config.schema import Eval
from objabn.evaluation.insertion_deletion import areas_in_space
from objabn.evaluation.map_measures import map_measures
from objabn.evaluation.maps import named_maps, repeated_maps
from objabn.evaluation.posthoc import posthoc_maps
from objabn.evaluation.targets import Targets
from objabn.model.interface import VideoNetwork


def check_any_network(network: VideoNetwork, clips: Tensor, layer: str, evaluation: Eval) -> None:
    """Explain clips, measure and rank the maps, and draw the network anew, step by step.

    Args:
        network: in evaluation mode, with random weights.
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
    _check_that_each_varies(network, clips, layer, found.output.perception_logits.shape[1])

    numpy = {letter: values.cpu().numpy() for letter, values in maps.items()}
    natives = {letter: values[:, 0].cpu().numpy() for letter, values in found.native.items()}
    repeated = repeated_maps(found, "plain")
    measured = map_measures(numpy, natives, _objects(shape), evaluation, repeated=repeated)
    for letter in POST_HOC:
        assert np.isnan(measured[f"flicker_{letter}"]).all() == (letter in repeated), letter
        assert np.isfinite(measured[f"range_{letter}"]).all(), letter
    assert (measured["entropy_c"] > 0).all()

    names = [f"v{number}" for number in range(len(clips))]
    seen = perturbation_maps(network, clips, names, found.classes, num_masks=4)
    _check_maps(seen[:, 0], shape, "p")
    assert (seen.amax(dim=(1, 2, 3, 4)) == 1).all()
    areas = areas_in_space(network, clips[:1], {"s": maps["s"][:1]}, names[:1], found.classes[:1])
    assert set(areas) == {"insertion_s", "deletion_s", "insertion_random", "deletion_random"}
    assert all(0 < values[0] < 1 for values in areas.values())
    _check_cascade(network, clips[:1], layer)


def _check_maps(maps: Tensor, shape: tuple[int, ...], name: str) -> None:
    assert maps.shape == shape, name
    assert maps.isfinite().all(), name
    assert 0 <= maps.min() <= maps.max() <= 1, name


def _check_that_each_varies(network: VideoNetwork, clips: Tensor, layer: str, num_classes: int) -> None:
    """A map is dark where nothing speaks for a class; not one of all classes, and not the same everywhere."""
    varying: set[str] = {"c", "m"}
    for label in range(num_classes):
        found = posthoc_maps(network, clips[:1], layer, classes=torch.tensor([label]))
        varying |= {letter for letter, values in found.maps.items() if float(values.max() - values.min()) > 1e-3}
        if varying == set(POST_HOC):
            return
    raise AssertionError(f"the same everywhere, for each class: {set(POST_HOC) - varying}")


def _objects(shape: tuple[int, ...]) -> Targets:
    """Clips with an object in all frames: the upper left quarter."""
    mask = torch.zeros(shape)
    mask[:, :, : (shape[2] + 1) // 2, : (shape[3] + 1) // 2] = 1
    objects = np.ones(shape[:2], bool)
    masks = {"masks": mask, "truth": mask}
    return Targets(masks, masks, objects, objects, ~objects)


@torch.no_grad()
def _check_cascade(network: VideoNetwork, clips: Tensor, layer: str) -> None:
    """Nothing that was learnt survives the last step, and the maps of the last network are not those of the first."""
    learnt = deepcopy(network)
    assert isinstance(learnt, nn.Module)
    for values in learnt.parameters():
        values.add_(0.01)  # a norm that is drawn anew is as it begins
    before = {name: values.clone() for name, values in learnt.named_parameters()}
    first, last, steps = learnt(clips).perception_logits, learnt, []
    for step, drawn in randomised(learnt):
        steps.append(step)
        last = drawn
    assert isinstance(last, nn.Module)
    assert len(set(steps)) == len(steps) > 2
    survived = [name for name, values in last.named_parameters() if torch.equal(values, before[name])]
    assert not survived, survived
    assert all(torch.equal(values, before[name]) for name, values in learnt.named_parameters())
    assert not torch.allclose(last(clips).perception_logits, first)
    posthoc_maps(last, clips, layer)
