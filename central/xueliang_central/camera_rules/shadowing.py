"""Rules in the shadow: they are tried and tell nobody until a person promotes them (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Count:
    """What a rule would have raised, as its node has answered. alerts_per_day None: the log can say nothing."""

    answered_s: float
    alerts: int
    alerts_per_day: float | None


def in_shadow(settings: Row) -> dict[str, Any]:
    """The same with every rule in the shadow. `settings` have been checked."""
    return {**settings, "rules": [{**rule, "shadow": True} for rule in settings["rules"]]}


def shadow_rules(settings: Row) -> list[dict[str, Any]]:
    """Those in the shadow, in their order."""
    return [dict(rule) for rule in settings.get("rules", ()) if rule.get("shadow")]


def promoted(settings: Row, rule_ids: Collection[str]) -> dict[str, Any]:
    """The same with these rules out of the shadow, each in its next revision: alerts carry it."""
    rules = [
        {
            name: value
            for name, value in {**rule, "version": int(rule.get("version", 1)) + 1}.items()
            if name != "shadow"
        }
        if rule["rule_id"] in rule_ids
        else rule
        for rule in settings["rules"]
    ]
    return {**settings, "rules": rules}


def since(rule_id: str, history: Iterable[tuple[datetime, Row]]) -> datetime | None:
    """When the rule went into the shadow in which it is. `history`: when each version came into force, and what it
    said, the newest first. None: it is not there.
    """
    found: datetime | None = None
    for at, settings in history:
        if rule_id not in {rule["rule_id"] for rule in shadow_rules(settings)}:
            break
        found = at
    return found


def count_of(rows: Iterable[Row]) -> Count | None:
    """Of a node's answer to a back-test; None: its rows are not as a node writes them."""
    summary = next((row for row in rows if row.get("kind") == "summary"), {})
    try:
        answered_s, alerts, rate = float(summary["answered_s"]), int(summary["alerts"]), summary["alerts_per_day"]
        return Count(answered_s, alerts, None if rate is None else float(rate))
    except (KeyError, TypeError, ValueError):
        return None
