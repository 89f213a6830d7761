"""The program of a capture child: `python -m xueliang_edge.capture.child`, started by `capture/children.py` only.

One thread: a round every `ROUND_S`, decoding in between, orders as they come. It ends when it is told to, and when the
pipe to its supervisor breaks. Its beat counts rounds: a loop that hangs in a decoder beats no more.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Final

from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_edge.capture.feeds import ROUND_S
from xueliang_edge.capture.group import CameraGroup
from xueliang_edge.capture.orders import Beat, GroupSpec, LendScene, LookNow, Order, Quit, Ready, Release, SetPace
from xueliang_edge.children import inherited
from xueliang_streams.shared_frames import SharedFrames

log = logging.getLogger(__name__)

BEAT_EVERY_S: Final = 1.0


class CaptureLoop:
    """Runs one group for its supervisor."""

    def __init__(self, group: CameraGroup, parent: Connection, mono: Callable[[], float]) -> None:
        self._group, self._parent, self._mono = group, parent, mono
        self._next_beat_mono_s = mono()
        self._idle_s = 0.0
        self._beaten_mono_s = mono()
        self._worst_lag_s = 0.0

    def run(self) -> None:
        """Until it is told to quit. Raises EOFError or OSError when the supervisor is gone."""
        next_round_mono_s = self._mono()
        while True:
            now = self._mono()
            if now >= next_round_mono_s:
                self._group.poll()
                # A round that took long is not made up for: the sockets hold what came meanwhile.
                next_round_mono_s = max(now, next_round_mono_s) + ROUND_S
            if not self._take_orders():
                return
            self._beat_when_due()
            look = self._group.next_look()
            if look is not None:
                self._parent.send(look)
                continue
            self._rest(next_round_mono_s)

    def _rest(self, until_mono_s: float) -> None:
        began = self._mono()
        if until_mono_s > began:
            self._parent.poll(until_mono_s - began)
            self._idle_s += self._mono() - began

    def _take_orders(self) -> bool:
        """Everything that was said; False: quit."""
        while self._parent.poll(0):
            order: Order = self._parent.recv()
            if isinstance(order, Quit):
                return False
            if isinstance(order, Release):
                self._group.release(order)
            elif isinstance(order, SetPace):
                self._group.set_pace(order)
            elif isinstance(order, LendScene):
                self._parent.send(self._group.lend(order))
            elif isinstance(order, LookNow):
                self._group.look_now(order)
        return True

    def _beat_when_due(self) -> None:
        now = self._mono()
        self._worst_lag_s = max(self._worst_lag_s, self._group.lag_s)
        if now < self._next_beat_mono_s:
            return
        self._next_beat_mono_s = now + BEAT_EVERY_S
        passed_s = max(1e-3, now - self._beaten_mono_s)
        busy_share = min(1.0, max(0.0, 1.0 - self._idle_s / passed_s))
        group = self._group
        self._parent.send(Beat(group.rounds, self._worst_lag_s, busy_share, group.health(), dict(group.faults)))
        self._idle_s, self._beaten_mono_s, self._worst_lag_s = 0.0, now, 0.0


def main() -> int:
    """Exit status 0: told to quit, or the supervisor is gone."""
    inheritance = inherited(GroupSpec)
    spec = inheritance.settings
    frames = SharedFrames.attach(inheritance.fds[0], spec.slots, spec.slot_bytes, is_writer=True)
    group = CameraGroup(spec, frames, wall=system_wall, mono=system_mono)
    try:
        group.start()
        inheritance.parent.send(Ready(os.getpid()))
        CaptureLoop(group, inheritance.parent, system_mono).run()
    except (EOFError, OSError) as error:
        log.info("capture child ends: its supervisor is gone", extra={"why": type(error).__name__})
    finally:
        group.close()
        frames.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
