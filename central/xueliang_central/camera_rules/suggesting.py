"""What a node searches with for suggestions: the judged alerts of a rule, as many as one command takes (pure).

They are those that precision and recall of a draft are counted by, and permitted ones: the node looks at what else was
raised, and must not take them for false.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from xueliang_alerts.commands import JUDGED_AT_MOST, JudgedAlert
from xueliang_central.camera_rules.record import ALERTS_AT_MOST, Recorded
from xueliang_central.errors import NotEnoughJudged
from xueliang_configs.rules import CameraFaultRule, Rule
from xueliang_configs.schedules import DEFAULT_TIME_ZONE, zone_of

LEAST_FALSE: Final = 1
LEAST_DAYS: Final = 2  # what is found on one day is checked on another
_VERDICT_OF: Final[Mapping[str, Literal["true", "false", "permitted"]]] = {
    "true_hazard": "true",
    "false_alarm": "false",
    "permitted": "permitted",
}


@dataclass(frozen=True, slots=True)
class Basis:
    """What is sent.

    Attributes:
        judged: in their order. record: the same as the centre has them.
        from_at: from when on the search may look: before it nobody knows what was judged.
        left_out: judged alerts before `from_at` that one command has no room for.
    """

    judged: tuple[JudgedAlert, ...]
    record: tuple[Recorded, ...]
    from_at: datetime
    left_out: int


def basis_of(record: Sequence[Recorded], rule: Rule, from_at: datetime) -> Basis:
    """`record`: alerts of the rule since `from_at`, in their order.

    Raises NotEnoughJudged where the search has nothing to remove, or no other day to check on.
    """
    every = [one for one in record if one.judged in _VERDICT_OF]
    _must_be_enough(every, rule)
    kept = every[-JUDGED_AT_MOST:]
    left_out = len(every) - len(kept)
    if left_out:
        from_at = max(from_at, kept[0].began_at)
    elif len(record) >= ALERTS_AT_MOST:
        from_at = max(from_at, record[0].began_at)
    judged = [
        JudgedAlert(alert_id=UUID(one.alert_id), verdict=_VERDICT_OF[one.judged], at=one.raised_at) for one in kept
    ]
    return Basis(tuple(judged), tuple(kept), from_at, left_out)


def _must_be_enough(judged: Sequence[Recorded], rule: Rule) -> None:
    schedule = None if isinstance(rule, CameraFaultRule) else rule.schedule
    zone = zone_of(DEFAULT_TIME_ZONE if schedule is None else schedule.time_zone)
    false_alarms = sum(_VERDICT_OF[one.judged] == "false" for one in judged)
    days = {one.raised_at.astimezone(zone).date() for one in judged if _VERDICT_OF[one.judged] != "permitted"}
    if false_alarms < LEAST_FALSE or len(days) < LEAST_DAYS:
        raise NotEnoughJudged(
            f"expected at least {LEAST_FALSE} alert of this rule judged a false alarm, and alerts judged true or false "
            f"on at least {LEAST_DAYS} days, got {false_alarms} on {len(days)}: judge more, or ask about a longer time",
            false_alarms=false_alarms,
            days=len(days),
            needed_false_alarms=LEAST_FALSE,
            needed_days=LEAST_DAYS,
        )
