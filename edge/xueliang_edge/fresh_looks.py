"""A look that somebody at the centre asks for: what the rule says now, and a masked still of this moment; without a
rule the still alone, of the whole picture, for who draws rules over it.

Invariants
    - The look is one of the main path: the camera's next picture is hurried, judged by its rules like any other, and
      what the rule then says is told. Nothing is judged twice, raised or cleared because somebody asked.
    - No picture is told of that `evidence/stills.py` did not mask. What cannot be masked is told in words alone.
    - One look at a time, of one camera; a camera again after `AGAIN_S`. More is refused, nothing queues.
    - It ends: without a picture that is new enough after `WAIT_S` it is answered "cannot see".
    - The small picture goes first, in the answer; the full still is handed to the uploader once the broker has that.
    - The main path composes the still, as it does for an alert and for no longer; encoding and sending are this one's
      thread.
"""

from __future__ import annotations

import base64
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from xueliang_alerts.commands import PREVIEW_BYTES, FullStill, LookCommand, LookResult, NamedView, Says
from xueliang_alerts.contract import Measure, to_bytes
from xueliang_edge.evidence.gathering import Gatherer
from xueliang_edge.evidence.masking import Refused
from xueliang_edge.evidence.previews import preview_of
from xueliang_edge.evidence.stills import Still
from xueliang_edge.evidence.uploading import EvidenceStore
from xueliang_edge.looks import KnownView, Look
from xueliang_edge.observations import Observation
from xueliang_edge.rules.judge import why_not_seen
from xueliang_edge.rules.present import Present
from xueliang_edge.watched_camera import WatchedCamera

log = logging.getLogger(__name__)

WAIT_S: Final = 6.0  # cameras send a key picture every 5 s at the latest (streams/README.md)
AGAIN_S: Final = 2.0
OLDEST_S: Final = 2.0  # of a picture: what was received before somebody asked, and judged after it
BEFORE_ALL: Final = 0  # of the severities: somebody waits for this still
PUBLISHED_S: Final = 20.0  # for the broker to take an answer: 33 kB over 64 kbit/s need 5 s
CLOSE_S: Final = 0.5
_CHECK_S: Final = 0.1
_CAMERAS_AT_MOST: Final = 1024
_NO_PICTURE: Final = Refused("no_picture")


