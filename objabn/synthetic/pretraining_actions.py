"""Actions that the embedded data set does not show; its backbone is pretrained on them (`pretrain.backbone`).

None is one of the eight of `actions`, but telling them apart asks for the same things: arms up, out or forward, one
limb or both, legs, height of the body, rotation, locomotion, fast and slow.
"""

from math import cos, pi, sin

from objabn.synthetic.actions import (  # isort: skip
    ARMS_HANGING, HANDS_ON_HIPS, STANDING, Angles, Motion, Pair, Pose, Style, blend, both, cycle, keyframes, mix, sided,
)  # fmt: skip


def arm_circles(phase: float, style: Style) -> Pose:
    """Both arms, straight, circle at the sides."""
    arms = both((style.side * 2 * pi * phase, 0.12 + 0.1 * style.variant))
    return Pose(arms, arms, STANDING, STANDING)


def bow(phase: float, style: Style) -> Pose:
    """The torso folds forward at straight legs, stays a moment and rises."""
    depth = keyframes(phase, (0.0, 0.35, 0.6, 1.0), (0.0, 1.0, 1.0, 0.0))
    arms = both((0.1 + 0.25 * style.variant * depth, 0.08))
    legs = both((-0.12 * depth, 0.06))
    return Pose(arms, arms, legs, legs, lean=1.3 * style.amplitude * depth)


def crawl(phase: float, style: Style) -> Pose:
    """On hands and knees, limbs stepping crosswise."""
    swing = 0.4 * style.amplitude * sin(2 * pi * phase)
    arms: Pair = (swing, 0.05), (-swing, 0.05)
    return Pose(arms, arms, ((-swing, 0.04), (swing, 0.04)), both((-pi / 2, 0.0)), lean=1.2)


def drum(phase: float, style: Style) -> Pose:
    """Forearms beat down in turn in front of the belly, elbows at the body."""
    swing = style.amplitude * sin(2 * pi * phase)
    arms: Pair = (0.25 + 0.2 * swing, 0.2), (0.25 - 0.2 * swing, 0.2)
    forearms: Pair = (1.55 + 0.6 * swing, 0.0), (1.55 - 0.6 * swing, 0.0)
    return Pose(arms, forearms, STANDING, STANDING)


def hop(phase: float, style: Style) -> Pose:
    """Small leaps on one leg, the other bent behind, arms half out for balance."""
    air = phase % 1.0
    lift = max(4 * air * (1 - air) - 0.25, 0.0) * 0.17 * style.amplitude
    landed = max(0.25 - 4 * air * (1 - air), 0.0)
    return Pose(
        both((0.2, 0.8 + 1.5 * lift)),
        both((0.4, 0.6 + 1.5 * lift)),
        sided(style.side, (0.25, 0.05), (1.2 * landed, 0.02)),
        sided(style.side, (-1.35, 0.03), (-landed, 0.02)),
        lift=lift,
    )


def knock(phase: float, style: Style) -> Pose:
    """One forearm beats forward at the height of the head, fast."""
    beat = cycle(phase)
    return Pose(
        sided(style.side, (1.15 + 0.15 * beat, 0.1), (0.05, 0.12)),
        sided(style.side, (blend(2.75, 1.75 - 0.2 * style.variant, beat), 0.05), (0.15, 0.05)),
        STANDING,
        STANDING,
        lean=0.05 * beat,
    )


def lateral_raise(phase: float, style: Style) -> Pose:
    """Both arms, straight, rise at the sides until they are level, and sink; the legs stand still."""
    out = blend(0.12, 1.5 * style.amplitude, cycle(phase))
    return Pose(both((0.05, out)), both((0.1, out)), STANDING, STANDING)


def lunge(phase: float, style: Style) -> Pose:
    """One leg steps forward and both knees bend deep, hands on the hips."""
    depth = style.amplitude * keyframes(phase, (0.0, 0.35, 0.6, 1.0), (0.0, 1.0, 1.0, 0.0))
    upper, lower = HANDS_ON_HIPS
    return Pose(
        upper,
        lower,
        sided(style.side, (1.3 * depth, 0.04), (-0.35 * depth, 0.04)),
        sided(style.side, (-0.1 * depth, 0.04), (-1.3 * depth, 0.04)),
        lean=0.1 * depth,
    )


