"""Notices over the whole flow: they climb until somebody has them, and everything that became of them is on record."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import Any

import pytest

from tests.integration.central.flow.stage import LI, WANG, alert, cleared, raised, received
from tests.integration.central.notices.conftest import LADDER, ORIGIN, City, said
from tests.support.notice_targets import answer, config, http_target
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.notices import outbox, receipts, sending
from xueliang_central.notices.ladder import TOO_OLD
from xueliang_central.notices.tables import notice_steps, notices


async def test_an_offer_climbs_from_channel_to_channel_while_nobody_has_it(city: City) -> None:
    await city.stage.take(raised())
    task = await city.stage.task()
    async with city.worker() as worker:
        assert await city.turn(worker) == ["wecom"]
        assert await city.later(worker, 59) == []
        assert await city.later(worker, 1) == ["sms"]
        assert await city.later(worker, 119) == []
        assert await city.later(worker, 1) == ["voice"]
        assert await city.later(worker, 3600) == []
    row = await city.notice()
    assert (row["climb_at"], row["climb_end"], row["received_at"]) == (None, "last_step", None)
    told = said(city.target.asked[0])
    assert told["link"] == f"{ORIGIN}/phone/tasks/{task['task_id']}"
    assert told["address"] == "to-wecom"
    assert told["text"] == f"新任务，请接单：{task_number(await city.stage.one_incident())}，消防车通道占用，二级（橙）"
    keys = [asked.headers["idempotency-key"] for asked in city.target.asked]
    assert keys == [f"{row['notice_id']}-{step}" for step in (0, 1, 2)]


def task_number(incident: dict[str, Any]) -> str:
    return str(incident["number"])


async def test_a_notice_tells_nothing_of_who_and_where(city: City) -> None:
    """Neither the camera's name nor anybody's name nor the reason's words leave the house."""
    await city.stage.take(raised())
    async with city.worker() as worker:
        await city.turn(worker)
    [asked] = city.target.asked
    for secret in ("东巷", "lane-east", "wang", "Wang", "41 %", WANG.user_id):
        assert secret not in asked.body.decode()


async def test_a_receipt_ends_the_climb(city: City) -> None:
    await city.stage.take(raised())
    async with city.worker() as worker:
        await city.turn(worker)
        row = await city.notice()
        async with city.stage.database.transaction() as conn:
            await receipts.received(conn, row["notice_id"], WANG.user_id, city.clock())
        assert await city.later(worker, 600) == []
    row = await city.notice()
    assert (row["climb_end"], row["received_by"]) == ("received", "device")


@pytest.mark.parametrize("how", ["take", "refuse", "ended"])
async def test_the_climb_ends_with_what_it_tells_of(city: City, how: str) -> None:
    """Taken by hand of a colleague, refused, or ended by itself: nobody is called about the first offer any more."""
    await city.stage.take(raised())
    async with city.worker() as worker:
        assert await city.turn(worker) == ["wecom"]
        if how == "ended":
            await city.stage.take(cleared())
        else:
            await city.stage.work_on(WANG, how, reason_code="busy" if how == "refuse" else None)
        city.clock.forward(600)
        await city.turn(worker)
    [offer] = [
        row
        for row in await city.stage.rows(notices)
        if row["user_id"] == WANG.user_id and row["kind"] == "task_offered"
    ]
    expected = {"take": "taken", "refuse": "refused", "ended": "withdrawn"}[how]
    assert offer["climb_end"] == expected
    made = [row for row in await city.stage.rows(notice_steps) if row["notice_id"] == offer["notice_id"]]
    assert [row["channel"] for row in made] == ["wecom"]


async def test_an_escalation_ends_when_its_limit_is_met(city: City) -> None:
    await city.stage.take(raised(hazard=Hazard.CROWD))
    city.clock.forward(61)
    await city.stage.fire_all()
    async with city.worker() as worker:
        assert await city.turn(worker) == ["wecom"]
        assert said(city.target.asked[0])["link"].startswith(f"{ORIGIN}/incidents/")
        incident = await city.stage.one_incident()
        await city.stage.judge(LI, incident["incident_id"], "confirm", incident["version"])
        await city.later(worker, 60)
    assert [said(asked)["kind"] for asked in city.target.asked].count("escalated") == 1
    [row] = [row for row in await city.stage.rows(notices) if row["kind"] == "escalated"]
    assert row["climb_end"] == "limit_met"


async def test_a_channel_without_an_address_costs_no_time(city: City) -> None:
    await city.reach(WANG.user_id, "voice")
    await city.stage.take(raised())
    async with city.worker() as worker:
        assert await city.turn(worker) == ["voice"]
    assert await city.steps() == [
        (0, "wecom", "skipped", "no_address"),
        (1, "sms", "skipped", "no_address"),
        (2, "voice", "sent", None),
    ]


