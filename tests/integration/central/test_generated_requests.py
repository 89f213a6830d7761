"""Whatever is asked, by whomever: no fault of the centre, and an answer of the documented kind.

A part of what `./run bench api --full` sends. The seed is fixed: the same requests each time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import httpx
import pytest
from schemathesis import Case

from tests.support.asked_centre import asked_centre
from tests.support.generated_requests import ask_all, cases, faults_of
from xueliang_central.rights.scope import Role

PER_ROLE = 500
SEED = 20261127


@pytest.fixture(scope="module")
def wanted() -> Sequence[Case]:
    return list(cases(PER_ROLE, SEED))


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_requests_of_every_role_are_answered_as_documented(wanted: Sequence[Case]) -> None:
    tallies = []
    for role in Role:
        with asked_centre() as asked:
            tallies.append(ask_all(asked, role, wanted, SEED))
    wrong = [f"{tally.role}: {kind}\n{told}" for tally in tallies for kind, told in tally.wrong.items()]
    assert not wrong, "\n\n".join(wrong[:10])
    for tally in tallies:
        assert tally.total >= PER_ROLE
        assert tally.server_errors == 0
        assert tally.statuses[200] > 0, f"{tally.role} reached nothing: {tally.statuses}"


def test_a_fault_of_the_centre_is_found(wanted: Sequence[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("xueliang_central.routes.cameras.camera_bodies", broken)  # the neighbour, not the judge
    with asked_centre() as asked:
        tally = ask_all(asked, Role.ADMIN, _of(wanted, "GET /api/cameras"), SEED)
    assert tally.server_errors == tally.statuses[500] > 0
    assert list(tally.wrong) == ["GET /api/cameras 500 a fault of the centre"]


def test_an_answer_that_is_not_as_documented_is_found(wanted: Sequence[Case]) -> None:
    case = _of(wanted, "GET /api/areas")[0]
    request = httpx.Request("GET", "http://centre.test/api/areas")
    answers = {
        "JsonSchemaError": httpx.Response(200, json={"areas": [{"code": 7}]}, request=request),
        "UndefinedContentType": httpx.Response(200, text="areas", request=request),
        "not a whole problem document": httpx.Response(404, json={"detail": "none"}, request=request),
    }
    for wanted_fault, answer in answers.items():
        answer.elapsed = timedelta(0)
        found = [fault.partition(":")[0] for fault in faults_of(case, answer, None)]
        assert wanted_fault in found, found


def _of(wanted: Sequence[Case], label: str) -> list[Case]:
    return [case for case in wanted if case.operation.label == label]
