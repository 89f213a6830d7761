"""Has the server's clock been set? What is due by a clock that has just jumped ahead is not believed at once.

Limits are moments of the wall clock, so that they survive restarts and mean the same to several workers. A clock that
jumps an hour ahead would let everything that is due within that hour pass in one second. So a worker compares it with
the machine's own count of seconds: after a jump ahead nothing fires until the clock is back, or has stood by its word
for HOLD_S. A clock that is set back holds nothing: what is due waits until it says so again.

Every job of the worker that does by the hour what cannot be taken back is held so (`jobs.Job.held`; the table of which
and why is in docs/deploying.md).
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Final

from xueliang_alerts.clocks import Mono, Wall

log = logging.getLogger(__name__)

STEP_S: Final = 30.0  # NTP slews what is less than a fraction of a second; a busy machine is seconds late, not 30
HOLD_S: Final = 120.0  # a time service that was wrong at start is set right within a minute or two


@dataclass(frozen=True, slots=True)
class Steadiness:
    """What a worker believes. `offset_s`: wall clock less count of seconds; `doubted_s`: since when, by the count, the
    clock says `said_s` instead, which is ahead of that; None: it does not."""

    offset_s: float
    doubted_s: float | None = None
    said_s: float = 0.0


def look(before: Steadiness | None, wall_s: float, mono_s: float) -> tuple[Steadiness, float]:
    """What is believed now, and by how many seconds the clock has just been set (0: it was not).

    Nothing may fire while `doubted_s` is not None.
    """
    offset_s = wall_s - mono_s
    if before is None:
        return Steadiness(offset_s), 0.0
    step_s = offset_s - before.offset_s
    if step_s < STEP_S:
        return Steadiness(offset_s), step_s if step_s <= -STEP_S else 0.0
    if before.doubted_s is None:
        return replace(before, doubted_s=mono_s, said_s=offset_s), step_s
    again_s = offset_s - before.said_s
    if abs(again_s) >= STEP_S:  # set once more: it has not stood by its word
        return replace(before, doubted_s=mono_s, said_s=offset_s), again_s
    if mono_s - before.doubted_s >= HOLD_S:
        return Steadiness(offset_s), 0.0
    return before, 0.0


class SteadyClock:
    """What one process believes of its machine's clock. To be asked often: only who looks sees a step."""

    def __init__(self, wall: Wall, mono: Mono) -> None:
        self._wall, self._mono = wall, mono
        self._believed: Steadiness | None = None
        self.times_set = 0

    def is_steady(self) -> bool:
        """False while the clock is ahead of what it was, and may be set right again."""
        self._believed, step_s = look(self._believed, self._wall().timestamp(), self._mono())
        if step_s:
            self.times_set += 1
            holds_s = 0 if self._believed.doubted_s is None else HOLD_S
            log.warning("the clock was set", extra={"step_s": round(step_s), "holds_s": holds_s})
        return self._believed.doubted_s is None
