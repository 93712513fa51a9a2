"""Who is who in a file of several people."""

from __future__ import annotations

import numpy as np
import pytest

from stride_nb import InputError, Keypoints2D, PoseSequence, io
from tests.foreign import (
    crossing,
)


@pytest.mark.parametrize("seed", range(6))
def test_swapped_ids_are_put_right(seed):
    people = crossing(seed)
    mixed = [p.copy() for p in people]
    for start, stop in ((40, 70), (115, 200)):  # in a gap, and where they cross
        for a, b in ((0, 1), (1, 0)):
            mixed[a][start:stop] = people[b][start:stop]
    given = [
        Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n)
        for p, n in zip(mixed, "ab")
    ]
    found = io.fix_track_ids(given)
    assert [s.name for s in found] == ["a", "b"]

    def right(tracks, truth):
        return [
            np.mean([np.array_equal(s.pixels[t], p[t], equal_nan=True) for t in range(240)])
            for s, p in zip(tracks, truth)
        ]

    assert [1.0, 1.0] in (right(found, people), right(found, people[::-1]))
    assert max(right(given, people)) < 0.6


def test_broken_tracks_are_joined_and_passers_by_left_out():
    people = [
        Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n)
        for p, n in zip(crossing(1), "ab")
    ]
    pixels = people[0].pixels
    parts = []
    for number, (start, stop) in enumerate(((0, 60), (60, 130), (130, 240))):
        part = np.full_like(pixels, np.nan)
        part[start:stop] = pixels[start:stop]
        parts.append(people[0].replace(pixels=part, confidence=None, name=f"a{number}"))
    ghost = np.full_like(pixels, np.nan)
    ghost[50:53] = pixels[50:53] + np.array((400, 300))
    given = [*parts, people[1], people[0].replace(pixels=ghost, confidence=None, name="ghost")]
    found = io.fix_track_ids(given, people=2)
    assert [s.name for s in found] == ["a2", "b"]  # named after the longest of its parts
    np.testing.assert_array_equal(found[0].pixels, pixels)
    np.testing.assert_array_equal(found[1].pixels, people[1].pixels)
    assert [s.name for s in io.fix_track_ids(given)] == ["a2", "b", "ghost"]


@pytest.mark.parametrize("seed", range(3))
def test_right_ids_are_left_alone(seed):
    given = [
        Keypoints2D(p, fps=30, size=(1000, 800), skeleton="halpe26", name=n)
        for p, n in zip(crossing(seed), "ab")
    ]
    for s, t in zip(io.fix_track_ids(given), given):
        np.testing.assert_array_equal(s.pixels, t.pixels)


def test_fix_track_ids_wants_tracks_of_one_video_and_somebody_to_keep():
    a, b = (PoseSequence(np.ones((n, 17, 3)), np.ones((n, 17)), 50) for n in (8, 9))
    with pytest.raises(InputError, match="fix_track_ids: sequences: expected one length"):
        io.fix_track_ids([a, b])
    for given in ([a], [a, a]):
        with pytest.raises(
            InputError, match="fix_track_ids: people: expected at least 1, or None for all, found 0"
        ):
            io.fix_track_ids(given, people=0)


def test_fix_track_ids_works_in_metres_and_keeps_one_person_as_is():
    people = [
        PoseSequence(
            np.concatenate([p[:, :17] / 200, np.zeros((240, 17, 1))], -1), fps=30, name=name
        )
        for p, name in zip(crossing(0), "ab")
    ]
    swapped = [
        a.replace(joints=np.concatenate([a.joints[:50], b.joints[50:]]), confidence=None)
        for a, b in (people, people[::-1])
    ]
    found = io.fix_track_ids(swapped)
    # named after the id that it had for longest
    np.testing.assert_array_equal(found[0].joints, people[1].joints)
    np.testing.assert_array_equal(found[1].joints, people[0].joints)
    assert io.fix_track_ids(people[:1])[0] is people[0]
