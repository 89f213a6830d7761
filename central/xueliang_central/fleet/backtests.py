"""Back-tests and searches asked of nodes over the broker: one command out, its answer in pages in.

Invariants
    - A question ends: with the whole answer, with the node's own words why not, when no new page came for so long, or
      when all of it took too long; and when whoever asked has gone (`ask` is cancelled). What is repeated is no news.
    - A node is asked one question at a time: one that is silent holds up nobody who asks another.
    - Pages are kept by number, `PAGES_AT_MOST` of them: what is repeated counts once, and half an answer is none.
      How many there are is said by the first that comes; one that says otherwise is of another answer, and refused.
    - Nothing is kept between two questions: a new connection to the broker each time the centre starts, and no queue
      there. A centre that was stopped has stopped waiting.
"""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final

from pydantic import ValidationError

from xueliang_alerts.commands import PAGES_AT_MOST, BacktestCommand, JudgedAlert, ResultPage, read_result
from xueliang_alerts.contract import MAX_MESSAGE_BYTES, NotUnderstood, to_bytes
from xueliang_alerts.errors import TransportError
from xueliang_alerts.mqtt_link import MqttLink, MqttSettings
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Transport
from xueliang_central.errors import BacktestRefused, NodeAway, NodeBusy, NodeSilent, NodeTooOld
from xueliang_central.fleet.answers import NodeAnswers
from xueliang_central.ingest.batches import FIRST_PAUSE_S, LONGEST_PAUSE_S

log = logging.getLogger(__name__)

