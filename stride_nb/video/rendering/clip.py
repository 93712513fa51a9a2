"""One clip: a body in a motion, filmed in a room, in several versions that differ by what hides it.

The room and the body are rendered once. Occluders are rendered alone and laid over by depth, so
that a version costs little, and the depth of the occluder alone is a second way to the masks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numpy.random import Generator

from stride_nb.errors import require
from stride_nb.poses.geometry import Camera
from stride_nb.video.rendering.body import AnnyBody, BodyPose, draw_body
from stride_nb.video.rendering.filming import draw_cameras
from stride_nb.video.rendering.occluders import OCCLUDERS, Occluder, draw_occluder
from stride_nb.video.rendering.stage import Stage
from stride_nb.video.rendering.visibility import (
    find_behind_box,
    find_behind_depth,
    find_behind_mesh,
    find_outside_image,
    find_self_occluded,
)

__all__ = ["SIZE", "RenderedClip", "Version", "draw_clip"]

SIZE = (640, 720)
"""Width and height of the pictures, px."""
_FIT_REACH = 4.0  # metres from the motion to the walls, at least


@dataclass(frozen=True, eq=False)
class Version:
    """One version of a clip."""

    occluder: str
    hidden: Bool[np.ndarray, "T 17"]
    """Where something other than the body blocks the line of sight, or the image ends or is
    lost."""
    behind_depth: Bool[np.ndarray, "T 17"]
    """The same by the depth of the rendered occluders."""
    crop: tuple[int, int, int, int]
    """Left, top, right and bottom of the picture within the clip's, px."""
    images: list[UInt8[np.ndarray, "H W 3"]]


@dataclass(frozen=True, eq=False)
class RenderedClip:
    """What is the same in all versions."""

    body: AnnyBody
    pose: BodyPose
    cameras: Sequence[Camera]
    fps: float
    joints_cam: Float[np.ndarray, "T 17 3"]
    """Metres, camera axes (x right, y down, z forward)."""
    pixels: Float[np.ndarray, "T 17 2"]
    self_occluded: Bool[np.ndarray, "T 17"]
    quality: Mapping[str, float]
    hand_held: bool
    _stage: Stage
    _clean: list[np.ndarray]
    _depths: list[np.ndarray]
    _rng: Generator

    def render(self, occluder: str) -> Version:
        """A version of the clip; the same at every call, whichever were rendered before."""
        place = sorted(OCCLUDERS).index(occluder)
        rng = np.random.default_rng([*self._rng.bit_generator.seed_seq.entropy, place])  # type: ignore
        thing = draw_occluder(occluder, rng, self.pose.joints, self.cameras, self.fps)
        draw = _OccluderDrawing(self, thing, rng)
        crop = thing.crop or (0, 0, *SIZE)
        hidden, behind, images = [], [], []
        for frame in range(len(self.cameras)):
            image, hides, hides_depth = draw.compose(frame, images)
            outside = find_outside_image(self.pixels[frame], crop)
            images.append(image)
            hidden.append(hides | outside)
            behind.append(hides_depth | outside)
        left, top, right, bottom = crop
        finished = [_degrade(i[top:bottom, left:right], rng, self.quality) for i in images]
        return Version(occluder, np.stack(hidden), np.stack(behind), crop, finished)

    def close(self) -> None:
        """Free what the renderer holds."""
        self._stage.close()


