"""Removes what has been kept long enough, a bounded step at a time (what: `due`; how: `removing`)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from xueliang_alerts.clocks import Wall
from xueliang_central.evidence.pictures import PictureStore
from xueliang_central.retention import removing
from xueliang_central.retention.due import KINDS, due
from xueliang_central.store.database import Database
from xueliang_configs.retention import RetentionConfig

PAUSE_S: Final = 0.05  # between steps: a first removal of years leaves the writer to others


class Sweep:
    """Belongs to one worker.

    Args:
        may_go_on: asked before each step: is the clock that says what is old believed?
    """

    def __init__(
        self,
        database: Database,
        pictures: PictureStore,
        policy: RetentionConfig,
        wall: Wall,
        may_go_on: Callable[[], bool],
    ) -> None:
        self._database, self._pictures, self._policy = database, pictures, policy
        self._wall, self._may_go_on = wall, may_go_on

    async def run(self) -> int:
        """How much was removed. Files go last."""
        removed, trouble = 0, None
        for kind in KINDS:
            try:
                removed += await self._remove_kind(kind)
            except Exception as error:  # the other kinds do not wait for it
                trouble = error
        await self._unlink_pictures()
        if trouble is not None:
            raise trouble
        return removed

    async def _remove_kind(self, kind: str) -> int:
        """From the oldest on, stretch by stretch."""
        if due(kind, self._policy, self._wall()) is None:
            return 0
        removed, stretch = 0, removing.EVERYTHING
        while True:
            async with self._database.reading() as conn:
                stretch = await removing.next_stretch(conn, kind, stretch.until)
                is_any = await removing.is_any_due(conn, kind, self._policy, self._wall(), stretch)
            while is_any:
                if not self._may_go_on():
                    return removed
                async with self._database.transaction() as conn:
                    some = await removing.remove(conn, kind, self._policy, self._wall(), stretch)
                removed += some
                is_any = some > 0
                await asyncio.sleep(PAUSE_S)
            if stretch.until is None or stretch.until > self._wall() - removing.SHORTEST_KEPT:
                return removed
            await asyncio.sleep(PAUSE_S)

    async def _unlink_pictures(self) -> None:
        while True:
            async with self._database.reading() as conn:
                if not await removing.is_any_leaving(conn):
                    return
            async with self._database.transaction() as conn:
                if not await removing.unlink_some(conn, self._pictures):
                    return  # another worker has them
            await asyncio.sleep(PAUSE_S)