FIRST_PAGE_S: Final = 150.0  # a node gives up after 120, and tells it
SEARCH_FIRST_PAGE_S: Final = 510.0  # of a search for suggestions: after 480
PAGE_S: Final = 8.0  # 64 KiB over 64 kbit/s
NEXT_PAGE_S: Final = 30.0  # alerts pass between two
WHOLE_ANSWER_S: Final = FIRST_PAGE_S + PAGES_AT_MOST * PAGE_S
UNDER_WAY_AT_MOST: Final = 16
_KNOWS_NO_SEARCH: Final = re.compile(r"command: suggest_from: Extra inputs")  # what a node of before the field says


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows as `xueliang-edge backtest --json` writes them. left_out: how many the node did not send."""

    rows: tuple[dict[str, Any], ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Progress:
    """Of a question under way. pages: how many there will be; None: none has come."""

    asked_at: datetime
    pages_came: int
    pages: int | None


class _Question:
    """What has come of one answer. From the event loop only."""

    def __init__(self, node_id: str, camera_id: str, asked_at: datetime, first_page_s: float) -> None:
        self.node_id, self.request_id = node_id, str(uuid.uuid4())
        self.camera_id, self.asked_at, self.first_page_s = camera_id, asked_at, first_page_s
        self.found: dict[int, ResultPage] = {}
        self.pages = 0  # as the first that came says; 0: none came
        self.error: str | None = None
        self.is_warned = False  # of pages that do not belong together: once an answer
        self.news = asyncio.Event()

    @property
    def is_answered(self) -> bool:
        return self.error is not None or (self.pages > 0 and len(self.found) == self.pages)

    @property
    def answer(self) -> Answer:
        in_order = [self.found[number] for number in sorted(self.found)]
        return Answer(tuple(row for page in in_order for row in page.rows), in_order[-1].left_out)

    def take(self, page: ResultPage) -> str | None:
        """Why it was ignored, as it is counted; None: it is news."""
        if self.is_answered:
            return "repeated"
        if page.error is not None:
            self.error = page.error
        elif self.found and page.pages != self.pages:
            return "inconsistent"
        elif page.page in self.found:
            return "repeated"
        else:
            self.pages, self.found[page.page] = page.pages, page
        self.news.set()
        return None


class Backtests:
    """Belongs to one event loop. Without a transport every question is answered NodeAway."""

    def __init__(
        self,
        wall: Callable[[], datetime],
        *,
        first_page_s: float = FIRST_PAGE_S,
        search_first_page_s: float = SEARCH_FIRST_PAGE_S,
        next_page_s: float = NEXT_PAGE_S,
        whole_answer_s: float = WHOLE_ANSWER_S,
        answers: NodeAnswers | None = None,
    ) -> None:
        """`answers`: the way in that others share; None: one of its own."""
        self._wall, self._whole_answer_s = wall, whole_answer_s
        self._first_page_s, self._search_first_page_s = first_page_s, search_first_page_s
        self._next_page_s = next_page_s
        self._answers = answers or NodeAnswers()
        self._waiting: dict[str, _Question] = {}  # by the topic of its answer: one a node
        self.counts: Counter[str] = Counter()

    def use(self, transport: Transport | None) -> None:
        """From the event loop. The transport stays the caller's."""
        self._answers.use(transport)

    @property
    def _transport(self) -> Transport | None:
        return self._answers.transport

    async def ask(
        self,
        node_id: str,
        camera_id: str,
        rule: dict[str, Any],
        from_at: datetime | None,
        to_at: datetime | None,
        suggest_from: Sequence[JudgedAlert] = (),
    ) -> Answer:
        """The whole answer. `suggest_from`: judged alerts; then suggestions are asked for, which takes longer.

        Raises:
            NodeTooOld: it knows no suggestions.
            BacktestRefused: the node's words, or why it was not sent.
            NodeAway: there is no way to it now.
            NodeBusy: it is being asked already, or too many others are.
            NodeSilent: no new page came for so long, or not all of them in time.
        """
        transport = self._answers.connected()
        results = node_topic(node_id, Leaf.RESULTS)
        self._must_have_room(node_id, results)
        first_page_s = self._search_first_page_s if suggest_from else self._first_page_s
        question = _Question(node_id, camera_id, self._wall(), first_page_s)
        command = self._command(question, rule, from_at, to_at, suggest_from)
        self._waiting[results] = question
        try:
            with self._answers.listening(transport, node_id, partial(self._hand_over, results)):
                transport.publish(node_topic(node_id, Leaf.COMMANDS), command)
                return await self._collected(question)
        except TransportError as error:
            raise NodeAway("the centre lost its connection to the broker") from error
        finally:
            del self._waiting[results]

    def progress(self, node_id: str, camera_id: str) -> Progress | None:
        """None: this node is not being asked about this camera."""
        question = self._waiting.get(node_topic(node_id, Leaf.RESULTS))
        if question is None or question.camera_id != camera_id:
            return None
        return Progress(question.asked_at, len(question.found), question.pages or None)

    def _must_have_room(self, node_id: str, results: str) -> None:
        """Raises NodeBusy. Nothing queues here: who waits would hold a connection, and see nothing of it."""
        if results in self._waiting:
            self.counts["busy"] += 1
            raise NodeBusy(f"node {node_id} is trying another draft: try again when that one is answered")
        if len(self._waiting) >= UNDER_WAY_AT_MOST:
            self.counts["busy"] += 1
            raise NodeBusy(f"{UNDER_WAY_AT_MOST} nodes are being asked already: try again in some minutes")

    def _command(
        self,
        question: _Question,
        rule: dict[str, Any],
        from_at: datetime | None,
        to_at: datetime | None,
        suggest_from: Sequence[JudgedAlert],
    ) -> bytes:
        try:
            command = BacktestCommand(
                command="backtest",
                request_id=question.request_id,
                expires_at=question.asked_at + timedelta(seconds=question.first_page_s),
                camera_id=question.camera_id,
                rule=rule,
                from_at=from_at,
                to_at=to_at,
                suggest_from=tuple(suggest_from) or None,
            )
        except ValidationError as error:
            raise BacktestRefused(error.errors(include_url=False)[0]["msg"]) from error
        payload = to_bytes(command)
        if len(payload) > MAX_MESSAGE_BYTES:
            raise BacktestRefused(f"expected at most {MAX_MESSAGE_BYTES} bytes of a rule, got {len(payload)}")
        return payload

    async def _collected(self, question: _Question) -> Answer:
        self.counts["asked"] += 1
        now = asyncio.get_running_loop().time
        began_mono_s = now()
        while not question.is_answered:
            patience_s = self._next_page_s if question.found else question.first_page_s
            left_s = began_mono_s + self._whole_answer_s - now()
            question.news.clear()
            try:
                async with asyncio.timeout(min(patience_s, left_s)):  # wait_for forgets to stop when news come as well
                    await question.news.wait()
            except TimeoutError:
                self.counts["silent"] += 1
                raise NodeSilent(self._what_came(question, patience_s, is_over=left_s < patience_s)) from None
        if question.error is not None:
            self.counts["refused"] += 1
            if _KNOWS_NO_SEARCH.match(question.error):
                raise NodeTooOld(f"node {question.node_id} is of an older release, which searches for no suggestions")
            raise BacktestRefused(question.error)
        self.counts["answered"] += 1
        return question.answer

    def _what_came(self, question: _Question, patience_s: float, *, is_over: bool) -> str:
        came = f"{len(question.found)} pages" if question.found else "nothing"
        if is_over:
            told = f"is too slow: {came} came in {self._whole_answer_s:.0f} s: ask about a shorter time"
        elif question.found:
            told = f"does not answer: {came} came, then nothing new for {patience_s:.0f} s"
        else:
            told = f"does not answer: nothing came for {patience_s:.0f} s"
        return f"node {question.node_id} {told}"

    def _hand_over(self, topic: str, payload: bytes) -> None:
        """A node answers its own questions only; what nobody waits for is counted."""
        try:
            page = read_result(payload)
        except NotUnderstood as error:
            self.counts["not_understood"] += 1
            log.warning("a node's answer was not understood", extra={"topic": topic, "why": str(error)[:300]})
            return
        if not isinstance(page, ResultPage):
            return
        question = self._waiting.get(topic)
        if question is None or page.request_id != question.request_id:
            self.counts["not_asked_for"] += 1
            return
        ignored = question.take(page)
        if ignored is None:
            return
        self.counts[ignored] += 1
        if ignored == "inconsistent" and not question.is_warned:
            question.is_warned = True
            told = {"page": page.page, "pages": page.pages, "pages_before": question.pages}
            log.warning("a page is not of the answer under way", extra={"node_id": question.node_id, **told})


