"""The connections of the shard groups that this process serves, as one place to get messages from and send to."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterable
from typing import Final

from xueliang_alerts.errors import NotConnected
from xueliang_alerts.mqtt_link import MqttLink
from xueliang_alerts.topics import Leaf, parse_topic, shard_filter, station_filter
from xueliang_alerts.transport import Incoming, PublishHandle, Qos, Transport
from xueliang_central.ingest.sharing import Group

INBOX_LIMIT: Final = 2_000  # messages of 1.2 kB; what does not fit stays with the broker

MakeLink = Callable[[Group, "queue.Queue[Incoming]"], MqttLink]


def ask_for(link: Transport, shards: Iterable[str]) -> None:
    """The alerts, statuses and reports of rules of these shards, and the signals of their stations."""
    for shard in shards:
        for leaf in (Leaf.ALERTS, Leaf.STATUS, Leaf.CONFIG_REPORTED):
            link.subscribe(shard_filter(shard, leaf))
        link.subscribe(station_filter(shard))


class ShardLinks:
    """Owns its links. `open` and `close` from the event loop, `get` and `publish` from any thread."""

    def __init__(self, make: MakeLink) -> None:
        self._make = make
        self._inbox: queue.Queue[Incoming] = queue.Queue(INBOX_LIMIT)
        self._links: dict[Group, MqttLink] = {}

    @property
    def groups(self) -> tuple[Group, ...]:
        return tuple(self._links)

    def open(self, group: Group) -> None:
        """Connect, and ask for what its shards say (`ask_for`), now and after every reconnect."""
        link = self._make(group, self._inbox)
        ask_for(link, group.shards)
        self._links = {**self._links, group: link}
        link.connect()

    async def close(self, groups: Iterable[Group]) -> None:
        """What came over these and is not acknowledged comes again, to whoever serves them next."""
        for group in list(groups):
            link = self._links[group]
            self._links = {one: kept for one, kept in self._links.items() if one is not group}
            await asyncio.to_thread(link.close)

    def is_connected_for(self, shard: str) -> bool:
        """This process serves the shard, and has its connection."""
        return any(shard in group.shards and link.state.is_connected for group, link in self._links.items())

    def get(self, timeout_s: float) -> Incoming | None:
        """The next message of any of them, or None."""
        try:
            return self._inbox.get(timeout=timeout_s) if timeout_s > 0 else self._inbox.get_nowait()
        except queue.Empty:
            # One whose messages had no room makes its connection anew when it finds the inbox empty.
            return next((found for link in self._links.values() if (found := link.get(0.0)) is not None), None)

    def publish(self, topic: str, payload: bytes, *, qos: Qos = 1, retain: bool = False) -> PublishHandle:
        """By the connection of its shard, else by any. Raises NotConnected, TransportClosed."""
        parsed = parse_topic(topic)
        links = self._links
        own = (link for group, link in links.items() if parsed is not None and parsed.shard in group.shards)
        link = next(own, None) or next(iter(links.values()), None)
        if link is None:
            raise NotConnected("no shards are served here any more")
        return link.publish(topic, payload, qos=qos, retain=retain)
