"""Voice notes made byte by byte: headers are right, the sound is none."""

from __future__ import annotations

import struct
from collections.abc import Sequence

SOUND, PICTURE = 2, 1  # Matroska's track types


def webm(tracks: Sequence[int] = (SOUND,), *, doc_type: bytes = b"webm", filler: bytes = b"sound") -> bytes:
    """As a browser's recorder writes it: a segment and a cluster of unknown size."""
    entries = b"".join(
        _element(0xAE, _element(0xD7, bytes([n])) + _element(0x83, bytes([one]))) for n, one in enumerate(tracks, 1)
    )
    head = _element(0x1A45DFA3, _element(0x4286, b"\x01") + _element(0x4282, doc_type))
    info = _element(0x1549A966, _element(0x4D80, b"made up"))
    cluster = b"\x1f\x43\xb6\x75\x01" + b"\xff" * 7 + filler
    return head + b"\x18\x53\x80\x67\x01" + b"\xff" * 7 + info + _element(0x1654AE6B, entries) + cluster


def mp4(handlers: Sequence[bytes] = (b"soun",), *, filler: bytes = b"sound", between: bytes = b"") -> bytes:
    """`between`: boxes between two tracks."""
    tracks = between.join(
        _box(b"trak", _box(b"mdia", _box(b"mdhd", bytes(24)) + _box(b"hdlr", bytes(8) + one + bytes(13))))
        for one in handlers
    )
    return (
        _box(b"ftyp", b"iso5\0\0\0\0iso5mp41")
        + _box(b"moov", _box(b"mvhd", bytes(100)) + tracks)
        + _box(b"mdat", filler)
    )


def free(count: int = 1, size: int = 0) -> bytes:
    """MP4 boxes that say nothing."""
    return _box(b"free", bytes(size)) * count


def _element(name: int, data: bytes) -> bytes:
    raw = name.to_bytes((name.bit_length() + 7) // 8, "big")
    return raw + (0x4000 | len(data)).to_bytes(2, "big") + data


def _box(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + name + data
