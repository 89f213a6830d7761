"""A stream by a source with a thread of its own: a camera by libav's reader, or a recording.

Invariants
    - A camera's key pictures come often enough for the pace: those that the pace needs are decoded, nothing else. They
      do not, or the moment has come that the pace names: all pictures, from the last key picture on. Until its second
      key picture nobody knows: all pictures.
    - A recording is decoded whole: its source does not measure how its key pictures come.
    - `close` waits for nobody: libav's reader may take seconds to notice, and the loop has other cameras to read.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

from xueliang_edge.capture.feeds import GAP_TOLERANCE_S, ROUND_S, FeedHealth, is_key_near, is_older, moment_has_come
from xueliang_edge.capture.orders import Pace
from xueliang_edge.view_watch import Sent
from xueliang_streams.coded_picture import Arrival
from xueliang_streams.decoding import Decoded
from xueliang_streams.frame import Frame
from xueliang_streams.source import DecodeMode, DecodingSource, StreamRates

OVERDUE: Final = 1.5  # times the usual distance: a key picture that is merely late makes nobody decode a hundred others


class SourceFeed:
    """See `Feed`. The source is new: it decodes all pictures and is limited by its settings only."""

    def __init__(self, source: DecodingSource, *, is_fast: bool, reader: str, mono: Callable[[], float]) -> None:
        self._source, self._is_fast, self._reader, self._mono = source, is_fast, reader, mono
        self._mode = DecodeMode.ALL
        self._max_fps: float | None = None
        self._rates: StreamRates | None = None
        self._newest: Decoded | None = None
        self._sequence = 0
        self._closing: threading.Thread | None = None

    @property
    def next_poll_in_s(self) -> float:
        return ROUND_S

    def start(self) -> None:
        self._source.start()

    def poll(self) -> None:
        if self._is_fast:
            return
        self._rates = self._source.health().rates
        frame = self._source.next_frame(self._sequence, 0.0)
        if frame is not None:
            self._sequence = frame.sequence
            self._newest = _decoded(frame)

    def rest(self, pace: Pace) -> None:
        # In its own thread the source keeps no picture undecoded: as few as the pace allows are the least it can do.
        self._decode(DecodeMode.KEYFRAMES, self._key_rate(pace))

    def due_mono_s(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:
        self._choose(pace, last_look_mono_s, is_hurried=is_hurried)
        if self._is_fast:
            frame = self._source.next_frame(self._sequence, 0.0) if self._newest is None else None
            if frame is not None:
                self._sequence, self._newest = frame.sequence, _decoded(frame)
            return self._newest.arrival.mono_s if self._newest is not None else None
        if self._newest is None:
            return None
        at = self._newest.arrival.mono_s
        if is_older(at, last_look_mono_s):
            return None
        if last_look_mono_s is None or is_hurried:
            return at
        if moment_has_come(pace, last_look_mono_s, at):
            return pace.look_at_mono_s
        wants_each = pace.every_key and self._mode is DecodeMode.KEYFRAMES
        if wants_each and at - last_look_mono_s >= pace.least_gap_s - GAP_TOLERANCE_S:
            return at
        deadline = last_look_mono_s + pace.gap_s
        if self._rates is None:
            return deadline if at + 2 * ROUND_S >= deadline else None
        latest = deadline + GAP_TOLERANCE_S
        return deadline if at + self._next_one_in_s(self._rates) > latest or self._mono() > latest else None

    def take(self) -> Decoded | None:
        newest, self._newest = self._newest, None
        return newest

    def sent(self) -> Sent | None:
        return None

    def health(self) -> FeedHealth:
        source = self._source.health()
        rates = source.rates
        if rates is None:
            return FeedHealth(source, self._reader, None, None, None, is_decoded_whole=True)
        return FeedHealth(
            source,
            self._reader,
            rates.key_interval_s,
            rates.pictures_per_s,
            rates.mbit_per_s,
            is_decoded_whole=self._mode is DecodeMode.ALL,
            pictures_decoded=rates.pictures_decoded,
        )

    def close(self) -> None:
        if self._closing is None:
            name = f"closing {self._source.camera_id}"
            self._closing = threading.Thread(target=self._source.close, name=name, daemon=True)
            self._closing.start()

    def is_closed(self, wait_s: float = 0.0) -> bool:
        if self._closing is None:
            return False
        self._closing.join(wait_s)
        return not self._closing.is_alive()

    def _choose(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> None:
        """Key pictures only, as long as they come often enough; else all."""
        if self._rates is None:
            self._decode(DecodeMode.ALL, None)
            return
        is_moment_now = moment_has_come(pace, last_look_mono_s, self._mono())
        is_urgent = last_look_mono_s is None or is_hurried
        last_key_mono_s, interval_s = self._rates.last_key_mono_s, self._rates.key_interval_s
        is_moment_between = is_moment_now and not is_key_near(last_key_mono_s, interval_s, self._mono())
        if pace.may_decode_all and (self._is_key_too_rare(self._rates, pace) or is_moment_between):
            # Twice the pace: whenever a look is due, the newest picture is at most half a gap old.
            self._decode(DecodeMode.ALL, None if is_urgent or is_moment_now else 2.0 / pace.gap_s)
        else:
            self._decode(DecodeMode.KEYFRAMES, None if is_urgent or is_moment_now else self._key_rate(pace))

    def _is_key_too_rare(self, rates: StreamRates, pace: Pace) -> bool:
        if rates.key_interval_s is None:
            return True
        if rates.key_interval_s > pace.gap_s + GAP_TOLERANCE_S:
            return True
        # The distance has grown: the next one is long overdue.
        patience_s = max(pace.gap_s, OVERDUE * rates.key_interval_s) + GAP_TOLERANCE_S
        return rates.last_key_mono_s is not None and self._mono() - rates.last_key_mono_s > patience_s

    def _key_rate(self, pace: Pace) -> float | None:
        """Of the key pictures so many a second as the pace needs, which is every n-th; None: each of them."""
        key_interval_s = None if self._rates is None else self._rates.key_interval_s
        if key_interval_s is None:
            return None
        if pace.every_key:
            every = math.ceil((pace.least_gap_s - GAP_TOLERANCE_S) / key_interval_s)
        else:
            every = math.floor((pace.gap_s + GAP_TOLERANCE_S) / key_interval_s)
        return None if every <= 1 else 1 / (every * key_interval_s)

    def _next_one_in_s(self, rates: StreamRates) -> float:
        """When the source will hand out the picture after its newest."""
        limit_s = 0.0 if self._max_fps is None else 1 / self._max_fps
        if self._mode is DecodeMode.KEYFRAMES:
            return max(limit_s, rates.key_interval_s or math.inf)
        return max(limit_s, ROUND_S, 1 / max(0.1, rates.pictures_per_s or 10.0))

    def _decode(self, mode: DecodeMode, max_fps: float | None) -> None:
        if mode is not self._mode:
            self._mode = mode
            self._source.set_decode(mode)
        if self._rates is not None and max_fps != self._max_fps:
            self._max_fps = max_fps
            self._source.set_rate(max_fps)


def _decoded(frame: Frame) -> Decoded:
    """A frame of a source that decodes by itself."""
    return Decoded(frame.planes, Arrival(frame.received_mono_s, frame.received_at), frame.is_key, frame.decode_ms)
