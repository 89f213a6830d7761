"""A worker under way asks for help and checks in by position, in a real browser against a real centre.

The desk sees the call at once and says who comes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_phone_offline import SOON_MS, Grid, grid, kept_on, opened, small_phone, until
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints, desk, sign_in, too_wide
from tests.support.legible import faults

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

PHONE = {"width": 390, "height": 844}


# Pitches of every tone the desk plays from now on.
COUNT_TONES = """() => {
  window.tones = [];
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...given) {
    window.tones.push(Math.round(this.frequency.value));
    return start.apply(this, given);
  };
}"""


def _shot(page: Page, name: str) -> None:
    """For the eye: only where somebody asks for it."""
    folder = os.environ.get("XUELIANG_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def _fine(phone: Page) -> None:
    assert faults(phone) == []
    assert too_wide(phone) == []
    assert serious(phone) == []


def _north_of(grid: Grid, task_id: str, metres: float) -> dict[str, Any]:
    place = grid.desk.task(task_id)["incident"]["place"]
    return {"longitude": place["longitude"], "latitude": place["latitude"] + metres / 111_195}


def _under_way(phone: Page, task_id: str) -> None:
    phone.set_viewport_size(PHONE)
    opened(phone, task_id).get_by_test_id("take").click()
    expect(phone.get_by_test_id("task-page")).to_have_attribute("data-state", "taken")


def test_help_is_asked_without_a_signal_and_the_desk_says_who_comes(browser: Browser, grid: Grid) -> None:
    require_axe()
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    _under_way(phone, task_id)
    until(lambda: grid.state(task_id) == "taken")
    screen = desk(browser, grid.centre.origin)
    sign_in(screen, "operator", grid.password("operator"))
    row = screen.get_by_test_id("incident-row")
    expect(row).to_have_count(1, timeout=SOON_MS)
    screen.get_by_test_id("sound-start").click()
    screen.get_by_test_id("sound-heard").click()
    screen.keyboard.press("m")
    screen.evaluate(COUNT_TONES)

    phone.context.set_offline(True)
    phone.get_by_test_id("help").click()
    _fine(phone)
    _shot(phone, "help-sheet")
    phone.get_by_test_id("reason-need_tow").check()
    phone.get_by_test_id("reason-submit").click()
    call, held = phone.get_by_test_id("help-call"), phone.get_by_test_id("held-act")
    expect(held).to_have_attribute("data-move", "help")
    expect(call).to_contain_text("需要拖车")
    expect(call).to_contain_text("还没有发出")
    held.get_by_test_id("undo").click()
    expect(call).to_have_count(0)
    assert kept_on(phone)["acts"] == 0

    phone.get_by_test_id("help").click()
    phone.get_by_test_id("reason-danger").check()
    phone.get_by_test_id("reason-submit").click()
    expect(call).to_be_visible()
    phone.reload()
    expect(call).to_contain_text("现场有危险", timeout=SOON_MS)
    assert grid.desk.task(task_id)["help"] is None
    phone.context.set_offline(False)
    expect(row.get_by_test_id("help-tag")).to_be_visible(timeout=2 * SOON_MS)
    expect(call).to_contain_text("指挥中心正在安排", timeout=SOON_MS)
    expect(screen.get_by_test_id("help-announcement")).to_contain_text("李网格求助")
    assert screen.evaluate("() => window.tones") == []  # muted: it is read, and not heard
    screen.keyboard.press("m")
    screen.wait_for_function("() => window.tones.length === 8")  # nobody has answered: it is heard after the mute
    assert set(screen.evaluate("() => window.tones")) == {523, 1046}, "as no incident sounds"
    assert [entry["kind"] for entry in grid.story(task_id)].count("help_asked") == 1
    expect(held).to_have_count(0)
    _fine(phone)
    _shot(phone, "help-waits")

    row.locator("button").click()
    case = screen.get_by_test_id("case-help")
    expect(case).to_contain_text("现场有危险", timeout=SOON_MS)
    _shot(screen, "help-desk")
    case.get_by_test_id("answer-fire_brigade_comes").check()
    case.get_by_test_id("answer-note").fill("约 8 分钟")
    assert serious(screen) == []
    case.get_by_test_id("answer-send").click()
    expect(case).to_have_attribute("data-answered", "true", timeout=SOON_MS)
    expect(row.get_by_test_id("help-tag")).to_have_count(0, timeout=SOON_MS)
    expect(call).to_contain_text("消防救援前往 · 约 8 分钟", timeout=SOON_MS)
    expect(call).to_have_attribute("data-answered", "true")
    _fine(phone)
    _shot(phone, "help-answered")
    assert complaints(screen) == []


def test_a_check_in_tells_the_distance_and_a_poor_one_is_said_before_it_goes(browser: Browser, grid: Grid) -> None:
    require_axe()
    phone = small_phone(browser, grid, permissions=["geolocation"])
    task_id = grid.block(0)
    _under_way(phone, task_id)
    phone.context.set_geolocation({**_north_of(grid, task_id, 84), "accuracy": 350})
    phone.get_by_test_id("check-in").click()
    doubt = phone.get_by_test_id("fix-doubt")
    expect(doubt).to_contain_text("± 350 米", timeout=SOON_MS)
    _fine(phone)
    _shot(phone, "check-in-poor")
    assert kept_on(phone)["acts"] == 0
    phone.get_by_test_id("fix-anyway").click()
    expect(doubt).to_have_count(0)
    until(lambda: (grid.desk.task(task_id)["checked_in"] or {}).get("is_inaccurate") is True)

    phone.context.set_geolocation({**_north_of(grid, task_id, 84), "accuracy": 15})
    phone.get_by_test_id("check-in").click()
    until(lambda: (grid.desk.task(task_id)["checked_in"] or {}).get("accuracy_m") == 15)
    told = grid.desk.task(task_id)["checked_in"]
    assert (told["distance_m"], told["is_inaccurate"]) == (80, False)
    expect(phone.get_by_test_id("checked-in")).to_contain_text("距摄像机约 80 米 ± 15 米", timeout=SOON_MS)
    _fine(phone)
    _shot(phone, "checked-in")
    entries = [entry["params"] for entry in grid.story(task_id) if entry["kind"] == "checked_in"]
    assert [(one["accuracy_m"], one["distance_m"]) for one in entries] == [(350, 100)]  # soon after: one

    screen = desk(browser, grid.centre.origin)
    sign_in(screen, "operator", grid.password("operator"))
    screen.get_by_test_id("incident-row").locator("button").click(timeout=SOON_MS)
    expect(screen.get_by_test_id("case-checked-in")).to_contain_text("距摄像机约 80 米 ± 15 米", timeout=SOON_MS)
    _shot(screen, "check-in-desk")
    assert complaints(phone) == []


def test_a_forbidden_position_is_explained_and_the_task_goes_on(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid)  # the permission is not given: chromium without a screen refuses
    task_id = grid.block(0)
    _under_way(phone, task_id)
    phone.locator(".back").click()
    phone.get_by_test_id("language").click()
    opened(phone, task_id)
    phone.get_by_test_id("check-in").click()
    expect(phone.get_by_test_id("fix-doubt")).to_contain_text("The position is forbidden", timeout=SOON_MS)
    _fine(phone)
    _shot(phone, "check-in-denied-en")
    phone.get_by_test_id("arrive").click()
    expect(phone.get_by_test_id("task-page")).to_have_attribute("data-state", "arrived")
    assert grid.desk.task(task_id)["checked_in"] is None
