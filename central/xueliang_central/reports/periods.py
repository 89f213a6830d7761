"""Local days and the three shifts of a day (pure): where a moment belongs in the roll-ups.

Fixed, because rows that were added up by other hours cannot be told apart again: whoever wants others rolls up anew
(decision 20).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

from xueliang_configs.schedules import DEFAULT_TIME_ZONE, zone_of

ZONE: Final = zone_of(DEFAULT_TIME_ZONE)
HOURS: Final = 8  # of a shift: night from 00:00, day from 08:00, evening from 16:00
SHIFTS: Final = ("night", "day", "evening")


class Period(NamedTuple):
    """One shift of one local day; `shift` is an index into SHIFTS."""

    day: date
    shift: int

    @property
    def begins_at(self) -> datetime:
        """UTC."""
        return datetime.combine(self.day, time(self.shift * HOURS), ZONE).astimezone(UTC)

    @property
    def ends_at(self) -> datetime:
        """UTC; the moment itself belongs to the next."""
        if self.shift + 1 < len(SHIFTS):
            return Period(self.day, self.shift + 1).begins_at
        return Period(self.day + timedelta(days=1), 0).begins_at


def period_of(at: datetime) -> Period:
    """The shift in which a moment (aware) lies."""
    local = at.astimezone(ZONE)
    return Period(local.date(), local.hour // HOURS)
