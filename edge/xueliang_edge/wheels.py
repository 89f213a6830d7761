"""Which compiled packages load on this machine. Imports none of them: each is tried in a process of its own.

A wheel that was built for a newer processor, or misses a system library, does not raise but ends the process that
imports it: `python -m xueliang_edge.wheels` says which one when the program itself does not start.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WHEELS: Final = (
    ("numpy", "numpy"),
    ("cv2", "opencv-python-headless"),
    ("av", "av"),
    ("onnxruntime", "onnxruntime"),
)
"""What is imported, and the package that brings it."""
LOADS_WITHIN_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Wheel:
    """One package, tried. `problem`: why it does not load, for a person; None: it does."""

    package: str
    version: str | None
    problem: str | None = None


def try_wheels(wheels: Sequence[tuple[str, str]] = WHEELS) -> tuple[Wheel, ...]:
    """Import each in a new process, one after the other."""
    return tuple(_try(module, package) for module, package in wheels)


def _try(module: str, package: str) -> Wheel:
    command = [sys.executable, "-c", f"import {module}; print({module}.__version__)"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LOADS_WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        return Wheel(package, None, f"did not load within {LOADS_WITHIN_S:g} s")
    if done.returncode == 0:
        return Wheel(package, done.stdout.strip().splitlines()[-1])
    return Wheel(package, None, _why(done.returncode, done.stderr))


def _why(status: int, stderr: str) -> str:
    if status == -signal.SIGILL:
        return "ends with SIGILL: this processor lacks instructions it was built for; try an older version of it"
    if status < 0:
        return f"ends with {signal.Signals(-status).name}"
    last = (stderr.strip().splitlines() or ["no reason given"])[-1]
    if "No module named" in last:
        return "is not installed"
    return last[:200]


def main() -> int:
    """Print one line a package; 2 when one does not load."""
    wheels = try_wheels()
    for wheel in wheels:
        sys.stdout.write(f"{wheel.package} {wheel.version or wheel.problem}\n")
    return 2 if any(wheel.problem for wheel in wheels) else 0


if __name__ == "__main__":
    sys.exit(main())
