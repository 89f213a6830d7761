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
    expect(page.get_by_test_id("queue-empty")).to_be_visible(timeout=SOON_MS)


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


def test_steps_are_ticked_beside_the_judgement_and_never_before_it(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_operator(browser, centre)
    blocked(node, "cam-0", Severity.ORANGE, Hazard.FIRE_SMOKE)
    expect(page.get_by_test_id("incident-row")).to_have_count(1, timeout=SOON_MS)
    page.keyboard.press("n")
    panel = page.get_by_test_id("case-panel")
    steps = panel.get_by_test_id("case-checklist")
    expect(steps).to_contain_text("是否为水汽、灯光、夕阳")
    told: list[str] = []
    page.on("request", lambda request: told.append(request.url) if "/checklist" in request.url else None)
    steps.get_by_test_id("check-lookalike").check()
    steps.get_by_test_id("check-fire_service").check()
    entry = panel.locator('[data-testid="timeline"] [data-kind="checklist"]')
    expect(entry).to_contain_text("✓ 是否为水汽、灯光、夕阳", timeout=SOON_MS)
    expect(entry).to_contain_text("✓ 通知消防（119）")
    expect(entry).to_contain_text("值班员")
    assert len(told) == 1  # both in one
    expect(steps).to_contain_text("值班员")
    require_axe()
    assert serious(page) == []
    page.get_by_test_id("language").click()
    expect(steps).to_contain_text("Call the fire service (119)")
    expect(entry).to_contain_text("✓ Is it steam, a lamp, the sunset, dust?")
    assert serious(page) == []
    steps.get_by_test_id("check-lookalike").uncheck()
    page.keyboard.press("f")  # with the focus on a step, and a tick on its way: keys judge as ever
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_test_id("move-outcome")).to_have_attribute("data-outcome", "done")
    expect(steps.get_by_test_id("check-fire_service")).to_be_disabled()
    assert complaints(page) == []
