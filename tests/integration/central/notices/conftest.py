"""The small city with channels: a worker process's worth of the centre, its clock moved by hand."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert

from tests.integration.central.flow.stage import PEOPLE, POLICIES, HandClock, Stage, build
from tests.support.notice_targets import Asked, HttpTarget, config, http_target
from xueliang_alerts.clocks import system_mono
from xueliang_central.centre import Settings
from xueliang_central.notices.tables import contacts, notice_steps, notices
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_central.worker import Worker
from xueliang_configs.notices import NoticesConfig
from xueliang_configs.policies import PolicyTable

ORIGIN = "https://centre.example"
LADDER = [
    {"channel": "wecom", "after_s": 0},
    {"channel": "sms", "after_s": 60},
    {"channel": "voice", "after_s": 120},
]
CHANNELS = ("wecom", "sms", "voice")


@dataclass
class City:
    """The flow, one worker that sends, and one HTTP target behind all of its channels (/wecom, /sms, /voice)."""

    stage: Stage
    clock: HandClock
    target: HttpTarget
    data_dir: Path

    def channels(self) -> NoticesConfig:
        made = {name: {"kind": "http", "url": f"{self.target.url}/{name}"} for name in CHANNELS}
        return config(made, deadline_s=5)

    @asynccontextmanager
    async def worker(self, rules: dict[str, Any] | None = None, **more: Any) -> AsyncIterator[Worker]:
        table = PolicyTable.model_validate(
            {**POLICIES, "notices": {"ladders": [{"steps": LADDER}], **(rules or {})} if rules != {} else {}}
        )
        chosen = more.pop("channels", None) or self.channels()
        settings = Settings(self.data_dir, link_origin=ORIGIN, notices=chosen)
        made = Worker(centre_on(self.stage.database, settings, table, wall=self.clock, mono=system_mono))
        try:
            yield made
        finally:
            await made.stop()

    async def reach(self, user_id: str, *channels: str) -> None:
        async with self.stage.database.transaction() as conn:
            await conn.execute(delete(contacts).where(contacts.c.user_id == user_id))
            for channel in channels:
                row = {"user_id": user_id, "channel": channel, "address": f"to-{channel}"}
                await conn.execute(insert(contacts).values(**row, changed_at=self.clock(), changed_by="test"))

    async def turn(self, worker: Worker) -> list[str]:
        """All that a worker does about notices at this moment; the paths that were asked meanwhile."""
        before = len(self.target.asked)
        while await worker.climb():
            pass
        while await worker.sender.look():
            await worker.sender.idle()
        return [asked.path.strip("/") for asked in self.target.asked[before:]]

    async def later(self, worker: Worker, seconds: float) -> list[str]:
        self.clock.forward(seconds)
        return await self.turn(worker)

    async def notice(self) -> dict[str, Any]:
        [row] = await self.stage.rows(notices)
        return row

    async def steps(self) -> list[tuple[int, str, str, str | None]]:
        rows = sorted(
            await self.stage.rows(notice_steps), key=lambda row: (row["made_at"], row["notice_id"], row["step"])
        )
        return [(row["step"], row["channel"], row["state"], row["reason"]) for row in rows]


def said(asked: Asked) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(asked.body)
    return body


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def city(database: Database, clock: HandClock, tmp_path: Path) -> AsyncIterator[City]:
    async with http_target() as target:
        made = City(await build(database, clock), clock, target, tmp_path)
        for person in PEOPLE:
            await made.reach(person.user_id, *CHANNELS)
        yield made
