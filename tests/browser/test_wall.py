"""The wall in a real browser, at its real sizes: what it shows, that nothing is cut off or scrolls, that it is no
person, and what it says when the centre is silent or its session is over."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.accessibility import serious
from tests.support.browser import come_to_rest, complaints, desk, drawn_jpeg, requested, sign_in
from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_alerts.contract import Hazard, Reason, Severity
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

SOON_MS = 40_000
SILENT_MS = 60_000
PER_PAGE = 5
CAMERAS = 14
NAMES = ("李网格", "王值班")
SIZES = ((1920, 1080), (3840, 2160))
SMALLEST = 1.7  # hundredths of the width: 20 arc minutes from 6 m on a screen of 2.1 m (docs/wall.md)
BLOCKED = Reason(code="lane_blocked", text="blocked", about={"place": "lane"})
RAISED = (
    (Hazard.FIRE_SMOKE, Severity.RED),
    (Hazard.FIRE_LANE_OBSTRUCTION, Severity.ORANGE),
    (Hazard.CROWD, Severity.YELLOW),
    (Hazard.ILLEGAL_PARKING, Severity.BLUE),
)
# Nobody is sent before a person has judged: everything waits.
JUDGED = POLICIES | {"policies": [one for one in POLICIES["policies"] if not one["auto_dispatch"]]}


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[CentreOnly]:
    city = make_city(DEMO)
    grids = city.of_level("grid")
    cameras = []
    for number in range(CAMERAS):
        grid = grids[number % len(grids)]
        point = grid.polygon.representative_point()
        name = f"{number + 1}号楼东侧消防通道"
        cameras.append(WatchedCamera(f"cam-{number}", name, "file:none.mp4", grid.code, point.x, point.y))
    root = city.areas[0].code
    accounts = (
        Account("operator", "operator", root, NAMES[1]),
        Account("worker", "worker", grids[0].code, NAMES[0]),
        Account("wall", "viewer", root, "大屏"),
    )
    with CentreOnly(tmp_path, Plan(city, tuple(cameras), (), accounts, JUDGED)) as installation:
        installation.start()
        yield installation


@pytest.fixture
def node(centre: CentreOnly) -> Iterator[PuppetNode]:
    states = {f"cam-{number}": "offline" if number == CAMERAS - 1 else "streaming" for number in range(CAMERAS)}
    with PuppetNode(centre, states) as puppet:
        yield puppet


def raise_at(node: PuppetNode, number: int, *, drill: bool = False) -> None:
    hazard, severity = RAISED[number % len(RAISED)]
    picture = drawn_jpeg(640, 360)
    node.raise_alert(f"cam-{number}", hazard, severity, reason=BLOCKED, picture=picture, drill=drill)


def wall_of(browser: Browser, centre: CentreOnly, width: int, height: int) -> Page:
    page = desk(browser, centre.origin, width=width, height=height)
    sign_in(page, "wall", centre.password_of("wall"))
    expect(page.get_by_test_id("wall-page")).to_have_attribute("data-state", "fine", timeout=SOON_MS)
    return page


def shoot(page: Page, name: str) -> None:
    """For people: only where a folder is named."""
    folder = os.environ.get("XUELIANG_SHOTS")
    if folder:
        page.wait_for_timeout(1200)
        page.screenshot(path=f"{folder}/{name}.png")


def cut_or_small(page: Page) -> list[str]:
    """What is too small to be read from the far side, leaves the screen, or scrolls."""
    come_to_rest(page)
    return list(
        page.evaluate(
            """(smallest) => {
              const found = [], least = window.innerWidth * smallest / 100 - 0.5;
              const root = document.querySelector('[data-testid=wall-page]');
              if (document.documentElement.scrollHeight > window.innerHeight) found.push('the page scrolls');
              for (const one of root.querySelectorAll('*')) {
                if (one.closest('.leaflet-container')) continue;
                const text = [...one.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
                if (!text) continue;
                const size = parseFloat(getComputedStyle(one).fontSize), box = one.getBoundingClientRect();
                if (size < least) found.push(`${size}px: ${one.textContent.trim()}`);
                if (box.right > window.innerWidth + 1 || box.bottom > window.innerHeight + 1 || box.left < -1)
                  found.push(`leaves the screen: ${one.textContent.trim()}`);
                if (one.scrollHeight > one.clientHeight * 1.2 + 2 && getComputedStyle(one).display !== 'inline' &&
                    getComputedStyle(one).overflowY !== 'visible')
                  found.push(`cut through: ${one.textContent.trim()}`);
                if (one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).textOverflow !== 'ellipsis' &&
                    getComputedStyle(one).display !== 'inline')
                  found.push(`cut off: ${one.textContent.trim()}`);
              }
              return found;
            }""",
            SMALLEST,
        )
    )


@pytest.mark.parametrize(("width", "height"), SIZES, ids=["full HD", "4K"])
def test_a_wall_shows_what_waits_without_a_name_a_picture_or_a_scroll_bar(
    browser: Browser, centre: CentreOnly, node: PuppetNode, width: int, height: int
) -> None:
    page = wall_of(browser, centre, width, height)
    expect(page.get_by_test_id("wall-calm")).to_be_visible()
    expect(page.get_by_test_id("wall-map")).not_to_have_attribute("data-areas", "0", timeout=SOON_MS)
    assert cut_or_small(page) == []
    shoot(page, f"wall-calm-{width}")
    for number in range(CAMERAS - 1):
        raise_at(node, number, drill=number == 12)
    expect(page.get_by_test_id("wall-untaken")).to_have_text(str(CAMERAS - 2), timeout=SOON_MS)  # without the drill
    expect(page.get_by_test_id("wall-drill")).to_contain_text("1 起演练")
    expect(page.get_by_test_id("wall-row")).to_have_count(PER_PAGE, timeout=SOON_MS)
    expect(page.get_by_test_id("wall-pages")).to_contain_text(f"共 {CAMERAS - 2} 起")
    expect(page.get_by_test_id("wall-severity-1")).to_have_text("3")
    expect(page.get_by_test_id("wall-cameras")).to_contain_text(f"1/{CAMERAS}")
    expect(page.get_by_test_id("wall-proof")).to_contain_text("前，用时")
    expect(page.get_by_test_id("wall-map").locator(".spot")).not_to_have_count(0)
    shoot(page, f"wall-{width}")
    assert cut_or_small(page) == []
    # Page after page, so that every row has its turn.
    seen: set[str] = set()
    pages = page.get_by_test_id("wall-pages")
    for number in (1, 2, 3):
        expect(pages).to_have_attribute("data-page", str(number), timeout=SOON_MS)
        rows = page.get_by_test_id("wall-row")
        seen |= {str(rows.nth(one).get_attribute("data-incident")) for one in range(rows.count())}
    assert len(seen) == CAMERAS - 1
    content = page.content()
    assert not [name for name in NAMES if name in content]
    assert page.locator("img").count() == 0
    assert serious(page) == []
    page.goto("/wall?lang=en")
    expect(page.get_by_test_id("wall-row").first).to_be_visible(timeout=SOON_MS)
    shoot(page, f"wall-en-{width}")
    assert cut_or_small(page) == []
    for name in page.get_by_test_id("wall-area").all():
        assert name.evaluate("one => one.scrollWidth <= one.clientWidth"), f"cut: {name.inner_text()}"
    assert complaints(page) == []


def test_a_wall_is_no_person(browser: Browser, centre: CentreOnly, node: PuppetNode) -> None:
    """Also when an operator's account shows it: no seat is staffed, no notice received, no other page is its own."""
    page = desk(browser, centre.origin, width=1920, height=1080)
    sign_in(page, "operator", centre.password_of("operator"))
    page.goto("/wall")
    page.get_by_test_id("wall-page").wait_for()
    before = len(requested(page))
    raise_at(node, 0)
    expect(page.get_by_test_id("wall-row")).to_have_count(1, timeout=SOON_MS)
    page.wait_for_timeout(3_000)
    asked = requested(page)[before:]
    assert any("/api/wall" in one for one in asked)
    told = [one for one in asked if "presence" in one or "notices" in one or "/moves" in one or "/api/evidence" in one]
    assert told == []
    viewer = wall_of(browser, centre, 1920, 1080)
    for path in ("/", "/rules", "/reports", "/account"):
        viewer.goto(path)
        if path != "/account":  # the own password
            expect(viewer.get_by_test_id("wall-page")).to_be_visible()
    assert complaints(viewer) == []


