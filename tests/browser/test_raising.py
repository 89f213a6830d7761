"""A worker takes a request back on the phone, a desk replies to the centre that supervises its case, and a person
raises a severity by keys: the row comes up, and not under another person's pointer. A real browser, a real centre."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_phone_help import _fine, _shot, _under_way
from tests.browser.test_phone_offline import SOON_MS, Grid, small_phone, until
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints, desk, sign_in
from tests.support.worked_grid import worked_grid

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    """As that of `test_phone_offline`, with a desk of the village and a supervisor of the city."""
    people = (
        ("chief", "supervisor", "city", "赵主管"),
        ("village", "operator", "village", "孙村值班"),
        ("worker", "worker", "grid", "李网格"),
    )
    with worked_grid(tmp_path, 2, *people) as (centre, node, operator):
        yield Grid(centre, node, operator)


def test_taken_back_replied_to_and_raised(browser: Browser, grid: Grid) -> None:
    require_axe()
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    _under_way(phone, task_id)
    until(lambda: grid.state(task_id) == "taken")
    village, chief = desk(browser, grid.centre.origin), desk(browser, grid.centre.origin)
    sign_in(village, "village", grid.password("village"))
    sign_in(chief, "chief", grid.password("chief"))
    row = village.get_by_test_id("incident-row")
    for screen in (village, chief):
        screen.get_by_test_id("incident-row").locator("button").click(timeout=SOON_MS)

    phone.get_by_test_id("ask-suspension").click(timeout=SOON_MS)
    sheet = phone.get_by_test_id("suspend-sheet")
    sheet.get_by_test_id("reason-no_access").check()
    sheet.get_by_test_id("suspend-note").fill("院门上锁")
    sheet.get_by_test_id("hours-2").click()
    sheet.get_by_test_id("suspend-submit").click()
    expect(row.get_by_test_id("mark-asked")).to_be_visible(timeout=SOON_MS)
    back = phone.get_by_test_id("take-back")
    expect(back).to_have_text("撤回申请", timeout=SOON_MS)
    _fine(phone)
    _shot(phone, "take-back-phone")
    back.click()
    state = phone.get_by_test_id("suspension")
    expect(state).to_have_attribute("data-standing", "taken_back", timeout=SOON_MS)
    expect(back).to_have_count(0)
    expect(phone.get_by_test_id("ask-suspension")).to_be_visible(timeout=SOON_MS)
    expect(row.get_by_test_id("mark-asked")).to_have_count(0, timeout=SOON_MS)
    _fine(phone)
    _shot(phone, "taken-back-phone")

    chief.get_by_test_id("aside-supervise").click()
    dialog = chief.get_by_test_id("until-dialog")
    dialog.get_by_test_id("until-note").fill("本月第三次，请当日办结")
    dialog.get_by_test_id("until-submit").click()
    card = village.get_by_test_id("case-supervision")
    card.get_by_test_id("supervision-reply").fill("拖车在路上 <b>半小时</b>", timeout=SOON_MS)
    assert serious(village) == []
    _shot(village, "reply-desk")
    card.get_by_test_id("supervision-reply-send").click()
    expect(card.get_by_test_id("supervision-reply")).to_have_value("", timeout=SOON_MS)
    replies = chief.get_by_test_id("supervision-replies")
    expect(replies).to_contain_text("拖车在路上 <b>半小时</b>", timeout=SOON_MS)
    expect(replies).to_contain_text("孙村值班")
    mark = chief.get_by_test_id("incident-row").get_by_test_id("mark-supervised")
    expect(mark).to_have_text("市级督办 · 已回复 1", timeout=SOON_MS)
    assert serious(chief) == []
    _shot(chief, "replied-desk")

    grid.block(1)
    expect(row).to_have_count(2, timeout=SOON_MS)
    lower = "东巷0号" if "东巷0号" in row.nth(1).inner_text() else "东巷1号"
    row.nth(0).hover()
    chief.get_by_test_id("incident-row").filter(has_text=lower).locator("button").click(timeout=SOON_MS)
    expect(chief.get_by_test_id("aside-raise")).to_be_visible(timeout=SOON_MS)
    chief.keyboard.press("s")
    dialog = chief.get_by_test_id("raise-dialog")
    expect(dialog.get_by_test_id("raise-submit")).to_be_disabled()
    dialog.get_by_test_id("to-severity-1").check()
    dialog.get_by_test_id("reason-people_at_risk").check()
    assert serious(chief) == []
    _shot(chief, "raise-dialog")
    dialog.get_by_test_id("raise-submit").click()
    expect(chief.get_by_test_id("case-severity")).to_have_text("特别重大", timeout=SOON_MS)
    expect(chief.get_by_test_id("case-raised")).to_contain_text("赵主管 由重大调高")
    expect(chief.get_by_test_id("aside-raise")).to_have_count(0)
    expect(row.filter(has_text=lower)).to_have_attribute("data-severity", "1", timeout=SOON_MS)
    expect(row.nth(1)).to_contain_text(lower)  # the pointer rests on the list
    village.mouse.move(700, 10)
    expect(row.nth(0)).to_contain_text(lower, timeout=SOON_MS)
    _shot(chief, "raised-desk")
    _shot(village, "raised-village")
    _shot(phone, "raised-phone")
    assert serious(chief) == []
    assert complaints(chief) == []
    assert complaints(village) == []
