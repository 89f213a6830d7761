"""What helps to judge a case: what was at its place before, and the steps of its hazard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_console import CLEAR, SOON_MS, as_operator, blocked, centre, node
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints
from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_alerts.contract import Hazard, Severity

__all__ = ["centre", "node"]  # fixtures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


def judged(page: Page, reason: str) -> None:
    """The first row of the queue, as a false alarm."""
    page.get_by_test_id("incident-row").first.click(timeout=SOON_MS)
    page.get_by_test_id("move-false_alarm").click()
    page.get_by_test_id(f"reason-{reason}").check()
    page.get_by_test_id("move-submit").click()
    expect(page.get_by_test_id("close-reason")).to_have_text("误报")


def test_what_was_here_before_is_with_the_case(browser: Browser, centre: CentreOnly, node: PuppetNode) -> None:
    page = as_operator(browser, centre)
    first = blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    page.get_by_test_id("incident-row").first.click(timeout=SOON_MS)
    expect(page.get_by_test_id("earlier-none")).to_be_visible()
    judged(page, "shadow_or_light")
    node.see_clear(first, reason=CLEAR)
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    page.get_by_test_id("incident-row").first.click(timeout=SOON_MS)
    earlier = page.get_by_test_id("case-panel").get_by_test_id("case-earlier")
    expect(earlier.get_by_test_id("earlier-ends")).to_have_text("共 1 起误报 1")
    expect(earlier.get_by_test_id("earlier-item")).to_contain_text("本机位")
    require_axe()
    assert serious(page) == []
    page.get_by_test_id("language").click()
    expect(earlier).to_contain_text("Here before (last 30 days, same hazard)")
    assert serious(page) == []
    earlier.get_by_role("link").click()
    expect(page.get_by_test_id("incident-page").get_by_test_id("close-reason")).to_have_text("False alarm")
    assert complaints(page) == []
