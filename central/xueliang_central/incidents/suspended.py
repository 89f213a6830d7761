"""A task that is suspended, as it stands on its incident, and what every move makes of it (pure but for `let_run`).

It stands on the incident and not on the task, because the table of moves is what ends it, and because the incident is
the row that every move locks first. One live task, so one suspension; the last one stays to be read, the timeline has
all of them. What it has in common with the other thing that two people agree on: `requested.py`.

    asked ──suspend──▶ suspended ──resume, by_desk, by_system──▶ over
      ├── refuse_suspension ──▶ refused                 └── a move of ENDS ──▶ over
      ├── its limit ──▶ lapsed
      ├── take_back_suspension, take_back_by_desk ──▶ taken_back
      └── a move of ENDS but arrive ──▶ over

Invariants
    - What is asked pauses nothing. Only while `suspended` do clocks wait; they go on in the transaction that ends it.
    - `ended_why` names the move that ended it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.clocks import timers
from xueliang_central.clocks.limits import OF_SUSPENSION, ClockKind
from xueliang_central.dispatch.tables import tasks
from xueliang_central.errors import MoveRefused
from xueliang_central.incidents.requested import SUSPENSION, Standing, ended, standing_in
from xueliang_central.incidents.states import MOVES, UNDER_WAY, Move

Row = dict[str, Any]

PAUSED: Final = (ClockKind.TAKE, ClockKind.ARRIVE)
REFUSED_WHILE: Final = frozenset({"urge", "merge", "merged", "task_leaves"})
"""Not possible while suspended: nobody is reminded of what may wait, and no approval is lost in a merge or its undoing.
"""
ENDS: Final = frozenset(
    name
    for name, move in MOVES.items()
    if move.sources & UNDER_WAY and move.to is not None and name not in REFUSED_WHILE
)
"""Moves that end it: somebody goes on, or the task is over. `arrive` leaves a request standing."""


def standing_of(incident: Row) -> Standing | None:
    """None: nobody has asked for one."""
    return standing_in(incident, SUSPENSION)


def is_alive(incident: Row) -> bool:
    """It is suspended, or somebody has asked and waits."""
    return standing_of(incident) in {Standing.ASKED, Standing.SUSPENDED}


def after(incident: Row, move: Move, by: str, now: datetime) -> Row | None:
    """The suspension after this move; None: it stays as it is.

    Raises:
        MoveRefused: the move is not possible while the task is suspended.
    """
    standing = standing_of(incident)
    if standing is Standing.SUSPENDED and move.name in REFUSED_WHILE:
        raise MoveRefused(f"{move.name} is not possible while the task is suspended: resume it", reason="suspended")
    if not is_alive(incident) or move.name not in ENDS:
        return None
    if standing is Standing.ASKED and move.to in UNDER_WAY:
        return None
    return ended(incident["suspension"], move.name, by, now)


async def let_run(conn: AsyncConnection, incident_id: str, now: datetime) -> None:
    """The clocks that waited go on with what they had left, and the task says until when."""
    await timers.stop(conn, incident_id, OF_SUSPENSION, now)
    due = await timers.go_on(conn, incident_id, now)
    if ClockKind.ARRIVE in due:
        is_live = tasks.c.incident_id == incident_id, tasks.c.ended_at.is_(None)
        await conn.execute(update(tasks).where(*is_live).values(arrive_due_at=due[ClockKind.ARRIVE]))
