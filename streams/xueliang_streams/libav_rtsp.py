"""A camera by libav's RTSP reader (TCP interleaved; UDP where the camera offers nothing else), behind `FrameSource`.

One thread per camera owns the connection from open to close: libav crashes when a container is closed while another
thread reads from it. So `close` only signals; a reader without packets notices within MAX_READ_S.

What libav does when a read times out (measured with PyAV 18, TCP interleaved): with nothing under way it raises
ExitError and can go on reading; with a picture under way it returns what it has of it, unmarked. It also holds each
picture back until the next one begins, so frames carry a time one picture late, and a read that times out may return a
whole picture or half of one. Hence: a read that used up its time in a camera that usually sends faster costs that
picture, and decoding begins again at a key picture.

While key pictures alone are decoded, the packets since the last one are kept (bounded): whoever wants all pictures from
now on has them from that key picture on, and waits for none.

After a failure: back-off (`standing.py`); a refused login waits at least a minute.
"""

from __future__ import annotations

import logging
import threading
import traceback
from dataclasses import replace
from random import Random
from typing import Final

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
from xueliang_streams.source import DecodeMode, Mono, SourceHealth, SourceSettings, StreamRates, Wall
from xueliang_streams.standing import Standing, stall_words

log = logging.getLogger(__name__)

MAX_READ_S = 4.0
"""Longest read: below the 5 s that `close` may take, and long enough that a hiccup does not cost a GOP."""
_POLL_S = 1.0
"""The injected clock is asked at least this often while an attempt waits."""
UNUSUAL_GAPS = 3.0
"""A timed-out read counts when the pause was so many usual gaps long: a camera of one picture in 5 s is not damaged."""
KEPT_BYTES: Final = 6 << 20
"""Of packets since a key picture: 12 s of a 4 Mbit/s camera."""


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
        self._lock = threading.Lock()  # guards standing and rates: written by our thread, read by health()
        self._rates = StreamRates()
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
            health = self._standing.health(self._mono(), self._newest.dropped(), self._stall_words())
            return replace(health, rates=self._rates)

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
            self._rates = replace(self._rates, last_key_mono_s=None)
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
        rhythm, kept = _Rhythm(), _SinceKey()
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
                kept.forget()
                packet = None
            if packet is None:
                if arrival.mono_s - pauses.last_packet_s >= self._settings.stall_after_s:
                    raise StreamStalled(self._stall_words())
                continue
            pauses.packet_arrived(arrival.mono_s)
            kept.came(packet, arrival)
            mode, decoded_before = self._decode, decoder.pictures
            begins_all = mode is DecodeMode.ALL and decoder.mode is not DecodeMode.ALL
            decoder.mode = mode
            for waiting, at in (begins_all and kept.all()) or [(packet, arrival)]:
                self._hand_out(decoder.feed(waiting, at))
            if mode is DecodeMode.ALL:
                kept.forget()
            with self._lock:
                self._standing.packets_arrived(arrival.mono_s, opened_s)
                decoded = self._rates.pictures_decoded + decoder.pictures - decoded_before
                rates = rhythm.came(self._rates, packet, arrival.mono_s)
                self._rates = replace(rates, pictures_decoded=decoded)

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


class _Rhythm:
    """How often one connection's key pictures come, by the stream's own time where it has one."""

    def __init__(self) -> None:
        self._key: tuple[float | None, float] | None = None  # the last one, by the stream's time and when it arrived
        self._pictures = 0
        self._bytes = 0

    def came(self, rates: StreamRates, packet: Packet[VideoStream], at_mono_s: float) -> StreamRates:
        """What is known with one picture more."""
        stamp = packet.dts if packet.pts is None else packet.pts
        key = (None if stamp is None or packet.time_base is None else float(stamp * packet.time_base), at_mono_s)
        if packet.is_keyframe:
            interval_s = None if self._key is None else _between_s(self._key, key)
            if interval_s is not None:
                rates = replace(
                    rates,
                    key_interval_s=interval_s,
                    pictures_per_s=self._pictures / interval_s,
                    mbit_per_s=self._bytes * 8e-6 / interval_s,
                )
            rates = replace(rates, last_key_mono_s=at_mono_s)
            self._key, self._pictures, self._bytes = key, 0, 0
        elif self._key is not None and self._key[0] is None and key[0] is not None:
            self._key = key  # libav gives a connection's first packet no time: the next one's is a picture later
        self._pictures += 1
        self._bytes += packet.size
        return rates


def _between_s(before: tuple[float | None, float], after: tuple[float | None, float]) -> float | None:
    """From one key picture to the next; None: cannot be said."""
    if before[0] is not None and after[0] is not None:
        between_s = after[0] - before[0]
    elif before[0] is None and after[0] is None:
        between_s = after[1] - before[1]
    else:
        return None
    return between_s if between_s > 0 else None


class _SinceKey:
    """The packets of one connection from the last key picture on."""

    def __init__(self) -> None:
        self._packets: list[tuple[Packet[VideoStream], Arrival]] = []
        self._bytes = 0

    def came(self, packet: Packet[VideoStream], arrival: Arrival) -> None:
        if packet.is_keyframe:
            self._packets, self._bytes = [(packet, arrival)], packet.size
        elif self._packets:
            self._packets.append((packet, arrival))
            self._bytes += packet.size
            if self._bytes > KEPT_BYTES:
                self.forget()

    def forget(self) -> None:
        """Until the next key picture."""
        self._packets = []

    def all(self) -> list[tuple[Packet[VideoStream], Arrival]]:
        """In order; empty: the next key picture must be waited for."""
        return list(self._packets)