class BacktestLink:
    """The connection behind `Backtests` and whoever shares its `NodeAnswers`, as a part of a running centre that has
    the API.

    Starting needs neither the broker nor files of TLS that can be used: what fails is logged once and tried again, and
    until it works every question is answered NodeAway.
    """

    def __init__(self, backtests: Backtests, settings: MqttSettings, mono: Callable[[], float]) -> None:
        """`settings`: whose client id is another's; this one's is new at each start, and the broker keeps nothing."""
        name = f"xueliang-centre-asks-{uuid.uuid4().hex[:12]}"
        self._backtests, self._mono = backtests, mono
        self._settings = replace(settings, client_id=name, clean_session=True)
        self._opening: asyncio.Task[None] | None = None
        self._link: MqttLink | None = None

    async def start(self) -> None:
        self._opening = asyncio.create_task(self._open(), name="back-test link")

    async def stop(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            await asyncio.gather(self._opening, return_exceptions=True)
        self._backtests.use(None)
        if self._link is not None:
            await asyncio.to_thread(self._link.close)

    async def _open(self) -> None:
        """Until there is a link: that one keeps itself connected."""
        pause_s, failed = FIRST_PAUSE_S, 0
        while self._link is None:
            try:
                link = MqttLink(self._settings, mono=self._mono)
                link.connect()
            except Exception:  # the supervisor's loop, as in ingest: most often TLS files that cannot be used
                failed += 1
                self._backtests.counts["link_failed"] += 1
                if failed == 1:
                    log.exception("back-tests cannot be asked: no connection to the broker can be begun")
                await asyncio.sleep(pause_s)
                pause_s = min(LONGEST_PAUSE_S, pause_s * 2)
            else:
                self._link = link
                self._backtests.use(link)
        if failed:
            log.info("back-tests can be asked", extra={"failures": failed})
