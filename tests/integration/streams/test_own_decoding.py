"""Real and encoded clips through our own reader of RTP and the decoder: the same pictures as PyAV's own reading."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from tests.support.clips import moving_box_frame
from tests.support.fixtures import require_fixture
from tests.support.rtp import NOON, TICKS, Camera, arrival
from xueliang_streams import DecodeMode, Frame, open_source
from xueliang_streams.coded_picture import Codec, CodedPicture
from xueliang_streams.decoding import Decoded, OnDemandDecoder, RateLimit
from xueliang_streams.frame import Planes
from xueliang_streams.rtsp.interleaved import InterleavedReader
from xueliang_streams.segments import Segment, load_segment

ENCODERS: dict[Codec, str] = {"h264": "libx264", "hevc": "libx265"}
KEYS_OFTEN = "keyint=8:min-keyint=8:scenecut=0"


@dataclass(frozen=True)
class Kind:
    """How a clip of 24 pictures is encoded."""

    codec: Codec
    size_wh: tuple[int, int] = (320, 240)
    pix_fmt: str = "yuv420p"
    params: str = "bframes=0"
    options: dict[str, str] = field(default_factory=dict)


Clips = Callable[[str], Path]

KINDS = {
    "h264": Kind("h264"),
    "h264 B": Kind("h264", params="bframes=3:b-pyramid=normal"),
    "h264 slices": Kind("h264", params="bframes=2:slices=4"),
    "h264 interlaced": Kind("h264", params="tff=1:bframes=0"),
    "h264 interlaced B": Kind("h264", params="tff=1:bframes=2"),
    "h264 cropped": Kind("h264", (322, 182)),
    "h264 4:2:2": Kind("h264", pix_fmt="yuv422p"),
    "h264 4:4:4 odd": Kind("h264", (321, 241), "yuv444p"),
    "h264 10 bit": Kind("h264", pix_fmt="yuv420p10le"),
    "h264 full range": Kind("h264", pix_fmt="yuvj420p"),
    "h264 4:2:2 full range": Kind("h264", pix_fmt="yuvj422p"),
    "h264 grey": Kind("h264", pix_fmt="gray"),
    "h264 with delimiters": Kind("h264", params="bframes=0:aud=1"),
    "hevc": Kind("hevc"),
    "hevc B": Kind("hevc", params="bframes=3:open-gop=0"),
    "hevc open": Kind("hevc", params="bframes=3:open-gop=1"),
    "hevc slices": Kind("hevc", params="bframes=0:slices=2"),
    "hevc cropped": Kind("hevc", (328, 184)),
    "hevc 4:2:2": Kind("hevc", pix_fmt="yuv422p"),
    "hevc 10 bit": Kind("hevc", pix_fmt="yuv420p10le"),
    "hevc full range": Kind("hevc", params="bframes=0:range=full", pix_fmt="yuvj420p"),
}


def textured(index: int, size_wh: tuple[int, int]) -> NDArray[np.uint8]:
    """A moving box on ground that compresses badly, so that pictures take many packets."""
    noise = np.random.default_rng(index // 4).integers(0, 60, (size_wh[1], size_wh[0], 1), np.uint8)
    return np.asarray(moving_box_frame(index, size_wh) // 2 + noise, np.uint8)


def encoded(path: Path, kind: Kind, count: int = 24) -> Path:
    """A clip of this kind."""
    own = {"h264": "x264-params", "hevc": "x265-params"}[kind.codec]
    params = f"{KEYS_OFTEN}:{kind.params}" + (":log-level=none" if kind.codec == "hevc" else "")
    options = {"preset": "ultrafast", "crf": "20", own: params, **kind.options}
    with av.open(str(path), "w", format="mp4") as container:
        stream = cast(VideoStream, container.add_stream(ENCODERS[kind.codec], rate=25, options=options))
        stream.width, stream.height = kind.size_wh
        stream.pix_fmt = kind.pix_fmt
        stream.codec_context.time_base = Fraction(1, 25)
        stream.codec_context.thread_count = 1
        for index in range(count):
            picture = VideoFrame.from_ndarray(textured(index, kind.size_wh), format="bgr24").reformat(
                format=kind.pix_fmt
            )
            picture.pts, picture.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def clip_of(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("kinds")
    made: dict[str, Path] = {}

    def clip(name: str) -> Path:
        if name not in made:
            made[name] = encoded(folder / f"{len(made)}.mp4", KINDS[name])
        return made[name]

    return clip


def sent(segment: Segment, *, aggregated: bool = False, limit: int = 1_400, begin: int = 0) -> list[bytes]:
    """A clip's pictures as interleaved packets."""
    camera = Camera(codec_of(segment), limit=limit, sequence=65_500)
    return [
        packet
        for picture in segment.pictures
        for packet in camera.picture(
            picture.units, begin + round(picture.show_offset_s * 90_000), aggregated=aggregated
        )
    ]


