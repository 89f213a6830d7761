"""Validation errors in the words of the person who wrote the file: expected, got, and what to write instead."""

from __future__ import annotations

import re
from difflib import get_close_matches
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from xueliang_configs.errors import Problem
from xueliang_configs.values import REDACTED, SecretUrl, redact_url
from xueliang_configs.yaml_reading import Document, Key, key_text, line_of

_SECRET_KEYS: Final = re.compile(r"pass|token|secret|url|database", re.IGNORECASE)
_TAGS: Final = ("hazard", "kind")  # what chooses a branch of a union
_KINDS: Final = {
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
    bool: "true or false",
    int: "a number",
    float: "a number",
}
_EXPECTED_TYPE: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
    "path_type": "a path",
    "date_from_datetime_parsing": "a day like 2026-11-23",
    "date_parsing": "a day like 2026-11-23",
}


def problems_of(error: ValidationError, document: Document, model: type[BaseModel]) -> list[Problem]:
    """Every error of one validation, in the order of the file."""
    found: dict[tuple[str, str], Problem] = {}
    errors = [(_as_written(document.value, item["loc"]), item) for item in error.errors(include_url=False)]
    keys = {key for key, _ in errors}
    for key, item in errors:
        if _only_follows(item, key, keys, document):
            continue
        text, hint = _words(item, key, document, model)
        problem = Problem(document.path, key_text(key), text, hint, line_of(document, key))
        found.setdefault((problem.key, problem.text), problem)
    return sorted(found.values(), key=lambda problem: problem.line or 0)


def _as_written(value: Any, location: tuple[int | str, ...]) -> Key:
    """The error's place without the names of union branches, which nobody has written."""
    key: list[str | int] = []
    for index, part in enumerate(location):
        if _has(value, part):
            value = value[part]
        elif part == "[key]":
            break
        elif isinstance(part, str) and (index < len(location) - 1 or _is_tag_of(value, part)):
            continue  # a branch of a union; what follows it is written
        elif not isinstance(value, dict):
            continue  # the branch itself is what failed
        else:
            value = None
        key.append(part)
    return tuple(key)


def _is_tag_of(value: Any, part: str) -> bool:
    """The branch that a written rule chose by its hazard, a channel by its kind."""
    return isinstance(value, dict) and any(value.get(tag) == part for tag in _TAGS)


def _only_follows(item: ErrorDetails, key: Key, keys: set[Key], document: Document) -> bool:
    """True for errors that say nothing new: a list "too short" because its entries were refused, or a union's other
    arm.
    """
    if item["type"] == "too_short":
        return any(other[: len(key)] == key and len(other) > len(key) for other in keys)
    is_other_arm = item["type"] == "literal_error" and isinstance(_value_at(document, key), list)
    return is_other_arm and any(other[: len(key)] == key and len(other) > len(key) for other in keys)


def _has(value: Any, part: int | str) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def shown(value: Any, key: Key, document: Document) -> str:
    """What came, short, and never a secret."""
    written = document.written.get(key)
    if written is not None:
        return f'"{redact_url(written) if "://" in written else written}"'
    if isinstance(value, SecretUrl):
        return str(value)
    if isinstance(value, str) and any(isinstance(part, str) and _SECRET_KEYS.search(part) for part in key):
        return f'"{redact_url(value)}"' if "://" in value else f'"{REDACTED}"'
    if value is None:
        return "nothing"
    if isinstance(value, dict | list | tuple):
        return _KINDS[type(value)]
    if isinstance(value, bool):
        return str(value).lower()
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 80 else f"{text[:76]}…"


def _value_at(document: Document, key: Key) -> Any:
    value = document.value
    for part in key:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _words(item: ErrorDetails, key: Key, document: Document, model: type[BaseModel]) -> tuple[str, str]:
    kind, context = item["type"], item.get("ctx", {})
    got = shown(_value_at(document, key), key, document)
    if "[key]" in item["loc"] and key:  # the key itself was refused, not its value
        got = f'"{key[-1]}"'
    if kind.startswith("configs_"):
        return item["msg"], str(context.get("hint", ""))
    if kind == "extra_forbidden":
        return _unknown_key(item, key, model)
    if kind == "missing":
        return "required key is missing", _example(model, item["loc"])
    if kind == "union_tag_not_found":
        name = str(context["discriminator"]).strip("'")
        return f"required key {name} is missing", "one of: " + ", ".join(_tags(model, item["loc"]))
    if kind == "union_tag_invalid":
        return _choice(str(context["tag"]), _tags(model, item["loc"]))
    if kind in ("enum", "literal_error"):
        return _choice(got.strip('"'), _options(context))
    if kind in _EXPECTED_TYPE:
        return f"expected {_EXPECTED_TYPE[kind]}, got {got}", ""
    return _limits(kind, context, got) or (f"{item['msg']}, got {got}", "")


