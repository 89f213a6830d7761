"""A node asked over the broker to send a stream: one command out, one short answer back; the stream comes by HTTP."""

from __future__ import annotations

import asyncio
import logging
import uuid
from datetime import datetime, timedelta
from typing import Final

from xueliang_alerts.clocks import Wall
from xueliang_alerts.commands import LiveCommand, LiveResult, ResultPage, read_result
from xueliang_alerts.contract import NotUnderstood, to_bytes
from xueliang_alerts.errors import TransportError
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_central.errors import LiveRefused, NodeAway, NodeSilent
from xueliang_central.fleet.answers import NodeAnswers

log = logging.getLogger(__name__)

ANSWER_S: Final = 10.0
USEFUL_S: Final = 60.0  # a node's clock may be wrong by so much


async def ask(
    answers: NodeAnswers, wall: Wall, node_id: str, camera_id: str, view_id: str, *, until_at: datetime, mark: str
) -> None:
    """Returns when the node has begun.

    Raises:
        LiveRefused: the node's words why not.
        NodeAway: there is no way to it now.
        NodeSilent: no answer in time.
    """
    transport = answers.connected()
    request_id = str(uuid.uuid4())
    command = LiveCommand(
        command="live",
        request_id=request_id,
        expires_at=wall() + timedelta(seconds=USEFUL_S),
        camera_id=camera_id,
        view_id=uuid.UUID(view_id),
        until_at=until_at,
        mark=mark,
    )
    answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def take(payload: bytes) -> None:
        try:
            result = read_result(payload)
        except NotUnderstood as error:
            log.warning("a node's answer was not understood", extra={"why": str(error)[:300]})
            return
        if result.request_id != request_id or answered.done():
            return
        if isinstance(result, LiveResult) and result.error is None:
            answered.set_result(None)
        elif isinstance(result, LiveResult):
            answered.set_exception(LiveRefused(result.error or ""))
        elif isinstance(result, ResultPage):
            told = "the software of this node is older than live view: bring it up to date"
            answered.set_exception(LiveRefused(told))

    try:
        with answers.listening(transport, node_id, take):
            transport.publish(node_topic(node_id, Leaf.COMMANDS), to_bytes(command))
            await asyncio.wait_for(answered, ANSWER_S)
    except TimeoutError:
        raise NodeSilent(f"node {node_id} does not answer: nothing came for {ANSWER_S:.0f} s") from None
    except TransportError as error:
        raise NodeAway("the centre lost its connection to the broker") from error
