"""The program of a capture child: `python -m xueliang_edge.capture.child`, started by `capture/children.py` only.

One thread: sockets as they are due, decoding in between, orders as they come. It ends when the line to its supervisor
does, and saves what it learnt. Its beat counts rounds: a loop that hangs in a decoder beats no more.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from multiprocessing.connection import wait
from typing import Final

from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_edge.allocator import begin_small, give_back_all
from xueliang_edge.capture.group import CameraGroup
from xueliang_edge.capture.orders import Beat, GroupSpec, Order, Ready
from xueliang_edge.children import FIRST_MESSAGE_S, Line, take_up
from xueliang_edge.errors import ChildGone
from xueliang_streams.shared_frames import SharedFrames

BEAT_EVERY_S: Final = 1.0
GIVE_BACK_EVERY_S: Final = 60.0  # many cameras decoded at a time leave a mark; most of it is needed again within 15 s


class CaptureLoop:
    """Runs one group for its supervisor."""

    def __init__(
        self, group: CameraGroup, line: Line, mono: Callable[[], float], give_back: Callable[[], None] = give_back_all
    ) -> None:
        self._group, self._line, self._mono, self._give_back = group, line, mono, give_back
        self._next_beat_mono_s = mono()
        self._give_back_mono_s = mono() + GIVE_BACK_EVERY_S
        self._idle_s = 0.0
        self._beaten_mono_s = mono()
        self._worst_lag_s = 0.0

    def run(self) -> None:
        """Until the line ends. Raises ChildGone then."""
        while True:
            if self._mono() >= self._group.next_poll_mono_s:
                self._group.poll()
            self._take_orders()
            self._beat_when_due()
            look = self._group.next_look()
            if look is not None:
                self._line.send(look, None)
            else:
                self._give_back_when_due()
                self._rest()

    def _rest(self) -> None:
        began = self._mono()
        wait_s = min(self._group.next_poll_mono_s, self._next_beat_mono_s) - began
        if wait_s > 0:
            wait([self._line.fileno()], wait_s)
            self._idle_s += self._mono() - began

    def _give_back_when_due(self) -> None:
        """While no picture waits."""
        if self._mono() >= self._give_back_mono_s:
            self._give_back_mono_s = self._mono() + GIVE_BACK_EVERY_S
            self._give_back()

    def _take_orders(self) -> None:
        """Everything that was said."""
        while (order := self._line.receive(0.0)) is not None:
            if isinstance(order, Order):
                answer = self._group.obey(order)
                if answer is not None:
                    self._line.send(answer, None)

    def _beat_when_due(self) -> None:
        now = self._mono()
        self._worst_lag_s = max(self._worst_lag_s, self._group.lag_s)
        if now < self._next_beat_mono_s:
            return
        self._next_beat_mono_s = now + BEAT_EVERY_S
        passed_s = max(1e-3, now - self._beaten_mono_s)
        busy_share = min(1.0, max(0.0, 1.0 - self._idle_s / passed_s))
        group = self._group
        beat = Beat(group.rounds, self._worst_lag_s, busy_share, dict(group.health()), dict(group.faults))
        self._line.send(beat, None)
        self._idle_s, self._beaten_mono_s, self._worst_lag_s = 0.0, now, 0.0


def main() -> int:
    """Exit status 0: its supervisor ended it, or is gone."""
    line = take_up()
    spec = line.receive(FIRST_MESSAGE_S)
    if not isinstance(spec, GroupSpec):
        return 1
    frames = SharedFrames.attach(spec.fd, spec.slots, spec.slot_bytes, is_writer=True)
    group = CameraGroup(spec, frames, wall=system_wall, mono=system_mono)
    try:
        group.start()
        begin_small()
        line.send(Ready(os.getpid()), None)
        CaptureLoop(group, line, system_mono).run()
    except ChildGone:
        pass
    finally:
        group.close()
        frames.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
