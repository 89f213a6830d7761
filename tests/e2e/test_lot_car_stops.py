"""The whole path on recorded footage: RTSP, detector, rule, spool, MQTT, database, task, verified, closed.

A car drives into the zone, stands from 11.25 s to 46.25 s of the clip and is gone by 48.9 s (hand-checked). Times below
are `observed_at` of the revisions less that of the clip's first picture, both by the node's own clock; when anything
arrived at the centre plays no part.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.fixtures import require_fixture
from tests.support.models import shared_model_path, write_card
from xueliang_alerts.clocks import system_wall
from xueliang_demo.api_client import Person
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Installation, Plan, WatchedCamera
from xueliang_demo.loop_check import plain_png
from xueliang_streams.rtsp_server import ClipMount, RtspServer

CAMERA = "lot"
STANDS_FROM_S, GONE_BY_S, DWELL_S = 11.25, 48.9, 15.0
CLIP_S = 53.0

pytestmark = [pytest.mark.fixtures, pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class Seen:
    """What the operator's list and the incident's page showed, as it went."""

    revisions: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)
    incident_ids: set[str] = field(default_factory=set)
    task_ids: set[str] = field(default_factory=set)


@contextmanager
def lot_installation(folder: Path) -> Iterator[Installation]:
    clip = ClipMount(require_fixture("clips/lot_car_stops.mp4"), "once_hold_last_second", starts="first_play")
    zone = json.loads(require_fixture("clips/events.json").read_text())["lot_car_stops.mp4"]["no_parking_zone"]
    rule = {"rule_id": "lane", "hazard": "fire_lane_obstruction", "zone": zone, "dwell_s": DWELL_S, "clear_after_s": 3}
    city = make_city(DEMO)
    grid = city.of_level("grid")[0]
    place = grid.polygon.representative_point()
    detector = {"model": str(shared_model_path("yolox_nano_416")), "card": str(write_card("yolox_nano_416", folder))}
    with RtspServer({CAMERA: clip}, wall=system_wall) as server:
        camera = WatchedCamera(CAMERA, "停车场", server.url(CAMERA), grid.code, place.x, place.y, "street", (rule,))
        accounts = (
            Account("operator", "operator", city.areas[0].code, "operator"),
            Account("worker", "worker", grid.code, "worker"),
        )
        with Installation(folder / "box", Plan(city, (camera,), (), accounts, POLICIES, detector)) as installation:
            installation.start()
            yield installation


def watch(operator: Person, seen: Seen) -> None:
    """Read the list and every incident's page once."""
    for incident in operator.incidents():
        seen.incident_ids.add(incident["incident_id"])
        for alert in operator.incident(incident["incident_id"])["alerts"]:
            seen.revisions[alert["alert_id"], alert["revision"]] = alert
    seen.task_ids |= {task["task_id"] for task in operator.tasks()}


def watch_until(operator: Person, seen: Seen, condition: Any, what: str, limit_s: float) -> None:
    deadline = time.monotonic() + limit_s
    while time.monotonic() < deadline:
        watch(operator, seen)
        if condition():
            return
        time.sleep(0.3)
    phases = [(key[1], alert["phase"]) for key, alert in seen.revisions.items()]
    pytest.fail(f"not within {limit_s} s: {what}; incidents {seen.incident_ids}, revisions seen {phases}")


def first_picture_at(installation: Installation) -> datetime:
    """When the node got the clip's first picture: since then its health page says that the camera streams."""
    give_up_at = time.monotonic() + 40
    seen: Any = "nothing yet"
    while time.monotonic() < give_up_at:
        installation.must_run()
        try:
            answer = httpx.get(f"http://127.0.0.1:{installation.health_port}/health", timeout=5, trust_env=False)
        except httpx.TransportError as error:
            seen = repr(error)
        else:
            (seen,) = answer.json()["cameras"]
            if seen["state"] == "streaming":
                return datetime.fromisoformat(seen["since"])
        time.sleep(0.1)
    pytest.fail(f"no picture within 40 s; the camera: {seen}")


