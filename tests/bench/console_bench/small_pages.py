"""On the small demo city: every page before axe-core, the phone over a slow line and under a blind thumb, a what-if,
and how long a case's picture is in coming."""

from __future__ import annotations

import random
import time
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page

from tests.bench.console_bench import case_picture
from tests.bench.figures import Figures
from tests.support.browser import drawn_jpeg, handset
from tests.support.console_pages import every_page
from tests.support.puppet_node import Episode
from tests.support.small_city import Small, open_page, small
from tests.support.trying_node import HOUR_S, LEFT, RIGHT, keep_a_day, trying_node
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import Reason
from xueliang_demo.processes import wait_until

KEYS: Final = (
    "axe_serious",
    "axe_pages",
    "pages_crowded",
    "phone_usable_3g_s",
    "phone_usable_again_3g_s",
    "phone_usable_3g_kb",
    "phone_usable_3g_requests",
    "stray_taps",
    "stray_tap_wrong_closes",
    "what_if_24_h_s",
    "case_picture_p50_s",
    "case_picture_p99_s",
    "case_pictures",
    "case_picture_kb",
)
PARTS: Final = ("axe", "phone", "taps", "whatif", "case")
# 1.6 Mbit/s down, 0.75 up, 300 ms there and back: what WebPageTest calls 3G.
SOON_S: Final = 30.0
GONE: Final = Reason(code="lane_clear", text="lane clear for 30 s", about={"place": "lane"})
SLOW: Final = {"offline": False, "latency": 300, "downloadThroughput": 200_000, "uploadThroughput": 96_000}


def measure(parts: Collection[str], browser: Browser, folder: Path, figures: Figures, *, is_quick: bool) -> None:
    if not set(PARTS) & set(parts):
        return
    with small(folder) as place:
        episodes = place.have_tasks()
        if "axe" in parts:
            walk = every_page(browser, place)
            figures["axe_pages"], figures["axe_serious"] = walk.pages, len(walk.serious)
            figures["pages_crowded"] = len(walk.crowded)
            for words in walk.serious:
                print(f"axe: {words}")
            for words in walk.crowded + walk.complaints:
                print(f"room: {words}")
        if "case" in parts:
            case_picture.measure(browser, place, 3 if is_quick else 20, figures)
        if "phone" in parts:
            figures.update(_phone(browser, place))
        if "whatif" in parts:
            figures["what_if_24_h_s"] = _what_if(browser, place)
        if "taps" in parts:
            taps = 150 if is_quick else 1_000
            figures["stray_taps"], figures["stray_tap_wrong_closes"] = taps, _taps(browser, place, taps, episodes)


def _phone(browser: Browser, place: Small) -> Figures:
    """Seconds until the list's first task can be taken over a slow line: with an empty cache, and opened again. Of the
    first, what had come by then: kB (1000 bytes, as they travel, headers included) in how many answers."""
    page = place.page(browser, "worker")
    cookies = page.context.cookies()
    page.context.close()
    phone = handset(browser, place.centre.origin)
    phone.context.add_cookies(cookies)  # type: ignore[arg-type]
    line = phone.context.new_cdp_session(phone)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", SLOW)
    came: list[int] = []
    line.on("Network.loadingFinished", lambda one: came.append(int(one["encodedDataLength"])))
    waits, by_then = [], []
    for _ in range(2):
        began_s = time.monotonic()
        phone.goto("/phone", wait_until="commit")
        phone.get_by_test_id("take").first.wait_for(timeout=120_000)
        waits.append(time.monotonic() - began_s)
        by_then.append((sum(came) / 1000, len(came)))
        phone.wait_for_timeout(3_000)  # what it keeps for later
    phone.context.close()
    kilobytes, requests = by_then[0]
    return {
        "phone_usable_3g_s": waits[0],
        "phone_usable_again_3g_s": waits[1],
        "phone_usable_3g_kb": kilobytes,
        "phone_usable_3g_requests": float(requests),
    }


def _what_if(browser: Browser, place: Small) -> float:
    """From the press to the answer, of a log of 24 hours at a look a second with some stays in the lane."""
    began = (system_wall() - timedelta(hours=24)).replace(microsecond=0)
    stays = [(n * HOUR_S, n * HOUR_S + 70 + 10 * n, RIGHT if n % 2 else LEFT) for n in range(1, 23, 2)]
    keep_a_day(place.folder, began, 24 * HOUR_S - 60, stays, range(0), range(0), look_s=1)
    with trying_node(place.centre, place.camera, place.folder):
        page = place.page(browser, "ruler")
        open_page(page, "/rules/cam-0")
        page.get_by_test_id("edit-rules").click()
        page.get_by_test_id("field-dwell_s").locator("input").fill("45")
        page.get_by_test_id("whatif-span").select_option("24")
        waits = []
        for _ in range(3):
            began_s = time.monotonic()
            page.get_by_test_id("whatif-run").click()
            page.get_by_test_id("whatif-result").wait_for(timeout=120_000)
            waits.append(time.monotonic() - began_s)
            page.get_by_test_id("field-dwell_s").locator("input").fill(str(46 + len(waits)))
            page.get_by_test_id("whatif-stale").wait_for()
        page.context.close()
    return max(waits)


def _taps(browser: Browser, place: Small, taps: int, episodes: list[Episode]) -> int:
    """Tasks that a blind thumb has closed, by taps anywhere, over tasks in every state: of the two that are arrived one
    has a photograph kept and one is seen clear, so that both can be finished. The seed is fixed."""
    person = place.centre.log_in("worker")
    found = sorted(person.tasks(), key=lambda one: str(one["incident"]["place"]["camera_name"]))  # as the episodes
    tasks = [str(one["task_id"]) for one in found]
    for task_id in tasks[1:4]:
        person.move_task(task_id, "take")
    for task_id in tasks[2:4]:
        person.move_task(task_id, "arrive")
    place.node.see_clear(episodes[3], reason=GONE)
    wait_until(lambda: not person.task(tasks[3])["incident"]["still_present"], "seen clear", SOON_S)
    before = _closed(person)

    def phone() -> Page:
        """A new one has no photograph kept."""
        opened = place.page(browser, "worker")
        opened.goto(f"/phone/tasks/{tasks[2]}")
        if person.task(tasks[2])["state"] == "arrived":
            photo = {"name": "after.jpg", "mimeType": "image/jpeg", "buffer": drawn_jpeg(1200, 800)}
            opened.get_by_test_id("photo-input").set_input_files(photo)  # type: ignore[arg-type]
            opened.locator("[data-testid=photo][data-photo=sent]").wait_for()
            opened.wait_for_function("() => !document.querySelector('[data-testid=handled]').disabled")
        return opened

    page = phone()
    rng = random.Random(11)
    starts = ["/phone", *(f"/phone/tasks/{task_id}" for task_id in tasks)]
    for number in range(taps):
        if number % 25 == 0 or "/phone" not in page.url:
            if "/login" in page.url or "/account" in page.url:
                page.context.close()
                page = phone()
            page.goto(starts[(number // 25) % len(starts)])
            page.wait_for_timeout(500)
        page.touchscreen.tap(rng.uniform(2, 388), rng.uniform(2, 842))
        page.wait_for_timeout(40)
    page.wait_for_timeout(12_000)  # what could still be taken back is on its way now
    page.context.close()
    closed = _closed(person) - before
    person.close()
    return closed


def _closed(person: Any) -> int:
    return sum(one["state"] in {"handled", "closed", "refused"} for one in person.tasks())
