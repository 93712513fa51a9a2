"""Fitting: from joints over time to a body's pose, shape and translation.

All frames at once, one shape for the sequence, by least squares on

    Σ c ‖x − x̂‖² / σ²  +  pose prior  +  shape prior  +  smoothness of rotations and of the path,

with c the confidence of each joint (0 where missing), x the body's own joints, x̂ the given ones.
Frames are coupled by
smoothness alone, so the normal equations are banded and a step solves all frames together: hidden
spans are bridged as soon as their ends are found. Limits of the joints are bounds that hold in
every step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stride_nb.errors import InputError
from stride_nb.poses.gap_filling import fill
from stride_nb.poses.geometry import axis_angle_to_matrix
from stride_nb.poses.interpolation import fill_linear
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import CONVERSIONS, H36M17, SMPL24
from stride_nb.smpl import analytic_ik
from stride_nb.smpl.block_banded import Band
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.forward_kinematics import Posed
from stride_nb.smpl.joint_limits import joint_limits
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["Fitted", "fit"]

_NOISE = 0.005  # metres: what a joint may be off
# radians from the first guess's mean: so wide that it decides only what no joint tells
_ANGLE = 6.0
_SHAPE = 2.0  # usual size of a shape coefficient
_SPEED, _ACCELERATION = 4.0, 12.0  # rad/s and rad/s²: usual change of a rotation
_PATH_SPEED, _PATH_ACCELERATION = 3.0, 10.0  # m/s and m/s²: of the pelvis
_STIFF = {
    "spine1": 3.0,
    "spine2": 3.0,
    "spine3": 3.0,
    "neck": 2.0,
    "head": 6.0,
    "collar": 4.0,
    "wrist": 4.0,
    "hand": 8.0,
    "foot": 6.0,
    "ankle": 3.0,
}
"""How many times nearer than ``_ANGLE`` these joints stay: what turns little, and what few joints
tell about."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What fitting found."""

    motion: BodyMotion
    """Pose (T, J, 3), shape (B,) and translation (T, 3); ``body.vertices(motion)`` gives the
    mesh."""
    sequence: PoseSequence
    """The body's own joints, all of them in every frame, on the joint set that was fitted."""
    residual_mm: np.ndarray
    """(T, J) mm between given and fitted joints; NaN where none was given."""
    objective: list[float]
    """After each step that lowered it; the first is the guess's."""

    @property
    def pose(self) -> np.ndarray:
        """(T, J, 3) rotation vectors, radians."""
        return self.motion.pose

    @property
    def shape(self) -> np.ndarray:
        """(B,) shape coefficients."""
        return self.motion.shape

    @property
    def translation(self) -> np.ndarray:
        """(T, 3) metres."""
        return self.motion.translation

    @property
    def mean_residual_mm(self) -> float:
        """Mean of ``residual_mm`` over what was given."""
        return float(np.nanmean(self.residual_mm))


def fit(sequence: PoseSequence, body: Body, steps: int = 30) -> Fitted:
    """The pose, shape and translation with which a body's joints follow a sequence.

    Gauss–Newton steps, damped as by Levenberg (1944) and Marquardt (1963): one that does not lower
    the objective is damped more and tried again; it ends when a step gains less than a part in 10⁴.
    Takes about 0.3 MB a frame.

    Args:
        sequence: any joint set that converts to Human3.6M's 17 joints; SMPL's 24 are used as they
            are. World or camera, as long as it is one frame for all. Missing joints are filled in
            plausibly, never copied.
        body: whose shape space and joints to use. Where the sequence's joints are defined otherwise
            than the body's (another data set's hips, say), the difference stays in the residual.
        steps: at most so many, tried again or not.

    Raises:
        InputError: no joint is given in any frame.
    """
    if sequence.skeleton != SMPL24:
        sequence = sequence.to(H36M17)
    if sequence.missing.all():
        raise InputError(
            sequence.name or "sequence", "joints", "at least one that is not missing", "none"
        )
    problem = _Problem(sequence, body)
    state, damping = problem.start(), 1e-3
    objective = [problem.objective(state)]
    for _ in range(steps):
        trial = problem.step(state, damping)
        value = problem.objective(trial)
        if value < objective[-1]:
            state, damping, gain = trial, max(damping / 10, 1e-8), 1 - value / objective[-1]
            objective.append(value)
            if gain < 1e-4:
                break
        elif (damping := damping * 10) > 1e6:
            break
    motion = problem.motion(state)
    found = sequence.replace(joints=problem.posed(state).points, confidence=None)
    residual = 1e3 * np.linalg.norm(found.joints - sequence.joints, axis=-1)
    return Fitted(motion, found, residual, objective)


@dataclass(frozen=True, eq=False)
class _State:
    """Root rotation (T, 3, 3), the other 23 joints (T, 23, 3), translation (T, 3), shape (B,)."""

    root: np.ndarray
    pose: np.ndarray
    translation: np.ndarray
    shape: np.ndarray


