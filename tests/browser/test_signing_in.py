"""Signing in at a desk and on a phone: a second factor enrolled, asked, taken away; the identity provider."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import complaints, desk, handset, sign_in, too_wide
from tests.support.identity_provider import CLIENT_ID, CLIENT_SECRET, IdentityProvider
from tests.support.puppet_node import CentreOnly
from xueliang_alerts.clocks import system_wall
from xueliang_central.rights.totp import code_of, step_of
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


class SigningCentre(CentreOnly):
    """Demands a second factor of approvers, and knows an identity provider."""

    provider: IdentityProvider

    def _centre_settings(self) -> dict[str, Any]:
        settings = super()._centre_settings()
        known = {"issuer": self.provider.issuer, "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        settings["centre"]["accounts"] = {"second_factor": "approvers", "single_sign_on": known}
        settings["centre"]["http"]["public_origin"] = self.origin
        return settings


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigningCentre]:
    city = make_city(DEMO)
    root, grid = city.areas[0].code, city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = (WatchedCamera("cam-0", "东巷0号", "file:none.mp4", grid.code, place.x, place.y),)
    accounts = (
        Account("head", "supervisor", root, "主管"),
        Account("keeper", "security", root, "安全管理员"),
        Account("li", "operator", root, "值班员"),
        Account("wang", "worker", grid.code, "网格员"),
    )
    folder: Path = tmp_path_factory.mktemp("signing-in")
    with (
        IdentityProvider(wall=system_wall) as provider,
        SigningCentre(folder, Plan(city, cameras, (), accounts, POLICIES)) as installation,
    ):
        installation.provider = provider
        installation.start()
        yield installation


def _codes(secret: str) -> Callable[[], str]:
    """A code not given out before: the centre takes each step's once."""
    raw = base64.b32decode(secret.replace(" ", "") + "=" * (-len(secret.replace(" ", "")) % 8))
    given = [0]

    def next_code() -> str:
        step = max(given[-1] + 1, step_of(system_wall()) - 1)
        given.append(step)
        return code_of(raw, step)

    return next_code


def _enrol(page: Page) -> tuple[Callable[[], str], list[str]]:
    page.get_by_test_id("enrol").click()
    secret = page.get_by_test_id("secret").inner_text()
    code = _codes(secret)
    scanned = _scanned(page)
    assert scanned.startswith("otpauth://totp/Xueliang:")
    assert f"secret={secret.replace(' ', '')}&" in scanned
    page.get_by_test_id("own-code").fill("12ab56")
    page.get_by_test_id("own-code-submit").click()
    expect(page.get_by_test_id("account-failure")).to_be_visible()
    page.get_by_test_id("own-code").fill(code())
    page.get_by_test_id("own-code-submit").click()
    listed = page.get_by_test_id("recovery-codes").locator("li")
    expect(listed).to_have_count(10)
    assert too_wide(page) == []
    return code, listed.all_inner_texts()


def _scanned(page: Page) -> str:
    """What a camera reads of it. A picture taken while the page still moves cannot be read: once more then."""
    for _ in range(5):
        picture = cv2.imdecode(np.frombuffer(page.get_by_test_id("qr").screenshot(), np.uint8), cv2.IMREAD_COLOR)
        scanned, _, _ = cv2.QRCodeDetector().detectAndDecode(picture)
        if scanned:
            return scanned
        page.wait_for_timeout(500)
    return ""


def _first_step(page: Page, centre: SigningCentre, username: str) -> None:
    page.goto("/login")
    page.get_by_test_id("username").fill(username)
    page.get_by_test_id("password").fill(centre.password_of(username))
    page.get_by_test_id("login-submit").click()


def _refused(page: Page) -> list[str]:
    """What the page complains of, without the browser's own words on answers that the test provoked."""
    return [one for one in complaints(page) if not any(status in one for status in ("401", "422", "403"))]


