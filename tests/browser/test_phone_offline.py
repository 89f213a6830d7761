"""The grid worker's phone without a connection, in a real browser against a real centre: what is done there is kept,
survives a reload and a killed browser, and arrives exactly once; what no longer counts is said and stays until read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect

from tests.support.browser import (
    CONSOLE_BUILD,
    FLAGS,
    PRESS_MS,
    chromium_path,
    complaints,
    drawn_jpeg,
    handset,
    sign_in,
    too_wide,
)
from tests.support.console_front import ConsoleFront
from tests.support.phone_device import cached, is_installed, keeps_tasks, kept_on
from tests.support.puppet_node import CentreOnly, PuppetNode
from xueliang_alerts.contract import Hazard, Measure, Reason, Severity
from xueliang_demo.api_client import Person
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.processes import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]

SOON_MS = 40_000
SMALL = {"width": 360, "height": 640}  # a 5-inch screen
BLOCKED = Reason(
    code="lane_blocked", text="lane 41% covered by truck for 63 s >= 60 s", about={"objects": "truck", "place": "lane"}
)


@dataclass
class Grid:
    """A centre, its node, and what a test asks of them without a browser."""

    centre: CentreOnly
    node: PuppetNode
    desk: Person

    def block(self, camera: int) -> str:
        """A new task about this camera, offered to the grid; its task_id."""
        self.node.raise_alert(
            f"cam-{camera}",
            Hazard.FIRE_LANE_OBSTRUCTION,
            Severity.ORANGE,
            reason=BLOCKED,
            measures={"share": Measure(value=0.41, unit="share"), "seconds": Measure(value=63, unit="s")},
            picture=drawn_jpeg(320, 180),
        )
        name = f"东巷{camera}号"
        until(lambda: any(at(one) == name for one in self.desk.tasks()))
        return next(str(one["task_id"]) for one in self.desk.tasks() if at(one) == name)

    def state(self, task_id: str) -> str:
        return str(self.desk.task(task_id)["state"])

    def story(self, task_id: str) -> list[dict[str, Any]]:
        """The timeline of the task's incident."""
        return list(self.desk.incident(self.desk.task(task_id)["incident_id"])["timeline"])

    def kinds(self, task_id: str) -> list[str]:
        wanted = {"taken", "arrived", "handled", "refused"}
        return [entry["kind"] for entry in self.story(task_id) if entry["kind"] in wanted]

    def password(self, username: str) -> str:
        return self.centre.password_of(username)


def at(task: dict[str, Any]) -> str:
    return str(task["incident"]["place"]["camera_name"])


def until(is_so: Callable[[], bool]) -> None:
    """Raises TimeoutError."""
    wait_until(is_so, "what the test waits for", SOON_MS / 1000)


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[Grid]:
    city = make_city(DEMO)
    place = city.of_level("grid")[3]
    point = place.polygon.representative_point()
    cameras = tuple(
        WatchedCamera(f"cam-{i}", f"东巷{i}号", "file:none.mp4", place.code, point.x + i * 0.002, point.y)
        for i in range(4)
    )
    accounts = (
        Account("operator", "operator", city.areas[0].code, "值班员"),
        Account("chief", "supervisor", city.areas[0].code, "负责人"),
        Account("worker", "worker", place.code, "李网格"),
        Account("colleague", "worker", city.of_level("grid")[4].code, "王网格"),
        Account("deputy", "operator", place.code, "网格值守"),  # may take what is offered in this grid
    )
    with CentreOnly(tmp_path, Plan(city, cameras, (), accounts, POLICIES)) as installation:
        installation.start()
        desk = installation.log_in("operator")
        with PuppetNode(installation, {f"cam-{i}": "streaming" for i in range(4)}) as node:
            yield Grid(installation, node, desk)
        desk.close()


def small_phone(browser: Browser, grid: Grid, username: str = "worker", **more: Any) -> Page:
    """A signed-in phone whose program is on the device."""
    page = handset(browser, grid.centre.origin, **more)
    page.set_viewport_size(SMALL)
    sign_in(page, username, grid.password(username))
    has_its_parts(page)
    is_installed(page)
    return page


def has_its_parts(page: Page) -> None:
    """The list, with what it loads after its first paint: all of it is in one file."""
    expect(page.get_by_test_id("loud-state")).to_be_visible(timeout=SOON_MS)


