"""VideoMAE, TimeSformer, ViViT and V-JEPA 2 of the library transformers, small, with random weights.

The only file here that imports the library, which takes ten seconds.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("transformers")
import transformers

from objabn.clips.geometry import MEAN, STD
from objabn.config.file import load_params
from objabn.config.schema import Model
from objabn.model.interface import feature_maps
from objabn.model.network import ObjectABN
from objabn.model.run import check_backbone_files
from objabn.networks.adapter import Adapter
from objabn.networks.backbone import backbone_for, changed_file, inputs_of
from objabn.networks.checkpoints import NETWORKS
from objabn.networks.choice import load_network
from objabn.networks.transformers import adapt
from tests.helpers import tiny_video
from tests.helpers.any_network import check_any_network
from tests.helpers.taps import brightest, change_of_block, clips_for, cut_gradient, weights_once

SYNTHETIC = load_params(Path(__file__).parents[2] / "params.yaml").datasets["synthetic"]
NAMES = tiny_video.TRANSFORMERS
# Of two layers: where the grid is, the default layer, and layers of which no logit reads a cell.
LAYERS = {
    "videomae": ((4, 4, 4), "videomae.encoder.layer.1", ()),
    "timesformer": ((8, 4, 4), "timesformer.encoder.layer.1.layernorm_before",
                    ("timesformer.encoder.layer.1", "timesformer.layernorm")),
    "vivit": ((4, 4, 4), "vivit.layers.1.layernorm_before", ("vivit.layers.1", "vivit.layernorm")),
    "vjepa2": ((4, 4, 4), "vjepa2.encoder.layernorm", ()),
}  # fmt: skip
PROCESSORS = {
    "videomae": "VideoMAEVideoProcessor",
    "timesformer": "TimesformerVideoProcessor",
    "vivit": "VivitVideoProcessor",
    "vjepa2": "VJEPA2VideoProcessor",
}
FULL = {  # of the library's default sizes, three layers: frames, pixels, (C, T', h, w) of the default layer, split
    "timesformer": (8, 224, (768, 8, 14, 14), "timesformer.encoder.layer.1"),
    "vivit": (32, 224, (768, 16, 14, 14), "vivit.layers.1"),
    "vjepa2": (64, 256, (1024, 32, 16, 16), "vjepa2.encoder.layer.1"),
}


@cache
def tiny(name: str) -> Adapter:
    return adapt(tiny_video.of_transformers(name).module)


def checkpoint(name: str, folder: Path, **values: Any) -> str:
    """A folder as `save_pretrained` writes it, with other values in its config; its spec."""
    tiny_video.of_transformers(name).module.save_pretrained(folder)
    if values:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return f"hf:{folder}"


def test_these_are_the_ones() -> None:
    assert set(NETWORKS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_layers_have_gradients_and_clips_do_not_depend_on_each_other(name: str) -> None:
    network = tiny(name)
    grid, layer, unread = LAYERS[name]
    assert network.layer == layer
    clips = clips_for(network)
    for each in (*network.layers, "split"):
        features, gradient = cut_gradient(network, clips, each)
        assert features.shape == gradient.shape
        assert features.shape[2:] == grid
        assert gradient.flatten(1).any(dim=1).all(), each
    both, alone = cut_gradient(network, clips, layer), cut_gradient(network, clips[1:], layer)
    torch.testing.assert_close(both[0][1:], alone[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(both[1][1:], alone[1], rtol=1e-3, atol=1e-6)
    output = network(clips)
    assert torch.equal(output.perception_logits, network.module(network.preprocess(clips)).logits)
    assert output.maps.shape == (2, 0, *grid)
    assert network.class_names == tuple(f"LABEL_{number}" for number in range(tiny_video.CLASSES))
    assert weights_once(network)
    for each in unread:
        with pytest.raises(ValueError, match=f"got '{each}': nothing behind it reads its cells"):
            network.tap(each)


@pytest.mark.parametrize(("name", "layer"), [(name, layer) for name in NAMES for layer in LAYERS[name][2]])
def test_cells_of_a_layer_that_is_refused_have_no_gradient(name: str, layer: str) -> None:
    network = tiny(name)
    kept: list[Any] = []
    hook = network.module.get_submodule(layer).register_forward_hook(lambda _m, _i, output: kept.append(output))
    score = network(clips_for(network).requires_grad_()).perception_logits.sum()
    hook.remove()
    (gradient,) = torch.autograd.grad(score, kept[0][0] if isinstance(kept[0], tuple) else kept[0])
    assert gradient[:, 0].any()  # the class token's
    assert not gradient[:, 1:].any()


@pytest.mark.parametrize("name", NAMES)
def test_a_block_changes_most_the_cell_where_it_lies(name: str) -> None:
    network = tiny(name)
    steps, rows, _ = LAYERS[name][0]
    frames, side = network.num_frames // steps, network.size // rows
    for place in ((0, 0, 0), (steps - 1, 0, rows - 1), (1, 2, 1), (2, rows - 1, 0)):
        pixels = (place[0] * frames, place[1] * side, place[2] * side)
        for layer in network.layers:
            changes = change_of_block(network, layer, pixels, side, frames)
            assert brightest(changes) == place, layer


@pytest.mark.parametrize("name", NAMES)
def test_pixels_are_those_of_the_librarys_own_processor(name: str) -> None:
    settings = {"crop_size": 32} if name == "vjepa2" else {}
    processor = getattr(transformers, PROCESSORS[name])(do_resize=False, do_center_crop=False, **settings)
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 8, 32, 32), dtype=np.uint8))
    made = processor(list(pixels.transpose(1, 2)), return_tensors="pt")
    (expected,) = made.values()
    found = tiny(name).preprocess((pixels / 255 - MEAN) / STD)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("nested", [True, False])
def test_pixels_are_as_the_checkpoints_processor_says(nested: bool, tmp_path: Path) -> None:
    spec = checkpoint("vivit", tmp_path)
    said = {"image_mean": [0.1, 0.2, 0.3], "image_std": 0.5, "rescale_factor": 1 / 255, "offset": False}
    if nested:
        (tmp_path / "processor_config.json").write_text(json.dumps({"video_processor": said}))
        (tmp_path / "preprocessor_config.json").write_text(json.dumps({"image_mean": 9}))
    else:
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    pixels = torch.rand(1, 3, 8, 32, 32)
    mean = torch.tensor([0.1, 0.2, 0.3]).view(1, 3, 1, 1, 1)
    found = load_network(spec).preprocess((pixels - MEAN) / STD)
    torch.testing.assert_close(found, ((pixels - mean) / 0.5).transpose(1, 2))


def test_a_processor_that_neither_rescales_nor_normalises(tmp_path: Path) -> None:
    spec = checkpoint("vivit", tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_rescale": False, "do_normalize": False}))
    pixels = torch.rand(1, 3, 8, 32, 32)
    found = load_network(spec).preprocess((pixels - MEAN) / STD)
    torch.testing.assert_close(found, 255 * pixels.transpose(1, 2), rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", FULL)  # without VideoMAE, whose positions take seconds to compute
def test_layers_at_full_size(name: str) -> None:
    kind = getattr(transformers, NETWORKS[name].architecture)
    with torch.device("meta"):
        module = kind(kind.config_class(num_hidden_layers=3)).eval()
    network = adapt(module).to("meta")
    frames, size, shape, split = FULL[name]
    assert (network.num_frames, network.size, network.split) == (frames, size, split)
    clip = torch.empty(1, 3, frames, size, size, device="meta")
    features, _ = cut_gradient(network, clip, network.layer)
    assert features.shape == (1, *shape)


def test_a_videomae_that_classifies_its_first_token_is_explained_before_its_last_layer() -> None:
    config = tiny_video.of_transformers("videomae").module.config
    config.use_mean_pooling = False
    network = adapt(transformers.VideoMAEForVideoClassification(config).eval())
    assert network.layer == "videomae.encoder.layer.1.layernorm_before"
    _, gradient = cut_gradient(network, clips_for(network), network.layer)
    assert (gradient.abs().sum(dim=1) > 0).all()


def test_a_jepas_predictor_is_dropped() -> None:
    assert not [name for name in tiny("vjepa2").state_dict() if "predictor" in name]


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_is_loaded_with_its_names_and_digests(name: str, tmp_path: Path) -> None:
    names = {"0": "walk", "1": "run", "10": "jump", "2": "wave", "3": "sit"}
    spec = checkpoint(name, tmp_path, id2label=names)
    network = load_network(spec, num_frames=8, size=32, layer="split")
    clips = clips_for(network)
    assert torch.equal(network(clips).perception_logits, tiny(name)(clips).perception_logits)
    assert network.class_names == ("walk", "run", "wave", "sit", "jump")
    assert (network.spec, network.layer) == (spec, network.split)
    assert set(network.digests) == {"config.json", "model.safetensors"}
    assert not any(module.training for module in network.modules())


@pytest.mark.parametrize("name", ["videomae", "vjepa2"])
def test_weights_of_a_bin_and_of_another_file(name: str, tmp_path: Path) -> None:
    spec = checkpoint(name, tmp_path)
    network = load_network(spec)
    state = {name: value + 1 for name, value in network.module.state_dict().items()}
    torch.save(state, tmp_path / "other.pth")
    other = load_network(spec, weights=str(tmp_path / "other.pth"))
    assert all(torch.equal(value, state[name]) for name, value in other.module.state_dict().items())
    assert set(other.digests) == {"config.json", "weights"}
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "other.pth").rename(tmp_path / "pytorch_model.bin")
    again = load_network(spec)
    assert all(torch.equal(value, state[name]) for name, value in again.module.state_dict().items())
    assert set(again.digests) == {"config.json", "pytorch_model.bin"}


def test_random_weights_are_the_same_each_time(tmp_path: Path) -> None:
    spec = checkpoint("vivit", tmp_path)
    (tmp_path / "model.safetensors").unlink()
    one, other = (load_network(spec, weights="random", num_classes=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    assert len(one.class_names) == 3


@pytest.mark.parametrize(
    ("name", "values", "settings", "fault"),
    [
        ("videomae", {"architectures": ["VideoMAEForPreTraining"]}, {},
         r"config.json: architectures, expected VideoMAEForVideoClassification, .* got VideoMAEForPreTraining"),
        ("vjepa2", {"architectures": ["VJEPA2Model"]}, {}, "expected VJEPA2ForVideoClassification, .* got VJEPA2Model"),
        ("vivit", {"model_type": "vit"}, {}, "model_type, expected one of videomae, .*, vjepa2, got 'vit'"),
        ("vivit", {"num_hidden_layers": 3}, {}, r"do not fit config.json: 16 missing keys \(first: vivit.layers.2"),
        ("vivit", {"id2label": {"0": "a"}, "label2id": {"a": 0}}, {}, "2 tensors of another shape .*classifier.bias"),
        ("timesformer", {"attention_type": "space_only"}, {}, "attention_type, expected divided_space_time, got space"),
        ("videomae", {}, {"num_frames": 16}, "num_frames, expected 8, since it sees 8 frames of 32 pixels, got 16"),
        ("videomae", {}, {"size": 224}, "size, expected 32, since it sees 8 frames of 32 pixels, got 224"),
        ("videomae", {}, {"layer": "nowhere"}, "expected one of videomae.embeddings, .*: there is no such layer"),
        ("videomae", {}, {"weights": "nowhere.pth"}, "nowhere.pth: expected a file of weights"),
        ("videomae", {"hidden_size": 33}, {"weights": "random"}, "expected a config of VideoMAEForVideoClassif"),
    ],
)  # fmt: skip
def test_faults_of_a_checkpoint_are_one_line(
    name: str, values: dict[str, Any], settings: dict[str, Any], fault: str, tmp_path: Path
) -> None:
    spec = checkpoint(name, tmp_path, **values)
    with pytest.raises(ValueError, match=fault) as raised:
        load_network(spec, **settings)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("file", "content", "fault"),
    [
        ("model.safetensors", b"", "expected a checkpoint of VivitForVideoClassification, got SafetensorError"),
        ("model.safetensors", None, "expected config.json and weights, got no model.safetensors"),
        ("config.json", None, "expected config.json and weights, got no config.json"),
        ("config.json", b"{", "config.json: expected JSON"),
        ("preprocessor_config.json", b'{"image_mean": [1, 2]}', "expected numbers of image_mean, .* got 2 of them"),
        ("preprocessor_config.json", b'{"rescale_factor": "x"}', "expected numbers of image_mean, "),
    ],
)
def test_faults_of_files_are_one_line(file: str, content: bytes | None, fault: str, tmp_path: Path) -> None:
    spec = checkpoint("vivit", tmp_path)
    path = tmp_path / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match=fault) as raised:
        load_network(spec)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path))


def test_a_checkpoint_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    todo = "`hf download someone/model --local-dir FOLDER` on a machine with a network, copy FOLDER here"
    with pytest.raises(
        ValueError, match=rf"expected a folder or the Hub's someone/model .{todo} and name it hf:FOLDER"
    ):
        load_network("hf:someone/model")
    with pytest.raises(
        ValueError, match=r"expected a folder with a checkpoint of the Hub, or a name, .* no such folder"
    ):
        load_network("hf:/nowhere")


def test_a_checkpoint_in_the_librarys_cache_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = "0" * 40
    folder = tmp_path / "models--someone--model"
    checkpoint("vivit", folder / "snapshots" / commit)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert load_network("hf:someone/model").layer == LAYERS["vivit"][1]


def test_without_the_library_a_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = checkpoint("vivit", tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(ValueError, match="expected transformers to be installed, found no such library; `pip install"):
        load_network(spec)


# As a backbone that is trained here


def block(spec: str, split: str, **changed: Any) -> Model:
    own = {"backbone": spec, "split": split, "pretrained": None, "frozen": None, "attention_depth": 1,
           "attention_channels": 8, "dropout": 0.0}  # fmt: skip
    return SYNTHETIC.model.model_copy(update={**own, **changed})


def trained_here(config: Model, seed: int = 0, num_classes: int = 3) -> ObjectABN:
    torch.manual_seed(seed)
    size = {"num_frames": 8, "crop": 32}
    backbone = backbone_for(config, num_classes=num_classes, **size)
    model = ObjectABN(config, attention="mask", pc=False, num_classes=num_classes, **size, backbone=backbone)
    return model.eval()


@pytest.mark.parametrize(
    ("name", "split"), [("videomae", "videomae.encoder.layer.0"), ("vjepa2", "vjepa2.encoder.layer.0")]
)
def test_tokens_carry_an_attention_branch(name: str, split: str, tmp_path: Path) -> None:
    """Of maps of ones the answer is the network's own: its stages in a row, tokens to a grid and back."""
    spec = checkpoint(name, tmp_path)
    model = trained_here(block(spec, split, pretrained=str(tmp_path)), num_classes=tiny_video.CLASSES)
    own = load_network(spec)
    with torch.no_grad():  # the classifier is new
        model.new_layers()[0].load_state_dict(own.module.classifier.state_dict())
        clips = clips_for(own)
        h1 = model.extractor(clips)
        answers = model.perceive(h1, torch.ones_like(h1[:, :1]))
    torch.testing.assert_close(answers, own(clips).perception_logits, atol=1e-6, rtol=0)
    assert tuple(h1.shape[1:]) == (model.attention_branch.blocks[0].convs[0].in_channels, 4, 4, 4)
    assert (model.map_frames, model.map_size) == (4, 4)
    assert set(own.layers) >= set(model.layers)
    torch.testing.assert_close(feature_maps(model, clips, "split"), feature_maps(own, clips, split), atol=1e-6, rtol=0)
    output = model.train()(clips)
    (output.perception_logits.sum() + output.attention_logits.sum() + output.maps.sum()).backward()
    assert all(value.grad is not None for value in model.parameters() if value.requires_grad)  # as DDP asks
    listed = [value for _, layers in model.steps() for layer in layers for value in layer.parameters()]
    assert {id(value) for value in listed} == {id(value) for value in model.parameters()}


