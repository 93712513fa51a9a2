"""The stand-in body is a body, and everything that reads, skins and poses SMPL's family agrees with
smplx."""

import base64
import contextlib
import io
import json
import pickle
import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from stride_nb import smpl
from stride_nb._pickles import python2_pickle
from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17, SMPL24
from stride_nb.smpl import BodyMotion, model_files
from stride_nb.viz import mesh_figures
from stride_nb.viz.mesh_player import play_body
from tests.python2 import dumps


@pytest.fixture(scope="module")
def body():
    return smpl.load_body("standin", device="cpu")


def motion(rng, frames=5, joints=24, size=0.4) -> BodyMotion:
    return BodyMotion(
        rng.normal(0, size, (frames, joints, 3)), rng.normal(size=10), rng.normal(size=(frames, 3))
    )


def volume(vertices, faces) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float((np.cross(a, b) * c).sum() / 6)


# The stand-in


def test_the_surface_is_closed_and_one_piece(body):
    edges = np.concatenate([body.faces[:, [0, 1]], body.faces[:, [1, 2]], body.faces[:, [2, 0]]])
    directed = np.unique(edges, axis=0)
    assert len(directed) == len(edges)  # consistently turned: every directed edge once …
    # … and its opposite: every edge twice
    assert len(np.unique(np.sort(edges), axis=0)) * 2 == len(edges)
    vertices = len(body.arrays["v_template"])
    assert vertices >= 6890
    assert vertices - len(edges) // 2 + len(body.faces) == 2  # Euler: a sphere
    assert np.unique(body.faces).size == vertices
    # outward normals; litres of a person
    assert 0.045 < volume(body.arrays["v_template"], body.faces) < 0.09


def test_the_surface_is_smooth(body):
    vertices, faces = body.arrays["v_template"], body.faces
    normal = np.cross(
        vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]]
    )
    area = np.linalg.norm(normal, axis=-1)
    normal = normal / area[:, None]
    key = {}
    for f, face in enumerate(faces.tolist()):
        for k in range(3):
            key[face[k], face[(k + 1) % 3]] = f
    pairs = np.array([(f, key[b, a]) for (a, b), f in key.items()])
    cosine = (normal[pairs[:, 0]] * normal[pairs[:, 1]]).sum(-1)
    assert np.degrees(np.arccos(np.clip(np.percentile(cosine, 1), -1, 1))) < 45
    assert area.min() > 1e-7


def test_the_surface_is_its_own_mirror_image(body):
    from scipy.spatial import cKDTree

    vertices = body.arrays["v_template"]
    assert cKDTree(vertices).query(vertices * [-1, 1, 1])[0].max() < 5e-3


def test_it_is_always_the_same(body):
    smpl.make_standin_body.cache_clear()
    again = smpl.make_standin_body()
    assert again is not body.arrays
    assert all(np.array_equal(again[key], body.arrays[key]) for key in again)


def test_weights_are_smooth_shares(body):
    weights = body.arrays["weights"]
    assert weights.shape == (len(body.arrays["v_template"]), 24)
    assert weights.min() >= 0 and np.abs(weights.sum(1) - 1).max() < 1e-12
    assert (weights > 0).sum(1).max() <= 4
    edges = np.concatenate([body.faces[:, [0, 1]], body.faces[:, [1, 2]]])
    assert np.abs(weights[edges[:, 0]] - weights[edges[:, 1]]).max() < 0.5  # no seam
    assert (weights.max(0) > 0.8).all()  # every joint rules somewhere


def test_regressors_give_joints_inside_the_body(body):
    from stride_nb.smpl.standin_body import _place_h36m17, _place_smpl24

    for regressor, joints in (
        (body.arrays["J_regressor"], _place_smpl24()),
        (body.regressor, _place_h36m17()),
    ):
        assert regressor.min() >= 0 and np.abs(regressor.sum(1) - 1).max() < 1e-12
        np.testing.assert_allclose(regressor @ body.arrays["v_template"], joints, atol=1e-4)
        assert all(_inside(p, body.arrays["v_template"], body.faces) for p in joints)


