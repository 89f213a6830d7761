"""The page of areas' defaults in a real browser against a real centre and a played node: inherited, seen where from,
overridden, back to inherited; and a change tried on one camera first."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_rules import CROWD, LANE, SOON_MS, Stage, field, open_camera, page_of, stage, state
from tests.support.browser import asked_elsewhere, complaints
from tests.support.room import too_wide_at
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.processes import wait_until

__all__ = ["stage"]

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

CITY = make_city(DEMO).areas[0]


def open_level(page: Page) -> None:
    page.goto("/rules")
    page.get_by_test_id("to-levels").click()
    page.get_by_test_id("level-area").fill(CITY.code)
    page.get_by_test_id("level-open").click()
    expect(page.get_by_test_id("level-draft")).to_be_visible(timeout=SOON_MS)


def say(page: Page, hazard: str, name: str, value: str) -> Any:
    page.get_by_test_id("level-hazard").select_option(hazard)
    field(page, name).fill(value)
    page.get_by_test_id("level-look").click()
    expect(page.get_by_test_id("level-effects")).to_be_visible(timeout=SOON_MS)
    return page.get_by_test_id("level-effects")


def propose(page: Page, why: str) -> None:
    page.get_by_test_id("level-why").fill(why)
    page.get_by_test_id("level-propose").click()
    expect(page.get_by_test_id("level-said")).to_be_visible(timeout=SOON_MS)


def rule_of(stage: Stage, camera_id: str, rule_id: str) -> dict[str, Any]:
    return next(rule for rule in stage.node.runs(camera_id) if rule["rule_id"] == rule_id)


def test_a_default_is_seen_before_inherited_named_overridden_and_inherited_again(
    browser: Browser, stage: Stage
) -> None:
    ruler = page_of(browser, stage, "ruler")
    open_level(ruler)
    effects = say(ruler, "fire_lane_obstruction", "clear_after_s", "9")
    expect(effects.get_by_test_id("level-counts")).to_have_text("共 2 路，1 路会改变")
    expect(effects.get_by_test_id("effect-cam-east")).to_contain_text("9 秒")
    assert too_wide_at(ruler) == []
    propose(ruler, "各县统一")
    wait_until(lambda: rule_of(stage, "cam-east", "lane-east").get("clear_after_s") == 9, "the node has it", 20)
    assert rule_of(stage, "cam-east", "lane-east")["dwell_s"] == LANE["dwell_s"]  # the camera's own stays
    expect(ruler.get_by_test_id("level-spread")).to_contain_text("已下发，更改 1 路", timeout=SOON_MS)

    open_camera(ruler)
    state(ruler, "in_force")
    expect(ruler.get_by_test_id("from-lane-east-clear_after_s")).to_contain_text(CITY.name, timeout=SOON_MS)
    ruler.get_by_test_id("edit-rules").click()
    expect(ruler.get_by_test_id("inherited-clear_after_s")).to_contain_text(f"9 秒，继承自 {CITY.name}")
    field(ruler, "clear_after_s").fill("4")
    expect(ruler.get_by_test_id("inherited-clear_after_s")).to_have_count(0)
    ruler.get_by_test_id("why").fill("此处车多")
    expect(ruler.get_by_test_id("propose")).to_be_enabled(timeout=SOON_MS)
    ruler.get_by_test_id("propose").click()
    wait_until(lambda: rule_of(stage, "cam-east", "lane-east").get("clear_after_s") == 4, "its own value", 20)
    state(ruler, "in_force")
    expect(ruler.get_by_test_id("from-lane-east-clear_after_s")).to_have_count(0)

    ruler.get_by_test_id("edit-rules").click()
    ruler.get_by_test_id("reset-clear_after_s").click()  # one click: back to inherited
    expect(ruler.get_by_test_id("inherited-clear_after_s")).to_contain_text("9 秒")
    ruler.get_by_test_id("why").fill("恢复统一值")
    expect(ruler.get_by_test_id("propose")).to_be_enabled(timeout=SOON_MS)
    ruler.get_by_test_id("propose").click()
    wait_until(lambda: rule_of(stage, "cam-east", "lane-east").get("clear_after_s") == 9, "inherited again", 20)
    assert complaints(ruler) == []
    assert asked_elsewhere(ruler, stage.centre.origin) == []


def test_a_severity_waits_for_the_chief_and_a_trial_goes_to_one_camera_and_back(browser: Browser, stage: Stage) -> None:
    ruler, chief = page_of(browser, stage, "ruler"), page_of(browser, stage, "chief")
    open_level(ruler)
    say(ruler, "crowd", "dwell_s", "20")
    ruler.get_by_test_id("canary-first").check()
    ruler.get_by_test_id("canary-cameras").select_option(["cam-gate"])
    ruler.get_by_test_id("canary-hours").fill("2")
    propose(ruler, "先试一路")
    card = ruler.get_by_test_id("canary-1")
    expect(card).to_have_attribute("data-state", "watched", timeout=SOON_MS)
    wait_until(lambda: rule_of(stage, "cam-gate", "gate-crowd").get("dwell_s") == 20, "its camera has it", 20)
    assert "dwell_s" not in rule_of(stage, "cam-east", "gate-crowd")
    card.get_by_test_id("canary-roll_back").click()
    expect(card).to_have_attribute("data-state", "rolled_back", timeout=SOON_MS)
    wait_until(lambda: "dwell_s" not in rule_of(stage, "cam-gate", "gate-crowd"), "it is back", 20)
    assert rule_of(stage, "cam-gate", "gate-crowd")["raise_at_count"] == CROWD["raise_at_count"]

    ruler.reload()
    expect(ruler.get_by_test_id("level-draft")).to_be_visible(timeout=SOON_MS)
    ruler.get_by_test_id("level-hazard").select_option("crowd")
    field(ruler, "severity").select_option("4")
    ruler.get_by_test_id("level-look").click()
    expect(ruler.get_by_test_id("level-second")).to_be_visible(timeout=SOON_MS)
    expect(ruler.get_by_test_id("level-effects")).to_contain_text("人员聚集，重大 改为 人员聚集，一般 × 2")
    propose(ruler, "降级")
    expect(ruler.get_by_test_id("level-approve")).to_have_count(0)  # four eyes
    open_level(chief)
    expect(chief.get_by_test_id("level-propose")).to_have_count(0)
    chief.get_by_test_id("level-approve").click()
    for camera_id in ("cam-east", "cam-gate"):
        wait_until(lambda one=camera_id: rule_of(stage, one, "gate-crowd").get("severity") == 4, camera_id, 20)
    chief.get_by_test_id("language").click()
    expect(chief.get_by_test_id("levels-page")).to_contain_text("Defaults of areas")
    expect(chief.get_by_test_id("level-draft")).to_contain_text("Only rule operators and admins of this area")
    assert complaints(ruler) == []
    assert complaints(chief) == []