class _Problem:
    """The objective, and the step that least squares proposes.

    A frame's variables are a turn of the root after its present rotation, so that no one who spins
    on the spot meets the rotation vector's seam; the rotation vectors of the other joints; and the
    translation.
    """

    def __init__(self, sequence: PoseSequence, body: Body):
        self.sequence, self.body, self.frames = sequence, body, len(sequence)
        self.shapes = min(10, body.arrays["shapedirs"].shape[-1])
        self.carry = body.kinematics(_readout(sequence, body))
        self.weight = sequence.confidence / _NOISE**2
        self.target = np.nan_to_num(sequence.joints)
        stiff = [
            next((s for key, s in _STIFF.items() if name.endswith(key)), 1.0)
            for name in SMPL24.joints[1:]
        ]
        self.prior = np.repeat(np.array(stiff) ** 2, 3) / _ANGLE**2
        self.low, self.high = (bound[1:].ravel() for bound in joint_limits())
        rate = sequence.fps
        turn, path = np.full(72, (rate / _SPEED) ** 2), np.full(3, (rate / _PATH_SPEED) ** 2)
        self.slow = np.concatenate([turn, path])
        turn, path = (
            np.full(72, (rate**2 / _ACCELERATION) ** 2),
            np.full(3, (rate**2 / _PATH_ACCELERATION) ** 2),
        )
        self.even = np.concatenate([turn, path])

    def start(self) -> _State:
        """The first guess: filled joints, bone lengths, closed-form rotations, these bridged where
        joints are hidden."""
        points, seen = _points24(self.sequence)
        shape = _first_shape(points, self.body, self.shapes)
        pose, translation = analytic_ik.guess(points, self.body.rest(shape)[self.body.smpl24])
        pose[:, 1:] = np.clip(fill_linear(pose, analytic_ik.told(seen)), *joint_limits())[:, 1:]
        self.usual = pose[:, 1:].mean(0).ravel()
        return _State(axis_angle_to_matrix(pose[:, 0]), pose[:, 1:], translation, shape)

    def rotations(self, state: _State) -> np.ndarray:
        """(T, J, 3, 3) of all the body's joints; those beyond SMPL's 24 stay at rest."""
        out = np.broadcast_to(np.eye(3), (self.frames, len(self.body.parents), 3, 3)).copy()
        out[:, self.body.smpl24[1:]] = axis_angle_to_matrix(state.pose)
        out[:, 0] = state.root
        return out

    def posed(self, state: _State) -> Posed:
        """The body in that state; its points are the sequence's joints, as the body has them."""
        return self.carry(self.rotations(state), state.shape, state.translation)

    def objective(self, state: _State) -> float:
        """The sum of squares."""
        gap = self.posed(state).points - self.target
        change, bend = self._changes(state)
        return float(
            (self.weight * (gap**2).sum(-1)).sum()
            + ((state.shape / _SHAPE) ** 2).sum()
            + (self.prior * (state.pose.reshape(self.frames, -1) - self.usual) ** 2).sum()
            + (self.slow * change**2).sum()
            + (self.even * bend**2).sum()
        )

    def _changes(self, state: _State) -> tuple[np.ndarray, np.ndarray]:
        """First (T − 1, 75) and second (T − 2, 75) differences of a frame's variables over time.

        The root's are turns from frame to frame. The step's derivatives leave out that their axes
        turn along, which is small from one frame to the next; a step that loses by it is damped
        like any other.
        """
        from scipy.spatial.transform import Rotation

        turn = np.swapaxes(state.root[:-1], -1, -2) @ state.root[1:]
        turn = Rotation.from_matrix(turn).as_rotvec() if self.frames > 1 else np.zeros((0, 3))
        rest = np.concatenate([state.pose.reshape(self.frames, -1), state.translation], 1)
        change = np.concatenate([turn, np.diff(rest, axis=0)], 1)
        return change, np.diff(change, axis=0)

    def step(self, state: _State, damping: float) -> _State:
        """The damped Gauss–Newton step; joints at a limit that it would cross stay there."""
        posed, now = self.posed(state), state.pose.reshape(self.frames, -1)
        by_frame, by_shape = self._by_frame(state, posed), self._by_shape(state)
        weight = np.repeat(self.weight, 3, axis=1)
        gap = weight * (posed.points - self.target).reshape(self.frames, -1)
        weighted = weight[..., None] * by_frame
        band = Band(np.swapaxes(by_frame, 1, 2) @ weighted, self.slow, self.even)
        band.add(np.concatenate([np.zeros(3), self.prior, np.zeros(3)]))
        slope = (gap[:, None] @ by_frame)[:, 0] + band.pull(*self._changes(state))
        slope[:, 3:72] += self.prior * (now - self.usual)
        free = np.ones_like(slope, bool)
        free[:, 3:72] = ~(
            (now <= self.low) & (slope[:, 3:72] > 0) | (now >= self.high) & (slope[:, 3:72] < 0)
        )
        between = np.swapaxes(weighted, 1, 2) @ by_shape
        shape_slope = np.einsum("ti,tib->b", gap, by_shape) + state.shape / _SHAPE**2
        shape_square = (
            np.einsum("tib,ti,tic->bc", by_shape, weight, by_shape)
            + np.eye(self.shapes) / _SHAPE**2
        )
        move, bend = band.solve(slope, free, between, shape_slope, shape_square, damping)
        pose = np.clip(now + move[:, 3:72], self.low, self.high).reshape(state.pose.shape)
        root = state.root @ axis_angle_to_matrix(move[:, :3])
        return _State(root, pose, state.translation + move[:, 72:], state.shape + bend)

    def _by_frame(self, state: _State, posed: Posed) -> np.ndarray:
        """(T, 3R, 75) derivatives of the points by a frame's variables."""
        pose = np.zeros((self.frames, len(self.body.parents), 3))
        pose[:, self.body.smpl24[1:]] = state.pose
        turns = self.carry.by_rotation(posed, pose)[:, :, :, self.body.smpl24].reshape(
            self.frames, -1, 72
        )
        shift = np.broadcast_to(
            np.kron(self.carry.total[:, None], np.eye(3)), (self.frames, turns.shape[1], 3)
        )
        return np.concatenate([turns, shift], -1)

    def _by_shape(self, state: _State) -> np.ndarray:
        """(T, 3R, B) derivatives of the points by the shape."""
        return self.carry.by_shape(self.rotations(state), self.shapes).reshape(
            self.frames, -1, self.shapes
        )

    def motion(self, state: _State) -> BodyMotion:
        """The state as SMPL parameters."""
        from scipy.spatial.transform import Rotation

        full = np.zeros((self.frames, len(self.body.parents), 3))
        full[:, self.body.smpl24[1:]] = state.pose
        full[:, 0] = Rotation.from_matrix(state.root).as_rotvec()
        return BodyMotion(
            full, state.shape, state.translation, self.sequence.fps, name=self.sequence.name
        )


