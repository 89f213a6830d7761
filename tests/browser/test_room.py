"""At 1366 x 768, in both languages: nothing lies on anything, nothing is cut off, the map shows the city."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_console import SOON_MS, as_operator, blocked, centre, node
from tests.support import room
from tests.support.browser import come_to_rest, complaints, too_wide
from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_alerts.contract import Hazard, Severity

__all__ = ["centre", "node"]  # fixtures

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

# Of what is under `within`: pairs that lie on each other, words that leave their button, and what scrolls sideways.
_CROWDED = """(within) => {
  const found = [];
  for (const root of document.querySelectorAll(within)) {
    const all = [...root.querySelectorAll("button, a, b, time, li")].filter((one) => one.checkVisibility());
    const boxes = all.map((one) => one.getBoundingClientRect());
    const name = (one) => `${one.tagName} "${(one.textContent || "").trim().slice(0, 24)}"`;
    all.forEach((one, i) => {
      if (one.tagName === "BUTTON" && one.scrollWidth > one.clientWidth + 1) found.push(`words leave ${name(one)}`);
      all.forEach((other, j) => {
        if (j <= i || one.contains(other) || other.contains(one)) return;
        const across = Math.min(boxes[i].right, boxes[j].right) - Math.max(boxes[i].left, boxes[j].left);
        const down = Math.min(boxes[i].bottom, boxes[j].bottom) - Math.max(boxes[i].top, boxes[j].top);
        if (across > 1 && down > 1) found.push(`${name(one)} lies on ${name(other)}`);
      });
    });
  }
  for (const one of document.querySelectorAll("main, main *"))
    if (one.scrollWidth > one.clientWidth + 1 && ["auto", "scroll"].includes(getComputedStyle(one).overflowX))
      found.push(`scrolls sideways: ${one.tagName}.${one.className}`);
  return found;
}"""


def crowded(page: Page, within: str) -> list[str]:
    come_to_rest(page)
    return list(page.evaluate(_CROWDED, within))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_nothing_lies_on_anything_else_with_a_case_open(
    browser: Browser, centre: CentreOnly, node: PuppetNode, language: str
) -> None:
    page = as_operator(browser, centre)
    if language == "en":
        page.get_by_test_id("language").click()
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    page.get_by_test_id("incident-row").first.get_by_role("button").click(timeout=SOON_MS)
    expect(page.get_by_test_id("move-confirm")).to_be_visible()
    assert crowded(page, '[data-testid="moves"], header.top') == []
    assert too_wide(page) == []
    expect(page.get_by_test_id("legend-unknown")).to_have_text("状态未知" if language == "zh" else "State unknown")
    page.get_by_test_id("open-page").click()
    expect(page.get_by_test_id("incident-page").get_by_test_id("move-confirm")).to_be_visible()
    assert crowded(page, '[data-testid="moves"], header.top') == []
    assert too_wide(page) == []
    assert complaints(page) == []


def test_the_map_fits_its_room_again_when_a_case_opens_and_stays_where_somebody_moved_it(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = as_operator(browser, centre)
    expect(page.get_by_test_id("map")).not_to_have_attribute("data-areas", "0")
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    page.get_by_test_id("incident-row").first.get_by_role("button").click(timeout=SOON_MS)
    expect(page.get_by_test_id("move-confirm")).to_be_visible()
    spot = page.get_by_test_id("map-incident")

    def at() -> dict[str, float]:
        """Where the mark is once it has not moved for a while: the map glides."""
        seen: list[dict[str, float] | None] = [None]
        for _ in range(200):
            page.wait_for_timeout(100)
            box = spot.bounding_box()
            seen.append(box and {"x": round(box["x"]), "y": round(box["y"])})
            if seen[-1] is not None and seen[-8:] == 8 * [seen[-1]]:
                return seen[-1]
        raise AssertionError(f"the map does not come to rest: {seen[-8:]}")

    opened = at()
    page.get_by_test_id("map").locator(".fit").click()
    assert at() == opened, "the whole area was shown already"
    page.get_by_test_id("map").get_by_role("button", name="+").click()
    closer = at()
    assert closer != opened
    page.keyboard.press("Escape")
    expect(page.get_by_test_id("case-panel")).to_have_count(0)
    page.get_by_test_id("incident-row").first.get_by_role("button").click()
    expect(page.get_by_test_id("case-panel")).to_be_visible()
    page.get_by_test_id("map").locator(".fit").click()
    assert at() == opened


@pytest.mark.parametrize("language", ["zh", "en"])
def test_at_the_width_of_a_phone_the_command_page_shows_the_list_or_the_case(
    browser: Browser, centre: CentreOnly, node: PuppetNode, language: str
) -> None:
    blocked(node, "cam-0", Severity.ORANGE, Hazard.BLOCKED_EXIT)
    page = as_operator(browser, centre)
    if language == "en":
        page.get_by_test_id("language").click()
    page.set_viewport_size({"width": 390, "height": 844})
    row = page.get_by_test_id("incident-row").first
    expect(row).to_be_visible(timeout=SOON_MS)
    expect(page.get_by_test_id("proof")).to_be_visible()
    assert room.crowded(page) == []
    row.get_by_role("button").click()
    expect(page.get_by_test_id("move-confirm")).to_be_visible()
    expect(row).to_be_hidden()
    assert room.crowded(page) == []
    page.get_by_test_id("case-panel").locator(".close").click()
    expect(row).to_be_visible()
    assert complaints(page) == []


_LINE = "display: block; width: 90px; font: 20px/1 sans-serif; white-space: nowrap"
_FOOT = "position: sticky; bottom: 0; height: 90px; background: navy"
_ROOM = {
    "cut": (f'<p style="{_LINE}; overflow: hidden">a name that goes on and on</p>', "is cut by"),
    "ends in dots": (
        f'<p style="{_LINE}; overflow: hidden; text-overflow: ellipsis">a name that goes on and on</p>',
        None,
    ),
    "cut through": (
        '<p style="height: 12px; overflow: hidden; font: 20px/1 sans-serif">a name</p>',
        "is cut through by",
    ),
    "out of its box": (f'<p style="{_LINE}; background: teal">a name that goes on and on</p>', "stands out of"),
    "on another": ('<p>a name</p><p style="margin-top: -30px">another</p>', "lies on"),
    "set close": (
        '<p style="margin: 0; font: 20px/20px sans-serif">待接手</p><b style="font: 70px/70px sans-serif">5</b>',
        None,
    ),
    "under a foot that a scroll frees": (
        f'<div style="height: 150px; overflow: auto; scroll-padding-bottom: 95px"><div style="height: 80px"></div>'
        f'<button>press</button><div style="height: 200px"></div><div style="{_FOOT}"></div></div>',
        None,
    ),
    "under a foot for good": (
        f'<div style="height: 150px; overflow: auto"><div style="height: 80px"></div>'
        f'<button>press</button><div style="height: 200px"></div><div style="{_FOOT}"></div></div>',
        "lies under",
    ),
}


@pytest.mark.parametrize(("body", "said"), _ROOM.values(), ids=list(_ROOM))
def test_what_has_no_room_is_named_and_what_has_it_is_not(browser: Browser, body: str, said: str | None) -> None:
    page = browser.new_page(viewport={"width": 400, "height": 300})
    page.set_content(body)
    found = room.crowded(page)
    assert (found == []) if said is None else any(said in words for words in found), found
