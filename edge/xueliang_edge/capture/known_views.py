"""The views of a camera that turns: which one it shows, and the long-term scene of each.

Invariants
    - A view is learnt only when a person asks for it (`learn`): a camera that turns shows many directions, and only
      people know which of them have zones. From then on it follows slow change by itself, in its own pictures only.
    - A picture of no known view, or of one that lies beside its place by more than zones forgive, judges no rule and
      teaches nothing. Looking elsewhere for `ELSEWHERE_S` is *moved*, or *covered* and *defocused* where it looks like
      that; a known view never is *moved*.
    - Each view has its scene, its restless places and its reference (`view_memory.py`) in a file of its own.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from xueliang_edge.background import Background, BackgroundFiles
from xueliang_edge.brightness import Small
from xueliang_edge.capture.orders import Polygon
from xueliang_edge.evidence.masking import polygons_mask
from xueliang_edge.looks import KnownView, StreamName, ViewKnowledge, ViewSign
from xueliang_edge.observations import ViewFault
from xueliang_edge.view_finding import NO_SHIFT, Shift, Sighting, find_view, fine_shift
from xueliang_edge.view_measure import VIEW_WH, ViewFeatures
from xueliang_edge.view_memory import (
    KNOWN_AFTER_S,
    KNOWN_LOOKS,
    RENEWALS_KEPT,
    STEADY_KEPT,
    ViewMemory,
    usable_cells,
)
from xueliang_edge.view_watch import CONFIRM_S, DARK_SHARE, Sent, ViewWatch
from xueliang_streams.frame import Planes

ELSEWHERE_S: Final = 60.0  # a tour turns within seconds; an operator who steers it by hand is no tampering yet
CONFIRMED_BEFORE_S: Final = 3 * CONFIRM_S  # what is wrong with the scene is known by then, and one fault is said
SAVE_EVERY_S: Final = 3600.0
LEARNING_AT_MOST_S: Final = 120.0  # six times what a still camera needs
STEADY_S: Final = 30.0
STEADY_LOOKS: Final = 10
STEADY_WITHIN: Final = 1.01 / VIEW_WH[0]  # a sample: what one look and the next differ by on a still camera
_ALL_BUT_MOVED: Final = frozenset(ViewFault) - {ViewFault.MOVED}
_WHATEVER_IS_SHOWN: Final = frozenset({ViewFault.BLACK, ViewFault.OVER_EXPOSED, ViewFault.FROZEN})


class KnownViews:
    """Belongs to the capture loop's thread.

    Attributes:
        scenes: by view_id; views that were never shown to the node are missing.
        shown: the view of the last picture, None: none of them.
    """

    def __init__(
        self, camera_id: str, view_ids: Sequence[str], files: BackgroundFiles, privacy_zones_xyn: Sequence[Polygon]
    ) -> None:
        self._camera_id, self._view_ids = camera_id, view_ids
        loaded = {name: files.load(self.file_of(name)) for name in view_ids}
        self.scenes = {name: one for name, one in loaded.items() if one is not None and one.view.is_known}
        self.shown: str | None = None
        self._unsaved: set[str] = set()
        self._saved_mono_s: dict[str, float] = {}
        hidden = polygons_mask(privacy_zones_xyn, VIEW_WH)
        self._usable = usable_cells(hidden)
        self._watch = ViewWatch(ViewMemory(), self._usable, hidden)
        self._last: str | None = None  # that the watch knows
        self._nowhere_since_mono_s: float | None = None
        self._learning: tuple[str, ViewMemory, float | None] | None = None
        self._problems: dict[str, str] = {}
        self._shifts: dict[str, deque[tuple[float, Shift]]] = {name: deque(maxlen=600) for name in view_ids}
        self._renewals = {name: one.view.renewals for name, one in self.scenes.items()}

    def file_of(self, view_id: str) -> str:
        """The name of its scene's file: ids have no dots, so no camera's is like it."""
        return f"{self._camera_id}.{view_id}"

    @property
    def scene(self) -> Background | None:
        """Of the view that the last picture shows."""
        return None if self.shown is None else self.scenes[self.shown]

    def forget(self) -> None:
        """The pictures have another shape: what is known says nothing of them."""
        self.scenes.clear()
        self.shown = self._last = None
        self._problems = dict.fromkeys(self._view_ids, "the camera's pictures have another shape than its reference")

    def learn(self, view_id: str) -> None:
        """Take what the camera shows from the next picture on as this view."""
        self._learning = (view_id, ViewMemory(), None)
        self._nowhere_since_mono_s = None  # nobody asks meanwhile where it looks
        self._problems.pop(view_id, None)

    def renew(self, view_id: str, shift_xyn: Shift, order_id: str) -> None:
        """The zones of this view were moved: so is its reference, once for each order. Its scene is learnt anew."""
        before, told = self.scenes.get(view_id), self._renewals.get(view_id, ())
        if order_id in told:
            return
        self._renewals[view_id] = (*told, order_id)[-RENEWALS_KEPT:]
        if before is None:
            return
        self._take(view_id, before.frame_size_wh, before.view.shifted(shift_xyn))
        self._last = None

    def look(
        self,
        planes: Planes,
        small: Small,
        frame_size_wh: tuple[int, int],
        stream: StreamName,
        mono_s: float,
        sent: Sent | None,
    ) -> ViewSign:
        """One picture further."""
        seen = self._watch.features(planes, small)
        references = {name: one.view for name, one in self.scenes.items()}
        if self._learning is not None:
            self.shown = self._last = None
            return self._learn(seen, references, frame_size_wh, mono_s)
        sighting = find_view(seen, references, self._usable, self.shown)
        self.shown = None
        if sighting is None:
            return self._nowhere(seen, stream, mono_s, sent)
        self._nowhere_since_mono_s = None
        return self._at(sighting, seen, stream, mono_s, sent)

    def to_save(self, mono_s: float) -> Iterator[tuple[str, Background]]:
        """Scenes that it is time to write, by the names of their files: new ones at once, then by the hour."""
        for name, scene in self.scenes.items():
            if mono_s - self._saved_mono_s.setdefault(name, mono_s) >= SAVE_EVERY_S or name in self._unsaved:
                self._unsaved.discard(name)
                self._saved_mono_s[name] = mono_s
                yield self.file_of(name), scene

    def states(self) -> tuple[KnownView, ...]:
        """For people, in the order of the settings."""
        return tuple(
            KnownView(name, self._state_of(name), self._problems.get(name), self._steady_shift(name))
            for name in self._view_ids
        )

    def _state_of(self, view_id: str) -> ViewKnowledge:
        if self._learning is not None and self._learning[0] == view_id:
            return "learning"
        return "known" if view_id in self.scenes else "no_reference"

    def _at(
        self, sighting: Sighting, seen: ViewFeatures, stream: StreamName, mono_s: float, sent: Sent | None
    ) -> ViewSign:
        name, memory = sighting.view_id, self.scenes[sighting.view_id].view
        if name != self._last:
            self._watch.turn(memory)
            self._last = name
        is_shifted = sighting.shift_xyn != NO_SHIFT
        sign = self._watch.judge(
            seen,
            stream,
            mono_s,
            sent,
            asked=_WHATEVER_IS_SHOWN if is_shifted else _ALL_BUT_MOVED,
            teaches="light" if is_shifted else "all",
        )
        if not sign.is_good:
            return sign
        shifts = self._shifts[name]
        if is_shifted:
            shifts.append((mono_s, fine_shift(seen.structure, memory.structure, sighting.shift_xyn)))
        else:
            shifts.clear()
        if not sighting.is_tolerated:
            return ViewSign(is_doubtful=True, view_id=name)
        self.shown = name
        return replace(sign, view_id=name)

    def _nowhere(self, seen: ViewFeatures, stream: StreamName, mono_s: float, sent: Sent | None) -> ViewSign:
        """While the camera may be turning, sky, a wall and what a turn blurs are like a covered or unfocused lens."""
        since = mono_s if self._nowhere_since_mono_s is None else self._nowhere_since_mono_s
        away_s = mono_s - since
        asked = _WHATEVER_IS_SHOWN if away_s < ELSEWHERE_S - CONFIRMED_BEFORE_S else _ALL_BUT_MOVED
        sign = self._watch.judge(seen, stream, mono_s, sent, asked=asked, teaches="nothing")
        is_at_once = sign.fault in _WHATEVER_IS_SHOWN
        self._nowhere_since_mono_s = None if is_at_once else since
        if is_at_once or (sign.fault is not None and away_s >= ELSEWHERE_S):
            return sign
        is_moved = away_s >= ELSEWHERE_S and len(self.scenes) == len(self._view_ids)
        return ViewSign(ViewFault.MOVED, figure=1.0) if is_moved else ViewSign(is_doubtful=True)

    def _learn(
        self, seen: ViewFeatures, references: dict[str, ViewMemory], frame_size_wh: tuple[int, int], mono_s: float
    ) -> ViewSign:
        assert self._learning is not None
        name, memory, began = self._learning
        began = mono_s if began is None else began
        self._learning = (name, memory, began)
        others = {other: one for other, one in references.items() if other != name}
        shows = find_view(seen, others, self._usable, None)
        kept_share = memory.kept_share(seen, self._usable)
        problem = None
        if shows is not None:
            problem = f"the camera shows view {shows.view_id}: turn it first"
        elif seen.dark_share >= DARK_SHARE:
            problem = "the picture is black"
        elif memory.looks and kept_share is not None and kept_share < STEADY_KEPT:
            problem = "the camera turned while it was learnt"
        elif mono_s - began > LEARNING_AT_MOST_S:
            problem = "the picture shows too few edges to know it by"
        if problem is not None:
            self._learning = None
            self._problems[name] = f"not learnt: {problem}"
            return ViewSign(is_doubtful=True)
        memory.learn(seen, 1.0 if kept_share is None else kept_share, mono_s)
        if memory.looks >= KNOWN_LOOKS and memory.seconds >= KNOWN_AFTER_S and memory.is_known:
            self._learning = None
            self._take(name, frame_size_wh, memory)
        return ViewSign(is_doubtful=True)

    def _take(self, view_id: str, frame_size_wh: tuple[int, int], memory: ViewMemory) -> None:
        scene = Background(frame_size_wh)
        scene.view = memory
        memory.renewals = self._renewals.get(view_id, ())  # one that is learnt anew lies where the zones are by now
        self.scenes[view_id] = scene
        self._unsaved.add(view_id)
        self._shifts[view_id].clear()
        self._problems.pop(view_id, None)

    def _steady_shift(self, view_id: str) -> Shift | None:
        """The shift that the last looks at this view agree on; None: too few, for too short, or they do not."""
        shifts = self._shifts[view_id]
        if len(shifts) < STEADY_LOOKS:
            return None
        last_s = shifts[-1][0]
        recent = np.array([shift for at_s, shift in shifts if last_s - at_s <= 2 * STEADY_S][-STEADY_LOOKS * 6 :])
        is_long = last_s - shifts[0][0] >= STEADY_S and len(recent) >= STEADY_LOOKS
        if not is_long or float(np.ptp(recent, axis=0).max()) > 2 * STEADY_WITHIN:
            return None
        right, down = np.median(recent, axis=0).tolist()
        return (round(right, 4), round(down, 4))
