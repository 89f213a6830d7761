"""The seven steps of a case and its side moves, as one table (data, not code).

    open ──confirm/dispatch──▶ dispatched ──take──▶ taken ──arrive──▶ arrived ──handled──▶ handled ──verified──▶ closed
      │                          │  ▲                                                        │ check limit
      └── false_alarm, permitted,│  └─ refuse / return: offered to the next level            ▼
          duplicate, close ─────▶ closed ◀── close (by hand), verified ──────────────── to_check

    open ──unit_first──▶ unit_told ──unit_clears──▶ unit_clearing ──unit_done──▶ handled   (the lane's managing unit)
                             └── cannot, a limit, severity 1, an operator's dispatch ──▶ dispatched

    taken, arrived: ask_suspension ─▶ suspend ─▶ resume (the state stays, its clocks wait); from any of them but closed:
    supervise ─▶ end_supervision (a centre above watches)

    from any of them but closed: keep_open ──▶ long_lived (a hazard with a plan and a deadline) ──write_off──▶ closed
    from any of them but closed and long_lived: merge (another incident's alerts come here, that one is closed as
    "merged"), split

Invariants
    - A state changes only by a row of this table. Whoever asks for another move gets `MoveRefused` and the moves that
      are possible.
    - Clocks follow from the move: a row says what it stops and starts, and nothing else stops or starts a clock.
    - Only the same camera verifies (`verified`), only after somebody handled it or the lane's managing unit has said
      that it clears it.
    - Whatever becomes of a unit, a worker is sent: every way out of its two states but the end of the case leads to
      dispatched or handled.
    - What is kept open has a deadline that runs, takes in its place's alerts, and ends by `write_off` alone.
    - Whoever merges or splits makes no clock longer: of two that run the one due first goes on.

docs/moves.md tells the whole table; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from xueliang_central.clocks.limits import ClockKind
from xueliang_central.incidents.task_states import HAD_TASK_STATES as HAD_TASK_STATES
from xueliang_central.incidents.task_states import LIVE_TASK_STATES as LIVE_TASK_STATES
from xueliang_central.incidents.task_states import TASK_MOVES as TASK_MOVES
from xueliang_central.incidents.task_states import TaskState as TaskState
from xueliang_central.incidents.task_states import allowed_task_moves as allowed_task_moves


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
_UNTAKEN: Final = frozenset({_S.OPEN, _S.UNIT_TOLD, _S.DISPATCHED})
WITH_UNIT: Final = frozenset({_S.UNIT_TOLD, _S.UNIT_CLEARING})
_OPEN_STATES: Final = frozenset(set(State) - {_S.CLOSED, _S.LONG_LIVED})
UNDER_WAY: Final = frozenset({_S.TAKEN, _S.ARRIVED})
_DATED: Final = (ClockKind.REMIND, ClockKind.DEADLINE)


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


def _move(
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


def _kept(name: str, who: Who, *, timeline: str, restarts: bool = False, needs_note: bool = True) -> Move:
    """A move of what is kept open that leaves it so."""
    clocks = _DATED if restarts else ()
    return _move(
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


def _aside(
    name: str,
    who: Who,
    *,
    stops: ClockKind,
    timeline: str,
    starts: ClockKind | None = None,
    needs_note: bool = False,
) -> Move:
    """A move about the suspension of a task that is under way."""
    started = () if starts is None else (starts,)
    return _move(
        name, who, UNDER_WAY, None, stops=[stops], starts=started, needs_note=needs_note, timeline=timeline, aside=True
    )


_SPOKEN_TO: Final = frozenset({_S.DISPATCHED, *UNDER_WAY, _S.HANDLED, _S.TO_CHECK})
_SENT: Final = (ClockKind.TAKE, ClockKind.ARRIVE)
_TABLE: Final = (
    # Judging
    _move("confirm", Who.OPERATOR, [_S.OPEN], _S.DISPATCHED, stops=ALL_CLOCKS, starts=_SENT, timeline="confirmed"),
    _move(
        "dispatch",
        Who.OPERATOR,
        [_S.OPEN, _S.TO_CHECK, *WITH_UNIT],
        _S.DISPATCHED,
        stops=ALL_CLOCKS,
        starts=_SENT,
        timeline="dispatched",
    ),
    _move(
        "dispatch_by_policy",
        Who.SYSTEM,
        [_S.OPEN],
        _S.DISPATCHED,
        stops=ALL_CLOCKS,
        starts=_SENT,
        timeline="dispatched",
    ),
    *(
        _move(
            reason.value,
            Who.OPERATOR,
            _OPEN_STATES,
            _S.CLOSED,
            stops=EVERY_CLOCK,
            close_reason=reason,
            timeline="closed",
        )
        for reason in (CloseReason.FALSE_ALARM, CloseReason.PERMITTED, CloseReason.DUPLICATE)
    ),
    _move(
        "close",
        Who.OPERATOR,
        [_S.OPEN, _S.HANDLED, _S.TO_CHECK],
        _S.CLOSED,
        stops=EVERY_CLOCK,
        close_reason=CloseReason.CHECKED_BY_HAND,
        needs_note=True,
        timeline="closed",
    ),
    # The lane's managing unit first, where the policy says so; once in a case.
    _move(
        "unit_first",
        Who.SYSTEM,
        [_S.OPEN],
        _S.UNIT_TOLD,
        stops=ALL_CLOCKS,
        starts=[ClockKind.REPLY],
        timeline="unit_told",
    ),
    _move(
        "unit_clears",
        Who.UNIT,
        [_S.UNIT_TOLD],
        _S.UNIT_CLEARING,
        stops=[ClockKind.REPLY],
        starts=[ClockKind.CLEAR],
        timeline="unit_clears",
    ),
    _move(
        "unit_done",
        Who.UNIT,
        WITH_UNIT,
        _S.HANDLED,
        stops=ALL_CLOCKS,
        starts=[ClockKind.CHECK],
        timeline="unit_done",
    ),
    _move("unit_cannot", Who.UNIT, WITH_UNIT, _S.DISPATCHED, stops=ALL_CLOCKS, starts=_SENT, timeline="unit_cannot"),
    _move(
        "unit_given_up",
        Who.SYSTEM,
        WITH_UNIT,
        _S.DISPATCHED,
        stops=ALL_CLOCKS,
        starts=_SENT,
        timeline="unit_given_up",
    ),
    # Going there
    _move("take", Who.WORKER, [_S.DISPATCHED], _S.TAKEN, stops=[ClockKind.TAKE], timeline="taken"),
    _move("arrive", Who.WORKER, [_S.TAKEN], _S.ARRIVED, stops=[ClockKind.ARRIVE], timeline="arrived"),
    _move(
        "handled",
        Who.WORKER,
        [_S.TAKEN, _S.ARRIVED],
        _S.HANDLED,
        stops=ALL_CLOCKS,
        starts=[ClockKind.CHECK],
        timeline="handled",
    ),
    # Refused before or given back after taking: the next level is asked; its take limit starts, the arrive limit of
    # the place goes on.
    _move(
        "refuse",
        Who.WORKER,
        [_S.DISPATCHED],
        _S.DISPATCHED,
        stops=[ClockKind.TAKE],
        starts=[ClockKind.TAKE],
        needs_note=True,
        timeline="refused",
    ),
    _move(
        "return",
        Who.WORKER,
        [_S.TAKEN, _S.ARRIVED],
        _S.DISPATCHED,
        stops=_SENT,
        starts=_SENT,
        needs_note=True,
        timeline="returned",
    ),
    # While under way: the worker says where, asks for help, and is told who comes. No clock follows any of it.
    _move("check_in", Who.WORKER, UNDER_WAY, None, timeline="checked_in"),
    _move("help", Who.WORKER, UNDER_WAY, None, needs_note=True, timeline="help_asked"),
    _move("answer_help", Who.OPERATOR, UNDER_WAY, None, needs_note=True, timeline="help_answered", aside=True),
    # Words between the worker and the desks: nothing follows from them.
    _move("message", Who.WORKER, [*UNDER_WAY, _S.HANDLED, _S.TO_CHECK], None, needs_note=True, timeline="message"),
    _move("say", Who.OPERATOR, _SPOKEN_TO, None, timeline="message", aside=True),
    # By hand to another person: whose clocks begin anew; the case's own time goes on.
    _move(
        "transfer",
        Who.OPERATOR,
        [_S.DISPATCHED, *UNDER_WAY],
        _S.DISPATCHED,
        stops=_SENT,
        starts=_SENT,
        needs_note=True,
        timeline="transferred",
        aside=True,
    ),
    # A reminder to whoever has it to do: the worker, or while it waits for a judgement the desk.
    _move("urge", Who.OPERATOR, [_S.OPEN, _S.DISPATCHED, *UNDER_WAY], None, timeline="urged", aside=True),
    # Suspended for a while by two people: the clocks of the task wait. What the other moves make of a suspension:
    # `suspended.py`.
    _move(
        "ask_suspension",
        Who.WORKER,
        UNDER_WAY,
        None,
        starts=[ClockKind.DECIDE],
        needs_note=True,
        timeline="suspension_asked",
    ),
    _aside("suspend", Who.SUPERVISOR, stops=ClockKind.DECIDE, starts=ClockKind.RESUME, timeline="suspended"),
    _aside("refuse_suspension", Who.SUPERVISOR, stops=ClockKind.DECIDE, needs_note=True, timeline="suspension_refused"),
    _aside("lapse_suspension", Who.SYSTEM, stops=ClockKind.DECIDE, timeline="suspension_lapsed"),
    _move("resume", Who.WORKER, UNDER_WAY, None, stops=[ClockKind.RESUME], timeline="resumed"),
    _aside("resume_by_desk", Who.OPERATOR, stops=ClockKind.RESUME, timeline="resumed"),
    _aside("resume_by_system", Who.SYSTEM, stops=ClockKind.RESUME, timeline="resumed"),
    # A centre above watches, with a date; it stays until that centre, one above it or the end of the case ends it.
    _move(
        "supervise",
        Who.ABOVE,
        set(State) - {_S.CLOSED},
        None,
        stops=[ClockKind.OVERSEE],
        starts=[ClockKind.OVERSEE],
        needs_note=True,
        timeline="supervised",
        aside=True,
    ),
    _move(
        "end_supervision",
        Who.ABOVE,
        set(State) - {_S.CLOSED},
        None,
        stops=[ClockKind.OVERSEE],
        needs_note=True,
        timeline="supervision_ended",
        aside=True,
    ),
    # What it was, said afterwards of a case that ended before anybody had judged it (incidents/reviewing.py).
    _move("review", Who.OPERATOR, [_S.CLOSED], None, timeline="reviewed", aside=True),
    # What the camera sees
    _move(
        "verified",
        Who.SYSTEM,
        [_S.HANDLED, _S.TO_CHECK, _S.UNIT_CLEARING],
        _S.CLOSED,
        stops=EVERY_CLOCK,
        close_reason=CloseReason.VERIFIED,
        timeline="verified",
    ),
    _move(
        "ended_by_itself",
        Who.SYSTEM,
        _UNTAKEN,
        _S.CLOSED,
        stops=EVERY_CLOCK,
        close_reason=CloseReason.ENDED_BY_ITSELF,
        timeline="closed",
    ),
    _move("check_limit", Who.SYSTEM, [_S.HANDLED], _S.TO_CHECK, timeline="limit_passed"),
    # Back again
    _move("reopen_dispatched", Who.SYSTEM, [_S.CLOSED], _S.DISPATCHED, starts=_SENT, timeline="reopened"),
    _move("reopen_open", Who.SYSTEM, [_S.CLOSED], _S.OPEN, starts=[ClockKind.JUDGE], timeline="reopened"),
    _move("reopen", Who.OPERATOR, [_S.CLOSED], _S.OPEN, starts=[ClockKind.JUDGE], needs_note=True, timeline="reopened"),
    # Grouped otherwise by hand. `merge` is the survivor's, `merged` the absorbed one's; `split` is of the incident that
    # alerts leave, and the new one opens like any other. `given_back` undoes a merge.
    _move(
        "merge",
        Who.OPERATOR,
        _OPEN_STATES,
        None,
        shares=[ClockKind.JUDGE],
        needs_note=True,
        timeline="merge",
        regroups=True,
    ),
    _move(
        "merged",
        Who.SYSTEM,
        _OPEN_STATES,
        _S.CLOSED,
        stops=EVERY_CLOCK,
        close_reason=CloseReason.MERGED,
        timeline="merged",
    ),
    _move("split", Who.OPERATOR, _OPEN_STATES, None, needs_note=True, timeline="split", regroups=True),
    _move("given_back", Who.SYSTEM, [_S.CLOSED], _S.OPEN, starts=[ClockKind.JUDGE], timeline="given_back"),
    # The task that is kept is the other incident's: it comes with its state and its clocks, and leaves with them.
    *(
        _move(
            f"task_comes_{state.value}",
            Who.SYSTEM,
            _OPEN_STATES,
            state,
            stops=ALL_CLOCKS,
            brings=_SENT,
            timeline="task_came_along",
        )
        for state in (_S.DISPATCHED, _S.TAKEN, _S.ARRIVED)
    ),
    _move(
        "task_leaves",
        Who.SYSTEM,
        [_S.DISPATCHED, _S.TAKEN, _S.ARRIVED],
        _S.OPEN,
        stops=ALL_CLOCKS,
        starts=[ClockKind.JUDGE],
        timeline="task_went_back",
    ),
    # Kept open: named duty holder, measures, funds, deadline and plan; longer by two people; ended with evidence.
    _move(
        "keep_open",
        Who.SUPERVISOR,
        _OPEN_STATES,
        _S.LONG_LIVED,
        stops=ALL_CLOCKS,
        starts=_DATED,
        timeline="kept_open",
        keeps=True,
    ),
    _kept("replan", Who.SUPERVISOR, timeline="replanned"),
    _kept("follow_up", Who.OPERATOR, timeline="followed_up"),
    _kept("ask_extension", Who.OPERATOR, timeline="extension_asked"),
    _kept("extend", Who.SUPERVISOR, timeline="extended", restarts=True, needs_note=False),
    _kept("refuse_extension", Who.SUPERVISOR, timeline="extension_refused"),
    _move(
        "write_off",
        Who.SUPERVISOR,
        [_S.LONG_LIVED],
        _S.CLOSED,
        stops=EVERY_CLOCK,
        close_reason=CloseReason.CHECKED_BY_HAND,
        needs_note=True,
        timeline="closed",
        keeps=True,
    ),
)
MOVES: Final[dict[str, Move]] = {move.name: move for move in _TABLE}


def allowed(state: State, who: Who) -> tuple[str, ...]:
    """The moves that `who` could make from `state`, in the order of the table; without those that have own routes."""
    return tuple(
        move.name
        for move in _TABLE
        if move.who is who and state in move.sources and not (move.regroups or move.keeps or move.aside)
    )


def allowed_keepings(state: State, who: frozenset[Who]) -> tuple[str, ...]:
    """What these could do from `state` with a hazard that is kept open, or to keep it open."""
    return tuple(move.name for move in _TABLE if move.keeps and move.who in who and state in move.sources)


def allowed_regroupings(state: State) -> tuple[str, ...]:
    """What an operator could regroup from `state`: merge, split."""
    return tuple(move.name for move in _TABLE if move.regroups and state in move.sources)


def allowed_asides(state: State, who: frozenset[Who]) -> tuple[str, ...]:
    """The side moves with a route of their own that these could make from `state`, in the order of the table."""
    return tuple(move.name for move in _TABLE if move.aside and move.who in who and state in move.sources)
