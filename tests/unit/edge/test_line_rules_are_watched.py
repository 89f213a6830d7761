"""A rule with a line instead of a zone is looked after as the others are."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.edge.observing import camera, seen
from xueliang_configs.hazards_of_movement import LineSettings
from xueliang_configs.rules import has_place
from xueliang_edge.attention.needs import need_of
from xueliang_edge.attention.refreshing import zone_cells
from xueliang_edge.attention.signs import signs_of
from xueliang_edge.rules.geometry import points_inside
from xueliang_edge.rules.judge import CameraJudge

LINE = camera({"hazard": "line_crossing"})


def test_a_detector_looks_beside_the_line() -> None:
    (rule,) = LINE.rules
    assert has_place(rule)
    assert need_of(LINE).detector_gaps_s == {"objects": 0.5}
    assert zone_cells(LINE.rules, (18, 32)).any()
    walker = ("person", 0.8, (0.42, 0.4, 0.46, 0.7))
    near = zone_cells(LINE.rules, (18, 32))
    episodes = CameraJudge(LINE).episodes
    still = np.zeros((18, 32), np.float32)
    signs = signs_of(LINE.rules, episodes, [seen(0.0, [walker])], still, near, (416, 416), now_mono_s=1000.0)
    assert signs.has_candidate


def test_the_camera_itself_has_no_place() -> None:
    assert not has_place(camera({"hazard": "camera_fault", "fault": "offline"}).rules[0])


@pytest.mark.parametrize("line", [[[0, 0], [1, 1]], [[0.5, 0], [0.5, 1]], [[0, 1], [0.02, 1]], [[1, 0], [1, 1]]])
def test_the_part_beside_a_line_is_in_the_picture_and_has_an_area(line: list[list[float]]) -> None:
    zone = LineSettings.model_validate({"line": line}).zone
    assert all(0 <= value <= 1 for point in zone for value in point)
    middle = np.clip(np.mean(line, axis=0, keepdims=True), 0.01, 0.99)
    assert points_inside(middle, zone).all()
