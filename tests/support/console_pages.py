"""Every page of the console before axe-core and at the sizes of its screens, in Chinese and in English."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, Response

from tests.support.accessibility import serious
from tests.support.browser import REPOSITORY, complaints, desk
from tests.support.room import crowded, crowded_at
from tests.support.small_city import SETTLE_MS, Small, open_page

ROUTER: Final = REPOSITORY / "central/console/src/router.ts"
DESK_PAGES: Final = (
    "/silences",
    "/account",
    "/rules",
    "/rules/cam-0",
    "/rules/shadow",
    "/rules/waiting",
    "/rules/copies",
    "/rule-levels",
    "/rosters",
    "/reports",
    "/live/cam-0",
    "/noise",
    "/reviews",
    "/wall",
    "/sightings",
    "/releases",
    "/notices",
    "/hand-overs",
)
KEEPER_PAGES: Final = ("/accounts", "/account")
PHONE_PAGES: Final = ("/phone", "/phone/shifts", "/phone/report", "/phone/reports", "/account")
ANYBODYS: Final = ("/login", "/unit", "/phone/enrol", "/no-such-page")
# Where the machine is busy the database answers no question within its time, and the page asks again: no mistake of it.
BUSY: Final = "the server responded with a status of 503"
PRESSED_OPEN: Final = ("/incidents/:incidentId", "/phone/tasks/:taskId")


def not_looked_at() -> list[str]:
    """Paths of the router that `every_page` does not open."""
    opened = {"/", *DESK_PAGES, *KEEPER_PAGES, *PHONE_PAGES, *ANYBODYS, *PRESSED_OPEN, "/:rest(.*)*"}
    declared = re.findall(r'^\s+path: "([^"]+)",$', ROUTER.read_text(), flags=re.MULTILINE)
    missing = []
    for path in declared:
        pattern = re.sub(r"/:\w+\?", "(/[^/]+)?", path)
        pattern = pattern if path in opened else re.sub(r":\w+", "[^/]+", pattern)
        if path not in opened and not any(re.fullmatch(pattern, one) for one in opened):
            missing.append(path)
    return missing


@dataclass(slots=True)
class Walk:
    """What was found on the way, in words.

    Attributes:
        pages: how many were looked at.
        serious: violations of axe-core's rules; a name that became markup is one as well (`small_city.HOSTILE`).
        crowded: what has no room: of a desk at 1366 x 768 and at 1920 x 1080, of the phone at 390 x 844.
        complaints: of the browser's console, but for a centre too busy to answer; a path that it never answered is one.
        answers: the statuses of each path that the page at hand has asked for.
    """

    pages: int = 0
    serious: list[str] = field(default_factory=list)
    crowded: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    answers: dict[str, set[int]] = field(default_factory=dict)

    def enter(self, page: Page) -> None:
        answers: dict[str, set[int]] = {}

        def note(one: Response) -> None:
            answers.setdefault(urlsplit(one.url).path, set()).add(one.status)

        self.answers = answers
        page.on("response", note)

    def look(self, page: Page, name: str, *, is_phone: bool = False) -> None:
        page.wait_for_timeout(SETTLE_MS)
        self.pages += 1
        self.serious += [f"{name}: {words}" for words in serious(page)]
        if page.locator('[src="/hostile"]').count() or page.title() == "1":
            self.serious.append(f"{name}: a name is markup")
        self.crowded += [f"{name}: {words}" for words in (crowded(page) if is_phone else crowded_at(page))]

    def leave(self, page: Page, name: str) -> None:
        self.complaints += [f"{name}: {words}" for words in complaints(page) if BUSY not in words]
        self.complaints += [f"{name}: 503 only of {path}" for path, given in self.answers.items() if given == {503}]
        page.context.close()


def every_page(browser: Browser, place: Small) -> Walk:
    """All pages, each by somebody whose page it is, in Chinese and in English."""
    walk = Walk()
    fresh = desk(browser, place.centre.origin)
    walk.enter(fresh)
    for path in ANYBODYS:
        fresh.goto(path)
        walk.look(fresh, path)
    walk.leave(fresh, "nobody")
    rounds: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("chief", ("/", *DESK_PAGES)),
        ("ruler", ("/rules/cam-0",)),
        ("keeper", KEEPER_PAGES),
        ("worker", PHONE_PAGES),
    )
    for who, paths in rounds:
        page, is_phone = place.page(browser, who), who == "worker"
        walk.enter(page)
        for language in ("zh", "en"):
            if language == "en":
                page.get_by_test_id("language").click()
            for path in paths:
                open_page(page, path)
                walk.look(page, f"{who} {path} {language}", is_phone=is_phone)
            open_page(page, paths[0])
            if who == "chief":
                page.get_by_test_id("incident-row").first.click()
                page.get_by_test_id("case-panel").wait_for()
                walk.look(page, f"{who} / with a case, {language}")
                page.get_by_test_id("open-page").click()
                page.get_by_test_id("timeline").wait_for()
                walk.look(page, f"{who} /incidents {language}")
            if who == "ruler":
                page.get_by_test_id("edit-rules").click()
                page.get_by_test_id("whatif").wait_for()
                walk.look(page, f"{who} editing rules, {language}")
            if who == "worker":
                page.locator('[data-testid="task-card"] .open').first.click()
                page.get_by_test_id("task-page").wait_for()
                walk.look(page, f"{who} a task, {language}", is_phone=True)
            open_page(page, paths[0])  # where the language can be switched
        walk.leave(page, who)
    return walk
