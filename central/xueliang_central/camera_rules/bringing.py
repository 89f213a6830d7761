"""Brings a change of many cameras to each of them, a lot at a time, each lot in one transaction with how far it is.

Several workers share it: a change that one of them works on is left to that one (PostgreSQL). A camera at which
something fails that nobody has thought of is left as it is, and named: the others, and other changes, go on.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import DatabaseConflict, DatabaseUnavailable
from xueliang_central.store.claims import skip_taken
from xueliang_central.store.database import savepoint

log = logging.getLogger(__name__)

Row = dict[str, Any]
AT_ONCE: Final = 5  # cameras of a transaction: each takes 10 ms of SQLite's one writer (measured, three rules)
FAILED: Final = "failed"  # why a camera is left as it is
_NOT_NOW: Final = (DatabaseUnavailable, DatabaseConflict, OSError)  # no camera's fault: the lot is tried again

OneT = TypeVar("OneT")
CameT = TypeVar("CameT")


@dataclass(frozen=True, slots=True)
class Way(Generic[OneT, CameT]):
    """How changes of one kind are brought. Each is called with the change's row.

    Attributes:
        changes: the table of them, with a column `spreading`; `key`: the column by whose order they come.
        lot: those that it goes to next, `AT_ONCE` at most; fewer: there are no more.
        bring: to one; what came of it.
        failed: what came of one at which `bring` has failed.
        keep: writes down what came of a lot; with True, that it was the last.
    """

    changes: Table
    key: str
    lot: Callable[[AsyncConnection, Row], Awaitable[Sequence[OneT]]]
    bring: Callable[[AsyncConnection, Row, OneT, datetime], Awaitable[CameT]]
    failed: Callable[[Row, OneT], CameT]
    keep: Callable[[AsyncConnection, Row, Sequence[tuple[OneT, CameT]], bool, datetime], Awaitable[None]]


async def is_any_spreading(conn: AsyncConnection, way: Way[Any, Any]) -> bool:
    its = way.changes.c
    return (await conn.execute(select(its[way.key]).where(its.spreading).limit(1))).one_or_none() is not None


async def spread(conn: AsyncConnection, way: Way[OneT, CameT], at: datetime) -> int:
    """One lot of one change; how many cameras were gone to. 0: there is nothing to do, or others do it."""
    its = way.changes.c
    query = select(way.changes).where(its.spreading).order_by(its[way.key]).limit(1)
    found = (await conn.execute(skip_taken(query))).mappings().one_or_none()
    if found is None:
        return 0
    change = dict(found)
    lot = await way.lot(conn, change)
    came = [(one, await _brought(conn, way, change, one, at)) for one in lot]
    await way.keep(conn, change, came, len(lot) < AT_ONCE, at)
    return max(1, len(lot))


async def _brought(conn: AsyncConnection, way: Way[OneT, CameT], change: Row, one: OneT, at: datetime) -> CameT:
    try:
        async with savepoint(conn):
            return await way.bring(conn, change, one, at)
    except _NOT_NOW:
        raise
    except Exception:  # as in the worker's loop: once, with the traceback, and on to the next
        log.exception("rules were not brought to a camera", extra={"change": change[way.key], "to": str(one)[:200]})
        return way.failed(change, one)