class _OccluderDrawing:
    """Draws an occluder over the clean pictures of a clip."""

    def __init__(self, clip: RenderedClip, thing: Occluder, rng: Generator):
        self.clip, self.thing = clip, thing
        self.numbers = [clip._stage.add_box(box.size, rng) for box in thing.boxes]
        self.passer = self.passing = None
        if thing.passer is not None:
            self.passer = draw_body(rng)
            self.passing = self.passer.pose(thing.passer)
            clip._stage.add_body(self.passer)

    def compose(self, frame: int, before: list[np.ndarray]):
        """The picture of a frame, and which joints are hidden, by geometry and by depth."""
        clip, hidden = self.clip, np.zeros(17, bool)
        image = clip._clean[frame]
        boxes = [
            (n, b.places[frame]) for n, b in zip(self.numbers, self.thing.boxes) if b.present[frame]
        ]
        if self.thing.lost is not None and self.thing.lost[frame]:
            frozen = self.thing.frozen and before
            return (before[-1] if frozen else np.zeros_like(image)), ~hidden, ~hidden
        eye, points = clip.cameras[frame].to_world(np.zeros(3)), clip.pose.joints[frame]
        for box in self.thing.boxes:
            if box.present[frame]:
                hidden |= find_behind_box(points, eye, box, frame)
        bodies = self._find_passer(frame)
        for body, vertices in bodies:
            hidden |= find_behind_mesh(points, clip.cameras[frame], vertices, body.faces)[0]
        if not boxes and not bodies:
            return image, hidden, hidden
        over, depth = clip._stage.draw(clip.cameras[frame], bodies, boxes, with_room=False)
        nearer = depth < clip._depths[frame]
        behind = find_behind_depth(clip.joints_cam[frame], clip.pixels[frame], depth)
        return np.where(nearer[..., None], over, image), hidden, behind

    def _find_passer(self, frame: int) -> list[tuple[AnnyBody, np.ndarray]]:
        """Who walks by, where any of it is before the camera and near the image."""
        if self.passer is None or self.passing is None:
            return []
        seen = self.clip.cameras[frame].to_camera(self.passing.joints[frame])
        slopes = np.abs(seen[:, 0]) / np.maximum(seen[:, 2], 1e-6)
        limit = 1.5 * SIZE[0] / 2 / self.clip.cameras[frame].focal[0]
        if (seen[:, 2] < 0.5).any() or slopes.min() > limit:
            return []
        return [(self.passer, self.passer.skin_frame(self.passing.transforms[frame]))]


def draw_clip(seed: Sequence[int], motion: Float[np.ndarray, "T 17 3"], fps: float) -> RenderedClip:
    """A clip of a motion, its body, room, light and camera drawn from ``seed``.

    Args:
        motion: joints, metres, world (Y up), all known.
        fps: frames per second.
    """
    rng = np.random.default_rng(list(seed))
    body = draw_body(rng)
    pose = body.pose(motion)
    hand_held = bool(rng.random() < 0.4)
    cameras = draw_cameras(rng, pose.joints, fps, SIZE, hand_held)
    middle = pose.joints.mean((0, 1)) * (1, 0, 1)
    reach = np.abs(pose.joints - middle)[..., [0, 2]].max() + _FIT_REACH
    stage = Stage(SIZE, rng, middle, reach)
    stage.add_body(body)
    rendered = list(_render_clean(stage, body, pose, cameras))
    quality = {"noise": rng.uniform(1.0, 6.0), "jpeg": rng.uniform(60, 95)}
    seen = [camera.to_camera(x) for camera, x in zip(cameras, pose.joints)]
    return RenderedClip(
        body,
        pose,
        cameras,
        fps,
        np.stack(seen),
        np.stack([camera.project(x) for camera, x in zip(cameras, seen)]),
        np.stack([hidden for _, _, hidden in rendered]),
        quality,
        hand_held,
        stage,
        [image for image, _, _ in rendered],
        [depth for _, depth, _ in rendered],
        rng,
    )


def _render_clean(stage: Stage, body: AnnyBody, pose: BodyPose, cameras) -> Iterator[tuple]:
    parts, bones = body.find_parts(), body.bones
    for transforms, joints, camera in zip(pose.transforms, pose.joints, cameras):
        vertices = body.skin_frame(transforms)
        image, depth = stage.draw(camera, [(body, vertices)])
        hidden = find_self_occluded(joints, camera, vertices, body.faces, bones, parts)
        yield image, depth, hidden


def _degrade(image: np.ndarray, rng: Generator, quality: Mapping[str, float]) -> np.ndarray:
    """Sensor noise and JPEG, as a camera would add."""
    cv2 = require("cv2", "render")
    noise = rng.normal(0, quality["noise"], (*image.shape[:2], 1)).astype(np.float32)
    noisy = np.clip(image + noise, 0, 255).astype(np.uint8)
    options = [cv2.IMWRITE_JPEG_QUALITY, round(quality["jpeg"])]
    _, packed = cv2.imencode(".jpg", np.ascontiguousarray(noisy[..., ::-1]), options)
    return np.ascontiguousarray(cv2.imdecode(packed, cv2.IMREAD_COLOR)[..., ::-1])
