"""Tiles on the main path: asked for by what the whole picture showed, joined, counted, given up under overload."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.unit.edge.pipeline_world import World, camera, seen, shown
from xueliang_edge.attention.overload import Degradation
from xueliang_edge.attention.tiles import TileReason
from xueliang_edge.detection import Seen, Unknown
from xueliang_edge.watched_camera import WatchedCamera, WatchedRules

ZONE = [[0, 0], [1, 0], [1, 1], [0, 1]]


def square(**settings: Any) -> WatchedCamera:
    rule = {
        "rule_id": "square",
        "hazard": "crowd",
        "zone": ZONE,
        "raise_at_count": 4,
        "clear_at_count": 2,
        "dwell_s": 2,
    }
    found = camera("square", offline_only=True)
    found.take(WatchedRules.of(found.config.model_validate(_written(found) | {"rules": [rule | settings]})))
    found.judge.change(found.config)
    return found


def _written(found: WatchedCamera) -> dict[str, Any]:
    return found.config.model_dump() | {"url": "rtsp://10.0.0.9/square"}


def small(*things: tuple[str, float], top: float = 0.3) -> Seen:
    """Seen at one height of the picture, a tenth of it apart, an eighth of it tall."""
    found = seen(*things)
    boxes = found.boxes_xyxyn.copy()
    boxes[:, 1], boxes[:, 3] = top, top + 0.125
    return replace(found, boxes_xyxyn=boxes)


TWO = small(("person", 0.9), ("person", 0.3))
"""Half of the count, one of them weak."""


def look_once(one: WatchedCamera, whole: Seen, *parts: Seen | Unknown) -> World:
    """One look, the whole picture and each part answered as scripted."""
    world = World(one)
    answers = [whole, *parts]
    submit = world.detection.submit

    def scripted(*args: Any, **settings: Any) -> bool:
        world.detection.answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return submit(*args, **settings)

    world.detection.submit = scripted  # type: ignore[method-assign]
    world.pass_time(0.05)
    return world


def test_half_a_crowd_is_looked_at_in_tiles_and_everybody_is_counted_once() -> None:
    one = square()
    lower = small(("person", 0.2), ("person", 0.8), ("person", 0.7), top=0.5)
    world = look_once(one, TWO, TWO, seen(), lower, Unknown("picture_gone"))
    parts = [part for _, part in world.detection.asked]
    assert parts[0] is None
    assert len(parts) == 5
    assert all(part is not None for part in parts[1:])
    (observation,) = shown(one)
    assert observation.is_good, "a tile that failed takes nothing away"
    assert sorted(observation.scores.tolist()) == pytest.approx([0.2, 0.3, 0.7, 0.8, 0.9])
    assert (one.tiles, one.tile_detections) == ({TileReason.TILED: 1}, 4)


def test_a_calm_square_costs_one_detection() -> None:
    one = square()
    world = look_once(one, small(("person", 0.9)))
    assert [part for _, part in world.detection.asked] == [None]
    assert (one.tiles, one.tile_detections) == ({}, 0)


def test_tiles_stay_for_a_while_so_that_the_count_does_not_come_and_go() -> None:
    one = square()
    world = look_once(one, TWO, seen())
    world.detection.asked.clear()
    world.pass_time(5.0)
    assert len([part for _, part in world.detection.asked if part is not None]) == 4 * len(shown(one)[1:])
    world.pass_time(10.0)
    world.detection.asked.clear()
    world.pass_time(5.0)
    assert {part for _, part in world.detection.asked} == {None}


def test_a_detector_without_the_time_and_an_overloaded_node_have_no_tiles_and_say_so() -> None:
    slow = square()
    world = look_once(slow, replace(TWO, detect_ms=200.0))
    assert len(world.detection.asked) == 1
    assert slow.tiles == {TileReason.TOO_DEAR: 1}
    busy = square()
    world = World(busy)
    world.pipeline.overload = replace(world.pipeline.overload, degradation=Degradation.NO_CROPS)
    world.pipeline.begin()
    world.detection.answer = TWO
    world.pass_time(0.05)
    assert len(world.detection.asked) == 1
    assert busy.tiles == {TileReason.GIVEN_UP: 1}
    assert np.isclose(shown(busy)[0].scores.max(), 0.9)


def test_a_part_alone_says_nothing_when_the_whole_picture_was_not_answered() -> None:
    one = square(tiles="always")
    world = World(one)
    world.detection.answer = Unknown("detector_failed")
    world.pass_time(0.05)
    assert [part for _, part in world.detection.asked] == [None]
    assert not shown(one)[0].is_good
