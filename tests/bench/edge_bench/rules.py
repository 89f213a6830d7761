"""The rules every camera of the bench carries, in one place: the node gets them as settings, the peers as numbers."""

from __future__ import annotations

from typing import Any, Final

from tests.bench.edge_bench.recipes import Scene

LOOK_EVERY_S: Final = 4.0  # the largest gap that is measured; cameras' key pictures come every 2 s
BUSY_LOOK_EVERY_S: Final = 2.0  # the fair peer on busy cameras: every key picture, as our node does there
DWELL_S: Final = 6.0  # of the lanes with onsets: vehicles stand in them for 19 s
CLEAR_AFTER_S: Final = 4.0
DETECT_FPS: Final = 5.0  # the naive peer, and open NVRs by default
LANE_RULE: Final = "lane"


def rules_of(scene: Scene) -> list[dict[str, Any]]:
    """Obstruction, crowd and camera fault. On lanes with onsets the dwell is short, elsewhere the product's default."""
    zone = [list(corner) for corner in scene.zone]
    times = {"dwell_s": DWELL_S, "clear_after_s": CLEAR_AFTER_S} if has_onsets(scene) else {}
    return [
        {"rule_id": LANE_RULE, "hazard": "fire_lane_obstruction", "zone": zone} | times,
        {"rule_id": "crowd", "hazard": "crowd", "zone": zone, "raise_at_count": 10, "clear_at_count": 6},
        {"rule_id": "fault", "hazard": "camera_fault", "fault": "offline"},
    ]


def has_onsets(scene: Scene) -> bool:
    return bool(scene.onsets)
