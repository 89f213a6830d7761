"""For how long the log can answer for a rule, and where it cannot, why. Pure.

Unknown is never "no alert": time without an answer is told with its reason and left out of every rate. Each stretch
has one reason, the first of `Unanswered` that holds.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_configs.judging import BoxSettings
from xueliang_configs.rules import Rule, view_of
from xueliang_edge.backtest.counting import Flags, Index
from xueliang_edge.backtest.timeline import is_good
from xueliang_edge.observation_log.encoding import at_milliseconds, at_of
from xueliang_edge.observation_log.looks import LoggedLooks
from xueliang_edge.observation_log.reading import Gap
from xueliang_edge.observation_log.rows import Context
from xueliang_edge.observations import ViewState, is_in_view
from xueliang_edge.rules.registry import RULES
from xueliang_models.detector import LOWEST_SCORE

LATE_SHARE: Final = 1.5  # of a rule's largest gap: looks do not come to the millisecond, and one may wait for another


class Unanswered(StrEnum):
    """Why nothing can be said of a stretch of time."""

    NOT_LOGGED = "not_logged"
    """The node was off, its disk too slow, a file damaged, or it is before the oldest file or after the newest."""
    BLIND_VIEW = "blind_view"
    """The camera was offline, or its picture could not be judged."""
    OTHER_VIEW = "other_view"
    """The camera looked elsewhere: it showed another of its views than the rule's."""
    OTHER_DETECTOR = "other_detector"
    """It was looked at through other detectors than the rule's."""
    OTHER_MODEL = "other_model"
    """The rule's detector had another model then than now."""
    CLASS = "class"
    """The rule counts a class that the model does not know."""
    SCORE = "score"
    """The rule believes boxes of scores that are not kept."""
    TOO_FAR_APART = "looks_too_far_apart"
    """Looks were farther apart than the rule needs them."""


WORDS: Final[Mapping[Unanswered, str]] = {
    Unanswered.NOT_LOGGED: "nothing logged",
    Unanswered.BLIND_VIEW: "camera offline or picture not usable",
    Unanswered.OTHER_VIEW: "the camera showed another view",
    Unanswered.OTHER_DETECTOR: "seen through other detectors only",
    Unanswered.OTHER_MODEL: "seen by another model than today's",
    Unanswered.CLASS: "a class the model does not know",
    Unanswered.SCORE: f"scores below {LOWEST_SCORE:.2f}, which are not kept",
    Unanswered.TOO_FAR_APART: "looks too far apart for this rule",
}
_ORDER: Final = tuple(Unanswered)
_ANSWERED: Final = -1
_SILENT: Final = -2


@dataclass(frozen=True, slots=True)
class KnownModel:
    """What a detector is today."""

    digest: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """Nothing can be said between these moments."""

    from_at: datetime
    until_at: datetime
    reason: Unanswered

    @property
    def seconds(self) -> float:
        return (self.until_at - self.from_at).total_seconds()


@dataclass(frozen=True, slots=True)
class Answerable:
    """Of the time asked about, how much the log can answer for.

    Attributes:
        total_s, answered_s: seconds.
        unanswered_s: seconds by reason; reasons without any are left out.
        stretches: in their order; neighbours have different reasons.
    """

    total_s: float
    answered_s: float
    unanswered_s: Mapping[Unanswered, float]
    stretches: tuple[Stretch, ...]

    def reason_at(self, at: datetime) -> Unanswered | None:
        """Why nothing can be said of this moment; None: the log can answer. The end of a stretch belongs to it."""
        index = bisect_left(self.stretches, at, key=lambda one: one.from_at)  # the first that begins here or later
        before = self.stretches[index - 1] if index else None
        return before.reason if before is not None and at <= before.until_at else None


def always_unanswered(rule: Rule, model: KnownModel | None) -> tuple[Unanswered, str] | None:
    """What keeps the log from ever answering for this rule, and in which words; None: nothing does."""
    if not isinstance(rule, BoxSettings):
        return None
    unknown = [name for name in rule.classes if model is not None and name not in model.classes]
    if unknown and model is not None:
        return Unanswered.CLASS, f"the model does not know {', '.join(unknown)}; it knows {', '.join(model.classes)}"
    low = {name: score for name, score in rule.min_scores.items() if score < LOWEST_SCORE}
    if low:
        told = ", ".join(f"{name} {score:g}" for name, score in low.items())
        return Unanswered.SCORE, f"min_scores {told}: boxes are kept from {LOWEST_SCORE:.2f} on"
    return None


