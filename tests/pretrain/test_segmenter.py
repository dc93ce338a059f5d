"""The embedded data's segmenter: its stream of frames, the half pixel, training, and the file through the backend."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models.detection import maskrcnn_resnet50_fpn
from torchvision.models.detection.roi_heads import project_masks_on_boxes
from torchvision.ops import masks_to_boxes

from objabn.__main__ import main
from objabn.config.file import load_params
from objabn.pretrain import frames, loop, segmenter
from objabn.pretrain.frames import FigureFrames, boxes_of, held_out_frames
from objabn.pretrain.segmenter import MAX_GRADIENT, make_optimiser, pretrain_segmenter, score, weights_bytes
from objabn.segmentation.segmenters import choice
from objabn.segmentation.segmenters.figures_rcnn import figures_rcnn
from objabn.segmentation.segmenters.instances import Instances
from objabn.segmentation.segmenters.paste import paste_masks
from objabn.stores.masks import GRID, mask_iou
from objabn.synthetic.scenes import ACTIONS, OTHER_ACTIONS, plan, render_frame
from objabn.synthetic.synthesize import on_grid
from objabn.system.cache import Cache

PARAMS = load_params(Path(__file__).parents[2] / "params.yaml").datasets["synthetic"]
SETTINGS = {"model": "figures", "short_edge": 192, "proposals": 30, "device": "cpu"}


@pytest.fixture(autouse=True)
def few(monkeypatch, tmp_path_factory):
    """Short validation, frequent checkpoints; one thread, because so small a network only waits for more."""
    monkeypatch.setenv("OBJABN_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(segmenter, "HELD_OUT_FRAMES", 3)
    monkeypatch.setattr(segmenter, "VALIDATION_STEPS", 3)
    monkeypatch.setattr(segmenter, "CHECKPOINT_STEPS", 2)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def equal(one, other):
    return all(torch.equal(a, b) for a, b in zip(flat(one), flat(other), strict=True))


def flat(item):
    image, target = item
    return [image, *(target[name] for name in ("boxes", "labels", "masks"))]


def double(stream, start=0):
    """Number of the first frame with two figures."""
    return next(number for number in range(start, start + 100) if len(stream[number][1]["labels"]) == 2)


# The stream


def test_an_item_does_not_depend_on_the_others_nor_on_the_workers():
    alone = FigureFrames(seed=5)[7]
    for workers in (0, 1):
        batches = list(FigureFrames(seed=5).batches(4, 12, 4, workers=workers))
        assert [len(images) for images, _ in batches] == [4, 4]
        assert equal((batches[0][0][3], batches[0][1][3]), alone)


@pytest.mark.parametrize("changed", [{"seed": 6}, {"item": 8}, {"actions": OTHER_ACTIONS[:1]}])
def test_other_seeds_numbers_and_actions_give_other_frames(changed):
    def image(seed=5, item=7, actions=OTHER_ACTIONS):
        return FigureFrames(seed=seed, actions=actions)[item][0]

    assert not torch.equal(image(), image(**changed))


def test_the_stream_shows_none_of_the_data_sets_actions_and_scenes(monkeypatch):
    seen = []

    def spy(action, **place):
        seen.append((action, place["seed"], place["split"]))
        return make_scene(action, **place)

    make_scene = frames.make_scene
    monkeypatch.setattr(frames, "make_scene", spy)
    for number in range(30):
        FigureFrames(seed=0)[number]
    assert not {action for action, *_ in seen} & set(ACTIONS)
    assert not {split for *_, split in seen} & {"train", "test", "held-out"}
    assert len({action for action, *_ in seen}) > len(OTHER_ACTIONS) / 2
    seen.clear()
    held_out_frames(8)
    assert {action for action, *_ in seen} == set(ACTIONS)
    assert {split for *_, split in seen} == {"held-out"}


@pytest.mark.parametrize(("short_edge", "height", "width"), [(None, 120, 160), (192, 192, 256)])
def test_targets_fit_the_frame_and_the_masks(short_edge, height, width):
    stream = FigureFrames(seed=0, short_edge=short_edge)
    for number in range(16):
        image, target = stream[number]
        n = len(target["labels"])
        assert image.shape == (3, height, width)
        assert image.dtype == torch.float32
        assert 0 <= image.min() < image.max() <= 1
        assert n in (1, 2)
        assert target["labels"].tolist() == [1] * n
        assert target["masks"].shape == (n, height, width)
        assert target["masks"].dtype == torch.uint8
        assert target["masks"].sum(dim=0).max() == 1  # no pixel belongs to two figures
        assert target["boxes"].shape == (n, 4)
        enclosing = masks_to_boxes(target["masks"]) + torch.tensor([0, 0, 1, 1])  # torchvision's is of pixel centres
        assert torch.equal(target["boxes"], enclosing)
        for mask, (x0, y0, x1, y1) in zip(target["masks"], target["boxes"].int().tolist(), strict=True):
            assert mask.sum() == mask[y0:y1, x0:x1].sum() > 200


def test_boxes_by_hand():
    masks = np.zeros((2, 5, 7), bool)
    masks[0, 1:3, 2] = True
    masks[1, 4, [0, 6]] = True
    assert boxes_of(masks).tolist() == [[2, 1, 3, 3], [0, 4, 7, 5]]
    assert boxes_of(masks[:0]).shape == (0, 4)


def test_masks_follow_the_image_when_it_is_flipped(monkeypatch):
    """A mask's outline lies on the image's edges, more than on those of its mirror image."""
    monkeypatch.setattr(frames, "SECOND_FIGURE", 0.0)
    monkeypatch.setattr(frames, "degraded", lambda frames, draw: frames)
    matched = 0
    for number in range(12):
        image, target = FigureFrames(seed=3)[number]
        mask = target["masks"][0].bool()
        grey = image.mean(dim=0)
        edges = torch.diff(grey, dim=1).abs()[mask[:, 1:] ^ mask[:, :-1]].mean()
        mirrored = torch.diff(grey.flip(1), dim=1).abs()[mask[:, 1:] ^ mask[:, :-1]].mean()
        matched += int(edges > mirrored)
    assert matched >= 11


def test_a_second_figure_is_in_some_frames():
    stream = FigureFrames(seed=0)
    counts = [len(stream[number][1]["labels"]) for number in range(60)]
    assert 2 <= counts.count(2) <= 20


# The network


def test_boxes_and_masks_meet_on_the_grid():
    """What the mask head is to learn, pasted, is the truth; without the half pixel it is not."""
    network = figures_rcnn(min_size=120).train()
    scenes = [scene for *_, scene in plan(seed=1, train_videos=16, test_videos=1)][:16]
    persons = np.stack([render_frame(scene, 9)[1] for scene in scenes])
    truth = on_grid(persons)

    def best(shift):
        ious = []
        for person, true in zip(persons, truth, strict=True):
            target = {"boxes": torch.from_numpy(boxes_of(person[None])), "masks": torch.from_numpy(person[None])}
            _, inner = network.transform([torch.zeros(3, *person.shape)], [target])
            inside = inner[0]["boxes"] + shift
            ideal = project_masks_on_boxes(inner[0]["masks"], inside, torch.zeros(1, dtype=torch.long), 40)
            outside = target["boxes"] / torch.tensor([160, 120, 160, 120])
            ious.append(mask_iou(paste_masks(ideal, outside, GRID).numpy() >= 0.5, true[None])[0])
        return np.mean(ious)

    assert best(0.0) >= 0.97
    assert best(0.5) <= 0.93  # torchvision's convention


def test_boxes_come_back_at_pixels_edges():
    network = figures_rcnn(box_score_thresh=0.0).eval()
    images = torch.rand(2, 3, 120, 160)
    with torch.inference_mode():
        inner, _ = network.transform(list(images))
        features = network.backbone(inner.tensors)
        regions, _ = network.rpn(inner, features)
        hooks = network.roi_heads._forward_hooks.copy()
        found, _ = network.roi_heads(features, regions, inner.image_sizes)
        network.roi_heads._forward_hooks.clear()
        plain, _ = network.roi_heads(features, regions, inner.image_sizes)
        network.roi_heads._forward_hooks.update(hooks)
    assert sum(len(one["boxes"]) for one in found) > 0
    for one, other in zip(found, plain, strict=True):
        torch.testing.assert_close(one["boxes"], other["boxes"] + 0.5)


@pytest.fixture(scope="module")
def learnt():
    """Two frames, one of them with two figures, the network trained on them alone, and its losses."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    stream = FigureFrames(seed=0, short_edge=192)
    numbers = [double(stream), *(number for number in range(20) if len(stream[number][1]["labels"]) == 1)][:2]
    images, targets = zip(*(stream[number] for number in numbers), strict=True)
    torch.manual_seed(0)
    network = figures_rcnn().to(memory_format=torch.channels_last)
    optimiser = make_optimiser(network, 2e-3)
    losses = []
    for _ in range(90):
        step = network(list(images), list(targets))
        loop.follow_gradient(network, optimiser, step, MAX_GRADIENT)
        losses.append({name.removeprefix("loss_"): float(loss.detach()) for name, loss in step.items()})
    torch.set_num_threads(threads)
    frames = np.stack([(255 * image).round().byte().permute(1, 2, 0).numpy() for image in images])
    return frames, targets, network, losses


