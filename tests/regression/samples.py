"""Small inputs that need nothing of the package: other programs' files, motion capture, pickles."""

import io
import json
import pickle
import struct

import numpy as np

FRAMES = 20
ANGLES = "0 5 -10"
BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Knee
  {
    OFFSET 0 -4 0
    CHANNELS 3 Yrotation Zrotation Xrotation
    End Site
    {
      OFFSET 0 -3 1
    }
  }
}
MOTION
Frames: 2
Frame Time: .0083333
1 2 3 10 20 30 5 -6 7
4 5 6 -10 0 90 40 0 15
"""
TREE = {
    "lhipjoint": "root",
    "lfemur": "lhipjoint",
    "ltibia": "lfemur",
    "rhipjoint": "root",
    "rfemur": "rhipjoint",
    "rtibia": "rfemur",
    "lowerback": "root",
    "upperback": "lowerback",
    "thorax": "upperback",
    "lowerneck": "thorax",
    "upperneck": "lowerneck",
    "head": "upperneck",
    "lclavicle": "thorax",
    "lhumerus": "lclavicle",
    "lradius": "lhumerus",
    "lwrist": "lradius",
    "rclavicle": "thorax",
    "rhumerus": "rclavicle",
    "rradius": "rhumerus",
    "rwrist": "rradius",
}


def make_asf():
    """A skeleton file with every bone that the 17 joints need."""
    side = {
        "hipjoint": "{} -0.5 0",
        "femur": "0 -1 0",
        "tibia": "0 -1 0",
        "clavicle": "{} 0.3 0",
        "humerus": "{} 0 0",
        "radius": "{} 0 0",
        "wrist": "{} 0 0",
    }
    lines = [
        ":units",
        "length 0.45",
        "angle deg",
        ":root",
        "order TX TY TZ RX RY RZ",
        "axis XYZ",
        ":bonedata",
    ]
    for name in TREE:
        direction = side.get(name[1:], "0 1 0").format(1 if name[0] == "l" else -1)
        lines += [
            "begin",
            f"name {name}",
            f"direction {direction}",
            "length 3",
            "axis 0 0 0 XYZ",
            "dof rx rz",
            "end",
        ]
    return "\n".join([*lines, ":hierarchy", *(f"{up} {name}" for name, up in TREE.items())])


def make_amc(frames=150, phase=0.3):
    """A motion for that skeleton."""
    lines = [":DEGREES"]
    for t in range(frames):
        lines += [str(t + 1), f"root {t / 50} 17 0 0 {phase} 0"]
        lines += [
            f"{name} {10 * np.sin(t / 30 + phase):.6f} {n % 5}" for n, name in enumerate(TREE)
        ]
    return "\n".join(lines)


def make_people(joints, dims=2):
    """(2, FRAMES, joints, dims): two people on their own paths, the first lost for 4 frames."""
    rng = np.random.default_rng(0)
    unit, far = (100, 400) if dims == 2 else (0.5, 3.0)
    body = rng.uniform(-unit, unit, (2, 1, joints, dims))
    path = np.linspace(0, unit / 2, FRAMES)[:, None, None]
    path = path + np.array([far, 2 * far])[:, None, None, None]
    people = (body + path + rng.normal(0, unit / 200, (2, FRAMES, joints, dims))).round(4)
    people[0, 7:11] = np.nan
    return people


def list_present(people):
    """(frame, person, pose) of everyone seen, frames backwards."""
    return [
        (t, p, people[p, t].tolist())
        for t in reversed(range(people.shape[1]))
        for p in range(len(people))
        if np.isfinite(people[p, t]).all()
    ]


def flatten(pose, confidence=0.9):
    """x, y, confidence, x, y, …"""
    return [v for point in pose for v in (*point, confidence)]


def make_alphapose(people, ids=True):
    """AlphaPose's list of results."""
    return [
        {
            "image_id": f"frame_{t:05d}.jpg",
            "category_id": 1,
            "keypoints": flatten(pose),
            "score": 2.5,
        }
        | ({"idx": [[float(p + 1)], [0.0]]} if ids else {})
        for t, p, pose in list_present(people)
    ]


