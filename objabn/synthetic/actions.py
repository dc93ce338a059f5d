"""The actions of an articulated human figure: each a function from (phase, style) to a pose, and its `Motion`.

A pose is a handful of joint angles in radians; `figures` makes a skeleton of it and draws that. Here are the eight of
the embedded data set; those that the pretrained backbone has seen are in `pretraining_actions`.

To add an action: write a function from (phase, style) to a `Pose` and append a `Motion` to `MOTIONS`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import numpy as np

Angles = tuple[float, float]  # (forward, out) of a limb: (0, 0) hangs down, out points away from the body's middle
Pair = tuple[Angles, Angles]  # (left, right)


@dataclass(frozen=True)
class Style:
    """How one person performs an action: `amplitude` near 1, `side` +1 (left leads) or -1, `variant` in [0, 1]."""

    amplitude: float
    side: int
    variant: float


@dataclass(frozen=True)
class Pose:
    """Joint angles; every limb segment has its own absolute angles, so a lower one does not inherit the upper one's."""

    upper_arms: Pair
    lower_arms: Pair
    upper_legs: Pair
    lower_legs: Pair
    lean: float = 0.0  # forward, of the torso
    yaw: float = 0.0  # on top of the viewing direction
    lift: float = 0.0  # of the lower foot above the ground
    tilt: float = 0.0  # to the figure's left, of the torso
    twist: float = 0.0  # to the figure's left, of shoulders and arms against the hips


@dataclass(frozen=True)
class Motion:
    """One action: its pose function, and the ranges from which a video's period, view and travel are drawn."""

    pose: Callable[[float, Style], Pose]
    period: tuple[float, float]  # frames per cycle
    view: tuple[float, float]  # angle between facing the camera (0) and facing sideways (pi / 2)
    travel: tuple[float, float]  # distance covered over the video, in standing heights
    travels_forward: bool = False


def blend(a: float, b: float, weight: float) -> float:
    return a + (b - a) * weight


def mix(a: Angles, b: Angles, weight: float) -> Angles:
    return blend(a[0], b[0], weight), blend(a[1], b[1], weight)


def sided(side: int, leading: Angles, other: Angles) -> Pair:
    return (leading, other) if side > 0 else (other, leading)


def cycle(phase: float) -> float:
    """From 0 to 1 and back, smoothly, once a cycle."""
    return 0.5 - 0.5 * cos(2 * pi * phase)


def both(angles: Angles) -> Pair:
    return angles, angles


def keyframes(phase: float, times: Sequence[float], values: Sequence[float]) -> float:
    """Value at `phase` (in cycles), eased between key values; `times` ascend from 0 to 1."""
    position = phase % 1.0
    after = int(np.searchsorted(times, position, side="right"))
    span = times[after] - times[after - 1]
    progress = (position - times[after - 1]) / span
    return blend(values[after - 1], values[after], 0.5 - 0.5 * cos(pi * progress))


STANDING = both((0.0, 0.07))


ARMS_HANGING = both((0.05, 0.12))
HANDS_ON_HIPS = both((-0.25, 0.65)), both((0.35, -0.6))  # upper arms, lower arms


def clap(phase: float, style: Style) -> Pose:
    """Hands swing together in front of the chest and far apart again, twice a cycle."""
    together = keyframes(2 * phase, (0.0, 0.4, 0.55, 1.0), (0.0, 1.0, 1.0, 0.0))
    upper = mix((0.3, 1.0 * style.amplitude), (0.8, 0.15), together)
    lower = mix((2.1, 1.05), (2.3, -0.85), together)
    return Pose(both(upper), both(lower), STANDING, STANDING)


def jump(phase: float, style: Style) -> Pose:
    """Crouch with the arms back, leap straight up with the arms thrown up, land and stand."""
    crouch = keyframes(phase, (0.0, 0.26, 0.4, 0.78, 0.88, 1.0), (0.0, 1.0, 0.0, 0.1, 0.7, 0.0))
    air = (phase % 1.0 - 0.38) / 0.42
    lift = 4 * air * (1 - air) * 0.22 * style.amplitude if 0 < air < 1 else 0.0
    raised = keyframes(phase, (0.0, 0.26, 0.46, 0.7, 1.0), (0.15, -0.8, 2.6, 2.3, 0.15))
    tuck = 0.5 * crouch + 0.6 * style.variant * lift
    return Pose(
        both((raised, 0.2)),
        both((raised + 0.2, 0.15)),
        both((1.6 * tuck, 0.06)),
        both((-1.5 * tuck, 0.04)),
        lean=0.55 * crouch,
        lift=lift,
    )


def jumping_jacks(phase: float, style: Style) -> Pose:
    """Arms and legs spread sideways together, hands meeting overhead, and close again."""
    opened = 0.5 - 0.5 * cos(2 * pi * phase)
    arm = blend(0.12, 2.6, opened)
    leg = blend(0.03, 0.55 * style.amplitude, opened)
    hop = 0.06 * sin(2 * pi * phase) ** 2
    return Pose(both((0.0, arm)), both((0.0, arm + 0.2)), both((0.0, leg)), both((0.0, leg)), lift=hop)


