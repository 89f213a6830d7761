"""The rules pages in a real browser against a real centre and a played node: drawn, proposed, agreed to, refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import asked_elsewhere, complaints, desk, sign_in
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.room import too_wide_at
from tests.support.rules_node import RulesNode, takes_all
from xueliang_alerts.contract import Hazard, Reason, Severity
from xueliang_alerts.desired import RuleProblem
from xueliang_central.camera_rules.sending import make_key
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.processes import wait_until
from xueliang_demo.scenes import FireLaneScene

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SOON_MS = 40_000
ZONE = [[0.3, 0.45], [0.62, 0.45], [0.8, 0.92], [0.18, 0.92]]
LANE = {"rule_id": "lane-east", "hazard": "fire_lane_obstruction", "version": 1, "zone": ZONE, "dwell_s": 60.0}
CROWD = {
    "rule_id": "gate-crowd",
    "hazard": "crowd",
    "zone": [[0.02, 0.3], [0.25, 0.3], [0.25, 0.7], [0.02, 0.7]],
    "raise_at_count": 12,
    "clear_at_count": 8,
}
HOSTILE = '<img src=x onerror="document.title=1">门'


@dataclass
class Stage:
    """A centre, and the node that takes its rules."""

    centre: CentreOnly
    node: RulesNode


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = tuple(
        WatchedCamera(camera_id, name, "file:none.mp4", grid.code, place.x, place.y)
        for camera_id, name in (("cam-east", "东巷消防通道"), ("cam-gate", HOSTILE))
    )
    root = city.areas[0].code
    roles = {"ruler": "rule_operator", "chief": "supervisor", "auditor": "auditor"}
    accounts = tuple(Account(name, role, root, name) for name, role in roles.items())
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, POLICIES)) as centre:
        centre.start()
        key = make_key(centre.folder / "centre" / "signing.key")
        running: dict[str, list[dict[str, Any]]] = {"cam-east": [LANE, CROWD], "cam-gate": [CROWD]}
        with PuppetNode(centre, {"cam-east": "streaming"}) as puppet, RulesNode(centre, key.public, running) as node:
            _show_the_lane(puppet)
            yield Stage(centre, node)


def _show_the_lane(puppet: PuppetNode) -> None:
    """One alert with a still: what zones are drawn over."""
    scene = FireLaneScene(size_wh=(1280, 720), fps=5)
    done, encoded = cv2.imencode(".jpg", scene.frame("empty", 1.0))
    assert done
    reason = Reason(code="lane_blocked", text="blocked", about={})
    puppet.raise_alert(
        "cam-east", Hazard.FIRE_LANE_OBSTRUCTION, Severity.ORANGE, reason=reason, picture=encoded.tobytes()
    )


def page_of(browser: Browser, stage: Stage, name: str, **size: Any) -> Page:
    page = desk(browser, stage.centre.origin, **size)
    sign_in(page, name, stage.centre.password_of(name))
    return page


def open_camera(page: Page, camera_id: str = "cam-east") -> None:
    page.goto("/rules")
    page.get_by_test_id(f"standing-{camera_id}").get_by_role("link").click()
    expect(page.get_by_test_id("rules-state")).to_be_visible()


def state(page: Page, name: str) -> None:
    expect(page.get_by_test_id("rules-state")).to_have_attribute("data-state", name, timeout=SOON_MS)


def propose(page: Page, why: str) -> None:
    page.get_by_test_id("why").fill(why)
    expect(page.get_by_test_id("propose")).to_be_enabled(timeout=SOON_MS)
    page.get_by_test_id("propose").click()
    expect(page.get_by_test_id("rules-said")).to_be_visible(timeout=SOON_MS)


def field(page: Page, name: str) -> Any:
    return page.get_by_test_id(f"field-{name}").locator("input, select, textarea")


def test_a_severity_is_proposed_agreed_to_by_another_applied_refused_and_rolled_back(
    browser: Browser, stage: Stage
) -> None:
    ruler, chief = page_of(browser, stage, "ruler"), page_of(browser, stage, "chief")
    ruler.get_by_test_id("to-rules").click()
    expect(ruler.get_by_test_id("standing-cam-east").locator("[data-state]")).to_have_text(
        "节点自有规则", timeout=SOON_MS
    )
    expect(ruler.get_by_test_id("standing-cam-gate")).to_contain_text(HOSTILE)  # as text: nothing of it runs
    open_camera(ruler)
    open_camera(chief)
    expect(chief.get_by_test_id("edit-rules")).to_have_count(0)  # a supervisor decides and does not propose
    ruler.get_by_test_id("edit-rules").click()
    field(ruler, "severity").select_option("4")
    expect(ruler.get_by_test_id("draft-check")).to_contain_text("须第二人复核", timeout=SOON_MS)
    propose(ruler, "夜间少有车辆")
    expect(ruler.get_by_test_id("proposal-own")).to_be_visible(timeout=SOON_MS)
    expect(ruler.get_by_test_id("move-approve")).to_have_count(0)  # four eyes
    waiting = chief.get_by_test_id("proposal-2")
    expect(waiting).to_contain_text("夜间少有车辆", timeout=SOON_MS)  # by the stream, without a reload
    expect(waiting).to_contain_text("规则 lane-east：消防车通道占用，重大 改为 消防车通道占用，一般")
    expect(waiting.get_by_test_id("diff-line").filter(has_text="级别")).to_contain_text("默认 重大", timeout=SOON_MS)
    chief.get_by_test_id("decide-note").fill("同意试行")
    chief.get_by_test_id("move-approve").click()
    state(ruler, "in_force")
    state(chief, "in_force")
    assert stage.node.runs("cam-east")[0]["severity"] == 4
    expect(ruler.get_by_test_id("version-2")).to_contain_text("同意试行")

    words = RuleProblem(where="rules.0.detector", text='there is no detector "night" here', hint="objects")
    stage.node.judge = lambda _document: (words,)
    ruler.get_by_test_id("edit-rules").click()
    ruler.get_by_test_id("rule-form").locator("summary").click()
    field(ruler, "detector").fill("night")
    propose(ruler, "换夜间检测器")
    state(ruler, "refused")
    expect(ruler.get_by_test_id("refusal")).to_contain_text("lane-east")
    expect(ruler.get_by_test_id("refusal")).to_contain_text('there is no detector "night" here')
    expect(ruler.get_by_test_id("rule-lane-east").get_by_test_id("problem-at-rule")).to_contain_text("night")
    ruler.get_by_test_id("edit-rules").click()  # mended where it is wrong
    expect(ruler.get_by_test_id("field-detector").get_by_test_id("field-problem")).to_contain_text("night")
    ruler.get_by_test_id("draft-leave").click()

    stage.node.judge = takes_all
    ruler.get_by_test_id("roll-back-2").click()
    expect(ruler.get_by_test_id("rules-said")).to_contain_text("已回滚到 v2", timeout=SOON_MS)
    state(ruler, "in_force")  # at once: the node runs what version 2 says
    wait_until(lambda: stage.node.answered == 4, "version 4 at the node", 20.0)
    stage.node.change("cam-east", [LANE | {"dwell_s": 33.0}], 4)
    state(ruler, "drifted")
    for page in (ruler, chief):
        assert too_wide_at(page) == []
        assert complaints(page) == []
        assert asked_elsewhere(page, stage.centre.origin) == []


def test_a_zone_is_drawn_by_hand_and_a_crossing_one_is_explained(browser: Browser, stage: Stage) -> None:
    page = page_of(browser, stage, "ruler")
    open_camera(page)
    page.get_by_test_id("edit-rules").click()
    frame, told = page.get_by_test_id("zone-frame"), page.get_by_test_id("zone-told")
    expect(frame.locator("img")).to_be_visible(timeout=SOON_MS)  # the still of the alert lies under it
    expect(told).to_contain_text("4 个角")

    def to(share_x: float, share_y: float) -> tuple[float, float]:
        frame.scroll_into_view_if_needed()  # a press on a button below may have moved the page
        box = frame.bounding_box()
        assert box is not None
        return box["x"] + share_x * box["width"], box["y"] + share_y * box["height"]

    page.mouse.move(*to(0.3, 0.45))
    page.mouse.down()
    page.mouse.move(*to(0.6, 0.8), steps=4)
    page.mouse.move(*to(0.9, 0.8), steps=4)
    page.mouse.up()
    expect(told).to_contain_text("相交")
    expect(page.get_by_test_id("propose")).to_be_disabled()
    page.get_by_test_id("undo").click()  # the whole drag is one step
    expect(told).to_contain_text("4 个角")
    frame.locator("[data-middle='0']").click()
    expect(told).to_contain_text("5 个角")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Delete")
    expect(told).to_contain_text("4 个角")
    page.get_by_test_id("zone-anew").click()
    expect(told).to_contain_text("还差 3 个点")
    for corner in ((0.35, 0.5), (0.6, 0.5)):
        page.mouse.click(*to(*corner))
    expect(told).to_contain_text("还差 1 个点")
    page.mouse.click(*to(0.75, 0.9))
    page.mouse.click(*to(0.25, 0.9))
    page.get_by_test_id("zone-finish").click()
    expect(told).to_contain_text("4 个角")
    propose(page, "路沿移动")
    state(page, "in_force")
    [lane, crowd] = stage.node.runs("cam-east")
    assert [[round(x, 2), round(y, 2)] for x, y in lane["zone"]] == [[0.35, 0.5], [0.6, 0.5], [0.75, 0.9], [0.25, 0.9]]
    assert (lane["version"], crowd) == (2, CROWD)  # the revision of what was changed goes up, and of nothing else
    page.get_by_test_id("change-2").click()
    drawn = page.get_by_test_id("history").get_by_test_id("diff-line").filter(has_text="监测区域")
    expect(drawn).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_test_id("diff-picture")).to_be_visible()
    assert complaints(page) == []


def test_a_line_and_an_excluded_part_are_drawn_and_what_is_wrong_is_said(browser: Browser, stage: Stage) -> None:
    page = page_of(browser, stage, "ruler")
    open_camera(page)
    page.get_by_test_id("edit-rules").click()
    frame, told = page.get_by_test_id("zone-frame"), page.get_by_test_id("zone-told")

    def press(*corners: tuple[float, float]) -> None:
        for share_x, share_y in corners:
            box = frame.bounding_box()
            assert box is not None
            frame.click(position={"x": share_x * box["width"], "y": share_y * box["height"]})

    page.get_by_test_id("add-excluded").click()
    expect(told).to_contain_text("还差 3 个点")
    press((0.4, 0.5), (0.55, 0.5))
    expect(told).to_contain_text("还差 1 个点")  # two points are no part of a picture
    press((0.4, 0.6), (0.55, 0.6))
    expect(told).to_contain_text("相交")
    expect(page.get_by_test_id("propose")).to_be_disabled()
    frame.locator("[data-point='3']").focus()
    page.keyboard.press("Delete")
    expect(told).to_contain_text("3 个角")
    page.get_by_test_id("draw-zone").click()
    expect(frame.locator("polygon.hatched.dim")).to_have_count(1)  # it lies over its zone

    page.get_by_test_id("add-rule").select_option("line_crossing")
    expect(told).to_contain_text("还差 2 个点")
    press((0.2, 0.7))
    expect(told).to_contain_text("还差 1 个点")
    expect(page.get_by_test_id("propose")).to_be_disabled()
    press((0.7, 0.72))
    expect(told).to_contain_text("方向从 1 指向 2")
    expect(frame.locator("polyline.line.one")).to_have_count(1)
    press((0.5, 0.2))  # a line has two ends: a third press adds none
    expect(frame.locator("[data-point]")).to_have_count(2)
    expect(field(page, "direction")).to_be_visible()  # of a line a choice, not a drawing
    propose(page, "加越线")
    state(page, "in_force")
    lane, _crowd, crossing = stage.node.runs("cam-east")
    shape = [[[round(x, 2), round(y, 2)] for x, y in part] for part in (*lane["exclude_zones"], crossing["line"])]
    assert shape == [[[0.4, 0.5], [0.55, 0.5], [0.4, 0.6]], [[0.2, 0.7], [0.7, 0.72]]]
    assert complaints(page) == []


def test_rules_are_copied_and_come_in_as_text(browser: Browser, stage: Stage) -> None:
    page = page_of(browser, stage, "ruler")
    open_camera(page, "cam-gate")
    page.get_by_test_id("edit-rules").click()
    page.get_by_test_id("copy-open").click()
    page.get_by_test_id("copy-from").fill("cam-east")
    page.get_by_test_id("copy-do").click()
    expect(page.get_by_test_id("pick-lane-east")).to_be_visible(timeout=SOON_MS)
    page.get_by_test_id("text-open").click()
    written = page.get_by_test_id("text-out").input_value()
    assert 'rule_id: "lane-east"' in written
    page.get_by_test_id("text-in").fill(written.replace("dwell_s: 60", "dwell_s: -5"))
    page.get_by_test_id("text-take").click()
    expect(page.get_by_test_id("text-problems")).to_contain_text("rules.0.dwell_s", timeout=SOON_MS)
    page.get_by_test_id("text-in").fill(written.replace("dwell_s: 60", "dwell_s: 75"))
    page.get_by_test_id("text-take").click()
    expect(field(page, "dwell_s")).to_have_value("75", timeout=SOON_MS)
    field(page, "dwell_s").fill("0")
    problem = page.get_by_test_id("field-dwell_s").get_by_test_id("field-problem")
    expect(problem).to_be_visible(timeout=SOON_MS)  # at the field, in the centre's words
    field(page, "dwell_s").fill("90")
    expect(problem).to_have_count(0, timeout=SOON_MS)
    propose(page, "与东巷一致")
    state(page, "in_force")
    assert [rule["rule_id"] for rule in stage.node.runs("cam-gate")] == ["lane-east", "gate-crowd"]
    assert [one for one in complaints(page) if "422" not in one] == []  # the browser says it of the refusals above


def test_an_auditor_reads_all_of_it_and_changes_nothing(browser: Browser, stage: Stage) -> None:
    ruler = page_of(browser, stage, "ruler")
    open_camera(ruler)
    ruler.get_by_test_id("edit-rules").click()
    ruler.get_by_test_id("pick-gate-crowd").click()
    ruler.get_by_test_id("remove-rule").click()
    propose(ruler, "不再需要")
    page = page_of(browser, stage, "auditor")
    open_camera(page)
    expect(page.get_by_test_id("proposal-2")).to_contain_text("gate-crowd", timeout=SOON_MS)
    expect(page.get_by_test_id("proposal-read-only")).to_be_visible()
    for act in ("edit-rules", "move-approve", "move-refuse", "roll-back-1", "edit-from-1"):
        expect(page.get_by_test_id(act)).to_have_count(0)
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("proposal-2")).to_contain_text("Rule gate-crowd")
    assert complaints(page) == []
