"""Requests that two people decide, under every move of the table in any order: a state machine of hypothesis."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from xueliang_central.dispatch import later_limits, suspending
from xueliang_central.dispatch.requesting import Kind, Request, what_is_missing
from xueliang_central.errors import MoveRefused
from xueliang_central.incidents import later_limit, suspended
from xueliang_central.incidents.requested import COLUMNS, Standing, ended, standing_in, waiting_in
from xueliang_central.incidents.states import MOVES, UNDER_WAY, State

NOW = datetime(2026, 11, 27, 8, 0, tzinfo=UTC)
KINDS = (suspending.KIND, later_limits.KIND)
ASKED = Request(1, reason_code="weather", note="hail", until=NOW)


class Requests(RuleBasedStateMachine):
    """The two records of an incident as its moves leave them; clocks and rights are those of other tests."""

    def __init__(self) -> None:
        super().__init__()
        self.case: dict[str, Any] = {"state": State.TAKEN, "hazard": "crowd", "severity": 3}
        self.case |= dict.fromkeys(COLUMNS)

    def put(self, kind: Kind, standing: Standing) -> None:
        self.case[kind.column] = {"standing": standing.value, "asked_by_id": "w", "worker_id": "w"}

    @rule(kind=st.sampled_from(KINDS))
    def ask(self, kind: Kind) -> None:
        waits = waiting_in(self.case) is not None
        refused = what_is_missing(kind, self.case, ASKED)
        assert (refused is not None) == waits, "one request waits at a time"
        is_suspended = suspended.standing_of(self.case) is Standing.SUSPENDED
        if refused is None and not is_suspended and self.case["state"] in MOVES[kind.ask].sources:
            self.put(kind, Standing.ASKED)

    @precondition(lambda self: waiting_in(self.case) is not None)
    @rule(agrees=st.booleans())
    def decide(self, agrees: bool) -> None:
        kind = next(one for one in KINDS if one.is_asked(self.case))
        assert self.case["state"] in MOVES[kind.agree].sources, "what waits can be decided, whatever has happened"
        self.put(kind, kind.agreed if agrees else Standing.REFUSED)

    @precondition(lambda self: waiting_in(self.case) is not None)
    @rule()
    def lapse(self) -> None:
        kind = next(one for one in KINDS if one.is_asked(self.case))
        self.case[kind.column] = ended(kind.of(self.case), kind.lapse, "clock", NOW, Standing.LAPSED)

    @rule(name=st.sampled_from(sorted(MOVES)))
    def move(self, name: str) -> None:
        """Any other move, as `incidents.service.transition` makes it of the records."""
        move = MOVES[name]
        of_requests = {one for kind in KINDS for one in (kind.ask, kind.agree, kind.refuse, kind.take_back, kind.lapse)}
        if self.case["state"] not in move.sources or name in of_requests:
            return
        if waiting_in(self.case) is not None and name in {"merge", "merged", "task_leaves"}:
            return  # refused before (incidents/regrouping.py, dispatch/splitting.py)
        before = later_limit.standing_of(self.case)
        try:
            suspension = suspended.after(self.case, move, "w", NOW)
        except MoveRefused:
            return
        request = later_limit.after(self.case, move, "w", NOW)
        self.case |= {} if suspension is None else {"suspension": suspension}
        self.case |= {} if request is None else {"later_limit": request}
        if move.to is not None:
            self.case["state"] = move.to
        if before is Standing.MOVED:
            assert later_limit.standing_of(self.case) is Standing.MOVED, "what is agreed stays said"
        if name == "arrive":
            assert not later_limit.is_asked(self.case), "there is no limit to move any more"

    @invariant()
    def nothing_waits_that_nobody_could_decide(self) -> None:
        standings = [standing_in(self.case, column) for column in COLUMNS]
        assert standings.count(Standing.ASKED) <= 1
        assert not (Standing.ASKED in standings and Standing.SUSPENDED in standings)
        if self.case["state"] not in UNDER_WAY:
            assert Standing.ASKED not in standings
            assert Standing.SUSPENDED not in standings
        if self.case["state"] != State.TAKEN:
            assert not later_limit.is_asked(self.case)


TestRequests = Requests.TestCase
TestRequests.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
