"""A small centre that obeys the contract: commit, then acknowledge, then a receipt. Kept in memory, for tests."""

from __future__ import annotations

import threading
import uuid
from collections import Counter

from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import (
    Gap,
    Message,
    NodeStatus,
    NotUnderstood,
    Receipt,
    SpoolReceipt,
    content_hash,
    read_message,
    read_status,
    to_bytes,
)
from xueliang_alerts.ranges import SequenceRanges
from xueliang_alerts.topics import PREFIX, Leaf, node_topic
from xueliang_alerts.transport import Incoming, Transport


class SmallCentre:
    """Takes alerts and statuses of every node. With `answers` off it commits nothing and sends no receipt."""

    def __init__(self, link: Transport) -> None:
        self._link = link
        self._lock = threading.Lock()
        self.answers = True
        self.committed: dict[tuple[uuid.UUID, int], Message] = {}
        self.order: list[int] = []
        self.hashes: dict[tuple[uuid.UUID, int], str] = {}
        self.clones: list[int] = []
        self.received: Counter[int] = Counter()
        self.statuses: list[NodeStatus] = []
        self._ranges: dict[uuid.UUID, SequenceRanges] = {}
        link.subscribe(f"{PREFIX}/+/nodes/+/{Leaf.ALERTS.value}", self._on_alert)
        link.subscribe(f"{PREFIX}/+/nodes/+/{Leaf.STATUS.value}", self._on_status)

    def _on_alert(self, incoming: Incoming) -> None:
        try:
            message = read_message(incoming.payload)
        except NotUnderstood:
            incoming.acknowledge()
            return
        with self._lock:
            self.received[message.sequence] += 1
            if not self.answers:
                incoming.acknowledge()  # PUBACK, then forgotten: the broker or centre that lies
                return
            self._commit(message, content_hash(incoming.payload))
            receipt = self._receipt(message)
        incoming.acknowledge()
        self._link.publish(node_topic(message.node_id, Leaf.RECEIPTS), to_bytes(receipt), retain=True)

    def _commit(self, message: Message, digest: str) -> None:
        key = (message.spool_id, message.sequence)
        if key in self.committed:
            if self.hashes[key] != digest:
                self.clones.append(message.sequence)
            return
        self.committed[key] = message
        self.hashes[key] = digest
        self.order.append(message.sequence)
        ranges = self._ranges.setdefault(message.spool_id, SequenceRanges())
        ranges.add(message.sequence)
        if isinstance(message.body, Gap):
            ranges.add(message.body.first_sequence, message.body.last_sequence)

    def _receipt(self, message: Message) -> Receipt:
        ranges = self._ranges[message.spool_id]
        spool = SpoolReceipt(
            spool_id=message.spool_id,
            contiguous_through=ranges.contiguous_through,
            committed=tuple(ranges.beyond_contiguous()[-1000:]),
        )
        return Receipt(node_id=message.node_id, issued_at=system_wall(), spools=(spool,))

    def _on_status(self, incoming: Incoming) -> None:
        self.statuses.append(read_status(incoming.payload))
        incoming.acknowledge()

    def sequences(self) -> list[int]:
        with self._lock:
            return sorted(message.sequence for message in self.committed.values())
