"""Decode on demand: of all pictures that arrive, only what is due is decoded and handed out.

Takes what our own reader assembled (`CodedPicture`) and what libav reads (its packets: recordings, the second reader).

Invariants:
- Decoding begins at a key picture, and again at one after every damage or gap: no picture built on a lost reference is
  handed out knowingly.
- In `keyframes` mode a picture comes out with its own packet, never one GOP late: a decoder that holds it back
  (B-pictures) is drained and flushed, at the same cost.
- Another size or codec in mid-stream goes on at its first key picture.
- A decoder that met damage is replaced: flushed, it decodes the pictures that follow slightly wrong (measured with
  FFmpeg 8.1 and H.264).
- What is not handed out is counted by reason.
- In `keyframes` mode the codec's smoothing across block edges (H.264 deblocking, H.265 deblocking and SAO) is left
  out: both codecs predict within a picture from what was before it, so a key picture differs by it alone (0.2 to 0.5
  levels on average in camera pictures) and costs a tenth less. In `all` mode it would drift, and is done.

What a decoder notices of damaged data, measured with FFmpeg 8.1 and flipped bits: H.264 marks all such pictures as
corrupt. H.265 marks none and hands out 235 of 240 damaged key pictures (640x360, from one flip in 50,000 bits to one in
a hundred); told to be strict it refuses 78 of them, and most of the others show colours that no camera sends
(`garbling.py`). What follows such a picture may be damaged unnoticed: it is handed out as doubtful. Lost packets are
found before, by the reader.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, cast

import av
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from xueliang_streams.coded_picture import Arrival as Arrival
from xueliang_streams.coded_picture import Codec, CodedPicture
from xueliang_streams.decoded_planes import planes_of
from xueliang_streams.frame import Planes
from xueliang_streams.garbling import is_garbled
from xueliang_streams.source import DecodeMode

SMALLEST_SIDE_PX: Final = 48
"""No camera sends less (128x96 is the smallest usual format): a damaged parameter set asks for 16x64, and the decoder
fills it without a complaint."""
MOST_PIXELS: Final = 7680 * 4320
"""8K. A larger picture of one colour takes a hundred bytes to send and hundreds of MB to decode."""
STRICT_TRIES: Final = 3
"""Pictures that a strict decoder may refuse before it has taken one: a camera whose data never is quite by the standard
(odd messages of its vendor) is decoded all the same. One that was once taken is held to it for `STRICT_FOR_S`."""
GARBLED_AT_MOST_S: Final = 60.0
"""What shows impossible colours for so long is what the camera shows: one that does not say that its range is full."""
GARBLED_AT_MOST: Final = 20  # times within GARBLED_WITHIN_S: a light that comes and goes, damage is not so steady
GARBLED_WITHIN_S: Final = 600.0
STRICT_FOR_S: Final = 10.0  # every picture of a camera refused for so long: it never meets the standard, or not now
LENIENT_FOR_S: Final = 600.0
DOUBT_S: Final = 10.0
"""So long after an H.265 picture that was damaged for certain its successors may be, unnoticed: of key pictures with
0.01 to 10 % of their bits flipped, one a second for 24 s, about a third was handed out."""


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A picture that is due.

    Attributes:
        planes: views of the decoder's own memory, which they keep alive.
        is_key: coded without reference to others.
        decode_ms: CPU time the decoder took since the picture handed out before; those skipped in between count.
        is_doubtful: it may be damaged: the camera's pictures are at times, and this decoder does not notice it surely.
        follows_damage: one was refused within the last `DOUBT_S`; is_doubtful, too.
    """

    planes: Planes
    arrival: Arrival
    is_key: bool
    decode_ms: float
    is_doubtful: bool = False
    follows_damage: bool = False


class RateLimit:
    """Lets through at most `max_fps` a second on average, evenly; None: everything.

    A grid of due times, each met by the picture nearest to it: a source that jitters, or whose rate is no multiple of
    the limit, still gives the rate asked for.
    """

    def __init__(self, max_fps: float | None) -> None:
        self.set_rate(max_fps)
        self._due_s: float | None = None
        self._seen_s = 0.0

    def set_rate(self, max_fps: float | None) -> None:
        """From the next picture that is let through on. From any thread."""
        self._period_s = 0.0 if max_fps is None else 1 / max_fps

    def is_due(self, at_s: float) -> bool:
        """Whether a picture of this moment is due; a yes takes it as handed out."""
        if self._due_s is None or abs(at_s - self._due_s) > 4 * self._period_s:
            self._due_s = at_s  # the first one, or the times have jumped: a new grid
        half_gap_s = abs(at_s - self._seen_s) / 2
        self._seen_s = at_s
        if at_s < self._due_s - min(half_gap_s, self._period_s / 4):
            return False
        self._due_s += self._period_s
        return True


