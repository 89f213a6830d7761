"""A camera by libav's RTSP reader (TCP interleaved; UDP where the camera offers nothing else), behind `FrameSource`.

One thread per camera owns the connection from open to close: libav crashes when a container is closed while another
thread reads from it. So `close` only signals; a reader without packets notices within MAX_READ_S.

What libav does when a read times out (measured with PyAV 18, TCP interleaved): with nothing under way it raises
ExitError and can go on reading; with a picture under way it returns what it has of it, unmarked. It also holds each
picture back until the next one begins, so frames carry a time one picture late, and a read that times out may return a
whole picture or half of one. Hence: a read that used up its time in a camera that usually sends faster costs that
picture, and decoding begins again at a key picture.

After a failure: back-off (`backoff.py`); a refused login waits at least a minute.
"""

from __future__ import annotations

import logging
import threading
import traceback
from random import Random

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from xueliang_streams.backoff import Backoff, delay_s
from xueliang_streams.coded_picture import Arrival
from xueliang_streams.decoding import OnDemandDecoder, RateLimit
from xueliang_streams.errors import CameraRefusedLogin, CameraUnreachable, StreamError, StreamStalled
from xueliang_streams.frame import Frame
from xueliang_streams.libav_opening import Transport, explain, open_rtsp
from xueliang_streams.newest_frame import NewestFrame
from xueliang_streams.redaction import redact_text, redact_url
from xueliang_streams.source import DecodeMode, Mono, SourceHealth, SourceSettings, SourceState, Wall

log = logging.getLogger(__name__)

MAX_READ_S = 4.0
"""Longest read: below the 5 s that `close` may take, and long enough that a hiccup does not cost a GOP."""
CLOSE_WAITS_S = 4.8
_POLL_S = 1.0
"""The injected clock is asked at least this often while an attempt waits."""
STEADY_AFTER_S = 10.0
"""A connection that held this long was a success: the next failure begins a new row. A camera that answers and dies at
once keeps backing off."""
UNUSUAL_GAPS = 3.0
"""A timed-out read counts when the pause was so many usual gaps long: a camera of one picture in 5 s is not damaged."""


