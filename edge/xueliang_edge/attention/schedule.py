"""Earliest deadline first: which waiting look is judged next, over one detector, and what each camera really gets.

Looks arrive by themselves: capture decides by the camera's plan which picture to decode. Here it is decided in which
order they are judged, and noticed what does not come.

Invariants
    - Every camera is due at the start: what already stands there must be seen.
    - At most one look a camera waits. A newer one takes the place of an older one, which goes back to its owner and is
      counted: under overload looks get fewer, never older.
    - A camera that gives no picture never holds up the others, and is named when it is overdue.
    - A deadline is the received time of the last judged picture plus the camera's gap, or the arrival of the look where
      that is later: nobody is late for what did not come. Under overload all cameras slip alike, in proportion to their
      gap, and the achieved gap says so.
    - Every call costs O(log n) of the cameras at most, apart from those that list or count what they return.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil
from typing import Final, Generic, TypeVar

from xueliang_edge.attention.needs import Need

GAPS_KEPT: Final = 300  # ten minutes at one look every 2 s: their p99 is the third largest
RECENT: Final = 20  # what an operator is told of now
MISSED_FACTOR: Final = 1.5  # an achieved gap beyond this multiple of the need is reported as too long
REPLACED: Final = "replaced"

LookT = TypeVar("LookT")


@dataclass(frozen=True, slots=True)
class Gaps:
    """Seconds between the pictures of looks that were judged one after the other: `count` of them, the newest."""

    p50_s: float
    p99_s: float
    max_s: float
    count: int


@dataclass(slots=True)
class _Attended(Generic[LookT]):
    need: Need
    gap_s: float
    due_mono_s: float
    arrived_mono_s: float  # of the last picture that came, judged or not; at first, of the start
    waiting: LookT | None = None
    waiting_since_mono_s: float = 0.0
    entry: int = 0  # the number of its valid place in the heap; others are stale
    last_picture_mono_s: float | None = None
    is_gap_watched: bool = True  # False while the camera was away: that gap is none of ours
    gaps_s: deque[float] = field(default_factory=lambda: deque(maxlen=GAPS_KEPT))
    dropped: Counter[str] = field(default_factory=Counter)
    is_retired: bool = False


class Schedule(Generic[LookT]):
    """Bookkeeping without a clock: time is given with every call. `LookT` is whatever stands for a look."""

    def __init__(self, needs: Iterable[Need], now_mono_s: float) -> None:
        self._cameras: dict[str, _Attended[LookT]] = {
            need.camera_id: _Attended(need, need.largest_gap_s, now_mono_s, now_mono_s) for need in needs
        }
        self._entries: list[tuple[float, int, str]] = []  # deadline, number, camera; stale ones are left in
        self._last_entry = 0
        self._waiting_count = 0
        self._overdue: dict[str, None] = {}  # a set that keeps its order
        self._silences = [(camera.need.overdue_after_s + now_mono_s, name) for name, camera in self._cameras.items()]
        heapq.heapify(self._silences)  # when a camera would be overdue; an entry may be too early, never too late

    @property
    def waiting_count(self) -> int:
        """How many looks wait."""
        return self._waiting_count

    def plan(self, camera_id: str, gap_s: float) -> None:
        """From now on this camera's looks are this far apart (`LookPlan.gap_s`); its deadline moves with it."""
        camera = self._cameras[camera_id]
        if camera.gap_s != gap_s and camera.last_picture_mono_s is not None:
            camera.due_mono_s = camera.last_picture_mono_s + gap_s
            self._enter(camera_id, camera)
        camera.gap_s = gap_s

    def change_need(self, need: Need) -> None:
        """The camera's rules are other ones: from now on it is measured by this need. Costs O(n): rules change rarely.

        What it was given so far is forgotten: gaps that were short enough for the old rules say nothing of the new.
        """
        camera = self._cameras[need.camera_id]
        camera.need = need
        camera.gaps_s.clear()
        if need.camera_id not in self._overdue and not camera.is_retired:
            self._silences = [one for one in self._silences if one[1] != need.camera_id]
            self._silences.append((camera.arrived_mono_s + need.overdue_after_s, need.camera_id))
            heapq.heapify(self._silences)

    def arrived(self, camera_id: str, look: LookT, now_mono_s: float) -> LookT | None:
        """A look came and waits. Returns the older one whose place it took: it will not be judged, give it back."""
        camera = self._cameras[camera_id]
        camera.arrived_mono_s = now_mono_s
        if camera_id in self._overdue:
            del self._overdue[camera_id]
            heapq.heappush(self._silences, (now_mono_s + camera.need.overdue_after_s, camera_id))
        replaced, camera.waiting = camera.waiting, look
        if replaced is not None:
            camera.dropped[REPLACED] += 1
            return replaced
        self._waiting_count += 1
        camera.waiting_since_mono_s = now_mono_s
        self._enter(camera_id, camera)
        return None

    def next_look(self) -> LookT | None:
        """The waiting look with the earliest deadline, which then waits no more; None when there is none."""
        first = self._first()
        if first is None:
            return None
        heapq.heappop(self._entries)
        camera = self._cameras[first[1]]
        look, camera.waiting = camera.waiting, None
        self._waiting_count -= 1
        return look

    def judged(self, camera_id: str, picture_mono_s: float) -> None:
        """A look was judged; `picture_mono_s` is when its picture was received."""
        camera = self._cameras[camera_id]
        last = camera.last_picture_mono_s
        if last is not None and picture_mono_s > last and camera.is_gap_watched:
            camera.gaps_s.append(picture_mono_s - last)
        camera.is_gap_watched = True
        camera.last_picture_mono_s = picture_mono_s if last is None else max(last, picture_mono_s)
        camera.due_mono_s = camera.last_picture_mono_s + camera.gap_s
        self._enter(camera_id, camera)

    def dropped(self, camera_id: str, reason: str) -> None:
        """A look was given up for another reason than a newer one."""
        self._cameras[camera_id].dropped[reason] += 1

    def drops(self, camera_id: str) -> Counter[str]:
        """Looks given up, by reason; the schedule's own counter."""
        return self._cameras[camera_id].dropped

    def lag_s(self, now_mono_s: float) -> float:
        """How far the most urgent waiting look is behind its deadline; 0 when none is late."""
        first = self._first()
        return 0.0 if first is None else max(0.0, now_mono_s - first[0])

    def due_mono_s(self, camera_id: str) -> float:
        """When the next picture of this camera should be received at the latest."""
        return self._cameras[camera_id].due_mono_s

    def overdue(self, now_mono_s: float) -> tuple[str, ...]:
        """The cameras of which no picture came for their `overdue_after_s`, longest known first."""
        while self._silences and self._silences[0][0] <= now_mono_s:
            _, camera_id = heapq.heappop(self._silences)
            camera = self._cameras[camera_id]
            overdue_mono_s = camera.arrived_mono_s + camera.need.overdue_after_s
            if camera.is_retired:
                continue
            if overdue_mono_s > now_mono_s:
                heapq.heappush(self._silences, (overdue_mono_s, camera_id))
            else:
                self._overdue[camera_id] = None
                camera.is_gap_watched = False
        return tuple(self._overdue)

    def retire(self, camera_id: str) -> None:
        """A recording that ended: nothing more will come, and it is not overdue."""
        self._cameras[camera_id].is_retired = True
        self._overdue.pop(camera_id, None)

    @property
    def is_all_retired(self) -> bool:
        """True when nothing waits and nothing more will come."""
        return self._waiting_count == 0 and all(camera.is_retired for camera in self._cameras.values())

    def achieved(self, camera_id: str) -> Gaps | None:
        """What this camera really got; None before the second look."""
        return _summed(tuple(self._cameras[camera_id].gaps_s))

    def achieved_by_all(self) -> Gaps | None:
        """What all cameras together got."""
        # Copied whole: the health page asks from its own thread.
        return _summed(gap_s for camera in self._cameras.values() for gap_s in tuple(camera.gaps_s))

    def achieved_gap_s(self, camera_id: str) -> float | None:
        """Longest time between two of the last few looks; None before the second."""
        return max(self._recent(camera_id), default=None)

    def recent_gaps_s(self, camera_id: str) -> tuple[float, ...]:
        """Seconds between the pictures of its last looks, newest last."""
        return tuple(self._recent(camera_id))

    def falls_short(self, camera_id: str) -> bool:
        """True when the mean of the last few gaps is well beyond what the camera's rules need."""
        recent_s = self._recent(camera_id)
        if len(recent_s) < 3:
            return False
        return sum(recent_s) / len(recent_s) > MISSED_FACTOR * self._cameras[camera_id].need.largest_gap_s

    def _recent(self, camera_id: str) -> list[float]:
        return list(tuple(self._cameras[camera_id].gaps_s)[-RECENT:])

    def _enter(self, camera_id: str, camera: _Attended[LookT]) -> None:
        """Give a waiting look its place by its deadline; the place it had before becomes stale."""
        if camera.waiting is None:
            return
        self._last_entry += 1
        camera.entry = self._last_entry
        deadline_mono_s = max(camera.due_mono_s, camera.waiting_since_mono_s)
        heapq.heappush(self._entries, (deadline_mono_s, camera.entry, camera_id))

    def _first(self) -> tuple[float, str] | None:
        while self._entries:
            deadline_mono_s, entry, camera_id = self._entries[0]
            camera = self._cameras[camera_id]
            if camera.waiting is not None and camera.entry == entry:
                return deadline_mono_s, camera_id
            heapq.heappop(self._entries)
        return None


def _summed(gaps_s: Iterable[float]) -> Gaps | None:
    in_order = sorted(gaps_s)
    if not in_order:
        return None
    count = len(in_order)
    p50_s, p99_s = (in_order[ceil(share * count) - 1] for share in (0.5, 0.99))
    return Gaps(p50_s, p99_s, in_order[-1], count)
