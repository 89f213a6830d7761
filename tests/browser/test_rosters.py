"""The rosters page in a real browser against a real centre, and a worker's own shifts on the phone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import asked_elsewhere, complaints, desk, handset, sign_in, too_wide
from tests.support.puppet_node import CentreOnly
from tests.support.room import too_wide_at
from xueliang_alerts.clocks import system_wall
from xueliang_configs.schedules import zone_of
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SOON_MS = 40_000
GRID = make_city(DEMO).of_level("grid")[3].code
HOSTILE = '<img src=x onerror="document.title=1">李'


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    place = city.of_level("grid")[3].polygon.representative_point()
    cameras = (WatchedCamera("cam-0", "东巷0号", "file:none.mp4", GRID, place.x, place.y),)
    accounts = (
        Account("wang", "worker", GRID, "王网格员"),
        Account("li", "worker", GRID, HOSTILE),
        Account("chief", "supervisor", city.areas[0].code, "市级负责人"),
        Account("operator", "operator", city.areas[0].code, "值班员"),
    )
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, POLICIES)) as installation:
        installation.start()
        yield installation


def page_of(browser: Browser, centre: CentreOnly, name: str) -> Page:
    page = desk(browser, centre.origin)
    sign_in(page, name, centre.password_of(name))
    page.get_by_test_id("to-rosters").click()
    page.get_by_test_id("area-search").fill(GRID)
    page.get_by_test_id(f"area-{GRID}").click()
    expect(page.get_by_test_id("coverage")).to_be_visible(timeout=SOON_MS)
    return page


def open_person(page: Page, name: str) -> None:
    page.locator("button.pick", has_text=name).click()
    expect(page.get_by_test_id("line-add")).to_be_visible(timeout=SOON_MS)


def give_days(page: Page, start: str, until: str) -> None:
    page.get_by_test_id("line-add").click()
    page.get_by_test_id("shift-start").fill(start)
    page.get_by_test_id("shift-until").fill(until)
    page.get_by_test_id("shift-done").click()
    page.get_by_test_id("roster-save").click()
    expect(page.get_by_test_id("roster-said")).to_have_text("已保存", timeout=SOON_MS)


def test_shifts_are_added_a_gap_shows_and_closes_and_the_worker_sees_the_own(
    browser: Browser, centre: CentreOnly
) -> None:
    page = page_of(browser, centre, "chief")
    expect(page.locator("button.pick", has_text=HOSTILE)).to_be_visible()  # as text: nothing of it runs
    expect(page.get_by_test_id("gaps")).to_contain_text("本周没有空岗")
    open_person(page, "王网格员")
    give_days(page, "08:00", "20:00")
    expect(page.get_by_test_id("gaps")).to_contain_text("本周没有空岗")  # the other one is always there
    open_person(page, "李")
    give_days(page, "08:00", "18:00")
    gaps = page.get_by_test_id("gaps")
    expect(gaps).to_contain_text("空岗时段（8）", timeout=SOON_MS)
    expect(gaps).to_contain_text("周一 20:00 至 周二 08:00：无网格员")
    expect(page.get_by_test_id("gap")).to_have_count(8)
    page.get_by_test_id("line-remove").click()
    give_days(page, "20:00", "08:00")  # over midnight
    expect(gaps).to_contain_text("本周没有空岗", timeout=SOON_MS)
    page.get_by_test_id("line-add").click()
    page.get_by_test_id("shift-kind").select_option("leave")
    day = system_wall().astimezone(zone_of("Asia/Shanghai")) + timedelta(days=400)
    page.get_by_test_id("shift-starts").fill((day - timedelta(days=399)).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_test_id("shift-ends").fill(day.strftime("%Y-%m-%dT%H:%M"))
    page.get_by_test_id("shift-done").click()
    page.get_by_test_id("roster-save").click()
    expect(page.get_by_test_id("roster-failure")).to_contain_text("366", timeout=SOON_MS)  # a year at most, in words
    assert too_wide_at(page) == []
    page.get_by_test_id("week-after").click()
    expect(page.get_by_test_id("week-this")).to_be_enabled(timeout=SOON_MS)
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("gaps")).to_contain_text("No gap this week")
    assert [one for one in complaints(page) if "422" not in one] == []  # the browser says it of the refusal above
    assert asked_elsewhere(page, centre.origin) == []

    phone = handset(browser, centre.origin)
    sign_in(phone, "wang", centre.password_of("wang"))
    phone.get_by_test_id("to-my-shifts").click()
    shift = phone.get_by_test_id("own-shift").last
    expect(shift).to_contain_text("08:00 – 20:00", timeout=SOON_MS)
    assert 13 <= phone.get_by_test_id("own-shift").count() <= 14
    assert too_wide(phone) == []
    assert complaints(phone) == []


def test_a_table_is_tried_every_bad_row_is_told_and_the_good_one_is_taken(browser: Browser, centre: CentreOnly) -> None:
    page = page_of(browser, centre, "chief")
    page.get_by_test_id("table-open").click()
    expect(page.get_by_test_id("table-take")).to_be_disabled()  # nothing is taken that was not tried
    good = "用户名,类型,星期,上班,下班\nwang,每周,mon-fri,08:00,18:00\n"
    page.get_by_test_id("table-text").fill(f"{good}nobody,每周,,08:00,18:00\nli,每周,mon-fri,25:00,18:00\n")
    page.get_by_test_id("table-try").click()
    told = page.get_by_test_id("table-problems")
    expect(told).to_contain_text("2 处错误", timeout=SOON_MS)
    expect(told.locator("li").nth(0)).to_contain_text("第 3 行，username")
    expect(told.locator("li").nth(1)).to_contain_text("第 4 行，start")
    page.get_by_test_id("table-text").fill(good)
    page.get_by_test_id("table-try").click()
    expect(page.get_by_test_id("table-changes")).to_contain_text("尚未导入", timeout=SOON_MS)
    expect(page.get_by_test_id("table-changes")).to_contain_text("wang：改为 1 条（原 0 条）")
    page.get_by_test_id("table-take").click()
    expect(page.get_by_test_id("table-changes")).to_contain_text("已导入", timeout=SOON_MS)
    open_person(page, "王网格员")
    expect(page.get_by_test_id("roster-line")).to_contain_text("周一–周五 08:00–18:00")
    assert [one for one in complaints(page) if "422" not in one] == []


def test_an_operator_reads_the_rosters_and_changes_none(browser: Browser, centre: CentreOnly) -> None:
    page = page_of(browser, centre, "operator")
    page.locator("button.pick", has_text="王网格员").click()
    expect(page.get_by_test_id("roster-read-only")).to_be_visible(timeout=SOON_MS)
    for act in ("table-open", "line-add", "roster-save"):
        expect(page.get_by_test_id(act)).to_have_count(0)
    assert complaints(page) == []
