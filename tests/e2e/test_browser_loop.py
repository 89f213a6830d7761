"""People at their screens, and nothing made up behind them: rendered footage over RTSP, the real node with the detector
in the box, broker, centre, and the console in a headless browser.

One installation for the module, and one story in the order of the file: a lorry blocks the lane, the grid worker deals
with it, the same camera sees it gone. What a single screen does in detail is tests/browser/.
"""

from __future__ import annotations

import copy
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import (
    PRESS_MS,
    asked_elsewhere,
    chromium_path,
    complaints,
    desk,
    drawn_jpeg,
    handset,
    open_browser,
    requested,
    require_console,
    sign_in,
    too_wide,
)
from tests.support.rendered import footage
from xueliang_alerts.clocks import system_mono
from xueliang_demo.api_client import Person
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES, demo_plan, with_urls
from xueliang_demo.installation import Installation
from xueliang_demo.plays import LaneDirector
from xueliang_demo.theatre import DriverTold, Stage

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SEEN_LIVE_WITHIN_S = 10.0  # from the node's verdict to a row on the operator's screen
SOON_MS = 40_000
RAISED_MS = 90_000  # a lorry drives in, stands 8 s, on a busy machine
GONE_MS = 90_000  # the driver is told, walks, drives off; the lane is clear for 3 s
TAKE_S = 100  # long enough that the countdown still counts down when a slow machine looks at it


class CuedLane(LaneDirector):
    """The lorry comes when the test says so, and not twice."""

    def __init__(self) -> None:
        super().__init__(system_mono, first_after_s=0, again_after_s=3600, stands_at_most_s=3600)
        self._is_cued = threading.Event()

    def come(self) -> None:
        self._is_cued.set()

    def decide(self, state: str, seconds: float) -> str:
        if state == "empty" and not self._is_cued.is_set():
            return "empty"
        return super().decide(state, seconds)


@dataclass
class World:
    """What runs, and every page that was opened: what went wrong in any of them counts."""

    installation: Installation
    lane: CuedLane
    browser: Browser
    pages: list[Page] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return self.installation.origin

    def desk(self) -> Page:
        self.pages.append(desk(self.browser, self.origin))
        return self.pages[-1]

    def handset(self) -> Page:
        self.pages.append(handset(self.browser, self.origin))
        return self.pages[-1]

    def sign_in(self, page: Page, username: str) -> None:
        sign_in(page, username, self.installation.password_of(username))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    chromium_path()
    require_console()
    stage, lane = Stage(footage(), lorry_after_s=0), CuedLane()
    stage.lane_director = lane
    plan = replace(demo_plan(make_city(DEMO), stage, None), policies=patient_policies())
    with Installation(tmp_path_factory.mktemp("browser") / "box", plan) as installation:
        try:
            installation.start_programs_for(with_urls(plan, stage.open()))
            with open_browser() as browser:
                yield World(installation, lane, browser)
            installation.must_run()  # a program that ended by itself says so, with its status and last lines
        finally:
            stage.close()


def patient_policies() -> dict[str, Any]:
    policies = copy.deepcopy(POLICIES)
    for row in policies["policies"]:
        row["take_s"] = TAKE_S
    return policies


@pytest.fixture(scope="module")
def api(world: World) -> Iterator[Person]:
    """The operator without a browser: for what the test itself must know."""
    person = world.installation.log_in("operator")
    yield person
    person.close()


@pytest.fixture(scope="module")
def street(world: World) -> Iterator[None]:
    """Once a lane task is handled, the driver has been told to leave: as in ./run demo."""
    told = DriverTold(world.installation.log_in("operator"), world.lane)
    told.start()
    yield
    told.end()


@pytest.fixture(scope="module")
def watching(world: World) -> Page:
    """The operator's page, open before anything happens and never loaded again."""
    page = world.desk()
    world.sign_in(page, "operator")
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=SOON_MS)
    page.evaluate("() => { window.isTheSamePage = true }")
    return page


def lane_row(page: Page, incident_id: str | None = None) -> Locator:
    rows = page.get_by_test_id("incident-row")
    if incident_id is not None:
        return page.locator(f'[data-testid="incident-row"][data-incident="{incident_id}"]')
    return rows.filter(has_text="消防车通道占用")


@dataclass(frozen=True)
class Blocked:
    """The lane's incident as it came onto the operator's screen."""

    incident_id: str
    task_id: str
    seen_at: datetime


