"""kill -9 between sending and recording: sent once more at most, under the same key, and never forgotten."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from sqlalchemy import update

from tests.integration.central.flow.stage import raised
from tests.integration.central.notices.conftest import City
from tests.integration.central.notices.sending_process import RULES
from tests.support.notice_targets import Asked, answer
from xueliang_central.notices.sending import CLAIM_SPARE_S, MAX_TRIES
from xueliang_central.notices.tables import notice_steps


async def test_a_worker_killed_while_it_sends_doubles_once_under_the_same_key(city: City, database_url: str) -> None:
    await city.stage.take(raised())
    process: asyncio.subprocess.Process | None = None

    def takes_it_and_kills_who_sent(number: int, _asked: Asked) -> bytes:
        """The target has taken the message; the answer never arrives."""
        if number == 1:
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
        return answer(200)

    city.target.behave = takes_it_and_kills_who_sent
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.integration.central.notices.sending_process",
        database_url,
        str(city.target.port),
        city.clock().isoformat(),
        cwd=Path.cwd(),
    )
    assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    assert await city.steps() == [(0, "wecom", "waiting", None)]
    async with city.worker(RULES) as worker:
        assert await city.later(worker, 5 + CLAIM_SPARE_S - 1) == []  # the claim still holds
        assert await city.later(worker, 1) == ["wecom"]
        assert await city.later(worker, 600) == []
    assert await city.steps() == [(0, "wecom", "sent", None)]
    keys = {asked.headers["idempotency-key"] for asked in city.target.asked}
    assert (len(city.target.asked), len(keys)) == (2, 1)


async def test_a_step_whose_every_try_killed_its_worker_is_a_dead_letter(city: City) -> None:
    await city.stage.take(raised())
    async with city.worker(RULES) as worker:
        await worker.climb()
        async with city.stage.database.transaction() as conn:
            await conn.execute(update(notice_steps).values(attempts=MAX_TRIES))
        assert await city.turn(worker) == []
    assert await city.steps() == [(0, "wecom", "dead", "never_recorded")]
