"""Requests that come in the same moment, through HTTP and several processes: one effect, and everyone is answered.

On PostgreSQL two api processes are asked by turns, on SQLite its one.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, text

from tests.integration.central.flow.stage import (
    CHEN,
    LI,
    OTHER_GRID,
    PHOTO,
    WANG,
    ZHOU,
    HandClock,
    Stage,
    alert,
    build,
    raised,
    received,
)
from tests.integration.central.flow.test_http import Door, door
from tests.support.brokers import free_port
from tests.support.forked.children import forked
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.dispatch.seat_tables import case_claims
from xueliang_central.dispatch.tables import tasks
from xueliang_central.incidents.tables import alerts, incident_timeline, incidents
from xueliang_central.notices.tables import notices
from xueliang_central.rights import people
from xueliang_central.rights.accounts import CSRF_HEADER, SESSION_COOKIE, csrf_of, token_hash
from xueliang_central.rights.scope import Actor
from xueliang_central.rights.tables import sessions
from xueliang_central.store.database import Database

__all__ = ["door"]

AT_ONCE = 8
Row = dict[str, Any]
LANE, CROWD, FIRE = Hazard.FIRE_LANE_OBSTRUCTION, Hazard.CROWD, Hazard.FIRE_SMOKE


@dataclass(frozen=True)
class Asked:
    """One request of the many."""

    who: Actor
    path: str
    body: Row


class Origins:
    """The api processes, and a signed-in session for anyone."""

    def __init__(self, stage: Stage, ports: Sequence[int]) -> None:
        self.stage = stage
        self._ports = ports
        self._tokens: dict[str, str] = {}

    async def sign_in(self, *who: Actor) -> None:
        at = system_wall()
        for person in who:
            token = self._tokens[person.user_id] = secrets.token_urlsafe(32)
            row = {"token_hash": token_hash(token), "user_id": person.user_id, "created_at": at}
            async with self.stage.database.transaction() as conn:
                await conn.execute(insert(sessions), {**row, "expires_at": at + timedelta(days=1)})

    def client(self, who: Actor, number: int) -> httpx.AsyncClient:
        token = self._tokens[who.user_id]
        origin = f"http://127.0.0.1:{self._ports[number % len(self._ports)]}"
        headers = {CSRF_HEADER: csrf_of(token)}
        return httpx.AsyncClient(base_url=origin, cookies={SESSION_COOKIE: token}, headers=headers, timeout=30)

    async def at_once(self, *asked: Asked) -> list[httpx.Response]:
        """All of them in one moment: each waits on an open connection until all are there."""
        barrier = asyncio.Barrier(len(asked))

        async def ask(number: int, one: Asked) -> httpx.Response:
            async with self.client(one.who, number) as client:
                (await client.get("/api/health")).raise_for_status()
                async with barrier:
                    pass
                return await client.post(one.path, json=one.body)

        return list(await asyncio.gather(*(ask(number, one) for number, one in enumerate(asked))))


@contextlib.asynccontextmanager
async def _api(url: str, port: int, folder: Path) -> AsyncIterator[None]:
    module = "tests.integration.central.flow.api_process"
    with forked(module, url, str(port), str(folder)) as child:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            give_up_at = system_mono() + 60
            while True:
                assert child.returncode is None, "the api process ended while starting"
                assert system_mono() < give_up_at, "the api process does not answer"
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/api/health")).status_code == 200:
                        break
                await asyncio.sleep(0.05)
        yield


@pytest.fixture
async def origins(database: Database, database_url: str, tmp_path: Path) -> AsyncIterator[Origins]:
    stage = await build(database, HandClock(system_wall()))
    stage.clock = system_wall  # type: ignore[assignment]
    ports = [free_port() for _ in range(2 if database.dialect == "postgresql" else 1)]
    async with contextlib.AsyncExitStack() as stack:
        for port in ports:
            await stack.enter_async_context(_api(database_url, port, tmp_path))
        found = Origins(stage, ports)
        await found.sign_in(WANG, ZHOU, LI, CHEN)
        yield found


async def _opens(stage: Stage, hazard: Hazard, camera_id: str) -> Row:
    """A new case, the newest of all."""
    at, number = system_wall(), await stage.count(alerts) + 1
    began_at = at - timedelta(seconds=number)  # else two of one camera would be the same alert
    told = alert(Phase.RAISED, 1, hazard=hazard, camera_id=camera_id, began_at=began_at)
    await stage.take(received(told, number, at=at))
    newest = max(await stage.rows(incidents), key=lambda row: str(row["number"]))
    assert (newest["hazard"], newest["camera_id"]) == (hazard.value, camera_id)
    return newest


async def _recorded(stage: Stage, action: str, object_id: str) -> int:
    rows = await stage.rows(audit_records)
    return sum((row["action"], row["object_id"]) == (action, object_id) for row in rows)


class Clicks:
    """A move that one person asks for many times at once, with one key (a request sent again) or a key each."""

    def __init__(self, origins: Origins, *, same_key: bool) -> None:
        self._origins, self._same_key = origins, same_key

    async def task(self, who: Actor, task: Row, name: str, *, path: str = "moves", **body: Any) -> None:
        its_path = f"/api/tasks/{task['task_id']}/{path}"
        await self._click(who, its_path, f"task.{name}", task["task_id"], body | {"version": task["version"]})

    async def case(self, who: Actor, case: Row, name: str, *, path: str = "moves", **body: Any) -> None:
        its_path = f"/api/incidents/{case['incident_id']}/{path}"
        await self._click(who, its_path, f"incident.{name}", case["incident_id"], body | {"version": case["version"]})

    async def _click(self, who: Actor, path: str, action: str, object_id: str, body: Row) -> None:
        keys = [secrets.token_hex(8) for _ in range(AT_ONCE)]
        if self._same_key:
            keys = keys[:1] * AT_ONCE
        answers = await self._origins.at_once(*(Asked(who, path, {**body, "idempotency_key": key}) for key in keys))
        expected = {200: AT_ONCE} if self._same_key else {200: 1, 409: AT_ONCE - 1}
        assert Counter(answer.status_code for answer in answers) == expected, (action, [one.text for one in answers])
        recorded = await _recorded(self._origins.stage, action, object_id)
        assert recorded == 1, f"{action} is recorded {recorded} times"


async def test_a_move_asked_many_times_at_once_is_made_once(origins: Origins) -> None:
    stage = origins.stage
    for same_key, camera_id in ((True, "lane-east"), (False, "far-gate")):
        await _through_its_moves(stage, Clicks(origins, same_key=same_key), camera_id)
    told = Counter(row["idempotency_key"] for row in await stage.rows(notices))
    assert set(told.values()) == {1}
    async with stage.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole


async def _through_its_moves(stage: Stage, clicks: Clicks, camera_id: str) -> None:
    """A case of this camera through its moves, each asked AT_ONCE times; then two that are judged by hand."""
    lane = await _opens(stage, LANE, camera_id)
    await clicks.case(CHEN, lane, "urge", path="urge")
    [task] = await _tasks(stage, lane)
    other = ZHOU if task["worker_id"] == WANG.user_id else WANG
    await clicks.task(LI, task, "transfer", path="transfer", reason_code="overloaded", worker_id=other.user_id)
    [task] = [row for row in await _tasks(stage, lane) if row["task_id"] != task["task_id"]]
    for move, more in (("take", {}), ("arrive", {}), ("handled", {"photos": [PHOTO]})):
        await clicks.task(other, await _task(stage, task), move, move=move, **more)
    rows = await stage.rows(incident_timeline)
    story = [row["kind"] for row in rows if row["incident_id"] == lane["incident_id"]]
    assert [story.count(kind) for kind in ("urged", "transferred", "taken", "arrived", "handled")] == [1] * 5
    await clicks.case(LI, await _case(stage, lane), "close", move="close", reason_code="seen")

    crowd = await _opens(stage, CROWD, camera_id)
    await clicks.case(LI, crowd, "confirm", move="confirm", note="seen")
    assert len(await _tasks(stage, crowd)) == 1
    await clicks.case(LI, await _case(stage, crowd), "false_alarm", move="false_alarm", reason_code="shadow")
    fire = await _opens(stage, FIRE, camera_id)
    await clicks.case(LI, fire, "dispatch", move="dispatch")
    assert len(await _tasks(stage, fire)) == 1


async def _tasks(stage: Stage, incident: Row) -> list[Row]:
    return [row for row in await stage.rows(tasks) if row["incident_id"] == incident["incident_id"]]


async def _case(stage: Stage, incident: Row) -> Row:
    return next(row for row in await stage.rows(incidents) if row["incident_id"] == incident["incident_id"])


async def _task(stage: Stage, task: Row) -> Row:
    return next(row for row in await stage.rows(tasks) if row["task_id"] == task["task_id"])


async def test_what_several_ask_at_once_is_done_for_one_of_them(origins: Origins) -> None:
    """A case that many pages open, a key for two cases, and a task that two workers take."""
    stage = origins.stage
    crowd, fire = await _opens(stage, CROWD, "lane-east"), await _opens(stage, FIRE, "lane-east")
    await _is_claimed_once(origins, crowd)
    await _one_key_is_for_one_case(origins, crowd, fire)
    for hazard, camera_id in ((LANE, "lane-east"), (CROWD, "far-gate"), (FIRE, "far-gate")):
        case = await _opens(stage, hazard, camera_id)
        if case["state"] == "open":
            await stage.judge(LI, case["incident_id"], "dispatch", case["version"])
        [task] = await _tasks(stage, case)
        await _one_has_it_and_the_others_hear_who(origins, task)


async def _is_claimed_once(origins: Origins, case: Row) -> None:
    body = {"opened": [case["incident_id"]]}
    asked = [Asked(LI if number % 2 else CHEN, "/api/seat/claims", body) for number in range(AT_ONCE)]
    answers = await origins.at_once(*asked)
    assert {answer.status_code for answer in answers} == {200}
    (claim,) = await origins.stage.rows(case_claims)
    whose = {answer.json()["items"][0]["by"]["user_id"] for answer in answers}
    assert whose == {claim["user_id"]}, "everyone is told of the same one"


async def _one_key_is_for_one_case(origins: Origins, first: Row, second: Row) -> None:
    cases = [first["incident_id"], second["incident_id"]] * (AT_ONCE // 2)
    body = {"move": "confirm", "version": 1, "note": "seen", "idempotency_key": "the same for both"}
    answers = await origins.at_once(*(Asked(LI, f"/api/incidents/{case}/moves", body) for case in cases))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {200: AT_ONCE // 2, 422: AT_ONCE // 2}, [answer.text for answer in answers]
    assert sum([await _recorded(origins.stage, "incident.confirm", case) for case in set(cases)]) == 1


async def _one_has_it_and_the_others_hear_who(origins: Origins, task: Row) -> None:
    path, body = f"/api/tasks/{task['task_id']}/moves", {"move": "take", "version": task["version"]}
    asked = [WANG if at % 2 else ZHOU for at in range(AT_ONCE)]
    answers = await origins.at_once(*(Asked(who, path, body) for who in asked))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * (AT_ONCE - 1)
    has_it = (await _task(origins.stage, task))["worker_name"]
    refused = [(who, one.json()) for who, one in zip(asked, answers, strict=True) if one.status_code == 409]
    assert {(said["code"], said["taken_by"]) for _, said in refused} == {("conflict", has_it)}
    in_words = {said["detail"] for who, said in refused if who.name.title() != has_it}
    assert in_words == {f"{has_it} has taken this task"}
    assert await _recorded(origins.stage, "task.take", task["task_id"]) == 1


async def test_who_takes_a_moment_later_hears_who_has_it_too(stage: Stage, door: Door) -> None:
    await stage.take(raised())
    task = await stage.task()
    path, body = f"/api/tasks/{task['task_id']}/moves", {"move": "take", "version": task["version"]}
    async with door.client(WANG) as wang, door.client(ZHOU) as zhou:
        assert (await wang.post(path, json=body)).status_code == 200
        late = await zhou.post(path, json=body)
        assert (late.status_code, late.json()["taken_by"]) == (409, "Wang")
        other = await zhou.post(path, json={**body, "move": "arrive"})
        assert other.status_code == 404, "nothing else of a task that is somebody else's"
        newer = await zhou.post(path, json={**body, "version": 99})
        assert newer.status_code == 404, "no version that was ever shown to this worker"


@pytest.mark.parametrize(
    "changes",
    [{"disabled": True}, {"area_code": OTHER_GRID, "area_path": path_by_code(OTHER_GRID)}],
    ids=["disabled", "moved"],
)
async def test_what_is_asked_before_an_account_changes_is_not_done_after_it(
    stage: Stage, door: Door, changes: Row
) -> None:
    """The request is signed in; before it can write, the account is changed."""
    await stage.take(raised())
    task = await stage.task()
    worker = WANG if task["worker_id"] == WANG.user_id else ZHOU
    path, body = f"/api/tasks/{task['task_id']}/moves", {"move": "take", "version": task["version"]}
    async with door.client(worker) as client:
        async with stage.database.transaction() as conn:
            await people.change_user(conn, worker.user_id, at=stage.clock(), by="security", **changes)
            asked = asyncio.create_task(client.post(path, json=body))
            await _waits(stage, asked)
        answer = await asked
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")
    assert (await _task(stage, task))["state"] == "offered"
    assert await _recorded(stage, "task.take", task["task_id"]) == 0


async def _waits(stage: Stage, asked: asyncio.Task[httpx.Response]) -> None:
    """Until the request stands before a lock of this database; or has ended, which the test will judge."""
    give_up_at = system_mono() + 20
    while not asked.done():
        assert system_mono() < give_up_at, "the request waits for no lock"
        if stage.database.dialect == "sqlite":
            if stage.database._writer_lock._waiters:
                return
        else:
            async with stage.database.reading() as conn:
                blocked = text("select count(*) from pg_locks where not granted")
                if (await conn.execute(blocked)).scalar_one():
                    return
        await asyncio.sleep(0.01)