def kick(phase: float, style: Style) -> Pose:
    """One leg swings back and then high forward, the other stays on the ground."""
    times = (0.0, 0.28, 0.58, 0.68, 0.92, 1.0)
    thigh = keyframes(phase, times, (0.0, -0.55, 1.45 * style.amplitude, 1.4 * style.amplitude, 0.1, 0.0))
    knee = keyframes(phase, times, (0.05, 1.2, 0.0, 0.1, 0.15, 0.05))
    arm = -0.7 * thigh
    return Pose(
        sided(style.side, (arm, 0.3), (-arm, 0.3)),
        sided(style.side, (arm + 0.5, 0.15), (-arm + 0.5, 0.15)),
        sided(style.side, (thigh, 0.03), (-0.08, 0.05)),
        sided(style.side, (thigh - knee, 0.03), (-0.12, 0.03)),
        lean=-0.2 * thigh,
    )


def squat(phase: float, style: Style) -> Pose:
    """Knees bend until the thighs are level, arms stretched forward as a counterweight, and straighten again."""
    depth = keyframes(phase, (0.0, 0.4, 0.58, 1.0), (0.0, 1.0, 1.0, 0.0))
    arm = mix((0.1, 0.1), (1.5, 0.1), depth)
    thigh = mix((0.0, 0.08), (1.6 * style.amplitude, 0.35), depth)
    shin = mix((0.0, 0.06), (-0.6, 0.05), depth)
    return Pose(both(arm), both(arm), both(thigh), both(shin), lean=0.6 * depth)


def turn(phase: float, style: Style) -> Pose:
    """One revolution about the vertical axis a cycle, in small steps, arms hanging a little away from the body."""
    step = sin(6 * pi * phase)
    left, right = 0.55 * max(step, 0.0), 0.55 * max(-step, 0.0)
    arm = 0.25 + 0.25 * style.variant
    return Pose(
        both((0.0, arm)),
        both((0.15, arm - 0.05)),
        ((left, 0.06), (right, 0.06)),
        ((-left, 0.04), (-right, 0.04)),
        yaw=style.side * 2 * pi * phase,
    )


def walk(phase: float, style: Style) -> Pose:
    """Legs stride in opposition, the knee of the leg that swings forward bends, arms swing against the legs."""

    def leg(angle: float) -> tuple[Angles, Angles]:
        thigh = 0.12 + 0.5 * style.amplitude * sin(angle)
        knee = 0.12 + 0.85 * max(cos(angle), 0.0) ** 1.5
        return (thigh, 0.02), (thigh - knee, 0.02)

    def arm(angle: float) -> tuple[Angles, Angles]:
        swing = 0.6 * style.amplitude * sin(angle)
        return (swing, 0.1), (swing + 0.25 + 0.5 * style.variant, 0.05)

    angle = 2 * pi * phase
    (left_thigh, left_shin), (right_thigh, right_shin) = leg(angle), leg(angle + pi)
    (left_upper, left_lower), (right_upper, right_lower) = arm(angle + pi), arm(angle)
    return Pose(
        (left_upper, right_upper),
        (left_lower, right_lower),
        (left_thigh, right_thigh),
        (left_shin, right_shin),
        lean=0.06,
    )


def wave(phase: float, style: Style) -> Pose:
    """One arm raised, its forearm swinging from side to side twice a cycle; the other arm hangs."""
    swing = 0.85 * style.amplitude * sin(4 * pi * phase)
    raised = 1.75 + 0.35 * style.variant
    return Pose(
        sided(style.side, (0.0, raised + 0.12 * sin(4 * pi * phase)), (0.0, 0.12)),
        sided(style.side, (0.0, pi - 0.25 - swing), (0.1, 0.05)),
        STANDING,
        STANDING,
    )


# A new action goes to the end: an action's place decides which background belongs to it.
MOTIONS: dict[str, Motion] = {
    "clap": Motion(clap, (20, 28), (0.0, 0.7), (0.5, 0.8)),
    "jump": Motion(jump, (22, 28), (0.3, 1.0), (0.5, 0.8)),
    "jumping_jacks": Motion(jumping_jacks, (18, 26), (0.0, 0.4), (0.5, 0.8)),
    "kick": Motion(kick, (20, 28), (1.0, 1.5), (0.5, 0.8)),
    "squat": Motion(squat, (22, 28), (0.6, 1.2), (0.5, 0.8)),
    "turn": Motion(turn, (22, 28), (0.0, 1.5), (0.5, 0.8)),
    "walk": Motion(walk, (18, 26), (1.0, 1.5), (0.7, 1.1), travels_forward=True),
    "wave": Motion(wave, (20, 28), (0.0, 0.45), (0.5, 0.8)),
}
