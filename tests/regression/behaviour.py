"""What the public calls answer: ``record`` writes behaviour.json, ``check`` compares with it.

``check`` says which entries differ and fails on those that are not close; ``check --exact`` fails
on any that is not the same to the digit (on one machine, with OMP_NUM_THREADS=1 as when recorded:
kernels differ between processors and with the number of threads).
"""

import argparse
import contextlib
import dataclasses
import hashlib
import io
import json
import os
import pickle
import re
import sys
import tempfile
from functools import lru_cache
from pathlib import Path

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot

from benchmarks import (
    bone_projection,
    motion_statistics,
    occlusion_benchmark,
    paired_statistics,
    records,
    study,
    tune_filters,
)
from benchmarks.__main__ import STUDIES
from benchmarks.__main__ import main as run_study
from benchmarks.reports import (
    ablations,
    acceptance,
    benchmark_tables,
    effect_sizes,
    parity,
    ranking_tables,
)
from book.tools import build, run_notebook
from stride_nb import datasets, errors, smpl
from stride_nb import io as pose_io
from stride_nb._pickles import numpy_pickle, torch_file
from stride_nb.cli import main
from stride_nb.datasets import (
    amass,
    bedlam_cliff,
    cleaning,
    cmu,
    download,
    h36m,
    joint_mapping,
    prepare,
    smpl_sources,
    synthetic,
    synthetic_body,
    synthetic_gait,
)
from stride_nb.datasets.example_detections import write_example_detections
from stride_nb.datasets.simulation import augmentation, estimator_noise, occlusion, sampling
from stride_nb.evaluation import (
    bootstrap,
    h36m_protocol,
    harness,
    lifter_harness,
    lsp14_protocol,
    metrics,
    missing_data,
)
from stride_nb.io import animation, asf_amc, bvh_reader, clip_archive
from stride_nb.io.amass import write_motion
from stride_nb.io.tracking import link_detections
from stride_nb.models import (
    checkpoints,
    dstformer,
    flip_averaging,
    frameformer,
    lifter,
    losses,
    motion_prior,
    registry,
    smoothnet,
)
from stride_nb.models.uncertainty import chance_within
from stride_nb.poses import gap_filling, geometry, interpolation, sequence, skeleton
from stride_nb.poses.sequence import Keypoints2D, PoseSequence
from stride_nb.poses.skeleton import mirror_joints
from stride_nb.poses.streaming import open_streamed
from stride_nb.refinement import (
    filters,
    left_right_swap,
    outlier_rejection,
    sliding_window,
    test_time_training,
)
from stride_nb.refinement.lifting import lift
from stride_nb.refinement.refine import refine
from stride_nb.smpl import (
    analytic_ik,
    forward_kinematics,
    gltf,
    implicit_surface,
    joint_limits,
    model_files,
)
from stride_nb.smpl.standin_body import make_standin_body
from stride_nb.training import h36m_task, lifter_training, pool, recipes, tasks, trainer
from stride_nb.viz import figures, mesh_figures, tables, uncertainty
from stride_nb.viz.mesh_player import play_body
from stride_nb.viz.pose_player import play_poses
from tests.regression import samples

matplotlib.use("Agg")
ROOT = Path(__file__).resolve().parents[2]
RECORD = Path(__file__).with_name("behaviour.json")
RTOL = 1e-6
LOOSE = {
    "refining_by_networks": 1e-4,
    "refining_otherwise": 1e-4,
    "refining_files": 1e-4,
    "learning": 1e-4,
    "adapting": 1e-4,
    "commanding": 1e-4,
}
"""Topics that train networks in float32: every step makes more of the kernels' rounding."""
NUMBER = re.compile(r"(?<![\w.])[-+−]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w])")
HASH = re.compile(r"\b[0-9a-f]{64}\b")
TOPICS = {}


def topic(function):
    """Enter a function under its name among the topics."""
    TOPICS[function.__name__] = function
    return function


# Describing what was found.


def shorten(content):
    """The first 48 bits of the SHA-256 of bytes or text."""
    content = content.encode() if isinstance(content, str) else content
    return hashlib.sha256(content).hexdigest()[:12]


def describe(values):
    """An array as shape, digest, sum over weights cos(0), cos(1), …, mean size and two values.

    The weights tell values apart that have changed places.
    """
    if isinstance(values, torch.Tensor):
        values = values.detach().cpu().numpy()
    array = np.asarray(values)
    array = np.ascontiguousarray(array, np.int64 if array.dtype.kind in "biu" else np.float64)
    lost = np.isnan(array)
    array = np.where(lost, np.nan, array) if lost.any() else array
    known = array[np.isfinite(array)]
    found = {"shape": list(array.shape), "digest": shorten(array.tobytes())}
    if not known.size:
        return found
    at = np.linspace(0, known.size - 1, 4).astype(int)[1:3]
    return found | {
        "sum": round_number(known @ np.cos(np.arange(known.size)), 8),
        "abs_mean": round_number(np.abs(known).mean(), 8),
        "sample": [round_number(v) for v in known[at]],
    }


def round_number(value, digits=12):
    """A number with so many digits, an integer where it is one."""
    value = float(f"{float(value):.{digits}g}")
    return int(value) if value == int(value) and abs(value) < 1e15 else value


def describe_text(text):
    """A text as it is; a long one as the digest of its words and the numbers in it."""
    if len(text) <= 100:
        return text
    plain = HASH.sub("hash", text)
    numbers = [float(n.replace("−", "-")) for n in NUMBER.findall(plain)]
    told = {k: v for k, v in describe(np.array(numbers)).items() if k not in ("digest", "sample")}
    return {"digest": shorten(text), "words": shorten(NUMBER.sub("#", plain))} | told


def describe_rows(rows):
    """Dictionaries, lists and numbers as their JSON text."""
    return describe_text(json.dumps(records.make_plain(rows), ensure_ascii=False))


def describe_track(name, track):
    """A sequence of poses or keypoints: points, confidence and what else it says."""
    points = track.joints if isinstance(track, PoseSequence) else track.pixels
    size = "" if isinstance(track, PoseSequence) else f" {track.size}"
    about = f"{track.name} {track.skeleton.name} {len(track)} at {track.fps:.9g} fps{size}"
    return {name: describe(np.r_[points.ravel(), track.confidence.ravel()]) | {"about": about}}


def describe_many(name, arrays):
    """Named arrays, one entry each."""
    pairs = arrays.items() if isinstance(arrays, dict) else enumerate(arrays)
    return {f"{name} {key}": describe(value) for key, value in pairs}


def describe_file(path):
    """Digest of a file's bytes and their number."""
    return {"digest": shorten(path.read_bytes()), "bytes": path.stat().st_size}


def describe_table(table):
    """A table in its three forms."""
    forms = [str(table), table.markdown(), table._repr_html_(), repr(table)]
    return describe_text("\n".join(forms))


def describe_figure(figure):
    """Words, lines, dots and bars of a figure, without drawing it."""
    words, numbers = [], []
    for ax in figure.axes:
        words += [ax.get_title("left"), ax.get_title(), ax.get_xlabel(), ax.get_ylabel()]
        words += [text.get_text() for text in ax.texts]
        words += [line.get_label() for line in ax.lines]
        numbers += [np.ravel(line.get_xydata()) for line in ax.lines]
        numbers += [np.ravel(path.vertices) for c in ax.collections for path in c.get_paths()]
        numbers += [np.ravel(c.get_offsets()) for c in ax.collections]
        numbers += [
            np.ravel(patch.get_patch_transform().transform(patch.get_path().vertices))
            for patch in ax.patches
        ]
    pyplot.close(figure)
    found = np.concatenate([np.zeros(0), *(np.asarray(n, float) for n in numbers)])
    return {"words": shorten("\n".join(words)), **describe(found)}


def describe_error(call, *values, **named):
    """What an InputError says."""
    try:
        call(*values, **named)
    except errors.InputError as error:
        return str(error)
    return "no error"


# Inputs.


def draw(seed=0):
    """A generator of random numbers."""
    return np.random.default_rng(seed)


@lru_cache
def make_clips(count=3, seconds=5.0, split="test", fps=50):
    """Synthetic clips."""
    return tuple(datasets.load("synthetic", split, clips=count, seconds=seconds, fps=fps))


@lru_cache
def make_case(regime="limb", family="estimator", frames=120, clip=0):
    """One window as an estimator sees it."""
    cut = make_clips()[clip][:frames]
    return harness.make_cases([cut], [regime], family, frames=frames)[0]


def make_walker(frames, missing=0.0, fps=50):
    """A person who walks along x and swings, with gaps and low confidence here and there."""
    rng = draw()
    t = np.arange(frames)[:, None, None] / 50
    pose, phase = rng.uniform(-0.8, 0.8, (17, 3)), rng.uniform(0, 6, (17, 1))
    joints = pose + 0.1 * np.sin(np.pi * t + phase) + (1.2, 0, 0) * t + (0, 0, 4)
    confidence = rng.uniform(0.3, 1, (frames, 17)) * (rng.random((frames, 17)) >= missing)
    return PoseSequence(joints, confidence, fps, name="walker")


def make_tiny(head="prior", backbone="frameformer", seed=0):
    """A small network with fresh weights."""
    torch.manual_seed(seed)
    return registry.build_network(head, backbone, TINY[backbone]).eval()


TINY = {
    "frameformer": {"dim": 32, "depth": 1, "heads": 4, "mlp_ratio": 2},
    "smoothnet": {"hidden": 16},
    "dstformer": {"dim": 16, "rep": 16, "depth": 1, "heads": 4, "mlp_ratio": 2, "maxlen": 243},
}


def make_bare():
    """A small DSTformer on joints as they come."""
    torch.manual_seed(0)
    return dstformer.DSTformer(dim=12, rep=8, depth=1, heads=3, mlp_ratio=2, maxlen=60).eval()


@lru_cache
def load_shipped(name):
    """A shipped network."""
    return registry.load_model(name)


@lru_cache
def load_body():
    """The stand-in body."""
    return smpl.load_body("standin", device="cpu")


def make_motion(frames=8, seed=0, fps=30):
    """Parameters of a person who moves a little."""
    rng = draw(seed)
    pose = np.cumsum(rng.normal(0, 0.03, (frames, 24, 3)), 0) + rng.normal(0, 0.2, (24, 3))
    pose[:, 22:] = 0
    path = np.cumsum(rng.normal(0, 0.05, (frames, 3)), 0)
    return smpl.BodyMotion(pose, rng.normal(size=10), path, fps=fps, name="someone")


def make_keypoints(frames=150, fps=50):
    """2D detections of a person whose half is hidden for a while."""
    rng, clip = draw(), make_clips()[0][:frames]
    camera = geometry.random_camera(rng, clip.joints)
    seen = camera.to_camera(clip.joints)
    visible = occlusion.occlude("half", seen, fps, rng)
    pixels, confidence = estimator_noise.simulate_detections(
        camera.project(seen), visible, fps, rng
    )
    return Keypoints2D(pixels, confidence, fps, camera.size, name="seen")


