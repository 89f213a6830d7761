"""What comes before which seat of a command centre, in which row, and when (pure).

A seat is a person on duty at a desk. What opens comes at once to the nearest desk above it that is staffed. A row is
one thing in a seat's queue. Three kinds:

    alone   one incident that waits for a judgement
    batch   incidents of one hazard in one township that wait for a judgement and are not severe: one row that opens
            into them. Each stays an incident with its own why, clock and judgement.
    sent    what the policy has sent to workers already, of one hazard in one county: nobody has to judge it. It is
            presented alone when one of its limits passes.

Invariants
    - Severity 1, fire and smoke, and drills stand alone and are shown at once.
    - What waits to be shown is counted and listed. It is shown when its seat has room, at the latest when `hold_s` or
      half of its limit is over, whichever comes first.
    - A row that was dealt to a seat stays there while that person is on duty.
    - Nothing here looks at a clock or a database; whoever calls does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from xueliang_central.incidents.shedding import may_be_held
from xueliang_configs.policies import PolicyTable


class RowKind(StrEnum):
    ALONE = "alone"
    BATCH = "batch"
    SENT = "sent"


@dataclass(frozen=True, slots=True)
class SeatingRule:
    """The operator's policy; see `xueliang_configs.policies.Seating`, whose fields have the same names.

    Attributes:
        batch_from_severity: incidents at least so mild may share a row; None: none does.
        gathers_s: a batch takes incidents in for so long after its first. sent_gathers_s: the same of what was sent.
        rows: more than so many new rows of a seat in `rows_in_s` make mild newcomers wait.
        hold_s: for so long at most.
    """

    batch_from_severity: int | None = 3
    gathers_s: float = 900.0
    sent_gathers_s: float = 3_600.0
    rows: int = 4
    rows_in_s: float = 600.0
    hold_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Newcomer:
    """An incident that has opened, or opened again.

    Attributes:
        township, county: codes of its areas; its own where it lies above them.
        is_sent: the policy has sent it to a worker, nobody has to judge it.
        judge_by: when its judgement is due; None: no such limit runs.
        is_urgent: a limit of it has passed, or it is to be checked by hand: it stands alone.
    """

    incident_id: str
    hazard: str
    severity: int
    drill: bool
    township: str
    county: str
    came_at: datetime
    is_sent: bool = False
    judge_by: datetime | None = None
    is_urgent: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a seat's queue.

    Attributes:
        group: code of the area its incidents have in common; the incident's id when it stands alone.
        began_at: when its first came. shown_at: None: it waits. show_by: when it is shown at the latest.
        is_open: somebody has yet to deal with one of its incidents.
    """

    row_id: str
    kind: RowKind
    desk: str
    seat: str
    hazard: str
    group: str
    severity: int
    began_at: datetime
    show_by: datetime
    shown_at: datetime | None = None
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a newcomer goes: into `row_id`, or (None) into a new row of `seat`."""

    kind: RowKind
    group: str
    seat: str
    row_id: str | None
    show_by: datetime
    shown_at: datetime | None


def seating_of(table: PolicyTable) -> SeatingRule | None:
    """The operator's file as plain values; None: nothing is dealt."""
    if table.seating is None or not table.seating.deal:
        return None
    return SeatingRule(**table.seating.model_dump(exclude={"deal", "unstaffed_after_s"}))


def place(new: Newcomer, desk: str, seats: Sequence[str], rows: Iterable[Row], rule: SeatingRule) -> Placement:
    """Into which row of which of these seats (not empty, in a fixed order); `rows`: those of the desk."""
    kind = kind_of(new, rule)
    group = {RowKind.ALONE: new.incident_id, RowKind.BATCH: new.township, RowKind.SENT: new.county}[kind]
    known = [row for row in rows if row.desk == desk and row.seat in seats]
    gathers = timedelta(seconds=rule.sent_gathers_s if kind is RowKind.SENT else rule.gathers_s)
    same = [
        row
        for row in known
        if (row.kind, row.group, row.hazard) == (kind, group, new.hazard)
        and row.is_open
        and new.came_at - row.began_at < gathers
    ]
    show_by = shown_by(new, kind, rule)
    if same and kind is not RowKind.ALONE:
        row = max(same, key=lambda one: (one.began_at, one.row_id))
        shown_at = None if row.shown_at is None else new.came_at
        return Placement(kind, group, row.seat, row.row_id, min(row.show_by, show_by), shown_at)
    seat = min(seats, key=lambda one: (*_load(one, known, new.came_at, rule), seats.index(one)))
    is_now = kind is RowKind.ALONE or has_room(seat, known, new.came_at, rule)
    return Placement(kind, group, seat, None, show_by, new.came_at if is_now else None)


def kind_of(new: Newcomer, rule: SeatingRule) -> RowKind:
    """Severity 1, fire and drills always stand alone."""
    if new.is_urgent or not may_be_held(new.hazard, new.severity, new.drill):
        return RowKind.ALONE
    if new.is_sent:
        return RowKind.SENT
    is_mild = rule.batch_from_severity is not None and new.severity >= rule.batch_from_severity
    return RowKind.BATCH if is_mild else RowKind.ALONE


def shown_by(new: Newcomer, kind: RowKind, rule: SeatingRule) -> datetime:
    """When it is shown at the latest: half of its limit is left to whoever judges it."""
    if kind is RowKind.ALONE:
        return new.came_at
    held_until = new.came_at + timedelta(seconds=rule.hold_s)
    return held_until if new.judge_by is None else min(held_until, new.came_at + (new.judge_by - new.came_at) / 2)


def due(rows: Iterable[Row], now: datetime, rule: SeatingRule, lately: Mapping[str, int] | None = None) -> list[Row]:
    """Which waiting rows are shown now, most severe first, then who must be shown first: those whose time has come,
    and as many more as their seat has room for.

    `lately`: how many rows have come before each seat lately, where `rows` are not all of them."""
    known = list(rows)
    waiting = sorted(
        (row for row in known if row.shown_at is None),
        key=lambda row: (row.show_by > now, row.severity, row.show_by, row.row_id),
    )
    shown: list[Row] = []
    since = now - timedelta(seconds=rule.rows_in_s)
    taken = Counter(row.seat for row in known if _is_shown_since(row, since)) if lately is None else Counter(lately)
    for row in waiting:
        if row.show_by <= now or taken[row.seat] < rule.rows:
            shown.append(row)
            taken[row.seat] += 1
    return shown


def has_room(seat: str, rows: Iterable[Row], now: datetime, rule: SeatingRule) -> bool:
    """Fewer rows than the rule allows have come before it lately."""
    return _lately(seat, rows, now, rule) < rule.rows


def _lately(seat: str, rows: Iterable[Row], now: datetime, rule: SeatingRule) -> int:
    since = now - timedelta(seconds=rule.rows_in_s)
    return sum(row.seat == seat and _is_shown_since(row, since) for row in rows)


def _is_shown_since(row: Row, since: datetime) -> bool:
    return row.shown_at is not None and row.shown_at > since


def _load(seat: str, rows: Iterable[Row], now: datetime, rule: SeatingRule) -> tuple[int, int]:
    """Rows that came before it lately or wait for it; then all that it has been given and are open."""
    mine = [row for row in rows if row.seat == seat]
    waiting = sum(row.shown_at is None for row in mine)
    return _lately(seat, mine, now, rule) + waiting, sum(row.is_open for row in mine)
