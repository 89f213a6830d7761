"""Which side moves a person could make of a case now; each has a route and a module of its own."""

from __future__ import annotations

from typing import Any

from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.incidents.states import State, Who, allowed_asides
from xueliang_central.rights.scope import Actor, may_see

Row = dict[str, Any]


def asides_for(actor: Actor, incident: Row) -> tuple[str, ...]:
    """In the order of the table of moves; whether there is what a move is about is judged when it is made."""
    if actor.role not in JUDGES or not may_see(actor, incident["area_path"]):
        return ()
    possible = allowed_asides(State(incident["state"]), frozenset({Who.OPERATOR}))
    return tuple(move for move in possible if move != "review" or incident["review"] is not None)
