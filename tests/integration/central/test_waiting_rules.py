"""What waits for a second person over many cameras: listed with its reasons, decided together, each for itself."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event, insert, select

from tests.integration.central.test_camera_rules import LANE, hear, people, said
from tests.integration.central.test_rule_levels import whole
from tests.support import city
from tests.support.centres import TestCentre, camera
from xueliang_alerts.clocks import system_wall
from xueliang_central.areas.tree import path_by_code
from xueliang_central.audit.tables import audit_records
from xueliang_central.rights.scope import Role
from xueliang_central.rights.tables import grants

NAMES = ("gate", "lane", "market", "school")
WAITING, DECIDE = "/api/camera-rules/waiting", "/api/camera-rules/decisions"
LOWER = LANE | {"severity": 4, "version": 2}
IN_SHADOW = LANE | {"shadow": True}


@pytest.fixture
async def street(centre: TestCentre) -> TestCentre:
    """Four cameras whose nodes run a rule of their own, that of the school in the shadow, and the people."""
    centre.clock.at = system_wall()
    await centre.add_cameras(*(camera(name, city.GRID) for name in NAMES))
    for name, role in (("ruler", Role.RULE_OPERATOR), ("second", Role.RULE_OPERATOR), ("chief", Role.SUPERVISOR)):
        await centre.add_user(name, role, city.WEST)
    await centre.add_user("operator", Role.OPERATOR, city.WEST)
    await centre.add_user("neighbour", Role.SUPERVISOR, city.NORTH)
    for name in NAMES:
        assert await hear(centre, camera_id=name, **said(whole(name, IN_SHADOW if name == "school" else LANE)))
    return centre


async def propose(client: httpx.AsyncClient, camera_id: str, *rules: dict[str, Any]) -> int:
    path = f"/api/cameras/{camera_id}/rules"
    newest = (await client.get(path)).json()["newest_version"]
    body = {"settings": {"rules": list(rules)}, "why": f"{camera_id}: as agreed", "based_on": newest}
    made = await client.post(f"{path}/versions", json=body)
    assert made.json()["state"] == "proposed", made.text
    return int(made.json()["version"])


async def propose_live(client: httpx.AsyncClient) -> None:
    """Longer dwell at the lane: nobody else has to agree."""
    settings = {"rules": [LANE | {"dwell_s": 77.0, "version": 2}]}
    made = await client.post("/api/cameras/lane/rules/versions", json={"settings": settings, "why": "x", "based_on": 0})
    assert made.json()["state"] == "desired", made.text


def asked(versions: dict[str, int], *names: str, move: str = "approve", note: str = "") -> dict[str, Any]:
    items = [{"camera_id": name, "version": versions.get(name, 1)} for name in names]
    return {"items": items, "move": move, "note": note}


async def outcomes(client: httpx.AsyncClient, body: dict[str, Any]) -> dict[str, str]:
    answer = await client.post(DECIDE, json=body)
    assert answer.status_code == 200, answer.text
    return {one["camera_id"]: one["outcome"] for one in answer.json()["results"]}


async def test_many_are_agreed_to_and_refused_at_once_each_for_itself_and_once(street: TestCentre) -> None:
    async with people(street) as (ruler, chief), street.signed_in("second") as second:
        versions = {name: await propose(ruler, name, LOWER) for name in ("gate", "lane")}
        versions["school"] = await propose(ruler, "school", LANE | {"version": 2})
        versions["market"] = await propose(second, "market", LOWER)
        found = (await second.get(WAITING)).json()
        assert (found["count"], {one["camera_id"] for one in found["items"]}) == (4, set(NAMES))
        by_id = {one["camera_id"]: one for one in found["items"]}
        assert (by_id["school"]["promotes"], by_id["lane"]["promotes"]) == (["lane"], [])
        assert by_id["lane"]["severity_changes"]
        assert by_id["lane"]["by"] == "ruler"
        assert by_id["lane"]["why"] == "lane: as agreed"
        assert {name: one["moves"] for name, one in by_id.items()} == {
            "gate": ["approve", "refuse"],
            "lane": ["approve", "refuse"],
            "school": ["approve", "refuse"],
            "market": ["withdraw"],
        }
        # Somebody is faster at the gate; the own is not for the own eyes; what is not there holds up nothing.
        path = f"/api/cameras/gate/rules/versions/{versions['gate']}/moves"
        assert (await chief.post(path, json={"move": "refuse", "note": "no"})).status_code == 200
        body = asked(versions, "gate", "market", "nobody", "lane", "school", note="seen")
        answer = (await second.post(DECIDE, json=body)).json()["results"]
        assert [(one["camera_id"], one["outcome"], one.get("code")) for one in answer] == [
            ("gate", "conflict", "conflict"),
            ("market", "refused", "not_allowed"),
            ("nobody", "not_found", "not_found"),
            ("lane", "done", None),
            ("school", "done", None),
        ]
        rules = (await ruler.get("/api/cameras/lane/rules")).json()
        assert rules["desired_settings"]["rules"][0]["severity"] == 4
        assert (rules["desired"]["decided_by"], rules["desired"]["decide_note"]) == ("second", "seen")
        # The answer was lost: the same again is done, and nothing is recorded twice.
        assert await outcomes(second, asked(versions, "lane", "school")) == {"lane": "done", "school": "done"}
        assert await outcomes(second, asked(versions, "lane", move="refuse", note="x")) == {"lane": "conflict"}
        assert await outcomes(chief, asked(versions, "lane")) == {"lane": "conflict"}
        no_reason = await chief.post(DECIDE, json=asked(versions, "market", move="refuse", note="  "))
        assert (no_reason.status_code, no_reason.json()["reason"]) == (422, "no_reason")
        assert (await chief.post(DECIDE, json=asked({}, "mar\0ket"))).status_code == 422
        twice = asked(versions, "market", "market")
        assert (await chief.post(DECIDE, json=twice)).json()["code"] == "move_refused"
        assert (await chief.post(DECIDE, json=asked(versions, "market", move="withdraw"))).status_code == 422
        refuse = asked(versions, "market", move="refuse", note="at night too")
        assert [await outcomes(chief, refuse) for _ in range(2)] == [{"market": "done"}] * 2
        assert (await chief.get(WAITING)).json() == {"items": [], "count": 0}
    async with street.database.reading() as conn:
        acts = (
            await conn.execute(select(audit_records.c.action, audit_records.c.actor, audit_records.c.object_id))
        ).all()
    decided = [tuple(one) for one in acts if one.action in ("rules.approved", "rules.refused")]
    assert sorted(decided) == [
        ("rules.approved", "second", "lane"),
        ("rules.approved", "second", "school"),
        ("rules.refused", "chief", "gate"),
        ("rules.refused", "chief", "market"),
    ]


async def test_a_grant_shows_what_waits_and_decides_nothing_and_rights_are_those_of_one_version(
    street: TestCentre,
) -> None:
    async with people(street) as (ruler, _):
        versions = {"lane": await propose(ruler, "lane", LOWER)}
    async with street.signed_in("neighbour") as client:
        assert (await client.get(WAITING)).json()["items"] == []
        assert await outcomes(client, asked(versions, "lane")) == {"lane": "not_found"}
    async with street.database.transaction() as conn:
        row = {"user_id": street.user_ids["neighbour"], "area_path": path_by_code(city.WEST), "why": "help"}
        await conn.execute(insert(grants), row | {"granted_by": "test", "granted_at": street.clock.at})
    async with street.signed_in("neighbour") as client:
        [row] = (await client.get(WAITING)).json()["items"]
        assert (row["camera_id"], row["moves"]) == ("lane", [])
        assert await outcomes(client, asked(versions, "lane")) == {"lane": "refused"}
    async with street.signed_in("operator") as client:
        assert (await client.get(WAITING)).json()["count"] == 1
        assert (await client.post(DECIDE, json=asked(versions, "lane"))).status_code == 403


async def test_what_waits_is_found_by_its_index_and_copies_are_listed_by_few_statements(street: TestCentre) -> None:
    """However many versions have run, and however many copies are shown."""
    statements: list[tuple[str, Any]] = []

    def note(_conn: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
        statements.append((statement, parameters))

    def statements_of(path: str) -> list[tuple[str, Any]]:
        return [(one, values) for one, values in statements if path in one]

    event.listen(Engine, "before_cursor_execute", note)
    try:
        async with street.signed_in("ruler") as ruler:
            assert (await ruler.get(WAITING)).json()["count"] == 0
            body = {"why": "x", "source": "lane", "cameras": [{"camera_id": "gate", "based_on": 0}]}
            await propose_live(ruler)
            for _ in range(3):
                assert (await ruler.post("/api/rule-copies", json=body)).status_code == 201
            statements_before = len(statements)
            assert len((await ruler.get("/api/rule-copies")).json()["items"]) == 3
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    listed = [one for one, _ in statements[statements_before:] if "rule_cop" in one]
    assert len(listed) == 2, listed
    asked = [one for one in statements_of("rule_versions") if "'proposed'" in one[0]]
    assert len(asked) == 2
    explain = "EXPLAIN QUERY PLAN " if street.database.dialect == "sqlite" else "EXPLAIN "
    async with street.database.reading() as conn:
        if street.database.dialect == "postgresql":
            await conn.exec_driver_sql("SET LOCAL enable_seqscan = off")  # with four rows it would look at all of them
        for statement, values in asked:
            plan = " ".join(str(row) for row in (await conn.exec_driver_sql(explain + statement, values)).all())
            assert "rule_versions_waiting" in plan, plan
