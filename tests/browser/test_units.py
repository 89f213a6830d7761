"""A managing unit replies in a real browser, by the link that a gateway was handed; the desk sees it in its panel."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, insert

from tests.support.browser import asked_elsewhere, complaints, desk, drawn_jpeg, handset, sign_in, too_wide
from tests.support.pictures_for_people import shoot
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.rows import filled
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import Hazard, Measure, Reason, Severity
from xueliang_central.areas.tree import path_by_code
from xueliang_central.lanes.tables import lane_cameras, lanes
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SOON_MS = 40_000
CITY = make_city(DEMO)
GRID = CITY.of_level("grid")[3]
PLACE = GRID.polygon.representative_point()
HOSTILE = '<img src=x onerror="document.title=1">'
UNIT_FIRST = [{"at": "opening", "reply_s": 300, "clear_s": 900, "steps": [{"channel": "sms", "after_s": 0}]}]


@dataclass
class Gateway:
    """An SMS gateway on loopback; `taken`: what it was handed."""

    taken: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Gateway:
        gateway = self

        class Door(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                gateway.taken.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Lane:
    """A centre whose one lane has a managing unit, its node, and the gateway."""

    centre: CentreOnly
    node: PuppetNode
    gateway: Gateway

    def block(self) -> str:
        """An obstruction in the lane; the link that the unit was sent."""
        before = len(self.gateway.taken)
        self.node.raise_alert(
            "cam-0",
            Hazard.FIRE_LANE_OBSTRUCTION,
            Severity.ORANGE,
            reason=Reason(code="lane_blocked", text="blocked", about={"objects": "truck"}),
            measures={"share": Measure(value=0.41, unit="share")},
            picture=drawn_jpeg(320, 180),
        )
        wait_until(lambda: len(self.gateway.taken) > before, "the message to the unit", SOON_MS / 1000)
        return str(self.gateway.taken[-1]["link"])


@pytest.fixture
def lane(tmp_path: Path) -> Iterator[Lane]:
    cameras = (WatchedCamera("cam-0", "东巷0号", "file:none.mp4", GRID.code, PLACE.x, PLACE.y),)
    accounts = (
        Account("operator", "operator", CITY.areas[0].code, "值班员"),
        Account("wang", "worker", GRID.code, "王网格"),
    )
    plan = Plan(CITY, cameras, (), accounts, {**POLICIES, "unit_first": UNIT_FIRST})
    with Gateway() as gateway, CentreOnly(tmp_path, plan) as installation:
        installation.start_broker()
        installation.set_up()
        _add_channel(installation, gateway)
        _add_lane(installation)
        installation.start_centre()
        with PuppetNode(installation, {"cam-0": "streaming"}) as node:
            yield Lane(installation, node, gateway)


def _add_channel(installation: CentreOnly, gateway: Gateway) -> None:
    path = installation.folder / "centre.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["centre"]["notices"] = {
        "private_targets": ["127.0.0.0/8"],
        "channels": {"sms": {"kind": "http", "url": f"http://127.0.0.1:{gateway.port}/"}},
    }
    path.write_text(yaml.safe_dump(settings, allow_unicode=True))


def _add_lane(installation: CentreOnly) -> None:
    [file] = (installation.folder / "centre").glob("*.db")
    engine = create_engine(f"sqlite:///{file}")
    row = {"lane_id": "east", "name": "东巷", "unit": HOSTILE, "duty_phone": "0531 1190", "area_code": GRID.code}
    row |= {"area_path": path_by_code(GRID.code), "shape": {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}}
    with engine.begin() as conn:
        conn.execute(insert(lanes), filled(lanes, system_wall(), **row, valid_from=None, valid_to=None))
        conn.execute(insert(lane_cameras), {"lane_id": "east", "camera_id": "cam-0"})
    engine.dispose()


# All that the phone keeps of tasks, as text.
KEPT = """() => new Promise((resolve, reject) => {
  const asked = indexedDB.open("xueliang-phone");
  asked.onerror = () => reject(asked.error);
  asked.onsuccess = () => {
    const read = asked.result.transaction("singles").objectStore("singles").get("seen");
    read.onsuccess = () => { asked.result.close(); resolve(JSON.stringify(read.result ?? null)); };
  };
})"""


def kept_by(phone: Page) -> str:
    """All of it, once the task is there as taken and nothing more is written: the same at two looks."""
    looks = [""]

    def is_at_rest() -> bool:
        phone.wait_for_timeout(500)
        looks.append(phone.evaluate(KEPT))
        return looks[-1] == looks[-2] and '"state":"taken"' in looks[-1]

    wait_until(is_at_rest, "the task on the device", SOON_MS / 1000)
    return looks[-1]


def _panel(browser: Browser, lane: Lane) -> Page:
    page = desk(browser, lane.centre.origin)
    sign_in(page, "operator", lane.centre.password_of("operator"))
    page.get_by_test_id("incident-row").first.click()
    expect(page.get_by_test_id("case-panel")).to_be_visible()
    return page


def test_the_unit_clears_the_lane_by_its_link_and_the_panel_tells_it(browser: Browser, lane: Lane) -> None:
    link = lane.block()
    assert link.startswith(f"{lane.centre.origin}/unit#")
    operator = _panel(browser, lane)
    expect(operator.get_by_test_id("case-panel").get_by_test_id("state")).to_have_attribute("data-state", "unit_told")
    expect(operator.get_by_test_id("unit-state")).to_have_attribute("data-state", "told")
    expect(operator.get_by_test_id("case-unit")).to_contain_text(HOSTILE)  # as text
    expect(operator.get_by_test_id("clock").first).to_have_attribute("data-kind", "reply")

    page = handset(browser, lane.centre.origin)
    page.goto(link)
    expect(page.get_by_test_id("unit-page")).to_have_attribute("data-state", "told")
    expect(page.get_by_test_id("unit-page")).to_contain_text("消防车通道占用")
    assert page.locator("img").count() == 0, "no picture"
    assert too_wide(page) == []
    page.get_by_test_id("unit-clears").click()
    expect(page.get_by_test_id("unit-page")).to_have_attribute("data-state", "clearing")
    expect(operator.get_by_test_id("unit-state")).to_have_attribute("data-state", "clearing")
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("unit-done")).to_have_text("Done, it is clear")
    page.get_by_test_id("unit-done").click()
    expect(page.get_by_test_id("unit-said")).to_contain_text("The camera checks the place now")
    expect(operator.get_by_test_id("unit-state")).to_have_attribute("data-state", "done")
    timeline = operator.get_by_test_id("timeline")
    expect(timeline.locator('[data-kind="unit_done"]')).to_contain_text("单位回复：已清除")
    assert complaints(page) == []
    assert complaints(operator) == []
    assert asked_elsewhere(page, lane.centre.origin) == []


def test_a_unit_that_cannot_says_so_and_an_operator_dispatches_without_waiting(browser: Browser, lane: Lane) -> None:
    link = lane.block()
    operator = _panel(browser, lane)
    expect(operator.get_by_test_id("move-dispatch")).to_be_enabled()
    operator.keyboard.press("d")
    expect(operator.get_by_test_id("move-outcome")).to_have_attribute("data-outcome", "done")
    expect(operator.get_by_test_id("unit-state")).to_have_attribute("data-state", "bypassed")

    phone = handset(browser, lane.centre.origin)
    sign_in(phone, "wang", lane.centre.password_of("wang"))
    phone.locator('[data-testid="task-card"] .open').tap()
    expect(phone.get_by_test_id("task-lanes")).to_contain_text(HOSTILE)  # as text
    expect(phone.get_by_test_id("call-unit")).to_have_attribute("href", "tel:05311190")
    shoot(phone, "task-lanes")
    assert too_wide(phone) == []
    phone.get_by_test_id("take").tap()
    expect(phone.get_by_test_id("task-page")).to_have_attribute("data-state", "taken")
    kept = kept_by(phone)
    around = max(kept.find("0531 1190"), 0)
    assert "0531 1190" not in kept, f"the number is kept on no phone: {kept[max(0, around - 120) : around + 30]}"

    page = handset(browser, lane.centre.origin)
    page.goto(link)
    expect(page.get_by_test_id("unit-said")).to_contain_text("指挥中心已派网格员前往")
    assert page.get_by_test_id("unit-clears").count() == 0
    page.goto("about:blank")  # only what stands behind the # differs: that alone loads nothing anew
    page.goto(f"{lane.centre.origin}/unit#{'A' * 43}")
    expect(page.get_by_test_id("unit-problem")).to_have_attribute("data-problem", "dead")
