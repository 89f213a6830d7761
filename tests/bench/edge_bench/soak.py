"""Many streams for a long time: what leaks, what grows, how far apart the looks stay."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.edge_bench.accounting import Holdings, cpu_seconds, holdings
from tests.bench.edge_bench.figures import slope
from tests.bench.edge_bench.node_system import NodeSystem
from tests.bench.edge_bench.phases import FOLDER, NODE_SETTLES_S
from tests.bench.edge_bench.recipes import scene_of_camera
from tests.bench.edge_bench.report import plain_table
from tests.bench.edge_bench.serving import Cameras
from tests.bench.edge_bench.systems import SystemFailed

SAMPLE_EVERY_S: Final = 20.0
GROWTH_HEADER: Final = ("processes", "PSS MB, first", "last", "grown")
STEADY_AFTER_SHARE: Final = 1 / 3  # of the soak: minute 10 of 30


def run_soak(minutes: float, cameras: int, model: str) -> dict[str, float | None]:
    """The node on the mix; growth is the slope over the last two thirds, times their length. Raises SystemFailed."""
    shm_before = _shm_entries()
    with Cameras([scene_of_camera(number) for number in range(cameras)], "main", FOLDER) as server:
        node = NodeSystem("bench-soak", model, FOLDER)
        ended = threading.Event()
        sampler = threading.Thread(target=node.watch_gaps, args=(ended,), daemon=True)
        try:
            node.start(server.some(cameras))
            node.await_watching()
            time.sleep(NODE_SETTLES_S)
            sampler.start()
            samples, cpu_s, server_cpu_s = _sample(node, server, minutes * 60)
            if not node.is_running:
                raise SystemFailed("the node ended during the soak")
        finally:
            ended.set()
            node.stop()
        sampler.join()
        dropped = server.counts().dropped
    steady = [one for one in samples if one[0] >= STEADY_AFTER_SHARE * minutes * 60]
    first, last = steady[0][1], steady[-1][1]
    steady_s = steady[-1][0] - steady[0][0]
    growth = slope([(at_s, held.pss_mb) for at_s, held in steady])
    own_growth = slope([(at_s, held.pss_mb - held.file_mb) for at_s, held in steady])
    print(f"\n{plain_table(GROWTH_HEADER, growth_rows(steady))}")
    per_minute = cameras * minutes
    return {
        "soak_minutes": minutes,
        "soak_cameras": float(cameras),
        "soak_cpu_s_per_camera_minute": cpu_s / per_minute,
        "soak_server_cpu_s_per_camera_minute": server_cpu_s / per_minute,
        "soak_gap_p50_s": node.gaps.percentile_s(0.5),
        "soak_gap_p99_s": node.gaps.percentile_s(0.99),
        "soak_pss_growth_mb": None if growth is None else growth * steady_s,
        "soak_pss_growth_without_files_mb": None if own_growth is None else own_growth * steady_s,
        "soak_pss_last_mb": last.pss_mb,
        "soak_pss_mb_per_camera": (last.pss_mb - last.pss_mb_of.get("detector", 0.0)) / cameras,
        "soak_detect_ms": node.detect_ms,
        "soak_given_up_step": float(node.given_up),
        "soak_fds_grown": float(last.fds - first.fds),
        "soak_threads_grown": float(last.threads - first.threads),
        "soak_processes_grown": float(last.processes - first.processes),
        "soak_shm_grown_mb": last.shm_mb - first.shm_mb,
        "soak_shm_files_left": float(len(_shm_entries() - shm_before)),
        "soak_clients_dropped": float(dropped),
    }


def growth_rows(samples: Sequence[tuple[float, Holdings]]) -> list[list[str]]:
    """Where the memory went, a row a kind of process: PSS at the first and last sample, and grown.

    Grown is the slope over the samples times their length, as for all together: one sample at a busy moment, or just
    before the observation log gives its half hour back, does not decide it.
    """
    steady_s = samples[-1][0] - samples[0][0]
    rows = []
    for kind in sorted({kind for _, held in samples for kind in held.pss_mb_of}):
        held_mb = [(at_s, held.pss_mb_of.get(kind, 0.0)) for at_s, held in samples]
        growth = slope(held_mb)
        grown = "not known" if growth is None else f"{growth * steady_s:+.1f}"
        rows.append([kind, f"{held_mb[0][1]:.1f}", f"{held_mb[-1][1]:.1f}", grown])
    return rows


def _sample(node: NodeSystem, server: Cameras, seconds: float) -> tuple[list[tuple[float, Holdings]], float, float]:
    """Holdings by seconds since the beginning; CPU-seconds of the node and of the server."""
    began = time.monotonic()
    cpu_s, server_cpu_s = cpu_seconds(node.pids), cpu_seconds([server.pid])
    samples: list[tuple[float, Holdings]] = []
    while True:
        at_s = time.monotonic() - began
        samples.append((at_s, held := holdings(node.pids)))
        kinds = "  ".join(f"{kind} {mb:.1f}" for kind, mb in sorted(held.pss_mb_of.items()))
        things = f"{held.fds} fds  {held.threads} threads"
        print(f"  {at_s / 60:5.1f} min  PSS {held.pss_mb:7.1f} MB ({kinds})  {things}", flush=True)
        if at_s >= seconds:
            return samples, cpu_seconds(node.pids) - cpu_s, cpu_seconds([server.pid]) - server_cpu_s
        time.sleep(min(SAMPLE_EVERY_S, max(0.1, seconds - at_s)))


def _shm_entries() -> set[str]:
    folder = Path("/dev/shm")
    return {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
