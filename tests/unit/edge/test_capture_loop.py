"""The loop of a capture child asks memory back once a minute, and not while a picture waits."""

from __future__ import annotations

from typing import Any, cast

import pytest

from xueliang_edge.capture.child import GIVE_BACK_EVERY_S, CaptureLoop
from xueliang_edge.errors import ChildGone

ROUND_S = 10.0


class Group:
    """Nothing to do but looks, in the rounds named."""

    next_poll_mono_s = 0.0
    lag_s = 0.0
    rounds = 0
    faults: dict[str, int] = {}

    def __init__(self, has_look: bool) -> None:
        self._has_look = has_look

    def poll(self) -> None: ...

    def health(self) -> dict[str, Any]:
        return {}

    def next_look(self) -> str | None:
        return "a look" if self._has_look else None


class Line:
    """A supervisor that says nothing, and is gone after so many rounds; each moves the clock on."""

    def __init__(self, rounds: int) -> None:
        self._left, self.now_s = rounds, 0.0

    def mono(self) -> float:
        return self.now_s

    def receive(self, _timeout_s: float) -> None:
        if not self._left:
            raise ChildGone("the line was closed")
        self._left -= 1
        self.now_s += ROUND_S

    def send(self, _message: object, _timeout_s: float | None) -> bool:
        return True


@pytest.mark.parametrize(("has_look", "expected_s"), [(False, [60.0, 120.0, 180.0]), (True, [])], ids=["idle", "busy"])
def test_memory_is_handed_back_once_a_minute_while_no_picture_waits(has_look: bool, expected_s: list[float]) -> None:
    line, asked_s = Line(rounds=20), list[float]()
    loop = CaptureLoop(
        cast(Any, Group(has_look)), cast(Any, line), line.mono, give_back=lambda: asked_s.append(line.now_s)
    )
    with pytest.raises(ChildGone):
        loop.run()
    assert asked_s == expected_s
    assert GIVE_BACK_EVERY_S == 60.0
