"""Children that hear Ctrl-C and a closed terminal, also where the suite itself was started by nohup or behind a `&`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

# What nohup and a shell's background jobs ignore.
_MAY_BE_IGNORED: Final = (signal.SIGHUP, signal.SIGINT)


@contextmanager
def heard_signals() -> Iterator[None]:
    """A child that is started within begins with each of these signals at its default. To be used in the main thread.

    A signal that is ignored is inherited so, and our programs leave it so on purpose. One that is handled is not
    inherited: for so long it is handled here, by nothing.
    """
    ignored = [number for number in _MAY_BE_IGNORED if signal.getsignal(number) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, lambda *_: None)
    try:
        yield
    finally:
        for number in ignored:
            signal.signal(number, signal.SIG_IGN)
