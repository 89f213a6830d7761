"""The command page by keyboard alone, and what is heard: judged without a mouse, a shift begun with a test tone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_console import SOON_MS, as_operator, blocked, centre, node
from tests.support.browser import complaints
from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_alerts.contract import Hazard, Severity

__all__ = ["centre", "node"]  # fixtures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


def selected(page: Page) -> str | None:
    row = page.locator('[data-testid="incident-row"]:has(button[aria-pressed="true"])')
    return row.get_attribute("data-incident") if row.count() else None


def test_three_incidents_are_judged_by_keys_alone(browser: Browser, centre: CentreOnly, node: PuppetNode) -> None:
    page = as_operator(browser, centre)
    for number, severity in enumerate((Severity.ORANGE, Severity.YELLOW, Severity.YELLOW)):
        blocked(node, f"cam-{number}", severity, Hazard.BLOCKED_EXIT)
    rows = page.get_by_test_id("incident-row")
    expect(rows).to_have_count(3, timeout=SOON_MS)
    page.keyboard.press("j")
    expect(page.get_by_test_id("case-panel")).to_be_visible()
    first = selected(page)
    assert first == rows.first.get_attribute("data-incident")
    expect(page.get_by_test_id("move-false_alarm")).to_be_visible()
    page.keyboard.press("f")
    expect(page.get_by_test_id("move-dialog")).to_be_visible()
    page.keyboard.press("j")  # the dialog has the keys: nothing moves behind it
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("move-outcome")).to_have_attribute("data-outcome", "done")
    expect(rows).to_have_count(2, timeout=SOON_MS)
    assert selected(page) is None or selected(page) == first
    page.keyboard.press("n")
    expect(page.get_by_test_id("case-panel")).not_to_have_attribute("data-incident", str(first))
    expect(page.get_by_test_id("move-confirm")).to_be_visible()
    page.keyboard.press("c")
    expect(page.get_by_test_id("move-outcome")).to_have_attribute("data-outcome", "done")
    page.keyboard.press("n")
    expect(page.get_by_test_id("move-permitted")).to_be_visible()
    page.keyboard.press("p")
    page.keyboard.press("2")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("move-outcome")).to_have_attribute("data-outcome", "done")
    page.keyboard.press("n")
    expect(page.get_by_test_id("key-said")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("case-panel")).to_have_count(0)
    page.keyboard.press("?")
    expect(page.get_by_test_id("key-sheet")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("key-sheet")).to_have_count(0)
    person = centre.log_in("operator")
    states = sorted((one["state"], one["close_reason"]) for one in person.incidents())
    person.close()
    assert [reason for _, reason in states if reason] == ["false_alarm", "permitted"]
    assert complaints(page) == []


def test_letters_typed_into_a_note_judge_nothing(browser: Browser, centre: CentreOnly, node: PuppetNode) -> None:
    page = as_operator(browser, centre)
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    expect(page.get_by_test_id("incident-row")).to_have_count(1, timeout=SOON_MS)
    page.keyboard.press("n")
    expect(page.get_by_test_id("move-false_alarm")).to_be_visible()
    page.keyboard.press("f")
    note = page.get_by_test_id("move-note").locator("textarea, input").or_(page.locator("textarea"))
    note.first.fill("")
    note.first.press_sequentially("cfpx 123")
    expect(note.first).to_have_value("cfpx 123")
    expect(page.get_by_test_id("move-submit")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("incident-row")).to_have_attribute("data-state", "open")


def test_a_shift_begins_with_a_tone_that_is_heard_and_mute_ends_by_itself(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_operator(browser, centre)
    page.clock.install()  # runs on by itself, and can be put forward
    page.evaluate(
        """() => {
          window.__tones = 0;
          const start = OscillatorNode.prototype.start;
          OscillatorNode.prototype.start = function (...given) {
            window.__tones += 1;
            return start.apply(this, given);
          };
        }"""
    )
    sound = page.get_by_test_id("sound")
    expect(sound).to_have_attribute("data-sound", "off")
    expect(page.get_by_test_id("queue-empty")).to_be_visible()  # what is there before is read, not told
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    expect(page.get_by_test_id("announcement")).to_contain_text("安全出口堵塞", timeout=SOON_MS)
    assert page.evaluate("window.__tones") == 0  # nobody has begun a shift here
    page.get_by_test_id("sound-start").click()
    expect(sound).to_have_attribute("data-sound", "testing")
    assert page.evaluate("window.__tones") == 3
    with page.expect_response("**/api/seat/presence") as told:
        page.get_by_test_id("sound-heard").click()
    assert told.value.json()["presence"]["unstaffed_after_s"] == 60.0  # also where nothing is dealt
    expect(sound).to_have_attribute("data-sound", "on")
    blocked(node, "cam-1", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    # It flashes for four seconds: looked for in the page itself, at every frame, so that a busy machine misses nothing.
    page.wait_for_function(
        "() => document.querySelector('[data-testid=command-page]').className === 'page flash sev-2'"
    )
    expect(page.get_by_test_id("incident-row")).to_have_count(2, timeout=SOON_MS)
    page.wait_for_function("() => window.__tones === 7")  # two pairs
    page.keyboard.press("m")
    expect(sound).to_have_attribute("data-sound", "muted")
    expect(page.get_by_test_id("sound-muted")).to_contain_text("9:5")
    expect(page.get_by_test_id("seat-warning")).to_contain_text("后，本席位按无人值守计")
    blocked(node, "cam-2", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    expect(page.get_by_test_id("incident-row")).to_have_count(3, timeout=SOON_MS)
    page.wait_for_timeout(600)
    assert page.evaluate("window.__tones") == 7
    page.keyboard.press("m")
    expect(sound).to_have_attribute("data-sound", "on")
    page.route("**/api/**", lambda route: route.abort())  # each answer tells the centre's time, which the page goes by
    page.keyboard.press("m")
    page.clock.fast_forward("09:30")
    expect(page.get_by_test_id("sound-muted")).to_contain_text("00:2", timeout=SOON_MS)
    page.clock.fast_forward("00:31")
    expect(sound).to_have_attribute("data-sound", "on")  # nobody has to think of it
    page.unroute("**/api/**")
    # Chromium remembers presses over a reload of the same page; a browser that was restarted does not.
    page.add_init_script("Object.defineProperty(UserActivation.prototype, 'hasBeenActive', { get: () => false })")
    page.reload()
    expect(sound).to_have_attribute("data-sound", "asleep")  # the browser is silent until somebody presses something
    expect(page.get_by_test_id("sound-wake")).to_contain_text("尚未发声")
    expect(page.get_by_test_id("seat-warning")).to_contain_text("浏览器尚未发声")
    expect(page.get_by_test_id("command-page")).to_have_class("page grey")
    page.get_by_test_id("sound-wake").click()
    expect(sound).to_have_attribute("data-sound", "on")
    expect(page.get_by_test_id("command-page")).to_have_class("page")
    assert [one for one in complaints(page) if "ERR_FAILED" not in one] == []  # those were aborted above


def test_a_page_that_hears_nothing_turns_grey_and_one_that_was_hidden_says_for_how_long(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_operator(browser, centre)
    page.clock.install()
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=SOON_MS)
    page.get_by_test_id("sound-start").click()
    page.get_by_test_id("sound-heard").click()
    whole = page.get_by_test_id("command-page")
    expect(whole).to_have_class("page")
    page.clock.fast_forward(21_000)  # nothing came for so long: the socket is open all the same
    expect(whole).to_have_class("page grey")
    expect(page.get_by_test_id("link-lost")).to_be_visible()
    expect(whole).to_have_class("page", timeout=40_000)  # the next sign of life
    hide = """(state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      Object.defineProperty(document, "hidden", { value: state === "hidden", configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, "hidden")
    page.clock.fast_forward(90_000)
    page.evaluate(hide, "visible")
    expect(page.get_by_test_id("was-hidden")).to_contain_text("1分")
    assert complaints(page) == []
