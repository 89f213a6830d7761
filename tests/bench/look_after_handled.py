"""From a worker's *handled* to what the same camera says of it on the worker's phone, and to its full still.

Over the same node, cameras, broker and centre as `tests.bench.look`. The lorry stands there all the time, so the camera
says so each time; then the desk closes the case, opens it again and sends the worker anew.
"""

from __future__ import annotations

import time
from typing import Any, Final

import httpx

from tests.bench.figures import Figures
from xueliang_demo.api_client import Person

ANSWER_LIMIT_S: Final = 40.0
POLL_S: Final = 0.05
KEYS: Final = (
    "look_handled_p50_s",
    "look_handled_max_s",
    "look_handled_still_p50_s",
    "look_handled_still_max_s",
    "look_handled_count",
    "look_handled_not_asked_count",
)


class AfterHandled:
    """What was measured so far, seconds."""

    def __init__(self, operator: Person, worker: Person, incident_id: str) -> None:
        self._operator, self._worker, self._incident_id = operator, worker, incident_id
        self.said_s: list[float] = []
        self.still_s: list[float] = []
        self.not_asked = 0

    def one(self) -> None:
        """Send the worker, who goes there and is done; then what the phone is shown."""
        task_id = self._sent()
        for move in ("take", "arrive"):
            self._worker.move_task(task_id, move)
        began = time.monotonic()
        self._worker.move_task(task_id, "handled", note="已处理")
        while (said := self._worker.task(task_id)["looked_again"]) is None:
            if time.monotonic() > began + ANSWER_LIMIT_S:
                raise TimeoutError(f"the camera said nothing within {ANSWER_LIMIT_S:g} s of handled")
            time.sleep(POLL_S)
        if said["not_asked"] is not None:
            self.not_asked += 1
            print(f"not asked: {said['not_asked']}", flush=True)
            return
        self.said_s.append(time.monotonic() - began)
        if said["still"] is not None and self._still_came(str(said["still"]["sha256"]), began):
            self.still_s.append(time.monotonic() - began)

    def _sent(self) -> str:
        """The task of this worker, offered anew if need be."""
        case = self._operator.incident(self._incident_id)
        if case["state"] in {"handled", "to_check"}:
            self._operator.move_incident(self._incident_id, "close", reason_code="seen")
            self._operator.move_incident(self._incident_id, "reopen", note="仍在")
            case = self._operator.incident(self._incident_id)
        if case["task"] is None or case["state"] in {"open", "unit_told", "unit_clearing"}:
            case = self._operator.move_incident(self._incident_id, "dispatch")
        return str(case["task"]["task_id"])

    def _still_came(self, sha256: str, began_mono_s: float) -> bool:
        while time.monotonic() < began_mono_s + ANSWER_LIMIT_S:
            try:
                self._worker.picture(sha256)
            except httpx.HTTPStatusError:
                time.sleep(POLL_S)
            else:
                return True
        return False

    def figures(self) -> Figures:
        return {
            "look_handled_p50_s": _middle(self.said_s),
            "look_handled_max_s": max(self.said_s, default=None),
            "look_handled_still_p50_s": _middle(self.still_s),
            "look_handled_still_max_s": max(self.still_s, default=None),
            "look_handled_count": float(len(self.said_s)),
            "look_handled_not_asked_count": float(self.not_asked),
        }


def _middle(values: list[float]) -> Any:
    return sorted(values)[len(values) // 2] if values else None
