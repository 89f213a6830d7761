"""What the allocator keeps is bounded, in the node and in its children; elsewhere than glibc nothing is done."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys

import pytest

from xueliang_edge.allocator import ALLOCATOR_ENVIRONMENT, ARENAS, give_back, give_back_all

IS_GLIBC = hasattr(ctypes.CDLL(None), "gnu_get_libc_version")
NOT_GLIBC = "another C library: it has no arenas of this kind"

COUNT_ARENAS = """
import ctypes, sys, tempfile, threading
from xueliang_edge.allocator import keep_arenas_few
if sys.argv[1] == "few":
    keep_arenas_few()
ready = threading.Barrier(13)
def hold():
    held = [bytes(3_000) for _ in range(50)]
    ready.wait()
    ready.wait()
threads = [threading.Thread(target=hold) for _ in range(12)]
for thread in threads:
    thread.start()
ready.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as told:
    file = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(told.read().count(b"<heap nr="))
ready.wait()
"""


def arenas_of_twelve_threads(how: str, environment: dict[str, str]) -> int:
    """In a process of its own."""
    paths = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", COUNT_ARENAS, how],
        env=os.environ | {"PYTHONPATH": paths} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return int(done.stdout)


@pytest.mark.skipif(not IS_GLIBC, reason=NOT_GLIBC)
@pytest.mark.parametrize(
    ("how", "environment"),
    [("few", {}), ("as begun", ALLOCATOR_ENVIRONMENT)],
    ids=["a program begun by others", "a child"],
)
def test_many_threads_share_few_arenas(how: str, environment: dict[str, str]) -> None:
    assert arenas_of_twelve_threads(how, environment) <= ARENAS


@pytest.mark.skipif(not IS_GLIBC, reason=NOT_GLIBC)
def test_without_it_threads_have_more_arenas_so_that_the_count_says_something() -> None:
    assert arenas_of_twelve_threads("as begun", {"MALLOC_ARENA_MAX": "64"}) > ARENAS


@pytest.mark.skipif(not IS_GLIBC, reason=NOT_GLIBC)
def test_what_lies_free_is_handed_back() -> None:
    many = [b"x" * size for size in range(2_000, 22_000)]  # 240 MB; the last one stays, above what lies free
    last = many[-1]
    before_mb = _resident_mb()
    del many
    give_back()
    assert _resident_mb() < before_mb - 100, "nothing was handed back"
    assert len(last) == 21_999


def test_what_python_keeps_of_small_objects_is_handed_back_too() -> None:
    give_back_all()
    many = [[tuple(range(length)) for _ in range(2_000)] for length in range(5, 15)]
    del many
    kept = sys.getallocatedblocks()
    give_back_all()
    assert kept - sys.getallocatedblocks() > 10_000, "ten lengths of tuples, 2,000 of each were kept"


def _resident_mb() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
