"""Every page of the console before axe-core, in Chinese and in English."""

from __future__ import annotations

import re
from typing import Final

from playwright.sync_api import Browser, Page

from tests.support.accessibility import serious
from tests.support.browser import REPOSITORY, desk
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
ANYBODYS: Final = ("/login", "/unit", "/no-such-page")
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


def every_page(browser: Browser, place: Small) -> tuple[list[str], int]:
    """Serious violations of all pages, in Chinese and in English, in words; and how many pages they were.

    A name that became markup is one as well (`small_city.HOSTILE`).
    """
    found, pages = list[str](), 0

    def look(page: Page, name: str) -> None:
        nonlocal pages
        page.wait_for_timeout(SETTLE_MS)
        pages += 1
        found.extend(f"{name}: {words}" for words in serious(page))
        if page.locator('[src="/hostile"]').count() or page.title() == "1":
            found.append(f"{name}: a name is markup")

    fresh = desk(browser, place.centre.origin)
    for path in ANYBODYS:
        fresh.goto(path)
        look(fresh, path)
    fresh.context.close()
    rounds: tuple[tuple[str, tuple[str, ...]], ...] = (
        ("chief", ("/", *DESK_PAGES)),
        ("ruler", ("/rules/cam-0",)),
        ("keeper", KEEPER_PAGES),
        ("worker", PHONE_PAGES),
    )
    for who, paths in rounds:
        page = place.page(browser, who)
        for language in ("zh", "en"):
            if language == "en":
                page.get_by_test_id("language").click()
            for path in paths:
                open_page(page, path)
                look(page, f"{who} {path} {language}")
            open_page(page, paths[0])
            if who == "chief":
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
                page.locator('[data-testid="task-card"] .open').first.click()
                page.get_by_test_id("task-page").wait_for()
                look(page, f"{who} a task, {language}")
            open_page(page, paths[0])  # where the language can be switched
        page.context.close()
    return found, pages
