"""What ended by itself before anybody judged it: it waits for a review, is answered with many others, and counts."""

from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from tests.integration.central.flow.stage import (
    CITY,
    GRID,
    LI,
    MAYOR,
    NOON,
    OTHER_GRID,
    STRANGER,
    WANG,
    HandClock,
    Stage,
    alert,
    cleared,
    raised,
    received,
)
from tests.integration.central.flow.test_http import Door
from tests.integration.central.flow.test_many_incidents import _row, door, opened
from tests.integration.central.flow.test_rollups import DAY, roll
from xueliang_alerts.contract import Hazard, Phase
from xueliang_central.audit import chain
from xueliang_central.audit.tables import audit_records
from xueliang_central.camera_rules.record import recorded_alerts
from xueliang_central.dispatch import reviewing
from xueliang_central.dispatch.purposes import Purpose, purpose_of
from xueliang_central.dispatch.reviewing import Wanted
from xueliang_central.dispatch.tables import tasks
from xueliang_central.incidents.reviewing import WINDOW
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.noise import following
from xueliang_central.noise.tables import noise_cases
from xueliang_central.notices.tables import notices
from xueliang_central.reports import figures
from xueliang_central.reports.figures import Question

__all__ = ["door"]  # a fixture

PARKED = Hazard.BLOCKED_EXIT  # nobody is sent by policy


def _asks(answer: str, *cases: dict[str, Any], **more: Any) -> dict[str, Any]:
    named = [{"incident_id": one["incident_id"], "version": one["version"]} for one in cases]
    return {"answer": answer, "cases": named, **more}


async def _said(client: httpx.AsyncClient, body: dict[str, Any]) -> list[str]:
    answer = await client.post("/api/reviews", json=body)
    assert answer.status_code == 200, answer.text
    return [one["outcome"] for one in answer.json()["outcomes"]]


async def _listed(client: httpx.AsyncClient, asked: str = "") -> list[str]:
    answer = await client.get(f"/api/reviews{asked}")
    assert answer.status_code == 200, answer.text
    return [one["incident_id"] for one in answer.json()["items"]]


async def _case(stage: Stage, incident_id: str) -> dict[str, Any]:
    return next(row for row in await stage.rows(incidents) if row["incident_id"] == incident_id)


async def test_what_ended_unjudged_is_reviewed_counts_as_judged_and_sends_nobody(stage: Stage, door: Door) -> None:
    await stage.take(raised(1, hazard=PARKED), raised(2, camera_id="far-gate", hazard=PARKED))
    await stage.take(raised(3, camera_id="other-gate", hazard=PARKED))
    east, far, other = sorted(await stage.rows(incidents), key=lambda row: row["number"])
    await stage.judge(LI, other["incident_id"], "confirm", other["version"])
    await stage.take(
        *(
            cleared(number, camera_id=one["camera_id"], hazard=PARKED)
            for number, one in ((4, east), (5, far), (6, other))
        )
    )
    east, far, other = [await _case(stage, one["incident_id"]) for one in (east, far, other)]
    assert {one["close_reason"] for one in (east, far, other)} == {"ended_by_itself"}
    assert [one["review"] for one in (east, far, other)] == ["waiting", "waiting", None], "a person had judged that one"
    before = (await stage.count(tasks), await stage.count(notices))
    async with door.client(LI) as client:
        assert set(await _listed(client)) == {east["incident_id"], far["incident_id"]}
        assert (await client.get("/api/reviews/count")).json() == {"waiting": 2, "is_more": False}
        assert await _said(client, _asks("false_alarm", east, reason_code="shadow_or_light")) == ["done"]
        assert await _said(client, _asks("true_hazard", far, other)) == ["done", "refused"]
        assert await _said(client, _asks("no_answer", east)) == ["conflict"], "as it was before its answer"
        assert await _listed(client) == []
        assert len(await _listed(client, "?which=reviewed")) == 2
        shown = (await client.get(f"/api/incidents/{east['incident_id']}")).json()
    assert (shown["state"], shown["review"], shown["timeline"][-1]["kind"]) == ("closed", "false_alarm", "reviewed")
    assert shown["timeline"][-1]["params"] == {"answer": "false_alarm", "reason_code": "shadow_or_light"}
    assert (await stage.count(tasks), await stage.count(notices)) == before
    async with stage.database.transaction() as conn:
        assert (await chain.verify(conn)).is_whole
        while await following.follow(conn, {}, stage.clock()):
            pass
        alerts = await recorded_alerts(conn, LI, "lane-east", "lane-blocked", NOON, NOON + timedelta(hours=1))
    assert [one.judged for one in alerts] == ["false_alarm"], "what a back-test is held against"
    judged = {row["camera_id"]: row["judged"] for row in await stage.rows(noise_cases)}
    assert judged == {"lane-east": "false_alarm", "far-gate": "true_hazard", "other-gate": "true_hazard"}
    told = [row["object_id"] for row in await stage.rows(audit_records) if row["action"] == "incident.review"]
    assert told == [east["incident_id"], far["incident_id"]]
    await roll(stage)
    async with stage.database.reading() as conn:
        total = figures.shown((await figures.answer(conn, Question(CITY, DAY, DAY))).total)
    counted = {name: count for name, count in total["counts"].items() if name.startswith("ended_") and count}
    assert counted == {"ended_by_itself": 3, "ended_false_alarm": 1, "ended_true_hazard": 1}
    assert total["rates"]["false_alarm"] == {"numerator": 1, "denominator": 3, "value": pytest.approx(1 / 3)}


