"""What of a changed settings file can be taken while the node runs, and what needs a restart. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from xueliang_configs.cameras import CameraConfig, CameraRules
from xueliang_configs.errors import Problem
from xueliang_configs.loading import NodeFile, view_problem
from xueliang_configs.node import NodeConfig
from xueliang_configs.rules import has_place, view_of
from xueliang_edge.detection import OpenedModel
from xueliang_edge.health import RuleNotRunning
from xueliang_edge.reporting import rules_not_running

TAKEN_HOT: Final = ("place_class", "look_every_s", "ground", "rules")
NEEDS_RESTART: Final = ("url", "sub_url", "privacy_zones", "stall_after_s", "views")  # the capture process has them
SAYS_NOTHING: Final = ("camera_id", "name")  # what it is known by; the name is only for people who read the file
RESTART: Final = "restart the node for this"


@dataclass(frozen=True, slots=True)
class Running:
    """What a camera runs now.

    Attributes:
        configured: with all its rules, also those that cannot run.
        not_running: those of its rules that cannot, and why.
        file_digest: of the part of the settings file that it was last compared with.
    """

    configured: CameraConfig
    not_running: tuple[RuleNotRunning, ...]
    file_digest: str

    @property
    def able(self) -> CameraConfig:
        """With the rules that run: one that cannot be judged must not read an empty answer as "clear"."""
        return able(self.configured, self.not_running)


@dataclass(frozen=True, slots=True)
class Change:
    """Rules that one camera can take now, and what to know about them."""

    configured: CameraConfig
    not_running: tuple[RuleNotRunning, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compared:
    """What a settings file asks for: changes that can be taken, and why others cannot."""

    changes: tuple[Change, ...]
    refused: tuple[Problem, ...]


def able(camera: CameraConfig, not_running: Iterable[RuleNotRunning]) -> CameraConfig:
    """The camera without these rules."""
    unable = {one.rule_id for one in not_running}
    return camera.model_copy(update={"rules": tuple(rule for rule in camera.rules if rule.rule_id not in unable)})


def hot_part(camera: CameraConfig) -> CameraRules:
    """The part of a camera that may change while the node runs.

    A ground that is not known is not said: a centre of before there was one reads the rest.
    """
    said = {name: getattr(camera, name) for name in TAKEN_HOT if name != "ground" or camera.ground is not None}
    return CameraRules.model_validate({"camera_id": camera.camera_id} | said)


def with_hot_part(camera: CameraConfig, part: CameraRules) -> CameraConfig:
    """The camera with these rules; what `part` leaves out stays as it is."""
    return camera.model_copy(update={name: getattr(part, name) for name in TAKEN_HOT if name in part.model_fields_set})


def digest_of(camera: CameraConfig) -> str:
    """Of what is written for the camera's hot part: the same in another release that has new defaults."""
    return hot_part(camera).digest


def compare_file(
    file: NodeFile,
    started: NodeConfig,
    running: Mapping[str, Running],
    models: Mapping[str, OpenedModel],
    *,
    is_told: bool = False,
) -> Compared:
    """What `file` asks of a node that was started with `started`.

    A camera is taken whole or refused whole. Its part of the file counts only where it is another one than when the
    file was last read: what a command has set since goes on until then, or, with `is_told`, ends now.
    """
    changes: list[Change] = []
    refused = [
        file.problem(key, "is another one than at the start", RESTART) for key in _node_keys(started, file.config)
    ]
    detectors = _other_detectors(started, file.config)
    before = {camera.camera_id: camera for camera in started.cameras}
    for index, camera in enumerate(file.config.cameras):
        now = running.get(camera.camera_id)
        if now is None:
            refused.append(file.problem(("cameras", index), f"camera {camera.camera_id} is new", RESTART))
            continue
        cold = [name for name in NEEDS_RESTART if getattr(camera, name) != getattr(before[camera.camera_id], name)]
        refused += [
            file.problem(
                ("cameras", index, name), f"{name} of {camera.camera_id} is another one, none of it is taken", RESTART
            )
            for name in cold
        ]
        if cold or not (is_told or digest_of(camera) != now.file_digest):
            continue
        found = compare_camera(camera, now, models, detectors)
        if isinstance(found, Change):
            changes.append(found)
        else:
            refused += [
                file.problem(("cameras", index, *one.key), f"{one.text}; none of {camera.camera_id} is taken", one.hint)
                for one in found
            ]
    there = {camera.camera_id for camera in file.config.cameras}
    refused += [
        file.problem(("cameras",), f"camera {name} is not in the file any more and goes on", RESTART)
        for name in running
        if name not in there
    ]
    return Compared(tuple(changes), tuple(refused))


