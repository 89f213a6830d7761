"""From a worker's *handled* to what the same camera says of it on the worker's phone, and to its full still.

Over the same node, cameras, broker and centre as `tests.bench.look`. First the lorry stands there all the time, so the
camera says so each time; then the desk closes the case, opens it again and sends the worker anew. Then it drives off,
the worker is done the moment it has gone, and the camera says *clear*; its rule, which waits for `clear_after_s`, sees
that it stays so, and the case is verified. Then it comes again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Final

import httpx

from tests.bench.figures import Figures
from xueliang_alerts.clocks import system_mono
from xueliang_demo.api_client import Person
from xueliang_demo.plays import LaneDirector
from xueliang_demo.scenes import FireLaneScene

ANSWER_LIMIT_S: Final = 40.0
SCENE_LIMIT_S: Final = 90.0
ON_ITS_WAY_S: Final = 0.5  # from the scene to the node
POLL_S: Final = 0.05
KEYS: Final = (
    "look_handled_p50_s",
    "look_handled_max_s",
    "look_handled_still_p50_s",
    "look_handled_still_max_s",
    "look_handled_count",
    "look_handled_not_asked_count",
    "look_clear_p50_s",
    "look_clear_max_s",
    "look_clear_still_p50_s",
    "look_clear_still_max_s",
    "look_clear_count",
    "look_clear_said_otherwise_count",
    "look_clear_verified_p50_s",
    "look_clear_verified_max_s",
)


class CuedLorry(LaneDirector):
    """Stands there from the start; drives off and comes again when the bench says so."""

    def __init__(self) -> None:
        super().__init__(system_mono, first_after_s=0, again_after_s=0, stands_at_most_s=1e6)
        self._may_come, self._drives_off = threading.Event(), threading.Event()
        self._may_come.set()

    def go(self) -> None:
        """Returns when the lane is empty. Raises TimeoutError."""
        self._may_come.clear()
        self._drives_off.clear()
        self.driver_told(0.0)
        if not self._drives_off.wait(SCENE_LIMIT_S):
            raise TimeoutError(f"the lorry was still there {SCENE_LIMIT_S:g} s after its driver was told")
        time.sleep(FireLaneScene.LEAVE_S + ON_ITS_WAY_S)

    def come(self) -> None:
        self._may_come.set()

    def decide(self, state: str, seconds: float) -> str:
        if state == "empty" and not self._may_come.is_set():
            return "empty"
        chosen = super().decide(state, seconds)
        if (state, chosen) == ("standing", "leaving"):
            self._drives_off.set()
        return chosen


class AfterHandled:
    """What was measured so far, seconds."""

    def __init__(self, operator: Person, worker: Person, lane_incident: Callable[[], str]) -> None:
        """`lane_incident`: the open incident of the lane, waited for."""
        self._operator, self._worker, self._lane_incident = operator, worker, lane_incident
        self.said_s: list[float] = []
        self.still_s: list[float] = []
        self.not_asked = 0
        self.clear_s: list[float] = []
        self.clear_still_s: list[float] = []
        self.verified_s: list[float] = []
        self.otherwise = 0

    def one(self) -> None:
        """Send the worker, who goes there and is done; then what the phone is shown."""
        began, said = self._handled(self._lane_incident())
        if said["not_asked"] is not None:
            self.not_asked += 1
            print(f"not asked: {said['not_asked']}", flush=True)
            return
        self.said_s.append(time.monotonic() - began)
        if self._still_came(said, began):
            self.still_s.append(time.monotonic() - began)

    def one_clear(self, lorry: CuedLorry) -> None:
        """The same, with the lorry gone the moment before; then until its rule has seen that the lane stays clear."""
        incident_id = self._lane_incident()
        began, said = self._handled(incident_id, before=lorry.go)
        if said["says"] == "clear":
            self.clear_s.append(time.monotonic() - began)
            if self._still_came(said, began):
                self.clear_still_s.append(time.monotonic() - began)
        else:
            self.otherwise += 1
            print(f"not clear: {said['says']}, {said['why']}, {said['not_asked']}", flush=True)
        while not self._operator.incident(incident_id)["verified"]:
            if time.monotonic() > began + SCENE_LIMIT_S:
                raise TimeoutError(f"the case was not verified within {SCENE_LIMIT_S:g} s of handled")
            time.sleep(POLL_S)
        self.verified_s.append(time.monotonic() - began)
        lorry.come()

    def _handled(self, incident_id: str, before: Callable[[], None] | None = None) -> tuple[float, Any]:
        """When it was handled (monotonic), and what the phone is shown of the look."""
        task_id = self._sent(incident_id)
        for move in ("take", "arrive"):
            self._worker.move_task(task_id, move)
        if before is not None:
            before()
        began = time.monotonic()
        self._worker.move_task(task_id, "handled", note="已处理")
        while (said := self._worker.task(task_id)["looked_again"]) is None:
            if time.monotonic() > began + ANSWER_LIMIT_S:
                raise TimeoutError(f"the camera said nothing within {ANSWER_LIMIT_S:g} s of handled")
            time.sleep(POLL_S)
        return began, said

    def _sent(self, incident_id: str) -> str:
        """The task of this worker, offered anew if need be."""
        case = self._operator.incident(incident_id)
        if case["state"] in {"handled", "to_check"}:
            self._operator.move_incident(incident_id, "close", reason_code="seen")
            self._operator.move_incident(incident_id, "reopen", note="仍在")
            case = self._operator.incident(incident_id)
        if case["task"] is None or case["state"] in {"open", "unit_told", "unit_clearing"}:
            case = self._operator.move_incident(incident_id, "dispatch")
        return str(case["task"]["task_id"])

    def _still_came(self, said: Any, began_mono_s: float) -> bool:
        if said["still"] is None:
            return False
        while time.monotonic() < began_mono_s + ANSWER_LIMIT_S:
            try:
                self._worker.picture(str(said["still"]["sha256"]))
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

    def clear_figures(self) -> Figures:
        return {
            "look_clear_p50_s": _middle(self.clear_s),
            "look_clear_max_s": max(self.clear_s, default=None),
            "look_clear_still_p50_s": _middle(self.clear_still_s),
            "look_clear_still_max_s": max(self.clear_still_s, default=None),
            "look_clear_count": float(len(self.clear_s)),
            "look_clear_said_otherwise_count": float(self.otherwise),
            "look_clear_verified_p50_s": _middle(self.verified_s),
            "look_clear_verified_max_s": max(self.verified_s, default=None),
        }


def _middle(values: list[float]) -> Any:
    return sorted(values)[len(values) // 2] if values else None
