"""The process that forks: `python -m tests.support.forked.serving FD`, asked by the test process over a socket.

A line of JSON is a question. {"start": {...}}: the new process's number. {"ended": PID}: its exit status, negative for
a signal, null while it runs. It ends when the test process has closed the socket.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import socket
import sys
import threading
from typing import Any, Final

from xueliang_central.app import bare_app

# `__main__` of a fork: read anew by it, as `python -m` does.
PROGRAMS: Final = ("xueliang_central.cli", "xueliang_demo.centre_commands")
# What they read only when they need it.
READ_LATER: Final = (
    "xueliang_central.serving",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "aiosqlite",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "sqlalchemy.dialects.postgresql.asyncpg",
)


def main() -> None:
    _read_modules()
    asked = _serve(socket.socket(fileno=int(sys.argv[1])))
    if asked is not None:  # the fork: it ends as a program does, behind what runs at exit
        _become(asked)


def _read_modules() -> None:
    for name in (*PROGRAMS, *READ_LATER):
        importlib.import_module(name)
    bare_app()  # reads every route and makes it
    for program in PROGRAMS:
        del sys.modules[program]
    others = [one.name for one in threading.enumerate() if one is not threading.main_thread()]
    if others:
        raise RuntimeError(f"a process with threads must not fork, and these run after the imports: {others}")
    gc.collect()
    gc.freeze()  # a collection in a fork would copy every page


def _serve(line: socket.socket) -> dict[str, Any] | None:
    """Answers until the other side is gone: None. In a fork: what it is to become."""
    with line, line.makefile("rw") as texts:
        for text in texts:
            question = json.loads(text)
            if "start" in question:
                pid = os.fork()
                if pid == 0:
                    return dict(question["start"])
                answer: int | None = pid
            else:
                pid, status = os.waitpid(question["ended"], os.WNOHANG)
                answer = os.waitstatus_to_exitcode(status) if pid else None
            texts.write(f"{json.dumps(answer)}\n")
            texts.flush()
    return None


def _become(asked: dict[str, Any]) -> None:
    """The program `module` with `arguments`. Its streams are files: `stdin` is read, `stdout` and `stderr` grow."""
    os.setsid()
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_APPEND | os.O_CREAT
        opened = os.open(asked[name], flags, 0o666)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [asked["module"], *asked["arguments"]]
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
