"""Figures keep their promises (units, colours, size), tables round once, the player holds what it
was given."""

import base64
import json
import os
import re

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from stride_nb.errors import InputError
from stride_nb.poses.skeleton import H36M17
from stride_nb.viz import figures, uncertainty
from stride_nb.viz.pose_player import play_poses
from stride_nb.viz.tables import make_table

matplotlib.use("Agg")
T, FPS = 60, 50


@pytest.fixture
def walk():
    """A wobbling standing person (T, 17, 3), metres, y up."""
    pose = np.random.default_rng(0).normal(0, 0.2, (17, 3)) + [0, 1, 0]
    return (
        pose
        + 0.05 * np.sin(np.arange(T) / 9)[:, None, None]
        + [0, 0, 0.01] * np.arange(T)[:, None, None]
    )


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def drawn(walk):
    hidden = np.zeros((T, 17), bool)
    hidden[20:40, 11:14] = True
    lost = np.where(hidden[..., None], np.nan, walk + 0.02)
    sequences = {"truth": walk, "input": lost, "refined": walk + 0.01}
    speed = np.linalg.norm(np.diff(walk, axis=0), axis=-1) * FPS
    yield figures.plot_pose_strip(sequences, FPS, hidden=hidden)
    yield figures.plot_pose_strip(sequences, FPS, frames=4, hidden=hidden, apart=True)
    yield figures.plot_timeline(sequences, FPS, ["lwrist", "rwrist"], "y", ~hidden)
    yield figures.plot_visibility({"limb": ~hidden, "all": np.zeros_like(hidden)}, FPS)
    yield figures.plot_detections({"input": walk[0, :, :2] * 200}, (640, 480), hidden[30])
    yield figures.plot_distribution({"walk": {"a": speed, "b": 2 * speed}}, "joint speed (m/s)")
    yield figures.plot_lines(
        {"walk": {"a": ([1, 2, 3], [0, 0.5, 1])}},
        "speed (m/s)",
        "share of frames",
        log=True,
        dots={"walk": {"a": ([2], [0.5])}},
    )
    yield figures.plot_loss_curve(
        {"train": 1 / np.arange(1, 99), "val": ([1, 50], [1.0, 0.5])}, "loss (m)"
    )
    yield figures.plot_bars({"limb": {"a": (3, 2, 4), "b": 5}}, "MPJPE (mm)", highlight=["a"])
    yield figures.plot_reliability(np.linspace(0, 1, 50), np.arange(50) > 20)
    yield figures.plot_skeleton_map(walk[0])


def test_figures_are_small_and_name_their_axes(walk, tmp_path):
    for number, figure in enumerate(drawn(walk)):
        path = tmp_path / f"{number}.png"
        figure.savefig(path)
        assert path.stat().st_size <= 100_000
        labelled = [
            ax
            for ax in figure.axes
            if ax.get_xlabel() or ax.get_ylabel() or any(t.get_text() for t in ax.get_xticklabels())
        ]
        assert labelled, f"figure {number} has no label"


@pytest.mark.parametrize("joint", [0, 5])
@pytest.mark.parametrize("apart", [False, True])
def test_a_strip_of_somebody_with_a_joint_never_seen_is_drawn(walk, joint, apart, tmp_path):
    lost = walk.copy()
    lost[:, joint] = np.nan
    for sequences in ({"input": lost}, {"input": lost, "refined": lost + 0.01}):
        figures.plot_pose_strip(sequences, FPS, apart=apart).savefig(tmp_path / "strip.png")
    (whole,), (part,) = (figures.plot_pose_strip({"input": x}, FPS).axes for x in (walk, lost))
    assert np.diff(part.get_xticks())[0] <= np.diff(whole.get_xticks())[0]


def test_a_strip_of_nobody_is_refused(walk):
    with pytest.raises(
        InputError, match="strip: sequences: expected a joint that was seen, found none"
    ):
        figures.plot_pose_strip({"input": np.full_like(walk, np.nan)}, FPS)


