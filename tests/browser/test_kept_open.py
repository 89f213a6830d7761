"""A hazard that cannot be removed at once, by the console alone: kept open with a plan, followed up, given longer by
another person, written off with a photo."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_phone_offline import BLOCKED
from tests.support.accessibility import serious
from tests.support.browser import complaints, desk, drawn_jpeg, sign_in
from tests.support.pictures_for_people import shoot
from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import Hazard, Severity
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SOON_MS = 40_000
NAMED = {
    "holder": "周经理",
    "holder_unit": "东河建设公司",
    "measures": "拆除围挡，恢复四米净宽",
    "funds": "8 万元，单位自筹",
    "plan": "火警时由值守人员移开活动围挡",
}


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    grid, root = city.of_level("grid")[3], city.areas[0].code
    point = grid.polygon.representative_point()
    cameras = (WatchedCamera("cam-0", "东巷0号", "file:none.mp4", grid.code, point.x, point.y),)
    accounts = (
        Account("chief", "supervisor", root, "张主管"),
        Account("second", "supervisor", root, "刘主管"),
        Account("worker", "worker", grid.code, "李网格"),
    )
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, POLICIES)) as installation:
        installation.start()
        with PuppetNode(installation, {"cam-0": "streaming"}) as node:
            node.raise_alert("cam-0", Hazard.FIRE_LANE_OBSTRUCTION, Severity.ORANGE, reason=BLOCKED)
            yield installation


def at_the_case(browser: Browser, centre: CentreOnly, who: str) -> Page:
    page = desk(browser, centre.origin)
    sign_in(page, who, centre.password_of(who))
    page.get_by_test_id("incident-row").first.click(timeout=SOON_MS)
    expect(page.get_by_test_id("keep-moves")).to_be_visible(timeout=SOON_MS)
    return page


def day_in(days: int) -> str:
    return (system_wall() + timedelta(days=days)).date().isoformat()


def sent(page: Page, state: str | None = None) -> None:
    page.get_by_test_id("keep-submit").click()
    expect(page.get_by_test_id("keep-outcome")).to_have_attribute("data-outcome", "done", timeout=SOON_MS)
    if state:
        row = page.get_by_test_id("incident-row").first
        expect(row).to_have_attribute("data-state", state, timeout=SOON_MS)


def test_a_hazard_is_kept_open_given_longer_by_another_and_written_off(
    browser: Browser, centre: CentreOnly, tmp_path: Path
) -> None:
    page = at_the_case(browser, centre, "chief")
    page.get_by_test_id("keep-keep_open").click()
    dialog = page.get_by_test_id("keep-dialog")
    for name, words in NAMED.items():
        expect(page.get_by_test_id("keep-submit")).to_be_disabled()
        dialog.get_by_test_id(f"keep-{name}").fill(words)
    dialog.get_by_test_id("keep-deadline").fill(day_in(-1))
    expect(page.get_by_test_id("keep-submit")).to_be_disabled()  # a deadline lies ahead
    dialog.get_by_test_id("keep-deadline").fill(day_in(30))
    assert serious(page) == []
    shoot(page, "keep-open")
    sent(page, "long_lived")
    kept = page.get_by_test_id("case-kept")
    for words in NAMED.values():
        expect(kept).to_contain_text(words)
    page.get_by_test_id("keep-ask_extension").click()
    dialog.get_by_test_id("keep-deadline").fill(day_in(60))
    dialog.get_by_test_id("keep-note").fill("材料未到")
    sent(page)
    expect(page.get_by_test_id("extension-asked")).to_contain_text("材料未到")
    expect(page.get_by_test_id("keep-extend")).to_have_count(0)  # nobody agrees to the own wish
    shoot(page, "keep-asked")

    other = at_the_case(browser, centre, "second")
    other.get_by_test_id("keep-extend").click()
    expect(other.get_by_test_id("keep-dialog")).to_contain_text("材料未到")
    shoot(other, "keep-extend")
    sent(other)
    expect(other.get_by_test_id("case-kept")).to_contain_text("已延期 1 次")

    photo = tmp_path / "clear.jpg"
    photo.write_bytes(drawn_jpeg(1200, 800))
    other.get_by_test_id("keep-write_off").click()
    other.get_by_test_id("keep-note").fill("围挡已拆除")
    other.get_by_test_id("keep-submit").click()
    expect(other.get_by_test_id("keep-dialog")).to_contain_text("没有成功", timeout=SOON_MS)  # without evidence
    other.get_by_test_id("keep-photos").set_input_files(photo)
    sent(other)
    expect(other.get_by_test_id("case-kept").locator("img")).to_have_count(1)
    assert [said for said in complaints(other) if "422" not in said] == []
    assert complaints(page) == []
