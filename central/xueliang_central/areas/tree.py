"""The area tree in memory: frozen, replaced as a whole when areas are imported.

Codes are GB/T 2260 style: 4 / 6 / 9 / 12 / 15 digits for city / county / township / village / grid, and the code of
the parent is the beginning of the code of the child.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from shapely.geometry import Polygon, shape
from shapely.geometry.base import BaseGeometry
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from xueliang_central.areas.tables import area_imports, areas
from xueliang_central.errors import NotFound
from xueliang_central.store.database import Database
from xueliang_configs.schedules import DEFAULT_TIME_ZONE, zone_of
from xueliang_configs.values import AreaLevel

Level = AreaLevel


CODE_LENGTHS: Final[Mapping[Level, int]] = {
    Level.CITY: 4,
    Level.COUNTY: 6,
    Level.TOWNSHIP: 9,
    Level.VILLAGE: 12,
    Level.GRID: 15,
}
LEVEL_OF_LENGTH: Final[Mapping[int, Level]] = {length: level for level, length in CODE_LENGTHS.items()}
_LENGTHS: Final = tuple(CODE_LENGTHS.values())
_ZONE: Final = zone_of(DEFAULT_TIME_ZONE)
_DAYS_KEPT: Final = 8  # trees of single days: today's, and those of alerts that come late


def higher(one: Level | str, other: Level | str) -> Level:
    """The one nearer to the root."""
    return min(Level(one), Level(other), key=CODE_LENGTHS.__getitem__)


def parent_code(code: str) -> str | None:
    """The code one level up, by its digits alone; None for a city."""
    shorter = [length for length in _LENGTHS if length < len(code)]
    return code[: shorter[-1]] if shorter else None


def path_by_code(code: str) -> str:
    """ "370102003" → "3701/370102/370102003"."""
    return "/".join(code[:length] for length in _LENGTHS if length <= len(code))


def day_of(at: datetime) -> date:
    """The local day of a moment (aware), for `AreaTree.on`."""
    return at.astimezone(UTC).astimezone(_ZONE).date()


def code_of_path(path: str) -> str:
    """The last part of a path: the area itself."""
    return path.rsplit("/", 1)[-1]


@dataclass(frozen=True, slots=True)
class Area:
    """One node of the tree.

    Attributes:
        parent: code one level up; None for a root.
        path: the codes from the root to here, joined by "/".
        polygon: shapely Polygon or MultiPolygon, WGS84 degrees (longitude, latitude); empty when none was imported.
        geometry: the same as GeoJSON, as imported; None when none was.
        valid_from, valid_to: first and last local day on which it is an area; None: always was, until further notice.
    """

    code: str
    name: str
    name_en: str
    level: Level
    parent: str | None
    path: str
    polygon: BaseGeometry = field(compare=False, repr=False)
    geometry: Mapping[str, Any] | None = field(repr=False)
    valid_from: date | None = None
    valid_to: date | None = None

    def is_valid(self, day: date) -> bool:
        """Is it an area on this local day?"""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)


class AreaTree:
    """All areas, by code. An empty tree is normal before the first import."""

    def __init__(self, found: Iterable[Area] = ()) -> None:
        self._by_code = {area.code: area for area in sorted(found, key=lambda area: (len(area.code), area.code))}
        self._children: dict[str | None, list[Area]] = {}
        for area in self._by_code.values():
            self._children.setdefault(area.parent, []).append(area)
        self.is_dated = any(area.valid_from or area.valid_to for area in self._by_code.values())
        self._on_days: dict[date, AreaTree] = {}

    def on(self, day: date) -> AreaTree:
        """Those that are valid on this local day; where no root is, all of them: nothing is dropped."""
        if not self.is_dated:
            return self
        if day not in self._on_days:
            kept = [area for area in self if area.is_valid(day)]
            is_whole = len(kept) == len(self) or all(area.parent is not None for area in kept)
            if len(self._on_days) >= _DAYS_KEPT:
                self._on_days.clear()
            self._on_days[day] = self if is_whole else AreaTree(kept)
        return self._on_days[day]

    def __len__(self) -> int:
        return len(self._by_code)

    def __iter__(self) -> Iterator[Area]:
        return iter(self._by_code.values())

    def __contains__(self, code: object) -> bool:
        return code in self._by_code

    def get(self, code: str) -> Area:
        """Raises NotFound."""
        try:
            return self._by_code[code]
        except KeyError:
            raise NotFound(f"area {code[:15]!r}") from None

    def find(self, code: str | None) -> Area | None:
        return None if code is None else self._by_code.get(code)

    def nearest(self, code: str) -> Area | None:
        """The area, or the nearest above it that an import has left; None: nothing is left."""
        known: str | None = code
        while known is not None and known not in self._by_code:
            known = parent_code(known)
        return self.find(known)

    def path_of(self, code: str) -> str:
        """Raises NotFound."""
        return self.get(code).path

    def ancestors(self, code: str) -> tuple[Area, ...]:
        """From the root to the parent; empty for a root."""
        above: list[Area] = []
        current = self.find(self.get(code).parent)
        while current is not None:
            above.append(current)
            current = self.find(current.parent)
        return tuple(reversed(above))

    def chain(self, code: str) -> tuple[Area, ...]:
        """From the root to the area itself."""
        return (*self.ancestors(code), self.get(code))

    def children(self, code: str | None) -> tuple[Area, ...]:
        """One level down; of None: the roots."""
        return tuple(self._children.get(code, ()))

    def roots(self) -> tuple[Area, ...]:
        return self.children(None)

    def at_level(self, level: Level | str) -> tuple[Area, ...]:
        return tuple(area for area in self._by_code.values() if area.level == level)

    def ancestor_at(self, code: str, level: Level | str) -> Area | None:
        """The area itself or the one above it at this level; None when the code stands above it."""
        return next((area for area in self.chain(code) if area.level == level), None)


def area_from_row(row: Mapping[str, Any]) -> Area:
    """One row of `areas`, or the like made from an import file."""
    geometry = row["geometry"]
    return Area(
        code=row["code"],
        name=row["name"],
        name_en=row["name_en"],
        level=Level(row["level"]),
        parent=row["parent"],
        path=row["path"],
        polygon=Polygon() if geometry is None else shape(geometry),
        geometry=geometry,
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
    )


async def load_tree(conn: AsyncConnection) -> AreaTree:
    """The tree as it stands in the database."""
    found = await conn.execute(select(areas))
    return AreaTree(area_from_row(dict(row)) for row in found.mappings())


class AreaBook:
    """The current tree, read again when another process has imported areas. Hand this on, not the tree."""

    def __init__(self, tree: AreaTree | None = None) -> None:
        self.tree = tree or AreaTree()
        self._import_id = -1

    async def refresh(self, database: Database) -> bool:
        """Read the tree again if there was an import since; True when it was read."""
        async with database.reading() as conn:
            newest = (await conn.execute(select(func.max(area_imports.c.import_id)))).scalar_one() or 0
            if newest == self._import_id:
                return False
            self.tree = await load_tree(conn)
        self._import_id = newest
        return True


def brief(area: Area) -> dict[str, str]:
    """The area as API answers name it."""
    return {"code": area.code, "name": area.name, "name_en": area.name_en, "level": area.level.value}
