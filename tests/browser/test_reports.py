"""The reports page in a real browser against a real centre: charts, numbers, areas, the ledger, and who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import asked_elsewhere, complaints, desk, handset, sign_in, too_wide
from tests.support.puppet_node import CentreOnly
from tests.support.rolled_weeks import fill, some_weeks
from tests.support.room import too_wide_at
from xueliang_alerts.clocks import system_wall
from xueliang_central.reports.periods import period_of
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SOON_MS = 40_000
CITY = make_city(DEMO)
TOWN = CITY.of_level("township")[0]
GRIDS = [grid.code for grid in CITY.of_level("grid")]
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = CITY.areas[0].code
    place = CITY.of_level("grid")[0].polygon.representative_point()
    cameras = (WatchedCamera("cam-0", "东巷0号", "file:none.mp4", GRIDS[0], place.x, place.y),)
    accounts = (
        Account("chief", "supervisor", city, HOSTILE),
        Account("operator", "operator", TOWN.code, "值班员"),
        Account("wang", "worker", GRIDS[0], "王网格员"),
    )
    with CentreOnly(tmp_path, Plan(CITY, cameras, (), accounts, POLICIES)) as installation:
        installation.start_broker()
        installation.set_up()
        fill(installation, some_weeks(GRIDS, period_of(system_wall()).day))
        installation.start_centre()
        yield installation


def opened(page: Page, centre: CentreOnly, name: str) -> Page:
    sign_in(page, name, centre.password_of(name))
    page.get_by_test_id("more-pages").click()
    page.get_by_test_id("to-reports").click()
    expect(page.get_by_test_id("tiles")).to_be_visible()
    return page


def test_a_supervisor_reads_figures_goes_down_and_takes_the_ledger(browser: Browser, centre: CentreOnly) -> None:
    page = opened(desk(browser, centre.origin, accept_downloads=True), centre, "chief")
    total = 2 + sum(3 + (number * 5) % 7 for number in range(28))
    expect(page.get_by_test_id("tiles").locator("dd").first).to_have_text(str(total))
    expect(page.get_by_test_id("user")).to_have_text(HOSTILE)  # as text
    steps = page.get_by_test_id("steps")
    expect(steps.locator("[data-row=taken]")).to_contain_text("p50")
    expect(steps.locator("[data-row=taken]")).to_contain_text("86 件")
    expect(page.get_by_test_id("rates").locator("[data-row=check_on_time]")).to_contain_text("无数据")
    expect(page.get_by_test_id("by-day").locator("svg g")).to_have_count(30)  # also the days without a case
    page.get_by_test_id("by-day").locator("summary").click()
    expect(page.get_by_test_id("by-day").locator("tbody tr")).to_have_count(30)
    page.get_by_test_id("by-day").locator("summary").click()

    compare = page.get_by_test_id("compare")
    expect(compare.locator("[data-row=fire_smoke]")).to_contain_text("样本太少（2）")  # no percentile of two
    page.get_by_test_id("compare-what").select_option("rate.false_alarm")
    expect(compare.locator("[data-row=crowd]")).to_contain_text("%")
    page.get_by_test_id("by-shift").click()
    expect(compare.locator("li").first).to_contain_text("–")
    page.get_by_test_id("by-area").click()
    first = compare.locator("[data-testid^=down-]").first
    name = first.inner_text().removesuffix("›").strip()
    first.click()
    expect(page.get_by_test_id("report-path").locator("button[aria-current=true]")).to_have_text(name)
    page.get_by_test_id("report-hazard").select_option("fire_smoke")
    expect(page.get_by_test_id("tiles").locator("dd").first).to_have_text("2")
    page.get_by_test_id("report-drill").check()
    expect(page.get_by_test_id("report-empty")).to_be_visible()
    page.get_by_test_id("report-drill").uncheck()
    assert too_wide_at(page) == []

    expect(page.get_by_test_id("ledger-xlsx")).to_be_disabled()  # not without saying what for
    page.get_by_test_id("ledger-why").fill("月度考核")
    with page.expect_download() as taken:
        page.get_by_test_id("ledger-csv").click()
    assert taken.value.suggested_filename.endswith(".csv")
    assert "编号" in Path(taken.value.path()).read_text(encoding="utf-8-sig").splitlines()[0]
    page.get_by_test_id("ledger-why").fill("月度考核")
    with page.expect_download() as taken:
        page.get_by_test_id("ledger-xlsx").click()
    assert Path(taken.value.path()).read_bytes().startswith(b"PK")
    page.get_by_test_id("report-from").fill("2020-01-01")
    page.get_by_test_id("report-from").dispatch_event("change")
    expect(page.get_by_test_id("report-failure")).to_contain_text("400")
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("report-failure")).to_contain_text("1 to 400 days")
    page.get_by_test_id("period-7").click()
    expect(page.get_by_test_id("ledger")).to_contain_text("recorded")
    assert complaints(page) == []
    assert asked_elsewhere(page, centre.origin) == []


def test_an_operator_sees_the_own_area_without_the_ledger_and_another_is_missing(
    browser: Browser, centre: CentreOnly
) -> None:
    page = opened(desk(browser, centre.origin), centre, "operator")
    expect(page.get_by_test_id("report-path").locator("button[aria-current=true]")).to_have_text(TOWN.name)
    expect(page.get_by_test_id("compare")).to_be_visible()
    expect(page.get_by_test_id("ledger")).to_have_count(0)
    page.goto(f"/reports?area={CITY.areas[0].code}")
    expect(page.get_by_test_id("report-failure")).to_contain_text("没有这个区域")
    assert [said for said in complaints(page) if "404" not in said] == []

    phone = opened(handset(browser, centre.origin), centre, "operator")
    assert too_wide(phone) == []
    assert complaints(phone) == []

    worker = handset(browser, centre.origin)
    sign_in(worker, "wang", centre.password_of("wang"))
    worker.goto("/reports")
    worker.wait_for_url("**/phone")  # it is no page of theirs
