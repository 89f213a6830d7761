"""Looks at which a zone stays free, while things come and go in it: only the ground is remembered, look by look.

On a busy street something lies in the zone at every other look: what drives through, a box of nothing, a few changed
cells. None of it stands for long enough to be believed, so nothing can be said and no clock of an episode matters but
the one that counts how long the zone has been free. What is left of a look is `places.remember`. Pure.
"""

from __future__ import annotations

from xueliang_edge.backtest.standing_batch import StandingBatch
from xueliang_edge.rules.episodes import EpisodeState, Evidence, Moment
from xueliang_edge.rules.places import Ground, is_settled, remember
from xueliang_edge.rules.standing import StandingState, find
from xueliang_edge.rules.standing_measure import StandingRule


def is_bare(ground: Ground, rule: StandingRule) -> bool:
    """Nothing is remembered that can become an alert."""
    return not (ground.places or ground.absorbed or (rule.any_object and ground.cells))


def pass_while_free(
    state: StandingState, batch: StandingBatch, start: int, rule: StandingRule
) -> tuple[StandingState, int]:
    """The state after the looks from `start` on at which the zone is seen free, and the look after them.

    `state`: after the look before `start`, which the rule has judged, and which said nothing. It ends before a look
    that the rule must judge, and after one that leaves nothing to remember.
    """
    episode, ground, plain = state.episode, state.ground, batch.plain
    last = episode.last
    if last is None or rule.schedule is not None or state.unclear_since is not None or not _is_free(episode):
        return state, start
    longest_s = min(rule.gap_tolerance_s, rule.view_lost_after_s)
    absent_s, absent_looks = episode.absent_s, episode.absent_looks
    index, count, mono, is_known = start, len(batch.timeline), plain.mono_s, plain.is_known
    while (
        index < count and is_known[index] and not (_rests(ground, batch, index, last, rule) or _is_steady(ground, last))
    ):
        gap_s = mono[index] - last.mono_s
        if not 0 < gap_s <= longest_s:
            break
        measured = batch.measure(index)
        now = Moment(measured.mono_s, measured.at, last.seen_s + gap_s, gap_s)
        seconds = now.seen_s - last.seen_s
        after = remember(ground, measured, now, seconds, rule)
        if find(after, measured, now, rule, is_open=False).evidence is not Evidence.ABSENT:
            break
        ground, last, absent_s, absent_looks, index = after, now, absent_s + seconds, absent_looks + 1, index + 1
    if index == start:
        return state, start
    free = EpisodeState(
        last,
        None,
        episode.last_held,
        absent_s,
        absent_looks,
        was_absent=True,
        held_back=episode.held_back,
        closed=episode.closed,
    )
    return StandingState(free, ground, state.chain_since, state.chain_last), index


def _rests(ground: Ground, batch: StandingBatch, index: int, last: Moment, rule: StandingRule) -> bool:
    return not batch.passing.may_stay[index] and batch.passing.leaves_nothing(ground, last, rule)


def _is_free(episode: EpisodeState) -> bool:
    return episode.open is None and episode.onset is None and episode.was_absent


def _is_steady(ground: Ground, last: Moment) -> bool:
    """All that is there stands, and was hit: such looks are gone through by their numbers, see `standing_runs.py`."""
    places = ground.places
    return bool(places) and not ground.cells and all(one.is_hit and is_settled(one, last) for one in places)
