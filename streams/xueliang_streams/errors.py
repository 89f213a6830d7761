"""What can go wrong between a camera and a frame.

    StreamError
    ├── UnsupportedUrl       the address cannot be opened by any reader here; retry: no, change the configuration
    ├── RecordingUnreadable  a file is missing or is not a video; retry: no, unless the file is replaced
    ├── CameraUnreachable    nobody answers, or the connection broke; retry: yes
    ├── StreamStalled        connected, and no packet for too long; retry: yes
    ├── CameraRefusedLogin   wrong user or password (401, 403); retry: gently, cameras lock accounts
    ├── NotAVideo            something answers, but offers no H.264 or H.265 video; retry: rarely helps
    ├── SharedMemoryTooSmall the pictures in hand do not fit into /dev/shm; retry: no, enlarge it or watch fewer cameras
    ├── NotSpoken            our own reader does not speak what the camera offers; retry: with libav's reader
    ├── MalformedRtsp        what came is no RTSP, or beyond our limits (inside `rtsp`; outside it is one of the others)
    └── EncodingFailed       a clip could not be written; retry: no

Messages are complete sentences for the person who must act. They name the URL through `redact_url` only, so no message
of this room holds a password or a token.
"""

from __future__ import annotations


class StreamError(Exception):
    """Root of everything this room raises."""


class UnsupportedUrl(StreamError):
    """No reader here opens this address. A retry cannot help."""


class RecordingUnreadable(StreamError):
    """The file is missing, unreadable or holds no video. A retry cannot help until the file is replaced."""


class CameraUnreachable(StreamError):
    """Nobody answered in time, the connection was refused, or it broke. A retry can help."""


class StreamStalled(StreamError):
    """Connected, and no packet for longer than allowed. A retry (a new connection) can help."""


class CameraRefusedLogin(StreamError):
    """The camera wants another user or password. Retry at most once a minute: cameras lock accounts."""


class NotAVideo(StreamError):
    """Something answered that is no H.264 or H.265 video. A retry rarely helps: the address is wrong."""


class SharedMemoryTooSmall(StreamError):
    """The memory for pictures that processes share cannot be had. A retry cannot help until it is enlarged."""


class NotSpoken(StreamError):
    """The camera offers what our own reader does not speak, and libav may. A retry with libav can help.

    Attributes:
        reason: in a few words, for `SourceHealth.reader`.
        is_udp_only: the camera refuses to send over TCP.
    """

    def __init__(self, message: str, *, reason: str, is_udp_only: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_udp_only = is_udp_only


class MalformedRtsp(StreamError):
    """Bytes that are no RTSP message, or one beyond our limits. The connection is worth nothing from here on."""


class EncodingFailed(StreamError):
    """A clip could not be encoded or written. A retry cannot help."""
