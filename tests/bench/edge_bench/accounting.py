"""What a tree of processes costs: CPU-seconds, memory, file descriptors, threads, shared memory.

CPU is user + system of every process of the tree, with what children that ended had used: it moved to their parent when
that waited for them. A process that leaves the tree (a daemon) would be lost; none of the systems measured makes one.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

_SHM: Final = "/dev/shm/"
KINDS: Final = {
    "xueliang_edge.capture.child": "capture",
    "xueliang_edge.detector_child": "detector",
    "xueliang_edge.cli": "supervisor",
}
"""Which program of the node a process runs, by its `-m`."""
OTHER: Final = "other"
_BLOCK_BYTES: Final = 512  # unit of st_blocks, POSIX


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a tree holds at one moment.

    Attributes:
        pss_mb: proportional set size: private memory plus its share of what processes share; 10⁶ bytes.
        shm_mb: pages of files in /dev/shm that it has open, mapped or not. Those it mapped are in `pss_mb` too.
        fds, threads, processes: how many.
        pss_mb_of: `pss_mb` by what the processes are (`kind_of`).
        file_mb: the part of `pss_mb` that is pages of files: programs and libraries. It falls and rises with how many
            other processes of the machine use the same files.
    """

    pss_mb: float
    shm_mb: float
    fds: int
    threads: int
    processes: int
    pss_mb_of: Mapping[str, float] = field(default_factory=dict)
    file_mb: float = 0.0


def cpu_seconds(roots: Iterable[int]) -> float:
    """User + system seconds of these processes and all below them, since their start; those that ended count 0."""
    total = 0.0
    for process in _tree(roots):
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def holdings(roots: Iterable[int]) -> Holdings:
    """Memory and other things held by these processes and all below them."""
    fds = threads = processes = file_kb = 0
    pss_kb: Counter[str] = Counter()
    shm_files: dict[tuple[int, int], int] = {}
    for process in _tree(roots):
        with contextlib.suppress(psutil.Error, OSError):
            rollup = _rollup_kb(process.pid)
            pss_kb[kind_of(process.cmdline())] += rollup.get("Pss", 0)
            file_kb += rollup.get("Pss_File", 0)
            fds += process.num_fds()
            threads += process.num_threads()
            processes += 1
            shm_files |= _shm_files(process.pid)
    shm_mb = sum(shm_files.values()) / 1e6
    pss_mb_of = {kind: kilobytes * 1024 / 1e6 for kind, kilobytes in pss_kb.items()}
    return Holdings(sum(pss_mb_of.values()), shm_mb, fds, threads, processes, pss_mb_of, file_kb * 1024 / 1e6)


def kind_of(command: Sequence[str]) -> str:
    """Supervisor, capture, detector or other, by a process's command line."""
    return next((kind for module, kind in KINDS.items() if module in command), OTHER)


def _tree(roots: Iterable[int]) -> Iterator[psutil.Process]:
    for pid in roots:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(pid)
            yield root
            yield from root.children(recursive=True)


def _rollup_kb(pid: int) -> dict[str, int]:
    """What the kernel sums up over all mappings of a process, by its names."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines)}


def _shm_files(pid: int) -> dict[tuple[int, int], int]:
    """Bytes held by each file of /dev/shm this process has open, by device and inode; unlinked ones too."""
    found = {}
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(link.readlink()).startswith(_SHM):
                status = link.stat()
                found[status.st_dev, status.st_ino] = status.st_blocks * _BLOCK_BYTES
    return found
