"""Generated: every role x {own area, child, sibling, parent} x every kind of object; and what lists show.

The oracle is written here by hand and knows nothing of the program: who may do what is a table, and who may see what
follows from the digits of the codes. A foreign object must be answered exactly like one that does not exist.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support import city
from tests.support.centres import TestCentre, camera
from tests.support.pictures import jpeg, sha256
from tests.support.rows import (
    add_cap_message,
    add_copy,
    add_hand_over,
    add_incident,
    add_lane,
    add_level,
    add_proposal,
    add_rules,
    add_sighting,
    add_silence,
    add_silenced_alert,
    add_task,
    add_view_still,
)
from xueliang_central.areas.tree import path_by_code
from xueliang_central.cameras.gate import NEEDED
from xueliang_central.fleet.nodes import add_node
from xueliang_central.rights.scope import Role

OWN = city.SOUTH
PLACES = {"own": city.SOUTH, "child": city.VILLAGE, "sibling": city.NORTH, "parent": city.WEST}
NO_SUCH = "00000000-0000-4000-8000-000000000000"  # a name of tests: the same in every process that collects them
DESKS = {Role.ADMIN, Role.OPERATOR, Role.RULE_OPERATOR, Role.SUPERVISOR, Role.AUDITOR}


def visible(place: str) -> bool:
    return PLACES[place].startswith(OWN)


@dataclass(frozen=True)
class Kind:
    """One kind of object: where it is asked for, and which roles may ask at all."""

    path: str
    roles: frozenset[Role]
    missing: str
    in_list: str | None = None
    list_key: str = ""
    id_key: str = ""


KINDS = {
    "area": Kind("/api/areas/{}", frozenset(Role), "370199", "/api/areas", "areas", "code"),
    "camera": Kind("/api/cameras/{}", frozenset(DESKS), "no-such", "/api/cameras", "cameras", "camera_id"),
    "notice": Kind("/api/cameras/{}/notice", frozenset(DESKS), "no-such"),
    "release": Kind(
        "/api/cameras/{}/release",
        frozenset(DESKS - {Role.OPERATOR}),
        "no-such",
        "/api/camera-releases",
        "items",
        "camera_id",
    ),
    "assessment": Kind(
        "/api/impact-assessment?area={}", frozenset({Role.ADMIN, Role.SUPERVISOR, Role.AUDITOR}), "370199"
    ),
    "rules": Kind("/api/cameras/{}/rules", frozenset(DESKS), "no-such", "/api/camera-rules", "items", "camera_id"),
    "rules in shadow": Kind(
        "/api/cameras/{}/rules", frozenset(DESKS), "no-such", "/api/camera-rules/shadow", "items", "camera_id"
    ),
    "rules that wait": Kind(
        "/api/cameras/{}/rules", frozenset(DESKS), "no-such", "/api/camera-rules/waiting", "items", "camera_id"
    ),
    "rules_history": Kind("/api/cameras/{}/rules/versions", frozenset(DESKS), "no-such"),
    "rules_version": Kind("/api/cameras/{}/rules/versions/1", frozenset(DESKS), "no-such"),
    "rules_diff": Kind("/api/cameras/{}/rules/diff?of=1&to=1", frozenset(DESKS), "no-such"),
    "level": Kind("/api/rule-defaults/{}", frozenset(DESKS), "370199", "/api/rule-defaults", "items", "area_code"),
    "level_history": Kind("/api/rule-defaults/{}/versions", frozenset(DESKS), "370199"),
    "canaries": Kind("/api/rule-defaults/{}/canaries", frozenset(DESKS), "370199"),
    "copy": Kind("/api/rule-copies/{}", frozenset(DESKS), NO_SUCH, "/api/rule-copies", "items", "copy_id"),
    "trial": Kind("/api/cameras/{}/backtest", frozenset({Role.RULE_OPERATOR, Role.ADMIN}), "no-such"),
    "node": Kind("/api/fleet/{}", frozenset(DESKS), "no-such", "/api/fleet", "nodes", "node_id"),
    "incident": Kind(
        "/api/incidents/{}", frozenset(DESKS), NO_SUCH, "/api/incidents?state=all", "items", "incident_id"
    ),
    "earlier": Kind("/api/incidents/{}/earlier", frozenset(DESKS), NO_SUCH),
    "task": Kind("/api/tasks/{}", frozenset(DESKS), NO_SUCH, "/api/tasks?state=all", "items", "task_id"),
    "candidates": Kind("/api/tasks/{}/transfer", frozenset({Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}), NO_SUCH),
    "recommended": Kind(
        "/api/incidents/{}/recommended", frozenset({Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}), NO_SUCH
    ),
    "still": Kind("/api/evidence/{}", frozenset(DESKS), "0" * 64),
    "still of a view": Kind("/api/evidence/{}", frozenset(DESKS), "0" * 64),
    "silence": Kind("/api/silences/{}", frozenset(DESKS), NO_SUCH, "/api/silences?state=all", "items", "silence_id"),
    "silenced": Kind("/api/silences/{}/alerts", frozenset(DESKS), NO_SUCH),
    "proposal": Kind(
        "/api/calendar-proposals/{}",
        frozenset(DESKS),
        NO_SUCH,
        "/api/calendar-proposals?state=all",
        "items",
        "proposal_id",
    ),
    "fates": Kind("/api/incidents/{}/notices", frozenset(DESKS), NO_SUCH),
    "contacts": Kind("/api/people/{}/contacts", frozenset({Role.ADMIN}), NO_SUCH),
    "phones": Kind("/api/users/{}/phones", frozenset({Role.SUPERVISOR, Role.SECURITY, Role.AUDITOR}), NO_SUCH),
    "roster": Kind("/api/people/{}/roster", frozenset(DESKS), NO_SUCH),
    "area roster": Kind("/api/areas/{}/roster", frozenset(DESKS), "370199"),
    "duty": Kind("/api/areas/{}/on-duty", frozenset(DESKS), "370199"),
    "figures": Kind("/api/reports/figures?area={}", frozenset(DESKS), "370199"),
    "noise": Kind("/api/noise?area={}", frozenset(DESKS), "370199"),
    "standing": Kind("/api/standing?area={}", frozenset(DESKS), "370199"),
    "wall": Kind("/api/wall?area={}", frozenset(DESKS | {Role.VIEWER}), "370199"),
    "ledger": Kind(
        "/api/reports/ledger?why=test&area={}", frozenset({Role.ADMIN, Role.SUPERVISOR, Role.AUDITOR}), "370199"
    ),
    "sighting": Kind("/api/sightings/{}", frozenset(DESKS), NO_SUCH, "/api/sightings", "items", "sighting_id"),
    "cap": Kind(
        "/api/cap/messages/{}",
        frozenset(DESKS - {Role.RULE_OPERATOR}),
        "no-such",
        "/api/cap/messages",
        "items",
        "identifier",
    ),
    "hand-over": Kind(
        "/api/hand-overs/{}",
        frozenset(DESKS - {Role.RULE_OPERATOR}),
        NO_SUCH,
        "/api/hand-overs",
        "items",
        "hand_over_id",
    ),
    "week": Kind("/api/areas/{}/week", frozenset(DESKS), "370199"),
    "lane": Kind("/api/lanes/{}", frozenset(DESKS), "no-such", "/api/lanes", "items", "lane_id"),
    "duty phone": Kind("/api/lanes/{}/duty-phone", frozenset({Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}), "no-such"),
}


async def _furnish(centre: TestCentre) -> dict[str, dict[str, str]]:
    """One object of each kind in each place: kind → place → id."""
    ids: dict[str, dict[str, str]] = {kind: {} for kind in KINDS}
    for place, code in PLACES.items():
        ids["area"][place] = code
        ids["node"][place] = f"node-{place}"
        for kind in (
            "camera",
            "release",
            "notice",
            "rules",
            "rules_history",
            "rules_version",
            "rules_diff",
            "trial",
            "rules in shadow",
            "rules that wait",
        ):
            ids[kind][place] = f"camera-{place}"
        async with centre.database.transaction() as conn:
            await add_node(conn, node_id=f"node-{place}", area_path=path_by_code(code), at=centre.clock.at, by="test")
        await centre.add_cameras(camera(f"camera-{place}", code, node_id=f"node-{place}"))
        await add_rules(centre, f"camera-{place}")
        picture, of_view = jpeg(filler=place.encode()), jpeg(filler=f"a view of {place}".encode())
        ids["still"][place], ids["still of a view"][place] = sha256(picture), sha256(of_view)
        async with centre.client() as node:
            headers = {"authorization": f"Bearer {centre.node_token}", "content-type": "image/jpeg"}
            for one in (picture, of_view):
                assert (await node.put(f"/api/evidence/{sha256(one)}", content=one, headers=headers)).is_success
        await add_view_still(centre, f"camera-{place}", f"node-{place}", sha256(of_view))
        ids["level"][place] = ids["level_history"][place] = ids["canaries"][place] = await add_level(centre, code)
        ids["copy"][place] = await add_copy(centre, code)
        ids["incident"][place] = await add_incident(centre, code, still=sha256(picture))
        somebody = str(uuid.uuid4())
        ids["task"][place] = await add_task(centre, ids["incident"][place], code, worker_id=somebody, state="taken")
        ids["candidates"][place] = ids["task"][place]
        ids["silence"][place] = ids["silenced"][place] = await add_silence(centre, code)
        await add_silenced_alert(centre, ids["silence"][place], code)
        ids["proposal"][place] = await add_proposal(centre, code)
        ids["fates"][place] = ids["incident"][place]
        ids["earlier"][place] = ids["recommended"][place] = ids["incident"][place]
        ids["roster"][place] = ids["contacts"][place] = ids["phones"][place] = await centre.add_user(
            f"rostered-{place}", Role.WORKER, code
        )
        ids["area roster"][place] = ids["duty"][place] = ids["figures"][place] = ids["ledger"][place] = code
        ids["assessment"][place] = ids["noise"][place] = ids["wall"][place] = ids["standing"][place] = code
        ids["sighting"][place] = await add_sighting(centre, code)
        ids["cap"][place] = await add_cap_message(centre, ids["incident"][place], code)
        ids["week"][place] = code
        ids["hand-over"][place] = await add_hand_over(centre, code)
        ids["lane"][place] = ids["duty phone"][place] = await add_lane(centre, f"lane-{place}", code)
    return ids


def _same(answer: httpx.Response, missing: httpx.Response) -> bool:
    """Alike in everything but the request's own number."""
    bodies = [{key: value for key, value in one.json().items() if key != "request_id"} for one in (answer, missing)]
    heads = [{k: v for k, v in one.headers.items() if k != "x-request-id"} for one in (answer, missing)]
    return answer.status_code == missing.status_code == 404 and bodies[0] == bodies[1] and heads[0] == heads[1]


