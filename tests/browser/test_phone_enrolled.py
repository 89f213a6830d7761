"""A phone is enrolled by the picture on the supervisor's page, in real browsers against a real centre: it goes on by
its own key when its session has ended, sends what waited without a password, and says when it was taken away.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.test_phone_offline import SOON_MS, Grid, grid, is_installed, kept_on, until
from tests.browser.test_rosters import page_of
from tests.support.browser import asked_elsewhere, complaints, handset, requested, too_wide
from tests.support.legible import faults

__all__ = ["grid"]  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]


def scanned(page: Page) -> str:
    """What a camera reads on the supervisor's screen."""
    picture = page.get_by_test_id("phone-qr").screenshot()
    image_bgr = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(cv2.resize(image_bgr, None, fx=2, fy=2))
    return str(text)


def end_sessions_of_phones(grid: Grid) -> None:
    """As after their hour."""
    with closing(sqlite3.connect(grid.centre.folder / "centre" / "centre.db", timeout=10)) as database, database:
        assert database.execute("delete from sessions where phone_id is not null").rowcount > 0


def signs_in_by_provider(phone: Page, grid: Grid, username: str) -> None:
    """As the way back from the identity provider leaves a browser: a session, and this address."""
    body = {"username": username, "password": grid.password(username)}
    assert phone.request.post("/api/session", data=body).ok
    phone.goto("/login?sso=done")
    expect(phone.get_by_test_id("user")).to_be_visible(timeout=SOON_MS)


def list_of_worker(browser: Browser, grid: Grid) -> Page:
    desk = page_of(browser, grid.centre, "chief")
    desk.locator("button.pick", has_text="李网格").click()
    expect(desk.get_by_test_id("phones-none")).to_be_visible(timeout=SOON_MS)
    return desk


def enrolled(phone: Page, desk: Page, grid: Grid) -> None:
    """The whole way, from the supervisor's press to the worker's list of tasks."""
    desk.get_by_test_id("phone-enrol").click()
    expect(desk.get_by_test_id("phone-qr")).to_be_visible(timeout=SOON_MS)
    assert too_wide(desk) == []
    address = scanned(desk)
    parts = urlsplit(address)
    assert address.startswith(f"{grid.centre.origin}/phone/enrol#")
    assert parts.query == "", "a query would stand in logs"
    assert parts.fragment == (desk.get_by_test_id("phone-code-text").text_content() or "").replace("-", "")
    phone.goto(address)
    expect(phone.get_by_test_id("enrol-whose")).to_contain_text("李网格", timeout=SOON_MS)
    assert phone.url == f"{grid.centre.origin}/phone/enrol", "the code has left the address"
    assert too_wide(phone) == []
    phone.get_by_test_id("enrol-go").click()
    expect(phone.get_by_test_id("phone-page")).to_be_visible(timeout=SOON_MS)
    expect(desk.get_by_test_id("phones-said")).to_contain_text("已登记：Chrome · ", timeout=SOON_MS)
    expect(desk.get_by_test_id("phone-code")).to_have_count(0)
    expect(desk.get_by_test_id("phone-row")).to_contain_text("chief")
    assert all("#" not in one and parts.fragment not in one for one in requested(phone) if one != address)


def test_a_phone_is_enrolled_goes_on_without_a_password_and_says_when_it_was_taken_away(
    browser: Browser, grid: Grid
) -> None:
    desk, phone = list_of_worker(browser, grid), handset(browser, grid.centre.origin)
    enrolled(phone, desk, grid)
    is_installed(phone)

    first = grid.block(0)
    phone.get_by_test_id("take").click(timeout=SOON_MS)
    until(lambda: grid.state(first) == "taken")
    phone.context.set_offline(True)
    phone.get_by_test_id("arrive").click()
    expect(phone.get_by_test_id("waiting")).to_have_attribute("data-count", "1", timeout=SOON_MS)
    end_sessions_of_phones(grid)
    phone.context.clear_cookies(name="xl_session")
    phone.context.set_offline(False)
    until(lambda: grid.state(first) == "arrived")
    expect(phone.get_by_test_id("link-lost")).to_have_count(0, timeout=SOON_MS)
    assert not any(urlsplit(one).path == "/login" for one in requested(phone))

    end_sessions_of_phones(grid)
    phone.goto("/phone")  # as in the morning
    expect(phone.get_by_test_id("task-card")).to_have_attribute("data-state", "arrived", timeout=SOON_MS)
    phone.goto("/account")
    expect(phone.get_by_test_id("phone-row")).to_contain_text("本机", timeout=SOON_MS)
    assert too_wide(phone) == []
    assert faults(phone) == []
    phone.get_by_test_id("phone-revoke").click()  # asks once more, and nobody presses again
    expect(phone.get_by_test_id("phone-revoke")).to_contain_text("再点一次确认")
    assert faults(phone) == []

    phone.goto("/phone")
    phone.get_by_test_id("sign-out").click(timeout=SOON_MS)
    by_key = phone.get_by_test_id("sign-in-by-phone")
    expect(by_key).to_be_visible(timeout=SOON_MS)
    phone.reload()  # not even now by itself
    expect(by_key).to_contain_text("李网格", timeout=SOON_MS)
    assert too_wide(phone) == []
    by_key.click()
    expect(phone.get_by_test_id("task-card")).to_have_count(1, timeout=SOON_MS)

    signs_in_by_provider(phone, grid, "chief")
    phone.context.clear_cookies(name="xl_session")
    phone.goto("/phone")  # by itself it opens nothing over another's sign-in
    by_key.click(timeout=SOON_MS)
    expect(phone.get_by_test_id("task-card")).to_have_count(1, timeout=SOON_MS)

    second = grid.block(1)
    expect(phone.get_by_test_id("task-card")).to_have_count(2, timeout=SOON_MS)
    phone.context.set_offline(True)
    phone.get_by_test_id("take").click()
    until(lambda: kept_on(phone)["acts"] == 1)
    revoke = desk.get_by_test_id("phone-revoke")
    revoke.click()
    revoke.click()  # asked a second time
    expect(desk.get_by_test_id("phone-is-revoked")).to_contain_text("chief", timeout=SOON_MS)
    phone.context.set_offline(False)
    expect(phone.get_by_test_id("phone-revoked")).to_contain_text("登记已被取消", timeout=SOON_MS)
    assert too_wide(phone) == []
    assert kept_on(phone)["acts"] == 1
    assert grid.state(second) == "offered"
    phone.get_by_test_id("username").fill("worker")
    phone.get_by_test_id("password").fill(grid.password("worker"))
    phone.get_by_test_id("login-submit").click()
    expect(phone.get_by_test_id("login-page")).to_have_count(0, timeout=SOON_MS)
    until(lambda: grid.state(second) == "taken")
    expect(phone.get_by_test_id("phone-revoked")).to_have_count(0, timeout=SOON_MS)
    for page in (desk, phone):
        assert asked_elsewhere(page, grid.centre.origin) == []
    assert complaints(desk) == []


