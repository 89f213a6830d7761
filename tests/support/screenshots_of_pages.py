"""The pictures of the docs that need a day behind them: python -m tests.support.screenshots_of_pages [--out DIR]

Wall, hand-over, silences, noise board, reports and accounts of the demo city. Look at them after.
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page

from tests.support.browser import desk, open_browser, sign_in
from tests.support.demo_day import Day, demo_day
from tests.support.screenshots import shoot
from xueliang_alerts.clocks import system_wall
from xueliang_configs.schedules import zone_of
from xueliang_demo.processes import wait_until

SETTLED_MS: Final = 1_500
PATIENT_MS: Final = 180_000  # also on a machine that is busy with something else
FOLLOWED_S: Final = 120.0  # the worker counts for the noise board every 20 s
SILENCED: Final = (
    ("camera_id", "cam-02", "blocked_exit", "商场南门换门，物业已报备", 6),
    ("camera_id", "cam-09", "debris_on_road", "高架桥面铺装施工，现场有交警", 20),
    ("camera_id", "cam-03", "illegal_parking", "清河路口临时卸货点，街道已批准", 50),
)


def page_of(browser: Browser, day: Day, who: str, path: str, **size: int) -> Page:
    page = desk(browser, day.centre.origin, **size)
    page.set_default_timeout(PATIENT_MS)
    sign_in(page, who, day.centre.password_of(who))
    if path != "/":
        page.goto(path)
    return page


def take(page: Page, out: Path, name: str) -> None:
    page.wait_for_timeout(SETTLED_MS)  # maps and charts settle; nothing is asserted
    shoot(page, out / f"{name}.png")
    page.context.close()


def silences(browser: Browser, day: Day, out: Path) -> None:
    page = page_of(browser, day, "operator", "/silences")
    for scope, place, hazard, reason, hours in SILENCED:
        ends = (system_wall() + timedelta(hours=hours)).astimezone(zone_of("Asia/Shanghai"))
        page.get_by_test_id("silence-make").click()
        page.get_by_test_id("silence-scope").select_option(scope)
        page.get_by_test_id("silence-place").fill(place)
        page.get_by_test_id("silence-hazard").select_option(hazard)
        page.get_by_test_id("silence-reason").fill(reason)
        page.get_by_test_id("silence-ends").fill(ends.strftime("%Y-%m-%dT%H:%M"))
        page.get_by_test_id("silence-submit").click()
        page.get_by_text(reason).first.wait_for()
    take(page, out, "silences")


def hand_over(browser: Browser, day: Day, out: Path) -> None:
    page = page_of(browser, day, "operator", "/hand-overs")
    page.get_by_test_id("hand-over-begin").click()
    page.get_by_test_id("hand-over-words").fill(
        "红林商场南门换门，物业已报备；南岗医院通道的货车车主一刻钟内到场移车。"
    )
    page.get_by_test_id("hand-over-save").click()
    page.get_by_test_id("hand-over-said").wait_for()
    page.context.close()
    after = page_of(browser, day, "second", "/hand-overs")
    after.get_by_test_id("hand-over-open").click()
    after.get_by_test_id("facts-incidents").wait_for()
    take(after, out, "hand-over")


def wall(browser: Browser, day: Day, out: Path) -> None:
    for name, language in (("wall", "zh"), ("wall-english", "en")):
        page = page_of(browser, day, "wall", f"/wall?lang={language}", width=1920, height=1080)
        page.locator('[data-testid="wall-pages"][data-page="1"]').wait_for()  # each page has its turn
        take(page, out, name)


def noise(browser: Browser, day: Day, out: Path) -> None:
    page = page_of(browser, day, "ruler", "/noise")

    def is_counted() -> bool:
        page.reload()
        page.get_by_test_id("noise-rules").or_(page.get_by_test_id("noise-failure")).first.wait_for()
        return page.get_by_test_id("noise-rule").count() > 0

    wait_until(is_counted, "the rule on the board", FOLLOWED_S, 5.0)
    take(page, out, "noise")


def take_all(folder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    with demo_day(folder) as day, open_browser() as browser:
        day.have_judged()
        day.have_cases()
        wall(browser, day, out)
        reports = page_of(browser, day, "chief", "/reports", height=1000)
        reports.get_by_test_id("tiles").wait_for()
        take(reports, out, "reports")
        take(page_of(browser, day, "keeper", "/accounts"), out, "accounts")
        silences(browser, day, out)
        hand_over(browser, day, out)
        noise(browser, day, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        take_all(Path(folder) / "day", arguments.out)


if __name__ == "__main__":
    main()
