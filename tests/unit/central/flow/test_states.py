"""The table of moves is whole and says what the seven steps are."""

from __future__ import annotations

import pytest

from xueliang_central.clocks.limits import ClockKind
from xueliang_central.incidents.states import (
    MOVES,
    TASK_MOVES,
    CloseReason,
    State,
    TaskState,
    Who,
    allowed,
    allowed_task_moves,
)


@pytest.mark.parametrize(
    ("state", "moves"),
    [
        (State.OPEN, {"confirm", "dispatch", "false_alarm", "permitted", "duplicate", "close"}),
        (State.DISPATCHED, {"false_alarm", "permitted", "duplicate"}),
        (State.TAKEN, {"false_alarm", "permitted", "duplicate"}),
        (State.ARRIVED, {"false_alarm", "permitted", "duplicate"}),
        (State.HANDLED, {"false_alarm", "permitted", "duplicate", "close"}),
        (State.TO_CHECK, {"dispatch", "false_alarm", "permitted", "duplicate", "close"}),
        (State.CLOSED, {"reopen"}),
    ],
)
def test_what_an_operator_may_do(state: State, moves: set[str]) -> None:
    assert set(allowed(state, Who.OPERATOR)) == moves


def test_only_the_camera_verifies_and_only_what_was_handled() -> None:
    verifying = [move for move in MOVES.values() if move.close_reason is CloseReason.VERIFIED]
    assert [(move.name, move.who) for move in verifying] == [("verified", Who.SYSTEM)]
    assert verifying[0].sources == {State.HANDLED, State.TO_CHECK}


def test_every_way_to_closed_stops_every_clock_and_says_why() -> None:
    closing = [move for move in MOVES.values() if move.to is State.CLOSED]
    assert closing
    assert all(move.stops == frozenset(ClockKind) and move.close_reason for move in closing)


def test_no_state_but_closed_is_left_without_a_clock_on_the_way_in() -> None:
    """Whatever is open has a limit running, so that nothing is forgotten."""
    for move in MOVES.values():
        if move.to in {None, State.CLOSED, State.TO_CHECK}:
            continue
        left_running = {ClockKind.TAKE, ClockKind.ARRIVE} - move.stops
        assert move.starts or left_running, move.name


def test_every_task_move_is_an_incident_move_of_the_worker() -> None:
    assert {name for name, move in MOVES.items() if move.who is Who.WORKER} == set(TASK_MOVES)


@pytest.mark.parametrize(
    ("state", "moves"),
    [
        (TaskState.OFFERED, ("take", "refuse")),
        (TaskState.TAKEN, ("arrive", "handled", "return")),
        (TaskState.ARRIVED, ("handled", "return")),
        (TaskState.HANDLED, ()),
        (TaskState.WITHDRAWN, ()),
        (TaskState.CLOSED, ()),
    ],
)
def test_what_a_worker_may_do(state: TaskState, moves: tuple[str, ...]) -> None:
    assert allowed_task_moves(state) == moves
