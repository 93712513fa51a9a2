"""Synthetic motion: articulated people who walk, run, turn, squat, sit down, jump, reach, wave and
stand.

Nothing is recorded here. Joint angles come from published gait curves, minimum-jerk gestures and
ballistic flight; forward kinematics turns them into joints; the feet that bear weight move the
pelvis. Every random quantity is a parameter of a function of continuous time, so a clip is the same
motion at every frame rate.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
from jaxtyping import Float

from stride_nb.datasets.synthetic_body import (
    ANGLES,
    GRAVITY,
    Pose,
    SyntheticBody,
    compute_foot_lift,
    compute_leg_reach,
    crouch,
    draw_synthetic_body,
    limit_angles,
    make_neutral_pose,
    place_joints,
    plan_root_path,
    raise_arms,
)
from stride_nb.datasets.synthetic_gait import make_gait, swing_arms
from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence, check_fps

__all__ = [
    "ACTIVITIES",
    "SPLITS",
    "load",
    "min_jerk",
    "perform_activity",
    "register_activity",
]

# a split is a stream of the seed: no person stands in two
SPLITS = {"train": 0, "val": 1, "test": 2}
ACTIVITIES: dict[str, Callable] = {}

# Slow drift of the angles of a part, standard deviation in degrees: arms are free, legs carry.
_DRIFT = dict.fromkeys(("pelvis", "hip", "knee", "ankle"), 0.3)
_DRIFT |= dict.fromkeys(("trunk", "neck"), 2.5) | dict.fromkeys(("shoulder", "elbow"), 4.0)


def register_activity(name: str):
    """Register ``function(t, rng, body, until) -> pose`` under its name; from ``until`` (seconds)
    on, nothing new begins in it."""

    def add_activity(function: Callable) -> Callable:
        ACTIVITIES[name] = function
        return function

    return add_activity


def min_jerk(t: Float[np.ndarray, " T"], start: float, duration: float) -> Float[np.ndarray, " T"]:
    """0 → 1 along the path of least jerk (Flash and Hogan, 1985): 10u³ − 15u⁴ + 6u⁵."""
    u = np.clip((t - start) / duration, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def _draw_wander(t: np.ndarray, rng: np.random.Generator, amount, fastest: Any = 0.5) -> np.ndarray:
    """Slow aimless variation: four sinusoids below ``fastest`` Hz, together of standard deviation
    ``amount``.

    Both may be arrays (D,), for D variations (D, T) at once.
    """
    amount, fastest = np.broadcast_arrays(amount, fastest)
    frequency, phase = rng.uniform(0, 1, (2, 4, *amount.shape))
    frequency = 0.05 + frequency * (fastest - 0.05)
    waves = np.sin(2 * np.pi * (t * frequency[..., None] + phase[..., None])).sum(0)
    return (amount / np.sqrt(2) * waves.T).T


def _draw_repetitions(until: float, rng: np.random.Generator, length: tuple, pause: tuple):
    """(start, duration, its own generator) of the repetitions that begin before that time."""
    start = rng.uniform(0.1, 0.6)
    while start < until:
        duration = rng.uniform(*length)
        yield start, duration, rng.spawn(1)[0]
        start += duration + rng.uniform(*pause)


def _draw_stride_phase(t, rng, frequency: float) -> np.ndarray:
    """Strides since a right heel contact: steady, with a slight wander of the cadence."""
    return rng.uniform() + frequency * t + _draw_wander(t, rng, 0.01, 0.3)


@register_activity("walk")
def perform_walk(t, rng, body: SyntheticBody, until: float) -> Pose:
    """Level walking. Step length and cadence rise together, at a constant walk ratio (Sekiya and
    Nagasaki, 1998)."""
    return _draw_walk(t, rng, body, stride=rng.uniform(0.65, 1.15))


def _draw_walk(t, rng, body: SyntheticBody, stride: float, least: float = 0.7) -> Pose:
    # 110 steps/min at stature 1.7 m (Winter, 1991), slower for longer legs as a pendulum is
    pendulum = np.sqrt(1.7 / body.stature)
    cadence = 110 / 120 * max(stride, least) * pendulum * rng.normal(1, 0.03)
    cycle = _draw_stride_phase(t, rng, cadence)
    pose = make_gait("walk", cycle, stride, stance=0.62, ramp=0.12)
    mean, swing = rng.uniform(-8, 0), stride * rng.uniform(8, 20)
    swing_arms(pose, cycle, mean, swing, rng.uniform(18, 35), rng.uniform(4, 12))
    pose["trunk_bend"] += 2 * stride
    return pose


@register_activity("run")
def perform_run(t, rng, body: SyntheticBody, until: float) -> Pose:
    """Running with a flight phase after every step (Novacheck, 1998)."""
    stride = rng.uniform(0.75, 1.15)
    cadence = (1.15 + 0.25 * stride) * np.sqrt(1.7 / body.stature) * rng.normal(1, 0.03)
    cycle = _draw_stride_phase(t, rng, cadence)
    pose = make_gait("run", cycle, stride, stance=0.39, ramp=0.04)
    mean, elbow, bend = rng.uniform(-35, -20), rng.uniform(80, 105), rng.uniform(5, 12)
    swing_arms(pose, cycle, mean, 22 * stride, elbow, bend)
    lean = rng.uniform(2, 7)
    shares = {"pelvis_tilt": 0.5, "rhip": 0.5, "lhip": 0.5, "trunk_bend": 1.0, "neck_bend": -0.8}
    for name, share in shares.items():
        pose[name] += share * lean
    return pose


@register_activity("turn")
def perform_turn(t, rng, body: SyntheticBody, until: float) -> Pose:
    """Walking or stepping on the spot while turning by 60° to 180° at a time; the head leads."""
    pose = _draw_walk(t, rng, body, rng.uniform(0.4, 0.95), least=0.85)
    for start, duration, r in _draw_repetitions(until, rng, (1.2, 2.4), (0.4, 1.5)):
        angle = r.choice([-1, 1]) * r.uniform(60, 180) * duration / 2.4
        for lead, name, gain in (
            (0, "yaw_rate", 1.0),
            (0.25, "neck_twist", 0.15),
            (0.12, "trunk_twist", 0.05),
        ):
            u = np.clip((t + lead - start) / duration, 0, 1)
            pose[name] += gain * angle * 30 * u**2 * (1 - u) ** 2 / duration
    return pose


def _go_and_return(t, start: float, duration: float, hold: float) -> np.ndarray:
    """Min-jerk out, hold for the share ``hold`` of the duration, and back."""
    leg = duration * (1 - hold) / 2
    return min_jerk(t, start, leg) - min_jerk(t, start + duration - leg, leg)


@register_activity("squat")
def perform_squat(t, rng, body: SyntheticBody, until: float) -> Pose:
    """Squats of varied depth, arms forward for balance."""
    pose, arms = make_neutral_pose(t), rng.uniform(30, 85)
    for start, duration, r in _draw_repetitions(until, rng, (1.4, 2.6), (0.1, 0.6)):
        s = _go_and_return(t, start, duration, r.uniform(0.0, 0.25))
        crouch(pose, s * r.uniform(60, 110))
        raise_arms(pose, s, arms, 5, 15)
    return pose


@register_activity("sit")
def perform_sit(t, rng, body: SyntheticBody, until: float) -> Pose:
    """Sitting down and standing up; the trunk leans forward most half-way (after Schenkman et al.,
    1990)."""
    pose = perform_stand(t, rng, body, until)
    for start, duration, r in _draw_repetitions(until, rng, (3.4, 5.2), (0.3, 1.0)):
        leg = r.uniform(1.0, 1.4)
        s = min_jerk(t, start, leg) - min_jerk(t, start + duration - leg, leg)
        lean = 4 * s * (1 - s) * r.uniform(22, 32)
        crouch(pose, s * r.uniform(84, 96), shank=0.10 + 0.14 * (1 - s), lean=0.08)
        for name in ("pelvis_tilt", "trunk_bend"):
            pose[name] = pose[name] + lean / 2 + (s * 2 if name == "trunk_bend" else 0)
        for side in "rl":
            pose[side + "hip"] += lean / 2
        raise_arms(pose, s, r.uniform(15, 30), r.uniform(2, 10), r.uniform(30, 50), 15)
    return pose


def _interpolate_quintic(t: np.ndarray, states: list) -> np.ndarray:
    """The path through ``states`` (time, position, velocity, acceleration), a quintic between two,
    held outside."""
    path = np.where(t < states[0][0], states[0][1], states[-1][1]).astype(float)
    for (ta, pa, va, aa), (tb, pb, vb, ab) in pairwise(states):
        if not (now := (t >= ta) & (t < tb)).any():
            continue
        h = tb - ta
        d, e, f = pb - pa - va * h - aa * h**2 / 2, (vb - va - aa * h) * h, (ab - aa) * h**2
        cubic, quartic, quintic = 10 * d - 4 * e + f / 2, -15 * d + 7 * e - f, 6 * d - 3 * e + f / 2
        powers = quintic, quartic, cubic, aa * h**2 / 2, va * h, pa
        path[now] = np.polyval(powers, (t[now] - ta) / h)
    return path


@register_activity("jump")
def perform_jump(t, rng, body: SyntheticBody, until: float) -> Pose:
    """Counter-movement jumps: crouch, push-off, ballistic flight, landing (rise of the pelvis 0.12
    m to 0.35 m)."""
    pose = make_neutral_pose(t)
    # a straight leg cannot begin to bend smoothly: its height has no slope there
    crouch(pose, np.full(len(t), 8.0))
    for start, _, r in _draw_repetitions(until, rng, (2.4, 2.8), (0.0, 0.8)):
        _add_jump(pose, t, start, r, body)
    return pose


def _add_jump(pose: Pose, t: np.ndarray, start: float, rng, body: SyntheticBody) -> None:
    """Write one jump into ``pose``."""
    rise, depth = rng.uniform(0.12, 0.35), rng.uniform(0.13, 0.20) * body.stature
    speed = np.sqrt(2 * GRAVITY * rise)  # of the hips at take-off and landing, m/s
    low = start + rng.uniform(0.50, 0.65)
    leave = low + rng.uniform(0.28, 0.36)
    land = leave + 2 * speed / GRAVITY
    caught = land + rng.uniform(0.28, 0.36)
    end = caught + rng.uniform(0.6, 0.8)
    raised = lambda time: min_jerk(time, leave - 0.14, 0.24) - min_jerk(time, land - 0.10, 0.24)
    heels = lambda time: 40 * raised(time)
    times = start, low, leave, land, caught, end
    crouch(pose, _plan_jump_knees(t, times, heels, speed, depth, body) - 8)
    for s in "rl":
        pose[s + "ankle"] -= heels(t)
        pose[s + "support"] = np.where((t > leave) & (t < land), 0.0, pose[s + "support"])
    back = min_jerk(t, start, low - start) - min_jerk(t, low - 0.1, leave - low + 0.1)
    raise_arms(pose, back, -35, 5, 10)
    up = min_jerk(t, low - 0.05, leave - low + 0.2) - min_jerk(t, land - 0.15, 0.8)
    raise_arms(pose, up, rng.uniform(50, 120), 10, 25)


def _plan_jump_knees(t, times: tuple, heels, speed, depth, body: SyntheticBody) -> np.ndarray:
    """Bend of the knees (T,), degrees. On the ground the height of the hips is planned, piecewise
    quintic, and the law of the two-link leg turns it into the bend; in flight the knees stretch and
    bend again freely."""
    start, low, leave, land, caught, end = times
    knee = np.linspace(0, 135, 136)
    reach = compute_leg_reach(body, knee)
    lift = lambda time: compute_foot_lift(body, heels(time)) - compute_foot_lift(body, np.zeros(1))
    upright, (leave_height, land_height) = reach[8], reach[38] + lift(np.array([leave, land]))
    ground_states = [
        (start, upright, 0, 0),
        (low, upright - depth, 0, 8),
        (leave, leave_height, speed, -GRAVITY),
        (land, land_height, -speed, -GRAVITY),
        (caught, upright - 0.8 * depth, 0, 8),
        (end, upright, 0, 0),
    ]
    bend = np.interp(_interpolate_quintic(t, ground_states) - lift(t), reach[::-1], knee[::-1])
    rates = []  # of the knees at take-off and landing, degrees/s
    for time, velocity in ((leave, speed), (land, -speed)):
        climb = np.diff(lift(time + np.array([-1e-4, 1e-4])))[0] / 2e-4
        rates.append((velocity - climb) / (reach[39] - reach[37]) * 2)
    out, back = (min(2 * 30 / abs(rate), 0.5 * (land - leave)) for rate in rates)
    air = (t > leave) & (t < land)
    air_states = [
        (leave, 38, rates[0], 0),
        (leave + out, 8, 0, 0),
        (land - back, 8, 0, 0),
        (land, 38, rates[1], 0),
    ]
    bend[air] = _interpolate_quintic(t[air], air_states)
    return bend


@register_activity("reach")
def perform_reach(t, rng, body: SyntheticBody, until: float) -> Pose:
    """Reaching with one hand or both, high and low, near and far."""
    pose = perform_stand(t, rng, body, until)
    for start, duration, r in _draw_repetitions(until, rng, (1.3, 2.4), (0.0, 0.5)):
        s = _go_and_return(t, start, duration, r.uniform(0.1, 0.35))
        sides = r.choice(["r", "l", "rl"], p=[0.4, 0.4, 0.2])
        m = {"r": -1, "l": 1, "rl": 0}[sides]
        low = r.uniform(40, 90) * (r.uniform() < 0.3)
        crouch(pose, s * low, lean=0.7)
        flexion, abduction = r.uniform(45, 140) - 0.3 * low, r.uniform(-10, 45)
        elbow, rotation = r.uniform(0, 45), r.uniform(-20, 30)
        raise_arms(pose, s, flexion, abduction, elbow, rotation, sides)
        pose["trunk_bend"] += s * r.uniform(0, 18)
        pose["trunk_twist"] -= m * s * r.uniform(0, 22)
        pose["trunk_side"] -= m * s * r.uniform(-4, 8)
        pose["neck_twist"] += m * s * r.uniform(0, 15)
    return pose


@register_activity("wave")
def perform_wave(t, rng, body: SyntheticBody, until: float) -> Pose:
    """Waving: the upper arm raised sideways, the forearm beating 1.2 to 2.2 times a second."""
    pose = perform_stand(t, rng, body, until)
    for start, duration, r in _draw_repetitions(until, rng, (3.0, 5.0), (0.4, 1.2)):
        side, beat = r.choice(["r", "l"]), r.uniform(1.2, 2.2)
        s = min_jerk(t, start, 0.8) - min_jerk(t, start + duration - 0.8, 0.8)
        raise_arms(pose, s, r.uniform(10, 35), r.uniform(60, 100), r.uniform(65, 95), -80, side)
        swing = s * np.sin(2 * np.pi * beat * (t - start))
        pose[side + "elbow"] += r.uniform(12, 24) * swing
        pose[side + "shoulder_rot"] += r.uniform(-8, 8) * swing
    return pose


@register_activity("stand")
def perform_stand(t, rng, body: SyntheticBody, until: float) -> Pose:
    """Quiet standing: sway about the ankles, weight shifted from leg to leg, a look around."""
    pose = make_neutral_pose(t)
    sway, shift = _draw_wander(t, rng, 0.7), _draw_wander(t, rng, 2.0, 0.4)
    look = _draw_wander(t, rng, 9, 0.3)
    for s, sign in (("r", -1), ("l", 1)):
        pose[s + "ankle"] += sway
        pose[s + "hip"] -= sway
        pose[s + "hip_abd"] += sign * shift
    pose["neck_twist"], pose["trunk_twist"] = look, 0.4 * look
    return pose


@register_activity("mix")
def perform_mix(t, rng, body: SyntheticBody, until: float) -> Pose:
    """Three or more activities in a row, each flowing into the next within about a second."""
    mixable = ["walk", "stand", "reach", "turn", "wave", "squat", "run"]
    start, pose, choices = 0.0, None, mixable
    while pose is None or start < until:
        name = choices[rng.integers(len(choices))]
        new = ACTIVITIES[name](t - start, rng.spawn(1)[0], body, until - start)
        pose = new if pose is None else _blend_poses(pose, new, min_jerk(t, start, 1.0))
        start += rng.uniform(2.2, 3.4)
        choices = [other for other in mixable if other != name]
    return pose


def _blend_poses(a: Pose, b: Pose, w: np.ndarray) -> Pose:
    """From pose ``a`` to ``b`` by the share ``w`` (T,). A foot bears weight only where it does so
    in both, so that the legs come together by steps and not by sliding."""
    mixed = {name: (1 - w) * a[name] + w * b[name] for name in a}
    for name in ("rsupport", "lsupport"):
        mixed[name] = np.maximum(a[name], 1e-3) ** (1 - w) * np.maximum(b[name], 1e-3) ** w
    return mixed


def _vary_posture(pose: Pose, t, rng) -> None:
    """What makes the same activity differ between people and moments: carriage, and slow variation
    of every angle."""
    knees, width, out = rng.uniform(2, 12), rng.uniform(0, 3), rng.uniform(0, 10)
    crouch(pose, knees + _draw_wander(t, rng, 1.5, 0.6), shank=0.5, lean=0.0)
    pose["trunk_bend"] += rng.uniform(-4, 5)
    pose["neck_bend"] += rng.uniform(-8, 8)
    arms = rng.uniform(3, 9), rng.uniform(8, 20)
    for s in "rl":
        pose[s + "hip_abd"] += width
        pose[s + "hip_rot"] -= out
        pose[s + "shoulder_abd"] = pose[s + "shoulder_abd"] + arms[0] + rng.normal(0, 1.5)
        pose[s + "elbow"] = pose[s + "elbow"] + arms[1] + rng.normal(0, 2)
    amount = np.array([next(v for part, v in _DRIFT.items() if part in name) for name in ANGLES])
    drifts = _draw_wander(t, rng, amount, np.where(amount < 1, 0.5, 2.0))
    for name, drift in zip(ANGLES, drifts):
        pose[name] += drift


def perform_activity(
    name: str,
    t: Float[np.ndarray, " T"],
    rng: np.random.Generator,
    body: SyntheticBody,
    until: float | None = None,
) -> Pose:
    """Joint angles of an activity at the times ``t``, seconds, for a person: a pose (see
    ``synthetic_body``).

    Args:
        until: seconds from which on no gesture begins; default: the last of ``t``. Of two samplings
            of a motion it has to be the same.

    Raises:
        InputError: an unknown activity.
    """
    if name not in ACTIVITIES:
        known = f"one of {', '.join(ACTIVITIES)}"
        raise InputError("synthetic motion", "activity", known, repr(name))
    pose = ACTIVITIES[name](t, rng, body, t[-1] if until is None else until)
    _vary_posture(pose, t, rng)
    limit_angles(pose)
    return pose


def _sample_times(seconds: float, fps: float) -> np.ndarray:
    return np.arange(max(1, round(seconds * fps))) / fps


def _make_clip(name: str, seconds: float, fps: float, rng: np.random.Generator) -> np.ndarray:
    """One person's motion: joints (T, 17, 3), metres, Y up, feet on y = 0."""
    # the same at every rate, wherever its last frame lies
    t, until = _sample_times(seconds, fps), _sample_times(seconds, 50)[-1]
    body, heading = draw_synthetic_body(rng), rng.uniform(-180, 180)
    pose = perform_activity(name, t, rng, body, until)
    turns = np.cumsum(pose["yaw_rate"][1:] + pose["yaw_rate"][:-1]) / 2 / fps
    yaw = heading + np.concatenate([[0], turns])
    joints, feet = place_joints(body, pose, yaw)
    return joints + plan_root_path(pose, feet, fps)[:, None]


