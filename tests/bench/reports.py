"""A report of a month of 2.7 million alerts on PostgreSQL: what rolling it up costs, and how fast it is answered.

Its first days are written as the centre would have written them (`reports_bench/month.py`) and rolled up by the
centre's own steps, from the facts; the later ones have the same roll-ups once more, which a report cannot tell from
others. Reports are asked over the whole application, signed in, without a socket. Every commit is on disk. A time on a
machine where other things run says little; CPU seconds say what it costs.
"""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
from sqlalchemy import Table

from tests.bench.edge_bench.accounting import cpu_seconds
from tests.bench.figures import Figures
from tests.bench.ingest_bench.city import CITY, grid_codes, register
from tests.bench.ingest_bench.system import DATABASE, SERVER
from tests.bench.reports_bench.month import COPIED, days
from tests.support.centres import ORIGIN, PASSWORD, Clock, policy_table
from tests.support.databases import Postgres, running_postgres
from xueliang_central.administration import new_user
from xueliang_central.app import create_app
from xueliang_central.centre import Centre, Settings
from xueliang_central.reports import rolling
from xueliang_central.reports.tables import rollups
from xueliang_central.rights.scope import Role
from xueliang_central.routes.rates import Rates
from xueliang_central.running import centre_on
from xueliang_central.store.database import Database
from xueliang_central.store.metadata import JsonText, to_json

FIRST: Final = date(2026, 11, 1)
ROLLED_DAYS: Final = 6
AGAIN: Final = 4  # times: a month of thirty days
QUICK_DAYS: Final = 2
TIMES: Final = 15  # each report, after one that warms what a running centre has warm
_AS_THEY_COME: Final = 20_000  # rows a copy
# What is asked of which area, by how much of its code.
ASKED: Final = (
    ("city", 4, "none"),
    ("city_by_hazard", 4, "hazard"),
    ("city_by_shift", 4, "shift"),
    ("city_by_day", 4, "day"),
    ("city_by_county", 4, "area"),
    ("county_by_township", 6, "area"),
    ("village_by_grid", 12, "area"),
    ("grid", 15, "none"),
)
KEYS: Final = (
    "days",
    "alerts",
    "incidents",
    "rolled_up_incidents",
    *(f"{name}_{what}_ms" for name, _, _ in ASKED for what in ("p50", "max", "cpu")),
    "slowest_report_s",
    "rolling_up_s",
    "rolling_up_cpu_s",
    "rolling_up_postgres_cpu_s",
    "rolling_up_incidents_per_cpu_s",
    "one_incident_rolled_up_ms",
    "rollup_rows",
    "rollup_mb",
    "ledger_csv_rows_per_s",
    "ledger_xlsx_rows_per_s",
)


def measure(is_quick: bool, figures: Figures) -> None:
    """Fill in all keys; quick: two days."""
    rolled, again = (QUICK_DAYS, 0) if is_quick else (ROLLED_DAYS, AGAIN)
    with running_postgres(SERVER) as postgres, tempfile.TemporaryDirectory() as folder:
        postgres.execute(f"create database {DATABASE}")
        asyncio.run(_measured(postgres, Path(folder), rolled, again, figures))


async def _measured(postgres: Postgres, folder: Path, rolled: int, again: int, figures: Figures) -> None:
    database = await Database.open(postgres.url(DATABASE), wait_s=60)
    try:
        await database.migrate()
        await register(database, datetime.now(UTC))
        incidents, alerts = await _write(postgres, rolled)
        figures["days"], figures["rolled_up_incidents"] = rolled * (1 + again), incidents
        figures["incidents"], figures["alerts"] = incidents * (1 + again), alerts * (1 + again)
        await _roll_up(postgres, database, rolled, figures)
        await _one_more(database, figures)
        await _once_more(database, rolled, again)
        figures["rollup_rows"], stored = await _asked(
            postgres, "select count(*), pg_total_relation_size('rollups') from rollups"
        )
        figures["rollup_mb"] = stored / 1e6
        await _ask(postgres, await _centre(database, folder), rolled, again, figures)
    finally:
        await database.close()


async def _write(postgres: Postgres, total: int) -> tuple[int, int]:
    """Incidents and alerts written."""
    conn = await _connect(postgres)
    written = alerts = 0
    try:
        for day in days(FIRST, total, grid_codes()):
            for table, name in COPIED:
                await _copy(conn, table, getattr(day, name))
            written += len(day.incidents)
            alerts += sum(row["alert_count"] for row in day.incidents)
        await conn.execute("analyze")
    finally:
        await conn.close()
    print(f"{written} incidents of {alerts} alerts are written")
    return written, alerts