@pytest.mark.parametrize("device", [desk, handset], ids=["desk", "phone"])
def test_an_approver_enrols_and_is_asked_from_then_on(
    browser: Browser, centre: SigningCentre, device: Callable[[Browser, str], Page]
) -> None:
    page = device(browser, centre.origin)
    if device is handset:
        keeper = desk(browser, centre.origin)  # the desk's part enrolled one: the phone is a new one
        sign_in(keeper, "keeper", centre.password_of("keeper"))
        expect(keeper.get_by_test_id("must-enrol")).to_be_visible()
        _enrol(keeper)
        keeper.get_by_test_id("codes-kept").click()
        keeper.locator("[data-testid=account][data-user=head]").get_by_test_id("account-manage").click()
        keeper.get_by_test_id("account-forget").click()
        keeper.get_by_test_id("account-forget").click()  # asked a second time
        expect(keeper.get_by_test_id("accounts-said")).to_contain_text("已重置双因素")
        expect(keeper.get_by_test_id("account-forget")).to_have_count(0)
        assert too_wide(keeper) == []
        assert _refused(keeper) == []
    sign_in(page, "head", centre.password_of("head"))
    expect(page.get_by_test_id("must-enrol")).to_be_visible()
    page.goto("/silences")
    expect(page.get_by_test_id("account-page")).to_be_visible()
    code, recovery = _enrol(page)
    page.get_by_test_id("codes-kept").click()
    page.wait_for_url(lambda url: "/account" not in url)
    page.context.clear_cookies()
    _first_step(page, centre, "head")
    page.get_by_test_id("code").fill("000 000")
    page.get_by_test_id("code-submit").click()
    expect(page.get_by_test_id("login-failure")).to_be_visible()
    assert too_wide(page) == []
    page.get_by_test_id("language").click()
    expect(page.get_by_test_id("login-failure")).to_contain_text("used before")
    page.get_by_test_id("code").fill(code())
    page.get_by_test_id("code-submit").click()
    page.wait_for_url(lambda url: "/login" not in url)
    page.context.clear_cookies()
    _first_step(page, centre, "head")
    page.get_by_test_id("code").fill(recovery[0])
    page.get_by_test_id("code-submit").click()
    page.wait_for_url(lambda url: "/login" not in url)
    page.goto("/account")
    expect(page.get_by_test_id("enrolled")).to_contain_text("9")
    assert _refused(page) == []


@pytest.mark.parametrize(("device", "username"), [(desk, "li"), (handset, "wang")], ids=["desk", "phone"])
def test_the_identity_provider_opens_the_persons_own_page(
    browser: Browser, centre: SigningCentre, device: Callable[[Browser, str], Page], username: str
) -> None:
    centre.provider.person = f"demo-{username}"
    page = device(browser, centre.origin)
    page.goto("/login")
    page.get_by_test_id("single-sign-on").click()
    page.wait_for_url(lambda url: "/login" not in url and "/api/" not in url)
    if device is handset:
        expect(page.get_by_test_id("phone-page")).to_be_visible()
        page.get_by_test_id("to-account").click()
        expect(page.get_by_test_id("second-factor")).to_be_visible()
        assert too_wide(page) == []
        page.get_by_test_id("back").click()
        expect(page.get_by_test_id("phone-page")).to_be_visible()
    else:
        expect(page.get_by_test_id("user")).to_contain_text("值班员")
    assert _refused(page) == []


def test_what_the_provider_could_not_do_is_said_and_local_sign_in_stays(
    browser: Browser, centre: SigningCentre
) -> None:
    page = desk(browser, centre.origin)
    centre.provider.person = "a stranger"
    page.goto("/login")
    page.get_by_test_id("single-sign-on").click()
    expect(page.get_by_test_id("login-failure")).to_contain_text("没有登记您的账号")
    centre.provider.person, centre.provider.faults = "demo-li", {"/token": "500"}
    page.get_by_test_id("single-sign-on").click()
    expect(page.get_by_test_id("login-failure")).to_contain_text("请使用本地账号登录")
    centre.provider.faults = {}
    page.goto("/login?sso=<b>evil</b>")
    expect(page.get_by_test_id("login-failure")).to_have_count(0)
    sign_in(page, "li", centre.password_of("li"))
    expect(page.get_by_test_id("user")).to_be_visible()
    assert _refused(page) == []
