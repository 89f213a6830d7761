"""What nobody can take back is held on the phone for ten seconds and can be undone, in a real browser against a real
centre: with and without a signal, over a reload, and never sent twice.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_phone_offline import SOON_MS, Grid, grid, kept_on, opened, photograph, small_phone, until
from tests.support.accessibility import require_axe, serious
from tests.support.browser import PRESS_MS, complaints, too_wide

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


def arrived(phone: Page, task_id: str) -> None:
    opened(phone, task_id).get_by_test_id("take").click()
    phone.get_by_test_id("arrive").click()
    expect(phone.get_by_test_id("task-page")).to_have_attribute("data-state", "arrived")


def test_a_report_is_undone_with_its_photo_and_words_and_goes_once_when_it_is_not(
    browser: Browser, grid: Grid, tmp_path: Path
) -> None:
    require_axe()
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    arrived(phone, task_id)
    photograph(phone, tmp_path)
    expect(phone.locator("[data-testid=photo][data-photo=sent]")).to_have_count(1, timeout=SOON_MS)
    phone.get_by_test_id("handled-note").fill("已通知车主挪车")
    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    task, held = phone.get_by_test_id("task-page"), phone.get_by_test_id("held-act")
    expect(task).to_have_attribute("data-state", "handled")
    expect(held).to_contain_text("秒后发送")
    assert too_wide(phone) == []
    assert serious(phone) == []
    phone.locator(".back").click()
    expect(held).to_be_visible()
    phone.get_by_test_id("to-my-shifts").click()
    expect(phone.get_by_test_id("my-shifts-page")).to_be_visible()
    held.get_by_test_id("undo").click()
    expect(held).to_have_count(0)
    phone.locator(".back").click()
    opened(phone, task_id)
    expect(task).to_have_attribute("data-state", "arrived")
    expect(phone.locator("[data-testid=photo]")).to_have_count(1)
    expect(phone.get_by_test_id("handled-note")).to_have_value("已通知车主挪车")
    assert grid.state(task_id) == "arrived"

    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    expect(held).to_be_visible()
    assert grid.state(task_id) == "arrived"
    expect(held).to_have_count(0, timeout=SOON_MS)
    until(lambda: grid.state(task_id) == "handled")
    assert grid.kinds(task_id) == ["taken", "arrived", "handled"]
    assert len(grid.desk.task(task_id)["photos"]) == 1
    assert complaints(phone) == []


def test_a_refusal_is_undone_without_a_signal_and_a_second_one_survives_a_reload(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    expect(phone.get_by_test_id("task-card")).to_have_count(1, timeout=SOON_MS)
    phone.reload()  # now by way of the service worker
    opened(phone, task_id)
    phone.context.set_offline(True)
    task, held = phone.get_by_test_id("task-page"), phone.get_by_test_id("held-act")

    def refuse() -> None:
        phone.get_by_test_id("refuse").click()
        phone.get_by_test_id("reason-not_my_grid").check()
        phone.get_by_test_id("reason-submit").click()
        expect(task).to_have_attribute("data-state", "refused")
        expect(held).to_contain_text("有信号后发送", timeout=SOON_MS)

    refuse()
    held.get_by_test_id("undo").click()
    expect(task).to_have_attribute("data-state", "offered")
    assert kept_on(phone)["acts"] == 0
    refuse()
    phone.reload()
    expect(held).to_be_visible(timeout=SOON_MS)
    phone.context.set_offline(False)
    expect(held).to_have_count(0, timeout=SOON_MS)
    until(lambda: "refused" in grid.kinds(task_id))
    assert grid.kinds(task_id) == ["refused"]
    until(lambda: kept_on(phone)["acts"] == 0)
