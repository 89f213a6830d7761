"""Whole messages out of a growing buffer, and nothing beyond the limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.rtsp_texts import MAKERS
from xueliang_streams.errors import MalformedRtsp
from xueliang_streams.rtsp.messages import (
    MAX_BODY_BYTES,
    MAX_HEAD_BYTES,
    Response,
    ServerRequest,
    encode_request,
    take_message,
)

METHODS = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY")
TEXTS = [maker.answer(method, 3) for maker in MAKERS.values() for method in METHODS]


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("method", METHODS)
def test_answers_of_makers_are_taken_whole_and_only_whole(maker: object, method: str) -> None:
    text = maker.answer(method, 3)  # type: ignore[attr-defined]
    following = b"$\0\0\x04rest"
    taken = take_message(bytearray(text + following))
    assert taken is not None
    message, consumed = taken
    assert isinstance(message, Response)
    assert (message.status, message.reason, message.cseq, consumed) == (200, "OK", 3, len(text))
    assert bool(message.body) is (method == "DESCRIBE")
    for cut in range(len(text)):
        assert take_message(text[:cut]) is None, f"taken after {cut} of {len(text)} bytes"


def test_request_of_a_server_is_told_from_an_answer() -> None:
    text = b"ANNOUNCE rtsp://cam/x RTSP/1.0\r\nCSeq: 9\r\nContent-Length: 3\r\n\r\nv=0RTSP"
    message, consumed = take_message(text) or (None, 0)
    assert message == ServerRequest({"cseq": ("9",), "content-length": ("3",)}, b"v=0", "ANNOUNCE", "rtsp://cam/x")
    assert text[consumed:] == b"RTSP"


def test_headers_keep_repetitions_continue_over_lines_and_know_no_case() -> None:
    text = (
        b'\r\n\nRTSP/1.0 401 Unauthorized\r\ncSEQ:2\r\nWWW-Authenticate: Digest realm="a",\r\n nonce="b"\r\n'
        b"www-authenticate:Basic realm=x\r\nnonsense\r\n\r\n"
    )
    message, consumed = take_message(text) or (None, 0)
    assert message is not None
    assert message.headers["www-authenticate"] == ('Digest realm="a", nonce="b"', "Basic realm=x")
    assert (message.header("www-authenticate"), message.header("session"), message.cseq) == (
        'Digest realm="a", nonce="b"',
        "",
        2,
    )
    assert consumed == len(text)


def test_our_request_reads_as_written() -> None:
    text = encode_request("SETUP", "rtsp://cam/x", 4, {"Transport": "RTP/AVP/TCP"})
    assert text == b"SETUP rtsp://cam/x RTSP/1.0\r\nCSeq: 4\r\nTransport: RTP/AVP/TCP\r\n\r\n"
    message, _ = take_message(text) or (None, 0)
    assert isinstance(message, ServerRequest)
    assert (message.method, message.cseq) == ("SETUP", 4)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not begin like"),
        (b"HTTP/1.1", "does not begin like"),
        (b"SSH-2.0-OpenSSH", "does not begin like"),
        (b"\x16\x03\x01\x02", "does not begin like"),
        (b"$\0\0\x04aaaa", "does not begin like"),
        (b"RTSP/2.0 200 OK\r\n\r\n", "does not begin like"),
        (b"RTSP/1.0 2000 OK\r\n\r\n", "first line"),
        (b"OPTIONS * HTTP/1.1\r\n\r\n", "first line"),
        (b"\r\n" * 100, "line ends"),
        (b"RTSP/1.0 200 OK\r\nX: " + b"a" * MAX_HEAD_BYTES, "a head of more than"),
        (b"RTSP/1.0 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n", "header lines"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 1073741824\r\n\r\n", "a body of more than 65536 bytes"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY_BYTES + 1), "a body of"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", "no number"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: \xd9\xa3\r\n\r\n", "no number"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "two lengths"),
        (b"DESCRIBE x\r\nContent-Length: 60000\r\n\r\n", "first line"),
    ],
)
def test_what_can_never_become_a_message_is_refused_at_once(text: bytes, words: str) -> None:
    with pytest.raises(MalformedRtsp, match=words):
        take_message(text)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_message_a_wait_or_a_refusal(text: bytes) -> None:
    _take(text)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(TEXTS), st.lists(st.tuples(st.integers(0, 2000), st.binary(max_size=6)), max_size=6))
def test_mutated_answers_give_a_message_a_wait_or_a_refusal(text: bytes, edits: list[tuple[int, bytes]]) -> None:
    _take(mutated(text, edits))


def mutated(text: bytes, edits: list[tuple[int, bytes]]) -> bytes:
    """Each edit cuts as many bytes as it puts in, or one."""
    for at, put in edits:
        at %= len(text) + 1
        text = text[:at] + put + text[at + max(1, len(put)) :]
    return text


def _take(text: bytes) -> None:
    try:
        taken = take_message(text)
    except MalformedRtsp:
        return
    if taken is None:
        assert len(text) < MAX_HEAD_BYTES + MAX_BODY_BYTES + 70
    else:
        message, consumed = taken
        assert 0 < consumed <= len(text)
        assert len(message.body) <= MAX_BODY_BYTES
