"""Copies of rules as answers show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from xueliang_central.camera_rules.canary import CanaryState
from xueliang_central.camera_rules.copies import GIVEN, NOT_GIVEN
from xueliang_central.camera_rules.copying import Target
from xueliang_central.camera_rules.level_views import trial_view
from xueliang_central.fleet.overview import iso

Row = dict[str, Any]
_SAME: Final = ("copy_id", "source_id", "why", "severities", "was_promoted", "spreading", "is_tried")


def target_view(one: Target) -> Row:
    """Without what would be sent: `differences` say it."""
    shown = ("camera_id", "name", "area_code", "newest_version", "left_out", "problems", "severities", "new")
    return {**{name: getattr(one, name) for name in shown}, "differences": [asdict(two) for two in one.differences]}


def copy_view(copy: Row, cameras: Sequence[Row], moves: Sequence[str]) -> Row:
    """`cameras` of the trial; `given`, `to_come`: how many have it or will; `left_out`, `kept`: which keep what they
    have, and which a roll-back left as they were, by why."""
    tried = [one["camera_id"] for one in cameras if one["is_tried"]]
    is_over = copy["state"] in (CanaryState.ROLLED_BACK, CanaryState.ENDED)
    left = {one["camera_id"]: one["outcome"] for one in cameras if one["outcome"] not in (None, GIVEN, NOT_GIVEN)}
    back = {one["camera_id"]: one["back"] for one in cameras if one["back"] not in (None, GIVEN)}
    return {
        **{name: copy[name] for name in _SAME},
        **trial_view(copy),
        "made_at": iso(copy["made_at"]),
        "by": copy["by_name"],
        "decided_at": iso(copy["decided_at"]),
        "decided_by": copy["decided_by_name"],
        "decide_note": copy["decide_note"],
        "rules": [{"rule_id": one["rule_id"], "hazard": one["hazard"]} for one in copy["rules"]],
        "cameras": tried,
        "given": sum(one["outcome"] == GIVEN for one in cameras),
        "to_come": 0 if is_over else sum(one["outcome"] is None for one in cameras),
        "left_out": left,
        "brought_back": sum(one["back"] == GIVEN for one in cameras),
        "kept": back,
        "moves": list(moves),
    }
