"""The register of webhooks: which system is told, of which area, at which address."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.errors import Conflict, MoveRefused
from xueliang_central.intake.signing import key_of
from xueliang_central.store import events
from xueliang_central.webhooks.tables import webhook_dead_letters, webhooks

Row = dict[str, Any]

ID_PATTERN: Final = r"[a-z0-9][a-z0-9-]{0,29}"
_LONGEST_URL: Final = 500
_URL_WANTED: Final = "url must be https://HOST/PATH, or http:// of a host in private_targets, without a user name"


def signing_key(intake_key: bytes, webhook_id: str, key_version: int) -> str:
    """As it is given out: 64 hexadecimal digits, used as text. No source can have such an id: the keys differ."""
    return key_of(intake_key, f"webhook:{webhook_id}", key_version)


async def add_webhook(
    conn: AsyncConnection, *, webhook_id: str, area_path: str, url: str, at: datetime, by: str
) -> Row:
    """Told of what happens from now on. Raises Conflict, MoveRefused."""
    if not re.fullmatch(ID_PATTERN, webhook_id):
        raise MoveRefused(f"webhook_id must match {ID_PATTERN}, got {webhook_id[:40]!r}")
    _check_url(url)
    if await _found(conn, webhook_id) is not None:
        raise Conflict(f"there is a webhook {webhook_id} already; --renew gives it a new key, --remove ends it")
    row: Row = {
        "webhook_id": webhook_id,
        "area_path": area_path,
        "url": url,
        "key_version": int(at.timestamp()),
        "added_at": at,
        "event_id": await events.latest_id(conn),
        "attempts": 0,
        "next_try_at": at,
        "last_error": None,
        "told_at": None,
    }
    await conn.execute(insert(webhooks), row)
    await _record(conn, webhook_id, "webhook.added", {"area": area_path}, by, at)
    return row


async def renew_key(conn: AsyncConnection, *, webhook_id: str, at: datetime, by: str) -> Row:
    """The next key: the one before signs nothing any more. Raises MoveRefused."""
    row = await _known(conn, webhook_id)
    values = {"key_version": max(int(at.timestamp()), row["key_version"] + 1)}
    await conn.execute(update(webhooks).where(webhooks.c.webhook_id == webhook_id).values(**values))
    await _record(conn, webhook_id, "webhook.key_renewed", values, by, at)
    return row | values


async def remove_webhook(conn: AsyncConnection, *, webhook_id: str, at: datetime, by: str) -> None:
    """It is told nothing more, and what it was not told is forgotten. Raises MoveRefused."""
    await _known(conn, webhook_id)
    for table in (webhook_dead_letters, webhooks):
        await conn.execute(delete(table).where(table.c.webhook_id == webhook_id))
    await _record(conn, webhook_id, "webhook.removed", {}, by, at)


async def tell_again(conn: AsyncConnection, *, webhook_id: str, at: datetime, by: str) -> int:
    """From the first dead letter on everything is told once more, under the same ids; how many were dead.

    Raises:
        MoveRefused: there is no such webhook.
    """
    await _known(conn, webhook_id)
    dead = webhook_dead_letters.c.webhook_id == webhook_id
    counted = select(func.min(webhook_dead_letters.c.event_id), func.count()).where(dead)
    first, total = (await conn.execute(counted)).one()
    if total:
        await conn.execute(delete(webhook_dead_letters).where(dead))
        values = {"event_id": first - 1, "attempts": 0, "next_try_at": at}
        await conn.execute(update(webhooks).where(webhooks.c.webhook_id == webhook_id).values(**values))
        await _record(conn, webhook_id, "webhook.told_again", {"dead": total}, by, at)
    return int(total)


async def standings(conn: AsyncConnection) -> list[Row]:
    """Every webhook with its count of dead letters (`dead`) and the reason of the newest (`why_dead`)."""
    found = await conn.execute(select(webhooks).order_by(webhooks.c.webhook_id))
    rows = [dict(row) for row in found.mappings()]
    for row in rows:
        query = select(webhook_dead_letters.c.reason).where(webhook_dead_letters.c.webhook_id == row["webhook_id"])
        reasons = (await conn.execute(query.order_by(webhook_dead_letters.c.event_id.desc()))).scalars().all()
        row |= {"dead": len(reasons), "why_dead": reasons[0] if reasons else None}
    return rows


def _check_url(url: str) -> None:
    """Never repeated in a message: it may hold a secret."""
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise MoveRefused(_URL_WANTED) from None
    if not is_good or "@" in parts.netloc or parts.fragment or not url.isascii() or not url.isprintable():
        raise MoveRefused(_URL_WANTED)
    if len(url) > _LONGEST_URL or " " in url:
        raise MoveRefused(f"url must be at most {_LONGEST_URL} characters without spaces")


async def _found(conn: AsyncConnection, webhook_id: str) -> Row | None:
    row = (await conn.execute(select(webhooks).where(webhooks.c.webhook_id == webhook_id))).mappings().one_or_none()
    return None if row is None else dict(row)


async def _known(conn: AsyncConnection, webhook_id: str) -> Row:
    row = await _found(conn, webhook_id)
    if row is None:
        raise MoveRefused(f"there is no webhook {webhook_id[:40]}")
    return row


async def _record(
    conn: AsyncConnection, webhook_id: str, action: str, detail: dict[str, Any], by: str, at: datetime
) -> None:
    await chain.record(conn, actor=by, action=action, object_kind="webhook", object_id=webhook_id, detail=detail, at=at)
