"""What a voice note is, from its first bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.pictures import jpeg, png
from tests.support.sounds import PICTURE, SOUND, free, mp4, webm
from xueliang_central.evidence.sounds import sniff_sound


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        pytest.param(webm(), "audio/webm", id="webm"),
        pytest.param(mp4(), "audio/mp4", id="mp4"),
        pytest.param(webm()[:200], "audio/webm", id="webm, cut in its sound"),
    ],
)
def test_a_voice_note_is_known(data: bytes, media_type: str) -> None:
    assert sniff_sound(data) == media_type


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(webm((SOUND, PICTURE)), id="webm with pictures"),
        pytest.param(webm((PICTURE,)), id="webm of pictures alone"),
        pytest.param(webm(()), id="webm without a track"),
        pytest.param(webm(doc_type=b"matroska"), id="matroska"),
        pytest.param(mp4((b"soun", b"vide")), id="mp4 with pictures"),
        pytest.param(mp4((b"soun", b"vide"), between=free(300)), id="mp4 with pictures behind many boxes"),
        pytest.param(mp4((b"soun", b"vide"), between=free(1, 400))[:500], id="mp4 whose pictures lie beyond its head"),
        pytest.param(mp4(()), id="mp4 without a track"),
        pytest.param(mp4()[:30], id="mp4 cut before its tracks"),
        pytest.param(jpeg(), id="jpeg"),
        pytest.param(png(), id="png"),
        pytest.param(b"RIFF\x24\0\0\0WAVEfmt ", id="wav"),
        pytest.param(b"ID3\x04", id="mp3"),
        pytest.param(b"<html><script>", id="html"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_anything_else_is_not(data: bytes) -> None:
    assert sniff_sound(data) is None


@given(st.binary(max_size=400))
def test_no_bytes_break_it(tail: bytes) -> None:
    for head in (b"", b"\x1a\x45\xdf\xa3", b"\0\0\0\x10ftyp", webm()[:40], mp4()[:60]):
        sniff_sound(head + tail)


@given(st.integers(0, 120), st.integers(0, 255), st.sampled_from([webm(), mp4()]))
def test_a_changed_byte_never_breaks_it(at: int, value: int, data: bytes) -> None:
    sniff_sound(data[:at] + bytes([value]) + data[at + 1 :])
