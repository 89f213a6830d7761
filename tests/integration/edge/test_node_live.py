"""The node as its users run it: real RTSP cameras, a real broker, a process that gets killed."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.integration.edge.scenes import (
    CAMERA_PASSWORD,
    NODE_ID,
    TOKEN,
    LaneScene,
    ReceivingCentre,
    lane_camera,
    write_settings,
)
from tests.support.brokers import BROKER_KINDS, BrokerKind, free_port, running_broker, wait_until
from tests.support.node_process import node_process, spooled
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import EndReason, NodeState, Phase
from xueliang_streams.rtsp_server import RtspServer

pytestmark = [pytest.mark.fixtures, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def scene(tmp_path: Path) -> LaneScene:
    return LaneScene(tmp_path)


@pytest.fixture
def server(scene: LaneScene) -> Iterator[RtspServer]:
    with RtspServer({"lane": scene.mount}, wall=system_wall, login=("user", CAMERA_PASSWORD)) as one:
        yield one


@pytest.mark.parametrize("kind", BROKER_KINDS)
def test_a_blocked_lane_reaches_the_centre_and_its_end_too(
    tmp_path: Path, scene: LaneScene, server: RtspServer, kind: BrokerKind
) -> None:
    gone = lane_camera(f"rtsp://user:{CAMERA_PASSWORD}@127.0.0.1:{free_port()}/gone", camera_id="lane-west")
    gone["rules"].append(
        {"rule_id": "away", "hazard": "camera_fault", "fault": "offline", "offline_after_s": 5, "severity": 3}
    )
    fire = {"rule_id": "fire", "hazard": "fire_smoke", "zone": [[0, 0], [1, 0], [1, 1]]}
    lane = lane_camera(server.url("lane"))
    lane["rules"].append(fire)
    with running_broker(kind, tmp_path, node_ids=[NODE_ID]) as broker:
        centre = ReceivingCentre(broker)
        settings = write_settings(tmp_path, [lane, gone], broker_port=broker.port)
        with node_process(settings) as node:
            node.start()
            node.until(lambda health: health["cameras"][0]["state"] == "streaming", "the lane streams")
            scene.park()
            centre.until(lambda alerts: [a for a in alerts if a.rule_id == "lane"], "the lane is raised")
            centre.until(lambda alerts: [a for a in alerts if a.rule_id == "away"], "the absent camera is raised")
            scene.leave()
            centre.until(lambda alerts: [a for a in alerts if a.phase is Phase.CLEARED], "the lane is cleared")
            wait_until(
                lambda: any(status.state is NodeState.ONLINE and status.cameras for status in centre.statuses),
                what="a status with cameras",
            )
            node.until(lambda health: health["spool"]["pending"] == 0, "everything has its receipt")
            health = node.health()
            metrics = urllib.request.urlopen(f"http://127.0.0.1:{node.port}/metrics", timeout=5).read().decode()
            status, seconds = node.terminate()
        wait_until(lambda: centre.statuses[-1].state is NodeState.STOPPED, what=f"stopped, got {centre.statuses[-1]}")
    assert status == 0
    assert seconds < 10
    lane_alerts = [alert for alert in centre.alerts if alert.rule_id == "lane"]
    assert [alert.phase for alert in lane_alerts] == [Phase.RAISED, Phase.CLEARED]
    assert lane_alerts[-1].end_reason is EndReason.SEEN_CLEAR
    assert len({alert.alert_id for alert in lane_alerts}) == 1
    assert [alert.phase for alert in centre.alerts if alert.rule_id == "away"] == [Phase.RAISED]
    assert centre.conflicts == 0
    assert health["state"] == "degraded"
    assert health["rules_not_running"][0]["rule_id"] == "fire"
    west = health["cameras"][1]
    assert west["state"] in ("offline", "connecting")
    east = health["cameras"][0]
    assert east["achieved_gap_s"] < 2.0
    assert 'edge_camera_streaming{camera_id="lane-east"} 1.0' in metrics
    told = node.log.read_text() + json.dumps(health) + metrics + str(centre.statuses) + str(centre.alerts)
    for secret in (CAMERA_PASSWORD, TOKEN, f"secret of {NODE_ID}"):
        assert secret not in told
    assert "rule not running" in node.log.read_text()


def test_a_closed_terminal_stops_it_cleanly(tmp_path: Path) -> None:
    camera = lane_camera(f"rtsp://user:{CAMERA_PASSWORD}@127.0.0.1:{free_port()}/nobody")
    with node_process(write_settings(tmp_path, [camera])) as node:
        node.start()
        node.until(lambda health: health["cameras"], "the health page answers")
        status, seconds = node.terminate(signal.SIGHUP)
    assert status == 0, node.log.read_text()[-2000:]
    assert seconds < 10


def test_kill_9_in_an_open_alert_and_the_same_alert_goes_on(
    tmp_path: Path, scene: LaneScene, server: RtspServer
) -> None:
    """Broker away all the time: nothing is lost, nothing is said twice, the lane still ends as seen clear."""
    settings = write_settings(tmp_path, [lane_camera(server.url("lane"))])
    with node_process(settings) as node:
        node.start()
        node.until(lambda health: health["cameras"][0]["looks"] > 2, "the empty lane is seen")
        scene.park()
        node.until(lambda health: health["counters"]["alerts"].get("raised"), "raised")
        node.kill()
        node.start()
        node.until(lambda health: health["cameras"][0]["looks"] > 8, "the lane is watched again")
        assert node.health()["cameras"][0]["open_alerts"] == 1
        node.kill()
        node.start()
        node.until(lambda health: health["cameras"][0]["looks"] > 2, "and again")
        scene.leave()
        node.until(lambda health: health["counters"]["alerts"].get("cleared"), "cleared")
        assert node.terminate()[0] == 0
    alerts = spooled(tmp_path / "data")
    assert [alert.phase for alert in alerts] == [Phase.RAISED, Phase.CLEARED], alerts
    assert len({alert.alert_id for alert in alerts}) == 1
    assert [alert.revision for alert in alerts] == [1, 2]
    assert alerts[-1].end_reason is EndReason.SEEN_CLEAR


def test_a_planned_stop_keeps_alerts_open_and_a_final_one_ends_them_as_node_stopped(
    tmp_path: Path, scene: LaneScene, server: RtspServer
) -> None:
    settings = write_settings(tmp_path, [lane_camera(server.url("lane"))])
    scene.park()
    with node_process(settings) as node:
        node.start()
        node.until(lambda health: health["counters"]["alerts"].get("raised"), "raised")
        assert node.terminate()[0] == 0
        assert [alert.phase for alert in spooled(tmp_path / "data")] == [Phase.RAISED]
        node.start("--final")
        node.until(lambda health: health["cameras"][0]["looks"] > 2, "watched again")
        assert node.terminate()[0] == 0
    alerts = spooled(tmp_path / "data")
    assert [alert.phase for alert in alerts] == [Phase.RAISED, Phase.CLEARED]
    assert alerts[-1].end_reason is EndReason.NODE_STOPPED
    assert len({alert.alert_id for alert in alerts}) == 1


def test_a_rule_taken_out_while_its_alert_is_open_ends_as_removed(
    tmp_path: Path, scene: LaneScene, server: RtspServer
) -> None:
    settings = write_settings(tmp_path, [lane_camera(server.url("lane"))])
    scene.park()
    with node_process(settings) as node:
        node.start()
        node.until(lambda health: health["counters"]["alerts"].get("raised"), "raised")
        node.kill()
        value = yaml.safe_load(settings.read_text())
        value["cameras"] = [lane_camera(server.url("lane"), camera_id="lane-north", dwell_s=600)]
        settings.write_text(yaml.safe_dump(value, allow_unicode=True))
        node.start()
        node.until(lambda health: health["spool"]["last_sequence"] == 2, "its end is said")
        node.terminate()
    alerts = spooled(tmp_path / "data")
    assert [(alert.phase, alert.end_reason) for alert in alerts] == [
        (Phase.RAISED, None),
        (Phase.CLEARED, EndReason.RULE_REMOVED),
    ]
    assert [alert.revision for alert in alerts] == [1, 2]
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
