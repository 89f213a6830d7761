"""The sightings page in a real browser against a real centre: taken down, joined, called back, and who may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import asked_elsewhere, complaints, desk, handset, sign_in
from tests.support.puppet_node import CentreOnly
from tests.support.room import too_wide_at
from xueliang_demo.centre_commands import Command, run_commands
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SOON_MS = 40_000
GRID = make_city(DEMO).of_level("grid")[3]
PLACE = GRID.polygon.representative_point()
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    cameras = (WatchedCamera("cam-0", HOSTILE, "file:none.mp4", GRID.code, PLACE.x, PLACE.y),)
    accounts = (
        Account("operator", "operator", city.areas[0].code, "值班员"),
        Account("auditor", "auditor", city.areas[0].code, "审计员"),
    )
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, POLICIES)) as installation:
        installation.start()
        add = ("add-source", "--source-id", "gauge-south", "--name", HOSTILE, "--area", GRID.code)
        run_commands([Command(add)], tmp_path / "centre.yaml", installation._environment())
        yield installation


def opened(page: Page, centre: CentreOnly, name: str) -> Page:
    sign_in(page, name, centre.password_of(name))
    page.get_by_test_id("more-pages").click()
    page.get_by_test_id("to-sightings").click()
    expect(page.get_by_test_id("sightings-none")).to_be_visible()
    return page


def fill(page: Page, text: str) -> None:
    page.get_by_test_id("report-open").click()
    page.get_by_test_id("report-form").get_by_test_id("report-hazard").select_option("fire_smoke")
    page.get_by_test_id("report-longitude").fill(str(PLACE.x))
    page.get_by_test_id("report-latitude").fill(str(PLACE.y))
    page.get_by_test_id("report-text").fill(text)


def test_a_desk_takes_down_what_residents_saw(browser: Browser, centre: CentreOnly) -> None:
    page = opened(desk(browser, centre.origin), centre, "operator")
    fill(page, HOSTILE)
    page.get_by_test_id("report-look").click()
    expect(page.get_by_test_id("report-near")).to_contain_text("没有同类未结事件")
    expect(page.get_by_test_id("report-near")).to_contain_text(HOSTILE)  # the camera's name, as text
    page.get_by_test_id("report-number").fill("138 0000 1111")
    page.get_by_test_id("report-send").click()
    expect(page.get_by_test_id("report-said")).to_contain_text("新建事件")
    row = page.get_by_test_id("sighting")
    expect(row).to_have_count(1)
    expect(row).to_contain_text(HOSTILE)
    expect(row).to_contain_text("居民上报")
    expect(row).to_contain_text("0 米")
    row.get_by_test_id("call-back").click()
    expect(row.get_by_test_id("call-back-number")).to_have_text("138 0000 1111")

    fill(page, "请回 13800001111")
    page.get_by_test_id("report-send").click()
    expect(page.get_by_test_id("report-failure")).to_be_visible()  # a number would live as long as the incident
    page.get_by_test_id("report-text").fill("还在冒烟")
    page.get_by_test_id("report-look").click()
    expect(page.get_by_test_id("report-near").locator("a")).to_have_count(1)
    page.get_by_test_id("report-send").click()
    expect(page.get_by_test_id("report-said")).to_contain_text("并入事件")
    expect(row).to_have_count(2)
    page.get_by_test_id("filter-channel").select_option("worker")
    expect(page.get_by_test_id("sightings-none")).to_be_visible()
    page.get_by_test_id("filter-channel").select_option("")
    page.get_by_test_id("filter-missed").check()
    expect(page.get_by_test_id("sightings-none")).to_be_visible()
    page.get_by_test_id("filter-missed").uncheck()
    page.get_by_test_id("tab-missed").click()
    expect(page.get_by_test_id("missed-none")).to_be_visible()
    page.get_by_test_id("tab-sources").click()
    expect(page.get_by_test_id("source")).to_contain_text(HOSTILE)
    expect(page.get_by_test_id("source")).to_contain_text("从未收到")
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("source")).to_contain_text("never")
    assert too_wide_at(page) == []
    page.get_by_test_id("tab-sightings").click()
    page.get_by_test_id("sighting-incident").first.click()
    expect(page.get_by_test_id("incident-page")).to_be_visible()
    assert [said for said in complaints(page) if "422" not in said] == []
    assert asked_elsewhere(page, centre.origin) == []


def test_an_auditor_reads_and_reports_nothing(browser: Browser, centre: CentreOnly) -> None:
    page = opened(handset(browser, centre.origin), centre, "auditor")
    expect(page.get_by_test_id("report-open")).to_have_count(0)
    assert too_wide_at(page) == []
    assert complaints(page) == []
