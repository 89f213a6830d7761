"""A voice note in place of words, recorded for real by the browser's own recorder from its made-up microphone.

Kept on the phone without a signal, heard before it goes, sent once, and played at the desk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.test_phone_offline import SOON_MS, Grid, grid, kept_on, opened, small_phone, until
from tests.support.accessibility import require_axe, serious
from tests.support.browser import FLAGS, PRESS_MS, chromium_path, complaints, desk, require_console, sign_in, too_wide
from tests.support.legible import faults

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

MICROPHONE = "--use-fake-device-for-media-stream"  # a tone; whether the page may hear it is the test's to say

HEARD_TO_ITS_END = """async (sound) => {
  await sound.play();
  await new Promise((resolve) => { sound.onended = resolve; });
  return sound.currentTime;
}"""


@pytest.fixture(scope="module")
def talking() -> Iterator[Browser]:
    """A browser whose microphone hears a made-up tone."""
    require_console()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=[*FLAGS, MICROPHONE])
        yield browser
        browser.close()


def _shot(page: Page, name: str) -> None:
    folder = os.environ.get("XUELIANG_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def _fine(phone: Page) -> None:
    assert faults(phone) == []
    assert too_wide(phone) == []
    assert serious(phone) == []


def _speak(phone: Page) -> None:
    phone.get_by_test_id("voice-record").click()
    stop = phone.get_by_test_id("voice-stop")
    expect(stop).to_contain_text("2", timeout=SOON_MS)  # seconds
    stop.click()


def test_a_report_is_spoken_without_a_signal_and_heard_at_the_desk(talking: Browser, grid: Grid) -> None:
    require_axe()
    phone = small_phone(talking, grid, permissions=["microphone"])
    task_id = grid.block(0)
    phone.set_viewport_size({"width": 390, "height": 844})
    opened(phone, task_id).get_by_test_id("take").click()
    phone.get_by_test_id("arrive").click()
    until(lambda: grid.state(task_id) == "arrived")
    phone.reload()
    phone.context.set_offline(True)
    phone.get_by_test_id("without-photo").click(timeout=SOON_MS)
    expect(phone.get_by_test_id("handled")).to_be_disabled()
    _speak(phone)
    voice = phone.get_by_test_id("voice")
    expect(voice).to_have_attribute("data-voice", "kept", timeout=SOON_MS)
    voice.scroll_into_view_if_needed()
    _fine(phone)
    _shot(phone, "voice-kept")
    voice.get_by_test_id("voice-play").click()
    until(lambda: voice.locator("audio").evaluate("(sound) => sound.ended && sound.currentTime") > 1)
    phone.reload()
    expect(voice).to_have_attribute("data-voice", "kept", timeout=SOON_MS)
    assert (kept_on(phone)["photos"], kept_on(phone)["bytes"]) == (1, 1)
    phone.get_by_test_id("without-photo").click()
    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    expect(phone.get_by_test_id("task-page")).to_have_attribute("data-state", "handled")
    assert grid.state(task_id) == "arrived"
    phone.context.set_offline(False)
    until(lambda: grid.state(task_id) == "handled")
    until(lambda: kept_on(phone)["photos"] + kept_on(phone)["bytes"] + kept_on(phone)["acts"] == 0)
    told = grid.desk.task(task_id)
    assert ([voice["move"] for voice in told["voices"]], told["photos"], told["note"]) == (["handled"], [], None)

    screen = desk(talking, grid.centre.origin)
    sign_in(screen, "operator", grid.password("operator"))
    screen.get_by_test_id("incident-row").locator("button").click(timeout=SOON_MS)
    player = screen.get_by_test_id("case-panel").locator("audio")
    expect(player).to_have_count(1, timeout=SOON_MS)
    assert serious(screen) == []
    player.scroll_into_view_if_needed()
    _shot(screen, "voice-desk")
    played_s = player.evaluate(HEARD_TO_ITS_END)
    assert played_s > 1
    assert complaints(screen) == []


def test_other_help_is_spoken_and_a_note_for_an_act_not_made_goes(talking: Browser, grid: Grid) -> None:
    require_axe()
    phone = small_phone(talking, grid, permissions=["microphone"])
    task_id = grid.block(0)
    phone.set_viewport_size({"width": 390, "height": 844})
    opened(phone, task_id).get_by_test_id("take").click()
    phone.get_by_test_id("help").click()
    phone.get_by_test_id("reason-other").check()
    expect(phone.get_by_test_id("reason-submit")).to_be_disabled()
    _speak(phone)
    expect(phone.get_by_test_id("voice")).to_have_count(1, timeout=SOON_MS)
    expect(phone.get_by_test_id("reason-submit")).to_be_enabled()
    _fine(phone)
    _shot(phone, "voice-help")
    phone.get_by_test_id("reason-sheet").get_by_role("button", name="取消").click()
    until(lambda: kept_on(phone)["photos"] == 0)
    phone.get_by_test_id("help").click()
    phone.get_by_test_id("reason-other").check()
    _speak(phone)
    expect(phone.get_by_test_id("voice")).to_have_count(1, timeout=SOON_MS)
    phone.get_by_test_id("reason-submit").click()
    until(lambda: [one["move"] for one in grid.desk.task(task_id)["voices"]] == ["help"])
    assert complaints(phone) == []


def test_a_forbidden_microphone_is_explained(talking: Browser, grid: Grid) -> None:
    phone = small_phone(talking, grid, permissions=[])
    task_id = grid.block(0)
    phone.get_by_test_id("language").click()
    opened(phone, task_id).get_by_test_id("take").click()
    phone.get_by_test_id("help").click()
    phone.get_by_test_id("reason-other").check()
    phone.get_by_test_id("voice-record").click()
    expect(phone.get_by_test_id("voice-trouble")).to_contain_text("type instead", timeout=SOON_MS)
    _shot(phone, "voice-denied-en")
    assert faults(phone) == []
