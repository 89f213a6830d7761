"""Rules of a camera that turns, in a real browser: its views, forms instead of JSON, points from the map."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_rules import CROWD, LANE, propose, state
from tests.browser.test_tuning import BAY, FULL, SMALL, SOON_MS, centre_of_one, shoot
from tests.support.browser import asked_elsewhere, complaints, desk, drawn_jpeg, sign_in, too_wide
from tests.support.looking_node import looking_node
from tests.support.puppet_node import PuppetNode
from tests.support.rules_node import RulesNode
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.commands import FullStill, LookCommand, LookResult, NamedView, Says
from xueliang_central.camera_rules.sending import make_key
from xueliang_demo.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

VIEWS = (
    NamedView(view_id="lane", name="消防通道", state="known"),
    NamedView(view_id="square", name="东广场", state="beside"),
)
LANE_FULL = drawn_jpeg(1280, 704)
# Clicks on the map from its middle, in pixels: near left, near right, far right, far left of a camera that looks north.
AROUND = ((-14, -30), (14, -30), (14, -72), (-14, -72))
DRAWN = ((0.4, 0.5), (0.6, 0.5), (0.7, 0.9), (0.3, 0.9))


class Turning:
    """A node whose camera turns. `shows`: the view of its next picture."""

    def __init__(self) -> None:
        self.shows: str | None = "square"
        self.pictures = [FULL, b"second", LANE_FULL]

    def answer(self, command: LookCommand) -> LookResult:
        return LookResult(
            command="look",
            request_id=command.request_id,
            observed_at=system_wall(),
            says=Says.NO_RULE,
            preview=base64.b64encode(SMALL).decode(),
            # The second one is never handed in: it stays small.
            still=FullStill(sha256=hashlib.sha256(self.pictures.pop(0)).hexdigest(), bytes=9, size_wh=(1280, 720)),
            view_id=self.shows,
            views=VIEWS,
        )


def test_views_are_chosen_and_seen_apart_and_forms_say_what_is_wrong(browser: Browser, tmp_path: Path) -> None:
    expect.set_options(timeout=SOON_MS)
    turning = Turning()
    with centre_of_one(tmp_path) as centre:
        centre.start()
        key = make_key(centre.folder / "centre" / "signing.key")
        rules: list[dict[str, Any]] = [LANE | {"view": "lane"}, CROWD | {"view": "square"}]
        with (
            RulesNode(centre, key.public, {"cam-gate": rules}) as node,
            looking_node(centre, turning.answer),
            PuppetNode(centre, {"cam-gate": "streaming"}) as puppet,
        ):
            page = desk(browser, centre.origin)
            sign_in(page, "ruler", centre.password_of("ruler"))
            page.goto("/rules/cam-gate")
            page.get_by_test_id("edit-rules").click()
            _see_views_apart(page, turning, puppet)
            _name_a_view(page)
            _fill_forms(page)
            _measure_on_the_map(page)
            propose(page, "按预置位")
            state(page, "in_force")
            [lane, crowd] = node.runs("cam-gate")
            puppet.upload(LANE_FULL)
        _come_back_without_the_node(page)
        assert (lane["view"], crowd["view"]) == ("lane", "square")
        assert crowd["levels"] == {"busy": 1.5}
        assert crowd["min_scores"] == {"person": 0.4}
        assert crowd["heights"]["near"] == {"y": 0.9, "height": 0.4}
        assert crowd["heights"]["far"] == {"y": 0.4, "height": 0.1}
        assert len(crowd["ground"]["points"]) == 5
        assert too_wide(page) == []
        asked = ("422", "424", "429")  # refused on purpose here
        assert [one for one in complaints(page) if not any(status in one for status in asked)] == []
        assert asked_elsewhere(page, centre.origin) == []


def _come_back_without_the_node(page: Page) -> None:
    """The page knows nothing any more and the node is stopped: the centre shows what it told, and since when."""
    page.reload()
    expect(page.get_by_test_id("tune-status")).to_have_attribute("data-standing", "node")
    expect(page.get_by_test_id("summary-views")).to_contain_text("东广场")
    page.wait_for_function("() => document.querySelector('main img')?.naturalHeight === 704")  # of the first view
    shoot(page, "views-node-away-summary")
    page.get_by_test_id("edit-rules").click()
    bar, frame = page.get_by_test_id("view-bar"), page.get_by_test_id("zone-frame")
    expect(bar.get_by_test_id("view-lane")).to_contain_text("消防通道")
    expect(bar.get_by_test_id("view-square")).to_contain_text("有偏移")
    expect(bar.get_by_test_id("views-told")).to_contain_text("由节点上报，截至 ")
    expect(bar).to_have_attribute("data-pictured", "shown")
    expect(page.get_by_test_id("view-picture")).to_contain_text("预置位“消防通道”，拍摄于 ")
    page.wait_for_function("() => document.querySelector('[data-testid=zone-frame] img')?.naturalHeight === 704")
    shoot(page, "views-node-away")
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("view-picture")).to_contain_text("On a picture of view “消防通道”, taken ")
    expect(bar.get_by_test_id("views-told")).to_contain_text("Views as the node told them, ")
    shoot(page, "views-node-away-en")
    page.get_by_test_id("language").click()
    bar.get_by_test_id("view-square").click()
    expect(page.get_by_test_id("view-picture")).to_contain_text("预置位“东广场”，拍摄于 ")
    expect(page.get_by_test_id("view-picture")).to_contain_text("批准前请不要重画")
    page.wait_for_function("() => document.querySelector('[data-testid=other-view] img')?.naturalHeight === 720")
    shoot(page, "views-node-away-square")
    page.get_by_test_id("pick-lane-east").click()
    bar.get_by_test_id("view-lane").click()
    wait_until(lambda: _answer_to_a_look(page) == "节点不在线", "that the node is said to be away", SOON_MS / 1000)
    expect(frame.locator("img")).to_be_visible()
    page.get_by_test_id("zone-anew").click()
    for share_x, share_y in DRAWN:
        box = frame.bounding_box()
        assert box is not None
        frame.click(position={"x": share_x * box["width"], "y": share_y * box["height"]})
    page.get_by_test_id("zone-finish").click()
    expect(page.get_by_test_id("zone-told")).to_contain_text("4 个角")
    shoot(page, "views-node-away-drawn")
    propose(page, "按上次的画面")
    expect(page.get_by_test_id("rules-said")).to_contain_text("版本已保存在中心")
    state(page, "waiting")
    wanted = page.request.get("/api/cameras/cam-gate/rules").json()["desired_settings"]["rules"][0]
    assert wanted["view"] == "lane"
    assert [[round(x, 1), round(y, 1)] for x, y in wanted["zone"]] == [list(corner) for corner in DRAWN]


def take(page: Page, words: str) -> None:
    page.get_by_test_id("still-take").click()
    expect(page.get_by_test_id("still-words")).to_contain_text(words)


def _see_views_apart(page: Page, turning: Turning, puppet: PuppetNode) -> None:
    bar, frame = page.get_by_test_id("view-bar"), page.get_by_test_id("zone-frame")
    expect(bar.get_by_test_id("view-lane")).to_have_attribute("aria-pressed", "true")  # the first rule's
    expect(bar.get_by_test_id("view-square")).to_contain_text("1 条规则")
    expect(bar).to_have_attribute("data-pictured", "none")
    expect(frame.locator("polygon")).to_have_count(1)  # of the other view none
    take(page, "预置位“东广场”")
    expect(bar.get_by_test_id("view-lane")).to_contain_text("消防通道")  # the node has told their names
    expect(bar).to_have_attribute("data-pictured", "elsewhere")
    expect(page.get_by_test_id("view-picture")).to_contain_text("还没有“消防通道”的画面")
    expect(frame.locator("img")).to_have_count(0)
    bar.get_by_test_id("view-square").click()
    other = page.get_by_test_id("other-view")
    expect(other.locator("img")).to_be_visible()
    expect(other.locator("polygon")).to_have_count(1)
    puppet.upload(FULL)
    page.wait_for_function("() => document.querySelector('[data-testid=other-view] img')?.naturalWidth === 1280")
    turning.shows = None
    take(page, "不在任何预置位")
    expect(other.locator("img")).to_be_visible()  # of its view still
    turning.shows = "lane"
    take(page, "预置位“消防通道”")
    page.get_by_test_id("pick-lane-east").click()
    expect(bar).to_have_attribute("data-pictured", "shown")
    expect(frame.locator("img")).to_be_visible()
    shoot(page, "views-lane")


def _name_a_view(page: Page) -> None:
    page.get_by_test_id("pick-gate-crowd").click()
    choose, told = page.get_by_test_id("view-choose"), page.get_by_test_id("view-told")
    expect(choose).to_have_value("square")
    choose.select_option("?")
    page.get_by_test_id("view-typed").fill("sqare")
    expect(told).to_contain_text("节点没有名为“sqare”的预置位")
    expect(page.get_by_test_id("view-sqare")).to_contain_text("未知")
    shoot(page, "views-unknown")
    choose.select_option("")
    expect(told).to_contain_text("须选择区域是在哪个预置位画的")
    choose.select_option("square")
    expect(told).to_have_count(0)
    expect(page.get_by_test_id("view-bar")).to_have_attribute("data-pictured", "shown")


def _fill_forms(page: Page) -> None:
    form = page.get_by_test_id("rule-form")
    form.locator("summary").click()
    busy = form.get_by_test_id("part-busy")
    busy.locator("input").fill("5")
    expect(form.get_by_test_id("field-levels").get_by_test_id("field-problem")).to_contain_text("above busy")
    busy.locator("input").fill("much")
    expect(busy.get_by_test_id("part-problem")).to_have_text("要填数字。")
    busy.locator("input").fill("25")
    expect(busy.get_by_test_id("part-problem")).to_contain_text("太大")
    busy.locator("input").fill("1.5")
    expect(busy.get_by_test_id("part-problem")).to_have_count(0)
    score = form.get_by_test_id("score-person")
    score.locator("input").fill("1.5")
    expect(score.get_by_test_id("part-problem")).to_contain_text("太大：0 到 1")
    score.locator("input").fill("0.4")
    page.get_by_test_id("undo").click()  # what was typed without leaving the input is one step
    expect(score.locator("input")).to_have_value("")
    score.locator("input").fill("0.4")
    form.get_by_test_id("part-near-y").locator("input").fill("0.9")
    expect(form.get_by_test_id("part-far-y").get_by_test_id("part-problem")).to_have_text("还要填。")
    shoot(page, "forms")
    for name, value in (("near-height", "0.4"), ("far-y", "0.4"), ("far-height", "0.1")):
        form.get_by_test_id(f"part-{name}").locator("input").fill(value)
    expect(form.get_by_test_id("field-heights").get_by_test_id("part-problem")).to_have_count(0)
    page.get_by_test_id("language").click()
    expect(busy.locator("label")).to_have_text("Busy")
    expect(busy).to_contain_text("From here on it is a crowd.")
    page.get_by_test_id("language").click()


def _measure_on_the_map(page: Page) -> None:
    page.get_by_test_id("rule-ground-open").click()
    frame = page.get_by_test_id("ground-frame")
    for share_x, share_y in BAY:
        box = frame.bounding_box()
        assert box is not None
        frame.click(position={"x": share_x * box["width"], "y": share_y * box["height"]})
    told = page.get_by_test_id("ground-told")
    expect(told).to_contain_text("还没有填米数")
    page.get_by_test_id("pick-on-map-0").click()
    picker = page.get_by_test_id("place-picker")
    for index, (right, down) in enumerate(AROUND):
        expect(picker).to_have_attribute("data-index", str(index))  # the next without metres
        place = picker.get_by_test_id("place-map")
        box = place.bounding_box()
        assert box is not None
        place.click(position={"x": box["width"] / 2 + right, "y": box["height"] / 2 + down})
    expect(told).to_contain_text("标定成立")
    near, far = (page.locator(f"#metres-{index}-1").input_value() for index in (0, 3))
    assert 0 < float(near) < float(far)  # north of the camera
    page.get_by_test_id("ground-add").click()
    page.get_by_test_id("pick-on-map-4").click()
    picker.get_by_test_id("place-typed").fill("12, 300")
    expect(picker.get_by_role("alert")).to_contain_text("2 公里以内")
    # It lies on the far side, 0.08 of the picture right of the far left.
    far_right_m, far_left_m = (float(page.locator(f"#metres-{index}-0").input_value()) for index in (2, 3))
    across = far_left_m + 0.08 / (BAY[2][0] - BAY[3][0]) * (far_right_m - far_left_m)
    page.locator("#metres-4-0").fill(f"{across:.2f}")
    page.locator("#metres-4-1").fill(f"{float(far) + 6:.2f}")
    expect(told).to_contain_text("矛盾")
    shoot(page, "ground-map")
    page.get_by_test_id("undo").click()
    expect(told).to_contain_text("还没有填米数")
    page.locator("#metres-4-0").fill(f"{across + 0.2:.2f}")
    page.locator("#metres-4-1").fill(far)
    expect(told).to_contain_text("误差：平均")
    expect(page.get_by_test_id("ground-pair-4")).to_contain_text("米 ·")  # of each point
    shoot(page, "ground-map-fits")


def _answer_to_a_look(page: Page) -> str:
    """Asked for a fresh still that fails. One was taken moments ago, so that the centre may say: later."""
    page.get_by_test_id("still-take").click()
    words = page.get_by_test_id("still-words")
    expect(words).to_have_class(re.compile("failed"))
    page.wait_for_timeout(500)
    return "节点不在线" if "节点不在线" in words.inner_text() else words.inner_text()
