"""The one way by which a request of a person writes: the account stands until what it asks for is committed.

A route lets a request in by the account as it was then. Until it writes somebody may have disabled the account, moved
it, given it another role or ended its session; what was asked for by the old rights must then not be done. So every
route that writes opens its transaction here, or by `dispatch.publishing.changing` with its actor, which does the same;
a test goes through all of them (`test_every_writing_route_stands.py`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.rights.people import must_stand
from xueliang_central.rights.scope import Actor
from xueliang_central.store.database import Database


@asynccontextmanager
async def acting(database: Database, actor: Actor, *, changes: str | None = None) -> AsyncIterator[AsyncConnection]:
    """A transaction that this person asks for; `changes`: the account that it changes, see `must_stand`.

    Raises NotSignedIn when the account has been changed, or its session ended, since the request came; nothing is done.
    """
    async with database.transaction() as conn:
        await must_stand(conn, actor, changes=changes)
        yield conn
