"""H.264 and H.265 pictures to RTP packets (RFC 6184, RFC 7798), and the SDP line that describes them.

Only what our own server sends: single units and fragments, no aggregation. The marker bit stands on the last packet of
a picture and nowhere else; access unit delimiters are left out.
"""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from datetime import datetime

from xueliang_streams.errors import NotAVideo

CLOCK_HZ = 90_000
"""RTP time of video, both payload formats."""
PAYLOAD_TYPE = 96
MAX_PAYLOAD_BYTES = 1_400
"""Fits an Ethernet frame with room for tunnels; over TCP only the shape of real cameras' traffic."""

_NTP_EPOCH_OFFSET_S = 2_208_988_800  # 1900 to 1970, RFC 5905


@dataclass(frozen=True, slots=True)
class UnitKinds:
    """Where one codec keeps the kind of a unit, and the kinds that matter here."""

    rtp_name: str
    parameter_sets: tuple[int, ...]
    delimiter: int


H264 = UnitKinds("H264", parameter_sets=(7, 8), delimiter=9)  # SPS, PPS
HEVC = UnitKinds("H265", parameter_sets=(32, 33, 34), delimiter=35)  # VPS, SPS, PPS


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a decoder must know before the first picture.

    Attributes:
        kinds: of which codec.
        sets: parameter set units without start codes, in the order they are sent.
        length_bytes: size of the length before each unit in a packet; 0: the packets hold start codes.
    """

    kinds: UnitKinds
    sets: tuple[bytes, ...]
    length_bytes: int


def read_parameters(codec_name: str, extradata: bytes) -> Parameters:
    """From the codec's configuration record (MP4, Matroska), or from units with start codes (transport stream).

    Raises:
        NotAVideo: neither H.264 nor H.265, or the record is damaged.
    """
    kinds = {"h264": H264, "hevc": HEVC}.get(codec_name)
    if kinds is None:
        raise NotAVideo(f"can serve H.264 and H.265, got {codec_name}")
    try:
        if extradata.startswith((b"\0\0\1", b"\0\0\0\1")):
            units, length_bytes = split_start_codes(extradata), 0
        elif kinds is H264:
            units, length_bytes = _from_avcc(extradata), (extradata[4] & 3) + 1
        else:
            units, length_bytes = _from_hvcc(extradata), (extradata[21] & 3) + 1
    except (IndexError, struct.error) as error:
        raise NotAVideo(f"the clip's {kinds.rtp_name} configuration record is damaged") from error
    sets = tuple(unit for unit in units if unit_kind(unit, kinds) in kinds.parameter_sets)
    return Parameters(kinds, tuple(sorted(sets, key=lambda unit: unit_kind(unit, kinds))), length_bytes)


def unit_kind(unit: bytes, kinds: UnitKinds) -> int:
    """The unit's type number."""
    return unit[0] & 0x1F if kinds is H264 else (unit[0] >> 1) & 0x3F


def picture_units(data: bytes, is_key: bool, parameters: Parameters) -> tuple[bytes, ...]:
    """The units of one coded picture, without delimiters; a key picture always brings the parameter sets in front."""
    units = split_lengths(data, parameters.length_bytes) if parameters.length_bytes else split_start_codes(data)
    kinds = parameters.kinds
    kept = [unit for unit in units if unit and unit_kind(unit, kinds) != kinds.delimiter]
    if is_key and not any(unit_kind(unit, kinds) in kinds.parameter_sets for unit in kept):
        kept = [*parameters.sets, *kept]
    return tuple(kept)


def split_lengths(data: bytes, length_bytes: int) -> list[bytes]:
    """Units that each stand behind their length, big endian."""
    units, at = [], 0
    while at + length_bytes <= len(data):
        size = int.from_bytes(data[at : at + length_bytes], "big")
        at += length_bytes
        units.append(data[at : at + size])
        at += size
    return units


def split_start_codes(data: bytes) -> list[bytes]:
    """Units that each stand behind 00 00 01."""
    return [unit for part in data.split(b"\0\0\1")[1:] if (unit := part.rstrip(b"\0"))]


