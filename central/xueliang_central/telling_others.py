"""What an administrator does about webhooks on the centre's machine; each returns the lines to print."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from xueliang_central.administration import BY
from xueliang_central.areas.tree import load_tree
from xueliang_central.intake.sources import intake_key
from xueliang_central.store.database import Database
from xueliang_central.webhooks import register


async def new_webhook(
    database: Database, key_path: Path, *, webhook_id: str, area_code: str, url: str, at: datetime
) -> list[str]:
    """Told of what happens from now on; the last line is its key. Raises Conflict, MoveRefused, NotFound."""
    key = intake_key(key_path)
    async with database.transaction() as conn:
        path = (await load_tree(conn)).path_of(area_code)
        row = await register.add_webhook(conn, webhook_id=webhook_id, area_path=path, url=url, at=at, by=BY)
    return _key_lines(key, row)


async def renew_webhook(database: Database, key_path: Path, *, webhook_id: str, at: datetime) -> list[str]:
    """A new key, the last line. Raises MoveRefused."""
    key = intake_key(key_path)
    async with database.transaction() as conn:
        row = await register.renew_key(conn, webhook_id=webhook_id, at=at, by=BY)
    return _key_lines(key, row)


async def end_webhook(database: Database, *, webhook_id: str, at: datetime) -> list[str]:
    """Raises MoveRefused."""
    async with database.transaction() as conn:
        await register.remove_webhook(conn, webhook_id=webhook_id, at=at, by=BY)
    return [f"{webhook_id} is told nothing any more"]


async def webhook_again(database: Database, *, webhook_id: str, at: datetime) -> list[str]:
    """Raises MoveRefused."""
    async with database.transaction() as conn:
        dead = await register.tell_again(conn, webhook_id=webhook_id, at=at, by=BY)
    return [f"{webhook_id}: {dead} dead letters; told again from the first of them on"]


async def webhooks_told(database: Database) -> list[str]:
    """One line each; of an address only its host, for the rest may hold a secret."""
    async with database.reading() as conn:
        return [_line(row) for row in await register.standings(conn)] or ["there are no webhooks"]


def _line(row: dict[str, Any]) -> str:
    told = "nothing told yet" if row["told_at"] is None else f"told at {row['told_at']:%Y-%m-%dT%H:%M:%SZ}"
    trouble = f", {row['attempts']} tries failed: {row['last_error']}" if row["attempts"] else ""
    dead = f", {row['dead']} dead letters, the newest: {row['why_dead']}" if row["dead"] else ""
    where = f"{row['webhook_id']} {row['area_path'].rpartition('/')[2]} {urlsplit(row['url']).hostname}"
    return f"{where} key {row['key_version']}: {told}{trouble}{dead}"


def _key_lines(intake: bytes, row: dict[str, Any]) -> list[str]:
    return [
        f"key {row['key_version']} of {row['webhook_id']}, shown this once:",
        register.signing_key(intake, row["webhook_id"], row["key_version"]),
    ]
