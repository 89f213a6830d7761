"""The table of moves is whole and says what the seven steps are."""

from __future__ import annotations

import pytest

from tests.support.fixtures import REPOSITORY
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.incidents import later_limit
from xueliang_central.incidents.states import (
    ALL_CLOCKS,
    MOVES,
    TASK_MOVES,
    CloseReason,
    Move,
    State,
    TaskState,
    Who,
    allowed,
    allowed_asides,
    allowed_keepings,
    allowed_regroupings,
    allowed_task_moves,
)
from xueliang_central.incidents.suspended import ENDS, REFUSED_WHILE


@pytest.mark.parametrize(
    ("state", "moves"),
    [
        (State.OPEN, {"confirm", "dispatch", "false_alarm", "permitted", "duplicate", "close"}),
        (State.UNIT_TOLD, {"dispatch", "false_alarm", "permitted", "duplicate"}),
        (State.UNIT_CLEARING, {"dispatch", "false_alarm", "permitted", "duplicate"}),
        (State.DISPATCHED, {"false_alarm", "permitted", "duplicate"}),
        (State.TAKEN, {"false_alarm", "permitted", "duplicate"}),
        (State.ARRIVED, {"false_alarm", "permitted", "duplicate"}),
        (State.HANDLED, {"false_alarm", "permitted", "duplicate", "close"}),
        (State.TO_CHECK, {"dispatch", "false_alarm", "permitted", "duplicate", "close"}),
        (State.LONG_LIVED, set()),
        (State.CLOSED, {"reopen"}),
    ],
)
def test_what_an_operator_may_do(state: State, moves: set[str]) -> None:
    assert set(allowed(state, Who.OPERATOR)) == moves


def test_only_the_camera_verifies_and_only_what_was_handled_or_a_unit_clears() -> None:
    verifying = [move for move in MOVES.values() if move.close_reason is CloseReason.VERIFIED]
    assert [(move.name, move.who) for move in verifying] == [("verified", Who.SYSTEM)]
    assert verifying[0].sources == {State.HANDLED, State.TO_CHECK, State.UNIT_CLEARING}


def test_whatever_becomes_of_a_unit_a_worker_is_sent_or_the_case_is_over() -> None:
    """By itself a case leaves a unit's states only to a worker, to *handled*, or to its end."""
    with_unit = {State.UNIT_TOLD, State.UNIT_CLEARING}
    assert {name for name, move in MOVES.items() if move.to in with_unit} == {"unit_first", "unit_clears"}
    assert MOVES["unit_first"].starts == {ClockKind.REPLY}
    assert MOVES["unit_clears"].starts == {ClockKind.CLEAR}
    for name, move in MOVES.items():
        if name.startswith("unit_") and move.to not in with_unit:
            assert move.sources == with_unit, name
            assert move.stops == ALL_CLOCKS, name
            assert move.to in {State.DISPATCHED, State.HANDLED}, name


def test_every_way_to_closed_stops_every_clock_and_says_why() -> None:
    closing = [move for move in MOVES.values() if move.to is State.CLOSED]
    assert closing
    assert all(move.stops == frozenset(ClockKind) and move.close_reason for move in closing)


def test_a_supervision_is_stopped_by_its_own_moves_and_by_the_end_of_the_case_only() -> None:
    stopping = {move.name for move in MOVES.values() if ClockKind.OVERSEE in move.stops and move.to is not State.CLOSED}
    assert stopping == {"supervise", "end_supervision"}
    assert frozenset(ClockKind) - ALL_CLOCKS == {ClockKind.OVERSEE}


def test_what_each_move_makes_of_a_suspension() -> None:
    """docs/moves.md says the same in words: who goes on or ends the task ends the suspension."""
    assert {
        "arrive",
        "handled",
        "return",
        "transfer",
        "false_alarm",
        "permitted",
        "duplicate",
        "keep_open",
        "task_comes_dispatched",
        "task_comes_taken",
        "task_comes_arrived",
    } == ENDS
    assert {"urge", "merge", "merged", "task_leaves"} == REFUSED_WHILE
    page = (REPOSITORY / "docs" / "moves.md").read_text(encoding="utf-8")
    told = page[page.index("## Suspended for a while") :]
    assert all(f"`{name}`" in told for name in ENDS | REFUSED_WHILE if not name.startswith("task_comes"))


