"""The states of a task and the worker's moves on it, as one table; what they mean for its incident is in `states`."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class TaskState(StrEnum):
    OFFERED = "offered"
    TAKEN = "taken"
    ARRIVED = "arrived"
    HANDLED = "handled"
    WITHDRAWN = "withdrawn"
    REFUSED = "refused"
    CLOSED = "closed"


LIVE_TASK_STATES: Final = frozenset({TaskState.OFFERED, TaskState.TAKEN, TaskState.ARRIVED, TaskState.HANDLED})
HAD_TASK_STATES: Final = LIVE_TASK_STATES - {TaskState.OFFERED}  # somebody has it

# The worker's moves on a task: from which states, and to which; None: it stays as it is.
TASK_MOVES: Final[dict[str, tuple[frozenset[TaskState], TaskState | None]]] = {
    "take": (frozenset({TaskState.OFFERED}), TaskState.TAKEN),
    "arrive": (frozenset({TaskState.TAKEN}), TaskState.ARRIVED),
    "handled": (frozenset({TaskState.TAKEN, TaskState.ARRIVED}), TaskState.HANDLED),
    "refuse": (frozenset({TaskState.OFFERED}), TaskState.REFUSED),
    "return": (frozenset({TaskState.TAKEN, TaskState.ARRIVED}), TaskState.REFUSED),
    "check_in": (frozenset({TaskState.TAKEN, TaskState.ARRIVED}), None),
    "help": (frozenset({TaskState.TAKEN, TaskState.ARRIVED}), None),
    "message": (frozenset({TaskState.TAKEN, TaskState.ARRIVED, TaskState.HANDLED}), None),
    "ask_suspension": (frozenset({TaskState.TAKEN, TaskState.ARRIVED}), None),
    "take_back_suspension": (frozenset({TaskState.TAKEN, TaskState.ARRIVED}), None),
    "resume": (frozenset({TaskState.TAKEN, TaskState.ARRIVED}), None),
    "ask_later_limit": (frozenset({TaskState.TAKEN}), None),
    "take_back_later_limit": (frozenset({TaskState.TAKEN}), None),
}


def allowed_task_moves(state: TaskState) -> tuple[str, ...]:
    return tuple(name for name, (sources, _) in TASK_MOVES.items() if state in sources)