class Answering:
    """Takes the parts of a history in their order.

    Attributes:
        digests: of the models behind the looks of the rule's detector, and in how many looks.
    """

    def __init__(self, rule: Rule, model: KnownModel | None, *, carried_counts: bool = True) -> None:
        """`carried_counts`: whether an answer that was carried is as good as a look: what the rule watches lies where
        something would have been noticed to move."""
        self._rule, self._model, self._carried_counts = rule, model, carried_counts
        self._needs_detector = RULES[rule.hazard].needs_detector
        always = always_unanswered(rule, model)
        self._answered = _ANSWERED if always is None else _ORDER.index(always[0])
        self._limit_s = LATE_SHARE * rule.largest_gap_s
        self._last: tuple[float, int, int] | None = None  # monotonic, wall, code of the look that still speaks
        self._end: tuple[float, int] | None = None  # the same of the last look of any kind
        self._others = 0  # looks of other detectors since
        self._total_ms, self._by_code = 0, Counter[int]()
        self._stretches: list[tuple[int, int, int]] = []
        self.digests: Counter[str] = Counter()

    def take(self, looks: LoggedLooks) -> None:
        codes, is_other = self._codes(looks)
        index = np.flatnonzero(codes != _SILENT)
        mono_s, at_ms, code = looks.mono_s[index], looks.at_ms[index], codes[index]
        others = np.concatenate([[0], np.cumsum(is_other)])[index] + self._others
        if self._last is None:  # what comes first and says nothing stands for what is before the first that speaks
            self._last = float(looks.mono_s[0]), int(looks.at_ms[0]), _ORDER.index(Unanswered.OTHER_DETECTOR)
        if len(index):
            mono_s = np.concatenate([[self._last[0]], mono_s])
            at_ms = np.concatenate([[self._last[1]], at_ms])
            code = np.concatenate([[self._last[2]], code])
            others = np.concatenate([[0], others])
            self._add(at_ms[:-1], at_ms[1:], self._reasons(code[:-1], np.diff(mono_s), np.diff(others) > 0))
            self._last = float(mono_s[-1]), int(at_ms[-1]), int(code[-1])
            self._others = int(is_other[index[-1] :].sum())
        else:
            self._others += int(is_other.sum())
        self._end = float(looks.mono_s[-1]), int(looks.at_ms[-1])

    def gap(self, gap: Gap) -> None:
        """Nothing is known between two looks."""
        self._close()
        if gap.after_at is not None and gap.until_at is not None:
            ends = np.array([at_milliseconds(gap.after_at)]), np.array([at_milliseconds(gap.until_at)])
            self._add(*ends, np.array([_ORDER.index(Unanswered.NOT_LOGGED)]))

    def answer(self) -> Answerable:
        """After the last part."""
        self._close()
        seconds = {reason: self._by_code[code] / 1000 for code, reason in enumerate(_ORDER) if self._by_code[code]}
        stretches = tuple(Stretch(at_of(a), at_of(b), _ORDER[code]) for a, b, code in self._stretches)
        return Answerable(self._total_ms / 1000, self._by_code[_ANSWERED] / 1000, seconds, stretches)

    def _codes(self, looks: LoggedLooks) -> tuple[Index, Flags]:
        """What each look says: answered, a reason, or (`_SILENT`) nothing for this rule; and which are another's."""
        table = np.array([self._code_of(one) for one in looks.contexts], np.int64)
        codes: Index = table[looks.context]
        is_other: Flags = codes == _SILENT
        if self._needs_detector:
            is_mine = is_good(looks) & ~is_other
            for number, count in zip(*np.unique(looks.context[is_mine], return_counts=True), strict=True):
                self.digests[looks.contexts[number].model_digest or "none"] += int(count)
            if not self._carried_counts:
                codes = np.where(is_mine & looks.is_carried, _SILENT, codes)
        return codes, is_other

    def _code_of(self, context: Context) -> int:
        if not self._needs_detector:
            return self._answered
        if context.view is not ViewState.GOOD:
            return _ORDER.index(Unanswered.BLIND_VIEW)
        if context.detector != self._rule.detector:
            return _SILENT
        if not is_in_view(context.view_id, view_of(self._rule)):
            return _ORDER.index(Unanswered.OTHER_VIEW)
        if self._model is not None and context.model_digest != self._model.digest:
            return _ORDER.index(Unanswered.OTHER_MODEL)
        return self._answered

    def _close(self) -> None:
        """Until the last look before a gap, or the end."""
        if self._last is not None and self._end is not None:
            mono_s, at_ms, code = self._last
            seconds = np.array([self._end[0] - mono_s])
            reasons = self._reasons(np.array([code]), seconds, np.array([self._others > 0]))
            self._add(np.array([at_ms]), np.array([self._end[1]]), reasons)
        self._last, self._end, self._others = None, None, 0

    def _reasons(self, codes: Index, seconds: NDArray[np.float64], has_others: Flags) -> Index:
        """Why nothing can be said from each look to the next, `seconds` later; `_ANSWERED` where something can."""
        far = np.where(has_others, _ORDER.index(Unanswered.OTHER_DETECTOR), _ORDER.index(Unanswered.TOO_FAR_APART))
        is_far = (codes == _ANSWERED) & (seconds > self._limit_s)
        reasons: Index = np.where(is_far, far, codes)
        return reasons

    def _add(self, from_ms: Index, until_ms: Index, codes: Index) -> None:
        until_ms = np.maximum(until_ms, from_ms)  # a wall clock that went back makes no time
        lasted_ms = until_ms - from_ms
        self._total_ms += int(lasted_ms.sum())
        for code in np.unique(codes).tolist():
            self._by_code[code] += int(lasted_ms[codes == code].sum())
        for index in np.flatnonzero((codes != _ANSWERED) & (lasted_ms > 0)).tolist():
            start, end, code = int(from_ms[index]), int(until_ms[index]), int(codes[index])
            if self._stretches and self._stretches[-1][1:] == (start, code):
                start = self._stretches.pop()[0]
            self._stretches.append((start, end, code))
