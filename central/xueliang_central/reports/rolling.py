"""Keeps the roll-ups right: what has changed is marked, what is marked is computed anew, from the grids upward.

The events tell what has changed: every incident and silence that a transaction touches is an event of it, and events
are committed in the order of their ids, so that a position among them misses none. Each call is one bounded
transaction under the lock of the state's row: of several workers one rolls up at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, String, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import code_of_path, parent_code, path_by_code
from xueliang_central.clocks.tables import clocks
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.reports.facts import COUNTS, ENTRIES, Facts, facts_of
from xueliang_central.reports.histograms import pack, unpack
from xueliang_central.reports.periods import Period, period_of
from xueliang_central.reports.tables import rollup_marks, rollup_state, rollups
from xueliang_central.silences.tables import silence_alerts, silenced_alerts
from xueliang_central.store.among import among
from xueliang_central.store.claims import skip_taken
from xueliang_central.store.tables import events

Row = dict[str, Any]
Unit = tuple[str, date, int, str]  # part, day, shift, area_code

EVENTS_AT_ONCE: Final = 500
UNITS_AT_ONCE: Final = 200
_GRID_DIGITS: Final = 15
_STATE: Final = "events"


async def is_any_to_do(conn: AsyncConnection) -> bool:
    """Asked by reading, so that an idle worker never takes the writer's place."""
    behind, waiting = await standing(conn)
    return bool(behind or waiting)


async def standing(conn: AsyncConnection) -> tuple[int, int]:
    """How many events are not looked at yet, and how many units wait to be computed: both zero when all is right."""
    position = (await conn.execute(select(rollup_state.c.position))).scalar_one()
    newest = (await conn.execute(select(func.max(events.c.event_id)))).scalar_one() or 0
    waiting = (await conn.execute(select(func.count()).select_from(rollup_marks))).scalar_one()
    return max(0, newest - position), waiting


async def mark(conn: AsyncConnection) -> int:
    """Mark what some events tell of; how many events: EVENTS_AT_ONCE when there may be more."""
    row = await _alone(conn)
    return 0 if row is None else await _mark_from_events(conn, row.position)


async def compute(conn: AsyncConnection, now: datetime) -> int:
    """Compute some of what is marked; how many units, 0 when nothing is, or another worker does it."""
    row = await _alone(conn)
    return 0 if row is None else await _compute(conn, now)


async def _alone(conn: AsyncConnection) -> Any:
    """The state, locked; None while another worker has it."""
    return (await conn.execute(skip_taken(select(rollup_state).where(rollup_state.c.name == _STATE)))).one_or_none()


async def mark_days(conn: AsyncConnection, first: date, last: date) -> int:
    """Have all incidents that opened on these local days (both included) computed anew; how many units that is."""
    begins, ends = Period(first, 0).begins_at, Period(last, 2).ends_at
    opened = incidents.c.opened_at
    found = await conn.execute(select(incidents.c.area_code, opened).where(opened >= begins, opened < ends))
    units: set[Unit] = {("incidents", *period_of(row.opened_at), row.area_code) for row in found}
    known = await conn.execute(
        select(rollups.c.day, rollups.c.shift, rollups.c.area_code)
        .where(rollups.c.part == "incidents", rollups.c.day.between(first, last))
        .distinct()
    )
    units |= {("incidents", row.day, row.shift, row.area_code) for row in known}
    await _mark(conn, units)
    return len(units)


async def _mark_from_events(conn: AsyncConnection, position: int) -> int:
    """How many events were looked at."""
    asked = (events.c.event_id, events.c.kind, events.c.at, _about(conn, "incident"), _about(conn, "silence"))
    found = await conn.execute(
        select(*asked).where(events.c.event_id > position).order_by(events.c.event_id).limit(EVENTS_AT_ONCE)
    )
    told = found.all()
    if not told:
        return 0
    touched = {row.incident_id for row in told if row.kind == "incident" and row.incident_id}
    units = await _units_of_incidents(conn, sorted(touched))
    silences = {row.silence_id for row in told if row.kind == "silence" and row.silence_id}
    units |= await _units_of_silences(conn, sorted(silences), min(row.at for row in told))
    await _mark(conn, units)
    await conn.execute(update(rollup_state).values(position=told[-1].event_id))
    return len(told)