async def test_what_comes_back_takes_the_question_back_unless_it_was_said_to_be_nothing(
    stage: Stage, clock: HandClock, door: Door
) -> None:
    cameras = ("lane-east", "far-gate", "other-gate")
    await stage.take(*(raised(number, camera_id=one, hazard=PARKED) for number, one in enumerate(cameras, 1)))
    await stage.take(*(cleared(number, camera_id=one, hazard=PARKED) for number, one in enumerate(cameras, 4)))
    true, false, waiting = (row for row in sorted(await stage.rows(incidents), key=lambda row: row["number"]))
    async with door.client(LI) as client:
        assert await _said(client, _asks("true_hazard", true)) == ["done"]
        assert await _said(client, _asks("false_alarm", false, note="a shadow")) == ["done"]
        clock.forward(120)
        again = [alert(Phase.RAISED, 1, camera_id=one, hazard=PARKED, began_at=clock()) for one in cameras]
        await stage.take(*(received(one, 7 + number, at=clock()) for number, one in enumerate(again)))
        found = {row["incident_id"]: (row["state"], row["review"]) for row in await stage.rows(incidents)}
        assert found.pop(true["incident_id"]) == found.pop(waiting["incident_id"]) == ("open", None)
        assert found.pop(false["incident_id"]) == ("closed", "false_alarm"), "judged: a new alert is a new question"
        assert list(found.values()) == [("open", None)]
        assert await _said(client, _asks("permitted", waiting, false, note="a wedding")) == ["conflict", "conflict"]
        now = await _case(stage, false["incident_id"])
        assert await _said(client, _asks("permitted", waiting, now, note="a wedding")) == ["conflict", "done"]
    assert (await _case(stage, false["incident_id"]))["review"] == "permitted", "an answer is replaced by another"


