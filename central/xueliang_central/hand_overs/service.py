"""Notes of hand-over: written once, acknowledged once by somebody else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree, code_of_path
from xueliang_central.audit import chain
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.hand_overs.tables import hand_overs
from xueliang_central.incidents.views import area_view, at_text
from xueliang_central.people import rosters
from xueliang_central.rights.scope import Actor, may_see, scoped
from xueliang_central.store import events

KEPT: Final = timedelta(days=366)

Record = dict[str, Any]


async def write(
    conn: AsyncConnection, actor: Actor, hand_over_id: str, words: str, facts: Record, now: datetime
) -> bool:
    """Save a note of the actor's own area with the facts of this moment (`facts_of`, read before: a whole city's take
    long, and nobody should wait for them). False: the same person has saved the same words under this id before.
    Raises Conflict when the id is another note's."""
    if await is_saved(conn, actor, hand_over_id, words):
        return False
    name = await rosters.display_name_of(conn, actor.user_id) or actor.name
    row: Record = {"hand_over_id": hand_over_id, "area_path": actor.area_path, "words": words, "written_at": now}
    row |= {"area_code": code_of_path(actor.area_path), "writer_id": actor.user_id, "writer_name": name}
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    saved = dialect.insert(hand_overs).values(row | {"facts": facts}).on_conflict_do_nothing()
    if not (await conn.execute(saved)).rowcount:  # the same request, sent twice at once
        await is_saved(conn, actor, hand_over_id, words)
        return False
    totals = {name: value["total"] for name, value in facts.items() if isinstance(value, dict)}
    await _record(conn, actor, "hand_over.written", hand_over_id, {"area_code": row["area_code"], **totals}, now)
    await _tell(conn, actor.area_path, hand_over_id, now)
    return True


async def is_saved(conn: AsyncConnection, actor: Actor, hand_over_id: str, words: str) -> bool:
    """This very note is there. Raises Conflict: another one is, under its id."""
    found = (await conn.execute(select(hand_overs).where(hand_overs.c.hand_over_id == hand_over_id))).mappings().first()
    if found is None:
        return False
    if (found["writer_id"], found["words"]) != (actor.user_id, words):
        raise Conflict("this note was saved before; a note does not change, write another one")
    return True


async def acknowledge(conn: AsyncConnection, actor: Actor, hand_over_id: str, now: datetime) -> None:
    """Once, by somebody else than the writer; the same person again changes nothing.

    Raises:
        NotFound: none such in the actor's areas.
        MoveRefused: by its writer.
        Conflict: somebody else has done it.
    """
    row = await find(conn, actor, hand_over_id)
    if row["writer_id"] == actor.user_id:
        raise MoveRefused("a note is acknowledged by whoever takes over, not by its writer")
    if row["reader_id"] == actor.user_id:
        return
    name = await rosters.display_name_of(conn, actor.user_id) or actor.name
    done = await conn.execute(
        update(hand_overs)
        .where(hand_overs.c.hand_over_id == hand_over_id, hand_overs.c.acknowledged_at.is_(None))
        .values(acknowledged_at=now, reader_id=actor.user_id, reader_name=name)
    )
    if not done.rowcount:
        raise Conflict(f"{row['reader_name'] or 'somebody else'} has acknowledged this note")
    await _record(conn, actor, "hand_over.acknowledged", hand_over_id, {"area_code": row["area_code"]}, now)
    await _tell(conn, row["area_path"], hand_over_id, now)


async def find(conn: AsyncConnection, actor: Actor, hand_over_id: str) -> Record:
    """Raises NotFound, also for what lies outside the actor's areas."""
    found = await conn.execute(select(hand_overs).where(hand_overs.c.hand_over_id == hand_over_id))
    row = found.mappings().one_or_none()
    if row is None or not may_see(actor, row["area_path"]):
        raise NotFound("hand-over note")
    return dict(row)


async def newest(conn: AsyncConnection, actor: Actor, limit: int) -> list[Record]:
    """Of the actor's areas, without their facts."""
    columns = [column for column in hand_overs.c if column.name != "facts"]
    query = select(*columns).order_by(hand_overs.c.written_at.desc(), hand_overs.c.hand_over_id).limit(limit)
    return [dict(row) for row in (await conn.execute(scoped(query, hand_overs.c.area_path, actor))).mappings()]


async def forget(conn: AsyncConnection, now: datetime) -> int:
    """Delete notes older than a year; returns how many."""
    return int((await conn.execute(delete(hand_overs).where(hand_overs.c.written_at <= now - KEPT))).rowcount)


def view(tree: AreaTree, row: Mapping[str, Any], actor: Actor, *, may_acknowledge: bool) -> Record:
    """As the API shows it; `facts` only where the row has them. `is_own_desk`: of exactly the actor's area."""
    is_read = row["acknowledged_at"] is not None
    shown = {
        "hand_over_id": row["hand_over_id"],
        "area": area_view(tree, row["area_code"]),
        "is_own_desk": row["area_path"] == actor.area_path,
        "written_at": at_text(row["written_at"]),
        "written_by": row["writer_name"],
        "words": row["words"],
        "acknowledged_at": at_text(row["acknowledged_at"]),
        "acknowledged_by": row["reader_name"],
        "may_acknowledge": may_acknowledge and not is_read and row["writer_id"] != actor.user_id,
    }
    return shown | ({"facts": row["facts"]} if "facts" in row else {})


async def _record(conn: AsyncConnection, actor: Actor, action: str, note: str, detail: Record, now: datetime) -> None:
    await chain.record(
        conn, actor=actor.name, action=action, object_kind="hand_over", object_id=note, detail=detail, at=now
    )


async def _tell(conn: AsyncConnection, area_path: str, note: str, now: datetime) -> None:
    """Pages that are open read the notes again: what is in one is not for everybody who hears of the area."""
    body = {"hand_over": {"hand_over_id": note, "area_code": code_of_path(area_path)}}
    await events.append(conn, kind="hand_over", area_path=area_path, body=body, at=now)
