"""A node as its users run it, asked to look: a real camera, a real detector that masks, a real broker."""

from __future__ import annotations

import base64
import queue
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.edge.scenes import CAMERA_PASSWORD, NODE_ID, LaneScene, lane_camera, write_settings
from tests.support.brokers import TestBroker, free_port, running_broker, wait_until
from tests.support.node_process import node_process
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.commands import LookCommand, LookResult, Says, read_result
from xueliang_alerts.contract import to_bytes
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming
from xueliang_streams.rtsp_server import RtspServer

pytestmark = [pytest.mark.fixtures, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def scene(tmp_path: Path) -> LaneScene:
    return LaneScene(tmp_path)


@pytest.fixture
def server(scene: LaneScene) -> Iterator[RtspServer]:
    with RtspServer({"lane": scene.mount}, wall=system_wall, login=("user", CAMERA_PASSWORD)) as one:
        yield one


class Asker:
    """The centre's side of the topics."""

    def __init__(self, broker: TestBroker) -> None:
        self._link = broker.centre_link("centre-asks")
        self._answers: queue.SimpleQueue[LookResult] = queue.SimpleQueue()
        self._link.subscribe(node_topic(NODE_ID, Leaf.RESULTS), self._take)
        self._asked = 0

    def _take(self, incoming: Incoming) -> None:
        incoming.acknowledge()
        result = read_result(incoming.payload)
        if isinstance(result, LookResult):
            self._answers.put(result)

    def look(self, camera_id: str, rule_id: str | None = "lane") -> LookResult:
        """Again, while it was asked just now."""
        while "ask again" in ((answer := self._ask(camera_id, rule_id)).error or ""):
            time.sleep(0.2)
        return answer

    def _ask(self, camera_id: str, rule_id: str | None) -> LookResult:
        self._asked += 1
        command = LookCommand(
            command="look",
            request_id=f"q-{self._asked}",
            expires_at=system_wall() + timedelta(seconds=60),
            camera_id=camera_id,
            rule_id=rule_id,
        )
        self._link.publish(node_topic(NODE_ID, Leaf.COMMANDS), to_bytes(command))
        answer = self._answers.get(timeout=60)
        assert answer.request_id == command.request_id
        return answer


def test_a_lane_is_clear_and_then_blocked_and_an_absent_camera_is_said_to_be_away(
    tmp_path: Path, scene: LaneScene, server: RtspServer
) -> None:
    gone = lane_camera(f"rtsp://user:{CAMERA_PASSWORD}@127.0.0.1:{free_port()}/gone", camera_id="lane-west")
    nobody = f"http://127.0.0.1:{free_port()}"  # the full still waits on the disk
    with running_broker("nats", tmp_path, node_ids=[NODE_ID]) as broker:
        asker = Asker(broker)
        settings = write_settings(
            tmp_path, [lane_camera(server.url("lane")), gone], broker_port=broker.port, centre_url=nobody
        )
        with node_process(settings) as node:
            node.start()
            node.until(lambda health: health["cameras"][0]["looks"] > 2, "the empty lane is seen")
            node.until(lambda health: health["broker"]["phase"] == "connected", "the node is connected")
            empty = asker.look("lane-east")
            scene.park()
            node.until(lambda health: health["counters"]["alerts"].get("raised"), "raised")
            blocked = asker.look("lane-east")
            node.until(lambda health: health["counters"]["fresh_looks"].get("answered") == 2, "both are counted")
            assert blocked.still is not None
            _waits_for_the_centre(tmp_path, blocked.still.sha256)
            all_of_it, gone_too = asker.look("lane-east", None), asker.look("lane-west", None)
            away = asker.look("lane-west")
            unknown = asker.look("lane-north")
    assert (empty.says, empty.has_alert, empty.error) == (Says.CLEAR, False, None)
    assert (blocked.says, blocked.has_alert, blocked.no_picture) == (Says.HOLDS, True, None), blocked
    assert blocked.measures["share"].value > 0.05
    assert blocked.observed_at is not None
    assert blocked.since is not None
    assert timedelta(seconds=3) < blocked.observed_at - blocked.since < timedelta(seconds=90)
    assert blocked.preview is not None
    small = cv2.imdecode(np.frombuffer(base64.b64decode(blocked.preview), np.uint8), cv2.IMREAD_COLOR)
    assert small is not None
    assert max(small.shape[:2]) <= 640
    assert (all_of_it.says, all_of_it.why, all_of_it.no_picture, all_of_it.measures) == (Says.NO_RULE, None, None, {})
    assert all_of_it.still is not None
    assert all_of_it.still.sha256 != blocked.still.sha256  # the street beside the lane is this moment's as well
    assert (gone_too.says, gone_too.preview) == (Says.CANNOT_SEE, None)
    assert gone_too.why in ("offline", "no_picture_came")
    assert (away.says, away.preview, away.still) == (Says.CANNOT_SEE, None, None)
    assert away.why in ("offline", "no_picture_came")
    assert 'no "lane-north" on this node' in (unknown.error or "")


def _waits_for_the_centre(folder: Path, sha256: str) -> None:
    """The still in full, before those of alerts; it goes to the disk just after its answer."""
    evidence = folder / "data" / "evidence"
    wait_until(lambda: any(evidence.glob(f"0-*{sha256}.jpg")), what="the still that was asked for")
