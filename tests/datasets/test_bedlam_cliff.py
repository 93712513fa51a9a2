"""STRIDE's inputs: BEDLAM-CLIFF's files in frame order, what was filled in found again; and plain
arrays."""

import os
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from stride_nb import InputError, datasets
from stride_nb.datasets import bedlam_cliff

SMPLX, SMPL, FRAMES = 60, 40, 30


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def matrices(tmp_path, rng):
    turn, regressor = rng.random((SMPL, SMPLX)), rng.random((17, SMPL))
    np.save(tmp_path / "turn.npy", turn / turn.sum(1, keepdims=True))
    np.save(tmp_path / "regressor.npy", regressor / regressor.sum(1, keepdims=True))
    return {"smplx_to_smpl": tmp_path / "turn.npy", "regressor": tmp_path / "regressor.npy"}


def walk(rng, frames=FRAMES) -> np.ndarray:
    """(frames, SMPLX, 3) float32: nothing in it is straight."""
    return (
        rng.normal(size=(1, SMPLX, 3)) / 3 + rng.normal(size=(frames, SMPLX, 3)).cumsum(0) / 100
    ).astype(np.float32)


def publish(folder, vertices, numbers, as_array=False, people=2, skip=()):
    """Files as the published tool writes them, one a frame, other people behind the first."""
    folder.mkdir(exist_ok=True)
    wrap = np.asarray if as_array else torch.as_tensor
    for n, v in zip(numbers, vertices):
        if n not in skip:
            crowd = (
                np.stack([v] + [v * 0 + 9] * (people - 1))
                if people
                else np.zeros((0, *v.shape), np.float32)
            )
            at = np.tile(np.float32([0.1, 0.2, 4 + n / 100]), (len(crowd), 1))
            torch.save(
                {"vertices": wrap(crowd), "pred_cam_t": wrap(at), "img_name": f"video/{n:06d}.jpg"},
                folder / f"{n}_result.pth",
            )
    return folder


def fill(vertices, lost):
    """What the published tool does: hold at the ends, lines between."""
    kept = np.setdiff1d(np.arange(len(vertices)), lost)
    flat = vertices.reshape(len(vertices), -1)
    lines = [np.interp(np.arange(len(vertices)), kept, flat[kept, c]) for c in range(flat.shape[1])]
    return np.stack(lines, -1).reshape(vertices.shape).astype(np.float32)


@pytest.mark.parametrize("as_array", [False, True])
def test_joints_are_the_two_matrices_times_the_first_persons_vertices(
    tmp_path, rng, matrices, as_array
):
    vertices = walk(rng)
    (found,) = datasets.load(
        "cliff",
        folder=publish(tmp_path / "out", vertices, range(FRAMES), as_array),
        fps=25,
        **matrices,
    )
    both = np.load(matrices["regressor"]) @ np.load(matrices["smplx_to_smpl"])
    at = np.stack([[0.1, 0.2, 4 + n / 100] for n in range(FRAMES)])[:, None]
    np.testing.assert_allclose(found.joints, both @ vertices.astype(float) + at, atol=1e-6)
    assert found.fps == 25 and found.name == "out" and (found.confidence == 1).all()
    (bare,) = datasets.load("cliff", folder=tmp_path / "out", translate=False, **matrices)
    np.testing.assert_allclose(bare.joints, both @ vertices.astype(float), atol=1e-9)


def test_frames_are_in_order_of_their_numbers_not_of_their_names(tmp_path, rng, matrices):
    vertices, numbers = walk(rng, 12), [8, 9, 10, 11, 98, 99, 100, 101, 102, 103, 104, 105]
    (found,) = datasets.load("cliff", folder=publish(tmp_path / "a", vertices, numbers), **matrices)
    assert len(found) == 98 and found.missing.all(1).sum() == 86
    for file in (tmp_path / "a").glob("*.pth"):  # names that sort otherwise
        file.rename(file.with_name(f"{200 - int(file.name.split('_')[0])}.pth"))
    (renamed,) = datasets.load("cliff", folder=tmp_path / "a", **matrices)
    np.testing.assert_array_equal(renamed.joints, found.joints)


