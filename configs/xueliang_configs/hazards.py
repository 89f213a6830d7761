"""Settings of each hazard: what counts, for how long, and when it is over. One class per hazard; all times in seconds.

Rules (`rules.py`) are these settings plus an id, a severity and a zone on a camera.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, ValidationInfo, field_validator

from xueliang_alerts.contract import Hazard, Severity
from xueliang_configs.ground import GroundSettings
from xueliang_configs.judging import BoxSettings, ClassName, EpisodeSettings, LooksSettings
from xueliang_configs.values import OfView, Polygon, PositiveSeconds, Seconds, Settings, Share, problem

Density = Annotated[float, Field(gt=0.0, le=20.0)]

VEHICLES = ("car", "bus", "truck")
VEHICLES_AND_TWO_WHEELERS = (*VEHICLES, "motorcycle", "bicycle")


class StandingSettings(BoxSettings, EpisodeSettings):
    """Something stands in the zone: shared by fire lane, blocked exit and illegal parking."""

    dwell_s: PositiveSeconds = Field(
        default=60.0, description="Seconds it must stand, counted from when it stands still."
    )
    clear_after_s: PositiveSeconds = Field(
        default=5.0, description="Seconds the zone must be seen free of it before the alert is cleared."
    )
    min_cover: Share = Field(
        default=0.02,
        description="Share of the zone that must be covered, seen on the ground (lower part of each box). Half of it "
        "keeps an open alert open.",
    )
    classes: tuple[ClassName, ...] = Field(
        default=VEHICLES_AND_TWO_WHEELERS, min_length=1, description="Detector classes that count."
    )
    any_object: bool = Field(
        default=True,
        description="Also count what the detector has no name for: an area that stays changed against the long-term "
        "background and is no person.",
    )
    min_changed: Share = Field(
        default=0.05,
        description="Share of the zone that must stay changed before it counts as an object without a name.",
    )
    counts_each_alone: ClassVar[bool] = False
    """True: every vehicle must stand for the dwell itself. False: the zone is blocked, whoever takes turns in it."""

    @property
    def largest_gap_s(self) -> float:
        """Longest time between looks that still meets the rule's promise.

        Onset and raise are each seen up to one gap late: a thirtieth of the dwell keeps both together under 7 % of it.
        """
        return max(0.25, min(2.0, self.dwell_s / 30, self.clear_after_s / 2, self.gap_tolerance_s / 2))


class FireLaneSettings(StandingSettings):
    """Fire lane obstructed: a vehicle or any object stands in a marked fire lane."""

    hazard: Literal[Hazard.FIRE_LANE_OBSTRUCTION]
    severity: Severity = Field(default=Severity.ORANGE, description="1 (most severe, red) to 4 (blue).")


class BlockedExitSettings(StandingSettings):
    """Evacuation exit blocked: the same reasoning as a fire lane, on an exit."""

    hazard: Literal[Hazard.BLOCKED_EXIT]
    severity: Severity = Field(default=Severity.ORANGE, description="1 (most severe, red) to 4 (blue).")


class IllegalParkingSettings(StandingSettings):
    """Illegal parking: one vehicle stands in a no-stopping zone. A queue that moves on is no parking."""

    hazard: Literal[Hazard.ILLEGAL_PARKING]
    severity: Severity = Field(default=Severity.BLUE, description="1 (most severe, red) to 4 (blue).")
    dwell_s: PositiveSeconds = Field(default=120.0, description="Seconds one vehicle must stand.")
    min_cover: Share = Field(
        default=0.0, description="Share of the zone that must be covered; 0: any vehicle that stands inside counts."
    )
    classes: tuple[ClassName, ...] = Field(default=VEHICLES, min_length=1, description="Detector classes that count.")
    any_object: bool = Field(default=False, description="Also count what the detector has no name for.")
    counts_each_alone: ClassVar[bool] = True


class DensityLevels(Settings):
    """How many people a square metre carries. 2: nobody walks freely; 4: pushed along; 6: lives are in danger."""

    busy: Density = Field(default=2.0, description="From here on it is a crowd.")
    dangerous: Density = Field(
        default=4.0, validate_default=True, description="From here on the severity is one step higher."
    )
    critical: Density = Field(default=6.0, validate_default=True, description="From here on the severity is 1 (red).")

    @field_validator("dangerous", "critical")
    @classmethod
    def _rising(cls, value: float, info: ValidationInfo) -> float:
        below = "busy" if info.field_name == "dangerous" else "dangerous"
        least = info.data.get(below)
        if least is not None and value <= least:
            raise problem("order", f"expected a density above {below} ({least:g})", f"{value:g}", f"{least * 1.5:g}")
        return value


class CrowdSettings(BoxSettings, EpisodeSettings):
    """People gather: the count of people whose feet are in the zone, with hysteresis; with `ground` also per m²."""

    hazard: Literal[Hazard.CROWD]
    severity: Severity = Field(default=Severity.ORANGE, description="1 (most severe, red) to 4 (blue).")
    raise_at_count: int = Field(ge=1, le=10_000, description="People in the zone from which it is a crowd.")
    clear_at_count: int = Field(
        ge=0, le=10_000, description="People in the zone at which it is over; below raise_at_count."
    )
    severe_at_count: int | None = Field(
        default=None, ge=2, le=10_000, description="From this count on the severity is one step higher; null: never."
    )
    ground: GroundSettings | None = Field(
        default=None,
        description="Where the picture's points lie on the ground: people per square metre are then judged as well.",
    )
    levels: DensityLevels = Field(
        default=DensityLevels(), description="People per square metre; counts only where `ground` is given."
    )
    dwell_s: Seconds = Field(default=10.0, description="Seconds the count must hold before the alert is raised.")
    clear_after_s: PositiveSeconds = Field(
        default=10.0, description="Seconds the count must stay at or below clear_at_count."
    )
    smooth_s: Seconds = Field(
        default=1.5,
        description="The count is the one that a quarter of the looks of so many seconds, of three at least, reach: "
        "detectors miss people now and then. 0: every look counts for itself.",
    )
    classes: tuple[ClassName, ...] = Field(
        default=("person",), min_length=1, description="Detector classes that count."
    )
    tiles: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Whether the zone is also looked at in up to four overlapping tiles, each a detection of its own: "
        "small people who stand close together are found so. auto: while the whole picture shows half of the count, "
        "people are small, and the detector has the time.",
    )

    @field_validator("clear_at_count")
    @classmethod
    def _below_raise(cls, value: int, info: ValidationInfo) -> int:
        raise_at = info.data.get("raise_at_count")
        if raise_at is not None and value >= raise_at:
            hint = f"{max(0, raise_at * 2 // 3)}"
            raise problem("order", f"expected a count below raise_at_count ({raise_at})", str(value), hint)
        return value

    @field_validator("severe_at_count")
    @classmethod
    def _above_raise(cls, value: int | None, info: ValidationInfo) -> int | None:
        raise_at = info.data.get("raise_at_count")
        if value is not None and raise_at is not None and value <= raise_at:
            hint = f"{raise_at * 2}"
            raise problem("order", f"expected a count above raise_at_count ({raise_at})", str(value), hint)
        return value

    @property
    def largest_gap_s(self) -> float:
        """Longest time between looks that still meets the rule's promise."""
        return max(0.25, min(1.0, self.dwell_s / 4 or 1.0, self.clear_after_s / 2, self.gap_tolerance_s / 2))