@pytest.mark.parametrize("role", list(Role))
async def test_every_object_for_every_role(centre: TestCentre, role: Role) -> None:
    ids = await _furnish(centre)
    await centre.add_user("someone", role, OWN)
    async with centre.signed_in("someone") as client:
        for name, kind in KINDS.items():
            missing = await client.get(kind.path.format(kind.missing))
            for place in PLACES:
                answer = await client.get(kind.path.format(ids[name][place]))
                cell = (role.value, name, place)
                if role is Role.WORKER and name in {"task", "still", "still of a view"}:
                    assert _same(answer, missing), cell  # allowed to ask; these tasks are another worker's
                elif role not in kind.roles:  # the route is not theirs: the same whatever lies behind it
                    assert answer.status_code == missing.status_code == 403, cell
                elif visible(place):
                    assert answer.status_code == 200, (cell, answer.text)
                else:
                    assert _same(answer, missing), (cell, answer.text)


@pytest.mark.parametrize("role", list(Role))
async def test_lists_hold_what_is_in_scope_and_nothing_else(centre: TestCentre, role: Role) -> None:
    ids = await _furnish(centre)
    await centre.add_user("someone", role, OWN)
    hidden = {ids[name][place] for name in KINDS for place in PLACES if not visible(place)}
    async with centre.signed_in("someone") as client:
        for name, kind in KINDS.items():
            if kind.in_list is None:
                continue
            answer = await client.get(kind.in_list)
            if role not in kind.roles and not (role is Role.WORKER and name == "task"):
                assert answer.status_code == 403
                continue
            found = {item[kind.id_key] for item in answer.json()[kind.list_key]}
            wanted = {ids[name][place] for place in PLACES if visible(place)}
            if name == "area":
                wanted = {code for code in city.BOXES if code.startswith(OWN)}
            if role is Role.WORKER and name == "task":
                wanted = set()
            assert found == wanted, (role, name)
            leaked = [one for one in hidden if f'"{one}"' in answer.text and one not in (city.WEST,)]
            assert leaked == [], (role, name)


