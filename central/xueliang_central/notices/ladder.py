"""How one notice climbs: which channel is next, and when, or why it goes no further (pure).

The page is always told first; that is not a step. A step is a channel and how long after the step before it. A step
that cannot reach the person (no address), or was given up, costs no time: the next one is looked at at once. What is
held back (budget, quiet hours) is looked at again when that is over, and goes only if it is still needed then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeAlias

from xueliang_configs.notices import LadderStep, NoticeRules
from xueliang_configs.schedules import Schedule

ALWAYS_GOES: Final = 1  # the severity that no budget and no quiet hours hold back
UNTIL_ANSWERED: Final = frozenset({"help_asked"})  # a page that shows it is no answer, and no clock asks for one
BESIDE: Final = frozenset({"message"})  # counts against no budget but its own kind's: an offer must still get through
TOO_OLD: Final = timedelta(hours=12)  # by then every clock of a case has told its levels; nobody is woken for it
BUDGET_OVER: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)
_LONGEST_HOLD: Final = timedelta(days=1)


class HeldBy(StrEnum):
    BUDGET = "budget"
    QUIET = "quiet"


@dataclass(frozen=True, slots=True)
class Person:
    """The receiver.

    Attributes:
        addresses: by channel.
        told_at: when messages were made for this person within the last hour, oldest first; without those of `BESIDE`.
        told_beside_at: the same of kinds in `BESIDE`.
    """

    addresses: Mapping[str, str]
    told_at: Sequence[datetime] = ()
    told_beside_at: Sequence[datetime] = ()


@dataclass(frozen=True, slots=True)
class Standing:
    """A notice that climbs.

    Attributes:
        next_step: counts from 0.
        not_needed: why it need not climb any further, from the case itself; None: it must.
    """

    severity: int
    kind: str
    created_at: datetime
    next_step: int
    received: bool = False
    not_needed: str | None = None


@dataclass(frozen=True, slots=True)
class Go:
    """This step now; the next one is looked at `next_at`; None: it was the last."""

    step: int
    channel: str
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Skip:
    """This step cannot reach the person; the next one is looked at at once."""

    step: int
    channel: str
    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Look again `until`. `by` None: its time has not come yet."""

    until: datetime
    by: HeldBy | None


@dataclass(frozen=True, slots=True)
class End:
    """The climb is over."""

    reason: str


Move: TypeAlias = Go | Skip | Hold | End


def next_move(standing: Standing, person: Person, rules: NoticeRules, now: datetime) -> Move:
    """What to do about a notice whose time to be looked at has come."""
    steps = rules.ladder_for(standing.severity, standing.kind)
    if not steps:
        return End("no_ladder")
    if standing.received and standing.kind not in UNTIL_ANSWERED:
        return End("received")
    if standing.not_needed is not None:
        return End(standing.not_needed)
    if now - standing.created_at > TOO_OLD:
        return End("too_old")
    if standing.next_step >= len(steps):
        return End("last_step")
    step = steps[standing.next_step]
    first_at = standing.created_at + timedelta(seconds=steps[0].after_s)
    if standing.next_step == 0 and now < first_at:
        return Hold(first_at, None)
    if step.channel not in person.addresses:
        return Skip(standing.next_step, step.channel, "no_address")
    held = None if standing.severity == ALWAYS_GOES else _held(standing, person, rules, now)
    if held is not None:
        return held
    return Go(standing.next_step, step.channel, _next_at(steps, standing.next_step, now))


def _next_at(steps: Sequence[LadderStep], step: int, now: datetime) -> datetime | None:
    after = steps[step + 1 : step + 2]
    return now + timedelta(seconds=after[0].after_s) if after else None


def _held(standing: Standing, person: Person, rules: NoticeRules, now: datetime) -> Hold | None:
    if rules.quiet is not None and rules.quiet.is_active(now):
        return Hold(quiet_until(rules.quiet, now), HeldBy.QUIET)
    counted = sorted([*person.told_at, *(person.told_beside_at if standing.kind in BESIDE else ())])
    told = [at for at in counted if at > now - BUDGET_OVER]
    if len(told) >= rules.per_hour:
        return Hold(told[-rules.per_hour] + BUDGET_OVER, HeldBy.BUDGET)
    return None


def quiet_until(quiet: Schedule, now: datetime) -> datetime:
    """The first whole minute at which it is not quiet, at most a day ahead."""
    at = now.replace(second=0, microsecond=0) + _MINUTE
    while quiet.is_active(at) and at < now + _LONGEST_HOLD:
        at += _MINUTE
    return at