async def test_without_a_ladder_only_the_page_is_told(city: City) -> None:
    await city.stage.take(raised())
    async with city.worker({}) as worker:
        assert await worker.send_notices() == 1
        assert await city.turn(worker) == []
    assert (await city.notice())["climb_end"] == "no_ladder"


async def test_ladders_are_chosen_by_severity_and_kind(city: City) -> None:
    ladders = [
        {"severity": [1], "steps": [{"channel": "voice", "after_s": 0}]},
        {"kinds": ["escalated"], "steps": [{"channel": "sms", "after_s": 0}]},
        {"steps": [{"channel": "wecom", "after_s": 30}]},
    ]
    await city.stage.take(raised(severity=1))
    async with city.worker({"ladders": ladders}) as worker:
        assert await city.turn(worker) == ["voice"]
        await city.stage.take(received(alert(Phase.RAISED, 1, camera_id="far-gate"), 2))
        assert await city.turn(worker) == []
        assert await city.later(worker, 30) == ["wecom"]


async def test_a_target_that_fails_is_tried_again_under_the_same_key_and_is_dead_at_last(city: City) -> None:
    await city.reach(WANG.user_id, "wecom")
    await city.stage.take(raised())
    city.target.behave = lambda _n, _a: answer(500)
    async with city.worker({"ladders": [{"steps": LADDER[:1]}]}) as worker:
        pauses = []
        assert await city.turn(worker) == ["wecom"]
        for _ in range(sending.MAX_TRIES - 1):
            [step] = await city.stage.rows(notice_steps)
            pauses.append((step["next_try_at"] - city.clock()).total_seconds())
            assert await city.later(worker, pauses[-1] - 0.1) == []
            assert await city.later(worker, 0.2) == ["wecom"]
        assert await city.later(worker, 3600) == []
    assert [round(pause) for pause in pauses] == [5, 10, 20, 40, 80, 160, 300]
    assert await city.steps() == [(0, "wecom", "dead", "http_500")]
    assert len({asked.headers["idempotency-key"] for asked in city.target.asked}) == 1


async def test_a_target_says_how_long_to_wait(city: City) -> None:
    await city.stage.take(raised())
    city.target.behave = lambda number, _a: answer(429, Retry_After="40") if number == 1 else answer(200)
    async with city.worker({"ladders": [{"steps": LADDER[:1]}]}) as worker:
        await city.turn(worker)
        assert await city.later(worker, 39) == []
        assert await city.later(worker, 2) == ["wecom"]
    assert await city.steps() == [(0, "wecom", "sent", None)]


async def test_a_step_that_died_brings_the_next_one_forward(city: City) -> None:
    await city.stage.take(raised())
    city.target.behave = lambda _n, asked: answer(404 if asked.path == "/wecom" else 200)
    async with city.worker() as worker:
        assert await city.turn(worker) == ["wecom"]
        assert await city.turn(worker) == ["sms"]
    assert [step[:3] for step in await city.steps()] == [(0, "wecom", "dead"), (1, "sms", "sent")]


async def test_a_retry_is_dropped_when_nobody_needs_it_any_more(city: City) -> None:
    await city.stage.take(raised())
    city.target.behave = lambda _n, _a: answer(500)
    async with city.worker({"ladders": [{"steps": LADDER[:1]}]}) as worker:
        await city.turn(worker)
        await city.stage.work_on(WANG, "take")
        assert await city.later(worker, 60) == []
    assert await city.steps() == [(0, "wecom", "dropped", "taken")]


async def test_a_channel_that_is_gone_from_the_settings_is_a_dead_letter(city: City) -> None:
    await city.stage.take(raised())
    async with city.worker({"ladders": [{"steps": [{"channel": "pager", "after_s": 0}, LADDER[1]]}]}) as worker:
        await city.reach(WANG.user_id, "pager", "sms")
        await city.turn(worker)
        await city.turn(worker)
    assert await city.steps() == [(0, "pager", "dead", "no_channel"), (1, "sms", "sent", None)]


async def _many(city: City, count: int, severity: int = 2, kind: str = "task_withdrawn") -> None:
    """So many notices to one person; of a kind that is needed until it is received."""
    async with city.stage.database.transaction() as conn:
        for _ in range(count):
            await outbox.put(
                conn,
                key=str(uuid.uuid4()),
                kind=kind,
                user_ids=[WANG.user_id],
                area_path=WANG.area_path,
                params={"incident_id": str(uuid.uuid4()), "number": "n", "hazard": "crowd", "drill": False},
                severity=severity,
                now=city.clock(),
            )


async def test_a_budget_holds_back_counts_and_lets_go_later(city: City) -> None:
    async with city.worker({"per_hour": 2, "ladders": [{"steps": LADDER[:1]}]}) as worker:
        await _many(city, 4)
        assert await city.turn(worker) == ["wecom", "wecom"]
        assert await city.later(worker, 60) == []
        rows = await city.stage.rows(notices)
        assert (
            sorted((row["held_for_budget"] or 0, row["held_by"]) for row in rows if row["held_by"])
            == [(1, "budget")] * 2
        )
        assert worker.counts["notices_held_budget"] == 2
        assert await city.later(worker, 3540) == ["wecom", "wecom"]
    assert [row["held_by"] for row in await city.stage.rows(notices)] == [None] * 4