def sdp_format(parameters: Parameters) -> str:
    """The `a=fmtp` value of the media description."""
    encoded = [(unit, base64.b64encode(unit).decode()) for unit in parameters.sets]
    if parameters.kinds is H264:
        sps = next((unit for unit, _ in encoded if unit_kind(unit, H264) == 7), b"\0\0\0\0")
        sets = ",".join(text for _, text in encoded)
        return f"{PAYLOAD_TYPE} packetization-mode=1;profile-level-id={sps[1:4].hex()};sprop-parameter-sets={sets}"
    names = {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"}
    return f"{PAYLOAD_TYPE} " + ";".join(f"{names[unit_kind(unit, HEVC)]}={text}" for unit, text in encoded)


class RtpSender:
    """The running numbers of one RTP stream: sequence, packets and bytes sent. Never reset while the stream lives."""

    def __init__(self, kinds: UnitKinds, ssrc: int, first_sequence: int) -> None:
        self._kinds = kinds
        self._ssrc = ssrc
        self._sequence = first_sequence
        self._packets = 0
        self._payload_bytes = 0

    def packetise(self, units: tuple[bytes, ...], rtp_time: int) -> list[bytes]:
        """One picture as RTP packets, in order."""
        payloads = [payload for unit in units for payload in _payloads(unit, self._kinds)]
        last = len(payloads) - 1
        return [self._packet(payload, rtp_time, is_last=index == last) for index, payload in enumerate(payloads)]

    def sender_report(self, at: datetime, rtp_time: int) -> bytes:
        """RTCP: which wall clock time an RTP time stands for."""
        ntp_s = at.timestamp() + _NTP_EPOCH_OFFSET_S
        seconds = int(ntp_s)
        return struct.pack(
            ">BBHIIIIII",
            0x80,
            200,
            6,
            self._ssrc,
            seconds & 0xFFFFFFFF,
            int((ntp_s - seconds) * 2**32),
            rtp_time & 0xFFFFFFFF,
            self._packets & 0xFFFFFFFF,
            self._payload_bytes & 0xFFFFFFFF,
        )

    def _packet(self, payload: bytes, rtp_time: int, *, is_last: bool) -> bytes:
        kind = PAYLOAD_TYPE | (0x80 if is_last else 0)
        header = struct.pack(">BBHII", 0x80, kind, self._sequence, rtp_time & 0xFFFFFFFF, self._ssrc)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._packets += 1
        self._payload_bytes += len(payload)
        return header + payload


def _payloads(unit: bytes, kinds: UnitKinds) -> list[bytes]:
    if len(unit) <= MAX_PAYLOAD_BYTES:
        return [unit]
    kind = unit_kind(unit, kinds)
    if kinds is H264:
        head, prefix = 1, bytes([(unit[0] & 0xE0) | 28])  # FU-A
    else:
        head, prefix = 2, bytes([(unit[0] & 0x81) | (49 << 1), unit[1]])  # FU
    room = MAX_PAYLOAD_BYTES - len(prefix) - 1
    starts = range(head, len(unit), room)
    return [
        prefix + bytes([kind | (0x80 if at == head else 0) | (0x40 if at == starts[-1] else 0)]) + unit[at : at + room]
        for at in starts
    ]


def _from_avcc(record: bytes) -> list[bytes]:
    units, at = [], 5
    for mask in (0x1F, 0xFF):  # number of SPS, then of PPS
        count = record[at] & mask
        at += 1
        for _ in range(count):
            (size,) = struct.unpack_from(">H", record, at)
            units.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return units


def _from_hvcc(record: bytes) -> list[bytes]:
    units, at = [], 23
    for _ in range(record[22]):
        (count,) = struct.unpack_from(">H", record, at + 1)
        at += 3
        for _ in range(count):
            (size,) = struct.unpack_from(">H", record, at)
            units.append(record[at + 2 : at + 2 + size])
            at += 2 + size
    return units