def test_hidden_spans_are_shaded_where_they_are(walk):
    visible = np.ones((T, 17), bool)
    visible[10:20, H36M17.index("rwrist")] = False
    visible[50:, H36M17.index("rwrist")] = False
    ax = figures.plot_timeline({"truth": walk}, FPS, "rwrist", visible=visible).axes[0]
    spans = [(p.get_x() * FPS, (p.get_x() + p.get_width()) * FPS) for p in ax.patches]
    assert np.allclose(spans, [(9.5, 19.5), (49.5, 59.5)])
    assert ax.lines[0].get_color() == figures.PALETTE["truth"]


def test_no_legend_over_data(walk):
    for figure in drawn(walk):
        assert all(ax.get_legend() is None for ax in figure.axes)


def test_upright_keeps_handedness_and_knows_its_names(walk):
    for up in ("y", "-y", "z"):
        basis = figures.rotate_upright(np.eye(3), up)
        assert np.isclose(np.linalg.det(basis), 1)
    assert np.allclose(
        figures.rotate_upright(np.array([0.0, -1, 0]), "-y"), [0, 1, 0]
    )  # camera: up is −y
    assert np.allclose(figures.rotate_upright(np.array([0.0, 0, 1]), "z"), [0, 1, 0])
    with pytest.raises(InputError, match="up: expected one of"):
        figures.rotate_upright(walk, "x")


def test_turn_shows_the_front_unmirrored():
    """Seen from +z (azimuth 0), +x is right and +y up; turned by 90°, what was in front (+z) is on
    the right."""
    assert np.allclose(figures.project_view(np.eye(3), 0, 0), [[1, 0], [0, 1], [0, 0]])
    assert np.allclose(figures.project_view(np.array([0.0, 0, 1]), 90, 0), [1, 0])


def config(shown) -> dict:
    return json.loads(re.search(r"parentElement, (\{.*\})\)</script>", shown._repr_html_())[1])


def positions(data, k):
    q = np.frombuffer(base64.b64decode(data["poses"][k]), "<i2").reshape(
        data["frames"], data["joints"], 3
    )
    return np.where(q == -32768, np.nan, q * data["step"])


def test_player_holds_positions_to_a_millimetre_and_what_is_hidden(walk):
    hidden = np.random.default_rng(1).random((T, 17)) < 0.3
    lost = np.where(hidden[..., None], np.nan, walk)
    data = config(play_poses({"truth": walk, "input": lost}, FPS, hidden))
    truth, given = positions(data, 0), positions(data, 1)
    offset = (walk - truth).mean((0, 1))
    assert abs(offset[1]) < 1e-3 and np.abs(walk - truth - offset).max() < 1e-3
    assert (np.isnan(given).all(-1) == hidden).all()
    bits = np.unpackbits(np.frombuffer(base64.b64decode(data["hidden"]), np.uint8))[: T * 17]
    assert (bits.reshape(T, 17) == hidden).all()
    assert data["colors"] == [figures.PALETTE["truth"], figures.PALETTE["input"]]


def test_player_is_deterministic_small_and_needs_no_network(walk):
    frames = np.resize(walk, (243, 17, 3))
    three = {"truth": frames, "input": frames + 0.1, "refined": frames - 0.1}
    html = play_poses(three, FPS)._repr_html_()
    assert html == play_poses(three, FPS)._repr_html_()
    assert len(html) < 115_000
    assert "http" not in html
    assert "<player: truth" in repr(play_poses(three, FPS))


def test_player_refuses_what_it_cannot_show(walk):
    with pytest.raises(InputError, match="input: expected shape"):
        play_poses({"truth": walk, "input": walk[:5]}, FPS)
    with pytest.raises(InputError, match="hidden: expected shape"):
        play_poses({"truth": walk}, FPS, hidden=np.zeros(T, bool))
    with pytest.raises(InputError, match="sequences: expected at least one"):
        play_poses({}, FPS)


def test_player_survives_a_person_never_seen():
    data = config(play_poses({"input": np.full((5, 17, 3), np.nan)}, FPS))
    assert np.isnan(positions(data, 0)).all()
    assert all(np.isfinite(data[k]) for k in ("floor", "middle", "extent", "step"))


