"""Files in the forms of other tools, written from the truth with each tool's conventions."""

import json
import pickle
import sys
import types
from contextlib import contextmanager

import numpy as np

from stride_nb.poses import skeleton
from tests.bodies import pose_in, walk

FRAMES, FPS, SIZE = 30, 25, (1280, 720)
LOST = slice(7, 12)


def people_3d(name, count=2):
    """(P, T, J, 3) people on ways of their own, metres, y up; the first is lost in LOST."""
    people = np.stack(
        [pose_in(name, walk(FRAMES, FPS, seed) + (1.8 * seed, 0, 0)) for seed in range(count)]
    )
    people[0, LOST] = np.nan
    return people


def to_camera(people):
    """From metres, y up, to a camera's axes: x right, y down, z forward, 4 m away."""
    return people * (1, -1, -1) + (0, 1, 4)


def people_2d(name, count=2):
    """(P, T, J, 2) the same people in an image, px."""
    camera = to_camera(people_3d(name, count))
    return (900 * camera[..., :2] / camera[..., 2:] + (400, 360)).round(3)


def confidence_of(people, seed=3):
    """(P, T, J) in [0.1, 1], 0 where missing; one joint of the last person unseen for a while."""
    confidence = np.random.default_rng(seed).uniform(0.1, 1, people.shape[:-1]).round(3)
    confidence[-1, 20:25, -1] = 0
    return np.where(np.isnan(people).any(-1), 0, confidence)


def save_json(path, content):
    path.write_text(json.dumps(content))
    return path


def flatten(pose, confidence):
    """Numbers of a pose as detectors write them: missing joints as zeros."""
    return (np.c_[pose, confidence] * (confidence > 0)[:, None]).ravel().tolist()


def openpose(folder, people, confidence, ids=(3, 7), start=12, key="pose_keypoints_2d"):
    """A folder as of ``--write_json`` and of Pose2Sim; whoever is lost is not in the file."""
    folder.mkdir()
    for t in range(people.shape[1]):
        content = {"version": 1.3, "people": []}
        for p, person in enumerate(ids):
            if confidence[p, t].any():
                content["people"].append(
                    {"person_id": [person], key: flatten(people[p, t], confidence[p, t])}
                )
        save_json(folder / f"clip_{start + t:012d}_keypoints.json", content)
    return folder


def panoptic(folder, people, confidence, ids=(3, 7), start=12):
    """CMU's ``hdPose3d_stage1_coco19``: centimetres, y down."""
    folder.mkdir()
    centimetres = 100 * people * (1, -1, -1)
    for t in range(people.shape[1]):
        bodies = [
            {"id": person, "joints19": np.c_[centimetres[p, t], confidence[p, t]].ravel().tolist()}
            for p, person in enumerate(ids)
            if confidence[p, t].any()
        ]
        content = {"version": 0.7, "univTime": 1.0, "fpsType": "hd_29_97", "bodies": bodies}
        save_json(folder / f"body3DScene_{start + t:08d}.json", content)
    return folder


def alphapose(path, people, confidence, ids=(3, 7), start=12):
    """``alphapose-results.json``."""
    entries = [
        {
            "image_id": f"{start + t}.jpg",
            "category_id": 1,
            "keypoints": flatten(people[p, t], confidence[p, t]),
            "score": 2.9,
            "box": [0, 0, 1, 1],
            "idx": person,
        }
        for t in range(people.shape[1])
        for p, person in enumerate(ids)
        if confidence[p, t].any()
    ]
    return save_json(path, entries)


def tfjs(path, people, confidence):
    """What ``detector.estimatePoses`` gives, a list a frame: BlazePose, hips at 0, metres."""
    frames = []
    for t in range(people.shape[1]):
        poses = []
        for p in range(len(people)):
            if not confidence[p, t].any():
                continue
            world = [
                {"x": x, "y": y, "z": z, "score": c, "name": "joint"}
                for (x, y, z), c in zip(people[p, t].tolist(), confidence[p, t].tolist())
            ]
            image = [{"x": 100 + 10 * j, "y": 50.0, "z": 0.1, "score": 0.9} for j in range(33)]
            poses.append({"score": 0.9, "keypoints": image, "keypoints3D": world})
        frames.append(poses)
    return save_json(path, frames)


