from __future__ import annotations

import struct
from datetime import UTC, datetime

import pytest

from xueliang_streams.errors import NotAVideo
from xueliang_streams.rtp_packets import (
    H264,
    HEVC,
    MAX_PAYLOAD_BYTES,
    Parameters,
    RtpSender,
    UnitKinds,
    picture_units,
    read_parameters,
    sdp_format,
)

SPS, PPS, IDR = b"\x67\x64\x00\x0b", b"\x68\xee", b"\x65" + bytes(range(200)) * 50


def reassembled(packets: list[bytes], kinds: UnitKinds) -> list[bytes]:
    """The units again, by the RFCs' rules, written without the sender's code."""
    units: list[bytes] = []
    for packet in packets:
        payload = packet[12:]
        if kinds is H264 and payload[0] & 0x1F == 28:
            head, rest, flags = bytes([payload[0] & 0xE0 | payload[1] & 0x1F]), payload[2:], payload[1]
        elif kinds is HEVC and (payload[0] >> 1) & 0x3F == 49:
            head, rest, flags = (
                bytes([payload[0] & 0x81 | (payload[2] & 0x3F) << 1, payload[1]]),
                payload[3:],
                payload[2],
            )
        else:
            units.append(payload)
            continue
        if flags & 0x80:
            units.append(head)
        units[-1] += rest
    return units


@pytest.mark.parametrize("kinds", [H264, HEVC], ids=["h264", "hevc"])
@pytest.mark.parametrize("size", [2, MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES + 1, 50_000])
def test_packets_put_together_give_the_units_back(kinds: UnitKinds, size: int) -> None:
    first = b"\x65" if kinds is H264 else b"\x26\x01"
    units = (SPS, (first + bytes(range(256)) * 200)[:size])
    packets = RtpSender(kinds, ssrc=1, first_sequence=0).packetise(units, 0)
    assert reassembled(packets, kinds) == list(units)
    assert all(len(packet) <= MAX_PAYLOAD_BYTES + 12 for packet in packets)


def test_marker_stands_on_the_last_packet_of_a_picture_only_and_sequence_wraps() -> None:
    sender = RtpSender(H264, ssrc=1, first_sequence=65_534)
    packets = [*sender.packetise((SPS, PPS, IDR), 2**32 + 5), *sender.packetise((b"\x41x",), 9)]
    marks = [bool(packet[1] & 0x80) for packet in packets]
    assert marks == [False] * (len(packets) - 2) + [True, True]
    assert [struct.unpack_from(">H", packet, 2)[0] for packet in packets[:4]] == [65_534, 65_535, 0, 1]
    assert struct.unpack_from(">I", packets[0], 4)[0] == 5


def test_key_picture_brings_parameter_sets_once_and_no_delimiter() -> None:
    parameters = Parameters(H264, (SPS, PPS), length_bytes=4)
    data = b"".join(len(unit).to_bytes(4, "big") + unit for unit in (b"\x09\xf0", b"\x65abc"))
    assert picture_units(data, True, parameters) == (SPS, PPS, b"\x65abc")
    assert picture_units(data, False, parameters) == (b"\x65abc",)
    with_sets = b"".join(b"\0\0\0\1" + unit for unit in (SPS, PPS, b"\x65abc"))
    assert picture_units(with_sets, True, Parameters(H264, (SPS, PPS), 0)) == (SPS, PPS, b"\x65abc")


def test_description_names_profile_and_parameter_sets() -> None:
    record = b"\x01\x64\x00\x0b\xff\xe1\x00\x04" + SPS + b"\x01\x00\x02" + PPS
    parameters = read_parameters("h264", record)
    assert parameters == Parameters(H264, (SPS, PPS), 4)
    text = sdp_format(parameters)
    assert text == "96 packetization-mode=1;profile-level-id=64000b;sprop-parameter-sets=Z2QACw==,aO4="


@pytest.mark.parametrize(("codec", "record"), [("mjpeg", b""), ("h264", b"\x01\x64"), ("hevc", b"\x01" * 22)])
def test_other_codecs_and_damaged_records_are_refused(codec: str, record: bytes) -> None:
    with pytest.raises(NotAVideo):
        read_parameters(codec, record)


def test_sender_report_ties_wall_clock_to_rtp_time() -> None:
    sender = RtpSender(H264, ssrc=7, first_sequence=0)
    sender.packetise((b"\x41abc",), 0)
    report = sender.sender_report(datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC), 90_000)
    assert struct.unpack(">BBHIIIIII", report) == (0x80, 200, 6, 7, 2_208_988_801, 2**31, 90_000, 1, 4)
