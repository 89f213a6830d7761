"""What one person asks for on the way and another one decides, as it stands on its incident (pure).

Two things are asked so: that the task waits (`suspended.py`), and a later limit (`later_limit.py`). Each has a column
of its own, which holds the last one; the timeline has all of them. Both wait for one clock, DECIDE: one at a time.

    asked ──a second person──▶ agreed (suspended, moved), or refused
      ├── its limit ──▶ lapsed
      ├── who has asked ──▶ taken_back
      └── a move that makes it pointless ──▶ over
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from xueliang_central.incidents.moments import at_text

Row = dict[str, Any]

SUSPENSION: Final = "suspension"
LATER_LIMIT: Final = "later_limit"
COLUMNS: Final = (SUSPENSION, LATER_LIMIT)
_HIDDEN: Final = frozenset({"asked_by_id", "worker_id"})


class Standing(StrEnum):
    ASKED = "asked"
    SUSPENDED = "suspended"  # agreed: the task waits
    MOVED = "moved"  # agreed: the limit is later
    REFUSED = "refused"
    LAPSED = "lapsed"
    TAKEN_BACK = "taken_back"
    OVER = "over"


def standing_in(incident: Row, column: str) -> Standing | None:
    """None: nobody has asked for one."""
    record = incident.get(column)  # what has just been opened has no such column yet
    return None if record is None else Standing(record["standing"])


def waiting_in(incident: Row) -> str | None:
    """The column of the request that waits for a second person; None: none does."""
    return next((column for column in COLUMNS if standing_in(incident, column) is Standing.ASKED), None)


def ended(record: Row, why: str, by: str, now: datetime, standing: Standing = Standing.OVER) -> Row:
    """`why`: the move that has ended it."""
    return {**record, "standing": standing.value, "ended_at": at_text(now), "ended_by": by, "ended_why": why}


def shown(record: Row | None) -> Row | None:
    """As the console and the phone see it."""
    if record is None:
        return None
    told = {name: value for name, value in record.items() if name not in _HIDDEN}
    return {**told, "by_worker": record["asked_by_id"] == record["worker_id"]}
