"""Generated people are people: rigid bones, joints that bend as joints do, feet on the ground,
speeds as in CMU."""

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import motion_statistics
from stride_nb import datasets
from stride_nb.datasets import synthetic
from stride_nb.datasets import synthetic_body as anatomy
from stride_nb.datasets.synthetic_gait import GAITS, evaluate_curve, fit_harmonics
from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17

FPS = 50
CHILD, PARENT = np.array(H36M17.bones).T
J = {name: i for i, name in enumerate(H36M17.joints)}
NAMES = list(synthetic.ACTIVITIES)


@pytest.fixture(scope="module")
def people():
    """Activity → six sequences of six people."""
    found = {name: [] for name in NAMES}
    for sequence in synthetic.load("train", clips=6 * len(NAMES), seconds=6.0, seed=1):
        found[sequence.name.split("_")[2]].append(sequence)
    return found


def performed(name, seed=0, seconds=6.0, fps=FPS):
    """(body, pose, joints, contact points) of one clip, from the parts that ``load`` is made of."""
    rng, t = np.random.default_rng(seed), np.arange(int(seconds * fps)) / fps
    body = anatomy.draw_synthetic_body(rng)
    pose = synthetic.perform_activity(name, t, rng, body)
    joints, feet = anatomy.place_joints(body, pose, np.cumsum(pose["yaw_rate"]) / fps)
    root = anatomy.plan_root_path(pose, feet, fps)
    return body, pose, joints + root[:, None], feet + root[:, None, None]


def bones(joints):
    return np.linalg.norm(joints[:, CHILD] - joints[:, PARENT], axis=-1)


def flexion(joints, side, a, b, c):
    """Degrees by which the limb a-b-c is bent at b."""
    u, v = (joints[:, J[side + p]] - joints[:, J[side + q]] for p, q in ((b, a), (c, b)))
    cos = (u * v).sum(-1) / np.linalg.norm(u, axis=-1) / np.linalg.norm(v, axis=-1)
    return np.degrees(np.arccos(np.clip(cos, -1, 1)))


def forwards(joints):
    """Unit vector (T, 3) to where the pelvis faces, horizontal."""
    left = (joints[:, J["lhip"]] - joints[:, J["rhip"]]) * [1, 0, 1]
    return np.cross(left / np.linalg.norm(left, axis=-1, keepdims=True), [0, 1, 0])


@pytest.mark.parametrize("name", NAMES)
def test_bones_are_rigid_and_sides_equal(people, name):
    for sequence in people[name]:
        lengths = bones(sequence.joints)
        assert np.ptp(lengths, axis=0).max() < 1e-9
        assert np.allclose(bones(sequence.mirror().joints), lengths, atol=1e-9)


def test_same_seed_same_digits_and_more_clips_change_none():
    few, many = synthetic.load("val", 3, 2.0, seed=5), synthetic.load("val", 5, 2.0, seed=5)
    for a, b in zip(few, many):
        assert a.name == b.name and np.array_equal(a.joints, b.joints)
    other = synthetic.load("val", 3, 2.0, seed=6)
    assert not any(np.allclose(a.joints[0], b.joints[0], atol=1e-3) for a, b in zip(few, other))


def test_splits_and_seeds_never_share_a_person():
    shins = [
        bones(s.joints)[0, CHILD.tolist().index(J["rankle"])]
        for split in synthetic.SPLITS
        for seed in (0, 1)
        for s in synthetic.load(split, 20, 0.1, seed)
    ]
    assert np.diff(np.sort(shins)).min() > 0


def test_people_have_human_proportions():
    rng = np.random.default_rng(0)
    drawn = [anatomy.draw_synthetic_body(rng) for _ in range(300)]
    statures = [b.stature for b in drawn]
    assert min(statures) >= 1.5 and max(statures) <= 1.95 and np.std(statures) > 0.06
    share = {
        n: np.mean([b.length(n) / b.stature for b in drawn])
        for n in ("lknee", "lankle", "lelbow", "lwrist", "lhip")
    }
    # Winter (2009, fig. 4.1): thigh 0.245, shank 0.246, upper arm 0.186 and forearm 0.146 of
    # stature; the last two are split nearer to the shoulder by an elbow marker
    assert share["lknee"] == pytest.approx(0.245, abs=0.005) and share["lankle"] == pytest.approx(
        0.246, abs=0.015
    )
    assert share["lelbow"] + share["lwrist"] == pytest.approx(0.332, abs=0.02)
    assert 0.085 < 1.7 * share["lhip"] < 0.095


