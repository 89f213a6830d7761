"""A camera as a source of frames: RTSP or a recorded file behind one Protocol. Ground floor: imports no other room."""

from xueliang_streams.backoff import Backoff
from xueliang_streams.errors import (
    CameraRefusedLogin,
    CameraUnreachable,
    EncodingFailed,
    NotAVideo,
    NotSpoken,
    RecordingUnreadable,
    StreamError,
    StreamStalled,
    UnsupportedUrl,
)
from xueliang_streams.frame import Frame
from xueliang_streams.opening import open_source
from xueliang_streams.probe import Offer, probe
from xueliang_streams.redaction import redact_text, redact_url
from xueliang_streams.source import (
    DecodeMode,
    DecodingSource,
    FrameSource,
    Mono,
    Pace,
    SourceHealth,
    SourceSettings,
    SourceState,
    Wall,
)

__all__ = [
    "Backoff",
    "CameraRefusedLogin",
    "CameraUnreachable",
    "DecodeMode",
    "DecodingSource",
    "EncodingFailed",
    "Frame",
    "FrameSource",
    "Mono",
    "NotAVideo",
    "NotSpoken",
    "Offer",
    "Pace",
    "RecordingUnreadable",
    "SourceHealth",
    "SourceSettings",
    "SourceState",
    "StreamError",
    "StreamStalled",
    "UnsupportedUrl",
    "Wall",
    "open_source",
    "probe",
    "redact_text",
    "redact_url",
]
