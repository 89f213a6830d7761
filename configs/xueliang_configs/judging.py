"""What rules have in common: time, schedule, which boxes count, how often something must be seen."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from xueliang_configs.schedules import Schedule
from xueliang_configs.values import Polygon, PositiveSeconds, Seconds, Settings, Share, problem

ClassName = Annotated[str, Field(min_length=1, max_length=40)]
PositiveShare = Annotated[float, Field(gt=0.0, le=1.0)]


class EpisodeSettings(Settings):
    """What every rule says about time."""

    clear_after_s: PositiveSeconds = Field(
        default=5.0, description="Seconds the hazard must be seen to be gone before the alert is cleared."
    )
    gap_tolerance_s: PositiveSeconds = Field(
        default=6.0,
        description="Longest time between two looks that still counts as watching. A longer blind stretch advances "
        "neither the dwell nor the clearing. Raise it for cameras with a key picture every 10 s or so.",
    )
    view_lost_after_s: PositiveSeconds = Field(
        default=600.0,
        description="An open alert of a camera that was blind for longer than this ends as view_lost, never as clear.",
    )
    cooldown_s: Seconds = Field(
        default=0.0,
        description="Seconds after an alert's end in which the rule raises none; what still holds then is raised.",
    )
    schedule: Schedule | None = Field(
        default=None,
        description="When the rule may raise; null: always. The dwell counts inside only; an open alert is watched to "
        "its end.",
    )

    def may_begin(self, at: datetime) -> bool:
        """True when the schedule lets an alert begin at this moment."""
        return self.schedule is None or self.schedule.is_active(at)


class ExcludingSettings(Settings):
    """Parts of the picture in which nothing counts."""

    exclude_zones: tuple[Polygon, ...] = Field(
        default=(), max_length=16, description="Parts of the zone in which nothing counts: a screen, a swaying tree."
    )


class HeightAt(Settings):
    """How tall what is looked for is at one place of the picture."""

    y: Share = Field(description="Where it stands: the lower edge of its box, 0 (top) to 1 (bottom).")
    height: PositiveShare = Field(description="Its height there, as a share of the picture's.")


class PerspectiveSettings(Settings):
    """How tall a thing must look, near and far: between and beyond it is a straight line, as on flat ground."""

    near: HeightAt = Field(description="One that stands near.")
    far: HeightAt = Field(description="One that stands far: smaller, and higher up in the picture.")
    least_factor: PositiveShare = Field(default=0.5, description="A box below this part of it is something smaller.")
    most_factor: Annotated[float, Field(ge=1.0, le=20.0)] = Field(
        default=2.0, description="A box above this multiple of it is something larger."
    )

    @field_validator("far")
    @classmethod
    def _far_is_smaller(cls, value: HeightAt, info: ValidationInfo) -> HeightAt:
        near = info.data.get("near")
        if isinstance(near, HeightAt) and (value.y >= near.y or value.height >= near.height):
            text = f"expected a place above near (y below {near.y:g}) and a smaller height (below {near.height:g})"
            raise problem("heights", text, f"y {value.y:g}, height {value.height:g}", "exchange near and far?")
        return value

    def expected_height(self, y: float) -> float:
        """Height of one that stands at `y`; 0 or less beyond the horizon."""
        slope = (self.near.height - self.far.height) / (self.near.y - self.far.y)
        return self.far.height + slope * (y - self.far.y)


class BoxSettings(ExcludingSettings):
    """Which boxes of the detector count."""

    classes: tuple[ClassName, ...] = Field(min_length=1, description="Detector classes that count.")
    min_scores: dict[ClassName, Share] = Field(
        default={},
        description="Class to the score from which a box of it is believed; what is not named: the detector's own.",
    )
    min_height: Share = Field(
        default=0.0, description="Boxes less high than this share of the picture do not count; 0: all do."
    )
    heights: PerspectiveSettings | None = Field(
        default=None, description="How tall what counts looks near and far; null: any size does."
    )

    @field_validator("min_scores")
    @classmethod
    def _of_classes(cls, value: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        classes = info.data.get("classes", ())
        other = next((name for name in value if name not in classes), None)
        if other is not None and classes:
            raise problem("min_scores", f"expected classes of this rule ({', '.join(classes)})", f'"{other}"')
        return value


class LooksSettings(Settings):
    """How often something must be seen before it counts: detectors see what is not there, now and then."""

    needed_looks: Annotated[int, Field(ge=1, le=20)] = Field(
        default=2, description="It counts when so many of the last `of_looks` looks showed it."
    )
    of_looks: Annotated[int, Field(ge=1, le=20)] = Field(
        default=3, validate_default=True, description="Of so many looks."
    )

    @field_validator("of_looks")
    @classmethod
    def _not_fewer(cls, value: int, info: ValidationInfo) -> int:
        needed = info.data.get("needed_looks")
        if needed is not None and value < needed:
            raise problem("order", f"expected at least needed_looks ({needed})", str(value), str(needed + 1))
        return value
