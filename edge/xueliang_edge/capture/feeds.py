"""One stream of one camera as a capture loop sees it: poll it, ask what is due, decode just that.

Invariants
    - `poll` and `due_mono_s` never block and decode nothing but what an earlier key picture obliges to.
    - In key mode a key picture is decoded only when the next one would come too late for the pace: two looks are never
      further apart than the pace says, and no picture is decoded that the pace does not need.
    - A stream whose key pictures are further apart than the pace allows is decoded whole, from its last key picture on,
      so that nothing is waited for. Until its second key picture the distance is not known: the coded pictures since
      the first are kept (bounded), so that the change of mind costs no time either.
    - At the moment that a pace names, the newest picture is decoded from the last key picture on, unless the next key
      picture is about to come.
    - A stream that nobody looks at for now (`rest`) decodes nothing: what it would need to go on is kept coded.
    - A picture that is older than the last look, at whichever stream, is never due.
    - What is not handed out is counted by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Final, Literal, Protocol

from xueliang_edge.capture.orders import Pace
from xueliang_edge.view_watch import Sent
from xueliang_streams.backoff import Backoff
from xueliang_streams.coded_picture import CodedPicture
from xueliang_streams.decoding import Decoded, OnDemandDecoder, RateLimit
from xueliang_streams.reconnects import Reconnects
from xueliang_streams.rtsp.reader import RtspReader
from xueliang_streams.source import DecodeMode, SourceHealth, SourceSettings, SourceState

GAP_TOLERANCE_S: Final = 0.2  # picture times jitter by a poll of the loop and by the network
ROUND_S: Final = 0.1  # a stream that plays is polled this often: what comes in between is that much later seen
KEPT_GOP_BYTES: Final = 6 << 20  # 12 s of a 4 Mbit/s camera
SMALL_STREAM_BPS: Final = 1_500_000  # below this all pictures are assembled: a change of pace then waits for no key
BEHIND_PICTURES: Final = 150  # undecoded pictures of a stream that is decoded whole: then it begins anew at a key
AT_ONCE_PICTURES: Final = 60  # decoded in one go for one look, some 0.3 s of a core; else the key picture is waited for
KEY_IS_NEAR_S: Final = 0.5  # a key picture that comes so soon is cheaper than all since the last one
BUSIER: Final = 1.8  # times the usual bytes between two key pictures: something big moves, look sooner


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """A stream in numbers; see `looks.CaptureHealth`.

    Attributes:
        pictures_decoded: so far, whatever became of them; None: not known.
    """

    source: SourceHealth
    reader: str
    key_interval_s: float | None
    pictures_per_s: float | None
    mbit_per_s: float | None
    is_decoded_whole: bool
    pictures_decoded: int | None = None


class Feed(Protocol):
    """One stream. Belongs to one thread."""

    @property
    def next_poll_in_s(self) -> float: ...

    def start(self) -> None: ...

    def poll(self) -> None:
        """Do whatever input and output is possible now."""

    def rest(self, pace: Pace) -> None:
        """Nobody looks at it for now: stay ready for `pace` and decode nothing, until `due_mono_s` is asked again."""

    def due_mono_s(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:
        """Until when the picture that `take` would give should be taken; None: none is due."""

    def take(self) -> Decoded | None:
        """Decode the picture that is due. None: it could not be decoded."""

    def sent(self) -> Sent | None:
        """What the stream brought up to its newest key picture; None: nobody counts it."""

    def health(self) -> FeedHealth: ...

    def close(self) -> None:
        """Returns at once, whatever the camera does."""

    def is_closed(self, wait_s: float = 0.0) -> bool:
        """After `close`: nothing of it runs any more; waits for that up to `wait_s`."""


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
        scratch: memoryview | None = None,
        reconnects: Reconnects | None = None,
    ) -> None:
        """Raises UnsupportedUrl."""
        self.reader = RtspReader(
            camera_id,
            url,
            wall=wall,
            mono=mono,
            settings=settings,
            backoff=Backoff(),
            rng=rng,
            scratch=scratch,
            reconnects=reconnects,
        )
        self.dropped: Counter[str] = Counter()
        self._decoder = OnDemandDecoder(DecodeMode.KEYFRAMES, RateLimit(None), self._count_dropped)
        self._mono = mono
        self._rhythm = _Rhythm()
        self._connection = self.reader.connection
        self._since_key: list[CodedPicture] = []
        self._since_key_bytes = 0
        self._is_whole = False  # nothing is missing in `_since_key`
        self._consumed = 0  # of `_since_key`, by the decoder in whole mode
        self._handed: CodedPicture | None = None
        self._decoded: Decoded | None = None
        self._decodes_whole = False
        self._has_news = False  # far more bytes than usual came: worth a look
        self._sent = Sent(0, 0, 0, 0.0)

    @property
    def next_poll_in_s(self) -> float:
        """When polling again is worth it, seconds."""
        in_s = self.reader.next_poll_in_s
        return in_s if self.reader.is_in_handshake else max(ROUND_S, in_s)

    def start(self) -> None:
        self.reader.assemble = "all"

    def poll(self) -> None:
        if self.reader.connection != self._connection:
            self._connection = self.reader.connection
            self._rhythm.restart()
        self._rhythm.saw_bytes(self.reader.bytes_since_key)
        for picture in self.reader.poll():
            self._arrived(picture)

    def rest(self, pace: Pace) -> None:
        self._choose_assembly(pace)
        self._decode_keys_only()

    def due_mono_s(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:
        self._choose_mode(pace, last_look_mono_s)
        if self._decodes_whole:
            return self._due_whole(pace, last_look_mono_s, is_hurried=is_hurried)
        return self._due_key(pace, last_look_mono_s, is_hurried=is_hurried)

    def take(self) -> Decoded | None:
        self._has_news = False
        if self._decodes_whole:
            decoded, self._decoded = self._decoded, None
            return decoded
        self._handed = self._since_key[0]
        pictures = self._decoder.feed(self._handed)
        return pictures[-1] if pictures else None

    def sent(self) -> Sent | None:
        return self._sent

    def health(self) -> FeedHealth:
        source = self.reader.health()
        return FeedHealth(
            source=replace(source, frames_dropped=dict(Counter(dict(source.frames_dropped)) + self.dropped)),
            reader="own",
            key_interval_s=self.reader.last_key_interval_s,
            pictures_per_s=self.reader.pictures_per_s,
            mbit_per_s=self._rhythm.mbit_per_s,
            is_decoded_whole=self._decodes_whole,
            pictures_decoded=self._decoder.pictures,
        )

    def close(self) -> None:
        self.reader.close()

    def is_closed(self, wait_s: float = 0.0) -> bool:  # noqa: ARG002 - it has no thread
        return True

    def _arrived(self, picture: CodedPicture) -> None:
        if picture.is_key:
            if self._since_key and not self._decodes_whole and self._since_key[0] is not self._handed:
                self.dropped["not_due"] += 1
            self._since_key, self._since_key_bytes, self._consumed = [picture], len(picture.data), 0
            self._is_whole = self.reader.assemble == "all"
            self._has_news |= self._rhythm.key_came(picture.arrival.mono_s)
            self._sent = Sent(
                keys=self._sent.keys + 1,
                key_bytes=self._sent.key_bytes + len(picture.data),
                all_bytes=self.reader.counts["bytes"],
                pictures_per_s=self.reader.pictures_per_s or 0.0,
            )
        elif self._since_key and self._is_whole:
            self._since_key.append(picture)
            self._since_key_bytes += len(picture.data)
            if self._since_key_bytes > KEPT_GOP_BYTES and not self._decodes_whole:
                del self._since_key[1:]
                self._is_whole = False
        if self._decodes_whole:
            self._decode_on()

    def _choose_mode(self, pace: Pace, last_look_mono_s: float | None) -> None:
        """Key pictures only, as long as they come often enough; else all."""
        needs_whole = self._choose_assembly(pace)
        is_cheap = len(self._since_key) <= AT_ONCE_PICTURES
        is_moment = pace.may_decode_all and is_cheap and moment_has_come(pace, last_look_mono_s, self._mono())
        is_near = is_key_near(self._rhythm.last_key_mono_s, self.reader.last_key_interval_s, self._mono())
        if not needs_whole and (not is_moment or is_near):
            self._decode_keys_only()
        elif not self._decodes_whole and self._is_whole:
            self._set_whole(True)
            self._decode_on()

    def _choose_assembly(self, pace: Pace) -> bool:
        """Have those pictures put together that this pace needs; True: it needs all of them."""
        interval_s = self.reader.last_key_interval_s
        if interval_s is None and self._rhythm.last_key_mono_s is not None:
            interval_s = self._mono() - self._rhythm.last_key_mono_s  # at least
        too_rare = interval_s is not None and interval_s > pace.gap_s + GAP_TOLERANCE_S
        wants_whole = too_rare and pace.may_decode_all
        is_small = (self._rhythm.mbit_per_s or 9.0) * 1e6 < SMALL_STREAM_BPS
        is_known = self.reader.last_key_interval_s is not None
        is_moment_near = pace.look_at_mono_s is not None
        self._assemble("all" if wants_whole or is_moment_near or not is_known or is_small else "key")
        return wants_whole

    def _decode_keys_only(self) -> None:
        if self._decodes_whole:
            self._set_whole(False)
            self._is_whole = False  # what was decoded is not kept: whole again from the next key picture on

    def _assemble(self, what: Literal["key", "all"]) -> None:
        if self.reader.assemble != what:
            self.reader.assemble = what
            # From "key" to "all" the pictures in between are missing until the next key picture.
            self._is_whole = False

    def _set_whole(self, is_whole: bool) -> None:
        self._decodes_whole, self._decoded, self._consumed = is_whole, None, 0
        self._decoder.mode = DecodeMode.ALL if is_whole else DecodeMode.KEYFRAMES

    def _due_key(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:
        if not self._since_key or self._since_key[0] is self._handed:
            return None
        key_mono_s = self._since_key[0].arrival.mono_s
        if is_older(key_mono_s, last_look_mono_s):
            return None
        if last_look_mono_s is None or is_hurried:
            return key_mono_s
        is_wanted = pace.every_key or self._has_news
        if is_wanted and key_mono_s - last_look_mono_s >= pace.least_gap_s - GAP_TOLERANCE_S:
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
        if self._decoded is None or is_older(self._decoded.arrival.mono_s, last_look_mono_s):
            return None
        if last_look_mono_s is None or is_hurried:
            return self._decoded.arrival.mono_s
        if moment_has_come(pace, last_look_mono_s, self._decoded.arrival.mono_s):
            return pace.look_at_mono_s
        next_one_in_s = max(ROUND_S, 1 / max(0.1, self.reader.pictures_per_s or 10.0))
        deadline = last_look_mono_s + pace.gap_s
        is_late = self._decoded.arrival.mono_s + next_one_in_s > deadline or self._mono() > deadline + GAP_TOLERANCE_S
        return deadline if is_late else None

    def _decode_on(self) -> None:
        """Whole mode: decode what came; only the newest picture is kept."""
        waiting = self._since_key[self._consumed :]
        if len(waiting) > BEHIND_PICTURES:
            self._count_dropped("decoder_behind", len(waiting))
            self._set_whole(False)
            self._is_whole = False
            return
        for picture in waiting:
            for decoded in self._decoder.feed(picture):
                if self._decoded is not None:
                    self._count_dropped("not_due", 1)
                self._decoded = decoded
        del self._since_key[1:]  # what was decoded need not be kept; the key picture marks the beginning
        self._consumed = 1

    def _count_dropped(self, reason: str, count: int) -> None:
        self.dropped[reason] += count


class _Rhythm:
    """How many bytes come between two key pictures, usually and just now."""

    def __init__(self) -> None:
        self.last_key_mono_s: float | None = None
        self.mbit_per_s: float | None = None
        self._bytes = 0
        self._usual_bytes: float | None = None

    def restart(self) -> None:
        """Another connection: what was usual still is, what was under way is gone."""
        self.last_key_mono_s, self._bytes = None, 0

    def saw_bytes(self, since_key: int) -> None:
        """Before each read: what had come since the last key picture."""
        self._bytes = max(self._bytes, since_key)

    def key_came(self, at_mono_s: float) -> bool:
        """True when far more than usual came since the key picture before."""
        last, self.last_key_mono_s = self.last_key_mono_s, at_mono_s
        came, self._bytes = self._bytes, 0
        if last is None or at_mono_s <= last or not came:
            return False
        self.mbit_per_s = came * 8e-6 / (at_mono_s - last)
        if self._usual_bytes is None:
            self._usual_bytes = float(came)
            return False
        is_busier = came > BUSIER * self._usual_bytes
        # Slowly up, faster down: a busy minute does not become usual at once.
        self._usual_bytes += (came - self._usual_bytes) * (0.05 if came > self._usual_bytes else 0.2)
        return is_busier


class UnreadableFeed:
    """A camera whose address opens nothing: it is seen as offline and says why, the others are not affected."""

    def __init__(self, problem: str, since_mono_s: float) -> None:
        self._health = SourceHealth(SourceState.OFFLINE, since_mono_s, problem=problem)

    @property
    def next_poll_in_s(self) -> float:
        return 1.0

    def start(self) -> None:
        """Nothing to start."""

    def poll(self) -> None:
        """Nothing to read."""

    def rest(self, pace: Pace) -> None:
        """Nothing to rest from."""

    def due_mono_s(self, pace: Pace, last_look_mono_s: float | None, *, is_hurried: bool) -> float | None:  # noqa: ARG002
        return None

    def take(self) -> Decoded | None:
        return None

    def sent(self) -> Sent | None:
        return None

    def health(self) -> FeedHealth:
        return FeedHealth(self._health, "none", None, None, None, is_decoded_whole=False)

    def close(self) -> None:
        """Nothing to close."""

    def is_closed(self, wait_s: float = 0.0) -> bool:  # noqa: ARG002
        return True


def moment_has_come(pace: Pace, last_look_mono_s: float | None, now_mono_s: float) -> bool:
    """The moment that the pace names has come, and no look since."""
    at = pace.look_at_mono_s
    return at is not None and last_look_mono_s is not None and last_look_mono_s < at <= now_mono_s


def is_key_near(last_key_mono_s: float | None, key_interval_s: float | None, now_mono_s: float) -> bool:
    """The next key picture is about to come, or late by no more than it may jitter."""
    if last_key_mono_s is None or key_interval_s is None:
        return False
    return -GAP_TOLERANCE_S <= last_key_mono_s + key_interval_s - now_mono_s <= KEY_IS_NEAR_S


def is_older(at_mono_s: float, last_look_mono_s: float | None) -> bool:
    """The other stream was looked at since: time never goes back."""
    return last_look_mono_s is not None and at_mono_s <= last_look_mono_s
