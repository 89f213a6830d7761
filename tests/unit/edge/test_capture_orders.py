"""What was ordered of a view is done, whatever becomes of the capture child that should do it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from xueliang_edge.capture.children import CaptureChildren
from xueliang_edge.capture.orders import CameraSpec, GroupSpec, LearnView, RenewView
from xueliang_edge.children import Child
from xueliang_edge.errors import ChildGone
from xueliang_streams.shared_frames import SharedFrames

LEARN = LearnView("ptz", "gate")
RENEW = RenewView("ptz", "gate", (0.05, 0.0), "order-1")


class FakeChild:
    """Takes what it is told while it lives."""

    pid, name, how_it_ended = 1, "capture-0", "killed by SIGKILL"

    def __init__(self) -> None:
        self.told: list[object] = []
        self.is_dead = False

    def send(self, message: object) -> bool:
        if not self.is_dead:
            self.told.append(message)
        return not self.is_dead

    def receive(self, _timeout_s: float) -> None:
        if self.is_dead:
            raise ChildGone("hung up")

    def kill(self) -> None:
        self.is_dead = True


class Capture:
    """One group, its children in the order of their lives."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.lives: list[FakeChild] = []
        self.now_s = 0.0
        monkeypatch.setattr(Child, "start", self._start)
        spec = GroupSpec(0, (CameraSpec("ptz", "rtsp://10.0.0.9/ptz"),), slots=3, slot_bytes=1, background_dir="")
        self.service = CaptureChildren([spec], [cast(SharedFrames, None)], lambda: self.now_s)
        self.service.start()

    def _start(self, *_: Any, **__: Any) -> FakeChild:
        self.lives.append(FakeChild())
        return self.lives[-1]

    def lose(self) -> None:
        self.lives[-1].is_dead = True
        self.service.looks()

    def begin_anew(self) -> FakeChild:
        lives = len(self.lives)
        while len(self.lives) == lives:
            self.now_s += 1.0
            self.service.check()
        return self.lives[-1]


@pytest.fixture
def capture(monkeypatch: pytest.MonkeyPatch) -> Capture:
    return Capture(monkeypatch)


@pytest.mark.parametrize("order", [LEARN, RENEW])
@pytest.mark.parametrize("is_noticed", [True, False])
def test_what_is_ordered_while_no_child_lives_is_told_to_the_next(
    capture: Capture, order: LearnView | RenewView, is_noticed: bool
) -> None:
    capture.lives[-1].is_dead = True
    if is_noticed:
        capture.lose()
    capture.service.order_view(order)
    capture.lose()
    assert capture.begin_anew().told == [order]


def test_a_renewal_is_told_again_as_the_child_may_have_died_before_it_kept_it(capture: Capture) -> None:
    capture.service.order_view(RENEW)
    capture.service.order_view(LEARN)
    assert capture.lives[0].told == [RENEW, LEARN]
    capture.lose()
    assert capture.begin_anew().told == [RENEW], "what was to be learnt may be out of sight by now"
