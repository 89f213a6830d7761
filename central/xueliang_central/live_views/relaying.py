"""From a node's stream to one viewer: what is under way in this process, in memory alone.

Invariants
    - A view has one node, one viewer and an end. Nothing of a stream is kept once it was handed on.
    - A slow viewer holds up nobody: what waits is bounded (`Waiting`), what is given up is counted.
    - Whether it may go on is judged anew every `JUDGE_S`; where not, viewer's and node's stream are over at once.
    - A view's end is told exactly once (`on_end`), whoever ended it, also when the centre stops.
    - Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from xueliang_alerts.clocks import Mono, Wall
from xueliang_central.errors import NodeBusy, NotFound, StoreError
from xueliang_central.fleet.answers import NodeAnswers
from xueliang_central.live_views.asking import ask
from xueliang_central.live_views.marks import mark_box
from xueliang_central.live_views.waiting import Waiting

log = logging.getLogger(__name__)

JUDGE_S: Final = 1.0
SILENT_S: Final = 12.0
"""Longer than a node's answer may take (`asking.py`); then it says something every 2 s, whatever its camera sends."""
UNREAD_S: Final = 15.0  # a viewer that takes nothing for so long has gone, whatever the connection says
WAITING_BYTES: Final = 3 << 20  # 6 s of 4 Mbit/s
MARK_EVERY_S: Final = 1.0
END_WITHIN_S: Final = 5.0
AGAIN_AFTER_S: Final = (0.0, 1.0, 5.0, 20.0, 60.0)


@dataclass(slots=True, eq=False)
class View:
    """One camera, live, for one person.

    Attributes:
        mark: what the centre writes between the fragments.
        judge: a stable word for why it may not go on; empty: it may.
        on_end: tells that it has ended; it may take its time.
        codec: as browsers want it; empty until the first picture.
        why: a stable word for why it is over; empty: it is not.
    """

    view_id: str
    camera_id: str
    node_id: str
    until_at: datetime
    mark: dict[str, str]
    judge: Callable[[], Awaitable[str]]
    on_end: Callable[[View], Awaitable[None]]
    heard_mono_s: float
    read_mono_s: float
    codec: str = ""
    why: str = ""
    lost: int = 0
    relayed_bytes: int = 0
    waiting: Waiting = field(default_factory=lambda: Waiting(WAITING_BYTES))
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, why: str) -> None:
        """The first word counts."""
        self.why = self.why or why
        self.changed.set()
        self.ended.set()


class LiveViews:
    """Of one process that serves the API."""

    def __init__(self, answers: NodeAnswers, wall: Wall, mono: Mono, *, at_once: int) -> None:
        """`at_once` 0: live view is off at this centre."""
        self._answers, self._wall, self._mono, self._at_once = answers, wall, mono, at_once
        self._views: dict[str, View] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.counts: Counter[str] = Counter()

    @property
    def is_on(self) -> bool:
        return self._at_once > 0

    @property
    def mono(self) -> Mono:
        return self._mono

    def open(self, view: View) -> None:
        """From now on its node may send, and its end will be told. Raises NodeBusy."""
        if len(self._views) >= self._at_once:
            self.counts["too_many"] += 1
            raise NodeBusy(f"{self._at_once} live views run at this centre already: try again when one has ended")
        self._views[view.view_id] = view
        self.counts["opened"] += 1
        task = asyncio.create_task(self._watch(view), name=f"live view {view.view_id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def start(self) -> None:
        """Nothing runs before the first view."""

    async def stop(self) -> None:
        """Every view is over, and its end told, within `END_WITHIN_S`."""
        self.end_all()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=END_WITHIN_S)

    def end_all(self) -> None:
        for view in tuple(self._views.values()):
            view.end("centre_stopped")

    def take(
        self, camera_id: str, view_id: str, node_id: str, data: bytes, *, is_key: bool, codec: str, lost: int, over: str
    ) -> None:
        """What a node sends. Raises NotFound: nobody watches (any more), or it is another node's."""
        view = self._views.get(view_id)
        if view is None or view.why or (view.camera_id, view.node_id) != (camera_id, node_id):
            raise NotFound("live view")
        view.heard_mono_s = self._mono()
        view.lost = max(view.lost, lost)
        if data:
            view.codec = view.codec or codec
            view.waiting.put(data, is_key=is_key)
        if over:
            view.end(over)
        view.changed.set()

    async def ask_node(self, view: View, mark: str) -> None:
        """Returns when the node has begun. Raises LiveRefused, NodeAway, NodeSilent."""
        await ask(
            self._answers, self._wall, view.node_id, view.camera_id, view.view_id, until_at=view.until_at, mark=mark
        )

    async def first_picture(self, view: View) -> bool:
        """Whether one came before it was over."""
        while not view.codec and not view.why:
            view.read_mono_s = self._mono()
            view.changed.clear()
            await _within(view.changed, JUDGE_S)
        return bool(view.codec)

    async def stream(self, view: View) -> AsyncIterator[bytes]:
        """What the viewer gets; at the end a mark that says why it is over."""
        marked_s = float("-inf")
        try:
            while True:
                view.changed.clear()
                data, now_s = view.waiting.take(), self._mono()
                view.read_mono_s = now_s
                if data:
                    if now_s - marked_s >= MARK_EVERY_S:
                        marked_s = now_s
                        data = mark_box(view.mark | {"at": self._wall().isoformat()}) + data
                    view.relayed_bytes += len(data)
                    yield data
                elif view.why:
                    yield mark_box(view.mark | {"at": self._wall().isoformat(), "over": view.why})
                    return
                else:
                    await _within(view.changed, JUDGE_S)
        finally:
            view.end("viewer_gone")

    async def _watch(self, view: View) -> None:
        """Until it is over, and told."""
        try:
            while not view.why:
                await _within(view.ended, JUDGE_S)
                why = view.why or await self._why_over(view)
                if why:
                    view.end(why)
        except Exception:
            log.exception("a live view could not be judged", extra={"view_id": view.view_id})
            view.end("failed")
        finally:
            view.end("centre_stopped")
            self._views.pop(view.view_id, None)
            self.counts[f"ended_{view.why}"] += 1
            self.counts["bundles_dropped"] += view.waiting.dropped
        await self._tell_end(view)

    async def _tell_end(self, view: View) -> None:
        """A database that is away for a moment does not cost the record."""
        for pause_s in AGAIN_AFTER_S:
            await asyncio.sleep(pause_s)
            try:
                await view.on_end(view)
            except StoreError as error:
                log.warning("the end of a live view waits", extra={"view_id": view.view_id, "why": str(error)})
            except Exception:
                log.exception("the end of a live view could not be recorded", extra={"view_id": view.view_id})
                break
            else:
                return
        self.counts["ends_not_recorded"] += 1

    async def _why_over(self, view: View) -> str:
        now_s = self._mono()
        if self._wall() >= view.until_at:
            return "time_over"
        if now_s - view.heard_mono_s > SILENT_S:
            return "node_silent"
        if now_s - view.read_mono_s > UNREAD_S:
            return "viewer_gone"
        return await view.judge()


async def _within(event: asyncio.Event, limit_s: float) -> None:
    try:
        async with asyncio.timeout(limit_s):
            await event.wait()
    except TimeoutError:
        pass
