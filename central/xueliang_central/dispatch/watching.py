"""What a centre that supervises a case hears of it: the replies of the desks below it, and that it is closed.

A reply moves nothing and has no version: two desks may reply at once, and nobody's act is refused for it. That a case
is closed is told at the end of the transaction that closes it, whichever move did; one that is open again by then is
not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select

from xueliang_central.areas.tree import LEVEL_OF_LENGTH, code_of_path
from xueliang_central.audit import chain
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.dispatch.telling import who_is_told
from xueliang_central.errors import MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.states import MOVES, State
from xueliang_central.incidents.supervised import MOST_REPLIES, is_supervised, replied
from xueliang_central.incidents.tables import incidents as incident_rows
from xueliang_central.incidents.views import at_text
from xueliang_central.notices import outbox
from xueliang_central.people import presence, rosters
from xueliang_central.rights.scope import Actor, may_see, within
from xueliang_central.store.among import among

Row = dict[str, Any]

REPLY: Final = "reply_supervision"
REPLIED: Final = "supervision_replied"
CLOSED: Final = "supervision_closed"
NOT_MORE_WITHIN: Final = timedelta(minutes=10)  # of MOST_REPLIES: what is written without end is not read


@dataclass(frozen=True, slots=True)
class Reply:
    """What a desk below says to the supervising centre."""

    text: str
    idempotency_key: str | None = None


def may_reply(actor: Actor, incident: Row) -> bool:
    """Is it supervised by a centre above this actor's own area?"""
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]) or incident["state"] == State.CLOSED:
        return False
    return is_supervised(incident) and _is_below(actor, incident["supervision"])


def _is_below(actor: Actor, supervision: Row) -> bool:
    path = supervision["area_path"]
    return actor.area_path != path and within(actor.area_path, path)


async def reply(change: Change, actor: Actor, incident_id: str, asked: Reply) -> None:
    """Say it to the centre that supervises the case.

    Raises:
        NotFound: no such incident, or out of scope.
        MoveRefused: it is not supervised, not by a centre above, nothing is said, or too much within a while.
    """
    incident = await incidents.load(change.conn, incident_id, lock=True)
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]):
        raise NotFound("incident")
    if await seen_before(change, actor, asked.idempotency_key, incident_id, REPLY):
        return
    _check(actor, incident, asked, change.now)
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    said = {**_named(change, actor), "text": asked.text.strip(), "by": by.name, "at": at_text(change.now)}
    supervision = replied(incident["supervision"], said)
    params = {name: said[name] for name in ("level", "area_name", "area_name_en")} | {"note": said["text"]}
    incident, _ = await incidents.transition(
        change, incident, MOVES[REPLY], by, params=params, also={"supervision": supervision}
    )
    key = f"{REPLIED}:{incident_id}:{supervision['since']}:{supervision['replied']}"  # counted anew by the next one
    await _tell(change, incident, REPLIED, key, actor.user_id)
    await chain.record(
        change.conn,
        actor=actor.name,
        action=f"incident.{REPLY}",
        object_kind="incident",
        object_id=incident_id,
        detail={"text": said["text"]},
        at=change.now,
    )


def _check(actor: Actor, incident: Row, asked: Reply, now: datetime) -> None:
    if incident["state"] == State.CLOSED or not is_supervised(incident):
        raise MoveRefused("this incident is not supervised", state=incident["state"])
    if not _is_below(actor, incident["supervision"]):
        raise MoveRefused("a centre below the one that supervises replies", reason="not_below")
    if not asked.text.strip():
        raise MoveRefused(f"{REPLY} needs words")
    before = incident["supervision"].get("replies", [])
    if len(before) == MOST_REPLIES and now < datetime.fromisoformat(before[0]["at"]) + NOT_MORE_WITHIN:
        minutes = NOT_MORE_WITHIN.total_seconds() / 60
        raise MoveRefused(f"at most {MOST_REPLIES} replies in {minutes:.0f} minutes", reason="too_many")


def _named(change: Change, actor: Actor) -> Row:
    code = code_of_path(actor.area_path)
    area = change.tree.find(code)
    name, name_en = (code, code) if area is None else (area.name, area.name_en)
    return {"level": LEVEL_OF_LENGTH[len(code)].value, "area_name": name, "area_name_en": name_en}


async def tell_closed(change: Change) -> None:
    """To the supervising centres, of what this transaction has closed; at its end."""
    if not change.watched_closed:
        return
    closed = among(change.conn, incident_rows.c.incident_id, change.watched_closed)
    found = await change.conn.execute(select(incident_rows).where(closed))
    for row in found.mappings():
        if row["state"] == State.CLOSED:
            key = f"{CLOSED}:{row['incident_id']}:{row['version']}"
            await _tell(change, dict(row), CLOSED, key, None)
    change.watched_closed = {}


async def _tell(change: Change, incident: Row, kind: str, key: str, but: str | None) -> None:
    """A notice to the desk of the supervising centre, or where nobody is there to one above it."""
    supervision = incident["supervision"]
    area = change.tree.nearest(supervision["area_code"])
    if area is None:
        return  # an import has taken it away, and all above it
    above = tuple(reversed(change.tree.chain(area.code)))
    told = who_is_told(above, await presence.desks_of(change.conn, [one.code for one in above], change.now))
    said = {name: incident[name] for name in ("incident_id", "number", "hazard", "drill", "close_reason")}
    await outbox.put(
        change.conn,
        key=key,
        kind=kind,
        user_ids=[one for one in told.user_ids if one != but],
        area_path=told.area.path,
        params={**said, "since": supervision["since"], "replied": supervision.get("replied", 0)},
        severity=incident["severity"],
        now=change.now,
    )
