"""Eight hours without a signal, a browser that is killed in the middle, pieces of photographs that break on the way.

Everything is at the centre afterwards, once. What waits meanwhile cannot be read out of the storage as a picture.

Few acts; `XUELIANG_FAULTS=full` makes 50 of them with 50 photographs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Route, expect

from tests.browser.test_phone_offline import SMALL, SOON_MS, Grid, grid, is_installed, kept_on, opened
from tests.browser.test_phone_taps import SHIFTED
from tests.support.browser import FLAGS, PRESS_MS, chromium_path, sign_in
from tests.support.fault_cameras.watching import counted
from xueliang_demo.processes import wait_until

__all__ = ["grid"]  # the fixture

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(1500)]

HOURS_MS = 8 * 3_600_000
TASKS = counted(1, 4)
REPORTS = counted(4, 38)  # with three acts on each task: 7, or 50
PHOTOS_OF_TASK = counted(2, 3)  # with one on each report: 6, or 50
BREAKS = counted(4, 12)
ALL_THERE_S = counted(120, 900)

# Every value of every record that is bytes, and whether it begins as a JPEG does, or holds bytes of one that is kept.
BYTES = """async () => {
  const db = await new Promise((resolve) => {
    const asked = indexedDB.open("xueliang-phone");
    asked.onsuccess = () => resolve(asked.result);
  });
  const all = (name) => new Promise((resolve) => {
    const asked = db.transaction(name).objectStore(name).getAll();
    asked.onsuccess = () => resolve(asked.result);
  });
  const { key } = (await all("singles")).find((one) => one.id === "key");
  const [{ iv, sealed }] = await all("bytes");
  const opened = new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, sealed));
  const sample = opened.slice(1200, 1232);
  const found = { opens: opened[0] === 0xff && opened[1] === 0xd8, sealed: 0, jpeg: 0, plain: 0, blobs: 0 };
  const look = (bytes) => {
    found.sealed += bytes.length > 1000 ? 1 : 0;
    if (bytes[0] === 0xff && bytes[1] === 0xd8) found.jpeg += 1;
    for (let at = 0; at + sample.length <= bytes.length; at += 1)
      if (sample.every((one, n) => bytes[at + n] === one)) { found.plain += 1; break; }
  };
  const walk = (value) => {
    if (value instanceof Blob) found.blobs += 1;
    else if (value instanceof ArrayBuffer) look(new Uint8Array(value));
    else if (ArrayBuffer.isView(value)) look(new Uint8Array(value.buffer));
    else if (value && typeof value === "object" && !(value instanceof CryptoKey)) Object.values(value).forEach(walk);
  };
  for (const name of db.objectStoreNames) (await all(name)).forEach(walk);
  db.close();
  return found;
}"""


def _noise(folder: Path, seed: int) -> Path:
    """A photograph of several pieces, unlike every other."""
    pixels = np.random.default_rng(seed).integers(0, 255, (560, 700, 3), dtype=np.uint8)
    file = folder / f"photo-{seed}.jpg"
    assert cv2.imwrite(str(file), pixels)
    return file


class Phone:
    """A browser with a profile on the disk, without a signal until it is given one."""

    def __init__(self, browser: Browser, grid: Grid, folder: Path, ahead_ms: int) -> None:
        self.context: BrowserContext = browser.browser_type.launch_persistent_context(
            str(folder / "profile"),
            executable_path=chromium_path(),
            args=list(FLAGS),
            base_url=grid.centre.origin,
            viewport=SMALL,  # type: ignore[arg-type]
            locale="zh-CN",
        )
        self.folder = folder
        self.page: Page = self.context.new_page()
        if ahead_ms:
            self.page.add_init_script(f"({SHIFTED})({ahead_ms})")

    def photograph(self, which: str, seed: int, so_far: int) -> None:
        self.page.get_by_test_id(which).set_input_files(_noise(self.folder, seed))
        expect(self.page.locator('[data-photo="kept"]')).to_have_count(so_far + 1, timeout=SOON_MS)

    def report(self, number: int) -> None:
        self.page.goto("/phone/report")
        self.page.get_by_test_id("kind-debris_on_road").click()
        expect(self.page.get_by_test_id("report-place")).not_to_have_attribute("data-has", "looking", timeout=SOON_MS)
        self.photograph("photo-input-report", 1000 + number, 0)
        self.page.get_by_test_id("report-words").fill(f"第{number}处")
        self.page.get_by_test_id("report-send").click()
        expect(self.page.get_by_test_id("own-reports-page")).to_be_visible()

    def kill(self) -> None:
        with pytest.raises(Error):
            self.context.new_cdp_session(self.page).send("Browser.crash")

    def break_pieces(self) -> list[str]:
        """The first pieces and acts do not get through, in turn before and after the centre has them."""
        broken: list[str] = []

        def meddle(route: Route) -> None:
            if route.request.method not in {"PUT", "POST"} or len(broken) >= BREAKS:
                return route.continue_()
            broken.append(route.request.method)
            if len(broken) % 2 == 0:
                route.fetch()  # the centre has it, its answer is lost
            return route.abort()

        for what in ("**/api/photos/*", "**/api/sightings", "**/api/tasks/*/moves"):
            self.context.route(what, meddle)
        return broken


def test_a_day_without_a_signal_arrives_whole_and_once(browser: Browser, grid: Grid, tmp_path: Path) -> None:
    tasks = [grid.block(number) for number in range(TASKS)]
    phone = Phone(browser, grid, tmp_path, 0)
    sign_in(phone.page, "worker", grid.password("worker"))
    is_installed(phone.page)
    expect(phone.page.get_by_test_id("task-card")).to_have_count(TASKS, timeout=SOON_MS)
    phone.page.reload()
    expect(phone.page.get_by_test_id("task-card")).to_have_count(TASKS, timeout=SOON_MS)
    phone.context.set_offline(True)
    for task_id in tasks:
        phone.page.goto("/phone")
        opened(phone.page, task_id).get_by_test_id("take").click()
        phone.page.get_by_test_id("arrive").click()
        expect(phone.page.get_by_test_id("task-page")).to_have_attribute("data-state", "arrived")
    for number in range(REPORTS // 2):
        phone.report(number)
    phone.kill()

    phone = Phone(browser, grid, tmp_path, HOURS_MS)
    phone.context.set_offline(True)
    for number in range(REPORTS // 2, REPORTS):
        phone.report(number)
    for nth, task_id in enumerate(tasks):
        phone.page.goto("/phone")
        opened(phone.page, task_id)
        expect(phone.page.get_by_test_id("task-page")).to_have_attribute("data-state", "arrived")
        for photo in range(PHOTOS_OF_TASK):
            phone.photograph("photo-input", 100 * (nth + 1) + photo, photo)
        read = phone.page.evaluate(BYTES)
        assert read["opens"], "what is sealed is the photograph"
        assert read["sealed"] >= REPORTS + PHOTOS_OF_TASK
        assert (read["jpeg"], read["plain"], read["blobs"]) == (0, 0, 0), read
        phone.page.get_by_test_id("handled").click(delay=PRESS_MS)
        expect(phone.page.get_by_test_id("task-page")).to_have_attribute("data-state", "handled")
    made = 3 * TASKS + REPORTS
    photos = PHOTOS_OF_TASK * TASKS + REPORTS
    waits = kept_on(phone.page)
    assert (waits["acts"], waits["photos"], waits["bytes"]) == (made, photos, photos)
    assert grid.desk.sightings() == []
    assert {grid.state(task_id) for task_id in tasks} == {"offered"}

    broken = phone.break_pieces()
    phone.context.set_offline(False)

    def is_all_there() -> bool:
        # A cookie of a few seconds may not have been on the disk yet: then the worker signs in again.
        if phone.page.get_by_test_id("login-page").is_visible():
            sign_in(phone.page, "worker", grid.password("worker"))
        phone.page.evaluate("() => window.dispatchEvent(new Event('online'))")  # not a minute between two attempts
        return kept_on(phone.page)["acts"] == 0

    wait_until(is_all_there, "everything at the centre", ALL_THERE_S)
    assert len(broken) == BREAKS
    _counted(grid, tasks, photos)
    assert kept_on(phone.page)["bytes"] == 0
    expect(phone.page.get_by_test_id("stuck")).to_have_count(0)
    phone.context.close()


def _counted(grid: Grid, tasks: list[str], photos: int) -> None:
    told: list[dict[str, Any]] = grid.desk.sightings()
    assert sorted(one["text"] for one in told) == sorted(f"第{number}处" for number in range(REPORTS))
    names = [name for one in told for name in one["photos"]]
    for task_id in tasks:
        assert grid.kinds(task_id) == ["taken", "arrived", "handled"]
        names += [one["sha256"] for one in grid.desk.task(task_id)["photos"]]
    assert len(names) == len(set(names)) == photos
    assert all(grid.desk.photo(name).startswith(b"\xff\xd8") for name in names)
