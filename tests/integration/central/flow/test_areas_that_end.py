"""An area ends at midnight: alerts of the evening are its own, those of the morning its successor's."""

from __future__ import annotations

from datetime import UTC, date, datetime

from sqlalchemy import insert, select, update

from tests.integration.central.flow.stage import GRID, POLICIES, VILLAGE, HandClock, alert, build, received
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tables import areas
from xueliang_central.areas.tree import AreaBook, load_tree, path_by_code
from xueliang_central.incidents.change import Rulebook
from xueliang_central.incidents.tables import incidents
from xueliang_central.store.database import Database
from xueliang_configs.policies import PolicyTable

SUCCESSOR = VILLAGE + "009"
EVENING = datetime(2026, 11, 23, 15, 50, tzinfo=UTC)  # 23:50 in Shanghai
MORNING = datetime(2026, 11, 23, 16, 5, tzinfo=UTC)


async def test_the_day_on_which_an_alert_began_decides_also_when_it_comes_later(database: Database) -> None:
    stage = await build(database, HandClock(MORNING))
    async with database.transaction() as conn:
        old = (await conn.execute(select(areas).where(areas.c.code == GRID))).mappings().one()
        new = {**old, "code": SUCCESSOR, "path": path_by_code(SUCCESSOR), "valid_from": date(2026, 11, 24)}
        await conn.execute(insert(areas), new)
        await conn.execute(update(areas).where(areas.c.code == GRID).values(valid_to=date(2026, 11, 23)))
        tree = await load_tree(conn)
    stage.rulebook = Rulebook.of(AreaBook(tree), PolicyTable.model_validate(POLICIES))
    late = alert(Phase.RAISED, 1, hazard=Hazard.CROWD, began_at=EVENING)
    fresh = alert(Phase.RAISED, 1, hazard=Hazard.INTRUSION, began_at=MORNING)
    await stage.take(received(late, 1, at=MORNING), received(fresh, 2, at=MORNING))
    found = {row["hazard"]: row for row in await stage.rows(incidents)}
    assert {hazard: row["area_code"] for hazard, row in found.items()} == {"crowd": GRID, "intrusion": SUCCESSOR}
    assert f"{GRID} is not valid on 2026-11-24" in found["intrusion"]["why_routed"]["text"]
