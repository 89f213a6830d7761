"""Other systems are told of incidents by signed HTTP: against a real server on loopback, the clock moved by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from tests.integration.central.flow.stage import (
    CITY,
    GRID,
    LI,
    OTHER_GRID,
    VILLAGE,
    HandClock,
    Stage,
    build,
    raised,
)
from tests.support.notice_targets import Asked, HttpTarget, answer, config, http_target
from xueliang_alerts.contract import Hazard
from xueliang_central.audit.tables import audit_records
from xueliang_central.errors import Conflict, MoveRefused
from xueliang_central.intake.signing import FILE_NAME
from xueliang_central.notices.targets import Targets
from xueliang_central.store.database import Database
from xueliang_central.telling_others import (
    end_webhook,
    new_webhook,
    renew_webhook,
    webhook_again,
    webhooks_told,
)
from xueliang_central.webhooks.tables import webhook_dead_letters, webhooks
from xueliang_central.webhooks.telling import Teller

Behave = Callable[[int, Asked], bytes | None]
OK = answer(200)


class Telling:
    """The flow, a worker's teller, and one receiver."""

    def __init__(self, stage: Stage, target: HttpTarget, folder: Path, private: bool = True) -> None:
        self.stage, self.target, self.key_path = stage, target, folder / FILE_NAME
        self.targets = Targets(config({}).private_targets if private else ())
        self.teller = self.worker()
        self.sent = 0

    def worker(self) -> Teller:
        return Teller(self.stage.database, self.stage.clock, self.targets, self.key_path, deadline_s=2)

    async def hook(self, webhook_id: str = "city-platform", area: str = CITY, path: str = "/hook?token=hunter2") -> str:
        """Its key."""
        url = f"{self.target.url}{path}"
        lines = await new_webhook(
            self.stage.database, self.key_path, webhook_id=webhook_id, area_code=area, url=url, at=self.stage.clock()
        )
        return lines[-1]

    async def happen(self, **more: Any) -> None:
        self.sent += 1
        await self.stage.take(raised(self.sent, began_at=self.stage.clock(), **more))

    async def look(self) -> None:
        await self.teller.look()
        await self.teller.settle()

    @property
    def told(self) -> list[dict[str, Any]]:
        return [json.loads(asked.body) for asked in self.target.asked]


@asynccontextmanager
async def telling(
    database: Database, folder: Path, behave: Behave = lambda _n, _a: OK, **more: Any
) -> AsyncIterator[Telling]:
    async with http_target(behave) as target:
        made = Telling(await build(database, HandClock()), target, folder, **more)
        try:
            yield made
        finally:
            await made.teller.close()


async def test_what_happens_is_told_in_order_once_and_without_pictures_or_names(
    database: Database, tmp_path: Path
) -> None:
    async with telling(database, tmp_path) as it:
        await it.happen()
        await it.hook()  # what was before it is not told
        incident = await it.stage.one_incident()
        await it.stage.judge(LI, incident["incident_id"], "false_alarm", incident["version"], note="seen by hunter2")
        await it.look()
        await it.look()
        assert [told["incident"]["state"] for told in it.told] == ["closed"]
        (told,), (asked,) = it.told, it.target.asked
        assert told["delivery_id"] == asked.headers["idempotency-key"]
        assert (told["kind"], told["incident"]["close_reason"]) == ("incident.changed", "false_alarm")
        assert told["incident"]["area"]["code"] == GRID
        text = asked.body.decode()
        for never in ("camera", "lane-east", "hunter2", "picture", "worker", "reason_text"):
            assert never not in text.replace("close_reason", ""), never
        versions = [one["incident"]["version"] for one in it.told]
        assert versions == sorted(versions)


async def test_each_is_told_of_its_own_area_alone(database: Database, tmp_path: Path) -> None:
    async with telling(database, tmp_path) as it:
        await it.hook("here", GRID, "/here")
        await it.hook("there", OTHER_GRID, "/there")
        await it.happen(camera_id="other-gate", hazard=Hazard.CROWD)
        await it.look()
        assert {asked.path for asked in it.target.asked} == {"/there"}
        rows = await it.stage.rows(webhooks)
        assert len({row["event_id"] for row in rows}) == 1, "who has nothing to hear has read on as well"


async def test_a_receiver_that_fails_is_asked_again_later_with_the_same_id_and_nothing_overtakes(
    database: Database, tmp_path: Path
) -> None:
    async with telling(database, tmp_path, lambda number, _a: answer(503) if number < 3 else OK) as it:
        await it.hook()
        await it.happen()
        await it.stage.take(raised(9, camera_id="other-gate", hazard=Hazard.CROWD, began_at=it.stage.clock()))
        await it.look()
        await it.look()
        assert len(it.target.asked) == 1, "not before its time"
        it.stage.clock.forward(5)
        await it.look()
        it.stage.clock.forward(5)
        await it.look()
        assert len(it.target.asked) == 2, "the second pause is longer"
        it.stage.clock.forward(5)
        await it.look()
        ids = [told["delivery_id"] for told in it.told]
        assert ids[0] == ids[1] == ids[2]
        assert len(set(ids[2:])) == len(ids[2:]) > 1
        times = [int(asked.headers["x-xueliang-time"]) for asked in it.target.asked]
        assert times[:3] == [times[0], times[0] + 5, times[0] + 15], "each try is signed anew"