def opened(page: Page, task_id: str) -> Page:
    page.locator(f'[data-testid="task-card"][data-task="{task_id}"] .open').click(timeout=SOON_MS)
    expect(page.get_by_test_id("task-page")).to_have_attribute("data-task", task_id)
    return page


def photograph(page: Page, folder: Path, width: int = 1200, which: str = "photo-input") -> None:
    file = folder / f"{which}-{width}.jpg"
    file.write_bytes(drawn_jpeg(width, 800))
    page.get_by_test_id(which).set_input_files(file)


def test_what_is_done_without_a_connection_survives_a_reload_and_arrives_exactly_once(
    browser: Browser, grid: Grid, tmp_path: Path
) -> None:
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    expect(phone.get_by_test_id("task-card")).to_have_count(1, timeout=SOON_MS)
    phone.reload()  # now by way of the service worker
    expect(phone.get_by_test_id("task-card")).to_have_count(1, timeout=SOON_MS)
    phone.context.set_offline(True)
    phone.get_by_test_id("take").click()
    task = phone.get_by_test_id("task-page")
    expect(task).to_have_attribute("data-state", "taken")
    expect(phone.get_by_test_id("waiting")).to_have_attribute("data-count", "1")
    expect(phone.get_by_test_id("saving")).to_have_attribute("data-saving", "kept")
    phone.get_by_test_id("arrive").click()
    photograph(phone, tmp_path, which="photo-input-before")
    expect(phone.locator('[data-photo="kept"]')).to_have_count(1, timeout=SOON_MS)
    photograph(phone, tmp_path, 1400)
    expect(phone.locator('[data-photo="kept"]')).to_have_count(2, timeout=SOON_MS)
    phone.get_by_test_id("handled").click(delay=PRESS_MS)
    expect(task).to_have_attribute("data-state", "handled")
    expect(phone.get_by_test_id("waiting")).to_have_attribute("data-count", "3")
    assert too_wide(phone) == []

    phone.reload()
    expect(task).to_have_attribute("data-state", "handled", timeout=SOON_MS)
    expect(phone.get_by_test_id("waiting")).to_have_attribute("data-count", "3")
    expect(phone.get_by_test_id("age")).to_contain_text("前的内容")
    assert grid.state(task_id) == "offered", "the centre has been told of nothing"
    assert kept_on(phone)["bytes"] == 2

    phone.context.set_offline(False)
    expect(phone.get_by_test_id("waiting")).to_be_hidden(timeout=SOON_MS)
    expect(phone.get_by_test_id("link-lost")).to_be_hidden(timeout=SOON_MS)
    expect(task).to_have_attribute("data-state", "handled")
    expect(phone.get_by_test_id("notice")).to_contain_text("等待摄像机核查", timeout=SOON_MS)
    assert grid.kinds(task_id) == ["taken", "arrived", "handled"]
    told = grid.desk.task(task_id)
    assert (told["state"], len(told["photos"])) == ("handled", 2)
    (handled,) = (entry["params"] for entry in grid.story(task_id) if entry["kind"] == "handled")
    assert len(handled["photos_before"]) == 1
    assert handled["photos_before"][0] in handled["photos"]
    until(lambda: kept_on(phone)["photos"] == 0)
    assert (kept_on(phone)["acts"], kept_on(phone)["bytes"]) == (0, 0), "own photographs go once the centre has them"
    phone.reload()
    expect(task).to_have_attribute("data-state", "handled", timeout=SOON_MS)
    assert grid.kinds(task_id) == ["taken", "arrived", "handled"]


def test_the_shell_holds_the_program_only_and_the_list_is_read_without_a_connection(
    browser: Browser, grid: Grid
) -> None:
    phone = small_phone(browser, grid)
    grid.block(0)
    card = phone.get_by_test_id("task-card")
    expect(card.get_by_test_id("picture")).to_have_attribute("data-received", "true", timeout=SOON_MS)
    expect(card.locator("img")).to_have_js_property("complete", True)
    phone.reload()
    expect(card.get_by_test_id("picture")).to_have_attribute("data-received", "true", timeout=SOON_MS)
    assert complaints(phone) == []
    paths = cached(phone)
    assert "/phone" in paths
    assert [path for path in paths if path != "/phone" and not path.startswith("/assets/")] == []
    kept = phone.evaluate("async () => JSON.stringify(await caches.keys())")
    assert len(json.loads(kept)) == 1
    until(lambda: keeps_tasks(phone, 1))
    phone.context.set_offline(True)
    phone.goto("/phone")
    expect(card).to_contain_text("消防车通道占用", timeout=SOON_MS)
    expect(card.locator("img")).to_have_count(0)
    expect(card).to_contain_text("没有信号时不显示现场画面")
    expect(phone.get_by_test_id("link-lost")).to_contain_text("没有信号")
    assert too_wide(phone) == []
    with pytest.raises(Error):
        phone.goto("/", timeout=5_000)  # the command page is no part of the phone's program