def make_openpose(people):
    """OpenPose's frames by name."""
    frames = {f"{t}.jpg": {"version": 1.3, "people": []} for t in range(people.shape[1])}
    for t, _, pose in list_present(people):
        frames[f"{t}.jpg"]["people"].append({"pose_keypoints_2d": flatten(pose), "person_id": [-1]})
    return frames


def make_coco(people):
    """COCO's annotations."""
    images = [
        {"id": 1000 + t, "file_name": f"{t:06d}.jpg", "width": 1000, "height": 900}
        for t in range(people.shape[1])
    ]
    return {
        "images": images,
        "annotations": [
            {"image_id": 1000 + t, "track_id": p + 1, "keypoints": flatten(pose, 2)}
            for t, p, pose in list_present(people)
        ],
    }


def make_mmpose(people):
    """MMPose's frames."""
    frames = [{"frame_id": t, "instances": []} for t in range(people.shape[1])]
    for t, _, pose in list_present(people):
        frames[t]["instances"].append(
            {"keypoints": pose, "keypoint_scores": [0.9] * len(pose), "bbox": [[0, 0, 1, 1]]}
        )
    return {"meta_info": {}, "instance_info": frames}


def make_mediapipe(people, key="pose_world_landmarks"):
    """MediaPipe's landmarks of the first person."""

    def name(pose):
        return [dict(zip("xyz", point)) | {"visibility": 0.9} for point in pose]

    return {
        "fps": 25,
        "width": 1000,
        "height": 500,
        "frames": [
            {"frame": t, key: name(people[0, t]) if np.isfinite(people[0, t]).all() else None}
            for t in range(people.shape[1])
        ],
    }


def make_landmark_csv(people):
    """A table of MediaPipe's landmarks by number."""
    joints = range(people.shape[2])
    rows = [["frame", *(f"landmark_{i}_{axis}" for i in joints for axis in "xyzv")]]
    rows += [
        [t, *("" if v != v else v for point in people[0, t] for v in (*point, 0.9))]
        for t in range(people.shape[1])
    ]
    return "\n".join(",".join(map(str, row)) for row in rows)


def write_json(path, content):
    """The path, once the content stands there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


class OldPickler(pickle._Pickler):
    """Pickles as Python 2 wrote them: text and bytes are one type."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_text(self, value):
        data = value.encode("latin1") if isinstance(value, str) else value
        short = len(data) < 256
        head = b"U" + bytes([len(data)]) if short else b"T" + struct.pack("<i", len(data))
        self.write(head + data)

    dispatch[str] = dispatch[bytes] = save_text


def pickle_old(value):
    """Bytes of such a pickle."""
    out = io.BytesIO()
    OldPickler(out, 2).dump(value)
    return out.getvalue().replace(b"numpy._core.", b"numpy.core.")


def make_h36m():
    """Both splits of Human3.6M's file, a few frames each."""
    rng = np.random.default_rng(0)
    return {
        "train": make_h36m_split(rng, [30, 12, 25], ["s_01_a", "s_01_b", "s_05_a"]),
        "test": make_h36m_split(
            rng,
            [21, 20, 9, 33],
            [
                "s_09_act_02_subact_01_ca_01",
                "s_09_act_05_subact_02_ca_02",
                "s_11_act_02_subact_01_ca_03",
                "s_11_act_05_subact_02_ca_04",
            ],
        ),
    }


def make_h36m_split(rng, lengths, sources):
    """Fields of one split: millimetres are the labels times the factor."""
    n, which = sum(lengths), np.repeat(np.arange(len(lengths)), lengths)
    cameras = ["54138969", "55011271", "58860488", "60457274"]
    image = (500 + 100 * rng.normal(size=(n, 17, 3))).astype(np.float32)
    factor = rng.uniform(3, 5, n)
    return {
        "joint_2d": image[..., :2].astype(float),
        "confidence": rng.random((n, 17)),
        "joint3d_image": image,
        "2.5d_factor": factor,
        "joints_2.5d_image": (image * factor[:, None, None]).astype(np.float32),
        "camera_name": [cameras[i] for i in which],
        "source": [sources[i] for i in which],
        "action": [("walking", "sitting")[i % 2] for i in which],
    }
