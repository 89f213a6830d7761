"""The console in a real browser against a real centre: list, map, case, moves, phone, lost connection."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.support.browser import PRESS_MS, complaints, desk, drawn_jpeg, handset, sign_in, too_wide
from tests.support.puppet_node import CentreOnly, Episode, PuppetNode
from xueliang_alerts.contract import Hazard, Measure, Reason, Severity
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

BLOCKED = Reason(
    code="lane_blocked", text="lane 41% covered by truck for 63 s >= 60 s", about={"objects": "truck", "place": "lane"}
)
MEASURES = {"share": Measure(value=0.41, unit="share"), "seconds": Measure(value=63, unit="s")}
CLEAR = Reason(code="lane_clear", text="lane clear for 3 s", about={"place": "lane"})
SOON_MS = 40_000
HELD_MS = 10_000  # a phone holds what was done for so long before it sends it
FRAME_MS = 2_000  # a machine so busy that a frame is long in coming


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = tuple(
        WatchedCamera(f"cam-{i}", f"东巷{i}号", "file:none.mp4", grid.code, place.x + i * 0.002, place.y)
        for i in range(4)
    )
    accounts = (
        Account("operator", "operator", city.areas[0].code, "值班员"),
        Account("worker", "worker", grid.code, "网格员"),
    )
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, POLICIES)) as installation:
        installation.start()
        yield installation


@pytest.fixture
def node(centre: CentreOnly) -> Iterator[PuppetNode]:
    with PuppetNode(centre, {f"cam-{i}": "streaming" for i in range(4)}) as puppet:
        yield puppet


def blocked(
    node: PuppetNode,
    camera_id: str,
    severity: Severity,
    hazard: Hazard | None = None,
    *,
    upload: bool = True,
    drill: bool = False,
) -> Episode:
    return node.raise_alert(
        camera_id,
        hazard or Hazard.FIRE_LANE_OBSTRUCTION,
        severity,
        reason=BLOCKED,
        measures=MEASURES,
        boxes=[(0.2, 0.2, 0.4, 0.6)],
        zone=[(0.1, 0.5), (0.9, 0.5), (0.75, 1.0), (0.25, 1.0)],
        picture=drawn_jpeg(320, 180),
        upload=upload,
        drill=drill,
    )


def as_operator(browser: Browser, centre: CentreOnly) -> Page:
    page = desk(browser, centre.origin)
    sign_in(page, "operator", centre.password_of("operator"))
    return page


def cameras_in_order(page: Page) -> list[str]:
    return [re.search(r"东巷(\d)号", text)[1] for text in page.get_by_test_id("incident-row").all_inner_texts()]  # type: ignore[index]


def test_an_alert_appears_by_itself_and_is_judged_in_words_on_list_map_and_page(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_operator(browser, centre)
    expect(page.get_by_test_id("queue-empty")).to_be_visible()
    expect(page.get_by_test_id("map")).not_to_have_attribute("data-areas", "0")
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    row = page.get_by_test_id("incident-row")
    expect(row).to_have_count(1, timeout=SOON_MS)
    expect(row).to_contain_text("安全出口堵塞")
    expect(row).to_contain_text("待研判")
    expect(row.get_by_test_id("clock")).to_have_attribute("data-kind", "judge")
    expect(row.get_by_test_id("picture")).to_have_attribute("data-received", "true", timeout=SOON_MS)
    expect(page.get_by_test_id("map-incident")).to_have_count(1)
    page.get_by_test_id("map-incident").click()
    panel = page.get_by_test_id("case-panel")
    expect(panel.get_by_test_id("reason")).to_have_text("货车占用安全出口，遮占 41%，已停留 1分03秒")
    expect(panel.get_by_test_id("box")).to_have_count(1)
    corners = panel.get_by_test_id("zone").get_attribute("points") or ""
    assert corners == "128,360 1152,360 960,720 320,720"  # of the alert's 1280x720 picture
    expect(panel.get_by_test_id("picture")).to_contain_text("监测区域")
    expect(panel.get_by_test_id("recommended-worker")).to_contain_text("网格员")
    expect(panel.get_by_test_id("recommended-why")).to_contain_text("当班，在办 0 件")
    expect(page.get_by_test_id("map-incident")).to_have_attribute("data-stage", "waiting")
    expect(page.get_by_test_id("nodes-online")).to_contain_text("1/1")
    expect(page.get_by_test_id("drill-banner")).to_have_count(0)
    panel.get_by_test_id("move-false_alarm").click()
    expect(page.get_by_test_id("move-submit")).to_be_disabled()
    page.get_by_test_id("reason-shadow_or_light").check()
    page.get_by_test_id("move-submit").click()
    expect(panel.get_by_test_id("close-reason")).to_have_text("误报")
    expect(page.get_by_test_id("queue-empty")).to_be_visible(timeout=SOON_MS)
    panel.get_by_test_id("open-page").click()
    expect(page.get_by_test_id("timeline")).to_contain_text("光影")
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("case-hazard")).to_have_text("Exit blocked")
    assert complaints(page) == []


def test_a_map_that_is_left_before_its_next_frame_draws_no_more(browser: Browser, centre: CentreOnly) -> None:
    page = desk(browser, centre.origin)
    page.add_init_script(
        f"""window.requestAnimationFrame = (draw) => setTimeout(() => draw(performance.now()), {FRAME_MS});
        window.cancelAnimationFrame = clearTimeout;"""
    )
    sign_in(page, "operator", centre.password_of("operator"))
    expect(page.get_by_test_id("map")).not_to_have_attribute("data-areas", "0")
    page.get_by_test_id("to-silences").click()
    expect(page.get_by_test_id("map")).to_have_count(0)
    page.wait_for_timeout(1.5 * FRAME_MS)
    assert complaints(page) == []


def test_rows_are_sorted_by_severity_and_hold_still_under_the_pointer(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_operator(browser, centre)
    blocked(node, "cam-1", Severity.YELLOW, Hazard.BLOCKED_EXIT)
    rows = page.get_by_test_id("incident-row")
    expect(rows).to_have_count(1, timeout=SOON_MS)
    rows.first.hover()
    blocked(node, "cam-2", Severity.RED, Hazard.BLOCKED_EXIT)
    expect(rows).to_have_count(2, timeout=SOON_MS)
    assert cameras_in_order(page) == ["1", "2"]
    page.mouse.move(900, 400)
    expect(rows.first).to_have_attribute("data-severity", "1")
    assert cameras_in_order(page) == ["2", "1"]


def test_two_operators_the_second_is_told_that_the_case_has_changed(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    page = as_operator(browser, centre)
    page.get_by_test_id("incident-row").first.click(timeout=SOON_MS)
    page.get_by_test_id("move-permitted").click()
    page.get_by_test_id("reason-registered_work").check()
    other = as_operator(browser, centre)
    other.get_by_test_id("incident-row").first.click()
    other.get_by_test_id("move-confirm").click()
    expect(page.get_by_test_id("case-panel").get_by_test_id("state")).to_have_text("已派发", timeout=SOON_MS)
    page.get_by_test_id("move-submit").click()
    expect(page.get_by_test_id("move-outcome")).to_have_attribute("data-outcome", "conflict")
    expect(page.get_by_test_id("move-outcome")).to_contain_text("已派发")


def test_a_worker_takes_arrives_photographs_and_is_told_when_the_camera_sees_it_clear(
    browser: Browser, centre: CentreOnly, node: PuppetNode, tmp_path: Path
) -> None:
    phone = handset(browser, centre.origin)
    sign_in(phone, "worker", centre.password_of("worker"))
    expect(phone.get_by_test_id("no-tasks")).to_be_visible()
    episode = blocked(node, "cam-0", Severity.ORANGE)
    phone.get_by_test_id("take").click(timeout=SOON_MS)
    task = phone.get_by_test_id("task-page")
    expect(task).to_have_attribute("data-state", "taken")
    phone.get_by_test_id("arrive").click()
    expect(phone.get_by_test_id("handled")).to_be_disabled()
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(drawn_jpeg(3000, 2000))
    phone.get_by_test_id("photo-input").set_input_files(photo)
    expect(phone.get_by_test_id("photo")).to_have_attribute("data-photo", "sent", timeout=SOON_MS)
    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    expect(task).to_have_attribute("data-state", "handled")
    node.see_clear(episode, reason=CLEAR)
    expect(task).to_have_attribute("data-state", "closed", timeout=HELD_MS + SOON_MS)
    expect(phone.get_by_test_id("notice")).to_contain_text("现场已恢复，可返回")
    for button in phone.locator(".big:visible").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 64
    assert complaints(phone) == []


def test_a_drill_is_said_above_everything_and_the_strip_tells_how_alerts_come(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT, drill=True)
    page = as_operator(browser, centre)
    expect(page.get_by_test_id("drill-banner")).to_contain_text("演练", timeout=SOON_MS)
    expect(page.get_by_test_id("incident-row")).to_contain_text("演练")
    strip = page.get_by_test_id("health-strip")
    expect(strip.get_by_test_id("proof")).to_have_class("good", timeout=SOON_MS)
    expect(strip.get_by_test_id("proof")).to_contain_text("前")
    expect(strip.get_by_test_id("lag")).to_have_class("good")
    expect(strip.get_by_test_id("held")).to_have_count(0)
    page.set_viewport_size({"width": 1366, "height": 768})
    assert too_wide(page) == []
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("drill-banner")).to_contain_text("rill")
    assert too_wide(page) == []
    much = {"held": {"incidents": 3, "alerts": 412}, "lag": {"median_s": 95.0, "alerts": 60}}
    much |= {"proof": None, "silences_ending": {"count": 2, "first_at": "2026-11-28T08:00:00Z", "within_s": 86400}}
    page.route("**/api/standing*", lambda route: route.fulfill(json={"at": "2026-11-27T08:00:00Z", **much}))
    page.reload()
    expect(strip.get_by_test_id("lag")).to_have_class("bad", timeout=SOON_MS)
    expect(strip.get_by_test_id("proof")).to_have_class("warn")
    expect(strip.get_by_test_id("held")).to_contain_text("412")
    assert too_wide(page) == []
    strip.get_by_test_id("silences-ending").get_by_role("link").click()
    expect(page).to_have_url(re.compile(r"/silences"))


def test_a_lost_centre_is_said_and_what_was_missed_is_there_afterwards(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_operator(browser, centre)
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=SOON_MS)
    centre.centre.kill()
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "reconnecting", timeout=SOON_MS)
    blocked(node, "cam-3", Severity.RED, upload=False)  # into the spool: it travels when the centre is back
    expect(page.get_by_test_id("link-lost")).to_be_visible(timeout=40_000)
    centre.start_centre()
    expect(page.get_by_test_id("link-lost")).to_be_hidden(timeout=40_000)
    expect(page.get_by_test_id("incident-row")).to_have_count(1, timeout=40_000)

    page.route("**/api/incidents/*", lambda route: route.abort(), times=1)
    page.get_by_test_id("incident-row").locator("button").click()
    expect(page.get_by_test_id("case-panel")).to_contain_text("事件详情加载失败")
    expect(page.get_by_test_id("move-false_alarm")).to_be_visible()  # read again by itself


def test_a_part_that_cannot_be_fetched_while_the_centre_is_away_does_not_take_the_screen(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = desk(browser, centre.origin)

    def lose_the_centre(route: Route) -> None:
        centre.centre.kill()
        route.abort("connectionrefused")

    page.route("**/assets/CaseMap-*.js", lose_the_centre, times=1)
    sign_in(page, "operator", centre.password_of("operator"))
    expect(page.get_by_test_id("link-lost")).to_be_visible(timeout=40_000)
    expect(page.get_by_test_id("map")).to_have_count(0)
    centre.start_centre()
    expect(page.get_by_test_id("map")).to_be_visible(timeout=40_000)
    expect(page.get_by_test_id("link")).to_have_attribute("data-link", "live", timeout=SOON_MS)


def test_two_incidents_are_merged_told_why_and_taken_apart_again(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    blocked(node, "cam-1", Severity.RED, Hazard.BLOCKED_EXIT)
    blocked(node, "cam-2", Severity.ORANGE, Hazard.CROWD)
    page = as_operator(browser, centre)
    rows = page.get_by_test_id("incident-row")
    expect(rows).to_have_count(3, timeout=SOON_MS)
    rows.filter(has_text="东巷0号").click()
    panel = page.get_by_test_id("case-panel")
    expect(panel.get_by_test_id("regroup-split")).to_have_count(0)  # one alert: nothing to split
    panel.get_by_test_id("regroup-merge").click()
    others = page.get_by_test_id("mergeable")
    expect(others).to_have_count(1)  # the crowd is another hazard
    others.check()
    expect(page.get_by_test_id("merge-submit")).to_be_disabled()
    page.get_by_test_id("reason-same_thing").check()
    assert too_wide(page) == []
    page.get_by_test_id("merge-submit").click()
    expect(page.get_by_test_id("regroup-outcome")).to_have_attribute("data-outcome", "done")
    expect(rows).to_have_count(2, timeout=SOON_MS)
    expect(panel.get_by_test_id("case-severity")).to_have_text("特别重大")
    why = panel.get_by_test_id("why")
    expect(why.get_by_test_id("member")).to_have_count(2)
    expect(why.get_by_test_id("moved")).to_contain_text("并入")
    expect(why.get_by_test_id("moved")).to_contain_text("同一隐患")

    panel.get_by_test_id("undo-merge").click()
    page.get_by_test_id("reason-grouped_in_error").check()
    page.get_by_test_id("split-submit").click()
    expect(rows).to_have_count(3, timeout=SOON_MS)
    expect(why.get_by_test_id("undo-merge")).to_have_count(0)

    panel.get_by_test_id("regroup-merge").click()
    others.check()
    page.get_by_test_id("reason-same_cause").check()
    page.get_by_test_id("merge-submit").click()
    panel.get_by_test_id("regroup-split").click()
    page.locator("[data-testid=split-alert][data-camera=cam-1]").check()
    page.get_by_test_id("reason-other").check()
    expect(page.get_by_test_id("split-submit")).to_be_disabled()
    page.get_by_test_id("move-note").fill("两处")
    page.get_by_test_id("split-submit").click()
    expect(page.get_by_test_id("regroup-outcome")).to_have_attribute("data-outcome", "done")
    expect(rows).to_have_count(3, timeout=SOON_MS)
    page.get_by_test_id("language").click()
    expect(panel.get_by_test_id("regroup-merge")).to_have_text("Merge…")
    expect(panel.get_by_test_id("timeline")).to_contain_text("Alerts split off")
    assert complaints(page) == []


def test_a_merge_of_what_has_just_changed_is_told_and_nothing_is_done(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    blocked(node, "cam-1", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    page = as_operator(browser, centre)
    rows = page.get_by_test_id("incident-row")
    expect(rows).to_have_count(2, timeout=SOON_MS)
    rows.filter(has_text="东巷0号").click()
    page.get_by_test_id("regroup-merge").click()
    page.get_by_test_id("mergeable").check()
    page.get_by_test_id("reason-same_thing").check()
    other = as_operator(browser, centre)
    other.get_by_test_id("incident-row").filter(has_text="东巷1号").click()
    other.get_by_test_id("move-confirm").click()
    expect(other.get_by_test_id("move-outcome")).to_have_attribute("data-outcome", "done")
    page.get_by_test_id("merge-submit").click()
    expect(page.get_by_test_id("regroup-outcome")).to_have_attribute("data-outcome", "conflict")
    expect(rows).to_have_count(2)
