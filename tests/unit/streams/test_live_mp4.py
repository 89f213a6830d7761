"""A camera's pictures as fragmented MP4: FFmpeg reads back what went in, and the marks are where they must be."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.clips import moving_box_frame
from xueliang_edge.live_view.child import hand_on
from xueliang_edge.live_view.sending import Sender
from xueliang_streams.coded_picture import Arrival, CodedPicture
from xueliang_streams.encoding import encode_clip
from xueliang_streams.errors import NotAVideo
from xueliang_streams.live_mp4 import CLOCK_HZ, LiveMp4, marks_in
from xueliang_streams.picture_size import size_in_sps

AT = Arrival(1.0, datetime(2026, 11, 27, tzinfo=UTC))
MARK = "view 4711 of cam-0"


def coded(path: Path) -> list[CodedPicture]:
    """A recording as our reader hands it out, its times far from zero."""
    pictures = []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        bits = av.BitStreamFilterContext("h264_mp4toannexb", stream)
        for packet in [one for raw in container.demux(stream) for one in bits.filter(raw)]:
            if packet.pts is None or not packet.size:
                continue
            time = 5_000_000 + round(float(packet.pts * packet.time_base) * CLOCK_HZ)
            pictures.append(CodedPicture("h264", bytes(packet), bool(packet.is_keyframe), AT, time))
    return pictures


def played(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data), format="mp4") as container:
        return list(container.decode(video=0))


def clip(folder: Path, *, b_frames: int = 0, size_wh: tuple[int, int] = (320, 240)) -> Path:
    path = folder / f"clip-{b_frames}-{size_wh[1]}.mp4"
    frames = (moving_box_frame(index, size_wh) for index in range(30))
    encode_clip(path, frames, fps=10, gop=10, b_frames=b_frames)
    return path


@pytest.mark.parametrize("b_frames", [0, 2], ids=["in order", "reordered"])
def test_every_picture_comes_back_in_its_place(tmp_path: Path, b_frames: int) -> None:
    path = clip(tmp_path, b_frames=b_frames)
    live = LiveMp4(MARK)
    wrapped = [live.take(picture) for picture in coded(path)]
    assert None not in wrapped
    data = b"".join(one.data for one in wrapped if one is not None)
    with av.open(str(path)) as original:
        wanted = [frame.to_ndarray(format="gray") for frame in original.decode(video=0)]
    seen = played(data)
    assert len(seen) == len(wanted) == 30
    for frame, picture in zip(seen, wanted, strict=True):
        assert np.array_equal(frame.to_ndarray(format="gray"), picture)
    times = [float(frame.pts * frame.time_base) for frame in seen]
    gaps = np.diff(times)
    assert gaps == pytest.approx([0.1] * 29, abs=0.002)
    assert live.codec.startswith("avc1.")
    assert marks_in(data) == [MARK] * sum(one.is_key for one in wrapped if one is not None)


def test_playing_begins_at_any_key_picture_behind_the_head(tmp_path: Path) -> None:
    live = LiveMp4(MARK)
    fragments = [one for picture in coded(clip(tmp_path)) if (one := live.take(picture)) is not None]
    head = fragments[0].data[: fragments[0].data.index(b"moof") - 4]
    second = next(index for index, one in enumerate(fragments[1:], 1) if one.is_key)
    assert b"moov" not in fragments[second].data
    seen = played(head + b"".join(one.data for one in fragments[second:]))
    assert len(seen) == 30 - second


def test_the_mark_stays_when_the_stream_is_put_into_another_file(tmp_path: Path) -> None:
    live = LiveMp4(MARK)
    data = b"".join(one.data for picture in coded(clip(tmp_path)) if (one := live.take(picture)) is not None)
    other = tmp_path / "saved.mkv"
    with av.open(io.BytesIO(data), format="mp4") as source, av.open(str(other), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    assert set(marks_in(other.read_bytes())) == {MARK}


def test_nothing_comes_before_a_key_picture_and_a_new_size_brings_a_new_head(tmp_path: Path) -> None:
    small, large = coded(clip(tmp_path)), coded(clip(tmp_path, size_wh=(640, 360)))
    live = LiveMp4(MARK)
    assert live.take(small[1]) is None
    first, changed = live.take(small[0]), live.take(large[0])
    assert first is not None
    assert changed is not None
    assert b"moov" in first.data
    assert b"moov" in changed.data
    assert [frame.width for frame in played(changed.data)] == [640]


def test_another_codec_and_a_damaged_set_are_refused() -> None:
    with pytest.raises(NotAVideo, match=r"expected H\.264, the camera sends hevc"):
        LiveMp4(MARK).take(CodedPicture("hevc", b"", True, AT, 0))
    with pytest.raises(NotAVideo, match="ends before"):
        size_in_sps(b"\x67\x4d\x40\x1f")
    with pytest.raises(ValueError, match="printable"):
        LiveMp4("a\nb")


def test_a_cropped_size_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cropped.mp4"
    encode_clip(path, (np.zeros((1080, 1920, 3), np.uint8) for _ in range(2)), fps=10, gop=2)
    sps = next(part for part in coded(path)[0].data.split(b"\0\0\0\1") if part and part[0] & 0x1F == 7)
    assert size_in_sps(sps) == (1920, 1080)


def test_after_something_was_given_up_playing_can_begin_at_the_next_key_picture(tmp_path: Path) -> None:
    """A camera that sends a second of pictures at once, over a thin line: the first bundle is among what is lost."""
    pictures = coded(clip(tmp_path)) * 40
    live, sender = LiveMp4(MARK), Sender("http://nowhere", "token", 64, mono=lambda: 0.0)
    rest = iter(pictures)
    while not sender.lost:
        assert hand_on(next(rest), live, sender)
    while sender._outbox.take() is not None:
        pass
    while (picture := next(rest)) and not picture.is_key:
        pass
    hand_on(picture, live, sender)
    bundle = sender._outbox.take()
    assert bundle is not None
    assert bundle.is_key
    assert played(bundle.data)
