"""The phone without a trusted certificate: plain http from a name that is not this machine, which no browser trusts."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_phone_offline import SOON_MS, Grid, grid, opened, photograph, until
from tests.support.browser import FLAGS, PRESS_MS, chromium_path, handset, sign_in, too_wide
from tests.support.legible import faults

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

NAME = "phone.test"


def test_by_plain_http_a_task_is_taken_photographed_and_finished_and_what_is_missing_is_said(
    browser: Browser, grid: Grid, tmp_path: Path
) -> None:
    port = urlsplit(grid.centre.origin).port
    flags = [*FLAGS, f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]
    untrusting = browser.browser_type.launch(executable_path=chromium_path(), args=flags)
    try:
        phone = handset(untrusting, f"http://{NAME}:{port}", permissions=[])
        phone.set_viewport_size({"width": 360, "height": 640})
        sign_in(phone, "worker", grid.password("worker"))
        assert phone.evaluate("() => [isSecureContext, 'serviceWorker' in navigator, !!crypto.subtle]") == [False] * 3
        note = phone.get_by_test_id("plain-http")
        for missing in ("未加密（http）", "没有信号时打开本页", "位置", "录音", "丢失未发送的照片"):
            expect(note).to_contain_text(missing)
        assert faults(phone) == []
        task_id = grid.block(0)
        opened(phone, task_id).get_by_test_id("take").click()
        phone.get_by_test_id("check-in").click()
        expect(phone.get_by_test_id("fix-doubt")).to_contain_text("未加密（http），浏览器不提供位置")
        phone.get_by_test_id("arrive").click()
        photograph(phone, tmp_path)
        expect(phone.locator("[data-testid=photo][data-photo=sent]")).to_have_count(1, timeout=SOON_MS)
        assert too_wide(phone) == []
        phone.get_by_test_id("handled").click(delay=PRESS_MS)
        until(lambda: grid.state(task_id) == "handled")
        assert len(grid.desk.task(task_id)["photos"]) == 1
        phone.goto("/phone/report")
        phone.get_by_test_id("kind-crowd").click()
        expect(phone.get_by_test_id("report-place")).to_have_attribute("data-has", "insecure")
        phone.get_by_test_id("report-send").click()
        until(lambda: len(grid.desk.sightings()) == 1)
    finally:
        untrusting.close()
