"""A file of areas into the tree: checked whole, told as a diff, taken in one transaction or not at all.

What the file does not name stays, unless missing areas are to be removed; one that cameras or people still belong to,
or in which a case is open, is never removed. Form, codes, levels and parents are checked by
`xueliang_configs.loading.load_areas`; here the
polygons are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from shapely import union_all
from shapely.geometry import shape
from shapely.validation import explain_validity
from sqlalchemy import Column, Select, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tables import area_imports, areas
from xueliang_central.areas.tree import (
    LEVEL_OF_LENGTH,
    Area,
    AreaTree,
    area_from_row,
    load_tree,
    parent_code,
    path_by_code,
)
from xueliang_central.audit import chain
from xueliang_central.errors import ImportRefused
from xueliang_configs.areas import AreaTable

_NAMED = 5  # cases of an area in a refusal
_MIN_INSIDE_PARENT = 0.9  # hand-drawn borders differ a little; less than this is a wrong code or a wrong polygon


@dataclass(frozen=True, slots=True)
class AreaDiff:
    """What an import does. `notes`: what looks odd and is taken all the same."""

    added: tuple[Area, ...]
    changed: tuple[tuple[Area, tuple[str, ...]], ...]
    removed: tuple[Area, ...]
    unchanged: int
    notes: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """For the operator: one line per area, then the sums, then the notes."""
        told = [f"+ {area.code} {area.level.value} {area.name}{_span(area)}" for area in self.added]
        told += [
            f"~ {area.code} {area.level.value} {area.name}: {', '.join(what)}{_span(area)}"
            for area, what in self.changed
        ]
        told += [f"- {area.code} {area.level.value} {area.name}" for area in self.removed]
        sums = f"{len(self.added)} added, {len(self.changed)} changed, {len(self.removed)} removed"
        return [*told, f"{sums}, {self.unchanged} unchanged", *(f"note: {note}" for note in self.notes)]


def _span(area: Area) -> str:
    """ ", valid from 2027-01-01 until 2027-12-31"; empty for one without dates."""
    begins = f" from {area.valid_from}" if area.valid_from else ""
    ends = f" until {area.valid_to}" if area.valid_to else ""
    return f", valid{begins}{ends}" if begins or ends else ""


def areas_of(table: AreaTable) -> list[Area]:
    """The file's areas, checked. Raises ImportRefused with every problem."""
    problems: list[str] = []
    found: list[Area] = []
    for number, feature in enumerate(table.features):
        said = feature.properties
        where = f"features.{number} ({said.code} {said.name!r})"
        geometry = None if feature.geometry is None else feature.geometry.model_dump(mode="json")
        if geometry is not None:
            polygon = shape(geometry)
            if not polygon.is_valid:
                problems.append(f"{where}: the polygon is not valid: {explain_validity(polygon)}")
                continue
            if polygon.area <= 0:
                problems.append(f"{where}: the polygon has no area")
                continue
        row = {
            "code": said.code,
            "name": said.name,
            "name_en": said.name_en or said.name,
            "level": LEVEL_OF_LENGTH[len(said.code)].value,
            "parent": parent_code(said.code),
            "path": path_by_code(said.code),
            "geometry": geometry,
            "valid_from": said.valid_from,
            "valid_to": said.valid_to,
        }
        found.append(area_from_row(row))
    if problems:
        raise ImportRefused(problems)
    return found


def odd_ones(tree: AreaTree) -> list[str]:
    """Areas that lie partly outside the area above them, in words."""
    notes = []
    for area in tree:
        parent = tree.find(area.parent)
        if parent is None or parent.polygon.is_empty or area.polygon.is_empty:
            continue
        share = area.polygon.intersection(parent.polygon).area / area.polygon.area
        if share < _MIN_INSIDE_PARENT:
            notes.append(f"{area.code} {area.name} lies {share:.0%} inside {parent.code} {parent.name}")
    return notes


