"""STRIDE's inputs: a folder of BEDLAM-CLIFF results, one file a frame, as a sequence of 17 joints.

BEDLAM-CLIFF (Black et al., CVPR 2023) gives SMPL-X vertices. Two matrices of the user's own turn
them into joints, as in STRIDE: SMPL-X to SMPL vertices, and the Human3.6M regressor. Both are
linear, so they are multiplied once.

The published tool fills the frames in which it saw nobody before it writes its files, held at both
ends and linear between, and leaves no flag. Such frames are found again and marked missing:
vertices that repeat or continue a straight line to the last digit were not estimated. Nothing is
lost by it, for joints are linear in vertices: holding and interpolating the joints of the other
frames, as ``interpolation.fill_linear`` does, gives the same values back.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Num

from stride_nb._pickles import numpy_pickle, python2_pickle, torch_file
from stride_nb.errors import UNREADABLE, InputError
from stride_nb.poses.sequence import PoseSequence

__all__ = ["find_filled_frames", "load", "parse_image_number", "read_matrix", "read_result"]

_WATCHED = 128  # vertices, evenly spread, whose paths show whether a frame was filled in
# what single precision may leave of the second difference of a straight line, relative to its
# coordinates
_ROUNDING = 8 * float(np.finfo(np.float32).eps)


def load(
    split: str | None = None,
    folder: str | os.PathLike | None = None,
    regressor: str | os.PathLike | None = None,
    smplx_to_smpl: str | os.PathLike | None = None,
    fps: float = 30.0,
    translate: bool = True,
) -> list[PoseSequence]:
    """The first person of every frame, as one sequence in the camera's space (metres; x right, y
    down, z forward).

    The sequence begins with the lowest frame number; a number without a file, a file without a
    person and a frame that was filled in are missing.

    Args:
        split: there is none; ignored.
        folder: of ``.pth`` files, each a dict of ``vertices`` (people, V, 3), ``pred_cam_t``
            (people, 3), ``img_name``.
        regressor: file of the (17, 6890) matrix from SMPL vertices to Human3.6M's joints.
        smplx_to_smpl: file of the (6890, V) matrix; ``None`` where the vertices are SMPL's already.
        fps: of the video; the files do not say.
        translate: move the joints to ``pred_cam_t``; without, they are as the vertices have them,
            which is what STRIDE's published network is fed.

    Raises:
        InputError: a folder or matrix that is not given or not there, no results, files that do not
            fit together.
    """
    if folder is None or regressor is None:
        field = "folder" if folder is None else "regressor"
        raise InputError("datasets.cliff", field, "a path of yours", "none")
    weights = _read_joint_weights(regressor, smplx_to_smpl)
    frames = _read_frames(Path(folder), weights, translate)
    numbers = np.array([frame.number for frame in frames])
    estimated = ~find_filled_frames(numbers, np.stack([frame.watched for frame in frames]))
    joints = np.full((int(numbers[-1] - numbers[0]) + 1, 17, 3), np.nan)
    joints[(numbers - numbers[0])[estimated]] = np.stack([f.joints for f in frames])[estimated]
    return [PoseSequence(joints, fps=fps, name=Path(folder).resolve().name)]


def find_filled_frames(
    numbers: Int[np.ndarray, " N"], vertices: Float[np.ndarray, "N V 3"]
) -> Bool[np.ndarray, " N"]:
    """Which frames were filled in.

    A frame between its two neighbours on a straight line was interpolated; one that repeats the
    frame before it was held, but for those at the beginning, which repeat the frame after them.

    Args:
        numbers: increasing frame numbers; only frames that follow each other are compared.
        vertices: NaN where nobody is.
    """
    vertices = np.asarray(vertices, np.float64)
    size = np.abs(vertices).max((1, 2))
    apart = np.abs(np.diff(vertices, axis=0)).max((1, 2))
    same = (np.diff(numbers) == 1) & (apart <= _ROUNDING * size[1:])
    out = np.zeros(len(numbers), bool)
    out[1:] = same
    if len(numbers) > 2:
        bend = np.abs(np.diff(vertices, n=2, axis=0)).max((1, 2))
        straight = bend <= _ROUNDING * np.maximum(size[2:], size[:-2])
        out[1:-1] |= (numbers[2:] - numbers[:-2] == 2) & straight
    # the last of the frames that are all equal to the first
    seen = int(np.argmin(np.append(same, False)))
    out[:seen], out[seen] = True, False
    return out


def parse_image_number(path: Path, img_name: str) -> int:
    """The last number in the image's name, or where it has none, in the file's.

    >>> parse_image_number(Path("r_3.pth"), "video/12.jpg"), parse_image_number(Path("r_3.pth"), "")
    (12, 3)
    """
    for name in (img_name, path.name):
        digits = re.findall(r"\d+", Path(name).stem)
        if digits and len(digits[-1]) < 19:
            return int(digits[-1])
    raise InputError(path, "img_name", "a name that ends in a frame number", repr(img_name))


@dataclass(frozen=True, eq=False)
class _Frame:
    """One file: joints (17, 3) and the watched vertices (W, 3), metres, NaN where nobody is."""

    path: Path
    number: int
    joints: np.ndarray
    watched: np.ndarray


def _read_frames(folder: Path, weights: np.ndarray, translate: bool) -> list[_Frame]:
    """Every file, in the order of the frame numbers."""
    frames: dict[int, _Frame] = {}
    for path in sorted(folder.glob("*.pth")):
        frame = _read_frame(path, weights, translate)
        if frame.number in frames:
            twin = f"{frame.number}, as in {frames[frame.number].path.name}"
            raise InputError(path, "img_name", "a frame number of its own", twin)
        frames[frame.number] = frame
    if not frames:
        raise InputError(folder, "folder", "BEDLAM-CLIFF results (*.pth)", "none")
    if max(frames) - min(frames) + 1 > 1000 + 10 * len(frames):
        spread = f"{min(frames)} to {max(frames)}"
        raise InputError(folder, "img_name", "frame numbers of one video", spread)
    return [frames[number] for number in sorted(frames)]


def _read_frame(path: Path, weights: np.ndarray, translate: bool) -> _Frame:
    vertices, translation, img_name = read_result(path)
    count = weights.shape[1]
    if vertices.shape[1] != count:
        raise InputError(path, "vertices", f"{count}, as the matrices have", vertices.shape[1])
    first = vertices[0] if len(vertices) else np.full((count, 3), np.nan)
    joints = weights @ first
    if translate and len(vertices):
        if len(translation) != len(vertices):
            expected = f"shape ({len(vertices)}, 3), one per person"
            raise InputError(path, "pred_cam_t", expected, translation.shape)
        joints = joints + translation[0]
    watched = first[:: max(1, count // _WATCHED)]
    return _Frame(path, parse_image_number(path, img_name), joints, watched)


def read_result(
    path: str | os.PathLike,
) -> tuple[Float[np.ndarray, "P V 3"], Float[np.ndarray, "Q 3"], str]:
    """One result file: vertices (metres), pred_cam_t (metres; empty where it has none), image name.

    Raises:
        InputError: a file that is damaged, names anything but data, or lacks a field.
    """
    content = torch_file.load_torch(path, arrays=True)
    if not isinstance(content, dict):
        expected = "a dict of vertices, pred_cam_t, img_name"
        raise InputError(path, "file", expected, type(content).__name__)
    rebuilt = numpy_pickle.RebuiltArray
    content = {k: v.value if isinstance(v, rebuilt) else v for k, v in content.items()}
    name = content.get("img_name", "")
    while isinstance(name, (list, tuple, np.ndarray)):
        name = name[0] if np.ndim(name) and len(name) else ""
    vertices = _take_floats(path, content, "vertices", ("people", "V", 3))
    has_place = content.get("pred_cam_t") is not None
    translation = np.zeros((0, 3))
    if has_place:
        translation = _take_floats(path, content, "pred_cam_t", ("people", 3))
    return vertices, translation, str(name) if isinstance(name, str) else ""


def _take_floats(path, content: dict, name: str, shape: tuple) -> np.ndarray:
    value: Any = content.get(name)
    value = value.detach().double().numpy() if hasattr(value, "detach") else value
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f" and value.ndim == len(shape) and value.shape[-1] == 3:
            return value.astype(np.float64)
        kind = f"{value.dtype} of shape {value.shape}"
    raise InputError(path, name, f"numbers of shape ({', '.join(map(str, shape))})", kind)


def _read_joint_weights(regressor, smplx_to_smpl) -> np.ndarray:
    """(17, V): the two matrices in one."""
    weights = read_matrix(regressor)
    if weights.shape[0] != 17:
        raise InputError(regressor, "regressor", "17 rows, Human3.6M's joints", weights.shape)
    if smplx_to_smpl is None:
        return _make_dense(weights)
    conversion = read_matrix(smplx_to_smpl)
    if conversion.shape[0] != weights.shape[1]:
        expected = f"{weights.shape[1]} rows, as the regressor takes"
        raise InputError(smplx_to_smpl, "smplx_to_smpl", expected, conversion.shape)
    return (conversion.T @ _make_dense(weights).T).T


def _make_dense(matrix) -> np.ndarray:
    return (matrix.toarray() if hasattr(matrix, "toarray") else matrix).astype(np.float64)


def read_matrix(path: str | os.PathLike) -> Num[np.ndarray, "rows columns"] | Any:
    """A matrix from ``.npy``, ``.npz`` (plain, or SciPy's sparse) or ``.pkl``: the array, or what a
    dict calls ``matrix`` or ``mtx``, else its only matrix. Half of an ``mtx`` of SMPL-X acts on
    normals and is left out.

    Raises:
        InputError: no such file, or none with one matrix of numbers in it. SciPy's matrices in
            compressed rows are not read from pickles: save them with ``scipy.sparse.save_npz``.
    """
    content = _read_matrices(Path(path))
    matrices = content if isinstance(content, dict) else {"matrix": content}
    names = [
        name
        for name, value in matrices.items()
        if getattr(value, "ndim", 0) == 2 and value.dtype.kind in "fiu"
    ]
    name = next((n for n in ("matrix", "mtx") if n in names), names[0] if len(names) == 1 else None)
    if name is None:
        expected = "one matrix of numbers, or one named matrix or mtx"
        raise InputError(path, "matrix", expected, ", ".join(names) or "none")
    matrix = matrices[name]
    return matrix[:, : matrix.shape[1] // 2] if name == "mtx" else matrix


def _read_matrices(path: Path) -> Any:
    """What the file holds: an array, or a dict of them."""
    try:
        if path.suffix == ".pkl":
            return python2_pickle.load_python2_pickle(path)
        content = np.load(path, allow_pickle=False)
        if not isinstance(content, np.lib.npyio.NpzFile):
            return content
        with content:
            return {"matrix": _load_sparse(path)} if "indptr" in content else dict(content)
    except InputError:
        raise
    except UNREADABLE as error:
        reason = str(error) or type(error).__name__
        raise InputError(path, "matrix", "a readable .npy, .npz or .pkl", reason) from None


def _load_sparse(path: Path):
    from scipy.sparse import load_npz

    matrix = load_npz(path)
    if matrix.format not in ("csr", "csc", "coo"):
        raise ValueError(f"a sparse matrix of the form {matrix.format}")
    # SciPy believes what a file says of where numbers stand, and reads and writes there
    if matrix.format == "coo":
        if not all(((at >= 0) & (at < n)).all() for at, n in zip(matrix.coords, matrix.shape)):
            raise ValueError("numbers outside the matrix")
    else:
        matrix.check_format(full_check=True)
    return matrix.tocsr()
