"""A rule's hours and its severity by place are set by a form, without JSON; a wrong hour is said where it is."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_rules import SOON_MS, Stage, open_camera, page_of, propose, stage, state
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints, too_wide

__all__ = ["stage"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


def test_hours_days_off_and_severity_by_place_are_pressed_and_typed(browser: Browser, stage: Stage) -> None:
    require_axe()
    page = page_of(browser, stage, "ruler")
    open_camera(page)
    page.get_by_test_id("edit-rules").click()
    page.get_by_test_id("rule-form").locator("summary").click()
    hours = page.get_by_test_id("field-schedule")
    expect(hours).to_contain_text("全天有效")
    hours.get_by_test_id("add-band").click()
    hours.get_by_test_id("band-start").fill("25:00")
    hours.get_by_test_id("band-start").press("Tab")
    expect(hours.get_by_test_id("field-problem")).to_contain_text("25:00", timeout=SOON_MS)
    hours.get_by_test_id("band-start").fill("22:00")
    hours.get_by_test_id("band-until").fill("06:00")
    hours.get_by_test_id("band-until").press("Tab")
    expect(hours).to_contain_text("到次日")
    expect(hours.get_by_test_id("field-problem")).to_have_count(0, timeout=SOON_MS)
    for day in ("周六", "周日"):
        hours.get_by_role("button", name=day).click()
    hours.get_by_test_id("add-day-out").click()
    hours.get_by_label("第一天").fill("2026-10-01")
    hours.get_by_label("最后一天").fill("2026-10-07")
    for width in (1366, 1920):
        page.set_viewport_size({"width": width, "height": 768})
        assert too_wide(page) == []
    assert serious(page) == []
    propose(page, "夜间执行")
    state(page, "in_force")
    schedule = stage.node.runs("cam-east")[0]["schedule"]
    assert schedule["bands"] == [{"days": ["mon", "tue", "wed", "thu", "fri"], "start": "22:00", "until": "06:00"}]
    assert schedule["exceptions"][0]["first"] == "2026-10-01"
    assert schedule["exceptions"][0]["last"] == "2026-10-07"

    page.get_by_test_id("edit-rules").click()
    page.get_by_test_id("rule-form").locator("summary").click()
    expect(hours.get_by_test_id("band-start")).to_have_value("22:00")  # what is in force is what the form shows
    places = page.get_by_test_id("field-severity_by_place")
    places.get_by_test_id("place-school").select_option("1")
    expect(page.get_by_test_id("draft-check")).to_contain_text("无需复核", timeout=SOON_MS)  # this camera is elsewhere
    places.get_by_test_id("place-residential").select_option("4")
    expect(page.get_by_test_id("draft-check")).to_contain_text("须第二人复核", timeout=SOON_MS)
    assert [one for one in complaints(page) if "422" not in one] == []  # 25:00 was refused in between
