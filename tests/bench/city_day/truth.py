"""What truly happens in the city on one day: hazards with a place, a beginning and an end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tests.bench.city_day.city import City

HAZARDS_A_DAY: Final = 3_500
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Kind:
    """One hazard: its share of the day's, how long it lasts (median, spread of the logarithm), when, how severe.

    Attributes:
        by_hour: weights of 24 hours.
        flaps: chance that a camera reports it in several episodes.
        severities: with their chances.
    """

    hazard: str
    share: float
    median_s: float
    spread: float
    by_hour: tuple[float, ...]
    flaps: float
    severities: tuple[tuple[int, float], ...]


_DAY: Final = (1, 1, 1, 1, 1, 2, 4, 7, 9, 8, 7, 7, 8, 7, 6, 6, 7, 9, 10, 9, 7, 5, 3, 2)
_EVENING: Final = (3, 2, 1, 1, 1, 1, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 6, 8, 10, 11, 11, 9, 7, 5)
_ANY: Final = (1,) * 24

KINDS: Final = (
    Kind("fire_lane_obstruction", 0.30, 2_400, 1.0, _EVENING, 0.15, ((2, 0.7), (1, 0.3))),
    Kind("illegal_parking", 0.24, 1_200, 0.8, _DAY, 0.2, ((4, 1.0),)),
    Kind("blocked_exit", 0.10, 3_600, 1.0, _DAY, 0.1, ((2, 0.8), (1, 0.2))),
    Kind("crowd", 0.08, 1_500, 0.7, _EVENING, 0.6, ((3, 0.7), (2, 0.25), (1, 0.05))),
    Kind("ebike_indoors", 0.10, 240, 0.8, _EVENING, 0.3, ((3, 1.0),)),
    Kind("intrusion", 0.06, 300, 0.8, _DAY, 0.4, ((2, 0.8), (1, 0.2))),
    Kind("debris_on_road", 0.04, 5_400, 0.8, _DAY, 0.2, ((3, 1.0),)),
    Kind("water_level", 0.02, 7_200, 0.6, _ANY, 0.3, ((3, 0.6), (2, 0.4))),
    Kind("fire_smoke", 0.01, 900, 0.7, _ANY, 0.4, ((1, 1.0),)),
    Kind("camera_fault", 0.05, 5_400, 1.0, _ANY, 0.3, ((4, 1.0),)),
)


@dataclass(frozen=True, slots=True)
class TrueHazard:
    """Something that is there. Seconds since midnight; a `permitted` one is real and nobody's business."""

    number: int
    site: int
    hazard: str
    severity: int
    begins_s: float
    ends_s: float
    flaps: float
    permitted: bool = False


def true_hazards(city: City, seed: int, count: int | None = None) -> tuple[TrueHazard, ...]:
    """The day's hazards, by beginning. Never two of a kind at one site at once."""
    rng = np.random.default_rng((seed, 2))
    wanted = count if count is not None else round(HAZARDS_A_DAY * len(city.site_of) / 30_000)
    taken: dict[tuple[int, str], list[tuple[float, float]]] = {}
    found: list[TrueHazard] = []
    shares = np.array([kind.share for kind in KINDS])
    while len(found) < wanted:
        kind = KINDS[int(rng.choice(len(KINDS), p=shares / shares.sum()))]
        site = int(rng.integers(len(city.sites)))
        begins_s = moment(rng, kind.by_hour)
        lasts_s = float(np.clip(kind.median_s * np.exp(rng.normal(0.0, kind.spread)), 60.0, 6 * 3_600.0))
        ends_s = begins_s + lasts_s
        others = taken.setdefault((site, kind.hazard), [])
        if ends_s > DAY_S - 600 or any(begins_s < last + 3_600 and ends_s > first - 3_600 for first, last in others):
            continue
        others.append((begins_s, ends_s))
        severities, chances = zip(*kind.severities, strict=True)
        severity = int(rng.choice(severities, p=chances))
        found.append(TrueHazard(len(found), site, kind.hazard, severity, begins_s, ends_s, kind.flaps))
    return tuple(sorted(found, key=lambda one: one.begins_s))


def moment(rng: np.random.Generator, by_hour: tuple[float, ...]) -> float:
    """A second of the day, more often in the heavier hours."""
    weights: NDArray[np.float64] = np.array(by_hour, dtype=np.float64)
    return float((rng.choice(24, p=weights / weights.sum()) + rng.random()) * 3_600.0)
