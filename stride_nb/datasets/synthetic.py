"""Embedded motion: articulated people who walk, run, turn, squat, sit down, jump, reach, wave and
stand.

Nothing is recorded here. Joint angles come from published gait curves, minimum-jerk gestures and
ballistic flight; forward kinematics turns them into joints; the feet that bear weight move the
pelvis. Every random quantity is a parameter of a function of continuous time, so a clip is the same
motion at every frame rate.
"""

from __future__ import annotations

import numpy as np

from stride_nb.datasets.synthetic_body import (
    GRAVITY,
    LIMITS,
    Body,
    crouch,
    draw_body,
    foot_lift,
    forward,
    ground,
    leg_reach,
    limit,
    neutral,
    raise_arms,
)
from stride_nb.datasets.synthetic_gait import gait, swing_arms
from stride_nb.errors import InputError
from stride_nb.poses.sequence import PoseSequence, rate

__all__ = ["ACTIVITIES", "SPLITS", "activity", "load", "min_jerk", "perform"]

# a split is a stream of the seed: no person stands in two
SPLITS = {"train": 0, "val": 1, "test": 2}
ACTIVITIES = {}

# Slow drift of the angles of a part, standard deviation in degrees: arms are free, legs carry.
_DRIFT = {
    "pelvis": 0.3,
    "hip": 0.3,
    "knee": 0.3,
    "ankle": 0.3,
    "trunk": 2.5,
    "neck": 2.5,
    "shoulder": 4.0,
    "elbow": 4.0,
}


def activity(function):
    """Register ``function(t, rng, body, until) -> pose`` under its own name; from ``until``
    (seconds) on, nothing new begins in it."""
    ACTIVITIES[function.__name__] = function
    return function


def min_jerk(t: np.ndarray, start: float, duration: float) -> np.ndarray:
    """0 → 1 along the path of least jerk (Flash and Hogan, 1985): 10u³ − 15u⁴ + 6u⁵."""
    u = np.clip((t - start) / duration, 0, 1)
    return u**3 * (10 - 15 * u + 6 * u**2)


def _wander(t: np.ndarray, rng: np.random.Generator, amount, fastest=0.5) -> np.ndarray:
    """Slow aimless variation: four sinusoids below ``fastest`` Hz, together of standard deviation
    ``amount``.

    Both may be arrays (D,), for D variations (D, T) at once.
    """
    amount, fastest = np.broadcast_arrays(amount, fastest)
    frequency, phase = rng.uniform(0, 1, (2, 4, *amount.shape))
    frequency = 0.05 + frequency * (fastest - 0.05)
    return (
        amount
        / np.sqrt(2)
        * np.sin(2 * np.pi * (t * frequency[..., None] + phase[..., None])).sum(0).T
    ).T


def _events(until: float, rng: np.random.Generator, length: tuple, pause: tuple):
    """(start, duration, its own generator) of the repetitions that begin before that time."""
    start = rng.uniform(0.1, 0.6)
    while start < until:
        duration = rng.uniform(*length)
        yield start, duration, rng.spawn(1)[0]
        start += duration + rng.uniform(*pause)


def _phase(t, rng, frequency: float) -> np.ndarray:
    """Strides since a right heel contact: steady, with a slight wander of the cadence."""
    return rng.uniform() + frequency * t + _wander(t, rng, 0.01, 0.3)


@activity
def walk(t, rng, body: Body, until: float) -> dict:
    """Level walking. Step length and cadence rise together, at a constant walk ratio (Sekiya and
    Nagasaki, 1998)."""
    return _walk(t, rng, body, stride=rng.uniform(0.65, 1.15))


