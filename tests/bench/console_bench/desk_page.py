"""The command page of a whole city: when it can be worked with, how it moves, when it shows what the broker has."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import Browser, Page

from tests.support.browser import desk

SETTLED_MS: Final = 500  # so long without a long task: nothing more is being set up
_SESSION: Final = "xl_session"
_PAN_S: Final = 4.0
_READY = """
() => {
  const long = [];
  new PerformanceObserver((list) => {
    for (const one of list.getEntries()) long.push(one.startTime + one.duration);
  }).observe({ type: "longtask", buffered: true });
  window.__ready = null;
  window.__seen = {};
  const look = () => {
    const map = document.querySelector('[data-testid="map"]');
    const rows = document.querySelectorAll('[data-testid="incident-row"]').length;
    const isThere = map && +map.dataset.areas >= WANTED_AREAS && +map.dataset.cameras >= WANTED_CAMERAS
      && rows >= WANTED_ROWS;
    if (isThere && window.__there === undefined) window.__there = performance.now();
    if (rows >= WANTED_ROWS && window.__rows === undefined) window.__rows = performance.now();
    if (window.__there !== undefined) {
      const last = Math.max(window.__there, ...long);
      if (performance.now() - last > SETTLED) { window.__ready = last; return; }
    }
    setTimeout(look, 20);
  };
  look();
}
"""
_SEE = """
() => {
  const list = document.querySelector('[data-testid="queue"]');
  const take = () => {
    for (const row of list.querySelectorAll('[data-testid="incident-row"]'))
      window.__seen[row.dataset.incident] ??= Date.now();
  };
  take();
  new MutationObserver(take).observe(list, { childList: true, subtree: true });
}
"""
_FRAMES = """
() => {
  window.__frames = [];
  const step = (at) => { window.__frames.push(at); window.__framing = requestAnimationFrame(step); };
  window.__framing = requestAnimationFrame(step);
}
"""


@dataclass(frozen=True, slots=True)
class Whole:
    """What a command page must show before it counts as there."""

    areas: int
    cameras: int
    rows: int


@dataclass(frozen=True, slots=True)
class Opened:
    """Seconds since the navigation began. `rows_s`: the queue was there; `interactive_s`: map and all, and quiet."""

    rows_s: float
    interactive_s: float


def city_desk(browser: Browser, origin: str, token: str, whole: Whole, size_wh: tuple[int, int]) -> Page:
    """A page of somebody who is signed in, on a screen of this size; the next `goto` is measured."""
    width, height = size_wh
    page = desk(browser, origin, width=width, height=height)
    page.context.add_cookies([{"name": _SESSION, "value": token, "url": origin}])
    script = _READY.strip()
    for name, value in (
        ("WANTED_AREAS", whole.areas),
        ("WANTED_CAMERAS", whole.cameras),
        ("WANTED_ROWS", whole.rows),
        ("SETTLED", SETTLED_MS),
    ):
        script = script.replace(name, str(value))
    page.add_init_script(f"({script})()")
    return page


def opened(page: Page, within_s: float = 60.0) -> Opened:
    """Opens the command page. Raises playwright's TimeoutError when not all of it came in time."""
    page.goto("/", wait_until="commit")
    page.wait_for_function("() => window.__ready !== null", timeout=within_s * 1000)
    found = page.evaluate("() => [window.__rows, window.__ready]")
    return Opened(found[0] / 1000, found[1] / 1000)


@dataclass(frozen=True, slots=True)
class Panned:
    """Frames a second while the map is dragged, and the longest wait for one."""

    fps: float
    worst_ms: float


def panned(page: Page) -> Panned:
    """Dragged to and fro with the mouse, as a hand does, with the whole city in view and then closer."""
    box = page.get_by_test_id("map").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    for _ in range(4):
        page.mouse.move(x, y)
        page.mouse.wheel(0, -120)
        page.wait_for_timeout(300)
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(_FRAMES)
    until_s, step = time.monotonic() + _PAN_S, 0
    while time.monotonic() < until_s:
        step += 1
        swing = step % 80
        page.mouse.move(x + (swing if swing < 40 else 80 - swing) * 6 - 120, y + (step // 80 % 2) * 40)
        if swing == 0:  # let go: everything is drawn afresh where it lies now
            page.mouse.up()
            page.mouse.down()
    page.mouse.up()
    frames: list[float] = page.evaluate("() => { cancelAnimationFrame(window.__framing); return window.__frames; }")
    gaps = [b - a for a, b in itertools.pairwise(frames)]
    return Panned((len(frames) - 1) / (frames[-1] - frames[0]) * 1000, max(gaps))


def watch_rows(page: Page) -> None:
    """From now on each incident is remembered with the moment at which its row came."""
    page.evaluate(_SEE)


def rows_seen(page: Page) -> dict[str, float]:
    """Incident to seconds of the wall clock."""
    seen: dict[str, float] = page.evaluate("() => window.__seen")
    return {incident: at / 1000 for incident, at in seen.items()}


def heap_mb(page: Page, times: int = 3) -> float:
    """What lives on the page's heap after a collection of garbage."""
    session = page.context.new_cdp_session(page)
    try:
        found: list[float] = []
        for _ in range(times):
            session.send("HeapProfiler.collectGarbage")
            usage: dict[str, Any] = session.send("Runtime.getHeapUsage")
            found.append(usage["usedSize"] / 1e6)
        return statistics.median(found)
    finally:
        session.detach()


@contextmanager
def closed_after(page: Page) -> Iterator[Page]:
    try:
        yield page
    finally:
        page.context.close()
