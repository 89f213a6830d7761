"""Rules in the shadow: what is put there, since when it is there, how it comes out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from xueliang_central.camera_rules.shadowing import Count, count_of, in_shadow, promoted, shadow_rules, since

AT = datetime(2026, 11, 27, tzinfo=UTC)
LANE: dict[str, Any] = {"rule_id": "lane", "hazard": "fire_lane_obstruction"}
GATE: dict[str, Any] = {"rule_id": "gate", "hazard": "crowd", "version": 4}
SETTINGS: dict[str, Any] = {"camera_id": "c", "place_class": "other", "rules": [LANE, GATE]}


def test_all_rules_go_in_and_only_those_named_come_out_in_their_next_revision() -> None:
    tried = in_shadow(SETTINGS)
    assert [one["rule_id"] for one in shadow_rules(tried)] == ["lane", "gate"]
    out = promoted(tried, {"gate"})
    assert out["rules"] == [LANE | {"shadow": True}, GATE | {"version": 5}]
    assert out["place_class"] == "other"
    assert promoted(tried, {"lane"})["rules"][0] == LANE | {"version": 2}
    assert SETTINGS["rules"] == [LANE, GATE]  # what was handed in is left alone


def test_since_when_is_the_first_of_those_that_follow_one_another() -> None:
    tried = in_shadow(SETTINGS)
    at = [AT - timedelta(hours=hours) for hours in range(5)]
    history = [(at[0], tried), (at[1], tried), (at[2], SETTINGS), (at[3], tried)]
    assert since("lane", history) == at[1]
    assert since("lane", history[2:]) is None
    assert since("other", history) is None
    assert since("lane", []) is None


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([{"kind": "summary", "answered_s": 3600, "alerts": 2, "alerts_per_day": 48.0}], Count(3600.0, 2, 48.0)),
        ([{"kind": "summary", "answered_s": 0, "alerts": 0, "alerts_per_day": None}], Count(0.0, 0, None)),
        ([{"kind": "summary", "answered_s": "much", "alerts": 0, "alerts_per_day": 1}], None),
        ([{"kind": "summary", "alerts": 0}], None),
        ([], None),
    ],
)
def test_what_a_node_answers_is_a_count_or_nothing(rows: list[dict[str, Any]], expected: Count | None) -> None:
    assert count_of(rows) == expected