def _walk(t, rng, body: Body, stride: float, least: float = 0.7) -> dict:
    # 110 steps/min at stature 1.7 m (Winter, 1991), slower for longer legs as a pendulum is
    cycle = _phase(
        t, rng, 110 / 120 * max(stride, least) * np.sqrt(1.7 / body.stature) * rng.normal(1, 0.03)
    )
    pose = gait("walk", cycle, stride, stance=0.62, ramp=0.12)
    swing_arms(
        pose,
        cycle,
        rng.uniform(-8, 0),
        stride * rng.uniform(8, 20),
        rng.uniform(18, 35),
        rng.uniform(4, 12),
    )
    pose["trunk_bend"] += 2 * stride
    return pose


@activity
def run(t, rng, body: Body, until: float) -> dict:
    """Running with a flight phase after every step (Novacheck, 1998)."""
    stride = rng.uniform(0.75, 1.15)
    cycle = _phase(
        t, rng, (1.15 + 0.25 * stride) * np.sqrt(1.7 / body.stature) * rng.normal(1, 0.03)
    )
    pose = gait("run", cycle, stride, stance=0.39, ramp=0.04)
    swing_arms(
        pose, cycle, rng.uniform(-35, -20), 22 * stride, rng.uniform(80, 105), rng.uniform(5, 12)
    )
    lean = rng.uniform(2, 7)
    for name, share in (
        ("pelvis_tilt", 0.5),
        ("rhip", 0.5),
        ("lhip", 0.5),
        ("trunk_bend", 1.0),
        ("neck_bend", -0.8),
    ):
        pose[name] = pose[name] + share * lean
    return pose


@activity
def turn(t, rng, body: Body, until: float) -> dict:
    """Walking or stepping on the spot while turning by 60° to 180° at a time; the head leads."""
    pose = _walk(t, rng, body, rng.uniform(0.4, 0.95), least=0.85)
    for start, duration, r in _events(until, rng, (1.2, 2.4), (0.4, 1.5)):
        angle = r.choice([-1, 1]) * r.uniform(60, 180) * duration / 2.4
        for lead, name, gain in (
            (0, "yaw_rate", 1.0),
            (0.25, "neck_twist", 0.15),
            (0.12, "trunk_twist", 0.05),
        ):
            u = np.clip((t + lead - start) / duration, 0, 1)
            pose[name] = pose[name] + gain * angle * 30 * u**2 * (1 - u) ** 2 / duration
    return pose


def _there_and_back(t, start: float, duration: float, hold: float) -> np.ndarray:
    """Min-jerk out, hold for the share ``hold`` of the duration, and back."""
    leg = duration * (1 - hold) / 2
    return min_jerk(t, start, leg) - min_jerk(t, start + duration - leg, leg)


@activity
def squat(t, rng, body: Body, until: float) -> dict:
    """Squats of varied depth, arms forward for balance."""
    pose, arms = neutral(t), rng.uniform(30, 85)
    for start, duration, r in _events(until, rng, (1.4, 2.6), (0.1, 0.6)):
        s = _there_and_back(t, start, duration, r.uniform(0.0, 0.25))
        crouch(pose, s * r.uniform(60, 110))
        raise_arms(pose, s, arms, 5, 15)
    return pose


@activity
def sit(t, rng, body: Body, until: float) -> dict:
    """Sitting down and standing up; the trunk leans forward most half-way (after Schenkman et al.,
    1990)."""
    pose = stand(t, rng, body, until)
    for start, duration, r in _events(until, rng, (3.4, 5.2), (0.3, 1.0)):
        leg = r.uniform(1.0, 1.4)
        s = min_jerk(t, start, leg) - min_jerk(t, start + duration - leg, leg)
        lean = 4 * s * (1 - s) * r.uniform(22, 32)
        crouch(pose, s * r.uniform(84, 96), shank=0.10 + 0.14 * (1 - s), lean=0.08)
        for name in ("pelvis_tilt", "trunk_bend"):
            pose[name] = pose[name] + lean / 2 + (s * 2 if name == "trunk_bend" else 0)
        for side in "rl":
            pose[side + "hip"] = pose[side + "hip"] + lean / 2
        raise_arms(pose, s, r.uniform(15, 30), r.uniform(2, 10), r.uniform(30, 50), 15)
    return pose


