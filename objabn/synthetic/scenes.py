"""The embedded data set: short videos of an articulated figure doing one of eight actions, with exact instance masks.

Every video follows from (seed, split, number) alone, so any of them can be made again in any process, and any frame
can be rendered without the others:

    scene = make_scene("walk", seed=0, split="train", number=6)
    frame, person, other = render_frame(scene, 10)

Person, background, distractors and motion come from separate random streams: scenes that differ only in `bias` or in
the action show the same person among the same distractors.
"""

import zlib
from dataclasses import dataclass
from math import pi

import cv2
import numpy as np

from objabn.synthetic.actions import MOTIONS, Style
from objabn.synthetic.backgrounds import BACKGROUNDS, Background, render_background
from objabn.synthetic.figures import Body, Colour, disc, figure_shapes, rasterize
from objabn.synthetic.pretraining_actions import OTHER_MOTIONS

ACTIONS: tuple[str, ...] = ("clap", "jump", "jumping_jacks", "kick", "squat", "turn", "walk", "wave")
OTHER_ACTIONS: tuple[str, ...] = tuple(OTHER_MOTIONS)  # never part of the data set: pretraining sees them
_ALL_MOTIONS = MOTIONS | OTHER_MOTIONS


@dataclass(frozen=True)
class Distractor:
    """A shape ("disc" or "box") that drifts behind the person; lengths in pixels, speeds per frame, radians."""

    shape: str
    colour: Colour
    radius: float
    start: tuple[float, float]
    velocity: tuple[float, float]
    angle: float
    spin: float


@dataclass(frozen=True)
class Scene:
    """Everything that `render_frame` needs.

    `phases` (cycles) and `feet` (image points (x, y) on the ground under the body) have one entry a frame; `view` is
    the direction the figure faces, 0 at the camera; `noise` is the standard deviation of the sensor noise and `shadow`
    the darkness in [0, 1] of the spot under the feet.
    """

    action: str
    num_frames: int
    height: int
    width: int
    looks: Body
    style: Style
    background: Background
    distractors: tuple[Distractor, ...]
    view: float
    phases: tuple[float, ...]
    feet: tuple[tuple[float, float], ...]
    shadow: float
    noise: float
    noise_seed: int


def _colour(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Colour:
    hue = np.float32(rng.uniform(0, 360))
    pixel = np.array([[[hue, rng.uniform(*saturation), rng.uniform(*value)]]], np.float32)
    red, green, blue = cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0] * 255
    return float(red), float(green), float(blue)


def _contrasting(rng: np.random.Generator, colours: tuple[Colour, Colour]) -> Colour:
    """A strong colour, of eight drawn the one farthest from both `colours`, or the first that is far enough."""
    drawn = [_colour(rng, (0.35, 1.0), (0.15, 1.0)) for _ in range(8)]
    distances = [min(float(np.linalg.norm(np.subtract(colour, other))) for other in colours) for colour in drawn]
    far = [colour for colour, distance in zip(drawn, distances, strict=True) if distance > 110]
    return far[0] if far else drawn[int(np.argmax(distances))]


def _draw_background(rng: np.random.Generator, action: str, bias: float, floor: float) -> Background:
    # Both numbers are always drawn, so that `bias` changes nothing but the kind.
    tied, kind = rng.random() < abs(bias), int(rng.integers(len(BACKGROUNDS)))
    if tied and action in MOTIONS:
        kind = (list(MOTIONS).index(action) + (bias < 0)) % len(BACKGROUNDS)
    light, dark = _colour(rng, (0.1, 0.5), (0.6, 0.85)), _colour(rng, (0.1, 0.6), (0.3, 0.5))
    return Background(BACKGROUNDS[kind], int(rng.integers(2**32)), (light, dark), floor)


def _draw_looks(rng: np.random.Generator, height: float, colours: tuple[Colour, Colour]) -> Body:
    tone = rng.random()
    skin = (1 - tone) * np.array((238, 196, 165)) + tone * np.array((112, 72, 50))
    hair = np.array(((30, 24, 20), (90, 55, 30), (190, 150, 80), (120, 40, 25), (150, 150, 150))[rng.integers(5)])
    shirt, trousers = _contrasting(rng, colours), _contrasting(rng, colours)
    dark = sum(shirt) < 380
    return Body(
        height=height,
        thickness=rng.uniform(0.95, 1.25),
        shoulders=rng.uniform(0.95, 1.2),
        legs=rng.uniform(0.94, 1.06),
        skin=tuple(skin.tolist()),
        hair=tuple(hair.tolist()),
        shirt=shirt,
        trousers=trousers,
        shoes=_colour(rng, (0.0, 0.3), (0.1, 0.25)),
        badge=(240.0, 240.0, 225.0) if dark else (30.0, 30.0, 50.0),
        sleeves=bool(rng.random() < 0.5),
    )


