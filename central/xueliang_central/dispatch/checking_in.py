"""A position that a worker told on purpose: how far from the camera, how well the phone knew, how old (pure).

Invariants
    - The position itself is never kept: only its distance from the incident's camera.
    - The distance to ten metres stands on the task alone, until the task ends; the timeline keeps it to 100 m.
    - Nothing follows from it: no clock, no move, no judgement of the person. For a while it is a reason for who is sent
      next (`last_check_ins`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from xueliang_central.incidents.folding import distance_m
from xueliang_central.incidents.views import at_text

Row = dict[str, Any]

COARSE_M: Final = 100  # finer would say for ever at which door somebody stood
_FINE_M: Final = 10
# The phone says so before it sends; whoever reads it later must not take it for more than it is.
POOR_ABOVE_M: Final = 100.0
OLD_AFTER_S: Final = 60.0
_ONE_WITHIN: Final = timedelta(seconds=30)  # sooner it replaces the one before: nobody walks far meanwhile


@dataclass(frozen=True, slots=True)
class Fix:
    """Where a phone was.

    Attributes:
        longitude, latitude: degrees, WGS84.
        accuracy_m: radius of the circle that holds the phone in 95 of 100, as its browser says.
        age_s: how old the position was when the act was done.
    """

    longitude: float
    latitude: float
    accuracy_m: float
    age_s: float

    @property
    def is_inaccurate(self) -> bool:
        return self.accuracy_m > POOR_ABOVE_M or self.age_s > OLD_AFTER_S


def checked_in(fix: Fix, incident: Row, at: datetime) -> Row:
    """What stands on the task. `distance_m` None: the camera has no registered position."""
    return {
        "at": at_text(at),
        "distance_m": _apart_m(fix, incident, _FINE_M),
        "accuracy_m": round(fix.accuracy_m),
        "age_s": round(fix.age_s),
        "is_inaccurate": fix.is_inaccurate,
    }


def replaces(before: Row | None, at: datetime) -> bool:
    """So soon after the check-in `before` that the two are one: the newer distance counts, and is told once."""
    return before is not None and abs(at - datetime.fromisoformat(before["at"])) < _ONE_WITHIN


def told_of(fix: Fix, incident: Row) -> Row:
    """The same for the timeline, coarse."""
    apart_m = _apart_m(fix, incident, COARSE_M)
    told: Row = {"accuracy_m": round(fix.accuracy_m), "is_inaccurate": fix.is_inaccurate}
    return told if apart_m is None else told | {"distance_m": apart_m}


def _apart_m(fix: Fix, incident: Row, step_m: int) -> int | None:
    if incident["longitude"] is None or incident["latitude"] is None:
        return None
    apart_m = distance_m(fix.longitude, fix.latitude, incident["longitude"], incident["latitude"])
    return round(apart_m / step_m) * step_m
