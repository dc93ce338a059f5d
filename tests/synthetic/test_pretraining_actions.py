"""The actions that pretraining sees, and that they left the data set's own eight as they were."""

from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from objabn.synthetic.actions import MOTIONS, Pose, Style
from objabn.synthetic.backgrounds import BACKGROUNDS
from objabn.synthetic.figures import figure_shapes, skeleton
from objabn.synthetic.pretraining_actions import OTHER_MOTIONS
from objabn.synthetic.scenes import ACTIONS, OTHER_ACTIONS, make_scene, plan, render_frame

STYLE = Style(amplitude=1.0, side=1, variant=0.5)
BODY = replace(make_scene("clap", seed=0, split="x", number=0).looks, shoulders=1.1, legs=1.0)
STANDING = ((0.0, 0.1), (0.0, 0.1))
ALL_MOTIONS = MOTIONS | OTHER_MOTIONS


def scene(action, number=0, **changed):
    return make_scene(action, **{"seed": 0, "split": "x", "number": number} | changed)


def joints(action, phase):
    return skeleton(ALL_MOTIONS[action].pose(phase, STYLE), BODY)


def heights(action, joint):
    return np.array([joints(action, phase)[joint][1] for phase in np.arange(0, 1, 0.02)])


# What they are


def test_the_other_actions_are_no_less_than_sixteen_and_none_of_the_eight():
    assert len(OTHER_ACTIONS) >= 16
    assert tuple(sorted(OTHER_ACTIONS)) == OTHER_ACTIONS
    assert not set(OTHER_ACTIONS) & set(ACTIONS)
    assert all(motion.pose.__name__ == name for name, motion in OTHER_MOTIONS.items())


def test_the_data_set_shows_only_the_eight():
    assert {action for _, action, _, _ in plan(seed=0, train_videos=64, test_videos=64)} == set(ACTIONS)


@pytest.mark.parametrize("action", OTHER_ACTIONS)
def test_poses_repeat_each_cycle_and_move_without_a_leap(action):
    for phase in (0.0, 0.3, 0.77):
        for joint, position in joints(action, phase).items():
            np.testing.assert_allclose(position, joints(action, phase + 1)[joint], atol=1e-6)
    track = np.array([list(joints(action, phase).values()) for phase in np.arange(0, 1.001, 0.01)])
    assert np.linalg.norm(np.diff(track, axis=0), axis=-1).max() < 0.1  # standing heights in a hundredth of a cycle


@pytest.mark.parametrize("action", OTHER_ACTIONS)
def test_a_cycle_ends_within_28_frames_and_the_figure_stays_in_the_image(action):
    for number in range(6):
        made = scene(action, number, figure_size=0.58)
        assert made.phases[28] - made.phases[0] >= 1
        for index in range(0, made.num_frames, 5):
            pose = OTHER_MOTIONS[action].pose(made.phases[index], made.style)
            shapes = figure_shapes(pose, made.looks, made.view, made.feet[index])
            corners = np.concatenate([polygon for polygon, _ in shapes])
            inside = (corners >= 0) & (corners <= (made.width, made.height))
            assert inside.all(axis=1).mean() > 0.97


def test_no_two_actions_look_alike():
    """Seen as a set of poses, whatever the phase, every two actions differ by a fair part of a limb somewhere."""
    tracks = {
        action: np.array([np.concatenate(list(joints(action, phase).values())) for phase in np.arange(0, 1, 0.05)])
        for action in ALL_MOTIONS
    }
    for one, other in combinations(ALL_MOTIONS, 2):
        gaps = np.abs(tracks[one][:, None] - tracks[other][None]).max(axis=-1)
        turning = {"turn", "swivel"} & {one, other}  # their yaw is not in the skeleton
        assert turning or max(gaps.min(axis=0).max(), gaps.min(axis=1).max()) > 0.1, (one, other)


