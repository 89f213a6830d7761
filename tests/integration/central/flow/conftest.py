"""The small city, on both databases."""

from __future__ import annotations

import pytest

from tests.integration.central.flow.stage import HandClock, Stage, build
from xueliang_central.store.database import Database


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    return await build(database, clock)
