"""The bytes of a connection: cuts, texts between, garbage; sequence, senders and times of the packets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.support.rtp import (
    SETS,
    TICKS,
    Camera,
    all_fed,
    arrival,
    fed,
    framed,
    group,
    sender_report,
    stream,
    unit,
)
from xueliang_streams.coded_picture import Codec
from xueliang_streams.errors import CameraUnreachable, StreamError
from xueliang_streams.rtsp.interleaved import MAX_BODY_BYTES, MAX_HEAD_BYTES, InterleavedReader

OK = b"RTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n"
WITH_BODY = b"RTSP/1.0 200 OK\r\nCSeq: 8\r\nContent-length : 5\r\n\r\n$\0\0\1x"
ASKS = b"SET_PARAMETER rtsp://gate/ RTSP/1.0\r\nCSeq: 3\r\nContent-Length: 2\r\n\r\nab"
BARE_LINES = b"RTSP/1.0 200\nCSeq: 9\n\n"


def mixed(codec: Codec) -> tuple[bytes, list[bytes]]:
    """A short stream with texts, a report, another channel and a line break in between; and its texts."""
    camera = Camera(codec, limit=90)
    packets = []
    for index in range(5):
        units = [unit(codec, "slice", 150)] if index % 2 else [*SETS[codec], unit(codec, "key", 200)]
        packets += camera.picture(units, index * TICKS)
    report = framed(1, sender_report(camera.ssrc, 4e9, 0))
    extra = {
        1: OK,
        3: report,
        5: WITH_BODY,
        8: framed(7, b"other"),
        9: ASKS + b"\r\n",
        12: BARE_LINES,
        13: framed(0, b""),
    }
    return b"".join(packet + extra.get(index, b"") for index, packet in enumerate(packets)), [
        OK,
        WITH_BODY,
        ASKS,
        BARE_LINES,
    ]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
@pytest.mark.parametrize("assemble", ["key", "all"])
def test_a_cut_at_any_byte_changes_nothing(codec: Codec, assemble: str) -> None:
    data, texts = mixed(codec)

    def read(chunks: list[bytes]) -> object:
        reader = Camera(codec).reader()
        reader.assemble = "key" if assemble == "key" else "all"
        got = all_fed(reader, chunks)
        return (
            [(picture.data, picture.is_key, picture.rtp_time) for picture in got.pictures],
            got.messages,
            reader.counts,
        )

    whole = read([data])
    assert isinstance(whole, tuple)
    assert len(whole[0]) == (3 if assemble == "key" else 5)
    assert whole[1] == texts
    assert whole[2]["other_channel"] == 1
    assert not whole[2]["damaged"]
    for cut in range(1, len(data)):
        assert read([data[:cut], data[cut:]]) == whole, f"cut at {cut}"
    assert read([data[at : at + 1] for at in range(len(data))]) == whole


def test_the_callers_buffer_may_be_reused_at_once() -> None:
    camera = Camera("h264")
    data = b"".join(stream(camera))
    reader, scratch, pictures = camera.reader(), bytearray(700), []
    reader.assemble = "all"
    for at in range(0, len(data), len(scratch)):
        part = data[at : at + len(scratch)]
        scratch[: len(part)] = part
        pictures += reader.feed(memoryview(scratch)[: len(part)], arrival()).pictures
        scratch[:] = bytes(len(scratch))
    assert len(pictures) == 16
    assert all(picture.data.endswith(sent) for picture, (_, sent) in zip(pictures, camera.sent, strict=True))


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0",
        b"\xff\xd8\xff",
        b"%\0\0\4abcd",
        b"HTTP/1.1 400 Bad Request\r\n",
        b"abc",
        b"GET / HTTP/1.1\r\n\r\n",
        b"RTSP/1.0 OK\r\n\r\n",
        b"OPTIONS\r\n\r\n",
        b"A" * (MAX_HEAD_BYTES + 1),
        b"RTSP/1.0 200 OK\r\n" + b"X: " + b"y" * MAX_HEAD_BYTES,
        b"RTSP/1.0 200 OK\r\nContent-Length: " + str(MAX_BODY_BYTES + 1).encode() + b"\r\n\r\n",
    ],
    ids=lambda garbage: repr(garbage[:12]),
)
@pytest.mark.parametrize("place", ["first", "between frames"])
def test_what_is_neither_frame_nor_text_ends_the_connection(garbage: bytes, place: str) -> None:
    camera = Camera("h264")
    reader = camera.reader()
    if place != "first":
        assert fed(reader, b"".join(stream(camera)))
    with pytest.raises(CameraUnreachable, match="the camera"):
        fed(reader, garbage)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(lambda number: b"\xff" + bytes([number]) * 7, id="bytes"),
        pytest.param(lambda number: b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % (10**6 + number), id="length"),
    ],
)
def test_different_garbage_is_the_same_fault_in_words(garbage: Callable[[int], bytes]) -> None:
    """A repeated fault is logged once: what names the camera's bytes would be a new fault on every connection."""
    said = set()
    for number in range(1, 6):
        with pytest.raises(CameraUnreachable) as refused:
            fed(Camera("h264").reader(), garbage(number))
        said.add(str(refused.value))
    assert len(said) == 1, said