def march(phase: float, style: Style) -> Pose:
    """Knees rise in turn to the height of the hips, on the spot, bent arms swinging against them."""

    def leg(raised: float) -> tuple[Angles, Angles]:
        thigh = 1.45 * style.amplitude * raised
        return (thigh, 0.04), (-0.25 * thigh, 0.03)

    swing = sin(2 * pi * phase)
    (left_thigh, left_shin), (right_thigh, right_shin) = leg(max(swing, 0.0)), leg(max(-swing, 0.0))
    upper: Pair = (-0.6 * swing, 0.12), (0.6 * swing, 0.12)
    lower: Pair = (1.3 - 0.6 * swing, 0.0), (1.3 + 0.6 * swing, 0.0)
    return Pose(upper, lower, (left_thigh, right_thigh), (left_shin, right_shin))


def overhead_press(phase: float, style: Style) -> Pose:
    """Both hands go straight up from beside the shoulders, and back."""
    up = keyframes(phase, (0.0, 0.4, 0.6, 1.0), (0.0, 1.0, 1.0, 0.0))
    upper = mix((0.2, 0.75), (0.1, 2.85), up)
    lower = both((0.1, 2.9 + 0.1 * style.variant))
    return Pose(both(upper), lower, STANDING, STANDING)


def point(phase: float, style: Style) -> Pose:
    """One arm rises forward until it is level, stays, and sinks; the other hangs."""
    raised = keyframes(phase, (0.0, 0.25, 0.65, 0.9, 1.0), (0.1, 1.55, 1.55, 0.1, 0.1))
    arms = sided(style.side, (raised * (0.95 + 0.1 * style.variant), 0.08), (-0.05, 0.12))
    return Pose(arms, arms, STANDING, STANDING)


def punch(phase: float, style: Style) -> Pose:
    """Fists shoot forward in turn from a guard before the chest, shoulders turning with them, one foot ahead."""

    def arm(out: float) -> tuple[Angles, Angles]:
        return mix((0.35, 0.25), (1.5, 0.02), out), mix((2.2, -0.15), (1.55, -0.1), out)

    swing = sin(2 * pi * phase)
    (left_upper, left_lower), (right_upper, right_lower) = arm(max(swing, 0.0)), arm(max(-swing, 0.0))
    return Pose(
        (left_upper, right_upper),
        (left_lower, right_lower),
        sided(style.side, (0.4, 0.06), (-0.25, 0.06)),
        sided(style.side, (-0.1, 0.05), (-0.4, 0.05)),
        lean=0.1,
        twist=-0.35 * style.amplitude * swing,
    )


def rope_skipping(phase: float, style: Style) -> Pose:
    """Small quick leaps on both feet, hands circling beside the hips."""
    lift = 0.1 * style.amplitude * cycle(phase)
    bend = 0.35 - 3 * lift
    circle = 2 * pi * phase
    return Pose(
        both((0.05, 0.3)),
        both((0.7 + 0.3 * cos(circle), 0.95 + 0.3 * sin(circle))),
        both((bend, 0.03)),
        both((-bend, 0.02)),
        lift=lift,
    )


def row(phase: float, style: Style) -> Pose:
    """Bent forward over bent knees, both arms reach down and pull the elbows up behind the back."""
    pulled = cycle(phase)
    lean = 0.85 + 0.15 * style.variant
    upper = mix((0.55, 0.1), (-1.2 * style.amplitude, 0.3), pulled)
    lower = mix((0.55, 0.05), (0.45, 0.05), pulled)
    return Pose(both(upper), both(lower), both((0.5, 0.1)), both((-0.35, 0.06)), lean=lean)


def run(phase: float, style: Style) -> Pose:
    """Fast wide strides with high heels, elbows at right angles, body inclined, a moment in the air each stride."""

    def leg(angle: float) -> tuple[Angles, Angles]:
        thigh = 0.35 + 0.85 * style.amplitude * sin(angle)
        return (thigh, 0.02), (thigh - 0.3 - 1.5 * max(cos(angle), 0.0) ** 1.2, 0.02)

    def arm(angle: float) -> tuple[Angles, Angles]:
        swing = 0.9 * style.amplitude * sin(angle)
        return (swing, 0.1), (swing + 1.5, -0.1)

    angle = 2 * pi * phase
    (left_thigh, left_shin), (right_thigh, right_shin) = leg(angle), leg(angle + pi)
    (left_upper, left_lower), (right_upper, right_lower) = arm(angle + pi), arm(angle)
    return Pose(
        (left_upper, right_upper),
        (left_lower, right_lower),
        (left_thigh, right_thigh),
        (left_shin, right_shin),
        lean=0.28,
        lift=0.05 * (0.5 + 0.5 * cos(2 * angle)),
    )


