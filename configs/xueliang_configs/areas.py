"""The area tree as it is imported: a GeoJSON FeatureCollection, one feature per area.

Codes are digits; their length says the level (4 city, 6 county, 9 township, 12 village, 15 grid) and the prefix is the
parent. Nothing of a real city is built in.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from xueliang_configs.values import AreaLevel, Name, Settings, problem

LEVEL_OF_LENGTH: Final = {
    4: AreaLevel.CITY,
    6: AreaLevel.COUNTY,
    9: AreaLevel.TOWNSHIP,
    12: AreaLevel.VILLAGE,
    15: AreaLevel.GRID,
}
_LENGTHS: Final = tuple(LEVEL_OF_LENGTH)


def level_of(code: str) -> AreaLevel:
    """The level a code stands for. Raises KeyError for a code of another length."""
    return LEVEL_OF_LENGTH[len(code)]


def parent_code(code: str) -> str | None:
    """The code of the area above; None for a city."""
    index = _LENGTHS.index(len(code))
    return code[: _LENGTHS[index - 1]] if index else None


def _code(value: object) -> object:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) in LEVEL_OF_LENGTH:
        return value
    hint = "write it in quotes: a number loses its leading zeros" if isinstance(value, int) else "370102003005007"
    raise problem("area_code", "expected 4, 6, 9, 12 or 15 digits", repr(value)[:40], hint)


AreaCode = Annotated[str, BeforeValidator(_code)]
Position = tuple[Annotated[float, Field(ge=-180, le=180)], Annotated[float, Field(ge=-90, le=90)]]


def _flat(value: object) -> object:
    """GeoJSON positions may carry a height: it is dropped."""
    return value[:2] if isinstance(value, list | tuple) and len(value) == 3 else value


Ring = Annotated[tuple[Annotated[Position, BeforeValidator(_flat)], ...], Field(min_length=4)]
Rings = Annotated[tuple[Ring, ...], Field(min_length=1)]


def _closed(rings: Iterator[tuple[tuple[float, float], ...]]) -> None:
    for ring in rings:
        if ring[0] != ring[-1]:
            raise problem("ring_open", "expected each ring to end where it began", f"{ring[0]} and {ring[-1]}")


class PolygonGeometry(Settings):
    """Outer ring first, then holes; longitude, latitude, WGS84 degrees."""

    type: Literal["Polygon"]
    coordinates: Rings

    @field_validator("coordinates")
    @classmethod
    def _rings_closed(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        _closed(iter(value))
        return value


class MultiPolygonGeometry(Settings):
    """Several polygons: an area in parts."""

    type: Literal["MultiPolygon"]
    coordinates: Annotated[tuple[Rings, ...], Field(min_length=1)]

    @field_validator("coordinates")
    @classmethod
    def _rings_closed(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        _closed(ring for rings in value for ring in rings)
        return value


class _GeoJson(BaseModel):
    """GeoJSON allows members of others (bbox, id, crs): they are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, hide_input_in_errors=True)


class AreaProperties(_GeoJson):
    """What a feature says of its area."""

    code: AreaCode
    name: Name
    name_en: Annotated[str, Field(max_length=80)] = ""
    level: AreaLevel
    valid_from: date | None = None
    valid_to: date | None = None

    @field_validator("level")
    @classmethod
    def _fits_code(cls, value: AreaLevel, info: ValidationInfo) -> AreaLevel:
        code = info.data.get("code")
        if code is not None and level_of(code) is not value:
            right = level_of(code).value
            raise problem("area_level", f"expected {right}: the code has {len(code)} digits", value.value, right)
        return value

    @field_validator("valid_to")
    @classmethod
    def _after_from(cls, value: date | None, info: ValidationInfo) -> date | None:
        begin = info.data.get("valid_from")
        if value is not None and begin is not None and value <= begin:
            raise problem("order", f"expected a day after valid_from ({begin})", str(value))
        return value


class AreaFeature(_GeoJson):
    """One area."""

    type: Literal["Feature"]
    properties: AreaProperties
    geometry: Annotated[PolygonGeometry | MultiPolygonGeometry, Field(discriminator="type")] | None = None


class AreaTable(_GeoJson):
    """The areas file of `xueliang-centre import-areas`. The tree's own rules are checked by `loading.load_areas`."""

    type: Literal["FeatureCollection"]
    features: Annotated[tuple[AreaFeature, ...], Field(min_length=1)]
