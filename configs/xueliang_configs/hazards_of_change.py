"""Settings of hazards that a change of the place itself makes, whatever it is: water that stands, things on a road."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from xueliang_alerts.contract import Hazard, Severity
from xueliang_configs.judging import EpisodeSettings, ExcludingSettings, PositiveShare
from xueliang_configs.values import PositiveSeconds, Share, problem


class ChangeSettings(ExcludingSettings, EpisodeSettings):
    """Part of the zone stays changed against the long-term scene, and no person or vehicle explains it."""

    dwell_s: PositiveSeconds = Field(default=60.0, description="Seconds it must stay, seen and unexplained.")
    clear_after_s: PositiveSeconds = Field(
        default=10.0, description="Seconds the zone must be seen without it before the alert is cleared."
    )
    min_changed: PositiveShare = Field(description="Share of the zone, in one piece, that must stay changed.")
    max_changed: Share = Field(
        validate_default=True,
        description="When more of the zone than this changed at once it is light, not an object: neither there nor "
        "gone, until the scene is known again.",
    )

    @field_validator("max_changed")
    @classmethod
    def _above_min(cls, value: float, info: ValidationInfo) -> float:
        least = info.data.get("min_changed")
        if least is not None and value <= least:
            raise problem("order", f"expected a share above min_changed ({least:g})", f"{value:g}", "1")
        return value

    @property
    def largest_gap_s(self) -> float:
        """Longest time between looks that still meets the rule's promise."""
        return max(0.25, min(2.0, self.dwell_s / 30, self.clear_after_s / 2, self.gap_tolerance_s / 2))


class WaterLevelSettings(ChangeSettings):
    """Water stands where none should: it spreads over the zone and stays."""

    hazard: Literal[Hazard.WATER_LEVEL]
    severity: Severity = Field(default=Severity.ORANGE, description="1 (most severe, red) to 4 (blue).")
    min_changed: PositiveShare = Field(
        default=0.2, description="Share of the zone, in one piece, that must stay changed; half of it keeps it open."
    )
    max_changed: Share = Field(
        default=1.0,
        validate_default=True,
        description="Above this share changed at once it is taken for light, not for water.",
    )


class DebrisOnRoadSettings(ChangeSettings):
    """Something lies on the road that nobody has a name for: fallen cargo, a branch, a rock."""

    hazard: Literal[Hazard.DEBRIS_ON_ROAD]
    severity: Severity = Field(default=Severity.YELLOW, description="1 (most severe, red) to 4 (blue).")
    dwell_s: PositiveSeconds = Field(default=30.0, description="Seconds it must lie there, seen and unexplained.")
    min_changed: PositiveShare = Field(
        default=0.01, description="Share of the zone, in one piece, that must stay changed; half of it keeps it open."
    )
    max_changed: Share = Field(
        default=0.5,
        validate_default=True,
        description="Above this share changed at once it is taken for light, not for an object.",
    )
    appears_within_s: PositiveSeconds = Field(
        default=20.0,
        description="Its parts must have changed within so many seconds: what falls is there at once, a shadow creeps.",
    )
