"""The baseline: grouping as Prometheus Alertmanager does it, by equal labels, with a wait and an interval.

After its documented behaviour (group_by, group_wait, group_interval, repeat_interval), written for this bench. A group
is all alerts with the same area and hazard; it lives while any of them is firing. It is told `group_wait` after its
first alert, then at most every `group_interval` when alerts have joined or ended, and again after `repeat_interval`
without news.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.bench.city_day.city import City
from tests.bench.city_day.raw_alerts import RawAlert

GROUP_WAIT_S: Final = 30.0
GROUP_INTERVAL_S: Final = 300.0
REPEAT_INTERVAL_S: Final = 4 * 3_600.0


@dataclass(slots=True)
class Group:
    """One group from its first alert until none fires. `told_s`: its notifications."""

    members: list[int] = field(default_factory=list)
    begins_s: float = 0.0
    ends_s: float = 0.0
    changes_s: list[float] = field(default_factory=list)
    told_s: list[float] = field(default_factory=list)


def grouped(city: City, alerts: Sequence[RawAlert]) -> list[Group]:
    """All groups of the day; `members` are positions in `alerts`, which are in order of receipt."""
    living: dict[tuple[str, str], Group] = {}
    done: list[Group] = []
    for number, alert in enumerate(alerts):
        key = (city.area_code(alert.camera), alert.hazard)
        group = living.get(key)
        if group is None or group.ends_s < alert.received_s:
            group = Group(begins_s=alert.received_s)
            living[key] = group
            done.append(group)
        group.members.append(number)
        group.ends_s = max(group.ends_s, alert.told_end_s)
        group.changes_s += [alert.received_s, alert.told_end_s]
    for group in done:
        group.told_s = _told(sorted(group.changes_s), group)
    return done


def _told(changes_s: Sequence[float], group: Group) -> list[float]:
    told = [group.begins_s + GROUP_WAIT_S]
    while True:
        news = next((at_s for at_s in changes_s if at_s > told[-1]), None)
        repeat_s = told[-1] + REPEAT_INTERVAL_S
        if news is None and repeat_s > group.ends_s:
            return told
        due_s = repeat_s if news is None else min(repeat_s, told[-1] + GROUP_INTERVAL_S * _intervals(told[-1], news))
        told.append(due_s)


def _intervals(last_s: float, news_s: float) -> int:
    """Whole intervals after the last notification until the news can be told."""
    return max(1, -int(-(news_s - last_s) // GROUP_INTERVAL_S))
