"""One's own seat in a real browser: a row that opens into its incidents, judged in one step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_console import SOON_MS, as_operator, blocked
from tests.support.browser import complaints
from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_alerts.contract import Hazard, Severity
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

CAMERAS = 3


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = tuple(
        WatchedCamera(f"cam-{i}", f"东巷{i}号", "file:none.mp4", grid.code, place.x + i * 0.002, place.y)
        for i in range(CAMERAS)
    )
    accounts = (Account("operator", "operator", city.areas[0].code, "值班员"),)
    policies = POLICIES | {"seating": {"rows": 1}}
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, policies)) as installation:
        installation.start()
        yield installation


def test_like_incidents_are_one_row_that_opens_and_is_judged_in_one_step(browser: Browser, centre: CentreOnly) -> None:
    with PuppetNode(centre, {f"cam-{i}": "streaming" for i in range(CAMERAS)}) as node:
        page = as_operator(browser, centre)
        expect(page.get_by_test_id("queue-empty")).to_be_visible()
        for number in range(CAMERAS):
            blocked(node, f"cam-{number}", Severity.YELLOW, Hazard.ILLEGAL_PARKING)
        row = page.get_by_test_id("seat-row")
        expect(row).to_have_count(1, timeout=SOON_MS)
        expect(row).to_contain_text(f"{CAMERAS} 起", timeout=SOON_MS)
        expect(row).to_contain_text("违停")
        row.get_by_role("button").first.click()
        expect(row.get_by_test_id("incident-row")).to_have_count(CAMERAS)
        blocked(node, "cam-0", Severity.BLUE, Hazard.DEBRIS_ON_ROAD)
        expect(page.get_by_test_id("seat-waiting")).to_contain_text("另有 1 起", timeout=SOON_MS)
        row.get_by_test_id("incident-row").first.click()
        expect(page.get_by_test_id("case-panel").get_by_test_id("case-hazard")).to_have_text("违停")
        row.get_by_test_id("seat-permitted").click()
        page.get_by_test_id("reason-registered_work").check()
        page.get_by_test_id("move-submit").click()
        expect(row).to_have_count(0, timeout=SOON_MS)
        page.get_by_test_id("tab-closed").click()
        expect(page.get_by_test_id("incident-row")).to_have_count(CAMERAS)
        page.get_by_test_id("language").click()
        expect(page.get_by_test_id("tab-seat")).to_contain_text("My seat")
        assert complaints(page) == []
