"""Measure, then step, every rule of one camera: the stateful shell around the pure rules.

Invariants
    - A change of settings is atomic: rules that did not change keep their state and their open episodes; changed ones
      end theirs as RULE_CHANGED, removed ones as RULE_REMOVED.
    - Rules live in *rule time*: monotonic seconds that go on over a restart of the node (`restore`). Decisions carry
      this boot's monotonic seconds; moments from before the restart may be negative there.
    - A rule of one view of a camera that turns is judged in that view only; what other views show is unknown to it.
    - After a restart the time in between is blind time: within the rules' tolerance nothing is lost, after
      `view_lost_after_s` an open episode ends VIEW_LOST.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple, Self

from pydantic import TypeAdapter, ValidationError

from xueliang_alerts.commands import Says
from xueliang_alerts.contract import EndReason
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.rules import Rule, view_of
from xueliang_edge.observations import Observation, is_in_view, turned_away
from xueliang_edge.rules.episodes import Decision, EpisodeState, Moment, decided, ended, why_ended
from xueliang_edge.rules.present import Present, present_of
from xueliang_edge.rules.registry import RULES, HazardRule

SNAPSHOT_VERSION: Final = 1
_RULE: Final[TypeAdapter[Rule]] = TypeAdapter(Rule)


class Judged(NamedTuple):
    """A decision and the rule that made it."""

    rule: Rule
    decision: Decision


@dataclass(slots=True)
class _Running:
    """A rule and what it remembers; what every look asks of the rule is looked up once."""

    rule: Rule
    state: Any
    hazard: HazardRule = field(init=False)
    view_id: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.hazard, self.view_id = RULES[self.rule.hazard], view_of(self.rule)


class CameraJudge:
    """The rules of one camera and what they remember. Belongs to one thread."""

    def __init__(self, camera: CameraConfig) -> None:
        self.camera = camera = camera.as_judged
        self._running = {rule.rule_id: _started(rule) for rule in camera.rules}
        self._offset_s = 0.0  # rule time less this boot's monotonic time
        self._last: tuple[float, datetime] | None = None  # rule time and wall of the last observation

    @property
    def open_rules(self) -> frozenset[str]:
        """The rule_ids with an open episode: the scene under them must not be learnt as background."""
        return frozenset(rule_id for rule_id, running in self._running.items() if running.state.episode.open)

    @property
    def offset_s(self) -> float:
        """Rule time less this boot's monotonic time: moments of `episodes` lie so much later than those of pictures."""
        return self._offset_s

    @property
    def episodes(self) -> dict[str, EpisodeState]:
        """What each running rule remembers of time, by rule_id."""
        return {rule_id: running.state.episode for rule_id, running in self._running.items()}

    def look(self, observation: Observation) -> list[Judged]:
        """Judge one observation by every rule that it concerns."""
        here = observation.later(self._offset_s) if self._offset_s else observation
        self._last = (here.observed_mono_s, here.observed_at)
        judged, is_good = [], observation.is_good
        for running in self._running.values():
            hazard = running.hazard
            if is_good and hazard.needs_detector and observation.detector != running.rule.detector:
                continue
            seen = here if is_in_view(here.view_id, running.view_id) else turned_away(here)
            measured = hazard.measure((seen,), running.rule)[0]
            running.state, decision = hazard.step(running.state, measured, running.rule)
            if decision is not None:
                judged.append(self._judged(running.rule, decision))
        return judged

    def present(self, rule_id: str, observations: Sequence[Observation]) -> Present | None:
        """What a rule says of the look that was judged last, of which these are the observations. Changes nothing.

        None: no such rule runs, or no observation concerns it.
        """
        running = self._running.get(rule_id)
        if running is None:
            return None
        hazard, rule = running.hazard, running.rule
        mine = [
            one for one in observations if not (one.is_good and hazard.needs_detector) or one.detector == rule.detector
        ]
        if not mine:
            return None
        # Another detector that failed says of this rule nothing that its own did not.
        own = (one for one in mine if hazard.needs_detector and one.detector == rule.detector)
        here = next(own, mine[-1]).later(self._offset_s)
        if not is_in_view(here.view_id, running.view_id):
            return Present(Says.CANNOT_SEE, has_alert=running.state.episode.open is not None, why="other_view")
        said = present_of(running.state.episode, here.observed_mono_s)
        if said.says is Says.CANNOT_SEE:
            return replace(said, why=why_not_seen(here))
        measured = hazard.measure((here,), rule)[0]
        figure = hazard.present_figure(running.state, measured, rule) if hazard.present_figure else None
        return replace(said, figure=figure)

    def change(self, camera: CameraConfig) -> list[Judged]:
        """Take new settings, all at once; returns the ends of what they end. What raises here has changed nothing."""
        camera = camera.as_judged
        running = {rule.rule_id: self._going_on(rule) or _started(rule) for rule in camera.rules}
        said = []
        for rule_id, before in self._running.items():
            if rule_id not in running:
                said += self._end(before, EndReason.RULE_REMOVED)
            elif running[rule_id] is not before:
                said += self._end(before, EndReason.RULE_CHANGED)
        self.camera, self._running = camera, running
        return said

    def _going_on(self, rule: Rule) -> _Running | None:
        """This very rule as it runs; None: it is another one, or new."""
        before = self._running.get(rule.rule_id)
        return before if before is not None and before.rule == rule else None

    def end_all(self, end_reason: EndReason) -> list[Judged]:
        """End every open episode, for example NODE_STOPPED at a clean stop, RULE_REMOVED when the camera is taken
        out.
        """
        return [judged for running in self._running.values() for judged in self._end(running, end_reason)]

    def snapshot(self) -> dict[str, Any]:
        """What must survive a restart, as JSON values. Empty before the first look."""
        if self._last is None:
            return {}
        rules = {
            rule_id: {
                "rule": running.rule.model_dump(mode="json"),
                "state": _adapter(type(running.state)).dump_python(running.state, mode="json"),
            }
            for rule_id, running in self._running.items()
        }
        rule_time_s, at = self._last
        return {
            "version": SNAPSHOT_VERSION,
            "camera_id": self.camera.camera_id,
            "rule_time_s": rule_time_s,
            "offset_s": self._offset_s,
            "at": at.isoformat(),
            "rules": rules,
        }

    @classmethod
    def restore(
        cls, camera: CameraConfig, snapshot: Mapping[str, Any], *, mono_s: float, at: datetime
    ) -> tuple[Self, list[Judged]]:
        """A judge that goes on where `snapshot` ends, and the ends of rules that changed meanwhile.

        `mono_s` and `at` are now. A snapshot that cannot be read, or of another camera, gives a fresh judge: what
        stands there is then seen anew.
        """
        judge = cls(camera)
        try:
            saved_s, saved_at, before = _read(snapshot, camera.camera_id)
        except (KeyError, TypeError, ValueError, ValidationError):
            return judge, []
        # A wall clock that went back tells nothing about the time in between: a short blind stretch is assumed.
        blind_s = max((at - saved_at).total_seconds(), 0.0)
        judge._offset_s = saved_s + blind_s - mono_s
        judge._last = (saved_s, saved_at)
        judge._running = before
        return judge, judge.change(camera)

    @classmethod
    def resume(cls, camera: CameraConfig, snapshot: Mapping[str, Any]) -> tuple[Self, list[Judged]]:
        """A judge as it was when it gave `snapshot`, in the same run of the node: nothing was blind in between.

        For going through logged looks again. Also returns the ends of rules that are other ones in `camera`.
        """
        judge = cls(camera)
        try:
            saved_s, saved_at, before = _read(snapshot, camera.camera_id)
            offset_s = float(snapshot["offset_s"])
        except (KeyError, TypeError, ValueError, ValidationError):
            return judge, []
        judge._offset_s, judge._last, judge._running = offset_s, (saved_s, saved_at), before
        return judge, judge.change(camera)

    def _end(self, running: _Running, end_reason: EndReason) -> list[Judged]:
        episode, said = ended(running.state.episode, end_reason)
        running.state = replace(type(running.state)(), episode=episode)
        if said is None:
            return []
        why = why_ended(said)
        if why is None:
            raise ValueError(f"{end_reason} is said by pictures, not by the node")
        decision = decided(said, why, measures={"seconds": (said.held_s, "s")})
        return [self._judged(running.rule, decision)]

    def _judged(self, rule: Rule, decision: Decision) -> Judged:
        if self._offset_s:
            decision = replace(
                decision,
                began=self._now_time(decision.began),
                raised=self._now_time(decision.raised),
                observed=self._now_time(decision.observed),
                ended=self._now_time(decision.ended) if decision.ended else None,
            )
        return Judged(rule, decision)

    def _now_time(self, moment: Moment) -> Moment:
        return replace(moment, mono_s=moment.mono_s - self._offset_s)