@contextlib.contextmanager
def open_folder():
    """A temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def call_main(folder, *words):
    """Status and printed text of a command, without times and without the folder's name."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        entry = run_study if words[0] in STUDIES else main
        status = entry([str(word) for word in words])
    text = f"{status}\n{out.getvalue()}\n{err.getvalue()}".replace(str(folder), "FOLDER")
    text = "\n".join(line for line in text.splitlines() if not re.search(r"\|.*\[.*<.*\]", line))
    text = re.sub(r'"\w*seconds\w*": [\d.]+,? ?', "", text)
    return describe_text(re.sub(r"\d+\.\d s\b", "# s", text))


# Refining.

BASELINES = ("hold", "linear", "gaussian", "savgol", "one_euro", "rts")
LEARNED = ("smoothnet", "prior", "stride_published", "stride_ours")
QUICK = {"stride_published": {"epochs": 2}, "stride_ours": {"steps": 2}}


def make_inputs():
    """Sequences of every kind that a refinement meets."""
    hidden = make_case("limb").sequence
    walk = make_walker(60, 0.2)
    never = walk.confidence.copy()
    never[:, [3, 6]], never[:, 9] = 0.45, 0
    return {
        "hidden": hidden,
        "swapped": make_case("half", "swapped", 90, 1).sequence,
        "rate 30": make_case("whole_1s").sequence.resample(30),
        "one frame": make_walker(1),
        "short": make_walker(20, 0.2),
        "relative": hidden.root_relative(),
        "unsure": walk.replace(confidence=0.5 * never),
        "never": walk.replace(confidence=never),
    }


def describe_refined(name, refined, steps=True):
    """Sequence, scale, note and steps of a refinement."""
    found = describe_track(name, refined.sequence)
    if refined.scale is not None:
        found[f"{name} scale"] = describe(refined.scale)
    if refined.trace.note:
        found[f"{name} note"] = refined.trace.note
    if refined.trace.steps:
        found[f"{name} steps"] = describe_rows(refined.trace.steps)
    return found


@topic
def refining_by_baselines():
    """Every baseline on every kind of sequence; fills and tuning."""
    found = {}
    for kind, given in (make_inputs() | {"long": make_walker(300, 0.2)}).items():
        for method in BASELINES:
            made = refine(given, method)
            found[f"{kind} {method}"] = describe(
                np.r_[made.sequence.joints.ravel(), made.sequence.confidence.ravel()]
            )
    given = make_case().sequence
    for how in ("hold", "linear"):
        found |= describe_track(f"fill {how}", gap_filling.fill_gaps(given, 0.3, how))
    found |= describe_track("options", refine(given, "rts", accel=4.0, power=2.0).sequence)
    found |= describe_track("smoother", filters.savgol(given, 0.5, 0.5, 2))
    found |= describe_track("other joints", refine(make_walker(20).to("h36m17"), "linear").sequence)
    case = make_case()
    tuned, rows = tune_filters.tune("linear", [case.sequence], [case.truth], [case.visible])
    return found | {
        "tuned": describe_rows([tuned, rows]),
        "defaults": describe_rows(filters.TUNED),
        "grids": describe_rows({n: f.grid for n, f in filters.BASELINES.items()}),
    }


@topic
def refining_by_networks():
    """Every learned method with the shipped weights on every kind of sequence."""
    found = {}
    for kind, given in make_inputs().items():
        for method in LEARNED:
            made = refine(given, method, device="cpu", **QUICK.get(method, {}))
            found |= describe_refined(f"{kind} {method}", made)
    return found


@topic
def refining_otherwise():
    """Long sequences, other networks, other seeds and options."""
    long, short, found = make_walker(420, 0.2), make_walker(100, 0.2), {}
    for method in LEARNED:
        model = make_tiny("plain", "smoothnet") if method == "smoothnet" else make_tiny()
        made = refine(long, method, model, 3, "cpu", **QUICK.get(method, {}))
        found |= describe_refined(f"long {method}", made)
        if method != "smoothnet":
            made = refine(short, method, make_bare(), device="cpu", **QUICK.get(method, {}))
            found |= describe_refined(f"bare {method}", made)
    made = refine(
        make_case().sequence,
        "stride_ours",
        make_tiny(),
        device="cpu",
        steps=6,
        lr=1e-3,
        margin=0.0,
        judge_every=2,
    )
    found |= describe_refined("kept", made)
    made = refine(short, "stride_ours", make_tiny(), device="cpu", lr=1e4, steps=2)
    found |= describe_refined("taken back", made)
    found["chance"] = describe(chance_within(0.1, np.linspace(0, 0.3, 20)))
    return found


@topic
def refining_files():
    """Sequences longer than memory, and the command line."""
    found = {}
    with open_folder() as folder:
        walk = make_walker(420, 0.2, 30)
        walk.save(folder / "in.npz")
        with open_streamed(folder / "in.npz") as stored:
            for method, model in (
                ("gaussian", None),
                ("prior", make_tiny()),
                ("stride_ours", make_tiny()),
            ):
                made = refine(stored, method, model, device="cpu", **QUICK.get(method, {}))
                found |= describe_track(f"stored {method}", made.sequence[:])
                found[f"stored {method} note"] = made.trace.note
            found |= describe_track("resampled", stored.resample(50)[:])
            found |= describe_track("back", sequence.resample_like(stored, stored.resample(50))[:])
            found |= describe_track("held", stored.pad_with_last(500)[400:])
            found |= describe_track("turned", pose_io.rotate_to_y_up(stored, "-y")[10:300:7])
            stored.save(folder / "copy.npz")
            found["copy"] = describe_file(folder / "copy.npz")
        make_case().sequence.save(folder / "one.npz")
        for words in (
            ["out.npz", "--method", "prior"],
            ["out.bvh", "--method", "gaussian"],
            ["out.csv", "--method", "stride_ours", "--seed", 1],
        ):
            said = call_main(folder, "refine", folder / "one.npz", folder / words[0], *words[1:])
            found[f"command {words[0]}"] = said
            if words[0] == "out.bvh":
                found[f"file {words[0]}"] = describe_file(folder / words[0])
        found |= describe_track("command npz", PoseSequence.load(folder / "out.npz"))
        write_example_detections(folder / "two.json", seconds=2.0)
        found["command two"] = call_main(
            folder,
            "refine",
            folder / "two.json",
            folder / "two.npz",
            "--method",
            "linear",
            "--fps",
            30,
        )
        found["command wrong"] = call_main(folder, "refine", folder / "none.json", folder / "a.npz")
    return found


@topic
def refusals():
    """What is said of input that cannot be."""
    walk = make_walker(10)
    lost = walk.replace(confidence=np.zeros((10, 17)))
    with open_folder() as folder:
        samples.write_json(folder / "odd.json", {"a": 1})
        unread = describe_error(pose_io.read, folder / "odd.json").replace(str(folder), "FOLDER")
    return {
        "method": describe_error(refine, walk, "best"),
        "nothing": describe_error(refine, lost),
        "option": describe_error(refine, walk, "rts", speed=2),
        "range": describe_error(refine, walk, "gaussian", sigma=-1.0),
        "model": describe_error(refine, walk, "prior", "nobody"),
        "unread": describe_text(unread),
        "joints": describe_error(PoseSequence, np.zeros((3, 5, 3))),
        "fps": describe_error(PoseSequence, np.zeros((3, 17, 3)), fps=-1),
        "source": describe_error(datasets.load, "nowhere"),
        "split": describe_error(datasets.load, "synthetic", "dev"),
        "regime": describe_error(harness.make_cases, make_clips(), ["fog"]),
        "family": describe_error(harness.make_cases, make_clips(), ["limb"], "odd"),
        "metric": describe_error(metrics.mpjpe, np.zeros((2, 3)), np.zeros((3, 3))),
        "convert": describe_error(walk.to("coco17").to, "body25"),
        "keypoints": describe_error(lift, walk),
        "suffix": describe_error(pose_io.write, "a.xyz", walk),
        "loss": describe_error(losses.combine_losses, {"no": 1}, None, None),
    }


# Files.


def describe_reading(name, found):
    """The people that a reader found, and what it says of them."""
    made = {f"{name} notes": f"{found.format}: {'; '.join(found.notes)}"}
    for i, track in enumerate(found):
        made |= describe_track(f"{name} {i}", track)
    return made


@topic
def reading_formats():
    """Every format that other programs write."""
    found, read = {}, pose_io.read
    flat, deep = samples.make_people(17), samples.make_people(17, 3)
    marks = samples.make_people(33, 3)[:1]
    with open_folder() as folder:

        def put(name, content):
            return samples.write_json(folder / name, content)

        for joints in (17, 26, 133, 136):
            given = samples.make_alphapose(samples.make_people(joints))
            found |= describe_reading(f"alphapose {joints}", read(put("a.json", given)))
        unnamed = samples.make_alphapose(flat, ids=False)
        found |= describe_reading("no ids", read(put("b.json", unnamed), size=(1000, 900)))
        found |= describe_reading("tracks", pose_io.read_tracks(folder / "b.json", people=1)[0])
        named = samples.make_openpose(samples.make_people(18))
        found |= describe_reading("open form", read(put("c.json", named)))
        for name, frame in samples.make_openpose(samples.make_people(25)).items():
            put(f"open/video_{int(name[:-4]):012d}_keypoints.json", frame)
        found |= describe_reading("openpose", read(folder / "open"))
        found |= describe_reading("coco", read(put("d.json", samples.make_coco(flat)), fps=30))
        found |= describe_reading("mmpose", read(put("e.json", samples.make_mmpose(flat))))
        turned = np.stack([-deep[..., 0], deep[..., 2], -deep[..., 1]], -1)
        found |= describe_reading("mmpose 3d", read(put("f.json", samples.make_mmpose(turned))))
        world = marks - marks[:, :, 23:25].mean(2, keepdims=True)
        found |= describe_reading("mediapipe", read(put("g.json", samples.make_mediapipe(world))))
        shares = samples.make_mediapipe(marks / 10, "pose_landmarks")
        found |= describe_reading("shares", read(put("h.json", shares)))
        (folder / "i.csv").write_text(samples.make_landmark_csv(world))
        found |= describe_reading("csv", read(folder / "i.csv"))
        np.save(folder / "j.npy", 1000 * deep)
        found |= describe_reading("npy", read(folder / "j.npy", fps=25))
        np.savez(folder / "k.npz", joints_3d=deep[1], fps=24.0)
        found |= describe_reading("npz", read(folder / "k.npz"))
        (folder / "l.pkl").write_bytes(pickle.dumps({"keypoints": flat[1]}))
        found |= describe_reading("pickle", read(folder / "l.pkl", skeleton="coco17"))
    return found


