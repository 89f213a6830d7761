"""The noise board over HTTP: what stands at the top of whose board, what it suggests, that it keeps itself right."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from tests.integration.central.test_camera_rules import LANE, hear, said, settings
from tests.support import city
from tests.support.centres import TestCentre, camera
from tests.support.noise import add_case, follow
from tests.support.rows import add_proposal, add_silence, add_silenced_alert, filled
from xueliang_alerts.clocks import system_wall
from xueliang_central.areas.tree import path_by_code
from xueliang_central.cameras.gate import Gate
from xueliang_central.cameras.tables import cameras
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.noise.following import KEPT, forget
from xueliang_central.noise.tables import noise_cases
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import grants
from xueliang_central.silences.tables import calendar_proposals, silenced_alerts
from xueliang_central.store.events import append

BOARD = "/api/noise"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
DWELL_60 = LANE | {"dwell_s": 60.0, "clear_after_s": 10.0}


@pytest.fixture
async def street(centre: TestCentre) -> TestCentre:
    """Two cameras of the western grid and one of the east; the western ones run a rule, and send."""
    centre.clock.at = system_wall()
    centre.centre.gate.chosen = Gate.ENFORCE
    await centre.add_cameras(camera("lane", city.GRID), camera("other", city.GRID), camera("east", city.EAST_GRID))
    for name, role, area in (
        ("ruler", Role.RULE_OPERATOR, city.WEST),
        ("operator", Role.OPERATOR, city.SOUTH),
        ("north", Role.OPERATOR, city.NORTH),
    ):
        await centre.add_user(name, role, area)
    return centre


async def send(centre: TestCentre, *camera_ids: str, state: str = "streaming") -> None:
    """They are released, their node is online, and they are in this state."""
    now = centre.clock.at
    async with centre.database.transaction() as conn:
        await conn.execute(update(cameras).values(released_at=now))
        await conn.execute(update(nodes).values(state="online"))
        for camera_id in camera_ids:
            row = filled(camera_states, camera_id=camera_id, node_id="edge-01", state=state, at=now)
            await conn.execute(insert(camera_states), row)


async def board(centre: TestCentre, who: str = "ruler", **asked: Any) -> dict[str, Any]:
    await follow(centre)
    async with centre.signed_in(who) as client:
        answer = await client.get(BOARD, params=asked)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def noisy(
    centre: TestCentre, camera_id: str = "lane", *, false: int, true: int = 0, area: str = city.GRID
) -> None:
    """So many false ones of 70 to 110 s and true ones of 10 minutes, on three days."""
    for number in range(false):
        at = centre.clock.at - HOUR - (number % 3) * DAY
        await add_case(centre, area, camera_id, at=at, judged="false_alarm", stood_s=(70.0 + 5 * number,))
    for _ in range(true):
        await add_case(centre, area, camera_id, at=centre.clock.at - HOUR, judged="true_hazard", stood_s=(600.0,))


def ids(rows: list[dict[str, Any]]) -> list[str]:
    return [row["camera_id"] for row in rows]


async def test_a_noisy_rule_stands_at_the_top_with_a_dwell_that_spares_its_false_alarms(street: TestCentre) -> None:
    await hear(street, **said(settings(DWELL_60)))
    await noisy(street, false=9, true=2)
    await noisy(street, "other", false=1)
    found = await board(street)
    assert ids(found["rules"]) == ids(found["cameras"]) == ["lane", "other"]
    [top, second] = found["rules"]
    assert (top["false"], top["true"], top["false_share"], top["permitted"]) == (9, 2, pytest.approx(9 / 11), 0)
    assert (top["rule_id"], top["camera_name"], top["area"]["code"]) == ("lane", "摄像机 lane", city.GRID)
    assert top["suggestions"] == [
        {"change": "longer_dwell", "why": {"now_s": 60.0, "to_s": 95.0, "spared": 5, "of": 9, "true": 2}}
    ]
    assert second["suggestions"] == [{"change": "too_little", "why": {"judged": 1, "needed": 8}}]
    assert found["events_behind"] == 0


async def test_by_share_only_rules_that_were_judged_often_enough(street: TestCentre) -> None:
    await noisy(street, false=6, true=6)
    await noisy(street, "other", false=8)
    await add_case(street, city.GRID, "lane", at=street.clock.at - HOUR, judged="false_alarm", rule_id="once")
    found = await board(street, order="share")
    assert [(row["camera_id"], row["rule_id"]) for row in found["rules"]] == [("other", "lane"), ("lane", "lane")]
    assert [row["false_share"] for row in found["rules"]] == [1.0, 0.5]


async def test_each_span_holds_what_was_opened_in_it(street: TestCentre) -> None:
    for ago in (2 * HOUR, 20 * HOUR, 5 * DAY, 20 * DAY, 31 * DAY):
        await add_case(street, city.GRID, "lane", at=street.clock.at - ago, judged="false_alarm")
    counted = [(await board(street, span=span))["rules"][0]["false"] for span in ("shift", "day", "week", "month")]
    assert counted == [1, 2, 3, 4]


async def test_a_verdict_that_changes_and_a_merge_write_the_rows_anew(street: TestCentre) -> None:
    at = street.clock.at - HOUR
    incident_id = await add_case(street, city.GRID, "lane", at=at)
    assert (await board(street))["rules"] == []

    async def change(reason: str) -> None:
        async with street.database.transaction() as conn:
            row = {"incident_id": incident_id, "at": at, "kind": "closed", "actor_kind": "user"}
            await conn.execute(insert(incident_timeline), {**row, "actor_name": "x", "params": {}})
            await conn.execute(
                update(incidents)
                .where(incidents.c.incident_id == incident_id)
                .values(state="closed", close_reason=reason)
            )
            body = {"incident": {"incident_id": incident_id}}
            await append(conn, kind="incident", body=body, area_path=path_by_code(city.GRID), at=at)

    await change("false_alarm")
    assert (await board(street))["rules"][0]["false"] == 1
    await change("permitted")
    [row] = (await board(street))["rules"]
    assert (row["false"], row["permitted"], row["false_share"]) == (0, 1, None)
    await change("merged")
    assert (await board(street))["rules"] == []


async def test_drills_are_in_no_figure(street: TestCentre) -> None:
    await add_case(street, city.GRID, "lane", at=street.clock.at - HOUR, judged="false_alarm", drill=True)
    assert (await board(street))["rules"] == []


async def test_permitted_is_suggested_by_the_calendar_that_waits(street: TestCentre) -> None:
    for number in range(3):
        await add_case(street, city.GRID, "lane", at=street.clock.at - HOUR - number * DAY, judged="permitted")
    [row] = (await board(street))["rules"]
    assert [one["change"] for one in row["suggestions"]] == ["too_little", "event_by_hand"]
    proposal = await add_proposal(street, city.GRID)
    async with street.database.transaction() as conn:
        named = calendar_proposals.c.proposal_id == proposal
        await conn.execute(update(calendar_proposals).where(named).values(camera_id="lane", rule_id="lane"))
    [row] = (await board(street))["rules"]
    assert row["suggestions"][1] == {"change": "calendar", "why": {"permitted": 3, "proposal_id": proposal}}


async def test_what_flaps_is_counted_by_the_policys_window_and_held_over_its_pauses(street: TestCentre) -> None:
    await hear(street, **said(settings(DWELL_60)))
    start = street.clock.at - 6 * HOUR
    await add_case(street, city.GRID, "lane", at=start, stood_s=(60.0,) * 31, gap_s=22.0)
    await add_case(street, city.GRID, "other", at=start, stood_s=(60.0,) * 3)
    await add_case(street, city.GRID, "lane", at=start, rule_id="still", stood_s=(60.0,))
    found = await board(street, span="day")
    assert [(row["camera_id"], row["repeats"], row["peak"]) for row in found["flapping"]] == [
        ("lane", 30, 31),
        ("other", 2, 3),
    ]
    [top, few] = found["flapping"]
    assert (top["is_flapping"], few["is_flapping"], top["flap_count"]) == (True, False, 30)
    assert top["suggestions"] == [
        {"change": "longer_clear", "why": {"now_s": 10.0, "to_s": 25.0, "bridged": 30, "of": 30}}
    ]
    assert [one["change"] for one in few["suggestions"]] == ["too_little"]


async def test_rules_that_were_never_raised(street: TestCentre) -> None:
    rules = (LANE, LANE | {"rule_id": "trial", "shadow": True}, LANE | {"rule_id": "quiet"})
    await hear(street, **said(settings(*rules)))
    await send(street, "lane")
    assert (await board(street, span="day"))["never"] == {"total": 0, "younger": 2, "items": []}
    street.clock.advance(2 * 86_400)
    found = (await board(street, span="day"))["never"]
    assert [row["rule_id"] for row in found["items"]] == ["lane", "quiet"], "none in the shadow"
    await add_case(street, city.GRID, "lane", at=street.clock.at - HOUR)
    found = (await board(street, span="day"))["never"]
    assert (found["total"], found["younger"]) == (1, 0)
    assert found["items"][0] | {"rule_id": "quiet"} == found["items"][0]
    assert found["items"][0]["suggestions"] == [
        {"change": "too_little", "why": {"peers": 1, "raised": 1, "needed_peers": 10}}
    ]


async def test_what_a_silence_has_hidden_was_raised_all_the_same(street: TestCentre) -> None:
    await hear(street, **said(settings(LANE)))
    await send(street, "lane")
    street.clock.advance(2 * 86_400)
    assert (await board(street, span="day"))["never"]["total"] == 1
    silenced = await add_silenced_alert(street, await add_silence(street, city.GRID), city.GRID)
    async with street.database.transaction() as conn:
        values = {"camera_id": "lane", "rule_id": "lane", "began_at": street.clock.at - HOUR}
        await conn.execute(update(silenced_alerts).where(silenced_alerts.c.alert_id == silenced).values(**values))
    assert (await board(street, span="day"))["never"]["total"] == 0


@pytest.mark.parametrize("what", ["camera away", "node away", "not released"])
async def test_a_rule_that_could_not_be_raised_is_not_reproached(street: TestCentre, what: str) -> None:
    await hear(street, **said(settings(LANE)))
    await send(street, "lane", state="offline" if what == "camera away" else "streaming")
    async with street.database.transaction() as conn:
        if what == "node away":
            await conn.execute(update(nodes).values(state="lost"))
        if what == "not released":
            await conn.execute(update(cameras).values(released_at=None))
    street.clock.advance(2 * 86_400)
    assert (await board(street, span="day"))["never"]["items"] == []


async def test_a_rule_that_stays_as_it_is_keeps_its_age_when_another_changes(street: TestCentre) -> None:
    await hear(street, **said(settings(LANE)))
    await send(street, "lane")
    await follow(street)
    street.clock.advance(2 * 86_400)
    changed = said(settings(LANE, LANE | {"rule_id": "new"}), 2)
    changed["running"] = changed["running"].model_copy(update={"since": street.clock.at})
    await hear(street, **changed)
    found = (await board(street, span="day"))["never"]
    assert [row["rule_id"] for row in found["items"]] == ["lane"]


@pytest.mark.parametrize(
    "shown",
    [
        {"rules": None},
        {"rules": ["lane"]},
        {"rules": {"rule_id": "lane"}},
        {"rules": [LANE | {"rule_id": "l" * 90}, LANE | {"rule_id": 7}, LANE | {"hazard": ["crowd"]}]},
        {"rules": [LANE | {"rule_id": "Lane!"}, LANE | {"hazard": "h" * 41}]},
    ],
    ids=["none", "words", "no list", "no names", "other names"],
)
async def test_what_one_node_says_amiss_does_not_stop_the_board_of_all(
    street: TestCentre, shown: dict[str, Any]
) -> None:
    await hear(street, **said(settings(LANE), shown=shown))
    await hear(street, camera_id="other", **said(settings(LANE)))
    await send(street, "lane", "other")
    await add_case(street, city.GRID, "lane", at=street.clock.at - HOUR, judged="false_alarm")
    street.clock.advance(2 * 86_400)
    found = await board(street, span="week")
    assert [row["camera_id"] for row in found["rules"]] == ["lane"]
    assert [row["camera_id"] for row in (await board(street, span="day"))["never"]["items"]] == ["other"]


async def test_nobody_sees_noise_of_other_areas_and_a_grant_opens_them(street: TestCentre) -> None:
    await noisy(street, false=2)
    await noisy(street, "east", false=3, area=city.EAST_GRID)
    async with street.signed_in("operator") as client:
        answers = [await client.get(BOARD, params={"area": one}) for one in (city.EAST, city.WEST, "370199")]
        assert [one.status_code for one in answers] == [404, 404, 404]
    assert ids((await board(street, "operator"))["rules"]) == ["lane"]
    assert (await board(street, "north"))["rules"] == []
    user_id = await street.add_user("granted", Role.RULE_OPERATOR, city.NORTH)
    path = path_by_code(city.EAST)
    async with street.database.transaction() as conn:
        await conn.execute(insert(grants), filled(grants, user_id=user_id, area_path=path))
    assert ids((await board(street, "granted", area=city.EAST))["rules"]) == ["east"]


@pytest.mark.parametrize("role", list(Role))
async def test_who_sees_the_board(street: TestCentre, role: Role) -> None:
    await street.add_user("someone", role, city.WEST)
    async with street.signed_in("someone") as client:
        answer = await client.get(BOARD)
    desks = {Role.ADMIN, Role.OPERATOR, Role.RULE_OPERATOR, Role.SUPERVISOR, Role.AUDITOR}
    assert answer.status_code == (200 if role in desks else 403)


async def test_what_no_span_reaches_goes(street: TestCentre) -> None:
    await add_case(street, city.GRID, "lane", at=street.clock.at - HOUR)
    await follow(street)
    street.clock.advance((KEPT - 2 * HOUR).total_seconds())
    await add_case(street, city.GRID, "other", at=street.clock.at - HOUR)
    await follow(street)
    async with street.database.transaction() as conn:
        assert await forget(conn, street.clock.wall()) == 0
    street.clock.advance(2 * 3600)
    async with street.database.transaction() as conn:
        assert await forget(conn, street.clock.wall()) == 1
        assert (await conn.execute(select(func.count()).select_from(noise_cases))).scalar_one() == 1
