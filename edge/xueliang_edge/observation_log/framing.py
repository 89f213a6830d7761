"""One frame of a log file: a kind, a payload, two checksums.

    magic 4 | kind 1 | zero 3 | length 4 | payload crc 4 | head crc 4 | payload

The head has its own checksum, so a length is only believed when it is right; after a damaged stretch reading goes on at
the next head that is right. A file that ends inside a frame was being written when the node was killed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

MAGIC: Final = b"\xf1XO\x01"
_HEAD: Final = struct.Struct("<4sB3xII")
_CRC: Final = struct.Struct("<I")
HEAD_BYTES: Final = _HEAD.size + _CRC.size
MAX_PAYLOAD_BYTES: Final = 64 << 20


class FrameKind(IntEnum):
    HEADER = 1
    """First in every file: which run of the node wrote it."""
    SNAPSHOT = 2
    """What the rules of a camera remembered before the look that follows."""
    ROWS = 3
    """A few seconds of looks, in a journal."""
    BLOCK_HEAD = 4
    """Whose looks the next frame holds, and from when to when."""
    BLOCK = 5
    """The looks of one camera, in columns."""
    END = 6
    """Last in a segment: nothing of it is missing."""


_KINDS: Final = frozenset(FrameKind)


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame whose head is right: the payload is `data[start:end]`."""

    kind: FrameKind
    start: int
    end: int
    payload_crc: int

    def payload(self, data: bytes | memoryview) -> memoryview | None:
        """None when it is damaged or cut."""
        payload = memoryview(data)[self.start : self.end]
        is_whole = len(payload) == self.end - self.start and zlib.crc32(payload) == self.payload_crc
        return payload if is_whole else None


def framed(kind: FrameKind, payload: bytes) -> bytes:
    """The bytes of one frame."""
    head = _HEAD.pack(MAGIC, kind, len(payload), zlib.crc32(payload))
    return head + _CRC.pack(zlib.crc32(head)) + payload


def frames(data: bytes | memoryview) -> Iterator[Frame | None]:
    """Every frame of a file in order; None for each stretch of bytes that is none, a torn end too. Never raises."""
    view = memoryview(data)
    offset = 0
    while offset < len(view):
        frame = _frame_at(view, offset)
        if frame is None:
            yield None
            offset = _next_head(view, offset + 1)
            continue
        yield frame
        offset = frame.end


def _frame_at(view: memoryview, offset: int) -> Frame | None:
    head = view[offset : offset + _HEAD.size]
    check = view[offset + _HEAD.size : offset + HEAD_BYTES]
    if len(check) < _CRC.size or _CRC.unpack(check)[0] != zlib.crc32(head):
        return None
    magic, kind, length, payload_crc = _HEAD.unpack(head)
    if magic != MAGIC or length > MAX_PAYLOAD_BYTES or kind not in _KINDS:
        return None
    start = offset + HEAD_BYTES
    return Frame(FrameKind(kind), start, start + length, payload_crc)


def _next_head(view: memoryview, offset: int) -> int:
    """Where reading can go on; the end when nowhere."""
    rest = bytes(view[offset:])
    at = rest.find(MAGIC)
    while at >= 0:
        if _frame_at(view, offset + at) is not None:
            return offset + at
        at = rest.find(MAGIC, at + 1)
    return len(view)