def _inside(point, vertices, faces) -> bool:
    """Winding number of a closed surface round a point, by solid angles (van Oosterom & Strackee,
    1983)."""
    a, b, c = (vertices[faces[:, k]] - point for k in range(3))
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    top = (np.cross(a, b) * c).sum(-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (a * c).sum(-1) * lb
    return abs(np.arctan2(top, below).sum() / (2 * np.pi) - 1) < 1e-6


def test_shape_directions_do_what_they_say(body):
    def measure(shape):
        vertices, j = (
            body.compute_rest_vertices(shape),
            dict(zip(SMPL24.joints, body.compute_rest_joints(shape))),
        )

        def apart(a, b):
            return np.linalg.norm(j[a] - j[b])

        waist = vertices[np.abs(vertices[:, 1] - j["spine1"][1]) < 0.02]
        return {
            "height": np.ptp(vertices[:, 1]),
            "girth": np.ptp(waist[np.abs(waist[:, 0]) < 0.3], axis=0)[0],
            "thigh length": apart("lhip", "lknee"),
            "shank length": apart("lknee", "lankle"),
            "torso length": apart("pelvis", "neck"),
            "upper arm length": apart("lshoulder", "lelbow"),
            "forearm length": apart("lelbow", "lwrist"),
            "shoulder width": apart("lshoulder", "rshoulder"),
            "hip width": apart("lhip", "rhip"),
            "head size": np.ptp(vertices[vertices[:, 1] > j["head"][1]], axis=0)[0],
        }

    rest, own = measure(np.zeros(10)), {}
    for k, name in enumerate(smpl.SHAPE_NAMES):
        changed = measure(2.0 * np.eye(10)[k])
        own[name] = changed[name] - rest[name]
        assert own[name] > 0.008, name
        if name != "height":  # every other direction leaves the lengths that are not its own alone
            lengths = [n for n in rest if n.endswith(("length", "width")) and n != name]
            assert all(abs(changed[n] - rest[n]) < 0.006 for n in lengths), name


def test_shapes_within_three_units_stay_closed_bodies(body):
    rng = np.random.default_rng(0)
    for _ in range(5):
        shape = rng.uniform(-3, 3, 10)
        assert volume(body.compute_rest_vertices(shape), body.faces) > 0.02
        assert _inside(
            body.compute_rest_joints(shape)[0], body.compute_rest_vertices(shape), body.faces
        )


# The wrapper


def smplx_model(arrays, kind=None):
    import smplx
    from smplx.utils import Struct

    ids = dict.fromkeys(("nose", "reye", "leye", "rear", "lear"), 0)
    with contextlib.redirect_stdout(io.StringIO()):
        return smplx.SMPL(
            model_path="",
            data_struct=Struct(**arrays),
            vertex_ids=ids,
            use_hands=False,
            use_feet_keypoints=False,
            dtype=torch.float64,
        )


def test_vertices_and_joints_are_smplx_own(body):
    arrays = dict(body.arrays)
    rng = np.random.default_rng(1)
    # ours are 0; a user's are not
    arrays["posedirs"] = rng.normal(0, 1e-3, arrays["posedirs"].shape)
    ours, m = smpl.Body(arrays, "other", body.regressor), motion(rng)
    theirs = smplx_model(arrays)(
        betas=torch.tensor(m.shape).expand(5, -1),
        global_orient=torch.tensor(m.pose[:, 0]),
        body_pose=torch.tensor(m.pose[:, 1:].reshape(5, -1)),
        transl=torch.tensor(m.translation),
    )
    vertices = theirs.vertices.detach().numpy()
    np.testing.assert_allclose(ours.compute_vertices(m, batch=2), vertices, atol=2e-5)
    np.testing.assert_allclose(
        ours.compute_joints(m), theirs.joints[:, :24].detach().numpy(), atol=1e-6
    )
    np.testing.assert_allclose(
        ours.compute_sequence(m).joints, body.regressor @ vertices, atol=1e-6
    )


def test_joints_without_a_regressor_are_converted_by_name(body):
    m = motion(np.random.default_rng(2))
    found = smpl.Body(body.arrays, "standin").compute_sequence(m)
    assert found.skeleton == H36M17
    joints = dict(zip(SMPL24.joints, body.compute_joints(m).transpose(1, 0, 2)))
    np.testing.assert_allclose(found.joints[:, H36M17.index("lknee")], joints["lknee"])
    np.testing.assert_allclose(found.joints[:, 0], (joints["lhip"] + joints["rhip"]) / 2)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_gpu_gives_the_same(body):
    m = motion(np.random.default_rng(4))
    on_gpu = smpl.load_body("standin", device="cuda")
    np.testing.assert_allclose(on_gpu.compute_vertices(m), body.compute_vertices(m), atol=1e-4)
    np.testing.assert_allclose(on_gpu.compute_joints(m), body.compute_joints(m), atol=1e-9)


def test_turning_a_motion_turns_its_vertices(body):
    from scipy.spatial.transform import Rotation

    m, turn = motion(np.random.default_rng(5)), Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix()
    np.testing.assert_allclose(
        body.compute_vertices(m.rotate(turn, body.compute_rest_joints(m.shape)[0])),
        body.compute_vertices(m) @ turn.T,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "field, value",
    [
        ("pose", np.zeros((3, 23, 3))),
        ("pose", np.zeros((0, 24, 3))),
        ("pose", np.full((3, 24, 3), np.nan)),
        ("pose", "text"),
        ("shape", np.zeros((2, 10))),
        ("translation", np.zeros((4, 3))),
        ("fps", 0),
        ("gender", "other"),
    ],
)
def test_parameters_that_cannot_be_are_refused(field, value):
    good = {"pose": np.zeros((3, 24, 3)), "shape": np.zeros(10), "translation": np.zeros((3, 3))}
    BodyMotion(**good)
    with pytest.raises(InputError, match=field):
        BodyMotion(**good | {field: value})


# Model files


def with_fingers(arrays, joints: int) -> dict:
    """The stand-in as SMPL-H (52 joints) or SMPL-X (55): further joints hang at the wrists and move
    nothing."""
    old, more = arrays["J_regressor"], joints - 22
    parents = np.concatenate(
        [arrays["kintree_table"][0, :22], np.where(np.arange(more) < more // 2, 20, 21)]
    )
    hands = old[[20] * (more // 2) + [21] * (more - more // 2)]
    fields = {
        "J_regressor": np.concatenate([old[:22], hands]),
        "kintree_table": np.stack([parents, np.arange(joints)]),
        "weights": np.concatenate(
            [arrays["weights"][:, :22], np.zeros((len(arrays["weights"]), more))], 1
        ),
    }
    fields["weights"][:, 20] += arrays["weights"][:, 22]
    fields["weights"][:, 21] += arrays["weights"][:, 23]
    dirs = np.zeros((len(arrays["v_template"]), 3, 400 if joints == 55 else 10), np.float32)
    dirs[..., :10] = arrays["shapedirs"]
    return (
        arrays
        | fields
        | {"shapedirs": dirs, "posedirs": np.zeros((len(dirs), 3, 9 * joints - 9), np.float32)}
    )


@pytest.fixture(scope="module")
def small(body):
    """A body small enough to write to files in a test: 40 of the vertices."""
    chosen, rng = np.arange(40) * 200, np.random.default_rng(0)
    cut = {
        key: body.arrays[key][chosen] for key in ("v_template", "shapedirs", "posedirs", "weights")
    }
    regressor = rng.random((24, 40))
    return cut | {
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "f": rng.integers(0, 40, (60, 3)).astype(np.uint32),
        "kintree_table": body.arrays["kintree_table"],
    }


@pytest.mark.parametrize(
    "name, kind, gender, joints",
    [
        ("smpl/SMPL_NEUTRAL.npz", "smpl", "neutral", 24),
        ("SMPL_MALE.pkl", "smpl", "male", 24),
        ("models/basicmodel_f_lbs_10_207_0_v1.1.0.pkl", "smpl", "female", 24),
        ("smplh/SMPLH_FEMALE.npz", "smplh", "female", 52),
        ("smplh/male/model.npz", "smplh", "male", 52),
        ("smplx/SMPLX_NEUTRAL.npz", "smplx", "neutral", 55),
    ],
)
def test_model_files_of_every_family_are_found_and_read(
    tmp_path, monkeypatch, small, name, kind, gender, joints
):
    arrays = small if joints == 24 else with_fingers(small, joints)
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npz":
        # SMPL-X's files hold such objects too
        np.savez(path, **arrays, dict_of_joints=np.array({"a": 1}, object))
    else:
        path.write_bytes(dumps(arrays | {"bs_style": "lbs"}))
    monkeypatch.setenv(model_files.MODEL_FOLDER_VARIABLE, str(tmp_path))
    found = smpl.load_body(kind, gender, device="cpu")
    assert found.kind == kind and found.arrays["shapedirs"].shape[-1] == (
        300 if kind == "smplx" else 10
    )
    m = motion(np.random.default_rng(0), joints=joints, size=0.0)
    plain = smpl.Body(small, "standin")
    np.testing.assert_allclose(
        found.compute_vertices(m), plain.compute_vertices(m.to("smpl")), atol=1e-5
    )
    np.testing.assert_allclose(
        found.compute_joints(m)[:, :22], plain.compute_joints(m.to("smpl"))[:, :22], atol=1e-6
    )


def test_a_missing_model_says_where_it_was_looked_for(tmp_path, monkeypatch):
    monkeypatch.delenv(model_files.MODEL_FOLDER_VARIABLE, raising=False)
    with pytest.raises(InputError, match="SMPL_MODEL_DIR"):
        smpl.load_body("smpl")
    with pytest.raises(InputError, match="SMPLX_MALE"):
        smpl.load_body("smplx", "male", folder=tmp_path)
    with pytest.raises(
        InputError, match="standin, smpl, smplh, smplx, or a model file, found 'smlp'"
    ):
        smpl.load_body("smlp")


def test_smplx_parameters_do_not_pass_for_smpl(small):
    with pytest.raises(InputError, match="smplx"):
        smpl.Body(small, "SMPL_NEUTRAL.npz").compute_vertices(
            motion(np.random.default_rng(0), joints=55)
        )


def test_chumpy_and_sparse_arrays_come_out_plain(tmp_path, monkeypatch):
    import sys
    import types

    from scipy.sparse import random as sparse

    module = types.ModuleType("chumpy.ch")
    module.Ch = type("Ch", (), {"__module__": "chumpy.ch"})
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", module)
    wrapped, matrix = module.Ch(), sparse(24, 90, 0.1, format="csc", random_state=0)
    wrapped.__dict__.update(x=np.arange(6.0).reshape(2, 3), _dirty_vars=1)
    for protocol in (0, 1, 2, 4):
        path = tmp_path / "model.pkl"
        path.write_bytes(
            pickle.dumps({"shapedirs": wrapped, "again": wrapped, "J_regressor": matrix}, protocol)
        )
        found = python2_pickle.load_python2_pickle(path)
        np.testing.assert_array_equal(found["shapedirs"], wrapped.x)
        assert found["again"] is found["shapedirs"]
        np.testing.assert_array_equal(found["J_regressor"], matrix.toarray())


class Call:
    """Reduces to a call: what a pickle must never be allowed."""

    def __init__(self, *reduced):
        self.reduced = reduced

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize(
    "value", [Call(print, ("hello",)), Call(eval, ("1",)), print, Call(np.zeros, (3,))]
)
def test_pickles_that_call_are_refused(tmp_path, value, capsys):
    (tmp_path / "bad.pkl").write_bytes(pickle.dumps({"v_template": value}))
    with pytest.raises(InputError, match=r"bad.pkl"):
        python2_pickle.load_python2_pickle(tmp_path / "bad.pkl")
    assert capsys.readouterr().out == ""


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_malformed_model_files_are_one_clear_error(small, tmp_path_factory, data):
    key = data.draw(st.sampled_from(sorted(small)))
    wrong = data.draw(st.sampled_from(["absent", "nan", "short", "flat", "text", "empty", "huge"]))
    value = np.array(small[key], float)
    broken = {
        "absent": None,
        "nan": np.full_like(value, np.nan),
        "short": value[1:],
        "flat": value.ravel()[:7],
        "text": np.array(["a"]),
        "empty": value[:0],
        "huge": np.full_like(value, 1e9),
    }[wrong]
    arrays = {k: v for k, v in (small | {key: broken}).items() if v is not None}
    path = tmp_path_factory.mktemp("model") / data.draw(st.sampled_from(["m.npz", "m.pkl"]))
    np.savez(path, **arrays) if path.suffix == ".npz" else path.write_bytes(dumps(arrays))
    try:
        assert len(model_files.read_model_arrays(path)["v_template"]) in (39, 40)
    except InputError as error:
        assert "\n" not in str(error)


@settings(max_examples=40, deadline=None)
@given(at=st.floats(0, 1), byte=st.integers(0, 255), suffix=st.sampled_from([".npz", ".pkl"]))
def test_damaged_model_files_are_one_clear_error(small, tmp_path_factory, at, byte, suffix):
    path = tmp_path_factory.mktemp("model") / f"m{suffix}"
    np.savez(path, **small) if suffix == ".npz" else path.write_bytes(dumps(small))
    whole = path.read_bytes()
    cut = int(at * (len(whole) - 1))
    for damaged in (whole[:cut], whole[:cut] + bytes([byte]) + whole[cut + 1 :]):
        path.write_bytes(damaged)
        try:
            model_files.read_model_arrays(path)
        except InputError as error:
            assert "\n" not in str(error)


def test_regressor_files_come_out_right_leg_first(tmp_path, body):
    swapped = body.regressor[[0, 4, 5, 6, 1, 2, 3, *range(7, 17)]]
    for given_regressor in (body.regressor, swapped):
        np.save(tmp_path / "J_regressor_h36m.npy", given_regressor)
        found = smpl.load_body(
            "standin", regressor=tmp_path / "J_regressor_h36m.npy", device="cpu"
        ).regressor
        np.testing.assert_array_equal(found, body.regressor)
    with pytest.raises(InputError, match="regressor"):
        smpl.load_body("standin", regressor=body.regressor[:14])
    (tmp_path / "r.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"r.npy"):
        smpl.load_body("standin", regressor=tmp_path / "r.npy")


# Pictures


def test_the_picture_is_small_and_shows_mesh_and_skeleton(tmp_path, body):
    import matplotlib

    matplotlib.use("Agg")
    from stride_nb.viz import figures

    figures.use_style()
    m = motion(np.random.default_rng(6), frames=20, size=0.2)
    fig = mesh_figures.plot_body_strip(body, m, frames=4)
    fig.savefig(tmp_path / "mesh.png")
    assert (tmp_path / "mesh.png").stat().st_size < 100_000
    mesh, skeleton = fig.axes
    assert len(mesh.collections) == 4 and len(skeleton.lines) == 4 * len(H36M17.bones)
    drawn = sum(len(c.get_paths()) for c in mesh.collections)
    assert 0.3 < drawn / (4 * len(body.faces)) < 0.7  # the half that faces the viewer
    for part in mesh.collections:
        a, b, c = np.array([path.vertices[:3] for path in part.get_paths()]).swapaxes(0, 1)
        assert ((b - a)[:, 0] * (c - a)[:, 1] > (b - a)[:, 1] * (c - a)[:, 0]).all(), (
            "not the one behind"
        )


@pytest.mark.parametrize("up", ["y", "-y"])
def test_the_player_carries_the_pose_and_the_joints(body, up):
    m = motion(np.random.default_rng(7), frames=243, size=1.5)
    joints = body.compute_sequence(m)
    joints = joints.replace(joints=np.where(np.arange(17)[:, None] == 3, np.nan, joints.joints))
    played = play_body(body, m, joints, up)
    assert played.markup == play_body(body, m, joints, up).markup and len(played.markup) < 200_000
    data = json.loads(re.search(r"parentElement, (\{.*\})\)</script>", played.markup)[1])

    def numbers(key, kind="<i2"):
        return np.frombuffer(base64.b64decode(data[key]), kind)

    pose, move = (
        numbers("pose").reshape(243, 24, 3) * data["angle"],
        numbers("move").reshape(243, 3) * data["step"],
    )
    shown = body.compute_joints(m.replace(pose=pose, translation=move))  # what the page computes …
    given = numbers("given").reshape(243, 17, 3).astype(float)
    assert (given[:, 3] == -32768).all()
    # … stands where the skeleton stands
    plain = body.compute_sequence(m.replace(pose=pose, translation=move)).joints
    np.testing.assert_allclose(
        np.delete(given * data["step"], 3, 1), np.delete(plain, 3, 1), atol=2e-3
    )
    flip = np.diag([1, -1, -1]) if up == "-y" else np.eye(3)
    apart = body.compute_joints(m) @ flip.T - shown
    assert np.abs(apart - apart[:1, :1]).max() < 2e-3
    faces = numbers("faces", "<u2").reshape(-1, 3)
    assert (
        faces.max() < len(numbers("vertices")) / 3
        and (numbers("share", "u1").reshape(-1, 4).sum(1, dtype=int) == 255).all()
    )
