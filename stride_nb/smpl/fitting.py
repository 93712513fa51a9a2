"""Fitting: from joints over time to a body's pose, shape and translation.

All frames at once, one shape for the sequence, by least squares on

    Σ c ‖x − x̂‖² / σ²  +  pose prior  +  shape prior  +  smoothness of rotations and of the path,

with c the confidence of each joint (0 where missing), x the body's own joints, x̂ the given ones.
Smoothness alone couples the frames, so the normal equations are banded and a step solves all frames
together: hidden spans are bridged as soon as their ends fit. Joint limits are bounds that hold in
every step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from stride_nb.errors import InputError
from stride_nb.poses.gap_filling import fill_gaps
from stride_nb.poses.geometry import axis_angle_to_matrix
from stride_nb.poses.interpolation import fill_linear
from stride_nb.poses.sequence import PoseSequence
from stride_nb.poses.skeleton import CONVERSIONS, H36M17, SMPL24
from stride_nb.smpl.analytic_ik import estimate_pose, find_determined_rotations
from stride_nb.smpl.block_banded import BandedNormalMatrix
from stride_nb.smpl.body_model import Body
from stride_nb.smpl.forward_kinematics import PosedBody
from stride_nb.smpl.joint_limits import get_joint_limits
from stride_nb.smpl.parameters import BodyMotion

__all__ = ["BodyFit", "fit"]

_JOINT_NOISE = 0.005  # metres: usual error of a given joint
# radians from the initial pose's mean: so wide that it decides only what no joint determines
_ANGLE = 6.0
_SHAPE = 2.0  # usual size of a shape coefficient
_SPEED, _ACCELERATION = 4.0, 12.0  # rad/s and rad/s²: usual change of a rotation
_PATH_SPEED, _PATH_ACCELERATION = 3.0, 10.0  # m/s and m/s²: of the pelvis
_STIFFNESS = {
    2.0: ("neck",),
    3.0: ("spine1", "spine2", "spine3", "ankle"),
    4.0: ("collar", "wrist"),
    6.0: ("head", "foot"),
    8.0: ("hand",),
}
"""How many times nearer than ``_ANGLE`` these joints stay: those that turn little, or that few
given joints determine."""
_MEASURED_BONES = [
    *(("lhip", "lknee"), ("rhip", "rknee"), ("lknee", "lankle"), ("rknee", "rankle")),
    *(("lshoulder", "lelbow"), ("rshoulder", "relbow"), ("lelbow", "lwrist"), ("relbow", "rwrist")),
    *(("lhip", "rhip"), ("lshoulder", "rshoulder"), ("neck", "head")),
]
"""Whose lengths set the initial shape."""


@dataclass(frozen=True, eq=False)
class BodyFit:
    """The result of fitting."""

    motion: BodyMotion
    """The parameters; ``body.compute_vertices(motion)`` gives the mesh."""
    sequence: PoseSequence
    """The body's own joints, all of them in every frame, on the joint set that was fitted."""
    residual_mm: np.ndarray
    """(T, J) mm between given and fitted joints; NaN where none was given."""
    objective: list[float]
    """Initially, and after each step that lowered it."""

    @property
    def pose(self) -> Float[np.ndarray, "T J 3"]:
        """Rotation vectors, radians."""
        return self.motion.pose

    @property
    def shape(self) -> Float[np.ndarray, " B"]:
        """Shape coefficients."""
        return self.motion.shape

    @property
    def translation(self) -> Float[np.ndarray, "T 3"]:
        """Metres."""
        return self.motion.translation

    @property
    def mean_residual_mm(self) -> float:
        """Mean of ``residual_mm`` over the given joints."""
        return float(np.nanmean(self.residual_mm))


def fit(sequence: PoseSequence, body: Body, steps: int = 30) -> BodyFit:
    """The pose, shape and translation with which a body's joints follow a sequence.

    Gauss–Newton steps, damped as by Levenberg (1944) and Marquardt (1963): a step that does not
    lower the objective is damped more and tried again; the fit ends when a step gains less than a
    part in 10⁴. It takes about 0.3 MB a frame.

    Args:
        sequence: any joint set that converts to Human3.6M's 17 joints; SMPL's 24 are used as they
            are. World or camera, one frame for all. Missing joints are filled in plausibly, never
            copied.
        body: whose shape space and joints to use. Where the sequence's joints are defined otherwise
            than the body's (another data set's hips, say), the difference stays in the residual.
        steps: at most, tried again or not.

    Raises:
        InputError: no joint is given in any frame.
    """
    if sequence.skeleton != SMPL24:
        sequence = sequence.to(H36M17)
    if sequence.missing.all():
        where = sequence.name or "sequence"
        raise InputError(where, "joints", "at least one that is not missing", "none")
    problem = _FitProblem(sequence, body)
    state, damping = problem.initialize(), 1e-3
    objective = [problem.evaluate(state)]
    for _ in range(steps):
        trial = problem.step(state, damping)
        value = problem.evaluate(trial)
        if value < objective[-1]:
            state, damping, gain = trial, max(damping / 10, 1e-8), 1 - value / objective[-1]
            objective.append(value)
            if gain < 1e-4:
                break
        elif (damping := damping * 10) > 1e6:
            break
    fitted = sequence.replace(joints=problem.pose_body(state).points, confidence=None)
    residual_mm = 1e3 * np.linalg.norm(fitted.joints - sequence.joints, axis=-1)
    return BodyFit(problem.make_motion(state), fitted, residual_mm, objective)


