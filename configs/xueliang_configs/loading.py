"""Settings files to settings: every problem of a file at once, each with its place, what was expected and a hint.

Invariants
    - A file is either used whole or refused whole.
    - Nothing a problem says holds a password: texts with `${…}` are shown as written, addresses are redacted.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError

from xueliang_configs.areas import AreaTable, parent_code
from xueliang_configs.cameras import CameraRegister, CameraRules, RulesFile
from xueliang_configs.centre import CentreConfig
from xueliang_configs.errors import ConfigError, Problem
from xueliang_configs.lanes import LaneTable, lanes_of_geojson
from xueliang_configs.node import NodeConfig
from xueliang_configs.policies import PolicyTable
from xueliang_configs.rules import Rule
from xueliang_configs.values import Settings, address_key, redact_url
from xueliang_configs.wording import problems_of
from xueliang_configs.yaml_reading import Document, Key, key_text, line_of, read_text, read_yaml, yaml_document

MAX_AREAS_BYTES: Final = 256 * 1024 * 1024  # polygons of a whole city; a settings file stays below 1 MiB
Model = TypeVar("Model", bound=BaseModel)
Found = tuple[Key, str, str]


@dataclass(frozen=True, slots=True)
class NodeFile:
    """node.yaml as read: what it says, and where."""

    config: NodeConfig
    document: Document

    def problem(self, key: Key, text: str, hint: str = "") -> Problem:
        """Something wrong with a key of this file that only its reader can see."""
        return Problem(self.document.path, key_text(key), text, hint, line_of(self.document, key))


def read_node(path: Path | str, environment: Mapping[str, str] | None = None) -> NodeFile:
    """node.yaml with its lines. `environment` is the process's own unless given. Raises ConfigError."""
    document, problems = read_yaml(Path(path), os.environ if environment is None else environment)
    return NodeFile(_validated(document, NodeConfig, list(problems), _node_checks), document)


def load_node(path: Path | str, environment: Mapping[str, str] | None = None) -> NodeConfig:
    """node.yaml. `environment` is the process's own unless given. Raises ConfigError with every problem."""
    return read_node(path, environment).config


def load_rules(path: Path | str) -> RulesFile:
    """A file for `xueliang-edge rules apply`. Raises ConfigError with every problem."""
    return _load(Path(path), RulesFile, None, _rules_file_checks)


def load_centre(path: Path | str, environment: Mapping[str, str] | None = None) -> CentreConfig:
    """centre.yaml. `environment` is the process's own unless given. Raises ConfigError with every problem."""
    return _load(Path(path), CentreConfig, environment)


def load_policies(path: Path | str) -> PolicyTable:
    """policies.yaml. Raises ConfigError with every problem."""
    return _load(Path(path), PolicyTable, None, _policy_checks)


def check_channels(config: CentreConfig, policies: PolicyTable) -> None:
    """Every channel that a step names is there, and a gateway where it tells a duty phone.

    Raises ConfigError, about the policies, with every problem.
    """
    there = config.centre.notices.channels
    known = ", ".join(sorted(there)) or "none; add it under centre.notices.channels of centre.yaml"
    problems = [
        Problem(config.centre.policies, where, f'no channel "{name}" in centre.yaml', f"there: {known}")
        for name, where in sorted(policies.channels_named().items())
        if name not in there
    ]
    problems += [
        Problem(config.centre.policies, where, f'channel "{name}" is no gateway', "a duty phone needs one of kind http")
        for name, where in sorted(policies.unit_channels_named().items())
        if name in there and there[name].kind != "http"
    ]
    if problems:
        raise ConfigError(tuple(problems))


def load_cameras(path: Path | str) -> CameraRegister:
    """The camera register of a centre. Raises ConfigError with every problem."""
    return _load(Path(path), CameraRegister, None, _register_checks)


class _RuleFile(Settings):
    """A rule alone in its file, as if it stood under a key."""

    rule: Rule


