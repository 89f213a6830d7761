"""What is known of a camera's rules, who must agree to a change of them, and what a change changes (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from xueliang_alerts.contract import MAX_MESSAGE_BYTES, Severity
from xueliang_configs.cameras import CameraRules
from xueliang_configs.rules import at_place

ROOM_FOR_THE_REST: Final = 4096  # of a message: who, when, why, and the signature
Row = Mapping[str, Any]


class VersionState(StrEnum):
    """Of one version."""

    PROPOSED = "proposed"  # waits for a second person
    DESIRED = "desired"  # what the node is to run
    REPLACED = "replaced"  # was desired before a later one
    REFUSED = "refused"  # by a second person
    WITHDRAWN = "withdrawn"  # by who proposed it
    OUTDATED = "outdated"  # another version came into force while it waited
    RAN = "ran"  # a node ran it by itself


class LevelState(StrEnum):
    """Of one version of what an area says for its cameras."""

    PROPOSED = "proposed"  # waits for a second person
    TRYING = "trying"  # on the cameras of its canary only
    DESIRED = "desired"  # holds for all cameras below
    REPLACED = "replaced"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    OUTDATED = "outdated"  # another version came into force while it waited or was tried
    ROLLED_BACK = "rolled_back"  # its canary has given it up


class RulesState(StrEnum):
    """Of a camera: what is wanted beside what runs."""

    UNKNOWN = "unknown"  # nothing is wanted, and its node has said nothing
    AS_NODE = "as_node"  # nothing is wanted: it runs what its node has
    WAITING = "waiting"  # wanted, and its node has not answered yet
    IN_FORCE = "in_force"
    REFUSED = "refused"  # by its node, whose words are there; what ran before runs on
    DRIFTED = "drifted"  # it was in force, and was changed at the node since
    NOT_TAKEN = "not_taken"  # its node takes no rules from a centre


def state_of(desired: Row | None, report: Row | None) -> RulesState:
    """`report`: of the node that has the camera now."""
    if desired is None:
        return RulesState.UNKNOWN if report is None else RulesState.AS_NODE
    if report is None:
        return RulesState.WAITING
    if report["digest"] == desired["digest"]:
        return RulesState.IN_FORCE
    if not report["takes_rules"]:
        return RulesState.NOT_TAKEN
    if (report["answer_version"] or 0) < desired["version"]:
        return RulesState.WAITING
    is_refused = report["answer_version"] == desired["version"] and report["outcome"] == "refused"
    return RulesState.REFUSED if is_refused else RulesState.DRIFTED


def severity_changes(wanted: CameraRules, bases: Sequence[CameraRules]) -> tuple[str, ...]:
    """Why a second person must agree, in words; empty: nobody need.

    A severity changes when a rule that is there has another one, also by the camera's place class, when it is taken
    out, or when it begins or ends to be tried in the shadow, where it alerts nobody. A new rule changes no severity.
    Nothing to compare with: nobody knows.
    """
    if not bases:
        return ("what the camera runs now is not known, so nobody knows whether a severity changes",)
    return tuple(dict.fromkeys(words for base in bases for words in _changes(wanted, base)))


def _changes(wanted: CameraRules, base: CameraRules) -> Iterator[str]:
    new, old = _severities(wanted), _severities(base)
    for rule_id, before in old.items():
        if rule_id not in new:
            yield f"rule {rule_id} ({_said(before)}) is taken out"
        elif new[rule_id] != before:
            yield f"rule {rule_id}: {_said(before)} becomes {_said(new[rule_id])}"


def _severities(part: CameraRules) -> dict[str, tuple[str, Severity | None]]:
    """By rule_id: its hazard, and its severity on this camera; None: it alerts nobody."""
    return {
        rule.rule_id: (rule.hazard.value, None if rule.shadow else at_place(rule, part.place_class).severity)
        for rule in part.rules
    }


def _said(one: tuple[str, Severity | None]) -> str:
    hazard, severity = one
    return f"{hazard}, severity {severity.value}" if severity is not None else f"{hazard}, in the shadow"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that two versions say otherwise. None: it is not there, or left to its default."""

    where: str
    before: Any
    after: Any


def differences(before: Row, after: Row) -> tuple[Difference, ...]:
    """Of two settings as written. Rules are told apart by their rule_id: `rules.lane.zone`."""
    return tuple(_differences(before, after))


def _differences(before: Row, after: Row) -> Iterator[Difference]:
    for name in ("place_class", "look_every_s", "ground"):
        if before.get(name) != after.get(name):
            yield Difference(name, before.get(name), after.get(name))
    old, new = ({rule["rule_id"]: rule for rule in one["rules"]} for one in (before, after))
    for rule_id in dict.fromkeys([*old, *new]):
        where = f"rules.{rule_id}"
        if rule_id not in old or rule_id not in new:
            yield Difference(where, old.get(rule_id), new.get(rule_id))
            continue
        one, other = old[rule_id], new[rule_id]
        for name in dict.fromkeys([*one, *other]):
            if one.get(name) != other.get(name):
                yield Difference(f"{where}.{name}", one.get(name), other.get(name))
    if list(old) != list(new) and set(old) == set(new):
        yield Difference("rules", list(old), list(new))


def why_not_storable(settings: Row) -> str | None:
    """What keeps settings from being kept or sent; None: nothing."""
    try:
        text = json.dumps(settings, ensure_ascii=False, allow_nan=False)
        size = len(json.dumps(text, ensure_ascii=False).encode())
    except (ValueError, UnicodeEncodeError):
        return "expected text that can be stored, got characters that are none"
    if "\\u0000" in text:
        return "expected text that can be stored, got a NUL character"
    most = MAX_MESSAGE_BYTES - ROOM_FOR_THE_REST
    return f"expected at most {most} bytes of rules of one camera, got {size}" if size > most else None
