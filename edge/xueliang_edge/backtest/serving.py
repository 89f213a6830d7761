"""A node's answer to commands: back-tests are run in a child and said in pages; looks go to `fresh_looks.py`, live
views to `live_view/`.

Invariants
    - The main path is not touched: commands arrive in the transport's thread, which only looks at them; one thread of
      this service waits for one child at a time.
    - Every message is counted, and every one that names its request is answered: done, or why not.
    - A request is carried out once (`_Seen`), never after it expires, and for `RUN_S` at most. One for suggestions goes
      through the log four times with some dozens of rules: for `SEARCH_S`.
    - Pages go out one after the other, each when the broker has the last: alerts pass between two.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import Final

from xueliang_alerts.commands import (
    BacktestCommand,
    LiveCommand,
    LiveResult,
    LookCommand,
    LookResult,
    read_command,
    why_not_now,
)
from xueliang_alerts.contract import NotUnderstood, to_bytes
from xueliang_alerts.errors import TransportError
from xueliang_alerts.topics import Leaf, node_topic
from xueliang_alerts.transport import Incoming, Transport
from xueliang_edge.backtest.messages import Answered, Task
from xueliang_edge.backtest.requests import error_page, request_id_in
from xueliang_edge.children import Child
from xueliang_edge.errors import ChildGone

log = logging.getLogger(__name__)

WAITING_AT_MOST: Final = 4  # beside the one that runs: who asks more is told so
RUN_S: Final = 120.0  # a week of a camera on which something always stands may not end in it: ask for a part
# Measured, seconds of a core: 34 for a week with 2,688 alerts of people, 35 for a day of a lane in which vehicles come
# and go all day; a week of that lane may not end in it: ask for a part. A command may wait for 600 s at most.
SEARCH_S: Final = 480.0
CLOSE_S: Final = 1.0
_SEEN_AT_MOST: Final = 256  # request ids: a broker repeats what is minutes old, not what is days old
_PUBLISHED_S: Final = 10.0  # for the broker to take a page: 64 KiB over 64 kbit/s need 8 s
_CHECK_S: Final = 0.2

TaskOf = Callable[[BacktestCommand], Task]
Look = Callable[[LookCommand], tuple[str, str] | None]
Live = Callable[[LiveCommand], tuple[str, str] | None]


class BacktestService:
    """Owns its thread and its child, not the transport. Start it before the transport connects."""

    def __init__(
        self,
        node_id: str,
        transport: Transport,
        task_of: TaskOf,
        *,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
        run_s: float = RUN_S,
        search_s: float = SEARCH_S,
        look: Look | None = None,
        live: Live | None = None,
    ) -> None:
        """`task_of`: a command to what the child must know of the node as it runs now; asked in this one's thread.

        `look`, `live`: take one in hand, and answer by `publish`; or say why not. None: nobody does that here.
        """
        self._commands, self._results = node_topic(node_id, Leaf.COMMANDS), node_topic(node_id, Leaf.RESULTS)
        self._transport, self._task_of = transport, task_of
        self._wall, self._mono, self._look, self._live = wall, mono, look, live
        self._run_s, self._search_s = run_s, search_s
        self._waiting: queue.Queue[BacktestCommand] = queue.Queue(WAITING_AT_MOST)
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="backtests", daemon=True)
        self.counts: Counter[str] = Counter()

    def start(self) -> None:
        self._transport.subscribe(self._commands, self._take)
        self._thread.start()

    def close(self) -> None:
        """What runs is given up, what waits is not begun; nobody hears of it."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S)

    def _take(self, incoming: Incoming) -> None:
        """In the transport's thread."""
        incoming.acknowledge()
        self.counts["received"] += 1
        try:
            command = read_command(incoming.payload)
        except NotUnderstood as error:
            self._refuse("not_understood", request_id_in(incoming.payload), f"command: {error}")
            return
        if command.request_id in self._seen:
            self.counts["repeated"] += 1
            return
        self._seen[command.request_id] = None
        if len(self._seen) > _SEEN_AT_MOST:
            self._seen.popitem(last=False)
        why = why_not_now(command, self._wall())
        if isinstance(command, LookCommand):
            self._take_look(command, why)
            return
        if isinstance(command, LiveCommand):
            self._take_live(command, why)
            return
        if why is not None:
            self._refuse("not_now", command.request_id, why)
            return
        try:
            self._waiting.put_nowait(command)
        except queue.Full:
            why = f"{WAITING_AT_MOST} back-tests wait on this node already: ask again when they are answered"
            self._refuse("too_many", command.request_id, why)

    def _take_look(self, command: LookCommand, late: str | None) -> None:
        refused = ("not_now", late) if late is not None else None
        if refused is None:
            refused = (
                self._look(command) if self._look is not None else ("no_looks", "command: nobody looks on this node")
            )
        if refused is not None:
            reason, why = refused
            self.counts[f"look_{reason}"] += 1
            log.warning("fresh look refused", extra={"request_id": command.request_id, "why": why[:300]})
            self.publish(to_bytes(LookResult(command="look", request_id=command.request_id, error=why)), 0.0)

    def _take_live(self, command: LiveCommand, late: str | None) -> None:
        refused = ("not_now", late) if late is not None else None
        if refused is None:
            refused = (
                self._live(command) if self._live is not None else ("no_live", "command: there is no live view here")
            )
        if refused is not None:
            reason, why = refused
            self.counts[f"live_{reason}"] += 1
            log.warning("live view refused", extra={"request_id": command.request_id, "why": why[:300]})
            self.publish(to_bytes(LiveResult(command="live", request_id=command.request_id, error=why)), 0.0)

    def _refuse(self, reason: str, request_id: str, why: str) -> None:
        self.counts[reason] += 1
        log.warning("back-test refused", extra={"request_id": request_id, "why": why[:300]})
        if request_id:
            self.publish(error_page(request_id, why), 0.0)

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                command = self._waiting.get(timeout=_CHECK_S)
            except queue.Empty:
                continue
            try:
                self._carry_out(command)
            except Exception:  # a fault of ours costs this answer, not those behind it
                log.exception("back-test failed", extra={"request_id": command.request_id})
                self._refuse("failed", command.request_id, "a fault of this node, its log says which")

    def _carry_out(self, command: BacktestCommand) -> None:
        late = why_not_now(command, self._wall())
        if late is not None:
            self._refuse("not_now", command.request_id, late)
            return
        left_s = (command.expires_at - self._wall()).total_seconds()
        limit_s = min(self._run_s if command.suggest_from is None else self._search_s, left_s)
        end_mono_s = self._mono() + limit_s
        try:
            child = Child.start("xueliang_edge.backtest.child", self._task_of(command), name="backtest")
        except OSError as error:
            self._refuse("failed", command.request_id, f"no process can be begun for it: {error.strerror or error}")
            return
        try:
            pages = self._pages_of(child, end_mono_s)
        except ChildGone:
            child.wait(CLOSE_S)
            why = f"its process {child.how_it_ended}: ask for a shorter time, or see the node's log"
            self._refuse("failed", command.request_id, why)
            return
        finally:
            child.kill()
        if pages is None:
            if not self._stop.is_set():
                why = f"not done in {limit_s:.0f} s: ask for a shorter time"
                self._refuse("took_too_long", command.request_id, why)
            return
        if all(self.publish(page, _PUBLISHED_S) for page in pages):
            self.counts["answered"] += 1
            log.info("back-test answered", extra={"request_id": command.request_id, "pages": len(pages)})

    def _pages_of(self, child: Child, end_mono_s: float) -> list[bytes] | None:
        """None: not in time, or told to stop. Raises ChildGone."""
        wanted: int | None = None
        pages: list[bytes] = []
        while wanted is None or len(pages) < wanted:
            if self._stop.is_set() or self._mono() >= end_mono_s:
                return None
            message = child.receive(_CHECK_S)
            if isinstance(message, Answered):
                wanted = message.pages
            elif isinstance(message, bytes):
                pages.append(message)
        return pages

    def publish(self, page: bytes, timeout_s: float) -> bool:
        """A message on the results topic; from any thread.

        False: the broker did not take it in time, counted; 0: it is not waited for.
        """
        try:
            handle = self._transport.publish(self._results, page)
        except TransportError:
            self.counts["not_published"] += 1
            return False
        self.counts["pages"] += 1
        if timeout_s and not handle.wait(timeout_s):
            self.counts["not_published"] += 1
            return False
        return True
