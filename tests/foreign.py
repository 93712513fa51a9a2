"""Files as other programs write them, of two people."""

import json

import numpy as np
from hypothesis import strategies as st

from stride_nb import InputError, PoseSequence
from stride_nb.poses.skeleton import SKELETONS
from tests.bodies import pose_in, stand

LOST = range(7, 12)
FRAMES = 30


def poses(joints, dims=2, seed=0):
    """(2, FRAMES, joints, dims): two people on their own paths; person 0 is lost in LOST. Pixels,
    or metres."""
    rng = np.random.default_rng(seed)
    unit, far = (100, 400) if dims == 2 else (0.5, 3.0)
    body = rng.uniform(-unit, unit, (2, 1, joints, dims))
    if known := [s.name for s in SKELETONS.values() if len(s) == joints]:
        name = "coco17" if "coco17" in known else known[0]
        standing = unit * (pose_in(name, stand()[None])[0] - (0, 0.9, 0))
        body = standing[:, :dims] * (1, -1, 1)[:dims] + 0.03 * body
    path = (
        np.linspace(0, unit / 2, FRAMES)[:, None, None]
        + np.array([far, 2 * far])[:, None, None, None]
    )
    out = (body + path + rng.normal(0, unit / 200, (2, FRAMES, joints, dims))).round(4)
    out[0, LOST.start : LOST.stop] = np.nan
    return out


def flat(pose, confidence=0.9):
    return [v for point in pose for v in (*point, confidence)]


def present(people):
    """(frame, person, pose) of everyone seen, frames backwards: files need not be sorted."""
    return [
        (t, p, people[p, t].tolist())
        for t in reversed(range(people.shape[1]))
        for p in (0, 1)
        if np.isfinite(people[p, t]).all()
    ]


def alphapose(people, ids=True):
    return [
        {"image_id": f"frame_{t:05d}.jpg", "category_id": 1, "keypoints": flat(pose), "score": 2.5}
        | ({"idx": [[float(p + 1)], [0.0]]} if ids else {})
        for t, p, pose in present(people)
    ]


def openpose_frames(people, key="people", numbers="pose_keypoints_2d", ids=False):
    frames = {f"{t}.jpg": {"version": 1.3, key: []} for t in range(people.shape[1])}
    for t, p, pose in present(people):
        frames[f"{t}.jpg"][key].append({numbers: flat(pose), "person_id": [p if ids else -1]})
    return frames


def coco(people):
    images = [
        {"id": 1000 + t, "file_name": f"{t:06d}.jpg", "width": 1000, "height": 900}
        for t in range(people.shape[1])
    ]
    return {
        "images": images,
        "annotations": [
            {"image_id": 1000 + t, "track_id": p + 1, "keypoints": flat(pose, 2)}
            for t, p, pose in present(people)
        ],
    }


def mmpose(people):
    frames = [{"frame_id": t, "instances": []} for t in range(people.shape[1])]
    for t, _, pose in present(people):
        frames[t]["instances"].append(
            {"keypoints": pose, "keypoint_scores": [0.9] * len(pose), "bbox": [[0, 0, 1, 1]]}
        )
    return {"meta_info": {}, "instance_info": frames}


def mediapipe(people, key="pose_world_landmarks"):
    def landmarks(pose):
        return [dict(zip("xyz", point)) | {"visibility": 0.9} for point in pose]

    return {
        "fps": 25,
        "width": 1000,
        "height": 500,
        "frames": [
            {"frame": t, key: landmarks(people[0, t]) if np.isfinite(people[0, t]).all() else None}
            for t in range(people.shape[1])
        ],
    }


def save(path, content):
    path.write_text(json.dumps(content))
    return path


def check(found, people, order=(0, 1), atol=1e-3):
    """Two sequences that are the two people, the lost frames missing."""
    assert len(found) == len(order)
    for sequence, p in zip(found, order):
        points = sequence.joints if isinstance(sequence, PoseSequence) else sequence.pixels
        np.testing.assert_allclose(points, people[p], atol=atol)
        assert (sequence.missing.all(1) == np.isnan(people[p]).all((1, 2))).all()


def order_of(found):
    """Which truth each sequence is: person 0 is the one that gets lost."""
    return [0 if s.missing[LOST.start].all() else 1 for s in found]


def crossing(seed, frames=240, fps=30, noise=3.0):
    """Two people (T, 26, 2) who walk past one another, seen by a detector that jitters, with lost
    frames and joints."""
    rng = np.random.default_rng(seed)
    time = np.arange(frames)[:, None, None] / fps
    people = []
    for sign, scale in ((1, rng.uniform(0.8, 1)), (-1, rng.uniform(1, 1.2))):
        body = rng.uniform((-60, -180), (60, 180), (26, 2)) * scale
        swing = 25 * np.sin(2 * np.pi * (time + rng.uniform()) + rng.uniform(0, 6, (26, 1)))
        across, height = (
            500 + sign * 90 * (time - 4 + rng.uniform(-0.3, 0.3)),
            400 + rng.normal(0, 10),
        )
        centre = np.concatenate([across, np.full_like(across, height)], -1)
        points = body + swing * (1, 0.2) + centre + rng.normal(0, noise, (frames, 26, 2))
        points[rng.random((frames, 26)) < 0.1] = np.nan
        people.append(points)
    people[0][30:42] = np.nan
    people[1][100:109] = np.nan
    return people


def damage(text: str):
    """Strategy: the text cut short, with a part removed, doubled, or overwritten by anything."""
    where = st.tuples(st.integers(0, len(text)), st.integers(0, 40))
    return st.one_of(
        st.integers(0, len(text)).map(lambda n: text[:n]),
        where.map(lambda w: text[: w[0]] + text[sum(w) :]),
        where.map(lambda w: text[: sum(w)] + text[w[0] :]),
        st.tuples(where, st.text(max_size=12)).map(
            lambda w: text[: w[0][0]] + w[1] + text[sum(w[0]) :]
        ),
    ).map(lambda t: t.encode("utf-8", "surrogatepass")) | st.binary(max_size=200)


def reads_or_refuses(read) -> None:
    error = animation = None
    try:
        animation = read()
    except InputError as refusal:
        error = refusal
    if error:
        assert str(error).count(": expected ") == 1
    else:
        assert np.isfinite(animation.compute_positions()).all() and len(animation) >= 1