def test_without_image_names_the_files_names_count(tmp_path, rng, matrices):
    folder, vertices = tmp_path / "a", walk(rng, 12)
    folder.mkdir()
    for n, v in enumerate(vertices):
        torch.save(
            {"vertices": v[None], "img_name": ["x.png"] if n % 2 else ""}, folder / f"frame{n}.pth"
        )
    (found,) = datasets.load("cliff", folder=folder, translate=False, **matrices)
    (other,) = datasets.load(
        "cliff", folder=publish(tmp_path / "b", vertices, range(12)), translate=False, **matrices
    )
    np.testing.assert_array_equal(found.joints, other.joints)


GAPS = st.sets(st.integers(0, FRAMES - 1), max_size=FRAMES - 2)


@settings(max_examples=60, deadline=None)
@given(GAPS, st.integers(0, 2**32))
def test_exactly_the_filled_frames_are_found_again(lost, seed):
    vertices = walk(np.random.default_rng(seed))
    found = bedlam_cliff.find_filled_frames(np.arange(FRAMES), fill(vertices, sorted(lost)))
    assert set(np.flatnonzero(found)) == lost


@settings(max_examples=30, deadline=None)
@given(GAPS, st.integers(0, 2**32), st.floats(1e-4, 1e-2))
def test_frames_that_only_look_straight_are_kept(lost, seed, jitter):
    rng = np.random.default_rng(seed)
    nearly = fill(walk(rng), sorted(lost)) + (jitter * rng.normal(size=(FRAMES, SMPLX, 3))).astype(
        np.float32
    )
    assert not bedlam_cliff.find_filled_frames(np.arange(FRAMES), nearly).any()


def test_lines_across_missing_numbers_and_frames_without_anybody_are_not_taken_for_filled(rng):
    numbers = np.array([0, 1, 2, 4, 5, 7])
    straight = np.linspace(0, 1, 6)[:, None, None] * rng.normal(size=(1, SMPLX, 3)) + 1
    assert np.flatnonzero(bedlam_cliff.find_filled_frames(numbers, straight)).tolist() == [1]
    straight[1] = np.nan
    assert not bedlam_cliff.find_filled_frames(numbers, straight).any()


def test_one_frame_and_one_picture_repeated():
    assert bedlam_cliff.find_filled_frames(np.array([3]), np.ones((1, 4, 3))).tolist() == [False]
    assert bedlam_cliff.find_filled_frames(np.arange(4), np.ones((4, 4, 3))).tolist() == [
        True,
        True,
        True,
        False,
    ]


def test_filled_frames_missing_files_and_empty_frames_are_missing_and_can_be_filled_again(
    tmp_path, rng, matrices
):
    """The refiner's own filling gives the published tool's values back."""
    from stride_nb.poses.interpolation import fill_linear

    lost = [0, 1, 7, 12, 13, 14, 15, 28, 29]
    vertices = fill(walk(rng), lost)
    folder = publish(tmp_path / "a", vertices, range(FRAMES), skip=(13, 20))
    publish(folder, vertices[22:23], [22], people=0)
    (found,) = datasets.load("cliff", folder=folder, translate=False, **matrices)
    # 13 has no file, so 12 and 14 have only one neighbour each and cannot be told from estimates.
    assert set(np.flatnonzero(found.missing.all(1))) == {0, 1, 7, 13, 15, 20, 22, 28, 29}
    whole = (
        np.load(matrices["regressor"]) @ np.load(matrices["smplx_to_smpl"]) @ vertices.astype(float)
    )
    again = fill_linear(found.joints, ~found.missing)
    frames = [t for t in range(FRAMES) if t not in (20, 22)]
    np.testing.assert_allclose(again[frames], whole[frames], atol=1e-6)


# Matrices


