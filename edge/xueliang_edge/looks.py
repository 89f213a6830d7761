"""What crosses between the processes of a node: handles and numbers, never pixels.

A picture lies in a slot of shared memory. Whoever got its handle may read it until it gives the handle back; a slot
that was written anew has another generation, and an old handle reads nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.observations import ViewFault
from xueliang_streams.source import SourceState

StreamName = Literal["main", "sub"]
ViewKnowledge = Literal["no_reference", "learning", "known"]


@dataclass(frozen=True, slots=True)
class PictureHandle:
    """Names one picture without holding it.

    Attributes:
        region: which region of shared memory: the number of the capture child that wrote it.
        slot, generation: where in the region, and which picture of those that lay there.
        size_wh: pixels of the picture in the slot; a very large one was brought down to fit.
        is_full_range: see `xueliang_streams.frame.Planes`.
    """

    camera_id: str
    region: int
    slot: int
    generation: int
    size_wh: tuple[int, int]
    is_full_range: bool = False


@dataclass(frozen=True, slots=True)
class SceneHandle:
    """Names what a still needs beside its picture, written into a slot of its own: see `scene_slots.py`.

    Attributes:
        scene_wh: pixels of the long-term scene; None: nothing is known of it yet.
        earlier_wh: pixels of each earlier brightness picture; earlier_count: how many follow, newest first.
    """

    region: int
    slot: int
    generation: int
    scene_wh: tuple[int, int] | None
    is_full_range: bool
    earlier_wh: tuple[int, int]
    earlier_count: int


@dataclass(frozen=True, slots=True)
class ViewSign:
    """Whether the picture shows its place; see `view_watch.py`.

    Attributes:
        fault: what is wrong with the view, for long enough to say so.
        is_doubtful: something may be wrong; what is not seen in such a picture is unknown, not gone.
        figure: how bad; see `Observation.view_figure`.
        view_id: which of the camera's views it shows; None: none of them, or they are not told apart.
    """

    fault: ViewFault | None = None
    is_doubtful: bool = False
    figure: float = 0.0
    view_id: str | None = None

    @property
    def is_good(self) -> bool:
        return self.fault is None and not self.is_doubtful


GOOD_VIEW: Final = ViewSign()


@dataclass(frozen=True, slots=True)
class KnownView:
    """One view of a camera whose views are told apart, as capture knows it.

    Attributes:
        state: no_reference (nobody has shown it to the node yet), learning, known.
        problem: why it could not be learnt, in words; None: nothing is wrong.
        shift_xyn: right and down, shares of the picture: the camera has looked beside it steadily; None: it does not.
    """

    view_id: str
    state: ViewKnowledge
    problem: str | None = None
    shift_xyn: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One picture that came, in numbers.

    Attributes:
        observed_mono_s, observed_at: when the picture was received, as `Frame` says.
        frame_size_wh: pixels of the picture as the camera sent it.
        change: float32 (18, 32), share of each cell that differs from the long-term scene, NaN where the scene is not
            known; None when too little is known to say.
        moved: float32 (18, 32), share of each cell that differs from the picture a detector last looked at, places that
            are always restless left out; None: no such picture yet, or almost everything differs.
        stream: which of the camera's streams it came from.
        decode_ms: CPU milliseconds the decoder took for it.
        view: whether it shows the place at all.
    """

    handle: PictureHandle
    observed_mono_s: float
    observed_at: datetime
    frame_size_wh: tuple[int, int]
    change: NDArray[np.float32] | None
    moved: NDArray[np.float32] | None = None
    stream: StreamName = "main"
    is_key: bool = True
    decode_ms: float = 0.0
    view: ViewSign = GOOD_VIEW


@dataclass(frozen=True, slots=True)
class CaptureHealth:
    """How one camera's source does, in numbers and words that hold no password.

    Attributes:
        last_packet_mono_s: when the network last gave something of it.
        frames_dropped: pictures not handed out, by reason.
        reader: which reader serves it, and why when it is not the usual one.
        key_interval_s: seconds between two key pictures as they come; None: not known yet.
        pictures_decoded: by stream, whatever became of them; a recording is left out.
        is_watched: False: our own capture process cannot say at the moment; nothing follows for the camera.
        notes: what an installer should know: "a key picture only every 20 s", "the sub stream is larger than the main".
        views: those that are told apart; empty for a camera that stands still.
    """

    state: SourceState
    since_mono_s: float
    problem: str | None
    attempts: int
    last_packet_mono_s: float | None = None
    frames_dropped: Mapping[str, int] = field(default_factory=dict)
    scene_known_share: float = 0.0
    reader: str = ""
    key_interval_s: float | None = None
    pictures_per_s: float | None = None
    mbit_per_s: float | None = None
    decode_ms: float | None = None
    pictures_decoded: Mapping[str, int] = field(default_factory=dict)
    is_watched: bool = True
    notes: tuple[str, ...] = ()
    views: tuple[KnownView, ...] = ()
