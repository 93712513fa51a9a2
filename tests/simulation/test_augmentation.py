"""Variations of a motion keep what makes it one: bones, sides, time; a view keeps people before the
camera."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb.datasets import synthetic
from stride_nb.datasets.simulation.augmentation import (
    apply_body_proportions,
    augment_motion,
    crop_at_random_pace,
    find_distinct_bodies,
    have_same_proportions,
    measure_body_proportions,
    mix_upper_lower_body,
    sample_body_proportions,
    scale_bones,
)
from stride_nb.datasets.simulation.sampling import time_warp
from stride_nb.poses.geometry import bone_lengths, random_camera, rotation_about
from stride_nb.poses.skeleton import H36M17, mirror_joints

seeds = st.integers(0, 2**32 - 1)
fast = settings(max_examples=30, deadline=None)


def stiff(frames=100, seed=0, turn=1.0):
    """A body of rigid bones that turns about the vertical and walks, Y up, standing on the
    floor."""
    rng = np.random.default_rng(seed)
    pose = rng.uniform((-0.4, 0, -0.3), (0.4, 1.8, 0.3), (17, 3))
    angle = turn * np.arange(frames) / 50
    c, s, o, i = np.cos(angle), np.sin(angle), np.zeros(frames), np.ones(frames)
    turning = np.stack([c, o, s, o, i, o, -s, o, c], -1).reshape(-1, 3, 3)
    return pose @ turning.transpose(0, 2, 1) + np.arange(frames)[:, None, None] / 50 * (1.0, 0, 0.2)


def test_at_the_source_pace_nothing_changes():
    x = stiff()
    np.testing.assert_allclose(time_warp(x, np.arange(100)), x)
    np.testing.assert_allclose(time_warp(x, np.arange(10, 50, 2)), x[10:50:2])
    np.testing.assert_allclose(time_warp(x, 10.5 + np.arange(3)), (x[10:13] + x[11:14]) / 2)
    np.testing.assert_allclose(
        time_warp(x, 98 + np.arange(4)), x[[98, 99, 99, 99]]
    )  # held at the end


@fast
@given(seeds, st.integers(1, 60), st.integers(1, 60))
def test_any_crop_of_any_clip_is_made_of_its_frames(seed, frames, length):
    found = counted(length, frames, seed)
    assert found.shape == (frames, 17, 3)
    assert found.min() >= 0 and found.max() <= length - 1
    assert (np.diff(found[:, 0, 0]) >= -1e-9).all()
    if length > 1.35 * frames and frames > 1:  # long enough for any pace
        assert 0.75 - 1e-9 <= np.diff(found[:, 0, 0]).mean() <= 1.35 + 1e-9


def test_a_crops_pace_wavers_smoothly():
    steps = np.diff([counted(1000, 243, seed)[:, 0, 0] for seed in range(50)], axis=1)
    part = steps / steps.mean(1, keepdims=True)
    assert 0.1 < part.std(1).mean() < 0.2 and part.min() > 0.4 and part.max() < 2
    assert np.abs(np.diff(part, axis=1)).max() < 0.03


def counted(length, frames, seed):
    """A crop of a clip that counts its own frames."""
    return crop_at_random_pace(
        np.arange(length)[:, None, None] * np.ones((17, 3)), frames, np.random.default_rng(seed)
    )


@fast
@given(seeds)
def test_new_proportions_scale_bones_and_keep_their_directions(seed):
    rng = np.random.default_rng(seed)
    x, scale = rng.normal(size=(7, 17, 3)), rng.uniform(0.5, 2, 17)
    found = scale_bones(x, scale)
    np.testing.assert_allclose(bone_lengths(found), bone_lengths(x) * scale[1:])
    np.testing.assert_array_equal(found[:, 0], x[:, 0])
    for j, p in H36M17.bones:
        np.testing.assert_allclose(
            found[:, j] - found[:, p], (x[:, j] - x[:, p]) * scale[j], atol=1e-12
        )


def test_mirroring_twice_changes_nothing_and_once_swaps_sides():
    x = stiff()
    np.testing.assert_array_equal(mirror_joints(mirror_joints(x)), x)
    right, left = H36M17.index("rwrist", "lwrist")
    np.testing.assert_array_equal(mirror_joints(x)[:, right], x[:, left] * (-1, 1, 1))


def people(count=3, seed=0):
    """Bodies of human size: bone lengths as in a body drawn for generated motion, each by up to a
    tenth different."""
    rng = np.random.default_rng(seed)
    lengths = np.concatenate([[0], bone_lengths(synthetic.load("test", clips=1)[0].joints).mean(0)])
    return lengths * rng.uniform(0.9, 1.1, (count, 17))


@fast
@given(seeds)
def test_a_variation_is_one_rigid_body(seed):
    found = bone_lengths(
        augment_motion(
            stiff(turn=0), 60, np.random.default_rng(seed), people(), stiff(turn=0, seed=1)
        )
    )
    assert np.ptp(found, axis=0).max() < 1e-9


def test_the_body_of_a_variation_tells_nothing_of_whose_motion_it_is():
    """Of two clips by a tall and a short person the same bodies come: whoever moved is
    forgotten."""
    tall, short = stiff(turn=0) * 1.3, stiff(turn=0) * 0.7
    for seed in range(20):
        one, other = (
            bone_lengths(
                augment_motion(x, 60, np.random.default_rng(seed), people(), stiff(turn=0))
            )[0]
            for x in (tall, short)
        )
        np.testing.assert_allclose(one, other)


@fast
@given(seeds)
def test_strangers_are_of_human_size_and_nearly_alike_on_both_sides(seed):
    known = people()
    found = sample_body_proportions(known, np.random.default_rng(seed))
    assert (
        found[0] == 0
        and (found[1:] > 0.6 * known[:, 1:].min(0)).all()
        and (found[1:] < 1.6 * known[:, 1:].max(0)).all()
    )
    twins = known.copy()
    left, right = (H36M17.index(*side) for side in zip(*H36M17.pairs))
    twins[:, left] = twins[:, right]
    found = sample_body_proportions(twins, np.random.default_rng(seed))
    assert np.abs(np.log(found[left] / found[right])).max() < 0.15
    # the pelvis is their middle
    assert found[H36M17.index("lhip")] == pytest.approx(found[H36M17.index("rhip")])


def test_strangers_are_between_the_known_and_beyond_them():
    known = people(2)
    drawn = np.array(
        [sample_body_proportions(known, np.random.default_rng(s)) for s in range(2000)]
    )[:, 1:]
    middle = np.log(known[:, 1:]).mean(0) + np.log(np.sqrt(0.9 * 1.12))
    assert np.abs(np.log(drawn).mean(0) - middle).max() < 0.02
    inside = (drawn > known[:, 1:].min(0)) & (drawn < known[:, 1:].max(0))
    assert 0.1 < inside.mean() < 0.9


def test_a_motion_done_by_another_has_the_others_bones_and_its_own_directions():
    x, body = stiff(), people(1)[0]
    found = apply_body_proportions(x, body)
    np.testing.assert_allclose(measure_body_proportions(found), body, atol=1e-12)
    for j, p in H36M17.bones:
        one, other = (y[:, j] - y[:, p] for y in (x, found))
        np.testing.assert_allclose(
            other / body[j], one / np.linalg.norm(one, axis=-1, keepdims=True), atol=1e-9
        )
    assert have_same_proportions(body, body) and not have_same_proportions(
        measure_body_proportions(x), body
    )


LEGS = H36M17.index("pelvis", "rhip", "rknee", "rankle", "lhip", "lknee", "lankle")
ABOVE = [j for j in range(17) if j not in LEGS]


def facing(joints):
    """(T,) where the line from right hip to left points, about the vertical."""
    line = np.diff(joints[:, H36M17.index("rhip", "lhip")], axis=1)[:, 0]
    return np.arctan2(-line[:, 2], line[:, 0])


def two_people():
    """A motion, and one of somebody else: generated, so that hips are level."""
    one, other = (clip.joints[:80] for clip in synthetic.load("test", clips=2))
    return one, other


def test_a_graft_has_the_legs_of_one_and_the_trunk_and_arms_of_the_other_facing_one_way():
    one, other = two_people()
    found = mix_upper_lower_body(one, other)
    np.testing.assert_array_equal(found[:, LEGS], one[:, LEGS])
    back = rotation_about((0, 1, 0), facing(other) - facing(one))
    above = np.einsum("tij,tkj->tki", back, found - found[:, :1])[:, ABOVE]
    np.testing.assert_allclose(above, (other - other[:, :1])[:, ABOVE], atol=1e-9)


def test_a_graft_of_oneself_changes_nothing_and_which_way_the_other_faces_does_not_matter():
    one, other = two_people()
    np.testing.assert_allclose(mix_upper_lower_body(one, one), one, atol=1e-9)
    turned = other @ rotation_about((0, 1, 0), 2.0).T + (3, 0, -1)
    np.testing.assert_allclose(
        mix_upper_lower_body(one, turned), mix_upper_lower_body(one, other), atol=1e-9
    )


def test_nothing_is_grafted_where_hips_do_not_tell_which_way_they_face():
    one, other = two_people()
    # hips along x, then upright
    aside = rotation_about((0, 0, 1), np.pi / 2) @ rotation_about((0, 1, 0), -facing(other)[0])
    lying = other @ aside.T
    np.testing.assert_array_equal(mix_upper_lower_body(lying, one), lying)
    np.testing.assert_array_equal(mix_upper_lower_body(one, lying), one)


def test_three_of_ten_variations_are_grafts():
    """Legs that stand still and arms that move, of an other who stands still: in a graft nothing
    moves."""
    still = np.repeat(two_people()[0][:1], 80, 0)
    moving = still + np.where(
        np.isin(np.arange(17), ABOVE)[:, None], np.linspace(0, 0.3, 80)[:, None, None], 0
    )
    still_found = [
        np.ptp(augment_motion(moving, 60, np.random.default_rng(s), people(), still), axis=0).max()
        < 1e-9
        for s in range(300)
    ]
    assert 0.22 < np.mean(still_found) < 0.38


def test_who_is_recorded_often_is_one_body():
    one, other = stiff(seed=1), stiff(seed=2)
    found = find_distinct_bodies(
        [one, one[:50], mirror_joints(mirror_joints(one)) * 1.001, other, one[20:]]
    )
    assert found.shape == (2, 17)
    np.testing.assert_allclose(found[:, 1:], [bone_lengths(one)[0], bone_lengths(other)[0]])


def test_interpolating_frames_hardly_shortens_bones():
    x = stiff(turn=3.0)  # half a turn a second: faster than people spin
    found = bone_lengths(crop_at_random_pace(x, 60, np.random.default_rng(0))) / bone_lengths(
        x[:60]
    )
    assert np.abs(found - 1).max() < 0.002


def test_variations_differ_and_are_seeded():
    x = stiff()
    a, b, c = (
        augment_motion(x, 60, np.random.default_rng(s), people(), stiff(seed=1)) for s in (1, 1, 2)
    )
    np.testing.assert_array_equal(a, b)
    assert np.abs(a - c).max() > 0.05


def test_time_runs_backwards_in_one_of_four():
    x = np.zeros((100, 17, 3))
    x[..., 1] = np.arange(100)[:, None]  # upwards, whatever the side
    who = people()
    back = [
        augment_motion(x, 60, np.random.default_rng(s), who, x)[[0, -1], 0, 1] for s in range(400)
    ]
    assert 0.18 < np.mean([b < a for a, b in back]) < 0.32


@fast
@given(seeds, st.integers(1, 80))
def test_a_view_has_the_whole_person_in_front_and_upright(seed, frames):
    x = stiff(frames, seed)
    camera = random_camera(np.random.default_rng(seed), x)
    seen = camera.to_camera(x)
    assert (seen[..., 2] > 0).all() and camera.sees(seen).all()
    np.testing.assert_allclose(bone_lengths(seen), bone_lengths(x))
    top, bottom = x[..., 1].argmax(1), x[..., 1].argmin(1)
    rows = camera.project(seen)[..., 1]
    frame = np.arange(frames)
    upright = x[frame, top, 1] - x[frame, bottom, 1] > 1.0
    assert (rows[frame, top] < rows[frame, bottom])[upright].all()


def test_views_come_from_all_sides():
    x = stiff(1)
    eyes = np.array(
        [
            random_camera(np.random.default_rng(s), x).to_world(np.zeros(3)) - x.mean((0, 1))
            for s in range(200)
        ]
    )
    azimuth = np.arctan2(eyes[:, 0], eyes[:, 2])
    assert np.histogram(azimuth, 8, (-np.pi, np.pi))[0].min() > 10


@pytest.mark.parametrize("frames", [1, 2])
def test_clips_of_one_or_two_frames(frames):
    x = stiff(frames)
    assert augment_motion(x, 5, np.random.default_rng(0), people(), x).shape == (5, 17, 3)


def test_half_the_people_are_mirrored():
    still = np.repeat(two_people()[0][:1], 80, 0)
    right, left = H36M17.index("rankle", "lankle")
    moving = still.copy()
    moving[:, left, 1] += np.linspace(0, 0.3, 80)
    bent = [
        np.ptp(augment_motion(moving, 60, np.random.default_rng(s), people(), still), axis=0)[
            [right, left]
        ].max(1)
        > 0.01
        for s in range(200)
    ]
    assert all(a != b for a, b in bent) and 0.4 < np.mean([a for a, _ in bent]) < 0.6
