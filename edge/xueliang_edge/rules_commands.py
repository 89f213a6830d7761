"""What `rules show`, `versions`, `apply` and `rollback` do and print (`commands.py` has what they take).

They reach the node by files (`hot_rules/orders.py`).
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_configs.cameras import CameraRules
from xueliang_configs.loading import load_node, load_rules
from xueliang_edge.hot_rules.orders import Answer, CameraAnswer, Order, OrderFiles, ViewAsked, new_order
from xueliang_edge.hot_rules.versions import FOLDER, RulesVersion, VersionFiles

ANSWER_WITHIN_S: Final = 10.0
_ASK_AGAIN_S: Final = 0.2
_NOTE_LETTERS: Final = 200


def _show(options: argparse.Namespace) -> int:
    files = VersionFiles(_data_dir(options) / FOLDER)
    if options.version is not None:
        one = _found(files, options.camera_id or "", options.version)
        return 2 if one is None else _print_yaml([one])
    known = files.camera_ids()
    if options.config is not None:
        known = tuple(camera.camera_id for camera in load_node(options.config).cameras)
    newest = [one for name in known if options.camera_id in (None, name) and (one := files.last(name)) is not None]
    return _print_yaml(newest) if newest else _no_camera(options.camera_id, files.camera_ids())


def _versions(options: argparse.Namespace) -> int:
    files = VersionFiles(_data_dir(options) / FOLDER)
    known = files.camera_ids()
    names = [name for name in known if options.camera_id in (None, name)]
    if not names:
        return _no_camera(options.camera_id, known)
    for name in names:
        for one in files.all(name):
            rules = ", ".join(str(rule.get("rule_id")) for rule in one.settings.get("rules", ())) or "no rules"
            by = f" (given by {one.by})" if one.by else ""
            print(f"{name}: {one.words}{by}; {one.digest[:12]}: {rules}")
    if files.counts["versions_unreadable"]:
        print(f"{files.counts['versions_unreadable']} versions cannot be read", file=sys.stderr)
    return 0


def _apply(options: argparse.Namespace) -> int:
    cameras = None if options.file is None else load_rules(options.file).cameras
    return give(options, cameras, options.note)


def version_before(ran: Sequence[RulesVersion]) -> int | None:
    """The newest that says something else than the last: a version may repeat the one before."""
    return next((one.version for one in reversed(ran) if one.digest != ran[-1].digest), None)


def _rollback(options: argparse.Namespace) -> int:
    files = VersionFiles(_data_dir(options) / FOLDER)
    number = options.version
    if number is None:
        number = version_before(files.all(options.camera_id))
    if number is None:
        print(f"{options.camera_id}: no version before the last says anything else", file=sys.stderr)
        return 2
    one = _found(files, options.camera_id, number)
    if one is None:
        return 2
    try:
        cameras = (CameraRules.model_validate(one.settings),)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        why = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        print(f"{options.camera_id}: version {number} cannot be used by this release: {why}", file=sys.stderr)
        return 2
    return give(options, cameras, f"back to version {number}")


def give(
    options: argparse.Namespace,
    cameras: tuple[CameraRules, ...] | None,
    note: str,
    *,
    views: tuple[ViewAsked, ...] = (),
) -> int:
    """Hand it to the node, wait for its answer, print it. 0: in force; 1: no answer; 2: refused."""
    folder = _data_dir(options) / FOLDER
    orders = OrderFiles(folder)
    order = new_order(cameras, system_wall(), note=" ".join(note.split())[:_NOTE_LETTERS], by=_who(), views=views)
    try:
        orders.give(order)
    except FileExistsError:
        print("another command waits for the node's answer: try again in a minute", file=sys.stderr)
        return 1
    except FileNotFoundError:
        print(f"{folder}: no such folder: no node has run with these settings yet; start it", file=sys.stderr)
        return 1
    answer = _answered(orders, order)
    if answer is None:
        return 1
    for line in _answer_words(answer):
        print(line, file=sys.stderr if answer.is_refused else sys.stdout)
    return 2 if answer.is_refused else 0


def _answered(orders: OrderFiles, order: Order) -> Answer | None:
    answer = _wait(orders, order.order_id)
    if answer is not None:
        return answer
    if orders.withdraw(order):
        print(
            f"the node did not answer within {ANSWER_WITHIN_S:g} s: is it running? Nothing was changed", file=sys.stderr
        )
        return None
    answer = _wait(orders, order.order_id)  # it has it in its hands
    if answer is None:
        print("the node has taken the command and not answered: see its /health and log", file=sys.stderr)
    return answer


def _wait(orders: OrderFiles, order_id: str) -> Answer | None:
    until_s = system_mono() + ANSWER_WITHIN_S
    while (answer := orders.answer(order_id)) is None and system_mono() < until_s:
        time.sleep(_ASK_AGAIN_S)
    return answer


def _answer_words(answer: Answer) -> Iterable[str]:
    yield from answer.problems
    for one in answer.cameras:
        yield from _camera_words(one)
    if not answer.cameras and not answer.problems:
        yield "nothing to change: what runs is what the file says"


def _camera_words(one: CameraAnswer) -> Iterable[str]:
    if one.outcome == "applied":
        yield f"{one.camera_id}: version {one.version} is in force"
    elif one.outcome == "view_taken":
        yield f"{one.camera_id}: taken"
    elif one.outcome == "unchanged":
        yield f"{one.camera_id}: nothing to change, version {one.version} says the same"
    else:
        goes_on = f"; version {one.version} goes on" if one.version else ""
        yield f"{one.camera_id}: refused{goes_on}"
    yield from (f"  {problem}" for problem in one.problems)
    yield from (f"  note: {note}" for note in one.notes)


def _found(files: VersionFiles, camera_id: str, number: int) -> RulesVersion | None:
    one = files.get(camera_id, number)
    if one is None:
        there = ", ".join(str(version.version) for version in files.all(camera_id)) or "none"
        print(f"{camera_id or 'CAMERA'}: no version {number}; there: {there}", file=sys.stderr)
    return one


def _no_camera(camera_id: str | None, known: Iterable[str]) -> int:
    there = ", ".join(known) or "none"
    print(f"no versions of {camera_id}; there: {there}" if camera_id else "no versions yet", file=sys.stderr)
    return 2


def _data_dir(options: argparse.Namespace) -> Path:
    data_dir: Path | None = options.data_dir
    return load_node(options.config).data_dir if data_dir is None else data_dir


def _who() -> str:
    try:
        return os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _print_yaml(versions: Iterable[RulesVersion]) -> int:
    cameras = []
    for one in versions:
        print(f"# {one.camera_id}: {one.words}")
        cameras.append(dict(one.settings))
    print(yaml.dump({"cameras": cameras}, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=110), end="")
    return 0


ACTS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "show": _show,
    "versions": _versions,
    "apply": _apply,
    "rollback": _rollback,
}


class _Dumper(yaml.SafeDumper):
    """Points of zones on one line; no anchors, which settings files do not have."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base's name
        return True


def _list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.nodes.Node:
    is_plain = not any(isinstance(item, dict) for item in value)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=is_plain)


_Dumper.add_representer(list, _list)
