"""Live view in a real browser: a purpose first, then a picture that moves under its watermark, and an end in words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.support.browser import complaints, desk, sign_in, too_wide
from tests.support.live_centre import AtTheCentre, LiveCentre, camera_at, live_centre, rtsp_cameras
from tests.support.live_node import live_node
from tests.support.pictures_for_people import shoot
from tests.support.puppet_node import PuppetNode
from xueliang_alerts.contract import Hazard, Reason, Severity
from xueliang_configs.node import LiveViewConfig

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SOON_MS = 40_000
AGAIN_S = 1.0  # what was pressed shows in so long on a quiet machine; pressed again, it does no harm
BLOCKED = Reason(code="crowded", text="63 people >= 50", about={"place": "lane"})
# A camera that is well, and a group of such (pages/command/camera_layer.ts).
DOT_BGR = (0x8E, 0xCF, 0x3F)
GROUP_BGR = (0x6A, 0x8F, 0x2F)
BRIGHTNESS = """video => {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const context = canvas.getContext("2d");
  context.drawImage(video, 0, 0);
  const pixels = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return pixels.reduce((sum, one) => sum + one, 0) / pixels.length;
}"""


@pytest.fixture(scope="module")
def centre(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveCentre]:
    with live_centre(tmp_path_factory.mktemp("centre")) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def node(centre: LiveCentre) -> Iterator[PuppetNode]:
    with PuppetNode(centre, {f"cam-{number}": "streaming" for number in range(4)}) as puppet:
        yield puppet


def at_the_page(browser: Browser, centre: LiveCentre) -> Page:
    page = desk(browser, centre.origin)
    sign_in(page, "operator", centre.password_of("operator"))
    page.goto(f"{centre.origin}/live/cam-0")
    return page


def test_who_has_no_right_is_told_so_and_is_asked_nothing(browser: Browser, centre: LiveCentre) -> None:
    page = at_the_page(browser, centre)
    expect(page.get_by_test_id("live-no-right")).to_contain_text("没有观看实时画面的权限")
    expect(page.get_by_test_id("live-form")).to_have_count(0)
    shoot(page, "live-no-right")
    page.goto("/")
    expect(page.get_by_test_id("map")).to_have_attribute("data-cameras", "4")
    expect(page.get_by_test_id("live-link")).to_have_count(0)


def test_a_centre_that_has_it_off_says_so(browser: Browser, tmp_path: Path) -> None:
    with live_centre(tmp_path, is_on=False) as off:
        page = at_the_page(browser, off)
        expect(page.get_by_test_id("live-off")).to_be_visible()
        expect(page.get_by_test_id("live-form")).to_have_count(0)
        shoot(page, "live-off")


def test_the_way_from_a_case_and_from_a_camera_of_the_map_is_there_for_who_has_the_right(
    browser: Browser, centre: LiveCentre, node: PuppetNode
) -> None:
    with AtTheCentre(centre, "guard") as guard, AtTheCentre(centre, "operator") as person:
        assert guard.give_right(person.user_id).status_code == 200
        node.raise_alert("cam-1", Hazard.CROWD, Severity.RED, reason=BLOCKED)
        page = at_the_page(browser, centre)
        page.goto("/")
        page.get_by_test_id("incident-row").first.click()
        link = page.get_by_test_id("case-panel").get_by_test_id("live-link")
        expect(link).to_be_visible(timeout=SOON_MS)
        shoot(page, "live-from-the-case")
        link.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_test_id("live-page")).to_be_visible()
        assert "/live/cam-1?incident=" in page.url
        page.go_back()
        card = picked_camera(page)
        expect(card.get_by_test_id("live-link")).to_be_visible()
        shoot(page, "live-from-the-map")
        page.keyboard.press("Escape")
        expect(card).to_have_count(0)
        assert guard.take_right(person.user_id).status_code == 204
        assert complaints(page) == []


def picked_camera(page: Page) -> Locator:
    """The card of some camera, clicked on the map as a person does: groups go closer until one stands alone."""
    expect(page.get_by_test_id("map")).to_have_attribute("data-cameras", "4", timeout=SOON_MS)
    closer = page.get_by_role("button", name="关闭详情")
    if closer.count():
        closer.click()
    canvas = page.get_by_test_id("map").locator(".canvas")
    card = page.get_by_test_id("camera-card")
    before: tuple[float, float] | None = None
    pressed_s, until_s = 0.0, time.monotonic() + 2 * SOON_MS / 1000
    while time.monotonic() < until_s:
        if card.count():
            return card
        spot = _spot(canvas)
        if spot is not None and spot == before and time.monotonic() - pressed_s > AGAIN_S:
            page.mouse.click(*spot)
            pressed_s = time.monotonic()
        before = spot  # the map moves until it is twice at the same place
        page.wait_for_timeout(100)
    raise AssertionError("no camera could be picked on the map")


def _spot(canvas: Locator) -> tuple[float, float] | None:
    """Where a camera is, else a group of them: x and y in the page. None: there is none in view."""
    box = canvas.bounding_box()
    assert box is not None
    picture = cv2.imdecode(np.frombuffer(canvas.screenshot(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    picture[-60:] = 0  # the legend has a dot of its own
    for colour, reach_px in ((DOT_BGR, 6), (GROUP_BGR, 26)):
        rows, columns = np.nonzero(np.abs(picture.astype(int) - colour).max(axis=2) < 12)
        if len(rows):
            near = np.hypot(rows - rows[0], columns - columns[0]) < reach_px
            return box["x"] + float(columns[near].mean()), box["y"] + float(rows[near].mean())
    return None


def test_the_picture_moves_under_its_watermark_until_the_right_is_taken_back(
    browser: Browser, centre: LiveCentre, tmp_path: Path
) -> None:
    allowed = LiveViewConfig(cameras=("cam-0",))
    with (
        AtTheCentre(centre, "guard") as guard,
        AtTheCentre(centre, "operator") as person,
        rtsp_cameras(tmp_path, {"cam-0": "h264"}) as urls,
        live_node(centre, [camera_at("cam-0", urls["cam-0"])], allowed),
    ):
        assert guard.give_right(person.user_id).status_code == 200
        page = at_the_page(browser, centre)
        can_play = page.evaluate("""() => MediaSource.isTypeSupported('video/mp4; codecs="avc1.42E01E"')""")
        expect(page.get_by_test_id("live-start")).to_be_disabled()
        expect(page.get_by_test_id("live-page")).to_have_attribute("data-phase", "idle")  # it did not open by itself
        shoot(page, "live-asking")
        page.get_by_test_id("live-note").fill("有人呼救，确认现场")
        page.get_by_test_id("live-start").click()
        if not can_play:
            expect(page.get_by_test_id("live-said")).to_have_attribute("data-code", "cannot_play", timeout=SOON_MS)
            pytest.skip("this browser has no H.264: the page says so")
        expect(page.get_by_test_id("live-page")).to_have_attribute("data-phase", "playing", timeout=SOON_MS)
        video = page.get_by_test_id("live-video")
        page.wait_for_function(
            "() => document.querySelector('[data-testid=live-video]').currentTime > 1", timeout=SOON_MS
        )
        earlier = video.evaluate("one => one.currentTime")
        assert video.evaluate(BRIGHTNESS) > 60
        page.wait_for_function(
            "before => document.querySelector('[data-testid=live-video]').currentTime > before",
            arg=earlier,
            timeout=SOON_MS,
        )
        mark = page.get_by_test_id("live-mark")
        expect(mark).to_contain_text("operator cam-0 紧急救援")
        shoot(page, "live-running")
        page.set_viewport_size({"width": 1920, "height": 1080})
        shoot(page, "live-running-1920")
        page.set_viewport_size({"width": 390, "height": 844})
        assert too_wide(page) == []
        shoot(page, "live-running-narrow")
        page.set_viewport_size({"width": 1366, "height": 768})
        assert guard.take_right(person.user_id).status_code == 204
        expect(page.get_by_test_id("live-said")).to_have_attribute("data-code", "right_ended", timeout=SOON_MS)
        expect(page.get_by_test_id("live-said")).to_contain_text("权限已收回或到期")
        expect(page.get_by_test_id("live-mark")).to_have_count(0)
        shoot(page, "live-over")
        assert complaints(page) == []
