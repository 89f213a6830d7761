"""The pictures of the README and the docs, taken from a running demo: python -m tests.support.screenshots [--out DIR]

A lorry blocks the rendered fire lane, the operator's, the grid worker's and the rule operator's pages are
photographed. Look at them after.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as NotInTime

from tests.support.browser import desk, handset, open_browser, sign_in
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import LANE_CAMERA, demo_plan, with_urls
from xueliang_demo.installation import Installation
from xueliang_demo.theatre import Stage

MOST_BYTES = 400_000
TRIES = 6
_PICTURE_IS_THERE = """
() => {
  const picture = document.querySelector('[data-testid="task-card"] img');
  return picture !== null && picture.complete && picture.naturalWidth > 0;
}
"""


def shoot(page: Page, path: Path) -> None:
    """A PNG small enough for a repository: fewer colours where it must be."""
    page.screenshot(path=str(path))
    if path.stat().st_size > MOST_BYTES:
        image = cv2.imread(str(path))
        assert image is not None
        cv2.imwrite(str(path), image // 16 * 16 + 8, [cv2.IMWRITE_PNG_COMPRESSION, 9])


_FOUR_PLACES_M = ((-7.0, 10.0), (1.0, 10.0), (1.0, 14.0), (-7.0, 14.0))  # along the marked lane, 8 m by 4 m


def _open_known_rules(page: Page) -> None:
    """Opened again where a machine that is busy with the demo has let the page's reading fail."""
    for _ in range(TRIES):
        page.goto(f"/rules/{LANE_CAMERA}")
        try:
            page.locator('[data-testid="rules-state"]:not([data-state="unknown"])').wait_for(timeout=15_000)
        except NotInTime:
            continue
        return
    raise RuntimeError(f"the rules of {LANE_CAMERA} were not known in {TRIES} tries: does its node run?")


def _take_a_still(page: Page) -> None:
    """Asked again where none came: while much moves, or the detector is late, the node shows none."""
    for _ in range(TRIES):
        page.get_by_test_id("still-take").click()  # no key: it is heard once the editor has been loaded
        try:
            page.locator('[data-testid="fresh-still"][data-full="true"]').wait_for(timeout=15_000)
        except NotInTime:
            continue
        return
    told = page.get_by_test_id("fresh-still").inner_text()
    raise RuntimeError(f"no fresh still of {LANE_CAMERA} in {TRIES} tries; the page says: {told}")


def shoot_tuning(page: Page, stage: Stage, out: Path) -> None:
    """The lane's rules on a fresh picture, and the ground's grid over it."""
    # Before the node has said what it runs a draft begins without rules, and there is no zone for a grid to lie under.
    _open_known_rules(page)
    page.get_by_test_id("edit-rules").click()
    page.locator('[data-testid^="pick-"]').first.click()
    _take_a_still(page)
    page.get_by_test_id("ground-open").click()
    frame = page.get_by_test_id("ground-frame")
    for share_x, share_y in stage.lane.camera.ground_polygon_xyxyn(list(_FOUR_PLACES_M)):
        box = frame.bounding_box()
        assert box is not None
        frame.click(position={"x": share_x * box["width"], "y": share_y * box["height"]})
    page.get_by_test_id("ground-width").fill("8")
    page.get_by_test_id("ground-depth").fill("4")
    page.get_by_test_id("ground-fill").click()
    page.get_by_test_id("ground-open").click()
    page.get_by_test_id("ground-grid").wait_for()
    page.get_by_test_id("tune-status").scroll_into_view_if_needed()
    page.wait_for_timeout(800)
    shoot(page, out / "rules.png")


def take(folder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    stage = Stage(folder / "footage", lorry_after_s=45)
    plan = demo_plan(make_city(DEMO), stage, None)
    installation = Installation(folder, plan)
    try:
        installation.start_programs_for(with_urls(plan, stage.open()))
        with open_browser() as browser:
            login = desk(browser, installation.origin)
            login.goto("/login")
            login.get_by_test_id("username").wait_for()
            shoot(login, out / "login.png")
            command = desk(browser, installation.origin)
            sign_in(command, "operator", installation.password_of("operator"))
            row = command.get_by_test_id("incident-row").first
            row.wait_for(timeout=150_000)  # the scene is learnt first, so that stills have their background
            row.click()
            command.get_by_test_id("case-panel").wait_for()
            command.locator("img").first.wait_for(timeout=30_000)
            command.wait_for_timeout(3_000)  # the map's tiles of polygons and the picture settle; nothing is asserted
            shoot(command, out / "command.png")
            phone = handset(browser, installation.origin)
            sign_in(phone, "worker", installation.password_of("worker"))
            card = phone.get_by_test_id("task-card").first
            card.wait_for(timeout=30_000)
            phone.wait_for_function(_PICTURE_IS_THERE)
            shoot(phone, out / "phone-list.png")
            card.click()
            phone.get_by_test_id("take").first.wait_for()
            phone.wait_for_timeout(1_500)
            shoot(phone, out / "phone.png")
            command.locator("text=EN").first.click()
            command.wait_for_timeout(800)
            shoot(command, out / "command-english.png")
            rules = desk(browser, installation.origin)
            sign_in(rules, "admin", installation.password_of("admin"))
            shoot_tuning(rules, stage, out)
    finally:
        installation.stop()
        stage.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    parser.add_argument("--data", type=Path, default=Path(".run/screenshots"))
    arguments = parser.parse_args()
    take(arguments.data, arguments.out)


if __name__ == "__main__":
    main()
