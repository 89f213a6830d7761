"""What is told when: the table of cases of `cap.deciding`."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from xueliang_central.cap.deciding import OVER, Facts, MessageType, Phase, decide
from xueliang_central.incidents.states import CloseReason, State
from xueliang_configs.sharing import Sharing

SHARING = Sharing(
    sender="centre@city.example", sender_name="市综治中心", sender_name_en="City centre", hazards=("fire_smoke",)
)
FIRE = Facts(
    hazard="fire_smoke",
    severity=2,
    phase=Phase.CONFIRMED,
    drill=False,
    area_code="370102003005007",
    longitude=117.005,
    latitude=36.005,
)


def told(now: Facts, before: Facts | None, *, expiring: bool = False, place_key: str = "lane", **more: Any) -> str:
    """The type of the message and why, or "-"."""
    sharing = SHARING.model_copy(update=more)
    step = decide(now, before, sharing, place_key=place_key, is_running_out=expiring)
    return "-" if step is None else f"{step.message_type.value} {step.why['code']}"


@pytest.mark.parametrize(
    ("changes", "settings", "expected"),
    [
        ({}, {}, "Alert first_told"),
        ({"severity": 1}, {}, "Alert first_told"),
        ({"severity": 3}, {}, "-"),
        ({"severity": 3}, {"least_severity": 3}, "Alert first_told"),
        ({"hazard": "crowd"}, {}, "-"),
        ({"phase": Phase.SEEN}, {}, "-"),
        ({"phase": Phase.SEEN}, {"before_judged": True}, "Alert first_told"),
        ({"phase": Phase.ENDED}, {}, "-"),
        ({"phase": Phase.WITHDRAWN}, {}, "-"),
        ({"drill": True}, {}, "Alert first_told"),
        ({"drill": True}, {"drills": False}, "-"),
    ],
)
def test_what_is_told_first(changes: dict[str, Any], settings: dict[str, Any], expected: str) -> None:
    assert told(replace(FIRE, **changes), None, **settings) == expected


def test_a_collective_incident_is_never_told() -> None:
    assert told(FIRE, None, place_key="~held") == "-"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "-"),
        ({"severity": 1}, "Update changed"),
        ({"severity": 4}, "Update changed"),  # below what is told, and yet: who was told must hear it
        ({"area_code": "370102003005008"}, "Update changed"),
        ({"longitude": 117.006}, "Update changed"),
        ({"phase": Phase.HANDLED}, "Update changed"),
        ({"phase": Phase.ENDED, "close_reason": "verified"}, "Update changed"),
        ({"phase": Phase.WITHDRAWN, "close_reason": "false_alarm"}, "Cancel withdrawn"),
    ],
)
def test_what_is_told_then(changes: dict[str, Any], expected: str) -> None:
    assert told(replace(FIRE, **changes), FIRE) == expected


def test_what_was_told_is_followed_whatever_the_policy_says_later() -> None:
    assert told(replace(FIRE, phase=Phase.ENDED), FIRE, hazards=()) == "Update changed"
    assert told(replace(FIRE, phase=Phase.WITHDRAWN), FIRE, hazards=()) == "Cancel withdrawn"


def test_what_goes_on_is_told_again_before_the_message_expires() -> None:
    assert told(FIRE, FIRE, expiring=True) == "Update still_there"
    over = replace(FIRE, phase=Phase.ENDED)
    assert told(over, over, expiring=True) == "-"


def test_back_again() -> None:
    """After an end an Update, after a Cancel an Alert that begins anew."""
    assert told(FIRE, replace(FIRE, phase=Phase.ENDED)) == "Update changed"
    assert told(FIRE, replace(FIRE, phase=Phase.WITHDRAWN)) == "Alert first_told"


def test_nothing_is_taken_back_that_was_not_told_and_no_end_is_told_twice() -> None:
    """Over every pair of facts: the first message is an Alert, a Cancel follows only what is in force."""
    for phase, before in product(Phase, [None, *Phase]):
        now = replace(FIRE, phase=phase)
        last = None if before is None else replace(FIRE, phase=before)
        step = decide(now, last, SHARING, place_key="lane", is_running_out=True)
        in_force = before is not None and before is not Phase.WITHDRAWN
        if step is None:
            continue
        assert (step.message_type is MessageType.ALERT) == (not in_force)
        if phase in OVER:
            assert in_force
            assert phase is not before


def row(state: State, close_reason: CloseReason | None = None) -> dict[str, Any]:
    plain = {"hazard": "fire_smoke", "severity": 2, "drill": False, "area_code": "3701"}
    return {**plain, "longitude": None, "latitude": None, "state": state, "close_reason": close_reason}


def test_every_state_and_every_reason_of_closing_has_a_phase() -> None:
    for state in State:
        for reason in [None, *CloseReason] if state is State.CLOSED else [None]:
            assert Facts.of(row(state, reason)).phase in Phase
    ended = {CloseReason.VERIFIED, CloseReason.ENDED_BY_ITSELF, CloseReason.CHECKED_BY_HAND}
    for reason in CloseReason:
        expected = Phase.ENDED if reason in ended else Phase.WITHDRAWN
        assert Facts.of(row(State.CLOSED, reason)).phase is expected
