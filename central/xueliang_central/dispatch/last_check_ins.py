"""Where those who could be sent have told to be last: of people under way, by a press, and not too long ago.

Nothing is kept for it: the check-in stands on the person's task until that ends (`checking_in`), and says a distance
from that task's camera. So what is known of another place is how far it was at most, to 100 m.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select

from xueliang_central.areas.tree import Area
from xueliang_central.dispatch.checking_in import COARSE_M
from xueliang_central.dispatch.recommending import CheckedIn
from xueliang_central.dispatch.tables import tasks
from xueliang_central.incidents.change import Change
from xueliang_central.incidents.folding import distance_m
from xueliang_central.incidents.states import TaskState
from xueliang_central.incidents.tables import incidents
from xueliang_central.rights.scope import within
from xueliang_central.store.among import among

Row = dict[str, Any]

_UNDER_WAY = (TaskState.TAKEN.value, TaskState.ARRIVED.value)


async def last_check_ins(change: Change, user_ids: Collection[str]) -> dict[str, Row]:
    """By person the last check-in that still counts, and the camera of its task: at, told_m (from that camera; None:
    not known, or not well), area_path, camera_name, longitude, latitude. `user_ids`: of those with tasks in hand;
    nobody else can have one."""
    counts_s = change.rulebook.check_in_counts_s
    if not user_ids or counts_s <= 0:
        return {}
    its = incidents.c
    query = (
        select(tasks.c.worker_id, tasks.c.checked_in, its.area_path, its.camera_name, its.longitude, its.latitude)
        .join(incidents, its.incident_id == tasks.c.incident_id)
        .where(among(change.conn, tasks.c.worker_id, sorted(user_ids)), tasks.c.state.in_(_UNDER_WAY))
    )
    last: dict[str, Row] = {}
    for row in (await change.conn.execute(query)).mappings():
        if row["checked_in"] is None:
            continue
        at = datetime.fromisoformat(row["checked_in"]["at"])
        before = last.get(row["worker_id"])
        if (change.now - at).total_seconds() <= counts_s and (before is None or before["at"] < at):
            told_m = None if row["checked_in"]["is_inaccurate"] else row["checked_in"]["distance_m"]
            of_camera = {name: row[name] for name in ("area_path", "camera_name", "longitude", "latitude")}
            last[row["worker_id"]] = {"at": at, "told_m": told_m, **of_camera}
    return last


def checked_in_near(incident: Row, asked: Area, last: Mapping[str, Row], now: datetime) -> dict[str, CheckedIn]:
    """The same as seen from the place of an incident.

    `asked`: the area that is asked first. Whoever reads the reasons need not see more than this area, so what lies
    elsewhere is not named.
    """
    return {
        user_id: CheckedIn(
            age_s=max(0.0, (now - row["at"]).total_seconds()),
            camera_name=row["camera_name"] if within(row["area_path"], asked.path) else None,
            apart_m=_apart_m(incident, row),
        )
        for user_id, row in last.items()
    }


def _apart_m(incident: Row, row: Row) -> int | None:
    ends = (incident["longitude"], incident["latitude"], row["longitude"], row["latitude"])
    if row["told_m"] is None or any(end is None for end in ends):
        return None
    most_m: float = distance_m(*ends) + row["told_m"]
    return math.ceil(most_m / COARSE_M) * COARSE_M
