"""Words that people write about a case, and others read: no number of a person, wherever they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from xueliang_central.openapi import app_routes
from xueliang_central.routes.asking import Words, about_things

# Names of fields that hold such words. A new one that others read belongs here or, with its reason, among the others.
OF_CASES = {"note", "words", "text", "measures", "plan", "holder", "holder_unit", "reason"}
OTHERS = {
    "CopyMove.note": "of rules: cameras have long numbers",
    "LevelMove.note": "of rules",
    "RulesDecisions.note": "of rules",
    "RulesMove.note": "of rules",
    "RulesDraft.text": "a file of rules",
    "RosterTableBody.text": "a table of shifts",
    "GatewayReplyBody.text": "holds the code of a request",
    "KeepBody.plan": "a body of its own",
    "NewAccount.holder": "a personnel number",
    "Change.holder": "a personnel number",
}


def _bodies() -> Iterator[type[BaseModel]]:
    seen: set[type[BaseModel]] = set()
    waiting = [route.body_field.field_info.annotation for route in app_routes() if route.body_field is not None]
    while waiting:
        one = waiting.pop()
        waiting += get_args(one)
        if isinstance(one, type) and issubclass(one, BaseModel) and one not in seen:
            seen.add(one)
            waiting += [field.annotation for field in one.model_fields.values()]
            yield one


def _refuses(model: type[BaseModel], name: str) -> bool:
    """Whatever else the body holds."""
    field = model.model_fields[name]
    kind: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    try:
        TypeAdapter(kind).validate_python("call 138 0000 1111")
    except ValidationError as error:
        return "no telephone or identity number" in str(error)
    return False


def test_every_text_about_a_case_refuses_a_persons_number() -> None:
    texts = [(one, name) for one in _bodies() for name, field in one.model_fields.items() if name in OF_CASES]
    open_ones = {f"{one.__name__}.{name}" for one, name in texts if not _refuses(one, name)}
    assert open_ones == set(OTHERS)
    assert len(texts) > 20


@pytest.mark.parametrize("said", ["call 138 0000 1111", "0716-1234567", "370102199001011234", "20261332-0001"])
def test_a_number_is_refused_with_where_else_it_goes_and_without_it(said: str) -> None:
    with pytest.raises(
        ValidationError, match="name the office or the role; a resident's is told as call_back"
    ) as found:
        TypeAdapter(Words).validate_python(said)
    assert said not in found.value.errors()[0]["msg"]


@pytest.mark.parametrize("said", ["as 20261123-0001", "鲁A12345 at house 1208", "08:30 to 12:15 on 2026-11-27"])
def test_numbers_of_cases_plates_houses_and_times_are_taken(said: str) -> None:
    assert about_things(said) == said
