"""Camera to grid: by assignment, else by its place.

A camera that is assigned to an area keeps it whatever its coordinates say. Without an assignment the polygons
decide, and `located` keeps how ("inside", "nearest", "level_up", "nowhere"); "assigned" otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_alerts.contract import ID_PATTERN
from xueliang_central.areas.locating import locate
from xueliang_central.areas.tree import AreaTree, day_of
from xueliang_central.audit import chain
from xueliang_central.cameras.gate import digest_of
from xueliang_central.cameras.tables import cameras
from xueliang_central.errors import ImportRefused
from xueliang_central.store.among import among

PLACE_CLASSES: Final = frozenset(
    {"residential", "school", "hospital", "mall", "street", "industrial", "scenic", "other"}
)
ASSIGNED: Final = "assigned"
MAX_NOTE_LETTERS: Final = 200


@dataclass(frozen=True, slots=True)
class CameraPlace:
    """Where a camera is. WGS84 degrees. `area_code` None on the way in: let the polygons decide.

    Attributes:
        bearing_deg: where it looks, 0 to 360 clockwise from true north; None: not known, or it turns.
        field_of_view_deg: how wide it looks, over 0 to 360; None: not known.
    """

    camera_id: str
    name: str
    area_code: str | None
    longitude: float
    latitude: float
    place_class: str
    node_id: str | None
    area_path: str = ""
    located: str = ASSIGNED
    located_note: str = ""
    purpose: str | None = None
    legal_basis: str | None = None
    signed_on: date | None = None
    approved_view: str | None = None
    view_approved_on: date | None = None
    review_by: date | None = None
    bearing_deg: float | None = None
    field_of_view_deg: float | None = None

    @property
    def is_misplaced(self) -> bool:
        """Outside every grid: an upper level, or the nearest grid, answers for it."""
        return self.located not in {ASSIGNED, "inside"}


@dataclass(frozen=True, slots=True)
class CameraChanges:
    added: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int


def _place(row: RowMapping) -> CameraPlace:
    return CameraPlace(**{name: row[name] for name in CameraPlace.__dataclass_fields__})


async def place_of(conn: AsyncConnection, camera_id: str) -> CameraPlace | None:
    """None for a camera that is not in the register."""
    found = await conn.execute(select(cameras).where(cameras.c.camera_id == camera_id))
    row = found.mappings().one_or_none()
    return None if row is None else _place(row)


async def places_of(conn: AsyncConnection, camera_ids: Sequence[str]) -> dict[str, CameraPlace]:
    """Those of the given cameras that are in the register."""
    found = await conn.execute(select(cameras).where(among(conn, cameras.c.camera_id, camera_ids)))
    return {row["camera_id"]: _place(row) for row in found.mappings()}


def check_places(places: Sequence[CameraPlace], tree: AreaTree) -> list[str]:
    """Every problem of the list, in words; empty when it can be taken."""
    problems: list[str] = []
    seen: set[str] = set()
    for number, place in enumerate(places):
        where = f"cameras.{number} ({place.camera_id[:63]!r})"
        if not re.match(ID_PATTERN, place.camera_id):
            problems.append(f"{where}: camera_id must match {ID_PATTERN}")
        if place.camera_id in seen:
            problems.append(f"{where}: camera_id appears twice")
        seen.add(place.camera_id)
        if not 0 < len(place.name) <= 120:
            problems.append(f"{where}: name must have 1 to 120 characters")
        if not (-180 <= place.longitude <= 180 and -90 <= place.latitude <= 90):
            problems.append(f"{where}: longitude and latitude must be WGS84 degrees")
        if place.place_class not in PLACE_CLASSES:
            problems.append(f"{where}: place_class must be one of {', '.join(sorted(PLACE_CLASSES))}")
        if place.area_code is not None and place.area_code not in tree:
            problems.append(f"{where}: area {place.area_code[:15]!r} is not in the area tree; import areas first")
        if place.node_id is not None and not re.match(ID_PATTERN, place.node_id):
            problems.append(f"{where}: node_id must match {ID_PATTERN}")
        if place.bearing_deg is not None and not 0 <= place.bearing_deg < 360:
            problems.append(
                f"{where}: bearing_deg must be 0 to below 360, clockwise from north, got {place.bearing_deg:g}"
            )
        if place.field_of_view_deg is not None and not 0 < place.field_of_view_deg <= 360:
            problems.append(f"{where}: field_of_view_deg must be over 0 to 360, got {place.field_of_view_deg:g}")
        for name in ("purpose", "legal_basis", "approved_view"):
            note = getattr(place, name)
            if note is not None and not 0 < len(note) <= MAX_NOTE_LETTERS:
                problems.append(f"{where}: {name} must have 1 to {MAX_NOTE_LETTERS} characters")
    return problems


def _row(place: CameraPlace, tree: AreaTree, at: datetime) -> dict[str, Any]:
    if place.area_code is not None:
        code, located, note = place.area_code, ASSIGNED, "assigned to this area"
    else:
        found = locate(tree.on(day_of(at)), place.longitude, place.latitude)
        code, located, note = found.code or "", found.how, found.note
    return {
        "camera_id": place.camera_id,
        "name": place.name,
        "area_code": code or None,
        "area_path": tree.path_of(code) if code else "",
        "located": located,
        "located_note": note,
        "longitude": place.longitude,
        "latitude": place.latitude,
        "place_class": place.place_class,
        "bearing_deg": place.bearing_deg,
        "field_of_view_deg": place.field_of_view_deg,
        "node_id": place.node_id,
        "purpose": place.purpose,
        "legal_basis": place.legal_basis,
        "signed_on": place.signed_on,
        "approved_view": place.approved_view,
        "view_approved_on": place.view_approved_on,
        "review_by": place.review_by,
    }


async def upsert_cameras(
    conn: AsyncConnection, places: Sequence[CameraPlace], tree: AreaTree, *, at: datetime, actor: str = "system"
) -> CameraChanges:
    """Put these cameras in the register; others stay. Raises ImportRefused with every problem."""
    problems = check_places(places, tree)
    if problems:
        raise ImportRefused(problems)
    known = {row["camera_id"]: dict(row) for row in (await conn.execute(select(cameras))).mappings()}
    added: list[str] = []
    changed: list[str] = []
    for place in sorted(places, key=lambda place: place.camera_id):
        row = _row(place, tree, at)
        before = known.get(place.camera_id)
        if before is None:
            added.append(place.camera_id)
            await conn.execute(insert(cameras), {**row, "updated_at": at})
        elif any(before[name] != value for name, value in row.items()):
            changed.append(place.camera_id)
            if before["released_at"] is not None and before["released_digest"] != digest_of(row):
                row["released_at"] = None  # other words than were signed for: they need a signature of their own
            await conn.execute(
                update(cameras).where(cameras.c.camera_id == place.camera_id).values(**row, updated_at=at)
            )
    changes = CameraChanges(tuple(added), tuple(changed), len(places) - len(added) - len(changed))
    if added or changed:
        detail = {"added": len(added), "changed": len(changed)}
        await chain.record(
            conn, actor=actor, action="cameras.imported", object_kind="cameras", object_id="*", detail=detail, at=at
        )
    return changes


async def remove_camera(conn: AsyncConnection, camera_id: str) -> bool:
    """Take a camera out of the register; False when it was not in it."""
    return (await conn.execute(delete(cameras).where(cameras.c.camera_id == camera_id))).rowcount > 0


@dataclass(frozen=True, slots=True)
class Moved:
    """A camera that belongs to another area now. `area_code` None: there are no areas."""

    camera_id: str
    area_code: str | None
    old_path: str
    new_path: str


async def relocate(
    conn: AsyncConnection, tree: AreaTree, *, at: datetime, only: Sequence[str] | None = None
) -> list[Moved]:
    """Locate again what has no assignment, of all cameras or of these; those that belong to another area now."""
    query = select(cameras).where(cameras.c.located != ASSIGNED).order_by(cameras.c.camera_id).with_for_update()
    if only is not None:
        query = query.where(among(conn, cameras.c.camera_id, only))
    moved: list[Moved] = []
    for row in (await conn.execute(query)).mappings().all():
        values = _located(row, tree, at)
        if any(row[name] != value for name, value in values.items()):
            one = row["camera_id"]
            await conn.execute(update(cameras).where(cameras.c.camera_id == one).values(**values, updated_at=at))
            if row["area_path"] != values["area_path"]:
                moved.append(Moved(one, values["area_code"], row["area_path"], values["area_path"]))
    return moved


@dataclass(frozen=True, slots=True)
class Lot:
    """Some cameras in the order of their ids, looked at. `last` None: there are no more.

    Attributes:
        to_move: those that lie in another area on this day, or otherwise in the same.
        of_ended_areas: how many are assigned to one that is none on this day.
    """

    to_move: tuple[str, ...]
    of_ended_areas: int
    last: str | None


async def next_lot(conn: AsyncConnection, tree: AreaTree, at: datetime, *, after: str, most: int) -> Lot:
    """The cameras behind this id. Nothing is changed."""
    query = select(cameras).where(cameras.c.camera_id > after).order_by(cameras.c.camera_id).limit(most)
    rows = (await conn.execute(query)).mappings().all()
    today = tree.on(day_of(at))
    free = [row for row in rows if row["located"] != ASSIGNED]
    to_move = [row["camera_id"] for row in free if not _lies_right(row, _located(row, tree, at))]
    ended = sum(row["located"] == ASSIGNED and row["area_code"] not in today for row in rows)
    return Lot(tuple(to_move), ended, rows[-1]["camera_id"] if len(rows) == most else None)


def _lies_right(row: RowMapping, located: dict[str, Any]) -> bool:
    return all(row[name] == located[name] for name in ("area_path", "located"))


def _located(row: RowMapping, tree: AreaTree, at: datetime) -> dict[str, Any]:
    """The row of a camera without an assignment as the areas of this moment's day make it."""
    return _row(replace(_place(row), area_code=None), tree, at)