@topic
def writing_formats():
    """Every format that is written, its bytes, and what is read back."""
    found, case = {}, make_case(frames=60)
    solid = gap_filling.fill_gaps(case.sequence)
    upright = pose_io.rotate_to_y_up(solid, "-y").replace(name="one")
    other = make_walker(60, 0.2).replace(name="two")
    with open_folder() as folder:
        for suffix in (".npz", ".csv"):
            for i, path in enumerate(pose_io.write(folder / f"a{suffix}", [case.sequence, other])):
                found[f"{suffix} {i}"] = describe_file(path)
                found |= describe_reading(f"{suffix} {i}", pose_io.read(path))
        (path,) = pose_io.write(folder / "a.bvh", upright)
        found["bvh"] = describe_file(path)
        found["bvh read"] = describe(bvh_reader.read_bvh(path).compute_positions())
        flat = make_keypoints(40)
        for suffix in (".json", ".csv", ".npz"):
            given = flat.to("coco17") if suffix == ".json" else flat
            (path,) = pose_io.write(folder / f"b{suffix}", given)
            found[f"2d {suffix}"] = describe_file(path)
            found |= describe_reading(f"2d {suffix}", pose_io.read(path))
        (path,) = pose_io.write(folder / "c.glb", upright[:6], body="standin")
        found["glb size"] = path.stat().st_size
        (path,) = pose_io.write(folder / "c.npz", upright[:6], format="amass")
        back = amass.read_amass_clip(path)
        found |= describe_many("amass", [back.pose, back.shape, back.translation])
        truth = write_example_detections(folder / "d.json", seed=1, seconds=2.0)
        found["example"] = describe_file(folder / "d.json")
        found |= describe_track("example truth", truth[0])
        reading, tracks = pose_io.read_tracks(folder / "d.json", fps=30.0, size=(1000, 1000))
        found |= describe_reading("example read", reading)
        found |= describe_track("example mended", tracks[0])
    for up in ("y", "-y", "z"):
        found |= {f"up {up}": describe(pose_io.rotate_to_y_up(solid, up).joints)}
        found |= {f"facing {up}": describe(pose_io.rotate_to_camera_axes(solid, up).joints)}
    found["axis"] = f"{pose_io.estimate_up_axis(solid)} {pose_io.estimate_up_axis(upright)}"
    points = np.concatenate(samples.make_people(17))
    kept = np.isfinite(points).all((1, 2))
    frames = np.tile(np.arange(samples.FRAMES), 2)[kept]
    order = np.argsort(frames, kind="stable")
    found["link"] = describe(link_detections(frames[order], points[kept][order], 30.0))
    return found


@topic
def reading_motion_capture():
    """Raw motion capture, prepared clips and the sources that read them."""
    found = {}
    with open_folder() as folder:
        (folder / "a.bvh").write_text(samples.BVH)
        (folder / "90.asf").write_text(samples.make_asf())
        (folder / "90_01.amc").write_text(samples.make_amc())
        moved = bvh_reader.read_bvh(folder / "a.bvh", unit=0.5)
        found["bvh names"] = f"{moved.names} {moved.parents} {moved.fps:.9g}"
        found |= describe_many(
            "bvh", [moved.compute_positions(), moved.offsets, *moved.compute_world_frames()]
        )
        moved = asf_amc.read_asf_amc(folder / "90.asf", folder / "90_01.amc", 120)
        found["asf names"] = describe_text(f"{moved.names} {moved.parents}")
        found |= describe_many("asf", [moved.compute_positions(), moved.rotations])
        joints = joint_mapping.map_to_h36m17(moved, "amc")
        found["joints"] = describe(joints)
        entry = download.Entry(
            "90", "01", "amc", "test", "https://x/me/mocap/c/a", 1, "0" * 64, "CMU", "wave", 120.0
        )
        made = prepare.convert_trial(entry, folder / "90_01.amc", folder / "90.asf")
        found |= describe_track("converted", made[0])
        path, kept, left = prepare.prepare_clips(
            [entry], download.LocalFiles(folder), folder / "cmu_h36m17_test.npz"
        )
        found["prepared file"] = describe_file(path) | {"left out": left}
        found |= describe_track("prepared", kept[0])
        found["labels"] = str([dataclasses.astuple(one) for one in clip_archive.read_labels(path)])
        with set_environment("STRIDE_NB_DATA", folder):
            found |= describe_track("cmu", datasets.load("cmu", "test", clips=1, fps=30)[0])
            path.rename(folder / "hdm05_h36m17.npz")
            found |= describe_track("hdm05", datasets.load("hdm05")[0])
    broken = joints.copy()
    broken[70] += 0.5
    found |= describe_many("cleaned", cleaning.clean_motion(broken, 120))
    found["glitches"] = describe(cleaning.find_glitches(broken, 120))
    found["registry"] = describe_rows([dataclasses.astuple(e) for e in download.read_registry()])
    found["sources"] = " ".join(datasets.list_sources())
    found["terms"] = describe_text(
        str([datasets.get_terms(name) for name in datasets.list_sources()])
    )
    found["euler"] = describe(
        animation.euler_to_matrix("zyx", np.array([[10.0, 20, 30], [-5, 0, 90]]))
    )
    return found


@contextlib.contextmanager
def set_environment(name, value):
    """A variable of the environment, for a while."""
    before = os.environ.get(name)
    os.environ[name] = str(value)
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})


def make_view(seed):
    """(4, 4) world to camera, a little turned."""
    turn = geometry.axis_angle_to_matrix(draw(seed).normal(0, 0.1, 3))
    view = np.eye(4)
    view[:3, :3], view[:3, 3] = turn @ np.diag([1.0, -1, -1]), (0, 1, 5)
    return view


def write_3dpw(path, person, frames=8):
    """A file of 3DPW's with two people."""
    everyone = [make_motion(frames, 10 + i) for i in (0, 1)]
    valid = [np.ones(frames, int), np.ones(frames, int)]
    valid[0][:2] = 0
    path.parent.mkdir(parents=True)
    path.write_bytes(
        samples.pickle_old(
            {
                "sequence": path.stem,
                "poses": [p.pose.reshape(frames, 72) for p in everyone],
                "betas": [everyone[0].shape[:, None], np.r_[everyone[1].shape, np.zeros(290)]],
                "trans": [p.translation for p in everyone],
                "genders": ["m", "f"],
                "cam_poses": np.stack([make_view(t) for t in range(frames)]),
                "campose_valid": valid,
                "jointPositions": [person.compute_joints(p).reshape(frames, 72) for p in everyone],
                "img_frame_ids": np.arange(frames),
                "cam_intrinsics": np.eye(3),
                "texture_maps": [],
                "poses2d": [np.zeros((frames, 3, 18))] * 2,
            }
        )
    )


def write_ocmotion(path, frames=8):
    """A file of OcMotion's: one person, two cameras, a frame without anybody."""
    p, views = make_motion(frames, 20), [make_view(50), make_view(51)]
    rows = [
        [
            [
                {"img_path": f"images/0013/Camera{c:02}/{5 * t:06}.jpg", "h_w": (1536, 2048)}
                | (
                    {}
                    if t == 3
                    else {
                        "0": {
                            "pose": p.pose[t].reshape(1, 72),
                            "betas": p.shape[None],
                            "trans": p.translation[t],
                            "bbox": [[0, 0], [1, 1]],
                            "intri": np.eye(3).tolist(),
                            "extri": views[c].tolist(),
                        }
                    }
                )
                for t in range(frames)
            ]
            for c in range(2)
        ]
    ]
    path.parent.mkdir(parents=True)
    path.write_bytes(samples.pickle_old(rows))


def write_bedlam(path, person, frames=8):
    """A file of BEDLAM's: one person, two frames left out."""
    p = make_motion(frames, 30).to("smplx")
    kept = np.array([t for t in range(frames) if t not in (2, 5)])
    down, view, rest = np.diag([1.0, -1, -1]), make_view(60), person.compute_rest_joints(p.shape)[0]
    world = p.rotate(down, rest)
    seen = world.rotate(view[:3, :3], rest)
    shift = np.eye(4)
    shift[:3, 3] = view[:3, 3]
    rows = {
        "pose_world": world.pose,
        "trans_world": world.translation,
        "pose_cam": seen.pose,
        "trans_cam": seen.translation,
    }
    rows = {key: value[kept].reshape(len(kept), -1) for key, value in rows.items()}
    n = len(kept)
    path.parent.mkdir(parents=True)
    np.savez(
        path,
        **rows,
        shape=np.tile(np.r_[p.shape, 0], (n, 1)),
        cam_int=np.eye(3),
        cam_ext=np.tile(shift, (n, 1, 1)),
        gender=np.array(["female"] * n),
        sub=np.array(["rp_someone_001"] * n),
        motion_info=np.array([{}] * n, object),
        imgname=np.array([f"seq_000007/seq_000007_{5 * t:04}.png" for t in kept]),
    )


def describe_all(name, tracks):
    """Every sequence of a list."""
    return {k: v for i, t in enumerate(tracks) for k, v in describe_track(f"{name} {i}", t).items()}


@topic
def reading_data_sets():
    """Data sets of bodies, Human3.6M, BEDLAM-CLIFF and plain arrays."""
    found, person = {}, load_body()
    with open_folder() as folder:
        (folder / "SSM").mkdir()
        write_motion(folder / "SSM" / "mine.npz", make_motion(30), person)
        found["amass file"] = describe_file(folder / "SSM" / "mine.npz")
        made = datasets.load("amass", "test", folder=folder, body=person, fps=24)
        found |= describe_all("amass", made)
        write_3dpw(folder / "sequenceFiles" / "test" / "walk_00.pkl", person)
        write_ocmotion(folder / "annot" / "test.pkl")
        write_bedlam(folder / "all_npz_12_validation" / "2022_a_6fps.npz", person)
        for name, split in (("3dpw", "test"), ("ocmotion", "test"), ("bedlam", "val")):
            for space in ("camera", "world"):
                made = datasets.load(name, split, folder=folder, body=person, space=space)
                found |= describe_all(f"{name} {space}", made)
        found |= describe_all("3dpw own", datasets.load("3dpw", "test", folder=folder))
        seen = datasets.load("3dpw", "test", folder=folder, body=person, space="camera")
        wrong = {s.name: 1.1 * np.nan_to_num(s.joints) for s in seen}
        found["3dpw score"] = describe_rows(
            lsp14_protocol.evaluate_3dpw(wrong, "test", folder, person)
        )
        found["protocol"] = describe_rows(lsp14_protocol.evaluate_lsp14(wrong, seen))
        seen = datasets.load("ocmotion", "test", folder=folder, body=person, space="camera")
        wrong = {s.name: 1.1 * np.nan_to_num(s.joints) for s in seen}
        found["ocmotion score"] = describe_rows(
            lsp14_protocol.evaluate_ocmotion(wrong, "test", folder, person)
        )
        found |= read_cliff(folder / "cliff") | read_h36m(folder / "h36m.pkl")
        np.savez(folder / "mine.npz", mine=make_walker(5).joints, fps=25.0)
        found |= describe_all("arrays", datasets.load("arrays", path=folder / "mine.npz"))
    turn, first, last = smpl_sources.place_frames("here", np.array([0, 5, 10, 20]))
    return found | {"slots": describe(turn), "slots ends": f"{first} {last}"}


