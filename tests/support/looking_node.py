"""A node that only looks when it is asked: it answers as it is told, by the public way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.support.trying_node import CONNECT_S, connected
from xueliang_alerts.commands import LookCommand, LookResult, read_command
from xueliang_alerts.contract import to_bytes
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming
from xueliang_demo.installation import NODE_ID, Installation
from xueliang_demo.processes import wait_until


@contextmanager
def looking_node(installation: Installation, answer: Callable[[LookCommand], LookResult | None]) -> Iterator[list[str]]:
    """`answer` None: it says nothing. Gives the cameras that it was asked for."""
    asked: list[str] = []
    with connected(installation, "looks") as link:

        def take(incoming: Incoming) -> None:
            incoming.acknowledge()
            command = read_command(incoming.payload)
            assert isinstance(command, LookCommand)
            asked.append(command.camera_id)
            result = answer(command)
            if result is not None:
                link.publish(node_topic(NODE_ID, Leaf.RESULTS), to_bytes(result))

        link.subscribe(node_topic(NODE_ID, Leaf.COMMANDS), take)
        link.connect()
        wait_until(lambda: link.state.is_connected, "the node's connection", CONNECT_S)
        yield asked