@pytest.mark.parametrize("name", NAMES)
def test_no_joint_leaves_its_range(name):
    for seed in range(5):
        _, pose, _, _ = performed(name, seed)
        for angle, (least, most) in anatomy.ANGLE_LIMITS.items():
            assert least <= pose[angle].min() and pose[angle].max() <= most, angle


def test_angles_turn_joints_the_way_people_do():
    body, rest = (
        anatomy.draw_synthetic_body(np.random.default_rng(0)),
        anatomy.make_neutral_pose(np.zeros(1)),
    )
    still, _ = anatomy.place_joints(body, rest, np.zeros(1))
    for angle, joint, direction in (
        ("knee", "ankle", [0, 0, -1]),
        ("hip", "knee", [0, 0, 1]),
        ("elbow", "wrist", [0, 0, 1]),
        ("shoulder", "elbow", [0, 0, 1]),
    ):
        for side in "lr":
            moved, _ = anatomy.place_joints(
                body, rest | {side + angle: np.array([30.0])}, np.zeros(1)
            )
            assert (moved - still)[0, J[side + joint]] @ direction > 0.05
    for angle, joint in (("hip_abd", "ankle"), ("shoulder_abd", "wrist")):
        for side, out in (("l", 1), ("r", -1)):
            moved, _ = anatomy.place_joints(
                body, rest | {side + angle: np.array([30.0])}, np.zeros(1)
            )
            assert out * (moved - still)[0, J[side + joint], 0] > 0.05
    turned, _ = anatomy.place_joints(body, rest, np.array([90.0]))
    assert forwards(still)[0] == pytest.approx([0, 0, 1]) and forwards(turned)[0] == pytest.approx(
        [1, 0, 0]
    )


