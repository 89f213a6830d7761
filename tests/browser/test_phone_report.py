"""A worker's own report from the phone, in a real browser against a real centre.

What may be the same nearby is asked first; it is kept without a signal and arrives once; its photographs say when and
where they were taken.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_phone_offline import SOON_MS, Grid, grid, kept_on, photograph, small_phone, until
from tests.support.accessibility import require_axe, serious
from tests.support.browser import PRESS_MS, complaints, desk, sign_in, too_wide
from tests.support.legible import faults

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

FIVE_INCHES = {"width": 360, "height": 640}
TALL = {"width": 390, "height": 844}


def _shot(page: Page, name: str) -> None:
    """For the eye: only where somebody asks for it."""
    folder = os.environ.get("XUELIANG_SHOTS")
    if folder:
        page.screenshot(path=Path(folder) / f"{name}.png")


def _fine(phone: Page, name: str) -> None:
    for size in (TALL, FIVE_INCHES):
        phone.set_viewport_size(size)  # type: ignore[arg-type]
        _shot(phone, f"{name}-{size['width']}")
        assert faults(phone) == []
        assert too_wide(phone) == []
    assert serious(phone) == []


def _place_of(grid: Grid, task_id: str, metres: float = 0) -> dict[str, Any]:
    place = grid.desk.task(task_id)["incident"]["place"]
    return {"longitude": place["longitude"], "latitude": place["latitude"] + metres / 111_195, "accuracy": 15}


def _report(phone: Page, kind: str) -> None:
    phone.get_by_test_id("to-report").click()
    phone.get_by_test_id(f"kind-{kind}").click()
    expect(phone.get_by_test_id("report-place")).not_to_have_attribute("data-has", "looking", timeout=SOON_MS)


def test_what_is_open_nearby_is_asked_about_first_and_joined(browser: Browser, grid: Grid, tmp_path: Path) -> None:
    require_axe()
    phone = small_phone(browser, grid, permissions=["geolocation"])
    task_id = grid.block(0)
    incident = grid.desk.task(task_id)["incident"]
    phone.context.set_geolocation(_place_of(grid, task_id, 120))
    expect(phone.get_by_test_id("take-next")).to_be_visible(timeout=SOON_MS)
    _fine(phone, "list")
    phone.get_by_test_id("to-report").click()
    _fine(phone, "report-kinds")
    phone.locator(".back").click()
    _report(phone, "fire_lane_obstruction")
    expect(phone.get_by_test_id("report-place")).to_contain_text("± 15 米")
    near = phone.get_by_test_id("near-case")
    expect(near).to_have_count(1, timeout=SOON_MS)
    expect(near).to_contain_text("东巷0号")
    expect(phone.get_by_test_id("report-send")).to_be_disabled()
    expect(phone.get_by_test_id("report-send")).to_contain_text("是不是其中一件")
    _fine(phone, "report-near")
    near.get_by_test_id("near-this").click()
    expect(phone.get_by_test_id("report-joins")).to_contain_text(incident["number"])
    photograph(phone, tmp_path, which="photo-input-report")
    expect(phone.locator("[data-testid=photo][data-photo=sent]")).to_have_count(1, timeout=SOON_MS)
    phone.get_by_test_id("report-words").fill("13800000000")
    expect(phone.get_by_test_id("long-number")).to_be_visible()
    expect(phone.get_by_test_id("report-send")).to_be_disabled()
    phone.get_by_test_id("report-words").fill("货车横在通道中间")
    _fine(phone, "report-whole")
    phone.get_by_test_id("report-send").click()
    expect(phone.get_by_test_id("held-act")).to_have_attribute("data-move", "report")
    assert grid.desk.sightings() == []
    phone.get_by_test_id("undo").click()
    phone.get_by_test_id("to-report").click()
    expect(phone.get_by_test_id("report-words")).to_have_value("货车横在通道中间")
    expect(phone.get_by_test_id("photo")).to_have_count(1)
    phone.get_by_test_id("near-this").click(timeout=SOON_MS)
    phone.get_by_test_id("report-send").click()
    own = phone.get_by_test_id("own-report")
    expect(own).to_have_count(1, timeout=2 * SOON_MS)
    expect(own).to_contain_text(incident["number"])
    expect(own).to_contain_text("照片 1 张")
    _fine(phone, "own-reports")
    (told,) = grid.desk.sightings()
    assert (told["incident"]["incident_id"], told["accuracy_m"], len(told["photos"])) == (
        incident["incident_id"],
        15,
        1,
    )
    until(lambda: kept_on(phone)["photos"] == kept_on(phone)["acts"] == 0)
    assert grid.desk.incident(incident["incident_id"])["alert_count"] == 2

    screen = desk(browser, grid.centre.origin)
    sign_in(screen, "operator", grid.password("operator"))
    screen.goto(f"/incidents/{incident['incident_id']}")
    picture = screen.get_by_test_id("reported-files").locator("img")
    expect(picture).to_have_js_property("complete", True, timeout=SOON_MS)
    assert picture.evaluate("(one) => one.naturalWidth") == 1200
    _shot(screen, "report-desk")
    grid.desk.move_incident(incident["incident_id"], "false_alarm", reason_code="shadow_or_light")
    phone.reload()
    expect(own).to_contain_text("已办结", timeout=SOON_MS)
    assert complaints(phone) == []


def test_a_report_without_a_signal_or_a_position_is_kept_and_arrives_once(
    browser: Browser, grid: Grid, tmp_path: Path
) -> None:
    phone = small_phone(browser, grid)  # no permission: chromium without a screen refuses the position
    phone.goto("/phone/report")
    phone.context.set_offline(True)
    phone.get_by_test_id("kind-water_level").click()
    place = phone.get_by_test_id("report-place")
    expect(place).to_have_attribute("data-has", "denied", timeout=SOON_MS)
    expect(place).to_contain_text("没有位置：将按")
    expect(phone.get_by_test_id("nearby")).to_have_attribute("data-state", "away")
    photograph(phone, tmp_path, which="photo-input-report")
    expect(phone.locator("[data-testid=photo][data-photo=kept]")).to_have_count(1, timeout=SOON_MS)
    phone.get_by_test_id("severity-2").click()
    phone.get_by_test_id("report-send").click()
    unsent = phone.get_by_test_id("unsent-report")
    expect(unsent).to_have_attribute("data-saving", "kept", timeout=SOON_MS)
    expect(unsent).to_contain_text("已存在本机")
    phone.reload()
    expect(unsent).to_have_count(1, timeout=SOON_MS)
    assert faults(phone) == []
    _shot(phone, "report-unsent")
    phone.context.set_offline(False)
    own = phone.get_by_test_id("own-report")
    expect(own).to_have_count(1, timeout=2 * SOON_MS)
    expect(unsent).to_have_count(0)
    (told,) = grid.desk.sightings()
    assert (told["hazard"], told["severity"], len(told["photos"])) == ("water_level", 2, 1)
    assert told["accuracy_m"] > 100
    incident = grid.desk.incident(told["incident"]["incident_id"])
    assert "没有定位" in incident["place"]["camera_name"]


# Expected lines as the page would draw them, as grey values, for each second that the photograph may be of.
DRAWN = """([lines, width, fontPx]) => {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = Math.ceil((lines.length * 1.35 + 0.7) * fontPx);
  const context = canvas.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = "#fff";
  context.font = `${fontPx}px system-ui, sans-serif`;
  context.textBaseline = "top";
  lines.forEach((line, index) => context.fillText(line, fontPx / 2, (0.5 + index * 1.35) * fontPx));
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return { height: canvas.height, grey: Array.from({ length: data.length / 4 }, (_, n) => data[4 * n]) };
}"""


def _likeness(phone: Page, strip: np.ndarray[Any, Any], lines: list[str], font_px: int) -> float:
    """1: drawn alike; 0: nothing in common."""
    drawn = phone.evaluate(DRAWN, [lines, strip.shape[1], font_px])
    if drawn["height"] != strip.shape[0]:
        return 0.0
    expected = np.array(drawn["grey"], dtype=np.float64).reshape(strip.shape)
    return float(np.corrcoef(expected.ravel(), strip.astype(np.float64).ravel())[0, 1])


@pytest.mark.parametrize(("width", "font_px"), [(1200, 30), (160, 20)], ids=["large", "small"])
def test_time_place_and_incident_are_drawn_into_the_photograph(
    browser: Browser, grid: Grid, tmp_path: Path, width: int, font_px: int
) -> None:
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    phone.get_by_test_id("take-next").click(timeout=SOON_MS)
    phone.get_by_test_id("arrive").click()
    moment = "() => new Date().toLocaleString('sv-SE', { timeZone: 'Asia/Shanghai' })"
    seconds = {str(phone.evaluate(moment))}
    photograph(phone, tmp_path, width)
    expect(phone.locator("[data-testid=photo][data-photo=sent]")).to_have_count(1, timeout=SOON_MS)
    first, last = sorted((next(iter(seconds)), str(phone.evaluate(moment))))
    times = np.arange(np.datetime64(first) - 2, np.datetime64(last) + 3, np.timedelta64(1, "s"))
    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    until(lambda: grid.state(task_id) == "handled")
    (photo,) = grid.desk.task(task_id)["photos"]
    kept = grid.desk.photo(photo["sha256"])
    image = cv2.imdecode(np.frombuffer(kept, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    shown_width = max(width, 480)
    assert image.shape[1] == shown_width
    top = round(800 * shown_width / width)  # nothing of the picture is covered
    assert abs(int(image[top - 4, 4]) - 96) < 12
    number = grid.desk.task(task_id)["incident"]["number"]

    def alike(at: str, name: str) -> float:
        return _likeness(phone, image[top:], [f"{at.replace('T', ' ')} 中心时间", f"东巷0号 · {name}"], font_px)

    by_second = {str(at): alike(str(at), number) for at in times}
    best = max(by_second, key=lambda at: by_second[at])
    assert by_second[best] > 0.95, by_second
    assert alike(best, number[::-1]) < by_second[best] - 0.02
    assert sorted(by_second.values())[-2] < by_second[best]


HUGE = 40 * 1024 * 1024


@pytest.mark.parametrize(
    ("name", "head", "said"),
    [
        ("huge.jpg", None, "照片太大：40 MB · 4000 × 3000"),
        ("scan.pdf", b"%PDF-1.7\n" + b"x" * 2000, "收到的是PDF 文件"),
        ("note.jpg", "没有照片".encode() * 50, "收到的是其他文件"),
        ("torn.jpg", b"\xff\xd8\xff\xe0" + bytes(200), "收到的是损坏的 JPG"),
    ],
    ids=["40 MB", "pdf", "text named jpg", "torn"],
)
def test_what_no_phone_can_take_is_said_before_it_is_decoded(
    browser: Browser, grid: Grid, tmp_path: Path, name: str, head: bytes | None, said: str
) -> None:
    phone = small_phone(browser, grid)
    decoded = "() => { window.decoded = 0; const real = createImageBitmap;"
    decoded += " window.createImageBitmap = (...given) => { window.decoded += 1; return real(...given); }; }"
    file = tmp_path / name
    file.write_bytes(_jpeg_of(4000, 3000, HUGE) if head is None else head)
    phone.goto("/phone/report")
    phone.evaluate(decoded)
    phone.get_by_test_id("kind-crowd").click()
    phone.get_by_test_id("photo-input-report").set_input_files(file)
    bad = phone.locator("[data-testid=photo][data-photo=bad]")
    expect(bad).to_contain_text(said, timeout=SOON_MS)
    assert "再拍" in bad.inner_text() or "重拍" in bad.inner_text()
    assert phone.evaluate("() => window.decoded") == (1 if name == "torn.jpg" else 0)
    assert kept_on(phone)["photos"] == 0
    assert faults(phone) == []
    _shot(phone, f"bad-{name}")
    photograph(phone, tmp_path, which="photo-input-report")
    expect(phone.locator("[data-testid=photo][data-photo=sent]")).to_have_count(1, timeout=SOON_MS)
    assert complaints(phone) == []


def _jpeg_of(width: int, height: int, size: int) -> bytes:
    """A whole JPEG with so much behind it."""
    done, encoded = cv2.imencode(".jpg", np.full((height, width, 3), 96, dtype=np.uint8))
    assert done
    return encoded.tobytes().ljust(size, b"\0")
