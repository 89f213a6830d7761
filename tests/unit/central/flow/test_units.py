"""Links of managing units, their answers by text, the rows of the policy."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from xueliang_alerts.contract import Hazard, Severity
from xueliang_central.units.links import link_of, request_of, token_of
from xueliang_central.units.replies_by_text import Said, read
from xueliang_configs.policies import PolicyTable, UnitFirst
from xueliang_configs.values import AreaLevel, PlaceClass

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
REQUEST = "0f8fad5b-d9cb-469f-a165-70867728950e"
STEPS = [{"channel": "sms"}]
NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


def test_a_token_opens_its_request_under_its_key_alone() -> None:
    token = token_of(KEY, REQUEST)
    assert len(token) == 43
    assert request_of(KEY, token) == REQUEST
    assert request_of(OTHER_KEY, token) is None
    assert token_of(KEY, str(uuid.uuid4())) != token
    assert link_of("https://centre.example", token) == f"https://centre.example/unit#{token}"


@pytest.mark.parametrize("wrong", ["", "x", "é" * 43, "A" * 43, "A" * 4000, token_of(KEY, REQUEST)[1:]])
def test_what_is_no_token_opens_nothing(wrong: str) -> None:
    assert request_of(KEY, wrong) is None


def test_one_changed_letter_opens_nothing() -> None:
    token = token_of(KEY, REQUEST)
    for place in range(len(token) - 1):  # the last one has two bits that mean nothing
        other = "B" if token[place] == "A" else "A"
        assert request_of(KEY, token[:place] + other + token[place + 1 :]) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1", Said("clears", None)),
        (" 1 4821 ", Said("clears", "4821")),
        ("２　4821", Said("cannot", "4821")),
        ("3，4821", Said("done", "4821")),
        ("3#4821", Said("done", "4821")),
        ("14821", Said("clears", "4821")),
        ("4", None),
        ("1 482", None),
        ("1 48210", None),
        ("好的", None),
        ("", None),
    ],
)
def test_answers_by_text(text: str, said: Said | None) -> None:
    assert read(text) == said


def case(hazard: Hazard = Hazard.FIRE_LANE_OBSTRUCTION, severity: int = 2) -> Any:
    return hazard, Severity(severity), PlaceClass.RESIDENTIAL, AreaLevel.GRID


def test_fire_cameras_and_severity_1_never_wait_whatever_the_row_says() -> None:
    row = UnitFirst.model_validate({"steps": STEPS})
    assert row.takes(case(), NOON)
    assert not row.takes(case(severity=1), NOON)
    assert not row.takes(case(Hazard.FIRE_SMOKE), NOON)
    assert not row.takes(case(Hazard.CAMERA_FAULT, 3), NOON)


@pytest.mark.parametrize("match", [{"hazard": ["fire_smoke"]}, {"severity": [1, 2]}, {"hazard": ["camera_fault"]}])
def test_a_row_that_names_what_never_waits_is_refused(match: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="expected"):
        UnitFirst.model_validate({"match": match, "steps": STEPS})


def test_channels_of_duty_phones_are_named_with_their_place() -> None:
    limits = {"judge_s": 60, "take_s": 60, "arrive_s": 60}
    table = PolicyTable.model_validate({"policies": [limits], "unit_first": [{"steps": STEPS}]})
    assert table.channels_named() == {"sms": "unit_first.0.steps.0.channel"}