@pytest.fixture(scope="module")
def blocked(world: World, watching: Page, api: Person, street: None) -> Blocked:
    """The lorry is called in, and the row waited for on the screen."""
    expect(lane_row(watching)).to_have_count(0)
    world.lane.come()
    expect(lane_row(watching)).to_have_count(1, timeout=RAISED_MS)
    seen_at = datetime.now(UTC)
    incident_id = str(lane_row(watching).get_attribute("data-incident"))
    return Blocked(incident_id, str(api.incident(incident_id)["task"]["task_id"]), seen_at)


def seconds_of(text: str) -> int:
    """ "2:31" -> 151."""
    total = 0
    for part in text.split(":"):
        total = total * 60 + int(part)
    return total


def test_a_wrong_password_is_refused_in_words_and_leads_nowhere(world: World) -> None:
    for page in (world.desk(), world.handset()):
        page.goto("/")
        expect(page.get_by_test_id("login-page")).to_be_visible()
        page.get_by_test_id("username").fill("operator")
        page.get_by_test_id("password").fill("not-the-password")
        page.get_by_test_id("login-submit").click()
        expect(page.get_by_test_id("login-failure")).to_have_text("用户名或密码不正确。")
        expect(page.get_by_test_id("password")).to_have_value("")
        assert too_wide(page) == []
        page.goto("/")
        expect(page.get_by_test_id("login-page")).to_be_visible()


def test_the_incident_appears_by_itself_with_hazard_severity_picture_and_a_clock_that_runs(
    world: World, watching: Page, blocked: Blocked, api: Person
) -> None:
    (alert,) = api.incident(blocked.incident_id)["alerts"]
    assert (blocked.seen_at - datetime.fromisoformat(alert["raised_at"])).total_seconds() < SEEN_LIVE_WITHIN_S
    row = lane_row(watching, blocked.incident_id)
    expect(row).to_contain_text("东巷消防通道")
    expect(row).to_contain_text("重大")
    expect(row).to_have_attribute("data-severity", "2")
    expect(row).to_have_attribute("data-state", "dispatched", timeout=SOON_MS)
    expect(row.get_by_test_id("picture")).to_have_attribute("data-received", "true", timeout=40_000)
    expect(row.get_by_test_id("box")).not_to_have_count(0)
    expect(row.locator("img")).to_have_js_property("complete", True)
    assert row.locator("img").evaluate("one => one.naturalWidth") > 0
    clock = row.get_by_test_id("clock")
    expect(clock).to_have_attribute("data-kind", "take")
    before = clock.locator("b").inner_text()
    expect(clock.locator("b")).not_to_have_text(before)
    assert seconds_of(clock.locator("b").inner_text()) < seconds_of(before) <= TAKE_S
    assert watching.evaluate("() => window.isTheSamePage === true")
    assert too_wide(watching) == []


def test_the_map_shows_the_areas_and_the_marker_opens_the_case(
    world: World, watching: Page, blocked: Blocked, api: Person
) -> None:
    areas = len(make_city(DEMO).areas)
    expect(watching.get_by_test_id("map")).to_have_attribute("data-areas", str(areas))
    marker = watching.locator(f'[data-testid="map-incident"][data-incident="{blocked.incident_id}"]')
    expect(marker).to_be_visible()
    marker.click()
    panel = watching.get_by_test_id("case-panel")
    expect(panel).to_have_attribute("data-incident", blocked.incident_id)
    expect(panel.get_by_test_id("case-hazard")).to_have_text("消防车通道占用")
    expect(panel.get_by_test_id("reason")).to_contain_text("消防车通道")
    expect(panel.get_by_test_id("presence")).to_have_attribute("data-present", "true")
    expect(panel.get_by_test_id("picture")).to_have_attribute("data-received", "true", timeout=40_000)
    expect(panel.get_by_test_id("box").first).to_be_visible()
    told = panel.get_by_test_id("timeline")
    for kind in ("opened", "dispatched"):
        expect(told.locator(f'li[data-kind="{kind}"]')).to_have_count(1)
    assert too_wide(watching) == []


def test_the_case_has_a_page_of_its_own_that_fits_the_window(world: World, blocked: Blocked) -> None:
    page = world.desk()
    world.sign_in(page, "operator")
    page.goto(f"/incidents/{blocked.incident_id}")
    case = page.get_by_test_id("incident-page")
    expect(case.get_by_test_id("case-hazard")).to_have_text("消防车通道占用")
    expect(case.get_by_test_id("box").first).to_be_visible(timeout=SOON_MS)
    expect(case.get_by_test_id("timeline").locator("li")).not_to_have_count(0)
    assert too_wide(page) == []


