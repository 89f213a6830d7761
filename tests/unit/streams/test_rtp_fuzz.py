"""Hostile and damaged streams: no error but ours, no wrong picture, no memory without end."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.rtp import SETS, TICKS, Camera, annex_b, arrival, framed, stream, unit
from xueliang_streams.coded_picture import Codec, CodedPicture
from xueliang_streams.errors import CameraUnreachable
from xueliang_streams.rtsp.depacketising import MAX_PICTURE_BYTES
from xueliang_streams.rtsp.interleaved import MAX_HEAD_BYTES, InterleavedReader

CODECS = st.sampled_from(["h264", "hevc"])
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def swallow(reader: InterleavedReader, data: bytes, chunk: int) -> list[CodedPicture]:
    """Everything it hands out; that it ends the connection is an answer too."""
    pictures: list[CodedPicture] = []
    try:
        for at in range(0, len(data), chunk):
            pictures += reader.feed(data[at : at + chunk], arrival()).pictures
            reader.assemble = "all" if at // chunk % 3 else "key"
    except CameraUnreachable:
        pass
    return pictures


@QUICK
@given(codec=CODECS, data=st.binary(max_size=3_000), chunk=st.integers(1, 3_000))
def test_any_bytes(codec: Codec, data: bytes, chunk: int) -> None:
    swallow(Camera(codec).reader(), data, chunk)


@QUICK
@given(
    codec=CODECS, payloads=st.lists(st.tuples(st.binary(max_size=40), st.booleans(), st.integers(0, 3)), max_size=40)
)
def test_any_payloads_in_sound_packets(codec: Codec, payloads: list[tuple[bytes, bool, int]]) -> None:
    camera = Camera(codec)
    reader = camera.reader()
    reader.assemble = "all"
    packets = [camera.packet(payload, time, is_marked=is_marked) for payload, is_marked, time in payloads]
    for picture in swallow(reader, b"".join(packets), 10_000):
        assert picture.data.startswith(b"\0\0\0\1")


@QUICK
@given(codec=CODECS, kind=st.sampled_from([0x78, 0x7C, 0x60, 0x62, 0x67, 0x68, 0x40, 0x42, 0]), data=st.data())
def test_any_inside_of_aggregates_fragments_and_sets(codec: Codec, kind: int, data: st.DataObject) -> None:
    camera = Camera(codec)
    bodies = data.draw(st.lists(st.binary(max_size=30), max_size=12))
    packets = [camera.packet(bytes([kind, 1]) + body, index // 3) for index, body in enumerate(bodies)]
    swallow(camera.reader(sets=()), b"".join(packets), 10_000)


@QUICK
@given(
    codec=CODECS,
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=30),
    chunk=st.integers(20, 4_000),
)
def test_changed_bytes(codec: Codec, changes: list[tuple[int, int]], chunk: int) -> None:
    camera = Camera(codec, limit=300)
    data = bytearray(b"".join(stream(camera, groups=2, pictures=3)))
    for at, value in changes:
        data[at % len(data)] = value
    swallow(camera.reader(), bytes(data), chunk)


Disorder = list[tuple[str, int]]


@settings(max_examples=300, deadline=None)
@given(
    codec=CODECS,
    marks=st.sampled_from(["last", "none", "each"]),
    aggregated=st.booleans(),
    assemble=st.sampled_from(["key", "all"]),
    disorder=st.lists(st.tuples(st.sampled_from(["drop", "repeat", "swap"]), st.integers(0, 10**6)), max_size=8),
)
def test_lost_repeated_and_swapped_packets_never_give_a_wrong_picture(
    codec: Codec, marks: str, aggregated: bool, assemble: str, disorder: Disorder
) -> None:
    camera = Camera(codec, limit=200)
    packets, sent, bare = several_slices(camera, marks=marks, aggregated=aggregated)
    for change, number in disorder:
        at = number % (len(packets) - 1)
        if change == "drop":
            del packets[at]
        elif change == "repeat":
            packets.insert(at, packets[at])
        else:
            packets[at], packets[at + 1] = packets[at + 1], packets[at]
    reader = camera.reader()
    reader.assemble = "key" if assemble == "key" else "all"
    before = -1
    for picture in reader.feed(b"".join(packets), arrival()).pictures:
        index = picture.rtp_time // TICKS
        # Sets never seen in band may be those of the description: then nobody can know that information was lost.
        assert picture.data in (sent[index], bare[index]), f"picture {index} is not what was sent"
        assert picture.is_key or index == before + 1, f"picture {index} refers to one that was not handed out"
        assert assemble == "all" or picture.is_key
        before = index
    if not disorder:
        assert reader.counts["damaged"] == 0
        assert before >= (len(sent) - 2 if assemble == "all" else len(sent) - 5)


def several_slices(camera: Camera, *, marks: str, aggregated: bool) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Packets of pictures of one to three slices, small and large; the data each comes out as, with and without SEI."""
    codec, packets, sent, bare = camera.codec, list[bytes](), list[bytes](), list[bytes]()
    for index in range(13):
        kind = "slice" if index % 4 else "key"
        slices = [
            unit(codec, kind, 20 + 150 * (n + index % 3), is_first=not n, fill=index) for n in range(1 + index % 3)
        ]
        front = [] if index % 4 else [*SETS[codec], unit(codec, "sei", 9, fill=index)]
        packets += camera.picture([*front, *slices], index * TICKS, aggregated=aggregated, marks=marks)
        sent.append(annex_b([*front, *slices]))
        bare.append(annex_b([*front[:-1], *slices]))
    return packets, sent, bare


def endless_fragments(camera: Camera) -> bytes:
    first, middle, *_ = camera.fragments(unit(camera.codec, "key", 3 * camera.limit))
    return camera.packet(first if camera.sequence == 0 else middle, 0)


def endless_information(camera: Camera) -> bytes:
    return camera.packet(unit(camera.codec, "sei", 50_000), 0)


def endless_sets(camera: Camera) -> bytes:
    number = camera.sequence % 255 + 1
    bits = f"{number:b}"
    head = int(("0" * (len(bits) - 1) + bits).ljust(24, "1"), 2).to_bytes(3, "big")
    return camera.packet(b"\x68" + head + bytes([camera.sequence % 251]) * 4_000, 0)


def endless_text(camera: Camera) -> bytes:
    camera.sequence += 1
    return b"OPTIONS rtsp://gate RTSP/1.0\r\nX: " if camera.sequence == 1 else b"x" * 1_000


def foreign_frames(camera: Camera) -> bytes:
    return framed(9, bytes(60_000))


@pytest.mark.parametrize(
    ("endless", "limit"),
    [
        (endless_fragments, 3 * MAX_PICTURE_BYTES),
        (endless_information, 3 * MAX_PICTURE_BYTES),
        (endless_sets, 3_000_000),
        (endless_text, 10 * MAX_HEAD_BYTES),
        (foreign_frames, 1_000_000),
    ],
)
def test_memory_is_bounded_whatever_comes_without_end(endless: Callable[[Camera], bytes], limit: int) -> None:
    camera = Camera("h264", sequence=0, limit=60_000)
    reader = camera.reader()
    tracemalloc.start()
    try:
        fed_bytes = 0
        while fed_bytes < 2 * limit:
            data = endless(camera)
            fed_bytes += len(data)
            reader.feed(data, arrival())
    except CameraUnreachable:
        assert endless is endless_text
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < limit
