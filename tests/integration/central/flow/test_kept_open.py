"""A hazard that cannot be removed at once, from its plan to its write-off, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from tests.integration.central.flow.stage import (
    CHEN,
    LI,
    MAYOR,
    NOON,
    PHOTO,
    STRANGER,
    TOWNSHIP,
    WANG,
    HandClock,
    Stage,
    actor,
    alert,
    cleared,
    raised,
    received,
)
from tests.integration.central.flow.test_http import Door, door
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import AreaBook
from xueliang_central.audit.tables import audit_records
from xueliang_central.clocks.tables import clocks, escalations
from xueliang_central.dispatch.keeping import Keeping, keep, plan_view
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.evidence.tables import pictures
from xueliang_central.kept_open.planning import Plan
from xueliang_central.notices.tables import notices
from xueliang_central.reports import ledgers
from xueliang_central.reports.periods import ZONE
from xueliang_central.retention.removing import would_go
from xueliang_central.rights.scope import Actor, Role
from xueliang_configs.retention import RetentionConfig

__all__ = ["door"]

DAY_S = 86_400.0
PLAN = Plan("township", "赵工", "东巷物业", "拆除围挡", "街道专项 12000 元", "加派人工引导")
DEADLINE = NOON + timedelta(days=30)


async def do(stage: Stage, who: Actor, move: str, **more: Any) -> None:
    case = await stage.one_incident()
    asked = Keeping(move, more.pop("version", case["version"]), **more)
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await keep(change, who, case["incident_id"], asked)


async def kept(stage: Stage) -> dict[str, Any]:
    """One fire lane, sent by policy, then kept open for a month."""
    await stage.take(raised())
    await do(stage, MAYOR, "keep_open", plan=PLAN, deadline=DEADLINE)
    return await stage.one_incident()


async def own_photo(stage: Stage, who: Actor) -> None:
    async with stage.database.transaction() as conn:
        await conn.execute(update(pictures).where(pictures.c.sha256 == PHOTO).values(received_from=who.user_id))


async def running(stage: Stage) -> dict[str, Any]:
    return {row["kind"]: row["due_at"] for row in await stage.rows(clocks) if row["stopped_at"] is None}


async def test_kept_open_it_waits_for_its_deadline_and_nobody_is_sent(stage: Stage) -> None:
    case = await kept(stage)
    assert (case["state"], case["owner_level"]) == ("long_lived", "township")
    assert {row["state"] for row in await stage.rows(tasks)} == {"withdrawn"}
    assert await running(stage) == {"remind": DEADLINE - timedelta(days=3), "deadline": DEADLINE}
    assert (await stage.story())[-2:] == ["kept_open", "task_withdrawn"]
    (act,) = [row for row in await stage.rows(audit_records) if row["action"] == "incident.keep_open"]
    assert act["detail"] == {"level": "township", "deadline": "2026-12-23T04:00:00.000Z"}
    later = NOON + timedelta(hours=2)
    await stage.take(received(alert(Phase.RAISED, 1, began_at=later), 2, at=later + timedelta(seconds=70)))
    again = await stage.one_incident()
    assert again["state"] == "long_lived", "what its camera raises is folded into it"
    assert len(await stage.rows(tasks)) == 1


async def test_it_is_reminded_once_and_overdue_it_is_reported_upward_a_day_apart(
    stage: Stage, clock: HandClock
) -> None:
    await kept(stage)
    clock.at = DEADLINE - timedelta(days=3)
    assert await stage.fire_all() == 1
    assert (await stage.story())[-1] == "deadline_near"
    told = [row for row in await stage.rows(notices) if row["kind"] == "deadline_near"]
    assert [row["user_id"] for row in told] == [CHEN.user_id]
    clock.at = DEADLINE
    assert await stage.fire_all() == 1
    assert (await stage.story())[-2:] == ["limit_passed", "escalated"]
    for _ in range(5):
        clock.forward(DAY_S)
        await stage.fire_all()
    steps = [row["level"] for row in sorted(await stage.rows(escalations), key=lambda row: row["fired_at"])]
    assert steps == ["township", "township", "city", "city"], "the county has no desk: the city is told at once"
    assert (await stage.one_incident())["owner_level"] == "city"


async def test_an_extension_needs_two_people_and_starts_the_deadline_anew(stage: Stage) -> None:
    await kept(stage)
    later = DEADLINE + timedelta(days=60)
    with pytest.raises(MoveRefused, match="no extension is asked for"):
        await do(stage, MAYOR, "extend")
    await do(stage, MAYOR, "ask_extension", deadline=later, note="the parts come late")
    assert (await running(stage))["deadline"] == DEADLINE, "until it is decided the old one runs"
    with pytest.raises(MoveRefused, match="another person"):
        await do(stage, MAYOR, "extend")
    await do(stage, CHEN, "ask_extension", deadline=later, note="the parts come late")
    await do(stage, MAYOR, "extend")
    assert await running(stage) == {"remind": later - timedelta(days=3), "deadline": later}
    case = await stage.one_incident()
    async with stage.database.reading() as conn:
        plan = await plan_view(conn, case["incident_id"])
    assert plan is not None
    assert (plan["extensions"], plan["extension_asked"], plan["first_deadline"]) == (
        1,
        None,
        "2026-12-23T04:00:00.000Z",
    )


async def test_an_extension_that_is_refused_leaves_the_deadline(stage: Stage) -> None:
    await kept(stage)
    await do(stage, CHEN, "ask_extension", deadline=DEADLINE + timedelta(days=9), note="late")
    await do(stage, MAYOR, "refuse_extension", note="the parts are here")
    assert (await running(stage))["deadline"] == DEADLINE
    with pytest.raises(MoveRefused, match="no extension is asked for"):
        await do(stage, MAYOR, "extend")


async def test_it_leaves_the_list_with_evidence_only(stage: Stage) -> None:
    await kept(stage)
    with pytest.raises(MoveRefused, match="evidence"):
        await do(stage, MAYOR, "write_off", note="done")
    with pytest.raises(MoveRefused, match="upload the photos first"):
        await do(stage, MAYOR, "write_off", note="done", photos=[PHOTO])
    await own_photo(stage, MAYOR)
    await do(stage, MAYOR, "write_off", note="the fence is gone", photos=[PHOTO])
    case = await stage.one_incident()
    assert (case["state"], case["close_reason"], case["verified"]) == ("closed", "checked_by_hand", False)
    assert await running(stage) == {}
    act = [row for row in await stage.rows(audit_records) if row["action"] == "incident.write_off"][-1]
    assert act["detail"]["evidence"] == "photo"


async def test_its_photos_are_kept_as_long_as_those_of_tasks(stage: Stage) -> None:
    await kept(stage)
    await own_photo(stage, LI)
    await do(stage, LI, "follow_up", note="half of it is gone", photos=[PHOTO])
    while_open = await would_go_of(stage, days=4000)
    await stage.take(cleared())
    await do(stage, MAYOR, "write_off", note="the fence is gone")
    assert [while_open, await would_go_of(stage, days=179), await would_go_of(stage, days=181)] == [0, 0, 1]


async def would_go_of(stage: Stage, *, days: int) -> int:
    """How many pictures would be removed so long after now, of all kinds."""
    policy, later = RetentionConfig(photos_days=180), stage.clock() + timedelta(days=days)
    async with stage.database.reading() as conn:
        found = [await would_go(conn, kind, policy, later) for kind in ("photos", "unnamed_pictures")]
    return sum(one.total for one in found if one is not None)


async def test_seen_gone_by_the_camera_it_stays_on_the_list_until_it_is_written_off(stage: Stage) -> None:
    await kept(stage)
    await stage.take(cleared())
    case = await stage.one_incident()
    assert (case["state"], case["gone"]) == ("long_lived", True)
    await do(stage, MAYOR, "write_off", note="the fence is gone")
    act = [row for row in await stage.rows(audit_records) if row["action"] == "incident.write_off"][-1]
    assert act["detail"]["evidence"] == "camera"


async def test_followed_up_and_handed_over_it_stays_what_it_is(stage: Stage) -> None:
    await kept(stage)
    await own_photo(stage, LI)
    await do(stage, LI, "follow_up", note="half of it is gone", photos=[PHOTO])
    handed = Plan(PLAN.level, "钱工", PLAN.holder_unit, PLAN.measures, PLAN.funds, PLAN.plan)
    await do(stage, MAYOR, "replan", plan=handed, note="Zhao has left")
    with pytest.raises(MoveRefused, match="says the same"):
        await do(stage, MAYOR, "replan", plan=handed, note="again")
    case = await stage.one_incident()
    async with stage.database.reading() as conn:
        plan = await plan_view(conn, case["incident_id"])
    assert plan is not None
    assert (plan["holder"], [photo["sha256"] for photo in plan["photos"]]) == ("钱工", [PHOTO])
    assert (await running(stage))["deadline"] == DEADLINE
    assert (await stage.story())[-2:] == ["followed_up", "replanned"]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"deadline": DEADLINE}, "a plan is needed"),
        ({"plan": PLAN}, "needs a deadline"),
        ({"plan": PLAN, "deadline": NOON}, "expected a moment after"),
        ({"plan": Plan("township", "", "物业", "m", "", "p"), "deadline": DEADLINE}, "leaves empty: holder, funds"),
        ({"plan": Plan("street", "a", "b", "c", "d", "e"), "deadline": DEADLINE}, "level: expected one of city"),
        ({"plan": PLAN, "deadline": DEADLINE, "photos": [PHOTO]}, "photos belong to"),
    ],
    ids=["no plan", "no deadline", "over already", "half a plan", "no such level", "photos"],
)
async def test_without_all_five_nothing_is_kept_open(stage: Stage, more: dict[str, Any], told: str) -> None:
    await stage.take(raised())
    with pytest.raises(MoveRefused, match=told):
        await do(stage, MAYOR, "keep_open", **more)
    assert (await stage.one_incident())["state"] == "dispatched"


async def test_who_may_not(stage: Stage) -> None:
    await stage.take(raised())
    wanted = {"plan": PLAN, "deadline": DEADLINE}
    for who, error in ((LI, MoveRefused), (WANG, MoveRefused), (STRANGER, NotFound)):
        with pytest.raises(error):
            await do(stage, who, "keep_open", **wanted)
    with pytest.raises(Conflict):
        await do(stage, MAYOR, "keep_open", version=99, **wanted)
    await do(stage, MAYOR, "keep_open", **wanted)
    for move in ("write_off", "extend", "replan"):
        with pytest.raises(MoveRefused):
            await do(stage, LI, move, note="x")
    for move in ("false_alarm", "permitted", "duplicate", "close", "dispatch", "keep_open", "write_off"):
        case = await stage.one_incident()
        with pytest.raises(MoveRefused):
            await stage.judge(MAYOR, case["incident_id"], move, case["version"], note="x")


async def test_what_burns_is_not_kept_open(stage: Stage) -> None:
    fire = alert(Phase.RAISED, 1, hazard=Hazard.FIRE_SMOKE, began_at=NOON)
    await stage.take(received(fire, 1, at=NOON))
    with pytest.raises(MoveRefused, match="not possible here"):
        await do(stage, MAYOR, "keep_open", plan=PLAN, deadline=DEADLINE)


async def test_over_http_the_list_the_plan_and_what_each_may_do(stage: Stage, door: Door) -> None:
    await stage.take(raised())
    case = await stage.one_incident()
    path = f"/api/incidents/{case['incident_id']}"
    plan = {name: getattr(PLAN, name) for name in Plan.__dataclass_fields__}
    body = {"move": "keep_open", "version": case["version"], "plan": plan, "deadline": DEADLINE.isoformat()}
    async with door.client(MAYOR) as client:
        before = (await client.get(path)).json()
        refused = await client.post(f"{path}/kept-open", json={**body, "plan": {**plan, "funds": ""}})
        after = await client.post(f"{path}/kept-open", json=body)
        listed = (await client.get("/api/incidents?state=long_lived")).json()["items"]
        wish = {"move": "ask_extension", "version": after.json()["version"], "note": "a part is missing"}
        own = await client.post(
            f"{path}/kept-open", json={**wish, "deadline": (DEADLINE + timedelta(days=9)).isoformat()}
        )
    async with door.client(LI) as client:
        seen = (await client.get(path)).json()
    assert (before["may_keep"], before["kept_open"], refused.status_code) == (["keep_open"], None, 422)
    assert after.status_code == 200, after.text
    assert after.json()["kept_open"]["funds"] == PLAN.funds
    assert own.status_code == 200, own.text
    for told, why in ((after, "nothing is asked for"), (own, "nobody decides about the own wish")):
        assert not {"extend", "refuse_extension"} & set(told.json()["may_keep"]), why
    assert [item["incident_id"] for item in listed] == [case["incident_id"]]
    assert (seen["moves"], seen["may_keep"], seen["may_regroup"]) == ([], ["follow_up", "ask_extension"], [])


async def test_the_ledger_fills_its_columns(stage: Stage, clock: HandClock) -> None:
    await kept(stage)
    clock.at = DEADLINE
    await stage.fire_all()
    book = stage.rulebook.areas
    assert isinstance(book, AreaBook)
    wanted = ledgers.Wanted(stage.rulebook.tree.get(TOWNSHIP), NOON.date(), NOON.date())
    (page,) = [page async for page in ledgers.pages(stage.database, book.tree, wanted)]
    told = dict(zip(ledgers.headings("zh"), page[0], strict=True))
    assert told["清单·状态"] == "长期挂牌"
    assert told["五到位·责任人"] == "赵工 · 东巷物业"
    assert (told["五到位·资金"], told["五到位·预案"]) == (PLAN.funds, PLAN.plan)
    assert told["五到位·时限"] == DEADLINE.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S")
    assert (told["通报·督办层级"], told["台账·延期次数"]) == ("镇街", 0)
    assert told["通报·超时环节"] == "整改期限", "a reminder is no limit"


async def test_supervisors_of_other_areas_see_nothing_of_it(stage: Stage, door: Door) -> None:
    await kept(stage)
    case = await stage.one_incident()
    other = actor(Role.SUPERVISOR, "370102003005008", "stranger")
    body = {"move": "write_off", "version": case["version"], "note": "x"}
    async with door.client(other) as client:
        foreign = await client.post(f"/api/incidents/{case['incident_id']}/kept-open", json=body)
        missing = await client.post("/api/incidents/no-such/kept-open", json=body)
    assert (foreign.status_code, missing.status_code) == (404, 404)
