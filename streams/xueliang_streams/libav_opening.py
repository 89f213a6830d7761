"""Opens an RTSP address with libav, and says in words what went wrong.

libav's own messages carry the whole URL with its password: they go no further than this module.
"""

from __future__ import annotations

import errno
from typing import Literal

import av
from av.container import InputContainer
from av.video.stream import VideoStream

from xueliang_streams.errors import CameraRefusedLogin, CameraUnreachable, NotAVideo, StreamError
from xueliang_streams.redaction import redact_url
from xueliang_streams.source import Mono

Transport = Literal["tcp", "udp"]

OPTIONS = {
    # Nothing but video is ever set up: no sound reaches this machine.
    "allowed_media_types": "video",
    # The description names codec and parameter sets; looking at more packets costs a second or two of waiting.
    "probesize": "32",
}
# A server cannot send us to a file or to another protocol.
_PROTOCOLS: dict[Transport, str] = {"tcp": "tcp,tls", "udp": "tcp,udp,rtp"}


def open_rtsp(
    url: str, open_timeout_s: float, read_timeout_s: float, mono: Mono, *, transport: Transport = "tcp"
) -> tuple[InputContainer, VideoStream]:
    """Connect and start playing. The caller closes the container, in the thread that reads from it.

    Takes at most twice `open_timeout_s`: once for the dialogue, once for the first packet.

    Raises:
        CameraUnreachable, CameraRefusedLogin, NotAVideo: with words a person can act on; no cause attached, because
            libav's errors hold the password.
    """
    began_mono_s = mono()
    options = OPTIONS | {"rtsp_transport": transport, "protocol_whitelist": _PROTOCOLS[transport]}
    try:
        container = av.open(url, mode="r", format="rtsp", options=options, timeout=(open_timeout_s, read_timeout_s))
    except (av.error.FFmpegError, OSError) as error:
        # A time-out may come as "invalid data": only the clock tells the two apart.
        if mono() - began_mono_s >= open_timeout_s:
            problem: StreamError = CameraUnreachable(
                f"{redact_url(url)}: no answer within {open_timeout_s:g} s; check address, port and network"
            )
        else:
            problem = explain(error, url)
    else:
        stream = _video_of(container)
        if stream is not None:
            return container, stream
        offered = ", ".join(sorted({stream.codec_context.name for stream in container.streams.video})) or "no video"
        container.close()
        problem = NotAVideo(f"{redact_url(url)}: needs H.264 or H.265 video, the camera offers {offered}")
    raise problem


def explain(error: Exception, url: str) -> StreamError:
    """The error of this room that stands for a libav error."""
    shown = redact_url(url)
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        return CameraRefusedLogin(f"{shown}: the camera refuses this user and password; check both")
    if isinstance(error, av.error.HTTPNotFoundError):
        return NotAVideo(f"{shown}: the camera has no stream at this path (404); check the path")
    if isinstance(error, av.error.HTTPClientError | av.error.HTTPServerError):
        return CameraUnreachable(f"{shown}: the camera answers with an error ({error.strerror})")
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return CameraUnreachable(f"{shown}: no answer in time; check address, port and network")
    if isinstance(error, ConnectionRefusedError):
        return CameraUnreachable(f"{shown}: nothing listens there (connection refused); check the port")
    if isinstance(error, av.error.EOFError | ConnectionError):
        return CameraUnreachable(f"{shown}: the connection was closed by the other side")
    if isinstance(error, av.error.InvalidDataError):
        return NotAVideo(f"{shown}: what answers there does not speak RTSP, or offers no video; check port and path")
    if isinstance(error, OSError) and error.errno == errno.EIO:
        return CameraUnreachable(f"{shown}: cannot be reached; check the host name and the network")
    words = error.strerror if isinstance(error, OSError) else None
    return CameraUnreachable(f"{shown}: cannot be read ({words or type(error).__name__})")


def _video_of(container: InputContainer) -> VideoStream | None:
    for stream in container.streams.video:
        if stream.codec_context.name in ("h264", "hevc"):
            return stream
    return None
