"""One episode of a rule: how evidence, look by look, becomes raised, updated and cleared, and why it ended. Pure.

Invariants
    - Dwell is counted in seconds of watching: the time between two looks counts when it is at most `gap_tolerance_s`; a
      longer blind stretch neither advances the dwell nor the clearing.
    - Unknown in, unknown out: a look that could not be judged never raises and never clears.
    - Only a condition that was *seen* to be absent for `clear_after_s`, in at least `MIN_CLEAR_LOOKS` looks, ends
      SEEN_CLEAR.
    - After a blind stretch longer than `view_lost_after_s` an open episode ends VIEW_LOST: we stopped knowing.
    - Looks that do not advance the clock (a repeated or older time) change nothing.
    - Outside its schedule (`Look.may_begin`) and during the cooldown no episode begins; an open one goes on to its end.
      The dwell counts inside the schedule only, and during the cooldown too: what still holds then is raised at once.
"""

from __future__ import annotations

from dataclasses import field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from xueliang_alerts.contract import EndReason, Phase, Severity
from xueliang_edge.rules.frozen import dataclass

MIN_CLEAR_LOOKS: Final = 2  # one missed detection on a slow camera must not end an episode
UPDATE_EVERY_S: Final = 60.0  # an open incident is read by people: more often than once a minute is noise to them
STILL_THERE_EVERY_S: Final = 600.0  # without news the centre is told this often that the hazard still holds


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant as a rule knows it.

    Attributes:
        mono_s: monotonic seconds of the look.
        at: the wall clock of the same look, aware UTC.
        seen_s: seconds of watching counted by this rule so far; blind stretches beyond the tolerance are left out.
        Dwell
            is a difference of these.
        unseen_s: counted seconds before it in which what it shows may have begun: since the look before, unless a rule
            knows better.
    """

    mono_s: float
    at: datetime
    seen_s: float
    unseen_s: float = field(default=0.0, compare=False)

    def earlier(self, seconds: float) -> Moment:
        """So many counted seconds before."""
        return Moment(self.mono_s - seconds, self.at - timedelta(seconds=seconds), self.seen_s - seconds)


@dataclass(frozen=True, slots=True)
class Why:
    """A reason in words and numbers: `code` is stable, `text` a whole English sentence, `about` names for
    translation.
    """

    code: str
    text: str
    about: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a rule says at one look: one revision of one episode.

    Attributes:
        phase: raised, updated or cleared.
        end_reason: why it ended; None unless cleared.
        began: onset of the condition, see `Look.begins_between`.
        raised: the look at which the dwell was met.
        observed: the last look behind this decision.
        ended: when the condition was last seen to hold; None unless cleared.
        severity: 1 (most severe) to 4.
        confidence: 0..1.
        boxes_xyxyn: what it is about, left, top, right, bottom, 0..1; at most 64, surest first.
        measures: name to (value, unit).
        reason: why.
        model_digest: sha256 of the model behind the boxes; None where no model took part.
        frame_size_wh: pixels of the picture behind the decision; None where there was none.
    """

    phase: Phase
    end_reason: EndReason | None
    began: Moment
    raised: Moment
    observed: Moment
    ended: Moment | None
    severity: Severity
    confidence: float
    boxes_xyxyn: tuple[tuple[float, float, float, float], ...]
    measures: dict[str, tuple[float, str]]
    reason: Why
    model_digest: str | None = None
    frame_size_wh: tuple[int, int] | None = None


class Evidence(StrEnum):
    """What one look says of the condition."""

    HOLDS = "holds"
    ABSENT = "absent"
    UNCLEAR = "unclear"
    """The picture is good, and the place is hidden: counts neither way."""
    BLIND = "blind"
    """There was nothing to judge."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a rule made of one observation.

    Attributes:
        mono_s, at: when.
        evidence: see `Evidence`.
        onset: since when the condition holds, where the rule knows better than "since the first such look".
        severity: of what is seen now.
        headline: the one figure people follow (count, share); a change by `news_step` is worth telling.
        may_begin: False outside the rule's schedule.
        begins_between: what a look is the first to show began between it and the look before, or as long ago as the
            onset's `unseen_s` says. Half-way is told; the dwell counts from the look.
    """

    mono_s: float
    at: datetime
    evidence: Evidence
    onset: Moment | None = None
    severity: Severity = Severity.BLUE
    headline: float = 0.0
    news_step: float = 1.0
    may_begin: bool = True
    begins_between: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """A rule's times in seconds; see configs/hazards.py."""

    dwell_s: float
    clear_after_s: float
    gap_tolerance_s: float
    view_lost_after_s: float
    cooldown_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Open:
    """An episode that was raised and has not ended.

    Attributes:
        began, raised: see `Decision`.
        severity, headline, said_mono_s: what the last revision said, and when.
    """

    began: Moment
    raised: Moment
    severity: Severity
    headline: float
    said_mono_s: float