def test_every_form_of_a_matrix_reads_the_same(tmp_path, rng):
    matrix = rng.random((17, SMPL)) * (rng.random((17, SMPL)) < 0.2)
    np.save(tmp_path / "a.npy", matrix)
    np.savez(tmp_path / "a.npz", matrix)
    np.savez(tmp_path / "two.npz", matrix=matrix, other=np.zeros((3, 3)))
    sparse.save_npz(tmp_path / "csr.npz", sparse.csr_matrix(matrix))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"matrix": matrix, "faces": np.zeros((5, 3))}, 2))
    (tmp_path / "mtx.pkl").write_bytes(
        pickle.dumps({"mtx": sparse.csc_matrix(np.hstack([matrix, matrix + 1]))})
    )
    for name in ("a.npy", "a.npz", "two.npz", "csr.npz", "a.pkl", "mtx.pkl"):
        found = bedlam_cliff.read_matrix(tmp_path / name)
        np.testing.assert_array_equal(found.toarray() if sparse.issparse(found) else found, matrix)


@pytest.mark.parametrize("kind", [b"csr", b"csc", b"coo"])
def test_a_sparse_matrix_that_points_outside_itself_is_refused(tmp_path, kind):
    """SciPy takes it, and multiplying by it reads and writes memory that is not its own."""
    told = (
        {"row": np.full(17, 50_000_000), "col": np.arange(17)}
        if kind == b"coo"
        else {"indices": np.full(17, 50_000_000), "indptr": np.arange(18)}
    )
    shape = [6890, 17] if kind == b"csc" else [17, 6890]
    np.savez(
        tmp_path / "a.npz", format=np.array(kind), shape=np.array(shape), data=np.ones(17), **told
    )
    with pytest.raises(InputError, match=r"a.npz: matrix: expected"):
        bedlam_cliff.read_matrix(tmp_path / "a.npz")


def test_a_sparse_matrix_multiplies_like_a_dense_one(tmp_path, rng, matrices):
    folder = publish(tmp_path / "a", walk(rng), range(FRAMES))
    (dense,) = datasets.load("cliff", folder=folder, **matrices)
    sparse.save_npz(tmp_path / "turn.npz", sparse.csr_matrix(np.load(matrices["smplx_to_smpl"])))
    (other,) = datasets.load(
        "cliff", folder=folder, **matrices | {"smplx_to_smpl": tmp_path / "turn.npz"}
    )
    np.testing.assert_allclose(other.joints, dense.joints, atol=1e-12)


def test_smpl_vertices_need_one_matrix(tmp_path, rng, matrices):
    np.save(
        tmp_path / "direct.npy", np.load(matrices["regressor"]) @ np.load(matrices["smplx_to_smpl"])
    )
    folder = publish(tmp_path / "a", walk(rng), range(FRAMES))
    (two,) = datasets.load("cliff", folder=folder, **matrices)
    (one,) = datasets.load("cliff", folder=folder, regressor=tmp_path / "direct.npy")
    np.testing.assert_allclose(one.joints, two.joints, atol=1e-12)


class Runs:
    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.npy", b""),
        ("a.npy", b"\x93NUMPY"),
        ("a.npz", b"PK\x03\x04"),
        ("a.npz", b"x"),
        ("a.pkl", b"\x80"),
        ("a.pkl", pickle.dumps({"a": [1]})),
        ("a.pkl", pickle.dumps(3)),
        ("a.txt", b"1 2"),
        ("a.pkl", pickle.dumps({"a": np.zeros((2, 2)), "b": np.zeros((2, 2))})),
        ("a.pkl", pickle.dumps(np.zeros(3))),
    ],
)
def test_a_bad_matrix_is_one_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError):
        bedlam_cliff.read_matrix(tmp_path / name)


def test_sizes_that_do_not_fit_are_named(tmp_path, rng, matrices):
    folder = publish(tmp_path / "a", walk(rng), range(FRAMES))
    np.save(tmp_path / "small.npy", np.ones((SMPL, SMPLX - 1)))
    np.save(tmp_path / "rows.npy", np.ones((16, SMPL)))
    for field, changed in (
        ("vertices", {"smplx_to_smpl": tmp_path / "small.npy"}),
        ("vertices", {"smplx_to_smpl": None}),
        ("smplx_to_smpl", {"smplx_to_smpl": matrices["regressor"]}),
        ("regressor", {"regressor": tmp_path / "rows.npy"}),
        ("regressor", {"regressor": None}),
        ("folder", {"folder": None}),
        ("folder", {"folder": tmp_path / "no"}),
    ):
        with pytest.raises(InputError) as error:
            datasets.load("cliff", **{"folder": folder, **matrices, **changed})
        assert error.value.field == field


