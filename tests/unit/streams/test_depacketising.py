"""Every kind of packet, whole and broken, through the reader's door."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.rtp import (
    SETS,
    START,
    TICKS,
    Camera,
    annex_b,
    arrival,
    fed,
    framed,
    group,
    sender_report,
    stream,
    unit,
)
from xueliang_streams.coded_picture import Codec, CodedPicture
from xueliang_streams.rtp_packets import H264, HEVC, RtpSender
from xueliang_streams.rtsp.depacketising import MAX_PICTURE_BYTES
from xueliang_streams.rtsp.interleaved import InterleavedReader

CODECS: list[Codec] = ["h264", "hevc"]


def all_reader(camera: Camera) -> InterleavedReader:
    reader = camera.reader()
    reader.assemble = "all"
    return reader


def data_of(pictures: list[CodedPicture]) -> list[bytes]:
    return [picture.data for picture in pictures]


def key_data(codec: Codec, *units: bytes) -> bytes:
    """What a key picture of these units must be handed out as."""
    return annex_b([*SETS[codec], *units])


def started(camera: Camera) -> InterleavedReader:
    """A reader of all pictures that has seen a key picture and the one behind it, at the times 0 and TICKS."""
    reader = all_reader(camera)
    packets = [
        packet for index, units in enumerate(group(camera.codec, 2)) for packet in camera.picture(units, index * TICKS)
    ]
    assert len(fed(reader, b"".join(packets))) == 2
    return reader


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [1, 2, 1_390, 1_398, 1_399, 1_400, 1_401, 2_798, 50_000, 300_000])
@pytest.mark.parametrize("aggregated", [False, True], ids=["plain", "aggregated"])
def test_units_of_every_size_come_back(codec: Codec, size: int, aggregated: bool) -> None:
    camera = Camera(codec)
    slices = [unit(codec, "key", size), unit(codec, "key", size, is_first=False, fill=3)]
    reader = camera.reader()
    packets = camera.picture([*SETS[codec], unit(codec, "sei", 3), *slices], 5, aggregated=aggregated)
    packets += camera.picture([unit(codec, "slice")], 5 + TICKS)
    (picture,) = fed(reader, b"".join(packets))
    assert picture.data == key_data(codec, unit(codec, "sei", 3), *slices)
    assert picture.is_key
    assert picture.codec == codec
    assert not reader.counts["damaged"]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [1, 1_398, 1_399, 300_000])
def test_our_own_servers_packets_are_understood(codec: Codec, size: int) -> None:
    sender = RtpSender(H264 if codec == "h264" else HEVC, ssrc=9, first_sequence=65_530)
    reader = InterleavedReader(codec, payload_type=96, parameter_sets=())
    reader.assemble = "all"
    pictures = [(*SETS[codec], unit(codec, "key", size)), (unit(codec, "slice", size),), (unit(codec, "slice", 9),)]
    frames = [
        b"$\0" + len(packet).to_bytes(2, "big") + packet
        for index, units in enumerate(pictures)
        for packet in sender.packetise(units, index * TICKS)
    ]
    assert data_of(fed(reader, b"".join(frames))) == [annex_b(units) for units in pictures]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("assemble", ["key", "all"])
def test_key_mode_gives_the_key_pictures_and_all_mode_everything(codec: Codec, assemble: str) -> None:
    camera = Camera(codec)
    data = b"".join(stream(camera, groups=3, pictures=5))
    reader = camera.reader()
    reader.assemble = "key" if assemble == "key" else "all"
    pictures = fed(reader, data)
    sent = [
        (time, key_data(codec) + units if index % 5 == 0 else units) for index, (time, units) in enumerate(camera.sent)
    ]
    wanted = sent[::5] if assemble == "key" else sent
    assert [(picture.rtp_time, picture.data) for picture in pictures] == wanted
    assert [picture.is_key for picture in pictures] == [
        assemble == "key" or time % (5 * TICKS) == 0 for time, _ in wanted
    ]
    assert reader.counts["not_key"] == (12 if assemble == "key" else 0)
    assert not any(reader.counts[kind] for kind in ("lost", "late", "damaged", "waiting_for_key"))
    assert reader.last_key_interval_s == pytest.approx(5 / 25)
    assert reader.pictures_per_s == pytest.approx(25)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("aggregated", [False, True], ids=["plain", "aggregated"])
def test_delimiters_and_filler_are_left_out(codec: Codec, aggregated: bool) -> None:
    camera = Camera(codec)
    packets: list[bytes] = []
    for index, units in enumerate(group(codec, 3, key_size=300, slice_size=300)):
        whole = [unit(codec, "delimiter", 1), *units, unit(codec, "filler", 30)]
        packets += camera.picture(whole, index * TICKS, aggregated=aggregated)
    packets += camera.picture([unit(codec, "slice")], 3 * TICKS)
    pictures = fed(all_reader(camera), b"".join(packets))
    assert data_of(pictures)[:3] == [annex_b(units) for units in group(codec, 3, key_size=300, slice_size=300)]


@pytest.mark.parametrize("codec", CODECS)
def test_parameter_sets_may_come_in_fragments_in_an_aggregate_or_with_start_codes_left_in(codec: Codec) -> None:
    camera = Camera(codec)
    key, later = unit(codec, "key", 3_000), camera.packet
    joined = SETS[codec][0] + b"".join(START + each for each in SETS[codec][1:])
    ways = [
        [payload for each in SETS[codec] for payload in camera.fragments(each)],
        [camera.aggregate(SETS[codec])],
        [joined],
        camera.fragments(joined),
    ]
    for number, payloads in enumerate(ways):
        reader = camera.reader(sets=())
        packets = [camera.packet(payload, number * TICKS) for payload in [*payloads, *camera.fragments(key)]]
        (picture,) = fed(reader, b"".join(packets) + later(unit(codec, "slice"), number * TICKS + 1))
        assert picture.data == key_data(codec, key), number
        assert not reader.counts["malformed_sets"]


def test_a_whole_key_picture_in_one_packet_with_start_codes_left_in() -> None:
    camera = Camera("h264")
    reader = camera.reader(sets=())
    key = unit("h264", "key", 600)
    packets = [camera.packet(START + START.join([*SETS["h264"], key]), 0), camera.packet(unit("h264", "slice"), TICKS)]
    assert data_of(fed(reader, b"".join(packets))) == [key_data("h264", key)]


def test_newest_parameter_sets_of_each_number_go_in_front() -> None:
    camera = Camera("h264")
    reader = camera.reader()
    other_sps, second_pps = bytes.fromhex("67640029acb20280"), bytes.fromhex("685cecb2")  # numbers 0 and 1
    key = unit("h264", "key")
    packets = camera.picture([other_sps, key], 0) + camera.picture([second_pps, unit("h264", "slice")], TICKS)
    packets += camera.picture([key], 2 * TICKS)
    pictures = fed(reader, b"".join(packets))
    assert data_of(pictures) == [
        annex_b([other_sps, SETS["h264"][1], key]),
        annex_b([other_sps, SETS["h264"][1], second_pps, key]),
    ]


def test_a_set_that_comes_in_the_middle_of_a_group_stays_in_front_of_its_picture() -> None:
    camera = Camera("h264")
    reader = started(camera)
    second_pps = bytes.fromhex("685cecb2")
    packets = camera.picture([second_pps, unit("h264", "slice")], 2 * TICKS)
    assert data_of(fed(reader, b"".join(packets))) == [annex_b([second_pps, unit("h264", "slice")])]


def test_key_picture_without_any_parameter_sets_is_not_handed_out() -> None:
    camera = Camera("hevc")
    reader = camera.reader(sets=SETS["hevc"][:2])
    packets = camera.picture([unit("hevc", "key")], 0) + camera.picture([unit("hevc", "slice")], TICKS)
    assert fed(reader, b"".join(packets)) == []
    assert reader.counts["damaged_no_parameter_sets"] == 1


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "options",
    [
        {"padding": 1},
        {"padding": 4},
        {"sources": 3},
        {"extension": b""},
        {"extension": bytes(8)},
        {"sources": 15, "extension": bytes(40), "padding": 200},
    ],
    ids=str,
)
@pytest.mark.parametrize("assemble", ["key", "all"])
def test_padding_sources_and_extension_are_cut_away(codec: Codec, options: dict[str, Any], assemble: str) -> None:
    camera = Camera(codec)
    reader = camera.reader()
    reader.assemble = "key" if assemble == "key" else "all"
    key, later = unit(codec, "key", 900), unit(codec, "slice", 900)
    packets = [
        camera.packet(part, index * TICKS, is_marked=part is parts[-1], **options)
        for index, parts in enumerate([camera.fragments(key), camera.fragments(later), camera.fragments(later)])
        for part in parts
    ]
    pictures = fed(reader, b"".join(packets))
    assert data_of(pictures) == [key_data(codec, key), *([annex_b([later])] * 2 if assemble == "all" else [])]
    assert reader.counts["packets"] == 6


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "packet",
    [
        b"\xa0\x60\0\x65\0\0\x1c\x20\0\0\x12\x34\x65\x88\0\0",
        b"\xa0\x60\0\x65\0\0\x1c\x20\0\0\x12\x34\x65\x88\0\x05",
        b"\x90\x60\0\x65\0\0\x1c\x20\0\0\x12\x34\xbe\xde\0",
        b"\x90\x60\0\x65\0\0\x1c\x20\0\0\x12\x34\xbe\xde\0\2\0\0\0\0",
        b"\x8f\x60\0\x65\0\0\x1c\x20\0\0\x12\x34\0\0\0\0",
    ],
    ids=["padding of 0", "padding too long", "extension cut", "extension too long", "sources too many"],
)
def test_a_packet_that_does_not_add_up_counts_as_missing(codec: Codec, packet: bytes) -> None:
    camera = Camera(codec, sequence=98)
    reader = all_reader(camera)
    packets = [
        p for index, units in enumerate(group(codec, 2, key_size=9)) for p in camera.picture(units, index * TICKS)
    ]
    fed(reader, b"".join(packets))
    packet = packet[:2] + camera.sequence.to_bytes(2, "big") + packet[4:]
    camera.sequence += 1
    later = camera.picture([unit(codec, "slice")], 3 * TICKS)
    assert fed(reader, framed(0, packet) + b"".join(later)) == []
    assert (reader.counts["malformed_packets"], reader.counts["waiting_for_key"]) == (1, 1)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("marks", ["none", "each"])
@pytest.mark.parametrize("assemble", ["key", "all"])
def test_marker_bits_that_are_missing_or_on_every_packet(codec: Codec, marks: str, assemble: str) -> None:
    camera = Camera(codec)
    packets = stream(camera, groups=3, pictures=4, marks=marks)
    reader = camera.reader()
    reader.assemble = "key" if assemble == "key" else "all"
    pictures = fed(reader, b"".join(packets))
    wanted = camera.sent[:-1] if assemble == "all" else camera.sent[:-1:4]  # the last waits for the next
    assert [picture.rtp_time for picture in pictures] == [time for time, _ in wanted]
    assert all(picture.data.endswith(data) for picture, (_, data) in zip(pictures, wanted, strict=True))
    assert not reader.counts["damaged"]


def test_a_marker_that_lies_later_costs_that_picture_and_is_never_believed_again() -> None:
    camera = Camera("h264")
    reader = started(camera)
    first, second = unit("h264", "slice", 50), unit("h264", "slice", 60, is_first=False)
    packets = camera.picture([first, second], 2 * TICKS, marks="each")
    packets += camera.picture([unit("h264", "slice", 70)], 3 * TICKS)
    fed(reader, b"".join(packets))
    assert reader.counts["early_markers"] == 1
    assert reader.counts["damaged_begin"] == 1
    again = camera.picture(
        [*SETS["h264"], unit("h264", "key"), unit("h264", "key", is_first=False)], 4 * TICKS, marks="each"
    )
    pictures = fed(reader, b"".join(again) + camera.packet(first, 5 * TICKS))
    assert data_of(pictures) == [key_data("h264", unit("h264", "key"), unit("h264", "key", is_first=False))]


def test_second_field_of_an_interlaced_key_picture_stays_with_the_first() -> None:
    camera = Camera("h264")
    first, second = unit("h264", "key", 90), unit("h264", "slice", 80)  # a field of a P picture, same time
    for assemble in ("key", "all"):
        reader = camera.reader()
        reader.assemble = "key" if assemble == "key" else "all"
        packets = camera.picture([*SETS["h264"], first, second], 0) + camera.picture([unit("h264", "slice")], TICKS)
        assert fed(reader, b"".join(packets))[0].data == key_data("h264", first, second)


FAULTS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "begin missing": lambda parts: parts[1:],
    "end missing": lambda parts: parts[:-1],
    "begin twice": lambda parts: [parts[0], *parts],
    "another kind in between": lambda parts: [parts[0], _of_other_kind(parts[1]), *parts[2:]],
    "single unit in between": lambda parts: [parts[0], parts[-1][:1] + b"x", *parts[1:]],
}


def _of_other_kind(part: bytes) -> bytes:
    at = 1 if part[0] & 0x1F == 28 else 2
    return part[:at] + bytes([part[at] ^ 4]) + part[at + 1 :]


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("fault", FAULTS)
def test_fragments_out_of_order_cost_the_picture_though_no_packet_is_missing(codec: Codec, fault: str) -> None:
    camera = Camera(codec)
    reader = started(camera)
    parts = FAULTS[fault](camera.fragments(unit(codec, "slice", 4_000)))
    packets = [camera.packet(part, 2 * TICKS, is_marked=part is parts[-1]) for part in parts]
    packets += camera.picture([unit(codec, "slice")], 3 * TICKS)
    packets += [packet for units in group(codec, 1) for packet in camera.picture(units, 4 * TICKS)]
    packets += camera.picture([unit(codec, "slice", 77)], 5 * TICKS)
    pictures = fed(reader, b"".join(packets))
    assert [picture.rtp_time for picture in pictures] == [4 * TICKS, 5 * TICKS]
    assert reader.counts["damaged"] == 1
    assert reader.counts["waiting_for_key"] == 1


H264_BAD = {
    "STAP-B": (b"\x79\0\1" + b"\0\4abcd", "unsupported"),
    "MTAP16": (b"\x7a\0\1" + bytes(9), "unsupported"),
    "MTAP24": (b"\x7b\0\1" + bytes(9), "unsupported"),
    "FU-B": (b"\x7d\x81\0\1abcd", "unsupported"),
    "data partition": (b"\x42abcd", "unsupported"),
    "undefined 30": (b"\x7eabcd", "malformed"),
    "undefined 31": (b"\x7fabcd", "malformed"),
    "forbidden bit": (b"\xc1abcd", "malformed"),
    "zero without start code": (b"\0\0\0\0abcd", "malformed"),
    "fragment of an aggregate": (b"\x7c\x98abcd", "malformed"),
    "fragment of a fragment": (b"\x7c\x9cabcd", "malformed"),
    "slice without data": (b"\x41", "malformed"),
    "aggregate of an aggregate": (b"\x78\0\3\x78\0\1", "malformed"),
    "aggregate too long": (b"\x78\0\3\x41\xe0x\0\x40\x41", "length"),
    "aggregate with a rest": (b"\x78\0\3\x41\xe0x\0", "length"),
    "aggregate of nothing": (b"\x78\0\0", "length"),
}
HEVC_BAD = {
    "PACI": (b"\x64\1abcd", "unsupported"),
    "undefined 51": (b"\x66\1abcd", "malformed"),
    "undefined 63": (b"\x7e\1abcd", "malformed"),
    "forbidden bit": (b"\x82\1abcd", "malformed"),
    "one byte": (b"\x02", "malformed"),
    "fragment of a fragment": (b"\x62\1\xb1abcd", "malformed"),
    "fragment without a byte": (b"\x62\1", "malformed"),
    "slice without data": (b"\x02\1", "malformed"),
    "aggregate of an aggregate": (b"\x60\1\0\4\x60\1\0\1", "malformed"),
    "aggregate too long": (b"\x60\1\0\4\x02\1\xe0x\0\x40\x02", "length"),
    "aggregate with a rest": (b"\x60\1\0\4\x02\1\xe0x\0", "length"),
}


@pytest.mark.parametrize(
    ("codec", "payload", "reason"),
    [("h264", *case) for case in H264_BAD.values()] + [("hevc", *case) for case in HEVC_BAD.values()],
    ids=[f"h264 {name}" for name in H264_BAD] + [f"hevc {name}" for name in HEVC_BAD],
)
def test_what_is_not_spoken_costs_the_picture_and_is_counted(codec: Codec, payload: bytes, reason: str) -> None:
    camera = Camera(codec)
    reader = started(camera)
    packets = [camera.packet(payload, 2 * TICKS), *camera.picture([unit(codec, "slice")], 2 * TICKS)]
    packets += camera.picture([unit(codec, "slice")], 3 * TICKS)
    packets += camera.picture([*SETS[codec], unit(codec, "key")], 4 * TICKS)
    pictures = fed(reader, b"".join(packets))
    assert [picture.rtp_time for picture in pictures] == [4 * TICKS]
    assert reader.counts[f"damaged_{reason}"] == 1
    assert reader.counts["waiting_for_key"] == 1


H264_IGNORED = [
    b"\x0a",
    b"\x0b",
    b"\x0c\xff\xff\x80",
    b"\x6d\xa0",
    b"\x6e\x40\x80\1",
    b"\x6f\xa0\1",
    b"\x73\x80",
    b"\x74\x80\x80\1x",
]
HEVC_IGNORED = [
    b"\x4a\1",
    b"\x4c\1\xff",
    b"\x50\1\x84\1",
    b"\x02\x09\xe0x",
    b"\x03\1\xe0x",
    b"\x2c\1\xe0",
    b"\x40\x09abcdef",
]


@pytest.mark.parametrize(
    ("codec", "payload"),
    [("h264", payload) for payload in H264_IGNORED] + [("hevc", payload) for payload in HEVC_IGNORED],
    ids=lambda value: value if isinstance(value, str) else value.hex(),
)
@pytest.mark.parametrize("place", ["before", "behind"])
def test_units_of_no_use_change_nothing(codec: Codec, payload: bytes, place: str) -> None:
    camera = Camera(codec)
    reader = started(camera)
    extra = camera.payloads([payload])
    payloads = [*extra, unit(codec, "slice")] if place == "before" else [unit(codec, "slice"), *extra]
    packets = [camera.packet(each, 2 * TICKS, is_marked=each is payloads[-1]) for each in payloads]
    packets += camera.picture([unit(codec, "slice", 9)], 3 * TICKS)
    pictures = fed(reader, b"".join(packets))
    assert data_of(pictures) == [annex_b([unit(codec, "slice")]), annex_b([unit(codec, "slice", 9)])]
    assert not reader.counts["damaged"]


def test_leading_pictures_of_the_first_key_picture_are_dropped_and_later_ones_are_not() -> None:
    camera = Camera("hevc")
    reader = all_reader(camera)
    group_of_three = [
        [*SETS["hevc"], unit("hevc", "cra")],
        [unit("hevc", "rasl", 2_000)],
        [unit("hevc", "radl")],
        [unit("hevc", "slice")],
    ]
    packets = [p for n, units in enumerate(group_of_three * 2) for p in camera.picture(units, n * TICKS)]
    packets += camera.picture([unit("hevc", "end", 0)], 8 * TICKS)
    packets += [p for n, units in enumerate(group_of_three, start=9) for p in camera.picture(units, n * TICKS)]
    pictures = fed(reader, b"".join(packets))
    times = [picture.rtp_time // TICKS for picture in pictures]
    assert times == [0, 2, 3, 4, 5, 6, 7, 9, 11, 12], "1 refers to what was never seen, 10 to what ended"
    assert reader.counts["waiting_for_key"] == 2
    assert not reader.counts["damaged"]


def test_assemble_changes_at_any_time() -> None:
    camera = Camera("h264")
    packets = stream(camera, groups=6, pictures=5)
    reader = camera.reader()
    seen: list[tuple[int, bool]] = []
    for packet in packets:
        now = int.from_bytes(packet[8:12], "big") // TICKS
        reader.assemble = "all" if 7 <= now < 18 else "key"
        seen += [(picture.rtp_time // TICKS, picture.is_key) for picture in fed(reader, packet)]
    assert seen == [(0, True), (5, True), *((n, n % 5 == 0) for n in range(10, 18)), (20, True), (25, True), (30, True)]
    assert reader.counts["waiting_for_key"] == 3
    assert not reader.counts["damaged"]


def test_change_to_all_while_a_key_picture_is_coming_begins_with_it() -> None:
    camera = Camera("h264")
    reader = camera.reader()
    units = group("h264", 3)
    packets = [packet for index, each in enumerate(units) for packet in camera.picture(each, index * TICKS)]
    fed(reader, b"".join(packets[:4]))
    reader.assemble = "all"
    assert len(fed(reader, b"".join(packets[4:]))) == 3


def test_joining_in_the_middle_of_a_key_picture_waits_for_the_next() -> None:
    camera = Camera("hevc")
    packets = stream(camera, groups=2, pictures=3)
    reader = all_reader(camera)
    assert [picture.rtp_time for picture in fed(reader, b"".join(packets[5:]))] == [n * TICKS for n in (3, 4, 5, 6)]


@pytest.mark.parametrize("codec", CODECS)
def test_a_picture_larger_than_the_limit_is_dropped(codec: Codec) -> None:
    camera = Camera(codec, limit=60_000)
    reader = camera.reader()
    huge = camera.fragments(unit(codec, "key", 2_000) * (MAX_PICTURE_BYTES // 2_000 + 1))
    for part in huge:
        assert fed(reader, camera.packet(part, 0)) == []
    packets = camera.picture([*SETS[codec], unit(codec, "key")], TICKS) + camera.picture(
        [unit(codec, "slice")], 2 * TICKS
    )
    assert len(fed(reader, b"".join(packets))) == 1
    assert reader.counts["damaged_too_large"] == 1


def test_sender_report_gives_the_cameras_own_time() -> None:
    camera = Camera("h264", channel=2)
    reader = all_reader(camera)
    pictures = [camera.picture(units, 1_000_000 + index * TICKS) for index, units in enumerate(group("h264", 4))]
    assert [each.captured_at for each in fed(reader, b"".join(pictures[0] + pictures[1]))] == [None, None]
    for ssrc, seconds in ((camera.ssrc + 1, 3_333_333_333), (camera.ssrc, 2_208_988_800 + 1_000_000_000.25)):
        reader.feed(framed(3, sender_report(ssrc, seconds, 1_000_000)), arrival())
    third, fourth = (each.captured_at for each in fed(reader, b"".join(pictures[2] + pictures[3])))
    assert third is not None
    assert third.isoformat() == "2001-09-09T01:46:40.330000+00:00"
    assert fourth == third + timedelta(seconds=1 / 25)


def test_coded_pictures_cannot_be_changed() -> None:
    camera = Camera("h264")
    picture = fed(camera.reader(), b"".join(stream(camera)))[0]
    with pytest.raises(dataclasses.FrozenInstanceError):
        picture.data = b""  # type: ignore[misc]
