"""What one incident adds to the figures (pure).

Everything of an incident counts on the day and shift in which it opened, in the area where it lies: the alerts it has
folded, how it was judged, which limits held, how long each step took. So numerator and denominator of a rate are always
about the same incidents, and a fact that comes late changes the row of that day and no other.

Judgements exclude each other and add up to `incidents`: true_hazard, false_alarm, permitted, duplicate, nothing_here
(who went there saw nothing), unjudged (no person has said anything of it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from xueliang_central.clocks.limits import BY_POLICY, ClockKind
from xueliang_central.incidents.judging import JUDGEMENTS, JUDGING, judgement
from xueliang_central.incidents.reviewing import ANSWERS
from xueliang_central.incidents.states import CloseReason, State
from xueliang_central.reports.histograms import one

Row = Mapping[str, Any]

COUNTS: Final = (
    "alerts",  # of these incidents
    "folded",  # of them: told nobody anew, because their incident was open
    "suppressed",  # hidden by a silence, and never let out
    "incidents",
    "merged",  # into another incident: counted here only
    *JUDGEMENTS,
    "ended_by_itself",
    "ended_waiting",  # of them: nobody has judged or reviewed it
    *(f"ended_{answer}" for answer in ANSWERS),  # of them: what a review has said
    "dispatched",
    "returned",  # refused or given back, once or oftener
    "closed",
    "closed_once",  # closed now or before it was reopened
    "reopened",
    "unit_told",  # the lane's managing unit first
    "unit_cleared",  # of them: nobody else was sent, and it was seen gone
    "unit_cannot",
    "unit_given_up",  # it did not reply or clear in time, or the case became too severe
    *(f"{kind.value}_{outcome}" for kind in BY_POLICY for outcome in ("on_time", "late")),
    "arrive_moved",  # limits to arrive that two people have moved
    "arrive_by_move",  # of arrive_on_time: after the moment that the limit had first
    "raised",  # made more severe by a person, once or oftener
    "supervised",  # by a centre above
    "reply_on_time",  # of them: replied to by the date
    "reply_late",  # of them: the date passed without a reply
)
# The entries of a timeline that say something here.
ENTRIES: Final = (
    "confirmed",
    "dispatched",
    "kept_open",
    "taken",
    "arrived",
    "handled",
    "returned",
    "refused",
    "closed",
    "verified",
    "reopened",
    "unit_told",
    "unit_clears",
    "unit_done",
    "unit_cannot",
    "unit_given_up",
    "severity_raised",
    "supervised",
    "supervision_replied",
)
_SENT: Final = frozenset({"confirmed", "dispatched"})


@dataclass(slots=True)
class Facts:
    """Counts by name (those that are zero are left out), and durations as `histograms` keeps them."""

    counts: dict[str, int] = field(default_factory=dict)
    durations: int = 0

    def add(self, counts: Mapping[str, int], durations: int) -> None:
        for name, count in counts.items():
            if count:
                self.counts[name] = self.counts.get(name, 0) + count
        self.durations += durations


def facts_of(incident: Row, entries: Sequence[Row], clocks: Sequence[Row]) -> Facts:
    """One incident's. `entries`: of its timeline, of the kinds ENTRIES, in order; `clocks`: all of it."""
    if incident["close_reason"] == CloseReason.MERGED:
        return Facts({"merged": 1})
    is_closed = incident["state"] == State.CLOSED
    reopened = any(entry["kind"] == "reopened" for entry in entries)  # `reopened_count` also counts undone merges
    counts = {
        "incidents": 1,
        "alerts": incident["alert_count"],
        "folded": max(0, incident["alert_count"] - 1),
        judgement(incident, entries): 1,
        "ended_by_itself": int(incident["close_reason"] == CloseReason.ENDED_BY_ITSELF),
        **_of_review(incident["review"]),
        "dispatched": int(any(entry["kind"] in _SENT for entry in entries)),
        "returned": int(any(entry["kind"] in {"returned", "refused"} for entry in entries)),
        "closed": int(is_closed),
        "closed_once": int(is_closed or reopened),
        "reopened": int(reopened),
        **_of_unit(incident, entries),
        "raised": int(any(entry["kind"] == "severity_raised" for entry in entries)),
        **_of_supervision(entries, clocks),
    }
    facts = Facts()
    facts.add(counts, _durations(incident, entries))
    for clock in (clock for clock in clocks if clock["kind"] in BY_POLICY):  # a day that people have named is no limit
        outcome = _outcome(clock, entries)
        if outcome is not None:
            facts.add({f"{clock['kind']}_{outcome}": 1}, 0)
        facts.add(_of_moved(clock, outcome), 0)
    return facts


