"""What a running centre does every few seconds beside everything else, and what happens when a step of it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.centres import TestCentre
from xueliang_central import running as running_module
from xueliang_central.areas.tree import AreaBook
from xueliang_central.errors import DatabaseUnavailable
from xueliang_central.running import Running, lifespan_of
from xueliang_central.store.database import Database


class BrokenAreas(AreaBook):
    """Can be read at the start; from then on what `problem` says."""

    def __init__(self) -> None:
        super().__init__()
        self.problem: Exception | None = None

    async def refresh(self, database: Database) -> bool:
        if self.problem is not None:
            raise self.problem
        return await super().refresh(database)


async def until(condition: Callable[[], bool], what: str) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
    assert condition(), what


async def test_an_unexpected_fault_in_one_step_is_said_once_counted_and_ends_nothing(
    centre: TestCentre, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(running_module, "AREAS_ASK_EVERY_S", 0.01)
    monkeypatch.setattr(running_module, "FORGET_EVERY_S", 0.0)  # every time, so that it is seen to go on
    areas = BrokenAreas()
    watched = replace(centre.centre, areas=areas)
    forgot = 0

    async def forget(*_: object) -> None:
        nonlocal forgot
        forgot += 1

    monkeypatch.setattr(running_module, "forget_old", forget)
    running = Running(watched, list)

    def said() -> list[str]:
        return [item.why for item in watched.health.waiting_for if item.what == "housekeeping"]

    def logged(level: int) -> int:
        return sum(record.name == running_module.__name__ and record.levelno == level for record in caplog.records)

    async with lifespan_of(running):
        async with asyncio.timeout(20):
            await running.ready.wait()
        areas.problem = KeyError("a defect of ours")
        await until(lambda: running.counts["areas_failed"] >= 3, "it goes on")
        before = forgot
        await until(lambda: forgot > before + 2, "the other step goes on")
        assert said() == ["areas: failed, see the log"]
        assert logged(logging.ERROR) == 1, "said once, then counted"
        areas.problem = DatabaseUnavailable("the database is away")
        await until(lambda: running.counts["areas_waited"] >= 1, "what may pass is waited for")
        await until(lambda: not said(), "what only waits has not failed")
        areas.problem = None
        await until(lambda: not said(), "it is well again")
