"""What the supervisor and a capture child say to each other: plain values over a pipe.

Addresses hold passwords: they cross this pipe, are never printed (`repr=False`) and never stand on a command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.looks import CaptureHealth, PictureHandle, SceneHandle, StreamName

RECONNECTS_PER_S: Final = 0.45
"""Of a node: so often, at most, its cameras that are away are tried again. A node of 64 may make one attempt in two
seconds; what is left pays for the attempts of its start, within the hour."""

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class CameraSpec:
    """One camera of a group.

    Attributes:
        main_url, sub_url: addresses with their passwords, or the path of a recording (main only).
        is_recording: the main address is a file; is_fast: it is read as fast as its looks are released.
        gap_s: longest time between two looks to begin with.
        privacy_zones_xyn: filled solid in every picture before anything else sees it.
        view_ids: its views, where they have to be told apart; empty: it stands still.
    """

    camera_id: str
    main_url: str = field(repr=False)
    sub_url: str | None = field(default=None, repr=False)
    is_recording: bool = False
    is_fast: bool = False
    gap_s: float = 2.0
    stall_after_s: float = 8.0
    privacy_zones_xyn: tuple[Polygon, ...] = ()
    view_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """What one capture child does.

    Attributes:
        region: its number; handles carry it.
        slots, slot_bytes: of its region of shared memory. The last slot is for scenes.
        background_dir: where its cameras' long-term scenes are kept.
        reconnects_per_s: how often its cameras that are away may be tried again, all together, until `ShareReconnects`.
        fd: of its region, handed over under this number; -1: not in a process of its own.
    """

    region: int
    cameras: tuple[CameraSpec, ...]
    slots: int
    slot_bytes: int
    background_dir: str
    fd: int = -1
    reconnects_per_s: float = RECONNECTS_PER_S


@dataclass(frozen=True, slots=True)
class Pace:
    """How a camera is to be looked at from now on; see `attention.levels.LookPlan`.

    Attributes:
        gap_s: longest time between the pictures of two looks.
        every_key: look at every key picture, also where fewer would do.
        stream: main: connect the main stream too and prefer its pictures while it gives any.
        may_decode_all: False under overload: key pictures only, whatever their distance.
        least_gap_s: pictures that come sooner after the last one are not wanted.
        look_at_mono_s: the first picture from then on is wanted at once, also between key pictures; None: none is.
    """

    gap_s: float
    every_key: bool = False
    stream: StreamName = "sub"
    may_decode_all: bool = True
    least_gap_s: float = 0.0
    look_at_mono_s: float | None = None


@dataclass(frozen=True, slots=True)
class SetPace:
    camera_id: str
    pace: Pace


@dataclass(frozen=True, slots=True)
class LookNow:
    """The next picture of this camera is due at once."""

    camera_id: str


@dataclass(frozen=True, slots=True)
class LearnView:
    """What the camera shows now is this view of it."""

    camera_id: str
    view_id: str


@dataclass(frozen=True, slots=True)
class RenewView:
    """The zones of this view were moved right and down by shares of the picture: so is what it is known by.

    Attributes:
        order_id: of the command that moved them: who is told twice moves it once.
    """

    camera_id: str
    view_id: str
    shift_xyn: tuple[float, float]
    order_id: str


ViewOrder = LearnView | RenewView


@dataclass(frozen=True, slots=True, eq=False)
class Release:
    """The supervisor has done with a picture: its slot is free again.

    Attributes:
        seen_xyxyn: float32 (n, 4), everything that was found in it, when every detector of the camera looked at it:
            what moves from now on is compared with it. None: not all of them did.
        excluded_xyxyn: float32 (n, 4): let it teach the long-term scene, apart from these boxes; None: it does not.
    """

    handle: PictureHandle
    seen_xyxyn: NDArray[np.float32] | None = None
    excluded_xyxyn: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class LendScene:
    """Write what a still of this picture needs into the scene slot; answered by `Lent`."""

    ticket: int
    handle: PictureHandle


@dataclass(frozen=True, slots=True)
class ShareReconnects:
    """How often the child's cameras that are away may be tried again from now on, all together."""

    per_s: float


Order = SetPace | LookNow | Release | LendScene | ShareReconnects | LearnView | RenewView


@dataclass(frozen=True, slots=True)
class Ready:
    """The child runs."""

    pid: int


@dataclass(frozen=True, slots=True)
class Lent:
    ticket: int
    scene: SceneHandle | None


@dataclass(frozen=True, slots=True)
class Beat:
    """About once a second: how the cameras do, and a count that grows only with real progress.

    Attributes:
        rounds: rounds of the loop so far.
        lag_s: how late the most urgent due picture is decoded: above 0 the child cannot keep up.
        busy_share: share of the last second spent working.
    """

    rounds: int
    lag_s: float
    busy_share: float
    cameras: Mapping[str, CaptureHealth]
    faults: Mapping[str, int]