def read_cliff(folder):
    """BEDLAM-CLIFF's files, some of them filled in."""
    rng = draw()
    turn, regressor = rng.random((40, 60)), rng.random((17, 40))
    vertices = rng.normal(size=(1, 60, 3)) / 3 + rng.normal(size=(12, 60, 3)).cumsum(0) / 100
    vertices[5] = (vertices[4] + vertices[6]) / 2
    vertices = vertices.astype(np.float32)
    folder.mkdir()
    np.save(folder / "turn.npy", turn / turn.sum(1, keepdims=True))
    np.save(folder / "regressor.npy", regressor / regressor.sum(1, keepdims=True))
    for n, v in enumerate(vertices):
        at = np.float32([[0.1, 0.2, 4 + n / 100]])
        torch.save(
            {
                "vertices": torch.as_tensor(v[None]),
                "pred_cam_t": torch.as_tensor(at),
                "img_name": f"video/{n:06d}.jpg",
            },
            folder / f"{n}_result.pth",
        )
    made = datasets.load(
        "cliff",
        folder=folder,
        regressor=folder / "regressor.npy",
        smplx_to_smpl=folder / "turn.npy",
        fps=25,
    )
    return describe_all("cliff", made) | {
        "cliff filled": describe(bedlam_cliff.find_filled_frames(np.arange(12), vertices)),
        "cliff number": bedlam_cliff.parse_image_number(Path("7_result.pth"), "video/000012.jpg"),
    }


def read_h36m(path):
    """Human3.6M's file: units, clips, the protocol."""
    path.write_bytes(pickle.dumps(samples.make_h36m()))
    data, found = h36m.read_h36m(path, "test"), {}
    every = np.arange(len(data))
    found |= describe_many("h36m", [data.inputs(every), data.labels(every)])
    found["h36m mm"] = describe(data.to_millimetres(data.labels(every), every))
    found |= describe_all("h36m", datasets.load("h36m", "test", path=path, clips=2, fps=25))
    for relative in (False, True):
        held = h36m.H36MClips(data, 9, 5, relative)
        found |= describe_many(f"h36m clips {relative}", [held.frames, *held.batch(1, 4)])
    torch.manual_seed(0)
    model = dstformer.DSTformer(**TINY["dstformer"])
    answers = h36m_protocol.predict_clips(model, held, 4)
    found["h36m answers"] = describe(answers)
    found["h36m scores"] = describe_rows(h36m_protocol.evaluate_h36m(held, answers))
    learnt = h36m.H36MClips(h36m.read_h36m(path, "train"), 9, 5)
    task = h36m_task.H36MLift(learnt, held, 2, rank=(1.0, 1.0))
    found["h36m identity"] = describe_rows(task.identity)
    found |= describe_fit("h36m", model, task)
    plan = lifter_training.plan_training(
        "h36m", str(path), epochs=1, size="tiny", frames=9, batch=4
    )
    found["h36m plan"] = describe_rows(plan.to_row())
    found["h36m actions"] = describe_table(lifter_training.tabulate_by_action(task, {"one": model}))
    return found


# Measuring.


def make_pair():
    """An answer and the truth, root-relative, and who is visible."""
    case = make_case()
    answer = gap_filling.fill_gaps(case.sequence).joints
    return answer, case.truth, case.visible


@topic
def measuring():
    """Every metric."""
    answer, truth, visible = make_pair()
    deep, true = answer[..., 2], truth[..., 2]
    found = {
        "mpjpe": describe(metrics.mpjpe(answer, truth)),
        "p_mpjpe": describe(metrics.p_mpjpe(answer, truth)),
        "n_mpjpe": describe(metrics.scaled_mpjpe(answer, truth)),
        "accel": describe(metrics.accel(answer)),
        "error_accel": describe(metrics.error_accel(answer, truth)),
        "error_accel seen": describe(metrics.error_accel(answer, truth, visible.all(1))),
        "joint errors": describe(metrics.joint_errors_mm(answer, truth)),
        "mpjpe mm": metrics.mpjpe_mm(answer, truth, visible),
        "pa mm": metrics.pa_mpjpe_mm(answer, truth, visible),
        "accel mm": metrics.accel_error_mm_frame2(answer, truth, visible),
        "accel mps2": metrics.accel_error_mps2(answer, truth, 50, visible),
        "bones": describe(geometry.bone_lengths(answer)),
        "bone std": metrics.bone_std_mm(answer),
        "all": describe_rows(metrics.evaluate_poses(answer, truth, visible, 50)),
        "units": describe_rows([metrics.UNITS, metrics.TITLES]),
        "spatial": describe_rows(metrics.depth_order_accuracy_spatial(deep, true, visible)),
        "temporal": describe_rows(metrics.depth_order_accuracy_temporal(deep, true, visible)),
        "plausible": describe_rows(missing_data.measure_plausibility(make_case().sequence)),
    }
    groups = np.repeat(np.arange(6), 5)
    for name, other in (("mean", None), ("ratio", draw(1).random(30) + 1)):
        made = bootstrap.bootstrap_interval(draw().random(30), other, groups, draw(2), 500)
        found[f"bootstrap {name}"] = describe_rows(list(made))
    return found


@topic
def losing():
    """Every loss, its value and its gradient."""
    every = {
        "mpjpe": losses.loss_mpjpe,
        "n_mpjpe": losses.n_mpjpe,
        "joint": losses.loss_joint,
        "velocity": losses.loss_velocity,
        "limb_gt": losses.loss_limb_gt,
        "limb_var": losses.loss_limb_var,
        "angle": losses.loss_angle,
        "angle velocity": losses.loss_angle_velocity,
        "spatial": losses.loss_spatial_rank,
        "temporal": losses.loss_temporal_rank,
    }
    gt = torch.from_numpy(draw(1).normal(size=(2, 9, 17, 3)))
    weight, found = torch.from_numpy(draw(2).random((2, 9, 17))), {}
    every |= {
        "weighted": lambda p, g: losses.weighted_mpjpe(p, g, weight),
        "weighted 2d": lambda p, g: losses.loss_2d_weighted(p, g, weight[..., None]),
        "published": lambda p, g: losses.combine_losses(losses.STRIDE_WEIGHTS, p, g)[0],
        "ranked": lambda p, g: losses.combine_losses(losses.make_loss_weights((1.0, 0.5)), p, g)[0],
        "flip": lambda p, g: (mirror_joints(p) * g).sum(),
    }
    for name, loss in every.items():
        for kind in (torch.float64, torch.float32):
            pred = torch.from_numpy(draw().normal(size=(2, 9, 17, 3))).to(kind).requires_grad_()
            value = loss(pred, gt.to(kind))
            value.backward()
            both = np.r_[value.item(), pred.grad.numpy().ravel()]
            found[f"{name} {str(kind)[6:]}"] = describe(both)
    found["weights"] = describe_rows([losses.MOTIONBERT_WEIGHTS, losses.STRIDE_WEIGHTS])
    return found


@topic
def placing():
    """Cameras, rotations, alignment, joint sets, gaps."""
    rng, clip = draw(), make_clips()[0]
    camera = geometry.random_camera(rng, clip.joints)
    seen = camera.to_camera(clip.joints)
    pixels = camera.project(seen)
    trusted = draw(3).random((2, 30, 17)) > 0.4
    points = draw(4).normal(size=(2, 30, 17, 3)).round(3)
    before, after = interpolation.find_neighbours(trusted)
    answer, truth, _ = make_pair()
    found = describe_many("camera", [camera.R, camera.t, camera.focal, camera.center])
    found |= describe_many("look_at", geometry.look_at((1, 2, 3), (0, 1, 0)))
    found |= {
        "seen": describe(seen),
        "pixels": describe(pixels),
        "world": describe(camera.to_world(seen)),
        "rays": describe(camera.unproject(pixels, seen[..., 2])),
        "in view": describe(camera.sees(seen, 0.2)),
        "screen": describe(geometry.normalize_screen(pixels, (1000, 900))),
        "procrustes": describe(geometry.procrustes(answer, truth)),
        "rotations": describe(geometry.axis_angle_to_matrix(rng.normal(size=(5, 3)))),
        "about": describe(geometry.rotation_about((0, 1, 0), np.linspace(0, 3, 7))),
        "before": describe(before),
        "after": describe(after),
        "filled": describe(interpolation.fill_linear(points, trusted)),
        "seconds": describe(interpolation.gap_seconds(trusted, 25)),
        "held": describe(
            interpolation.find_repeated_frames(points.repeat(2, 1), trusted.repeat(2, 1), 50)
        ),
        "carried": describe(
            interpolation.resample_confidence(
                np.linspace(0.1, 1, 5), np.array([0, 2, 3, 7, 9]), np.arange(0, 12, 0.6), 0.5
            )
        ),
        "trust": interpolation.CONFIDENCE_THRESHOLD,
    }
    for name, joints in skeleton.SKELETONS.items():
        found[f"set {name}"] = describe_text(
            f"{joints.joints} {joints.parents} {joints.pairs} "
            f"{joints.mirror} {joints.bones} {joints.from_root}"
        )
    for source, target in skeleton.CONVERSIONS:
        size = len(skeleton.get_skeleton(source))
        given = draw(5).normal(size=(4, size, 3))
        sure = draw(6).random((4, size)) * (draw(7).random((4, size)) > 0.2)
        given[sure == 0] = np.nan
        made = skeleton.convert_joints(given, sure, source, target)
        found |= describe_many(f"{source} to {target}", made)
    return found


@topic
def handling_sequences():
    """What sequences and keypoints can do."""
    walk, flat = make_walker(101, 0.2), make_keypoints(60)
    cut = walk.window(40, 25)
    found = {"missing": describe(walk.missing), "seconds": describe(walk.seconds)}
    found |= describe_track("relative", walk.root_relative())
    found |= describe_track("mirror", walk.mirror())
    for fps in (24, 29.97, 30, 60, 120):
        found |= describe_track(f"at {fps}", walk.resample(fps))
        back = sequence.resample_like(walk, walk.resample(fps))
        found[f"back from {fps}"] = describe(back.joints)
    found |= describe_track("2d at 30", flat.resample(30))
    found |= describe_track("held", walk[:5].pad_with_last(9))
    found |= describe_track("moments", walk.sample_at(np.array([0.0, 0.3, 7.7, 40.2]), 25))
    found |= describe_track("cut", walk[10:80:3]) | describe_track("2d coco", flat.to("coco17"))
    found |= describe_track("stitched", sequence.stitch(cut, sequence.window_starts(101, 40, 25)))
    found |= describe_track("taken", sequence.floor_confidence(walk))
    found["starts"] = str([sequence.window_starts(n, 40, 25) for n in (1, 40, 41, 101)])
    found["blend"] = describe(sequence.blend_weights(11))
    found["frames"] = str([sequence.count_resampled(n, 30, 50) for n in range(1, 9)])
    with open_folder() as folder:
        walk.save(folder / "a.npz")
        flat.save(folder / "b.npz")
        found |= {f"saved {name}": describe_file(folder / f"{name}.npz") for name in "ab"}
        found |= describe_track("loaded", PoseSequence.load(folder / "a.npz"))
        found |= describe_track("2d loaded", Keypoints2D.load(folder / "b.npz"))
    for name, track in {"walk": walk, "flat": flat, "still": walk[:1].pad_with_last(60)}.items():
        told = missing_data.report_missing_data(track)
        found[f"report {name}"] = describe_text(str(told))
        found[f"report table {name}"] = describe_table(told.make_table())
    found["runs"] = describe(interpolation.find_runs(walk.missing[:, 3]))
    return found


