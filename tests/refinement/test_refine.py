"""One call for every method: any length, any rate, anything missing; the same digits twice; never
worse than frozen."""

import inspect
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import datasets
from stride_nb.datasets.simulation import occlusion
from stride_nb.datasets.simulation.estimator_noise import simulate_estimates
from stride_nb.errors import InputError
from stride_nb.evaluation import harness as cs
from stride_nb.evaluation.metrics import evaluate_poses
from stride_nb.models import checkpoints
from stride_nb.models.dstformer import DSTformer
from stride_nb.models.registry import build_network
from stride_nb.models.uncertainty import chance_within
from stride_nb.poses.geometry import random_camera
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.refinement import test_time_training
from stride_nb.refinement.filters import BASELINES, gaussian
from stride_nb.refinement.refine import METHODS, refine
from tests.refinement.test_sliding_window import LINEAR, walker

SHORT = {"stride_published": {"epochs": 2}, "stride_ours": {"steps": 2, "batch": 2}}
every = pytest.mark.parametrize("method", [*BASELINES, *METHODS])
learned = pytest.mark.parametrize("method", METHODS)
learning = pytest.mark.parametrize("method", SHORT)


def network(kind="prior", seed=0):
    torch.manual_seed(seed)
    if kind == "bare":
        return DSTformer(dim=12, rep=8, depth=1, heads=3, mlp_ratio=2, maxlen=60).eval()
    if kind == "smoothnet":
        return build_network("plain", "smoothnet", {"hidden": 16}).eval()
    return build_network(
        kind, "frameformer", {"dim": 32, "depth": 1, "heads": 4, "mlp_ratio": 2}
    ).eval()


PRIOR, SMOOTHNET = network(), network("smoothnet")


def run(sequence, method, model=None, **options):
    model = model or (SMOOTHNET if method == "smoothnet" else PRIOR)
    return refine(sequence, method, model=model, device="cpu", **SHORT.get(method, {}) | options)


def swinging(frames, fps, hertz=1.0):
    """A person who stands and swings joints at ``hertz``, seen perfectly."""
    rng = np.random.default_rng(0)
    pose, phase = rng.uniform(-0.8, 0.8, (17, 3)), rng.uniform(0, 6, (17, 1))
    t = np.arange(frames)[:, None, None] / fps
    return PoseSequence(
        pose + 0.1 * np.sin(2 * np.pi * hertz * t + phase) + (0, 0, 4),
        np.full((frames, 17), 0.9),
        fps,
    )


def noisy(regime="limb", family="estimator", seed=0, clip=0, frames=243):
    """Embedded motion as an estimator would see it: truth, who is visible, and the sequence."""
    rng = np.random.default_rng(seed)
    world = datasets.load("synthetic", clips=clip + 1, seconds=5.0)[clip].joints[:frames]
    truth = random_camera(rng, world).to_camera(world)
    visible = occlusion.occlude(regime, truth, 50, rng)
    return truth, visible, PoseSequence(*simulate_estimates(truth, visible, 50, rng, family), 50)


def whole(sequence, refined):
    """What every result must be: as long and as fast as what came, nothing missing in it."""
    assert len(refined) == len(sequence) and refined.fps == sequence.fps
    assert np.isfinite(refined.joints).all() and (refined.confidence > 0).all()


@every
def test_a_person_whose_pelvis_is_never_seen_stays_where_the_others_are(method):
    sequence = walker(130)
    joints = sequence.joints.copy() + np.array((0, 0, 5))
    joints[:, 0] = np.nan
    refined = run(
        PoseSequence(joints, np.where(np.isnan(joints).any(-1), 0.0, 0.9)), method
    ).sequence
    assert np.abs(refined.joints[:, 0] - np.nanmean(joints, 1)).max() < 1


@pytest.mark.parametrize("method", ["prior", "stride_ours"])
def test_a_scale_of_confidence_that_never_reaches_trust_is_told_and_taken_for_trust(method):
    sequence = walker(130)
    low, sure = (
        run(sequence.replace(confidence=np.full(sequence.confidence.shape, c)), method)
        for c in (0.3, 0.5)
    )
    np.testing.assert_array_equal(low.sequence.joints, sure.sequence.joints)
    assert "no confidence reaches 0.5" in low.trace.note and "reaches" not in sure.trace.note


