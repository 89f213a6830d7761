"""Which channel is next, and when: the rules of a ladder, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from xueliang_central.notices.ladder import TOO_OLD, End, Go, HeldBy, Hold, Move, Person, Skip, Standing, next_move
from xueliang_central.notices.sending import MAX_TRIES, after_failure
from xueliang_configs.notices import NoticeRules

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)  # 12:00 in Shanghai
STEPS = [{"channel": "wecom", "after_s": 10}, {"channel": "sms", "after_s": 60}]
EVERYWHERE = Person({"wecom": "1", "sms": "2"})


def rules(**more: Any) -> NoticeRules:
    return NoticeRules.model_validate({"ladders": [{"steps": STEPS}], **more})


def standing(step: int = 0, **more: Any) -> Standing:
    return Standing(**{"severity": 2, "kind": "task_offered", "created_at": NOON, "next_step": step, **more})


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("asked", "person", "at_s", "move"),
    [
        (standing(), EVERYWHERE, 9.9, Hold(after(10), None)),
        (standing(), EVERYWHERE, 10, Go(0, "wecom", after(70))),
        (standing(1), EVERYWHERE, 70, Go(1, "sms", None)),
        (standing(2), EVERYWHERE, 70, End("last_step")),
        (standing(), Person({"sms": "2"}), 10, Skip(0, "wecom", "no_address")),
        (standing(received=True), EVERYWHERE, 10, End("received")),
        (standing(kind="help_asked", received=True), EVERYWHERE, 10, Go(0, "wecom", after(70))),
        (standing(kind="help_asked", received=True, not_needed="answered"), EVERYWHERE, 10, End("answered")),
        (standing(not_needed="taken"), EVERYWHERE, 10, End("taken")),
        (standing(received=True, not_needed="taken"), EVERYWHERE, 10, End("received")),
        (standing(), EVERYWHERE, TOO_OLD.total_seconds() + 1, End("too_old")),
    ],
    ids=[
        "too soon",
        "first",
        "second",
        "over",
        "no address",
        "received",
        "help",
        "answered",
        "taken",
        "both",
        "too old",
    ],
)
def test_what_is_next(asked: Standing, person: Person, at_s: float, move: Move) -> None:
    assert next_move(asked, person, rules(), after(at_s)) == move


def test_the_first_row_that_matches_decides() -> None:
    table = NoticeRules.model_validate(
        {"ladders": [{"severity": [1], "steps": []}, {"kinds": ["escalated"], "steps": STEPS[:1]}, {"steps": STEPS}]}
    )
    assert [step.channel for step in table.ladder_for(1, "escalated")] == []
    assert [step.channel for step in table.ladder_for(2, "escalated")] == ["wecom"]
    assert [step.channel for step in table.ladder_for(2, "task_offered")] == ["wecom", "sms"]
    assert next_move(standing(severity=1), EVERYWHERE, table, after(10)) == End("no_ladder")


def test_a_budget_is_over_when_the_oldest_that_counts_is_an_hour_old() -> None:
    told = (after(-3500), after(-100), after(-50))
    person = Person(EVERYWHERE.addresses, told)
    held = next_move(standing(), person, rules(per_hour=2), after(10))
    assert held == Hold(after(-100) + timedelta(hours=1), HeldBy.BUDGET)
    assert isinstance(next_move(standing(), person, rules(per_hour=2), held.until), Go)
    assert isinstance(next_move(standing(severity=1), person, rules(per_hour=2), after(10)), Go)


def test_quiet_hours_over_midnight_end_in_the_morning() -> None:
    quiet = {"bands": [{"start": "22:00", "until": "06:30"}]}
    at = datetime(2026, 11, 23, 15, 0, 20, tzinfo=UTC)  # 23:00:20 in Shanghai
    asked = standing(created_at=at - timedelta(minutes=1))
    morning = datetime(2026, 11, 23, 22, 30, tzinfo=UTC)
    assert next_move(asked, EVERYWHERE, rules(quiet=quiet), at) == Hold(morning, HeldBy.QUIET)
    assert isinstance(
        next_move(standing(severity=1, created_at=asked.created_at), EVERYWHERE, rules(quiet=quiet), at), Go
    )


def test_pauses_grow_to_five_minutes_and_end() -> None:
    assert [after_failure(n, None) for n in range(1, MAX_TRIES + 1)] == [5, 10, 20, 40, 80, 160, 300, None]
    assert after_failure(1, 120.0) == 120.0
    assert after_failure(7, 120.0) == 300.0
