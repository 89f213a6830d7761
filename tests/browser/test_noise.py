"""The noise board in a real browser: a rule that was judged false again and again stands at the top, and leads to its
own page with the suggestions open."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.accessibility import serious
from tests.support.browser import complaints, desk, sign_in
from tests.support.room import too_wide_at
from tests.support.small_city import CAMERAS, Small, small
from xueliang_demo.api_client import Person
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

# Nobody is sent before a person has judged.
JUDGED = POLICIES | {"policies": [one for one in POLICIES["policies"] if not one["auto_dispatch"]]}
SOON_MS = 60_000  # the worker follows every 20 s
FALSE_ALARMS = 3


def _waiting(person: Person, camera_id: str) -> str:
    """The id of the incident that waits there, once it does."""
    found: list[str] = []

    def is_there() -> bool:
        waiting = [one for one in person.incidents() if one["state"] == "open"]  # the judged ones are listed as well
        found[:] = [one["incident_id"] for one in waiting if one["place"]["camera_id"] == camera_id]
        return bool(found)

    wait_until(is_there, "the incident", 30.0)
    return found[0]


def judged_false(place: Small, camera: int, times: int) -> None:
    """So many incidents of a camera, one after the other, each judged a false alarm."""
    person = place.centre.log_in("chief")
    for _ in range(times):
        place.raise_one(camera)
        person.move_incident(_waiting(person, f"cam-{camera}"), "false_alarm", reason_code="shadow_or_light")
    person.close()


def _read_again(page: Page) -> bool:
    """A board that could not be read says so, and is asked for again by whoever looks."""
    page.reload()
    board, failed = page.get_by_test_id("noise-rules"), page.get_by_test_id("noise-failure")
    board.or_(failed).first.wait_for()
    return board.is_visible()


def test_a_noisy_rule_stands_at_the_top_and_its_link_opens_it(browser: Browser, tmp_path: Path) -> None:
    with small(tmp_path / "small", JUDGED) as place:
        judged_false(place, 0, FALSE_ALARMS)
        judged_false(place, CAMERAS - 1, 1)
        page = desk(browser, place.centre.origin)
        sign_in(page, "ruler", place.centre.password_of("ruler"))
        page.get_by_test_id("more-pages").click()
        page.get_by_test_id("to-noise").click()
        page.wait_for_url("**/noise*")
        top = page.get_by_test_id("noise-rule").first

        def is_counted() -> bool:
            if not _read_again(page):
                return False
            return page.get_by_test_id("noise-rule").count() == 2

        wait_until(is_counted, "both rules on the board", SOON_MS / 1000)
        expect(top).to_have_attribute("data-camera", "cam-0")
        expect(top.locator("td").nth(1)).to_have_text(str(FALSE_ALARMS))
        expect(top.locator("td").nth(2)).to_have_text("100%")
        change = top.get_by_test_id("noise-change").first
        expect(change).to_have_attribute("data-change", "too_little")
        expect(change).to_contain_text(f"只有 {FALSE_ALARMS} 件，满 8 件才提")
        expect(page.get_by_test_id("noise-camera").first).to_have_attribute("data-camera", "cam-0")
        assert serious(page) == []
        assert too_wide_at(page) == []

        page.get_by_test_id("order-share").click()
        expect(page.get_by_test_id("noise-rules-empty")).to_be_visible()  # nobody has judged any rule 8 times
        page.get_by_test_id("order-number").click()
        page.get_by_test_id("span-shift").click()
        expect(page.get_by_test_id("noise-rule")).to_have_count(2)

        judged_false(place, 0, 8 - FALSE_ALARMS)

        def is_suggested() -> bool:
            if not _read_again(page):
                return False
            return top.locator("td").nth(1).inner_text() == "8"

        wait_until(is_suggested, "all eight", SOON_MS / 1000)
        page.get_by_test_id("language").click()
        expect(change).to_contain_text("needed")  # all on one day: nothing to check on
        page.goto("/rules/cam-0?rule=fire-lane-obstruction&open=suggest")
        expect(page.get_by_test_id("draft-editor")).to_be_visible()
        expect(page.get_by_test_id("suggest")).to_be_in_viewport()
        assert complaints(page) == []