@topic
def righting_and_doubting():
    """Sides put right, disbelieved readings, one length a bone."""
    found = {}
    for family in ("swapped", "lag", "tracked"):
        given = make_case("half", family, 240, 1).sequence
        fixed = left_right_swap.fix_swaps(given)
        relative = given.root_relative().joints
        gain = left_right_swap.swap_cost_reduction(relative, 50)
        found |= describe_track(f"{family} put right", fixed)
        found |= {
            f"{family} saved": describe(gain),
            f"{family} limbs": describe(left_right_swap.sum_over_pairs(gain)),
            f"{family} exchanged": describe(left_right_swap.find_swaps(relative, 50)),
            f"{family} moved": describe(left_right_swap.find_changed_pairs(given, fixed)),
        }
    found |= describe_track("2d", left_right_swap.fix_swaps(make_keypoints()))
    answer, truth, visible = make_pair()
    scale = draw().uniform(0.01, 0.1, visible.shape)
    found["disbelieved"] = describe(outlier_rejection.find_outliers(answer, visible, truth, scale))
    found["doubt"] = f"{outlier_rejection.OUTLIER_RATIO} {outlier_rejection.OUTLIER_CONFIDENCE}"
    lengths = bone_projection.estimate_bone_lengths(
        [(answer[:60], scale[:60]), (answer[60:], scale[60:])]
    )
    return found | {
        "lengths": describe(lengths),
        "cut": describe(bone_projection.set_bone_lengths(answer, lengths)),
    }


# Bodies.


@topic
def embodying():
    """The stand-in, kinematics, limits, inverse kinematics, fitting."""
    person, motion = load_body(), make_motion()
    found = describe_many("standin", make_standin_body())
    found |= {
        "names": " ".join(smpl.SHAPE_NAMES),
        "vertices": describe(person.compute_vertices(motion)),
        "joints": describe(person.compute_joints(motion)),
        "rest": describe(person.compute_rest_joints(motion.shape)),
        "shaped": describe(person.compute_rest_vertices(motion.shape)),
        "faces": describe(person.faces),
        "rotations": describe(person.compute_rotations(motion)),
    }
    found |= describe_track("sequence", person.compute_sequence(motion))
    moving = person.make_kinematics(person.regressor)
    turns = person.compute_rotations(motion)
    posed = moving(turns, motion.shape, motion.translation)
    found |= {
        "points": describe(posed.points),
        "parts": describe(posed.parts),
        "by rotation": describe(moving.compute_pose_jacobian(posed, motion.pose)),
        "by shape": describe(moving.compute_shape_jacobian(turns, 10)),
        "total": describe(moving.total),
    }
    plain = forward_kinematics.Kinematics(person.arrays, person.parents, np.eye(24))
    found["of joints"] = describe(plain(turns, motion.shape, motion.translation).points)
    found |= describe_many("limits", joint_limits.get_joint_limits())
    found |= describe_many(
        "guess",
        analytic_ik.estimate_pose(
            person.compute_joints(motion), person.compute_rest_joints(motion.shape)
        ),
    )
    found["told"] = describe(analytic_ik.find_determined_rotations(draw(2).random((8, 24)) > 0.3))
    for kind in ("smplh", "smplx"):
        found[f"to {kind}"] = describe(motion.to(kind).pose)
    view = make_view(3)[:3, :3]
    turned = motion.rotate(view, person.compute_rest_joints(motion.shape)[0])
    found |= describe_many("turned", [turned.pose, turned.translation])
    given = person.compute_sequence(make_motion(10, 4))
    hidden = given.confidence.copy()
    hidden[3:7, 11:14] = 0
    for name, track in {
        "whole": given,
        "hidden": given.replace(confidence=hidden),
        "walk": make_clips()[0][:10],
    }.items():
        fitted = smpl.fit(track, person, 12)
        parts = [
            fitted.pose,
            fitted.shape,
            fitted.translation,
            fitted.residual_mm,
            fitted.objective,
        ]
        found |= describe_many(f"fit {name}", parts)
        found |= describe_track(f"fit {name}", fitted.sequence)
    return found


@topic
def showing_bodies():
    """Animations, players and pictures of a body; model files; surfaces."""
    person, motion = load_body(), make_motion()
    found = {}
    with open_folder() as folder:
        gltf.write_glb(folder / "a.glb", person, motion)
        found["gltf"] = describe_file(folder / "a.glb")
        kept = {
            key: person.arrays[key]
            for key in (
                "v_template",
                "shapedirs",
                "posedirs",
                "f",
                "J_regressor",
                "weights",
                "kintree_table",
            )
        }
        np.savez(folder / "mine.npz", **kept)
        again = smpl.load_body(folder / "mine.npz", device="cpu")
        found["read"] = f"{again.kind} {again.name}"
        found |= describe_track("read", again.compute_sequence(motion))
        (folder / "smpl").mkdir()
        (folder / "mine.npz").rename(folder / "smpl" / "SMPL_NEUTRAL.npz")
        found["found"] = model_files.find_model_file("smpl", "neutral", folder).name
    shown = play_body(person, motion)
    found["player"] = f"{shorten(shown.markup)} {len(shown.markup)} {shown!r}"
    shown = play_body(person, motion, person.compute_sequence(motion), up="-y", height=200)
    found["player down"] = f"{shorten(shown.markup)} {len(shown.markup)}"
    found["picture"] = describe_figure(mesh_figures.plot_body_strip(person, motion, frames=2))
    rods = [((0, 0, 0), (0, 0.3, 0), 0.1, 0.05), ((0, 0.2, 0), (0.2, 0.2, 0), 0.05, 0.05)]
    field = implicit_surface.make_rod_field(rods, 0.02)
    low, high = np.array([-0.2, -0.2, -0.2]), np.array([0.4, 0.5, 0.2])
    return found | describe_many("surface", implicit_surface.extract_mesh(field, low, high, 0.03))


# Simulation.


