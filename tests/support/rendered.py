"""The demonstration's footage, rendered once for all tests: it takes a minute."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Final

from tests.support.fixtures import REPOSITORY
from xueliang_demo.theatre import Stage

_FOOTAGE: Final = REPOSITORY / ".run/browser/footage"


def footage() -> Path:
    """The folder, complete; rendered again when the drawing code has changed.

    Of test processes that need it at the same time one renders and the others wait: two that render into one folder
    remove each other's files.
    """
    _FOOTAGE.mkdir(parents=True, exist_ok=True)
    with (_FOOTAGE.parent / "footage.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process that holds it
        Stage(_FOOTAGE, lorry_after_s=0)
    return _FOOTAGE
