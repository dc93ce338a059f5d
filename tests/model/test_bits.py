"""The X3D's weights are those of earlier versions: what is drawn, and in which order, has not changed by a bit."""

import hashlib
from typing import Any

import pytest
import torch

from objabn.config.schema import Model
from objabn.model.network import ObjectABN

CONFIG = Model(
    backbone="x3d", width_factor=1.0, depth_factor=1.0, split="res3", pretrained=None, frozen=None, attention_depth=3,
    attention_channels=48, attention_convs=3, attention_gamma=0.0, class_pool="mean", feature_pool="mean",
    attention_apply="multiply", mha_init="identity", mixer_bias=True, foreground_prior=0.1, dropout=0.1,
)  # fmt: skip
OTHER = {
    "feature_pool": "flatten",
    "attention_gamma": 1.0,
    "split": "res4",
    "attention_convs": 2,
    "mha_init": "default",
}
# Of the state of torch's generator behind the construction, and of the weights; made before other backbones were.
DRAWN = {
    ("abn", False): ("9cc1b8626d69dc19", "87ad792c2b601df3"),
    ("abn", True): ("3c5cdb0524bad506", "12e9469cc9dabb4b"),
    ("mask", False): ("9cc1b8626d69dc19", "46ed4e4f898f9afe"),
    ("mask", True): ("3c5cdb0524bad506", "275502f4b5ced4a3"),
    ("mha", False): ("8743923ad4fb2811", "006c04480a82ad03"),
    ("mha", True): ("539d527d58b9f9c5", "45491616687a0d1a"),
    ("plain", False): ("fcd3d05f9bc41d2a", "9bc5a0f8096e8c28"),
}
DRAWN_OTHER = ("899d113cbce49dd1", "cf9400a313761cc7")
VECTORS = ("AVX2", "AVX512")  # on processors without them torch's normal numbers differ in their last bits


def digest(model: torch.nn.Module) -> str:
    found = hashlib.sha256()
    for name, value in model.state_dict().items():
        found.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        found.update(value.contiguous().numpy().tobytes())
    return found.hexdigest()[:16]


def drawn(attention: str, pc: bool, **changed: Any) -> tuple[str, str]:
    torch.manual_seed(7)
    config, clips = CONFIG.model_copy(update=changed), {"num_frames": 4, "crop": 32}
    model = ObjectABN(config, attention=attention, pc=pc, num_classes=5, push_centroids=pc, **clips)
    state = hashlib.sha256(torch.get_rng_state().numpy().tobytes()).hexdigest()[:16]
    return state, digest(model)


def assert_drawn(found: tuple[str, str], expected: tuple[str, str]) -> None:
    assert found[0] == expected[0]
    if torch.backends.cpu.get_cpu_capability() in VECTORS:
        assert found[1] == expected[1]


@pytest.mark.parametrize(("attention", "pc"), DRAWN)
def test_an_x3d_draws_what_it_always_has(attention: str, pc: bool) -> None:
    assert_drawn(drawn(attention, pc), DRAWN[attention, pc])


def test_so_does_one_of_other_settings() -> None:
    assert_drawn(drawn("mha", True, **OTHER), DRAWN_OTHER)


def test_the_digest_sees_a_bit() -> None:
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    other.load_state_dict(one.state_dict())
    assert digest(one) == digest(other)
    with torch.no_grad():
        other.weight[0, 0] = torch.nextafter(other.weight[0, 0], torch.tensor(9.0))
    assert digest(one) != digest(other)
