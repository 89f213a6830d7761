"""What a camera takes from the levels above it: defaults of settings per hazard, the nearest level first (pure).

Invariants
    - What a camera says itself is never changed by a level.
    - A node is told whole settings: what is inherited is written into them, and which that are is kept beside them.
    - Where something is, and what tells rules apart, belongs to a camera and is never inherited.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from xueliang_central.errors import RulesProblem
from xueliang_configs.rules import Rule, RuleSettings

Json = Mapping[str, Any]
Origins = Mapping[str, Mapping[str, str]]
"""rule_id → setting → code of the area that it is inherited from."""

NOT_INHERITED: Final = frozenset(
    {
        *("hazard", "rule_id", "version", "drill", "shadow", "detector", "fault"),
        *("zone", "line", "direction", "exclude_zones", "view", "ground", "heights"),
    }
)
"""What a place, a node or one rule alone can say. In the shadow or as a drill is tried camera by camera."""
_OF_FAULT: Final = {"offline_after_s": True, "view_after_s": False}  # whether it counts with `fault: offline`


def _models() -> dict[str, type[RuleSettings]]:
    placed, fault = get_args(get_args(Rule)[0])[:-1], get_args(get_args(Rule)[0])[-1]
    return {get_args(one.model_fields["hazard"].annotation)[0].value: one for one in (*placed, fault)}


MODELS: Final[Mapping[str, type[RuleSettings]]] = _models()
"""Hazard → settings of its rules."""


@dataclass(frozen=True, slots=True)
class LevelDefaults:
    """What one area says. settings: hazard → setting → value."""

    area_code: str
    settings: Mapping[str, Json]


def inheritable(hazard: str) -> tuple[str, ...]:
    """Settings of a hazard that a level may say, in the order of its form."""
    model = MODELS.get(hazard)
    return () if model is None else tuple(name for name in model.model_fields if name not in NOT_INHERITED)


def problems_of(settings: Mapping[str, Any]) -> list[RulesProblem]:
    """What is wrong with a level's settings: every problem, each with its place; empty: nothing."""
    found: list[RulesProblem] = []
    for hazard, values in settings.items():
        names = inheritable(hazard)
        if not names:
            found.append(RulesProblem(hazard[:40], "there is no such hazard", ", ".join(sorted(MODELS))))
        elif not isinstance(values, Mapping):
            found.append(RulesProblem(hazard, "expected settings by their names"))
        else:
            for name, value in values.items():
                found.extend(_problems_of_setting(hazard, str(name), value))
    return found


def _problems_of_setting(hazard: str, name: str, value: Any) -> list[RulesProblem]:
    where = f"{hazard}.{name[:40]}"
    if name not in inheritable(hazard):
        told = "is said by each camera itself" if name in NOT_INHERITED else "is no setting of this hazard"
        return [RulesProblem(where, told, ", ".join(inheritable(hazard)))]
    field = MODELS[hazard].model_fields[name]
    try:
        _adapter(field).validate_json(json.dumps(value, allow_nan=False))
    except ValidationError as error:
        return [
            RulesProblem(".".join((where, *map(str, one["loc"]))), str(one["msg"]), _default_text(field))
            for one in error.errors(include_url=False, include_input=False, include_context=False)
        ]
    except ValueError:
        return [RulesProblem(where, "expected a value that can be written as JSON")]
    return []


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    kind: Any = field.annotation
    return TypeAdapter(Annotated[kind, *field.metadata] if field.metadata else kind)


def _default_text(field: FieldInfo) -> str:
    return "" if field.is_required() else f"{field.default}"[:80]


def merged(rules: Sequence[Any], levels: Sequence[LevelDefaults]) -> tuple[list[Any], dict[str, dict[str, str]]]:
    """Rules as a camera says them itself → the whole ones, and what in them is inherited from where.

    `levels`: the nearest first. What is no rule at all comes back as it is: whoever checks rules says so.
    """
    whole: list[Any] = []
    origins: dict[str, dict[str, str]] = {}
    for rule in rules:
        if not isinstance(rule, Mapping):
            whole.append(rule)
            continue
        taken, where = _taken(rule, levels)
        whole.append({**rule, **taken})
        if where:
            origins[str(rule.get("rule_id", ""))[:63]] = where
    return whole, origins


def _taken(rule: Json, levels: Sequence[LevelDefaults]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    for name, (value, area_code) in said_by(levels, str(rule.get("hazard"))).items():
        if name in rule or (name in _OF_FAULT and (rule.get("fault") == "offline") != _OF_FAULT[name]):
            continue
        values[name], where[name] = value, area_code
    return values, where


def said_by(levels: Sequence[LevelDefaults], hazard: str) -> dict[str, tuple[Any, str]]:
    """What the levels say of a hazard: setting → value and the area that says it, the nearest one."""
    found: dict[str, tuple[Any, str]] = {}
    known = set(inheritable(hazard))
    for level in levels:
        for name, value in level.settings.get(hazard, {}).items():
            if name in known:
                found.setdefault(name, (value, level.area_code))
    return found


def own(settings: Json, origins: Origins) -> dict[str, Any]:
    """Whole settings without what is inherited in them: what the camera says itself."""
    rules = [
        {name: value for name, value in rule.items() if name not in origins.get(rule["rule_id"], {})}
        for rule in settings["rules"]
    ]
    return {**settings, "rules": rules}


def exactly(settings: Json, origins: Origins, levels: Sequence[LevelDefaults]) -> dict[str, Any]:
    """What a camera has to say itself so that it means these whole settings again, whatever the levels say by now.

    What was inherited and is still said the same stays inherited. What a level says by now and these settings do not
    is written as its default.
    """
    rules: list[dict[str, Any]] = []
    for rule in own(settings, origins)["rules"]:
        before = next(one for one in settings["rules"] if one["rule_id"] == rule["rule_id"])
        now, _ = _taken(rule, levels)
        missing = {
            name: before[name] for name in before if name not in rule and now.get(name, _NOTHING) != before[name]
        }
        fields = MODELS[rule["hazard"]].model_fields if rule["hazard"] in MODELS else {}
        unsaid = {
            name: TypeAdapter(Any).dump_python(fields[name].get_default(call_default_factory=True), mode="json")
            for name in now
            if name not in before and name in fields and not fields[name].is_required()
        }
        rules.append({**rule, **missing, **unsaid})
    return {**settings, "rules": rules}


_NOTHING: Final = object()


def revised(before: Json, rules: Sequence[Any]) -> list[Any]:
    """The rules, those that say something else than before with the next revision, so that alerts tell which."""
    old = {rule["rule_id"]: rule for rule in before.get("rules", [])}
    return [_revised(old.get(rule.get("rule_id")), rule) for rule in rules]


def _revised(before: Json | None, rule: Json) -> dict[str, Any]:
    if before is None or _without_revision(before) == _without_revision(rule):
        return dict(rule)
    return {**rule, "version": int(before.get("version", 1)) + 1}


def _without_revision(rule: Json) -> dict[str, Any]:
    return {name: value for name, value in rule.items() if name != "version"}
