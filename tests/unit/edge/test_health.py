"""The health page: JSON for people and probes, Prometheus text, nothing else; on loopback."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from xueliang_edge.health import (
    AttentionReport,
    CameraReport,
    CameraRulesReport,
    HealthServer,
    NodeReport,
    RefusedReport,
    RuleNotRunning,
    RulesReport,
    as_json,
    as_metrics,
)
from xueliang_edge.looks import KnownView
from xueliang_edge.reporting import LOST_AFTER_S, is_lost

AT = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
CAMERA = CameraReport(
    camera_id="lane-east",
    state="streaming",
    since=AT,
    problem=None,
    needed_gap_s=0.5,
    achieved_gap_s=0.6,
    gap_p50_s=0.5,
    gap_p99_s=0.58,
    falls_short=False,
    level="watch",
    reader="own",
    key_interval_s=2.0,
    mbit_per_s=4.1,
    decode_ms=17.5,
    looks=12,
    looks_dropped={"replaced": 1},
    unknown={"detector_late": 2},
    frames_dropped={"replaced": 3},
    scene_known_share=0.9,
    rules=("lane",),
    open_alerts=1,
    pictures_decoded={"main": 8, "sub": 5},
    view="covered",
    view_since=AT,
)
REPORT = NodeReport(
    node_id="edge-01",
    state="watching",
    at=AT,
    started_at=AT,
    problems=(),
    attention=AttentionReport("no_crops", "no closer crops", 0.5, 0.58, 0.6, 6.4, 0.3, {"watch": 1}),
    cameras=(CAMERA,),
    rules_not_running=(RuleNotRunning("lane-east", "fire", "fire_smoke", "no model"),),
    broker={"phase": "connected"},
    spool={"pending": 4},
    disk={"waiting": 2, "write_s": 3.5, "longest_write_s": 3.5},
    evidence={"pending": 1},
    workers={},
    counters={"stills_refused": {"late": 5}},
    rules=RulesReport(
        AT,
        (CameraRulesReport("lane-east", 3, "command", AT, "a try", is_as_file=False),),
        (RefusedReport("node.yaml:12", "cameras.0.url", "another one", "restart", AT),),
    ),
    observation_log={"size_bytes": 7_000_000, "cap_bytes": 64 << 20, "oldest_at": AT, "problem": None},
)


@pytest.fixture
def server() -> Iterator[HealthServer]:
    one = HealthServer("127.0.0.1", 0, lambda: REPORT)
    one.start()
    yield one
    one.close()


def get(server: HealthServer, page: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{page}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_health_is_json_with_times_in_utc(server: HealthServer) -> None:
    status, body = get(server, "/health")
    told = json.loads(body)
    assert status == 200
    assert told["cameras"][0]["achieved_gap_s"] == 0.6
    assert told["cameras"][0]["since"] == "2026-11-24T08:00:00Z"
    assert told["rules_not_running"][0]["reason"] == "no model"
    assert told["rules"]["cameras"][0] == {
        "camera_id": "lane-east",
        "version": 3,
        "source": "command",
        "at": "2026-11-24T08:00:00Z",
        "note": "a try",
        "is_as_file": False,
    }
    assert told["rules"]["refused"][0]["where"] == "node.yaml:12"


def test_the_root_leads_to_health_and_other_pages_are_404(server: HealthServer) -> None:
    assert json.loads(get(server, "/")[1])["node_id"] == "edge-01"
    status, body = get(server, "/etc/passwd")
    assert status == 404
    assert "/health" in body


def test_a_node_that_is_not_watching_yet_is_unavailable() -> None:
    starting = HealthServer("127.0.0.1", 0, lambda: replace(REPORT, state="starting"))
    starting.start()
    try:
        assert get(starting, "/health")[0] == 503
    finally:
        starting.close()


def test_metrics_are_prometheus_text() -> None:
    families = {family.name: family for family in text_string_to_metric_families(as_metrics(REPORT).decode())}
    decoded = {one.labels["stream"]: one.value for one in families["edge_pictures_decoded"].samples}
    assert decoded == {"main": 8, "sub": 5}
    dropped = families["edge_frames_dropped"].samples[0]
    assert (dropped.labels, dropped.value) == ({"camera_id": "lane-east", "reason": "replaced"}, 3.0)
    assert families["edge_camera_streaming"].samples[0].value == 1.0
    assert families["edge_rules_refused"].samples[0].value == 1.0
    assert [(one.labels["source"], one.value) for one in families["edge_rules_version"].samples] == [("command", 3.0)]
    shows = families["edge_camera_view"].samples[0]
    assert (shows.labels, shows.value) == ({"camera_id": "lane-east", "view": "covered"}, 1.0)
    events = {tuple(sample.labels.values()): sample.value for sample in families["edge_events"].samples}
    assert events == {("stills_refused", "late"): 5.0}
    kept = {sample.labels["name"]: sample.value for sample in families["edge_observation_log_bytes"].samples}
    assert kept == {"size": 7e6, "cap": float(64 << 20)}
    assert families["edge_observation_log_oldest_timestamp_seconds"].samples[0].value == AT.timestamp()


def test_a_report_of_no_cameras_is_whole() -> None:
    assert json.loads(as_json(replace(REPORT, cameras=(), rules_not_running=())))["cameras"] == []
    assert as_metrics(replace(REPORT, cameras=()))


def test_a_camera_that_is_beside_its_place_for_long_and_unsteady_is_said() -> None:
    since = datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    views = (KnownView("gate", "known"), KnownView("yard", "known"))
    camera = replace(CAMERA, view="doubtful", view_since=since, views=views)
    later = since + timedelta(seconds=LOST_AFTER_S + 1)
    assert is_lost(camera, later)
    assert not is_lost(camera, since + timedelta(seconds=LOST_AFTER_S / 2)), "between presets"
    assert not is_lost(replace(camera, view="good"), later)
    assert not is_lost(replace(camera, views=()), later), "it stands still"
    assert not is_lost(replace(camera, views=(replace(views[0], shift_xyn=(0.05, 0.0)), views[1])), later), "proposed"
    assert not is_lost(replace(camera, views=(KnownView("gate", "no_reference"), views[1])), later), "said by its view"