def test_what_the_centre_decided_meanwhile_is_said_and_stays_until_read(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid)
    withdrawn, taken = grid.block(0), grid.block(1)
    expect(phone.get_by_test_id("task-card")).to_have_count(2, timeout=SOON_MS)
    phone.context.set_offline(True)
    for task_id in (withdrawn, taken):
        opened(phone, task_id).get_by_test_id("take").click()
        phone.get_by_test_id("arrive").click()
        phone.locator(".back").click()
    expect(phone.get_by_test_id("waiting")).to_have_attribute("data-count", "4")
    incident_id = grid.desk.task(withdrawn)["incident_id"]
    grid.desk.move_incident(incident_id, "false_alarm", reason_code="shadow_or_light")
    deputy = grid.centre.log_in("deputy")
    deputy.move_task(taken, "take")
    deputy.close()
    phone.context.set_offline(False)
    expect(phone.get_by_test_id("waiting")).to_be_hidden(timeout=SOON_MS)
    stuck = phone.get_by_test_id("stuck")
    kinds = ["changed", "earlier", "not_yours", "earlier"]
    expect(stuck).to_have_count(len(kinds), timeout=SOON_MS)
    assert [one.get_attribute("data-kind") for one in stuck.all()] == kinds
    expect(stuck.first).to_contain_text("已撤回")
    expect(stuck.first).to_contain_text("东巷0号")
    expect(stuck.nth(2)).to_contain_text("任务已由网格值守接走")
    assert too_wide(phone) == []
    phone.reload()
    expect(stuck).to_have_count(len(kinds), timeout=SOON_MS)
    for left in range(len(kinds) - 1, -1, -1):
        stuck.first.get_by_test_id("stuck-read").click()
        expect(stuck).to_have_count(left)
    assert grid.kinds(withdrawn) == []
    assert grid.kinds(taken) == ["taken"]


def test_nothing_here_goes_with_a_photo_and_the_desk_reads_it(browser: Browser, grid: Grid, tmp_path: Path) -> None:
    point = make_city(DEMO).of_level("grid")[3].polygon.representative_point()
    position = {"longitude": point.x, "latitude": point.y + 0.01}
    phone = small_phone(browser, grid, permissions=["geolocation"], geolocation=position)
    task_id = grid.block(0)
    opened(phone, task_id).get_by_test_id("take").click()
    phone.get_by_test_id("arrive").click()
    expect(phone.get_by_test_id("nothing-here")).to_be_disabled()
    photograph(phone, tmp_path)
    # By its state: for a moment the list has both what is being prepared and what is kept.
    expect(phone.locator("[data-testid=photo][data-photo=sent]")).to_have_count(1, timeout=SOON_MS)
    expect(phone.get_by_test_id("photo")).to_have_count(1)
    phone.get_by_test_id("nothing-here").click(delay=PRESS_MS)
    expect(phone.get_by_test_id("saving")).to_have_attribute("data-saving", "saved", timeout=SOON_MS)
    (handled,) = (entry["params"] for entry in grid.story(task_id) if entry["kind"] == "handled")
    assert handled["reason_code"] == "nothing_here"
    assert 900 <= handled["distance_m"] <= 1400
    assert not re.search(r"longitude|latitude", json.dumps(handled))
    assert complaints(phone) == []


def test_a_sign_out_warns_of_what_is_unsent_and_leaves_nothing_also_without_a_connection(
    browser: Browser, grid: Grid
) -> None:
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    expect(phone.get_by_test_id("task-card")).to_have_count(1, timeout=SOON_MS)
    phone.context.set_offline(True)
    phone.get_by_test_id("take").click()
    expect(phone.get_by_test_id("waiting")).to_have_attribute("data-count", "1")
    phone.locator(".back").click()
    phone.get_by_test_id("sign-out").click()
    expect(phone.get_by_test_id("unsent-sheet")).to_contain_text("还有 1 项没有发送")
    phone.get_by_test_id("unsent-stay").click()
    expect(phone.get_by_test_id("task-card")).to_have_count(1)
    phone.get_by_test_id("sign-out").click()
    phone.get_by_test_id("unsent-leave").click()
    expect(phone.get_by_test_id("login-page")).to_be_visible()
    assert set(kept_on(phone).values()) == {0}
    phone.goto("/phone")
    expect(phone.get_by_test_id("login-page")).to_be_visible(timeout=SOON_MS)
    # The cookie still stands: the centre ends the session as soon as it can be asked.
    phone.context.set_offline(False)
    phone.goto("/phone")
    expect(phone.get_by_test_id("login-page")).to_be_visible(timeout=SOON_MS)
    assert phone.request.get("/api/session").status == 401
    assert grid.state(task_id) == "offered"


