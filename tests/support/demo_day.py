"""A day of the demo city for pictures of its pages: cases that wait and some that were judged, weeks of figures,
silences and a note of hand-over. Its cameras are played; the lane that a lorry blocks is in `screenshots.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support.puppet_node import CentreOnly, PuppetNode
from tests.support.rolled_weeks import fill, some_weeks
from xueliang_alerts.clocks import system_wall
from xueliang_alerts.contract import Hazard, Measure, Reason, Severity
from xueliang_central.reports.periods import period_of
from xueliang_demo.api_client import Person
from xueliang_demo.city import DEMO, make_city
from xueliang_demo.demo_plan import POLICIES
from xueliang_demo.installation import Account, Plan, WatchedCamera
from xueliang_demo.processes import wait_until

SOON_S: Final = 60.0
# Limits as of a real place, so that a picture shows cases in time and late ones; nobody is sent before a person judged.
_ROW: Final = POLICIES["policies"][1]
DAY: Final = POLICIES | {"policies": [_ROW | {"judge_s": 600, "take_s": 300, "arrive_s": 900, "check_s": 900}]}
PLACES: Final = (
    ("柳桥小区3号楼消防通道", Hazard.FIRE_LANE_OBSTRUCTION, Severity.ORANGE),
    ("北广场中央", Hazard.CROWD, Severity.YELLOW),
    ("红林商场南门", Hazard.BLOCKED_EXIT, Severity.ORANGE),
    ("清河路口东侧", Hazard.ILLEGAL_PARKING, Severity.BLUE),
    ("石泉仓库后院", Hazard.FIRE_SMOKE, Severity.RED),
    ("金湾地下通道", Hazard.EBIKE_INDOORS, Severity.YELLOW),
    ("云坪环路入口", Hazard.WRONG_WAY, Severity.ORANGE),
    ("新塘小学西墙", Hazard.INTRUSION, Severity.YELLOW),
    ("下井街人行道", Hazard.ILLEGAL_PARKING, Severity.BLUE),
    ("大城高架2号桥", Hazard.DEBRIS_ON_ROAD, Severity.ORANGE),
    ("南岗医院消防通道", Hazard.FIRE_LANE_OBSTRUCTION, Severity.ORANGE),
    ("西口公交站", Hazard.CROWD, Severity.YELLOW),
)
# Of these: how often each was judged false today, and how often *permitted*.
JUDGED: Final = ((3, 9, 1), (8, 4, 3), (9, 2, 2))
BLOCKED: Final = Reason(
    code="lane_blocked", text="lane 41% covered by truck for 63 s >= 60 s", about={"objects": "truck", "place": "lane"}
)


@dataclass
class Day:
    """The centre, its node, and the people: operator, second, chief, ruler, keeper, wall."""

    centre: CentreOnly
    node: PuppetNode

    def raise_at(self, number: int, hazard: Hazard, severity: Severity, *, drill: bool = False) -> None:
        self.node.raise_alert(
            f"cam-{number:02d}",
            hazard,
            severity,
            reason=BLOCKED,
            measures={"share": Measure(value=0.41, unit="share"), "seconds": Measure(value=63, unit="s")},
            drill=drill,
        )

    def have_cases(self) -> None:
        """One at each place; some are judged and on their way, one is a drill."""
        for number, (_, hazard, severity) in enumerate(PLACES):
            self.raise_at(number, hazard, severity)
        self.raise_at(1, Hazard.BLOCKED_EXIT, Severity.YELLOW, drill=True)
        person = self.centre.log_in("operator")
        wait_until(lambda: len(person.incidents("open")) >= len(PLACES), "the cases", SOON_S)
        for one in person.incidents("open")[-3:]:
            person.move_incident(one["incident_id"], "confirm")
        person.close()

    def have_judged(self) -> None:
        """What was judged before, one after the other."""
        person = self.centre.log_in("chief")
        for number, false, true in JUDGED:
            for move in ["false_alarm"] * false + ["permitted"] * true:
                self.raise_at(number, Hazard.LINE_CROSSING, Severity.BLUE)
                reason = "shadow_or_light" if move == "false_alarm" else "registered_work"
                person.move_incident(_waiting(person, number), move, reason_code=reason)
        person.close()


def _waiting(person: Person, number: int) -> str:
    """The id of the case of a crossed line that waits at this place, once it does."""
    found: list[str] = []

    def is_there() -> bool:
        here = [one for one in person.incidents("open") if one["place"]["camera_id"] == f"cam-{number:02d}"]
        found[:] = [one["incident_id"] for one in here if one["hazard"] == "line_crossing" and one["state"] == "open"]
        return bool(found)

    wait_until(is_there, "the case", SOON_S)
    return found[0]


@contextmanager
def demo_day(folder: Path) -> Iterator[Day]:
    """All processes end with the block."""
    city = make_city(DEMO)
    grids = city.of_level("grid")
    cameras = []
    for number, (name, _, _) in enumerate(PLACES):
        grid = grids[(number * 7) % len(grids)]
        point = grid.polygon.representative_point()
        cameras.append(WatchedCamera(f"cam-{number:02d}", name, "file:none.mp4", grid.code, point.x, point.y))
    root = city.areas[0].code
    accounts = (
        Account("operator", "operator", root, "王值班"),
        Account("second", "operator", root, "赵值班"),
        Account("chief", "supervisor", root, "孙带班"),
        Account("ruler", "rule_operator", root, "陈规则"),
        Account("keeper", "security", root, "安全管理员"),
        Account("auditor", "auditor", root, "审计管理员"),
        Account("admin", "admin", root, "系统管理员"),
        Account("wall", "viewer", root, "指挥大屏"),
        *(Account(f"worker{n}", "worker", grids[n].code, f"网格员 {name}") for n, name in enumerate("李周吴郑")),
    )
    states = {one.camera_id: "streaming" for one in cameras} | {"cam-11": "offline"}
    with CentreOnly(folder, Plan(city, tuple(cameras), (), accounts, DAY)) as centre:
        centre.start_broker()
        centre.set_up()
        fill(centre, some_weeks([grid.code for grid in grids], period_of(system_wall()).day))
        centre.start_centre()
        with PuppetNode(centre, states) as node:
            yield Day(centre, node)
