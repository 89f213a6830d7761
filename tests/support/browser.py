"""A headless browser for tests: Debian's chromium driven by playwright, no browser download.

with open_browser() as browser:
    page = desk(browser, origin)          # 1366 x 768, Chinese
    phone = handset(browser, origin)      # 390 x 844, touch
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import cv2
import numpy as np
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from tests.support.fixtures import leave_out

REPOSITORY: Final = Path(__file__).resolve().parents[2]
CONSOLE_BUILD: Final = REPOSITORY / "central/xueliang_central/console_build"
PRESS_MS: Final = 800  # how long a button is pressed that ends a task: longer than HoldButton.vue asks for
# As root in a container: no sandbox of its own, and /dev/shm is small.
FLAGS: Final = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-3d-apis",
    "--hide-scrollbars",
    "--no-proxy-server",
    # Of two such lists the last counts: playwright's own again, and the drop-down of an address bar that nobody sees.
    # It is a page of its own beside each window: four windows cost 3.3 CPU-s with it and 1.3 without.
    "--disable-features="
    "AvoidUnnecessaryBeforeUnloadCheckSync,DestroyProfileOnBrowserClose,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable,"
    "LensOverlay,MediaRouter,PaintHolding,ThirdPartyStoragePartitioning,AvoidCorsURLLoaderRestartOnRedirect,"
    "OptimizationHints,NetworkTimeServiceQuerying,AimEnabled,PreconnectToSearch,"
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup,WebUIOmniboxFullPopup",
)
# A page that is not signed in asks once who it is; the browser writes the 401 to its console by itself.
EXPECTED: Final = ("the server responded with a status of 401",)


def chromium_path() -> str:
    """The chromium program. Missing: fails in CI (`CI` set), elsewhere the test is skipped."""
    found = os.environ.get("XUELIANG_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        leave_out("needs the chromium program; XUELIANG_CHROMIUM names one that is not on PATH")
    return found


def require_console() -> None:
    """Builds the console when it is stale. None there and none to be built: fails in CI, elsewhere skips."""
    import hatch_build

    hatch_build.build_or_warn(REPOSITORY)
    if not (CONSOLE_BUILD / "index.html").is_file():
        leave_out("the console is not built: python hatch_build.py")


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium, closed at the end with all its pages."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def desk(browser: Browser, origin: str, *, width: int = 1366, height: int = 768, **more: Any) -> Page:
    """A page of a desktop with its own cookies; what goes wrong in it is collected for `complaints`."""
    context = browser.new_context(
        base_url=origin,
        viewport={"width": width, "height": height},
        locale="zh-CN",
        timezone_id="Asia/Shanghai",
        **more,
    )
    return _listening(context.new_page())


def handset(browser: Browser, origin: str, **more: Any) -> Page:
    """A page of a phone."""
    context = browser.new_context(
        base_url=origin,
        viewport={"width": 390, "height": 844},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
        locale="zh-CN",
        timezone_id="Asia/Shanghai",
        **more,
    )
    return _listening(context.new_page())


def drawn_jpeg(width: int, height: int) -> bytes:
    """A JPEG that browsers can decode: a grey place with a lighter box."""
    image_bgr = np.full((height, width, 3), 96, dtype=np.uint8)
    image_bgr[height // 5 : height // 2, width // 5 : width // 2] = 190
    done, encoded = cv2.imencode(".jpg", image_bgr)
    assert done
    return encoded.tobytes()


_COMPLAINTS: Final = "_xueliang_complaints"
_REQUESTED: Final = "_xueliang_requested"
_LOCAL_SCHEMES: Final = {"data", "blob"}  # made in the page itself: nothing travels


def _listening(page: Page) -> Page:
    said: list[str] = []
    setattr(page, _COMPLAINTS, said)

    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not any(text in message.text for text in EXPECTED):
            said.append(f"{message.type}: {message.text}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: said.append(f"uncaught: {error}"))
    requested: list[str] = []
    setattr(page, _REQUESTED, requested)
    page.on("request", lambda request: requested.append(request.url))
    page.on("websocket", lambda socket: requested.append(socket.url))
    return page


def requested(page: Page) -> list[str]:
    """The address of every request of the page so far, also of those that failed."""
    return list(getattr(page, _REQUESTED))


def asked_elsewhere(page: Page, origin: str) -> list[str]:
    """Requests that did not go to `origin`."""
    wanted = urlsplit(origin)
    return [
        address
        for address, parts in ((address, urlsplit(address)) for address in requested(page))
        if parts.scheme not in _LOCAL_SCHEMES and (parts.scheme, parts.netloc) != (wanted.scheme, wanted.netloc)
    ]


# Two pictures in a row with nothing under way: Vue's transitions begin with the second. Left out is what repeats for
# ever, what is paused, and what moves again after it was waited for: a bar that counts down glides all the time.
_AT_REST: Final = """async (most_ms) => {
  const until = performance.now() + most_ms;
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const picture = () => Promise.race([new Promise(requestAnimationFrame), pause(200)]);
  const waited = new Set();
  const moving = () =>
    document
      .getAnimations()
      .filter((one) => one.playState === "running" && Number.isFinite(one.effect?.getComputedTiming().endTime))
      .filter((one) => !waited.has(one.effect.target));
  for (let still = 0; still < 2 && performance.now() < until; still += 1) {
    await picture();
    const all = moving();
    if (all.length === 0) continue;
    still = -1;
    await Promise.race([Promise.allSettled(all.map((one) => one.finished)), pause(until - performance.now())]);
    for (const one of all) waited.add(one.effect.target);
  }
}"""
MOST_MOTION_MS: Final = 5_000


def come_to_rest(page: Page) -> None:
    """Returns when every animation and transition that has an end has ended: what is measured before is half faded in.
    After `MOST_MOTION_MS` it returns in any case, and what is measured then says what is wrong."""
    page.evaluate(_AT_REST, MOST_MOTION_MS)


def too_wide(page: Page) -> list[str]:
    """What makes the page scroll sideways, or sticks out of the window where nothing around it scrolls or clips."""
    come_to_rest(page)
    found: list[str] = page.evaluate(
        """() => {
          const width = document.documentElement.clientWidth, found = [];
          if (document.documentElement.scrollWidth > width) found.push(`page ${document.documentElement.scrollWidth}`);
          const isClipped = (one) => {
            for (let up = one.parentElement; up && up !== document.body; up = up.parentElement)
              if (getComputedStyle(up).overflowX !== "visible") return true;
            return false;
          };
          for (const one of document.body.querySelectorAll("*")) {
            const box = one.getBoundingClientRect();
            if (box.width && box.right > width + 1 && !isClipped(one)) found.push(`${one.tagName}.${one.className}`);
          }
          return found;
        }"""
    )
    return found


def complaints(page: Page) -> list[str]:
    """Errors and warnings of the page's console, and uncaught exceptions, so far."""
    return list(getattr(page, _COMPLAINTS))


def sign_in(page: Page, username: str, password: str) -> None:
    """Through the login page; returns when the user's own page is there."""
    page.goto("/login")
    page.get_by_test_id("username").fill(username)
    page.get_by_test_id("password").fill(password)
    page.get_by_test_id("login-submit").click()
    page.wait_for_url(lambda url: "/login" not in url)
