"""A recording as the pipeline's only camera, and as its clock: time goes on from look to look, never by itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from xueliang_edge.capture.local import LocalCapture
from xueliang_edge.capture.orders import GroupSpec
from xueliang_edge.looks import Look
from xueliang_edge.pipeline import TEND_EVERY_S
from xueliang_streams.shared_frames import SharedFrames
from xueliang_streams.source import SourceState


class RecordingClock:
    """Both clocks of the recording: seconds since its first picture, and the moment that makes of `start_at`."""

    def __init__(self, start_at: datetime) -> None:
        """`start_at`: aware UTC."""
        self._start_at, self._now_s = start_at, 0.0

    def mono(self) -> float:
        return self._now_s

    def wall(self) -> datetime:
        return self._start_at + timedelta(seconds=self._now_s)

    def advance(self, to_s: float) -> None:
        """Time goes on; it never goes back."""
        self._now_s = max(self._now_s, to_s)


class RecordedCapture(LocalCapture):
    """One fast recording that moves the clock."""

    def __init__(self, spec: GroupSpec, frames: SharedFrames, clock: RecordingClock) -> None:
        super().__init__(spec, frames, wall=clock.wall, mono=clock.mono)
        self._clock = clock
        (camera,) = spec.cameras
        self._camera_id = camera.camera_id

    def looks(self) -> list[Look]:
        looks = super().looks()
        for look in looks:
            self._clock.advance(look.observed_mono_s)
        if not looks and self.has_ended:
            # The pipeline notices an end when it tends, which it does by the clock.
            self._clock.advance(self._clock.mono() + TEND_EVERY_S)
        return looks

    @property
    def has_ended(self) -> bool:
        return self.health(self._camera_id).state is SourceState.ENDED

    @property
    def problem(self) -> str | None:
        """Why the recording ended early, in words; None: it did not."""
        return self.health(self._camera_id).problem
