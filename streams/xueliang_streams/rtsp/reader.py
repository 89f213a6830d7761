"""A camera's coded pictures by our own RTSP reader: connects, reconnects, says how it stands. Polled, never blocking.

    reader = RtspReader("gate-3", url, wall=wall, mono=mono, settings=settings, backoff=backoff, rng=rng)
    while wanted:
        pictures = reader.poll()          # [] most of the time
        wait(reader.next_poll_in_s)
    reader.close()

Invariants:
- No method waits for the network. One thread can poll any number of readers; no reader can hold up another.
- No method raises because of the camera: how it stands is said by `health`.
- After a failure: back-off (`standing.py`); a refused login, or a camera whose offer is not spoken here, at most once a
  minute.
- Only `health`'s words and log lines leave this module with an address in them, redacted.
"""

from __future__ import annotations

import logging
import ssl
import traceback
from collections import Counter
from random import Random
from typing import Final
from urllib.parse import urlsplit

from xueliang_streams.backoff import Backoff
from xueliang_streams.coded_picture import Arrival, CodedPicture
from xueliang_streams.errors import CameraUnreachable, NotSpoken, StreamError, UnsupportedUrl
from xueliang_streams.reconnects import Reconnects
from xueliang_streams.redaction import redact_text, redact_url
from xueliang_streams.rtsp.connection import NameLookup
from xueliang_streams.rtsp.description import Media
from xueliang_streams.rtsp.dialogue import split_login
from xueliang_streams.rtsp.interleaved import Assemble
from xueliang_streams.rtsp.session import Session, named
from xueliang_streams.source import Mono, SourceHealth, SourceSettings, Wall
from xueliang_streams.standing import Standing, stall_words

log = logging.getLogger(__name__)

SCRATCH_BYTES: Final = 256 * 1024
"""A tenth of a second of a 20 Mbit/s camera."""
KEY_POLL_S: Final = 0.1
"""Between polls when only key pictures are wanted: they come seconds apart, and fewer, larger reads cost less."""
ALL_POLL_S: Final = 0.02
"""When every picture is wanted: half a picture's time at 25 fps, so that each gets its own moment of arrival."""
TALK_POLL_S: Final = 0.02
"""Before the first packet: a dozen polls open a camera."""
LONGEST_POLL_S: Final = 1.0
_DEFAULT_PORTS: Final = {"rtsp": 554, "rtsps": 322}


