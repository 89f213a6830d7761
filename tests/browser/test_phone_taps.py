"""From a new task to the end of it by taps alone, counted as the page gets them; a phone whose own clock is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_phone_offline import SMALL, SOON_MS, Grid, grid, is_installed, until
from tests.support.browser import PRESS_MS, complaints, drawn_jpeg, handset, sign_in, too_wide
from tests.support.legible import faults
from tests.support.phone_device import keeps_tasks

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

MOST_TAPS = 4
# Kept over the page's own navigation, which loads no new document.
COUNT_TAPS = """() => {
  window.taps = [];
  window.typed = 0;
  const name = (one) => one.closest("[data-testid]")?.dataset.testid ?? one.tagName;
  document.addEventListener("click", (e) => { if (e.isTrusted) window.taps.push(name(e.target)); }, true);
  document.addEventListener("keydown", (e) => { if (e.isTrusted) window.typed += 1; }, true);
}"""
# As if the owner had set the phone's clock wrong; timers run on.
SHIFTED = """(byMs) => {
  const Real = Date;
  const shifted = () => Real.now() + byMs;
  window.Date = class extends Real {
    constructor(...given) { if (given.length === 0) super(shifted()); else super(...given); }
    static now() { return shifted(); }
  };
}"""
YEAR_MS = 365 * 86_400_000
# The limits are 20 s and 120 s: by either phone's own clock more than this would be left or over.
FAR_S = 400


def _phone(browser: Browser, grid: Grid, by_ms: int = 0) -> Page:
    page = handset(browser, grid.centre.origin)
    page.set_viewport_size(SMALL)
    if by_ms:
        page.add_init_script(f"({SHIFTED})({by_ms})")
    sign_in(page, "worker", grid.password("worker"))
    expect(page.get_by_test_id("phone-page")).to_be_visible()
    return page


def test_a_task_is_taken_and_finished_in_four_taps_without_a_word_typed(
    browser: Browser, grid: Grid, tmp_path: Path
) -> None:
    phone = _phone(browser, grid)
    task_id = grid.block(0)
    card = phone.locator(f'[data-testid="task-card"][data-task="{task_id}"]')
    expect(card).to_be_visible(timeout=SOON_MS)
    phone.evaluate(COUNT_TAPS)
    card.get_by_test_id("take").tap()
    expect(phone.get_by_test_id("task-page")).to_have_attribute("data-task", task_id)
    phone.get_by_test_id("arrive").tap()
    photo = phone.get_by_test_id("photo-button").last
    file = tmp_path / "after.jpg"
    file.write_bytes(drawn_jpeg(1200, 800))
    with phone.expect_file_chooser() as chooser:
        photo.tap()
    chooser.value.set_files(file)  # the camera's own shutter is not the page's
    expect(phone.locator("[data-testid=photo]")).to_have_count(1, timeout=SOON_MS)
    expect(phone.get_by_test_id("handled")).to_be_enabled(timeout=SOON_MS)
    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    held = phone.get_by_test_id("held-act")
    expect(held).to_be_visible()
    expect(held.get_by_test_id("undo")).to_be_visible()  # what cannot be taken back waits for ten seconds
    until(lambda: grid.state(task_id) == "handled")
    # One tap on a label reaches its hidden input by a click of the browser's own: it counts once.
    taps = [name for name in phone.evaluate("() => window.taps") if not name.startswith("photo-input")]
    assert len(taps) <= MOST_TAPS, taps
    assert phone.evaluate("() => window.typed") == 0
    assert grid.kinds(task_id) == ["taken", "arrived", "handled"]
    assert complaints(phone) == []


def test_every_text_field_of_a_task_has_a_voice_note_beside_it(browser: Browser, grid: Grid) -> None:
    phone = _phone(browser, grid)
    task_id = grid.block(0)

    def each_can_be_spoken(how_many: int) -> None:
        expect(phone.locator("textarea:visible, input[type=text]:visible")).to_have_count(how_many)
        expect(phone.get_by_test_id("voice-record").locator("visible=true")).to_have_count(how_many)
        assert faults(phone) == []

    phone.locator(f'[data-testid="task-card"][data-task="{task_id}"] .open').tap(timeout=SOON_MS)
    phone.get_by_test_id("refuse").tap()
    phone.get_by_test_id("reason-other").check()
    each_can_be_spoken(1)
    phone.get_by_test_id("reason-sheet").get_by_role("button", name="取消").tap()
    phone.get_by_test_id("take").tap()
    phone.get_by_test_id("help").tap()
    phone.get_by_test_id("reason-other").check()
    each_can_be_spoken(1)
    phone.get_by_test_id("reason-sheet").get_by_role("button", name="取消").tap()
    phone.get_by_test_id("arrive").tap()
    expect(phone.get_by_test_id("handled-note")).to_be_visible()
    each_can_be_spoken(1)
    phone.get_by_test_id("return").tap()
    phone.get_by_test_id("reason-other").check()
    sheet = phone.get_by_test_id("reason-sheet")
    expect(sheet.locator("textarea")).to_have_count(1)
    expect(sheet.get_by_test_id("voice-record")).to_have_count(1)
    assert faults(phone) == []


@pytest.mark.parametrize(
    ("by_ms", "said"),
    [(YEAR_MS, "手机时间快了365天"), (-600_000, "手机时间慢了10分")],
    ids=["a year ahead", "ten minutes behind"],
)
def test_a_wrong_phone_clock_is_said_and_the_centres_time_counts(
    browser: Browser, grid: Grid, by_ms: int, said: str
) -> None:
    phone = _phone(browser, grid, by_ms)
    wrong = phone.get_by_test_id("clock-wrong")
    expect(wrong).to_contain_text(said)
    assert faults(phone) == []
    assert too_wide(phone) == []
    task_id = grid.block(0)
    card = phone.locator(f'[data-testid="task-card"][data-task="{task_id}"]')
    card.locator(".open").tap(timeout=SOON_MS)
    expect(wrong).to_be_visible()
    clock = phone.get_by_test_id("task-page").get_by_test_id("task-clock")
    assert _seconds(clock.inner_text()) < FAR_S, "limits follow the centre's clock, from the first paint on"
    is_installed(phone)
    until(lambda: keeps_tasks(phone, 1))
    phone.context.set_offline(True)
    phone.reload()  # what is kept is shown, and no answer has told this page what the time is
    expect(clock).to_have_attribute("data-known", "false", timeout=SOON_MS)
    expect(clock).to_have_text(re.compile(r"请在 .*\d\d:\d\d:\d\d 前接单"))
    assert "超时" not in phone.get_by_test_id("task-page").inner_text()
    expect(wrong).to_have_count(0)
    assert faults(phone) == []
    phone.context.set_offline(False)
    expect(clock).to_have_attribute("data-known", "true", timeout=SOON_MS)
    assert _seconds(clock.inner_text()) < FAR_S
    expect(wrong).to_contain_text(said)
    phone.get_by_test_id("take").tap()
    until(lambda: grid.state(task_id) == "taken")
    (taken,) = [entry for entry in grid.story(task_id) if entry["kind"] == "taken"]
    assert "acted_at" not in taken["params"], "told by the centre's time it is not late"
    assert [said for said in complaints(phone) if "net::ERR_" not in said] == []


def _seconds(text: str) -> int:
    """Of a countdown, "01:23" or "1:02:03", whichever side of the limit it is."""
    (told,) = re.findall(r"\d+(?::\d\d)+", text)
    seconds = 0
    for part in str(told).split(":"):
        seconds = seconds * 60 + int(part)
    return seconds


def test_a_phone_clock_that_is_nearly_right_is_not_spoken_of(browser: Browser, grid: Grid) -> None:
    phone = _phone(browser, grid, 60_000)
    expect(phone.get_by_test_id("loud-state")).to_be_visible()
    expect(phone.get_by_test_id("clock-wrong")).to_have_count(0)