def test_the_language_changes_to_english_and_back_without_leaving_the_case(watching: Page, blocked: Blocked) -> None:
    row = lane_row(watching, blocked.incident_id)
    row.click()
    hazard = watching.get_by_test_id("case-panel").get_by_test_id("case-hazard")
    watching.get_by_test_id("language").click()
    expect(hazard).to_have_text("Fire lane blocked")
    expect(row).to_contain_text("Fire lane blocked")
    expect(watching.locator("html")).to_have_attribute("lang", "en")
    assert too_wide(watching) == []
    watching.get_by_test_id("language").click()
    expect(hazard).to_have_text("消防车通道占用")
    expect(watching.locator("html")).to_have_attribute("lang", "zh-CN")


def test_a_worker_of_another_grid_neither_lists_nor_opens_the_task(world: World, blocked: Blocked) -> None:
    phone = world.handset()
    world.sign_in(phone, "worker2")
    expect(phone.get_by_test_id("no-tasks")).to_contain_text("暂无任务")
    assert too_wide(phone) == []
    unknown = uuid.uuid4()
    for kind, known in (("tasks", blocked.task_id), ("incidents", blocked.incident_id)):
        theirs, nothing = (phone.request.get(f"/api/{kind}/{one}") for one in (known, unknown))
        assert theirs.status == nothing.status, f"{kind}: the answer tells that it exists"
        assert theirs.status in {403, 404}
    assert phone.request.get("/api/tasks?state=all").json()["items"] == []
    phone.goto(f"/incidents/{blocked.incident_id}")
    expect(phone.get_by_test_id("phone-page")).to_be_visible()


def test_the_worker_deals_with_it_and_the_operator_sees_it_cleared_verified_and_closed(
    world: World, watching: Page, blocked: Blocked, api: Person, tmp_path: Path
) -> None:
    lane_row(watching, blocked.incident_id).click()
    panel = watching.get_by_test_id("case-panel")
    phone = world.handset()
    world.sign_in(phone, "worker")
    card = phone.locator(f'[data-testid="task-card"][data-task="{blocked.task_id}"]')
    expect(card).to_contain_text("消防车通道占用")
    expect(card.get_by_test_id("picture")).to_have_attribute("data-received", "true")
    assert too_wide(phone) == []
    card.get_by_test_id("take").click()
    task = phone.get_by_test_id("task-page")
    expect(task).to_have_attribute("data-state", "taken", timeout=SOON_MS)
    expect(panel.get_by_test_id("state")).to_have_text("已接单", timeout=SOON_MS)
    phone.get_by_test_id("arrive").click()
    expect(task).to_have_attribute("data-state", "arrived", timeout=SOON_MS)
    expect(panel.get_by_test_id("state")).to_have_text("已到场", timeout=SOON_MS)
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(drawn_jpeg(1600, 1200))
    phone.get_by_test_id("photo-input").set_input_files(photo)
    expect(phone.get_by_test_id("photo")).to_have_attribute("data-photo", "sent", timeout=SOON_MS)
    assert too_wide(phone) == []
    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    expect(task).to_have_attribute("data-state", "handled", timeout=SOON_MS)
    expect(panel.get_by_test_id("state")).to_have_text("已处置", timeout=SOON_MS)
    expect(panel.get_by_test_id("site-photos").locator("img")).to_have_count(1, timeout=SOON_MS)

    expect(panel.get_by_test_id("presence")).to_have_attribute("data-present", "false", timeout=GONE_MS)
    expect(panel.get_by_test_id("state")).to_have_text("已办结", timeout=SOON_MS)
    expect(panel.get_by_test_id("close-reason")).to_have_text("同机核查通过")
    told = panel.get_by_test_id("timeline")
    for kind in ("taken", "arrived", "handled", "seen_clear", "verified", "closed"):
        expect(told.locator(f'li[data-kind="{kind}"]')).to_have_count(1)
    expect(task).to_have_attribute("data-state", "closed", timeout=SOON_MS)
    expect(phone.get_by_test_id("notice")).to_contain_text("现场已恢复，可返回")
    watching.mouse.move(700, 5)  # off the list, which holds still under the pointer
    expect(lane_row(watching, blocked.incident_id)).to_have_count(0, timeout=SOON_MS)
    assert watching.evaluate("() => window.isTheSamePage === true")
    assert api.incident(blocked.incident_id)["close_reason"] == "verified"


def test_no_page_complained_and_none_asked_any_other_machine(world: World, watching: Page) -> None:
    for page in world.pages:
        assert complaints(page) == [], page.url
        assert asked_elsewhere(page, world.origin) == [], page.url
    assert any("/api/events" in address for address in requested(watching))
    world.installation.must_run()
