"""The review of what ended by itself in a real browser: many at once by keys; one that comes back meanwhile stays."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.accessibility import serious
from tests.support.browser import complaints, desk, drawn_jpeg, sign_in
from tests.support.puppet_node import Episode
from tests.support.room import too_wide_at
from tests.support.small_city import BLOCKED, CAMERAS, Small, small
from xueliang_alerts.contract import Hazard, Reason, Severity
from xueliang_demo.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

CLEAR = Reason(code="lane_clear", text="lane 2% covered", about={"place": "lane"})
HAZARDS = (Hazard.CROWD, Hazard.ILLEGAL_PARKING, Hazard.BLOCKED_EXIT)
TOTAL = CAMERAS * len(HAZARDS)


def _raise(place: Small, camera: int, hazard: Hazard) -> Episode:
    return place.node.raise_alert(
        f"cam-{camera}",
        hazard,
        Severity.YELLOW,
        reason=BLOCKED,
        boxes=[(0.2, 0.2, 0.4, 0.6)],
        began_s_ago=95.0,
        picture=drawn_jpeg(640 + 16 * camera, 360),
    )


def _let_end(place: Small) -> None:
    """Each is seen clear before anybody has judged it."""
    raised = [_raise(place, camera, hazard) for camera in range(CAMERAS) for hazard in HAZARDS]
    for episode in raised:
        place.node.see_clear(episode, reason=CLEAR)
    person = place.centre.log_in("chief")

    def have_ended() -> bool:
        found = person.incidents()
        return len(found) == TOTAL and {one["close_reason"] for one in found} == {"ended_by_itself"}

    wait_until(have_ended, f"{TOTAL} incidents that ended by themselves", 60.0)
    person.close()


def _ticked(page: Page) -> int:
    return page.locator('[data-testid="review-tick"]:checked').count()


def test_many_are_reviewed_by_keys_and_what_comes_back_is_left(browser: Browser, tmp_path: Path) -> None:
    with small(tmp_path / "small") as place:
        _let_end(place)
        page = desk(browser, place.centre.origin)
        sign_in(page, "operator", place.centre.password_of("operator"))
        expect(page.get_by_test_id("to-review")).to_have_text(str(TOTAL), timeout=30_000)
        page.get_by_test_id("more-pages").click()
        page.get_by_test_id("to-reviews").click()
        cards = page.get_by_test_id("review")
        expect(cards).to_have_count(TOTAL)
        expect(cards.first).to_contain_text(re.compile("持续 1分(3[5-9]|[45]\\d)秒"))
        assert serious(page) == []
        assert too_wide_at(page) == []

        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        assert _ticked(page) == 2
        page.keyboard.press("2")  # a false alarm asks why
        expect(page.get_by_test_id("review-why")).to_be_visible()
        page.keyboard.press("1")
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("review-said")).to_contain_text("已复核 2 起：误报")
        expect(cards).to_have_count(TOTAL - 2)
        expect(page.get_by_test_id("waiting-count")).to_have_text(str(TOTAL - 2))

        back = cards.last
        name, hazard = back.get_attribute("data-id"), back.locator("b").inner_text()
        page.get_by_test_id("review-camera").last.click()
        expect(page.get_by_test_id("any-camera")).to_be_visible()
        expect(cards.first).to_contain_text("东巷")
        page.get_by_test_id("any-camera").click()
        expect(cards).to_have_count(TOTAL - 2)
        page.keyboard.press("a")
        assert _ticked(page) == TOTAL - 2
        camera = CAMERAS - 1 if f"东巷{CAMERAS - 1}号" in back.inner_text() else 0
        _raise(place, camera, {"人员聚集": HAZARDS[0], "违停": HAZARDS[1]}.get(hazard, HAZARDS[2]))
        card = page.locator(f'[data-testid="review"][data-id="{name}"]')
        expect(card.get_by_test_id("review-back")).to_be_visible(timeout=30_000)
        expect(card.get_by_test_id("review-tick")).to_be_disabled()
        page.keyboard.press("1")
        expect(page.get_by_test_id("review-said")).to_contain_text(f"已复核 {TOTAL - 3} 起：属实")
        expect(cards).to_have_count(1)
        expect(page.get_by_test_id("to-review")).to_have_count(0)

        page.get_by_test_id("which-reviewed").click()
        expect(cards).to_have_count(TOTAL - 1)
        page.get_by_test_id("language").click()
        expect(page.get_by_test_id("reviews-page")).to_contain_text("False alarm")
        assert too_wide_at(page) == []
        assert complaints(page) == []