@topic
def hiding_and_erring():
    """Every regime, every family of noise, detections."""
    clip = make_clips()[1]
    camera = geometry.random_camera(draw(), clip.joints)
    truth = camera.to_camera(clip.joints)
    found = {
        "regimes": " ".join(occlusion.REGIMES),
        "families": " ".join(estimator_noise.NOISE_MODELS),
    }
    for name in occlusion.REGIMES:
        for fps in (50, 25):
            made = occlusion.occlude(name, truth[:: 50 // fps], fps, draw(1))
            found[f"{name} at {fps}"] = describe(made)
    visible = occlusion.occlude("half", truth, 50, draw(2))
    for name in estimator_noise.NOISE_MODELS:
        made = estimator_noise.simulate_estimates(truth, visible, 50, draw(3), name)
        found |= describe_many(f"noise {name}", made)
    found |= describe_many(
        "detect", estimator_noise.simulate_detections(camera.project(truth), visible, 50, draw(4))
    )
    found |= {
        "smooth": describe(sampling.draw_smooth_noise(draw(5), (100, 3), 0.3, 50)),
        "sureness": describe(estimator_noise.simulate_confidence(draw(6), visible, 50)),
        "exchange": describe(estimator_noise.swap_left_right(draw(7), truth, 50)),
        "kinds": f"{estimator_noise.SEEN} {estimator_noise.TUNING} {estimator_noise.UNSEEN}",
        "limbs": describe_rows([skeleton.LIMBS, skeleton.HALVES]),
        "spans": describe_text(str(list(occlusion.draw_hidden_spans(250, 50, draw(8))))),
        "box": describe(
            geometry.is_behind_box(truth, np.array([0, 0, 2.0]), np.array([0.3, 0.3, 0.2]), 0.4)
        ),
    }
    return found


@topic
def varying():
    """Augmentations."""
    one, two, three = (clip.joints for clip in make_clips())
    people = augmentation.find_distinct_bodies([one, two, three])
    stranger = augmentation.sample_body_proportions(people, draw(1))
    found = {
        "bodies": describe(people),
        "stranger": describe(stranger),
        "body": describe(augmentation.measure_body_proportions(one)),
        "mirror": describe(mirror_joints(one)),
        "alike": " ".join(
            str(augmentation.have_same_proportions(people[0], other))
            for other in (people[0], stranger)
        ),
        "paced": describe(sampling.time_warp(one, np.linspace(-1, 200, 77))),
        "crop": describe(augmentation.crop_at_random_pace(one, 120, draw(2))),
        "crop short": describe(augmentation.crop_at_random_pace(one[:40], 120, draw(3))),
        "reproportion": describe(augmentation.scale_bones(one, draw(4).uniform(0.8, 1.2, 17))),
        "embodied": describe(augmentation.apply_body_proportions(one, stranger)),
        "grafted": describe(augmentation.mix_upper_lower_body(one, two)),
    }
    for seed in range(6):
        made = augmentation.augment_motion(one, 100, draw(seed), people, two)
        found[f"vary {seed}"] = describe(made)
    return found


@topic
def moving():
    """Every synthetic activity, the people who do them, statistics of motion."""
    found = {"activities": " ".join(synthetic.ACTIVITIES)}
    for split in ("train", "val", "test"):
        made = datasets.load("synthetic", split, clips=10, seconds=2.0, seed=1, fps=30)
        found |= {f"{split} {clip.name}": describe(clip.joints) for clip in made}
    t, person = np.arange(0, 2, 0.02), synthetic_body.draw_synthetic_body(draw())
    found["person"] = f"{person.stature:.12g} {synthetic_body.ANGLE_LIMITS['rknee']}"
    found |= describe_many("offset", {k: person.offsets[k] for k in ("rhip", "rknee", "head")})
    for name in synthetic.ACTIVITIES:
        pose = synthetic.perform_activity(name, t, draw(1), person)
        joints, feet = synthetic_body.place_joints(person, pose, np.zeros(len(t)))
        found[f"perform {name}"] = describe(np.r_[joints.ravel(), feet.ravel()])
    found["facing"] = describe(synthetic_body.face_forward(joints))
    found["ground"] = describe(synthetic_body.plan_root_path(pose, feet, 50))
    waves = synthetic_gait.fit_harmonics(synthetic_gait.GAITS["walk"]["hip"])
    found["curve"] = describe(synthetic_gait.evaluate_curve(waves, np.linspace(0, 1, 20)))
    groups = motion_statistics.load_activities("synthetic", "test", 10, 3.0, 0)
    found["groups"] = str({name: len(found) for name, found in groups.items()})
    for quantity in ("speed", "acceleration"):
        found[f"quantiles {quantity}"] = describe(
            motion_statistics.compute_quantiles(groups["walk"], quantity)
        )
        panels = motion_statistics.compare_with_cmu(groups, quantity, "synthetic")
        found[f"compare {quantity}"] = describe_rows(panels)
    found["ratios"] = describe_rows(motion_statistics.tabulate_ratios(groups, "synthetic"))
    found["apex"] = motion_statistics.fit_apex_acceleration(groups["jump"][0])
    found["recorded"] = describe_rows(
        {str(k): v for k, v in motion_statistics.load_quantiles().items()}
    )
    return found


# The benchmark.


def describe_cases(name, made):
    """What the methods get, and the truth, of all of them."""
    told = [np.r_[c.sequence.joints.ravel(), c.sequence.confidence.ravel()] for c in made]
    truth = [np.r_[c.truth.ravel(), c.visible.ravel()] for c in made]
    names = " ".join(f"{c.name}:{c.seed}" for c in made)
    return {
        f"{name} told": describe(np.concatenate(told)) | {"names": shorten(names)},
        f"{name} truth": describe(np.concatenate(truth)),
    }


@topic
def drawing_cases():
    """The benchmark's first windows of every experiment and noise, of synthetic people."""
    people, regimes, found = make_clips(), list(occlusion.REGIMES), {}
    for name, (source, families) in occlusion_benchmark.EXPERIMENTS.items():
        for family in families:
            made = study.choose_cases(people, regimes, family, 2, 1)
            found |= describe_cases(f"{name} {source} {family}", made)
    made = study.choose_cases(
        people, ["limb", "half", "whole_1s"], "estimator", 1, 2, input="lifted"
    )
    found |= describe_cases("lifted", made)
    found |= describe_cases("drawn", study.sample_cases(people, ["limb", "none"], "lag", 1, 2))
    every = harness.make_cases(people, ["limb", "half"], "drift", 100, 3)
    found |= describe_cases("all", every) | describe_cases(
        "evenly", harness.select_evenly(every, 2)
    )
    found |= describe_cases("chosen", study.choose_windows(every, 2, draw(4)))
    other = harness.replace_mask(every[0], "other", every[1].visible)
    found |= describe_track("masked", other.sequence)
    found["windows"] = str([harness.split_windows(n) for n in (50, 81, 243, 324, 500)])
    told = lifter_harness.make_lifter_windows(people, ["limb", "half"], 81, 5, each=1)
    found |= describe_many("detected", [told.features, told.truth, told.visible, told.pixels])
    found["detected names"] = describe_text(str([told.clips, told.regimes]))
    return found


def drop_seconds(rows):
    """Rows without what the clock says."""
    return [
        {k: v for k, v in row.items() if k not in ("seconds", "wall_s", "hardware", "commit")}
        for row in rows
    ]


@topic
def comparing():
    """Methods on cases: rows, means, intervals, ratios, the record, the command."""
    every = harness.make_cases(make_clips(), ["limb", "half"], frames=120)
    methods = ("input", "linear", "gaussian", "prior", "stride_ours")
    rows = harness.compare_methods(every, methods, make_tiny(), 0, {"stride_ours": {"steps": 1}})
    rows = [row | {"seconds": 0.0} for row in rows]
    found = {
        "rows": describe_rows(rows),
        "means": describe_rows(harness.average_rows(rows)),
        "selected": len(harness.select_rows(rows, regime="half", method="prior")),
        "interval": describe_rows(
            harness.estimate_interval(rows, "mpjpe_hidden", "prior", "linear")
        ),
        "ratios": describe_rows(paired_statistics.compare_with_rivals(rows)),
        "claims": describe_rows(paired_statistics.measure_calibration(rows)),
        "subjects": describe_rows(paired_statistics.average_subjects(rows)),
        "subject": paired_statistics.parse_subject("cmu_06_02_a"),
    }
    before, after = ([row for row in rows if row["method"] == m] for m in ("linear", "gaussian"))
    changed = paired_statistics.compare_paired(every, before, after, ["mpjpe", "mpjpe_hidden"])
    found["changes"] = describe_rows(changed)
    part = occlusion_benchmark.Part("seen_noise", "estimator", "cmu", "estimator", 0)
    done = {"rows": rows, "every": rows, "hardware": {m: {} for m in methods}, "commit": "c"}
    found["summary"] = describe_rows(occlusion_benchmark.summarise([(part, done)]))
    told = lifter_harness.make_lifter_windows(make_clips(), ["limb", "half"], 81, 5, each=1)
    answers = lifter_harness.predict_windows(load_shipped("lifter"), told.features)
    scores = lifter_harness.score_windows(told, answers)
    found |= {
        "lifted": describe(answers),
        "lifted rows": describe_rows(scores),
        "lifted means": describe_rows(lifter_harness.average_windows(scores, "regime")),
    }
    return found | run_benchmark()


@contextlib.contextmanager
def open_prepared():
    """A folder of prepared clips that are synthetic, where the package looks for CMU's."""
    with open_folder() as folder, set_environment("STRIDE_NB_DATA", folder):
        for split in ("train", "val", "test"):
            made = make_clips(split=split)
            labels = [clip_archive.Label("cmu_99", "walk")] * len(made)
            clip_archive.write_clips(folder / f"cmu_h36m17_{split}.npz", made, labels)
        yield folder


def run_benchmark():
    """The command on prepared clips that are synthetic."""
    words = [
        "--experiments",
        "seen_noise",
        "--inputs",
        "estimator",
        "--regimes",
        "limb",
        "whole_1s",
        "--methods",
        "input",
        "linear",
        "gaussian",
        "--seeds",
        1,
        "--windows",
        2,
    ]
    with open_prepared() as folder:
        said = call_main(
            folder,
            "occlusion_benchmark",
            *words,
            "--runs",
            folder / "runs",
            "--out",
            folder / "b.json",
        )
        rows = {p.name: drop_seconds(records.load_rows(p)) for p in sorted(folder.glob("b*.json"))}
        shown = [setting.name for setting in benchmark_tables.read(folder / "b.json")]
        loaded = cmu.load("val", clips=2)
    return {
        "command": said,
        "command rows": describe_rows(rows),
        "command settings": str(shown),
        "command clip": describe(loaded[1].joints),
    }


@topic
def commanding():
    """Commands that train and tune, a few steps each."""
    found = {}
    with open_prepared() as folder:
        out = folder / "ranking.json"
        words = [
            "--seeds",
            1,
            "--weights",
            1,
            "--steps",
            2,
            "--batch",
            2,
            "--frames",
            27,
            "--pool",
            4,
            "--dim",
            16,
            "--depth",
            1,
            "--threads",
            1,
            "--device",
            "cpu",
        ]
        found["ranking"] = call_main(
            folder, "ranking_losses", *words, "--runs", folder / "ranking", "--out", out
        )
        found["ranking rows"] = describe_rows(drop_seconds(records.load_rows(out)))
        out = folder / "tuned.json"
        words = ["--methods", "linear", "hold", "--inputs", "estimator", "--clips", 2]
        found["tune"] = call_main(folder, "tune_filters", *words, "--out", out)
        found["tune rows"] = describe_rows(records.load_rows(out))
        for name in ("smoothnet", "lifter_dstformer"):
            words = ["--steps", 2, "--batch", 1, "--workers", 0, "--threads", 1, "--device", "cpu"]
            found[f"train {name}"] = call_main(
                folder, "train", name, *words, "--out", folder / name
            )
            state, card = checkpoints.load_weights(folder / name / f"{name}.safetensors")
            found[f"train {name} weights"] = describe(flatten_weights(state.values()))
            found[f"train {name} card"] = describe_rows([card["config"], card["validation"]])
    return found


# Training.


def describe_fit(name, model, task, **changed):
    """Three steps of training: losses, validation, weights."""
    settings = trainer.Settings(**{"steps": 3, "half": False, "validate_every": 3} | changed)
    torch.manual_seed(5)
    learnt, history = trainer.train_network(model, task, settings, device="cpu", progress=False)
    return {
        f"{name} history": describe_rows(drop_seconds(history)),
        f"{name} weights": describe(flatten_weights(learnt.parameters())),
    }


def flatten_weights(tensors):
    """All numbers of a network in one row."""
    return torch.cat([tensor.detach().flatten().float() for tensor in tensors])


@topic
def learning():
    """Three steps of every recipe at a small size."""
    people = [clip.joints for clip in make_clips(3, 4.0, "train")]
    held, found = [make_clips(1, 5.0, "val")[0].joints], {}
    for name, recipe in recipes.RECIPES.items():
        options = {
            key: make_tiny("lifter") if key == "lifter" else value
            for key, value in recipe.options.items()
        }
        task = recipe.task(people, held, 1, 0, **options)
        found[f"{name} recipe"] = describe_rows(
            [dataclasses.astuple(recipe.settings), recipe.batch, recipe.config]
        )
        found[f"{name} identity"] = describe_rows(task.identity)
        found |= describe_many(f"{name} batch", task.make_batch(2))
        model = make_tiny(recipe.head, recipe.backbone)
        found |= describe_fit(name, model, task, optimizer=recipe.settings.optimizer, lr=1e-3)
    made_pool = pool.Pool([*make_clips(3, 4.0, "train")], 8, 27, 4, rank=(1.0, 1.0))
    found |= describe_many("pool", made_pool.make_batch(3)) | {
        "pool identity": describe_rows(made_pool.identity)
    }
    model = pool.make_lifter("frameformer", pool.make_frameformer_config(32, 1), made_pool.truth)
    found |= describe_fit("pool", model, made_pool, ema=0.0)
    found |= describe_fit(
        "pool again", model, made_pool.with_rank((0.0, 0.0)), schedule="exponential"
    )
    shown = tasks.make_validation_examples(held, 200, tasks.VALIDATION_REGIMES, 1)
    found |= {f"example {i}": describe(seen) for i, (seen, *_) in enumerate(shown)}
    published = [trainer.Settings.from_published(name, 10) for name in trainer.PUBLISHED_SCHEDULES]
    found["published"] = describe_rows([dataclasses.astuple(one) for one in published])
    return found | {"digest": trainer.hash_tensors(torch.arange(5.0), torch.ones(2))}


@topic
def adapting():
    """Test-time training: the published objective's path, and ours on one window."""
    case, found = make_case("half"), {}
    shipped, small = load_shipped("prior"), make_tiny()
    for name, model in {"shipped": shipped, "tiny": small, "bare": make_bare()}.items():
        told = sliding_window.Windows(case.sequence, model, 60, 60, partial=True)
        how = test_time_training.make_settings(test_time_training.PublishedTTT, {"epochs": 3})
        learnt, steps = test_time_training.run_published_objective(model, told, 1, how)
        found[f"published {name}"] = describe_rows(steps)
        found[f"published {name} weights"] = describe(flatten_weights(learnt.parameters()))
    for name, model, lr in (("shipped", shipped, 5e-5), ("tiny", small, 1e-3)):
        told = sliding_window.Windows(case.sequence, model)
        how = {"steps": 3, "lr": lr, "judge_every": 1, "margin": 0.0}
        how = test_time_training.make_settings(test_time_training.SelfDistillationTTT, how)
        learnt, steps, note = test_time_training.run_masked_self_distillation(model, told, 2, how)
        found |= {f"ours {name}": describe_rows(steps), f"ours {name} note": note}
        found[f"ours {name} weights"] = describe(flatten_weights(learnt.parameters()))
    usual = (test_time_training.PublishedTTT(), test_time_training.SelfDistillationTTT())
    found["defaults"] = describe_rows([dataclasses.astuple(how) for how in usual])
    return found


@topic
def answering():
    """Shipped and small networks on fixed inputs; windows; lifting."""
    case, found = make_case("half", frames=240), {}
    told = motion_prior.make_input_features(case.sequence.joints, case.sequence.confidence, 50)
    flat = make_keypoints()
    seen = lifter.make_lifter_features(flat.pixels, flat.confidence, 50, flat.size)
    found |= {"conditioned": describe(told), "conditioned 2d": describe(seen)}
    told, seen = (torch.from_numpy(x)[None] for x in (told, seen))
    found |= {
        "mirrored": describe(motion_prior.mirror_features(told)),
        "mirrored 2d": describe(lifter.mirror_lifter_features(seen)),
    }
    with torch.no_grad():
        for name, model in {
            "shipped": load_shipped("prior"),
            "tiny": make_tiny(),
            "dstformer": make_tiny("prior", "dstformer"),
        }.items():
            answer = model(told)
            found |= {
                f"{name} joints": describe(answer.joints),
                f"{name} scale": describe(answer.scale),
            }
        for name, model in {"shipped": load_shipped("lifter"), "tiny": make_tiny("lifter")}.items():
            found[f"{name} lifted"] = describe(model(seen))
            found[f"{name} both ways"] = describe(
                flip_averaging.average_with_flip(model, seen).joints
            )
    line = torch.from_numpy(filters.linear(case.sequence).root_relative().joints).float()
    found["smoothed"] = describe(load_shipped("smoothnet").smooth(line))
    found["smoothed short"] = describe(make_tiny("plain", "smoothnet").smooth(line[:9]))
    torch.manual_seed(0)
    parts = {
        "frameformer": frameformer.FrameFormer(3, 3, 16, 1, 2),
        "smoothnet": smoothnet.SmoothNet(hidden=8),
        "dstformer": dstformer.DSTformer(**TINY["dstformer"]),
    }
    draws = torch.Generator().manual_seed(1)
    parts["dstformer"].reset_parameters(draws), parts["smoothnet"].reset_parameters(draws)
    for name, part in parts.items():
        found[f"{name} alone"] = describe(part.eval()(line[None, :32]))
    found["presets"] = describe_rows(dstformer.PRESETS)
    for name, model in {"shipped": load_shipped("prior"), "bare": make_bare()}.items():
        cut = sliding_window.Windows(case.sequence, model, 100, 70)
        blind = draw().random((len(cut.get_confidence(1)), 17)) < 0.2
        found |= {
            f"{name} features": describe(cut.make_features(1)),
            f"{name} root": describe(cut.smooth_root(1)),
            f"{name} starts": str(cut.starts),
            f"{name} blind": describe(cut.make_features(1, blind)),
            f"{name} hinted": describe(cut.make_features(1, blind, (0.1, 0.3))),
            f"{name} relative": describe(cut.fill_relative(1)),
        }
        for twice in (False, True):
            spans, *made = zip(*cut.predict(model, twice))
            made = [np.concatenate(parts) for parts in made if parts[0] is not None]
            found |= describe_many(f"{name} {'twice' if twice else 'once'}", made)
            found[f"{name} spans"] = str([span.stop for span in spans])
    unsure = flat.replace(confidence=0.4 * flat.confidence)
    for name, track in {
        "50": flat,
        "30": flat.resample(30),
        "coco": flat.to("coco17"),
        "one": flat[:1],
        "unsure": unsure,
    }.items():
        found |= describe_track(f"lift {name}", lift(track, device="cpu"))
    return found


@topic
def keeping_weights():
    """Shipped weights, files of weights in every form, pickles read without running them."""
    found = {}
    for name in ("prior", "lifter", "smoothnet"):
        state, card = checkpoints.load_weights(name)
        found[name] = f"{checkpoints.hash_weights(name)} {len(state)} tensors"
        found[f"{name} card"] = describe_rows(card)
    torch.manual_seed(0)
    model = dstformer.DSTformer(**TINY["dstformer"])
    with open_folder() as folder:
        checkpoints.write_published_checkpoint(folder / "a.bin", model.state_dict())
        checkpoints.convert_checkpoint(folder / "a.bin", folder / "b.safetensors", heads=4)
        found["converted"] = describe_file(folder / "b.safetensors")
        _, card = checkpoints.load_weights(folder / "b.safetensors")
        found["card"] = describe_rows({k: v for k, v in card.items() if k != "published"})
        back, _ = checkpoints.load_dstformer(folder / "b.safetensors")
        found["config"] = describe_rows(back.config)
        checkpoints.save_weights(
            folder / "c.safetensors",
            make_tiny().state_dict(),
            {
                "config": {
                    "head": "prior",
                    "backbone": "frameformer",
                    "arguments": TINY["frameformer"],
                }
            },
        )
        again = registry.load_model(folder / "c.safetensors")
        found["again"] = describe(flatten_weights(again.parameters()))
        found["command"] = call_main(folder, "convert", folder / "b.safetensors", folder / "d.bin")
        found["returned"] = describe(
            checkpoints.read_published_checkpoint(folder / "d.bin")["head.weight"]
        )
        torch_file.save_torch(folder / "e.pt", {"a": torch.arange(3), "b": [1.5, "x"]})
        found["file"] = str(torch_file.load_torch(folder / "e.pt"))
    plain = numpy_pickle.load_pickle_bytes(pickle.dumps({"a": np.arange(4.0), "b": ("x", 2)}, 4))
    found["pickle"] = f"{plain['a'].tolist()} {plain['b']}"
    found["refused"] = describe_error(numpy_pickle.load_pickle_bytes, pickle.dumps(os.getcwd))
    return found


# Showing.


@topic
def tabling_the_ablation():
    """What the records of the method taken apart say."""
    names = (
        "ingredients",
        "weights",
        "curves",
        "degradation",
        "guesses",
        "adaptation",
        "sides",
        "second_look",
        "bones",
        "limits",
    )
    rows = {name: run["rows"] for name, run in zip(names, ablations.load_records(), strict=True)}
    made = {
        "ingredients": ablations.tabulate_components(rows["ingredients"]),
        "slopes": ablations.tabulate_robustness(rows["degradation"]),
        "guesses": ablations.tabulate_low_confidence(rows["guesses"], "mpjpe_hidden"),
        "at step": ablations.tabulate_objectives(rows["adaptation"], 30),
        "margins": ablations.tabulate_margins(rows["adaptation"]),
        "sides": ablations.tabulate_swap_detection(rows["sides"]),
        "sides val": ablations.tabulate_swap_correction(rows["sides"], "val"),
        "sides test": ablations.tabulate_swap_correction(rows["sides"], "test"),
        "second look val": ablations.tabulate_second_pass(rows["second_look"], "val"),
        "second look test": ablations.tabulate_second_pass(rows["second_look"], "test"),
        "one length": ablations.tabulate_bone_lengths(rows["bones"]),
        "trained on": ablations.tabulate_bounds(rows["limits"], "trained on"),
        "constant": ablations.tabulate_bounds(rows["limits"], "constant"),
    }
    made |= {
        f"weights {m}": ablations.tabulate_checkpoints(rows["weights"], m)
        for m in ("mpjpe_hidden", "mpjpe_visible", "accel_error")
    }
    found = {
        name: describe_table(figures.make_table(part, digits=3)) for name, part in made.items()
    }
    stand = ablations.select_effects(rows["ingredients"])
    told = {k: {n: f"{e} {e.standing} {e.seeds}" for n, e in v.items()} for k, v in stand.items()}
    ends = ablations.list_conclusions(rows["ingredients"], rows["adaptation"])
    harm, steps = rows["degradation"], rows["adaptation"]
    found |= {
        "findings": describe_text("\n".join(ablations.list_findings(rows["ingredients"]))),
        "effects": describe_text(str(told)),
        "conclusions": describe_text("\n".join(ends)),
        "ahead": describe_text(str(ablations.compare_runs(rows["curves"], "mixed", "longer"))),
        "validation": describe_rows(ablations.select_validation(rows["curves"])),
        "degradation": describe_rows(ablations.select_robustness(harm, "mpjpe_hidden")),
        "drawn": describe_figure(effect_sizes.plot_forest(stand, "multiple")),
        "over harm": describe_figure(ablations.plot_robustness(harm, "hidden", "gap", "s")),
        "over steps": describe_figure(ablations.plot_objectives(steps, "hidden")),
    }
    case = make_case("half")
    failure = ablations.Failure(case, refine(case.sequence, "prior", load_shipped("prior")))
    return found | {
        "failure": failure.describe(),
        "doubts": describe_figure(ablations.plot_expected_errors([failure])),
    }


@topic
def tabling_the_benchmark():
    """What the benchmark's records say."""
    found, made = benchmark_tables.read(), {}
    rows = next(iter(found.values()))
    every = found.values()
    hidden = [str(benchmark_tables.tabulate_regimes(r, "mpjpe_hidden")) for r in every]
    ratios = [
        benchmark_tables.compute_ratio(r, "mpjpe_hidden", benchmark_tables.CLASSICAL) for r in every
    ]
    worst = [benchmark_tables.find_worst_ratio(r, "accel_error", ["prior"]) for r in every]
    panels = benchmark_tables.plot_bars(benchmark_tables.select_panels(rows, "mpjpe_hidden"), "mm")
    made |= {
        "settings": describe_text(" | ".join(setting.name for setting in found)),
        "absent": describe_text("\n".join(benchmark_tables.list_absent(found))),
        "visible": describe_table(benchmark_tables.tabulate_settings(found, "mpjpe_visible")),
        "acceleration": describe_table(benchmark_tables.tabulate_settings(found, "accel_error", 2)),
        "hidden by regime": describe_text("\n".join(hidden)),
        "ratio": describe_rows(ratios),
        "worst": describe_rows(worst),
        "means": describe_rows(
            [benchmark_tables.average_regimes(r, "mpjpe_hidden") for r in every]
        ),
        "board": describe_table(acceptance.tabulate_verdicts(found)),
        "speed": describe_text("\n".join(acceptance.list_runtime_verdicts())),
        "panels": describe_figure(panels[0]),
    }
    shown = {
        "overview": benchmark_tables.tabulate_runs(found),
        "standings": benchmark_tables.rank_methods(found),
        "verdicts": acceptance.list_verdicts(found),
        "paired": benchmark_tables.tabulate_paired_ratios(),
        "losses": benchmark_tables.list_losses(),
        "people": benchmark_tables.tabulate_subjects(),
        "claims": benchmark_tables.tabulate_calibration(),
        "seconds": benchmark_tables.tabulate_runtime(found),
    }
    made |= {
        name: describe_table(figures.make_table(part, digits=3)) for name, part in shown.items()
    }
    parts = parity.group_components()
    for name, part in parts.items():
        made[f"parity {name}"] = describe_rows(
            [
                {k: v for k, v in row.items() if "stride_nb" not in k}
                for row in parity.merge_components(part)
            ]
        )
    return made | {"closeness": describe_figure(parity.plot_differences(parts))}


@topic
def tabling_the_ranking():
    """What the record of the ranking losses says."""
    found = ranking_tables.read()
    hidden = ranking_tables.select_effects(found, "mpjpe_hidden")
    every = ranking_tables.select_effects(found, ranking_tables.ORDERS)
    case = make_case("half")
    return {
        "setup": describe_rows(ranking_tables.tabulate_setup(found)),
        "chosen": describe_rows(ranking_tables.select_weights(found)),
        "sweep": describe_table(ranking_tables.tabulate_sweep(found)),
        "ends": str(ranking_tables.list_edge_choices(found)),
        "outside": describe_text(ranking_tables.summarise_intervals(found)),
        "errors": describe_table(ranking_tables.tabulate_means(found, ranking_tables.ERRORS)),
        "orders": describe_table(
            ranking_tables.tabulate_means(found, ranking_tables.ORDERS, "half")
        ),
        "said": describe_table(ranking_tables.tabulate_effects(every)),
        "tally": describe_text(str(ranking_tables.list_effects(every))),
        "count": describe_text(str(ranking_tables.count_standings(hidden))),
        "percent": describe_text(str(ranking_tables.list_percent_changes(hidden))),
        "swept": describe_figure(ranking_tables.plot_sweep(found)),
        "ordered": describe_figure(
            ranking_tables.plot_depth_order(case.truth[9], case.truth[10], ~case.visible[9])
        ),
    }


@topic
def drawing_figures():
    """Plots, players, plain tables."""
    figures.use_style()
    case, solid = make_case("half"), gap_filling.fill_gaps(make_case("half").sequence).joints
    pair = {"truth": case.truth, "input": solid}
    camera, hidden = case.camera, ~case.visible
    seen = {"truth": camera.project(case.truth[5]), "input": camera.project(solid[5])}
    panel = {"a": {"one": ([1, 2, 3], [3.0, 1.0, 2.0]), "two": ([1, 2], [0.5, 0.7])}}
    band = {"p": {"m": ([1, 2], [1.0, 2.0], [0.5, 1.5], [1.5, 2.5])}}
    drawn_figures = {
        "strip": figures.plot_pose_strip(pair, 50, frames=4, hidden=hidden, up="-y"),
        "strip apart": figures.plot_pose_strip(pair, 50, frames=3, up="-y", apart=True),
        "timeline": figures.plot_timeline(pair, 50, ["rwrist", "lankle"], "z", case.visible),
        "visibility": figures.plot_visibility(case.visible, 50),
        "visibilities": figures.plot_visibility({"a": case.visible, "b": hidden}, 50),
        "detections": figures.plot_detections(seen, camera.size, hidden[5]),
        "distribution": figures.plot_distribution({"a": draw().normal(size=200)}, "x"),
        "lines": figures.plot_lines(panel, "x", "y", log=True),
        "loss curve": figures.plot_loss_curve({"a": [3, 2, 1], "b": ([1, 5], [2, 1])}, "loss"),
        "bars": figures.plot_bars({"g": {"a": 1.0, "b": bootstrap.Interval(2, 1, 3)}}, "mm"),
        "reliability": figures.plot_reliability(draw().random(500), draw(1).random(500) > 0.4),
        "joints": figures.plot_skeleton_map(make_clips()[0].joints[0]),
        "curves": uncertainty.plot_interval_curves(band, ["x"], "y"),
        "dots": uncertainty.plot_dots({"g": {"a": [1, 2, 3]}}, "mm", 2.0),
        "occluder": uncertainty.plot_occluder(
            case.truth[5], np.array([0.1, 0.5, 2.0]), np.array([0.2, 0.2, 0.1]), 0.3, camera
        ),
    }
    found = {name: describe_figure(figure) for name, figure in drawn_figures.items()}
    corners = uncertainty.compute_box_corners(np.zeros(3), np.ones(3), 0.5)
    found |= {
        "turned": describe(figures.project_view(solid)),
        "upright": describe(figures.rotate_upright(solid, "-y")),
        "upright z": describe(figures.rotate_upright(solid, "z")),
        "corners": describe(corners),
        "colors": str(figures.assign_colors(list("abcde"))),
        "palette": str(figures.PALETTE),
    }
    shown = play_poses(pair, 50, hidden=hidden, up="-y", height=200)
    gappy = play_poses({"input": case.sequence.joints}, 29.97, up="z")
    found["player"] = f"{shorten(shown.markup)} {len(shown.markup)} {shown!r}"
    found["player gaps"] = f"{shorten(gappy.markup)} {len(gappy.markup)} {gappy!r}"
    rows = [{"a": 1.25, "b": "x|<y>", "seconds": 2.0}, {"a": None, "b": "z", "c": 3}, {"a": -0.01}]
    shown = tables.make_table(rows, {"a": 1}, lower=["a"], higher=["c"], names={"a": "A (mm)"})
    return found | {
        "table": describe_table(shown),
        "plain": str(
            records.make_plain(
                {"a": np.float64(1.5), "b": [np.nan, Path("x/y")], "c": np.arange(3)}
            )
        ),
    }


@topic
def publishing():
    """Tables that pages ask for; notebooks' parameters; records."""
    asked = [
        "joints: h36m17 coco17 body25 smpl24",
        "joints: smpl24 h36m17",
        "settings: data/results/benchmark.json",
        "table: data/results/baselines.json",
        "benchmark: data/results/benchmark.json seen_noise estimator mpjpe_hidden",
    ]
    found = {
        words: describe_text(build.fill_tables(f"<!-- {words} -->\n<!-- end -->"))
        for words in asked
    }
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        found[f"parameters {path.stem}"] = describe_text(str(run_notebook.read_parameters(path)))
    found["values"] = str(
        [run_notebook.parse_value(text) for text in ("3", "True", "cmu", "[1, 2]")]
    )
    for path in sorted((ROOT / "data" / "results").glob("*.json")):
        found[f"record {path.stem}"] = describe_rows(records.load_rows(path))
    found["errors"] = str(errors.InputError("here", "field", "this", "that"))
    return found | {
        "numbers": f"{errors.parse_natural('4')} {errors.parse_positive('2')}",
        "effect": str(effect_sizes.Effect(0.9, 0.8, 0.95, 0.7, 1.1, False).standing),
    }


@topic
def reading_notebooks():
    """The stored outputs of every code cell of every notebook, pictures left out."""
    found = {}
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        made = json.loads(path.read_text(encoding="utf-8"))["cells"]
        texts = [join_outputs(cell) for cell in made if cell["cell_type"] == "code"]
        for i, text in enumerate(texts):
            if text:
                found[f"{path.stem} {i:02d}"] = describe_text(text)
    return found


def join_outputs(cell):
    """The text outputs of a cell; times, which differ from run to run, are left out."""
    parts = []
    for output in cell["outputs"]:
        data = output.get("data", {})
        parts += [output.get("text", ""), data.get("text/plain", ""), data.get("text/html", "")]
    text = "\n".join("".join(part) for part in parts if part)
    return re.sub(r'(<td class="volatile"[^>]*>).*?</td>', r"\1#</td>", text)


# Recording and checking.


def collect(name):
    """What a topic finds, as JSON would give it back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return json.loads(json.dumps(records.make_plain(TOPICS[name]())))
    finally:
        torch.set_num_threads(threads)
        pyplot.close("all")


def load_record():
    """The recorded entries by topic."""
    return json.loads(RECORD.read_text(encoding="utf-8"))


def write_record(found):
    """One line an entry, sorted."""
    topics = []
    for name, entries in sorted(found.items()):
        lines = [f"  {dump(key)}: {dump(entry)}" for key, entry in sorted(entries.items())]
        topics.append(f" {dump(name)}: {{\n" + ",\n".join(lines) + "\n }")
    RECORD.write_text("{\n" + ",\n".join(topics) + "\n}\n", encoding="utf-8")


def dump(value):
    """Compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def judge(expected, found, rtol):
    """``equal``, ``close`` (all numbers are), or ``DIFFERENT``."""
    if expected == found:
        return "equal"
    return "close" if are_close(expected, found, rtol) else "DIFFERENT"


def are_close(a, b, rtol, size=0.0):
    """Whether two entries agree but for rounding."""
    if isinstance(a, dict) and isinstance(b, dict):
        size = a.get("abs_mean", 0.0)
        return a.keys() == b.keys() and all(
            are_close(
                a[k],
                b[k],
                0.01 if k == "bytes" else rtol,
                size * (np.prod(a["shape"]) if k == "sum" else 1),
            )
            for k in a
            if k != "digest"
        )
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(are_close(x, y, rtol, size) for x, y in zip(a, b))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return abs(a - b) <= rtol * max(abs(a), abs(b), size)
    if isinstance(a, str) and isinstance(b, str):
        numbers = [[float(n.replace("−", "-")) for n in NUMBER.findall(text)] for text in (a, b)]
        return NUMBER.sub("#", a) == NUMBER.sub("#", b) and are_close(*numbers, rtol)
    return a == b


def compare_topic(name, expected, found):
    """Entry → verdict, of those of a topic that are not equal."""
    rtol = LOOSE.get(name, RTOL)
    verdicts = dict.fromkeys(expected.keys() - found.keys(), "missing")
    verdicts |= dict.fromkeys(found.keys() - expected.keys(), "new")
    verdicts |= {
        key: judge(expected[key], found[key], rtol) for key in expected.keys() & found.keys()
    }
    return {key: verdict for key, verdict in sorted(verdicts.items()) if verdict != "equal"}


def check_all(names, exact):
    """Print what differs; the number of entries that fail."""
    expected, failed = load_record(), 0
    for name in names:
        found = collect(name) if name in TOPICS else {}
        verdicts = compare_topic(name, expected.get(name, {}), found)
        bad = ("DIFFERENT", "missing", "close") if exact else ("DIFFERENT", "missing")
        for key, verdict in verdicts.items():
            print(f"{verdict}: {name}: {key}")
            if verdict == "DIFFERENT":
                print(f"    {dump(expected[name][key])}\n    {dump(found[key])}")
        failed += sum(verdict in bad for verdict in verdicts.values())
        print(f"{name}: {len(found)} entries, {len(verdicts)} not equal", flush=True)
    return failed


def run(arguments=None):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["record", "check"])
    parser.add_argument("--exact", action="store_true", help="fail on any digit that differs")
    parser.add_argument("--topics", nargs="+", choices=sorted(TOPICS), help="these alone")
    args = parser.parse_args(arguments)
    if args.what == "record":
        kept = load_record() if args.topics else {}
        write_record(kept | {name: collect(name) for name in args.topics or TOPICS})
        print(f"{RECORD.name}: {sum(map(len, load_record().values()))} entries")
        return 0
    names = args.topics or sorted({*TOPICS, *load_record()})
    return int(check_all(names, args.exact) > 0)


if __name__ == "__main__":
    sys.exit(run())
