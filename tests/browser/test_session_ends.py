"""A session ends in the middle of an act, in a real browser against a real centre: nothing typed is lost.

The page is covered, the same person signs in again over it, and what was being done goes on by itself.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_console import SOON_MS, as_operator, blocked, centre, node
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints, sign_in
from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_alerts.contract import Hazard, Severity

__all__ = ["centre", "node"]  # fixtures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

NOTE = "物业来电：夜间卸货，半小时内离开"


def end_sessions(centre: CentreOnly) -> None:
    """As when their time is over: the centre knows none of them any more."""
    with closing(sqlite3.connect(centre.folder / "centre" / "centre.db", timeout=10)) as database, database:
        assert database.execute("delete from sessions").rowcount > 0


def sign_in_again(page: Page, centre: CentreOnly, username: str) -> None:
    page.get_by_test_id("again-password").fill(centre.password_of(username))
    page.get_by_test_id("again-submit").click()
    expect(page.get_by_test_id("sign-in-again")).to_have_count(0)


def judging(browser: Browser, centre: CentreOnly, node: PuppetNode) -> Page:
    """A page on which a false alarm is about to be told, with words."""
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    page = as_operator(browser, centre)
    page.get_by_test_id("incident-row").first.click(timeout=SOON_MS)
    page.get_by_test_id("move-false_alarm").click()
    page.get_by_test_id("reason-other").check()
    page.get_by_test_id("move-note").fill(NOTE)
    return page


def test_an_act_whose_session_is_over_goes_on_when_the_same_person_signs_in_again(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    require_axe()
    page = judging(browser, centre, node)
    end_sessions(centre)
    page.get_by_test_id("move-submit").click()
    over = page.get_by_test_id("sign-in-again")
    expect(over).to_contain_text("值班员，登录已失效", timeout=SOON_MS)
    expect(page).to_have_url(f"{centre.origin}/")
    assert serious(page) == []
    page.keyboard.press("Escape")  # nothing of the page comes back without a session
    expect(over).to_be_visible()
    page.get_by_test_id("again-password").fill("not the password")
    page.get_by_test_id("again-submit").click()
    expect(page.get_by_test_id("again-failure")).to_contain_text("不正确")
    over.get_by_test_id("language").click()
    expect(over).to_contain_text("your session has ended")
    over.get_by_test_id("language").click()
    blocked(node, "cam-1", Severity.RED, Hazard.BLOCKED_EXIT)  # meanwhile
    sign_in_again(page, centre, "operator")
    expect(page.get_by_test_id("move-outcome")).to_have_attribute("data-outcome", "done", timeout=SOON_MS)
    expect(page.get_by_test_id("close-reason")).to_have_text("误报")
    expect(page.get_by_test_id("case-panel")).to_contain_text(NOTE)
    rows = page.get_by_test_id("incident-row")
    expect(rows).to_have_count(1, timeout=SOON_MS)  # the judged one is gone, what came meanwhile is there
    expect(rows).to_contain_text("东巷1号")
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=SOON_MS)
    assert [one for one in complaints(page) if "401" not in one] == []


def test_somebody_else_who_signs_in_does_not_go_on_with_the_act(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = judging(browser, centre, node)
    end_sessions(centre)
    page.get_by_test_id("move-submit").click()
    page.get_by_test_id("sign-in-another").click(timeout=SOON_MS)
    expect(page.get_by_test_id("login-page")).to_be_visible()
    expect(page.get_by_text(NOTE)).to_have_count(0)
    sign_in(page, "worker", centre.password_of("worker"))
    expect(page.get_by_test_id("phone-page")).to_be_visible()
    person = centre.log_in("operator")
    assert [one["state"] for one in person.incidents()] == ["open"]
    person.close()
