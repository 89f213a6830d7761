"""After a worker's *handled* the camera is asked at once what it sees: its answer stands in the timeline and the task.

Invariants
    - The move is committed before, and neither waits for a look nor fails by one.
    - What was tried and not answered stands in the timeline too, so that the worker does not wait. What was not tried
      (too late, too many under way, the centre stops), and what the database would not take, is counted and logged.
    - A look raises nothing and clears nothing: the case is verified by its rule alone, as ever.
    - Nothing is under way once `stop` has returned.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

from xueliang_alerts.clocks import Wall
from xueliang_alerts.commands import LookResult
from xueliang_central.areas.tree import AreaBook
from xueliang_central.cameras.releases import CameraGate
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.service import load_task
from xueliang_central.errors import (
    CameraNotReleased,
    CentralError,
    LookRefused,
    NodeAway,
    NodeBusy,
    NodeSilent,
    Throttled,
)
from xueliang_central.fleet.fresh_looks import FreshLooks
from xueliang_central.fleet.watched import watched_to_look
from xueliang_central.incidents import service
from xueliang_central.incidents.change import POLICY, Change, Rulebook
from xueliang_central.incidents.looked import LOOKED_AGAIN, alert_to_look_at, note_asking, note_look
from xueliang_central.incidents.states import State
from xueliang_central.rights.scope import Actor
from xueliang_central.store.database import Database

log = logging.getLogger(__name__)

Row = dict[str, Any]

NOT_AFTER: Final = timedelta(minutes=2)  # told later than this, by a phone without a signal: the moment is over
UNDER_WAY_AT_MOST: Final = 64
_NOT_ASKED: Final = (CameraNotReleased, LookRefused, NodeAway, NodeBusy, NodeSilent, Throttled)


class LookingAgain:
    """A part of the process that serves the API. Looks between `start` and `stop` only."""

    def __init__(self, database: Database, areas: AreaBook, gate: CameraGate, looks: FreshLooks, wall: Wall) -> None:
        self._database, self._areas, self._gate, self._looks, self._wall = database, areas, gate, looks, wall
        self._is_open = False
        self._under_way: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    async def start(self) -> None:
        self._is_open = True

    async def stop(self) -> None:
        """Cancels what is under way; its node's answer is then nobody's."""
        self._is_open = False
        under_way = tuple(self._under_way)
        for one in under_way:
            one.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        if under_way:
            self.counts["cancelled"] += len(under_way)
            log.info("looks after handled were given up: the centre stops", extra={"looks": len(under_way)})

    def after_handled(self, actor: Actor, task_id: str, done_at: datetime) -> None:
        """Returns at once. `done_at`: when the worker was done, as far as the phone's clock can be believed."""
        if not self._is_open:
            return
        if self._wall() - done_at > NOT_AFTER:
            self._skip("too_late", task_id)
        elif len(self._under_way) >= UNDER_WAY_AT_MOST:
            self._skip("too_many", task_id)
        else:
            one = asyncio.create_task(self._look(actor, task_id), name=f"look again, task {task_id}")
            self._under_way.add(one)
            one.add_done_callback(self._under_way.discard)

    def _skip(self, why: str, task_id: str) -> None:
        self.counts[why] += 1
        log.info("no look after handled", extra={"task": task_id, "why": why})

    async def _look(self, actor: Actor, task_id: str) -> None:
        """Whatever fails here is this look's alone."""
        try:
            await self._look_and_tell(actor, task_id)
        except CentralError as error:
            self.counts["failed"] += 1
            log.warning("a look after handled failed", extra={"task": task_id, "why": str(error)})
        except Exception:
            self.counts["failed"] += 1
            log.exception("a look after handled failed", extra={"task": task_id})

    async def _look_and_tell(self, actor: Actor, task_id: str) -> None:
        async with self._database.reading() as conn:
            incident = await service.load(conn, (await load_task(conn, task_id))["incident_id"])
            if incident["state"] != State.HANDLED:
                return self._skip("over_already", task_id)  # its rule had seen it clear: there is nothing to ask
            try:
                alert = await alert_to_look_at(conn, incident["incident_id"], None)
            except LookRefused:
                return self._skip("no_camera", task_id)
        try:
            node_id, result = await self._ask(actor, incident, alert)
        except _NOT_ASKED as error:
            self.counts[error.code] += 1
            log.warning("no look after handled", extra={"task": task_id, "why": str(error)})
            async with self._telling(task_id) as change:
                told = {"task_id": task_id, "camera_id": alert["camera_id"], "not_asked": error.code}
                change.note(incident["incident_id"], LOOKED_AGAIN, POLICY, **told)
            return None
        self.counts["answered"] += 1
        async with self._telling(task_id) as change:
            now = await service.load(change.conn, incident["incident_id"])
            more = _more_of(result) | {"task_id": task_id}
            await note_look(change, now, alert | {"node_id": node_id}, result, POLICY, LOOKED_AGAIN, **more)
        return None

    async def _ask(self, actor: Actor, incident: Row, alert: Row) -> tuple[str, LookResult]:
        """The node that was asked, and what it said. Raises those of `_NOT_ASKED`."""
        async with self._database.reading() as conn:
            camera = await watched_to_look(conn, self._gate, alert["camera_id"], self._wall())
        self._looks.must_be_allowed(actor.user_id, alert["camera_id"])
        node_id = camera.node_that_hears()
        async with self._database.transaction() as conn:
            asked = alert | {"node_id": node_id}
            await note_asking(conn, actor.name, incident["incident_id"], asked, self._wall(), after="handled")
        result = await self._looks.ask(node_id, alert["camera_id"], alert["rule_id"])
        if result.says is None:
            raise LookRefused("the node said nothing of the rule")
        return node_id, result

    @asynccontextmanager
    async def _telling(self, task_id: str) -> AsyncIterator[Change]:
        """The stream tells the incident and the task."""
        async with changing(self._database, Rulebook(self._areas, (), {}), self._wall) as change:
            change.touch_task(task_id)
            yield change


def _more_of(result: LookResult) -> Row:
    """What the words and the picture on a phone need beyond the figures."""
    more: Row = {}
    if "count" in result.measures:
        more["unit"] = result.measures["count"].unit
    if result.still is not None:
        more["frame_size_wh"] = list(result.still.size_wh)
    return more
