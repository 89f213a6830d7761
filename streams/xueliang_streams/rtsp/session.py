"""One connection to a camera, from the look-up of its name to its end. Polled, never blocking.

Invariants:
- One deadline for everything up to the answer to PLAY, one for the first packet after it, then one for each pause: a
  camera that dribbles gains nothing by it.
- Before PLAY at most one message's limits are held; from SETUP on the bytes belong to `InterleavedReader`, which has
  its own bounds.
- A poll reads MAX_BYTES_A_POLL at most: no camera holds up those that are polled after it.
- What was read is looked at before any deadline is: a poll that comes late blames nobody.
"""

from __future__ import annotations

import ssl
from collections import Counter
from typing import Final

from xueliang_streams.coded_picture import Arrival, CodedPicture
from xueliang_streams.errors import CameraUnreachable, MalformedRtsp, NotAVideo, NotSpoken, StreamError, StreamStalled
from xueliang_streams.rtsp.connection import Connection, NameLookup
from xueliang_streams.rtsp.description import Media
from xueliang_streams.rtsp.dialogue import Dialogue
from xueliang_streams.rtsp.interleaved import Assemble, InterleavedReader
from xueliang_streams.rtsp.messages import Response, ServerRequest, take_message
from xueliang_streams.standing import stall_words

MAX_BYTES_A_POLL: Final = 1024 * 1024
"""Of one camera. At 10 polls a second 80 Mbit/s; above that the camera is made to wait."""
MAX_TALK_BYTES_A_POLL: Final = 16 * 1024
MAX_MESSAGES_BEFORE_PLAY: Final = 64
"""A talk with two logins and some "wait" has about ten."""
NO_PICTURE_AFTER_S: Final = 60.0
"""Packets for so long and no picture to hand out: the camera changed its codec, or sends what we cannot put together.
Key pictures of a "smart codec" come up to 20 s apart, of one picture a second up to 50 s."""
KEY_INTERVALS_WAITED: Final = 3.0
"""A camera that showed longer distances is given so many of them."""