@pytest.mark.parametrize("method", ["prior", "stride_ours"])
def test_joints_that_are_never_trusted_among_others_that_are_get_told(method):
    sequence = walker(130)
    confidence = np.full(sequence.confidence.shape, 0.9)
    confidence[:, [3, 6]] = 0.45
    assert (
        "in every frame: rankle, lankle;"
        in run(sequence.replace(confidence=confidence), method).trace.note
    )


@every
@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 50, 60, 120])
@pytest.mark.parametrize("frames", [1, 2, 3, 100])
def test_any_length_and_rate(method, fps, frames):
    sequence = swinging(frames, fps)
    refined = run(sequence, method)
    whole(sequence, refined.sequence)
    assert refined.trace.method == method and refined.trace.seconds > 0
    if refined.scale is not None:
        assert (
            refined.scale.shape == (frames, 17)
            and (refined.scale[:, 0] == 0).all()
            and (refined.scale[:, 1:] > 0).all()
        )


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30, 50, 60, 120])
def test_there_and_back_costs_little_at_any_rate(fps):
    """A network that knows nothing leaves a person who moves slowly where they are."""
    sequence = swinging(round(4 * fps), fps, 0.5)
    found = run(sequence, "prior", LINEAR).sequence
    inner = slice(round(0.2 * fps), -round(0.2 * fps))
    error = np.linalg.norm(found.root_relative().joints - sequence.root_relative().joints, axis=-1)[
        inner
    ]
    assert error.max() < 0.01


@pytest.mark.parametrize("fps", [24, 29.97, 30, 60, 120])
@pytest.mark.parametrize("seen", [0, 4, 9])
@learned
def test_one_frame_seen_is_enough(method, fps, seen):
    sequence = swinging(10, fps)
    confidence = np.zeros((10, 17))
    confidence[seen] = 0.9
    whole(sequence, run(sequence.replace(confidence=confidence), method).sequence)


@pytest.mark.parametrize("fps", [24, 25, 29.97, 30])
def test_a_slow_video_with_every_second_frame_lost_keeps_the_others(fps):
    """What was seen between lost frames is not thrown away by the way to the network's own rate and
    back."""
    sequence = swinging(round(4 * fps), fps, 1.0)
    confidence = sequence.confidence.copy()
    confidence[1::2] = 0
    truth = sequence.root_relative().joints
    error, least = (
        np.linalg.norm(run(x, "prior", LINEAR).sequence.root_relative().joints - truth, axis=-1)[
            10:-10
        ].mean()
        for x in (sequence.replace(confidence=confidence), sequence)
    )
    assert error < 1.5 * least, (
        f"{1000 * error:.1f} mm, against {1000 * least:.1f} mm with every frame"
    )


@settings(max_examples=12, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 80),
    st.sampled_from([0.1, 0.9, 0.99]),
    st.sampled_from([25.0, 50.0]),
)
def test_anything_may_be_missing(seed, frames, missing, fps):
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0, 1, (frames, 17)) * (rng.random((frames, 17)) >= missing)
    confidence[rng.integers(frames), rng.integers(17)] = rng.uniform(0.01, 1)
    sequence = swinging(frames, fps).replace(confidence=confidence)
    for method in METHODS:
        whole(sequence, run(sequence, method).sequence)


@every
def test_lost_ends_a_joint_never_seen_and_nobody_trusted(method):
    ends = np.full((100, 17), 0.9)
    ends[:20] = ends[70:] = 0
    never = np.full((100, 17), 0.9)
    never[:, 9] = 0
    hidden = np.full((100, 17), 0.1)
    gone = np.full((100, 17), 0.9)
    gone[30:80] = 0
    for confidence in (ends, never, hidden, gone):
        sequence = swinging(100, 50).replace(confidence=confidence)
        whole(sequence, run(sequence, method).sequence)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "smoothnet"])
