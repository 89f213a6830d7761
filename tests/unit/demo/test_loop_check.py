"""`./run demo --check` counts only what happens after its own start."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from xueliang_demo.loop_check import STEPS, LoopCheck, StepMissed

START = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
CAMERA = "lane-east"


def text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Street:
    """A centre with one incident, a minute old, and a script of what happens when. Both doors of the check."""

    def __init__(self, state: str = "closed") -> None:
        self.now_s = 0.0
        self.said: list[str] = []
        self.script: list[tuple[float, Callable[[], None]]] = []
        self.beside: list[dict[str, Any]] = []
        self._incident: dict[str, Any] = {
            "incident_id": "i1",
            "number": "20261125-0001",
            "hazard": "fire_lane_obstruction",
            "state": state,
            "still_present": state != "closed",
            "verified": state == "closed",
            "place": {"camera_id": CAMERA, "camera_name": "lane"},
            "reason": {"text": "lane 41 % covered by truck"},
            "alerts": [{"alert_id": "old", "raised_at": text(START - timedelta(seconds=60))}],
            "evidence": [{"sha256": "aa", "alert_id": "old", "received": True}],
            "timeline": [],
            "task": {"task_id": "t-old", "state": state if state != "dispatched" else "offered"},
        }
        self._tasks = [
            {"task_id": "t-old", "incident_id": "i1", "offered_at": text(START - timedelta(seconds=60))},
        ]
        for kind in ("opened", "escalated", "seen_clear", "verified", "closed"):
            self.note(kind, -50)

    def wall(self) -> datetime:
        return START + timedelta(seconds=self.now_s)

    def mono(self) -> float:
        return self.now_s

    def pause(self, seconds: float) -> None:
        self.now_s += seconds
        for due in [one for one in self.script if one[0] <= self.now_s]:
            self.script.remove(due)
            due[1]()

    def note(self, kind: str, at_s: float | None = None) -> None:
        at = START + timedelta(seconds=self.now_s if at_s is None else at_s)
        self._incident["timeline"].append({"kind": kind, "at": text(at)})

    def check(self) -> LoopCheck:
        return LoopCheck(self, self, CAMERA, wall=self.wall, mono=self.mono, pause=self.pause, say=self.said.append)

    # what happens

    def lorry_again(self) -> None:
        self._incident["state"] = "dispatched"
        self._incident["alerts"].append({"alert_id": "new", "raised_at": text(self.wall())})
        self._incident["task"] = {"task_id": "t-new", "state": "offered"}
        self._tasks.append({"task_id": "t-new", "incident_id": "i1", "offered_at": text(self.wall())})
        self.note("reopened")

    def picture_comes(self) -> None:
        self._incident["evidence"].append({"sha256": "bb", "alert_id": "new", "received": True})

    def camera_fails(self) -> None:
        """An incident of its own at the same camera."""
        alerts = [{"alert_id": "fault", "raised_at": text(self.wall())}]
        self.beside.append({**self._incident, "incident_id": "i2", "hazard": "camera_fault", "alerts": alerts})

    def close(self) -> None:
        for kind in ("seen_clear", "verified", "closed"):
            self.note(kind)
        self._incident["state"] = "closed"

    # the doors

    def incidents(self, state: str = "all") -> list[dict[str, Any]]:
        return (
            self.beside if state == "open" and self._incident["state"] == "closed" else [*self.beside, self._incident]
        )

    def incident(self, incident_id: str) -> dict[str, Any]:
        return next(one for one in self.incidents() if one["incident_id"] == incident_id)

    def picture(self, sha256: str) -> bytes:
        return b"\xff\xd8"

    def tasks(self, state: str = "all") -> list[dict[str, Any]]:
        return self._tasks

    def move_task(self, task_id: str, move: str, **more: object) -> dict[str, Any]:
        assert task_id == self._incident["task"]["task_id"]
        self._incident["task"]["state"] = {"take": "taken", "arrive": "arrived", "handled": "handled"}[move]
        self.note(self._incident["task"]["state"])
        if move == "handled":
            self.script.append((self.now_s + 8, self.close))
        return {}

    def put_photo(self, payload: bytes, media_type: str = "image/jpeg") -> str:
        return "cc"


def play(street: Street) -> None:
    street.script += [
        (10.0, street.lorry_again),
        (13.0, street.picture_comes),
        (30.0, lambda: street.note("escalated")),
    ]


def test_a_reopened_incidents_earlier_life_counts_for_nothing() -> None:
    street = Street()
    play(street)
    times_s = street.check().run()
    assert tuple(times_s) == STEPS
    expected = [10, 10, 13, 13, 30, 30, 30, 30, 38, 38, 38]
    assert list(times_s.values()) == pytest.approx(expected, abs=0.5)
    assert len([line for line in street.said if "incident opened" in line]) == 1, "a step of its own, with its time"


def test_a_fault_of_the_camera_is_not_the_incident_that_is_walked() -> None:
    street = Street()
    street.script.append((1.0, street.camera_fails))
    play(street)
    times_s = street.check().run()
    assert times_s[STEPS[0]] == pytest.approx(10, abs=0.5)
    assert street.beside


@pytest.mark.parametrize(
    ("left_out", "step"),
    [("lorry_again", STEPS[0]), ("picture_comes", STEPS[2]), ("escalated", STEPS[4])],
)
def test_a_step_that_happened_before_only_is_missed(left_out: str, step: str) -> None:
    street = Street()
    play(street)
    street.script = [
        one
        for one in street.script
        if getattr(one[1], "__name__", "") != left_out and (left_out, one[0]) != ("escalated", 30)
    ]
    with pytest.raises(StepMissed, match=step):
        street.check().run()


@pytest.mark.parametrize("state", ["dispatched", "taken", "arrived"])
def test_an_incident_that_an_interrupted_run_left_open_is_finished_first(state: str) -> None:
    street = Street(state)
    check = street.check()
    street.script.append((40.0, street.lorry_again))
    street.script.append((43.0, street.picture_comes))
    street.script.append((61.0, lambda: street.note("escalated")))
    times_s = check.run()
    assert any("open from before" in line for line in street.said)
    finished_s = 40 - times_s[STEPS[0]]
    assert finished_s >= 8, "the clock of the check begins once the earlier incident is closed"
    assert times_s[STEPS[4]] == pytest.approx(61 - finished_s, abs=0.5)
