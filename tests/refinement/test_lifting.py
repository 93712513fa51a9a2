"""From 2D keypoints to 3D joints: any length, rate and joint set; what one camera cannot tell is
not made up."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import datasets
from stride_nb.datasets.simulation.estimator_noise import simulate_detections
from stride_nb.errors import InputError
from stride_nb.evaluation.metrics import mpjpe_mm
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import DSTformer
from stride_nb.models.registry import build_network
from stride_nb.poses.geometry import random_camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import COCO17, H36M17
from stride_nb.refinement.lifting import lift

MIRROR = list(H36M17.mirror)


def network(head="lifter", seed=0):
    torch.manual_seed(seed)
    model = build_network(
        head, "frameformer", {"dim": 32, "depth": 1, "heads": 4, "mlp_ratio": 2}
    ).eval()
    torch.nn.init.normal_(model.backbone.head.weight, std=0.05)
    return model


LIFTER = network()


def keypoints(frames=60, fps=50.0, seed=0, skeleton="h36m17", **fields):
    """Somebody who swings in the middle of the image."""
    rng = np.random.default_rng(seed)
    pose, phase = rng.uniform((400, 200), (600, 800), (17, 2)), rng.uniform(0, 6, (17, 1))
    t = np.arange(frames)[:, None, None] / fps
    return Keypoints2D(
        pose + 20 * np.sin(2 * np.pi * 0.7 * t + phase),
        np.full((frames, 17), 0.9),
        fps,
        (1000, 1000),
        skeleton,
        **fields,
    )


def run(track, model=LIFTER):
    return lift(track, model, device="cpu")


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 50, 60, 120])
@pytest.mark.parametrize("frames", [1, 2, 3, 100, 500])
def test_any_length_and_rate(frames, fps):
    found = run(keypoints(frames, fps, name="somebody"))
    assert len(found) == frames and found.fps == fps and found.name == "somebody"
    assert found.skeleton is H36M17 and np.isfinite(found.joints).all()
    np.testing.assert_array_equal(found.joints[:, 0], 0)
    np.testing.assert_array_equal(found.confidence, 0.9)


def test_frames_without_a_joint_stay_missing_and_lost_joints_are_guesses():
    track = keypoints()
    confidence = track.confidence.copy()
    confidence[20:30], confidence[:, 9], confidence[40:50, 3] = 0, 0, 0.2
    found = run(track.replace(confidence=confidence))
    np.testing.assert_array_equal(found.missing.all(1), (confidence == 0).all(1))
    assert not found.missing[~(confidence == 0).all(1)].any()
    there = np.delete(np.arange(60), np.arange(20, 30))
    assert (found.confidence[there, 9] < 0.01).all() and (found.confidence[40:50, 3] == 0.2).all()


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 60),
    st.sampled_from([0.1, 0.9, 0.99]),
    st.sampled_from([24.0, 50.0]),
)
def test_anything_may_be_missing(seed, frames, missing, fps):
    rng = np.random.default_rng(seed)
    track = keypoints(frames, fps)
    confidence = rng.uniform(0, 1, (frames, 17)) * (rng.random((frames, 17)) >= missing)
    confidence[rng.integers(frames), rng.integers(17)] = 0.5
    found = run(track.replace(confidence=confidence))
    assert np.isfinite(found.joints[~(confidence == 0).all(1)]).all()


def test_the_mirror_image_lifts_to_the_mirror_image():
    track = keypoints(300)
    turned = track.replace(pixels=(track.pixels * (-1, 1) + (1000, 0))[:, MIRROR])
    np.testing.assert_allclose(
        run(turned).joints, run(track).joints[:, MIRROR] * (-1, 1, 1), atol=1e-5
    )


def test_the_same_digits_twice_and_nothing_given_is_changed():
    track, model = keypoints(300), network()
    pixels, before = track.pixels.copy(), [p.clone() for p in model.parameters()]
    first, second = run(track, model), run(track, model)
    np.testing.assert_array_equal(first.joints, second.joints)
    np.testing.assert_array_equal(track.pixels, pixels)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))


def test_a_joint_set_that_converts_is_converted():
    track = keypoints(skeleton="coco17")
    found = run(track)
    np.testing.assert_array_equal(found.joints, run(track.to("h36m17")).joints)


def test_a_scale_of_confidence_that_never_reaches_trust_is_taken_for_trust():
    """Else all would be guesses, and what is told of the person nothing."""
    sure = keypoints()
    low = sure.replace(confidence=sure.confidence / 3)
    found = lift(low, LIFTER, device="cpu")
    np.testing.assert_array_equal(
        found.joints,
        lift(
            sure.replace(confidence=np.full(sure.confidence.shape, 0.5)), LIFTER, device="cpu"
        ).joints,
    )
    np.testing.assert_allclose(found.confidence, low.confidence)


def test_nobody_is_refused():
    nobody = keypoints(name="somebody").replace(confidence=np.zeros((60, 17)))
    with pytest.raises(
        InputError, match="somebody: pixels: expected at least one joint that was seen, found none"
    ):
        run(nobody)
    eyes = np.zeros((60, 17))
    eyes[:, COCO17.index("leye")] = 0.9  # seen, but it alone is none of the 17 joints
    with pytest.raises(InputError, match="somebody: pixels: expected at least one joint"):
        run(keypoints(skeleton="coco17", name="somebody").replace(confidence=eyes))


def test_what_is_no_keypoints_is_refused():
    track = keypoints()
    for wrong in (PoseSequence(np.zeros((60, 17, 3))), track.pixels, None):
        with pytest.raises(
            InputError, match=f"lift: keypoints: expected Keypoints2D, found {type(wrong).__name__}"
        ):
            run(wrong)


def test_a_network_for_something_else_is_refused():
    bare = DSTformer(dim=12, rep=8, depth=1, heads=3, mlp_ratio=2, maxlen=60)
    for model in (network("prior"), bare):
        with pytest.raises(InputError, match="model: expected a Lifter, found"):
            run(keypoints(), model)
    with pytest.raises(InputError, match=r"weights: name: expected .*one of: "):
        run(keypoints(), "carrier")


@pytest.fixture(scope="module")
def shipped():
    if not (checkpoints.WEIGHTS / "lifter.safetensors").is_file():
        pytest.skip("no weights of the lifter in data/weights")
    from stride_nb.models.registry import load_model

    return load_model("lifter")


def seen(clip, seed, noisy=True):
    """Embedded motion before a camera: true root-relative joints and what a detector makes of
    it."""
    rng = np.random.default_rng(seed)
    joints = datasets.load("synthetic", clips=clip + 1, seconds=5.0)[clip].joints[:243]
    camera = random_camera(rng, joints)
    truth = camera.to_camera(joints)
    pixels, confidence = camera.project(truth), None
    if noisy:
        pixels, confidence = simulate_detections(pixels, np.ones((len(truth), 17), bool), 50, rng)
    return truth - truth[:, :1], Keypoints2D(pixels, confidence, 50, camera.size)


def test_the_shipped_lifter_knows_people_it_never_saw(shipped):
    """Against the pose that a person takes on average: the least that a lifter must beat."""
    lifted, mean = [], []
    for clip in range(6):
        truth, track = seen(clip, clip)
        found = run(track, shipped)
        there = ~found.missing.any(1)
        lifted.append(mpjpe_mm(found.joints[there], truth[there]))
        mean.append(mpjpe_mm(np.broadcast_to(truth.mean(0), truth.shape), truth))
    assert np.mean(lifted) < 130 and np.mean(lifted) < 0.9 * np.mean(mean), (lifted, mean)


def test_a_hidden_pelvis_costs_the_shipped_lifter_little(shipped):
    """Behind a table the pelvis is never seen; the other joints say where in the image the person
    is."""
    known, unknown = [], []
    for clip in range(4):
        truth, track = seen(clip, clip, noisy=False)
        confidence = np.full((len(truth), 17), 0.9)
        known.append(mpjpe_mm(run(track.replace(confidence=confidence), shipped).joints, truth))
        confidence[:, 0] = 0
        unknown.append(mpjpe_mm(run(track.replace(confidence=confidence), shipped).joints, truth))
    assert np.mean(unknown) < np.mean(known) + 40, (known, unknown)


def test_hips_never_seen_leave_the_rest_in_place(shipped):
    """Nobody's hips: what is in view must not be told from the corner of the image, which cost a
    factor of three."""
    error = []
    for clip in range(4):
        truth, track = seen(clip, clip, noisy=False)
        confidence = np.full((len(truth), 17), 0.9)
        confidence[:, H36M17.index("pelvis", "rhip", "lhip")] = 0
        error.append(mpjpe_mm(run(track.replace(confidence=confidence), shipped).joints, truth))
    assert np.mean(error) < 200, error
