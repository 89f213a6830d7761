"""What our own decoder does not believe: broken messages, impossible colours, what follows a damaged picture."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tests.integration.streams.test_own_decoding import Clips, clip_of, coded, decoder, flipped
from tests.support.rtp import NOON
from xueliang_streams import DecodeMode
from xueliang_streams.coded_picture import Arrival, CodedPicture
from xueliang_streams.decoding import STRICT_TRIES, OnDemandDecoder
from xueliang_streams.segments import load_segment

__all__ = ["clip_of"]  # the fixture


def with_broken_message(picture: CodedPicture) -> CodedPicture:
    """A supplemental message whose length is beyond its end, in front: what the pictures say stays whole."""
    return replace(picture, data=bytes.fromhex("000000014e0184ff7f11") + picture.data)


def test_h265_that_never_is_by_the_standard_is_decoded_all_the_same(clip_of: Clips) -> None:
    pictures = [with_broken_message(one) for one in coded(load_segment("hevc", clip_of("hevc")), DecodeMode.KEYFRAMES)]
    dropped: Counter[str] = Counter()
    strict = decoder(DecodeMode.KEYFRAMES, dropped)
    seen = [frame for picture in pictures * 3 for frame in strict.feed(picture)]
    assert dropped["damaged"] == STRICT_TRIES
    assert len(seen) == 3 * len(pictures) - STRICT_TRIES


def test_h265_that_was_whole_once_is_held_to_it(clip_of: Clips) -> None:
    sound = coded(load_segment("hevc", clip_of("hevc")), DecodeMode.KEYFRAMES)
    dropped: Counter[str] = Counter()
    strict = decoder(DecodeMode.KEYFRAMES, dropped)
    assert strict.feed(sound[0])
    for picture in [with_broken_message(one) for one in sound] * 3:
        assert not strict.feed(picture)
    assert dropped["damaged"] == 3 * len(sound)
    assert strict.feed(sound[0])


def in_colour(path: Path, yuv: tuple[int, int, int]) -> list[CodedPicture]:
    """H.265 of one colour, a picture a second."""
    picture = np.full((240 * 3 // 2, 320), yuv[0], np.uint8)
    picture[240:300], picture[300:] = yuv[1], yuv[2]
    with av.open(str(path), "w", format="mp4") as container:
        options = {"preset": "ultrafast", "x265-params": "log-level=none:keyint=1"}
        stream = cast(VideoStream, container.add_stream("libx265", rate=1, options=options))
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for index in range(2):
            frame = VideoFrame.from_ndarray(picture, format="yuv420p")
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return coded(load_segment("x", path), DecodeMode.KEYFRAMES)


@pytest.mark.parametrize("yuv", [(41, 240, 110), (82, 90, 240), (210, 16, 146), (145, 54, 34)])
def test_the_purest_colours_are_no_damage(yuv: tuple[int, int, int], tmp_path: Path) -> None:
    assert decoder(DecodeMode.KEYFRAMES).feed(in_colour(tmp_path / "pure.mp4", yuv)[0])


def test_impossible_colours_are_believed_after_a_minute(tmp_path: Path) -> None:
    picture = in_colour(tmp_path / "beyond.mp4", (29, 255, 107))[0]
    one = decoder(DecodeMode.KEYFRAMES)
    given = [bool(one.feed(replace(picture, arrival=Arrival(1_000.0 + second, NOON)))) for second in range(100)]
    assert given == [False] * 60 + [True] * 40


def test_a_light_that_comes_and_goes_in_such_colours_is_believed_after_twenty_times(tmp_path: Path) -> None:
    lit = in_colour(tmp_path / "beyond.mp4", (29, 255, 107))[0]
    plain = in_colour(tmp_path / "plain.mp4", (82, 90, 240))[0]
    one = decoder(DecodeMode.KEYFRAMES)
    seen = []
    for turn in range(30):
        seen.append(bool(one.feed(replace(lit, arrival=Arrival(1_000.0 + 4 * turn, NOON)))))
        assert one.feed(replace(plain, arrival=Arrival(1_002.0 + 4 * turn, NOON))), "between them it is seen"
    assert seen == [False] * 19 + [True] * 11


def test_h265_whose_messages_break_later_is_seen_again_after_ten_seconds(clip_of: Clips) -> None:
    sound = coded(load_segment("hevc", clip_of("hevc")), DecodeMode.KEYFRAMES)[0]
    one = decoder(DecodeMode.KEYFRAMES)
    assert one.feed(replace(sound, arrival=Arrival(999.0, NOON)))
    broken = with_broken_message(sound)
    seen = [bool(one.feed(replace(broken, arrival=Arrival(1_000.0 + second, NOON)))) for second in range(40)]
    assert seen == [False] * 11 + [True] * 29


def doubts(one: OnDemandDecoder, picture: CodedPicture, *seconds: float) -> list[str]:
    """What is said of the picture at each of these moments."""
    found = []
    for second in seconds:
        out = one.feed(replace(picture, arrival=Arrival(1_000.0 + second, NOON)))
        if not out:
            found.append("refused")
        elif out[0].follows_damage:
            assert out[0].is_doubtful
            found.append("after damage")
        else:
            found.append("doubtful" if out[0].is_doubtful else "sure")
    return found


def test_what_follows_a_damaged_picture_of_h265_is_doubtful_for_ten_seconds(clip_of: Clips, tmp_path: Path) -> None:
    sound = coded(load_segment("hevc", clip_of("hevc")), DecodeMode.KEYFRAMES)[0]
    one = decoder(DecodeMode.KEYFRAMES)
    assert doubts(one, sound, 0, 1) == ["sure", "sure"]
    assert doubts(one, with_broken_message(sound), 2) == ["refused"]
    assert doubts(one, sound, 3, 12, 13) == ["after damage", "after damage", "sure"]
    garbled = decoder(DecodeMode.KEYFRAMES)
    assert doubts(garbled, in_colour(tmp_path / "beyond.mp4", (29, 255, 107))[0], 0) == ["refused"]
    plain = in_colour(tmp_path / "plain.mp4", (82, 90, 240))[0]
    assert doubts(garbled, plain, 1, 10, 11) == ["after damage", "after damage", "sure"]


def test_h265_that_broke_the_standard_later_is_doubtful_and_that_never_met_it_is_not(clip_of: Clips) -> None:
    sound = coded(load_segment("hevc", clip_of("hevc")), DecodeMode.KEYFRAMES)[0]
    broken = with_broken_message(sound)
    once_whole = decoder(DecodeMode.KEYFRAMES)
    doubts(once_whole, sound, 0)
    assert set(doubts(once_whole, broken, *range(1, 40))) == {"refused", "after damage", "doubtful"}
    assert doubts(once_whole, broken, 400) == ["doubtful"]
    never_whole = decoder(DecodeMode.KEYFRAMES)
    doubts(never_whole, broken, *range(20))
    assert doubts(never_whole, broken, 20, 30) == ["sure", "sure"]


def test_colours_that_are_believed_in_the_end_stay_doubtful(tmp_path: Path) -> None:
    lit = in_colour(tmp_path / "beyond.mp4", (29, 255, 107))[0]
    assert doubts(decoder(DecodeMode.KEYFRAMES), lit, *range(90))[-10:] == ["doubtful"] * 10


def test_of_h264_nothing_is_doubtful(clip_of: Clips) -> None:
    pictures = coded(load_segment("h264", clip_of("h264")), DecodeMode.KEYFRAMES)
    one = decoder(DecodeMode.KEYFRAMES)
    assert doubts(one, flipped(pictures[0], np.random.default_rng(1), 300), 0) == ["refused"]
    assert doubts(one, pictures[0], 1) == ["sure"]
