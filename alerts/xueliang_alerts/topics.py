"""Topic names and who may use them. `xueliang/v1/{shard}/nodes/{node_id}/{leaf}`, and of sensors and stations
`xueliang/v1/{shard}/stations/{source_id}/signals`: under a shard, so that whoever serves it serves them too."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum
from typing import Final, NamedTuple

from xueliang_alerts.contract import ID_PATTERN
from xueliang_alerts.stations import SOURCE_PATTERN

PREFIX: Final = "xueliang/v1"
SHARDS: Final = tuple(f"{number:02x}" for number in range(16))


class Leaf(StrEnum):
    ALERTS = "alerts"
    STATUS = "status"
    RECEIPTS = "receipts"
    CONFIG_DESIRED = "config/desired"
    CONFIG_REPORTED = "config/reported"
    COMMANDS = "commands"
    RESULTS = "results"


NODE_PUBLISHES: Final = (Leaf.ALERTS, Leaf.STATUS, Leaf.CONFIG_REPORTED, Leaf.RESULTS)
NODE_READS: Final = (Leaf.RECEIPTS, Leaf.CONFIG_DESIRED, Leaf.COMMANDS)


class NodeTopic(NamedTuple):
    shard: str
    node_id: str
    leaf: Leaf


def shard_of(node_id: str) -> str:
    """ "00" to "0f", from the first byte of sha256(node_id): the same on every machine and in every language."""
    return f"{hashlib.sha256(node_id.encode()).digest()[0] & 0x0F:02x}"


def node_topic(node_id: str, leaf: Leaf) -> str:
    if not re.fullmatch(ID_PATTERN, node_id):
        raise ValueError(f"node_id must match {ID_PATTERN}, got {node_id!r}")
    return f"{PREFIX}/{shard_of(node_id)}/nodes/{node_id}/{leaf.value}"


def shard_filter(shard: str, leaf: Leaf) -> str:
    """What the centre subscribes to: one leaf of every node of a shard."""
    if shard not in SHARDS:
        raise ValueError(f"shard must be one of {SHARDS[0]} to {SHARDS[-1]}, got {shard!r}")
    return f"{PREFIX}/{shard}/nodes/+/{leaf.value}"


_LEAVES: Final = frozenset(leaf.value for leaf in Leaf)
_TOPIC: Final = re.compile(rf"{PREFIX}/(0[0-9a-f])/nodes/([a-z0-9][a-z0-9-]{{0,62}})/(.+)")


def parse_topic(topic: str) -> NodeTopic | None:
    """None for anything that is not a node topic, or whose shard is not that node's shard."""
    match = _TOPIC.fullmatch(topic)
    if match is None or match[1] != shard_of(match[2]) or match[3] not in _LEAVES:
        return None
    return NodeTopic(match[1], match[2], Leaf(match[3]))


def station_topic(source_id: str) -> str:
    """Where a source publishes its signals."""
    if not re.fullmatch(SOURCE_PATTERN, source_id):
        raise ValueError(f"source_id must match {SOURCE_PATTERN}, got {source_id!r}")
    return f"{PREFIX}/{shard_of(source_id)}/stations/{source_id}/signals"


def station_filter(shard: str) -> str:
    """What the centre subscribes to: the signals of every source of a shard."""
    if shard not in SHARDS:
        raise ValueError(f"shard must be one of {SHARDS[0]} to {SHARDS[-1]}, got {shard!r}")
    return f"{PREFIX}/{shard}/stations/+/signals"


_STATION: Final = re.compile(rf"{PREFIX}/(0[0-9a-f])/stations/([^/]*)/signals")


def is_of_station(topic: str) -> bool:
    """It came by `station_filter`, whatever stands in it."""
    return _STATION.fullmatch(topic) is not None


def source_of_topic(topic: str) -> str | None:
    """None for anything that is not a station's topic, or whose shard is not that source's shard."""
    match = _STATION.fullmatch(topic)
    if match is None or not re.fullmatch(SOURCE_PATTERN, match[2]) or match[1] != shard_of(match[2]):
        return None
    return match[2]
