"""A node as far as its rules go, for tests of rules that change while it runs."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.unit.edge.test_rules_not_running import knows
from xueliang_configs.cameras import CameraRules
from xueliang_configs.loading import load_node
from xueliang_edge.capture.orders import ViewOrder
from xueliang_edge.detection import OpenedModel
from xueliang_edge.hot_rules.following import RulesFollower
from xueliang_edge.hot_rules.from_centre import FromCentre
from xueliang_edge.hot_rules.orders import Answer, OrderFiles, new_order
from xueliang_edge.hot_rules.starting import rules_at_start, running_of, with_rules_of
from xueliang_edge.hot_rules.versions import FOLDER, VersionFiles
from xueliang_edge.looks import KnownView
from xueliang_edge.pipeline import RulesChange
from xueliang_edge.reporting import rules_not_running
from xueliang_edge.watched_camera import WatchedRules

START = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
ZONE = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]]
MODELS = {"objects": knows("person", "car", "truck", "bus", "bicycle", "motorcycle")}


def rule(rule_id: str = "lane", **settings: Any) -> dict[str, Any]:
    return {"rule_id": rule_id, "hazard": "illegal_parking", "zone": ZONE, "dwell_s": 20} | settings


def camera(camera_id: str = "east", *rules: dict[str, Any], **settings: Any) -> dict[str, Any]:
    return {
        "camera_id": camera_id,
        "name": "东巷",
        "url": f"rtsp://10.0.0.9/{camera_id}",
        "rules": list(rules) or [rule(), rule("exit")],
    } | settings


class MainPath:
    """Takes what it is given, at once."""

    def __init__(self) -> None:
        self.taken: list[WatchedRules] = []
        self.problem: str | None = None

    def change(self, rules: WatchedRules) -> RulesChange:
        change = RulesChange(rules, problem=self.problem)
        if self.problem is None:
            self.taken.append(rules)
        change.is_done.set()
        return change


class Started:
    """A node as far as its rules go: its settings file, its folder, its main path."""

    def __init__(self, folder: Path, models: dict[str, OpenedModel] | None = None) -> None:
        self.folder, self.path = folder, folder / "node.yaml"
        self.models = MODELS if models is None else models
        self.now_s = 0.0
        self.main_path = MainPath()
        self.view_orders: list[ViewOrder] = []
        self.views: tuple[KnownView, ...] = ()
        self.orders = OrderFiles(folder / "data" / FOLDER)
        self.files = VersionFiles(folder / "data" / FOLDER)

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now_s)

    def write(self, *cameras: dict[str, Any], **top: Any) -> None:
        value = {"node": {"node_id": "edge-01", "data_dir": "data"}, "cameras": list(cameras)} | top
        self.write_text(json.dumps(value, ensure_ascii=False, indent=1))  # JSON is YAML, without anchors

    def write_text(self, text: str) -> None:
        before = self.path.stat().st_mtime_ns if self.path.exists() else 0
        self.path.write_text(text)
        os.utime(self.path, ns=(before + 10_000_000, before + 10_000_000))

    def start(self, centre: FromCentre | None = None) -> RulesFollower:
        """As Node does it."""
        config = load_node(self.path)
        starts = rules_at_start(config, self.files, self.wall())
        not_running = rules_not_running(with_rules_of(config, starts).cameras, self.models)
        follower = RulesFollower(
            self.path,
            config,
            {name: (running_of(start, not_running), start.version) for name, start in starts.items()},
            self.files,
            self.orders,
            self.models,
            self.main_path.change,
            unkept=[start.version for start in starts.values() if start.is_new],
            wall=self.wall,
            mono=lambda: self.now_s,
            order_view=self.view_orders.append,
            views_of=lambda _: self.views,
            centre=centre,
        )
        follower.poll()
        follower.poll()
        return follower

    def polls(self, follower: RulesFollower) -> None:
        """Long enough for a change to be noticed and taken."""
        for _ in range(2):
            self.now_s += 1
            follower.poll()

    def command(self, follower: RulesFollower, *cameras: dict[str, Any] | None, note: str = "") -> Answer:
        """`rules apply`; without cameras: what the file says."""
        parts = tuple(CameraRules.model_validate(one) for one in cameras) if cameras else None
        order = new_order(parts, self.wall(), note=note, by="lin")
        self.orders.give(order)
        follower.poll()
        answer = self.orders.answer(order.order_id)
        assert answer is not None
        return answer

    def running(self, follower: RulesFollower, camera_id: str = "east") -> list[tuple[str, float]]:
        return [(one.rule_id, getattr(one, "dwell_s", 0.0)) for one in follower.running[camera_id].configured.rules]

    def story(self, camera_id: str = "east") -> list[tuple[int, str]]:
        return [(one.version, one.source.value) for one in self.files.all(camera_id)]


def said(follower: RulesFollower) -> list[str]:
    """What is refused, without the folder and the hint's line."""
    return [str(one.problem).replace(f"{one.problem.path.parent}/", "") for one in follower.refused]
