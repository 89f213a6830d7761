"""Which video of a description is set up, and by which address."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rtsp_texts import MAKERS, Maker
from tests.unit.streams.test_rtsp_messages import mutated
from xueliang_streams.errors import NotAVideo, NotSpoken
from xueliang_streams.rtsp.description import MAX_SET_BYTES, MAX_SETS, joined, read_description

BASE = "rtsp://cam.local/live/"
SPS, PPS = "Z01AKY2NQDwBE/LCAAAOEAACvyAI", "aO44gA=="


def video(*lines: str, head: str = "m=video 0 RTP/AVP 96") -> bytes:
    return "\r\n".join(["v=0", "s=x", "t=0 0", head, *lines]).encode()


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
def test_video_of_each_maker_is_found_with_its_parameter_sets(maker: Maker) -> None:
    read = read_description(maker.sdp.encode(), maker.session_url)
    media = read.media
    assert (media.codec, media.payload_type, media.clock_hz) == (maker.codec, maker.payload_type, 90_000)
    assert (media.control_url, read.session_url) == (maker.setup_url, maker.session_url)
    assert len(media.parameter_sets) == maker.sets
    kinds = [unit[0] & 0x1F if maker.codec == "h264" else unit[0] >> 1 & 0x3F for unit in media.parameter_sets]
    assert kinds == ([7, 8] if maker.codec == "h264" else [32, 33, 34])[: maker.sets]


@pytest.mark.parametrize(
    ("base", "control", "expected"),
    [
        ("rtsp://h/a/", "track1", "rtsp://h/a/track1"),
        ("rtsp://h/a", "track1", "rtsp://h/a/track1"),
        ("rtsp://h/a/", "/track1", "rtsp://h/a/track1"),
        ("rtsp://h/a?x=1&y=2", "trackID=0", "rtsp://h/a?x=1&y=2/trackID=0"),
        ("rtsp://h/a/", "*", "rtsp://h/a/"),
        ("rtsp://h/a/", "", "rtsp://h/a/"),
        ("rtsp://h/a/", "RTSP://10.1.1.1/b", "RTSP://10.1.1.1/b"),
    ],
)
def test_addresses_are_joined_as_cameras_expect(base: str, control: str, expected: str) -> None:
    assert joined(base, control) == expected


@pytest.mark.parametrize("control", ["file:///etc/passwd", "http://127.0.0.1/", "a b", "a\rX: y", "ü", "a" * 3000])
def test_addresses_that_may_not_stand_in_a_request_are_refused(control: str) -> None:
    with pytest.raises(NotAVideo, match="an address that is none"):
        joined(BASE, control)


@pytest.mark.parametrize(
    ("sdp", "kind", "words"),
    [
        (b"", NotAVideo, "the camera offers no video"),
        (b"v=0\r\nm=audio 0 RTP/AVP 0\r\n", NotAVideo, "offers no video, only audio"),
        (b"v=0\r\nm=video 0 RTP/AVP 26\r\n", NotAVideo, "offers JPEG"),
        (video("a=rtpmap:96 MP4V-ES/90000"), NotAVideo, "offers MP4V-ES"),
        (video("a=rtpmap:96 canary secret/90000"), NotAVideo, "offers no video$"),
        (b"m=video 0 RTP/AVP 33", NotSpoken, "transport stream"),
        (video("a=rtpmap:96 H264/90000", head="m=video 0 RTP/SAVP 96"), NotSpoken, "encrypted RTP"),
        (video("a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=2"), NotSpoken, "interleaves"),
        (video("a=rtpmap:96 H265/90000", "a=fmtp:96 sprop-max-don-diff=4"), NotSpoken, "out of order"),
        (b"\xff\xfe\x00m=video", NotAVideo, "no video"),
        (b"m=\r\nm=video\r\nm=video x y z", NotAVideo, "no video"),
    ],
)
def test_what_is_no_video_for_us_is_said(sdp: bytes, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as refused:
        read_description(sdp, BASE)
    assert "canary" not in str(refused.value)


def test_not_spoken_carries_its_reason_for_whoever_takes_over() -> None:
    with pytest.raises(NotSpoken) as refused:
        read_description(b"m=video 0 RTP/AVP 33", BASE)
    assert refused.value.reason == "the camera offers a transport stream"
    assert not refused.value.is_udp_only


@pytest.mark.parametrize(
    ("line", "sets"),
    [
        (f"packetization-mode=1;sprop-parameter-sets={SPS},{PPS}", 2),
        (f" Sprop-Parameter-Sets = {SPS},{PPS} ; x", 2),
        (f"sprop-parameter-sets={SPS},{PPS.rstrip('=')}", 2),
        (f"sprop-parameter-sets={SPS},!!!,,{PPS}", 2),
        ("sprop-parameter-sets=QAEMAf//", 0),
        ("sprop-parameter-sets=" + "Z01AKY2N" * MAX_SET_BYTES, 0),
        ("sprop-parameter-sets=" + ",".join([PPS] * 1000), MAX_SETS),
        ("packetization-mode=1", 0),
    ],
    ids=["plain", "loose", "no padding", "one broken", "other kind", "too long", "too many", "none"],
)
def test_parameter_sets_are_taken_where_they_can_be_read(line: str, sets: int) -> None:
    sdp = video("a=rtpmap:96 H264/90000", f"a=fmtp:96 {line}")
    assert len(read_description(sdp, BASE).media.parameter_sets) == sets


def test_first_video_we_speak_is_chosen_and_sound_never() -> None:
    sdp = video(
        "a=rtpmap:96 MP4V-ES/90000",
        "a=control:old",
        "m=audio 0 RTP/AVP 97",
        "a=rtpmap:97 H264/90000",
        "a=control:sound",
        "m=video 0 RTP/AVP 98 99",
        "a=rtpmap:99 H265/90000",
        "a=control:new",
        "m=video 0 RTP/AVP 100",
        "a=rtpmap:100 H264/90000",
        "a=control:second",
    )
    media = read_description(sdp, BASE).media
    assert (media.codec, media.payload_type, media.control_url) == ("hevc", 99, BASE + "new")


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from([maker.sdp.encode() for maker in MAKERS.values()]),
    st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=8)), max_size=8),
)
def test_mutated_descriptions_give_a_video_or_a_refusal(sdp: bytes, edits: list[tuple[int, bytes]]) -> None:
    try:
        read = read_description(mutated(sdp, edits), BASE)
    except (NotAVideo, NotSpoken):
        return
    assert all("!" <= letter <= "~" for letter in read.media.control_url + read.session_url)
    assert 0 <= read.media.payload_type < 128