@dataclass(frozen=True, slots=True)
class EpisodeState:
    """What one rule remembers of time.

    Attributes:
        last: the last look that could be judged.
        onset: since when the condition holds, before it is raised.
        last_held: the last look at which it held.
        absent_s, absent_looks: for how long, and in how many looks, it has been seen absent since.
        was_absent: the last judged look said absent.
        open: the raised episode, if there is one.
        held_back: the last judged look outside the schedule: no onset lies before it.
        closed: the last look of the last episode: the cooldown counts from here.
    """

    last: Moment | None = None
    onset: Moment | None = None
    last_held: Moment | None = None
    absent_s: float = 0.0
    absent_looks: int = 0
    was_absent: bool = False
    open: Open | None = None
    held_back: Moment | None = None
    closed: Moment | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """One revision of an episode, without its words; fields as in `Decision`."""

    phase: Phase
    end_reason: EndReason | None
    began: Moment
    raised: Moment
    observed: Moment
    ended: Moment | None
    severity: Severity

    @property
    def held_s(self) -> float:
        """Seconds the condition was watched to hold: from onset to the end, or to this look."""
        return (self.ended or self.observed).seen_s - self.began.seen_s


def moment_of(last: Moment | None, mono_s: float, at: datetime, gap_tolerance_s: float) -> Moment:
    """This look as a moment: the time since the last judged look counts when it is within the tolerance."""
    if last is None:
        return Moment(mono_s, at, 0.0)
    gap_s = mono_s - last.mono_s
    counted_s = gap_s if gap_s <= gap_tolerance_s else 0.0
    return Moment(mono_s, at, last.seen_s + counted_s, counted_s)


def advance(
    state: EpisodeState, look: Look, timing: Timing, now: Moment | None = None
) -> tuple[EpisodeState, Transition | None]:
    """One look further. At most one transition comes of a look. `now`: what `moment_of` says, where it was asked."""
    if state.last is not None and look.mono_s <= state.last.mono_s:
        return state, None
    is_lost = state.last is not None and look.mono_s - state.last.mono_s > timing.view_lost_after_s
    if look.evidence is Evidence.BLIND:
        return _lost(state) if is_lost else (state, None)
    said: Transition | None = None
    if is_lost:
        state, said = _lost(state)
    now = now or moment_of(state.last, look.mono_s, look.at, timing.gap_tolerance_s)
    if state.open is None and not look.may_begin:
        return EpisodeState(now, held_back=now, closed=state.closed), said
    if look.evidence is Evidence.HOLDS:
        state = _held(state, look, now)
    elif look.evidence is Evidence.ABSENT:
        state = _absent(state, now)
    else:
        state = _unclear(state, now)
    if said is not None:
        return state, said
    if state.open is None:
        return _raise_when_due(state, look, now, timing)
    return _clear_or_update(state, state.open, look, now, timing)


def ended(state: EpisodeState, end_reason: EndReason) -> tuple[EpisodeState, Transition | None]:
    """End an open episode for a reason that is not in the picture: rule changed or removed, node stopped."""
    if state.open is None or state.last is None:
        return _forgotten(state), None
    return _close(state, state.open, end_reason)


def _lost(state: EpisodeState) -> tuple[EpisodeState, Transition | None]:
    """Too long blind: whatever was there before is forgotten, and an open episode ends unverified."""
    return ended(state, EndReason.VIEW_LOST)


def _close(state: EpisodeState, episode: Open, end_reason: EndReason) -> tuple[EpisodeState, Transition]:
    observed = state.last or episode.raised
    last_held = state.last_held or episode.raised
    said = Transition(
        Phase.CLEARED, end_reason, episode.began, episode.raised, observed, last_held, Severity(episode.severity)
    )
    return replace(_forgotten(state), closed=observed), said


def _forgotten(state: EpisodeState) -> EpisodeState:
    """Only what outlives an episode."""
    return EpisodeState(last=state.last, held_back=state.held_back, closed=state.closed)


def _onset(state: EpisodeState, look: Look, now: Moment) -> Moment:
    onset = look.onset or state.onset or now
    if state.held_back is not None and onset.seen_s <= state.held_back.seen_s:
        return state.onset or now
    return onset


