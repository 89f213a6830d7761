"""One spool record on disk: framing, checksums, and what a damaged file still tells.

    magic 4 | kind 1 | severity 1 | zero 2 | sequence 8 | emitted_us 8 | length 4 | payload crc 4 | head crc 4 | payload

Invariants
    - The head has its own checksum, so a length is only believed when it is right; after a damaged stretch reading goes
      on at the next head that is right.
    - *Torn* is a file that ends inside a record, or in zeros: a write that never finished. *Damaged* is a record that
      is all there and wrong (bit rot), or a stretch that is no record. The two are told apart by whether bytes are
      missing; in doubt it is called damaged, because damage is declared and a torn tail is not.
    - Every flipped bit of a file shows as damage: each byte lies under a checksum or is the magic.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

MAGIC: Final = b"\xf1XA\x01"  # not UTF-8, so no JSON payload holds it
_HEAD: Final = struct.Struct(">4sBB2xQQII")
_CRC: Final = struct.Struct(">I")
HEAD_BYTES: Final = _HEAD.size + _CRC.size
MAX_PAYLOAD_BYTES: Final = 1 << 20
SMALLEST_MESSAGE_BYTES: Final = (
    256  # a gap record is about 300: bounds how many records a damaged stretch can have held
)


class RecordKind(IntEnum):
    SEGMENT = 1  # first record of a file: whose spool it is
    ALERT = 2
    GAP = 3


@dataclass(frozen=True, slots=True)
class RecordHead:
    """What is known of a record without its payload. emitted_us: microseconds since 1970; severity 0 for no alert."""

    kind: RecordKind
    severity: int
    sequence: int
    emitted_us: int
    length: int
    payload_crc: int


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record whose head is right. `is_intact` says whether its payload is, too."""

    head: RecordHead
    offset: int
    is_intact: bool


@dataclass(slots=True)
class Scan:
    """What a file holds.

    Attributes:
        records: in file order, intact or not.
        damaged_stretches: (offset, length) of bytes that are no record.
        torn_at: where an unfinished write begins; None when the file ends with a record or with damage.
    """

    records: list[FoundRecord] = field(default_factory=list)
    damaged_stretches: list[tuple[int, int]] = field(default_factory=list)
    torn_at: int | None = None


def encode_record(
    kind: RecordKind, payload: bytes, *, sequence: int = 0, severity: int = 0, emitted_us: int = 0
) -> tuple[RecordHead, bytes]:
    """The head, and the bytes of the whole record."""
    head = _HEAD.pack(MAGIC, kind, severity, sequence, emitted_us, len(payload), zlib.crc32(payload))
    known = RecordHead(kind, severity, sequence, emitted_us, len(payload), zlib.crc32(payload))
    return known, head + _CRC.pack(zlib.crc32(head)) + payload


def read_head(data: bytes, offset: int = 0) -> RecordHead | None:
    """The head at this offset, or None when there is none that is right."""
    head = data[offset : offset + _HEAD.size]
    check = data[offset + _HEAD.size : offset + HEAD_BYTES]
    if len(check) < _CRC.size or not head.startswith(MAGIC) or _CRC.unpack(check)[0] != zlib.crc32(head):
        return None
    _, kind, severity, sequence, emitted_us, length, payload_crc = _HEAD.unpack(head)
    if length > MAX_PAYLOAD_BYTES or kind not in set(RecordKind):
        return None
    return RecordHead(RecordKind(kind), severity, sequence, emitted_us, length, payload_crc)


def payload_of(data: bytes, offset: int = 0) -> bytes | None:
    """The payload of the record at this offset, or None when head or payload is wrong or cut."""
    head = read_head(data, offset)
    if head is None:
        return None
    payload = data[offset + HEAD_BYTES : offset + HEAD_BYTES + head.length]
    if len(payload) != head.length or zlib.crc32(payload) != head.payload_crc:
        return None
    return payload


def scan(data: bytes) -> Scan:
    """Read a whole file. Never raises: whatever the bytes are, the answer says what can be believed."""
    found = Scan()
    offset = 0
    while offset < len(data):
        head = read_head(data, offset)
        if head is None:
            following = _next_head(data, offset + 1)
            if following is None:
                _judge_tail(data, offset, found)
                break
            found.damaged_stretches.append((offset, following - offset))
            offset = following
            continue
        end = offset + HEAD_BYTES + head.length
        if end > len(data):
            found.torn_at = offset
            break
        found.records.append(FoundRecord(head, offset, payload_of(data, offset) is not None))
        offset = end
    return found


def _next_head(data: bytes, offset: int) -> int | None:
    at = data.find(MAGIC, offset)
    while at >= 0:
        if read_head(data, at) is not None:
            return at
        at = data.find(MAGIC, at + 1)
    return None


def _judge_tail(data: bytes, offset: int, found: Scan) -> None:
    tail = data[offset:]
    if len(tail) < HEAD_BYTES or not tail.strip(b"\0"):
        found.torn_at = offset
    else:
        found.damaged_stretches.append((offset, len(tail)))
