"""A user's own file or package: what it returns becomes a network; what goes wrong in it is one line."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from objabn.model.interface import feature_maps
from objabn.networks.choice import load_network
from objabn.networks.own import state_digest
from tests.helpers.taps import clips_for, cut_gradient, weights_once

MODELS = Path(__file__).parents[2] / "docs" / "models"
NET = """
from torch import nn
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Conv3d(3, {width}, 3, (2, 4, 4), 1)
        self.head = nn.Linear({width}, 3)
    def forward(self, clips):
        return self.head(self.body(clips).relu().mean((2, 3, 4)))
"""
LOAD = """
from net import Net
from objabn.networks.adapter import Adapter
def load():
    return Net()
def later():
    import more
    return more.Other()
def adapter():
    return Adapter(Net(), num_frames=4, size=16, layer="body", mean=0.5, std=0.5)
def no_network():
    return {}
def raises():
    1 / 0
def asks(path):
    return Net()
"""


@pytest.fixture(autouse=True)
def _modules_stay_as_they_were() -> Iterator[None]:
    before, path = set(sys.modules), list(sys.path)
    yield
    left = {name for name in set(sys.modules) - before if name.split(".")[0] in ("net", "more", "load", "pack")}
    for name in left:
        del sys.modules[name]
    assert sys.path == path
    assert left <= {"pack", "pack.models"}


def project(folder: Path, width: int = 4) -> str:
    """A folder with a file of functions and the module beside it; its spec without the function."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "net.py").write_text(NET.format(width=width))
    (folder / "more.py").write_text("from net import Net\nclass Other(Net):\n    pass\n")
    (folder / "load.py").write_text(LOAD)
    return f"{folder}/load.py"


@pytest.mark.parametrize(
    ("name", "layer", "grid"), [("own_model", "body", (8, 14, 14)), ("own_tokens", "blocks.0", (4, 7, 7))]
)
def test_the_files_of_the_documentation(name: str, layer: str, grid: tuple[int, ...]) -> None:
    network = load_network(f"{MODELS}/{name}.py:load")
    clips = clips_for(network)
    assert network.layer == layer
    assert network(clips).perception_logits.shape == (2, 8)
    features, gradient = cut_gradient(network, clips, "split")
    assert features.shape[2:] == grid
    assert gradient.flatten(1).any(dim=1).all()
    assert weights_once(network)
    alone = feature_maps(network, clips[:1], layer)
    torch.testing.assert_close(alone, feature_maps(network, clips, layer)[:1], rtol=1e-4, atol=1e-5)


def test_the_file_of_the_documentation_is_short() -> None:
    text = (MODELS / "own_model.py").read_text()
    assert len(text.splitlines()) <= 20
    assert not any("objabn" in ast.unparse(node) for node in ast.parse(text).body if isinstance(node, ast.ImportFrom))


def test_a_plain_module_takes_clips_of_any_length_and_size(tmp_path: Path) -> None:
    spec = project(tmp_path)
    network = load_network(f"{spec}:load")
    assert (network.num_frames, network.size, network.layer, network.spec) == (16, 112, "body", f"{spec}:load")
    network = load_network(f"{spec}:load", num_frames=4, size=16)
    assert network(clips_for(network)).perception_logits.shape == (2, 3)
    assert (network.map_frames, network.map_size) == (2, 4)


def test_files_of_one_name_in_two_folders_do_not_clash_nor_does_one_file_twice(tmp_path: Path) -> None:
    one, other = project(tmp_path / "a", 4), project(tmp_path / "b", 6)
    networks = [load_network(f"{spec}:{name}") for spec in (one, other, one) for name in ("load", "later")]
    assert [len(network.module.body.weight) for network in networks] == [4, 4, 6, 6, 4, 4]
    assert type(networks[0].module) is not type(networks[4].module)
    assert networks[0].digests == networks[4].digests


def test_digests_change_with_the_file_with_what_it_imports_and_with_its_weights(tmp_path: Path) -> None:
    spec = project(tmp_path)
    first = load_network(f"{spec}:later").digests
    assert set(first) == {"file", "net.py", "more.py", "state"}
    (tmp_path / "net.py").write_text(NET.format(width=4) + "# edited\n")
    second = load_network(f"{spec}:later").digests
    assert {key for key in first if first[key] != second[key]} == {"net.py"}
    (tmp_path / "load.py").write_text(
        LOAD.replace("more.Other()", "more.Other().double().float().requires_grad_(False)")
    )
    third = load_network(f"{spec}:later").digests
    assert {key for key in first if second[key] != third[key]} == {"file"}
    (tmp_path / "load.py").write_text(LOAD.replace("import more", "import more, torch; torch.manual_seed(9)"))
    assert load_network(f"{spec}:later").digests["state"] != first["state"]


