"""A camera's RTP over TCP, made packet by packet: what the tests of our own reader feed to it.

Written by the RFCs, without the code of our own server, so that both are checked against the standard.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from xueliang_streams.coded_picture import Arrival, Codec, CodedPicture
from xueliang_streams.rtsp.interleaved import Fed, InterleavedReader

START = b"\0\0\0\1"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TICKS = 3_600
"""RTP time between two pictures at 25 fps."""

SETS: dict[Codec, tuple[bytes, ...]] = {
    "h264": (bytes.fromhex("6764000bacd942"), bytes.fromhex("68ebecb2")),
    "hevc": (
        bytes.fromhex("40010c01ffff01600000030090000003000003003f959809"),
        bytes.fromhex("420101016000000300900000030000030078a0"),
        bytes.fromhex("4401c172b462"),
    ),
}
_HEADS: dict[Codec, dict[str, bytes]] = {
    "h264": {"key": b"\x65", "slice": b"\x41", "sei": b"\x06", "delimiter": b"\x09", "filler": b"\x0c"},
    "hevc": {
        "key": b"\x26\x01",
        "slice": b"\x02\x01",
        "cra": b"\x2a\x01",
        "rasl": b"\x10\x01",
        "radl": b"\x0c\x01",
        "sei": b"\x4e\x01",
        "suffix_sei": b"\x50\x01",
        "delimiter": b"\x46\x01",
        "filler": b"\x4c\x01",
        "end": b"\x48\x01",
    },
}


def unit(codec: Codec, kind: str, size: int = 40, *, is_first: bool = True, fill: int = 0) -> bytes:
    """A unit of this many bytes behind its head; a slice says whether it is the first of its picture."""
    row = bytes((fill * 7 + index * 31) % 251 + 1 for index in range(min(size, 251)))  # no zeros: no start codes
    body = bytearray((row * (size // 251 + 1))[:size])
    if body:
        body[0] = body[0] | 0x80 if is_first else body[0] & 0x7F
    return _HEADS[codec][kind] + bytes(body)


def annex_b(units: Iterable[bytes]) -> bytes:
    return b"".join(START + each for each in units)


def arrival(mono_s: float = 100.0) -> Arrival:
    return Arrival(mono_s, NOON)


@dataclass
class Camera:
    """Running numbers of one stream. Each packet is a whole `$` frame."""

    codec: Codec = "h264"
    ssrc: int = 0x1234
    sequence: int = 100
    payload_type: int = 96
    channel: int = 0
    limit: int = 1_400
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    """RTP time and data of each picture made by `picture`, as a reader hands it out, without parameter sets."""

    def packet(
        self,
        payload: bytes,
        rtp_time: int,
        *,
        is_marked: bool = False,
        padding: int = 0,
        sources: int = 0,
        extension: bytes | None = None,
        sequence: int | None = None,
        payload_type: int | None = None,
    ) -> bytes:
        """One packet; `sequence` given: the running number stays."""
        if sequence is None:
            sequence = self.sequence
            self.sequence = self.sequence + 1 & 0xFFFF
        bits = 0x80 | sources | (0x10 if extension is not None else 0) | (0x20 if padding else 0)
        kind = (self.payload_type if payload_type is None else payload_type) | (0x80 if is_marked else 0)
        head = struct.pack(">BBHII", bits, kind, sequence & 0xFFFF, rtp_time % 2**32, self.ssrc) + bytes(4 * sources)
        if extension is not None:
            head += struct.pack(">HH", 0xBEDE, len(extension) // 4) + extension
        tail = bytes(padding - 1) + bytes([padding]) if padding else b""
        return framed(self.channel, head + payload + tail)

    def payloads(self, units: Sequence[bytes], *, aggregated: bool = False) -> list[bytes]:
        """Single units, fragments, and aggregates when asked for."""
        out: list[bytes] = []
        group: list[bytes] = []
        for each in units:
            fits = sum(map(len, group)) + 2 * len(group) + len(each) + 4 <= self.limit
            if aggregated and fits:
                group.append(each)
                continue
            out += [self.aggregate(group)] if group else []
            group = []
            out += [each] if len(each) <= self.limit else self.fragments(each)
        return [*out, self.aggregate(group)] if group else out

    def aggregate(self, units: Sequence[bytes]) -> bytes:
        head = b"\x78" if self.codec == "h264" else b"\x60\x01"  # STAP-A; AP
        return head + b"".join(len(each).to_bytes(2, "big") + each for each in units)

    def fragments(self, whole: bytes) -> list[bytes]:
        """FU-A or FU, at least two."""
        if self.codec == "h264":
            head, body, kind = bytes([whole[0] & 0xE0 | 28]), whole[1:], whole[0] & 0x1F
        else:
            head, body, kind = bytes([whole[0] & 0x81 | 49 << 1, whole[1]]), whole[2:], whole[0] >> 1 & 0x3F
        room = min(self.limit - 3, -(-len(body) // 2))
        parts = [body[at : at + room] for at in range(0, len(body), room)]
        flags = [0x80, *[0] * (len(parts) - 2), 0x40]
        return [head + bytes([flag | kind]) + part for flag, part in zip(flags, parts, strict=True)]

    def picture(
        self, units: Sequence[bytes], rtp_time: int, *, aggregated: bool = False, marks: str = "last"
    ) -> list[bytes]:
        """All packets of a picture; marks: on the `last`, on `each` or on `none`."""
        payloads = self.payloads(units, aggregated=aggregated)
        kept = [
            each for each in units if each not in SETS[self.codec] and each[:1] != _HEADS[self.codec]["delimiter"][:1]
        ]
        self.sent.append((rtp_time, annex_b(kept)))
        last = len(payloads) - 1
        return [
            self.packet(payload, rtp_time, is_marked=marks == "each" or (marks == "last" and index == last))
            for index, payload in enumerate(payloads)
        ]

    def reader(self, *, sets: Sequence[bytes] | None = None, clock_hz: int = 90_000) -> InterleavedReader:
        """A reader for this camera that knows the parameter sets from the description."""
        return InterleavedReader(
            self.codec,
            payload_type=self.payload_type,
            clock_hz=clock_hz,
            parameter_sets=SETS[self.codec] if sets is None else sets,
            rtp_channel=self.channel,
        )


def framed(channel: int, packet: bytes) -> bytes:
    """A `$` frame."""
    return b"$" + bytes([channel]) + struct.pack(">H", len(packet)) + packet


def sender_report(ssrc: int, ntp_s: float, rtp_time: int) -> bytes:
    """An RTCP sender report; `ntp_s` since 1900."""
    seconds = int(ntp_s)
    return struct.pack(">BBHIIIIII", 0x80, 200, 6, ssrc, seconds, int((ntp_s - seconds) * 2**32), rtp_time, 1, 1)


def group(codec: Codec, pictures: int = 5, *, key_size: int = 5_000, slice_size: int = 1_700) -> list[list[bytes]]:
    """Units of a key picture with its sets, then of pictures that refer to it."""
    key = [*SETS[codec], unit(codec, "sei", 12), unit(codec, "key", key_size)]
    return [key, *([unit(codec, "slice", slice_size + index, fill=index)] for index in range(1, pictures))]


def stream(camera: Camera, groups: int = 3, pictures: int = 5, *, marks: str = "last", begin: int = 0) -> list[bytes]:
    """Packets of a plain stream, one picture each `TICKS`, and one key picture more at its end."""
    units = [each for _ in range(groups) for each in group(camera.codec, pictures)] + group(camera.codec, 1)
    return [
        packet
        for index, each in enumerate(units)
        for packet in camera.picture(each, begin + index * TICKS, marks=marks)
    ]


def fed(reader: InterleavedReader, data: bytes, *, mono_s: float = 100.0) -> list[CodedPicture]:
    return reader.feed(data, arrival(mono_s)).pictures


def all_fed(reader: InterleavedReader, chunks: Iterable[bytes]) -> Fed:
    """What many reads gave together."""
    total = Fed()
    for chunk in chunks:
        some = reader.feed(chunk, arrival())
        total.pictures.extend(some.pictures)
        total.messages.extend(some.messages)
    return total
