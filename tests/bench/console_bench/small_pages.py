"""On the small demo city: every page before axe-core, the phone over a slow line and under a blind thumb, a what-if."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page

from tests.bench.figures import Figures
from tests.support.accessibility import serious
from tests.support.browser import desk, drawn_jpeg, handset
from tests.support.browser import sign_in as sign_in_at
from tests.support.puppet_node import CentreOnly, Episode, PuppetNode
from tests.support.rules_node import RulesNode
from tests.support.trying_node import HOUR_S, LEFT, RIGHT, keep_a_day, trying_node
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import Hazard, Measure, Reason, Severity
from xueliang_central.camera_rules.sending import make_key
from xueliang_configs.cameras import CameraConfig
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.processes import wait_until

KEYS: Final = (
    "axe_serious",
    "axe_pages",
    "phone_usable_3g_s",
    "phone_usable_again_3g_s",
    "stray_taps",
    "stray_tap_wrong_closes",
    "what_if_24_h_s",
)
CAMERAS: Final = 5
SOON_MS: Final = 30_000
SETTLE_MS: Final = 800
ZONE: Final = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]]
RUNNING: Final = {
    "rule_id": "fire-lane-obstruction",
    "hazard": "fire_lane_obstruction",
    "version": 1,
    "zone": ZONE,
    "dwell_s": 60.0,
}
# 1.6 Mbit/s down, 0.75 up, 300 ms there and back: what WebPageTest calls 3G.
SLOW: Final = {"offline": False, "latency": 300, "downloadThroughput": 200_000, "uploadThroughput": 96_000}
DESK_PAGES: Final = (
    "/silences",
    "/account",
    "/rules",
    "/rules/cam-0",
    "/rosters",
    "/reports",
    "/sightings",
    "/notices",
)
PHONE_PAGES: Final = ("/phone", "/phone/shifts")
BLOCKED: Final = Reason(
    code="lane_blocked", text="lane 41% covered by truck for 63 s >= 60 s", about={"objects": "truck", "place": "lane"}
)
CLEAR: Final = Reason(code="lane_clear", text="lane clear for 3 s", about={"place": "lane"})


@dataclass
class Small:
    """A centre with some cameras of one grid, their node, and who signs in."""

    centre: CentreOnly
    node: PuppetNode
    folder: Path
    camera: CameraConfig

    def page(self, browser: Browser, who: str) -> Page:
        page = (handset if who == "worker" else desk)(browser, self.centre.origin)
        sign_in_at(page, who, self.centre.password_of(who))
        return page

    def have_tasks(self) -> None:
        """One at each camera, offered to the worker."""
        for number in range(CAMERAS):
            self.raise_one(number)
        person = self.centre.log_in("worker")
        wait_until(lambda: len(person.tasks()) >= CAMERAS, "the tasks", SOON_MS / 1000)
        person.close()

    def raise_one(self, camera: int, severity: Severity = Severity.ORANGE) -> Episode:
        return self.node.raise_alert(
            f"cam-{camera}",
            Hazard.FIRE_LANE_OBSTRUCTION,
            severity,
            reason=BLOCKED,
            measures={"share": Measure(value=0.41, unit="share"), "seconds": Measure(value=63, unit="s")},
            boxes=[(0.2, 0.2, 0.4, 0.6)],
            picture=drawn_jpeg(640, 360),
        )


@contextmanager
def small(folder: Path) -> Iterator[Small]:
    """All processes end with the block."""
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = tuple(
        WatchedCamera(f"cam-{n}", f"东巷{n}号", "file:none.mp4", grid.code, place.x + n * 0.002, place.y)
        for n in range(CAMERAS)
    )
    root = city.areas[0].code
    accounts = (
        Account("operator", "operator", root, "值班员"),
        Account("ruler", "rule_operator", root, "规则员"),
        Account("chief", "supervisor", root, "带班长"),
        Account("worker", "worker", grid.code, "李网格"),
    )
    camera = CameraConfig.model_validate(
        {"camera_id": "cam-0", "name": "cam-0", "url": "file:none.mp4", "rules": [RUNNING]}
    )
    folder.mkdir(parents=True)
    with CentreOnly(folder, Plan(city, cameras, (), accounts, POLICIES)) as centre:
        centre.start()
        key = make_key(centre.folder / "centre" / "signing.key")
        rules = {camera.camera_id: [RUNNING]}
        states = {one.camera_id: "streaming" for one in cameras}
        with PuppetNode(centre, states) as node, RulesNode(centre, key.public, rules):
            yield Small(centre, node, folder / "log", camera)


def measure(parts: Collection[str], browser: Browser, folder: Path, figures: Figures, *, is_quick: bool) -> None:
    if not {"axe", "phone", "taps", "whatif"} & set(parts):
        return
    with small(folder) as place:
        place.have_tasks()
        if "axe" in parts:
            found, figures["axe_pages"] = every_page(browser, place)
            figures["axe_serious"] = len(found)
            for words in found:
                print(f"axe: {words}")
        if "phone" in parts:
            figures["phone_usable_3g_s"], figures["phone_usable_again_3g_s"] = _phone(browser, place)
        if "whatif" in parts:
            figures["what_if_24_h_s"] = _what_if(browser, place)
        if "taps" in parts:
            taps = 150 if is_quick else 1_000
            figures["stray_taps"], figures["stray_tap_wrong_closes"] = taps, _taps(browser, place, taps)


def every_page(browser: Browser, place: Small) -> tuple[list[str], int]:
    """Serious violations of all pages, in Chinese and in English, in words; and how many pages they were."""
    found, pages = list[str](), 0

    def look(page: Page, name: str) -> None:
        nonlocal pages
        page.wait_for_timeout(SETTLE_MS)
        pages += 1
        found.extend(f"{name}: {words}" for words in serious(page))

    fresh = desk(browser, place.centre.origin)
    fresh.goto("/login")
    look(fresh, "/login")
    fresh.context.close()
    for who, paths in (("chief", ("/", *DESK_PAGES)), ("ruler", ("/rules/cam-0",)), ("worker", PHONE_PAGES)):
        page = place.page(browser, who)
        for language in ("zh", "en"):
            if language == "en":
                page.get_by_test_id("language").click()
            for path in paths:
                _open(page, path)
                look(page, f"{who} {path} {language}")
            if who == "chief":
                _open(page, "/")
                page.get_by_test_id("incident-row").first.click()
                page.get_by_test_id("case-panel").wait_for()
                look(page, f"{who} / with a case, {language}")
                page.get_by_test_id("open-page").click()
                page.get_by_test_id("timeline").wait_for()
                look(page, f"{who} /incidents {language}")
            if who == "ruler":
                page.get_by_test_id("edit-rules").click()
                page.get_by_test_id("whatif").wait_for()
                look(page, f"{who} editing rules, {language}")
            if who == "worker":
                _open(page, "/phone")
                page.locator('[data-testid="task-card"] .open').first.click()
                page.get_by_test_id("task-page").wait_for()
                look(page, f"{who} a task, {language}")
            _open(page, paths[0])
        page.context.close()
    return found, pages


def _open(page: Page, path: str) -> None:
    page.goto(path)
    page.wait_for_load_state("load")  # the network is never idle: the event stream stays
    page.wait_for_timeout(SETTLE_MS)


def _phone(browser: Browser, place: Small) -> tuple[float, float]:
    """Seconds until the list's first task can be taken over a slow line: with an empty cache, and opened again."""
    page = place.page(browser, "worker")
    cookies = page.context.cookies()
    page.context.close()
    phone = handset(browser, place.centre.origin)
    phone.context.add_cookies(cookies)
    line = phone.context.new_cdp_session(phone)
    line.send("Network.enable")
    line.send("Network.emulateNetworkConditions", SLOW)
    waits = []
    for _ in range(2):
        began_s = time.monotonic()
        phone.goto("/phone", wait_until="commit")
        phone.get_by_test_id("take").first.wait_for(timeout=120_000)
        waits.append(time.monotonic() - began_s)
        phone.wait_for_timeout(3_000)  # what it keeps for later
    phone.context.close()
    return waits[0], waits[1]


