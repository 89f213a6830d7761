"""People gather in a zone: a count with hysteresis, its dwell, and how fast it grows. Pure.

A person counts when the feet are in the zone. Detectors lose people now and then, and seldom see one too many.
So the count that is told, and that holds an open episode down to one above `clear_at_count`, is the one that a quarter
of the last looks reached (`smoothed`). The dwell counts over a run of looks: it begins with the first that shows
`raise_at_count`, looks that show fewer do not end it while one of the last looks showed enough and half of its looks
did, and it is raised at a look that shows enough.

The onset told lies before that first look. A group that walks in hides half of itself, so the count climbs to what is
there only as the people spread: at the first look that shows enough the crowd has been there for seconds. The onset
told is the mean of the moments at which the people of the climb came to be seen for good, in which the first count
more than the last, who were hidden the longest (`_began`). Where they came one by one, each in full view, that is too
early, by less than the window. The dwell counts from the look all the same.

Where the ground is known (`ground`), people per square metre are judged as well: from `levels.busy` on it is a crowd,
and an open episode holds down to `HELD_SHARE` of that. What is told has a band: the least and most people of the last
looks, over the area as far as it may be off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from datetime import datetime
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_alerts.contract import Phase, Severity
from xueliang_configs.ground import area_of
from xueliang_configs.rules import CrowdRule
from xueliang_edge.observations import Observation
from xueliang_edge.rules import selecting
from xueliang_edge.rules.episodes import (
    Decision,
    EpisodeState,
    Evidence,
    Look,
    Moment,
    Transition,
    Why,
    advance,
    decided,
    moment_of,
    why_ended,
)
from xueliang_edge.rules.frozen import dataclass
from xueliang_edge.rules.geometry import Boxes
from xueliang_edge.rules.looking import timing_of
from xueliang_edge.rules.present import Figure

GROWTH_OVER_S: Final = 60.0
GROWTH_EVERY_S: Final = 5.0
LEAST_LOOKS: Final = 3
LEAST_MET: Final = 0.5  # of a run's looks
HELD_SHARE: Final = 0.75  # of the density that begins a crowd: down to here it is still one
NEWS_SHARE: Final = 0.25  # a quarter more or fewer people than last said
# Made-up groups that enter within four seconds have spread after two to eight: a shorter window cuts the climb off.
FORMING_S: Final = 8.0
# Who comes last walks behind the others and is seen latest after coming in: of the weights tried (exponents 0, 0.2 to
# 0.5) the one with the least mean error over looks every 0.5, 1 and 2 s of made-up groups.
HIDES_LATER: Final = 0.25
KEPT_LOWS_S: Final = 15.0  # three looks of a slow camera


@dataclass(frozen=True, slots=True, eq=False)
class CrowdMeasure:
    """One look, counted.

    Attributes:
        people: gives float32 (n, 4), the boxes in the zone, surest first, and float32 (n,), their scores.
    """

    mono_s: float
    at: datetime
    is_known: bool
    count: int
    people: Callable[[], tuple[Boxes, NDArray[np.float32]]]
    model_digest: str | None
    frame_size_wh: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class CountAt:
    """A count and when it was, in counted seconds of watching."""

    seen_s: float
    count: float


@dataclass(frozen=True, slots=True)
class Run:
    """Looks that showed enough people, with no more between them than a detector may lose.

    Attributes:
        since: the first of them; unseen before it: twice the way back to the onset told.
        looks, met: since then, and how many of them showed enough.
    """

    since: Moment
    looks: int = 0
    met: int = 0


@dataclass(frozen=True, slots=True)
class CrowdState:
    """What the rule remembers.

    Attributes:
        recent: the raw counts of the last looks, see `in_window`. trend: a minute of smoothed ones.
        lows: the raw counts of the last seconds that no later look fell to, see `with_low`.
        run: see `Run`; None while none of the last looks showed enough people.
    """

    episode: EpisodeState = field(default_factory=EpisodeState)
    recent: tuple[CountAt, ...] = ()
    trend: tuple[CountAt, ...] = ()
    run: Run | None = None
    lows: tuple[CountAt, ...] = ()


def measure(observations: Sequence[Observation], settings: CrowdRule) -> tuple[CrowdMeasure, ...]:
    """Every look counted; live, a batch of one."""
    return tuple(_measured(observation, settings) for observation in observations)


def _measured(observation: Observation, settings: CrowdRule) -> CrowdMeasure:
    people = selecting.standing_in_zone(observation, settings, settings.zone)
    return CrowdMeasure(
        mono_s=observation.observed_mono_s,
        at=observation.observed_at,
        is_known=observation.is_good,
        count=len(people),
        people=lambda: _boxes_and_scores(observation, people),
        model_digest=observation.model_digest,
        frame_size_wh=observation.frame_size_wh,
    )


def _boxes_and_scores(seen: Observation, index: Sequence[int]) -> tuple[Boxes, NDArray[np.float32]]:
    chosen = np.array(index, np.int64)
    return seen.boxes_xyxyn[chosen], seen.scores[chosen]


def step(state: CrowdState, measured: CrowdMeasure, settings: CrowdRule) -> tuple[CrowdState, Decision | None]:
    """One look further."""
    timing = timing_of(settings)
    last = state.episode.last
    if last is not None and measured.mono_s <= last.mono_s:
        return state, None
    if not measured.is_known:
        episode, said = advance(state.episode, Look(measured.mono_s, measured.at, Evidence.BLIND), timing)
        return replace(state, episode=episode), _in_words(said, 0.0, state, measured, settings)
    now = moment_of(last, measured.mono_s, measured.at, settings.gap_tolerance_s)
    if last is not None and measured.mono_s - last.mono_s > settings.gap_tolerance_s:
        # Counts from before a blind stretch say nothing about now; a crowd that is there after it was there before.
        is_lost = measured.mono_s - last.mono_s > settings.view_lost_after_s
        state = replace(state, recent=(), trend=(), lows=(), run=None if is_lost else state.run)
    newest = CountAt(now.seen_s, float(measured.count))
    recent = in_window((*state.recent, newest), settings.smooth_s)
    count = smoothed(recent)
    density = density_of(count, recent, settings)
    run, lows = _run(state.run, recent, state.lows, now, settings), with_low(state.lows, newest)
    state = CrowdState(state.episode, recent, _trend(state.trend, count, now), run, lows)
    look = Look(
        mono_s=measured.mono_s,
        at=measured.at,
        evidence=_evidence(state, measured, count, density, settings),
        onset=state.run.since if state.run else None,
        severity=_severity(count, density, settings),
        headline=count,
        news_step=max(2.0, NEWS_SHARE * count),
        may_begin=settings.may_begin(measured.at),
        begins_between=True,
    )
    episode, said = advance(state.episode, look, timing, now)
    if said is not None and said.phase is Phase.CLEARED:
        # What was seen to disperse begins anew: with the onset of the ended episode the next would be the same alert.
        run, lows = _run(None, recent, (), now, settings), ()
    state = CrowdState(episode, recent, state.trend, run, lows)
    return state, _in_words(said, count, state, measured, settings)


def present_figure(state: CrowdState, measured: CrowdMeasure, settings: CrowdRule) -> Figure | None:  # noqa: ARG001
    """The smoothed count, after `step` has taken this look."""
    return Figure("count", smoothed(state.recent), "people") if state.recent else None


def _trend(before: tuple[CountAt, ...], count: float, now: Moment) -> tuple[CountAt, ...]:
    if before and now.seen_s - before[-1].seen_s < GROWTH_EVERY_S:
        return before
    return (*(item for item in before if now.seen_s - item.seen_s <= GROWTH_OVER_S), CountAt(now.seen_s, count))


def in_window(recent: Sequence[CountAt], smooth_s: float) -> tuple[CountAt, ...]:
    """The looks that say how many people there are now: of the last `smooth_s`, and at least three."""
    if smooth_s <= 0:
        return tuple(recent[-1:])
    last_s = recent[-1].seen_s
    young = len([item for item in recent if last_s - item.seen_s <= smooth_s])
    return tuple(recent[-max(young, LEAST_LOOKS) :])


def smoothed(recent: Sequence[CountAt]) -> float:
    """A detector loses people, and seldom sees one too many: the count that a quarter of the looks reached."""
    return sorted([item.count for item in recent], reverse=True)[len(recent) // 4]


def with_low(lows: tuple[CountAt, ...], newest: CountAt) -> tuple[CountAt, ...]:
    """Counts that only rise: the largest monotone curve under those of the last `KEPT_LOWS_S`. One entry while nobody
    is there.
    """
    under = [low for low in lows if low.count < newest.count and newest.seen_s - low.seen_s <= KEPT_LOWS_S]
    return (*under, newest)


def _began(lows: Sequence[CountAt], now: Moment, settings: CrowdRule) -> Moment:
    """The first look that shows enough people, unseen before it for twice as long as, on the mean, those who came last
    have been there: half of that is told. Who is seen from one low on came half-way between the low before and it;
    each counts by the share of the climb that was still to be seen then, see `HIDES_LATER`.
    """
    wanted, window_s = enough(settings), max(FORMING_S, LEAST_LOOKS * now.unseen_s)
    climb = [low for low in lows if low.count < wanted and now.seen_s - low.seen_s <= window_s]
    if not climb:
        return now
    climb.append(CountAt(now.seen_s, wanted))
    whole, twice_s = wanted - climb[0].count, 0.0
    for low, after in pairwise(climb):
        ahead, behind = (wanted - low.count) / whole, (wanted - after.count) / whole
        weight = ahead ** (1 + HIDES_LATER) - behind ** (1 + HIDES_LATER)
        twice_s += weight * ((now.seen_s - low.seen_s) + (now.seen_s - after.seen_s))
    return replace(now, unseen_s=twice_s)


def _run(
    before: Run | None, recent: Sequence[CountAt], lows: Sequence[CountAt], now: Moment, settings: CrowdRule
) -> Run | None:
    if _is_enough(recent[-1].count, settings):
        run = before or Run(_began(lows, now, settings))
        return Run(run.since, run.looks + 1, run.met + 1)
    if before is None or not any(_is_enough(item.count, settings) for item in recent):
        return None
    run = Run(before.since, before.looks + 1, before.met)
    return run if run.met >= LEAST_MET * run.looks else None


def _is_enough(count: float, settings: CrowdRule) -> bool:
    """So many people begin a crowd."""
    if count >= settings.raise_at_count:
        return True
    if settings.ground is None:
        return False
    return count / area_of(settings.ground, settings.zone)[0] >= settings.levels.busy


def enough(settings: CrowdRule) -> float:
    """From how many people on it is a crowd."""
    if settings.ground is None:
        return float(settings.raise_at_count)
    m2, _ = area_of(settings.ground, settings.zone)
    return min(float(settings.raise_at_count), settings.levels.busy * m2)


@dataclass(frozen=True, slots=True)
class DensityNow:
    """People per square metre: `value`, and between which figures it lies."""

    value: float
    low: float
    high: float

    def level(self, settings: CrowdRule) -> str:
        """The highest level that `value` reaches; "free" below all."""
        reached = [name for name in ("busy", "dangerous", "critical") if self.value >= getattr(settings.levels, name)]
        return reached[-1] if reached else "free"


def density_of(count: float, recent: Sequence[CountAt], settings: CrowdRule) -> DensityNow | None:
    """Of a smoothed count and the raw ones behind it; None where the ground is not known."""
    if settings.ground is None:
        return None
    m2, error_share = area_of(settings.ground, settings.zone)
    counts = [item.count for item in recent] or [count]
    low, high = min(counts) / (m2 * (1 + error_share)), max(counts) / (m2 * (1 - error_share))
    return DensityNow(count / m2, low, high)


def _evidence(
    state: CrowdState, measured: CrowdMeasure, count: float, density: DensityNow | None, settings: CrowdRule
) -> Evidence:
    if state.episode.open is not None:
        is_held = count > settings.clear_at_count or count >= settings.raise_at_count
        if density is not None:
            is_held = is_held or density.value >= settings.levels.busy * HELD_SHARE
        return Evidence.HOLDS if is_held else Evidence.ABSENT
    if state.run is None:
        return Evidence.ABSENT
    # Before it is raised a look that shows too few neither counts nor begins anew; one look alone is no crowd.
    is_repeated = state.run.met > 1 or settings.smooth_s <= 0
    return Evidence.HOLDS if is_repeated and _is_enough(measured.count, settings) else Evidence.UNCLEAR


def _severity(count: float, density: DensityNow | None, settings: CrowdRule) -> Severity:
    level = density.level(settings) if density is not None else "free"
    if level == "critical":
        return Severity.RED
    is_severe = settings.severe_at_count is not None and count >= settings.severe_at_count
    if is_severe or level == "dangerous":
        return Severity(max(Severity.RED, settings.severity - 1))
    return settings.severity


def growth_per_minute(trend: tuple[CountAt, ...]) -> float:
    """People more (or, negative, fewer) a minute: slope of the line through the last minute; 0 for less than 10 s."""
    if len(trend) < 3 or trend[-1].seen_s - trend[0].seen_s < 2 * GROWTH_EVERY_S:
        return 0.0
    times = np.array([item.seen_s for item in trend])
    counts = np.array([item.count for item in trend])
    centred = times - times.mean()
    return float((centred * counts).sum() / (centred**2).sum() * 60.0)


def _in_words(
    said: Transition | None, count: float, state: CrowdState, measured: CrowdMeasure, settings: CrowdRule
) -> Decision | None:
    if said is None:
        return None
    seconds = said.held_s
    measures = {"count": (count, "people"), "seconds": (seconds, "s")}
    if said.phase is Phase.CLEARED:
        why = why_ended(said)
        if why is None:
            text = f"{count:.0f} people <= {settings.clear_at_count} for {settings.clear_after_s:g} s"
            why = Why("crowd_dispersed", f"{text}, after {seconds:.0f} s of crowd")
        else:
            measures = {"seconds": (seconds, "s")}
        return decided(
            said, why, measures=measures, model_digest=measured.model_digest, frame_size_wh=measured.frame_size_wh
        )
    growth = growth_per_minute(state.trend)
    measures["growth"] = (growth, "people/min")
    text, limit = f"{count:.0f} people in the zone", f">= {settings.raise_at_count}"
    density = density_of(count, state.recent, settings)
    if density is not None:
        measures |= {
            "density": (density.value, "people/m2"),
            "density_low": (density.low, "people/m2"),
            "density_high": (density.high, "people/m2"),
        }
        text += f", {density.value:.1f} per m² ({density.low:.1f} to {density.high:.1f}), {density.level(settings)}"
        if count < settings.raise_at_count:
            limit = f">= {settings.levels.busy:g} per m²"
    if said.phase is Phase.RAISED:
        why = Why("crowd_reached", f"{text} {limit} for {seconds:.0f} s >= {settings.dwell_s:g} s")
    else:
        why = Why("crowd_still", f"still {text} after {seconds:.0f} s, {growth:+.0f} a minute")
    boxes, scores = measured.people()
    return decided(
        said,
        why,
        confidence=float(scores.mean()) if len(scores) else 0.0,
        boxes_xyxyn=tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in boxes[:64]),
        measures=measures,
        model_digest=measured.model_digest,
        frame_size_wh=measured.frame_size_wh,
    )
