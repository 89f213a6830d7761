"""Which incident an alert belongs to: a table of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from xueliang_central.incidents.folding import (
    Arrival,
    Fold,
    FoldingRule,
    Group,
    decide,
    distance_m,
    trusted_began_at,
)

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
RULES = {"crowd": FoldingRule(radius_m=50, window_s=900)}
METRE = 1 / 111_195  # degrees of latitude

ARRIVAL = Arrival("a1", "cam-1", "370102003005007", "crowd", False, NOON, 117.0, 36.0, False)
OPEN = Group(
    "i1", "20261123-0001", "370102003005007", "crowd", False, "cam-1", 117.0, 36.0, NOON, NOON, None, None, 900
)
NEAR = replace(OPEN, incident_id="i2", place_key="cam-2", latitude=36.0 + 40 * METRE)
FAR = replace(OPEN, incident_id="i3", place_key="cam-3", latitude=36.0 + 60 * METRE)


def _closed(group: Group, reason: str, *, ago_s: float = 60) -> Group:
    return replace(group, closed_at=NOON - timedelta(seconds=ago_s), close_reason=reason)


def _moved(group: Group, seconds: float) -> Group:
    at = NOON + timedelta(seconds=seconds)
    return replace(group, began_at=at, last_observed_at=at)


GONE = replace(ARRIVAL, is_gone=True)
CASES = {
    "nothing here": (ARRIVAL, [], Fold.OPEN, None, "first_here"),
    "same camera": (ARRIVAL, [OPEN], Fold.JOIN, "i1", "same_camera"),
    "same camera, long ago": (ARRIVAL, [_moved(OPEN, -86_400)], Fold.JOIN, "i1", "same_camera"),
    "near and soon": (ARRIVAL, [NEAR], Fold.JOIN, "i2", "near_and_soon"),
    "near, but not soon": (ARRIVAL, [_moved(NEAR, -901)], Fold.OPEN, None, "first_here"),
    "near, at the end of the window": (ARRIVAL, [_moved(NEAR, -900)], Fold.JOIN, "i2", "near_and_soon"),
    "near, and it began later": (ARRIVAL, [_moved(NEAR, 900)], Fold.JOIN, "i2", "near_and_soon"),
    "back at a place that another open case has": (
        replace(ARRIVAL, camera_id="cam-9"),
        [_closed(OPEN, "verified"), _moved(replace(OPEN, incident_id="i9"), 1_000)],
        Fold.OPEN,
        None,
        "first_here",
    ),
    "too far": (ARRIVAL, [FAR], Fold.OPEN, None, "first_here"),
    "the nearest of two": (ARRIVAL, [NEAR, OPEN], Fold.JOIN, "i1", "same_camera"),
    "another hazard": (ARRIVAL, [replace(OPEN, hazard="fire_smoke")], Fold.OPEN, None, "first_here"),
    "another grid": (ARRIVAL, [replace(OPEN, area_code="370102003005008")], Fold.OPEN, None, "first_here"),
    "a drill": (ARRIVAL, [replace(OPEN, drill=True)], Fold.OPEN, None, "first_here"),
    "place not known": (replace(ARRIVAL, longitude=None), [NEAR], Fold.OPEN, None, "first_here"),
    "place not known, same camera": (replace(ARRIVAL, longitude=None), [OPEN], Fold.JOIN, "i1", "same_camera"),
    "verified, back at once": (ARRIVAL, [_closed(OPEN, "verified")], Fold.REOPEN, "i1", "back_within_window"),
    "ended by itself, back": (ARRIVAL, [_closed(OPEN, "ended_by_itself")], Fold.REOPEN, "i1", "back_within_window"),
    "verified, back late": (ARRIVAL, [_closed(OPEN, "verified", ago_s=901)], Fold.OPEN, None, "first_here"),
    "false alarm, again": (ARRIVAL, [_closed(OPEN, "false_alarm")], Fold.OPEN, None, "first_here"),
    "permitted, again": (ARRIVAL, [_closed(OPEN, "permitted")], Fold.OPEN, None, "first_here"),
    "open before reopening": (ARRIVAL, [_closed(OPEN, "verified"), NEAR], Fold.JOIN, "i2", "near_and_soon"),
    "gone, nothing here": (GONE, [], Fold.RECORD, None, "ended_before_known"),
    "gone, joins the open one": (GONE, [OPEN], Fold.JOIN, "i1", "same_camera"),
    "gone, joins the closed one": (GONE, [_closed(OPEN, "false_alarm")], Fold.JOIN, "i1", "same_camera"),
    "gone, other times": (GONE, [_moved(OPEN, 3600)], Fold.RECORD, None, "ended_before_known"),
}


@pytest.mark.parametrize(("arrival", "groups", "fold", "incident_id", "code"), CASES.values(), ids=CASES.keys())
def test_an_alert_goes_where_it_belongs(
    arrival: Arrival, groups: list[Group], fold: Fold, incident_id: str | None, code: str
) -> None:
    decision = decide(arrival, groups, RULES)
    assert (decision.fold, decision.incident_id, decision.why["code"]) == (fold, incident_id, code)
    assert decision.why["text"]


def test_the_order_of_groups_does_not_matter() -> None:
    twin = replace(NEAR, incident_id="i9", latitude=36.0 - 40 * METRE)
    assert decide(ARRIVAL, [NEAR, twin], RULES) == decide(ARRIVAL, [twin, NEAR], RULES)


def test_a_hazard_without_a_rule_folds_by_the_defaults() -> None:
    fire = replace(ARRIVAL, hazard="fire_smoke")
    assert decide(fire, [replace(NEAR, hazard="fire_smoke")], {}).fold is Fold.JOIN


def test_distance_of_one_degree_of_latitude() -> None:
    assert distance_m(117, 36, 117, 37) == pytest.approx(111_195, rel=0.005)
    assert distance_m(117, 36, 117, 36) == 0


@pytest.mark.parametrize(
    ("began_s", "clock_state", "trusted"),
    [
        (-60, "synchronised", True),
        (-60, "unknown", True),
        (-60, "untrusted", False),
        (299, "synchronised", True),
        (301, "synchronised", False),
        (-31 * 86_400, "synchronised", False),
    ],
)
def test_an_onset_is_believed_only_when_it_can_be(began_s: float, clock_state: str, trusted: bool) -> None:
    began_at = NOON + timedelta(seconds=began_s)
    assert trusted_began_at(began_at, NOON, clock_state) == (began_at if trusted else NOON)