@pytest.mark.parametrize("model", ["prior", "bare"])
def test_methods_work_with_either_kind_of_network(method, model):
    sequence = walker(130)
    whole(sequence, run(sequence, method, network(model)).sequence)


@every
def test_the_same_seed_gives_the_same_digits(method):
    sequence = walker(130, missing=0.2)
    first, second = run(sequence, method, seed=3), run(sequence, method, seed=3)
    np.testing.assert_array_equal(first.sequence.joints, second.sequence.joints)
    np.testing.assert_array_equal(first.sequence.confidence, second.sequence.confidence)
    assert first.trace.steps == second.trace.steps and first.trace.note == second.trace.note


@learning
def test_another_seed_draws_other_steps(method):
    sequence = walker(130, missing=0.2)
    assert run(sequence, method, seed=1).trace.steps != run(sequence, method, seed=2).trace.steps


@every
def test_what_is_given_is_not_changed(method):
    sequence = walker(100, missing=0.2)
    joints, confidence = sequence.joints.copy(), sequence.confidence.copy()
    model = network("smoothnet" if method == "smoothnet" else "prior")
    before = [p.clone() for p in model.parameters()]
    run(sequence, method, model)
    np.testing.assert_array_equal(sequence.joints, joints)
    np.testing.assert_array_equal(sequence.confidence, confidence)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters()))
    assert all(p.grad is None for p in model.parameters())


@learned
def test_the_root_goes_where_a_gaussian_takes_it(method):
    """Every method keeps its own pose; where the person walks is not the network's to say."""
    sequence = walker(300)
    sequence = sequence.replace(confidence=np.full((300, 17), 0.9))
    found = run(sequence, method).sequence
    np.testing.assert_allclose(found.joints[:, 0], gaussian(sequence).joints[:, 0], atol=1e-6)


def test_a_person_without_a_path_stays_on_the_spot():
    relative = walker(60).root_relative()
    confidence = relative.confidence.copy()
    confidence[20:30] = 0  # nobody seen, so that the root has to be filled
    confidence[40:50, 0] = 0  # the pelvis hidden, so that the others would have a say
    result = run(PoseSequence(relative.joints, confidence, relative.fps), "prior")
    assert not result.sequence.joints[:, 0].any()


@pytest.mark.parametrize("method", ["prior", *BASELINES])
def test_the_mirror_image_refines_to_the_mirror_image(method):
    sequence = walker(300, missing=0.2)
    model = LINEAR if method == "prior" else None
    a, b = (
        run(sequence.mirror(), method, model).sequence,
        run(sequence, method, model).sequence.mirror(),
    )
    np.testing.assert_allclose(a.joints, b.joints, atol=1e-5)
    np.testing.assert_allclose(a.confidence, b.confidence, atol=1e-5)


def test_a_trained_priors_answer_is_mirrored_too():
    sequence = walker(300, missing=0.2)
    np.testing.assert_allclose(
        run(sequence.mirror(), "prior").sequence.joints,
        run(sequence, "prior").sequence.mirror().joints,
        atol=1e-5,
    )


@pytest.mark.parametrize("method", ["prior", "stride_ours"])
def test_where_a_person_stands_does_not_matter(method):
    sequence = walker(150, missing=0.2)
    there = sequence.replace(joints=sequence.joints + np.array((3.0, -1.0, 2.0)))
    a, b = run(there, method).sequence, run(sequence, method).sequence
    np.testing.assert_allclose(a.root_relative().joints, b.root_relative().joints, atol=1e-4)
    np.testing.assert_allclose(
        a.joints[:, 0] - b.joints[:, 0], np.broadcast_to((3.0, -1.0, 2.0), (150, 3)), atol=1e-6
    )


def test_the_published_trace_has_every_step():
    steps = refine(
        walker(130), "stride_published", PRIOR, device="cpu", epochs=3, window=60
    ).trace.steps
    assert [(s["epoch"], s["window"]) for s in steps] == [
        (e, w) for e in range(3) for w in range(3)
    ]
    weights = {"loss_mpjpe": 1, "n_mpjpe": 0.5, "loss_velocity": 20, "loss_limb_var": 200}
    for step in steps:
        assert step["loss"] == pytest.approx(
            sum(w * step[name] for name, w in weights.items()), rel=1e-5
        )


