"""Silences of every kind: made, ended early, expired, forgotten. What they hide is moved by `ingest.silencing`.

Who may
    - A silence is made by those who judge incidents, maintenance and events by rule operators and those who supervise,
      and only within the maker's own subtree: a grant is for helping, not for keeping a neighbour's alerts back.
    - It is ended early by its owner, by who supervises an area that holds it, or by anybody with the right to make one
      from a level above the owner. Ending one only ever makes things louder.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, String, cast, delete, exists, insert, not_, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import code_of_path
from xueliang_central.audit import chain
from xueliang_central.cameras.tables import cameras
from xueliang_central.errors import Conflict, MoveRefused, NotAllowed, NotFound, SilenceRefused
from xueliang_central.fleet.tables import nodes
from xueliang_central.incidents.camera_faults import tell_over
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.node_failures import NODE_HAZARD
from xueliang_central.incidents.suppressing import Asked, Kind, Silence, is_in_force, problems_of, silence_of, starts
from xueliang_central.people import rosters
from xueliang_central.rights.scope import Actor, Role, may_see, within
from xueliang_central.silences.tables import HIDDEN, OPEN, calendar_proposals, silence_alerts, silenced_alerts, silences
from xueliang_central.store.among import among

Row = dict[str, Any]

MAKERS: Final[Mapping[Kind, frozenset[Role]]] = {
    Kind.SILENCE: frozenset({Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN}),
    Kind.MAINTENANCE: frozenset({Role.RULE_OPERATOR, Role.SUPERVISOR, Role.ADMIN}),
    Kind.EVENT: frozenset({Role.RULE_OPERATOR, Role.SUPERVISOR, Role.ADMIN}),
}
SUPERIORS: Final = frozenset({Role.SUPERVISOR, Role.ADMIN})
AT_ONCE: Final = 50  # silences that one transaction of the worker expires or forgets
_MADE: Final = "silence_made"
_NAMESPACE: Final = uuid.UUID("6f2f6a0e-5b0c-5d55-9a3e-2f1f2a6c8d11")  # any fixed one: ids of repeated requests


@dataclass(frozen=True, slots=True)
class SilenceMove:
    """What a person asks for. `version`: of the silence as that person saw it."""

    move: str
    version: int
    note: str | None = None
    idempotency_key: str | None = None


async def load(conn: AsyncConnection, silence_id: str, *, lock: bool = False) -> Row:
    """Raises NotFound."""
    query = select(silences).where(silences.c.silence_id == _uuid(silence_id))
    row = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if row is None:
        raise NotFound("silence")
    return dict(row)


def _uuid(text_: str) -> str:
    """Raises NotFound for what no id looks like."""
    try:
        return str(uuid.UUID(text_))
    except ValueError:
        raise NotFound("silence") from None


async def make(
    change: Change, actor: Actor, asked: Asked, *, key: str | None = None, proposal_id: str | None = None
) -> str:
    """Make one; its id. The same request with the same key makes none, and gives the id of the first.

    Raises:
        NotAllowed: the role may not make this kind, or the place is not in the actor's own subtree.
        NotFound: the area, camera or node is unknown or out of scope.
        SilenceRefused: with every problem.
        MoveRefused: the key was used for another request.
    """
    if actor.role not in MAKERS[asked.kind]:
        raise NotAllowed(f"{asked.kind.value} is made by: {', '.join(sorted(MAKERS[asked.kind]))}")
    silence_id = _id_of(actor, asked, key)
    await _one_at_a_time(change.conn, actor, key)
    if await seen_before(change, actor, key, silence_id, _MADE):
        return silence_id
    problems = problems_of(asked, change.rulebook.silencing, change.now)
    if problems:
        raise SilenceRefused(problems)
    area_path = await _place_of(change, actor, asked)
    row: Row = {
        "silence_id": silence_id,
        "kind": asked.kind.value,
        "area_code": code_of_path(area_path),
        "area_path": area_path,
        "camera_id": asked.camera_id,
        "node_id": asked.node_id,
        "hazard": NODE_HAZARD if asked.kind is Kind.MAINTENANCE else asked.hazard,
        "rule_id": asked.rule_id,
        "severities": sorted(set(asked.severities)),
        "reason": asked.reason.strip(),
        "owner_id": actor.user_id,
        "owner_name": await rosters.display_name_of(change.conn, actor.user_id) or actor.name,
        "owner_path": actor.area_path,
        "starts_at": starts(asked, change.now),
        "ends_at": asked.ends_at,
        "weekly": None if asked.weekly is None else asked.weekly.model_dump(mode="json"),
        "made_at": change.now,
        "proposal_id": proposal_id,
        "version": 1,
    }
    await change.conn.execute(insert(silences), row)
    change.touch_silence(silence_id)
    said = {name: value for name, value in row.items() if value is not None and name not in {"silence_id", "version"}}
    said |= {name: row[name].isoformat() for name in ("starts_at", "ends_at", "made_at")}
    await record(change, actor.name, "silence.made", silence_id, said)
    return silence_id


def _id_of(actor: Actor, asked: Asked, key: str | None) -> str:
    """With a key it follows from the request, so that the key of another request is noticed."""
    if key is None:
        return str(uuid.uuid4())
    weekly = None if asked.weekly is None else asked.weekly.model_dump_json()
    return str(uuid.uuid5(_NAMESPACE, f"{actor.user_id}|{key}|{replace(asked, weekly=None)!r}|{weekly}"))


async def _one_at_a_time(conn: AsyncConnection, actor: Actor, key: str | None) -> None:
    """A request repeated before the first is answered waits for it (PostgreSQL; SQLite has one writer)."""
    if key is not None and conn.dialect.name == "postgresql":
        lock = {"key": f"silence/{actor.user_id}/{key}"}
        await conn.execute(text("select pg_advisory_xact_lock(hashtextextended(:key, 7))"), lock)


async def _place_of(change: Change, actor: Actor, asked: Asked) -> str:
    """The area path it is bound to: of the area, the camera or the node. Raises NotFound, NotAllowed."""
    path: str | None
    if asked.camera_id is not None:
        query = select(cameras.c.area_path).where(cameras.c.camera_id == asked.camera_id)
        path = (await change.conn.execute(query)).scalar_one_or_none()
    elif asked.node_id is not None:
        query = select(nodes.c.area_path).where(nodes.c.node_id == asked.node_id)
        path = (await change.conn.execute(query)).scalar_one_or_none()
    else:
        area = change.tree.find(asked.area_code)
        path = area.path if area is not None else None
    if path is None or not may_see(actor, path):
        raise NotFound("place")
    if not within(path, actor.area_path):
        raise NotAllowed("a grant shows this place to you; only who it belongs to may silence it")
    return path


def may_end(actor: Actor, row: Row) -> bool:
    """May this person end it early? (See the head of this module.)"""
    if row["closed_at"] is not None or not any(actor.role in roles for roles in MAKERS.values()):
        return False
    if actor.user_id == row["owner_id"]:
        return may_see(actor, row["area_path"])
    if not within(row["area_path"], actor.area_path):
        return False
    stands_above = row["owner_path"] != actor.area_path and within(row["owner_path"], actor.area_path)
    return stands_above or actor.role in SUPERIORS


async def move(change: Change, actor: Actor, silence_id: str, asked: SilenceMove) -> None:
    """`end`: the one move there is. What is still there asks within a second (see `ingest.silencing`).

    Raises:
        NotFound: no such silence, or out of scope.
        Conflict: it has changed since the actor saw it.
        NotAllowed: neither the owner nor a superior.
        MoveRefused: it is over already, or there is no such move.
    """
    row = await load(change.conn, silence_id, lock=True)
    if not may_see(actor, row["area_path"]):
        raise NotFound("silence")
    if await seen_before(change, actor, asked.idempotency_key, row["silence_id"], f"silence_{asked.move}"[:24]):
        return
    if asked.move != "end":
        raise MoveRefused(f"no such move: {asked.move[:24]}", moves=["end"])
    if row["version"] != asked.version:
        raise Conflict("the silence has changed meanwhile", version=row["version"])
    if row["closed_at"] is not None:
        raise MoveRefused(f"it is over already: {row['close_reason']}", moves=[])
    if not may_end(actor, row):
        raise NotAllowed("only its owner or a superior ends it early")
    name = await rosters.display_name_of(change.conn, actor.user_id) or actor.name
    await close(change, row, "ended", by=name, note=asked.note)
    said = {} if asked.note is None else {"note": asked.note}
    await record(change, actor.name, "silence.ended", row["silence_id"], said)


async def close(change: Change, row: Row, reason: str, *, by: str | None = None, note: str | None = None) -> None:
    """Ended or expired: one that is locked and open."""
    values = {"closed_at": change.now, "close_reason": reason, "closed_by": by, "close_note": note}
    await change.conn.execute(
        update(silences).where(silences.c.silence_id == row["silence_id"]).values(**values, version=row["version"] + 1)
    )
    change.touch_silence(row["silence_id"])
    if row["kind"] == Kind.FAULT:
        await tell_over(change, row["camera_id"])


async def record(
    change: Change, actor: str, action: str, object_id: str, detail: Row, *, kind: str = "silence"
) -> None:
    """Into the audit chain, with the change."""
    await chain.record(
        change.conn,
        actor=actor,
        action=action,
        object_kind=kind,
        object_id=object_id,
        detail=detail,
        at=change.now,
    )


async def in_force_for(conn: AsyncConnection, area_paths: Iterable[str], now: datetime) -> list[Silence]:
    """Those that may hold back alerts of these areas now: made for one of them or an area above."""
    wanted = sorted({above for path in area_paths for above in _with_those_above(path)})
    if not wanted:
        return []
    found = await conn.execute(
        select(silences)
        .where(
            among(conn, silences.c.area_path, wanted), text(OPEN), silences.c.starts_at <= now, silences.c.ends_at > now
        )
        .order_by(silences.c.silence_id)
    )
    return [silence_of(dict(row)) for row in found.mappings()]


def _with_those_above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]


async def by_id(conn: AsyncConnection, ids: Iterable[str]) -> dict[str, Silence]:
    """These silences, whatever their state."""
    found = await conn.execute(select(silences).where(among(conn, silences.c.silence_id, sorted(set(ids)))))
    return {row["silence_id"]: silence_of(dict(row)) for row in found.mappings()}


async def hiding_past(conn: AsyncConnection, now: datetime) -> list[str]:
    """Those that hide something and are not in force, in order.

    The database says so of all but those with hours: faults are as many as cameras, and this is asked every second.
    """
    its = silences.c
    hides = exists().where(silenced_alerts.c.silence_id == its.silence_id, text(HIDDEN))
    is_past = or_(its.closed_at.is_not(None), its.ends_at <= now, its.starts_at > now)
    past = await conn.execute(select(its.silence_id).where(hides, is_past))
    found = [str(silence_id) for silence_id in past.scalars()]
    has_hours = cast(its.weekly, String) != "null"  # None is NULL in SQLite, and a JSON null in PostgreSQL
    with_hours = await conn.execute(select(silences).where(hides, not_(is_past), has_hours))
    rest = (silence_of(dict(row)) for row in with_hours.mappings())
    return sorted([*found, *(one.silence_id for one in rest if not is_in_force(one, now))])


async def is_any_due(conn: AsyncConnection, now: datetime) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place: has any passed its end?"""
    found = await conn.execute(select(silences.c.silence_id).where(text(OPEN), silences.c.ends_at <= now).limit(1))
    return found.first() is not None