def _piecewise(t: np.ndarray, states: list) -> np.ndarray:
    """The path through ``states`` (time, position, velocity, acceleration), a quintic between two,
    held outside."""
    path = np.where(t < states[0][0], states[0][1], states[-1][1]).astype(float)
    for (ta, pa, va, aa), (tb, pb, vb, ab) in zip(states, states[1:]):
        if not (now := (t >= ta) & (t < tb)).any():
            continue
        h, u = tb - ta, (t[now] - ta) / (tb - ta)
        d, e, f = pb - pa - va * h - aa * h**2 / 2, (vb - va - aa * h) * h, (ab - aa) * h**2
        path[now] = pa + u * (
            va * h
            + u
            * (
                aa * h**2 / 2
                + u
                * (10 * d - 4 * e + f / 2 + u * (-15 * d + 7 * e - f + u * (6 * d - 3 * e + f / 2)))
            )
        )
    return path


@activity
def jump(t, rng, body: Body, until: float) -> dict:
    """Counter-movement jumps: crouch, push-off, ballistic flight, landing (rise of the pelvis 0.12
    m to 0.35 m)."""
    pose = neutral(t)
    # a straight leg cannot begin to bend smoothly: its height has no slope there
    crouch(pose, np.full(len(t), 8.0))
    for start, _, r in _events(until, rng, (2.4, 2.8), (0.0, 0.8)):
        _one_jump(pose, t, start, r, body)
    return pose


def _one_jump(pose, t, start: float, rng, body: Body) -> None:
    """Write one jump into ``pose``. On the ground the height of the hips is planned, piecewise
    quintic, and the law of the two-link leg turns it into the bend of the knees; in flight the
    knees stretch and bend again freely."""
    k = np.linspace(0, 135, 136)
    reach = leg_reach(body, k)
    knee = lambda height: np.interp(height, reach[::-1], k[::-1])
    rise, depth = rng.uniform(0.12, 0.35), rng.uniform(0.13, 0.20) * body.stature
    v = np.sqrt(2 * GRAVITY * rise)
    t1 = start + rng.uniform(0.50, 0.65)
    t2 = t1 + rng.uniform(0.28, 0.36)
    t3 = t2 + 2 * v / GRAVITY
    t4 = t3 + rng.uniform(0.28, 0.36)
    t5 = t4 + rng.uniform(0.6, 0.8)
    heels = lambda time: 40 * (min_jerk(time, t2 - 0.14, 0.24) - min_jerk(time, t3 - 0.10, 0.24))
    lift = lambda time: foot_lift(body, heels(time)) - foot_lift(body, np.zeros(1))
    stand, (leave, meet) = reach[8], reach[38] + lift(np.array([t2, t3]))
    ground_states = [
        (start, stand, 0, 0),
        (t1, stand - depth, 0, 8),
        (t2, leave, v, -GRAVITY),
        (t3, meet, -v, -GRAVITY),
        (t4, stand - 0.8 * depth, 0, 8),
        (t5, stand, 0, 0),
    ]
    bend = knee(_piecewise(t, ground_states) - lift(t))
    speeds = []  # of the knees at take-off and landing, degrees/s
    for time, velocity in ((t2, v), (t3, -v)):
        climb = np.diff(lift(time + np.array([-1e-4, 1e-4])))[0] / 2e-4
        speeds.append((velocity - climb) / (reach[39] - reach[37]) * 2)
    out, back = (min(2 * 30 / abs(w), 0.5 * (t3 - t2)) for w in speeds)
    air = (t > t2) & (t < t3)
    air_states = [
        (t2, 38, speeds[0], 0),
        (t2 + out, 8, 0, 0),
        (t3 - back, 8, 0, 0),
        (t3, 38, speeds[1], 0),
    ]
    bend[air] = _piecewise(t[air], air_states)
    crouch(pose, bend - 8)
    for s in "rl":
        pose[s + "ankle"] = pose[s + "ankle"] - heels(t)
        pose[s + "support"] = np.where(air, 0.0, pose[s + "support"])
    raise_arms(
        pose, min_jerk(t, start, t1 - start) - min_jerk(t, t1 - 0.1, t2 - t1 + 0.1), -35, 5, 10
    )
    raise_arms(
        pose,
        min_jerk(t, t1 - 0.05, t2 - t1 + 0.2) - min_jerk(t, t3 - 0.15, 0.8),
        rng.uniform(50, 120),
        10,
        25,
    )


