"""Working time: due by periods is due minute by minute; the edges; one arithmetic for limits and for levels."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xueliang_central.clocks.limits import ClockKind, Limits, calendar_of, choose, fire, hours_of, rows_of
from xueliang_central.clocks.recounting import policy_brought_up
from xueliang_central.clocks.working_time import due_after, periods_between
from xueliang_configs.calendars import Calendar
from xueliang_configs.policies import PolicyTable

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEKDAYS = ["mon", "tue", "wed", "thu", "fri"]
OFFICE: dict[str, Any] = {
    "hours": [
        {"days": WEEKDAYS, "start": "08:30", "until": "12:00"},
        {"days": WEEKDAYS, "start": "14:00", "until": "18:00"},
    ],
    "days_off": [{"first": "2026-10-01", "last": "2026-10-07"}],
    "make_up_days": [{"day": "2026-10-10"}],
}


def at(text: str) -> datetime:
    """Local time in Shanghai."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("start", "minutes", "due"),
    [
        ("2026-09-28T08:30", 210, "2026-09-28T12:00"),  # all of a period: due when it ends
        ("2026-09-28T08:30", 211, "2026-09-28T14:01"),
        ("2026-09-28T12:00", 1, "2026-09-28T14:01"),  # exactly at the end of one: counted from the next
        ("2026-09-28T11:59", 1, "2026-09-28T12:00"),
        ("2026-09-28T13:00", 240, "2026-09-28T18:00"),  # within a rest
        ("2026-09-28T18:00", 0, "2026-09-28T18:00"),  # nothing is due at once
        ("2026-09-25T17:30", 60, "2026-09-28T09:00"),  # friday evening
        ("2026-09-30T17:30", 60, "2026-10-08T09:00"),  # the national holiday
        ("2026-10-03T10:00", 30, "2026-10-08T09:00"),  # in the middle of it
        ("2026-10-09T17:30", 60, "2026-10-10T09:00"),  # a saturday that is worked
        ("2026-10-10T17:30", 60, "2026-10-12T09:00"),
    ],
)
def test_due_after_working_minutes(start: str, minutes: int, due: str) -> None:
    assert due_after(Calendar.model_validate(OFFICE), at(start), minutes * 60) == at(due)


_TIMES = st.sampled_from(["00:00", "01:00", "06:30", "12:00", "18:20", "23:15", "24:00"])
_DAYS = st.sets(st.sampled_from([*WEEKDAYS, "sat", "sun"]), min_size=1)
_FIRST = date(2026, 3, 2)


@st.composite
def _calendars(draw: st.DrawFn) -> Calendar:
    """Any that is accepted: nights, hours that touch, days off beside nights, days that are made up for."""
    bands = [
        {"start": start, "until": until, "days": sorted(days)}
        for start, until, days in draw(st.lists(st.tuples(_TIMES, _TIMES, _DAYS), min_size=1, max_size=3))
        if start not in (until, "24:00")
    ]
    off = [
        {"first": _FIRST + timedelta(days=begins), "last": _FIRST + timedelta(days=begins + lasts)}
        for begins, lasts in draw(st.lists(st.tuples(st.integers(-2, 20), st.integers(0, 6)), max_size=2))
    ]
    made_up = draw(st.lists(st.integers(0, 20), max_size=2, unique=True))
    like = bands[0]["days"][0] if bands else "mon"
    days = [{"day": _FIRST + timedelta(days=number), "like": like} for number in made_up]
    try:
        return Calendar.model_validate({"hours": bands, "days_off": off, "make_up_days": days})
    except ValueError:  # its hours overlap, there are none, or a made-up day is off as well
        return Calendar.model_validate(OFFICE | {"days_off": off, "make_up_days": []})


def _minutes_worked(calendar: Calendar, first: datetime, days: int) -> list[bool]:
    """Minute by minute from a local midnight: read from the words of the calendar and the clock on the wall."""

    def bands(day: date) -> list[tuple[int, int]]:
        like = [one.like.value for one in calendar.make_up_days if one.day == day]
        if not like and any(one.first <= day <= (one.last or one.first) for one in calendar.days_off):
            return []
        weekday = like[0] if like else [*WEEKDAYS, "sat", "sun"][day.weekday()]
        return [(band.start, band.until) for band in calendar.hours if weekday in {one.value for one in band.days}]

    worked = []
    for number in range(days):
        day = first.date() + timedelta(days=number)
        today, before = bands(day), bands(day - timedelta(days=1))
        for now in range(24 * 60):
            begun = any(start <= now and (now < until or until < start) for start, until in today)
            worked.append(begun or any(until < start and now < until for start, until in before))
    return worked


@settings(max_examples=50, deadline=None)
@given(_calendars(), st.integers(0, 7 * 1440), st.integers(1, 2_000))
def test_due_is_where_a_count_of_minutes_ends(calendar: Calendar, start_minute: int, amount: int) -> None:
    midnight = datetime(_FIRST.year, _FIRST.month, _FIRST.day, tzinfo=SHANGHAI)
    start, minutes = midnight + timedelta(minutes=start_minute), _minutes_worked(calendar, midnight, 21)
    due = due_after(calendar, start, amount * 60)
    worked = [number for number, is_worked in enumerate(minutes) if is_worked and number >= start_minute]
    if len(worked) < amount:
        assert due > midnight + timedelta(minutes=len(minutes))
    else:
        assert due == midnight + timedelta(minutes=worked[amount - 1] + 1)
    spans = (until - begin for begin, until in periods_between(calendar, start, due))
    assert sum(spans, timedelta()) == timedelta(minutes=amount)


