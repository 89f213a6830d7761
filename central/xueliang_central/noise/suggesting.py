"""Which change of a rule its own figures suggest, and why (pure). The rules are told on docs/noise-board.md.

Nothing is suggested from a feeling: each suggestion carries the counts it follows from, and where there are too few of
them that is said instead, with how many are needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

# Eight of eight judged false: with 95 % confidence more than two thirds of all are (Wilson's lower bound: 0.676). With
# five of five it is 0.566: hardly more than half, and a change of a rule is not made on that.
LEAST_JUDGED: Final = 8
LEAST_FALSE_SHARE: Final = 0.2  # below it the rule is worth its alarms: one of five is what a person can live with
LEAST_DAYS: Final = 2  # what the search finds on one day it checks on another (camera_rules/suggesting)
LEAST_STOOD: Final = 5  # false alarms whose end was seen: fewer say nothing of how long they stand
LEAST_GAPS: Final = 5  # pauses between two alerts of one incident
LEAST_BRIDGED: Final = 0.5  # of false alarms or pauses: what helps with less than half of them is no help
LEAST_REPEATS: Final = 5  # raised again in one span; less is no flapping
ROUND_S: Final = 5.0  # what is suggested is a round number
LONGEST_CLEAR_S: Final = 600.0  # who has gone for ten minutes has gone
LEAST_PEERS: Final = 10  # rules of the same hazard in the area: fewer say nothing of what is usual
USUAL_SHARE: Final = 0.5  # of them were raised: then one that was not is the exception


class Change(StrEnum):
    """What is suggested; or why nothing is."""

    LONGER_DWELL = "longer_dwell"
    SEARCH = "search"  # let the node search its log for a change
    LONGER_CLEAR = "longer_clear"  # hold the alert over short pauses
    CALENDAR = "calendar"  # answer the calendar proposal that waits
    EVENT_BY_HAND = "event_by_hand"  # permitted often, at no common time of day
    CHECK_VIEW = "check_view"  # zone, view and rule of what is never raised
    MEND_CAMERA = "mend_camera"  # it was faulty meanwhile: mend that first
    TOO_LITTLE = "too_little"
    FINE = "fine"  # enough is known, and nothing is to be changed
    GONE = "gone"  # the rule no longer stands at this camera


@dataclass(frozen=True, slots=True)
class Suggestion:
    """`why`: the figures it follows from, by name; the console has the words."""

    change: Change
    why: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {"change": self.change.value, "why": dict(self.why)}


@dataclass(frozen=True, slots=True)
class Noise:
    """What is known of one rule of one camera in the span.

    Attributes:
        true, false, permitted: incidents as people have judged them. judged_days: local days with a true or false one.
        false_stood_s, true_stood_s: how long each alert's condition held, of those seen clear.
        repeats: raised again in an incident that stood or came back. gaps_s: from the last sight to the next onset.
        peak: most raised within one flap window; flap_count, flap_window_s: the policy's numbers; 0: never flapping.
        dwell_s, clear_after_s: of the rule as it is; None: it has no such setting, or the rule is not known.
        is_there: the rule stands at the camera now.
        proposals: calendar proposals of this camera and rule that wait for an answer.
    """

    true: int = 0
    false: int = 0
    permitted: int = 0
    judged_days: int = 0
    false_stood_s: Sequence[float] = ()
    true_stood_s: Sequence[float] = ()
    repeats: int = 0
    gaps_s: Sequence[float] = ()
    peak: int = 0
    flap_count: int = 0
    flap_window_s: float = 0.0
    dwell_s: float | None = None
    clear_after_s: float | None = None
    is_there: bool = True
    proposals: Sequence[str] = ()
    propose_after: int = 0


@dataclass(frozen=True, slots=True)
class Silent:
    """A rule that was never raised. peers, peers_raised: rules of its hazard in the area, itself among them."""

    peers: int
    peers_raised: int
    faults: int  # alerts of camera faults of its camera in the span


def of_judgements(noise: Noise) -> tuple[Suggestion, ...]:
    """For a rule among those with most false alarms: of its false ones, and of what was permitted."""
    if not noise.is_there:
        return (Suggestion(Change.GONE),)
    found = [_of_false(noise)]
    if noise.permitted:
        found += _of_permitted(noise)
    return tuple(found)


def _of_false(noise: Noise) -> Suggestion:
    judged = noise.true + noise.false
    if judged < LEAST_JUDGED:
        return Suggestion(Change.TOO_LITTLE, {"judged": judged, "needed": LEAST_JUDGED})
    share = noise.false / judged
    if share < LEAST_FALSE_SHARE:
        return Suggestion(Change.FINE, {"false": noise.false, "judged": judged})
    longer = _longer_dwell(noise)
    if longer is not None:
        return longer
    if noise.judged_days < LEAST_DAYS:
        return Suggestion(Change.TOO_LITTLE, {"days": noise.judged_days, "needed_days": LEAST_DAYS})
    return Suggestion(Change.SEARCH, {"false": noise.false, "judged": judged})


def _longer_dwell(noise: Noise) -> Suggestion | None:
    """The shortest dwell that half of the false alarms do not reach, if every known true one does."""
    now_s = noise.dwell_s
    if now_s is None:
        return None
    stood_s = sorted(one for one in noise.false_stood_s if one >= now_s)  # the others were raised by an older setting
    if len(stood_s) < LEAST_STOOD:
        return None
    to_s = _above(stood_s[math.ceil(len(stood_s) * LEAST_BRIDGED) - 1])
    spared = sum(one < to_s for one in stood_s)
    if any(one < to_s for one in noise.true_stood_s):
        return None
    why = {"now_s": now_s, "to_s": to_s, "spared": spared, "of": len(stood_s), "true": len(noise.true_stood_s)}
    return Suggestion(Change.LONGER_DWELL, why)


def _of_permitted(noise: Noise) -> list[Suggestion]:
    if noise.proposals:
        why = {"permitted": noise.permitted, "proposal_id": noise.proposals[0]}
        return [Suggestion(Change.CALENDAR, why)]
    if noise.propose_after and noise.permitted >= noise.propose_after:
        return [Suggestion(Change.EVENT_BY_HAND, {"permitted": noise.permitted, "needed": noise.propose_after})]
    return []


def of_flapping(noise: Noise) -> Suggestion:
    """For a rule among those raised again most often."""
    if not noise.is_there:
        return Suggestion(Change.GONE)
    if noise.repeats < LEAST_REPEATS or len(noise.gaps_s) < LEAST_GAPS:
        return Suggestion(Change.TOO_LITTLE, {"repeats": noise.repeats, "needed_repeats": LEAST_REPEATS})
    now_s = noise.clear_after_s
    gaps_s = sorted(one for one in noise.gaps_s if now_s is None or one >= now_s)
    if now_s is not None and len(gaps_s) >= LEAST_GAPS:
        to_s = _above(gaps_s[math.ceil(len(gaps_s) * LEAST_BRIDGED) - 1])
        if to_s <= LONGEST_CLEAR_S:
            bridged = sum(one < to_s for one in gaps_s)
            return Suggestion(
                Change.LONGER_CLEAR, {"now_s": now_s, "to_s": to_s, "bridged": bridged, "of": len(gaps_s)}
            )
    if noise.false >= 1 and noise.judged_days >= LEAST_DAYS:
        return Suggestion(Change.SEARCH, {"false": noise.false, "judged": noise.true + noise.false})
    return Suggestion(Change.CHECK_VIEW, {"repeats": noise.repeats, "longest_s": LONGEST_CLEAR_S})


def is_flapping(noise: Noise) -> bool:
    """By the policy's own numbers."""
    return noise.flap_count > 0 and noise.peak >= noise.flap_count


def of_silence(silent: Silent) -> Suggestion:
    """For a rule that was never raised."""
    if silent.faults:
        return Suggestion(Change.MEND_CAMERA, {"faults": silent.faults})
    others = {"peers": silent.peers - 1, "raised": silent.peers_raised}
    if silent.peers - 1 < LEAST_PEERS:
        return Suggestion(Change.TOO_LITTLE, {**others, "needed_peers": LEAST_PEERS})
    if silent.peers_raised / (silent.peers - 1) < USUAL_SHARE:
        return Suggestion(Change.FINE, others)
    return Suggestion(Change.CHECK_VIEW, others)


def _above(seconds: float) -> float:
    """The next round number above it."""
    return (math.floor(seconds / ROUND_S) + 1) * ROUND_S
