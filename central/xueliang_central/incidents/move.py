"""One row of the table of moves: the states, who makes a move, what clocks follow, and how a row is written.

The table itself is `states.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xueliang_central.clocks.limits import ClockKind


class State(StrEnum):
    """OPEN waits for a judgement; UNIT_TOLD and UNIT_CLEARING wait for the lane's managing unit to reply and to clear;
    TO_CHECK was handled, but no camera has seen it gone in time; LONG_LIVED cannot be
    removed at once and is kept open with a plan."""

    OPEN = "open"
    UNIT_TOLD = "unit_told"
    UNIT_CLEARING = "unit_clearing"
    DISPATCHED = "dispatched"
    TAKEN = "taken"
    ARRIVED = "arrived"
    HANDLED = "handled"
    TO_CHECK = "to_check"
    LONG_LIVED = "long_lived"
    CLOSED = "closed"


class CloseReason(StrEnum):
    VERIFIED = "verified"
    FALSE_ALARM = "false_alarm"
    PERMITTED = "permitted"
    DUPLICATE = "duplicate"
    ENDED_BY_ITSELF = "ended_by_itself"
    CHECKED_BY_HAND = "checked_by_hand"
    MERGED = "merged"  # its alerts are in another incident now: of the two only that one counts


# Raised again after one of these: the hazard is back. After the others an operator has judged the alert itself: a new
# alert is a new question.
REOPENABLE: Final = frozenset({CloseReason.VERIFIED, CloseReason.ENDED_BY_ITSELF, CloseReason.CHECKED_BY_HAND})


class Who(StrEnum):
    """Who makes a move."""

    OPERATOR = "operator"  # a person with the right to judge and dispatch in this area
    SUPERVISOR = "supervisor"  # a supervisor or admin of this area
    ABOVE = "above"  # an operator of a township, county or city that stands above this area
    WORKER = "worker"  # whoever the task is offered to
    UNIT = "unit"  # the lane's managing unit, by its link or by its gateway
    SYSTEM = "system"  # policy, clocks, the camera


EVERY_CLOCK: Final = frozenset(ClockKind)
ALL_CLOCKS: Final = EVERY_CLOCK - {ClockKind.OVERSEE}  # a supervision goes on until the case is closed or it is ended
_S = State
UNTAKEN: Final = frozenset({_S.OPEN, _S.UNIT_TOLD, _S.DISPATCHED})
WITH_UNIT: Final = frozenset({_S.UNIT_TOLD, _S.UNIT_CLEARING})
OPEN_STATES: Final = frozenset(set(State) - {_S.CLOSED, _S.LONG_LIVED})
UNDER_WAY: Final = frozenset({_S.TAKEN, _S.ARRIVED})
DATED_CLOCKS: Final = (ClockKind.REMIND, ClockKind.DEADLINE)


@dataclass(frozen=True, slots=True)
class Move:
    """One row: from which states, to which, by whom, and what clocks follow.

    Attributes:
        to: None: the state stays.
        needs_note: a reason code or a note must be given (HTTP 422 without).
        timeline: the kind of timeline entry; the console translates by it.
        shares: clocks that run here and in the other incident: the one due first goes on here, the other stops.
        brings: clocks of the other incident that come here with its task and go on as they run.
        regroups: asked for by a route of its own, with the alerts or the other incident it is about.
        keeps: asked for by a route of its own, with the plan, day or photos it is about.
        aside: a side move, asked for by a route of its own, with what it is about.
    """

    name: str
    who: Who
    sources: frozenset[State]
    to: State | None
    stops: frozenset[ClockKind] = frozenset()
    starts: frozenset[ClockKind] = frozenset()
    close_reason: CloseReason | None = None
    needs_note: bool = False
    timeline: str = ""
    shares: frozenset[ClockKind] = frozenset()
    brings: frozenset[ClockKind] = frozenset()
    regroups: bool = False
    keeps: bool = False
    aside: bool = False


def row_of(
    name: str,
    who: Who,
    sources: Iterable[State],
    to: State | None,
    *,
    stops: Iterable[ClockKind] = (),
    starts: Iterable[ClockKind] = (),
    close_reason: CloseReason | None = None,
    needs_note: bool = False,
    timeline: str,
    shares: Iterable[ClockKind] = (),
    brings: Iterable[ClockKind] = (),
    regroups: bool = False,
    keeps: bool = False,
    aside: bool = False,
) -> Move:
    return Move(
        name,
        who,
        frozenset(sources),
        to,
        frozenset(stops),
        frozenset(starts),
        close_reason,
        needs_note,
        timeline,
        frozenset(shares),
        frozenset(brings),
        regroups,
        keeps,
        aside,
    )


def kept_row(name: str, who: Who, *, timeline: str, restarts: bool = False, needs_note: bool = True) -> Move:
    """A move of what is kept open that leaves it so."""
    clocks = DATED_CLOCKS if restarts else ()
    return row_of(
        name,
        who,
        [_S.LONG_LIVED],
        None,
        stops=clocks,
        starts=clocks,
        needs_note=needs_note,
        timeline=timeline,
        keeps=True,
    )


def aside_row(
    name: str,
    who: Who,
    *,
    stops: ClockKind,
    timeline: str,
    starts: ClockKind | None = None,
    needs_note: bool = False,
    sources: Iterable[State] = UNDER_WAY,
) -> Move:
    """A move about what is asked for, or agreed, of a task that is under way."""
    started = () if starts is None else (starts,)
    return row_of(
        name, who, sources, None, stops=[stops], starts=started, needs_note=needs_note, timeline=timeline, aside=True
    )


def later_row(name: str, who: Who, *, timeline: str, needs_note: bool = False) -> Move:
    """A move about a later limit that is asked for."""
    return aside_row(
        name, who, stops=ClockKind.DECIDE, timeline=timeline, needs_note=needs_note, sources=frozenset({_S.TAKEN})
    )