def test_what_a_function_draws_is_drawn_by_a_fixed_seed(tmp_path: Path) -> None:
    spec = project(tmp_path)
    torch.manual_seed(1)
    one = load_network(f"{spec}:load")
    drawn = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(3))
    assert state_digest(one.module) == state_digest(load_network(f"{spec}:load").module)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("function", ["load", "adapter"])
def test_weights_of_a_file(suffix: str, function: str, tmp_path: Path) -> None:
    spec = project(tmp_path)
    path = tmp_path / f"weights{suffix}"
    state = {name: value + 1 for name, value in load_network(f"{spec}:load").module.state_dict().items()}
    (save_file if suffix == ".safetensors" else torch.save)(state, path)
    network = load_network(f"{spec}:{function}", weights=str(path))
    assert all(torch.equal(value, state[name]) for name, value in network.module.state_dict().items())
    assert set(network.digests) == {"file", "net.py", "weights"}
    assert not any(module.training for module in network.modules())


def test_an_adapter_is_taken_as_it_is_and_may_get_another_layer(tmp_path: Path) -> None:
    spec = project(tmp_path)
    network = load_network(f"{spec}:adapter", num_frames=4, size=16, layer="split")
    assert (network.num_frames, network.size, network.layer) == (4, 16, "body")
    pixels = torch.rand(1, 3, 4, 16, 16)
    torch.testing.assert_close(network.preprocess((pixels - 0.45) / 0.225), 2 * pixels - 1)


def test_a_function_of_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "__init__.py").write_text("")
    (tmp_path / "pack" / "models.py").write_text(NET.format(width=4))
    network = load_network("pack.models:Net")
    assert network.layer == "body"
    assert {"file", "state"} <= set(network.digests)


@pytest.mark.parametrize(
    ("spec", "settings", "fault"),
    [
        (
            "my_model",
            {},
            "model: expected torchvision:NAME, hf:FOLDER, FILE.py:FUNCTION or package.module:function, got",
        ),
        ("load.py:", {}, "model: expected torchvision:NAME"),
        ("torchvison:r3d_18", {}, "torchvison:r3d_18: expected torchvision:NAME, .* No module named 'torchvison'"),
        ("nowhere.py:load", {}, "nowhere.py:load: expected a Python file, got no such file"),
        ("load.py:lod", {}, "load.py:lod: expected a function of load, later, .*, got 'lod'"),
        ("load.py:raises", {}, r"expected a network from raises\(\), got ZeroDivisionError: division by zero"),
        ("load.py:asks", {}, r"expected a network from asks\(\), got TypeError: .* missing 1 required positional"),
        ("load.py:no_network", {}, r"expected no_network\(\) to return an nn.Module or an Adapter, got a dict"),
        ("syntax.py:load", {}, "expected a Python file that runs, got SyntaxError: "),
        (
            "late.py:Late",
            {},
            r"late.py:Late: expected to take a clip \(1, 3, 16, 112, 112\), got ModuleNotFoundError: No module named "
            "'net'; "
            "import at the top of the file, not while the network computes",
        ),
        ("imports.py:load", {}, "expected a Python file that runs, got ModuleNotFoundError: No module named 'nothing_"),
        ("load.py:load", {"size": 2, "num_frames": 1, "layer": "head"}, "expected a layer with a grid of cells"),
        ("load.py:load", {"layer": "head"}, "load.py:load: layer, expected one of body, got 'head'"),
        ("load.py:load", {"weights": "random"}, "weights, expected a file or none, since the function makes them"),
        ("load.py:load", {"weights": "other.pth"}, r"other.pth: does not fit .*load.py:load: 4 missing keys .*body"),
        (
            "load.py:adapter",
            {"num_frames": 8},
            "load.py:adapter: num_frames, expected 4, which its Adapter says, got 8",
        ),
        ("load.py:adapter", {"layer": "x"}, "load.py:adapter: layer, expected one of body, got 'x'"),
    ],
)
def test_faults_are_one_line(
    spec: str, settings: dict[str, object], fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path)
    (tmp_path / "syntax.py").write_text("def load(:\n")
    (tmp_path / "imports.py").write_text("import nothing_of_this_name\n")
    (tmp_path / "late.py").write_text(
        "from torch import nn\nclass Late(nn.Linear):\n"
        "    def __init__(self):\n        super().__init__(1, 1)\n    def forward(self, clips):\n        import net\n"
    )
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=fault) as raised:
        load_network(spec, **settings)  # type: ignore[arg-type]
    assert "\n" not in str(raised.value)
