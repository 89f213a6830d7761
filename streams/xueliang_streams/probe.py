"""What a URL offers: codec, size, rate, distance of key pictures, and what its pictures cost to decode.

For the import of cameras and the command line. Nothing is guessed: a figure that was not seen is None.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import av
from av.packet import Packet
from av.video.frame import VideoFrame

from xueliang_streams.decoded_planes import planes_of
from xueliang_streams.errors import CameraUnreachable, RecordingUnreadable, StreamError
from xueliang_streams.frame import Planes
from xueliang_streams.opening import camera_scheme, recording_path, refuse_half_addresses
from xueliang_streams.probe_reading import RUN_LENGTH, Catch, ReaderName, caught_from_camera, caught_from_file
from xueliang_streams.redaction import redact_url
from xueliang_streams.source import Mono, Wall

CLOCK_WAIT_S: Final = 6.0
"""Cameras send a sender report every five seconds (RFC 3550, 6.2), and a little later than that."""
PICTURES_KEPT: Final = 3
"""The newest and two before it: what moved between them is hidden in a still."""
_CPU_S: Final[Callable[[], float]] = time.thread_time


@dataclass(frozen=True, slots=True)
class Offer:
    """What one URL offers.

    Attributes:
        codec: "h264" or "hevc".
        size_wh: width and height in pixels.
        fps: pictures a second, measured; None: too few pictures came.
        gop_pictures: longest distance of key pictures seen; None: fewer than two key pictures came before the deadline.
        gop_s: the same in seconds.
        bitrate_bps: of the video as it came; None: too few pictures came.
        pixel_format: as the decoder names it, "yuv420p" in nearly all cameras.
        display_aspect: width by height as it is meant to be shown.
        key_decode_ms: CPU milliseconds of each key picture that was decoded.
        all_decode_ms: CPU milliseconds a picture when all are decoded; None: only key pictures were.
        key_bytes: size of a key picture, the mean.
        clock_ahead_s: how far the camera's clock is ahead of ours (behind: negative), by its sender reports; encoding
            and network are in it, some tenths of a second. None: it sent none, or a reader that cannot tell was used.
        offers_sound: sound that is never set up; None: not known.
        reader: which reader served; reader_note: why not our own.
        watched_s: how long it was watched, by the stream's own time.
        packets_lost, pictures_damaged: on the way here, while watching.
    """

    codec: str
    size_wh: tuple[int, int]
    fps: float | None
    gop_pictures: int | None
    gop_s: float | None
    bitrate_bps: float | None
    pixel_format: str = "yuv420p"
    is_interlaced: bool = False
    display_aspect: float = 0.0
    key_decode_ms: tuple[float, ...] = ()
    all_decode_ms: float | None = None
    key_bytes: int = 0
    clock_ahead_s: float | None = None
    offers_sound: bool | None = None
    reader: ReaderName = "own"
    reader_note: str = ""
    watched_s: float = 0.0
    packets_lost: int = 0
    pictures_damaged: int = 0


def probe(url: str, *, timeout_s: float, wall: Wall, mono: Mono, clock_wait_s: float = CLOCK_WAIT_S) -> Offer:
    """Look at a camera or a file until two GOPs have passed, at most `timeout_s`.

    Args:
        clock_wait_s: how long to wait for a word of the camera's clock, when two GOPs are shorter.

    Raises:
        UnsupportedUrl: no reader here opens it.
        CameraUnreachable, CameraRefusedLogin, NotAVideo, NotSpoken, RecordingUnreadable: in words a person can act on.
    """
    return probe_with_pictures(url, timeout_s=timeout_s, wall=wall, mono=mono, clock_wait_s=clock_wait_s)[0]


def probe_with_pictures(
    url: str, *, timeout_s: float, wall: Wall, mono: Mono, clock_wait_s: float = CLOCK_WAIT_S
) -> tuple[Offer, tuple[Planes, ...]]:
    """`probe`, with up to three of the pictures that were decoded for it, newest first, all of one size."""
    refuse_half_addresses(url)
    recording = recording_path(url)
    catching: AbstractContextManager[Catch]
    if recording is not None:
        catching = caught_from_file(recording, mono() + timeout_s, mono)
    else:
        camera_scheme(url)
        catching = caught_from_camera(url, timeout_s=timeout_s, clock_wait_s=clock_wait_s, wall=wall, mono=mono)
    with catching as catch:
        decoded = _decode(catch)
    if decoded is None:
        raise _no_picture(url, is_file=recording is not None, timeout_s=timeout_s)
    return _offer(catch, decoded), decoded.pictures


@dataclass(frozen=True, slots=True)
class _DecodedSome:
    key_ms: tuple[float, ...]
    all_ms: float | None
    pixel_format: str
    is_interlaced: bool
    display_aspect: float
    pictures: tuple[Planes, ...]

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.pictures[0].size_wh


def _decode(catch: Catch) -> _DecodedSome | None:
    """Each key picture by itself, then the run from the first one on. None: nothing could be decoded."""
    catch.context.thread_count = 1
    key_ms: list[float] = []
    shown: list[VideoFrame] = []
    for picture in catch.pictures:
        if picture.is_key and picture.packet is not None:
            run = _decoded(catch, [picture.packet])
            if run.kept:
                key_ms.append(run.spent_ms)
                shown.append(run.kept[-1])
    if not shown:
        return None
    run = _decoded(catch, [one.packet for one in catch.pictures[_first_key(catch) :] if one.packet is not None])
    all_ms = run.spent_ms / run.pictures if run.pictures > 1 else None
    if len(shown) < 2:
        # Long GOPs: what moved is seen between the begin, the middle and the end of the run.
        shown = run.kept or shown
    newest = shown[-1]
    same_size = [one for one in reversed(shown) if (one.width, one.height) == (newest.width, newest.height)]
    try:
        pictures = tuple(planes_of(one) for one in same_size[:PICTURES_KEPT])
    except av.error.FFmpegError:  # a format that cannot be brought to 8-bit 4:2:0
        return None
    aspect = _display_aspect(catch, newest)
    return _DecodedSome(tuple(key_ms), all_ms, newest.format.name, bool(newest.interlaced_frame), aspect, pictures)


def _first_key(catch: Catch) -> int:
    return next((index for index, picture in enumerate(catch.pictures) if picture.is_key), 0)


@dataclass(slots=True)
class _Run:
    """Pictures decoded one after the other; the first, the middle one and the last are kept, in this order."""

    spent_ms: float = 0.0
    pictures: int = 0
    kept: list[VideoFrame] = field(default_factory=list)

    def add(self, frame: VideoFrame) -> None:
        self.kept = [*self.kept[: 1 if self.pictures <= RUN_LENGTH // 2 else 2], frame]
        self.pictures += 1


def _decoded(catch: Catch, packets: list[Packet[Any]]) -> _Run:
    """Damage ends the run."""
    run = _Run()
    began_s = _CPU_S()
    try:
        for packet in [*packets, None]:
            for frame in catch.context.decode(packet):
                if not frame.is_corrupt:
                    run.add(frame)
    except av.error.FFmpegError:
        pass
    run.spent_ms = 1000 * (_CPU_S() - began_s)
    if catch.context.is_open:
        catch.context.flush_buffers()
    return run


def _display_aspect(catch: Catch, picture: VideoFrame) -> float:
    stretched = catch.context.sample_aspect_ratio
    return picture.width * float(stretched or 1) / picture.height


def _no_picture(url: str, *, is_file: bool, timeout_s: float) -> StreamError:
    shown = redact_url(url)
    if is_file:
        return RecordingUnreadable(f"{shown}: holds no picture that can be decoded")
    return CameraUnreachable(f"{shown}: connected, but no key picture within {timeout_s:g} s")


def _offer(catch: Catch, decoded: _DecodedSome) -> Offer:
    # libav gives the first packet of an RTSP stream no time: rates are taken from those that have one.
    times_s = [one.time_s for one in catch.pictures if one.time_s is not None]
    span_s = max(times_s) - min(times_s) if len(times_s) > 2 else 0.0
    fps = (len(times_s) - 1) / span_s if span_s > 0 else None
    keys = [index for index, one in enumerate(catch.pictures) if one.is_key]
    gop = max((after - before for before, after in pairwise(keys)), default=None)
    sizes = [one.size_bytes for one in catch.pictures]
    ahead_s = [one.ahead_s for one in catch.pictures if one.ahead_s is not None]
    return Offer(
        codec=catch.codec,
        size_wh=decoded.size_wh,
        fps=fps,
        gop_pictures=gop,
        gop_s=gop / fps if gop is not None and fps else None,
        bitrate_bps=8 * sum(sizes) / len(sizes) * fps if fps else None,
        pixel_format=decoded.pixel_format,
        is_interlaced=decoded.is_interlaced,
        display_aspect=decoded.display_aspect,
        key_decode_ms=decoded.key_ms,
        all_decode_ms=decoded.all_ms,
        key_bytes=round(statistics.fmean(catch.pictures[index].size_bytes for index in keys)),
        # The picture that was least delayed on its way tells the difference of the clocks best.
        clock_ahead_s=max(ahead_s) if ahead_s else None,
        offers_sound=catch.offers_sound,
        reader=catch.reader,
        reader_note=catch.reader_note,
        watched_s=catch.watched_s,
        packets_lost=catch.packets_lost,
        pictures_damaged=catch.pictures_damaged,
    )
