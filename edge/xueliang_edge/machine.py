"""What machine this is: processor, cores that may be used, memory. Read from the system's own files.

Containers and services see all cores of the host and may use only some: affinity and control groups are honoured.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SETS: Final = (
    ("sse4_2", "SSE4.2"),
    ("avx", "AVX"),
    ("avx2", "AVX2"),
    ("fma", "FMA"),
    ("avx_vnni", "AVX-VNNI"),
    ("avx512f", "AVX-512"),
    ("avx512_vnni", "AVX-512 VNNI"),
    ("avx512_bf16", "AVX-512 BF16"),
    ("amx_int8", "AMX INT8"),
    ("amx_bf16", "AMX BF16"),
    ("asimd", "NEON"),
    ("asimddp", "NEON dot product"),
    ("i8mm", "NEON int8 matrix"),
    ("bf16", "NEON BF16"),
    ("sve", "SVE"),
)
"""The kernel's names of what decoders and networks gain by, and what people call them."""
_UNLIMITED_BYTES: Final = 1 << 60  # version 1 of control groups writes a number near 2**63 for "no limit"


@dataclass(frozen=True, slots=True)
class Machine:
    """One machine as this process sees it.

    Attributes:
        cores_usable: what may be used at a time; a quota gives a fraction.
        cores_words: how that number comes about.
        memory_bytes: of the machine, or what the control group allows.
        shm_bytes, shm_free_bytes: of /dev/shm; None: there is none.
    """

    cpu_model: str
    instruction_sets: tuple[str, ...]
    cores_online: int
    cores_usable: float
    cores_words: str
    memory_bytes: int | None
    shm_bytes: int | None
    shm_free_bytes: int | None


def read_machine(root: Path = Path("/")) -> Machine:
    """This machine; `root` is where /proc, /sys and /dev are looked for."""
    model, sets = cpu_of(_text(root / "proc/cpuinfo"))
    online = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else online
    quota = min(_quotas(root), default=None)
    words = f"{online} online"
    if allowed < online:
        words += f", {allowed} by affinity"
    if quota is not None and quota < allowed:
        words += f", {quota:g} by the control group's quota"
    total, free = _shm(root / "dev/shm")
    return Machine(
        model or platform.processor() or platform.machine(),
        sets,
        online,
        float(allowed) if quota is None else min(float(allowed), quota),
        words,
        _memory_bytes(root),
        total,
        free,
    )


def cpu_of(cpuinfo: str) -> tuple[str, tuple[str, ...]]:
    """Model and instruction sets out of /proc/cpuinfo; empty where it does not say."""
    model, flags = "", frozenset[str]()
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model") and not model:
            model = " ".join(value.split())
        elif name.strip() in ("flags", "Features") and not flags:
            flags = frozenset(value.split())
    return model, tuple(shown for flag, shown in SETS if flag in flags)


def quota_of(cpu_max: str) -> float | None:
    """Cores by a cpu.max file of version 2 ("200000 100000"); None: no limit, or not readable."""
    parts = cpu_max.split()
    if len(parts) != 2 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        return None
    return int(parts[0]) / int(parts[1])


def _quotas(root: Path) -> Iterator[float]:
    for folder in _groups(root, "cpu"):
        found = quota_of(_text(folder / "cpu.max"))
        if found is None:
            old = f"{_text(folder / 'cpu.cfs_quota_us').strip()} {_text(folder / 'cpu.cfs_period_us').strip()}"
            found = quota_of(old)
        if found is not None:
            yield found


def _memory_bytes(root: Path) -> int | None:
    found: list[int] = []
    for line in _text(root / "proc/meminfo").splitlines():
        name, _, value = line.partition(":")
        if name == "MemTotal" and value.split()[:1] and value.split()[0].isdecimal():
            found.append(int(value.split()[0]) * 1024)
    for folder in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _text(folder / name).strip()
            if text.isdecimal() and int(text) < _UNLIMITED_BYTES:
                found.append(int(text))
    return min(found, default=None)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's control groups for one controller, from its own up to the top."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            top = root / "sys/fs/cgroup"
        elif controller in controllers.split(","):
            top = root / "sys/fs/cgroup" / controllers
        else:
            continue
        parts = [part for part in path.split("/") if part not in ("", "..")]
        for length in range(len(parts), -1, -1):
            yield top.joinpath(*parts[:length])


def _shm(folder: Path) -> tuple[int | None, int | None]:
    try:
        held = os.statvfs(folder)
    except OSError:
        return None, None
    return held.f_frsize * held.f_blocks, held.f_frsize * held.f_bavail


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
