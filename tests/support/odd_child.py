"""A child program for tests that does what it is told: answer, hang, end, say what it may not say."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

from xueliang_edge.children import Line, take_up
from xueliang_edge.errors import ChildGone


class Forbidden:
    """Rebuilding it anywhere would make a file: what a child that was taken over would send."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (os.mkdir, (self.path,))


def obey(line: Line, message: object) -> None:
    match message:
        case ("echo", value):
            line.send(value, None)
        case ("read", int(fd)):
            line.send(os.pread(fd, 100, 0), None)
        case ("look",):
            line.send(
                {"argv": sys.argv, "environment": dict(os.environ), "fds": len(list(Path("/proc/self/fd").iterdir()))},
                None,
            )
        case ("send forbidden", str(path)):
            line.send(Forbidden(path), None)
        case ("send rubbish",):
            line._connection.send_bytes(b"\x80\x05rubbish")
        case ("send half",):
            os.write(line.fileno(), b"\x00\x00\x10\x00half of it")
            threading.Event().wait()
        case ("hang",):
            threading.Event().wait()
        case ("end", int(status)):
            os._exit(status)
        case ("grandchild",):
            process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
            line.send(process.pid, None)


def main() -> None:
    line = take_up()
    line.send(("settings were", line.receive(None)), None)
    try:
        while True:
            obey(line, line.receive(None))
    except ChildGone:
        marker = os.environ.get("ODD_CHILD_MARKER")
        if marker:
            Path(marker).write_text("ended in order")


if __name__ == "__main__":
    main()