class Session:
    """See the module. Every error is a StreamError whose message names no address; after one, only `close` is called.

    Args:
        scratch: what reads go into; whoever polls several sessions in one thread gives them all the same.
    """

    def __init__(
        self,
        url: str,
        host: str,
        *,
        lookup: NameLookup,
        tls: ssl.SSLContext | None,
        scratch: memoryview,
        open_timeout_s: float,
        stall_after_s: float,
        now_s: float,
    ) -> None:
        self.began_s = now_s
        self.last_packet_s: float | None = None
        self._open_timeout_s = open_timeout_s
        self._stall_after_s = stall_after_s
        self._scratch = scratch
        self._deadline_s = now_s + open_timeout_s
        self._dialogue = Dialogue(url)
        self._connection = Connection(host, lookup, tls, self._deadline_s)
        self._is_talking = False
        self._messages = 0
        self._unread = bytearray()
        self._playing_since_s: float | None = None
        self._last_picture_s: float | None = None
        self._keep_alive_due_s = 0.0
        self._assemble: Assemble = "key"
        self._stream: InterleavedReader | None = None
        self._ends_by: StreamError | None = None

    @property
    def is_playing(self) -> bool:
        """PLAY was answered."""
        return self._playing_since_s is not None

    @property
    def media(self) -> Media | None:
        """The video; None before it is described."""
        return self._dialogue.media

    @property
    def stream(self) -> InterleavedReader | None:
        """What turns the bytes into pictures; None before SETUP was answered."""
        return self._stream

    @property
    def counts(self) -> Counter[str]:
        """See `InterleavedReader`."""
        return Counter() if self._stream is None else self._stream.counts

    def set_assemble(self, assemble: Assemble) -> None:
        """Which pictures are wanted from now on."""
        self._assemble = assemble
        if self._stream is not None:
            self._stream.assemble = assemble

    def poll(self, arrival: Arrival) -> list[CodedPicture]:
        """Do what can be done now; the pictures that became whole.

        Raises:
            CameraUnreachable, CameraRefusedLogin, NotAVideo, NotSpoken, StreamStalled: the connection is over.
        """
        if self._ends_by is not None:
            raise self._ends_by
        try:
            return self._advance(arrival)
        except MalformedRtsp as error:
            raise self._no_rtsp(error) from None

    def close(self) -> None:
        """Say goodbye if that can be done at once, and let go of the socket."""
        try:
            self._connection.send(self._dialogue.teardown())
        except CameraUnreachable:
            pass
        self._connection.close()

    def _advance(self, arrival: Arrival) -> list[CodedPicture]:
        now_s = arrival.mono_s
        if not self._is_talking:
            if not self._connection.advance(now_s):
                self._refuse_lateness(now_s)
                return []
            self._is_talking = True
            self._connection.send(self._dialogue.begin())
        self._connection.flush()
        pictures = self._read(arrival)
        if pictures:
            self._last_picture_s = now_s
        else:
            self._refuse_lateness(now_s)
        if self.is_playing and now_s >= self._keep_alive_due_s:
            self._connection.send(self._dialogue.keep_alive())
            self._keep_alive_due_s = now_s + self._dialogue.keep_alive_every_s
        return pictures

    def _read(self, arrival: Arrival) -> list[CodedPicture]:
        pictures: list[CodedPicture] = []
        read_bytes = 0
        packets = self.counts["packets"]
        try:
            while read_bytes < MAX_BYTES_A_POLL:
                # A camera's answers are small: more at once than it may say is not even read before PLAY.
                room = self._scratch if self._stream is not None else self._scratch[:MAX_TALK_BYTES_A_POLL]
                count = self._connection.read_into(room)
                if count:
                    pictures += self._take(room[:count], arrival)
                read_bytes += count
                if count < len(room):
                    break
        except StreamError as error:
            if not pictures:
                raise
            self._ends_by = self._no_rtsp(error) if isinstance(error, MalformedRtsp) else error
        if self.counts["packets"] != packets:
            self.last_packet_s = arrival.mono_s
        return pictures

    def _take(self, data: memoryview, arrival: Arrival) -> list[CodedPicture]:
        if self._stream is None:
            self._unread += data
            self._converse(arrival.mono_s)
            if self._stream is None or not self._unread:
                return []
            data = memoryview(bytes(self._unread))  # came right behind the answer to SETUP
            self._unread.clear()
        fed = self._stream.feed(data, arrival)
        for text in fed.messages:
            taken = take_message(text)
            if taken is not None:
                self._hear(taken[0], arrival.mono_s)
        return fed.pictures

    def _converse(self, now_s: float) -> None:
        while self._stream is None and (taken := take_message(self._unread)) is not None:
            message, consumed = taken
            del self._unread[:consumed]
            self._hear(message, now_s)

    def _hear(self, message: Response | ServerRequest, now_s: float) -> None:
        if not self.is_playing:
            self._messages += 1
            if self._messages > MAX_MESSAGES_BEFORE_PLAY:
                raise MalformedRtsp("talk without end")
        if isinstance(message, ServerRequest):
            self._connection.send(self._dialogue.answer(message))
            return
        request = self._dialogue.receive(message)
        if request is not None:
            self._connection.send(request)
        media, channel = self._dialogue.media, self._dialogue.channel
        if self._stream is None and media is not None and channel is not None:
            self._stream = InterleavedReader(
                media.codec,
                payload_type=media.payload_type,
                clock_hz=media.clock_hz,
                parameter_sets=media.parameter_sets,
                rtp_channel=channel,
            )
            self._stream.assemble = self._assemble
        if self._dialogue.is_playing and not self.is_playing:
            self._playing_since_s = now_s
            self._keep_alive_due_s = now_s + self._dialogue.keep_alive_every_s

    def _refuse_lateness(self, now_s: float) -> None:
        if self._playing_since_s is None:
            if now_s >= self._deadline_s:
                raise CameraUnreachable(self._lateness_words())
        elif self.last_packet_s is None:
            if now_s - self._playing_since_s >= self._open_timeout_s:
                raise StreamStalled(f"connected, but no packet within {self._open_timeout_s:g} s")
        elif now_s - max(self.last_packet_s, self._playing_since_s) >= self._stall_after_s:
            raise StreamStalled(stall_words(self._stall_after_s))
        else:
            self._refuse_emptiness(now_s)

    def _refuse_emptiness(self, now_s: float) -> None:
        """Packets that never become a picture end the connection too: the next description may say why."""
        assert self._playing_since_s is not None
        interval_s = (self._stream.last_key_interval_s if self._stream is not None else None) or 0.0
        patience_s = max(NO_PICTURE_AFTER_S, self._stall_after_s, KEY_INTERVALS_WAITED * interval_s)
        if now_s - (self._last_picture_s or self._playing_since_s) < patience_s:
            return
        words = f"packets come, but no key picture for {patience_s:.0f} s"
        if self._last_picture_s is None:  # a new connection to the same will not help; another reader may
            raise NotSpoken(words, reason=words)
        raise StreamStalled(f"{words}; reconnecting")

    def _lateness_words(self) -> str:
        if not self._connection.has_address:
            return f"the host name was not found within {self._open_timeout_s:g} s; check the name and the network"
        if self._messages or self._unread:
            return f"answers too slowly: not playing within {self._open_timeout_s:g} s; check the network"
        return f"no answer within {self._open_timeout_s:g} s; check address, port and network"

    def _no_rtsp(self, error: StreamError) -> StreamError:
        if self.is_playing:
            return CameraUnreachable(f"the camera sent what is no RTSP ({error})")
        return NotAVideo(f"what answers there does not speak RTSP ({error}); check port and path")


def named(error: StreamError, shown_url: str) -> StreamError:
    """The same error with the camera's redacted address in front."""
    text = f"{shown_url}: {error}"
    if isinstance(error, NotSpoken):
        return NotSpoken(text, reason=error.reason, is_udp_only=error.is_udp_only)
    return type(error)(text)
