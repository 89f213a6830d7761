"""A camera by libav's RTSP reader (TCP interleaved; UDP where the camera offers nothing else), behind `FrameSource`.

One thread per camera owns the connection from open to close: libav crashes when a container is closed while another
thread reads from it. So `close` only signals; a reader without packets notices within MAX_READ_S.

What libav does when a read times out (measured with PyAV 18, TCP interleaved): with nothing under way it raises
ExitError and can go on reading; with a picture under way it returns what it has of it, unmarked. It also holds each
picture back until the next one begins, so frames carry a time one picture late, and a read that times out may return a
whole picture or half of one. Hence: a read that used up its time in a camera that usually sends faster costs that
picture, and decoding begins again at a key picture.

After a failure: back-off (`standing.py`); a refused login waits at least a minute.
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

from xueliang_streams.backoff import Backoff
from xueliang_streams.camera_thread import CameraThread
from xueliang_streams.coded_picture import Arrival
from xueliang_streams.decoding import OnDemandDecoder
from xueliang_streams.errors import CameraUnreachable, StreamError, StreamStalled
from xueliang_streams.libav_opening import Transport, explain, open_rtsp
from xueliang_streams.reconnects import Reconnects
from xueliang_streams.redaction import redact_text, redact_url
from xueliang_streams.source import Mono, SourceHealth, SourceSettings, Wall
from xueliang_streams.standing import Standing, stall_words

log = logging.getLogger(__name__)

MAX_READ_S = 4.0
"""Longest read: below the 5 s that `close` may take, and long enough that a hiccup does not cost a GOP."""
_POLL_S = 1.0
"""The injected clock is asked at least this often while an attempt waits."""
UNUSUAL_GAPS = 3.0
"""A timed-out read counts when the pause was so many usual gaps long: a camera of one picture in 5 s is not damaged."""


class LibavRtspSource(CameraThread):
    """See `FrameSource`. The URL brings its credentials; they are shown nowhere.

    Args:
        reader: what `SourceHealth.reader` says.
        last_sequence: of the frames another reader handed out before.
        reconnects: the turns it shares with other cameras; None: it backs off by itself.
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
        reconnects: Reconnects | None = None,
    ) -> None:
        super().__init__(camera_id, settings, last_sequence)
        self._url = url
        self._wall = wall
        self._mono = mono
        self._settings = settings
        self._read_timeout_s = min(MAX_READ_S, settings.stall_after_s)
        self._transport = transport
        self._lock = threading.Lock()  # guards the standing: written by our thread, read by health()
        self._standing = Standing(
            camera_id,
            backoff=backoff,
            rng=rng,
            stall_after_s=settings.stall_after_s,
            now_s=mono(),
            reconnects=reconnects,
            reader=reader,
        )

    def health(self) -> SourceHealth:
        with self._lock:
            return self._standing.health(self._mono(), self._newest.dropped(), self._stall_words())

    def close(self) -> None:
        with self._lock:
            self._standing.close(self._mono())
        if not self._stop():
            # Only while opening: libav cannot be interrupted, its deadline ends it (twice open_timeout_s at most).
            log.warning("camera still opening, left to its deadline", extra={"camera_id": self._camera_id})

    def _run(self) -> None:
        while not self._stopping.is_set():
            problem = self._connection()
            if problem is None or self._stopping.is_set():
                return
            with self._lock:
                self._standing.failed(problem, self._mono())
            self._wait_for_next_attempt()

    def _connection(self) -> StreamError | None:
        """One connection from open to close. Why it ended; None: we are closing."""
        with self._lock:
            self._standing.attempt_begins(self._mono())
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
            with self._lock:
                self._standing.packets_arrived(arrival.mono_s, opened_s)
            decoder.mode = self._decode
            self._hand_out(decoder.feed(packet, arrival))

    def _wait_for_next_attempt(self) -> None:
        while not self._stopping.is_set():
            with self._lock:
                left_s = self._standing.waits_s(self._mono())
            if left_s <= 0:
                return
            self._stopping.wait(min(left_s, _POLL_S))

    def _stall_words(self) -> str:
        return f"{redact_url(self._url)}: {stall_words(self._settings.stall_after_s)}"


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
