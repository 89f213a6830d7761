"""Fire lanes in the register: found, changed by hand, shown.

The audit chain says who changed which part of a lane, and who asked for a telephone number; never a number.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tree import AreaTree, Level
from xueliang_central.audit import chain
from xueliang_central.cameras.register import places_of
from xueliang_central.cameras.tables import cameras
from xueliang_central.errors import Conflict, MoveRefused, NotFound
from xueliang_central.evidence.tables import pictures
from xueliang_central.incidents.tables import alerts
from xueliang_central.lanes.tables import lane_cameras, lanes
from xueliang_central.rights.scope import Actor, in_scope, may_see
from xueliang_central.store.among import among
from xueliang_configs.schedules import DEFAULT_TIME_ZONE, zone_of

Row = dict[str, Any]
View = dict[str, Any]

_ZONE: Final = zone_of(DEFAULT_TIME_ZONE)
_SHOWN_DIGITS: Final = 4


@dataclass(frozen=True, slots=True)
class LaneChange:
    """What a person wants of a lane from now on; None in `duty_phone`: as it is. Where it runs is the file's to say.

    Attributes:
        version: of the lane as that person saw it.
        cameras: of that person's areas; others that watch it stay.
    """

    version: int
    name: str
    unit: str
    duty_phone: str | None
    marking_photo: str | None
    cameras: Sequence[str]
    valid_from: date | None
    valid_to: date | None
    why: str


async def lane_of(conn: AsyncConnection, actor: Actor, lane_id: str, *, lock: bool = False) -> Row:
    """One lane in the actor's areas. Raises NotFound."""
    query = select(lanes).where(lanes.c.lane_id == lane_id)
    row = (await conn.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if row is None or not may_see(actor, row["area_path"]):
        raise NotFound("lane")
    return dict(row)


async def lanes_where(conn: AsyncConnection, condition: ColumnElement[bool], *, after: str, limit: int) -> list[Row]:
    """In the order of their ids, from the one after `after`."""
    query = select(lanes).where(condition, lanes.c.lane_id > after).order_by(lanes.c.lane_id).limit(limit)
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def cameras_by_lane(
    conn: AsyncConnection, lane_ids: Collection[str] | None = None, *, seen_by: Actor | None = None
) -> dict[str, tuple[str, ...]]:
    """Which cameras watch each of these lanes (None: of all), by id; a lane without any is left out.

    `seen_by`: only cameras of this person's areas.
    """
    query = select(lane_cameras).order_by(lane_cameras.c.camera_id)
    if seen_by is not None:
        of_register = cameras.c.camera_id == lane_cameras.c.camera_id
        query = query.join(cameras, of_register).where(in_scope(cameras.c.area_path, seen_by))
    if lane_ids is not None:
        query = query.where(among(conn, lane_cameras.c.lane_id, lane_ids))
    found: dict[str, tuple[str, ...]] = {}
    for row in await conn.execute(query):
        found[row.lane_id] = (*found.get(row.lane_id, ()), row.camera_id)
    return found


async def write_cameras(conn: AsyncConnection, lane_id: str, watching: Sequence[str]) -> None:
    """All cameras that watch this lane, replaced."""
    await conn.execute(delete(lane_cameras).where(lane_cameras.c.lane_id == lane_id))
    if watching:
        await conn.execute(insert(lane_cameras), [{"lane_id": lane_id, "camera_id": one} for one in sorted(watching)])


async def problems_of_cameras(
    conn: AsyncConnection, tree: AreaTree, wanted: Mapping[str, tuple[Row, Sequence[str]]]
) -> list[str]:
    """Cameras that cannot watch these lanes, in words: not in the register, or of another county.

    Who may see a case of the camera is shown the lane: both belong to people of one county.
    """
    known = await places_of(conn, sorted({camera for _, watching in wanted.values() for camera in watching}))
    problems = []
    for name, (lane, watching) in wanted.items():
        for camera in sorted(watching):
            place = known.get(camera)
            if place is None:
                problems.append(f"{name}: camera {camera} is not in the register; import cameras first")
            elif _county(tree, place.area_code) != _county(tree, lane["area_code"]):
                problems.append(
                    f"{name}: camera {camera} belongs to {place.area_code}, the lane to {lane['area_code']}"
                )
    return problems


def _county(tree: AreaTree, code: str | None) -> str | None:
    area = None if code is None or code not in tree else tree.ancestor_at(code, Level.COUNTY)
    return code if area is None else area.code


async def change_lane(
    conn: AsyncConnection, tree: AreaTree, actor: Actor, lane_id: str, wanted: LaneChange, *, now: datetime
) -> None:
    """Change one lane by hand. The same again changes nothing.

    Raises:
        NotFound: no such lane, or out of scope.
        Conflict: it has changed since the actor saw it.
        MoveRefused: a camera that cannot watch it, a photo that is not this person's, days in the wrong order.
    """
    row = await lane_of(conn, actor, lane_id, lock=True)
    if row["version"] != wanted.version:
        raise Conflict("the lane has changed meanwhile", version=row["version"])
    watching = (await cameras_by_lane(conn, [lane_id], seen_by=actor)).get(lane_id, ())
    names = ("name", "unit", "marking_photo", "valid_from", "valid_to")
    values = {name: getattr(wanted, name) for name in names}
    values["duty_phone"] = row["duty_phone"] if wanted.duty_phone is None else wanted.duty_phone
    what = [name for name, value in values.items() if row[name] != value]
    if set(watching) != set(wanted.cameras):
        what.append("cameras")
    if not what:
        return
    await _check(conn, tree, actor, row, wanted, watching)
    version = row["version"] + 1
    changed = {"version": version, "changed_at": now, "changed_by": actor.name}
    await conn.execute(update(lanes).where(lanes.c.lane_id == lane_id).values(**values, **changed))
    if "cameras" in what:
        unseen = set((await cameras_by_lane(conn, [lane_id])).get(lane_id, ())) - set(watching)
        await write_cameras(conn, lane_id, [*unseen, *wanted.cameras])
    detail = {"what": sorted(what), "why": wanted.why, "version": version}
    await _record(conn, actor, "lane.changed", lane_id, detail, now)


async def _check(
    conn: AsyncConnection, tree: AreaTree, actor: Actor, row: Row, wanted: LaneChange, watching: Sequence[str]
) -> None:
    if wanted.valid_from is not None and wanted.valid_to is not None and wanted.valid_to < wanted.valid_from:
        raise MoveRefused(f"valid_to: expected a day not before {wanted.valid_from}, got {wanted.valid_to}")
    if len(set(wanted.cameras)) != len(wanted.cameras):
        raise MoveRefused("cameras: expected each camera once")
    new = sorted(set(wanted.cameras) - set(watching))
    places = await places_of(conn, new)
    hidden = [one for one in new if one in places and not may_see(actor, places[one].area_path)]
    if hidden:  # answered like one that does not exist
        raise MoveRefused(f"{row['lane_id']}: camera {hidden[0]} is not in the register; import cameras first")
    problems = await problems_of_cameras(conn, tree, {row["lane_id"]: (row, new)})
    if problems:
        raise MoveRefused("; ".join(problems))
    if wanted.marking_photo not in {None, row["marking_photo"]}:
        own = select(pictures.c.sha256).where(
            pictures.c.sha256 == wanted.marking_photo,
            pictures.c.kind == "photo",
            pictures.c.received_from == actor.user_id,  # naming it shows it to others: only one's own
        )
        if (await conn.execute(own)).one_or_none() is None:
            raise MoveRefused("marking_photo: upload it first, by PUT /api/photos/{sha256}")


async def lanes_of_case(conn: AsyncConnection, incident: Row) -> list[Row]:
    """The lanes that the cameras of an incident watch and that were lanes on the day it opened."""
    day = incident["opened_at"].astimezone(_ZONE).date()
    of_alerts = select(alerts.c.camera_id).where(alerts.c.incident_id == incident["incident_id"])
    query = (
        select(lanes)
        .where(
            lanes.c.lane_id.in_(
                select(lane_cameras.c.lane_id).where(
                    or_(lane_cameras.c.camera_id == incident["camera_id"], lane_cameras.c.camera_id.in_(of_alerts))
                )
            ),
            or_(lanes.c.valid_from.is_(None), lanes.c.valid_from <= day),
            or_(lanes.c.valid_to.is_(None), lanes.c.valid_to >= day),
        )
        .order_by(lanes.c.lane_id)
    )
    return [dict(row) for row in (await conn.execute(query)).mappings()]


async def phone_shown(conn: AsyncConnection, actor: Actor, lane_id: str, now: datetime) -> str:
    """The duty phone of a lane's unit; that it was asked for is recorded. Raises NotFound."""
    row = await lane_of(conn, actor, lane_id)
    await _record(conn, actor, "lane.phone_viewed", lane_id, {}, now)
    return str(row["duty_phone"])


async def _record(conn: AsyncConnection, actor: Actor, action: str, lane_id: str, detail: Row, at: datetime) -> None:
    await chain.record(
        conn, actor=actor.name, action=action, object_kind="lane", object_id=lane_id, detail=detail, at=at
    )


def case_view(row: Row, actor: Actor, *, with_phone: bool = False) -> View:
    """A lane as its cases and tasks show it; beyond a border without its id and photo, which lead nowhere there.

    `with_phone`: to whom is on the way there.
    """
    is_theirs = may_see(actor, row["area_path"])
    shown = {name: row[name] if is_theirs else None for name in ("lane_id", "marking_photo")}
    shown |= {"name": row["name"], "unit": row["unit"]}
    return {**shown, "duty_phone": row["duty_phone"] if with_phone else masked(row["duty_phone"])}


def masked(phone: str) -> str:
    """The last digits only: enough to see which of two numbers it is."""
    return "*" * max(0, len(phone) - _SHOWN_DIGITS) + phone[-_SHOWN_DIGITS:]