def load_rule(path: Path | str) -> Rule:
    """A draft: one rule alone, written as under a camera's `rules`. Raises ConfigError with every problem."""
    document, problems = read_yaml(Path(path), os.environ)
    return _rule_of(document, list(problems))


def rule_from(value: object) -> Rule:
    """A draft that came as plain values, in a request. Raises ConfigError with every problem; its file is "rule"."""
    return _rule_of(Document(Path("rule"), value, {}, {}), [])


def rules_from(value: Mapping[str, Any]) -> CameraRules:
    """All rules of a camera that came as plain values, by whatever way. Raises ConfigError with every problem; its file
    is "rules". Which views and detectors there are is the node's to say."""
    return _validated(
        Document(Path("rules"), dict(value), {}, {}), CameraRules, [], lambda found: _rule_ids_twice(found, ("rules",))
    )


def plain_rules(text: str) -> dict[str, Any]:
    """What a person has written for one camera, YAML or JSON, as plain values: those that `rules_from` takes.

    Also a file of `xueliang-edge rules apply` with one camera in it. Raises ConfigError, with lines. Nothing is looked
    up in the environment: the text comes from anywhere.
    """
    document, problems = yaml_document(Path("rules"), text, {})
    value = document.value
    listed = value.get("cameras")
    if isinstance(listed, list):
        if len(listed) != 1 or not isinstance(listed[0], dict):
            many = Problem(Path("rules"), "cameras", f"expected one camera, got {len(listed)}", "keep one of them")
            raise ConfigError((*problems, many))
        value = listed[0]
    if problems:
        raise ConfigError(problems)
    return dict(value)


def _rule_of(document: Document, problems: list[Problem]) -> Rule:
    under = Document(
        document.path,
        {"rule": document.value},
        {("rule", *key): line for key, line in document.lines.items()},
        {("rule", *key): text for key, text in document.written.items()},
    )
    try:
        return _validated(under, _RuleFile, problems).rule
    except ConfigError as error:
        found = (replace(one, key=one.key.removeprefix("rule").removeprefix(".")) for one in error.problems)
        raise ConfigError(tuple(found)) from error


def load_areas(path: Path | str) -> AreaTable:
    """The area tree, GeoJSON: codes unique, every parent there. Raises ConfigError with every problem."""
    document = _json(Path(path))
    if not isinstance(document.value, dict):
        wrong = Problem(document.path, "", "expected a FeatureCollection", '{"type": "FeatureCollection", …}')
        raise ConfigError((wrong,))
    return _validated(document, AreaTable, [], _area_checks)


def load_lanes(path: Path | str) -> LaneTable:
    """The register of fire lanes, YAML, or GeoJSON by its suffix. Raises ConfigError with every problem."""
    path = Path(path)
    if path.suffix.lower() not in (".geojson", ".json"):
        return _load(path, LaneTable, None, _lane_checks)
    document = _json(path)
    value = lanes_of_geojson(document.value) if isinstance(document.value, dict) else None
    if value is None:
        wrong = Problem(
            path, "", "expected a FeatureCollection of lanes", '{"type": "FeatureCollection", "features": …}'
        )
        raise ConfigError((wrong,))
    return _validated(replace(document, value=value), LaneTable, [], _lane_checks)


def _json(path: Path) -> Document:
    text = read_text(path, MAX_AREAS_BYTES)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        why = getattr(error, "msg", str(error)) or type(error).__name__
        raise ConfigError((Problem(path, "", f"not JSON: {why}", "a GeoJSON FeatureCollection", line),)) from error
    return Document(path, value, {}, {})


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not allowed")


def _load(
    path: Path,
    model: type[Model],
    environment: Mapping[str, str] | None,
    checks: Callable[[Any], Iterator[Found]] | None = None,
) -> Model:
    document, problems = read_yaml(path, os.environ if environment is None else environment)
    return _validated(document, model, list(problems), checks)


