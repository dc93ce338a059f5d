import hashlib
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from objabn.synthetic import scenes
from objabn.synthetic.actions import MOTIONS, Style
from objabn.synthetic.backgrounds import BACKGROUNDS, render_background
from objabn.synthetic.figures import skeleton
from objabn.synthetic.scenes import ACTIONS, make_scene, plan, render_frame, render_video

STYLE = Style(amplitude=1.0, side=1, variant=0.5)


def scene_with_distractors(number_from=0):
    for number in range(number_from, number_from + 50):
        scene = make_scene("walk", seed=1, split="train", number=number)
        if len(scene.distractors) == 2:
            return scene
    raise AssertionError("no scene with two distractors in fifty")


def tied_kind(action, shift=0):
    return BACKGROUNDS[(ACTIONS.index(action) + shift) % 8]


def test_actions_are_the_eight_in_alphabetical_order():
    assert len(ACTIONS) == 8
    assert tuple(sorted(ACTIONS)) == ACTIONS
    assert tuple(MOTIONS)[:8] == ACTIONS
    assert len(BACKGROUNDS) == len(set(BACKGROUNDS)) == 8


# Determinism


def test_same_numbers_give_the_same_video_and_others_another():
    def frames(**changed):
        arguments = {"seed": 0, "split": "train", "number": 3} | changed
        return render_frame(make_scene("wave", **arguments), 5)[0]

    np.testing.assert_array_equal(frames(), frames())
    for changed in ({"seed": 1}, {"split": "test"}, {"number": 4}):
        assert (frames() != frames(**changed)).mean() > 0.5, changed


def test_single_frame_equals_the_videos_frame():
    scene = make_scene("kick", seed=2, split="train", number=0)
    video = render_video(scene)
    for index in (0, 17, scene.num_frames - 1):
        for alone, together in zip(render_frame(scene, index), video, strict=True):
            np.testing.assert_array_equal(alone, together[index])


def test_another_process_renders_the_same_pixels():
    code = (
        "import hashlib; from objabn.synthetic.scenes import *;"
        "s = make_scene('clap', seed=7, split='test', number=11);"
        "print(hashlib.sha256(b''.join(a.tobytes() for a in render_frame(s, 9))).hexdigest())"
    )
    root = Path(scenes.__file__).parents[1]
    environment = os.environ | {"PYTHONHASHSEED": "123", "PYTHONPATH": str(root)}
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    here = render_frame(make_scene("clap", seed=7, split="test", number=11), 9)
    assert output.stdout.strip() == hashlib.sha256(b"".join(a.tobytes() for a in here)).hexdigest()


def test_bias_changes_nothing_but_the_background_kind():
    free = make_scene("jump", seed=0, split="train", number=8, bias=0.0)
    tied = make_scene("jump", seed=0, split="train", number=8, bias=1.0)
    assert replace(tied, background=replace(tied.background, kind=free.background.kind)) == free


# Shapes and masks


@pytest.mark.parametrize(("height", "width"), [(120, 160), (96, 96), (161, 90)])
def test_shapes_types_and_lengths(height, width):
    scene = make_scene("squat", seed=0, split="x", number=0, height=height, width=width, min_frames=6, max_frames=8)
    frames, person, other = render_video(scene)
    assert 6 <= scene.num_frames <= 8
    assert frames.shape == (scene.num_frames, height, width, 3)
    assert frames.dtype == np.uint8
    assert person.shape == other.shape == frames.shape[:3]
    assert person.dtype == other.dtype == bool


@pytest.mark.parametrize("action", ACTIONS)
def test_person_is_in_every_frame_and_masks_are_disjoint(action):
    scene = make_scene(action, seed=3, split="train", number=1)
    for index in range(0, scene.num_frames, 5):
        _, person, other = render_frame(scene, index)
        assert 0.02 < person.mean() < 0.3
        assert not (person & other).any()


