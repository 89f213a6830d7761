"""A camera by our own reader, behind `DecodingSource`: one thread that polls, decodes what is due, keeps the newest.

The thread never waits for the network, only for the next poll: so `close` takes one poll and one decoded picture.
A picture arrives up to one poll late (20 ms when all pictures are decoded, 0.1 s for key pictures only).
"""

from __future__ import annotations

import logging
import ssl
import threading
import traceback
from collections import Counter
from dataclasses import replace
from random import Random

from xueliang_streams.backoff import Backoff
from xueliang_streams.camera_thread import CameraThread
from xueliang_streams.coded_picture import CodedPicture
from xueliang_streams.decoding import OnDemandDecoder
from xueliang_streams.errors import NotSpoken
from xueliang_streams.reconnects import Reconnects
from xueliang_streams.redaction import redact_text
from xueliang_streams.rtsp.reader import RtspReader
from xueliang_streams.source import DecodeMode, Mono, SourceHealth, SourceSettings, Wall

log = logging.getLogger(__name__)


class RtspSource(CameraThread):
    """See `FrameSource`. The URL brings its credentials; they are shown nowhere.

    Raises:
        UnsupportedUrl: from the constructor, when the address names no host or port.
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
        tls: ssl.SSLContext | None = None,
        reconnects: Reconnects | None = None,
    ) -> None:
        super().__init__(camera_id, settings)
        self._decoder = self._new_decoder()
        self._connection = 0
        self._failed: str | None = None
        self._reading = threading.Lock()  # guards the reader: polled by our thread, asked by others
        self._reader = RtspReader(
            camera_id,
            url,
            wall=wall,
            mono=mono,
            settings=settings,
            backoff=backoff,
            rng=rng,
            tls=tls,
            reconnects=reconnects,
        )

    @property
    def not_spoken(self) -> NotSpoken | None:
        """See `RtspReader.not_spoken`."""
        return self._reader.not_spoken

    def health(self) -> SourceHealth:
        with self._reading:
            health = self._reader.health()
        return replace(health, frames_dropped=Counter(health.frames_dropped) + Counter(self._newest.dropped()))

    def close(self) -> None:
        self._stop()
        with self._reading:
            self._reader.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            for picture in self._poll():
                self._publish(picture)
            self._stopping.wait(self._reader.next_poll_in_s)
        with self._reading:
            self._reader.close()

    def _poll(self) -> list[CodedPicture]:
        mode = self._decode
        self._decoder.mode = mode
        with self._reading:
            self._reader.assemble = "key" if mode is DecodeMode.KEYFRAMES else "all"
            pictures = self._reader.poll()
            connection = self._reader.connection
        if connection != self._connection:
            self._connection = connection
            self._decoder.restart()  # what it still holds is of the connection before
        return pictures

    def _publish(self, picture: CodedPicture) -> None:
        try:
            decoded_pictures = self._decoder.feed(picture)
        except Exception as error:  # a defect must not end a camera for ever
            self._say_failure(error)
            self._newest.count_dropped("damaged")
            self._decoder = self._new_decoder()
            return
        self._hand_out(decoded_pictures)

    def _say_failure(self, error: Exception) -> None:
        if self._failed != repr(error):  # once; the count goes on in `frames_dropped`
            self._failed = repr(error)
            trace = redact_text(traceback.format_exc())
            log.error("picture cannot be decoded", extra={"camera_id": self._camera_id, "trace": trace})

    def _new_decoder(self) -> OnDemandDecoder:
        return OnDemandDecoder(self._decode, self._limit, self._newest.count_dropped)
