"""Rules in the shadow in a real browser: a new camera's first rules, counted by a real back-test, promoted in bulk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_rules import HOSTILE
from tests.support.accessibility import require_axe, serious
from tests.support.browser import asked_elsewhere, complaints, desk, sign_in
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.rules_node import RulesNode
from tests.support.trying_node import HOUR_S, LEFT, RIGHT, an_hour_less_than_a_day, keep_a_day, trying_node
from xueliang_central.camera_rules.sending import make_key
from xueliang_configs.cameras import CameraConfig
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SOON_MS = 40_000
ZONE = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]]
TRIED = {
    "rule_id": "lane",
    "hazard": "fire_lane_obstruction",
    "version": 1,
    "zone": ZONE,
    "dwell_s": 60.0,
    "shadow": True,
}
NEW = """rules:
  - rule_id: lane
    hazard: fire_lane_obstruction
    zone: [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9]]
"""
SHOTS = os.environ.get("XUELIANG_SHOTS")  # a folder: pictures of the page to look at


@dataclass
class Stage:
    """A centre, the node that takes its rules, and the log of camera "lane"."""

    centre: CentreOnly
    node: RulesNode
    folder: Path
    camera: CameraConfig


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    names = (("lane", HOSTILE), ("gate", "南门"), ("new", "新装摄像机"), ("unsaid", "未上报"))
    cameras = tuple(WatchedCamera(one, name, "file:none.mp4", grid.code, place.x, place.y) for one, name in names)
    root = city.areas[0].code
    roles = {"ruler": "rule_operator", "chief": "supervisor"}
    accounts = tuple(Account(name, role, root, name) for name, role in roles.items())
    camera = CameraConfig.model_validate(
        {"camera_id": "lane", "name": "lane", "url": "file:none.mp4", "rules": [TRIED]}
    )
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, POLICIES)) as centre:
        centre.start()
        key = make_key(centre.folder / "centre" / "signing.key")
        running: dict[str, list[dict[str, Any]]] = {"lane": [TRIED], "gate": [TRIED], "new": []}
        with PuppetNode(centre, {"lane": "streaming"}), RulesNode(centre, key.public, running) as node:
            yield Stage(centre, node, tmp_path / "log", camera)


def page_of(browser: Browser, stage: Stage, name: str) -> Page:
    page = desk(browser, stage.centre.origin)
    sign_in(page, name, stage.centre.password_of(name))
    return page


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def test_rules_in_the_shadow_are_counted_sorted_and_promoted(browser: Browser, stage: Stage) -> None:
    require_axe()
    began, seconds = an_hour_less_than_a_day()
    stays = [(3 * HOUR_S, 3 * HOUR_S + 200, LEFT), (6 * HOUR_S, 6 * HOUR_S + 90, RIGHT)]
    keep_a_day(stage.folder, began, seconds, stays, range(0), range(0))
    with trying_node(stage.centre, stage.camera, stage.folder):
        page = page_of(browser, stage, "ruler")
        page.goto("/rules")
        page.get_by_test_id("to-shadow").click()
        lane, gate = (page.get_by_test_id(f"shadow-{one}-lane") for one in ("lane", "gate"))
        expect(lane).to_contain_text("未统计")
        page.get_by_test_id("shadow-count").click()
        # The node that is asked knows one of both cameras: the other stays without a figure, and that is said.
        expect(page.get_by_test_id("shadow-counted")).to_contain_text("已统计 1 条 · 1 条没有答案")
        expect(lane).to_contain_text("2 条 / 23 小时可答")
        expect(lane.get_by_test_id("shadow-rate")).to_have_text("2.1")
        expect(gate).to_contain_text("未统计")
        expect(gate.get_by_test_id("shadow-unanswered")).to_contain_text('no camera "gate" on this node')
        rows = page.locator("tbody tr")
        expect(rows.first).to_have_attribute("data-testid", "shadow-lane-lane")
        page.get_by_test_id("shadow-all").check()
        expect(page.get_by_test_id("promote-chosen")).to_contain_text("2 条规则，2 路摄像机")
        expect(page.get_by_test_id("promote-load")).to_contain_text("另有 1 条未统计")
        page.get_by_test_id("promote-why").fill("试运行平稳")
        shoot(page, "shadow-1366")
        assert serious(page) == []
        page.get_by_test_id("promote").click()
        expect(page.get_by_test_id("promote-results")).to_contain_text("试运行时间不够")
        page.get_by_test_id("promote-why").fill("现场已核对")
        page.get_by_test_id("promote-early").check()
        page.get_by_test_id("promote").click()
        expect(page.get_by_test_id("promote-results").locator("li").first).to_contain_text("待第二人复核")
        expect(lane).to_contain_text("待复核（ruler）")  # it is still in the shadow
        shoot(page, "shadow-promoted")
        page.get_by_test_id("language").click()
        expect(page.get_by_test_id("shadow-page")).to_contain_text("the shadow never ends by itself")
        shoot(page, "shadow-english")
        other = page_of(browser, stage, "chief")
        other.goto("/rules/lane")
        other.get_by_test_id("move-approve").click()
        expect(lane).to_have_count(0)  # by the stream
        assert "shadow" not in stage.node.runs("lane")[0]
    assert page.title() != "1"  # the hostile name of the camera is text
    assert asked_elsewhere(page, stage.centre.origin) == []
    assert [one for one in complaints(page) if "422" not in one] == []


def test_the_first_rules_of_a_camera_start_in_the_shadow_unless_a_reason_is_given(
    browser: Browser, stage: Stage
) -> None:
    page = page_of(browser, stage, "ruler")
    page.goto("/rules/unsaid")  # what nobody knows is waited for: an empty draft would take out what runs there
    page.get_by_test_id("edit-rules").click()
    page.get_by_test_id("edit-blank").click()
    expect(page.get_by_test_id("draft-blank")).to_contain_text("会替换节点现有的全部规则")
    page.get_by_test_id("draft-leave").click()
    page.get_by_test_id("edit-rules").click()
    expect(page.get_by_test_id("edit-awaits")).to_be_visible()
    stage.node.change("unsaid", [TRIED], 0)
    expect(page.get_by_test_id("draft-editor")).to_contain_text("基于 正在运行")
    expect(page.get_by_test_id("edit-awaits")).to_have_count(0)
    page.goto("/rules/new")
    page.get_by_test_id("edit-rules").click()
    page.get_by_test_id("text-open").click()
    page.get_by_test_id("text-in").fill(NEW)
    page.get_by_test_id("text-take").click()
    expect(page.get_by_test_id("new-in-shadow")).to_contain_text("试运行至少 24 小时")
    page.get_by_test_id("why").fill("新装")
    expect(page.get_by_test_id("propose")).to_be_enabled()
    page.get_by_test_id("live").check()
    expect(page.get_by_test_id("propose")).to_be_disabled()
    page.get_by_test_id("live-why").fill("已人工试过")
    shoot(page, "shadow-new")
    expect(page.get_by_test_id("propose")).to_be_enabled()
    page.get_by_test_id("live").uncheck()
    page.get_by_test_id("propose").click()
    page.goto("/rules/shadow")
    expect(page.get_by_test_id("shadow-new-lane")).to_be_visible()
    assert complaints(page) == []
