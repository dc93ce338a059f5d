"""An articulated human figure: its skeleton, and how it is drawn.

`skeleton` turns the joint angles of a pose into joint positions in three dimensions, so that turning about the vertical
axis and occlusion between limbs follow from geometry. `figure_shapes` projects the joints onto the image as convex
polygons, far ones first, and `rasterize` draws them.

Axes of the body: x to the figure's left, y up, z forward. Lengths are in standing heights, angles in radians.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin

import cv2
import numpy as np

from objabn.synthetic.actions import Angles, Pose

Colour = tuple[float, float, float]  # RGB, each in [0, 255]
Shape = tuple[np.ndarray, Colour]  # corners of a convex polygon in pixels (P, 2), its fill

SUPERSAMPLING = 4
_PITCH = 0.12  # the camera looks slightly down, so that a foot set forward lands lower in the image
_SHIFT = 4  # fractional bits of the coordinates that cv2 receives


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


def _direction(angles: Angles, outward: int) -> np.ndarray:
    forward, out = angles
    return np.array((outward * sin(out), -cos(out) * cos(forward), cos(out) * sin(forward)))


def _turned(vector: np.ndarray, angle: float) -> np.ndarray:
    """`vector` turned about the vertical axis, forward towards the figure's left."""
    x, y, z = vector
    return np.array((x * cos(angle) + z * sin(angle), y, z * cos(angle) - x * sin(angle)))


def skeleton(pose: Pose, body: Body) -> dict[str, np.ndarray]:
    """Joint positions of `pose`, each (3,), in standing heights; the lower foot is `pose.lift` above y = 0.

    Keys: pelvis, neck, head, and shoulder, elbow, wrist, hip, knee, ankle, toe, each ending in _left or _right.
    """
    up = np.array((sin(pose.tilt), cos(pose.tilt) * cos(pose.lean), cos(pose.tilt) * sin(pose.lean)))
    neck = 0.32 * up
    joints = {"pelvis": np.zeros(3), "neck": neck, "head": neck + 0.125 * up + np.array((0.0, 0.0, 0.01))}
    for index, (side, outward) in enumerate((("left", 1), ("right", -1))):
        shoulder = 0.93 * neck + _turned(np.array((outward * 0.115 * body.shoulders, 0.0, 0.0)), pose.twist)
        elbow = shoulder + 0.17 * _turned(_direction(pose.upper_arms[index], outward), pose.twist)
        hip = np.array((outward * 0.06, -0.01, 0.0))
        knee = hip + 0.235 * body.legs * _direction(pose.upper_legs[index], outward)
        joints |= {
            f"shoulder_{side}": shoulder,
            f"elbow_{side}": elbow,
            f"wrist_{side}": elbow + 0.18 * _turned(_direction(pose.lower_arms[index], outward), pose.twist),
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