@dataclass(frozen=True, slots=True)
class _Asked:
    command: LookCommand
    asked_mono_s: float


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the main path hands over. present None: nothing can be said, `error` says why."""

    asked: _Asked
    present: Present | None
    look: Look | None = None
    still: Still | Refused = _NO_PICTURE
    error: str = "a fault of this node, its log says which"


class FreshLooks:
    """The main path's `Onlooker`, and a thread that answers. `ask` may be called from any thread."""

    def __init__(
        self,
        gatherer: Gatherer,
        store: EvidenceStore | None,
        *,
        camera_of: Callable[[str], WatchedCamera | None],
        hurry: Callable[[str], None],
        publish: Callable[[bytes, float], bool],
        mono: Callable[[], float],
        views_of: Callable[[str], tuple[KnownView, ...]] = lambda _: (),
        wait_s: float = WAIT_S,
    ) -> None:
        """`publish`: an answer, and for how long the broker is waited for; False: it did not take it. `views_of`: what
        capture knows of a camera's views."""
        self._gatherer, self._store, self._mono, self._wait_s = gatherer, store, mono, wait_s
        self._camera_of, self._hurry, self._publish, self._views_of = camera_of, hurry, publish, views_of
        self._guard = threading.Lock()
        self._in_hand: _Asked | None = None  # from `ask` until it is answered
        self._wanted: _Asked | None = None  # the same, until the main path has looked
        self._last_mono_s: dict[str, float] = {}
        self._looked: queue.SimpleQueue[_Looked] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="fresh looks", daemon=True)
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """What is under way is given up; nobody hears of it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def ask(self, command: LookCommand) -> tuple[str, str] | None:
        """None: it will be answered. Else why not: a word for the counter, and a sentence for who asked."""
        camera, now = self._camera_of(command.camera_id), self._mono()
        if camera is None:
            return "no_such_camera", f'camera_id: no "{command.camera_id}" on this node'
        asked, is_away = _Asked(command, now), camera.is_overdue and not camera.lacks_time
        with self._guard:
            if self._in_hand is not None:
                return "too_many", f"this node is looking at {self._in_hand.command.camera_id} for somebody: ask again"
            if now - self._last_mono_s.get(command.camera_id, float("-inf")) < AGAIN_S:
                return "too_soon", f"this camera was looked at less than {AGAIN_S:g} s ago: ask again"
            if len(self._last_mono_s) >= _CAMERAS_AT_MOST:
                self._last_mono_s.clear()
            self._last_mono_s[command.camera_id] = now
            self._in_hand = asked
            if not is_away:
                self._wanted = asked
        self.counts["asked"] += 1
        if is_away:
            self._looked.put(_Looked(asked, Present(Says.CANNOT_SEE, why="offline")))
        else:
            self._hurry(command.camera_id)
        return None

    def judged(self, camera: WatchedCamera, look: Look | None, observations: Sequence[Observation]) -> None:
        """The main path has judged a look of a camera."""
        wanted = self._wanted
        if wanted is None or wanted.command.camera_id != camera.config.camera_id:
            return
        if look is not None and look.observed_mono_s < wanted.asked_mono_s - OLDEST_S:
            self._hurry(camera.config.camera_id)
            return
        if not self._take(wanted):  # meanwhile it was answered without a picture
            return
        looked = _Looked(wanted, None)
        try:
            looked = self._look_at(wanted, camera, look, observations)
        finally:  # whatever happens to this look, somebody waits
            self._looked.put(looked)

    def _look_at(
        self, wanted: _Asked, camera: WatchedCamera, look: Look | None, observations: Sequence[Observation]
    ) -> _Looked:
        rule_id = wanted.command.rule_id
        if rule_id is None:
            return self._look_at_all(wanted, camera, look, observations)
        rule = next((one for one in camera.config.rules if one.rule_id == rule_id), None)
        present = camera.judge.present(rule_id, observations)
        if rule is None or present is None:
            why = f'rule_id: no "{rule_id}" runs on camera {camera.config.camera_id} of this node'
            return _Looked(wanted, None, error=why)
        boxes = present.figure.boxes_xyxyn if present.figure is not None else ()
        return _Looked(wanted, present, look, self._gatherer.fresh(camera.config, rule, boxes, look))

    def _look_at_all(
        self, wanted: _Asked, camera: WatchedCamera, look: Look | None, observations: Sequence[Observation]
    ) -> _Looked:
        if look is None:
            why = why_not_seen(observations[0]) if observations else "not_judged"
            return _Looked(wanted, Present(Says.CANNOT_SEE, why=why))
        return _Looked(wanted, Present(Says.NO_RULE), look, self._gatherer.whole(camera.config, look))

    def _take(self, wanted: _Asked) -> bool:
        """It is wanted no more: one of the main path and the thread gets it. False: the other one did."""
        with self._guard:
            if self._wanted is not wanted:
                return False
            self._wanted = None
            return True

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                looked = self._looked.get(timeout=_CHECK_S)
            except queue.Empty:
                self._give_up_when_late()
                continue
            try:
                self._answer(looked)
            except Exception:  # a fault of ours costs this answer, not those after it
                self.counts["failed"] += 1
                log.exception("fresh look not answered", extra={"request_id": looked.asked.command.request_id})
            finally:
                self._in_hand = None

    def _give_up_when_late(self) -> None:
        wanted = self._wanted
        if wanted is None or self._mono() - wanted.asked_mono_s < self._wait_s or not self._take(wanted):
            return
        camera = self._camera_of(wanted.command.camera_id)
        lacks_time = camera is not None and camera.is_overdue and camera.lacks_time
        why = "no_time" if lacks_time else "no_picture_came"  # it sends, and this node does not get to it
        self._looked.put(_Looked(wanted, Present(Says.CANNOT_SEE, why=why)))

    def _answer(self, looked: _Looked) -> None:
        command, present, still = looked.asked.command, looked.present, looked.still
        if present is None:
            self._say(LookResult(command="look", request_id=command.request_id, error=looked.error), "refused")
            return
        preview = preview_of(still.jpeg, PREVIEW_BYTES) if isinstance(still, Still) else None
        result = LookResult(
            command="look",
            request_id=command.request_id,
            observed_at=looked.look.observed_at if looked.look is not None else None,
            says=present.says,
            since=present.since.at if present.since is not None else None,
            has_alert=present.has_alert,
            measures=_measures(present),
            why=present.why,
            preview=base64.b64encode(preview).decode() if preview is not None else None,
            no_picture=still.reason if isinstance(still, Refused) else None if preview is not None else "no_preview",
            still=FullStill(sha256=still.sha256, bytes=len(still.jpeg), size_wh=still.size_wh)
            if isinstance(still, Still)
            else None,
            view_id=looked.look.view.view_id if looked.look is not None else None,
            views=self._views(command),
        )
        if self._say(result, "answered") and isinstance(still, Still) and self._store is not None:
            self._store.keep(still, BEFORE_ALL)

    def _views(self, command: LookCommand) -> tuple[NamedView, ...] | None:
        """For who draws rules. They need a restart to change: any thread may read them."""
        camera = self._camera_of(command.camera_id)
        if camera is None or command.rule_id is not None:
            return None
        states = {one.view_id: _state_word(one) for one in self._views_of(command.camera_id)}
        return tuple(
            NamedView(view_id=one.view_id, name=one.name, state=states.get(one.view_id)) for one in camera.config.views
        )

    def _say(self, result: LookResult, outcome: str) -> bool:
        is_taken = self._publish(to_bytes(result), PUBLISHED_S)
        self.counts[outcome if is_taken else "not_published"] += 1
        if result.no_picture is not None:
            self.counts[f"no_picture_{result.no_picture}"] += 1
        return is_taken


def _state_word(view: KnownView) -> str:
    return "beside" if view.state == "known" and view.shift_xyn is not None else view.state


def _measures(present: Present) -> dict[str, Measure]:
    figure = present.figure
    return {} if figure is None else {figure.name: Measure(value=figure.value, unit=figure.unit)}
