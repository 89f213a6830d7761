"""The night's seats: what the centre's own rules (`incidents.seating`) put before whom, and people who judge it.

At night townships and villages have nobody at their desks: what opens there comes to the county's. Each seat judges one
row after the other, whose limit ends first: `ROW_S` for a row and `MORE_S` for each further incident in it. What has
ended by itself before its limit waits for nobody any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

import numpy as np

from tests.bench.city_day.folded import COUNTY_DIGITS, Incident, at
from tests.bench.city_day.truth import DAY_S
from xueliang_central.incidents.seating import Newcomer, Row, RowKind, SeatingRule, due, place

NIGHT_FROM_S, NIGHT_UNTIL_S = 20 * 3_600.0, 8 * 3_600.0
NIGHT_SEATS_OF_COUNTY: Final = 2  # townships and villages have nobody at night: their queues rise to the county
TEN_MINUTES_S: Final = 600.0
TOWNSHIP_DIGITS: Final = 9
LOOK_S: Final = 1.0  # the worker's
ROW_S, MORE_S = 30.0, 10.0  # assumed: a look at the still and a decision; within a row the next is alike
NEVER_S: Final = float("inf")


@dataclass(frozen=True, slots=True)
class Limit:
    """What the policy says of an incident: its judge limit, and whether it is sent to a worker at once."""

    judge_s: float
    is_sent: bool


@dataclass(frozen=True, slots=True)
class Seated:
    """One night of all seats.

    Attributes:
        hour_p50: new rows an hour and seat, median over seats and hours of the night. ten_min_max: most of a seat in
            any ten minutes. sent_rows: how many of the rows are of what was sent already.
        incidents: that came before a seat. waited: shown later than they came, `longest_wait_s` at most.
        past_limit: judged after their limit.
        shown_s: (incident, when it opened) to when it was shown.
    """

    hour_p50: float
    ten_min_max: int
    rows: int
    sent_rows: int
    incidents: int
    waited: int
    longest_wait_s: float
    past_limit: int
    shown_s: Mapping[tuple[int, float], float]


@dataclass(slots=True)
class _Member:
    incident: int
    came_s: float
    limit_s: float
    ended_s: float


@dataclass(slots=True)
class _Desk:
    """One county's night: its rows so far, and until when each of its people is busy."""

    code: str
    rule: SeatingRule
    rows: dict[str, Row] = field(default_factory=dict)
    members: dict[str, list[_Member]] = field(default_factory=dict)
    shown_s: dict[tuple[int, float], float] = field(default_factory=dict)
    new_s: dict[str, list[float]] = field(default_factory=dict)
    free_s: dict[str, float] = field(default_factory=dict)
    kinds: Counter[RowKind] = field(default_factory=Counter)
    past_limit: int = 0
    now_s: float = 0.0

    def __post_init__(self) -> None:
        for number in range(NIGHT_SEATS_OF_COUNTY):
            self.new_s[f"{self.code}-{number}"], self.free_s[f"{self.code}-{number}"] = [], 0.0

    def comes(self, incident: Incident, at_s: float, ended_s: float, limit: Limit) -> None:
        """An incident opens, or opens again."""
        self.until(at_s)
        new = Newcomer(
            incident_id=f"{incident.number}",
            hazard=incident.hazard,
            severity=incident.severity,
            drill=False,
            township=incident.area_code[:TOWNSHIP_DIGITS],
            county=incident.area_code[:COUNTY_DIGITS],
            came_at=at(at_s),
            is_sent=limit.is_sent,
            judge_by=None if limit.is_sent else at(at_s + limit.judge_s),
        )
        placed = place(new, self.code, tuple(self.new_s), self.rows.values(), self.rule)
        row_id = placed.row_id or f"{self.code}/{self.kinds.total()}"
        if placed.row_id is None:
            self.kinds[placed.kind] += 1
            self.rows[row_id] = Row(
                row_id=row_id,
                kind=placed.kind,
                desk=self.code,
                seat=placed.seat,
                hazard=incident.hazard,
                group=placed.group,
                severity=incident.severity,
                began_at=at(at_s),
                show_by=placed.show_by,
                shown_at=placed.shown_at,
            )
            if placed.shown_at is not None:
                self.new_s[placed.seat].append(at_s)
        else:
            row = self.rows[row_id]
            self.rows[row_id] = replace(row, show_by=placed.show_by, severity=min(row.severity, incident.severity))
        limit_s = NEVER_S if limit.is_sent else at_s + limit.judge_s
        self.members.setdefault(row_id, []).append(_Member(incident.number, at_s, limit_s, ended_s))
        if placed.shown_at is not None:
            self.shown_s[incident.number, at_s] = at_s

    def until(self, at_s: float) -> None:
        """What the worker shows and the people judge until then."""
        while (waits := [row for row in self.rows.values() if row.shown_at is None]) and self.now_s + LOOK_S <= at_s:
            began_s = min((row.began_at - at(0)).total_seconds() for row in waits)
            self.now_s = max(self.now_s + LOOK_S, began_s)
            if self.now_s > at_s:
                break
            self._judge(self.now_s)
            for row in due(self.rows.values(), at(self.now_s), self.rule):
                self.rows[row.row_id] = replace(row, shown_at=at(self.now_s))
                self.new_s[row.seat].append(self.now_s)
                for one in self.members[row.row_id]:
                    self.shown_s[one.incident, one.came_s] = self.now_s
        self.now_s = max(self.now_s, at_s)
        self._judge(at_s)
        self._forget(at_s)

    def _judge(self, until_s: float) -> None:
        while (best := self._next()) is not None and best[0] < until_s:
            start_s, seat, row_id = best
            members = self.members[row_id]
            done_s = start_s + ROW_S + MORE_S * (len(members) - 1)
            self.past_limit += sum(one.limit_s < min(done_s, one.ended_s) for one in members)
            self.free_s[seat] = done_s
            self.rows[row_id] = replace(self.rows[row_id], is_open=False)

    def _next(self) -> tuple[float, str, str] | None:
        """Which seat begins with which row first: the one whose limit ends first of those it can see by then."""
        found = []
        for seat, free_s in self.free_s.items():
            mine = {
                row.row_id: (row.shown_at - at(0)).total_seconds()
                for row in self.rows.values()
                if row.seat == seat and row.is_open and row.kind is not RowKind.SENT and row.shown_at is not None
            }
            if not mine:
                continue
            start_s = max(free_s, min(mine.values()))
            seen = [row_id for row_id, shown_s in mine.items() if shown_s <= start_s]
            row_id = min(seen, key=lambda one: (min(member.limit_s for member in self.members[one]), one))
            found.append((start_s, seat, row_id))
        return min(found, default=None)

    def _forget(self, at_s: float) -> None:
        since = at(at_s) - timedelta(seconds=self.rule.sent_gathers_s + self.rule.rows_in_s)
        old = [
            row.row_id
            for row in self.rows.values()
            if row.began_at < since and row.shown_at is not None and (row.kind is RowKind.SENT or not row.is_open)
        ]
        for row_id in old:
            del self.rows[row_id], self.members[row_id]


