"""A node keeps what its cameras showed: its rules over the log say what it said, and a kill costs seconds."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.integration.edge.scenes import lane_camera, write_settings
from tests.support.fixtures import REPOSITORY, require_fixture
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Alert, read_message
from xueliang_configs.loading import load_node
from xueliang_edge.health import as_json
from xueliang_edge.node import Node
from xueliang_edge.observation_log.reading import Gap, GapReason, read_history
from xueliang_edge.observation_log.replaying import replayed
from xueliang_edge.observation_log.writing import FLUSH_S, ObservationLog
from xueliang_edge.rules.judge import Judged
from xueliang_streams.source import Pace


@pytest.mark.fixtures
def test_the_rules_over_the_log_say_what_the_node_said(tmp_path: Path) -> None:
    camera = lane_camera(f"file:{require_fixture('clips/lot_car_stops.mp4')}", dwell_s=15)
    config = load_node(write_settings(tmp_path, [camera]))
    node = Node(config, wall=system_wall, mono=system_mono, pace=Pace.FAST)
    try:
        node.start()
        node.run(threading.Event(), until_ended=True)
        bodies = [read_message(record.payload).body for record in node.spool.pending_after(0, 1000)]
        looked = next(iter(node.pipeline.cameras.values())).looks
    finally:
        node.close()
    page = health_page(node)
    history = read_history(tmp_path / "data" / "log", config.cameras[0].camera_id)
    said = [one.decision for one in replayed(history, config.cameras[0]) if isinstance(one, Judged)]
    alerts = [body for body in bodies if isinstance(body, Alert)]
    assert len(alerts) >= 2
    assert [(one.phase, one.began.at, one.reason.text) for one in said] == [
        (alert.phase, alert.began_at, alert.reason.text) for alert in alerts
    ]
    assert sum(map(len, history.looks)) == looked
    assert history.gaps == ()
    assert page["observation_log"]["size_bytes"] > 1000
    assert page["counters"]["observation_log"]["written"] == looked


def health_page(node: Node) -> dict[str, Any]:
    page: dict[str, Any] = json.loads(as_json(node.reporter.report()))
    return page


def test_a_kill_costs_the_last_seconds_and_the_rest_is_a_gap(tmp_path: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.support.logging_child", str(tmp_path)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    given = []
    for line in child.stdout:
        number, at_s = line.split()
        given.append((int(number), float(at_s)))
        if given[-1][1] - given[0][1] > 3 * FLUSH_S:
            break
    killed_s = time.monotonic()
    child.kill()
    child.wait()
    log = ObservationLog(tmp_path, "next", wall=system_wall, mono=system_mono, days=9000, max_bytes=100 << 20)
    log.start()  # makes a segment of what the killed one left
    log.close()
    history = read_history(tmp_path, "lane")
    read = [one for part in history.looks for one in part.track_ids.tolist()]
    assert read == list(range(len(read)))
    lost = [at_s for number, at_s in given if number >= len(read)]
    assert killed_s - min(lost, default=killed_s) < FLUSH_S + 2.0
    last_at = history.looks[-1].last_at
    to_the_end = read_history(tmp_path, "lane", None, last_at.replace(year=last_at.year + 1)).parts[-1]
    assert isinstance(to_the_end, Gap)
    assert (to_the_end.reason, to_the_end.after_at) == (GapReason.OUTSIDE, last_at)
