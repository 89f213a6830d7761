"""Two pure decisions of the spool: what a receipt answers, and what goes when there is no room."""

from __future__ import annotations

import uuid
from collections.abc import Iterable

from xueliang_alerts.contract import Receipt
from xueliang_alerts.ranges import SequenceRanges
from xueliang_alerts.records import RecordKind
from xueliang_alerts.segments import Entry


def answered_by(receipt: Receipt, spool_id: uuid.UUID) -> SequenceRanges:
    """Sequences of this spool that the centre has committed or put into quarantine."""
    answered = SequenceRanges()
    for spool in receipt.spools:
        if spool.spool_id != spool_id:
            continue
        if spool.contiguous_through:
            answered.add(1, spool.contiguous_through)
        for first, last in spool.committed:
            answered.add(first, last)
        for item in spool.rejected:
            answered.add(item.sequence)
    return answered


def least_worth_keeping(pending: Iterable[Entry], excess_bytes: int) -> SequenceRanges:
    """Alerts to give up until the excess is gone: the least severe first, the oldest first. Gap records never."""
    alerts = [entry for entry in pending if entry.head.kind is RecordKind.ALERT]
    chosen = SequenceRanges()
    for entry in sorted(alerts, key=lambda entry: (-entry.head.severity, entry.sequence)):
        if excess_bytes <= 0:
            break
        chosen.add(entry.sequence)
        excess_bytes -= entry.frame_bytes
    return chosen