class LibavRtspSource:
    """See `FrameSource`. The URL brings its credentials; they are shown nowhere.

    Args:
        reader: what `SourceHealth.reader` says.
        last_sequence: of the frames another reader handed out before.
    """

    def __init__(
        self,
        camera_id: str,
        url: str,
        *,
        wall: Wall,
        mono: Mono,
        settings: SourceSettings,
        backoff: Backoff,
        rng: Random,
        transport: Transport = "tcp",
        reader: str = "libav",
        last_sequence: int = 0,
    ) -> None:
        self._camera_id = camera_id
        self._url = url
        self._wall = wall
        self._mono = mono
        self._settings = settings
        self._read_timeout_s = min(MAX_READ_S, settings.stall_after_s)
        self._backoff = backoff
        self._rng = rng
        self._newest = NewestFrame()
        self._limit = RateLimit(settings.max_fps)
        self._decode = settings.decode
        self._transport = transport
        self._reader = reader
        self._sequence = last_sequence
        self._failures = 0
        self._logged: str | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()  # guards what follows: written by the reader, read by health()
        self._state = SourceState.CONNECTING
        self._since_mono_s = mono()
        self._last_packet_mono_s: float | None = None
        self._problem: str | None = None
        self._attempts = 0
        self._next_attempt_mono_s: float | None = None

    @property
    def camera_id(self) -> str:
        return self._camera_id

    def start(self) -> None:
        with self._lock:
            if self._thread is not None or self._stopping.is_set():
                return
            self._thread = threading.Thread(target=self._run, name=f"camera {self._camera_id}", daemon=True)
            self._thread.start()

    def next_frame(self, newer_than: int, timeout_s: float) -> Frame | None:
        return self._newest.take(newer_than, timeout_s)

    def set_decode(self, mode: DecodeMode) -> None:
        """Decode other pictures from now on; to `all` it takes effect at the next key picture."""
        self._decode = mode

    def health(self) -> SourceHealth:
        now_s = self._mono()
        with self._lock:
            state, since_s, problem = self._state, self._since_mono_s, self._problem
            last_s, next_s, attempts = self._last_packet_mono_s, self._next_attempt_mono_s, self._attempts
        if state is SourceState.STREAMING and last_s is not None and now_s - last_s > self._settings.stall_after_s:
            # The reader comes to the same conclusion when its read times out; who asks need not wait for it.
            state, since_s, problem = SourceState.STALLED, last_s + self._settings.stall_after_s, self._stall_words()
        return SourceHealth(
            state=state,
            since_mono_s=since_s,
            last_packet_mono_s=last_s,
            problem=problem,
            attempts=attempts,
            frames_dropped=self._newest.dropped(),
            next_attempt_in_s=None if next_s is None else max(0.0, next_s - now_s),
            reader=self._reader,
        )

    def close(self) -> None:
        self._stopping.set()
        self._newest.close()
        self._enter(SourceState.CLOSED, None)
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSE_WAITS_S)
            if thread.is_alive():
                # Only while opening: libav cannot be interrupted, its deadline ends it (twice open_timeout_s at most).
                log.warning("camera still opening, left to its deadline", extra={"camera_id": self._camera_id})

    def _run(self) -> None:
        while not self._stopping.is_set():
            problem = self._connection()
            if problem is None or self._stopping.is_set():
                return
            self._fail(problem)
            self._wait_for_next_attempt()

    def _connection(self) -> StreamError | None:
        """One connection from open to close. Why it ended; None: we are closing."""
        with self._lock:
            self._attempts += 1
            self._next_attempt_mono_s = None
        container = None
        try:
            container, stream = open_rtsp(
                self._url,
                self._settings.open_timeout_s,
                self._read_timeout_s,
                self._mono,
                transport=self._transport,
            )
            self._read(container, stream)
        except StreamError as problem:
            return problem
        except Exception as error:  # a defect must not end a camera for ever: say it, back off, try again
            trace = redact_text(traceback.format_exc())
            log.error("camera reader failed", extra={"camera_id": self._camera_id, "trace": trace})
            return CameraUnreachable(f"{redact_url(self._url)}: the reader failed ({type(error).__name__})")
        finally:
            if container is not None:
                container.close()
        return None

    def _read(self, container: InputContainer, stream: VideoStream) -> None:
        """Packets to frames until we close. Raises StreamError when the connection is over."""
        decoder = OnDemandDecoder(self._decode, self._limit, self._newest.count_dropped, context=stream.codec_context)
        packets = container.demux(stream)
        opened_s = self._mono()
        pauses = _Pauses(opened_s, self._read_timeout_s)
        while not self._stopping.is_set():
            reading_since_s = self._mono()
            packet: Packet[VideoStream] | None = None
            try:
                packet = next(packets, None)
                if packet is None or not packet.size:
                    raise CameraUnreachable(f"{redact_url(self._url)}: the camera closed the connection")
            except av.error.ExitError:
                packets = container.demux(stream)
            except (av.error.FFmpegError, OSError) as error:
                raise explain(error, self._url) from None
            arrival = Arrival(self._mono(), self._wall())
            if packet is not None and pauses.may_be_half(reading_since_s, arrival.mono_s):
                self._newest.count_dropped("damaged")
                decoder.restart()
                packet = None
            if packet is None:
                if arrival.mono_s - pauses.last_packet_s >= self._settings.stall_after_s:
                    raise StreamStalled(self._stall_words())
                continue
            pauses.packet_arrived(arrival.mono_s)
            self._packet_arrived(arrival, opened_s)
            decoder.mode = self._decode
            self._publish(decoder, packet, arrival)

    def _publish(self, decoder: OnDemandDecoder, packet: Packet[VideoStream], arrival: Arrival) -> None:
        for decoded in decoder.feed(packet, arrival):
            self._sequence += 1
            frame = Frame(
                camera_id=self._camera_id,
                sequence=self._sequence,
                planes=decoded.planes,
                received_mono_s=decoded.arrival.mono_s,
                received_at=decoded.arrival.at,
                is_key=decoded.is_key,
            )
            self._newest.put(frame)

    def _packet_arrived(self, arrival: Arrival, opened_s: float) -> None:
        if arrival.mono_s - opened_s > STEADY_AFTER_S:
            self._failures = 0
        with self._lock:
            self._last_packet_mono_s = arrival.mono_s
            attempts, self._attempts = self._attempts, 0
            is_news = self._state is not SourceState.STREAMING
        if is_news:
            self._logged = None
            self._enter(SourceState.STREAMING, None)
            log.info("camera streaming", extra={"camera_id": self._camera_id, "attempts": attempts})

    def _fail(self, problem: StreamError) -> None:
        self._failures += 1
        login_refused = isinstance(problem, CameraRefusedLogin)
        wait_s = delay_s(self._failures, self._backoff, self._rng, login_refused=login_refused)
        with self._lock:
            self._next_attempt_mono_s = self._mono() + wait_s
            had_packets = self._attempts == 0
        if login_refused:
            state = SourceState.AUTH_FAILED
        elif isinstance(problem, StreamStalled) and had_packets:
            state = SourceState.STALLED  # until a reconnect fails
        else:
            state = SourceState.OFFLINE
        self._enter(state, str(problem))
        if self._logged != str(problem):  # a repeated fault is logged once; health() counts the attempts
            self._logged = str(problem)
            log.warning("camera away", extra={"camera_id": self._camera_id, "problem": self._logged})

    def _wait_for_next_attempt(self) -> None:
        while not self._stopping.is_set():
            left_s = (self._next_attempt_mono_s or 0.0) - self._mono()
            if left_s <= 0:
                return
            self._stopping.wait(min(left_s, _POLL_S))

    def _enter(self, state: SourceState, problem: str | None) -> None:
        with self._lock:
            if self._state is SourceState.CLOSED:
                return
            if self._state is not state:
                self._state, self._since_mono_s = state, self._mono()
            self._problem = problem

    def _stall_words(self) -> str:
        return f"{redact_url(self._url)}: connected, but no packet for {self._settings.stall_after_s:g} s; reconnecting"


class _Pauses:
    """The gaps between one connection's packets, and which packet may be half a picture."""

    def __init__(self, opened_s: float, read_timeout_s: float) -> None:
        self.last_packet_s = opened_s
        self._read_timeout_s = read_timeout_s
        self._packets = 0
        self._usual_gap_s = 0.0

    def may_be_half(self, reading_since_s: float, now_s: float) -> bool:
        """Whether the read that just gave a packet timed out, in a camera that usually sends faster."""
        has_timed_out = now_s - reading_since_s >= self._read_timeout_s
        is_unusual = now_s - self.last_packet_s > UNUSUAL_GAPS * self._usual_gap_s
        return has_timed_out and is_unusual and self._packets > 1

    def packet_arrived(self, now_s: float) -> None:
        if self._packets:  # the first packet waited for nothing: opening has read it already
            self._usual_gap_s += (now_s - self.last_packet_s - self._usual_gap_s) / min(self._packets, 16)
        self._packets += 1
        self.last_packet_s = now_s