@settings(max_examples=40, deadline=None)
@given(
    _calendars(),
    st.sampled_from(["Europe/Berlin", "America/New_York", "Pacific/Apia"]),
    st.integers(0, 60 * 1440),
    st.integers(0, 9_000),
    st.integers(1, 9_000),
)
def test_two_amounts_one_after_the_other_are_their_sum_in_zones_whose_clocks_change(
    calendar: Calendar, zone: str, start_minute: int, first: int, second: int
) -> None:
    there = calendar.model_copy(update={"time_zone": zone})
    start = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=start_minute)
    assert due_after(there, due_after(there, start, first * 60), second * 60) == due_after(
        there, start, (first + second) * 60
    )


def _table(**more: Any) -> PolicyTable:
    row = {"match": {"hazard": ["illegal_parking"], "severity": [3, 4]}, "judge_s": 3600, "take_s": 3600}
    counts = {"calendar": "office", "limits": ["take", "arrive"]}
    return PolicyTable.model_validate(
        {
            "calendars": {"office": OFFICE},
            "policies": [
                row | {"arrive_s": 7200, "counts": counts, "escalate": ["village", "county"]} | more,
                {"judge_s": 60, "take_s": 180, "arrive_s": 300},
            ],
        }
    )


def test_the_limits_of_an_incident_carry_their_calendar_and_only_the_named_ones_rest() -> None:
    evening = at("2026-09-30T17:30")
    chosen = choose(rows_of(_table()), "illegal_parking", 3, "street", "grid", evening)
    stored = Limits.from_json(json.loads(json.dumps(chosen.as_json())))
    assert stored == chosen
    assert stored.due(ClockKind.JUDGE, evening) == evening + timedelta(hours=1)
    assert stored.due(ClockKind.TAKE, evening) == at("2026-10-08T09:00")
    assert stored.counted(ClockKind.CHECK) is None
    assert "counts" not in choose(rows_of(_table()), "crowd", 3, "street", "grid", evening).as_json()


def test_limits_are_brought_to_the_calendar_in_force_as_that_of_the_table_would_be_written() -> None:
    noon = at("2026-09-28T12:00")
    longer = {**OFFICE, "days_off": [{"first": "2026-10-01", "last": "2026-10-08"}]}
    tables = [_table(), _table().model_copy(update={"calendars": {"office": Calendar.model_validate(longer)}})]
    before, after = (choose(rows_of(one), "illegal_parking", 3, "street", "grid", noon).as_json() for one in tables)
    calendars = {"office": hours_of(tables[1].calendars["office"])}
    assert policy_brought_up(before, calendars) == after
    assert policy_brought_up(after, calendars) is None
    by_day, by_day_after = ({**one, "by_hour": [one]} for one in (before, after))
    assert policy_brought_up(by_day, calendars) == by_day_after


def test_the_next_level_is_told_at_working_hours_also_after_an_outage() -> None:
    chosen = choose(
        rows_of(_table(escalate_every_s=3600)), "illegal_parking", 3, "street", "grid", at("2026-09-28T09:00")
    )
    counted = chosen.counted(ClockKind.TAKE)
    due = at("2026-09-30T17:30")
    assert fire(chosen.escalate, 3600, 0, due, due, counted).next_due_at == at("2026-10-08T09:00")
    night_after = at("2026-10-08T20:00")
    assert fire(chosen.escalate, 3600, 0, due, night_after, counted).next_due_at == at("2026-10-09T09:30")


def test_what_is_urgent_counts_working_hours_only_if_the_row_says_so() -> None:
    with pytest.raises(ValueError, match=r"row 0, which counts calendar office for hazard=illegal_parking, severity=2"):
        _table(match={"hazard": ["illegal_parking"], "severity": [2, 3, 4]})
    counts = {"calendar": "office", "urgent": True}
    table = _table(match={"hazard": ["illegal_parking"], "severity": [2, 3, 4]}, counts=counts)
    assert table.policies[0].limits_counted() == {
        "judge_s": 3600,
        "take_s": 3600,
        "arrive_s": 7200,
        "check_s": 600,
        "escalate_every_s": 60,
    }


def test_a_row_for_what_others_leave_may_rest_when_the_urgent_is_taken_above_it() -> None:
    urgent = [{"hazard": ["fire_smoke"]}, {"severity": [1, 2]}]
    table = PolicyTable.model_validate(
        {
            "calendars": {"office": OFFICE},
            "policies": [
                *({"match": match, "judge_s": 60, "take_s": 60, "arrive_s": 60} for match in urgent),
                {"counts": {"calendar": "office"}, "judge_s": 60, "take_s": 60, "arrive_s": 60},
            ],
        }
    )
    assert table.policies[2].counts is not None


def test_a_calendar_that_many_clocks_have_is_validated_once() -> None:
    of_one = calendar_of({"calendar": "office", "as": OFFICE})
    of_another = calendar_of({"calendar": "desk", "as": dict(reversed(json.loads(json.dumps(OFFICE)).items()))})
    assert of_one is of_another
    assert of_one == Calendar.model_validate(OFFICE)
    assert calendar_of({"as": {**OFFICE, "days_off": []}}) != of_one
