"""The seven steps of a case and its side moves, as one table (data, not code).

    open ──confirm/dispatch──▶ dispatched ──take──▶ taken ──arrive──▶ arrived ──handled──▶ handled ──verified──▶ closed
      │                          │  ▲                                                        │ check limit
      └── false_alarm, permitted,│  └─ refuse / return: offered to the next level            ▼
          duplicate, close ─────▶ closed ◀── close (by hand), verified ──────────────── to_check

    open ──unit_first──▶ unit_told ──unit_clears──▶ unit_clearing ──unit_done──▶ handled   (the lane's managing unit)
                             └── cannot, a limit, severity 1, an operator's dispatch ──▶ dispatched

    taken, arrived: ask_suspension ─▶ suspend ─▶ resume (the state stays, its clocks wait) or is taken back;
    taken: ask_later_limit ─▶ move_limit (the state stays, its arrive clock is due later);
    from any of them but closed:
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

from typing import Final

from xueliang_central.clocks.limits import ClockKind
from xueliang_central.incidents.move import ALL_CLOCKS as ALL_CLOCKS
from xueliang_central.incidents.move import DATED_CLOCKS, OPEN_STATES, UNTAKEN, aside_row, kept_row, later_row, row_of
from xueliang_central.incidents.move import EVERY_CLOCK as EVERY_CLOCK
from xueliang_central.incidents.move import REOPENABLE as REOPENABLE
from xueliang_central.incidents.move import UNDER_WAY as UNDER_WAY
from xueliang_central.incidents.move import WITH_UNIT as WITH_UNIT
from xueliang_central.incidents.move import CloseReason as CloseReason
from xueliang_central.incidents.move import Move as Move
from xueliang_central.incidents.move import State as State
from xueliang_central.incidents.move import Who as Who
from xueliang_central.incidents.task_states import HAD_TASK_STATES as HAD_TASK_STATES
from xueliang_central.incidents.task_states import LIVE_TASK_STATES as LIVE_TASK_STATES
from xueliang_central.incidents.task_states import TASK_MOVES as TASK_MOVES
from xueliang_central.incidents.task_states import TaskState as TaskState
from xueliang_central.incidents.task_states import allowed_task_moves as allowed_task_moves

_S = State
_SPOKEN_TO: Final = frozenset({_S.DISPATCHED, *UNDER_WAY, _S.HANDLED, _S.TO_CHECK})
_SENT: Final = (ClockKind.TAKE, ClockKind.ARRIVE)
_TABLE: Final = (
    # Judging
    row_of("confirm", Who.OPERATOR, [_S.OPEN], _S.DISPATCHED, stops=ALL_CLOCKS, starts=_SENT, timeline="confirmed"),
    row_of(
        "dispatch",
        Who.OPERATOR,
        [_S.OPEN, _S.TO_CHECK, *WITH_UNIT],
        _S.DISPATCHED,
        stops=ALL_CLOCKS,
        starts=_SENT,
        timeline="dispatched",
    ),
    row_of(
        "dispatch_by_policy",
        Who.SYSTEM,
        [_S.OPEN],
        _S.DISPATCHED,
        stops=ALL_CLOCKS,
        starts=_SENT,
        timeline="dispatched",
    ),
    *(
        row_of(
            reason.value,
            Who.OPERATOR,
            OPEN_STATES,
            _S.CLOSED,
            stops=EVERY_CLOCK,
            close_reason=reason,
            timeline="closed",
        )
        for reason in (CloseReason.FALSE_ALARM, CloseReason.PERMITTED, CloseReason.DUPLICATE)
    ),
    row_of(
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
    row_of(
        "unit_first",
        Who.SYSTEM,
        [_S.OPEN],
        _S.UNIT_TOLD,
        stops=ALL_CLOCKS,
        starts=[ClockKind.REPLY],
        timeline="unit_told",
    ),
    row_of(
        "unit_clears",
        Who.UNIT,
        [_S.UNIT_TOLD],
        _S.UNIT_CLEARING,
        stops=[ClockKind.REPLY],
        starts=[ClockKind.CLEAR],
        timeline="unit_clears",
    ),
    row_of(
        "unit_done",
        Who.UNIT,
        WITH_UNIT,
        _S.HANDLED,
        stops=ALL_CLOCKS,
        starts=[ClockKind.CHECK],
        timeline="unit_done",
    ),
    row_of("unit_cannot", Who.UNIT, WITH_UNIT, _S.DISPATCHED, stops=ALL_CLOCKS, starts=_SENT, timeline="unit_cannot"),
    row_of(
        "unit_given_up",
        Who.SYSTEM,
        WITH_UNIT,
        _S.DISPATCHED,
        stops=ALL_CLOCKS,
        starts=_SENT,
        timeline="unit_given_up",
    ),
    # Going there
    row_of("take", Who.WORKER, [_S.DISPATCHED], _S.TAKEN, stops=[ClockKind.TAKE], timeline="taken"),
    row_of("arrive", Who.WORKER, [_S.TAKEN], _S.ARRIVED, stops=[ClockKind.ARRIVE], timeline="arrived"),
    row_of(
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
    row_of(
        "refuse",
        Who.WORKER,
        [_S.DISPATCHED],
        _S.DISPATCHED,
        stops=[ClockKind.TAKE],
        starts=[ClockKind.TAKE],
        needs_note=True,
        timeline="refused",
    ),
    row_of(
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
    row_of("check_in", Who.WORKER, UNDER_WAY, None, timeline="checked_in"),
    row_of("help", Who.WORKER, UNDER_WAY, None, needs_note=True, timeline="help_asked"),
    row_of("answer_help", Who.OPERATOR, UNDER_WAY, None, needs_note=True, timeline="help_answered", aside=True),
    # Words between the worker and the desks: nothing follows from them.
    row_of("message", Who.WORKER, [*UNDER_WAY, _S.HANDLED, _S.TO_CHECK], None, needs_note=True, timeline="message"),
    row_of("say", Who.OPERATOR, _SPOKEN_TO, None, timeline="message", aside=True),
    # By hand to another person: whose clocks begin anew; the case's own time goes on.
    row_of(
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
    row_of("urge", Who.OPERATOR, [_S.OPEN, _S.DISPATCHED, *UNDER_WAY], None, timeline="urged", aside=True),
    # Suspended for a while by two people: the clocks of the task wait. What the other moves make of a suspension:
    # `suspended.py`.
    row_of(
        "ask_suspension",
        Who.WORKER,
        UNDER_WAY,
        None,
        starts=[ClockKind.DECIDE],
        needs_note=True,
        timeline="suspension_asked",
    ),
    aside_row("suspend", Who.SUPERVISOR, stops=ClockKind.DECIDE, starts=ClockKind.RESUME, timeline="suspended"),
    aside_row(
        "refuse_suspension", Who.SUPERVISOR, stops=ClockKind.DECIDE, needs_note=True, timeline="suspension_refused"
    ),
    row_of(
        "take_back_suspension", Who.WORKER, UNDER_WAY, None, stops=[ClockKind.DECIDE], timeline="suspension_taken_back"
    ),
    aside_row("take_back_by_desk", Who.SUPERVISOR, stops=ClockKind.DECIDE, timeline="suspension_taken_back"),
    aside_row("lapse_suspension", Who.SYSTEM, stops=ClockKind.DECIDE, timeline="suspension_lapsed"),
    row_of("resume", Who.WORKER, UNDER_WAY, None, stops=[ClockKind.RESUME], timeline="resumed"),
    aside_row("resume_by_desk", Who.OPERATOR, stops=ClockKind.RESUME, timeline="resumed"),
    aside_row("resume_by_system", Who.SYSTEM, stops=ClockKind.RESUME, timeline="resumed"),
    # A later limit by two people, while the one to arrive runs. What the other moves make of a request:
    # `later_limit.py`.
    row_of(
        "ask_later_limit",
        Who.WORKER,
        [_S.TAKEN],
        None,
        starts=[ClockKind.DECIDE],
        needs_note=True,
        timeline="later_limit_asked",
    ),
    later_row("move_limit", Who.SUPERVISOR, timeline="limit_moved"),
    later_row("refuse_later_limit", Who.SUPERVISOR, needs_note=True, timeline="later_limit_refused"),
    row_of(
        "take_back_later_limit",
        Who.WORKER,
        [_S.TAKEN],
        None,
        stops=[ClockKind.DECIDE],
        timeline="later_limit_taken_back",
    ),
    later_row("take_back_later_by_desk", Who.SUPERVISOR, timeline="later_limit_taken_back"),
    later_row("lapse_later_limit", Who.SYSTEM, timeline="later_limit_lapsed"),
    # A centre above watches, with a date; it stays until that centre, one above it or the end of the case ends it.
    row_of(
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
    row_of(
        "end_supervision",
        Who.ABOVE,
        set(State) - {_S.CLOSED},
        None,
        stops=[ClockKind.OVERSEE],
        needs_note=True,
        timeline="supervision_ended",
        aside=True,
    ),
    # Words of a centre below to the one that supervises: nothing follows from them.
    row_of(
        "reply_supervision",
        Who.OPERATOR,
        set(State) - {_S.CLOSED},
        None,
        needs_note=True,
        timeline="supervision_replied",
        aside=True,
    ),
    # More severe than its alerts say; never milder. The limits of its new severity follow (dispatch/raising.py).
    row_of(
        "raise_severity",
        Who.OPERATOR,
        set(State) - {_S.CLOSED},
        None,
        needs_note=True,
        timeline="severity_raised",
        aside=True,
    ),
    # What it was, said afterwards of a case that ended before anybody had judged it (incidents/reviewing.py).
    row_of("review", Who.OPERATOR, [_S.CLOSED], None, timeline="reviewed", aside=True),
    # What the camera sees
    row_of(
        "verified",
        Who.SYSTEM,
        [_S.HANDLED, _S.TO_CHECK, _S.UNIT_CLEARING],
        _S.CLOSED,
        stops=EVERY_CLOCK,
        close_reason=CloseReason.VERIFIED,
        timeline="verified",
    ),
    row_of(
        "ended_by_itself",
        Who.SYSTEM,
        UNTAKEN,
        _S.CLOSED,
        stops=EVERY_CLOCK,
        close_reason=CloseReason.ENDED_BY_ITSELF,
        timeline="closed",
    ),
    row_of("check_limit", Who.SYSTEM, [_S.HANDLED], _S.TO_CHECK, timeline="limit_passed"),
    # Back again
    row_of("reopen_dispatched", Who.SYSTEM, [_S.CLOSED], _S.DISPATCHED, starts=_SENT, timeline="reopened"),
    row_of("reopen_open", Who.SYSTEM, [_S.CLOSED], _S.OPEN, starts=[ClockKind.JUDGE], timeline="reopened"),
    row_of(
        "reopen", Who.OPERATOR, [_S.CLOSED], _S.OPEN, starts=[ClockKind.JUDGE], needs_note=True, timeline="reopened"
    ),
    # Grouped otherwise by hand. `merge` is the survivor's, `merged` the absorbed one's; `split` is of the incident that
    # alerts leave, and the new one opens like any other. `given_back` undoes a merge.
    row_of(
        "merge",
        Who.OPERATOR,
        OPEN_STATES,
        None,
        shares=[ClockKind.JUDGE],
        needs_note=True,
        timeline="merge",
        regroups=True,
    ),
    row_of(
        "merged",
        Who.SYSTEM,
        OPEN_STATES,
        _S.CLOSED,
        stops=EVERY_CLOCK,
        close_reason=CloseReason.MERGED,
        timeline="merged",
    ),
    row_of("split", Who.OPERATOR, OPEN_STATES, None, needs_note=True, timeline="split", regroups=True),
    row_of("given_back", Who.SYSTEM, [_S.CLOSED], _S.OPEN, starts=[ClockKind.JUDGE], timeline="given_back"),
    # The task that is kept is the other incident's: it comes with its state and its clocks, and leaves with them.
    *(
        row_of(
            f"task_comes_{state.value}",
            Who.SYSTEM,
            OPEN_STATES,
            state,
            stops=ALL_CLOCKS,
            brings=_SENT,
            timeline="task_came_along",
        )
        for state in (_S.DISPATCHED, _S.TAKEN, _S.ARRIVED)
    ),
    row_of(
        "task_leaves",
        Who.SYSTEM,
        [_S.DISPATCHED, _S.TAKEN, _S.ARRIVED],
        _S.OPEN,
        stops=ALL_CLOCKS,
        starts=[ClockKind.JUDGE],
        timeline="task_went_back",
    ),
    # Kept open: named duty holder, measures, funds, deadline and plan; longer by two people; ended with evidence.
    row_of(
        "keep_open",
        Who.SUPERVISOR,
        OPEN_STATES,
        _S.LONG_LIVED,
        stops=ALL_CLOCKS,
        starts=DATED_CLOCKS,
        timeline="kept_open",
        keeps=True,
    ),
    kept_row("replan", Who.SUPERVISOR, timeline="replanned"),
    kept_row("follow_up", Who.OPERATOR, timeline="followed_up"),
    kept_row("ask_extension", Who.OPERATOR, timeline="extension_asked"),
    kept_row("extend", Who.SUPERVISOR, timeline="extended", restarts=True, needs_note=False),
    kept_row("refuse_extension", Who.SUPERVISOR, timeline="extension_refused"),
    row_of(
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
WORDS_ONLY: Final = frozenset({"say", "reply_supervision"})
"""Moves of a desk that leave the version of a case as it is."""
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