# Result files


def test_a_result_that_calls_something_is_refused_by_name_and_runs_nothing(tmp_path):
    evil = Runs()
    evil.path = str(tmp_path / "ran")
    torch.save({"vertices": evil, "img_name": "1.jpg"}, tmp_path / "1.pth")
    with pytest.raises(InputError, match=r"mkdir \(refused, nothing was run\)"):
        bedlam_cliff.read_result(tmp_path / "1.pth")
    assert not (tmp_path / "ran").exists()


def forged(state, data=b"\x41" * 8):
    """An array as NumPy pickles one, its dtype in another state."""

    class Says:
        def __init__(self, *recipe):
            self.recipe = recipe

        def __reduce__(self):
            return self.recipe

    rebuild = np.zeros(1).__reduce__()[0]
    return Says(
        rebuild,
        (np.ndarray, (0,), b"b"),
        (1, (1,), Says(np.dtype, ("f8", False, True), state), False, data),
    )


@pytest.mark.parametrize(
    "state",
    [
        # bytes to be taken for an object, to numpy.dtype's own setter
        (3, "<", None, ("a",), {"a": (0, 0)}, 8, 8, 0),
        (3, "<", (0, 1), None, None, -1, -1, 0),
        (9, "<", None, None, None, -1, -1, 0),
    ],
)
def test_a_forged_dtype_does_not_reach_numpy(tmp_path, state):
    torch.save({"vertices": forged((3, "<", None, None, None, -1, -1, 0))}, tmp_path / "good.pth")
    with pytest.raises(
        InputError, match=r"vertices: expected numbers of shape .*, found float64 of shape"
    ):
        bedlam_cliff.read_result(tmp_path / "good.pth")
    torch.save({"vertices": forged(state)}, tmp_path / "bad.pth")
    with pytest.raises(InputError, match="dtype state"):
        bedlam_cliff.read_result(tmp_path / "bad.pth")


