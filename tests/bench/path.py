"""Alert latency from condition met to the operator's event stream, and what the demo node costs per camera.

Everything is real: the demo's RTSP cameras, the embedded detector, broker, database, HTTP. The lane camera carries
several rules that differ in their dwell only, so that one lorry gives several alerts. "Condition met" is the alert's
`raised_at` (the picture with which the dwell was full); node and centre share this machine's clock.
"""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import demo_plan, with_urls
from xueliang_demo.installation import Installation, Plan
from xueliang_demo.theatre import LANE_CAMERA, PLAZA_CAMERA, Stage

FOLDER = Path(".run/bench")
DWELLS_S = (3, 4, 5, 6, 7, 8)
LORRY_AFTER_S = 6.0
LORRY_STANDS_S = 14.0
LORRY_AGAIN_S = 8.0
QUICK_ALERTS, FULL_ALERTS = len(DWELLS_S), 5 * len(DWELLS_S)
QUICK_COST_S, FULL_COST_S = 15.0, 60.0


class Listener(threading.Thread):
    """The operator's event stream: when each incident was first seen with how many alerts."""

    def __init__(self, installation: Installation) -> None:
        super().__init__(daemon=True)
        self._person = installation.log_in("operator")
        self.first_seen: dict[tuple[str, int], datetime] = {}

    def run(self) -> None:
        try:
            for event, data in self._person.events(timeout_s=60):
                if event == "incident":
                    now = datetime.now(UTC)
                    for count in range(1, data["incident"]["alert_count"] + 1):
                        self.first_seen.setdefault((data["incident"]["incident_id"], count), now)
        except httpx.HTTPError:
            return  # the installation was stopped


def measure(quick: bool) -> dict[str, float | None]:
    stage = Stage(FOLDER / "footage", lorry_after_s=LORRY_AFTER_S, stands_s=LORRY_STANDS_S, again_after_s=LORRY_AGAIN_S)
    plan = _with_many_rules(demo_plan(make_city(DEMO), stage, None))
    installation = Installation(FOLDER, plan)
    try:
        installation.start_programs_for(with_urls(plan, stage.open()))
        listener = Listener(installation)
        listener.start()
        began = datetime.now(UTC)
        cost = _cost(installation, len(plan.cameras), QUICK_COST_S if quick else FULL_COST_S)
        latencies = _latencies(installation, listener, began, QUICK_ALERTS if quick else FULL_ALERTS)
    finally:
        installation.stop()
        stage.close()
    return {
        "alert_latency_p50_ms": float(np.percentile(latencies, 50)) if latencies else None,
        "alert_latency_p95_ms": float(np.percentile(latencies, 95)) if latencies else None,
        "alert_latency_max_ms": max(latencies) if latencies else None,
        "alerts_measured_count": float(len(latencies)),
        "cpu_s_per_camera_minute": cost,
    }


def _with_many_rules(plan: Plan) -> Plan:
    cameras = []
    for camera in plan.cameras:
        if camera.camera_id == LANE_CAMERA:
            lane = camera.rules[0]
            rules = tuple({**lane, "rule_id": f"dwell-{dwell_s}", "dwell_s": dwell_s} for dwell_s in DWELLS_S)
            camera = replace(camera, rules=rules)
        cameras.append(camera)
    return replace(plan, cameras=tuple(cameras))


def _cost(installation: Installation, cameras: int, seconds: float) -> float | None:
    """CPU-seconds (user + system) of the node's process per camera and minute, over `seconds` after its start."""
    time.sleep(5)  # start-up (imports, loading the model) is not what a camera costs
    before, began = installation.node.cpu_seconds(), time.monotonic()
    time.sleep(seconds)
    spent, minutes = installation.node.cpu_seconds() - before, (time.monotonic() - began) / 60
    return spent / cameras / minutes if spent > 0 else None


def _latencies(installation: Installation, listener: Listener, began: datetime, wanted: int) -> list[float]:
    """Milliseconds of every alert raised since `began`, once `wanted` of them are there or time is over."""
    person = installation.log_in("operator")
    deadline = time.monotonic() + 10 + wanted * 8
    alerts: list[tuple[dict[str, Any], str, int]] = []
    while time.monotonic() < deadline and len(alerts) < wanted:
        installation.must_run()
        time.sleep(1)
        alerts = []
        for incident in person.incidents():
            if incident["place"]["camera_id"] == PLAZA_CAMERA:
                continue
            ordered = sorted(person.incident(incident["incident_id"])["alerts"], key=lambda one: one["received_at"])
            for count, alert in enumerate(ordered, start=1):
                if datetime.fromisoformat(alert["raised_at"]) >= began:
                    alerts.append((alert, incident["incident_id"], count))
    person.close()
    return [
        1000 * (listener.first_seen[incident_id, count] - datetime.fromisoformat(alert["raised_at"])).total_seconds()
        for alert, incident_id, count in alerts
        if (incident_id, count) in listener.first_seen
    ]
