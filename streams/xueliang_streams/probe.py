"""What a URL offers: codec, size, rate, distance of key pictures. For the import of cameras and the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from xueliang_streams.errors import CameraUnreachable, NotAVideo, RecordingUnreadable
from xueliang_streams.libav_opening import explain, open_rtsp
from xueliang_streams.opening import camera_scheme, recording_path
from xueliang_streams.recording import open_recording
from xueliang_streams.redaction import redact_url
from xueliang_streams.source import Mono

_KEYS_WANTED = 3
"""Two whole GOPs: one may be cut short by the moment we came."""
_SLICE_S = 0.5


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
    """

    codec: str
    size_wh: tuple[int, int]
    fps: float | None
    gop_pictures: int | None
    gop_s: float | None
    bitrate_bps: float | None


def probe(url: str, *, timeout_s: float, mono: Mono) -> Offer:
    """Look at a camera or a file until two GOPs have passed, at most `timeout_s`.

    Raises:
        UnsupportedUrl: no reader here opens it.
        CameraUnreachable, CameraRefusedLogin, NotAVideo, RecordingUnreadable: in words a person can act on.
    """
    deadline_mono_s = mono() + timeout_s
    recording = recording_path(url)
    if recording is not None:
        container = open_recording(recording)
        stream = container.streams.video[0]
        if stream.codec_context.name not in ("h264", "hevc"):
            container.close()
            raise NotAVideo(f"{recording}: needs H.264 or H.265 video, the file holds {stream.codec_context.name}")
    else:
        camera_scheme(url)
        # Opening has two steps with a time-out each.
        container, stream = open_rtsp(url, timeout_s / 2, min(_SLICE_S, timeout_s / 4), mono)
    with container:
        packets = _collect(container, stream, url, lambda: mono() < deadline_mono_s)
        size_wh = _size_wh(stream, packets)
    if size_wh is None:
        raise _no_picture(url, is_file=recording is not None, timeout_s=timeout_s)
    return _measured(stream, packets, size_wh)


def _collect(
    container: InputContainer, stream: VideoStream, url: str, has_time: Callable[[], bool]
) -> list[Packet[VideoStream]]:
    packets: list[Packet[VideoStream]] = []
    incoming = container.demux(stream)
    while has_time() and sum(packet.is_keyframe for packet in packets) < _KEYS_WANTED:
        try:
            packet = next(incoming, None)
        except av.error.ExitError:
            incoming = container.demux(stream)
            continue
        except (av.error.FFmpegError, OSError) as error:
            if packets:
                break
            raise explain(error, url) from None
        if packet is None or not packet.size:
            break
        packets.append(packet)
    return packets


def _size_wh(stream: VideoStream, packets: list[Packet[VideoStream]]) -> tuple[int, int] | None:
    """From the description, else from the first key picture."""
    context = stream.codec_context
    if context.width and context.height:
        return context.width, context.height
    for packet in packets:
        if packet.is_keyframe:
            for picture in [*context.decode(packet), *context.decode(None)]:
                return picture.width, picture.height
    return None


def _no_picture(url: str, *, is_file: bool, timeout_s: float) -> Exception:
    shown = redact_url(url)
    if is_file:
        return RecordingUnreadable(f"{shown}: holds no picture that can be decoded")
    return CameraUnreachable(f"{shown}: connected, but no key picture within {timeout_s:g} s")


def _measured(stream: VideoStream, packets: list[Packet[VideoStream]], size_wh: tuple[int, int]) -> Offer:
    base = stream.time_base or Fraction(1, 90_000)
    # libav gives the first packet of an RTSP stream no time: rates are taken from those that have one.
    times_s = [float(packet.pts * base) for packet in packets if packet.pts is not None]
    span_s = max(times_s) - min(times_s) if len(times_s) > 2 else 0.0
    fps = (len(times_s) - 1) / span_s if span_s > 0 else None
    keys = [index for index, packet in enumerate(packets) if packet.is_keyframe]
    gop = max((after - before for before, after in pairwise(keys)), default=None)
    sizes = [packet.size for packet in packets]
    return Offer(
        codec=stream.codec_context.name,
        size_wh=size_wh,
        fps=fps,
        gop_pictures=gop,
        gop_s=gop / fps if gop is not None and fps else None,
        bitrate_bps=8 * sum(sizes) / len(sizes) * fps if fps else None,
    )
