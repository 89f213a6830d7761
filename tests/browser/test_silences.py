"""The silences page in a real browser against a real centre: made, hiding, ended, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import complaints, desk, sign_in
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.room import too_wide_at
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import Hazard, Measure, Reason, Severity
from xueliang_configs.schedules import zone_of
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SOON_MS = 40_000
BLOCKED = Reason(code="lane_blocked", text="lane 41% covered", about={"objects": "truck", "place": "lane"})


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = (WatchedCamera("cam-0", "东巷0号", "file:none.mp4", grid.code, place.x, place.y),)
    accounts = (Account("operator", "operator", city.areas[0].code, "值班员"),)
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, POLICIES)) as installation:
        installation.start()
        yield installation


def test_a_silence_is_made_hides_and_is_ended(browser: Browser, centre: CentreOnly) -> None:
    page = desk(browser, centre.origin)
    sign_in(page, "operator", centre.password_of("operator"))
    page.get_by_test_id("to-silences").click()
    expect(page.get_by_test_id("silence-none")).to_be_visible()
    page.get_by_test_id("silence-make").click()
    page.get_by_test_id("silence-scope").select_option("camera_id")
    page.get_by_test_id("silence-place").fill("cam-0")
    page.get_by_test_id("silence-reason").fill("修路")
    expect(page.get_by_test_id("silence-submit")).to_be_disabled()
    end = (system_wall() + timedelta(hours=2)).astimezone(zone_of("Asia/Shanghai"))
    page.get_by_test_id("silence-hazard").select_option("blocked_exit")
    page.get_by_test_id("silence-ends").fill((end + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_test_id("silence-submit").click()
    expect(page.get_by_test_id("silence-failure")).to_contain_text("ends_at: expected at most 7 days")
    page.get_by_test_id("silence-ends").fill(end.strftime("%Y-%m-%dT%H:%M"))
    page.get_by_test_id("silence-submit").click()
    row = page.locator("li[data-testid^=silence-]")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("修路")
    expect(row).to_contain_text("东巷0号")  # by name: nobody knows a number
    expect(row).to_contain_text("即将到期")
    expect(row).to_contain_text("正在静默 0 条")
    with PuppetNode(centre, {"cam-0": "streaming"}) as node:
        node.raise_alert(
            "cam-0",
            Hazard.BLOCKED_EXIT,
            Severity.ORANGE,
            reason=BLOCKED,
            measures={"share": Measure(value=0.41, unit="share")},
            boxes=[(0.2, 0.2, 0.4, 0.6)],
            picture=None,
        )
        expect(row).to_contain_text("正在静默 1 条", timeout=4 * SOON_MS)
        row.get_by_test_id("silence-show").click()
        hidden = row.get_by_test_id("silenced-alert")
        expect(hidden).to_have_count(1)
        expect(hidden).to_have_attribute("data-standing", "hidden")
        expect(hidden).to_contain_text("安全出口堵塞")
        expect(hidden).to_contain_text("cam-0")
        assert too_wide_at(page) == []
        page.get_by_test_id("language").click()
        expect(row).to_contain_text("hides 1")
        row.get_by_test_id("silence-end").click()
        page.get_by_test_id("silence-note").fill("works are done")
        page.get_by_test_id("silence-end-submit").click()
        expect(page.get_by_test_id("silence-none")).to_be_visible()
        page.goto("/")
        expect(page.get_by_test_id("incident-row")).to_have_count(1, timeout=SOON_MS)
    refused = [one for one in complaints(page) if "422" not in one]  # the browser says it of the refusal above
    assert refused == []
