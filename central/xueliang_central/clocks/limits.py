"""Which limits apply to an incident, and who is told when one passes (pure).

The table is ordered and the first row that matches wins; its last row matches everything (`xueliang_configs.policies`
refuses a table with a hole, also at some hour). The limits chosen are written into the incident: a table changed at
noon does not move the clocks of what opened at eleven. Where the hour decides, all rows of the case are written with
it, and each clock that starts takes the one that holds then; a clock that runs is not moved. A row that counts working
hours is written with its calendar, for the same reason.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from xueliang_central.clocks.working_time import due_after, periods_between
from xueliang_configs.calendars import Calendar
from xueliang_configs.policies import ANY, Policy, PolicyTable
from xueliang_configs.schedules import Schedule


class ClockKind(StrEnum):
    """One running limit. JUDGE starts when the incident opens, TAKE and ARRIVE at dispatch, CHECK when handled.

    REMIND and DEADLINE belong to a hazard that is kept open: they end on a day that people have named. REPLY and CLEAR
    are those of a lane's managing unit that is told first: to answer, and to have cleared. DECIDE is that of a request
    that waits for a second person (a suspension, a later limit), RESUME when a suspended task goes on. OVERSEE is that
    of a supervision.
    """

    JUDGE = "judge"
    TAKE = "take"
    ARRIVE = "arrive"
    CHECK = "check"
    REMIND = "remind"
    DEADLINE = "deadline"
    REPLY = "reply"
    CLEAR = "clear"
    DECIDE = "decide"
    RESUME = "resume"
    OVERSEE = "oversee"


BY_POLICY: Final = (ClockKind.JUDGE, ClockKind.TAKE, ClockKind.ARRIVE, ClockKind.CHECK)
DATED: Final = frozenset({ClockKind.REMIND, ClockKind.DEADLINE})
OF_UNIT: Final = frozenset({ClockKind.REPLY, ClockKind.CLEAR})
OF_SUSPENSION: Final = frozenset({ClockKind.DECIDE, ClockKind.RESUME})
NOT_OF_LIMITS: Final = DATED | OF_UNIT | OF_SUSPENSION | {ClockKind.OVERSEE}  # whoever knows when they end starts them


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one incident, in seconds, and what happens when they pass.

    Attributes:
        row: number of the policy row that matched, from 0; part of the incident's *why*.
        auto_dispatch: judged by policy: the grid's worker is sent at once.
        escalate: levels that are told, in order, each time a limit passes again.
        check_s: no seen_clear this long after *handled*: somebody must check by hand.
        reopen_window_s: raised again within this after closing: the same incident, reopened.
        by_hour: where rows with hours are for this case: its rows in order, each as JSON with its `when` (null: at any
            hour), the last of which takes what the others leave. Empty: this row at any hour.
        counts: which limits count working hours only, and of which calendar: {"calendar": its name, "limits": kinds,
            "as": a `Calendar` as JSON}. None: every hour counts.
    """

    row: int
    judge_s: float
    take_s: float
    arrive_s: float
    check_s: float
    auto_dispatch: bool
    escalate: tuple[str, ...]
    escalate_every_s: float
    reopen_window_s: float
    by_hour: tuple[dict[str, Any], ...] = ()
    counts: dict[str, Any] | None = None

    def at(self, now: datetime) -> Limits:
        """Those of a clock that starts at this moment (aware)."""
        for row in self.by_hour:
            if row["when"] is None or Schedule.model_validate(row["when"]).is_active(now):
                here = {name: value for name, value in row.items() if name != "when"}
                return replace(Limits.from_json(here), by_hour=self.by_hour)
        return self

    def told_within(self, levels: Collection[str]) -> Limits:
        """With the levels to tell narrowed to these."""
        rows = tuple(
            {**row, "escalate": [level for level in row["escalate"] if level in levels]} for row in self.by_hour
        )
        return replace(self, escalate=tuple(level for level in self.escalate if level in levels), by_hour=rows)

    def of(self, kind: ClockKind) -> float:
        """Raises KeyError for a kind of NOT_OF_LIMITS."""
        return {
            ClockKind.JUDGE: self.judge_s,
            ClockKind.TAKE: self.take_s,
            ClockKind.ARRIVE: self.arrive_s,
            ClockKind.CHECK: self.check_s,
        }[kind]

    def due(self, kind: ClockKind, start: datetime) -> datetime:
        """When a clock of this kind that starts at this moment (aware) is due."""
        return later(start, self.of(kind), self.counted(kind))

    def counted(self, kind: ClockKind) -> dict[str, Any] | None:
        """What a clock of this kind counts, as `later` takes it; None: every hour."""
        if self.counts is None or kind.value not in self.counts["limits"]:
            return None
        return {name: self.counts[name] for name in ("calendar", "as")}

    def as_json(self) -> dict[str, Any]:
        own = {one.name: getattr(self, one.name) for one in fields(self)} | {"escalate": list(self.escalate)}
        left_out = {name for name in ("by_hour", "counts") if not own[name]}
        own["by_hour"] = list(self.by_hour)
        return {name: value for name, value in own.items() if name not in left_out}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Limits:
        by_hour = tuple(value.get("by_hour", ()))
        return cls(**{**value, "escalate": tuple(value["escalate"]), "by_hour": by_hour})


def later(start: datetime, seconds: float, counted: Mapping[str, Any] | None) -> datetime:
    """The moment so many seconds after this one (aware), of which only working hours count where a clock says so."""
    if counted is None:
        return start + timedelta(seconds=seconds)
    return due_after(calendar_of(counted), start, seconds)


