"""One rule over the looks of a camera: exactly what it would have said, in less time. Owned by one caller.

The rule's memory goes on from part to part. A gap is blind time, as after a restart of the node: within the rule's
tolerance nothing is lost, after `view_lost_after_s` an open alert ends as view_lost. Moments are in rule time:
monotonic seconds that go on over restarts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from xueliang_configs.rules import CameraFaultRule, Rule
from xueliang_edge.backtest.measuring import Batch, LiveBatch
from xueliang_edge.backtest.skipping import SKIPPING
from xueliang_edge.backtest.timeline import Timeline, timeline_of
from xueliang_edge.observation_log.encoding import at_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.rules.episodes import Decision, EpisodeState
from xueliang_edge.rules.registry import RULES

_MINUTE_MS = 60_000


class Replay:
    """`take` the parts of a history in their order.

    Attributes:
        looks: that concerned the rule. judged_alone: of these, how many were gone through one by one.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._hazard, self._skipping = RULES[rule.hazard], SKIPPING.get(rule.hazard)
        self._state: Any = self._hazard.state_type()
        self._run_id: str | None = None
        self._offset_s = 0.0
        self._last: tuple[float, int] | None = None  # rule time and wall milliseconds of the last look of any kind
        self._may_begin: dict[int, bool] = {}  # by minute: asking a calendar costs more than judging a look
        self.looks = self.judged_alone = 0

    @property
    def state(self) -> Any:
        """What the rule remembers: of the hazard's `state_type`."""
        return self._state

    @property
    def episode(self) -> EpisodeState:
        """What the rule remembers of time: whether an alert is open, for example."""
        episode: EpisodeState = self._state.episode
        return episode

    def take(self, part: LoggedLooks) -> Iterator[Decision]:
        """What it says to these looks."""
        self._join(part)
        timeline = timeline_of(part, self.rule, self._offset_s, self._state.episode.last)
        self.looks += len(timeline)
        yield from self._go_through(part, timeline)
        self._last = float(part.mono_s[-1]) + self._offset_s, int(part.at_ms[-1])

    def _join(self, part: LoggedLooks) -> None:
        """Rule time goes on over a restart by the wall clock; one that went back says nothing of the time between."""
        if self._last is not None and part.run_id != self._run_id:
            last_s, last_ms = self._last
            blind_s = max((int(part.at_ms[0]) - last_ms) / 1000, 0.0)
            self._offset_s = last_s + blind_s - float(part.mono_s[0])
            if self._skipping is not None:
                self._state = self._skipping.over_restart(self._state)
        self._run_id = part.run_id

    def _go_through(self, part: LoggedLooks, timeline: Timeline) -> Iterator[Decision]:
        if not len(timeline):
            return
        batch = self._batch(part, timeline)
        wakes: list[int] = np.flatnonzero(batch.wakes).tolist()
        index, count = 0, len(timeline)
        while index < count:
            if self._is_resting(batch):
                nearest = bisect_left(wakes, index)
                following = wakes[nearest] if nearest < len(wakes) else count
                self._rest(batch, timeline, index, following)
                index = following
                if index == count:
                    return
            self._state, decision = self._hazard.step(self._state, batch.measure(index), self.rule)
            self.judged_alone += 1
            index += 1
            if decision is not None:
                yield decision
            elif self._skipping is not None:
                self._state, index, alone = self._skipping.on(self._state, batch, index, self.rule)
                self.judged_alone += alone

    def _batch(self, part: LoggedLooks, timeline: Timeline) -> Batch:
        if self._skipping is None:
            return LiveBatch(part, timeline, self.rule, np.ones(len(timeline), np.bool_))
        return self._skipping.begin(part, timeline, self.rule)

    def _is_resting(self, batch: Batch) -> bool:
        episode = self._state.episode
        if episode.open is not None or episode.onset is not None or self._skipping is None:
            return False
        return self._skipping.is_resting(self._state, batch, self.rule)

    def _rest(self, batch: Batch, timeline: Timeline, start: int, stop: int) -> None:
        """Pass over quiet looks."""
        last = int(timeline.last_judged[stop])
        if last < start or self._skipping is None:
            return  # blind all along: at rest nothing comes of it
        state = self._skipping.rested(self._state, batch, timeline, start, stop, self.rule)
        held_back = self._held_back(timeline, start, stop)
        episode = replace(
            state.episode,
            last=timeline.moment(last),
            held_back=state.episode.held_back if held_back is None else timeline.moment(held_back),
        )
        self._state = replace(state, episode=episode)

    def _held_back(self, timeline: Timeline, start: int, stop: int) -> int | None:
        """The last of these looks at which the schedule let nothing begin."""
        if isinstance(self.rule, CameraFaultRule) or self.rule.schedule is None:
            return None
        judged = timeline.judged(start, stop)
        minutes = timeline.at_ms[judged] // _MINUTE_MS
        for minute in np.unique(minutes)[::-1].tolist():
            if not self._may_begin_in(minute):
                return int(judged[np.flatnonzero(minutes == minute)[-1]])
        return None

    def _may_begin_in(self, minute: int) -> bool:
        """Bands begin and end with whole minutes."""
        if minute not in self._may_begin:
            assert not isinstance(self.rule, CameraFaultRule)
            self._may_begin[minute] = self.rule.may_begin(at_of(minute * _MINUTE_MS))
        return self._may_begin[minute]
