"""Removes what is due, a bounded step at a time; and tells what would go.

Invariants
    - What goes is counted and recorded in the transaction in which it goes.
    - A picture's row goes before its file, and is remembered in `leaving_pictures` until the file is gone: a process
      killed anywhere leaves no file that nobody knows of, and no row that shows a picture which is not there.
    - A file is only unlinked under the lock of its row there, and only while no row says that the picture is here: a
      picture that comes again meanwhile takes that row away first, then looks whether its file is still there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from prometheus_client import Counter
from sqlalchemy import ColumnElement, Select, delete, func, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.audit import chain
from xueliang_central.evidence.pictures import PictureKind, PictureStore
from xueliang_central.evidence.tables import leaving_pictures, pictures
from xueliang_central.incidents.tables import alerts, expected_pictures
from xueliang_central.ingest.tables import spool_records
from xueliang_central.intake.tables import sightings
from xueliang_central.notices.tables import notice_steps, notices
from xueliang_central.retention.due import due
from xueliang_central.retention.tables import removals
from xueliang_central.store.among import among
from xueliang_central.store.claims import skip_taken
from xueliang_central.store.database import after_commit
from xueliang_central.store.tables import events
from xueliang_configs.retention import RetentionConfig

Row = Mapping[str, Any]

AT_ONCE: Final = 500
FILES_AT_ONCE: Final = 100
REMOVED: Final = Counter("central_removed", "What was kept long enough and went", ["kind"])
LOOKED_AT: Final = 5_000
SHORTEST_KEPT: Final = timedelta(days=1)  # no policy keeps anything for less
AGES: Final[Mapping[str, ColumnElement[datetime]]] = {  # each has an index
    "evidence": pictures.c.received_at,
    "photos": pictures.c.received_at,
    "unnamed_pictures": pictures.c.received_at,
    "alerts": alerts.c.first_received_at,
    "sightings": sightings.c.received_at,
    "records": spool_records.c.received_at,
    "notices": notices.c.created_at,
    "events": events.c.at,
}


@dataclass(frozen=True, slots=True)
class Stretch:
    """Rows of one kind by age, from later than `after` (None: the oldest) through `until` (None: the newest)."""

    after: datetime | None
    until: datetime | None

    def of(self, kind: str, query: Select[Any]) -> Select[Any]:
        at = AGES[kind]
        if self.after is not None:
            query = query.where(at > self.after)
        return query if self.until is None else query.where(at <= self.until)


EVERYTHING: Final = Stretch(None, None)


@dataclass(frozen=True, slots=True)
class Due:
    """What would go of one kind: how much, and since when the oldest of it has been here."""

    kind: str
    total: int
    oldest: datetime | None


async def would_go(conn: AsyncConnection, kind: str, policy: RetentionConfig, now: datetime) -> Due | None:
    """None: the policy keeps it for ever."""
    query = due(kind, policy, now)
    if query is None:
        return None
    total, oldest, stretch = 0, None, EVERYTHING
    while True:
        stretch = await next_stretch(conn, kind, stretch.until)
        found = stretch.of(kind, query).order_by(None).subquery()
        row = (await conn.execute(select(func.count(), func.min(found.c.since)))).one()
        total, oldest = total + row[0], row[1] if oldest is None else oldest
        if stretch.until is None or stretch.until > now - SHORTEST_KEPT:
            return Due(kind, total, oldest)


async def next_stretch(conn: AsyncConnection, kind: str, after: datetime | None) -> Stretch:
    """The next rows by age. What is kept longer than the rest lies before what may go: it is gone through once a run,
    LOOKED_AT at a time, not once for every step (10 million stills took longer than a statement may)."""
    at = AGES[kind]
    later = select(at).order_by(at)
    if after is not None:
        later = later.where(at > after)
    until = (await conn.execute(later.offset(LOOKED_AT).limit(1))).scalar_one_or_none()
    return Stretch(after, until)


async def is_any_due(
    conn: AsyncConnection, kind: str, policy: RetentionConfig, now: datetime, stretch: Stretch = EVERYTHING
) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place."""
    query = due(kind, policy, now)
    return query is not None and (await conn.execute(stretch.of(kind, query).limit(1))).first() is not None


async def remove(
    conn: AsyncConnection, kind: str, policy: RetentionConfig, now: datetime, stretch: Stretch = EVERYTHING
) -> int:
    """Remove some of one kind, in this transaction; how many, 0 when nothing is due."""
    query = due(kind, policy, now)
    if query is None:
        return 0
    query = stretch.of(kind, query)
    rows = (await conn.execute(query.limit(AT_ONCE))).mappings().all()
    if not rows:
        return 0
    removed = await _REMOVE[kind](conn, rows, now)
    if removed:
        await _count(conn, kind, removed, now)
        said = {"rows": removed, "oldest": min(row["since"] for row in rows).isoformat()}
        await chain.record(
            conn, actor="system", action="retention.removed", object_kind=kind, object_id="*", detail=said, at=now
        )
    return removed


