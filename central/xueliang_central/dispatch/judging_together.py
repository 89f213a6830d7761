"""The same judgement of several incidents, each for itself: what can be judged is, and what cannot says why and stays.

Unlike a judgement of a row (`seat_judging`), which is all or none, each incident has a transaction of its own: one that
somebody else has judged meanwhile keeps nobody from the others. Each has its own record, timeline and clocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from xueliang_central.dispatch.judging import IncidentMove, move_incident
from xueliang_central.dispatch.one_by_one import each
from xueliang_central.errors import MoveRefused
from xueliang_central.incidents.change import Change, Rulebook
from xueliang_central.incidents.shedding import may_be_held
from xueliang_central.rights.scope import Actor
from xueliang_central.store.database import Database

Record = dict[str, Any]

TOGETHER: Final = ("confirm", "dispatch", "false_alarm", "permitted")
ASKS_WHY: Final = frozenset({"false_alarm", "permitted"})  # many put away by one press: never without a reason
_KEY_LENGTH: Final = 80  # of a request's key; with an incident's id behind it, it fits `move_keys`


@dataclass(frozen=True, slots=True)
class Together:
    """What a person asks for. `cases`: incidents, each with the version that person saw."""

    move: str
    cases: tuple[tuple[str, int], ...]
    reason_code: str | None = None
    note: str | None = None
    idempotency_key: str | None = None


async def judge_each(
    database: Database, rulebook: Rulebook, wall: Callable[[], datetime], actor: Actor, asked: Together
) -> list[Record]:
    """One outcome for each case, in the order asked: incident_id, outcome (done, conflict, refused or not_found), and
    unless done: `detail`, with `number`, `state` and `version` as they are now.

    Raises:
        MoveRefused: nothing was judged: not such a move, an incident is named twice, or the reason is missing.
        NotSignedIn: the account was changed while it went through the cases; the rest was not judged.
    """
    if asked.move not in TOGETHER:
        raise MoveRefused(f"{asked.move[:24]} is made one by one", moves=list(TOGETHER))
    if asked.move in ASKS_WHY and not (asked.reason_code or (asked.note or "").strip()):
        raise MoveRefused(f"{asked.move} of several incidents needs a reason_code or a note")

    async def judge(change: Change, incident: Record, version: int) -> None:
        if not may_be_held(incident["hazard"], incident["severity"], incident["drill"]):
            raise MoveRefused("stands for itself: judge it alone", alone=True)
        incident_id = str(incident["incident_id"])
        await move_incident(change, actor, incident_id, _move_of(asked, incident_id, version))

    return await each(database, rulebook, wall, actor, asked.cases, judge)


def _move_of(asked: Together, incident_id: str, version: int) -> IncidentMove:
    key = None if asked.idempotency_key is None else f"{asked.idempotency_key[:_KEY_LENGTH]}:{incident_id}"
    return IncidentMove(asked.move, version, asked.reason_code, asked.note, key)
