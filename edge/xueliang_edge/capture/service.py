"""What the pipeline may ask of capture: numbers and handles in, numbers and handles out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from xueliang_edge.capture.orders import Pace, Release, ViewOrder
from xueliang_edge.looks import CaptureHealth, Look, PictureHandle, SceneHandle


@dataclass(frozen=True, slots=True)
class CaptureChildReport:
    """One group of cameras, for the health page.

    Attributes:
        lag_s: how late its most urgent due picture was decoded.
        problem: what is wrong with the process itself; None while all is well.
    """

    name: str
    pid: int | None
    cameras: int
    lag_s: float = 0.0
    busy_share: float = 0.0
    restarts: int = 0
    problem: str | None = None
    faults: dict[str, int] = field(default_factory=dict)


class CaptureService(Protocol):
    """Cameras by their ids. Nothing here blocks longer than it is told, and nothing raises for a camera's sake."""

    def start(self) -> None: ...

    def order_view(self, order: ViewOrder) -> None:
        """Have a camera's view learnt or renewed; what became of it is said by `health`."""

    def set_pace(self, camera_id: str, pace: Pace) -> None:
        """How the camera is looked at from now on."""

    def look_now(self, camera_id: str) -> None:
        """Its next picture is due at once."""

    def looks(self) -> list[Look]:
        """The looks that have arrived. Each handle must be given back by `release`."""

    def release(self, release: Release) -> None:
        """Give a picture back."""

    def lend_scene(self, handle: PictureHandle, deadline_mono_s: float) -> SceneHandle | None:
        """What a still of this picture needs; None: not to be had in time. Valid until the next one is lent."""

    def health(self, camera_id: str) -> CaptureHealth: ...

    def wait_handles(self) -> Sequence[int]:
        """What becomes readable when a look arrives; empty: ask `looks` again."""

    def check(self) -> None:
        """About once a second: begin anew what died or hangs."""

    def reports(self) -> tuple[CaptureChildReport, ...]: ...

    def close(self) -> None:
        """Stop reading, save what was learnt. Bounded."""
