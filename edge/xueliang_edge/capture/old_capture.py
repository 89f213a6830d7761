"""Pictures of a group of cameras: read, decode, compare with the long-term scene, keep the few newest.

Pixels stay on this side. The pipeline gets numbers: a handle, times, sizes, the change grid. `detection.py` borrows the
picture behind a handle through `PictureStore`. Today both live in one process and a handle names an entry of a
dictionary; when capture becomes child processes, it names a slot of shared memory with an owner and a generation, and
no caller changes.

Invariants
    - `look` returns by its deadline. A camera that is away is an answer (`NoPicture`), never an exception.
    - A handle whose picture was replaced borrows nothing: nobody ever gets another picture than the one asked for.
    - At most one full picture and `EARLIER_KEPT` reduced ones a camera are in memory.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.background import SCENE_LONG_SIDE_PX, Background, BackgroundFiles, Scene, fitted, resized
from xueliang_streams.frame import Frame
from xueliang_streams.source import FrameSource, SourceState

log = logging.getLogger(__name__)

EARLIER_KEPT: Final = 3
EARLIER_AT_MOST_S: Final = 2.5  # older ones say little about what moves now
SAVE_EVERY_S: Final = 3600.0  # about 200 kB a camera: 77 MB a day for 16 cameras (FAULTS: 200 MB a day)
FIRST_SAVE_SHARE: Final = 0.6


@dataclass(frozen=True, slots=True)
class PictureHandle:
    """Names one picture without holding it."""

    camera_id: str
    generation: int


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture that came, in numbers.

    Attributes:
        observed_mono_s, observed_at: when the picture was received, as `Frame` says.
        change: float32 (18, 32), share of each cell that differs from the long-term scene, NaN where the scene is not
            known; None when too little is known to say.
    """

    handle: PictureHandle
    observed_mono_s: float
    observed_at: datetime
    frame_size_wh: tuple[int, int]
    change: NDArray[np.float32] | None


@dataclass(frozen=True, slots=True)
class NoPicture:
    """No new picture by the deadline. `state` as `SourceState`; `problem` in words, redacted."""

    state: SourceState
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class CaptureHealth:
    """How one camera's source does, in numbers and words that hold no password."""

    state: SourceState
    since_mono_s: float
    problem: str | None
    attempts: int
    frames_dropped: Mapping[str, int] = field(default_factory=dict)
    scene_known_share: float = 0.0


class CaptureGroup(Protocol):
    """What the pipeline may ask of capture: numbers in, numbers out."""

    def start(self) -> None: ...

    def look(self, camera_id: str, deadline_mono_s: float) -> Look | NoPicture:
        """The newest picture that was not looked at yet, waiting for it until the deadline."""

    def learn(self, handle: PictureHandle, excluded_xyxyn: NDArray[np.float32]) -> None:
        """Let the picture teach the long-term scene, apart from these boxes, float32 (n, 4) in 0..1."""

    def health(self, camera_id: str) -> CaptureHealth: ...

    def close(self) -> None:
        """Stop reading, save what was learnt. Bounded."""


@dataclass(frozen=True, slots=True, eq=False)
class Borrowed:
    """The pixels behind a handle, for whoever makes detections and stills.

    Attributes:
        image_bgr: the whole picture, as decoded. Read only.
        reduced_bgr: the same at most 1280 pixels wide or high.
        earlier_bgr: pictures of the last seconds at that size, newest first.
        scene: the long-term scene; None when nothing is known of it yet.
    """

    image_bgr: NDArray[np.uint8]
    reduced_bgr: NDArray[np.uint8]
    earlier_bgr: tuple[NDArray[np.uint8], ...]
    scene: Scene | None


class PictureStore(Protocol):
    """The pixel side's door: only `detection.py` comes through it."""

    def picture(self, handle: PictureHandle) -> NDArray[np.uint8] | None:
        """The whole picture; None when it was replaced."""

    def borrow(self, handle: PictureHandle) -> Borrowed | None:
        """The picture with what a still needs; None when it was replaced."""


class _Camera:
    def __init__(self, source: FrameSource, background: Background | None) -> None:
        self.source = source
        self.background = background
        self.newest: Frame | None = None
        self.reduced: NDArray[np.uint8] | None = None
        self.generation = 0
        self.earlier: deque[tuple[float, NDArray[np.uint8]]] = deque(maxlen=EARLIER_KEPT)
        self.last_saved_mono_s: float | None = None if background is None else float("-inf")
        self.guard = threading.Lock()

    def take(self, frame: Frame) -> PictureHandle:
        reduced = resized(frame.image_bgr, fitted(frame.size_wh, SCENE_LONG_SIDE_PX))
        with self.guard:
            if self.newest is not None and self.reduced is not None:
                self.earlier.appendleft((self.newest.received_mono_s, self.reduced))
            self.newest, self.reduced = frame, reduced
            self.generation += 1
            return PictureHandle(frame.camera_id, self.generation)


