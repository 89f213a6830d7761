"""Requests made from docs/schema/openapi.json by schemathesis, and what an answer to any of them must be.

Half of them keep to the document, half break it somewhere. So that they reach something, names and ids among them are
replaced by such as exist, three times of four. Everything follows from a number, the seed.

Left out: GET /api/events, whose answer does not end. It has tests of its own.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.support.asked_centre import AskedCentre, Known
from tests.support.centres import ORIGIN
from xueliang_central.openapi import document
from xueliang_central.rights.scope import Role
from xueliang_central.routes.problems import MEDIA_TYPE

NEVER_ENDS: Final = "GET /api/events"
STEERED: Final = 0.75
_ROUND: Final = 20  # cases of an operation and a mode at most, before the next operation has its turn
_MOVES: Final = ("confirm", "dispatch", "false_alarm", "close", "reopen", "take", "arrive", "handled", "end", "approve")
_CHECKS: Final = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_MEMBERS: Final = {"type", "code", "title", "status", "request_id"}
_SIGNED_OUT: Final = frozenset({"not_signed_in", "cross_site", "second_factor_needed"})


@schemathesis.serializer("audio/webm", "audio/mp4")
def _sound(_context: schemathesis.SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@dataclass
class Tally:
    """What came of the requests of one role. `wrong`: the first of each kind, with what was asked."""

    role: Role
    statuses: Counter[int] = field(default_factory=Counter)
    not_as_documented: int = 0
    wrong: dict[str, str] = field(default_factory=dict)

    @property
    def total(self) -> int:
        return sum(self.statuses.values())

    @property
    def server_errors(self) -> int:
        return sum(count for status, count in self.statuses.items() if status >= 500)


def cases(total: int, number: int) -> Iterator[Case[Any]]:
    """At least `total` of them, every operation in both modes equally often as far as it has that many."""
    modes = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    strategies = [operation.as_strategy(generation_mode=mode) for operation in _operations() for mode in modes]
    each = min(_ROUND, -(-total // len(strategies)))
    made = 0
    while made < total:
        for strategy in strategies:
            drawn = _drawn(strategy, each, number)
            made += len(drawn)
            yield from drawn
        number += 1


def _operations() -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(json.loads(document()))
    found = (result.ok() for result in schema.get_all_operations() if isinstance(result, Ok))
    return (operation for operation in found if operation.label != NEVER_ENDS)


def _drawn(strategy: Any, most: int, number: int) -> list[Case[Any]]:
    """Of an operation without parameters nothing can be broken: none then."""
    taken: list[Case[Any]] = []

    @seed(number)
    @settings(
        max_examples=most,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(case: Case[Any]) -> None:
        taken.append(case)

    try:
        take()
    except Unsatisfiable:
        return []
    return taken


def ask_all(asked: AskedCentre, role: Role, wanted: Sequence[Case[Any]] | Iterator[Case[Any]], number: int) -> Tally:
    """Send these requests one after the other, signed in as this role, and judge every answer."""
    tally, choose = Tally(role), random.Random(number)
    client = asked.signed_in(role)
    for case in wanted:
        sent = _as_sent(case, asked.known, choose)
        answer = asked.wait_for(client.request(**sent))
        tally.statuses[answer.status_code] += 1
        _judge(case, sent, answer, tally)
        if _code(answer) in _SIGNED_OUT and _was_by_session(case):
            asked.wait_for(client.aclose())
            client = asked.signed_in(role)
    asked.wait_for(client.aclose())
    return tally


def _was_by_session(case: Case[Any]) -> bool:
    return bool(case.operation.definition.raw.get("security") == [{"session": []}])


def _as_sent(case: Case[Any], known: Known, choose: random.Random) -> dict[str, Any]:
    """The arguments of httpx: the case, with what exists in the place of what was made up."""
    swap = _swapping(known, choose)
    kwargs = case.as_transport_kwargs(base_url=ORIGIN)
    path = case.operation.path
    for name, value in case.path_parameters.items():
        put = swap(name, None)
        path = path.replace("{" + name + "}", str(value) if put is None else quote(put, safe=""))
    sent: dict[str, Any] = {"method": kwargs["method"], "url": ORIGIN + path}
    sent["headers"] = {name: _sendable(value) for name, value in kwargs["headers"].items() if value is not None}
    if kwargs.get("params"):
        sent["params"] = {name: swap(name, value) for name, value in kwargs["params"].items()}
    if "json" in kwargs:
        sent["content"] = json.dumps(_members(kwargs["json"], swap))
    elif isinstance(kwargs.get("data"), bytes | str):
        sent["content"] = kwargs["data"]
    return sent


def _sendable(value: Any) -> bytes:
    return (value if isinstance(value, bytes) else str(value).encode("latin-1", "replace")).strip()


def _swapping(known: Known, choose: random.Random) -> Callable[[str, Any], Any]:
    def swap(name: str, value: Any) -> Any:
        if choose.random() > STEERED:
            return value
        if name == "move":
            return choose.choice(_MOVES)
        return choose.choice(known[name]) if name in known else value

    return swap


def _members(value: Any, swap: Callable[[str, Any], Any]) -> Any:
    """The same with known values in the places of such names, however deep. A number stays one."""
    if isinstance(value, list):
        return [_members(one, swap) for one in value]
    if not isinstance(value, dict):
        return value
    put = {name: swap(name, _members(inner, swap)) for name, inner in value.items()}
    return {
        name: int(inner)
        if isinstance(value[name], int | float) and isinstance(inner, str) and inner.isdecimal()
        else inner
        for name, inner in put.items()
    }


def _code(answer: httpx.Response) -> str | None:
    if answer.headers.get("content-type") != MEDIA_TYPE or not answer.content:
        return None
    body = answer.json()
    return body.get("code") if isinstance(body, dict) else None


def _judge(case: Case[Any], sent: dict[str, Any], answer: httpx.Response, tally: Tally) -> None:
    code = _code(answer)
    faults = list(faults_of(case, answer, code))
    tally.not_as_documented += bool(faults)
    for fault in faults:
        kind = f"{case.operation.label} {answer.status_code} {fault.partition(':')[0]}"
        asked = {name: value for name, value in sent.items() if name != "headers"}
        tally.wrong.setdefault(kind, f"{fault[:600]}\nasked: {asked!r:.600}\nanswer: {answer.text[:400]}")


def faults_of(case: Case[Any], answer: httpx.Response, code: str | None) -> Iterator[str]:
    """What of this answer is not as it must be."""
    if answer.status_code >= 500:
        yield "a fault of the centre"
    if answer.status_code >= 400 and answer.request.method != "HEAD":
        body = answer.json() if code is not None else {}
        if not set(body) >= _MEMBERS or body["status"] != answer.status_code:
            yield "not a whole problem document"
    try:
        case.validate_response(answer, checks=list(_CHECKS))
    except FailureGroup as group:
        yield from (f"{type(failure).__name__}: {failure}" for failure in group.exceptions)
    except Failure as failure:
        yield f"{type(failure).__name__}: {failure}"