def seated(incidents: Sequence[Incident], limit_of: Callable[[Incident], Limit], rule: SeatingRule) -> Seated:
    """All that opens at night, in its order, before the seats of its county."""
    asked = sorted(
        ((at_s, one.number, number) for one in incidents for number, at_s in enumerate(one.asked_s)),
    )
    by_number = {one.number: one for one in incidents}
    desks = {code: _Desk(code, rule) for code in sorted({one.area_code[:COUNTY_DIGITS] for one in incidents})}
    for at_s, incident, opening in asked:
        one = by_number[incident]
        if not NIGHT_UNTIL_S <= at_s < NIGHT_FROM_S:
            spans = one.open_spans_s
            ended_s = spans[opening][1] if opening < len(spans) else NEVER_S
            desks[one.area_code[:COUNTY_DIGITS]].comes(one, at_s, ended_s, limit_of(one))
    for desk in desks.values():
        desk.until(DAY_S + 3_600.0)
    return _figures(list(desks.values()))


def _figures(desks: Sequence[_Desk]) -> Seated:
    queues = [sorted(queue) for desk in desks for queue in desk.new_s.values()]
    shown = {key: at_s for desk in desks for key, at_s in desk.shown_s.items()}
    waits = [shown_s - came_s for (_, came_s), shown_s in shown.items() if shown_s > came_s]
    hours = [*range(int(NIGHT_UNTIL_S // 3_600)), *range(int(NIGHT_FROM_S // 3_600), int(DAY_S // 3_600))]
    per_hour = [sum(int(at_s // 3_600) == hour for at_s in queue) for queue in queues for hour in hours]
    return Seated(
        hour_p50=float(np.median(per_hour)),
        ten_min_max=max((most_within(queue, TEN_MINUTES_S) for queue in queues), default=0),
        rows=sum(desk.kinds.total() for desk in desks),
        sent_rows=sum(desk.kinds[RowKind.SENT] for desk in desks),
        incidents=len(shown),
        waited=len(waits),
        longest_wait_s=max(waits, default=0.0),
        past_limit=sum(desk.past_limit for desk in desks),
        shown_s=shown,
    )


def most_within(moments_s: Sequence[float], span_s: float) -> int:
    """The most of these ordered moments in any span."""
    most = first = 0
    for last, moment_s in enumerate(moments_s):
        while moment_s - moments_s[first] > span_s:
            first += 1
        most = max(most, last - first + 1)
    return most
