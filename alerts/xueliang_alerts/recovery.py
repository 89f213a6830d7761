"""Opening a spool folder: what is there, what is missing, and where the count goes on.

The count must never go back: a sequence that may have been accepted is never given to another record, because the
centre would take the second for a cloned node. So where files were damaged, shortened or removed, the count jumps ahead
of anything that may have been in them, and the hole is declared. Where nothing is left that says how far it had come, a
new spool is made.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xueliang_alerts.contract import Gap, NotUnderstood, read_message
from xueliang_alerts.disk import Disk
from xueliang_alerts.errors import SpoolForeign
from xueliang_alerts.ledger import Ledger, load_ledger, with_checksum, without_checksum
from xueliang_alerts.ranges import SequenceRanges
from xueliang_alerts.records import SMALLEST_MESSAGE_BYTES, RecordKind, Scan
from xueliang_alerts.segments import Entry, Owner, Segment, list_segments, load_segment, read_entry

log = logging.getLogger(__name__)

HEADER_NAME: Final = "spool.json"
MAX_RECORDS_PER_SEGMENT: Final = 4096  # bounds how far the count jumps when the file being written vanished


@dataclass(slots=True)
class Recovered:
    """What opening found.

    Attributes:
        entries: readable records by sequence, in order.
        declared: sequences that a gap record of this spool gives up.
        holes: sequences up to `last_sequence` that are neither held, settled nor declared.
        torn, damaged: unfinished writes dropped; records or stretches that are wrong.
    """

    owner: Owner
    segments: list[Segment]
    entries: dict[int, Entry]
    ledger: Ledger
    declared: SequenceRanges
    last_sequence: int
    holes: list[tuple[int, int]] = field(default_factory=list)
    torn: int = 0
    damaged: int = 0


def recover(disk: Disk, directory: Path, node_id: str, *, new_id: Callable[[], uuid.UUID] = uuid.uuid4) -> Recovered:
    """Read the folder, drop torn tails, make the header. Raises SpoolForeign, OSError."""
    found = _Reading(disk)
    owners = [found.take(segment) for segment in list_segments(directory)]
    header = _read_header(disk, directory)
    owner = header or next((owner for owner in reversed(owners) if owner is not None), None)
    if owner is not None and owner.node_id != node_id:
        raise SpoolForeign(
            f"{directory}: this spool belongs to node {owner.node_id!r}, not to {node_id!r}\n"
            "hint: give this node a data folder of its own, or correct node_id"
        )
    ledger = load_ledger(disk, directory, owner.spool_id) if owner is not None else None
    if owner is None or (ledger is None and not owners):
        owner, header = Owner(new_id(), node_id), None
    if header is None:
        disk.write_whole(directory / HEADER_NAME, with_checksum(owner.to_bytes()))
    found.judge_stretches(ledger.accepted_through if ledger else 0)
    settled = ledger.settled if ledger else _presumed_settled(found.entries)
    declared = _declared(disk, found.entries)
    for sequence in [sequence for sequence in found.entries if sequence in declared]:
        found.entries.pop(sequence).segment.sequences.discard(sequence)
    last = max(found.last_sequence, settled.highest, declared.highest)
    if ledger is not None:
        last = max(last, ledger.accepted_through, _reach_of_vanished_segment(ledger, found.segments))
    result = Recovered(
        owner=owner,
        segments=found.segments,
        entries=dict(sorted(found.entries.items())),
        ledger=ledger or Ledger(settled=settled),
        declared=declared,
        last_sequence=last,
        torn=found.torn,
        damaged=found.damaged,
    )
    known = SequenceRanges([*settled, *declared, *((sequence, sequence) for sequence in result.entries)])
    result.holes = known.missing_within(1, last)
    return result


class _Reading:
    """Segments in the order of their serials, summed up."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.segments: list[Segment] = []
        self.entries: dict[int, Entry] = {}
        self.last_sequence = 0
        self.torn = 0
        self.damaged = 0
        self._open_stretches = 0  # damaged bytes with no record after them: how many records they held is unknown

    def take(self, segment: Segment) -> Owner | None:
        self.segments.append(segment)
        try:
            found, owner = load_segment(self._disk, segment)
        except OSError as error:
            log.error("spool file cannot be read", extra={"file": segment.path.name, "error": str(error)})
            self.damaged += 1
            return None
        self._take_records(segment, found)
        if owner is None and found.records:
            self.damaged += 1
        self.damaged += len(found.damaged_stretches)
        self._note_stretches(found)
        if found.torn_at is not None:
            self.torn += 1
            try:
                self._disk.truncate(segment.path, found.torn_at)
            except OSError as error:
                log.warning("spool file not cut", extra={"file": segment.path.name, "error": str(error)})
            segment.size_bytes = segment.durable_bytes = found.torn_at
        return owner

    def _take_records(self, segment: Segment, found: Scan) -> None:
        for record in found.records:
            if record.head.kind is RecordKind.SEGMENT:
                continue
            sequence = record.head.sequence
            self.last_sequence = max(self.last_sequence, sequence)
            if not record.is_intact:
                self.damaged += 1
                continue
            before = self.entries.pop(sequence, None)
            if before is not None:
                before.segment.sequences.discard(sequence)
            self.entries[sequence] = Entry(record.head, segment, record.offset, is_given_out=True)
            segment.sequences.add(sequence)

    def _note_stretches(self, found: Scan) -> None:
        messages = [record for record in found.records if record.head.kind is not RecordKind.SEGMENT]
        last_offset = messages[-1].offset if messages else -1
        if messages:
            self._open_stretches = 0
        self._open_stretches += sum(length for offset, length in found.damaged_stretches if offset > last_offset)

    def judge_stretches(self, accepted_through: int) -> None:
        """Bytes at the end that are no record: jump past as many records as they can have held."""
        if self._open_stretches:
            possible = max(1, self._open_stretches // SMALLEST_MESSAGE_BYTES)
            self.last_sequence = max(self.last_sequence, accepted_through, self.last_sequence + possible)


def spool_id_in(directory: Path) -> uuid.UUID | None:
    """Whose spool lies there, without opening it; None: it does not say. Raises OSError when it cannot be read."""
    try:
        body = without_checksum((directory / HEADER_NAME).read_bytes())
    except FileNotFoundError:
        return None
    owner = Owner.from_bytes(body) if body is not None else None
    return None if owner is None else owner.spool_id


def _read_header(disk: Disk, directory: Path) -> Owner | None:
    try:
        body = without_checksum(disk.read(directory / HEADER_NAME))
    except OSError:
        return None
    return Owner.from_bytes(body) if body is not None else None


def _presumed_settled(entries: dict[int, Entry]) -> SequenceRanges:
    """Without a ledger: segments are removed only when settled, so what lies below the lowest record is presumed so."""
    lowest = min(entries, default=1)
    return SequenceRanges([(1, lowest - 1)] if lowest > 1 else [])


def _declared(disk: Disk, entries: dict[int, Entry]) -> SequenceRanges:
    declared = SequenceRanges()
    for entry in entries.values():
        if entry.head.kind is not RecordKind.GAP:
            continue
        payload = read_entry(disk, entry)
        try:
            body = read_message(payload).body if payload is not None else None
        except NotUnderstood:
            body = None
        if isinstance(body, Gap):
            declared.add(body.first_sequence, body.last_sequence)
    return declared


def _reach_of_vanished_segment(ledger: Ledger, segments: list[Segment]) -> int:
    if ledger.active_segment == 0 or any(segment.serial >= ledger.active_segment for segment in segments):
        return 0
    log.error("spool segment is missing", extra={"serial": ledger.active_segment})
    return ledger.active_first_sequence + MAX_RECORDS_PER_SEGMENT - 1
