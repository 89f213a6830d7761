"""Settings of hazards that something moving makes: intrusion, crossed lines, the wrong way, e-bikes indoors."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from xueliang_alerts.contract import Hazard, Severity
from xueliang_configs.hazards import VEHICLES, VEHICLES_AND_TWO_WHEELERS
from xueliang_configs.judging import BoxSettings, ClassName, EpisodeSettings, LooksSettings
from xueliang_configs.values import OfView, Point, PositiveSeconds, Seconds, Settings, Share, problem

BESIDE_LINE: Final = 0.12  # of the picture: who comes near a line is followed before the line is reached
_SHORTEST: Final = 0.02  # of the picture; shorter is a slip of the mouse
_ARROW_HINT: Final = "[[0.5, 0.9], [0.5, 0.4]] (from, to; x, y; 0..1 of the picture, origin top left)"


def _two_points(points: tuple[Point, Point]) -> tuple[Point, Point]:
    for index, (x, y) in enumerate(points):
        if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
            hint = "divide by the picture's width and height" if max(x, y) > 2 else _ARROW_HINT
            raise problem("line_inside", "expected points inside 0..1", f"point {index} = [{x:g}, {y:g}]", hint)
    (x1, y1), (x2, y2) = points
    if ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5 < _SHORTEST:
        raise problem("line_length", "expected two points apart", "points on one spot", _ARROW_HINT)
    return points


Line = Annotated[
    tuple[Point, Point],
    AfterValidator(_two_points),
    Field(description="Two points [x, y], 0..1 of the picture, origin top left; which is first says what is left."),
]


class LineSettings(Settings):
    """A line across which nothing may go."""

    line: Line
    view: OfView = None

    @property
    def zone(self) -> tuple[Point, ...]:
        """The part of the picture beside the line, where things are followed."""
        (x1, y1), (x2, y2) = self.line
        length = ((x2 - x1) ** 2 + (y2 - y1) ** 2) ** 0.5
        along = ((x2 - x1) / length * BESIDE_LINE, (y2 - y1) / length * BESIDE_LINE)
        across = (-along[1], along[0])
        corners = (
            (x1 - along[0] / 2 + across[0], y1 - along[1] / 2 + across[1]),
            (x2 + along[0] / 2 + across[0], y2 + along[1] / 2 + across[1]),
            (x2 + along[0] / 2 - across[0], y2 + along[1] / 2 - across[1]),
            (x1 - along[0] / 2 - across[0], y1 - along[1] / 2 - across[1]),
        )
        return tuple((min(1.0, max(0.0, x)), min(1.0, max(0.0, y))) for x, y in corners)


class Crossing(StrEnum):
    """Which way across a line counts, seen along it from its first point to its second, in the picture."""

    ANY = "any"
    TO_LEFT = "to_left"
    TO_RIGHT = "to_right"


class IntrusionSettings(LooksSettings, BoxSettings, EpisodeSettings):
    """Somebody is in a danger zone: water's edge, railway, slope. The feet decide."""

    hazard: Literal[Hazard.INTRUSION]
    severity: Severity = Field(default=Severity.ORANGE, description="1 (most severe, red) to 4 (blue).")
    dwell_s: Seconds = Field(default=2.0, description="Seconds somebody must be there, counted from the first look.")
    classes: tuple[ClassName, ...] = Field(
        default=("person",), min_length=1, description="Detector classes that count."
    )

    @property
    def largest_gap_s(self) -> float:
        """Longest time between looks that still meets the rule's promise: within a dwell, seen often enough."""
        wanted_s = max(self.dwell_s, 1.0) / self.needed_looks
        return max(0.25, min(1.0, wanted_s, self.clear_after_s / 2, self.gap_tolerance_s / 2))


class EbikeIndoorsSettings(LooksSettings, BoxSettings, EpisodeSettings):
    """A two-wheeler is in a lobby or a lift, where its battery must not be charged or burn."""

    hazard: Literal[Hazard.EBIKE_INDOORS]
    severity: Severity = Field(default=Severity.ORANGE, description="1 (most severe, red) to 4 (blue).")
    dwell_s: Seconds = Field(default=2.0, description="Seconds it must be there, counted from the first look.")
    needed_looks: Annotated[int, Field(ge=1, le=20)] = Field(
        default=3, description="It counts when so many of the last `of_looks` looks showed it: prams look similar."
    )
    of_looks: Annotated[int, Field(ge=1, le=20)] = Field(
        default=5, validate_default=True, description="Of so many looks."
    )
    classes: tuple[ClassName, ...] = Field(
        default=("bicycle", "motorcycle"), min_length=1, description="Detector classes that count."
    )

    @property
    def largest_gap_s(self) -> float:
        """Longest time between looks that still meets the rule's promise: a lift ride takes ten seconds or more."""
        wanted_s = max(self.dwell_s, 1.5) / self.needed_looks
        return max(0.25, min(1.0, wanted_s, self.clear_after_s / 2, self.gap_tolerance_s / 2))


class LineCrossingSettings(BoxSettings, EpisodeSettings):
    """Something crosses a line: it was surely on one side, then surely on the other."""

    hazard: Literal[Hazard.LINE_CROSSING]
    severity: Severity = Field(default=Severity.YELLOW, description="1 (most severe, red) to 4 (blue).")
    direction: Crossing = Field(
        default=Crossing.ANY,
        description="Which way counts, seen along the line from its first point to its second: any, to_left, to_right.",
    )
    band: Share = Field(
        default=0.01,
        description="So far beyond the line, as a share of the picture's height, it is surely across: boxes jitter.",
    )
    classes: tuple[ClassName, ...] = Field(
        default=("person", *VEHICLES_AND_TWO_WHEELERS), min_length=1, description="Detector classes that count."
    )
    clear_after_s: PositiveSeconds = Field(
        default=5.0, description="Seconds without a crossing after which the alert ends; crossings until then are one."
    )

    @property
    def largest_gap_s(self) -> float:
        """Longest time between looks that still meets the rule's promise: a track must be followed across."""
        return max(0.25, min(0.5, self.clear_after_s / 2, self.gap_tolerance_s / 2))


class WrongWaySettings(BoxSettings, EpisodeSettings):
    """Something moves against the permitted direction of a zone."""

    hazard: Literal[Hazard.WRONG_WAY]
    severity: Severity = Field(default=Severity.YELLOW, description="1 (most severe, red) to 4 (blue).")
    direction: Line = Field(description="The permitted direction: an arrow from its first point to its second.")
    dwell_s: Seconds = Field(default=1.0, description="Seconds it must have moved the wrong way.")
    min_distance: Annotated[float, Field(gt=0.0, le=2.0)] = Field(
        default=0.1, description="How far it must have moved the wrong way, as a share of the picture's height."
    )
    max_angle_deg: Annotated[float, Field(ge=5.0, le=85.0)] = Field(
        default=50.0, description="Degrees its path may differ from straight against the direction: who crosses, may."
    )
    classes: tuple[ClassName, ...] = Field(default=VEHICLES, min_length=1, description="Detector classes that count.")

    @property
    def largest_gap_s(self) -> float:
        """Longest time between looks that still meets the rule's promise: a track must be followed."""
        return max(0.25, min(0.5, self.clear_after_s / 2, self.gap_tolerance_s / 2))
