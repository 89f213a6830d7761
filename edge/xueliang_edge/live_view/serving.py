"""A node's answer to live view: refused unless its own settings allow the camera, else a process that sends the stream.

Invariants
    - Off unless `node.live_view` names the camera. The centre cannot change that.
    - A camera with privacy zones is never shown live: the stream leaves as the camera made it, nothing can be hidden.
    - At most `at_once` views, each with an end. A process that outlives its end by `GRACE_S` is killed, and with the
      node all are.
    - The main path is not touched: a view reads the camera by a connection of its own and in a process of its own.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from xueliang_alerts.commands import LiveCommand, LiveResult
from xueliang_alerts.contract import to_bytes
from xueliang_configs.cameras import CameraConfig
from xueliang_configs.node import CentreLinkConfig, LiveViewConfig
from xueliang_edge.children import Child
from xueliang_edge.errors import ChildGone
from xueliang_edge.live_view.messages import Ended, Task

log = logging.getLogger(__name__)

LONGEST_S: Final = 16 * 60.0  # whatever the centre asks for: it asks for 15 minutes at most, clocks differ
GRACE_S: Final = 15.0  # to tell the centre that it is over
CLOSE_S: Final = 0.25  # it looks every 0.2 s
_CHECK_S: Final = 0.2
_TURNED_OFF: Final = "node.live_view: live view of this camera is not turned on in this node's own settings"


@dataclass(slots=True)
class _View:
    command: LiveCommand
    child: Child
    kill_mono_s: float


class LiveViews:
    """Owns a thread and the processes of the views. `ask` may be called from any thread."""

    def __init__(
        self,
        settings: LiveViewConfig | None,
        centre: CentreLinkConfig | None,
        *,
        camera_of: Callable[[str], CameraConfig | None],
        publish: Callable[[bytes, float], bool],
        wall: Callable[[], datetime],
        mono: Callable[[], float],
    ) -> None:
        """`camera_of`: as it runs now. `publish`: an answer, and for how long the broker is waited for."""
        self._settings, self._centre = settings, centre
        self._camera_of, self._publish, self._wall, self._mono = camera_of, publish, wall, mono
        self._asked: queue.SimpleQueue[LiveCommand] = queue.SimpleQueue()
        self._guard = threading.Lock()
        self._taken = 0  # views that run, and those that are about to
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="live views", daemon=True)
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """What runs is ended; its viewers see that the stream is over."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def ask(self, command: LiveCommand) -> tuple[str, str] | None:
        """None: it is begun. Else why not: a word for the counter, and a sentence for who asked."""
        refused = self._why_not(command)
        if refused is not None:
            return refused
        self._asked.put(command)
        self.counts["asked"] += 1
        return None

    def _why_not(self, command: LiveCommand) -> tuple[str, str] | None:
        settings, camera = self._settings, self._camera_of(command.camera_id)
        if settings is None or command.camera_id not in settings.cameras:
            return "turned_off", _TURNED_OFF
        if camera is None:
            return "no_such_camera", f'camera_id: no "{command.camera_id}" on this node'
        if self._centre is None:
            return "no_centre", "node.centre: this node does not know where to send a stream to"
        if camera.privacy_zones:
            return "privacy_zones", "privacy_zones: this camera has some, and a live stream cannot hide them"
        if _stream_of(camera) is None:
            return "no_stream", "url: this camera is a recording, it has no live stream"
        left_s = (command.until_at - self._wall()).total_seconds()
        if not 0 < left_s <= LONGEST_S:
            return (
                "bad_end",
                f"until_at: expected at most {LONGEST_S:.0f} s ahead by this node's clock, got {left_s:.0f}",
            )
        with self._guard:
            if self._taken >= settings.at_once:
                return "too_many", f"{settings.at_once} views of this node are watched already: try again later"
            self._taken += 1
        return None

    def _work(self) -> None:
        views: list[_View] = []
        while not self._stop.is_set():
            try:
                begun = self._begin(self._asked.get(timeout=_CHECK_S))
                if begun is not None:
                    views.append(begun)
            except queue.Empty:
                pass
            except Exception:  # a fault of ours costs this view, not those after it
                self._give_back("failed")
                log.exception("live view not begun")
            views = [view for view in views if not self._is_over(view)]
        for view in views:
            view.child.kill()

    def _begin(self, command: LiveCommand) -> _View | None:
        camera, settings, centre = self._camera_of(command.camera_id), self._settings, self._centre
        url = _stream_of(camera) if camera is not None else None
        if url is None or settings is None or centre is None:
            self._refuse(command, "the camera's settings have just changed: ask again")
            return None
        for_s = min(LONGEST_S, max(0.0, (command.until_at - self._wall()).total_seconds()))
        task = Task(
            camera_id=command.camera_id,
            url=url,
            target=f"{centre.url.reveal()}/api/live-feeds/{command.camera_id}/{command.view_id}",
            token=centre.token.get_secret_value(),
            mark=command.mark,
            for_s=for_s,
            kbit_per_s=settings.kbit_per_s,
        )
        try:
            child = Child.start("xueliang_edge.live_view.child", task, name="live-view")
        except OSError as error:
            self._refuse(command, f"no process can be begun for it: {error.strerror or error}")
            return None
        self.counts["begun"] += 1
        log.warning("live view begun", extra={"camera_id": command.camera_id, "view_id": str(command.view_id)})
        self._publish(to_bytes(LiveResult(command="live", request_id=command.request_id)), 0.0)
        return _View(command, child, self._mono() + for_s + GRACE_S)

    def _refuse(self, command: LiveCommand, why: str) -> None:
        self._give_back("failed")
        self._publish(to_bytes(LiveResult(command="live", request_id=command.request_id, error=why)), 0.0)

    def _is_over(self, view: _View) -> bool:
        ended: object | None = None
        try:
            ended = view.child.receive()
            if ended is None and self._mono() < view.kill_mono_s:
                return False
        except ChildGone:
            pass
        view.child.kill()
        said = ended if isinstance(ended, Ended) else Ended("process_gone", 0, 0)
        self._give_back(f"ended_{said.why}")
        self.counts["sent_bytes"] += said.sent_bytes
        self.counts["pictures_lost"] += said.lost
        about = {"camera_id": view.command.camera_id, "view_id": str(view.command.view_id), "why": said.why}
        log.warning("live view ended", extra=about)
        return True

    def _give_back(self, why: str) -> None:
        with self._guard:
            self._taken -= 1
        self.counts[why] += 1


def _stream_of(camera: CameraConfig) -> str | None:
    """The small stream where there is one; None: there is none to watch."""
    url = camera.sub_url if camera.sub_url is not None else camera.url
    return None if url.scheme == "file" else url.reveal()
