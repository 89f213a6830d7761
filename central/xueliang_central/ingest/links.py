"""The connections of the shard groups that this process serves: what comes over them waits in one place.

One connection for each shard. A broker bounds what it sends to a client before the client has answered for it, and the
centre reads a whole backlog before it has: NATS allows a session 65,535 messages for all its subscriptions together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from xueliang_alerts.errors import NotConnected
from xueliang_alerts.mqtt_link import MqttLink
from xueliang_alerts.topics import Leaf, parse_topic, shard_filter, station_filter
from xueliang_alerts.transport import PublishHandle, Qos, Transport
from xueliang_central.ingest.sharing import Group
from xueliang_central.ingest.waiting import Waiting

ASKED_FOR: Final = (Leaf.ALERTS, Leaf.STATUS, Leaf.CONFIG_REPORTED)

MakeLink = Callable[[str, Waiting], MqttLink]  # of a shard


def ask_for(link: Transport, shards: Iterable[str]) -> None:
    """The alerts, statuses and reports of rules of these shards, and the signals of their stations."""
    for shard in shards:
        for leaf in ASKED_FOR:
            link.subscribe(shard_filter(shard, leaf))
        link.subscribe(station_filter(shard))


class ShardLinks:
    """Owns its links. `open` and `close` from the event loop, `publish` from any thread."""

    def __init__(self, make: MakeLink, waiting: Waiting) -> None:
        self._make = make
        self._waiting = waiting
        self._links: dict[str, MqttLink] = {}  # by shard; never changed in place: other threads read it
        self.groups: tuple[Group, ...] = ()
        waiting.on_room(self._ask_again)

    def open(self, group: Group) -> None:
        """Connect, and ask for what its shards say (`ask_for`), now and after every reconnect."""
        links = {shard: self._make(shard, self._waiting) for shard in group.shards}
        self._links = {**self._links, **links}
        self.groups = (*self.groups, group)
        for shard, link in links.items():
            ask_for(link, [shard])
            link.connect()

    async def close(self, groups: Iterable[Group]) -> None:
        """What came over these and is not acknowledged comes again, to whoever serves them next."""
        for group in list(groups):
            closing = [self._links[shard] for shard in group.shards]
            self._links = {shard: link for shard, link in self._links.items() if shard not in group.shards}
            self.groups = tuple(one for one in self.groups if one is not group)
            await asyncio.gather(*(asyncio.to_thread(link.close) for link in closing))
            self._waiting.forget(group.shards)

    def is_connected_for(self, shard: str) -> bool:
        """This process serves the shard, and has its connection."""
        link = self._links.get(shard)
        return link is not None and link.state.is_connected

    def publish(self, topic: str, payload: bytes, *, qos: Qos = 1, retain: bool = False) -> PublishHandle:
        """By the connection of its shard, else by any. Raises NotConnected, TransportClosed."""
        parsed, links = parse_topic(topic), self._links
        own = links.get(parsed.shard) if parsed is not None else None
        link = own or next(iter(links.values()), None)
        if link is None:
            raise NotConnected("no shards are served here any more")
        return link.publish(topic, payload, qos=qos, retain=retain)

    def _ask_again(self) -> None:
        for link in self._links.values():
            link.ask_again()
