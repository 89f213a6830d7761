"""The checklist of a case: the steps of its hazard, and which of them somebody has ticked.

A tick is an entry of the incident's timeline and lies nowhere else: who, when, and the words as they were. The newest
entry that names a step decides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.incidents.tables import incident_timeline
from xueliang_central.incidents.views import at_text
from xueliang_configs.checklists import ChecklistStep

TICKED: Final = "checklist"  # the kind of timeline entry


async def checklist_view(
    conn: AsyncConnection, incident_id: str, steps: Sequence[ChecklistStep]
) -> list[dict[str, Any]]:
    """In the order of the policy file, each with whether it is done, by whom (by name) and when."""
    if not steps:
        return []
    about = incident_timeline.c
    query = select(about.params, about.actor_name, about.at).where(
        about.incident_id == incident_id, about.kind == TICKED
    )
    last: dict[str, dict[str, Any]] = {}
    for entry in (await conn.execute(query.order_by(about.entry_id))).mappings():
        for step in entry["params"]["steps"]:
            last[step["step_id"]] = {"done": step["done"], "by": entry["actor_name"], "at": at_text(entry["at"])}
    untouched = {"done": False, "by": None, "at": None}
    return [step.model_dump() | last.get(step.step_id, untouched) for step in steps]