def about(body: dict[str, Any], object_id: str) -> dict[str, Any]:
    """The body with the id of the foreign object where it belongs."""
    return {key: object_id if value == "{}" else value for key, value in body.items()}


@pytest.mark.parametrize("role", list(Role))
async def test_what_could_be_merged_is_shown_to_who_judges_and_ends_at_the_own_areas(
    centre: TestCentre, role: Role
) -> None:
    ids = await _furnish(centre)
    await centre.add_user("someone", role, OWN)
    async with centre.signed_in("someone") as client:
        missing = await client.get(f"/api/incidents/{NO_SUCH}/mergeable")
        for place in PLACES:
            answer = await client.get(f"/api/incidents/{ids['incident'][place]}/mergeable")
            if role not in {Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}:
                assert answer.status_code == missing.status_code == 403
            elif not visible(place):
                assert _same(answer, missing)
            else:
                shown = {item["incident"]["incident_id"] for item in answer.json()["items"]}
                assert shown == {ids["incident"][one] for one in PLACES if visible(one)} - {ids["incident"][place]}


@pytest.mark.parametrize("role", list(Role))
async def test_nobody_moves_what_lies_outside(centre: TestCentre, role: Role) -> None:
    ids = await _furnish(centre)
    await centre.add_user("someone", role, OWN)
    judges = {Role.ADMIN, Role.OPERATOR, Role.SUPERVISOR}
    moves: list[tuple[str, str, dict[str, Any], set[Role]]] = [
        ("incident", "/api/incidents/{}/moves", {"move": "confirm", "version": 1}, judges),
        ("incident", "/api/incidents/{}/kept-open", {"move": "follow_up", "version": 1, "note": "seen"}, judges),
        ("incident", "/api/incidents/{}/urge", {"version": 1}, judges),
        ("incident", "/api/incidents/{}/messages", {"text": "which door?"}, judges),
        ("incident", "/api/incidents/{}/checklist", {"steps": {"lookalike": True}}, judges),
        ("incident", "/api/incidents/{}/look", {}, {*DESKS, Role.WORKER} - {Role.AUDITOR}),
        ("hand-over", "/api/hand-overs/{}/acknowledgement", {}, {Role.OPERATOR, Role.SUPERVISOR}),
        ("task", "/api/tasks/{}/moves", {"move": "take", "version": 1}, {*judges, Role.WORKER}),
        ("task", "/api/tasks/{}/transfer", {"version": 1, "note": "another one goes"}, judges),
        (
            "task",
            "/api/tasks/{}/suspension",
            {"version": 1, "reason_code": "weather", "note": "hail", "until": "2026-12-01T08:00:00Z"},
            {Role.SUPERVISOR, Role.ADMIN},
        ),
        ("task", "/api/tasks/{}/suspension/decision", {"version": 1, "approve": True}, {Role.SUPERVISOR, Role.ADMIN}),
        ("task", "/api/tasks/{}/suspension/withdrawal", {"version": 1}, {Role.SUPERVISOR, Role.ADMIN}),
        (
            "task",
            "/api/tasks/{}/later-limit",
            {"version": 1, "reason_code": "weather", "note": "hail", "until": "2026-12-01T08:00:00Z"},
            {Role.SUPERVISOR, Role.ADMIN},
        ),
        ("task", "/api/tasks/{}/later-limit/decision", {"version": 1, "approve": True}, {Role.SUPERVISOR, Role.ADMIN}),
        ("task", "/api/tasks/{}/later-limit/withdrawal", {"version": 1}, {Role.SUPERVISOR, Role.ADMIN}),
        ("incident", "/api/incidents/{}/supervision/replies", {"text": "on it"}, judges),
        ("task", "/api/tasks/{}/resumption", {"version": 1}, judges),
        (
            "incident",
            "/api/incidents/{}/supervision",
            {"move": "end_supervision", "version": 1, "note": "over"},
            judges,
        ),
        ("incident", "/api/incidents/{}/severity", {"version": 1, "severity": 1, "note": "people"}, judges),
        ("task", "/api/tasks/{}/help", {"version": 1, "note": "somebody comes"}, judges),
        (
            "incident",
            "/api/incidents/{}/merge",
            {"other_id": ids["incident"]["own"], "version": 1, "other_version": 1, "note": "the same"},
            judges,
        ),
        (
            "incident",
            f"/api/incidents/{ids['incident']['own']}/merge?into={{}}",
            {"other_id": "{}", "version": 1, "other_version": 1, "note": "the same"},
            judges,
        ),
        ("incident", "/api/incidents/{}/split", {"alert_ids": [NO_SUCH], "version": 1, "note": "another"}, judges),
        (
            "incident",
            f"/api/incidents/{ids['incident']['own']}/split?from={{}}",
            {"absorbed_id": "{}", "version": 1, "note": "undone"},
            judges,
        ),
        ("silence", "/api/silences/{}/moves", {"move": "end", "version": 1}, {*judges, Role.RULE_OPERATOR}),
        (
            "proposal",
            "/api/calendar-proposals/{}/moves",
            {"move": "accept", "version": 1},
            {Role.RULE_OPERATOR, Role.ADMIN},
        ),
        (
            "rules",
            "/api/cameras/{}/rules/versions",
            {"settings": {"rules": []}, "why": "tuned", "based_on": 1},
            {Role.RULE_OPERATOR, Role.ADMIN},
        ),
        (
            "release",
            "/api/cameras/{}/release",
            {name: "2026-01-01" if name.endswith("_on") else "words" for name in NEEDED},
            {Role.SUPERVISOR, Role.ADMIN},
        ),
        ("release", "/api/cameras/{}/release/withdrawal", {"why": "rebuilt"}, {Role.SUPERVISOR, Role.ADMIN}),
        (
            "rules",
            "/api/cameras/{}/rules/shadow-count",
            {"rule_id": "lane"},
            {Role.RULE_OPERATOR, Role.ADMIN},
        ),
        ("rules", "/api/cameras/{}/still", {}, {Role.RULE_OPERATOR, Role.ADMIN}),
        ("rules", "/api/cameras/{}/rules/check", {"settings": {"rules": []}}, {Role.RULE_OPERATOR, Role.ADMIN}),
        ("rules", "/api/cameras/{}/rules/rollback", {"version": 1, "based_on": 1}, {Role.RULE_OPERATOR, Role.ADMIN}),
        (
            "rules",
            "/api/cameras/{}/rules/versions/1/moves",
            {"move": "approve"},
            {Role.RULE_OPERATOR, Role.SUPERVISOR, Role.ADMIN},
        ),
        (
            "level",
            "/api/rule-defaults/{}/versions",
            {"settings": {}, "why": "tuned", "based_on": 1},
            {Role.RULE_OPERATOR, Role.ADMIN},
        ),
        (
            "copy",
            "/api/rule-copies/{}/moves",
            {"move": "approve"},
            {Role.RULE_OPERATOR, Role.SUPERVISOR, Role.ADMIN},
        ),
        (
            "rules",
            "/api/rule-copies/check",
            {"source": "{}", "cameras": ["no-such-camera"]},
            {Role.RULE_OPERATOR, Role.ADMIN},
        ),
        (
            "rules",
            "/api/rule-copies",
            {"source": "{}", "cameras": [{"camera_id": "no-such-camera", "based_on": 0}], "why": "tuned"},
            {Role.RULE_OPERATOR, Role.ADMIN},
        ),
        ("copy", "/api/rule-copies/{}/trial/moves", {"move": "promote"}, {Role.RULE_OPERATOR, Role.ADMIN}),
        ("level", "/api/rule-defaults/{}/check", {"settings": {}}, {Role.RULE_OPERATOR, Role.ADMIN}),
        (
            "level",
            "/api/rule-defaults/{}/rollback",
            {"version": 1, "based_on": 1},
            {Role.RULE_OPERATOR, Role.ADMIN},
        ),
        (
            "level",
            "/api/rule-defaults/{}/canaries/1/moves",
            {"move": "promote"},
            {Role.RULE_OPERATOR, Role.ADMIN},
        ),
        (
            "level",
            "/api/rule-defaults/{}/versions/1/moves",
            {"move": "approve"},
            {Role.RULE_OPERATOR, Role.SUPERVISOR, Role.ADMIN},
        ),
    ]
    async with centre.signed_in("someone") as client:
        for name, path, body, roles in moves:
            missing = await client.post(path.format(KINDS[name].missing), json=about(body, KINDS[name].missing))
            for place in ("sibling", "parent"):
                answer = await client.post(path.format(ids[name][place]), json=about(body, ids[name][place]))
                if role in roles:
                    assert _same(answer, missing), (role, name, place, answer.text)
                else:
                    assert answer.status_code == missing.status_code == 403, (role, name, place)


@pytest.mark.parametrize(
    "path",
    [
        "/api/session",
        *(kind.path.format(kind.missing) for kind in KINDS.values()),
        "/api/events",
        "/api/policies",
        "/api/camera-rules/schema",
        "/api/me/roster",
    ],
)
async def test_without_a_session_there_is_nothing(centre: TestCentre, path: str) -> None:
    async with centre.client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "not_signed_in")


async def test_policies_are_for_the_desks(centre: TestCentre) -> None:
    for role in Role:
        await centre.add_user(role.value, role, OWN)
        async with centre.signed_in(role.value) as client:
            answer = await client.get("/api/policies")
        assert answer.status_code == (200 if role in DESKS else 403)
