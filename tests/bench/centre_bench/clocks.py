"""How late limits pass while ten thousand run: a worker process of the centre over PostgreSQL.

Every incident has a judge clock; they come due evenly, so that most of them only lie there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from tests.bench.centre_bench.stored import Past, make_past
from tests.bench.ingest_bench.system import System
from xueliang_alerts.clocks import Wall
from xueliang_central.store.database import Database

OPEN: Final = 10_000
PER_S: Final = 20.0  # a city's 6,000 incidents a day are 0.07 a second
_FIRST_AFTER_S: Final = 12.0  # the worker has started by then
_SPARE_S: Final = 8.0
_CLOCKS = """
insert into clocks (
  clock_id, incident_id, kind, limit_s, started_at, due_at, next_due_at, escalation_levels, escalate_every_s,
  escalated_steps)
select gen_random_uuid()::text, incident_id, 'judge', 60, :now ::timestamptz, due, due, '["village", "county"]', 3600, 0
from (
  select incident_id, :first ::timestamptz + (row_number() over (order by incident_id)) * interval '1 s' / :per_s as due
  from incidents) i
"""
_LATE = """
select extract(epoch from fired_at - due_at) from escalations where due_at between :first and :last order by 1
"""


@dataclass(frozen=True, slots=True)
class Fired:
    """`due`: clocks that came due in the time that was watched. `late_s`: of those that fired, ascending."""

    open: int
    due: int
    late_s: tuple[float, ...]


async def put_clocks(database: Database, wall: Wall, total: int) -> datetime:
    """That many open incidents, each with a clock; when the first of them is due."""
    await make_past(database, Past(0, total, 1), wall())
    first = wall() + timedelta(seconds=_FIRST_AFTER_S)
    async with database.transaction() as conn:
        await conn.execute(text(_CLOCKS), {"now": wall(), "first": first, "per_s": PER_S})
    return first


def wait_for(system: System, first: datetime, wall: Wall, seconds: float) -> None:
    """Until all that is due within `seconds` of the first has had time to fire. Raises RuntimeError: it has ended."""
    until = first + timedelta(seconds=seconds + _SPARE_S)
    while wall() < until:
        system.must_run()
        time.sleep(0.5)


async def fired(database: Database, first: datetime, seconds: float) -> Fired:
    span = {"first": first, "last": first + timedelta(seconds=seconds)}
    async with database.reading() as conn:
        late = (await conn.execute(text(_LATE), span)).scalars().all()
        due = await conn.execute(text("select count(*) from clocks where due_at between :first and :last"), span)
        total = await conn.execute(text("select count(*) from clocks"))
        return Fired(total.scalar_one(), due.scalar_one(), tuple(float(one) for one in late))
