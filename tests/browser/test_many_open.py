"""More open incidents than a page holds: areas are counted by the centre, the list says what it lacks and reads on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_console import BLOCKED, MEASURES, SOON_MS
from tests.support.browser import complaints, desk, sign_in
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.room import too_wide_at
from xueliang_alerts.contract import Hazard, Severity
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

CITY = make_city(DEMO)
EAST, WEST = CITY.of_level("county")
EASTERN, WESTERN = 40, 1_000
TOTAL = EASTERN + WESTERN
INGEST_S = 240.0
LATER = {"judge_s": 36_000, "take_s": 36_000, "arrive_s": 36_000, "auto_dispatch": False}
SLOW = {"policies": [LATER], "folding": {"illegal_parking": {"radius_m": 0}}}


def _cameras() -> Iterator[WatchedCamera]:
    for county, count in ((EAST, EASTERN), (WEST, WESTERN)):
        grid = next(one for one in CITY.of_level("grid") if one.code.startswith(county.code))
        place = grid.polygon.representative_point()
        for number in range(count):
            name = f"{county.code}-{number}"
            yield WatchedCamera(f"cam-{name}", name, "file:none.mp4", grid.code, place.x, place.y + number * 1e-6)


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    accounts = (Account("operator", "operator", CITY.areas[0].code, "值班员"),)
    policies = {key: value for key, value in POLICIES.items() if key not in SLOW} | SLOW
    with CentreOnly(tmp_path, Plan(CITY, tuple(_cameras()), (), accounts, policies)) as installation:
        installation.start()
        yield installation


def test_beyond_a_thousand_the_centre_counts_and_the_list_reads_on(browser: Browser, centre: CentreOnly) -> None:
    cameras = [camera.camera_id for camera in _cameras()]  # the eastern ones first: the oldest, which the page lacks
    with PuppetNode(centre, dict.fromkeys(cameras[:4], "streaming")) as node:
        for camera_id in cameras:
            node.raise_alert(camera_id, Hazard.ILLEGAL_PARKING, Severity.YELLOW, reason=BLOCKED, measures=MEASURES)
        person = centre.log_in("operator")

        def is_in() -> bool:
            return int(person._get("/api/incidents/counts")["total"]["open"]) == TOTAL

        wait_until(is_in, f"{TOTAL} open incidents", INGEST_S)
        person.close()
        page = desk(browser, centre.origin)
        sign_in(page, "operator", centre.password_of("operator"))

        def step(code: str):  # type: ignore[no-untyped-def]
            return page.locator(f'[data-testid="scope-step"][data-code="{code}"] b')

        expect(step(EAST.code)).to_have_text(str(EASTERN), timeout=2 * SOON_MS)
        expect(step(WEST.code)).to_have_text(str(WESTERN))
        expect(page.get_by_test_id("scope-cut")).to_have_count(0)
        expect(page.get_by_test_id("tab-all")).to_contain_text(str(TOTAL))
        expect(page.get_by_test_id("queue-part")).to_contain_text(f"共 {TOTAL} 起")
        assert too_wide_at(page) == []
        eastern = person_closes_one(centre, EAST.code)
        expect(step(EAST.code)).to_have_text(str(EASTERN - 1), timeout=SOON_MS)  # told by the stream, of one not here
        assert eastern
        page.get_by_test_id("queue-more").click()
        expect(page.get_by_test_id("queue-part")).to_have_count(0, timeout=2 * SOON_MS)
        expect(page.get_by_test_id("tab-all")).to_contain_text(str(TOTAL - 1))
        expect(step(EAST.code)).to_have_text(str(EASTERN - 1))
        assert complaints(page) == []


def person_closes_one(centre: CentreOnly, area: str) -> str:
    """The oldest of the area; its id."""
    person = centre.log_in("operator")
    found = person._get("/api/incidents", {"state": "open", "area": area, "limit": "200"})["items"]
    incident_id = str(found[-1]["incident_id"])
    person.move_incident(incident_id, "false_alarm")
    person.close()
    return incident_id
