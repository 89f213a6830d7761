"""Nodes that only try rules: one that does it for real on an observation log, and one that stops half-way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal

from tests.unit.edge.logged import group_of, keep
from tests.unit.edge.observing import Thing, seen
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.commands import BacktestCommand, ResultPage, read_command
from xueliang_alerts.contract import to_bytes
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming
from xueliang_configs.cameras import CameraConfig
from xueliang_demo.installation import NODE_ID, Installation
from xueliang_demo.processes import wait_until
from xueliang_edge.backtest.answering import KnownModel
from xueliang_edge.backtest.messages import Task
from xueliang_edge.backtest.requests import error_page, request_id_in
from xueliang_edge.backtest.serving import BacktestService
from xueliang_edge.observations import ViewState

CONNECT_S: Final = 20.0
HOUR_S: Final = 3600
LEFT: Final[Thing] = ("car", 0.8, (0.15, 0.4, 0.35, 0.8))
RIGHT: Final[Thing] = ("car", 0.8, (0.62, 0.4, 0.82, 0.8))
Stay = tuple[int, int, Thing]
"""From and until which second something stands there."""


def keep_a_day(
    folder: Path, began: datetime, seconds: int, stays: list[Stay], offline: range, unlogged: range, look_s: int = 2
) -> None:
    """The log of camera "lane", one segment an hour: what stands when, and when nothing could be seen or was logged."""
    run, first = "run-1", 1
    for serial, start in enumerate(range(0, seconds, HOUR_S), 1):
        looks = []
        for at_s in range(start, min(start + HOUR_S, seconds), look_s):
            if at_s in unlogged:
                continue
            things = [thing for since, until, thing in stays if since <= at_s < until]
            view = ViewState.OFFLINE if at_s in offline else ViewState.GOOD
            looks.append(seen(at_s, things if view is ViewState.GOOD else (), view=view, wall_start=began))
        if not looks:
            run, first = "run-2", 1
            continue
        keep(folder, serial, group_of(looks, run_id=run, first=first))
        first += len(looks)


@dataclass(frozen=True, slots=True)
class Stood:
    """Something that stood in the lane, and how it was judged."""

    since_at: datetime
    until_at: datetime
    thing: Thing
    verdict: Literal["true", "false"]

    @property
    def middle_at(self) -> datetime:
        """Half-way: with a dwell of less, an alert of it is open then."""
        return self.since_at + (self.until_at - self.since_at) / 2


DAY: Final = timedelta(days=1)


def keep_judged_days(folder: Path, first_at: datetime, days: int) -> list[Stood]:
    """The log of camera "lane": 20 minutes a day from `first_at` on, and what stood then.

    Each day two cars for 160 s on the left, where nobody minds, and one for 250 s on the right; on the last day 170 s.
    """
    stood: list[Stood] = []
    for day in range(days):
        began, lasted_s = first_at + day * DAY, 250 if day < days - 1 else 170
        stays: list[Stay] = [(60, 220, LEFT), (400, 560, LEFT), (760, 760 + lasted_s, RIGHT)]
        looks = [
            seen(at_s, [thing for since, until, thing in stays if since <= at_s < until], wall_start=began)
            for at_s in range(0, 1200, 2)
        ]
        keep(folder, day + 1, group_of(looks, run_id=f"day-{day}"))
        for since, until, thing in stays:
            since_at, until_at = began + timedelta(seconds=since), began + timedelta(seconds=until)
            stood.append(Stood(since_at, until_at, thing, "true" if thing is RIGHT else "false"))
    return stood


@contextmanager
def connected(installation: Installation, name: str) -> Iterator[MqttLink]:
    password = json.loads((installation.folder / "secrets.json").read_text())["broker_node"]
    settings = MqttSettings(
        host="127.0.0.1",
        port=installation.broker_port,
        client_id=f"{NODE_ID}-{name}",
        username=NODE_ID,
        password=password,
    )
    link = MqttLink(settings, mono=system_mono)
    try:
        yield link
    finally:
        link.close()


@contextmanager
def trying_node(installation: Installation, camera: CameraConfig, folder: Path) -> Iterator[BacktestService]:
    """Answers as a node does: the service of the product, its child processes, the log in `folder`."""
    models = {"objects": KnownModel("a" * 64, ("person", "car", "bus", "truck", "motorcycle", "bicycle"))}

    def task_of(command: BacktestCommand) -> Task:
        known = camera if command.camera_id == camera.camera_id else None
        return Task(command, known, (camera.camera_id,), models, folder)

    with connected(installation, "tries") as link:
        service = BacktestService(NODE_ID, link, task_of, wall=system_wall, mono=system_mono)
        service.start()
        link.connect()
        wait_until(lambda: link.state.is_connected, "the node's connection", CONNECT_S)
        try:
            yield service
        finally:
            service.close()


@contextmanager
def half_a_node(installation: Installation) -> Iterator[list[str]]:
    """Says the first of two pages and then nothing more; gives the ids of what it was asked."""
    asked: list[str] = []
    with connected(installation, "stops") as link:

        def take(incoming: Incoming) -> None:
            incoming.acknowledge()
            command = read_command(incoming.payload)
            asked.append(command.request_id)
            rows: tuple[dict[str, Any], ...] = ({"kind": "summary"},)
            page = ResultPage(command="backtest", request_id=command.request_id, page=1, pages=2, rows=rows)
            link.publish(node_topic(NODE_ID, Leaf.RESULTS), to_bytes(page))

        link.subscribe(node_topic(NODE_ID, Leaf.COMMANDS), take)
        link.connect()
        wait_until(lambda: link.state.is_connected, "the node's connection", CONNECT_S)
        yield asked


@contextmanager
def old_node(installation: Installation) -> Iterator[None]:
    """Refuses a search as a node of before suggestions does, word for word."""
    with connected(installation, "old") as link:

        def refuse(incoming: Incoming) -> None:
            incoming.acknowledge()
            why = "command: suggest_from: Extra inputs are not permitted"
            link.publish(node_topic(NODE_ID, Leaf.RESULTS), error_page(request_id_in(incoming.payload), why))

        link.subscribe(node_topic(NODE_ID, Leaf.COMMANDS), refuse)
        link.connect()
        wait_until(lambda: link.state.is_connected, "the node's connection", CONNECT_S)
        yield


def an_hour_less_than_a_day() -> tuple[datetime, int]:
    """When such a log begins, and how many seconds it has: it ends now."""
    began = (system_wall() - timedelta(hours=23)).replace(microsecond=0)
    return began, 23 * HOUR_S
