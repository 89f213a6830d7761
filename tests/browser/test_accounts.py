"""The accounts page in a real browser: a security administrator keeps them, an audit administrator reads them, and
nobody else comes near; a hostile name is text."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.accessibility import serious
from tests.support.browser import complaints, desk, sign_in, too_wide
from tests.support.pictures_for_people import shoot
from tests.support.puppet_node import CentreOnly
from tests.support.small_city import HOSTILE
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

PASSWORD = "for the first sign-in"
EVIL = f"{HOSTILE}李娜"


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    root, grid = city.areas[0].code, city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = (WatchedCamera("cam-0", "东巷0号", "file:none.mp4", grid.code, place.x, place.y),)
    accounts = (
        Account("keeper", "security", root, "安全管理员"),
        Account("auditor", "auditor", root, "审计管理员"),
        Account("chief", "admin", root, "系统管理员"),
        Account("wang", "operator", root, "王值班"),
        Account("worker", "worker", grid.code, "李网格"),
    )
    folder = tmp_path_factory.mktemp("accounts")
    with CentreOnly(folder, Plan(city, cameras, (), accounts, POLICIES)) as installation:
        installation.start()
        yield installation


def at_the_page(browser: Browser, centre: CentreOnly, who: str) -> Page:
    page = desk(browser, centre.origin)
    sign_in(page, who, centre.password_of(who))
    page.goto("/accounts")
    return page


def row(page: Page, username: str) -> Locator:
    return page.locator(f'[data-testid="account"][data-user="{username}"]')


def said(page: Page, words: str) -> None:
    expect(page.get_by_test_id("accounts-said")).to_contain_text(words)


def test_an_account_is_made_changed_given_the_right_to_watch_live_and_disabled(
    browser: Browser, centre: CentreOnly
) -> None:
    page = at_the_page(browser, centre, "keeper")
    expect(page.get_by_test_id("three").locator("li.you")).to_have_attribute("data-role", "security")
    expect(row(page, "keeper").get_by_test_id("account-manage")).to_have_count(0)  # nobody changes the own account
    shoot(page, "accounts")
    page.get_by_test_id("account-make").click()
    form = page.get_by_test_id("account-new")
    form.get_by_test_id("account-username").fill("li.na")
    form.get_by_test_id("account-name").fill(EVIL)
    form.get_by_test_id("account-area").fill("880101")
    expect(form.get_by_test_id("account-area-said")).to_have_text("您的区域内没有这个代码")
    expect(form.get_by_test_id("account-add")).to_be_disabled()
    form.get_by_test_id("account-area").fill(make_city(DEMO).of_level("county")[0].code)
    form.get_by_test_id("account-password").fill(PASSWORD)
    form.get_by_test_id("account-role").select_option("auditor")
    expect(form.get_by_test_id("account-add")).to_be_disabled()  # one of the three names its holder
    form.get_by_test_id("account-role").select_option("operator")
    expect(form.get_by_test_id("account-add")).to_be_enabled()
    shoot(page, "accounts-new")
    form.get_by_test_id("account-add").click()
    said(page, EVIL)
    expect(page.locator('[src="/hostile"]')).to_have_count(0)
    panel = page.get_by_test_id("account-panel")
    expect(panel).to_have_attribute("data-user", "li.na")
    panel.get_by_test_id("live-right-why").fill("汛期值守")
    panel.get_by_test_id("live-right-days").select_option("90")
    panel.get_by_test_id("live-right-give").click()
    said(page, "已授予")
    expect(panel.get_by_test_id("live-right-has")).to_contain_text("汛期值守")
    expect(row(page, "li.na").get_by_test_id("has-live")).to_be_visible()
    assert serious(page) == []
    assert too_wide(page) == []
    shoot(page, "accounts-in-hand")
    panel.get_by_test_id("account-role").select_option("worker")
    panel.get_by_test_id("live-right-take").click()
    said(page, "已收回")
    expect(row(page, "li.na").get_by_test_id("has-live")).to_have_count(0)
    expect(panel.get_by_test_id("account-role")).to_have_value("worker")  # chosen, and not saved yet
    panel.get_by_test_id("account-save").click()
    said(page, "已保存")
    expect(panel.get_by_test_id("live-right-not")).to_be_visible()
    panel.get_by_test_id("account-turn").click()
    panel.get_by_test_id("account-turn").click()  # asked a second time
    said(page, "已停用")
    page.get_by_test_id("accounts-standing").select_option("disabled")
    expect(page.get_by_test_id("account")).to_have_count(1)
    assert [one for one in complaints(page) if "404" not in one] == []  # an area that is not there was looked for
    page.set_viewport_size({"width": 390, "height": 844})
    assert too_wide(page) == []
    shoot(page, "accounts-narrow")
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.get_by_test_id("language").click()
    page.get_by_test_id("accounts-standing").select_option("all")
    assert too_wide(page) == []
    shoot(page, "accounts-english")


def test_the_three_are_not_combined_and_the_centre_says_why(browser: Browser, centre: CentreOnly) -> None:
    page = at_the_page(browser, centre, "keeper")
    row(page, "chief").get_by_test_id("account-manage").click()
    panel = page.get_by_test_id("account-panel")
    panel.get_by_test_id("account-role").select_option("auditor")
    panel.get_by_test_id("account-save").click()
    expect(panel.get_by_test_id("account-failure")).to_contain_text("cannot become audit administrator")
    shoot(page, "accounts-refused")
    expect(row(page, "chief")).to_contain_text("系统管理员")


def test_who_audits_reads_and_nobody_else_comes_near(browser: Browser, centre: CentreOnly) -> None:
    page = at_the_page(browser, centre, "auditor")
    expect(page.get_by_test_id("accounts-page")).to_be_visible()
    expect(row(page, "wang")).to_be_visible()
    for act in ("account-manage", "account-make"):
        expect(page.get_by_test_id(act)).to_have_count(0)
    assert complaints(page) == []
    shoot(page, "accounts-auditor")
    page.goto("/account")
    expect(page.get_by_test_id("bulk-none")).to_be_visible()
    shoot(page, "account-of-the-auditor")
    for who in ("chief", "wang", "worker"):
        other = at_the_page(browser, centre, who)
        expect(other.get_by_test_id("accounts-page")).to_have_count(0)
        other.wait_for_url(lambda url: "/accounts" not in url)
    keeper = at_the_page(browser, centre, "keeper")
    keeper.goto("/")
    expect(keeper.get_by_test_id("accounts-page")).to_be_visible()
