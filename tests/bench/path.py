"""Alert latency from condition met to the operator's event stream, and what the demo node costs per camera.

Everything is real: the demo's RTSP cameras, the embedded detector, broker, database, HTTP. The lane camera carries
several rules that differ in their dwell only, so that one lorry gives several alerts. "Condition met" is the alert's
`raised_at` (the picture with which the dwell was full); node and centre share this machine's clock.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import numpy as np

from tests.bench.deadline import deadline, left_of_quick_s
from tests.bench.figures import Figures
from xueliang_alerts.clocks import system_mono
from xueliang_demo.api_client import Person
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import demo_plan, with_urls
from xueliang_demo.installation import Installation, Plan
from xueliang_demo.plays import LaneDirector
from xueliang_demo.theatre import LANE_CAMERA, PLAZA_CAMERA, Stage

FOLDER = Path(".run/bench")
BOX = FOLDER / "box"  # new for every run: nothing that an earlier one left is measured
QUICK_DWELLS_S = (3, 4, 5)
FULL_DWELLS_S = (3, 4, 5, 6, 7, 8)
LORRY_STANDS_S = 14.0
LORRY_AGAIN_S = 8.0
QUICK_ALERTS, FULL_ALERTS = len(QUICK_DWELLS_S), 5 * len(FULL_DWELLS_S)
QUICK_COST_S, FULL_COST_S = 12.0, 60.0
WARM_UP_S = 5.0  # start-up (imports, loading the model) is not what a camera costs
FULL_LIMIT_S = 400.0
ALERTS_FOR_P95 = 20  # with fewer the 95th percentile is the largest value again

KEYS = (
    "alert_latency_p50_ms",
    "alert_latency_p95_ms",
    "alert_latency_max_ms",
    "alerts_measured_count",
    "cpu_s_per_camera_minute",
)


class LaneOnCall(LaneDirector):
    """Its first lorry waits until the node is up: none stands in the lane that nobody watches yet."""

    def __init__(self) -> None:
        super().__init__(system_mono, first_after_s=0, again_after_s=LORRY_AGAIN_S, stands_at_most_s=LORRY_STANDS_S)
        self.is_open = threading.Event()

    def decide(self, state: str, seconds: float) -> str:
        return super().decide(state, seconds) if self.is_open.is_set() else "empty"


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


def measure(quick: bool, figures: Figures) -> None:
    """All of it stands under one deadline, the starting of the programs too, and not the rendering of the footage."""
    left_s = left_of_quick_s()
    rendering: list[str] = []
    stage, lane = Stage(FOLDER / "footage", lorry_after_s=0, say=rendering.append), LaneOnCall()
    if not rendering:
        left_s = left_of_quick_s()
    stage.lane_director = lane
    plan = _with_many_rules(demo_plan(make_city(DEMO), stage, None), QUICK_DWELLS_S if quick else FULL_DWELLS_S)
    shutil.rmtree(BOX, ignore_errors=True)
    installation = Installation(BOX, plan)
    try:
        with deadline(left_s if quick else FULL_LIMIT_S):
            installation.start_programs_for(with_urls(plan, stage.open()))
            listener = Listener(installation)
            listener.start()
            began = datetime.now(UTC)
            lane.is_open.set()
            cost = Cost(installation, len(plan.cameras), QUICK_COST_S if quick else FULL_COST_S)
            _watch(installation, listener, cost, began, QUICK_ALERTS if quick else FULL_ALERTS, figures)
    finally:
        installation.kill()
        stage.close()


def latency_figures(latencies_ms: Sequence[float]) -> Figures:
    """Of no alert at all: null. The 95th percentile needs ALERTS_FOR_P95 of them, which `quick` never has."""
    if not latencies_ms:
        return {"alerts_measured_count": 0.0}
    is_enough = len(latencies_ms) >= ALERTS_FOR_P95
    return {
        "alert_latency_p50_ms": float(np.percentile(latencies_ms, 50)),
        "alert_latency_p95_ms": float(np.percentile(latencies_ms, 95)) if is_enough else None,
        "alert_latency_max_ms": max(latencies_ms),
        "alerts_measured_count": float(len(latencies_ms)),
    }


def _with_many_rules(plan: Plan, dwells_s: Sequence[int]) -> Plan:
    cameras = []
    for camera in plan.cameras:
        if camera.camera_id == LANE_CAMERA:
            lane = camera.rules[0]
            rules = tuple({**lane, "rule_id": f"dwell-{dwell_s}", "dwell_s": dwell_s} for dwell_s in dwells_s)
            camera = replace(camera, rules=rules)
        cameras.append(camera)
    return replace(plan, cameras=tuple(cameras))


class Cost:
    """CPU-seconds (user + system) of the node's process per camera and minute, over `seconds` once it has warmed up."""

    def __init__(self, installation: Installation, cameras: int, seconds: float) -> None:
        self._node, self._cameras, self._seconds = installation.node, cameras, seconds
        self._warm_mono_s = time.monotonic() + WARM_UP_S
        self._before: tuple[float, float] | None = None
        self.value: float | None = None

    def look(self) -> bool:
        """To be called often; True once it is measured, or cannot be."""
        now_mono_s = time.monotonic()
        if self.value is not None or now_mono_s < self._warm_mono_s:
            return self.value is not None
        spent_s = self._node.cpu_seconds()
        if self._before is None:
            self._before = now_mono_s, spent_s
            return spent_s == 0  # a system without /proc
        began_mono_s, before_s = self._before
        if now_mono_s - began_mono_s >= self._seconds and spent_s > before_s:
            self.value = (spent_s - before_s) / self._cameras / ((now_mono_s - began_mono_s) / 60)
        return self.value is not None


def _watch(
    installation: Installation, listener: Listener, cost: Cost, began: datetime, wanted: int, figures: Figures
) -> None:
    """Keep the figures up to date until all is measured; who calls sets the limit."""
    person = installation.log_in("operator")
    measured, has_cost = 0, False
    while measured < wanted or not has_cost:
        installation.must_run()
        time.sleep(0.5)
        has_cost = has_cost or cost.look()
        figures["cpu_s_per_camera_minute"] = cost.value
        latencies_ms = _latencies_ms(person, listener, began)
        figures |= latency_figures(latencies_ms)
        measured = len(latencies_ms)
    person.close()


def _latencies_ms(person: Person, listener: Listener, began: datetime) -> list[float]:
    """Of every alert of the lane raised since `began` that has been seen on the event stream."""
    found: list[float] = []
    for incident in person.incidents():
        incident_id = incident["incident_id"]
        if incident["place"]["camera_id"] == PLAZA_CAMERA:
            continue
        ordered = sorted(person.incident(incident_id)["alerts"], key=lambda one: one["received_at"])
        for count, alert in enumerate(ordered, start=1):
            raised_at, seen_at = (
                datetime.fromisoformat(alert["raised_at"]),
                listener.first_seen.get((incident_id, count)),
            )
            if raised_at >= began and seen_at is not None:
                found.append(1000 * (seen_at - raised_at).total_seconds())
    return found
