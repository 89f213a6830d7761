"""What a person has said of a case's severity (pure): it is as severe as its alerts say, or as that person said.

Invariants
    - Nothing makes a case milder than a person has said it is, and no person makes it milder than its alerts do.
    - It stays with the case, also when that is opened again. Only the undoing of a merge takes away what came with it.
"""

from __future__ import annotations

from typing import Any

Row = dict[str, Any]


def as_raised(incident: Row, severity: int) -> int:
    """The severity of its alerts, or what a person has said where that is more severe (1 is the most severe)."""
    raised = incident.get("raised")  # what has just been opened has no such column yet
    return severity if raised is None else min(severity, raised["severity"])


def taken_over(into: Row, other: Row) -> Row:
    """The columns of a survivor that takes over what was said of the absorbed incident, where nobody has said as much
    of itself: also where its alerts do, which may leave it again."""
    raised = other["raised"]
    if raised is None or (into["raised"] is not None and into["raised"]["severity"] <= raised["severity"]):
        return {}
    return {"raised": {**raised, "came_with": other["incident_id"], "before_merge": into["raised"]}}


def given_back(case: Row, absorbed_id: str) -> Row:
    """The columns of a survivor whose merge is undone: what came with it has gone with it."""
    left = _without(case["raised"], absorbed_id)
    return {} if left == case["raised"] else {"raised": left}


def _without(raised: Row | None, absorbed_id: str) -> Row | None:
    """Also where more has come since, with a later merge: then that is undone later, and gives back what is left."""
    if raised is None or "came_with" not in raised:
        return raised
    before = _without(raised["before_merge"], absorbed_id)
    return before if raised["came_with"] == absorbed_id else {**raised, "before_merge": before}


def raised_view(raised: Row | None) -> Row | None:
    """As the console sees it."""
    if raised is None:
        return None
    return {name: raised[name] for name in ("severity", "before", "by", "at", "reason_code", "note")}
