"""A rule: one hazard's settings and a zone, on one camera."""

from __future__ import annotations

from typing import Annotated, Self, TypeAlias, TypeGuard

from pydantic import Field, model_validator

from xueliang_alerts.contract import Severity
from xueliang_configs.ground import area_of
from xueliang_configs.hazards import (
    BlockedExitSettings,
    CameraFaultSettings,
    CrowdSettings,
    FireLaneSettings,
    FireSmokeSettings,
    IllegalParkingSettings,
    ZoneSettings,
)
from xueliang_configs.hazards_of_change import DebrisOnRoadSettings, WaterLevelSettings
from xueliang_configs.hazards_of_movement import (
    EbikeIndoorsSettings,
    IntrusionSettings,
    LineCrossingSettings,
    LineSettings,
    WrongWaySettings,
)
from xueliang_configs.values import PlaceClass, PlainId, Settings


class RuleSettings(Settings):
    """What every rule has."""

    rule_id: PlainId = Field(description="Unique on its camera. Alerts carry it: keep it when settings change.")
    version: int = Field(
        default=1, ge=1, le=1_000_000, description="Raise it with each change, so that alerts say which."
    )
    drill: bool = Field(
        default=False, description="Alerts are exercises: flagged end to end and kept out of statistics."
    )
    shadow: bool = Field(
        default=False,
        description="The rule is judged as any other and tells nobody: its alerts are counted and logged on the node, "
        "with a masked still each. To try a rule before it counts.",
    )
    severity_by_place: dict[PlaceClass, Severity] = Field(
        default={}, description="Another severity on cameras of these place classes; others have `severity`."
    )
    detector: PlainId = Field(default="objects", description="Which entry of `detectors` this rule looks through.")


class FireLaneRule(RuleSettings, ZoneSettings, FireLaneSettings):
    """A fire lane that must stay free."""


class BlockedExitRule(RuleSettings, ZoneSettings, BlockedExitSettings):
    """An evacuation exit that must stay free."""


class IllegalParkingRule(RuleSettings, ZoneSettings, IllegalParkingSettings):
    """A zone where vehicles must not stand."""


class CrowdRule(RuleSettings, ZoneSettings, CrowdSettings):
    """A zone where people must not gather."""

    @model_validator(mode="after")
    def _zone_is_on_the_ground(self) -> Self:
        if self.ground is not None:
            area_of(self.ground, self.zone)
        return self


class FireSmokeRule(RuleSettings, ZoneSettings, FireSmokeSettings):
    """A zone watched for flame and smoke, by a detector that knows them."""


class IntrusionRule(RuleSettings, ZoneSettings, IntrusionSettings):
    """A zone that nobody may enter."""


class LineCrossingRule(RuleSettings, LineSettings, LineCrossingSettings):
    """A line that must not be crossed."""


class WrongWayRule(RuleSettings, ZoneSettings, WrongWaySettings):
    """A zone with one permitted direction."""


class EbikeIndoorsRule(RuleSettings, ZoneSettings, EbikeIndoorsSettings):
    """A lobby or a lift without two-wheelers."""


class WaterLevelRule(RuleSettings, ZoneSettings, WaterLevelSettings):
    """A low place watched for standing water."""


class DebrisOnRoadRule(RuleSettings, ZoneSettings, DebrisOnRoadSettings):
    """A road watched for things that lie on it."""


class CameraFaultRule(RuleSettings, CameraFaultSettings):
    """The camera itself, watched for going offline and for views that show nothing of the place."""


PlacedRule: TypeAlias = (
    FireLaneRule
    | BlockedExitRule
    | IllegalParkingRule
    | CrowdRule
    | FireSmokeRule
    | IntrusionRule
    | LineCrossingRule
    | WrongWayRule
    | EbikeIndoorsRule
    | WaterLevelRule
    | DebrisOnRoadRule
)
"""A rule that looks at a part of the picture, its `zone`, through a detector."""

Rule: TypeAlias = Annotated[PlacedRule | CameraFaultRule, Field(discriminator="hazard")]


def has_place(rule: Rule) -> TypeGuard[PlacedRule]:
    """True for rules that look at a part of the picture."""
    return isinstance(rule, ZoneSettings | LineSettings)


def view_of(rule: Rule) -> str | None:
    """The view that the rule belongs to; None: it is judged whatever the camera shows."""
    return rule.view if has_place(rule) else None


def at_place(rule: Rule, place_class: PlaceClass) -> Rule:
    """The rule as it is judged on a camera of this place class: its severity there."""
    severity = rule.severity_by_place.get(place_class, rule.severity)
    return rule if severity == rule.severity else rule.model_copy(update={"severity": severity})