def test_weights_of_a_checkpoint_follow_the_seed_where_they_are_new(tmp_path: Path) -> None:
    config = block(checkpoint("videomae", tmp_path), "videomae.encoder.layer.0", pretrained=str(tmp_path))
    one, same, other = (trained_here(config, seed) for seed in (0, 0, 1))
    assert torch.equal(one.new_layers()[0].weight, same.new_layers()[0].weight)
    assert not torch.equal(one.new_layers()[0].weight, other.new_layers()[0].weight)
    assert torch.equal(next(one.extractor.parameters()), next(other.extractor.parameters()))
    random = trained_here(block(config.backbone, config.split), seed=2)
    assert not torch.equal(next(one.extractor.parameters()), next(random.extractor.parameters()))
    (tmp_path / "generation_config.json").write_text("{}")  # no answer depends on it
    names = (f"{config.backbone}/config.json", str(tmp_path / "model.safetensors"))
    inputs = inputs_of(config.backbone, 3, config.pretrained)
    assert inputs.keys() == set(names)
    assert changed_file(config.backbone, inputs) is None
    (tmp_path / "processor_config.json").write_text("{}")
    assert changed_file(config.backbone, inputs) == f"{config.backbone}/processor_config.json"
    record = {"params": {"model": {"backbone": "hf:gone/away/far"}}, "inputs": inputs}
    with pytest.raises(ValueError, match=r"^runs/a: hf: expected a folder"):
        check_backbone_files(Path("runs/a"), record)


