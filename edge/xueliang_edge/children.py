"""Child programs of a node: started, spoken to, and ended for sure.

Invariants
    - What a child must know comes as the first message over its line, never on its command line or in its environment.
    - No call waits for a child longer than it says. A message that does not go through at once is not sent.
    - A child never outlives its node: Linux kills it with its parent, whatever it is doing; elsewhere, and while it
      starts, the end of the line ends it.
    - What a child says is rebuilt from plain values only (`_Careful`): a child that a hostile stream took over gets no
      code run in the supervisor.
    - A child that ended is waited for: no zombie, no descriptor is left.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import enum
import errno
import io
import logging
import os
import pickle
import select
import signal
import socket
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from xueliang_edge.allocator import ALLOCATOR_ENVIRONMENT
from xueliang_edge.errors import ChildGone
from xueliang_edge.logs import log_to_stderr

STUCK_S: Final = 2  # one read or write of a message that already began; a stopped child must not stop its node
FIRST_MESSAGE_S: Final = 30.0
BUFFER_BYTES: Final = 1 << 20  # each way; the kernel gives what it allows, usually twice 208 kB
MESSAGE_LIMIT_BYTES: Final = 16 << 20  # a still is 0.4 MB at most
REAP_S: Final = 2.0  # after SIGKILL; only a process in the middle of a disk or driver call takes longer
OOM_SCORE: Final = 300  # the kernel, short of memory, takes a child, which is begun anew, before the node
_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h

_PLAIN: Final = frozenset(
    {
        ("builtins", "set"),
        ("builtins", "frozenset"),
        ("builtins", "bytearray"),
        ("collections", "Counter"),
        ("collections", "deque"),
        ("datetime", "datetime"),
        ("datetime", "timedelta"),
        ("datetime", "timezone"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
    }
)

# One thread a child: the pools of these libraries would only cost memory, and so would many arenas.
_CHILD_ENVIRONMENT: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"} | ALLOCATOR_ENVIRONMENT

# Linux ends a child with the *thread* that started it: so one thread starts them all and lives as long as the process.
_STARTER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="children")


class _Careful(pickle.Unpickler):
    """Rebuilds numbers, texts, times, arrays, and this house's own dataclasses and enumerations; nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return super().find_class(module, name)
        if module.startswith("xueliang_") and "." not in name:
            found = super().find_class(module, name)
            if isinstance(found, type) and (dataclasses.is_dataclass(found) or issubclass(found, enum.Enum)):
                return found
        raise pickle.UnpicklingError(f"a child may not send {module}.{name}")


class _Packer(pickle.Pickler):
    """Writes enumerations by value: early releases of Python 3.11 name `getattr` for them, which no child may send."""

    def reducer_override(self, obj: object) -> Any:
        return (type(obj), (obj.value,)) if isinstance(obj, enum.Enum) else NotImplemented


def _packed(message: object) -> bytes:
    into = io.BytesIO()
    _Packer(into, protocol=pickle.HIGHEST_PROTOCOL).dump(message)
    return into.getvalue()


class Line:
    """One end of the connection between a node and its child: small messages, both ways; one user an end."""

    def __init__(self, fd: int, *, is_careful: bool) -> None:
        """Takes over `fd`. `is_careful`: believe nothing but plain values (the supervisor's end)."""
        self._connection = Connection(fd)
        self._is_careful = is_careful

    def fileno(self) -> int:
        """For `multiprocessing.connection.wait` and friends; -1 when closed."""
        return -1 if self._connection.closed else self._connection.fileno()

    def send(self, message: object, timeout_s: float | None = 0.0) -> bool:
        """False: the other end takes nothing for so long (None: for ever); nothing was sent.

        Raises:
            ChildGone: nobody is at the other end, or it got stuck in the middle of this message.
        """
        try:
            if not self._is_ready(select.POLLOUT, timeout_s):
                return False
            self._connection.send_bytes(_packed(message))
        except OSError as error:
            raise ChildGone(f"the line broke while sending ({error.strerror or error})") from error
        return True

    def receive(self, timeout_s: float | None = 0.0) -> object | None:
        """The next message; None when none came for so long (None: wait for ever).

        Raises:
            ChildGone: the line ended, stuck in the middle of a message, or brought what it may not bring.
        """
        try:
            if not self._is_ready(select.POLLIN, timeout_s):
                return None
            data = self._connection.recv_bytes(MESSAGE_LIMIT_BYTES)
            message: object = _Careful(io.BytesIO(data)).load() if self._is_careful else pickle.loads(data)  # noqa: S301 - from our own parent
        except EOFError:
            raise ChildGone("the line was closed") from None
        except OSError as error:
            raise ChildGone(f"the line broke while receiving ({error.strerror or error})") from error
        except Exception as error:  # whatever unpickling throws at bytes that no program of ours wrote
            raise ChildGone(f"a message could not be understood: {error}") from error
        return message

    def close(self) -> None:
        self._connection.close()

    def _is_ready(self, event: int, timeout_s: float | None) -> bool:
        # Linux calls a socket of this kind writable while at most a quarter of its buffer is taken, and our messages to
        # children are far smaller than the rest: the write that follows does not wait.
        waiting = select.poll()
        waiting.register(self.fileno(), event)
        return bool(waiting.poll(None if timeout_s is None else max(0.0, timeout_s) * 1000))