@pytest.fixture(scope="module")
def weights(learnt, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "figures.pth"
    path.write_bytes(weights_bytes(learnt[2]))
    return path


def test_a_few_steps_lower_every_loss(learnt):
    *_, losses = learnt
    assert set(losses[0]) == {"classifier", "box_reg", "mask", "objectness", "rpn_box_reg"}
    first, last = (sum(sum(step.values()) for step in part) for part in (losses[:5], losses[-5:]))
    assert last < 0.4 * first
    for name in ("mask", "objectness", "classifier"):
        assert losses[-1][name] < 0.6 * losses[0][name], name


def test_the_file_is_small_and_plain(weights):
    state = torch.load(weights, weights_only=True)
    assert weights.stat().st_size < 4e6
    assert {value.dtype for value in state.values()} == {torch.float16, torch.int64}


def test_it_finds_each_figure_through_the_backend(learnt, weights):
    frames, targets, *_ = learnt  # frames of 192 rows: as trained
    found = choice.build("torchvision", weights=str(weights), **SETTINGS)(frames)
    for instances, target in zip(found, targets, strict=True):
        n = len(instances.scores)
        assert instances.masks.shape == (n, GRID, GRID)
        assert instances.masks.dtype == bool
        assert instances.scores.dtype == np.float32
        assert set(instances.classes) == {"person"}
        assert instances.boxes.shape == (n, 4)
        assert (np.diff(instances.scores) <= 0).all()
        sure = instances.masks[instances.scores >= 0.5]
        for truth in on_grid(target["masks"].numpy().astype(bool)):
            assert mask_iou(sure, np.broadcast_to(truth, sure.shape)).max() >= 0.5


def test_batched_equals_single(learnt, weights):
    frames = learnt[0]
    batched, single = (
        choice.build("torchvision", weights=str(weights), batch_size=size, **SETTINGS)(frames) for size in (4, 1)
    )
    for a, b in zip(batched, single, strict=True):
        assert len(a.scores) == len(b.scores) > 0
        assert a.scores == pytest.approx(b.scores, abs=1e-4)
        assert a.boxes == pytest.approx(b.boxes, abs=1e-3)
        assert (a.masks != b.masks).mean() < 1e-3
    assert choice.build("torchvision", weights=str(weights), **SETTINGS)(frames[:0]) == []


def test_frames_of_another_size_keep_their_masks(learnt, weights):
    frames, *_ = learnt
    segment = choice.build("torchvision", weights=str(weights), **SETTINGS)
    large = frames.repeat(2, axis=1).repeat(2, axis=2)
    for a, b in zip(segment(frames), segment(large), strict=True):
        assert mask_iou(a.masks[:1], b.masks[:1]) >= 0.8


def test_weights_that_do_not_fit_are_refused(weights, tmp_path):
    other = tmp_path / "other.pth"
    with pytest.raises(ValueError, match="no such file; expected a state_dict of figures") as fault:
        choice.build("torchvision", weights=str(other), **SETTINGS)
    assert str(fault.value).endswith("as `python -m objabn pretrain segmenter` writes it")
    torch.save(maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, num_classes=2).state_dict(), other)
    with pytest.raises(ValueError, match=rf"^{other}: does not fit figures: \d+ tensors of another shape"):
        choice.build("torchvision", weights=str(other), **SETTINGS)
    state = torch.load(weights, weights_only=True)
    del state["backbone.stem.0.weight"]
    torch.save(state, other)
    with pytest.raises(ValueError, match=r"1 missing keys \(first: backbone\.stem\.0\.weight\), 0 unexpected"):
        choice.build("torchvision", weights=str(other), **SETTINGS)
    with pytest.raises(ValueError, match="does not fit maskrcnn_resnet50_fpn_v2"):
        choice.build("torchvision", weights=str(weights), model="maskrcnn_resnet50_fpn_v2", device="cpu")