@pytest.mark.parametrize("name", ["videomae", "vjepa2"])
def test_half_a_checkpoints_precision_is_float32_here(name: str, tmp_path: Path) -> None:
    module = tiny_video.of_transformers(name).module
    module.half().save_pretrained(tmp_path)
    spec, split = f"hf:{tmp_path}", f"{name}.encoder.layer.0"
    for pretrained in (None, str(tmp_path)):
        model = trained_here(block(spec, split, pretrained=pretrained))
        assert {value.dtype for value in model.parameters()} == {torch.float32}
    inside = {"videomae": "intermediate.dense", "vjepa2": "mlp.fc1"}[name]
    kept = module.get_parameter(f"{split}.{inside}.weight")
    assert any(torch.equal(value, kept.float()) for value in model.parameters() if value.shape == kept.shape)
    assert model(torch.rand(1, 3, 8, 32, 32)).perception_logits.dtype == torch.float32
    network = load_network(spec, weights="random")
    assert {value.dtype for value in network.parameters()} == {torch.float32}


def test_a_checkpoint_without_classes_is_a_start(tmp_path: Path) -> None:
    inner = tiny_video.of_transformers("videomae").module.videomae
    inner.save_pretrained(tmp_path)
    model = trained_here(block(f"hf:{tmp_path}", "videomae.encoder.layer.0", pretrained=str(tmp_path)))
    kept = model.extractor[0][1].layer.patch_embeddings.projection.weight
    assert torch.equal(kept, inner.embeddings.patch_embeddings.projection.weight)
    assert model.drawn == "the classifier's and 2 more (first: fc_norm.bias)"
    tiny_video.of_transformers("videomae").module.save_pretrained(tmp_path)
    whole = trained_here(block(f"hf:{tmp_path}", "videomae.encoder.layer.0", pretrained=str(tmp_path)))
    assert whole.drawn == "the classifier's"


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("timesformer", {}, "model.backbone: expected a network that reads its answer from the cells that a map "
         "weights, got hf:.*, which reads it from a class token"),
        ("vivit", {}, "which reads it from a class token"),
        ("videomae", {"config": {"use_mean_pooling": False}},
         r"which reads it from its first token \(use_mean_pooling f"),
        ("videomae", {"pretrained": "nowhere"},
         "model.pretrained: expected null or a file or folder of weights of hf:"),
        ("videomae", {"split": "layer1"}, "model.split: expected one of videomae.embeddings, videomae.encoder.layer.0, "
         "videomae.encoder.layer.1 of hf:.*, got 'layer1'"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_says_why(tmp_path: Path, name: str, changed: dict[str, Any], message: str) -> None:
    spec = checkpoint(name, tmp_path, **changed.pop("config", {}))
    with pytest.raises(ValueError, match=message):
        trained_here(block(spec, **{"split": "videomae.encoder.layer.0", **changed}))


def test_a_backbone_of_other_clips_says_which(tmp_path: Path) -> None:
    config = block(spec := checkpoint("videomae", tmp_path), "videomae.encoder.layer.0")
    message = f"model.backbone: expected data.num_frames 8 and data.crop 32, which {spec} sees, got 16 and 32"
    with pytest.raises(ValueError, match=message):
        backbone_for(config, num_classes=3, num_frames=16, crop=32)


@pytest.mark.parametrize("name", NAMES)
def test_all_that_evaluation_and_audits_ask_of_a_network(name: str) -> None:
    network = adapt(tiny_video.of_transformers(name).module)  # its weights are changed
    clips = torch.randn(
        2, 3, network.num_frames, network.size, network.size, generator=torch.Generator().manual_seed(0)
    )
    check_any_network(network, clips, network.layer, SYNTHETIC.eval)
