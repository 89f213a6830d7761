"""Which side moves a person could make of a case now; each has a route and a module of its own."""

from __future__ import annotations

from typing import Any, Final

from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.dispatch.later_limits import laters_for
from xueliang_central.dispatch.raising import RAISE, can_be_raised
from xueliang_central.dispatch.supervising import supervisions_for
from xueliang_central.dispatch.suspending import suspensions_for
from xueliang_central.dispatch.watching import REPLY, may_reply
from xueliang_central.incidents.requested import Standing
from xueliang_central.incidents.states import State, Who, allowed_asides
from xueliang_central.incidents.suspended import REFUSED_WHILE, standing_of
from xueliang_central.rights.scope import Actor, may_see

Row = dict[str, Any]

_OF_SUSPENSION: Final = frozenset({"resume_by_desk"})  # judged with the suspension, below


def asides_for(actor: Actor, incident: Row) -> tuple[str, ...]:
    """In the order of the table of moves; whether there is what a move is about is judged when it is made."""
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]):
        return ()
    not_now = REFUSED_WHILE if standing_of(incident) is Standing.SUSPENDED else frozenset()
    simple = allowed_asides(State(incident["state"]), frozenset({Who.OPERATOR}))
    plain = tuple(name for name in simple if name not in _OF_SUSPENSION | not_now)
    if incident["review"] is None:
        plain = tuple(name for name in plain if name != "review")
    if not may_reply(actor, incident):
        plain = tuple(name for name in plain if name != REPLY)
    if not can_be_raised(incident):
        plain = tuple(name for name in plain if name != RAISE)
    of_requests = (*suspensions_for(actor, incident), *laters_for(actor, incident))
    return (*plain, *of_requests, *supervisions_for(actor, incident))
