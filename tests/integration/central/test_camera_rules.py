"""A camera's rules at the centre: versions, who agrees, what nodes say of them, and what is sent to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import insert, select

from tests.support import city
from tests.support.centres import TestCentre, camera
from tests.support.pictures import jpeg, sha256
from tests.support.rows import add_incident, filled
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import to_bytes
from xueliang_alerts.desired import (
    DesiredAnswer,
    Outcome,
    ReportedRules,
    RuleProblem,
    RunningRules,
)
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.camera_rules.reporting import store_report
from xueliang_central.dispatch.publishing import changing
from xueliang_central.fleet.nodes import add_node
from xueliang_central.incidents.change import Rulebook
from xueliang_central.incidents.tables import alerts, expected_pictures
from xueliang_central.ingest.admission import Received
from xueliang_central.ingest.committing import commit_batch
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import grants
from xueliang_central.store.tables import events
from xueliang_configs.cameras import CameraRules

ZONE, MOVED = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]], [[0.2, 0.5], [0.9, 0.5], [0.9, 0.9]]
LANE = {"rule_id": "lane", "hazard": "fire_lane_obstruction", "severity": 2, "zone": ZONE}
RULES = "/api/cameras/lane/rules"


def settings(*rules: dict[str, Any]) -> dict[str, Any]:
    value = {"camera_id": "lane", "place_class": "residential", "look_every_s": None, "rules": list(rules)}
    return CameraRules.model_validate(value).as_written


def said(
    running: dict[str, Any],
    node_version: int = 1,
    *,
    source: str = "file",
    answer: DesiredAnswer | None = None,
    **v: Any,
) -> dict[str, Any]:
    return {
        "running": RunningRules(
            version=node_version,
            digest=CameraRules.model_validate(running).digest,
            source=source,
            since=system_wall(),
            settings=v.pop("shown", running),
        ),
        "answer": answer,
    } | v


async def hear(centre: TestCentre, *, node_id: str = "edge-01", camera_id: str = "lane", **values: Any) -> bool:
    centre.clock.advance(1)
    fields = {"node_id": node_id, "camera_id": camera_id, "at": centre.clock.at, "takes_rules": True} | values
    async with centre.database.transaction() as conn:
        return await store_report(conn, ReportedRules(**fields), centre.clock.at)


def answer(version: int, *problems: RuleProblem) -> DesiredAnswer:
    outcome = Outcome.REFUSED if problems else Outcome.APPLIED
    return DesiredAnswer(version=version, outcome=outcome, at=system_wall(), problems=problems)


@pytest.fixture
async def street(centre: TestCentre) -> TestCentre:
    """A camera whose node runs one rule of its own file, and the people."""
    centre.clock.at = system_wall()
    await centre.add_cameras(camera("lane", city.GRID))
    for name, role in (("ruler", Role.RULE_OPERATOR), ("second", Role.RULE_OPERATOR), ("chief", Role.SUPERVISOR)):
        await centre.add_user(name, role, city.WEST)
    assert await hear(centre, **said(settings(LANE)))
    return centre


@asynccontextmanager
async def people(centre: TestCentre) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """Who proposes, and another one."""
    async with centre.signed_in("ruler") as ruler, centre.signed_in("chief") as chief:
        yield ruler, chief


async def propose(client: httpx.AsyncClient, *rules: dict[str, Any], based_on: int = 0, **body: Any) -> httpx.Response:
    value = {"settings": {"rules": list(rules)}, "why": "the kerb was moved", "based_on": based_on} | body
    return await client.post(f"{RULES}/versions", json=value)


async def state(client: httpx.AsyncClient) -> str:
    found = await client.get(RULES)
    assert found.status_code == 200, found.text
    return str(found.json()["state"])


async def test_a_moved_zone_is_wanted_at_once_and_what_ran_before_is_a_version_to_go_back_to(
    street: TestCentre,
) -> None:
    async with people(street) as (ruler, _):
        assert await state(ruler) == "as_node"
        made = await propose(ruler, LANE | {"zone": MOVED})
        assert made.status_code == 201, made.text
        assert (made.json()["version"], made.json()["state"], made.json()["severity_changes"]) == (2, "desired", [])
        assert made.json()["settings"] == settings(LANE | {"zone": MOVED})  # the place class stays as it is
        listed = (await ruler.get(f"{RULES}/versions")).json()
        assert [(one["version"], one["state"], one["origin"]) for one in listed["items"]] == [
            (2, "desired", "centre"),
            (1, "ran", "node"),
        ]
        diff = (await ruler.get(f"{RULES}/diff", params={"of": 1, "to": 2})).json()["differences"]
        assert diff == [{"where": "rules.lane.zone", "before": ZONE, "after": MOVED}]
        assert (await ruler.get(f"{RULES}/diff", params={"to": 2})).json()["differences"] == diff
        assert await state(ruler) == "waiting"
        await hear(street, **said(made.json()["settings"], 2, source="centre", answer=answer(2)))
        assert await state(ruler) == "in_force"
        back = await ruler.post(f"{RULES}/rollback", json={"version": 1, "based_on": 2})
        assert back.status_code == 201, back.text
        assert (back.json()["version"], back.json()["restores"], back.json()["state"]) == (3, 1, "desired")
        assert (back.json()["why"], back.json()["settings"]) == ("back to version 1", settings(LANE))
        await hear(street, **said(settings(LANE), 3, source="centre", answer=answer(3)))
        assert await state(ruler) == "in_force"
        page = (await ruler.get(f"{RULES}/versions", params={"limit": 2})).json()
        assert ([one["state"] for one in page["items"]], page["next_before"]) == (["desired", "replaced"], 2)
        rest = (await ruler.get(f"{RULES}/versions", params={"limit": 2, "before": 2})).json()
        assert ([one["version"] for one in rest["items"]], rest["next_before"]) == ([1], None)


async def test_a_severity_needs_another_person_who_agrees(street: TestCentre) -> None:
    async with people(street) as (ruler, chief):
        made = (await propose(ruler, LANE | {"severity": 4})).json()
        assert (made["state"], made["moves"]) == ("proposed", ["withdraw"])
        assert made["severity_changes"] == [
            "rule lane: fire_lane_obstruction, severity 2 becomes fire_lane_obstruction, severity 4"
        ]
        assert await state(ruler) == "as_node"
        own = await ruler.post(f"{RULES}/versions/2/moves", json={"move": "approve"})
        assert (own.status_code, own.json()["code"]) == (403, "not_allowed")
        assert (await chief.post(f"{RULES}/versions/2/moves", json={"move": "withdraw"})).status_code == 403
        assert (await chief.get(f"{RULES}/versions/2")).json()["moves"] == ["approve", "refuse"]
        await street.add_user("auditor", Role.AUDITOR, city.WEST)
        async with street.signed_in("auditor") as auditor:
            assert (await auditor.get(f"{RULES}/versions/2")).json()["moves"] == []
        agreed = await chief.post(f"{RULES}/versions/2/moves", json={"move": "approve", "note": "as decided"})
        assert agreed.status_code == 200, agreed.text
        assert (agreed.json()["state"], agreed.json()["decided_by"], agreed.json()["moves"]) == ("desired", "chief", [])
        again = await chief.post(f"{RULES}/versions/2/moves", json={"move": "approve"})
        assert (again.status_code, again.json()["state"]) == (409, "desired")
        assert (await chief.post(f"{RULES}/versions/2/moves", json={"move": "dance"})).status_code == 422
    async with street.database.reading() as conn:
        acts = (await conn.execute(select(audit_records.c.action, audit_records.c.actor))).all()
        told = (await conn.execute(select(events.c.body).where(events.c.kind == "camera_rules"))).scalars().all()
    assert [tuple(one) for one in acts if one[0].startswith("rules.")] == [
        ("rules.proposed", "ruler"),
        ("rules.approved", "chief"),
    ]
    assert [one["camera_rules"]["state"] for one in told] == ["as_node", "as_node", "waiting"]
    assert [len(one["camera_rules"]["proposed"]) for one in told] == [0, 1, 0]


async def test_what_is_refused_withdrawn_or_overtaken_comes_never_into_force(street: TestCentre) -> None:
    async with people(street) as (ruler, chief):
        mild = LANE | {"severity": 4}
        await propose(ruler, mild)
        assert (await chief.post(f"{RULES}/versions/2/moves", json={"move": "refuse"})).json()["state"] == "refused"
        await propose(ruler, mild, based_on=2)
        assert (await ruler.post(f"{RULES}/versions/3/moves", json={"move": "withdraw"})).json()["state"] == "withdrawn"
        await propose(ruler, mild, based_on=3)
        assert (await propose(ruler, LANE | {"dwell_s": 9}, based_on=4)).json()["state"] == "desired"
        late = await chief.post(f"{RULES}/versions/4/moves", json={"move": "approve"})
        assert (late.status_code, late.json()["detail"]) == (409, "this version is outdated")
        states = [one["state"] for one in (await ruler.get(f"{RULES}/versions")).json()["items"]]
        assert states == ["desired", "outdated", "withdrawn", "refused", "ran"]


async def test_who_saw_an_older_list_is_told_and_a_repeated_request_is_one(street: TestCentre) -> None:
    async with people(street) as (ruler, _):
        first = await propose(ruler, LANE | {"dwell_s": 9}, idempotency_key="one")
        same = await propose(ruler, LANE | {"dwell_s": 9}, idempotency_key="one")
        assert (first.json()["version"], same.json()["version"]) == (2, 2)
        stale = await propose(ruler, LANE | {"dwell_s": 8})
        assert (stale.status_code, stale.json()["newest_version"]) == (409, 2)


async def test_two_at_once_are_one_version_and_one_conflict(street: TestCentre) -> None:
    async with street.signed_in("ruler") as one, street.signed_in("second") as other:
        answers = await asyncio.gather(propose(one, LANE | {"dwell_s": 9}), propose(other, LANE | {"dwell_s": 8}))
    assert sorted(answer.status_code for answer in answers) == [201, 409]


async def test_rules_that_are_none_are_refused_with_every_problem(street: TestCentre) -> None:
    async with people(street) as (ruler, _):
        bad = await propose(ruler, LANE | {"dwel_s": 5, "zone": [[0, 0]]}, LANE)
        assert (bad.status_code, bad.json()["code"]) == (422, "rules_refused")
        where = {one["where"] for one in bad.json()["problems"]}
        assert {"rules.0.dwel_s", "rules.0.zone", "rules.1.rule_id"} <= where
        for odd in ({"rules": "none"}, {}, {"rules": [], "camera_id": "another"}, {"rules": [], "url": "rtsp://x"}):
            answer = await propose(ruler, settings=odd)
            assert (answer.status_code, answer.json()["code"]) == (422, "rules_refused"), odd
        nul = await propose(ruler, LANE | {"rule_id": "a\0b"})
        assert nul.status_code == 422
        assert (await propose(ruler, LANE, why="")).status_code == 422
        assert (await ruler.get(f"{RULES}/versions")).json()["items"] == []


async def test_without_a_word_of_the_node_a_second_person_must_agree(centre: TestCentre) -> None:
    await centre.add_cameras(camera("lane", city.GRID), camera("alone", city.GRID, node_id=None))
    await centre.add_user("ruler", Role.RULE_OPERATOR, city.WEST)
    async with centre.signed_in("ruler") as ruler:
        nothing = await propose(ruler, LANE)
        assert nothing.json()["problems"][0]["where"] == "place_class"
        made = await propose(ruler, settings={"rules": [LANE], "place_class": "school"})
        assert (made.json()["version"], made.json()["state"]) == (1, "proposed")
        assert await state(ruler) == "unknown"
        alone = await ruler.post(
            "/api/cameras/alone/rules/versions", json={"settings": {"rules": []}, "why": "x", "based_on": 0}
        )
        assert (alone.status_code, alone.json()["detail"]) == (422, "no node watches this camera")
        assert (await ruler.get(f"{RULES}/diff", params={"to": 1})).status_code == 404


async def test_only_who_a_camera_belongs_to_changes_its_rules(street: TestCentre) -> None:
    await street.add_user("helper", Role.ADMIN, city.EAST)
    async with street.database.transaction() as conn:
        row = {"user_id": street.user_ids["helper"], "area_path": path_by_code(city.WEST), "why": "help"}
        await conn.execute(insert(grants), row | {"granted_by": "test", "granted_at": street.clock.at})
    async with street.signed_in("helper") as helper:
        assert (await helper.get(RULES)).status_code == 200
        answer = await propose(helper, LANE)
        assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")


async def test_what_a_node_says_is_kept_newest_first_and_only_of_its_own_cameras(street: TestCentre) -> None:
    async with people(street) as (ruler, _):
        wanted = (await propose(ruler, LANE | {"detector": "night"})).json()["settings"]
        problem = RuleProblem(where="rules.0", text='there is no detector "night" (configured: objects)', hint="add it")
        await hear(street, **said(settings(LANE), answer=answer(2, problem), shown=None))
        body = (await ruler.get(RULES)).json()
        assert body["state"] == "refused"
        assert body["reported"]["answer"]["problems"] == [problem.model_dump()]
        assert body["running_settings"] == settings(LANE)  # said before, and the digest is the same
        assert body["desired_settings"] == wanted
        late = {"at": street.clock.at - timedelta(seconds=60)}
        assert await hear(street, **said(settings()), **late)
        assert await state(ruler) == "refused"
        await hear(street, **said(settings(LANE | {"dwell_s": 1}), 2, answer=answer(2), shown=None))
        assert await state(ruler) == "drifted"
        assert (await ruler.get(RULES)).json()["running_settings"] is None
        await hear(street, **said(settings(LANE)), takes_rules=False)
        assert await state(ruler) == "not_taken"
        async with street.database.transaction() as conn:
            await add_node(conn, node_id="edge-02", area_path=path_by_code(city.WEST), at=street.clock.at, by="test")
        assert not await hear(street, node_id="edge-02", **said(settings()))
        assert not await hear(street, camera_id="nobody", **said(settings()))


async def test_a_report_dated_ahead_does_not_freeze_those_that_follow(street: TestCentre) -> None:
    assert await hear(street, at=street.clock.at + timedelta(days=30), **said(settings(LANE), 2))
    moved = settings(LANE | {"zone": MOVED})
    assert await hear(street, **said(moved, 3))
    async with people(street) as (ruler, _):
        reported = (await ruler.get(RULES)).json()["reported"]
    assert reported["digest"] == CameraRules.model_validate(moved).digest


async def test_where_nobody_knows_what_runs_another_person_must_agree(street: TestCentre) -> None:
    async with people(street) as (ruler, _):
        made = (await propose(ruler, LANE | {"zone": MOVED})).json()
        assert made["state"] == "desired"
        await hear(street, **said(settings(LANE), 3, shown=None))  # changed at the node, and not told to what
        await hear(street, **said(settings(), 4, shown=None))
        again = await propose(ruler, LANE | {"zone": ZONE}, based_on=made["version"])
        assert (again.json()["state"], len(again.json()["severity_changes"])) == ("proposed", 1), again.text


async def test_reports_arrive_by_the_way_of_all_messages_and_bad_ones_go_to_quarantine(street: TestCentre) -> None:
    topic = node_topic("edge-01", Leaf.CONFIG_REPORTED)
    street.clock.advance(1)
    good = ReportedRules(
        node_id="edge-01", camera_id="lane", at=street.clock.at, takes_rules=True, **said(settings(), 2)
    )
    foreign = good.model_copy(update={"node_id": "edge-02"})
    burnt = good.model_copy(update={"answer": answer(2**31)})
    payloads = [to_bytes(good), to_bytes(foreign), b"{}", to_bytes(burnt)]
    payloads += [to_bytes(good.model_copy(update={"camera_id": "nobody"}))]
    strangers = node_topic("edge-77", Leaf.CONFIG_REPORTED), to_bytes(good.model_copy(update={"node_id": "edge-77"}))
    batch = [Received(topic, one, street.clock.at) for one in payloads] + [Received(*strangers, street.clock.at)]
    rulebook = Rulebook.of(street.centre.areas, street.centre.policies)
    async with changing(street.database, rulebook, street.clock.wall) as change:
        outcome = await commit_batch(change, batch)
    assert outcome.counts["rules_reported"] == 1
    assert outcome.counts["rules_of_foreign_camera"] == 1
    assert outcome.counts["quarantined_foreign_node"] == 1
    assert outcome.counts["quarantined_not_understood"] == 2
    assert outcome.counts["quarantined_unknown_node"] == 1
    async with changing(street.database, rulebook, street.clock.wall) as change:
        refused = await commit_batch(change, batch[:1], refuse="a fault of ours")
    assert refused.counts["quarantined_failed"] == 1


# What is sent.


async def test_one_list_tells_how_the_rules_of_all_cameras_stand(street: TestCentre) -> None:
    await street.add_cameras(camera("other", city.GRID, node_id=None))
    async with people(street) as (ruler, _):
        assert (await propose(ruler, LANE | {"zone": MOVED})).status_code == 201
        assert (await propose(ruler, LANE | {"severity": 4}, based_on=2)).json()["state"] == "proposed"
        lane, other = (await ruler.get("/api/camera-rules")).json()["items"]
        assert (lane["camera_id"], lane["state"], lane["desired_version"], lane["running_version"]) == (
            "lane",
            "waiting",
            2,
            1,
        )
        assert (lane["newest_version"], lane["waiting_for_second"]) == (3, [{"version": 3, "by": "ruler"}])
        assert (lane["node_state"], other["node_state"]) == ("never_seen", None)
        assert (other["state"], other["newest_version"], other["running_version"]) == ("unknown", 0, None)
        problem = RuleProblem(where="rules.0", text="no", hint="")
        await hear(street, **said(settings(LANE), 2, answer=answer(2, problem)))
        lane, _ = (await ruler.get("/api/camera-rules")).json()["items"]
        assert (lane["state"], lane["problems"]) == ("refused", 1)
        schema = (await ruler.get("/api/camera-rules/schema")).json()
    assert "FireLaneRule" in schema["$defs"]


WRITTEN = """place_class: residential
rules:
  - rule_id: lane
    hazard: fire_lane_obstruction
    zone: [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]]
