"""What a process holds: descriptors, threads, shared memory, children. For tests that nothing is left behind."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Holdings:
    descriptors: int
    threads: int
    shared_memory_maps: int
    children: int

    @classmethod
    def now(cls) -> Holdings:
        """Of this process (Linux)."""
        maps = Path("/proc/self/maps").read_text()
        return cls(
            descriptors=len(list(Path("/proc/self/fd").iterdir())),
            threads=threading.active_count(),
            shared_memory_maps=sum("/dev/shm/" in line for line in maps.splitlines()),
            children=len(psutil.Process().children()),
        )


def pss_mb(pid: int | None = None) -> float:
    """Memory of a process in MiB, what it shares with others counted in parts (Linux)."""
    lines = Path(f"/proc/{pid or os.getpid()}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024
