"""The whole loop without a browser: what must happen, through the public doors only, each step with its time.

Only what comes after the check's own start counts: an incident that was closed a minute ago is opened again by the next
alert, and still tells of its first life.
"""

from __future__ import annotations

import contextlib
import struct
import time
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

import httpx

from xueliang_alerts.clocks import system_mono, system_wall

STEPS: Final = (
    "first alert on the operator's list",
    "incident opened",
    "picture received",
    "task offered to the grid worker",
    "escalated: nobody took it",
    "taken",
    "arrived",
    "handled with photo",
    "cleared: the same camera sees it gone",
    "verified",
    "closed",
)
FINISH_EARLIER_S: Final = 150.0
FIRST_ALERT_S: Final = 60.0
FIRST_ALERT_AFTER_EARLIER_S: Final = 150.0  # its lorry may just have left; the next comes 90 s later
PLAYED_HAZARD: Final = "fire_lane_obstruction"
NEXT_MOVE: Final = {"offered": "take", "taken": "arrive", "arrived": "handled"}


class OperatorDoor(Protocol):
    """What the check asks as operator: `api_client.Person` over HTTP."""

    def incidents(self, state: str = "all") -> list[dict[str, Any]]: ...
    def incident(self, incident_id: str) -> dict[str, Any]: ...
    def picture(self, sha256: str) -> bytes: ...


class WorkerDoor(Protocol):
    """What the check asks as grid worker: `api_client.Person` over HTTP."""

    def tasks(self, state: str = "all") -> list[dict[str, Any]]: ...
    def move_task(self, task_id: str, move: str, **more: object) -> dict[str, Any]: ...
    def put_photo(self, payload: bytes, media_type: str = "image/jpeg") -> str: ...


class StepMissed(Exception):
    """A step of the loop did not happen in time; says what was seen instead."""


