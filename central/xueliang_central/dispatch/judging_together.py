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
from xueliang_central.dispatch.publishing import changing
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import Rulebook
from xueliang_central.incidents.shedding import may_be_held
from xueliang_central.rights.scope import Actor, may_see
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
    if len(dict(asked.cases)) != len(asked.cases):
        raise MoveRefused("an incident is named twice")
    if asked.move in ASKS_WHY and not (asked.reason_code or (asked.note or "").strip()):
        raise MoveRefused(f"{asked.move} of several incidents needs a reason_code or a note")
    outcomes: list[Record] = []
    for incident_id, version in asked.cases:
        try:
            async with changing(database, rulebook, wall, actor=actor) as change:
                incident = await incidents.load(change.conn, incident_id, lock=True)
                if not may_see(actor, incident["area_path"]):
                    raise NotFound("incident")
                if not may_be_held(incident["hazard"], incident["severity"], incident["drill"]):
                    raise MoveRefused("stands for itself: judge it alone", alone=True)
                await move_incident(change, actor, incident_id, _move_of(asked, incident_id, version))
        except NotFound as error:
            outcomes.append({"incident_id": incident_id, "outcome": "not_found", "detail": error.detail})
        except (Conflict, MoveRefused) as error:
            now = {name: incident[name] for name in ("number", "state", "version")}
            outcome = "conflict" if isinstance(error, Conflict) else "refused"
            alone = {"stands_alone": bool(error.extra.get("alone"))}
            outcomes.append({"incident_id": incident_id, "outcome": outcome, "detail": error.detail, **now, **alone})
        else:
            outcomes.append({"incident_id": incident_id, "outcome": "done", "number": incident["number"]})
    return outcomes


def _move_of(asked: Together, incident_id: str, version: int) -> IncidentMove:
    key = None if asked.idempotency_key is None else f"{asked.idempotency_key[:_KEY_LENGTH]}:{incident_id}"
    return IncidentMove(asked.move, version, asked.reason_code, asked.note, key)
