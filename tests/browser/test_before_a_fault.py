"""A case whose camera is told to be covered afterwards says so in the queue and in itself, until the camera sees again.
A real browser, a real centre."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.test_phone_offline import SOON_MS, Grid, grid
from tests.support.accessibility import require_axe, serious
from tests.support.browser import complaints, desk, sign_in
from xueliang_alerts.contract import Hazard, Reason, Severity

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

__all__ = ["grid"]  # the fixture
COVERED = Reason(code="camera_covered", text="the view is covered for 12 s", about={})
WELL = Reason(code="camera_well", text="the view is seen again", about={})


def test_the_mark_comes_with_the_fault_and_goes_with_it(browser: Browser, grid: Grid) -> None:
    require_axe()
    task_id = grid.block(0)
    incident_id = grid.desk.task(task_id)["incident_id"]
    screen = desk(browser, grid.centre.origin)
    screen.set_viewport_size({"width": 1366, "height": 768})
    sign_in(screen, "operator", grid.password("operator"))
    row = screen.locator(f'[data-testid="incident-row"][data-incident="{incident_id}"]')
    row.locator("button").click(timeout=SOON_MS)
    mark = row.get_by_test_id("mark-camera-fault")
    expect(screen.get_by_test_id("case-panel").get_by_test_id("presence")).to_be_visible(timeout=SOON_MS)
    expect(mark).to_have_count(0)

    fault = grid.node.raise_alert("cam-0", Hazard.CAMERA_FAULT, Severity.YELLOW, reason=COVERED, began_s_ago=70)
    expect(mark).to_have_text("画面异常，先看", timeout=SOON_MS)
    expect(screen.get_by_test_id("case-camera-fault")).to_have_text(
        re.compile("^摄像机画面异常（事件产生 .+后才上报）：请先查看画面再研判$"), timeout=SOON_MS
    )
    assert serious(screen) == []
    grid.node.see_clear(fault, reason=WELL)
    expect(mark).to_have_count(0, timeout=SOON_MS)
    expect(screen.get_by_test_id("case-camera-fault")).to_have_count(0, timeout=SOON_MS)
    expect(row).to_be_visible()
    assert complaints(screen) == []