def codec_of(segment: Segment) -> Codec:
    return "h264" if segment.parameters.kinds.rtp_name == "H264" else "hevc"


def reader_of(segment: Segment, mode: DecodeMode) -> InterleavedReader:
    reader = InterleavedReader(codec_of(segment), payload_type=96, parameter_sets=segment.parameters.sets)
    reader.assemble = "key" if mode is DecodeMode.KEYFRAMES else "all"
    return reader


def coded(segment: Segment, mode: DecodeMode = DecodeMode.ALL) -> list[CodedPicture]:
    """The clip's pictures as our reader hands them out, read in pieces of odd size."""
    data, reader = b"".join(sent(segment)), reader_of(segment, mode)
    pictures = [
        each for at in range(0, len(data), 4_099) for each in reader.feed(data[at : at + 4_099], arrival()).pictures
    ]
    assert not reader.counts["damaged"], reader.counts
    return pictures


def decoder(mode: DecodeMode, dropped: Counter[str] | None = None, max_fps: float | None = None) -> OnDemandDecoder:
    counts = Counter[str]() if dropped is None else dropped
    return OnDemandDecoder(mode, RateLimit(max_fps), lambda reason, count: counts.update({reason: count}))


def decoded(pictures: Iterable[CodedPicture], mode: DecodeMode) -> list[Decoded]:
    one = decoder(mode)
    return [each for picture in pictures for each in one.feed(picture)]


def pyav(path: Path) -> list[VideoFrame]:
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        return list(container.decode(video=0))


def key_pictures(path: Path, *, is_smoothed: bool = False) -> list[VideoFrame]:
    """PyAV's own; as our decoder gives key pictures, they are not smoothed across block edges."""
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        context.thread_count = 1
        context.skip_frame = "NONKEY"
        context.options = {} if is_smoothed else {"skip_loop_filter": "all"}
        return [frame for frame in container.decode(video=0) if frame.key_frame]


def raw_plane(frame: VideoFrame, index: int) -> NDArray[np.uint8]:
    plane = frame.planes[index]
    rows = np.frombuffer(bytes(plane), np.uint8).reshape(plane.height, plane.line_size)
    return rows[:, : plane.width]


def assert_same(planes: Planes, frame: VideoFrame) -> None:
    """8-bit brightness bit by bit, 4:2:0 colour too; everything by what it looks like."""
    assert planes.size_wh == (frame.width, frame.height)
    name = frame.format.name
    if "10" not in name:
        assert np.array_equal(planes.y, raw_plane(frame, 0))
    if name in ("yuv420p", "yuvj420p"):
        assert np.array_equal(planes.u, raw_plane(frame, 1))
        assert np.array_equal(planes.v, raw_plane(frame, 2))
    looks = frame.to_ndarray(format="bgr24").astype(np.int16)
    assert np.abs(planes.bgr() - looks).mean() < 4, name


@pytest.mark.parametrize("name", KINDS)
def test_key_pictures_are_those_of_pyav(name: str, clip_of: Clips) -> None:
    path = clip_of(name)
    keys = key_pictures(path)
    pictures = coded(load_segment("x", path), DecodeMode.KEYFRAMES)
    one = decoder(DecodeMode.KEYFRAMES)
    assert len(pictures) == len(keys) == 3
    for picture, frame in zip(pictures, keys, strict=True):
        (out,) = one.feed(picture)  # with its own packet, B-pictures or not
        assert_same(out.planes, frame)
        assert out.is_key
        assert out.planes.is_full_range == ("full" in name)


@pytest.mark.parametrize("name", KINDS)
def test_all_pictures_are_those_of_pyav_in_showing_order(name: str, clip_of: Clips) -> None:
    path = clip_of(name)
    frames = pyav(path)
    out = decoded(coded(load_segment("x", path)), DecodeMode.ALL)
    assert len(frames) - 8 < len(out) <= len(frames), "more held back than B-pictures can explain"
    for each, frame in zip(out, frames, strict=False):
        assert_same(each.planes, frame)
    assert [each.is_key for each in out] == [bool(frame.key_frame) for frame in frames[: len(out)]]


