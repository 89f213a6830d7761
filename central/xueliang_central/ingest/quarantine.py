"""What could not be taken in: kept with the reason, bounded, and replayed when the reason is gone."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import MAX_MESSAGE_BYTES, content_hash
from xueliang_central.audit import chain
from xueliang_central.ingest.admission import Received, Refusal
from xueliang_central.ingest.tables import quarantine
from xueliang_central.store.database import Database

LIMIT_ROWS: Final = 5000  # 320 MB at the most; a flood of poison pushes out the oldest
_TOPIC_LENGTH: Final = 200


def _row(refusal: Refusal) -> dict[str, Any]:
    received, key = refusal.received, refusal.key
    return {
        "quarantine_id": str(uuid.uuid4()),
        "received_at": received.received_at,
        "last_received_at": received.received_at,
        "times": 1,
        "topic": received.topic.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:_TOPIC_LENGTH],
        "node_id": refusal.node_id,
        "spool_id": key.spool_id if key else None,
        "sequence": key.sequence if key else None,
        "content_hash": content_hash(received.payload),
        "kind": refusal.kind.value,
        "reason": refusal.reason.replace("\0", "\ufffd").encode("utf-8", "replace").decode()[:200],
        "payload": received.payload[:MAX_MESSAGE_BYTES],
        "total_bytes": len(received.payload),
        "replay_asked_at": None,
    }


async def keep(conn: AsyncConnection, refusals: Sequence[Refusal]) -> None:
    """Put these in quarantine; the same bytes on the same topic again only count up."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    rows = {(row["topic"], row["content_hash"]): row for row in map(_row, refusals)}
    for key in sorted(rows):
        row = rows[key]
        upsert = dialect.insert(quarantine).values(**row)
        again = {
            "times": quarantine.c.times + 1,
            "last_received_at": row["last_received_at"],
            "kind": row["kind"],
            "reason": row["reason"],
        }
        await conn.execute(
            upsert.on_conflict_do_update(index_elements=[quarantine.c.topic, quarantine.c.content_hash], set_=again)
        )
    if rows:
        await _stay_bounded(conn)


async def _stay_bounded(conn: AsyncConnection) -> None:
    total = (await conn.execute(select(func.count()).select_from(quarantine))).scalar_one()
    if total <= LIMIT_ROWS:
        return
    oldest = select(quarantine.c.quarantine_id).order_by(quarantine.c.received_at).limit(total - LIMIT_ROWS)
    await conn.execute(delete(quarantine).where(quarantine.c.quarantine_id.in_(oldest)))


async def listing(conn: AsyncConnection, *, limit: int = 100) -> list[dict[str, Any]]:
    """Newest first, without the payload."""
    columns = [column for column in quarantine.c if column.name != "payload"]
    found = await conn.execute(select(*columns).order_by(quarantine.c.last_received_at.desc()).limit(limit))
    return [dict(row) for row in found.mappings()]


async def ask_for_replay(conn: AsyncConnection, quarantine_id: str | None, at: datetime) -> int:
    """Mark one message, or all (None), to be tried again; returns how many. One that was cut cannot be."""
    whole = quarantine.c.total_bytes <= MAX_MESSAGE_BYTES
    wanted = whole if quarantine_id is None else and_(whole, quarantine.c.quarantine_id == quarantine_id)
    return (await conn.execute(update(quarantine).where(wanted).values(replay_asked_at=at))).rowcount


async def asked_for(conn: AsyncConnection, *, limit: int = 200) -> list[str]:
    """Messages that somebody wants tried again, oldest first."""
    found = await conn.execute(
        select(quarantine.c.quarantine_id)
        .where(quarantine.c.replay_asked_at.is_not(None))
        .order_by(quarantine.c.received_at)
        .limit(limit)
    )
    return list(found.scalars())


async def take_out(conn: AsyncConnection, quarantine_id: str, at: datetime) -> Received | None:
    """One message as it came, out of the quarantine: what is refused again comes back with its new reason."""
    mine = quarantine.c.quarantine_id == quarantine_id
    found = await conn.execute(select(quarantine).where(mine).with_for_update())
    row = found.mappings().one_or_none()
    if row is None:
        return None
    await conn.execute(delete(quarantine).where(mine))
    return Received(row["topic"], bytes(row["payload"]), at)


async def command(database: Database, action: str, quarantine_id: str | None, *, at: datetime) -> list[str]:
    """`xueliang-centre quarantine list | replay [ID]`: the lines to print. A replay is done by the ingest process."""
    if action == "replay":
        async with database.transaction() as conn:
            asked = await ask_for_replay(conn, quarantine_id, at)
            detail = {"messages": asked}
            await chain.record(
                conn,
                actor="command line",
                action="quarantine.replay_asked",
                object_kind="quarantine",
                object_id=quarantine_id or "*",
                detail=detail,
                at=at,
            )
        return [f"{asked} to be tried again by the running ingest (or when it starts)"]
    async with database.reading() as conn:
        rows = await listing(conn)
    lines = [
        f"{row['quarantine_id']}  {row['last_received_at']:%Y-%m-%dT%H:%M:%SZ}  x{row['times']}  {row['kind']}  "
        f"{row['node_id'] or '-'}  sequence {row['sequence'] or '-'}  {row['reason']}"
        for row in rows
    ]
    return lines or ["the quarantine is empty"]
