"""Tuning in a real browser: a fresh picture, the ground in metres, its grid, a version; and a node that goes away."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_rules import CROWD, HOSTILE, LANE, field, propose, state
from tests.support.browser import asked_elsewhere, complaints, desk, drawn_jpeg, sign_in, too_wide
from tests.support.looking_node import looking_node
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.rules_node import RulesNode
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.commands import FullStill, LookCommand, LookResult, Says
from xueliang_central.camera_rules.sending import make_key
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SOON_MS = 40_000  # the node tells how its cameras do every few seconds
FULL, SMALL = drawn_jpeg(1280, 720), drawn_jpeg(320, 180)
BAY = ((0.2999, 0.758), (0.7001, 0.758), (0.6341, 0.3286), (0.3659, 0.3286))  # 4 m by 6 m, seen from 6 m up
SHOTS = os.environ.get("XUELIANG_SHOTS")  # a folder: pictures of the page to look at


class Told:
    """What the node says next, and when it may."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.may_speak = threading.Event()

    def answer(self, command: LookCommand) -> LookResult:
        assert command.rule_id is None
        self.may_speak.wait(15)
        fields: dict[str, Any] = {
            "observed_at": system_wall(),
            "says": Says.NO_RULE,
            "preview": base64.b64encode(SMALL).decode(),
            "still": FullStill(sha256=hashlib.sha256(FULL).hexdigest(), bytes=len(FULL), size_wh=(1280, 720)),
        }
        return LookResult(command="look", request_id=command.request_id, **(fields | self.values))


def shoot(page: Page, name: str) -> None:
    if not SHOTS:
        return
    Path(SHOTS).mkdir(parents=True, exist_ok=True)
    for width, height in ((1920, 1080), (1366, 768)):
        page.set_viewport_size({"width": width, "height": height})
        page.screenshot(path=str(Path(SHOTS) / f"{name}-{width}.png"))


def centre_of_one(tmp_path: Path) -> CentreOnly:
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    camera = WatchedCamera("cam-gate", HOSTILE, "file:none.mp4", grid.code, place.x, place.y)
    accounts = (Account("ruler", "rule_operator", city.areas[0].code, "ruler"),)
    return CentreOnly(tmp_path, Plan(city, (camera,), (), accounts, POLICIES))


def put(page: Page, share_x: float, share_y: float) -> None:
    box = page.get_by_test_id("ground-frame").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + share_x * box["width"], box["y"] + share_y * box["height"])


def test_a_fresh_picture_is_measured_saved_and_kept_when_the_node_goes(browser: Browser, tmp_path: Path) -> None:
    told = Told()
    with centre_of_one(tmp_path) as centre:
        centre.start()
        key = make_key(centre.folder / "centre" / "signing.key")
        running: dict[str, list[dict[str, Any]]] = {"cam-gate": [LANE, CROWD]}
        with RulesNode(centre, key.public, running) as node, looking_node(centre, told.answer) as asked:
            with PuppetNode(centre, {"cam-gate": "streaming"}) as puppet:
                page = desk(browser, centre.origin)
                sign_in(page, "ruler", centre.password_of("ruler"))
                page.goto("/rules/cam-gate")
                page.get_by_test_id("edit-rules").click()
                standing = page.get_by_test_id("tune-status")
                expect(standing).to_have_attribute("data-standing", "ok")
                _take_a_picture(page, told, puppet)
                _measure(page)
                propose(page, "量过地面")
                state(page, "in_force")
                assert len(node._settings["cam-gate"]["ground"]["points"]) == 4
                page.get_by_test_id("change-2").click()
                line = page.get_by_test_id("history").get_by_test_id("diff-line").filter(has_text="地面标定")
                expect(line).to_contain_text("= (4, 6) m")

                page.get_by_test_id("edit-rules").click()
                told.values = {"observed_at": None, "says": Says.CANNOT_SEE, "why": "offline"}
                told.values |= {"preview": None, "still": None}
                page.get_by_test_id("still-take").click()
                expect(page.get_by_test_id("still-words")).to_have_text("没有拍到：摄像机离线。")
                expect(page.get_by_test_id("still-base")).to_contain_text("底图仍是")
                puppet._states["cam-gate"] = "offline"
                expect(standing).to_have_attribute("data-standing", "camera")
                expect(standing).to_contain_text("摄像机没有画面：离线")
                field(page, "dwell_s").fill("75")
            expect(standing).to_have_attribute("data-standing", "node")  # by the stream, without a reload
            expect(page.get_by_test_id("whatif-away")).to_contain_text("现在不能试算")
            page.get_by_test_id("whatif-run").click()
            expect(page.get_by_test_id("whatif-failure")).to_contain_text("草稿没有丢")
            expect(page.get_by_test_id("whatif-retry")).to_be_visible()
            expect(field(page, "dwell_s")).to_have_value("75")
            shoot(page, "tuning-node-away")
            node.answers = False  # as the puppet, it is not there
            page.get_by_test_id("why").fill("夜间")
            page.get_by_test_id("propose").click()
            expect(page.get_by_test_id("rules-said")).to_contain_text("版本已保存在中心")
            state(page, "waiting")
            with PuppetNode(centre, {"cam-gate": "streaming"}):
                page.get_by_test_id("edit-rules").click()
                expect(standing).to_have_attribute("data-standing", "ok")  # it comes back as it went
        assert asked == ["cam-gate"] * 2
        assert too_wide(page) == []
        assert [one for one in complaints(page) if "424" not in one and "422" not in one] == []
        assert asked_elsewhere(page, centre.origin) == []
        assert page.title() != "1"  # of the camera's name nothing runs


