"""A child program for tests that logs its settings in every wrong way, and ends with a traceback."""

from __future__ import annotations

import logging

from xueliang_edge.children import take_up

if __name__ == "__main__":
    url = take_up().receive(None)
    log = logging.getLogger("talkative")
    log.debug("not told")
    log.warning("camera is odd", extra={"url": url, "words": f"tried {url} twice"})
    try:
        raise ValueError(f"cannot open {url}")
    except ValueError:
        log.exception("camera failed")