def _draw_distractors(rng: np.random.Generator, num_frames: int, height: int, width: int) -> tuple[Distractor, ...]:
    drawn = []
    for _ in range(int(rng.integers(3))):
        heading = int(rng.choice((-1, 1)))
        velocity = heading * rng.uniform(0.4, 1.4) * width / num_frames, rng.uniform(-0.2, 0.2) * height / num_frames
        middle = rng.uniform(0.15, 0.85) * width, rng.uniform(0.1, 0.85) * height
        start = middle[0] - velocity[0] * num_frames / 2, middle[1] - velocity[1] * num_frames / 2
        shape, radius = ("disc", "box")[int(rng.integers(2))], rng.uniform(0.035, 0.075) * height
        colour, angle, spin = _colour(rng, (0.4, 1.0), (0.4, 1.0)), rng.uniform(0, pi), rng.uniform(-0.12, 0.12)
        drawn.append(Distractor(shape, colour, radius, start, velocity, angle, spin))
    return tuple(drawn)


def make_scene(
    action: str,
    *,
    seed: int,
    split: str,
    number: int,
    height: int = 120,
    width: int = 160,
    min_frames: int = 32,
    max_frames: int = 40,
    bias: float = 0.0,
    figure_size: float = 0.58,
) -> Scene:
    """Scene of video `number` of `split`.

    Args:
        action: one of the eight `ACTIONS`, or of `OTHER_ACTIONS`.
        min_frames: least number of frames; from 28 on, every action completes at least one cycle.
        max_frames: greatest number of frames, itself included.
        bias: in [-1, 1]. With probability |bias| the background is the one that belongs to the action (bias > 0) or
            the one that belongs to the next action (bias < 0); else it is drawn uniformly, as always for
            OTHER_ACTIONS, which have no background of their own.
        figure_size: mean standing height as a share of the frame's height, in (0, 0.7]; a video's own is within 20 %.
            Above 0.58, raised hands and jumps may leave the frame.

    Raises:
        ValueError: for an unknown action, or a number outside its range.
    """
    if action not in _ALL_MOTIONS:
        raise ValueError(f"action: expected one of {', '.join(_ALL_MOTIONS)}, got {action!r}")
    if not -1 <= bias <= 1:
        raise ValueError(f"bias: expected a number in [-1, 1], got {bias}")
    if not 0 < figure_size <= 0.7:
        raise ValueError(f"figure_size: expected a number in (0, 0.7], got {figure_size}")
    if not 1 <= min_frames <= max_frames:
        raise ValueError(f"expected 1 <= min_frames <= max_frames, got {min_frames} and {max_frames}")
    if min(height, width) < 16:
        raise ValueError(f"expected height and width of at least 16 pixels, got {height} and {width}")

    entropy = np.random.SeedSequence((seed, zlib.crc32(split.encode()), number))
    person, backdrop, others, moving, sensor = (np.random.default_rng(child) for child in entropy.spawn(5))

    num_frames = int(moving.integers(min_frames, max_frames + 1))
    # An image narrower than high holds a smaller figure, or spread arms would leave it.
    size = figure_size * moving.uniform(0.8, 1.2) * min(height, width)
    ground = moving.uniform(min(0.95 * height, 1.3 * size + 0.02 * height), 0.95 * height)
    background = _draw_background(backdrop, action, bias, ground - 0.12 * size)

    motion = _ALL_MOTIONS[action]
    mirror, side, heading = (int(moving.choice((-1, 1))) for _ in range(3))
    period, view, travel, sway = (moving.uniform(*span) for span in (motion.period, motion.view, motion.travel, (0, 1)))
    style = Style(moving.uniform(0.88, 1.08), side, moving.random())
    start, elsewhere = moving.random(2)
    margin = min(0.42 * size, 0.45 * width)
    distance = min(travel * size, width - 2 * margin)
    heading = mirror if motion.travels_forward else heading
    middle = margin + distance / 2 + elsewhere * (width - 2 * margin - distance)
    time = np.arange(num_frames)
    # Steady travel, because a background estimated by the median over time only stays clean where the body moves on.
    xs = middle + heading * distance * (time / max(num_frames - 1, 1) - 0.5)
    xs += 0.02 * size * np.sin(2 * pi * (time / period + sway))
    return Scene(
        action=action,
        num_frames=num_frames,
        height=height,
        width=width,
        looks=_draw_looks(person, size, background.colours),
        style=style,
        background=background,
        distractors=_draw_distractors(others, num_frames, height, width),
        view=mirror * view,
        phases=tuple((start + time / period).tolist()),
        feet=tuple((x, ground) for x in xs.tolist()),
        shadow=0.3,
        noise=sensor.uniform(1.5, 4.0),
        noise_seed=int(sensor.integers(2**32)),
    )


