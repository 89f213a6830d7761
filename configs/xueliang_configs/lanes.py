"""The register of fire lanes as it is imported: where each one runs, who keeps it clear, which cameras watch it.

YAML as below, or a GeoJSON FeatureCollection: the properties of a feature are the keys of a lane, its geometry
(LineString or Polygon without holes) is `line` or `polygon`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, field_validator, model_validator

from xueliang_configs.areas import Position
from xueliang_configs.cameras import Datum
from xueliang_configs.values import Name, PlainId, Settings, problem

MOST_POINTS: Final = 500
PHONE_PATTERN: Final = r"\+?[0-9][0-9 -]{3,22}[0-9]"
_PHONE: Final = re.compile(PHONE_PATTERN)


def _flat(value: object) -> object:
    """Positions may carry a height: it is dropped."""
    return value[:2] if isinstance(value, list | tuple) and len(value) == 3 else value


def _phone(value: object) -> object:
    """What came is a telephone number and is not repeated."""
    if isinstance(value, str) and _PHONE.fullmatch(value):
        return value
    hint = "write it in quotes: a number loses its leading zeros" if isinstance(value, int) else "0531-8000 0119"
    raise problem("phone", "expected a telephone number: 5 to 25 digits, spaces and hyphens", "", hint)


def _printable(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise problem("printable", "expected printable letters without spaces around them", repr(value)[:60])
    return value


Spot = Annotated[Position, BeforeValidator(_flat)]
Line = Annotated[tuple[Spot, ...], Field(min_length=2, max_length=MOST_POINTS)]
Ring = Annotated[tuple[Spot, ...], Field(min_length=3, max_length=MOST_POINTS)]
Phone = Annotated[str, BeforeValidator(_phone)]
PlainName = Annotated[Name, AfterValidator(_printable)]


class RegisteredLane(Settings):
    """One fire lane: a line with its width, or a polygon."""

    lane_id: PlainId = Field(description="Unique in the city.")
    name: PlainName = Field(description="What people call it.")
    line: Line | None = Field(default=None, description="Its middle, from end to end: longitude, latitude in `datum`.")
    width_m: Annotated[float, Field(ge=1.0, le=50.0)] | None = Field(
        default=None, description="How wide it is, metres; needed with `line`."
    )
    polygon: Ring | None = Field(default=None, description="Its border: longitude, latitude in `datum`.")
    datum: Datum = Field(default=Datum.WGS84, description="What positions are measured against; kept as WGS84.")
    unit: PlainName = Field(description="The managing unit: who keeps it clear.")
    duty_phone: Phone = Field(
        description="Where the managing unit is reached at any hour; shown with a right of its own."
    )
    cameras: tuple[PlainId, ...] = Field(
        default=(), max_length=32, description="Cameras of the register that watch it."
    )
    valid_from: date | None = Field(default=None, description="First day on which it is a fire lane; null: always was.")
    valid_to: date | None = Field(default=None, description="Last day; null: until further notice.")

    @field_validator("valid_to")
    @classmethod
    def _not_before(cls, value: date | None, info: ValidationInfo) -> date | None:
        begin = info.data.get("valid_from")
        if value is not None and begin is not None and value < begin:
            raise problem("order", f"expected a day not before valid_from ({begin})", str(value))
        return value

    @field_validator("cameras")
    @classmethod
    def _once_each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise problem("twice", "expected each camera once", ", ".join(value)[:80])
        return value

    @model_validator(mode="after")
    def _one_shape(self) -> Self:
        if (self.line is None) == (self.polygon is None):
            raise problem("shape", "expected either line or polygon", "both" if self.line else "none of them")
        if (self.line is None) != (self.width_m is None):
            raise problem("width", "expected width_m with line, and only with it", "", "width_m: 4")
        return self


class LaneTable(Settings):
    """The lanes file of `xueliang-centre import-lanes`."""

    lanes: tuple[RegisteredLane, ...] = Field(min_length=1, description="All lanes to add or change.")


def lanes_of_geojson(value: Mapping[str, Any]) -> dict[str, Any] | None:
    """A FeatureCollection as the plain values of a LaneTable, not checked yet; None when it is none.

    A geometry of another kind stays as `geometry`, which a lane does not have: it is refused with its place.
    """
    features = value.get("features")
    if value.get("type") != "FeatureCollection" or not isinstance(features, list):
        return None
    return {"lanes": [_lane_of(feature) for feature in features]}


def _lane_of(feature: Any) -> Any:
    if not isinstance(feature, dict) or not isinstance(feature.get("properties"), dict):
        return feature
    said, geometry = dict(feature["properties"]), feature.get("geometry")
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    coordinates = geometry.get("coordinates") if isinstance(geometry, dict) else None
    if kind == "LineString":
        return {**said, "line": coordinates}
    if kind == "Polygon" and isinstance(coordinates, list) and len(coordinates) == 1:
        return {**said, "polygon": coordinates[0]}
    return {**said, "geometry": geometry}
