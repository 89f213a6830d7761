"""Cameras and lanes follow the areas: on the day on which one begins or ends, they belong to the next.

A worker looks at its start, after every import and on every new local day, by the same rule as an import of areas. What
a person has assigned keeps its area, and is counted when that has ended: somebody must give it a new one.

Invariants
    - A lot of cameras moves in one transaction, with its audit record and its events: who could see a camera is told
      that it has gone, who can see it now that it is there.
    - Two workers may look at once: what one has moved is found in its place by the other, and nothing is recorded.
    - A fault in the middle begins again at the first camera; those that lie right cost a read.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.clocks import Wall
from xueliang_central.areas.tree import AreaBook, AreaTree, day_of
from xueliang_central.audit import chain
from xueliang_central.cameras.register import Moved, next_lot, relocate
from xueliang_central.fleet.overview import camera_bodies
from xueliang_central.lanes.importing import relocate as relocate_lanes
from xueliang_central.store import events
from xueliang_central.store.database import Database

log = logging.getLogger(__name__)

AT_ONCE: Final = 200  # cameras read together, and moved together where all of them do
PAUSE_S: Final = 0.01  # between lots: a city of 30,000 leaves the loop and the writer to others


class ByAreas:
    """Belongs to one worker."""

    def __init__(self, database: Database, areas: AreaBook, wall: Wall) -> None:
        self._database = database
        self._areas = areas
        self._wall = wall
        self._done: AreaTree | None = None  # the areas of the day that everything was looked through for
        self.counts: Counter[str] = Counter()

    async def look(self) -> int:
        """Move what lies in another area today; returns how many cameras and lanes."""
        now, tree = self._wall(), self._areas.tree
        today = tree.on(day_of(now))
        if not tree.is_dated or today is self._done:
            return 0
        moved, ended, after = 0, 0, ""
        while True:
            async with self._database.reading() as conn:
                lot = await next_lot(conn, tree, now, after=after, most=AT_ONCE)
            ended += lot.of_ended_areas
            if lot.to_move:
                async with self._database.transaction() as conn:
                    moved += len(await move(conn, tree, lot.to_move, now))
            if lot.last is None:
                break
            after = lot.last
            await asyncio.sleep(PAUSE_S)
        moved += await self._move_lanes(today)
        self._done = today
        self.counts["moved"] += moved
        if moved or ended:
            log.info("areas were followed", extra={"moved": moved, "assigned_to_ended_areas": ended})
        return moved

    async def _move_lanes(self, today: AreaTree) -> int:
        async with self._database.transaction() as conn:
            return await relocate_lanes(conn, today)


async def move(conn: AsyncConnection, tree: AreaTree, camera_ids: Sequence[str], at: datetime) -> list[Moved]:
    """Give these cameras to the areas of the day, in this transaction; those that have moved."""
    moved = await relocate(conn, tree, at=at, only=camera_ids)
    if moved:
        detail = {"day": day_of(at).isoformat(), "moved": {one.camera_id: one.area_code for one in moved}}
        what = {"action": "cameras.moved", "object_kind": "cameras", "object_id": "*"}
        await chain.record(conn, actor="system", **what, detail=detail, at=at)
        await tell(conn, moved, at)
    return moved


async def tell(conn: AsyncConnection, moved: Sequence[Moved], at: datetime) -> None:
    """To those of the old area that the camera has gone, then to those of the new one what it is."""
    bodies = {body["camera_id"]: body for body in await camera_bodies(conn, [one.camera_id for one in moved])}
    for one in moved:
        gone = {"camera_gone": {"camera_id": one.camera_id}}
        await events.append(conn, kind="camera_gone", area_path=one.old_path, body=gone, at=at)
        body = {"camera": bodies[one.camera_id]}
        await events.append(conn, kind="camera", area_path=one.new_path, body=body, at=at)
