"""A file of fire lanes into the register: checked whole, told as a diff, taken in one transaction or not at all.

What the file says of a lane replaces what was there; its marking photo is no part of the file and stays. What the file
does not name stays, unless missing lanes are to be removed. No line tells a telephone number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from shapely.geometry import shape as shapely_shape
from shapely.validation import explain_validity
from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.datums import to_wgs84
from xueliang_central.areas.locating import locate
from xueliang_central.areas.tree import AreaTree, Level, day_of
from xueliang_central.audit import chain
from xueliang_central.errors import ImportRefused
from xueliang_central.lanes.register import cameras_by_lane, problems_of_cameras, write_cameras
from xueliang_central.lanes.tables import lanes
from xueliang_configs.lanes import LaneTable, RegisteredLane

Row = dict[str, Any]

_COMPARED: Final = ("name", "shape", "width_m", "area_code", "unit", "duty_phone", "valid_from", "valid_to", "cameras")


async def import_lanes(
    conn: AsyncConnection,
    tree: AreaTree,
    table: LaneTable,
    *,
    at: datetime,
    by: str,
    dry_run: bool,
    remove_missing: bool,
) -> list[str]:
    """What changes, a line for each lane, then the sums, then what looks odd. Raises ImportRefused."""
    today = tree.on(day_of(at))
    wanted = {lane.lane_id: _row(lane, today) for lane in table.lanes}
    problems = _problems_of_shapes(wanted)
    problems += await problems_of_cameras(conn, tree, {name: (row, row["cameras"]) for name, row in wanted.items()})
    if problems:
        raise ImportRefused([*problems, "nothing was changed"])
    known = (await conn.execute(select(lanes).with_for_update())).mappings().all()  # nobody changes one meanwhile
    watching = await cameras_by_lane(conn)
    before = {row["lane_id"]: {**row, "cameras": watching.get(row["lane_id"], ())} for row in known}
    added = sorted(set(wanted) - set(before))
    changed = {
        name: what for name in sorted(set(wanted) & set(before)) if (what := _differences(before[name], wanted[name]))
    }
    removed = sorted(set(before) - set(wanted)) if remove_missing else []
    if (added or changed or removed) and not dry_run:
        await _write(conn, {name: wanted[name] for name in (*added, *changed)}, before, removed, at=at, by=by)
    sums = f"{len(added)} added, {len(changed)} changed, {len(removed)} removed"
    return [
        *(f"+ {name} {wanted[name]['name']}" for name in added),
        *(f"~ {name} {wanted[name]['name']}: {', '.join(what)}" for name, what in changed.items()),
        *(f"- {name} {before[name]['name']}" for name in removed),
        f"{sums}, {len(wanted) - len(added) - len(changed)} unchanged",
        *(f"note: {note}" for note in _odd_ones(wanted)),
    ]


async def relocate(conn: AsyncConnection, tree: AreaTree) -> int:
    """After areas were imported, began or ended: which of these each lane lies in; how many belong to another one."""
    moved = 0
    for row in (await conn.execute(select(lanes))).mappings().all():
        values = located(tree, row["shape"])
        if any(row[name] != value for name, value in values.items()):
            moved += row["area_path"] != values["area_path"]
            await conn.execute(update(lanes).where(lanes.c.lane_id == row["lane_id"]).values(**values))
    return moved


def located(tree: AreaTree, shape: dict[str, Any]) -> Row:
    """The columns that say in which area a lane lies: where its middle is."""
    geometry = shapely_shape(shape)
    # A point on the lane itself: the centre of an angled one may lie in the house beside it.
    middle = geometry.interpolate(0.5, normalized=True) if shape["type"] == "LineString" else geometry
    point = middle.representative_point()
    found = locate(tree, point.x, point.y)
    return {
        "area_code": found.code,
        "area_path": tree.path_of(found.code) if found.code else "",
        "located": found.how,
        "located_note": found.note,
    }


def _row(lane: RegisteredLane, tree: AreaTree) -> Row:
    if lane.line is not None:
        shape: Row = {"type": "LineString", "coordinates": [_place(spot, lane) for spot in lane.line]}
    else:
        ring = [_place(spot, lane) for spot in lane.polygon or ()]
        shape = {"type": "Polygon", "coordinates": [ring if ring[0] == ring[-1] else [*ring, ring[0]]]}
    named = ("name", "width_m", "unit", "duty_phone", "valid_from", "valid_to")
    row = {name: getattr(lane, name) for name in named} | {"lane_id": lane.lane_id, "shape": shape}
    is_whole = len({tuple(spot) for spot in lane.line or lane.polygon or ()}) >= (2 if lane.line else 3)
    where = located(tree, shape) if is_whole else {"area_code": None, "area_path": ""}
    return {**row, **where, "cameras": tuple(sorted(lane.cameras))}


def _place(spot: tuple[float, float], lane: RegisteredLane) -> list[float]:
    return list(to_wgs84(spot, lane.datum))


def _problems_of_shapes(wanted: Mapping[str, Row]) -> list[str]:
    problems = []
    for number, (name, row) in enumerate(wanted.items()):
        geometry = shapely_shape(row["shape"])
        if not geometry.is_valid:
            problems.append(f"lanes.{number} ({name}): the shape is not valid: {explain_validity(geometry)}")
        elif (geometry.length if row["shape"]["type"] == "LineString" else geometry.area) <= 0:
            problems.append(f"lanes.{number} ({name}): the shape has no extent")
        elif not row["area_path"]:
            problems.append(f"lanes.{number} ({name}): no areas have been imported; import areas first")
    return problems


def _differences(before: Row, after: Row) -> tuple[str, ...]:
    return tuple(name for name in _COMPARED if before[name] != after[name])


def _odd_ones(wanted: Mapping[str, Row]) -> list[str]:
    return [
        f"{name} belongs to {row['area_code']}: {row['located_note']}"
        for name, row in sorted(wanted.items())
        if row["located"] != "inside" or len(row["area_path"].split("/")) < len(Level)
    ]


async def _write(
    conn: AsyncConnection,
    rows: Mapping[str, Row],
    before: Mapping[str, Row],
    removed: Sequence[str],
    *,
    at: datetime,
    by: str,
) -> None:
    for name, row in rows.items():
        values = {key: value for key, value in row.items() if key != "cameras"} | {"changed_at": at, "changed_by": by}
        if name in before:
            version = before[name]["version"] + 1
            await conn.execute(update(lanes).where(lanes.c.lane_id == name).values(**values, version=version))
        else:
            await conn.execute(insert(lanes), {**values, "marking_photo": None, "version": 1})
        await write_cameras(conn, name, row["cameras"])
        what = _differences(before[name], row) if name in before else ("added",)
        await _record(conn, name, "lane.imported", {"what": list(what)}, by=by, at=at)
    for name in removed:
        await write_cameras(conn, name, ())
        await conn.execute(delete(lanes).where(lanes.c.lane_id == name))
        await _record(conn, name, "lane.removed", {}, by=by, at=at)


async def _record(conn: AsyncConnection, lane_id: str, action: str, detail: Row, *, by: str, at: datetime) -> None:
    await chain.record(conn, actor=by, action=action, object_kind="lane", object_id=lane_id, detail=detail, at=at)