def test_what_each_move_makes_of_a_request_of_a_later_limit() -> None:
    """docs/moves.md says the same in words: once the limit is met or its task gone, nobody need decide any more."""
    merging = {"merged", "task_leaves"}
    assert merging <= later_limit.ENDS, "refused while one is asked for (regrouping.py), and ended all the same"
    assert ENDS | merging == later_limit.ENDS
    page = (REPOSITORY / "docs" / "moves.md").read_text(encoding="utf-8")
    told = page[page.index("## A later limit") :]
    assert all(f"`{name}`" in told for name in later_limit.ENDS if not name.startswith("task_comes"))


def test_of_a_later_limit_no_row_stops_or_starts_the_limit_itself() -> None:
    named = {name: move for name, move in MOVES.items() if "later" in name or name == "move_limit"}
    assert len(named) == 6
    for name, move in named.items():
        assert (move.sources, move.to) == ({State.TAKEN}, None), name
        clocks = move.starts if name == "ask_later_limit" else move.stops
        assert (move.stops | move.starts) == clocks == {ClockKind.DECIDE}, name


def test_no_state_but_closed_is_left_without_a_clock_on_the_way_in() -> None:
    """Whatever is open has a limit running, so that nothing is forgotten."""
    for move in MOVES.values():
        if move.to in {None, State.CLOSED, State.TO_CHECK}:
            continue
        left_running = {ClockKind.TAKE, ClockKind.ARRIVE} - move.stops
        assert move.starts or move.brings or left_running, move.name


def test_every_open_incident_can_be_merged_and_split_and_no_closed_or_kept_one() -> None:
    for state in State:
        over = {State.CLOSED, State.LONG_LIVED}
        assert allowed_regroupings(state) == (() if state in over else ("merge", "split"))
        assert not {"merge", "split"} & set(allowed(state, Who.OPERATOR)), "they have routes of their own"


@pytest.mark.parametrize(
    ("state", "moves"),
    [
        (State.OPEN, {"urge", "raise_severity", "reply_supervision"}),
        (State.DISPATCHED, {"transfer", "urge", "say", "raise_severity", "reply_supervision"}),
        (
            State.TAKEN,
            {"answer_help", "transfer", "urge", "say", "resume_by_desk", "raise_severity", "reply_supervision"},
        ),
        (
            State.ARRIVED,
            {"answer_help", "transfer", "urge", "say", "resume_by_desk", "raise_severity", "reply_supervision"},
        ),
        (State.HANDLED, {"say", "raise_severity", "reply_supervision"}),
        (State.TO_CHECK, {"say", "raise_severity", "reply_supervision"}),
        (State.LONG_LIVED, {"raise_severity", "reply_supervision"}),
        (State.CLOSED, {"review"}),
    ],
)
def test_side_moves_have_routes_of_their_own_and_only_a_transfer_moves(state: State, moves: set[str]) -> None:
    assert set(allowed_asides(state, frozenset({Who.OPERATOR}))) == moves
    assert not moves & set(allowed(state, Who.OPERATOR))
    assert {name for name in moves if MOVES[name].to is not None} <= {"transfer"}


def test_who_is_handed_a_task_has_the_limits_of_one_who_is_sent() -> None:
    sent = {ClockKind.TAKE, ClockKind.ARRIVE}
    assert (MOVES["transfer"].stops, MOVES["transfer"].starts) == (sent, sent)
    assert not (MOVES["urge"].stops | MOVES["urge"].starts)


def test_what_is_kept_open_ends_by_its_write_off_and_by_nothing_else() -> None:
    leaving = {name for name, move in MOVES.items() if State.LONG_LIVED in move.sources and move.to is not None}
    assert leaving == {"write_off"}
    assert {name for name, move in MOVES.items() if move.to is State.LONG_LIVED} == {"keep_open"}


