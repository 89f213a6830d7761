"""Each camera of the settings as a source of frames, with what its rules need of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import datetime

from xueliang_configs.cameras import CameraConfig
from xueliang_edge.attention.needs import need_of
from xueliang_streams.errors import StreamError
from xueliang_streams.frame import Frame
from xueliang_streams.opening import open_source
from xueliang_streams.source import FrameSource, Pace, SourceHealth, SourceSettings, SourceState

log = logging.getLogger(__name__)


def open_sources(
    cameras: Iterable[CameraConfig], *, pace: Pace, wall: Callable[[], datetime], mono: Callable[[], float]
) -> dict[str, FrameSource]:
    """One source a camera, not started. A recording that cannot be read becomes a camera that says so."""
    sources: dict[str, FrameSource] = {}
    for camera in cameras:
        address = address_of(camera)
        # Twice the need: whenever a look is due, the newest picture is at most half a gap old. A recording read as fast
        # as possible gives exactly the pictures that are looked at.
        gap_s = need_of(camera).largest_gap_s
        max_fps = 1.0 / gap_s if is_fast(camera, pace) else 2.0 / gap_s
        settings = SourceSettings(max_fps=max_fps, stall_after_s=camera.stall_after_s)
        try:
            sources[camera.camera_id] = open_source(
                camera.camera_id, address, wall=wall, mono=mono, settings=settings, pace=pace
            )
        except StreamError as error:
            log.error("camera cannot be opened", extra={"camera_id": camera.camera_id, "problem": str(error)})
            sources[camera.camera_id] = UnreadableSource(camera.camera_id, str(error), mono())
    return sources


def address_of(camera: CameraConfig) -> str:
    """The camera's address with its password, or the path of its recording. Never print it."""
    return camera.url.reveal().removeprefix("file:") if camera.url.scheme == "file" else camera.url.reveal()


def is_fast(camera: CameraConfig, pace: Pace) -> bool:
    """True for a recording that is read as fast as possible."""
    return camera.url.scheme == "file" and pace is Pace.FAST


class UnreadableSource:
    """A camera whose address opens nothing: it is seen as offline and says why, the others are not affected."""

    def __init__(self, camera_id: str, problem: str, since_mono_s: float) -> None:
        self._camera_id = camera_id
        self._health = SourceHealth(SourceState.OFFLINE, since_mono_s, problem=problem)

    @property
    def camera_id(self) -> str:
        return self._camera_id

    def start(self) -> None:
        """Nothing to start."""

    def next_frame(self, newer_than: int, timeout_s: float) -> Frame | None:  # noqa: ARG002 - the Protocol's names
        return None

    def health(self) -> SourceHealth:
        return self._health

    def close(self) -> None:
        """Nothing to close."""
