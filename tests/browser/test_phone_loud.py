"""A new task is heard, felt and seen on the phone, in a real browser against a real centre; and every page of the phone
can be read in sunlight and pressed with gloves.
"""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_phone_offline import SOON_MS, Grid, grid, opened, small_phone, until
from tests.support.accessibility import require_axe, serious
from tests.support.browser import asked_elsewhere, complaints, too_wide
from tests.support.legible import faults
from xueliang_central.areas.datums import from_wgs84
from xueliang_configs.cameras import Datum

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

# Counts what the page asks of the device; the asking itself goes on.
COUNT = """() => {
  window.asked = { tones: 0, shakes: [], shown: [] };
  const make = AudioContext.prototype.createOscillator;
  AudioContext.prototype.createOscillator = function () { window.asked.tones += 1; return make.call(this); };
  const shake = navigator.vibrate.bind(navigator);
  navigator.vibrate = (pattern) => { if (pattern) window.asked.shakes.push(pattern); return shake(pattern); };
  const show = ServiceWorkerRegistration.prototype.showNotification;
  ServiceWorkerRegistration.prototype.showNotification = function (title, how) {
    window.asked.shown.push(`${title} ${how.body}`);
    return show.call(this, title, how);
  };
}"""
HIDE = """() => Object.defineProperty(document, "visibilityState", { value: "hidden", configurable: true })"""


def asked(page: Page) -> dict[str, Any]:
    return dict(page.evaluate("() => window.asked"))


def test_a_new_task_rings_again_until_it_is_looked_at_and_mute_is_shown(browser: Browser, grid: Grid) -> None:
    require_axe()
    phone = small_phone(browser, grid)
    state = phone.get_by_test_id("loud-state")
    expect(state).to_be_visible()
    phone.evaluate(COUNT)
    phone.get_by_test_id("mute").click()  # also the first press
    expect(state).to_have_attribute("data-sound", "muted")
    expect(state).to_contain_text("已静音")
    phone.get_by_test_id("mute").click()
    expect(state).to_have_attribute("data-sound", "on", timeout=SOON_MS)
    task_id = grid.block(0)
    new = phone.get_by_test_id("new-task")
    expect(new).to_have_attribute("data-count", "1", timeout=SOON_MS)
    expect(phone).to_have_title("(1) 雪亮网格员", timeout=SOON_MS)
    until(lambda: asked(phone)["tones"] >= 8)  # two rings of two pairs
    assert len(asked(phone)["shakes"]) >= 2
    assert too_wide(phone) == []
    assert serious(phone) == []
    phone.get_by_test_id("new-task-look").click()
    expect(phone.get_by_test_id("task-page")).to_have_attribute("data-task", task_id)
    expect(new).to_have_count(0)
    expect(phone).to_have_title("雪亮网格员", timeout=SOON_MS)
    heard = asked(phone)["tones"]
    phone.wait_for_timeout(9_000)  # longer than from one ring to the next
    assert asked(phone)["tones"] == heard
    assert complaints(phone) == []


def test_a_hidden_page_shows_a_notification_without_the_place(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid, permissions=["notifications"])
    expect(phone.get_by_test_id("loud-state")).to_be_visible()
    phone.evaluate(COUNT)
    phone.evaluate(HIDE)
    grid.block(0)
    until(lambda: bool(asked(phone)["shown"]))
    (shown,) = asked(phone)["shown"]
    assert "消防车通道占用" in shown
    assert "东巷" not in shown


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_of_the_phone_is_large_and_strong_enough(browser: Browser, grid: Grid, language: str) -> None:
    phone = small_phone(browser, grid)
    if language == "en":
        phone.get_by_test_id("language").click()
    expect(phone.get_by_test_id("loud-state")).to_be_visible()
    assert faults(phone) == []
    task_id = grid.block(0)
    expect(phone.get_by_test_id("new-task")).to_be_visible(timeout=SOON_MS)
    assert faults(phone) == []
    opened(phone, task_id)
    expect(phone.get_by_test_id("map-links")).to_be_visible()
    assert faults(phone) == []
    phone.get_by_test_id("refuse").click()
    phone.get_by_test_id("reason-other").check()
    assert faults(phone) == []
    phone.get_by_test_id("reason-note").fill("不在岗")
    phone.get_by_test_id("reason-submit").click()
    expect(phone.get_by_test_id("held-act")).to_be_visible()
    assert faults(phone) == []
    phone.get_by_test_id("undo").click()
    phone.get_by_test_id("take").click()
    phone.get_by_test_id("arrive").click()
    expect(phone.get_by_test_id("photo-button")).to_be_visible()
    assert faults(phone) == []
    phone.locator(".back").click()
    phone.get_by_test_id("to-my-shifts").click()
    expect(phone.get_by_test_id("own-now")).to_be_visible()
    assert faults(phone) == []
    assert too_wide(phone) == []


def test_the_way_leads_to_the_camera_in_the_datum_of_each_map(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    expect(phone.get_by_test_id("task-card")).to_have_count(1, timeout=SOON_MS)
    opened(phone, task_id)
    expect(phone.get_by_test_id("map-links")).to_be_visible()
    found = grid.desk.task(task_id)["incident"]["place"]
    spot = (found["longitude"], found["latitude"])
    for name, datum in (("amap", Datum.GCJ02), ("baidu", Datum.BD09), ("other", Datum.WGS84)):
        address = phone.get_by_test_id(f"map-{name}").get_attribute("href")
        east, north = from_wgs84(spot, datum)
        pair = f"{east:.6f},{north:.6f}" if name == "amap" else f"{north:.6f},{east:.6f}"
        assert address is not None
        assert pair in address
        assert "%E4%B8%9C%E5%B7%B7" not in address, "no name of a place"
    assert asked_elsewhere(phone, grid.centre.origin) == []
