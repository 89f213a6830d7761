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
    """The columns of a survivor that takes over what was said of the absorbed incident, where that is more severe."""
    raised = other["raised"]
    if raised is None or as_raised(into, into["severity"]) <= raised["severity"]:
        return {}
    return {"raised": {**raised, "came_with": other["incident_id"], "before_merge": into["raised"]}}


def given_back(case: Row, absorbed_id: str) -> Row:
    """The columns of a survivor whose merge is undone: what came with it has gone with it."""
    raised = case["raised"]
    if raised is None or raised.get("came_with") != absorbed_id:
        return {}
    return {"raised": raised["before_merge"]}


def raised_view(raised: Row | None) -> Row | None:
    """As the console sees it."""
    if raised is None:
        return None
    return {name: raised[name] for name in ("severity", "before", "by", "at", "reason_code", "note")}
