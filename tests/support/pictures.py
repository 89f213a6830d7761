"""Picture files made byte by byte: headers are right, so that their size can be read; most hold no picture data."""

from __future__ import annotations

import hashlib
import struct
import zlib


def jpeg(width: int = 64, height: int = 48, *, filler: bytes = b"", progressive: bool = False) -> bytes:
    """A JPEG up to its picture data; `filler` goes into comments, so that files can differ or be large."""
    comments = b"".join(
        b"\xff\xfe" + struct.pack(">H", len(filler[at : at + 65_000]) + 2) + filler[at : at + 65_000]
        for at in range(0, len(filler), 65_000)
    )
    app0 = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0"
    marker = b"\xff\xc2" if progressive else b"\xff\xc0"
    size = marker + struct.pack(">HBHHB", 11, 8, height, width, 1) + b"\x01\x11\0"
    return (
        b"\xff\xd8" + app0 + size + comments + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + b"\x00" * 16 + b"\xff\xd9"
    )


def png(width: int = 64, height: int = 48) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))


def webp_lossy(width: int, height: int) -> bytes:
    data = b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", width, height)
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8 " + struct.pack("<I", len(data)) + data


def webp_lossless(width: int, height: int) -> bytes:
    data = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14)
    return b"RIFF" + struct.pack("<I", 17) + b"WEBPVP8L" + struct.pack("<I", len(data)) + data


def webp_extended(width: int, height: int) -> bytes:
    data = b"\x00" * 4 + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", len(data)) + data


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
