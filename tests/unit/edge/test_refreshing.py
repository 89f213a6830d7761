"""A detector looks when something may have changed for its rules, and its answer is carried only when nothing did."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.edge.observing import camera, lane_rule
from xueliang_edge.attention.levels import Level
from xueliang_edge.attention.overload import REFRESH_S, Degradation
from xueliang_edge.attention.refreshing import MOVED_SHARE, DetectionReason, detection_reason, has_moved, zone_cells

GRID_HW = (18, 32)
RULES = camera(lane_rule(zone=[[0.25, 0.5], [0.5, 0.5], [0.5, 0.75], [0.25, 0.75]])).rules
NEAR = zone_cells(RULES, GRID_HW)
STILL = np.zeros(GRID_HW, np.float32)


def moved_at(row: int, column: int, share: float = 0.5) -> NDArray[np.float32]:
    moved = STILL.copy()
    moved[row, column] = share
    return moved


def test_zone_cells_are_the_zone_and_one_cell_around_it() -> None:
    rows, columns = np.nonzero(NEAR)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (8, 14, 7, 16)
    assert NEAR.sum() == 7 * 10


def test_zone_cells_of_rules_without_a_zone_are_none() -> None:
    rules = camera({"hazard": "camera_fault", "fault": "offline"}).rules
    assert not zone_cells(rules, GRID_HW).any()
    assert not has_moved(moved_at(3, 3), zone_cells(rules, GRID_HW))


@pytest.mark.parametrize(
    ("moved", "level", "age_s", "expected"),
    [
        pytest.param(STILL, Level.IDLE, None, DetectionReason.FIRST, id="what already stands there must be seen"),
        pytest.param(None, Level.IDLE, 1.0, DetectionReason.NOT_COMPARABLE, id="not knowing saves nothing"),
        pytest.param(moved_at(10, 12), Level.IDLE, 1.0, DetectionReason.MOVED, id="in the zone"),
        pytest.param(moved_at(8, 7), Level.IDLE, 1.0, DetectionReason.MOVED, id="beside the zone"),
        pytest.param(moved_at(6, 12), Level.IDLE, 1.0, DetectionReason.STILL, id="elsewhere"),
        pytest.param(moved_at(10, 12, MOVED_SHARE / 2), Level.IDLE, 1.0, DetectionReason.STILL, id="one sample"),
        pytest.param(STILL, Level.WATCH, 1.0, DetectionReason.WATCHED, id="watched"),
        pytest.param(STILL, Level.CONFIRM, 0.5, DetectionReason.WATCHED, id="to be confirmed"),
        pytest.param(STILL, Level.IDLE, REFRESH_S - 0.5, DetectionReason.REFRESH, id="nearly old"),
        pytest.param(STILL, Level.IDLE, REFRESH_S / 2, DetectionReason.STILL, id="still"),
    ],
)
def test_when_a_detector_must_look(
    moved: NDArray[np.float32] | None, level: Level, age_s: float | None, expected: DetectionReason
) -> None:
    reason = detection_reason(level, moved, NEAR, gap_s=2.0, age_s=age_s)
    assert reason is expected
    assert reason.must_run == (expected is not DetectionReason.STILL)


def test_a_second_detector_keeps_its_own_rate_while_another_is_why_the_camera_is_watched() -> None:
    """Flames every 2 s beside objects at every look of a watched camera."""
    ran: dict[str, list[float]] = {"objects": [], "flames": []}
    for at_s in (0.5 * index for index in range(41)):
        for name, is_concerned in (("objects", True), ("flames", False)):
            age_s = at_s - ran[name][-1] if ran[name] else None
            reason = detection_reason(Level.WATCH, STILL, NEAR, gap_s=2.0, age_s=age_s, is_concerned=is_concerned)
            if reason.must_run:
                ran[name].append(at_s)
    assert len(ran["objects"]) == 41
    assert ran["flames"] == [2.0 * index for index in range(11)]


def test_a_calm_camera_is_searched_every_ten_seconds_and_less_under_overload() -> None:
    """Two hours at a look every 4 s: every 12 s and every 28 s; the reasons are what health counts."""
    for degradation, refreshed in ((Degradation.NONE, 600), (Degradation.SLOW_WATCH, 257)):
        reasons: Counter[str] = Counter()
        last_s = None
        for at_s in range(0, 7200, 4):
            age_s = None if last_s is None else at_s - last_s
            reason = detection_reason(Level.IDLE, STILL, NEAR, gap_s=4.0, age_s=age_s, refresh_s=degradation.refresh_s)
            reasons[reason] += 1
            last_s = at_s if reason.must_run else last_s
        assert reasons[DetectionReason.REFRESH] == pytest.approx(refreshed, abs=1)
        assert reasons[DetectionReason.STILL] == 1800 - 1 - reasons[DetectionReason.REFRESH]


def test_rules_that_can_wait_longer_are_not_refreshed_sooner() -> None:
    assert detection_reason(Level.IDLE, STILL, NEAR, gap_s=60.0, age_s=30.0) is DetectionReason.STILL
    assert detection_reason(Level.IDLE, STILL, NEAR, gap_s=60.0, age_s=60.0) is DetectionReason.REFRESH
