"""Tracks by place and motion: one id per object over time, whatever the look rate."""

from __future__ import annotations

import numpy as np
import pytest

from xueliang_edge.observations import NO_TRACK
from xueliang_edge.tracking import Tracker

Box = tuple[float, float, float, float]


def look(tracker: Tracker, t: float, *things: tuple[str, float, Box]) -> list[int]:
    boxes = np.array([box for _, _, box in things], dtype=np.float32).reshape(-1, 4)
    scores = np.array([score for _, score, _ in things], dtype=np.float32)
    ids = tracker.update(boxes, scores, [name for name, _, _ in things], t, confident_score=0.35)
    assert ids.dtype == np.int64
    return [int(i) for i in ids]


def at(x: float, y: float = 0.5, width: float = 0.1, height: float = 0.2) -> Box:
    return (x, y, x + width, y + height)


@pytest.mark.parametrize(("every_s", "speed"), [(0.1, 0.2), (0.25, 0.15), (0.5, 0.1), (1.0, 0.06), (2.0, 0.04)])
def test_a_moving_object_keeps_its_track(every_s: float, speed: float) -> None:
    tracker = Tracker()
    ids = {look(tracker, i * every_s, ("car", 0.8, at(speed * i * every_s)))[0] for i in range(int(4 / every_s) + 2)}
    assert len(ids) == 1


def test_a_car_called_truck_is_the_same_track_and_a_person_is_not() -> None:
    tracker = Tracker()
    first = look(tracker, 0.0, ("car", 0.8, at(0.3)))
    assert look(tracker, 0.5, ("truck", 0.8, at(0.3))) == first
    assert look(tracker, 1.0, ("person", 0.8, at(0.3))) != first


def test_two_that_cross_keep_their_ids() -> None:
    tracker = Tracker()
    seen = []
    for i in range(41):
        t = i * 0.1
        seen.append(look(tracker, t, ("car", 0.8, at(0.1 + 0.15 * t, 0.5)), ("car", 0.8, at(0.7 - 0.15 * t, 0.58))))
    assert {ids[0] for ids in seen} != {ids[1] for ids in seen}
    assert len({ids[0] for ids in seen}) == len({ids[1] for ids in seen}) == 1


def test_a_weak_box_goes_on_with_a_track_and_never_begins_one() -> None:
    tracker = Tracker()
    assert look(tracker, 0.0, ("car", 0.2, at(0.3))) == [NO_TRACK]
    (track,) = look(tracker, 0.5, ("car", 0.6, at(0.3)))
    assert look(tracker, 1.0, ("car", 0.15, at(0.3))) == [track]
    assert look(tracker, 1.5, ("car", 0.05, at(0.3))) == [NO_TRACK]


def test_a_track_survives_a_short_gap_and_not_a_long_one() -> None:
    tracker = Tracker()
    for i in range(5):
        (track,) = look(tracker, i * 0.25, ("person", 0.8, at(0.3 + 0.02 * i, width=0.05)))
    look(tracker, 1.5)
    assert look(tracker, 2.5, ("person", 0.8, at(0.5, width=0.05))) == [track]
    for i in range(8):
        look(tracker, 3.0 + i * 0.5)
    assert look(tracker, 8.0, ("person", 0.8, at(0.55, width=0.05))) != [track]


def test_on_a_slow_camera_one_missed_look_does_not_end_a_track() -> None:
    tracker = Tracker()
    for t in (0.0, 4.0):
        (track,) = look(tracker, t, ("car", 0.8, at(0.3)))
    look(tracker, 8.0)
    assert look(tracker, 12.0, ("car", 0.8, at(0.3))) == [track]


def test_a_time_that_does_not_advance_changes_nothing() -> None:
    tracker = Tracker()
    (track,) = look(tracker, 1.0, ("car", 0.8, at(0.3)))
    assert look(tracker, 1.0, ("car", 0.8, at(0.3))) == [NO_TRACK]
    assert look(tracker, 1.5, ("car", 0.8, at(0.3))) == [track]


def test_many_boxes_and_none_are_normal() -> None:
    tracker = Tracker()
    crowd = [("person", 0.8, at(0.03 * (i % 30), 0.2 * (i // 30), 0.02, 0.1)) for i in range(120)]
    first = look(tracker, 0.0, *crowd)
    assert len(set(first)) == 120
    assert look(tracker, 0.25) == []
    assert look(tracker, 0.5, *crowd) == first


def test_boxes_without_size_do_no_harm() -> None:
    tracker = Tracker()
    for i in range(4):
        look(tracker, float(i), ("car", 0.8, (0.5, 0.5, 0.5, 0.5)), ("car", 0.8, (0.6, 0.5, 0.5, 0.4)))
