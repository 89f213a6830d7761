"""Cameras read through the product's door, by either reader, and what a test asks of them.

`READERS` is the parameter of every row, `READERS_IN_TURN` of long ones; `only_own(reason)` leaves libav out where it
cannot meet a row.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Literal

import psutil
import pytest

from tests.integration.streams.cameras import QUICK, mono, wall
from xueliang_streams import Backoff, DecodingSource, Frame, FrameSource, Mono, SourceSettings, open_source
from xueliang_streams.reconnects import Reconnects

IS_FULL = os.environ.get("XUELIANG_FAULTS") == "full"
"""Full counts (`./run faults --full`); otherwise the reduced ones of every CI run."""

Reader = Literal["auto", "own", "libav"]
READERS: tuple[Reader, ...] = ("own", "libav")


_NOT_IN_CI = pytest.mark.skipif(not IS_FULL, reason="slow rows on the second reader run with XUELIANG_FAULTS=full")
READERS_IN_TURN: tuple[Any, ...] = ("own", pytest.param("libav", marks=_NOT_IN_CI))
"""For rows that take long: the second reader only with full counts."""


def only_own(reason: str) -> tuple[Any, ...]:
    """The readers of a row that libav's cannot meet."""
    return ("own", pytest.param("libav", marks=pytest.mark.skip(reason=f"libav's reader {reason}")))


def counted(reduced: int, full: int) -> int:
    """How often, by tier."""
    return full if IS_FULL else reduced


@contextmanager
def watching(
    url: str,
    reader: Reader,
    *,
    camera_id: str = "gate-3",
    settings: SourceSettings | None = None,
    backoff: Backoff = QUICK,
    clock: Mono = mono,
    seed: int = 1,
    reconnects: Reconnects | None = None,
) -> Iterator[DecodingSource]:
    """A started source that is surely closed."""
    source = open_source(
        camera_id,
        url,
        wall=wall,
        mono=clock,
        settings=settings,
        backoff=backoff,
        rng=Random(seed),
        reader=reader,
        reconnects=reconnects,
    )
    source.start()
    try:
        yield source
    finally:
        source.close()


@contextmanager
def watching_all(urls: list[str], reader: Reader, **settings: Any) -> Iterator[list[DecodingSource]]:
    """Several cameras at a time; they are closed at a time too."""
    with ExitStack() as stack:
        sources = [
            stack.enter_context(watching(url, reader, camera_id=f"camera-{index}", seed=index, **settings))
            for index, url in enumerate(urls)
        ]
        yield sources
        closers = [threading.Thread(target=source.close) for source in sources]
        for closer in closers:
            closer.start()
        for closer in closers:
            closer.join()


@dataclass(frozen=True, slots=True)
class Taken:
    """A frame, and when it was taken from its source."""

    frame: Frame
    mono_s: float
    at: datetime


def taken_during(source: FrameSource, seconds: float, *, newer_than: int = 0) -> list[Taken]:
    """What is handed out in this time to somebody who always waits for the next frame."""
    taken: list[Taken] = []
    until_mono_s = mono() + seconds
    while (left_s := until_mono_s - mono()) > 0:
        frame = source.next_frame(newer_than, timeout_s=left_s)
        if frame is not None:
            newer_than = frame.sequence
            taken.append(Taken(frame, mono(), wall()))
    return taken


def all_taken_during(sources: Sequence[FrameSource], seconds: float) -> list[list[Taken]]:
    """The same from several sources at a time; frames from before are left out."""
    with ThreadPoolExecutor(len(sources)) as pool:
        return list(pool.map(lambda source: taken_during(source, seconds, newer_than=newest_sequence(source)), sources))


def newest_sequence(source: FrameSource) -> int:
    """Of the newest frame so far; 0 when there is none."""
    frame = source.next_frame(0, timeout_s=0)
    return frame.sequence if frame is not None else 0


class FastClock:
    """Monotonic seconds that run `rate` times as fast: ten minutes of waiting in half a minute of test."""

    def __init__(self, rate: float) -> None:
        self._rate, self._began_s = rate, time.monotonic()

    def __call__(self) -> float:
        return self._began_s + (time.monotonic() - self._began_s) * self._rate


class PeakMemory:
    """The largest resident set of this process while inside `with`, looked at every 10 ms; bytes above the start."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._look, name="peak-memory", daemon=True)
        self.began_bytes = self.peak_bytes = 0

    @property
    def growth_mb(self) -> float:
        """Peak above the start, in MB (10^6)."""
        return (self.peak_bytes - self.began_bytes) / 1e6

    def __enter__(self) -> PeakMemory:
        self.began_bytes = self.peak_bytes = self._process.memory_info().rss
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stopping.wait(0.01):
            self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)


def rss_mb() -> float:
    """Resident set of this process, MB (10^6)."""
    return float(psutil.Process().memory_info().rss) / 1e6


def held() -> tuple[int, int]:
    """File descriptors and threads of this process."""
    return psutil.Process().num_fds(), threading.active_count()


def eventually(condition: Callable[[], bool], within_s: float) -> bool:
    """Whether it becomes true in time."""
    until_mono_s = mono() + within_s
    while not condition():
        if mono() > until_mono_s:
            return False
        time.sleep(0.02)
    return True
