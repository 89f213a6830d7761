"""A lane that is empty or has a car standing in it, as a real RTSP camera, and a stand-in for the centre."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.support.brokers import TestBroker, free_port, wait_until
from tests.support.fixtures import require_fixture
from tests.support.models import shared_model_path, write_card
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import (
    Alert,
    Message,
    NodeStatus,
    Receipt,
    SpoolReceipt,
    read_message,
    read_status,
    to_bytes,
)
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming
from xueliang_streams.encoding import encode_clip
from xueliang_streams.segments import SegmentedMount

NODE_ID = "edge-01"
CAMERA_PASSWORD = "cam-canary-7781"
TOKEN = "token-canary-5512"
LANE = [[0.05, 0.05], [0.5, 0.05], [0.5, 0.7], [0.05, 0.7]]
FPS = 6


class LaneScene:
    """Serves an empty lane until `park`, then a standing car until `leave`; each takes effect within two seconds."""

    def __init__(self, folder: Path) -> None:
        self._now = "empty"
        clips = {name: folder / f"{name}.mp4" for name in ("empty", "parked")}
        for name, begin_s in (("empty", 49.6), ("parked", 15.0)):
            if not clips[name].exists():
                encode_clip(clips[name], iter(cut(begin_s, 1.0)), FPS, gop=FPS)
        self.mount = SegmentedMount(clips, "empty", lambda _: self._now, starts="immediately")

    def park(self) -> None:
        self._now = "parked"

    def leave(self) -> None:
        self._now = "empty"


def cut(begin_s: float, seconds: float) -> list[NDArray[np.uint8]]:
    """Pictures of lot_car_stops from that second on, `FPS` a second."""
    capture = cv2.VideoCapture(str(require_fixture("clips/lot_car_stops.mp4")))
    fps = capture.get(cv2.CAP_PROP_FPS)
    frames = []
    for number in range(round(seconds * FPS)):
        capture.set(cv2.CAP_PROP_POS_FRAMES, round((begin_s + number / FPS) * fps))
        got, picture = capture.read()
        assert got
        frames.append(np.asarray(picture, dtype=np.uint8))
    return frames


def write_settings(
    folder: Path, cameras: list[dict[str, Any]], *, broker_port: int = 1, centre_url: str | None = None, **node: Any
) -> Path:
    """node.yaml with yolox_nano as its detector; returns its path."""
    settings = {
        "node": {
            "node_id": NODE_ID,
            "data_dir": "data",
            "broker": {
                "host": "127.0.0.1",
                "port": broker_port,
                "username": NODE_ID,
                "password": f"secret of {NODE_ID}",
            },
            "centre": {"url": centre_url, "token": TOKEN} if centre_url else None,
            "health": {"port": free_port()},
        }
        | node,
        "detectors": {
            "objects": {
                "model": str(shared_model_path("yolox_nano_416")),
                "card": str(write_card("yolox_nano_416", folder)),
            }
        },
        "cameras": cameras,
    }
    path = folder / "node.yaml"
    path.write_text(json.dumps(settings, ensure_ascii=False, indent=1))  # JSON is YAML, without anchors
    return path


def lane_camera(url: str, *, camera_id: str = "lane-east", **rule: Any) -> dict[str, Any]:
    """A camera with one fire-lane rule."""
    settings = {
        "rule_id": "lane",
        "hazard": "fire_lane_obstruction",
        "severity": 2,
        "zone": LANE,
        "dwell_s": 4,
        "clear_after_s": 3,
    }
    return {"camera_id": camera_id, "name": "东巷", "url": url, "rules": [settings | rule]}


class ReceivingCentre:
    """Takes alerts from the broker, keeps each once by its identity, and answers with receipts."""

    def __init__(self, broker: TestBroker) -> None:
        self.messages: dict[tuple[uuid.UUID, int], bytes] = {}
        self.conflicts = 0
        self.statuses: list[NodeStatus] = []
        self._guard = threading.Lock()
        self._link = broker.centre_link("centre-test")
        self._link.subscribe(node_topic(NODE_ID, Leaf.ALERTS), self._alert)
        self._link.subscribe(node_topic(NODE_ID, Leaf.STATUS), self._status)

    @property
    def alerts(self) -> list[Alert]:
        with self._guard:
            messages = [read_message(payload) for _, payload in sorted(self.messages.items())]
        return [message.body for message in messages if isinstance(message.body, Alert)]

    def until(self, condition: Callable[[list[Alert]], object], what: str, timeout_s: float = 60.0) -> None:
        wait_until(lambda: condition(self.alerts), what=f"{what}; alerts: {self.alerts}", timeout_s=timeout_s)

    def _alert(self, incoming: Incoming) -> None:
        message: Message = read_message(incoming.payload)
        with self._guard:
            key = (message.spool_id, message.sequence)
            if self.messages.setdefault(key, incoming.payload) != incoming.payload:
                self.conflicts += 1
            receipt = self._receipt(message.spool_id)
        self._link.publish(node_topic(NODE_ID, Leaf.RECEIPTS), to_bytes(receipt), retain=True)
        incoming.acknowledge()

    def _status(self, incoming: Incoming) -> None:
        if incoming.payload:
            self.statuses.append(read_status(incoming.payload))
        incoming.acknowledge()

    def _receipt(self, spool_id: uuid.UUID) -> Receipt:
        have = sorted(sequence for spool, sequence in self.messages if spool == spool_id)
        through = 0
        while through + 1 in have:
            through += 1
        ranges = tuple((sequence, sequence) for sequence in have if sequence > through)
        spool = SpoolReceipt(spool_id=spool_id, contiguous_through=through, committed=ranges)
        return Receipt(node_id=NODE_ID, issued_at=system_wall(), spools=(spool,))
