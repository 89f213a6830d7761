"""Capture in the pipeline's own process: for recordings that are read as fast as they are judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from xueliang_edge.capture.group import CameraGroup
from xueliang_edge.capture.orders import GroupSpec, LendScene, LookNow, Pace, Release, SetPace, ViewOrder
from xueliang_edge.capture.service import CaptureChildReport
from xueliang_edge.looks import CaptureHealth, Look, PictureHandle, SceneHandle
from xueliang_streams.shared_frames import SharedFrames


class LocalCapture:
    """`CaptureService` without a process: each `looks` is a round of the loop."""

    def __init__(
        self, spec: GroupSpec, frames: SharedFrames, *, wall: Callable[[], datetime], mono: Callable[[], float]
    ) -> None:
        self._group = CameraGroup(spec, frames, wall=wall, mono=mono)
        self._frames = frames

    def start(self) -> None:
        self._group.start()

    def set_pace(self, camera_id: str, pace: Pace) -> None:
        self._group.obey(SetPace(camera_id, pace))

    def order_view(self, order: ViewOrder) -> None:
        self._group.obey(order)

    def look_now(self, camera_id: str) -> None:
        self._group.obey(LookNow(camera_id))

    def looks(self) -> list[Look]:
        self._group.poll()
        looks = []
        while (look := self._group.next_look()) is not None:
            looks.append(look)
        return looks

    def release(self, release: Release) -> None:
        self._group.obey(release)

    def lend_scene(self, handle: PictureHandle, deadline_mono_s: float) -> SceneHandle | None:  # noqa: ARG002 - at once
        lent = self._group.obey(LendScene(0, handle))
        return lent.scene if lent is not None else None

    def health(self, camera_id: str) -> CaptureHealth:
        return self._group.cameras[camera_id].health()

    def wait_handles(self) -> Sequence[int]:
        return []

    def check(self) -> None:
        """Nothing can die or hang without the whole node."""

    def reports(self) -> tuple[CaptureChildReport, ...]:
        faults = dict(self._group.faults)
        return (CaptureChildReport("capture", None, len(self._group.cameras), faults=faults),)

    def close(self) -> None:
        self._group.close()
        self._frames.close()
