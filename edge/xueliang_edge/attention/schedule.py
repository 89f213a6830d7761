"""Earliest deadline first: which camera is looked at next, over one detector, and what each one really gets.

Invariants
    - Every camera is due at the start: what already stands there must be seen.
    - A camera that gives no picture never holds up the others: it is asked again a little later, not waited for.
    - Under overload all cameras slip alike, in proportion to their need, and the achieved gap says so.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from xueliang_edge.attention.needs import Need

RETRY_SHARE: Final = 0.2  # of the need: how soon a camera that had no new picture is asked again
RETRY_AT_MOST_S: Final = 0.2
GAPS_KEPT: Final = 20
MISSED_FACTOR: Final = 1.5  # an achieved gap beyond this multiple of the need is reported as too long


@dataclass(slots=True)
class _Attended:
    need: Need
    due_mono_s: float
    last_look_mono_s: float | None = None
    gaps_s: deque[float] = field(default_factory=lambda: deque(maxlen=GAPS_KEPT))
    is_retired: bool = False


class Schedule:
    """Pure bookkeeping: time is given with every call."""

    def __init__(self, needs: Iterable[Need], now_mono_s: float) -> None:
        self._cameras = {need.camera_id: _Attended(need, now_mono_s) for need in needs}

    def next_due(self) -> tuple[str, float] | None:
        """The camera with the earliest deadline and that deadline; None when no camera is left."""
        waiting = [(one.due_mono_s, name) for name, one in self._cameras.items() if not one.is_retired]
        if not waiting:
            return None
        due_mono_s, name = min(waiting)
        return name, due_mono_s

    def looked(self, camera_id: str, now_mono_s: float) -> None:
        """A picture came. The next deadline counts from the one that was kept, so that delays do not add up."""
        camera = self._cameras[camera_id]
        if camera.last_look_mono_s is not None:
            camera.gaps_s.append(now_mono_s - camera.last_look_mono_s)
        camera.last_look_mono_s = now_mono_s
        gap_s = camera.need.largest_gap_s
        camera.due_mono_s = max(camera.due_mono_s + gap_s, now_mono_s + gap_s / 2)

    def nothing_came(self, camera_id: str, now_mono_s: float) -> None:
        """No new picture yet: ask again soon."""
        camera = self._cameras[camera_id]
        camera.due_mono_s = now_mono_s + min(RETRY_AT_MOST_S, RETRY_SHARE * camera.need.largest_gap_s)

    def due_now(self, camera_id: str, now_mono_s: float) -> None:
        """A recording that is read as fast as possible: the next picture is due at once."""
        self._cameras[camera_id].due_mono_s = now_mono_s

    def retire(self, camera_id: str) -> None:
        """A recording that ended: nothing more will come."""
        self._cameras[camera_id].is_retired = True

    def achieved_gap_s(self, camera_id: str) -> float | None:
        """Longest time between two of the last looks; None before the second."""
        gaps_s = self._cameras[camera_id].gaps_s
        return max(gaps_s) if gaps_s else None

    def falls_short(self, camera_id: str) -> bool:
        """True when the mean of the last gaps is well beyond what the camera's rules need."""
        camera = self._cameras[camera_id]
        if len(camera.gaps_s) < 3:
            return False
        return sum(camera.gaps_s) / len(camera.gaps_s) > MISSED_FACTOR * camera.need.largest_gap_s
