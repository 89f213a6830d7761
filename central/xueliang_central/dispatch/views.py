"""Tasks as the API and the event stream show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree
from xueliang_central.clocks.limits import ClockKind
from xueliang_central.clocks.showing import hours_of_tasks
from xueliang_central.dispatch.looked_again import looked_again_of
from xueliang_central.dispatch.tables import task_photos, task_voices
from xueliang_central.incidents.views import area_view, at_text, incident_views_by_id, worker_view
from xueliang_central.store.among import among

Row = dict[str, Any]
View = dict[str, Any]

_NONE_KNOWN: Final[Mapping[str, View]] = {}
_TIMES = ("offered_at", "taken_at", "arrived_at", "handled_at")


async def task_views(
    conn: AsyncConnection, tree: AreaTree, rows: Sequence[Row], known: Mapping[str, View] = _NONE_KNOWN
) -> list[View]:
    """The given rows of `tasks`, in their order, each with its incident; a fixed number of queries.

    `known`: views of incidents, by id, made in this transaction after all that it changes.
    """
    if not rows:
        return []
    wanted = {row["incident_id"] for row in rows}
    incidents = {incident_id: known[incident_id] for incident_id in wanted & set(known)}
    incidents |= await incident_views_by_id(conn, tree, wanted - set(known))
    photos: dict[str, list[View]] = {row["task_id"]: [] for row in rows}
    found = await conn.execute(
        select(task_photos)
        .where(among(conn, task_photos.c.task_id, photos))
        .order_by(task_photos.c.added_at, task_photos.c.sha256)
    )
    for row in found.mappings():
        photos[row["task_id"]].append({"sha256": row["sha256"], "at": at_text(row["added_at"])})
    voices: dict[str, list[View]] = {row["task_id"]: [] for row in rows}
    heard = await conn.execute(
        select(task_voices)
        .where(among(conn, task_voices.c.task_id, voices))
        .order_by(task_voices.c.added_at, task_voices.c.sha256)
    )
    for row in heard.mappings():
        said = {"sha256": row["sha256"], "at": at_text(row["added_at"]), "move": row["move"]}
        voices[row["task_id"]].append(said)
    hours = await hours_of_tasks(conn, list(incidents))
    looked_again = await looked_again_of(conn, rows)
    return [
        {
            "task_id": row["task_id"],
            "incident_id": row["incident_id"],
            "state": row["state"],
            "worker": worker_view(row),
            "area": area_view(tree, row["area_code"]),
            **{name: at_text(row[name]) for name in _TIMES},
            "limits": {
                "take_due_at": at_text(row["take_due_at"]),
                "arrive_due_at": at_text(row["arrive_due_at"]),
                "take_counts": hours[row["incident_id"]].get(ClockKind.TAKE),
                "arrive_counts": hours[row["incident_id"]].get(ClockKind.ARRIVE),
            },
            "photos": photos[row["task_id"]],
            "voices": voices[row["task_id"]],
            "note": row["note"],
            "reason_code": row["reason_code"],
            "why_offered": row["why_offered"],
            "help": row["help"],
            "checked_in": row["checked_in"],
            "handed_on": row["handed_on"],
            "looked_again": looked_again.get(row["task_id"]),
            "version": row["version"],
            "incident": _for_a_phone(incidents[row["incident_id"]]),
        }
        for row in rows
    ]


def _for_a_phone(incident: View) -> View:
    """Without who had the task before it was handed on: that is the desk's."""
    task = incident["task"]
    return incident | {"task": task and {name: value for name, value in task.items() if name != "handed_on_from"}}