def ultralytics_json(path, people, confidence, ids=(3, 7)):
    """A list of ``Results.summary()``."""
    frames = [
        [
            {
                "name": "person",
                "class": 0,
                "confidence": 0.9,
                "box": {"x1": 0.0, "y1": 0.0, "x2": 1.0, "y2": 1.0},
                "track_id": person,
                "keypoints": {
                    "x": np.nan_to_num(people[p, t, :, 0] * (confidence[p, t] > 0)).tolist(),
                    "y": np.nan_to_num(people[p, t, :, 1] * (confidence[p, t] > 0)).tolist(),
                    "visible": confidence[p, t].tolist(),
                },
            }
            for p, person in enumerate(ids)
            if confidence[p, t].any()
        ]
        for t in range(people.shape[1])
    ]
    return save_json(path, frames)


def ultralytics_txt(folder, people, confidence, ids=(3, 7), start=12, save_conf=True):
    """The files of ``save_txt``: shares of the image, no file for a frame without a person."""
    folder.mkdir()
    shares = people / SIZE
    for t in range(people.shape[1]):
        lines = []
        for p, person in enumerate(ids):
            if confidence[p, t].any():
                values = flatten(shares[p, t], confidence[p, t])
                words = [0, 0.5, 0.5, 0.2, 0.4, *values, *([0.87] if save_conf else []), person]
                lines.append(" ".join(f"{word:.9g}" for word in words))
        if lines:
            (folder / f"clip_{start + t}.txt").write_text("\n".join(lines) + "\n")
    return folder


def deeplabcut(path, people, confidence, labels, ids=None, start=12):
    """DeepLabCut's table; with ids that of several animals."""
    coords = ("x", "y", "likelihood") if people.shape[-1] == 2 else ("x", "y", "z")
    names = ids or ["single"]
    columns = [(i, label, c) for i in names for label in labels for c in coords]
    rows = [["scorer", *["DLC"] * len(columns)]]
    rows += [["individuals", *(c[0] for c in columns)]] if ids else []
    rows += [["bodyparts", *(c[1] for c in columns)], ["coords", *(c[2] for c in columns)]]
    for t in range(people.shape[1]):
        cells = []
        for p in range(len(names)):
            pose = people[p, t]
            pose = np.c_[pose, confidence[p, t]] if people.shape[-1] == 2 else pose
            cells += ["" if np.isnan(v) else repr(float(v)) for v in pose.ravel()]
        rows.append([str(start + t), *cells])
    path.write_text("\n".join(",".join(row) for row in rows) + "\n")
    return path


def videopose3d(path, clips, size=SIZE):
    """``prepare_data_2d_custom.py``'s archive: video → "custom" → [array]."""
    positions = {name: {"custom": [points.astype("float32")]} for name, points in clips.items()}
    metadata = {
        "layout_name": "coco",
        "num_joints": 17,
        "keypoints_symmetry": [[1, 3], [2, 4]],
        "video_metadata": {name: {"w": size[0], "h": size[1]} for name in clips},
    }
    np.savez_compressed(path, positions_2d=positions, metadata=metadata)
    return path


def table(path, people, names, delimiter=",", comma=False, flip=False, confidence=None, extra=()):
    """A CSV of one person (T, J, C): ``name_x`` or ``x_name``, cells apart by any delimiter."""
    axes = "xyz"[: people.shape[-1]]
    parts = [*axes, *(["likelihood"] if confidence is not None else [])]
    header = [f"{p}_{n}" if flip else f"{n}_{p}" for n in names for p in parts]
    values = people if confidence is None else np.dstack([people, confidence])
    rows = [
        ["" if np.isnan(v) else f"{v:.6f}" for v in row] for row in values.reshape(len(values), -1)
    ]
    if comma:
        rows = [[cell.replace(".", ",") for cell in row] for row in rows]
    lines = [delimiter.join(row) for row in [header, *rows]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def trc(path, person, labels, unit="m", fps=FPS, start=1):
    """As Pose2Sim and OpenSim write: y up, empty cells where a marker is missing."""
    scale = {"m": 1, "cm": 100, "mm": 1000}[unit]
    T, J = person.shape[:2]
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{path.name}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame"
        "\tOrigNumFrames",
        f"{fps}\t{fps}\t{T}\t{J}\t{unit}\t{fps}\t{start}\t{T}",
        "Frame#\tTime\t" + "\t\t\t".join(labels) + "\t\t\t",
        "\t\t" + "\t".join(f"{axis}{j}" for j in range(1, J + 1) for axis in "XYZ") + "\t",
        "",
    ]
    for t, pose in enumerate(person * scale):
        cells = ["" if np.isnan(v) else f"{v:.5f}" for v in pose.ravel()]
        lines.append("\t".join([str(start + t), f"{t / fps:.6f}", *cells]))
    path.write_text("\n".join(lines) + "\n")
    return path


