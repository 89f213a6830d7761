"""Which hours a running clock counts, as the API shows it: whoever counts down needs no calendar of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.clocks.limits import ClockKind, calendar_of
from xueliang_central.clocks.tables import clocks
from xueliang_central.clocks.working_time import periods_between
from xueliang_central.store.among import among

_OF_TASKS: Final = (ClockKind.TAKE, ClockKind.ARRIVE)


def hours_counted(clock: Mapping[str, Any]) -> dict[str, Any] | None:
    """The calendar's name, and the working time between start and due as pairs of moments, in order.

    Between two pairs, and before the first, it rests until the next begins. None: every hour counts.
    """
    if clock["counts"] is None:
        return None
    periods = periods_between(calendar_of(clock["counts"]), clock["started_at"], clock["due_at"])
    return {"calendar": clock["counts"]["calendar"], "periods": [[_text(one) for one in pair] for pair in periods]}


async def hours_of_tasks(conn: AsyncConnection, incident_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What the running take and arrive clocks of each of these incidents count: by kind, where not every hour."""
    query = select(clocks).where(
        among(conn, clocks.c.incident_id, incident_ids),
        clocks.c.kind.in_([kind.value for kind in _OF_TASKS]),
        clocks.c.stopped_at.is_(None),
        clocks.c.counts.is_not(None),
    )
    found: dict[str, dict[str, Any]] = {incident_id: {} for incident_id in incident_ids}
    for row in (await conn.execute(query)).mappings():
        found[row["incident_id"]][row["kind"]] = hours_counted(dict(row))
    return found


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
