"""Limits put on a running process and its children: CPU, number of processes and threads, descriptors."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.support.brokers import wait_until

CGROUPS = Path("/sys/fs/cgroup")
PERIOD_US = 100_000


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    parent = psutil.Process(pid)
    return [parent, *parent.children(recursive=True)]


@contextmanager
def cpu_share(pid: int, share: float) -> Iterator[str]:
    """All of them together get this share of one core; says how that is done.

    Where no control group may be made they are stopped and let go on in turns, ten times a second: what a quota of the
    kernel does, roughly.
    """
    quota_us = round(share * PERIOD_US)
    group = _made("cpu", {"cpu.max": f"{quota_us} {PERIOD_US}", "cpu.cfs_quota_us": str(quota_us)})
    if group is not None:
        with _inside(group, pid):
            yield f"cgroup {group}"
        return
    ended = threading.Event()
    turns = threading.Thread(target=_take_turns, args=(pid, share, ended))
    turns.start()
    try:
        yield "SIGSTOP and SIGCONT in turns: no cgroup may be made here"
    finally:
        ended.set()
        turns.join()


@contextmanager
def no_more_processes(pid: int) -> Iterator[bool]:
    """None of them can begin a process or a thread; False where that cannot be arranged."""
    group = _made("pids", {"pids.max": "1"})
    if group is None:
        yield False
        return
    with _inside(group, pid):
        yield True


@contextmanager
def no_more_processes_of_its_user(pid: int, as_user: Sequence[str]) -> Iterator[None]:
    """The same by RLIMIT_NPROC, where no control group may be made. The kernel does not hold it against root.

    `as_user`: starts a program as the user of the process, who may change its limits.
    """
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    before = next(line.split()[2] for line in limits if line.startswith("Max processes"))
    pids = [one.pid for one in family(pid)]
    for one in pids:
        subprocess.run([*as_user, "prlimit", f"--pid={one}", "--nproc=1:"], check=True)
    try:
        yield
    finally:
        for one in pids:  # some have ended meanwhile
            subprocess.run([*as_user, "prlimit", f"--pid={one}", f"--nproc={before}:"], stderr=subprocess.DEVNULL)


@contextmanager
def no_more_descriptors(pid: int) -> Iterator[None]:
    """The process can open nothing: the limit is a number, so it is put at the lowest one that is free."""
    held = {int(path.name) for path in Path(f"/proc/{pid}/fd").iterdir()}
    lowest_free = next(number for number in range(len(held) + 1) if number not in held)
    soft, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, hard))


def _made(controller: str, limits: dict[str, str]) -> Path | None:
    """An empty control group (version 2 or 1) with that one of the limits it knows; None where it may not be made."""
    for parent in (CGROUPS, CGROUPS / controller):
        if not (parent / "cgroup.procs").exists():
            continue
        group = parent / f"xueliang-test-{os.getpid()}"
        with suppress(OSError):
            group.mkdir()
            name = next((one for one in limits if (group / one).exists()), None)
            if name is not None:
                (group / name).write_text(limits[name])
                return group
            group.rmdir()
    return None


@contextmanager
def _inside(group: Path, pid: int) -> Iterator[None]:
    """The family is moved into the group, and out again with whatever it began meanwhile."""
    try:
        _move([one.pid for one in family(pid)], group)
        yield
    finally:
        members = [int(one) for one in (group / "cgroup.procs").read_text().split()]
        with suppress(OSError):
            _move(members, group.parent)
        wait_until(lambda: not (group / "cgroup.procs").read_text(), what="the group is empty", timeout_s=5)
        group.rmdir()


def _move(pids: Iterable[int], group: Path) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            (group / "cgroup.procs").write_text(str(pid))


def _take_turns(pid: int, share: float, ended: threading.Event) -> None:
    period_s = PERIOD_US / 1e6
    while not ended.is_set():
        _signal_all(pid, signal.SIGSTOP)
        ended.wait(period_s * (1 - share))
        _signal_all(pid, signal.SIGCONT)
        ended.wait(period_s * share)


def _signal_all(pid: int, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        for one in family(pid):
            with suppress(psutil.NoSuchProcess):
                one.send_signal(number)