async def is_any_leaving(conn: AsyncConnection) -> bool:
    """Is there a file still to be removed?"""
    return (await conn.execute(select(leaving_pictures.c.sha256).limit(1))).first() is not None


async def unlink_some(conn: AsyncConnection, store: PictureStore) -> int:
    """Remove the files of some pictures whose rows have gone; how many were done."""
    query = skip_taken(select(leaving_pictures).order_by(leaving_pictures.c.since, leaving_pictures.c.sha256))
    leaving = (await conn.execute(query.limit(FILES_AT_ONCE))).all()
    if not leaving:
        return 0
    keys = [(row.sha256, row.kind) for row in leaving]
    found = await conn.execute(
        select(pictures.c.sha256, pictures.c.kind).where(tuple_(pictures.c.sha256, pictures.c.kind).in_(keys))
    )
    here_again = {(row.sha256, row.kind) for row in found}
    paths = [store.path_of(PictureKind(kind), sha256) for sha256, kind in keys if (sha256, kind) not in here_again]
    await asyncio.to_thread(_unlink, paths)
    await conn.execute(
        delete(leaving_pictures).where(tuple_(leaving_pictures.c.sha256, leaving_pictures.c.kind).in_(keys))
    )
    return len(keys)


def _unlink(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


async def _remove_pictures(conn: AsyncConnection, rows: Sequence[Row], now: datetime) -> int:
    keys = [(row["sha256"], row["kind"]) for row in rows]
    done = await conn.execute(delete(pictures).where(tuple_(pictures.c.sha256, pictures.c.kind).in_(keys)))
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    leaving = [{"sha256": sha256, "kind": kind, "since": now} for sha256, kind in keys]
    await conn.execute(dialect.insert(leaving_pictures).on_conflict_do_nothing(), leaving)
    stills = [sha256 for sha256, kind in keys if kind == PictureKind.EVIDENCE.value]
    named = update(expected_pictures).where(among(conn, expected_pictures.c.sha256, stills))
    await conn.execute(named.values(removed_at=now))
    return done.rowcount


async def _remove_alerts(conn: AsyncConnection, rows: Sequence[Row], _now: datetime) -> int:
    ids = [row["alert_id"] for row in rows]
    cases = sorted({row["incident_id"] for row in rows})
    await conn.execute(
        delete(expected_pictures).where(
            among(conn, expected_pictures.c.incident_id, cases), among(conn, expected_pictures.c.alert_id, ids)
        )
    )
    return (await conn.execute(delete(alerts).where(among(conn, alerts.c.alert_id, ids)))).rowcount


async def _remove_sightings(conn: AsyncConnection, rows: Sequence[Row], _now: datetime) -> int:
    ids = [row["sighting_id"] for row in rows]
    return (await conn.execute(delete(sightings).where(among(conn, sightings.c.sighting_id, ids)))).rowcount


async def _remove_records(conn: AsyncConnection, rows: Sequence[Row], _now: datetime) -> int:
    key = tuple(spool_records.primary_key.columns)
    keys = [tuple(row[column.name] for column in key) for row in rows]
    return (await conn.execute(delete(spool_records).where(tuple_(*key).in_(keys)))).rowcount


async def _remove_notices(conn: AsyncConnection, rows: Sequence[Row], _now: datetime) -> int:
    """Their steps go with them."""
    ids = [row["notice_id"] for row in rows]
    await conn.execute(delete(notice_steps).where(among(conn, notice_steps.c.notice_id, ids)))
    return (await conn.execute(delete(notices).where(among(conn, notices.c.notice_id, ids)))).rowcount


async def _remove_events(conn: AsyncConnection, rows: Sequence[Row], _now: datetime) -> int:
    ids = [row["event_id"] for row in rows]
    return (await conn.execute(delete(events).where(events.c.event_id.in_(ids)))).rowcount


_REMOVE: Final[Mapping[str, Callable[[AsyncConnection, Sequence[Row], datetime], Coroutine[Any, Any, int]]]] = {
    "evidence": _remove_pictures,
    "photos": _remove_pictures,
    "unnamed_pictures": _remove_pictures,
    "alerts": _remove_alerts,
    "sightings": _remove_sightings,
    "records": _remove_records,
    "notices": _remove_notices,
    "events": _remove_events,
}


async def _count(conn: AsyncConnection, kind: str, removed: int, now: datetime) -> None:
    more = {"removed": removals.c.removed + removed, "removed_at": now}
    if not (await conn.execute(update(removals).where(removals.c.kind == kind).values(**more))).rowcount:
        await conn.execute(insert(removals).values(kind=kind, removed=removed, removed_at=now))
    after_commit(conn, lambda: REMOVED.labels(kind).inc(removed))
