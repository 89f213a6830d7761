"""The ledger of 一单四制: its rows over a whole case, whose they are, page by page, recorded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from tests.integration.central.flow.stage import (
    GRID,
    NOON,
    OTHER_GRID,
    PHOTO,
    VILLAGE,
    WANG,
    Stage,
    cleared,
    raised,
)
from xueliang_alerts.contract import Hazard
from xueliang_central.areas.tree import AreaTree
from xueliang_central.incidents.tables import incidents
from xueliang_central.reports import ledgers
from xueliang_central.reports.ledgers import COLUMNS, Wanted, headings, pages
from xueliang_central.reports.periods import period_of

DAY = period_of(NOON).day


async def rows_of(stage: Stage, code: str, **more: Any) -> list[dict[str, Any]]:
    tree: AreaTree = stage.rulebook.tree
    wanted = Wanted(tree.get(code), DAY, DAY, **more)
    found = [row async for page in pages(stage.database, tree, wanted) for row in page]
    async with stage.database.reading() as conn:
        assert await ledgers.count(conn, wanted) == len(found)
    return [dict(zip([str(name) for name in headings("en")], row, strict=True)) for row in found]


async def test_a_whole_case_is_one_row(stage: Stage) -> None:
    await stage.take(raised())
    stage.clock.forward(61)
    await stage.fire_all()
    await stage.work_on(WANG, "take")
    stage.clock.forward(60)
    await stage.work_on(WANG, "arrive")
    await stage.work_on(WANG, "handled", photos=[PHOTO], note="open")  # a note that is also the code of a state
    await stage.take(cleared(2, seen_s=200.0))
    (row,) = await rows_of(stage, GRID)
    assert {name: value for name, value in row.items() if value is not None} == {
        "List: number": "20261123-0001",
        "List: hazard": "消防车通道占用",
        "List: severity": 2,
        "List: state": "已办结",
        "List: county": "区370102",
        "List: township": "区370102003",
        "List: village": f"区{VILLAGE}",
        "List: grid": f"区{GRID}",
        "List: place": "东巷",
        "List: opened": "2026-11-23 12:00:00",
        "List: alerts": 1,
        "Hand-over: at": "2026-11-23 12:00:00",
        "Hand-over: take by": "2026-11-23 12:01:00",
        "Hand-over: arrive by": "2026-11-23 12:03:00",
        "Hand-over: returned": 0,
        "Ledger: taken": "2026-11-23 12:01:01",
        "Ledger: arrived": "2026-11-23 12:02:01",
        "Ledger: handled": "2026-11-23 12:02:01",
        "Ledger: photos": 1,
        "Ledger: reopened": 0,
        "Write-off: closed": "2026-11-23 12:02:01",
        "Write-off: how": "同机核查通过",
        "Write-off: seen gone by the camera": "是",
        "Notice: limits passed": "接单",
        "Notice: level told": "村社区",
        "Notice: people told": 1,
        "In place: duty holder": "Wang",
        "In place: measures": "open",
        "In place: deadline": "2026-11-23 12:03:00",
    }
    assert (await rows_of(stage, GRID, language="en"))[0]["Write-off: how"] == "verified"


async def test_only_the_area_the_days_and_what_was_asked(stage: Stage) -> None:
    await stage.take(raised(hazard=Hazard.CROWD))
    await stage.take(raised(2, hazard=Hazard.CROWD, drill=True, camera_id="far-gate"))
    await stage.take(raised(3, hazard=Hazard.ILLEGAL_PARKING, camera_id="other-gate"))
    assert len(await rows_of(stage, VILLAGE)) == 2
    assert [row["List: grid"] for row in await rows_of(stage, OTHER_GRID)] == [f"区{OTHER_GRID}"]
    assert len(await rows_of(stage, VILLAGE, drill=True)) == 1
    assert len(await rows_of(stage, VILLAGE, hazard="crowd")) == 1
    (merged, *_) = await stage.rows(incidents)
    merged |= {"incident_id": "m", "number": "m", "state": "closed", "close_reason": "merged"}
    before = merged | {
        "incident_id": "b",
        "number": "b",
        "close_reason": "verified",
        "opened_at": NOON - timedelta(days=1),
    }
    async with stage.database.transaction() as conn:
        await conn.execute(insert(incidents), [merged, before])
    assert len(await rows_of(stage, VILLAGE)) == 2


async def test_every_page_is_read_once(stage: Stage, monkeypatch: Any) -> None:
    monkeypatch.setattr(ledgers, "PAGE", 3)
    await stage.take(raised(hazard=Hazard.CROWD))
    first = await stage.one_incident()
    more = [
        first
        | {"incident_id": f"i{n}", "number": f"n{n}", "state": "closed", "opened_at": NOON + timedelta(seconds=n // 2)}
        for n in range(8)
    ]
    async with stage.database.transaction() as conn:
        await conn.execute(insert(incidents), more)
    numbers = [row["List: number"] for row in await rows_of(stage, VILLAGE)]
    assert sorted(numbers) == sorted([first["number"], *(row["number"] for row in more)])


def test_headings_are_those_of_the_four_parts_and_five_places() -> None:
    parts = {zh.split("·")[0] for zh, _, _ in COLUMNS}
    assert parts == {"清单", "交办", "台账", "销号", "通报", "五到位", "督办"}
    assert [zh.split("·")[1] for zh, _, _ in COLUMNS if zh.startswith("五到位")] == [
        "责任人",
        "措施",
        "资金",
        "时限",
        "预案",
    ]