async def test_a_receiver_that_hangs_delays_no_other(database: Database, tmp_path: Path) -> None:
    def behave(_number: int, asked: Asked) -> bytes | None:
        return None if asked.path == "/hangs" else OK

    async with telling(database, tmp_path, behave) as it:
        await it.hook("hangs", path="/hangs")
        await it.hook("well", path="/well")
        await it.happen()
        await it.teller.look()
        async with asyncio.timeout(30):
            while "/well" not in {asked.path for asked in it.target.asked}:
                await asyncio.sleep(0.01)
        await it.teller.settle()
        rows = {row["webhook_id"]: row for row in await it.stage.rows(webhooks)}
        assert (rows["hangs"]["last_error"], rows["well"]["last_error"]) == ("timeout", None)


async def test_what_is_refused_or_a_day_old_is_a_dead_letter_and_can_be_told_again(
    database: Database, tmp_path: Path
) -> None:
    state = {"answer": answer(410)}
    async with telling(database, tmp_path, lambda _n, _a: state["answer"]) as it:
        await it.hook()
        await it.happen()
        await it.look()
        dead = await it.stage.rows(webhook_dead_letters)
        assert [row["reason"] for row in dead] == ["http_410"]
        state["answer"] = answer(500)
        await it.stage.take(raised(9, camera_id="other-gate", hazard=Hazard.CROWD, began_at=it.stage.clock()))
        await it.look()
        assert len(await it.stage.rows(webhook_dead_letters)) == 1
        it.stage.clock.forward(timedelta(hours=24).total_seconds())
        await it.look()
        assert len(await it.stage.rows(webhook_dead_letters)) > 1
        (line,) = await webhooks_told(database)
        assert "dead letters" in line
        assert "hunter2" not in line
        state["answer"] = OK
        before = len(it.target.asked)
        await webhook_again(database, webhook_id="city-platform", at=it.stage.clock())
        await it.look()
        again = [told["delivery_id"] for told in it.told[before:]]
        assert again == list(dict.fromkeys(told["delivery_id"] for told in it.told)), "the same ids, in order"
        assert await it.stage.rows(webhook_dead_letters) == []


async def test_a_private_address_is_never_asked_unless_it_is_allowed(database: Database, tmp_path: Path) -> None:
    async with telling(database, tmp_path, private=False) as it:
        await it.hook()
        await it.happen()
        await it.look()
        assert it.target.connections == 0
        assert {row["reason"] for row in await it.stage.rows(webhook_dead_letters)} == {"forbidden_address"}


async def test_two_workers_tell_an_event_once(database: Database, tmp_path: Path) -> None:
    async with telling(database, tmp_path) as it:
        await it.hook()
        await it.happen()
        other = it.worker()
        await asyncio.gather(it.look(), other.look())
        await other.settle()
        await it.look()
        ids = [told["delivery_id"] for told in it.told]
        assert len(ids) == len(set(ids)) > 0


async def test_a_worker_killed_while_it_told_is_followed_by_one_that_tells_again(
    database: Database, tmp_path: Path
) -> None:
    async with telling(database, tmp_path, lambda number, _a: None if number == 1 else OK) as it:
        await it.hook()
        await it.happen()
        await it.teller.look()
        async with asyncio.timeout(30):
            while not it.target.asked:
                await asyncio.sleep(0.01)
        await it.teller.close()  # what the receiver made of it, nobody knows
        it.teller = it.worker()
        await it.look()
        assert len(it.target.asked) == 1, "the claim holds for its time"
        it.stage.clock.forward(12)
        await it.look()
        assert it.told[0]["delivery_id"] == it.told[1]["delivery_id"]
        assert it.target.asked[0].body == it.target.asked[1].body


async def test_without_the_intake_key_it_waits_and_loses_nothing(database: Database, tmp_path: Path) -> None:
    async with telling(database, tmp_path) as it:
        await it.hook()
        kept = it.key_path.rename(tmp_path / "kept")
        await it.happen()
        await it.look()
        assert it.told == []
        kept.rename(it.key_path)
        await it.look()
        assert it.told != []


async def test_who_is_told_is_registered_audited_and_ended(database: Database, tmp_path: Path) -> None:
    async with telling(database, tmp_path) as it:
        first = await it.hook()
        with pytest.raises(Conflict):
            await it.hook()
        at = it.stage.clock()
        second = (await renew_webhook(database, it.key_path, webhook_id="city-platform", at=at))[-1]
        assert first != second
        await end_webhook(database, webhook_id="city-platform", at=at)
        with pytest.raises(MoveRefused, match="there is no webhook"):
            await end_webhook(database, webhook_id="city-platform", at=at)
        async with database.reading() as conn:
            found = await conn.execute(select(audit_records.c.action).order_by(audit_records.c.position))
            assert list(found.scalars())[-3:] == ["webhook.added", "webhook.key_renewed", "webhook.removed"]
        it.stage.clock.forward(60)
        assert await it.hook() not in {first, second}, "the key of one that was removed is never given again"


@pytest.mark.parametrize(
    "url", ["ftp://x/y", "https://", "https://u:hunter2@x/", "https://x/ y", "https://x/#y", "https://x:99999/", "x"]
)
async def test_an_address_that_is_none_is_refused_and_not_repeated(
    database: Database, tmp_path: Path, url: str
) -> None:
    stage = await build(database, HandClock())
    with pytest.raises(MoveRefused) as refused:
        await new_webhook(database, tmp_path / FILE_NAME, webhook_id="x", area_code=VILLAGE, url=url, at=stage.clock())
    assert "hunter2" not in str(refused.value)