def _about(conn: AsyncConnection, kind: str) -> ColumnElement[Any]:
    """The id of the object that an event's body shows, without reading the whole of it."""
    name = f"{kind}_id"
    if conn.dialect.name == "postgresql":
        return func.jsonb_extract_path_text(events.c.body, kind, name).label(name)
    return func.json_extract(events.c.body, f"$.{kind}.{name}", type_=String).label(name)


async def _units_of_incidents(conn: AsyncConnection, ids: Sequence[str]) -> set[Unit]:
    if not ids:
        return set()
    found = await conn.execute(
        select(incidents.c.area_code, incidents.c.opened_at).where(among(conn, incidents.c.incident_id, ids))
    )
    return {("incidents", *period_of(row.opened_at), row.area_code) for row in found}


async def _units_of_silences(conn: AsyncConnection, ids: Sequence[str], since: datetime) -> set[Unit]:
    """Of the alerts that these have hidden or let out since then: what a transaction did has its time."""
    if not ids:
        return set()
    in_book = and_(silence_alerts.c.alert_id == silenced_alerts.c.alert_id, silence_alerts.c.hidden_at >= since)
    found = await conn.execute(
        select(silenced_alerts.c.area_path, silenced_alerts.c.first_received_at).where(
            or_(
                exists().where(in_book, among(conn, silence_alerts.c.silence_id, ids)),
                and_(among(conn, silenced_alerts.c.silence_id, ids), silenced_alerts.c.left_at >= since),
            )
        )
    )
    return {("silenced", *period_of(row.first_received_at), code_of_path(row.area_path)) for row in found}


async def _mark(conn: AsyncConnection, units: Iterable[Unit]) -> None:
    rows = [
        {"height": _GRID_DIGITS - len(code), "day": day, "shift": shift, "part": part, "area_code": code}
        for part, day, shift, code in sorted(units)
    ]
    if rows:
        dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
        await conn.execute(dialect.insert(rollup_marks).on_conflict_do_nothing(), rows)


async def _compute(conn: AsyncConnection, now: datetime) -> int:
    """Some units of one period, part and level, the lowest level first; how many."""
    order = [column.asc() for column in rollup_marks.primary_key]
    first = (await conn.execute(select(rollup_marks).order_by(*order).limit(1))).one_or_none()
    if first is None:
        return 0
    same = [rollup_marks.c[name] == getattr(first, name) for name in ("height", "day", "shift", "part")]
    found = await conn.execute(select(rollup_marks.c.area_code).where(*same).order_by(*order).limit(UNITS_AT_ONCE))
    codes = list(found.scalars())
    period = Period(first.day, first.shift)
    own = await (_of_incidents if first.part == "incidents" else _of_silences)(conn, codes, period)
    here = [rollups.c.day == first.day, rollups.c.shift == first.shift, rollups.c.part == first.part]
    below = select(rollups).where(*here, among(conn, rollups.c.parent_code, codes))
    for row in (await conn.execute(below)).mappings():
        facts = own[row["parent_code"], row["hazard"], row["drill"]]
        facts.add({name: row[name] for name in COUNTS}, unpack(row["durations"]))
    changed = await _replace(conn, codes, here, _rows(own, period, first.part))
    await _mark(conn, {(first.part, *period, above) for code in changed if (above := parent_code(code)) is not None})
    await conn.execute(delete(rollup_marks).where(*same, among(conn, rollup_marks.c.area_code, codes)))
    await conn.execute(update(rollup_state).values(rolled_at=now))
    return len(codes)


Found = defaultdict[tuple[str, str, bool], Facts]  # by area_code, hazard, drill