# Scores


def test_scores_by_hand():
    persons = np.zeros((3, GRID, GRID), bool)
    persons[:, 32:96, 32:64] = True

    def instances(*shifts, scores):
        masks = np.stack([np.roll(persons[0], shift, axis=1) for shift in shifts]) if shifts else persons[:0]
        return Instances(
            masks, np.array(scores, np.float32), np.full(len(scores), "person"), np.zeros((len(scores), 4))
        )

    found = [instances(0, 8, scores=(0.9, 0.4)), instances(32, scores=(0.6,)), instances(scores=())]
    frames = np.zeros((3, GRID, GRID, 3), np.uint8)
    scores = score(lambda given, _video: found[: len(given)], frames, persons)
    assert scores.pop("ms_per_frame") >= 0
    assert scores == {"iou": 0.3333, "iou_p10": 0.0, "found_75": 0.3333, "false_per_frame": 0.3333}


# The command


def test_a_killed_run_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    settings = {"steps": 4, "seed": 3, "batch_size": 2, "lr": 1e-3, "workers": 0}
    whole, killed = tmp_path / "whole.pth", tmp_path / "killed.pth"
    recipe = pretrain_segmenter(PARAMS, whole, **settings)

    class Killed(Exception):
        pass

    def dies(stream, number):
        if number == 6:
            raise Killed
        return item(stream, number)

    item = FigureFrames.__getitem__
    with monkeypatch.context() as patch:
        patch.setattr(FigureFrames, "__getitem__", dies)
        with pytest.raises(Killed):
            pretrain_segmenter(PARAMS, killed, **settings)
    [unit] = Cache().units()
    assert unit.kind == loop.KIND
    assert not killed.exists()
    resumed = pretrain_segmenter(PARAMS, killed, **settings)
    assert not list(Cache().units())
    assert killed.read_bytes() == whole.read_bytes()
    names = {"killed.json", "killed.pth", "whole.json", "whole.pth"}
    assert {path.name for path in tmp_path.iterdir()} == names
    written = json.loads(whole.with_suffix(".json").read_text())
    assert written == json.loads(json.dumps(recipe))
    assert written["actions"] == list(OTHER_ACTIONS)
    assert [each["step"] for each in written["curve"]] == [each["step"] for each in resumed["curve"]] == [3, 4]
    assert {"iou", "found_75", "false_per_frame", "ms_per_frame"} <= set(written["held_out"])


