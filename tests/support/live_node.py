"""A node that only answers live view: the product's service and its child processes, a real broker, a real camera."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.trying_node import CONNECT_S, connected
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.commands import BacktestCommand
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.node import CentreLinkConfig, LiveViewConfig
from xueliang_demo.installation import NODE_ID, Installation
from xueliang_demo.processes import wait_until
from xueliang_edge.backtest.messages import Task
from xueliang_edge.backtest.serving import BacktestService
from xueliang_edge.live_view.serving import LiveViews


@contextmanager
def live_node(
    installation: Installation, cameras: list[CameraConfig], allowed: LiveViewConfig | None
) -> Iterator[LiveViews]:
    """`allowed`: the node's own settings; None: live view is off there."""
    by_id = {one.camera_id: one for one in cameras}
    token = json.loads((installation.folder / "secrets.json").read_text())["node_token"]
    centre = CentreLinkConfig.model_validate({"url": installation.origin, "token": token})

    def task_of(command: BacktestCommand) -> Task:
        raise AssertionError(f"nobody asks for back-tests here: {command}")

    with connected(installation, "live") as link:
        service = BacktestService(
            NODE_ID, link, task_of, wall=system_wall, mono=system_mono, live=lambda command: views.ask(command)
        )
        views = LiveViews(
            allowed, centre, camera_of=by_id.get, publish=service.publish, wall=system_wall, mono=system_mono
        )
        views.start()
        service.start()
        link.connect()
        wait_until(lambda: link.state.is_connected, "the node's connection", CONNECT_S)
        try:
            yield views
        finally:
            service.close()
            views.close()
