"""A small city with one grid's cameras, its node and people, for what looks at all pages of the console."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page

from tests.support.browser import desk, drawn_jpeg, handset
from tests.support.browser import sign_in as sign_in_at
from tests.support.puppet_node import CentreOnly, Episode, PuppetNode
from tests.support.rules_node import RulesNode
from xueliang_alerts.contract import Hazard, Measure, Reason, Severity
from xueliang_central.camera_rules.sending import make_key
from xueliang_configs.cameras import CameraConfig
from xueliang_demo.city import DEMO, City, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.processes import wait_until

CAMERAS: Final = 5
SOON_MS: Final = 30_000
SETTLE_MS: Final = 800
ZONE: Final = [[0.1, 0.5], [0.9, 0.5], [0.9, 0.9], [0.1, 0.9]]
RUNNING: Final = {
    "rule_id": "fire-lane-obstruction",
    "hazard": "fire_lane_obstruction",
    "version": 1,
    "zone": ZONE,
    "dwell_s": 60.0,
}
HOSTILE: Final = '<img src="/hostile" onerror="document.title=1">'
"""In front of every name of a hostile city: as text it is seen, as markup it is an element."""
BLOCKED: Final = Reason(
    code="lane_blocked", text="lane 41% covered by truck for 63 s >= 60 s", about={"objects": "truck", "place": "lane"}
)


@dataclass
class Small:
    """A centre with some cameras of one grid, their node, and who signs in."""

    centre: CentreOnly
    node: PuppetNode
    folder: Path
    camera: CameraConfig

    def page(self, browser: Browser, who: str) -> Page:
        page = (handset if who == "worker" else desk)(browser, self.centre.origin)
        sign_in_at(page, who, self.centre.password_of(who))
        return page

    def have_tasks(self) -> list[Episode]:
        """One at each camera, offered to the worker."""
        episodes = [self.raise_one(number) for number in range(CAMERAS)]
        person = self.centre.log_in("worker")
        wait_until(lambda: len(person.tasks()) >= CAMERAS, "the tasks", SOON_MS / 1000)
        person.close()
        return episodes

    def raise_one(self, camera: int, severity: Severity = Severity.ORANGE) -> Episode:
        return self.node.raise_alert(
            f"cam-{camera}",
            Hazard.FIRE_LANE_OBSTRUCTION,
            severity,
            reason=BLOCKED,
            measures={"share": Measure(value=0.41, unit="share"), "seconds": Measure(value=63, unit="s")},
            boxes=[(0.2, 0.2, 0.4, 0.6)],
            picture=drawn_jpeg(640, 360),
        )


@contextmanager
def small(folder: Path, policies: Mapping[str, Any] = POLICIES, *, is_hostile: bool = False) -> Iterator[Small]:
    """All processes end with the block. `is_hostile`: areas, cameras and people are named by who means no good."""
    before = HOSTILE if is_hostile else ""
    made = make_city(DEMO)
    city = City(tuple(replace(one, name=before + one.name, name_en=before + one.name_en) for one in made.areas))
    grid = city.of_level("grid")[3]
    place = grid.polygon.representative_point()
    cameras = tuple(
        WatchedCamera(f"cam-{n}", f"{before}东巷{n}号", "file:none.mp4", grid.code, place.x + n * 0.002, place.y)
        for n in range(CAMERAS)
    )
    root = city.areas[0].code
    accounts = (
        Account("operator", "operator", root, f"{before}值班员"),
        Account("ruler", "rule_operator", root, f"{before}规则员"),
        Account("chief", "supervisor", root, f"{before}带班长"),
        Account("worker", "worker", grid.code, f"{before}李网格"),
        Account("keeper", "security", root, f"{before}安全员"),
    )
    camera = CameraConfig.model_validate(
        {"camera_id": "cam-0", "name": "cam-0", "url": "file:none.mp4", "rules": [RUNNING]}
    )
    folder.mkdir(parents=True)
    with CentreOnly(folder, Plan(city, cameras, (), accounts, dict(policies))) as centre:
        centre.start()
        key = make_key(centre.folder / "centre" / "signing.key")
        rules = {camera.camera_id: [RUNNING]}
        states = {one.camera_id: "streaming" for one in cameras}
        with PuppetNode(centre, states) as node, RulesNode(centre, key.public, rules):
            yield Small(centre, node, folder / "log", camera)


def open_page(page: Page, path: str) -> None:
    page.goto(path)
    page.wait_for_load_state("load")  # the network is never idle: the event stream stays
    page.wait_for_timeout(SETTLE_MS)