class FireSmokeSettings(LooksSettings, BoxSettings, EpisodeSettings):
    """Flame or smoke that persists in one place and moves as flame and smoke do. Needs a model that knows them."""

    hazard: Literal[Hazard.FIRE_SMOKE]
    severity: Severity = Field(default=Severity.RED, description="1 (most severe, red) to 4 (blue).")
    dwell_s: PositiveSeconds = Field(default=4.0, description="Seconds flame or smoke must persist.")
    clear_after_s: PositiveSeconds = Field(default=15.0, description="Seconds it must be seen to be gone.")
    classes: tuple[ClassName, ...] = Field(
        default=("fire", "smoke"), min_length=1, description="Detector classes that count."
    )
    needed_looks: Annotated[int, Field(ge=2, le=20)] = Field(
        default=3, description="It must be seen at one place in so many of the last `of_looks` looks; never in one."
    )
    of_looks: Annotated[int, Field(ge=2, le=20)] = Field(
        default=5, validate_default=True, description="Of so many looks."
    )
    min_flicker: Share = Field(
        default=0.02,
        description="How much the edges of its box move within some seconds, as a share of its size. A lamp, a sign or "
        "a sunset keeps its box; 0: whatever stays counts.",
    )
    min_growth: Share = Field(
        default=0.3, description="Or: so much larger than when it was first seen there. Smoke drifts and grows."
    )

    max_box: Annotated[float, Field(gt=0.0, le=1.0)] = Field(
        default=0.6,
        description="A box that covers more of the picture than this raises nothing: haze, glare, a fogged dome.",
    )

    @property
    def largest_gap_s(self) -> float:
        """Longest time between looks that still meets the rule's promise."""
        return max(0.25, min(1.0, self.dwell_s / 4))


class CameraFaultSettings(Settings):
    """The camera itself: no pictures come, or what comes does not show its place. Makes the camera's other rules
    unknown, not clear."""

    hazard: Literal[Hazard.CAMERA_FAULT]
    fault: Literal["offline", "view", "frozen", "black", "over_exposed", "defocused", "covered", "moved"] = Field(
        description="offline: no picture comes. view: any of the others, which are faults of the picture that comes."
    )
    severity: Severity = Field(default=Severity.YELLOW, description="1 (most severe, red) to 4 (blue).")
    offline_after_s: PositiveSeconds = Field(
        default=30.0, description="With `fault: offline`: seconds without a picture before the alert is raised."
    )
    view_after_s: PositiveSeconds = Field(
        default=15.0, description="With the other faults: seconds the view must show the fault before it is raised."
    )
    clear_after_s: Seconds = Field(
        default=3.0, description="Seconds good pictures must be back before the alert is cleared."
    )

    @field_validator("offline_after_s", "view_after_s")
    @classmethod
    def _is_of_the_fault(cls, value: float, info: ValidationInfo) -> float:
        fault, written = info.data.get("fault"), str(info.field_name)
        name = "offline_after_s" if fault == "offline" else "view_after_s"
        # What a node remembers of its rules names every field: a default that does not count is no mistake.
        if fault is not None and written != name and value != cls.model_fields[written].default:
            raise problem("fault", f"expected {name} with fault: {fault}", written, name)
        return value

    @property
    def largest_gap_s(self) -> float:
        """Longest time between looks that still meets the rule's promise."""
        if self.fault == "offline":
            return max(0.5, min(10.0, self.offline_after_s / 3))
        return max(0.5, min(5.0, self.view_after_s / 4))


class ZoneSettings(Settings):
    """Where in the picture a rule looks."""

    zone: Polygon
    view: OfView = None