# Building one costs 10 ms, using it a fraction of one.
_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}


def _adapter(state_type: type[Any]) -> TypeAdapter[Any]:
    if state_type not in _ADAPTERS:
        _ADAPTERS[state_type] = TypeAdapter(state_type)
    return _ADAPTERS[state_type]


def why_not_seen(observation: Observation) -> str:
    """In a word that stays; "not_judged": its picture is good, and an older look than the last."""
    if observation.view_fault is not None:
        return observation.view_fault.value
    return "not_judged" if observation.is_good else observation.view.value


def _started(rule: Rule) -> _Running:
    return _Running(rule, RULES[rule.hazard].state_type())


def _read(snapshot: Mapping[str, Any], camera_id: str) -> tuple[float, datetime, dict[str, _Running]]:
    if snapshot["version"] != SNAPSHOT_VERSION or snapshot["camera_id"] != camera_id:
        raise ValueError("not a snapshot of this camera")
    saved_s, saved_at = float(snapshot["rule_time_s"]), datetime.fromisoformat(snapshot["at"])
    if not math.isfinite(saved_s) or saved_at.tzinfo is None:
        raise ValueError("times are not usable")
    running: dict[str, _Running] = {}
    for rule_id, saved in snapshot["rules"].items():
        rule = _RULE.validate_python(saved["rule"])
        state_type = RULES[rule.hazard].state_type
        running[rule_id] = _Running(rule, _adapter(state_type).validate_python(saved["state"]))
    return saved_s, saved_at, running
