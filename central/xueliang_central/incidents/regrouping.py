"""May these two incidents be merged, whose task is kept, and whose a camera is afterwards (pure).

Nothing urgent is hidden by a merge: what is fire or of severity 1 never goes into an incident that is handled or
closed, and while it waits for its judgement never into or over one that has been judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from xueliang_central.incidents.later_limit import is_asked
from xueliang_central.incidents.shedding import MOST_SEVERE, NEVER_HELD_HAZARDS, is_collective
from xueliang_central.incidents.states import State, TaskState
from xueliang_central.incidents.supervised import is_supervised
from xueliang_central.incidents.suspended import is_alive

Row = dict[str, Any]

SETTLED: Final = frozenset({State.HANDLED, State.TO_CHECK, State.LONG_LIVED, State.CLOSED})
UNDER_WAY: Final = frozenset({TaskState.OFFERED, TaskState.TAKEN, TaskState.ARRIVED})
"""Of the live tasks those that somebody is still to go for; a handled one ends with its incident."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not. The console translates by code, text is English."""

    code: str
    text: str

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "text": self.text}


def is_urgent(incident: Row) -> bool:
    """Fire, or severity 1: what nobody may lose sight of."""
    return incident["hazard"] in NEVER_HELD_HAZARDS or incident["severity"] <= MOST_SEVERE


def why_not_merge(into: Row, other: Row, counties: Mapping[str, str]) -> Refusal | None:
    """Why `other` cannot be merged into `into`; None: it can.

    Args:
        counties: by area code, the county that the area lies in.
    """
    if into["incident_id"] == other["incident_id"]:
        return Refusal("itself", "an incident cannot be merged into itself")
    for case, code in ((into, "into_closed"), (other, "other_closed")):
        if case["state"] == State.CLOSED:
            return Refusal(code, f"incident {case['number']} is closed: only open ones are merged, reopen it first")
    for case in (into, other):
        if case["state"] == State.LONG_LIVED:
            return Refusal("kept_open", f"incident {case['number']} is kept open with a plan of its own: write it off")
    for case in (into, other):
        if is_alive(case):
            text = (
                f"the task of incident {case['number']} is suspended, or that is asked for: decide or resume it first"
            )
            return Refusal("suspended", text)
        if is_asked(case):
            text = f"a later limit is asked for of the task of incident {case['number']}: decide that first"
            return Refusal("later_limit_asked", text)
    if is_supervised(other):
        return Refusal("supervised", f"incident {other['number']} is supervised: merge the other one into it")
    if is_collective(into["place_key"]) or is_collective(other["place_key"]):
        return Refusal("collective", "a collective incident stands for many places: split out what belongs together")
    if into["hazard"] != other["hazard"]:
        return Refusal("other_hazard", "only incidents of one hazard are merged")
    if into["drill"] != other["drill"]:
        return Refusal("drill", "a drill is never merged with what is real")
    if counties[into["area_code"]] != counties[other["area_code"]]:
        return Refusal("other_county", "only incidents of one county are merged")
    return _hides(into, other)


def _hides(into: Row, other: Row) -> Refusal | None:
    if is_urgent(other) and State(into["state"]) in SETTLED:
        text = f"incident {other['number']} is fire or of severity 1: not into {into['number']}, which is handled"
        return Refusal("urgent_into_handled", text)
    for waiting, judged in ((other, into), (into, other)):
        if is_urgent(waiting) and waiting["state"] == State.OPEN and judged["state"] != State.OPEN:
            text = f"incident {waiting['number']} is fire or of severity 1 and waits for its judgement: judge it first"
            return Refusal("urgent_unjudged", text)
    return None


@dataclass(frozen=True, slots=True)
class Kept:
    """Whose task goes on after a merge. `comes_along`: the absorbed incident's."""

    comes_along: bool


def kept_task(into_task: Row | None, other_task: Row | None, named: str | None) -> Kept | Refusal:
    """The one task that goes on. The live tasks of both incidents; `named`: the task_id the person chose.

    Where both incidents have one and the absorbed one's is under way, the person must say which.
    """
    live = [task["task_id"] for task in (into_task, other_task) if task is not None]
    if named is not None and named not in live:
        return Refusal("not_their_task", "the task that is named is not a live task of these incidents")
    if other_task is None or TaskState(other_task["state"]) not in UNDER_WAY:
        if other_task is not None and named == other_task["task_id"]:
            return Refusal("task_done", "that task is handled already: it ends with its incident")
        return Kept(comes_along=False)
    if into_task is None:
        return Kept(comes_along=True)
    if named is None:
        return Refusal("two_tasks", "both incidents have a live task: name the one that goes on (keep_task_id)")
    return Kept(comes_along=named == other_task["task_id"])


def owners_of(members: Iterable[Row]) -> dict[str, str]:
    """By camera, the incident of its latest alert: where the next one belongs. Members carry `trusted_began_at`."""
    latest: dict[str, Row] = {}
    for member in sorted(members, key=lambda one: (one["trusted_began_at"], one["alert_id"])):
        latest[member["camera_id"]] = member
    return {camera_id: member["incident_id"] for camera_id, member in latest.items()}
