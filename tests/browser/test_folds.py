"""Incidents alike folded into one row: opened, ticked, judged in one act by mouse and by keys; what stays says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_console import SOON_MS, as_operator, blocked
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.room import too_wide_at
from xueliang_alerts.contract import Hazard, Severity
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

ALIKE = 4


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = tuple(
        WatchedCamera(f"cam-{i}", f"东巷{i}号", "file:none.mp4", grid.code, place.x + i * 0.002, place.y)
        for i in range(ALIKE + 2)
    )
    accounts = (Account("operator", "operator", city.areas[0].code, "值班员"),)
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, POLICIES)) as installation:
        installation.start()
        yield installation


@pytest.fixture
def node(centre: CentreOnly) -> Iterator[PuppetNode]:
    with PuppetNode(centre, {f"cam-{i}": "streaming" for i in range(ALIKE + 2)}) as puppet:
        yield puppet


def alike(page: Page, node: PuppetNode) -> None:
    """ALIKE of one kind, and one that stands for itself; folded."""
    for number in range(ALIKE):
        blocked(node, f"cam-{number}", Severity.YELLOW, Hazard.ILLEGAL_PARKING)
    blocked(node, f"cam-{ALIKE}", Severity.RED, Hazard.ILLEGAL_PARKING)
    expect(page.get_by_test_id("incident-row")).to_have_count(ALIKE + 1, timeout=SOON_MS)
    page.get_by_test_id("fold-alike").click()
    expect(page.get_by_test_id("fold")).to_have_count(1)
    expect(page.get_by_test_id("fold")).to_contain_text(f"{ALIKE} 起")
    expect(page.get_by_test_id("fold-sums")).to_contain_text(f"{ALIKE} 次告警 · {ALIKE} 路摄像机")
    expect(page.get_by_test_id("incident-row")).to_have_count(1)  # severity 1 is not folded


def judged_elsewhere(centre: CentreOnly, incident_id: str) -> None:
    """Somebody else confirms it, by another session."""
    person = centre.log_in("operator")
    person.move_incident(incident_id, "confirm")
    person.close()


def ends(centre: CentreOnly) -> list[str]:
    person = centre.log_in("operator")
    found = sorted(str(one["close_reason"] or one["state"]) for one in person.incidents())
    person.close()
    return found


def test_some_of_a_fold_are_judged_by_mouse_and_each_is_closed_for_itself(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_operator(browser, centre)
    alike(page, node)
    fold = page.get_by_test_id("fold")
    fold.get_by_role("button").first.click()
    expect(fold.get_by_test_id("row-tick")).to_have_count(ALIKE)
    expect(fold.get_by_test_id("fold-confirm")).to_be_disabled()  # sends people: not all of them by one press
    fold.get_by_test_id("row-tick").nth(0).check()
    fold.get_by_test_id("row-tick").nth(2).check()
    expect(fold.get_by_test_id("fold-meant")).to_have_text("已选 2 起")
    assert too_wide_at(page) == []
    require_axe()
    assert serious(page) == []
    fold.get_by_test_id("fold-false_alarm").click()
    expect(page.get_by_test_id("move-dialog")).to_contain_text("2 起")
    page.get_by_test_id("reason-wrong_object").check()
    page.get_by_test_id("move-submit").click()
    expect(page.get_by_test_id("fold-said")).to_contain_text("已研判 2 起", timeout=SOON_MS)
    expect(page.get_by_test_id("fold-said")).to_have_attribute("data-left", "0")
    page.get_by_test_id("fold-seen").click()
    expect(page.get_by_test_id("fold-said")).to_have_count(0)
    expect(fold).to_contain_text(f"{ALIKE - 2} 起", timeout=SOON_MS)
    assert ends(centre) == ["false_alarm", "false_alarm", "open", "open", "open"]
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("fold-alike")).to_have_text("Fold alike")
    assert complaints(page) == []


def test_all_of_a_fold_are_judged_by_keys_and_what_changed_meanwhile_stays_and_says_so(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_operator(browser, centre)
    alike(page, node)
    for key in ("j", "j"):  # past the one that stands for itself
        page.keyboard.press(key)
    expect(page.get_by_test_id("fold")).to_have_class("shared sev-3 chosen")
    page.keyboard.press("e")
    expect(page.get_by_test_id("row-tick")).to_have_count(ALIKE)
    page.keyboard.press("v")
    expect(page.get_by_test_id("fold").locator("input:checked")).to_have_count(1)
    page.keyboard.press("a")
    expect(page.get_by_test_id("fold-all")).to_be_checked()
    page.keyboard.press("p")
    expect(page.get_by_test_id("move-dialog")).to_be_visible()
    other = page.get_by_test_id("fold").get_by_test_id("incident-row").nth(1).get_attribute("data-incident")
    assert other is not None
    judged_elsewhere(centre, other)  # while the reason is being chosen
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    said = page.get_by_test_id("fold-said")
    expect(said).to_contain_text(f"已研判 {ALIKE - 1} 起", timeout=SOON_MS)
    expect(page.get_by_test_id("fold-left")).to_have_count(1)
    expect(page.get_by_test_id("fold-left")).to_contain_text("现为“已派发”")
    expect(page.locator(f'[data-testid="incident-row"][data-incident="{other}"]')).to_have_attribute(
        "data-state", "dispatched"
    )
    assert ends(centre) == ["dispatched", "open", "permitted", "permitted", "permitted"]
    page.keyboard.press("Escape")
    expect(said).to_have_count(0)
    expect(page.get_by_test_id("case-panel")).to_be_visible()  # the next Esc closes it
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("case-panel")).to_have_count(0)
    page.keyboard.press("a")
    expect(page.get_by_test_id("key-said")).to_have_text("没有可展开或勾选的同类事件")
    assert complaints(page) == []
