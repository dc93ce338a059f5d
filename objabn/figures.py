"""An articulated human figure: the poses of each action, its skeleton, and how it is drawn.

A pose is a handful of joint angles. `skeleton` turns them into joint positions in three dimensions, so that turning
about the vertical axis and occlusion between limbs follow from geometry. `figure_shapes` projects the joints onto the
image as convex polygons, far ones first, and `rasterize` draws them.

To add an action: write a function from (phase, style) to a `Pose` and append a `Motion` to `MOTIONS`.

Axes of the body: x to the figure's left, y up, z forward. Lengths are in standing heights, angles in radians.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import cv2
import numpy as np

Colour = tuple[float, float, float]  # RGB, each in [0, 255]
Angles = tuple[float, float]  # (forward, out) of a limb: (0, 0) hangs down, out points away from the body's middle
Pair = tuple[Angles, Angles]  # (left, right)
Shape = tuple[np.ndarray, Colour]  # corners of a convex polygon in pixels (P, 2), its fill

SUPERSAMPLING = 4
_PITCH = 0.12  # the camera looks slightly down, so that a foot set forward lands lower in the image
_SHIFT = 4  # fractional bits of the coordinates that cv2 receives


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


@dataclass(frozen=True)
class Body:
    """Proportions and colours of one person; `height` in pixels, the others are factors around 1."""

    height: float
    thickness: float
    shoulders: float
    legs: float
    skin: Colour
    hair: Colour
    shirt: Colour
    trousers: Colour
    shoes: Colour
    badge: Colour
    sleeves: bool


@dataclass(frozen=True)
class Motion:
    """One action: its pose function, and the ranges from which a video's period, view and travel are drawn."""

    pose: Callable[[float, Style], Pose]
    period: tuple[float, float]  # frames per cycle
    view: tuple[float, float]  # angle between facing the camera (0) and facing sideways (pi / 2)
    travel: tuple[float, float]  # distance covered over the video, in standing heights
    travels_forward: bool = False


def _blend(a: float, b: float, weight: float) -> float:
    return a + (b - a) * weight


def _mix(a: Angles, b: Angles, weight: float) -> Angles:
    return _blend(a[0], b[0], weight), _blend(a[1], b[1], weight)


def _sided(side: int, leading: Angles, other: Angles) -> Pair:
    return (leading, other) if side > 0 else (other, leading)


def _both(angles: Angles) -> Pair:
    return angles, angles


def _keyframes(phase: float, times: Sequence[float], values: Sequence[float]) -> float:
    """Value at `phase` (in cycles), eased between key values; `times` ascend from 0 to 1."""
    position = phase % 1.0
    after = int(np.searchsorted(times, position, side="right"))
    span = times[after] - times[after - 1]
    progress = (position - times[after - 1]) / span
    return _blend(values[after - 1], values[after], 0.5 - 0.5 * cos(pi * progress))


_STANDING = _both((0.0, 0.07))


def clap(phase: float, style: Style) -> Pose:
    """Hands swing together in front of the chest and far apart again, twice a cycle."""
    together = _keyframes(2 * phase, (0.0, 0.4, 0.55, 1.0), (0.0, 1.0, 1.0, 0.0))
    upper = _mix((0.3, 1.0 * style.amplitude), (0.8, 0.15), together)
    lower = _mix((2.1, 1.05), (2.3, -0.85), together)
    return Pose(_both(upper), _both(lower), _STANDING, _STANDING)


def jump(phase: float, style: Style) -> Pose:
    """Crouch with the arms back, leap straight up with the arms thrown up, land and stand."""
    crouch = _keyframes(phase, (0.0, 0.26, 0.4, 0.78, 0.88, 1.0), (0.0, 1.0, 0.0, 0.1, 0.7, 0.0))
    air = (phase % 1.0 - 0.38) / 0.42
    lift = 4 * air * (1 - air) * 0.22 * style.amplitude if 0 < air < 1 else 0.0
    raised = _keyframes(phase, (0.0, 0.26, 0.46, 0.7, 1.0), (0.15, -0.8, 2.6, 2.3, 0.15))
    tuck = 0.5 * crouch + 0.6 * style.variant * lift
    return Pose(
        _both((raised, 0.2)),
        _both((raised + 0.2, 0.15)),
        _both((1.6 * tuck, 0.06)),
        _both((-1.5 * tuck, 0.04)),
        lean=0.55 * crouch,
        lift=lift,
    )


