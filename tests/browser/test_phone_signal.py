"""The moments at which a phone loses its signal or has it back, in a real browser against a real centre: right after
the sign-in every part of the page is there, and nothing is written before the centre has said whose session this is.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.test_phone_offline import (
    SOON_MS,
    Grid,
    cached,
    complaints_but_network,
    grid,
    opened,
    small_phone,
    until,
)
from tests.support.browser import CONSOLE_BUILD, complaints, handset, sign_in

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

PARTS = ("LookedAgain", "LoudBar", "MapLinks", "TaskFacts", "TaskMessages", "UnderWay", "VoiceNote", "WaitingTask")


def _press_everything(phone: Page, task_id: str) -> None:
    """Whatever a worker can open on a task from the offer to the finish; the page begins at the list."""
    opened(phone, task_id)
    expect(phone.get_by_test_id("map-amap")).to_be_visible()
    phone.get_by_test_id("refuse").click()
    phone.get_by_test_id("reason-other").check()
    expect(phone.get_by_test_id("voice-record")).to_be_visible()
    phone.get_by_test_id("reason-sheet").get_by_role("button", name="取消").click()
    phone.get_by_test_id("take").click()
    phone.get_by_test_id("help").click()
    expect(phone.get_by_test_id("reason-sheet")).to_be_visible()
    phone.get_by_test_id("reason-sheet").get_by_role("button", name="取消").click()
    phone.get_by_test_id("ask-suspension").click()
    phone.get_by_role("button", name="取消").click()
    phone.get_by_test_id("write").click()
    expect(phone.get_by_test_id("message-sheet").get_by_test_id("voice-record")).to_be_visible()
    phone.get_by_test_id("message-sheet").get_by_role("button", name="取消").click()
    phone.get_by_test_id("arrive").click()
    expect(phone.get_by_test_id("photo-button-before")).to_be_visible()
    expect(phone.get_by_test_id("photo-button")).to_be_visible()
    expect(phone.get_by_test_id("voice-record")).to_be_visible()
    phone.locator(".back").click()
    expect(phone.get_by_test_id("phone-page")).to_be_visible()


def test_no_part_is_missing_when_the_signal_goes_right_after_the_sign_in(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid)  # opened as /login: no service worker stands behind this page
    first, second = grid.block(0), grid.block(1)
    expect(phone.get_by_test_id("task-card")).to_have_count(2, timeout=SOON_MS)
    assert phone.evaluate("() => navigator.serviceWorker.controller") is None
    phone.context.set_offline(True)
    _press_everything(phone, first)
    phone.reload()  # and one that has only what the worker has kept
    expect(phone.get_by_test_id("task-card")).to_have_count(2, timeout=SOON_MS)
    _press_everything(phone, second)
    assert complaints_but_network(phone) == []


def test_the_program_holds_what_its_pages_load_later(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid)
    kept = [path for path in cached(phone) if path.endswith(".js")]
    texts = "\n".join((CONSOLE_BUILD / path.lstrip("/")).read_text() for path in kept if path != "/phone-worker.js")
    assert [part for part in PARTS if f'__name:"{part}"' not in texts] == []


def test_a_page_that_is_older_than_its_program_has_all_of_it_without_a_signal(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid)
    cookies = phone.context.cookies()
    phone.context.close()
    phone = handset(browser, grid.centre.origin)
    phone.context.add_cookies(cookies)
    phone.goto("/phone")
    phone.wait_for_function("() => navigator.serviceWorker.controller !== null")
    phone.context.set_offline(True)
    phone.get_by_test_id("sign-out").click()
    expect(phone.get_by_test_id("login-page")).to_be_visible(timeout=SOON_MS)
    assert complaints_but_network(phone) == []


def test_nothing_is_written_before_the_centre_has_said_whose_session_this_is(browser: Browser, grid: Grid) -> None:
    phone = handset(browser, grid.centre.origin, service_workers="block")  # so that requests can be held below
    sign_in(phone, "worker", grid.password("worker"))
    expect(phone.get_by_test_id("phone-page")).to_be_visible()
    phone.goto("about:blank")
    grid.block(0)
    until(lambda: _unreceived(phone) > 0)
    held: list[Route] = []
    written: list[str] = []
    phone.route("**/api/session", lambda route: held.append(route))
    phone.on("request", lambda asked: written.append(asked.url) if asked.method != "GET" else None)
    with phone.expect_response("**/api/notices", timeout=SOON_MS):  # what was this phone not told of?
        phone.goto("/phone")  # the owner's page, from what the phone keeps
    expect(phone.get_by_test_id("task-card")).to_have_count(1)
    assert held, "the page asks whose session this is"
    assert written == []
    for route in held:
        route.continue_()
    phone.unroute("**/api/session")
    until(lambda: _unreceived(phone) == 0)
    assert [said for said in complaints(phone) if "403" in said] == []


def _unreceived(phone: Page) -> int:
    """How many notices the phone's person has not been given."""
    return len(phone.request.get("/api/notices").json()["items"])