"""


async def test_a_draft_is_checked_as_settings_or_as_text_and_nothing_is_kept(street: TestCentre) -> None:
    async with people(street) as (ruler, _):
        told = (await ruler.post(f"{RULES}/check", json={"text": WRITTEN})).json()
        assert told["settings"]["rules"] == [{key: value for key, value in LANE.items() if key != "severity"}]
        assert told["severity_changes"] == []
        milder = await ruler.post(f"{RULES}/check", json={"settings": {"rules": [LANE | {"severity": 4}]}})
        assert len(milder.json()["severity_changes"]) == 1
        for body, where in (
            ({"text": "rules: [\n"}, "line 2"),
            ({"text": "rules: []\n# \f"}, "line 2"),
            ({"text": "rules:\n  - rule_id: ${HOME}\n"}, "line 2"),
            ({"text": "cameras: []"}, "cameras"),
            ({"text": WRITTEN.replace("[0.9, 0.5], ", "")}, "rules.0.zone"),
            ({"settings": {"rules": [], "camera_id": "other"}}, "camera_id"),
            ({}, ""),
        ):
            refused = await ruler.post(f"{RULES}/check", json=body)
            assert (refused.status_code, refused.json()["code"]) == (422, "rules_refused"), refused.text
            assert where in {one["where"] for one in refused.json()["problems"]}, refused.text
        assert (await ruler.get(RULES)).json()["newest_version"] == 0


async def test_the_newest_still_that_may_be_seen_lies_under_the_zones(street: TestCentre) -> None:
    async with people(street) as (ruler, _):
        assert (await ruler.get(RULES)).json()["still"] is None
        picture = jpeg(filler=b"lane")
        async with street.client() as node:
            headers = {"authorization": f"Bearer {street.node_token}", "content-type": "image/jpeg"}
            sent = await node.put(f"/api/evidence/{sha256(picture)}", content=picture, headers=headers)
            assert sent.is_success
        incident = await add_incident(street, city.GRID, still=sha256(picture))
        async with street.database.transaction() as conn:
            alert_id = (await conn.execute(select(expected_pictures.c.alert_id))).scalar_one()
            row = {"alert_id": alert_id, "incident_id": incident, "camera_id": "lane", "frame_size_wh": [1280, 720]}
            await conn.execute(insert(alerts), filled(alerts, street.clock.at, **row))
        found = (await ruler.get(RULES)).json()["still"]
        assert (found["sha256"], found["frame_size_wh"]) == (sha256(picture), [1280, 720])
        assert (await ruler.get(f"/api/evidence/{found['sha256']}")).status_code == 200