class RtspReader:
    """One camera. Not thread-safe: one thread calls everything.

    Args:
        scratch: what reads go into, shared by all readers of one thread; None: one of its own.
        tls: for `rtsps`; None: certificates are verified against what this machine trusts.
        reconnects: the turns it shares with other cameras; None: it backs off by itself.

    Raises:
        UnsupportedUrl: the address names no host or port. Nothing has been contacted.
    """

    def __init__(
        self,
        camera_id: str,
        url: str,
        *,
        wall: Wall,
        mono: Mono,
        settings: SourceSettings,
        backoff: Backoff,
        rng: Random,
        scratch: memoryview | None = None,
        tls: ssl.SSLContext | None = None,
        reconnects: Reconnects | None = None,
    ) -> None:
        self._camera_id = camera_id
        self._url = url
        self._shown = redact_url(url)
        self._wall = wall
        self._mono = mono
        self._settings = settings
        self._host, port, is_tls = place_of(url)
        self._lookup = NameLookup(self._host, port)
        self._tls = (tls or ssl.create_default_context()) if is_tls else None
        self._scratch = memoryview(bytearray(SCRATCH_BYTES)) if scratch is None else scratch
        self._standing = Standing(
            camera_id,
            backoff=backoff,
            rng=rng,
            stall_after_s=settings.stall_after_s,
            now_s=mono(),
            reconnects=reconnects,
        )
        self._session: Session | None = None
        self._assemble: Assemble = "key"
        self._media: Media | None = None
        self._not_spoken: NotSpoken | None = None
        self._past_counts: Counter[str] = Counter()
        self._connections = 0
        self._is_closed = False

    @property
    def camera_id(self) -> str:
        """The label it was made with."""
        return self._camera_id

    @property
    def assemble(self) -> Assemble:
        """Which pictures `poll` gives: "key" or "all". May be set at any time; "all" begins at the next key picture."""
        return self._assemble

    @assemble.setter
    def assemble(self, assemble: Assemble) -> None:
        self._assemble = assemble
        if self._session is not None:
            self._session.set_assemble(assemble)

    @property
    def connection(self) -> int:
        """Counts the connections begun: pictures under another number do not go on where the last ones ended."""
        return self._connections

    @property
    def not_spoken(self) -> NotSpoken | None:
        """Why this camera needs libav's reader; None while nothing says so. Whoever owns both may switch."""
        return self._not_spoken

    @property
    def media(self) -> Media | None:
        """The video as last described; None: never yet."""
        return self._media

    @property
    def counts(self) -> Counter[str]:
        """Since the reader was made; see `InterleavedReader`."""
        return self._past_counts + self._session.counts if self._session is not None else +self._past_counts

    @property
    def last_key_interval_s(self) -> float | None:
        """From key picture to key picture by the stream's time; None: this connection has not brought two."""
        stream = self._session.stream if self._session is not None else None
        return None if stream is None else stream.last_key_interval_s

    @property
    def pictures_per_s(self) -> float | None:
        """Over the last interval of key pictures; None: as above."""
        stream = self._session.stream if self._session is not None else None
        return None if stream is None else stream.pictures_per_s

    @property
    def bytes_since_key(self) -> int:
        """What the camera sent since its last key picture: much of it means movement."""
        stream = self._session.stream if self._session is not None else None
        return 0 if stream is None else stream.bytes_since_key

    @property
    def is_in_handshake(self) -> bool:
        """A connection is being made: poll every TALK_POLL_S or so."""
        return self._session is not None and self._session.last_packet_s is None

    @property
    def next_poll_in_s(self) -> float:
        """When polling again is worth it, seconds."""
        if self._is_closed:
            return LONGEST_POLL_S
        if self._session is None:
            return min(LONGEST_POLL_S, self._standing.waits_s(self._mono()))
        if self.is_in_handshake:
            return TALK_POLL_S
        return KEY_POLL_S if self._assemble == "key" else ALL_POLL_S

    def poll(self) -> list[CodedPicture]:
        """Do what can be done now; the pictures that became whole since the last call, in order."""
        if self._is_closed:
            return []
        arrival = Arrival(self._mono(), self._wall())
        try:
            if self._session is None:
                if self._standing.waits_s(arrival.mono_s) > 0:
                    return []
                self._session = self._begin(arrival.mono_s)
            pictures = self._session.poll(arrival)
        except StreamError as problem:
            self._end(named(problem, self._shown), arrival.mono_s)
            return []
        except Exception as error:  # a defect must not end this camera, and still less those polled after it
            trace = redact_text(traceback.format_exc())
            log.error("camera reader failed", extra={"camera_id": self._camera_id, "trace": trace})
            words = f"{self._shown}: the reader failed ({type(error).__name__})"
            self._end(CameraUnreachable(words), arrival.mono_s)
            return []
        self._media = self._session.media or self._media
        if self._session.is_playing and self._session.last_packet_s == arrival.mono_s:
            self._not_spoken = None
            self._standing.packets_arrived(arrival.mono_s, self._session.began_s)
        return pictures

    def health(self) -> SourceHealth:
        """How it stands now. `frames_dropped` counts what the assembly left out."""
        counts = self.counts
        dropped = {reason: counts[reason] for reason in ("not_key", "damaged", "waiting_for_key") if counts[reason]}
        words = f"{self._shown}: {stall_words(self._settings.stall_after_s)}"
        return self._standing.health(self._mono(), dropped, words)

    def close(self) -> None:
        """Say goodbye if that can be done without waiting, and free the socket. A second call does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._drop_session()
        self._standing.close(self._mono())

    def _begin(self, now_s: float) -> Session:
        self._standing.attempt_begins(now_s)
        self._connections += 1
        session = Session(
            self._url,
            self._host,
            lookup=self._lookup,
            tls=self._tls,
            scratch=self._scratch,
            open_timeout_s=self._settings.open_timeout_s,
            stall_after_s=self._settings.stall_after_s,
            now_s=now_s,
        )
        session.set_assemble(self._assemble)
        return session

    def _end(self, problem: StreamError, now_s: float) -> None:
        self._drop_session()
        if isinstance(problem, NotSpoken):
            self._not_spoken = problem
        self._standing.failed(problem, now_s)

    def _drop_session(self) -> None:
        if self._session is not None:
            self._past_counts += self._session.counts
            self._session.close()
            self._session = None


def place_of(url: str) -> tuple[str, int, bool]:
    """Host, port, and whether TLS is spoken there.

    Raises:
        UnsupportedUrl: the address does not name them.
    """
    split_login(url)  # refuses an address without a host
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    try:
        port = parts.port or _DEFAULT_PORTS[scheme]
    except (KeyError, ValueError):
        raise UnsupportedUrl(f"{redact_url(url)}: expected rtsp://host:port/path") from None
    if not parts.hostname:
        raise UnsupportedUrl(f"{redact_url(url)}: names no host; expected rtsp://host/path")
    return parts.hostname, port, scheme == "rtsps"
