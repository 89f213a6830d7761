"""One change of a rule, or some together, as it would stand in the settings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import yaml

from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import rule_from
from xueliang_configs.rules import Rule
from xueliang_edge.backtest.suggesting.week import Band, Week
from xueliang_edge.rules.geometry import Zone


class ChangeKind(StrEnum):
    """What is changed. In the order of what is preferred where two do the same: a mute sees nothing at all."""

    ZONE = "exclude_zone"
    SETTING = "setting"
    HOURS = "hours"


@dataclass(frozen=True, slots=True)
class Change:
    """One step.

    Attributes:
        name: which of two changes cannot stand together: those of one name.
        words: what it is, for people.
        values: settings that are replaced. zone: a part of the picture that is added to `exclude_zones`.
        mute: a part of the week in which the rule would raise nothing.
        further: the same taken further, to see how near true alerts lie; None: there is nothing further to try.
    """

    kind: ChangeKind
    name: str
    words: str
    values: Mapping[str, Any] = field(default_factory=dict)
    zone: Zone | None = None
    mute: Band | None = None
    further: Change | None = None


def changed(rule: Rule, changes: Iterable[Change]) -> Rule | None:
    """The rule with these changes; None: the settings do not allow it, or it needs closer looks than it had."""
    written = rule.model_dump(mode="json") | values_of(rule, changes)
    try:
        found = rule_from(written)
    except ConfigError:
        return None
    return None if found.largest_gap_s < rule.largest_gap_s else found


def values_of(rule: Rule, changes: Iterable[Change]) -> dict[str, Any]:
    """Only the settings that become others, whole, as they would be written."""
    written, values = rule.model_dump(mode="json"), dict[str, Any]()
    for change in changes:
        values |= change.values
        if change.zone is not None:
            before = values.get("exclude_zones", written.get("exclude_zones", []))
            values["exclude_zones"] = [*before, [list(corner) for corner in change.zone]]
        if change.mute is not None:
            before = values.get("schedule", written.get("schedule"))
            values["schedule"] = Week.of(before).without(change.mute).schedule(before)
    return values


def snippet(values: Mapping[str, Any]) -> str:
    """As lines of a rule in node.yaml."""
    return yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)


def fit_together(changes: Sequence[Change]) -> bool:
    """No two of them change one thing."""
    return len({change.name for change in changes}) == len(changes)
