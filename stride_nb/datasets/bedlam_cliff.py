"""STRIDE's inputs: a folder of BEDLAM-CLIFF results, one file a frame, as a sequence of 17 joints.

BEDLAM-CLIFF (Black et al., CVPR 2023) gives SMPL-X vertices. Two matrices of the user's own turn
them into joints,
as in STRIDE: SMPL-X to SMPL vertices, and the Human3.6M regressor. Both are linear, so they are
multiplied once.

The published tool fills the frames in which it saw nobody before it writes its files, held at both
ends and linear between, and leaves no flag. Such frames are found again and marked missing:
vertices that repeat or continue a straight line to the last digit were not estimated. Nothing is
lost by it, for joints are linear in vertices: holding and interpolating the joints of the other
frames, as ``gaps.fill_linear`` does, gives the same values back.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from stride_nb._pickles import numpy_pickle, torch_file
from stride_nb.errors import UNREADABLE, InputError
from stride_nb.poses.sequence import PoseSequence

__all__ = ["filled", "frame_number", "load", "read_matrix", "read_result"]

WATCHED = 128
"""Vertices, evenly spread, whose paths tell whether a frame was filled in."""

ROUNDING = 8 * float(np.finfo(np.float32).eps)
"""What single precision may leave of the second difference of a straight line, relative to its
coordinates."""


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
    for name, value in (("folder", folder), ("regressor", regressor)):
        if value is None:
            raise InputError("motions.cliff", name, "a path of yours", "none")
    weights = _weights(regressor, smplx_to_smpl)
    frames: dict[int, tuple[Path, np.ndarray, np.ndarray]] = {}
    for path in sorted(Path(folder).glob("*.pth")):
        number, joints, watched = _frame(path, weights, translate)
        if number in frames:
            raise InputError(
                path,
                "img_name",
                "a frame number of its own",
                f"{number}, as in {frames[number][0].name}",
            )
        frames[number] = path, joints, watched
    if not frames:
        raise InputError(folder, "folder", "BEDLAM-CLIFF results (*.pth)", "none")
    numbers = np.array(sorted(frames))
    length = int(numbers[-1] - numbers[0]) + 1
    if length > 1000 + 10 * len(numbers):
        raise InputError(
            folder, "img_name", "frame numbers of one video", f"{numbers[0]} to {numbers[-1]}"
        )
    estimated = numbers[~filled(numbers, np.stack([frames[n][2] for n in numbers]))]
    joints = np.full((length, 17, 3), np.nan)
    joints[estimated - numbers[0]] = [frames[n][1] for n in estimated]
    return [PoseSequence(joints, fps=fps, name=Path(folder).resolve().name)]


def filled(numbers: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    """Which frames were filled in: (n,) bool.

    A frame between its two neighbours on a straight line was interpolated; one that repeats the
    frame before it was held, but for those at the beginning, which repeat the frame after them.

    Args:
        numbers: (n,) increasing frame numbers; only frames that follow each other are compared.
        vertices: (n, V, 3); NaN where nobody is.
    """
    vertices = np.asarray(vertices, np.float64)
    size = np.abs(vertices).max((1, 2))
    apart = np.abs(np.diff(vertices, axis=0)).max((1, 2))
    same = (np.diff(numbers) == 1) & (apart <= ROUNDING * size[1:])
    out = np.zeros(len(numbers), bool)
    out[1:] = same
    if len(numbers) > 2:
        bend = np.abs(np.diff(vertices, n=2, axis=0)).max((1, 2))
        near = (numbers[2:] - numbers[:-2] == 2) & (
            bend <= ROUNDING * np.maximum(size[2:], size[:-2])
        )
        out[1:-1] |= near
    # the last of the frames that are all equal to the first
    seen = int(np.argmin(np.append(same, False)))
    out[:seen], out[seen] = True, False
    return out


def frame_number(path: Path, img_name: str) -> int:
    """The last number in the image's name, or where it has none, in the file's.

    >>> frame_number(Path("r_3.pth"), "video/000012.jpg"), frame_number(Path("r_3.pth"), "")
    (12, 3)
    """
    for name in (img_name, path.name):
        found = re.findall(r"\d+", Path(name).stem)
        if found and len(found[-1]) < 19:
            return int(found[-1])
    raise InputError(path, "img_name", "a name that ends in a frame number", repr(img_name))


def _frame(path: Path, weights: np.ndarray, translate: bool) -> tuple[int, np.ndarray, np.ndarray]:
    """A file's frame number, joints (17, 3) and watched vertices (≤ 2 · WATCHED, 3), NaN where
    nobody is."""
    vertices, translation, img_name = read_result(path)
    count = weights.shape[1]
    if vertices.shape[1] != count:
        raise InputError(path, "vertices", f"{count}, as the matrices have", vertices.shape[1])
    first = vertices[0] if len(vertices) else np.full((count, 3), np.nan)
    joints = weights @ first
    if translate and len(vertices):
        if len(translation) != len(vertices):
            raise InputError(
                path, "pred_cam_t", f"shape ({len(vertices)}, 3), one per person", translation.shape
            )
        joints = joints + translation[0]
    return frame_number(path, img_name), joints, first[:: max(1, count // WATCHED)]


def read_result(path: str | os.PathLike) -> tuple[np.ndarray, np.ndarray, str]:
    """One result file: vertices (people, V, 3) m, pred_cam_t (people, 3) m (empty where it has
    none), image name.

    Raises:
        InputError: a file that is damaged, names anything but data, or lacks a field.
    """
    content = torch_file.load(path, arrays=True)
    if not isinstance(content, dict):
        raise InputError(
            path, "file", "a dict of vertices, pred_cam_t, img_name", type(content).__name__
        )
    content = {k: v.value if isinstance(v, numpy_pickle.Rebuilt) else v for k, v in content.items()}
    name = content.get("img_name", "")
    while isinstance(name, (list, tuple, np.ndarray)):
        name = name[0] if np.ndim(name) and len(name) else ""
    return (
        _floats(path, content, "vertices", 3),
        _floats(path, content, "pred_cam_t", 2),
        str(name) if isinstance(name, str) else "",
    )


def _floats(path, content: dict, name: str, dims: int) -> np.ndarray:
    value = content.get(name)
    if value is None and name == "pred_cam_t":
        return np.zeros((0, 3))
    value = value.detach().double().numpy() if hasattr(value, "detach") else value
    if (
        not isinstance(value, np.ndarray)
        or value.dtype.kind != "f"
        or value.ndim != dims
        or value.shape[-1] != 3
    ):
        found = (
            f"{value.dtype} of shape {value.shape}"
            if isinstance(value, np.ndarray)
            else type(value).__name__
        )
        raise InputError(
            path, name, f"numbers of shape ({'people, V, 3' if dims == 3 else 'people, 3'})", found
        )
    return value.astype(np.float64)


def _weights(regressor, smplx_to_smpl) -> np.ndarray:
    """(17, V): the two matrices in one."""
    weights = read_matrix(regressor)
    if weights.shape[0] != 17:
        raise InputError(regressor, "regressor", "17 rows, Human3.6M's joints", weights.shape)
    if smplx_to_smpl is None:
        return _dense(weights)
    turn = read_matrix(smplx_to_smpl)
    if turn.shape[0] != weights.shape[1]:
        raise InputError(
            smplx_to_smpl,
            "smplx_to_smpl",
            f"{weights.shape[1]} rows, as the regressor takes",
            turn.shape,
        )
    return (turn.T @ _dense(weights).T).T


def _dense(matrix) -> np.ndarray:
    return (matrix.toarray() if hasattr(matrix, "toarray") else matrix).astype(np.float64)


def read_matrix(path: str | os.PathLike):
    """A matrix from ``.npy``, ``.npz`` (plain, or SciPy's sparse) or ``.pkl``: the array, or what a
    dict calls ``matrix`` or ``mtx``, else its only matrix. Half of an ``mtx`` of SMPL-X acts on
    normals and is left out.

    Raises:
        InputError: no such file, or none with one matrix of numbers in it. SciPy's matrices in
            compressed rows are
            not read from pickles: save them with ``scipy.sparse.save_npz``.
    """
    from stride_nb._pickles import python2_pickle

    path = Path(path)
    try:
        content = (
            python2_pickle.load(path)
            if path.suffix == ".pkl"
            else np.load(path, allow_pickle=False)
        )
        if isinstance(content, np.lib.npyio.NpzFile):
            with content:
                content = dict(content) if "indptr" not in content else {"matrix": _sparse(path)}
    except UNREADABLE as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            path, "matrix", "a readable .npy, .npz or .pkl", str(error) or type(error).__name__
        ) from None
    found = content if isinstance(content, dict) else {"matrix": content}
    two = [
        name
        for name, value in found.items()
        if getattr(value, "ndim", 0) == 2 and value.dtype.kind in "fiu"
    ]
    name = next((n for n in ("matrix", "mtx") if n in two), two[0] if len(two) == 1 else None)
    if name is None:
        raise InputError(
            path,
            "matrix",
            "one matrix of numbers, or one named matrix or mtx",
            ", ".join(two) or "none",
        )
    return found[name][:, : found[name].shape[1] // 2] if name == "mtx" else found[name]


def _sparse(path: Path):
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
