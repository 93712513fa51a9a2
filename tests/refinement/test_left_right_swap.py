"""Exchanged limbs are found and changed back; whoever moves, however fast, is let be."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import datasets
from stride_nb.datasets.simulation.estimator_noise import NOISE_MODELS
from stride_nb.errors import InputError
from stride_nb.models.registry import load_model
from stride_nb.poses.geometry import random_camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import H36M17
from stride_nb.poses.streaming import open_streamed
from stride_nb.refinement import left_right_swap
from stride_nb.refinement.lifting import lift
from stride_nb.refinement.refine import refine

CLIP = datasets.load("synthetic", "test", clips=1)[0]
LEGS, ARMS = ([joint for pair in pairs for joint in pair] for pairs in left_right_swap.LIMB_PAIRS)


def exchange(sequence, span, legs=True, arms=True):
    """The sequence with its legs, its arms or both taken for the other side's in a span of
    frames."""
    order, mirror = np.arange(17), np.array(H36M17.mirror)
    for limbs in [LEGS] * legs + [ARMS] * arms:
        order[limbs] = mirror[limbs]
    joints, confidence = sequence.joints.copy(), sequence.confidence.copy()
    joints[span], confidence[span] = joints[span][:, order], confidence[span][:, order]
    return sequence.replace(joints=joints, confidence=confidence)


def the_same(one, two):
    np.testing.assert_array_equal(one.joints, two.joints)
    np.testing.assert_array_equal(one.confidence, two.confidence)


def test_pairs_are_limbs_left_first():
    names = [
        [tuple(H36M17.joints[j] for j in pair) for pair in pairs]
        for pairs in left_right_swap.LIMB_PAIRS
    ]
    assert names == [
        [("lhip", "rhip"), ("lknee", "rknee"), ("lankle", "rankle")],
        [("lshoulder", "rshoulder"), ("lelbow", "relbow"), ("lwrist", "rwrist")],
    ]


def test_what_a_change_saves_fades_with_the_pause_before_it():
    joints = np.zeros((20, 17, 3))
    left, right = left_right_swap.LIMB_PAIRS[0][2]
    joints[:12, left, 0], joints[:12, right, 0] = 0.05, -0.05
    joints[12:, left, 0], joints[12:, right, 0] = -0.05, 0.05  # 0.1 m either way, or nothing
    found = left_right_swap.swap_cost_reduction(joints, 50)
    assert found[1:, 0, 2] == pytest.approx(np.where(np.arange(1, 20) == 12, 0.2, -0.2))
    # the first frame, and joints that do not move, save nothing
    assert np.count_nonzero(found) == 19
    joints[8:12, left] = np.nan
    assert left_right_swap.swap_cost_reduction(joints, 50)[12, 0, 2] == pytest.approx(
        0.2 * np.exp(-4 / 50 / 0.2)
    )


def test_moved_names_the_pairs_that_differ():
    found = left_right_swap.find_changed_pairs(CLIP, exchange(CLIP, slice(50, 60), legs=False))
    assert found.shape == (len(CLIP), 2, 3)
    assert found[50:60, 1].all() and found.sum() == 30


@settings(max_examples=40, deadline=None)
@given(
    st.integers(25, 150),
    st.integers(1, 40),
    st.sampled_from([(True, True), (True, False), (False, True)]),
    st.sampled_from([50, 25]),
)
def test_what_was_exchanged_is_changed_back_exactly(start, length, which, fps):
    clip = CLIP.resample(fps)
    # not near an end, where it may be the others that are exchanged
    span = slice(start, start + length)
    the_same(left_right_swap.fix_swaps(exchange(clip, span, *which)), clip)


def test_knees_and_ankles_may_be_exchanged_without_hips():
    """Changed back exactly, or let be, where they were too near each other to save much."""
    back, mirror = [], np.array(H36M17.mirror)
    for limbs in ((LEGS,), (ARMS,), (LEGS, ARMS)):
        order = np.arange(17)
        for joints in limbs:
            order[joints[2:]] = mirror[joints[2:]]
        for start in range(25, 150, 5):
            mixed = CLIP.joints.copy()
            mixed[start : start + 15] = mixed[start : start + 15][:, order]
            found = left_right_swap.fix_swaps(CLIP.replace(joints=mixed)).joints
            back.append(np.array_equal(found, CLIP.joints))
            assert back[-1] or np.array_equal(found, mixed)
    assert np.mean(back) > 0.9


@pytest.mark.parametrize("fps", [100, 50, 25, 12.5, 10, 5, 2, 1])
def test_people_who_move_are_let_be_in_space_and_in_the_image(fps):
    for i, clip in enumerate(datasets.load("synthetic", "val", clips=8)):
        clip = clip.resample(fps)
        the_same(left_right_swap.fix_swaps(clip), clip)
        camera = random_camera(np.random.default_rng(i), clip.joints)
        seen = Keypoints2D(camera.project(camera.to_camera(clip.joints)), fps=fps, size=camera.size)
        np.testing.assert_array_equal(left_right_swap.fix_swaps(seen).pixels, seen.pixels)


@pytest.mark.parametrize("source, split", [("cmu", "train"), ("cmu", "val"), ("hdm05", "test")])
def test_nobody_in_real_motion_is_taken_for_exchanged(source, split):
    try:
        clips = datasets.load(source, split)
    except InputError as missing:
        pytest.skip(str(missing))
    changed = [
        clip.name
        for clip in clips
        if left_right_swap.find_swaps(clip.joints - clip.joints[:, :1], clip.fps).any()
    ]
    assert not changed


@pytest.mark.parametrize("fps", [50, 25, 12.5, 2, 1])
def test_a_spin_is_no_exchange_and_a_turn_unseen_neither(fps):
    t = np.arange(100) / fps
    angle = 2 * np.pi * 2 * t  # two turns a second
    turn = np.zeros((100, 3, 3))
    turn[:, 0, 0], turn[:, 0, 2], turn[:, 2, 0], turn[:, 2, 2], turn[:, 1, 1] = (
        np.cos(angle),
        np.sin(angle),
        -np.sin(angle),
        np.cos(angle),
        1,
    )
    stands = CLIP.joints[0] - CLIP.joints[0, :1]
    spun = PoseSequence(np.einsum("tij,kj->tki", turn, stands), fps=fps)
    the_same(left_right_swap.fix_swaps(spun), spun)
    t = np.arange(100) / 50
    lost = PoseSequence(
        np.where(
            ((t > 0.2) & (t < 1.2))[:, None, None],
            np.nan,
            np.where((t > 0.7)[:, None, None], -1, 1) * stands,
        ),
        fps=50,
    )
    the_same(left_right_swap.fix_swaps(lost), lost)


def test_pauses_single_frames_and_nobody_at_all():
    for frames in (1, 2, 3):
        the_same(left_right_swap.fix_swaps(CLIP[:frames]), CLIP[:frames])
    nobody = PoseSequence(np.full((5, 17, 3), np.nan), fps=50)
    the_same(left_right_swap.fix_swaps(nobody), nobody)
    gone = CLIP.joints.copy()
    gone[60:64] = np.nan  # the exchange begins in frames that are lost
    lost = CLIP.replace(joints=gone)
    the_same(left_right_swap.fix_swaps(exchange(lost, slice(62, 80))), lost)


@pytest.mark.parametrize("span", [slice(0, 30), slice(170, 200)])
def test_an_exchange_at_an_end_is_told_by_its_other_end(span):
    clip = CLIP[:200]
    the_same(left_right_swap.fix_swaps(exchange(clip, span)), clip)


@pytest.mark.parametrize("which", [[0], [0, 1, 4]])
def test_a_lost_pelvis_does_not_matter(which):
    joints = CLIP.joints.copy()
    joints[60:, which] = np.nan
    lost = CLIP.replace(joints=joints)
    found = left_right_swap.fix_swaps(exchange(lost, slice(80, 100)))
    np.testing.assert_array_equal(found.joints, lost.joints)


def test_both_of_a_pair_are_no_surer_than_the_less_sure():
    confidence = CLIP.confidence.copy()
    left, right = left_right_swap.LIMB_PAIRS[0][1]
    confidence[:, left] = 0.2
    found = left_right_swap.fix_swaps(exchange(CLIP.replace(confidence=confidence), slice(50, 60)))
    assert (found.confidence[50:60][:, [left, right]] == 0.2).all()
    assert (found.confidence[:50] == confidence[:50]).all() and (
        found.confidence[60:] == confidence[60:]
    ).all()
    np.testing.assert_array_equal(found.joints, CLIP.joints)


def test_a_reading_that_is_alone_changes_sides_and_is_kept():
    left, _ = left_right_swap.LIMB_PAIRS[0][2]
    joints = CLIP.joints.copy()
    joints[40:70, left] = np.nan
    one = CLIP.replace(
        joints=joints, confidence=np.where(np.isnan(joints[..., 0]), 0, CLIP.confidence)
    )
    the_same(left_right_swap.fix_swaps(exchange(one, slice(50, 60))), one)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31))
def test_which_frames_does_not_depend_on_place_side_or_view(seed):
    rng = np.random.default_rng(seed)
    broken = exchange(CLIP, slice(70, 90))
    relative = broken.joints - broken.joints[:, :1] + rng.normal(0, 0.01, broken.joints.shape)
    found = left_right_swap.find_swaps(relative, 50)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    np.testing.assert_array_equal(left_right_swap.find_swaps(relative @ turn, 50), found)
    np.testing.assert_array_equal(
        left_right_swap.find_swaps(relative[:, list(H36M17.mirror)], 50), found
    )
    assert found[70:90].all() and not found[:70].any() and not found[90:].any()


def test_a_sequence_on_disk_is_put_right_as_one_in_memory(tmp_path):
    long = PoseSequence(
        np.tile(np.concatenate([CLIP.joints, CLIP.joints[::-1]]), (4, 1, 1)), fps=50
    )
    broken = exchange(exchange(long, slice(240, 260)), slice(900, 930), arms=False)
    broken.save(tmp_path / "long.npz")
    with open_streamed(tmp_path / "long.npz") as stored:
        righted = stored.map(
            left_right_swap.fix_swaps, round(left_right_swap.CONTEXT_SECONDS * stored.fps)
        )
        assert len(righted) == len(long)
        the_same(righted[:], long)
        for part in (
            slice(0, 250),
            slice(250, 500),
            slice(880, 910),
            slice(len(long) - 1, len(long)),
        ):
            the_same(righted[part], long[part])


CAMERA = random_camera(np.random.default_rng(1), CLIP.joints)
IMAGE = Keypoints2D(CAMERA.project(CAMERA.to_camera(CLIP.joints)), fps=CLIP.fps, size=CAMERA.size)


@pytest.mark.parametrize("zoom", [0.2, 1, 5])
def test_exchanges_in_an_image_are_changed_back_whatever_its_size(zoom):
    seen = IMAGE.replace(pixels=zoom * IMAGE.pixels)
    for which in ((True, True), (True, False), (False, True)):
        mixed = seen.replace(
            pixels=exchange(
                CLIP.replace(joints=np.pad(seen.pixels, ((0, 0), (0, 0), (0, 1)))),
                slice(80, 100),
                *which,
            ).joints[..., :2]
        )
        np.testing.assert_array_equal(left_right_swap.fix_swaps(mixed).pixels, seen.pixels)
    np.testing.assert_array_equal(left_right_swap.fix_swaps(seen).pixels, seen.pixels)


def test_without_a_trunk_the_shoulders_give_the_scale_of_an_image():
    pixels = IMAGE.pixels.copy()
    pixels[:, [0, 1, 4]] = np.nan
    bust = IMAGE.replace(pixels=pixels)
    mixed = pixels.copy()
    mixed[80:100] = mixed[80:100][:, list(H36M17.mirror)]
    np.testing.assert_array_equal(
        left_right_swap.fix_swaps(bust.replace(pixels=mixed)).pixels, pixels
    )


def test_without_shoulders_an_image_has_no_scale_and_nothing_is_changed():
    pixels = IMAGE.pixels.copy()
    pixels[:, H36M17.index("lshoulder", "rshoulder")] = np.nan
    legless = IMAGE.replace(pixels=pixels, confidence=np.isfinite(pixels).all(-1).astype(float))
    np.testing.assert_array_equal(left_right_swap.fix_swaps(legless).pixels, legless.pixels)
    point = IMAGE.replace(pixels=np.zeros_like(IMAGE.pixels))
    np.testing.assert_array_equal(left_right_swap.fix_swaps(point).pixels, point.pixels)


def test_another_joint_set_is_refused():
    with pytest.raises(InputError, match=r"skeleton: expected h36m17.*found coco17"):
        left_right_swap.fix_swaps(PoseSequence(np.zeros((3, 17, 3)), skeleton="coco17"))


def test_the_lifter_sees_no_exchange():
    mixed = IMAGE.pixels.copy()
    mixed[90:110] = mixed[90:110][:, list(H36M17.mirror)]
    network = load_model("lifter")
    found, expected = (
        lift(IMAGE.replace(pixels=pixels), network).joints for pixels in (mixed, IMAGE.pixels)
    )
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_ours_answers_as_if_nothing_had_been_exchanged():
    rng = np.random.default_rng(0)
    noisy = CLIP.replace(joints=CLIP.joints + rng.normal(0, 0.01, CLIP.joints.shape))
    network = load_model("prior")
    mixed = exchange(noisy, slice(100, 120))
    straight, put = (refine(x, model=network, steps=0) for x in (noisy, mixed))
    np.testing.assert_array_equal(put.sequence.joints, straight.sequence.joints)
    assert (
        put.trace.note.startswith("left/right swaps corrected in 20 frames; ")
        and "swaps corrected" not in straight.trace.note
    )
    off = np.abs(refine(mixed, "prior", network).sequence.joints - straight.sequence.joints)
    assert off[100:120].mean() > 5 * off[:60].mean()


def test_the_noise_that_exchanges_sides_is_its_neighbour_otherwise():
    relative = CLIP.joints - CLIP.joints[:, :1]
    visible = np.ones(relative.shape[:2], bool)
    for seed in range(5):
        swapped, crossed = (
            relative + NOISE_MODELS[name](np.random.default_rng(seed), relative, visible, 50)
            for name in ("swapped", "crossed")
        )
        moved = np.abs(swapped - crossed).max(-1) > 1e-9
        mirror = list(H36M17.mirror)
        np.testing.assert_allclose(swapped[moved], crossed[:, mirror][moved], atol=1e-9)
        assert moved.any(1).mean() < 0.5 and not moved[:, [0, 7, 8, 9, 10]].any()