async def _copy(conn: Any, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    names = list(rows[0])
    as_text = {name for name in names if isinstance(table.c[name].type, JsonText)}
    for first in range(0, len(rows), _AS_THEY_COME):
        records = (
            tuple(to_json(row[name]) if name in as_text else row[name] for name in names)
            for row in rows[first : first + _AS_THEY_COME]
        )
        await conn.copy_records_to_table(table.name, records=records, columns=names)


async def _roll_up(postgres: Postgres, database: Database, total: int, figures: Figures) -> None:
    before = time.monotonic(), time.process_time(), cpu_seconds([postgres.pid])
    for number in range(total):
        day = FIRST + timedelta(days=number)
        async with database.transaction() as conn:
            await rolling.mark_days(conn, day, day)
        await _until_rolled_up(database)
    after = time.monotonic(), time.process_time(), cpu_seconds([postgres.pid])
    spent_s, own_s, server_s = (end - begin for begin, end in zip(before, after, strict=True))
    figures["rolling_up_s"], figures["rolling_up_cpu_s"], figures["rolling_up_postgres_cpu_s"] = (
        spent_s,
        own_s,
        server_s,
    )
    figures["rolling_up_incidents_per_cpu_s"] = (figures["rolled_up_incidents"] or 0) / (own_s + server_s)


async def _until_rolled_up(database: Database) -> None:
    while True:
        async with database.transaction() as conn:
            if not await rolling.compute(conn, datetime.now(UTC)):
                return


async def _one_more(database: Database, figures: Figures) -> None:
    """One incident has changed: its row and those above it."""
    async with database.transaction() as conn:
        await conn.exec_driver_sql("update incidents set close_reason = 'duplicate' where number = '000-00000'")
        await conn.exec_driver_sql(
            "insert into rollup_marks select 0, (opened_at at time zone 'Asia/Shanghai')::date, "
            "extract(hour from opened_at at time zone 'Asia/Shanghai')::int / 8, 'incidents', area_code "
            "from incidents where number = '000-00000'"
        )
    before = time.monotonic()
    await _until_rolled_up(database)
    figures["one_incident_rolled_up_ms"] = (time.monotonic() - before) * 1000


async def _once_more(database: Database, rolled: int, again: int) -> None:
    """The roll-ups of these days, on the days after them too."""
    others = ", ".join(column.name for column in rollups.columns if column.name != "day")
    for nth in range(1, again + 1):
        async with database.transaction() as conn:
            await conn.exec_driver_sql(
                f"insert into rollups (day, {others}) select day + {nth * rolled}, {others} "
                f"from rollups where day < date '{FIRST + timedelta(days=rolled)}'"
            )
    async with database.transaction() as conn:
        await conn.exec_driver_sql("analyze rollups")


async def _centre(database: Database, folder: Path) -> Centre:
    clock = Clock()
    centre = centre_on(database, Settings(folder), policy_table(), wall=clock.wall, mono=clock.mono)
    await centre.areas.refresh(database)
    await centre.health.ask()
    named = {"username": "chief", "display_name": "chief", "role": Role.SUPERVISOR.value, "area_code": CITY}
    await new_user(database, **named, password=PASSWORD, at=clock.at)
    return centre


def _cpu_s(postgres: Postgres) -> float:
    """Of this process and of PostgreSQL."""
    return time.process_time() + cpu_seconds([postgres.pid])


async def _ask(postgres: Postgres, centre: Centre, rolled: int, again: int, figures: Figures) -> None:
    mono = centre.mono
    app = create_app(centre, rates=Rates(mono, per_second=1e6, burst=1e6))
    transport = httpx.ASGITransport(app=app, client=("10.1.2.3", 4711))
    span = _span(rolled * (1 + again))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=120) as client:
        answer = await client.post("/api/session", json={"username": "chief", "password": PASSWORD})
        answer.raise_for_status()
        slowest_s = 0.0
        for name, digits, group in ASKED:
            asked = {**span, "area": grid_codes()[0][:digits], "group": group}
            before_s = _cpu_s(postgres)
            taken_s, shown = await _timed(client, "/api/reports/figures", asked, TIMES)
            figures[f"{name}_p50_ms"] = sorted(taken_s)[len(taken_s) // 2] * 1000
            figures[f"{name}_max_ms"] = max(taken_s) * 1000
            figures[f"{name}_cpu_ms"] = (_cpu_s(postgres) - before_s) * 1000 / (TIMES + 1)
            slowest_s = max(slowest_s, *taken_s)
            if name == "city":
                _must_be_whole(json.loads(shown), figures)
        figures["slowest_report_s"] = slowest_s
        for form in ("csv", "xlsx"):
            (taken,), content = await _timed(
                client, "/api/reports/ledger", {**_span(rolled), "why": "bench", "format": form}, 1, is_warm=True
            )
            rows = figures["rolled_up_incidents"] or 0
            figures[f"ledger_{form}_rows_per_s"] = rows / taken
            if form == "csv" and sum(1 for _ in io.BytesIO(content)) != rows + 1:
                raise RuntimeError("the ledger does not have a line for each incident")


def _span(total: int) -> dict[str, str]:
    return {"from": FIRST.isoformat(), "to": (FIRST + timedelta(days=total - 1)).isoformat()}


def _must_be_whole(shown: dict[str, Any], figures: Figures) -> None:
    """A fast answer that is wrong is no figure."""
    counts = shown["total"]["counts"]
    if not shown["freshness"]["is_current"] or (counts["alerts"], counts["incidents"]) != (
        figures["alerts"],
        figures["incidents"],
    ):
        raise RuntimeError(f"expected {figures['alerts']} alerts in {figures['incidents']} incidents, got {counts}")


async def _timed(
    client: httpx.AsyncClient, path: str, asked: dict[str, str], times: int, *, is_warm: bool = False
) -> tuple[list[float], bytes]:
    """Seconds of each, the first left out unless `is_warm`; and the last answer."""
    taken: list[float] = []
    content = b""
    for number in range(times + (not is_warm)):
        before = time.monotonic()
        answer = await client.get(path, params=asked)
        content = answer.raise_for_status().content
        if number or is_warm:
            taken.append(time.monotonic() - before)
    return taken, content


async def _asked(postgres: Postgres, query: str) -> Iterable[int]:
    conn = await _connect(postgres)
    try:
        return [int(value) for value in await conn.fetchrow(query)]
    finally:
        await conn.close()


async def _connect(postgres: Postgres) -> Any:
    return await asyncpg.connect(host=str(postgres.socket_dir), user=postgres.user, database=DATABASE)