async def expire(change: Change) -> int:
    """Close what has passed its end; returns how many."""
    rows = await _taken(change, text(OPEN), silences.c.ends_at <= change.now)
    for row in rows:
        await close(change, row, "expired")
        await record(change, "system", "silence.expired", row["silence_id"], {"ends_at": row["ends_at"].isoformat()})
    return len(rows)


async def forget(change: Change) -> int:
    """Delete what has been over for longer than the policy keeps, with its book; returns how many silences.

    What still hides something is never deleted, whatever the time: it is first let out. Nor is what hid last an alert
    that lies in a book which is kept: the two go together.
    """
    horizon = change.now - timedelta(seconds=change.rulebook.silencing.keep_s)
    rows = await _taken(
        change,
        silences.c.closed_at <= horizon,
        ~_is_in_a_kept_book(horizon),
        ~exists().where(silenced_alerts.c.silence_id == silences.c.silence_id, silenced_alerts.c.standing == "hidden"),
    )
    if not rows:
        return 0
    ids = [row["silence_id"] for row in rows]
    alert_ids = await _last_hidden_by(change.conn, ids)
    await change.conn.execute(delete(silence_alerts).where(silence_alerts.c.silence_id.in_(ids)))
    await change.conn.execute(delete(silence_alerts).where(silence_alerts.c.alert_id.in_(alert_ids)))
    await change.conn.execute(delete(silenced_alerts).where(silenced_alerts.c.alert_id.in_(alert_ids)))
    await change.conn.execute(delete(calendar_proposals).where(calendar_proposals.c.silence_id.in_(ids)))
    await change.conn.execute(delete(silences).where(silences.c.silence_id.in_(ids)))
    said = {"silences": ids, "alerts": len(alert_ids)}
    await record(change, "system", "silences.forgotten", "*", said)
    return len(ids)


def _is_in_a_kept_book(horizon: datetime) -> ColumnElement[bool]:
    """Has this silence been the last to hide an alert that one which is kept has hidden too?"""
    other = silences.alias("other")
    return exists().where(
        silenced_alerts.c.silence_id == silences.c.silence_id,
        silence_alerts.c.alert_id == silenced_alerts.c.alert_id,
        other.c.silence_id == silence_alerts.c.silence_id,
        other.c.silence_id != silences.c.silence_id,
        or_(other.c.closed_at.is_(None), other.c.closed_at > horizon),
    )


async def _last_hidden_by(conn: AsyncConnection, ids: Sequence[str]) -> list[str]:
    """The alerts that these hid last; what another has hidden since stays in its book."""
    found = await conn.execute(select(silenced_alerts.c.alert_id).where(silenced_alerts.c.silence_id.in_(list(ids))))
    return list(found.scalars())


async def _taken(change: Change, *conditions: Any) -> list[Row]:
    """Silences to work on, those that another worker has left out."""
    found = await change.conn.execute(
        select(silences)
        .where(*conditions)
        .order_by(silences.c.silence_id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    return [dict(row) for row in found.mappings()]
