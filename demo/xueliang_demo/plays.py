"""What the demo's scenes do next: short segments of footage, one after another, decided at each join.

The scene reacts to the street, not to the software: the lorry drives off some seconds after somebody tells its driver
to, or when its delivery is done. Nothing past the camera is touched.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Act:
    """One state of a scene: how many segments of footage it has, and whether it goes on until told otherwise."""

    segments: int
    loops: bool


def segment_name(state: str, index: int) -> str:
    return f"{state}-{index:02d}"


class Play:
    """Walks through acts. `decide(state, seconds_in_state)` says at a join which state comes next; the same one: stay.

    An act that does not loop is always played to its end. Called in the RTSP server's thread, asked about from others.
    """

    def __init__(
        self, acts: Mapping[str, Act], first: str, decide: Callable[[str, float], str], mono: Callable[[], float]
    ) -> None:
        self._acts, self._decide, self._mono = acts, decide, mono
        self._lock = threading.Lock()
        self._state, self._index, self._since_mono_s = first, 0, mono()

    @property
    def state(self) -> str:
        with self._lock:
            return self._state

    def next_after(self, finished: str) -> str:  # noqa: ARG002 - the mount's signature
        """The name of the segment that follows."""
        with self._lock:
            act = self._acts[self._state]
            is_last = self._index + 1 == act.segments
            chosen = (
                self._decide(self._state, self._mono() - self._since_mono_s) if act.loops or is_last else self._state
            )
            if chosen == self._state:
                self._index = (self._index + 1) % act.segments
            else:
                self._state, self._index, self._since_mono_s = chosen, 0, self._mono()
            return segment_name(self._state, self._index)


class LaneDirector:
    """Empty lane; a lorry comes, stands, leaves some seconds after its driver was told, or when its time is over."""

    def __init__(
        self, mono: Callable[[], float], *, first_after_s: float, again_after_s: float, stands_at_most_s: float
    ) -> None:
        self._mono = mono
        self._wait_s, self._again_after_s, self._stands_at_most_s = first_after_s, again_after_s, stands_at_most_s
        self._leave_at_mono_s: float | None = None

    def driver_told(self, leaves_after_s: float) -> None:
        """Somebody spoke to the driver; telling him twice changes nothing."""
        if self._leave_at_mono_s is None:
            self._leave_at_mono_s = self._mono() + leaves_after_s

    def decide(self, state: str, seconds: float) -> str:
        if state == "empty":
            self._leave_at_mono_s = None
            return "arriving" if seconds >= self._wait_s else "empty"
        if state == "arriving":
            self._wait_s = self._again_after_s
            return "standing"
        if state == "standing":
            is_told = self._leave_at_mono_s is not None and self._mono() >= self._leave_at_mono_s
            return "leaving" if is_told or seconds >= self._stands_at_most_s else "standing"
        return "empty"


class CrowdDirector:
    """A plaza where people gather, stay and go, on a timetable."""

    def __init__(self, *, calm_s: float, crowded_s: float) -> None:
        self._calm_s, self._crowded_s = calm_s, crowded_s

    def decide(self, state: str, seconds: float) -> str:
        if state == "calm":
            return "gathering" if seconds >= self._calm_s else "calm"
        if state == "gathering":
            return "crowded"
        if state == "crowded":
            return "dispersing" if seconds >= self._crowded_s else "crowded"
        return "calm"
