"""A worker under way asks for help or says where, on both databases."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from tests.integration.central.flow.stage import (
    CHEN,
    CITY,
    LI,
    OTHER_GRID,
    STRANGER,
    TOWNSHIP,
    VILLAGE,
    WANG,
    ZHOU,
    HandClock,
    Stage,
    alert,
    cleared,
    raised,
    received,
)
from tests.integration.central.flow.test_regrouping import by_number, merge, two
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.areas.tree import AreaTree
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.dispatch.checking_in import Fix
from xueliang_central.dispatch.foreseeing import who_would_go
from xueliang_central.dispatch.helping import CALLS_AN_HOUR, UNTOLD, HelpAnswer, answer
from xueliang_central.dispatch.last_check_ins import checked_in_near, last_check_ins
from xueliang_central.dispatch.needing import not_needed
from xueliang_central.dispatch.publishing import changing
from xueliang_central.dispatch.reoffering import reoffer_next
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import Conflict, MoveRefused, NotFound, Throttled
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.notices.ladder import ALWAYS_GOES
from xueliang_central.notices.tables import notices
from xueliang_central.rights.scope import Actor
from xueliang_central.rights.tables import users
from xueliang_central.store.tables import events

HERE = Fix(117.005, 36.005, 15.2, 4.0)


async def _answer(stage: Stage, who: Actor, **more: Any) -> None:
    task = await stage.task()
    async with changing(stage.database, stage.rulebook, stage.clock) as change:
        await answer(change, who, task["task_id"], HelpAnswer(**{"version": task["version"]} | more))


async def _under_way(stage: Stage, clock: HandClock) -> Actor:
    await stage.take(raised())
    worker = WANG if (await stage.task())["worker_id"] == WANG.user_id else ZHOU
    clock.forward(5)
    await stage.work_on(worker, "take")
    return worker


async def _told(stage: Stage, kind: str) -> list[dict[str, Any]]:
    return [row for row in await stage.rows(notices) if row["kind"] == kind]


async def test_help_is_asked_the_desk_is_told_and_the_worker_learns_who_comes(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    before = (await stage.task())["state"]
    await stage.work_on(worker, "help", reason_code="need_tow", fix=HERE)
    task = await stage.task()
    assert (task["state"], before) == ("taken", "taken")
    assert task["reason_code"] is None  # that of an end is another thing
    assert task["help"]["reason_code"] == "need_tow"
    assert task["help"]["where"]["accuracy_m"] == 15
    assert task["help"]["answer"] is None
    calls = await _told(stage, "help_asked")
    assert [row["user_id"] for row in calls] == [LI.user_id]
    async with stage.database.reading() as conn:
        assert await not_needed(conn, calls) == {}

    clock.forward(20)
    await _answer(stage, LI, reason_code="tow_comes", note="ten minutes")
    said = (await stage.task())["help"]["answer"]
    assert (said["reason_code"], said["note"], said["by"]) == ("tow_comes", "ten minutes", "Li")
    assert [row["user_id"] for row in await _told(stage, "help_answered")] == [worker.user_id]
    async with stage.database.reading() as conn:
        assert set((await not_needed(conn, calls)).values()) == {"answered"}
        assert (await chain.verify(conn)).is_whole
    assert (await stage.story())[-2:] == ["help_asked", "help_answered"]
    shown = [row["body"]["incident"]["task"]["help"] for row in await stage.rows(events) if row["kind"] == "incident"]
    assert [call and call["answer"] is None for call in shown[-2:]] == [True, False]


async def test_a_call_that_nobody_answered_is_over_with_its_task(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    await stage.work_on(worker, "help", reason_code="need_hands")
    await stage.work_on(worker, "handled", note="done alone")
    async with stage.database.reading() as conn:
        assert set((await not_needed(conn, await _told(stage, "help_asked"))).values()) == {"handled"}


async def test_where_the_worker_was_is_gone_with_the_task(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    await stage.work_on(worker, "help", reason_code="danger", fix=HERE)
    await stage.work_on(worker, "handled", note="moved away")
    assert (await stage.task())["help"]["where"] is not None
    await stage.take(cleared())
    said = (await stage.task())["help"]
    assert (said["reason_code"], said["where"]) == ("danger", None)


async def test_a_call_is_told_in_the_hardest_way_and_the_one_before_is_over(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    await stage.work_on(worker, "help", reason_code="need_hands")
    clock.forward(60)
    await stage.work_on(worker, "help", reason_code="danger")
    calls = await _told(stage, "help_asked")
    assert {row["severity"] for row in calls} == {ALWAYS_GOES}
    async with stage.database.reading() as conn:
        assert await not_needed(conn, calls) == {calls[0]["notice_id"]: "asked_again"}


async def test_a_second_call_waits_for_an_answer_of_its_own(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    await stage.work_on(worker, "help", reason_code="need_hands")
    await _answer(stage, LI, note="Chen comes")
    await stage.work_on(worker, "help", reason_code="danger")
    assert (await stage.task())["help"]["answer"] is None
    assert len(await _told(stage, "help_asked")) == 2


async def test_what_is_refused(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    with pytest.raises(MoveRefused, match="help needs a reason_code, a note or a voice note"):
        await stage.work_on(worker, "help")
    with pytest.raises(MoveRefused, match="somebody else"):
        await stage.work_on(LI, "help", reason_code="danger")
    with pytest.raises(MoveRefused, match="check_in needs a fix"):
        await stage.work_on(worker, "check_in")
    with pytest.raises(MoveRefused, match="a fix is told by check_in and help only"):
        await stage.work_on(worker, "arrive", fix=HERE)
    with pytest.raises(MoveRefused, match="no call for help waits"):
        await _answer(stage, LI, note="coming")
    await stage.work_on(worker, "help", reason_code="danger")
    with pytest.raises(MoveRefused, match="answer_help needs"):
        await _answer(stage, LI)
    with pytest.raises(Conflict):
        await _answer(stage, LI, note="coming", version=1)
    for nobody in (STRANGER, worker):
        with pytest.raises(NotFound):
            await _answer(stage, nobody, note="coming")
    incident = await stage.one_incident()
    with pytest.raises(MoveRefused, match="no such move"):
        await stage.judge(LI, incident["incident_id"], "answer_help", incident["version"], note="coming")


async def test_the_same_answer_again_is_not_repeated(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    await stage.work_on(worker, "help", reason_code="danger")
    version = (await stage.task())["version"]
    for _ in range(2):
        await _answer(stage, LI, note="coming", version=version, idempotency_key="k")
    assert (await stage.story()).count("help_answered") == 1


async def test_a_check_in_stands_on_the_task_until_it_ends(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    done_at = clock.at
    clock.forward(600)  # without a signal meanwhile
    await stage.work_on(worker, "check_in", fix=HERE, acted_at=done_at)
    task = await stage.task()
    assert task["state"] == "taken"
    assert task["checked_in"]["accuracy_m"] == 15
    assert task["checked_in"]["is_inaccurate"] is False
    assert task["checked_in"]["distance_m"] % 10 == 0
    assert task["checked_in"]["at"] == done_at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    entry = (await stage.rows(incident_timeline))[-1]
    assert entry["kind"] == "checked_in"
    assert entry["params"]["distance_m"] % 100 == 0
    kept = str(await stage.rows(incident_timeline)) + str(await stage.rows(events)) + str(task)
    assert str(HERE.longitude) not in kept.replace(str((await stage.one_incident())["longitude"]), "")
    await stage.work_on(worker, "handled", note="moved away")
    assert (await stage.task())["checked_in"] is not None
    await stage.take(cleared())
    assert ((await stage.task())["state"], (await stage.task())["checked_in"]) == ("closed", None)


async def test_an_inaccurate_check_in_is_taken_and_called_so(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    ahead = clock.at + timedelta(days=365)  # a wrong clock says nothing of when
    await stage.work_on(worker, "check_in", fix=Fix(117.005, 36.005, 2500, 4.0), acted_at=ahead)
    said = (await stage.task())["checked_in"]
    assert (said["is_inaccurate"], said["accuracy_m"]) == (True, 2500)
    assert said["at"].startswith(clock.at.isoformat()[:19])


async def test_neither_is_possible_before_taking_or_after_handling(stage: Stage, clock: HandClock) -> None:
    await stage.take(raised())
    worker = WANG if (await stage.task())["worker_id"] == WANG.user_id else ZHOU
    for move in ("check_in", "help"):
        with pytest.raises(MoveRefused, match="not possible while offered"):
            await stage.work_on(worker, move, reason_code="danger", fix=HERE)
    await stage.work_on(worker, "take")
    await stage.work_on(worker, "handled", note="done")
    for move in ("check_in", "help"):
        with pytest.raises(MoveRefused, match="not possible while handled"):
            await stage.work_on(worker, move, reason_code="danger", fix=HERE)


async def test_a_task_that_goes_to_another_incident_leaves_the_distance_behind(stage: Stage, clock: HandClock) -> None:
    into, other = await two(stage, clock)
    await stage.judge(LI, other["incident_id"], "confirm", other["version"])
    worker = WANG if (await stage.task())["worker_id"] == WANG.user_id else ZHOU
    await stage.work_on(worker, "take")
    await stage.work_on(worker, "help", reason_code="need_hands")
    await stage.work_on(worker, "check_in", fix=HERE)
    into, other = await by_number(stage)
    await merge(stage, LI, into, other)
    moved = await stage.task()
    assert moved["incident_id"] == into["incident_id"]
    assert moved["checked_in"] is None, "it was the distance from the other camera"
    assert moved["help"]["reason_code"] == "need_hands"


async def test_the_same_call_again_is_one_and_no_conflict_for_the_answer_in_hand(
    stage: Stage, clock: HandClock
) -> None:
    worker = await _under_way(stage, clock)
    await stage.work_on(worker, "help", reason_code="danger")
    seen, case = await stage.task(), await stage.one_incident()
    for _ in range(3):
        clock.forward(5)
        await stage.work_on(worker, "help", reason_code="danger")
        await stage.work_on(worker, "check_in", fix=HERE)
    now = await stage.task()
    assert (now["help"]["asked_at"], now["help"]["repeated"]) == (seen["help"]["asked_at"], 3)
    assert len(await _told(stage, "help_asked")) == 1
    assert (await stage.story()).count("help_asked") == 1
    await _answer(stage, LI, note="Chen comes", version=seen["version"])
    assert (await stage.task())["help"]["answer"]["note"] == "Chen comes"
    clock.forward(60)
    await stage.work_on(worker, "check_in", fix=HERE)
    answered = await stage.one_incident()
    assert answered["version"] == case["version"] + 1, "the answer's alone"
    await stage.judge(LI, case["incident_id"], "false_alarm", answered["version"])


async def test_the_same_call_again_says_where_the_worker_is_now(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    await stage.work_on(worker, "help", reason_code="danger")
    await stage.work_on(worker, "help", reason_code="danger", fix=HERE)
    await stage.work_on(worker, "help", reason_code="danger")
    call = (await stage.task())["help"]
    assert (call["repeated"], call["where"]["accuracy_m"]) == (2, 15)


async def test_other_words_are_another_call_and_the_answer_to_the_first_is_too_late(
    stage: Stage, clock: HandClock
) -> None:
    worker = await _under_way(stage, clock)
    await stage.work_on(worker, "help", reason_code="need_hands")
    seen = await stage.task()
    await stage.work_on(worker, "help", reason_code="danger")
    with pytest.raises(Conflict):
        await _answer(stage, LI, note="Chen comes on Monday", version=seen["version"])


async def test_different_calls_are_twelve_an_hour(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    for number in range(CALLS_AN_HOUR):
        await stage.work_on(worker, "help", reason_code="other", note=f"word {number}")
        clock.forward(10)
    with pytest.raises(Throttled, match="12 different calls") as refused:
        await stage.work_on(worker, "help", reason_code="danger")
    assert refused.value.retry_after_s == 3600 - 120
    await stage.work_on(worker, "help", reason_code="other", note="word 11")  # the same again is no further one
    clock.forward(refused.value.retry_after_s)
    await stage.work_on(worker, "help", reason_code="danger")
    assert len(await _told(stage, "help_asked")) == CALLS_AN_HOUR + 1
    before = (await stage.task())["task_id"]
    await stage.work_on(worker, "return", reason_code="cannot_handle")
    new = next(row for row in await stage.rows(tasks) if row["task_id"] != before)
    for version, move in enumerate(("take", "help"), start=1):  # those of another task are not this person's
        await stage.work(LI, new["task_id"], move, version, reason_code="danger" if move == "help" else None)
    assert len(await _told(stage, "help_asked")) == CALLS_AN_HOUR + 2


async def test_a_check_in_is_a_reason_for_who_is_sent_next_until_it_is_too_old(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    async with stage.database.transaction() as conn:
        await conn.execute(update(users).where(users.c.user_id != worker.user_id).values(disabled=True))
    await stage.work_on(worker, "check_in", fix=HERE)
    clock.forward(240)
    reasons: list[Any] = []
    seen: list[dict[str, Any]] = []
    for number, forward_s in enumerate((0, 1_561), start=2):
        clock.forward(forward_s)
        hazard = Hazard.CROWD if number == 2 else Hazard.BLOCKED_EXIT
        body = alert(Phase.RAISED, 1, camera_id="far-gate", hazard=hazard, began_at=clock())
        await stage.take(received(body, number, at=clock()))
        case = next(row for row in await stage.rows(incidents) if row["hazard"] == hazard)
        async with changing(stage.database, stage.rulebook, clock) as change:
            seen.append(await who_would_go(change, LI, case["incident_id"]))
        await stage.judge(LI, case["incident_id"], "confirm", case["version"])
        task = next(row for row in await stage.rows(tasks) if row["incident_id"] == case["incident_id"])
        assert task["worker_id"] == worker.user_id
        reasons.append(task["why_offered"]["about"].get("check_in"))
    near, old = reasons
    assert (near, old) == (True, None)
    foreseen = [(case["why"]["about"].get("check_in") or {}, case["why"]["text"]) for case in seen]
    assert foreseen[0][0] == {"age_s": 240, "camera_name": "东巷", "apart_m": 600}
    assert foreseen[1][0] == {}
    kept = str(await stage.rows(tasks)) + str(await stage.rows(incident_timeline))
    assert "600 m from here" in foreseen[0][1]
    assert "from here" not in kept
    assert "apart_m" not in kept
    assert str(HERE.longitude) not in str(await stage.rows(tasks))


async def test_a_check_in_elsewhere_names_no_place(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    await stage.work_on(worker, "check_in", fix=HERE)
    async with changing(stage.database, stage.rulebook, clock) as change:
        last = await last_check_ins(change, [worker.user_id])
        there = {"longitude": 117.015, "latitude": 36.005}
        asked = (stage.rulebook.areas.tree.get(code) for code in (VILLAGE, OTHER_GRID))
        inside, outside = (checked_in_near(there, area, last, clock())[worker.user_id] for area in asked)
    assert inside.camera_name == "东巷"
    assert outside.camera_name is None
    assert outside.apart_m is not None
    assert "on the way to another place, at most" in outside.text


async def test_what_is_offered_to_a_disabled_account_is_offered_to_somebody_else(
    stage: Stage, clock: HandClock
) -> None:
    await stage.take(raised())
    offered = await stage.task()
    other = ZHOU if offered["worker_id"] == WANG.user_id else WANG
    clock.forward(30)
    async with changing(stage.database, stage.rulebook, clock) as change:
        assert not await reoffer_next(change)
    async with stage.database.transaction() as conn:
        await conn.execute(update(users).where(users.c.user_id == offered["worker_id"]).values(disabled=True))
    async with changing(stage.database, stage.rulebook, clock) as change:
        assert await reoffer_next(change)
    async with changing(stage.database, stage.rulebook, clock) as change:
        assert not await reoffer_next(change)
    by_state = {row["state"]: row for row in await stage.rows(tasks)}
    assert by_state["withdrawn"]["reason_code"] == "account_disabled"
    assert by_state["offered"]["worker_id"] == other.user_id
    assert by_state["offered"]["take_due_at"] == clock() + timedelta(seconds=60), (
        "the other person hears of it only now"
    )
    assert (await stage.story())[-2:] == ["transferred", "task_offered"]
    assert [row["user_id"] for row in await _told(stage, "task_offered")] == [offered["worker_id"], other.user_id]


async def test_check_ins_within_half_a_minute_are_one(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    await stage.work_on(worker, "check_in", fix=HERE)
    first = (await stage.task())["checked_in"]
    clock.forward(10)
    await stage.work_on(worker, "check_in", fix=Fix(117.0045, 36.005, 8, 1.0))
    assert (await stage.task())["checked_in"]["accuracy_m"] == 8 != first["accuracy_m"]
    assert (await stage.story()).count("checked_in") == 1
    clock.forward(31)
    await stage.work_on(worker, "check_in", fix=HERE)
    assert (await stage.story()).count("checked_in") == 2


async def _after_an_import(stage: Stage, *left: str) -> None:
    """Only these areas are left."""
    stage.rulebook.areas.tree = AreaTree([stage.rulebook.areas.tree.get(code) for code in left])


async def test_a_call_in_an_area_that_has_vanished_is_told_above_it(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    await _after_an_import(stage, CITY, "370102", TOWNSHIP)
    await stage.work_on(worker, "help", reason_code="danger")
    assert [row["user_id"] for row in await _told(stage, "help_asked")] == [CHEN.user_id]
    assert "told_nobody" not in (await stage.task())["help"]


async def test_a_call_that_nobody_can_be_told_says_so(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    before = UNTOLD._value.get()
    async with stage.database.transaction() as conn:
        await conn.execute(update(users).where(users.c.role != "worker").values(disabled=True))
    await stage.work_on(worker, "help", reason_code="danger")
    assert await _told(stage, "help_asked") == []
    assert (await stage.task())["help"]["told_nobody"] is True
    assert UNTOLD._value.get() == before + 1
    assert (await stage.story())[-2:] == ["help_asked", "help_untold"]
    async with stage.database.reading() as conn:
        acts = (await conn.execute(select(audit_records.c.action))).scalars().all()
    assert "task.help_untold" in acts


async def test_the_same_call_is_told_once_somebody_is_there(stage: Stage, clock: HandClock) -> None:
    worker = await _under_way(stage, clock)
    for is_away in (True, False):
        async with stage.database.transaction() as conn:
            await conn.execute(update(users).where(users.c.role != "worker").values(disabled=is_away))
        await stage.work_on(worker, "help", reason_code="danger")
        clock.forward(60)
    assert [row["user_id"] for row in await _told(stage, "help_asked")] == [LI.user_id]
    assert "told_nobody" not in (await stage.task())["help"]


async def test_where_every_area_above_has_vanished_a_call_says_so_and_stops_nothing(
    stage: Stage, clock: HandClock
) -> None:
    worker = await _under_way(stage, clock)
    await _after_an_import(stage)
    await stage.work_on(worker, "help", reason_code="danger")
    assert (await stage.task())["help"]["told_nobody"] is True