class LoopCheck:
    """Walks one blocked fire lane at `camera_id` from first alert to closed, as operator and as grid worker."""

    def __init__(
        self,
        operator: OperatorDoor,
        worker: WorkerDoor,
        camera_id: str,
        *,
        wall: Callable[[], datetime] = system_wall,
        mono: Callable[[], float] = system_mono,
        pause: Callable[[float], None] = time.sleep,
        say: Callable[[str], None] = print,
        must_run: Callable[[], None] = lambda: None,
    ) -> None:
        self._operator, self._worker, self._camera_id = operator, worker, camera_id
        self._wall, self._mono, self._pause, self._say, self._must_run = wall, mono, pause, say, must_run
        self._began_at, self._began_mono_s = wall(), mono()
        self.times_s: dict[str, float] = {}

    def run(self) -> dict[str, float]:
        """Every step in order; seconds since the start by step. Raises StepMissed."""
        first_alert_s = FIRST_ALERT_AFTER_EARLIER_S if self._finish_earlier() else FIRST_ALERT_S
        incident = self._wait(STEPS[0], first_alert_s, self._first_incident)
        incident_id = str(incident["incident_id"])
        self._say(
            f"    {incident['number']} {incident['hazard']} at {incident['place']['camera_name']}: "
            f"{incident['reason']['text']}"
        )
        self._wait(STEPS[1], 10, lambda: self._happened(incident_id, "opened", "reopened"))
        self._wait(STEPS[2], 40, lambda: self._has_picture(incident_id))
        task = self._wait(STEPS[3], 20, lambda: self._task_of(incident_id))
        task_id = str(task["task_id"])
        self._wait(STEPS[4], 60, lambda: self._happened(incident_id, "escalated"))
        self._act(STEPS[5], task_id, "take")
        self._act(STEPS[6], task_id, "arrive")
        self._act(STEPS[7], task_id, "handled", note="司机已驶离通道", photos=[self._photo()])
        self._wait(STEPS[8], 120, lambda: self._happened(incident_id, "seen_clear"))
        self._wait(STEPS[9], 30, lambda: self._happened(incident_id, "verified"))
        self._wait(STEPS[10], 30, lambda: self._operator.incident(incident_id)["state"] == "closed")
        return self.times_s

    def _finish_earlier(self) -> bool:
        """What an interrupted run left open is walked to its end first; True when there was something.

        The next alert would join it, and its steps would not be this check's. The start is taken anew afterwards.
        """
        earlier = [one for one in self._operator.incidents() if self._is_here(one) and one["state"] != "closed"]
        for incident in earlier:
            self._say(f"    {incident['number']} is open from before: it is finished first")
        what = "incidents from before closed"
        self._until(what, FINISH_EARLIER_S, lambda: all(self._is_finished(one["incident_id"]) for one in earlier))
        self._began_at, self._began_mono_s = self._wall(), self._mono()
        return bool(earlier)

    def _is_finished(self, incident_id: str) -> bool:
        incident = self._operator.incident(incident_id)
        task = incident["task"]
        move = NEXT_MOVE.get(task["state"]) if task else None
        if incident["state"] != "closed" and move is not None:
            more: dict[str, object] = {"photos": [self._photo()]} if move == "handled" else {}
            with contextlib.suppress(httpx.HTTPStatusError):  # the camera may have closed it meanwhile
                self._worker.move_task(str(task["task_id"]), move, **more)
        return bool(incident["state"] == "closed")

    def _is_here(self, incident: dict[str, Any]) -> bool:
        """The hazard that is played; a fault of the camera itself is another incident."""
        return bool(incident["place"]["camera_id"] == self._camera_id and incident["hazard"] == PLAYED_HAZARD)

    def _is_new(self, at: str | None) -> bool:
        return at is not None and datetime.fromisoformat(at) >= self._began_at

    def _first_incident(self) -> dict[str, Any] | None:
        for incident in self._operator.incidents("open"):
            if self._is_here(incident) and self._new_alerts(self._operator.incident(str(incident["incident_id"]))):
                return incident
        return None

    def _new_alerts(self, incident: dict[str, Any]) -> set[str]:
        return {str(alert["alert_id"]) for alert in incident["alerts"] if self._is_new(alert["raised_at"])}

    def _has_picture(self, incident_id: str) -> bool:
        """A still of an alert of now, and a JPEG."""
        incident = self._operator.incident(incident_id)
        new = self._new_alerts(incident)
        stills = [still for still in incident["evidence"] if still["received"] and str(still["alert_id"]) in new]
        return bool(stills) and self._operator.picture(stills[0]["sha256"])[:2] == b"\xff\xd8"

    def _task_of(self, incident_id: str) -> dict[str, Any] | None:
        for task in self._worker.tasks():
            if task["incident_id"] == incident_id and self._is_new(task["offered_at"]):
                return task
        return None

    def _happened(self, incident_id: str, *kinds: str) -> bool:
        timeline = self._operator.incident(incident_id)["timeline"]
        return any(entry["kind"] in kinds and self._is_new(entry["at"]) for entry in timeline)

    def _photo(self) -> str:
        return self._worker.put_photo(plain_png(64, 48, (90, 120, 90)), "image/png")

    def _act(self, step: str, task_id: str, move: str, **more: object) -> None:
        try:
            self._worker.move_task(task_id, move, **more)
        except httpx.HTTPStatusError as error:
            raise StepMissed(f"{step}: {error.response.status_code} {error.response.text[:400]}") from error
        self._done(step)

    def _wait(self, step: str, limit_s: float, probe: Callable[[], Any]) -> Any:
        found = self._until(step, limit_s, probe)
        self._done(step)
        return found

    def _until(self, what: str, limit_s: float, probe: Callable[[], Any]) -> Any:
        deadline_mono_s = self._mono() + limit_s
        while self._mono() < deadline_mono_s:
            self._must_run()
            found = probe()
            if found:
                return found
            self._pause(0.25)
        seen = [_in_short(one) for one in self._operator.incidents()]
        raise StepMissed(f"{what}: not within {limit_s:.0f} s; incidents: {'; '.join(seen) or 'none'}")

    def _done(self, step: str) -> None:
        self.times_s[step] = self._mono() - self._began_mono_s
        self._say(f"{self.times_s[step]:7.1f} s  {step}")


def _in_short(incident: dict[str, Any]) -> str:
    camera_id = incident["place"]["camera_id"]
    presence = "still there" if incident["still_present"] else "gone"
    return f"{incident['number']} {incident['hazard']} {incident['state']} at {camera_id}, {presence}"


def plain_png(width: int, height: int, rgb: tuple[int, int, int]) -> bytes:
    """A picture of one colour, as a phone's photo would come: made here, needs no library."""
    rows = b"".join(b"\x00" + bytes(rgb) * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
