"""A case that a centre above supervises (督办), as it stands on its incident: by whom, why, until when (pure).

Invariants
    - It ends by that centre, by one above it, or with the case; nothing else takes it away.
    - The last one stays to be read; the timeline has all of them.
    - Replies of the centres below stay with it, the newest MOST_REPLIES, also when its words or date change.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from xueliang_central.incidents.moments import at_text

Row = dict[str, Any]

CLOSED: Final = "closed"
MOST_REPLIES: Final = 6
_HIDDEN: Final = frozenset({"area_path", "by_id"})


def is_supervised(incident: Row) -> bool:
    supervision = incident.get("supervision")  # what has just been opened has no such column yet
    return supervision is not None and supervision["ended_at"] is None


def ended(supervision: Row, why: str, by: str, now: datetime) -> Row:
    """`why`: CLOSED, or what that centre said."""
    return {**supervision, "ended_at": at_text(now), "ended_by": by, "ended_why": why}


def replied(supervision: Row, said: Row) -> Row:
    """With a reply of a centre below; `replied` counts all of them."""
    replies = [*supervision.get("replies", ()), said][-MOST_REPLIES:]
    return {**supervision, "replies": replies, "replied": supervision.get("replied", 0) + 1}


def replies_of(supervision: Row | None) -> Row:
    """What a supervision that takes the place of this one takes over."""
    if supervision is None or supervision["ended_at"] is not None:
        return {}
    return {name: supervision[name] for name in ("replies", "replied") if name in supervision}


def supervision_view(supervision: Row | None) -> Row | None:
    """As the console and the phone see it."""
    if supervision is None:
        return None
    return {name: value for name, value in supervision.items() if name not in _HIDDEN}
