"""The noise board of a city after a month of 2.7 million alerts on PostgreSQL: how fast it is answered.

The rows that the worker keeps are written as it would have written them, from the incidents of
`reports_bench/month.py`, a tenth of the cameras making half of them. Of the alerts only those of the rules that are
shown are written: no others are read. Asked over the whole application, signed in, without a socket. On a machine where
other things run CPU seconds say what it costs, and a time says little.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import uuid
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
from sqlalchemy import func, insert, select, update

from tests.bench.figures import Figures
from tests.bench.ingest_bench.city import NODES, camera_ids_of, grid_codes, place_of, register
from tests.bench.ingest_bench.system import DATABASE, SERVER
from tests.bench.reports import _centre, _connect, _copy, _cpu_s, _timed
from tests.bench.reports_bench.month import days
from tests.support.centres import ORIGIN, PASSWORD
from tests.support.databases import Postgres, running_postgres
from tests.support.rows import filled
from xueliang_central.app import create_app
from xueliang_central.areas.tree import path_by_code
from xueliang_central.centre import Centre
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.incidents.tables import alerts, incidents
from xueliang_central.noise.tables import noise_cases, noise_rules
from xueliang_central.routes.rates import Rates
from xueliang_central.store.database import Database

DAYS: Final = 30
QUICK_DAYS: Final = 2
TIMES: Final = 7
ASKED: Final = (
    ("city_month", 4, "month"),
    ("city_week", 4, "week"),
    ("county_month", 6, "month"),
    ("grid_month", 15, "month"),
)
KEYS: Final = (
    "days",
    "incidents",
    "alerts",
    "noise_rows",
    "rules_in_force",
    *(f"{name}_{what}_ms" for name, _, _ in ASKED for what in ("p50", "max", "cpu")),
)
_JUDGED: Final = {"false_alarm": "false_alarm", "permitted": "permitted", "ended_by_itself": "unjudged"}
_GRIDS: Final = grid_codes()
_NOISY: Final = 10  # one camera in so many makes half of the incidents
Row = dict[str, Any]


def measure(is_quick: bool, figures: Figures) -> None:
    """Fill in all keys; quick: two days."""
    with running_postgres(SERVER) as postgres, tempfile.TemporaryDirectory() as folder:
        postgres.execute(f"create database {DATABASE}")
        asyncio.run(_measured(postgres, Path(folder), QUICK_DAYS if is_quick else DAYS, figures))


async def _measured(postgres: Postgres, folder: Path, total: int, figures: Figures) -> None:
    database = await Database.open(postgres.url(DATABASE), wait_s=60)
    try:
        await database.migrate()
        now = datetime.now(UTC)
        await register(database, now)
        await _write(postgres, total, now, figures)
        await _rules(postgres, database, now)
        async with database.reading() as conn:
            figures["noise_rows"] = (await conn.execute(select(func.count()).select_from(noise_cases))).scalar_one()
            figures["rules_in_force"] = (await conn.execute(select(func.count()).select_from(noise_rules))).scalar_one()
        centre = await _centre(database, folder)
        centre.wall.__self__.at = now  # type: ignore[attr-defined]
        await _ask(postgres, database, centre, figures)
    finally:
        await database.close()


async def _write(postgres: Postgres, total: int, now: datetime, figures: Figures) -> None:
    """A row for each incident, of one rule or two of a camera of its grid."""
    dice = random.Random(7)
    cameras_of: dict[str, list[str]] = {}
    for node in range(NODES):
        for number in range(len(camera_ids_of(node))):
            camera_id, grid = place_of(node, number, _GRIDS)
            cameras_of.setdefault(grid, []).append(camera_id)
    first = (now - timedelta(days=total - 1)).date()
    conn = await _connect(postgres)
    written = raised = 0
    try:
        for day in days(date(first.year, first.month, first.day), total, sorted(cameras_of)):
            rows: list[Row] = []
            for case in day.incidents:
                its = cameras_of[case["area_code"]]
                noisy = its[: max(1, len(its) // _NOISY)]
                camera_id = dice.choice(noisy if dice.random() < 0.5 else its)
                rules = ("lane", "exit")[: 1 + (dice.random() < 0.2)]
                rows += [_row(case, camera_id, rule_id) for rule_id in rules]
            await _copy(conn, noise_cases, rows)
            await _copy(conn, incidents, day.incidents)
            written, raised = written + len(day.incidents), raised + sum(one["alert_count"] for one in day.incidents)
        await conn.execute("analyze")
    finally:
        await conn.close()
    figures["days"], figures["incidents"], figures["alerts"] = total, written, raised


def _row(case: Row, camera_id: str, rule_id: str) -> Row:
    return {
        "incident_id": case["incident_id"],
        "camera_id": camera_id,
        "rule_id": rule_id,
        "area_path": case["area_path"],
        "hazard": case["hazard"],
        "opened_at": case["opened_at"],
        "judged": _JUDGED.get(case["close_reason"], "true_hazard"),
        "alerts": case["alert_count"],
        "peak": min(case["alert_count"], 40),
        "last_raised_at": case["opened_at"] + timedelta(hours=1),
    }


async def _rules(postgres: Postgres, database: Database, now: datetime) -> None:
    """Two rules at every camera, all of them sending; a third at each, which nothing raises."""
    ids = [camera_id for node in range(NODES) for camera_id in camera_ids_of(node)]
    plain = {"hazard": "fire_lane_obstruction", "shadow": False, "scheduled": False, "content": "x"}
    since = now - timedelta(days=90)
    rules = [
        {"camera_id": one, "rule_id": rule, **plain, "since": since}
        for one in ids
        for rule in ("lane", "exit", "quiet")
    ]
    states = [
        filled(camera_states, camera_id=one, node_id=f"edge-{number // 16:04d}", state="streaming")
        for number, one in enumerate(ids)
    ]
    conn = await _connect(postgres)
    try:
        await _copy(conn, noise_rules, rules)
        await _copy(conn, camera_states, states)
    finally:
        await conn.close()
    async with database.transaction() as held:
        await held.execute(update(nodes).values(state="online"))
        await held.exec_driver_sql("analyze")


async def _ask(postgres: Postgres, database: Database, centre: Centre, figures: Figures) -> None:
    app = create_app(centre, rates=Rates(centre.mono, per_second=1e6, burst=1e6))
    transport = httpx.ASGITransport(app=app, client=("10.1.2.3", 4711))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, timeout=120) as client:
        answer = await client.post("/api/session", json={"username": "chief", "password": PASSWORD})
        answer.raise_for_status()
        for name, digits, span in ASKED:
            asked = {"area": _GRIDS[0][:digits], "span": span}
            shown = (await client.get("/api/noise", params=asked)).raise_for_status().json()
            await _alerts_of(database, shown)
            before_s = _cpu_s(postgres)
            taken_s, _ = await _timed(client, "/api/noise", asked, TIMES)
            figures[f"{name}_p50_ms"] = sorted(taken_s)[len(taken_s) // 2] * 1000
            figures[f"{name}_max_ms"] = max(taken_s) * 1000
            figures[f"{name}_cpu_ms"] = (_cpu_s(postgres) - before_s) * 1000 / (TIMES + 1)


async def _alerts_of(database: Database, shown: Row) -> None:
    """The alerts of the rules that this board shows, which it reads."""
    cameras = {row["camera_id"] for row in (*shown["rules"], *shown["flapping"])}
    its = noise_cases.c
    async with database.transaction() as conn:
        known = set((await conn.execute(select(alerts.c.incident_id).distinct())).scalars())
        found = await conn.execute(select(noise_cases).where(its.camera_id.in_(cameras)))
        rows = [
            filled(
                alerts,
                alert_id=str(uuid.uuid4()),
                incident_id=row["incident_id"],
                camera_id=row["camera_id"],
                rule_id=row["rule_id"],
                hazard=row["hazard"],
                area_path=path_by_code(_GRIDS[0]),
                began_at=row["opened_at"] + timedelta(seconds=90 * number),
                ended_at=row["opened_at"] + timedelta(seconds=90 * number + 70),
                end_reason="seen_clear",
                drill=False,
            )
            for row in found.mappings()
            if row["incident_id"] not in known
            for number in range(row["alerts"])
        ]
        for first in range(0, len(rows), 2_000):
            await conn.execute(insert(alerts), rows[first : first + 2_000])
