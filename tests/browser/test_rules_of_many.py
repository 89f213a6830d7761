"""Rules of many cameras in a real browser: copied after a trial on one and undone, and decided by a second person,
several at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Response, expect

from tests.browser.test_rules import HOSTILE, Stage, page_of
from tests.support.accessibility import require_axe, serious
from tests.support.browser import asked_elsewhere, complaints, too_wide
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.rules_node import RulesNode
from xueliang_central.camera_rules.sending import make_key
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SOON_MS = 30_000
ZONE = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]]
LANE: dict[str, Any] = {
    "rule_id": "lane",
    "hazard": "fire_lane_obstruction",
    "version": 1,
    "zone": ZONE,
    "dwell_s": 60.0,
}
SHOTS = os.environ.get("XUELIANG_SHOTS")  # a folder: pictures of the pages to look at


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    expect.set_options(timeout=SOON_MS)
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    names = {"lane": "东巷", "gate": HOSTILE, "market": "市场", "new-1": "新装一号", "new-2": "新装二号"}
    cameras = tuple(
        WatchedCamera(one, name, "file:none.mp4", grid.code, place.x, place.y) for one, name in names.items()
    )
    root = city.areas[0].code
    roles = {"ruler": "rule_operator", "chief": "supervisor"}
    accounts = tuple(Account(name, role, root, name) for name, role in roles.items())
    slower = LANE | {"dwell_s": 90.0}
    running: dict[str, list[dict[str, Any]]] = {"lane": [LANE], "gate": [slower], "market": [slower]}
    running |= {one: [LANE | {"shadow": True}] for one in ("new-1", "new-2")}
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, POLICIES)) as centre:
        centre.start()
        key = make_key(centre.folder / "centre" / "signing.key")
        with PuppetNode(centre, {"lane": "streaming"}), RulesNode(centre, key.public, running) as node:
            yield Stage(centre, node)


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


def failures_of(page: Page) -> list[str]:
    """Filled while the page is used: answers of the centre that say it failed, each with its address. That its database
    is busy for a moment is none for what is only read: the page asks once more, and shows it (api/http.ts)."""
    found: list[str] = []

    def on_response(one: Response) -> None:
        is_asked_again = one.status == 503 and one.request.method == "GET"
        if one.status >= 500 and not is_asked_again:
            found.append(f"{one.status} {one.request.method} {one.url}")

    page.on("response", on_response)
    return found


def dwell(stage: Stage, camera_id: str, value: float) -> None:
    wait_until(lambda: stage.node.runs(camera_id)[0]["dwell_s"] == value, f"{camera_id}: {value:g} s", 30)


def test_rules_are_copied_after_a_trial_and_undone_and_what_waits_is_decided_at_once(
    browser: Browser, stage: Stage
) -> None:
    require_axe()
    ruler = page_of(browser, stage, "ruler")
    failed = failures_of(ruler)
    ruler.goto("/rules/lane")
    ruler.get_by_test_id("copy-to").click()
    expect(ruler.get_by_test_id("copy-rule-lane")).to_be_checked()
    for camera_id in ("gate", "market"):
        ruler.get_by_test_id(f"copy-target-{camera_id}").check()
    ruler.get_by_test_id("copy-look").click()
    expect(ruler.get_by_test_id("copy-counts")).to_have_text("2 路会改变，0 路保持不变")
    expect(ruler.get_by_test_id("canary-first")).to_be_checked()  # more than one: it is to be tried first
    ruler.get_by_test_id("canary-first").uncheck()
    expect(ruler.get_by_test_id("copy-at-once")).to_contain_text("2 路同时更改")
    ruler.get_by_test_id("copy-look").click()
    expect(ruler.get_by_test_id("canary-first")).to_be_checked()  # the same selection looked at again is asked anew
    expect(ruler.get_by_test_id("copy-at-once")).to_have_count(0)
    ruler.get_by_test_id("canary-cameras").select_option(["gate"])
    ruler.get_by_test_id("canary-hours").fill("2")
    ruler.get_by_test_id("copy-why").fill("与东巷一致")
    shoot(ruler, "copies-form")
    assert serious(ruler) == []
    assert too_wide(ruler) == []
    ruler.get_by_test_id("copy-make").click()
    card = ruler.locator("article.card")
    expect(card).to_have_attribute("data-state", "watched")
    expect(card.get_by_test_id("copy-progress")).to_contain_text("已更改 1 路，待更改 1 路")
    expect(card).to_contain_text("ruler")
    dwell(stage, "gate", 60.0)
    assert stage.node.runs("market")[0]["dwell_s"] == 90.0
    shoot(ruler, "copies-trial")
    ruler.reload()  # it is rows of the centre, not of the page
    card.get_by_test_id("copy-promote").click()
    expect(card).to_have_attribute("data-state", "promoted")
    dwell(stage, "market", 60.0)
    expect(card).to_have_attribute("data-spreading", "false")
    card.get_by_test_id("copy-roll_back").click()
    expect(card).to_have_attribute("data-state", "rolled_back")
    for camera_id in ("gate", "market"):
        dwell(stage, camera_id, 90.0)
    expect(card.get_by_test_id("copy-progress")).to_contain_text("已恢复 2 路")
    ruler.get_by_test_id("language").click()
    expect(ruler.get_by_test_id("copies-page")).to_contain_text("Copy rules to many cameras")
    shoot(ruler, "copies-english")
    ruler.get_by_test_id("language").click()

    ruler.goto("/rules/shadow")
    ruler.get_by_test_id("shadow-all").check()
    ruler.get_by_test_id("promote-why").fill("现场已核对")
    ruler.get_by_test_id("promote-early").check()
    ruler.get_by_test_id("promote").click()
    expect(ruler.get_by_test_id("promote-results").locator("li")).to_have_count(2)
    ruler.goto("/rules/waiting")
    expect(ruler.get_by_test_id("waiting-new-1")).to_contain_text("本人提出，须由他人复核")
    expect(ruler.get_by_test_id("waiting-all")).to_be_disabled()

    chief = page_of(browser, stage, "chief")
    failed_too = failures_of(chief)
    chief.goto("/rules")
    chief.get_by_test_id("to-waiting").click()
    first, second = (chief.get_by_test_id(f"waiting-{one}") for one in ("new-1", "new-2"))
    expect(first).to_contain_text("转为正式：lane")
    expect(first).to_contain_text("现场已核对")
    first.get_by_test_id("waiting-look").click()
    expect(chief.get_by_test_id("diff-line").first).to_be_visible()
    first.get_by_role("checkbox").check()
    expect(chief.get_by_test_id("refuse-all")).to_be_disabled()  # without a reason
    chief.get_by_test_id("decide-all-note").fill("画面未核对")
    chief.get_by_test_id("refuse-all").click()
    expect(chief.get_by_test_id("decide-results")).to_contain_text("已拒绝 1 项")
    expect(first).to_have_count(0)
    expect(second).to_be_visible()
    chief.get_by_test_id("waiting-all").check()
    expect(chief.get_by_test_id("decide-chosen")).to_have_text("已选 1 项")
    shoot(chief, "waiting")
    assert serious(chief) == []
    assert too_wide(chief) == []
    chief.get_by_test_id("approve-all").click()
    expect(chief.get_by_test_id("decide-results")).to_contain_text("已同意 1 项")
    expect(chief.get_by_test_id("waiting-empty")).to_be_visible()
    wait_until(lambda: "shadow" not in stage.node.runs("new-2")[0], "new-2 alerts", 30)
    assert stage.node.runs("new-1")[0]["shadow"] is True
    chief.get_by_test_id("language").click()
    expect(chief.get_by_test_id("waiting-page")).to_contain_text("Waiting for a second person")
    shoot(chief, "waiting-english")
    assert failed + failed_too == []
    for page in (ruler, chief):
        assert page.title() != "1"  # the hostile name of a camera is text
        assert [one for one in complaints(page) if "status of 503" not in one] == []  # those of acts stand in `failed`
        assert asked_elsewhere(page, stage.centre.origin) == []
