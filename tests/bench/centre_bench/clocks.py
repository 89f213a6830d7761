"""How late limits pass while ten thousand run: a worker process of the centre over PostgreSQL.

Every incident has a judge clock. Some come due evenly, then many within one second, then as many again while the worker
is killed and started anew; most of them only lie there.
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
AT_ONCE: Final = 500  # due within one second, twice
_SPARE_S: Final = 8.0
_STARTS_S: Final = 20.0  # until a new worker has fired what was due when the last one was killed
_CLOCKS = """
insert into clocks (
  clock_id, incident_id, kind, limit_s, started_at, due_at, next_due_at, escalation_levels, escalate_every_s,
  escalated_steps)
select gen_random_uuid()::text, incident_id, 'judge', 60, :now ::timestamptz, due, due, '["village", "county"]', 3600, 0
from (
  select incident_id, :first ::timestamptz + interval '1 s' * case
    when n <= evenly then n / per_s
    when n <= evenly + at_once then crowd_s + (n - evenly) / at_once
    when n <= evenly + 2 * at_once then killed_s + (n - evenly - at_once) / at_once
    else 86400 end as due
  from (select incident_id, (row_number() over (order by incident_id))::float8 as n from incidents) numbered
  cross join (
    select :evenly ::float8 as evenly, :per_s ::float8 as per_s, :at_once ::float8 as at_once,
      :crowd_s ::float8 as crowd_s, :killed_s ::float8 as killed_s) plan) i
"""
_LATE = """
select extract(epoch from fired_at - due_at) from escalations where due_at > :first and due_at <= :last order by 1
"""
_DUE = "select count(*) from clocks where due_at > :first and due_at <= :last"
_TWICE = "select count(*) - count(distinct incident_id) from incident_timeline where kind = 'limit_passed'"


@dataclass(frozen=True, slots=True)
class Plan:
    """When what is due: evenly from `first` for so many seconds, then a crowd, then one during which it is killed."""

    first: datetime
    evenly_s: float

    @property
    def crowd(self) -> datetime:
        return self.first + timedelta(seconds=self.evenly_s + _SPARE_S)

    @property
    def killed(self) -> datetime:
        return self.crowd + timedelta(seconds=_SPARE_S)


@dataclass(frozen=True, slots=True)
class Fired:
    """`due`: clocks that came due in the time that was watched. `late_s`: of those that fired, ascending."""

    due: int
    late_s: tuple[float, ...]


async def put_clocks(database: Database, wall: Wall, total: int, evenly_s: float) -> Plan:
    """That many open incidents, each with a clock."""
    await make_past(database, Past(0, total, 1), wall())
    plan = Plan(wall() + timedelta(seconds=_FIRST_AFTER_S), evenly_s)
    spread = {"evenly": PER_S * evenly_s, "per_s": PER_S, "at_once": float(AT_ONCE)}
    moments = (("crowd_s", plan.crowd), ("killed_s", plan.killed))
    after_s = {name: (at - plan.first).total_seconds() for name, at in moments}
    async with database.transaction() as conn:
        await conn.execute(text(_CLOCKS), {"now": wall(), "first": plan.first} | spread | after_s)
    return plan


def run_worker(system: System, plan: Plan, wall: Wall) -> None:
    """Until all that is due has had time to fire; killed in the middle of the last second. Raises RuntimeError."""
    system.start_worker()
    _wait(system, plan.killed + timedelta(seconds=0.5), wall)
    system.kill_worker()
    system.start_worker()
    _wait(system, plan.killed + timedelta(seconds=_STARTS_S), wall)


def _wait(system: System, until: datetime, wall: Wall) -> None:
    while (left_s := (until - wall()).total_seconds()) > 0:
        system.must_run()
        time.sleep(min(0.5, left_s))


async def fired(database: Database, first: datetime, seconds: float) -> Fired:
    """What was due within so many seconds of `first`."""
    span = {"first": first, "last": first + timedelta(seconds=seconds)}
    async with database.reading() as conn:
        late = (await conn.execute(text(_LATE), span)).scalars().all()
        due = (await conn.execute(text(_DUE), span)).scalar_one()
    return Fired(due, tuple(float(one) for one in late))


async def passed_twice(database: Database) -> int:
    """How often a limit is said to have passed that had passed before; every incident has one."""
    async with database.reading() as conn:
        total: int = (await conn.execute(text(_TWICE))).scalar_one()
        return total