def _validated(
    document: Document,
    model: type[Model],
    problems: list[Problem],
    checks: Callable[[Any], Iterator[Found]] | None = None,
) -> Model:
    result: Model | None = None
    try:
        result = model.model_validate(document.value, context={"base": document.path.resolve().parent})
    except ValidationError as error:
        already = {problem.key for problem in problems}
        problems += [problem for problem in problems_of(error, document, model) if problem.key not in already]
    for key, text, hint in checks(document.value) if checks else ():
        problems.append(Problem(document.path, key_text(key), text, hint, line_of(document, key)))
    if problems or result is None:
        raise ConfigError(tuple(sorted(problems, key=lambda problem: problem.line or 0)))
    return result


# What no single model can see. These read the plain values, so that they speak even while other keys are wrong.


def _items(value: Any, name: str) -> list[tuple[int, dict[str, Any]]]:
    listed = value.get(name) if isinstance(value, dict) else None
    return [(i, item) for i, item in enumerate(listed) if isinstance(item, dict)] if isinstance(listed, list) else []


def _repeated(
    rows: list[tuple[int, dict[str, Any]]], name: str, above: Key, same: Callable[[str], str] = str
) -> Iterator[tuple[Key, int, str]]:
    """Rows whose `name` an earlier row has, as `same` compares: (key, index of the earlier row, value)."""
    first: dict[str, int] = {}
    for index, row in rows:
        value = row.get(name)
        if not isinstance(value, str):
            continue
        known_by = same(value)
        if known_by in first:
            yield (*above, index, name), first[known_by], value
        first.setdefault(known_by, index)


def _node_checks(value: Any) -> Iterator[Found]:
    cameras = _items(value, "cameras")
    for key, first, name in _repeated(cameras, "camera_id", ("cameras",)):
        yield key, f'camera_id "{name}" is used twice, first by cameras.{first}', "give each camera an id of its own"
    for key, first, url in _repeated(cameras, "url", ("cameras",), address_key):
        text = f'"{redact_url(url)}" is read twice, first by cameras.{first}'
        yield key, text, "put all rules under one camera: each look is then paid once"
    for index, camera in cameras:
        if isinstance(camera.get("url"), str) and _is_same_stream(camera["url"], camera.get("sub_url")):
            text = f'"{redact_url(camera["url"])}" is the main stream too'
            yield ("cameras", index, "sub_url"), text, "give the address of the small stream, or leave sub_url out"
    detectors = value.get("detectors") if isinstance(value, dict) else None
    if isinstance(detectors, dict) and value.get("models_catalogue") is None:
        yield from _names_without_catalogue(detectors)
    known = set(detectors) if isinstance(detectors, dict) else {"objects"}
    for index, camera in cameras:
        yield from _rule_checks(camera, ("cameras", index, "rules"), known)
        yield from _view_checks(camera, ("cameras", index))


def _is_same_stream(url: str, other: Any) -> bool:
    return isinstance(other, str) and address_key(url) == address_key(other)


def _names_without_catalogue(detectors: dict[Any, Any]) -> Iterator[Found]:
    for name, detector in detectors.items():
        model = detector.get("model") if isinstance(detector, dict) else None
        if isinstance(model, str) and model and model != "embedded" and not model.endswith(".onnx"):
            text = f'"{model}" is no path ending in .onnx, and no models_catalogue says what it names'
            yield ("detectors", name, "model"), text, "models_catalogue: models/catalogue.json"


def _rule_checks(camera: dict[str, Any], above: Key, detectors: set[str]) -> Iterator[Found]:
    yield from _rule_ids_twice(camera, above)
    for index, rule in _items(camera, "rules"):
        name = rule.get("detector", "objects")
        needs_one = rule.get("hazard") != "camera_fault"
        if isinstance(name, str) and name not in detectors and (needs_one or "detector" in rule):
            known = ", ".join(sorted(detectors)) or "none"
            yield (*above, index, "detector"), f'no detector "{name}" under detectors', f"there: {known}"


