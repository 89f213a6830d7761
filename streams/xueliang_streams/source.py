"""A camera as a source of frames: the Protocol, its states and its settings.

Invariants every source holds:
- Only the newest frame is kept. A slow reader never makes memory grow; what it missed is counted by reason.
- `next_frame` and `health` never raise because of the camera: a camera that is away is a state, not an exception.
- Nothing in `health()` or in a log line holds a password or a token.
- Whoever calls `start` calls `close`. A closed source stays closed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from xueliang_streams.frame import Frame

Wall = Callable[[], datetime]
"""Aware UTC now."""
Mono = Callable[[], float]
"""Monotonic seconds."""


class SourceState(StrEnum):
    """What the source is doing, as a person would say it."""

    CONNECTING = "connecting"
    """The first attempt since `start` is under way (or `start` was not called yet)."""
    STREAMING = "streaming"
    """Packets arrive."""
    STALLED = "stalled"
    """Connected, and no packet for longer than `stall_after_s`; stays so until packets arrive or a reconnect fails."""
    OFFLINE = "offline"
    """The last attempt failed or the connection broke; tried again by back-off."""
    AUTH_FAILED = "auth_failed"
    """The camera refuses the login; tried again at most once a minute."""
    ENDED = "ended"
    """A recording was played to its end."""
    CLOSED = "closed"
    """`close` was called."""


class DecodeMode(StrEnum):
    """Which pictures are decoded."""

    KEYFRAMES = "keyframes"
    """Key pictures only: a tenth of the work, one picture per GOP."""
    ALL = "all"
    """Every picture."""


class Pace(StrEnum):
    """How a recording is played."""

    REAL = "real"
    """As fast as it was recorded."""
    FAST = "fast"
    """As fast as it is asked for, nothing skipped."""


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """How one source reads.

    Attributes:
        decode: which pictures are decoded; can be changed while running (`set_decode`).
        max_fps: at most so many frames a second are handed out; None: all that are decoded.
        stall_after_s: no packet for this long: stalled, then reconnect.
        open_timeout_s: for everything up to the answer to PLAY, and once more for the first packet. With libav's reader
            a longer one makes `close` leave the reader thread to end by itself (at most twice this time).
    """

    decode: DecodeMode = DecodeMode.ALL
    max_fps: float | None = None
    stall_after_s: float = 4.0
    open_timeout_s: float = 5.0

    def __post_init__(self) -> None:
        for name in ("stall_after_s", "open_timeout_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, got {getattr(self, name)}")
        if self.max_fps is not None and not self.max_fps > 0:
            raise ValueError(f"max_fps must be above 0 or None, got {self.max_fps}")


@dataclass(frozen=True, slots=True)
class StreamRates:
    """How a stream comes, seen without decoding it, and what of it was decoded.

    Attributes:
        key_interval_s: between the last two key pictures; None: two have not come yet.
        last_key_mono_s: when the last one of this connection arrived; None: none has.
        pictures_per_s, mbit_per_s: between the last two key pictures.
        pictures_decoded: since `start`, whatever became of them.
    """

    key_interval_s: float | None = None
    last_key_mono_s: float | None = None
    pictures_per_s: float | None = None
    mbit_per_s: float | None = None
    pictures_decoded: int = 0


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """What a source says about itself at one moment.

    Attributes:
        state: see `SourceState`.
        since_mono_s: when that state began.
        last_packet_mono_s: when the last packet arrived; None: none ever did.
        problem: words a person can act on, redacted; None while all is well.
        attempts: attempts to connect since packets last arrived; the running one counts.
        frames_dropped: pictures that were not handed out since `start`, by reason: `replaced`, `not_due`, `not_key`,
            `waiting_for_key`, `damaged`.
        next_attempt_in_s: seconds until the next attempt; None when none is waiting.
        reader: who reads the camera: "own", "libav", or "libav (the camera offers UDP only)"; empty for recordings.
        rates: measured by libav's reader of a camera; None: this source measures none.
    """

    state: SourceState
    since_mono_s: float
    last_packet_mono_s: float | None = None
    problem: str | None = None
    attempts: int = 0
    frames_dropped: Mapping[str, int] = field(default_factory=dict)
    next_attempt_in_s: float | None = None
    reader: str = ""
    rates: StreamRates | None = None


class FrameSource(Protocol):
    """One camera. All methods may be called from any thread."""

    @property
    def camera_id(self) -> str:
        """The label frames carry."""

    def start(self) -> None:
        """Begin to read. Returns at once: a camera that is away shows in `health`. A second call does nothing."""

    def next_frame(self, newer_than: int, timeout_s: float) -> Frame | None:
        """The newest frame whose sequence is above `newer_than` (0: any), waiting for it up to `timeout_s`.

        None: no such frame in time, or none will come (ended, closed): ask `health`.
        """

    def health(self) -> SourceHealth:
        """How it stands now."""

    def close(self) -> None:
        """Stop reading and free threads and sockets. Returns within 5 s; a second call does nothing."""


class DecodingSource(FrameSource, Protocol):
    """A source that can be told, while it runs, which pictures to decode."""

    def set_decode(self, mode: DecodeMode) -> None:
        """Decode other pictures from now on; to `all` it takes effect at the next key picture at the latest."""

    def set_rate(self, max_fps: float | None) -> None:
        """Hand out at most so many frames a second from now on; of key pictures alone the others are not decoded."""