@dataclass(frozen=True, slots=True)
class RuleRefused:
    """A rule that cannot be taken; `key` is inside its camera."""

    key: tuple[str | int, ...]
    text: str
    hint: str = ""


def unfit_rules(camera: CameraConfig) -> tuple[RuleRefused, ...]:
    """Rules that do not fit each other or the camera's views; a settings file was asked the same when it was read."""
    ids = [rule.rule_id for rule in camera.rules]
    view_ids = [view.view_id for view in camera.views]
    twice = (
        RuleRefused(("rules", index, "rule_id"), f"rule_id {name} is used twice")
        for index, name in enumerate(ids)
        if name in ids[:index]
    )
    astray = (
        RuleRefused(("rules", index, "view"), f"rule {rule.rule_id}: {found[0]}", found[1])
        for index, rule in enumerate(camera.rules)
        if (found := view_problem(view_of(rule), view_ids, needs_one=has_place(rule))) is not None
    )
    return (*twice, *astray)


def compare_camera(
    wanted: CameraConfig,
    now: Running,
    models: Mapping[str, OpenedModel],
    other_detectors: Mapping[str, str] | None = None,
) -> Change | tuple[RuleRefused, ...]:
    """Can the camera take these rules?

    A rule that did not run before and is the same now is no reason to refuse; a new one that cannot run is: what
    works is not given up for what does not. `other_detectors`: those that the file has and the node has not.
    """
    refused = [
        RuleRefused(("rules", index, "detector"), f"rule {rule.rule_id}: detector {rule.detector} {why}", RESTART)
        for index, rule in enumerate(wanted.rules)
        if (why := (other_detectors or {}).get(rule.detector)) and rule not in now.configured.rules
    ]
    refused += unfit_rules(wanted)
    ids = [rule.rule_id for rule in wanted.rules]
    not_running = rules_not_running([wanted], models)
    known = {one.rule_id for one in now.not_running}
    same = {rule.rule_id for rule in wanted.rules if rule in now.configured.rules and rule.rule_id in known}
    refused += [
        RuleRefused(("rules", ids.index(one.rule_id)), f"rule {one.rule_id} ({one.hazard}) cannot run: {one.reason}")
        for one in not_running
        if one.rule_id not in same and not refused
    ]
    return tuple(refused) if refused else Change(wanted, not_running, tuple(_notes(wanted, now.configured)))


def _notes(wanted: CameraConfig, now: CameraConfig) -> Iterator[str]:
    before = {rule.rule_id: rule for rule in now.rules}
    for rule in wanted.rules:
        old = before.get(rule.rule_id)
        if old is not None and old != rule and old.version == rule.version:
            yield f"rule {rule.rule_id} changed and keeps version {rule.version}: raise it, so that alerts say which"


def _node_keys(started: NodeConfig, wanted: NodeConfig) -> Iterator[tuple[str, ...]]:
    """Keys outside the cameras that are other ones than at the start."""
    for name in type(started.node).model_fields:
        if getattr(started.node, name) != getattr(wanted.node, name):
            yield ("node", name)
    for name in _other_detectors(started, wanted):
        yield ("detectors", name)
    if started.models_catalogue != wanted.models_catalogue:
        yield ("models_catalogue",)


def _other_detectors(started: NodeConfig, wanted: NodeConfig) -> Mapping[str, str]:
    """Detectors of the file that are not those that run: name to what is other."""
    names = dict.fromkeys([*started.detectors, *wanted.detectors])
    return {
        name: "is new" if name not in started.detectors else "is another one than at the start"
        for name in names
        if started.detectors.get(name) != wanted.detectors.get(name)
    }
