"""How a rule stood at each look of a recording, and over its whole length. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import numpy as np

from xueliang_alerts.contract import Severity
from xueliang_configs.rules import Rule
from xueliang_edge.rules.episodes import EpisodeState

SAME_LOOK_S: Final = 0.002  # an observation's time is kept to a millisecond


class StateKind(StrEnum):
    """How a rule stands."""

    QUIET = "quiet"
    COUNTING = "counting"
    OPEN = "open"
    PAUSED = "paused"
    """Outside its schedule, or in its cooldown: nothing is raised."""
    UNKNOWN = "unknown"
    """The look could not be judged, or none came."""


@dataclass(frozen=True, slots=True)
class RuleState:
    """One rule after one look.

    Attributes:
        counted_s: seconds the condition has held. needed_s: seconds after which it is raised; 0: at once.
        severity: of the open alert, also while nothing is known; None: none is open.
        why: of a pause.
    """

    kind: StateKind
    counted_s: float = 0.0
    needed_s: float = 0.0
    severity: Severity | None = None
    why: str = ""

    @property
    def words(self) -> str:
        """For people."""
        match self.kind:
            case StateKind.COUNTING:
                return f"counting {self.counted_s:.0f} s" + (f" of {self.needed_s:g} s" if self.needed_s else "")
            case StateKind.OPEN:
                return f"open for {self.counted_s:.0f} s"
            case StateKind.PAUSED:
                return self.why
            case StateKind.UNKNOWN:
                return "unknown, alert open" if self.severity is not None else "unknown"
            case _:
                return "quiet"


@dataclass(frozen=True, slots=True)
class Stretch:
    """A rule stood the same from `begin_s` to `end_s`."""

    begin_s: float
    end_s: float
    kind: StateKind
    severity: Severity | None = None


def state_of(rule: Rule, episode: EpisodeState, mono_s: float) -> RuleState:
    """How a rule stands after the look of `mono_s`, by what it remembers of time."""
    needed_s = float(getattr(rule, "dwell_s", 0.0))
    severity = Severity(episode.open.severity) if episode.open is not None else None
    last = episode.last
    if last is None or last.mono_s < mono_s - SAME_LOOK_S:
        return RuleState(StateKind.UNKNOWN, needed_s=needed_s, severity=severity)
    if episode.open is not None:
        return RuleState(StateKind.OPEN, last.seen_s - episode.open.began.seen_s, needed_s, severity)
    if episode.held_back == last:
        return RuleState(StateKind.PAUSED, needed_s=needed_s, why="outside its schedule")
    closed, cooldown_s = episode.closed, float(getattr(rule, "cooldown_s", 0.0))
    if closed is not None and mono_s - closed.mono_s < cooldown_s:
        return RuleState(StateKind.PAUSED, needed_s=needed_s, why=f"in its cooldown of {cooldown_s:g} s")
    if episode.onset is not None:
        return RuleState(StateKind.COUNTING, last.seen_s - episode.onset.seen_s, needed_s)
    if not episode.was_absent and last not in (episode.last_held, closed):
        return RuleState(StateKind.UNKNOWN, needed_s=needed_s)  # hidden, or the scene is not learnt yet: not "nothing"
    return RuleState(StateKind.QUIET, needed_s=needed_s)


def figure_of(measured: Any) -> float | None:
    """The one figure of a rule's measure that is worth a curve; None: it has none, or nothing was known.

    People counted, boxes that count, or the share of the zone that differs from its scene.
    """
    if not getattr(measured, "is_known", False):
        return None
    if (count := getattr(measured, "count", None)) is not None:
        return float(count)
    if (is_sure := getattr(measured, "is_sure", None)) is not None:
        return float(np.count_nonzero(is_sure))
    if (boxes := getattr(measured, "boxes", None)) is not None:
        return float(len(boxes))
    changed, weights = getattr(measured, "changed", None), getattr(measured, "weights", None)
    if changed is None or weights is None or not np.isfinite(changed).any():
        return None
    known = np.isfinite(changed)
    return float((changed[known] * weights[known]).sum() / weights[known].sum())


@dataclass(slots=True)
class Lane:
    """One rule over the recording. Grows look by look; a state holds until the next look, for `holds_s` at most.

    Attributes:
        stretches: in order, without holes between the first look and the last.
        figures: (from when on, figure) where it changed; None: there was none from then on.
    """

    rule: Rule
    holds_s: float
    stretches: list[Stretch] = field(default_factory=list)
    figures: list[tuple[float, float | None]] = field(default_factory=list)
    _since_s: float = 0.0
    _now: RuleState | None = None

    def add(self, at_s: float, state: RuleState, figure: float | None = None) -> None:
        """One look; looks that are not later than the last one change nothing."""
        if self._now is not None:
            if at_s <= self._since_s:
                return
            self._hold_until(at_s)
        self._since_s, self._now = at_s, state
        self._note(at_s, figure)

    def finish(self, end_s: float) -> None:
        """The recording ends here."""
        if self._now is not None and end_s > self._since_s:
            self._hold_until(end_s)
            self._since_s = end_s

    @property
    def end_s(self) -> float:
        """As far as it goes."""
        return self.stretches[-1].end_s if self.stretches else 0.0

    @property
    def is_open(self) -> bool:
        """An alert was open after the last look."""
        return self._now is not None and self._now.severity is not None

    def _hold_until(self, end_s: float) -> None:
        if self._now is None:
            return
        known_until_s = min(end_s, self._since_s + self.holds_s)
        self._extend(Stretch(self._since_s, known_until_s, self._now.kind, self._now.severity))
        if known_until_s < end_s:
            self._note(known_until_s, None)
            self._extend(Stretch(known_until_s, end_s, StateKind.UNKNOWN, self._now.severity))

    def _note(self, at_s: float, figure: float | None) -> None:
        if figure != (self.figures[-1][1] if self.figures else None):
            self.figures.append((at_s, figure))

    def _extend(self, new: Stretch) -> None:
        last = self.stretches[-1] if self.stretches else None
        if last is not None and (last.kind, last.severity) == (new.kind, new.severity):
            self.stretches[-1] = Stretch(last.begin_s, new.end_s, new.kind, new.severity)
        else:
            self.stretches.append(new)
