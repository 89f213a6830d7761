"""Every camera of a table looked at, several at a time, each within its deadline.

Invariants
    - At most AT_ONCE cameras at a time, at most A_HOST of one host: a recorder serves few clients at once.
    - A login that a host refused is not tried there again, and the first try with it is made alone: recorders lock
      accounts after a handful of failures.
    - Pictures are handed on as they come and kept no longer: memory is bounded whatever the table's length.
"""

from __future__ import annotations

import logging
import threading
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from xueliang_edge.importing.addresses import Address
from xueliang_edge.importing.rows import WantedCamera
from xueliang_edge.importing.stills import Reduced, reduce
from xueliang_edge.offers import SubFit, sub_fit
from xueliang_streams.errors import CameraRefusedLogin, StreamError
from xueliang_streams.frame import Planes
from xueliang_streams.probe import CLOCK_WAIT_S, Offer, probe_with_pictures
from xueliang_streams.redaction import redact_text

log = logging.getLogger(__name__)

AT_ONCE: Final = 16
A_HOST: Final = 8
TIMEOUT_S: Final = 12.0
"""For each stream. Two GOPs of the usual 2 s take 6 s, a sender report as long."""


@dataclass(frozen=True, slots=True)
class Found:
    """One camera, looked at.

    Attributes:
        main: None: it could not be opened; `problem` says why, without a password.
        sub: None: none given, or not opened; `sub_problem` says why.
        fit: whether the sub stream serves.
        pictures: of the main stream, brought down to what a still needs; None: too few came.
    """

    camera: WantedCamera
    main: Offer | None
    problem: str | None = None
    sub: Offer | None = None
    sub_problem: str | None = None
    fit: SubFit | None = None
    pictures: Reduced | None = None


@dataclass(slots=True)
class _Login:
    """One login at one host. `lock` is held by whoever makes the first try with it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    is_tried: bool = False
    refused_row: int | None = None


class Looker:
    """Looks at cameras. `wall` and `mono`: the clocks."""

    def __init__(
        self,
        *,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
        timeout_s: float = TIMEOUT_S,
        at_once: int = AT_ONCE,
        clock_wait_s: float = CLOCK_WAIT_S,
    ) -> None:
        self._wall, self._mono = wall, mono
        self._timeout_s, self._at_once, self._clock_wait_s = timeout_s, at_once, clock_wait_s
        self._lock = threading.Lock()
        self._places: defaultdict[str, threading.Semaphore] = defaultdict(lambda: threading.Semaphore(A_HOST))
        self._logins: defaultdict[tuple[str, str], _Login] = defaultdict(_Login)

    def look_at(self, cameras: Sequence[WantedCamera]) -> Iterator[Found]:
        """Each camera once, in the order in which they are done."""
        waiting = iter(_hosts_in_turn(cameras))
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="probe") as pool:
            running: set[Future[Found]] = set()
            try:
                while True:
                    # As many again may wait finished: whoever takes them decides how fast this goes.
                    while len(running) < 2 * self._at_once and (camera := next(waiting, None)) is not None:
                        running.add(pool.submit(self._look_safely, camera))
                    if not running:
                        return
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield future.result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def longest_s(self, cameras: Sequence[WantedCamera]) -> float:
        """When every stream takes all the time it may: a bound for who waits."""
        taken_s: defaultdict[str, float] = defaultdict(float)
        for camera in cameras:
            taken_s[camera.main.host] += self._timeout_s * (1 if camera.sub is None else 2)
        by_host_s = max((host_s / min(A_HOST, self._at_once) for host_s in taken_s.values()), default=0.0)
        return max(by_host_s, sum(taken_s.values()) / self._at_once) + 2 * self._timeout_s

    def _look_safely(self, camera: WantedCamera) -> Found:
        try:
            return self._look(camera)
        except Exception as error:  # a defect must not end the look at all the others
            trace = redact_text(traceback.format_exc())
            log.error("camera could not be looked at", extra={"camera_id": camera.camera_id, "trace": trace})
            return Found(camera, None, f"{camera.main.opened}: the look failed ({type(error).__name__})")

    def _look(self, camera: WantedCamera) -> Found:
        main, pictures, problem = self._open(camera.main, camera.row, self._clock_wait_s)
        reduced = reduce(pictures)
        del pictures  # ten megabytes and more, and the sub stream takes its time
        if main is None or camera.sub is None:
            return Found(camera, main, problem, pictures=reduced)
        sub, _, sub_problem = self._open(camera.sub, camera.row, 0.0)
        fit = sub_fit(main, sub) if sub else None
        return Found(camera, main, None, sub, sub_problem, fit, reduced)

    def _open(
        self, address: Address, row: int, clock_wait_s: float
    ) -> tuple[Offer | None, tuple[Planes, ...], str | None]:
        with self._lock:
            place = self._places[address.host]
            login = self._logins[address.host, address.login.get_secret_value()]
        with ExitStack() as turn:
            turn.enter_context(place)
            first = turn.enter_context(ExitStack())
            first.enter_context(login.lock)
            if login.is_tried:
                first.close()
            if login.refused_row is not None:
                words = f"not tried: row {login.refused_row} was refused with the same login there"
                return None, (), f"{address.opened}: {words}"
            try:
                offer, pictures = probe_with_pictures(
                    address.opened.reveal(),
                    timeout_s=self._timeout_s,
                    wall=self._wall,
                    mono=self._mono,
                    clock_wait_s=clock_wait_s,
                )
            except CameraRefusedLogin as error:
                login.refused_row = row
                return None, (), str(error)
            except StreamError as error:
                return None, (), str(error)
            finally:
                login.is_tried = True
        return offer, pictures, None


def _hosts_in_turn(cameras: Sequence[WantedCamera]) -> list[WantedCamera]:
    """So that the many channels of one recorder do not hold up all the others."""
    seen: Counter[str] = Counter()
    turns = []
    for camera in cameras:
        turns.append((seen[camera.main.host], camera.row, camera))
        seen[camera.main.host] += 1
    return [camera for _, _, camera in sorted(turns, key=lambda turn: turn[:2])]
