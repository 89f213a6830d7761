"""Which reader opens this URL."""

from __future__ import annotations

import re
import ssl
from functools import partial
from pathlib import Path
from random import Random
from typing import Literal
from urllib.parse import unquote, urlsplit

from xueliang_streams.backoff import Backoff
from xueliang_streams.errors import NotSpoken, UnsupportedUrl
from xueliang_streams.falling_back import FallingBackSource
from xueliang_streams.libav_rtsp import LibavRtspSource
from xueliang_streams.reconnects import Reconnects
from xueliang_streams.recording import RecordingSource
from xueliang_streams.redaction import redact_url
from xueliang_streams.rtsp.source import RtspSource
from xueliang_streams.source import DecodingSource, Mono, Pace, SourceSettings, Wall

ReaderChoice = Literal["auto", "own", "libav"]


def open_source(
    camera_id: str,
    url: str,
    *,
    wall: Wall,
    mono: Mono,
    settings: SourceSettings | None = None,
    pace: Pace | Literal["real", "fast"] = Pace.REAL,
    loop: bool = False,
    backoff: Backoff | None = None,
    rng: Random | None = None,
    reader: ReaderChoice = "auto",
    tls: ssl.SSLContext | None = None,
    reconnects: Reconnects | None = None,
    not_spoken: NotSpoken | None = None,
) -> DecodingSource:
    """A source for `rtsp://`, `rtsps://`, `file://` or a plain path. The caller calls `start` and `close`.

    `pace` and `loop` are for recordings, the rest from `backoff` on for cameras; each is ignored by the other kind.
    `reader`: "auto" is our own, and libav's by itself for a camera that ours does not speak with (`SourceHealth.reader`
    says so); except over `rtsps`, where libav would not verify whom it speaks with. `tls` is for our own reader; None:
    certificates are verified against what this machine trusts. `reconnects`: the turns it shares with other cameras;
    None: it backs off by itself. `not_spoken`: what our own reader said of this camera before, for libav's: it goes by
    UDP where the camera offers nothing else, and says why it reads. Ask `may_fall_back` first.

    Raises:
        UnsupportedUrl: no reader here opens this address. Nothing has been contacted.
        RecordingUnreadable: the file is missing or holds no video.
    """
    settings = settings or SourceSettings()
    refuse_half_addresses(url)
    recording = recording_path(url)
    if recording is not None:
        return RecordingSource(camera_id, recording, pace=pace, wall=wall, mono=mono, loop=loop, settings=settings)
    camera_scheme(url)
    return _camera(camera_id, url, settings, wall, mono, backoff or Backoff(), rng, reader, tls, reconnects, not_spoken)


def may_fall_back(url: str) -> bool:
    """Whether libav's reader may take over: not over `rtsps`, where it would not verify whom it gives the login to."""
    return camera_scheme(url) != "rtsps"


def _camera(
    camera_id: str,
    url: str,
    settings: SourceSettings,
    wall: Wall,
    mono: Mono,
    backoff: Backoff,
    rng: Random | None,
    reader: ReaderChoice,
    tls: ssl.SSLContext | None,
    reconnects: Reconnects | None,
    not_spoken: NotSpoken | None,
) -> DecodingSource:
    dice = rng or Random()  # noqa: S311 - spreads reconnects, keeps no secret
    open_libav = partial(
        LibavRtspSource,
        camera_id,
        url,
        settings=settings,
        wall=wall,
        mono=mono,
        backoff=backoff,
        rng=dice,
        reconnects=reconnects,
    )

    def open_other(reason: NotSpoken, last_sequence: int) -> LibavRtspSource:
        return open_libav(
            transport="udp" if reason.is_udp_only else "tcp",
            reader=f"libav ({reason.reason})",
            last_sequence=last_sequence,
        )

    if reader == "libav":
        return open_libav() if not_spoken is None else open_other(not_spoken, 0)
    own = RtspSource(
        camera_id,
        url,
        settings=settings,
        wall=wall,
        mono=mono,
        backoff=backoff,
        rng=dice,
        tls=tls,
        reconnects=reconnects,
    )
    if reader == "own" or not may_fall_back(url):
        return own
    return FallingBackSource(own, open_other)


def refuse_half_addresses(url: str) -> None:
    """A camera address that lost its "//" or its scheme is no file: it would be printed as one, password and all.

    Raises:
        UnsupportedUrl: such an address, or one that cannot be taken apart.
    """
    try:
        urlsplit(url)
    except ValueError as error:
        raise UnsupportedUrl(f"{redact_url(url)}: is no address ({error}); expected rtsp://host/path") from None
    looks_like_one = "@" in url or re.match(r"(rtsps?|rtmp|https?):", url, re.IGNORECASE)
    if "://" not in url and looks_like_one and not Path(url).exists():
        shown = "***@" + url.rpartition("@")[2] if "@" in url else redact_url(url)
        raise UnsupportedUrl(
            f'{shown}: looks like a camera\'s address without "://"; expected for example rtsp://gate-3.local/stream1'
        )


def camera_scheme(url: str) -> str:
    """`rtsp` or `rtsps`.

    Raises:
        UnsupportedUrl: anything else.
    """
    scheme = urlsplit(url).scheme.lower()
    if scheme not in ("rtsp", "rtsps"):
        raise UnsupportedUrl(
            f'{redact_url(url)}: scheme must be rtsp, rtsps or file, got "{scheme}"; '
            "give the camera's RTSP address, for example rtsp://gate-3.local/stream1, or the path of a recording"
        )
    return scheme


def recording_path(url: str) -> Path | None:
    """The file behind a plain path or a `file://` URL; None when the URL is not about a file here."""
    if "://" not in url:
        return Path(url)
    parts = urlsplit(url)
    if parts.scheme.lower() != "file" or parts.netloc not in ("", "localhost"):
        return None
    return Path(unquote(parts.path))
