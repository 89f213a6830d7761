"""What a plan must say, how long it may run, whom its clocks tell (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

REMIND_BEFORE: Final = timedelta(days=3)
LONGEST: Final = timedelta(days=3 * 366)  # a longer one is no deadline but a project
OVERDUE_EVERY_S: Final = 86_400.0  # a desk has a day to act before the next one above is told


@dataclass(frozen=True, slots=True)
class Plan:
    """What 五到位 asks for, but for the deadline.

    Attributes:
        level: which level follows the hazard up; overdue, it is told first.
        holder, holder_unit: the duty holder, a person, and that person's unit.
    """

    level: str
    holder: str
    holder_unit: str
    measures: str
    funds: str
    plan: str

    def missing(self) -> tuple[str, ...]:
        """What is left empty, by name."""
        named = ("level", "holder", "holder_unit", "measures", "funds", "plan")
        return tuple(name for name in named if not getattr(self, name).strip())


def remind_at(now: datetime, deadline: datetime) -> datetime:
    """Three days before the deadline; halfway where less than six are left."""
    return max(deadline - REMIND_BEFORE, now + (deadline - now) / 2)


def problem_of_deadline(now: datetime, deadline: datetime, after: datetime | None = None) -> str | None:
    """What is wrong with a deadline, in words; `after`: that of before, which an extension must pass."""
    least = now if after is None else max(now, after)
    if deadline <= least:
        return f"deadline: expected a moment after {least.isoformat()}, got {deadline.isoformat()}"
    if deadline > now + LONGEST:
        return f"deadline: expected one within {LONGEST.days} days, got {deadline.isoformat()}"
    return None


def told_when_overdue(level: str, above: Sequence[str]) -> tuple[str, ...]:
    """The levels that are told one after the other. `above`: the area's own levels, the root's first."""
    upward = tuple(reversed(above))
    return upward[upward.index(level) :]