def test_a_frame_whose_length_is_wrong_ends_the_connection_at_the_next() -> None:
    camera = Camera("h264")
    packets = stream(camera)
    packets[4] = packets[4][:3] + bytes([packets[4][3] - 3]) + packets[4][4:]
    with pytest.raises(StreamError):
        fed(camera.reader(), b"".join(packets))


def all_reader(camera: Camera) -> InterleavedReader:
    reader = camera.reader()
    reader.assemble = "all"
    return reader


@pytest.mark.parametrize("assemble", ["key", "all"])
def test_sequence_wraps(assemble: str) -> None:
    camera = Camera("h264", sequence=65_530)
    data = b"".join(stream(camera, groups=4))
    reader = camera.reader()
    reader.assemble = "key" if assemble == "key" else "all"
    assert len(fed(reader, data)) == (5 if assemble == "key" else 21)
    assert not any(reader.counts[kind] for kind in ("lost", "late", "damaged", "sequence_jumps"))


def test_a_lost_packet_costs_its_group_in_all_mode_and_only_its_key_picture_in_key_mode() -> None:
    camera = Camera("h264")
    packets = stream(camera, groups=3, pictures=5)
    of_picture = [int.from_bytes(packet[8:12], "big") // TICKS for packet in packets]
    for lost, at in enumerate(of_picture):
        if not 2 <= at < 15:
            continue  # markers are not trusted before, and nothing shows what is missing at the end
        kept = b"".join(packets[:lost] + packets[lost + 1 :])
        every = all_reader(camera)
        times = [picture.rtp_time // TICKS for picture in fed(every, kept)]
        wanted = [n for n in range(16) if not at <= n < (at // 5 + 1) * 5]
        assert times == wanted, f"packet {lost} of picture {at}"
        # The first packet of a key picture: one picture before it may be gone, and its own begin is.
        is_begin_of_key = at % 5 == 0 and of_picture[lost - 1] != at
        assert (every.counts["lost"], every.counts["damaged"]) == (1, 2 if is_begin_of_key else 1)
        keys = camera.reader()
        times = [picture.rtp_time // TICKS for picture in fed(keys, kept)]
        assert times == [n for n in (0, 5, 10, 15) if n != at], f"packet {lost} of picture {at}"
        assert keys.counts["lost"] == 1
        assert keys.counts["damaged"] == (at in (0, 5, 10))


def test_a_loss_right_behind_the_first_key_picture_costs_it_because_its_marker_is_not_trusted_yet() -> None:
    camera = Camera("h264")
    packets = stream(camera, groups=2, pictures=3)
    behind = next(n for n, packet in enumerate(packets) if packet[8:12] != packets[0][8:12])
    reader = camera.reader()
    kept = packets[:behind] + packets[behind + 1 :]
    assert [picture.rtp_time // TICKS for picture in fed(reader, b"".join(kept))] == [3, 6]
    assert reader.counts["damaged_gap"] == 1


def test_a_whole_lost_picture_is_noticed() -> None:
    camera = Camera("hevc")
    pictures = [camera.picture(units, index * TICKS) for index, units in enumerate(group("hevc", 5))]
    data = b"".join(packet for index, packets in enumerate(pictures) if index != 2 for packet in packets)
    reader = all_reader(camera)
    assert [picture.rtp_time // TICKS for picture in fed(reader, data)] == [0, 1]
    assert (reader.counts["damaged"], reader.counts["waiting_for_key"]) == (1, 2)


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_a_lost_begin_of_a_key_picture_is_noticed_by_its_slices_or_its_sets(codec: Codec) -> None:
    """Small packets: each unit in its own, so that a loss hides behind an innocent begin."""
    camera = Camera(codec, limit=3_000)
    slices = [unit(codec, "key", 300), unit(codec, "key", 300, is_first=False)]
    first, second, third = (
        [
            *camera.picture([*SETS[codec], *slices], n * 2 * TICKS),
            *camera.picture([unit(codec, "slice")], (n * 2 + 1) * TICKS),
        ]
        for n in range(3)
    )
    for lost in range(1, len(second) - 1):
        kept = first + second[lost:] + third
        reader = camera.reader()
        assert [picture.rtp_time for picture in fed(reader, b"".join(kept))] == [0, 4 * TICKS], f"{lost} lost"
        assert (reader.counts["lost"], reader.counts["damaged"]) == (lost, 1)


def test_a_gap_before_a_picture_that_shows_its_begin_costs_nothing_in_key_mode() -> None:
    camera = Camera("h264")
    packets = [camera.picture(units, index * TICKS) for index, units in enumerate(group("h264", 3) + group("h264", 2))]
    kept = [*packets[0], *packets[1], *packets[2][:-1], *packets[3], *packets[4]]
    reader = camera.reader()
    assert [picture.rtp_time // TICKS for picture in fed(reader, b"".join(kept))] == [0, 3]
    assert (reader.counts["lost"], reader.counts["damaged"]) == (1, 0)


def test_a_repeated_or_late_packet_is_left_out_and_counted() -> None:
    camera = Camera("h264")
    packets = stream(camera)
    reader = all_reader(camera)
    twice = [each for packet in packets for each in (packet, packet)]
    assert len(fed(reader, b"".join(twice))) == len(camera.sent)
    assert reader.counts["late"] == len(packets)
    assert not reader.counts["damaged"]


def test_swapped_packets_cost_the_picture() -> None:
    camera = Camera("h264")
    packets = stream(camera, groups=2)
    packets[3], packets[4] = packets[4], packets[3]
    reader = camera.reader()
    assert [picture.rtp_time // TICKS for picture in fed(reader, b"".join(packets))] == [5, 10]
    assert (reader.counts["lost"], reader.counts["late"], reader.counts["damaged"]) == (1, 1, 1)


@pytest.mark.parametrize("step", [30_000, 4_000, -4_000, -50], ids=str)
def test_a_sequence_that_begins_anew_is_followed(step: int) -> None:
    camera = Camera("h264")
    before = stream(camera, groups=2)
    camera.sequence = (camera.sequence + step) % 65_536
    after = stream(camera, groups=2, begin=20 * TICKS)
    reader = camera.reader()
    times = [picture.rtp_time // TICKS for picture in fed(reader, b"".join(before + after))]
    # A short way back is believed at the second packet only: the key picture at 20 has lost its first one.
    assert times == ([0, 5, 10, 25, 30] if step == -50 else [0, 5, 10, 20, 25, 30])
    assert reader.counts["damaged"] == (step == -50)
    assert reader.counts["late" if step == -50 else "sequence_jumps"] == 1


@pytest.mark.parametrize("assemble", ["key", "all"])
def test_another_sender_is_followed_from_its_next_key_picture(assemble: str) -> None:
    camera = Camera("h264")
    packets = stream(camera, groups=1, pictures=4)[:-5]
    camera.ssrc, camera.sequence = 77, 9
    packets += stream(camera, groups=2, pictures=4, begin=900_000)[3:]
    reader = camera.reader()
    reader.assemble = "key" if assemble == "key" else "all"
    times = [picture.rtp_time for picture in fed(reader, b"".join(packets))]
    assert reader.counts["sender_changes"] == 1
    assert times[0] == 0
    assert len([time for time in times if time >= 900_000]) == (2 if assemble == "key" else 5)
    assert reader.counts["damaged"] >= 1


@pytest.mark.parametrize("same_sender", [True, False])
def test_another_payload_type_is_left_out(same_sender: bool) -> None:
    camera, other = Camera("h264"), Camera("h264", ssrc=99, sequence=5)
    packets: list[bytes] = []
    for index, units in enumerate(group("h264", 4)):
        packets += camera.picture(units, index * TICKS)
        packets.append((camera if same_sender else other).packet(b"metadata", index, payload_type=107))
    reader = all_reader(camera)
    assert len(fed(reader, b"".join(packets))) == 4
    assert reader.counts["other_payload"] == 4
    assert not any(reader.counts[kind] for kind in ("lost", "damaged", "sender_changes"))


@pytest.mark.parametrize("bits", [0x00, 0x40, 0xC0])
def test_other_versions_of_rtp_and_short_packets_are_left_out(bits: int) -> None:
    camera = Camera("h264")
    packets = stream(camera)
    odd = packets[0][:4] + bytes([bits]) + packets[0][5:]
    reader = all_reader(camera)
    assert len(fed(reader, odd + b"".join(packets) + framed(0, b"\x80\x60\0\1"))) == 16
    assert reader.counts["malformed_packets"] == 2


@pytest.mark.parametrize("channel", [0, 2, 254])
def test_only_the_channel_that_was_set_up_is_read(channel: int) -> None:
    camera, stranger = Camera("h264", channel=channel), Camera("h264", channel=channel ^ 8)
    data = b"".join(p + q for p, q in zip(stream(camera), stream(stranger), strict=True))
    reader = all_reader(camera)
    assert len(fed(reader, data)) == 16
    assert reader.counts["other_channel"] == len(stream(stranger))


def test_times_go_on_over_the_wrap_and_over_a_jump() -> None:
    camera = Camera("h264")
    begin = 2**32 - 2 * TICKS
    times = [begin + n * TICKS for n in range(4)] + [5_000_000 + n * TICKS for n in range(4)]
    reader = all_reader(camera)
    seen = []
    for index, time in enumerate(times):
        packets = camera.picture([*SETS["h264"], unit("h264", "key")], time)
        seen += [picture.rtp_time for picture in fed(reader, b"".join(packets), mono_s=100 + index / 25)]
    steps = [after - before for before, after in pairwise(seen)]
    assert len(seen) == 8
    assert steps == pytest.approx([TICKS] * 7, abs=1)
    assert reader.last_key_interval_s == pytest.approx(1 / 25)


@pytest.mark.parametrize("clock_hz", [90_000, 45_000, 1_000])
def test_times_are_told_in_one_unit_whatever_the_clock(clock_hz: int) -> None:
    camera = Camera("h264")
    reader = camera.reader(clock_hz=clock_hz)
    reader.assemble = "all"
    packets = [p for n in range(4) for p in camera.picture([*SETS["h264"], unit("h264", "key")], n * clock_hz // 25)]
    assert [picture.rtp_time for picture in fed(reader, b"".join(packets))] == [0, TICKS, 2 * TICKS, 3 * TICKS]


def test_activity_is_the_bytes_since_the_last_key_picture() -> None:
    camera = Camera("h264")
    reader = camera.reader()
    units = group("h264", 4)
    pictures = [b"".join(camera.picture(each, index * TICKS)) for index, each in enumerate(units + units)]
    for index, data in enumerate(pictures):
        fed(reader, data)
        if index == 4:
            assert reader.bytes_since_key == 0
    assert reader.bytes_since_key == sum(map(len, pictures[5:]))
    assert reader.counts["bytes"] == sum(map(len, pictures))
    assert reader.pictures_per_s == pytest.approx(25)


def test_pictures_are_counted_without_being_assembled_when_a_key_picture_is_lost() -> None:
    camera = Camera("h264")
    packets = stream(camera, groups=4, pictures=5)
    second_key = next(n for n, packet in enumerate(packets) if int.from_bytes(packet[8:12], "big") == 5 * TICKS)
    reader = camera.reader()
    fed(reader, b"".join(packets[: second_key + 3] + packets[second_key + 4 :]))
    assert reader.counts["damaged"] == 1
    assert reader.counts["not_key"] == 16
    assert reader.last_key_interval_s == pytest.approx(5 / 25)
    assert reader.pictures_per_s == pytest.approx(25)
