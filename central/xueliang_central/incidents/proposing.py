"""Closings as *permitted* that come back at the same time of day: which weekly event they suggest (pure).

It only suggests: a person answers, and until then every alert asks as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from xueliang_central.incidents.suppressing import SilencingRule
from xueliang_configs.schedules import (
    DAY_MINUTES,
    DEFAULT_TIME_ZONE,
    EVERY_DAY,
    Schedule,
    TimeBand,
    clock_text,
    zone_of,
)

QUARTER: Final = 15  # minutes: bands are proposed in whole quarters of an hour, with one to spare on both sides
SHORTEST, LONGEST = 60, 12 * 60  # minutes; what was there longer is no event of a time of day


@dataclass(frozen=True, slots=True)
class Closing:
    """An incident that a person closed as permitted."""

    incident_id: str
    number: str
    began_at: datetime
    last_observed_at: datetime
    closed_at: datetime


@dataclass(frozen=True, slots=True)
class Suggested:
    """The weekly bands, and the closings that suggest them, oldest first."""

    weekly: Schedule
    closings: tuple[Closing, ...]


def suggest(
    newest: Closing, earlier: Sequence[Closing], rule: SilencingRule, time_zone: str = DEFAULT_TIME_ZONE
) -> Suggested | None:
    """What the newest closing of a camera and rule and those before it suggest; None: too few at one time of day.

    The days are those on which it was permitted, no others: who wants more makes an event by hand.

    Args:
        earlier: closed as permitted within `propose_within_s`, and in no proposal yet.
    """
    if not rule.propose_after:
        return None
    offsets = {one.incident_id: _offset(newest, one, time_zone) for one in (*earlier, newest)}
    chosen = _together(offsets, rule.same_time_s / 60)
    closings = sorted(
        (one for one in (*earlier, newest) if one.incident_id in chosen),
        key=lambda one: (one.began_at, one.incident_id),
    )
    if len(closings) < rule.propose_after:
        return None
    anchor = _minute(newest, time_zone)
    start = _down(anchor + min(chosen.values()) - QUARTER)
    end = -_down(-(anchor + max(chosen[one.incident_id] + _minutes_there(one) for one in closings) + QUARTER))
    length = min(max(end - start, SHORTEST), LONGEST)
    days = {
        (_local(one, time_zone) + timedelta(minutes=start - anchor - chosen[one.incident_id])).weekday()
        for one in closings
    }
    until = (start + length) % DAY_MINUTES or DAY_MINUTES
    days_and_times = {
        "days": [EVERY_DAY[day] for day in sorted(days)],
        "start": clock_text(start % DAY_MINUTES),
        "until": clock_text(until),
    }
    band = TimeBand.model_validate(days_and_times)
    return Suggested(Schedule(time_zone=time_zone, bands=(band,)), tuple(closings))


def _together(offsets: dict[str, float], spread: float) -> dict[str, float]:
    """The most that lie within `spread` minutes of each other, the newest (offset 0) among them."""
    best: dict[str, float] = {}
    for first in sorted({offset for offset in offsets.values() if -spread <= offset <= 0}):
        found = {name: offset for name, offset in offsets.items() if first <= offset <= first + spread}
        if len(found) > len(best):
            best = found
    return best


def _offset(newest: Closing, one: Closing, time_zone: str) -> float:
    """Minutes between the times of day of two onsets, the short way round the clock."""
    half = DAY_MINUTES / 2
    return (_minute(one, time_zone) - _minute(newest, time_zone) + half) % DAY_MINUTES - half


def _minute(one: Closing, time_zone: str) -> float:
    local = _local(one, time_zone)
    return local.hour * 60 + local.minute + local.second / 60


def _local(one: Closing, time_zone: str) -> datetime:
    """What a clock on the wall shows, without a zone: days and times of day are counted in it."""
    return one.began_at.astimezone(zone_of(time_zone)).replace(tzinfo=None)


def _minutes_there(one: Closing) -> float:
    return min(max((one.last_observed_at - one.began_at).total_seconds() / 60, 0.0), float(LONGEST))


def _down(minutes: float) -> int:
    """To the quarter of an hour before."""
    return int(minutes // QUARTER) * QUARTER
