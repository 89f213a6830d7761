"""Stands in for the centre: takes a node's alerts from the broker, notes when they came, and answers with receipts.

Broker and receiver run beside the system under test and are not counted with it.
"""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from tests.bench.edge_bench.systems import RaisedAlert
from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_alerts.contract import Alert, Phase, Receipt, SpoolReceipt, read_message, to_bytes
from xueliang_alerts.embedded_broker import EmbeddedBroker, NodeUser
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming

_CENTRE_PASSWORD: Final = "bench centre"


class Receiver:
    """The embedded broker with one node as its user, and the receiving end: `with Receiver(folder, node_id) as …`."""

    def __init__(self, folder: Path, node_id: str) -> None:
        self._node_id, self._password = node_id, f"secret of {node_id}"
        user = NodeUser(node_id, self._password)
        self._broker = EmbeddedBroker(folder / "broker", nodes=[user], centre_password=_CENTRE_PASSWORD, port=0)
        self._guard = threading.Lock()
        self._seen: dict[uuid.UUID, set[int]] = {}
        self._raised: list[RaisedAlert] = []
        self._link = MqttLink(
            MqttSettings("127.0.0.1", "bench-centre", self._broker.port, "centre", _CENTRE_PASSWORD), mono=system_mono
        )

    def __enter__(self) -> Self:
        self._broker.start()
        self._link.subscribe(node_topic(self._node_id, Leaf.ALERTS), self._take)
        self._link.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._link.close()
        self._broker.stop()

    @property
    def broker_settings(self) -> dict[str, Any]:
        """The `broker` part of node.yaml."""
        return {
            "host": "127.0.0.1",
            "port": self._broker.port,
            "username": self._node_id,
            "password": self._password,
        }

    @property
    def raised(self) -> list[RaisedAlert]:
        """First revisions, in the order in which they came."""
        with self._guard:
            return list(self._raised)

    def _take(self, incoming: Incoming) -> None:
        arrived_mono_s = system_mono()
        message = read_message(incoming.payload)
        with self._guard:
            seen = self._seen.setdefault(message.spool_id, set())
            body = message.body
            if isinstance(body, Alert) and body.phase is Phase.RAISED and message.sequence not in seen:
                self._raised.append(RaisedAlert(body.camera_id, body.hazard.value, arrived_mono_s))
            seen.add(message.sequence)
            spool = SpoolReceipt(
                spool_id=message.spool_id,
                contiguous_through=_through(seen),
                committed=tuple((one, one) for one in sorted(seen) if one > _through(seen)),
            )
        receipt = Receipt(node_id=self._node_id, issued_at=system_wall(), spools=(spool,))
        self._link.publish(node_topic(self._node_id, Leaf.RECEIPTS), to_bytes(receipt), retain=True)
        incoming.acknowledge()


def _through(seen: set[int]) -> int:
    """Everything from 1 to here was seen."""
    through = 0
    while through + 1 in seen:
        through += 1
    return through
