"""Nemeses of F19: every fsync takes two seconds, from outside (strace) or from inside (this process)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil
import pytest

from tests.support.brokers import wait_until

FSYNC_S = 2.0


@cache
def may_trace() -> bool:
    """There is strace here, and it may attach to a process of ours."""
    if shutil.which("strace") is None:
        return False
    with subprocess.Popen(["sleep", "10"]) as probed:
        try:
            tracer = subprocess.Popen(["strace", "-o", os.devnull, f"-p{probed.pid}"], stderr=subprocess.PIPE)
            assert tracer.stderr is not None
            return b"attached" in tracer.stderr.readline()
        finally:
            probed.kill()
            tracer.communicate(timeout=10)


@contextmanager
def traced(pid: int, folder: Path, *, delay_s: float) -> Iterator[None]:
    """Every fsync of a process and of its children returns `delay_s` late; with 0 they are only watched: the same cost
    of tracing without the fault.

    Skips where that cannot be done.
    """
    if not may_trace():
        pytest.skip("there is no strace here, or it may not attach: fsync cannot be delayed from outside")
    log = folder / f"strace-{delay_s:g}.log"
    pids = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    command = ["strace", "-f", "-o", os.devnull, "-e", "trace=fsync,fdatasync"]
    if delay_s:
        command += ["-e", f"inject=fsync,fdatasync:delay_exit={round(delay_s * 1e6)}"]
    with log.open("wb") as told:
        tracer = subprocess.Popen([*command, *(f"-p{one}" for one in pids)], stdin=subprocess.DEVNULL, stderr=told)
    try:
        wait_until(
            lambda: log.read_text().count("attached") >= len(pids),
            what=f"strace attaches: {log.read_text()}",
            timeout_s=20,
        )
        yield
    finally:
        if tracer.poll() is None:
            tracer.send_signal(signal.SIGINT)  # it lets go of the processes and ends
        tracer.wait(20)


@contextmanager
def sleeping_fsync(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every fsync of this process takes two seconds longer."""
    fsync = os.fsync

    def slow(descriptor: int) -> None:
        time.sleep(FSYNC_S)
        fsync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", slow)
        yield
