"""What a message that has just arrived is, as far as the order of taking it needs (pure, and quick: 20 µs).

Nothing is judged here: what cannot be read is taken as it comes, and `admission` says what is wrong with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from xueliang_alerts.contract import ClockState, Phase
from xueliang_alerts.topics import Leaf

FRESH_FOR: Final = timedelta(seconds=30)  # an alert gets here within a few seconds; later it has waited somewhere


class Line(Enum):
    """Where a message waits.

    PROMPT: a fresh alert, and whatever is no alert, status or gap. STANDING, ENDED: an alert of a backlog whose end is
    not here, or is. GAP: the node no longer has some records; those that came before it are to be taken before it.
    """

    PROMPT = "prompt"
    STANDING = "standing"
    ENDED = "ended"
    STATUS = "status"
    GAP = "gap"


@dataclass(frozen=True, slots=True)
class Arrival:
    """`key`: messages of one alert, statuses of one node; None: it belongs with no other."""

    line: Line
    key: tuple[str, str] | None = None


_ALONE: Final = Arrival(Line.PROMPT)


def arrival_of(topic: str, payload: bytes, now: datetime) -> Arrival:
    """Never raises."""
    if topic.endswith(f"/{Leaf.STATUS.value}"):
        return Arrival(Line.STATUS, (topic, ""))
    if not topic.endswith(f"/{Leaf.ALERTS.value}"):
        return _ALONE
    try:
        body = json.loads(payload)["body"]
        if body["kind"] == "gap":
            return Arrival(Line.GAP)
        return Arrival(_line_of(body, now), (topic, str(body["alert_id"])))
    except (ValueError, KeyError, TypeError, RecursionError):
        return _ALONE


def _line_of(body: dict[str, Any], now: datetime) -> Line:
    if body.get("clock_state") == ClockState.UNTRUSTED.value:  # nobody knows when it was
        return Line.PROMPT
    observed_at = datetime.fromisoformat(body["observed_at"])
    if observed_at.tzinfo is None:
        observed_at = observed_at.replace(tzinfo=UTC)
    if observed_at >= now - FRESH_FOR:
        return Line.PROMPT
    return Line.ENDED if body["phase"] == Phase.CLEARED.value else Line.STANDING


def joined(before: Line, after: Line) -> Line:
    """Where the messages of one alert wait together."""
    order = (Line.PROMPT, Line.ENDED, Line.STANDING)
    return min(before, after, key=order.index)