@activity
def reach(t, rng, body: Body, until: float) -> dict:
    """Reaching with one hand or both, high and low, near and far."""
    pose = stand(t, rng, body, until)
    for start, duration, r in _events(until, rng, (1.3, 2.4), (0.0, 0.5)):
        s = _there_and_back(t, start, duration, r.uniform(0.1, 0.35))
        sides = r.choice(["r", "l", "rl"], p=[0.4, 0.4, 0.2])
        m = {"r": -1, "l": 1, "rl": 0}[sides]
        low = r.uniform(40, 90) * (r.uniform() < 0.3)
        crouch(pose, s * low, lean=0.7)
        raise_arms(
            pose,
            s,
            r.uniform(45, 140) - 0.3 * low,
            r.uniform(-10, 45),
            r.uniform(0, 45),
            r.uniform(-20, 30),
            sides,
        )
        pose["trunk_bend"] = pose["trunk_bend"] + s * r.uniform(0, 18)
        pose["trunk_twist"] = pose["trunk_twist"] - m * s * r.uniform(0, 22)
        pose["trunk_side"] = pose["trunk_side"] - m * s * r.uniform(-4, 8)
        pose["neck_twist"] = pose["neck_twist"] + m * s * r.uniform(0, 15)
    return pose


@activity
def wave(t, rng, body: Body, until: float) -> dict:
    """Waving: the upper arm raised sideways, the forearm beating 1.2 to 2.2 times a second."""
    pose = stand(t, rng, body, until)
    for start, duration, r in _events(until, rng, (3.0, 5.0), (0.4, 1.2)):
        side, beat = r.choice(["r", "l"]), r.uniform(1.2, 2.2)
        s = min_jerk(t, start, 0.8) - min_jerk(t, start + duration - 0.8, 0.8)
        raise_arms(pose, s, r.uniform(10, 35), r.uniform(60, 100), r.uniform(65, 95), -80, side)
        swing = s * np.sin(2 * np.pi * beat * (t - start))
        pose[side + "elbow"] = pose[side + "elbow"] + r.uniform(12, 24) * swing
        pose[side + "shoulder_rot"] = pose[side + "shoulder_rot"] + r.uniform(-8, 8) * swing
    return pose


@activity
def stand(t, rng, body: Body, until: float) -> dict:
    """Quiet standing: sway about the ankles, weight shifted from leg to leg, a look around."""
    pose = neutral(t)
    sway, shift, look = _wander(t, rng, 0.7), _wander(t, rng, 2.0, 0.4), _wander(t, rng, 9, 0.3)
    for s, sign in (("r", -1), ("l", 1)):
        pose[s + "ankle"] = pose[s + "ankle"] + sway
        pose[s + "hip"] = pose[s + "hip"] - sway
        pose[s + "hip_abd"] = pose[s + "hip_abd"] + sign * shift
    pose["neck_twist"], pose["trunk_twist"] = look, 0.4 * look
    return pose


@activity
def mix(t, rng, body: Body, until: float) -> dict:
    """Three or more activities in a row, each flowing into the next within about a second."""
    choices = ["walk", "stand", "reach", "turn", "wave", "squat", "run"]
    start, pose = 0.0, None
    while pose is None or start < until:
        name = choices[rng.integers(len(choices))]
        new = ACTIVITIES[name](t - start, rng.spawn(1)[0], body, until - start)
        pose = new if pose is None else _blend(pose, new, min_jerk(t, start, 1.0))
        start += rng.uniform(2.2, 3.4)
        choices = [
            c for c in ("walk", "stand", "reach", "turn", "wave", "squat", "run") if c != name
        ]
    return pose