@pytest.mark.parametrize("name", NAMES)
def test_flexed_knees_point_forward(people, name):
    for sequence in people[name]:
        for side in "lr":
            bent = flexion(sequence.joints, side, "hip", "knee", "ankle") > 20
            hip, knee, ankle = (
                sequence.joints[bent, J[side + n]] for n in ("hip", "knee", "ankle")
            )
            ahead = ((knee - (hip + ankle) / 2) * forwards(sequence.joints)[bent]).sum(-1)
            assert (ahead > 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_feet_stand_on_the_ground_and_stay(name):
    lows, planted = [], []
    for seed in range(4):
        _, pose, _, feet = performed(name, seed)
        lows.append(feet[..., 1].min((1, 2)))
        bears = np.stack([pose["rsupport"], pose["lsupport"]], 1)[..., None] > 0.95
        speed = np.linalg.norm(np.gradient(feet, 1 / FPS, axis=0)[..., [0, 2]], axis=-1)
        planted.append(speed[bears & (feet[..., 1] < 0.01)])
    lows, planted = np.concatenate(lows), np.concatenate(planted)
    assert lows.min() > -0.03
    if name not in ("jump", "run", "mix"):
        assert lows.max() < 0.01
    limit = 0.5 if name == "run" else 0.2
    assert np.percentile(planted, 50) < limit and np.percentile(planted, 90) < 2 * limit


def test_jumps_fly_by_gravity_alone():
    flights = 0
    for seed in range(6):
        _, pose, joints, _ = performed("jump", seed, fps=200)
        air = pose["rsupport"] < 0.05
        inside = air.copy()
        for shift in range(1, 13):  # away from take-off and landing, which the grounding smooths
            inside &= np.roll(air, shift) & np.roll(air, -shift)
        height = joints[:, 0, 1]
        acceleration = np.gradient(np.gradient(height, 1 / 200), 1 / 200)[inside]
        assert np.abs(acceleration + 9.81).max() < 0.1
        flights += (np.diff(air.astype(int)) == 1).sum()
        assert height[air].max() - height[0] > 0.1
    assert flights >= 6
    for sequence in synthetic.load("test", 2 * len(NAMES)):
        if "jump" in sequence.name:
            assert motion_statistics.fit_apex_acceleration(sequence) == pytest.approx(
                -9.81, abs=0.1
            )


@pytest.mark.parametrize("name", NAMES)
def test_the_frame_rate_is_only_a_sampling(name):
    slow, fast = (
        synthetic._make_clip(name, 4.0, fps, np.random.default_rng(3)) for fps in (50, 100)
    )
    slow, fast = slow, fast[::2]
    assert np.abs((slow - slow[:, :1]) - (fast - fast[:, :1])).max() < 1e-3
    assert np.linalg.norm(slow - fast, axis=-1).max() < 0.1


@pytest.mark.parametrize("fps", [10, 25, 100, 250])
@pytest.mark.parametrize(("seed", "clip"), [(28, 2), (32, 6)])
def test_what_begins_in_the_last_moment_begins_at_every_rate(seed, clip, fps):
    """A gesture between the last frame at one rate and the last frame at another: it and all that
    is drawn after it."""
    usual, other = (
        synthetic.load("test", clip + 1, 4.0, seed, rate)[clip].root_relative().joints
        for rate in (50, fps)
    )
    apart = max(1, 50 // fps), max(1, fps // 50)
    assert np.abs(usual[:: apart[0]] - other[:: apart[1]]).max() < 2e-3


def test_walking_is_walking(people):
    for sequence in people["walk"]:
        x = sequence.joints
        path = np.linalg.norm(np.diff(x[:, 0, [0, 2]], axis=0), axis=-1).sum() / (len(x) / FPS)
        assert 0.6 < path < 1.8  # m/s
        bend = flexion(x, "r", "hip", "knee", "ankle")
        assert 45 < bend.max() < 80 and bend.min() < 20
        assert 0.01 < np.ptp(x[:, 0, 1]) < 0.07  # the pelvis bobs
        along = ((x - x[:, :1]) * forwards(x)[:, None]).sum(-1)
        # arms swing against the legs
        assert np.corrcoef(along[:, J["rwrist"]], along[:, J["rankle"]])[0, 1] < -0.5
        assert np.corrcoef(along[:, J["lankle"]], along[:, J["rankle"]])[0, 1] < -0.5


def test_running_flies_and_walking_does_not():
    for name, flies in (("walk", False), ("run", True)):
        _, pose, joints, feet = performed(name, 2)
        air = np.maximum(pose["rsupport"], pose["lsupport"]) < 0.05
        assert (air.mean() > 0.1) == flies
        assert (feet[..., 1].min((1, 2)) > 0.02).any() == flies
    assert 2.0 < np.linalg.norm((joints[-1, 0] - joints[0, 0])[[0, 2]]) / 6 < 4.6


def test_other_activities_do_what_they_say(people):
    def drop(s):
        return s.joints[:, 0, 1].max() - s.joints[:, 0, 1].min()

    assert (
        min(drop(s) for s in people["squat"]) > 0.1 and min(drop(s) for s in people["sit"]) > 0.25
    )
    assert max(drop(s) for s in people["stand"]) < 0.05
    for s in people["turn"]:
        ahead = forwards(s.joints)
        heading = np.degrees(np.unwrap(np.arctan2(ahead[:, 0], ahead[:, 2])))
        assert np.ptp(heading) > 30
    for name in ("wave", "reach"):
        for s in people[name]:
            wrists = s.joints[:, [J["lwrist"], J["rwrist"]], 1]
            assert (wrists.max(0) - wrists.min(0)).max() > 0.2


def test_mixtures_have_no_jerk_of_their_own(people):
    smooth = max(
        motion_statistics.compute_accelerations(s).max()
        for name in ("walk", "run", "turn")
        for s in people[name]
    )
    assert (
        max(motion_statistics.compute_accelerations(s).max() for s in people["mix"]) < 1.2 * smooth
    )


def test_harmonics_follow_the_published_curves():
    for gait in GAITS.values():
        for knots in gait.values():
            percent, degrees = np.array(knots, float)
            assert np.abs(evaluate_curve(fit_harmonics(knots), percent / 100) - degrees).max() < 5


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.integers(0, 10**6),
    st.floats(0.02, 3.0),
    st.sampled_from([10, 25, 29.97, 50, 120]),
)
def test_any_clip_is_finite_and_of_the_length_asked_for(name, seed, seconds, fps):
    joints = synthetic._make_clip(name, seconds, fps, np.random.default_rng(seed))
    assert joints.shape == (max(1, round(seconds * fps)), 17, 3) and np.isfinite(joints).all()
    assert joints[..., 1].min() > -0.05 and joints[..., 1].max() < 3.5


def test_facing_forward_turns_and_keeps_everything_else(people):
    for s in people["walk"]:
        turned = anatomy.face_forward(s.joints)
        assert np.allclose(turned[..., 1], s.joints[..., 1]) and np.allclose(
            bones(turned), bones(s.joints)
        )
        assert np.linalg.norm(forwards(turned).mean(0) - [0, 0, 1]) < 0.05
        assert turned[-1, 0, 2] - turned[0, 0, 2] > 2 and np.sign(
            np.linalg.det(turned[0, 1:4])
        ) == np.sign(np.linalg.det(s.joints[0, 1:4]))


def test_the_door():
    clips = datasets.load("synthetic", "test", clips=len(NAMES), seconds=1.0, seed=0, fps=25)
    assert [c.name for c in clips] == [f"synthetic_test_{n}_{i:03d}" for i, n in enumerate(NAMES)]
    assert clips[0].fps == 25 and len(clips[0]) == 25 and not clips[0].missing.any()
    with pytest.raises(InputError, match="split"):
        synthetic.load("training")
    with pytest.raises(InputError, match="activity"):
        synthetic.perform_activity(
            "fly",
            np.zeros(1),
            np.random.default_rng(0),
            anatomy.draw_synthetic_body(np.random.default_rng(0)),
        )


@pytest.mark.parametrize(
    ("option", "values"),
    [
        ("seed", [-1, 0.5, None, "0"]),
        ("clips", [0, -1, 1.5, None]),
        ("seconds", [0, -1.0, np.nan, np.inf, None, "8"]),
        ("fps", [0, -50, np.nan, None, "50"]),
    ],
)
def test_impossible_options_are_named(option, values):
    for value in values:
        with pytest.raises(
            InputError, match=f"synthetic motion: {option}: expected .* found '?{value}'?$"
        ):
            datasets.load("synthetic", "test", **{option: value})


def test_an_hour_of_motion_takes_seconds():
    synthetic.load(clips=1)
    start = time.process_time()
    synthetic.load("train", clips=20, seconds=30.0)
    # seconds of motion a second: an hour in half a minute at most
    assert 600 / (time.process_time() - start) > 120


# Generated over real, by activity and quantity: the ratio of medians, 95th and 99th percentiles
# lies within these.
BOUNDS = {"speed": (0.5, 1.7), "acceleration": (0.3, 1.6)}


def test_speeds_and_accelerations_are_those_of_real_motion():
    groups = motion_statistics.load_activities(
        "synthetic", "test", clips=12 * len(NAMES), seconds=8.0, seed=0
    )
    rows = motion_statistics.tabulate_ratios(groups, "synthetic")
    assert len(rows) == len(motion_statistics.CMU_ACTIONS) * len(motion_statistics.QUANTITIES)
    for row in rows:
        least, most = BOUNDS[row["quantity"]]
        assert all(least < row[level] < most for level in ("p50", "p95", "p99")), row
        # where most of what the road shows happens, nearer than that
        if row["activity"] in ("walk", "run"):
            assert 0.8 < row["p95"] < 1.25, row


def test_the_record_is_what_the_data_says():
    try:
        clips = motion_statistics.load_cmu_clips()
    except InputError as missing:
        pytest.skip(str(missing))
    test = motion_statistics.load_activities("cmu", "test", clips=2, seconds=0, seed=0)
    assert set(test) <= set(clips) and all(len(found) <= 2 for found in test.values())
    for (name, quantity), expected in motion_statistics.load_quantiles().items():
        assert np.allclose(
            motion_statistics.compute_quantiles(clips[name], quantity), expected, rtol=1e-3
        ), (name, quantity)