def test_a_state_of_something_else_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "unit_key", lambda **_: "0" * 32)
    Cache().store(loop.KIND, "0" * 32, b"no checkpoint")
    with pytest.raises(ValueError, match=r"expected the state of this pretraining, got something else; remove it$"):
        pretrain_segmenter(PARAMS, tmp_path / "w.pth", steps=2, seed=0)


def test_the_command_trains_and_its_slips_are_one_line(tmp_path, capsys):
    out = tmp_path / "w.pth"
    command = ["pretrain", "segmenter", "--seed", "1", "--workers", "0", "--batch-size", "2", "--out", str(out)]
    assert main([*command, "--steps", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 1
    assert len(choice.build("torchvision", weights=str(out), **SETTINGS)(held_out_frames(2)[0])) == 2
    for slip, message in (
        (["--steps", "0"], "--steps: expected at least 1, got 0"),
        (["--steps", "1", "--lr", "0"], "--lr: expected a number above 0, got 0.0"),
        (
            ["--steps", "1", "--dataset", "x"],
            "--dataset: expected one of folder, jhmdb, quick, ssv2, synthetic, ucf101, got 'x'",
        ),
        (["--steps", "1", "--out", "w.json"], "--out: expected a file with a suffix other than .json, got w.json"),
    ):
        assert main([*command, *slip]) == 2
        assert capsys.readouterr().err == f"{message}\n"
