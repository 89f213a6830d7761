"""What a picture file is and how large its picture is, from its first bytes, without decoding it.

Only the headers are walked: a file of 10 kB that claims 100 megapixels costs nothing to refuse.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

MAX_PIXELS: Final = 40_000_000
MAX_SIDE: Final = 20_000  # a picture of 1 x 65,535 is not a photograph
_JPEG_SIZES: Final = frozenset({*range(0xC0, 0xC4), *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
_JPEG_BARE: Final = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a length


@dataclass(frozen=True, slots=True)
class PictureHeader:
    media_type: str
    width: int
    height: int

    @property
    def problem(self) -> str | None:
        """Why this picture is refused; None when it is not."""
        if self.width < 1 or self.height < 1:
            return "the picture has no size"
        if max(self.width, self.height) > MAX_SIDE or self.width * self.height > MAX_PIXELS:
            return f"the picture is {self.width} x {self.height}; at most {MAX_PIXELS // 1_000_000} megapixels"
        return None


def sniff(data: bytes) -> PictureHeader | None:
    """None for anything that is not a JPEG, PNG or WebP whose size can be read."""
    try:
        return _jpeg(data) or _png(data) or _webp(data)
    except (IndexError, struct.error):
        return None


def _jpeg(data: bytes) -> PictureHeader | None:
    if data[:3] != b"\xff\xd8\xff":
        return None
    at = 2
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        if marker in _JPEG_BARE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in _JPEG_SIZES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return PictureHeader("image/jpeg", width, height)
        if marker == 0xDA or length < 2:  # picture data before any size
            return None
        at += 2 + length
    return None


def _png(data: bytes) -> PictureHeader | None:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return PictureHeader("image/png", width, height)


def _webp(data: bytes) -> PictureHeader | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[at : at + 3], "little") + 1 for at in (24, 27))
        return PictureHeader("image/webp", width, height) if len(data) >= 30 else None
    if kind == b"VP8L" and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return PictureHeader("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return PictureHeader("image/webp", width & 0x3FFF, height & 0x3FFF)
    return None