def _blend(a: dict, b: dict, w: np.ndarray) -> dict:
    """From pose ``a`` to ``b`` by the share ``w`` (T,). A foot bears weight only where it does so
    in both, so that the legs come together by steps and not by sliding."""
    mixed = {name: (1 - w) * a[name] + w * b[name] for name in a}
    for name in ("rsupport", "lsupport"):
        mixed[name] = np.maximum(a[name], 1e-3) ** (1 - w) * np.maximum(b[name], 1e-3) ** w
    return mixed


def _posture(pose: dict, t, rng) -> None:
    """What makes the same activity differ between people and moments: carriage, and slow variation
    of every angle."""
    knees, width, out = rng.uniform(2, 12), rng.uniform(0, 3), rng.uniform(0, 10)
    crouch(pose, knees + _wander(t, rng, 1.5, 0.6), shank=0.5, lean=0.0)
    pose["trunk_bend"] = pose["trunk_bend"] + rng.uniform(-4, 5)
    pose["neck_bend"] = pose["neck_bend"] + rng.uniform(-8, 8)
    arms = rng.uniform(3, 9), rng.uniform(8, 20)
    for s in "rl":
        pose[s + "hip_abd"] = pose[s + "hip_abd"] + width
        pose[s + "hip_rot"] = pose[s + "hip_rot"] - out
        pose[s + "shoulder_abd"] = pose[s + "shoulder_abd"] + arms[0] + rng.normal(0, 1.5)
        pose[s + "elbow"] = pose[s + "elbow"] + arms[1] + rng.normal(0, 2)
    amount = np.array([next(v for part, v in _DRIFT.items() if part in name) for name in LIMITS])
    for name, drift in zip(LIMITS, _wander(t, rng, amount, np.where(amount < 1, 0.5, 2.0))):
        pose[name] = pose[name] + drift


def perform(
    name: str, t: np.ndarray, rng: np.random.Generator, body: Body, until: float | None = None
) -> dict[str, np.ndarray]:
    """Joint angles of an activity at the times ``t`` (T,), seconds, for a person: a pose (see
    ``motions.body``).

    Args:
        until: seconds from which on no gesture begins; default: the last of ``t``. Of two samplings
            of a motion it has to be the same.

    Raises:
        InputError: an unknown activity.
    """
    if name not in ACTIVITIES:
        raise InputError(
            "synthetic motion", "activity", f"one of {', '.join(ACTIVITIES)}", repr(name)
        )
    pose = ACTIVITIES[name](t, rng, body, t[-1] if until is None else until)
    _posture(pose, t, rng)
    limit(pose)
    return pose


def _times(seconds: float, fps: float) -> np.ndarray:
    return np.arange(max(1, round(seconds * fps))) / fps


def _clip(name: str, seconds: float, fps: float, rng: np.random.Generator) -> np.ndarray:
    """One person's motion: joints (T, 17, 3), metres, Y up, feet on y = 0."""
    # the same at every rate, wherever its last frame lies
    t, until = _times(seconds, fps), _times(seconds, 50)[-1]
    body, heading = draw_body(rng), rng.uniform(-180, 180)
    pose = perform(name, t, rng, body, until)
    yaw = heading + np.concatenate(
        [[0], np.cumsum(pose["yaw_rate"][1:] + pose["yaw_rate"][:-1]) / 2 / fps]
    )
    joints, feet = forward(body, pose, yaw)
    return joints + ground(pose, feet, fps)[:, None]


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
    fps, names = rate("synthetic motion", fps), list(ACTIVITIES)
    sequences = []
    for i in range(clips):
        name = names[i % len(names)]
        joints = _clip(name, seconds, fps, np.random.default_rng([seed, SPLITS[split], i]))
        sequences.append(PoseSequence(joints, None, fps, name=f"synthetic_{split}_{name}_{i:03d}"))
    return sequences