def test_poses_have_the_landmarks_of_their_action():
    feet = {
        action: np.minimum(heights(action, "ankle_left"), heights(action, "ankle_right")) for action in OTHER_MOTIONS
    }
    assert {action for action in OTHER_MOTIONS if np.ptp(feet[action]) > 0.04} == {"hop", "rope_skipping", "run"}
    assert heights("bow", "head").min() < 0.65
    assert heights("sit", "pelvis").min() < 0.35
    assert heights("crawl", "head").max() < 0.6
    assert heights("overhead_press", "wrist_left").max() > heights("overhead_press", "head").max()
    assert heights("lateral_raise", "wrist_left").max() < heights("lateral_raise", "head").max()
    assert np.ptp(heights("point", "wrist_left")) > 0.3
    assert np.ptp(heights("point", "wrist_right")) < 0.01
    assert np.ptp(heights("side_leg_raise", "ankle_left")) > 0.2
    assert np.ptp(heights("side_leg_raise", "ankle_right")) < 0.01
    assert joints("side_bend", 0.25)["head"][0] > 0.2
    assert joints("side_bend", 0.75)["head"][0] < -0.2
    assert joints("twist", 0.25)["wrist_right"][2] > 0.3
    assert joints("twist", 0.75)["wrist_right"][2] < -0.3
    assert OTHER_MOTIONS["swivel"].pose(0.25, STYLE).yaw == pytest.approx(1.4)


# make_scene


def test_bias_means_nothing_to_them():
    for number in range(5):
        assert scene("bow", number, bias=1.0) == scene("bow", number, bias=-1.0) == scene("bow", number)


def test_their_backgrounds_are_drawn_uniformly():
    counts = Counter(scene("run", number, bias=1.0).background.kind for number in range(400))
    assert set(counts) == set(BACKGROUNDS)
    assert min(counts.values()) > 25
    assert max(counts.values()) < 75


@pytest.mark.parametrize("action", OTHER_ACTIONS)
def test_person_is_in_every_frame(action):
    made = scene(action, 1)
    for index in (0, 13, 26):
        frame, person, other = render_frame(made, index)
        assert frame.shape == (120, 160, 3)
        assert 0.015 < person.mean() < 0.3
        assert not (person & other).any()


# The eight are what they were before there were others


def test_the_eight_keep_their_order():
    assert tuple(MOTIONS) == ACTIONS


@pytest.mark.parametrize(
    ("action", "wrist_left", "ankle_right"),
    [
        ("clap", (0.027998, 0.771645, 0.213025), (-0.092873, 0.03, 0.0)),
        ("jump", (0.187173, 0.368465, 0.003864), (-0.083489, 0.03, 0.007563)),
        ("jumping_jacks", (0.461644, 0.924657, 0.0), (-0.23011, 0.084271, 0.0)),
        ("kick", (0.203637, 0.536862, 0.226061), (-0.078794, 0.03, -0.046876)),
        ("squat", (0.161442, 0.454731, 0.480923), (-0.14388, 0.03, 0.104069)),
        ("turn", (0.246242, 0.480141, 0.025491), (-0.083489, 0.054315, -7.5e-05)),
        ("walk", (0.152468, 0.42666, -0.086212), (-0.069399, 0.03, -0.218594)),
        ("wave", (0.24524, 1.02845, 0.0), (-0.092873, 0.03, 0.0)),
    ],
)
def test_the_eight_keep_their_poses(action, wrist_left, ankle_right):
    placed = joints(action, 0.3)
    assert placed["wrist_left"] == pytest.approx(wrist_left, abs=1e-6)
    assert placed["ankle_right"] == pytest.approx(ankle_right, abs=1e-6)


# Tilt and twist


def test_tilt_and_twist_turn_the_trunk_to_the_figures_left():
    still = skeleton(Pose(STANDING, STANDING, STANDING, STANDING), BODY)
    tilted = skeleton(Pose(STANDING, STANDING, STANDING, STANDING, tilt=0.5), BODY)
    twisted = skeleton(Pose(STANDING, STANDING, STANDING, STANDING, twist=np.pi / 2), BODY)
    assert tilted["neck"] - tilted["pelvis"] == pytest.approx((0.32 * np.sin(0.5), 0.32 * np.cos(0.5), 0.0))
    assert twisted["shoulder_right"] - twisted["neck"] * 0.93 == pytest.approx(
        still["shoulder_right"][[2, 1, 0]] * (1, 1, -1) - still["neck"] * 0.93, abs=1e-9
    )
    for each in (tilted, twisted):
        for joint in ("pelvis", "hip_left", "knee_right", "ankle_left"):
            np.testing.assert_array_equal(each[joint], still[joint])
