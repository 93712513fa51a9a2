"""Joint sets: a person with all named landmarks is seen by each set, and comes back as Human3.6M's
17 within bounds."""

import numpy as np
import pytest
import torch

from stride_nb import InputError, PoseSequence, datasets
from stride_nb.poses import skeleton
from stride_nb.poses.skeleton import H36M17, mirror_joints
from tests.bodies import pose_in

SETS = [name for name in skeleton.SKELETONS if name != "h36m17"]
# how far a joint may come back from where Human3.6M has it; all others come back exactly
BOUNDS_MM = {
    "spine": 70,  # midway between hips and shoulders instead of on the curve of the back
    "thorax": 75,  # between the shoulders instead of at the base of the neck
    "head": 135,  # between the eyes instead of the crown
}
EXACT = {
    "halpe26": {"thorax", "head"},
    "halpe136": {"thorax", "head"},
    "body25b": {"head"},
    "mpi15": {"spine", "thorax", "head"},
    "crowdpose14": {"thorax", "head"},
    "aic14": {"thorax", "head"},
    "mpii16": {"thorax", "head"},
    "mpi_inf_3dhp17": {"spine", "thorax", "head"},
    "mpi_inf_3dhp28": {"spine", "thorax", "head"},
    "kinect25": {"spine", "thorax"},
    "kinect32": {"spine", "thorax"},
    "hybrik29": {"spine", "thorax", "head"},
    "smpl22": {"spine", "thorax"},
    "smpl24": {"spine", "thorax"},
}
"""What else a set marks as Human3.6M has it."""
ABOUT_MM = {
    **{key: {"neck": 40} for key in ("mpi15", "crowdpose14", "aic14", "kinect25")},
    "kinect25": {"neck": 40, "head": 170},  # beyond the head's centre
    **{key: {"head": 50} for key in ("smpl22", "smpl24")},  # beyond the skull's base
}
"""Where a set's owner marks something between."""


@pytest.fixture(scope="module")
def people():
    clips = datasets.load("synthetic", "test", clips=6, seconds=3)
    return np.concatenate([clip.joints for clip in clips])


@pytest.mark.parametrize("name", SETS)
def test_a_person_comes_back_within_bounds(people, name):
    seen = PoseSequence(pose_in(name, people), skeleton=name)
    back = seen.to("h36m17")
    error = 1000 * np.linalg.norm(back.joints - people, axis=-1)
    assert not back.missing.any()
    bounds = BOUNDS_MM | ABOUT_MM.get(name, {}) | dict.fromkeys(EXACT.get(name, ()), 0)
    for j, joint in enumerate(H36M17.joints):
        bound = bounds.get(joint, 0)
        assert error[:, j].max() <= bound + 1e-6, f"{joint}: {error[:, j].max():.1f} mm"
        assert bound == 0 or error[:, j].max() > bound / 4, f"{joint}: the bound says little"


@pytest.mark.parametrize("name", SETS)
def test_there_and_back_by_the_tables_alone(people, name):
    """From 17 joints into the set and back: limbs and neck exactly, what the set cannot tell is
    missing, not guessed."""
    into = PoseSequence(people).to(name)
    back = into.to("h36m17")
    rows = skeleton.CONVERSIONS[name, "h36m17"]
    known = [H36M17.index(joint) for joint, row in rows.items() if len(row) == 1]
    assert len(known) >= 12
    np.testing.assert_allclose(back.joints[:, known], people[:, known], atol=1e-12)
    marked = set(skeleton.get_skeleton(name).joints)
    whole = {own for row in rows.values() if len(row) == 1 for own in row}
    missing, unknown = (
        into.missing.all(0).sum(),
        len(marked - whole),
    )  # the eyes, toes or hands, say
    assert missing <= unknown and (missing > 0) == (unknown > 0)


@pytest.mark.parametrize("name", SETS)
def test_confidence_is_carried_and_the_least_counts(people, name):
    joints = skeleton.get_skeleton(name).joints
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.1, 1, (5, len(joints)))
    back = PoseSequence(rng.normal(size=(5, len(joints), 3)), confidence, skeleton=name).to(
        "h36m17"
    )
    for wrist in ("rwrist", "lwrist"):
        np.testing.assert_array_equal(
            back.confidence[:, H36M17.index(wrist)], confidence[:, joints.index(wrist)]
        )
    pelvis = skeleton.CONVERSIONS[name, "h36m17"]["pelvis"]
    used = confidence[:, [joints.index(joint) for joint in pelvis]]
    np.testing.assert_array_equal(back.confidence[:, 0], used.min(1))


@pytest.mark.parametrize("name", skeleton.SKELETONS)
def test_joint_sets_are_trees_with_mirror_pairs(name):
    s = skeleton.get_skeleton(name)
    assert len(s.joints) == len(s.parents) == len(set(s.joints))
    assert all(p < len(s) for p in s.parents) and s.parents.count(-1) == 1
    assert [s.mirror[s.mirror[j]] for j in range(len(s))] == list(range(len(s)))
    for j, p in s.bones:  # the mirror image of a bone is a bone
        assert s.parents[s.mirror[j]] == s.mirror[p]


@pytest.mark.parametrize("table", skeleton.CONVERSIONS)
def test_conversions_are_affine_and_carry_confidence(table):
    source, target = map(skeleton.get_skeleton, table)
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(5, len(source), 3)), rng.uniform(0.2, 1, (5, len(source)))
    y, d = skeleton.convert_joints(x, c, *table)
    shifted, _ = skeleton.convert_joints(x + 1.5, c, *table)
    np.testing.assert_allclose(shifted, y + 1.5)  # weights sum to one
    mirrored, _ = skeleton.convert_joints(x[:, list(source.mirror)], c, *table)
    np.testing.assert_allclose(mirrored, y[:, list(target.mirror)])
    for name, row in skeleton.CONVERSIONS[table].items():
        np.testing.assert_allclose(
            d[:, target.index(name)], c[:, [source.index(n) for n in row]].min(1)
        )


def test_a_joint_that_cannot_be_had_is_missing():
    x = np.ones((2, 17, 3))
    x[:, skeleton.COCO17.index("leye")] = np.nan
    h36m = PoseSequence(x, skeleton="coco17").to("h36m17")
    assert h36m.missing[:, skeleton.H36M17.index("head")].all()
    assert h36m.missing.sum() == 2


def test_unknown_names_say_what_there_is():
    with pytest.raises(InputError, match="h36m17"):
        skeleton.get_skeleton("h36m_18")
    with pytest.raises(InputError, match="coco17→h36m17"):
        skeleton.convert_joints(np.ones((1, 24, 3)), np.ones((1, 24)), "smpl24", "coco17")
    with pytest.raises(InputError, match="rknee"):
        skeleton.H36M17.index("rightknee")


@pytest.mark.parametrize("negate", [(0,), (0, 2)])
def test_mirrored_twice_is_the_same_in_numpy_and_torch(negate):
    x = np.random.default_rng(0).normal(size=(2, 5, 17, 3)).astype(np.float32)
    mirrored = mirror_joints(x, negate=negate)
    assert mirrored.dtype == np.float32
    np.testing.assert_array_equal(mirror_joints(mirrored, negate=negate), x)
    np.testing.assert_array_equal(mirror_joints(torch.from_numpy(x), negate=negate), mirrored)
    left, right = H36M17.index("lknee", "rknee")
    np.testing.assert_array_equal(mirrored[..., left, 0], -x[..., right, 0])
    np.testing.assert_array_equal(mirrored[..., left, 1], x[..., right, 1])
