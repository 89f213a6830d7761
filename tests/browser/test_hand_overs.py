"""A shift hands over in a real browser: a note with the facts as they stand, read and acknowledged by the next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.accessibility import serious
from tests.support.browser import complaints
from tests.support.room import too_wide_at
from tests.support.small_city import CAMERAS, Small, open_page, small

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Small]:
    with small(tmp_path / "city") as found:
        found.have_tasks()
        yield found


def _is_sound(page: Page) -> None:
    assert serious(page) == []
    assert too_wide_at(page) == []
    assert complaints(page) == []


def test_a_note_is_written_at_the_end_of_a_shift_and_acknowledged_by_the_next(browser: Browser, place: Small) -> None:
    page = place.page(browser, "operator")
    expect(page.get_by_test_id("incident-row")).to_have_count(CAMERAS)
    expect(page.get_by_test_id("hand-over-unread")).to_have_count(0)
    open_page(page, "/hand-overs")
    expect(page.get_by_test_id("hand-overs-none")).to_be_visible()
    page.get_by_test_id("hand-over-begin").click()
    draft = page.get_by_test_id("hand-over-draft")
    expect(draft.get_by_test_id("facts-incidents")).to_have_attribute("data-total", str(CAMERAS))
    expect(draft.get_by_test_id("facts-incidents")).to_contain_text("消防车通道占用")
    _is_sound(page)
    waiting = place.page(browser, "chief")  # whose command page is open when the note comes
    expect(waiting.get_by_test_id("incident-row")).to_have_count(CAMERAS)
    expect(waiting.get_by_test_id("hand-over-unread")).to_have_count(0)
    page.get_by_test_id("hand-over-words").fill("东巷工地夜间进料，物业已报备到 06:00")
    page.get_by_test_id("hand-over-save").click()
    expect(page.get_by_test_id("hand-over-said")).to_contain_text("已保存")
    expect(page.get_by_test_id("hand-over")).to_have_attribute("data-read", "false")
    expect(page.get_by_test_id("hand-over-acknowledge")).to_have_count(0)  # not by its writer

    expect(waiting.get_by_test_id("hand-over-unread")).to_contain_text("值班员")
    after = place.page(browser, "chief")
    expect(after.get_by_test_id("hand-over-unread")).to_contain_text("值班员")
    after.get_by_test_id("hand-over-unread").get_by_role("link").click()
    after.get_by_test_id("hand-over-open").click()
    expect(after.get_by_test_id("facts-incidents")).to_have_attribute("data-total", str(CAMERAS))
    after.get_by_test_id("language").click()
    expect(after.get_by_test_id("hand-over")).to_contain_text("not acknowledged")
    _is_sound(after)
    after.get_by_test_id("hand-over-acknowledge").click()
    expect(after.get_by_test_id("hand-over")).to_have_attribute("data-read", "true")
    expect(after.get_by_test_id("hand-over")).to_contain_text("Acknowledged by")
    expect(waiting.get_by_test_id("hand-over-unread")).to_have_count(0)  # acknowledged on another page
    assert complaints(waiting) == []
    open_page(after, "/")
    expect(after.get_by_test_id("hand-over-unread")).to_have_count(0)
    _is_sound(after)
