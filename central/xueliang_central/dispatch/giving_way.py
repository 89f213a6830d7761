"""What two people have agreed on gives way to what has become urgent: fire and severity 1 wait for nobody."""

from __future__ import annotations

from typing import Any

from xueliang_central.dispatch import later_limits, suspending
from xueliang_central.incidents.change import Change

Row = dict[str, Any]


async def give_way(change: Change, incident: Row) -> Row:
    """After a rise: what is suspended goes on, a limit that was moved is that of its policy. The incident after it."""
    incident = await suspending.give_way(change, incident)
    await later_limits.give_way(change, incident)
    return incident
