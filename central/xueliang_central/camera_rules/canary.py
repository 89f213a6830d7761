"""A change that is tried on some cameras first: which, for how long, and the band it must stay in (pure).

The cameras of the canary are compared with themselves at the same hours of the days before, corrected by how the other
cameras of the area do meanwhile: on a rainy night all of them are busier, and the change is not to blame.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

DAYS_BEFORE: Final = 7
LEAST_TO_COMPARE: Final = 10  # alerts of the others in those days: below it, how they do says nothing
TREND_AT_MOST: Final = 5.0
HELD_LASTS: Final = timedelta(hours=72)  # held on a Friday evening: who decides is there again on Monday


class CanaryState(StrEnum):
    PLANNED = "planned"  # its version waits for a second person
    BEGUN = "begun"  # on its way to its cameras
    WATCHED = "watched"
    HELD = "held"  # its time is over, in the band: a person promotes it; it is watched on, for `HELD_LASTS`
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled_back"
    ENDED = "ended"  # its version was refused, withdrawn or overtaken


OPEN: Final = (CanaryState.PLANNED, CanaryState.BEGUN, CanaryState.WATCHED, CanaryState.HELD)


@dataclass(frozen=True, slots=True)
class Band:
    """What must hold while a canary is watched.

    Attributes:
        most_ratio, least_ratio: alerts, as a multiple of what is expected; least 0: few are no reason.
        least_difference: alerts that more or fewer must at least be: with small numbers a ratio says little.
        most_faulty, most_refused, most_slower: share of the canary's cameras, 0 to 1: with a fault that they did not
            have, whose node refused the rules, whose looks lie more than `slower_ratio` times as far apart as before.
        most_missing: nodes of the canary's cameras with data missing since.
    """

    most_ratio: float = 2.0
    least_ratio: float = 0.25
    least_difference: int = 5
    most_faulty: float = 0.1
    most_refused: float = 0.0
    most_slower: float = 0.2
    slower_ratio: float = 2.0
    most_missing: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """Of the cameras that a version changes: some chosen by hand, or a share of them by a seed."""

    hours: float
    promotes_itself: bool
    band: Band
    camera_ids: tuple[str, ...] = ()
    share: float = 0.0
    seed: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """One look.

    Attributes:
        watched_h: hours since its cameras had the change.
        alerts: of the canary since then, of the hazards that the version changes; without drills.
        before: the same hours of each of the `DAYS_BEFORE` days before, together.
        others, others_before: the same of the area's other cameras.
    """

    watched_h: float
    cameras: int
    in_force: int
    refused: int
    faulty: int
    slower: int
    missing: int
    alerts: int
    before: int
    others: int
    others_before: int

    @property
    def trend(self) -> float:
        """How the others do, as a multiple of their days before; 1: too few to say."""
        if self.others_before < LEAST_TO_COMPARE:
            return 1.0
        ratio = self.others / (self.others_before / DAYS_BEFORE)
        return min(TREND_AT_MOST, max(1 / TREND_AT_MOST, ratio))

    @property
    def expected(self) -> float:
        """Alerts that the canary would have without the change."""
        return self.before / DAYS_BEFORE * self.trend

    @property
    def is_tried(self) -> bool:
        """Half of the cameras run it at least: what no node has taken was not tried."""
        return self.in_force * 2 >= self.cameras

    def as_json(self) -> dict[str, Any]:
        plain = {name: getattr(self, name) for name in self.__slots__}
        return {**plain, "trend": round(self.trend, 3), "expected": round(self.expected, 2)}


@dataclass(frozen=True, slots=True)
class Breach:
    """One thing that left the band: which, what was seen, and the limit."""

    code: str
    seen: float
    limit: float

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "seen": round(self.seen, 2), "limit": round(self.limit, 2)}


def alerts_between(expected: float, band: Band) -> tuple[int, int]:
    """The fewest and the most alerts that are in the band: a number leaves it when both its ratio to what is expected
    and its difference do."""
    most = max(math.floor(expected * band.most_ratio), math.ceil(expected + band.least_difference) - 1)
    least = min(math.ceil(expected * band.least_ratio), math.floor(expected - band.least_difference) + 1)
    return max(0, least), most


def breaches(figures: Figures, band: Band) -> tuple[Breach, ...]:
    """What has left the band; empty: nothing."""
    found: list[Breach] = []
    least, most = alerts_between(figures.expected, band)
    if figures.alerts > most:
        found.append(Breach("more_alerts", figures.alerts, most))
    if figures.alerts < least:
        found.append(Breach("fewer_alerts", figures.alerts, least))
    for code, number, share in (
        ("refused", figures.refused, band.most_refused),
        ("faulty", figures.faulty, band.most_faulty),
        ("slower", figures.slower, band.most_slower),
    ):
        if number > share * figures.cameras:
            found.append(Breach(code, number, share * figures.cameras))
    if figures.missing > band.most_missing:
        found.append(Breach("missing", figures.missing, band.most_missing))
    return tuple(found)


def undecided(ends_at: datetime, at: datetime) -> Breach | None:
    """Nobody has decided on one that is held, for too long; None: there is time."""
    hour = timedelta(hours=1)
    return Breach("undecided", (at - ends_at) / hour, HELD_LASTS / hour) if at >= ends_at + HELD_LASTS else None


def chosen(plan: Plan, changed: Sequence[str]) -> tuple[str, ...]:
    """Of the cameras that a version changes those of the canary, in order; empty: the plan fits none of them.

    A share takes one at least. The same seed always takes the same ones.
    """
    if plan.camera_ids:
        return tuple(sorted(set(plan.camera_ids) & set(changed)))
    count = min(len(changed), max(1, math.ceil(plan.share * len(changed)))) if changed else 0
    drawn = sorted(changed, key=lambda one: hashlib.sha256(f"{plan.seed}\n{one}".encode()).digest())
    return tuple(sorted(drawn[:count]))
