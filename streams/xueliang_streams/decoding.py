"""Decode on demand: of all packets that arrive, only what is due becomes a picture.

Invariants:
- Decoding begins at a key picture, and again at one after every damage or gap: no picture built on a lost reference is
  handed out knowingly.
- In `keyframes` mode a picture comes out with its own packet, never one GOP late: a decoder that holds it back
  (B-pictures) is drained and flushed, at the same cost.
- What is not handed out is counted by reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from xueliang_streams.source import DecodeMode


@dataclass(frozen=True, slots=True)
class Arrival:
    """A moment by both clocks."""

    mono_s: float
    at: datetime


@dataclass(frozen=True, slots=True)
class Decoded:
    """A picture that is due, still in the decoder's format."""

    picture: VideoFrame
    arrival: Arrival


class RateLimit:
    """Lets through at most `max_fps` a second on average, evenly; None: everything.

    A grid of due times, each met by the picture nearest to it: a source that jitters, or whose rate is no multiple of
    the limit, still gives the rate asked for.
    """

    def __init__(self, max_fps: float | None) -> None:
        self._period_s = 0.0 if max_fps is None else 1 / max_fps
        self._due_s: float | None = None
        self._seen_s = 0.0

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
    """

    def __init__(
        self,
        context: VideoCodecContext,
        mode: DecodeMode,
        limit: RateLimit,
        count_dropped: Callable[[str, int], None],
        moment_of: Callable[[VideoFrame], Arrival | None] | None = None,
    ) -> None:
        context.thread_count = 1  # threads of its own would add a picture of delay each
        self.mode = mode
        self._context = context
        self._limit = limit
        self._count_dropped = count_dropped
        self._running_mode = mode
        self._waits_for_key = True
        self._moment_of = moment_of

    def feed(self, packet: Packet[VideoStream], arrival: Arrival) -> list[Decoded]:
        """The pictures that came out and are due, in showing order."""
        if self.mode is not self._running_mode:
            self._running_mode = self.mode
            self.restart()
        if self._waits_for_key and not packet.is_keyframe:
            self._drop("not_key" if self._running_mode is DecodeMode.KEYFRAMES else "waiting_for_key")
            return []
        try:
            if self._running_mode is DecodeMode.KEYFRAMES:
                return self._feed_key(packet, arrival)
            self._waits_for_key = False
            return self._due(self._context.decode(packet), arrival)
        except av.error.FFmpegError:
            self._drop("damaged")
            self.restart()
            return []

    def finish(self) -> list[Decoded]:
        """The pictures the decoder still holds, at the end of a file."""
        if self._waits_for_key:
            return []
        decoded = self._due(self._context.decode(None), None)
        self.restart()
        return decoded

    def restart(self) -> None:
        """Forget all references and begin again at the next key picture."""
        if self._context.is_open:
            self._context.flush_buffers()
        self._waits_for_key = True

    def _feed_key(self, packet: Packet[VideoStream], arrival: Arrival) -> list[Decoded]:
        # `_waits_for_key` stays set in this mode: every picture is a beginning.
        if not self._limit.is_due(arrival.mono_s):
            self._drop("not_due")
            return []
        pictures = self._context.decode(packet)
        if not pictures:
            pictures = self._context.decode(None)
            self._context.flush_buffers()
        return [Decoded(picture, arrival) for picture in self._sound(pictures)]

    def _due(self, pictures: list[VideoFrame], latest: Arrival | None) -> list[Decoded]:
        due = []
        for picture in self._sound(pictures):
            arrival = self._moment_of(picture) if self._moment_of else latest
            if arrival is not None and self._limit.is_due(arrival.mono_s):
                due.append(Decoded(picture, arrival))
            else:
                self._drop("not_due")
        return due

    def _sound(self, pictures: list[VideoFrame]) -> Iterator[VideoFrame]:
        for picture in pictures:
            if picture.is_corrupt:
                self._drop("damaged")
            else:
                yield picture

    def _drop(self, reason: str) -> None:
        self._count_dropped(reason, 1)


class BgrConverter:
    """Decoder's format to BGR, keeping the scaler between pictures."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, picture: VideoFrame) -> NDArray[np.uint8]:
        """A new array of shape (h, w, 3)."""
        converted = self._reformatter.reformat(picture, format="bgr24")
        return np.ascontiguousarray(converted.to_ndarray(), dtype=np.uint8)