@dataclass(frozen=True, eq=False)
class _FitState:
    """Root rotation (T, 3, 3), the other 23 joints (T, 23, 3), translation (T, 3), shape (B,)."""

    root: np.ndarray
    pose: np.ndarray
    translation: np.ndarray
    shape: np.ndarray


_JOINTS = slice(3, 72)
"""Of a frame's 75 variables: after the root's turn, before the translation."""


class _FitProblem:
    """The objective, and the step that least squares proposes.

    A frame's 75 variables are a turn of the root after its present rotation, so that a person who
    spins on the spot does not meet the rotation vector's seam; the rotation vectors of the other
    joints; and the translation.
    """

    def __init__(self, sequence: PoseSequence, body: Body):
        self.sequence, self.body, self.frames = sequence, body, len(sequence)
        self.shapes = min(10, body.arrays["shapedirs"].shape[-1])
        self.kinematics = body.make_kinematics(_make_regressor(sequence, body))
        self.weight = sequence.confidence / _JOINT_NOISE**2
        self.target = np.nan_to_num(sequence.joints)
        stiffness = [
            next((s for s, names in _STIFFNESS.items() if name.endswith(names)), 1.0)
            for name in SMPL24.joints[1:]
        ]
        self.prior = np.repeat(np.array(stiffness) ** 2, 3) / _ANGLE**2
        self.low, self.high = (bound[1:].ravel() for bound in get_joint_limits())
        rate, counts = sequence.fps, (72, 3)
        self.slow = np.repeat([(rate / _SPEED) ** 2, (rate / _PATH_SPEED) ** 2], counts)
        self.even = np.repeat(
            [(rate**2 / _ACCELERATION) ** 2, (rate**2 / _PATH_ACCELERATION) ** 2], counts
        )

    def initialize(self) -> _FitState:
        """Filled joints, shape by bone lengths, rotations in closed form, these bridged where
        joints are hidden."""
        points, seen = _fill_smpl24(self.sequence)
        shape = _estimate_shape(points, self.body, self.shapes)
        rest = self.body.compute_rest_joints(shape)[self.body.smpl24]
        pose, translation = estimate_pose(points, rest)
        bridged = fill_linear(pose, find_determined_rotations(seen))
        pose[:, 1:] = np.clip(bridged, *get_joint_limits())[:, 1:]
        self.usual = pose[:, 1:].mean(0).ravel()
        return _FitState(axis_angle_to_matrix(pose[:, 0]), pose[:, 1:], translation, shape)

    def assemble_rotations(self, state: _FitState) -> np.ndarray:
        """(T, J, 3, 3) of all the body's joints; those beyond SMPL's 24 stay at rest."""
        rotations = np.broadcast_to(np.eye(3), (self.frames, len(self.body.parents), 3, 3)).copy()
        rotations[:, self.body.smpl24[1:]] = axis_angle_to_matrix(state.pose)
        rotations[:, 0] = state.root
        return rotations

    def pose_body(self, state: _FitState) -> PosedBody:
        """The body in that state; its points are the sequence's joints, as the body has them."""
        return self.kinematics(self.assemble_rotations(state), state.shape, state.translation)

    def evaluate(self, state: _FitState) -> float:
        """The sum of squares."""
        gap = self.pose_body(state).points - self.target
        change, bend = self._differentiate_over_time(state)
        return float(
            (self.weight * (gap**2).sum(-1)).sum()
            + ((state.shape / _SHAPE) ** 2).sum()
            + (self.prior * (state.pose.reshape(self.frames, -1) - self.usual) ** 2).sum()
            + (self.slow * change**2).sum()
            + (self.even * bend**2).sum()
        )

    def _differentiate_over_time(self, state: _FitState) -> tuple[np.ndarray, np.ndarray]:
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

    def step(self, state: _FitState, damping: float) -> _FitState:
        """The damped Gauss–Newton step; joints at a limit that it would cross stay there."""
        posed, now = self.pose_body(state), state.pose.reshape(self.frames, -1)
        by_frame = self._compute_frame_jacobian(state, posed)
        by_shape = self._compute_shape_jacobian(state)
        weight = np.repeat(self.weight, 3, axis=1)
        gap = weight * (posed.points - self.target).reshape(self.frames, -1)
        weighted = weight[..., None] * by_frame
        matrix = BandedNormalMatrix(np.swapaxes(by_frame, 1, 2) @ weighted, self.slow, self.even)
        matrix.add_to_diagonal(np.concatenate([np.zeros(3), self.prior, np.zeros(3)]))
        gradient = (gap[:, None] @ by_frame)[:, 0]
        gradient += matrix.compute_smoothness_gradient(*self._differentiate_over_time(state))
        pose_gradient = gradient[:, _JOINTS]
        pose_gradient += self.prior * (now - self.usual)
        free = np.ones_like(gradient, bool)
        free[:, _JOINTS] = ~(
            (now <= self.low) & (pose_gradient > 0) | (now >= self.high) & (pose_gradient < 0)
        )
        shape_gradient = np.einsum("ti,tib->b", gap, by_shape) + state.shape / _SHAPE**2
        shape_block = np.einsum("tib,ti,tic->bc", by_shape, weight, by_shape)
        shape_block += np.eye(self.shapes) / _SHAPE**2
        mixed = np.swapaxes(weighted, 1, 2) @ by_shape
        move, reshape = matrix.solve(gradient, free, mixed, shape_gradient, shape_block, damping)
        pose = np.clip(now + move[:, _JOINTS], self.low, self.high).reshape(state.pose.shape)
        root = state.root @ axis_angle_to_matrix(move[:, :3])
        return _FitState(root, pose, state.translation + move[:, 72:], state.shape + reshape)

    def _compute_frame_jacobian(self, state: _FitState, posed: PosedBody) -> np.ndarray:
        """(T, 3R, 75) derivatives of the points by a frame's variables."""
        pose = np.zeros((self.frames, len(self.body.parents), 3))
        pose[:, self.body.smpl24[1:]] = state.pose
        turns = self.kinematics.compute_pose_jacobian(posed, pose)[:, :, :, self.body.smpl24]
        turns = turns.reshape(self.frames, -1, 72)
        shift = np.kron(self.kinematics.total[:, None], np.eye(3))
        return np.concatenate([turns, np.broadcast_to(shift, (self.frames, *shift.shape))], -1)

    def _compute_shape_jacobian(self, state: _FitState) -> np.ndarray:
        """(T, 3R, B) derivatives of the points by the shape."""
        rotations = self.assemble_rotations(state)
        jacobian = self.kinematics.compute_shape_jacobian(rotations, self.shapes)
        return jacobian.reshape(self.frames, -1, self.shapes)

    def make_motion(self, state: _FitState) -> BodyMotion:
        """The state as SMPL parameters."""
        from scipy.spatial.transform import Rotation

        pose = np.zeros((self.frames, len(self.body.parents), 3))
        pose[:, self.body.smpl24[1:]] = state.pose
        pose[:, 0] = Rotation.from_matrix(state.root).as_rotvec()
        fps, name = self.sequence.fps, self.sequence.name
        return BodyMotion(pose, state.shape, state.translation, fps, name=name)


