"""The release of cameras in a real browser against a real centre: stated, signed for, withdrawn, and who may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import asked_elsewhere, complaints, desk, handset, sign_in
from tests.support.puppet_node import CentreOnly
from tests.support.room import too_wide_at
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import DEMO_SIGNER, NODE_ID, Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SOON_MS = 40_000
GRID = make_city(DEMO).of_level("grid")[3]
PLACE = GRID.polygon.representative_point()
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    cameras = (WatchedCamera("cam-0", "看通道的", "file:none.mp4", GRID.code, PLACE.x, PLACE.y),)
    bare = {"camera_id": "cam-bare", "name": HOSTILE, "longitude": PLACE.x, "latitude": PLACE.y, "node_id": NODE_ID}
    accounts = (
        Account("chief", "supervisor", city.areas[0].code, "主任"),
        Account("ruler", "rule_operator", city.areas[0].code, "运维"),
        Account("desk", "operator", city.areas[0].code, "值班员"),
    )
    with CentreOnly(tmp_path, Plan(city, cameras, (bare,), accounts, POLICIES)) as installation:
        installation.start()
        yield installation


def opened(page: Page, centre: CentreOnly, name: str) -> Page:
    sign_in(page, name, centre.password_of(name))
    page.get_by_test_id("more-pages").click()
    page.get_by_test_id("to-releases").click()
    expect(page.get_by_test_id("gate-mode")).to_have_attribute("data-mode", "enforce")
    return page


def test_a_camera_is_stated_signed_for_and_withdrawn(browser: Browser, centre: CentreOnly) -> None:
    page = opened(desk(browser, centre.origin), centre, "chief")
    row = page.get_by_test_id("release")
    expect(row).to_have_count(1)  # the set-up of the demonstration has signed for its own
    expect(row).to_contain_text(HOSTILE)
    expect(row).to_contain_text("登记不全")
    expect(row).to_contain_text("缺：用途、法律依据、告示牌设置日期、批准的画面范围、画面范围批准日期")

    page.get_by_test_id("release-open").click()
    page.get_by_test_id("release-purpose").fill("通道监看")
    page.get_by_test_id("release-legal_basis").fill("条例第三条")
    page.get_by_test_id("release-approved_view").fill("只看通道")
    page.get_by_test_id("release-signed_on").fill("2099-01-01")
    page.get_by_test_id("release-view_approved_on").fill("2026-05-01")
    page.get_by_test_id("release-sign").click()
    expect(page.get_by_test_id("release-failure")).to_contain_text("告示牌设置日期: expected a day that has come")
    page.get_by_test_id("release-signed_on").fill("2026-05-01")
    page.get_by_test_id("release-sign").click()
    expect(page.get_by_test_id("release-said")).to_contain_text("已签批")
    expect(page.get_by_test_id("releases-none")).to_be_visible()

    page.get_by_test_id("only-all").click()
    expect(row).to_have_count(2)
    expect(row.filter(has_text="cam-0")).to_contain_text(DEMO_SIGNER)
    mine = page.locator('[data-camera="cam-bare"]')
    expect(mine).to_contain_text("chief")
    mine.get_by_test_id("release-open").click()
    page.get_by_test_id("release-why").fill("通道改造")
    page.get_by_test_id("release-withdraw").click()
    expect(mine).to_have_attribute("data-state", "withdrawn")
    expect(mine).to_contain_text("chief 撤销：通道改造")
    page.goto(f"{centre.origin}/rules/cam-bare")
    expect(page.get_by_test_id("not-released")).to_contain_text("不下发规则")
    page.goto(f"{centre.origin}/rules/cam-0")
    expect(page.get_by_test_id("rules-state")).to_be_visible()
    expect(page.get_by_test_id("not-released")).to_have_count(0)
    assert page.title() != "1", "a name is text"
    assert [one for one in complaints(page) if "422" not in one] == [], "the day to come was refused, and said so"
    assert asked_elsewhere(page, centre.origin) == []


def test_who_may_look_and_who_may_not(browser: Browser, centre: CentreOnly) -> None:
    page = opened(handset(browser, centre.origin), centre, "ruler")
    expect(page.get_by_test_id("release")).to_have_count(1)
    expect(page.get_by_test_id("release-open")).to_have_count(0)
    assert too_wide_at(page) == []
    page = desk(browser, centre.origin)
    sign_in(page, "desk", centre.password_of("desk"))
    page.get_by_test_id("more-pages").click()
    expect(page.get_by_test_id("to-releases")).to_have_count(0)
