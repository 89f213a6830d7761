"""A camera that sees wrongly: what else it tells is hidden and counted until the fault is over. Both databases."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.integration.central.flow.stage import LI, MAYOR, HandClock, Stage, alert, received
from tests.integration.central.flow.test_silences import end, look
from xueliang_alerts.contract import EndReason, Hazard, Phase
from xueliang_central.audit.tables import audit_records
from xueliang_central.incidents.tables import incident_timeline, incidents
from xueliang_central.incidents.views import at_text
from xueliang_central.ingest.admission import Received
from xueliang_central.silences.tables import silence_alerts, silenced_alerts, silences
from xueliang_central.store.tables import events

FAULT: dict[str, Any] = {"hazard": Hazard.CAMERA_FAULT, "severity": 3}
REASON = "lane 41 % covered by truck for 63 s"  # the stage's one text
CONTENT: dict[str, Any] = {"hazard": Hazard.BLOCKED_EXIT, "severity": 2}


class Camera:
    """lane-east, which tells of itself and of its view, in order."""

    def __init__(self, stage: Stage, clock: HandClock) -> None:
        self.stage, self.clock, self.sequence = stage, clock, 0

    def _told(self, phase: Phase, began_at: datetime, **more: Any) -> Received:
        self.sequence += 1
        body = alert(phase, 1 if phase is Phase.RAISED else 2, began_at=began_at, **more)
        return received(body, self.sequence, at=self.clock())

    def faulty(self, began_at: datetime, code: str = "camera_covered") -> Received:
        return self._told(Phase.RAISED, began_at, code=code, **FAULT)

    def well(self, began_at: datetime) -> Received:
        return self._told(Phase.CLEARED, began_at, code="camera_well", end_reason=EndReason.SEEN_CLEAR, **FAULT)

    def tells(self, began_at: datetime, phase: Phase = Phase.RAISED, **more: Any) -> Received:
        return self._told(phase, began_at, **(CONTENT | more))


@pytest.fixture
def camera(stage: Stage, clock: HandClock) -> Camera:
    return Camera(stage, clock)


async def _cases(stage: Stage) -> dict[str, str]:
    return {row["hazard"]: row["state"] for row in await stage.rows(incidents)}


async def _marked(stage: Stage) -> list[str]:
    ids = {row["incident_id"]: row["hazard"] for row in await stage.rows(incidents)}
    found = [row for row in await stage.rows(incident_timeline) if row["kind"] == "camera_faulty"]
    assert all(row["params"]["why"]["code"] == "hidden_by_fault" for row in found)
    return sorted(ids[row["incident_id"]] for row in found)


async def _shown(stage: Stage) -> dict[str, Any]:
    """The case of a blocked exit as the stream told it last."""
    told = sorted(await stage.rows(events), key=lambda row: row["event_id"])
    shown = [row["body"]["incident"] for row in told if row["kind"] == "incident"]
    view: dict[str, Any] = [one for one in shown if one["hazard"] == "blocked_exit"][-1]
    return view


async def test_what_comes_after_the_fault_waits_until_the_camera_sees_again(
    stage: Stage, camera: Camera, clock: HandClock
) -> None:
    since = clock()
    await stage.take(camera.faulty(since))
    clock.forward(60)
    gone, there = clock() - timedelta(seconds=9), clock()
    await stage.take(camera.tells(gone), camera.tells(there, hazard=Hazard.CROWD))
    await stage.take(camera.tells(clock() - timedelta(seconds=3), camera_id="far-gate"))
    assert await _cases(stage) == {"camera_fault": "open", "blocked_exit": "open"}, "the other camera's alone"
    (fault,) = await stage.rows(silences)
    assert (fault["kind"], fault["camera_id"], fault["closed_at"]) == ("fault", "lane-east", None)
    assert [row["why"]["code"] for row in await stage.rows(silence_alerts)] == ["hidden_by_fault"] * 2
    await stage.take(camera.tells(gone, Phase.CLEARED))
    clock.forward(60)
    await stage.take(camera.well(since))
    assert await look(stage) == 1
    hidden = {row["hazard"]: row for row in await stage.rows(silenced_alerts)}
    assert (hidden["blocked_exit"]["standing"], hidden["crowd"]["standing"]) == ("over", "left")
    assert hidden["crowd"]["why_left"]["code"] == "fault_over"
    assert (await _cases(stage))["crowd"] == "open", "nothing is lost"
    told = [row["action"] for row in await stage.rows(audit_records) if row["action"].startswith("silence.")]
    assert told == ["silence.made", "silence.ended"]
    await stage.take(camera.tells(clock(), hazard=Hazard.INTRUSION))
    assert (await _cases(stage))["intrusion"] == "open"


async def test_of_one_batch_the_fault_counts_first_and_what_was_open_before_is_marked(
    stage: Stage, camera: Camera, clock: HandClock
) -> None:
    await stage.take(camera.tells(clock(), hazard=Hazard.CROWD))
    clock.forward(30)
    at = clock()
    await stage.take(camera.tells(at), camera.faulty(at - timedelta(seconds=5)))
    assert await _cases(stage) == {"crowd": "open", "camera_fault": "open"}
    assert await stage.count(silenced_alerts) == 1
    assert await _marked(stage) == ["crowd"]
    clock.forward(5)
    await stage.take(camera.tells(clock(), hazard=Hazard.CROWD))  # its place is open: it joins, and asks nobody anew
    assert await stage.count(silenced_alerts) == 1


async def test_a_case_before_its_cameras_fault_says_so_until_the_fault_is_over_and_is_what_it_was(
    stage: Stage, camera: Camera, clock: HandClock
) -> None:
    at = clock()
    await stage.take(camera.tells(at))
    before = await _shown(stage)
    clock.forward(12)
    await stage.take(camera.faulty(at - timedelta(seconds=5)))
    told = await _shown(stage)
    assert told["camera_fault"] == {"reason": REASON, "told_at": at_text(clock()), "told_after_s": 12.0}
    assert told | {"camera_fault": None} == before, "neither hidden nor closed nor ranked otherwise"
    clock.forward(60)
    await stage.take(camera.well(at - timedelta(seconds=5)))
    assert await _shown(stage) == before, "the stream says that the camera sees again, and the case stands"


async def test_a_case_that_another_camera_tells_of_as_well_has_no_such_mark(
    stage: Stage, camera: Camera, clock: HandClock
) -> None:
    await stage.take(camera.tells(clock()), camera.tells(clock(), camera_id="lane-west"))
    await stage.take(camera.faulty(clock()))
    shown = await _shown(stage)
    assert (shown["camera_count"], shown["camera_fault"]) == (2, None)


async def test_fire_and_severity_1_are_told_and_marked_and_another_fault_mutes_nothing(
    stage: Stage, camera: Camera, clock: HandClock
) -> None:
    at = clock()
    await stage.take(camera.faulty(at))
    await stage.take(camera.tells(at + timedelta(seconds=1), hazard=Hazard.FIRE_SMOKE, severity=3))
    await stage.take(camera.tells(at + timedelta(seconds=2), severity=1))
    assert await _cases(stage) == {"camera_fault": "open", "fire_smoke": "open", "blocked_exit": "open"}
    assert await _marked(stage) == ["blocked_exit", "fire_smoke"]
    clock.forward(60)
    await stage.take(camera.well(at))
    await stage.take(camera.faulty(clock(), code="camera_offline"))
    await stage.take(camera.tells(clock() + timedelta(seconds=1), hazard=Hazard.CROWD))
    assert (await _cases(stage))["crowd"] == "open"


async def test_a_person_who_says_that_the_camera_sees_ends_it_and_the_fault_mutes_only_once(
    stage: Stage, camera: Camera, clock: HandClock
) -> None:
    at = clock()
    await stage.take(camera.faulty(at))
    await stage.take(camera.tells(at + timedelta(seconds=1)))
    fault = next(row for row in await stage.rows(incidents) if row["hazard"] == "camera_fault")
    await stage.judge(LI, fault["incident_id"], "false_alarm", fault["version"], reason_code="wrong_object")
    assert await look(stage) == 1
    assert (await _cases(stage))["blocked_exit"] == "open"
    clock.forward(30)
    await stage.take(camera.faulty(clock()))
    (again,) = [row for row in await stage.rows(silences) if row["closed_at"] is None]
    await end(stage, MAYOR, again["silence_id"])
    await stage.take(camera.tells(clock() + timedelta(seconds=1), hazard=Hazard.CROWD))
    assert (await _cases(stage))["crowd"] == "open"
    assert [row["closed_by"] for row in await stage.rows(silences)] == ["Li", "Mayor"]
