"""A node's cameras in the rows about the node itself: some that go on, some that fall silent, a lane with a car."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from tests.integration.edge.scenes import lane_camera
from xueliang_alerts.contract import Alert, Phase
from xueliang_streams.rtsp_server import RtspServer

STEADY, FALLING = ("steady-1", "steady-2", "steady-3"), ("falling-1", "falling-2")
LOOK_EVERY_S = 0.5


def camera(name: str, server: RtspServer) -> dict[str, Any]:
    """Looked at twice a second; some six seconds without a packet are an alert."""
    rule = {"rule_id": "away", "hazard": "camera_fault", "fault": "offline", "offline_after_s": 1}
    return {
        "camera_id": name,
        "name": name,
        "url": server.url(name),
        "look_every_s": LOOK_EVERY_S,
        "stall_after_s": 120,  # no new connection: its pictures go on when the test says so, not after a back-off
        "rules": [rule],
    }


def lane(server: RtspServer, name: str = "lane") -> dict[str, Any]:
    """A car that stands there for two seconds is an alert."""
    return lane_camera(server.url(name), camera_id=name, dwell_s=2) | {"look_every_s": LOOK_EVERY_S}


def assert_told_once_and_in_order(alerts: Sequence[Alert], rule_ids: Mapping[str, str]) -> None:
    """Each rule raised once and cleared once, each revision above the one before."""
    for camera_id, rule_id in rule_ids.items():
        told = [one for one in alerts if (one.camera_id, one.rule_id) == (camera_id, rule_id)]
        assert [one.phase for one in told if one.phase is not Phase.UPDATED] == [Phase.RAISED, Phase.CLEARED], told
        assert len({one.alert_id for one in told}) == 1
        assert all(one.revision < next_one.revision for one, next_one in pairwise(told))
        assert all(one.observed_at <= next_one.observed_at for one, next_one in pairwise(told))
    assert {one.camera_id for one in alerts} == set(rule_ids)
