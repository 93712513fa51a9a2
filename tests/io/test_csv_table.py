"""Tables of joints in and out."""

from __future__ import annotations

import numpy as np
import pytest

from stride_nb import InputError, PoseSequence, io
from stride_nb.poses import skeleton
from tests.foreign import (
    FRAMES,
    check,
    poses,
)


@pytest.mark.parametrize("header", ["{}_x", "landmark_{i}_x", "x{i}", "x{i1}", "{mp}_x", "long"])
def test_csv_as_programs_round_mediapipe_write_it(tmp_path, header):
    people = poses(33, 3)[:1]
    people -= people[:, :, 23:25].mean(2, keepdims=True)
    joints = skeleton.MEDIAPIPE33.joints
    spelled = [
        f"{ {'l': 'LEFT_', 'r': 'RIGHT_'}[j[0]] }{j[1:].upper()}" if j != "nose" else "NOSE"
        for j in joints
    ]
    rows = []
    if header == "long":
        rows = [["frame_id", "landmark_id", "landmark_name", "x", "y", "z", "visibility"]]
        rows += [
            [t, i, spelled[i], *point, 0.9]
            for t in range(FRAMES)
            for i, point in enumerate(people[0, t])
            if np.isfinite(point).all()
        ]
    else:
        names = [header.format(j, i=i, i1=i + 1, mp=spelled[i]) for i, j in enumerate(joints)]
        rows = [
            [
                "frame",
                *(
                    n.replace("x", a, 1) if n[0] == "x" else n[:-1] + a
                    for n in names
                    for a in "xyzv"
                ),
            ]
        ]
        rows += [
            [t, *("" if v != v else v for point in people[0, t] for v in (*point, 0.9))]
            for t in range(FRAMES)
        ]
    path = tmp_path / "a.csv"
    path.write_text("\n".join(",".join(map(str, row)) for row in rows))
    found = io.read(path)
    check(found, people, (0,))
    assert found.format == "csv" and found[0].skeleton.name == "mediapipe33"
    numbered = header in ("landmark_{i}_x", "x{i}", "x{i1}")
    assert any("33 joints were taken for mediapipe33" in note for note in found.notes) == numbered


def table(path, sequences, change):
    """A csv of sequences, the cells of every row but the header changed."""
    io.write(path, sequences)
    header, *rows = [line.split(",") for line in path.read_text().splitlines()]
    rows = [change(i, dict(zip(header, row))) for i, row in enumerate(rows)]
    path.write_text(
        "\n".join(
            ",".join(map(str, line)) for line in [list(rows[0]), *(row.values() for row in rows)]
        )
    )
    return path


@pytest.mark.parametrize("numbered", [True, False])
def test_a_time_that_is_missing_is_refused_where_nothing_else_numbers_the_frames(
    tmp_path, numbered
):
    def change(i, row):
        frame = {"frame": row["frame"]} if numbered else {}
        return (
            frame
            | {key: value for key, value in row.items() if key != "frame"}
            | ({"time_s": ""} if i == 25 else {})
        )

    path = table(tmp_path / "a.csv", [PoseSequence(p[12:], fps=25) for p in poses(17, 3)], change)
    if numbered:
        check(io.read(path), poses(17, 3)[:, 12:])
    else:
        with pytest.raises(
            InputError, match=r"column time_s: expected a time in every row.*found none in row 27"
        ):
            io.read(path)


@pytest.mark.parametrize("numbered", [True, False])
@pytest.mark.parametrize(
    "column, factor, unit",
    [
        ("timestamp", 1000, "seconds"),
        ("time_s", 1000, "seconds"),
        ("timestamp_ms", 1, "milliseconds"),
    ],
)
def test_times_in_another_unit_are_refused(tmp_path, column, factor, unit, numbered):
    def change(i, row):
        row = {"frame": row["frame"], column: factor * float(row["time_s"])} | dict(
            list(row.items())[2:]
        )
        return row if numbered else dict(list(row.items())[1:])

    path = table(tmp_path / "a.csv", PoseSequence(poses(17, 3)[1], fps=30), change)
    with pytest.raises(
        InputError, match=f"column {column}: expected {unit}, 1 to 1000 frames in 1 s"
    ):
        io.read(path)


def test_a_csv_holds_one_frame_rate_that_can_be_told_again(tmp_path):
    a, b = (PoseSequence(p, fps=fps) for p, fps in zip(poses(17, 3), (25, 50)))
    with pytest.raises(InputError, match=r"fps: expected one .*found 25, 50"):
        io.write(tmp_path / "out.csv", [a, b])
    with pytest.raises(InputError, match=r"fps: expected one from 1 to 1000, found 0.5"):
        io.write(tmp_path / "out.csv", a.replace(fps=0.5))
    assert not any(tmp_path.iterdir())
