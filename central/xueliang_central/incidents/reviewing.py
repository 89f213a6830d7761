"""What ended before anybody had judged it waits to be reviewed; what is said of it then counts as a judgement.

Invariants
    - `review` of an incident is null, unless it is closed as *ended by itself*, is no drill, has alerts, and nobody had
      judged it until then: WAITING, or one of ANSWERS. An answer can be replaced by another.
    - Whatever opens it again takes the answer back: the question is another one (`service.transition`).
    - One answered as a false alarm or as permitted is not opened again by an alert: as after a judgement, that is a new
      question with a case of its own (`folded_as`).
    - No task, no notice and no clock follows from an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from xueliang_central.incidents.change import Change
from xueliang_central.incidents.judging import SPEAKING, judgement
from xueliang_central.incidents.states import CloseReason
from xueliang_central.incidents.tables import incident_timeline

WAITING: Final = "waiting"
NO_ANSWER: Final = "no_answer"  # looked at, and it cannot be told
ANSWERS: Final = ("true_hazard", "false_alarm", "permitted", NO_ANSWER)
# What opened longer ago is left as it is: nobody remembers the place any more, the noise board and the false-alarm
# rate look at weeks, and a list that nobody could ever empty would hide what is new. Migration 0041 has the same.
WINDOW: Final = timedelta(days=30)
# Many put away by one press: never without a reason.
ASKS_WHY: Final = frozenset({"false_alarm", "permitted"})
_NO_HAZARD: Final = frozenset({CloseReason.FALSE_ALARM, CloseReason.PERMITTED})


async def review_at_end(change: Change, incident: Mapping[str, Any]) -> str | None:
    """`review` of an incident that ends by itself now. `incident`: as it was before that."""
    if incident["drill"] or incident["alert_count"] == 0:
        return None
    its = incident_timeline.c
    query = select(its.kind, its.actor_kind, its.params).where(
        its.incident_id == incident["incident_id"], its.kind.in_(SPEAKING)
    )
    said = [dict(one) for one in (await change.conn.execute(query.order_by(its.entry_id))).mappings()]
    said += [entry for entry in change.entries if entry["incident_id"] == incident["incident_id"]]
    return WAITING if judgement({"close_reason": None, "review": None}, said) == "unjudged" else None


def is_to_review(incident: Mapping[str, Any], now: datetime) -> bool:
    """It waits, and opened within WINDOW."""
    return bool(incident["review"] == WAITING and incident["opened_at"] > now - WINDOW)


def folded_as(incident: Mapping[str, Any]) -> str | None:
    """The close reason by which folding asks whether a closed incident can be opened again."""
    answer: str | None = incident["review"]
    return answer if answer in _NO_HAZARD else incident["close_reason"]