class OnDemandDecoder:
    """One connection's decoder. Not thread-safe, except that `mode` may be set from any thread.

    A picture's moment is the arrival of the packet that made it come out: with B-pictures a few pictures late, and
    never going back. With `moment_of` it is what that says of the picture (a recording: its timestamp).

    Args:
        context: libav's own, for its packets; None: made for the codec of the `CodedPicture`s that come.
        cpu_s: CPU seconds of the calling thread.
    """

    def __init__(
        self,
        mode: DecodeMode,
        limit: RateLimit,
        count_dropped: Callable[[str, int], None],
        *,
        context: VideoCodecContext | None = None,
        moment_of: Callable[[VideoFrame], Arrival | None] | None = None,
        cpu_s: Callable[[], float] = time.thread_time,
    ) -> None:
        self.mode = mode
        self.pictures = 0  # that came out of the decoder, handed out or not
        self._limit = limit
        self._count_dropped = count_dropped
        self._moment_of = moment_of
        self._cpu_s = cpu_s
        self._running_mode = mode
        self._waits_for_key = True
        self._spent_s = 0.0
        self._refused, self._has_taken = 0, False  # in a row, by a strict decoder; whether it ever took one
        self._refused_since_mono_s: float | None = None
        self._lenient_until_mono_s = float("-inf")
        self._at_mono_s = 0.0  # of the newest picture that came
        self._garbled_since_mono_s: float | None = None
        self._garbled_at_mono_s: deque[float] = deque(maxlen=GARBLED_AT_MOST)
        self._shows_all_colours = False
        self._damaged_at_mono_s = self._refused_at_mono_s = float("-inf")
        self._runs_strict = True  # how the decoder in use was made
        self._codec: Codec | None = None
        self._context = context
        self._is_libavs = context is not None
        if context is not None:
            context.thread_count = 1  # as in `_new_context`
            context.options = dict(context.options) | _strictness(context.name)

    def feed(self, coded: CodedPicture | Packet[VideoStream], arrival: Arrival | None = None) -> list[Decoded]:
        """The pictures that came out and are due, in showing order. `arrival` is needed for libav's packets only."""
        if isinstance(coded, CodedPicture):
            self._prepare(coded.codec)
            return self._feed(coded.data, coded.is_key, arrival or coded.arrival)
        if arrival is None:
            raise ValueError("a packet of libav needs its arrival")
        return self._feed(coded, coded.is_keyframe, arrival)

    def finish(self) -> list[Decoded]:
        """The pictures the decoder still holds, at the end of a file."""
        if self._waits_for_key:
            return []
        decoded = self._due(self._decode(None), None)
        self.restart()
        return decoded

    def restart(self) -> None:
        """Forget all references and begin again at the next key picture."""
        if self._context is not None and self._context.is_open:
            self._context.flush_buffers()
        self._waits_for_key = True

    def _replace(self) -> None:
        assert self._context is not None
        self._context = self._new_context(self._context.name, self._context.extradata)
        self._waits_for_key = True

    def _new_context(self, codec: str, extradata: bytes | None) -> VideoCodecContext:
        self._runs_strict = self._is_strict
        is_smoothed = self._is_libavs or self._running_mode is not DecodeMode.KEYFRAMES
        return _new_context(codec, extradata, is_smoothed=is_smoothed, is_strict=self._runs_strict)

    @property
    def _is_strict(self) -> bool:
        return self._at_mono_s >= self._lenient_until_mono_s

    def _note_refused(self) -> None:
        """A camera that is refused picture after picture is read leniently for a while, then tried again."""
        now = self._at_mono_s
        self._refused += 1
        if self._refused_since_mono_s is None:
            self._refused_since_mono_s = now
        is_long = not self._has_taken or now - self._refused_since_mono_s >= STRICT_FOR_S
        if self._refused >= STRICT_TRIES and is_long:
            self._lenient_until_mono_s = now + LENIENT_FOR_S
            self._refused, self._refused_since_mono_s = 0, None

    def _change_mode(self) -> None:
        self._running_mode = self.mode
        if self._is_libavs or self._context is None:
            self.restart()
        else:
            self._replace()

    def _prepare(self, codec: Codec) -> None:
        if codec != self._codec:
            self._codec, self._refused, self._has_taken = codec, 0, False
            self._refused_since_mono_s, self._lenient_until_mono_s = None, float("-inf")
            self._garbled_since_mono_s, self._shows_all_colours = None, False
            self._garbled_at_mono_s.clear()
            self._context = self._new_context(codec, None)
            self._waits_for_key = True

    def _feed(self, data: bytes | Packet[VideoStream], is_key: bool, arrival: Arrival) -> list[Decoded]:
        self._at_mono_s = arrival.mono_s
        if self.mode is not self._running_mode:
            self._change_mode()
        if self._waits_for_key and not is_key:
            self._drop("not_key" if self._running_mode is DecodeMode.KEYFRAMES else "waiting_for_key")
            return []
        if self._running_mode is DecodeMode.KEYFRAMES and not self._limit.is_due(arrival.mono_s):
            self._drop("not_due")
            return []
        # In `keyframes` mode `_waits_for_key` stays set: every picture is a beginning.
        self._waits_for_key = self._running_mode is DecodeMode.KEYFRAMES
        try:
            pictures = self._decode(data if isinstance(data, Packet) else Packet(data))
            if self._running_mode is DecodeMode.ALL:
                return self._due(pictures, arrival)
            if not pictures:
                pictures = self._decode(None)
                self.restart()
            return [self._decoded(picture, arrival) for picture in self._sound(pictures, arrival)]
        except av.error.FFmpegError:
            self._drop("damaged")
            self._damaged_at_mono_s = self._refused_at_mono_s = arrival.mono_s
            self._note_refused()
            self._replace()
            return []

    def _decode(self, packet: Packet[Any] | None) -> list[VideoFrame]:
        assert self._context is not None
        began_s = self._cpu_s()
        try:
            pictures = self._context.decode(packet)
            self.pictures += len(pictures)
            if pictures and self._runs_strict:
                self._has_taken, self._refused, self._refused_since_mono_s = True, 0, None
            return pictures
        finally:
            self._spent_s += self._cpu_s() - began_s

    def _due(self, pictures: list[VideoFrame], latest: Arrival | None) -> list[Decoded]:
        due = []
        for picture in self._sound(pictures, latest):
            arrival = self._moment_of(picture) if self._moment_of else latest
            if arrival is not None and self._limit.is_due(arrival.mono_s):
                due.append(self._decoded(picture, arrival))
            else:
                self._drop("not_due")
        return due

    def _decoded(self, picture: VideoFrame, arrival: Arrival) -> Decoded:
        spent_ms, self._spent_s = 1000 * self._spent_s, 0.0
        is_doubtful = self._is_in_doubt(arrival.mono_s)
        follows_damage = is_doubtful and arrival.mono_s - self._refused_at_mono_s <= DOUBT_S
        return Decoded(planes_of(picture), arrival, bool(picture.key_frame), spent_ms, is_doubtful, follows_damage)

    def _is_in_doubt(self, mono_s: float) -> bool:
        """A camera that once met the standard and is read leniently now is in doubt all the time."""
        if self._context is None or self._context.name != "hevc":
            return False
        is_lenient = self._has_taken and not self._runs_strict
        return is_lenient or mono_s - self._damaged_at_mono_s <= DOUBT_S

    def _sound(self, pictures: list[VideoFrame], latest: Arrival | None) -> Iterator[VideoFrame]:
        """The pictures up to the first damaged one; what refers to that one is not even decoded."""
        for index, picture in enumerate(pictures):
            is_damaged = picture.is_corrupt or min(picture.width, picture.height) < SMALLEST_SIDE_PX
            if is_damaged or self._is_garbled(picture, latest):
                self._count_dropped("damaged", len(pictures) - index)
                self._replace()
                return
            yield picture

    def _is_garbled(self, picture: VideoFrame, latest: Arrival | None) -> bool:
        assert self._context is not None
        if self._context.name != "hevc" or latest is None:
            return False
        if not is_garbled(picture):
            self._garbled_since_mono_s = None
            return False
        self._damaged_at_mono_s = latest.mono_s
        if self._shows_all_colours:
            return False
        times = self._garbled_at_mono_s
        if self._garbled_since_mono_s is None:
            self._garbled_since_mono_s = latest.mono_s
            times.append(latest.mono_s)
        is_steady = len(times) == GARBLED_AT_MOST and latest.mono_s - times[0] <= GARBLED_WITHIN_S
        self._shows_all_colours = is_steady or latest.mono_s - self._garbled_since_mono_s >= GARBLED_AT_MOST_S
        if not self._shows_all_colours:
            self._refused_at_mono_s = latest.mono_s
        return not self._shows_all_colours

    def _drop(self, reason: str) -> None:
        self._count_dropped(reason, 1)


def _new_context(codec: str, extradata: bytes | None, *, is_smoothed: bool, is_strict: bool) -> VideoCodecContext:
    context = cast(VideoCodecContext, av.CodecContext.create(codec, "r"))
    context.thread_count = 1  # threads of its own would add a picture of delay each
    filters = {} if is_smoothed else {"skip_loop_filter": "all"}
    context.options = {"max_pixels": str(MOST_PIXELS)} | filters | (_strictness(codec) if is_strict else {})
    if extradata:
        context.extradata = extradata
    return context


def _strictness(codec: str) -> dict[str, str]:
    """H.264 marks what is damaged without it."""
    return {"err_detect": "explode"} if codec == "hevc" else {}
