"""The link of a message opens exactly its task: signed out, signed in, as another worker, and when the task is over."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_phone_offline import SOON_MS, Grid, grid
from tests.support.browser import complaints, handset, sign_in

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


def test_a_link_opens_its_task_and_no_other(browser: Browser, grid: Grid) -> None:
    first, second = grid.block(0), grid.block(1)
    link = f"/phone/tasks/{second}"  # as xueliang_central.notices.saying writes it
    phone = handset(browser, grid.centre.origin)
    phone.goto(link)
    expect(phone.get_by_test_id("login-page")).to_be_visible(timeout=SOON_MS)
    phone.get_by_test_id("username").fill("worker")
    phone.get_by_test_id("password").fill(grid.password("worker"))
    phone.get_by_test_id("login-submit").click()
    page = phone.get_by_test_id("task-page")
    expect(page).to_have_attribute("data-task", second, timeout=SOON_MS)
    expect(page).to_contain_text("东巷1号")
    assert phone.url.endswith(link)

    phone.goto(f"/phone/tasks/{first}")  # signed in
    expect(page).to_have_attribute("data-task", first, timeout=SOON_MS)
    expect(page).to_contain_text("东巷0号")

    stranger = handset(browser, grid.centre.origin)
    sign_in(stranger, "colleague", grid.password("colleague"))
    stranger.goto(link)
    expect(stranger.get_by_test_id("task-page")).to_contain_text("没有这个任务，或任务不属于您", timeout=SOON_MS)
    assert "东巷1号" not in stranger.content()
    stranger.context.close()

    phone.goto(link)
    phone.get_by_test_id("take").click()
    expect(page).to_have_attribute("data-state", "taken", timeout=SOON_MS)
    expect(phone.get_by_test_id("saving")).to_have_attribute("data-saving", "saved", timeout=SOON_MS)
    grid.desk.move_incident(grid.desk.task(second)["incident_id"], "false_alarm", reason_code="shadow_or_light")
    again = handset(browser, grid.centre.origin)
    sign_in(again, "worker", grid.password("worker"))
    again.goto(link)
    over = again.get_by_test_id("task-page")
    expect(over).to_have_attribute("data-task", second, timeout=SOON_MS)
    expect(over).to_have_attribute("data-state", "withdrawn", timeout=SOON_MS)
    expect(again.get_by_test_id("notice")).to_be_visible()
    expect(again.get_by_test_id("take")).to_have_count(0)
    assert complaints(again) == []