def _options(context: dict[str, Any]) -> list[str]:
    return [first or second for first, second in re.findall(r"'([^']*)'|(-?\d+)", str(context.get("expected", "")))]


def _choice(got: str, options: list[str]) -> tuple[str, str]:
    near = [word for word in options if len(got) > 2 and word.startswith(got)] or get_close_matches(got, options, n=1)
    came = got if got == "nothing" else f'"{got}"'
    expected = f"one of {', '.join(options)}" if len(options) > 1 else ", ".join(options)
    return f"expected {expected}; got {came}", near[0] if near else ""


def _limits(kind: str, context: dict[str, Any], got: str) -> tuple[str, str] | None:
    words = {
        "greater_than": ("gt", "a number above {}"),
        "greater_than_equal": ("ge", "a number of at least {}"),
        "less_than": ("lt", "a number below {}"),
        "less_than_equal": ("le", "a number of at most {}"),
        "too_short": ("min_length", "at least {} in the list"),
        "too_long": ("max_length", "at most {} in the list"),
        "string_too_short": ("min_length", "a text of at least {} characters"),
        "string_too_long": ("max_length", "a text of at most {} characters"),
    }
    if kind not in words:
        return None
    name, expected = words[kind]
    limit = context[name]
    number = f"{limit:g}" if isinstance(limit, int | float) else str(limit)
    if kind in ("too_short", "too_long"):
        got = str(context.get("actual_length", got))
    return f"expected {expected.format(number)}, got {got}", ""


def _unknown_key(item: ErrorDetails, key: Key, model: type[BaseModel]) -> tuple[str, str]:
    owner = _model_at(model, item["loc"][:-1])
    names = list(owner.model_fields) if owner else []
    near = get_close_matches(str(key[-1]), names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else ("known here: " + ", ".join(names) if names else "")
    return "unknown key", hint


def _example(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    owner = _model_at(model, location[:-1])
    info = owner.model_fields.get(str(location[-1])) if owner else None
    return info.description or "" if info else ""


def _branches(annotation: Any) -> list[Any]:
    """The types behind an annotation, unions and Annotated taken apart."""
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        return [branch for part in get_args(annotation) for branch in _branches(part)]
    if hasattr(annotation, "__metadata__"):
        return _branches(annotation.__origin__)
    return [annotation]


def _literal_of(model: type[BaseModel], tag: str) -> bool:
    names = [
        value
        for name in ("hazard", "type")
        if name in model.model_fields
        for value in get_args(model.model_fields[name].annotation)
    ]
    return tag in [str(getattr(value, "value", value)) for value in names]


def _inside(annotation: Any, part: int | str) -> list[Any]:
    """One step down: an item of a list, a value of a mapping, a field of a model, or a branch of a union."""
    down: list[Any] = []
    for branch in _branches(annotation):
        if isinstance(branch, type) and issubclass(branch, BaseModel):
            if isinstance(part, str) and part in branch.model_fields:
                down.append(branch.model_fields[part].annotation)
            elif isinstance(part, str) and _literal_of(branch, part):
                down.append(branch)
        elif get_origin(branch) is dict:
            down.append(get_args(branch)[1])
        elif isinstance(part, int) and get_args(branch):
            down.append(get_args(branch)[0])
    return down


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    models = [
        branch for branch in _types_at(model, location) if isinstance(branch, type) and issubclass(branch, BaseModel)
    ]
    return models[0] if models else None


def _types_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[Any]:
    current: list[Any] = [model]
    for part in location:
        current = [inner for annotation in current for inner in _inside(annotation, part)]
    return [branch for annotation in current for branch in _branches(annotation)]


def _tags(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The words a discriminator knows at this place."""
    words: list[str] = []
    for branch in _types_at(model, location):
        if isinstance(branch, type) and issubclass(branch, BaseModel):
            name = next((tag for tag in _TAGS if tag in branch.model_fields), "type")
            values = get_args(branch.model_fields[name].annotation) if name in branch.model_fields else ()
            words += [str(getattr(value, "value", value)) for value in values]
    return words
