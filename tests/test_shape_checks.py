"""The wrapper that compares arrays with their annotations can fail, and is in place."""

import numpy as np
import pytest
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from stride_nb.errors import InputError
from stride_nb.evaluation import metrics
from stride_nb.poses import geometry
from tests.shape_checks import check_shapes


@check_shapes
def measure_lengths(
    joints: Float[np.ndarray, "T J 3"],
    weights: Float[Tensor, " J"] | None = None,
    visible: Bool[np.ndarray, "T J"] | str = "all",
) -> Float[np.ndarray, "T J"]:
    """Stands for any function of the package; 7 frames are refused at its door."""
    if len(joints) == 7:
        raise InputError("here", "joints", "another number of frames", 7)
    return np.linalg.norm(joints, axis=-1)[:, : -1 if len(joints) == 5 else None]


def test_what_fits_passes():
    joints = np.zeros((4, 17, 3))
    assert measure_lengths(joints, torch.zeros(17), np.ones((4, 17), bool)).shape == (4, 17)
    assert measure_lengths(joints).shape == (4, 17)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((np.zeros((4, 17, 2)),), "joints: declared"),
        ((np.zeros((4, 17, 3), int),), "joints: declared"),
        ((np.zeros((4, 17, 3)), torch.zeros(16)), "weights: declared"),
        ((np.zeros((4, 17, 3)), None, np.ones((4, 16), bool)), "visible: declared"),
        ((np.zeros((5, 17, 3)),), "return: declared"),
    ],
)
def test_what_does_not_fit_fails(arguments, said):
    with pytest.raises(TypeError, match=said):
        measure_lengths(*arguments)


def test_a_door_still_says_its_own_error():
    with pytest.raises(InputError):
        measure_lengths(np.zeros((7, 17, 2)))


def test_integers_of_another_name_are_integers():
    assert check_shapes(count_faces)(np.zeros((5, 3), np.longlong)) == 5


def count_faces(faces: Int[np.ndarray, "F 3"]) -> int:
    return len(faces)


def test_the_package_is_wrapped():
    wrapped = [
        f for m in (metrics, geometry) for f in vars(m).values() if hasattr(f, "__wrapped__")
    ]
    assert len(wrapped) > 20