def seconds_between(start: datetime, end: datetime, counted: Mapping[str, Any] | None) -> float:
    """What `later` needs to come from one moment to the other; negative where `end` lies before."""
    if end < start:
        return -seconds_between(end, start, counted)
    if counted is None:
        return (end - start).total_seconds()
    return sum((until - begin).total_seconds() for begin, until in periods_between(calendar_of(counted), start, end))


def calendar_of(counted: Mapping[str, Any]) -> Calendar:
    """The calendar that a clock was started with."""
    return _calendar_read(json.dumps(counted["as"], sort_keys=True))


@lru_cache(maxsize=64)  # a county has a few calendars, in a few versions; each clock that is shown asks for its own
def _calendar_read(written: str) -> Calendar:
    return Calendar.model_validate_json(written)


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One row of the table; None matches anything."""

    limits: Limits
    hazards: frozenset[str] | None = None
    severities: frozenset[int] | None = None
    place_classes: frozenset[str] | None = None
    levels: frozenset[str] | None = None
    when: Schedule | None = None

    def matches(self, hazard: str, severity: int, place_class: str, level: str) -> bool:
        """Is it for this case, at some hour?"""
        return (
            (self.hazards is None or hazard in self.hazards)
            and (self.severities is None or severity in self.severities)
            and (self.place_classes is None or place_class in self.place_classes)
            and (self.levels is None or level in self.levels)
        )


def rows_of(table: PolicyTable) -> tuple[PolicyRow, ...]:
    """The operator's table as plain rows."""
    return tuple(_row_of(number, policy, table.calendars) for number, policy in enumerate(table.policies))


def _row_of(number: int, policy: Policy, calendars: Mapping[str, Calendar]) -> PolicyRow:
    limits = Limits(
        row=number,
        judge_s=policy.judge_s,
        take_s=policy.take_s,
        arrive_s=policy.arrive_s,
        check_s=policy.check_s,
        auto_dispatch=policy.auto_dispatch,
        escalate=tuple(level.value for level in policy.escalate),
        escalate_every_s=policy.escalate_every_s,
        reopen_window_s=policy.reopen_window_s,
        counts=_counts_of(policy, calendars),
    )
    match = policy.match
    return PolicyRow(
        limits=limits,
        hazards=None if match.hazard == ANY else frozenset(str(hazard.value) for hazard in match.hazard),
        severities=None if match.severity == ANY else frozenset(int(severity) for severity in match.severity),
        place_classes=None if match.place_class == ANY else frozenset(str(place.value) for place in match.place_class),
        levels=None if match.level == ANY else frozenset(str(level.value) for level in match.level),
        when=policy.when,
    )


def hours_of(calendar: Calendar) -> dict[str, Any]:
    """As it is written into incidents and clocks."""
    return calendar.model_dump(mode="json", exclude_defaults=True)


def _counts_of(policy: Policy, calendars: Mapping[str, Calendar]) -> dict[str, Any] | None:
    if policy.counts is None:
        return None
    hours = hours_of(calendars[policy.counts.calendar])
    return {"calendar": policy.counts.calendar, "limits": list(policy.counts.limits), "as": hours}


def choose(
    rows: Sequence[PolicyRow], hazard: str, severity: int, place_class: str, level: str, now: datetime
) -> Limits:
    """The limits of the first row that matches at this moment (aware), with those of other hours where there are any.

    Raises:
        LookupError: no row matches; a loaded table cannot do that.
    """
    possible = list(_until_any_hour(row for row in rows if row.matches(hazard, severity, place_class, level)))
    for row in possible:
        if row.when is None or row.when.is_active(now):
            return row.limits if len(possible) == 1 else replace(row.limits, by_hour=tuple(map(_with_hours, possible)))
    raise LookupError(f"no policy for {hazard}, severity {severity}, {place_class}, {level} at {now.isoformat()}")


def _until_any_hour(rows: Iterator[PolicyRow]) -> Iterator[PolicyRow]:
    for row in rows:
        yield row
        if row.when is None:
            return


def _with_hours(row: PolicyRow) -> dict[str, Any]:
    when = None if row.when is None else row.when.model_dump(mode="json", exclude_defaults=True)
    return {**row.limits.as_json(), "when": when}


@dataclass(frozen=True, slots=True)
class Firing:
    """What one firing of a clock means.

    Attributes:
        step: counts the firings of this clock from 1.
        level: who is told now; None: the limit passed and nobody higher is left.
        next_due_at: when it fires again; None: never.
    """

    step: int
    level: str | None
    next_due_at: datetime | None


def fire(
    levels: Sequence[str],
    every_s: float,
    steps_done: int,
    due_at: datetime,
    now: datetime,
    counted: Mapping[str, Any] | None = None,
) -> Firing:
    """The next step of a clock that is due.

    The next firing is `every_s` after this one was due, in working hours where the clock counts these. After an outage
    of the worker it is `every_s` after *now* instead: every level gets its time to act, instead of all of them being
    told in one second.
    """
    level = levels[steps_done] if steps_done < len(levels) else None
    more = steps_done + 1 < len(levels)
    next_due_at = None
    if more:
        planned = later(due_at, every_s, counted)
        next_due_at = planned if planned > now else later(now, every_s, counted)
    return Firing(steps_done + 1, level, next_due_at)
