"""Silences that are about to end: who has made one should look whether it is still right, before alerts come again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.incidents.suppressing import Kind
from xueliang_central.silences.tables import OPEN, silences

SOON: Final = timedelta(hours=24)  # the console marks the same ones on its page of silences


async def ending_soon(
    conn: AsyncConnection, here: Callable[[ColumnElement[str]], ColumnElement[bool]], now: datetime
) -> dict[str, Any]:
    """How many that people made and are in force now end within SOON, and when the first one does.

    `here`: of an area's path. That of a camera's fault ends with the fault; nobody made it, nobody is to look at it.
    """
    its = silences.c
    query = select(func.count(), func.min(its.ends_at)).where(
        text(OPEN),
        its.kind != Kind.FAULT.value,
        here(its.area_path),
        its.starts_at <= now,
        its.ends_at > now,
        its.ends_at <= now + SOON,
    )
    total, first = (await conn.execute(query)).one()
    first_at = None if first is None else first.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {"count": int(total), "first_at": first_at, "within_s": int(SOON.total_seconds())}
