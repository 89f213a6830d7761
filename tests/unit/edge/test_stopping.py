"""Whatever hangs at a stop, the service manager waits long enough for all bounds together."""

from __future__ import annotations

import inspect

from tests.support.service_manager import unit_s
from xueliang_alerts.forwarder import GOOD_BYE_S
from xueliang_alerts.mqtt_link import MqttSettings
from xueliang_edge import detector_children, fresh_looks, health, node
from xueliang_edge.backtest import serving
from xueliang_edge.capture import children
from xueliang_edge.evidence.uploading import Uploader
from xueliang_edge.live_view import serving as live_view_serving
from xueliang_edge.observation_log import writing


def test_the_bounds_of_a_stop_fit_into_what_the_service_manager_waits() -> None:
    uploader_s = inspect.signature(Uploader.close).parameters["timeout_s"].default
    link_s = MqttSettings.__dataclass_fields__["connect_timeout_s"].default
    bounds_s = (
        children.CLOSE_WAITS_S,
        detector_children.CLOSE_S,
        node.WRITE_S,
        uploader_s,
        node.FLUSH_S + min(node.FLUSH_S, GOOD_BYE_S),
        link_s,
        health.CLOSE_S,
        writing.STOP_S,
        serving.CLOSE_S,
        fresh_looks.CLOSE_S,
        live_view_serving.CLOSE_S,
    )
    assert sum(bounds_s) == 29.75  # as the unit says
    assert sum(bounds_s) < unit_s("TimeoutStopSec")
