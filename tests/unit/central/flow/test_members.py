"""Revisions to alert, alerts to incident: whatever the order."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xueliang_alerts.contract import Alert, EndReason, EvidenceKind, EvidenceRef, Hazard, Phase, Reason, Severity
from xueliang_central.incidents.members import Revision, merge, summarise

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def _revision(number: int, phase: Phase, stills: tuple[tuple[str, EvidenceKind], ...] = ()) -> Revision:
    at = NOON + timedelta(seconds=number)
    alert = Alert(
        alert_id=uuid.UUID(int=1),
        revision=number,
        phase=phase,
        end_reason=EndReason.SEEN_CLEAR if phase is Phase.CLEARED else None,
        camera_id="cam-1",
        hazard=Hazard.CROWD,
        rule_id="crowd",
        rule_version=1,
        severity=Severity(1 + number % 4),
        began_at=NOON,
        raised_at=NOON,
        observed_at=at,
        ended_at=at if phase is Phase.CLEARED else None,
        confidence=0.5,
        boxes_xyxyn=((0.0, 0.0, number / 10, 1.0),),
        reason=Reason(code="crowd_reached", text=f"{number} people"),
        evidence=tuple(EvidenceRef(sha256=digit * 64, kind=kind, bytes=1) for digit, kind in stills),
    )
    return Revision("edge-01", str(uuid.UUID(int=2)), number, at, at, alert)


STREAM = [
    _revision(1, Phase.RAISED, (("a", EvidenceKind.ONSET),)),
    _revision(2, Phase.UPDATED, (("a", EvidenceKind.ONSET), ("b", EvidenceKind.CONFIRM))),
    _revision(3, Phase.UPDATED),
    _revision(4, Phase.CLEARED, (("e", EvidenceKind.END),)),
]


@given(st.permutations(STREAM), st.lists(st.integers(1, 2), min_size=1, max_size=4))
def test_merging_does_not_depend_on_order_or_on_batches(order: list[Revision], sizes: list[int]) -> None:
    row: dict[str, Any] | None = None
    left = list(order)
    while left:
        size = sizes[len(left) % len(sizes)]
        batch, left = left[:size], left[size:]
        row = merge(row, batch)
    expected = merge(None, STREAM)
    assert row is not None
    assert {**row, "first_received_at": None} == {**expected, "first_received_at": None}


def test_a_still_keeps_the_boxes_of_the_revision_that_named_it_first() -> None:
    evidence = merge(None, STREAM)["evidence"]
    assert [(item["sha256"][0], item["revision"]) for item in evidence] == [("a", 1), ("b", 2), ("e", 4)]
    assert evidence[0]["boxes_xyxyn"] == [[0.0, 0.0, 0.1, 1.0]]


def _member(
    alert_id: str,
    began_s: float,
    phase: str,
    end_reason: str | None = None,
    *,
    camera_id: str = "cam-1",
    rule: str = "r",
) -> dict[str, Any]:
    at = NOON + timedelta(seconds=began_s)
    return {
        "alert_id": alert_id,
        "camera_id": camera_id,
        "rule_id": rule,
        "severity": 2,
        "phase": phase,
        "end_reason": end_reason,
        "revision": 1,
        "trusted_began_at": at,
        "trusted_observed_at": at,
        "reason": {"text": alert_id},
        "measures": {},
        "evidence": [],
    }


GONE_CASES = {
    "one seen clear": ([_member("a", 0, "cleared", "seen_clear")], True),
    "one present": ([_member("a", 0, "raised")], False),
    "one lost from view": ([_member("a", 0, "cleared", "view_lost")], False),
    "two cameras, one present": (
        [_member("a", 0, "cleared", "seen_clear"), _member("b", 0, "raised", camera_id="cam-2")],
        False,
    ),
    "lost, then the same camera and rule saw it clear": (
        [_member("a", 0, "cleared", "node_stopped"), _member("b", 9, "cleared", "seen_clear")],
        True,
    ),
    "seen clear, then lost": (
        [_member("a", 0, "cleared", "seen_clear"), _member("b", 9, "cleared", "view_lost")],
        False,
    ),
    "lost, another camera saw it clear": (
        [_member("a", 0, "cleared", "view_lost"), _member("b", 9, "cleared", "seen_clear", camera_id="cam-2")],
        False,
    ),
    "lost, another rule saw it clear": (
        [_member("a", 0, "cleared", "rule_removed"), _member("b", 9, "cleared", "seen_clear", rule="r2")],
        False,
    ),
}


@pytest.mark.parametrize(("members", "gone"), GONE_CASES.values(), ids=GONE_CASES.keys())
def test_gone_is_only_what_was_seen_to_be_gone(members: list[dict[str, Any]], gone: bool) -> None:
    assert summarise(members).gone is gone
    assert summarise(members[::-1]) == summarise(members)


def test_the_face_of_an_incident_is_what_is_present_now() -> None:
    members = [_member("old", 0, "raised"), _member("new", 50, "cleared", "seen_clear")]
    summary = summarise(members)
    assert (summary.reason["text"], summary.still_present, summary.alert_count) == ("old", True, 2)
