"""One scenario: what happens, how it is looked at, and the events that really were. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from tests.bench.rules_bench.scene import Span, Thing

FIRST_SEED: Final = 100_000  # the training pictures have seeds below 100, the demo 7 and 11
CHAIN_S: Final = 1.0  # a lane whose next vehicle stands within this of the last one's leaving was blocked all along
QUIET: Final = "nothing"
NOISIER: Final = ("faint", "often lost")
"""The disturbances that are worse than anything measured: a guess, told apart from the rest."""
HIDING: Final = ("people in front", "bus in front", "id switches")
"""The disturbances under which tracks break: where peers are compared."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that really was: since when the condition held, and until when."""

    onset_s: float
    ends_s: float


@dataclass(frozen=True, slots=True)
class Case:
    """One scenario.

    Attributes:
        seed: everything random in it, its noise included, comes of this number.
        plot: what happens. disturbance: what makes it hard.
        rule: the rule's settings, as in a node's settings file.
        looks_s: when the camera is looked at. gap_s: the longest planned time between two looks.
        blind: when looks showed nothing. has_blind_looks: they were said to be blind; else none was made.
        id_switch_every_s: mean time between two switches of every track's id; None: the tracker's own only.
        vehicles_found: share of the looks that find a vehicle, and how long a miss lasts; None: as measured.
        flicker: cells of the change grid that differ for no reason, on the mean.
    """

    seed: int
    plot: str
    disturbance: str
    rule: dict[str, Any]
    things: tuple[Thing, ...]
    looks_s: tuple[float, ...]
    gap_s: float
    events: tuple[Event, ...]
    blind: tuple[Span, ...] = ()
    has_blind_looks: bool = False
    id_switch_every_s: float | None = None
    vehicles_found: tuple[float, float] | None = None
    flicker: float = 4.0

    @property
    def hazard(self) -> str:
        return str(self.rule["hazard"])

    @property
    def hours(self) -> float:
        return (self.looks_s[-1] - self.looks_s[0]) / 3600


def look_times(
    rng: np.random.Generator, length_s: float, gap_s: float, other_gap_s: float | None = None
) -> tuple[float, ...]:
    """About every `gap_s`, never later than planned by more than a twentieth; from the middle on every `other_gap_s`.

    Whole milliseconds. What falls into a blind span is among them: see `Case.has_blind_looks`.
    """
    times, t = [], float(rng.uniform(0, gap_s))
    while t < length_s:
        times.append(round(t, 3))
        planned = gap_s if other_gap_s is None or t < length_s / 2 else other_gap_s
        t += planned * float(rng.uniform(0.9, 1.05))
    return tuple(times)


def is_blind(t_s: float, blind: Sequence[Span]) -> bool:
    return any(span.from_s <= t_s < span.until_s for span in blind)


def watched_s(span: Span, blind: Sequence[Span]) -> float:
    """Seconds of the span in which the camera could see."""
    hidden = sum(max(0.0, min(span.until_s, one.until_s) - max(span.from_s, one.from_s)) for one in blind)
    return span.length_s - hidden


def zone_events(
    stands: Sequence[Span], dwell_s: float, clear_after_s: float, blind: Sequence[Span], *, each_alone: bool
) -> tuple[Event, ...]:
    """What stood long enough: each vehicle alone, or the zone, whoever takes turns in it.

    What still holds, or holds again before the zone was free for `clear_after_s`, is one event.
    """
    spans = sorted(stands)
    if not each_alone:
        spans = joined(spans, CHAIN_S)
    long_enough = [span for span in spans if watched_s(span, blind) >= dwell_s]
    events: list[Event] = []
    for span in long_enough:
        if events and span.from_s + dwell_s <= events[-1].ends_s + clear_after_s:
            events[-1] = Event(events[-1].onset_s, max(events[-1].ends_s, span.until_s))
        else:
            events.append(Event(span.from_s, span.until_s))
    return tuple(events)


def joined(spans: Sequence[Span], within_s: float) -> list[Span]:
    """Spans in the order of time, those at most `within_s` apart as one."""
    whole: list[Span] = []
    for span in sorted(spans):
        if whole and span.from_s <= whole[-1].until_s + within_s:
            whole[-1] = Span(whole[-1].from_s, max(whole[-1].until_s, span.until_s))
        else:
            whole.append(span)
    return whole
