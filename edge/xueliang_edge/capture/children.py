"""Capture as child processes: starts them, talks to them, begins anew what dies or hangs.

Invariants
    - A camera that hangs costs its socket, inside the child. A child is killed only when its beat of real progress
      stops: `BEAT_LOST_S` without one that counts on.
    - After a child's death its cameras' looks that were out are nothing; pace and cameras are told anew; a budget keeps
      a child that dies at once from being started all the time.
    - A view order outlives the child: it was answered as taken. Renewals are all told anew, as nobody knows whether the
      child had kept what it did; it does each once. A view to be learnt is, unless a child had taken the order.
    - The region of shared memory outlives its child: no handle of before fits what is written after.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import wait
from typing import Final

from xueliang_edge.capture.orders import (
    Beat,
    GroupSpec,
    LearnView,
    LendScene,
    Lent,
    LookNow,
    Order,
    Pace,
    Ready,
    Release,
    RenewView,
    SetPace,
    ShareReconnects,
    ViewOrder,
)
from xueliang_edge.capture.service import CaptureChildReport
from xueliang_edge.capture.sharing import count_away, node_reconnects_per_s, shares_per_s
from xueliang_edge.children import Child, RestartBudget
from xueliang_edge.errors import ChildGone
from xueliang_edge.looks import CaptureHealth, Look, PictureHandle, SceneHandle
from xueliang_edge.view_memory import RENEWALS_KEPT
from xueliang_streams.shared_frames import SharedFrames
from xueliang_streams.source import SourceState

log = logging.getLogger(__name__)

MODULE: Final = "xueliang_edge.capture.child"
BEAT_FRESH_S: Final = 3.0  # what a child last said of its cameras is believed for so long
FROZEN_S: Final = 2.0
BEAT_LOST_S: Final = 10.0  # a round takes 0.1 s, a burst of key pictures of 32 cameras under one second
STARTS_WITHIN_S: Final = 30.0  # importing the decoders on a busy machine
CLOSE_WAITS_S: Final = 6.0


@dataclass(slots=True)
class _Group:
    """One child and what is known of it."""

    spec: GroupSpec
    frames: SharedFrames
    budget: RestartBudget = field(default_factory=RestartBudget)
    child: Child | None = None
    is_ready: bool = False
    started_mono_s: float = 0.0
    beat: Beat | None = None
    beat_mono_s: float = 0.0
    problem: str | None = None
    restarts: int = 0
    reconnects_per_s: float = 0.0  # as last told
    paces: dict[str, Pace] = field(default_factory=dict)
    waiting: deque[Look] = field(default_factory=deque)
    untold: deque[Order] = field(default_factory=deque)  # what the child did not take at once, in order
    renewals: dict[tuple[str, str], deque[RenewView]] = field(default_factory=dict)  # by camera and view, all of late
    lent: dict[int, SceneHandle | None] = field(default_factory=dict)


class CaptureChildren:
    """`CaptureService` over one child a group. Belongs to the pipeline's thread; `health` and `reports` to any."""

    def __init__(self, specs: Sequence[GroupSpec], frames: Sequence[SharedFrames], mono: Callable[[], float]) -> None:
        """Takes over the regions; `frames[n]` is that of `specs[n]`. Starts nothing."""
        self._mono = mono
        self._groups = [_Group(spec, one) for spec, one in zip(specs, frames, strict=True)]
        self._group_of = {camera.camera_id: group for group in self._groups for camera in group.spec.cameras}
        self._last_ticket = 0
        self._checked_mono_s = mono()

    def start(self) -> None:
        for group in self._groups:
            self._begin(group)

    def set_pace(self, camera_id: str, pace: Pace) -> None:
        group = self._group_of[camera_id]
        group.paces[camera_id] = pace
        self._send(group, SetPace(camera_id, pace))

    def order_view(self, order: ViewOrder) -> None:
        group = self._group_of[order.camera_id]
        if isinstance(order, RenewView):
            key = (order.camera_id, order.view_id)
            group.renewals.setdefault(key, deque(maxlen=RENEWALS_KEPT)).append(order)
        elif group.child is None:
            group.untold.append(order)  # it waits for the next one
            return
        self._send(group, order)

    def look_now(self, camera_id: str) -> None:
        self._send(self._group_of[camera_id], LookNow(camera_id))

    def looks(self) -> list[Look]:
        for group in self._groups:
            self._receive(group)
        looks = [look for group in self._groups for look in group.waiting]
        for group in self._groups:
            group.waiting.clear()
        return looks

    def release(self, release: Release) -> None:
        self._send(self._groups[release.handle.region], release)

    def lend_scene(self, handle: PictureHandle, deadline_mono_s: float) -> SceneHandle | None:
        group = self._groups[handle.region]
        self._last_ticket += 1
        ticket = self._last_ticket
        group.lent.clear()
        self._send(group, LendScene(ticket, handle))
        while ticket not in group.lent and group.child is not None:
            left_s = deadline_mono_s - self._mono()
            if left_s <= 0:
                return None
            wait([group.child.fileno()], left_s)
            self._receive(group)
        return group.lent.pop(ticket, None)

    def health(self, camera_id: str) -> CaptureHealth:
        group = self._group_of[camera_id]
        beat = group.beat
        if beat is not None and camera_id in beat.cameras:
            is_fresh = self._mono() - group.beat_mono_s <= BEAT_FRESH_S
            return replace(beat.cameras[camera_id], is_watched=is_fresh)
        return CaptureHealth(SourceState.CONNECTING, group.started_mono_s, group.problem, 0, is_watched=False)

    def wait_handles(self) -> Sequence[int]:
        return [group.child.fileno() for group in self._groups if group.child is not None]

    def check(self) -> None:
        now = self._mono()
        if now - self._checked_mono_s > FROZEN_S:  # we ourselves did nothing for a while: so may have the children
            for group in self._groups:
                group.beat_mono_s = max(group.beat_mono_s, now)
        self._checked_mono_s = now
        for group in self._groups:
            self._receive(group)  # what has been said already counts
            self._tell(group)
            if group.child is None:
                if group.budget.spend(now):
                    self._begin(group)
                continue
            patience_s = BEAT_LOST_S if group.is_ready else STARTS_WITHIN_S
            if now - max(group.beat_mono_s, group.started_mono_s) > patience_s:
                self._lose(group, f"no beat for {patience_s:g} s")
        self._share_reconnects()

    def reports(self) -> tuple[CaptureChildReport, ...]:
        return tuple(_report(group) for group in self._groups)

    def close(self) -> None:
        for group in self._groups:
            if group.child is not None:
                group.child.hang_up()  # all end side by side
        deadline_mono_s = self._mono() + CLOSE_WAITS_S
        for group in self._groups:
            if group.child is not None:
                group.child.close(max(0.1, deadline_mono_s - self._mono()))
                group.child = None
            group.frames.close()

    def _begin(self, group: _Group) -> None:
        group.is_ready, group.started_mono_s = False, self._mono()
        group.untold = deque(order for order in group.untold if isinstance(order, LearnView))
        group.reconnects_per_s = group.spec.reconnects_per_s
        name = f"capture-{group.spec.region}"
        try:
            group.child = Child.start(MODULE, group.spec, name=name, fds=(group.spec.fd,))
        except OSError as error:
            group.problem = f"capture process cannot be started ({error.strerror or error})"
            log.error("capture child not started", extra={"child": name, "why": str(error)})
            return
        for camera_id, pace in group.paces.items():
            self._send(group, SetPace(camera_id, pace))
        for renewal in (one for told in group.renewals.values() for one in told):
            self._send(group, renewal)
        self._tell(group)

    def _share_reconnects(self) -> None:
        """Who has many cameras away gets more of what the node may do; who must give some up is told first."""
        away = [count_away(group.beat.cameras) if group.beat is not None else 0 for group in self._groups]
        shares = shares_per_s(away, node_reconnects_per_s(len(self._group_of)))
        changes = [
            (share - group.reconnects_per_s, share, group) for group, share in zip(self._groups, shares, strict=True)
        ]
        for change, share, group in sorted(changes, key=lambda one: one[0]):
            if abs(change) > 1e-6 and group.child is not None:
                group.reconnects_per_s = share
                self._send(group, ShareReconnects(share))

    def _send(self, group: _Group, order: Order) -> None:
        """In order, and nothing lost: a release that went missing would keep a camera waiting for ever."""
        if group.child is not None:
            group.untold.append(order)
            self._tell(group)

    def _tell(self, group: _Group) -> None:
        while group.untold and group.child is not None and group.child.send(group.untold[0]):
            group.untold.popleft()

    def _receive(self, group: _Group) -> None:
        try:
            while group.child is not None and (message := group.child.receive(0.0)) is not None:
                self._received(group, message)
        except ChildGone as error:
            self._lose(group, f"gone ({error}; {group.child.how_it_ended if group.child else ''})")

    def _received(self, group: _Group, message: object) -> None:
        if isinstance(message, Look):
            handle = message.handle
            if handle.region != group.spec.region or self._group_of.get(handle.camera_id) is not group:
                self._lose(group, "spoke for cameras that are not its own")
                return
            group.waiting.append(message)
        elif isinstance(message, Beat):
            has_progress = group.beat is None or message.rounds != group.beat.rounds
            group.beat = message
            if has_progress:
                group.beat_mono_s = self._mono()
                if group.problem is not None and self._mono() - group.started_mono_s > BEAT_LOST_S:
                    group.problem = None
        elif isinstance(message, Lent):
            group.lent[message.ticket] = message.scene
        elif isinstance(message, Ready):
            group.is_ready, group.beat_mono_s = True, self._mono()

    def _lose(self, group: _Group, why: str) -> None:
        """The child is gone, or must go. Begun anew at the next check that its budget allows."""
        child, group.child = group.child, None
        if child is None:
            return
        child.kill()
        group.problem = f"capture process: {why}; it is begun anew"
        group.restarts += 1
        group.beat = None
        group.waiting.clear()
        log.error("capture child lost", extra={"child": child.name, "why": why, "cameras": len(group.spec.cameras)})


def _report(group: _Group) -> CaptureChildReport:
    child, beat = group.child, group.beat  # asked for by the health page's thread too
    return CaptureChildReport(
        name=f"capture-{group.spec.region}",
        pid=child.pid if child is not None else None,
        cameras=len(group.spec.cameras),
        lag_s=beat.lag_s if beat is not None else 0.0,
        busy_share=beat.busy_share if beat is not None else 0.0,
        restarts=group.restarts,
        problem=group.problem,
        faults=dict(beat.faults) if beat is not None else {},
    )
