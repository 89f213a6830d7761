"""One way in for what nodes answer: whoever asked a node listens to its results topic until it has the answer.

Invariants
    - Belongs to one event loop. The broker is asked for a node's results once, however many wait for something of it.
    - Every listener of a node gets every message of it, and knows its own by the request id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming, Transport
from xueliang_central.errors import NodeAway

Listener: TypeAlias = Callable[[bytes], None]


class NodeAnswers:
    """Without a transport every question is answered NodeAway."""

    def __init__(self) -> None:
        self._transport: Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: dict[str, list[Listener]] = {}

    def use(self, transport: Transport | None) -> None:
        """From the event loop. The transport stays the caller's."""
        self._transport, self._loop = transport, asyncio.get_running_loop()

    @property
    def transport(self) -> Transport | None:
        return self._transport

    def connected(self) -> Transport:
        """Raises NodeAway."""
        transport = self._transport
        if transport is None or not transport.state.is_connected:
            raise NodeAway("the centre has no connection to the broker")
        return transport

    @contextmanager
    def listening(self, transport: Transport, node_id: str, listener: Listener) -> Iterator[None]:
        """While the block runs the listener gets what this node answers. Raises TransportError."""
        topic = node_topic(node_id, Leaf.RESULTS)
        listeners = self._listeners.setdefault(topic, [])
        listeners.append(listener)
        try:
            if len(listeners) == 1:
                transport.subscribe(topic, self._take)
            yield
        finally:
            listeners.remove(listener)
            if not listeners:
                del self._listeners[topic]
                transport.unsubscribe(topic)

    def _take(self, incoming: Incoming) -> None:
        """In the transport's thread."""
        incoming.acknowledge()
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._hand_over, incoming.topic, incoming.payload)

    def _hand_over(self, topic: str, payload: bytes) -> None:
        for listener in tuple(self._listeners.get(topic, ())):
            listener(payload)
