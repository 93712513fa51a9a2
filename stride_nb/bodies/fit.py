"""Fitting: from joints over time to a body's pose, shape and translation.

All frames at once, one shape for the sequence, by bounded quasi-Newton steps (L-BFGS-B, Byrd et al., 1995) on

    Σ c ‖x − x̂‖² / σ²  +  pose prior  +  shape prior  +  smoothness of joints and of rotations,

with c the confidence of each joint (0 where missing), x the body's own joints, x̂ the given ones. The bounds are the
limits of the joints, so they hold exactly, hidden spans included; there, smoothness and prior decide alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from ..gaps import fill_linear
from ..sequence import PoseSequence
from ..skeleton import CONVERSIONS, H36M17, SMPL24
from .ik import guess
from .limits import joint_limits
from .model import Body
from .motion import BodyMotion

__all__ = ["Fitted", "fit"]

_NOISE = 0.005  # metres: what a joint may be off
_ACCELERATION = 8.0  # m/s²: usual size of a joint's
_TURNING = 60.0  # rad/s²: usual size of a rotation's angular acceleration
_ANGLE = 2.0  # radians: usual size of a rotation
_SHAPE = 2.0  # usual size of a shape coefficient
_STIFF = {"spine1": 3.0, "spine2": 3.0, "spine3": 3.0, "neck": 2.0, "head": 6.0, "collar": 4.0, "wrist": 4.0,
          "hand": 8.0, "foot": 6.0, "ankle": 3.0}
"""How many times smaller than ``_ANGLE`` a joint's rotation usually is."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """What fitting found."""

    motion: BodyMotion
    """Pose (T, J, 3), shape (B,) and translation (T, 3); ``body.vertices(motion)`` gives the mesh."""
    sequence: PoseSequence
    """The body's own joints, all of them in every frame, on the joint set that was fitted."""
    residual_mm: np.ndarray
    """(T, J) mm between given and fitted joints; NaN where none was given."""
    steps: int
    """Evaluations of the objective."""

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


def fit(sequence: PoseSequence, body: Body, steps: int = 200) -> Fitted:
    """The pose, shape and translation with which a body's joints follow a sequence.

    Args:
        sequence: any joint set that converts to Human3.6M's 17 joints; SMPL's 24 are used as they are. World or
            camera, as long as it is one frame for all. Missing joints are filled in plausibly, never copied.
        body: whose shape space and joints to use. Where the sequence's joints are defined otherwise than the body's
            (another data set's hips, say), the difference stays in the residual.
        steps: at most so many evaluations of objective and gradient.

    Raises:
        InputError: no joint is given in any frame.
    """
    from scipy.optimize import minimize

    if sequence.skeleton != SMPL24:
        sequence = sequence.to(H36M17)
    if sequence.missing.all():
        raise InputError(sequence.name or "sequence", "joints", "at least one that is not missing", "none")
    problem = _Problem(sequence, body)
    result = minimize(problem, problem.start(), jac=True, method="L-BFGS-B", bounds=problem.bounds(),
                      options={"maxfun": steps, "maxiter": steps, "maxcor": 20, "ftol": 1e-6, "gtol": 0})
    motion = problem.motion(result.x)
    found = sequence.replace(joints=problem.readout(body, motion), confidence=None)
    residual = 1e3 * np.linalg.norm(found.joints - sequence.joints, axis=-1)
    return Fitted(motion, found, residual, int(result.nfev))


