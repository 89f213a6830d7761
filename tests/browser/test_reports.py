"""The reports page in a real browser against a real centre: charts, numbers, areas, the ledger, and who sees what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import create_engine, insert

from tests.support.browser import asked_elsewhere, complaints, desk, handset, sign_in, too_wide
from tests.support.puppet_node import CentreOnly
from xueliang_alerts.clocks import system_wall
from xueliang_central.areas.tree import parent_code
from xueliang_central.reports.facts import COUNTS
from xueliang_central.reports.histograms import one, pack
from xueliang_central.reports.periods import period_of
from xueliang_central.reports.tables import rollups
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SOON_MS = 40_000
CITY = make_city(DEMO)
TOWN = CITY.of_level("township")[0]
GRIDS = [grid.code for grid in CITY.of_level("grid")]
HOSTILE = '<img src=x onerror="document.title=1">'


def rollup_rows(code: str, day: date, shift: int, hazard: str, **named: Any) -> list[dict[str, Any]]:
    """What the worker would hold of one grid, in it and in all above it."""
    durations = pack(sum(one(step, seconds) for step, all_s in named.pop("steps", {}).items() for seconds in all_s))
    row = {"day": day, "shift": shift, "hazard": hazard, "drill": False, "part": "incidents", "durations": durations}
    row |= {**dict.fromkeys(COUNTS, 0), **named}
    found, above = [], str(code)
    while above:
        found.append({**row, "area_code": above, "parent_code": parent_code(above)})
        above = parent_code(above) or ""
    return found


def fill(installation: CentreOnly, rows: list[dict[str, Any]]) -> None:
    """Rolled up long ago, as far as the worker knows: no event tells of it, so nothing is counted anew."""
    summed: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("area_code", "day", "shift", "hazard"))
        if key not in summed:
            summed[key] = dict(row)
            continue
        for name in COUNTS:
            summed[key][name] += row[name]
    [file] = (installation.folder / "centre").glob("*.db")
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as conn:
        conn.execute(insert(rollups), list(summed.values()))
    engine.dispose()


def some_weeks(today: date) -> list[dict[str, Any]]:
    """Four weeks with every figure, and one hazard with two cases only."""
    found = []
    for number in range(28):
        few = 1 + (number * 5) % 7
        steps = {
            "judged": [40 + number * 9, 95, 300],
            "dispatched": [60, 130, 420],
            "taken": [20, 45 + number, 200],
            "arrived": [200, 500, 1500],
            "handled": [600, 1800, 7200],
            "closed": [3600, 9000, 90_000],
        }
        counts = {"incidents": few + 2, "alerts": 5 * few, "folded": 4 * few, "true_hazard": few, "false_alarm": 1}
        counts |= {"unjudged": 1, "dispatched": few, "closed": few, "closed_once": few, "reopened": number % 2}
        counts |= {"returned": number % 2, "judge_on_time": few, "judge_late": 1, "take_on_time": few, "take_late": 1}
        counts |= {"arrive_on_time": few, "arrive_late": number % 2}
        hazard = ("fire_lane_obstruction", "illegal_parking", "crowd")[number % 3]
        day = today - timedelta(days=number)
        found += rollup_rows(GRIDS[number % 5], day, number % 3, hazard, steps=steps, **counts)
    found += rollup_rows(
        GRIDS[0], today, 1, "fire_smoke", incidents=2, alerts=2, true_hazard=2, steps={"taken": [9, 9]}
    )
    return found


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
        fill(installation, some_weeks(period_of(system_wall()).day))
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
    assert too_wide(page) == []

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