class CaptureThreads:
    """`CaptureGroup` and `PictureStore` over sources that read in threads of their own."""

    def __init__(
        self,
        sources: Mapping[str, FrameSource],
        backgrounds: BackgroundFiles,
        mono: Callable[[], float],
    ) -> None:
        """Takes over the sources: starts and closes them."""
        self._files = backgrounds
        self._mono = mono
        self._cameras = {name: _Camera(source, backgrounds.load(name)) for name, source in sources.items()}
        self.faults: Counter[str] = Counter()

    def start(self) -> None:
        for camera in self._cameras.values():
            camera.source.start()

    def look(self, camera_id: str, deadline_mono_s: float) -> Look | NoPicture:
        camera = self._cameras[camera_id]
        seen = camera.newest.sequence if camera.newest is not None else 0
        frame = camera.source.next_frame(seen, max(0.0, deadline_mono_s - self._mono()))
        if frame is None:
            health = camera.source.health()
            return NoPicture(health.state, health.problem)
        handle = camera.take(frame)
        if camera.background is None or camera.background.frame_size_wh != frame.size_wh:
            camera.background = Background(frame.size_wh)
            camera.last_saved_mono_s = None
        change = camera.background.change(frame.image_bgr)
        return Look(handle, frame.received_mono_s, frame.received_at, frame.size_wh, change)

    def learn(self, handle: PictureHandle, excluded_xyxyn: NDArray[np.float32]) -> None:
        camera = self._cameras[handle.camera_id]
        if camera.generation != handle.generation or camera.newest is None or camera.background is None:
            return
        with camera.guard:
            learnt = camera.background.learn(camera.newest.image_bgr, excluded_xyxyn, camera.newest.received_mono_s)
        if learnt:
            self._save_if_due(handle.camera_id, camera)

    def health(self, camera_id: str) -> CaptureHealth:
        camera = self._cameras[camera_id]
        health = camera.source.health()
        known = camera.background.known_share if camera.background is not None else 0.0
        return CaptureHealth(
            health.state, health.since_mono_s, health.problem, health.attempts, dict(health.frames_dropped), known
        )

    def picture(self, handle: PictureHandle) -> NDArray[np.uint8] | None:
        camera = self._cameras[handle.camera_id]
        with camera.guard:
            if camera.generation != handle.generation or camera.newest is None:
                return None
            return camera.newest.image_bgr

    def borrow(self, handle: PictureHandle) -> Borrowed | None:
        camera = self._cameras[handle.camera_id]
        with camera.guard:
            if camera.generation != handle.generation or camera.newest is None or camera.reduced is None:
                return None
            now = camera.newest.received_mono_s
            earlier = tuple(picture for at, picture in camera.earlier if 0 <= now - at <= EARLIER_AT_MOST_S)
            scene = camera.background.scene() if camera.background is not None else None
            return Borrowed(camera.newest.image_bgr, camera.reduced, earlier, scene)

    def close(self) -> None:
        closers = [threading.Thread(target=camera.source.close, daemon=True) for camera in self._cameras.values()]
        for closer in closers:
            closer.start()
        for camera_id, camera in self._cameras.items():
            if camera.background is not None and camera.background.known_share > 0:
                self._save(camera_id, camera)
        deadline_mono_s = self._mono() + 5.0
        for closer in closers:
            closer.join(max(0.0, deadline_mono_s - self._mono()))

    def _save_if_due(self, camera_id: str, camera: _Camera) -> None:
        if camera.background is None:
            return
        last, now = camera.last_saved_mono_s, self._mono()
        if last is None:
            is_due = camera.background.known_share >= FIRST_SAVE_SHARE
        else:
            is_due = now - last >= SAVE_EVERY_S
        if is_due:
            self._save(camera_id, camera)

    def _save(self, camera_id: str, camera: _Camera) -> None:
        camera.last_saved_mono_s = self._mono()
        if camera.background is None:
            return
        try:
            self._files.save(camera_id, camera.background)
        except OSError as error:
            self.faults["background_not_saved"] += 1
            log.warning("background not saved", extra={"camera_id": camera_id, "why": str(error)})