def test_person_mask_is_where_the_figure_covers_half_of_the_pixel(monkeypatch):
    scene = replace(make_scene("jumping_jacks", seed=0, split="x", number=0), distractors=(), shadow=0.0, noise=0.0)

    def frame_on(level):
        backdrop = np.full((scene.height, scene.width, 3), level, np.float32)
        monkeypatch.setattr(scenes, "render_background", lambda *_: backdrop)
        return render_frame(scene, 4)

    dark, person, _ = frame_on(0)
    light, _, _ = frame_on(255)
    coverage = 1 - (light.astype(float) - dark).mean(axis=-1) / 255
    decided = np.abs(coverage - 0.5) > 0.01
    np.testing.assert_array_equal(person[decided], (coverage >= 0.5)[decided])
    assert decided.mean() > 0.99


def test_pixels_away_from_both_masks_are_the_background():
    scene = replace(scene_with_distractors(), shadow=0.0, noise=0.0)
    background = np.rint(render_background(scene.background, scene.height, scene.width))
    frame, person, other = render_frame(scene, scene.num_frames // 2)
    assert other.any()
    touched = cv2.dilate((person | other).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    np.testing.assert_array_equal(frame[~touched], background[~touched])
    changed = np.abs(frame.astype(float) - background).max(axis=-1) > 8
    assert changed[person].mean() > 0.9


def test_person_hides_the_distractor_behind_it():
    scene = scene_with_distractors()
    index = scene.num_frames // 2
    _, person, _ = render_frame(scene, index)
    y, x = np.argwhere(person).mean(axis=0)
    hidden = replace(scene.distractors[0], start=(float(x), float(y)), velocity=(0.0, 0.0), radius=20.0)
    _, same_person, other = render_frame(replace(scene, distractors=(hidden,)), index)
    np.testing.assert_array_equal(same_person, person)
    assert other.any()
    assert not (other & person).any()


def test_noise_differs_between_frames_and_stays_small():
    scene = make_scene("wave", seed=0, split="train", number=2)
    clean = replace(scene, noise=0.0)
    residuals = [
        render_frame(scene, index)[0].astype(float) - render_frame(clean, index)[0].astype(float) for index in (0, 1)
    ]
    assert (residuals[0] != residuals[1]).mean() > 0.5
    assert 0.7 * scene.noise < residuals[0].std() < 1.3 * scene.noise


def test_motion_against_the_median_background_finds_most_of_the_body():
    scores = []
    for number, action in enumerate(ACTIONS):
        frames, person, other = render_video(make_scene(action, seed=5, split="train", number=number))
        moving = np.abs(frames - np.median(frames, axis=0)).max(axis=-1) > 22
        for index in range(0, len(frames), 6):
            found = cv2.morphologyEx(moving[index].astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
            truth = person[index] | other[index]
            scores.append((found & truth).sum() / (found | truth).sum())
    assert np.mean(scores) > 0.7


# Poses


@pytest.mark.parametrize("action", ACTIONS)
def test_poses_repeat_each_cycle(action):
    body = make_scene(action, seed=0, split="x", number=0).looks
    pose = MOTIONS[action].pose
    for phase in (0.0, 0.3, 0.77):
        once, again = (skeleton(pose(phase + cycle, STYLE), body) for cycle in (0, 1))
        for joint in once:
            np.testing.assert_allclose(once[joint], again[joint], atol=1e-6)


@pytest.mark.parametrize("action", ACTIONS)
def test_a_cycle_ends_within_28_frames(action):
    for number in range(10):
        phases = make_scene(action, seed=0, split="x", number=number).phases
        assert phases[28] - phases[0] >= 1


def heights(action, joint):
    body = make_scene(action, seed=0, split="x", number=0).looks
    return np.array([skeleton(MOTIONS[action].pose(phase, STYLE), body)[joint][1] for phase in np.arange(0, 1, 0.02)])


def test_poses_have_the_landmarks_of_their_action():
    feet = {action: np.minimum(heights(action, "ankle_left"), heights(action, "ankle_right")) for action in ACTIONS}
    assert np.ptp(feet["jump"]) > 0.2
    assert all(np.ptp(feet[action]) < 0.07 for action in ACTIONS if action != "jump")
    assert np.ptp(heights("squat", "pelvis")) > 0.2
    assert np.ptp(heights("kick", "toe_left")) > 0.4
    assert np.ptp(heights("kick", "toe_right")) < 0.01
    assert heights("wave", "wrist_left").min() > heights("wave", "shoulder_left").max()
    assert heights("wave", "wrist_right").max() < heights("wave", "shoulder_right").min()
    assert heights("jumping_jacks", "wrist_left").max() > heights("jumping_jacks", "head").max()
    assert heights("clap", "wrist_left").max() < heights("clap", "head").max()
    assert MOTIONS["turn"].pose(0.5, STYLE).yaw == pytest.approx(np.pi)


# The bias knob and the plan


def kinds(bias):
    return [
        (action, make_scene(action, seed=0, split="train", number=number, bias=bias).background.kind)
        for number in range(40)
        for action in ACTIONS
    ]


def test_full_bias_ties_the_background_to_the_action():
    assert all(kind == tied_kind(action) for action, kind in kinds(1.0))


def test_full_negative_bias_gives_the_next_actions_background():
    assert all(kind == tied_kind(action, shift=1) for action, kind in kinds(-1.0))


def test_no_bias_draws_backgrounds_uniformly():
    scenes = [make_scene("turn", seed=0, split="train", number=number) for number in range(400)]
    counts = Counter(scene.background.kind for scene in scenes)
    # 50 expected of each, standard deviation 6.6.
    assert set(counts) == set(BACKGROUNDS)
    assert min(counts.values()) > 25
    assert max(counts.values()) < 75


def test_half_bias_is_half_tied():
    matched = np.mean([kind == tied_kind(action) for action, kind in kinds(0.5)])
    assert matched == pytest.approx(0.5 + 0.5 / 8, abs=0.15)


def test_plan_is_balanced_with_unique_ids_and_its_own_bias_for_each_split():
    videos = plan(seed=0, train_videos=24, test_videos=16, bias=1.0, test_bias=-1.0)
    assert Counter(split for _, _, split, _ in videos) == {"train": 24, "test": 16}
    assert Counter((split, action) for _, action, split, _ in videos) == {
        **{("train", action): 3 for action in ACTIONS},
        **{("test", action): 2 for action in ACTIONS},
    }
    assert len({video_id for video_id, *_ in videos}) == 40
    assert videos[0][0] == "clap_train_000"
    assert videos[24][0] == "clap_test_000"
    for _, action, split, scene in videos:
        assert scene.action == action
        assert scene.background.kind == tied_kind(action, shift=0 if split == "train" else 1)


def test_plan_differs_between_splits_and_grows_without_changing_what_was_there():
    small = plan(seed=0, train_videos=8, test_videos=8)
    train, test = ([scene for _, _, split, scene in small if split == name] for name in ("train", "test"))
    assert not set(train) & set(test)
    assert len({scene.looks for scene in train + test}) == 16
    large = plan(seed=0, train_videos=16, test_videos=8)
    assert large[:8] == small[:8]
    assert large[16:] == small[8:]


# Misuse


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"action": "swim"}, r"action: expected one of clap, .*, got 'swim'"),
        ({"bias": 1.5}, r"bias: expected a number in \[-1, 1\], got 1.5"),
        ({"bias": float("nan")}, r"bias: expected a number in \[-1, 1\], got nan"),
        ({"figure_size": 0.0}, r"figure_size: expected a number in \(0, 0.7\], got 0.0"),
        ({"min_frames": 9, "max_frames": 8}, r"expected 1 <= min_frames <= max_frames, got 9 and 8"),
        ({"height": 8}, r"expected height and width of at least 16 pixels, got 8 and 160"),
    ],
)
def test_misuse_of_make_scene(changed, message):
    arguments = {"action": "walk", "seed": 0, "split": "train", "number": 0} | changed
    with pytest.raises(ValueError, match=message):
        make_scene(**arguments)


@pytest.mark.parametrize("index", [-1, 32])
def test_misuse_of_render_frame(index):
    scene = make_scene("walk", seed=0, split="train", number=0, min_frames=32, max_frames=32)
    with pytest.raises(ValueError, match=rf"index: expected a frame in \[0, 31\], got {index}"):
        render_frame(scene, index)
