"""Two browsers at two desks: who has a case open is seen by the other, and taken over by one act."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_console import SOON_MS, as_operator, blocked
from tests.browser.test_seat import centre
from tests.support.accessibility import serious
from tests.support.browser import complaints, desk, sign_in
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.screenshots import shoot
from xueliang_alerts.contract import Hazard, Severity

__all__ = ["centre"]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


def chief_of(browser: Browser, centre: CentreOnly) -> Page:
    page = desk(browser, centre.origin)
    sign_in(page, "chief", centre.password_of("chief"))
    page.get_by_test_id("tab-all").click()
    return page


def test_who_opened_a_case_is_seen_and_one_press_takes_it_over(
    browser: Browser, centre: CentreOnly, tmp_path: Path
) -> None:
    with PuppetNode(centre, {"cam-0": "streaming"}) as node:
        page, above = as_operator(browser, centre), chief_of(browser, centre)
        blocked(node, "cam-0", Severity.ORANGE, Hazard.ILLEGAL_PARKING)
        page.get_by_test_id("tab-all").click()
        page.get_by_test_id("incident-row").first.click(timeout=SOON_MS)
        tag = above.get_by_test_id("claim-tag")
        expect(tag).to_contain_text("值班员 处理中", timeout=SOON_MS)
        expect(page.get_by_test_id("claim-tag")).to_have_count(0)
        above.get_by_test_id("incident-row").first.click()
        expect(above.get_by_test_id("case-claim")).to_contain_text("起已打开此事件", timeout=SOON_MS)
        shoot(above, tmp_path / "claimed.png")
        assert serious(above) == []
        above.keyboard.press("t")
        lost = page.get_by_test_id("case-claim")
        expect(lost).to_contain_text("市值班员", timeout=SOON_MS)
        expect(lost).to_contain_text("接手此事件")
        expect(above.get_by_test_id("case-claim")).to_have_count(0)
        shoot(page, tmp_path / "taken.png")
        assert serious(page) == []
        page.get_by_test_id("language").click()
        expect(lost).to_contain_text("took this case over at")
        lost.get_by_test_id("claim-take-over").click()
        expect(lost).to_have_count(0)
        expect(above.get_by_test_id("case-claim")).to_contain_text("接手此事件", timeout=SOON_MS)
        page.keyboard.press("Escape")
        expect(above.get_by_test_id("case-claim")).to_have_count(0, timeout=SOON_MS)
        assert complaints(page) == complaints(above) == []
