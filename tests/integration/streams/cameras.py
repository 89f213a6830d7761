"""What the tests of this folder share: real clocks, sources that are surely closed, waiting for a condition."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from xueliang_streams import (
    Backoff,
    DecodingSource,
    Frame,
    FrameSource,
    SourceHealth,
    SourceSettings,
    SourceState,
    open_source,
)
from xueliang_streams.opening import ReaderChoice

QUICK = Backoff(first_s=0.2, cap_s=0.5)
"""So that reconnects fit into a test."""


def wall() -> datetime:
    return datetime.now(UTC)


def mono() -> float:
    return time.monotonic()


@contextmanager
def opened(
    url: str,
    *,
    settings: SourceSettings | None = None,
    backoff: Backoff = QUICK,
    camera_id: str = "gate-3",
    reader: ReaderChoice = "auto",
    tls: ssl.SSLContext | None = None,
) -> Iterator[DecodingSource]:
    source = open_source(
        camera_id,
        url,
        wall=wall,
        mono=mono,
        settings=settings,
        backoff=backoff,
        rng=Random(1),
        reader=reader,
        tls=tls,
    )
    source.start()
    try:
        yield source
    finally:
        source.close()


def wait_for(condition: Callable[[], bool], what: str, seen: Callable[[], object], within_s: float = 20) -> None:
    """Until the condition holds; else fail and say what was seen instead."""
    deadline_mono_s = mono() + within_s
    while not condition():
        assert mono() < deadline_mono_s, f"{what}: not within {within_s} s, seen instead: {seen()}"
        time.sleep(0.02)


def wait_for_state(source: FrameSource, *states: SourceState, within_s: float = 20) -> SourceHealth:
    wait_for(lambda: source.health().state in states, f"state {states}", source.health, within_s)
    return source.health()


def frames_of(source: FrameSource, count: int, *, newer_than: int = 0, within_s: float = 20) -> list[Frame]:
    frames: list[Frame] = []
    deadline_mono_s = mono() + within_s
    while len(frames) < count:
        assert mono() < deadline_mono_s, f"{len(frames)} of {count} frames within {within_s} s, {source.health()}"
        frame = source.next_frame(newer_than, timeout_s=1)
        if frame is not None:
            newer_than = frame.sequence
            frames.append(frame)
    return frames


def newest_of(source: FrameSource) -> Frame:
    frame = source.next_frame(0, timeout_s=5)
    assert frame is not None, source.health()
    return frame


@contextmanager
def scripted_peer(talk: Callable[[socket.socket], None], port: int = 0) -> Iterator[int]:
    """Something on a port that is no camera: `talk` has each connection in turn. Yields the port."""
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(0.1)
    stopping = threading.Event()

    def serve() -> None:
        while not stopping.is_set():
            try:
                peer, _ = listener.accept()
            except TimeoutError:
                continue
            with peer:
                peer.settimeout(5)
                try:
                    talk(peer)
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        stopping.set()
        thread.join()
        listener.close()


def open_descriptors() -> list[str]:
    return [str(entry) for entry in Path("/proc/self/fd").iterdir()]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port