def jumping_jacks(phase: float, style: Style) -> Pose:
    """Arms and legs spread sideways together, hands meeting overhead, and close again."""
    opened = 0.5 - 0.5 * cos(2 * pi * phase)
    arm = _blend(0.12, 2.6, opened)
    leg = _blend(0.03, 0.55 * style.amplitude, opened)
    hop = 0.06 * sin(2 * pi * phase) ** 2
    return Pose(_both((0.0, arm)), _both((0.0, arm + 0.2)), _both((0.0, leg)), _both((0.0, leg)), lift=hop)


def kick(phase: float, style: Style) -> Pose:
    """One leg swings back and then high forward, the other stays on the ground."""
    times = (0.0, 0.28, 0.58, 0.68, 0.92, 1.0)
    thigh = _keyframes(phase, times, (0.0, -0.55, 1.45 * style.amplitude, 1.4 * style.amplitude, 0.1, 0.0))
    knee = _keyframes(phase, times, (0.05, 1.2, 0.0, 0.1, 0.15, 0.05))
    arm = -0.7 * thigh
    return Pose(
        _sided(style.side, (arm, 0.3), (-arm, 0.3)),
        _sided(style.side, (arm + 0.5, 0.15), (-arm + 0.5, 0.15)),
        _sided(style.side, (thigh, 0.03), (-0.08, 0.05)),
        _sided(style.side, (thigh - knee, 0.03), (-0.12, 0.03)),
        lean=-0.2 * thigh,
    )


def squat(phase: float, style: Style) -> Pose:
    """Knees bend until the thighs are level, arms stretched forward as a counterweight, and straighten again."""
    depth = _keyframes(phase, (0.0, 0.4, 0.58, 1.0), (0.0, 1.0, 1.0, 0.0))
    arm = _mix((0.1, 0.1), (1.5, 0.1), depth)
    thigh = _mix((0.0, 0.08), (1.6 * style.amplitude, 0.35), depth)
    shin = _mix((0.0, 0.06), (-0.6, 0.05), depth)
    return Pose(_both(arm), _both(arm), _both(thigh), _both(shin), lean=0.6 * depth)


