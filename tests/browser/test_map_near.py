"""Fire lanes of the register on the map, and what lies within 500 m of a case or of a place that is pressed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, insert

from tests.browser.test_console import SOON_MS, as_operator, blocked, centre, node
from tests.browser.test_phone_offline import until
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.room import too_wide_at
from tests.support.rows import filled
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import Hazard, Severity
from xueliang_central.areas.tree import path_by_code
from xueliang_central.lanes.tables import lanes
from xueliang_demo.city import DEMO, make_city

__all__ = ["centre", "node"]  # fixtures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

GRID = make_city(DEMO).of_level("grid")[3]
PLACE = GRID.polygon.representative_point()
HOSTILE = "<img src=x onerror=alert(1)> 东巷物业"
METRE = 1 / 111_195  # of latitude, in degrees


def _add_lane(installation: CentreOnly, lane_id: str, north_m: float) -> None:
    """A lane from west to east, so many metres north of the first camera."""
    [file] = (installation.folder / "centre").glob("*.db")
    engine = create_engine(f"sqlite:///{file}")
    y = PLACE.y + north_m * METRE
    line = [[PLACE.x - 0.003, y], [PLACE.x + 0.003, y]]
    row = {"lane_id": lane_id, "name": f"通道{lane_id}", "unit": HOSTILE, "duty_phone": "0531 8000 1190"}
    row |= {"area_code": GRID.code, "area_path": path_by_code(GRID.code)}
    row |= {"shape": {"type": "LineString", "coordinates": line}, "valid_from": None, "valid_to": None}
    with engine.begin() as conn:
        conn.execute(insert(lanes), filled(lanes, system_wall(), **row))
    engine.dispose()


def _orange(page: Page) -> int:
    """Pixels of the map in the colour of lanes."""
    shot = page.get_by_test_id("map").locator(".canvas").screenshot()
    picture = cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    blue, green, red = (picture[..., channel].astype(int) for channel in range(3))
    return int(((red > 200) & (abs(green - 165) < 25) & (blue < 110)).sum())


def test_lanes_are_drawn_and_what_is_near_is_listed_nearest_first(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    require_axe()
    _add_lane(centre, "near", -60.0)
    _add_lane(centre, "far", 700.0)
    page = as_operator(browser, centre)
    expect(page.get_by_test_id("map")).to_have_attribute("data-cameras", "4", timeout=SOON_MS)
    blocked(node, "cam-1", Severity.YELLOW, Hazard.BLOCKED_EXIT)
    expect(page.get_by_test_id("incident-row")).to_have_count(1, timeout=SOON_MS)
    page.get_by_test_id("incident-row").locator("button").click()
    before = _orange(page)
    page.get_by_test_id("show-lanes").click()
    page.get_by_test_id("look-round").click()  # round the case at hand
    card = page.get_by_test_id("near-card")
    expect(card.get_by_test_id("near-incident")).to_have_count(1)
    expect(card.get_by_test_id("near-lane")).to_have_count(1, timeout=SOON_MS)
    expect(card.get_by_test_id("near-lane")).to_contain_text(HOSTILE)  # as text
    expect(card.get_by_test_id("near-lane")).to_contain_text("1190")
    expect(card.get_by_test_id("near-lane")).not_to_contain_text("8000")  # a number is asked for by itself
    expect(card.get_by_test_id("near-camera").first).to_contain_text("东巷1号")
    until(lambda: _orange(page) > before + 100)  # the map goes there
    assert too_wide_at(page) == []
    assert serious(page) == []

    card.get_by_test_id("near-camera").nth(1).click()
    expect(page.get_by_test_id("camera-card")).to_be_visible()
    page.keyboard.press("Escape")
    expect(card).to_be_visible()  # what was looked at before
    page.get_by_test_id("look-round").click()
    expect(card).to_have_count(0)
    page.get_by_test_id("case-panel").get_by_role("button", name="关闭").click()
    page.get_by_test_id("look-round").click()
    expect(page.get_by_test_id("near-picking")).to_be_visible()
    page.get_by_test_id("map").click(position={"x": 420, "y": 300})
    expect(card).to_be_visible()
    expect(page.get_by_test_id("near-picking")).to_have_count(0)
    assert complaints(page) == []