def _view_checks(camera: dict[str, Any], above: Key) -> Iterator[Found]:
    views = _items(camera, "views")
    for key, first, name in _repeated(views, "view_id", (*above, "views")):
        text = f'view_id "{name}" is used twice on this camera, first by {key_text((*above, "views"))}.{first}'
        yield key, text, f"{name}-2"
    ids = [view["view_id"] for _, view in views if isinstance(view.get("view_id"), str)]
    for index, rule in _items(camera, "rules"):
        found = view_problem(rule.get("view"), ids, needs_one=rule.get("hazard") != "camera_fault")
        if found is not None:
            yield (*above, "rules", index, "view"), *found


def view_problem(view: object, view_ids: Sequence[str], *, needs_one: bool) -> tuple[str, str] | None:
    """What is wrong with the view that a rule names, and what to try; `needs_one`: the rule has a zone or a line."""
    there = ", ".join(view_ids) or "none; add it under the camera's views, or leave view out"
    if isinstance(view, str) and view not in view_ids:
        return f'no view "{view}" under views of this camera', f"there: {there}"
    if view is None and needs_one and len(view_ids) > 1:
        return "expected the view that it was drawn in: this camera has several", f"view: one of {there}"
    return None


def _rule_ids_twice(camera: dict[str, Any], above: Key) -> Iterator[Found]:
    for key, first, name in _repeated(_items(camera, "rules"), "rule_id", above):
        yield key, f'rule_id "{name}" is used twice on this camera, first by {key_text(above)}.{first}', f"{name}-2"


def _rules_file_checks(value: Any) -> Iterator[Found]:
    """Which detectors there are is the node's to say."""
    cameras = _items(value, "cameras")
    for key, first, name in _repeated(cameras, "camera_id", ("cameras",)):
        yield key, f'camera_id "{name}" is used twice, first by cameras.{first}', "put all its rules under one"
    for index, camera in cameras:
        yield from _rule_ids_twice(camera, ("cameras", index, "rules"))


def _register_checks(value: Any) -> Iterator[Found]:
    for key, first, name in _repeated(_items(value, "cameras"), "camera_id", ("cameras",)):
        yield key, f'camera_id "{name}" is used twice, first by cameras.{first}', "give each camera an id of its own"


def _policy_checks(value: Any) -> Iterator[Found]:
    calendars = value.get("calendars") if isinstance(value, dict) else None
    there = sorted(str(name) for name in calendars) if isinstance(calendars, dict) else []
    for index, row in _items(value, "policies"):
        counts = row.get("counts")
        name = counts.get("calendar") if isinstance(counts, dict) else None
        if isinstance(name, str) and name not in there:
            hint = f"there: {', '.join(there)}" if there else "describe it under calendars"
            yield ("policies", index, "counts", "calendar"), f'expected a name of calendars, got "{name[:40]}"', hint


def _lane_checks(value: Any) -> Iterator[Found]:
    for key, first, name in _repeated(_items(value, "lanes"), "lane_id", ("lanes",)):
        yield key, f'lane_id "{name}" is used twice, first by lanes.{first}', "give each lane an id of its own"


def _area_checks(value: Any) -> Iterator[Found]:
    places: dict[str, int] = {}
    for index, feature in _items(value, "features"):
        properties = feature.get("properties")
        code = properties.get("code") if isinstance(properties, dict) else None
        if not isinstance(code, str):
            continue
        if code in places:
            yield (
                ("features", index, "properties", "code"),
                f"code {code} is used twice, first by features.{places[code]}",
                "",
            )
        places.setdefault(code, index)
    for code, index in places.items():
        if len(code) in (6, 9, 12, 15) and parent_code(code) not in places:
            text = f"the area above, {parent_code(code)}, is not in the file"
            yield ("features", index, "properties", "code"), text, "add it, or import it first and put both in one file"
