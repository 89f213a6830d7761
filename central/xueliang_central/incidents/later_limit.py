"""A later limit of a task, as it stands on its incident, and what every move makes of a request (pure).

    asked ──move_limit──▶ moved: the running limit is due then (its clock keeps the moment that it had first)
      ├── refuse_later_limit ──▶ refused
      ├── its limit, at the latest that which it is about ──▶ lapsed
      ├── take_back_later_limit, take_back_later_by_desk ──▶ taken_back
      └── a move of ENDS ──▶ over

Invariants
    - What is asked moves nothing. What is agreed has moved it: nothing ends that but what stops the clock.
    - A limit that has passed is not moved: whom that has told has been told.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from xueliang_central.incidents.requested import LATER_LIMIT, Standing, ended, standing_in
from xueliang_central.incidents.states import MOVES, Move, State

Row = dict[str, Any]

ENDS: Final = frozenset(name for name, move in MOVES.items() if State.TAKEN in move.sources and move.to is not None)
"""Moves that make a request pointless: the worker is there, or has the task no longer."""


def standing_of(incident: Row) -> Standing | None:
    """None: nobody has asked for one."""
    return standing_in(incident, LATER_LIMIT)


def is_asked(incident: Row) -> bool:
    return standing_of(incident) is Standing.ASKED


def after(incident: Row, move: Move, by: str, now: datetime) -> Row | None:
    """The request after this move; None: it stays as it is."""
    if not is_asked(incident) or move.name not in ENDS:
        return None
    return ended(incident[LATER_LIMIT], move.name, by, now)