def salute(phase: float, style: Style) -> Pose:
    """One hand goes to the forehead, stays there, and drops."""
    raised = keyframes(phase, (0.0, 0.22, 0.65, 0.85, 1.0), (0.0, 1.0, 1.0, 0.0, 0.0))
    upper = mix((0.05, 0.1), (0.3, 1.35 + 0.15 * style.variant), raised)
    lower = mix((0.1, 0.08), (2.7, -0.95), raised)
    return Pose(sided(style.side, upper, (0.0, 0.08)), sided(style.side, lower, (0.05, 0.05)), STANDING, STANDING)


def side_bend(phase: float, style: Style) -> Pose:
    """The torso bends to the left and to the right in turn, arms stretched overhead along it, feet apart."""
    tilt = 0.65 * style.amplitude * sin(2 * pi * phase)
    arms: Pair = (0.0, pi - 0.12 - tilt), (0.0, pi - 0.12 + tilt)
    legs = both((0.0, 0.2))
    return Pose(arms, arms, legs, legs, tilt=tilt)


def side_leg_raise(phase: float, style: Style) -> Pose:
    """One straight leg swings out to the side and back, hands on the hips."""
    out = blend(0.05, 1.05 * style.amplitude, cycle(phase))
    upper, lower = HANDS_ON_HIPS
    legs = sided(style.side, (0.0, out), (0.0, -0.03))
    return Pose(upper, lower, legs, legs, tilt=-style.side * 0.2 * out)


def side_step(phase: float, style: Style) -> Pose:
    """Feet apart and together again in quick side steps, knees a little bent, arms hanging."""
    apart = cycle(phase)
    thigh = blend(0.02, 0.5 * style.amplitude, apart)
    bend = 0.35 - 0.2 * apart
    return Pose(ARMS_HANGING, ARMS_HANGING, both((bend, thigh)), both((-bend, thigh - 0.05)), lift=0.02 * (1 - apart))


def sit(phase: float, style: Style) -> Pose:
    """Down onto an unseen chair, hands on the thighs, upright for a while, and up again."""
    seated = keyframes(phase, (0.0, 0.25, 0.3, 0.7, 0.75, 1.0), (0.0, 0.9, 1.0, 1.0, 0.9, 0.0))
    moving = 4 * seated * (1 - seated)
    return Pose(
        both(mix((0.05, 0.1), (0.35, 0.12), seated)),
        both(mix((0.1, 0.08), (1.25, 0.0), seated)),
        both(mix((0.0, 0.06), (1.5, 0.12 + 0.15 * style.variant), seated)),
        both(mix((0.0, 0.05), (0.0, 0.05), seated)),
        lean=0.5 * moving + 0.05 * seated,
    )


def swivel(phase: float, style: Style) -> Pose:
    """The whole body turns a quarter left and a quarter right in small steps, hands on the hips."""
    turned = sin(2 * pi * phase)
    step = 0.35 * sin(8 * pi * phase)
    left, right = max(step, 0.0), max(-step, 0.0)
    upper, lower = HANDS_ON_HIPS
    return Pose(
        upper, lower, ((left, 0.06), (right, 0.06)), ((-left, 0.04), (-right, 0.04)), yaw=1.4 * style.amplitude * turned
    )