def test_another_persons_sign_in_neither_shows_nor_sends_nor_silently_deletes(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    expect(phone.get_by_test_id("task-card")).to_have_count(1, timeout=SOON_MS)
    phone.context.set_offline(True)
    phone.get_by_test_id("take").click()
    expect(phone.get_by_test_id("waiting")).to_have_attribute("data-count", "1")
    phone.context.clear_cookies()
    phone.context.set_offline(False)
    expect(phone.get_by_test_id("login-page")).to_be_visible(timeout=SOON_MS)

    phone.get_by_test_id("username").fill("colleague")
    phone.get_by_test_id("password").fill(grid.password("colleague"))
    phone.get_by_test_id("login-submit").click()
    expect(phone.get_by_test_id("held")).to_contain_text("李网格的 1 项记录没有发送", timeout=SOON_MS)
    phone.goto("/phone")
    expect(phone.get_by_test_id("held")).to_be_visible(timeout=SOON_MS)
    phone.get_by_test_id("held-leave").click()
    expect(phone.get_by_test_id("username")).to_be_visible()
    assert kept_on(phone)["acts"] == 1

    sign_in(phone, "worker", grid.password("worker"))
    until(lambda: grid.state(task_id) == "taken")
    assert grid.kinds(task_id) == ["taken"]
    assert complaints_but_network(phone) == []


def sign_in_elsewhere(page: Page, grid: Grid, username: str) -> None:
    """As another window of the same browser does: the cookie is shared, the page knows nothing of it."""
    asked = {"username": username, "password": grid.password(username)}
    answer = page.context.request.post("/api/session", data=asked, headers={"Origin": grid.centre.origin})
    assert answer.ok, answer.text()


def test_a_second_sign_in_in_another_window_stops_nothing(browser: Browser, grid: Grid, tmp_path: Path) -> None:
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    opened(phone, task_id)
    sign_in_elsewhere(phone, grid, "worker")
    phone.get_by_test_id("take").click()
    until(lambda: grid.state(task_id) == "taken")
    phone.get_by_test_id("arrive").click()
    until(lambda: grid.state(task_id) == "arrived")
    sign_in_elsewhere(phone, grid, "worker")
    photograph(phone, tmp_path)
    expect(phone.get_by_test_id("photo")).to_have_attribute("data-photo", "sent", timeout=SOON_MS)


def test_another_persons_sign_in_in_another_window_takes_the_first_ones_list_away(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid)
    task_id = grid.block(0)
    opened(phone, task_id)
    sign_in_elsewhere(phone, grid, "colleague")
    phone.get_by_test_id("take").click()
    expect(phone.get_by_test_id("held")).to_contain_text("李网格的 1 项记录没有发送", timeout=SOON_MS)
    expect(phone.get_by_test_id("task-page")).to_have_count(0)
    assert grid.kinds(task_id) == [], "not in the colleague's name"


def complaints_but_network(page: Page) -> list[str]:
    return [one for one in complaints(page) if "net::ERR_" not in one]


def test_a_killed_browser_loses_nothing(browser: Browser, grid: Grid, tmp_path: Path) -> None:
    task_id = grid.block(0)

    def start() -> tuple[BrowserContext, Page]:
        context = browser.browser_type.launch_persistent_context(
            str(tmp_path / "profile"),
            executable_path=chromium_path(),
            args=list(FLAGS),
            base_url=grid.centre.origin,
            viewport=SMALL,  # type: ignore[arg-type]
            locale="zh-CN",
        )
        return context, context.new_page()

    context, page = start()
    sign_in(page, "worker", grid.password("worker"))
    has_its_parts(page)
    is_installed(page)
    expect(page.get_by_test_id("task-card")).to_have_count(1, timeout=SOON_MS)
    context.set_offline(True)
    page.get_by_test_id("take").click()
    page.get_by_test_id("arrive").click()
    photograph(page, tmp_path)
    expect(page.locator('[data-photo="kept"]')).to_have_count(1, timeout=SOON_MS)
    with pytest.raises(Error):
        context.new_cdp_session(page).send("Browser.crash")
    context, page = start()
    context.set_offline(True)
    page.goto("/phone")
    expect(page.get_by_test_id("waiting")).to_have_attribute("data-count", "2", timeout=SOON_MS)
    opened(page, task_id)
    expect(page.locator('[data-photo="kept"]')).to_have_count(1, timeout=SOON_MS)
    page.get_by_test_id("handled").click(delay=PRESS_MS)
    expect(page.get_by_test_id("waiting")).to_have_attribute("data-count", "3")
    context.set_offline(False)

    def is_handled() -> bool:
        # A cookie of a few seconds may not have been on the disk yet: then the worker signs in again.
        if page.get_by_test_id("login-page").is_visible():
            sign_in(page, "worker", grid.password("worker"))
        return grid.state(task_id) == "handled"

    until(is_handled)
    assert grid.kinds(task_id) == ["taken", "arrived", "handled"]
    assert len(grid.desk.task(task_id)["photos"]) == 1
    context.close()


def test_a_new_version_waits_says_so_and_is_taken_whole_or_not_at_all(
    browser: Browser, grid: Grid, tmp_path: Path
) -> None:
    worker = "phone-worker.js"
    with ConsoleFront(CONSOLE_BUILD, tmp_path, grid.centre.origin) as front:
        page = handset(browser, front.origin)
        sign_in(page, "worker", grid.password("worker"))
        is_installed(page)
        page.reload()
        (before,) = page.evaluate("() => caches.keys()")

        built = (front.files / worker).read_text()
        broken = re.sub(r'"version":"\w+"', '"version":"broken"', built)
        (front.files / worker).write_text(re.sub(r'"pageSha256":"\w+"', f'"pageSha256":"{"0" * 64}"', broken))
        assert page.evaluate(UPDATE) == "refused"
        assert page.evaluate("() => caches.keys()") == [before]
        expect(page.get_by_test_id("update-ready")).to_be_hidden()

        (front.files / worker).write_text(re.sub(r'"version":"\w+"', '"version":"next"', built))
        assert page.evaluate(UPDATE) == "waits"
        expect(page.get_by_test_id("update-ready")).to_contain_text("下次打开时启用")
        assert sorted(page.evaluate("() => caches.keys()")) == sorted([before, "phone-shell-next"])
        with page.expect_navigation(timeout=SOON_MS):  # it loads itself once the new version runs
            page.get_by_test_id("update-now").click()
        expect(page.get_by_test_id("update-ready")).to_be_hidden(timeout=SOON_MS)
        until(lambda: page.evaluate("() => caches.keys()") == ["phone-shell-next"])
        expect(page.get_by_test_id("phone-page")).to_be_visible(timeout=SOON_MS)


UPDATE = """async () => {
  const known = await navigator.serviceWorker.getRegistration("/phone");
  const found = new Promise((resolve) => known.addEventListener("updatefound", () => resolve(known.installing)));
  await known.update();
  const fresh = await found;
  return new Promise((resolve) => {
    const see = () => {
      if (fresh.state === "installed") resolve("waits");
      if (fresh.state === "redundant") resolve("refused");
    };
    fresh.addEventListener("statechange", see);
    see();
  });
}"""


def test_the_page_is_a_program_that_can_be_installed(browser: Browser, grid: Grid) -> None:
    phone = small_phone(browser, grid)
    address = phone.locator('link[rel="manifest"]').get_attribute("href")
    assert address is not None
    answer = phone.request.get(address)
    manifest = answer.json()
    assert manifest["start_url"] == manifest["scope"] == "/phone"
    assert manifest["display"] == "standalone"
    sizes = phone.evaluate(
        """(icons) => Promise.all(icons.map(async ({ src }) => {
          const bitmap = await createImageBitmap(await (await fetch(src)).blob());
          return `${bitmap.width}x${bitmap.height}`;
        }))""",
        manifest["icons"],
    )
    assert sizes == [icon["sizes"] for icon in manifest["icons"]]
    cdp = phone.context.new_cdp_session(phone)
    assert cdp.send("Page.getAppManifest")["errors"] == []
    errors = {one["errorId"] for one in cdp.send("Page.getInstallabilityErrors")["installabilityErrors"]}
    assert errors <= {"in-incognito"}, "a test's browser context counts as one"
    assert complaints(phone) == []
