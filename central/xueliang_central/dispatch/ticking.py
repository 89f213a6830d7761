"""Ticks on the checklist of a case: what an operator has looked at, as one entry of its timeline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from xueliang_central.audit import chain
from xueliang_central.dispatch.judging import JUDGES
from xueliang_central.errors import MoveRefused, NotFound
from xueliang_central.incidents import service as incidents
from xueliang_central.incidents.change import By, Change
from xueliang_central.incidents.checklist import TICKED, checklist_view
from xueliang_central.incidents.moving import seen_before
from xueliang_central.incidents.states import State
from xueliang_central.people import rosters
from xueliang_central.rights.scope import Actor, may_see

Row = dict[str, Any]

LATE: Final = timedelta(seconds=60)  # ticked just before the judgement that closed it, and gathered by the console


@dataclass(frozen=True, slots=True)
class Ticks:
    """Steps by their id: done, or taken back. No version: a tick says nothing of the incident's state."""

    steps: Mapping[str, bool]
    idempotency_key: str | None = None


def may_tick(actor: Actor, incident: Row) -> bool:
    """Whoever may judge it, until it is closed."""
    return actor.role in JUDGES and may_see(actor, incident["area_path"]) and incident["state"] != State.CLOSED.value


async def tick(change: Change, actor: Actor, incident_id: str, asked: Ticks) -> None:
    """Note what is new of these ticks; nothing new is no entry.

    Raises:
        NotFound: no such incident, or out of scope.
        MoveRefused: it has been closed for longer than LATE, or a step is none of its hazard's.
    """
    incident = await incidents.load(change.conn, incident_id, lock=True)
    if not may_see(actor, incident["area_path"]):
        raise NotFound("incident")
    if await seen_before(change, actor, asked.idempotency_key, incident_id, TICKED):
        return
    closed_at = incident["closed_at"]
    if closed_at is not None and change.now - closed_at > LATE:
        raise MoveRefused("no ticks on what is closed", state=incident["state"])
    known = await checklist_view(change.conn, incident_id, change.rulebook.checklist(incident["hazard"]))
    ids = [step["step_id"] for step in known]
    strange = sorted(set(asked.steps) - set(ids))
    if strange:
        raise MoveRefused(f"steps: expected of {', '.join(ids) or 'none'}, got {strange[0]}", steps=ids)
    new = [
        {name: step[name] for name in ("step_id", "zh", "en")} | {"done": asked.steps[step["step_id"]]}
        for step in known
        if asked.steps.get(step["step_id"], step["done"]) != step["done"]
    ]
    if not new:
        return
    by = By("user", await rosters.display_name_of(change.conn, actor.user_id) or actor.name)
    change.note(incident_id, TICKED, by, steps=new)
    await chain.record(
        change.conn,
        actor=actor.name,
        action="incident.checklist",
        object_kind="incident",
        object_id=incident_id,
        detail={step["step_id"]: step["done"] for step in new},
        at=change.now,
    )
