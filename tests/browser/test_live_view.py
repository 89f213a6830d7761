"""Live view in a real browser: a purpose first, then a picture that moves under its watermark, and an end in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import complaints, desk, sign_in
from tests.support.live_centre import AtTheCentre, LiveCentre, camera_at, live_centre, rtsp_cameras
from tests.support.live_node import live_node
from tests.support.puppet_node import PuppetNode
from xueliang_configs.node import LiveViewConfig

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

SOON_MS = 30_000
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
    with live_centre(tmp_path_factory.mktemp("centre")) as made, PuppetNode(made):
        yield made


def at_the_page(browser: Browser, centre: LiveCentre) -> Page:
    page = desk(browser, centre.origin)
    sign_in(page, "operator", centre.password_of("operator"))
    page.goto(f"{centre.origin}/live/cam-0")
    return page


def test_who_has_no_right_is_told_so_and_is_asked_nothing(browser: Browser, centre: LiveCentre) -> None:
    page = at_the_page(browser, centre)
    expect(page.get_by_test_id("live-no-right")).to_contain_text("没有观看实时画面的权限")
    expect(page.get_by_test_id("live-form")).to_have_count(0)


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
        assert guard.take_right(person.user_id).status_code == 204
        expect(page.get_by_test_id("live-said")).to_have_attribute("data-code", "right_ended", timeout=SOON_MS)
        expect(page.get_by_test_id("live-said")).to_contain_text("权限已收回或到期")
        expect(page.get_by_test_id("live-mark")).to_have_count(0)
        assert complaints(page) == []
