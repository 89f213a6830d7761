"""A program that says $SAID and its arguments, complains, and waits to be killed; without arguments it ends with 3."""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    if len(sys.argv) == 1:
        sys.exit(3)
    print("its complaint", file=sys.stderr, flush=True)
    print(os.environ["SAID"], *sys.argv[1:], flush=True)
    signal.pause()
