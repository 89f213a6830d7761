"""File descriptors: counted before anything is started, so that no process runs out of them in the middle of its work.

The kernel's limit holds for each process and is inherited: a capture process needs most of them, two for each of its
cameras. A limit that may be raised is raised; one that may not be and does not do is refused with the arithmetic.
"""

from __future__ import annotations

import errno
import logging
import resource
from typing import Final

log = logging.getLogger(__name__)

OF_ITS_OWN: Final = 32
"""Of a process, whatever it does. Measured with four cameras: a node 15, a detector 9, a capture process 6 beside its
cameras; what comes on top for a while is visitors of the health page, a still, a child that is begun."""
A_CAMERA: Final = 2  # its main and its sub stream
A_CHILD: Final = 2  # of the node for each process: the line to it and, for a capture process, its shared memory


def provide(cameras_per_process: int, processes: int) -> None:
    """See to it that every process of a node may open what it needs.

    Args:
        cameras_per_process: of the largest capture process.
        processes: capture and detector processes.

    Raises:
        OSError: the limit is too low and may not be raised; the message says what is needed and what to do.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = needed_by(cameras_per_process, processes)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise OSError(errno.EMFILE, too_few(hard, cameras_per_process, processes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    log.info("limit of file descriptors raised", extra={"from": soft, "to": needed})


def needed_by(cameras_per_process: int, processes: int) -> int:
    """Of the process that needs most."""
    return OF_ITS_OWN + max(A_CAMERA * cameras_per_process, A_CHILD * processes)


def too_few(limit: int, cameras_per_process: int, processes: int) -> str:
    """What to tell who set the limit."""
    needed = needed_by(cameras_per_process, processes)
    raise_it = f"raise it (systemd: LimitNOFILE={needed}; shell: ulimit -n {needed})"
    if A_CHILD * processes >= A_CAMERA * cameras_per_process:
        return (
            f"a process may open {limit} files (RLIMIT_NOFILE), this node needs {needed}: {OF_ITS_OWN} of its own and "
            f"{A_CHILD} for each of its {processes} processes; {raise_it}, or give this node fewer cameras"
        )
    fitting = (limit - OF_ITS_OWN) // A_CAMERA
    fewer = f", or set node.processes.cameras_per_process to {fitting}" if fitting >= 1 else ""
    return (
        f"a process may open {limit} files (RLIMIT_NOFILE), a capture process of {cameras_per_process} cameras needs "
        f"{needed}: {OF_ITS_OWN} of its own and {A_CAMERA} for each camera; {raise_it}{fewer}"
    )
