"""Reports over HTTP: the figures and the ledger, whose areas, which days, what is recorded and what is refused."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from typing import Any

import openpyxl
import pytest
from sqlalchemy import insert, select

from tests.support import city
from tests.support.centres import START, TestCentre
from tests.support.rows import add_incident
from xueliang_central.areas.tree import parent_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.reports.facts import COUNTS
from xueliang_central.reports.histograms import one, pack
from xueliang_central.reports.tables import rollups
from xueliang_central.rights.scope import Role
from xueliang_central.routes import reports

DAY = date(2026, 11, 23)
PAGE = "/api/reports/figures"
LEDGER = "/api/reports/ledger"


async def roll_up(centre: TestCentre, code: str, *, day: date = DAY, shift: int = 1, **counts: Any) -> None:
    """What a roll-up of one area would hold, in it and in all above it."""
    steps = counts.pop("steps", {})
    durations = pack(sum(one(step, seconds) for step, all_s in steps.items() for seconds in all_s))
    named = {"day": day, "shift": shift, "hazard": counts.pop("hazard", "crowd"), "drill": False, "part": "incidents"}
    row = {**named, **dict.fromkeys(COUNTS, 0), **counts, "durations": durations}
    above: str | None = code
    async with centre.database.transaction() as conn:
        while above is not None:
            await conn.execute(insert(rollups), {**row, "area_code": above, "parent_code": parent_code(above)})
            above = parent_code(above)


async def test_figures_of_a_county_by_its_townships(centre: TestCentre) -> None:
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    steps = {"taken": [10, 20, 400]}
    await roll_up(centre, city.GRID, incidents=4, alerts=9, true_hazard=2, false_alarm=1, take_on_time=3, steps=steps)
    await roll_up(centre, city.NORTH, shift=2, incidents=1, alerts=1, unjudged=1, take_late=1)
    await roll_up(centre, city.EAST_GRID, day=DAY - timedelta(days=1), incidents=50)
    async with centre.signed_in("chief") as client:
        answer = (await client.get(PAGE, params={"group": "area"})).json()
        by_shift = (await client.get(PAGE, params={"group": "shift", "area": city.SOUTH})).json()
    assert (answer["area"]["code"], answer["from"], answer["to"]) == (city.WEST, "2026-10-25", "2026-11-23")
    total = answer["total"]
    assert total["counts"]["incidents"] == 5
    assert total["rates"]["take_on_time"] == {"numerator": 3, "denominator": 4, "value": 0.75}
    assert total["rates"]["false_alarm"] == {"numerator": 1, "denominator": 3, "value": pytest.approx(1 / 3)}
    assert total["rates"]["reopened"] == {"numerator": 0, "denominator": 0, "value": None}
    assert total["steps"]["taken"]["n"] == 3
    assert total["steps"]["taken"]["p50_s"] == pytest.approx(20, rel=answer["percentile_error"]["relative"])
    assert total["steps"]["taken"]["p90_s"] == pytest.approx(400, rel=answer["percentile_error"]["relative"])
    assert total["steps"]["arrived"] == {"since": "dispatched", "n": 0, "p50_s": None, "p90_s": None}
    assert [(group["key"], group["counts"]["incidents"]) for group in answer["groups"]] == [
        (city.SOUTH, 4),
        (city.NORTH, 1),
    ]
    assert [group["key"] for group in by_shift["groups"]] == ["day"]


async def test_nobody_sees_figures_of_other_areas(centre: TestCentre) -> None:
    await roll_up(centre, city.EAST_GRID, incidents=1)
    await centre.add_user("south", Role.OPERATOR, city.SOUTH)
    await centre.add_user("worker", Role.WORKER, city.SOUTH)
    async with centre.signed_in("south") as client:
        foreign = await client.get(PAGE, params={"area": city.EAST})
        missing = await client.get(PAGE, params={"area": "370199"})
        above = await client.get(PAGE, params={"area": city.CITY})
        own = await client.get(PAGE)
    assert [one_.status_code for one_ in (foreign, missing, above, own)] == [404, 404, 404, 200]
    assert own.json()["total"]["counts"]["incidents"] == 0
    async with centre.signed_in("worker") as client:
        assert (await client.get(PAGE)).status_code == 403


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"from": "2026-11-24", "to": "2026-11-23"}, "report_refused"),
        ({"from": "2024-11-24", "to": "2026-11-23"}, "report_refused"),
        ({"to": "0001-01-01"}, "report_refused"),
        ({"from": "yesterday"}, "invalid"),
        ({"group": "camera"}, "invalid"),
        ({"hazard": "face"}, "invalid"),
    ],
    ids=["backwards", "too long", "before time", "no day", "no such group", "no such hazard"],
)
async def test_what_is_refused_says_why(centre: TestCentre, asked: dict[str, str], code: str) -> None:
    await centre.add_user("chief", Role.SUPERVISOR, city.CITY)
    async with centre.signed_in("chief") as client:
        answer = await client.get(PAGE, params=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    if code == "report_refused":
        assert asked.get("to", "") in answer.json()["detail"]


async def test_today_is_the_local_day(centre: TestCentre) -> None:
    centre.clock.at = START.replace(hour=17)  # 01:00 of the next day there
    await centre.add_user("chief", Role.SUPERVISOR, city.CITY)
    async with centre.signed_in("chief") as client:
        assert (await client.get(PAGE)).json()["to"] == "2026-11-24"


async def test_a_ledger_is_exported_and_the_export_recorded(centre: TestCentre) -> None:
    await add_incident(centre, city.GRID)
    await add_incident(centre, city.EAST_GRID)
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    async with centre.signed_in("chief") as client:
        sheet = await client.get(LEDGER, params={"why": "月报", "language": "en"})
        table = await client.get(LEDGER, params={"why": "月报", "format": "csv"})
    assert sheet.headers["content-disposition"] == 'attachment; filename="ledger-370102-2026-10-25-2026-11-23.xlsx"'
    rows = list(openpyxl.load_workbook(io.BytesIO(sheet.content)).active.iter_rows(values_only=True))
    assert (len(rows), rows[0][0]) == (2, "List: number")
    assert [line[1] for line in csv.reader(io.StringIO(table.content.decode("utf-8-sig")))] == [
        "清单·隐患类型",
        "消防车通道占用",
    ]
    async with centre.database.reading() as conn:
        query = select(audit_records).where(audit_records.c.action == "ledger.exported")
        said = [dict(row) for row in (await conn.execute(query.order_by(audit_records.c.position))).mappings()]
    assert [(row["actor"], row["object_id"], row["detail"]["format"]) for row in said] == [
        ("chief", city.WEST, "xlsx"),
        ("chief", city.WEST, "csv"),
    ]
    assert said[0]["detail"] | {"from": "2026-10-25", "to": "2026-11-23", "rows": 1, "why": "月报"} == said[0]["detail"]


@pytest.mark.parametrize(
    ("role", "asked", "status"),
    [
        (Role.SUPERVISOR, {}, 422),
        (Role.SUPERVISOR, {"why": "x", "area": city.EAST}, 404),
        (Role.AUDITOR, {"why": "x"}, 200),
        (Role.OPERATOR, {"why": "x"}, 403),
        (Role.WORKER, {"why": "x"}, 403),
    ],
    ids=["without a why", "another county", "auditor", "operator", "worker"],
)
async def test_who_may_export(centre: TestCentre, role: Role, asked: dict[str, str], status: int) -> None:
    await centre.add_user("someone", role, city.WEST)
    async with centre.signed_in("someone") as client:
        answer = await client.get(LEDGER, params=asked)
    assert answer.status_code == status
    async with centre.database.reading() as conn:
        query = select(audit_records.c.position).where(audit_records.c.action == "ledger.exported")
        assert len((await conn.execute(query)).all()) == (status == 200)


async def test_an_xlsx_with_too_many_rows_is_refused(centre: TestCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "XLSX_ROWS", 0)
    await add_incident(centre, city.GRID)
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    async with centre.signed_in("chief") as client:
        answer = await client.get(LEDGER, params={"why": "x"})
        assert (answer.status_code, answer.json()["code"]) == (422, "report_refused")
        assert "format=csv" in answer.json()["detail"]
        assert (await client.get(LEDGER, params={"why": "x", "format": "csv"})).status_code == 200
