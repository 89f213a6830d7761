"""One stream of one camera as a capture loop sees it: poll it, ask what is due, decode just that.

Invariants
    - `poll` and `due_mono_s` never block and decode nothing but what an earlier key picture obliges to.
    - In key mode a key picture is decoded only when the next one would come too late for the pace: two looks are never
      further apart than the pace says, and no picture is decoded that the pace does not need.
    - A stream whose key pictures are further apart than the pace allows is decoded whole, from its last key picture on,
      so that nothing is waited for. Until its second key picture the distance is not known: the coded pictures since
      the first are kept (bounded), so that the change of mind costs no time either.
    - What is not handed out is counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final, Protocol

from xueliang_edge.capture.orders import Pace
from xueliang_streams.coded_picture import CodedPicture
from xueliang_streams.decoding import Decoded, OnDemandDecoder
from xueliang_streams.rtsp.reader import RtspReader
from xueliang_streams.source import FrameSource, SourceHealth, SourceSettings, SourceState

GAP_TOLERANCE_S: Final = 0.2  # picture times jitter by a poll of the loop and by the network
ROUND_S: Final = 0.1  # the loop polls this often: what comes in between is that much later seen
KEPT_GOP_BYTES: Final = 6 << 20  # 12 s of a 4 Mbit/s camera
SMALL_STREAM_BPS: Final = 1_500_000  # below this all pictures are assembled: a change of pace then waits for no key
BEHIND_PICTURES: Final = 150  # undecoded pictures of a stream that is decoded whole: then it begins anew at a key


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """A stream in numbers; see `looks.CaptureHealth`."""

    source: SourceHealth
    reader: str
    key_interval_s: float | None
    pictures_per_s: float | None
    mbit_per_s: float | None
    is_decoded_whole: bool


class Feed(Protocol):
    """One stream. Belongs to one thread."""

    def start(self) -> None: ...

    def poll(self) -> None:
        """Do whatever input and output is possible now."""

    def due_mono_s(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:
        """Until when the picture that `take` would give should be taken; None: none is due."""

    def take(self) -> Decoded | None:
        """Decode the picture that is due. None: it could not be decoded."""

    def health(self) -> FeedHealth: ...

    def close(self) -> None: ...


class ReaderFeed:
    """A stream by our own reader."""

    def __init__(
        self,
        camera_id: str,
        url: str,
        *,
        settings: SourceSettings,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
        rng: Random,
    ) -> None:
        self.reader = RtspReader(camera_id, url, wall=wall, mono=mono, settings=settings, rng=rng)
        self._decoder = OnDemandDecoder()
        self._mono = mono
        self._since_key: list[CodedPicture] = []
        self._since_key_bytes = 0
        self._is_whole = False  # nothing is missing in `_since_key`
        self._consumed = 0  # of `_since_key`, by the decoder in whole mode
        self._keys = 0
        self._last_key_mono_s: float | None = None
        self._handed: CodedPicture | None = None
        self._decoded: Decoded | None = None
        self._decodes_whole = False
        self.dropped: Counter[str] = Counter()

    def start(self) -> None:
        self.reader.assemble = "all"

    def poll(self) -> None:
        for picture in self.reader.poll():
            self._arrived(picture)

    def due_mono_s(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:
        self._choose_mode(pace)
        if self._decodes_whole:
            return self._due_whole(pace, last_look_mono_s, is_hurried=is_hurried)
        return self._due_key(pace, last_look_mono_s, is_hurried=is_hurried)

    def take(self) -> Decoded | None:
        if self._decodes_whole:
            decoded, self._decoded = self._decoded, None
            return decoded
        self._handed = self._since_key[0]
        return self._decode_key(self._handed)

    def health(self) -> FeedHealth:
        counts = self.reader.counts
        source = self.reader.health()
        dropped = Counter(dict(source.frames_dropped)) + self.dropped + self._decoder.dropped
        return FeedHealth(
            source=_with_dropped(source, dropped),
            reader="own",
            key_interval_s=self.reader.last_key_interval_s,
            pictures_per_s=self.reader.pictures_per_s,
            mbit_per_s=self.reader.mbit_per_s,
            is_decoded_whole=self._decodes_whole and counts["packets"] > 0,
        )

    def close(self) -> None:
        self.reader.close()

    def _arrived(self, picture: CodedPicture) -> None:
        if picture.is_key:
            if self._since_key and not self._decodes_whole and self._since_key[0] is not self._handed:
                self.dropped["not_due"] += 1
            self._since_key, self._since_key_bytes, self._consumed = [picture], len(picture.data), 0
            self._is_whole = self.reader.assemble == "all"
            self._keys += 1
            self._last_key_mono_s = picture.arrival.mono_s
        elif self._since_key and self._is_whole:
            self._since_key.append(picture)
            self._since_key_bytes += len(picture.data)
            if self._since_key_bytes > KEPT_GOP_BYTES and not self._decodes_whole:
                del self._since_key[1:]
                self._is_whole = False
        if self._decodes_whole:
            self._decode_on()

    def _choose_mode(self, pace: Pace) -> None:
        """Key pictures only, as long as they come often enough; else all."""
        interval_s = self.reader.last_key_interval_s
        if interval_s is None and self._last_key_mono_s is not None:
            interval_s = self._mono() - self._last_key_mono_s  # at least
        too_rare = interval_s is not None and interval_s > pace.gap_s + GAP_TOLERANCE_S
        wants_whole = too_rare and pace.may_decode_all
        is_small = (self.reader.mbit_per_s or 9.0) * 1e6 < SMALL_STREAM_BPS
        self.reader.assemble = "all" if wants_whole or self._keys < 2 or is_small else "key"
        if wants_whole and not self._decodes_whole and self._is_whole:
            self._decodes_whole = True
            self._decoder.restart()
            self._decode_on()
        elif not wants_whole and self._decodes_whole:
            self._decodes_whole, self._decoded = False, None
            self._decoder.restart()

    def _due_key(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:
        if not self._since_key or self._since_key[0] is self._handed:
            return None
        key_mono_s = self._since_key[0].arrival.mono_s
        if last_look_mono_s is None or is_hurried:
            return key_mono_s
        if pace.every_key and key_mono_s - last_look_mono_s >= pace.least_gap_s - GAP_TOLERANCE_S:
            return key_mono_s
        interval_s = self.reader.last_key_interval_s
        if interval_s is None:
            return key_mono_s
        deadline = last_look_mono_s + pace.gap_s
        latest = deadline + GAP_TOLERANCE_S
        # The second: the next one did not come when it should have.
        next_one_is_late = key_mono_s + interval_s > latest or self._mono() > latest
        return deadline if next_one_is_late else None

    def _due_whole(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:
        if self._decoded is None:
            return None
        if last_look_mono_s is None or is_hurried:
            return self._decoded.arrival.mono_s
        between_s = 1 / max(1.0, self.reader.pictures_per_s or 10.0)
        deadline = last_look_mono_s + pace.gap_s
        return deadline if self._decoded.arrival.mono_s + ROUND_S + between_s > deadline else None

    def _decode_on(self) -> None:
        """Whole mode: decode what came; only the newest picture is kept."""
        waiting = self._since_key[self._consumed :]
        if len(waiting) > BEHIND_PICTURES:
            self.dropped["decoder_behind"] += len(waiting)
            self._is_whole, self._decodes_whole = False, False
            return
        for picture in waiting:
            for decoded in self._decoder.decode(picture):
                if self._decoded is not None:
                    self.dropped["not_due"] += 1
                self._decoded = decoded
        self._consumed = len(self._since_key)
        if self._consumed > 1:  # decoded pictures need not be kept
            self._since_key = self._since_key[:1]
            self._consumed = 1

    def _decode_key(self, picture: CodedPicture) -> Decoded | None:
        return self._decoder.decode_key(picture)


class SourceFeed:
    """A stream by a source with a thread of its own: libav's reader, or a recording."""

    def __init__(self, source: FrameSource, *, is_fast: bool, reader: str) -> None:
        self._source, self._is_fast, self._reader = source, is_fast, reader
        self._newest: Decoded | None = None
        self._sequence = 0

    def start(self) -> None:
        self._source.start()

    def poll(self) -> None:
        if self._is_fast:
            return
        frame = self._source.next_frame(self._sequence, 0.0)
        if frame is not None:
            self._sequence = frame.sequence
            self._newest = Decoded.of(frame)

    def due_mono_s(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:
        if self._is_fast:
            frame = self._source.next_frame(self._sequence, 0.0) if self._newest is None else None
            if frame is not None:
                self._sequence, self._newest = frame.sequence, Decoded.of(frame)
            return self._newest.arrival.mono_s if self._newest is not None else None
        if self._newest is None:
            return None
        at = self._newest.arrival.mono_s
        if last_look_mono_s is None or is_hurried:
            return at
        deadline = last_look_mono_s + pace.gap_s
        return deadline if at + 2 * ROUND_S >= deadline else None

    def take(self) -> Decoded | None:
        newest, self._newest = self._newest, None
        return newest

    def health(self) -> FeedHealth:
        return FeedHealth(self._source.health(), self._reader, None, None, None, is_decoded_whole=True)

    def close(self) -> None:
        self._source.close()


class UnreadableFeed:
    """A camera whose address opens nothing: it is seen as offline and says why, the others are not affected."""

    def __init__(self, problem: str, since_mono_s: float) -> None:
        self._health = SourceHealth(SourceState.OFFLINE, since_mono_s, problem=problem)

    def start(self) -> None:
        """Nothing to start."""

    def poll(self) -> None:
        """Nothing to read."""

    def due_mono_s(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:  # noqa: ARG002
        return None

    def take(self) -> Decoded | None:
        return None

    def health(self) -> FeedHealth:
        return FeedHealth(self._health, "none", None, None, None, is_decoded_whole=False)

    def close(self) -> None:
        """Nothing to close."""


def _with_dropped(source: SourceHealth, dropped: Counter[str]) -> SourceHealth:
    return SourceHealth(
        state=source.state,
        since_mono_s=source.since_mono_s,
        last_packet_mono_s=source.last_packet_mono_s,
        problem=source.problem,
        attempts=source.attempts,
        frames_dropped=dict(dropped),
        next_attempt_in_s=source.next_attempt_in_s,
    )
