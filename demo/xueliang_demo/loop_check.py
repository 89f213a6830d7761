"""The whole loop without a browser: what must happen, through the public doors only, each step with its time."""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable
from typing import Any, Final

import httpx

from xueliang_demo.api_client import Person

STEPS: Final = (
    "first alert on the operator's list",
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


class StepMissed(Exception):
    """A step of the loop did not happen in time; says what was seen instead."""


class LoopCheck:
    """Walks one incident of `camera_id` from first alert to closed, as operator and as grid worker."""

    def __init__(
        self,
        operator: Person,
        worker: Person,
        camera_id: str,
        *,
        mono: Callable[[], float] = time.monotonic,
        say: Callable[[str], None] = print,
        on_handled: Callable[[], None] = lambda: None,
        must_run: Callable[[], None] = lambda: None,
    ) -> None:
        self._operator, self._worker, self._camera_id = operator, worker, camera_id
        self._mono, self._say, self._on_handled, self._must_run = mono, say, on_handled, must_run
        self._began_mono_s = mono()
        self.times_s: dict[str, float] = {}

    def run(self, *, escalation: bool = True) -> dict[str, float]:
        """Every step in order. Raises StepMissed."""
        incident = self._wait(STEPS[0], 60, self._first_incident)
        incident_id = str(incident["incident_id"])
        self._say(
            f"    {incident['number']} {incident['hazard']} at {incident['place']['camera_name']}: "
            f"{incident['reason']['text']}"
        )
        self._wait(STEPS[1], 40, lambda: self._picture_of(incident_id))
        task = self._wait(STEPS[2], 20, lambda: self._task_of(incident_id))
        task_id = str(task["task_id"])
        if escalation:
            self._wait(STEPS[3], 60, lambda: self._timeline_has(incident_id, "escalated"))
        self._act(STEPS[4], task_id, "take")
        self._act(STEPS[5], task_id, "arrive")
        photo = self._worker.put_photo(plain_png(64, 48, (90, 120, 90)), "image/png")
        self._act(STEPS[6], task_id, "handled", note="司机已驶离通道", photos=[photo])
        self._on_handled()
        self._wait(STEPS[7], 120, lambda: not self._operator.incident(incident_id)["still_present"])
        self._wait(STEPS[8], 30, lambda: self._operator.incident(incident_id)["verified"])
        self._wait(STEPS[9], 30, lambda: self._operator.incident(incident_id)["state"] == "closed")
        return self.times_s

    def _first_incident(self) -> dict[str, Any] | None:
        for incident in self._operator.incidents("open"):
            if incident["place"]["camera_id"] == self._camera_id:
                return incident
        return None

    def _picture_of(self, incident_id: str) -> bool:
        picture = self._operator.incident(incident_id)["picture"]
        return bool(picture and picture["received"] and self._operator.picture(picture["sha256"])[:2] == b"\xff\xd8")

    def _task_of(self, incident_id: str) -> dict[str, Any] | None:
        return next((task for task in self._worker.tasks() if task["incident_id"] == incident_id), None)

    def _timeline_has(self, incident_id: str, kind: str) -> bool:
        return any(entry["kind"] == kind for entry in self._operator.incident(incident_id)["timeline"])

    def _act(self, step: str, task_id: str, move: str, **more: object) -> None:
        try:
            self._worker.move_task(task_id, move, **more)
        except httpx.HTTPStatusError as error:
            raise StepMissed(f"{step}: {error.response.status_code} {error.response.text[:400]}") from error
        self._done(step)

    def _wait(self, step: str, limit_s: float, probe: Callable[[], Any]) -> Any:
        deadline = self._mono() + limit_s
        while self._mono() < deadline:
            self._must_run()
            found = probe()
            if found:
                self._done(step)
                return found
            time.sleep(0.25)
        seen = [_in_short(one) for one in self._operator.incidents()]
        raise StepMissed(f"{step}: not within {limit_s:.0f} s; incidents: {'; '.join(seen) or 'none'}")

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
