"""Every row on a CUDA device that is not there: its tensors have shapes and a device, and no numbers.

A tensor that is made on the CPU by mistake fails as it would on a GPU. Only a CPU's tensor without dimensions may stand
beside others, there as here. No gradients, so no Grad-CAM: for them torch asks the driver.
"""

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from objabn.audits.backgrounds import variants
from objabn.clips.batches import clip_tensors, mask_tensors
from objabn.config.rows import MAPS
from objabn.evaluation.insertion_deletion import answer_probability, curves_in_space, curves_in_time
from objabn.evaluation.map_replacement import other_answers, replaced_maps
from objabn.evaluation.maps import logits_and_maps
from objabn.evaluation.posthoc import centre_prior, layer_cam, motion, resized, scaled
from objabn.model.network import ObjectABN
from objabn.training.losses import total_loss
from tests.helpers.training import PARAMS

ROWS = [(attention, pc) for attention in ("abn", "mask", "mha") for pc in (False, True)] + [("plain", False)]


def to_fake_cuda(network: ObjectABN, mode: FakeTensorMode) -> ObjectABN:
    """Give a network parameters and buffers on the device; `to` cannot, as fake tensors do not take others' places."""
    for module in network.modules():
        for values, kind in ((module._parameters, nn.Parameter), (module._buffers, lambda value: value)):
            for name, value in values.items():
                if value is not None:
                    real = value.detach()
                    with mode:
                        values[name] = kind(mode.from_tensor(real).to("cuda"))
    return network


def fake_batch() -> dict[str, Tensor]:
    """Two clips of 4 frames on the device, as the loader gives them."""
    shapes = {"frames": (2, 4, 32, 40, 3), "masks": (2, 4, 128, 128), "truth": (2, 4, 128, 128)}
    shapes |= {"plate": (2, 1, 32, 40, 3), "other_plate": (2, 1, 32, 40, 3)}
    batch = {name: torch.zeros(shape, dtype=torch.uint8) for name, shape in shapes.items()}
    batch |= {"box": torch.zeros(2, 4), "flip": torch.zeros(2, dtype=torch.bool), "label": torch.zeros(2).long()}
    return {name: value.to("cuda") for name, value in batch.items()}


@pytest.mark.parametrize(("attention", "pc"), ROWS)
def test_a_training_step_stays_on_the_device(make_model, attention: str, pc: bool) -> None:
    mode = FakeTensorMode()
    network = to_fake_cuda(make_model(attention=attention, pc=pc), mode).train()
    with mode:
        batch = fake_batch()
        union = mask_tensors(batch, "masks", network.map_size, "area") if "o" in MAPS[attention] else None
        total, terms = total_loss(
            network(clip_tensors(batch, 32)), batch["label"], attention=attention, union_masks=union,
            centroids=network.class_centroids, weights=PARAMS.loss_weights,
        )  # fmt: skip
    assert {value.device.type for value in (total, *terms.values())} == {"cuda"}


@pytest.mark.parametrize("attention", ["mask", "mha"])
def test_evaluation_and_audits_stay_on_the_device(make_model, attention: str) -> None:
    mode = FakeTensorMode()
    network = to_fake_cuda(make_model(attention=attention, pc=False), mode).eval()
    with mode, torch.no_grad():
        batch = fake_batch()
        clips = clip_tensors(batch, 32)
        paired = batch | {f"other_{name}": batch[name] for name in ("frames", "box", "flip")}
        logits, maps = logits_and_maps(network, clips, "res5")
        found = [logits, maps]
        for frames in variants(batch).values():
            found.append(network(clip_tensors(batch | {"frames": frames}, 32)).perception_logits)
        if network.attention_branch is not None:
            h1 = network.extractor(clips)
            found += [motion(clips, (4, 4)), centre_prior((4, 4), h1), scaled(resized(layer_cam(h1, h1), (8, 8)))]
            mask = mask_tensors(batch, "truth", network.map_size, "area")
            given = {"even": h1, "other": maps.flip(0), "mask": mask}
            for how in ("one", "inverse", "flat", "even", "other", "mask"):
                found.append(network.perceive(h1, replaced_maps(maps, how, attention, given.get(how))))

            found += other_answers(network, attention, paired, h1, maps, {"truth": mask}, PARAMS).values()
            probability = answer_probability(network, logits.argmax(dim=1))
            for curves in (curves_in_space, curves_in_time):
                found += curves(clips, {"o": maps[:, 0]}, probability, (0.5,), ties=maps[:, 0]).values()
    assert {value.device.type for value in found} == {"cuda"}