def _what_if(browser: Browser, place: Small) -> float:
    """From the press to the answer, of a log of 24 hours at a look a second with some stays in the lane."""
    began = (system_wall() - timedelta(hours=24)).replace(microsecond=0)
    stays = [(n * HOUR_S, n * HOUR_S + 70 + 10 * n, RIGHT if n % 2 else LEFT) for n in range(1, 23, 2)]
    keep_a_day(place.folder, began, 24 * HOUR_S - 60, stays, range(0), range(0), look_s=1)
    with trying_node(place.centre, place.camera, place.folder):
        page = place.page(browser, "ruler")
        _open(page, "/rules/cam-0")
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


def _taps(browser: Browser, place: Small, taps: int) -> int:
    """Tasks that a blind thumb has closed, by taps anywhere, over tasks in every state. The seed is fixed."""
    person = place.centre.log_in("worker")
    tasks = [str(one["task_id"]) for one in person.tasks()]
    for task_id in tasks[1:4]:
        person.move_task(task_id, "take")
    for task_id in tasks[2:4]:
        person.move_task(task_id, "arrive")
    before = _closed(person)
    page = place.page(browser, "worker")
    rng = random.Random(11)
    starts: list[Callable[[], Any]] = [lambda: page.goto("/phone")]
    starts += [lambda task_id=task_id: page.goto(f"/phone/tasks/{task_id}") for task_id in tasks]
    for number in range(taps):
        if number % 25 == 0 or "/phone" not in page.url:
            if "/login" in page.url or "/account" in page.url:
                page.context.close()
                page = place.page(browser, "worker")
            starts[(number // 25) % len(starts)]()
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