@pytest.fixture
def without_fusion(monkeypatch):
    """What adaptation does is seen without the detections that are kept beside the answer."""
    monkeypatch.setattr(
        "stride_nb.refinement.refine.fuse_with_detections", lambda source, result: (result, "")
    )


def test_no_epochs_is_the_frozen_prior(without_fusion):
    sequence = walker(130)
    frozen = run(sequence, "prior").sequence
    for method, nothing in (
        ("stride_published", {"epochs": 0, "window": 130}),
        ("stride_ours", {"steps": 0}),
    ):
        np.testing.assert_array_equal(
            run(sequence, method, **nothing).sequence.joints, frozen.joints
        )


@pytest.mark.parametrize("lr", [1e4, 1e30])
def test_an_adaptation_that_cannot_help_is_taken_back(lr, without_fusion):
    """Steps so long that they ruin the network: the answer is the frozen one to the digit, and the
    trace says so."""
    _, _, sequence = noisy()
    refined = run(sequence, "stride_ours", lr=lr, steps=4)
    np.testing.assert_array_equal(refined.sequence.joints, run(sequence, "prior").sequence.joints)
    assert "rejected" in refined.trace.note


def test_nothing_to_judge_by_is_nothing_to_adapt_by(without_fusion):
    sequence = walker(60).replace(confidence=np.full((60, 17), 0.2))  # seen, but not to be trusted
    refined = run(sequence, "stride_ours")
    np.testing.assert_array_equal(refined.sequence.joints, run(sequence, "prior").sequence.joints)
    assert "rejected" in refined.trace.note


@pytest.mark.parametrize("margin", [0.0, 0.15, 0.9])
def test_adaptation_is_kept_where_held_out_joints_gain_by_the_margin(margin, without_fusion):
    """An untrained network on a person seen well: it learns a little."""
    sequence = swinging(200, 50)
    refined = refine(
        sequence, "stride_ours", network(seed=1), device="cpu", steps=20, lr=1e-3, margin=margin
    )
    frozen = refine(sequence, "prior", network(seed=1), device="cpu")
    judged = [s["held_out_mm"] for s in refined.trace.steps if "held_out_mm" in s]
    kept = min(judged) < (1 - margin) * judged[0]
    assert (
        kept
        == ("kept" in refined.trace.note)
        == (not np.array_equal(refined.sequence.joints, frozen.sequence.joints))
    )
    assert kept or margin > 0


def peak(frames, method):
    """Peak memory of a call beyond the sequence that it is given, bytes."""
    sequence = walker(frames)
    run(sequence[-1000:], method, LINEAR)  # imports, and what is kept for every length of window
    tracemalloc.start()
    run(sequence, method, LINEAR)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


@pytest.mark.parametrize("method", ["prior", "stride_published", "stride_ours"])
def test_memory_grows_by_a_few_copies_of_the_sequence_and_no_more(method):
    """A network's own memory does not grow with the length at all; what comes back is a sequence,
    and is joined once."""
    peak(4500, method)  # from 16 windows on, adaptation takes no more of them
    growth = (peak(7500, method) - peak(4500, method)) / 3000
    own = 8 * 17 * (3 + 1)
    assert growth < 4 * own, f"{growth:.0f} bytes a frame, of which the sequence is {own}"


# What is refused.


def test_unknown_methods_say_what_there_is():
    with pytest.raises(
        InputError, match=r"method: expected one of hold, linear, .*stride_ours, found 'magic'"
    ):
        run(walker(5), "magic")


@every
def test_unknown_options_say_what_there_is(method):
    with pytest.raises(InputError, match="option") as error:
        run(walker(5), method, strength=3)
    assert "strength" in str(error.value) and "\n" not in str(error.value)
    known = {
        "stride_published": "epochs",
        "stride_ours": "steps",
        "prior": "none",
        "smoothnet": "threshold",
    }
    named = (
        [known[method]]
        if method in known
        else [*list(inspect.signature(BASELINES[method]).parameters)[1:]]
    )
    assert all(name in str(error.value).partition("found")[0] for name in named), error.value


