"""Policies choose limits; clocks fire level by level."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from xueliang_central.clocks.limits import ClockKind, Firing, Limits, PolicyRow, choose, fire, rows_of
from xueliang_configs.policies import PolicyTable

NOON = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
LEVELS = ("village", "township", "city")


def _row(number: int, **match: frozenset[object]) -> PolicyRow:
    limits = Limits(number, 60, 180, 300, 600, False, LEVELS, 60, 900)
    return PolicyRow(limits, **match)  # type: ignore[arg-type]


ROWS = (
    _row(0, hazards=frozenset({"fire_smoke"})),
    _row(1, hazards=frozenset({"crowd"}), severities=frozenset({1, 2})),
    _row(2, place_classes=frozenset({"school"}), levels=frozenset({"grid"})),
    _row(3),
)


@pytest.mark.parametrize(
    ("case", "row"),
    [
        (("fire_smoke", 4, "other", "city"), 0),
        (("crowd", 2, "school", "grid"), 1),
        (("crowd", 3, "school", "grid"), 2),
        (("crowd", 3, "school", "village"), 3),
        (("camera_fault", 1, "mall", "grid"), 3),
    ],
)
def test_the_first_row_that_matches_decides(case: tuple[str, int, str, str], row: int) -> None:
    assert choose(ROWS, *case, NOON).row == row


def test_a_table_with_a_hole_is_an_error_not_a_silence() -> None:
    with pytest.raises(LookupError, match="crowd"):
        choose(ROWS[:1], "crowd", 1, "other", "grid", NOON)


def test_the_operators_table_becomes_the_same_rows() -> None:
    table = PolicyTable.model_validate(
        {
            "policies": [
                {"match": {"hazard": ["crowd"], "severity": [1]}, "judge_s": 30, "take_s": 60, "arrive_s": 120},
                {"judge_s": 60, "take_s": 180, "arrive_s": 300, "auto_dispatch": True},
            ]
        }
    )
    rows = rows_of(table)
    assert choose(rows, "crowd", 1, "street", "grid", NOON).judge_s == 30
    second = choose(rows, "crowd", 2, "street", "grid", NOON)
    assert (second.row, second.auto_dispatch, second.of(ClockKind.ARRIVE)) == (1, True, 300)
    assert Limits.from_json(second.as_json()) == second


BY_HOUR = PolicyTable.model_validate(
    {
        "policies": [
            {
                "match": {"hazard": ["crowd"]},
                "when": {"bands": [{"start": "22:00", "until": "06:00"}]},
                "judge_s": 300,
                "take_s": 600,
                "arrive_s": 900,
                "escalate": ["county", "city"],
            },
            {"judge_s": 60, "take_s": 180, "arrive_s": 300, "auto_dispatch": True},
        ]
    }
)
NIGHT = NOON + timedelta(hours=11)  # noon is 12:00 in Shanghai


def test_each_clock_takes_the_row_that_holds_when_it_starts() -> None:
    opened = choose(rows_of(BY_HOUR), "crowd", 2, "street", "grid", NIGHT).told_within({"village", "city"})
    assert (opened.row, opened.judge_s, opened.escalate) == (0, 300, ("city",))
    stored = Limits.from_json(json.loads(json.dumps(opened.as_json())))
    by_day = stored.at(NOON + timedelta(days=1))
    assert (by_day.row, by_day.take_s, by_day.escalate) == (1, 180, ("village", "city"))
    assert Limits.from_json(by_day.as_json()).at(NIGHT + timedelta(days=1)) == stored


def test_a_case_whose_rows_have_no_hours_is_written_as_before() -> None:
    chosen = choose(rows_of(BY_HOUR), "intrusion", 2, "street", "grid", NIGHT)
    assert chosen.row == 1
    assert "by_hour" not in chosen.as_json()
    assert chosen.at(NOON) is chosen


def test_a_clock_fires_once_per_level_and_then_rests() -> None:
    due_at, seen = NOON, []
    for done in range(3):
        firing = fire(LEVELS, 60, done, due_at, due_at)
        seen.append((firing.step, firing.level))
        due_at = firing.next_due_at or due_at
    assert seen == [(1, "village"), (2, "township"), (3, "city")]
    assert firing.next_due_at is None


def test_a_clock_without_levels_fires_once() -> None:
    assert fire((), 60, 0, NOON, NOON) == Firing(1, None, None)


def test_a_late_firing_keeps_the_plan_and_an_outage_restarts_it() -> None:
    late = NOON + timedelta(seconds=1)
    assert fire(LEVELS, 60, 0, NOON, late).next_due_at == NOON + timedelta(seconds=60)
    after_outage = NOON + timedelta(hours=2)
    assert fire(LEVELS, 60, 0, NOON, after_outage).next_due_at == after_outage + timedelta(seconds=60)