def throw(phase: float, style: Style) -> Pose:
    """One arm winds up behind the head and swings forward and down; the other reaches ahead, one foot in front."""
    times = (0.0, 0.35, 0.45, 0.62, 1.0)
    upper = keyframes(phase, times, (0.3, 2.6, 2.7, 0.9, 0.3))
    lower = keyframes(phase, times, (0.6, 4.1, 4.0, 0.7, 0.6))
    ahead = keyframes(phase, times, (0.3, 1.3, 1.2, -0.3, 0.3))
    lean = keyframes(phase, times, (0.05, -0.25, -0.2, 0.4 * style.amplitude, 0.05))
    return Pose(
        sided(style.side, (upper, 0.15), (ahead, 0.15)),
        sided(style.side, (lower, 0.1), (ahead + 0.2, 0.1)),
        sided(style.side, (-0.35, 0.05), (0.4, 0.05)),
        sided(style.side, (-0.5, 0.04), (0.0, 0.04)),
        lean=lean,
        twist=-style.side * 0.8 * lean,
    )


def toe_touch(phase: float, style: Style) -> Pose:
    """Legs apart, the torso bends down and one hand reaches for the foot of the other side while the other points up,
    left and right in turn, upright with arms out between."""
    reach = sin(2 * pi * phase)

    def arm(down: float) -> Angles:
        return mix((0.1, 1.45), (0.35, -0.45), down) if down > 0 else mix((0.1, 1.45), (0.1, 2.8), -down)

    arms = arm(reach), arm(-reach)
    legs = both((0.0, 0.35 + 0.1 * style.variant))
    return Pose(arms, arms, legs, legs, lean=1.15 * style.amplitude * abs(reach), twist=-0.7 * reach)


def twist(phase: float, style: Style) -> Pose:
    """The torso turns left and right above still legs, arms stretched out level."""
    arms = both((0.0, 1.45 + 0.1 * style.variant))
    legs = both((0.0, 0.16))
    return Pose(arms, arms, legs, legs, twist=1.1 * style.amplitude * sin(2 * pi * phase))


OTHER_MOTIONS: dict[str, Motion] = {
    "arm_circles": Motion(arm_circles, (16, 24), (0.6, 1.5), (0.5, 0.8)),
    "bow": Motion(bow, (22, 28), (0.7, 1.5), (0.5, 0.8)),
    "crawl": Motion(crawl, (16, 24), (1.1, 1.5), (0.6, 0.9), travels_forward=True),
    "drum": Motion(drum, (10, 15), (0.2, 1.2), (0.5, 0.8)),
    "hop": Motion(hop, (9, 13), (0.0, 1.5), (0.5, 0.8)),
    "knock": Motion(knock, (9, 13), (0.6, 1.4), (0.5, 0.8)),
    "lateral_raise": Motion(lateral_raise, (18, 26), (0.0, 0.5), (0.5, 0.8)),
    "lunge": Motion(lunge, (22, 28), (0.8, 1.4), (0.5, 0.8)),
    "march": Motion(march, (14, 20), (0.2, 1.2), (0.5, 0.8)),
    "overhead_press": Motion(overhead_press, (18, 26), (0.0, 0.6), (0.5, 0.8)),
    "point": Motion(point, (22, 28), (0.7, 1.5), (0.5, 0.8)),
    "punch": Motion(punch, (12, 18), (0.6, 1.4), (0.5, 0.8)),
    "rope_skipping": Motion(rope_skipping, (9, 13), (0.0, 1.2), (0.5, 0.8)),
    "row": Motion(row, (16, 24), (0.8, 1.5), (0.5, 0.8)),
    "run": Motion(run, (11, 15), (1.0, 1.5), (1.0, 1.4), travels_forward=True),
    "salute": Motion(salute, (22, 28), (0.0, 0.6), (0.5, 0.8)),
    "side_bend": Motion(side_bend, (20, 28), (0.0, 0.5), (0.5, 0.8)),
    "side_leg_raise": Motion(side_leg_raise, (16, 24), (0.0, 0.5), (0.5, 0.8)),
    "side_step": Motion(side_step, (12, 18), (0.0, 0.5), (0.7, 1.1)),
    "sit": Motion(sit, (24, 28), (0.6, 1.3), (0.5, 0.8)),
    "swivel": Motion(swivel, (22, 28), (0.0, 0.6), (0.5, 0.8)),
    "throw": Motion(throw, (20, 28), (0.8, 1.5), (0.5, 0.8)),
    "toe_touch": Motion(toe_touch, (22, 28), (0.0, 0.6), (0.5, 0.8)),
    "twist": Motion(twist, (14, 22), (0.0, 0.6), (0.5, 0.8)),
}