def test_a_wall_says_in_grey_that_its_centre_is_silent_and_large_that_its_session_is_over(
    browser: Browser, centre: CentreOnly, node: PuppetNode
) -> None:
    page = wall_of(browser, centre, 1920, 1080)
    raise_at(node, 1)
    expect(page.get_by_test_id("wall-row")).to_have_count(1, timeout=SOON_MS)
    centre.centre.kill()  # a browser set offline keeps its open stream: the wall would say "failing", which is right
    expect(page.get_by_test_id("wall-page")).to_have_attribute("data-state", "silent", timeout=SILENT_MS)
    expect(page.get_by_test_id("wall-trouble")).to_contain_text("与中心失联，画面停在")
    grey = page.evaluate("getComputedStyle(document.querySelector('.wall > main')).filter")
    assert "grayscale" in grey
    shoot(page, "wall-silent")
    assert cut_or_small(page) == []
    centre.start_centre()
    expect(page.get_by_test_id("wall-page")).to_have_attribute("data-state", "fine", timeout=SILENT_MS)
    kept = page.context.cookies()
    page.context.clear_cookies()
    page.reload()
    page.get_by_test_id("login-submit").wait_for()  # whoever opens it without a session signs in
    page.context.add_cookies(kept)  # type: ignore[arg-type]
    page.goto("/wall")
    expect(page.get_by_test_id("wall-row")).to_have_count(1, timeout=SOON_MS)
    page.context.clear_cookies()
    raise_at(node, 2)  # the next reading finds the session over
    expect(page.get_by_test_id("wall-page")).to_have_attribute("data-state", "signedOut", timeout=SILENT_MS)
    expect(page.get_by_test_id("wall-trouble")).to_contain_text("登录已失效，画面停在")
    expect(page.get_by_test_id("wall-row")).to_have_count(1)  # what it knew stays
    shoot(page, "wall-signed-out")
    assert cut_or_small(page) == []
    assert serious(page) == []
    page.context.add_cookies(kept)  # type: ignore[arg-type]
    expect(page.get_by_test_id("wall-page")).to_have_attribute("data-state", "fine", timeout=SILENT_MS)
    expect(page.get_by_test_id("wall-row")).to_have_count(2, timeout=SOON_MS)
