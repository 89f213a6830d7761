"""Which of several ingest processes serves which shards: by leases in the database (`sharing` decides).

Invariants
    - A group of shards has one client id, by which the broker keeps its queue; two connections under it displace each
      other without end. So only the holder of the group's lease is connected under it, and a holder that finds its
      lease gone lets go at once.
    - A holder that dies is followed when its leases have lapsed; one that stops gives them back, and is followed at the
      next look. Two that serve a group at once for a moment lose and double nothing: the ledger knows what it has.
    - Time is the database's: the machines' clocks may differ by more than a lease lasts.
    - SQLite belongs to one process: it serves all shards as one group, and there is nothing to ask.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.errors import CentralError, DatabaseConflict
from xueliang_central.ingest.sharing import ALL_SHARDS, GROUPS, PLACES, Group, LeaseRow, Plan, plan
from xueliang_central.store.claims import claim, release
from xueliang_central.store.database import Database
from xueliang_central.store.tables import leases

log = logging.getLogger(__name__)

LASTS_S: Final = 10.0
RENEW_S: Final = 3.0  # three tries before it lapses
ASK_S: Final = 1.0  # while it has less or more than its share
_NAMES: Final = (*sorted(group.name for group in GROUPS), *PLACES)


class Leases:
    """One process's side of them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._me = f"{socket.gethostname()[:40]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
        self._is_needed = database.dialect != "sqlite"

    async def look(self) -> Plan:
        """Extend what is ours, take what is due to us. Raises StoreError when the database cannot say."""
        if not self._is_needed:
            return Plan("", (ALL_SHARDS,), (), 1)
        async with self._database.transaction() as conn:
            rows = await self._locked(conn)  # first: waiting for the locks takes time
            now: datetime = (await conn.execute(select(func.clock_timestamp()))).scalar_one()
            mine = plan(self._me, rows, now)
            names = [group.name for group in mine.holds] + ([mine.place] if mine.place is not None else [])
            for name in names:
                lasts = timedelta(seconds=LASTS_S)
                if await claim(conn, name=name, holder=self._me, at=now, lasts=lasts) is None:
                    raise DatabaseConflict(f"lease {name} is another's")  # locked and free: this cannot be
        return mine

    async def give_back(self, groups: Collection[Group], *, place: str | None = None) -> None:
        """As far as the database is there: else they lapse."""
        names = sorted([group.name for group in groups] + ([place] if place else []))
        if not self._is_needed or not names:
            return
        try:
            async with self._database.transaction() as conn:
                now = (await conn.execute(select(func.now()))).scalar_one()
                for name in names:
                    await release(conn, name=name, holder=self._me, at=now)
        except CentralError as error:
            log.info("leases not given back", extra={"leases": names, "why": str(error)})

    async def is_old_one_over(self) -> bool:
        """Has an earlier release served all shards by one lease, and does no process of it hold that any more?

        True once: its row is removed. Raises StoreError.
        """
        if not self._is_needed:
            return False
        async with self._database.transaction() as conn:
            is_past = (leases.c.name == ALL_SHARDS.name) & ((leases.c.holder == "") | (leases.c.until_at <= func.now()))
            return (await conn.execute(delete(leases).where(is_past))).rowcount > 0

    async def _locked(self, conn: AsyncConnection) -> Mapping[str, LeaseRow]:
        """All places and groups, locked in the order of their names: processes look one after the other."""
        query = select(leases).where(leases.c.name.in_(_NAMES)).order_by(leases.c.name).with_for_update()
        found = {row.name: LeaseRow(row.holder, row.until_at) for row in await conn.execute(query)}
        if new := [name for name in _NAMES if name not in found]:
            now = (await conn.execute(select(func.now()))).scalar_one()
            rows = [{"name": name, "holder": "", "until_at": now, "fence": 0} for name in new]
            await conn.execute(postgresql.insert(leases).on_conflict_do_nothing(), rows)
            found = {row.name: LeaseRow(row.holder, row.until_at) for row in await conn.execute(query)}
        return found
