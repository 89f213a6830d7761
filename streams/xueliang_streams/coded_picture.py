"""One coded picture as it came from a camera: what a reader hands to a decoder."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Codec = Literal["h264", "hevc"]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A moment by both clocks."""

    mono_s: float
    at: datetime


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One coded picture, whole and undamaged as far as the transport can tell.

    Attributes:
        codec: "h264" or "hevc".
        data: its units, each behind 00 00 00 01; a key picture brings the parameter sets in front.
        is_key: decoding can begin here.
        arrival: when its last packet was read from the network.
        rtp_time: in 1/90,000 s, unwrapped: it never jumps back by 2**32; its start means nothing.
        captured_at: by the camera's own clock (RTCP sender reports), aware UTC; None while none came.
    """

    codec: Codec
    data: bytes
    is_key: bool
    arrival: Arrival
    rtp_time: int
    captured_at: datetime | None = None