def _take_a_picture(page: Page, told: Told, puppet: PuppetNode) -> None:
    words, base = page.get_by_test_id("still-words"), page.get_by_test_id("still-base")
    expect(base).to_contain_text("没有可用的画面")
    page.keyboard.press("l")
    expect(words).to_contain_text("节点正在拍摄…")
    page.keyboard.press("l")  # one at a time
    told.may_speak.set()
    expect(words).to_contain_text("拍摄于 ")
    expect(base).to_contain_text("完整画面传输中")
    picture = page.get_by_test_id("zone-frame").locator("img")
    assert picture.evaluate("one => one.naturalWidth") == 320
    puppet.upload(FULL)
    expect(page.get_by_test_id("fresh-still")).to_have_attribute("data-full", "true")
    page.wait_for_function("() => document.querySelector('[data-testid=zone-frame] img')?.naturalWidth === 1280")


def _measure(page: Page) -> None:
    page.get_by_test_id("ground-open").click()
    told = page.get_by_test_id("ground-told")
    expect(told).to_contain_text("还差 4 个点")
    for corner in BAY:
        put(page, *corner)
    expect(told).to_contain_text("还没有填米数")
    expect(page.get_by_test_id("propose")).to_be_disabled()
    page.get_by_test_id("ground-width").fill("4")
    page.get_by_test_id("ground-depth").fill("6")
    page.get_by_test_id("ground-fill").click()
    expect(told).to_contain_text("标定成立")
    expect(page.get_by_test_id("ground-grid")).to_have_attribute("data-step", "1")
    shoot(page, "tuning-ground")
    first = page.locator("#metres-0-0")
    first.fill("8")
    first.press("Tab")
    expect(told).to_contain_text("相反或交叉")  # the near corners are exchanged
    expect(page.get_by_test_id("ground-grid")).to_have_count(0)
    page.get_by_test_id("undo").click()
    expect(told).to_contain_text("标定成立")
    page.get_by_test_id("ground-add").click()
    page.locator("#metres-4-0").fill("6")
    page.locator("#metres-4-1").fill("6")
    page.keyboard.press("Tab")
    expect(told).to_contain_text("矛盾")
    page.locator("#metres-4-0").fill("1.2")
    page.keyboard.press("Tab")
    expect(told).to_contain_text("误差：平均")  # a fifth shows how good the others are
    page.get_by_test_id("ground-pair-4").get_by_test_id("drop-pair").click()
    page.get_by_test_id("ground-open").click()
    expect(page.get_by_test_id("zone-told")).to_contain_text("平方米")
    expect(page.get_by_test_id("ground-grid")).to_be_visible()
    shoot(page, "tuning-zone")
