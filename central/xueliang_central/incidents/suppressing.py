"""Which alerts are held back by a silence, a maintenance window, a known event or a fault of their camera (pure).

One mechanism, three kinds that people make. A *silence* is somebody's decision of the moment, a *maintenance window* is
planned work on cameras or a node (camera faults only), a *known event* is a calendar entry of one hazard, once or by
weekly bands. A *fault* is made by the centre while a camera says that it sees wrongly: what its rules tell meanwhile is
not believed.

Invariants
    - Fire and smoke, severity 1 and drills are never held back (`shedding.may_be_held`, the same rule).
    - Every one ends, and none lasts longer than the policy allows; an event by weekly bands leaves at least a quarter
      of the week as it is.
    - Nothing outside the area it was made for is held back, whatever else matches: a camera that moves to another
      area leaves its silence behind.
    - It decides who is bothered *now*: what counts is the time of judging, never the onset of the alert.
    - What belongs to the place of an open incident joins it: that place is being worked on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from xueliang_central.incidents.moments import span_text
from xueliang_central.incidents.node_failures import NODE_HAZARD
from xueliang_central.incidents.shedding import MOST_SEVERE, NEVER_HELD_HAZARDS, may_be_held
from xueliang_central.rights.scope import within
from xueliang_configs.schedules import DAY_MINUTES, Schedule

MAY_BE_SILENCED: Final = (2, 3, 4)  # severities
CLOCK_TOLERANCE: Final = timedelta(minutes=5)  # a start so little before now is meant as now
AHEAD_AT_MOST: Final = timedelta(days=366)  # a start further ahead is a slip of the keyboard
MOST_OF_A_WEEK: Final = 0.75  # what is more than this is no event but the rule's everyday: its schedule is to change
WEEK_MINUTES: Final = 7 * DAY_MINUTES


class Kind(StrEnum):
    SILENCE = "silence"
    MAINTENANCE = "maintenance"
    EVENT = "event"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class InhibitionRule:
    """The operator's policy; see `xueliang_configs.inhibition.Inhibition`, whose fields have the same names."""

    faults: tuple[str, ...] = ("black", "covered", "frozen", "moved")
    hazards: tuple[str, ...] = ()

    def mutes(self, row: Mapping[str, Any]) -> bool:
        """Does this alert (a row of `alerts`) say that what its camera tells is not to be believed?"""
        codes = {f"camera_{fault}" for fault in self.faults}
        is_fault = row["hazard"] == NODE_HAZARD and row["reason"]["code"] in codes
        return is_fault and bool(self.hazards) and not row["drill"]


@dataclass(frozen=True, slots=True)
class SilencingRule:
    """The operator's policy; see `xueliang_configs.policies.Silencing`, whose fields have the same names."""

    longest_s: float = 604_800.0
    event_longest_s: float = 15_811_200.0
    propose_after: int = 3
    propose_within_s: float = 2_592_000.0
    same_time_s: float = 7_200.0
    proposed_for_s: float = 2_592_000.0
    keep_s: float = 15_811_200.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A silence as somebody wants it. Exactly one of area_code, camera_id, node_id; None elsewhere: any.

    Attributes:
        starts_at: None: now.
        weekly: local time bands within start and end; None: all of it.
    """

    kind: Kind
    reason: str
    ends_at: datetime
    starts_at: datetime | None = None
    area_code: str | None = None
    camera_id: str | None = None
    node_id: str | None = None
    hazard: str | None = None
    rule_id: str | None = None
    severities: tuple[int, ...] = MAY_BE_SILENCED
    weekly: Schedule | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend: which field, what was expected, what came."""

    where: str
    expected: str


@dataclass(frozen=True, slots=True)
class Silence:
    """One of any kind, as it holds. Fields have the names of the columns. `hazards`: of a fault, what it mutes."""

    silence_id: str
    kind: Kind
    area_path: str
    camera_id: str | None
    node_id: str | None
    hazard: str | None
    rule_id: str | None
    severities: tuple[int, ...]
    reason: str
    owner_name: str
    starts_at: datetime
    ends_at: datetime
    weekly: Schedule | None = None
    closed_at: datetime | None = None
    hazards: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """An alert as silencing sees it. `area_path`: where its route leads."""

    camera_id: str
    node_id: str
    hazard: str
    rule_id: str
    severity: int
    drill: bool
    area_path: str


