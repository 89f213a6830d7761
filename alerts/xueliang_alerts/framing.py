"""From what a rule decided to a record: the message with its place in the spool, as bytes, framed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from xueliang_alerts.clocks import Wall
from xueliang_alerts.contract import MAX_MESSAGE_BYTES, Alert, Gap, Message, to_bytes
from xueliang_alerts.errors import RecordTooLarge
from xueliang_alerts.records import RecordHead, RecordKind, encode_record
from xueliang_alerts.segments import Owner

MakeFrame = Callable[[int], tuple[RecordHead, bytes]]


def microseconds(at: datetime) -> int:
    """Since 1970; 0 for anything before."""
    return max(0, (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1))


class Framing:
    """Knows whose records they are; makes one as soon as its sequence is known."""

    def __init__(self, owner: Owner, boot_id: uuid.UUID, wall: Wall) -> None:
        self._owner, self._boot_id, self._wall = owner, boot_id, wall

    def of(self, body: Alert | Gap, made: list[Message] | None = None) -> MakeFrame:
        """A function from sequence to record; it puts the message into `made`, and raises RecordTooLarge."""

        def make(sequence: int) -> tuple[RecordHead, bytes]:
            message = Message(
                node_id=self._owner.node_id,
                spool_id=self._owner.spool_id,
                sequence=sequence,
                boot_id=self._boot_id,
                emitted_at=self._wall(),
                body=body,
            )
            payload = to_bytes(message)
            if len(payload) > MAX_MESSAGE_BYTES:
                raise RecordTooLarge(f"record of {len(payload)} bytes, limit {MAX_MESSAGE_BYTES}")
            if made is not None:
                made.append(message)
            return encode_record(
                RecordKind.ALERT if isinstance(body, Alert) else RecordKind.GAP,
                payload,
                sequence=sequence,
                severity=body.severity if isinstance(body, Alert) else 0,
                emitted_us=microseconds(message.emitted_at),
            )

        return make
