"""A recorded file as a camera goes through the same pipeline, on the recording's own clock."""

from __future__ import annotations

import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.integration.edge.scenes import FPS, cut, lane_camera, write_settings
from tests.support.fixtures import require_fixture
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Alert, EndReason, EvidenceKind, Phase, read_message
from xueliang_configs.loading import load_node
from xueliang_edge.node import Node
from xueliang_streams.encoding import encode_clip
from xueliang_streams.source import Pace

pytestmark = pytest.mark.fixtures


def play(settings: Path) -> tuple[list[Alert], Node]:
    """Run the node over its recordings as fast as possible; what it accepted, in order."""
    node = Node(load_node(settings), wall=system_wall, mono=system_mono, pace=Pace.FAST)
    try:
        node.start()
        node.run(threading.Event(), until_ended=True)
        records = node.spool.pending_after(0, 1000)
    finally:
        node.close()
    bodies = [read_message(record.payload).body for record in records]
    return [body for body in bodies if isinstance(body, Alert)], node


def clip_camera(name: str, **rule: object) -> dict[str, object]:
    return lane_camera(f"file:{require_fixture(f'clips/{name}')}", dwell_s=15, **rule)


def test_a_car_that_stops_is_raised_and_cleared_once_with_masked_stills(tmp_path: Path) -> None:
    settings = write_settings(tmp_path, [clip_camera("lot_car_stops.mp4")], centre_url="http://127.0.0.1:9")
    before = system_wall()
    alerts, node = play(settings)
    assert [alert.phase for alert in alerts] == [Phase.RAISED, Phase.CLEARED]
    assert len({alert.alert_id for alert in alerts}) == 1
    raised, cleared = alerts
    assert cleared.end_reason is EndReason.SEEN_CLEAR
    # The recording's clock begins when the source is started, a moment after `before`.
    stood_s = (raised.raised_at - raised.began_at).total_seconds()
    assert 15.0 <= stood_s <= 17.0
    assert 36.0 <= (cleared.observed_at - raised.began_at).total_seconds() <= 43.0
    assert raised.began_at > before
    assert [ref.kind for ref in raised.evidence] == [EvidenceKind.ONSET]
    assert [ref.kind for ref in cleared.evidence] == [EvidenceKind.ONSET, EvidenceKind.END]
    stills = {path.name.rpartition("-")[2]: path for path in (tmp_path / "data/evidence").iterdir()}
    for ref in cleared.evidence:
        data = stills[f"{ref.sha256}.jpg"].read_bytes()
        assert len(data) == ref.bytes
        assert b"Exif" not in data
    assert node.gatherer.refused == {}


def test_the_still_shows_the_car_as_it_stands(tmp_path: Path) -> None:
    settings = write_settings(tmp_path, [clip_camera("lot_car_stops.mp4")], centre_url="http://127.0.0.1:9")
    alerts, _ = play(settings)
    still = cv2.imread(str(min((tmp_path / "data/evidence").iterdir())))
    picture = cut(27.0, 1.0)[0]
    height, width = still.shape[:2]
    left, top, right, bottom = np.round(np.array(alerts[0].boxes_xyxyn[0]) * [width, height, width, height]).astype(int)
    difference = cv2.absdiff(still, picture)[top:bottom, left:right]
    assert difference.mean() < 8


def test_a_privacy_zone_stays_hidden_in_every_still(tmp_path: Path) -> None:
    camera = clip_camera("lot_car_stops.mp4")
    camera["privacy_zones"] = [[[0.0, 0.0], [0.2, 0.0], [0.2, 1.0], [0.0, 1.0]]]
    settings = write_settings(tmp_path, [camera], centre_url="http://127.0.0.1:9")
    play(settings)
    paths = list((tmp_path / "data/evidence").iterdir())
    assert paths
    for path in paths:
        still = cv2.imread(str(path))
        assert still[:, : round(0.19 * still.shape[1])].max() < 12


def test_without_a_centre_no_still_is_ever_made(tmp_path: Path) -> None:
    alerts, node = play(write_settings(tmp_path, [clip_camera("lot_car_stops.mp4")]))
    assert [alert.evidence for alert in alerts] == [(), ()]
    assert not list(tmp_path.rglob("*.jpg"))
    assert node.evidence_store is None


def test_a_parked_car_of_the_start_is_seen_and_still_there_after_a_restart(tmp_path: Path) -> None:
    """What stands there at the start raises, and a second run neither learns it as scene nor says it twice."""
    clip = tmp_path / "parked.mp4"
    encode_clip(clip, iter(cut(13.0, 25.0)), FPS)
    settings = write_settings(tmp_path, [lane_camera(f"file:{clip}", dwell_s=10)])
    first, _ = play(settings)
    assert [alert.phase for alert in first] == [Phase.RAISED]
    second, _ = play(settings)
    assert [alert.alert_id for alert in second] == [first[0].alert_id] * len(second)
    assert all(alert.phase is not Phase.CLEARED for alert in second)
    assert [alert.revision for alert in second] == list(range(1, len(second) + 1))