async def _of_incidents(conn: AsyncConnection, codes: Sequence[str], period: Period) -> Found:
    opened = incidents.c.opened_at
    named = ("incident_id", "area_code", "hazard", "drill", "state", "close_reason", "review", "opened_at", "closed_at")
    query = select(*(incidents.c[name] for name in (*named, "alert_count"))).where(
        among(conn, incidents.c.area_code, codes), opened >= period.begins_at, opened < period.ends_at
    )
    cases = [dict(row) for row in (await conn.execute(query)).mappings()]
    found: Found = defaultdict(Facts)
    if not cases:
        return found
    ids = [case["incident_id"] for case in cases]
    entries, limits = await _entries_of(conn, ids), await _clocks_of(conn, ids)
    for case in cases:
        facts = facts_of(case, entries[case["incident_id"]], limits[case["incident_id"]])
        found[case["area_code"], case["hazard"], case["drill"]].add(facts.counts, facts.durations)
    return found


async def _entries_of(conn: AsyncConnection, ids: Sequence[str]) -> Mapping[str, list[Row]]:
    asked = incident_timeline.c
    query = (
        select(asked.incident_id, asked.at, asked.kind, asked.actor_kind, asked.params)
        .where(among(conn, asked.incident_id, ids), asked.kind.in_(ENTRIES))
        .order_by(asked.entry_id)
    )
    return _by_incident((await conn.execute(query)).mappings())


async def _clocks_of(conn: AsyncConnection, ids: Sequence[str]) -> Mapping[str, list[Row]]:
    named = ("incident_id", "kind", "due_at", "first_due_at", "stopped_at", "breached_at")
    asked = [clocks.c[name] for name in named]
    return _by_incident((await conn.execute(select(*asked).where(among(conn, clocks.c.incident_id, ids)))).mappings())


def _by_incident(found: Iterable[Mapping[Any, Any]]) -> Mapping[str, list[Row]]:
    rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row in found:
        rows[row["incident_id"]].append({str(name): value for name, value in row.items()})
    return rows


async def _of_silences(conn: AsyncConnection, codes: Sequence[str], period: Period) -> Found:
    table, received = silenced_alerts.c, silenced_alerts.c.first_received_at
    here = among(conn, table.area_path, [path_by_code(code) for code in codes])
    query = (
        select(table.area_path, table.hazard, table.drill, func.count().label("total"))
        .where(here, received >= period.begins_at, received < period.ends_at, table.standing != "left")
        .group_by(table.area_path, table.hazard, table.drill)
    )
    found: Found = defaultdict(Facts)
    for row in await conn.execute(query):
        found[code_of_path(row.area_path), row.hazard, row.drill].add({"suppressed": row.total}, 0)
    return found


def _rows(found: Found, period: Period, part: str) -> list[Row]:
    return [
        {
            "area_code": code,
            "day": period.day,
            "shift": period.shift,
            "hazard": hazard,
            "drill": drill,
            "part": part,
            "parent_code": parent_code(code),
            **{name: facts.counts.get(name, 0) for name in COUNTS},
            "durations": pack(facts.durations),
        }
        for (code, hazard, drill), facts in found.items()
        if facts.counts
    ]


async def _replace(
    conn: AsyncConnection, codes: Sequence[str], here: Sequence[ColumnElement[bool]], rows: Sequence[Row]
) -> list[str]:
    """Write these rows in place of those of these areas; the areas whose rows have changed."""
    after = _grouped(rows)
    stored = await conn.execute(select(rollups).where(*here, among(conn, rollups.c.area_code, codes)))
    before = _grouped([{str(name): value for name, value in row.items()} for row in stored.mappings()])
    changed = [code for code in codes if before[code] != after[code]]
    if changed:
        await conn.execute(delete(rollups).where(*here, among(conn, rollups.c.area_code, changed)))
        fresh = [row for code in changed for row in after[code].values()]
        if fresh:
            await conn.execute(insert(rollups), fresh)
    return changed


def _grouped(rows: Iterable[Row]) -> defaultdict[str, dict[tuple[str, bool], Row]]:
    grouped: defaultdict[str, dict[tuple[str, bool], Row]] = defaultdict(dict)
    for row in rows:
        grouped[row["area_code"]][row["hazard"], row["drill"]] = row
    return grouped