def c3d(path, person, labels, unit="mm", fps=100.0, start=0, up="+Z"):
    """By ezc3d: missing points by their residual."""
    import ezc3d

    scale = {"m": 1, "mm": 1000}[unit]
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [fps]
    file["parameters"]["POINT"]["LABELS"]["value"] = tuple(labels)
    file["parameters"]["POINT"]["UNITS"]["value"] = (unit,)
    file.add_parameter("POINT", "Y_SCREEN", [up])
    points = np.ones((4, *person.shape[:2][::-1]))
    points[:3] = np.moveaxis(person * scale, -1, 0).swapaxes(1, 2)
    missing = np.isnan(points[:3]).any(0)
    file["data"]["points"] = points
    file["data"]["meta_points"]["residuals"] = np.where(missing, -1.0, 0.0)[None]
    file["header"]["points"]["first_frame"] = start
    file.write(str(path))
    return path


@contextmanager
def _joblib_stub():
    """joblib's class by its name, for pickles to name."""
    wrapper = type("NumpyArrayWrapper", (), {"__module__": "joblib.numpy_pickle"})
    module = types.ModuleType("joblib.numpy_pickle")
    module.NumpyArrayWrapper = wrapper
    kept = {name: sys.modules.get(name) for name in ("joblib", "joblib.numpy_pickle")}
    sys.modules |= {"joblib": types.ModuleType("joblib"), "joblib.numpy_pickle": module}
    try:
        yield wrapper
    finally:
        for name, value in kept.items():
            if value is None:
                del sys.modules[name]
            else:
                sys.modules[name] = value


def joblib_dump(content, path):
    """What ``joblib.dump`` writes: arrays' bytes behind wrappers in the pickle."""
    with _joblib_stub() as wrapper, open(path, "wb") as file:

        class Pickler(pickle._Pickler):
            def save(self, obj, save_persistent_id=True):
                if type(obj) is not np.ndarray:
                    return super().save(obj, save_persistent_id)
                mark = wrapper()
                fortran = obj.flags.f_contiguous and not obj.flags.c_contiguous
                mark.__dict__ |= {
                    "subclass": np.ndarray,
                    "shape": obj.shape,
                    "order": "F" if fortran else "C",
                    "dtype": obj.dtype,
                    "allow_mmap": True,
                    "numpy_array_alignment_bytes": 16,
                }
                super().save(mark)
                self.framer.commit_frame(force=True)
                padding = 16 - (file.tell() + 1) % 16
                file.write(bytes([padding]) + b"\xff" * padding + obj.tobytes("A"))
                return None

        Pickler(file, 4).dump(content)
    return path


def phalp(path, people, start=12, ids=(3, 7)):
    """PHALP's and 4D-Humans' results; people not seen stay for a while, as predicted."""
    content = {}
    for t in range(people.shape[1]):
        frame = {"time": start + t, "shot": 0}
        frame |= {key: [] for key in ("tid", "3d_joints", "camera", "tracked_time", "bbox")}
        for p, person in enumerate(ids):
            lost = np.isnan(people[p, t]).any()
            camera = np.array([0.1 * p, 0.2, 30.0])
            joints = np.zeros((25, 3)) if lost else people[p, t]
            frame["tid"].append(person)
            frame["tracked_time"].append(1 if lost else 0)
            frame["3d_joints"].append(np.concatenate([joints, np.zeros((20, 3))]))
            frame["camera"].append(camera)
        content[f"_DEMO/clip/img/{start + t + 1:06d}.jpg"] = frame
    return joblib_dump(content, path)


