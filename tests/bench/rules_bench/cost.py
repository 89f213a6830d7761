"""What judging costs: CPU milliseconds of one thread for an observation and five rules, as the node calls them live.

On a busy street every look is a detection of its own, with 21 boxes. On a calm one a few cars are parked and nine looks
of ten carry the answer of the one before, as a node's do where nothing moves.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any, Final

from tests.bench.rules_bench.judging import camera_of
from tests.support.street_life import BUSY, CALM, RUSH_HOUR, Street, looks
from xueliang_edge.observation_log.encoding import as_logged
from xueliang_edge.observations import Observation
from xueliang_edge.rules.judge import CameraJudge

LANE: Final = [[0.1, 0.5], [0.6, 0.5], [0.6, 0.9], [0.1, 0.9]]
KERB: Final = [[0.6, 0.45], [0.95, 0.45], [0.95, 0.8], [0.6, 0.8]]
WHOLE: Final = [[0.0, 0.2], [1.0, 0.2], [1.0, 1.0], [0.0, 1.0]]
FIVE_RULES: Final[tuple[dict[str, Any], ...]] = (
    {"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": LANE},
    {"rule_id": "kerb", "hazard": "illegal_parking", "zone": KERB},
    {"rule_id": "exit", "hazard": "blocked_exit", "zone": [[0.4, 0.4], [0.55, 0.4], [0.55, 0.55], [0.4, 0.55]]},
    {"rule_id": "square", "hazard": "crowd", "zone": WHOLE, "raise_at_count": 12, "clear_at_count": 8},
    {"rule_id": "track", "hazard": "intrusion", "zone": KERB},
)
FULL_LOOKS, QUICK_LOOKS = 1200, 300
PASSES: Final = 5


OTHERS: Final = 300
"""Looks between two passes: a node's other cameras, so that a pass finds nothing that the one before has worked out."""


def rule_ms_per_observation(quick: bool, street: Street = BUSY) -> float:
    """The best of several passes over the same looks, a new judge and new observations each."""
    seen = [as_logged(one) for one in looks(street, QUICK_LOOKS if quick else FULL_LOOKS)]
    others = [as_logged(one) for one in looks(RUSH_HOUR, OTHERS, seed=2)]
    best_s = float("inf")
    for _ in range(PASSES):
        _judged_s([replace(one) for one in others])
        best_s = min(best_s, _judged_s([replace(one) for one in seen]))
    return 1000 * best_s / len(seen)


def calm_rule_ms_per_observation(quick: bool) -> float:
    """The same on a calm street."""
    return rule_ms_per_observation(quick, CALM)


def _judged_s(seen: list[Observation]) -> float:
    """A node lets go of each look once it is judged; letting go costs too."""
    judge = CameraJudge(camera_of(FIVE_RULES))
    seen.reverse()
    began = time.thread_time()
    while seen:
        judge.look(seen.pop())
    return time.thread_time() - began
