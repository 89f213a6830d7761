"""Watches what may hang, and begins it anew: heartbeats of real progress, restart budgets. Handles numbers only.

A heartbeat is not a thread that still turns: it is a question that was answered. A worker that has had the same
question for longer than its patience is given up and replaced, as long as its budget lasts; after that it stays down,
the health page says so, and every look that needs it is *unknown*.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

log = logging.getLogger(__name__)

RESTARTS_AT_MOST: Final = 5  # FAULTS F06: a child restarts at most five times a minute; ours are dearer, so in ten
RESTARTS_WITHIN_S: Final = 600.0
CHECK_EVERY_S: Final = 1.0


@dataclass(slots=True)
class Watched:
    """One worker under supervision.

    Attributes:
        name: for logs and health.
        busy_since_mono_s: when the work in hand was begun; None: idle, which is well.
        restart: gives the worker up and begins a new one; may raise.
        patience_s: longer on one piece of work than this is hung.
    """

    name: str
    busy_since_mono_s: Callable[[], float | None]
    restart: Callable[[], None]
    patience_s: float
    restarts_mono_s: deque[float] = field(default_factory=deque)
    restarts_total: int = 0
    problem: str | None = None


class Supervisor:
    """A thread that looks once a second. `check` alone is one look, for tests."""

    def __init__(self, watched: tuple[Watched, ...], mono: Callable[[], float]) -> None:
        self.watched = watched
        self._mono = mono
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self, timeout_s: float = 2.0) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def check(self) -> None:
        """Restart what hangs and still has budget."""
        for worker in self.watched:
            since = worker.busy_since_mono_s()
            if since is None or self._mono() - since <= worker.patience_s:
                if worker.problem is not None and since is None:
                    worker.problem = None
                continue
            self._restart(worker)

    def _restart(self, worker: Watched) -> None:
        now = self._mono()
        while worker.restarts_mono_s and now - worker.restarts_mono_s[0] > RESTARTS_WITHIN_S:
            worker.restarts_mono_s.popleft()
        if len(worker.restarts_mono_s) >= RESTARTS_AT_MOST:
            self._say(worker, f"hangs again after {RESTARTS_AT_MOST} restarts in ten minutes; left down for now")
            return
        worker.restarts_mono_s.append(now)
        worker.restarts_total += 1
        self._say(worker, f"no answer for {worker.patience_s:g} s; begun anew")
        try:
            worker.restart()
        except Exception as error:
            log.exception("restart failed", extra={"worker": worker.name})
            worker.problem = f"could not be begun anew: {error}"

    def _say(self, worker: Watched, problem: str) -> None:
        if problem != worker.problem:
            log.error("worker hangs", extra={"worker": worker.name, "problem": problem})
        worker.problem = problem

    def _run(self) -> None:
        while not self._stop.wait(CHECK_EVERY_S):
            self.check()