def romp(path, people, ids=(3, 7)):
    """``video_results.npz``: 71 joints, of which SMPL's 24 come first."""
    results = {}
    for t in range(people.shape[1]):
        seen = [p for p in range(len(people)) if not np.isnan(people[p, t]).any()]
        trans = np.array([[0.3 * p, 0.1, 5.0] for p in seen])
        joints = np.stack([people[p, t] for p in seen]) - trans[:, None]
        results[f"{t:08d}.jpg"] = {
            "joints": np.concatenate([joints, np.zeros((len(seen), 47, 3))], 1).astype("f4"),
            "cam_trans": trans,
            "smpl_thetas": np.zeros((len(seen), 72)),
            "track_ids": np.array([ids[p] for p in seen]),
        }
    np.savez(path, results=results)
    return path


def trace(path, people, ids=(3, 7)):
    """TRACE's ``outputs``: people and frames in one row."""
    rows = [
        (p, t)
        for t in range(people.shape[1])
        for p in range(len(people))
        if not np.isnan(people[p, t]).any()
    ]
    trans = np.array([[0.3 * p, 0.1, 5.0] for p, _ in rows])
    joints = np.stack([people[p, t] for p, t in rows]) - trans[:, None]
    outputs = {
        "reorganize_idx": np.array([t for _, t in rows]),
        "track_ids": np.array([ids[p] for p, _ in rows]),
        "cam_trans": trans,
        "j3d": np.concatenate([joints, np.zeros((len(rows), 20, 3))], 1),
        "smpl_thetas": np.zeros((len(rows), 72)),
    }
    np.savez(path, outputs=outputs, imgpaths=["a.jpg"] * people.shape[1])
    return path


def sam3d(path, people, start=12, ids=(3, 7)):
    """Frames of people as ``SAM3DBodyEstimator.process_one_image`` gives them, pickled."""
    frames = {}
    for t in range(people.shape[1]):
        frames[f"{start + t:06d}.jpg"] = [
            {
                "track_id": person,
                "pred_keypoints_3d": (people[p, t] - (0, 0, 4)).astype("f4"),
                "pred_cam_t": np.array([0, 0, 4], "f4"),
                "focal_length": 900.0,
            }
            for p, person in enumerate(ids)
            if not np.isnan(people[p, t]).any()
        ]
    path.write_bytes(pickle.dumps(frames, protocol=4))
    return path


def hybrik(path, person, transl, unit=2.2, struct=True):
    """``res.pk`` of HybrIK's demo: left leg first in its 17, joints in units of 2.2 m."""
    own = (person - transl[:, None]) / unit
    left_first = [0, 4, 5, 6, 1, 2, 3, *range(7, 17)]
    content = {
        "pred_xyz_17": list(own[:, left_first] if not struct else np.zeros((len(own), 17, 3))),
        "transl": list(transl),
        "img_path": [f"res_images/image-{t + 1:06d}.jpg" for t in range(len(own))],
        "height": [720] * len(own),
    }
    content |= {"pred_xyz_24_struct": list(own)} if struct else {}
    path.write_bytes(pickle.dumps(content))
    return path


_POSE2SIM = """
RHip RKnee RAnkle RBigToe RSmallToe RHeel LHip LKnee LAnkle LBigToe LSmallToe LHeel Neck Head Nose
RShoulder RElbow RWrist LShoulder LElbow LWrist
"""
_FREEMOCAP = """
nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear
right_ear mouth_left mouth_right left_shoulder right_shoulder left_elbow right_elbow left_wrist
right_wrist left_pinky right_pinky left_index right_index left_thumb right_thumb left_hip right_hip
left_knee right_knee left_ankle right_ankle left_heel right_heel left_foot_index right_foot_index
"""
LABELS = {"pose2sim": _POSE2SIM.split(), "freemocap": _FREEMOCAP.split()}


def named(labels, count=1):
    """(P, T, J, 3) people as those labels mark them."""
    names = [label.lower() for label in labels]
    joints = skeleton.get_skeleton("halpe26").joints
    people = people_3d("halpe26", count)
    return people[:, :, [joints.index(name) for name in names]]
