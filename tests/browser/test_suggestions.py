"""Suggestions in a real browser: searched by a real node on judged days, put into the draft, and why there are none."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_what_if import Stage, page_of, shoot, staged
from tests.support.browser import asked_elsewhere, complaints, too_wide
from tests.support.trying_node import DAY, Stood, half_a_node, keep_judged_days, old_node, trying_node
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import Hazard, Reason, Severity
from xueliang_demo.api_client import Person
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

log = logging.getLogger(__name__)

SEARCHED_MS = 120_000
DAYS = 4
# The demo sends somebody to a fire lane before anybody has judged: here a person does.
JUDGED = POLICIES | {"policies": [one for one in POLICIES["policies"] if not one["auto_dispatch"]]}
BLOCKED = Reason(code="lane_blocked", text="blocked", about={})


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, JUDGED) as found:
        yield found


def incident_with(person: Person, alert_id: str) -> str:
    """Waits for the incident of an alert; its id."""
    found: list[str] = []

    def is_there() -> bool:
        ids = [str(one["incident_id"]) for one in person.incidents()]
        found[:] = [one for one in ids if alert_id in str(person.incident(one))]
        return bool(found)

    wait_until(is_there, "the incident", 20.0)
    return found[0]


def raise_and_judge(stage: Stage, stood: list[Stood]) -> None:
    """What stood there, as it was raised then and an operator judged it. False ones first: true ones stay open."""
    person = stage.centre.log_in("operator")
    for one in sorted(stood, key=lambda one: one.verdict):
        ago_s = (system_wall() - one.since_at).total_seconds()
        episode = stage.puppet.raise_alert(
            *("lane", Hazard.FIRE_LANE_OBSTRUCTION, Severity.ORANGE),
            reason=BLOCKED,
            began_s_ago=ago_s,
            raised_s_ago=ago_s - 60,
            boxes=[one.thing[2]],
        )
        incident_id = incident_with(person, str(episode.alert.alert_id))
        if one.verdict == "false":
            person.move_incident(incident_id, "false_alarm", reason_code="shadow_or_light")
        elif person.incident(incident_id)["state"] == "open":
            person.move_incident(incident_id, "confirm")
        lasted = one.until_at - one.since_at
        stage.puppet.see_clear(episode, reason=BLOCKED, ended_s_ago=ago_s - lasted.total_seconds())
    person.close()


def test_a_proposal_of_the_node_is_read_and_put_into_the_draft(browser: Browser, stage: Stage) -> None:
    first_at = system_wall().replace(microsecond=0) - DAYS * DAY - timedelta(hours=1)
    stood = keep_judged_days(stage.folder, first_at, DAYS)
    raise_and_judge(stage, stood)
    with trying_node(stage.centre, stage.camera, stage.folder):
        page = page_of(browser, stage)
        page.get_by_test_id("suggest-run").click()
        expect(page.get_by_test_id("suggest-result")).to_be_visible(timeout=SEARCHED_MS)
        log.warning("4 days: %s", page.get_by_test_id("suggest-took").inner_text())
        expect(page.get_by_test_id("suggest-basis")).to_contain_text("8 条误报，4 条属实")
        expect(page.get_by_test_id("suggest-basis")).to_contain_text("用来核对的日子")
        best = page.get_by_test_id("suggest-proposal").first
        expect(best.get_by_test_id("suggest-gone")).to_contain_text("找的日子 4/4")
        expect(best.get_by_test_id("suggest-gone")).to_contain_text("核对的日子 4/4")
        expect(best.get_by_test_id("suggest-none-lost")).to_be_visible()
        expect(best.get_by_test_id("suggest-picture")).to_be_visible()  # excluded on the left
        shoot(page, "suggest-1366", "suggest")
        while page.get_by_test_id("suggest-more").count():
            page.get_by_test_id("suggest-more").click()
        longest = (
            page.get_by_test_id("suggest-proposal")
            .filter(has_text="180 秒")
            .filter(has=page.get_by_test_id("suggest-lost"))
        )
        expect(longest.first.get_by_test_id("suggest-lost")).to_contain_text("会漏掉 1 条属实的告警")
        link = longest.first.get_by_test_id("suggest-incident")
        expect(link).to_be_visible()
        assert "incident" in str(link.get_attribute("href"))
        longest.first.scroll_into_view_if_needed()
        shoot(page, "suggest-lost", "suggest-lost")
        page.get_by_test_id("suggest").scroll_into_view_if_needed()
        best.get_by_test_id("suggest-take").click()
        expect(page.get_by_test_id("suggest-told")).to_contain_text("还没有保存")
        expect(best.get_by_test_id("suggest-take")).to_be_disabled()
        expect(page.get_by_test_id("suggest-stale")).to_be_visible()
        page.get_by_test_id("text-open").click()
        expect(page.get_by_test_id("text-out")).to_have_value(re.compile("exclude_zones"))
        page.get_by_test_id("language").click()
        expect(best.get_by_test_id("suggest-gone")).to_contain_text("4 of 4 on the days searched")
        shoot(page, "suggest-english", "suggest")
        page.get_by_test_id("undo").click()
        expect(best.get_by_test_id("suggest-take")).to_be_enabled()
        expect(page.get_by_test_id("suggest-stale")).to_have_count(0)
        for width, height in ((1920, 1080), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            shoot(page, f"suggest-{width}", "suggest")
            assert [one for one in too_wide(page) if "suggest" in one] == []
    assert asked_elsewhere(page, stage.centre.origin) == []
    assert complaints(page) == []


def test_why_there_are_no_suggestions_is_said_and_a_search_is_given_up(browser: Browser, stage: Stage) -> None:
    page = page_of(browser, stage)
    page.get_by_test_id("suggest-run").click()
    few = page.get_by_test_id("suggest-failure")
    expect(few).to_contain_text("至少需要 1 条误报，并且在至少 2 个不同的日子")
    expect(few).to_contain_text("有 1 条误报，分布在 1 天")
    shoot(page, "suggest-few", "suggest")
    stood = keep_judged_days(stage.folder, system_wall().replace(microsecond=0) - 2 * DAY, 1)
    raise_and_judge(stage, stood[:1])
    with old_node(stage.centre):
        page.get_by_test_id("suggest-run").click()
        expect(page.get_by_test_id("suggest-failure")).to_contain_text("节点的版本太旧")
    with half_a_node(stage.centre) as asked:
        page.get_by_test_id("suggest-run").click()
        expect(page.get_by_test_id("suggest-waiting")).to_be_visible()
        wait_until(lambda: bool(asked), "the question", 20.0)
        page.get_by_test_id("suggest-cancel").click()
        expect(page.get_by_test_id("suggest-cancelled")).to_be_visible()
    with trying_node(stage.centre, stage.camera, stage.folder):
        page.get_by_test_id("suggest-run").click()  # the centre has given the other up as well
        # What was raised live in the last minutes is not in this log: the node says what it lacks, in its own words.
        expect(page.get_by_test_id("suggest-failure")).to_contain_text("on at least 2 days, got 1", timeout=SEARCHED_MS)
    assert [one for one in complaints(page) if "422" not in one] == []