async def test_pages_filters_and_what_is_refused(stage: Stage, clock: HandClock, door: Door) -> None:
    ended = {"state": "closed", "close_reason": "ended_by_itself", "review": "waiting", "closed_at": NOON}
    rows = [_row(stage, GRID, **ended, opened_at=NOON - timedelta(minutes=one)) for one in range(7)]
    rows += [_row(stage, OTHER_GRID, **ended, camera_id="other-gate", opened_at=NOON - timedelta(days=1))]
    judged, still_open = dict.fromkeys(["review"]), dict.fromkeys(["close_reason", "review", "closed_at"])
    rows += [_row(stage, GRID, **(ended | other)) for other in (judged, still_open | {"state": "open"})]
    rows += [_row(stage, GRID, **(ended | {"severity": 1}), opened_at=NOON - timedelta(hours=1))]
    ids = await opened(stage, *rows)
    async with door.client(LI) as client:
        seen, cursor = list[str](), ""
        while True:
            page = (await client.get(f"/api/reviews?limit=3{cursor}")).json()
            seen += [one["incident_id"] for one in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
        assert seen == [*ids[:7], ids[10], ids[7]]
        assert (
            await _listed(client, f"?area={OTHER_GRID}") == await _listed(client, "?camera_id=other-gate") == [ids[7]]
        )
        assert await _listed(client, "?day=2026-11-22") == [ids[7]]
        assert await _listed(client, "?hazard=crowd") == []
        assert (await client.get(f"/api/reviews/count?area={OTHER_GRID}")).json()["waiting"] == 1
        for body in (
            _asks("permitted", *rows[:2]),
            _asks("true_hazard", rows[0], rows[0]),
            _asks("duplicate", rows[0], note="x"),
        ):
            assert (await client.post("/api/reviews", json=body)).status_code == 422, body
        assert await _said(client, _asks("true_hazard", rows[10], rows[0], rows[9])) == ["refused", "done", "refused"]
        assert await _said(client, _asks("true_hazard", rows[10])) == ["done"], "severity 1 alone"
    async with door.client(STRANGER) as client:
        assert await _listed(client) == [ids[7]]
        assert await _said(client, _asks("true_hazard", rows[1], rows[7])) == ["not_found", "done"]
        assert (await client.get(f"/api/reviews?area={GRID}")).status_code == 404
    async with door.client(WANG) as client:
        assert (await client.get("/api/reviews")).status_code == 403
        assert (await client.post("/api/reviews", json=_asks("true_hazard", rows[1]))).status_code == 403
    kinds = [row["kind"] for row in await stage.rows(incident_timeline)]
    assert kinds == ["reviewed"] * 3


async def test_what_opened_long_ago_is_no_work_that_waits(stage: Stage, door: Door) -> None:
    ended = {"state": "closed", "close_reason": "ended_by_itself", "closed_at": NOON}
    now, young, old = stage.clock(), timedelta(days=30) - timedelta(minutes=1), timedelta(days=30)
    recent, past, past_answered = await opened(
        stage,
        _row(stage, GRID, **ended, review="waiting", opened_at=now - young),
        _row(stage, GRID, **ended, review="waiting", opened_at=now - old),
        _row(stage, GRID, **ended, review="true_hazard", opened_at=now - old),
    )
    async with door.client(LI) as client:
        assert await _listed(client) == await _listed(client, "?which=all") == [recent]
        assert (await client.get("/api/reviews/count")).json() == {"waiting": 1, "is_more": False}
    async with stage.database.reading() as conn:
        purposes = [await purpose_of(conn, LI, one, now) for one in (recent, past, past_answered)]
    assert purposes == [Purpose.JUDGE, Purpose.LOOKUP, Purpose.LOOKUP]


async def test_of_what_ended_before_there_was_a_review_only_what_is_listed_waits(stage: Stage) -> None:
    migration = import_module("xueliang_central.store.migrations.versions.0041_review_of_what_ended")
    ended = {"state": "closed", "close_reason": "ended_by_itself", "closed_at": NOON, "alert_count": 1, "review": None}
    rows = [_row(stage, GRID, **ended, opened_at=NOON - timedelta(days=days)) for days in (29, 31)]
    recent, past = await opened(stage, *rows)
    async with stage.database.transaction() as conn:
        await conn.execute(migration.waits(NOON))
    assert {row["incident_id"]: row["review"] for row in await stage.rows(incidents)} == {recent: "waiting", past: None}
    assert migration._WINDOW == WINDOW


async def test_counting_and_listing_read_the_index_of_what_ended(stage: Stage) -> None:
    """Else a centre with a million closed incidents reads all of them for the number in its menu."""
    await opened(stage, *(_row(stage, GRID, state="closed", close_reason="verified") for _ in range(200)))
    for query in (reviewing.waiting(MAYOR, Wanted(), NOON), reviewing.page(MAYOR, Wanted(), None, 51, NOON)):
        async with stage.database.transaction() as conn:
            is_sqlite = conn.dialect.name == "sqlite"
            if not is_sqlite:
                await conn.execute(text("SET LOCAL enable_seqscan = off"))
            words = str(query.compile(dialect=conn.dialect, compile_kwargs={"literal_binds": True}))
            plan = await conn.execute(text(f"EXPLAIN {'QUERY PLAN ' if is_sqlite else ''}{words}"))
            said = " ".join(str(tuple(row)) for row in plan)
        assert "incidents_to_review" in said, said
