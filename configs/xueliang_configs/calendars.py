"""Working hours by name, for limits that count only these: hours of the week, days off, days made up for (调休).

Like a schedule's bands these are what a clock on the wall shows, and a band over midnight belongs to the day on which
it begins: it is worked to its end when the next day is off, and it does not begin on a day off.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from xueliang_configs.schedules import (
    DAY_MINUTES,
    DEFAULT_TIME_ZONE,
    EVERY_DAY,
    Day,
    TimeBand,
    clock_text,
    known_zone,
)
from xueliang_configs.values import Settings, problem

LONGEST_REST_DAYS: Final = 366
CountedLimit = Literal["judge", "take", "arrive", "check"]
EVERY_LIMIT: Final[tuple[CountedLimit, ...]] = ("judge", "take", "arrive", "check")
CalendarName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")]
_Stretch = tuple[int, int, Day, TimeBand]  # first and last minute of a week, and what said so


class DaysOff(Settings):
    """Days on which no hours begin: a holiday."""

    first: date = Field(description="First day, 2026-10-01.")
    last: date | None = Field(default=None, description="Last day, included; null: only the first.")

    @field_validator("last")
    @classmethod
    def _in_order(cls, value: date | None, info: ValidationInfo) -> date | None:
        first = info.data.get("first")
        if value is not None and first is not None and value < first:
            raise problem("order", f"expected a day not before first ({first})", str(value), str(first))
        return value

    def covers(self, day: date) -> bool:
        """True on its days."""
        return self.first <= day <= (self.last or self.first)


class MakeUpDay(Settings):
    """A day that is worked though its weekday is not (调休)."""

    day: date = Field(description="The day, 2026-10-10.")
    like: Day = Field(default=Day.MONDAY, description="With the hours of which day of the week.")


class Calendar(Settings):
    """When people work: what a limit that counts working hours counts."""

    time_zone: Annotated[str, AfterValidator(known_zone)] = Field(
        default=DEFAULT_TIME_ZONE, description="IANA name of the local time that hours are written in."
    )
    hours: tuple[TimeBand, ...] = Field(min_length=1, max_length=32, description="Hours of the week; none overlap.")
    days_off: tuple[DaysOff, ...] = Field(default=(), max_length=100, description="Holidays: no hours begin then.")
    make_up_days: tuple[MakeUpDay, ...] = Field(
        default=(), max_length=100, description="Days that are worked though their weekday is not; none is off as well."
    )

    @field_validator("hours")
    @classmethod
    def _none_overlap(cls, value: tuple[TimeBand, ...]) -> tuple[TimeBand, ...]:
        week = sorted(_stretches(value), key=lambda one: one[:2])
        begin, end, day, band = week[0]
        next_week = (begin + 7 * DAY_MINUTES, end + 7 * DAY_MINUTES, day, band)  # sunday's night into monday
        for one, other in zip(week, [*week[1:], next_week], strict=True):
            if other[0] < one[1]:
                raise problem(
                    "hours_overlap",
                    "expected hours that do not overlap",
                    f"{_say(one)} and {_say(other)}",
                    "make them one",
                )
        return value

    @field_validator("days_off")
    @classmethod
    def _work_is_ahead(cls, value: tuple[DaysOff, ...], info: ValidationInfo) -> tuple[DaysOff, ...]:
        hours = info.data.get("hours")
        for one in value if hours else ():
            last = min(one.first.toordinal() + LONGEST_REST_DAYS, date.max.toordinal())
            ahead = map(date.fromordinal, range(one.first.toordinal(), last + 1))
            if not any(_bands_on(day, hours or (), value) for day in ahead):
                raise problem(
                    "no_work_ahead",
                    f"expected working hours within {LONGEST_REST_DAYS} days of each day",
                    f"none from {one.first} on",
                    "end the days off earlier",
                )
        return value

    @field_validator("make_up_days")
    @classmethod
    def _are_worked(cls, value: tuple[MakeUpDay, ...], info: ValidationInfo) -> tuple[MakeUpDay, ...]:
        days = [one.day for one in value]
        for one in value:
            off = next((holiday for holiday in info.data.get("days_off", ()) if holiday.covers(one.day)), None)
            if off is not None:
                span = f"{off.first} to {off.last or off.first}"
                raise problem(
                    "worked_and_off",
                    "expected a make-up day that is not off as well",
                    f"{one.day}, off by {span}",
                    "take it out of one of the two",
                )
            if days.count(one.day) > 1:
                raise problem("worked_twice", "expected each make-up day once", f"{one.day} twice")
            hours = info.data.get("hours")
            if hours and not any(one.like in band.days for band in hours):
                raise problem(
                    "worked_like", "expected like to be a day with hours", one.like.value, hours[0].days[0].value
                )
        return value

    @property
    def week_s(self) -> int:
        """Working seconds of a usual week."""
        return sum(end - begin for begin, end, *_ in _stretches(self.hours)) * 60

    def bands_on(self, day: date) -> tuple[TimeBand, ...]:
        """The hours that begin on this local day, in order."""
        like = next((one.like for one in self.make_up_days if one.day == day), None)
        if like is not None:
            return tuple(sorted((band for band in self.hours if like in band.days), key=lambda band: band.start))
        return _bands_on(day, self.hours, self.days_off)


class Counts(Settings):
    """Which limits of a row count working hours only. Their levels are told at working hours too."""

    calendar: CalendarName = Field(description="A name of `calendars`.")
    limits: Annotated[tuple[CountedLimit, ...], Field(min_length=1)] = Field(
        default=EVERY_LIMIT, description="These; the others count every hour."
    )
    urgent: bool = Field(
        default=False,
        description="Say true to let fire and severity 1 or 2 wait for working hours; a row that takes such a case is "
        "refused without it.",
    )


def _bands_on(day: date, hours: tuple[TimeBand, ...], off: tuple[DaysOff, ...]) -> tuple[TimeBand, ...]:
    if any(one.covers(day) for one in off):
        return ()
    weekday = EVERY_DAY[day.weekday()]
    return tuple(sorted((band for band in hours if weekday in band.days), key=lambda band: band.start))


def _stretches(hours: tuple[TimeBand, ...]) -> Iterator[_Stretch]:
    for band in hours:
        for day in dict.fromkeys(band.days):
            midnight = EVERY_DAY.index(day) * DAY_MINUTES
            until = midnight + band.until + (DAY_MINUTES if band.is_over_midnight else 0)
            yield midnight + band.start, until, day, band


def _say(one: _Stretch) -> str:
    return f"{one[2].value} {clock_text(one[3].start)}-{clock_text(one[3].until)}"


def too_slow(limit_s: float, calendar: Calendar) -> bool:
    """True when a usual year of this calendar has less working time than the limit."""
    return limit_s / calendar.week_s > LONGEST_REST_DAYS / 7
