"""Hours of the day, on some days of the week, in which only false alarms are raised. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from xueliang_configs.rules import CameraFaultRule, Rule
from xueliang_configs.schedules import DAY_MINUTES
from xueliang_edge.backtest.alerts import WouldBeAlert
from xueliang_edge.backtest.suggesting.changes import Change, ChangeKind
from xueliang_edge.backtest.suggesting.places import LEAST_ALARMS
from xueliang_edge.backtest.suggesting.week import Band, local_of, time_zone_of

_LEAST_DAYS: Final = 2  # the same hour on one day only is no habit
_NEAR_MINUTES: Final = 20  # apart from each other, still of one habit
_QUARTER: Final = 15  # minutes: people write hours in quarters, and a lorry is no clock
_LONGEST: Final = 180  # minutes: to be blind for longer is to give the rule up
_BANDS: Final = 6  # most alarms first
_DAYS: Final = ((0, 1, 2, 3, 4, 5, 6), (0, 1, 2, 3, 4), (5, 6), *((day,) for day in range(7)))


@dataclass(frozen=True, slots=True)
class _Held:
    """When an alert was open, in local minutes of the day on which it began; over midnight cut there."""

    day: date
    start: int
    until: int


def hours(
    rule: Rule, false_alarms: Sequence[WouldBeAlert], true_ones: Sequence[WouldBeAlert], to_at: datetime
) -> Iterator[Change]:
    """Bands that no alert of `true_ones` meets. `to_at`: the end of what is still open."""
    if isinstance(rule, CameraFaultRule):
        return  # it has no schedule
    time_zone = time_zone_of(rule)
    held = [_held(one, time_zone, to_at) for one in false_alarms]
    spared = [_held(one, time_zone, to_at) for one in true_ones]
    found: dict[Band, int] = {}
    for days in _DAYS:
        for habit in _habits([one for one in held if one.day.weekday() in days]):
            band = Band(days, _down(min(one.start for one in habit)), _up(max(one.until for one in habit)))
            is_long = band.until - band.start > _LONGEST
            if not is_long and not any(band.meets(one.day.weekday(), one.start, one.until) for one in spared):
                found[band] = len(habit)
    most_first = sorted(found, key=lambda band: (-found[band], band.minutes_a_week, band.days))
    for number, band in enumerate(most_first[:_BANDS], 1):
        blind = f"{found[band]} false alarms then; the rule is off for {band.minutes_a_week} minutes a week"
        words = f"nothing raised {band.words} ({blind})"
        name, wider = f"hours {number}", band.wider((band.until - band.start) // 2)
        further = Change(ChangeKind.HOURS, name, f"nothing raised {wider.words}", mute=wider)
        yield Change(ChangeKind.HOURS, name, words, mute=band, further=further)


def _habits(held: Sequence[_Held]) -> Iterator[list[_Held]]:
    """Those near each other in time of day, often enough and on enough days."""
    group: list[_Held] = []
    until = -1
    for one in [*sorted(held, key=lambda one: (one.start, one.until)), None]:
        if group and (one is None or one.start > until + _NEAR_MINUTES):
            if len(group) >= LEAST_ALARMS and len({member.day for member in group}) >= _LEAST_DAYS:
                yield group
            group, until = [], -1
        if one is not None:
            group.append(one)
            until = max(until, one.until)


def _held(alert: WouldBeAlert, time_zone: str, to_at: datetime) -> _Held:
    began, ended = local_of(alert.began_at, time_zone), local_of(alert.ended_at or to_at, time_zone)
    until = DAY_MINUTES - 1 if ended.date() != began.date() else ended.hour * 60 + ended.minute
    return _Held(began.date(), began.hour * 60 + began.minute, until)


def _down(minute: int) -> int:
    return max(0, (minute - 5) // _QUARTER * _QUARTER)


def _up(minute: int) -> int:
    return min(DAY_MINUTES, (minute + 5) // _QUARTER * _QUARTER + _QUARTER)