def _make_regressor(sequence: PoseSequence, body: Body) -> np.ndarray:
    """The sequence's joints as weighted means of the body's vertices (R, V), or of its joints (R,
    J)."""
    joints = np.eye(len(body.parents))[body.smpl24]
    if sequence.skeleton == SMPL24:
        return joints
    if body.regressor is not None:
        return body.regressor
    table = CONVERSIONS["smpl24", "h36m17"]
    mix = [[table[name].get(source, 0.0) for source in SMPL24.joints] for name in H36M17.joints]
    return np.array(mix) @ joints


def _fill_smpl24(sequence: PoseSequence) -> tuple[np.ndarray, np.ndarray]:
    """(T, 24, 3) approximately SMPL's joints, gaps filled, NaN throughout where a joint was never
    given; (T, 24) where given."""
    seen = ~sequence.missing
    filled = fill_gaps(sequence).joints
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


def _estimate_shape(points: np.ndarray, body: Body, count: int) -> np.ndarray:
    """(B,) shape whose bone lengths come nearest the median measured ones (ridge, three
    Gauss–Newton steps)."""
    a, b = np.array([SMPL24.index(*bone) for bone in _MEASURED_BONES]).T
    measured = np.median(np.linalg.norm(points[:, a] - points[:, b], axis=-1), axis=0)
    known = np.isfinite(measured)
    if not known.any():
        return np.zeros(count)
    dirs = np.tensordot(body.arrays["J_regressor"], body.arrays["shapedirs"], 1)
    dirs = dirs[body.smpl24][..., :count]
    rest, shape = body.compute_rest_joints(np.zeros(0))[body.smpl24], np.zeros(count)
    for _ in range(3):
        joints = rest + dirs @ shape
        bone = joints[a] - joints[b]
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        slope = np.einsum("nk,nkb->nb", bone / length, dirs[a] - dirs[b])[known]
        gap = (measured - length[:, 0])[known] + slope @ shape
        shape = np.linalg.solve(slope.T @ slope + 1e-5 * np.eye(count), slope.T @ gap)
    return np.clip(shape, -4, 4)
