"""A file as a camera, behind `FrameSource`. Its clock is the recording's: start + timestamp.

`real` pace: a thread hands frames out when they are due, and only the newest is kept, as with a camera. `fast` pace: no
thread; each `next_frame` decodes up to the next sampled frame, so nothing is skipped however slow the reader is. With
`loop`, time and sequence go on over the end.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
from av.container import InputContainer

from xueliang_streams.coded_picture import Arrival
from xueliang_streams.decoding import Decoded, OnDemandDecoder, RateLimit
from xueliang_streams.errors import RecordingUnreadable
from xueliang_streams.frame import Frame
from xueliang_streams.newest_frame import NewestFrame
from xueliang_streams.source import DecodeMode, Mono, Pace, SourceHealth, SourceSettings, SourceState, Wall

log = logging.getLogger(__name__)

CLOSE_WAITS_S = 4.5
FIRST_YEAR = 2000
"""A recorder that does not know the time writes 1904 or 1970."""
_POLL_S = 0.25
"""The injected clock is asked at least this often while a frame is not due."""


class RecordingSource:
    """See `FrameSource`. With `loop` it never ends.

    Raises (at construction):
        RecordingUnreadable: the file is missing or holds no video.
    """

    def __init__(
        self,
        camera_id: str,
        path: Path,
        *,
        pace: Pace | Literal["real", "fast"] = Pace.REAL,
        wall: Wall,
        mono: Mono,
        loop: bool = False,
        settings: SourceSettings | None = None,
    ) -> None:
        settings = settings or SourceSettings()
        with open_recording(path):
            pass
        self._camera_id = camera_id
        self._path = path
        self._pace = Pace(pace)
        self._wall = wall
        self._mono = mono
        self._loop = loop
        self._limit = RateLimit(settings.max_fps)
        self._decode = settings.decode
        self._newest = NewestFrame()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._frames: Generator[Frame, None, None] | None = None
        self._reading = threading.Lock()  # fast pace: one frame at a time
        self._lock = threading.Lock()  # guards what health() tells
        self._state = SourceState.CONNECTING
        self._since_mono_s = mono()
        self._last_packet_mono_s: float | None = None
        self._problem: str | None = None

    @property
    def camera_id(self) -> str:
        return self._camera_id

    def start(self) -> None:
        with self._lock:
            if self._frames is not None or self._stopping.is_set():
                return
            self._frames = self._read(self._mono(), self._wall())
        self._enter(SourceState.STREAMING, None)
        if self._pace is Pace.REAL:
            name = f"recording {self._camera_id}"
            self._thread = threading.Thread(target=self._play, args=(self._frames,), name=name, daemon=True)
            self._thread.start()

    def next_frame(self, newer_than: int, timeout_s: float) -> Frame | None:
        if self._pace is Pace.REAL:
            return self._newest.take(newer_than, timeout_s)
        with self._reading:
            while not self._stopping.is_set() and self._frames is not None:
                frame = next(self._frames, None)
                if frame is None or frame.sequence > newer_than:
                    return frame
        return None

    def set_decode(self, mode: DecodeMode) -> None:
        """Decode other pictures from now on; to `all` it takes effect at the next key picture."""
        self._decode = mode

    def set_rate(self, max_fps: float | None) -> None:
        """Hand out at most so many frames a second from now on."""
        self._limit.set_rate(max_fps)

    def health(self) -> SourceHealth:
        with self._lock:
            return SourceHealth(
                state=self._state,
                since_mono_s=self._since_mono_s,
                last_packet_mono_s=self._last_packet_mono_s,
                problem=self._problem,
                frames_dropped=self._newest.dropped(),
            )

    def close(self) -> None:
        self._stopping.set()
        self._newest.close()
        self._enter(SourceState.CLOSED, None)
        if self._thread is not None:
            self._thread.join(CLOSE_WAITS_S)
        elif self._frames is not None:
            with self._reading:
                self._frames.close()

    def _play(self, frames: Generator[Frame, None, None]) -> None:
        with closing(frames):
            for frame in frames:
                while (left_s := frame.received_mono_s - self._mono()) > 0:
                    if self._stopping.wait(min(left_s, _POLL_S)):
                        return
                if self._stopping.is_set():
                    return
                self._newest.put(frame)
        self._newest.finish()

    def _read(self, start_mono_s: float, started_at: datetime) -> Generator[Frame, None, None]:
        """Sampled frames in order, over and over with `loop`. Ends at the end of the file or where it is damaged."""
        for sequence, decoded in enumerate(self._pictures(start_mono_s, started_at), start=1):
            with self._lock:
                self._last_packet_mono_s = decoded.arrival.mono_s
            yield Frame(
                camera_id=self._camera_id,
                sequence=sequence,
                planes=decoded.planes,
                received_mono_s=decoded.arrival.mono_s,
                received_at=decoded.arrival.at,
                is_key=decoded.is_key,
                decode_ms=decoded.decode_ms,
            )

    def _pictures(self, start_mono_s: float, started_at: datetime) -> Generator[Decoded, None, None]:
        begin_s = 0.0
        try:
            while not self._stopping.is_set():
                with open_recording(self._path) as container:
                    length_s = yield from self._once(container, begin_s, start_mono_s, started_at)
                if not length_s:
                    raise RecordingUnreadable(f"{self._path}: holds no picture with a timestamp")
                begin_s += length_s
                if not self._loop:
                    break
        except (RecordingUnreadable, av.error.FFmpegError, OSError) as error:
            words = str(error) if isinstance(error, RecordingUnreadable) else _words(self._path, error)
            self._enter(SourceState.ENDED, words)
            log.warning("recording ended early", extra={"camera_id": self._camera_id, "problem": words})
            return
        self._enter(SourceState.ENDED, None)

    def _once(
        self, container: InputContainer, begin_s: float, start_mono_s: float, started_at: datetime
    ) -> Generator[Decoded, None, float]:
        """One pass over the file; returns its length in seconds."""
        stream = container.streams.video[0]
        base = stream.time_base or Fraction(1, 1000)
        first = stream.start_time or 0

        def moment(timestamp: int) -> Arrival:
            offset_s = begin_s + float((timestamp - first) * base)
            return Arrival(start_mono_s + offset_s, started_at + timedelta(seconds=offset_s))

        decoder = OnDemandDecoder(
            self._decode,
            self._limit,
            self._newest.count_dropped,
            context=stream.codec_context,
            moment_of=lambda picture: None if picture.pts is None else moment(picture.pts),
        )
        end_s = 0.0
        for packet in container.demux(stream):
            decoder.mode = self._decode
            timestamp = packet.dts if packet.pts is None else packet.pts
            if not packet.size or timestamp is None:
                continue
            end_s = max(end_s, float((timestamp - first + (packet.duration or 0)) * base))
            yield from decoder.feed(packet, moment(timestamp))
        yield from decoder.finish()
        return end_s

    def _enter(self, state: SourceState, problem: str | None) -> None:
        with self._lock:
            if self._state not in (state, SourceState.CLOSED):
                self._state, self._since_mono_s, self._problem = state, self._mono(), problem


def open_recording(path: Path) -> InputContainer:
    """The file, its first stream of pictures sure to be there. The caller closes it.

    Raises:
        RecordingUnreadable: missing, no video file, or no pictures in it.
    """
    if not path.is_file():
        raise RecordingUnreadable(f"{path}: no such file; check the path")
    try:
        container = av.open(str(path), mode="r")
    except (av.error.FFmpegError, OSError) as error:
        raise RecordingUnreadable(_words(path, error)) from error
    if not container.streams.video:
        container.close()
        raise RecordingUnreadable(f"{path}: holds no video, only {len(container.streams)} other streams")
    return container


@dataclass(frozen=True, slots=True)
class RecordingFacts:
    """What a file says of itself.

    Attributes:
        length_s: seconds; None: it does not say.
        created_at: when it was recorded, aware UTC; None: it does not say, or says what no clock was.
    """

    length_s: float | None
    created_at: datetime | None


def recording_facts(path: Path) -> RecordingFacts:
    """Read from the head of the file. Raises RecordingUnreadable, as `open_recording` does."""
    with open_recording(path) as container:
        length_s = container.duration / av.time_base if container.duration else None
        return RecordingFacts(length_s, _created_at(container.metadata.get("creation_time", "")))


def _created_at(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    return at if at.year >= FIRST_YEAR else None


def _words(path: Path, error: Exception) -> str:
    if isinstance(error, av.error.InvalidDataError):
        return f"{path}: is not a video, or is damaged"
    return f"{path}: cannot be read ({getattr(error, 'strerror', None) or type(error).__name__})"