def _held(state: EpisodeState, look: Look, now: Moment) -> EpisodeState:
    onset = _onset(state, look, now)
    return EpisodeState(now, onset, now, open=state.open, held_back=state.held_back, closed=state.closed)


def _absent(state: EpisodeState, now: Moment) -> EpisodeState:
    counted_s = now.seen_s - state.last.seen_s if state.was_absent and state.last else 0.0
    return EpisodeState(
        now,
        None,
        state.last_held,
        state.absent_s + counted_s,
        state.absent_looks + 1,
        was_absent=True,
        open=state.open,
        held_back=state.held_back,
        closed=state.closed,
    )


def _unclear(state: EpisodeState, now: Moment) -> EpisodeState:
    return EpisodeState(
        now,
        state.onset,
        state.last_held,
        state.absent_s,
        state.absent_looks,
        open=state.open,
        held_back=state.held_back,
        closed=state.closed,
    )


def _raise_when_due(
    state: EpisodeState, look: Look, now: Moment, timing: Timing
) -> tuple[EpisodeState, Transition | None]:
    if look.evidence is not Evidence.HOLDS or state.onset is None:
        return state, None
    is_cooling = state.closed is not None and now.mono_s - state.closed.mono_s < timing.cooldown_s
    if is_cooling or now.seen_s - state.onset.seen_s < timing.dwell_s:
        return state, None
    began = _told_onset(state, state.onset) if look.begins_between else state.onset
    episode = Open(began, now, look.severity, look.headline, look.mono_s)
    said = Transition(Phase.RAISED, None, episode.began, now, now, None, look.severity)
    return replace(state, open=episode), said


def _told_onset(state: EpisodeState, onset: Moment) -> Moment:
    """Half-way back over what was unseen before the onset's look, unless that reaches outside the schedule."""
    held_back = state.held_back
    if held_back is not None and onset.seen_s - onset.unseen_s <= held_back.seen_s:
        return onset
    return onset.earlier(onset.unseen_s / 2)


def _clear_or_update(
    state: EpisodeState, episode: Open, look: Look, now: Moment, timing: Timing
) -> tuple[EpisodeState, Transition | None]:
    is_clear = state.absent_s >= timing.clear_after_s and state.absent_looks >= MIN_CLEAR_LOOKS
    if look.evidence is Evidence.ABSENT and is_clear:
        return _close(state, episode, EndReason.SEEN_CLEAR)
    if look.evidence is not Evidence.HOLDS or not _is_news(episode, look):
        return state, None
    told = replace(episode, severity=look.severity, headline=look.headline, said_mono_s=look.mono_s)
    said = Transition(Phase.UPDATED, None, episode.began, episode.raised, now, None, look.severity)
    return replace(state, open=told), said


def _is_news(episode: Open, look: Look) -> bool:
    if look.severity < episode.severity:
        return True  # worse: at once
    silent_s = look.mono_s - episode.said_mono_s
    if silent_s >= STILL_THERE_EVERY_S:
        return True
    is_other = look.severity != episode.severity or abs(look.headline - episode.headline) >= look.news_step
    return is_other and silent_s >= UPDATE_EVERY_S


def decided(
    transition: Transition,
    why: Why,
    *,
    confidence: float = 1.0,
    boxes_xyxyn: tuple[tuple[float, float, float, float], ...] = (),
    measures: dict[str, tuple[float, str]] | None = None,
    model_digest: str | None = None,
    frame_size_wh: tuple[int, int] | None = None,
) -> Decision:
    """A transition and a rule's words make a decision."""
    return Decision(
        phase=transition.phase,
        end_reason=transition.end_reason,
        began=transition.began,
        raised=transition.raised,
        observed=transition.observed,
        ended=transition.ended,
        severity=transition.severity,
        confidence=confidence,
        boxes_xyxyn=boxes_xyxyn,
        measures=measures or {},
        reason=why,
        model_digest=model_digest,
        frame_size_wh=frame_size_wh,
    )


def why_ended(transition: Transition) -> Why | None:
    """The words for ends that no picture shows; None where the rule has its own."""
    held = f"after {transition.held_s:.0f} s of it"
    match transition.end_reason:
        case EndReason.RULE_CHANGED:
            return Why("rule_changed", f"the rule was changed while its alert was open, {held}")
        case EndReason.RULE_REMOVED:
            return Why("rule_removed", f"the rule was taken out while its alert was open, {held}")
        case EndReason.NODE_STOPPED:
            return Why("node_stopped", f"the node stopped while the alert was open, {held}")
        case EndReason.VIEW_LOST:
            return Why(
                "view_lost", f"the camera could not be judged for too long, {held}; whether it is over is not known"
            )
        case _:
            return None
