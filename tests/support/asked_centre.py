"""A centre that generated requests are sent to: the small city with something of everything in it.

Requests go through the whole application (guard, routes, SQLite) without a socket. Whoever asks need not be
asynchronous: the loop runs while an answer is waited for.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx
from sqlalchemy import Column, select

from tests.integration.central.flow.stage import POLICIES, Stage, alert, received
from tests.support import city
from tests.support.centres import PASSWORD, TestCentre, build_centre, camera
from tests.support.pictures import jpeg, sha256
from tests.support.rows import add_cap_message, add_proposal, add_rules, add_sighting, add_silence, add_silenced_alert
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.dispatch.tables import tasks
from xueliang_central.incidents.change import Rulebook
from xueliang_central.incidents.tables import incidents
from xueliang_central.notices.tables import notices
from xueliang_central.rights.scope import Role
from xueliang_central.store.database import Database
from xueliang_configs.policies import PolicyTable

T = TypeVar("T")
Known = dict[str, list[str]]

_CAMERAS: Final = {"gate": city.GRID, "lane": city.GRID, "yard": city.GRID_RIGHT, "east": city.EAST_GRID}
_ALERTS: Final = ("gate", "lane", "yard", "east") * 2


@dataclass
class AskedCentre:
    """`known`: names of parameters and members to values that exist here."""

    made: TestCentre
    loop: asyncio.Runner
    known: Known = field(default_factory=dict)
    signed_in_times: int = 0

    def wait_for(self, awaited: Coroutine[Any, Any, T]) -> T:
        return self.loop.run(awaited)

    def signed_in(self, role: Role) -> httpx.AsyncClient:
        """From an address of its own each time: what was tried before is not counted against it."""
        self.signed_in_times += 1
        client = self.made.client(address=f"10.9.{self.signed_in_times // 250}.{self.signed_in_times % 250}")
        answer = self.wait_for(client.post("/api/session", json={"username": role.value, "password": PASSWORD}))
        answer.raise_for_status()
        client.headers["x-csrf-token"] = answer.json()["csrf"]
        return client


@contextmanager
def asked_centre() -> Iterator[AskedCentre]:
    """One in an empty folder, with a person of each role who is named like it."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as loop:
        path = Path(folder) / "centre.db"
        path.write_bytes(_with_its_schema())
        database = loop.run(Database.open(f"sqlite+aiosqlite:///{path}"))
        try:
            asked = AskedCentre(loop.run(build_centre(database, Path(folder) / "data")), loop)
            loop.run(_furnish(asked))
            yield asked
        finally:
            loop.run(database.close())


@cache
def _with_its_schema() -> bytes:
    """An empty database, as a file."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner() as loop:
        path = Path(folder) / "centre.db"
        database = loop.run(Database.open(f"sqlite+aiosqlite:///{path}"))
        try:
            loop.run(database.migrate())
        finally:
            loop.run(database.close())
        return path.read_bytes()


async def _furnish(asked: AskedCentre) -> None:
    made, known = asked.made, asked.known
    known |= {"code": [*city.BOXES], "area_code": [*city.BOXES], "area": [*city.BOXES]}
    known |= {"node_id": ["edge-01"], "camera_id": [*_CAMERAS], "version": ["1", "2"], "before": ["9"], "step": ["0"]}
    for role in Role:
        await made.add_user(role.value, role, city.GRID if role is Role.WORKER else city.CITY)
    known["user_id"] = [*made.user_ids.values()]
    await made.add_cameras(*(camera(name, code) for name, code in _CAMERAS.items()))
    for name in _CAMERAS:
        await add_rules(made, name)
    await _alerts(made)
    for name, column in {
        "incident_id": incidents.c.incident_id,
        "task_id": tasks.c.task_id,
        "notice_id": notices.c.notice_id,
    }.items():
        known[name] = await _column(made.database, column)
        if not known[name]:
            raise RuntimeError(f"nothing to ask about: no {name} came of {len(_ALERTS)} alerts")
    known |= {"other_id": known["incident_id"], "keep_task_id": known["task_id"]}
    known["silence_id"] = [await add_silence(made, city.GRID)]
    await add_silenced_alert(made, known["silence_id"][0], city.GRID)
    known["proposal_id"] = [await add_proposal(made, city.GRID, camera_id="gate")]
    known["sighting_id"] = [await add_sighting(made, city.GRID)]
    known["identifier"] = [await add_cap_message(made, known["incident_id"][0], city.GRID)]
    known["sha256"] = [await _picture(made)]


async def _alerts(made: TestCentre) -> None:
    """Incidents with tasks that nobody has taken."""
    rulebook = Rulebook.of(made.centre.areas, PolicyTable.model_validate(POLICIES))
    stage = Stage(made.database, made.clock.wall, rulebook)  # type: ignore[arg-type]
    hazards = [Hazard.FIRE_LANE_OBSTRUCTION] * 4 + [Hazard.CROWD] * 4
    for number, (name, hazard) in enumerate(zip(_ALERTS, hazards, strict=True), 1):
        raised = alert(
            Phase.RAISED, 1, camera_id=name, hazard=hazard, began_at=made.clock.at + timedelta(seconds=number)
        )
        await stage.take(received(raised, number, at=made.clock.at))


async def _column(database: Database, column: Column[Any]) -> list[str]:
    async with database.reading() as conn:
        return [str(value) for value in (await conn.execute(select(column).limit(20))).scalars()]


async def _picture(made: TestCentre) -> str:
    picture = jpeg(filler=b"asked")
    headers = {"authorization": f"Bearer {made.node_token}", "content-type": "image/jpeg"}
    async with made.client() as node:
        (await node.put(f"/api/evidence/{sha256(picture)}", content=picture, headers=headers)).raise_for_status()
    return sha256(picture)
