"""A desk and a worker speak, the desk reminds and hands the task on; the phones hear of it. Real browser and centre."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_phone_help import _fine, _shot, _under_way
from tests.browser.test_phone_offline import SOON_MS, Grid, grid, small_phone, until
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints, desk, sign_in
from xueliang_demo.city import DEMO, make_city

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_worker_is_reminded_and_the_task_is_handed_on(browser: Browser, grid: Grid) -> None:
    require_axe()
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    _under_way(phone, task_id)
    until(lambda: grid.state(task_id) == "taken")
    screen = desk(browser, grid.centre.origin)
    screen.set_viewport_size({"width": 1366, "height": 768})
    sign_in(screen, "operator", grid.password("operator"))
    screen.get_by_test_id("incident-row").locator("button").click(timeout=SOON_MS)

    said = "北门有人开门 <b>不是标记</b>"
    screen.get_by_test_id("say-text").fill(said, timeout=SOON_MS)
    screen.get_by_test_id("say-text").press("Enter")
    expect(screen.get_by_test_id("say-text")).to_have_value("", timeout=SOON_MS)
    expect(phone.get_by_test_id("message")).to_contain_text(said, timeout=SOON_MS)
    phone.context.set_offline(True)
    phone.get_by_test_id("write").tap()
    phone.get_by_test_id("message-text").fill("好，两分钟到")
    _fine(phone)
    _shot(phone, "message-sheet-phone")
    phone.get_by_test_id("message-send").tap()
    expect(phone.get_by_test_id("message-unsent")).to_contain_text("还没有发出")
    assert [entry["kind"] for entry in grid.story(task_id)].count("message") == 1
    phone.context.set_offline(False)
    expect(screen.get_by_test_id("message-tag")).to_be_visible(timeout=SOON_MS)
    expect(screen.get_by_test_id("message").last).to_contain_text("好，两分钟到")
    expect(phone.get_by_test_id("message-unsent")).to_have_count(0, timeout=SOON_MS)
    assert [entry["kind"] for entry in grid.story(task_id)].count("message") == 2
    _fine(phone)
    _shot(phone, "message-phone")
    _shot(screen, "message-desk")

    screen.get_by_test_id("urge-note").fill("学校 20 分钟后放学", timeout=SOON_MS)
    screen.get_by_test_id("aside-urge").click(timeout=SOON_MS)
    expect(screen.get_by_test_id("aside-outcome")).to_have_attribute("data-outcome", "done", timeout=SOON_MS)
    expect(screen.get_by_test_id("aside-urge")).to_be_disabled()
    expect(screen.get_by_test_id("urged")).to_contain_text("已催办 1 次")
    expect(screen.get_by_test_id("urged")).to_contain_text("学校 20 分钟后放学")
    expect(screen.get_by_test_id("urged-tag")).to_have_text("催办 1")
    expect(phone.get_by_test_id("urged")).to_contain_text("催办 1 次", timeout=SOON_MS)
    expect(phone.get_by_test_id("urged")).to_contain_text("学校 20 分钟后放学")
    _fine(phone)
    _shot(phone, "urged-phone")
    _shot(screen, "urged-desk")

    screen.get_by_test_id("aside-transfer").click()
    dialog = screen.get_by_test_id("transfer-dialog")
    expect(dialog).to_contain_text("推荐", timeout=SOON_MS)
    dialog.get_by_test_id("transfer-area").fill("880101")
    dialog.get_by_test_id("transfer-look").click()
    expect(dialog.get_by_test_id("transfer-problem")).to_be_visible(timeout=SOON_MS)
    dialog.get_by_test_id("transfer-area").fill(make_city(DEMO).areas[0].code)
    dialog.get_by_test_id("transfer-look").click()
    expect(dialog.get_by_test_id("to-王网格")).to_be_visible(timeout=SOON_MS)
    dialog.get_by_test_id("transfer-area").fill("")
    dialog.get_by_test_id("transfer-look").click()
    expect(dialog).to_contain_text("推荐", timeout=SOON_MS)
    dialog.get_by_test_id("reason-does_not_answer").check()
    assert serious(screen) == []
    _shot(screen, "transfer-desk")
    dialog.get_by_test_id("transfer-submit").click()
    expect(screen.get_by_test_id("aside-outcome")).to_have_attribute("data-outcome", "done", timeout=SOON_MS)
    expect(screen.get_by_test_id("former-tag")).to_have_text("转自李网格", timeout=SOON_MS)
    expect(screen.get_by_test_id("urged-tag")).to_have_count(0)  # it was said to the one before
    notice = phone.get_by_test_id("notice")
    expect(notice).to_contain_text("任务已转交他人", timeout=SOON_MS)
    expect(phone.get_by_test_id("urged")).to_have_count(0)
    _fine(phone)
    _shot(phone, "handed-on-phone")
    assert grid.state(task_id) == "withdrawn"
    story = [entry["kind"] for entry in grid.story(task_id)]
    assert story[-3:] == ["urged", "transferred", "task_offered"]
    assert [said for said in complaints(screen) if "404" not in said] == []