def seconds_into_clip(alert: dict[str, Any], began_at: datetime, what: str = "observed_at") -> float:
    return (datetime.fromisoformat(alert[what]) - began_at).total_seconds()


def wait_for_second(installation: Installation, began_at: datetime, seconds: float) -> None:
    """Until that second of the clip has been shown."""
    while (datetime.now(UTC) - began_at).total_seconds() < seconds:
        installation.must_run()
        time.sleep(0.2)


def of_phase(seen: Seen, phase: str) -> list[dict[str, Any]]:
    return [alert for _, alert in sorted(seen.revisions.items()) if alert["phase"] == phase]


def handle(installation: Installation) -> None:
    """Take, arrive, handled, as the grid worker."""
    worker = installation.log_in("worker")
    (task,) = worker.tasks()
    worker.move_task(task["task_id"], "take")
    worker.move_task(task["task_id"], "arrive")
    photo = worker.put_photo(plain_png(32, 24, (10, 90, 10)), "image/png")
    worker.move_task(task["task_id"], "handled", photos=[photo], note="ok")
    worker.close()


def assert_times(seen: Seen, began_at: datetime) -> None:
    for alert in seen.revisions.values():
        assert seconds_into_clip(alert, began_at, "raised_at") == pytest.approx(STANDS_FROM_S + DWELL_S, abs=2.0)
    for raised in of_phase(seen, "raised"):
        assert seconds_into_clip(raised, began_at) == pytest.approx(STANDS_FROM_S + DWELL_S, abs=2.0)
    (cleared,) = of_phase(seen, "cleared")
    assert cleared["end_reason"] == "seen_clear"
    assert GONE_BY_S - 3.0 <= seconds_into_clip(cleared, began_at) <= GONE_BY_S + 5.0


def assert_exactly_one(seen: Seen) -> None:
    assert len({alert_id for alert_id, _ in seen.revisions}) == 1
    assert len(seen.incident_ids) == 1
    assert len(seen.task_ids) == 1


def test_a_car_that_stops_becomes_one_incident_and_is_closed_by_the_same_camera(tmp_path: Path) -> None:
    seen = Seen()
    with lot_installation(tmp_path) as installation:
        began_at = first_picture_at(installation)
        operator = installation.log_in("operator")
        watch_until(operator, seen, lambda: of_phase(seen, "raised"), "raised", CLIP_S)
        handle(installation)
        watch_until(operator, seen, lambda: of_phase(seen, "cleared"), "cleared", CLIP_S + 10)
        (incident_id,) = seen.incident_ids
        watch_until(operator, seen, lambda: operator.incident(incident_id)["state"] == "closed", "closed", 15)
        incident = operator.incident(incident_id)
        assert incident["verified"] is True
        assert incident["close_reason"] == "verified"
        assert incident["picture"]["received"] is True
        operator.close()
    assert_times(seen, began_at)
    assert_exactly_one(seen)


def test_with_the_broker_killed_in_the_middle_nothing_is_lost_and_nothing_doubled(tmp_path: Path) -> None:
    seen = Seen()
    with lot_installation(tmp_path) as installation:
        began_at = first_picture_at(installation)
        operator = installation.log_in("operator")
        wait_for_second(installation, began_at, 20)
        installation.kill_broker()
        wait_for_second(installation, began_at, 32)
        watch(operator, seen)
        assert not seen.incident_ids, "raised while the broker was down, and yet at the centre"
        installation.start_broker()
        watch_until(operator, seen, lambda: seen.revisions, "raised, after the broker came back", 40)
        handle(installation)
        watch_until(operator, seen, lambda: of_phase(seen, "cleared"), "cleared", CLIP_S + 10)
        (incident_id,) = seen.incident_ids
        watch_until(operator, seen, lambda: operator.incident(incident_id)["state"] == "closed", "closed", 15)
        operator.close()
    assert_times(seen, began_at)
    assert_exactly_one(seen)
