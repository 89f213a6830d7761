"""A worker asks on the phone that a task may wait, a supervisor agrees at the desk, the phone shows it and goes on; the
city supervises the case meanwhile. A real browser, a real centre."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_phone_help import _fine, _shot, _under_way
from tests.browser.test_phone_offline import SOON_MS, Grid, small_phone, until
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints, desk, sign_in
from tests.support.worked_grid import worked_grid
from xueliang_demo.demo_plan import POLICIES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    yield from installed(tmp_path)


def installed(tmp_path: Path, policies: dict[str, Any] = POLICIES) -> Iterator[Grid]:
    """As that of `test_phone_offline`, with a supervisor of the city."""
    people = (
        ("chief", "supervisor", "city", "赵主管"),
        ("worker", "worker", "grid", "李网格"),
    )
    with worked_grid(tmp_path, 1, *people, policies=policies) as (centre, node, operator):
        yield Grid(centre, node, operator)


def test_a_task_waits_because_two_people_say_so_and_goes_on(browser: Browser, grid: Grid) -> None:
    require_axe()
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    _under_way(phone, task_id)
    until(lambda: grid.state(task_id) == "taken")
    screen = desk(browser, grid.centre.origin)
    screen.set_viewport_size({"width": 1366, "height": 768})
    sign_in(screen, "chief", grid.password("chief"))
    row = screen.get_by_test_id("incident-row")
    row.locator("button").click(timeout=SOON_MS)

    phone.get_by_test_id("ask-suspension").click(timeout=SOON_MS)
    sheet = phone.get_by_test_id("suspend-sheet")
    sheet.get_by_test_id("reason-no_access").check()
    expect(sheet.get_by_test_id("suspend-submit")).to_be_disabled()
    sheet.get_by_test_id("suspend-note").fill("院门上锁，业主四点回来")
    sheet.get_by_test_id("hours-2").click()
    _shot(phone, "suspend-sheet")
    _fine(phone)
    sheet.get_by_test_id("suspend-submit").click()
    state = phone.get_by_test_id("suspension")
    expect(state).to_have_attribute("data-standing", "asked", timeout=SOON_MS)
    expect(phone.get_by_test_id("task-clock")).to_have_attribute("data-kind", "arrive")
    _shot(phone, "suspend-asked-phone")
    _fine(phone)

    expect(row.get_by_test_id("mark-asked")).to_have_text("挂起待批", timeout=SOON_MS)
    card = screen.get_by_test_id("case-suspension")
    expect(card).to_contain_text("李网格 申请挂起")
    expect(card.get_by_test_id("suspension-refuse")).to_be_disabled()
    _shot(screen, "suspend-desk-asked")
    assert serious(screen) == []
    card.get_by_test_id("decision-note").fill("同意")
    card.get_by_test_id("suspension-approve").click()
    expect(card).to_have_attribute("data-standing", "suspended", timeout=SOON_MS)
    expect(row.get_by_test_id("mark-suspended")).to_be_visible(timeout=SOON_MS)
    expect(row.get_by_test_id("clock")).to_have_attribute("data-kind", "resume")
    expect(state).to_have_attribute("data-standing", "suspended", timeout=SOON_MS)
    expect(state).to_contain_text("赵主管")
    expect(phone.get_by_test_id("task-clock")).to_have_attribute("data-kind", "resume")

    screen.get_by_test_id("aside-supervise").click()
    dialog = screen.get_by_test_id("until-dialog")
    dialog.get_by_test_id("until-note").fill("请联系 13800001111")
    expect(dialog.get_by_test_id("long-number")).to_be_visible()
    expect(dialog.get_by_test_id("until-submit")).to_be_disabled()
    dialog.get_by_test_id("until-note").fill("本月第三次，请当日办结")
    expect(dialog.get_by_test_id("long-number")).to_have_count(0)
    _shot(screen, "supervise-dialog")
    assert serious(screen) == []
    dialog.get_by_test_id("until-submit").click()
    expect(screen.get_by_test_id("case-supervision")).to_contain_text("本月第三次", timeout=SOON_MS)
    expect(row.get_by_test_id("mark-supervised")).to_have_text("市级督办", timeout=SOON_MS)
    expect(phone.get_by_test_id("supervised")).to_contain_text("本月第三次", timeout=SOON_MS)
    _shot(screen, "suspend-desk-suspended")
    _shot(phone, "suspended-phone")
    assert serious(screen) == []
    _fine(phone)

    phone.get_by_test_id("resume").click()
    expect(state).to_have_attribute("data-standing", "over", timeout=SOON_MS)
    expect(phone.get_by_test_id("task-clock")).to_have_attribute("data-kind", "arrive")
    expect(card).to_have_count(0, timeout=SOON_MS)
    screen.get_by_test_id("supervision-note").fill("已清空")
    screen.get_by_test_id("supervision-end").click()
    expect(row.get_by_test_id("mark-supervised")).to_have_count(0, timeout=SOON_MS)
    expect(phone.get_by_test_id("supervised")).to_have_count(0, timeout=SOON_MS)
    story = [entry["kind"] for entry in grid.story(task_id)]
    assert story[-5:] == ["suspension_asked", "suspended", "supervised", "resumed", "supervision_ended"]
    _shot(screen, "suspend-desk-after")
    _shot(phone, "resumed-phone")
    assert complaints(screen) == []
