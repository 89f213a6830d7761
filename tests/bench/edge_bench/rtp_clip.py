"""A clip as bytes ready for a socket: every picture's RTP packets, each in its interleaved frame on channel 0.

The bytes are made once. Per loop of the clip only sequence numbers and times change, and they are written in place for
all cameras of the clip together: a camera's place in the clip and its loop number decide both, and all cameras visit a
picture in loop n before the first of them visits it in loop n + 1 (their phases differ by less than a loop). So sending
a picture is one `send` of bytes that are there already.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_streams.rtp_packets import CLOCK_HZ, RtpSender
from xueliang_streams.segments import Segment, load_segment

_FRAME_HEAD: Final = 4  # "$", channel, length
_SEQUENCE_AT: Final = _FRAME_HEAD + 2
_TIME_AT: Final = _FRAME_HEAD + 4


@dataclass(slots=True)
class ReadyPicture:
    """One picture's bytes, and for which loop of the clip their numbers hold."""

    data: bytearray
    is_key: bool
    offset_s: float
    packet_starts: NDArray[np.int64]
    first_packet: int
    loop: int = -1


class RtpClip:
    """A clip in memory. `offset_s` of a picture is when it is sent, from the loop's start."""

    def __init__(self, name: str, path: Path, ssrc: int) -> None:
        """Raises RecordingUnreadable or NotAVideo."""
        segment = load_segment(name, path)
        sender = RtpSender(segment.parameters.kinds, ssrc=ssrc, first_sequence=0)
        self.pictures: list[ReadyPicture] = []
        packets = 0
        for picture in segment.pictures:
            frames = sender.packetise(picture.units, 0)
            sizes = np.array([len(frame) + _FRAME_HEAD for frame in frames])
            data = bytearray().join(b"$\0" + len(frame).to_bytes(2, "big") + frame for frame in frames)
            starts = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
            self.pictures.append(ReadyPicture(data, picture.is_key, picture.send_offset_s, starts, packets))
            packets += len(frames)
        self.length_s = segment.length_s
        self.sender = sender
        self._packets_per_loop = packets
        # The description needs the parameter sets only; the pictures are let go.
        self.description = Segment(segment.name, segment.parameters, segment.size_wh, (), segment.length_s)

    def ready(self, index: int, loop: int) -> ReadyPicture:
        """The picture with the numbers of that loop."""
        picture = self.pictures[index]
        if picture.loop != loop:
            self._number(picture, loop)
        return picture

    def rtp_time(self, offset_s: float, loop: int) -> int:
        """The RTP time, modulo 2³², of a moment of a loop."""
        return round((offset_s + loop * self.length_s) * CLOCK_HZ) & 0xFFFFFFFF

    def _number(self, picture: ReadyPicture, loop: int) -> None:
        view = np.frombuffer(picture.data, np.uint8)
        starts = picture.packet_starts
        first = picture.first_packet + loop * self._packets_per_loop
        sequences = (first + np.arange(len(starts))) & 0xFFFF
        view[starts + _SEQUENCE_AT] = sequences >> 8
        view[starts + _SEQUENCE_AT + 1] = sequences & 0xFF
        for place, byte in enumerate(self.rtp_time(picture.offset_s, loop).to_bytes(4, "big")):
            view[starts + _TIME_AT + place] = byte
        picture.loop = loop