def _of_moved(clock: Row, outcome: str | None) -> dict[str, int]:
    """A limit that two people have moved: judged by the moment that it has now, and by that it had first."""
    if clock["first_due_at"] is None:
        return {}
    is_by_move = outcome == "on_time" and clock["stopped_at"] > clock["first_due_at"]
    return {f"{clock['kind']}_moved": 1, f"{clock['kind']}_by_move": int(is_by_move)}


def _of_supervision(entries: Sequence[Row], clocks: Sequence[Row]) -> dict[str, int]:
    """Whether a centre above has watched it, and been replied to by the date that held then.

    Late: its date has passed before anybody replied. Neither: it runs, or it ended before its date without a reply.
    """
    if not any(entry["kind"] == "supervised" for entry in entries):
        return {}
    replied_at = next((entry["at"] for entry in entries if entry["kind"] == "supervision_replied"), None)
    passed = [clock["breached_at"] for clock in clocks if clock["kind"] == ClockKind.OVERSEE and clock["breached_at"]]
    is_late = bool(passed) and (replied_at is None or min(passed) <= replied_at)
    return {
        "supervised": 1,
        "reply_on_time": int(replied_at is not None and not is_late),
        "reply_late": int(is_late),
    }


def _of_review(review: str | None) -> dict[str, int]:
    return {} if review is None else {f"ended_{review}": 1}


def _of_unit(incident: Row, entries: Sequence[Row]) -> dict[str, int]:
    kinds = {entry["kind"] for entry in entries}
    is_alone = "unit_told" in kinds and not kinds & _SENT
    return {
        "unit_told": int("unit_told" in kinds),
        "unit_cleared": int(is_alone and incident["close_reason"] == CloseReason.VERIFIED),
        "unit_cannot": int("unit_cannot" in kinds),
        "unit_given_up": int("unit_given_up" in kinds),
    }


def _durations(incident: Row, entries: Sequence[Row]) -> int:
    """Of each step the first time it was made; of closing the last."""
    opened_at: datetime = incident["opened_at"]
    first: dict[str, datetime] = {}
    for entry in entries:
        first.setdefault("dispatched" if entry["kind"] in _SENT else entry["kind"], entry["at"])
    judging = next((entry for entry in entries if entry["kind"] in JUDGING), None)
    total = 0
    if judging is not None and judging["actor_kind"] == "user":  # else policy or the camera came first: nobody judged
        total += one("judged", (judging["at"] - opened_at).total_seconds())
    sent_at = first.get("dispatched")
    if sent_at is not None:
        total += one("dispatched", (sent_at - opened_at).total_seconds())
        for step in ("taken", "arrived", "handled"):
            if step in first:
                total += one(step, (first[step] - sent_at).total_seconds())
    if incident["closed_at"] is not None:
        total += one("closed", (incident["closed_at"] - opened_at).total_seconds())
    return total


def _outcome(clock: Row, entries: Sequence[Row]) -> str | None:
    """Late: its limit has passed. On time: what it waited for stopped it. None: it runs, or something else did."""
    stopped_at = clock["stopped_at"]
    if clock["breached_at"] is not None or (stopped_at is not None and stopped_at > clock["due_at"]):
        return "late"
    if any(entry["at"] == stopped_at and _does(clock["kind"], entry) for entry in entries):
        return "on_time"
    return None


def _does(kind: str, entry: Row) -> bool:
    """Is this entry what a clock of this kind waits for? What happens together has one time (`incidents.change`)."""
    by_person = entry["actor_kind"] == "user"
    match kind:
        case ClockKind.JUDGE:
            return by_person and entry["kind"] in JUDGING
        case ClockKind.TAKE:
            return bool(entry["kind"] == "taken")
        case ClockKind.ARRIVE:
            return entry["kind"] in {"arrived", "handled"}
        case _:
            return entry["kind"] == "verified" or (by_person and entry["kind"] in JUDGING)
