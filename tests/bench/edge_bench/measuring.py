"""One window: what systems cost while they watch, side by side with what the server sent them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from tests.bench.edge_bench.accounting import Holdings, cpu_seconds, holdings
from tests.bench.edge_bench.figures import cameras_per_core
from tests.bench.edge_bench.node_system import NodeSystem
from tests.bench.edge_bench.recipes import ENCODINGS
from tests.bench.edge_bench.serving import BenchCamera, Cameras, ServerCounts
from tests.bench.edge_bench.systems import Results, SystemUnderTest

STEADY_SHARE = 0.03  # of the pictures that were sent: fewer, and a peer looks cheaper than it is; more (what had
# piled up while it started), and it looks dearer

LATE_LOOKS = 1.5  # times the largest gap: a node whose looks are that late leaves work out, and looks cheaper too


@dataclass(frozen=True, slots=True)
class Cost:
    """What one system cost in one window. CPU is user + system of all its processes.

    Attributes:
        label: how the table names it.
        cameras, busy: how many it watched, and how many of them were busy.
        pictures_per_s, detections_per_s: per camera, where the system counts them.
        gap_p50_s, gap_p99_s: between two looks at a camera, of the node only; see `gaps.py` for `are_gaps_exact`.
        server_cpu_s: of the stream server, per camera-minute of all cameras watched in the window.
        server_late_p99_ms: how long after its time a picture left the server; beyond a few tens the server was starved.
        is_steady: it ran to the end and decoded as much as came, or its looks came in time; None: it does not say.
        other_cores: busy cores of the machine that were none of the bench's: they make every figure worse.
        alerts: that it raised since its start.
        detect_ms, given_up: of the node only; see `NodeSystem`.
    """

    label: str
    cameras: int
    busy: int
    window_s: float
    cpu_s_per_camera_minute: float
    server_cpu_s: float
    server_late_p99_ms: float | None
    mbit_per_camera: float
    held: Holdings
    pictures_per_s: float | None
    detections_per_s: float | None
    gap_p50_s: float | None
    gap_p99_s: float | None
    are_gaps_exact: bool
    is_steady: bool | None
    other_cores: float
    alerts: int
    detect_ms: float | None = None
    given_up: str = ""

    @property
    def cameras_per_core(self) -> float:
        return cameras_per_core(self.cpu_s_per_camera_minute) or float("inf")


@dataclass(frozen=True, slots=True)
class Watch:
    """One system and its cameras. `nominal_fps`: pictures a second it should decode; None: it does not count."""

    label: str
    system: SystemUnderTest
    cameras: Sequence[BenchCamera]
    nominal_fps: float | None = None


@dataclass(frozen=True, slots=True)
class _Mark:
    mono_s: float
    cpu_s: float
    server_cpu_s: float
    server: ServerCounts
    results: Results
    busy_s: float
    bench_s: float


def measure(server: Cameras, watches: Sequence[Watch], *, settle_s: float, window_s: float) -> list[Cost]:
    """Start all, wait until each watches, let them settle, measure all in one window, stop all.

    Raises:
        SystemFailed: one of them did not begin to watch.
    """
    with ExitStack() as stack:
        for watch in watches:
            stack.callback(watch.system.stop)
            watch.system.start(watch.cameras)
        for watch in watches:
            watch.system.await_watching()
        time.sleep(settle_s)
        return _window(server, watches, window_s)


def _window(server: Cameras, watches: Sequence[Watch], window_s: float) -> list[Cost]:
    ended = threading.Event()
    nodes = [watch.system for watch in watches if isinstance(watch.system, NodeSystem)]
    samplers = [threading.Thread(target=node.watch_gaps, args=(ended,), daemon=True) for node in nodes]
    for sampler in samplers:
        sampler.start()
    before = [_mark(server, watch) for watch in watches]
    time.sleep(window_s)
    after = [_mark(server, watch) for watch in watches]
    held = [holdings(watch.system.pids) for watch in watches]
    ended.set()
    for sampler in samplers:
        sampler.join()
    all_cameras = sum(len(watch.cameras) for watch in watches)
    return [
        _cost(watch, begin, end, has, all_cameras)
        for watch, begin, end, has in zip(watches, before, after, held, strict=True)
    ]


def _mark(server: Cameras, watch: Watch) -> _Mark:
    results = watch.system.results()
    counts = server.counts()
    return _Mark(
        time.monotonic(),
        cpu_seconds(watch.system.pids),
        cpu_seconds([server.pid]),
        counts,
        results,
        _machine_busy_s(),
        cpu_seconds([os.getpid()]),
    )


def _machine_busy_s() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0))


def _cost(watch: Watch, begin: _Mark, end: _Mark, held: Holdings, all_cameras: int) -> Cost:
    seconds = end.mono_s - begin.mono_s
    count = len(watch.cameras)
    streams = [f"{camera.camera_id}/{stream}" for camera in watch.cameras for stream in ("main", "sub")]
    sent = sum(end.server.sent_bytes[one] - begin.server.sent_bytes[one] for one in streams)
    counted_s = (end.results.counted_mono_s - begin.results.counted_mono_s) * count
    pictures = _rate(begin.results.pictures, end.results.pictures, counted_s)
    node = watch.system if isinstance(watch.system, NodeSystem) else None
    others_s = (end.busy_s - begin.busy_s) - (end.bench_s - begin.bench_s)
    return Cost(
        label=watch.label,
        cameras=count,
        busy=sum(camera.scene.is_busy for camera in watch.cameras),
        window_s=seconds,
        cpu_s_per_camera_minute=(end.cpu_s - begin.cpu_s) / count / seconds * 60,
        server_cpu_s=(end.server_cpu_s - begin.server_cpu_s) / all_cameras / seconds * 60,
        server_late_p99_ms=_late_p99_ms(begin.server.late_ms, end.server.late_ms),
        mbit_per_camera=sent * 8e-6 / count / seconds,
        held=held,
        pictures_per_s=pictures,
        detections_per_s=_rate(begin.results.detections, end.results.detections, counted_s),
        gap_p50_s=node.gaps.percentile_s(0.5) if node else None,
        gap_p99_s=node.gaps.percentile_s(0.99) if node else None,
        are_gaps_exact=node.gaps.is_exact if node else True,
        is_steady=_is_steady(watch, node, pictures, seconds),
        other_cores=max(0.0, others_s / seconds),
        alerts=len(watch.system.results().alerts),
        detect_ms=node.detect_ms if node else None,
        given_up=node.given_up.name.lower() if node and node.given_up else "",
    )


def _is_steady(watch: Watch, node: NodeSystem | None, pictures_per_s: float | None, window_s: float) -> bool | None:
    if not watch.system.is_running:
        return False
    if node is not None:
        gap_s = node.gaps.percentile_s(0.99)
        return None if gap_s is None or not node.gaps.is_exact else gap_s <= LATE_LOOKS * node.look_every_s
    if pictures_per_s is None or watch.nominal_fps is None:
        return None
    allowed = STEADY_SHARE * watch.nominal_fps + 1 / window_s
    return abs(pictures_per_s - watch.nominal_fps) <= allowed


def _late_p99_ms(begin: Mapping[int, int], end: Mapping[int, int]) -> float | None:
    late_ms = {at: end[at] - begin.get(at, 0) for at in sorted(end)}
    left = 0.99 * sum(late_ms.values())
    for at, count in late_ms.items():
        left -= count
        if left <= 0:
            return float(at)
    return None


def _rate(begin: int | None, end: int | None, per: float) -> float | None:
    return None if begin is None or end is None or per <= 0 else (end - begin) / per


MAIN_FPS = float(ENCODINGS["main"].fps)
KEY_FPS = MAIN_FPS / ENCODINGS["main"].gop
