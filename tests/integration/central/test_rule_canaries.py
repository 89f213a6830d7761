"""A change of many cameras, tried on some of them: watched, rolled back with its reason, promoted; each once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from tests.integration.central.test_camera_rules import ZONE, hear, said
from tests.integration.central.test_rule_levels import FIRE_LANE, LANE, Desk, desk_of, whole
from tests.support import city
from tests.support.centres import TestCentre, camera
from tests.support.rows import add_incident, filled
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.desired import DesiredAnswer, Outcome, RuleProblem
from xueliang_central.audit.tables import audit_records
from xueliang_central.camera_rules import watching
from xueliang_central.camera_rules.canary import DAYS_BEFORE
from xueliang_central.camera_rules.tables import rule_canaries
from xueliang_central.fleet.tables import camera_states, nodes
from xueliang_central.incidents.tables import alerts
from xueliang_central.notices.tables import notices
from xueliang_central.rights.scope import Role
from xueliang_central.worker import Worker

NAMES = tuple(f"cam-{number}" for number in range(10))
CHANGE: dict[str, Any] = {FIRE_LANE: {"dwell_s": 20.0}}
CANARIES = f"/api/rule-defaults/{city.SOUTH}/canaries"
HOUR = timedelta(hours=1)


@pytest.fixture
async def desk(centre: TestCentre) -> AsyncIterator[Desk]:
    """Ten cameras of a township, a desk there, and a week in which each camera raised one alert an hour."""
    centre.clock.at = system_wall()
    await centre.add_cameras(*(camera(name, city.GRID) for name in NAMES))
    await centre.add_user("ruler", Role.RULE_OPERATOR, city.WEST)
    await centre.add_user("chief", Role.SUPERVISOR, city.WEST)
    await centre.add_user("seat", Role.OPERATOR, city.SOUTH)
    for name in NAMES:
        assert await hear(centre, camera_id=name, **said(whole(name, LANE)))
    async with desk_of(centre) as made:
        yield made


async def raised(desk: Desk, camera_id: str, *ago: timedelta, hazard: str = FIRE_LANE) -> None:
    incident = await add_incident(desk.centre, city.GRID)
    at = desk.centre.clock.at
    rows = [
        filled(
            alerts,
            at,
            alert_id=str(uuid.uuid4()),
            incident_id=incident,
            camera_id=camera_id,
            hazard=hazard,
            began_at=at - one,
            frame_size_wh=[1280, 720],
        )
        for one in ago
    ]
    async with desk.centre.database.transaction() as conn:
        await conn.execute(insert(alerts), rows)


async def take(desk: Desk, *camera_ids: str, problem: str = "") -> None:
    """The nodes of these cameras take what is wanted of them, or refuse it."""
    for camera_id in camera_ids:
        body = await desk.rules(camera_id)
        wanted, problems = body["desired"], ()
        if problem:
            problems = (RuleProblem(where="rules.0", text=problem, hint=""),)
        outcome = Outcome.REFUSED if problem else Outcome.APPLIED
        told = DesiredAnswer(version=wanted["version"], outcome=outcome, at=system_wall(), problems=problems)
        runs = body["running_settings"] if problem else body["desired_settings"]
        await hear(desk.centre, camera_id=camera_id, **said(runs, 2, source="centre", answer=told))


async def begin(desk: Desk, settings: dict[str, Any] = CHANGE, **canary: Any) -> dict[str, Any]:
    asked = {"cameras": ["cam-1", "cam-2"], "hours": 2.0} | canary
    return await desk.say(city.SOUTH, settings, canary=asked)


async def canary(desk: Desk) -> dict[str, Any]:
    found = await desk.ruler.get(CANARIES)
    assert found.status_code == 200, found.text
    return dict(found.json()["items"][0])


async def look(desk: Desk, after: timedelta) -> dict[str, Any]:
    desk.centre.clock.advance(after.total_seconds())
    await Worker(desk.centre.centre).watch_canaries()
    await desk.spread()
    return await canary(desk)


async def dwells(desk: Desk) -> dict[str, float | None]:
    found = {}
    for name in NAMES:
        wanted = (await desk.rules(name))["desired_settings"]
        found[name] = None if wanted is None else wanted["rules"][0].get("dwell_s")
    return found


def only(*names: str) -> dict[str, float | None]:
    return {name: 20.0 if name in names else None for name in NAMES}


async def test_a_change_goes_to_its_canary_stays_in_the_band_and_is_promoted_by_itself(desk: Desk) -> None:
    made = await begin(desk, promotes_itself=True)
    assert made["state"] == "trying"
    assert await dwells(desk) == only("cam-1", "cam-2")
    await take(desk, "cam-1", "cam-2")
    begun = await canary(desk)
    assert (begun["state"], begun["cameras"], begun["hazards"]) == ("watched", ["cam-1", "cam-2"], [FIRE_LANE])
    seen = await look(desk, HOUR)
    assert (seen["state"], seen["figures"]["in_force"], seen["figures"]["cameras"]) == ("watched", 2, 2)
    assert await dwells(desk) == only("cam-1", "cam-2")
    seen = await look(desk, HOUR)
    assert (seen["state"], seen["ended_by"], seen["moves"]) == ("promoted", None, [])
    assert await dwells(desk) == only(*NAMES)
    level = (await desk.ruler.get(f"/api/rule-defaults/{city.SOUTH}")).json()
    assert level["desired"]["version"] == 1


async def test_one_that_leaves_its_band_is_rolled_back_once_and_its_reason_is_told_in_numbers(desk: Desk) -> None:
    await desk.say(city.SOUTH, {FIRE_LANE: {"dwell_s": 50.0}})
    before = await dwells(desk)
    assert set(before.values()) == {50.0}
    await begin(desk)
    await take(desk, "cam-1", "cam-2")
    week = [timedelta(days=day) - timedelta(minutes=30) for day in range(1, DAYS_BEFORE + 1)]
    await raised(desk, "cam-1", *week)  # one at this hour of each day
    desk.centre.clock.advance(HOUR.total_seconds())
    await raised(desk, "cam-2", *(timedelta(minutes=minute) for minute in range(1, 8)))
    await asyncio.gather(*(Worker(desk.centre.centre).watch_canaries() for _ in range(3)))
    await desk.spread()
    seen = await canary(desk)
    assert (seen["state"], seen["ended_by"]) == ("rolled_back", None)
    assert seen["reasons"] == [{"code": "more_alerts", "seen": 7, "limit": 5}]
    assert (seen["figures"]["alerts"], seen["figures"]["before"], seen["figures"]["expected"]) == (7, 7, 1.0)
    assert await dwells(desk) == before
    versions = (await desk.ruler.get(f"/api/rule-defaults/{city.SOUTH}/versions")).json()["items"]
    assert [one["state"] for one in versions] == ["rolled_back", "desired"]
    assert "canary rolled back" in (await desk.rules("cam-1"))["desired"]["why"]
    async with desk.centre.database.reading() as conn:
        told = (await conn.execute(select(notices.c.user_id, notices.c.kind, notices.c.params))).all()
        acts = (await conn.execute(select(audit_records.c.action, audit_records.c.actor))).all()
    assert {one.user_id for one in told} == {desk.centre.user_ids[name] for name in ("ruler", "seat")}
    assert {one.kind for one in told} == {"canary_rolled_back"}
    assert told[0].params["reasons"] == seen["reasons"]
    assert len(told) == 2
    assert [tuple(one) for one in acts if "canary" in one[0]] == [
        ("rule_defaults.canary_begun", "ruler"),
        ("rule_defaults.canary_rolled_back", "system"),
    ]


async def test_the_others_of_the_area_say_whether_it_is_the_night_or_the_change(desk: Desk) -> None:
    await begin(desk)
    await take(desk, "cam-1", "cam-2")
    week = [timedelta(days=day) - timedelta(minutes=30) for day in range(1, DAYS_BEFORE + 1)]
    for name in ("cam-1", "cam-2", "cam-5", "cam-6"):
        await raised(desk, name, *week)
    desk.centre.clock.advance(HOUR.total_seconds())
    for name in ("cam-1", "cam-2", "cam-5", "cam-6"):
        await raised(desk, name, *(timedelta(minutes=minute) for minute in range(1, 6)))
        await raised(desk, name, *(timedelta(minutes=minute) for minute in range(1, 30)), hazard="crowd")
    seen = await look(desk, timedelta())
    assert (seen["state"], seen["figures"]["alerts"], seen["figures"]["trend"]) == ("watched", 10, 5.0)


@pytest.mark.parametrize("what", ["refused", "faulty", "slower", "missing"])
async def test_trouble_of_its_cameras_and_nodes_rolls_it_back(desk: Desk, what: str) -> None:
    database, clock = desk.centre.database, desk.centre.clock
    states = [
        {"camera_id": name, "node_id": "edge-01", "state": "watching", "achieved_gap_s": 1.0, "at": clock.at}
        for name in NAMES
    ]
    async with database.transaction() as conn:
        await conn.execute(insert(camera_states), states)
    await begin(desk)
    await take(desk, "cam-1", "cam-2", problem="no such detector" if what == "refused" else "")
    clock.advance(30)
    mine = camera_states.c.camera_id == "cam-1"
    async with database.transaction() as conn:
        if what == "faulty":
            await conn.execute(update(camera_states).where(mine).values(state="degraded"))
        elif what == "slower":
            await conn.execute(update(camera_states).where(mine).values(achieved_gap_s=2.5))
        elif what == "missing":
            await conn.execute(update(nodes).values(missing_at=clock.at, missing_records=3))
    seen = await look(desk, timedelta(seconds=60))
    assert (seen["state"], [one["code"] for one in seen["reasons"]]) == ("rolled_back", [what])
    assert set((await dwells(desk)).values()) == {None}


async def test_whose_time_is_over_waits_for_a_hand_and_is_watched_on(desk: Desk) -> None:
    await begin(desk)
    await take(desk, "cam-1", "cam-2")
    seen = await look(desk, 2 * HOUR)
    assert (seen["state"], seen["moves"]) == ("held", ["promote", "roll_back"])
    assert await dwells(desk) == only("cam-1", "cam-2")
    moved = await desk.ruler.post(f"{CANARIES}/1/moves", json={"move": "promote"})
    assert moved.json()["state"] == "desired", moved.text
    await desk.spread()
    assert await dwells(desk) == only(*NAMES)
    again = await desk.ruler.post(f"{CANARIES}/1/moves", json={"move": "roll_back"})
    assert (again.status_code, again.json()["state"]) == (409, "promoted")
    assert (await desk.chief.post(f"{CANARIES}/1/moves", json={"move": "promote"})).status_code == 403


async def test_what_no_node_has_taken_is_not_promoted_by_itself(desk: Desk) -> None:
    await begin(desk, promotes_itself=True)  # their node is away
    seen = await look(desk, 2 * HOUR)
    assert (seen["state"], seen["figures"]["in_force"]) == ("held", 0)
    assert await dwells(desk) == only("cam-1", "cam-2")
    async with desk.centre.database.reading() as conn:
        kinds = (await conn.execute(select(notices.c.kind))).scalars().all()
    assert set(kinds) == {"canary_held"}


async def test_a_hand_rolls_back_what_another_person_agreed_to_without_asking_again(desk: Desk) -> None:
    made = await begin(desk, {FIRE_LANE: {"severity": 4}}, cameras=[], share=0.3, seed="s")
    assert made["state"] == "proposed"
    assert (await canary(desk))["state"] == "planned"
    path = f"/api/rule-defaults/{city.SOUTH}/versions/1/moves"
    assert (await desk.chief.post(path, json={"move": "approve"})).json()["state"] == "trying"
    await desk.spread()
    seen = await canary(desk)
    assert (seen["state"], len(seen["cameras"])) == ("watched", 3)
    name = seen["cameras"][0]
    assert (await desk.rule(name))["severity"] == 4
    await take(desk, *seen["cameras"])
    moved = await desk.ruler.post(f"{CANARIES}/1/moves", json={"move": "roll_back"})
    assert moved.json()["state"] == "rolled_back", moved.text
    await desk.spread()
    body = await desk.rules(name)
    assert body["desired_settings"]["rules"][0].get("severity") is None
    assert body["proposed"] == []
    assert (await canary(desk))["ended_by"] == "ruler"


async def test_what_is_tried_survives_a_kill_and_another_version_ends_it(desk: Desk) -> None:
    asked = {"cameras": ["cam-1", "cam-2"], "hours": 2.0}
    made = await desk.say(city.SOUTH, CHANGE, canary=asked, spread_now=False)
    assert made["state"] == "trying"
    assert (await canary(desk))["state"] == "begun"  # on its way; the process ended here
    await desk.spread()

    class Killed(Exception):
        pass

    async def cut_off() -> None:
        async with desk.centre.database.transaction() as conn:
            assert await watching.look(conn, desk.centre.tree, desk.centre.clock.at)
            raise Killed

    await take(desk, "cam-1", "cam-2")
    desk.centre.clock.advance(HOUR.total_seconds())
    await raised(desk, "cam-2", *(timedelta(minutes=minute) for minute in range(1, 8)))
    with pytest.raises(Killed):
        await cut_off()
    assert (await canary(desk))["state"] == "watched"  # nothing of the look is kept
    two = await desk.ruler.post(
        f"/api/rule-defaults/{city.SOUTH}/versions",
        json={"settings": {FIRE_LANE: {"dwell_s": 33}}, "why": "x", "based_on": 1, "canary": {"cameras": ["cam-3"]}},
    )
    assert (two.status_code, two.json()["trying"]) == (409, 1)
    await desk.say(city.SOUTH, {FIRE_LANE: {"dwell_s": 33.0}})
    assert set((await dwells(desk)).values()) == {33.0}
    assert (await look(desk, HOUR))["state"] == "ended"
    async with desk.centre.database.reading() as conn:
        assert (await conn.execute(select(rule_canaries.c.next_look_at))).scalars().all() == [None]


async def test_a_canary_needs_a_camera_that_changes_and_a_camera_of_it_keeps_what_is_tried(desk: Desk) -> None:
    path = f"/api/rule-defaults/{city.SOUTH}/versions"
    value = {"settings": CHANGE, "why": "x", "based_on": 0, "canary": {"cameras": ["no-such"]}}
    refused = await desk.ruler.post(path, json=value)
    assert (refused.status_code, refused.json()["code"]) == (422, "move_refused")
    assert (await desk.ruler.post(path, json=value | {"canary": {"hours": 0.1}})).status_code == 422
    await begin(desk)
    made = await desk.propose({**LANE, "zone": [*ZONE, [0.1, 0.9]]}, camera_id="cam-1")
    assert made["settings"]["rules"][0]["dwell_s"] == 20  # its own zone, and what is tried
    assert (await desk.propose(LANE, camera_id="cam-7"))["settings"]["rules"][0].get("dwell_s") is None


async def test_a_roll_back_leaves_what_waits_of_the_version_that_holds(desk: Desk) -> None:
    """A severity that nobody saw before waits at a camera outside of the canary; that is another question."""
    crowd = {"hazard": "crowd", "zone": ZONE, "raise_at_count": 9, "clear_at_count": 5}
    holds: dict[str, Any] = {"crowd": {"severity": 3}}
    await desk.say(city.SOUTH, holds, spread_now=False)
    both = whole("cam-9", {**crowd, "rule_id": "gate", "severity": 2}, {**crowd, "rule_id": "soft"})
    await hear(desk.centre, camera_id="cam-9", **said(both, 2))
    await desk.spread()
    (waiting,) = (await desk.rules("cam-9"))["proposed"]
    await begin(desk, holds | CHANGE)
    agreed = await desk.chief.post(f"/api/rule-defaults/{city.SOUTH}/versions/2/moves", json={"move": "approve"})
    assert agreed.json()["state"] == "trying", agreed.text
    await desk.spread()
    moved = await desk.ruler.post(f"{CANARIES}/2/moves", json={"move": "roll_back"})
    assert moved.json()["state"] == "rolled_back", moved.text
    await desk.spread()
    assert [one["version"] for one in (await desk.rules("cam-9"))["proposed"]] == [waiting["version"]]
