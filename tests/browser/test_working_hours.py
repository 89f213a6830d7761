"""A limit that counts working hours, in a real browser: the countdown rests, and says until when and what is left."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import desk, drawn_jpeg, sign_in
from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_alerts.contract import Hazard, Reason, Severity
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SOON_MS = 40_000


@pytest.fixture
def hour() -> int:
    """Of UTC, which begins in two to three hours."""
    return (datetime.now(UTC) + timedelta(hours=3)).hour


def _at_work(hour: int) -> dict[str, Any]:
    """This one hour of each day."""
    until = "24:00" if hour == 23 else f"{hour + 1:02d}:00"
    return {"time_zone": "UTC", "hours": [{"start": f"{hour:02d}:00", "until": until}]}


@pytest.fixture
def centre(tmp_path: Path, hour: int) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[0]
    point = grid.polygon.representative_point()
    cameras = tuple(WatchedCamera(f"cam-{i}", f"{i}号楼", "file:none.mp4", grid.code, point.x, point.y) for i in (1, 2))
    row = {"match": {"hazard": ["illegal_parking"], "severity": [3, 4]}, "counts": {"calendar": "office"}}
    limits = {"judge_s": 1_000, "take_s": 900, "arrive_s": 1800}
    table = POLICIES | {"calendars": {"office": _at_work(hour)}, "policies": [row | limits, *POLICIES["policies"]]}
    accounts = (Account("operator", "operator", city.areas[0].code, "王值班"),)
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, table)) as installation:
        installation.start()
        yield installation


def test_the_countdown_rests_and_says_until_when(browser: Browser, centre: CentreOnly, hour: int) -> None:
    with PuppetNode(centre, {"cam-1": "streaming", "cam-2": "streaming"}) as node:
        page = desk(browser, centre.origin, width=1440, height=900)
        sign_in(page, "operator", centre.password_of("operator"))
        reason = Reason(code="lane_blocked", text="blocked", about={"place": "lane"})
        for camera_id, hazard in (("cam-1", Hazard.ILLEGAL_PARKING), ("cam-2", Hazard.CROWD)):
            node.raise_alert(camera_id, hazard, Severity.BLUE, reason=reason, picture=drawn_jpeg(640, 360))
        resting = page.locator("[data-testid=clock][data-rests=true]").first
        expect(resting).to_contain_text("休息至", timeout=SOON_MS)
        expect(resting).to_contain_text(f"{(hour + 8) % 24:02d}:00")  # in Shanghai
        expect(resting).to_contain_text("16:40")  # working time that is left, not the hours until it is due
        running = page.locator("[data-testid=clock][data-rests=false]").first
        expect(running).to_be_visible(timeout=SOON_MS)
        expect(running).not_to_contain_text("休息至")
        folder = os.environ.get("XUELIANG_SHOTS")
        if folder:
            page.screenshot(path=f"{folder}/working_hours.png")
