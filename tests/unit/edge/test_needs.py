"""What a camera asks of the node follows from its rules, unless the operator wrote a figure."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.edge.observing import camera, lane_rule
from xueliang_alerts.contract import Severity
from xueliang_edge.attention.needs import need_of

LANE = lane_rule(dwell_s=60, clear_after_s=5)  # every 2 s
CROWD: dict[str, Any] = {"hazard": "crowd", "raise_at_count": 5, "clear_at_count": 2}  # every second
PARKING: dict[str, Any] = {"hazard": "illegal_parking"}  # every 2 s
OFFLINE: dict[str, Any] = {"hazard": "camera_fault", "fault": "offline"}  # every 10 s, looks through no detector
FIRE: dict[str, Any] = {"hazard": "fire_smoke", "detector": "flames"}  # every second


@pytest.mark.parametrize(
    ("rules", "look_every_s", "gap_s", "detectors"),
    [
        ([LANE], None, 2.0, {"objects": 2.0}),
        ([LANE, CROWD], None, 1.0, {"objects": 1.0}),
        ([LANE, CROWD | {"detector": "people"}], None, 1.0, {"objects": 2.0, "people": 1.0}),
        ([LANE, CROWD | {"detector": "people"}], 0.5, 0.5, {"objects": 2.0, "people": 1.0}),
        ([LANE, CROWD | {"detector": "people"}], 4.0, 4.0, {"objects": 4.0, "people": 4.0}),
        ([OFFLINE], None, 10.0, {}),
        ([OFFLINE, PARKING], None, 2.0, {"objects": 2.0}),
        ([FIRE, LANE], None, 1.0, {"objects": 2.0, "flames": 1.0}),
        ([], None, 2.0, {}),
    ],
)
def test_the_need_is_that_of_the_most_demanding_rule(
    rules: list[dict[str, Any]], look_every_s: float | None, gap_s: float, detectors: dict[str, float]
) -> None:
    need = need_of(camera(*rules).model_copy(update={"look_every_s": look_every_s}))
    assert need.largest_gap_s == pytest.approx(gap_s)
    assert need.detector_gaps_s == pytest.approx(detectors)
    assert need.overdue_after_s == max(2.0, 3 * gap_s)


def test_the_most_severe_rule_speaks_for_the_camera() -> None:
    assert need_of(camera(PARKING, LANE)).most_severe is Severity.ORANGE
    assert need_of(camera(PARKING)).most_severe is Severity.BLUE
    assert need_of(camera()).most_severe is Severity.BLUE