def turn(phase: float, style: Style) -> Pose:
    """One revolution about the vertical axis a cycle, in small steps, arms hanging a little away from the body."""
    step = sin(6 * pi * phase)
    left, right = 0.55 * max(step, 0.0), 0.55 * max(-step, 0.0)
    arm = 0.25 + 0.25 * style.variant
    return Pose(
        _both((0.0, arm)),
        _both((0.15, arm - 0.05)),
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
        _sided(style.side, (0.0, raised + 0.12 * sin(4 * pi * phase)), (0.0, 0.12)),
        _sided(style.side, (0.0, pi - 0.25 - swing), (0.1, 0.05)),
        _STANDING,
        _STANDING,
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


def _direction(angles: Angles, outward: int) -> np.ndarray:
    forward, out = angles
    return np.array((outward * sin(out), -cos(out) * cos(forward), cos(out) * sin(forward)))


def skeleton(pose: Pose, body: Body) -> dict[str, np.ndarray]:
    """Joint positions of `pose`, each (3,), in standing heights; the lower foot is `pose.lift` above y = 0.

    Keys: pelvis, neck, head, and shoulder, elbow, wrist, hip, knee, ankle, toe, each ending in _left or _right.
    """
    up = np.array((0.0, cos(pose.lean), sin(pose.lean)))
    neck = 0.32 * up
    joints = {"pelvis": np.zeros(3), "neck": neck, "head": neck + 0.125 * up + np.array((0.0, 0.0, 0.01))}
    for index, (side, outward) in enumerate((("left", 1), ("right", -1))):
        shoulder = 0.93 * neck + np.array((outward * 0.115 * body.shoulders, 0.0, 0.0))
        elbow = shoulder + 0.17 * _direction(pose.upper_arms[index], outward)
        hip = np.array((outward * 0.06, -0.01, 0.0))
        knee = hip + 0.235 * body.legs * _direction(pose.upper_legs[index], outward)
        joints |= {
            f"shoulder_{side}": shoulder,
            f"elbow_{side}": elbow,
            f"wrist_{side}": elbow + 0.18 * _direction(pose.lower_arms[index], outward),
            f"hip_{side}": hip,
            f"knee_{side}": knee,
            f"ankle_{side}": knee + 0.235 * body.legs * _direction(pose.lower_legs[index], outward),
        }
    ground = min(joints["ankle_left"][1], joints["ankle_right"][1])
    for index, side in enumerate(("left", "right")):
        # A foot on the ground lies flat; a raised one keeps at right angles to its shin.
        raised = min((joints[f"ankle_{side}"][1] - ground + pose.lift) / 0.12, 1.0)
        pitch = raised * pose.lower_legs[index][0]
        joints[f"toe_{side}"] = joints[f"ankle_{side}"] + 0.085 * np.array((0.0, sin(pitch), cos(pitch)))
    offset = np.array((0.0, pose.lift + 0.03 - ground, 0.0))
    return {name: joint + offset for name, joint in joints.items()}


_CIRCLE = np.stack([np.cos(np.arange(16) * pi / 8), np.sin(np.arange(16) * pi / 8)], axis=1)  # (16, 2)


def disc(centre: Sequence[float] | np.ndarray, radius: float, squeeze: float = 1.0) -> np.ndarray:
    """Corners (16, 2) of a disc, narrowed horizontally by `squeeze`, in the units of `centre`."""
    return np.asarray(centre) + radius * _CIRCLE * (squeeze, 1.0)


def _hull(points: Sequence[np.ndarray], radius: Sequence[float]) -> np.ndarray:
    corners = np.concatenate([disc(point, r) for point, r in zip(points, radius, strict=True)])
    return cv2.convexHull(corners.astype(np.float32))[:, 0]


def figure_shapes(pose: Pose, body: Body, view: float, foot: tuple[float, float]) -> list[Shape]:
    """Polygons of the figure in pixels, in the order to draw them.

    Args:
        view: direction the figure faces before `pose.yaw`: 0 at the camera, pi / 2 to the right of the image.
        foot: image point (x, y) on the ground under the middle of the body.
    """
    yaw = view + pose.yaw
    facing, sideways = cos(yaw), sin(yaw)
    joints = skeleton(pose, body)
    positions = np.stack(list(joints.values()))
    x = positions[:, 0] * facing + positions[:, 2] * sideways
    z = positions[:, 2] * facing - positions[:, 0] * sideways
    projected = np.stack([foot[0] + body.height * x, foot[1] - body.height * (positions[:, 1] - _PITCH * z)], axis=1)
    point = dict(zip(joints, projected, strict=True))
    depth = dict(zip(joints, z, strict=True))

    parts: list[tuple[float, list[Shape]]] = []
    scale = body.height * body.thickness
    rim = max(0.011 * body.height, 0.5)

    def shaded(colour: Colour, factor: float) -> Colour:
        red, green, blue = (min(channel * factor, 255.0) for channel in colour)
        return red, green, blue

    def add(names: Sequence[str], radius: Sequence[float], colour: Colour, nearer: float = 0.0) -> None:
        nearness = sum(float(depth[name]) for name in names) / len(names)
        light = min(max(1.0 + 0.9 * nearness, 0.72), 1.08)
        outer = [scale * r for r in radius]
        inner = [max(r - rim, 0.4 * r) for r in outer]
        points = [point[name] for name in names]
        # A dark rim keeps a limb readable where it crosses a part of the same colour.
        drawn = [(_hull(points, outer), shaded(colour, 0.55 * light)), (_hull(points, inner), shaded(colour, light))]
        parts.append((nearness + nearer, drawn))

    torso = ("shoulder_left", "shoulder_right", "hip_right", "hip_left")
    add(torso, (0.048, 0.048, 0.052, 0.052), body.shirt)
    if facing > 0.1:
        chest = 0.65 * point["neck"] + 0.35 * point["pelvis"] + (0.05 * scale * sideways, 0.0)
        parts[-1][1].append((disc(chest, 0.05 * scale, facing), body.badge))
    for side in ("left", "right"):
        forearm = body.shirt if body.sleeves else body.skin
        add((f"hip_{side}", f"knee_{side}"), (0.06, 0.05), body.trousers, -0.02)
        add((f"knee_{side}", f"ankle_{side}"), (0.05, 0.038), body.trousers, -0.02)
        add((f"ankle_{side}", f"toe_{side}"), (0.034, 0.028), body.shoes, -0.01)
        add((f"shoulder_{side}", f"elbow_{side}"), (0.044, 0.038), body.shirt, 0.03)
        add((f"elbow_{side}", f"wrist_{side}"), (0.037, 0.03), forearm, 0.03)
        add((f"wrist_{side}",), (0.042,), body.skin, 0.04)
    add(("neck", "head"), (0.035, 0.035), body.skin, -0.01)
    parts.append((float(depth["head"]) + 0.01, _head(point["head"], 0.082 * body.height, facing, sideways, body)))
    return [shape for _, shapes in sorted(parts, key=lambda part: part[0]) for shape in shapes]


def _head(centre: np.ndarray, radius: float, facing: float, sideways: float, body: Body) -> list[Shape]:
    """Hair all round, a face where the head looks; a face seen from behind is hidden."""
    shapes: list[Shape] = [(disc(centre, radius), body.hair)]
    if facing > -0.35:
        face = centre + radius * np.array((0.42 * sideways, 0.2))
        shapes.append((disc(face, 0.76 * radius, 0.55 + 0.4 * max(facing, 0.0)), body.skin))
        for eye in (-1, 1):
            angle = 0.5 * eye
            if facing * cos(angle) - sideways * sin(angle) > 0.05:
                across = 0.72 * (sideways * cos(angle) + facing * sin(angle))
                shapes.append((disc(centre + radius * np.array((across, 0.1)), 0.15 * radius), (20.0, 20.0, 25.0)))
    return shapes


def rasterize(shapes: Sequence[Shape], height: int, width: int) -> tuple[np.ndarray, np.ndarray, slice, slice]:
    """Anti-aliased drawing of `shapes` in order: (colour, coverage, rows, columns).

    Returns:
        colour (h, w, 3) float32 in [0, 255], already multiplied by coverage; coverage (h, w) float32 in [0, 1], the
        share of each pixel that is covered; and the rows and columns of the image that these h x w pixels are.
        h or w is 0 when nothing falls into the image.
    """
    corners = np.concatenate([polygon for polygon, _ in shapes])
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, (width, height))
    rows, columns = slice(int(top), max(int(bottom), int(top))), slice(int(left), max(int(right), int(left)))
    size = rows.stop - rows.start, columns.stop - columns.start
    if 0 in size:
        return np.zeros((*size, 3), np.float32), np.zeros(size, np.float32), rows, columns
    canvas = np.zeros((size[0] * SUPERSAMPLING, size[1] * SUPERSAMPLING, 4), np.uint8)
    for polygon, colour in shapes:
        fine = ((polygon - (left, top)) * SUPERSAMPLING - 0.5) * (1 << _SHIFT)
        cv2.fillConvexPoly(canvas, np.rint(fine).astype(np.int32), (*colour, 255.0), cv2.LINE_8, _SHIFT)
    pixels = cv2.resize(canvas, (size[1], size[0]), interpolation=cv2.INTER_AREA).astype(np.float32)
    return pixels[..., :3], pixels[..., 3] / 255, rows, columns
