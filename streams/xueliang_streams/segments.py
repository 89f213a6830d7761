"""Clips as pictures ready to send, and what a mount plays next.

A mount is a live camera: one clock for all its clients, RTP time and sequence running on over every join of segments.
Clips are held in memory; a join is clean because every segment begins with a key picture.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, cast

import av
import numpy as np

from xueliang_streams.encoding import VideoCodec, encode_clip
from xueliang_streams.errors import NotAVideo, RecordingUnreadable
from xueliang_streams.rtp_packets import Parameters, picture_units, read_parameters

HELD_S = 1.0
"""How much of the end is repeated by `once_hold_last_second`."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One coded picture.

    Attributes:
        units: NAL units in sending order.
        send_offset_s: when to send it, from the segment's start (decoding order).
        show_offset_s: what its RTP time says, from the segment's start (with B-pictures later than sending).
        is_key: decoding can begin here.
    """

    units: tuple[bytes, ...]
    send_offset_s: float
    show_offset_s: float
    is_key: bool


@dataclass(frozen=True, slots=True)
class Segment:
    """A clip in memory, beginning with a key picture; `length_s` from its first to the next segment's first one."""

    name: str
    parameters: Parameters
    size_wh: tuple[int, int]
    pictures: tuple[Picture, ...]
    length_s: float


class Mount(Protocol):
    """What one path of the server plays."""

    starts: Literal["first_play", "immediately"]

    def first(self) -> Segment:
        """The segment to begin with. Called once per start of the server."""

    def after(self, segment: Segment) -> Segment:
        """The segment to go on with. Called in the server's thread: must not block."""


class ClipMount:
    """One clip: in a loop, or once and then its last second for ever.

    Raises (at construction):
        RecordingUnreadable, NotAVideo: see `load_segment`.
    """

    def __init__(
        self,
        path: Path,
        mode: Literal["loop", "once_hold_last_second"] = "loop",
        *,
        starts: Literal["first_play", "immediately"] = "first_play",
    ) -> None:
        self.starts = starts
        self._clip = load_segment(path.stem, path)
        self._repeated = self._clip if mode == "loop" else last_second(self._clip, path)

    def first(self) -> Segment:
        return self._clip

    def after(self, segment: Segment) -> Segment:  # noqa: ARG002 - the Protocol's name
        return self._repeated


class SegmentedMount:
    """Short clips of one codec and size; at each end `next_after(name)` says which comes next (the same one: a loop).

    `next_after` runs in the server's thread and must answer at once; a name that is not there raises in that thread, is
    logged, and the running segment is repeated.
    """

    def __init__(
        self,
        segments: Mapping[str, Path],
        first: str,
        next_after: Callable[[str], str],
        *,
        starts: Literal["first_play", "immediately"] = "first_play",
    ) -> None:
        self.starts = starts
        self._segments = {name: load_segment(name, path) for name, path in segments.items()}
        self._first = self._segments[first]
        self._next_after = next_after
        kinds = {(segment.parameters.kinds.rtp_name, segment.size_wh) for segment in self._segments.values()}
        if len(kinds) > 1:
            raise ValueError(f"segments must share one codec and size, got {sorted(kinds)}")

    def first(self) -> Segment:
        return self._first

    def after(self, segment: Segment) -> Segment:
        return self._segments[self._next_after(segment.name)]


def load_segment(name: str, path: Path) -> Segment:
    """Read a clip's first video stream into memory, sound left out.

    Raises:
        RecordingUnreadable: missing, damaged, or no picture in it.
        NotAVideo: no H.264 or H.265, or it does not begin with a key picture.
    """
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise NotAVideo(f"{path}: holds no video")
            stream = container.streams.video[0]
            context = stream.codec_context
            parameters = read_parameters(context.name, bytes(context.extradata or b""))
            packets = [packet for packet in container.demux(stream) if packet.size and packet.dts is not None]
            base = stream.time_base
            size_wh = (context.width, context.height)
    except (av.error.FFmpegError, OSError) as error:
        raise RecordingUnreadable(f"{path}: {error.strerror or type(error).__name__}") from error
    if not packets or base is None:
        raise RecordingUnreadable(f"{path}: holds no picture")
    if not packets[0].is_keyframe:
        raise NotAVideo(f"{path}: must begin with a key picture")
    begin = cast(int, packets[0].dts)
    pictures = tuple(
        Picture(
            units=picture_units(bytes(packet), packet.is_keyframe, parameters),
            send_offset_s=float((cast(int, packet.dts) - begin) * base),
            show_offset_s=float((cast(int, packet.dts if packet.pts is None else packet.pts) - begin) * base),
            is_key=packet.is_keyframe,
        )
        for packet in packets
    )
    last = packets[-1]
    last_s = float(last.duration * base) if last.duration else _usual_gap_s(pictures)
    return Segment(name, parameters, size_wh, pictures, length_s=pictures[-1].send_offset_s + last_s)


def last_second(clip: Segment, path: Path) -> Segment:
    """The end of a clip as a segment of its own: cut at a key picture where one stands there, else encoded again.

    Encoded again means other parameter sets; they travel in front of each key picture, so decoders follow.
    """
    begin_s = max(0.0, clip.length_s - HELD_S)
    tolerance_s = _usual_gap_s(clip.pictures)
    for index, picture in enumerate(clip.pictures):
        if picture.is_key and abs(picture.send_offset_s - begin_s) <= tolerance_s:
            return _from_picture(clip, index)
    return _encoded_again(clip, path)


def _from_picture(clip: Segment, index: int) -> Segment:
    begin_s = clip.pictures[index].send_offset_s
    pictures = tuple(
        Picture(p.units, p.send_offset_s - begin_s, p.show_offset_s - begin_s, p.is_key) for p in clip.pictures[index:]
    )
    return Segment(f"{clip.name}, end", clip.parameters, clip.size_wh, pictures, clip.length_s - begin_s)


def _encoded_again(clip: Segment, path: Path) -> Segment:
    fps = 1 / _usual_gap_s(clip.pictures)
    count = max(1, round(HELD_S * fps))
    codec: VideoCodec = "h264" if clip.parameters.kinds.rtp_name == "H264" else "hevc"
    with av.open(str(path)) as container:
        images = deque(container.decode(video=0), maxlen=count)
        images_bgr = [np.asarray(image.to_ndarray(format="bgr24"), dtype=np.uint8) for image in images]
    with tempfile.TemporaryDirectory() as folder:
        held = Path(folder) / "end.mp4"
        # crf 16: the held second must look like what it repeats, not like a second generation.
        encode_clip(held, images_bgr, fps, codec=codec, gop=len(images_bgr), crf=16)
        return load_segment(f"{clip.name}, end", held)


def _usual_gap_s(pictures: tuple[Picture, ...]) -> float:
    if len(pictures) < 2:
        return 0.04
    return pictures[-1].send_offset_s / (len(pictures) - 1)
