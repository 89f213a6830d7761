"""Rules copied to many cameras: seen before, tried on some first, promoted, brought back; what others changed stays."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select, update

from tests.integration.central.test_camera_rules import MOVED, ZONE, hear, said
from tests.integration.central.test_rule_canaries import HOUR, NAMES, desk, raised, take
from tests.integration.central.test_rule_levels import FIRE_LANE, LANE, Desk, whole
from tests.support import city
from tests.support.centres import camera
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.camera_rules import copies
from xueliang_central.camera_rules.bringing import AT_ONCE, FAILED, spread
from xueliang_central.camera_rules.canary import HELD_LASTS
from xueliang_central.camera_rules.giving import WAY
from xueliang_central.camera_rules.tables import rule_copies, rule_reports
from xueliang_central.cameras.tables import cameras
from xueliang_central.notices.tables import notices
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import grants
from xueliang_central.worker import Worker

__all__ = ["desk"]

COPIES = "/api/rule-copies"
TUNED = {**LANE, "zone": MOVED, "dwell_s": 20.0}
SMOKE = {"rule_id": "smoke", "hazard": "fire_smoke", "zone": MOVED}


async def check(desk: Desk, *names: str, **body: Any) -> dict[str, Any]:
    found = await desk.ruler.post(f"{COPIES}/check", json={"source": "cam-0", "cameras": list(names)} | body)
    assert found.status_code == 200, found.text
    return dict(found.json())


async def copy(
    desk: Desk, *names: str, tried: tuple[str, ...] = (), spread: bool = True, **body: Any
) -> dict[str, Any]:
    seen = (await check(desk, *names))["items"]
    value: dict[str, Any] = {
        "source": "cam-0",
        "cameras": [{"camera_id": one["camera_id"], "based_on": one["newest_version"]} for one in seen],
        "why": "as at the east lane",
    }
    if tried:
        value["canary"] = {"cameras": list(tried), "hours": 2.0} | body.pop("canary", {})
    made = await desk.ruler.post(COPIES, json=value | body)
    assert made.status_code == 201, made.text
    if spread:
        await desk.spread()
    return await now(desk, made.json()["copy_id"])


async def now(desk: Desk, copy_id: str) -> dict[str, Any]:
    found = await desk.ruler.get(f"{COPIES}/{copy_id}")
    assert found.status_code == 200, found.text
    return dict(found.json())


async def look(desk: Desk, copy_id: str, after: timedelta) -> dict[str, Any]:
    desk.centre.clock.advance(after.total_seconds())
    await asyncio.gather(*(Worker(desk.centre.centre).watch_canaries() for _ in range(2)))
    await desk.spread()
    return await now(desk, copy_id)


async def turn(desk: Desk, copy_id: str, move: str, by: httpx.AsyncClient | None = None) -> dict[str, Any]:
    moved = await (by or desk.ruler).post(f"{COPIES}/{copy_id}/trial/moves", json={"move": move})
    assert moved.status_code == 200, moved.text
    await desk.spread()
    return await now(desk, copy_id)


async def dwells(desk: Desk, *names: str) -> list[float | None]:
    rules = [(await desk.rules(name))["desired_settings"] for name in names]
    return [None if one is None else one["rules"][0].get("dwell_s") for one in rules]


async def test_a_copy_is_tried_on_one_given_to_the_rest_and_undone_and_what_others_changed_stays(desk: Desk) -> None:
    crowd = {"rule_id": "lane", "hazard": "crowd", "zone": ZONE, "raise_at_count": 9, "clear_at_count": 5}
    await hear(desk.centre, camera_id="cam-9", **said(whole("cam-9", crowd), 2))
    await desk.propose(TUNED, SMOKE, camera_id="cam-0")
    seen = await check(desk, "cam-1", "cam-2", "cam-9", "no-such")
    assert (seen["changed"], seen["severity_changes"], seen["asks_trial"]) == (2, [], True)
    by_id = {one["camera_id"]: one for one in seen["items"]}
    assert {name: one["left_out"] for name, one in by_id.items()} == {
        "cam-1": None,
        "cam-2": None,
        "cam-9": "other_rule",
        "no-such": "not_found",
    }
    assert by_id["cam-1"]["new"] == ["smoke"]
    wheres = {one["where"] for one in by_id["cam-1"]["differences"]}
    assert wheres == {"rules.lane.dwell_s", "rules.lane.version", "rules.smoke"}  # its own zone stays
    assert (await check(desk, "cam-1", rule_ids=["lane"]))["asks_trial"] is False

    made = await copy(desk, "cam-1", "cam-2", "cam-3", "cam-9", tried=("cam-1",), spread=False, idempotency_key="k")
    assert (made["state"], made["spreading"], made["left_out"]) == ("begun", True, {"cam-9": "other_rule"})
    again = await copy(desk, "cam-1", "cam-2", "cam-3", "cam-9", tried=("cam-1",), spread=False, idempotency_key="k")
    assert again["copy_id"] == made["copy_id"]
    await desk.spread()  # after an end of the process it goes on from its rows
    tried = await now(desk, made["copy_id"])
    assert (tried["state"], tried["cameras"], tried["given"], tried["to_come"]) == ("watched", ["cam-1"], 1, 2)
    body = await desk.rules("cam-1")
    assert [one["zone"] for one in body["desired_settings"]["rules"]] == [ZONE, MOVED]
    assert body["desired"]["copy"] == made["copy_id"]
    assert await dwells(desk, "cam-1", "cam-2") == [20.0, None]
    await take(desk, "cam-1")
    assert (await check(desk, "cam-1"))["items"][0]["left_out"] == "tried"
    await desk.propose({**LANE, "dwell_s": 77.0}, camera_id="cam-3")  # somebody else, meanwhile
    held = await look(desk, made["copy_id"], 2 * HOUR)
    assert (held["state"], held["figures"]["in_force"], held["moves"]) == ("held", 1, ["promote", "roll_back"])

    over = await turn(desk, made["copy_id"], "promote")
    assert (over["state"], over["ended_by"], over["given"], over["to_come"]) == ("promoted", "ruler", 2, 0)
    assert over["left_out"] == {"cam-3": "changed", "cam-9": "other_rule"}
    assert await dwells(desk, "cam-1", "cam-2", "cam-3") == [20.0, 20.0, 77.0]
    await desk.propose({**LANE, "dwell_s": 66.0}, SMOKE, camera_id="cam-2")
    undone = await turn(desk, made["copy_id"], "roll_back")  # of a camera that nobody has changed since
    assert (undone["state"], undone["moves"]) == ("rolled_back", [])
    # cam-1 loses a rule by it: after the promotion that is a change like any other, for a second person.
    assert (undone["kept"], undone["brought_back"]) == ({"cam-1": "waits", "cam-2": "changed"}, 0)
    assert await dwells(desk, "cam-2", "cam-3") == [66.0, 77.0]
    waits = (await desk.chief.get("/api/camera-rules/waiting")).json()["items"]
    assert [(one["camera_id"], one["copy"]) for one in waits] == [("cam-1", made["copy_id"])]
    items = [{"camera_id": "cam-1", "version": waits[0]["version"]}]
    done = await desk.chief.post("/api/camera-rules/decisions", json={"items": items, "move": "approve"})
    assert done.json()["results"][0]["outcome"] == "done"
    assert (await desk.rules("cam-1"))["desired_settings"]["rules"] == (await desk.rules("cam-5"))["running_settings"][
        "rules"
    ]
    refused = await desk.ruler.post(f"{COPIES}/{made['copy_id']}/trial/moves", json={"move": "promote"})
    assert (refused.status_code, refused.json()["state"]) == (409, "rolled_back")


async def test_one_that_leaves_its_band_goes_back_by_itself_once_with_its_numbers(desk: Desk) -> None:
    await desk.propose({**LANE, "dwell_s": 44.0}, camera_id="cam-1")
    await desk.propose(TUNED, camera_id="cam-0")
    made = await copy(desk, "cam-1", "cam-2", "cam-3", tried=("cam-1", "cam-2"), canary={"promotes_itself": True})
    await take(desk, "cam-1", "cam-2")
    await desk.propose({**LANE, "dwell_s": 55.0}, camera_id="cam-2")
    desk.centre.clock.advance(HOUR.total_seconds())
    await raised(desk, "cam-1", *(timedelta(minutes=minute) for minute in range(1, 8)))
    await raised(desk, "cam-1", *(timedelta(minutes=minute) for minute in range(1, 30)), hazard="crowd")
    back = await look(desk, made["copy_id"], timedelta())
    assert (back["state"], back["ended_by"], back["given"], back["to_come"]) == ("rolled_back", None, 2, 0)
    assert back["reasons"] == [{"code": "more_alerts", "seen": 7, "limit": 4}]
    assert (back["brought_back"], back["kept"]) == (1, {"cam-2": "changed"})
    assert await dwells(desk, "cam-1", "cam-2", "cam-3") == [44.0, 55.0, None]
    assert "copy rolled back" in (await desk.rules("cam-1"))["desired"]["why"]
    async with desk.centre.database.reading() as conn:
        told = (await conn.execute(select(notices.c.user_id, notices.c.kind, notices.c.params))).all()
        acts = (await conn.execute(select(audit_records.c.action, audit_records.c.actor))).all()
    assert {one.user_id for one in told} == {desk.centre.user_ids[name] for name in ("ruler", "seat")}
    assert [(one.kind, one.params["copy_id"]) for one in told] == [("canary_rolled_back", made["copy_id"])] * 2
    assert [
        tuple(one) for one in acts if one.action.startswith("rule_copies.") and one.action != "rule_copies.spread"
    ] == [
        ("rule_copies.proposed", "ruler"),
        ("rule_copies.canary_begun", "ruler"),
        ("rule_copies.rolled_back", "system"),
    ]


async def test_a_severity_is_agreed_to_once_for_all_and_a_kill_gives_each_camera_its_rules_once(desk: Desk) -> None:
    await desk.propose({**LANE, "severity": 4}, camera_id="cam-0")
    await take(desk)
    moved = await desk.chief.post("/api/cameras/cam-0/rules/versions/2/moves", json={"move": "approve"})
    assert moved.status_code == 200, moved.text
    made = await copy(desk, *NAMES[1:8])
    assert (made["state"], made["is_tried"], len(made["severities"])) == ("planned", False, 1)
    path = f"{COPIES}/{made['copy_id']}/moves"
    assert (await desk.ruler.post(path, json={"move": "approve"})).status_code == 403  # four eyes
    agreed = await desk.chief.post(path, json={"move": "approve", "note": "yes"})
    assert (agreed.json()["state"], agreed.json()["spreading"]) == ("promoted", True)

    class Killed(Exception):
        pass

    async def cut_off() -> None:
        async with desk.centre.database.transaction() as conn:
            assert await spread(conn, WAY, desk.centre.clock.at) == 2
            raise Killed

    async with desk.centre.database.transaction() as conn:
        assert await spread(conn, WAY, desk.centre.clock.at) == AT_ONCE
    with pytest.raises(Killed):
        await cut_off()
    await desk.spread()
    found = await now(desk, made["copy_id"])
    assert (found["given"], found["left_out"], found["spreading"]) == (7, {}, False)
    for name in NAMES[1:8]:
        body = await desk.rules(name)
        assert (body["desired_settings"]["rules"][0]["severity"], body["newest_version"]) == (4, 2)
        assert body["desired"]["decided_by"] == "chief"
    assert found["moves"] == ["roll_back"]
    refused = await copy(desk, "cam-8", "cam-9")
    path = f"{COPIES}/{refused['copy_id']}/moves"
    assert (await desk.chief.post(path, json={"move": "refuse", "note": "no"})).json()["state"] == "ended"
    assert (await desk.chief.post(path, json={"move": "refuse"})).status_code == 409
    desk.centre.clock.advance(copies.UNDONE_WITHIN.total_seconds())
    async with desk.centre.signed_in("ruler") as client:
        late = await client.post(f"{COPIES}/{made['copy_id']}/trial/moves", json={"move": "roll_back"})
        assert (late.status_code, late.json()["state"]) == (409, "promoted")


async def test_a_trial_is_rolled_back_by_hand_and_waits_where_a_severity_changes_by_it(desk: Desk) -> None:
    await desk.propose(TUNED, SMOKE, camera_id="cam-0")
    for ids, kept in ((("lane",), {}), ((), {"cam-1": "waits"})):  # with the other one the camera loses a rule
        made = await copy(desk, "cam-1", "cam-2", tried=("cam-1",), rule_ids=ids)
        before = (await desk.rules("cam-2"))["running_settings"]["rules"]
        back = await turn(desk, made["copy_id"], "roll_back")
        assert (back["state"], back["brought_back"], back["kept"]) == ("rolled_back", len(kept) == 0, kept)
        body = await desk.rules("cam-1")
        assert (body["desired_settings"]["rules"] == before, len(body["proposed"])) == (not kept, len(kept))
        assert (await desk.rules("cam-2"))["newest_version"] == 0  # it never had it
    [waits] = (await desk.ruler.get("/api/camera-rules/waiting")).json()["items"]
    assert (waits["camera_id"], waits["moves"]) == ("cam-1", ["withdraw"])  # who has undone it does not agree to it
    # What is refused at once: nobody that changes, none of the trial among them, the own rules, one named twice.
    body = {"source": "cam-0", "why": "x", "cameras": [{"camera_id": "cam-2", "based_on": 0}]}
    for more, reason in (
        ({"cameras": [{"camera_id": "cam-2", "based_on": 9}]}, "nothing_changes"),
        ({"canary": {"cameras": ["cam-5"]}}, "no_canary"),
        ({"rule_ids": ["none"]}, "no_rule"),
        ({"cameras": [{"camera_id": "cam-0", "based_on": 0}]}, None),
        ({"cameras": body["cameras"] * 2}, None),
    ):
        refused = await desk.ruler.post(COPIES, json=body | more)
        assert (refused.status_code, refused.json().get("reason")) == (422, reason), refused.text
    seen = {"rules_digest": (await check(desk, "cam-2"))["rules_digest"]}
    await desk.propose({**TUNED, "dwell_s": 21.0}, SMOKE, camera_id="cam-0")
    assert (await desk.ruler.post(COPIES, json=body | seen)).status_code == 409  # nobody has seen these
    seen = {"rules_digest": (await check(desk, "cam-2"))["rules_digest"]}
    assert (await desk.ruler.post(COPIES, json=body | seen)).status_code == 201


async def test_one_that_is_held_and_nobody_decides_on_goes_back_by_itself_and_that_is_told(desk: Desk) -> None:
    await desk.propose(TUNED, SMOKE, camera_id="cam-0")
    made = await copy(desk, "cam-1", "cam-2", tried=("cam-1",))
    await take(desk, "cam-1")
    assert (await look(desk, made["copy_id"], 2 * HOUR))["state"] == "held"
    desk.centre.clock.advance((HELD_LASTS - HOUR).total_seconds())
    async with desk.centre.signed_in("ruler") as desk.ruler:  # the session of three days ago is over
        assert (await look(desk, made["copy_id"], timedelta()))["state"] == "held"
        back = await look(desk, made["copy_id"], HOUR)
    assert (back["state"], back["ended_by"], back["brought_back"], back["kept"]) == ("rolled_back", None, 1, {})
    assert (back["reasons"], back["moves"]) == ([{"code": "undecided", "seen": 72.0, "limit": 72.0}], [])
    async with desk.centre.database.reading() as conn:
        told = (await conn.execute(select(notices.c.kind))).scalars().all()
    assert set(told) == {"canary_held", "canary_rolled_back"}


async def _break(desk: Desk, settings: dict[str, Any]) -> None:
    said_of = update(rule_reports).where(rule_reports.c.camera_id == "cam-1")
    async with desk.centre.database.transaction() as conn:
        await conn.execute(said_of.values(settings=settings))


async def test_a_camera_at_which_something_fails_is_named_and_holds_up_nobody(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    await desk.propose(TUNED, camera_id="cam-0")
    first = await copy(desk, "cam-1", "cam-2", "cam-3", spread=False)
    other = await copy(desk, "cam-4", spread=False)
    await _break(desk, {"nobody": "thought of this"})
    await desk.spread()
    for found, left in (
        (await now(desk, first["copy_id"]), {"cam-1": FAILED}),
        (await now(desk, other["copy_id"]), {}),
    ):
        assert (found["spreading"], found["to_come"], found["left_out"]) == (False, 0, left)
    await _break(desk, whole("cam-1", LANE))
    assert await dwells(desk, "cam-1", "cam-2", "cam-3", "cam-4") == [None, 20.0, 20.0, 20.0]
    await desk.say(city.WEST, {FIRE_LANE: {"min_cover": 0.04}}, spread_now=False)  # levels go the same way
    await _break(desk, {"nobody": "thought of this"})
    await desk.spread()
    level = (await desk.ruler.get(f"/api/rule-defaults/{city.WEST}")).json()["desired"]
    assert (level["spreading"], level["left_out"]) == (False, {"cam-1": FAILED})
    assert [one.exc_info is not None for one in caplog.records if "not brought" in one.message] == [True, True]


async def test_a_persons_key_makes_one_copy_also_of_two_cameras_at_once(desk: Desk) -> None:
    await desk.propose(TUNED, camera_id="cam-0")
    await desk.propose(TUNED, camera_id="cam-9")
    body = {"why": "x", "idempotency_key": "k", "cameras": [{"camera_id": "cam-1", "based_on": 0}]}
    both = await asyncio.gather(
        *(desk.ruler.post(COPIES, json={**body, "source": source}) for source in ("cam-0", "cam-9"))
    )
    assert [one.status_code for one in both] == [201, 201]
    assert len({one.json()["copy_id"] for one in both}) == 1
    async with desk.centre.database.reading() as conn:
        assert len((await conn.execute(select(rule_copies.c.copy_id))).all()) == 1


async def test_who_undoes_a_copy_proposes_what_that_changes_and_cannot_agree_to_it(desk: Desk) -> None:
    await desk.centre.add_user("second", Role.RULE_OPERATOR, city.WEST)
    await desk.propose(TUNED, SMOKE, camera_id="cam-0")
    made = await copy(desk, "cam-1")
    async with desk.centre.signed_in("second") as second:
        undone = await turn(desk, made["copy_id"], "roll_back", by=second)
        assert undone["kept"] == {"cam-1": "waits"}
        [waits] = (await second.get("/api/camera-rules/waiting")).json()["items"]
        assert (waits["by"], waits["moves"]) == ("second", ["withdraw"])
        body = {"items": [{"camera_id": "cam-1", "version": waits["version"]}], "move": "approve"}
        alone = (await second.post("/api/camera-rules/decisions", json=body)).json()["results"]
        assert [(one["outcome"], one["code"]) for one in alone] == [("refused", "not_allowed")]
        agreed = (await desk.ruler.post("/api/camera-rules/decisions", json=body)).json()["results"]
        assert [one["outcome"] for one in agreed] == ["done"]


async def test_one_that_moved_to_others_keeps_its_rules_and_one_that_refused_some_goes_back_to_what_ran(
    desk: Desk,
) -> None:
    await desk.propose({**LANE, "dwell_s": 44.0}, camera_id="cam-1")
    await take(desk, "cam-1", problem="no such detector here")
    await desk.propose({**LANE, "dwell_s": 44.0}, camera_id="cam-2")
    await desk.propose(TUNED, camera_id="cam-0")
    made = await copy(desk, "cam-1", "cam-2", "cam-3", tried=("cam-1", "cam-2"))
    await take(desk, "cam-1")
    assert await dwells(desk, "cam-1", "cam-2") == [20.0, 20.0]
    async with desk.centre.database.transaction() as conn:
        of_others = {"area_code": city.EAST_GRID, "area_path": path_by_code(city.EAST_GRID)}
        moved = update(cameras).where(cameras.c.camera_id == "cam-3")
        await conn.execute(moved.values(**of_others))
    promoted = await turn(desk, made["copy_id"], "promote")
    assert (promoted["given"], promoted["left_out"]) == (2, {"cam-3": "not_allowed"})
    async with desk.centre.database.transaction() as conn:
        await conn.execute(update(cameras).where(cameras.c.camera_id == "cam-2").values(**of_others))
    back = await turn(desk, made["copy_id"], "roll_back")
    assert (back["brought_back"], back["kept"]) == (1, {"cam-2": "not_allowed"})
    assert await dwells(desk, "cam-1") == [None]  # of its node's own file


async def test_cameras_of_others_are_not_given_anything_and_a_grant_changes_nothing(desk: Desk) -> None:
    centre = desk.centre
    await centre.add_cameras(camera("far", city.EAST_GRID))
    await hear(centre, camera_id="far", **said(whole("far", LANE)))
    await centre.add_user("neighbour", Role.RULE_OPERATOR, city.EAST)
    await desk.propose(TUNED, camera_id="cam-0")
    assert (await check(desk, "far"))["items"][0]["left_out"] == "not_found"
    made = await copy(desk, "cam-1", "far", "cam-2", tried=("cam-1",))
    assert made["left_out"] == {}
    async with centre.signed_in("neighbour") as client:
        assert (await client.get(COPIES)).json()["items"] == []
        assert (await client.get(f"{COPIES}/{made['copy_id']}")).status_code == 404
    async with centre.database.transaction() as conn:
        row = {"user_id": centre.user_ids["neighbour"], "area_path": path_by_code(city.WEST), "why": "help"}
        await conn.execute(insert(grants), row | {"granted_by": "test", "granted_at": centre.clock.at})
    async with centre.signed_in("neighbour") as client:
        [shown] = (await client.get(COPIES)).json()["items"]
        assert (shown["copy_id"], shown["moves"]) == (made["copy_id"], [])
        moved = await client.post(f"{COPIES}/{made['copy_id']}/trial/moves", json={"move": "promote"})
        assert (moved.status_code, moved.json()["code"]) == (403, "not_allowed")
    async with centre.signed_in("seat") as client:
        assert (await client.post(f"{COPIES}/check", json={"source": "cam-0", "cameras": ["cam-2"]})).status_code == 403
    assert {one["hazard"] for one in made["rules"]} == {FIRE_LANE}
