"""`tests.support.heard_signals`: what a child of ours begins with."""

from __future__ import annotations

import signal
import subprocess
import sys

from tests.support.heard_signals import heard_signals

_TELL = "import signal; print(*(signal.getsignal(one) is signal.SIG_IGN for one in (signal.SIGHUP, signal.SIGINT)))"


def _child_ignores() -> str:
    return subprocess.run([sys.executable, "-c", _TELL], capture_output=True, text=True, check=True).stdout.strip()


def test_a_child_hears_what_is_ignored_here_and_here_it_stays_ignored() -> None:
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGHUP, signal.SIGINT)}
    try:
        assert _child_ignores() == "True True", "inherited"
        with heard_signals():
            assert _child_ignores() == "False False"
        assert all(signal.getsignal(number) is signal.SIG_IGN for number in before)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