def not_succeeded(tree: AreaTree) -> list[str]:
    """Areas that end while part of them lies in no area of their level that is valid on the day after, in words."""
    notes = []
    for area in tree:
        if area.valid_to is None or area.valid_to == date.max or area.polygon.is_empty:
            continue
        day = area.valid_to + timedelta(days=1)
        after = [one.polygon for one in tree.at_level(area.level) if one.is_valid(day) and not one.polygon.is_empty]
        left = area.polygon.difference(union_all(after)).area / area.polygon.area if after else 1.0
        if left > 1 - _MIN_INSIDE_PARENT:
            notes.append(f"{area.code} {area.name} ends on {area.valid_to}, and nothing follows in {left:.0%} of it")
    return notes


def diff(before: AreaTree, after: Sequence[Area], *, remove_missing: bool) -> AreaDiff:
    """What taking these areas changes."""
    added, changed = [], []
    for area in sorted(after, key=lambda area: area.path):
        old = before.find(area.code)
        if old is None:
            added.append(area)
        else:
            what = tuple(name for name in _COMPARED if getattr(old, name) != getattr(area, name))
            if what:
                changed.append((area, what))
    named = {area.code for area in after}
    removed = [area for area in before if area.code not in named] if remove_missing else []
    unchanged = len(after) - len(added) - len(changed)
    removed_codes = {area.code for area in removed}
    kept = [area for area in before if area.code not in named and area.code not in removed_codes]
    tree = AreaTree([*kept, *after])
    notes = [*odd_ones(tree), *not_succeeded(tree)]
    return AreaDiff(tuple(added), tuple(changed), tuple(reversed(removed)), unchanged, tuple(notes))


_COMPARED = ("name", "name_en", "geometry", "valid_from", "valid_to")


async def import_areas(
    conn: AsyncConnection,
    table: AreaTable,
    *,
    at: datetime,
    by: str,
    remove_missing: bool = False,
    holders: Mapping[str, Column[Any]] | None = None,
    going_on: Select[str, str] | None = None,
) -> AreaDiff:
    """Take the file in, in this transaction.

    Args:
        holders: columns of area codes that must keep existing, by what they are called ("cameras", "users").
        going_on: area code and name of what must end before its area may go ("incident 20261123-0007").

    Raises:
        ImportRefused: with every problem; the transaction must then be given up.
    """
    after = areas_of(table)
    changes = diff(await load_tree(conn), after, remove_missing=remove_missing)
    await _refuse_orphans(conn, changes, holders or {}, going_on)
    if not (changes.added or changes.changed or changes.removed):
        return changes
    if changes.removed:
        await conn.execute(delete(areas).where(areas.c.code.in_([area.code for area in changes.removed])))
    if changes.added:
        await conn.execute(insert(areas), [_row(area) for area in changes.added])
    for area, _ in changes.changed:
        await conn.execute(update(areas).where(areas.c.code == area.code).values(**_row(area)))
    sums = {"added": len(changes.added), "changed": len(changes.changed), "removed": len(changes.removed)}
    await conn.execute(insert(area_imports), {"imported_at": at, "imported_by": by, **sums})
    await chain.record(conn, actor=by, action="areas.imported", object_kind="areas", object_id="*", detail=sums, at=at)
    return changes


def _row(area: Area) -> dict[str, Any]:
    names = ("code", "name", "name_en", "parent", "path", "valid_from", "valid_to")
    row = {name: getattr(area, name) for name in names}
    return {**row, "level": area.level.value, "geometry": area.geometry}


async def _refuse_orphans(
    conn: AsyncConnection,
    changes: AreaDiff,
    holders: Mapping[str, Column[Any]],
    going_on: Select[str, str] | None,
) -> None:
    """Raises ImportRefused when something still belongs to an area that would go."""
    removed = [area.code for area in changes.removed]
    problems: list[str] = []
    for what, column in holders.items():
        if removed:
            used = await conn.execute(select(column).where(column.in_(removed)).distinct().order_by(column))
            problems += [f"area {code}: {what} still belong to it" for code in used.scalars()]
    if removed and going_on is not None:
        named: dict[str, list[str]] = defaultdict(list)
        for row in (await conn.execute(going_on)).all():
            if row[0] in removed:
                named[row[0]].append(row[1])
        problems += [f"area {code}: {_few(whats)} to be closed first" for code, whats in sorted(named.items())]
    if problems:
        raise ImportRefused(problems)


def _few(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    shown = ", ".join(sorted(names)[:_NAMED])
    return f"{shown} and {more} more have" if more > 0 else f"{shown} {'has' if len(names) == 1 else 'have'}"
