"""What `views show`, `learn`, `proposals` and `approve` do and print (`commands.py` has what they take).

They reach the node as `rules_commands.py` does: by an order file; what capture knows of views is on the health page.
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, Final

from xueliang_configs.cameras import CameraRules
from xueliang_configs.loading import load_node
from xueliang_edge.hot_rules.orders import ViewAsked
from xueliang_edge.hot_rules.realigning import ProposalFiles
from xueliang_edge.hot_rules.versions import FOLDER, VersionFiles
from xueliang_edge.rules_commands import give

HEALTH_WITHIN_S: Final = 5.0


def _show(options: argparse.Namespace) -> int:
    """As the running node says it."""
    config = load_node(options.config)
    health = config.node.health
    host = f"[{health.host}]" if ":" in health.host else health.host
    straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # no proxy knows our loopback
    try:
        with straight.open(f"http://{host}:{health.port}/health", timeout=HEALTH_WITHIN_S) as answer:
            page: dict[str, Any] = json.load(answer)
    except (OSError, ValueError) as error:
        print(f"the node's health page does not answer ({error}): is it running?", file=sys.stderr)
        return 1
    for camera in page["cameras"]:
        if options.camera_id not in (None, camera["camera_id"]):
            continue
        for view in camera["views"]:
            here = ", shown now" if view["view_id"] == camera["view_id"] else ""
            problem = f": {view['problem']}" if view["problem"] else ""
            print(f"{camera['camera_id']} {view['view_id']}: {view['state']}{here}{problem}")
        if not camera["views"]:
            print(f"{camera['camera_id']}: stands still: its view is learnt by itself")
    return 0


def _learn(options: argparse.Namespace) -> int:
    asked = ViewAsked(camera_id=options.camera_id, view_id=options.view_id, act="learn")
    return give(options, (), "", views=(asked,))


def _proposals(options: argparse.Namespace) -> int:
    found = list(ProposalFiles(load_node(options.config).data_dir / FOLDER).all())
    for one in found:
        print(f"{one.words} (since {one.at:%Y-%m-%d %H:%M:%S} UTC)")
        if one.cameras_part is not None:
            print(f"  xueliang-edge views approve {one.camera_id} {one.view_id} --config {options.config}")
    if not found:
        print("no proposals: no camera looks steadily beside its place")
    return 0


def _approve(options: argparse.Namespace) -> int:
    folder = load_node(options.config).data_dir / FOLDER
    one = ProposalFiles(folder).get(options.camera_id, options.view_id)
    if one is None:
        print(f"no proposal for view {options.view_id} of {options.camera_id}: see `views proposals`", file=sys.stderr)
        return 2
    if one.cameras_part is None:
        print(f"it cannot be applied: {one.words}", file=sys.stderr)
        return 2
    last = VersionFiles(folder).last(one.camera_id)
    if last is None or last.digest != one.digest:
        print("the camera's rules have changed since: the node proposes anew within seconds", file=sys.stderr)
        return 2
    asked = ViewAsked(camera_id=one.camera_id, view_id=one.view_id, act="renew", shift_xyn=one.shift_xyn)
    note = f"zones of view {one.view_id} moved by {one.shift_xyn[0]:+.1%}, {one.shift_xyn[1]:+.1%}"
    return give(options, (CameraRules.model_validate(one.cameras_part),), note, views=(asked,))


ACTS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "show": _show,
    "learn": _learn,
    "proposals": _proposals,
    "approve": _approve,
}
