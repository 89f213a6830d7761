"""Looks at which what stands in a zone is seen to stand there, and nothing else happens: gone through by their numbers.

A parked car is hit at nearly every look, for an hour. Each of these looks moves a few clocks and a mean score, by the
same additions in the same order as `rules/standing.py`; none of them says anything. A run ends before the first look
that may say something, or at which anything else is there: that look is judged by the rule. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from xueliang_edge.backtest.standing_batch import StandingBatch
from xueliang_edge.backtest.standing_hidden import veils_through
from xueliang_edge.observation_log.encoding import at_of
from xueliang_edge.rules.episodes import STILL_THERE_EVERY_S, EpisodeState, Evidence, Moment
from xueliang_edge.rules.places import (
    BELIEVED_SHARE,
    LEAST_LOOKS,
    MIN_PRESENCE,
    Ground,
    Place,
    hits_of,
    is_settled,
    under_place,
)
from xueliang_edge.rules.rasters import union_of
from xueliang_edge.rules.standing import NEWS_SHARE, Found, StandingState, find
from xueliang_edge.rules.standing_measure import Inside, StandingMeasure, StandingRule


def run_through(
    state: StandingState, batch: StandingBatch, start: int, rule: StandingRule
) -> tuple[StandingState, int]:
    """The state after the looks from `start` on that change no more than clocks and scores, and the look after them.

    `state`: after the look before `start`, which the rule has judged, and which said nothing.
    """
    if not _may_begin(state, batch, start, rule):
        return state, start
    measured = batch.measure(start)
    found = _found(state, measured, rule)
    if found is None:
        return state, start
    run = _Run(state, batch, start, rule, found, measured.confident_score)
    index, count = start, len(batch.timeline)
    while index < count and run.takes(index):
        index += 1
    return (run.state(), index) if index > start else (state, start)


def _may_begin(state: StandingState, batch: StandingBatch, start: int, rule: StandingRule) -> bool:
    """Each thing inside stands at a place that was hit, and nothing else is remembered."""
    places, last, plain = state.ground.places, state.episode.last, batch.plain
    if not places or state.ground.cells or start >= len(batch.timeline) or not plain.is_known[start]:
        return False
    if last is None or state.unclear_since is not None or (state.episode.open is None and rule.schedule is not None):
        return False
    is_alone = all(place.is_hit and is_settled(place, last) for place in places)
    return is_alone and not plain.has_changed[start] and len(batch.inside_of(start).boxes) == len(places)


def _found(state: StandingState, measured: StandingMeasure, rule: StandingRule) -> Found | None:
    """What the rule finds as long as the same places are believed; None: the look before found something else."""
    episode, last = state.episode, state.episode.last
    assert last is not None
    found = find(state.ground, measured, last, rule, is_open=episode.open is not None)
    if found.evidence is Evidence.ABSENT:
        is_free = episode.open is None and episode.onset is None and episode.was_absent
        return found if is_free else None
    if found.evidence is not Evidence.HOLDS or episode.onset is None or episode.last_held != last:
        return None
    onset = found.since if rule.counts_each_alone else state.chain_since
    if onset is None or not (rule.counts_each_alone or state.chain_last == last):
        return None
    held_back = episode.held_back
    if onset != episode.onset and (held_back is None or onset.seen_s > held_back.seen_s):
        return None
    is_news = episode.open is not None and (
        episode.open.severity != rule.severity or abs(found.share - episode.open.headline) >= NEWS_SHARE
    )
    return None if is_news else found


@dataclass(slots=True)
class _Standing:
    """A place, and what the looks of a run change of it.

    Attributes:
        crowded_s: seconds that speak against it beside those in which it could be seen. least: mean score from which it
            is believed. is_believed: so it is, or is not, all through the run.
    """

    place: Place
    visible_s: float
    hit_s: float
    score: float
    looks: int
    crowded_s: float
    least: float
    is_believed: bool

    @classmethod
    def of(cls, place: Place, confident_score: float, rule: StandingRule, *, is_open: bool) -> _Standing:
        crowded_s = 0.0 if is_open else place.crowded_s
        least = BELIEVED_SHARE * rule.min_scores.get(place.class_name, confident_score)
        one = cls(place, place.visible_s, place.hit_s, place.score, place.looks, crowded_s, least, is_believed=False)
        one.is_believed = one.believes(one.visible_s, one.hit_s, one.score, one.looks)
        return one

    def believes(self, visible_s: float, hit_s: float, score: float, looks: int) -> bool:
        """As `places.is_believed` does, of a place that has settled."""
        is_steady = hit_s >= MIN_PRESENCE * (visible_s + self.crowded_s)
        return is_steady and score >= self.least and looks >= LEAST_LOOKS

    def after(self, now: Moment) -> Place:
        """The place, last hit at this moment."""
        place = self.place
        return Place(
            anchor=place.anchor,
            since=place.since,
            last_hit=now,
            visible_s=self.visible_s,
            hit_s=self.hit_s,
            score=self.score,
            looks=self.looks,
            class_name=place.class_name,
            best=place.best,
            crowded_s=place.crowded_s,
        )


class _Run:
    """A run on its way."""

    def __init__(
        self,
        state: StandingState,
        batch: StandingBatch,
        start: int,
        rule: StandingRule,
        found: Found,
        confident_score: float,
    ) -> None:
        episode, ground = state.episode, state.ground
        assert episode.last is not None
        self._before, self._batch, self._rule, self._last = state, batch, rule, episode.last
        self._is_holding = found.evidence is Evidence.HOLDS
        self._places = [
            _Standing.of(one, confident_score, rule, is_open=episode.open is not None) for one in ground.places
        ]
        self._mono_s, self._seen_s, self._unseen_s = episode.last.mono_s, episode.last.seen_s, 0.0
        self._absent_s, self._absent_looks, self._start, self._index = episode.absent_s, episode.absent_looks, start, -1
        self._absorbed, self._under_hit = ground.absorbed, 0
        if batch.grid is not None:
            self._under_hit = union_of([under_place(batch.grid.centres, one.anchor) for one in ground.places])
        self._inside: Inside | None = None
        self._scores: tuple[float, ...] = ()  # of the box that hits each place

    def takes(self, index: int) -> bool:
        """Goes on by one look, if it changes no more than clocks and scores."""
        plain, rule = self._batch.plain, self._rule
        mono_s = plain.mono_s[index]
        gap_s = mono_s - self._mono_s
        if not (0 < gap_s <= rule.gap_tolerance_s and gap_s <= rule.view_lost_after_s and plain.is_known[index]):
            return False
        seen_s = self._seen_s + gap_s
        seconds = seen_s - self._seen_s
        is_quiet = not plain.has_changed[index] and not self._is_due(mono_s, seen_s)
        if not (is_quiet and self._is_hit(index) and self._takes_hits(seconds)):
            return False
        if not self._is_holding:
            self._absent_s, self._absent_looks = self._absent_s + seconds, self._absent_looks + 1
        if plain.has_change[index]:
            self._absorb(index)
        self._mono_s, self._seen_s, self._unseen_s, self._index = mono_s, seen_s, gap_s, index
        return True

    def _is_due(self, mono_s: float, seen_s: float) -> bool:
        """Something may be said at this look."""
        episode = self._before.episode
        if not self._is_holding:
            return False
        if episode.open is not None:
            return mono_s - episode.open.said_mono_s >= STILL_THERE_EVERY_S
        return episode.onset is None or seen_s - episode.onset.seen_s >= self._rule.dwell_s

    def _is_hit(self, index: int) -> bool:
        """Each place is hit, and nothing else is inside."""
        inside = self._batch.inside_of(index)
        if inside is not self._inside:
            places = self._before.ground.places
            if len(inside.boxes) != len(places):
                return False
            hits = hits_of(places, inside.boxes, self._last)  # all have settled: what hits them now hits them later
            if len(hits) != len(places):
                return False
            self._inside = inside
            self._scores = tuple([inside.scores[hits[number]] for number in range(len(places))])
        return True

    def _takes_hits(self, seconds: float) -> bool:
        """False: a place comes to be believed, or no longer is, or was never seen so surely (it may get its name)."""
        taken = []
        for one, score in zip(self._places, self._scores, strict=True):
            looks = one.looks + 1
            visible_s, hit_s, mean = (
                one.visible_s + seconds,
                one.hit_s + seconds,
                one.score + (score - one.score) / looks,
            )
            if score > one.place.best or one.believes(visible_s, hit_s, mean, looks) != one.is_believed:
                return False
            taken.append((visible_s, hit_s, mean, looks))
        for one, values in zip(self._places, taken, strict=True):
            one.visible_s, one.hit_s, one.score, one.looks = values
        return True

    def _absorb(self, index: int) -> None:
        """As `places` does where no cell has changed."""
        batch, grid = self._batch, self._batch.grid
        assert grid is not None
        same = batch.same_at(index, grid)
        absorbed = (self._absorbed & grid.centres.every) | (self._under_hit & same)
        bare = absorbed & same & ~self._under_hit
        self._absorbed = absorbed & ~(bare & ~batch.under_boxes(index)) if bare else absorbed

    def state(self) -> StandingState:
        """After the last look that was taken."""
        before, episode = self._before, self._before.episode
        now = Moment(self._mono_s, at_of(self._batch.plain.at_ms[self._index]), self._seen_s, self._unseen_s)
        is_holding, chain_last = self._is_holding, before.chain_last
        after = EpisodeState(
            now,
            episode.onset if is_holding else None,
            now if is_holding else episode.last_held,
            0.0 if is_holding else self._absent_s,
            0 if is_holding else self._absent_looks,
            was_absent=not is_holding,
            open=episode.open,
            held_back=episode.held_back,
            closed=episode.closed,
        )
        if is_holding and not self._rule.counts_each_alone:
            chain_last = now
        places, batch = tuple([one.after(now) for one in self._places]), self._batch
        veils = veils_through(before.ground.veils, batch, batch.timeline, self._start, self._index + 1, self._rule)
        return StandingState(after, Ground(places, (), self._absorbed, veils), before.chain_since, chain_last)
