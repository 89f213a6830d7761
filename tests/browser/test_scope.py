"""The command page narrowed along the tree: what each area holds, kept in the address, and nothing urgent is hidden."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_console import SOON_MS, blocked
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints, desk, requested, sign_in
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.room import too_wide_at
from xueliang_alerts.contract import Hazard, Severity
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

CITY = make_city(DEMO)
EAST, WEST = CITY.of_level("county")
EAST_GRID = next(grid for grid in CITY.of_level("grid") if grid.code.startswith(EAST.code))
WEST_GRID = next(grid for grid in CITY.of_level("grid") if grid.code.startswith(WEST.code))
CAMERAS = {"east-0": EAST_GRID, "east-1": EAST_GRID, "west-0": WEST_GRID}


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    cameras = []
    for number, (camera_id, grid) in enumerate(CAMERAS.items()):
        place = grid.polygon.representative_point()
        where = (place.x + number * 0.002, place.y)
        cameras.append(WatchedCamera(camera_id, f"机位{number}", "file:none.mp4", grid.code, *where))
    accounts = (
        Account("operator", "operator", CITY.areas[0].code, "值班员"),
        Account("western", "operator", WEST.code, "西区值班员"),
    )
    with CentreOnly(tmp_path, Plan(CITY, tuple(cameras), (), accounts, POLICIES)) as installation:
        installation.start()
        yield installation


@pytest.fixture
def node(centre: CentreOnly) -> Iterator[PuppetNode]:
    with PuppetNode(centre, dict.fromkeys(CAMERAS, "streaming")) as puppet:
        yield puppet


def as_one(browser: Browser, centre: CentreOnly, who: str = "operator", **size: int) -> Page:
    page = desk(browser, centre.origin, **size)
    sign_in(page, who, centre.password_of(who))
    return page


def step(page: Page, code: str):  # type: ignore[no-untyped-def]
    return page.locator(f'[data-testid="scope-step"][data-code="{code}"]')


def test_the_page_follows_the_tree_down_and_back_and_the_address_keeps_the_place(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_one(browser, centre)
    expect(page.get_by_test_id("scope-step")).to_have_count(2)
    blocked(node, "east-0", Severity.YELLOW, Hazard.BLOCKED_EXIT)
    blocked(node, "west-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    rows = page.get_by_test_id("incident-row")
    expect(rows).to_have_count(2, timeout=SOON_MS)
    asked = [address for address in requested(page) if "/api/incidents?" in address]
    blocked(node, "east-1", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    expect(step(page, EAST.code)).to_have_accessible_name(f"{EAST.name}：2 起未办结，最高重大", timeout=SOON_MS)
    expect(step(page, WEST.code).locator("b")).to_have_text("1")
    assert asked == [address for address in requested(page) if "/api/incidents?" in address]  # counted from events
    step(page, EAST.code).click()
    expect(rows).to_have_count(2)
    expect(page.get_by_test_id("map-incident")).to_have_count(2)
    expect(page.get_by_test_id("cameras-offline")).to_contain_text("0/2")
    expect(page.get_by_test_id("tab-all")).to_contain_text("2")
    assert f"area={EAST.code}" in page.url
    page.reload()
    expect(rows).to_have_count(2)
    expect(page.get_by_test_id("scope-crumb")).to_have_count(2)
    expect(page.get_by_test_id("scope-crumb").first).to_contain_text("3")
    rows.first.click()
    page.get_by_test_id("open-page").click()
    page.get_by_test_id("incident-page").locator("main nav .link-button").click()
    expect(page.get_by_test_id("scope")).to_have_attribute("data-area", EAST.code)  # also after the incident's page
    page.goto("/")
    expect(rows).to_have_count(3)
    assert complaints(page) == []


def test_the_tree_is_walked_by_keys(browser: Browser, centre: CentreOnly, node: PuppetNode) -> None:
    page = as_one(browser, centre)
    blocked(node, "west-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    expect(step(page, WEST.code).locator("b")).to_have_text("1", timeout=SOON_MS)
    scope = page.get_by_test_id("scope")
    page.keyboard.press("g")
    expect(step(page, EAST.code)).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(step(page, WEST.code)).to_be_focused()
    for code in (WEST.code, WEST_GRID.code[:9], WEST_GRID.code[:12]):
        page.keyboard.press("Enter")
        expect(scope).to_have_attribute("data-area", code)
        expect(page.get_by_test_id("scope-step").first).to_be_focused()
    page.keyboard.press("j")  # letters are the page's keys here too
    expect(page.get_by_test_id("case-panel")).to_be_visible()
    page.keyboard.press("b")
    expect(scope).to_have_attribute("data-area", WEST_GRID.code[:9])
    page.keyboard.press("b")
    page.keyboard.press("b")
    expect(scope).to_have_attribute("data-area", "")
    page.keyboard.press("?")
    expect(page.get_by_test_id("key-sheet")).to_contain_text("上一级范围")
    assert complaints(page) == []


def test_a_fire_elsewhere_is_told_whatever_the_page_is_narrowed_to(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_one(browser, centre)
    step(page, WEST.code).click()
    expect(page.get_by_test_id("queue-empty")).to_be_visible()
    page.get_by_test_id("sound-start").click()
    page.get_by_test_id("sound-heard").click()
    page.evaluate(
        """() => {
          window.__tones = 0;
          const start = OscillatorNode.prototype.start;
          OscillatorNode.prototype.start = function (...given) {
            window.__tones += 1;
            return start.apply(this, given);
          };
        }"""
    )
    outside = page.get_by_test_id("scope-outside")
    blocked(node, "east-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    expect(outside).to_contain_text("视图之外有 1 起", timeout=SOON_MS)
    expect(page.get_by_test_id("announcement")).to_have_text("")
    assert page.evaluate("window.__tones") == 0  # said by the line alone
    expect(page.get_by_test_id("map-incident")).to_have_count(0)
    blocked(node, "east-1", Severity.RED, Hazard.FIRE_SMOKE)
    expect(outside).to_contain_text("视图之外有 2 起", timeout=SOON_MS)
    expect(page.get_by_test_id("announcement")).to_contain_text("视图之外有新的特别重大事件：烟火")
    page.wait_for_function("() => window.__tones === 6")
    expect(page.get_by_test_id("map-incident")).to_have_count(1)
    expect(page.get_by_test_id("queue-empty")).to_be_visible()
    require_axe()
    assert serious(page) == []
    page.get_by_test_id("language").click()
    expect(outside).to_contain_text("2 new outside this view")
    assert serious(page) == []
    assert too_wide_at(page) == []
    page.get_by_test_id("scope-outside-show").click()
    expect(page.get_by_test_id("case-hazard")).to_have_text("Fire or smoke")
    expect(page.get_by_test_id("incident-row")).to_have_count(2)
    expect(outside).to_have_count(0)
    assert complaints(page) == []


def test_a_link_to_an_area_of_others_shows_ones_own(browser: Browser, centre: CentreOnly, node: PuppetNode) -> None:
    blocked(node, "east-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    blocked(node, "west-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    page = as_one(browser, centre, "western")
    expect(page.get_by_test_id("incident-row")).to_have_count(1, timeout=SOON_MS)
    expect(page.get_by_test_id("scope-crumb")).to_contain_text(WEST.name)
    page.goto(f"/?area={EAST.code}")
    expect(page.get_by_test_id("scope-unknown")).to_be_visible()
    expect(page.get_by_test_id("incident-row")).to_have_count(1)
    expect(page.locator(f'[data-code^="{EAST.code}"]')).to_have_count(0)
    assert complaints(page) == []
