"""What a machine says of itself, in files as systems write them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xueliang_edge.machine import cpu_of, quota_of, read_machine

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Intel(R)  Xeon(R) Gold 6338 CPU @ 2.00GHz
flags\t\t: fpu vme sse4_2 avx avx2 fma avx512f avx512_vnni hypervisor
processor\t: 1
model name\t: something else
"""
ARM = (
    "processor\t: 0\nFeatures\t: fp asimd aes asimddp\nCPU part\t: 0xd0b\n\nModel\t\t: Raspberry Pi 5 Model B Rev 1.0\n"
)


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_processor_of_two_families() -> None:
    assert cpu_of(X86) == (
        "Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz",
        ("SSE4.2", "AVX", "AVX2", "FMA", "AVX-512", "AVX-512 VNNI"),
    )
    assert cpu_of(ARM) == ("Raspberry Pi 5 Model B Rev 1.0", ("NEON", "NEON dot product"))
    assert cpu_of("") == ("", ())


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("200000 100000", 2.0),
        ("50000 100000", 0.5),
        ("max 100000", None),
        ("-1 100000", None),
        ("", None),
        ("1 0", None),
    ],
)
def test_quota(text: str, cores: float | None) -> None:
    assert quota_of(text) == cores


def test_the_tightest_control_group_on_the_way_up_counts(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        {
            "proc/cpuinfo": X86,
            "proc/meminfo": "MemTotal:       16384000 kB\nMemFree: 1 kB\n",
            "proc/self/cgroup": "0::/edge.slice/node.service\n",
            "sys/fs/cgroup/edge.slice/cpu.max": "50000 100000",
            "sys/fs/cgroup/edge.slice/node.service/cpu.max": "max 100000",
            "sys/fs/cgroup/edge.slice/memory.max": "1073741824",
        },
    )
    machine = read_machine(root)
    assert machine.cores_usable == 0.5
    assert "0.5 by the control group's quota" in machine.cores_words
    assert machine.memory_bytes == 1_073_741_824
    assert machine.shm_bytes is None


def test_version_one_of_control_groups_is_read_too(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        {
            "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n9:memory:/docker/abc\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "25000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "536870912\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        },
    )
    machine = read_machine(root)
    assert machine.cores_usable == 0.25
    assert machine.memory_bytes == 536_870_912


def test_a_machine_that_says_nothing_has_the_cores_it_may_use(tmp_path: Path) -> None:
    machine = read_machine(tmp_path)
    assert machine.cores_usable == len(os.sched_getaffinity(0))
    assert machine.memory_bytes is None
    assert machine.instruction_sets == ()
