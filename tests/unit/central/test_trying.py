"""A node's rows against what people have judged: what counts as found, missed, and not to be known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from xueliang_central.camera_rules.record import Recorded
from xueliang_central.camera_rules.trying import scored

START = datetime(2026, 11, 23, 8, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def alert(began: float, ended: float | None) -> dict[str, Any]:
    end = None if ended is None else at(ended).isoformat()
    return {"kind": "alert", "began_at": at(began).isoformat(), "ended_at": end}


def silent(begin: float, end: float) -> dict[str, Any]:
    return {"kind": "cannot_answer", "from_at": at(begin).isoformat(), "until_at": at(end).isoformat()}


def recorded(began: float, ended: float | None, judged: str) -> Recorded:
    end = None if ended is None else at(ended)
    return Recorded("a", "i", at(began), at(began + 1), end, judged, None, None, ())


def test_true_alerts_are_found_missed_or_lie_where_nobody_knows() -> None:
    rows = [{"kind": "summary"}, alert(0, 10), alert(20, 30), alert(60, None), silent(100, 120)]
    record = [
        recorded(5, 8, "true_hazard"),
        recorded(21, 25, "false_alarm"),
        recorded(40, 45, "true_hazard"),
        recorded(70, None, "permitted"),
    ]
    found = scored(rows, record)
    assert found is not None
    assert (found.found, found.missed, found.unanswered) == (1, 1, 0)
    assert (found.true_alerts, found.false_alerts, found.unjudged) == (1, 1, 1)
    assert (found.precision, found.recall) == (0.5, 0.5)
    unknown = scored([*rows[:3], silent(100, 120)], [recorded(105, 110, "true_hazard")])
    assert unknown is not None
    assert (unknown.found, unknown.missed, unknown.unanswered, unknown.recall) == (0, 0, 1, None)


def test_an_alert_that_meets_a_true_and_a_false_one_is_true() -> None:
    found = scored([alert(0, 10)], [recorded(0, 2, "false_alarm"), recorded(8, 9, "true_hazard")])
    assert found is not None
    assert (found.true_alerts, found.false_alerts, found.precision) == (1, 0, 1.0)


@pytest.mark.parametrize("judged", ["permitted", "duplicate", "nothing_here", "unjudged"])
def test_what_is_neither_true_nor_false_counts_nowhere(judged: str) -> None:
    assert scored([alert(0, 10)], [recorded(0, 5, judged)]) is None


def test_rows_that_no_node_writes_are_an_error_and_not_a_figure() -> None:
    with pytest.raises((KeyError, ValueError)):
        scored([{"kind": "alert", "began_at": "yesterday", "ended_at": None}], [recorded(0, 5, "true_hazard")])
