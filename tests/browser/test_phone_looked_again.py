"""After *handled* the phone says what the camera sees now, and shows it masked: a small phone, a real centre."""

from __future__ import annotations

import hashlib
import os
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_phone_offline import SOON_MS, Grid, grid, photograph, small_phone
from tests.browser.test_phone_undo import arrived
from tests.support.accessibility import require_axe, serious
from tests.support.browser import PRESS_MS, complaints, drawn_jpeg, too_wide
from tests.support.looking_node import looking_node
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.commands import FullStill, LookCommand, LookResult, Says
from xueliang_alerts.contract import Measure

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

FULL = drawn_jpeg(640, 360)
SIZE = {"width": 390, "height": 844}
SHOTS = os.environ.get("XUELIANG_SHOTS")  # a folder: pictures of the page to look at


def still_covered(command: LookCommand) -> LookResult:
    now = system_wall()
    return LookResult(
        command="look",
        request_id=command.request_id,
        observed_at=now,
        says=Says.HOLDS,
        since=now - timedelta(minutes=6),
        has_alert=True,
        measures={"share": Measure(value=0.38, unit="share")},
        still=FullStill(sha256=hashlib.sha256(FULL).hexdigest(), bytes=len(FULL), size_wh=(640, 360)),
    )


def clear(command: LookCommand) -> LookResult:
    return LookResult(command="look", request_id=command.request_id, observed_at=system_wall(), says=Says.CLEAR)


def handled(phone: Page, grid: Grid, camera: int, folder: Path) -> str:
    task_id = grid.block(camera)
    arrived(phone, task_id)
    photograph(phone, folder)
    expect(phone.locator("[data-testid=photo][data-photo=sent]")).to_have_count(1, timeout=SOON_MS)
    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    return task_id


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def test_the_done_page_says_what_the_camera_sees_and_shows_it(browser: Browser, grid: Grid, tmp_path: Path) -> None:
    require_axe()
    phone = small_phone(browser, grid)
    phone.set_viewport_size(SIZE)
    seen = phone.get_by_test_id("looked-again")
    answers = [still_covered, clear]
    with looking_node(grid.centre, lambda command: answers.pop(0)(command)) as asked:
        handled(phone, grid, 0, tmp_path)
        expect(seen).to_contain_text("摄像机复看：仍占 38%", timeout=SOON_MS)
        expect(phone.get_by_test_id("notice")).to_contain_text("请再看一眼再离开")
        expect(seen.get_by_test_id("picture")).to_have_attribute("data-received", "false")
        grid.node.upload(FULL)
        expect(seen.get_by_test_id("picture")).to_have_attribute("data-received", "true", timeout=SOON_MS)
        assert seen.locator("img").evaluate("one => one.decode().then(() => one.naturalWidth)") == 640
        shoot(phone, "looked-again-holds")
        assert too_wide(phone) == []
        assert serious(phone) == []
        phone.locator(".back").click()
        handled(phone, grid, 1, tmp_path)
        expect(seen).to_contain_text("摄像机复看：已无异常", timeout=SOON_MS)
        assert asked == ["cam-0", "cam-1"]
    phone.locator(".back").click()
    handled(phone, grid, 2, tmp_path)
    expect(seen).to_contain_text("摄像机没有应答：值班员会查看", timeout=120_000)  # undo and silence: 30 s
    shoot(phone, "looked-again-not-asked")
    assert complaints(phone) == []
