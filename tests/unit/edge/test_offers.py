"""What a probe found, in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from xueliang_edge.offers import as_json, clock_words, described, oddities, sub_fit
from xueliang_streams.probe import Offer

GOOD = Offer(
    codec="h264",
    size_wh=(1920, 1080),
    fps=25.0,
    gop_pictures=50,
    gop_s=2.0,
    bitrate_bps=4e6,
    display_aspect=16 / 9,
    key_decode_ms=(18.0, 20.0, 22.0),
    watched_s=6.0,
)
SMALL = replace(GOOD, size_wh=(640, 360))


def test_a_usual_camera_is_one_line_without_notes() -> None:
    assert list(oddities(GOOD)) == []
    assert described(GOOD) == (
        "h264 1920x1080, 25.0 pictures a second, a key picture every 2.0 s (50 pictures), 4.00 Mbit/s"
    )


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        pytest.param(replace(GOOD, gop_s=20.0, gop_pictures=500), "a key picture only every 20.0 s", id="20 s"),
        pytest.param(replace(GOOD, gop_s=None, watched_s=14.0), "no second key picture in 14 s", id="one key"),
        pytest.param(replace(GOOD, fps=1.0), "only 1.0 pictures a second", id="1 fps"),
        pytest.param(replace(GOOD, size_wh=(3840, 2160)), "3840x2160: pictures this large", id="4K"),
        pytest.param(replace(GOOD, size_wh=(1919, 1079)), "1919x1079: an odd size", id="odd size"),
        pytest.param(replace(GOOD, pixel_format="yuv422p"), "pixel format yuv422p", id="4:2:2"),
        pytest.param(replace(GOOD, is_interlaced=True), "interlaced", id="interlaced"),
        pytest.param(replace(GOOD, clock_ahead_s=-3700.0), "62 minutes behind ours", id="clock"),
        pytest.param(replace(GOOD, packets_lost=7), "7 packets lost", id="loss"),
        pytest.param(replace(GOOD, offers_sound=True), "no sound reaches this machine", id="sound"),
        pytest.param(
            replace(GOOD, reader="libav", reader_note="the camera offers UDP only"),
            "read by libav (the camera offers UDP only)",
            id="libav",
        ),
    ],
)
def test_each_oddity_is_said(offer: Offer, said: str) -> None:
    notes = list(oddities(offer))
    assert len(notes) == 1
    assert said in notes[0]


def test_full_range_is_no_oddity() -> None:
    assert list(oddities(replace(GOOD, pixel_format="yuvj420p"))) == []


def test_a_clock_that_is_not_known_says_why() -> None:
    assert clock_words(GOOD) == "not known: no sender report came in 6 s"
    assert "libav" in clock_words(replace(GOOD, reader="libav"))
    assert clock_words(replace(GOOD, clock_ahead_s=0.1)).startswith("0.1 s ahead of ours")
    assert clock_words(replace(GOOD, clock_ahead_s=-400 * 86_400.0)).startswith("400 days behind ours")


@pytest.mark.parametrize(
    ("main", "sub", "fits", "is_swapped", "said"),
    [
        pytest.param(GOOD, SMALL, True, False, "fits (main 1920x1080, sub 640x360)", id="usual"),
        pytest.param(GOOD, replace(SMALL, size_wh=(640, 368), display_aspect=640 / 368), True, False, "fits", id="368"),
        pytest.param(SMALL, GOOD, False, True, "main and sub are swapped", id="swapped"),
        pytest.param(GOOD, GOOD, False, False, "as large as the main stream", id="the same"),
        pytest.param(
            GOOD, replace(SMALL, size_wh=(640, 480), display_aspect=4 / 3), False, False, "another shape", id="4:3"
        ),
        pytest.param(
            # 4CIF with a pixel aspect of 16:11 is 16:9 when it is shown.
            GOOD,
            replace(SMALL, size_wh=(704, 576), display_aspect=704 * 16 / 11 / 576),
            True,
            False,
            "fits",
            id="squeezed, and says so",
        ),
    ],
)
def test_whether_a_sub_stream_fits(main: Offer, sub: Offer, fits: bool, is_swapped: bool, said: str) -> None:
    fit = sub_fit(main, sub)
    assert (fit.fits, fit.is_swapped) == (fits, is_swapped)
    assert said in fit.words


def test_json_has_null_for_what_was_not_seen() -> None:
    told = as_json(replace(GOOD, fps=None, gop_s=None, gop_pictures=None, bitrate_bps=None))
    assert told["fps"] is None
    assert told["gop_s"] is None
    assert told["clock_ahead_s"] is None
    assert "not known" in told["clock"]
