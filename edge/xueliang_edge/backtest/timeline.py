"""When the looks of a part happened, in the time of one rule: which of them it judges, and what its clock shows. Pure.

A rule's clock advances with every look it judges, whatever that look showed, so it is known before any of them is
judged: `episodes.moment_of` over whole columns, in the same order of additions, to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.rules import CameraFaultRule, view_of
from xueliang_edge.observation_log.encoding import at_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observations import ViewState, is_in_view
from xueliang_edge.rules.episodes import Moment


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """The looks of a part that concern a rule, m of them.

    Attributes:
        rows: int64 (m,), where each lies in the part.
        mono_s: float64 (m,), rule time. at_ms: int64 (m,).
        is_judged: bool (m,): the view was good and the rule's own (for the camera itself: any), and the look is not a
            repeated one.
        seen_s: float64 (m,), seconds of watching, where judged.
        gap_s: float64 (m,), since the judged look before, where judged; infinite for the first ever.
        unseen_s: float64 (m,), what of that counts, where judged.
        last_judged: int64 (m + 1,), the last judged look before each; -1: none in this part.
        is_carried: bool (m,).
        is_known: bool (m,): what the look shows may be judged by the rule; others are blind to it, boxes or not.
    """

    rows: NDArray[np.int64]
    mono_s: NDArray[np.float64]
    at_ms: NDArray[np.int64]
    is_judged: NDArray[np.bool_]
    seen_s: NDArray[np.float64]
    gap_s: NDArray[np.float64]
    unseen_s: NDArray[np.float64]
    last_judged: NDArray[np.int64]
    is_carried: NDArray[np.bool_]
    is_known: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.rows)

    def moment(self, index: int) -> Moment:
        """Of a judged look."""
        at = at_of(int(self.at_ms[index]))
        return Moment(float(self.mono_s[index]), at, float(self.seen_s[index]), float(self.unseen_s[index]))

    def judged(self, start: int, stop: int) -> NDArray[np.int64]:
        """The judged ones of a stretch."""
        found: NDArray[np.int64] = np.flatnonzero(self.is_judged[start:stop]) + start
        return found


def is_concerned(looks: LoggedLooks, rule: Any) -> NDArray[np.bool_]:
    """Which looks a rule is shown, bool (n,): those of its detector, and all at which nothing could be seen."""
    if isinstance(rule, CameraFaultRule):
        return np.ones(len(looks), np.bool_)
    table = [one.view is not ViewState.GOOD or one.detector == rule.detector for one in looks.contexts]
    return np.array(table, np.bool_)[looks.context]


def is_good(looks: LoggedLooks) -> NDArray[np.bool_]:
    """bool (n,)"""
    return np.array([one.view is ViewState.GOOD for one in looks.contexts], np.bool_)[looks.context]


def is_known(looks: LoggedLooks, rule: Any) -> NDArray[np.bool_]:
    """bool (n,): what the look shows may be judged by this rule: a good view, and its own where the camera turns."""
    table = [one.view is ViewState.GOOD and is_in_view(one.view_id, view_of(rule)) for one in looks.contexts]
    return np.array(table, np.bool_)[looks.context]


def timeline_of(looks: LoggedLooks, rule: Any, offset_s: float, last: Moment | None) -> Timeline:
    """`offset_s`: rule time less monotonic time; `last`: the last look that was judged before this part."""
    is_camera_itself = isinstance(rule, CameraFaultRule)
    rows = np.flatnonzero(is_concerned(looks, rule))
    mono_s, count = looks.mono_s[rows] + offset_s, len(rows)
    known = np.ones(count, np.bool_) if is_camera_itself else is_known(looks, rule)[rows]
    before_s = -inf if last is None else last.mono_s
    latest = np.maximum.accumulate(np.concatenate([[before_s], np.where(known, mono_s, -inf)]))
    is_judged = known & (mono_s > latest[:-1])
    index = np.flatnonzero(is_judged)
    gaps = np.diff(mono_s[index], prepend=before_s)
    tolerance_s = inf if is_camera_itself else rule.gap_tolerance_s
    steps = np.where(gaps <= tolerance_s, gaps, 0.0)
    if last is None and len(steps):
        steps[0] = 0.0
    seen_s, gap_s, unseen_s = np.zeros(count), np.zeros(count), np.zeros(count)
    seen_s[index] = np.cumsum(np.concatenate([[0.0 if last is None else last.seen_s], steps]))[1:]
    gap_s[index], unseen_s[index] = gaps, steps
    last_judged = np.full(count + 1, -1, np.int64)
    last_judged[1:] = np.maximum.accumulate(np.where(is_judged, np.arange(count), -1)) if count else -1
    return Timeline(
        rows, mono_s, looks.at_ms[rows], is_judged, seen_s, gap_s, unseen_s, last_judged, looks.is_carried[rows], known
    )