def test_a_code_that_is_closed_enrols_nobody_and_can_be_typed_while_it_stands(browser: Browser, grid: Grid) -> None:
    desk, phone = list_of_worker(browser, grid), handset(browser, grid.centre.origin)
    desk.get_by_test_id("phone-enrol").click()
    address = scanned(desk)
    desk.get_by_test_id("phone-code-close").click()
    expect(desk.get_by_test_id("phone-code")).to_have_count(0)
    until(lambda: not _waits(grid))
    phone.goto(address)
    until(lambda: _is_over(phone))
    desk.get_by_test_id("phone-enrol").click()
    typed = desk.get_by_test_id("phone-code-text").text_content(timeout=SOON_MS) or ""
    phone.goto("/phone")  # as a program on the home screen begins, which has no address to type
    phone.get_by_test_id("to-enrol").click(timeout=SOON_MS)
    phone.get_by_test_id("enrol-typed").fill(typed.lower())
    phone.get_by_test_id("enrol-check").click()
    expect(phone.get_by_test_id("enrol-whose")).to_contain_text("李网格", timeout=SOON_MS)

    desk.reload()  # the code is known to nobody any more, and still stands
    desk.locator("button.pick", has_text="李网格").click()
    expect(desk.get_by_test_id("phone-code-standing")).to_contain_text("chief", timeout=SOON_MS)
    assert too_wide(desk) == []
    desk.get_by_test_id("phone-code-withdraw").click()
    expect(desk.get_by_test_id("phone-code-standing")).to_have_count(0, timeout=SOON_MS)
    until(lambda: not _waits(grid))

    desk.get_by_test_id("phone-enrol").click()
    lost: list[str] = []
    phone.route("**/api/session/phone/enrol", lambda route: _answer_lost(route, lost), times=1)
    phone.goto(scanned(desk))
    phone.get_by_test_id("enrol-go").click(timeout=SOON_MS)
    expect(phone.get_by_test_id("enrol-failure")).to_be_visible(timeout=SOON_MS)
    expect(desk.get_by_test_id("phones-said")).to_contain_text("已登记", timeout=SOON_MS)
    phone.context.clear_cookies(name="xl_session")
    phone.goto("about:blank")  # killed at that moment: scanned again
    phone.goto(f"/phone/enrol#{lost[0]}")
    expect(phone.get_by_test_id("phone-page")).to_be_visible(timeout=SOON_MS)
    expect(desk.get_by_test_id("phone-row")).to_have_count(1)

    late: list[Route] = []
    desk.route("**/phone-code", lambda route: late.append(route), times=1)
    with desk.expect_request(lambda asked: asked.method == "POST" and asked.url.endswith("/phone-code")):
        desk.get_by_test_id("phone-enrol").click()
    desk.locator("button.pick", has_text="李网格").click()
    expect(desk.get_by_test_id("phones-of")).to_have_count(0)
    with desk.expect_response(lambda answer: answer.request.method == "POST" and answer.status == 201):
        late[0].continue_()  # nobody sees the picture any more
    until(lambda: not _waits(grid))


def _is_over(phone: Page) -> bool:
    """A centre whose disk is slow may answer only when it is asked again."""
    again = phone.get_by_test_id("enrol-retry")
    if again.is_visible():
        again.click()
    return phone.get_by_test_id("enrol-failure").filter(has_text="已失效").is_visible()


def _answer_lost(route: Route, codes: list[str]) -> None:
    """The centre has taken it, and the line breaks before its answer."""
    assert route.fetch().ok
    codes.append(route.request.post_data_json["code"])
    route.abort()


def _waits(grid: Grid) -> bool:
    with closing(sqlite3.connect(grid.centre.folder / "centre" / "centre.db", timeout=10)) as database:
        return bool(database.execute("select count(*) from phone_codes").fetchone()[0])