def _readout(sequence: PoseSequence, body: Body) -> np.ndarray:
    """The sequence's joints as weighted means of the body's vertices (R, V), or of its joints (R,
    J)."""
    joints = np.eye(len(body.parents))[body.smpl24]
    if sequence.skeleton == SMPL24:
        return joints
    if body.regressor is not None:
        return body.regressor
    table = CONVERSIONS["smpl24", "h36m17"]
    return (
        np.array(
            [[table[name].get(source, 0.0) for source in SMPL24.joints] for name in H36M17.joints]
        )
        @ joints
    )


def _points24(sequence: PoseSequence) -> tuple[np.ndarray, np.ndarray]:
    """(T, 24, 3) roughly SMPL's joints, gaps filled, NaN throughout where a joint was never given;
    (T, 24) given."""
    seen = ~sequence.missing
    filled = fill(sequence).joints
    filled[:, ~seen.any(0)] = np.nan
    if sequence.skeleton == SMPL24:
        return filled, seen
    names = {"neck": "thorax", "head": "neck", "spine2": "spine"}
    points, given = np.full((len(sequence), 24, 3), np.nan), np.zeros((len(sequence), 24), bool)
    for j, name in enumerate(SMPL24.joints):
        source = names.get(name, name)
        if source in H36M17.joints and name != "pelvis":
            k = H36M17.joints.index(source)
            points[:, j], given[:, j] = filled[:, k], seen[:, k]
    return points, given


def _first_shape(points: np.ndarray, body: Body, count: int) -> np.ndarray:
    """(B,) shape whose bone lengths come nearest the median measured ones (ridge, three
    Gauss–Newton steps)."""
    bones = [
        (SMPL24.joints.index(a), SMPL24.joints.index(b))
        for a, b in (
            ("lhip", "lknee"),
            ("rhip", "rknee"),
            ("lknee", "lankle"),
            ("rknee", "rankle"),
            ("lshoulder", "lelbow"),
            ("rshoulder", "relbow"),
            ("lelbow", "lwrist"),
            ("relbow", "rwrist"),
            ("lhip", "rhip"),
            ("lshoulder", "rshoulder"),
            ("neck", "head"),
        )
    ]
    a, b = np.array(bones).T
    wanted = np.median(np.linalg.norm(points[:, a] - points[:, b], axis=-1), axis=0)
    known = np.isfinite(wanted)
    if not known.any():
        return np.zeros(count)
    dirs = np.tensordot(body.arrays["J_regressor"], body.arrays["shapedirs"], 1)[body.smpl24][
        ..., :count
    ]
    rest, shape = body.rest(np.zeros(0))[body.smpl24], np.zeros(count)
    for _ in range(3):
        now = rest + dirs @ shape
        bone = now[a] - now[b]
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        slope = np.einsum("nk,nkb->nb", bone / length, dirs[a] - dirs[b])[known]
        gap = (wanted - length[:, 0])[known] + slope @ shape
        shape = np.linalg.solve(slope.T @ slope + 1e-5 * np.eye(count), slope.T @ gap)
    return np.clip(shape, -4, 4)