class Child:
    """A running child program, from the parent's side. Belongs to one thread."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], line: Line) -> None:
        """Use `start`."""
        self.name = name
        self.line = line
        self._process = process

    @classmethod
    def start(cls, module: str, settings: object, *, name: str, fds: Sequence[int] = ()) -> Child:
        """Begin `python -m module`, hand it the descriptors (under the same numbers) and its settings.

        Raises:
            OSError: no process, descriptor or memory for it. Nothing is left open then.
        """
        ours, theirs = socket.socketpair()
        try:
            for end in (ours, theirs):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
            for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                ours.setsockopt(socket.SOL_SOCKET, option, struct.pack("@ll", STUCK_S, 0))
            process = _STARTER.submit(_spawn, module, name, theirs.fileno(), tuple(fds)).result()
        except RuntimeError as error:  # no thread could be begun to begin it
            ours.close()
            raise OSError(errno.EAGAIN, str(error)) from error
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        child = cls(name, process, Line(ours.detach(), is_careful=True))
        child.send(settings)
        return child

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """False once it ended; it is reaped then."""
        return self._process.poll() is None

    def wait(self, timeout_s: float) -> int | None:
        """The exit status, negative for a signal; None: still running after so long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(timeout_s)
        return None

    @property
    def how_it_ended(self) -> str:
        """In words, for people."""
        status = self._process.poll()
        if status is None:
            return "still running"
        if status < 0:
            with contextlib.suppress(ValueError):
                return f"killed by {signal.Signals(-status).name}"
        return f"ended with status {status}"

    def fileno(self) -> int:
        return self.line.fileno()

    def send(self, message: object) -> bool:
        """At once or not at all. False: it takes nothing now, or it is gone (`receive` says which)."""
        try:
            return self.line.send(message)
        except ChildGone:
            return False

    def receive(self, timeout_s: float = 0.0) -> object | None:
        """The next message, None when there is none. Raises ChildGone."""
        return self.line.receive(timeout_s)

    def hang_up(self) -> None:
        """End the line: a healthy child ends by itself then."""
        self.line.close()

    def close(self, timeout_s: float) -> None:
        """Let it end by itself, kill it when it takes longer. Always leaves it ended."""
        self.hang_up()
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it now, whatever it does, and reap it."""
        self.hang_up()
        self._process.kill()  # does nothing to one that was reaped: its number may be another's by now
        with contextlib.suppress(subprocess.TimeoutExpired):  # left to `subprocess`, which reaps it later
            self._process.wait(REAP_S)


@dataclass(slots=True)
class RestartBudget:
    """How often a child may be begun anew: what dies at once again and again must not eat the machine.

    Attributes:
        at_most, within_s: so many restarts in so many seconds; afterwards one try every `then_every_s`.
        pause_s: between any two.
    """

    at_most: int = 3
    within_s: float = 600.0
    then_every_s: float = 60.0
    pause_s: float = 1.0
    spent_mono_s: deque[float] = field(default_factory=deque)

    def next_mono_s(self, now_mono_s: float) -> float:
        """From when on the next restart is allowed."""
        while self.spent_mono_s and now_mono_s - self.spent_mono_s[0] >= self.within_s:
            self.spent_mono_s.popleft()
        if not self.spent_mono_s:
            return now_mono_s
        return self.spent_mono_s[-1] + (self.pause_s if len(self.spent_mono_s) < self.at_most else self.then_every_s)

    def spend(self, now_mono_s: float) -> bool:
        """True: restart now, it is counted. False: not yet."""
        if now_mono_s < self.next_mono_s(now_mono_s):
            return False
        self.spent_mono_s.append(now_mono_s)
        return True


def take_up() -> Line:
    """What a child program does first: its end of the line, and the promise to end with its parent.

    The command line holds the number of the line's descriptor, the parent's process id, the level of the log and a name
    for people who look at the list of processes.
    """
    fd, parent_pid, level = (int(text) for text in sys.argv[1:4])
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group: the node ends its children in order
        signal.signal(number, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text(str(OOM_SCORE))
    if os.getppid() != parent_pid:
        sys.exit(0)  # it ended before we could promise
    log_to_stderr(level)
    return Line(fd, is_careful=False)


def _spawn(module: str, name: str, line_fd: int, fds: tuple[int, ...]) -> subprocess.Popen[bytes]:
    level = logging.getLogger().getEffectiveLevel()
    return subprocess.Popen(
        [sys.executable, "-P", "-m", module, str(line_fd), str(os.getpid()), str(level), name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=(line_fd, *fds),
        env=os.environ | _CHILD_ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(_import_paths())},
    )


def _import_paths() -> list[str]:
    """Where this process finds its code: a child must run the very same."""
    return [str(Path(path).absolute()) for path in sys.path if path]
