"""What the spool remembers beside its records: what is settled, how far it had accepted, how long segments were kept.

Losing this file costs re-sends, nothing else. It lags behind the records by a second or so; that is why the records,
not the ledger, say what exists. It is the one witness when record files vanish or shrink behind our back.
"""

from __future__ import annotations

import json
import uuid
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xueliang_alerts.disk import Disk
from xueliang_alerts.ranges import SequenceRanges

LEDGER_NAME: Final = "ledger.json"


@dataclass(slots=True)
class Ledger:
    """Attributes:
    settled: sequences the centre has answered for.
    accepted_through: the highest sequence known to be accepted when this was written.
    active_segment: serial of the file that was being written; 0 for none.
    active_first_sequence: the first sequence that file could hold.
    kept_s: seconds, by the monotonic clock, that each fully settled segment was kept so far, by serial.
    """

    settled: SequenceRanges = field(default_factory=SequenceRanges)
    accepted_through: int = 0
    active_segment: int = 0
    active_first_sequence: int = 1
    kept_s: dict[int, float] = field(default_factory=dict)


def with_checksum(body: bytes) -> bytes:
    return b"%08x\n%s" % (zlib.crc32(body), body)


def without_checksum(data: bytes) -> bytes | None:
    """The body, or None when a bit of it, or of its checksum, has changed."""
    check, _, body = data.partition(b"\n")
    return body if check == b"%08x" % zlib.crc32(body) else None


def save_ledger(disk: Disk, directory: Path, spool_id: uuid.UUID, ledger: Ledger) -> None:
    """Atomically. Raises OSError."""
    body = json.dumps(
        {
            "spool_id": str(spool_id),
            "settled": list(ledger.settled),
            "accepted_through": ledger.accepted_through,
            "active_segment": ledger.active_segment,
            "active_first_sequence": ledger.active_first_sequence,
            "kept_s": {str(serial): kept for serial, kept in ledger.kept_s.items()},
        }
    ).encode()
    disk.write_whole(directory / LEDGER_NAME, with_checksum(body))


def load_ledger(disk: Disk, directory: Path, spool_id: uuid.UUID) -> Ledger | None:
    """None when it is missing, damaged or of another spool."""
    try:
        body = without_checksum(disk.read(directory / LEDGER_NAME))
        if body is None:
            return None
        value = json.loads(body)
        if value["spool_id"] != str(spool_id):
            return None
        return Ledger(
            settled=SequenceRanges((first, last) for first, last in value["settled"]),
            accepted_through=value["accepted_through"],
            active_segment=value["active_segment"],
            active_first_sequence=value["active_first_sequence"],
            kept_s={int(serial): float(kept) for serial, kept in value["kept_s"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
