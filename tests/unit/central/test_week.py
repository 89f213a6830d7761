"""A week as stretches: it says of every moment what dispatch would find then."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest

from xueliang_central.people.duty import Person, Shift, ShiftKind, on_duty
from xueliang_central.people.week import Stretch, stretches
from xueliang_configs.schedules import CalendarException, Schedule, TimeBand, zone_of

SHANGHAI = zone_of("Asia/Shanghai")
MONDAY = datetime(2026, 11, 23, tzinfo=SHANGHAI)
WANG, LI = (Person(name, name, "worker", "370102") for name in ("wang", "li"))


def band(start: str, until: str, *days: str) -> TimeBand:
    return TimeBand.model_validate({"start": start, "until": until, **({"days": days} if days else {})})


def weekly(who: Person, *bands: TimeBand, zone: str = "Asia/Shanghai", **more: object) -> Shift:
    schedule = Schedule(time_zone=zone, bands=bands, exceptions=more.pop("exceptions", ()))  # type: ignore[arg-type]
    return Shift(who.user_id, ShiftKind.WEEKLY, who.area_code, schedule, **more)  # type: ignore[arg-type]


def span(who: Person, kind: ShiftKind, starts_at: datetime, hours: float) -> Shift:
    area = None if kind is ShiftKind.LEAVE else who.area_code
    return Shift(who.user_id, kind, area, starts_at=starts_at, ends_at=starts_at + timedelta(hours=hours))


def shown(found: tuple[Stretch, ...], who: Person) -> list[tuple[str, str]]:
    """When this person is on duty, local time."""
    return [
        (f"{one.starts_at.astimezone(SHANGHAI):%a %H:%M}", f"{one.ends_at.astimezone(SHANGHAI):%a %H:%M}")
        for one in found
        if who in one.duty.present
    ]


def test_a_night_goes_over_midnight_and_a_leave_cuts_it_short() -> None:
    shifts = [
        weekly(WANG, band("20:00", "06:00", "mon", "sun")),
        span(WANG, ShiftKind.LEAVE, MONDAY + timedelta(hours=22), 100),
        span(LI, ShiftKind.SPAN, MONDAY + timedelta(days=2, hours=8), 4),
    ]
    found = stretches([WANG, LI], shifts, MONDAY, MONDAY + timedelta(days=7))
    assert shown(found, WANG) == [("Mon 00:00", "Mon 06:00"), ("Mon 20:00", "Mon 22:00"), ("Sun 20:00", "Mon 00:00")]
    assert shown(found, LI) == [("Wed 08:00", "Wed 12:00")]
    assert found[0].starts_at == MONDAY
    assert found[-1].ends_at == MONDAY + timedelta(days=7)
    assert all(one.ends_at == other.starts_at for one, other in pairwise(found))


def test_who_has_no_roster_is_there_all_week_in_one_stretch() -> None:
    [only] = stretches([WANG], [], MONDAY, MONDAY + timedelta(days=7))
    assert only.duty.present == (WANG,)
    assert only.duty.unrostered == {"wang"}


@pytest.mark.parametrize(
    "shifts",
    [
        [weekly(WANG, band("08:00", "24:00"), valid_from=date(2026, 10, 22), valid_to=date(2026, 10, 24))],
        [weekly(WANG, band("22:00", "06:00"), valid_to=date(2026, 10, 22)), weekly(LI, band("06:00", "22:00"))],
        [weekly(WANG, band("02:30", "05:00"), zone="Europe/Berlin")],
        [weekly(WANG, band("01:30", "02:30"), zone="Europe/Berlin"), weekly(LI, band("00:00", "24:00", "sun"))],
        [
            weekly(
                WANG,
                band("09:00", "17:00"),
                exceptions=(CalendarException(first=date(2026, 10, 24), bands=(band("10:10", "11:40"),)),),
            )
        ],
    ],
    ids=["days", "last night", "clock put back", "clock put back twice", "holiday"],
)
def test_every_minute_of_a_week_is_what_would_be_found_then(shifts: list[Shift]) -> None:
    """The week in which Europe puts the clock back; and half a year before, when it is put forward."""
    for first in (datetime(2026, 10, 21, tzinfo=SHANGHAI), datetime(2026, 3, 25, tzinfo=SHANGHAI)):
        found = stretches([WANG, LI], shifts, first, first + timedelta(days=7))
        for one in found:
            at = one.starts_at
            while at < one.ends_at:
                assert on_duty([WANG, LI], shifts, at) == one.duty, at.astimezone(UTC)
                at += timedelta(minutes=10)
            last = one.ends_at - timedelta(minutes=1)
            assert on_duty([WANG, LI], shifts, last) == one.duty, last.astimezone(UTC)
