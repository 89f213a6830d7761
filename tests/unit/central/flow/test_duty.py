"""Who is on duty: bands over midnight and DST, spans, overlaps, leave, validity."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from xueliang_central.people.duty import Duty, Person, Shift, ShiftKind, on_duty
from xueliang_configs.schedules import Schedule

GRID, BESIDE = "370102003005007", "370102003005008"
WANG = Person("u1", "Wang", "worker", GRID)
HE = Person("u2", "He", "worker", BESIDE)
NIGHT = {"start": "22:00", "until": "06:00"}
DAY = {"start": "08:00", "until": "18:00"}


def at(text: str, zone: str = "Asia/Shanghai") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def weekly(*bands: dict[str, Any], zone: str = "Asia/Shanghai", **more: Any) -> Shift:
    schedule = Schedule.model_validate({"bands": bands, "time_zone": zone})
    return Shift("u1", ShiftKind.WEEKLY, GRID, schedule, **more)


def span(starts: str, ends: str, *, kind: ShiftKind = ShiftKind.SPAN, area: str | None = GRID) -> Shift:
    return Shift("u1", kind, None if kind is ShiftKind.LEAVE else area, starts_at=at(starts), ends_at=at(ends))


def stands(duty: Duty) -> str:
    """Where Wang stands."""
    for name in ("present", "off", "on_leave"):
        if any(person.user_id == "u1" for person in getattr(duty, name)):
            return name
    return "nowhere"


def test_without_a_shift_a_person_is_always_on_duty() -> None:
    duty = on_duty([WANG, HE], [weekly(DAY)], at("2026-11-24T03:00"))
    assert (duty.present, duty.off) == ((HE,), (WANG,))
    assert duty.unrostered == {"u2"}
    assert on_duty([], [], at("2026-11-24T03:00")) == Duty()


@pytest.mark.parametrize(
    ("local", "where"),
    [
        ("2026-11-24T21:59:59", "off"),
        ("2026-11-24T22:00:00", "present"),
        ("2026-11-25T00:00:00", "present"),
        ("2026-11-25T05:59:59", "present"),
        ("2026-11-25T06:00:00", "off"),
    ],
)
def test_a_night_goes_over_midnight(local: str, where: str) -> None:
    assert stands(on_duty([WANG], [weekly(NIGHT)], at(local))) == where


@pytest.mark.parametrize(
    ("local", "where"),
    [
        ("2026-11-30T23:00", "off"),  # valid from the next day on
        ("2026-12-01T05:00", "off"),  # the night before began outside
        ("2026-12-01T22:00", "present"),
        ("2026-12-31T23:59", "present"),
        ("2027-01-01T05:00", "present"),  # the last night ends in its morning
        ("2027-01-01T22:00", "off"),
    ],
)
def test_validity_counts_the_days_on_which_a_band_begins(local: str, where: str) -> None:
    december = weekly(NIGHT, valid_from=date(2026, 12, 1), valid_to=date(2026, 12, 31))
    assert stands(on_duty([WANG], [december], at(local))) == where


@pytest.mark.parametrize(
    ("moment", "where"),
    [
        # 2026-03-29: 02:00 to 03:00 does not exist in Berlin; the night is an hour shorter
        (at("2026-03-28T22:30", "Europe/Berlin"), "present"),
        (datetime(2026, 3, 29, 0, 59, tzinfo=UTC), "present"),  # 01:59
        (datetime(2026, 3, 29, 1, 0, tzinfo=UTC), "present"),  # 03:00, the next minute
        (datetime(2026, 3, 29, 3, 59, tzinfo=UTC), "present"),  # 05:59
        (datetime(2026, 3, 29, 4, 0, tzinfo=UTC), "off"),  # 06:00
        # 2026-10-25: 02:00 to 03:00 comes twice; the night is an hour longer
        (datetime(2026, 10, 25, 0, 30, tzinfo=UTC), "present"),  # 02:30
        (datetime(2026, 10, 25, 1, 30, tzinfo=UTC), "present"),  # 02:30 again
        (datetime(2026, 10, 25, 4, 59, tzinfo=UTC), "present"),  # 05:59
        (datetime(2026, 10, 25, 5, 0, tzinfo=UTC), "off"),  # 06:00
    ],
)
def test_a_night_of_a_change_of_dst_is_what_the_clock_on_the_wall_says(moment: datetime, where: str) -> None:
    assert stands(on_duty([WANG], [weekly(NIGHT, zone="Europe/Berlin")], moment)) == where


def test_shifts_that_overlap_or_meet_add_up() -> None:
    meeting = [weekly(DAY), weekly({"start": "18:00", "until": "22:00"}), span("2026-11-24T17:00", "2026-11-25T01:00")]
    for local, where in (
        ("2026-11-24T07:59", "off"),
        ("2026-11-24T08:00", "present"),
        ("2026-11-24T17:30", "present"),
        ("2026-11-24T18:00", "present"),
        ("2026-11-24T23:00", "present"),
        ("2026-11-25T01:00", "off"),
    ):
        duty = on_duty([WANG], meeting, at(local))
        assert stands(duty) == where, local
        assert len(duty.present) <= 1, "in the same area a person is there once"


def test_who_is_on_duty_in_two_areas_is_in_both_and_nowhere_else() -> None:
    both = [weekly(DAY, NIGHT), span("2026-11-24T20:00", "2026-11-25T08:00", area=BESIDE)]
    where = [person.area_code for person in on_duty([WANG], both, at("2026-11-24T23:00")).present]
    assert sorted(where) == [GRID, BESIDE]
    where = [person.area_code for person in on_duty([WANG], both, at("2026-11-24T21:00")).present]
    assert where == [BESIDE]


def test_a_leave_wins_over_every_shift_and_over_having_none() -> None:
    leave = span("2026-11-24T00:00", "2026-11-26T00:00", kind=ShiftKind.LEAVE)
    for roster in ([leave], [weekly(DAY), leave], [leave, span("2026-11-24T09:00", "2026-11-24T10:00")]):
        assert stands(on_duty([WANG], roster, at("2026-11-24T09:30"))) == "on_leave"
        assert on_duty([WANG], roster, at("2026-11-24T09:30")).present == ()
    assert stands(on_duty([WANG], [leave], at("2026-11-26T00:00"))) == "present", "the end is not included"
    assert stands(on_duty([WANG], [weekly(DAY), leave], at("2026-11-26T03:00"))) == "off"


def test_a_roster_that_is_over_leaves_nobody_on_duty() -> None:
    over = span("2026-11-01T00:00", "2026-11-02T00:00")
    assert stands(on_duty([WANG], [over], at("2026-11-24T09:30"))) == "off"
