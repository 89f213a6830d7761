"""1,875 simulated nodes over a few connections: they send, repeat and count receipts by the rules of `Forwarder`.

Per node: at most 32 records under way without a receipt, the rest waits in its spool (here: in memory), of which the
newest go first, as of all that a node has accepted since its connection came up; a record without receipt goes again
when `Repeating` says so. Accepted means that a receipt came.
"""

from __future__ import annotations

import heapq
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from tests.bench.ingest_bench.city import NODES, node_id_of
from tests.bench.ingest_bench.episodes import spool_of
from xueliang_alerts.forwarder import ForwarderSettings
from xueliang_alerts.mqtt_link import MqttLink
from xueliang_alerts.repeating import Repeating, Sent
from xueliang_alerts.topics import PREFIX, Leaf, node_topic
from xueliang_alerts.transport import Incoming

RULES: Final = ForwarderSettings()
LOOK_S: Final = 0.5  # how often a node looks for what is late, as `Forwarder` does
RECEIPTS: Final = f"{PREFIX}/+/nodes/+/{Leaf.RECEIPTS.value}"


@dataclass(slots=True)
class Record:
    """A record without receipt. `label` says which phase it belongs to."""

    payload: bytes
    accepted_mono_s: float
    label: str


@dataclass(slots=True)
class Node:
    """One node: its spool and what of it is under way."""

    number: int
    topic: str
    status_topic: str
    spool_id: str
    last_sequence: int = 0
    is_looked_at: bool = False
    pending: dict[int, Record] = field(default_factory=dict)
    waiting: list[int] = field(default_factory=list)  # accepted and not sent yet
    under_way: dict[int, Sent] = field(default_factory=dict)
    repeating: Repeating = field(
        default_factory=lambda: Repeating(
            RULES.first_resend_s,
            RULES.longest_resend_s,
            questions=RULES.questions,
            window=RULES.window + RULES.fresh_window,
        )
    )


class Fleet:
    """Owns nothing: whoever made the links closes them. `accept` and `tend` from one thread."""

    def __init__(self, links: list[MqttLink], *, window: int = RULES.fresh_window) -> None:
        self._links = links
        self._window = window
        self._lock = threading.Lock()
        self.nodes = [
            Node(
                number,
                node_topic(node_id_of(number), Leaf.ALERTS),
                node_topic(node_id_of(number), Leaf.STATUS),
                str(spool_of(number)),
            )
            for number in range(NODES)
        ]
        self._by_id = {node_id_of(node.number): node for node in self.nodes}
        self._due: list[tuple[float, int]] = []  # (when to look whether something is late, node)
        self.latencies_s: dict[str, list[float]] = {}
        self.counts: Counter[str] = Counter()
        self.settled: Counter[str] = Counter()  # by label
        self.last_settled_mono_s = 0.0
        links[0].subscribe(RECEIPTS, self._take)

    def accept(self, number: int, label: str, make: Callable[[int], bytes]) -> None:
        """A node accepts one record, `make` of its sequence, and sends it if its window allows."""
        now = time.monotonic()
        node = self.nodes[number]
        with self._lock:
            node.last_sequence += 1
            sequence = node.last_sequence
            node.pending[sequence] = Record(make(sequence), now, label)
            node.waiting.append(sequence)
        self.counts["accepted"] += 1
        self._send(node, now)

    def status(self, number: int, payload: bytes) -> None:
        node = self.nodes[number]
        self._link_of(node).publish(node.status_topic, payload, retain=True)
        self.counts["statuses"] += 1

    def tend(self) -> None:
        """Repeat what is late, and send what waited for a window."""
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            _, number = heapq.heappop(self._due)
            self._repeat_late(self.nodes[number], now)
        for node in self.nodes:
            if node.waiting:
                self._send(node, now)

    def _repeat_late(self, node: Node, now: float) -> None:
        with self._lock:
            payloads = [node.pending[sequence].payload for sequence in node.repeating.due(node.under_way, now)]
            if node.under_way:
                heapq.heappush(self._due, (now + LOOK_S, node.number))
            else:
                node.is_looked_at = False
        for payload in payloads:
            self._link_of(node).publish(node.topic, payload)
            self.counts["repeated"] += 1

    def pending(self) -> int:
        return sum(len(node.pending) for node in self.nodes)

    def _link_of(self, node: Node) -> MqttLink:
        return self._links[node.number % len(self._links)]

    def _send(self, node: Node, now: float) -> None:
        while True:
            with self._lock:
                if not node.waiting or len(node.under_way) >= self._window:
                    return
                sequence = node.waiting.pop()
                record = node.pending[sequence]
                node.under_way[sequence] = Sent(now)
                if not node.is_looked_at:
                    node.is_looked_at = True
                    heapq.heappush(self._due, (now + LOOK_S, node.number))
            self._link_of(node).publish(node.topic, record.payload)
            self.counts["sent"] += 1

    def _take(self, incoming: Incoming) -> None:
        """In the thread of the first link."""
        now = time.monotonic()
        receipt = json.loads(incoming.payload)
        incoming.acknowledge()
        node = self._by_id[receipt["node_id"]]
        self.counts["receipts"] += 1
        with self._lock:
            for spool in receipt["spools"]:
                if spool["spool_id"] != node.spool_id:
                    continue
                ranges = [(1, spool["contiguous_through"]), *spool.get("committed", [])]
                done = [one for one in node.pending if any(first <= one <= last for first, last in ranges)]
                self.counts["rejected"] += len(spool.get("rejected", []))
                sent = [node.under_way.pop(sequence) for sequence in done if sequence in node.under_way]
                node.repeating.answered(sent, node.under_way.values(), now)
                for sequence in done:
                    self._settle(node.pending.pop(sequence), now)

    def _settle(self, record: Record, now: float) -> None:
        self.latencies_s.setdefault(record.label, []).append(now - record.accepted_mono_s)
        self.settled[record.label] += 1
        self.last_settled_mono_s = now