def silence_of(row: Mapping[str, Any]) -> Silence:
    """A row of `silences`."""
    plain = {name: row[name] for name in Silence.__dataclass_fields__}
    weekly = None if row["weekly"] is None else Schedule.model_validate(row["weekly"])
    hazards = None if row["hazards"] is None else tuple(row["hazards"])
    told = {"kind": Kind(row["kind"]), "severities": tuple(row["severities"]), "weekly": weekly, "hazards": hazards}
    return Silence(**{**plain, **told})


def starts(asked: Asked, now: datetime) -> datetime:
    """When it begins: what lies a little before now is meant as now."""
    return now if asked.starts_at is None else max(asked.starts_at, now)


def problems_of(asked: Asked, rule: SilencingRule, now: datetime) -> tuple[Problem, ...]:
    """Everything that is wrong with it, not only the first; empty: it may be made."""
    found = [*_scope_problems(asked), *_kind_problems(asked), *_time_problems(asked, rule, now)]
    if not asked.reason.strip():
        found.append(Problem("reason", "expected why, in words: everybody who misses an alert reads it"))
    return tuple(found)


def _scope_problems(asked: Asked) -> Iterable[Problem]:
    named = [name for name in ("area_code", "camera_id", "node_id") if getattr(asked, name) is not None]
    if len(named) != 1:
        got = ", ".join(named) or "none"
        yield Problem("area_code", f"expected exactly one of area_code, camera_id and node_id, got {got}")
    if asked.hazard in NEVER_HELD_HAZARDS:
        yield Problem(
            "hazard", f"{asked.hazard} can never be silenced: expected another hazard, or none for all others"
        )
    if MOST_SEVERE in asked.severities:
        yield Problem("severities", "severity 1 can never be silenced: expected some of 2, 3 and 4")
    elif not asked.severities or not set(asked.severities) <= set(MAY_BE_SILENCED):
        got = ", ".join(map(str, asked.severities)) or "none"
        yield Problem("severities", f"expected some of 2, 3 and 4, got {got}")


def _kind_problems(asked: Asked) -> Iterable[Problem]:
    if asked.kind is Kind.MAINTENANCE and asked.hazard not in {None, NODE_HAZARD}:
        yield Problem("hazard", f"expected {NODE_HAZARD} or none for maintenance, got {asked.hazard}: make a silence")
    if asked.kind is Kind.EVENT and asked.hazard is None:
        yield Problem("hazard", "expected the one hazard that the event brings, got none")
    if asked.kind is not Kind.MAINTENANCE and asked.node_id is not None:
        yield Problem("node_id", f"expected a node only for maintenance, got kind {asked.kind.value}")
    if asked.kind is not Kind.EVENT and asked.weekly is not None:
        yield Problem("weekly", f"expected weekly bands only for an event, got kind {asked.kind.value}")


def _time_problems(asked: Asked, rule: SilencingRule, now: datetime) -> Iterable[Problem]:
    if asked.starts_at is not None and asked.starts_at < now - CLOCK_TOLERANCE:
        yield Problem("starts_at", f"expected now ({_at(now)}) or later, got {_at(asked.starts_at)}")
    start = starts(asked, now)
    if start > now + AHEAD_AT_MOST:
        yield Problem("starts_at", f"expected at most {AHEAD_AT_MOST.days} days ahead, got {_at(start)}")
    if asked.ends_at <= start:
        yield Problem("ends_at", f"expected after its start ({_at(start)}), got {_at(asked.ends_at)}")
    limit_s = rule.longest_s if asked.weekly is None else rule.event_longest_s
    if asked.ends_at - start > timedelta(seconds=limit_s):
        latest = start + timedelta(seconds=limit_s)
        yield Problem(
            "ends_at", f"expected at most {span_text(limit_s)}, until {_at(latest)}, got {_at(asked.ends_at)}"
        )
    if asked.weekly is not None and weekly_share(asked.weekly) > MOST_OF_A_WEEK:
        share = weekly_share(asked.weekly)
        yield Problem(
            "weekly", f"expected bands of at most {MOST_OF_A_WEEK:.0%} of the week, got {share:.0%}: change the rule"
        )


