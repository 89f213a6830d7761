"""What the figures of a rule suggest, and when there is too little to suggest anything."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from xueliang_central.noise.flapping import peak_of
from xueliang_central.noise.suggesting import (
    LEAST_JUDGED,
    Change,
    Noise,
    Silent,
    is_flapping,
    of_flapping,
    of_judgements,
    of_silence,
)

AT = datetime(2026, 11, 23, 8, tzinfo=UTC)
NOISY: dict[str, Any] = {
    "true": 2,
    "false": 8,
    "judged_days": 3,
    "dwell_s": 60.0,
    "false_stood_s": (70, 75, 80, 90, 100, 600),
    "true_stood_s": (300, 900),
}


def first(**changed: Any) -> tuple[Change, dict[str, Any]]:
    found = of_judgements(Noise(**(NOISY | changed)))[0]
    return found.change, dict(found.why)


def wilson_low(count: int, z: float = 1.96) -> float:
    """The lower bound of the share when all of `count` are so."""
    return (1 + z * z / (2 * count) - z * math.sqrt(z * z / (4 * count * count))) / (1 + z * z / count)


def test_least_judged_is_the_first_number_that_shows_two_thirds() -> None:
    assert wilson_low(LEAST_JUDGED) > 2 / 3 > wilson_low(LEAST_JUDGED - 1)


def test_a_dwell_that_spares_half_of_the_false_ones_and_no_true_one() -> None:
    change, why = first()
    assert change is Change.LONGER_DWELL
    assert why == {"now_s": 60.0, "to_s": 85.0, "spared": 3, "of": 6, "true": 2}


@pytest.mark.parametrize(
    ("changed", "change"),
    [
        ({"true": 0, "false": 7}, Change.TOO_LITTLE),
        ({"true": 9, "false": 2}, Change.FINE),
        ({"true_stood_s": (80,)}, Change.SEARCH),
        ({"dwell_s": None}, Change.SEARCH),
        ({"false_stood_s": (70, 75, 80, 90)}, Change.SEARCH),
        ({"dwell_s": 78.0}, Change.SEARCH),
        ({"dwell_s": None, "judged_days": 1}, Change.TOO_LITTLE),
        ({"is_there": False}, Change.GONE),
    ],
    ids=[
        "too few judged",
        "few are false",
        "a true one would be lost",
        "a rule without a dwell",
        "too few ends were seen",
        "raised by an older dwell",
        "all judged on one day",
        "no such rule now",
    ],
)
def test_what_is_suggested_else(changed: dict[str, Any], change: Change) -> None:
    assert first(**changed)[0] is change


def test_too_little_says_how_much_is_needed() -> None:
    assert first(true=1, false=2)[1] == {"judged": 3, "needed": LEAST_JUDGED}


def test_permitted_is_neither_true_nor_false_and_has_its_own_suggestion() -> None:
    many = Noise(permitted=30, propose_after=3, proposals=("p-2", "p-1"))
    found = of_judgements(many)
    assert [one.change for one in found] == [Change.TOO_LITTLE, Change.CALENDAR]
    assert found[0].why["judged"] == 0
    assert found[1].why == {"permitted": 30, "proposal_id": "p-2"}
    by_hand = of_judgements(Noise(permitted=3, propose_after=3))
    assert [one.change for one in by_hand] == [Change.TOO_LITTLE, Change.EVENT_BY_HAND]
    few = of_judgements(Noise(permitted=2, propose_after=3))
    assert [one.change for one in few] == [Change.TOO_LITTLE]


FLAPS: dict[str, Any] = {"repeats": 9, "clear_after_s": 10.0, "gaps_s": (12, 14, 18, 22, 40, 300), "peak": 31}


@pytest.mark.parametrize(
    ("changed", "change", "why"),
    [
        ({}, Change.LONGER_CLEAR, {"now_s": 10.0, "to_s": 20.0, "bridged": 3, "of": 6}),
        ({"repeats": 4}, Change.TOO_LITTLE, {"repeats": 4, "needed_repeats": 5}),
        ({"gaps_s": (700, 800, 900, 950, 1000)}, Change.CHECK_VIEW, {"repeats": 9, "longest_s": 600.0}),
        (
            {"gaps_s": (700, 800, 900, 950, 1000), "false": 2, "judged_days": 2},
            Change.SEARCH,
            {"false": 2, "judged": 2},
        ),
        ({"is_there": False}, Change.GONE, {}),
    ],
    ids=["short pauses", "too few", "long pauses", "long pauses, judged false", "no such rule now"],
)
def test_what_flapping_suggests(changed: dict[str, Any], change: Change, why: dict[str, Any]) -> None:
    found = of_flapping(Noise(**(FLAPS | changed)))
    assert (found.change, dict(found.why)) == (change, why)


def test_flapping_is_what_the_policy_calls_so() -> None:
    assert is_flapping(Noise(peak=30, flap_count=30))
    assert not is_flapping(Noise(peak=29, flap_count=30))
    assert not is_flapping(Noise(peak=29, flap_count=0)), "0: never"


@pytest.mark.parametrize(
    ("silent", "change"),
    [
        (Silent(peers=21, peers_raised=15, faults=0), Change.CHECK_VIEW),
        (Silent(peers=21, peers_raised=9, faults=0), Change.FINE),
        (Silent(peers=10, peers_raised=9, faults=0), Change.TOO_LITTLE),
        (Silent(peers=21, peers_raised=15, faults=2), Change.MEND_CAMERA),
    ],
    ids=["others were raised", "others were not either", "too few others", "the camera was faulty"],
)
def test_what_a_rule_that_was_never_raised_suggests(silent: Silent, change: Change) -> None:
    assert of_silence(silent).change is change


def test_the_peak_is_the_most_within_one_window() -> None:
    minutes = [0, 50, 100, 179, 180, 181, 400]
    assert peak_of((AT + timedelta(minutes=one) for one in minutes), 10_800.0) == 5
    assert peak_of((AT + timedelta(minutes=one) for one in reversed(minutes)), 10_800.0) == 5
    assert peak_of([], 60.0) == 0
