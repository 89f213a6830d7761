"""The files of a spool: one segment is one append-only file of records, named by its serial.

A segment is written by one owner (the spool, under its lock), sealed once, and later rewritten smaller or removed. A
later serial wins where two files hold the same sequence: a file abandoned after a failed fsync may still lie there.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xueliang_alerts.disk import Disk
from xueliang_alerts.records import HEAD_BYTES, RecordHead, RecordKind, Scan, encode_record, payload_of, scan

_NAME: Final = re.compile(r"(\d{10})\.seg")


@dataclass(eq=False, slots=True)
class Segment:
    """One file. `size_bytes` is what we wrote or found, `durable_bytes` what the last good fsync covered."""

    serial: int
    path: Path
    size_bytes: int = 0
    durable_bytes: int = 0
    opened_mono_s: float = 0.0
    kept_s: float = 0.0
    sequences: set[int] = field(default_factory=set)


@dataclass(eq=False, slots=True)
class Entry:
    """Where one record lies. `frame_bytes` counts head and payload.

    `is_given_out`: somebody may have sent it. Unknown for what an earlier run accepted, so true there.
    """

    head: RecordHead
    segment: Segment
    offset: int
    is_given_out: bool = False

    @property
    def sequence(self) -> int:
        return self.head.sequence

    @property
    def frame_bytes(self) -> int:
        return HEAD_BYTES + self.head.length


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose records a file holds; its first record says so."""

    spool_id: uuid.UUID
    node_id: str

    def to_bytes(self) -> bytes:
        return json.dumps({"spool_id": str(self.spool_id), "node_id": self.node_id}).encode()

    @staticmethod
    def from_bytes(data: bytes) -> Owner | None:
        try:
            value = json.loads(data)
            return Owner(uuid.UUID(value["spool_id"]), str(value["node_id"]))
        except (ValueError, KeyError, TypeError, AttributeError):
            return None


def segment_path(directory: Path, serial: int) -> Path:
    return directory / f"{serial:010d}.seg"


def list_segments(directory: Path) -> list[Segment]:
    """The segment files of a folder, oldest first."""
    found = [
        Segment(int(match[1]), path)
        for path in directory.iterdir()
        if (match := _NAME.fullmatch(path.name)) is not None
    ]
    return sorted(found, key=lambda segment: segment.serial)


def load_segment(disk: Disk, segment: Segment) -> tuple[Scan, Owner | None]:
    """Read a file whole; sets its size. Raises OSError."""
    data = disk.read(segment.path)
    segment.size_bytes = segment.durable_bytes = len(data)
    found = scan(data)
    for record in found.records:
        if record.head.kind is RecordKind.SEGMENT and record.is_intact:
            payload = payload_of(data, record.offset)
            return found, Owner.from_bytes(payload) if payload is not None else None
    return found, None


def read_entry(disk: Disk, entry: Entry) -> bytes | None:
    """The payload, or None when it cannot be read or its checksum is wrong."""
    try:
        data = disk.read(entry.segment.path, entry.offset, entry.frame_bytes)
    except OSError:
        return None
    return payload_of(data)


def rewrite_segment(disk: Disk, segment: Segment, owner: Owner, keep: list[Entry]) -> None:
    """Write the file anew with these records only, atomically, and move the entries. Raises OSError, file unchanged.

    A record that cannot be read any more stays where it is: the whole file is left as it was (ValueError).
    """
    parts = [encode_record(RecordKind.SEGMENT, owner.to_bytes())[1]]
    offsets: list[int] = []
    size = len(parts[0])
    for entry in keep:
        frame = disk.read(segment.path, entry.offset, entry.frame_bytes)
        if payload_of(frame) is None:
            raise ValueError(f"record {entry.sequence} is damaged")
        offsets.append(size)
        parts.append(frame)
        size += len(frame)
    disk.write_whole(segment.path, b"".join(parts))
    segment.size_bytes = segment.durable_bytes = size
    segment.sequences = {entry.sequence for entry in keep}
    for entry, offset in zip(keep, offsets, strict=True):
        entry.offset = offset
