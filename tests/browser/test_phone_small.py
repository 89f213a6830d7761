"""The phone's pages on a screen of five inches (360 by 640): nothing sticks out, every target can be pressed with a
glove, and the page's main button is there without scrolling, in both languages, with a signal and without.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.test_phone_offline import SMALL, SOON_MS, Grid, grid, opened, photograph, small_phone
from tests.support.browser import PRESS_MS, complaints, too_wide
from tests.support.legible import faults

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

LEAST_SEEN_PX = 120  # of what the page is about, between what stands above and below it: two lines and a button


def _fits(phone: Page, name: str, main: str | None = None) -> None:
    """`main`: the button that must be wholly on the screen."""
    folder = os.environ.get("XUELIANG_SHOTS")
    if folder:
        phone.screenshot(path=Path(folder) / f"{name}-640.png")
    assert too_wide(phone) == [], name
    assert faults(phone) == [], name
    if main is not None:
        expect(phone.get_by_test_id(main).last).to_be_in_viewport(ratio=1)
    shown = phone.locator(".scroll").evaluate_all("(all) => all.map((one) => one.clientHeight)")
    assert all(height >= LEAST_SEEN_PX for height in shown), (name, shown)


def _cancelled(sheet: Locator) -> None:
    sheet.locator(".plain").last.click()
    expect(sheet).to_have_count(0)


def _walk(phone: Page, task_id: str, tmp_path: Path, name: str) -> None:
    """From the list to the finish of a task."""
    _fits(phone, f"{name}-list", "take-next")
    opened(phone, task_id)
    expect(phone.get_by_test_id("map-links")).to_be_visible()
    _fits(phone, f"{name}-offered", "take")
    phone.get_by_test_id("refuse").click()
    phone.get_by_test_id("reason-other").check()
    _fits(phone, f"{name}-refuse")
    _cancelled(phone.get_by_test_id("reason-sheet"))
    phone.get_by_test_id("take").click()
    expect(phone.get_by_test_id("task-page")).to_have_attribute("data-state", "taken")
    _fits(phone, f"{name}-taken", "arrive")
    phone.get_by_test_id("write").click()
    phone.get_by_test_id("message-text").fill("138 0000 1111")
    expect(phone.get_by_test_id("long-number")).to_be_visible()
    expect(phone.get_by_test_id("message-send")).to_be_disabled()
    _fits(phone, f"{name}-message")
    phone.get_by_test_id("message-text").fill("3 / 12")
    expect(phone.get_by_test_id("message-send")).to_be_enabled()
    phone.get_by_test_id("message-sheet").locator(".buttons .plain").click()
    phone.get_by_test_id("arrive").click()
    expect(phone.get_by_test_id("task-page")).to_have_attribute("data-state", "arrived")
    _fits(phone, f"{name}-arrived", "photo-first")
    photograph(phone, tmp_path)
    expect(phone.get_by_test_id("handled")).to_be_enabled(timeout=SOON_MS)
    _fits(phone, f"{name}-photographed", "handled")
    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    expect(phone.get_by_test_id("undo")).to_be_visible()
    _fits(phone, f"{name}-held", "undo")
    phone.locator(".back").click()
    expect(phone.get_by_test_id("phone-page")).to_be_visible()
    _fits(phone, f"{name}-list-held")
    expect(phone.get_by_test_id("held-act")).to_have_count(0, timeout=SOON_MS)


def test_every_page_fits_a_screen_of_five_inches(browser: Browser, grid: Grid, tmp_path: Path) -> None:
    phone = small_phone(browser, grid)
    assert (SMALL["width"], SMALL["height"]) == (360, 640)
    tasks = [grid.block(camera) for camera in range(3)]
    expect(phone.get_by_test_id("task-card")).to_have_count(3, timeout=SOON_MS)
    expect(phone.get_by_test_id("new-task")).to_be_visible()
    _walk(phone, tasks[0], tmp_path, "zh")
    phone.get_by_test_id("language").click()
    for page in ("shifts", "report", "reports"):
        phone.goto(f"/phone/{page}")
        expect(phone.locator(".phone")).to_be_visible(timeout=SOON_MS)
        _fits(phone, f"en-{page}")
    phone.goto("/account")
    expect(phone.get_by_test_id("own-phones-none")).to_be_visible(timeout=SOON_MS)
    _fits(phone, "en-account")
    phone.get_by_test_id("enrol").click()
    expect(phone.get_by_test_id("qr")).to_be_visible(timeout=SOON_MS)
    _fits(phone, "en-account-second-factor")
    phone.goto("/phone")
    expect(phone.get_by_test_id("loud-state")).to_be_visible(timeout=SOON_MS)
    expect(phone.get_by_test_id("task-card")).to_have_count(3, timeout=SOON_MS)
    _walk(phone, tasks[1], tmp_path, "en")
    assert complaints(phone) == []
    phone.context.set_offline(True)
    expect(phone.get_by_test_id("link-lost")).to_be_visible(timeout=SOON_MS)
    _walk(phone, tasks[2], tmp_path, "en-away")