async def test_messages_of_a_desk_use_nothing_of_the_budget_that_offers_need(city: City) -> None:
    async with city.worker({"per_hour": 2, "ladders": [{"steps": LADDER[:1]}]}) as worker:
        await _many(city, 3, kind="message")
        assert await city.turn(worker) == ["wecom", "wecom"], "among themselves they have no more than others"
        await _many(city, 3)
        assert await city.turn(worker) == ["wecom", "wecom"]
        waiting = [row["kind"] for row in await city.stage.rows(notices) if row["held_by"] == "budget"]
    assert sorted(waiting) == ["message", "task_withdrawn"]


async def test_severity_1_passes_every_budget_and_quiet_hours(city: City) -> None:
    quiet = {"bands": [{"start": "00:00", "until": "24:00"}]}
    async with city.worker({"per_hour": 1, "quiet": quiet, "ladders": [{"steps": LADDER[:1]}]}) as worker:
        await _many(city, 3, severity=1)
        assert await city.turn(worker) == ["wecom"] * 3


async def test_quiet_hours_hold_back_what_is_still_needed_in_the_morning(city: City) -> None:
    """NOON of the tests is 12:00 in Shanghai."""
    quiet = {"bands": [{"start": "11:30", "until": "12:30"}]}
    async with city.worker({"quiet": quiet, "ladders": [{"steps": LADDER[:1]}]}) as worker:
        await city.stage.take(raised())
        assert await city.turn(worker) == []
        assert await city.later(worker, 1799) == []
        assert await city.later(worker, 1) == ["wecom"]
    row = await city.notice()
    assert (row["held_for_quiet"], row["held_by"]) == (1, None)


async def test_what_nobody_has_for_half_a_day_wakes_nobody(city: City) -> None:
    await city.stage.take(raised())
    async with city.worker() as worker:
        assert await city.later(worker, TOO_OLD.total_seconds() + 1) == []
    assert (await city.notice())["climb_end"] == "too_old"


async def test_a_target_that_hangs_delays_no_other(city: City) -> None:
    """Nine offers by a channel that hangs, one by another: that one is there within a second."""
    hangs = [{"channel": "wecom", "after_s": 0}]
    async with city.worker({"ladders": [{"severity": [3], "steps": hangs}, {"steps": LADDER[1:2]}]}) as worker:
        city.target.behave = lambda _n, asked: None if asked.path == "/wecom" else answer(200)
        await _many(city, sending.PLACES + 1, severity=3)
        await worker.climb()
        assert await worker.sender.look() == sending.PLACES
        await city.stage.take(received(alert(Phase.RAISED, 1, camera_id="far-gate"), 40))
        city.clock.forward(60)
        began = time.monotonic()
        await worker.climb()
        await worker.sender.look()
        while not any(asked.path == "/sms" for asked in city.target.asked):
            assert time.monotonic() - began < 1, "the other channel waits for the one that hangs"
            await asyncio.sleep(0.005)
        # and nobody's change waits either: the database is free
        async with city.stage.database.transaction():
            pass


async def test_two_workers_send_a_step_once(city: City) -> None:
    await _many(city, 6)
    rules = {"ladders": [{"steps": LADDER[:1]}], "per_hour": 100}
    async with city.worker(rules) as one, city.worker(rules) as two:
        await asyncio.gather(one.climb(), two.climb())
        await asyncio.gather(one.climb(), two.climb())
        for _ in range(3):
            await asyncio.gather(one.sender.look(), two.sender.look())
        await asyncio.gather(one.sender.idle(), two.sender.idle())
    keys = [asked.headers["idempotency-key"] for asked in city.target.asked]
    assert len(keys) == len(set(keys)) == 6


async def test_a_redirect_and_a_private_address_are_dead_letters_at_once(city: City) -> None:
    async with http_target() as inside:
        city.target.behave = lambda _n, _a: answer(302, Location=inside.url)
        rules = {"ladders": [{"steps": [LADDER[0], {"channel": "inside", "after_s": 60}]}]}
        channels = config(
            {
                "wecom": {"kind": "http", "url": f"{city.target.url}/wecom"},
                "inside": {"kind": "http", "url": f"http://127.0.0.2:{inside.port}/"},
            },
            private_targets=["127.0.0.1/32"],
        )
        await city.reach(WANG.user_id, "wecom", "inside")
        await city.stage.take(raised())
        async with city.worker(rules, channels=channels) as worker:
            await city.turn(worker)
            await city.turn(worker)
    assert inside.connections == 0
    assert [step[2:] for step in await city.steps()] == [("dead", "redirect_302"), ("dead", "forbidden_address")]
