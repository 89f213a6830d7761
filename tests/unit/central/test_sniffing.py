"""What a picture is, from its first bytes."""

from __future__ import annotations

import struct
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pictures import jpeg, png, webp_extended, webp_lossless, webp_lossy
from xueliang_central.evidence.sniffing import sniff


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        pytest.param(jpeg(640, 480), "image/jpeg", id="jpeg"),
        pytest.param(jpeg(640, 480, progressive=True), "image/jpeg", id="progressive jpeg"),
        pytest.param(png(640, 480), "image/png", id="png"),
        pytest.param(webp_lossy(640, 480), "image/webp", id="webp lossy"),
        pytest.param(webp_lossless(640, 480), "image/webp", id="webp lossless"),
        pytest.param(webp_extended(640, 480), "image/webp", id="webp extended"),
    ],
)
def test_type_and_size_are_read(data: bytes, media_type: str) -> None:
    header = sniff(data)
    assert header is not None
    assert (header.media_type, header.width, header.height) == (media_type, 640, 480)
    assert header.problem is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(png(10_000, 10_001), id="100 megapixels"),
        pytest.param(jpeg(1, 65_535), id="1 x 65,535"),
        pytest.param(jpeg(0, 10), id="no width"),
        pytest.param(webp_extended(16_384, 16_384), id="webp of 268 megapixels"),
    ],
)
def test_too_large_is_refused_without_decoding(data: bytes) -> None:
    began = time.process_time()
    header = sniff(data)
    assert header is not None
    assert header.problem is not None
    assert time.process_time() - began < 0.05


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8\xff",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a" + bytes(40),
        b"RIFF\x00\x00\x00\x00WEBPVP9 " + bytes(30),
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IDAT" + zlib.compress(b""),
        jpeg(640, 480)[:8],
    ],
)
def test_what_is_no_picture_is_none(data: bytes) -> None:
    assert sniff(data) is None


@given(st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF1234WEBPVP8X"]))
def test_no_bytes_break_it(tail: bytes, start: bytes) -> None:
    header = sniff(start + tail)
    assert header is None or (header.width >= 0 and header.height >= 0)