def _distractor_polygon(distractor: Distractor, index: int) -> np.ndarray:
    centre = np.add(distractor.start, np.multiply(index, distractor.velocity))
    if distractor.shape == "disc":
        return disc(centre, distractor.radius)
    corners = distractor.angle + distractor.spin * index + np.array((0.7, pi - 0.7, pi + 0.7, -0.7))
    return centre + 1.2 * distractor.radius * np.stack([np.cos(corners), np.sin(corners)], axis=1)


def render_frame(scene: Scene, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frame `index` of the video and its truth: (frame, person, other).

    Returns:
        frame (H, W, 3) uint8 RGB; person (H, W) bool, the pixels of which the figure covers at least half; other
        (H, W) bool, the same for the moving distractors, without what the figure hides. The figure's shadow belongs
        to neither.

    Raises:
        ValueError: if `index` is not a frame of the video.
    """
    if not 0 <= index < scene.num_frames:
        raise ValueError(f"index: expected a frame in [0, {scene.num_frames - 1}], got {index}")
    height, width, looks = scene.height, scene.width, scene.looks
    image = render_background(scene.background, height, width).copy()
    person, other = np.zeros((height, width), bool), np.zeros((height, width), bool)

    pose = _ALL_MOTIONS[scene.action].pose(scene.phases[index], scene.style)
    foot = scene.feet[index]
    spread = disc((0.0, 0.0), 0.2 * looks.height * (1 - pose.lift)) * (1.0, 0.18) + foot
    _, dark, rows, columns = rasterize([(spread, (0.0, 0.0, 0.0))], height, width)
    image[rows, columns] *= 1 - scene.shadow * dark[..., None]

    layers = [(other, [(_distractor_polygon(each, index), each.colour)]) for each in scene.distractors]
    layers.append((person, figure_shapes(pose, looks, scene.view, foot)))
    for mask, shapes in layers:
        colour, coverage, rows, columns = rasterize(shapes, height, width)
        image[rows, columns] = colour + (1 - coverage[..., None]) * image[rows, columns]
        mask[rows, columns] |= coverage >= 0.5

    rng = np.random.default_rng((scene.noise_seed, index))
    image += scene.noise * rng.standard_normal(image.shape, dtype=np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8), person, other & ~person


def render_video(scene: Scene) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All frames of the video: frames (N, H, W, 3) uint8 RGB, person (N, H, W) bool, other (N, H, W) bool."""
    frames, person, other = zip(*(render_frame(scene, index) for index in range(scene.num_frames)), strict=True)
    return np.stack(frames), np.stack(person), np.stack(other)


def plan(
    *,
    seed: int,
    train_videos: int,
    test_videos: int,
    bias: float = 0.0,
    test_bias: float = 0.0,
    height: int = 120,
    width: int = 160,
    min_frames: int = 32,
    max_frames: int = 40,
    figure_size: float = 0.58,
) -> list[tuple[str, str, str, Scene]]:
    """The data set's videos as (video_id, action, split, scene), the train split first.

    Video `number` of a split shows action `number % 8`, so that the classes' sizes differ by one video at most; its
    id is `<action>_<split>_<number>`. `bias` and `test_bias` tie the backgrounds of the two splits to the actions as
    described in `make_scene`: a positive `bias` with `test_bias` 0 gives a decorrelated test split, with -1 a swapped
    one.
    """
    videos = []
    for split, num_videos, tie in (("train", train_videos, bias), ("test", test_videos, test_bias)):
        for number in range(num_videos):
            action = ACTIONS[number % len(ACTIONS)]
            scene = make_scene(
                action,
                seed=seed,
                split=split,
                number=number,
                height=height,
                width=width,
                min_frames=min_frames,
                max_frames=max_frames,
                bias=tie,
                figure_size=figure_size,
            )
            videos.append((f"{action}_{split}_{number:03d}", action, split, scene))
    return videos
