"""Back-tests asked of nodes over the broker: one command out, its answer in pages in.

Invariants
    - A question ends: with the whole answer, with the node's own words why not, or when no page came for so long.
    - Pages are kept by number: what the broker repeats counts once, and half an answer is none.
    - Nothing is kept between two questions: a new connection to the broker each time the centre starts, and no queue
      there. A centre that was stopped has stopped waiting.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from xueliang_alerts.commands import BacktestCommand, ResultPage, read_result
from xueliang_alerts.contract import MAX_MESSAGE_BYTES, NotUnderstood, to_bytes
from xueliang_alerts.errors import TransportError
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming, Transport
from xueliang_central.errors import BacktestRefused, NodeAway, NodeSilent, Throttled

log = logging.getLogger(__name__)

FIRST_PAGE_S: Final = 150.0  # a node gives up after 120, and tells it
NEXT_PAGE_S: Final = 30.0  # 64 KiB over 64 kbit/s need 8
UNDER_WAY_AT_MOST: Final = 16
_AGAIN_S: Final = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows as `xueliang-edge backtest --json` writes them. left_out: how many the node did not send."""

    rows: tuple[dict[str, Any], ...]
    left_out: int


class Backtests:
    """Belongs to one event loop. Without a transport every question is answered NodeAway."""

    def __init__(
        self,
        wall: Callable[[], datetime],
        *,
        first_page_s: float = FIRST_PAGE_S,
        next_page_s: float = NEXT_PAGE_S,
    ) -> None:
        self._wall, self._first_page_s, self._next_page_s = wall, first_page_s, next_page_s
        self._transport: Transport | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, tuple[str, asyncio.Queue[ResultPage]]] = {}  # request to node and its pages
        self.counts: Counter[str] = Counter()

    def use(self, transport: Transport | None) -> None:
        """From the event loop. The transport stays the caller's."""
        self._transport, self._loop = transport, asyncio.get_running_loop()

    async def ask(
        self, node_id: str, camera_id: str, rule: dict[str, Any], from_at: datetime | None, to_at: datetime | None
    ) -> Answer:
        """The whole answer.

        Raises:
            BacktestRefused: the node's words, or why it was not sent. NodeAway: there is no way to it now.
            NodeSilent: no page came for so long. Throttled: too many are asked at once.
        """
        transport = self._transport
        if transport is None or not transport.state.is_connected:
            raise NodeAway("the centre has no connection to the broker")
        if len(self._waiting) >= UNDER_WAY_AT_MOST:
            raise Throttled("too many back-tests are under way", retry_after_s=_AGAIN_S)
        request_id = str(uuid.uuid4())
        command = self._command(request_id, camera_id, rule, from_at, to_at)
        pages: asyncio.Queue[ResultPage] = asyncio.Queue()
        results = node_topic(node_id, Leaf.RESULTS)
        self._waiting[request_id] = node_id, pages
        try:
            transport.subscribe(results, self._take)
            transport.publish(node_topic(node_id, Leaf.COMMANDS), command)
            return await self._collected(node_id, pages)
        except TransportError as error:
            raise NodeAway("the centre lost its connection to the broker") from error
        finally:
            del self._waiting[request_id]
            if node_id not in {node for node, _ in self._waiting.values()}:
                transport.unsubscribe(results)

    def _command(
        self, request_id: str, camera_id: str, rule: dict[str, Any], from_at: datetime | None, to_at: datetime | None
    ) -> bytes:
        try:
            command = BacktestCommand(
                command="backtest",
                request_id=request_id,
                expires_at=self._wall() + timedelta(seconds=self._first_page_s),
                camera_id=camera_id,
                rule=rule,
                from_at=from_at,
                to_at=to_at,
            )
        except ValidationError as error:
            raise BacktestRefused(error.errors(include_url=False)[0]["msg"]) from error
        payload = to_bytes(command)
        if len(payload) > MAX_MESSAGE_BYTES:
            raise BacktestRefused(f"expected at most {MAX_MESSAGE_BYTES} bytes of a rule, got {len(payload)}")
        return payload

    async def _collected(self, node_id: str, pages: asyncio.Queue[ResultPage]) -> Answer:
        self.counts["asked"] += 1
        found: dict[int, ResultPage] = {}
        while True:
            patience_s = self._next_page_s if found else self._first_page_s
            try:
                page = await asyncio.wait_for(pages.get(), patience_s)
            except TimeoutError:
                self.counts["silent"] += 1
                came = f"{len(found)} pages came, then nothing" if found else "nothing came"
                raise NodeSilent(f"node {node_id} does not answer: {came} for {patience_s:.0f} s") from None
            if page.error is not None:
                self.counts["refused"] += 1
                raise BacktestRefused(page.error)
            found[page.page] = page
            if len(found) == page.pages:
                self.counts["answered"] += 1
                in_order = [found[number] for number in sorted(found)]
                return Answer(tuple(row for one in in_order for row in one.rows), in_order[-1].left_out)

    def _take(self, incoming: Incoming) -> None:
        """In the transport's thread."""
        incoming.acknowledge()
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._hand_over, incoming.topic, incoming.payload)

    def _hand_over(self, topic: str, payload: bytes) -> None:
        """A node answers its own questions only; what nobody waits for is counted."""
        try:
            page = read_result(payload)
        except NotUnderstood as error:
            self.counts["not_understood"] += 1
            log.warning("a node's answer was not understood", extra={"topic": topic, "why": str(error)[:300]})
            return
        node_id, pages = self._waiting.get(page.request_id, ("", None))
        if pages is None or topic != node_topic(node_id, Leaf.RESULTS):
            self.counts["not_asked_for"] += 1
            return
        pages.put_nowait(page)


class BacktestLink:
    """The connection behind `Backtests`, as a part of a running centre that has the API."""

    def __init__(self, backtests: Backtests, settings: MqttSettings, mono: Callable[[], float]) -> None:
        """`settings`: whose client id is another's; this one's is new at each start, and the broker keeps nothing."""
        name = f"xueliang-centre-asks-{uuid.uuid4().hex[:12]}"
        self._backtests, self._mono = backtests, mono
        self._settings = replace(settings, client_id=name, clean_session=True)
        self._link: MqttLink | None = None

    async def start(self) -> None:
        self._link = MqttLink(self._settings, mono=self._mono)
        self._backtests.use(self._link)
        self._link.connect()

    async def stop(self) -> None:
        self._backtests.use(None)
        if self._link is not None:
            await asyncio.to_thread(self._link.close)
