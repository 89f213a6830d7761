"""A set of rules put into those of another camera (pure).

A rule that is there already, of the same id and hazard, takes over the settings and keeps what only its place can say:
its zone was drawn on its own picture. A rule that is not there comes whole, with the zone of the other picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from xueliang_central.camera_rules.inheriting import NOT_INHERITED

Json = Mapping[str, Any]
_NOT_COPIED: Final = frozenset({"version", "view", "ground", "heights", "drill"})
"""Of a rule that is new there: its revision, and what was measured or is held at the other camera."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What a camera would say itself.

    Attributes:
        new: ids of rules that were not there; their zones are of another picture.
        other: ids that name a rule of another hazard there; the set does not fit.
    """

    rules: tuple[dict[str, Any], ...]
    new: tuple[str, ...]
    other: tuple[str, ...]


def put_in(copied: Sequence[Json], there: Sequence[Json]) -> Copied:
    """`copied` and `there`: rules as their cameras say them themselves."""
    wanted = {rule["rule_id"]: rule for rule in copied}
    known = {rule["rule_id"]: rule for rule in there}
    rules = [_tuned(rule, wanted.get(rule["rule_id"])) for rule in there]
    new = [rule_id for rule_id in wanted if rule_id not in known]
    rules.extend({name: value for name, value in wanted[one].items() if name not in _NOT_COPIED} for one in new)
    other = [one for one, rule in wanted.items() if one in known and known[one]["hazard"] != rule["hazard"]]
    return Copied(tuple(rules), tuple(new), tuple(other))


def _tuned(rule: Json, by: Json | None) -> dict[str, Any]:
    if by is None:
        return dict(rule)
    stays = {name: value for name, value in rule.items() if name in NOT_INHERITED}
    return {**stays, **{name: value for name, value in by.items() if name not in NOT_INHERITED}}
