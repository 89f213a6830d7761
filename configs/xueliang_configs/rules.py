"""A rule: one hazard's settings and a zone, on one camera."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

from xueliang_configs.hazards import (
    BlockedExitSettings,
    CameraOfflineSettings,
    CrowdSettings,
    FireLaneSettings,
    FireSmokeSettings,
    IllegalParkingSettings,
    ZoneSettings,
)
from xueliang_configs.values import PlainId, Settings


class RuleSettings(Settings):
    """What every rule has."""

    rule_id: PlainId = Field(description="Unique on its camera. Alerts carry it: keep it when settings change.")
    version: int = Field(
        default=1, ge=1, le=1_000_000, description="Raise it with each change, so that alerts say which."
    )
    drill: bool = Field(
        default=False, description="Alerts are exercises: flagged end to end and kept out of statistics."
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


class FireSmokeRule(RuleSettings, ZoneSettings, FireSmokeSettings):
    """A zone watched for flame and smoke. This version cannot judge it yet: the node says so at its start."""


class CameraOfflineRule(RuleSettings, CameraOfflineSettings):
    """The camera itself, watched for going offline."""


Rule: TypeAlias = Annotated[
    FireLaneRule | BlockedExitRule | IllegalParkingRule | CrowdRule | FireSmokeRule | CameraOfflineRule,
    Field(discriminator="hazard"),
]
