"""The examples of the API's document hold against its schemas, its models and what a centre really answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fastapi.routing import APIRoute
from jsonschema import Draft202012Validator, FormatChecker

from tests.integration.central.flow.test_units import HandClock
from tests.integration.central.flow.test_units_http import At, at
from tests.support import city
from tests.support.centres import TestCentre, camera
from tests.support.rows import add_incident, add_task
from xueliang_central.openapi import app_routes, document
from xueliang_central.openapi_examples import ANSWERS, BODIES
from xueliang_central.rights.scope import Role

__all__ = ["at", "clock"]

DOCUMENT: dict[str, Any] = json.loads(document())
OPERATIONS = [
    (method, path, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def problems(example: Any, schema: dict[str, Any]) -> list[str]:
    whole = {**schema, "components": DOCUMENT["components"]}
    return [one.message for one in Draft202012Validator(whole, format_checker=FormatChecker()).iter_errors(example)]


def examples() -> list[tuple[str, Any, dict[str, Any]]]:
    """Where, the example, its schema: of every body and every answer in the document that has one."""
    found = []
    for method, path, operation in OPERATIONS:
        contents = {"request": operation.get("requestBody", {}).get("content", {})}
        contents |= {status: answer.get("content", {}) for status, answer in operation["responses"].items()}
        found += [
            (f"{method} {path} {part}", described["example"], described["schema"])
            for part, content in contents.items()
            for described in content.values()
            if "example" in described
        ]
    return found


def test_every_example_is_valid_by_its_schema_and_none_is_lost() -> None:
    found = examples()
    wrong = {where: told for where, example, schema in found if (told := problems(example, schema))}
    assert wrong == {}
    assert sum(where.endswith(" 200") for where, *_ in found) == len(ANSWERS)
    written = [json.dumps(example, sort_keys=True) for _, example, _ in found]
    assert [name for name, body in BODIES.items() if json.dumps(body, sort_keys=True) not in written] == []


def test_a_wrong_example_is_found() -> None:
    schema = {"$ref": "#/components/schemas/IncidentMoveBody"}
    assert problems({"move": "confirm", "version": 0}, schema)
    assert problems({"move": "confirm"}, schema)


def test_every_json_body_has_an_example() -> None:
    without = [
        f"{method} {path}"
        for method, path, operation in OPERATIONS
        if (content := operation.get("requestBody", {}).get("content", {}).get("application/json"))
        and "$ref" in content["schema"]
        and "example" not in content
    ]
    assert without == []


def test_every_body_is_understood_by_its_model() -> None:
    """What a schema cannot say, a model does: either this or that, the order of two days."""
    seen = set()
    for route in app_routes():
        if not isinstance(route, APIRoute) or route.body_field is None:
            continue
        model = route.body_field.field_info.annotation
        name = getattr(model, "__name__", "")
        if name in BODIES:
            model.model_validate_json(json.dumps(BODIES[name]))
            seen.add(name)
    assert seen == set(BODIES)


def missing(example: Any, real: Any, where: str = "") -> list[str]:
    """Names that the example has and the answer has not, or the other way about; what is null says nothing."""
    if isinstance(example, dict) and isinstance(real, dict):
        if where.endswith(("about", "measures", "geometry")):
            return []
        odd = sorted(set(example) ^ set(real))
        return [f"{where}: {odd}"] * bool(odd) + [
            one for name in set(example) & set(real) for one in missing(example[name], real[name], f"{where}.{name}")
        ]
    if isinstance(example, list) and isinstance(real, list) and example and real:
        return missing(example[0], real[0], f"{where}[]")
    return []


async def test_the_answers_have_the_names_of_real_ones(centre: TestCentre) -> None:
    await centre.add_user("wang", Role.OPERATOR, city.CITY)
    await centre.add_cameras(camera("lane-east", city.GRID))
    await add_task(centre, await add_incident(centre, city.GRID), city.GRID, worker_id="somebody", state="taken")
    async with centre.signed_in("wang") as client:
        for path in ("/api/health", "/api/session", "/api/areas", "/api/cameras", "/api/incidents"):
            real = (await client.get(path)).json()
            assert missing(ANSWERS["get", path], real) == [], path


async def test_the_answers_to_a_unit_have_the_names_of_real_ones(at: At) -> None:
    async with at.client(await at.token()) as client:
        assert missing(ANSWERS["get", "/api/unit-request"], (await client.get("/api/unit-request")).json()) == []
