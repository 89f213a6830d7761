"""A centre above puts a case under supervision until a day: on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import (
    CHEN,
    LI,
    MAYOR,
    NOON,
    PEOPLE,
    TOWNSHIP,
    HandClock,
    Stage,
    actor,
    alert,
    build,
    raised,
    received,
)
from tests.integration.central.flow.test_regrouping import by_number, merge, two
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import load_tree
from xueliang_central.audit import chain
from xueliang_central.clocks.tables import clocks
from xueliang_central.dispatch import watching
from xueliang_central.dispatch.needing import not_needed
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.side_moves import asides_for
from xueliang_central.dispatch.supervising import Supervision, supervise
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.incidents.regrouping import why_not_merge
from xueliang_central.notices.tables import notices
from xueliang_central.reports.ledgers import COLUMNS, Case
from xueliang_central.rights.scope import Actor, Role
from xueliang_central.store.database import Database
from xueliang_central.store.tables import events

DAY = timedelta(days=1)
COUNTY = actor(Role.OPERATOR, "370102", "county")
ELSEWHERE = actor(Role.SUPERVISOR, "370103", "elsewhere")
GRANTED = Actor(LI.user_id, LI.name, LI.role, "3701/370103", grants=("3701/370102",))


@pytest.fixture
async def stage(database: Database, clock: HandClock) -> Stage:
    return await build(database, clock, people=(*PEOPLE, COUNTY))


async def _supervise(stage: Stage, who: Actor, move: str = "supervise", **more: Any) -> None:
    case = await stage.one_incident()
    said = {"version": case["version"], "note": "third time this month"}
    said |= {"due": stage.clock() + DAY} if move == "supervise" else {}
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await supervise(change, who, case["incident_id"], Supervision(move, **said | more))


async def _running(stage: Stage) -> set[str]:
    return {row["kind"] for row in await stage.rows(clocks) if row["stopped_at"] is None}


async def test_a_township_watches_until_a_day_and_the_levels_above_hear_when_it_passes(
    stage: Stage, clock: HandClock
) -> None:
    await stage.take(raised())
    task = await stage.task()
    await _supervise(stage, CHEN)
    case = await stage.one_incident()
    assert (case["state"], case["supervision"]["level"], case["supervision"]["by"]) == (
        "dispatched",
        "township",
        "Chen",
    )
    told = {(row["kind"], row["user_id"]) for row in await stage.rows(notices)}
    assert {("supervised", LI.user_id), ("supervised", task["worker_id"])} <= told
    shown = [row["body"]["incident"] for row in await stage.rows(events) if row["kind"] == "incident"][-1]
    assert shown["supervision"]["note"] == "third time this month"
    assert "area_path" not in shown["supervision"]
    worker = next(one for one in PEOPLE if one.user_id == task["worker_id"])
    for move in ("take", "arrive"):
        await stage.work_on(worker, move)
    assert await _running(stage) == {"oversee"}, "no step stops it"
    clock.forward(DAY.total_seconds() + 1)
    await stage.fire_all()
    escalated = {row["user_id"] for row in await stage.rows(notices) if row["kind"] == "escalated"}
    assert escalated == {CHEN.user_id}
    clock.forward(DAY.total_seconds())
    await stage.fire_all()
    escalated = {row["user_id"] for row in await stage.rows(notices) if row["kind"] == "escalated"}
    assert escalated == {CHEN.user_id, COUNTY.user_id}
    await stage.work_on(worker, "handled", note="moved")
    assert "oversee" in await _running(stage)
    case = await stage.one_incident()
    await stage.judge(LI, case["incident_id"], "close", case["version"], reason_code="checked_on_site")
    assert await _running(stage) == set()
    case = await stage.one_incident()
    assert case["supervision"]["ended_why"] == "closed"
    columns = {english: value for _, english, value in COLUMNS}
    row = Case(case, (), 0, (), 0, None, await _tree(stage), {}, {}, {})
    assert columns["Supervision: words"](row) == "third time this month"
    assert columns["Supervision: ended"](row) == clock.at
    async with stage.database.reading() as conn:
        assert (await chain.verify(conn)).is_whole


async def _tree(stage: Stage) -> Any:
    async with stage.database.reading() as conn:
        return await load_tree(conn)


async def test_who_may_supervise_and_who_may_end_it(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    for who in (LI, ELSEWHERE, GRANTED):  # the village has the case; of elsewhere; asked to help
        with pytest.raises((MoveRefused, NotFound)):
            await _supervise(stage, who)
    for more in ({"due": clock.at}, {"due": None}, {"due": clock.at + 91 * DAY}, {"note": " "}):
        with pytest.raises(MoveRefused):
            await _supervise(stage, CHEN, **more)
    with pytest.raises(Conflict):
        await _supervise(stage, CHEN, version=(await stage.one_incident())["version"] + 1)
    with pytest.raises(MoveRefused, match="not supervised"):
        await _supervise(stage, CHEN, "end_supervision")
    await _supervise(stage, COUNTY)
    case = await stage.one_incident()
    assert not {"supervise", "end_supervision"} & set(asides_for(CHEN, case))
    assert {"supervise", "end_supervision"} <= set(asides_for(MAYOR, case))
    for move in ("supervise", "end_supervision"):
        with pytest.raises(MoveRefused, match="only that level or one above"):
            await _supervise(stage, CHEN, move)
    other = {**case, "incident_id": "other", "supervision": None, "number": "2"}
    counties = {case["area_code"]: "370102"}
    refusals = [why_not_merge(into, absorbed, counties) for into, absorbed in ((other, case), (case, other))]
    assert [one and one.code for one in refusals] == ["supervised", None]
    await _supervise(stage, MAYOR)  # a level above takes it over
    assert (await stage.one_incident())["supervision"]["level"] == "city"
    assert [row["kind"] for row in await stage.rows(clocks) if row["kind"] == "oversee"] == ["oversee"] * 2
    await _supervise(stage, MAYOR, "end_supervision", note="cleared and a bollard is set")
    assert (await stage.one_incident())["supervision"]["ended_why"] == "cleared and a bollard is set"
    assert "oversee" not in await _running(stage)
    await _supervise(stage, actor(Role.OPERATOR, TOWNSHIP, "chen"))
    assert (await stage.story()).count("supervised") == 3


async def test_a_supervision_is_told_on_only_while_it_lasts_until_that_date(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())

    async def over() -> list[str]:
        told = [
            row for row in await stage.rows(notices) if row["kind"] == "supervised" and row["user_id"] == LI.user_id
        ]
        async with stage.database.reading() as conn:
            ended = await not_needed(conn, told)
        return [ended.get(row["notice_id"], "needed") for row in sorted(told, key=lambda row: row["created_at"])]

    await _supervise(stage, CHEN)
    assert await over() == ["needed"]
    clock.forward(60)
    await _supervise(stage, CHEN, due=clock() + 2 * DAY)
    assert await over() == ["another_date", "needed"]
    await _supervise(stage, CHEN, "end_supervision")
    assert await over() == ["supervision_over"] * 2


async def test_the_desk_below_replies_and_the_centre_above_hears_that_it_is_closed(
    stage: Stage, clock: HandClock
) -> None:
    await stage.take(raised())
    await _supervise(stage, CHEN)
    before = await stage.one_incident()
    assert "reply_supervision" in asides_for(LI, before)
    assert "reply_supervision" not in {*asides_for(CHEN, before), *asides_for(MAYOR, before)}

    async def reply(who: Actor, text: str, **more: Any) -> None:
        async with changing(stage.database, stage.rulebook, clock) as change:
            await watching.reply(change, who, before["incident_id"], watching.Reply(text, **more))

    with pytest.raises(MoveRefused, match="a centre below"):
        await reply(CHEN, "on it")
    with pytest.raises(NotFound):
        await reply(ELSEWHERE, "on it")
    with pytest.raises(MoveRefused, match="needs words"):
        await reply(LI, " ")
    for _ in range(2):
        await reply(LI, "the tow truck is on its way", idempotency_key="once")
    await _supervise(stage, CHEN, note="and a bollard", due=clock.at + 2 * DAY)
    case = await stage.one_incident()
    assert case["version"] == before["version"] + 1, "a reply is nobody's conflict"
    said = case["supervision"]
    assert [(one["text"], one["by"], one["level"]) for one in said["replies"]] == [
        ("the tow truck is on its way", "Li", "village")
    ]
    told = [(row["kind"], row["user_id"]) for row in await stage.rows(notices)]
    assert told.count(("supervision_replied", CHEN.user_id)) == 1
    for _ in range(5):
        await reply(LI, "it is still on its way")
    with pytest.raises(MoveRefused, match="at most 6 replies"):
        await reply(LI, "and still")
    case = await stage.one_incident()
    await stage.judge(LI, case["incident_id"], "permitted", case["version"], reason_code="registered_work")
    told = [(row["kind"], row["user_id"]) for row in await stage.rows(notices)]
    assert told.count(("supervision_closed", CHEN.user_id)) == 1
    case = await stage.one_incident()
    row = Case(case, (), 0, (), 0, None, await _tree(stage), {}, {}, {})
    assert {english: value for _, english, value in COLUMNS}["Supervision: replies"](row) == 6
    with pytest.raises(MoveRefused, match="not supervised"):
        await reply(LI, "it is over")
    await stage.judge(LI, case["incident_id"], "reopen", case["version"], reason_code="closed_in_error")
    case = await stage.one_incident()
    await stage.judge(LI, case["incident_id"], "false_alarm", case["version"])
    told = [(row["kind"], row["user_id"]) for row in await stage.rows(notices)]
    assert told.count(("supervision_closed", CHEN.user_id)) == 1, "it was not supervised any more"
    case = await stage.one_incident()
    await stage.judge(LI, case["incident_id"], "reopen", case["version"], reason_code="closed_in_error")
    clock.forward(1)
    await _supervise(stage, CHEN, due=clock.at + DAY)
    await reply(LI, "on it again")
    told = [(row["kind"], row["user_id"]) for row in await stage.rows(notices)]
    assert told.count(("supervision_replied", CHEN.user_id)) == 7, "the replies of the second one are told too"


async def test_what_the_camera_or_a_merge_ends_is_told_too(stage: Stage, clock: HandClock) -> None:
    other, into = await two(stage, clock)
    async with changing(stage.database, stage.rulebook, clock) as change:
        said = Supervision("supervise", into["version"], "look", due=clock.at + DAY)
        await supervise(change, CHEN, into["incident_id"], said)
    other, into = await by_number(stage)
    await merge(stage, LI, into, other)
    assert "supervision_closed" not in {row["kind"] for row in await stage.rows(notices)}, "it goes on"
    lane = alert(Phase.CLEARED, 2, hazard=Hazard.BLOCKED_EXIT)
    gate = alert(
        Phase.CLEARED,
        2,
        camera_id="far-gate",
        hazard=Hazard.BLOCKED_EXIT,
        began_at=NOON + timedelta(seconds=20),
    )
    await stage.take(received(lane, 3, at=clock.at), received(gate, 4, at=clock.at))
    other, into = await by_number(stage)
    assert (into["close_reason"], into["supervision"]["ended_why"]) == ("ended_by_itself", "closed")
    told = [(row["kind"], row["user_id"], row["incident_id"]) for row in await stage.rows(notices)]
    assert told.count(("supervision_closed", CHEN.user_id, into["incident_id"])) == 1
