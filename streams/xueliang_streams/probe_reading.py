"""What a camera or a file sends in a few seconds, coded: by our own reader, by libav, or from disk.

Invariants:
- Ends by its deadline, whatever the other side does.
- Of a picture that nobody will decode only its size and time are kept: a long look at a 4K camera stays below 40 MB.
- Sound that is offered is noticed, and never set up.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any, Final, Literal

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from xueliang_streams.coded_picture import Arrival, CodedPicture
from xueliang_streams.errors import NotAVideo, NotSpoken, StreamError
from xueliang_streams.libav_opening import Transport, explain, open_rtsp
from xueliang_streams.recording import open_recording
from xueliang_streams.redaction import redact_url
from xueliang_streams.rtsp.connection import NameLookup
from xueliang_streams.rtsp.reader import SCRATCH_BYTES, TALK_POLL_S, place_of
from xueliang_streams.rtsp.sender_reports import UNIT_HZ
from xueliang_streams.rtsp.session import Session, named
from xueliang_streams.source import Mono, Wall

KEYS_WANTED: Final = 3
"""Two whole GOPs: one may be cut short by the moment we came."""
RUN_LENGTH: Final = 50
"""Pictures kept from the first key picture on, to measure what decoding all of them costs: a usual GOP."""
MAX_PICTURES: Final = 3_000
"""Half a minute of the fastest cameras."""
_SLICE_S: Final = 0.5

ReaderName = Literal["own", "libav", "file"]


@dataclass(frozen=True, slots=True)
class Caught:
    """One coded picture as it came.

    Attributes:
        packet: what a decoder takes; None: not kept.
        size_bytes: of the coded picture.
        time_s: by the stream's own time, from any beginning; None: it has none.
        ahead_s: how far the camera's clock was ahead of ours when the picture arrived; None: not known.
    """

    packet: Packet[Any] | None
    is_key: bool
    size_bytes: int
    time_s: float | None
    ahead_s: float | None = None


@dataclass(slots=True)
class Catch:
    """All that came.

    Attributes:
        context: decodes the packets; valid inside `caught`.
        reader_note: why the usual reader did not serve; empty otherwise.
        offers_sound: None: not known.
        watched_s: from the first picture to the end.
    """

    codec: str
    context: VideoCodecContext
    reader: ReaderName
    reader_note: str = ""
    offers_sound: bool | None = None
    pictures: list[Caught] = field(default_factory=list)
    packets_lost: int = 0
    pictures_damaged: int = 0
    watched_s: float = 0.0

    @property
    def keys(self) -> int:
        """Key pictures so far."""
        return sum(picture.is_key for picture in self.pictures)

    def add(
        self,
        packet: Packet[Any],
        *,
        is_key: bool,
        time_s: float | None,
        ahead_s: float | None = None,
    ) -> None:
        """Keep a picture, its data only while it may be decoded."""
        is_kept = (is_key and self.keys < KEYS_WANTED) or len(self.pictures) < RUN_LENGTH
        self.pictures.append(Caught(packet if is_kept else None, is_key, packet.size, time_s, ahead_s))

    @property
    def is_enough(self) -> bool:
        return self.keys >= KEYS_WANTED or len(self.pictures) >= MAX_PICTURES


@contextmanager
def caught_from_file(path: Path, deadline_mono_s: float, mono: Mono) -> Iterator[Catch]:
    """Two GOPs of a recording.

    Raises:
        RecordingUnreadable, NotAVideo: in words a person can act on.
    """
    with open_recording(path) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context.name
        if codec not in ("h264", "hevc"):
            raise NotAVideo(f"{path}: needs H.264 or H.265 video, the file holds {codec}")
        catch = Catch(codec, stream.codec_context, "file", offers_sound=bool(container.streams.audio))
        _drain(container, stream, catch, str(path), deadline_mono_s, mono)
        yield catch


@contextmanager
def caught_from_camera(url: str, *, timeout_s: float, clock_wait_s: float, wall: Wall, mono: Mono) -> Iterator[Catch]:
    """Two GOPs of a camera by our own reader, or by libav where ours does not speak what is offered.

    Over `rtsps` only ours is used: libav would not verify whom it speaks with.

    Raises:
        UnsupportedUrl, CameraUnreachable, CameraRefusedLogin, NotAVideo, NotSpoken: in words a person can act on.
    """
    deadline_mono_s = mono() + timeout_s
    try:
        catch = _by_own_reader(url, timeout_s, clock_wait_s, wall, mono)
    except NotSpoken as reason:
        if place_of(url)[2]:
            raise
        left_s = max(1.0, deadline_mono_s - mono())
        transport: Transport = "udp" if reason.is_udp_only else "tcp"
        container, stream = open_rtsp(url, left_s / 2, min(_SLICE_S, left_s / 4), mono, transport=transport)
        with container:
            codec = stream.codec_context.name
            catch = Catch(codec, stream.codec_context, "libav", reader_note=reason.reason)
            _drain(container, stream, catch, url, deadline_mono_s, mono)
            yield catch
        return
    yield catch


def _by_own_reader(url: str, timeout_s: float, clock_wait_s: float, wall: Wall, mono: Mono) -> Catch:
    shown = redact_url(url)
    host, port, is_tls = place_of(url)
    began_s = mono()
    session = Session(
        url,
        host,
        lookup=NameLookup(host, port),
        tls=ssl.create_default_context() if is_tls else None,
        scratch=memoryview(bytearray(SCRATCH_BYTES)),
        open_timeout_s=timeout_s / 2,
        stall_after_s=timeout_s,
        now_s=began_s,
    )
    session.set_assemble("all")
    catch: Catch | None = None
    pause = threading.Event()  # never set: a wait that is no call of the system's clock
    try:
        while (now_s := mono()) < began_s + timeout_s:
            pictures = session.poll(Arrival(now_s, wall()))
            if session.media is not None and catch is None:
                context = av.CodecContext.create(session.media.codec, "r")
                catch = Catch(session.media.codec, context, "own", offers_sound=session.media.offers_sound)
            if catch is not None and _take(catch, pictures, clock_wait_s):
                break
            pause.wait(TALK_POLL_S)
    except StreamError as problem:
        if catch is None or not catch.pictures:
            raise named(problem, shown) from None
    finally:
        session.close()
    if catch is None:
        raise NotAVideo(f"{shown}: described no video within {timeout_s:g} s")
    catch.packets_lost, catch.pictures_damaged = session.counts["lost"], session.counts["damaged"]
    return catch


def _take(catch: Catch, pictures: list[CodedPicture], clock_wait_s: float) -> bool:
    """Keep what came; whether it is enough."""
    for picture in pictures:
        ahead_s = None if picture.captured_at is None else _ahead_s(picture.captured_at, picture.arrival)
        catch.add(Packet(picture.data), is_key=picture.is_key, time_s=picture.rtp_time / UNIT_HZ, ahead_s=ahead_s)
    if not catch.pictures:
        return False
    first_s, last_s = catch.pictures[0].time_s, catch.pictures[-1].time_s
    assert first_s is not None
    assert last_s is not None
    catch.watched_s = last_s - first_s
    knows_clock = any(one.ahead_s is not None for one in catch.pictures) or catch.watched_s >= clock_wait_s
    return catch.is_enough and (knows_clock or len(catch.pictures) >= MAX_PICTURES)


def _ahead_s(captured_at: datetime, arrival: Arrival) -> float:
    return (captured_at - arrival.at).total_seconds()


def _drain(
    container: InputContainer, stream: VideoStream, catch: Catch, url: str, deadline_mono_s: float, mono: Mono
) -> None:
    base = stream.time_base or Fraction(1, UNIT_HZ)
    incoming = container.demux(stream)
    began_s = mono()
    for _ in count():
        if mono() >= deadline_mono_s or catch.is_enough:
            break
        try:
            packet = next(incoming, None)
        except av.error.ExitError:
            incoming = container.demux(stream)
            continue
        except (av.error.FFmpegError, OSError) as error:
            if catch.pictures:
                break
            raise explain(error, url) from None
        if packet is None or not packet.size:
            break
        catch.add(packet, is_key=packet.is_keyframe, time_s=None if packet.pts is None else float(packet.pts * base))
    times_s = [one.time_s for one in catch.pictures if one.time_s is not None]
    catch.watched_s = max(times_s) - min(times_s) if times_s else mono() - began_s