@pytest.mark.parametrize(
    "method, option",
    [
        ("stride_published", {"epochs": -1}),
        ("stride_published", {"window": 0}),
        ("stride_published", {"epochs": 2.5}),
        ("stride_published", {"lr": "fast"}),
        ("stride_published", {"lr": float("nan")}),
        ("stride_ours", {"batch": 0}),
        ("stride_ours", {"judge_every": 0}),
        ("stride_ours", {"steps": -3}),
        ("stride_ours", {"lr": -1e-4}),
        ("stride_ours", {"held_out": float("inf")}),
        ("stride_ours", {"held_out": 1.5}),
        ("stride_ours", {"anchor": float("inf")}),
        ("stride_ours", {"margin": 2}),
        ("stride_published", {"mirror": 1.1}),
        ("stride_published", {"lr": float("inf")}),
        ("gaussian", {"sigma": 0}),
        ("savgol", {"order": -1}),
        ("rts", {"power": float("nan")}),
    ],
)
def test_impossible_options_are_named(method, option):
    ((name, value),) = option.items()
    with pytest.raises(InputError, match=f"{name}: expected .*found") as error:
        run(walker(20), method, **option)
    assert str(value) in str(error.value)


@every
def test_keypoints_of_an_image_are_refused(method):
    """They have the joints of the networks, and none of the depths."""
    with pytest.raises(
        InputError, match=r"refine: sequence: expected 3D poses.*lift.*found Keypoints2D"
    ):
        run(Keypoints2D(np.random.default_rng(0).uniform(0, 1000, (20, 17, 2))), method)


@every
def test_nobody_at_all_is_refused(method):
    with pytest.raises(
        InputError, match="somebody: joints: expected at least one that was seen, found none"
    ):
        run(PoseSequence(np.full((9, 17, 3), np.nan), name="somebody"), method)


@learned
@pytest.mark.parametrize("skeleton", ["coco17", "smpl24"])
def test_networks_refuse_other_joint_sets(method, skeleton):
    """COCO has 17 joints too: without a check it would be refined as if its nose were a pelvis."""
    joints = 24 if skeleton == "smpl24" else 17
    with pytest.raises(InputError, match=f"skeleton: expected h36m17.*found {skeleton}"):
        run(
            PoseSequence(np.random.default_rng(0).normal(size=(9, joints, 3)), skeleton=skeleton),
            method,
        )


@pytest.mark.parametrize(
    "method, kind",
    [
        ("prior", "lifter"),
        ("stride_ours", "smoothnet"),
        ("stride_published", "lifter"),
        ("smoothnet", "prior"),
        ("smoothnet", "bare"),
    ],
)
def test_a_network_for_something_else_is_refused(method, kind):
    with pytest.raises(InputError, match="model: expected"):
        run(walker(40), method, network(kind))


def test_methods_are_compared_each_with_its_own_network(monkeypatch):
    """A benchmark hands one prior to all methods; SmoothNet takes its own weights."""
    truth, visible, sequence = noisy(frames=60)
    case = cs.Case("clip", 0, "limb", "estimator", "estimator", 0, truth, visible, sequence, None)
    monkeypatch.setattr(cs, "load_model", {"smoothnet": SMOOTHNET, "prior": PRIOR}.get)
    for model in ("prior", PRIOR):
        rows = cs.compare_methods([case], ["input", "linear", "smoothnet", "prior"], model)
        assert [row["method"] for row in rows] == ["input", "linear", "smoothnet", "prior"]


@learned
def test_a_name_that_is_no_weights_lists_those_there_are(method):
    with pytest.raises(InputError, match=r"weights: name: expected .*one of: "):
        run(walker(5), method, "posterior")


# How sure.


