"""When a rule may raise: weekly bands and days that are different, in local time. Over midnight and over DST.

Bands are what a clock on the wall shows; the moment asked about is turned into that time, so an hour that a change of
DST leaves out or repeats needs no rule of its own. The default zone needs no time zone data on the machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo, field_validator

from xueliang_configs.values import Settings, problem

DAY_MINUTES: Final = 24 * 60
DEFAULT_TIME_ZONE: Final = "Asia/Shanghai"


class Day(StrEnum):
    """A day of the week."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


EVERY_DAY: Final = tuple(Day)


def _minutes(value: object) -> object:
    """YAML reads 22:00 without quotes as a number of minutes, 06:00 as a text: both mean what they look like."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{1,2}):(\d\d)", value)):
        minutes = int(match[1]) * 60 + int(match[2])
        if int(match[2]) < 60 and minutes <= DAY_MINUTES:
            return minutes
    if isinstance(value, int) and not isinstance(value, bool) and 60 <= value <= DAY_MINUTES:
        return value
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    raise problem("clock_time", 'expected a time of day from "00:00" to "24:00"', shown[:40], '"22:00"')


def clock_text(minutes: int) -> str:
    """Minutes since midnight as they are written: "22:00"."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


ClockTime = Annotated[
    int,
    BeforeValidator(_minutes),
    PlainSerializer(clock_text, return_type=str),
    Field(json_schema_extra={"type": "string", "pattern": r"^\d{1,2}:\d\d$", "examples": ["22:00"]}),
]


class TimeBand(Settings):
    """A part of some days, local time. `until` not after `start`: it goes on over midnight, into the next day."""

    days: tuple[Day, ...] = Field(
        default=EVERY_DAY, min_length=1, description="Days on which it begins: mon, tue, wed, thu, fri, sat, sun."
    )
    start: ClockTime = Field(description='First minute, "22:00".')
    until: ClockTime = Field(description='End, "06:00", not included; "24:00" is midnight at the end of the day.')

    @field_validator("until")
    @classmethod
    def _not_empty(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("start"):
            raise problem(
                "band", "expected another time than start", clock_text(value), 'all day is "00:00" until "24:00"'
            )
        return value

    @property
    def is_over_midnight(self) -> bool:
        """True when it ends on the day after it began."""
        return self.until < self.start

    def holds_on_its_day(self, minute: int) -> bool:
        """Minutes since midnight of the day on which it begins."""
        return self.start <= minute and (self.is_over_midnight or minute < self.until)

    def holds_on_next_day(self, minute: int) -> bool:
        """Minutes since midnight of the day after that."""
        return self.is_over_midnight and minute < self.until


class CalendarException(Settings):
    """Days on which other bands apply than those of the week: a holiday, an event."""

    first: date = Field(description="First day, 2026-10-01.")
    last: date | None = Field(default=None, description="Last day, included; null: only the first.")
    bands: tuple[TimeBand, ...] = Field(
        default=(), max_length=8, description="What applies then; none: the rule raises nothing on these days."
    )

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


@lru_cache(maxsize=64)
def zone_of(name: str) -> tzinfo:
    """A time zone by its IANA name. Raises ZoneInfoNotFoundError, ValueError."""
    try:
        return ZoneInfo(name)
    except ZoneInfoNotFoundError:
        if name == DEFAULT_TIME_ZONE:
            return timezone(timedelta(hours=8))  # no DST since 1991
        raise


def known_zone(name: str) -> str:
    """The name, of a zone that this machine knows; for validators."""
    try:
        zone_of(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        text = "expected a time zone that this machine knows"
        raise problem("time_zone", text, f'"{name[:60]}"', DEFAULT_TIME_ZONE) from None
    return name


class Schedule(Settings):
    """When a rule may raise. What is raised already is watched to its end, also outside."""

    time_zone: Annotated[str, AfterValidator(known_zone)] = Field(
        default=DEFAULT_TIME_ZONE, description="IANA name of the local time that bands are written in."
    )
    bands: tuple[TimeBand, ...] = Field(min_length=1, max_length=32, description="When the rule may raise.")
    exceptions: tuple[CalendarException, ...] = Field(
        default=(),
        max_length=100,
        description="Days with bands of their own; the first that covers a day decides. A band belongs to the day on "
        "which it begins, also after midnight.",
    )

    def is_active(self, at: datetime) -> bool:
        """May the rule raise at this moment (aware)?"""
        return next(self._begun(at), None) is not None

    def begun_on(self, at: datetime) -> tuple[date, ...]:
        """The local days on which the bands began that hold at this moment (aware): today, yesterday or both."""
        return tuple(self._begun(at))

    def holds(self, day: date, minute: int) -> bool:
        """Does a band hold on this local day, so many minutes after its midnight?"""
        return next(self._begun_by(day, minute), None) is not None

    def turns(self) -> frozenset[int]:
        """Every minute of a local day at which a band may begin or end, and midnight."""
        bands = [*self.bands, *(band for one in self.exceptions for band in one.bands)]
        return frozenset({0, *(minute % DAY_MINUTES for band in bands for minute in (band.start, band.until))})

    def _begun(self, at: datetime) -> Iterator[date]:
        local = at.astimezone(UTC).astimezone(zone_of(self.time_zone))
        return self._begun_by(local.date(), _minute_of(local.time()))

    def _begun_by(self, today: date, minute: int) -> Iterator[date]:
        if any(band.holds_on_its_day(minute) for band in self._bands_on(today)):
            yield today
        yesterday = today - timedelta(days=1)
        if any(band.holds_on_next_day(minute) for band in self._bands_on(yesterday)):
            yield yesterday

    def _bands_on(self, day: date) -> tuple[TimeBand, ...]:
        bands = next((one.bands for one in self.exceptions if one.covers(day)), self.bands)
        weekday = EVERY_DAY[day.weekday()]
        return tuple(band for band in bands if weekday in band.days)


def _minute_of(clock: time) -> int:
    return clock.hour * 60 + clock.minute
