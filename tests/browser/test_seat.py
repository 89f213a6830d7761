"""One's own seat in a real browser: a row that opens into its incidents, judged in one step."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_console import SOON_MS, as_operator, blocked
from tests.support.accessibility import serious
from tests.support.browser import complaints, desk, sign_in
from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_alerts.contract import Hazard, Severity
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

CAMERAS = 3
UNSTAFFED_MS = 60_000


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = tuple(
        WatchedCamera(f"cam-{i}", f"东巷{i}号", "file:none.mp4", grid.code, place.x + i * 0.002, place.y)
        for i in range(CAMERAS)
    )
    county = city.of_level("county")[0].code
    assert grid.code.startswith(county)
    accounts = (
        Account("operator", "operator", county, "值班员"),
        Account("chief", "operator", city.areas[0].code, "市值班员"),
    )
    policies = POLICIES | {"seating": {"rows": 1, "unstaffed_after_s": 30}}
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
        row.get_by_test_id("fold-permitted").click()
        page.get_by_test_id("reason-registered_work").check()
        page.get_by_test_id("move-submit").click()
        expect(row).to_have_count(0, timeout=SOON_MS)
        page.get_by_test_id("tab-closed").click()
        expect(page.get_by_test_id("incident-row")).to_have_count(CAMERAS)
        page.get_by_test_id("language").click()
        expect(page.get_by_test_id("tab-seat")).to_contain_text("My seat")
        assert complaints(page) == []


def test_a_muted_seat_turns_grey_its_queue_rises_and_comes_back_to_who_says_so(
    browser: Browser, centre: CentreOnly
) -> None:
    with PuppetNode(centre, {f"cam-{i}": "streaming" for i in range(CAMERAS)}) as node:
        above = desk(browser, centre.origin)
        sign_in(above, "chief", centre.password_of("chief"))
        page = as_operator(browser, centre)
        expect(page.get_by_test_id("queue-empty")).to_be_visible()
        page.get_by_test_id("sound-start").click()
        with page.expect_response("**/api/seat/presence") as told:
            page.get_by_test_id("sound-heard").click()
        assert told.value.json()["presence"] | {"unstaffed_since": None} == {
            "counts": True,
            "tell_every_s": 15.0,
            "unstaffed_after_s": 30.0,
            "unstaffed_since": None,
        }
        blocked(node, "cam-0", Severity.YELLOW, Hazard.ILLEGAL_PARKING)
        expect(page.get_by_test_id("seat-row")).to_have_count(1, timeout=SOON_MS)
        page.keyboard.press("m")
        expect(page.get_by_test_id("seat-warning")).to_contain_text("已静音")
        expect(page.get_by_test_id("command-page")).to_have_class("page grey")
        expect(page.get_by_test_id("seat-unstaffed")).to_contain_text("按无人值守计", timeout=UNSTAFFED_MS)
        assert serious(page) == []
        expect(above.get_by_test_id("silent-desks")).to_contain_text("席位无人值守", timeout=SOON_MS)
        expect(above.get_by_test_id("seat-row")).to_have_count(1, timeout=SOON_MS)
        assert serious(above) == []
        expect(page.get_by_test_id("seat-row")).to_have_count(0, timeout=SOON_MS)
        page.get_by_test_id("language").click()
        expect(page.get_by_test_id("seat-unstaffed")).to_contain_text("counts as unstaffed since")
        page.get_by_test_id("seat-here").click()
        expect(page.get_by_test_id("seat-unstaffed")).to_have_count(0, timeout=SOON_MS)
        expect(page.get_by_test_id("seat-row")).to_have_count(1, timeout=UNSTAFFED_MS)  # paced: `rows` is 1
        expect(page.get_by_test_id("command-page")).to_have_class("page")
        expect(above.get_by_test_id("silent-desks")).to_have_count(0, timeout=SOON_MS)
        expect(above.get_by_test_id("seat-row")).to_have_count(0, timeout=SOON_MS)
        assert complaints(page) == complaints(above) == []
