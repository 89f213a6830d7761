"""Whole flows in a real browser against a real centre: at two sizes of desk, with a cut line, and two who do the same.

One installation for the module; each test has cameras of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser.test_console import CLEAR, SOON_MS, blocked
from tests.support.browser import PRESS_MS, complaints, desk, drawn_jpeg, handset, sign_in, too_wide
from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.thin_link import ThinLink
from xueliang_alerts.contract import Hazard, Severity
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

CAMERAS = 9
SIZES = pytest.mark.parametrize(("width", "height"), [(1366, 768), (1920, 1080)], ids=["1366x768", "1920x1080"])


@dataclass
class Stage:
    """A centre, its node, and who signs in: two operators, the worker of the grid and one who may take tasks there."""

    centre: CentreOnly
    node: PuppetNode

    def page(self, browser: Browser, name: str, origin: str | None = None, **size: int) -> Page:
        page = (handset if name == "worker" else desk)(browser, origin or self.centre.origin, **size)
        sign_in(page, name, self.centre.password_of(name))
        return page

    def states(self, camera: int) -> list[str]:
        """Of the incidents at this camera."""
        person = self.centre.log_in("operator")
        found = [one["state"] for one in person.incidents() if one["place"]["camera_name"] == name_of(camera)]
        person.close()
        return found


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = tuple(
        WatchedCamera(f"cam-{n}", name_of(n), "file:none.mp4", grid.code, place.x + n * 0.002, place.y)
        for n in range(CAMERAS)
    )
    root = city.areas[0].code
    accounts = (
        Account("operator", "operator", root, "值班员"),
        Account("second", "operator", root, "副值班员"),
        Account("worker", "worker", grid.code, "李网格"),
        Account("deputy", "operator", grid.code, "网格值守"),  # may take what is offered in this grid
    )
    folder = tmp_path_factory.mktemp("flows")
    with CentreOnly(folder, Plan(city, cameras, (), accounts, POLICIES)) as centre:
        centre.start()
        with PuppetNode(centre, {one.camera_id: "streaming" for one in cameras}) as node:
            yield Stage(centre, node)


def name_of(camera: int) -> str:
    return f"北街{camera}号"


def row(page: Page, camera: int) -> str:
    """The incident at this camera, once its row is there."""
    found = page.get_by_test_id("incident-row").filter(has_text=name_of(camera))
    expect(found).to_have_count(1, timeout=SOON_MS)
    return str(found.get_attribute("data-incident"))


def overlapping(page: Page) -> list[str]:
    """What lies over something else in the bar at the top."""
    found: list[str] = page.evaluate(
        """() => {
          const parts = [...document.querySelectorAll(
            "header.top > *:not(nav, .middle), header.top nav > *, header.top .middle li, header.top .middle button"
          )].map((one) => [one, one.getBoundingClientRect()]).filter(([, box]) => box.width > 0);
          const found = [];
          for (const [one, a] of parts) for (const [other, b] of parts)
            if (one !== other && !one.contains(other) && a.left < b.left && a.right > b.left + 1
                && a.top < b.bottom - 1 && b.top < a.bottom - 1)
              found.push(`${one.textContent.trim()} over ${other.textContent.trim()}`);
          return found;
        }"""
    )
    return found


def fits(page: Page) -> None:
    """In both languages."""
    for _ in range(2):
        assert too_wide(page) == []
        assert overlapping(page) == []
        page.get_by_test_id("language").click()


@SIZES
def test_a_case_from_its_alert_to_its_end_by_keys_at_the_desk_and_by_hand_on_the_phone(
    browser: Browser, stage: Stage, tmp_path: Path, width: int, height: int
) -> None:
    camera = 0 if width == 1366 else 1
    page = stage.page(browser, "operator", width=width, height=height)
    episode = blocked(stage.node, f"cam-{camera}", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    incident = row(page, camera)
    page.keyboard.press("n")
    panel = page.get_by_test_id("case-panel")
    expect(panel).to_have_attribute("data-incident", incident)
    expect(page.get_by_test_id("move-confirm")).to_be_visible()
    fits(page)
    page.keyboard.press("c")
    expect(page.get_by_test_id("move-outcome")).to_have_attribute("data-outcome", "done")
    expect(panel.get_by_test_id("state")).to_have_text("已派发")

    phone = stage.page(browser, "worker")
    phone.get_by_test_id("take").click(timeout=SOON_MS)
    task = phone.get_by_test_id("task-page")
    expect(task).to_have_attribute("data-state", "taken")
    mark = page.get_by_test_id("map-incident").and_(page.locator(f'[data-incident="{incident}"]'))
    expect(mark).to_have_attribute("data-stage", "underway", timeout=SOON_MS)
    expect(mark).to_have_attribute("data-crew", "1")
    expect(mark).to_have_attribute("title", re.compile("李网格"))
    phone.get_by_test_id("arrive").click()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(drawn_jpeg(1200, 800))
    phone.get_by_test_id("photo-input").set_input_files(photo)
    expect(phone.get_by_test_id("photo")).to_have_attribute("data-photo", "sent", timeout=SOON_MS)
    assert too_wide(phone) == []
    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    expect(task).to_have_attribute("data-state", "handled", timeout=SOON_MS)
    stage.node.see_clear(episode, reason=CLEAR)
    expect(task).to_have_attribute("data-state", "closed", timeout=SOON_MS)

    expect(panel.get_by_test_id("state")).to_have_text("已办结", timeout=SOON_MS)
    page.keyboard.press("o")
    expect(page.get_by_test_id("timeline")).to_contain_text("李网格")
    fits(page)
    for one in (page, phone):
        assert complaints(one) == []
        one.context.close()


def test_a_cut_line_resumes_after_the_last_event_and_nothing_is_missed_or_told_twice(
    browser: Browser, stage: Stage
) -> None:
    blocked(stage.node, "cam-7", Severity.YELLOW, Hazard.BLOCKED_EXIT)
    with ThinLink() as line:
        page = stage.page(browser, "operator", f"http://127.0.0.1:{line.to(port_of(stage.centre))}")
        asked: list[Request] = []
        page.on("request", lambda one: asked.append(one) if one.url.endswith("/api/events") else None)
        page.evaluate(
            """() => {
              window.__tones = [];
              const start = OscillatorNode.prototype.start;
              OscillatorNode.prototype.start = function (...given) {
                window.__tones.push(this.frequency.value);
                return start.apply(this, given);
              };
            }"""
        )
        row(page, 7)  # the list has been read: what comes from now on is told
        page.get_by_test_id("sound-start").click()
        page.get_by_test_id("sound-heard").click()
        blocked(stage.node, "cam-2", Severity.YELLOW, Hazard.BLOCKED_EXIT)
        before = row(page, 2)
        expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live")
        page.wait_for_function("() => window.__tones.length === 3 + 2")  # the test tone, and one pair
        line.cut()
        expect(page.get_by_test_id("link")).to_have_attribute("data-link", "reconnecting", timeout=SOON_MS)
        ended = blocked(stage.node, "cam-3", Severity.YELLOW, Hazard.BLOCKED_EXIT)
        blocked(stage.node, "cam-4", Severity.ORANGE, Hazard.BLOCKED_EXIT)
        person = stage.centre.log_in("operator")
        wait_until(lambda: stage.states(4) == ["open"] and stage.states(3) == ["open"], "two new incidents", 20.0)
        person.move_incident(before, "false_alarm", reason_code="shadow_or_light")
        person.close()
        stage.node.see_clear(ended, reason=CLEAR)
        wait_until(lambda: stage.states(3) == ["closed"], "one that came and went", 20.0)
        line.mend()
        expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=40_000)
        new = row(page, 4)
        rows = page.get_by_test_id("incident-row")
        for gone in (2, 3):
            expect(rows.filter(has_text=name_of(gone))).to_have_count(0, timeout=SOON_MS)
        assert [one.get_attribute("data-incident") for one in rows.all()].count(new) == 1
        page.wait_for_timeout(1_000)  # longer than tones are gathered
        tones = page.evaluate("window.__tones")
        assert [round(pitch) for pitch in tones[5::2]] == [880, 880]  # two pairs, once; none for what is over
        assert "last-event-id" in asked[-1].headers
        assert [one for one in complaints(page) if "net::ERR_" not in one] == []
        page.context.close()


def port_of(centre: CentreOnly) -> int:
    return int(centre.origin.rsplit(":", 1)[1])


def test_of_two_who_take_one_task_the_second_is_told_whose_it_is_and_keeps_the_words(
    browser: Browser, stage: Stage
) -> None:
    phone = stage.page(browser, "worker")
    blocked(stage.node, "cam-5", Severity.ORANGE)
    card = phone.get_by_test_id("task-card").filter(has_text=name_of(5))
    expect(card).to_have_count(1, timeout=SOON_MS)
    task_id = str(card.get_attribute("data-task"))
    deputy = stage.centre.log_in("deputy")
    phone.route("**/api/tasks/*/moves", lambda route: (deputy.move_task(task_id, "take"), route.continue_()), times=1)
    card.get_by_test_id("take").click()
    stuck = phone.get_by_test_id("stuck").first
    expect(stuck).to_be_visible(timeout=SOON_MS)
    expect(stuck).to_contain_text("任务已由网格值守接走")
    expect(stuck).to_contain_text(name_of(5))
    assert deputy.task(task_id)["state"] == "taken"
    taken = [one for one in deputy.incident(deputy.task(task_id)["incident_id"])["timeline"] if one["kind"] == "taken"]
    assert len(taken) == 1
    deputy.close()
    assert [one for one in complaints(phone) if "409" not in one and "404" not in one] == []
    phone.context.close()


def test_of_two_who_judge_one_incident_the_second_reads_the_state_and_the_own_words(
    browser: Browser, stage: Stage
) -> None:
    blocked(stage.node, "cam-6", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    first, second = stage.page(browser, "operator"), stage.page(browser, "second")
    incident = row(first, 6)
    for page in (first, second):
        page.get_by_test_id("incident-row").filter(has_text=name_of(6)).click()
        expect(page.get_by_test_id("case-panel")).to_have_attribute("data-incident", incident)
    second.get_by_test_id("move-false_alarm").click()
    second.get_by_test_id("reason-other").check()
    second.get_by_test_id("move-note").fill("树影，已电话核实")
    first.get_by_test_id("move-permitted").click()
    first.get_by_test_id("reason-registered_work").check()
    first.get_by_test_id("move-submit").click()
    expect(first.get_by_test_id("move-outcome")).to_have_attribute("data-outcome", "done")
    second.get_by_test_id("move-submit").click()
    outcome = second.get_by_test_id("move-outcome")
    expect(outcome).to_have_attribute("data-outcome", "conflict")
    expect(outcome).to_contain_text("已办结")
    expect(second.get_by_test_id("move-words")).to_have_text("您写的说明没有提交：树影，已电话核实")
    expect(second.get_by_test_id("close-reason")).to_have_text("已报备")
    second.get_by_test_id("language").click()
    expect(second.get_by_test_id("move-words")).to_contain_text("Your words were not sent")
    for page in (first, second):
        assert [one for one in complaints(page) if "409" not in one] == []
        page.context.close()