def test_table_rounds_and_marks_the_best():
    rows = [
        {"method": "a|b", "mpjpe": 30.04, "n": 3, "seconds": 1.26},
        {"method": "b", "mpjpe": 29.96, "n": 4},
        {"method": "c", "mpjpe": float("nan"), "n": 5},
    ]
    shown = make_table(rows, lower=["mpjpe"], higher=["n"])
    assert shown.cells == [
        ["a|b", "30.0", "3", "1.3"],
        ["b", "30.0", "4", "–"],
        ["c", "–", "5", "–"],
    ]
    assert shown.best == {(0, 1), (1, 1), (2, 2)}  # both round to the least
    assert r"| a\|b | **30.0** | 3 | 1.3 |" in shown.markdown()
    assert shown._repr_html_().count('<td class="volatile"') == 3
    assert "30.0" not in repr(shown) and "30.0" in str(shown)


def test_table_escapes_html_and_has_no_negative_zero():
    html = make_table([{"name": "<b>", "value": -0.001}])._repr_html_()
    assert "&lt;b&gt;" in html and ">0.0<" in html and "-0.0" not in html


def test_style_is_package_data():
    assert os.path.exists(os.path.join(os.path.dirname(figures.__file__), "matplotlibrc"))
    figures.use_style()
    assert plt.rcParams["figure.dpi"] == 110


def test_units_stand_on_the_axes(walk):
    x = np.arange(5.0)
    for made, said in (
        (
            figures.plot_lines({"walk": {"a": (x, x)}}, "speed (m/s)", "share of frames"),
            ("speed (m/s)", "share of frames"),
        ),
        (figures.plot_timeline({"truth": walk}, 50, "rwrist", "y"), ("time (s)", "rwrist y (m)")),
        (figures.plot_detections({"input": walk[0, :, :2]}, (640, 480)), ("x (px)", "y (px)")),
        (figures.plot_loss_curve({"a": x + 1}, "loss (m)"), ("step", "loss (m)")),
        (figures.plot_distribution({"a": x}, "speed (m/s)"), ("speed (m/s)", "density")),
        (
            uncertainty.plot_interval_curves(
                {"a": {"linear": (x, x, x, x)}}, ["seconds"], "error (mm)"
            ),
            ("seconds", "error (mm)"),
        ),
    ):
        assert (made.axes[0].get_xlabel(), made.axes[0].get_ylabel()) == said
    assert [ax.get_ylabel() for ax in figures.plot_pose_strip({"truth": walk}, 50).axes] == [
        "height (m)"
    ]
    assert figures.plot_detections({"input": walk[0, :, :2]}, (640, 480)).axes[0].yaxis_inverted()


def test_figures_show_what_they_are_given():
    """What a page shows is compared nowhere else: stored pictures are not."""
    claimed, within = np.repeat([0.15, 0.85], 100), np.r_[np.arange(100) < 30, np.arange(100) < 60]
    ax, counts = figures.plot_reliability(claimed, within).axes
    np.testing.assert_allclose(ax.lines[1].get_xydata(), [[0.15, 0.3], [0.85, 0.6]])
    np.testing.assert_allclose(
        [bar.get_height() for bar in counts.patches], np.isin(np.arange(10), (1, 8)) / 2
    )
    visible = np.ones((6, 17), bool)
    visible[2:4, 5] = False
    (shown,) = figures.plot_visibility(visible, 50).axes[0].images
    np.testing.assert_array_equal((np.asarray(shown.get_array()) < 0.99).all(-1), ~visible.T)
    _, ax = plt.subplots()
    figures.draw_skeleton(ax, np.random.default_rng(0).normal(size=(17, 2)), np.arange(17) == 3)
    seen, hollow = ax.collections
    assert (
        len(seen.get_offsets()) == 16
        and len(hollow.get_offsets()) == 1
        and (hollow.get_facecolor() == 1).all()
    )
    assert [line.get_linestyle() == ":" for line in ax.lines] == [
        3 in bone for bone in H36M17.bones
    ]
