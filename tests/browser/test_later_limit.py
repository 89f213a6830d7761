"""A worker asks on the phone for a later limit, a supervisor agrees at the desk, and the phone counts down to the new
one. A real browser, a real centre."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_phone_help import _fine, _shot, _under_way
from tests.browser.test_phone_offline import SOON_MS, Grid, small_phone, until
from tests.browser.test_suspending import installed
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints, desk, sign_in
from xueliang_demo.demo_plan import POLICIES

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    """With half an hour to arrive, so that a slow machine asks before the limit passes."""
    rows = [row | {"arrive_s": 1800} for row in POLICIES["policies"]]
    yield from installed(tmp_path, POLICIES | {"policies": rows})


def test_a_limit_is_later_because_two_people_say_so(browser: Browser, grid: Grid) -> None:
    require_axe()
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    _under_way(phone, task_id)
    until(lambda: grid.state(task_id) == "taken")
    first = grid.desk.task(task_id)["limits"]["arrive_due_at"]
    screen = desk(browser, grid.centre.origin)
    screen.set_viewport_size({"width": 1366, "height": 768})
    sign_in(screen, "chief", grid.password("chief"))
    row = screen.get_by_test_id("incident-row")
    row.locator("button").click(timeout=SOON_MS)

    phone.get_by_test_id("ask-later").click(timeout=SOON_MS)
    sheet = phone.get_by_test_id("later-sheet")
    sheet.get_by_test_id("reason-no_access").check()
    expect(sheet.get_by_test_id("later-submit")).to_be_disabled()
    sheet.get_by_test_id("later-note").fill("文化路施工，绕行约二十分钟")
    expect(sheet.get_by_test_id("voice-record")).to_be_visible()
    for size in (sheet.get_by_test_id(one).bounding_box() for one in ("minutes-20", "later-submit")):
        assert size is not None
        assert size["height"] >= 64
    sheet.get_by_test_id("minutes-20").click()
    _shot(phone, "later-sheet")
    _fine(phone)
    sheet.get_by_test_id("later-submit").click()
    state = phone.get_by_test_id("later-limit")
    expect(state).to_have_attribute("data-standing", "asked", timeout=SOON_MS)
    expect(phone.get_by_test_id("ask-suspension")).to_have_count(0)

    expect(row.get_by_test_id("mark-laterAsked")).to_have_text("延时待批", timeout=SOON_MS)
    card = screen.get_by_test_id("case-later-limit")
    expect(card).to_contain_text("李网格 申请延长到场时限")
    expect(card.get_by_test_id("later-refuse")).to_be_disabled()
    _shot(screen, "later-desk-asked")
    assert serious(screen) == []
    card.get_by_test_id("decision-note").fill("同意")
    card.get_by_test_id("later-approve").click()
    expect(card).to_have_attribute("data-standing", "moved", timeout=SOON_MS)
    expect(row.get_by_test_id("mark-laterAsked")).to_have_count(0, timeout=SOON_MS)

    expect(state).to_have_attribute("data-standing", "moved", timeout=SOON_MS)
    expect(state).to_contain_text("赵主管")
    shown = grid.desk.task(task_id)
    later = shown["incident"]["later_limit"]
    assert shown["limits"]["arrive_due_at"] == later["until"] > first == later["first_due_at"]
    expect(phone.get_by_test_id("task-clock")).to_have_attribute("data-kind", "arrive")
    _shot(phone, "later-moved-phone")
    _shot(screen, "later-desk-moved")
    _fine(phone)
    assert serious(screen) == []
    story = [entry["kind"] for entry in grid.story(task_id)]
    assert story[-2:] == ["later_limit_asked", "limit_moved"]
    assert complaints(screen) == []