@pytest.mark.fixtures
@pytest.mark.parametrize("clip", ["motorway", "campus_walkers", "highway_lowres", "plaza_crowd", "yard_fire"])
@pytest.mark.parametrize("aggregated", [False, True], ids=["plain", "aggregated"])
def test_real_clips_give_the_same_key_pictures(clip: str, aggregated: bool) -> None:
    path = require_fixture(f"clips/{clip}.mp4")
    segment = load_segment(clip, path)
    reader = reader_of(segment, DecodeMode.KEYFRAMES)
    data = b"".join(sent(segment, aggregated=aggregated))
    pictures = [
        each for at in range(0, len(data), 50_000) for each in reader.feed(data[at : at + 50_000], arrival()).pictures
    ]
    keys, smoothed = key_pictures(path), key_pictures(path, is_smoothed=True)
    assert len(pictures) == len(keys) == len(smoothed) >= 2
    for out, frame, smooth in zip(decoded(pictures, DecodeMode.KEYFRAMES), keys, smoothed, strict=True):
        assert_same(out.planes, frame)
        differs = np.abs(out.planes.y.astype(np.int16) - raw_plane(smooth, 0))
        assert differs.mean() < 1, "a key picture drifts by no more than what smoothing changes"
    assert reader.counts["assembled"] + reader.counts["not_key"] == len(segment.pictures)


def test_another_size_and_another_codec_in_mid_stream_go_on(clip_of: Clips) -> None:
    names = ("h264 B", "h264 cropped", "h264 4:2:2", "hevc B", "hevc cropped", "h264")
    for mode in DecodeMode:
        one = decoder(mode)
        seen: list[tuple[int, int]] = []
        for name in names:
            out = [each for picture in coded(load_segment("x", clip_of(name)), mode) for each in one.feed(picture)]
            seen += [each.planes.size_wh for each in out]
        assert list(dict.fromkeys(seen)) == [(320, 240), (322, 182), (328, 184)]
        assert seen[-1] == (320, 240)
        assert len(seen) >= (18 if mode is DecodeMode.KEYFRAMES else 120), seen


def test_size_changes_within_one_stream_by_its_parameter_sets(clip_of: Clips) -> None:
    small, large = load_segment("small", clip_of("h264")), load_segment("large", clip_of("h264 cropped"))
    reader, one = reader_of(small, DecodeMode.ALL), decoder(DecodeMode.ALL)
    camera = Camera("h264")
    sizes = []
    for index, picture in enumerate([*small.pictures, *large.pictures, *small.pictures]):
        data = b"".join(camera.picture(picture.units, index * TICKS))
        sizes += [out.planes.size_wh for each in reader.feed(data, arrival()).pictures for out in one.feed(each)]
    assert list(dict.fromkeys(sizes)) == [(320, 240), (322, 182)]
    assert len(sizes) >= 3 * 24 - 8
    assert sizes[-1] == (320, 240)


def flipped(picture: CodedPicture, dice: np.random.Generator, bits: int) -> CodedPicture:
    """Bits turned over behind the parameter sets and the first slice's head."""
    data = bytearray(picture.data)
    begin = data.rfind(b"\0\0\1") + 40
    for at in dice.integers(begin, len(data), bits):
        data[at] ^= 1 << int(dice.integers(8))
    return CodedPicture(picture.codec, bytes(data), picture.is_key, picture.arrival, picture.rtp_time)


@pytest.mark.parametrize("mode", list(DecodeMode))
def test_damaged_h264_is_counted_and_never_handed_out(mode: DecodeMode, clip_of: Clips) -> None:
    path = clip_of("h264")
    frames, pictures = pyav(path), coded(load_segment("x", path))
    dice = np.random.default_rng(5)
    dropped = Counter[str]()
    one = decoder(mode, dropped)
    for _ in range(20):
        bad = [flipped(each, dice, 30) if index == 8 else each for index, each in enumerate(pictures)]
        out = [each for picture in bad for each in one.feed(picture)]
        one.restart()
        wanted = [0, 16] if mode is DecodeMode.KEYFRAMES else [*range(8), *range(16, 24)]
        sound = [frames[index] for index in wanted]
        assert len(out) in (len(sound), len(sound) + 1, len(sound) + 8), "the flips changed nothing, or were found"
        if len(out) == len(sound):
            for each, frame in zip(out, sound, strict=True):
                assert_same(each.planes, frame)
    assert dropped["damaged"] >= 18
    assert dropped["waiting_for_key"] == (7 * dropped["damaged"] if mode is DecodeMode.ALL else 0)