class _Problem:
    """The objective and its variables: root turn and other rotations, translation, shape, laid end to end.

    The root's rotation is a small turn after its first guess, so that no one who spins on the spot meets the
    rotation vector's seam. Lengths are counted in tenths of a metre, which makes all variables about equally large.
    """

    def __init__(self, sequence: PoseSequence, body: Body):
        import torch

        self.sequence, self.body, self.move = sequence, body, body.kinematics()
        self.frames, self.shapes = len(sequence), min(10, body.arrays["shapedirs"].shape[-1])
        self.matrix, self.regressed = _readout(sequence, body)
        usable = np.isfinite(self.matrix).all(1) if not self.regressed else np.ones(len(sequence.skeleton), bool)
        self.weight = self._tensor(np.where(usable, sequence.confidence, 0))
        self.target = self._tensor(np.nan_to_num(sequence.joints))
        self.mix = self._tensor(np.nan_to_num(self.matrix))
        stiff = [next((s for key, s in _STIFF.items() if name.endswith(key)), 1.0) for name in SMPL24.joints[1:]]
        self.stiff = self._tensor(stiff)
        self.low, self.high = (bound[1:] for bound in joint_limits())
        self.base = torch.eye(3, dtype=torch.float64, device=body.device).repeat(self.frames, len(body.parents), 1, 1)

    def _tensor(self, array):
        import torch

        return torch.as_tensor(np.asarray(array, np.float64), device=self.body.device)

    def start(self) -> np.ndarray:
        """The first guess: filled joints, bone lengths, closed-form rotations."""
        from scipy.spatial.transform import Rotation

        points = _points24(self.sequence)
        shape = _first_shape(points, self.body, self.shapes)
        pose, translation = guess(points, self.body.rest(shape)[self.body.smpl24])
        self.root = self._tensor(Rotation.from_rotvec(pose[:, 0]).as_matrix())
        limited = np.clip(pose[:, 1:], self.low, self.high)
        return np.concatenate([np.zeros(3 * self.frames), limited.ravel(), 10 * translation.ravel(), shape])

    def bounds(self):
        """The joints' limits; root, translation and shape are free."""
        from scipy.optimize import Bounds

        free = np.full(3 * self.frames, np.inf)
        low = np.concatenate([-free, np.tile(self.low.ravel(), self.frames), -free, np.full(self.shapes, -np.inf)])
        high = np.concatenate([free, np.tile(self.high.ravel(), self.frames), free, np.full(self.shapes, np.inf)])
        return Bounds(low, high)

    def split(self, x):
        """Root turn (T, 3), rotations (T, 23, 3), translation (T, 3) metres, shape (B,)."""
        n = self.frames
        return (x[: 3 * n].reshape(n, 3), x[3 * n : 72 * n].reshape(n, 23, 3), x[72 * n : 75 * n].reshape(n, 3) / 10,
                x[75 * n :])

    def rotations(self, turn, pose):
        """(T, J, 3, 3) of all the body's joints; those beyond SMPL's 24 stay at rest."""
        from .kinematics import rotation_matrices

        matrices = self.base.clone()
        matrices[:, self.body.smpl24[1:]] = rotation_matrices(pose)
        matrices[:, 0] = self.root @ rotation_matrices(turn)
        return matrices

    def __call__(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """The objective and its gradient."""
        import torch

        variables = torch.tensor(x, dtype=torch.float64, device=self.body.device, requires_grad=True)
        turn, pose, translation, shape = self.split(variables)
        rotations = self.rotations(turn, pose)
        joints, regressed = self.move(rotations, shape, translation)
        joints = joints[:, self.body.smpl24]
        found = regressed if self.regressed else torch.einsum("ij,tjk->tik", self.mix, joints)
        loss = (self.weight * ((found - self.target) ** 2).sum(-1)).sum() / _NOISE**2
        loss = loss + ((self.stiff[:, None] * pose / _ANGLE) ** 2).sum() + ((shape / _SHAPE) ** 2).sum()
        if self.frames > 2:
            rate = self.sequence.fps**2
            loss = loss + 0.1 * ((rate / _ACCELERATION * _second(joints)) ** 2).sum()
            loss = loss + 0.1 * ((rate / _TURNING * _second(rotations[:, self.body.smpl24])) ** 2).sum()
        (gradient,) = torch.autograd.grad(loss, variables)
        return loss.item(), gradient.cpu().numpy()

    def motion(self, x: np.ndarray) -> BodyMotion:
        """The variables as SMPL parameters."""
        import torch
        from scipy.spatial.transform import Rotation

        turn, pose, translation, shape = self.split(torch.tensor(x, dtype=torch.float64, device=self.body.device))
        full = np.zeros((self.frames, len(self.body.parents), 3))
        full[:, self.body.smpl24[1:]] = pose.cpu().numpy()
        full[:, 0] = Rotation.from_matrix(self.rotations(turn, pose)[:, 0].cpu().numpy()).as_rotvec()
        shape, translation = shape.cpu().numpy(), translation.cpu().numpy()
        return BodyMotion(full, shape, translation, self.sequence.fps, name=self.sequence.name)

    def readout(self, body: Body, motion: BodyMotion) -> np.ndarray:
        """(T, J, 3) the body's joints on the sequence's joint set; NaN where it has none."""
        return body.sequence(motion).joints if self.regressed else self.matrix @ body.joints(motion)


def _second(x):
    return x[2:] - 2 * x[1:-1] + x[:-2]


def _readout(sequence: PoseSequence, body: Body) -> tuple[np.ndarray, bool]:
    """How the sequence's joints come from the body: (J, 24) of SMPL's joints (NaN: not at all), or its regressor."""
    if sequence.skeleton == SMPL24:
        return np.eye(24), False
    table = CONVERSIONS["smpl24", "h36m17"]
    matrix = np.full((17, 24), np.nan)
    for j, name in enumerate(H36M17.joints):
        if name in table:
            matrix[j] = [table[name].get(source, 0.0) for source in SMPL24.joints]
    return matrix, body.regressor is not None


def _points24(sequence: PoseSequence) -> np.ndarray:
    """(T, 24, 3) roughly SMPL's joints, gaps filled linearly; NaN throughout where a joint was never given."""
    seen = ~sequence.missing
    filled = fill_linear(np.nan_to_num(sequence.joints), seen)
    filled[:, ~seen.any(0)] = np.nan
    if sequence.skeleton == SMPL24:
        return filled
    names = {"neck": "thorax", "head": "neck", "spine2": "spine"}
    points = np.full((len(sequence), 24, 3), np.nan)
    for j, name in enumerate(SMPL24.joints):
        source = names.get(name, name)
        if source in H36M17.joints and name != "pelvis":
            points[:, j] = filled[:, H36M17.joints.index(source)]
    return points


def _first_shape(points: np.ndarray, body: Body, count: int) -> np.ndarray:
    """(B,) shape whose bone lengths come nearest the median measured ones (ridge, three Gauss–Newton steps)."""
    bones = [(SMPL24.joints.index(a), SMPL24.joints.index(b)) for a, b in
             (("lhip", "lknee"), ("rhip", "rknee"), ("lknee", "lankle"), ("rknee", "rankle"), ("lshoulder", "lelbow"),
              ("rshoulder", "relbow"), ("lelbow", "lwrist"), ("relbow", "rwrist"), ("lhip", "rhip"),
              ("lshoulder", "rshoulder"), ("neck", "head"))]
    a, b = np.array(bones).T
    wanted = np.median(np.linalg.norm(points[:, a] - points[:, b], axis=-1), axis=0)
    known = np.isfinite(wanted)
    if not known.any():
        return np.zeros(count)
    dirs = np.tensordot(body.arrays["J_regressor"], body.arrays["shapedirs"], 1)[body.smpl24][..., :count]
    rest, shape = body.rest(np.zeros(0))[body.smpl24], np.zeros(count)
    for _ in range(3):
        now = rest + dirs @ shape
        bone = now[a] - now[b]
        length = np.linalg.norm(bone, axis=-1, keepdims=True)
        slope = np.einsum("nk,nkb->nb", bone / length, dirs[a] - dirs[b])[known]
        gap = (wanted - length[:, 0])[known] + slope @ shape
        shape = np.linalg.solve(slope.T @ slope + 1e-5 * np.eye(count), slope.T @ gap)
    return np.clip(shape, -4, 4)