def test_confidence_is_the_chance_to_be_within_ten_centimetres():
    refined = run(walker(130), "prior")
    np.testing.assert_allclose(refined.sequence.confidence, chance_within(0.1, refined.scale))


# The weights that ship.


@pytest.fixture(scope="module")
def shipped():
    path = checkpoints.WEIGHTS / "prior.safetensors"
    if not path.is_file():
        pytest.skip("no weights of the prior in data/weights")
    from stride_nb.models.registry import load_model

    return load_model("prior")


@pytest.fixture(scope="module")
def compared(shipped):
    """Errors of methods on embedded motion that the prior was not trained on, by regime."""
    rows = {}
    for regime in ("limb", "half"):
        for clip in range(6):
            truth, visible, sequence = noisy(regime, seed=clip, clip=clip)
            for method in ("gaussian", "prior"):
                found = refine(sequence, method, shipped, device="cpu")
                rows.setdefault((regime, method), []).append(
                    evaluate_poses(found.sequence.joints, truth, visible, 50)
                )
    return {
        key: {name: np.mean([row[name] for row in found]) for name in found[0]}
        for key, found in rows.items()
    }


@pytest.mark.parametrize("regime", ["limb", "half"])
@pytest.mark.parametrize("metric", ["mpjpe_hidden", "mpjpe_visible", "mpjpe"])
def test_the_shipped_prior_beats_interpolation_on_people_it_never_saw(compared, regime, metric):
    assert compared[regime, "prior"][metric] < compared[regime, "gaussian"][metric], compared


def test_the_shipped_priors_doubt_is_right(shipped):
    """Where it says that a joint is within 10 cm, it mostly is; where it doubts, it mostly errs
    more."""
    sure, right = [], []
    for clip in range(6):
        truth, _, sequence = noisy("half", seed=10 + clip, clip=clip)
        found = refine(sequence, "prior", shipped, device="cpu").sequence
        error = np.linalg.norm(found.root_relative().joints - (truth - truth[:, :1]), axis=-1)[
            :, 1:
        ]
        sure.append(found.confidence[:, 1:].ravel())
        right.append((error < 0.1).ravel())
    sure, right = np.concatenate(sure), np.concatenate(right)
    assert right[sure > 0.95].mean() > 0.9
    assert right[sure < 0.5].mean() < 0.65 < right.mean()


def test_243_frames_cost_a_pass_of_the_network_a_step_and_a_few_to_judge_and_answer():
    """What its seconds are made of: a pass is at most ``batch`` windows, there and back."""
    model, passes = network(), []
    model.register_forward_pre_hook(lambda _, told: passes.append(len(told[0])))
    _, _, sequence = noisy()
    refine(sequence, "stride_ours", model, device="cpu")
    assert (
        len(passes) <= test_time_training.SelfDistillationTTT().steps + 12 <= 60
        and max(passes) <= 2
    ), passes


def test_a_mirrored_step_costs_what_a_plain_one_costs():
    plain, turned = (
        refine(
            walker(130), "stride_published", LINEAR, device="cpu", epochs=1, lr=0.0, mirror=m
        ).trace.steps
        for m in (0.0, 1.0)
    )
    for a, b in zip(plain, turned, strict=True):
        assert b == pytest.approx(a, rel=1e-4)


def test_the_anchor_pulls_from_the_second_step():
    sequence = walker(130, missing=0.2)
    a, b = (
        run(sequence, "stride_ours", lr=1e-3, steps=2, anchor=w).trace.steps for w in (1.0, 0.0)
    )
    assert a[1]["anchor"] == b[1]["anchor"] and a[2] != b[2]


@pytest.mark.parametrize("fps", [50, 30, 25, 24, 120])
def test_scale_is_of_its_own_frame(fps):
    model = network()
    torch.nn.init.normal_(model.backbone.head.weight, std=0.1)
    refined = run(walker(130).replace(fps=fps), "prior", model)
    assert np.ptp(refined.scale[:, 1:], axis=0).min() > 1e-3
    np.testing.assert_allclose(
        refined.sequence.confidence[:-1], chance_within(0.1, refined.scale[:-1]), atol=1e-9
    )