@pytest.mark.parametrize("name", ["h264", "h264 B", "hevc", "hevc B"])
@pytest.mark.parametrize("share", [0.0001, 0.01, 0.1])
def test_no_damage_ends_the_decoder(name: str, share: float, clip_of: Clips) -> None:
    """Flipped anywhere, parameter sets too; afterwards a sound picture comes out as ever."""
    path = clip_of(name)
    keys = key_pictures(path)
    segment = load_segment("x", path)
    dice = np.random.default_rng(3)
    one = decoder(DecodeMode.ALL)
    for _ in range(3):
        for picture in coded(segment):
            bits = np.unpackbits(np.frombuffer(picture.data, np.uint8))
            bits[dice.random(len(bits)) < share] ^= 1
            one.feed(
                CodedPicture(picture.codec, np.packbits(bits).tobytes(), picture.is_key, arrival(), picture.rtp_time)
            )
    one.mode = DecodeMode.KEYFRAMES
    out = [each for picture in coded(segment, DecodeMode.KEYFRAMES) for each in one.feed(picture)]
    assert len(out) == len(keys)
    for each, frame in zip(out, keys, strict=True):
        assert_same(each.planes, frame)


@pytest.mark.parametrize("name", ["h264", "h264 B"])
def test_damage_in_a_recording_costs_its_group_and_the_times_go_on(name: str, clip_of: Clips, tmp_path: Path) -> None:
    """libav's packets: the decoder that takes over knows the file's parameter sets."""
    path = clip_of(name)
    frames = pyav(path)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    second_key = [packet for packet in packets if packet.is_keyframe][1]
    damaged = tmp_path / "damaged.mp4"
    data = bytearray(path.read_bytes())
    middle = (second_key.pos or 0) + second_key.size // 2
    data[middle : middle + 200] = bytes(byte ^ 0x55 for byte in data[middle : middle + 200])
    damaged.write_bytes(data)
    source = open_source("gate-3", str(damaged), wall=lambda: NOON, mono=lambda: 1000.0, pace="fast")
    source.start()
    out: list[Frame] = []
    while (frame := source.next_frame(len(out), timeout_s=0)) is not None:
        out.append(frame)
    source.close()
    shown = [round((frame.received_mono_s - 1000.0) * 25) for frame in out]
    assert shown == [*range(8), *range(16, 24)]
    for index, frame in zip(shown, out, strict=True):
        assert_same(frame.planes, frames[index])
    assert source.health().frames_dropped["damaged"] >= 1


def test_planes_outlive_the_decoder_and_what_it_decodes_next(clip_of: Clips) -> None:
    path = clip_of("h264")
    pictures = coded(load_segment("x", path))
    one = decoder(DecodeMode.ALL)
    first = next(out for picture in pictures for out in one.feed(picture)).planes
    before = first.y.copy()
    for _ in range(3):
        for picture in pictures:
            one.feed(picture)
    del one
    gc.collect()
    assert np.array_equal(first.y, before)
    assert not np.shares_memory(first.y, before)
    assert first.y.base is not None, "a view of the decoder's memory, not a copy"


def test_what_is_not_due_is_not_decoded_and_time_spent_is_told(clip_of: Clips) -> None:
    pictures = coded(load_segment("x", clip_of("h264")), DecodeMode.KEYFRAMES)
    dropped, ticks = Counter[str](), iter(range(1_000))
    one = OnDemandDecoder(
        DecodeMode.KEYFRAMES,
        RateLimit(0.1),
        lambda reason, count: dropped.update({reason: count}),
        cpu_s=lambda: float(next(ticks)),
    )
    out = [each for number, picture in enumerate(pictures) for each in one.feed(picture, arrival(100 + number))]
    assert len(out) == 1
    assert dropped == {"not_due": 2}
    assert out[0].decode_ms == 1000 * next(ticks) // 2, "each decoding took one second of this clock"


def test_modes_change_while_running(clip_of: Clips) -> None:
    pictures = coded(load_segment("x", clip_of("h264")))
    dropped = Counter[str]()
    one = decoder(DecodeMode.KEYFRAMES, dropped)
    seen: list[int] = []
    for index, picture in enumerate(pictures):
        one.mode = DecodeMode.ALL if 3 <= index < 18 else DecodeMode.KEYFRAMES
        seen += [index for _ in one.feed(picture)]
    assert seen == [0, *range(8, 18)]
    assert dropped == {"not_key": 2 + 6, "waiting_for_key": 5}
