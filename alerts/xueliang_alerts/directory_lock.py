"""One process per folder: an advisory lock that the kernel lets go of when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from xueliang_alerts.errors import SpoolBusy


def take_lock(directory: Path) -> int:
    """Returns the descriptor that holds the lock; close it to let go. Raises SpoolBusy, OSError."""
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise SpoolBusy(
            f"{directory}: this spool is in use by another process (pid {holder})\n"
            "hint: one node per data folder; stop that process, or give this node a folder of its own"
        ) from error
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    except OSError:
        pass  # a full disk: the lock holds all the same, only its owner's number is not written
    return descriptor
