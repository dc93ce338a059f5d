"""Pretraining of the embedded data's backbone: the stream of clips, the file it leaves, going on after a kill."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from objabn.__main__ import main
from objabn.config.file import load_params, parse_params, read_yaml
from objabn.model.x3d import x3d_blocks
from objabn.networks.backbone import staged_for
from objabn.pretrain import backbone, clips, loop
from objabn.pretrain.backbone import held_out_top1, pretrain_backbone
from objabn.pretrain.clips import ClipStream, degraded
from objabn.synthetic.scenes import ACTIONS, OTHER_ACTIONS, make_scene, plan, render_frame
from objabn.system.cache import Cache
from objabn.system.files import file_digest
from objabn.training.schedule import learning_rate

ROOT = Path(__file__).parents[2]
VALUES = read_yaml((ROOT / "params.yaml").read_text())
for block, settings in {
    "synthesize": {"train_videos": 16, "test_videos": 8, "min_frames": 20, "max_frames": 22},
    "data": {"num_frames": 4, "crop": 32, "short_side_min": 32, "short_side_max": 36, "short_side_eval": 32},
    "model": {"pretrained": None, "frozen": None},
}.items():
    VALUES["datasets"]["synthetic"][block].update(settings)
TEXT = yaml.safe_dump(VALUES)
TINY = parse_params(TEXT).datasets["synthetic"]
SMALL = f"{ROOT / 'docs/models/small_r3d.py'}:backbone"
SHIPPED = load_params(ROOT / "params.yaml").datasets["synthetic"]


@pytest.fixture(autouse=True)
def few(monkeypatch, tmp_path_factory):
    """Short validation, frequent checkpoints; one thread, because so small a network only waits for more."""
    monkeypatch.setenv("OBJABN_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(backbone, "HELD_OUT_CLIPS", 8)
    monkeypatch.setattr(backbone, "CHECKPOINT_STEPS", 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def unprobed(monkeypatch):
    monkeypatch.setattr(backbone, "embedded_clips", lambda *_: ((), ()))
    monkeypatch.setattr(backbone, "linear_probe", lambda *_: 50.0)


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


# The stream


def test_an_item_is_a_clip_of_the_shipped_shape_with_labels_in_turn():
    stream = ClipStream(SHIPPED, seed=0)
    for number in (0, 3, len(OTHER_ACTIONS) + 1, 10**9):
        item = stream[number]
        assert item["frames"].shape == (8, 120, 160, 3)
        assert item["frames"].dtype == torch.uint8
        assert item["box"].shape == (4,)
        assert 0 <= item["box"].min() <= item["box"].max() <= 1
        assert int(item["label"]) == number % len(OTHER_ACTIONS)


def test_an_item_does_not_depend_on_the_others_nor_on_the_workers():
    alone = ClipStream(TINY, seed=5)[7]
    stream = ClipStream(TINY, seed=5)
    for workers in (0, 1):
        batches = list(stream.batches(4, 12, 4, workers=workers))
        assert [len(batch["label"]) for batch in batches] == [4, 4]
        assert equal({name: value[3] for name, value in batches[0].items()}, alone)


@pytest.mark.parametrize("changed", [{"seed": 6}, {"split": "held-out"}, {"number": 7 + len(OTHER_ACTIONS)}])
def test_other_seeds_splits_and_numbers_give_other_clips(changed):
    def frames(seed=5, split="pretrain", number=7):
        return ClipStream(TINY, seed=seed, split=split)[number]["frames"]

    assert (frames() != frames(**changed)).float().mean() > 0.5


def test_no_scene_is_one_of_the_data_set(monkeypatch):
    made = []
    monkeypatch.setattr(clips, "make_scene", lambda *a, **k: made.append(make_scene(*a, **k)) or made[-1])
    for split in ("pretrain", "held-out"):
        stream = ClipStream(TINY, seed=0, split=split)
        for number in range(24):
            stream[number]
    embedded = [scene for *_, scene in plan(seed=0, train_videos=24, test_videos=24)]
    assert len({scene.looks for scene in made + embedded}) == 96
    assert len({scene.background for scene in made + embedded}) == 96
    assert not {scene.action for scene in made} & set(ACTIONS)


def test_only_the_frames_of_the_clip_are_rendered(monkeypatch):
    rendered = []
    monkeypatch.setattr(clips, "render_frame", lambda scene, i: rendered.append(i) or render_frame(scene, i))
    ClipStream(SHIPPED, seed=0)[0]
    assert len(rendered) == 8
    assert set(np.diff(rendered)) == {4}


def test_held_out_clips_are_clean_centred_and_unflipped():
    item = ClipStream(TINY, seed=1, split="held-out")[2]
    size = clips.np.random.default_rng([1, 2, 0]).uniform(*clips.FIGURE_SIZES)
    scene = make_scene(
        OTHER_ACTIONS[2], seed=1, split="held-out", number=2, min_frames=20, max_frames=22, figure_size=size
    )
    start = (scene.num_frames - 13) // 2
    for place, frame in enumerate(item["frames"].numpy()):
        np.testing.assert_array_equal(frame, render_frame(scene, start + 4 * place)[0])
    assert item["box"].tolist() == pytest.approx([0.125, 0, 0.875, 1])
    assert not item["flip"]


def test_degraded_clips_follow_from_the_draw_and_stay_recognisable():
    frames = np.stack([render_frame(make_scene("bow", seed=0, split="x", number=0), index)[0] for index in (0, 9)])
    changes = []
    for seed in range(8):
        once, again = (degraded(frames, np.random.default_rng(seed)) for _ in range(2))
        np.testing.assert_array_equal(once, again)
        assert once.shape == frames.shape
        assert once.dtype == np.uint8
        assert np.corrcoef(once.ravel(), frames.ravel())[0, 1] > 0.85
        changes.append(np.abs(once.astype(float) - frames).mean())
    assert min(changes) > 0.5
    assert len(set(changes)) == 8


def test_misuse_of_the_stream():
    with pytest.raises(ValueError, match="split: expected pretrain or held-out, got 'test'"):
        ClipStream(TINY, seed=0, split="test")
    with pytest.raises(ValueError, match="expected the embedded data set, whose block has synthesize, got another"):
        ClipStream(TINY.model_copy(update={"synthesize": None}), seed=0)


# Training


@pytest.mark.parametrize(("step", "expected"), [(1, 0.2), (5, 0.9892), (51, 0.5), (100, 0.000247)])
def test_learning_rate_rises_for_a_twentieth_and_falls_to_nothing(step, expected):
    # 5: 0.5 + 0.5 cos(4 pi / 100) = 0.99606; 1: a fifth of the peak
    assert learning_rate(step, 100, 1.0) == pytest.approx(0.99606 if step == 5 else expected, abs=1e-4)


def test_held_out_top1_counts_right_clips():
    class First(torch.nn.Linear):
        def forward(self, clips):
            return torch.eye(24)[:1].expand(len(clips), -1)

    assert len(OTHER_ACTIONS) == 24
    assert held_out_top1(First(1, 1), TINY, 0, 48, workers=0) == pytest.approx(100 / 24)


@pytest.mark.parametrize("network", ["x3d", SMALL])
def test_going_on_after_a_kill_gives_what_an_undisturbed_run_gives(tmp_path, monkeypatch, unprobed, network):
    settings = {"steps": 5, "seed": 3, "batch_size": 4, "workers": 0, "backbone": network}
    whole = pretrain_backbone(TINY, tmp_path / "whole.pt", **settings)

    def killed(step, *arguments):
        if step == 4:
            raise KeyboardInterrupt
        return learning_rate(step, *arguments)

    out = tmp_path / "parts.pt"
    with monkeypatch.context() as patch:
        patch.setattr(loop, "learning_rate", killed)
        with pytest.raises(KeyboardInterrupt):
            pretrain_backbone(TINY, out, **settings)
    [unit] = Cache().units()
    assert unit.kind == loop.KIND
    assert not out.exists()
    other = pretrain_backbone(TINY, tmp_path / "other.pt", **settings | {"seed": 4})  # does not touch it
    assert [each.key for each in Cache().units()] == [unit.key]
    parts = pretrain_backbone(TINY, out, **settings)
    assert not list(Cache().units())
    names = {f"{name}.{suffix}" for name in ("parts", "whole", "other") for suffix in ("json", "pt")}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert parts | {"seconds": 0} == whole | {"seconds": 0}
    assert other["curve"] != whole["curve"]
    states = [torch.load(tmp_path / name, weights_only=True)["model_state"] for name in ("whole.pt", "parts.pt")]
    assert equal(*states)


def test_another_number_of_workers_gives_the_same_weights_and_another_seed_does_not(tmp_path, unprobed):
    def weights(name, **changed):
        pretrain_backbone(TINY, tmp_path / name, **{"steps": 2, "seed": 0, "batch_size": 4, "workers": 0} | changed)
        return torch.load(tmp_path / name, weights_only=True)["model_state"]

    first = weights("a.pt")
    assert equal(weights("b.pt", workers=2), first)
    assert not equal(weights("c.pt", seed=1), first)


def test_a_loss_out_of_range_stops_it(tmp_path, unprobed):
    with pytest.raises(ValueError, match=r"the loss is not finite in step \d; expected --lr to be smaller, got 1e\+37"):
        pretrain_backbone(TINY, tmp_path / "a.pt", steps=4, seed=0, batch_size=4, workers=0, lr=1e37)


# The command


def test_the_command_leaves_a_file_that_the_model_loads_and_its_recipe(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TEXT)
    command = "pretrain backbone --steps 2 --seed 7 --batch-size 4 --workers 0 --out assets/x3d.pt"
    assert main(command.split()) == 0
    recipe = json.loads(Path("assets/x3d.json").read_text())
    assert json.loads(capsys.readouterr().out[-len(json.dumps(recipe, indent=2)) - 1 :]) == recipe
    assert recipe["seed"] == 7
    assert recipe["steps"] == 2
    assert recipe["actions"] == list(OTHER_ACTIONS)
    assert 0 <= recipe["held_out_top1"] <= 100
    assert 0 <= recipe["linear_probe_top1"] <= 100
    assert recipe["versions"]["torch"] == torch.__version__.split("+")[0]

    state = torch.load("assets/x3d.pt", weights_only=True)["model_state"]
    assert state["blocks.5.proj.weight"].shape[0] == len(OTHER_ACTIONS)
    assert all(value.dtype in (torch.float32, torch.int64) for value in state.values())
    assert Path("assets/x3d.pt").stat().st_size < 4e6
    for num_classes in (3, 8):
        blocks = x3d_blocks(
            num_classes=num_classes, num_frames=8, crop=112, width_factor=1.0, depth_factor=1.0, dropout=0.5,
            pretrained="assets/x3d.pt",
        )  # fmt: skip
        for number, block in enumerate(blocks):
            for name, value in block.state_dict().items():
                if not name.startswith("proj."):
                    assert torch.equal(value, state[f"blocks.{number}.{name}"])
        assert blocks[5].proj.out_features == num_classes


def test_the_command_trains_another_backbone_and_says_which(tmp_path, monkeypatch, capsys, unprobed):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TEXT)
    Path("mine.py").write_text((ROOT / "docs/models/small_r3d.py").read_text())
    command = "pretrain backbone --backbone mine.py:backbone --steps 2 --seed 7 --batch-size 4 --workers 0 --out a.pt"
    assert main(command.split()) == 0
    recipe = json.loads(Path("a.json").read_text())
    named = recipe["backbone"]
    assert named["spec"] == "mine.py:backbone"
    assert named["files"].keys() == {"mine.py", "mine.py:backbone"}  # the file, and the weights that it begins with
    assert named["files"]["mine.py"] == file_digest("mine.py")
    assert recipe["what"].startswith("mine.py:backbone for the embedded data set")
    assert "model" not in recipe
    assert "pytorchvideo" not in recipe["versions"]
    kept = torch.load("a.pt", weights_only=True)
    assert kept["backbone"] == named
    network = staged_for("mine.py:backbone", num_classes=len(OTHER_ACTIONS), num_frames=4, crop=32).network
    network.load_state_dict(kept["model_state"])
    assert [name for name, _ in network.named_children()] == ["stem", "layer1", "layer2", "layer3", "layer4", "head"]
    assert sum(value.numel() for value in network.parameters()) == 905_016 + 16 * 129  # 24 classes in place of 8


def test_a_recipe_names_the_version_of_the_backbones_library(tmp_path, monkeypatch, unprobed):
    network = staged_for(SMALL, num_classes=len(OTHER_ACTIONS), num_frames=4, crop=32).network
    monkeypatch.setattr(backbone, "_network", lambda *_: network)
    settings = {"steps": 1, "seed": 0, "batch_size": 2, "workers": 0}
    recipe = pretrain_backbone(TINY, tmp_path / "a.pt", backbone="torchvision:s3d", **settings)
    assert recipe["versions"]["torchvision"] == version("torchvision")


def test_another_file_of_the_same_name_is_another_pretraining(tmp_path, monkeypatch, unprobed):
    file = tmp_path / "mine.py"
    settings = {"steps": 5, "seed": 3, "batch_size": 2, "workers": 0, "backbone": f"{file}:backbone"}

    def killed(step, *arguments):
        if step == 3:
            raise KeyboardInterrupt
        return learning_rate(step, *arguments)

    monkeypatch.setattr(loop, "learning_rate", killed)
    source = (ROOT / "docs/models/small_r3d.py").read_text()
    for number, text in enumerate([source, source.replace("16, 32, 64, 128", "4, 4, 4, 4")], 1):
        file.write_text(text)
        with pytest.raises(KeyboardInterrupt):
            pretrain_backbone(TINY, tmp_path / "a.pt", **settings)
        assert len(list(Cache().units())) == number


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("--backbone none.py:f", "none.py:f: expected a Python file, got no such file"),
        (
            "--backbone torchvision:mvit_v2_s",
            "model.backbone: expected a network that reads its answer from the cells "
            "that a map weights, got torchvision:mvit_v2_s, which reads it from a class token",
        ),
        ("--steps 0", "--steps: expected at least 1, got 0"),
        ("--seed -1", "--seed: expected at least 0, got -1"),
        ("--batch-size 1", "--batch-size: expected at least 2, got 1"),
        ("--lr 0", "--lr: expected a number above 0, got 0.0"),
        ("--lr nan", "--lr: expected a number above 0, got nan"),
        ("--out a", "--out: expected a file with a suffix other than .json, got a"),
        ("--out a.json", "--out: expected a file with a suffix other than .json, got a.json"),
        ("--dataset ucf", "--dataset: expected one of folder, jhmdb, quick, ssv2, synthetic, ucf101, got 'ucf'"),
        ("--dataset ucf101", "expected the embedded data set, whose block has synthesize, got another"),
    ],
)
def test_misuse_of_the_command(tmp_path, monkeypatch, capsys, changed, message):
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(TEXT)
    assert main(["pretrain", "backbone", "--steps", "2", "--seed", "0", "--out", "a.pt", *changed.split()]) == 2
    assert capsys.readouterr().err.strip().splitlines()[-1] == message
    assert not list(tmp_path.glob("a*"))
