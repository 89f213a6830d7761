"""What docs/api.md shows is so: its examples are sent, its verifier is run, its tables compared with the document."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.integration.central.test_webhooks import telling
from tests.support import city
from tests.support.centres import PASSWORD, TestCentre
from tests.support.fixtures import REPOSITORY
from tests.support.rows import add_incident, add_task
from xueliang_central.openapi import document
from xueliang_central.rights.scope import Role
from xueliang_central.routes import rates
from xueliang_central.store.database import Database

PAGE = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
DOCUMENT: dict[str, Any] = json.loads(document())


def examples() -> list[tuple[str, str, Any]]:
    """Method, path and body of each request that is shown to the API."""
    found = re.findall(r"```http\n(GET|POST|PUT) (/api/\S+)\n(?:(\{.*\})\n)?```", PAGE)
    return [(method, path, json.loads(body) if body else None) for method, path, body in found]


async def test_the_examples_work_in_their_order(centre: TestCentre) -> None:
    await centre.add_user("platform", Role.OPERATOR, city.CITY, password=PASSWORD)
    incident_ids = [await add_incident(centre, city.GRID) for _ in range(3)]
    shown = examples()
    assert [path for _, path, _ in shown] == [
        "/api/session",
        "/api/incidents?state=all&limit=2",
        "/api/incidents/{incident_id}/moves",
    ]
    async with centre.client() as client:
        for method, path, body in shown:
            asked = path.replace("{incident_id}", incident_ids[0])
            answer = await client.request(method, asked, json=body)
            assert answer.status_code == 200, answer.text
            if path == "/api/session":
                client.headers["x-csrf-token"] = answer.json()["csrf"]
            if "limit=2" in path:
                rest = await client.get(f"{asked}&cursor={answer.json()['next_cursor']}")
                pages = [{one["incident_id"] for one in page.json()["items"]} for page in (answer, rest)]
                assert ([len(page) for page in pages], pages[0] | pages[1]) == ([2, 1], set(incident_ids))
                assert rest.json()["next_cursor"] is None
        again = await client.post(asked, json=body)
        assert (again.status_code, again.json()["version"]) == (200, answer.json()["version"])


async def test_tasks_come_in_pages_that_hold_each_once(centre: TestCentre) -> None:
    await centre.add_user("platform", Role.OPERATOR, city.CITY)
    incident_id = await add_incident(centre, city.GRID)
    wanted = {await add_task(centre, incident_id, city.GRID, state="closed") for _ in range(5)}
    found: list[str] = []
    cursor: str | None = ""
    async with centre.signed_in("platform") as client:
        while cursor is not None:
            more = f"&cursor={cursor}" if cursor else ""
            answer = (await client.get(f"/api/tasks?state=all&limit=2{more}")).json()
            found += [one["task_id"] for one in answer["items"]]
            cursor = answer["next_cursor"]
        refused = await client.get("/api/tasks?cursor=none")
    assert (len(found), set(found)) == (5, wanted)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_cursor")


async def test_a_problem_is_as_shown(centre: TestCentre) -> None:
    shown = json.loads(re.search(r"```json\n(\{\"type\".*\})\n```", PAGE)[1])  # type: ignore[index]
    await centre.add_user("platform", Role.OPERATOR, city.CITY)
    async with centre.signed_in("platform") as client:
        answer = await client.get("/api/incidents/none")
    assert answer.json() | {"request_id": ""} == shown | {"request_id": ""}
    assert answer.headers["x-request-id"] == answer.json()["request_id"]


def test_routes_that_are_named_are_there_and_those_that_take_a_key_are_named() -> None:
    table = PAGE[PAGE.index("| route | key |") : PAGE.index("## Events")]
    for path in re.findall(r"`(?:GET|POST|PUT) (/api/[^`?]+)`", PAGE):
        assert path in DOCUMENT["paths"], path
    for path, operations in DOCUMENT["paths"].items():
        reference = _body(operations.get("post", {}))
        if "idempotency_key" in DOCUMENT["components"]["schemas"].get(reference, {}).get("properties", {}):
            assert (
                path in table or f"`{'/' + path.rpartition('/')[2]}`" in table or path[path.find("/rules/") :] in table
            )


def _body(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return str(content.get("schema", {}).get("$ref", "")).rpartition("/")[2]


def test_lists_with_a_cursor_are_those_that_are_named() -> None:
    paged = {
        path.rpartition("/")[2]
        for path, operations in DOCUMENT["paths"].items()
        if "cursor" in {one["name"] for one in operations.get("get", {}).get("parameters", [])}
    }
    assert paged == {
        "incidents",
        "mergeable",
        "timeline",
        "tasks",
        "silences",
        "alerts",
        "calendar-proposals",
        "sightings",
        "messages",
        "reviews",
    }


def test_the_rates_are_those_of_the_program() -> None:
    assert f"{rates.PER_SECOND:g} requests a second for each session or token, after {rates.BURST:g} at once" in PAGE


@pytest.mark.parametrize("broken", ["", "body", "time", "key", "old"])
async def test_the_verifier_of_the_page_takes_what_the_centre_sends_and_nothing_else(
    database: Database, tmp_path: Any, broken: str
) -> None:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code[1], names)  # type: ignore[index]
    async with telling(database, tmp_path) as it:
        key = await it.hook()
        await it.happen()
        await it.look()
        asked = it.target.asked[0]
        headers, body, now_s = dict(asked.headers), asked.body, it.stage.clock().timestamp()
    if broken == "body":
        body = body.replace(b'"severity":2', b'"severity":4')
    elif broken == "time":
        headers["x-xueliang-time"] = str(int(headers["x-xueliang-time"]) + 1)
    elif broken == "key":
        key = key[::-1]
    elif broken == "old":
        now_s += 301
    assert names["is_from_the_centre"](key, headers, body, now_s) is (broken == "")
    told = json.loads(asked.body)["incident"]
    listed = PAGE[PAGE.index("`incident` has ") : PAGE.index("Never: pictures")]
    assert {*re.findall(r"`(\w+)`", listed)} - {"incident", "code", "name", "name_en"} == set(told)
