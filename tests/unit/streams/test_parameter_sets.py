"""Which parameter sets belong together."""

from __future__ import annotations

import pytest

from tests.support.rtp import SETS, annex_b
from xueliang_streams.coded_picture import Codec
from xueliang_streams.rtsp.parameter_sets import MAX_SET_BYTES, MAX_SETS, ParameterSets

SPS_0, PPS_0 = SETS["h264"]
PPS_1, PPS_2 = bytes.fromhex("685cecb2"), bytes.fromhex("686cecb2")


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_sets_come_out_in_the_order_a_decoder_needs(codec: Codec) -> None:
    sets = ParameterSets(codec, reversed(SETS[codec]))
    assert sets.joined() == annex_b(SETS[codec])
    assert sets.is_complete
    assert not sets.come_in_band
    assert not ParameterSets(codec, SETS[codec][:-1]).is_complete


def test_newest_of_each_number_counts() -> None:
    sets = ParameterSets("h264", [SPS_0, PPS_1, PPS_0, PPS_2])
    newer = PPS_1 + b"\x80"
    assert sets.add(newer)
    assert not sets.come_in_band
    assert sets.joined() == annex_b([SPS_0, PPS_0, newer, PPS_2])
    assert sets.add(SPS_0)
    assert sets.come_in_band


def test_key_picture_with_all_its_sets_ends_what_came_in_band_before() -> None:
    sets = ParameterSets("h264", [SPS_0, PPS_0, PPS_2])
    damaged = PPS_1 + b"\x80"
    sets.add(damaged)
    sets.renew((PPS_0,))
    assert damaged in sets.joined(), "it did not bring an SPS: what is known is kept"
    sets.renew((SPS_0, PPS_0))
    assert sets.joined() == annex_b([SPS_0, PPS_0, PPS_2]), "the described ones are kept, the damaged one is not"
    sets.add(damaged)
    sets.renew((SPS_0, damaged))
    assert damaged in sets.joined(), "it brings all: the damaged one among them"
    sets.renew((SPS_0, PPS_0))
    assert sets.joined() == annex_b([SPS_0, PPS_0, PPS_2]), "nothing new came, and still the damaged one goes"


def test_sps_number_of_h265_stands_behind_the_levels_of_its_sub_layers() -> None:
    """Two sub-layers below the highest, one with profile and level of its own, one with a profile; numbers 0 and 1."""
    levels = bytes.fromhex("0160000000b0000000000078")
    body = bytes.fromhex("420105") + levels + bytes.fromhex("e000") + bytes([0x11] * 12) + bytes([0x22] * 11)
    first, second = body + b"\xa0\x80", body + b"\x50\x80"
    sets = ParameterSets("hevc", [SETS["hevc"][0], first, second, SETS["hevc"][2]])
    assert sets.joined() == annex_b([SETS["hevc"][0], first, second, SETS["hevc"][2]])
    assert sets.add(second + b"\x81")
    assert sets.joined() == annex_b([SETS["hevc"][0], first, second + b"\x81", SETS["hevc"][2]])


@pytest.mark.parametrize(
    ("codec", "unit"),
    [
        ("h264", b""),
        ("h264", b"\x67\x64\x00"),
        ("h264", b"\x67\x64\x00\x0b"),
        ("h264", b"\x67\x64\x00\x0b\x00\x00"),
        ("h264", b"\x68\x00\x00\x80"),
        ("h264", b"\x65\x88\x84\x00"),
        ("h264", b"\x68\xee" + bytes(MAX_SET_BYTES)),
        ("hevc", b"\x42\x01\x01\x60"),
        ("hevc", b"\x26\x01\xaf\x00"),
    ],
    ids=[
        "empty",
        "short",
        "without number",
        "endless number",
        "number 256 and more",
        "slice",
        "huge",
        "short sps",
        "slice",
    ],
)
def test_what_is_no_set_is_not_taken(codec: Codec, unit: bytes) -> None:
    sets = ParameterSets(codec)
    assert not sets.add(unit)
    assert sets.joined() == b""


def test_a_hostile_number_of_sets_does_not_fill_the_memory() -> None:
    sets = ParameterSets("h264", [SPS_0])
    for number in range(250):
        bits = f"{number + 1:b}"
        body = ("0" * (len(bits) - 1) + bits).ljust(24, "1")
        assert sets.add(b"\x68" + int(body, 2).to_bytes(3, "big"))
    assert sets.joined().count(b"\0\0\0\1") == MAX_SETS