def load(
    split: str = "test", clips: int = 8, seconds: float = 8.0, seed: int = 0, fps: float = 50
) -> list[PoseSequence]:
    """Seeded motion of people who exist nowhere, the activities in turn.

    Args:
        split: train, val or test: different people and motions for the same seed.
        clips: how many sequences; clip i is the same whatever their number.
        seconds: length of each.
        seed: an integer from 0 on.
        fps: frames per second; the motions are the same at any.

    Returns:
        sequences named ``synthetic_<split>_<activity>_<i>``, world coordinates, metres, Y up,
        ground at y = 0.

    Raises:
        InputError: an unknown split, a seed below 0, no clip, or a length or rate that is no
            positive number.
    """
    if split not in SPLITS:
        raise InputError("synthetic motion", "split", f"one of {', '.join(SPLITS)}", repr(split))
    for field, value, least in (("seed", seed, 0), ("clips", clips, 1)):
        if not isinstance(value, (int, np.integer)) or value < least:
            raise InputError("synthetic motion", field, f"an integer ≥ {least}", repr(value))
    if not isinstance(seconds, (int, float, np.integer, np.floating)) or not 0 < seconds < np.inf:
        raise InputError("synthetic motion", "seconds", "a positive number", repr(seconds))
    fps, names = check_fps("synthetic motion", fps), list(ACTIVITIES)
    sequences = []
    for i in range(clips):
        name = names[i % len(names)]
        joints = _make_clip(name, seconds, fps, np.random.default_rng([seed, SPLITS[split], i]))
        sequences.append(PoseSequence(joints, fps=fps, name=f"synthetic_{split}_{name}_{i:03d}"))
    return sequences
