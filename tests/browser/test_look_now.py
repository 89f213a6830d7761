"""Look now in a real browser: one key, a question that counts its seconds, words, a preview, then the full picture."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_console import SOON_MS, as_operator, blocked, centre, node
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints, drawn_jpeg
from tests.support.looking_node import looking_node
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.room import too_wide_at
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.commands import FullStill, LookCommand, LookResult, Says
from xueliang_alerts.contract import Measure, Severity

__all__ = ["centre", "node"]  # fixtures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

FULL, SMALL = drawn_jpeg(1280, 720), drawn_jpeg(320, 180)
SHOTS = os.environ.get("XUELIANG_SHOTS")  # a folder: pictures of the panel to look at


class Told:
    """What the node says next, and when it may."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.may_speak = threading.Event()

    def answer(self, command: LookCommand) -> LookResult:
        self.may_speak.wait(15)
        now = system_wall()
        fields: dict[str, Any] = {
            "observed_at": now,
            "says": Says.HOLDS,
            "since": now - timedelta(minutes=6),
            "has_alert": True,
            "measures": {"share": Measure(value=0.41, unit="share")},
            "preview": base64.b64encode(SMALL).decode(),
            "still": FullStill(sha256=hashlib.sha256(FULL).hexdigest(), bytes=len(FULL), size_wh=(1280, 720)),
        }
        return LookResult(command="look", request_id=command.request_id, **(fields | self.values))


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def words(page: Page) -> str:
    return page.get_by_test_id("look-words").inner_text()


def test_one_key_shows_the_state_a_preview_and_then_the_full_picture(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    told = Told()
    with looking_node(centre, told.answer) as asked:
        page = as_operator(browser, centre)
        blocked(node, "cam-0", Severity.ORANGE)
        expect(page.get_by_test_id("incident-row")).to_have_count(1, timeout=SOON_MS)
        page.keyboard.press("l")  # nothing is chosen: nobody is asked
        page.keyboard.press("j")
        expect(page.get_by_test_id("look-button")).to_have_text("现在看看")
        page.keyboard.press("l")
        expect(page.get_by_test_id("look-asking")).to_contain_text("正在询问摄像机…")
        expect(page.get_by_test_id("look-announced")).to_have_text("正在询问摄像机…")
        page.keyboard.press("l")  # one question at a time
        shoot(page, "look-asking")
        told.may_speak.set()
        expect(page.get_by_test_id("look-words")).to_have_text("仍占 41%，已 6分00秒", timeout=SOON_MS)
        picture = page.get_by_test_id("look-picture")
        expect(picture).to_have_attribute("data-full", "false")
        expect(picture).to_contain_text("完整画面传输中…")
        expect(page.get_by_test_id("look-announced")).to_contain_text("仍占 41%，已 6分00秒 · 拍摄于 ")
        assert picture.locator("img").evaluate("one => one.naturalWidth") == 320
        shoot(page, "look-preview")
        node.upload(FULL)
        expect(picture).to_have_attribute("data-full", "true", timeout=SOON_MS)
        expect(picture).to_contain_text("已存入本事件证据")
        assert picture.locator("img").evaluate("one => one.decode().then(() => one.naturalWidth)") == 1280
        shoot(page, "look-full")
        expect(page.get_by_test_id("timeline").locator('[data-kind="looked"]')).to_contain_text("仍占 41%")
        assert asked == ["cam-0"]
        page.keyboard.press("?")
        expect(page.get_by_test_id("key-sheet")).to_contain_text("现在看看")
        page.keyboard.press("Escape")
        assert too_wide_at(page) == []
        assert complaints(page) == []


def test_what_cannot_be_seen_or_shown_is_said_in_both_languages(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    require_axe()
    told = Told()
    told.may_speak.set()
    with looking_node(centre, told.answer):
        page = as_operator(browser, centre)
        blocked(node, "cam-1", Severity.ORANGE)
        expect(page.get_by_test_id("incident-row")).to_have_count(1, timeout=SOON_MS)
        page.keyboard.press("j")
        page.get_by_test_id("open-page").click()
        expect(page.get_by_test_id("incident-page")).to_be_visible()
        without = {"preview": None, "still": None, "observed_at": None, "measures": {}}
        told.values = without | {"says": Says.CANNOT_SEE, "why": "covered", "no_picture": "no_picture"}
        page.get_by_test_id("look-button").press("Enter")
        expect(page.get_by_test_id("look-words")).to_have_text("无法看到：镜头被遮挡", timeout=SOON_MS)
        expect(page.get_by_test_id("look-picture")).to_have_count(0)
        page.get_by_test_id("language").click()
        expect(page.get_by_test_id("look-words")).to_have_text("Cannot see: the lens is covered")
        told.values = {"preview": None, "still": None, "no_picture": "too_much_moves"}
        page.get_by_test_id("look-button").click()
        expect(page.get_by_test_id("look-words")).to_have_text("Still 41% covered, for 6 min 00 s", timeout=SOON_MS)
        expect(page.get_by_test_id("look-no-picture")).to_have_text("No picture: too much moves to mask people surely")
        shoot(page, "look-english")
        told.values = {"says": Says.CLEAR, "has_alert": False, "measures": {}}
        page.get_by_test_id("look-button").click()
        expect(page.get_by_test_id("look-now")).to_have_attribute("data-says", "clear", timeout=SOON_MS)
        assert words(page).startswith("Clear since ")
        page.get_by_test_id("look-button").click()  # the fourth within some seconds
        expect(page.get_by_test_id("look-words")).to_have_text("Looked at just now: try again in a moment")
        assert serious(page) == []
        assert too_wide_at(page) == []
