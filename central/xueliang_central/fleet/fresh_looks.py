"""A fresh look asked of a node over the broker: one command out, one message back. The full still follows over http.

Invariants
    - A look ends: with the node's answer, with its own words why not, or after `ANSWER_S`; and when whoever asked has
      gone (`ask` is cancelled).
    - A camera is looked at for one person at a time, and no person asks for the same camera more often than every
      `EVERY_S` once `AT_ONCE` are used up. Nothing queues: who waits would hold a connection, and see nothing of it.
    - A node of before there were looks says so in words that it knows, and is told as too old.
    - Nothing is kept between two looks.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import uuid
from collections import Counter, OrderedDict
from datetime import timedelta
from typing import Final

from xueliang_alerts.clocks import Mono, Wall
from xueliang_alerts.commands import LiveResult, LookCommand, LookResult, ResultPage, read_result
from xueliang_alerts.contract import NotUnderstood, to_bytes
from xueliang_alerts.errors import TransportError
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_central.errors import LookRefused, NodeAway, NodeBusy, NodeSilent, Throttled
from xueliang_central.evidence.sniffing import sniff
from xueliang_central.fleet.answers import NodeAnswers

log = logging.getLogger(__name__)

ANSWER_S: Final = 20.0  # 6 s for a picture, 8 s for 33 kB over half of 64 kbit/s, and the way
USEFUL_S: Final = 60.0  # a node's clock may be wrong by so much; one that is offline does not look later
EVERY_S: Final = 3.0
AT_ONCE: Final = 3
UNDER_WAY_AT_MOST: Final = 32
_PEOPLE_AND_CAMERAS: Final = 4096


class FreshLooks:
    """Belongs to one event loop, as `NodeAnswers` does."""

    def __init__(self, answers: NodeAnswers, wall: Wall, mono: Mono, *, answer_s: float = ANSWER_S) -> None:
        self._answers, self._wall, self._mono, self._answer_s = answers, wall, mono, answer_s
        self._under_way: set[str] = set()  # cameras
        self._asked: OrderedDict[tuple[str, str], list[float]] = OrderedDict()  # person and camera: when, the last few
        self.counts: Counter[str] = Counter()

    def must_be_allowed(self, person: str, camera_id: str) -> None:
        """Count one asking. Raises Throttled."""
        now = self._mono()
        times = [at for at in self._asked.pop((person, camera_id), []) if now - at < AT_ONCE * EVERY_S]
        is_allowed = len(times) < AT_ONCE
        self._asked[person, camera_id] = [*times, now] if is_allowed else times
        if len(self._asked) > _PEOPLE_AND_CAMERAS:
            self._asked.popitem(last=False)
        if not is_allowed:
            self.counts["throttled"] += 1
            wait_s = max(1, round(times[0] + AT_ONCE * EVERY_S - now))
            raise Throttled(f"this camera was looked at {AT_ONCE} times just now", retry_after_s=wait_s)

    async def ask(self, node_id: str, camera_id: str, rule_id: str | None) -> LookResult:
        """What the node says of a rule; of none: a still of the whole picture.

        Raises:
            LookRefused: the node's words why it does not look.
            NodeAway: there is no way to it now.
            NodeBusy: somebody is looking at this camera, or too many are looked at.
            NodeSilent: no answer in time.
        """
        transport = self._answers.connected()
        if camera_id in self._under_way:
            self.counts["busy"] += 1
            raise NodeBusy(f"camera {camera_id} is being looked at: try again in a moment")
        if len(self._under_way) >= UNDER_WAY_AT_MOST:
            self.counts["busy"] += 1
            raise NodeBusy(f"{UNDER_WAY_AT_MOST} cameras are being looked at already: try again in a moment")
        request_id = str(uuid.uuid4())
        command = LookCommand(
            command="look",
            request_id=request_id,
            expires_at=self._wall() + timedelta(seconds=USEFUL_S),
            camera_id=camera_id,
            rule_id=rule_id,
        )
        answered: asyncio.Future[LookResult] = asyncio.get_running_loop().create_future()
        self._under_way.add(camera_id)
        self.counts["asked"] += 1
        try:
            with self._answers.listening(transport, node_id, lambda payload: self._take(payload, request_id, answered)):
                transport.publish(node_topic(node_id, Leaf.COMMANDS), to_bytes(command))
                return await asyncio.wait_for(answered, self._answer_s)
        except TimeoutError:
            self.counts["silent"] += 1
            told = f"node {node_id} does not answer: nothing came for {self._answer_s:.0f} s"
            raise NodeSilent(told) from None
        except TransportError as error:
            raise NodeAway("the centre lost its connection to the broker") from error
        finally:
            self._under_way.discard(camera_id)

    def _take(self, payload: bytes, request_id: str, answered: asyncio.Future[LookResult]) -> None:
        """What a node said, which may be to somebody else."""
        try:
            result = read_result(payload)
        except NotUnderstood as error:
            self.counts["not_understood"] += 1
            log.warning("a node's answer was not understood", extra={"why": str(error)[:300]})
            return
        if result.request_id != request_id or answered.done() or isinstance(result, LiveResult):
            return
        why = _why_not(result)
        if why is not None:
            self.counts["refused"] += 1
            answered.set_exception(LookRefused(why))
        elif isinstance(result, LookResult):
            self.counts["answered"] += 1
            answered.set_result(result)


def _why_not(result: LookResult | ResultPage) -> str | None:
    if isinstance(result, ResultPage):
        return "the software of this node is older than fresh looks: bring it up to date"
    return result.error


def preview_in(result: LookResult) -> str | None:
    """The small picture as it came, base64, when it is a JPEG; None: there is none, or it is not shown."""
    if result.preview is None:
        return None
    try:
        header = sniff(base64.b64decode(result.preview, validate=True))
    except binascii.Error:
        return None
    return result.preview if header is not None and header.media_type == "image/jpeg" and not header.problem else None