@pytest.mark.parametrize(
    "name",
    [["v/000003.jpg"], np.array(["v/000003.jpg"]), np.str_("v/000003.jpg"), ("3.png", "4.png")],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_names_in_lists_arrays_and_scalars_in_both_of_torchs_formats(tmp_path, name, zipped):
    content = {"vertices": np.ones((1, 5, 3), np.float16), "img_name": name, "fps": np.float32(3)}
    torch.save(content, tmp_path / "1.pth", _use_new_zipfile_serialization=zipped)
    vertices, place, found = bedlam_cliff.read_result(tmp_path / "1.pth")
    assert (
        bedlam_cliff.parse_image_number(tmp_path / "1.pth", found) == 3
        and vertices.sum() == 15
        and len(place) == 0
    )


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_truncated_result_is_one_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "whole.pth"
    torch.save(
        {"vertices": torch.zeros(1, 5, 3), "pred_cam_t": torch.zeros(1, 3), "img_name": "1.jpg"},
        path,
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(InputError) as error:
        bedlam_cliff.read_result(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "field, content",
    [
        ("file", [1]),
        ("vertices", {}),
        ("vertices", {"vertices": torch.zeros(5, 3)}),
        ("vertices", {"vertices": "x"}),
        ("vertices", {"vertices": torch.zeros(1, 5, 2)}),
        ("vertices", {"vertices": np.zeros((1, 5, 3), int)}),
        ("pred_cam_t", {"vertices": torch.zeros(1, 5, 3), "pred_cam_t": torch.zeros(3)}),
    ],
)
def test_a_result_of_another_shape_is_named(tmp_path, field, content):
    torch.save(content, tmp_path / "1.pth")
    with pytest.raises(InputError) as error:
        bedlam_cliff.read_result(tmp_path / "1.pth")
    assert error.value.field == field


@pytest.mark.parametrize(
    "names, said",
    [
        (("1.jpg", "01.jpg"), "frame number of its own"),
        (("1.jpg", "999999.jpg"), "one video"),
        (("a.jpg", "b.jpg"), "ends in a frame number"),
    ],
)
def test_frame_numbers_that_cannot_be(tmp_path, rng, matrices, names, said):
    for file, name in zip("xy", names):
        torch.save({"vertices": walk(rng, 1), "img_name": name}, tmp_path / f"{file}.pth")
    with pytest.raises(InputError, match=said):
        datasets.load("cliff", folder=tmp_path, translate=False, **matrices)


def test_a_person_without_a_place_is_an_error_unless_none_is_asked_for(tmp_path, rng, matrices):
    torch.save({"vertices": walk(rng, 1), "img_name": "1.jpg"}, tmp_path / "1.pth")
    with pytest.raises(InputError, match="pred_cam_t"):
        datasets.load("cliff", folder=tmp_path, **matrices)
    assert len(datasets.load("cliff", folder=tmp_path, translate=False, **matrices)[0]) == 1


# Plain arrays


def test_arrays_of_every_kind_read_the_same(tmp_path, rng):
    joints = rng.normal(size=(5, 17, 3))
    joints[2, 4] = np.nan
    np.save(tmp_path / "a.npy", joints)
    np.savez(tmp_path / "a.npz", joints=joints, other=joints)
    np.savez(tmp_path / "b.npz", poses=joints, x=np.zeros(3))
    for protocol in range(6):
        (tmp_path / f"{protocol}.pkl").write_bytes(pickle.dumps(joints, protocol))
    (tmp_path / "d.pkl").write_bytes(pickle.dumps({"joints": joints, "source": ["a"]}, 2))
    for path in sorted(tmp_path.iterdir()):
        (found,) = datasets.load("arrays", path=path)
        np.testing.assert_array_equal(found.joints, joints)
        assert (
            found.missing.sum() == 1
            and found.missing[2, 4]
            and found.fps == 30
            and found.name == path.stem
        )


def test_confidence_rate_and_joint_set_are_heard(tmp_path, rng):
    np.savez(
        tmp_path / "a.npz",
        joints=rng.normal(size=(5, 24, 3)),
        confidence=np.full((5, 24), 0.5),
        fps=25,
    )
    (found,) = datasets.load("arrays", path=tmp_path / "a.npz", skeleton="smpl24")
    assert (found.confidence == 0.5).all() and found.fps == 25 and found.skeleton.name == "smpl24"
    assert datasets.load("arrays", path=tmp_path / "a.npz", skeleton="smpl24", fps=60)[0].fps == 60


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.npy", b""),
        ("a.npz", b"PK"),
        ("a.pkl", pickle.dumps(os.getcwd)),
        ("a.pkl", b"\x80\x04]"),
        ("a.csv", b"1,2"),
        ("a.pkl", pickle.dumps(np.zeros((5, 16, 3)))),
        ("a.pkl", pickle.dumps({"a": np.zeros((5, 17, 3)), "b": np.zeros((5, 17, 3))})),
        ("a.pkl", pickle.dumps(np.zeros((0, 17, 3)))),
        ("a.pkl", pickle.dumps(np.full((2, 17, 3), np.inf))),
        ("a.pkl", pickle.dumps({"joints": np.zeros((2, 17, 3)), "confidence": "x"})),
        ("a.pkl", pickle.dumps({"joints": np.zeros((2, 17, 3)), "fps": "fast"})),
        ("a.pkl", pickle.dumps({"joints": np.zeros((2, 17, 3)), "fps": []})),
        (
            "a.pkl",
            pickle.dumps({"joints": np.zeros((2, 17, 3)), "confidence": np.full((2, 17), 2.0)}),
        ),
    ],
)
def test_what_is_no_array_of_joints_is_one_error(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        datasets.load("arrays", path=tmp_path / name)


def test_no_path_says_so():
    with pytest.raises(InputError, match="path"):
        datasets.load("arrays")
