"""What-if in a real browser: a draft is tried by a node that runs back-tests for real, and by ones that do not."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_rules import HOSTILE, open_camera
from tests.support.browser import asked_elsewhere, complaints, desk, sign_in, too_wide
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.rules_node import RulesNode
from tests.support.trying_node import HOUR_S, LEFT, RIGHT, an_hour_less_than_a_day, half_a_node, keep_a_day, trying_node
from xueliang_alerts.contract import Hazard, Reason, Severity
from xueliang_central.camera_rules.sending import make_key
from xueliang_configs.cameras import CameraConfig
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.processes import wait_until
from xueliang_demo.scenes import FireLaneScene

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

log = logging.getLogger(__name__)

SOON_MS = 40_000
SILENT_MS = 60_000  # the centre waits 30 s for a next page
RULE_ID = "fire-lane-obstruction"
ZONE = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]]
RIGHT_HALF = [[0.55, 0.5], [0.9, 0.5], [0.9, 0.9], [0.55, 0.9]]
RUNNING = {"rule_id": RULE_ID, "hazard": "fire_lane_obstruction", "version": 1, "zone": ZONE, "dwell_s": 60.0}
SHOTS = os.environ.get("XUELIANG_SHOTS")  # a folder: pictures of the panel to look at


@dataclass
class Stage:
    """A centre, what it has received, and the log of its node."""

    centre: CentreOnly
    puppet: PuppetNode
    folder: Path
    camera: CameraConfig


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as found:
        yield found


@contextmanager
def staged(tmp_path: Path, policies: dict[str, Any] = POLICIES) -> Iterator[Stage]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = (WatchedCamera("lane", HOSTILE, "file:none.mp4", grid.code, place.x, place.y),)
    root = city.areas[0].code
    roles = {"ruler": "rule_operator", "chief": "supervisor", "operator": "operator"}
    accounts = tuple(Account(name, role, root, name) for name, role in roles.items())
    camera = CameraConfig.model_validate(
        {"camera_id": "lane", "name": "lane", "url": "file:none.mp4", "rules": [RUNNING]}
    )
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, policies)) as centre:
        centre.start()
        key = make_key(centre.folder / "centre" / "signing.key")
        with PuppetNode(centre, {"lane": "streaming"}) as puppet, RulesNode(centre, key.public, {"lane": [RUNNING]}):
            _raise_and_judge(centre, puppet)
            yield Stage(centre, puppet, tmp_path / "log", camera)


def _raise_and_judge(centre: CentreOnly, puppet: PuppetNode) -> None:
    """What was raised live in the last minutes: with a still, ended, and judged to be a false alarm."""
    done, encoded = cv2.imencode(".jpg", FireLaneScene(size_wh=(1280, 720), fps=5).frame("empty", 1.0))
    assert done
    reason = Reason(code="lane_blocked", text="blocked", about={})
    episode = puppet.raise_alert(
        *("lane", Hazard.FIRE_LANE_OBSTRUCTION, Severity.ORANGE),
        reason=reason,
        began_s_ago=250.0,
        boxes=[RIGHT[2]],
        picture=encoded.tobytes(),
    )
    person = centre.log_in("operator")
    wait_until(person.incidents, "the incident", 20.0)
    [incident] = person.incidents()
    person.move_incident(incident["incident_id"], "false_alarm", reason_code="shadow_or_light")
    person.close()
    puppet.see_clear(episode, reason=reason)


def page_of(browser: Browser, stage: Stage, **size: Any) -> Page:
    page = desk(browser, stage.centre.origin, **size)
    sign_in(page, "ruler", stage.centre.password_of("ruler"))
    open_camera(page, "lane")
    page.get_by_test_id("edit-rules").click()
    expect(page.get_by_test_id("whatif")).to_be_visible()
    return page


def draft(page: Page) -> None:
    """Half the zone, and less time: some alerts go, some come, some come earlier."""
    page.get_by_test_id("text-open").click()
    written = page.get_by_test_id("text-out").input_value()
    assert "dwell_s: 60" in written
    rest = [line for line in written.splitlines() if "zone:" not in line and "- [" not in line]
    text = "\n".join(rest).replace("dwell_s: 60", f"dwell_s: 45\n    zone: {RIGHT_HALF}")
    page.get_by_test_id("text-in").fill(text)
    page.get_by_test_id("text-take").click()
    expect(page.get_by_test_id("field-dwell_s").locator("input")).to_have_value("45")


def shoot(page: Page, name: str, of: str = "whatif") -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.get_by_test_id(of).first.scroll_into_view_if_needed()
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def test_a_draft_is_tried_on_the_log_and_its_changes_are_shown(browser: Browser, stage: Stage) -> None:
    began, seconds = an_hour_less_than_a_day()
    stays = [
        (3 * HOUR_S, 3 * HOUR_S + 200, LEFT),
        (6 * HOUR_S, 6 * HOUR_S + 55, RIGHT),
        (seconds - 240, seconds - 40, RIGHT),
    ]
    offline, unlogged = range(9 * HOUR_S, 10 * HOUR_S), range(12 * HOUR_S, 13 * HOUR_S)
    keep_a_day(stage.folder, began, seconds, stays, offline, unlogged)
    with trying_node(stage.centre, stage.camera, stage.folder):
        page = page_of(browser, stage)
        draft(page)
        page.get_by_test_id("whatif-span").select_option("24")
        page.get_by_test_id("whatif-run").click()
        expect(page.get_by_test_id("whatif-result")).to_be_visible()
        log.warning("24 h, a look in 2 s: %s", page.get_by_test_id("whatif-took").inner_text())
        for mark in ("added", "gone", "moved"):
            expect(page.get_by_test_id(f"whatif-count-{mark}")).to_contain_text("1")
            expect(page.get_by_test_id(f"whatif-item-{mark}")).to_have_count(1)
        expect(page.get_by_test_id("whatif-lane-running").locator("button")).to_have_count(2)
        expect(page.get_by_test_id("whatif-lane-draft").locator("button")).to_have_count(2)
        # An hour offline, an hour not logged, and the first hour of what was asked: said, and not counted as quiet.
        # (A fourth stretch is what has passed since the log was made, where that is more than a minute.)
        expect(page.get_by_test_id("whatif-unknown").nth(2)).to_be_visible()
        expect(page.get_by_test_id("whatif-answered")).to_contain_text("摄像机离线或画面不可用 1小时00分")
        expect(page.get_by_test_id("whatif-answered")).to_contain_text("没有记录")
        expect(page.get_by_test_id("whatif-judged")).to_contain_text("准确率 0%")
        expect(page.get_by_test_id("whatif-judged")).to_contain_text("0/1 条已研判的告警属实，1 条未研判")
        expect(page.get_by_test_id("whatif-seat")).to_contain_text("144")
        moved = page.get_by_test_id("whatif-item-moved")
        expect(moved).to_contain_text("提前1")
        moved.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("whatif-alert").locator("img")).to_be_visible()  # the still of then
        expect(page.get_by_test_id("whatif-alert")).to_contain_text("误报")
        shoot(page, "whatif-1366")
        page.get_by_test_id("whatif-item-gone").click()
        expect(page.get_by_test_id("whatif-alert")).to_contain_text("没有画面")
        page.get_by_test_id("whatif-show-gone").click()
        expect(page.get_by_test_id("whatif-item-gone")).to_have_count(0)
        for width, height in ((1920, 1080), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            moved.click()
            page.get_by_test_id("whatif-timeline").scroll_into_view_if_needed()
            shoot(page, f"whatif-{width}")
            # Of the panel only: the bar on top of the desk's pages is wider than a phone.
            assert [one for one in too_wide(page) if "whatif" in one] == []
            box = page.get_by_test_id("whatif").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
        page.set_viewport_size({"width": 1366, "height": 768})
        page.get_by_test_id("language").click()
        expect(page.get_by_test_id("whatif-judged")).to_contain_text("Precision 0%")
        shoot(page, "whatif-english")
        page.get_by_test_id("field-dwell_s").locator("input").fill("40")
        expect(page.get_by_test_id("whatif-stale")).to_be_visible()
        page.get_by_test_id("rule-form").locator("summary").click()
        page.get_by_test_id("field-detector").locator("input").fill("night")
        page.get_by_test_id("whatif-run").click()
        expect(page.get_by_test_id("whatif-failure")).to_contain_text('no "night" on this node')
    assert page.title() != "1"  # the hostile name of the camera is text
    assert asked_elsewhere(page, stage.centre.origin) == []
    assert [one for one in complaints(page) if "422" not in one] == []


def test_a_time_of_which_nothing_is_known_is_never_no_alert(browser: Browser, stage: Stage) -> None:
    began, _ = an_hour_less_than_a_day()
    keep_a_day(stage.folder, began, HOUR_S, [], range(0), range(0))
    with trying_node(stage.centre, stage.camera, stage.folder):
        page = page_of(browser, stage)
        page.get_by_test_id("whatif-span").select_option("1")
        page.get_by_test_id("whatif-run").click()
        expect(page.get_by_test_id("whatif-nothing")).to_contain_text("并不表示没有告警")
        expect(page.get_by_test_id("whatif-none-answerable")).to_be_visible()
        expect(page.get_by_test_id("whatif-no-alerts")).to_have_count(0)
        expect(page.get_by_test_id("whatif-per-day")).to_contain_text("无法估计")
        expect(page.get_by_test_id("whatif-unknown")).to_have_count(1)  # all of it
        page.get_by_test_id("whatif-span").select_option("24")
        page.get_by_test_id("whatif-run").click()
        expect(page.get_by_test_id("whatif-no-alerts")).to_contain_text("在可以回答的时间里")
    assert complaints(page) == []


def test_a_question_is_given_up_and_a_node_that_stops_answering_is_said(browser: Browser, stage: Stage) -> None:
    with half_a_node(stage.centre) as asked:
        page = page_of(browser, stage)
        page.get_by_test_id("whatif-run").click()
        expect(page.get_by_test_id("whatif-pages")).to_contain_text("已收到 1/2 页")
        shoot(page, "whatif-waiting")
        page.get_by_test_id("whatif-cancel").click()
        expect(page.get_by_test_id("whatif-cancelled")).to_be_visible()
        # The centre has given the question up as well: the node may be asked at once, and not "is trying another".
        page.get_by_test_id("whatif-run").click()
        expect(page.get_by_test_id("whatif-pages")).to_contain_text("已收到 1/2 页")
        assert len(asked) == 2
        expect(page.get_by_test_id("whatif-failure")).to_contain_text("节点没有回答", timeout=SILENT_MS)
        expect(page.get_by_test_id("whatif-failure")).to_contain_text("1 pages came")
        expect(page.get_by_test_id("whatif-result")).to_have_count(0)
    assert [one for one in complaints(page) if "424" not in one] == []
