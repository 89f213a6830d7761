"""Several incidents at once: judged each for itself, and counted by area however many there are."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from tests.integration.central.flow.stage import (
    GRID,
    LI,
    MAYOR,
    NOON,
    OTHER_GRID,
    POLICIES,
    STRANGER,
    VILLAGE,
    WANG,
    HandClock,
    Stage,
)
from tests.integration.central.flow.test_http import Door
from tests.support.rows import filled
from xueliang_alerts.clocks import system_mono
from xueliang_central.app import create_app
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.centre import Settings
from xueliang_central.clocks.limits import choose, rows_of
from xueliang_central.incidents.counting import open_rows
from xueliang_central.incidents.tables import incidents
from xueliang_central.running import centre_on
from xueliang_configs.policies import PolicyTable

ALIKE = {"hazard": "illegal_parking", "severity": 3, "state": "open", "drill": False}


@pytest.fixture
async def door(stage: Stage, clock: HandClock, tmp_path: Path) -> Door:
    centre = centre_on(
        stage.database, Settings(tmp_path), PolicyTable.model_validate(POLICIES), wall=clock, mono=system_mono
    )
    await centre.areas.refresh(stage.database)
    await centre.health.ask()
    return Door(stage, create_app(centre))


def _row(stage: Stage, area_code: str, **more: Any) -> dict[str, Any]:
    incident_id = str(uuid.uuid4())
    table = rows_of(PolicyTable.model_validate(POLICIES))
    limits = choose(table, "illegal_parking", 3, "street", "grid", NOON).as_json()
    named = {"incident_id": incident_id, "number": incident_id[:20], "place_key": incident_id, "camera_id": "lane-east"}
    place = {"area_code": area_code, "area_path": path_by_code(area_code), "owner_level": "grid"}
    told = {"place_class": "street", "policy": limits, "reason": {"code": "parked", "text": "", "about": {}}}
    return filled(incidents, stage.clock(), **{**named, **place, **told, **ALIKE, "version": 1, **more})


async def opened(stage: Stage, *rows: dict[str, Any]) -> list[str]:
    """These open; their ids, in the same order."""
    async with stage.database.transaction() as conn:
        await conn.execute(insert(incidents), list(rows))
    return [row["incident_id"] for row in rows]


def _asks(move: str, ids: list[str], version: int = 1, **more: Any) -> dict[str, Any]:
    return {"move": move, "cases": [{"incident_id": one, "version": version} for one in ids], **more}


async def _records(stage: Stage, action: str) -> list[str]:
    async with stage.database.reading() as conn:
        query = select(audit_records.c.object_id).where(audit_records.c.action == action)
        return sorted((await conn.execute(query)).scalars())


async def test_what_can_be_judged_is_and_what_cannot_says_why_and_stays(stage: Stage, door: Door) -> None:
    rows = [_row(stage, GRID) for _ in range(3)]
    rows += [_row(stage, GRID, severity=1), _row(stage, GRID, hazard="fire_smoke"), _row(stage, GRID, drill=True)]
    first, second, moved, severe, fire, drill = await opened(stage, *rows)
    await stage.judge(LI, moved, "confirm", 1)
    async with door.client(LI) as client:
        asked = [first, moved, severe, fire, drill, second]
        answer = await client.post("/api/incidents/moves", json=_asks("false_alarm", asked, reason_code="wrong_object"))
    assert answer.status_code == 200, answer.text
    outcomes = answer.json()["outcomes"]
    assert [one["incident_id"] for one in outcomes] == asked
    assert [one["outcome"] for one in outcomes] == ["done", "conflict", "refused", "refused", "refused", "done"]
    assert [one.get("stands_alone") for one in outcomes] == [None, False, True, True, True, None]
    assert (outcomes[1]["state"], outcomes[1]["version"]) == ("dispatched", 2)
    states = {one["incident_id"]: one["state"] for one in await stage.rows(incidents)}
    assert {one for one, state in states.items() if state == "closed"} == {first, second}
    assert {states[one] for one in (severe, fire, drill)} == {"open"}
    assert await _records(stage, "incident.false_alarm") == sorted([first, second]), "each has its own record"


@pytest.mark.parametrize("move", ["confirm", "dispatch", "permitted"])
async def test_each_move_of_several_is_the_move_of_each(stage: Stage, door: Door, move: str) -> None:
    ids = await opened(stage, *(_row(stage, GRID) for _ in range(3)))
    async with door.client(LI) as client:
        body = _asks(move, ids, reason_code="registered_work", idempotency_key="once")
        for _ in range(2):  # the same request again changes nothing
            answer = await client.post("/api/incidents/moves", json=body)
            assert {one["outcome"] for one in answer.json()["outcomes"]} == {"done"}, answer.text
    assert {one["state"] for one in await stage.rows(incidents)} == {"closed" if move == "permitted" else "dispatched"}
    assert await _records(stage, f"incident.{move}") == sorted(ids)


async def test_an_hour_of_honest_judging_is_taken(stage: Stage, door: Door) -> None:
    ids = await opened(stage, *(_row(stage, GRID) for _ in range(60)))
    async with door.client(LI) as client:
        for start in range(0, 60, 20):
            body = _asks("permitted", ids[start : start + 20], reason_code="registered_work")
            answer = await client.post("/api/incidents/moves", json=body)
            assert {one["outcome"] for one in answer.json()["outcomes"]} == {"done"}, answer.text
    assert len(await _records(stage, "incident.permitted")) == 60


@pytest.mark.parametrize(
    "change",
    [{"move": "close"}, {"move": "false_alarm"}, {"cases": []}, {"move": "dispatch"}],
    ids=["one by one only", "no reason", "of nothing", "named twice"],
)
async def test_what_is_refused_as_a_whole_judges_nothing(stage: Stage, door: Door, change: dict[str, Any]) -> None:
    ids = await opened(stage, *(_row(stage, GRID) for _ in range(2)))
    body = _asks("confirm", ids) | change
    body["cases"] *= 2 if change.get("move") == "dispatch" else 1
    async with door.client(LI) as client:
        answer = await client.post("/api/incidents/moves", json=body)
    assert answer.status_code == 422, answer.text
    assert {one["state"] for one in await stage.rows(incidents)} == {"open"}


async def test_what_lies_outside_is_not_there(stage: Stage, door: Door) -> None:
    inside, outside = await opened(stage, _row(stage, OTHER_GRID), _row(stage, GRID))
    async with door.client(STRANGER) as client:
        answer = await client.post("/api/incidents/moves", json=_asks("confirm", [outside, inside]))
        foreign = await client.get(f"/api/incidents/counts?area={GRID}")
        counts = (await client.get("/api/incidents/counts")).json()
    missing, done = answer.json()["outcomes"]
    assert (missing["outcome"], done["outcome"]) == ("not_found", "done")
    assert set(missing) == {"incident_id", "outcome", "detail"}, "nothing is told of it"
    assert foreign.status_code == 404
    assert (counts["total"]["open"], list(counts["areas"])) == (1, [OTHER_GRID])
    async with door.client(WANG) as client:
        assert (await client.post("/api/incidents/moves", json=_asks("confirm", [outside]))).status_code == 403
        assert (await client.get("/api/incidents/counts")).status_code == 403


async def test_more_than_a_thousand_open_are_counted_by_area(stage: Stage, door: Door) -> None:
    rows = [_row(stage, GRID, severity=number % 4 + 1) for number in range(800)]
    rows += [_row(stage, OTHER_GRID, state="dispatched", drill=number < 5) for number in range(400)]
    rows += [_row(stage, GRID, state="closed", severity=1) for _ in range(50)] + [_row(stage, VILLAGE)]
    await opened(stage, *rows)
    async with door.client(MAYOR) as client:
        top = (await client.get("/api/incidents/counts")).json()
        village = (await client.get(f"/api/incidents/counts?area={VILLAGE}")).json()
    assert top["total"]["open"] == 1_201
    assert set(top["areas"]) == {"3701", "370102"}, "the root and one step below"
    assert set(village["areas"]) == {"3701", "370102", "370102003", VILLAGE, GRID, OTHER_GRID}
    assert village["areas"][GRID] == {
        "open": 800,
        "drills": 0,
        "by_severity": {"1": 200, "2": 200, "3": 200, "4": 200},
        "by_state": {"open": 800},
    }
    assert (village["areas"][OTHER_GRID]["by_state"], village["areas"][OTHER_GRID]["drills"]) == (
        {"dispatched": 400},
        5,
    )
    assert village["areas"][VILLAGE]["open"] == village["total"]["open"] == 1_201


async def test_pages_reach_all_of_them(stage: Stage, door: Door) -> None:
    ids = await opened(stage, *(_row(stage, GRID) for _ in range(1_050)))
    seen: list[str] = []
    async with door.client(LI) as client:
        cursor = ""
        while True:
            page = (await client.get(f"/api/incidents?limit=200{cursor}")).json()
            seen += [one["incident_id"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
    assert sorted(seen) == sorted(ids)


async def test_counting_reads_the_index_of_what_is_open(stage: Stage, door: Door) -> None:
    """Else a centre with a million closed incidents reads all of them for each count."""
    await opened(stage, *(_row(stage, GRID, state="closed") for _ in range(300)), _row(stage, GRID))
    async with stage.database.transaction() as conn:
        is_sqlite = conn.dialect.name == "sqlite"
        if not is_sqlite:
            await conn.execute(text("SET LOCAL enable_seqscan = off"))
        words = str(open_rows(LI).compile(dialect=conn.dialect, compile_kwargs={"literal_binds": True}))
        plan = await conn.execute(text(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{words}"))
        said = " ".join(str(tuple(row)) for row in plan)
    assert "incidents_open_by_area" in said, said