def weekly_share(weekly: Schedule) -> float:
    """How much of a week its bands cover, overlaps counted twice; over 1 is possible."""
    minutes = sum(
        len(set(band.days)) * ((band.until - band.start) % DAY_MINUTES or DAY_MINUTES) for band in weekly.bands
    )
    return minutes / WEEK_MINUTES


def is_in_force(silence: Silence, now: datetime) -> bool:
    """True while it holds alerts back."""
    if silence.closed_at is not None or not silence.starts_at <= now < silence.ends_at:
        return False
    return silence.weekly is None or silence.weekly.is_active(now)


def takes(silence: Silence, subject: Subject) -> bool:
    """Is this alert meant by it? Says nothing of the time."""
    if not may_be_held(subject.hazard, subject.severity, subject.drill) or subject.severity not in silence.severities:
        return False
    if silence.hazards is not None and subject.hazard not in silence.hazards:
        return False
    hazard = NODE_HAZARD if silence.kind is Kind.MAINTENANCE else silence.hazard
    wanted = {
        "hazard": hazard,
        "camera_id": silence.camera_id,
        "node_id": silence.node_id,
        "rule_id": silence.rule_id,
    }
    if any(value is not None and getattr(subject, name) != value for name, value in wanted.items()):
        return False
    return within(subject.area_path, silence.area_path)


def choose(
    subject: Subject, silences: Iterable[Silence], now: datetime, *, hidden_by: str | None = None
) -> Silence | None:
    """The silence that holds this alert back now: the one that does already, else the one that lasts longest."""
    possible = [one for one in silences if takes(one, subject) and is_in_force(one, now)]
    if not possible:
        return None
    return max(possible, key=lambda one: (one.silence_id == hidden_by, one.ends_at, one.silence_id))


def why_hidden(silence: Silence) -> dict[str, object]:
    """{code, text, about}: the console translates by code, text is English."""
    if silence.kind is Kind.FAULT:
        text = f"its camera sees wrongly since {_at(silence.starts_at)}: {silence.reason}"
        return {"code": "hidden_by_fault", "text": text, "about": _about(silence)}
    name = {Kind.SILENCE: "silenced", Kind.MAINTENANCE: "in maintenance", Kind.EVENT: "a known event"}[silence.kind]
    text = f"{name} by {silence.owner_name} until {_at(silence.ends_at)}: {silence.reason}"
    return {"code": f"hidden_by_{silence.kind.value}", "text": text, "about": _about(silence)}


def why_let_out(silence: Silence, subject: Subject, now: datetime) -> dict[str, object]:
    """Why an alert that this silence has hidden is shown now."""
    if subject.severity <= MOST_SEVERE:
        code, text = "severity_breaks_through", "its severity has risen to 1, which is never silenced"
    elif not takes(silence, subject):
        code, text = "no_longer_meant", "it has changed, and the silence that hid it does not mean it any more"
    elif silence.kind is Kind.FAULT and not is_in_force(silence, now):
        code, text = "fault_over", "the fault of its camera is over, and it is still there"
    elif not is_in_force(silence, now):
        code, text = "silence_over", f"the {silence.kind.value} of {silence.owner_name} is over, and it is still there"
    else:
        code, text = "place_is_open", "an incident is open at its place: it belongs there"
    return {"code": code, "text": text, "about": _about(silence)}


def _about(silence: Silence) -> dict[str, object]:
    return {
        "silence_id": silence.silence_id,
        "kind": silence.kind.value,
        "owner": silence.owner_name,
        "reason": silence.reason,
        "until": _at(silence.ends_at),
    }


def _at(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