def test_the_deadline_runs_from_keeping_open_to_the_write_off() -> None:
    dated = {ClockKind.REMIND, ClockKind.DEADLINE}
    for move in MOVES.values():
        if State.LONG_LIVED in move.sources and move.to is not State.CLOSED:
            assert move.stops & dated == move.starts & dated, move.name
    assert dated <= MOVES["keep_open"].starts


@pytest.mark.parametrize(
    ("state", "who", "moves"),
    [
        (State.OPEN, {Who.OPERATOR}, ()),
        (State.OPEN, {Who.OPERATOR, Who.SUPERVISOR}, ("keep_open",)),
        (State.LONG_LIVED, {Who.OPERATOR}, ("follow_up", "ask_extension")),
        (
            State.LONG_LIVED,
            {Who.OPERATOR, Who.SUPERVISOR},
            ("replan", "follow_up", "ask_extension", "extend", "refuse_extension", "write_off"),
        ),
        (State.CLOSED, {Who.OPERATOR, Who.SUPERVISOR}, ()),
    ],
    ids=["open, operator", "open, supervisor", "kept, operator", "kept, supervisor", "closed"],
)
def test_who_may_keep_open(state: State, who: set[Who], moves: tuple[str, ...]) -> None:
    assert allowed_keepings(state, frozenset(who)) == moves


def test_a_task_that_comes_along_has_a_move_for_each_state_it_can_be_in() -> None:
    assert {name for name in MOVES if name.startswith("task_comes_")} == {
        f"task_comes_{state}" for state in (State.DISPATCHED, State.TAKEN, State.ARRIVED)
    }


def test_the_page_of_moves_is_the_table() -> None:
    """docs/moves.md tells every move: who, from where, where to, what clocks follow."""
    text = (REPOSITORY / "docs" / "moves.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    told = {cells[0].strip("`"): tuple(cells[1:6]) for cells in rows if cells[0].strip("`") in MOVES}
    assert told == {name: tuple(_as_told(move)) for name, move in MOVES.items()}


def _as_told(move: Move) -> list[str]:
    def kinds(found: frozenset[ClockKind]) -> str:
        if found >= ALL_CLOCKS:
            return "all" + (", oversee" if ClockKind.OVERSEE in found else "")
        return ", ".join(kind.value for kind in ClockKind if kind in found)

    is_open = move.sources == frozenset(State) - {State.CLOSED, State.LONG_LIVED}
    is_not_closed = move.sources == frozenset(State) - {State.CLOSED}
    sources = (
        "any open"
        if is_open
        else "any but closed"
        if is_not_closed
        else ", ".join(state.value for state in State if state in move.sources)
    )
    to = "stays" if move.to is None else move.to.value + (f" ({move.close_reason.value})" if move.close_reason else "")
    goes_on = [f"shares {kinds(move.shares)}"] if move.shares else []
    goes_on += [f"brings {kinds(move.brings)}"] if move.brings else []
    starts = "; ".join([part for part in [kinds(move.starts), *goes_on] if part])
    return [move.who.value, sources, to, kinds(move.stops) or "–", starts or "–"]


def test_every_task_move_is_an_incident_move_of_the_worker() -> None:
    assert {name for name, move in MOVES.items() if move.who is Who.WORKER} == set(TASK_MOVES)


@pytest.mark.parametrize(
    ("state", "moves"),
    [
        (TaskState.OFFERED, ("take", "refuse")),
        (
            TaskState.TAKEN,
            (
                "arrive",
                "handled",
                "return",
                "check_in",
                "help",
                "message",
                "ask_suspension",
                "take_back_suspension",
                "resume",
                "ask_later_limit",
                "take_back_later_limit",
            ),
        ),
        (
            TaskState.ARRIVED,
            ("handled", "return", "check_in", "help", "message", "ask_suspension", "take_back_suspension", "resume"),
        ),
        (TaskState.HANDLED, ("message",)),
        (TaskState.WITHDRAWN, ()),
        (TaskState.CLOSED, ()),
    ],
)
def test_what_a_worker_may_do(state: TaskState, moves: tuple[str, ...]) -> None:
    assert allowed_task_moves(state) == moves
